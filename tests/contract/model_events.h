// SPDX-License-Identifier: Apache-2.0
// The model test's second reference: what the events alone say is there. Replaying the change log
// from its start has to give what the store holds, and so has listening.
#pragma once

#include "store/store.h"
#include "tests/contract/model.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const m_contacts[M_CONTACTS] = {
    "sip:u@192.0.2.1", "sip:u@192.0.2.2;transport=tcp", "sip:u@192.0.2.3:5062",
    "sip:u@[2001:db8::1];transport=tcp;ob"};

// One is the other's beginning, so that a sloppy range of keys shows.
static const char *const m_domains[M_DOMAINS] = {"a.example", "a.example.net", "b.example"};

struct events {
    uint64_t number; // of the last
    uint64_t faults; // that cannot follow from what was before
    bool domains[M_DOMAINS], users[M_DOMAINS][M_USERS];
    uint64_t ids[M_DOMAINS][M_USERS][M_CONTACTS]; // 0: not bound
};

static inline int index_of(struct slice name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (slice_eq(name, slice_str(names[i])))
            return i;
    return -1;
}

static inline bool events_binding(struct events *e, const struct store_event *event, int d, int u)
{
    const struct binding *b = event->binding;
    int c = b ? index_of(b->contact, m_contacts, M_CONTACTS) : -1;
    if (c < 0 || !e->users[d][u])
        return false;
    uint64_t *id = &e->ids[d][u][c];
    bool fits = *id == (event->type == EVENT_BINDING_CREATED ? 0 : b->id);
    if (event->type != EVENT_BINDING_REFRESHED)
        *id = event->type == EVENT_BINDING_CREATED ? b->id : 0;
    if (event->type == EVENT_BINDING_REMOVED)
        return fits && event->gone != GONE_NO;
    return fits && b->id && event->gone == GONE_NO;
}

static inline bool events_user(struct events *e, const struct store_event *event, int d, int u)
{
    bool fits = e->domains[d] && e->users[d][u] == (event->type != EVENT_USER_CREATED);
    e->users[d][u] = event->type != EVENT_USER_DELETED;
    for (int c = 0; c < M_CONTACTS && event->type != EVENT_USER_UPDATED; c++)
        fits = fits && !e->ids[d][u][c];
    return fits;
}

static inline bool events_domain(struct events *e, const struct store_event *event, int d)
{
    bool fits = e->domains[d] == (event->type != EVENT_DOMAIN_CREATED);
    e->domains[d] = event->type != EVENT_DOMAIN_DELETED;
    for (int u = 0; u < M_USERS && event->type == EVENT_DOMAIN_DELETED; u++)
        fits = fits && !e->users[d][u];
    return fits;
}

static inline void events_apply(struct events *e, const struct store_event *event)
{
    char name[16];
    bool fits = event->number == e->number + 1; // no gap, no repeat
    if (event->number)
        e->number = event->number;
    else // only a plain refresh has none
        fits = event->type == EVENT_BINDING_REFRESHED;
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(event->username));
    int d = index_of(event->domain, m_domains, M_DOMAINS), u = name[0] ? atoi(name + 1) : 0;
    if (d < 0 || u < 0 || u >= M_USERS)
        fits = false;
    else if (event->type <= EVENT_BINDING_REMOVED)
        fits = events_binding(e, event, d, u) && fits;
    else if (event->type <= EVENT_USER_DELETED)
        fits = events_user(e, event, d, u) && fits;
    else
        fits = events_domain(e, event, d) && fits;
    if (!fits && e->faults++ == 0)
        fprintf(stderr, "event %llu (%s of %s, after %llu) does not follow\n",
                (unsigned long long)event->number, store_event_name(event->type), name,
                (unsigned long long)e->number);
}
