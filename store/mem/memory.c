// SPDX-License-Identifier: Apache-2.0
// The memory backend's table, its opening, and one run of its writer.
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/mem/mem.h"

#define LOG_MAX 100000 // changes kept at most, whatever is configured: this backend is for tests

static void mem_close(void *state)
{
    struct mem *m = state;
    for (struct store_op *op = m->closing.head, *next; op; op = next) {
        next = op->link;
        op->status = STORE_UNAVAILABLE;
        store_complete(m->front, op);
    }
    for (uint64_t i = m->log_first; m->now && m->log && i <= m->now->change; i++)
        object_unref(m->log[i % m->log_cap].object);
    snapshot_unref(m->now);
    pthread_mutex_destroy(&m->lock);
    free(m->log);
    free(m);
}

static int mem_open(const struct store_config *config, struct slice rest, struct store *front,
                    void **state, char *why, size_t why_size)
{
    if (rest.n) {
        snprintf(why, why_size, "store.url: nothing may follow \"memory:\"");
        return -1;
    }
    struct mem *m = calloc(1, sizeof *m);
    if (m) {
        m->front = front;
        m->log_first = 1;
        m->log_cap = config->changes_max < LOG_MAX ? config->changes_max : LOG_MAX;
        m->log_cap = m->log_cap ? m->log_cap : 1;
        m->log = calloc(m->log_cap, sizeof *m->log);
        m->now = snapshot_new();
        random_bytes(&m->epoch, sizeof m->epoch);
        m->epoch |= 1; // never 0
        random_bytes(m->secret, sizeof m->secret);
        pthread_mutex_init(&m->lock, NULL);
    }
    if (!m || !m->log || !m->now) {
        if (m)
            mem_close(m);
        snprintf(why, why_size, "no memory for the store");
        return -1;
    }
    *state = m;
    return 0;
}

static void wait_in_line(struct mem *m, struct store_op *op)
{
    op->link = NULL;
    if (m->closing.tail)
        m->closing.tail->link = op;
    else
        m->closing.head = op;
    m->closing.tail = op;
}

// Carries the first deletion on. When it is done, the name of the domain that is gone.
static struct slice step(struct tx *tx)
{
    const struct store_op *op = tx->m->closing.head;
    return op && mem_delete_domain(tx, op->domain) ? op->domain : SLICE_NONE;
}

// Completes all that waited for the domain, before anybody can make it anew.
static void complete_closed(struct mem *m, struct slice name)
{
    struct store_op *op = m->closing.head, *next;
    m->closing.head = m->closing.tail = NULL;
    for (; op; op = next) {
        next = op->link;
        if (!slice_eq(op->domain, name)) {
            wait_in_line(m, op);
            continue;
        }
        op->change = m->now->change;
        store_complete(m->front, op);
    }
}

static int64_t mem_run(void *state, struct store_op **ops, size_t n, int64_t now_ms)
{
    struct mem *m = state;
    struct tx tx = {.m = m, .now_ms = now_ms, .snap = m->now};
    for (size_t i = 0; i < n; i++)
        if (!mem_op(&tx, ops[i])) {
            wait_in_line(m, ops[i]);
            ops[i] = NULL;
        }
    mem_expire(&tx);
    struct slice closed = step(&tx);
    tx_commit(&tx);
    for (size_t i = 0; i < n; i++)
        if (ops[i])
            store_complete(m->front, ops[i]);
    if (closed.n)
        complete_closed(m, closed);
    if (m->closing.head)
        return 0;
    struct store_counts c;
    mem_counts(m, &c);
    int64_t wait = c.next_expiry_ms - now_ms;
    return wait < 1 ? 1 : wait > 1000 ? 1000 : wait;
}

static bool mem_writable(void *state)
{
    (void)state;
    return true;
}

static void mem_secret(void *state, uint8_t out[32])
{
    const struct mem *m = state;
    memcpy(out, m->secret, sizeof m->secret);
}

static enum store_status mem_backup(void *state, int fd)
{
    (void)state, (void)fd;
    return STORE_UNAVAILABLE; // it has no format
}

const struct store_backend store_backend_memory = {.scheme = "memory",
                                                   .open = mem_open,
                                                   .close = mem_close,
                                                   .run = mem_run,
                                                   .writable = mem_writable,
                                                   .counts = mem_counts,
                                                   .secret = mem_secret,
                                                   .backup = mem_backup,
                                                   .check = mem_check,
                                                   .reader_open = mem_reader_open,
                                                   .reader_close = mem_reader_close,
                                                   .begin = mem_begin,
                                                   .end = mem_end,
                                                   .domain_find = mem_domain_find,
                                                   .domain_next = mem_domain_next,
                                                   .domain_count = mem_domain_count,
                                                   .user_find = mem_user_find,
                                                   .user_next = mem_user_next,
                                                   .bindings_find = mem_bindings_find,
                                                   .bindings_glance = mem_bindings_glance,
                                                   .changes_read = mem_changes_read};
