// SPDX-License-Identifier: Apache-2.0
// The pieces that SIP's header values are made of: lists, parameters, quoted strings, tokens.
#include "service/sip/values.h"

#include "service/sip/chars.h"

#define MALFORMED_EXPIRES 3600

size_t quoted_end(struct slice s, size_t at)
{
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++; // a quoted pair may be any byte (RFC 3261 section 25.1)
        else if (s.p[i] == '"')
            return i + 1;
        else if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
            return 0;
    }
    return 0;
}

bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!char_is(s.p[i], CHAR_TOKEN))
            return false;
    return s.n != 0;
}

uint32_t expires_value(struct slice s)
{
    uint64_t v;
    return slice_to_u64(s, UINT32_MAX, &v) ? (uint32_t)v : MALFORMED_EXPIRES;
}

enum step list_next(struct slice *rest, struct slice *item)
{
    struct slice s = *rest;
    if (s.n == 0)
        return STEP_END;
    *item = s;
    // The usual list has one item; its quotes and brackets are its own parser's business.
    size_t i = slice_find(s, ',') == s.n ? s.n : 0;
    while (i < s.n && s.p[i] != ',') {
        if (s.p[i] == '"') {
            i = quoted_end(s, i);
            if (i == 0)
                return STEP_BAD;
        } else if (s.p[i] == '<') {
            i += slice_find(slice_from(s, i), '>');
            if (i == s.n)
                return STEP_BAD;
            i++;
        } else {
            i++;
        }
    }
    *item = slice_trim(slice_upto(s, i));
    *rest = slice_from(s, i + 1);
    // an empty item behind the last comma must not look like the end
    return i + 1 == s.n ? STEP_BAD : STEP_OK;
}

static size_t skip_blanks(struct slice s, size_t i)
{
    while (i < s.n && char_blank(s.p[i]))
        i++;
    return i;
}

enum step param_next(struct slice *rest, struct param *out)
{
    struct slice s = *rest;
    size_t i = skip_blanks(s, 0), start = i;
    if (i == s.n)
        return STEP_END;
    if (s.p[i] != ';')
        return STEP_BAD;
    i = skip_blanks(s, i + 1);
    size_t from = i;
    while (i < s.n && char_is(s.p[i], CHAR_TOKEN))
        i++;
    if (i == from)
        return STEP_BAD;
    out->name = slice_of(s.p + from, i - from);
    out->value = slice_of(s.p + i, 0);
    size_t end = i;
    i = skip_blanks(s, i);
    if (i < s.n && s.p[i] == '=') {
        i = skip_blanks(s, i + 1);
        from = i;
        if (i < s.n && s.p[i] == '"') {
            i = quoted_end(s, i);
            if (i == 0)
                return STEP_BAD;
        } else {
            while (i < s.n && char_is(s.p[i], CHAR_PARAM))
                i++;
        }
        out->value = slice_of(s.p + from, i - from);
        end = i;
    }
    out->whole = slice_of(s.p + start, end - start);
    *rest = slice_from(s, end);
    return STEP_OK;
}
