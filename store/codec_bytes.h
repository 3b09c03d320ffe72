// SPDX-License-Identifier: Apache-2.0
// The alphabet of the codec: bytes, variable-length numbers (LEB128, at most 10 bytes), texts with
// their length in front. Reading never leaves the bounds, and a fault is sticky.
#pragma once

#include "base/buf.h"
#include "base/slice.h"

struct dec {
    const unsigned char *p, *end;
    bool bad;
};

static inline void enc_u8(struct buf *b, unsigned v)
{
    buf_byte(b, (char)(unsigned char)v);
}

static inline void enc_num(struct buf *b, uint64_t v)
{
    char out[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (char)(unsigned char)(v | 0x80);
    out[n++] = (char)(unsigned char)v;
    buf_put(b, slice_of(out, n));
}

// Zigzag: small negative numbers stay short.
static inline void enc_int(struct buf *b, int64_t v)
{
    enc_num(b, ((uint64_t)v << 1) ^ (uint64_t)(v < 0 ? -1 : 0));
}

static inline void enc_text(struct buf *b, struct slice s)
{
    enc_num(b, s.n);
    buf_put(b, s);
}

static inline unsigned dec_u8(struct dec *d)
{
    if (d->p == d->end) {
        d->bad = true;
        return 0;
    }
    return *d->p++;
}

static inline uint64_t dec_num(struct dec *d)
{
    uint64_t v = 0;
    if (d->p < d->end && *d->p < 0x80) // most are small
        return *d->p++;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        unsigned c = dec_u8(d);
        if (shift == 63 && c > 1)
            break;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return v;
    }
    d->bad = true;
    return 0;
}

// A number that is at most `max`.
static inline uint64_t dec_upto(struct dec *d, uint64_t max)
{
    uint64_t v = dec_num(d);
    if (v > max) {
        d->bad = true;
        return 0;
    }
    return v;
}

static inline int64_t dec_int(struct dec *d)
{
    uint64_t v = dec_num(d);
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

static inline struct slice dec_bytes(struct dec *d, uint64_t n)
{
    if (n > (uint64_t)(d->end - d->p)) {
        d->bad = true;
        return SLICE_NONE;
    }
    struct slice s = slice_of((const char *)d->p, (size_t)n);
    d->p += n;
    return s;
}

static inline struct slice dec_text(struct dec *d)
{
    return dec_bytes(d, dec_num(d));
}
