// SPDX-License-Identifier: Apache-2.0
// The import over a store in memory: what each line gets, in order, and what is there afterwards.
#include "api/import.h"
#include "api/import_work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "store/credential.h"

struct world {
    struct store *store;
    char text[1 << 20]; // the results, a line each
    size_t n;
    size_t lines, refuse_from; // results that are taken before none is any more; 0: all
    struct slice in;           // what read() gives, in pieces of `step`
    size_t step;
    bool breaks_off;
};

static enum decision put_domain(struct store_op *op, const struct domain *current, uint64_t users,
                                int64_t now_ms, struct domain *next)
{
    (void)current;
    (void)users;
    (void)now_ms;
    next->realm = op->domain;
    next->case_insensitive_users = op->ctx != NULL;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

static void make_domain(struct world *w, const char *name, void *insensitive)
{
    char memory[8192];
    struct arena arena;
    arena_init(&arena, memory, sizeof memory, 1u << 20);
    struct store_op op = {.kind = STORE_OP_DOMAIN,
                          .domain = slice_str(name),
                          .arena = &arena,
                          .ctx = insensitive,
                          .decide_domain = put_domain};
    assert_int_equal(store_do(w->store, &op), STORE_OK);
    arena_reset(&arena);
}

static int setup(void **state)
{
    char why[256] = "";
    struct world *w = calloc(1, sizeof *w);
    const struct store_config config = {.url = SLICE("memory:"),
                                        .map_size = 64u << 20,
                                        .changes_max = 100000,
                                        .queue_max = 4096,
                                        .now_ms = clock_now_ms()};
    if (!w || store_open(&config, &w->store, why, sizeof why))
        return -1;
    make_domain(w, "example.com", NULL);
    make_domain(w, "folded.example", w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    free(w);
    return 0;
}

static bool result(void *arg, struct slice line)
{
    struct world *w = arg;
    w->lines++;
    if (w->refuse_from && w->lines >= w->refuse_from)
        return false;
    assert_true(w->n + line.n + 2 < sizeof w->text);
    memcpy(w->text + w->n, line.p, line.n);
    w->n += line.n;
    w->text[w->n++] = '\n';
    w->text[w->n] = '\0';
    return true;
}

static void take_result(void *arg, struct slice line)
{
    result(arg, line);
}

static void fresh(struct world *w)
{
    w->n = w->lines = w->refuse_from = 0;
    w->text[0] = '\0';
}

// As the command line does it.
static void import(struct world *w, const char *text)
{
    fresh(w);
    char *copy = strdup(text);
    FILE *in = fmemopen(copy, strlen(text), "r");
    assert_non_null(in);
    assert_int_equal(api_import_offline(w->store, in, take_result, w), 0);
    fclose(in);
    free(copy);
}

static long read_pieces(void *arg, char *out, size_t cap)
{
    struct world *w = arg;
    if (w->in.n == 0)
        return w->breaks_off ? -1 : 0;
    struct slice piece = slice_upto(w->in, w->step < cap ? w->step : cap);
    memcpy(out, piece.p, piece.n);
    w->in = slice_from(w->in, piece.n);
    return (long)piece.n;
}

static enum import_end run(struct world *w, const char *text, size_t step, unsigned window)
{
    fresh(w);
    w->in = slice_str(text);
    w->step = step;
    const struct import_io io = {
        .store = w->store, .window = window, .read = read_pieces, .result = result, .arg = w};
    return import_run(&io);
}

static bool there(struct world *w, const char *domain, const char *username, struct user *out)
{
    struct store_reader *r;
    static struct user found;
    assert_int_equal(store_reader_open(w->store, &r), 0);
    assert_int_equal(store_reader_begin(r), STORE_OK);
    enum store_status st = store_user_find(r, slice_str(domain), slice_str(username), &found);
    store_reader_end(r);
    store_reader_close(r);
    if (out)
        *out = found;
    return st == STORE_OK;
}

static uint64_t newest(struct world *w)
{
    struct store_counts c;
    store_counts(w->store, &c);
    return c.change;
}

#define LINE(name)                                                                                 \
    "{\"domain\":\"example.com\",\"username\":\"" name "\",\"password\":\"secret\"}\n"

static void each_line_gets_its_status_in_order(void **state)
{
    struct world *w = *state;
    import(w, LINE("b") LINE("a") LINE("c"));
    assert_string_equal(w->text, "{\"line\":1,\"status\":201}\n"
                                 "{\"line\":2,\"status\":201}\n"
                                 "{\"line\":3,\"status\":201}\n");
    struct user u;
    struct credentials want;
    assert_true(there(w, "example.com", "a", &u));
    assert_true(
        credentials_from_password(SLICE("a"), SLICE("example.com"), SLICE("secret"), &want));
    assert_true(credentials_equal(&u.credentials, &want));
    assert_true(u.enabled);
}

static void a_repeat_changes_nothing(void **state)
{
    struct world *w = *state;
    import(w, LINE("a") LINE("b"));
    uint64_t before = newest(w);
    import(w, LINE("a") LINE("b"));
    assert_string_equal(w->text, "{\"line\":1,\"status\":200}\n{\"line\":2,\"status\":200}\n");
    assert_int_equal(newest(w), before);
}

static void broken_lines_are_told_by_number_and_the_rest_goes_on(void **state)
{
    struct world *w = *state;
    import(w, "{\"domain\"\n" LINE(
                  "a") "[1]\n"
                       "{\"domain\":\"nowhere.example\",\"username\":\"x\"}\n"
                       "{\"domain\":\"example.com\"}\n"
                       "{\"domain\":\"example.com\",\"username\":\"x\",\"pasword\":\"y\"}\n"
                       "{\"op\":\"upsert\",\"domain\":\"example.com\",\"username\":\"x\"}\n"
                       "\n" LINE("b"));
    static const char *const want[] = {
        "{\"line\":1,\"status\":400,\"problem\":{", "{\"line\":2,\"status\":201}\n",
        "{\"line\":3,\"status\":400,\"problem\":{", "{\"line\":4,\"status\":404,\"problem\":{",
        "{\"line\":5,\"status\":422,\"problem\":{", "{\"line\":6,\"status\":422,\"problem\":{",
        "{\"line\":7,\"status\":422,\"problem\":{", "{\"line\":9,\"status\":201}\n",
    };
    const char *at = w->text;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(strncmp(at, want[i], strlen(want[i])), 0);
        at = strchr(at, '\n') + 1;
    }
    assert_string_equal(at, "");
    assert_non_null(strstr(w->text, "\"field\":\"username\""));
    assert_non_null(strstr(w->text, "\"field\":\"pasword\""));
    assert_non_null(strstr(w->text, "\"field\":\"op\""));
    assert_non_null(strstr(w->text, "there is no such domain"));
    assert_false(there(w, "example.com", "x", NULL));
}

static void lines_on_one_user_are_applied_in_order(void **state)
{
    struct world *w = *state;
    static const char remove[] =
        "{\"op\":\"delete\",\"domain\":\"example.com\",\"username\":\"a\"}\n";
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s%s%s", remove, LINE("a"), remove, LINE("a"),
             "{\"domain\":\"EXAMPLE.com.\",\"username\":\"a\",\"display_name\":\"A\"}\n");
    import(w, text);
    assert_non_null(strstr(w->text, "{\"line\":1,\"status\":404,"));
    assert_non_null(strstr(w->text, "{\"line\":2,\"status\":201}\n"
                                    "{\"line\":3,\"status\":204}\n"
                                    "{\"line\":4,\"status\":201}\n"
                                    "{\"line\":5,\"status\":200}\n"));
    struct user u;
    assert_true(there(w, "example.com", "a", &u));
    assert_int_equal(u.credentials.have, 7); // a line without a password keeps them
}

static void a_domain_may_fold_the_case(void **state)
{
    struct world *w = *state;
    import(w, "{\"domain\":\"folded.example\",\"username\":\"Alice\"}\n"
              "{\"domain\":\"folded.example\",\"username\":\"ALICE\"}\n");
    assert_string_equal(w->text, "{\"line\":1,\"status\":201}\n{\"line\":2,\"status\":200}\n");
    assert_true(there(w, "folded.example", "alice", NULL));
}

static char *many(size_t n)
{
    char *text = malloc(n * 100 + 1);
    assert_non_null(text);
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(
            text + at, 100, "{\"domain\":\"example.com\",\"username\":\"u%zu\"}\n", i * 7919 % n);
    return text;
}

static void many_lines_pass_through_a_small_window(void **state)
{
    struct world *w = *state;
    char *text = many(3000), *at = w->text;
    assert_int_equal(run(w, text, 1000, 7), IMPORT_WHOLE);
    for (unsigned i = 1; i <= 3000; i++) {
        char want[64];
        snprintf(want, sizeof want, "{\"line\":%u,\"status\":201}\n", i);
        assert_int_equal(strncmp(at, want, strlen(want)), 0);
        at += strlen(want);
    }
    struct store_counts c;
    store_counts(w->store, &c);
    assert_int_equal(c.users, 3000);
    free(text);
}

static void what_breaks_off_keeps_its_whole_lines(void **state)
{
    struct world *w = *state;
    w->breaks_off = true;
    assert_int_equal(
        run(w, LINE("a") LINE("b") "{\"domain\":\"example.com\",\"username\":\"c\"}", 50, 64),
        IMPORT_BROKEN);
    assert_true(there(w, "example.com", "a", NULL));
    assert_true(there(w, "example.com", "b", NULL));
    assert_false(there(w, "example.com", "c", NULL)); // who knows whether it was all of it
}

static void results_that_cannot_be_kept_end_it(void **state)
{
    struct world *w = *state;
    char *text = many(2000);
    fresh(w);
    w->in = slice_str(text);
    w->step = 1000;
    w->refuse_from = 10;
    const struct import_io io = {
        .store = w->store, .window = 16, .read = read_pieces, .result = result, .arg = w};
    assert_int_equal(import_run(&io), IMPORT_RESULTS_LOST);
    assert_int_equal(w->lines, 10);
    assert_true(w->in.n > 0); // and the rest is not read
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_line_gets_its_status_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeat_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_lines_are_told_by_number_and_the_rest_goes_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lines_on_one_user_are_applied_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_domain_may_fold_the_case, setup, teardown),
        cmocka_unit_test_setup_teardown(many_lines_pass_through_a_small_window, setup, teardown),
        cmocka_unit_test_setup_teardown(what_breaks_off_keeps_its_whole_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(results_that_cannot_be_kept_end_it, setup, teardown),
    };
    clock_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
