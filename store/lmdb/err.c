// SPDX-License-Identifier: Apache-2.0
// LMDB's codes stop here: which ones a caller can live with, and which end the process.
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "store/lmdb/internal.h"

bool lmdb_is_full(int rc)
{
    return rc == ENOSPC || rc == EDQUOT || rc == EROFS || rc == EFBIG;
}

bool lmdb_may_fit_halved(int rc)
{
    return rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == ENOMEM;
}

// After a failed sync nobody knows what is on the disk; after damage nothing here can be trusted.
// Whatever has not been acknowledged is not, and a restart reads what is really there.
void lmdb_fatal(struct lmdb_store *s, const char *what, int rc)
{
    log_event(LOG_ERROR, "store_failed",
              "the store cannot go on and the process ends; nothing unacknowledged was promised",
              {"path", slice_str(s->dir)}, {"doing", slice_str(what)},
              {"error", slice_str(mdb_strerror(rc))});
    _exit(70);
}

enum store_status lmdb_status(struct lmdb_store *s, int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return STORE_OK;
    case MDB_NOTFOUND:
        return STORE_NOT_FOUND;
    case ENOMEM:
        return STORE_NOMEM;
    case MDB_MAP_FULL:
        return STORE_FULL;
    case MDB_TXN_FULL:
        return STORE_TOO_LARGE;
    case MDB_READERS_FULL:
        return STORE_UNAVAILABLE;
    default:
        if (lmdb_is_full(rc))
            return STORE_FULL;
        lmdb_fatal(s, "a transaction", rc);
    }
}

struct slice users_key(char *out, struct slice domain, struct slice key)
{
    if (domain.n > DOMAIN_NAME_MAX || key.n > USERNAME_MAX)
        return SLICE_NONE;
    struct buf b = buf_over(out, KEY_MAX);
    buf_put(&b, domain);
    buf_byte(&b, '\0');
    buf_put(&b, key);
    return buf_slice(&b);
}

bool split_users_key(struct slice k, struct slice *domain, struct slice *key)
{
    size_t at = slice_find(k, '\0');
    *domain = slice_upto(k, at);
    *key = slice_from(k, at + 1);
    return at < k.n;
}
