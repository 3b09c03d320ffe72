// SPDX-License-Identifier: Apache-2.0
#include "api/exchange.h"

#include <stdlib.h>

#include "api/target.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/reason.h"
#include "store/credential.h"

#define LINES_A_SECOND 20
#define BODY_FIRST     4096
#define PATH_LOGGED    200

struct exchange *exchange_open(struct server *s, struct MHD_Connection *c, struct slice target)
{
    struct exchange *ex = calloc(1, sizeof *ex);
    if (!ex)
        return NULL;
    struct api *api = s->api;
    arena_init(&ex->r.arena, ex->r.inline_memory, sizeof ex->r.inline_memory, REQUEST_ARENA_MAX);
    text_init(&ex->r.out, RESPONSE_MAX);
    ex->r.api = api;
    ex->server = s;
    ex->connection = c;
    ex->target = arena_copy(&ex->r.arena, target);
    ex->refs = 1;
    pthread_mutex_lock(&api->lock);
    ex->next = s->first;
    if (ex->next)
        ex->next->prev = ex;
    s->first = ex;
    api->alive++;
    pthread_mutex_unlock(&api->lock);
    return ex;
}

// The client went while the handler waited, and nobody else has the exchange any more: `done` still
// runs, on whichever thread this is, and frees what there is. What it answers goes nowhere.
static void finish_orphan(struct exchange *ex)
{
    while (ex->waiting) {
        ex->waiting = false;
        ex->done(&ex->r);
    }
    if (ex->stream_open && ex->stream.close)
        ex->stream.close(ex->stream.arg);
    ex->stream_open = false;
}

void exchange_unref_unlock(struct exchange *ex)
{
    struct api *api = ex->r.api;
    bool last = ex->refs == 1;
    ex->refs -= !last;
    pthread_mutex_unlock(&api->lock);
    if (!last)
        return;
    finish_orphan(ex);
    text_free(&ex->r.out);
    if (ex->body_memory)
        secret_wipe(ex->body_memory, ex->body_cap); // it may hold a password
    free(ex->body_memory);
    arena_reset(&ex->r.arena);
    free(ex);
    pthread_mutex_lock(&api->lock);
    api->alive--;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
}

void exchange_resume_locked(struct exchange *ex)
{
    if (!ex->suspended)
        return;
    ex->suspended = false;
    http_resume(ex->connection);
}

void exchange_notify(void *arg)
{
    struct api *api = arg;
    struct store_op *op = store_port_collect(api->port);
    while (op) {
        struct request *r = (struct request *)((char *)op - offsetof(struct request, op));
        op = op->link;
        struct exchange *ex = exchange_of(r);
        pthread_mutex_lock(&api->lock);
        ex->ready = true;
        exchange_resume_locked(ex);
        exchange_unref_unlock(ex);
    }
}

// ---- The head ---------------------------------------------------------------------------------

// RFC 9112 sections 3.2 and 6: what two readers could frame differently is refused, and the
// connection with it.
static bool framing_is_bad(struct exchange *ex)
{
    const struct head *h = &ex->head;
    struct request *r = &ex->r;
    bool chunked = h->n_encoding == 1 && slice_ieq(h->encoding, SLICE("chunked"));
    if (h->bad_name)
        respond_problem(r, 400, "a header field's name holds a blank");
    else if (h->n_length + h->n_encoding > 1)
        respond_problem(r, 400, "the length of the body is given more than once");
    else if (h->n_host > 1 || (h->n_host == 0 && !h->http_1_0))
        respond_problem(r, 400, "there must be one Host header field");
    else if (h->n_authorization > 1)
        respond_problem(r, 400, "there is more than one Authorization header field");
    else if (h->n_encoding && (!chunked || h->http_1_0))
        respond_problem(r, chunked ? 400 : 501, "the only transfer coding known here is chunked");
    ex->close = ex->close || ex->status;
    return ex->status != 0;
}

// Who asks, in words: the host, with its port where wanted.
static struct slice source_of(const struct exchange *ex, bool with_port,
                              char text[ADDRESS_TEXT_MAX])
{
    struct buf b = buf_over(text, ADDRESS_TEXT_MAX);
    struct address a = ex->r.peer;
    if (ex->server->control)
        return SLICE("control");
    if (!with_port)
        a.port = 0;
    address_print(&b, &a);
    return buf_slice(&b);
}

static void refuse_token(struct exchange *ex, enum access_verdict verdict, unsigned retry_after_s)
{
    struct request *r = &ex->r;
    char text[ADDRESS_TEXT_MAX], seconds[16];
    struct buf retry = buf_over(seconds, sizeof seconds);
    struct slice source = source_of(ex, false, text);
    uint32_t held;
    metric_add(METRIC_SECURITY_EVENTS, REASON_API_TOKEN_WRONG, 1);
    if (log_gate_open(&r->api->token_gate, r->now_ms, LINES_A_SECOND, &held))
        log_event(LOG_WARNING, reason_word(REASON_API_TOKEN_WRONG),
                  reason_text(REASON_API_TOKEN_WRONG), {"source", source});
    ex->logged = true;
    if (verdict == ACCESS_THROTTLED) {
        limit_reached(LIMIT_API_TOKEN_FAILURES, source);
        buf_u64(&retry, retry_after_s);
        respond_header(r, "Retry-After", buf_slice(&retry));
        respond_problem(r, 429, "too many wrong tokens came from this address");
        return;
    }
    respond_header(r, "WWW-Authenticate",
                   SLICE("Bearer realm=\"rollcall\", error=\"invalid_token\""));
    respond_problem(r, 401, "the token is not known");
}

static bool access_granted(struct exchange *ex)
{
    struct request *r = &ex->r;
    unsigned retry_after_s = 0;
    struct access_ask ask = {.authorization = ex->head.authorization,
                             .host = ex->head.host,
                             .origin = ex->head.origin,
                             .source = &r->peer,
                             .now_ms = r->now_ms,
                             .open = r->route->scope == SCOPE_NONE};
    enum access_verdict verdict = ACCESS_GRANTED;
    if (ex->server->control)
        r->scope = SCOPE_ADMIN;
    else
        verdict = access_check(r->api->access, &ask, &r->scope, &retry_after_s);
    switch (verdict) {
    case ACCESS_MISSING:
        respond_header(r, "WWW-Authenticate", SLICE("Bearer realm=\"rollcall\""));
        respond_problem(r, 401, "this needs a token: Authorization: Bearer ...");
        return false;
    case ACCESS_WRONG:
    case ACCESS_THROTTLED:
        refuse_token(ex, verdict, retry_after_s);
        return false;
    case ACCESS_HOST:
        respond_problem(r, 403, "without a token only requests to a loopback host are answered");
        return false;
    case ACCESS_ORIGIN:
        respond_problem(r, 403, "without a token no page of another site is answered");
        return false;
    case ACCESS_GRANTED:
        break;
    }
    if (r->scope >= r->route->scope)
        return true;
    respond_header(r, "WWW-Authenticate",
                   SLICE("Bearer realm=\"rollcall\", error=\"insufficient_scope\""));
    respond_problem(r, 403, "the read token may not do this");
    return false;
}

static bool type_is(struct slice content_type, struct slice type)
{
    return slice_ieq(slice_trim(slice_upto(content_type, slice_find(content_type, ';'))), type);
}

static bool body_type_is_wrong(struct exchange *ex)
{
    struct request *r = &ex->r;
    unsigned flags = r->route->flags;
    if (!ex->has_body || !(flags & (ROUTE_JSON | ROUTE_PATCH)) ||
        type_is(r->content_type, SLICE("application/json")))
        return false;
    if (flags & ROUTE_PATCH) {
        if (type_is(r->content_type, SLICE("application/merge-patch+json")))
            return false;
        respond_header(r, "Accept-Patch", SLICE("application/merge-patch+json, application/json"));
    }
    respond_problem(r, 415, "the body must have Content-Type: application/json%s",
                    flags & ROUTE_PATCH ? ", or application/merge-patch+json" : "");
    return true;
}

// Route, token, arguments, type: what can be refused before the body is there.
static void admit(struct exchange *ex)
{
    struct request *r = &ex->r;
    r->route = route_find(r, ex->target);
    if (!r->route)
        return;
    if (ex->phase != PHASE_SERVING && !(r->route->flags & ROUTE_ALWAYS)) {
        respond_problem(r, 503, "%s",
                        ex->phase == PHASE_WAITING ? r->api->why_waiting : "stopping");
        return;
    }
    if (!access_granted(ex) || !route_query(r, ex->target) || body_type_is_wrong(ex))
        return;
    if (r->route->flags & ROUTE_SINK) {
        ex->handled = true;
        r->route->handle(r);
        request_end_snapshot(ex);
    }
}

static uint64_t body_max(const struct exchange *ex)
{
    if (ex->status || ex->phase != PHASE_SERVING)
        return DISCARD_MAX;
    return ex->sink.take ? UINT64_MAX : ex->r.api->config.max_body;
}

static void refuse_size(struct exchange *ex)
{
    char text[ADDRESS_TEXT_MAX];
    limit_reached(LIMIT_API_MAX_BODY, source_of(ex, false, text));
    respond_problem(&ex->r, 413, "the body is larger than the %llu bytes of api.max_body",
                    (unsigned long long)ex->r.api->config.max_body);
}

enum step exchange_begin(struct exchange *ex)
{
    struct request *r = &ex->r;
    uint64_t length = 0;
    ex->begun = true;
    ex->began_us = clock_mono_us();
    r->now_ms = clock_now_ms();
    ex->phase = (enum phase)atomic_load_explicit(&r->api->phase, memory_order_acquire);
    ex->close = ex->phase == PHASE_STOPPING;
    pthread_mutex_lock(&r->api->lock);
    r->api->active++;
    pthread_mutex_unlock(&r->api->lock);
    if (!ex->target.p)
        return STEP_DROP;
    if (framing_is_bad(ex))
        return STEP_RESPOND;
    if (ex->head.length.n && !slice_to_u64(ex->head.length, UINT64_MAX, &length))
        length = UINT64_MAX;
    ex->has_body = length || ex->head.n_encoding;
    response_prepare(ex);
    admit(ex);
    bool too_large = length > body_max(ex);
    if (too_large && !ex->status)
        refuse_size(ex);
    if (!ex->has_body || !ex->status)
        return STEP_READ;
    // It was refused. A body that is short is read and forgotten, so that the connection goes on.
    ex->discarding = true;
    ex->close = ex->close || too_large || ex->head.expect.n;
    if (ex->head.expect.n)
        return STEP_RESPOND;
    return too_large ? STEP_LINGER : STEP_READ;
}

// ---- The body ---------------------------------------------------------------------------------

// The connection still holds the exchange.
static void sink_end(struct exchange *ex)
{
    ex->sink_over = true;
    pthread_mutex_lock(&ex->r.api->lock);
    ex->refs--;
    pthread_mutex_unlock(&ex->r.api->lock);
}

// What was refused is given again as it was, for the sink waits until there is room for that; then
// the rest: the library would come back with it only when more arrives. True when all was taken.
static bool sink_offer(struct exchange *ex, struct slice piece, size_t *taken)
{
    struct request *r = &ex->r;
    bool took = true;
    for (*taken = 0; took && *taken < piece.n && !ex->status;) {
        struct slice part = slice_from(piece, *taken);
        if (ex->refused && ex->refused < part.n)
            part.n = ex->refused;
        pthread_mutex_lock(&r->api->lock);
        ex->woken = false;
        pthread_mutex_unlock(&r->api->lock);
        took = ex->sink.take(r, ex->sink.arg, part);
        request_end_snapshot(ex);
        ex->refused = took ? 0 : part.n;
        *taken += took ? part.n : 0;
    }
    return took;
}

static enum step sink_piece(struct exchange *ex, struct slice piece, size_t *taken)
{
    struct api *api = ex->r.api;
    bool took = sink_offer(ex, piece, taken);
    if (ex->status) {
        *taken = piece.n;
        ex->discarding = true;
        sink_end(ex);
        return STEP_READ;
    }
    if (took)
        return STEP_READ;
    pthread_mutex_lock(&api->lock);
    bool drop = api->abandon;
    if (!drop) {
        ex->suspended = true;
        http_suspend(ex->connection);
        if (ex->woken)
            exchange_resume_locked(ex);
    }
    pthread_mutex_unlock(&api->lock);
    return drop ? STEP_DROP : STEP_SUSPEND;
}

static bool body_add(struct exchange *ex, struct slice piece)
{
    size_t n = ex->r.body.n, cap = ex->body_cap ? ex->body_cap : BODY_FIRST;
    while (cap < n + piece.n)
        cap *= 2;
    if (cap > ex->body_cap) {
        char *p = malloc(cap);
        if (!p)
            return false;
        if (ex->body_memory) {
            memcpy(p, ex->body_memory, n);
            secret_wipe(ex->body_memory, n);
            free(ex->body_memory);
        }
        ex->body_memory = p;
        ex->body_cap = cap;
    }
    memcpy(ex->body_memory + n, piece.p, piece.n);
    ex->r.body = slice_of(ex->body_memory, n + piece.n);
    return true;
}

enum step exchange_piece(struct exchange *ex, struct slice piece, size_t *taken)
{
    *taken = piece.n;
    if (ex->discarding) {
        ex->discarded += piece.n;
        return ex->discarded > DISCARD_MAX ? STEP_DROP : STEP_READ;
    }
    if (ex->sink.take)
        return sink_piece(ex, piece, taken);
    if (piece.n > body_max(ex) - ex->r.body.n) {
        refuse_size(ex);
        ex->close = ex->discarding = true;
        return STEP_LINGER;
    }
    if (!body_add(ex, piece)) {
        respond_problem(&ex->r, 503, "there is not enough memory");
        ex->discarding = true;
    }
    return STEP_READ;
}

// ---- The handler, and what it waits for -------------------------------------------------------

static void handle(struct exchange *ex)
{
    struct request *r = &ex->r;
    if (!ex->handled) {
        ex->handled = true;
        r->route->handle(r);
    } else if (ex->sink.take && !ex->sink_over) {
        ex->sink.end(r, ex->sink.arg, true);
        sink_end(ex);
    } else {
        respond_problem(r, 500, "the handler has given no answer");
    }
    request_end_snapshot(ex);
}

// True when what it waits for is there; else it has been suspended, or is to be dropped.
static bool is_ready(struct exchange *ex, enum step *step)
{
    struct api *api = ex->r.api;
    pthread_mutex_lock(&api->lock);
    bool ready = ex->ready;
    ex->ready = false;
    *step = STEP_DROP;
    if (!ready && !api->abandon && ex->connection) {
        *step = STEP_SUSPEND;
        ex->suspended = true;
        http_suspend(ex->connection);
    }
    pthread_mutex_unlock(&api->lock);
    return ready;
}

enum step exchange_go_on(struct exchange *ex)
{
    enum step step;
    if (ex->lingering)
        return STEP_DROP;
    for (;;) {
        if (ex->waiting) {
            if (!is_ready(ex, &step))
                return step;
            ex->waiting = false;
            ex->done(&ex->r);
            request_end_snapshot(ex);
        } else if (ex->status) {
            return STEP_RESPOND;
        } else {
            handle(ex);
        }
    }
}

long exchange_stream(struct exchange *ex, char *out, size_t cap)
{
    struct api *api = ex->r.api;
    pthread_mutex_lock(&api->lock);
    bool over = api->abandon;
    ex->woken = false;
    pthread_mutex_unlock(&api->lock);
    long n = over ? STREAM_END : ex->stream.next(ex->stream.arg, out, cap);
    request_end_snapshot(ex);
    if (n > 0 || n == STREAM_END || n == STREAM_BROKEN)
        return n;
    pthread_mutex_lock(&api->lock);
    ex->suspended = true;
    http_suspend(ex->connection);
    if (ex->woken || api->abandon || n == 0)
        exchange_resume_locked(ex); // others first, then again
    pthread_mutex_unlock(&api->lock);
    return 0;
}

// ---- The end ----------------------------------------------------------------------------------

static void log_refusal(struct exchange *ex)
{
    struct request *r = &ex->r;
    bool failed = ex->status >= 500;
    bool probe = r->route && (r->route->flags & ROUTE_ALWAYS);
    enum log_level level = probe ? LOG_DEBUG : failed ? LOG_WARNING : LOG_INFO;
    uint32_t held = 0;
    char source[ADDRESS_TEXT_MAX], status[16], more[16];
    struct buf a = buf_over(status, sizeof status), b = buf_over(more, sizeof more);
    if (!log_wants(level) || !log_gate_open(failed ? &r->api->failed_gate : &r->api->refused_gate,
                                            r->now_ms, LINES_A_SECOND, &held))
        return;
    buf_u64(&a, ex->status);
    buf_u64(&b, held);
    const struct log_field fields[] = {{"source", source_of(ex, true, source)},
                                       {"method", slice_str(ex->method_name)},
                                       {"path", slice_upto(target_path(ex->target), PATH_LOGGED)},
                                       {"status", buf_slice(&a)},
                                       {"suppressed", buf_slice(&b)}};
    log_write(level, failed ? "http_failed" : "http_refused", ex->detail ? ex->detail : "", fields,
              held ? 5 : 4);
}

void exchange_report(struct exchange *ex)
{
    metric_add(METRIC_HTTP_REQUESTS, metric_code_cell(ex->status), 1);
    histogram_observe_us(HISTOGRAM_HTTP, (uint64_t)(clock_mono_us() - ex->began_us));
    if (ex->status >= 400 && !ex->logged)
        log_refusal(ex);
}

// What a handler still waits for when the client has gone: its `done` frees what there is.
static void finish_waiting(struct exchange *ex)
{
    enum step step;
    while (ex->waiting && is_ready(ex, &step)) {
        ex->waiting = false;
        ex->done(&ex->r);
        request_end_snapshot(ex);
    }
}

void exchange_over(struct exchange *ex)
{
    struct api *api = ex->r.api;
    struct server *s = ex->server;
    pthread_mutex_lock(&api->lock);
    if (ex->prev)
        ex->prev->next = ex->next;
    else
        s->first = ex->next;
    if (ex->next)
        ex->next->prev = ex->prev;
    ex->connection = NULL;
    ex->suspended = false;
    api->active -= ex->begun;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
    ex->gone = true;
    if (ex->sink.take && !ex->sink_over) {
        ex->sink_over = true;
        ex->sink.end(&ex->r, ex->sink.arg, false);
    }
    finish_waiting(ex);
    if (ex->stream_open && ex->stream.close)
        ex->stream.close(ex->stream.arg);
    ex->stream_open = false;
    request_end_snapshot(ex);
    pthread_mutex_lock(&api->lock);
    exchange_unref_unlock(ex);
}
