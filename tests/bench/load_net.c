// SPDX-License-Identifier: Apache-2.0
// The sockets of the load generator: one for UDP, with recvmmsg and sendmmsg, or many TCP
// connections behind epoll.
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAM_BUFFER 16384
#define SOCKET_BUFFER (4 << 20)

struct connection {
    int fd;
    size_t length;
    char *buffer; // STREAM_BUFFER
};

struct net {
    bool tcp;
    int epoll;
    struct connection *connections; // UDP: one
    unsigned n_connections;
    // outgoing
    unsigned queued;
    unsigned to[BATCH];
    struct iovec out_io[BATCH];
    struct mmsghdr out[BATCH];
    char out_bytes[BATCH][MESSAGE_MAX];
    // incoming datagrams
    struct iovec in_io[BATCH];
    struct mmsghdr in[BATCH];
    char in_bytes[BATCH][MESSAGE_MAX];
};

static int connect_to(const struct options *o, int type)
{
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(o->host, o->port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, type | SOCK_CLOEXEC, 0);
    int size = SOCKET_BUFFER, one = 1;
    if (fd >= 0) {
        if (type == SOCK_DGRAM) {
            // The larger one needs CAP_NET_ADMIN; without it the system's limit is taken.
            if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
                setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        } else {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        }
        if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

struct net *net_open(const struct options *o)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return NULL;
    net->tcp = strcmp(o->transport, "tcp") == 0;
    unsigned wanted = net->tcp ? o->connections : 1;
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->connections = calloc(wanted, sizeof *net->connections);
    if (net->epoll < 0 || !net->connections)
        goto fail;
    for (unsigned i = 0; i < wanted; i++) {
        struct connection *c = &net->connections[i];
        c->fd = connect_to(o, net->tcp ? SOCK_STREAM : SOCK_DGRAM);
        if (c->fd < 0)
            goto fail;
        net->n_connections++;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            goto fail;
        if (net->tcp && !(c->buffer = malloc(STREAM_BUFFER)))
            goto fail;
    }
    for (unsigned i = 0; i < BATCH; i++) {
        net->out_io[i].iov_base = net->out_bytes[i];
        net->out[i].msg_hdr = (struct msghdr){.msg_iov = &net->out_io[i], .msg_iovlen = 1};
        net->in_io[i] = (struct iovec){net->in_bytes[i], MESSAGE_MAX};
        net->in[i].msg_hdr = (struct msghdr){.msg_iov = &net->in_io[i], .msg_iovlen = 1};
    }
    return net;
fail:
    perror("connect");
    net_close(net);
    return NULL;
}

void net_close(struct net *net)
{
    if (!net)
        return;
    for (unsigned i = 0; i < net->n_connections; i++) {
        close(net->connections[i].fd);
        free(net->connections[i].buffer);
    }
    free(net->connections);
    if (net->epoll >= 0)
        close(net->epoll);
    free(net);
}

char *net_room(struct net *net)
{
    if (net->queued == BATCH)
        net_flush(net);
    return net->out_bytes[net->queued];
}

void net_send(struct net *net, unsigned phone, size_t length)
{
    net->to[net->queued] = phone;
    net->out_io[net->queued++].iov_len = length;
}

static void flush_streams(struct net *net)
{
    for (unsigned i = 0; i < net->queued; i++) {
        int fd = net->connections[net->to[i] % net->n_connections].fd;
        size_t done = 0;
        while (done < net->out_io[i].iov_len) {
            ssize_t n =
                send(fd, net->out_bytes[i] + done, net->out_io[i].iov_len - done, MSG_NOSIGNAL);
            if (n < 0 && errno != EINTR)
                break; // counted as a time-out of that phone
            done += n > 0 ? (size_t)n : 0;
        }
    }
}

void net_flush(struct net *net)
{
    if (net->tcp) {
        flush_streams(net);
        net->queued = 0;
        return;
    }
    unsigned done = 0;
    while (done < net->queued) {
        int n = sendmmsg(net->connections[0].fd, net->out + done, net->queued - done, 0);
        if (n > 0)
            done += (unsigned)n;
        else if (errno != EINTR)
            done++; // refused or full: the retransmission comes
    }
    net->queued = 0;
}

void net_wait(struct net *net, int64_t timeout_ns)
{
    struct epoll_event event;
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    epoll_pwait2(net->epoll, &event, 1, &timeout, NULL);
}

static size_t receive_datagrams(struct net *net, void (*take)(void *, const char *, size_t),
                                void *arg)
{
    size_t all = 0;
    for (;;) {
        int n = recvmmsg(net->connections[0].fd, net->in, BATCH, MSG_DONTWAIT, NULL);
        if (n <= 0)
            return all;
        for (int i = 0; i < n; i++)
            take(arg, net->in_bytes[i], net->in[i].msg_len);
        all += (size_t)n;
        if (n < BATCH)
            return all;
    }
}

// Hands out the whole messages in the buffer; a registrar's answers here have no body.
static size_t take_messages(struct connection *c, void (*take)(void *, const char *, size_t),
                            void *arg)
{
    size_t used = 0, all = 0;
    for (;;) {
        const char *begin = c->buffer + used;
        const char *end = memmem(begin, c->length - used, "\r\n\r\n", 4);
        if (!end)
            break;
        size_t n = (size_t)(end - begin) + 4;
        take(arg, begin, n);
        used += n;
        all++;
    }
    memmove(c->buffer, c->buffer + used, c->length - used);
    c->length -= used;
    if (c->length == STREAM_BUFFER)
        c->length = 0; // no answer is that long: nonsense
    return all;
}

static size_t receive_streams(struct net *net, void (*take)(void *, const char *, size_t),
                              void *arg)
{
    struct epoll_event events[BATCH];
    size_t all = 0;
    int n = epoll_wait(net->epoll, events, BATCH, 0);
    for (int i = 0; i < n; i++) {
        struct connection *c = &net->connections[events[i].data.u32];
        ssize_t got = recv(c->fd, c->buffer + c->length, STREAM_BUFFER - c->length, MSG_DONTWAIT);
        if (got == 0) {
            fprintf(stderr, "the server closed a connection\n");
            epoll_ctl(net->epoll, EPOLL_CTL_DEL, c->fd, NULL);
        }
        if (got <= 0)
            continue;
        c->length += (size_t)got;
        all += take_messages(c, take, arg);
    }
    return all;
}

size_t net_receive(struct net *net, void (*take)(void *arg, const char *p, size_t n), void *arg)
{
    return net->tcp ? receive_streams(net, take, arg) : receive_datagrams(net, take, arg);
}
