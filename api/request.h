// SPDX-License-Identifier: Apache-2.0
// One HTTP request as a handler sees it: what was asked, memory that lives as long as it does, and
// the ways to answer. Knows nothing of libmicrohttpd; http.c drives it.
//
// A handler runs on the HTTP thread and must not block. It ends in exactly one of: respond_*(), or
// request_submit() with a function that goes on when the store has committed (and ends in one of
// these again), or request_work() for what has to block (a thread of its own).
#pragma once

#include "api/json.h"
#include "api/text.h"
#include "base/address.h"
#include "store/store.h"

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2, // handlers see GET; http.c drops the body
    HTTP_PUT = 4,
    HTTP_POST = 8,
    HTTP_PATCH = 16,
    HTTP_DELETE = 32,
    HTTP_OPTIONS = 64,
    HTTP_OTHER = 128
};

enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_ADMIN };

#define PATH_ARGS_MAX  3
#define QUERY_MAX      32
#define RESPONSE_MAX   (16u << 20) // of a body that is built in memory
#define REQUEST_INLINE 4096

struct api;
struct route;
struct request;
struct streams;

struct query_arg {
    struct slice name, value; // decoded: percent escapes, and '+' as a blank
};

// A body that is made piece by piece. `next` is called on the HTTP thread when the client has read
// what there was; it writes up to `cap` bytes and returns how many. Returns STREAM_END at the end,
// STREAM_WAIT where there is nothing now: request_wake() then goes on (any thread), STREAM_BROKEN
// to cut the connection. It does a bounded amount of work a call. `close` is called once, also
// where `next` never was (HEAD, a client that has gone).
#define STREAM_END    (-1)
#define STREAM_WAIT   (-2)
#define STREAM_BROKEN (-3)
struct stream {
    long (*next)(void *arg, char *out, size_t cap);
    void (*close)(void *arg);
    void *arg;
};

// A body that is taken piece by piece (the import). `take` is called on the HTTP thread with each
// piece; false: the handler wants no more of it now (suspend until request_wake()); the same piece
// is given again. `end` is called when the upload has ended (whole: true) or broken off (false;
// then nothing can be answered, and the request ends when request_finish() is called).
struct sink {
    bool (*take)(struct request *r, void *arg, struct slice piece);
    void (*end)(struct request *r, void *arg, bool whole);
    void *arg;
};

struct request {
    struct api *api;
    const struct route *route;
    enum http_method method;               // GET for HEAD
    enum scope scope;                      // of the token
    struct address peer;                   // family 0: the control socket
    int64_t now_ms;                        // clock_now_ms() when it was received
    struct arena arena;                    // until the response has been sent
    struct slice path_args[PATH_ARGS_MAX]; // of the route's {..}, decoded, valid UTF-8, no NUL
    struct query_arg query[QUERY_MAX];
    size_t n_query;
    struct slice body; // whole, unless the route has a sink
    struct slice content_type, if_match, if_none_match, last_event_id; // header values, or none

    // A write of the handler's own: see request_submit().
    struct store_op op;
    void *ctx; // the handler's own, in the arena

    // The response while it is put together:
    struct text out;
    struct slice etag;     // with its quotes; in the arena; empty for none
    struct slice location; // likewise
    char inline_memory[REQUEST_INLINE];
};

// ---- Asking -----------------------------------------------------------------------------------
// The query argument's value; false where it is not there. Given twice: a 400 at the router.
bool request_query(const struct request *r, const char *name, struct slice *out);
struct store *request_store(const struct request *r);
struct streams *request_streams(const struct request *r); // streams.h
const struct api_config *request_config(const struct request *r);
// A snapshot on the HTTP thread's reader, begun at the first call of a request and ended by http.c
// when the handler returns; NULL after respond_unavailable() has been called. Slices from it must
// not outlive the handler's call.
struct store_reader *request_snapshot(struct request *r);

// ---- Answering --------------------------------------------------------------------------------
// r->out as application/json.
void respond_json(struct request *r, unsigned status);
// A text of another type; `body` is copied where `copy`, else it lives for ever.
void respond_body(struct request *r, unsigned status, const char *content_type, struct slice body,
                  bool copy);
void respond_empty(struct request *r, unsigned status); // 204, 304
void respond_stream(struct request *r, const char *content_type, const struct stream *stream);
// RFC 9457. `detail` is a sentence (printf); may be NULL.
void respond_problem(struct request *r, unsigned status, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
// 422 with each field.
void respond_faults(struct request *r, const struct faults *faults);
// The answer for a store_status that is not STORE_OK: 404, 409, 413, 507 or 503 with Retry-After.
void respond_store(struct request *r, enum store_status status, const char *what);
void respond_unavailable(struct request *r);
// A further header of the response; name is a literal, value is copied.
void respond_header(struct request *r, const char *name, struct slice value);

// ---- Going on later ---------------------------------------------------------------------------
// Submits r->op (op.arena is set to the request's); `done` runs on the HTTP thread when it is
// durable or has failed, always exactly once, so that it can free what the handler has made. When
// the queue is full this answers 503 by itself, and `done` still runs, with STORE_UNAVAILABLE: the
// first answer counts, those after it are ignored. The same where the client has gone meanwhile.
void request_submit(struct request *r, void (*done)(struct request *r));
// Runs `work` on a thread of its own, then `done` on the HTTP thread, always exactly once. When
// there are too many this answers 503 by itself, and `done` runs without `work`.
void request_work(struct request *r, void (*work)(struct request *r),
                  void (*done)(struct request *r));
// Any thread: the stream has something again, or the sink takes pieces again.
void request_wake(struct request *r);
// Any thread, of a stream that waits: has the client closed its side? Nobody looks otherwise.
bool request_client_gone(struct request *r);
