// SPDX-License-Identifier: Apache-2.0
// Readers of the memory backend: a reader holds the snapshot it began with.
#include <stdio.h>
#include <stdlib.h>

#include "store/mem/mem.h"

struct mem_reader {
    struct store_reader base;
    struct mem *m;
    struct snapshot *snap; // between begin and end
};

static struct mem_reader *of(struct store_reader *r)
{
    return (struct mem_reader *)r;
}

int mem_reader_open(void *state, struct store_reader **out)
{
    struct mem_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -1;
    r->base.backend = &store_backend_memory;
    r->m = state;
    *out = &r->base;
    return 0;
}

void mem_reader_close(struct store_reader *r)
{
    snapshot_unref(of(r)->snap);
    free(of(r));
}

enum store_status mem_begin(struct store_reader *r)
{
    of(r)->snap = snapshot_today(of(r)->m);
    return STORE_OK;
}

void mem_end(struct store_reader *r)
{
    snapshot_unref(of(r)->snap);
    of(r)->snap = NULL;
}

enum store_status mem_domain_find(struct store_reader *r, struct slice host, struct domain *out)
{
    char scratch[DOMAIN_NAME_MAX];
    struct slice name = domain_key(host, scratch);
    const struct object *o = name.n ? snapshot_host(of(r)->snap, name) : NULL;
    if (!o)
        return STORE_NOT_FOUND;
    *out = o->d;
    return STORE_OK;
}

enum store_status mem_domain_next(struct store_reader *r, struct slice after, struct domain *out)
{
    const struct snapshot *s = of(r)->snap;
    bool there;
    size_t at = snapshot_domain(s, after, &there);
    at += there;
    if (at == s->n_domains)
        return STORE_NOT_FOUND;
    *out = s->domains[at]->d;
    return STORE_OK;
}

enum store_status mem_domain_count(struct store_reader *r, struct slice domain,
                                   struct store_domain_counts *out)
{
    const struct snapshot *s = of(r)->snap;
    bool there;
    *out = (struct store_domain_counts){0};
    snapshot_domain(s, domain, &there);
    if (!there)
        return STORE_NOT_FOUND;
    size_t at = snapshot_user(s, domain, SLICE_NONE, &there);
    for (; at < s->n_users && slice_eq(s->users[at]->domain, domain); at++) {
        out->users++;
        out->registered_users += s->users[at]->set.n > 0;
        out->bindings += s->users[at]->set.n;
    }
    return STORE_OK;
}

static void show_user(const struct object *o, struct user *out)
{
    *out = o->user;
    out->last_registered_at_ms = o->last_registered_at_ms;
}

enum store_status mem_user_find(struct store_reader *r, struct slice domain, struct slice key,
                                struct user *out)
{
    bool there;
    size_t at = snapshot_user(of(r)->snap, domain, key, &there);
    if (!there)
        return STORE_NOT_FOUND;
    show_user(of(r)->snap->users[at], out);
    return STORE_OK;
}

enum store_status mem_user_next(struct store_reader *r, struct slice domain, struct slice key,
                                struct user *out, struct slice *key_out)
{
    const struct snapshot *s = of(r)->snap;
    bool there;
    size_t at = snapshot_user(s, domain, key, &there);
    at += there;
    if (at == s->n_users)
        return STORE_NOT_FOUND;
    show_user(s->users[at], out);
    *key_out = s->users[at]->key;
    return STORE_OK;
}

// The AoR of the user as it is today, with a reference; NULL when that user is no more.
static struct object *today(struct store_reader *r, const struct user *user)
{
    struct snapshot *s = snapshot_today(of(r)->m);
    struct object *found = NULL;
    bool there;
    // The key is the username, but in a domain without case: then it is looked for by incarnation.
    size_t at = snapshot_user(s, user->domain, user->username, &there);
    if (there && s->users[at]->user.incarnation == user->incarnation)
        found = s->users[at];
    at = found ? s->n_users : snapshot_user(s, user->domain, SLICE_NONE, &there);
    for (; at < s->n_users && slice_eq(s->users[at]->domain, user->domain); at++)
        if (s->users[at]->user.incarnation == user->incarnation) {
            found = s->users[at];
            break;
        }
    if (found)
        object_ref(found);
    snapshot_unref(s);
    return found;
}

enum store_status mem_bindings_find(struct store_reader *r, const struct user *user, int64_t now_ms,
                                    struct arena *arena, struct aor_state *out)
{
    struct object *o = today(r, user);
    *out = (struct aor_state){.next_expiry_ms = INT64_MAX};
    if (!o)
        return STORE_OK;
    bool ok = live_into(arena, &o->set, now_ms, &out->bindings);
    out->version = o->version;
    out->presence = o->presence;
    out->next_expiry_ms = earliest_expiry(&out->bindings);
    out->last_registered_at_ms = o->last_registered_at_ms;
    object_unref(o);
    return ok ? STORE_OK : STORE_NOMEM;
}

void mem_bindings_glance(struct store_reader *r, const struct user *user, int64_t now_ms,
                         struct aor_glance *out)
{
    struct object *o = today(r, user);
    *out = (struct aor_glance){.next_expiry_ms = INT64_MAX};
    if (!o)
        return;
    out->version = o->version;
    out->next_expiry_ms = earliest_expiry(&o->set);
    for (size_t i = 0; i < o->set.n; i++)
        out->registered |= o->set.items[i].expires_at_ms > now_ms;
    object_unref(o);
}

enum store_status mem_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                   bool (*take)(void *arg, const struct store_event *event),
                                   void *arg)
{
    struct mem *m = of(r)->m;
    uint64_t last = of(r)->snap->change;
    struct user scratch;
    for (bool more = true; more && max && after < last; max--) {
        pthread_mutex_lock(&m->lock);
        bool there = after + 1 >= m->log_first;
        struct change c = m->log[(after + 1) % m->log_cap];
        if (there)
            object_ref(c.object);
        pthread_mutex_unlock(&m->lock);
        if (!there)
            return STORE_NOT_FOUND;
        struct store_event e = change_event(&c, &scratch);
        more = take(arg, &e);
        after++;
        object_unref(c.object);
    }
    return after <= last ? STORE_OK : STORE_NOT_FOUND;
}

void mem_counts(void *state, struct store_counts *out)
{
    struct mem *m = state;
    struct snapshot *s = snapshot_today(m);
    *out = (struct store_counts){.epoch = m->epoch,
                                 .change = s->change,
                                 .config_version = s->config_version,
                                 .presence_version = s->presence_version,
                                 .bindings_version = s->bindings_version,
                                 .next_expiry_ms = INT64_MAX,
                                 .users = s->n_users,
                                 .domains = s->n_domains};
    for (size_t i = 0; i < s->n_users; i++) {
        const struct binding_set *set = &s->users[i]->set;
        out->registered_users += set->n > 0;
        out->bindings += set->n;
        if (earliest_expiry(set) < out->next_expiry_ms)
            out->next_expiry_ms = earliest_expiry(set);
        for (size_t k = 0; k < set->n; k++)
            out->by_transport[set->items[k].transport]++;
    }
    out->records = out->registered_users;
    snapshot_unref(s);
    pthread_mutex_lock(&m->lock);
    uint64_t first = m->log_first;
    pthread_mutex_unlock(&m->lock);
    out->oldest_change = first <= out->change ? first : out->change + 1;
}

long mem_check(void *state, void (*say)(void *arg, const char *sentence), void *arg)
{
    struct snapshot *s = snapshot_today(state);
    long faults = 0;
    for (size_t i = 0; i < s->n_users; i++) {
        bool there, domain;
        char text[128];
        const struct object *o = s->users[i];
        snapshot_domain(s, o->domain, &domain);
        if (snapshot_user(s, o->domain, o->key, &there) == i && there && domain)
            continue;
        snprintf(text, sizeof text, "user %zu is out of order or without its domain", i);
        say(arg, text);
        faults++;
    }
    snapshot_unref(s);
    return faults;
}
