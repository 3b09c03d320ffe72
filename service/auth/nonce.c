// SPDX-License-Identifier: Apache-2.0
// A nonce is 24 bytes in base64url:
//
//     0  6  time it was made, ms since 1970, big-endian
//     6  3  serial number, so that two of one millisecond differ
//     9  3  keyed hash of the address that it was made for
//    12 12  MAC over the twelve bytes, the algorithm and the realm
//
// The MAC is two SipHash-1-3 with keys of their own, 96 bits of them kept: as quick as a nonce
// check must be under a flood, and enough for what it guards: a forged nonce saves its maker one
// challenge and nothing else, for the digest must be right all the same.
#include "service/auth/nonce.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/pages.h"

#define BYTES  NONCE_BYTES
#define SOURCE 9
#define SIGNED 12
#define MAC    12
#define WAYS   4
#define WINDOW 32
// How far in the future a nonce may be that another process with the same secret has made.
#define SKEW_MS 5000

// Bit i of `seen`: nc `highest - i` was used.
struct entry {
    uint32_t tag;    // of the nonce: part of its MAC; 0: free
    uint32_t made_s; // seconds since the process began, rounded down
    uint32_t highest;
    uint32_t seen;
};

// One cache line: a refresh finds its nonce among millions by one access to memory. Two nonces with
// one tag would share a count, which makes one of them stale early.
struct set {
    struct entry ways[WAYS];
};
_Static_assert(sizeof(struct set) == 64, "a cache line");

struct nonces {
    struct hash_key first, second;
    int64_t lifetime_ms, started_ms;
    uint32_t serial;
    size_t n_sets; // a power of two
    struct set *sets;
    // Of each set, the newest that was forgotten there, in seconds and one more; 0: none. What is
    // as old and not in the set may have been used.
    uint32_t *forgotten;
};

struct nonces *nonces_open(const struct nonce_config *config)
{
    struct nonces *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    memcpy(&n->first, config->secret, sizeof n->first);
    memcpy(&n->second, config->secret + sizeof n->first, sizeof n->second);
    n->lifetime_ms = config->lifetime_ms;
    n->started_ms = config->started_ms;
    random_bytes(&n->serial, sizeof n->serial);
    n->n_sets = 1;
    while (n->n_sets * WAYS < config->table_size)
        n->n_sets *= 2;
    n->sets = pages_alloc(n->n_sets * sizeof *n->sets);
    n->forgotten = pages_alloc(n->n_sets * sizeof *n->forgotten);
    if (!n->sets || !n->forgotten) {
        nonces_close(n);
        return NULL;
    }
    return n;
}

void nonces_close(struct nonces *n)
{
    if (!n)
        return;
    pages_free(n->sets, n->n_sets * sizeof *n->sets);
    pages_free(n->forgotten, n->n_sets * sizeof *n->forgotten);
    free(n);
}

// ---- Text ---------------------------------------------------------------------------------------

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t in[BYTES], char out[NONCE_LENGTH])
{
    for (size_t i = 0, o = 0; i < BYTES; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        out[o++] = digits[v >> 18];
        out[o++] = digits[v >> 12 & 63];
        out[o++] = digits[v >> 6 & 63];
        out[o++] = digits[v & 63];
    }
}

// One more than a digit's value; 0: no digit.
// clang-format off
static const uint8_t digit_values[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
    14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
    ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
    ['-'] = 63, ['_'] = 64,
};
// clang-format on

bool nonce_read(struct slice text, struct nonce *nonce)
{
    uint8_t *out = nonce->bytes;
    uint32_t none = 0; // 64 or more once there was a byte that is no digit
    if (text.n != NONCE_LENGTH)
        return false;
    for (size_t i = 0, o = 0; i < NONCE_LENGTH; i += 4) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        uint32_t a = digit_values[p[0]] - 1u, b = digit_values[p[1]] - 1u;
        uint32_t c = digit_values[p[2]] - 1u, d = digit_values[p[3]] - 1u;
        uint32_t v = a << 18 | b << 12 | c << 6 | d;
        none |= a | b | c | d;
        out[o++] = (uint8_t)(v >> 16);
        out[o++] = (uint8_t)(v >> 8);
        out[o++] = (uint8_t)v;
    }
    return none < 64;
}

// ---- Making and checking ------------------------------------------------------------------------

static void sign(const struct nonces *n, const uint8_t head[SIGNED], enum algorithm a,
                 struct slice realm, uint8_t mac[MAC])
{
    char text[SIGNED + 1 + REALM_MAX];
    size_t room = sizeof text - SIGNED - 1, m = realm.n < room ? realm.n : room;
    memcpy(text, head, SIGNED);
    text[SIGNED] = (char)a;
    if (m)
        memcpy(text + SIGNED + 1, realm.p, m);
    struct slice all = slice_of(text, SIGNED + 1 + m);
    uint64_t one = hash64(n->first, all), two = hash64(n->second, all);
    memcpy(mac, &one, 8);
    memcpy(mac + 8, &two, MAC - 8);
}

static void source_tag(const struct nonces *n, const struct address *source, uint8_t tag[3])
{
    size_t bytes = source->family == 6 ? 8 : 16; // an IPv6 site has a /64
    uint64_t h = hash64(n->second, slice_of((const char *)source->ip, bytes));
    for (int i = 0; i < 3; i++)
        tag[i] = (uint8_t)(h >> (8 * i));
}

void nonce_make(struct nonces *n, enum algorithm a, struct slice realm,
                const struct address *source, int64_t now_ms, char out[NONCE_LENGTH])
{
    uint8_t b[BYTES];
    uint32_t serial = n->serial++;
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    for (int i = 0; i < 3; i++)
        b[6 + i] = (uint8_t)(serial >> (16 - 8 * i));
    source_tag(n, source, b + SOURCE);
    sign(n, b, a, realm, b + SIGNED);
    encode(b, out);
}

static int64_t made_at(const struct nonce *nonce)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | nonce->bytes[i];
    return ms;
}

static uint32_t tag_of(const struct nonce *nonce)
{
    uint32_t tag;
    memcpy(&tag, nonce->bytes + SIGNED, sizeof tag);
    return tag ? tag : 1;
}

static size_t set_of(const struct nonces *n, const struct nonce *nonce)
{
    uint32_t place;
    memcpy(&place, nonce->bytes + SIGNED + sizeof place, sizeof place);
    return place & (n->n_sets - 1);
}

static struct entry *find(struct set *s, uint32_t tag)
{
    for (size_t i = 0; i < WAYS; i++)
        if (s->ways[i].tag == tag)
            return &s->ways[i];
    return NULL;
}

static uint32_t seconds(const struct nonces *n, int64_t ms)
{
    return ms > n->started_ms ? (uint32_t)((ms - n->started_ms) / 1000) : 0;
}

// Clients without qop have no count: theirs is 1, once.
static uint32_t effective(uint32_t nc)
{
    return nc ? nc : 1;
}

static bool used(const struct entry *e, uint32_t nc)
{
    if (nc > e->highest)
        return false;
    uint32_t back = e->highest - nc;
    return back >= WINDOW || (e->seen >> back & 1);
}

static enum nonce_verdict check_count(struct nonces *n, const struct nonce *nonce, uint32_t nc)
{
    size_t set = set_of(n, nonce);
    const struct entry *e = find(&n->sets[set], tag_of(nonce));
    if (e)
        return used(e, effective(nc)) ? NONCE_REPLAYED : NONCE_GOOD;
    if (seconds(n, made_at(nonce)) < n->forgotten[set])
        return NONCE_STALE;
    return effective(nc) == 1 ? NONCE_GOOD : NONCE_STALE;
}

enum nonce_verdict nonce_check(struct nonces *n, const struct nonce *nonce, enum algorithm a,
                               struct slice realm, uint32_t nc, int64_t void_before_ms,
                               int64_t now_ms, int64_t *made_ms)
{
    uint8_t mac[MAC], difference = 0;
    __builtin_prefetch(&n->sets[set_of(n, nonce)]);
    sign(n, nonce->bytes, a, realm, mac);
    for (size_t i = 0; i < MAC; i++)
        difference |= mac[i] ^ nonce->bytes[SIGNED + i];
    int64_t made = made_at(nonce);
    if (difference || made > now_ms + SKEW_MS)
        return NONCE_FOREIGN;
    *made_ms = made;
    // A void in the future was made by a process whose clock ran ahead: all nonces since its end
    // are good
    bool voided = void_before_ms <= now_ms && made <= void_before_ms;
    if (made < n->started_ms || now_ms - made > n->lifetime_ms || voided)
        return NONCE_STALE;
    return check_count(n, nonce, nc);
}

bool nonce_made_for(const struct nonces *n, const struct nonce *nonce, const struct address *source)
{
    uint8_t tag[3];
    source_tag(n, source, tag);
    return memcmp(nonce->bytes + SOURCE, tag, sizeof tag) == 0;
}

// A free way, or the one whose nonce is oldest; that is then forgotten.
static struct entry *make_room(struct nonces *n, size_t set, uint32_t expired_before_s)
{
    struct set *s = &n->sets[set];
    struct entry *oldest = &s->ways[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (!s->ways[i].tag)
            return &s->ways[i];
        if (s->ways[i].made_s < oldest->made_s)
            oldest = &s->ways[i];
    }
    if (oldest->made_s >= expired_before_s)
        limit_reached(LIMIT_AUTH_NONCE_TABLE, SLICE_NONE);
    if (oldest->made_s >= n->forgotten[set])
        n->forgotten[set] = oldest->made_s + 1;
    return oldest;
}

bool nonce_use(struct nonces *n, const struct nonce *nonce, uint32_t nc, int64_t now_ms)
{
    size_t set = set_of(n, nonce);
    struct entry *e = find(&n->sets[set], tag_of(nonce));
    nc = effective(nc);
    if (!e) {
        if (check_count(n, nonce, nc) != NONCE_GOOD)
            return false;
        e = make_room(n, set, seconds(n, now_ms - n->lifetime_ms));
        *e = (struct entry){
            .tag = tag_of(nonce), .made_s = seconds(n, made_at(nonce)), .highest = nc, .seen = 1};
        return true;
    }
    if (used(e, nc))
        return false;
    if (nc > e->highest) {
        uint32_t by = nc - e->highest;
        e->seen = by >= WINDOW ? 1 : e->seen << by | 1;
        e->highest = nc;
    } else {
        e->seen |= 1u << (e->highest - nc);
    }
    return true;
}
