// SPDX-License-Identifier: Apache-2.0
// POST /v1/users:import. The HTTP thread only hands bytes over: a thread of the import reads lines,
// makes digests, asks the store. What it answers waits in an unlinked file until the upload has
// ended, for HTTP/1.1 clients read no response before that.
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "api/import_work.h"
#include "api/route.h"
#include "api/streams_internal.h"
#include "base/limits.h"
#include "store/credential.h"

#define BUFFER  (256u << 10) // bytes that wait for the import's thread
#define RESULTS (64u << 10)  // bytes of results that are written at once
#define WINDOW  256          // lines under way: what one commit may hold, and phones wait for

struct import {
    struct streams *streams;
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool joined; // of the request
    // Under the lock:
    unsigned refs;           // the request, the thread
    struct request *request; // NULL when it is over
    char *buffer;            // a ring
    size_t at, n;
    bool refused, ended, broken, finished;
    enum import_end end;
    // Of the import's thread, then of the response:
    int fd;
    char *results;
    size_t n_results;
    off_t read_at;
};

static void unref(struct import *i)
{
    pthread_mutex_lock(&i->lock);
    bool last = --i->refs == 0;
    pthread_mutex_unlock(&i->lock);
    if (!last)
        return;
    struct streams *streams = i->streams;
    if (i->fd >= 0)
        close(i->fd);
    if (i->buffer)
        secret_wipe(i->buffer, BUFFER); // passwords
    free(i->buffer);
    free(i->results);
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->lock);
    free(i);
    streams_import_end(streams);
}

// ---- The import's thread ----------------------------------------------------------------------

static long read_upload(void *arg, char *out, size_t cap)
{
    struct import *i = arg;
    pthread_mutex_lock(&i->lock);
    while (i->n == 0 && !i->ended && !i->broken)
        pthread_cond_wait(&i->changed, &i->lock);
    size_t n = i->n < cap ? i->n : cap;
    size_t first = n < BUFFER - i->at ? n : BUFFER - i->at;
    memcpy(out, i->buffer + i->at, first);
    memcpy(out + first, i->buffer, n - first);
    i->at = (i->at + n) % BUFFER;
    i->n -= n;
    if (i->refused && i->request)
        request_wake(i->request);
    i->refused = false;
    bool broken = n == 0 && i->broken;
    pthread_mutex_unlock(&i->lock);
    return broken ? -1 : (long)n;
}

static bool write_results(struct import *i)
{
    for (size_t at = 0; at < i->n_results;) {
        ssize_t n = write(i->fd, i->results + at, i->n_results - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    i->n_results = 0;
    return true;
}

static bool keep_result(void *arg, struct slice line)
{
    struct import *i = arg;
    if (line.n + 1 > RESULTS - i->n_results && !write_results(i))
        return false;
    if (line.n + 1 > RESULTS)
        return false;
    memcpy(i->results + i->n_results, line.p, line.n);
    i->n_results += line.n;
    i->results[i->n_results++] = '\n';
    return true;
}

static void *import_thread(void *arg)
{
    struct import *i = arg;
    const struct import_io io = {
        .store = i->store, .window = WINDOW, .read = read_upload, .result = keep_result, .arg = i};
    enum import_end end = import_run(&io);
    if (end == IMPORT_WHOLE && !write_results(i))
        end = IMPORT_RESULTS_LOST;
    pthread_mutex_lock(&i->lock);
    i->end = end;
    i->finished = true;
    if (i->refused && i->request)
        request_wake(i->request); // the rest of the upload is let pass
    i->refused = false;
    pthread_mutex_unlock(&i->lock);
    unref(i);
    return NULL;
}

// ---- The HTTP thread: the upload --------------------------------------------------------------

static bool take(struct request *r, void *arg, struct slice piece)
{
    struct import *i = arg;
    (void)r;
    pthread_mutex_lock(&i->lock);
    i->refused = !i->finished && piece.n > BUFFER - i->n;
    bool taken = !i->refused;
    if (taken && !i->finished) {
        size_t at = (i->at + i->n) % BUFFER;
        size_t first = piece.n < BUFFER - at ? piece.n : BUFFER - at;
        memcpy(i->buffer + at, piece.p, first);
        memcpy(i->buffer, piece.p + first, piece.n - first);
        i->n += piece.n;
        pthread_cond_broadcast(&i->changed);
    }
    pthread_mutex_unlock(&i->lock);
    return taken;
}

static long next_results(void *arg, char *out, size_t cap)
{
    struct import *i = arg;
    ssize_t n = pread(i->fd, out, cap, i->read_at);
    if (n <= 0)
        return n == 0 ? STREAM_END : STREAM_BROKEN;
    i->read_at += n;
    return n;
}

static void close_results(void *arg)
{
    unref(arg);
}

// On a thread of its own: what was uploaded is still being worked on. The import's place is free
// when its answer has been read, and not a little later.
static void wait_finished(struct request *r)
{
    struct import *i = r->ctx;
    i->joined = pthread_join(i->thread, NULL) == 0;
}

static void answer(struct request *r)
{
    struct import *i = r->ctx;
    if (!i->joined)
        pthread_detach(i->thread);
    pthread_mutex_lock(&i->lock);
    i->request = NULL;
    bool finished = i->finished; // not where the wait was refused, which has been answered
    enum import_end end = i->end;
    pthread_mutex_unlock(&i->lock);
    if (finished && end == IMPORT_WHOLE) {
        const struct stream stream = {.next = next_results, .close = close_results, .arg = i};
        respond_stream(r, "application/x-ndjson", &stream);
        return;
    }
    if (finished && end == IMPORT_RESULTS_LOST)
        respond_problem(r, 507,
                        "there is no room for the results; what was carried out until then stays, "
                        "and the same upload may be sent again");
    else
        respond_problem(r, 503, "there is not enough memory");
    unref(i);
}

static void end_upload(struct request *r, void *arg, bool whole)
{
    struct import *i = arg;
    pthread_mutex_lock(&i->lock);
    i->ended = whole;
    i->broken = !whole;
    if (i->broken)
        i->request = NULL;
    pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->lock);
    if (whole) {
        request_work(r, wait_finished, answer);
        return;
    }
    pthread_detach(i->thread);
    request_finish(r);
    unref(i);
}

// ---- The HTTP thread: the beginning -----------------------------------------------------------

static bool is_ndjson(struct slice type)
{
    static const char *const names[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl"};
    type = slice_trim(slice_upto(type, slice_find(type, ';')));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_ieq(type, slice_str(names[i])))
            return true;
    return type.n == 0;
}

static struct import *make(struct request *r)
{
    struct import *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->streams = request_streams(r);
    i->store = request_store(r);
    i->request = r;
    i->refs = 1;
    i->buffer = malloc(BUFFER);
    i->results = malloc(RESULTS);
    i->fd = streams_file(request_config(r)->store_dir);
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->changed, NULL);
    return i;
}

static bool start(struct import *i)
{
    if (i->fd < 0 || !i->buffer || !i->results)
        return false;
    i->refs++;
    if (pthread_create(&i->thread, NULL, import_thread, i) == 0)
        return true;
    i->refs--;
    return false;
}

void handle_users_import(struct request *r)
{
    if (!is_ndjson(r->content_type)) {
        respond_problem(r, 415, "the body must have Content-Type: application/x-ndjson");
        return;
    }
    if (!streams_import_begin(request_streams(r))) {
        limit_reached(LIMIT_API_IMPORTS, SLICE_NONE);
        respond_problem(r, 503, "%d imports are running", IMPORTS_MAX);
        return;
    }
    struct import *i = make(r);
    if (!i) {
        streams_import_end(request_streams(r));
        respond_problem(r, 503, "there is not enough memory");
        return;
    }
    if (!start(i)) {
        if (i->fd < 0)
            respond_problem(r, 507, "there is no room for a file with the results");
        else
            respond_problem(r, 503, "there is not enough memory");
        unref(i);
        return;
    }
    r->ctx = i;
    const struct sink sink = {.take = take, .end = end_upload, .arg = i};
    request_set_sink(r, &sink);
}
