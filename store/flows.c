// SPDX-License-Identifier: Apache-2.0
// A token is 24 bits of the process, 20 of the slot, 20 of the slot's generation.
#include "store/flows.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

#define SLOT_BITS       20
#define GENERATION_BITS 20
#define GENERATION_MASK ((1u << GENERATION_BITS) - 1)
#define OPEN            (1u << GENERATION_BITS)

struct flows {
    uint32_t process; // random, not 0
    size_t capacity;
    atomic_bool marking;
    _Atomic uint64_t version;
    _Atomic uint32_t slots[]; // generation, and OPEN
};

struct flows *flows_open(size_t capacity)
{
    if (capacity > FLOWS_MAX)
        capacity = FLOWS_MAX;
    struct flows *f = calloc(1, sizeof *f + capacity * sizeof f->slots[0]);
    if (!f)
        return NULL;
    random_bytes(&f->process, sizeof f->process);
    f->process = (f->process & 0xffffff) | 1;
    f->capacity = capacity;
    f->version = (uint64_t)clock_now_ms() * 1000; // above what an earlier process came to
    return f;
}

void flows_close(struct flows *f)
{
    free(f);
}

void flows_set_marking(struct flows *f, bool on)
{
    f->marking = on;
}

uint64_t flows_token(const struct flows *f, uint32_t slot, uint32_t generation)
{
    return (uint64_t)f->process << (SLOT_BITS + GENERATION_BITS) |
           (uint64_t)slot << GENERATION_BITS | (generation & GENERATION_MASK);
}

// The slot of a token of ours, or NULL.
static const _Atomic uint32_t *slot_of(const struct flows *f, uint64_t token)
{
    size_t slot = (token >> GENERATION_BITS) & (FLOWS_MAX - 1);
    bool ours = token >> (SLOT_BITS + GENERATION_BITS) == f->process;
    return ours && slot < f->capacity ? &f->slots[slot] : NULL;
}

void flows_opened(struct flows *f, uint64_t token)
{
    if (slot_of(f, token))
        f->slots[slot_of(f, token) - f->slots] = (token & GENERATION_MASK) | OPEN;
}

void flows_closed(struct flows *f, uint64_t token)
{
    if (slot_of(f, token))
        f->slots[slot_of(f, token) - f->slots] = 0;
    f->version++;
}

bool flows_is_open(const struct flows *f, uint64_t token)
{
    const _Atomic uint32_t *slot = slot_of(f, token);
    return slot && *slot == ((token & GENERATION_MASK) | OPEN);
}

void flows_mark(const struct flows *f, struct binding_set *set)
{
    if (!f || !f->marking)
        return;
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].flow && !flows_is_open(f, set->items[i].flow))
            set->items[i].flags |= BINDING_UNREACHABLE;
}

uint64_t flows_version(const struct flows *f)
{
    return f && f->marking ? f->version : 0;
}
