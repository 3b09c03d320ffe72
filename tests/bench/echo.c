// SPDX-License-Identifier: Apache-2.0
// A bare UDP echo with the batching of a server: the physical limit that figures are compared with.
// usage: echo PORT; ends with SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH    64
#define DATAGRAM 2048

static char bytes[BATCH][DATAGRAM];
static struct sockaddr_in peers[BATCH];
static struct iovec io[BATCH];
static struct mmsghdr messages[BATCH];

static int listen_on(unsigned long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = 4 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void echo_batch(int fd)
{
    for (unsigned i = 0; i < BATCH; i++) {
        io[i] = (struct iovec){bytes[i], DATAGRAM};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &io[i],
                                              .msg_iovlen = 1};
    }
    int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < n; i++)
        io[i].iov_len = messages[i].msg_len;
    for (int done = 0; done < n;) {
        int sent = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);
        if (sent < 0 && errno != EINTR)
            return;
        done += sent > 0 ? sent : 0;
    }
}

int main(int argc, char **argv)
{
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (port == 0 || port > 65535) {
        fprintf(stderr, "usage: echo PORT\n");
        return 2;
    }
    int fd = listen_on(port);
    if (fd < 0) {
        perror("echo");
        return 1;
    }
    for (;;)
        echo_batch(fd);
}
