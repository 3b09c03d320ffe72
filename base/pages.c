// SPDX-License-Identifier: Apache-2.0
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)

static size_t whole(size_t bytes)
{
    return (bytes + HUGE - 1) & ~(HUGE - 1);
}

void *pages_alloc(size_t bytes)
{
    size_t size = whole(bytes), room = size + HUGE; // so that it can begin on a huge page
    if (size < bytes || room < size)
        return NULL;
    char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (HUGE - (uintptr_t)p % HUGE) % HUGE, behind = room - before - size;
    if (before)
        munmap(p, before);
    if (behind)
        munmap(p + before + size, behind);
    madvise(p + before, size, MADV_HUGEPAGE); // without, it is only slower
    return p + before;
}

void pages_free(void *p, size_t bytes)
{
    if (p)
        munmap(p, whole(bytes));
}

void pages_drop(void *p, size_t bytes)
{
    // The kernel would round the end up, and take what others have there
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)p + page - 1) & ~(uintptr_t)(page - 1);
    uintptr_t end = ((uintptr_t)p + bytes) & ~(uintptr_t)(page - 1);
    if (begin < end)
        madvise((char *)p + (begin - (uintptr_t)p), end - begin, MADV_DONTNEED);
}
