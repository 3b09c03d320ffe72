// SPDX-License-Identifier: Apache-2.0
// Sixteen bytes a step: a full 64 by 64 bit product, folded, as wyhash and its relatives do. That
// is a quarter of what a keyed hash costs, and a record is checked each time it is read. Two lanes,
// so that one product need not wait for the other.
#include "base/checksum.h"

// wyhash's: odd, and half of the bits set.
#define K0 0xa0761d6478bd642fULL
#define K1 0xe7037ed1a0b428dbULL
#define K2 0x8ebc6af09c88c6e3ULL

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v; // little-endian machines only, as the store's format says
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t step(uint64_t lane, const char *p)
{
    return fold(load64(p) ^ K1, load64(p + 8) ^ lane);
}

uint64_t checksum64(struct slice s)
{
    uint64_t one = K0 ^ s.n, two = K2;
    const char *p = s.p;
    size_t left = s.n;
    for (; left > 32; left -= 32, p += 32) {
        one = step(one, p);
        two = step(two, p + 16);
    }
    char last[32] = {0};
    if (left)
        memcpy(last, p, left);
    one = step(one, last);
    two = step(two, last + 16);
    return fold(one ^ K2, two ^ K0);
}
