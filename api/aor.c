// SPDX-License-Identifier: Apache-2.0
// Addresses of record as text, both ways (RFC 3261 section 25.1: userinfo, hostport).
#include "api/show.h"

#define AOR_TEXT_MAX (4 + 3 * USERNAME_MAX + 1 + DOMAIN_NAME_MAX + 2)

// unreserved and user-unreserved: what a user part holds without escapes.
static bool user_char(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("-_.!~*'()&=+$,;?/", c);
}

static void put_user(struct buf *b, struct slice username)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t from = 0;
    for (size_t i = 0; i < username.n; i++) {
        unsigned char c = (unsigned char)username.p[i];
        if (user_char(c))
            continue;
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        buf_put(b, slice_of(username.p + from, i - from));
        buf_put(b, slice_of(escape, sizeof escape));
        from = i + 1;
    }
    buf_put(b, slice_from(username, from));
}

void show_aor(struct text *t, struct slice domain, struct slice username)
{
    char text[AOR_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    BUF_LIT(&b, "sip:");
    put_user(&b, username);
    BUF_LIT(&b, "@");
    bool address = slice_find(domain, ':') < domain.n; // IPv6, which is kept without brackets
    buf_put(&b, address ? SLICE("[") : SLICE_NONE);
    buf_put(&b, domain);
    buf_put(&b, address ? SLICE("]") : SLICE_NONE);
    t->bad |= b.full;
    json_string(t, buf_slice(&b));
}

// ---- Reading ------------------------------------------------------------------------------------

static int hex_value(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// In place, for it never gets longer. False for '%' without two digits.
static bool unescape(char *p, size_t *n)
{
    size_t used = 0;
    for (size_t i = 0; i < *n; i++) {
        char c = p[i];
        if (c == '%') {
            int high = i + 2 < *n ? hex_value(p[i + 1]) : -1;
            int low = i + 2 < *n ? hex_value(p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        p[used++] = c;
    }
    *n = used;
    return true;
}

static bool digits_only(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]))
            return false;
    return true;
}

// The host of "host[:port]" as domains are kept: lower case, an IPv6 address without brackets in
// its shortest form. `out` has the size of `s`, and never less than ADDRESS_TEXT_MAX.
static bool read_host(struct slice s, struct buf *out)
{
    struct address address;
    size_t end = s.n && s.p[0] == '[' ? slice_find(s, ']') + 1 : slice_find(s, ':');
    if (end == 0 || end > s.n)
        return false;
    if (end < s.n && (s.p[end] != ':' || !digits_only(slice_from(s, end + 1))))
        return false;
    s = slice_upto(s, end);
    if (s.p[0] == '[') {
        if (!address_parse(s, &address) || address.family != 6)
            return false;
        address_print(out, &address);
        return !out->full;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("@<>\"\\%", c))
            return false;
        buf_byte(out, ascii_lower(s.p[i]));
    }
    return !out->full;
}

bool read_aor(struct slice aor, struct arena *arena, struct slice *domain, struct slice *username)
{
    struct slice rest;
    if (slice_istarts(aor, SLICE("sip:")))
        rest = slice_from(aor, 4);
    else if (slice_istarts(aor, SLICE("sips:")))
        rest = slice_from(aor, 5);
    else
        return false;
    // ';' and '?' may stand in a user part, '@' not: the first one ends it.
    size_t at = slice_find(rest, '@');
    struct slice user = slice_upto(rest, slice_find(slice_upto(rest, at), ':'));
    if (at == rest.n || user.n == 0)
        return false;
    rest = slice_from(rest, at + 1);
    rest = slice_upto(rest, slice_find(rest, '?'));
    rest = slice_upto(rest, slice_find(rest, ';'));
    size_t room = rest.n < ADDRESS_TEXT_MAX ? ADDRESS_TEXT_MAX : rest.n;
    char *copy = arena_alloc(arena, user.n + room);
    if (!copy)
        return false;
    memcpy(copy, user.p, user.n);
    struct buf host = buf_over(copy + user.n, room);
    if (!unescape(copy, &user.n) || !read_host(rest, &host))
        return false;
    *username = slice_of(copy, user.n);
    *domain = buf_slice(&host);
    return true;
}
