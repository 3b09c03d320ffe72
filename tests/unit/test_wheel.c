// SPDX-License-Identifier: Apache-2.0
// The expiry index and the map under it: everything comes up at its time, whatever the horizon.
#include "store/lmdb/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define T0 1700000000123

static void put(struct map *m, struct wheel *w, uint64_t hash, uint64_t old, uint64_t seq,
                int64_t at_ms)
{
    const struct map_entry now = {.hash = hash, .seq = seq, .next_expiry_ms = at_ms, .n = 1};
    if (!old)
        assert_true(map_reserve(m, hash));
    assert_true(wheel_reserve(w, 2));
    wheel_place(w, map_put(m, old, &now));
}

static uint64_t drain(struct map *m, struct wheel *w, int64_t now_ms)
{
    struct wheel_due due;
    uint64_t n = 0;
    while (wheel_advance(w, now_ms))
        continue;
    while (wheel_pop(w, now_ms, &due)) {
        struct map_entry found[MAP_CANDIDATES];
        unsigned k = map_find(m, due.hash, found);
        if (k && found[0].next_expiry_ms <= now_ms) {
            map_drop(m, due.hash, found[0].seq);
            n++;
        }
        wheel_settle(w, &due);
    }
    return n;
}

static void each_expires_at_its_millisecond(void **state)
{
    (void)state;
    static const int64_t after[] = {1, 999, 60000, 4096000, 8192000, 86400000, 31536000000};
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        struct map *m = map_open();
        struct wheel *w = wheel_open(m, T0);
        put(m, w, 0x123456789abcdef0 + i, 0, 1, T0 + after[i]);
        assert_true(wheel_next_ms(w) <= T0 + after[i]);
        assert_int_equal(drain(m, w, T0 + after[i] - 1), 0);
        assert_int_equal(drain(m, w, T0 + after[i]), 1);
        assert_int_equal(m->entries, 0);
        wheel_close(w);
        map_close(m);
    }
}

static void a_prolonged_one_makes_no_second_placement(void **state)
{
    (void)state;
    struct map *m = map_open();
    struct wheel *w = wheel_open(m, T0);
    for (uint64_t i = 0; i < 1000; i++)
        put(m, w, 42, i, i + 1, T0 + 60000 + (int64_t)i * 1000);
    assert_int_equal(w->items, 1);
    assert_int_equal(drain(m, w, T0 + 60000 + 998 * 1000), 0);
    assert_int_equal(drain(m, w, T0 + 60000 + 999 * 1000), 1);
    wheel_close(w);
    map_close(m);
}

static void many_come_and_go_and_none_is_lost(void **state)
{
    (void)state;
    struct map *m = map_open();
    struct wheel *w = wheel_open(m, T0);
    uint64_t x = 88172645463325252, gone = 0;
    for (uint64_t i = 1; i <= 50000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        put(m, w, x, 0, i, T0 + (int64_t)(x % 20000000));
    }
    assert_int_equal(m->live, 50000);
    for (int64_t t = 0; t <= 20000; t += 97)
        gone += drain(m, w, T0 + t * 1000);
    gone += drain(m, w, T0 + 20000000);
    assert_int_equal(gone, 50000);
    assert_int_equal(m->entries, 0);
    assert_int_equal(wheel_next_ms(w), INT64_MAX);
    wheel_close(w);
    map_close(m);
}

static bool holds(struct map *m, uint64_t hash, uint64_t seq)
{
    struct map_entry found[MAP_CANDIDATES];
    return map_find(m, hash, found) == 1 && found[0].seq == seq;
}

static void a_presized_map_grows_on_where_it_must(void **state)
{
    (void)state;
    struct map *m = map_open();
    map_presize(m, 300000);
    assert_non_null(m->region);
    for (uint64_t i = 1; i <= 3000; i++) { // all into one table, which was made for 448
        const struct map_entry now = {.hash = i * 3, .seq = i, .n = 1};
        assert_true(map_reserve(m, now.hash));
        map_load(m, NULL, &now);
    }
    const struct map_entry far = {.hash = ~0ULL, .seq = 9999, .n = 1};
    assert_true(map_reserve(m, far.hash));
    map_load(m, NULL, &far);
    for (uint64_t i = 1; i <= 3000; i++)
        assert_true(holds(m, i * 3, i));
    assert_true(holds(m, ~0ULL, 9999));
    assert_int_equal(m->entries, 3001);
    map_close(m);
}

static void all_with_one_hash_are_enumerated_and_no_others(void **state)
{
    (void)state;
    struct map *m = map_open();
    uint64_t seen = 0;
    assert_null(map_next(m, 7, NULL));
    for (uint64_t i = 1; i <= 100; i++) { // neighbours, so that they stand among each other
        const struct map_entry now = {.hash = 7 + i % 3, .seq = i, .n = 1};
        assert_true(map_reserve(m, now.hash));
        map_load(m, NULL, &now);
    }
    for (struct map_entry *e = map_next(m, 8, NULL); e; e = map_next(m, 8, e)) {
        assert_int_equal(e->hash, 8);
        seen += e->seq;
    }
    assert_int_equal(seen, 34 * (1 + 100) / 2); // 1, 4, .. 100
    map_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_presized_map_grows_on_where_it_must),
        cmocka_unit_test(all_with_one_hash_are_enumerated_and_no_others),
        cmocka_unit_test(each_expires_at_its_millisecond),
        cmocka_unit_test(a_prolonged_one_makes_no_second_placement),
        cmocka_unit_test(many_come_and_go_and_none_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
