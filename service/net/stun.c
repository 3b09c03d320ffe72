// SPDX-License-Identifier: Apache-2.0
#include "service/net/stun.h"

#define HEADER_BYTES 20

static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

bool stun_is(struct slice d)
{
    return d.n >= HEADER_BYTES && (uint8_t)d.p[0] <= 1 &&
           memcmp(d.p + 4, cookie, sizeof cookie) == 0;
}

size_t stun_answer(struct slice d, const struct address *source, char out[STUN_ANSWER_MAX])
{
    const uint8_t *in = (const uint8_t *)d.p;
    size_t length = (size_t)in[2] << 8 | in[3];
    if (in[0] != 0 || in[1] != 1 || length % 4 || length + HEADER_BYTES != d.n)
        return 0;
    uint8_t *o = (uint8_t *)out;
    bool v4 = source->family == 4;
    size_t ip_n = v4 ? 4 : 16;
    const uint8_t *ip = v4 ? source->ip + 12 : source->ip;
    o[0] = 1, o[1] = 1; // Binding success response
    o[2] = 0, o[3] = (uint8_t)(8 + ip_n);
    memcpy(o + 4, in + 4, 16); // cookie and transaction id
    o[20] = 0, o[21] = 0x20;   // XOR-MAPPED-ADDRESS
    o[22] = 0, o[23] = (uint8_t)(4 + ip_n);
    o[24] = 0, o[25] = v4 ? 1 : 2;
    o[26] = (uint8_t)(source->port >> 8) ^ cookie[0];
    o[27] = (uint8_t)source->port ^ cookie[1];
    for (size_t i = 0; i < ip_n; i++)
        o[28 + i] = ip[i] ^ in[4 + i]; // cookie, then transaction id: as they stand in the request
    return 28 + ip_n;
}
