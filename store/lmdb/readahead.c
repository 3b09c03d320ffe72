// SPDX-License-Identifier: Apache-2.0
// The store's file into the page cache, from its begin to its end, while the start reads the log.
// The log's pages lie all over the file, and the mapping is set for random look-ups
// (MDB_NORDAHEAD): without this each page is waited for alone, a hundred times slower on a disk.
// What is in the cache already costs next to nothing.
#include <fcntl.h>
#include <sys/stat.h>

#include "store/lmdb/internal.h"

#define STEP (2u << 20)

static void *run(void *arg)
{
    struct readahead *r = arg;
    for (off_t at = 0; at < r->size && !atomic_load(&r->stop); at += STEP)
        if (posix_fadvise(r->fd, at, STEP, POSIX_FADV_WILLNEED) != 0)
            break;
    return NULL;
}

void readahead_start(struct readahead *r, MDB_env *env)
{
    struct stat st;
    *r = (struct readahead){.fd = -1};
    if (mdb_env_get_fd(env, &r->fd) != 0 || fstat(r->fd, &st) != 0)
        return;
    r->size = st.st_size;
    r->running = pthread_create(&r->thread, NULL, run, r) == 0;
}

void readahead_stop(struct readahead *r)
{
    if (!r->running)
        return;
    atomic_store(&r->stop, true);
    pthread_join(r->thread, NULL);
}
