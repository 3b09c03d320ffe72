// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>

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
    if (b->full || n > (b->cap - b->n) / 2) {
        b->full = true;
        return;
    }
    char *to = b->p + b->n;
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = digits[p[i] >> 4];
        to[2 * i + 1] = digits[p[i] & 15];
    }
    b->n += 2 * n;
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

static void put_digits(char *at, unsigned n, unsigned v)
{
    while (n--) {
        at[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

// By hand, for a page of the API has thousands of them, and gmtime_r() with printf is slow. The
// years of the calculation begin in March, so that the leap day is their last.
void buf_rfc3339(struct buf *b, int64_t ms)
{
    int64_t days = ms / 86400000, rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    days += 719468; // from 0000-03-01
    if (days < 306 || days > 3652364) {
        b->full = true; // RFC 3339 has years of four digits only
        return;
    }
    unsigned era = (unsigned)days / 146097, of_era = (unsigned)days % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned day = of_era - (365 * year + year / 4 - year / 100);
    unsigned march = (5 * day + 2) / 153, month = march < 10 ? march + 3 : march - 9;
    unsigned of_day = (unsigned)rest;
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, 4, year + era * 400 + (month <= 2));
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, day - (153 * march + 2) / 5 + 1);
    put_digits(text + 11, 2, of_day / 3600000);
    put_digits(text + 14, 2, of_day / 60000 % 60);
    put_digits(text + 17, 2, of_day / 1000 % 60);
    put_digits(text + 20, 3, of_day % 1000);
    buf_put(b, slice_of(text, sizeof text - 1));
}
