// SPDX-License-Identifier: Apache-2.0
// Snapshots (sorted arrays of objects) and the transaction that makes the next one.
#include <stdlib.h>

#include "store/mem/mem.h"

// ---- Snapshots --------------------------------------------------------------------------------

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (s)
        s->refs = 1;
    return s;
}

static struct object **copy_array(struct object **from, size_t n)
{
    struct object **to = calloc(n + 1, sizeof *to);
    for (size_t i = 0; to && i < n; i++) {
        to[i] = from[i];
        object_ref(to[i]);
    }
    return to;
}

struct snapshot *snapshot_copy(const struct snapshot *from)
{
    struct snapshot *s = snapshot_new();
    if (!s)
        return NULL;
    s->domains = copy_array(from->domains, from->n_domains);
    if (s->domains)
        s->n_domains = s->cap_domains = from->n_domains;
    s->users = s->domains ? copy_array(from->users, from->n_users) : NULL;
    if (!s->users) {
        snapshot_unref(s);
        return NULL;
    }
    s->n_users = s->cap_users = from->n_users;
    s->change = from->change;
    s->config_version = from->config_version;
    s->presence_version = from->presence_version;
    s->bindings_version = from->bindings_version;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->n_domains; i++)
        object_unref(s->domains[i]);
    for (size_t i = 0; i < s->n_users; i++)
        object_unref(s->users[i]);
    free(s->domains);
    free(s->users);
    free(s);
}

struct snapshot *snapshot_today(struct mem *m)
{
    pthread_mutex_lock(&m->lock);
    struct snapshot *s = m->now;
    atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&m->lock);
    return s;
}

static int object_cmp(const struct object *o, struct slice domain, struct slice key)
{
    int r = slice_cmp(o->domain, domain);
    return r ? r : slice_cmp(o->key, key);
}

static size_t search(struct object *const *items, size_t n, struct slice domain, struct slice key,
                     bool *there)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (object_cmp(items[mid], domain, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *there = low < n && object_cmp(items[low], domain, key) == 0;
    return low;
}

size_t snapshot_user(const struct snapshot *s, struct slice domain, struct slice key, bool *there)
{
    return search(s->users, s->n_users, domain, key, there);
}

size_t snapshot_domain(const struct snapshot *s, struct slice name, bool *there)
{
    return search(s->domains, s->n_domains, name, SLICE_NONE, there);
}

size_t snapshot_users_of(const struct snapshot *s, struct slice domain)
{
    bool there;
    size_t first = snapshot_user(s, domain, SLICE_NONE, &there), n = 0;
    while (first + n < s->n_users && slice_eq(s->users[first + n]->domain, domain))
        n++;
    return n;
}

struct object *snapshot_host(const struct snapshot *s, struct slice host)
{
    for (size_t i = 0; i < s->n_domains; i++) {
        struct object *o = s->domains[i];
        bool hit = slice_eq(o->d.name, host);
        for (size_t k = 0; k < o->d.n_aliases && !hit; k++)
            hit = slice_eq(o->d.aliases[k], host);
        if (hit)
            return o;
    }
    return NULL;
}

int64_t earliest_expiry(const struct binding_set *set)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].expires_at_ms < first)
            first = set->items[i].expires_at_ms;
    return first;
}

// ---- Transactions -----------------------------------------------------------------------------

bool tx_touch(struct tx *tx)
{
    if (tx->snap != tx->m->now)
        return true;
    struct snapshot *copy = snapshot_copy(tx->m->now);
    if (copy)
        tx->snap = copy;
    return copy != NULL;
}

static bool put(struct object ***items, size_t *n, size_t *cap, size_t at, bool there,
                struct object *o)
{
    if (there) {
        object_unref((*items)[at]);
        (*items)[at] = o;
        return true;
    }
    if (*n == *cap) {
        size_t more = *cap * 2 + 64;
        struct object **grown = realloc(*items, more * sizeof *grown);
        if (!grown)
            return false;
        *items = grown;
        *cap = more;
    }
    memmove(*items + at + 1, *items + at, (*n - at) * sizeof **items);
    (*items)[at] = o;
    ++*n;
    return true;
}

bool tx_put_user(struct tx *tx, struct object *o)
{
    bool there;
    if (!tx_touch(tx))
        return false;
    struct snapshot *s = tx->snap;
    size_t at = snapshot_user(s, o->domain, o->key, &there);
    return put(&s->users, &s->n_users, &s->cap_users, at, there, o);
}

bool tx_put_domain(struct tx *tx, struct object *o)
{
    bool there;
    if (!tx_touch(tx))
        return false;
    struct snapshot *s = tx->snap;
    size_t at = snapshot_domain(s, o->domain, &there);
    return put(&s->domains, &s->n_domains, &s->cap_domains, at, there, o);
}

static void drop(struct object **items, size_t *n, size_t at)
{
    object_unref(items[at]);
    memmove(items + at, items + at + 1, (*n - at - 1) * sizeof *items);
    --*n;
}

void tx_drop_user(struct tx *tx, size_t at)
{
    drop(tx->snap->users, &tx->snap->n_users, at);
}

void tx_drop_domain(struct tx *tx, size_t at)
{
    drop(tx->snap->domains, &tx->snap->n_domains, at);
}

bool tx_reserve(struct tx *tx, size_t n)
{
    if (tx->n_changes + n <= tx->cap_changes)
        return true;
    size_t more = (tx->n_changes + n) * 2;
    struct change *grown = realloc(tx->changes, more * sizeof *grown);
    if (!grown)
        return false;
    tx->changes = grown;
    tx->cap_changes = more;
    return true;
}

void tx_change(struct tx *tx, struct change change)
{
    change.at_ms = tx->now_ms;
    object_ref(change.object);
    tx->changes[tx->n_changes++] = change;
}

struct store_event change_event(const struct change *c, struct user *scratch)
{
    struct store_event e = {
        .number = c->number, .type = c->type, .at_ms = c->at_ms, .gone = c->gone};
    const struct object *o = c->object;
    e.domain = o->domain;
    if (c->type >= EVENT_DOMAIN_CREATED) {
        e.domain_object = &o->d;
        return e;
    }
    e.username = o->user.username;
    if (c->type >= EVENT_USER_CREATED) {
        *scratch = o->user;
        memset(scratch->credentials.ha1, 0, sizeof scratch->credentials.ha1);
        e.user = scratch;
    }
    for (size_t i = 0; i < o->set.n && !e.binding && !e.user; i++)
        if (o->set.items[i].id == c->binding_id)
            e.binding = &o->set.items[i];
    return e;
}

// Under the lock.
static void log_add(struct mem *m, const struct change *c)
{
    if (c->number - m->log_first >= m->log_cap) {
        object_unref(m->log[m->log_first % m->log_cap].object);
        m->log_first++;
    }
    object_ref(c->object);
    m->log[c->number % m->log_cap] = *c;
}

static void tell(struct tx *tx)
{
    struct user scratch;
    // One at a time, for a user's event needs its own copy without secrets.
    for (size_t i = 0; i < tx->n_changes; i++) {
        struct store_event e = change_event(&tx->changes[i], &scratch);
        store_tell(tx->m->front, &e, 1);
        object_unref(tx->changes[i].object);
    }
}

void tx_commit(struct tx *tx)
{
    struct mem *m = tx->m;
    struct snapshot *old = NULL;
    pthread_mutex_lock(&m->lock);
    if (tx->snap != m->now) {
        old = m->now;
        m->now = tx->snap;
    }
    for (size_t i = 0; i < tx->n_changes; i++)
        if (tx->changes[i].number)
            log_add(m, &tx->changes[i]);
    pthread_mutex_unlock(&m->lock);
    snapshot_unref(old);
    tell(tx);
    free(tx->changes);
}
