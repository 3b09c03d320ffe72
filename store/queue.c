// SPDX-License-Identifier: Apache-2.0
// See queue.h. Bulk work is taken in small portions while registrations wait, so that an import
// never holds a phone up for longer than a small commit.
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"

int queue_init(struct store_queue *q, size_t max)
{
    q->max = max ? max : 65536;
    q->run = calloc(q->max, sizeof *q->run);
    if (!q->run)
        return -1;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->wake, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void queue_free(struct store_queue *q)
{
    if (!q->run)
        return;
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->wake);
    free(q->run);
}

static void wake_writer(struct store_queue *q)
{
    if (q->waiting)
        pthread_cond_signal(&q->wake);
}

bool queue_add(struct store_queue *q, struct store_port *port, struct store_op *first, size_t n)
{
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&q->lock);
    bool room = !q->stopping && n <= q->max - atomic_load(&q->n);
    bool full = !room && !q->stopping;
    for (struct store_op *op = room ? first : NULL, *next; op; op = next) {
        next = op->link;
        op->port = port;
        op->submitted_us = now_us;
        op_list_add(op->bulk ? &q->bulk : &q->ops, op);
    }
    if (room) {
        size_t queued = atomic_fetch_add(&q->n, n) + n;
        metric_set(METRIC_STORE_QUEUE, 0, (int64_t)queued);
        wake_writer(q);
    }
    pthread_mutex_unlock(&q->lock);
    if (full)
        limit_reached(LIMIT_STORE_QUEUE, SLICE_NONE);
    return room;
}

void queue_poke(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->poked = true;
    wake_writer(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_stop(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    wake_writer(q);
    pthread_mutex_unlock(&q->lock);
}

static int bulk_cmp(const void *a, const void *b)
{
    const struct bulk_item *x = a, *y = b;
    // Only users are worth sorting; what is done to domains keeps its place before and behind them.
    int r = slice_cmp(x->op->domain, y->op->domain);
    if (!r)
        r = slice_cmp(x->op->username, y->op->username);
    if (!r)
        r = (x->at > y->at) - (x->at < y->at);
    return r;
}

// Moves the bulk list's leading users into the sorted run, or its first op where that is another.
static void take_bulk(struct store_queue *q)
{
    q->run_at = q->run_n = 0;
    while (q->bulk.head) {
        struct store_op *op = q->bulk.head;
        if (q->run_n && (op->kind != STORE_OP_USER || q->run[0].op->kind != STORE_OP_USER))
            break;
        q->bulk.head = op->link;
        if (!q->bulk.head)
            q->bulk.tail = NULL;
        q->bulk.n--;
        q->run[q->run_n] = (struct bulk_item){op, q->run_n};
        q->run_n++;
    }
}

static void wait_for_work(struct store_queue *q, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    q->waiting = true;
    while (!q->ops.head && !q->bulk.head && !q->poked && !q->stopping)
        if (pthread_cond_timedwait(&q->wake, &q->lock, &until) == ETIMEDOUT)
            break;
    q->waiting = false;
    q->poked = false;
}

size_t queue_take(struct store_queue *q, int64_t wait_ms, bool *stop)
{
    size_t n = 0;
    bool sort = false;
    pthread_mutex_lock(&q->lock);
    if (wait_ms > 0 && q->run_at == q->run_n)
        wait_for_work(q, wait_ms);
    for (; n < QUEUE_BATCH && q->ops.head; n++) {
        q->batch[n] = q->ops.head;
        q->ops.head = q->ops.head->link;
        q->ops.n--;
    }
    if (!q->ops.head)
        q->ops.tail = NULL;
    if (q->run_at == q->run_n && q->bulk.head) {
        take_bulk(q);
        sort = true;
    }
    *stop = q->stopping && n == 0 && q->run_at == q->run_n && !q->bulk.head;
    pthread_mutex_unlock(&q->lock);

    if (sort)
        qsort(q->run, q->run_n, sizeof *q->run, bulk_cmp);
    size_t most = n ? n + QUEUE_BULK_SMALL : QUEUE_BATCH;
    for (; n < most && n < QUEUE_BATCH && q->run_at < q->run_n; n++)
        q->batch[n] = q->run[q->run_at++].op;
    if (n)
        metric_set(METRIC_STORE_QUEUE, 0, (int64_t)(atomic_fetch_sub(&q->n, n) - n));
    return n;
}
