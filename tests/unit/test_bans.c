// SPDX-License-Identifier: Apache-2.0
// The table of bans: who is hit, when it ends, what the list shows, what happens when it is full.
#include "store/bans.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct address addr(const char *text)
{
    struct address a;
    assert_true(address_parse(slice_str(text), &a));
    return a;
}

static struct network net(const char *text)
{
    struct network n;
    assert_true(network_parse(slice_str(text), &n));
    return n;
}

static bool ban(struct bans *b, const char *network, int64_t from, int64_t until, bool manual)
{
    struct ban ban = {.network = net(network), .since_ms = from, .until_ms = until};
    ban.manual = manual;
    snprintf(ban.reason, sizeof ban.reason, "%s", "wrong_password");
    return bans_put(b, &ban, from);
}

static bool hit(struct bans *b, const char *address, int64_t now)
{
    struct address a = addr(address);
    return bans_hit(b, &a, now);
}

static void nobody_is_hit_without_bans(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    assert_false(hit(b, "192.0.2.1", 0));
    assert_int_equal(bans_count(b, 0), 0);
    struct ban out;
    assert_int_equal(bans_list(b, NULL, 0, &out, 1), 0);
    bans_close(b);
}

static void a_ban_hits_its_network_until_it_ends(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    assert_true(ban(b, "192.0.2.7", 1000, 61000, false));
    assert_true(ban(b, "2001:db8:0:1::/64", 1000, 61000, false));
    assert_true(hit(b, "192.0.2.7", 1000));
    assert_false(hit(b, "192.0.2.8", 1000));
    assert_true(hit(b, "2001:db8:0:1:ffff::9", 60999));
    assert_false(hit(b, "2001:db8:0:2::9", 60999));
    assert_false(hit(b, "192.0.2.7", 61000));
    assert_false(hit(b, "2001:db8:0:1::9", 61000));
    assert_int_equal(bans_count(b, 61000), 0);
    bans_close(b);
}

static void networks_of_any_prefix_are_hit(void **state)
{
    (void)state;
    static const struct {
        const char *network, *in, *out;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", "11.0.0.1"},
        {"192.0.2.128/25", "192.0.2.200", "192.0.2.127"},
        {"192.0.2.0/31", "192.0.2.1", "192.0.2.2"},
        {"0.0.0.0/0", "198.51.100.1", "2001:db8::1"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"2001:db8::5", "2001:db8::5", "2001:db8::6"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bans *b = bans_open();
        assert_true(ban(b, rows[i].network, 0, 100, true));
        assert_true(hit(b, rows[i].in, 50));
        assert_false(hit(b, rows[i].out, 50));
        bans_close(b);
    }
}

static void bits_beyond_the_prefix_are_cleared(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    struct ban ban = {.network = {.prefix = 64, .family = 6}, .until_ms = 10};
    struct address a = addr("2001:db8:0:1:aaaa::1");
    memcpy(ban.network.ip, a.ip, sizeof a.ip);
    assert_true(bans_put(b, &ban, 0));
    struct network n = net("2001:db8:0:1::/64");
    struct ban out;
    assert_true(bans_get(b, &n, 0, &out));
    assert_true(hit(b, "2001:db8:0:1:bbbb::1", 0));
    bans_close(b);
}

static void a_prefix_that_does_not_fit_the_family_is_refused(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    struct ban ban = {.network = {.prefix = 129, .family = 6}, .until_ms = 10};
    assert_false(bans_put(b, &ban, 0));
    ban.network = (struct network){.prefix = 32, .family = 4};
    assert_false(bans_put(b, &ban, 0));
    ban.network = (struct network){.prefix = 128, .family = 0};
    assert_false(bans_put(b, &ban, 0));
    bans_close(b);
}

static void a_put_replaces_and_a_delete_ends(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    struct network n = net("192.0.2.7");
    struct ban out;
    assert_true(ban(b, "192.0.2.7", 0, 100, false));
    assert_true(ban(b, "192.0.2.7", 0, 5000, true));
    assert_int_equal(bans_count(b, 200), 1);
    assert_true(bans_get(b, &n, 200, &out));
    assert_true(out.manual);
    assert_int_equal(out.until_ms, 5000);
    assert_string_equal(out.reason, "wrong_password");
    assert_true(bans_delete(b, &n));
    assert_false(bans_delete(b, &n));
    assert_false(bans_get(b, &n, 200, &out));
    assert_false(hit(b, "192.0.2.7", 200));
    bans_close(b);
}

static void the_list_is_in_order_a_page_at_a_time_and_shows_only_what_is_live(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    assert_true(ban(b, "198.51.100.0/24", 0, 1000, true));
    assert_true(ban(b, "2001:db8::/64", 0, 1000, true));
    assert_true(ban(b, "192.0.2.7", 0, 10, false));
    assert_true(ban(b, "192.0.2.6", 0, 1000, false));
    assert_true(ban(b, "192.0.2.0/24", 0, 1000, true));
    static const char *const expect[] = {"192.0.2.0/24", "192.0.2.6/32", "198.51.100.0/24",
                                         "2001:db8::/64"};
    struct network after;
    struct ban page[1];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(bans_list(b, i ? &after : NULL, 20, page, 1), 1);
        char text[ADDRESS_TEXT_MAX];
        struct buf out = buf_over(text, sizeof text);
        network_print(&out, &page[0].network);
        assert_true(slice_eq(buf_slice(&out), slice_str(expect[i])));
        after = page[0].network;
    }
    assert_int_equal(bans_list(b, &after, 20, page, 1), 0);
    after = net("192.0.2.5"); // need not be in the table
    assert_int_equal(bans_list(b, &after, 20, page, 1), 1);
    assert_int_equal(page[0].network.ip[15], 6);
    assert_int_equal(bans_count(b, 20), 4);
    bans_close(b);
}

static struct ban nth(uint32_t i, int64_t until)
{
    struct ban ban = {.network = net("10.0.0.0"), .until_ms = until};
    ban.network.ip[13] = (uint8_t)(i >> 16);
    ban.network.ip[14] = (uint8_t)(i >> 8);
    ban.network.ip[15] = (uint8_t)i;
    return ban;
}

static void a_full_table_refuses_makes_room_for_an_operator_and_recovers(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    for (uint32_t i = 0; i < BANS_MAX; i++) {
        struct ban ban = nth(i * 7919 % BANS_MAX, 5000 + i);
        assert_true(bans_put(b, &ban, 0));
    }
    assert_int_equal(bans_count(b, 0), BANS_MAX);
    assert_false(ban(b, "192.0.2.7", 0, 9000, false));
    assert_true(ban(b, "192.0.2.8", 0, 9000, true));
    assert_true(hit(b, "192.0.2.8", 0));
    assert_false(hit(b, "10.0.0.0", 0)); // it ended first
    assert_true(hit(b, "10.0.0.1", 0));
    assert_int_equal(bans_count(b, 0), BANS_MAX);
    // Half have ended: there is room again, even within a second of the last sweep.
    int64_t later = 5000 + BANS_MAX / 2;
    assert_true(ban(b, "192.0.2.7", later, later + 100, false));
    assert_true(bans_count(b, later) < BANS_MAX);
    assert_int_equal(bans_count(b, INT64_MAX), 0);
    assert_false(hit(b, "10.0.0.1", INT64_MAX));
    bans_close(b);
}

static void the_table_agrees_with_a_plain_list_after_random_edits(void **state)
{
    (void)state;
    enum { N = 200 };
    struct bans *b = bans_open();
    int64_t until[N] = {0}, now = 0;
    srand(7);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)(rand() % N);
        struct ban ban = nth(i, now + 1 + rand() % 300);
        now += rand() % 4;
        switch (rand() % 3) {
        case 0:
            assert_true(bans_put(b, &ban, now));
            until[i] = ban.until_ms;
            break;
        case 1:
            assert_true(bans_delete(b, &ban.network) || until[i] <= now);
            until[i] = 0;
            break;
        default:
            break;
        }
        size_t live = 0;
        for (int k = 0; k < N; k++)
            live += until[k] > now;
        assert_int_equal(bans_count(b, now), live);
        struct address a = {.family = 4};
        memcpy(a.ip, ban.network.ip, sizeof a.ip);
        assert_int_equal(bans_hit(b, &a, now), until[i] > now);
    }
    bans_close(b);
}

static void *edit(void *arg)
{
    for (uint32_t i = 0; i < 20000; i++) {
        struct ban ban = nth(i % 50, 1000);
        if (i % 3)
            bans_put(arg, &ban, i % 500);
        else
            bans_delete(arg, &ban.network);
    }
    return NULL;
}

static void edits_and_questions_from_two_threads_agree(void **state)
{
    (void)state;
    struct bans *b = bans_open();
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, edit, b), 0);
    struct ban page[64];
    for (int i = 0; i < 5000; i++) {
        hit(b, "10.0.0.7", 0);
        assert_true(bans_list(b, NULL, 0, page, 64) <= 50);
    }
    pthread_join(t, NULL);
    bans_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_hit_without_bans),
        cmocka_unit_test(a_ban_hits_its_network_until_it_ends),
        cmocka_unit_test(networks_of_any_prefix_are_hit),
        cmocka_unit_test(bits_beyond_the_prefix_are_cleared),
        cmocka_unit_test(a_prefix_that_does_not_fit_the_family_is_refused),
        cmocka_unit_test(a_put_replaces_and_a_delete_ends),
        cmocka_unit_test(the_list_is_in_order_a_page_at_a_time_and_shows_only_what_is_live),
        cmocka_unit_test(a_full_table_refuses_makes_room_for_an_operator_and_recovers),
        cmocka_unit_test(the_table_agrees_with_a_plain_list_after_random_edits),
        cmocka_unit_test(edits_and_questions_from_two_threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
