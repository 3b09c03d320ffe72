// SPDX-License-Identifier: Apache-2.0
// Memory for tables of megabytes that are read all over, on huge pages where the kernel has them:
// with small ones nearly every look-up is a walk through the page tables too, which a virtual
// machine pays twice.
#pragma once

#include <stddef.h>

// Zeroed, aligned to a page at least; NULL when there is none. Touched memory may count in steps of
// two megabytes.
void *pages_alloc(size_t bytes);
// `bytes` as they were asked for; NULL is let pass.
void pages_free(void *p, size_t bytes);
// Gives the memory of a part back, which nobody reads any more: of the pages that it has alone.
void pages_drop(void *p, size_t bytes);
