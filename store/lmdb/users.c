// SPDX-License-Identifier: Apache-2.0
// Users: reading one inside the writer's transaction, and the operation on one.
#include "store/lmdb/internal.h"

enum store_status user_read(struct lmdb_store *s, struct slice domain, struct slice key,
                            struct arena *arena, struct user *out)
{
    char joined[KEY_MAX];
    MDB_val k = val_of(users_key(joined, domain, key)), v;
    if (k.mv_size == 0)
        return STORE_NOT_FOUND;
    int rc = mdb_get(s->batch.txn, s->users, &k, &v);
    if (rc)
        return lmdb_status(s, rc);
    // A page of this transaction moves with its next write, so what is kept is copied.
    struct slice bytes = arena_copy(arena, slice_val(v));
    if (!bytes.p)
        return STORE_NOMEM;
    if (!codec_get_user(bytes, domain, out))
        lmdb_fatal(s, "reading a user", MDB_CORRUPTED);
    return STORE_OK;
}

enum store_status user_terms_read(struct lmdb_store *s, const struct store_op *op,
                                  struct user_terms *out)
{
    struct user user;
    if (op->seen_at >= s->users_txn && op->seen_at && !s->batch.wrote_users) {
        *out = op->seen;
        return STORE_OK;
    }
    enum store_status st = user_read(s, op->domain, op->username, op->arena, &user);
    if (st == STORE_OK)
        *out = user_terms(&user);
    return st;
}

int user_write(struct lmdb_store *s, struct slice key, const struct buf *record)
{
    s->batch.wrote_users = true;
    return batch_put(s, s->users, key, buf_slice(record), 0);
}

// The event gets a copy without the credentials.
static struct user *user_told(struct arena *arena, const struct user *u)
{
    struct user *told = arena_alloc(arena, sizeof *told);
    if (told) {
        *told = *u;
        memset(told->credentials.ha1, 0, sizeof told->credentials.ha1);
    }
    return told;
}

enum store_status user_delete(struct lmdb_store *s, struct domain_slot *slot, struct slice key,
                              const struct user *user, struct arena *arena)
{
    struct batch *b = &s->batch;
    char joined[KEY_MAX];
    struct user *told = user_told(arena, user);
    if (!told || !events_reserve(b, 1 + BINDINGS_MAX))
        return STORE_NOMEM;
    enum store_status st = aor_clear(s, slot, key, user, GONE_DELETED, arena);
    if (st != STORE_OK)
        return st;
    MDB_val k = val_of(users_key(joined, user->domain, key));
    if (!b->rc)
        b->rc = mdb_del(b->txn, s->users, &k, NULL);
    b->wrote = b->wrote_users = true;
    size_t from = b->n_events;
    event_add(b, EVENT_USER_DELETED, told->domain, told->username, true)->user = told;
    b->state.users--;
    slot->counts.users--;
    slot->dirty = true;
    b->state.config_version = b->state.change;
    events_write(s, from);
    return STORE_OK;
}

static enum store_status put_user(struct lmdb_store *s, struct store_op *op,
                                  struct domain_slot *slot, const struct user *current,
                                  struct user *next, bool remove_bindings)
{
    struct batch *b = &s->batch;
    char joined[KEY_MAX];
    struct user *told = user_told(op->arena, next);
    struct slice key = users_key(joined, next->domain, op->username);
    if (!told || !events_reserve(b, 1 + BINDINGS_MAX))
        return STORE_NOMEM;
    struct buf out = buf_over(b->record, CODEC_RECORD_MAX);
    codec_put_user(&out, next);
    if (out.full || out.n > CODEC_RECORD_MAX - 64) // the numbers to come are longer
        return STORE_TOO_LARGE;
    if (current && remove_bindings) {
        enum store_status st = aor_clear(s, slot, op->username, current, GONE_DELETED, op->arena);
        if (st != STORE_OK)
            return st;
    }
    size_t from = b->n_events;
    struct store_event *e = event_add(b, current ? EVENT_USER_UPDATED : EVENT_USER_CREATED,
                                      told->domain, told->username, true);
    next->version = e->number;
    next->incarnation = current ? current->incarnation : e->number;
    next->created_at_ms = current ? current->created_at_ms : b->now_ms;
    next->updated_at_ms = b->now_ms;
    told->version = next->version;
    told->incarnation = next->incarnation;
    told->created_at_ms = next->created_at_ms;
    told->updated_at_ms = next->updated_at_ms;
    e->user = told;
    out = buf_over(b->record, CODEC_RECORD_MAX);
    codec_put_user(&out, next);
    user_write(s, key, &out);
    b->state.users += current == NULL;
    slot->counts.users += current == NULL;
    slot->dirty = slot->dirty || !current;
    b->state.config_version = next->version;
    events_write(s, from);
    return STORE_OK;
}

enum store_status op_user(struct lmdb_store *s, struct store_op *op)
{
    struct domain_slot *slot;
    struct user current, next;
    bool remove_bindings = false;
    enum store_status st = domain_get(s, op->domain, &slot);
    if (st != STORE_OK || slot->domain.closing)
        return st == STORE_OK ? STORE_NOT_FOUND : st;
    if (op->username.n == 0 || op->username.n > USERNAME_MAX)
        return STORE_TOO_LARGE;
    st = user_read(s, op->domain, op->username, op->arena, &current);
    bool there = st == STORE_OK;
    if (!there && st != STORE_NOT_FOUND)
        return st;
    if (there)
        next = current;
    else
        next = (struct user){.domain = op->domain, .username = op->username};
    op->created = false;
    op->user = next;
    switch (op->decide_user(op, &slot->domain, there ? &current : NULL, s->batch.now_ms, &next,
                            &remove_bindings)) {
    case DECIDE_SAME:
        return STORE_OK;
    case DECIDE_REFUSE:
        return STORE_REFUSED;
    case DECIDE_NOMEM:
        return STORE_NOMEM;
    case DECIDE_DELETE:
        return there ? user_delete(s, slot, op->username, &current, op->arena) : STORE_NOT_FOUND;
    case DECIDE_WRITE:
        break;
    }
    if (s->tight && !there)
        return STORE_FULL;
    next.domain = op->domain;
    st = put_user(s, op, slot, there ? &current : NULL, &next, remove_bindings);
    op->user = next;
    op->created = st == STORE_OK && !there;
    return st;
}
