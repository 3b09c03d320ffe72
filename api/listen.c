// SPDX-License-Identifier: Apache-2.0
#include "api/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 511

static socklen_t to_sockaddr(const struct address *a, struct sockaddr_storage *out)
{
    if (a->family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip + 12, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

static uint16_t port_of(int fd, uint16_t otherwise)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    socklen_t n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n))
        return otherwise;
    memcpy(&in, &ss, sizeof in);
    memcpy(&in6, &ss, sizeof in6);
    return ntohs(ss.ss_family == AF_INET ? in.sin_port : in6.sin6_port);
}

int listen_tcp(const struct address *a, uint16_t *port, char *why, size_t why_size)
{
    struct sockaddr_storage ss = {0};
    socklen_t n = to_sockaddr(a, &ss);
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    int on = 1, fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto failed;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        (a->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)) ||
        bind(fd, (struct sockaddr *)&ss, n) || listen(fd, BACKLOG))
        goto failed;
    *port = port_of(fd, a->port);
    return fd;
failed:;
    int fault = errno;
    address_print(&b, a);
    snprintf(why, why_size, "cannot listen on http://%.*s: %s%s", SLICE_FMT(buf_slice(&b)),
             strerror(fault), fault == EADDRINUSE ? " (another process has this port)" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

int listen_unix(const char *path, char *why, size_t why_size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof un.sun_path) {
        snprintf(why, why_size, "the path of the control socket is too long: %s", path);
        return -1;
    }
    memcpy(un.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // The mode is the socket's own before it has a name, so that there is no moment without it
    if (fd < 0 || fchmod(fd, 0600) || (unlink(path) && errno != ENOENT) ||
        bind(fd, (struct sockaddr *)&un, sizeof un) || listen(fd, BACKLOG)) {
        snprintf(why, why_size, "cannot listen on the control socket %s: %s", path,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}
