// SPDX-License-Identifier: Apache-2.0
// Reads every table in one snapshot and verifies checksums, order, and that counters say what the
// records add up to.
#include <stdio.h>
#include <stdlib.h>

#include "store/lmdb/internal.h"

struct check {
    struct lmdb_store *s;
    MDB_txn *txn;
    void (*say)(void *arg, const char *sentence);
    void *arg;
    long faults;
    struct state sums;
    struct map *seen; // newest record of each AoR, by this pass alone
};

static void fault(struct check *c, const char *what, struct slice where)
{
    char said[400];
    snprintf(said, sizeof said, "%s: %.*s", what, SLICE_FMT(slice_upto(where, 256)));
    c->faults++;
    if (c->say)
        c->say(c->arg, said);
}

static void fault_at(struct check *c, const char *what, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    fault(c, what, slice_str(text));
}

// Calls `each` for every row; false when the table cannot be read to its end.
static bool walk(struct check *c, MDB_dbi dbi,
                 void (*each)(struct check *c, struct slice k, struct slice v))
{
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = mdb_cursor_open(c->txn, dbi, &cursor);
    if (rc)
        return false;
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
        each(c, slice_val(k), slice_val(v));
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND;
}

static int get(struct check *c, MDB_dbi dbi, struct slice key, struct slice *out)
{
    MDB_val k = val_of(key), v;
    int rc = key.n ? mdb_get(c->txn, dbi, &k, &v) : MDB_NOTFOUND;
    *out = rc ? SLICE_NONE : slice_val(v);
    return rc;
}

// ---- Rows -------------------------------------------------------------------------------------

static void check_record(struct check *c, struct slice k, struct slice v)
{
    struct aor_record r;
    unsigned n;
    int64_t next_expiry_ms;
    uint64_t seq, was = 0;
    memcpy(&seq, k.p, sizeof seq);
    if (!codec_glance_aor(v, &r, &n, &next_expiry_ms, NULL)) {
        fault_at(c, "a record of the log is damaged", seq);
        return;
    }
    if (seq > c->sums.seq)
        c->sums.seq = seq;
    uint64_t hash = map_hash(c->seen, r.domain, r.key);
    struct map_entry found[MAP_CANDIDATES];
    unsigned candidates = map_find(c->seen, hash, found);
    for (unsigned i = 0; i < candidates && !was; i++) {
        struct slice bytes;
        const struct slice key = slice_of((const char *)&found[i].seq, 8);
        if (get(c, c->s->bindings, key, &bytes) == 0 && codec_is_aor(bytes, r.domain, r.key))
            was = found[i].seq;
    }
    if (!was && !map_reserve(c->seen, hash)) {
        fault_at(c, "no memory to check the record", seq);
        return;
    }
    const struct map_entry now = {.hash = hash, .seq = seq, .n = n};
    map_put(c->seen, was, &now);
}

static void check_user(struct check *c, struct slice k, struct slice v)
{
    struct slice domain, key, bytes;
    struct user u;
    if (!split_users_key(k, &domain, &key) || !codec_get_user(v, domain, &u)) {
        fault(c, "a user is damaged", k);
        return;
    }
    c->sums.users++;
    if (get(c, c->s->domains, domain, &bytes) != 0)
        fault(c, "a user's domain is missing", k);
    if (u.version < u.incarnation)
        fault(c, "a user's version is older than the user", k);
}

static void check_host(struct check *c, struct slice k, struct slice v)
{
    struct slice bytes;
    if (get(c, c->s->domains, v, &bytes) != 0)
        fault(c, "an alias of a domain that is not there", k);
}

static void check_domain(struct check *c, struct slice k, struct slice v)
{
    struct domain d;
    struct slice bytes;
    if (!codec_get_domain(v, &d) || !slice_eq(d.name, k)) {
        fault(c, "a domain is damaged", k);
        return;
    }
    c->sums.domains++;
    for (int i = -1; i < d.n_aliases; i++)
        if (get(c, c->s->hosts, i < 0 ? d.name : d.aliases[i], &bytes) != 0 ||
            !slice_eq(bytes, d.name))
            fault(c, "a domain's name or alias is not in its table", k);
}

static void check_change(struct check *c, struct slice k, struct slice v)
{
    struct event_objects objects;
    struct store_event e;
    uint64_t number;
    memcpy(&number, k.p, sizeof number);
    if (!codec_get_event(v, &objects, &e))
        fault_at(c, "an event is damaged", number);
    if (c->sums.change && number != c->sums.change + 1)
        fault_at(c, "the change log has a gap before", number);
    c->sums.change = number;
}

// ---- Sums -------------------------------------------------------------------------------------

// The newest records: each with bindings belongs to a user of today.
static void check_newest(struct check *c, uint64_t seq)
{
    struct aor_record r;
    struct slice bytes, user;
    struct user u;
    char joined[KEY_MAX];
    unsigned n;
    int64_t next_expiry_ms;
    if (get(c, c->s->bindings, slice_of((const char *)&seq, 8), &bytes) != 0 ||
        !codec_glance_aor(bytes, &r, &n, &next_expiry_ms, c->sums.by_transport) || n == 0)
        return;
    c->sums.registered++;
    c->sums.bindings += n;
    if (get(c, c->s->users, users_key(joined, r.domain, r.key), &user) != 0 ||
        !codec_get_user(user, r.domain, &u) || u.incarnation != r.incarnation)
        fault_at(c, "a record with bindings has no user", seq);
}

static void check_counts(struct check *c, struct slice k, struct slice v)
{
    struct store_domain_counts counts;
    (void)k;
    if (!counts_get(v, &counts)) {
        fault(c, "a domain's counters are damaged", k);
        return;
    }
    c->sums.presence_version += counts.users; // borrowed as sums over the domains
    c->sums.config_version += counts.bindings;
}

static void compare(struct check *c, const char *what, uint64_t counted, uint64_t said)
{
    char text[64];
    if (counted == said)
        return;
    snprintf(text, sizeof text, "%llu counted, %llu said", (unsigned long long)counted,
             (unsigned long long)said);
    fault(c, what, slice_str(text));
}

static void check_sums(struct check *c)
{
    struct state st;
    if (meta_get_state(c->s, c->txn, &st) != 0) {
        fault(c, "the counters are damaged", SLICE("meta"));
        return;
    }
    compare(c, "users", c->sums.users, st.users);
    compare(c, "domains", c->sums.domains, st.domains);
    compare(c, "registered users", c->sums.registered, st.registered);
    compare(c, "bindings", c->sums.bindings, st.bindings);
    for (unsigned t = 0; t < TRANSPORT_COUNT; t++)
        compare(c, transport_name((enum transport)t), c->sums.by_transport[t], st.by_transport[t]);
    compare(c, "users by domain", c->sums.presence_version, st.users);
    compare(c, "bindings by domain", c->sums.config_version, st.bindings);
    if (c->sums.change && c->sums.change != st.change)
        fault_at(c, "the newest event is not the last change", st.change);
    if (c->sums.seq > st.seq)
        fault_at(c, "the log goes on behind its last sequence", st.seq);
}

static long run(struct check *c)
{
    struct lmdb_store *s = c->s;
    bool ok = walk(c, s->bindings, check_record) && walk(c, s->users, check_user) &&
              walk(c, s->domains, check_domain) && walk(c, s->hosts, check_host) &&
              walk(c, s->changes, check_change) && walk(c, s->counts, check_counts);
    if (!ok)
        return -1;
    for (size_t i = 0; i < MAP_SHARDS; i++)
        for (uint32_t k = 0; c->seen->shards[i].slots && k <= c->seen->shards[i].mask; k++)
            if (c->seen->shards[i].slots[k].seq)
                check_newest(c, c->seen->shards[i].slots[k].seq);
    check_sums(c);
    return c->faults;
}

long lmdb_check(void *state, void (*say)(void *arg, const char *sentence), void *arg)
{
    struct lmdb_store *s = state;
    struct check c = {.s = s, .say = say, .arg = arg, .seen = map_open()};
    if (!c.seen)
        return -1;
    long faults = -1;
    if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &c.txn) == 0) {
        faults = run(&c);
        mdb_txn_abort(c.txn);
    }
    map_close(c.seen);
    return faults;
}
