// SPDX-License-Identifier: Apache-2.0
// The store's folder before LMDB sees it: made where it is missing, locked against other processes,
// and its file's head looked at, for LMDB itself would touch pages that a truncated file lacks, and
// that is a SIGBUS.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/lmdb/internal.h"

#define LOCK_POLL_MS 100
// Pages that a file may be short of: LMDB does not write a page at the end that was given up in the
// transaction that took it.
#define PAGES_SHORT 64

// The head of each of LMDB's two meta pages (mdb.c, MDB_page and MDB_meta of 0.9, 64 bit).
struct meta_page {
    uint64_t page;
    uint16_t pad, flags, lower, upper;
    uint32_t magic, version;
    uint64_t address, map_size;
    uint32_t page_size;
    uint8_t tables[92];
    uint64_t last_page, txn;
};
#define META_MAGIC   0xBEEFC0DE
#define META_VERSION 1

static int lock_folder(struct lmdb_store *s, char *why, size_t why_size)
{
    char path[600], said[700];
    snprintf(path, sizeof path, "%s/lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        snprintf(why, why_size, "%s cannot be written: %s", path, strerror(errno));
        return -1;
    }
    const struct store_config *c = &s->config;
    uint64_t left = (uint64_t)c->lock_wait_s * 1000 / LOCK_POLL_MS;
    for (bool first = true; flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0; first = false, left--) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            snprintf(why, why_size, "%s cannot be locked: %s", path, strerror(errno));
            return -1;
        }
        if (left == 0 || (c->cancelled && c->cancelled(c->cancelled_arg))) {
            snprintf(why, why_size, "%s is in use by another process (%s is locked)", s->dir, path);
            return -1;
        }
        if (first && c->progress) {
            snprintf(said, sizeof said, "waiting for another process to give up %s", s->dir);
            c->progress(c->progress_arg, said);
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_MS * 1000000L}, NULL);
    }
    return 0;
}

static bool meta_holds(const struct meta_page *m)
{
    return m->magic == META_MAGIC && m->version == META_VERSION && m->page_size >= 512 &&
           m->page_size <= 65536 && (m->page_size & (m->page_size - 1)) == 0;
}

static int check_head(struct lmdb_store *s, int fd, char *why, size_t why_size)
{
    struct meta_page a, b;
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_size && pread(fd, &a, sizeof a, 0) != sizeof a)) {
        snprintf(why, why_size, "%s/data.mdb is no store of rollcall's (it is too short)", s->dir);
        return -1;
    }
    if (st.st_size == 0)
        return 0;
    if (!meta_holds(&a) || pread(fd, &b, sizeof b, a.page_size) != sizeof b || !meta_holds(&b) ||
        a.page_size != b.page_size) {
        snprintf(why, why_size,
                 "%s/data.mdb is damaged or no store of rollcall's: its head is not LMDB's; "
                 "restore a backup, or name another folder in store.url",
                 s->dir);
        return -1;
    }
    const struct meta_page *newest = b.txn > a.txn ? &b : &a;
    uint64_t pages = newest->last_page + 1, has = (uint64_t)st.st_size / a.page_size;
    if (pages > has + PAGES_SHORT) {
        snprintf(why, why_size,
                 "%s/data.mdb is truncated: %llu pages of %llu are there; restore a backup", s->dir,
                 (unsigned long long)has, (unsigned long long)pages);
        return -1;
    }
    // A page that was never written is read as zeros and refused by its checks, not by a SIGBUS.
    if (pages > has && ftruncate(fd, (off_t)(pages * a.page_size)) != 0) {
        snprintf(why, why_size, "%s/data.mdb cannot be written: %s", s->dir, strerror(errno));
        return -1;
    }
    s->padded_from = pages > has ? st.st_size : 0;
    // The scan to come reads it all, in about this order.
    posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    if (s->config.progress && st.st_size > 64 << 20)
        s->config.progress(s->config.progress_arg, "reading the store");
    return 0;
}

void folder_unpad(struct lmdb_store *s)
{
    char path[600];
    snprintf(path, sizeof path, "%s/data.mdb", s->dir);
    if (s->padded_from && truncate(path, s->padded_from) != 0)
        log_event(LOG_WARNING, "store_padded", "a file that was refused has become longer",
                  {"path", slice_str(path)});
    s->padded_from = 0;
}

int folder_open(struct lmdb_store *s, char *why, size_t why_size)
{
    char path[600];
    struct stat st;
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        snprintf(why, why_size, "the store's folder %s cannot be made: %s%s", s->dir,
                 strerror(errno), errno == ENOENT ? " (the folder above it must exist)" : "");
        return -1;
    }
    if (stat(s->dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(why, why_size, "%s is no folder", s->dir);
        return -1;
    }
    if (lock_folder(s, why, why_size) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/data.mdb", s->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0) {
        snprintf(why, why_size, "%s cannot be opened: %s", path, strerror(errno));
        return -1;
    }
    int rc = check_head(s, fd, why, why_size);
    close(fd);
    return rc;
}
