// SPDX-License-Identifier: Apache-2.0
// Registering, refreshing, removing and expiring: from what decide says to a new object and what is
// told of the difference.
#include "store/mem/aor.h"

static const struct binding *find_id(const struct binding_set *set, uint64_t id)
{
    for (size_t i = 0; id && i < set->n; i++)
        if (set->items[i].id == id)
            return &set->items[i];
    return NULL;
}

static bool differs(const struct binding *a, const struct binding *b)
{
    return !binding_same_but_times(a, b) || a->expires_at_ms != b->expires_at_ms ||
           a->refreshed_at_ms != b->refreshed_at_ms || a->cseq != b->cseq ||
           a->nonce_time_ms != b->nonce_time_ms;
}

static void tell_binding(struct tx *tx, enum store_event_type type, struct object *o, uint64_t id,
                         uint64_t number, enum binding_gone gone)
{
    tx_change(tx, (struct change){
                      .number = number, .type = type, .gone = gone, .object = o, .binding_id = id});
}

static void tell_one_gone(struct tx *tx, struct object *o, const struct binding *b,
                          enum binding_gone gone)
{
    if (b->expires_at_ms <= tx->now_ms)
        gone = GONE_EXPIRED;
    uint64_t number = tx->snap->presence_version = ++tx->snap->change;
    tell_binding(tx, EVENT_BINDING_REMOVED, o, b->id, number, gone);
}

void aor_tell_gone(struct tx *tx, struct object *o, enum binding_gone gone)
{
    for (size_t i = 0; i < o->set.n; i++)
        tell_one_gone(tx, o, &o->set.items[i], gone);
}

// Splits decide's `next` into what stays (moved to its front) and how the others leave: gone[i]
// belongs to old->set.items[i].
static void sort_out(const struct object *old, struct binding_set *next, enum binding_gone *gone)
{
    size_t kept = 0;
    for (size_t i = 0; i < old->set.n; i++)
        gone[i] = GONE_UNREGISTERED;
    for (size_t i = 0; i < next->n; i++) {
        const struct binding *was = find_id(&old->set, next->items[i].id);
        if (was)
            gone[was - old->set.items] = next->items[i].gone;
        if (!next->items[i].gone) {
            next->items[kept] = next->items[i];
            if (!was)
                next->items[kept].id = 0;
            kept++;
        }
    }
    next->n = kept;
}

// Tells what is new and what changed. Sets the new ones' ids in `new` and in `next`.
static void tell_difference(struct tx *tx, struct object *old, struct object *new,
                            struct binding_set *next)
{
    for (size_t i = 0; i < next->n; i++) {
        struct binding *b = &new->set.items[i];
        const struct binding *was = find_id(&old->set, b->id);
        if (!was) {
            next->items[i].id = b->id = tx->snap->presence_version = ++tx->snap->change;
            tell_binding(tx, EVENT_BINDING_CREATED, new, b->id, b->id, GONE_NO);
        } else if (differs(was, b)) {
            uint64_t number = binding_same_but_times(was, b) ? 0 : ++tx->snap->change;
            tell_binding(tx, EVENT_BINDING_REFRESHED, new, b->id, number, GONE_NO);
        } else {
            continue;
        }
        new->last_registered_at_ms = tx->now_ms;
    }
}

// Replaces the AoR's bindings. `next` has what stays, gone[] how the others leave.
static enum store_status write_aor(struct tx *tx, struct object *old, struct binding_set *next,
                                   const enum binding_gone *gone)
{
    if (!tx_touch(tx) || !tx_reserve(tx, 2 * BINDINGS_MAX))
        return STORE_NOMEM;
    struct object *new = object_user(&old->user, old->key, next);
    if (!new)
        return STORE_NOMEM;
    object_ref(old);
    new->presence = old->presence;
    new->last_registered_at_ms = old->last_registered_at_ms;
    if (!tx_put_user(tx, new)) {
        object_unref(new), object_unref(old);
        return STORE_NOMEM;
    }
    uint64_t presence = tx->snap->presence_version;
    for (size_t i = 0; i < old->set.n; i++)
        if (gone[i])
            tell_one_gone(tx, old, &old->set.items[i], gone[i]);
    tell_difference(tx, old, new, next);
    new->version = ++tx->snap->bindings_version;
    if (tx->snap->presence_version != presence)
        new->presence = tx->snap->presence_version;
    object_unref(old);
    return STORE_OK;
}

static enum store_status decided(struct tx *tx, struct object *old, struct binding_set *next)
{
    enum binding_gone gone[BINDINGS_MAX] = {GONE_NO};
    if (next->n > 2 * BINDINGS_MAX)
        return STORE_TOO_LARGE;
    sort_out(old, next, gone);
    if (next->n > BINDINGS_MAX || bindings_size(next) > MEM_RECORD_MAX)
        return STORE_TOO_LARGE;
    return next->n || old->set.n ? write_aor(tx, old, next, gone) : STORE_OK;
}

enum store_status aor_op(struct tx *tx, struct store_op *op)
{
    bool there;
    size_t at = snapshot_domain(tx->snap, op->domain, &there);
    if (!there || tx->snap->domains[at]->d.closing)
        return STORE_NOT_FOUND;
    const struct domain *domain = &tx->snap->domains[at]->d;
    at = snapshot_user(tx->snap, op->domain, op->username, &there);
    if (!there)
        return STORE_NOT_FOUND;
    struct object *old = tx->snap->users[at];
    if ((op->seen.incarnation && op->seen.incarnation != old->user.incarnation) ||
        (op->seen.version && op->seen.version != old->user.version))
        return STORE_CONFLICT;
    struct user_terms user = user_terms(&old->user);
    user.last_registered_at_ms = old->last_registered_at_ms;
    struct binding_set current, next = {0};
    if (!live_into(op->arena, &old->set, tx->now_ms, &current))
        return STORE_NOMEM;
    enum store_status st = STORE_OK;
    switch (op->decide_bindings(op, domain, &user, &current, tx->now_ms, &next)) {
    case DECIDE_SAME:
        next = current;
        break;
    case DECIDE_DELETE:
        next.n = 0;
        // fall through
    case DECIDE_WRITE:
        st = decided(tx, old, &next);
        break;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    }
    if (st == STORE_OK)
        op->next = next;
    return st;
}

void mem_expire(struct tx *tx)
{
    for (size_t i = 0; i < tx->snap->n_users; i++) {
        struct object *old = tx->snap->users[i];
        enum binding_gone gone[BINDINGS_MAX] = {GONE_NO};
        struct binding items[BINDINGS_MAX], *b = old->set.items;
        struct binding_set live = {items, 0};
        if (earliest_expiry(&old->set) > tx->now_ms)
            continue;
        for (size_t k = 0; k < old->set.n; k++) {
            gone[k] = b[k].expires_at_ms <= tx->now_ms ? GONE_EXPIRED : GONE_NO;
            if (!gone[k])
                items[live.n++] = b[k];
        }
        if (write_aor(tx, old, &live, gone) != STORE_OK)
            return; // tried again at the next run
    }
}
