// SPDX-License-Identifier: Apache-2.0
// See import_work.h. The lines under way form a ring in the order of the upload: taken at its head,
// finished anywhere, answered at its tail. The writer is given a portion at a time; it sorts what
// it has by key and takes little of it while registrations wait.
#include "api/import_work.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "api/import_line.h"
#include "api/import_lines.h"
#include "base/limits.h"
#include "store/credential.h"

#define PIECE      65536
#define PORTION    64    // ops that are submitted together
#define RESULT_MAX 65536 // of one line
#define RETRY_MS   10    // until a full queue is asked again
#define RETRIES    1000

struct work {
    const struct import_io *io;
    struct store_port *port;
    struct store_reader *reader;
    struct lines lines;
    struct text result;
    struct import_line *ring;
    uint64_t head, tail; // of the ring, in lines
    struct store_op *portion, **portion_end;
    size_t n_portion, n_submitted;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool notified; // under the lock
    bool results_lost;
};

static struct import_line *line_at(const struct work *w, uint64_t n)
{
    return &w->ring[n % w->io->window];
}

// ---- The store --------------------------------------------------------------------------------

// On the writer's thread.
static void notify(void *arg)
{
    struct work *w = arg;
    pthread_mutex_lock(&w->lock);
    w->notified = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static void wait_notified(struct work *w, unsigned most_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)most_ms % 1000 * 1000000;
    until.tv_sec += most_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    while (!w->notified)
        if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
            break;
    w->notified = false;
    pthread_mutex_unlock(&w->lock);
}

static void collect(struct work *w)
{
    for (struct store_op *op = store_port_collect(w->port), *next; op; op = next) {
        next = op->link;
        w->n_submitted--;
        import_line_done(op->ctx);
    }
}

// The queue takes all of the portion, or it is tried again for a while: it is full for moments
// only, unless the store is closing.
static void submit(struct work *w)
{
    if (w->n_portion == 0)
        return;
    bool taken = false;
    for (unsigned i = 0; !taken && i < RETRIES; i++) {
        taken = store_submit(w->port, w->portion, w->n_portion);
        if (!taken)
            wait_notified(w, RETRY_MS);
    }
    if (taken)
        w->n_submitted += w->n_portion;
    for (struct store_op *op = taken ? NULL : w->portion, *next; op; op = next) {
        next = op->link;
        op->status = STORE_UNAVAILABLE;
        import_line_done(op->ctx);
    }
    w->portion = NULL;
    w->portion_end = &w->portion;
    w->n_portion = 0;
}

static void add_to_portion(struct work *w, struct store_op *op)
{
    op->link = NULL;
    *w->portion_end = op;
    w->portion_end = &op->link;
    if (++w->n_portion == PORTION)
        submit(w);
}

// ---- The ring ---------------------------------------------------------------------------------

// Gives out the results that are due.
static void answer(struct work *w)
{
    for (; w->tail < w->head && line_at(w, w->tail)->status; w->tail++) {
        w->result.n = 0;
        w->result.bad = w->result.comma = false;
        import_line_result(line_at(w, w->tail), &w->result);
        if (!w->results_lost)
            w->results_lost = w->result.bad || !w->io->result(w->io->arg, text_slice(&w->result));
    }
}

static void wait_for_some(struct work *w)
{
    submit(w);
    collect(w);
    answer(w);
    uint64_t tail = w->tail;
    while (w->tail == tail && w->n_submitted) {
        wait_notified(w, 1000);
        collect(w);
        answer(w);
    }
}

static struct import_line *take_line(struct work *w)
{
    while (w->head - w->tail == w->io->window)
        wait_for_some(w);
    return line_at(w, w->head++);
}

static void handle_line(struct work *w, enum line_kind kind, struct slice text)
{
    struct import_line *line = take_line(w);
    if (kind == LINE_TOO_LONG) {
        limit_reached(LIMIT_API_IMPORT_LINE, SLICE_NONE);
        import_line_refuse(line, w->lines.number, 413, "the line is too long");
    } else if (store_reader_begin(w->reader) != STORE_OK) {
        import_line_refuse(line, w->lines.number, 503, "the store cannot be read now");
    } else {
        bool go = import_line_read(line, w->lines.number, text, w->reader);
        store_reader_end(w->reader);
        if (go)
            add_to_portion(w, &line->op);
    }
}

// ---- The run ----------------------------------------------------------------------------------

static enum import_end go_through(struct work *w, char *piece)
{
    struct slice text;
    enum line_kind kind;
    long n = 0;
    while (!w->results_lost && (n = w->io->read(w->io->arg, piece, PIECE)) > 0) {
        struct slice rest = slice_of(piece, (size_t)n);
        while (!w->results_lost && (kind = lines_next(&w->lines, &rest, &text)) != LINE_NONE)
            handle_line(w, kind, text);
        submit(w); // what follows may be long in coming
        collect(w);
        answer(w);
    }
    bool whole = n == 0 && !w->results_lost;
    if (whole && (kind = lines_last(&w->lines, &text)) != LINE_NONE)
        handle_line(w, kind, text);
    while (w->tail < w->head)
        wait_for_some(w);
    return w->results_lost ? IMPORT_RESULTS_LOST : whole ? IMPORT_WHOLE : IMPORT_BROKEN;
}

static bool prepare(struct work *w)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    w->portion_end = &w->portion;
    text_init(&w->result, RESULT_MAX);
    w->ring = calloc(w->io->window, sizeof *w->ring);
    return w->ring && lines_init(&w->lines) == 0 &&
           store_reader_open(w->io->store, &w->reader) == 0 &&
           store_port_open(w->io->store, notify, w, &w->port) == 0;
}

enum import_end import_run(const struct import_io *io)
{
    struct work w = {.io = io};
    char *piece = malloc(PIECE);
    enum import_end end = IMPORT_NOMEM;
    if (prepare(&w) && piece)
        end = go_through(&w, piece);
    if (piece)
        secret_wipe(piece, PIECE); // passwords
    if (w.lines.held)
        secret_wipe(w.lines.held, IMPORT_LINE_MAX);
    if (w.port)
        store_port_close(w.port);
    if (w.reader)
        store_reader_close(w.reader);
    lines_free(&w.lines);
    text_free(&w.result);
    free(w.ring);
    free(piece);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.lock);
    return end;
}
