// SPDX-License-Identifier: Apache-2.0
// A bare echo with the batching of a server: what the kernel alone costs, over UDP and over TCP.
// usage: echo PORT; both transports of 127.0.0.1; ends with SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH    64
#define DATAGRAM 2048

static char bytes[BATCH][DATAGRAM];
static struct sockaddr_in peers[BATCH];
static struct iovec io[BATCH];
static struct mmsghdr messages[BATCH];

static int listen_on(unsigned long port, int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = 4 << 20;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        (type == SOCK_STREAM && listen(fd, 1024) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void echo_datagrams(int fd)
{
    for (unsigned i = 0; i < BATCH; i++) {
        io[i] = (struct iovec){bytes[i], DATAGRAM};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &io[i],
                                              .msg_iovlen = 1};
    }
    int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        io[i].iov_len = messages[i].msg_len;
    for (int done = 0; done < n;) {
        int sent = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);
        if (sent < 0 && errno != EINTR)
            return;
        done += sent > 0 ? sent : 0;
    }
}

// The generator has never more than one message under way: what is not taken at once is an error.
static void echo_stream(int fd)
{
    ssize_t n = recv(fd, bytes[0], DATAGRAM, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || send(fd, bytes[0], (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
        close(fd);
}

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void admit(int epoll, int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (watch(epoll, fd) != 0)
        close(fd);
}

int main(int argc, char **argv)
{
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (port == 0 || port > 65535) {
        fprintf(stderr, "usage: echo PORT\n");
        return 2;
    }
    int udp = listen_on(port, SOCK_DGRAM), tcp = listen_on(port, SOCK_STREAM);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (udp < 0 || tcp < 0 || epoll < 0 || watch(epoll, udp) != 0 || watch(epoll, tcp) != 0) {
        perror("echo");
        return 1;
    }
    for (;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == udp)
                echo_datagrams(fd);
            else if (fd == tcp)
                admit(epoll, fd);
            else
                echo_stream(fd);
        }
    }
}
