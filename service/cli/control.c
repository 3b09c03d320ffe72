// SPDX-License-Identifier: Apache-2.0
#include "service/cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "service/net/dial.h"

#define TIMEOUT_S 60

enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

struct control {
    int fd;
    enum framing framing;
    uint64_t left; // of the body, or of the chunk
    bool first_chunk, ended;
    size_t n, at; // of `buffer`
    char buffer[65536];
};

static struct control *wrap(int fd)
{
    struct control *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
    if (!c && fd >= 0)
        close(fd);
    else if (c)
        c->fd = fd;
    return c;
}

struct control *control_open(const char *path)
{
    return wrap(dial_unix(path, TIMEOUT_S));
}

struct control *control_open_tcp(const struct address *a)
{
    return wrap(dial_tcp(a, TIMEOUT_S));
}

void control_close(struct control *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c);
}

void control_patience(struct control *c, unsigned seconds)
{
    dial_patience(c->fd, seconds);
}

static bool write_all(struct control *c, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = write(c->fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}

bool control_request(struct control *c, const char *method, const char *target, const char *bearer,
                     const char *content_type, bool has_body)
{
    char head[2048];
    struct buf b = buf_over(head, sizeof head);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method, target);
    if (bearer)
        buf_printf(&b, "Authorization: Bearer %s\r\n", bearer);
    if (content_type)
        buf_printf(&b, "Content-Type: %s\r\n", content_type);
    if (has_body)
        BUF_LIT(&b, "Transfer-Encoding: chunked\r\n");
    else if (strcmp(method, "GET") != 0)
        BUF_LIT(&b, "Content-Length: 0\r\n");
    BUF_LIT(&b, "\r\n");
    return !b.full && write_all(c, buf_slice(&b));
}

bool control_write(struct control *c, struct slice bytes)
{
    char size[24];
    struct buf b = buf_over(size, sizeof size);
    if (bytes.n == 0)
        return true;
    buf_printf(&b, "%zx\r\n", bytes.n);
    return write_all(c, buf_slice(&b)) && write_all(c, bytes) && write_all(c, SLICE("\r\n"));
}

bool control_end(struct control *c)
{
    return write_all(c, SLICE("0\r\n\r\n"));
}

static bool fill(struct control *c)
{
    ssize_t n;
    do
        n = read(c->fd, c->buffer, sizeof c->buffer);
    while (n < 0 && errno == EINTR);
    c->at = 0;
    c->n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

// A line without its end into `out`, cut where it is longer; false at the end of the connection.
static bool read_line(struct control *c, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        if (c->at == c->n && !fill(c))
            return false;
        char ch = c->buffer[c->at++];
        if (ch == '\n')
            break;
        if (n + 1 < size && ch != '\r')
            out[n++] = ch;
    }
    out[n] = '\0';
    return true;
}

// "HTTP/1.1 200 OK" -> 200; 0 where it is no status line.
static unsigned status_of(const char *line)
{
    struct slice s = slice_str(line);
    uint64_t status;
    bool good = slice_starts(s, SLICE("HTTP/1.")) && s.n >= 12 && s.p[8] == ' ' &&
                slice_to_u64(slice_of(s.p + 9, 3), 999, &status);
    return good ? (unsigned)status : 0;
}

unsigned control_status(struct control *c)
{
    char line[1024];
    unsigned status;
    do {
        if (!read_line(c, line, sizeof line) || !(status = status_of(line)))
            return 0;
        c->framing = FRAMING_CLOSE;
        while (read_line(c, line, sizeof line) && *line) {
            if (strncasecmp(line, "Content-Length:", 15) == 0) {
                c->framing = FRAMING_LENGTH;
                c->left = strtoull(line + 15, NULL, 10);
            } else if (strcasecmp(line, "Transfer-Encoding: chunked") == 0) {
                c->framing = FRAMING_CHUNKED;
                c->left = 0;
                c->first_chunk = true;
            }
        }
    } while (status == 100);
    return status;
}

// The size line of the next chunk; false when it is broken.
static bool next_chunk(struct control *c)
{
    char line[64];
    if (!c->first_chunk && !read_line(c, line, sizeof line))
        return false;
    c->first_chunk = false;
    if (!read_line(c, line, sizeof line))
        return false;
    c->left = strtoull(line, NULL, 16);
    c->ended = c->left == 0;
    return true;
}

ssize_t control_read(struct control *c, char *out, size_t size)
{
    if (c->framing == FRAMING_CHUNKED && c->left == 0 && !c->ended && !next_chunk(c))
        return -1;
    if (c->ended || (c->framing == FRAMING_LENGTH && c->left == 0))
        return 0;
    if (c->at == c->n && !fill(c))
        return c->framing == FRAMING_CLOSE ? 0 : -1;
    size_t n = c->n - c->at;
    if (c->framing != FRAMING_CLOSE && n > c->left)
        n = (size_t)c->left;
    if (n > size)
        n = size;
    memcpy(out, c->buffer + c->at, n);
    c->at += n;
    if (c->framing != FRAMING_CLOSE)
        c->left -= n;
    return (ssize_t)n;
}
