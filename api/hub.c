// SPDX-License-Identifier: Apache-2.0
// See hub.h. Three kinds of threads meet here: the store's writer (told), the hub's own, which
// wakes streams so that the writer need not, and those of the streams.
#include "api/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "api/cursor.h"
#include "api/event_ring.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"

#define RING_BYTES   (8u << 20)
#define RING_EVENTS  16384
#define HEARTBEAT_MS 15000
#define GATHER_MS    10
#define FRAME_MAX    (1u << 20)
#define RETRY        "retry: 3000\n"
#define STEPS        1024 // events that one call of hub_next() looks at

struct hub_stream {
    struct hub *hub;
    struct hub_stream *before, *behind; // in the hub's list, under its lock
    struct hub_client client;
    bool waiting;    // under the lock
    bool left;       // likewise: the client has gone
    int64_t sent_us; // likewise
    char domain[DOMAIN_NAME_MAX];
    size_t domain_n;
    unsigned types;
    bool live, broken;
    uint64_t seq;   // live: the place in the ring
    uint64_t after; // what is up to here has been sent, or is not asked for
    struct text held;
    size_t held_at; // of it has been sent
};

struct hub {
    struct hub_config config;
    uint64_t epoch;
    struct text told; // the writer's
    pthread_t thread;
    // Of the streams' threads among themselves; never taken with `lock` held.
    pthread_mutex_t desk;
    struct store_reader *reader; // under it
    struct text frame;           // under it
    size_t n_streams;            // under it
    // Of all of them, for moments only.
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct event_ring ring;
    struct hub_stream *streams;
    bool news, ending;
};

// ---- Frames -----------------------------------------------------------------------------------

static void text_again(struct text *t)
{
    t->n = 0;
    t->bad = t->comma = false;
}

static void put_id(struct text *t, uint64_t epoch, uint64_t change)
{
    TEXT_LIT(t, "id: ");
    event_id_put(t, epoch, change);
    TEXT_LIT(t, "\n");
}

static void put_event(struct text *t, uint64_t epoch, const struct store_event *e)
{
    text_again(t);
    if (e->number)
        put_id(t, epoch, e->number);
    text_printf(t, "event: %s\ndata: ", store_event_name(e->type));
    show_event(t, e);
    TEXT_LIT(t, "\n\n");
}

// The client has to read everything anew and goes on from here.
static void put_reset(struct text *t, uint64_t epoch, uint64_t change)
{
    put_id(t, epoch, change);
    TEXT_LIT(t, "event: reset\ndata: {\"as_of\":\"");
    event_id_put(t, epoch, change);
    TEXT_LIT(t, "\"}\n\n");
}

// ---- The writer's thread ----------------------------------------------------------------------

static void told(void *arg, const struct store_event *events, size_t n)
{
    struct hub *h = arg;
    for (size_t i = 0; i < n; i++) {
        const struct store_event *e = &events[i];
        put_event(&h->told, h->epoch, e);
        const struct ring_event in = {.number = e->number,
                                      .type = e->type,
                                      .domain = e->domain,
                                      .frame = text_slice(&h->told)};
        pthread_mutex_lock(&h->lock);
        if (!h->told.bad)
            ring_add(&h->ring, &in);
        else if (e->number)
            ring_skip(&h->ring, e->number);
        pthread_mutex_unlock(&h->lock);
    }
    pthread_mutex_lock(&h->lock);
    h->news = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

// ---- The hub's thread -------------------------------------------------------------------------

static void wake_streams(struct hub *h, bool all)
{
    int64_t due_us = clock_mono_us() - (int64_t)h->config.heartbeat_ms * 1000;
    for (struct hub_stream *s = h->streams; s; s = s->behind)
        if (s->waiting) {
            s->left = !all && s->client.gone && s->client.gone(s->client.arg);
            if (!all && !s->left && s->sent_us > due_us)
                continue;
            s->waiting = false;
            s->client.wake(s->client.arg);
        }
}

// False when the time was over before there was something to do.
static bool sleep_until(struct hub *h, const bool *something, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (!h->ending && !(something && *something))
        if (pthread_cond_timedwait(&h->wake, &h->lock, &until) == ETIMEDOUT)
            return false;
    return true;
}

static void *hub_main(void *arg)
{
    struct hub *h = arg;
    pthread_mutex_lock(&h->lock);
    while (!h->ending) {
        bool news = sleep_until(h, &h->news, h->config.heartbeat_ms / 8 + 1);
        h->news = false;
        wake_streams(h, news);
        // A commit follows another within milliseconds: one waking serves several.
        if (news)
            sleep_until(h, NULL, h->config.gather_ms);
    }
    wake_streams(h, true);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

// ---- Opening and closing ----------------------------------------------------------------------

int hub_open(const struct hub_config *config, struct hub **out)
{
    struct store_counts counts;
    pthread_condattr_t attr;
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return -1;
    h->config = *config;
    h->config.heartbeat_ms = config->heartbeat_ms ? config->heartbeat_ms : HEARTBEAT_MS;
    h->config.gather_ms = config->gather_ms ? config->gather_ms : GATHER_MS;
    store_counts(config->store, &counts);
    h->epoch = counts.epoch;
    text_init(&h->frame, FRAME_MAX);
    text_init(&h->told, FRAME_MAX);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->desk, NULL);
    pthread_cond_init(&h->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (ring_init(&h->ring, config->ring_bytes ? config->ring_bytes : RING_BYTES,
                  config->ring_events ? config->ring_events : RING_EVENTS) == 0 &&
        store_reader_open(config->store, &h->reader) == 0 &&
        pthread_create(&h->thread, NULL, hub_main, h) == 0) {
        *out = h;
        return 0;
    }
    h->ending = true;
    if (h->reader)
        store_reader_close(h->reader);
    ring_free(&h->ring);
    free(h);
    return -1;
}

void hub_end(struct hub *h)
{
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

void hub_close(struct hub *h)
{
    if (!h)
        return;
    hub_end(h);
    pthread_join(h->thread, NULL);
    store_reader_close(h->reader);
    ring_free(&h->ring);
    text_free(&h->frame);
    text_free(&h->told);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->desk);
    free(h);
}

static uint64_t newest_change(struct hub *h)
{
    struct store_counts counts;
    store_counts(h->config.store, &counts);
    return counts.change;
}

// The first bytes. That the client's own idea of where it is begins with our id serves one whose
// connection breaks before the first event.
static void begin(struct hub_stream *s, enum hub_start start, uint64_t after)
{
    struct hub *h = s->hub;
    s->after = start == HUB_AFTER ? after : newest_change(h);
    TEXT_LIT(&s->held, RETRY);
    if (start == HUB_RESET) {
        put_reset(&s->held, h->epoch, s->after);
    } else {
        put_id(&s->held, h->epoch, s->after);
        TEXT_LIT(&s->held, "\n");
    }
}

static struct hub_stream *make_stream(struct hub *h, const struct hub_filter *filter)
{
    struct hub_stream *s = filter->domain.n <= DOMAIN_NAME_MAX ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->hub = h;
    s->types = filter->types;
    s->domain_n = filter->domain.n;
    if (s->domain_n)
        memcpy(s->domain, filter->domain.p, s->domain_n);
    text_init(&s->held, FRAME_MAX);
    return s;
}

// The first stream has the store watched: from a point before the change that it begins at, so that
// nothing falls between.
static void enter(struct hub_stream *s, enum hub_start start, uint64_t after)
{
    struct hub *h = s->hub;
    if (h->n_streams++ == 0) {
        pthread_mutex_lock(&h->lock);
        ring_clear(&h->ring); // it has a gap since the last stream left
        pthread_mutex_unlock(&h->lock);
        store_watch(h->config.store, told, h);
        uint64_t number = newest_change(h);
        pthread_mutex_lock(&h->lock);
        ring_base(&h->ring, number);
        pthread_mutex_unlock(&h->lock);
    }
    metric_set(METRIC_HTTP_STREAMS, 0, (int64_t)h->n_streams);
    begin(s, start, after);
    pthread_mutex_lock(&h->lock);
    s->sent_us = clock_mono_us();
    s->behind = h->streams;
    if (s->behind)
        s->behind->before = s;
    h->streams = s;
    pthread_mutex_unlock(&h->lock);
}

struct hub_stream *hub_join(struct hub *h, const struct hub_filter *filter, enum hub_start start,
                            uint64_t after, const struct hub_client *client, bool *full)
{
    struct hub_stream *s = NULL;
    pthread_mutex_lock(&h->desk);
    *full = h->n_streams >= h->config.max_streams;
    if (!*full)
        s = make_stream(h, filter);
    if (s) {
        s->client = *client;
        enter(s, start, after);
    }
    pthread_mutex_unlock(&h->desk);
    if (*full)
        limit_reached(LIMIT_API_MAX_STREAMS, SLICE_NONE);
    return s;
}

void hub_leave(struct hub_stream *s)
{
    struct hub *h = s->hub;
    pthread_mutex_lock(&h->desk);
    pthread_mutex_lock(&h->lock);
    if (s->behind)
        s->behind->before = s->before;
    if (s->before)
        s->before->behind = s->behind;
    else
        h->streams = s->behind;
    pthread_mutex_unlock(&h->lock);
    if (--h->n_streams == 0)
        store_watch(h->config.store, NULL, NULL);
    metric_set(METRIC_HTTP_STREAMS, 0, (int64_t)h->n_streams);
    pthread_mutex_unlock(&h->desk);
    text_free(&s->held);
    free(s);
}

// ---- The streams' threads ---------------------------------------------------------------------

struct output {
    struct hub_stream *s;
    char *p;
    size_t n, cap;
    size_t seen; // events looked at
};

static void drain_held(struct output *o)
{
    struct hub_stream *s = o->s;
    struct slice rest = slice_from(text_slice(&s->held), s->held_at);
    size_t n = rest.n < o->cap - o->n ? rest.n : o->cap - o->n;
    if (n)
        memcpy(o->p + o->n, rest.p, n);
    o->n += n;
    s->held_at += n;
    if (s->held_at == s->held.n) {
        text_again(&s->held);
        s->held_at = 0;
    }
}

// False: no room for it now. A frame that is larger than all the room is held and sent in parts.
static bool emit(struct output *o, struct slice frame)
{
    struct hub_stream *s = o->s;
    if (o->n && frame.n > o->cap - o->n)
        return false;
    if (frame.n <= o->cap - o->n) {
        memcpy(o->p + o->n, frame.p, frame.n);
        o->n += frame.n;
        return true;
    }
    text_put(&s->held, frame);
    s->broken = s->held.bad;
    drain_held(o);
    return true;
}

static bool wanted(const struct hub_stream *s, unsigned type, struct slice domain)
{
    return (s->types >> type & 1) &&
           (s->domain_n == 0 || slice_eq(domain, slice_of(s->domain, s->domain_n)));
}

// Under the lock. What the ring has from here on; false where there is no room for more of it.
static bool send_live(struct output *o)
{
    struct hub_stream *s = o->s;
    struct ring_event e;
    for (; o->seen < STEPS && ring_get(&s->hub->ring, s->seq, &e); o->seen++) {
        if (wanted(s, e.type, e.domain) && !emit(o, e.frame))
            return false;
        s->seq++;
        if (e.upto > s->after)
            s->after = e.upto;
    }
    s->live = s->seq >= s->hub->ring.first;
    return true;
}

static bool take_change(void *arg, const struct store_event *e)
{
    struct output *o = arg;
    struct hub_stream *s = o->s;
    o->seen++;
    if (wanted(s, e->type, e->domain)) {
        put_event(&s->hub->frame, s->hub->epoch, e);
        s->broken = s->hub->frame.bad;
        if (s->broken || !emit(o, text_slice(&s->hub->frame)))
            return false;
    }
    s->after = e->number;
    return s->held.n == 0;
}

// From the change log, as much as there is room for.
static void send_logged(struct output *o)
{
    struct hub_stream *s = o->s;
    struct hub *h = s->hub;
    pthread_mutex_lock(&h->desk);
    enum store_status st = store_reader_begin(h->reader);
    if (st == STORE_OK) {
        st = store_changes_read(h->reader, s->after, STEPS - o->seen, take_change, o);
        store_reader_end(h->reader);
    }
    if (st == STORE_NOT_FOUND) {
        s->after = newest_change(h);
        text_again(&h->frame);
        put_reset(&h->frame, h->epoch, s->after);
        s->broken = h->frame.bad || !emit(o, text_slice(&h->frame));
    } else if (st != STORE_OK) {
        s->broken = true;
    }
    pthread_mutex_unlock(&h->desk);
}

// Under the lock. True when there is nothing now: the stream waits, and is woken.
static bool settle(struct hub_stream *s, int64_t now_us, size_t sent, bool looking)
{
    bool more = s->live ? s->seq < s->hub->ring.next : ring_seek(&s->hub->ring, s->after, &s->seq);
    if (!s->live && more) {
        s->live = true;
        more = s->seq < s->hub->ring.next;
    }
    bool due = now_us - s->sent_us >= (int64_t)s->hub->config.heartbeat_ms * 1000;
    s->waiting = sent == 0 && !more && !looking && !due && !s->hub->ending;
    if (!s->waiting)
        s->sent_us = now_us; // where there is nothing to send a heartbeat is
    return s->waiting;
}

static void put_heartbeat(struct output *o)
{
    struct hub *h = o->s->hub;
    pthread_mutex_lock(&h->desk);
    text_again(&h->frame);
    TEXT_LIT(&h->frame, ":\n");
    put_id(&h->frame, h->epoch, o->s->after);
    TEXT_LIT(&h->frame, "\n");
    o->s->broken = h->frame.bad || !emit(o, text_slice(&h->frame));
    pthread_mutex_unlock(&h->desk);
}

long hub_next(struct hub_stream *s, char *out, size_t cap)
{
    struct hub *h = s->hub;
    struct output o = {.s = s, .p = out, .cap = cap};
    drain_held(&o);
    pthread_mutex_lock(&h->lock);
    if (!s->live)
        s->live = ring_seek(&h->ring, s->after, &s->seq);
    if (s->live && s->held.n == 0)
        send_live(&o);
    bool live = s->live;
    pthread_mutex_unlock(&h->lock);
    size_t seen = o.seen;
    if (!live && s->held.n == 0 && o.seen < STEPS && !s->broken)
        send_logged(&o);
    bool looking = !live && o.seen > seen; // the log may have more
    pthread_mutex_lock(&h->lock);
    bool waits = settle(s, clock_mono_us(), o.n, looking);
    bool ending = h->ending || s->left;
    pthread_mutex_unlock(&h->lock);
    if (ending || s->broken)
        return HUB_END;
    if (waits)
        return HUB_WAIT;
    if (o.n == 0)
        put_heartbeat(&o); // it is due, or the search goes on: an empty line says so
    return (long)o.n;
}
