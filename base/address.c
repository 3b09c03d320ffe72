// SPDX-License-Identifier: Apache-2.0
#include "base/address.h"

#include <arpa/inet.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const uint8_t ip[16])
{
    return memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool address_parse(struct slice text, struct address *out)
{
    char z[INET6_ADDRSTRLEN];
    struct address a = {0};
    bool brackets = text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']';
    if (brackets)
        text = slice_of(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return false;
    // Most hosts are names, and the C library takes its time to see that
    if (!brackets && !ascii_digit(text.p[0]) && !memchr(text.p, ':', text.n))
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (!brackets && inet_pton(AF_INET, z, a.ip + 12) == 1) {
        memcpy(a.ip, mapped_prefix, sizeof mapped_prefix);
        a.family = 4;
    } else if (inet_pton(AF_INET6, z, a.ip) == 1) {
        a.family = is_mapped(a.ip) ? 4 : 6;
    } else {
        return false;
    }
    *out = a;
    return true;
}

static void print_ip(struct buf *b, const uint8_t ip[16], uint8_t family)
{
    char z[INET6_ADDRSTRLEN];
    if (family == 4) {
        for (unsigned i = 12; i < 16; i++) {
            buf_u64(b, ip[i]);
            if (i < 15)
                buf_byte(b, '.');
        }
    } else {
        inet_ntop(AF_INET6, ip, z, sizeof z);
        buf_put(b, slice_str(z));
    }
}

void address_print(struct buf *b, const struct address *a)
{
    if (!a->family)
        return;
    bool brackets = a->family == 6 && a->port;
    if (brackets)
        buf_byte(b, '[');
    print_ip(b, a->ip, a->family);
    if (brackets)
        buf_byte(b, ']');
    if (a->port) {
        buf_byte(b, ':');
        buf_u64(b, a->port);
    }
}

static void mask(uint8_t ip[16], unsigned prefix)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;
        if (bits < 8)
            ip[i] &= (uint8_t)(0xff00 >> bits);
    }
}

bool network_parse(struct slice text, struct network *out)
{
    size_t slash = slice_find(text, '/');
    struct address a;
    if (!address_parse(slice_upto(text, slash), &a))
        return false;
    unsigned most = a.family == 4 ? 32 : 128;
    uint64_t bits = most;
    if (slash < text.n && !slice_to_u64(slice_from(text, slash + 1), most, &bits))
        return false;
    struct network n = {.family = a.family, .prefix = (uint8_t)(bits + (a.family == 4 ? 96 : 0))};
    memcpy(n.ip, a.ip, sizeof n.ip);
    mask(n.ip, n.prefix);
    *out = n;
    return true;
}

void network_print(struct buf *b, const struct network *n)
{
    print_ip(b, n->ip, n->family);
    buf_byte(b, '/');
    buf_u64(b, n->family == 4 ? n->prefix - 96u : n->prefix);
}

bool network_contains(const struct network *n, const struct address *a)
{
    uint8_t ip[16];
    if (!a->family)
        return false;
    memcpy(ip, a->ip, sizeof ip);
    mask(ip, n->prefix);
    return memcmp(ip, n->ip, sizeof ip) == 0;
}

bool address_same_host(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool address_eq(const struct address *a, const struct address *b)
{
    return address_same_host(a, b) && a->port == b->port;
}
