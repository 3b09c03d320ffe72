// SPDX-License-Identifier: Apache-2.0
// The expiry index: a timer wheel over the map's entries, by earliest expiry.
//
// An AoR has one live placement, the second in its map entry's `due`. A refresh that prolongs does
// not touch the wheel: when the placement comes up early it is made anew by the entry's expiry.
// Only an earlier expiry makes a new placement, and the old one, whose second the entry no longer
// names, is dropped when it comes up (or by wheel_tidy() before that). An item is a hash of 8
// bytes. Any horizon works: near seconds have a slot each, far ones share a slot a span.
//
// The writer's own; nothing here is thread-safe.
#pragma once

#include "store/lmdb/map.h"

#define WHEEL_SPAN  4096u // seconds that share a far slot
#define WHEEL_NEAR  8192u // near slots: two spans, so that the next span can move in early
#define WHEEL_FAR   4096u // far slots; what is farther off stands in the last one and comes round
#define WHEEL_CHUNK 31

struct wheel_chunk {
    struct wheel_chunk *next;
    uint64_t hash[WHEEL_CHUNK];
};

struct wheel_slot {
    struct wheel_chunk *head;
    uint32_t n;
};

// What is due within the second that has begun, in a heap by time.
struct wheel_due {
    int64_t at_ms;
    uint64_t hash;
    uint32_t due;
};

struct wheel {
    struct map *map;
    uint32_t second; // all slots before this one are empty
    uint64_t items;  // stale ones too
    struct wheel_slot near[WHEEL_NEAR], far[WHEEL_FAR];
    uint64_t near_used[WHEEL_NEAR / 64]; // a bit per slot that is not empty
    struct wheel_chunk *spare;
    uint64_t n_spare;
    struct wheel_chunk **slabs;
    size_t n_slabs;
    struct wheel_due *heap;
    size_t n_heap, heap_cap;
    uint32_t tidy_at;
};

struct wheel *wheel_open(struct map *map, int64_t now_ms);
void wheel_close(struct wheel *w);
// Makes sure that `n` placements cannot fail. False: no memory.
bool wheel_reserve(struct wheel *w, size_t n);
// Places the entry where its present placement is none or later than its expiry.
void wheel_place(struct wheel *w, struct map_entry *e);
// Moves the wheel on to now, in a bounded step. True when it has not got there yet.
bool wheel_advance(struct wheel *w, int64_t now_ms);
// Takes the first that is due at now_ms off; false for none. The caller then settles it: removes
// what has expired (or not: it may be stale or prolonged) and calls wheel_settle(), or gives it
// back with wheel_undo().
bool wheel_pop(struct wheel *w, int64_t now_ms, struct wheel_due *out);
void wheel_settle(struct wheel *w, const struct wheel_due *item);
void wheel_undo(struct wheel *w, const struct wheel_due *item);
// Drops stale items of one slot when they outnumber the rest.
void wheel_tidy(struct wheel *w);
// A time before which nothing that stands in the wheel expires; INT64_MAX when it is empty.
int64_t wheel_next_ms(const struct wheel *w);
