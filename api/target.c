// SPDX-License-Identifier: Apache-2.0
#include "api/target.h"

#include "base/utf8.h"

struct slice target_path(struct slice target)
{
    if (target.n && target.p[0] != '/') { // absolute form: http://host/path
        for (size_t i = 0; i + 2 < target.n; i++)
            if (memcmp(target.p + i, "://", 3) == 0) {
                struct slice rest = slice_from(target, i + 3);
                struct slice path = slice_from(rest, slice_find(rest, '/'));
                target = path.n ? path : SLICE("/");
                break;
            }
    }
    return slice_upto(target, slice_find(target, '?'));
}

struct slice target_query(struct slice target)
{
    return slice_from(target, slice_find(target, '?') + 1);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool target_decode(struct slice raw, bool plus_is_blank, struct arena *arena, struct slice *out,
                   const char **why)
{
    char *p = arena_alloc(arena, raw.n + 1);
    size_t n = 0;
    *why = "there is not enough memory";
    if (!p)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '%') {
            int high = i + 2 < raw.n ? hex_value(raw.p[i + 1]) : -1;
            int low = i + 2 < raw.n ? hex_value(raw.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                *why = "a percent sign is not followed by two hexadecimal digits";
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0') {
            *why = "it holds a NUL";
            return false;
        }
        p[n++] = c;
    }
    *out = slice_of(p, n);
    *why = "it is not valid UTF-8";
    return utf8_valid(*out);
}

bool path_decode(struct slice raw_path, struct arena *arena, struct path *out, const char **why)
{
    struct slice rest = slice_from(raw_path, 1);
    out->n = 0;
    for (;;) {
        size_t n = slice_find(rest, '/');
        if (out->n == SEGMENTS_MAX) {
            out->n++;
            return true;
        }
        if (!target_decode(slice_upto(rest, n), false, arena, &out->segments[out->n], why))
            return false;
        out->n++;
        if (n == rest.n)
            return true;
        rest = slice_from(rest, n + 1);
    }
}

static bool argument_decode(struct slice part, struct arena *arena, struct query_arg *out,
                            const char **why)
{
    size_t n = slice_find(part, '=');
    return target_decode(slice_upto(part, n), true, arena, &out->name, why) &&
           target_decode(slice_from(part, n + 1), true, arena, &out->value, why);
}

bool query_decode(struct slice raw, struct arena *arena, struct query_arg *out, size_t max,
                  size_t *n, const char **why, struct slice *what)
{
    *n = 0;
    while (raw.n) {
        struct slice part = slice_upto(raw, slice_find(raw, '&'));
        raw = slice_from(raw, part.n + 1);
        if (part.n == 0)
            continue;
        *what = slice_upto(part, slice_find(part, '='));
        *why = "there are too many arguments";
        if (*n == max || !argument_decode(part, arena, &out[*n], why))
            return false;
        *what = out[*n].name;
        for (size_t i = 0; i < *n; i++)
            if (slice_eq(out[i].name, out[*n].name)) {
                *why = "it is given twice";
                return false;
            }
        (*n)++;
    }
    return true;
}

bool word_in(const char *list, struct slice name)
{
    struct slice rest = slice_str(list);
    while (rest.n) {
        struct slice word = slice_upto(rest, slice_find(rest, ' '));
        if (name.n && slice_eq(word, name))
            return true;
        rest = slice_from(rest, word.n + 1);
    }
    return false;
}
