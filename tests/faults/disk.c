// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    bool on;
    dev_t device;
    ino_t inode;
    struct disk_log log;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool failing;

static bool is_recorded(int fd)
{
    struct stat st;
    return disk.on && fstat(fd, &st) == 0 && st.st_dev == disk.device && st.st_ino == disk.inode;
}

static void keep(enum disk_kind kind, off_t offset, const void *bytes, size_t n)
{
    struct disk_log *log = &disk.log;
    if (log->n == log->cap) {
        log->cap = log->cap ? log->cap * 2 : 1024;
        log->events = realloc(log->events, log->cap * sizeof *log->events);
        if (!log->events)
            abort();
    }
    struct disk_event *e = &log->events[log->n++];
    *e = (struct disk_event){.kind = kind, .offset = offset, .n = n};
    if (n) {
        e->bytes = malloc(n);
        if (!e->bytes)
            abort();
        memcpy(e->bytes, bytes, n);
    }
}

static void keep_mark(enum disk_kind kind)
{
    pthread_mutex_lock(&disk.lock);
    if (disk.on)
        keep(kind, 0, NULL, 0);
    pthread_mutex_unlock(&disk.lock);
}

static enum disk_kind kind_of(int fd)
{
    return fcntl(fd, F_GETFL) & O_DSYNC ? DISK_SOLID : DISK_WRITE;
}

void disk_record(const char *path)
{
    struct stat st;
    if (stat(path, &st))
        abort();
    pthread_mutex_lock(&disk.lock);
    disk.device = st.st_dev;
    disk.inode = st.st_ino;
    disk.log = (struct disk_log){0};
    disk.on = true;
    pthread_mutex_unlock(&disk.lock);
}

size_t disk_position(void)
{
    pthread_mutex_lock(&disk.lock);
    size_t n = disk.log.n;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

struct disk_log disk_stop(void)
{
    pthread_mutex_lock(&disk.lock);
    struct disk_log log = disk.log;
    disk.log = (struct disk_log){0};
    disk.on = false;
    pthread_mutex_unlock(&disk.lock);
    return log;
}

void disk_free(struct disk_log *log)
{
    for (size_t i = 0; i < log->n; i++)
        free(log->events[i].bytes);
    free(log->events);
    *log = (struct disk_log){0};
}

void disk_fail_syncs(bool fail)
{
    failing = fail;
}

// ---- The calls that LMDB makes ----------------------------------------------------------------

// Kept before it is made: a cut may fall while it runs.
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    pthread_mutex_lock(&disk.lock);
    bool mine = is_recorded(fd);
    enum disk_kind kind = mine ? kind_of(fd) : DISK_WRITE;
    if (mine)
        keep(kind, offset, bytes, n);
    pthread_mutex_unlock(&disk.lock);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, n, offset);
    if (mine && kind == DISK_SOLID)
        keep_mark(DISK_DONE);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    pthread_mutex_lock(&disk.lock);
    if (is_recorded(fd)) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        for (int i = 0; i < count; i++) {
            keep(kind_of(fd), at, parts[i].iov_base, parts[i].iov_len);
            at += (off_t)parts[i].iov_len;
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return syscall(SYS_writev, fd, parts, count);
}

static int sync_file(long call, int fd)
{
    pthread_mutex_lock(&disk.lock);
    bool mine = is_recorded(fd);
    pthread_mutex_unlock(&disk.lock);
    if (mine && failing) {
        errno = EIO;
        return -1;
    }
    int rc = (int)syscall(call, fd);
    // Kept after it was made: only then are the writes before it sure to be there
    if (mine && rc == 0)
        keep_mark(DISK_SYNC);
    return rc;
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    pthread_mutex_lock(&disk.lock);
    if (is_recorded(fd))
        keep(DISK_CUT, length, NULL, 0);
    pthread_mutex_unlock(&disk.lock);
    return (int)syscall(SYS_ftruncate, fd, length);
}
