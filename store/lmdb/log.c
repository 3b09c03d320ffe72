// SPDX-License-Identifier: Apache-2.0
// The log of bindings: appended at the right, trimmed at the left. The last record of an AoR is the
// truth; records leave only at the left end, so whatever is cut off there, nothing that was
// removed can come back (store/README.md has the argument).
#include <stdlib.h>

#include "store/lmdb/internal.h"

static MDB_val seq_key(const uint64_t *seq)
{
    return (MDB_val){sizeof *seq, (void *)(uintptr_t)seq};
}

static int log_get(struct lmdb_store *s, uint64_t seq, struct slice *bytes)
{
    MDB_val k = seq_key(&seq), v;
    int rc = mdb_get(s->batch.txn, s->bindings, &k, &v);
    *bytes = rc ? SLICE_NONE : slice_val(v);
    return rc;
}

static struct pending *pending_first(struct batch *b, uint64_t hash)
{
    uint16_t at = b->index[hash % PENDING_INDEX];
    return at ? &b->pending[at - 1] : NULL;
}

static struct pending *pending_next(struct batch *b, const struct pending *p)
{
    return p->chain ? &b->pending[p->chain - 1] : NULL;
}

struct pending *pending_add(struct lmdb_store *s, uint64_t hash, uint64_t old_seq)
{
    struct batch *b = &s->batch;
    struct pending *p = &b->pending[b->n_pending++];
    uint16_t *bucket = &b->index[hash % PENDING_INDEX];
    *p = (struct pending){.hash = hash, .old_seq = old_seq, .chain = *bucket};
    *bucket = (uint16_t)b->n_pending;
    return p;
}

// An AoR changed twice in one batch has two pending changes, the newer one first in its chain; its
// old_seq is the older one's seq.
static bool is_replaced(struct batch *b, uint64_t hash, uint64_t seq)
{
    for (struct pending *p = pending_first(b, hash); p; p = pending_next(b, p))
        if (p->hash == hash && p->old_seq == seq)
            return true;
    return false;
}

static bool try_record(struct lmdb_store *s, uint64_t seq, struct slice domain, struct slice key,
                       struct aor_at *at)
{
    struct slice bytes;
    int rc = log_get(s, seq, &bytes);
    if (rc)
        lmdb_fatal(s, "reading a binding that must be there", rc);
    if (!codec_is_aor(bytes, domain, key))
        return false;
    at->seq = seq;
    at->bytes = bytes;
    return true;
}

bool log_find(struct lmdb_store *s, struct slice domain, struct slice key, struct aor_at *at)
{
    struct batch *b = &s->batch;
    struct map_entry found[MAP_CANDIDATES];
    *at = (struct aor_at){.hash = map_hash(s->map, domain, key)};
    for (struct pending *p = pending_first(b, at->hash); p; p = pending_next(b, p))
        if (p->hash == at->hash && p->seq && !is_replaced(b, p->hash, p->seq) &&
            try_record(s, p->seq, domain, key, at))
            return true;
    unsigned n = map_find(s->map, at->hash, found);
    for (unsigned i = 0; i < n; i++)
        if (!is_replaced(b, at->hash, found[i].seq) && try_record(s, found[i].seq, domain, key, at))
            return true;
    return b->rc == 0;
}

bool log_encode(struct lmdb_store *s, const struct aor_record *r, struct slice *bytes)
{
    struct buf out = buf_over(s->batch.record, CODEC_RECORD_MAX);
    codec_put_aor(&out, r);
    *bytes = buf_slice(&out);
    return !out.full;
}

bool log_reserve(struct lmdb_store *s, const struct aor_at *at)
{
    struct batch *b = &s->batch;
    if (b->n_pending >= PENDING_MAX || !wheel_reserve(s->wheel, 2 * (b->n_pending + 2)))
        return false;
    return at->seq || map_reserve(s->map, at->hash);
}

void log_append(struct lmdb_store *s, const struct aor_at *at, struct slice bytes, size_t n,
                int64_t next_expiry_ms, uint64_t version)
{
    struct batch *b = &s->batch;
    uint64_t seq = ++b->state.seq;
    struct pending *p = pending_add(s, at->hash, at->seq);
    p->seq = seq;
    p->version = version;
    p->n = (uint32_t)n;
    p->next_expiry_ms = next_expiry_ms;
    b->records++;
    b->appended++;
    batch_put(s, s->bindings, slice_of((const char *)&seq, sizeof seq), bytes, MDB_APPEND);
}

// ---- Trimming ---------------------------------------------------------------------------------

bool log_wants_trim(const struct lmdb_store *s)
{
    uint64_t records = s->records + (uint64_t)s->batch.records;
    return records > 2 * s->map->live + 64;
}

// The newest record of this AoR, when it is the one at `seq`: its map entry as this batch sees it.
static bool is_newest(struct lmdb_store *s, uint64_t hash, uint64_t seq)
{
    struct batch *b = &s->batch;
    if (is_replaced(b, hash, seq))
        return false;
    for (struct pending *p = pending_first(b, hash); p; p = pending_next(b, p))
        if (p->hash == hash && p->seq == seq)
            return true;
    return map_at(s->map, hash, seq) != NULL;
}

// The user's last registration outlives the tombstone that carried it.
static void keep_last_registered(struct lmdb_store *s, const struct aor_record *r)
{
    struct user u;
    char key[KEY_MAX];
    struct batch *b = &s->batch;
    if (r->last_registered_at_ms == 0 ||
        user_read(s, r->domain, r->key, &b->arena, &u) != STORE_OK ||
        u.incarnation != r->incarnation || u.last_registered_at_ms >= r->last_registered_at_ms)
        return;
    u.last_registered_at_ms = r->last_registered_at_ms;
    struct buf out = buf_over(b->record, CODEC_RECORD_MAX);
    codec_put_user(&out, &u);
    user_write(s, users_key(key, r->domain, r->key), &out);
}

// What is to be done with the leftmost record before it leaves. False: it must stay for now.
static bool trim_one(struct lmdb_store *s, uint64_t seq, struct slice bytes)
{
    struct batch *b = &s->batch;
    struct aor_record r;
    unsigned n;
    int64_t next_expiry_ms;
    if (!codec_peek_aor(bytes, &r))
        lmdb_fatal(s, "reading the oldest record of the log", MDB_CORRUPTED);
    uint64_t hash = map_hash(s->map, r.domain, r.key);
    if (!is_newest(s, hash, seq))
        return true;
    struct aor_at at = {hash, seq, bytes};
    if (!log_reserve(s, &at))
        return false;
    struct slice copy = arena_copy(&b->arena, bytes);
    if (!copy.p)
        return false;
    if (!codec_glance_aor(copy, &r, &n, &next_expiry_ms, NULL))
        lmdb_fatal(s, "reading the oldest record of the log", MDB_CORRUPTED);
    if (n) {
        log_append(s, &at, copy, n, next_expiry_ms, r.version);
        return true;
    }
    pending_add(s, hash, seq)->seq = 0;
    keep_last_registered(s, &r);
    return true;
}

void log_trim(struct lmdb_store *s, size_t budget)
{
    struct batch *b = &s->batch;
    MDB_cursor *c;
    MDB_val k, v;
    if (b->rc || !log_wants_trim(s))
        return;
    b->rc = mdb_cursor_open(b->txn, s->bindings, &c);
    if (b->rc)
        return;
    MDB_cursor_op leftmost = MDB_FIRST;
    for (; budget && !b->rc && log_wants_trim(s); budget--) {
        int rc = mdb_cursor_get(c, &k, &v, leftmost);
        uint64_t seq;
        if (rc == MDB_NOTFOUND)
            break;
        if (rc) {
            b->rc = rc;
            break;
        }
        memcpy(&seq, k.mv_data, sizeof seq);
        uint64_t newest = b->state.seq;
        if (!trim_one(s, seq, slice_val(v)))
            break;
        if (!b->rc && b->state.seq != newest) // the table was written to: found again
            b->rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
        if (!b->rc)
            b->rc = mdb_cursor_del(c, 0);
        leftmost = MDB_NEXT; // behind the one that is gone
        b->records--;
        b->wrote = true;
    }
    mdb_cursor_close(c);
}
