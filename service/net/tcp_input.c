// SPDX-License-Identifier: Apache-2.0
// What a connection says: bytes cut into messages, what is unfinished kept.
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "service/net/tcp_parts.h"

#define PONGS_8  "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
#define PONGS_64 PONGS_8 PONGS_8 PONGS_8 PONGS_8 PONGS_8 PONGS_8 PONGS_8 PONGS_8

static struct flow flow_of(const struct tcp *t, const struct connection *c)
{
    return (struct flow){.transport = TRANSPORT_TCP,
                         .listener = c->listener,
                         .connection = (uint32_t)(c - t->slots),
                         .generation = c->generation,
                         .local = c->local,
                         .remote = c->remote};
}

static bool hand_over(struct tcp *t, const struct flow *flow, struct slice message, bool unframed)
{
    struct request *r = request_take(t->pool);
    if (!r)
        return false;
    r->flow = *flow;
    r->unframed = unframed;
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
    tcp_watch(t, c, EPOLL_CTL_MOD);
    limit_reached(LIMIT_SIP_PENDING, SLICE_NONE);
}

// A read may bring thousands of pings: a system call for each would hold everybody up.
static void send_pongs(struct tcp *t, const struct flow *flow, size_t n, int64_t now_ms)
{
    static const char pongs[] = PONGS_64;
    for (size_t left = 2 * n; left;) {
        struct slice some = slice_upto(slice_of(pongs, sizeof pongs - 1), left);
        tcp_send(t, flow, some, now_ms);
        left -= some.n;
    }
}

// Takes whole messages off the front of `bytes`, and counts pings; returns how many bytes were
// used, or -1 when the connection is gone.
static ssize_t take_frames(struct tcp *t, struct connection *c, const struct flow *flow,
                           struct slice bytes, int64_t now_ms, size_t *pings)
{
    size_t used = 0;
    while (used < bytes.n && !c->finishing) {
        size_t skip = 0, length = 0;
        struct slice rest = slice_from(bytes, used);
        switch (sip_frame(rest, t->config.max_message, &c->scanned, &skip, &length)) {
        case FRAME_NEED_MORE:
            return (ssize_t)used;
        case FRAME_PING:
            ++*pings;
            break;
        case FRAME_BLANK:
            break;
        case FRAME_MESSAGE:
            if (!hand_over(t, flow, slice_of(rest.p + skip, length), false)) {
                pause_reading(t, c);
                c->scanned = 0;
                return (ssize_t)used;
            }
            break;
        case FRAME_BAD:
            // What there is goes to the parser, which answers 400 or 513 where it can; then the end
            hand_over(t, flow, slice_from(rest, skip), true);
            tcp_finish(t, flow, now_ms);
            return c->fd >= 0 && c->generation == flow->generation ? (ssize_t)bytes.n : -1;
        }
        c->scanned = 0;
        if (c->fd < 0 || c->generation != flow->generation)
            return -1;
        used += skip + length;
    }
    return (ssize_t)used;
}

static bool blank(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' && s.p[i] != '\n')
            return false;
    return true;
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
    bool begins = !c->partial_ms;
    if (own) {
        // A new message begins where an older one was taken off: its time begins anew
        if (rest.p != c->in) {
            memmove(c->in, rest.p, rest.n);
            begins = true;
        }
    } else {
        c->in = malloc(rest.n * 2);
        if (!c->in)
            return false;
        c->in_cap = rest.n * 2;
        memcpy(c->in, rest.p, rest.n);
    }
    c->in_n = rest.n;
    // A keep-alive that may yet become two is no message that must come to its end
    if (blank(slice_of(c->in, c->in_n)))
        c->partial_ms = 0;
    else if (begins)
        c->partial_ms = now_ms;
    return true;
}

static bool grow_input(struct tcp *t, struct connection *c)
{
    if (c->in_n < c->in_cap)
        return true;
    size_t most = t->config.max_message + TCP_READ_BYTES;
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
    struct flow flow = flow_of(t, c);
    size_t pings = 0;
    ssize_t used = take_frames(t, c, &flow, bytes, now_ms, &pings);
    if (used >= 0 && !keep_rest(c, slice_from(bytes, (size_t)used), own, now_ms))
        tcp_drop(t, c);
    send_pongs(t, &flow, pings, now_ms);
}

void tcp_read(struct tcp *t, struct connection *c, int64_t now_ms)
{
    bool own = c->in != NULL;
    if (own && !grow_input(t, c)) {
        tcp_drop_for(t, c, LIMIT_SIP_MAX_MESSAGE);
        return;
    }
    char *to = own ? c->in + c->in_n : t->scratch;
    size_t room = own ? c->in_cap - c->in_n : sizeof t->scratch;
    ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);
    if (n == 0) {
        // The half of a script or of netcat: its answers may still be wanted
        c->ended = true;
        c->partial_ms = 0;
        tcp_end(t, c, now_ms);
        return;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        tcp_drop(t, c);
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

void tcp_resume(struct tcp *t, struct connection *c, int64_t now_ms)
{
    c->paused = false;
    t->n_paused--;
    tcp_watch(t, c, EPOLL_CTL_MOD);
    if (c->in)
        process_input(t, c, slice_of(c->in, c->in_n), true, now_ms);
}
