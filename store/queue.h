// SPDX-License-Identifier: Apache-2.0
// The queue in front of the writer: what was submitted, in order; bulk work behind the rest.
// One lock, taken once a submitted list and once a batch.
#pragma once

#include <pthread.h>

#include "store/store.h"

#define QUEUE_BATCH      1024 // most ops of one batch
#define QUEUE_BULK_SMALL 64   // most bulk ops of a batch while others wait

struct op_list {
    struct store_op *head, *tail;
    size_t n;
};

static inline void op_list_add(struct op_list *l, struct store_op *op)
{
    op->link = NULL;
    if (l->tail)
        l->tail->link = op;
    else
        l->head = op;
    l->tail = op;
    l->n++;
}

struct bulk_item {
    struct store_op *op;
    size_t at; // order of arrival, so that equal keys keep theirs
};

struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t max;
    struct op_list ops, bulk; // under the lock
    bool poked, stopping;     // likewise
    bool waiting;             // the writer sleeps
    _Atomic size_t n;         // all that is queued, the sorted run too
    // The writer's own: bulk ops taken off the list and sorted by key, so that neighbours in the
    // users table are written together.
    struct bulk_item *run;
    size_t run_at, run_n;
    struct store_op *batch[QUEUE_BATCH];
};

int queue_init(struct store_queue *q, size_t max);
void queue_free(struct store_queue *q);
// All or none; false when there is no room or the queue is stopping.
bool queue_add(struct store_queue *q, struct store_port *port, struct store_op *first, size_t n);
// Waits at most `wait_ms` for work and takes a batch into q->batch. Returns its size; *stop is set
// when the queue is stopping and empty.
size_t queue_take(struct store_queue *q, int64_t wait_ms, bool *stop);
void queue_poke(struct store_queue *q);
// No more is taken in; what is there is still handed out.
void queue_stop(struct store_queue *q);
