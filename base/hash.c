// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip_state *s)
{
    s->v0 += s->v1, s->v1 = rotl(s->v1, 13), s->v1 ^= s->v0, s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotl(s->v3, 16), s->v3 ^= s->v2;
    s->v0 += s->v3, s->v3 = rotl(s->v3, 21), s->v3 ^= s->v0;
    s->v2 += s->v1, s->v1 = rotl(s->v1, 17), s->v1 ^= s->v2, s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip_state *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v; // little-endian machines only, as the store's format says
}

// The last `left` bytes, fewer than 8, as load64() would read them with zeros behind.
static uint64_t load_rest(struct slice in, size_t left)
{
    uint64_t rest = 0;
    if (left && in.n >= 8)
        return load64(in.p + in.n - 8) >> (64 - 8 * left); // what is before them is shifted out
    for (size_t i = 0; i < left; i++)
        rest |= (uint64_t)(unsigned char)in.p[i] << (8 * i);
    return rest;
}

uint64_t hash64(struct hash_key key, struct slice in)
{
    struct sip_state s = {key.k0 ^ 0x736f6d6570736575ULL, key.k1 ^ 0x646f72616e646f6dULL,
                          key.k0 ^ 0x6c7967656e657261ULL, key.k1 ^ 0x7465646279746573ULL};
    const char *p = in.p;
    size_t left = in.n;
    for (; left >= 8; left -= 8, p += 8)
        sip_word(&s, load64(p));
    sip_word(&s, (uint64_t)in.n << 56 | load_rest(in, left));
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash64_pair(struct hash_key key, struct slice a, struct slice b)
{
    char joined[512];
    if (a.n + b.n + 1 <= sizeof joined) {
        if (a.n)
            memcpy(joined, a.p, a.n);
        joined[a.n] = '\0';
        if (b.n)
            memcpy(joined + a.n + 1, b.p, b.n);
        return hash64(key, slice_of(joined, a.n + 1 + b.n));
    }
    struct hash_key second = {hash64(key, a), key.k1};
    return hash64(second, b);
}

void random_bytes(void *out, size_t n)
{
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got <= 0)
            abort();
        p += got;
        n -= (size_t)got;
    }
}

struct hash_key hash_key_random(void)
{
    struct hash_key key;
    random_bytes(&key, sizeof key);
    return key;
}
