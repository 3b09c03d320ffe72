// SPDX-License-Identifier: Apache-2.0
// The map from an AoR to its newest record in the log: by a keyed hash of the AoR, the AoR's text
// being compared with the record by the caller (two AoRs may have one hash). Many small tables
// that grow one by one, so that no growth is felt.
//
// One thread writes; others look up under a shard's lock, held for some tens of nanoseconds.
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/hash.h"

#define MAP_SHARDS      1024
#define MAP_SHARD_SHIFT 54 // a hash's highest ten bits name its table
#define MAP_CANDIDATES  8  // most AoRs with one and the same 64-bit hash

struct map_entry {
    uint64_t hash;
    uint64_t seq;           // of its newest record; 0: the slot is empty
    uint64_t version;       // the record's
    int64_t next_expiry_ms; // earliest expires_at of the record, INT64_MAX for a tombstone
    uint32_t due;           // second of its placement in the wheel, 0 for none; the writer's own
    uint32_t n;             // bindings of the record
};

struct map_shard {
    pthread_mutex_t lock;
    struct map_entry *slots;
    uint32_t mask; // slots - 1
    uint32_t used;
    uint32_t reserved; // slots promised to records that are not committed yet
};

struct map {
    struct hash_key key;
    struct map_shard shards[MAP_SHARDS];
    uint64_t live; // entries with bindings
    uint64_t entries;
    char *region; // pages that hold the tables of map_presize(), until each has grown out of them
    size_t region_size;
};

struct map *map_open(void);
void map_close(struct map *m);
static inline uint64_t map_hash(const struct map *m, struct slice domain, struct slice key)
{
    return hash64_pair(m->key, domain, key);
}
// Copies of all entries with this hash; any thread.
unsigned map_find(struct map *m, uint64_t hash, struct map_entry out[MAP_CANDIDATES]);

// The writer's:
// Makes room for one more entry of this hash, so that map_put() cannot fail. False: no memory.
bool map_reserve(struct map *m, uint64_t hash);
void map_unreserve(struct map *m, uint64_t hash);
// The entry of (hash, seq), NULL for none; valid until the next map_put or map_drop.
struct map_entry *map_at(struct map *m, uint64_t hash, uint64_t seq);
// Replaces the entry of (now->hash, old_seq), or adds one where old_seq is 0 (reserved before).
// `due` stays as it was. Returns the entry.
struct map_entry *map_put(struct map *m, uint64_t old_seq, const struct map_entry *now);
void map_drop(struct map *m, uint64_t hash, uint64_t seq);
// The entry with this hash that follows `after` (NULL: the first); NULL where there is no more.
struct map_entry *map_next(struct map *m, uint64_t hash, struct map_entry *after);
// Calls `each` for every entry with this hash and due.
void map_each_due(struct map *m, uint64_t hash, uint32_t due,
                  void (*each)(void *arg, struct map_entry *e), void *arg);

// For the start, before another thread knows the map: nothing here takes a lock.
// Room for so many AoRs at once in an empty map, so that few tables grow on the way. A hint: where
// there is no memory nothing happens.
void map_presize(struct map *m, uint64_t entries);
// Asks the processor for the slot where a search for this hash begins.
static inline void map_prefetch(const struct map *m, uint64_t hash)
{
    const struct map_shard *s = &m->shards[hash >> MAP_SHARD_SHIFT];
    if (s->slots) {
        const char *slot = (const char *)&s->slots[(uint32_t)hash & s->mask];
        __builtin_prefetch(slot);
        __builtin_prefetch(slot + 64); // the search may go on there
    }
}
// As map_put, with the entry itself (NULL: a new one, reserved before).
struct map_entry *map_load(struct map *m, struct map_entry *e, const struct map_entry *now);
