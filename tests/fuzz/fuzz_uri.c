// SPDX-License-Identifier: Apache-2.0
// Two URIs, one a line: parts lie within the text, equality is reflexive and symmetric, and equal
// ones agree in what never may differ.
#include "service/sip/uri.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct sip_uri *u, struct slice text)
{
    const struct slice parts[] = {u->scheme_text, u->user,    u->password, u->host,
                                  u->params,      u->headers, u->rest};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        HOLD(parts[i].n == 0 ||
             (parts[i].p >= text.p && parts[i].p + parts[i].n <= text.p + text.n));
    HOLD(sip_uri_equal(u, u));
    struct slice value;
    struct address a;
    sip_uri_param(u, SLICE("transport"), &value);
    if (u->scheme == URI_SIP || u->scheme == URI_SIPS) {
        HOLD(sip_host_valid(u->host));
        if (u->host.p[0] == '[')
            HOLD(sip_uri_address(u, &a));
    }
    char out[64];
    size_t n;
    sip_unescape(u->user, out, sizeof out, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = input(data, size), a = slice_upto(all, slice_find(all, '\n'));
    struct slice b = slice_from(all, a.n + 1);
    struct sip_uri x, y;
    bool first = sip_uri_parse(a, &x), second = sip_uri_parse(b, &y);
    if (first)
        check(&x, a);
    if (second)
        check(&y, b);
    if (!first || !second)
        return 0;
    bool equal = sip_uri_equal(&x, &y);
    HOLD(equal == sip_uri_equal(&y, &x));
    if (equal)
        HOLD(x.scheme == y.scheme && x.port == y.port && x.has_user == y.has_user &&
             x.has_password == y.has_password);
    return 0;
}
