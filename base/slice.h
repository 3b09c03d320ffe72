// SPDX-License-Identifier: Apache-2.0
// A slice: bytes that somebody else owns. Never NUL-terminated, may hold any byte.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE_NONE ((struct slice){NULL, 0})
// A slice of a string literal.
#define SLICE(lit) ((struct slice){"" lit, sizeof(lit) - 1})
// For printf: "%.*s", SLICE_FMT(s)
#define SLICE_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){p, n};
}

// A slice of a C string (NULL gives SLICE_NONE).
static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// ASCII letters only: SIP's and HTTP's tokens are ASCII, and a locale must not change what is
// equal.
static inline char ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    if (a.n == 0 || memcmp(a.p, b.p, a.n) == 0) // nearly always the same case
        return true;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_istarts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_ieq(slice_of(s.p, prefix.n), prefix);
}

// <0, 0, >0 by bytes, the shorter first where one is the other's prefix: LMDB's order of keys.
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;
    return r ? r : (a.n > b.n) - (a.n < b.n);
}

// The part from `from` on; empty where `from` is past the end.
static inline struct slice slice_from(struct slice s, size_t from)
{
    return from >= s.n ? slice_of(s.p ? s.p + s.n : NULL, 0) : slice_of(s.p + from, s.n - from);
}

static inline struct slice slice_upto(struct slice s, size_t n)
{
    return slice_of(s.p, n < s.n ? n : s.n);
}

// Index of the first `c`, or s.n.
static inline size_t slice_find(struct slice s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

// Without the blanks, tabs, CRs and LFs at both ends (SIP's LWS, folding included).
static inline struct slice slice_trim(struct slice s)
{
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a slice with bytes has a pointer
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r' ||
                   s.p[s.n - 1] == '\n'))
        s.n--;
    return s;
}

// Decimal digits only, no sign, no blanks; false when empty, not a number, or above `max`.
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out);
