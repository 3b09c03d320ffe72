// SPDX-License-Identifier: Apache-2.0
#include "service/net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

socklen_t socket_address(const struct address *a, uint8_t family, struct sockaddr_storage *out)
{
    if (family == 4) {
        struct sockaddr_in *sin = (struct sockaddr_in *)out;
        *sin = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&sin->sin_addr, a->ip + 12, 4);
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
    *sin6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&sin6->sin6_addr, a->ip, 16);
    return sizeof *sin6;
}

void address_of_socket(const struct sockaddr_storage *ss, struct address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *out = (struct address){0};
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + 12, &sin->sin_addr, 4);
        out->port = ntohs(sin->sin_port);
        out->family = 4;
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;
        memcpy(out->ip, &sin6->sin6_addr, 16);
        out->port = ntohs(sin6->sin6_port);
        out->family = memcmp(out->ip, mapped, sizeof mapped) == 0 ? 4 : 6;
    }
}

int socket_bind(int type, const struct address *listen, struct address *bound, char *why,
                size_t why_size)
{
    struct sockaddr_storage ss;
    socklen_t n = socket_address(listen, listen->family, &ss);
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text - 1);
    address_print(&b, listen);
    text[b.n] = '\0';
    const char *name = type == SOCK_DGRAM ? "udp" : "tcp";
    int on = 1;
    int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(why, why_size, "cannot make a socket for %s://%s: %s", name, text,
                 strerror(errno));
        return -1;
    }
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listen->family == 6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&ss, n) < 0) {
        snprintf(why, why_size, "cannot listen on %s://%s: %s%s", name, text, strerror(errno),
                 errno == EADDRINUSE ? " (another process has this port)" : "");
        close(fd);
        return -1;
    }
    n = sizeof ss;
    getsockname(fd, (struct sockaddr *)&ss, &n);
    address_of_socket(&ss, bound);
    return fd;
}
