// SPDX-License-Identifier: Apache-2.0
// Cursors and event ids: they come back as they were given out, and nothing else is taken. The
// source is included, so that a request can be made up here.
#include "api/cursor.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct store *the_store;
static struct request the_request;
static char memory[4096];
static unsigned problem; // the status of the last one

struct store *request_store(const struct request *r)
{
    (void)r;
    return the_store;
}

bool request_query(const struct request *r, const char *name, struct slice *out)
{
    for (size_t i = 0; i < r->n_query; i++)
        if (slice_eq(r->query[i].name, slice_str(name))) {
            *out = r->query[i].value;
            return true;
        }
    return false;
}

void respond_problem(struct request *r, unsigned status, const char *detail, ...)
{
    (void)r;
    assert_non_null(detail);
    problem = status;
}

static int open_store(void)
{
    char why[160];
    struct store_config config = {.url = SLICE("memory:"), .changes_max = 10, .queue_max = 16};
    return store_open(&config, &the_store, why, sizeof why);
}

static int setup(void **state)
{
    (void)state;
    return open_store();
}

static int teardown(void **state)
{
    (void)state;
    text_free(&the_request.out);
    arena_reset(&the_request.arena);
    store_close(the_store);
    return 0;
}

// A fresh request with this query; NULL: without the argument.
static struct request *ask(const char *limit, struct slice cursor)
{
    struct request *r = &the_request;
    text_free(&r->out);
    arena_reset(&r->arena);
    memset(r, 0, sizeof *r);
    arena_init(&r->arena, memory, sizeof memory, 0);
    text_init(&r->out, 65536);
    if (limit)
        r->query[r->n_query++] = (struct query_arg){SLICE("limit"), slice_str(limit)};
    if (cursor.p)
        r->query[r->n_query++] = (struct query_arg){SLICE("cursor"), cursor};
    problem = 0;
    return r;
}

// The cursor that a page which ended there gives out, in `out`.
static struct slice given_out(struct slice question, struct slice domain, struct slice key,
                              char *out)
{
    struct request *r = ask(NULL, SLICE_NONE);
    json_open(&r->out, '{');
    page_end(r, question, true, domain, key, 7);
    assert_false(r->out.bad);
    struct slice text = slice_from(text_slice(&r->out), strlen("{\"next_cursor\":\""));
    text = slice_upto(text, slice_find(text, '"'));
    memcpy(out, text.p, text.n);
    return slice_of(out, text.n);
}

static void refused(struct slice question, struct slice cursor)
{
    struct page page;
    assert_false(page_read(ask(NULL, cursor), question, &page));
    assert_int_equal(problem, 400);
}

#define USERS SLICE("users example.com")

static void a_page_has_a_hundred_items_unless_it_says_so(void **state)
{
    (void)state;
    struct page page;
    assert_true(page_read(ask(NULL, SLICE_NONE), USERS, &page));
    assert_int_equal(page.limit, 100);
    assert_int_equal(page.after_domain.n + page.after_key.n, 0);
    assert_true(page_read(ask("1", SLICE_NONE), USERS, &page));
    assert_int_equal(page.limit, 1);
    assert_true(page_read(ask("1000", SLICE_NONE), USERS, &page));
    assert_int_equal(page.limit, 1000);
}

static void a_limit_beyond_its_bounds_is_400(void **state)
{
    (void)state;
    static const char *const bad[] = {"",  "0",   "1001", "-1",
                                      "x", "1.5", " 1",   "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct page page;
        assert_false(page_read(ask(bad[i], SLICE_NONE), USERS, &page));
        assert_int_equal(problem, 400);
    }
}

static void a_cursor_comes_back_as_it_was_given_out(void **state)
{
    (void)state;
    char domain[DOMAIN_NAME_MAX], key[KEY_MAX], cursor[CURSOR_MAX];
    for (size_t i = 0; i < sizeof domain; i++)
        domain[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (char)(i * 7);
    static const size_t sizes[][2] = {{0, 0},
                                      {0, 1},
                                      {1, 0},
                                      {11, 5},
                                      {12, 5},
                                      {13, 5},
                                      {DOMAIN_NAME_MAX, 128},
                                      {DOMAIN_NAME_MAX, KEY_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct page page;
        struct slice d = slice_of(domain, sizes[i][0]), k = slice_of(key, sizes[i][1]);
        struct slice text = given_out(USERS, d, k, cursor);
        assert_true(page_read(ask("5", text), USERS, &page));
        assert_int_equal(page.limit, 5);
        assert_true(slice_eq(page.after_domain, d));
        assert_true(slice_eq(page.after_key, k));
    }
}

static void a_key_that_is_too_long_gives_no_cursor(void **state)
{
    (void)state;
    char key[KEY_MAX + 1] = {0};
    struct request *r = ask(NULL, SLICE_NONE);
    page_end(r, USERS, true, SLICE_NONE, slice_of(key, sizeof key), 0);
    assert_true(r->out.bad);
}

static void the_last_page_has_no_cursor(void **state)
{
    (void)state;
    struct request *r = ask(NULL, SLICE_NONE);
    struct store_counts counts;
    char want[96];
    store_counts(the_store, &counts);
    json_open(&r->out, '{');
    page_end(r, USERS, false, SLICE("example.com"), SLICE("bob"), 42);
    snprintf(want, sizeof want, "{\"next_cursor\":null,\"as_of\":\"%016llx-42\"",
             (unsigned long long)counts.epoch);
    assert_true(slice_eq(text_slice(&r->out), slice_str(want)));
}

static void a_cursor_of_another_question_is_400(void **state)
{
    (void)state;
    char text[CURSOR_MAX];
    struct slice cursor = given_out(USERS, SLICE("example.com"), SLICE("bob"), text);
    refused(SLICE("users example.org"), cursor);
    refused(SLICE_NONE, cursor);
}

static void a_cursor_of_another_store_is_400(void **state)
{
    (void)state;
    char text[CURSOR_MAX];
    struct slice cursor = given_out(USERS, SLICE("example.com"), SLICE("bob"), text);
    store_close(the_store);
    assert_int_equal(open_store(), 0);
    refused(USERS, cursor);
}

static void a_cursor_that_was_changed_is_400(void **state)
{
    (void)state;
    char text[CURSOR_MAX + 1];
    struct page page;
    struct slice cursor = given_out(USERS, SLICE("example.com"), SLICE("bob"), text);
    for (size_t i = 0; i < cursor.n; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        refused(USERS, cursor);
        text[i] = was;
    }
    for (size_t n = 0; n < cursor.n; n++)
        refused(USERS, slice_of(text, n));
    text[cursor.n] = 'A';
    refused(USERS, slice_of(text, cursor.n + 1));
    assert_true(page_read(ask(NULL, cursor), USERS, &page));
}

static void what_is_no_cursor_is_400(void **state)
{
    (void)state;
    char longer[2 * CURSOR_MAX];
    memset(longer, 'A', sizeof longer);
    refused(USERS, SLICE(""));
    refused(USERS, SLICE("nonsense"));
    refused(USERS, SLICE("AAAAAAAAAAAA="));
    refused(USERS, SLICE("AAAA AAAAAAAAAA"));
    refused(USERS, slice_of("AAAAAAAAAAA\0AAAA", 16));
    refused(USERS, slice_of(longer, sizeof longer));
}

static void keys_for_hashes_differ_by_purpose(void **state)
{
    (void)state;
    struct request *r = ask(NULL, SLICE_NONE);
    struct hash_key a = secret_key(r, SLICE("cursor")), b = secret_key(r, SLICE("etag"));
    struct hash_key again = secret_key(r, SLICE("etag"));
    assert_true(a.k0 != b.k0 && a.k1 != b.k1 && a.k0 != a.k1);
    assert_true(b.k0 == again.k0 && b.k1 == again.k1);
}

// ---- Event ids ----------------------------------------------------------------------------------

static void an_event_id_comes_back(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 4711, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct text t;
        uint64_t change = 5;
        text_init(&t, 256);
        event_id_put(&t, numbers[i], numbers[i]);
        assert_int_equal(event_id_read(text_slice(&t), numbers[i], &change), EVENT_ID_OK);
        assert_true(change == numbers[i]);
        assert_int_equal(event_id_read(text_slice(&t), numbers[i] ^ 1, &change), EVENT_ID_FOREIGN);
        text_free(&t);
    }
}

static void what_is_no_event_id_is_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "1",
                                      "0123456789abcdef",
                                      "0123456789abcdef-",
                                      "0123456789abcdef-x",
                                      "0123456789abcdef--1",
                                      "0123456789abcdef-18446744073709551616",
                                      "0123456789ABCDEF-1",
                                      "0123456789abcde-11",
                                      "0123456789abcdeg-1"};
    uint64_t change;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(event_id_read(slice_str(bad[i]), 0, &change), EVENT_ID_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_has_a_hundred_items_unless_it_says_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_limit_beyond_its_bounds_is_400, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_comes_back_as_it_was_given_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_too_long_gives_no_cursor, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_page_has_no_cursor, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_of_another_question_is_400, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_of_another_store_is_400, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_that_was_changed_is_400, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_cursor_is_400, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_for_hashes_differ_by_purpose, setup, teardown),
        cmocka_unit_test(an_event_id_comes_back),
        cmocka_unit_test(what_is_no_event_id_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
