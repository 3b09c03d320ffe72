// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "service/abuse.h"

struct fixture {
    struct bans *bans;
    struct abuse *abuse;
    struct sip_settings settings;
};

static int setup(void **state)
{
    static struct fixture f;
    f.bans = bans_open();
    f.abuse = abuse_open(f.bans);
    f.settings =
        (struct sip_settings){.abuse_requests = 100, .abuse_failures = 30, .abuse_ban_s = 60};
    assert_true(network_parse(SLICE("127.0.0.0/8"), &f.settings.exempt.items[0]));
    f.settings.exempt.n = 1;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    abuse_close(f->abuse);
    bans_close(f->bans);
    return 0;
}

static struct address at(const char *text)
{
    struct address a;
    assert_true(address_parse(slice_str(text), &a));
    a.port = 5060;
    return a;
}

static void requests_beyond_the_rate_are_held_back_and_the_rate_recovers(void **state)
{
    struct fixture *f = *state;
    struct address a = at("192.0.2.1"), b = at("192.0.2.2");
    int passed = 0;
    for (int i = 0; i < 300; i++)
        passed += abuse_admit(f->abuse, &f->settings, &a, 1000) == ABUSE_PASS;
    assert_int_equal(passed, 100);
    assert_int_equal(abuse_admit(f->abuse, &f->settings, &b, 1000), ABUSE_PASS);
    assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, 4000), ABUSE_PASS);
}

static void successes_count_towards_no_limit(void **state)
{
    struct fixture *f = *state;
    struct address a = at("192.0.2.1");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, 1000), ABUSE_PASS);
        abuse_succeeded(f->abuse, &f->settings, &a, SLICE("d"), SLICE("17"), 1000);
    }
}

static void too_many_failures_ban_the_source_and_each_ban_is_longer(void **state)
{
    struct fixture *f = *state;
    struct address a = at("192.0.2.1");
    int64_t now = 1000000, lengths[8];
    for (int round = 0; round < 8; round++) {
        int failures = 0;
        char name[16] = "";
        do
            snprintf(name, sizeof name, "%d", round * 1000 + failures++);
        while (!abuse_failed(f->abuse, &f->settings, &a, true, SLICE("d"), slice_str(name),
                             REASON_WRONG_PASSWORD, now));
        assert_in_range(failures, 1, 32);
        assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, now), ABUSE_BANNED);
        struct ban ban;
        struct network n = {.prefix = 128, .family = 4};
        memcpy(n.ip, a.ip, sizeof n.ip);
        assert_true(bans_get(f->bans, &n, now, &ban));
        assert_string_equal(ban.reason, "wrong_password");
        lengths[round] = ban.until_ms - now;
        now = ban.until_ms + 1;
        assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, now), ABUSE_PASS);
    }
    assert_int_equal(lengths[0], 60000);
    assert_int_equal(lengths[1], 120000);
    assert_int_equal(lengths[7], 3600000); // at most an hour
}

static void exempt_sources_are_never_limited_or_banned(void **state)
{
    struct fixture *f = *state;
    struct address a = at("127.0.0.1");
    for (int i = 0; i < 1000; i++) {
        assert_false(abuse_failed(f->abuse, &f->settings, &a, true, SLICE("d"), SLICE("1"),
                                  REASON_WRONG_PASSWORD, 1000));
        assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, 1000), ABUSE_PASS);
    }
}

static void an_aor_tried_from_many_sources_bans_each_after_a_few(void **state)
{
    struct fixture *f = *state;
    char text[32];
    int banned = 0;
    for (int source = 1; source < 200; source++) {
        snprintf(text, sizeof text, "198.51.100.%d", source);
        struct address a = at(text);
        for (int i = 0; i < 6; i++)
            banned += abuse_failed(f->abuse, &f->settings, &a, true, SLICE("d"), SLICE("77"),
                                   REASON_WRONG_PASSWORD, 5000);
    }
    assert_true(banned > 150);
}

static void an_ipv6_source_is_its_64(void **state)
{
    struct fixture *f = *state;
    struct address a = at("2001:db8::1"), b = at("2001:db8::ffff:1"), c = at("2001:db8:0:1::1");
    while (!abuse_failed(f->abuse, &f->settings, &a, true, SLICE("d"), SLICE("1"),
                         REASON_UNKNOWN_USER, 1000))
        ;
    assert_int_equal(abuse_admit(f->abuse, &f->settings, &b, 1000), ABUSE_BANNED);
    assert_int_equal(abuse_admit(f->abuse, &f->settings, &c, 1000), ABUSE_PASS);
}

static void a_success_after_failures_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct address a = at("192.0.2.1");
    assert_false(abuse_succeeded(f->abuse, &f->settings, &a, SLICE("d"), SLICE("5"), 1000));
    abuse_failed(f->abuse, &f->settings, &a, true, SLICE("d"), SLICE("5"), REASON_WRONG_PASSWORD,
                 1000);
    assert_true(abuse_succeeded(f->abuse, &f->settings, &a, SLICE("d"), SLICE("5"), 2000));
    assert_false(abuse_succeeded(f->abuse, &f->settings, &a, SLICE("d"), SLICE("5"), 3000));
}

static void a_source_that_may_be_spoofed_is_never_banned(void **state)
{
    struct fixture *f = *state;
    struct address a = at("192.0.2.9");
    for (int i = 0; i < 1000; i++)
        assert_false(abuse_failed(f->abuse, &f->settings, &a, false, SLICE("d"), SLICE("9"),
                                  REASON_WRONG_PASSWORD, 1000));
    assert_int_equal(abuse_admit(f->abuse, &f->settings, &a, 1000), ABUSE_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            requests_beyond_the_rate_are_held_back_and_the_rate_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(successes_count_towards_no_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_failures_ban_the_source_and_each_ban_is_longer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(exempt_sources_are_never_limited_or_banned, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_aor_tried_from_many_sources_bans_each_after_a_few, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_source_that_may_be_spoofed_is_never_banned, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_ipv6_source_is_its_64, setup, teardown),
        cmocka_unit_test_setup_teardown(a_success_after_failures_is_told_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
