// SPDX-License-Identifier: Apache-2.0
// A bump arena: memory that lives as long as one request and is given back in one step.
//
// The first block may be the caller's own (embedded in a request object), so that the usual request
// costs no malloc at all; when it is full, further blocks come from malloc up to `limit` bytes in
// all, and arena_reset() frees them. Not thread-safe: an arena has one owner at a time.
#pragma once

#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    char *at; // next free byte of the current block
    char *end;
    char *first; // the caller's block, NULL where there is none
    size_t first_size;
    struct arena_block *blocks; // further blocks, newest first
    size_t grown;               // bytes in further blocks
    size_t limit;               // most bytes in further blocks
    bool failed;                // memory was refused since the last reset
};

// `first` (may be NULL when first_size is 0) must outlive the arena.
void arena_init(struct arena *a, void *first, size_t first_size, size_t limit);
// Everything taken is void; the first block is used again; further blocks are freed.
void arena_reset(struct arena *a);
// Aligned for any type, uninitialised. NULL when `limit` is reached or malloc fails.
void *arena_alloc(struct arena *a, size_t size);
void *arena_calloc(struct arena *a, size_t count, size_t size);
// A copy of `s` in the arena, NUL behind it (not counted). p is NULL when there is no memory.
struct slice arena_copy(struct arena *a, struct slice s);
