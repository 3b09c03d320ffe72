// SPDX-License-Identifier: Apache-2.0
// The ring of newest events: what is there is whole and in order, however small the memory.
#include "api/event_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct event_ring make(size_t size, size_t slots)
{
    struct event_ring r;
    assert_int_equal(ring_init(&r, size, slots), 0);
    return r;
}

static void add(struct event_ring *r, uint64_t number, const char *frame)
{
    const struct ring_event e = {
        .number = number, .type = 3, .domain = SLICE("a.example"), .frame = slice_str(frame)};
    ring_add(r, &e);
}

static void an_empty_ring_knows_of_no_number(void **state)
{
    (void)state;
    struct event_ring r = make(4096, 8);
    struct ring_event e;
    uint64_t seq;
    assert_false(ring_seek(&r, 0, &seq));
    assert_false(ring_get(&r, r.next, &e));
    ring_free(&r);
}

static void seeking_finds_what_follows_a_number(void **state)
{
    (void)state;
    struct event_ring r = make(4096, 8);
    struct ring_event e;
    uint64_t seq;
    add(&r, 0, "live before");
    add(&r, 5, "five");
    add(&r, 0, "live after five");
    add(&r, 6, "six");
    assert_false(ring_seek(&r, 3, &seq)); // 4 is not there
    assert_true(ring_seek(&r, 4, &seq));
    assert_true(ring_get(&r, seq, &e));
    assert_int_equal(e.number, 5);
    assert_true(slice_eq(e.frame, SLICE("five")));
    assert_true(slice_eq(e.domain, SLICE("a.example")));
    assert_int_equal(e.type, 3);
    assert_true(ring_seek(&r, 5, &seq)); // what was told live before six is passed over
    assert_true(ring_get(&r, seq, &e));
    assert_int_equal(e.number, 6);
    assert_true(ring_seek(&r, 6, &seq));
    assert_int_equal(seq, r.next);
    assert_false(ring_seek(&r, 7, &seq)); // from a time to come
    ring_free(&r);
}

static void live_ones_are_found_before_any_numbered_one_came(void **state)
{
    (void)state;
    struct event_ring r = make(4096, 8);
    struct ring_event e;
    uint64_t seq;
    add(&r, 0, "before");
    ring_base(&r, 7);
    assert_true(ring_seek(&r, 7, &seq));
    assert_int_equal(seq, r.next);
    add(&r, 0, "live");
    assert_true(ring_get(&r, seq, &e));
    assert_true(slice_eq(e.frame, SLICE("live")));
    add(&r, 7, "told late"); // it was counted when the base was set
    add(&r, 8, "eight");
    assert_true(ring_get(&r, seq + 1, &e));
    assert_int_equal(e.number, 8);
    ring_base(&r, 20); // it has one
    assert_true(ring_seek(&r, 7, &seq));
    ring_free(&r);
}

static void the_oldest_make_room_by_count_and_by_bytes(void **state)
{
    (void)state;
    struct event_ring by_count = make(4096, 4), by_bytes = make(160, 100);
    uint64_t seq;
    for (uint64_t i = 1; i <= 10; i++) {
        add(&by_count, i, "x");
        add(&by_bytes, i, "0123456789");
    }
    assert_int_equal(by_count.next - by_count.first, 4);
    assert_false(ring_seek(&by_count, 5, &seq));
    assert_true(ring_seek(&by_count, 6, &seq));
    assert_in_range(by_bytes.next - by_bytes.first, 5, 8);
    assert_false(ring_seek(&by_bytes, 1, &seq));
    ring_free(&by_count);
    ring_free(&by_bytes);
}

static void one_that_does_not_fit_leaves_no_gap(void **state)
{
    (void)state;
    struct event_ring r = make(400, 100);
    char large[300];
    uint64_t seq;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    add(&r, 1, "one");
    add(&r, 2, large);
    assert_false(ring_seek(&r, 0, &seq));
    assert_false(ring_seek(&r, 1, &seq));
    assert_true(ring_seek(&r, 2, &seq));
    add(&r, 3, "three");
    assert_true(ring_seek(&r, 2, &seq));
    add(&r, 0, large); // a live one may be missing
    assert_true(ring_seek(&r, 2, &seq));
    ring_skip(&r, 4);
    assert_false(ring_seek(&r, 3, &seq));
    assert_true(ring_seek(&r, 4, &seq));
    ring_clear(&r);
    assert_false(ring_seek(&r, 4, &seq));
    ring_free(&r);
}

// Frames of all lengths; each that is there must be what was put in.
static void wrapping_overwrites_nothing_that_is_there(void **state)
{
    (void)state;
    struct event_ring r = make(1000, 16);
    unsigned chance = 1;
    for (uint64_t i = 1; i <= 20000; i++) {
        char frame[256];
        chance = chance * 1103515245 + 12345;
        size_t n = 1 + (chance >> 16) % 230;
        memset(frame, (int)('A' + i % 26), n);
        const struct ring_event in = {.number = i, .frame = slice_of(frame, n)};
        ring_add(&r, &in);
        assert_true(r.next > r.first);
        for (uint64_t seq = r.first; seq < r.next; seq++) {
            struct ring_event e;
            assert_true(ring_get(&r, seq, &e));
            assert_int_equal(e.number, i - (r.next - 1 - seq));
            for (size_t k = 0; k < e.frame.n; k++)
                assert_int_equal(e.frame.p[k], (char)('A' + e.number % 26));
        }
    }
    ring_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_ring_knows_of_no_number),
        cmocka_unit_test(seeking_finds_what_follows_a_number),
        cmocka_unit_test(live_ones_are_found_before_any_numbered_one_came),
        cmocka_unit_test(the_oldest_make_room_by_count_and_by_bytes),
        cmocka_unit_test(one_that_does_not_fit_leaves_no_gap),
        cmocka_unit_test(wrapping_overwrites_nothing_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
