// SPDX-License-Identifier: Apache-2.0
#include "service/net/dial.h"

#include <errno.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/net/socket.h"

void dial_patience(int fd, unsigned timeout_s)
{
    struct timeval tv = {.tv_sec = timeout_s};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int finish(int fd, const struct sockaddr *to, socklen_t n, unsigned timeout_s)
{
    if (fd < 0)
        return -1;
    dial_patience(fd, timeout_s);
    if (connect(fd, to, n) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int dial_unix(const char *path, unsigned timeout_s)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, n + 1);
    return finish(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&to, sizeof to,
                  timeout_s);
}

int dial_tcp(const struct address *a, unsigned timeout_s)
{
    struct sockaddr_storage to;
    socklen_t n = socket_address(a, a->family, &to);
    return finish(socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&to, n,
                  timeout_s);
}
