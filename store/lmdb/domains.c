// SPDX-License-Identifier: Apache-2.0
// Domains: the writer's cache of them with their counters, the operation on a domain, and its
// deletion with all its users in bounded steps.
#include <errno.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "store/lmdb/internal.h"

// ---- The cache --------------------------------------------------------------------------------

// Counters of a domain (table `counts`, key: its name): users, registered users, bindings, then
// checksum64() of them; 8 bytes each.
struct stored_counts {
    struct store_domain_counts counts;
    uint64_t sum;
};

bool counts_get(struct slice bytes, struct store_domain_counts *out)
{
    struct stored_counts in;
    if (bytes.n != sizeof in)
        return false;
    memcpy(&in, bytes.p, sizeof in);
    *out = in.counts;
    return in.sum == checksum64(slice_of((const char *)&in.counts, sizeof in.counts));
}

static void slot_write(struct lmdb_store *s, struct domain_slot *slot)
{
    struct stored_counts out = {slot->counts, 0};
    if (!slot->used || !slot->dirty)
        return;
    out.sum = checksum64(slice_of((const char *)&out.counts, sizeof out.counts));
    batch_put(s, s->counts, slot->domain.name, slice_of((const char *)&out, sizeof out), 0);
    slot->dirty = false;
}

void domains_write(struct lmdb_store *s)
{
    for (size_t i = 0; i < DOMAIN_SLOTS; i++)
        slot_write(s, &s->slots[i]);
}

void domains_forget(struct lmdb_store *s)
{
    for (size_t i = 0; i < DOMAIN_SLOTS; i++)
        s->slots[i].used = s->slots[i].dirty = false;
}

static struct domain_slot *slot_of(struct lmdb_store *s, struct slice name)
{
    return &s->slots[hash64(s->domain_hash, name) % DOMAIN_SLOTS];
}

// Takes the record's bytes over into the slot.
static enum store_status slot_fill(struct lmdb_store *s, struct domain_slot *slot,
                                   struct slice bytes)
{
    if (bytes.n > slot->cap) {
        char *bigger = realloc(slot->bytes, bytes.n);
        if (!bigger)
            return STORE_NOMEM;
        slot->bytes = bigger;
        slot->cap = bytes.n;
    }
    memcpy(slot->bytes, bytes.p, bytes.n);
    slot->n = bytes.n;
    if (!codec_get_domain(slice_of(slot->bytes, slot->n), &slot->domain))
        lmdb_fatal(s, "reading a domain", MDB_CORRUPTED);
    slot->used = true;
    return STORE_OK;
}

enum store_status domain_get(struct lmdb_store *s, struct slice name, struct domain_slot **out)
{
    struct domain_slot *slot = slot_of(s, name);
    *out = slot;
    if (slot->used && slice_eq(slot->domain.name, name))
        return STORE_OK;
    if (name.n == 0 || name.n > DOMAIN_NAME_MAX)
        return STORE_NOT_FOUND;
    slot_write(s, slot);
    slot->used = false;
    MDB_val k = val_of(name), v;
    int rc = mdb_get(s->batch.txn, s->domains, &k, &v);
    if (rc)
        return lmdb_status(s, rc);
    enum store_status st = slot_fill(s, slot, slice_val(v));
    if (st != STORE_OK)
        return st;
    rc = mdb_get(s->batch.txn, s->counts, &k, &v);
    slot->counts = (struct store_domain_counts){0};
    if (rc == 0 && !counts_get(slice_val(v), &slot->counts))
        lmdb_fatal(s, "reading a domain's counters", MDB_CORRUPTED);
    return rc == MDB_NOTFOUND ? STORE_OK : lmdb_status(s, rc);
}

// ---- Names and aliases ------------------------------------------------------------------------

static bool host_is_free(struct lmdb_store *s, struct slice host, struct slice domain)
{
    MDB_val k = val_of(host), v;
    int rc = mdb_get(s->batch.txn, s->hosts, &k, &v);
    if (rc && rc != MDB_NOTFOUND && !s->batch.rc)
        s->batch.rc = rc;
    return rc == MDB_NOTFOUND || (rc == 0 && slice_eq(slice_val(v), domain));
}

static void hosts_remove(struct lmdb_store *s, const struct domain *d)
{
    for (int i = -1; i < d->n_aliases; i++) {
        MDB_val k = val_of(i < 0 ? d->name : d->aliases[i]);
        int rc = s->batch.rc ? 0 : mdb_del(s->batch.txn, s->hosts, &k, NULL);
        if (rc && rc != MDB_NOTFOUND)
            s->batch.rc = rc;
    }
}

static enum store_status hosts_check(struct lmdb_store *s, const struct domain *d)
{
    for (int i = -1; i < d->n_aliases; i++) {
        struct slice host = i < 0 ? d->name : d->aliases[i];
        if (host.n == 0 || host.n > DOMAIN_NAME_MAX)
            return STORE_TOO_LARGE;
        if (!host_is_free(s, host, d->name))
            return STORE_CONFLICT;
    }
    return STORE_OK;
}

// ---- The operation ----------------------------------------------------------------------------

static enum store_status put_domain(struct lmdb_store *s, struct store_op *op,
                                    const struct domain *current, struct domain *next,
                                    struct store_domain_counts counts)
{
    struct batch *b = &s->batch;
    enum store_status st = hosts_check(s, next);
    struct domain *told = arena_alloc(op->arena, sizeof *told);
    if (st != STORE_OK)
        return st;
    if (!told || !events_reserve(b, 1))
        return STORE_NOMEM;
    next->version = b->state.change + 1;
    next->updated_at_ms = b->now_ms;
    next->incarnation = current ? current->incarnation : next->version;
    next->created_at_ms = current ? current->created_at_ms : b->now_ms;
    struct buf out = buf_over(b->record, CODEC_RECORD_MAX);
    codec_put_domain(&out, next);
    if (out.full)
        return STORE_TOO_LARGE;
    if (current)
        hosts_remove(s, current);
    for (int i = -1; i < next->n_aliases; i++)
        batch_put(s, s->hosts, i < 0 ? next->name : next->aliases[i], next->name, 0);
    batch_put(s, s->domains, next->name, buf_slice(&out), 0);
    struct domain_slot *slot = slot_of(s, next->name);
    slot_write(s, slot);
    slot->used = false;
    *told = *next;
    size_t from = b->n_events;
    struct store_event *e = event_add(b, current ? EVENT_DOMAIN_UPDATED : EVENT_DOMAIN_CREATED,
                                      told->name, SLICE_NONE, true);
    e->domain_object = told;
    if (slot_fill(s, slot, buf_slice(&out)) != STORE_OK) {
        b->rc = b->rc ? b->rc : ENOMEM; // what is written must not stay: run again
        return STORE_NOMEM;
    }
    slot->counts = counts;
    slot->dirty = true;
    b->state.domains += current == NULL;
    b->state.config_version = next->version;
    events_write(s, from);
    return STORE_OK;
}

static void drop_domain(struct lmdb_store *s, const struct domain *d, struct arena *arena)
{
    struct batch *b = &s->batch;
    struct domain *told = arena_alloc(arena, sizeof *told);
    struct slice bytes = SLICE_NONE;
    MDB_val k = val_of(d->name);
    struct domain_slot *slot = slot_of(s, d->name);
    if (told)
        bytes = arena_copy(arena, slice_of(slot->bytes, slot->n));
    if (!told || !bytes.p || !events_reserve(b, 1) || !codec_get_domain(bytes, told)) {
        b->rc = b->rc ? b->rc : ENOMEM;
        return;
    }
    k = val_of(told->name);
    hosts_remove(s, told);
    if (!b->rc)
        b->rc = mdb_del(b->txn, s->domains, &k, NULL);
    int rc = b->rc ? 0 : mdb_del(b->txn, s->counts, &k, NULL);
    if (rc && rc != MDB_NOTFOUND)
        b->rc = rc;
    slot->used = slot->dirty = false;
    size_t from = b->n_events;
    event_add(b, EVENT_DOMAIN_DELETED, told->name, SLICE_NONE, true)->domain_object = told;
    b->state.domains--;
    b->state.config_version = b->state.change;
    b->wrote = true;
    events_write(s, from);
}

static enum store_status delete_domain(struct lmdb_store *s, struct store_op *op,
                                       struct domain_slot *slot, bool *waits)
{
    struct domain closing = slot->domain;
    if (!closing.closing && slot->counts.users == 0) {
        drop_domain(s, &slot->domain, op->arena);
        return STORE_OK;
    }
    *waits = true;
    if (!closing_add(s, closing.name))
        return STORE_NOMEM;
    if (closing.closing)
        return STORE_OK;
    // The slot is filled anew: what it holds must not be what is written.
    struct slice bytes = arena_copy(op->arena, slice_of(slot->bytes, slot->n));
    struct domain current, next;
    if (!bytes.p || !codec_get_domain(bytes, &current))
        return STORE_NOMEM;
    next = current;
    next.closing = true;
    return put_domain(s, op, &current, &next, slot->counts);
}

enum store_status op_domain(struct lmdb_store *s, struct store_op *op, bool *waits)
{
    struct domain_slot *slot;
    struct domain current, next = {.name = op->domain};
    struct store_domain_counts counts = {0};
    enum store_status st = domain_get(s, op->domain, &slot);
    bool there = st == STORE_OK;
    if (!there && st != STORE_NOT_FOUND)
        return st;
    if (op->domain.n == 0 || op->domain.n > DOMAIN_NAME_MAX)
        return STORE_TOO_LARGE;
    if (there) {
        struct slice bytes = arena_copy(op->arena, slice_of(slot->bytes, slot->n));
        if (!bytes.p || !codec_get_domain(bytes, &current))
            return STORE_NOMEM;
        next = current;
        counts = slot->counts;
    }
    op->created = false;
    op->domain_now = next;
    switch (op->decide_domain(op, there ? &current : NULL, counts.users, s->batch.now_ms, &next)) {
    case DECIDE_SAME:
        return STORE_OK;
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_DELETE:
        return there ? delete_domain(s, op, slot, waits) : STORE_NOT_FOUND;
    case DECIDE_WRITE:
        break;
    }
    if (there && current.closing)
        return STORE_CONFLICT;
    if (s->tight && !there)
        return STORE_FULL;
    next.name = op->domain;
    next.closing = false;
    st = put_domain(s, op, there ? &current : NULL, &next, counts);
    op->domain_now = next;
    op->created = st == STORE_OK && !there;
    return st;
}

// ---- Deletion in steps ------------------------------------------------------------------------

struct closing *closing_add(struct lmdb_store *s, struct slice name)
{
    struct closing **at = &s->closing;
    for (; *at; at = &(*at)->next)
        if (slice_eq(slice_of((*at)->name, (*at)->n), name))
            return *at;
    struct closing *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->n = name.n;
    memcpy(c->name, name.p, name.n);
    return *at = c;
}

// The next user of the domain, or NOT_FOUND; key and bytes are copies in the batch's arena.
static enum store_status next_user(struct lmdb_store *s, MDB_cursor *c, struct slice domain,
                                   struct slice *key, struct user *user)
{
    char from[KEY_MAX];
    MDB_val k = val_of(users_key(from, domain, SLICE_NONE)), v;
    struct slice name;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    if (rc)
        return lmdb_status(s, rc);
    if (!split_users_key(slice_val(k), &name, key) || !slice_eq(name, domain))
        return STORE_NOT_FOUND;
    *key = arena_copy(&s->batch.arena, *key);
    if (!key->p)
        return STORE_NOMEM;
    return user_read(s, domain, *key, &s->batch.arena, user);
}

void closing_step(struct lmdb_store *s, size_t budget)
{
    struct batch *b = &s->batch;
    struct domain_slot *slot;
    MDB_cursor *c;
    if (!s->closing || b->rc)
        return;
    struct slice name = slice_of(s->closing->name, s->closing->n);
    enum store_status st = domain_get(s, name, &slot);
    if (st != STORE_OK || !slot->domain.closing) {
        // Its marking was not committed after all.
        if (st == STORE_OK || st == STORE_NOT_FOUND) {
            struct closing *gone = s->closing;
            s->closing = gone->next;
            free(gone);
        }
        return;
    }
    b->rc = mdb_cursor_open(b->txn, s->users, &c);
    while (!b->rc && st == STORE_OK && budget--) {
        struct user u;
        struct slice key = SLICE_NONE;
        st = next_user(s, c, name, &key, &u);
        if (st == STORE_OK)
            st = user_delete(s, slot, key, &u, &b->arena);
    }
    if (!b->rc && st == STORE_NOT_FOUND) {
        memcpy(b->closed_name, name.p, name.n);
        b->closed = slice_of(b->closed_name, name.n);
        drop_domain(s, &slot->domain, &b->arena);
    }
    mdb_cursor_close(c);
}
