// SPDX-License-Identifier: Apache-2.0
// The newest events, each as the bytes that go to a client, in fixed memory; the oldest make room.
// Readers have a position (a sequence number) and no part in the ring: one that is too slow finds
// its place gone and goes on elsewhere. Not thread-safe.
//
// A numbered event is never missing between two that are there: what does not fit empties the ring.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct ring_event {
    uint64_t number; // change number; 0 for one that is told live only
    uint64_t upto;   // the greatest number up to and including this one; set by the ring
    unsigned type;
    struct slice domain, frame;
};

struct ring_slot;

struct event_ring {
    char *bytes;
    size_t size, head; // bytes in all, and where the next event goes
    struct ring_slot *slots;
    size_t n_slots;
    uint64_t first, next; // sequence numbers: of the oldest that is there, of the next to come
    bool based;           // a numbered event has been seen
    uint64_t base, upto;  // all numbered events in (base, upto] are there
};

// 0, or -1 without memory.
int ring_init(struct event_ring *r, size_t size, size_t n_slots);
void ring_free(struct event_ring *r);
// Forgets everything; positions that were given are behind.
void ring_clear(struct event_ring *r);
// All numbered events behind `number` will be added; without this the first one that is added says
// so of the one before it.
void ring_base(struct event_ring *r, uint64_t number);
// Copies the event in. Numbers grow by one; one that is not beyond the base is passed over.
void ring_add(struct event_ring *r, const struct ring_event *e);
// A numbered event that cannot be added (no memory to make its frame).
void ring_skip(struct event_ring *r, uint64_t number);
// The position behind the event `after`; false where the ring does not have all that followed it.
bool ring_seek(const struct event_ring *r, uint64_t after, uint64_t *seq);
// The event at a position; false where there is none yet, or none any more (seq < r->first). Lives
// until the next ring_add().
bool ring_get(const struct event_ring *r, uint64_t seq, struct ring_event *out);
