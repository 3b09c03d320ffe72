// SPDX-License-Identifier: Apache-2.0
// The text that grows up to a bound, UTF-8 (RFC 3629) and JSON written by hand (RFC 8259).
#include "api/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_text(struct text *t, const char *want)
{
    assert_false(t->bad);
    if (!slice_eq(text_slice(t), slice_str(want)))
        fail_msg("%.*s, not %s", SLICE_FMT(text_slice(t)), want);
    text_free(t);
}

static void a_text_grows_to_its_bound_and_then_stays_bad(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 2000);
    assert_null(t.p);
    for (int i = 0; i < 200; i++)
        TEXT_LIT(&t, "0123456789");
    assert_false(t.bad);
    assert_int_equal(t.n, 2000);
    TEXT_LIT(&t, "x");
    assert_true(t.bad);
    assert_int_equal(t.n, 2000);
    text_free(&t);
    assert_null(t.p);
    assert_int_equal(t.n, 0);
}

static void printf_takes_what_does_not_fit_its_first_buffer(void **state)
{
    (void)state;
    struct text t;
    char wide[400];
    memset(wide, 'w', sizeof wide);
    text_init(&t, 1000);
    text_printf(&t, "%d %.*s|", 7, (int)sizeof wide, wide);
    assert_int_equal(t.n, 2 + sizeof wide + 1);
    assert_memory_equal(t.p, "7 ww", 4);
    assert_int_equal(t.p[t.n - 1], '|');
    text_printf(&t, "%.*s", (int)sizeof wide, wide);
    assert_false(t.bad);
    text_printf(&t, "%.*s", (int)sizeof wide, wide);
    assert_true(t.bad);
    text_free(&t);
}

static void commas_stand_between_members_only(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 1000);
    json_open(&t, '{');
    json_key(&t, "a"), json_open(&t, '['), json_close(&t, ']');
    json_key(&t, "b"), json_open(&t, '[');
    json_u64(&t, UINT64_MAX), json_i64(&t, INT64_MIN), json_bool(&t, true), json_bool(&t, false);
    json_null(&t), json_raw(&t, SLICE("[1]"));
    json_open(&t, '{'), json_close(&t, '}');
    json_close(&t, ']');
    json_data_key(&t, SLICE("k\"")), json_string(&t, SLICE_NONE);
    json_close(&t, '}');
    assert_text(
        &t, "{\"a\":[],\"b\":[18446744073709551615,-9223372036854775808,true,false,null,[1],{}],"
            "\"k\\\"\":\"\"}");
}

static void times_are_rfc3339_in_utc(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 1000);
    json_time(&t, 1795422360123);
    assert_text(&t, "\"2026-11-23T08:26:00.123Z\"");
}

static void strings_are_escaped_and_made_valid(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out;
    } cases[] = {
        {SLICE("plain / text"), "plain / text"},
        {SLICE("\"\\\b\f\n\r\t"), "\\\"\\\\\\b\\f\\n\\r\\t"},
        {SLICE("\x01\x1f\x7f\0"), "\\u0001\\u001f\\u007f\\u0000"},
        {SLICE("J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x93\x9e"),
         "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {SLICE("a\xff"
               "b"),
         "a\xef\xbf\xbd"
         "b"},
        {SLICE("\xc3"), "\xef\xbf\xbd"},
        {SLICE("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {SLICE("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {SLICE("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text t;
        char want[200];
        text_init(&t, 1000);
        json_string(&t, cases[i].in);
        snprintf(want, sizeof want, "\"%s\"", cases[i].out);
        assert_text(&t, want);
    }
}

static void rfc3629_only_shortest_forms_of_scalar_values_are_utf8(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        bool valid, clean;
    } cases[] = {
        {SLICE(""), true, true},
        {SLICE("alice"), true, true},
        {SLICE("\xc2\x80"), true, false},
        {SLICE("\xc2\x9f"), true, false},
        {SLICE("\xc2\xa0"), true, true},
        {SLICE("a\0b"), true, false},
        {SLICE("a\nb"), true, false},
        {SLICE("\x7f"), true, false},
        {SLICE("\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), true, true},
        {SLICE("\x80"), false, false},
        {SLICE("\xc1\xbf"), false, false},
        {SLICE("\xe0\x9f\xbf"), false, false},
        {SLICE("\xed\xa0\x80"), false, false},
        {SLICE("\xf0\x8f\xbf\xbf"), false, false},
        {SLICE("\xf4\x90\x80\x80"), false, false},
        {SLICE("\xf5\x80\x80\x80"), false, false},
        {SLICE("\xf0\x90\x80"), false, false},
        {SLICE("\xe2\x28\xa1"), false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (utf8_valid(cases[i].text) != cases[i].valid ||
            utf8_clean(cases[i].text) != cases[i].clean)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows_to_its_bound_and_then_stays_bad),
        cmocka_unit_test(printf_takes_what_does_not_fit_its_first_buffer),
        cmocka_unit_test(commas_stand_between_members_only),
        cmocka_unit_test(times_are_rfc3339_in_utc),
        cmocka_unit_test(strings_are_escaped_and_made_valid),
        cmocka_unit_test(rfc3629_only_shortest_forms_of_scalar_values_are_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
