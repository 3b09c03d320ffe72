// SPDX-License-Identifier: Apache-2.0
// See event_ring.h. Two rings: of slots, by sequence number, and of bytes; an event's bytes lie
// together, so the end of the memory is left unused where the next one does not fit there.
#include "api/event_ring.h"

#include <stdlib.h>

struct ring_slot {
    uint64_t number, upto;
    size_t at, domain_n, frame_n;
    unsigned type;
};

int ring_init(struct event_ring *r, size_t size, size_t n_slots)
{
    *r = (struct event_ring){.size = size, .n_slots = n_slots};
    r->bytes = malloc(size);
    r->slots = calloc(n_slots, sizeof *r->slots);
    if (r->bytes && r->slots)
        return 0;
    ring_free(r);
    return -1;
}

void ring_free(struct event_ring *r)
{
    free(r->bytes);
    free(r->slots);
    r->bytes = NULL;
    r->slots = NULL;
}

void ring_clear(struct event_ring *r)
{
    r->first = r->next;
    r->head = 0;
    r->based = false;
    r->base = r->upto = 0;
}

static struct ring_slot *slot_of(const struct event_ring *r, uint64_t seq)
{
    return &r->slots[seq % r->n_slots];
}

static void drop_oldest(struct event_ring *r)
{
    r->base = slot_of(r, r->first++)->upto;
}

// Where `n` bytes may go, the oldest events dropped for it; n is at most a quarter of the memory.
static size_t make_room(struct event_ring *r, size_t n)
{
    if (r->next - r->first == r->n_slots)
        drop_oldest(r);
    for (;;) {
        if (r->first == r->next)
            return r->head = 0;
        size_t tail = slot_of(r, r->first)->at;
        if (r->head > tail) { // used: tail..head
            if (r->size - r->head >= n)
                return r->head;
            if (tail > n)
                return r->head = 0;
        } else if (tail - r->head > n) { // used: tail..end and 0..head
            return r->head;
        }
        drop_oldest(r);
    }
}

void ring_skip(struct event_ring *r, uint64_t number)
{
    r->first = r->next;
    r->head = 0;
    r->based = true;
    r->base = r->upto = number;
}

void ring_base(struct event_ring *r, uint64_t number)
{
    if (r->based)
        return;
    r->based = true;
    r->base = r->upto = number;
    for (uint64_t seq = r->first; seq < r->next; seq++) // live ones that came before
        slot_of(r, seq)->upto = number;
}

void ring_add(struct event_ring *r, const struct ring_event *e)
{
    size_t n = e->domain.n + e->frame.n;
    if (e->number && r->based && e->number <= r->upto)
        return;
    if (n > r->size / 4) {
        if (e->number)
            ring_skip(r, e->number);
        return;
    }
    if (e->number)
        ring_base(r, e->number - 1);
    if (e->number)
        r->upto = e->number;
    size_t at = make_room(r, n);
    struct ring_slot *s = slot_of(r, r->next++);
    *s = (struct ring_slot){.number = e->number,
                            .upto = r->upto,
                            .at = at,
                            .domain_n = e->domain.n,
                            .frame_n = e->frame.n,
                            .type = e->type};
    if (e->domain.n)
        memcpy(r->bytes + at, e->domain.p, e->domain.n);
    if (e->frame.n)
        memcpy(r->bytes + at + e->domain.n, e->frame.p, e->frame.n);
    r->head = at + n;
}

bool ring_seek(const struct event_ring *r, uint64_t after, uint64_t *seq)
{
    if (!r->based || after < r->base || after > r->upto)
        return false;
    uint64_t low = r->first, high = r->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (slot_of(r, middle)->upto > after)
            high = middle;
        else
            low = middle + 1;
    }
    *seq = low;
    return true;
}

bool ring_get(const struct event_ring *r, uint64_t seq, struct ring_event *out)
{
    if (seq < r->first || seq >= r->next)
        return false;
    const struct ring_slot *s = slot_of(r, seq);
    *out = (struct ring_event){.number = s->number,
                               .upto = s->upto,
                               .type = s->type,
                               .domain = slice_of(r->bytes + s->at, s->domain_n),
                               .frame = slice_of(r->bytes + s->at + s->domain_n, s->frame_n)};
    return true;
}
