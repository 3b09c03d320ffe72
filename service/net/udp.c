// SPDX-License-Identifier: Apache-2.0
#include "service/net/udp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "service/net/socket.h"
#include "service/net/udp_filter.h"

// As much as the kernel allows is asked for; it gives what net.core.rmem_max says.
#define RECEIVE_BUFFER (16 * 1024 * 1024)
#define TAIL_BYTES     (UDP_DATAGRAM_MAX - REQUEST_INLINE_BYTES)
#define CONTROL_BYTES  128
#define OUT_BYTES      (2 * UDP_DATAGRAM_MAX) // of all that is queued

_Static_assert(OVERLOAD_ALL == UDP_FILTER_ALL, "a share is a share");

struct udp_socket {
    int fd;
    uint16_t index;
    uint8_t family;
    bool wildcard;     // the local address differs by datagram
    unsigned search;   // how much of each datagram a filter shall look at, in bytes
    unsigned searched; // so much is looked at by the filter that there is; 0: there is none
    int64_t sifted_us; // since when: what came before was not sifted
    uint32_t dropped;  // by the kernel, as counted up to now
    struct address bound;
};

struct in_slot {
    struct request *request;
    struct iovec iov[2]; // the request's own bytes first, then the slot's tail
    struct sockaddr_storage from;
    _Alignas(16) char control[CONTROL_BYTES];
};

struct out_slot {
    struct iovec iov;
    struct sockaddr_storage to;
    _Alignas(16) char control[CONTROL_BYTES];
};

struct udp_batch {
    struct request_pool *pool;
    struct mmsghdr in[UDP_BATCH], out[UDP_BATCH];
    struct in_slot in_slot[UDP_BATCH];
    struct out_slot out_slot[UDP_BATCH];
    struct udp_socket *out_socket; // of all that is queued
    unsigned queued;
    size_t out_n; // of out_bytes
    char out_bytes[OUT_BYTES];
    char (*tails)[TAIL_BYTES];
    char scrap[2048]; // datagrams go here when no request is free
};

static void set_options(int fd, uint8_t family, bool wildcard)
{
    int on = 1, size = RECEIVE_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (wildcard && family == 4)
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    if (wildcard && family == 6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

static bool is_wildcard(const struct address *a)
{
    static const uint8_t zero[16];
    return a->family == 4 ? memcmp(a->ip + 12, zero, 4) == 0 : memcmp(a->ip, zero, 16) == 0;
}

int udp_open(const struct address *listen, uint16_t index, struct udp_socket **out, char *why,
             size_t why_size)
{
    struct udp_socket *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->index = index;
    s->search = UDP_FILTER_SEARCH;
    s->family = listen->family;
    s->wildcard = is_wildcard(listen);
    s->fd = socket_bind(SOCK_DGRAM, listen, &s->bound, why, why_size);
    if (s->fd < 0) {
        free(s);
        return -1;
    }
    set_options(s->fd, s->family, s->wildcard);
    *out = s;
    return 0;
}

void udp_close(struct udp_socket *s)
{
    if (!s)
        return;
    close(s->fd);
    free(s);
}

int udp_fd(const struct udp_socket *s)
{
    return s->fd;
}

const struct address *udp_bound(const struct udp_socket *s)
{
    return &s->bound;
}

// What the kernel has dropped, which it counts as one whatever the reason. A count that is older
// than one seen before (of a datagram that was queued by then) says nothing.
static void count_dropped(struct udp_socket *s, uint32_t dropped, struct overload_signs *signs)
{
    uint32_t more = dropped - s->dropped;
    if (more == 0 || more > UINT32_MAX / 2)
        return;
    s->dropped = dropped;
    if (s->searched) {
        signs->unread += more;
        metric_add(METRIC_DROPPED, DROP_UNREAD, more);
    } else {
        signs->lost += more;
        metric_add(METRIC_RX_OVERFLOW, 0, more);
    }
}

// Counts what was dropped up to now. 1 when the buffer is nearly full, 0 when it is not, or -errno.
static int look(struct udp_socket *s, struct overload_signs *signs)
{
    uint32_t memory[SK_MEMINFO_VARS];
    socklen_t size = sizeof memory;
    if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, memory, &size))
        return -errno;
    count_dropped(s, memory[SK_MEMINFO_DROPS], signs);
    return memory[SK_MEMINFO_RMEM_ALLOC] > memory[SK_MEMINFO_RCVBUF] / 4 * 3;
}

int udp_leave_unread(struct udp_socket *s, uint32_t share, struct overload_signs *signs)
{
    int rc = s->searched ? 0 : look(s, signs);
    if (rc < 0)
        return rc; // nobody could tell what it drops
    rc = udp_filter_set(s->fd, share, s->search);
    if (s->searched)
        look(s, signs); // what the old one dropped until now
    else
        s->sifted_us = clock_mono_us();
    s->searched = rc > 0 ? (unsigned)rc : 0;
    if (rc > 0)
        s->search = s->searched; // more does not fit
    return rc < 0 ? rc : 0;
}

struct udp_batch *udp_batch_open(struct request_pool *pool)
{
    struct udp_batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->pool = pool;
    b->tails = malloc(UDP_BATCH * sizeof *b->tails);
    if (!b->tails) {
        free(b);
        return NULL;
    }
    return b;
}

void udp_batch_close(struct udp_batch *b)
{
    if (!b)
        return;
    for (unsigned i = 0; i < UDP_BATCH; i++)
        if (b->in_slot[i].request)
            request_give(b->pool, b->in_slot[i].request);
    free(b->tails);
    free(b);
}

// Every slot gets a request to receive into; how many slots are ready. Age and drops are asked for
// with the first datagram alone, where its own address is the only other thing to tell.
static unsigned prepare(const struct udp_socket *s, struct udp_batch *b)
{
    unsigned n = 0;
    for (; n < UDP_BATCH; n++) {
        struct in_slot *slot = &b->in_slot[n];
        if (!slot->request) {
            slot->request = request_take(b->pool);
            if (!slot->request)
                break;
            slot->iov[0] = (struct iovec){slot->request->inline_bytes, REQUEST_INLINE_BYTES};
            slot->iov[1] = (struct iovec){b->tails[n], TAIL_BYTES};
        }
        b->in[n].msg_hdr = (struct msghdr){.msg_name = &slot->from,
                                           .msg_namelen = sizeof slot->from,
                                           .msg_iov = slot->iov,
                                           .msg_iovlen = 2};
        if (n == 0 || s->wildcard) {
            b->in[n].msg_hdr.msg_control = slot->control;
            b->in[n].msg_hdr.msg_controllen = sizeof slot->control;
        }
    }
    return n;
}

// Local address and the kernel's count of dropped datagrams.
static void read_control(struct udp_socket *s, struct msghdr *m, struct flow *flow,
                         struct overload_signs *signs)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t dropped;
            memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
            count_dropped(s, dropped, signs);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(flow->local.ip + 12, &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(flow->local.ip, &info.ipi6_addr, 16);
        }
    }
}

// Nothing is free: the datagrams are read away, so that the socket does not spin, and the sender
// retransmits.
static int drain(struct udp_socket *s, struct udp_batch *b)
{
    int n = 0;
    while (n < UDP_BATCH && recv(s->fd, b->scrap, sizeof b->scrap, MSG_DONTWAIT | MSG_TRUNC) >= 0)
        n++;
    if (n) {
        metric_add(METRIC_DROPPED, DROP_OVERLOAD, (uint64_t)n);
        limit_reached(LIMIT_SIP_PENDING, SLICE_NONE);
    }
    return n;
}

// How long the datagram has waited, by the wall clock that the kernel stamped it with; a step of
// that clock shows as nonsense and counts as nothing.
static int64_t age_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at, now;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            clock_gettime(CLOCK_REALTIME, &now);
            int64_t ms = (now.tv_sec - at.tv_sec) * 1000 + (now.tv_nsec - at.tv_nsec) / 1000000;
            return ms > 0 && ms < 60000 ? ms : 0;
        }
    return 0;
}

int udp_receive(struct udp_socket *s, struct udp_batch *b,
                void (*take)(void *arg, struct request *r), void *arg, struct overload_signs *signs)
{
    unsigned ready = prepare(s, b);
    if (ready == 0)
        return drain(s, b);
    signs->lost += s->searched && look(s, signs) > 0;
    int n = recvmmsg(s->fd, b->in, ready, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    int64_t age = age_of(&b->in[0].msg_hdr), now_us = clock_mono_us() - age * 1000;
    if (age > signs->queue_ms)
        signs->queue_ms = age;
    for (int i = 0; i < n; i++) {
        struct in_slot *slot = &b->in_slot[i];
        struct request *r = slot->request;
        size_t size = b->in[i].msg_len;
        size_t head = size < REQUEST_INLINE_BYTES ? size : REQUEST_INLINE_BYTES;
        slot->request = NULL;
        r->received_us = now_us;
        r->flow =
            (struct flow){.transport = TRANSPORT_UDP, .listener = s->index, .local = s->bound};
        address_of_socket(&slot->from, &r->flow.remote);
        read_control(s, &b->in[i].msg_hdr, &r->flow, signs);
        if (request_fill(r, slice_of(r->inline_bytes, head), slice_of(b->tails[i], size - head))) {
            r->sifted =
                s->searched && now_us >= s->sifted_us && udp_filter_sifts(r->bytes, s->searched);
            take(arg, r);
        } else {
            request_give(b->pool, r);
        }
    }
    return n;
}

static size_t put_control(struct udp_socket *s, char *control, const struct flow *flow)
{
    struct msghdr m = {.msg_control = control, .msg_controllen = CONTROL_BYTES};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (s->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, flow->local.ip + 12, 4);
        *c = (struct cmsghdr){
            .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in6_pktinfo info = {0};
    memcpy(&info.ipi6_addr, flow->local.ip, 16);
    *c = (struct cmsghdr){
        .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

void udp_queue(struct udp_socket *s, struct udp_batch *b, const struct flow *flow,
               const struct address *to, struct slice bytes)
{
    if (b->queued == UDP_BATCH || (b->queued && b->out_socket != s) ||
        bytes.n > OUT_BYTES - b->out_n)
        udp_flush(b);
    char *copy = memcpy(b->out_bytes + b->out_n, bytes.p, bytes.n);
    b->out_n += bytes.n;
    struct out_slot *slot = &b->out_slot[b->queued];
    struct msghdr *m = &b->out[b->queued].msg_hdr;
    slot->iov = (struct iovec){copy, bytes.n};
    *m = (struct msghdr){.msg_name = &slot->to, .msg_iov = &slot->iov, .msg_iovlen = 1};
    m->msg_namelen = socket_address(to, s->family, &slot->to);
    if (s->wildcard && flow->local.family) {
        m->msg_control = slot->control;
        m->msg_controllen = put_control(s, slot->control, flow);
    }
    b->out_socket = s;
    b->queued++;
}

// UDP may lose; what the kernel will not take now is lost and counted, and the sender asks again.
void udp_flush(struct udp_batch *b)
{
    unsigned done = 0;
    while (done < b->queued) {
        int n = sendmmsg(b->out_socket->fd, b->out + done, b->queued - done, MSG_DONTWAIT);
        if (n > 0) {
            done += (unsigned)n;
        } else if (errno != EINTR) {
            metric_add(METRIC_DROPPED, DROP_SEND_FAILED, 1);
            done++;
        }
    }
    b->queued = 0;
    b->out_n = 0;
}
