// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <time.h>

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, slice_of(digits + at, sizeof digits - at));
}

void buf_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_byte(b, '-');
    buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_hex(struct buf *b, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        char two[2] = {digits[p[i] >> 4], digits[p[i] & 15]};
        buf_put(b, slice_of(two, 2));
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    if (b->full)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, ap);
    va_end(ap);
    // vsnprintf needs a byte for its NUL, so text that fits to the last byte counts as overflow.
    if (n < 0 || (size_t)n >= b->cap - b->n)
        b->full = true;
    else
        b->n += (size_t)n;
}

void buf_rfc3339(struct buf *b, int64_t ms)
{
    int64_t frac = ms % 1000;
    time_t s = (time_t)(ms / 1000);
    if (frac < 0) {
        frac += 1000;
        s--;
    }
    struct tm tm;
    if (!gmtime_r(&s, &tm)) {
        b->full = true;
        return;
    }
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)frac);
}
