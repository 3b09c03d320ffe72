// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define ARENA_BLOCK 8192

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(16) char bytes[];
};

static char *align_up(char *p)
{
    return p + (-(uintptr_t)p & 15);
}

void arena_init(struct arena *a, void *first, size_t first_size, size_t limit)
{
    *a = (struct arena){.first = first, .first_size = first_size, .limit = limit};
    a->at = a->first;
    a->end = a->first ? a->first + first_size : NULL;
}

void arena_reset(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->grown = 0;
    a->failed = false;
    a->at = a->first;
    a->end = a->first ? a->first + a->first_size : NULL;
}

static bool arena_grow(struct arena *a, size_t size)
{
    size_t want = size + 16 > ARENA_BLOCK ? size + 16 : ARENA_BLOCK;
    if (want < size || want > a->limit - a->grown)
        return false;
    struct arena_block *b = malloc(sizeof *b + want);
    if (!b)
        return false;
    b->next = a->blocks;
    b->size = want;
    a->blocks = b;
    a->grown += want;
    a->at = b->bytes;
    a->end = b->bytes + want;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    char *p = a->at ? align_up(a->at) : NULL;
    if (!p || p > a->end || size > (size_t)(a->end - p)) {
        if (!arena_grow(a, size)) {
            a->failed = true;
            return NULL;
        }
        p = align_up(a->at);
    }
    a->at = p + size;
    return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    void *p = arena_alloc(a, count * size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (!p)
        return SLICE_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return slice_of(p, s.n);
}
