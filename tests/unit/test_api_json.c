// SPDX-License-Identifier: Apache-2.0
// JSON from outside: what is refused as a whole, and what typed reads say of each value.
#include "api/json.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct faults faults;
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, NULL, 0, 1u << 20);
    faults = (struct faults){.arena = &arena};
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static struct json *parsed(const char *text)
{
    char why[200];
    struct json *v = json_parse(slice_str(text), why, sizeof why);
    if (!v)
        fail_msg("%s: %s", text, why);
    return v;
}

static void rfc8259_what_is_no_json_text_is_refused(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE(""),
        SLICE(" "),
        SLICE("{"),
        SLICE("{} x"),
        SLICE("{}{}"),
        SLICE("1"),
        SLICE("\"text\""),
        SLICE("null"),
        SLICE("{\"a\": 1, \"a\": 2}"),
        SLICE("{\"a\": {\"b\": 1, \"b\": 1}}"),
        SLICE("{\"a\": 01}"),
        SLICE("{\"a\": NaN}"),
        SLICE("{\"a\": 1e400}"),
        SLICE("{\"a\": 99999999999999999999}"),
        SLICE("{'a': 1}"),
        SLICE("{\"a\": 1,}"),
        SLICE("{\"a\": 1} // note"),
        SLICE("\xef\xbb\xbf{}"),
        SLICE("{\"a\": \"\\u0000\"}"),
        SLICE("{\"a\\u0000\": 1}"),
        SLICE("{\"a\": \"\0\"}"),
        SLICE("{}\0"),
        SLICE("{\"a\": \"\\ud800\"}"),
        SLICE("{\"a\": \"\xed\xa0\x80\"}"),
        SLICE("{\"a\": \"\xff\"}"),
        SLICE("{\"a\": \"\n\"}"),
        SLICE("]"),
        SLICE("\"\\"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[200] = "";
        struct json *v = json_parse(bad[i], why, sizeof why);
        if (v)
            fail_msg("taken: %.*s", SLICE_FMT(bad[i]));
        assert_true(strlen(why) > 0);
    }
}

static void the_reason_does_not_quote_the_text(void **state)
{
    (void)state;
    char why[200];
    assert_null(json_parse(SLICE("{\"password\": \"hunter2\" hunter2}"), why, sizeof why));
    assert_null(strstr(why, "hunter2"));
    assert_non_null(strstr(why, "line 1"));
}

// `n` times `open`, a value, `n` times `close`.
static struct json *nested(size_t n, char open, char close)
{
    char text[400], why[200];
    struct buf b = buf_over(text, sizeof text);
    for (size_t i = 0; i < n; i++) {
        buf_byte(&b, open);
        if (open == '{')
            BUF_LIT(&b, "\"a\":");
    }
    BUF_LIT(&b, "\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"");
    for (size_t i = 0; i < n; i++)
        buf_byte(&b, close);
    assert_false(b.full);
    return json_parse(buf_slice(&b), why, sizeof why);
}

static void depth_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    struct json *v = nested(JSON_DEPTH_MAX, '[', ']');
    assert_non_null(v);
    json_free(v);
    v = nested(JSON_DEPTH_MAX, '{', '}');
    assert_non_null(v);
    json_free(v);
    assert_null(nested(JSON_DEPTH_MAX + 1, '[', ']'));
    assert_null(nested(JSON_DEPTH_MAX + 1, '{', '}'));

    char *many = malloc(2 * JSON_VALUES_MAX + 3), why[200];
    assert_non_null(many);
    struct buf b = buf_over(many, 2 * JSON_VALUES_MAX + 3);
    BUF_LIT(&b, "[0");
    for (size_t i = 0; i < JSON_VALUES_MAX; i++)
        BUF_LIT(&b, ",0");
    BUF_LIT(&b, "]");
    assert_null(json_parse(buf_slice(&b), why, sizeof why));
    assert_non_null(strstr(why, "values"));
    free(many);
}

static void containers_are_looked_into(void **state)
{
    (void)state;
    struct json *v = parsed("{\"b\": [null, {}], \"a\": {\"x\": 1}}");
    assert_true(json_is_object(v));
    assert_int_equal(json_size(v), 2);
    const struct json *b = json_get(v, "b");
    assert_true(json_is_array(b));
    assert_int_equal(json_size(b), 2);
    assert_true(json_is_null(json_at(b, 0)));
    assert_true(json_is_object(json_at(b, 1)));
    assert_null(json_at(b, 2));
    assert_null(json_get(v, "c"));
    json_free(v);
    json_free(NULL);
}

static bool note(void *arg, struct slice key, const struct json *value)
{
    struct buf *b = arg;
    (void)value;
    buf_put(b, key);
    return !slice_eq(key, SLICE("stop"));
}

static void members_come_in_order_until_one_stops(void **state)
{
    (void)state;
    char seen[64];
    struct buf b = buf_over(seen, sizeof seen);
    struct json *v = parsed("{\"z\": 1, \"a\": 2, \"stop\": 3, \"m\": 4}");
    json_members(v, note, &b);
    assert_true(slice_eq(buf_slice(&b), SLICE("zastop")));
    json_free(v);
}

static void strings_are_bounded_in_bytes(void **state)
{
    (void)state;
    struct json *v = parsed("[\"\", \"\xc3\xa9\xc3\xa9\", 5, null]");
    struct slice s;
    assert_true(json_read_string(json_at(v, 0), SLICE("f"), 0, 4, &faults, &s));
    assert_int_equal(s.n, 0);
    assert_true(json_read_string(json_at(v, 1), SLICE("f"), 1, 4, &faults, &s));
    assert_true(slice_eq(s, SLICE("\xc3\xa9\xc3\xa9")));
    assert_int_equal(faults.n, 0);
    assert_false(json_read_string(json_at(v, 0), SLICE("empty"), 1, 4, &faults, &s));
    assert_false(json_read_string(json_at(v, 1), SLICE("long"), 1, 3, &faults, &s));
    assert_false(json_read_string(json_at(v, 2), SLICE("number"), 1, 3, &faults, &s));
    assert_false(json_read_string(json_at(v, 3), SLICE("nothing"), 1, 3, &faults, &s));
    assert_int_equal(faults.n, 4);
    static const char *const fields[] = {"empty", "long", "number", "nothing"};
    for (size_t i = 0; i < 4; i++)
        assert_true(slice_eq(faults.items[i].field, slice_str(fields[i])));
    json_free(v);
}

static void whole_numbers_may_be_written_as_reals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"[0]", true, 0},       {"[-5]", true, -5},   {"[60.0]", true, 60}, {"[6e1]", true, 60},
        {"[60.5]", false, 0},   {"[1e30]", false, 0}, {"[101]", false, 0},  {"[-6]", false, 0},
        {"[\"60\"]", false, 0}, {"[true]", false, 0}, {"[null]", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json *v = parsed(cases[i].text);
        int64_t n = -99;
        bool ok = json_read_int(json_at(v, 0), SLICE("f"), -5, 100, &faults, &n);
        if (ok != cases[i].ok || (ok && n != cases[i].value))
            fail_msg("%s", cases[i].text);
        json_free(v);
    }
    assert_int_equal(faults.n, 7);
}

static void only_true_and_false_are_booleans(void **state)
{
    (void)state;
    struct json *v = parsed("[true, false, 0, \"true\", null]");
    bool b = false;
    assert_true(json_read_bool(json_at(v, 0), SLICE("f"), &faults, &b) && b);
    assert_true(json_read_bool(json_at(v, 1), SLICE("f"), &faults, &b) && !b);
    for (size_t i = 2; i < 5; i++)
        assert_false(json_read_bool(json_at(v, i), SLICE("f"), &faults, &b));
    assert_int_equal(faults.n, 3);
    json_free(v);
}

static void faults_beyond_the_bound_are_counted_only(void **state)
{
    (void)state;
    for (int i = 0; i < FAULTS_MAX + 5; i++)
        fault_add(&faults, SLICE("f"), "is the %dth", i);
    assert_int_equal(faults.n, FAULTS_MAX + 5);
    assert_true(slice_eq(faults.items[FAULTS_MAX - 1].detail, SLICE("is the 31th")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rfc8259_what_is_no_json_text_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_reason_does_not_quote_the_text, begin, end),
        cmocka_unit_test_setup_teardown(depth_and_number_of_values_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(containers_are_looked_into, begin, end),
        cmocka_unit_test_setup_teardown(members_come_in_order_until_one_stops, begin, end),
        cmocka_unit_test_setup_teardown(strings_are_bounded_in_bytes, begin, end),
        cmocka_unit_test_setup_teardown(whole_numbers_may_be_written_as_reals, begin, end),
        cmocka_unit_test_setup_teardown(only_true_and_false_are_booleans, begin, end),
        cmocka_unit_test_setup_teardown(faults_beyond_the_bound_are_counted_only, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
