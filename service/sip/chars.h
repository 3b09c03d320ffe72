// SPDX-License-Identifier: Apache-2.0
// Classes of bytes in SIP's grammar (RFC 3261 section 25.1), one table look-up each.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum char_class {
    CHAR_TOKEN = 1,    // token
    CHAR_USER = 2,     // of a userinfo, '%' and ':' aside; bytes above 0x7f are let through
    CHAR_HOST = 4,     // of a host name
    CHAR_URI = 8,      // of URI parameters and headers, '%' and the separators aside
    CHAR_PARAM = 16,   // of an unquoted value of a header parameter
    CHAR_HEX = 32,     // hexadecimal digit
    CHAR_RESERVED = 64 // does not mean the same as its %HH (RFC 3261 section 19.1.4)
};

extern const uint8_t sip_char_class[256];

static inline bool char_is(char c, unsigned classes)
{
    return sip_char_class[(unsigned char)c] & classes;
}

static inline bool char_blank(char c)
{
    return c == ' ' || c == '\t';
}
