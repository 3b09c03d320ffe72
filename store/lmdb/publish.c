// SPDX-License-Identifier: Apache-2.0
// What everybody may see without a transaction: counters, sizes, metrics.
#include "base/metrics.h"
#include "store/lmdb/internal.h"

// The smallest room that must be left for what does not grow the store (unregistering, expiry,
// deletion): a sixty-fourth, 64 pages at least.
#define ROOM_SHARE 64
#define ROOM_LEAST 64

static uint64_t free_pages(struct lmdb_store *s)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    uint64_t pages = 0;
    if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
        return 0;
    // Table 0 is LMDB's own list of free pages: each value begins with how many it names.
    if (mdb_cursor_open(txn, 0, &c) == 0) {
        while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0) {
            size_t n;
            memcpy(&n, v.mv_data, sizeof n);
            pages += n;
        }
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    return pages;
}

void measure_file(struct lmdb_store *s, int64_t now_ms)
{
    MDB_envinfo info;
    mdb_env_info(s->env, &info);
    uint64_t pages = info.me_mapsize / s->page_size;
    uint64_t room = pages / ROOM_SHARE > ROOM_LEAST ? pages / ROOM_SHARE : ROOM_LEAST;
    bool near = pages - info.me_last_pgno - 1 < 2 * room;
    if (!near && now_ms - s->measured_ms < 1000 && now_ms >= s->measured_ms && s->measured_ms)
        return;
    uint64_t free = free_pages(s);
    s->measured_ms = now_ms;
    s->free_bytes = free * s->page_size;
    s->tight = pages - info.me_last_pgno - 1 + free < room;
}

void publish_counts(struct lmdb_store *s)
{
    MDB_envinfo info;
    mdb_env_info(s->env, &info);
    struct store_counts c = {.epoch = s->epoch,
                             .change = s->state.change,
                             .oldest_change = s->state.change - s->n_changes + 1,
                             .config_version = s->state.config_version,
                             .presence_version = s->state.presence_version,
                             .bindings_version = s->state.seq,
                             .next_expiry_ms = wheel_next_ms(s->wheel),
                             .users = s->state.users,
                             .registered_users = s->state.registered,
                             .bindings = s->state.bindings,
                             .domains = s->state.domains,
                             .records = s->records,
                             .file_bytes = ((uint64_t)info.me_last_pgno + 1) * s->page_size,
                             .free_bytes = s->free_bytes};
    memcpy(c.by_transport, s->state.by_transport, sizeof c.by_transport);
    pthread_mutex_lock(&s->publish_lock);
    s->published = c;
    pthread_mutex_unlock(&s->publish_lock);
    metric_set(METRIC_USERS, 0, (int64_t)c.users);
    metric_set(METRIC_REGISTERED_USERS, 0, (int64_t)c.registered_users);
    for (unsigned t = 0; t < TRANSPORT_COUNT; t++)
        metric_set(METRIC_BINDINGS, t, (int64_t)c.by_transport[t]);
    metric_set(METRIC_STORE_BYTES, 0, (int64_t)c.file_bytes);
    metric_set(METRIC_STORE_FREE_BYTES, 0, (int64_t)c.free_bytes);
    metric_set(METRIC_STORE_RECORDS, 0, (int64_t)c.records);
    metric_set(METRIC_STORE_WRITABLE, 0, s->writable);
}

void lmdb_counts(void *state, struct store_counts *out)
{
    struct lmdb_store *s = state;
    pthread_mutex_lock(&s->publish_lock);
    *out = s->published;
    pthread_mutex_unlock(&s->publish_lock);
}
