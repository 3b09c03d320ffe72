// SPDX-License-Identifier: Apache-2.0
// See text.h.
#include "api/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define TEXT_FIRST 512

// ---- Bytes -------------------------------------------------------------------------------------

void text_init(struct text *t, size_t max)
{
    *t = (struct text){.max = max};
}

void text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){.max = t->max};
}

static bool text_grow(struct text *t, size_t n)
{
    if (t->bad || n > t->max - t->n) {
        t->bad = true;
        return false;
    }
    size_t cap = t->cap ? t->cap : TEXT_FIRST;
    while (cap - t->n < n)
        cap = cap > t->max / 2 ? t->max : cap * 2;
    char *p = realloc(t->p, cap);
    if (!p) {
        t->bad = true;
        return false;
    }
    t->p = p;
    t->cap = cap;
    return true;
}

// Room for n more bytes; false (and bad) where there is none.
static inline bool text_room(struct text *t, size_t n)
{
    return (!t->bad && n <= t->cap - t->n) || text_grow(t, n);
}

void text_put(struct text *t, struct slice s)
{
    if (s.n == 0 || !text_room(t, s.n))
        return;
    memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
}

static inline void text_byte(struct text *t, char c)
{
    if (text_room(t, 1))
        t->p[t->n++] = c;
}

void text_printf(struct text *t, const char *fmt, ...)
{
    char small[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        t->bad = true;
    else if ((size_t)n < sizeof small)
        text_put(t, slice_of(small, (size_t)n));
    else if (text_room(t, (size_t)n + 1)) // vsnprintf's NUL, not counted
        t->n += (size_t)vsnprintf(t->p + t->n, (size_t)n + 1, fmt, again);
    va_end(again);
}

// ---- JSON --------------------------------------------------------------------------------------

static inline void comma(struct text *t)
{
    if (t->comma)
        text_byte(t, ',');
    t->comma = true;
}

void json_open(struct text *t, char bracket)
{
    comma(t);
    text_byte(t, bracket);
    t->comma = false;
}

void json_close(struct text *t, char bracket)
{
    text_byte(t, bracket);
    t->comma = true;
}

// One ASCII character that cannot stand in a JSON string as it is.
static void escape(struct text *t, unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if ((unsigned char)names[i] == c) {
            text_byte(t, '\\');
            text_byte(t, names[i + 1]);
            return;
        }
    text_printf(t, "\\u%04x", (unsigned)c);
}

// What stands in a JSON string as it is.
static inline bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

// Bytes of `word` that are zero have their top bit set, and perhaps others above such a one.
static inline uint64_t zero_bytes(uint64_t word)
{
    return (word - 0x0101010101010101) & ~word & 0x8080808080808080;
}

// How many characters from the first on are plain; eight at a time.
static size_t plain_run(struct slice s)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    size_t n = 0;
    for (uint64_t w; s.n - n >= sizeof w; n += sizeof w) {
        memcpy(&w, s.p + n, sizeof w);
        uint64_t control = (w - ones * 0x20) & ~w & tops;
        if (control | (w & tops) | zero_bytes(w ^ ones * '"') | zero_bytes(w ^ ones * '\\') |
            zero_bytes(w ^ ones * 0x7F))
            break;
    }
    while (n < s.n && plain((unsigned char)s.p[n]))
        n++;
    return n;
}

// From the first character on that is not plain. What needs no escape is copied in runs.
static void quoted_rest(struct text *t, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t from = 0, i = 0;
    while (i < s.n) {
        size_t len = plain(p[i]) ? 1 : utf8_sequence(slice_from(s, i));
        if (len > 1 || (len && plain(p[i]))) {
            i += len;
            continue;
        }
        text_put(t, slice_of(s.p + from, i - from));
        if (len)
            escape(t, p[i]);
        else
            TEXT_LIT(t, "\xEF\xBF\xBD");
        from = ++i;
    }
    text_put(t, slice_from(s, from));
    text_byte(t, '"');
}

// With its quotes, without a comma. Nearly all strings are plain from end to end.
static void quoted(struct text *t, struct slice s)
{
    size_t n = plain_run(s);
    if (!text_room(t, n + 2))
        return;
    char *at = t->p + t->n;
    *at++ = '"';
    if (n)
        memcpy(at, s.p, n);
    at[n] = '"';
    t->n += n + 1 + (n == s.n);
    if (n < s.n)
        quoted_rest(t, slice_from(s, n));
}

void json_key(struct text *t, const char *key)
{
    struct slice name = slice_str(key);
    size_t comma_due = t->comma;
    t->comma = false;
    if (!text_room(t, name.n + 4))
        return;
    char *at = t->p + t->n;
    if (comma_due)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name.p, name.n);
    at[name.n] = '"';
    at[name.n + 1] = ':';
    t->n += name.n + 3 + comma_due;
}

void json_data_key(struct text *t, struct slice key)
{
    comma(t);
    quoted(t, key);
    text_byte(t, ':');
    t->comma = false;
}

void json_string(struct text *t, struct slice s)
{
    comma(t);
    quoted(t, s);
}

void json_raw(struct text *t, struct slice json)
{
    comma(t);
    text_put(t, json);
}

void json_u64(struct text *t, uint64_t v)
{
    char digits[24];
    struct buf b = buf_over(digits, sizeof digits);
    buf_u64(&b, v);
    json_raw(t, buf_slice(&b));
}

void json_i64(struct text *t, int64_t v)
{
    char digits[24];
    struct buf b = buf_over(digits, sizeof digits);
    buf_i64(&b, v);
    json_raw(t, buf_slice(&b));
}

void json_bool(struct text *t, bool v)
{
    json_raw(t, v ? SLICE("true") : SLICE("false"));
}

void json_null(struct text *t)
{
    json_raw(t, SLICE("null"));
}

void json_time(struct text *t, int64_t ms)
{
    char time[40];
    struct buf b = buf_over(time, sizeof time);
    buf_rfc3339(&b, ms);
    if (b.full)
        t->bad = true;
    json_string(t, buf_slice(&b));
}
