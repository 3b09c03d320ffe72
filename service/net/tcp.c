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
#include "service/net/tcp_parts.h"

#define SOURCE_CELLS    65536
#define ACCEPTS_AT_ONCE 64
#define LISTEN_BACKLOG  1024

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
    if (t->n_listeners == TCP_LISTENERS_MAX)
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
    return flows_token(t->config.flows, (uint32_t)(c - t->slots), c->generation);
}

static struct connection *find(const struct tcp *t, const struct flow *flow)
{
    if (flow->transport != TRANSPORT_TCP || flow->connection >= t->n_made)
        return NULL;
    struct connection *c = &t->slots[flow->connection];
    return c->fd >= 0 && c->generation == flow->generation ? c : NULL;
}

void tcp_watch(struct tcp *t, struct connection *c, int op)
{
    uint64_t number = (uint64_t)(c - t->slots) | (uint64_t)(c->generation & 0xffffff) << 32;
    struct epoll_event ev = {.data.u64 = source_make(SOURCE_TCP_CONNECTION, number)};
    if (!c->paused && (!c->finishing || c->lingering))
        ev.events |= EPOLLIN;
    if (c->wants_out)
        ev.events |= EPOLLOUT;
    epoll_ctl(t->epoll_fd, op, c->fd, &ev);
}

void tcp_drop(struct tcp *t, struct connection *c)
{
    flows_closed(t->config.flows, token_of(t, c));
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
}

void tcp_drop_for(struct tcp *t, struct connection *c, enum limit limit)
{
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    address_print(&b, &c->remote);
    limit_reached(limit, buf_slice(&b));
    tcp_drop(t, c);
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
    limit_reached(limit, buf_slice(&b));
    close(fd);
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
    c->opened_ms = c->active_ms = now_ms;
    c->local = local;
    c->remote = remote;
    t->source_count[cell]++;
    t->n_open++;
    metric_set(METRIC_CONNECTIONS, 0, t->n_open);
    flows_opened(t->config.flows, token_of(t, c));
    tcp_watch(t, c, EPOLL_CTL_ADD);
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
        tcp_watch(t, c, EPOLL_CTL_MOD);
    }
    return true;
}

void tcp_send(struct tcp *t, const struct flow *flow, struct slice bytes, int64_t now_ms)
{
    struct connection *c = find(t, flow);
    if (!c || c->lingering)
        return;
    if (c->out_n == 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            tcp_drop(t, c);
            return;
        }
        bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
    }
    if (bytes.n && !queue_output(t, c, bytes, now_ms))
        tcp_drop_for(t, c, LIMIT_SIP_OUTPUT_QUEUE);
}

// A close with unread bytes would be a reset, and a reset overtakes the answer that was just sent.
static void linger(struct tcp *t, struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    c->lingering = true;
    tcp_watch(t, c, EPOLL_CTL_MOD);
}

// What is finishing goes on to its end when nothing is left to be waited for or to be sent. False
// when the connection is gone.
static bool settle(struct tcp *t, struct connection *c)
{
    if (!c->finishing || c->lingering || c->waiting || c->out_n) {
        tcp_watch(t, c, EPOLL_CTL_MOD);
        return true;
    }
    if (c->ended) {
        tcp_drop(t, c);
        return false;
    }
    linger(t, c);
    return true;
}

static void discard(struct tcp *t, struct connection *c)
{
    ssize_t n = recv(c->fd, t->scratch, sizeof t->scratch, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        tcp_drop(t, c);
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
            tcp_drop(t, c);
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
    return settle(t, c);
}

void tcp_end(struct tcp *t, struct connection *c, int64_t now_ms)
{
    c->finishing = true;
    c->finish_ms = now_ms;
    settle(t, c);
}

void tcp_finish(struct tcp *t, const struct flow *flow, int64_t now_ms)
{
    struct connection *c = find(t, flow);
    if (c)
        tcp_end(t, c, now_ms);
}

void tcp_waits(struct tcp *t, const struct flow *flow, bool waits)
{
    struct connection *c = find(t, flow);
    if (!c)
        return;
    c->waiting = waits ? c->waiting + 1 : c->waiting - 1;
    if (!waits && c->finishing)
        settle(t, c);
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
        if (c->lingering) {
            discard(t, c);
            return;
        }
        if (c->paused || c->finishing) {
            if (events & (EPOLLHUP | EPOLLERR))
                tcp_drop(t, c);
            return;
        }
        tcp_read(t, c, now_ms);
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

void tcp_tick(struct tcp *t, int64_t now_ms)
{
    if (!t->accepting)
        watch_listeners(t, true);
    for (uint32_t i = 0; i < t->n_made; i++) {
        struct connection *c = &t->slots[i];
        if (c->fd < 0)
            continue;
        if (older(c->finish_ms, t->config.header_timeout_s, now_ms))
            tcp_drop(t, c);
        else if (c->paused)
            tcp_resume(t, c, now_ms);
        else if (older(c->partial_ms, t->config.header_timeout_s, now_ms) ||
                 older(c->stalled_ms, t->config.header_timeout_s, now_ms))
            tcp_drop_for(t, c, LIMIT_SIP_HEADER_TIMEOUT);
        else if (!c->authenticated &&
                 older(c->opened_ms, t->config.unauthenticated_timeout_s, now_ms))
            tcp_drop_for(t, c, LIMIT_SIP_UNAUTHENTICATED_TIMEOUT);
        else if (older(c->active_ms, t->config.idle_timeout_s, now_ms))
            tcp_drop_for(t, c, LIMIT_SIP_IDLE_TIMEOUT);
    }
}
