// SPDX-License-Identifier: Apache-2.0
// Loaded before libc into a running rollcall: its writes and syncs of files go wrong as a test
// says, by words in a file that both have mapped (ROLLCALL_FAULTS names it). Word 0: syncs wait
// while it is not 0, but for as many as word 11 says. Word 1: errno that syncs fail with. Word 2:
// errno that writes at a place fail with. Words 3 and 4 count what was held up, and what failed.
// Word 5 counts allocations, and the one with the number in word 6 fails. Word 7: milliseconds that
// datagrams have waited before they were read. Word 8: errno with which socket filters are refused
// that are longer than word 9 says, and, where word 10 is not 0, for this descriptor alone.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    HOLD,
    SYNC_ERROR,
    WRITE_ERROR,
    HELD,
    FAILED,
    ALLOCATIONS,
    FAIL_ALLOCATION,
    QUEUE_AGE,
    FILTER_ERROR,
    FILTER_MOST,
    FILTER_FD,
    PASS,
    WORDS
};

static _Atomic int *words;

__attribute__((constructor)) static void map_words(void)
{
    const char *path = getenv("ROLLCALL_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, WORDS * sizeof *words, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        words = map;
    close(fd);
}

static int fail_with(int which)
{
    int error = words ? words[which] : 0;
    if (!error)
        return 0;
    words[FAILED]++;
    errno = error;
    return -1;
}

static bool may_pass(void)
{
    int n = words[PASS];
    return n > 0 && atomic_compare_exchange_strong(&words[PASS], &n, n - 1);
}

static int sync_file(long call, int fd)
{
    if (words && words[HOLD]) {
        words[HELD]++;
        while (words[HOLD] && !may_pass())
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return fail_with(SYNC_ERROR) ? -1 : (int)syscall(call, fd);
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return fail_with(WRITE_ERROR) ? -1 : syscall(SYS_pwrite64, fd, bytes, n, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fail_with(WRITE_ERROR) ? -1 : syscall(SYS_writev, fd, parts, count);
}

// The kernel's stamps are made older.
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    int n = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
    int age_ms = words ? words[QUEUE_AGE] : 0;
    for (int i = 0; age_ms && i < n; i++) {
        struct msghdr *m = &messages[i].msg_hdr;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
            struct timespec at;
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
                continue;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            int64_t ns = at.tv_sec * INT64_C(1000000000) + at.tv_nsec - age_ms * INT64_C(1000000);
            at = (struct timespec){ns / 1000000000, ns % 1000000000};
            memcpy(CMSG_DATA(c), &at, sizeof at);
        }
    }
    return n;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level == SOL_SOCKET && name == SO_ATTACH_FILTER && words) {
        const struct sock_fprog *program = value;
        if (program->len > words[FILTER_MOST] && (!words[FILTER_FD] || words[FILTER_FD] == fd) &&
            fail_with(FILTER_ERROR))
            return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

// ---- Memory -----------------------------------------------------------------------------------

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool allocation_fails(void)
{
    if (!words)
        return false;
    int number = ++words[ALLOCATIONS];
    if (number != words[FAIL_ALLOCATION])
        return false;
    words[FAILED]++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return allocation_fails() ? NULL : __libc_realloc(p, size);
}
