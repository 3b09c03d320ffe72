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
    assert_false(overload_sheds(&w.o, 0));
}

static void a_pause_of_the_machine_is_no_overload(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){0}, 100);
    w.now_ms += 400;
    pass(&w, (struct overload_signs){.queue_ms = 400}, OVERLOAD_AFTER_MS - OVERLOAD_STEP_MS);
    pass(&w, (struct overload_signs){0}, OVERLOAD_STEP_MS);
    assert_int_equal(w.o.shed, 0);
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

static void it_ends_by_itself(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 400}, 10 * SECOND);
    pass(&w, (struct overload_signs){0}, 2 * SECOND);
    assert_int_equal(w.o.shed, 0);
    assert_true(w.o.overloaded); // holds
    pass(&w, (struct overload_signs){0}, OVERLOAD_HOLD_MS);
    assert_false(w.o.overloaded);
}

static void nothing_heard_for_a_while_is_as_good_as_rest(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    pass(&w, (struct overload_signs){.queue_ms = 400}, 10 * SECOND);
    w.now_ms += 10 * SECOND;
    overload_update(&w.o, &(struct overload_signs){0}, w.now_ms);
    assert_int_equal(w.o.shed, 0);
}

static void who_is_served_is_served_until_the_share_grows(void **state)
{
    (void)state;
    struct overload o = {.shed = OVERLOAD_ALL / 2}, more = {.shed = OVERLOAD_ALL * 3 / 4};
    unsigned shed = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t hash = i * 0x9e3779b97f4a7c15u >> 20;
        shed += overload_sheds(&o, hash);
        assert_int_equal(overload_sheds(&o, hash), overload_sheds(&o, hash));
        assert_true(!overload_sheds(&o, hash) || overload_sheds(&more, hash));
    }
    assert_in_range(shed, 4500, 5500);
}

static void refusals_said_are_bounded_by_what_is_taken(void **state)
{
    (void)state;
    struct world w = {.now_ms = 1000};
    unsigned said = 0;
    pass(&w, (struct overload_signs){0}, 100 * SECOND);
    while (overload_may_answer(&w.o))
        said++;
    assert_int_equal(said, OVERLOAD_ANSWERS_MOST);
    pass(&w, (struct overload_signs){0}, OVERLOAD_STEP_MS);
    for (unsigned i = 0; i < 10; i++)
        overload_taken(&w.o);
    for (said = 0; overload_may_answer(&w.o);)
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

// Does WORK a millisecond; a challenge that is taken costs COST of it, one that is shed SHED_COST.
#define WORK      1000
#define COST      50
#define SHED_COST 8
#define FIFO      (1 << 20)

struct paper {
    struct world w;
    int64_t *arrived; // FIFO of arrival times
    uint64_t head, tail, served, limit;
    int64_t worst_ms;
};

// One millisecond in which `n` come. The queue holds `limit`.
static void millisecond(struct paper *p, unsigned n)
{
    struct overload_signs signs = {0};
    p->w.now_ms++;
    for (; n; n--) {
        if (p->tail - p->head == p->limit)
            signs.lost++;
        else
            p->arrived[p->tail++ % FIFO] = p->w.now_ms;
    }
    if (p->head < p->tail)
        signs.queue_ms = p->w.now_ms - p->arrived[p->head % FIFO];
    if (signs.queue_ms > p->worst_ms)
        p->worst_ms = signs.queue_ms;
    overload_update(&p->w.o, &signs, p->w.now_ms);
    for (int work = WORK; work > 0 && p->head < p->tail; p->head++) {
        bool shed = overload_sheds(&p->w.o, p->head * 0x9e3779b97f4a7c15u >> 20);
        work -= shed ? SHED_COST : COST;
        p->served += !shed;
    }
}

static uint64_t served_in(struct paper *p, unsigned each_ms, int64_t ms)
{
    p->served = 0;
    p->worst_ms = 0;
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

// All the work that is left by those who are shed goes to those who are not, and these do not wait
// for as long as a phone takes to send again.
static void twice_the_capacity_is_served_with_all_there_is(void **state)
{
    (void)state;
    struct paper p = paper_open(FIFO);
    const unsigned capacity = WORK / COST, offered = 2 * capacity;
    served_in(&p, offered, 5 * SECOND);
    uint64_t served = served_in(&p, offered, 60 * SECOND);
    uint64_t best = (WORK - offered * SHED_COST) / (COST - SHED_COST) * UINT64_C(60) * SECOND;
    assert_in_range(served, best * 95 / 100, best * 105 / 100);
    assert_in_range(p.worst_ms, OVERLOAD_TARGET_MS / 2, 2 * OVERLOAD_TARGET_MS);
    served_in(&p, capacity / 2, 5 * SECOND);
    assert_int_equal(p.w.o.shed, 0);
    assert_int_equal(served_in(&p, capacity / 2, SECOND), capacity / 2 * SECOND);
    free(p.arrived);
}

// A buffer of a hundred datagrams never gets old; its drops tell the same.
static void a_short_buffer_does_as_well(void **state)
{
    (void)state;
    struct paper p = paper_open(100);
    const unsigned capacity = WORK / COST, offered = 2 * capacity;
    served_in(&p, offered, 5 * SECOND);
    uint64_t served = served_in(&p, offered, 60 * SECOND);
    uint64_t best = (WORK - offered * SHED_COST) / (COST - SHED_COST) * UINT64_C(60) * SECOND;
    assert_in_range(served, best * 90 / 100, best * 105 / 100);
    free(p.arrived);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_at_rest_sheds_nothing),
        cmocka_unit_test(a_pause_of_the_machine_is_no_overload),
        cmocka_unit_test(an_old_queue_sheds_more_and_more_and_is_said),
        cmocka_unit_test(drops_of_the_kernel_and_a_slow_store_are_signs_too),
        cmocka_unit_test(drops_while_there_is_time_to_sleep_are_no_sign),
        cmocka_unit_test(it_ends_by_itself),
        cmocka_unit_test(nothing_heard_for_a_while_is_as_good_as_rest),
        cmocka_unit_test(who_is_served_is_served_until_the_share_grows),
        cmocka_unit_test(refusals_said_are_bounded_by_what_is_taken),
        cmocka_unit_test(the_fewer_are_served_the_later_the_others_come_back),
        cmocka_unit_test(twice_the_capacity_is_served_with_all_there_is),
        cmocka_unit_test(a_short_buffer_does_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
