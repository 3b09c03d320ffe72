// SPDX-License-Identifier: Apache-2.0
// A wheel: a list for each twentieth of a second. What a turn costs does not depend on how many
// wait.
#include <stdlib.h>

#include "load.h"

#define SLOT_NS INT64_C(50000000)
#define SLOTS   1024
#define NOBODY  UINT32_MAX
#define LATEST  (SLOTS - 2)

struct link {
    uint32_t next, previous, slot; // NOBODY; slot NOBODY: it waits for nothing
};

struct timers {
    uint32_t first[SLOTS];
    int64_t reached; // slots up to it have been emptied, by number since time 0
    struct link *links;
};

struct timers *timers_new(unsigned phones, int64_t now_ns)
{
    struct timers *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->links = calloc(phones, sizeof *t->links);
    if (!t->links) {
        free(t);
        return NULL;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        t->first[i] = NOBODY;
    for (unsigned i = 0; i < phones; i++)
        t->links[i].slot = NOBODY;
    t->reached = now_ns / SLOT_NS;
    return t;
}

void timers_free(struct timers *t)
{
    if (!t)
        return;
    free(t->links);
    free(t);
}

void timers_clear(struct timers *t, unsigned phone)
{
    struct link *link = &t->links[phone];
    if (link->slot == NOBODY)
        return;
    if (link->previous == NOBODY)
        t->first[link->slot] = link->next;
    else
        t->links[link->previous].next = link->next;
    if (link->next != NOBODY)
        t->links[link->next].previous = link->previous;
    link->slot = NOBODY;
}

void timers_set(struct timers *t, unsigned phone, int64_t due_ns)
{
    struct link *link = &t->links[phone];
    int64_t at = due_ns / SLOT_NS + 1;
    timers_clear(t, phone);
    at = at <= t->reached ? t->reached + 1 : at;
    at = at > t->reached + LATEST ? t->reached + LATEST : at;
    link->slot = (uint32_t)(at % SLOTS);
    link->previous = NOBODY;
    link->next = t->first[link->slot];
    if (link->next != NOBODY)
        t->links[link->next].previous = phone;
    t->first[link->slot] = phone;
}

bool timers_due(struct timers *t, int64_t now_ns, unsigned *phone)
{
    for (; t->reached < now_ns / SLOT_NS; t->reached++) {
        uint32_t first = t->first[(t->reached + 1) % SLOTS];
        if (first != NOBODY) {
            timers_clear(t, first);
            *phone = first;
            return true;
        }
    }
    return false;
}
