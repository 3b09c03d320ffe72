// SPDX-License-Identifier: Apache-2.0
// libmicrohttpd, and what it leaves to its user:
//
// - It decodes the target before the handler sees it; ours is the raw one, from the URI callback,
//   whose result also becomes the request's context.
// - It frames leniently (two lengths, no Host): exchange.c refuses that by what is counted here.
// - A response may be queued in the first call (the connection then ends with it) or the last one,
//   not in between.
// - A connection may be suspended only by a callback of its own, and resumed only when it is: the
//   flags in struct exchange hold that. None may be suspended when the daemon stops.
#include "api/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exchange.h"
#include "base/limits.h"
#include "base/metrics.h"

#define MEMORY_LIMIT   (32u * 1024) // of a connection: the request line and headers fit in it
#define CONTROL_MAX    64
#define SPARE          8 // connections beyond the limit that are accepted to be closed
#define STREAM_BLOCK   32768
#define LINGER_S       5
#define EXIT_FAULT     70
#define LINGER_HEAD    1024
#define VALUE_LIST_MAX 8192

struct http {
    struct MHD_Daemon *daemon;
    struct server *server;
    int quiet_fd; // the listening socket after http_quiesce(), else -1
    unsigned max_connections;
    struct peer *oldest, *newest; // that wait
};

// A connection. It waits until it has sent the head of a request, and again when that is over.
struct peer {
    struct peer *older, *newer;
    int fd;
    bool waits;
};

// ---- The head ---------------------------------------------------------------------------------

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {{"GET", HTTP_GET},        {"HEAD", HTTP_HEAD},   {"PUT", HTTP_PUT},
               {"POST", HTTP_POST},      {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
               {"OPTIONS", HTTP_OPTIONS}};

static void set_method(struct exchange *ex, const char *name)
{
    enum http_method method = HTTP_OTHER;
    ex->method_name = "other";
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name, methods[i].name) == 0) {
            method = methods[i].method;
            ex->method_name = methods[i].name;
        }
    ex->is_head = method == HTTP_HEAD;
    ex->r.method = ex->is_head ? HTTP_GET : method;
}

static void keep(struct exchange *ex, struct slice *to, struct slice value)
{
    *to = arena_copy(&ex->r.arena, value);
}

// A list that may be spread over several fields (RFC 9110 section 5.3).
static void join(struct exchange *ex, struct slice *to, struct slice value)
{
    if (to->n == 0) {
        keep(ex, to, value);
        return;
    }
    size_t n = to->n + 2 + value.n;
    char *p = n <= VALUE_LIST_MAX ? arena_alloc(&ex->r.arena, n) : NULL;
    if (!p)
        return;
    struct buf b = buf_over(p, n);
    buf_put(&b, *to);
    BUF_LIT(&b, ", ");
    buf_put(&b, value);
    *to = buf_slice(&b);
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *text)
{
    struct exchange *ex = arg;
    struct request *r = &ex->r;
    struct head *h = &ex->head;
    struct slice name = slice_str(key), value = slice_trim(slice_str(text));
    (void)kind;
    if (slice_find(name, ' ') < name.n || slice_find(name, '\t') < name.n)
        h->bad_name = true;
    if (slice_ieq(name, SLICE("Host"))) {
        h->n_host++;
        keep(ex, &h->host, value);
    } else if (slice_ieq(name, SLICE("Content-Length"))) {
        h->n_length++;
        keep(ex, &h->length, value);
    } else if (slice_ieq(name, SLICE("Transfer-Encoding"))) {
        h->n_encoding++;
        keep(ex, &h->encoding, value);
    } else if (slice_ieq(name, SLICE("Authorization"))) {
        h->n_authorization++;
        keep(ex, &h->authorization, value);
    } else if (slice_ieq(name, SLICE("Origin"))) {
        keep(ex, &h->origin, value);
    } else if (slice_ieq(name, SLICE("Expect"))) {
        keep(ex, &h->expect, value);
    } else if (slice_ieq(name, SLICE("Accept-Encoding"))) {
        join(ex, &h->accept_encoding, value);
    } else if (slice_ieq(name, SLICE("Access-Control-Request-Method"))) {
        keep(ex, &h->requested_method, value);
    } else if (slice_ieq(name, SLICE("Content-Type"))) {
        keep(ex, &r->content_type, value);
    } else if (slice_ieq(name, SLICE("If-Match"))) {
        join(ex, &r->if_match, value);
    } else if (slice_ieq(name, SLICE("If-None-Match"))) {
        join(ex, &r->if_none_match, value);
    } else if (slice_ieq(name, SLICE("Last-Event-ID"))) {
        keep(ex, &r->last_event_id, value);
    }
    return MHD_YES;
}

static void set_address(const struct sockaddr *from, struct address *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    *out = (struct address){.family = 0};
    if (from && from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + 12, &in.sin_addr, 4);
        out->port = ntohs(in.sin_port);
        out->family = 4;
    } else if (from && from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(out->ip, &in6.sin6_addr, 16);
        out->port = ntohs(in6.sin6_port);
        out->family = memcmp(out->ip, mapped, sizeof mapped) == 0 ? 4 : 6;
    }
}

static void set_peer(struct exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    set_address(info ? info->client_addr : NULL, &ex->r.peer);
}

// ---- Responses --------------------------------------------------------------------------------

static ssize_t on_stream(void *arg, uint64_t at, char *out, size_t cap)
{
    (void)at;
    long n = exchange_stream(arg, out, cap);
    if (n == STREAM_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return n == STREAM_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)n;
}

static struct MHD_Response *make_response(struct exchange *ex)
{
    // The body is the exchange's, which outlives the response's sending
    struct slice body = response_body(ex);
    if (ex->body_kind != BODY_STREAM)
        return MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)(body.n ? body.p : ""),
                                               MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, ex, NULL);
    // To a HEAD the library would send a last chunk; in this mode it sends none, and closes
    if (response && ex->is_head)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static enum MHD_Result queue(struct exchange *ex)
{
    response_complete(ex);
    if (ex->incomplete)
        return MHD_NO; // the connection ends
    struct MHD_Response *response = make_response(ex);
    enum MHD_Result rc = response ? MHD_YES : MHD_NO;
    for (struct response_header *h = ex->headers; h && rc; h = h->next)
        rc = MHD_add_response_header(response, h->name, h->value.p); // NUL behind it: arena_copy()
    if (rc)
        rc = MHD_queue_response(ex->connection, ex->status, response);
    if (response)
        MHD_destroy_response(response);
    if (rc)
        exchange_report(ex);
    return rc;
}

// The answer to a body that is refused while it is on its way. Were the connection closed now, the
// client's unread bytes would make the kernel reset it, and the answer would be lost; and
// libmicrohttpd takes no response in the middle of a body. So it is written past the library, and
// the body is read on for a while and forgotten.
static enum MHD_Result linger(struct exchange *ex)
{
    char head[LINGER_HEAD];
    struct buf b = buf_over(head, sizeof head);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ex->lingering = ex->close = true;
    ex->gzip_ok = false;
    response_complete(ex);
    if (ex->incomplete)
        return MHD_NO;
    struct slice body = response_body(ex);
    buf_printf(&b, "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\n", ex->status,
               MHD_get_reason_phrase_for(ex->status), body.n);
    for (struct response_header *h = ex->headers; h; h = h->next)
        buf_printf(&b, "%s: %.*s\r\n", h->name, SLICE_FMT(h->value));
    BUF_LIT(&b, "\r\n");
    if (b.full || !info)
        return MHD_NO;
    struct iovec parts[2] = {{b.p, b.n}, {(void *)(uintptr_t)body.p, body.n}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.n ? 2 : 1};
    exchange_report(ex); // before whom it is for can ask
    ssize_t n = sendmsg(info->connect_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 || (size_t)n != b.n + body.n)
        return MHD_NO;
    return MHD_set_connection_option(ex->connection, MHD_CONNECTION_OPTION_TIMEOUT, LINGER_S);
}

// ---- Connections ------------------------------------------------------------------------------

// Where all places are taken, the connection that has waited longest gives way: who sends its heads
// byte by byte would otherwise keep the places, and everybody out.
static void peer_waits(struct http *h, struct peer *p, bool waits)
{
    if (!p || p->waits == waits)
        return;
    p->waits = waits;
    if (waits) {
        p->newer = NULL;
        p->older = h->newest;
        *(p->older ? &p->older->newer : &h->oldest) = p;
        h->newest = p;
    } else {
        *(p->older ? &p->older->newer : &h->oldest) = p->newer;
        *(p->newer ? &p->newer->older : &h->newest) = p->older;
    }
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

// ---- libmicrohttpd's callbacks ----------------------------------------------------------------

static enum MHD_Result act(struct exchange *ex, enum step step)
{
    switch (step) {
    case STEP_RESPOND:
        return queue(ex);
    case STEP_LINGER:
        return linger(ex);
    case STEP_DROP:
        return MHD_NO;
    case STEP_READ:
    case STEP_SUSPEND:
        break;
    }
    return MHD_YES;
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http *h = arg;
    return exchange_open(h->server, connection, slice_str(target));
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *piece,
                                  size_t *piece_size, void **context)
{
    struct exchange *ex = *context;
    (void)url;
    if (!ex)
        return MHD_NO; // no memory
    if (!ex->begun) {
        peer_waits(arg, peer_of(connection), false);
        set_method(ex, method);
        set_peer(ex);
        ex->head.http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
        MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, ex);
        return act(ex, exchange_begin(ex));
    }
    if (*piece_size) {
        size_t taken;
        enum step step = exchange_piece(ex, slice_of(piece, *piece_size), &taken);
        *piece_size -= taken;
        return act(ex, step);
    }
    return act(ex, exchange_go_on(ex));
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    peer_waits(arg, peer_of(connection), true);
    if (*context)
        exchange_over(*context);
    *context = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    struct api *api = h->server->api;
    struct peer *p = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = p = calloc(1, sizeof *p);
        if (p)
            p->fd =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        peer_waits(h, p, true);
    } else {
        peer_waits(h, p, false);
        free(p);
    }
    if (h->server->control)
        return;
    unsigned n = code == MHD_CONNECTION_NOTIFY_STARTED ? atomic_fetch_add(&api->connections, 1) + 1
                                                       : atomic_fetch_sub(&api->connections, 1) - 1;
    metric_set(METRIC_HTTP_CONNECTIONS, 0, n);
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *from, socklen_t size)
{
    struct http *h = arg;
    (void)size;
    if (h->server->control || atomic_load(&h->server->api->connections) < h->max_connections)
        return MHD_YES;
    struct address a;
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    set_address(from, &a);
    a.port = 0;
    address_print(&b, &a);
    limit_reached(LIMIT_API_MAX_CONNECTIONS, buf_slice(&b));
    struct peer *idle = h->oldest;
    if (!idle)
        return MHD_NO;
    peer_waits(h, idle, false);
    shutdown(idle->fd, SHUT_RDWR);
    return MHD_YES;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *format,
                                                         va_list args)
{
    char line[512];
    (void)arg;
    if (!log_wants(LOG_DEBUG)) // anybody can cause these
        return;
    vsnprintf(line, sizeof line, format, args);
    log_event(LOG_DEBUG, "http_library", "libmicrohttpd", {"said", slice_trim(slice_str(line))});
}

static _Noreturn void on_panic(void *arg, const char *file, unsigned line, const char *reason)
{
    (void)arg;
    (void)file;
    (void)line;
    log_event(LOG_ERROR, "http_failed", "libmicrohttpd cannot go on",
              {"reason", slice_trim(slice_str(reason ? reason : "unknown"))});
    _exit(EXIT_FAULT);
}

// ---- The daemon -------------------------------------------------------------------------------

struct http *http_start(struct server *s, const struct http_config *config)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->server = s;
    h->quiet_fd = -1;
    h->max_connections = s->control ? CONTROL_MAX : config->max_connections;
    MHD_set_panic_func(on_panic, NULL);
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, on_accept, h, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, config->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        h->max_connections + SPARE, MHD_OPTION_CONNECTION_TIMEOUT, config->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, h, MHD_OPTION_END);
    if (h->daemon)
        return h;
    free(h);
    return NULL;
}

void http_quiesce(struct http *h)
{
    h->quiet_fd = MHD_quiesce_daemon(h->daemon);
    if (h->quiet_fd >= 0) // closed at the end only: its number must not name something else
        shutdown(h->quiet_fd, SHUT_RDWR);
}

void http_stop(struct http *h)
{
    MHD_stop_daemon(h->daemon);
    if (h->quiet_fd >= 0)
        close(h->quiet_fd);
    free(h);
}

void http_suspend(struct MHD_Connection *c)
{
    MHD_suspend_connection(c);
}

void http_resume(struct MHD_Connection *c)
{
    MHD_resume_connection(c);
}

bool http_client_gone(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}
