// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/utf8.h"

#define LOG_LINE_MAX  4096 // PIPE_BUF: a whole line or none
#define LOG_VALUE_MAX 1024

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_TEXT;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_setup(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

// The same escapes serve both formats: a text value is a JSON string where it needs quotes.
static void put_quoted(struct buf *b, struct slice s)
{
    s = slice_upto(s, LOG_VALUE_MAX);
    buf_byte(b, '"');
    while (s.n) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = utf8_sequence(s);
        if (c == '"' || c == '\\') {
            char two[2] = {'\\', (char)c};
            buf_put(b, slice_of(two, 2));
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(b, "\\u%04x", c);
        } else if (n == 0) {
            BUF_LIT(b, "\\ufffd");
        } else {
            buf_put(b, slice_of(s.p, n));
        }
        s = slice_from(s, n ? n : 1);
    }
    buf_byte(b, '"');
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return s.n > 0 && s.n <= LOG_VALUE_MAX;
}

static void put_field(struct buf *b, bool json, const char *key, struct slice value)
{
    if (json)
        buf_printf(b, ",\"%s\":", key);
    else
        buf_printf(b, " %s=", key);
    if (json || !is_plain(value))
        put_quoted(b, value);
    else
        buf_put(b, value);
}

// A log that cannot be written must not stop the service: a pipe that nobody reads would block its
// threads. A pipe that says it is writable takes PIPE_BUF bytes, which is a line's length at most.
static void write_line(const char *line, size_t n)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    pthread_mutex_lock(&writing); // two that see room for one line would make one of them wait
    bool ready = poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
    bool written = ready && write(STDERR_FILENO, line, n) == (ssize_t)n;
    pthread_mutex_unlock(&writing);
    if (!written)
        metric_add(METRIC_LOG_LOST, 0, 1);
}

void log_write(enum log_level level, const char *event, const char *message,
               const struct log_field *fields, size_t n)
{
    if (!log_wants(level))
        return;
    bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON;
    char line[LOG_LINE_MAX];
    struct buf b = buf_over(line, sizeof line - 2);
    BUF_LIT(&b, "");
    if (json)
        BUF_LIT(&b, "{\"time\":\"");
    buf_rfc3339(&b, clock_now_ms());
    if (json)
        buf_printf(&b, "\",\"level\":\"%s\"", level_names[level]);
    else
        buf_printf(&b, " %s", level_names[level]);
    put_field(&b, json, "event", slice_str(event));
    for (size_t i = 0; i < n; i++) {
        if (fields[i].value.n == 0)
            continue;
        struct buf before = b;
        put_field(&b, json, fields[i].key, fields[i].value);
        if (b.full)
            b = before; // too long: the field is left out whole
    }
    struct buf before = b;
    put_field(&b, json, "msg", slice_str(message));
    if (b.full)
        b = before;
    if (json)
        line[b.n++] = '}';
    line[b.n++] = '\n';
    write_line(line, b.n);
}

bool log_gate_open(struct log_gate *gate, int64_t now_ms, uint32_t burst, uint32_t *suppressed)
{
    int64_t second = now_ms / 1000;
    int64_t was = atomic_load_explicit(&gate->second, memory_order_relaxed);
    if (was != second && atomic_compare_exchange_strong(&gate->second, &was, second))
        atomic_store(&gate->passed, 0);
    if (atomic_fetch_add(&gate->passed, 1) < burst) {
        *suppressed = atomic_exchange(&gate->suppressed, 0);
        return true;
    }
    atomic_fetch_add(&gate->suppressed, 1);
    return false;
}
