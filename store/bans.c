// SPDX-License-Identifier: Apache-2.0
// Who is shut out, in a table of fixed size.
//
// A keyed hash per (prefix length, masked address) answers the SIP thread: one look-up for each
// prefix length in use, of which there are few (/32 and /64, and what an operator adds). An array
// of entry numbers in order of network serves the list, so that a page costs its own length under
// the lock. What has ended is dropped in a sweep at most once a second, by whoever asks next.
#include "store/bans.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"

#define NIL       UINT32_MAX
#define BUCKETS   BANS_MAX
#define PREFIXES  129
#define SWEEP_MIN 1000 // ms between two sweeps

struct bans {
    pthread_mutex_t lock;
    struct hash_key key;
    _Atomic uint32_t n; // entries, ended ones too; read without the lock when it is 0
    struct ban *bans;   // BANS_MAX
    uint32_t *next;     // by entry: in its bucket's chain, or in the free list
    uint32_t *buckets;
    uint32_t *sorted; // n entries, in order of network
    uint32_t free;
    uint32_t by_prefix[PREFIXES]; // how many of each length
    int64_t first_end_ms;         // nothing ends before
    int64_t swept_ms;
};

struct bans *bans_open(void)
{
    struct bans *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->bans = calloc(BANS_MAX, sizeof *b->bans);
    b->next = calloc(BANS_MAX, sizeof *b->next);
    b->buckets = calloc(BUCKETS, sizeof *b->buckets);
    b->sorted = calloc(BANS_MAX, sizeof *b->sorted);
    if (!b->bans || !b->next || !b->buckets || !b->sorted ||
        pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b->bans), free(b->next), free(b->buckets), free(b->sorted), free(b);
        return NULL;
    }
    for (uint32_t i = 0; i < BANS_MAX; i++)
        b->next[i] = i + 1 < BANS_MAX ? i + 1 : NIL;
    for (uint32_t i = 0; i < BUCKETS; i++)
        b->buckets[i] = NIL;
    b->first_end_ms = INT64_MAX;
    b->swept_ms = INT64_MIN / 2;
    b->key = hash_key_random();
    return b;
}

void bans_close(struct bans *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b->bans);
    free(b->next);
    free(b->buckets);
    free(b->sorted);
    free(b);
}

// ---- The table, under the lock ----------------------------------------------------------------

// The network of that length the address is in; what is not part of it is zero.
static struct network masked(const uint8_t ip[16], unsigned prefix, uint8_t family)
{
    struct network n = {.prefix = (uint8_t)prefix, .family = family};
    memcpy(n.ip, ip, prefix / 8);
    if (prefix % 8)
        n.ip[prefix / 8] = (uint8_t)(ip[prefix / 8] & (0xff00 >> (prefix % 8)));
    return n;
}

static int network_cmp(const struct network *a, const struct network *b)
{
    int r = memcmp(a->ip, b->ip, sizeof a->ip);
    if (!r)
        r = (a->prefix > b->prefix) - (a->prefix < b->prefix);
    return r ? r : (a->family > b->family) - (a->family < b->family);
}

static uint32_t *bucket_of(struct bans *b, const struct network *n)
{
    char text[18];
    memcpy(text, n->ip, 16);
    text[16] = (char)n->prefix;
    text[17] = (char)n->family;
    return &b->buckets[hash64(b->key, slice_of(text, sizeof text)) & (BUCKETS - 1)];
}

static uint32_t find(struct bans *b, const struct network *n)
{
    uint32_t i = *bucket_of(b, n);
    while (i != NIL && network_cmp(&b->bans[i].network, n) != 0)
        i = b->next[i];
    return i;
}

// The position in `sorted` of the first network that is not below `n`.
static uint32_t lower_bound(const struct bans *b, const struct network *n)
{
    uint32_t low = 0, high = b->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (network_cmp(&b->bans[b->sorted[mid]].network, n) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void unchain(struct bans *b, uint32_t i)
{
    uint32_t *at = bucket_of(b, &b->bans[i].network);
    while (*at != i)
        at = &b->next[*at];
    *at = b->next[i];
    b->by_prefix[b->bans[i].network.prefix]--;
    b->next[i] = b->free;
    b->free = i;
}

static void drop(struct bans *b, uint32_t i)
{
    uint32_t at = lower_bound(b, &b->bans[i].network);
    memmove(b->sorted + at, b->sorted + at + 1, (b->n - at - 1) * sizeof *b->sorted);
    b->n--;
    unchain(b, i);
}

static void insert(struct bans *b, const struct ban *ban)
{
    uint32_t i = b->free;
    uint32_t at = lower_bound(b, &ban->network);
    uint32_t *bucket = bucket_of(b, &ban->network);
    memmove(b->sorted + at + 1, b->sorted + at, (b->n - at) * sizeof *b->sorted);
    b->sorted[at] = i;
    b->n++;
    b->free = b->next[i];
    b->bans[i] = *ban;
    b->next[i] = *bucket;
    *bucket = i;
    b->by_prefix[ban->network.prefix]++;
}

// Drops what has ended, in one pass.
static void sweep(struct bans *b, int64_t now_ms)
{
    if (now_ms < b->first_end_ms || now_ms - b->swept_ms < SWEEP_MIN)
        return;
    uint32_t kept = 0;
    b->swept_ms = now_ms;
    b->first_end_ms = INT64_MAX;
    for (uint32_t k = 0; k < b->n; k++) {
        uint32_t i = b->sorted[k];
        if (b->bans[i].until_ms <= now_ms) {
            unchain(b, i);
            continue;
        }
        if (b->bans[i].until_ms < b->first_end_ms)
            b->first_end_ms = b->bans[i].until_ms;
        b->sorted[kept++] = i;
    }
    b->n = kept;
}

// The one not made by an operator that ends first; NIL where there is none.
static uint32_t most_dispensable(const struct bans *b)
{
    uint32_t best = NIL;
    for (uint32_t k = 0; k < b->n; k++) {
        uint32_t i = b->sorted[k];
        if (!b->bans[i].manual && (best == NIL || b->bans[i].until_ms < b->bans[best].until_ms))
            best = i;
    }
    return best;
}

// ---- The interface ----------------------------------------------------------------------------

bool bans_hit(struct bans *b, const struct address *a, int64_t now_ms)
{
    if (atomic_load_explicit(&b->n, memory_order_relaxed) == 0 || !a->family)
        return false;
    bool hit = false;
    pthread_mutex_lock(&b->lock);
    sweep(b, now_ms);
    for (unsigned prefix = a->family == 4 ? 96 : 0; prefix < PREFIXES && !hit; prefix++) {
        if (!b->by_prefix[prefix])
            continue;
        struct network n = masked(a->ip, prefix, a->family);
        uint32_t i = find(b, &n);
        hit = i != NIL && b->bans[i].until_ms > now_ms;
    }
    pthread_mutex_unlock(&b->lock);
    return hit;
}

bool bans_put(struct bans *b, const struct ban *ban, int64_t now_ms)
{
    const struct network *n = &ban->network;
    if (n->prefix > 128 || (n->family != 4 && n->family != 6) || (n->family == 4 && n->prefix < 96))
        return false;
    struct ban new = *ban;
    new.network = masked(n->ip, n->prefix, n->family);
    new.reason[BAN_REASON_MAX - 1] = '\0';
    bool done = true;
    pthread_mutex_lock(&b->lock);
    sweep(b, now_ms);
    uint32_t i = find(b, &new.network);
    if (i != NIL) {
        b->bans[i] = new;
    } else {
        if (b->free == NIL) {
            b->swept_ms = INT64_MIN / 2;
            sweep(b, now_ms);
        }
        uint32_t victim = b->free == NIL && new.manual ? most_dispensable(b) : NIL;
        if (victim != NIL)
            drop(b, victim);
        done = b->free != NIL;
        if (done)
            insert(b, &new);
    }
    if (done && new.until_ms < b->first_end_ms)
        b->first_end_ms = new.until_ms;
    pthread_mutex_unlock(&b->lock);
    return done;
}

bool bans_get(struct bans *b, const struct network *n, int64_t now_ms, struct ban *out)
{
    pthread_mutex_lock(&b->lock);
    uint32_t i = find(b, n);
    bool there = i != NIL && b->bans[i].until_ms > now_ms;
    if (there)
        *out = b->bans[i];
    pthread_mutex_unlock(&b->lock);
    return there;
}

bool bans_delete(struct bans *b, const struct network *n)
{
    pthread_mutex_lock(&b->lock);
    uint32_t i = find(b, n);
    if (i != NIL)
        drop(b, i);
    pthread_mutex_unlock(&b->lock);
    return i != NIL;
}

size_t bans_list(struct bans *b, const struct network *after, int64_t now_ms, struct ban *out,
                 size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    sweep(b, now_ms);
    uint32_t k = after ? lower_bound(b, after) : 0;
    if (after && k < b->n && network_cmp(&b->bans[b->sorted[k]].network, after) == 0)
        k++;
    for (; k < b->n && n < max; k++)
        if (b->bans[b->sorted[k]].until_ms > now_ms)
            out[n++] = b->bans[b->sorted[k]];
    pthread_mutex_unlock(&b->lock);
    return n;
}

size_t bans_count(struct bans *b, int64_t now_ms)
{
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    sweep(b, now_ms);
    if (now_ms < b->first_end_ms) {
        n = b->n;
    } else { // some ended since the last sweep
        for (uint32_t k = 0; k < b->n; k++)
            n += b->bans[b->sorted[k]].until_ms > now_ms;
    }
    pthread_mutex_unlock(&b->lock);
    return n;
}
