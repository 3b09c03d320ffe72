// SPDX-License-Identifier: Apache-2.0
// What an operation does to the snapshot in the making: users, domains, and the steps of what
// waits. Each either happens whole or not at all: all that can fail is done before the first
// change.
#include "store/mem/mem.h"

#include "store/mem/aor.h"

static uint64_t next_change(struct tx *tx)
{
    return ++tx->snap->change;
}

// ---- Users ------------------------------------------------------------------------------------

// Replaces the user at its place, with the bindings or without, and tells of it.
static enum store_status write_user(struct tx *tx, struct store_op *op, struct object *old,
                                    struct user *next, bool remove_bindings)
{
    if (!tx_touch(tx) || !tx_reserve(tx, BINDINGS_MAX + 1))
        return STORE_NOMEM;
    bool keep = old && !remove_bindings;
    next->domain = op->domain;
    if (!next->username.n)
        next->username = op->username;
    struct object *new = object_user(next, op->username, keep ? &old->set : NULL);
    if (!new)
        return STORE_NOMEM;
    object_ref(new); // for us, beside the snapshot's
    if (old) {
        object_ref(old); // the events of its bindings show them
        new->version = old->version;
        new->presence = old->presence;
        new->last_registered_at_ms = old->last_registered_at_ms;
    }
    if (!tx_put_user(tx, new)) {
        object_unref(new), object_unref(new), object_unref(old);
        return STORE_NOMEM;
    }
    if (old && !keep && old->set.n) {
        aor_tell_gone(tx, old, GONE_DELETED);
        new->version = ++tx->snap->bindings_version;
        new->presence = tx->snap->change;
    }
    uint64_t number = next_change(tx);
    new->user.version = tx->snap->config_version = number;
    new->user.updated_at_ms = tx->now_ms;
    if (!old) {
        new->user.incarnation = number;
        new->user.created_at_ms = tx->now_ms;
        new->presence = number;
        new->version = ++tx->snap->bindings_version;
    }
    op->created = !old;
    tx_change(tx, (struct change){.number = number,
                                  .type = old ? EVENT_USER_UPDATED : EVENT_USER_CREATED,
                                  .object = new});
    object_unref(new);
    object_unref(old);
    return STORE_OK;
}

// The place's user is known to be there.
static bool delete_user(struct tx *tx, struct slice domain, struct slice key)
{
    bool there;
    if (!tx_touch(tx) || !tx_reserve(tx, BINDINGS_MAX + 1))
        return false;
    size_t at = snapshot_user(tx->snap, domain, key, &there);
    struct object *o = tx->snap->users[at];
    object_ref(o);
    tx_drop_user(tx, at);
    aor_tell_gone(tx, o, GONE_DELETED);
    if (o->set.n)
        tx->snap->bindings_version++;
    tx->snap->config_version = next_change(tx);
    tx_change(tx,
              (struct change){.number = tx->snap->change, .type = EVENT_USER_DELETED, .object = o});
    object_unref(o);
    return true;
}

static enum store_status op_user(struct tx *tx, struct store_op *op)
{
    bool there, remove_bindings = false;
    size_t at = snapshot_domain(tx->snap, op->domain, &there);
    if (!there || tx->snap->domains[at]->d.closing)
        return STORE_NOT_FOUND;
    if (op->username.n == 0 || op->username.n > USERNAME_MAX)
        return STORE_TOO_LARGE;
    struct domain *domain = &tx->snap->domains[at]->d;
    at = snapshot_user(tx->snap, op->domain, op->username, &there);
    struct object *old = there ? tx->snap->users[at] : NULL;
    struct user now = {0}, next = {0};
    if (old) {
        now = old->user;
        now.last_registered_at_ms = old->last_registered_at_ms;
        next = now;
    }
    enum store_status st = STORE_OK;
    switch (op->decide_user(op, domain, old ? &now : NULL, tx->now_ms, &next, &remove_bindings)) {
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_DELETE:
        if (!old)
            return STORE_NOT_FOUND;
        return delete_user(tx, op->domain, op->username) ? STORE_OK : STORE_NOMEM;
    case DECIDE_SAME:
        break;
    case DECIDE_WRITE:
        st = write_user(tx, op, old, &next, remove_bindings);
    }
    at = snapshot_user(tx->snap, op->domain, op->username, &there);
    if (st == STORE_OK && there && !user_into(op->arena, &tx->snap->users[at]->user, &op->user))
        st = STORE_NOMEM;
    return st;
}

// ---- Domains ----------------------------------------------------------------------------------

// Nothing of `next` names another domain.
static bool names_are_free(const struct snapshot *s, struct slice name, const struct domain *next)
{
    const struct object *o = snapshot_host(s, name);
    bool free = !o || slice_eq(o->d.name, name);
    for (size_t i = 0; i < next->n_aliases && free; i++) {
        o = snapshot_host(s, next->aliases[i]);
        free = !o || slice_eq(o->d.name, name);
    }
    return free;
}

static enum store_status write_domain(struct tx *tx, struct object *old, struct domain *next)
{
    if (!tx_touch(tx) || !tx_reserve(tx, 1))
        return STORE_NOMEM;
    uint64_t number = tx->snap->change + 1;
    next->version = number;
    next->updated_at_ms = tx->now_ms;
    if (!old) {
        next->incarnation = number;
        next->created_at_ms = tx->now_ms;
    }
    struct object *new = object_domain(next);
    if (!new)
        return STORE_NOMEM;
    bool created = !old;
    if (!tx_put_domain(tx, new)) {
        object_unref(new);
        return STORE_NOMEM;
    }
    tx->snap->change = tx->snap->config_version = number;
    tx_change(tx, (struct change){.number = number,
                                  .type = created ? EVENT_DOMAIN_CREATED : EVENT_DOMAIN_UPDATED,
                                  .object = new});
    return STORE_OK;
}

bool mem_delete_domain(struct tx *tx, struct slice name)
{
    bool there;
    size_t at = snapshot_domain(tx->snap, name, &there);
    if (!there)
        return true;
    for (int i = 0; i < MEM_STEP; i++) {
        size_t first = snapshot_user(tx->snap, name, SLICE_NONE, &there);
        if (first == tx->snap->n_users || !slice_eq(tx->snap->users[first]->domain, name)) {
            if (!tx_touch(tx) || !tx_reserve(tx, 1))
                return false;
            struct object *o = tx->snap->domains[at];
            tx->snap->config_version = next_change(tx);
            tx_change(tx, (struct change){.number = tx->snap->change,
                                          .type = EVENT_DOMAIN_DELETED,
                                          .object = o});
            tx_drop_domain(tx, at);
            return true;
        }
        if (!delete_user(tx, name, tx->snap->users[first]->key))
            return false;
    }
    return false;
}

// Deletes it at once where it is empty; else marks it, and the op waits.
static enum store_status close_domain(struct tx *tx, struct store_op *op, struct object *old,
                                      bool *waits)
{
    if (!snapshot_users_of(tx->snap, op->domain) && !old->d.closing)
        return mem_delete_domain(tx, op->domain) ? STORE_OK : STORE_NOMEM;
    *waits = true;
    if (old->d.closing)
        return STORE_OK;
    struct domain closing = old->d;
    closing.closing = true;
    enum store_status st = write_domain(tx, old, &closing);
    *waits = st == STORE_OK;
    return st;
}

static enum store_status op_domain(struct tx *tx, struct store_op *op, bool *waits)
{
    bool there;
    size_t at = snapshot_domain(tx->snap, op->domain, &there);
    struct object *old = there ? tx->snap->domains[at] : NULL;
    struct domain next = {.name = op->domain};
    if (op->domain.n == 0 || op->domain.n > DOMAIN_NAME_MAX)
        return STORE_TOO_LARGE;
    if (old)
        next = old->d;
    enum store_status st = STORE_OK;
    switch (op->decide_domain(op, old ? &old->d : NULL, snapshot_users_of(tx->snap, op->domain),
                              tx->now_ms, &next)) {
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_DELETE:
        return old ? close_domain(tx, op, old, waits) : STORE_NOT_FOUND;
    case DECIDE_SAME:
        break;
    case DECIDE_WRITE:
        next.name = op->domain;
        if ((old && old->d.closing) || !names_are_free(tx->snap, op->domain, &next))
            return STORE_CONFLICT;
        op->created = !old;
        st = write_domain(tx, old, &next);
    }
    at = snapshot_domain(tx->snap, op->domain, &there);
    if (st == STORE_OK && there &&
        !domain_into(op->arena, &tx->snap->domains[at]->d, &op->domain_now))
        st = STORE_NOMEM;
    return st;
}

bool mem_op(struct tx *tx, struct store_op *op)
{
    bool waits = false;
    op->created = false;
    op->next = (struct binding_set){0};
    switch (op->kind) {
    case STORE_OP_BINDINGS:
        op->status = aor_op(tx, op);
        break;
    case STORE_OP_USER:
        op->status = op_user(tx, op);
        break;
    case STORE_OP_DOMAIN:
        op->status = op_domain(tx, op, &waits);
        break;
    }
    op->change = tx->snap->change;
    return !waits;
}
