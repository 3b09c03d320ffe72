// SPDX-License-Identifier: Apache-2.0
#include "service/seccomp.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

// Names, so that one list serves every architecture: what one does not have is passed over.
static const char *const allowed[] = {
    // files: the store, configuration and tokens at a reload, backups, outcomes of an import
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek",
    "_llseek", "open", "openat", "close", "stat", "fstat", "lstat", "newfstatat", "fstatat64",
    "fstat64", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "ftruncate",
    "fallocate", "fsync", "fdatasync", "msync", "sync_file_range", "fadvise64", "readahead",
    "flock", "fcntl", "fcntl64", "getdents64", "readlink", "readlinkat", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "mkdir", "mkdirat", "chmod", "fchmod", "fchmodat", "umask",
    "dup", "dup3", "pipe2", "getcwd",
    // memory
    "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "mincore", "brk",
    // threads and signals; clone is for threads alone, below
    "futex", "set_robust_list", "rseq", "set_tid_address", "sched_yield", "sched_getaffinity",
    "membarrier", "exit", "exit_group", "gettid", "getpid", "getppid", "tgkill", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "restart_syscall", "prctl",
    // sockets
    "socket", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "setsockopt", "getsockopt", "recv", "recvfrom", "recvmsg", "recvmmsg", "send", "sendto",
    "sendmsg", "sendmmsg", "shutdown", "socketpair", "sendfile", "sendfile64", "ioctl", "poll",
    "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime",
    // time, chance, and what the C library asks for
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "getrandom", "uname", "sysinfo", "prlimit64", "getrlimit", "getrusage", "getuid", "geteuid",
    "getgid", "getegid", "getcpu"};

static int add_rules(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        int nr = seccomp_syscall_resolve_name(allowed[i]);
        if (nr == __NR_SCMP_ERROR)
            continue;
        int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
        if (rc < 0 && rc != -EDOM)
            return rc;
    }
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    // clone3's flags are out of a filter's sight: the C library falls back to clone
    return rc < 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

int seccomp_apply(char *why, size_t why_size)
{
    if (SANITIZED)
        return 0; // a sanitizer's runtime needs more than we know
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!ctx) {
        snprintf(why, why_size, "cannot make a seccomp filter");
        return -1;
    }
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = add_rules(ctx);
    if (rc == 0)
        rc = seccomp_load(ctx);
    if (rc)
        snprintf(why, why_size, "cannot apply the seccomp filter: %s", strerror(-rc));
    seccomp_release(ctx);
    return rc ? -1 : 0;
}
