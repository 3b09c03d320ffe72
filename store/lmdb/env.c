// SPDX-License-Identifier: Apache-2.0
// Opening and closing: the environment, its tables, and the order of the start. The backend's line
// in the front's table stands here too.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/lmdb/internal.h"

#define MAX_READERS 512

static int open_tables(struct lmdb_store *s, MDB_txn *txn)
{
    const unsigned number = MDB_CREATE | MDB_INTEGERKEY;
    int rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &s->meta);
    rc = rc ? rc : mdb_dbi_open(txn, "users", MDB_CREATE, &s->users);
    rc = rc ? rc : mdb_dbi_open(txn, "domains", MDB_CREATE, &s->domains);
    rc = rc ? rc : mdb_dbi_open(txn, "hosts", MDB_CREATE, &s->hosts);
    rc = rc ? rc : mdb_dbi_open(txn, "counts", MDB_CREATE, &s->counts);
    rc = rc ? rc : mdb_dbi_open(txn, "bindings", number, &s->bindings);
    return rc ? rc : mdb_dbi_open(txn, "changes", number, &s->changes);
}

static int env_open(struct lmdb_store *s)
{
    const struct store_config *c = &s->config;
    uint64_t size = c->map_size ? c->map_size : 256ULL << 30;
    if (c->max_size && c->max_size < size)
        size = c->max_size; // the map is the bound: LMDB then refuses before the file grows
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    int rc = mdb_env_create(&s->env);
    rc = rc ? rc : mdb_env_set_mapsize(s->env, size / page * page);
    rc = rc ? rc : mdb_env_set_maxdbs(s->env, 16);
    rc = rc ? rc : mdb_env_set_maxreaders(s->env, MAX_READERS);
    // NOTLS: a thread may have several snapshots. NORDAHEAD: look-ups are random; the one scan asks
    // for its pages itself.
    return rc ? rc : mdb_env_open(s->env, s->dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
}

// The tables, and what the store says about itself, in one transaction.
static int load(struct lmdb_store *s, char *why, size_t why_size)
{
    MDB_txn *txn;
    MDB_stat stat;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (rc) {
        snprintf(why, why_size, "%s: %s", s->dir, mdb_strerror(rc));
        return -1;
    }
    rc = open_tables(s, txn);
    rc = rc ? rc : mdb_stat(txn, s->meta, &stat);
    if (rc) {
        snprintf(why, why_size, "%s/data.mdb is no store of rollcall's: %s", s->dir,
                 mdb_strerror(rc));
        mdb_txn_abort(txn);
        return -1;
    }
    s->page_size = stat.ms_psize;
    if (meta_open(s, txn, why, why_size) != 0 ||
        (!s->config.inspect && recovery_scan(s, txn, why, why_size) != 0)) {
        mdb_txn_abort(txn);
        return -1;
    }
    uint64_t id = mdb_txn_id(txn);
    rc = mdb_txn_commit(txn);
    if (rc)
        snprintf(why, why_size, "%s: cannot write: %s", s->dir, mdb_strerror(rc));
    s->published_txn = id;
    s->users_txn = id;
    return rc ? -1 : 0;
}

static int64_t config_now(const struct store_config *c)
{
    return c->clock ? c->clock(c->clock_arg) : c->now_ms;
}

int lmdb_open(const struct store_config *config, struct slice rest, struct store *front,
              void **state, char *why, size_t why_size)
{
    struct lmdb_store *s = calloc(1, sizeof *s);
    if (!s || rest.n == 0 || rest.n >= sizeof s->dir) {
        snprintf(why, why_size, "store.url: \"lmdb:\" needs a folder of at most 511 bytes");
        free(s);
        return -1;
    }
    memcpy(s->dir, rest.p, rest.n);
    s->config = *config;
    s->front = front;
    s->lock_fd = -1;
    s->domain_hash = hash_key_random();
    s->writable = true;
    pthread_mutex_init(&s->publish_lock, NULL);
    pthread_mutex_init(&s->copy_lock, NULL);
    pthread_cond_init(&s->copy_cond, NULL);
    s->map = map_open();
    s->wheel = s->map ? wheel_open(s->map, config_now(config)) : NULL;
    if (!s->wheel || batch_init(&s->batch) != 0) {
        snprintf(why, why_size, "no memory for the store");
        lmdb_close(s);
        return -1;
    }
    int rc = folder_open(s, why, why_size);
    if (rc == 0 && (rc = env_open(s)) != 0)
        snprintf(why, why_size, "%s cannot be opened as a store: %s", s->dir, mdb_strerror(rc));
    if (rc == 0)
        rc = load(s, why, why_size);
    if (rc != 0) {
        lmdb_close(s);
        return -1;
    }
    s->padded_from = 0;
    measure_file(s, config_now(config));
    publish_counts(s);
    *state = s;
    return 0;
}

void lmdb_close(void *state)
{
    struct lmdb_store *s = state;
    for (struct store_op *op = s->waiting.head, *next; op; op = next) {
        next = op->link;
        op->status = STORE_UNAVAILABLE; // its domain goes on being deleted at the next start
        store_complete(s->front, op);
    }
    while (s->closing) {
        struct closing *next = s->closing->next;
        free(s->closing);
        s->closing = next;
    }
    for (size_t i = 0; i < DOMAIN_SLOTS; i++)
        free(s->slots[i].bytes);
    if (s->env)
        mdb_env_close(s->env);
    if (s->padded_from)
        folder_unpad(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    wheel_close(s->wheel);
    map_close(s->map);
    batch_free(&s->batch);
    pthread_mutex_destroy(&s->publish_lock);
    pthread_mutex_destroy(&s->copy_lock);
    pthread_cond_destroy(&s->copy_cond);
    explicit_bzero(s->secret, sizeof s->secret);
    free(s);
}

static bool lmdb_writable(void *state)
{
    return ((struct lmdb_store *)state)->writable;
}

static void lmdb_secret(void *state, uint8_t out[32])
{
    memcpy(out, ((struct lmdb_store *)state)->secret, 32);
}

const struct store_backend store_backend_lmdb = {
    .scheme = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .run = lmdb_run,
    .writable = lmdb_writable,
    .counts = lmdb_counts,
    .secret = lmdb_secret,
    .backup = lmdb_backup,
    .check = lmdb_check,
    .reader_open = lmdb_reader_open,
    .reader_close = lmdb_reader_close,
    .begin = lmdb_begin,
    .end = lmdb_end,
    .domain_find = lmdb_domain_find,
    .domain_next = lmdb_domain_next,
    .domain_count = lmdb_domain_count,
    .user_find = lmdb_user_find,
    .user_next = lmdb_user_next,
    .bindings_find = lmdb_bindings_find,
    .bindings_glance = lmdb_bindings_glance,
    .changes_read = lmdb_changes_read,
};
