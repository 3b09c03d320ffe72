// SPDX-License-Identifier: Apache-2.0
// Readers: a snapshot for users and domains, and the newest record of an AoR through the map.
//
// The map may be newer than the reader's snapshot. Then the record is read from a second snapshot,
// begun after the map was asked: the map is published after the commit, so that one has it, unless
// it has been trimmed since, and then the map has moved on and is asked again.
#include <sched.h>
#include <stdlib.h>

#include "store/lmdb/internal.h"

int lmdb_reader_open(void *state, struct store_reader **out)
{
    struct lmdb_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -1;
    r->base.backend = &store_backend_lmdb;
    r->s = state;
    if (mdb_txn_begin(r->s->env, NULL, MDB_RDONLY, &r->txn) != 0) {
        free(r);
        return -1;
    }
    if (mdb_txn_begin(r->s->env, NULL, MDB_RDONLY, &r->fresh) != 0) {
        mdb_txn_abort(r->txn);
        free(r);
        return -1;
    }
    mdb_txn_reset(r->txn);
    mdb_txn_reset(r->fresh);
    *out = &r->base;
    return 0;
}

void lmdb_reader_close(struct store_reader *base)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    mdb_cursor_close(r->by_key);
    mdb_txn_abort(r->txn);
    mdb_txn_abort(r->fresh);
    free(r);
}

enum store_status lmdb_begin(struct store_reader *base)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    int rc = mdb_txn_renew(r->txn);
    base->mark = rc ? 0 : mdb_txn_id(r->txn);
    return lmdb_status(r->s, rc);
}

void lmdb_end(struct store_reader *base)
{
    mdb_txn_reset(((struct lmdb_reader *)base)->txn);
}

// ---- Domains and users ------------------------------------------------------------------------

static enum store_status domain_at(struct lmdb_reader *r, struct slice name, struct domain *out)
{
    MDB_val k = val_of(name), v;
    int rc = mdb_get(r->txn, r->s->domains, &k, &v);
    if (rc == 0 && !codec_get_domain(slice_val(v), out))
        lmdb_fatal(r->s, "reading a domain", MDB_CORRUPTED);
    return lmdb_status(r->s, rc);
}

enum store_status lmdb_domain_find(struct store_reader *base, struct slice host, struct domain *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    char scratch[DOMAIN_NAME_MAX];
    struct slice name = domain_key(host, scratch);
    if (name.n == 0)
        return STORE_NOT_FOUND;
    enum store_status st = domain_at(r, name, out);
    if (st != STORE_NOT_FOUND)
        return st;
    MDB_val k = val_of(name), v;
    int rc = mdb_get(r->txn, r->s->hosts, &k, &v);
    return rc ? lmdb_status(r->s, rc) : domain_at(r, slice_val(v), out);
}

enum store_status lmdb_domain_next(struct store_reader *base, struct slice after,
                                   struct domain *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    MDB_cursor *c;
    MDB_val k = val_of(after), v;
    int rc = mdb_cursor_open(r->txn, r->s->domains, &c);
    if (rc)
        return lmdb_status(r->s, rc);
    rc = mdb_cursor_get(c, &k, &v, after.n ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && after.n && slice_eq(slice_val(k), after))
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    mdb_cursor_close(c);
    if (rc == 0 && !codec_get_domain(slice_val(v), out))
        lmdb_fatal(r->s, "reading a domain", MDB_CORRUPTED);
    return lmdb_status(r->s, rc);
}

enum store_status lmdb_domain_count(struct store_reader *base, struct slice domain,
                                    struct store_domain_counts *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    MDB_val k = val_of(domain), v;
    if (domain.n == 0 || domain.n > DOMAIN_NAME_MAX)
        return STORE_NOT_FOUND;
    int rc = mdb_get(r->txn, r->s->counts, &k, &v);
    if (rc == 0 && !counts_get(slice_val(v), out))
        lmdb_fatal(r->s, "reading a domain's counters", MDB_CORRUPTED);
    return lmdb_status(r->s, rc);
}

static enum store_status user_of(struct lmdb_reader *r, MDB_val k, MDB_val v, struct user *out,
                                 struct slice *key_out)
{
    struct slice domain, key;
    if (!split_users_key(slice_val(k), &domain, &key) || !codec_get_user(slice_val(v), domain, out))
        lmdb_fatal(r->s, "reading a user", MDB_CORRUPTED);
    if (key_out)
        *key_out = key;
    return STORE_OK;
}

enum store_status lmdb_user_find(struct store_reader *base, struct slice domain, struct slice key,
                                 struct user *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    char joined[KEY_MAX];
    MDB_val k = val_of(users_key(joined, domain, key)), v;
    if (domain.n == 0 || key.n == 0 || k.mv_size == 0)
        return STORE_NOT_FOUND;
    // By a cursor, for it gives the key as it stands in the page, which outlives the caller's.
    int rc = r->by_key ? mdb_cursor_renew(r->txn, r->by_key)
                       : mdb_cursor_open(r->txn, r->s->users, &r->by_key);
    if (rc)
        return lmdb_status(r->s, rc);
    rc = mdb_cursor_get(r->by_key, &k, &v, MDB_SET_KEY);
    return rc ? lmdb_status(r->s, rc) : user_of(r, k, v, out, NULL);
}

enum store_status lmdb_user_next(struct store_reader *base, struct slice domain, struct slice key,
                                 struct user *out, struct slice *key_out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    char joined[KEY_MAX];
    MDB_cursor *c;
    struct slice after = users_key(joined, domain, key);
    MDB_val k = val_of(after), v;
    if (after.n == 0)
        return STORE_NOT_FOUND;
    int rc = mdb_cursor_open(r->txn, r->s->users, &c);
    if (rc)
        return lmdb_status(r->s, rc);
    rc = mdb_cursor_get(c, &k, &v, domain.n ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && domain.n && slice_eq(slice_val(k), after))
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    mdb_cursor_close(c);
    return rc ? lmdb_status(r->s, rc) : user_of(r, k, v, out, key_out);
}

// ---- Bindings ---------------------------------------------------------------------------------

// A snapshot begun between a commit and its publication is newer than the map: wait these
// microseconds out, so that what is shown is never older than the snapshot.
static void wait_published(struct lmdb_reader *r)
{
    size_t mine = mdb_txn_id(r->txn);
    for (int i = 0; i < 10000; i++) {
        if (atomic_load_explicit(&r->s->published_txn, memory_order_acquire) >= mine)
            return;
        sched_yield();
    }
}

// Copies the live bindings of the record, if it is this AoR's.
static void take_record(struct lmdb_reader *r, struct slice bytes, struct slice key,
                        const struct user *user, int64_t now_ms, struct arena *arena,
                        struct aor_state *out, enum store_status *status)
{
    struct aor_record rec;
    if (!codec_peek_aor(bytes, &rec))
        lmdb_fatal(r->s, "reading bindings", MDB_CORRUPTED);
    if (!slice_eq(rec.domain, user->domain) || !slice_eq(rec.key, key))
        return;
    *status = STORE_OK;
    out->version = rec.version; // as a glance has it, which knows no incarnation
    if (rec.incarnation != user->incarnation)
        return;
    struct slice copy = arena_copy(arena, bytes);
    enum codec_result got = copy.p ? codec_get_aor(copy, arena, &rec) : CODEC_NOMEM;
    if (got == CODEC_DAMAGED)
        lmdb_fatal(r->s, "reading bindings", MDB_CORRUPTED);
    if (got == CODEC_NOMEM) {
        *status = STORE_NOMEM;
        return;
    }
    out->presence = rec.presence;
    if (rec.last_registered_at_ms)
        out->last_registered_at_ms = rec.last_registered_at_ms;
    out->bindings.items = rec.set.items;
    for (size_t i = 0; i < rec.set.n; i++) {
        const struct binding *x = &rec.set.items[i];
        if (x->expires_at_ms <= now_ms)
            continue;
        if (x->expires_at_ms < out->next_expiry_ms)
            out->next_expiry_ms = x->expires_at_ms;
        rec.set.items[out->bindings.n++] = *x;
    }
}

// One candidate. NOT_FOUND: another AoR's, or gone since the map was asked (*again).
static enum store_status try_candidate(struct lmdb_reader *r, uint64_t seq, struct slice key,
                                       const struct user *user, int64_t now_ms, struct arena *arena,
                                       struct aor_state *out, bool *again)
{
    enum store_status status = STORE_NOT_FOUND;
    MDB_val k = {sizeof seq, &seq}, v;
    MDB_txn *txn = r->txn;
    int rc = mdb_get(txn, r->s->bindings, &k, &v);
    if (rc == MDB_NOTFOUND) {
        txn = r->fresh;
        rc = mdb_txn_renew(txn);
        if (rc)
            return lmdb_status(r->s, rc);
        rc = mdb_get(txn, r->s->bindings, &k, &v);
    }
    if (rc == 0)
        take_record(r, slice_val(v), key, user, now_ms, arena, out, &status);
    *again = rc == MDB_NOTFOUND;
    if (txn == r->fresh)
        mdb_txn_reset(txn);
    return rc && rc != MDB_NOTFOUND ? lmdb_status(r->s, rc) : status;
}

// The key of a user is its name, folded where the domain folds names. Whether it does is asked only
// where it can matter.
static struct slice key_of(struct lmdb_reader *r, const struct user *user, char *scratch)
{
    struct domain d;
    for (size_t i = 0; i < user->username.n; i++)
        if (user->username.p[i] != ascii_lower(user->username.p[i]))
            return domain_at(r, user->domain, &d) == STORE_OK
                       ? user_key(&d, user->username, scratch)
                       : user->username;
    return user->username;
}

enum store_status lmdb_bindings_find(struct store_reader *base, const struct user *user,
                                     int64_t now_ms, struct arena *arena, struct aor_state *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    char scratch[USERNAME_MAX];
    struct slice key = key_of(r, user, scratch);
    uint64_t hash = map_hash(r->s->map, user->domain, key);
    *out = (struct aor_state){.next_expiry_ms = INT64_MAX,
                              .last_registered_at_ms = user->last_registered_at_ms};
    wait_published(r);
    for (bool again = true; again;) {
        struct map_entry found[MAP_CANDIDATES];
        unsigned n = map_find(r->s->map, hash, found);
        again = false;
        for (unsigned i = 0; i < n && !again; i++) {
            enum store_status st =
                try_candidate(r, found[i].seq, key, user, now_ms, arena, out, &again);
            if (st != STORE_NOT_FOUND)
                return st;
        }
        if (again)
            sched_yield();
    }
    return STORE_OK;
}

void lmdb_bindings_glance(struct store_reader *base, const struct user *user, int64_t now_ms,
                          struct aor_glance *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)base;
    char scratch[USERNAME_MAX], block[4096];
    struct map_entry found[MAP_CANDIDATES];
    struct slice key = key_of(r, user, scratch);
    *out = (struct aor_glance){.next_expiry_ms = INT64_MAX};
    wait_published(r);
    unsigned n = map_find(r->s->map, map_hash(r->s->map, user->domain, key), found);
    if (n == 0)
        return;
    // Two AoRs with one hash, or an expiry that is due and not swept: the record knows.
    if (n > 1 || (found[0].n > 1 && found[0].next_expiry_ms <= now_ms)) {
        struct arena arena;
        struct aor_state state;
        arena_init(&arena, block, sizeof block, CODEC_RECORD_MAX * 4);
        if (lmdb_bindings_find(base, user, now_ms, &arena, &state) == STORE_OK)
            *out = (struct aor_glance){state.version, state.next_expiry_ms, state.bindings.n > 0};
        arena_reset(&arena);
        return;
    }
    out->version = found[0].version;
    out->next_expiry_ms = found[0].next_expiry_ms;
    out->registered = found[0].n > 0 && found[0].next_expiry_ms > now_ms;
}
