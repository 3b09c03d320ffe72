// SPDX-License-Identifier: Apache-2.0
// The writer: one transaction and one sync for all that is queued, then publish, tell, complete, in
// that order. A batch that does not fit is run again in halves, so that one big operation never
// fails its neighbours.
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/lmdb/internal.h"

int batch_init(struct batch *b)
{
    b->pending = malloc(PENDING_MAX * sizeof *b->pending);
    b->record = malloc(CODEC_RECORD_MAX);
    // Grown blocks are given back after each batch; the first serves nearly all.
    size_t first = 256u << 10;
    void *block = malloc(first);
    arena_init(&b->arena, block, block ? first : 0, 256u << 20);
    return b->pending && b->record && block && events_reserve(b, 1024) ? 0 : -1;
}

void batch_free(struct batch *b)
{
    arena_reset(&b->arena);
    free(b->arena.first);
    free(b->pending);
    free(b->record);
    free(b->events);
}

int batch_put(struct lmdb_store *s, MDB_dbi dbi, struct slice key, struct slice value,
              unsigned flags)
{
    MDB_val k = val_of(key), v = val_of(value);
    s->batch.wrote = true;
    if (!s->batch.rc)
        s->batch.rc = mdb_put(s->batch.txn, dbi, &k, &v, flags);
    return s->batch.rc;
}

static int batch_begin(struct lmdb_store *s, int64_t now_ms)
{
    struct batch *b = &s->batch;
    b->now_ms = now_ms;
    b->state = s->state;
    b->rc = 0;
    b->wrote = b->wrote_users = b->marks = false;
    b->appended = b->added_events = b->n_pending = b->n_events = b->n_fired = 0;
    b->records = b->changes = 0;
    b->waiting = (struct op_list){0};
    b->closed = SLICE_NONE;
    memset(b->index, 0, sizeof b->index);
    return mdb_txn_begin(s->env, NULL, 0, &b->txn);
}

// Nothing of the batch has happened.
static void batch_undo(struct lmdb_store *s)
{
    struct batch *b = &s->batch;
    for (size_t i = 0; i < b->n_pending; i++)
        if (!b->pending[i].old_seq && b->pending[i].seq)
            map_unreserve(s->map, b->pending[i].hash);
    for (size_t i = 0; i < b->n_fired; i++)
        wheel_undo(s->wheel, &b->fired[i]);
    domains_forget(s);
    arena_reset(&b->arena);
}

// ---- Work -------------------------------------------------------------------------------------

static void carry_out(struct lmdb_store *s, struct store_op *op)
{
    bool waits = false;
    switch (op->kind) {
    case STORE_OP_BINDINGS:
        op->status = op_bindings(s, op);
        break;
    case STORE_OP_USER:
        op->status = op_user(s, op);
        break;
    case STORE_OP_DOMAIN:
        op->status = op_domain(s, op, &waits);
        break;
    }
    if (waits && op->status == STORE_OK)
        op_list_add(&s->batch.waiting, op);
}

// Expiry, a domain's deletion, trimming: a bounded step each. True when more is waiting.
static bool housekeeping(struct lmdb_store *s, size_t n_ops)
{
    struct batch *b = &s->batch;
    bool busy = n_ops > 0, more = wheel_advance(s->wheel, b->now_ms);
    size_t most = busy ? EXPIRE_STEP / 2 : EXPIRE_STEP;
    while (b->n_fired < most && !b->rc && wheel_pop(s->wheel, b->now_ms, &b->fired[b->n_fired]))
        expire_hash(s, b->fired[b->n_fired++].hash);
    more = more || b->n_fired == most;
    closing_step(s, busy ? CLOSING_STEP / 4 : CLOSING_STEP);
    // Each append may cost one live record moved and one stale one dropped; a backlog (after a mass
    // expiry) is worked off faster.
    uint64_t records = s->records + (uint64_t)b->records;
    size_t per = records > 4 * s->map->live + 4096 ? 8 : 3;
    log_trim(s, b->appended * per + (busy ? 16 : 1024));
    // A store that is nearly full gives its oldest events up first.
    changes_trim(s, b->added_events * 2 + (busy && !s->tight ? 16 : 1024));
    copy_mark(s);
    if (!s->writable && !b->rc)
        b->wrote = true; // a probe: does the disk take it again?
    return more || s->closing;
}

// ---- After the commit -------------------------------------------------------------------------

static void publish_map(struct lmdb_store *s)
{
    struct batch *b = &s->batch;
    for (size_t i = 0; i < b->n_pending; i++) {
        const struct pending *p = &b->pending[i];
        const struct map_entry now = {.hash = p->hash,
                                      .seq = p->seq,
                                      .version = p->version,
                                      .next_expiry_ms = p->next_expiry_ms,
                                      .n = p->n};
        if (p->seq)
            wheel_place(s->wheel, map_put(s->map, p->old_seq, &now));
        else
            map_drop(s->map, p->hash, p->old_seq);
    }
    for (size_t i = 0; i < b->n_fired; i++)
        wheel_settle(s->wheel, &b->fired[i]);
    wheel_tidy(s->wheel);
}

static void count_gone(const struct batch *b)
{
    for (size_t i = 0; i < b->n_events; i++)
        if (b->events[i].type == EVENT_BINDING_REMOVED)
            metric_add(METRIC_BINDINGS_REMOVED, b->events[i].gone, 1);
}

static void hand_over_waiting(struct lmdb_store *s)
{
    struct batch *b = &s->batch;
    for (struct store_op *op = b->waiting.head, *next; op; op = next) {
        next = op->link;
        op_list_add(&s->waiting, op);
    }
    if (!b->closed.n)
        return;
    struct op_list left = {0};
    for (struct store_op *op = s->waiting.head, *next; op; op = next) {
        next = op->link;
        if (slice_eq(op->domain, b->closed)) {
            op->change = s->state.change;
            store_complete(s->front, op);
        } else {
            op_list_add(&left, op);
        }
    }
    s->waiting = left;
    for (struct closing **at = &s->closing; *at; at = &(*at)->next)
        if (slice_eq(slice_of((*at)->name, (*at)->n), b->closed)) {
            struct closing *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
}

static void committed(struct lmdb_store *s, uint64_t txn_id)
{
    struct batch *b = &s->batch;
    s->state = b->state;
    s->records += (uint64_t)b->records;
    s->n_changes += (uint64_t)b->changes;
    publish_map(s);
    atomic_store_explicit(&s->published_txn, txn_id, memory_order_release);
    if (b->wrote_users)
        s->users_txn = txn_id;
    if (!s->writable) {
        s->writable = true;
        log_event(LOG_INFO, "store_writable", "the store takes writes again",
                  {"path", slice_str(s->dir)});
    }
    publish_counts(s);
    copy_marked(s);
    count_gone(b);
    store_tell(s->front, b->events, b->n_events);
}

static void complete(struct lmdb_store *s, struct store_op **ops, size_t n, enum store_status all)
{
    static const unsigned cells[] = {
        [STORE_OP_BINDINGS] = 0, [STORE_OP_USER] = 1, [STORE_OP_DOMAIN] = 2};
    struct store_op *waiting = s->batch.waiting.head;
    for (size_t i = 0; i < n; i++) {
        if (waiting && ops[i] == waiting && all == STORE_OK) {
            waiting = waiting->link;
            continue;
        }
        if (all != STORE_OK)
            ops[i]->status = all;
        ops[i]->change = s->state.change;
        metric_add(METRIC_STORE_OPS, cells[ops[i]->kind], 1);
        store_complete(s->front, ops[i]);
    }
}

static void not_writable(struct lmdb_store *s, int rc)
{
    if (s->writable)
        log_event(LOG_ERROR, "store_full", "the store takes no writes; reads go on",
                  {"path", slice_str(s->dir)}, {"error", slice_str(mdb_strerror(rc))});
    s->writable = false;
    metric_set(METRIC_STORE_WRITABLE, 0, 0);
}

// ---- One batch --------------------------------------------------------------------------------

// 0, or LMDB's error with nothing done.
static int attempt(struct lmdb_store *s, struct store_op **ops, size_t n, int64_t now_ms,
                   bool house, bool *more)
{
    struct batch *b = &s->batch;
    int64_t began_us = clock_mono_us();
    int rc = batch_begin(s, now_ms);
    if (rc)
        return rc;
    uint64_t txn_id = mdb_txn_id(b->txn);
    for (size_t i = 0; i < n && !b->rc; i++)
        carry_out(s, ops[i]);
    if (house && !b->rc)
        *more = housekeeping(s, n);
    if (b->wrote && !b->rc) {
        domains_write(s);
        b->rc = b->rc ? b->rc : meta_put_state(s, b->txn, &b->state);
    }
    rc = b->rc;
    if (rc || !b->wrote)
        mdb_txn_abort(b->txn);
    else
        rc = mdb_txn_commit(b->txn);
    if (rc) {
        metric_add(METRIC_COMMITS, 1, 1);
        batch_undo(s);
        return rc;
    }
    if (b->wrote) {
        committed(s, txn_id);
        metric_add(METRIC_COMMITS, 0, 1);
        histogram_observe_us(HISTOGRAM_COMMIT, (uint64_t)(clock_mono_us() - began_us));
    } else {
        publish_map(s); // what fired and was found prolonged is placed anew
        publish_counts(s);
        store_tell(s->front, b->events, b->n_events);
    }
    complete(s, ops, n, STORE_OK);
    hand_over_waiting(s);
    arena_reset(&b->arena);
    return 0;
}

static void run_batch(struct lmdb_store *s, struct store_op **ops, size_t n, int64_t now_ms,
                      bool house, bool *more)
{
    int rc = attempt(s, ops, n, now_ms, house, more);
    if (rc == 0)
        return;
    if (lmdb_may_fit_halved(rc) && (n > 1 || (n == 1 && house))) {
        run_batch(s, ops, n / 2, now_ms, false, more);
        run_batch(s, ops + n / 2, n - n / 2, now_ms, false, more);
        return;
    }
    enum store_status status = lmdb_status(s, rc); // ends the process for what is no fault of ours
    if (lmdb_is_full(rc))
        not_writable(s, rc);
    else if (status == STORE_FULL)
        limit_reached(LIMIT_STORE_MAX_SIZE, slice_str(s->dir));
    s->batch.waiting = (struct op_list){0};
    complete(s, ops, n, status);
    *more = false;
}

int64_t lmdb_run(void *state, struct store_op **ops, size_t n, int64_t now_ms)
{
    struct lmdb_store *s = state;
    bool more = false;
    if (n)
        histogram_observe_count(HISTOGRAM_BATCH, n);
    measure_file(s, now_ms);
    run_batch(s, ops, n, now_ms, true, &more);
    if (more)
        return 0;
    int64_t wait = wheel_next_ms(s->wheel) - now_ms;
    return wait > 1000 ? 1000 : wait < 20 ? 20 : wait;
}
