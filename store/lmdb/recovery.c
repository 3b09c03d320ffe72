// SPDX-License-Identifier: Apache-2.0
// The start: one pass over the log, oldest record first, rebuilds the map and the expiry index; the
// last record of an AoR is its truth. Every record's checksum is verified on the way.
#include <errno.h>
#include <stdio.h>

#include "store/lmdb/internal.h"

// The map's entry for this AoR, among those with its hash; 0 for none. The records are compared,
// for two AoRs may share a hash.
static uint64_t older_record(struct lmdb_store *s, MDB_txn *txn, uint64_t hash,
                             const struct aor_record *r)
{
    struct map_entry found[MAP_CANDIDATES];
    unsigned n = map_find(s->map, hash, found);
    for (unsigned i = 0; i < n; i++) {
        MDB_val k = {sizeof found[i].seq, &found[i].seq}, v;
        struct aor_record old;
        if (mdb_get(txn, s->bindings, &k, &v) == 0 && codec_peek_aor(slice_val(v), &old) &&
            slice_eq(old.domain, r->domain) && slice_eq(old.key, r->key))
            return found[i].seq;
    }
    return 0;
}

static const char *scan_one(struct lmdb_store *s, MDB_txn *txn, uint64_t seq, struct slice bytes)
{
    struct aor_record r;
    unsigned n;
    int64_t next_expiry_ms;
    if (!codec_glance_aor(bytes, &r, &n, &next_expiry_ms, NULL))
        return "is damaged";
    uint64_t hash = map_hash(s->map, r.domain, r.key);
    uint64_t old = older_record(s, txn, hash, &r);
    if (!old && !map_reserve(s->map, hash))
        return "does not fit into memory";
    const struct map_entry now = {
        .hash = hash, .seq = seq, .version = r.version, .next_expiry_ms = next_expiry_ms, .n = n};
    map_put(s->map, old, &now);
    s->records++;
    if (seq > s->state.seq)
        s->state.seq = seq;
    return NULL;
}

static bool place_all(struct lmdb_store *s)
{
    for (size_t i = 0; i < MAP_SHARDS; i++) {
        struct map_shard *shard = &s->map->shards[i];
        for (uint32_t k = 0; shard->slots && k <= shard->mask; k++) {
            if (!wheel_reserve(s->wheel, 1))
                return false;
            if (shard->slots[k].seq)
                wheel_place(s->wheel, &shard->slots[k]);
        }
    }
    return true;
}

static int find_closing(struct lmdb_store *s, MDB_txn *txn)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct domain d;
    int rc = mdb_cursor_open(txn, s->domains, &c);
    if (rc)
        return rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        if (!codec_get_domain(slice_val(v), &d))
            rc = MDB_CORRUPTED;
        else if (d.closing && !closing_add(s, d.name))
            rc = ENOMEM;
        if (rc)
            break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int recovery_scan(struct lmdb_store *s, MDB_txn *txn, char *why, size_t why_size)
{
    MDB_cursor *c;
    MDB_val k, v;
    MDB_stat stat;
    const char *fault = NULL;
    uint64_t seq = 0;
    int rc = mdb_cursor_open(txn, s->bindings, &c);
    while (rc == 0 && !fault && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        memcpy(&seq, k.mv_data, sizeof seq);
        fault = scan_one(s, txn, seq, slice_val(v));
    }
    if (rc == MDB_NOTFOUND)
        rc = 0;
    if (!fault && !rc && !place_all(s))
        fault = "does not fit into memory";
    if (!fault && !rc)
        rc = find_closing(s, txn);
    if (!rc)
        rc = mdb_stat(txn, s->changes, &stat);
    if (fault)
        snprintf(why, why_size,
                 "%s/data.mdb: record %llu of the log of bindings %s; run `rollcall "
                 "check`, and restore a backup",
                 s->dir, (unsigned long long)seq, fault);
    else if (rc)
        snprintf(why, why_size,
                 "%s/data.mdb cannot be read: %s; run `rollcall check`, and restore "
                 "a backup",
                 s->dir, mdb_strerror(rc));
    else
        s->n_changes = stat.ms_entries;
    return fault || rc ? -1 : 0;
}
