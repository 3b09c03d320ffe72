// SPDX-License-Identifier: Apache-2.0
// The start: one pass over the log, oldest record first, rebuilds the map and the expiry index; the
// last record of an AoR is its truth. Every record's checksum is verified on the way.
//
// What takes the time is memory: each record leads to a slot of the map, and that to the AoR's
// older record, all far apart. So records are taken in blocks, and each step over a block asks the
// processor for what the next step reads. Only the last one decides anything.
#include <errno.h>
#include <stdio.h>

#include "store/lmdb/internal.h"
#include "base/pages.h"

#define BLOCK         32
#define PREFETCH_MOST 512 // bytes of one record
// The whole file is read ahead where the log is at least this part of it, and not just a few pages.
#define READAHEAD_SHARE 8
#define READAHEAD_LEAST 256

struct scanned {
    struct map_entry entry;
    struct slice domain, key, bytes;
};

struct scan {
    struct lmdb_store *s;
    MDB_txn *txn;
    uint64_t at; // the record that is worked on
    // Where records are in the file's mapping, by their sequence less the first one's. Records of a
    // log with gaps may lie beyond: those are looked up.
    uint64_t first, n_where;
    struct slice *where;
    size_t where_size; // bytes
    unsigned n;        // records in the block
    struct scanned block[BLOCK];
};

static struct slice *where_is(struct scan *c, uint64_t seq)
{
    return seq - c->first < c->n_where ? &c->where[seq - c->first] : NULL;
}

static struct slice record_at(struct scan *c, uint64_t seq)
{
    struct slice *known = where_is(c, seq);
    MDB_val k = {sizeof seq, &seq}, v;
    if (known)
        return *known;
    return mdb_get(c->txn, c->s->bindings, &k, &v) == 0 ? slice_val(v) : SLICE_NONE;
}

// The map's entry for this AoR, among those with its hash; NULL for none. The records are compared,
// for two AoRs may share a hash.
static struct map_entry *older_entry(struct scan *c, const struct scanned *r)
{
    struct map_entry *e = NULL;
    while ((e = map_next(c->s->map, r->entry.hash, e)))
        if (codec_is_aor(record_at(c, e->seq), r->domain, r->key))
            return e;
    return NULL;
}

// ---- The steps of a block ---------------------------------------------------------------------

// Takes the next records off the cursor, up to a block; LMDB's code.
static int read_block(struct scan *c, MDB_cursor *cursor)
{
    MDB_val k, v;
    int rc = 0;
    c->n = 0;
    while (c->n < BLOCK && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        struct scanned *r = &c->block[c->n++];
        memcpy(&r->entry.seq, k.mv_data, sizeof r->entry.seq);
        r->bytes = slice_val(v);
        for (size_t i = 0; i < r->bytes.n && i < PREFETCH_MOST; i += 64)
            __builtin_prefetch(r->bytes.p + i);
    }
    return rc;
}

static const char *verify_block(struct scan *c)
{
    struct aor_record head;
    for (unsigned i = 0; i < c->n; i++) {
        struct scanned *r = &c->block[i];
        struct map_entry *e = &r->entry;
        c->at = e->seq;
        if (!codec_glance_aor(r->bytes, &head, &e->n, &e->next_expiry_ms, NULL))
            return "is damaged";
        e->hash = map_hash(c->s->map, head.domain, head.key);
        e->version = head.version;
        r->domain = head.domain;
        r->key = head.key;
        struct slice *place = where_is(c, e->seq);
        if (place)
            *place = r->bytes;
        map_prefetch(c->s->map, e->hash);
    }
    return NULL;
}

static void prefetch_older(struct scan *c)
{
    struct map_entry *found[BLOCK];
    for (unsigned i = 0; i < c->n; i++) {
        found[i] = map_next(c->s->map, c->block[i].entry.hash, NULL);
        if (found[i])
            __builtin_prefetch(where_is(c, found[i]->seq)); // a NULL does no harm
    }
    for (unsigned i = 0; i < c->n; i++) {
        struct slice *place = found[i] ? where_is(c, found[i]->seq) : NULL;
        if (place) {
            __builtin_prefetch(place->p);
            if (place->n > 64)
                __builtin_prefetch(place->p + 64); // the AoR's text may reach into the next line
        }
    }
}

static const char *settle_block(struct scan *c)
{
    struct lmdb_store *s = c->s;
    for (unsigned i = 0; i < c->n; i++) {
        const struct scanned *r = &c->block[i];
        struct map_entry *old = older_entry(c, r);
        c->at = r->entry.seq;
        if (!old && !map_reserve(s->map, r->entry.hash))
            return "does not fit into memory";
        map_load(s->map, old, &r->entry);
        s->records++;
        if (r->entry.seq > s->state.seq)
            s->state.seq = r->entry.seq;
    }
    return NULL;
}

static bool place_all(struct lmdb_store *s)
{
    for (size_t i = 0; i < MAP_SHARDS; i++) {
        struct map_shard *shard = &s->map->shards[i];
        if (!wheel_reserve(s->wheel, shard->used))
            return false;
        for (uint32_t k = 0; shard->used && k <= shard->mask; k++)
            if (shard->slots[k].seq)
                wheel_place(s->wheel, &shard->slots[k]);
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

// ---- The pass ---------------------------------------------------------------------------------

static const char *scan_all(struct scan *c, int *rc)
{
    MDB_cursor *cursor;
    const char *fault = NULL;
    *rc = mdb_cursor_open(c->txn, c->s->bindings, &cursor);
    if (*rc)
        return NULL;
    while (*rc == 0 && !fault) {
        *rc = read_block(c, cursor);
        if (!c->first && c->n)
            c->first = c->block[0].entry.seq;
        fault = verify_block(c);
        prefetch_older(c);
        if (!fault)
            fault = settle_block(c);
    }
    mdb_cursor_close(cursor);
    if (*rc == MDB_NOTFOUND)
        *rc = 0;
    return fault;
}

// What is known before: only hints, which save time where they are right.
static void prepare(struct scan *c, const MDB_stat *log, struct readahead *ahead)
{
    struct lmdb_store *s = c->s;
    MDB_envinfo info;
    map_presize(s->map,
                s->state.registered < log->ms_entries ? s->state.registered : log->ms_entries);
    c->where_size = log->ms_entries * sizeof *c->where;
    c->where = c->where_size ? pages_alloc(c->where_size) : NULL;
    c->n_where = c->where ? log->ms_entries : 0;
    mdb_env_info(s->env, &info);
    size_t pages = log->ms_branch_pages + log->ms_leaf_pages + log->ms_overflow_pages;
    if (pages >= READAHEAD_LEAST && pages >= info.me_last_pgno / READAHEAD_SHARE)
        readahead_start(ahead, s->env);
}

int recovery_scan(struct lmdb_store *s, MDB_txn *txn, char *why, size_t why_size)
{
    MDB_stat log, changes;
    const char *fault = NULL;
    char what[160];
    struct scan c = {.s = s, .txn = txn};
    struct readahead ahead = {0};
    int rc = mdb_stat(txn, s->bindings, &log);
    rc = rc ? rc : mdb_stat(txn, s->changes, &changes);
    if (!rc) {
        prepare(&c, &log, &ahead);
        fault = scan_all(&c, &rc);
        readahead_stop(&ahead);
        pages_free(c.where, c.where_size);
    }
    if (!fault && !rc && !place_all(s))
        fault = "does not fit into memory";
    if (!fault && !rc)
        rc = find_closing(s, txn);
    if (!fault && !rc) {
        s->n_changes = changes.ms_entries;
        return 0;
    }
    if (fault)
        snprintf(what, sizeof what, ": record %llu of the log of bindings %s",
                 (unsigned long long)c.at, fault);
    else
        snprintf(what, sizeof what, " cannot be read: %s", mdb_strerror(rc));
    snprintf(why, why_size, "%s/data.mdb%s; run `rollcall check`, and restore a backup", s->dir,
             what);
    return -1;
}
