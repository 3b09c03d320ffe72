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

#define MAP_SHARDS     1024
#define MAP_CANDIDATES 8 // most AoRs with one and the same 64-bit hash

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
// Calls `each` for every entry with this hash and due.
void map_each_due(struct map *m, uint64_t hash, uint32_t due,
                  void (*each)(void *arg, struct map_entry *e), void *arg);
