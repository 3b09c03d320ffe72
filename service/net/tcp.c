// SPDX-License-Identifier: Apache-2.0
#include "service/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "service/net/socket.h"
#include "service/net/source.h"

#define LISTENERS_MAX   16
#define SOURCE_CELLS    65536
#define READ_BYTES      65536
#define ACCEPTS_AT_ONCE 64
#define LISTEN_BACKLOG  1024

struct connection {
    int fd; // -1: the slot is free
    uint32_t generation;
    uint32_t next_free;
    uint16_t listener;
    uint16_t source_cell;
    bool authenticated, finishing, paused, wants_out;
    uint32_t serial; // of its flow token
    char *in;        // an unfinished message; NULL when there is none
    size_t in_n, in_cap, scanned;
    char *out; // what the peer has not taken yet
    size_t out_n, out_cap, out_sent;
    int64_t opened_ms, active_ms;
    int64_t partial_ms; // since when a message is unfinished; 0 when none is
    int64_t stalled_ms; // since when output waits; 0 when none does
    struct address local, remote;
};

struct listener {
    int fd;
    uint16_t index;
};

struct tcp {
    struct tcp_config config;
    struct tcp_hooks hooks;
    struct request_pool *pool;
    int epoll_fd;
    struct listener listeners[LISTENERS_MAX];
    size_t n_listeners;
    struct connection *slots;
    uint32_t first_free; // slot + 1; 0 for none
    uint32_t n_made, n_open, n_paused;
    bool accepting;
    uint32_t serial;
    size_t unsent;
    struct hash_key source_key;
    uint16_t *source_count; // approximate: sources that share a cell share its limit
    char scratch[READ_BYTES];
};

struct tcp *tcp_open(const struct tcp_config *config, const struct tcp_hooks *hooks,
                     struct request_pool *pool, int epoll_fd)
{
    struct tcp *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->config = *config;
    t->hooks = *hooks;
    t->pool = pool;
    t->epoll_fd = epoll_fd;
    t->accepting = true;
    t->source_key = hash_key_random();
    t->slots = calloc(config->max_connections, sizeof *t->slots);
    t->source_count = calloc(SOURCE_CELLS, sizeof *t->source_count);
    if (!t->slots || !t->source_count) {
        tcp_close(t);
        return NULL;
    }
    return t;
}

void tcp_stop_listening(struct tcp *t)
{
    for (size_t i = 0; i < t->n_listeners; i++)
        close(t->listeners[i].fd);
    t->n_listeners = 0;
}

void tcp_close(struct tcp *t)
{
    if (!t)
        return;
    tcp_stop_listening(t);
    for (uint32_t i = 0; t->slots && i < t->n_made; i++) {
        struct connection *c = &t->slots[i];
        if (c->fd < 0)
            continue;
        close(c->fd);
        free(c->in);
        free(c->out);
    }
    free(t->slots);
    free(t->source_count);
    free(t);
}

int tcp_listen(struct tcp *t, const struct address *listen_at, uint16_t index,
               struct address *bound, char *why, size_t why_size)
{
    if (t->n_listeners == LISTENERS_MAX)
        return -1;
    int fd = socket_bind(SOCK_STREAM, listen_at, bound, why, why_size);
    if (fd < 0)
        return -1;
    struct epoll_event ev = {.events = EPOLLIN,
                             .data.u64 = source_make(SOURCE_TCP_LISTENER, t->n_listeners)};
    if (listen(fd, LISTEN_BACKLOG) < 0 || epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        close(fd);
        return -1;
    }
    t->listeners[t->n_listeners++] = (struct listener){fd, index};
    return 0;
}

// ---- Connections --------------------------------------------------------------------------------

static uint64_t token_of(const struct tcp *t, const struct connection *c)
{
    return (uint64_t)t->config.epoch << 32 | c->serial;
}

static struct connection *find(const struct tcp *t, const struct flow *flow)
{
    if (flow->transport != TRANSPORT_TCP || flow->connection >= t->n_made)
        return NULL;
    struct connection *c = &t->slots[flow->connection];
    return c->fd >= 0 && c->generation == flow->generation ? c : NULL;
}

static void watch(struct tcp *t, struct connection *c, int op)
{
    uint64_t number = (uint64_t)(c - t->slots) | (uint64_t)(c->generation & 0xffffff) << 32;
    struct epoll_event ev = {.data.u64 = source_make(SOURCE_TCP_CONNECTION, number)};
    if (!c->paused && !c->finishing)
        ev.events |= EPOLLIN;
    if (c->wants_out)
        ev.events |= EPOLLOUT;
    epoll_ctl(t->epoll_fd, op, c->fd, &ev);
}

static void drop(struct tcp *t, struct connection *c)
{
    uint64_t token = token_of(t, c);
    close(c->fd);
    free(c->in);
    free(c->out);
    t->unsent -= c->out_n - c->out_sent;
    if (c->paused)
        t->n_paused--;
    t->source_count[c->source_cell]--;
    uint32_t generation = c->generation + 1;
    *c = (struct connection){.fd = -1, .generation = generation, .next_free = t->first_free};
    t->first_free = (uint32_t)(c - t->slots) + 1;
    t->n_open--;
    metric_set(METRIC_CONNECTIONS, 0, t->n_open);
    if (t->hooks.closed)
        t->hooks.closed(t->hooks.arg, token);
}

static void drop_for(struct tcp *t, struct connection *c, enum limit limit)
{
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    address_print(&b, &c->remote);
    limit_reached(limit, buf_slice(&b));
    drop(t, c);
}

static struct connection *new_slot(struct tcp *t)
{
    if (t->first_free) {
        struct connection *c = &t->slots[t->first_free - 1];
        t->first_free = c->next_free;
        return c;
    }
    return t->n_made < t->config.max_connections ? &t->slots[t->n_made++] : NULL;
}

static uint16_t cell_of(const struct tcp *t, const struct address *a)
{
    size_t n = a->family == 6 ? 8 : 16; // an IPv6 site has a /64
    return (uint16_t)(hash64(t->source_key, slice_of((const char *)a->ip, n)) % SOURCE_CELLS);
}

static void refuse(int fd, enum limit limit, const struct address *remote)
{
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    address_print(&b, remote);
    close(fd);
    limit_reached(limit, buf_slice(&b));
}

static void admit(struct tcp *t, int fd, uint16_t listener, const struct sockaddr_storage *peer,
                  int64_t now_ms)
{
    struct address remote, local;
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    int on = 1;
    address_of_socket(peer, &remote);
    uint16_t cell = cell_of(t, &remote);
    if (t->source_count[cell] >= t->config.max_connections_per_source) {
        refuse(fd, LIMIT_SIP_MAX_CONNECTIONS_PER_SOURCE, &remote);
        return;
    }
    struct connection *c = new_slot(t);
    if (!c) {
        refuse(fd, LIMIT_SIP_MAX_CONNECTIONS, &remote);
        return;
    }
    getsockname(fd, (struct sockaddr *)&ss, &n);
    address_of_socket(&ss, &local);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *c = (struct connection){.fd = fd, .generation = c->generation, .listener = listener};
    c->source_cell = cell;
    c->serial = ++t->serial;
    c->opened_ms = c->active_ms = now_ms;
    c->local = local;
    c->remote = remote;
    t->source_count[cell]++;
    t->n_open++;
    metric_set(METRIC_CONNECTIONS, 0, t->n_open);
    watch(t, c, EPOLL_CTL_ADD);
}

static void watch_listeners(struct tcp *t, bool on)
{
    t->accepting = on;
    for (size_t i = 0; i < t->n_listeners; i++) {
        struct epoll_event ev = {.events = on ? EPOLLIN : 0,
                                 .data.u64 = source_make(SOURCE_TCP_LISTENER, i)};
        epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, t->listeners[i].fd, &ev);
    }
}

static void accept_some(struct tcp *t, const struct listener *l, int64_t now_ms)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t n = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(t, fd, l->index, &peer, now_ms);
        } else {
            // Out of descriptors: those that wait stay in the backlog, the loop must not spin on
            // them
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                limit_reached(LIMIT_SIP_MAX_CONNECTIONS, SLICE("no file descriptor is free"));
                usleep(1000);
            }
            return;
        }
    }
}

// ---- Output -------------------------------------------------------------------------------------

static bool queue_output(struct tcp *t, struct connection *c, struct slice rest, int64_t now_ms)
{
    if (c->out_sent) {
        memmove(c->out, c->out + c->out_sent, c->out_n - c->out_sent);
        c->out_n -= c->out_sent;
        c->out_sent = 0;
    }
    if (rest.n > t->config.output_max - c->out_n)
        return false;
    if (c->out_n + rest.n > c->out_cap) {
        size_t cap = (c->out_n + rest.n) * 2;
        char *more = realloc(c->out, cap);
        if (!more)
            return false;
        c->out = more;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_n, rest.p, rest.n);
    c->out_n += rest.n;
    t->unsent += rest.n;
    if (!c->stalled_ms)
        c->stalled_ms = now_ms;
    if (!c->wants_out) {
        c->wants_out = true;
        watch(t, c, EPOLL_CTL_MOD);
    }
    return true;
}

void tcp_send(struct tcp *t, const struct flow *flow, struct slice bytes, int64_t now_ms)
{
    struct connection *c = find(t, flow);
    if (!c)
        return;
    if (c->out_n == 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            drop(t, c);
            return;
        }
        bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
    }
    if (bytes.n && !queue_output(t, c, bytes, now_ms))
        drop_for(t, c, LIMIT_SIP_OUTPUT_QUEUE);
}

// False when the connection is gone.
static bool write_more(struct tcp *t, struct connection *c, int64_t now_ms)
{
    while (c->out_sent < c->out_n) {
        ssize_t n =
            send(c->fd, c->out + c->out_sent, c->out_n - c->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return true;
            drop(t, c);
            return false;
        }
        c->out_sent += (size_t)n;
        t->unsent -= (size_t)n;
        c->stalled_ms = now_ms;
    }
    free(c->out);
    c->out = NULL;
    c->out_n = c->out_cap = c->out_sent = 0;
    c->stalled_ms = 0;
    c->wants_out = false;
    if (c->finishing) {
        drop(t, c);
        return false;
    }
    watch(t, c, EPOLL_CTL_MOD);
    return true;
}

void tcp_finish(struct tcp *t, const struct flow *flow)
{
    struct connection *c = find(t, flow);
    if (!c)
        return;
    if (c->out_n == 0) {
        drop(t, c);
        return;
    }
    c->finishing = true;
    watch(t, c, EPOLL_CTL_MOD);
}

// ---- Input --------------------------------------------------------------------------------------

static struct flow flow_of(const struct tcp *t, const struct connection *c)
{
    return (struct flow){.transport = TRANSPORT_TCP,
                         .listener = c->listener,
                         .connection = (uint32_t)(c - t->slots),
                         .generation = c->generation,
                         .local = c->local,
                         .remote = c->remote};
}

static bool hand_over(struct tcp *t, struct connection *c, struct slice message)
{
    struct request *r = request_take(t->pool);
    if (!r)
        return false;
    r->flow = flow_of(t, c);
    r->received_us = clock_mono_us();
    if (!request_fill(r, message, SLICE_NONE)) {
        request_give(t->pool, r);
        return false;
    }
    t->hooks.take(t->hooks.arg, r);
    return true;
}

static void pause_reading(struct tcp *t, struct connection *c)
{
    if (c->paused)
        return;
    c->paused = true;
    t->n_paused++;
    watch(t, c, EPOLL_CTL_MOD);
    limit_reached(LIMIT_SIP_PENDING, SLICE_NONE);
}

// Takes whole messages off the front of `bytes`; returns how many bytes were used, or -1 when the
// connection is gone.
static ssize_t take_frames(struct tcp *t, struct connection *c, struct slice bytes, int64_t now_ms)
{
    uint32_t generation = c->generation;
    size_t used = 0;
    while (used < bytes.n && !c->finishing) {
        size_t skip = 0, length = 0;
        struct slice rest = slice_from(bytes, used);
        struct flow flow = flow_of(t, c);
        switch (sip_frame(rest, t->config.max_message, &c->scanned, &skip, &length)) {
        case FRAME_NEED_MORE:
            return (ssize_t)used;
        case FRAME_PING:
            tcp_send(t, &flow, SLICE("\r\n"), now_ms);
            break;
        case FRAME_BLANK:
            break;
        case FRAME_MESSAGE:
            if (!hand_over(t, c, slice_of(rest.p + skip, length))) {
                pause_reading(t, c);
                c->scanned = 0;
                return (ssize_t)used;
            }
            break;
        case FRAME_BAD:
            // What there is goes to the parser, which answers 400 or 513 where it can; then the end
            hand_over(t, c, slice_from(rest, skip));
            tcp_finish(t, &flow);
            return c->fd >= 0 && c->generation == generation ? (ssize_t)bytes.n : -1;
        }
        c->scanned = 0;
        if (c->fd < 0 || c->generation != generation)
            return -1;
        used += skip + length;
    }
    return (ssize_t)used;
}

// Keeps what was not used yet. `own` says that the bytes are c->in already.
static bool keep_rest(struct connection *c, struct slice rest, bool own, int64_t now_ms)
{
    if (rest.n == 0) {
        free(c->in);
        c->in = NULL;
        c->in_n = c->in_cap = 0;
        c->partial_ms = 0;
        return true;
    }
    if (own) {
        // A new message begins where an older one was taken off: its time begins anew
        if (rest.p != c->in) {
            memmove(c->in, rest.p, rest.n);
            c->partial_ms = now_ms;
        }
    } else {
        c->in = malloc(rest.n * 2);
        if (!c->in)
            return false;
        c->in_cap = rest.n * 2;
        memcpy(c->in, rest.p, rest.n);
        c->partial_ms = now_ms;
    }
    c->in_n = rest.n;
    return true;
}

static bool grow_input(struct tcp *t, struct connection *c)
{
    if (c->in_n < c->in_cap)
        return true;
    size_t most = t->config.max_message + READ_BYTES;
    size_t cap = c->in_cap * 2 < most ? c->in_cap * 2 : most;
    char *more = cap > c->in_n ? realloc(c->in, cap) : NULL;
    if (!more)
        return false;
    c->in = more;
    c->in_cap = cap;
    return true;
}

static void process_input(struct tcp *t, struct connection *c, struct slice bytes, bool own,
                          int64_t now_ms)
{
    ssize_t used = take_frames(t, c, bytes, now_ms);
    if (used >= 0 && !keep_rest(c, slice_from(bytes, (size_t)used), own, now_ms))
        drop(t, c);
}

static void read_some(struct tcp *t, struct connection *c, int64_t now_ms)
{
    bool own = c->in != NULL;
    if (own && !grow_input(t, c)) {
        drop_for(t, c, LIMIT_SIP_MAX_MESSAGE);
        return;
    }
    char *to = own ? c->in + c->in_n : t->scratch;
    size_t room = own ? c->in_cap - c->in_n : sizeof t->scratch;
    ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(t, c);
        return;
    }
    if (n < 0)
        return;
    c->active_ms = now_ms;
    if (own)
        c->in_n += (size_t)n;
    process_input(t, c, own ? slice_of(c->in, c->in_n) : slice_of(t->scratch, (size_t)n), own,
                  now_ms);
}

void tcp_event(struct tcp *t, uint64_t data, uint32_t events, int64_t now_ms)
{
    uint64_t number = source_number(data);
    if (source_kind(data) == SOURCE_TCP_LISTENER) {
        if (number < t->n_listeners)
            accept_some(t, &t->listeners[number], now_ms);
        return;
    }
    struct connection *c = &t->slots[number & 0xffffffff];
    if (c->fd < 0 || (c->generation & 0xffffff) != number >> 32)
        return; // closed earlier in this round
    if ((events & EPOLLOUT) && !write_more(t, c, now_ms))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (c->paused || c->finishing) {
            if (events & (EPOLLHUP | EPOLLERR))
                drop(t, c);
            return;
        }
        read_some(t, c, now_ms);
    }
}

void tcp_authenticated(struct tcp *t, const struct flow *flow)
{
    struct connection *c = find(t, flow);
    if (c)
        c->authenticated = true;
}

uint64_t tcp_flow_token(const struct tcp *t, const struct flow *flow)
{
    const struct connection *c = find(t, flow);
    return c ? token_of(t, c) : 0;
}

size_t tcp_unsent(const struct tcp *t)
{
    return t->unsent;
}

// ---- Time ---------------------------------------------------------------------------------------

static bool older(int64_t since_ms, unsigned seconds, int64_t now_ms)
{
    return since_ms && now_ms - since_ms > (int64_t)seconds * 1000;
}

static void resume_reading(struct tcp *t, struct connection *c, int64_t now_ms)
{
    c->paused = false;
    t->n_paused--;
    watch(t, c, EPOLL_CTL_MOD);
    if (c->in)
        process_input(t, c, slice_of(c->in, c->in_n), true, now_ms);
}

void tcp_tick(struct tcp *t, int64_t now_ms)
{
    if (!t->accepting)
        watch_listeners(t, true);
    for (uint32_t i = 0; i < t->n_made; i++) {
        struct connection *c = &t->slots[i];
        if (c->fd < 0)
            continue;
        if (c->paused)
            resume_reading(t, c, now_ms);
        else if (older(c->partial_ms, t->config.header_timeout_s, now_ms) ||
                 older(c->stalled_ms, t->config.header_timeout_s, now_ms))
            drop_for(t, c, LIMIT_SIP_HEADER_TIMEOUT);
        else if (!c->authenticated &&
                 older(c->opened_ms, t->config.unauthenticated_timeout_s, now_ms))
            drop_for(t, c, LIMIT_SIP_UNAUTHENTICATED_TIMEOUT);
        else if (older(c->active_ms, t->config.idle_timeout_s, now_ms))
            drop_for(t, c, LIMIT_SIP_IDLE_TIMEOUT);
    }
}
