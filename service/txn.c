// SPDX-License-Identifier: Apache-2.0
#include "service/txn.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/pages.h"

#define PENDING_BUCKETS  8192
#define ENTRY_ALIGN      16
#define BYTES_PER_BUCKET 128 // a few buckets an entry: a look-up seldom touches another's
#define PART_MAX         64

// One kept reply: this header, the key's text, the reply's bytes, padding. `prev` and `next` chain
// the entries of one bucket by position (0: none; positions are 1 + offset / ENTRY_ALIGN).
struct entry {
    uint64_t hash;
    int64_t at_ms;
    uint32_t next;
    uint32_t size; // of all, in bytes
    uint32_t reply_n;
    uint16_t key_n;
    uint16_t live; // 0: a filler at the end of the ring
};

struct txns {
    struct hash_key seed, tag_seed;
    struct txn_pending *by_key[PENDING_BUCKETS];
    struct txn_pending *by_merge[PENDING_BUCKETS];
    char *ring;
    size_t size; // of the ring
    size_t head; // where the next entry goes
    size_t tail; // the oldest entry
    size_t used; // bytes between tail and head
    uint32_t *buckets;
    size_t n_buckets; // a power of two
};

static size_t ring_bytes(const struct txns *t)
{
    return t->size + sizeof(struct entry); // a filler may begin in the last bytes
}

struct txns *txns_open(size_t memory)
{
    struct txns *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->seed = hash_key_random();
    t->tag_seed = hash_key_random();
    t->size = memory & ~(size_t)(ENTRY_ALIGN - 1);
    t->n_buckets = 1024;
    while (t->n_buckets < memory / BYTES_PER_BUCKET)
        t->n_buckets *= 2;
    t->ring = pages_alloc(ring_bytes(t));
    t->buckets = pages_alloc(t->n_buckets * sizeof *t->buckets);
    if (!t->ring || !t->buckets) {
        txns_close(t);
        return NULL;
    }
    return t;
}

void txns_close(struct txns *t)
{
    if (!t)
        return;
    pages_free(t->ring, ring_bytes(t));
    pages_free(t->buckets, t->n_buckets * sizeof *t->buckets);
    free(t);
}

// ---- Keys ---------------------------------------------------------------------------------------

static const struct slice magic_cookie = {"z9hG4bK", 7};

static void put_lower(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_byte(b, ascii_lower(s.p[i]));
}

// Parts that may be long (they are the sender's) go in as their hash where they do not fit.
static void put_part(struct buf *b, struct hash_key seed, struct slice s)
{
    if (s.n > PART_MAX) {
        uint64_t h = hash64(seed, s);
        buf_byte(b, '#');
        buf_hex(b, &h, sizeof h);
    } else {
        buf_put(b, s);
    }
    buf_byte(b, '\0');
}

static void key_make(struct txns *t, const struct sip_request *req, struct slice method,
                     const struct flow *flow, struct txn_pending *p)
{
    struct buf b = buf_over(p->text, sizeof p->text);
    const struct sip_via *via = &req->via[0];
    bool modern = slice_starts(via->branch, magic_cookie) && via->branch.n > magic_cookie.n;
    buf_put(&b, slice_of((const char *)flow->remote.ip, sizeof flow->remote.ip));
    put_part(&b, t->seed, method);
    if (modern) {
        put_part(&b, t->seed, via->branch);
        if (via->host.n <= PART_MAX)
            put_lower(&b, via->host);
        else
            put_part(&b, t->seed, via->host);
        buf_put(&b, slice_of((const char *)&via->port, sizeof via->port));
    } else {
        put_part(&b, t->seed, req->ruri_text);
        put_part(&b, t->seed, req->from.tag);
        put_part(&b, t->seed, req->method == SIP_ACK ? SLICE_NONE : req->to.tag);
        put_part(&b, t->seed, via->text);
    }
    if (!modern) {
        put_part(&b, t->seed, req->call_id);
        buf_put(&b, slice_of((const char *)&req->cseq, sizeof req->cseq));
    }
    p->key.text = buf_slice(&b);
    p->key.hash = hash64(t->seed, p->key.text);
}

void txn_key_make(struct txns *t, const struct sip_request *req, const struct flow *flow,
                  struct txn_pending *p)
{
    key_make(t, req, req->method == SIP_ACK ? SLICE("INVITE") : req->method_text, flow, p);
    // A merged request: the same From tag, Call-ID and CSeq, no To tag (RFC 3261 section 8.2.2.2)
    struct hash_key chain = {hash64_pair(t->seed, req->from.tag, req->call_id), t->seed.k1};
    p->merge_hash = req->to.tag.n || !req->from.tag.n ? 0 : hash64(chain, req->cseq_text) | 1;
}

void txn_to_tag(const struct txns *t, const struct txn_pending *p, char out[16])
{
    // Of the key's hash, which is the transaction's as good as its text, and a tenth as long
    uint64_t h = hash64(t->tag_seed, slice_of((const char *)&p->key.hash, sizeof p->key.hash));
    struct buf b = buf_over(out, 16);
    buf_hex(&b, &h, sizeof h);
}

// ---- Pending ------------------------------------------------------------------------------------

static struct txn_pending **key_slot(struct txns *t, uint64_t hash)
{
    return &t->by_key[hash % PENDING_BUCKETS];
}

static struct txn_pending **merge_slot(struct txns *t, uint64_t hash)
{
    return &t->by_merge[hash % PENDING_BUCKETS];
}

void txn_begin(struct txns *t, struct txn_pending *p)
{
    struct txn_pending **slot = key_slot(t, p->key.hash);
    p->next_by_key = *slot;
    *slot = p;
    slot = merge_slot(t, p->merge_hash);
    p->next_by_merge = *slot;
    *slot = p;
}

void txn_end(struct txns *t, struct txn_pending *p)
{
    struct txn_pending **at = key_slot(t, p->key.hash);
    while (*at && *at != p)
        at = &(*at)->next_by_key;
    if (*at)
        *at = p->next_by_key;
    at = merge_slot(t, p->merge_hash);
    while (*at && *at != p)
        at = &(*at)->next_by_merge;
    if (*at)
        *at = p->next_by_merge;
}

// ---- Kept replies -------------------------------------------------------------------------------

static struct entry *entry_at(struct txns *t, size_t offset)
{
    return (struct entry *)(void *)(t->ring + offset);
}

static uint32_t *bucket_of(struct txns *t, uint64_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static size_t position_offset(uint32_t position)
{
    return (size_t)(position - 1) * ENTRY_ALIGN;
}

static const struct entry *find(struct txns *t, const struct txn_key *key, int64_t now_ms)
{
    for (uint32_t at = *bucket_of(t, key->hash); at;) {
        struct entry *e = entry_at(t, position_offset(at));
        const char *text = (const char *)(e + 1);
        if (e->hash == key->hash && slice_eq(slice_of(text, e->key_n), key->text))
            return now_ms - e->at_ms <= TXN_TIMER_J_MS ? e : NULL;
        at = e->next;
    }
    return NULL;
}

static void forget_oldest(struct txns *t, int64_t now_ms)
{
    struct entry *e = entry_at(t, t->tail);
    if (e->live) {
        uint32_t *at = bucket_of(t, e->hash);
        uint32_t self = (uint32_t)(t->tail / ENTRY_ALIGN) + 1;
        while (*at && *at != self)
            at = &entry_at(t, position_offset(*at))->next;
        if (*at)
            *at = e->next;
        metric_add(METRIC_TRANSACTIONS, 0, (uint64_t)-1);
        if (now_ms - e->at_ms <= TXN_TIMER_J_MS) {
            metric_set(METRIC_TRANSACTION_AGE, 0, (now_ms - e->at_ms) / 1000);
            limit_reached(LIMIT_SIP_TRANSACTION_MEMORY, SLICE_NONE);
        }
    }
    t->used -= e->size;
    t->tail += e->size;
    if (t->tail == t->size)
        t->tail = 0;
    __builtin_prefetch(entry_at(t, t->tail)); // the next to go, in no cache by now
}

// Room for `size` bytes in one piece at head, the oldest entries forgotten for it.
static struct entry *make_room(struct txns *t, size_t size, int64_t now_ms)
{
    if (t->size - t->head < size) {
        size_t rest = t->size - t->head;
        while (t->size - t->used < rest)
            forget_oldest(t, now_ms);
        if (rest) {
            *entry_at(t, t->head) = (struct entry){.size = (uint32_t)rest};
            t->used += rest;
        }
        t->head = 0;
    }
    while (t->size - t->used < size)
        forget_oldest(t, now_ms);
    return entry_at(t, t->head);
}

bool txn_of_cancel(struct txns *t, const struct sip_request *cancel, const struct flow *flow,
                   int64_t now_ms, char to_tag[16])
{
    struct txn_pending invite;
    key_make(t, cancel, SLICE("INVITE"), flow, &invite);
    if (!find(t, &invite.key, now_ms))
        return false;
    txn_to_tag(t, &invite, to_tag);
    return true;
}

void txn_finish(struct txns *t, const struct txn_pending *p, struct slice reply, int64_t now_ms)
{
    size_t size = sizeof(struct entry) + p->key.text.n + reply.n;
    size = (size + 2 * ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
    if (size > t->size / 8)
        return;
    struct entry *e = make_room(t, size, now_ms);
    uint32_t *bucket = bucket_of(t, p->key.hash);
    *e = (struct entry){.hash = p->key.hash,
                        .at_ms = now_ms,
                        .next = *bucket,
                        .size = (uint32_t)size,
                        .reply_n = (uint32_t)reply.n,
                        .key_n = (uint16_t)p->key.text.n,
                        .live = 1};
    char *text = (char *)(e + 1);
    memcpy(text, p->key.text.p, p->key.text.n);
    memcpy(text + p->key.text.n, reply.p, reply.n);
    *bucket = (uint32_t)(t->head / ENTRY_ALIGN) + 1;
    t->head += size;
    if (t->head == t->size)
        t->head = 0;
    t->used += size;
    metric_add(METRIC_TRANSACTIONS, 0, 1);
}

enum txn_match txn_match(struct txns *t, const struct txn_pending *p, int64_t now_ms,
                         struct slice *reply, struct txn_pending **found)
{
    *found = NULL;
    const struct entry *e = find(t, &p->key, now_ms);
    if (e) {
        *reply = slice_of((const char *)(e + 1) + e->key_n, e->reply_n);
        return TXN_DONE;
    }
    for (struct txn_pending *q = *key_slot(t, p->key.hash); q; q = q->next_by_key)
        if (q->key.hash == p->key.hash && slice_eq(q->key.text, p->key.text)) {
            *found = q;
            return TXN_PENDING;
        }
    if (p->merge_hash)
        for (struct txn_pending *q = *merge_slot(t, p->merge_hash); q; q = q->next_by_merge)
            if (q->merge_hash == p->merge_hash)
                return TXN_MERGED;
    return TXN_NEW;
}
