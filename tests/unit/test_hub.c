// SPDX-License-Identifier: Apache-2.0
// The hub over a store in memory: what streams get, in which order, and what a slow one gets.
#include "api/hub.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"

#define FOR_EVER 3600000

struct world {
    struct store *store;
    struct hub *hub;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned woken; // under the lock
    _Atomic bool gone;
};

struct client {
    struct hub_stream *stream;
    char text[1 << 20];
    size_t n;
};

static void woken(void *arg)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    w->woken++;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static bool client_gone(void *arg)
{
    return ((struct world *)arg)->gone;
}

static void wait_woken(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->woken == 0)
        pthread_cond_wait(&w->cond, &w->lock);
    w->woken = 0;
    pthread_mutex_unlock(&w->lock);
}

static void open_world(struct world *w, uint64_t changes_max, size_t ring_events,
                       unsigned heartbeat_ms)
{
    char why[256] = "";
    const struct store_config store = {.url = SLICE("memory:"),
                                       .map_size = 64u << 20,
                                       .changes_max = changes_max,
                                       .queue_max = 4096,
                                       .now_ms = clock_now_ms()};
    *w = (struct world){.woken = 0};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->cond, NULL);
    if (store_open(&store, &w->store, why, sizeof why))
        fail_msg("%s", why);
    const struct hub_config hub = {.store = w->store,
                                   .ring_bytes = 1u << 20,
                                   .ring_events = ring_events,
                                   .max_streams = 2,
                                   .heartbeat_ms = heartbeat_ms,
                                   .gather_ms = 1};
    assert_int_equal(hub_open(&hub, &w->hub), 0);
}

static void close_world(struct world *w)
{
    hub_close(w->hub);
    store_close(w->store);
}

static enum decision put_domain(struct store_op *op, const struct domain *current, uint64_t users,
                                int64_t now_ms, struct domain *next)
{
    (void)users;
    (void)now_ms;
    next->realm = op->domain;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings =
        current ? current->max_bindings + 1 : 0;
    return DECIDE_WRITE;
}

// One event: of the domain "dN.example".
static uint64_t change(struct world *w, unsigned n)
{
    char name[32], memory[8192];
    struct arena arena;
    snprintf(name, sizeof name, "d%u.example", n);
    arena_init(&arena, memory, sizeof memory, 1u << 20);
    struct store_op op = {.kind = STORE_OP_DOMAIN,
                          .domain = slice_str(name),
                          .arena = &arena,
                          .decide_domain = put_domain};
    assert_int_equal(store_do(w->store, &op), STORE_OK);
    arena_reset(&arena);
    return op.change;
}

static struct client *join(struct world *w, enum hub_start start, uint64_t after,
                           struct slice domain, unsigned types)
{
    bool full;
    struct client *c = calloc(1, sizeof *c);
    const struct hub_filter filter = {.domain = domain, .types = types};
    assert_non_null(c);
    const struct hub_client client = {.wake = woken, .gone = client_gone, .arg = w};
    c->stream = hub_join(w->hub, &filter, start, after, &client, &full);
    assert_non_null(c->stream);
    return c;
}

static void leave(struct client *c)
{
    hub_leave(c->stream);
    free(c);
}

// What there is now, until it waits; in portions of `cap`.
static void drain(struct client *c, size_t cap)
{
    long n;
    while ((n = hub_next(c->stream, c->text + c->n, cap)) > 0) {
        c->n += (size_t)n;
        assert_true(c->n + cap < sizeof c->text);
    }
    assert_int_equal(n, HUB_WAIT);
    c->text[c->n] = '\0';
}

static size_t count(const struct client *c, const char *what)
{
    size_t n = 0;
    for (const char *at = c->text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

// Waits until it has been sent `n` of these.
static void drain_until(struct world *w, struct client *c, const char *what, size_t n)
{
    for (drain(c, 4096); count(c, what) < n; drain(c, 4096))
        wait_woken(w);
    assert_int_equal(count(c, what), n);
}

static void a_stream_begins_now_and_is_woken_by_news(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 64, FOR_EVER);
    change(&w, 1);
    struct client *c = join(&w, HUB_NOW, 0, SLICE_NONE, HUB_ALL_TYPES);
    drain(c, 4096);
    assert_int_equal(count(c, "retry: "), 1);
    assert_int_equal(count(c, "id: "), 1); // so that it can resume before the first event
    assert_int_equal(count(c, "event: "), 0);
    change(&w, 2);
    change(&w, 2);
    drain_until(&w, c, "event: domain.created\n", 1);
    drain_until(&w, c, "event: domain.updated\n", 1);
    assert_int_equal(count(c, "d1.example"), 0);
    leave(c);
    close_world(&w);
}

static void filters_hold(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 64, FOR_EVER);
    struct client *by_domain = join(&w, HUB_NOW, 0, SLICE("d2.example"), HUB_ALL_TYPES);
    struct client *by_type = join(&w, HUB_NOW, 0, SLICE_NONE, 1u << EVENT_DOMAIN_UPDATED);
    change(&w, 1);
    change(&w, 1);
    change(&w, 2);
    change(&w, 2);
    drain_until(&w, by_domain, "event: domain.updated\n", 1);
    assert_int_equal(count(by_domain, "d1.example"), 0);
    drain_until(&w, by_type, "event: domain.updated\n", 2);
    assert_int_equal(count(by_type, "domain.created"), 0);
    leave(by_domain);
    leave(by_type);
    close_world(&w);
}

static void a_slow_one_goes_on_from_the_log_without_a_gap(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 8, FOR_EVER); // eight events in the ring
    struct client *c = join(&w, HUB_NOW, 0, SLICE_NONE, HUB_ALL_TYPES);
    drain(c, 4096);
    for (unsigned i = 0; i < 300; i++)
        change(&w, i);
    drain_until(&w, c, "event: domain.created\n", 300);
    assert_int_equal(count(c, "event: reset"), 0);
    for (unsigned i = 0; i < 300; i++) {
        char name[40];
        snprintf(name, sizeof name, "\"domain\":\"d%u.example\"", i);
        assert_int_equal(count(c, name), 1);
    }
    change(&w, 0); // and from the ring again
    drain_until(&w, c, "event: domain.updated\n", 1);
    leave(c);
    close_world(&w);
}

static void a_frame_larger_than_the_room_is_sent_in_parts(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 64, FOR_EVER);
    uint64_t before = change(&w, 1);
    change(&w, 2);
    struct client *c = join(&w, HUB_AFTER, before, SLICE_NONE, HUB_ALL_TYPES);
    drain(c, 7); // from the log
    assert_int_equal(count(c, "event: domain.created\n"), 1);
    change(&w, 3);
    for (; count(c, "}\n\n") < 2; drain(c, 7)) // from the ring
        wait_woken(&w);
    assert_int_equal(count(c, "event: domain.created\n"), 2);
    leave(c);
    close_world(&w);
}

static void resuming_goes_on_behind_the_id(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 64, FOR_EVER);
    uint64_t after = change(&w, 1);
    change(&w, 2);
    change(&w, 3);
    struct client *c = join(&w, HUB_AFTER, after, SLICE_NONE, HUB_ALL_TYPES);
    drain(c, 4096);
    assert_int_equal(count(c, "event: domain.created\n"), 2);
    assert_int_equal(count(c, "d1.example"), 0);
    leave(c);
    close_world(&w);
}

static void what_the_log_has_not_any_more_is_a_reset(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 10, 8, FOR_EVER);
    uint64_t after = change(&w, 0);
    for (unsigned i = 1; i < 100; i++)
        change(&w, i);
    struct client *old = join(&w, HUB_AFTER, after, SLICE_NONE, HUB_ALL_TYPES);
    struct client *future = join(&w, HUB_AFTER, 1u << 30, SLICE_NONE, HUB_ALL_TYPES);
    drain(old, 4096);
    drain(future, 4096);
    assert_int_equal(count(old, "event: reset\ndata: {\"as_of\":\""), 1);
    assert_int_equal(count(old, "event: domain"), 0);
    assert_int_equal(count(future, "event: reset\n"), 1);
    change(&w, 100);
    drain_until(&w, old, "event: domain.created\n", 1);
    leave(old);
    leave(future);
    close_world(&w);
}

static void a_foreign_id_is_a_reset(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 8, FOR_EVER);
    change(&w, 1);
    struct client *c = join(&w, HUB_RESET, 0, SLICE_NONE, HUB_ALL_TYPES);
    drain(c, 4096);
    assert_int_equal(count(c, "event: reset\n"), 1);
    leave(c);
    close_world(&w);
}

static void silence_is_filled_with_heartbeats_that_carry_the_id(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 8, 5);
    struct client *c = join(&w, HUB_NOW, 0, SLICE("d9.example"), HUB_ALL_TYPES);
    uint64_t number = change(&w, 1); // not for this stream, but its place moves on
    char id[40];
    snprintf(id, sizeof id, "-%llu\n\n", (unsigned long long)number);
    for (drain(c, 4096); count(c, "\n:\nid: ") < 3 || count(c, id) < 1; drain(c, 4096))
        wait_woken(&w);
    assert_int_equal(count(c, "event: "), 0);
    leave(c);
    close_world(&w);
}

static void a_stream_whose_client_has_gone_ends(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 1000, 8, 50);
    struct client *c = join(&w, HUB_NOW, 0, SLICE_NONE, HUB_ALL_TYPES);
    w.gone = true;
    long n;
    while ((n = hub_next(c->stream, c->text, 4096)) != HUB_END)
        if (n == HUB_WAIT)
            wait_woken(&w);
    leave(c);
    close_world(&w);
}

static void too_many_streams_are_refused_and_the_end_ends_all(void **state)
{
    (void)state;
    struct world w;
    bool full = false;
    open_world(&w, 1000, 8, FOR_EVER);
    const struct hub_filter all = {.types = HUB_ALL_TYPES};
    struct client *a = join(&w, HUB_NOW, 0, SLICE_NONE, HUB_ALL_TYPES);
    struct client *b = join(&w, HUB_NOW, 0, SLICE_NONE, HUB_ALL_TYPES);
    const struct hub_client client = {.wake = woken, .arg = &w};
    assert_null(hub_join(w.hub, &all, HUB_NOW, 0, &client, &full));
    assert_true(full);
    drain(a, 4096);
    hub_end(w.hub);
    wait_woken(&w);
    assert_int_equal(hub_next(a->stream, a->text, 100), HUB_END);
    assert_int_equal(hub_next(b->stream, b->text, 100), HUB_END);
    leave(a);
    leave(b);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_begins_now_and_is_woken_by_news),
        cmocka_unit_test(filters_hold),
        cmocka_unit_test(a_slow_one_goes_on_from_the_log_without_a_gap),
        cmocka_unit_test(a_frame_larger_than_the_room_is_sent_in_parts),
        cmocka_unit_test(resuming_goes_on_behind_the_id),
        cmocka_unit_test(what_the_log_has_not_any_more_is_a_reset),
        cmocka_unit_test(a_foreign_id_is_a_reset),
        cmocka_unit_test(silence_is_filled_with_heartbeats_that_carry_the_id),
        cmocka_unit_test(a_stream_whose_client_has_gone_ends),
        cmocka_unit_test(too_many_streams_are_refused_and_the_end_ends_all),
    };
    clock_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
