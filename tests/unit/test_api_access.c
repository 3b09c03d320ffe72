// SPDX-License-Identifier: Apache-2.0
// Tokens, the throttle for those who guess them, loopback hosts and origins.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/access.h"

#define NOW 1000000

static struct address source(const char *text)
{
    struct address a;
    assert_true(address_parse(slice_str(text), &a));
    return a;
}

static struct access *with_tokens(void)
{
    static const struct slice admin[] = {{"admin-one", 9}, {"admin-two", 9}},
                              read[] = {{"reader", 6}};
    const struct access_tokens tokens = {.admin = admin, .n_admin = 2, .read = read, .n_read = 1};
    struct access *a = access_open();
    assert_non_null(a);
    assert_true(access_configure(a, &tokens));
    return a;
}

static enum access_verdict ask_at(struct access *a, const char *authorization, const char *from,
                                  int64_t now_ms, enum scope *scope, unsigned *retry_after_s)
{
    struct address who = source(from);
    const struct access_ask ask = {.authorization = slice_str(authorization),
                                   .host = SLICE("example.net"),
                                   .source = &who,
                                   .now_ms = now_ms};
    return access_check(a, &ask, scope, retry_after_s);
}

static enum access_verdict ask(struct access *a, const char *authorization, enum scope *scope)
{
    unsigned retry_after_s;
    return ask_at(a, authorization, "192.0.2.1", NOW, scope, &retry_after_s);
}

static void a_token_has_its_scope(void **state)
{
    (void)state;
    struct access *a = with_tokens();
    enum scope scope;
    assert_int_equal(ask(a, "Bearer admin-one", &scope), ACCESS_GRANTED);
    assert_int_equal(scope, SCOPE_ADMIN);
    assert_int_equal(ask(a, "bearer   admin-two", &scope), ACCESS_GRANTED);
    assert_int_equal(scope, SCOPE_ADMIN);
    assert_int_equal(ask(a, "Bearer reader", &scope), ACCESS_GRANTED);
    assert_int_equal(scope, SCOPE_READ);
    access_close(a);
}

static void what_is_no_token_of_ours_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Bearer admin-on",        "Bearer admin-onee", "Bearer ",
                                        "Bearer Admin-one",       "Basic YTpi",        "admin-one",
                                        "Bearer admin-one reader"};
    struct access *a = with_tokens();
    enum scope scope;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ask(a, wrong[i], &scope), ACCESS_WRONG);
        assert_int_equal(scope, SCOPE_NONE);
    }
    assert_int_equal(ask(a, "", &scope), ACCESS_MISSING);
    access_close(a);
}

static void an_empty_token_in_the_configuration_opens_nothing(void **state)
{
    (void)state;
    static const struct slice empty[] = {{"", 0}};
    const struct access_tokens tokens = {.admin = empty, .n_admin = 1};
    struct access *a = access_open();
    enum scope scope;
    assert_true(access_configure(a, &tokens));
    assert_int_equal(ask(a, "Bearer ", &scope), ACCESS_WRONG);
    access_close(a);
}

static void after_a_hundred_wrong_ones_a_source_has_to_wait(void **state)
{
    (void)state;
    struct access *a = with_tokens();
    enum scope scope;
    unsigned wait = 0;
    for (int i = 0; i < ACCESS_FAILURES_MAX; i++)
        assert_int_equal(ask_at(a, "Bearer x", "192.0.2.1", NOW + i, &scope, &wait), ACCESS_WRONG);
    int64_t later = NOW + 20000;
    assert_int_equal(ask_at(a, "Bearer x", "192.0.2.1", later, &scope, &wait), ACCESS_THROTTLED);
    assert_int_equal(wait, 40);
    // Neither a right one nor another source is kept waiting, nor one that shows none
    assert_int_equal(ask_at(a, "Bearer reader", "192.0.2.1", later, &scope, &wait), ACCESS_GRANTED);
    assert_int_equal(ask_at(a, "Bearer x", "192.0.2.2", later, &scope, &wait), ACCESS_WRONG);
    assert_int_equal(ask_at(a, "", "192.0.2.1", later, &scope, &wait), ACCESS_MISSING);
    later = NOW + ACCESS_WINDOW_MS;
    assert_int_equal(ask_at(a, "Bearer x", "192.0.2.1", later, &scope, &wait), ACCESS_WRONG);
    access_close(a);
}

static void ipv6_sources_are_counted_by_their_network(void **state)
{
    (void)state;
    struct access *a = with_tokens();
    enum scope scope;
    unsigned wait;
    char from[64];
    for (int i = 0; i < ACCESS_FAILURES_MAX; i++) {
        struct buf b = buf_over(from, sizeof from - 1);
        buf_printf(&b, "2001:db8::%d", i);
        from[b.n] = '\0';
        assert_int_equal(ask_at(a, "Bearer x", from, NOW, &scope, &wait), ACCESS_WRONG);
    }
    assert_int_equal(ask_at(a, "Bearer x", "2001:db8::ffff", NOW, &scope, &wait), ACCESS_THROTTLED);
    assert_int_equal(ask_at(a, "Bearer x", "2001:db8:0:1::", NOW, &scope, &wait), ACCESS_WRONG);
    access_close(a);
}

static void more_sources_than_there_is_room_for_do_no_harm(void **state)
{
    (void)state;
    struct access *a = with_tokens();
    enum scope scope;
    unsigned wait;
    char from[64];
    for (int i = 0; i < 20000; i++) {
        struct buf b = buf_over(from, sizeof from - 1);
        buf_printf(&b, "10.%d.%d.1", i / 200, i % 200);
        from[b.n] = '\0';
        assert_int_equal(ask_at(a, "Bearer x", from, NOW + i, &scope, &wait), ACCESS_WRONG);
    }
    access_close(a);
}

static void a_reload_replaces_the_tokens(void **state)
{
    (void)state;
    static const struct slice admin[] = {{"new", 3}};
    const struct access_tokens tokens = {.admin = admin, .n_admin = 1};
    struct access *a = with_tokens();
    enum scope scope;
    assert_true(access_configure(a, &tokens));
    assert_int_equal(ask(a, "Bearer admin-one", &scope), ACCESS_WRONG);
    assert_int_equal(ask(a, "Bearer new", &scope), ACCESS_GRANTED);
    access_close(a);
}

static enum access_verdict ask_openly(const char *host, const char *origin)
{
    static const struct slice origins[] = {{"https://panel.example", 21}};
    const struct access_tokens tokens = {.origins = origins, .n_origins = 1};
    struct access *a = access_open();
    struct address who = source("127.0.0.1");
    const struct access_ask question = {
        .host = slice_str(host), .origin = slice_str(origin), .source = &who, .now_ms = NOW};
    enum scope scope = SCOPE_NONE;
    unsigned wait;
    assert_true(access_configure(a, &tokens));
    enum access_verdict verdict = access_check(a, &question, &scope, &wait);
    assert_true(verdict != ACCESS_GRANTED || scope == SCOPE_ADMIN);
    access_close(a);
    return verdict;
}

static void without_tokens_only_the_machine_itself_is_answered(void **state)
{
    (void)state;
    assert_int_equal(ask_openly("localhost:8080", ""), ACCESS_GRANTED);
    assert_int_equal(ask_openly("evil.example", ""), ACCESS_HOST);
    assert_int_equal(ask_openly("", ""), ACCESS_HOST);
    assert_int_equal(ask_openly("127.0.0.1", "http://127.0.0.1:8080"), ACCESS_GRANTED);
    assert_int_equal(ask_openly("127.0.0.1", "https://panel.example"), ACCESS_GRANTED);
    assert_int_equal(ask_openly("127.0.0.1", "https://evil.example"), ACCESS_ORIGIN);
    assert_int_equal(ask_openly("127.0.0.1", "null"), ACCESS_ORIGIN);
}

static void loopback_hosts_are_known(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "localhost",  "LocalHost:80",           "127.0.0.1", "127.8.9.10:5060", "[::1]",
        "[::1]:8080", "rollcall.localhost:8080"};
    static const char *const no[] = {"",
                                     "localhost.evil.example",
                                     "evillocalhost",
                                     "128.0.0.1",
                                     "[::2]",
                                     "::1",
                                     "localhost:x",
                                     "localhost:99999",
                                     "[::1]x",
                                     ".localhost",
                                     "127.0.0.1.evil.example"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(host_is_loopback(slice_str(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(host_is_loopback(slice_str(no[i])));
}

static void origins_are_compared_whole(void **state)
{
    (void)state;
    static const struct slice origins[] = {{"https://panel.example", 21}};
    const struct access_tokens tokens = {.origins = origins, .n_origins = 1};
    struct access *a = access_open();
    bool any;
    assert_false(access_origin(a, SLICE("https://panel.example"), &any));
    assert_false(any);
    assert_true(access_configure(a, &tokens));
    assert_true(access_origin(a, SLICE("https://panel.example"), &any));
    assert_false(access_origin(a, SLICE("https://panel.example.net"), &any));
    assert_false(access_origin(a, SLICE(""), &any));
    assert_true(any);
    access_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_its_scope),
        cmocka_unit_test(what_is_no_token_of_ours_is_refused),
        cmocka_unit_test(an_empty_token_in_the_configuration_opens_nothing),
        cmocka_unit_test(after_a_hundred_wrong_ones_a_source_has_to_wait),
        cmocka_unit_test(ipv6_sources_are_counted_by_their_network),
        cmocka_unit_test(more_sources_than_there_is_room_for_do_no_harm),
        cmocka_unit_test(a_reload_replaces_the_tokens),
        cmocka_unit_test(without_tokens_only_the_machine_itself_is_answered),
        cmocka_unit_test(loopback_hosts_are_known),
        cmocka_unit_test(origins_are_compared_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
