// SPDX-License-Identifier: Apache-2.0
// Large memory by the page: zeroed, in huge pages if the kernel has some. Random reads in small
// ones cost a walk of the page tables each.
#pragma once

#include <stddef.h>
#include <sys/mman.h>

// NULL where there is none; the caller's until pages_free().
static inline void *pages_alloc(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static inline void pages_free(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}

// Gives the memory of a part back, which nobody reads any more; whole pages.
static inline void pages_drop(void *p, size_t size)
{
    madvise(p, size, MADV_DONTNEED);
}
