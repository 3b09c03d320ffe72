// SPDX-License-Identifier: Apache-2.0
// The front of the store: picks the backend by the URL's scheme, owns the writer's thread, the
// ports and the watcher, and passes reads on.
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/backend.h"
#include "store/flows.h"
#include "store/queue.h"

static const struct store_backend *const backends[] = {&store_backend_lmdb, &store_backend_memory};

struct store_port {
    struct store *store;
    void (*notify)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    struct op_list done;      // under the lock
    struct store_port *noted; // the writer's own: the next port to notify
    bool to_note;
};

struct store {
    const struct store_backend *backend;
    void *state;
    struct store_config config;
    struct store_queue queue;
    pthread_t writer;
    bool running;
    _Atomic bool closing;
    pthread_mutex_t watch_lock;
    store_watch_fn *watch;
    void *watch_arg;
    _Atomic bool watched;
    struct op_list done; // completed in this run, the writer's own
    // Held while ops are handed back, so that a port that has all its ops is not closed under the
    // writer's hands.
    pthread_mutex_t hand_lock;
};

// ---- The writer's thread ----------------------------------------------------------------------

static int64_t store_now(const struct store *s)
{
    return s->config.clock ? s->config.clock(s->config.clock_arg) : clock_now_ms();
}

// Gives the completed ops back to their ports, in order, and notifies each port once.
static void hand_back(struct store *s)
{
    struct store_port *touched = NULL, *locked = NULL;
    struct store_op *op = s->done.head;
    s->done = (struct op_list){0};
    pthread_mutex_lock(&s->hand_lock);
    while (op) {
        struct store_op *next = op->link;
        if (!locked || op->port != locked) {
            if (locked)
                pthread_mutex_unlock(&locked->lock);
            locked = op->port;
            pthread_mutex_lock(&locked->lock);
        }
        if (!locked->to_note) {
            locked->to_note = true;
            locked->noted = touched;
            touched = locked;
        }
        op_list_add(&locked->done, op);
        op = next;
    }
    if (locked)
        pthread_mutex_unlock(&locked->lock);
    while (touched) {
        struct store_port *port = touched;
        touched = port->noted;
        port->to_note = false;
        port->notify(port->arg);
    }
    pthread_mutex_unlock(&s->hand_lock);
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    int64_t wait_ms = 0;
    for (;;) {
        bool stop = false;
        size_t n = queue_take(&s->queue, wait_ms, &stop);
        if (stop)
            break;
        int64_t now_us = clock_mono_us();
        for (size_t i = 0; i < n; i++)
            histogram_observe_us(HISTOGRAM_QUEUE_WAIT,
                                 (uint64_t)(now_us - s->queue.batch[i]->submitted_us));
        wait_ms = s->backend->run(s->state, s->queue.batch, n, store_now(s));
        hand_back(s);
    }
    return NULL;
}

void store_complete(struct store *s, struct store_op *op)
{
    op_list_add(&s->done, op);
}

void store_wake(struct store *s)
{
    queue_poke(&s->queue);
}

bool store_watched(struct store *s)
{
    return atomic_load_explicit(&s->watched, memory_order_relaxed);
}

void store_tell(struct store *s, const struct store_event *events, size_t n)
{
    if (n == 0 || !store_watched(s))
        return;
    pthread_mutex_lock(&s->watch_lock);
    if (s->watch)
        s->watch(s->watch_arg, events, n);
    pthread_mutex_unlock(&s->watch_lock);
}

void store_watch(struct store *s, store_watch_fn *fn, void *arg)
{
    pthread_mutex_lock(&s->watch_lock);
    s->watch = fn;
    s->watch_arg = arg;
    s->watched = fn != NULL;
    pthread_mutex_unlock(&s->watch_lock);
}

// ---- Opening ----------------------------------------------------------------------------------

static const struct store_backend *pick_backend(struct slice url, struct slice *rest)
{
    size_t colon = slice_find(url, ':');
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (colon < url.n && slice_eq(slice_upto(url, colon), slice_str(backends[i]->scheme))) {
            *rest = slice_from(url, colon + 1);
            return backends[i];
        }
    return NULL;
}

// The writer takes no signal: those are for the thread that waits for them.
static int start_writer(struct store *s)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&s->writer, NULL, writer_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    s->running = rc == 0;
    return rc;
}

int store_open(const struct store_config *config, struct store **out, char *why, size_t why_size)
{
    struct slice rest;
    const struct store_backend *backend = pick_backend(config->url, &rest);
    if (!backend) {
        snprintf(why, why_size, "store.url: \"%.*s\" names no backend (lmdb:FOLDER is one)",
                 SLICE_FMT(config->url));
        return -1;
    }
    struct store *s = calloc(1, sizeof *s);
    if (!s || queue_init(&s->queue, config->queue_max) != 0) {
        free(s);
        snprintf(why, why_size, "no memory for the store's queue");
        return -1;
    }
    clock_start();
    s->config = *config;
    s->backend = backend;
    pthread_mutex_init(&s->watch_lock, NULL);
    pthread_mutex_init(&s->hand_lock, NULL);
    if (backend->open(config, rest, s, &s->state, why, why_size) != 0) {
        store_close(s);
        return -1;
    }
    if (config->inspect) {
        queue_stop(&s->queue);
    } else if (start_writer(s) != 0) {
        snprintf(why, why_size, "the store's writer thread cannot be started");
        store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->closing = true;
    if (s->running) {
        queue_stop(&s->queue);
        pthread_join(s->writer, NULL);
    }
    if (s->state)
        s->backend->close(s->state);
    hand_back(s); // what close gave up
    queue_free(&s->queue);
    pthread_mutex_destroy(&s->watch_lock);
    pthread_mutex_destroy(&s->hand_lock);
    free(s);
}

bool store_writable(struct store *s)
{
    return !s->closing && s->backend->writable(s->state);
}

// ---- Ports ------------------------------------------------------------------------------------

int store_port_open(struct store *s, void (*notify)(void *arg), void *arg, struct store_port **out)
{
    struct store_port *port = calloc(1, sizeof *port);
    if (!port)
        return -1;
    port->store = s;
    port->notify = notify;
    port->arg = arg;
    pthread_mutex_init(&port->lock, NULL);
    *out = port;
    return 0;
}

void store_port_close(struct store_port *port)
{
    if (!port)
        return;
    pthread_mutex_lock(&port->store->hand_lock);
    pthread_mutex_unlock(&port->store->hand_lock);
    pthread_mutex_destroy(&port->lock);
    free(port);
}

bool store_submit(struct store_port *port, struct store_op *first, size_t n)
{
    return queue_add(&port->store->queue, port, first, n);
}

struct store_op *store_port_collect(struct store_port *port)
{
    pthread_mutex_lock(&port->lock);
    struct store_op *op = port->done.head;
    port->done = (struct op_list){0};
    pthread_mutex_unlock(&port->lock);
    return op;
}

// ---- The blocking form ------------------------------------------------------------------------

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void waiter_notify(void *arg)
{
    struct waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

enum store_status store_do(struct store *s, struct store_op *op)
{
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct store_port *port;
    if (store_port_open(s, waiter_notify, &w, &port) != 0)
        return op->status = STORE_NOMEM;
    op->link = NULL;
    if (store_submit(port, op, 1)) {
        pthread_mutex_lock(&w.lock);
        while (!w.done)
            pthread_cond_wait(&w.cond, &w.lock);
        pthread_mutex_unlock(&w.lock);
        store_port_collect(port);
    } else {
        op->status = STORE_UNAVAILABLE;
    }
    store_port_close(port);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.cond);
    return op->status;
}

// ---- Reads, passed on -------------------------------------------------------------------------

int store_reader_open(struct store *s, struct store_reader **out)
{
    int rc = s->backend->reader_open(s->state, out);
    if (rc == 0)
        (*out)->flows = s->config.flows;
    return rc;
}

void store_reader_close(struct store_reader *r)
{
    if (r)
        r->backend->reader_close(r);
}

enum store_status store_reader_begin(struct store_reader *r)
{
    return r->backend->begin(r);
}

void store_reader_end(struct store_reader *r)
{
    r->backend->end(r);
}

uint64_t store_reader_mark(const struct store_reader *r)
{
    return r->mark;
}

enum store_status store_domain_find(struct store_reader *r, struct slice host, struct domain *out)
{
    return r->backend->domain_find(r, host, out);
}

enum store_status store_domain_next(struct store_reader *r, struct slice after, struct domain *out)
{
    return r->backend->domain_next(r, after, out);
}

enum store_status store_domain_only(struct store_reader *r, struct domain *out)
{
    struct domain second;
    enum store_status st = r->backend->domain_next(r, SLICE_NONE, out);
    if (st == STORE_OK && r->backend->domain_next(r, out->name, &second) != STORE_NOT_FOUND)
        return STORE_NOT_FOUND;
    return st;
}

enum store_status store_domain_count(struct store_reader *r, struct slice domain,
                                     struct store_domain_counts *out)
{
    return r->backend->domain_count(r, domain, out);
}

enum store_status store_user_find(struct store_reader *r, struct slice domain, struct slice key,
                                  struct user *out)
{
    return r->backend->user_find(r, domain, key, out);
}

enum store_status store_user_next(struct store_reader *r, struct slice domain, struct slice key,
                                  struct user *out, struct slice *key_out)
{
    return r->backend->user_next(r, domain, key, out, key_out);
}

enum store_status store_bindings_find(struct store_reader *r, const struct user *user,
                                      int64_t now_ms, struct arena *arena, struct aor_state *out)
{
    enum store_status st = r->backend->bindings_find(r, user, now_ms, arena, out);
    if (st == STORE_OK) {
        out->version += flows_version(r->flows);
        flows_mark(r->flows, &out->bindings);
    }
    return st;
}

void store_bindings_glance(struct store_reader *r, const struct user *user, int64_t now_ms,
                           struct aor_glance *out)
{
    r->backend->bindings_glance(r, user, now_ms, out);
    out->version += flows_version(r->flows);
}

enum store_status store_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                     bool (*take)(void *arg, const struct store_event *event),
                                     void *arg)
{
    return r->backend->changes_read(r, after, max, take, arg);
}

void store_counts(struct store *s, struct store_counts *out)
{
    s->backend->counts(s->state, out);
    out->bindings_version += flows_version(s->config.flows);
}

void store_secret(struct store *s, uint8_t out[32])
{
    s->backend->secret(s->state, out);
}

enum store_status store_backup(struct store *s, int fd)
{
    return s->backend->backup(s->state, fd);
}

long store_check(struct store *s, void (*say)(void *arg, const char *sentence), void *arg)
{
    return s->backend->check(s->state, say, arg);
}
