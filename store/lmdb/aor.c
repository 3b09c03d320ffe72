// SPDX-License-Identifier: Apache-2.0
// What is done to an AoR inside the writer's transaction: a REGISTER's decision, the removal of all
// its bindings, and expiry. Each ends in one new record, or none.
#include <errno.h>

#include "store/lmdb/internal.h"

enum store_status aor_read(struct lmdb_store *s, struct slice domain, struct slice key,
                           uint64_t incarnation, struct arena *arena, struct aor_now *out)
{
    struct binding_set none = {NULL, 0};
    out->live = out->expired = none;
    if (!log_find(s, domain, key, &out->at))
        return STORE_NOMEM;
    out->record = (struct aor_record){.domain = domain, .key = key, .incarnation = incarnation};
    if (!out->at.seq)
        return STORE_OK;
    struct slice bytes = arena_copy(arena, out->at.bytes);
    struct aor_record r;
    if (!bytes.p)
        return STORE_NOMEM;
    enum codec_result got = codec_get_aor(bytes, arena, &r);
    if (got == CODEC_DAMAGED)
        lmdb_fatal(s, "reading bindings", MDB_CORRUPTED);
    if (got == CODEC_NOMEM)
        return STORE_NOMEM;
    if (r.incarnation != incarnation)
        return STORE_OK; // a tombstone of a user that was deleted
    out->record = r;
    out->live = r.set;
    size_t i = 0;
    while (i < r.set.n && r.set.items[i].expires_at_ms > s->batch.now_ms)
        i++;
    if (i == r.set.n)
        return STORE_OK;
    struct binding *split = arena_alloc(arena, r.set.n * sizeof *split);
    if (!split)
        return STORE_NOMEM;
    out->live = (struct binding_set){split, 0};
    for (i = 0; i < r.set.n; i++)
        if (r.set.items[i].expires_at_ms > s->batch.now_ms)
            split[out->live.n++] = r.set.items[i];
    out->expired = (struct binding_set){split + out->live.n, 0};
    for (i = 0; i < r.set.n; i++)
        if (r.set.items[i].expires_at_ms <= s->batch.now_ms)
            out->expired.items[out->expired.n++] = r.set.items[i];
    return STORE_OK;
}

// One change of an AoR being put together.
struct edit {
    struct lmdb_store *s;
    struct domain_slot *slot;
    struct slice username; // as provisioned, for events
    struct aor_now *now;
    struct state saved;
    struct store_domain_counts counts;
    size_t from; // its first event
    uint64_t presence;
};

static struct edit edit_begin(struct lmdb_store *s, struct domain_slot *slot, struct slice username,
                              struct aor_now *now)
{
    return (struct edit){.s = s,
                         .slot = slot,
                         .username = username,
                         .now = now,
                         .saved = s->batch.state,
                         .counts = slot->counts,
                         .from = s->batch.n_events,
                         .presence = now->record.presence};
}

static void edit_undo(struct edit *e)
{
    e->s->batch.state = e->saved;
    e->slot->counts = e->counts;
    e->s->batch.n_events = e->from;
}

static struct store_event *tell(struct edit *e, enum store_event_type type, const struct binding *x,
                                bool numbered)
{
    struct store_event *event =
        event_add(&e->s->batch, type, e->now->record.domain, e->username, numbered);
    event->binding = x;
    return event;
}

static void removed(struct edit *e, const struct binding *x, enum binding_gone gone)
{
    struct store_event *event = tell(e, EVENT_BINDING_REMOVED, x, true);
    event->gone = gone;
    e->presence = event->number;
    e->s->batch.state.bindings--;
    e->s->batch.state.by_transport[x->transport]--;
    e->slot->counts.bindings--;
}

static void created(struct edit *e, struct binding *x)
{
    struct store_event *event = tell(e, EVENT_BINDING_CREATED, x, true);
    x->id = event->number;
    e->presence = event->number;
    e->s->batch.state.bindings++;
    e->s->batch.state.by_transport[x->transport]++;
    e->slot->counts.bindings++;
}

// Writes the new record and its events. On a refusal nothing has happened.
static enum store_status edit_end(struct edit *e, const struct binding_set *next,
                                  int64_t last_registered_at_ms)
{
    struct batch *b = &e->s->batch;
    struct aor_record r = e->now->record;
    struct slice bytes;
    int64_t next_expiry_ms = INT64_MAX;
    bool was = e->now->record.set.n > 0, is = next->n > 0;
    r.set = *next;
    r.presence = e->presence;
    r.version = b->state.seq + 1;
    r.last_registered_at_ms = last_registered_at_ms;
    for (size_t i = 0; i < next->n; i++)
        if (next->items[i].expires_at_ms < next_expiry_ms)
            next_expiry_ms = next->items[i].expires_at_ms;
    if (!log_encode(e->s, &r, &bytes)) {
        edit_undo(e);
        return STORE_TOO_LARGE;
    }
    if (!log_reserve(e->s, &e->now->at)) {
        edit_undo(e);
        return STORE_NOMEM;
    }
    log_append(e->s, &e->now->at, bytes, next->n, next_expiry_ms, r.version);
    b->state.registered += (uint64_t)is - (uint64_t)was;
    e->slot->counts.registered_users += (uint64_t)is - (uint64_t)was;
    if (b->state.change != e->saved.change && e->presence != e->now->record.presence) {
        b->state.presence_version = e->presence;
        e->slot->dirty = true;
    }
    events_write(e->s, e->from);
    return STORE_OK;
}

static void all_removed(struct edit *e, const struct binding_set *set, enum binding_gone gone)
{
    for (size_t i = 0; i < set->n; i++)
        removed(e, &set->items[i], gone);
}

enum store_status aor_clear(struct lmdb_store *s, struct domain_slot *slot, struct slice key,
                            const struct user *user, enum binding_gone gone, struct arena *arena)
{
    struct aor_now now;
    struct binding_set none = {NULL, 0};
    enum store_status st = aor_read(s, user->domain, key, user->incarnation, arena, &now);
    if (st != STORE_OK || now.record.set.n == 0)
        return st;
    if (!events_reserve(&s->batch, now.record.set.n + 2))
        return STORE_NOMEM;
    struct edit e = edit_begin(s, slot, user->username, &now);
    all_removed(&e, &now.expired, GONE_EXPIRED);
    all_removed(&e, &now.live, gone);
    return edit_end(&e, &none, now.record.last_registered_at_ms);
}

// ---- A REGISTER -------------------------------------------------------------------------------

static const struct binding *by_id(const struct binding_set *set, uint64_t id)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].id == id)
            return &set->items[i];
    return NULL;
}

static bool same_times(const struct binding *a, const struct binding *b)
{
    return a->expires_at_ms == b->expires_at_ms && a->refreshed_at_ms == b->refreshed_at_ms &&
           a->cseq == b->cseq && a->nonce_time_ms == b->nonce_time_ms;
}

// Whoever is not in `next`, or is there with a reason, leaves.
static void leavers(struct edit *e, const struct binding_set *next)
{
    const struct binding_set *live = &e->now->live;
    all_removed(e, &e->now->expired, GONE_EXPIRED);
    for (size_t i = 0; i < live->n; i++) {
        const struct binding *kept = by_id(next, live->items[i].id);
        if (!kept)
            removed(e, &live->items[i], GONE_UNREGISTERED);
        else if (kept->gone)
            removed(e, &live->items[i], kept->gone);
    }
}

// Those that stay or come, in place; returns true when one of them is new or renewed.
static bool stayers(struct edit *e, struct binding_set *next)
{
    bool watched = store_watched(e->s->front), registered = false;
    size_t n = 0;
    for (size_t i = 0; i < next->n; i++) {
        if (next->items[i].gone)
            continue;
        if (n != i)
            next->items[n] = next->items[i];
        struct binding *x = &next->items[n++];
        const struct binding *was = x->id ? by_id(&e->now->live, x->id) : NULL;
        if (!was) {
            created(e, x);
            registered = true;
            continue;
        }
        bool same = binding_same_but_times(was, x);
        if (same && same_times(was, x))
            continue;
        registered = true;
        if (!same) {
            tell(e, EVENT_BINDING_REFRESHED, x, true);
            e->s->batch.state.by_transport[was->transport]--;
            e->s->batch.state.by_transport[x->transport]++;
        } else if (watched) {
            tell(e, EVENT_BINDING_REFRESHED, x, false);
        }
    }
    next->n = n;
    return registered;
}

static enum store_status write_bindings(struct lmdb_store *s, struct store_op *op,
                                        struct domain_slot *slot, const struct user_terms *user,
                                        struct aor_now *now, struct binding_set *next)
{
    struct batch *b = &s->batch;
    if (next->n == 0 && now->record.set.n == 0)
        return STORE_OK;
    if (next->n > 2 * BINDINGS_MAX)
        return STORE_TOO_LARGE;
    if (s->tight && next->n > now->live.n)
        return STORE_FULL;
    if (!events_reserve(b, now->record.set.n + next->n + 2))
        return STORE_NOMEM;
    struct edit e = edit_begin(s, slot, user->username, now);
    leavers(&e, next);
    bool registered = stayers(&e, next);
    if (next->n > BINDINGS_MAX) {
        edit_undo(&e);
        return STORE_TOO_LARGE;
    }
    enum store_status st =
        edit_end(&e, next, registered ? b->now_ms : now->record.last_registered_at_ms);
    if (st == STORE_OK)
        op->next = *next;
    return st;
}

enum store_status op_bindings(struct lmdb_store *s, struct store_op *op)
{
    struct domain_slot *slot;
    struct user_terms user;
    struct aor_now now;
    enum store_status st = domain_get(s, op->domain, &slot);
    if (st != STORE_OK || slot->domain.closing)
        return st == STORE_OK ? STORE_NOT_FOUND : st;
    st = user_terms_read(s, op, &user);
    if (st != STORE_OK)
        return st;
    if ((op->seen.incarnation && op->seen.incarnation != user.incarnation) ||
        (op->seen.version && op->seen.version != user.version))
        return STORE_CONFLICT;
    st = aor_read(s, op->domain, op->username, user.incarnation, op->arena, &now);
    if (st != STORE_OK)
        return st;
    if (!now.at.seq || now.record.last_registered_at_ms == 0)
        now.record.last_registered_at_ms = user.last_registered_at_ms;
    struct binding_set next = {NULL, 0};
    op->next = now.live;
    switch (op->decide_bindings(op, &slot->domain, &user, &now.live, s->batch.now_ms, &next)) {
    case DECIDE_SAME:
        return STORE_OK;
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_DELETE:
        next.n = 0;
        break;
    case DECIDE_WRITE:
        break;
    }
    return write_bindings(s, op, slot, &user, &now, &next);
}

// ---- Expiry -----------------------------------------------------------------------------------

static void expire_aor(struct lmdb_store *s, const struct aor_record *peek)
{
    struct batch *b = &s->batch;
    struct domain_slot *slot;
    struct user user;
    struct aor_now now;
    enum store_status st = domain_get(s, peek->domain, &slot);
    if (st == STORE_OK)
        st = aor_read(s, peek->domain, peek->key, peek->incarnation, &b->arena, &now);
    if (st == STORE_OK && now.expired.n == 0)
        return;
    if (st == STORE_OK && user_read(s, peek->domain, peek->key, &b->arena, &user) != STORE_OK)
        user.username = peek->key;
    if (st == STORE_OK && !events_reserve(b, now.expired.n + 2))
        st = STORE_NOMEM;
    if (st == STORE_OK) {
        struct edit e = edit_begin(s, slot, user.username, &now);
        all_removed(&e, &now.expired, GONE_EXPIRED);
        st = edit_end(&e, &now.live, now.record.last_registered_at_ms);
    }
    if (st != STORE_OK && !b->rc)
        b->rc = st == STORE_NOMEM ? ENOMEM : MDB_MAP_FULL; // again with the next step
}

void expire_hash(struct lmdb_store *s, uint64_t hash)
{
    struct batch *b = &s->batch;
    struct map_entry found[MAP_CANDIDATES];
    unsigned n = map_find(s->map, hash, found);
    for (unsigned i = 0; i < n && !b->rc; i++) {
        if (found[i].n == 0 || found[i].next_expiry_ms > b->now_ms)
            continue;
        MDB_val k = {sizeof found[i].seq, &found[i].seq}, v;
        struct aor_record peek;
        int rc = mdb_get(b->txn, s->bindings, &k, &v);
        if (rc == MDB_NOTFOUND) // moved or replaced by this very batch
            continue;
        if (rc) {
            b->rc = rc;
            return;
        }
        struct slice bytes = arena_copy(&b->arena, slice_val(v));
        if (!bytes.p)
            b->rc = ENOMEM;
        else if (!codec_peek_aor(bytes, &peek))
            lmdb_fatal(s, "reading bindings that expire", MDB_CORRUPTED);
        else
            expire_aor(s, &peek);
    }
}
