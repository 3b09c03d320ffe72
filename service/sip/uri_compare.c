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

// <0, 0, >0; escapes as what they mean.
static int text_compare(struct slice a, struct slice b, bool with_case)
{
    while (a.n && b.n) {
        unsigned x = next_char(&a), y = next_char(&b);
        if (!with_case && x < 0x80 && y < 0x80) {
            x = (unsigned char)ascii_lower((char)x);
            y = (unsigned char)ascii_lower((char)y);
        }
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.n != 0) - (b.n != 0);
}

// FNV-1a; equal texts have equal ones, and nobody relies on the opposite.
static uint64_t text_hash(struct slice s, bool with_case)
{
    uint64_t hash = 0xcbf29ce484222325;
    while (s.n) {
        unsigned x = next_char(&s);
        if (!with_case && x < 0x80)
            x = (unsigned char)ascii_lower((char)x);
        hash = (hash ^ x) * 0x100000001b3;
    }
    return hash;
}

static bool text_equal(struct slice a, struct slice b, bool with_case)
{
    return slice_eq(a, b) || text_compare(a, b, with_case) == 0;
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

// ---- Sorting ------------------------------------------------------------------------------------

static int compare(uint64_t x, uint64_t y, struct slice a, struct slice b, bool with_case)
{
    if (x != y)
        return x < y ? -1 : 1;
    return slice_eq(a, b) ? 0 : text_compare(a, b, with_case);
}

// By name, and of headers by value too.
static int pair_compare(const struct uri_pair *a, const struct uri_pair *b, bool by_value)
{
    int by_name = compare(a->name_hash, b->name_hash, a->name, b->name, false);
    return by_name || !by_value ? by_name
                                : compare(a->value_hash, b->value_hash, a->value, b->value, true);
}

// The pairs of a list, at most URI_PARAMS_MAX, by name; those of one name stay in their order, or
// go by value. Binary insertion.
static size_t sort_pairs(struct slice list, char separator, bool by_value, struct uri_pair *out)
{
    size_t n = 0;
    while (list.n && n < URI_PARAMS_MAX) {
        struct uri_pair pair;
        next_pair(&list, separator, &pair.name, &pair.value);
        pair.name_hash = text_hash(pair.name, false);
        pair.value_hash = text_hash(pair.value, by_value);
        size_t low = 0, high = n;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (pair_compare(&out[middle], &pair, by_value) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        memmove(&out[low + 1], &out[low], (n - low) * sizeof *out);
        out[low] = pair;
        n++;
    }
    return n;
}

static struct slice params_of(const struct sip_uri *uri)
{
    return slice_from(uri->params, 1);
}

static size_t count(struct slice list, char separator)
{
    size_t n = list.n != 0;
    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == separator;
    return n < URI_PARAMS_MAX ? n : URI_PARAMS_MAX;
}

bool sip_uri_sort(const struct sip_uri *uri, struct arena *arena, struct sip_uri_sorted *out)
{
    size_t params = count(params_of(uri), ';'), headers = count(uri->headers, '&');
    struct uri_pair *pairs = NULL;
    *out = (struct sip_uri_sorted){.uri = *uri};
    if (params + headers == 0)
        return true;
    pairs = arena_alloc(arena, (params + headers) * sizeof *pairs);
    if (!pairs)
        return false;
    out->params = pairs;
    out->n_params = sort_pairs(params_of(uri), ';', false, pairs);
    out->headers = pairs + out->n_params;
    out->n_headers = sort_pairs(uri->headers, '&', true, pairs + out->n_params);
    return true;
}

// ---- sip and sips -------------------------------------------------------------------------------

// True when a parameter that both have is not the same, as far as hashes tell: this is what most
// pairs of unequal URIs end with.
static bool hashes_differ(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b)
{
    const struct uri_pair *x = a->params, *y = b->params;
    const struct uri_pair *x_end = x + a->n_params, *y_end = y + b->n_params;
    while (x < x_end && y < y_end) {
        if (x->name_hash != y->name_hash) {
            *(x->name_hash < y->name_hash ? &x : &y) += 1;
            continue;
        }
        if (x->value_hash != y->value_hash && text_equal(x->name, y->name, false))
            return true;
        x++, y++;
    }
    return false;
}

// What both have agrees, and what only one has may be ignored.
static bool params_agree(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b)
{
    size_t i = 0, k = 0;
    if (hashes_differ(a, b))
        return false;
    while (i < a->n_params || k < b->n_params) {
        int order = i == a->n_params   ? 1
                    : k == b->n_params ? -1
                                       : pair_compare(&a->params[i], &b->params[k], false);
        if (order == 0) {
            const struct uri_pair *x = &a->params[i++], *y = &b->params[k++];
            if (compare(x->value_hash, y->value_hash, x->value, y->value, false) != 0)
                return false;
        } else if (never_ignored(order < 0 ? a->params[i++].name : b->params[k++].name)) {
            return false;
        }
    }
    return true;
}

static bool headers_same(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b)
{
    if (a->n_headers != b->n_headers)
        return false;
    for (size_t i = 0; i < a->n_headers; i++)
        if (a->headers[i].value_hash != b->headers[i].value_hash)
            return false;
    for (size_t i = 0; i < a->n_headers; i++)
        if (pair_compare(&a->headers[i], &b->headers[i], true) != 0)
            return false;
    return true;
}

static bool same_address(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->port != b->port || a->has_user != b->has_user || a->has_password != b->has_password ||
        !text_equal(a->user, b->user, true) || !text_equal(a->password, b->password, true))
        return false;
    struct address x, y;
    bool a_literal = a->host.p[0] == '[' && sip_uri_address(a, &x);
    bool b_literal = b->host.p[0] == '[' && sip_uri_address(b, &y);
    return a_literal && b_literal ? address_same_host(&x, &y) : slice_ieq(a->host, b->host);
}

// ---- tel ----------------------------------------------------------------------------------------

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

// Of tel URIs no parameter is ignored.
static bool tel_params_same(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b)
{
    if (a->n_params != b->n_params)
        return false;
    for (size_t i = 0; i < a->n_params; i++) {
        const struct uri_pair *x = &a->params[i], *y = &b->params[i];
        bool number = slice_ieq(x->name, SLICE("ext")) || (x->value.n && x->value.p[0] == '+');
        if (pair_compare(x, y, false) != 0 ||
            !(number ? digits_equal(x->value, y->value) : text_equal(x->value, y->value, false)))
            return false;
    }
    return true;
}

static struct slice tel_number(const struct sip_uri *uri)
{
    return slice_upto(uri->rest, uri->rest.n - uri->params.n);
}

// ---- Both ---------------------------------------------------------------------------------------

bool sip_uri_sorted_equal(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b)
{
    const struct sip_uri *x = &a->uri, *y = &b->uri;
    if (x->scheme != y->scheme)
        return false;
    switch (x->scheme) {
    case URI_SIP:
    case URI_SIPS:
        return same_address(x, y) && params_agree(a, b) && headers_same(a, b);
    case URI_TEL:
        return digits_equal(tel_number(x), tel_number(y)) && tel_params_same(a, b);
    case URI_OTHER:
        break;
    }
    return slice_ieq(x->scheme_text, y->scheme_text) && slice_eq(x->rest, y->rest);
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    struct uri_pair pairs[4][URI_PARAMS_MAX];
    struct sip_uri_sorted x = {.uri = *a, .params = pairs[0], .headers = pairs[1]};
    struct sip_uri_sorted y = {.uri = *b, .params = pairs[2], .headers = pairs[3]};
    if (a->scheme == b->scheme && slice_eq(a->text, b->text))
        return true;
    x.n_params = sort_pairs(params_of(a), ';', false, pairs[0]);
    x.n_headers = sort_pairs(a->headers, '&', true, pairs[1]);
    y.n_params = sort_pairs(params_of(b), ';', false, pairs[2]);
    y.n_headers = sort_pairs(b->headers, '&', true, pairs[3]);
    return sip_uri_sorted_equal(&x, &y);
}
