// SPDX-License-Identifier: Apache-2.0
#include "api/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/exchange.h"
#include "api/problem.h"
#include "base/limits.h"

#define WORK_MAX      8
#define RETRY_AFTER_S "1"
#define WORK_STACK    (512u * 1024)
#define SENTENCE_MAX  512

// ---- Asking -----------------------------------------------------------------------------------

bool request_query(const struct request *r, const char *name, struct slice *out)
{
    for (size_t i = 0; i < r->n_query; i++)
        if (slice_eq(r->query[i].name, slice_str(name))) {
            *out = r->query[i].value;
            return true;
        }
    return false;
}

struct store *request_store(const struct request *r)
{
    return r->api->config.store;
}

struct streams *request_streams(const struct request *r)
{
    return r->api->streams;
}

const struct api_config *request_config(const struct request *r)
{
    return &r->api->config;
}

struct store_reader *request_snapshot(struct request *r)
{
    struct exchange *ex = exchange_of(r);
    struct server *s = ex->server;
    if (ex->in_snapshot)
        return s->reader;
    // Where the client has gone this may be another thread than the reader's.
    if (!ex->gone && (s->reader || store_reader_open(request_store(r), &s->reader) == 0) &&
        store_reader_begin(s->reader) == STORE_OK) {
        ex->in_snapshot = true;
        return s->reader;
    }
    respond_unavailable(r);
    return NULL;
}

void request_end_snapshot(struct exchange *ex)
{
    if (ex->in_snapshot)
        store_reader_end(ex->server->reader);
    ex->in_snapshot = false;
}

// ---- Answering --------------------------------------------------------------------------------

// The first answer counts. False: there is one already.
static bool begin_response(struct exchange *ex, unsigned status, enum body_kind kind,
                           const char *content_type)
{
    if (ex->status)
        return false;
    ex->status = status;
    ex->body_kind = kind;
    ex->content_type = content_type;
    return true;
}

void respond_json(struct request *r, unsigned status)
{
    if (r->out.bad) {
        text_free(&r->out);
        text_init(&r->out, RESPONSE_MAX);
        respond_problem(r, 503, "there is not enough memory for the answer");
        return;
    }
    begin_response(exchange_of(r), status, BODY_OUT, "application/json");
}

void respond_body(struct request *r, unsigned status, const char *content_type, struct slice body,
                  bool copy)
{
    struct exchange *ex = exchange_of(r);
    if (ex->status)
        return;
    if (copy) {
        text_put(&r->out, body);
        if (r->out.bad) {
            respond_json(r, status); // says why not
            return;
        }
        begin_response(ex, status, BODY_OUT, content_type);
        return;
    }
    begin_response(ex, status, BODY_SLICE, content_type);
    ex->body_out = body;
}

void respond_empty(struct request *r, unsigned status)
{
    begin_response(exchange_of(r), status, BODY_NOTHING, NULL);
}

void respond_stream(struct request *r, const char *content_type, const struct stream *stream)
{
    struct exchange *ex = exchange_of(r);
    if (!begin_response(ex, 200, BODY_STREAM, content_type)) {
        if (stream->close)
            stream->close(stream->arg);
        return;
    }
    ex->stream = *stream;
    ex->stream_open = true;
}

static void problem(struct request *r, unsigned status, struct slice detail,
                    const struct faults *faults)
{
    struct exchange *ex = exchange_of(r);
    if (!begin_response(ex, status, BODY_OUT, "application/problem+json"))
        return;
    struct text *t = &r->out;
    text_free(t);
    text_init(t, RESPONSE_MAX);
    problem_put(t, status, detail, faults);
    if (detail.n)
        ex->detail = arena_copy(&r->arena, detail).p;
    if (status == 503 || status == 507)
        respond_header(r, "Retry-After", SLICE(RETRY_AFTER_S));
    if (t->bad) {
        text_free(t);
        ex->body_kind = BODY_NOTHING;
    }
}

void respond_problem(struct request *r, unsigned status, const char *detail, ...)
{
    char sentence[SENTENCE_MAX];
    int n = 0;
    if (detail) {
        va_list args;
        va_start(args, detail);
        n = vsnprintf(sentence, sizeof sentence, detail, args);
        va_end(args);
    }
    if (n < 0)
        n = 0;
    problem(r, status, slice_upto(slice_of(sentence, (size_t)n), sizeof sentence - 1), NULL);
}

void respond_faults(struct request *r, const struct faults *faults)
{
    char sentence[SENTENCE_MAX];
    problem(r, 422, problem_of_faults(faults, sentence, sizeof sentence), faults);
}

void respond_store(struct request *r, enum store_status status, const char *what)
{
    switch (status) {
    case STORE_NOT_FOUND:
        respond_problem(r, 404, "there is no such %s", what);
        break;
    case STORE_CONFLICT:
    case STORE_REFUSED:
        respond_problem(r, 409, "the %s is not in a state that allows this", what);
        break;
    case STORE_TOO_LARGE:
        respond_problem(r, 413, "the %s would be too large to be kept", what);
        break;
    case STORE_FULL:
        limit_reached(LIMIT_STORE_MAX_SIZE, SLICE_NONE);
        respond_problem(r, 507, "the store is full: it can be read, but takes nothing new");
        break;
    default:
        respond_unavailable(r);
    }
}

void respond_unavailable(struct request *r)
{
    respond_problem(r, 503, "the store cannot take this now");
}

void respond_header(struct request *r, const char *name, struct slice value)
{
    struct exchange *ex = exchange_of(r);
    struct response_header *h = arena_alloc(&r->arena, sizeof *h);
    struct slice copy = arena_copy(&r->arena, value);
    if (!h || !copy.p) {
        ex->incomplete = true;
        return;
    }
    *h = (struct response_header){name, copy, NULL};
    struct response_header **at = &ex->headers;
    while (*at)
        at = &(*at)->next;
    *at = h;
}

// ---- Going on later ---------------------------------------------------------------------------

static void wait_for(struct exchange *ex, void (*done)(struct request *r))
{
    ex->done = done;
    ex->waiting = true;
}

void request_submit(struct request *r, void (*done)(struct request *r))
{
    struct exchange *ex = exchange_of(r);
    struct api *api = r->api;
    r->op.arena = &r->arena;
    r->op.status = STORE_UNAVAILABLE;
    wait_for(ex, done);
    pthread_mutex_lock(&api->lock);
    ex->ready = false;
    ex->refs++;
    pthread_mutex_unlock(&api->lock);
    if (!ex->gone && store_submit(api->port, &r->op, 1))
        return;
    if (!ex->gone)
        respond_problem(r, 503, "too much waits for the store");
    pthread_mutex_lock(&api->lock);
    ex->ready = true;
    exchange_unref_unlock(ex);
}

static void *work_thread(void *arg)
{
    struct exchange *ex = arg;
    struct api *api = ex->r.api;
    ex->work(&ex->r);
    pthread_mutex_lock(&api->lock);
    ex->ready = true;
    exchange_resume_locked(ex);
    api->working--;
    pthread_cond_broadcast(&api->changed);
    exchange_unref_unlock(ex);
    return NULL;
}

static bool start_thread(struct exchange *ex)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr))
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, WORK_STACK);
    bool ok = pthread_create(&thread, &attr, work_thread, ex) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

void request_work(struct request *r, void (*work)(struct request *r),
                  void (*done)(struct request *r))
{
    struct exchange *ex = exchange_of(r);
    struct api *api = r->api;
    pthread_mutex_lock(&api->lock);
    bool room = !ex->gone && api->working < WORK_MAX;
    if (room)
        api->working++;
    ex->refs++;
    ex->ready = false;
    pthread_mutex_unlock(&api->lock);
    wait_for(ex, done);
    ex->work = work;
    if (room && start_thread(ex))
        return;
    if (!ex->gone)
        respond_problem(r, 503, "too many long operations are running");
    pthread_mutex_lock(&api->lock);
    api->working -= room;
    ex->ready = true;
    exchange_unref_unlock(ex);
}

void request_wake(struct request *r)
{
    struct exchange *ex = exchange_of(r);
    struct api *api = r->api;
    pthread_mutex_lock(&api->lock);
    ex->woken = true;
    exchange_resume_locked(ex);
    pthread_mutex_unlock(&api->lock);
}

bool request_client_gone(struct request *r)
{
    struct exchange *ex = exchange_of(r);
    pthread_mutex_lock(&r->api->lock);
    bool gone = !ex->connection || (ex->suspended && http_client_gone(ex->connection));
    pthread_mutex_unlock(&r->api->lock);
    return gone;
}

void request_set_sink(struct request *r, const struct sink *sink)
{
    struct exchange *ex = exchange_of(r);
    ex->sink = *sink;
    pthread_mutex_lock(&r->api->lock);
    ex->refs++;
    pthread_mutex_unlock(&r->api->lock);
}

void request_finish(struct request *r)
{
    pthread_mutex_lock(&r->api->lock);
    exchange_unref_unlock(exchange_of(r));
}
