// SPDX-License-Identifier: Apache-2.0
// POST /v1/backup: a consistent copy of the store. It is made on a thread of its own into an
// unlinked file beside the store, and sent from there: a client that reads slowly would otherwise
// hold the store's snapshot, and the file of the store would grow meanwhile.
//
// The copy reaches the file through a pipe, so that its pages are written out bit by bit: the
// writer's sync would otherwise wait for all of it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "api/route.h"
#include "api/streams_internal.h"
#include "base/limits.h"

#define PIECE      (256u << 10)
#define WRITE_BACK (4u << 20) // bytes that may wait to be written

struct backup {
    struct streams *streams;
    struct store *store;
    int fd;
    int pipe_in;
    enum store_status status;
    bool no_room;
    off_t read_at;
};

static void end(void *arg)
{
    struct backup *b = arg;
    if (b->fd >= 0)
        close(b->fd);
    b->streams->backup_runs = false;
    free(b);
}

// ---- The copy, on threads of its own ----------------------------------------------------------

static void *copy_thread(void *arg)
{
    struct backup *b = arg;
    b->status = store_backup(b->store, b->pipe_in);
    close(b->pipe_in);
    return NULL;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, p, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        p += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

// From the pipe to the file. Has the kernel write out what is there, a portion behind, and waits
// for that: never is there much that a sync of the store could have to wait for. At the end of the
// process it leaves off, so that the store can be closed.
static bool pump(const struct backup *b, int from, char *piece)
{
    off_t written = 0, started = 0;
    int to = b->fd;
    while (!b->streams->ending) {
        ssize_t n = read(from, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (!write_all(to, piece, (size_t)n))
            return false;
        written += n;
        if (written - started < WRITE_BACK)
            continue;
        sync_file_range(to, started, written - started, SYNC_FILE_RANGE_WRITE);
        if (started)
            sync_file_range(to, started - WRITE_BACK, WRITE_BACK,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                SYNC_FILE_RANGE_WAIT_AFTER);
        started = written;
    }
    return false;
}

static void make_copy(struct request *r)
{
    struct backup *b = r->ctx;
    int ends[2];
    pthread_t thread;
    char *piece = malloc(PIECE);
    b->status = STORE_NOMEM;
    if (!piece || pipe2(ends, O_CLOEXEC)) {
        free(piece);
        return;
    }
    b->pipe_in = ends[1];
    if (pthread_create(&thread, NULL, copy_thread, b)) {
        close(ends[1]);
    } else {
        bool whole = pump(b, ends[0], piece);
        close(ends[0]); // a copy that cannot be written any more ends
        ends[0] = -1;
        pthread_join(thread, NULL);
        b->no_room = !whole && !b->streams->ending;
        if (!whole)
            b->status = STORE_UNAVAILABLE;
    }
    if (ends[0] >= 0)
        close(ends[0]);
    free(piece);
}

// ---- The request ------------------------------------------------------------------------------

static long next(void *arg, char *out, size_t cap)
{
    struct backup *b = arg;
    ssize_t n = pread(b->fd, out, cap, b->read_at);
    if (n <= 0)
        return n == 0 ? STREAM_END : STREAM_BROKEN;
    b->read_at += n;
    return n;
}

static void answer(struct request *r)
{
    struct backup *b = r->ctx;
    if (!b->no_room && b->status == STORE_OK) {
        const struct stream stream = {.next = next, .close = end, .arg = b};
        respond_header(r, "Content-Disposition", SLICE("attachment; filename=\"data.mdb\""));
        respond_stream(r, "application/octet-stream", &stream);
        return;
    }
    if (b->no_room)
        respond_problem(r, 507, "there is no room for the copy beside the store");
    else
        respond_store(r, b->status, "store");
    end(b);
}

void handle_backup(struct request *r)
{
    struct streams *s = request_streams(r);
    if (atomic_exchange(&s->backup_runs, true)) {
        limit_reached(LIMIT_API_BACKUPS, SLICE_NONE);
        respond_problem(r, 503, "a backup is running");
        return;
    }
    struct backup *b = calloc(1, sizeof *b);
    if (!b) {
        s->backup_runs = false;
        respond_problem(r, 503, "there is not enough memory");
        return;
    }
    *b = (struct backup){.streams = s, .store = request_store(r), .status = STORE_UNAVAILABLE};
    b->fd = streams_file(request_config(r)->store_dir);
    if (b->fd < 0) {
        respond_problem(r, 507, "there is no room for the copy beside the store");
        end(b);
        return;
    }
    r->ctx = b;
    request_work(r, make_copy, answer);
}
