// SPDX-License-Identifier: Apache-2.0
#include "service/request.h"

#include <stdlib.h>

#include "base/pages.h"

#define SLAB_BYTES    ((size_t)2 << 20)
#define SLAB_REQUESTS ((SLAB_BYTES - sizeof(struct request_slab)) / sizeof(struct request))

struct request_slab {
    struct request_slab *next;
    _Alignas(64) struct request requests[];
};

void request_pool_init(struct request_pool *pool, size_t limit)
{
    *pool = (struct request_pool){.limit = limit};
}

struct request *request_take(struct request_pool *pool)
{
    struct request *r = pool->free;
    if (r) {
        pool->free = r->next_free;
        r->too_large = r->unframed = r->sifted = false;
        return r;
    }
    if (pool->made >= pool->limit)
        return NULL;
    if (pool->fresh == 0) {
        struct request_slab *slab = pages_alloc(SLAB_BYTES);
        if (!slab)
            return NULL;
        slab->next = pool->slabs;
        pool->slabs = slab;
        pool->fresh = SLAB_REQUESTS;
    }
    r = &pool->slabs->requests[--pool->fresh];
    pool->made++;
    r->heap = NULL;
    r->too_large = r->unframed = r->sifted = false;
    arena_init(&r->arena, r->arena_bytes, sizeof r->arena_bytes, REQUEST_ARENA_LIMIT);
    return r;
}

void request_give(struct request_pool *pool, struct request *r)
{
    free(r->heap);
    r->heap = NULL;
    arena_reset(&r->arena);
    r->next_free = pool->free;
    pool->free = r;
}

void request_pool_close(struct request_pool *pool)
{
    while (pool->free) {
        struct request *r = pool->free;
        pool->free = r->next_free;
        arena_reset(&r->arena);
        free(r->heap);
        pool->made--;
    }
    while (pool->slabs) {
        struct request_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        pages_free(slab, SLAB_BYTES);
    }
}

bool request_fill(struct request *r, struct slice head, struct slice tail)
{
    char *to = r->inline_bytes;
    if (head.n + tail.n > sizeof r->inline_bytes) {
        to = r->heap = malloc(head.n + tail.n);
        if (!to)
            return false;
    }
    if (head.n && head.p != to)
        memcpy(to, head.p, head.n);
    if (tail.n)
        memcpy(to + head.n, tail.p, tail.n);
    r->bytes = slice_of(to, head.n + tail.n);
    return true;
}
