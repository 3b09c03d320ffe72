// SPDX-License-Identifier: Apache-2.0
// URIs taken apart in place (RFC 3261 section 19.1.1, RFC 5118), one pass over the text.
#include "service/sip/uri.h"

#include "service/sip/chars.h"

#define HOST_MAX 254 // a name of 253 with its trailing dot

// Bytes of `classes` and whole %HH escapes.
static bool all_of(struct slice s, unsigned classes)
{
    for (size_t i = 0; i < s.n; i++) {
        if (char_is(s.p[i], classes))
            continue;
        if (s.p[i] != '%' || s.n - i < 3 || !char_is(s.p[i + 1], CHAR_HEX) ||
            !char_is(s.p[i + 2], CHAR_HEX))
            return false;
        i += 2;
    }
    return true;
}

// RFC 5118 section 4.10: the grammar of RFC 3261 let ":::" before an embedded IPv4 address pass, so
// it is read as "::".
static bool literal_address(struct slice host, struct address *out)
{
    char text[ADDRESS_TEXT_MAX];
    if (address_parse(host, out)) // in brackets it takes IPv6 only, mapped IPv4 among it
        return true;
    if (host.n >= sizeof(text))
        return false;
    for (size_t i = 0; i + 3 <= host.n; i++) {
        if (memcmp(host.p + i, ":::", 3) != 0)
            continue;
        memcpy(text, host.p, i);
        memcpy(text + i, host.p + i + 1, host.n - i - 1);
        return address_parse(slice_of(text, host.n - 1), out);
    }
    return false;
}

// Four numbers of up to three digits and no more than 255.
static bool dotted_quad(struct slice s)
{
    unsigned dots = 0, value = 0, digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.') {
            if (digits == 0 || ++dots > 3)
                return false;
            value = digits = 0;
            continue;
        }
        if (!ascii_digit(s.p[i]) || (digits && value == 0))
            return false; // a leading zero is octal to some
        value = value * 10 + (unsigned)(s.p[i] - '0');
        if (++digits > 3 || value > 255)
            return false;
    }
    return dots == 3 && digits != 0;
}

bool sip_host_valid(struct slice host)
{
    struct address ignored;
    if (host.n == 0 || host.n > HOST_MAX)
        return false;
    if (host.p[0] == '[')
        return literal_address(host, &ignored);
    if (ascii_digit(host.p[0]) && dotted_quad(host))
        return true;
    size_t last = 0; // where the last label that is not empty begins
    for (size_t label = 0, end; label < host.n; label = end + 1) {
        for (end = label; end < host.n && host.p[end] != '.'; end++)
            if (!char_is(host.p[end], CHAR_HOST))
                return false;
        if (end == label || end - label > 63 || host.p[label] == '-' || host.p[end - 1] == '-')
            return false; // the root's empty label, behind the last dot, is not met here
        last = label;
    }
    // A name whose last label begins with a digit and is a number is an address or nothing.
    if (!ascii_digit(host.p[last]))
        return true;
    for (size_t i = last; i < host.n; i++)
        if (!ascii_digit(host.p[i]))
            return host.p[i] != '.';
    return false; // a dotted quad was seen above
}

static bool host_port(struct slice s, struct sip_uri *out)
{
    size_t end;
    if (s.n && s.p[0] == '[') {
        end = slice_find(s, ']');
        if (end == s.n)
            return false;
        end++;
    } else {
        end = slice_find(s, ':');
    }
    out->host = slice_upto(s, end);
    out->port = 0;
    if (end < s.n) {
        uint64_t port;
        if (s.p[end] != ':' || s.n - end > 6 ||
            !slice_to_u64(slice_from(s, end + 1), UINT16_MAX, &port) || port == 0)
            return false;
        out->port = (uint16_t)port;
    }
    return sip_host_valid(out->host);
}

// Behind the characters and %HH escapes of a parameter or header from `i` on.
static size_t pair_end(struct slice s, size_t i, char separator)
{
    for (; i < s.n && s.p[i] != separator; i++) {
        if (char_is(s.p[i], CHAR_URI))
            continue;
        if (s.p[i] != '%' || s.n - i < 3 || !char_is(s.p[i + 1], CHAR_HEX) ||
            !char_is(s.p[i + 2], CHAR_HEX))
            break;
        i += 2;
    }
    return i;
}

// name[=value] between `separator`s; every name there, and no more than URI_PARAMS_MAX of them.
static bool pairs_valid(struct slice s, char separator, bool value_needed)
{
    unsigned count = 0;
    for (size_t i = 0, from = 0;; from = ++i) {
        i = pair_end(s, i, separator);
        if (i == from || ++count > URI_PARAMS_MAX || (value_needed && (i == s.n || s.p[i] != '=')))
            return false;
        while (i < s.n && s.p[i] == '=') // more of them in the value are let pass
            i = pair_end(s, i + 1, separator);
        if (i == s.n)
            return true;
        if (s.p[i] != separator)
            return false;
    }
}

static bool sip_parts(struct slice s, struct sip_uri *out)
{
    size_t at = slice_find(s, '@');
    out->has_user = at < s.n;
    out->has_password = false;
    out->user = out->password = SLICE_NONE;
    if (out->has_user) {
        struct slice info = slice_upto(s, at);
        size_t colon = slice_find(info, ':');
        out->user = slice_upto(info, colon);
        out->has_password = colon < info.n;
        out->password = slice_from(info, colon + 1);
        if (out->user.n == 0 || !all_of(out->user, CHAR_USER) || !all_of(out->password, CHAR_USER))
            return false;
        s = slice_from(s, at + 1);
    }
    size_t question = slice_find(s, '?');
    out->headers = slice_from(s, question + 1);
    if (question < s.n && !pairs_valid(out->headers, '&', true))
        return false;
    s = slice_upto(s, question);
    size_t semicolon = slice_find(s, ';');
    out->params = slice_from(s, semicolon);
    if (semicolon < s.n && !pairs_valid(slice_from(s, semicolon + 1), ';', false))
        return false;
    return host_port(slice_upto(s, semicolon), out);
}

static enum uri_scheme scheme_of(struct slice s)
{
    if (slice_ieq(s, SLICE("sip")))
        return URI_SIP;
    if (slice_ieq(s, SLICE("sips")))
        return URI_SIPS;
    return slice_ieq(s, SLICE("tel")) ? URI_TEL : URI_OTHER;
}

// How many bytes of a scheme `text` begins with.
static size_t scheme_length(struct slice text)
{
    size_t n = 0;
    if (slice_starts(text, SLICE("sip:"))) // nearly all
        return 3;
    while (n < text.n && (char_is(text.p[n], CHAR_HEX) || ascii_digit(text.p[n]) ||
                          (ascii_lower(text.p[n]) >= 'a' && ascii_lower(text.p[n]) <= 'z') ||
                          text.p[n] == '+' || text.p[n] == '-' || text.p[n] == '.'))
        n++;
    return n;
}

bool sip_uri_parse(struct slice text, struct sip_uri *out)
{
    size_t n = scheme_length(text);
    if (n == 0 || n >= text.n || text.p[n] != ':' || !(ascii_lower(text.p[0]) >= 'a'))
        return false;
    out->text = text;
    out->scheme_text = slice_upto(text, n);
    out->scheme = scheme_of(out->scheme_text);
    out->rest = slice_from(text, n + 1);
    if (out->scheme == URI_SIP || out->scheme == URI_SIPS)
        return sip_parts(out->rest, out);
    out->has_user = out->has_password = false;
    out->user = out->password = out->host = out->headers = SLICE_NONE;
    out->port = 0;
    out->params = SLICE_NONE;
    if (out->scheme == URI_TEL) {
        out->params = slice_from(out->rest, slice_find(out->rest, ';'));
        if (out->params.n && !pairs_valid(slice_from(out->params, 1), ';', false))
            return false;
    }
    return out->rest.n != 0 && all_of(out->rest, CHAR_USER | CHAR_URI);
}

bool sip_uri_param(const struct sip_uri *uri, struct slice name, struct slice *value)
{
    struct slice s = uri->params;
    while (s.n > name.n) { // at a ';'
        struct slice pair = slice_of(s.p + 1, s.n - 1);
        bool ends = pair.n == name.n || pair.p[name.n] == '=' || pair.p[name.n] == ';';
        if (ends && slice_istarts(pair, name)) {
            size_t eq = name.n + (name.n < pair.n && pair.p[name.n] == '=');
            pair = slice_from(pair, eq);
            *value = slice_upto(pair, slice_find(pair, ';'));
            return true;
        }
        s = slice_from(pair, slice_find(pair, ';'));
    }
    return false;
}

static int hex_value(char c)
{
    return ascii_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

bool sip_unescape(struct slice in, char *out, size_t cap, size_t *n)
{
    size_t used = 0;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || !char_is(in.p[i + 1], CHAR_HEX) || !char_is(in.p[i + 2], CHAR_HEX))
                return false;
            c = (char)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2]));
            i += 2;
        }
        if (used == cap)
            return false;
        out[used++] = c;
    }
    *n = used;
    return true;
}

bool sip_uri_address(const struct sip_uri *uri, struct address *out)
{
    if (uri->host.n && uri->host.p[0] == '[')
        return literal_address(uri->host, out);
    // Behind letters no address follows, and most hosts are names
    return uri->host.n && ascii_digit(uri->host.p[0]) && address_parse(uri->host, out);
}
