// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

size_t utf8_sequence(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char c = p[0], least = 0x80, most = 0xBF;
    size_t len;
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (c == 0xE0)
        least = 0xA0;
    else if (c == 0xED)
        most = 0x9F;
    else if (c == 0xF0)
        least = 0x90;
    else if (c == 0xF4)
        most = 0x8F;
    if (s.n < len || p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return len;
}

bool utf8_valid(struct slice s)
{
    for (size_t i = 0, len; i < s.n; i += len)
        if ((len = utf8_sequence(slice_from(s, i))) == 0)
            return false;
    return true;
}

bool utf8_clean(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0, len; i < s.n; i += len) {
        len = utf8_sequence(slice_from(s, i));
        bool c1 = len == 2 && p[i] == 0xC2 && p[i + 1] < 0xA0;
        if (len == 0 || p[i] < 0x20 || p[i] == 0x7F || c1)
            return false;
    }
    return true;
}
