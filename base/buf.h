// SPDX-License-Identifier: Apache-2.0
// A bounded writer over the caller's memory. Overflow is sticky: write everything, check once.
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    char *p;
    size_t n; // bytes written
    size_t cap;
    bool full; // something did not fit; what is there is whole up to then
};

static inline struct buf buf_over(void *p, size_t cap)
{
    return (struct buf){.p = p, .cap = cap};
}

static inline void buf_put(struct buf *b, struct slice s)
{
    if (b->full || s.n > b->cap - b->n) {
        b->full = true;
        return;
    }
    if (s.n)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

static inline void buf_byte(struct buf *b, char c)
{
    buf_put(b, slice_of(&c, 1));
}

#define BUF_LIT(b, lit) buf_put((b), SLICE(lit))

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
// Lower-case hex of n bytes.
void buf_hex(struct buf *b, const void *bytes, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// RFC 3339 UTC with milliseconds, e.g. 2026-11-23T08:26:00.123Z; `ms` is milliseconds since 1970.
// Full for what is not in the years 1 to 9999.
void buf_rfc3339(struct buf *b, int64_t ms);
