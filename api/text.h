// SPDX-License-Identifier: Apache-2.0
// A text that grows, up to a bound, and the writer of JSON on top of it: hot answers are written by
// hand, without a tree. Errors are sticky: write everything, check `bad` once.
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "base/utf8.h"

struct text {
    char *p; // malloc'ed
    size_t n, cap, max;
    bool bad;   // no memory, or `max` reached
    bool comma; // JSON: the next value or name in this container wants a comma before it
};

// Nothing is allocated before the first byte. `max` bounds it.
void text_init(struct text *t, size_t max);
void text_free(struct text *t);
void text_put(struct text *t, struct slice s);
#define TEXT_LIT(t, lit) text_put((t), SLICE(lit))
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice text_slice(const struct text *t)
{
    return slice_of(t->p, t->n);
}

// jansson has functions of two of the names below. Ours get symbols of their own, so that neither
// library's stands in for the other's at link time.
#define TEXT_SYMBOL(name) __asm__("text_" #name)

// ---- JSON: each adds the comma that is due. Keys are literals of ours and are not escaped. -----
void json_open(struct text *t, char bracket); // '{' or '['
void json_close(struct text *t, char bracket);
void json_key(struct text *t, const char *key);
// UTF-8; what is not valid UTF-8 becomes U+FFFD; control characters are escaped.
void json_string(struct text *t, struct slice s) TEXT_SYMBOL(json_string);
void json_u64(struct text *t, uint64_t v);
void json_i64(struct text *t, int64_t v);
void json_bool(struct text *t, bool v);
void json_null(struct text *t) TEXT_SYMBOL(json_null);
// Milliseconds since 1970 as RFC 3339 UTC.
void json_time(struct text *t, int64_t ms);
// A whole JSON value, made elsewhere.
void json_raw(struct text *t, struct slice json);
// A key (any text, escaped) of an object whose keys are data: labels, contact parameters.
void json_data_key(struct text *t, struct slice key);
