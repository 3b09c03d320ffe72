// SPDX-License-Identifier: Apache-2.0
// A copy of the whole store as one file (data.mdb of a folder to be), from a snapshot, while the
// writer goes on. The store is marked while it is copied: so every copy carries the mark, and gets
// a new epoch when it is first opened, also where it is put back into the very folder it came from.
// A crash meanwhile leaves the mark on the original, which costs its readers one reset.
#include <time.h>

#include "base/log.h"
#include "store/lmdb/internal.h"

// In the writer's transaction.
void copy_mark(struct lmdb_store *s)
{
    struct batch *b = &s->batch;
    pthread_mutex_lock(&s->copy_lock);
    bool wanted = s->copies > 0;
    pthread_mutex_unlock(&s->copy_lock);
    if (wanted == s->copy_marked || b->rc)
        return;
    b->rc = meta_mark_copy(s, b->txn, wanted);
    b->wrote = true;
    b->marks = true;
    b->mark = wanted;
}

void copy_marked(struct lmdb_store *s)
{
    if (!s->batch.marks)
        return;
    pthread_mutex_lock(&s->copy_lock);
    s->copy_marked = s->batch.mark;
    pthread_cond_broadcast(&s->copy_cond);
    pthread_mutex_unlock(&s->copy_lock);
}

// Waits until the mark is on the disk; false when the store cannot write it.
static bool begin_copy(struct lmdb_store *s)
{
    pthread_mutex_lock(&s->copy_lock);
    s->copies++;
    while (!s->copy_marked && s->writable) {
        struct timespec until;
        pthread_mutex_unlock(&s->copy_lock);
        store_wake(s->front);
        pthread_mutex_lock(&s->copy_lock);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (!s->copy_marked)
            pthread_cond_timedwait(&s->copy_cond, &s->copy_lock, &until);
    }
    bool ok = s->copy_marked;
    pthread_mutex_unlock(&s->copy_lock);
    return ok;
}

static void end_copy(struct lmdb_store *s)
{
    pthread_mutex_lock(&s->copy_lock);
    s->copies--;
    pthread_mutex_unlock(&s->copy_lock);
    store_wake(s->front);
}

enum store_status lmdb_backup(void *state, int fd)
{
    struct lmdb_store *s = state;
    int rc = 0;
    bool marked = begin_copy(s);
    if (marked)
        rc = mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT);
    end_copy(s);
    if (rc)
        log_event(LOG_WARNING, "backup_failed", "the copy of the store could not be written",
                  {"error", slice_str(mdb_strerror(rc))});
    if (lmdb_is_full(rc))
        return STORE_FULL;
    return marked && !rc ? STORE_OK : STORE_UNAVAILABLE;
}
