// SPDX-License-Identifier: Apache-2.0
// The API's own side of a request, and what the files that carry it share. Handlers see request.h
// only; libmicrohttpd is seen by http.c only.
//
//   http.c      drives: bytes in and out, suspend and resume
//   exchange.c  the way of one request: checks, handler, body, waiting, end
//   request.c   what handlers call
//   api.c       the life of it all
//
// An exchange lives from its first line to the notice that it is over. All of it belongs to the
// HTTP thread of its server, but for the members that are marked with the lock of the API.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "api/access.h"
#include "api/api.h"
#include "api/http.h"
#include "api/request.h"
#include "api/route.h"
#include "api/streams.h"
#include "base/log.h"

#define REQUEST_ARENA_MAX (4u << 20)
#define DISCARD_MAX       (16u << 20) // bytes of a body that is not wanted that are read, then closed

enum phase { PHASE_WAITING, PHASE_SERVING, PHASE_STOPPING };

// What the header fields say of framing and conditions, gathered by http.c.
struct head {
    unsigned n_host, n_length, n_encoding, n_authorization;
    struct slice host, length, encoding, authorization, origin, expect, accept_encoding,
        requested_method;
    bool http_1_0, bad_name;
};

struct response_header {
    const char *name;
    struct slice value;
    struct response_header *next;
};

enum body_kind { BODY_NOTHING, BODY_OUT, BODY_SLICE, BODY_STREAM };

struct exchange {
    struct request r; // first: the two are one object
    struct server *server;
    struct MHD_Connection *connection; // NULL once it is over
    struct exchange *prev, *next;      // of the server; lock
    unsigned refs;                     // connection, store or work, sink; lock
    struct head head;
    struct slice target, path;
    int64_t began_us;
    enum phase phase; // when it began
    const char *method_name;

    bool begun, is_head, has_body, handled, sink_over, gone, logged, in_snapshot;
    bool discarding;   // the rest of the body is not wanted
    bool lingering;    // it has been answered already
    bool close;        // the connection ends with the response
    bool gzip_ok;      // the client takes gzip
    bool incomplete;   // a part of the response found no memory: it must not be sent
    bool tag_was_gzip; // If-None-Match came with our suffix for gzip
    uint64_t discarded;
    char *body_memory; // what r.body is a slice of
    size_t body_cap;
    size_t refused; // length of the piece that the sink did not take

    struct sink sink;

    // The response; status 0: none yet.
    unsigned status;
    enum body_kind body_kind;
    const char *content_type;
    struct slice body_out;
    const char *detail; // of a problem, for the log
    struct response_header *headers;
    struct stream stream;
    bool stream_open;

    // Going on later.
    void (*done)(struct request *r);
    void (*work)(struct request *r);
    bool waiting;
    bool ready;     // what it waits for is there; lock
    bool suspended; // http_suspend() is in force; lock
    bool woken;     // request_wake() since the last look; lock
};

static inline struct exchange *exchange_of(const struct request *r)
{
    return (struct exchange *)(uintptr_t)r;
}

// One listener with its thread.
struct server {
    struct api *api;
    bool control; // the Unix socket: admin without a token
    struct http *http;
    struct store_reader *reader; // of its thread, opened at the first need
    struct exchange *first;      // lock
};

struct api {
    struct api_config config; // fixed once PHASE_SERVING; tokens and origins are in `access`
    char why_waiting[160];
    _Atomic int phase;
    struct access *access;
    struct store_port *port;
    struct streams *streams;
    struct server tcp, control;
    char control_path[108];
    uint16_t listen_port;
    _Atomic unsigned connections;

    pthread_mutex_t lock;
    pthread_cond_t changed; // a count below has fallen
    unsigned active;        // exchanges that have begun and have a connection; lock
    unsigned alive;         // exchanges that are not freed; lock
    unsigned working;       // threads of request_work(); lock
    bool abandon;           // what waits does not wait any longer; lock
    struct log_gate refused_gate, failed_gate, token_gate;
};

// What http.c does next with a connection.
enum step {
    STEP_READ,    // go on reading
    STEP_RESPOND, // queue the response
    STEP_SUSPEND, // it has been suspended
    STEP_LINGER,  // answer at once, and read on for a while so that the answer is read
    STEP_DROP     // cut the connection
};

struct exchange *exchange_open(struct server *s, struct MHD_Connection *c, struct slice target);
// The header is there (ex->head, method, peer are filled).
enum step exchange_begin(struct exchange *ex);
// A piece of the body. *taken is how much of it was used.
enum step exchange_piece(struct exchange *ex, struct slice piece, size_t *taken);
// The request is whole, or what it waited for is there.
enum step exchange_go_on(struct exchange *ex);
// Fills up to `cap` bytes of a stream: the count, 0 when it was suspended, or STREAM_END/_BROKEN.
long exchange_stream(struct exchange *ex, char *out, size_t cap);
// The response leaves now: metrics and log.
void exchange_report(struct exchange *ex);
// The connection has finished with it, whatever came of it.
void exchange_over(struct exchange *ex);
// Gives up one reference; with the lock held. The last one frees it, after the lock is released by
// the callee.
void exchange_unref_unlock(struct exchange *ex);

// Lets it go on if it is suspended; with the lock held.
void exchange_resume_locked(struct exchange *ex);
// Ops of ours that are complete: on the writer's thread.
void exchange_notify(void *arg);

// ---- Of request.c, for exchange.c
void request_end_snapshot(struct exchange *ex);

// ---- response.c: what every response has, compression, cross-origin headers.
// Before the response is queued: its headers and its body are final then.
void response_complete(struct exchange *ex);
struct slice response_body(const struct exchange *ex);
// From what the client said of itself: gzip, conditions without our suffix.
void response_prepare(struct exchange *ex);
