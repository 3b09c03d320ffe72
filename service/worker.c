// SPDX-License-Identifier: Apache-2.0
#include "service/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "service/net/source.h"
#include "service/net/stun.h"
#include "service/net/tcp.h"
#include "service/net/udp.h"

#define EVENTS_AT_ONCE 64
#define TICK_MS        1000
#define OUTPUT_MAX     (256 * 1024)
#define PENDING_MAX    4096 // half of it fits two commits of the store
// Requests that are being received (one a slot of the batch) besides those that wait for the store.
#define POOL_MAX     (PENDING_MAX + 2 * UDP_BATCH)
#define STOP_WAIT_MS 5000
// So often the loop looks whether it may end, and whether the store stands still.
#define STOP_LOOK_MS    50
#define PENDING_LOOK_MS 100

struct worker {
    pthread_t thread;
    int epoll_fd, wake_fd;
    struct request_pool pool;
    struct udp_socket *udp[WORKER_LISTENERS_MAX]; // by listener; NULL for TCP
    struct udp_batch *batch;
    struct tcp *tcp;
    struct flows *flows;
    struct pipeline pipeline;
    struct sip_settings settings;
    size_t max_message;
    struct sip_settings *_Atomic next_settings;
    _Atomic bool stop, overloaded;
    int64_t next_tick_ms, last_step_ms;
    int32_t unread;   // what the kernel was told to drop, of OVERLOAD_ALL
    bool unread_said; // that it takes no filter
};

// ---- What the pipeline asks of the sockets ------------------------------------------------------

static void net_send(void *arg, const struct flow *flow, const struct address *to,
                     struct slice bytes)
{
    struct worker *w = arg;
    if (flow->transport == TRANSPORT_TCP) {
        tcp_send(w->tcp, flow, bytes, w->pipeline.now_ms);
        return;
    }
    udp_queue(w->udp[flow->listener], w->batch, flow, to, bytes);
}

static void net_waits(void *arg, const struct flow *flow, bool waits)
{
    struct worker *w = arg;
    if (flow->transport == TRANSPORT_TCP)
        tcp_waits(w->tcp, flow, waits);
}

static void net_authenticated(void *arg, const struct flow *flow)
{
    struct worker *w = arg;
    if (flow->transport == TRANSPORT_TCP)
        tcp_authenticated(w->tcp, flow);
}

static uint64_t net_flow_token(void *arg, const struct flow *flow)
{
    struct worker *w = arg;
    return flow->transport == TRANSPORT_TCP ? tcp_flow_token(w->tcp, flow) : 0;
}

static void take(void *arg, struct request *r)
{
    struct worker *w = arg;
    if (!pipeline_admit(&w->pipeline, &r->flow.remote)) {
        request_give(&w->pool, r);
        return;
    }
    if (r->flow.transport == TRANSPORT_UDP && stun_is(r->bytes)) {
        char answer[STUN_ANSWER_MAX];
        size_t n = stun_answer(r->bytes, &r->flow.remote, answer);
        if (n)
            net_send(w, &r->flow, &r->flow.remote, slice_of(answer, n));
        request_give(&w->pool, r);
        return;
    }
    if (r->flow.transport == TRANSPORT_UDP)
        r->too_large = r->bytes.n > w->max_message; // a stream's messages are cut by it
    pipeline_take(&w->pipeline, r);
}

static void wake(void *arg)
{
    struct worker *w = arg;
    uint64_t one = 1;
    ssize_t n = write(w->wake_fd, &one, sizeof one);
    (void)n; // full means that it is awake already
}

// ---- The loop -----------------------------------------------------------------------------------

static void on_event(struct worker *w, const struct epoll_event *event)
{
    uint64_t number = source_number(event->data.u64);
    switch (source_kind(event->data.u64)) {
    case SOURCE_UDP:
        udp_receive(w->udp[number], w->batch, take, w, &w->pipeline.signs);
        break;
    case SOURCE_TCP_LISTENER:
    case SOURCE_TCP_CONNECTION:
        tcp_event(w->tcp, event->data.u64, event->events, w->pipeline.now_ms);
        break;
    case SOURCE_WAKE: {
        uint64_t count;
        ssize_t n = read(w->wake_fd, &count, sizeof count);
        (void)n;
        pipeline_completed(&w->pipeline);
        break;
    }
    }
}

static void take_settings(struct worker *w)
{
    struct sip_settings *next = atomic_exchange(&w->next_settings, NULL);
    if (!next)
        return;
    w->settings = *next;
    flows_set_marking(w->flows, w->settings.closed_flow_mark);
    free(next);
}

// A step of the machine's clock changes nothing here; it is said and counted.
static void watch_clock(struct worker *w)
{
    int64_t step = clock_step_ms();
    int64_t change = step - w->last_step_ms;
    if (change > -1000 && change < 1000)
        return;
    char text[24];
    struct buf b = buf_over(text, sizeof text);
    buf_i64(&b, change);
    metric_add(METRIC_CLOCK_STEPS, 0, 1);
    log_event(LOG_WARNING, "clock_step",
              "the wall clock was set; expiries go on by the boot-time clock",
              {"step_ms", buf_slice(&b)});
    w->last_step_ms = step;
}

// Returns how long the loop may sleep.
static int upkeep(struct worker *w)
{
    struct pipeline *p = &w->pipeline;
    if (p->now_ms >= w->next_tick_ms) {
        tcp_tick(w->tcp, p->now_ms);
        watch_clock(w);
        w->next_tick_ms = p->now_ms + TICK_MS;
    }
    int64_t sleep = pipeline_tick(p, p->now_ms, w->next_tick_ms - p->now_ms);
    pipeline_submit(p);
    udp_flush(w->batch);
    return sleep < 0 ? 0 : (int)sleep;
}

// What overload control wants dropped before it is read. A socket that takes no filter has all of
// it refused (service/shed.c), and is asked again with the next share.
static void leave_unread(struct worker *w)
{
    int32_t share = w->pipeline.overload.unread;
    if (share == w->unread)
        return;
    w->unread = share;
    for (size_t i = 0; i < WORKER_LISTENERS_MAX; i++) {
        int rc = w->udp[i] ? udp_leave_unread(w->udp[i], (uint32_t)share, &w->pipeline.signs) : 0;
        if (rc == 0 || w->unread_said)
            continue;
        w->unread_said = true;
        log_event(LOG_WARNING, "no_socket_filter",
                  "the kernel takes no filter: under overload each refusal costs a read",
                  {"error", slice_str(strerror(-rc))});
    }
}

static void stop_reading(struct worker *w)
{
    for (size_t i = 0; i < WORKER_LISTENERS_MAX; i++)
        if (w->udp[i])
            epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, udp_fd(w->udp[i]), NULL);
    tcp_stop_listening(w->tcp);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct pipeline *p = &w->pipeline;
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t stop_by_ms = 0;
    int sleep_ms = 0;
    for (;;) {
        int64_t asleep_ms = clock_now_ms();
        int n = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, sleep_ms);
        p->now_ms = clock_now_ms();
        p->signs.idle_ms += p->now_ms - asleep_ms;
        if (!stop_by_ms && atomic_load(&w->stop)) {
            stop_reading(w);
            stop_by_ms = p->now_ms + STOP_WAIT_MS;
        }
        take_settings(w);
        pipeline_begin(p);
        leave_unread(w);
        atomic_store_explicit(&w->overloaded, p->overload.overloaded, memory_order_relaxed);
        for (int i = 0; i < n; i++)
            on_event(w, &events[i]);
        sleep_ms = upkeep(w);
        if (stop_by_ms && p->n_pending == 0 && (tcp_unsent(w->tcp) == 0 || p->now_ms >= stop_by_ms))
            return NULL;
        int most = stop_by_ms ? STOP_LOOK_MS : p->n_pending ? PENDING_LOOK_MS : sleep_ms;
        if (sleep_ms > most)
            sleep_ms = most;
    }
}

// ---- Start and stop -----------------------------------------------------------------------------

static void worker_free(struct worker *w)
{
    pipeline_close(&w->pipeline);
    tcp_close(w->tcp);
    udp_batch_close(w->batch);
    for (size_t i = 0; i < WORKER_LISTENERS_MAX; i++)
        udp_close(w->udp[i]);
    request_pool_close(&w->pool);
    free(atomic_load(&w->next_settings));
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    free(w);
}

static void say_listening(enum transport transport, const struct address *bound)
{
    char text[ADDRESS_TEXT_MAX + 8];
    struct buf b = buf_over(text, sizeof text);
    buf_printf(&b, "%s://", transport_name(transport));
    address_print(&b, bound);
    log_event(LOG_INFO, "listening", "SIP", {"listen", buf_slice(&b)});
}

static int open_listener(struct worker *w, const struct worker_listen *l, uint16_t index, char *why,
                         size_t why_size)
{
    struct address bound;
    if (l->transport == TRANSPORT_TCP) {
        if (tcp_listen(w->tcp, &l->address, index, &bound, why, why_size))
            return -1;
    } else {
        if (udp_open(&l->address, index, &w->udp[index], why, why_size))
            return -1;
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = source_make(SOURCE_UDP, index)};
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, udp_fd(w->udp[index]), &ev))
            return -1;
        bound = *udp_bound(w->udp[index]);
    }
    say_listening(l->transport, &bound);
    return 0;
}

static int open_all(struct worker *w, const struct worker_config *c, char *why, size_t why_size)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = source_make(SOURCE_WAKE, 0)};
    struct tcp_hooks hooks = {.take = take, .arg = w};
    struct tcp_config tcp = {.max_connections = c->max_connections,
                             .max_connections_per_source = c->max_connections_per_source,
                             .idle_timeout_s = c->idle_timeout_s,
                             .unauthenticated_timeout_s = c->unauthenticated_timeout_s,
                             .header_timeout_s = c->header_timeout_s,
                             .max_message = c->max_message,
                             .output_max = OUTPUT_MAX,
                             .flows = c->flows};
    w->max_message = c->max_message;
    request_pool_init(&w->pool, POOL_MAX);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->batch = udp_batch_open(&w->pool);
    w->tcp = tcp_open(&tcp, &hooks, &w->pool, w->epoll_fd);
    if (w->epoll_fd < 0 || w->wake_fd < 0 || !w->batch || !w->tcp ||
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &ev)) {
        snprintf(why, why_size, "cannot set up the SIP thread: %s", strerror(errno));
        return -1;
    }
    struct pipeline_config pipeline = c->pipeline;
    pipeline.pool = &w->pool;
    pipeline.pending_max = PENDING_MAX;
    pipeline.net = (struct pipeline_net){net_send, net_authenticated, net_flow_token, w, net_waits};
    pipeline.wake = wake;
    pipeline.wake_arg = w;
    if (pipeline_open(&w->pipeline, &pipeline, &w->settings, why, why_size))
        return -1;
    for (size_t i = 0; i < c->n_listen; i++)
        if (open_listener(w, &c->listen[i], (uint16_t)i, why, why_size))
            return -1;
    return 0;
}

int worker_start(const struct worker_config *config, const struct sip_settings *settings,
                 struct worker **out, char *why, size_t why_size)
{
    struct worker *w = calloc(1, sizeof *w);
    snprintf(why, why_size, "not enough memory for the SIP thread");
    if (!w)
        return -1;
    w->epoll_fd = w->wake_fd = -1;
    w->settings = *settings;
    w->flows = config->flows;
    flows_set_marking(w->flows, settings->closed_flow_mark);
    if (open_all(w, config, why, why_size) || pthread_create(&w->thread, NULL, run, w)) {
        worker_free(w);
        return -1;
    }
    *out = w;
    return 0;
}

void worker_reload(struct worker *w, const struct sip_settings *settings)
{
    struct sip_settings *copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = *settings;
    free(atomic_exchange(&w->next_settings, copy));
    wake(w);
}

bool worker_overloaded(const struct worker *w)
{
    return w && atomic_load_explicit(&w->overloaded, memory_order_relaxed);
}

void worker_stop(struct worker *w)
{
    atomic_store(&w->stop, true);
    wake(w);
    pthread_join(w->thread, NULL);
    worker_free(w);
}
