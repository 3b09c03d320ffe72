// SPDX-License-Identifier: Apache-2.0
// See map.h. Open addressing with linear probing; a removal shifts its followers back, so that
// there are no tombstones to sweep.
#include "store/lmdb/map.h"

#include <stdlib.h>

#include "base/pages.h"

#define FIRST_SLOTS  16
#define REGION_SLOTS 512 // fewer are no whole number of pages

static struct map_shard *shard_of(struct map *m, uint64_t hash)
{
    return &m->shards[hash >> MAP_SHARD_SHIFT];
}

struct map *map_open(void)
{
    struct map *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->key = hash_key_random();
    for (size_t i = 0; i < MAP_SHARDS; i++)
        pthread_mutex_init(&m->shards[i].lock, NULL);
    return m;
}

static void table_free(struct map *m, struct map_entry *slots, size_t n)
{
    char *p = (char *)slots;
    if (m->region && p >= m->region && p < m->region + m->region_size)
        pages_drop(p, n * sizeof *slots); // no other table will have them
    else
        free(slots);
}

void map_close(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < MAP_SHARDS; i++) {
        pthread_mutex_destroy(&m->shards[i].lock);
        table_free(m, m->shards[i].slots, (size_t)m->shards[i].mask + 1);
    }
    pages_free(m->region, m->region_size);
    free(m);
}

unsigned map_find(struct map *m, uint64_t hash, struct map_entry out[MAP_CANDIDATES])
{
    struct map_shard *s = shard_of(m, hash);
    unsigned n = 0;
    pthread_mutex_lock(&s->lock);
    if (s->slots)
        for (uint32_t i = (uint32_t)hash & s->mask; s->slots[i].seq; i = (i + 1) & s->mask)
            if (s->slots[i].hash == hash && n < MAP_CANDIDATES)
                out[n++] = s->slots[i];
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void insert(struct map_entry *slots, uint32_t mask, const struct map_entry *e)
{
    uint32_t i = (uint32_t)e->hash & mask;
    while (slots[i].seq)
        i = (i + 1) & mask;
    slots[i] = *e;
}

// At most seven eighths full.
static bool holds(uint64_t slots, uint64_t entries)
{
    return entries * 8 <= slots * 7;
}

static bool grow(struct map *m, struct map_shard *s)
{
    uint32_t slots = s->slots ? (s->mask + 1) * 2 : FIRST_SLOTS;
    struct map_entry *bigger = slots ? calloc(slots, sizeof *bigger) : NULL;
    if (!bigger)
        return false;
    struct map_entry *old = s->slots;
    size_t n_old = old ? (size_t)s->mask + 1 : 0;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].seq)
            insert(bigger, slots - 1, &old[i]);
    pthread_mutex_lock(&s->lock);
    s->slots = bigger;
    s->mask = slots - 1;
    pthread_mutex_unlock(&s->lock);
    table_free(m, old, n_old);
    return true;
}

void map_presize(struct map *m, uint64_t entries)
{
    size_t slots = FIRST_SLOTS;
    while (!holds(slots, entries / MAP_SHARDS) && slots <= UINT32_MAX / 4)
        slots *= 2;
    size_t size = MAP_SHARDS * slots * sizeof(struct map_entry);
    if (slots < REGION_SLOTS)
        return;
    void *region = pages_alloc(size);
    if (!region)
        return;
    m->region = region;
    m->region_size = size;
    for (size_t i = 0; i < MAP_SHARDS; i++) {
        m->shards[i].slots = (struct map_entry *)region + i * slots;
        m->shards[i].mask = (uint32_t)slots - 1;
    }
}

bool map_reserve(struct map *m, uint64_t hash)
{
    struct map_shard *s = shard_of(m, hash);
    uint64_t need = (uint64_t)s->used + s->reserved + 1;
    if ((!s->slots || !holds((uint64_t)s->mask + 1, need)) && !grow(m, s))
        return false;
    s->reserved++;
    return true;
}

void map_unreserve(struct map *m, uint64_t hash)
{
    shard_of(m, hash)->reserved--;
}

struct map_entry *map_at(struct map *m, uint64_t hash, uint64_t seq)
{
    struct map_shard *s = shard_of(m, hash);
    if (s->slots)
        for (uint32_t i = (uint32_t)hash & s->mask; s->slots[i].seq; i = (i + 1) & s->mask)
            if (s->slots[i].hash == hash && s->slots[i].seq == seq)
                return &s->slots[i];
    return NULL;
}

struct map_entry *map_next(struct map *m, uint64_t hash, struct map_entry *after)
{
    struct map_shard *s = shard_of(m, hash);
    if (!s->slots)
        return NULL;
    uint32_t i = after ? (uint32_t)(after - s->slots) + 1 : (uint32_t)hash;
    for (i &= s->mask; s->slots[i].seq; i = (i + 1) & s->mask)
        if (s->slots[i].hash == hash)
            return &s->slots[i];
    return NULL;
}

struct map_entry *map_load(struct map *m, struct map_entry *e, const struct map_entry *now)
{
    if (!e) {
        struct map_shard *s = shard_of(m, now->hash);
        uint32_t i = (uint32_t)now->hash & s->mask;
        while (s->slots[i].seq)
            i = (i + 1) & s->mask;
        e = &s->slots[i];
        *e = (struct map_entry){.hash = now->hash};
        s->used++;
        s->reserved--;
        m->entries++;
    }
    m->live += (now->n > 0) - (uint64_t)(e->n > 0);
    uint32_t due = e->due;
    *e = *now;
    e->due = due;
    return e;
}

struct map_entry *map_put(struct map *m, uint64_t old_seq, const struct map_entry *now)
{
    struct map_shard *s = shard_of(m, now->hash);
    struct map_entry *e = old_seq ? map_at(m, now->hash, old_seq) : NULL;
    pthread_mutex_lock(&s->lock);
    e = map_load(m, e, now);
    pthread_mutex_unlock(&s->lock);
    return e;
}

void map_drop(struct map *m, uint64_t hash, uint64_t seq)
{
    struct map_shard *s = shard_of(m, hash);
    struct map_entry *e = map_at(m, hash, seq);
    if (!e)
        return;
    pthread_mutex_lock(&s->lock);
    m->live -= e->n > 0;
    m->entries--;
    s->used--;
    uint32_t hole = (uint32_t)(e - s->slots);
    for (uint32_t i = (hole + 1) & s->mask; s->slots[i].seq; i = (i + 1) & s->mask) {
        uint32_t home = (uint32_t)s->slots[i].hash & s->mask;
        // Moves back unless its home lies behind the hole.
        if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
            s->slots[hole] = s->slots[i];
            hole = i;
        }
    }
    s->slots[hole] = (struct map_entry){0};
    pthread_mutex_unlock(&s->lock);
}

void map_each_due(struct map *m, uint64_t hash, uint32_t due,
                  void (*each)(void *arg, struct map_entry *e), void *arg)
{
    struct map_shard *s = shard_of(m, hash);
    if (!s->slots)
        return;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = (uint32_t)hash & s->mask; s->slots[i].seq; i = (i + 1) & s->mask)
        if (s->slots[i].hash == hash && s->slots[i].due == due)
            each(arg, &s->slots[i]);
    pthread_mutex_unlock(&s->lock);
}
