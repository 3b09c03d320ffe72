// SPDX-License-Identifier: Apache-2.0
#include "service/invite.h"

#include <stdlib.h>

#include "service/pipeline.h"

#define INVITES_MAX 4096
#define BUCKETS     1024
#define T1_MS       500
#define STEPS       4 // Timer G: 0.5, 1, 2, then 4 s (T2)
#define TIMER_H_MS  (64 * T1_MS)

struct invite {
    struct invite *next_in_bucket;
    struct invite *next, *previous; // of those with the same interval, by when they are due
    uint64_t hash;
    int64_t due_ms, ends_ms;
    unsigned step;
    struct flow flow;
    struct address to;
    size_t key_n, reply_n;
    char bytes[]; // key, reply
};

// All that wait equally long are due in the order they came: a queue a step is a timer without a
// heap.
struct queue {
    struct invite *first, *last;
};

struct invites {
    struct invite *buckets[BUCKETS];
    struct queue queues[STEPS];
    size_t n;
};

struct invites *invites_open(void)
{
    return calloc(1, sizeof(struct invites));
}

static void unqueue(struct invites *v, struct invite *i)
{
    struct queue *q = &v->queues[i->step];
    *(i->previous ? &i->previous->next : &q->first) = i->next;
    *(i->next ? &i->next->previous : &q->last) = i->previous;
}

static void enqueue(struct invites *v, struct invite *i)
{
    struct queue *q = &v->queues[i->step];
    i->next = NULL;
    i->previous = q->last;
    *(q->last ? &q->last->next : &q->first) = i;
    q->last = i;
}

static void forget(struct invites *v, struct invite *i)
{
    struct invite **at = &v->buckets[i->hash % BUCKETS];
    while (*at != i)
        at = &(*at)->next_in_bucket;
    *at = i->next_in_bucket;
    unqueue(v, i);
    free(i);
    v->n--;
}

void invites_close(struct invites *v)
{
    if (!v)
        return;
    for (unsigned s = 0; s < STEPS; s++)
        while (v->queues[s].first)
            forget(v, v->queues[s].first);
    free(v);
}

void invites_answered(struct invites *v, const struct txn_key *key, const struct flow *flow,
                      const struct address *to, struct slice reply, int64_t now_ms)
{
    struct invite *i = v->n < INVITES_MAX ? malloc(sizeof *i + key->text.n + reply.n) : NULL;
    if (!i)
        return;
    struct invite **bucket = &v->buckets[key->hash % BUCKETS];
    *i = (struct invite){.next_in_bucket = *bucket,
                         .hash = key->hash,
                         .due_ms = now_ms + T1_MS,
                         .ends_ms = now_ms + TIMER_H_MS,
                         .flow = *flow,
                         .to = *to,
                         .key_n = key->text.n,
                         .reply_n = reply.n};
    memcpy(i->bytes, key->text.p, key->text.n);
    memcpy(i->bytes + key->text.n, reply.p, reply.n);
    *bucket = i;
    enqueue(v, i);
    v->n++;
}

void invites_acknowledged(struct invites *v, const struct txn_key *key)
{
    for (struct invite *i = v->buckets[key->hash % BUCKETS]; i; i = i->next_in_bucket)
        if (i->hash == key->hash && slice_eq(slice_of(i->bytes, i->key_n), key->text)) {
            forget(v, i);
            return;
        }
}

static void send_again(struct invites *v, struct invite *i, const struct pipeline_net *net,
                       int64_t now_ms)
{
    if (now_ms >= i->ends_ms) {
        forget(v, i);
        return;
    }
    net->send(net->arg, &i->flow, &i->to, slice_of(i->bytes + i->key_n, i->reply_n));
    unqueue(v, i);
    if (i->step + 1 < STEPS)
        i->step++;
    i->due_ms = now_ms + ((int64_t)T1_MS << i->step);
    enqueue(v, i);
}

int64_t invites_tick(struct invites *v, const struct pipeline_net *net, int64_t now_ms,
                     int64_t most)
{
    for (unsigned s = 0; s < STEPS; s++) {
        struct queue *q = &v->queues[s];
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was forgotten is no longer the first
        while (q->first && q->first->due_ms <= now_ms)
            send_again(v, q->first, net, now_ms);
        if (q->first && q->first->due_ms - now_ms < most)
            most = q->first->due_ms - now_ms;
    }
    return most;
}
