// SPDX-License-Identifier: Apache-2.0
// An IP address with its port, and a network (address and prefix length): plain data, no sockets.
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

// IPv4 is kept in its mapped form (::ffff:a.b.c.d), so that one compare serves both.
struct address {
    uint8_t ip[16];
    uint16_t port;  // host byte order; 0 where it is only an address
    uint8_t family; // 4, 6, or 0 for none
};

struct network {
    uint8_t ip[16];
    uint8_t prefix; // bits of the mapped form: an IPv4 /8 is 104
    uint8_t family; // 4 or 6, for printing
};

// "192.0.2.1", "2001:db8::1", or that in brackets. No port, no zone.
bool address_parse(struct slice text, struct address *out);
// "192.0.2.1:5060", "[2001:db8::1]:5060"; without the port where it is 0.
void address_print(struct buf *b, const struct address *a);
// "192.0.2.0/24", "2001:db8::/32", or one address.
bool network_parse(struct slice text, struct network *out);
void network_print(struct buf *b, const struct network *n);
bool network_contains(const struct network *n, const struct address *a);
bool address_same_host(const struct address *a, const struct address *b);
bool address_eq(const struct address *a, const struct address *b);
#define ADDRESS_TEXT_MAX 64
