// SPDX-License-Identifier: Apache-2.0
// The table `meta`: what is said once about the whole store.
//
//   key       value
//   format    8 bytes, FORMAT_VERSION
//   epoch     8 bytes, random, new when the store is made or restored
//   secret    32 bytes, random
//   file      8 bytes, inode number of data.mdb: a copied file has another one
//   copying   1 byte, there while a backup is being taken, and therefore in every backup
//   state     struct state and its checksum
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/log.h"
#include "store/lmdb/internal.h"

static int put(struct lmdb_store *s, MDB_txn *txn, const char *name, const void *p, size_t n)
{
    MDB_val k = val_of(slice_str(name)), v = val_of(slice_of(p, n));
    return mdb_put(txn, s->meta, &k, &v, 0);
}

static int get(struct lmdb_store *s, MDB_txn *txn, const char *name, void *p, size_t n)
{
    MDB_val k = val_of(slice_str(name)), v;
    int rc = mdb_get(txn, s->meta, &k, &v);
    if (rc == 0 && v.mv_size != n)
        rc = MDB_CORRUPTED;
    if (rc == 0)
        memcpy(p, v.mv_data, n);
    return rc;
}

struct stored_state {
    struct state state;
    uint64_t sum;
};

static uint64_t state_sum(const struct state *st)
{
    return checksum64(slice_of((const char *)st, sizeof *st));
}

int meta_put_state(struct lmdb_store *s, MDB_txn *txn, const struct state *st)
{
    struct stored_state out = {*st, state_sum(st)};
    return put(s, txn, "state", &out, sizeof out);
}

int meta_get_state(struct lmdb_store *s, MDB_txn *txn, struct state *st)
{
    struct stored_state in;
    int rc = get(s, txn, "state", &in, sizeof in);
    if (rc == 0 && in.sum != state_sum(&in.state))
        rc = MDB_CORRUPTED;
    *st = in.state;
    return rc;
}

int meta_mark_copy(struct lmdb_store *s, MDB_txn *txn, bool marked)
{
    MDB_val k = val_of(SLICE("copying"));
    if (marked)
        return put(s, txn, "copying", "\1", 1);
    int rc = mdb_del(txn, s->meta, &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int file_number(struct lmdb_store *s, uint64_t *out)
{
    char path[600];
    struct stat st;
    snprintf(path, sizeof path, "%s/data.mdb", s->dir);
    if (stat(path, &st) != 0)
        return errno;
    *out = st.st_ino;
    return 0;
}

static int make(struct lmdb_store *s, MDB_txn *txn, uint64_t file)
{
    const uint64_t format = FORMAT_VERSION;
    random_bytes(&s->epoch, sizeof s->epoch);
    random_bytes(s->secret, sizeof s->secret);
    s->state = (struct state){0};
    int rc = put(s, txn, "format", &format, sizeof format);
    rc = rc ? rc : put(s, txn, "epoch", &s->epoch, sizeof s->epoch);
    rc = rc ? rc : put(s, txn, "secret", s->secret, sizeof s->secret);
    rc = rc ? rc : put(s, txn, "file", &file, sizeof file);
    return rc ? rc : meta_put_state(s, txn, &s->state);
}

// A copy carries the mark of a backup, or another file's number: whoever remembers the original's
// ETags, event ids and cursors must not take this for it.
static int renew_epoch(struct lmdb_store *s, MDB_txn *txn, uint64_t file)
{
    uint64_t was = 0;
    uint8_t mark;
    int marked = get(s, txn, "copying", &mark, 1);
    int rc = get(s, txn, "file", &was, sizeof was);
    if (rc || (marked && was == file))
        return rc;
    random_bytes(&s->epoch, sizeof s->epoch);
    log_event(LOG_INFO, "store_restored", "the store is a copy: it gets a new epoch",
              {"path", slice_str(s->dir)});
    rc = put(s, txn, "epoch", &s->epoch, sizeof s->epoch);
    rc = rc ? rc : put(s, txn, "file", &file, sizeof file);
    return rc ? rc : meta_mark_copy(s, txn, false);
}

int meta_open(struct lmdb_store *s, MDB_txn *txn, char *why, size_t why_size)
{
    uint64_t format = 0, file = 0;
    int rc = file_number(s, &file);
    if (rc == 0)
        rc = get(s, txn, "format", &format, sizeof format);
    if (rc == MDB_NOTFOUND) {
        rc = make(s, txn, file);
    } else if (rc == 0 && format != FORMAT_VERSION) {
        snprintf(why, why_size,
                 "%s/data.mdb has format %llu and this program knows only format %d: run the "
                 "version that wrote it, or restore a backup of this version",
                 s->dir, (unsigned long long)format, FORMAT_VERSION);
        return -1;
    } else if (rc == 0) {
        rc = get(s, txn, "epoch", &s->epoch, sizeof s->epoch);
        rc = rc ? rc : get(s, txn, "secret", s->secret, sizeof s->secret);
        rc = rc ? rc : meta_get_state(s, txn, &s->state);
        rc = rc ? rc : renew_epoch(s, txn, file);
    }
    if (rc)
        snprintf(why, why_size,
                 "%s/data.mdb: the table of what the store says about itself: %s; "
                 "restore a backup",
                 s->dir, mdb_strerror(rc));
    return rc ? -1 : 0;
}
