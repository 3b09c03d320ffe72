// SPDX-License-Identifier: Apache-2.0
// Equality of URIs: RFC 3261 section 19.1.4 for sip and sips, RFC 3966 section 4 for tel. It is not
// transitive, so it can be no hash key: callers compare pairs within one address of record.
#include "service/sip/uri.h"

#include "service/sip/chars.h"

#define ESCAPED_RESERVED 0x100u // %3B is not ';', but %61 is 'a'

static unsigned next_char(struct slice *s)
{
    unsigned char c = (unsigned char)*s->p;
    char decoded;
    size_t n;
    if (c != '%' || s->n < 3 || !sip_unescape(slice_upto(*s, 3), &decoded, 1, &n)) {
        *s = slice_from(*s, 1);
        return c;
    }
    *s = slice_from(*s, 3);
    c = (unsigned char)decoded;
    return char_is(decoded, CHAR_RESERVED) ? c | ESCAPED_RESERVED : c;
}

static bool text_equal(struct slice a, struct slice b, bool with_case)
{
    while (a.n && b.n) {
        unsigned x = next_char(&a), y = next_char(&b);
        if (!with_case && x < 0x80 && y < 0x80) {
            x = (unsigned char)ascii_lower((char)x);
            y = (unsigned char)ascii_lower((char)y);
        }
        if (x != y)
            return false;
    }
    return a.n == 0 && b.n == 0;
}

// Takes the next name[=value] off the list.
static void next_pair(struct slice *list, char separator, struct slice *name, struct slice *value)
{
    size_t end = slice_find(*list, separator);
    struct slice pair = slice_upto(*list, end);
    size_t eq = slice_find(pair, '=');
    *name = slice_upto(pair, eq);
    *value = slice_from(pair, eq + 1);
    *list = slice_from(*list, end + 1);
}

// Parameters that count even when only one URI has them. The text of the section exempts transport,
// its example (sip:bob@biloxi.com and sip:bob@biloxi.com;transport=udp) does not: the example
// holds.
static bool never_ignored(struct slice name)
{
    return slice_ieq(name, SLICE("user")) || slice_ieq(name, SLICE("ttl")) ||
           slice_ieq(name, SLICE("method")) || slice_ieq(name, SLICE("maddr")) ||
           slice_ieq(name, SLICE("transport"));
}

// Each parameter of `a` agrees with that of `b`.
static bool params_agree(struct slice a, struct slice b)
{
    struct slice name, value, other_name, other_value;
    a = slice_from(a, 1);
    while (a.n) {
        bool found = false;
        next_pair(&a, ';', &name, &value);
        for (struct slice rest = slice_from(b, 1); rest.n && !found;) {
            next_pair(&rest, ';', &other_name, &other_value);
            found = text_equal(name, other_name, false);
        }
        if (found ? !text_equal(value, other_value, false) : never_ignored(name))
            return false;
    }
    return true;
}

// Each header of `a` is in `b`.
static bool headers_in(struct slice a, struct slice b)
{
    struct slice name, value, other_name, other_value;
    while (a.n) {
        bool found = false;
        next_pair(&a, '&', &name, &value);
        for (struct slice rest = b; rest.n && !found;) {
            next_pair(&rest, '&', &other_name, &other_value);
            found = text_equal(name, other_name, false) && text_equal(value, other_value, true);
        }
        if (!found)
            return false;
    }
    return true;
}

static bool sip_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->port != b->port || a->has_user != b->has_user || a->has_password != b->has_password ||
        !text_equal(a->user, b->user, true) || !text_equal(a->password, b->password, true))
        return false;
    struct address x, y;
    bool a_literal = a->host.p[0] == '[' && sip_uri_address(a, &x);
    bool b_literal = b->host.p[0] == '[' && sip_uri_address(b, &y);
    if (a_literal && b_literal ? !address_same_host(&x, &y) : !slice_ieq(a->host, b->host))
        return false;
    return params_agree(a->params, b->params) && params_agree(b->params, a->params) &&
           headers_in(a->headers, b->headers) && headers_in(b->headers, a->headers);
}

static bool visual_separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

static bool digits_equal(struct slice a, struct slice b)
{
    for (;;) {
        while (a.n && visual_separator(a.p[0]))
            a = slice_from(a, 1);
        while (b.n && visual_separator(b.p[0]))
            b = slice_from(b, 1);
        if (a.n == 0 || b.n == 0)
            return a.n == b.n;
        if (ascii_lower(a.p[0]) != ascii_lower(b.p[0]))
            return false;
        a = slice_from(a, 1);
        b = slice_from(b, 1);
    }
}

// Each parameter of `a` is in `b`: of tel URIs none is ignored.
static bool tel_params_in(struct slice a, struct slice b)
{
    struct slice name, value, other_name, other_value;
    a = slice_from(a, 1);
    while (a.n) {
        bool found = false;
        next_pair(&a, ';', &name, &value);
        bool number = slice_ieq(name, SLICE("ext")) || (value.n && value.p[0] == '+');
        for (struct slice rest = slice_from(b, 1); rest.n && !found;) {
            next_pair(&rest, ';', &other_name, &other_value);
            found =
                text_equal(name, other_name, false) &&
                (number ? digits_equal(value, other_value) : text_equal(value, other_value, false));
        }
        if (!found)
            return false;
    }
    return true;
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    if (slice_eq(a->text, b->text)) // even with a parameter that is there twice, which agrees with
        return true;                // nothing else
    if (a->scheme == URI_SIP || a->scheme == URI_SIPS)
        return sip_equal(a, b);
    if (a->scheme == URI_TEL)
        return digits_equal(slice_upto(a->rest, a->rest.n - a->params.n),
                            slice_upto(b->rest, b->rest.n - b->params.n)) &&
               tel_params_in(a->params, b->params) && tel_params_in(b->params, a->params);
    return slice_ieq(a->scheme_text, b->scheme_text) && slice_eq(a->rest, b->rest);
}
