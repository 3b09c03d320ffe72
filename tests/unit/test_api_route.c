// SPDX-License-Identifier: Apache-2.0
// Targets: what a path and a query say once they are decoded, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/gzip.h"
#include "api/route.h"
#include "api/target.h"

static char memory[65536];

static struct arena fresh(void)
{
    struct arena a;
    arena_init(&a, memory, sizeof memory, 0);
    return a;
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void percent_escapes_are_resolved_after_the_path_is_split(void **state)
{
    (void)state;
    struct arena a = fresh();
    struct path p;
    const char *why;
    assert_true(path_decode(SLICE("/v1/a%2Fb%40c%2bd/%C3%BC"), &a, &p, &why));
    assert_int_equal(p.n, 3);
    assert_slice(p.segments[0], "v1");
    assert_slice(p.segments[1], "a/b@c+d");
    assert_slice(p.segments[2], "\xc3\xbc");
    assert_true(path_decode(SLICE("/a+b"), &a, &p, &why));
    assert_slice(p.segments[0], "a+b"); // a plus is a blank in a query only
    assert_true(path_decode(SLICE("/"), &a, &p, &why));
    assert_int_equal(p.n, 1);
    assert_int_equal(p.segments[0].n, 0);
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/%",         "/%4",        "/%zz", "/a%00b",        "/%ff", "/\xff",        "/%c0%af",
        "/%ed%a0%80", "/%e0%80%80", "/%c3", "/%f5%80%80%80", "/a%2", "/%f4%90%80%80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena a = fresh();
        struct path p;
        const char *why = NULL;
        assert_false(path_decode(slice_str(bad[i]), &a, &p, &why));
        assert_non_null(why);
    }
}

static void a_path_with_too_many_segments_matches_nothing(void **state)
{
    (void)state;
    struct arena a = fresh();
    struct path p;
    const char *why;
    assert_true(path_decode(SLICE("/1/2/3/4/5/6/7/8/9/10/11/12/13"), &a, &p, &why));
    assert_int_equal(p.n, SEGMENTS_MAX + 1);
}

static void a_path_without_memory_is_refused(void **state)
{
    (void)state;
    struct arena a;
    struct path p;
    const char *why = NULL;
    arena_init(&a, memory, 4, 0);
    assert_false(path_decode(SLICE("/a-longer-one-than-that"), &a, &p, &why));
    assert_non_null(why);
}

static void a_target_is_taken_apart(void **state)
{
    (void)state;
    assert_slice(target_path(SLICE("/a/b?c=d?e")), "/a/b");
    assert_slice(target_query(SLICE("/a/b?c=d?e")), "c=d?e");
    assert_slice(target_path(SLICE("http://host:80/a?b")), "/a");
    assert_slice(target_path(SLICE("http://host")), "/");
    assert_slice(target_path(SLICE("*")), "*");
    assert_int_equal(target_query(SLICE("/a")).n, 0);
    assert_int_equal(target_path(SLICE("")).n, 0);
}

static bool query(const char *text, struct query_arg *out, size_t *n, struct slice *what)
{
    struct arena a = fresh();
    const char *why = NULL;
    bool ok = query_decode(slice_str(text), &a, out, QUERY_MAX, n, &why, what);
    if (!ok)
        assert_non_null(why);
    return ok;
}

static void a_query_is_decoded(void **state)
{
    (void)state;
    struct query_arg args[QUERY_MAX];
    struct slice what;
    size_t n;
    assert_true(query("a=1&b=x+y%2Bz&c&&d==&%65=", args, &n, &what));
    assert_int_equal(n, 5);
    assert_slice(args[0].name, "a");
    assert_slice(args[0].value, "1");
    assert_slice(args[1].value, "x y+z");
    assert_slice(args[2].name, "c");
    assert_int_equal(args[2].value.n, 0);
    assert_slice(args[3].value, "=");
    assert_slice(args[4].name, "e");
    assert_true(query("", args, &n, &what));
    assert_int_equal(n, 0);
}

static void an_argument_that_is_given_twice_is_refused_by_name(void **state)
{
    (void)state;
    struct query_arg args[QUERY_MAX];
    struct slice what;
    size_t n;
    assert_false(query("limit=1&x=2&li%6dit=3", args, &n, &what));
    assert_slice(what, "limit");
    assert_false(query("a=%00", args, &n, &what));
    assert_false(query("a=%", args, &n, &what));
    assert_slice(what, "a");
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    char text[QUERY_MAX * 8 + 8];
    struct buf b = buf_over(text, sizeof text - 1);
    struct query_arg args[QUERY_MAX];
    struct slice what;
    size_t n;
    for (int i = 0; i <= QUERY_MAX; i++)
        buf_printf(&b, "a%d=1&", i);
    text[b.n] = '\0';
    assert_false(b.full);
    assert_false(query(text, args, &n, &what));
}

static void words_are_whole(void **state)
{
    (void)state;
    assert_true(word_in("limit cursor view", SLICE("limit")));
    assert_true(word_in("limit cursor view", SLICE("view")));
    assert_false(word_in("limit cursor view", SLICE("curs")));
    assert_false(word_in("limit cursor view", SLICE("")));
    assert_false(word_in("", SLICE("limit")));
    assert_false(word_in("limit", SLICE("limits")));
}

static void each_route_is_one_operation(void **state)
{
    (void)state;
    for (size_t i = 0; route_at(i); i++) {
        const struct route *a = route_at(i);
        assert_non_null(a->handle);
        assert_int_equal(a->path[0], '/');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(a->operation, route_at(k)->operation);
            assert_false(strcmp(a->path, route_at(k)->path) == 0 &&
                         a->method == route_at(k)->method);
        }
    }
}

static void rfc9110_12_5_3_gzip_is_taken_where_it_is_not_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool taken;
    } cases[] = {{"", false},
                 {"gzip", true},
                 {"GZIP", true},
                 {"deflate, gzip;q=0.5", true},
                 {"gzip;q=0", false},
                 {"gzip; q=0.000", false},
                 {"gzip;q=0.001", true},
                 {"*", true},
                 {"*;q=0", false},
                 {"gzip;q=0, *", false},
                 {"*;q=0, gzip", true},
                 {"identity", false},
                 {"br,deflate", false},
                 {"gzipped", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(gzip_accepted(slice_str(cases[i].header)), cases[i].taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_escapes_are_resolved_after_the_path_is_split),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(a_path_with_too_many_segments_matches_nothing),
        cmocka_unit_test(a_path_without_memory_is_refused),
        cmocka_unit_test(a_target_is_taken_apart),
        cmocka_unit_test(a_query_is_decoded),
        cmocka_unit_test(an_argument_that_is_given_twice_is_refused_by_name),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(words_are_whole),
        cmocka_unit_test(each_route_is_one_operation),
        cmocka_unit_test(rfc9110_12_5_3_gzip_is_taken_where_it_is_not_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
