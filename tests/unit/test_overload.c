// SPDX-License-Identifier: Apache-2.0
// Overload control against a server of paper: time and load are arguments.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "service/overload.h"

#define SECOND 1000

struct world {
    struct overload o;
    int64_t now_ms;
};

static void pass(struct world *w, struct overload_signs signs, int64_t ms)
{
    for (int64_t end = w->now_ms + ms; w->now_ms < end;)
        overload_update(&w->o, &signs, ++w->now_ms);
}

static void a_server_at_rest_sheds_nothing(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = OVERLOAD_TARGET_MS, .store_ms = OVERLOAD_STORE_MS},
         10 * SECOND);
    assert_int_equal(w.o.shed, 0);
    assert_false(w.o.overloaded);
    assert_false(overload_sheds(&w.o, 0, false));
    assert_false(overload_sheds(&w.o, 0, true));
}

static void a_pause_of_the_machine_is_no_overload(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){0}, 100);
    w.now_ms += 400;
    pass(&w, (struct overload_signs){.queue_ms = 400},
         (OVERLOAD_AFTER_STEPS - 2) * OVERLOAD_STEP_MS);
    pass(&w, (struct overload_signs){0}, OVERLOAD_STEP_MS);
    assert_int_equal(w.o.shed, 0);
}

// A thread that is stopped again and again: what waited meanwhile is old each time, and is not
// much.
static void some_pauses_in_a_row_are_no_overload(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int i = 0; i < 100; i++) {
        for (int n = 0; n < OVERLOAD_AFTER_STEPS - 1; n++) {
            w.now_ms += 300;
            overload_update(&w.o, &(struct overload_signs){.queue_ms = 300}, w.now_ms);
        }
        pass(&w, (struct overload_signs){.idle_ms = 1}, 2 * OVERLOAD_STEP_MS);
        assert_int_equal(w.o.shed, 0);
    }
}

static void an_old_queue_sheds_more_and_more_and_is_said(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 200}, 300);
    int32_t early = w.o.shed;
    assert_true(early > 0);
    assert_false(w.o.overloaded);
    pass(&w, (struct overload_signs){.queue_ms = 200}, OVERLOAD_SAY_MS);
    assert_true(w.o.shed > early);
    assert_true(w.o.overloaded);
    pass(&w, (struct overload_signs){.queue_ms = 200}, 60 * SECOND);
    assert_int_equal(w.o.shed, OVERLOAD_SHED_MOST);
}

static void drops_of_the_kernel_and_a_slow_store_are_signs_too(void **state)
{
    (void)state;
    struct world lost = {.now_ms = 1000}, slow = {.now_ms = 1000};
    pass(&lost, (struct overload_signs){.queue_ms = 2, .lost = 1}, 2 * SECOND);
    pass(&slow, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1}, 2 * SECOND);
    assert_true(lost.o.shed > 0 && lost.o.overloaded);
    assert_true(slow.o.shed > 0 && slow.o.overloaded);
}

// The kernel also counts datagrams with a wrong checksum, and those of a burst that came at once: a
// hundred of them a second must not shut out any phone.
static void drops_while_there_is_time_to_sleep_are_no_sign(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int i = 0; i < 1000; i++) {
        pass(&w, (struct overload_signs){.lost = 10, .idle_ms = 1}, 3);
        pass(&w, (struct overload_signs){.lost = 10}, 5);
    }
    assert_int_equal(w.o.shed, 0);
    assert_false(w.o.overloaded);
    pass(&w, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1, .idle_ms = 1}, 2 * SECOND);
    assert_true(w.o.shed > 0); // a slow disk is, and leaves all the time
}

// With few phones the reader wakes seldom; a disk that stands still is one all the same.
static void a_slow_store_is_a_sign_however_seldom_the_reader_wakes(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int i = 0; i < 40; i++) {
        w.now_ms += 60;
        overload_update(&w.o,
                        &(struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1, .idle_ms = 59},
                        w.now_ms);
    }
    assert_true(w.o.shed > OVERLOAD_ALL / 4);
    assert_true(w.o.overloaded);
}

// A process whose share of the CPU is used up stands still in its sleep, too, and then its queue is
// old.
static void an_old_queue_is_a_sign_however_long_the_reader_slept(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 200, .idle_ms = 1}, 2 * SECOND);
    assert_true(w.o.shed > 0);
    assert_true(w.o.overloaded);
}

static void it_ends_by_itself(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 400}, 10 * SECOND);
    pass(&w, (struct overload_signs){.idle_ms = 1}, 2 * SECOND);
    assert_int_equal(w.o.shed, 0);
    assert_true(w.o.overloaded); // holds
    pass(&w, (struct overload_signs){.idle_ms = 1}, OVERLOAD_HOLD_MS);
    assert_false(w.o.overloaded);
}

static void nothing_heard_for_a_while_is_as_good_as_rest(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 400}, 10 * SECOND);
    w.now_ms += 10 * SECOND;
    overload_update(&w.o, &(struct overload_signs){.idle_ms = 10 * SECOND}, w.now_ms);
    assert_int_equal(w.o.shed, 0);
}

static void who_is_served_is_served_until_the_share_grows(void **state)
{
    (void)state;
    struct overload o = {.refuse = OVERLOAD_ALL / 2}, more = {.refuse = OVERLOAD_ALL * 3 / 4};
    unsigned shed = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t hash = i * 0x9e3779b97f4a7c15u >> 20;
        shed += overload_sheds(&o, hash, true);
        assert_int_equal(overload_sheds(&o, hash, true), overload_sheds(&o, hash, true));
        assert_true(!overload_sheds(&o, hash, true) || overload_sheds(&more, hash, true));
    }
    assert_in_range(shed, 4500, 5500);
}

// A stream, or a nonce that is too old: the kernel drops none of these, so they make up for
// nothing.
static void what_the_kernel_does_not_sift_is_refused_by_the_whole_share(void **state)
{
    (void)state;
    struct overload o = {
        .shed = OVERLOAD_ALL / 4 * 3, .unread = OVERLOAD_ALL / 3 * 2, .refuse = OVERLOAD_ALL / 4};
    assert_true(overload_sheds(&o, OVERLOAD_ALL / 2, false));
    assert_false(overload_sheds(&o, OVERLOAD_ALL / 2, true));
    assert_false(overload_sheds(&o, OVERLOAD_ALL / 8 * 7, false));
}

static void refusals_said_are_bounded_by_what_is_taken(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    unsigned said = 0;
    pass(&w, (struct overload_signs){0}, 100 * SECOND);
    while (overload_refused(&w.o))
        said++;
    assert_int_equal(said, OVERLOAD_ANSWERS_MOST);
    pass(&w, (struct overload_signs){0}, OVERLOAD_STEP_MS);
    for (unsigned i = 0; i < 10; i++)
        overload_taken(&w.o);
    for (said = 0; overload_refused(&w.o);)
        said++;
    assert_int_equal(said, OVERLOAD_ANSWERS_A_STEP + 10 * OVERLOAD_ANSWERS_EACH);
}

static void the_fewer_are_served_the_later_the_others_come_back(void **state)
{
    (void)state;
    assert_int_equal(overload_spread_s(&(struct overload){0}), OVERLOAD_SPREAD_S);
    assert_int_equal(overload_spread_s(&(struct overload){.shed = OVERLOAD_ALL / 2}),
                     2 * OVERLOAD_SPREAD_S);
    assert_int_equal(overload_spread_s(&(struct overload){.shed = OVERLOAD_SHED_MOST}),
                     OVERLOAD_SPREAD_MOST_S);
}

// ---- A server of paper --------------------------------------------------------------------------

// Does WORK a millisecond; a challenge that is taken costs COST of it with the registration that
// follows, one that is shed SHED_COST. What the kernel drops unread costs nothing.
#define WORK      1000
#define COST      50
#define SHED_COST 8
#define FIFO      (1 << 20)
#define DEEP      25000 // datagrams in 32 MiB

struct paper {
    struct world w;
    int64_t *arrived; // FIFO of arrival times
    uint64_t head, tail, served, limit, dice;
    bool idle; // for most of the last millisecond
    int64_t worst_ms;
    int32_t most_shed;
    unsigned changes; // of what is left unread
};

// One millisecond in which `n` come. The queue holds `limit`.
static void millisecond(struct paper *p, unsigned n)
{
    struct overload_signs signs = {.idle_ms = p->idle};
    p->w.now_ms++;
    for (; n; n--) {
        p->dice = p->dice * 6364136223846793005u + 1442695040888963407u;
        if ((int32_t)(p->dice >> 48) < p->w.o.unread)
            signs.unread++;
        else if (p->tail - p->head == p->limit)
            *(p->w.o.unread ? &signs.unread : &signs.lost) += 1; // the kernel counts them as one
        else
            p->arrived[p->tail++ % FIFO] = p->w.now_ms;
    }
    if (p->w.o.unread)
        signs.lost = p->tail - p->head > p->limit / 4 * 3;
    if (p->head < p->tail)
        signs.queue_ms = p->w.now_ms - p->arrived[p->head % FIFO];
    if (signs.queue_ms > p->worst_ms)
        p->worst_ms = signs.queue_ms;
    int32_t was = p->w.o.unread;
    overload_update(&p->w.o, &signs, p->w.now_ms);
    p->changes += p->w.o.unread != was;
    if (p->w.o.shed > p->most_shed)
        p->most_shed = p->w.o.shed;
    int work = WORK;
    for (; work > 0 && p->head < p->tail; p->head++) {
        bool shed = overload_sheds(&p->w.o, p->head * 0x9e3779b97f4a7c15u >> 20, true);
        work -= shed ? SHED_COST : COST;
        p->served += !shed;
        if (shed) {
            overload_refused(&p->w.o);
        } else if (p->w.o.shed) {
            overload_taken(&p->w.o);
            overload_taken(&p->w.o);
        }
    }
    p->idle = work > WORK / 2;
}

static uint64_t served_in(struct paper *p, unsigned each_ms, int64_t ms)
{
    p->served = 0;
    p->worst_ms = 0;
    p->most_shed = 0;
    p->changes = 0;
    for (int64_t i = 0; i < ms; i++)
        millisecond(p, each_ms);
    return p->served;
}

static struct paper paper_open(uint64_t limit)
{
    struct paper p = {.limit = limit, .w.now_ms = 1000};
    p.arrived = calloc(FIFO, sizeof *p.arrived);
    assert_non_null(p.arrived);
    return p;
}

// However many come, most of the work goes to those who are served, and these do not wait for as
// long as a phone takes to send again.
static void many_times_the_capacity_leave_most_of_it_to_those_who_are_served(void **state)
{
    (void)state;
    const unsigned capacity = WORK / COST;
    for (unsigned times = 2; times <= 32; times *= 2) {
        struct paper p = paper_open(DEEP);
        served_in(&p, times * capacity, 10 * SECOND);
        uint64_t served = served_in(&p, times * capacity, 60 * SECOND);
        assert_in_range(served, UINT64_C(60) * SECOND * capacity * 85 / 100,
                        UINT64_C(60) * SECOND * capacity);
        assert_in_range(p.worst_ms, OVERLOAD_TARGET_MS / 2, 3 * OVERLOAD_TARGET_MS);
        served_in(&p, capacity / 2, 20 * SECOND);
        assert_int_equal(p.w.o.shed, 0);
        assert_int_equal(p.w.o.unread, 0);
        assert_int_equal(served_in(&p, capacity / 2, SECOND), capacity / 2 * SECOND);
        free(p.arrived);
    }
}

// Silence costs a phone more than a refusal does: where refusals can be afforded, they are given.
static void few_refusals_are_given_and_nobody_is_left_unread(void **state)
{
    (void)state;
    const unsigned capacity = WORK / COST;
    struct paper p = paper_open(DEEP);
    for (int i = 0; i < 60; i++) {
        served_in(&p, capacity + capacity / 4, SECOND);
        assert_int_equal(p.w.o.unread, 0);
        assert_int_equal(p.changes, 0);
    }
    assert_true(p.w.o.shed > 0);
    free(p.arrived);
}

// A paper server in a storm of so many times the capacity, most of which is left unread.
static struct paper paper_in_a_storm(unsigned times)
{
    struct paper p = paper_open(DEEP);
    served_in(&p, times * (WORK / COST), 10 * SECOND);
    assert_true(p.w.o.unread > OVERLOAD_ALL / 2);
    return p;
}

// Nothing wakes a server at whose socket all is dropped but its own clock, once a second.
static void the_kernel_drops_nothing_when_the_storm_is_over(void **state)
{
    (void)state;
    struct paper p = paper_in_a_storm(32);
    for (int i = 0; i < 2; i++) {
        p.w.now_ms += SECOND;
        overload_update(&p.w.o, &(struct overload_signs){.idle_ms = SECOND}, p.w.now_ms);
    }
    assert_int_equal(p.w.o.unread, 0);
    free(p.arrived);
}

// A disk that is slow for longer than the storm: those who come then are few, and each is told.
static void the_kernel_drops_nothing_when_few_come_though_another_overload_goes_on(void **state)
{
    (void)state;
    struct paper p = paper_in_a_storm(8);
    for (int i = 0; i < 4 * SECOND; i += 5) {
        struct overload_signs signs = {.store_ms = OVERLOAD_STORE_MS + 1};
        *(i / 5 % 4 ? &signs.unread : &p.w.o.away) += 1;
        pass(&p.w, signs, 1);
        pass(&p.w, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1}, 4);
    }
    assert_true(p.w.o.shed > OVERLOAD_ALL / 2);
    assert_int_equal(p.w.o.unread, 0);
    free(p.arrived);
}

// However many are refused: there is time for it.
static void the_kernel_drops_nothing_while_the_reader_has_time_to_sleep(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int i = 0; i < 10000; i++) {
        pass(&w, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1, .idle_ms = 1}, 1);
        for (int n = 0; n < 5; n++)
            overload_refused(&w.o);
        assert_int_equal(w.o.unread, 0);
    }
    assert_true(w.o.shed > OVERLOAD_ALL / 2);
}

// Twenty milliseconds in two hundred are not all of them.
static void the_kernel_drops_nothing_where_the_reader_is_busy_for_a_moment(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int64_t ms = 0; ms < 60 * SECOND; ms++) {
        bool busy = ms % OVERLOAD_UNREAD_STEP_MS < OVERLOAD_STEP_MS;
        pass(&w, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1, .idle_ms = !busy}, 1);
        for (int n = 0; n < 5; n++)
            overload_refused(&w.o);
        assert_int_equal(w.o.unread, 0);
    }
    assert_true(w.o.shed > OVERLOAD_ALL / 2);
}

// Each change of it costs the kernel a program.
static void the_kernel_is_seldom_told(void **state)
{
    (void)state;
    const unsigned capacity = WORK / COST;
    struct paper p = paper_open(DEEP);
    served_in(&p, 4 * capacity, 10 * SECOND);
    served_in(&p, 4 * capacity, 10 * SECOND);
    assert_in_range(p.changes, 0, 50);
    free(p.arrived);
}

static void a_pause_in_a_mild_overload_is_no_storm(void **state)
{
    (void)state;
    const unsigned capacity = WORK / COST, offered = capacity + capacity / 10;
    struct paper p = paper_open(DEEP);
    served_in(&p, offered, 30 * SECOND);
    served_in(&p, offered, 10 * SECOND);
    assert_in_range(p.most_shed, 1, OVERLOAD_ALL / 3);
    for (unsigned n = 0; n < 400 * offered; n++)
        p.arrived[p.tail++ % FIFO] = p.w.now_ms + n / offered;
    p.w.now_ms += 400;
    uint64_t served = served_in(&p, offered, 2 * SECOND);
    assert_in_range(p.most_shed, 1, OVERLOAD_ALL / 4 * 3);
    assert_in_range(served, UINT64_C(2) * SECOND * capacity * 80 / 100, UINT64_MAX);
    free(p.arrived);
}

// A slow trickle that is shed, for the disk is slow: the CPU has time for each refusal.
static void a_few_hundred_refusals_a_second_are_never_too_many(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    for (int i = 0; i < 10000; i++) {
        pass(&w, (struct overload_signs){.store_ms = OVERLOAD_STORE_MS + 1}, 2);
        overload_refused(&w.o);
        assert_int_equal(w.o.unread, 0);
    }
}

// A buffer of a hundred datagrams never gets old; its drops tell the same.
static void a_short_buffer_does_as_well(void **state)
{
    (void)state;
    struct paper p = paper_open(100);
    const unsigned capacity = WORK / COST, offered = 2 * capacity;
    served_in(&p, offered, 5 * SECOND);
    uint64_t served = served_in(&p, offered, 60 * SECOND);
    assert_in_range(served, UINT64_C(60) * SECOND * capacity * 80 / 100,
                    UINT64_C(60) * SECOND * capacity);
    free(p.arrived);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_at_rest_sheds_nothing),
        cmocka_unit_test(a_pause_of_the_machine_is_no_overload),
        cmocka_unit_test(some_pauses_in_a_row_are_no_overload),
        cmocka_unit_test(an_old_queue_sheds_more_and_more_and_is_said),
        cmocka_unit_test(drops_of_the_kernel_and_a_slow_store_are_signs_too),
        cmocka_unit_test(drops_while_there_is_time_to_sleep_are_no_sign),
        cmocka_unit_test(a_slow_store_is_a_sign_however_seldom_the_reader_wakes),
        cmocka_unit_test(an_old_queue_is_a_sign_however_long_the_reader_slept),
        cmocka_unit_test(it_ends_by_itself),
        cmocka_unit_test(nothing_heard_for_a_while_is_as_good_as_rest),
        cmocka_unit_test(who_is_served_is_served_until_the_share_grows),
        cmocka_unit_test(what_the_kernel_does_not_sift_is_refused_by_the_whole_share),
        cmocka_unit_test(refusals_said_are_bounded_by_what_is_taken),
        cmocka_unit_test(the_fewer_are_served_the_later_the_others_come_back),
        cmocka_unit_test(many_times_the_capacity_leave_most_of_it_to_those_who_are_served),
        cmocka_unit_test(few_refusals_are_given_and_nobody_is_left_unread),
        cmocka_unit_test(the_kernel_drops_nothing_when_the_storm_is_over),
        cmocka_unit_test(the_kernel_drops_nothing_when_few_come_though_another_overload_goes_on),
        cmocka_unit_test(the_kernel_drops_nothing_while_the_reader_has_time_to_sleep),
        cmocka_unit_test(the_kernel_drops_nothing_where_the_reader_is_busy_for_a_moment),
        cmocka_unit_test(the_kernel_is_seldom_told),
        cmocka_unit_test(a_pause_in_a_mild_overload_is_no_storm),
        cmocka_unit_test(a_few_hundred_refusals_a_second_are_never_too_many),
        cmocka_unit_test(a_short_buffer_does_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
