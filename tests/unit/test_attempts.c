// SPDX-License-Identifier: Apache-2.0
// The ring of attempts: what is merged, what is found, what a flood can and cannot push out.
#include "store/attempts.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "store/user.h"

#define EXAMPLE SLICE("example.com")
#define MEMORY  (4u << 20)

struct fixture {
    struct attempts *a;
    struct arena arena;
    struct attempt out[60];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->a = attempts_open(MEMORY);
    arena_init(&f->arena, NULL, 0, 1 << 20);
    *state = f;
    return f->a ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    attempts_close(f->a);
    arena_reset(&f->arena);
    free(f);
    return 0;
}

static struct attempt attempt(const char *user, enum reason reason, int64_t at)
{
    struct attempt a = {.at_ms = at,
                        .status = reason == REASON_OK ? 200 : 401,
                        .reason = (uint8_t)reason,
                        .known = reason != REASON_UNKNOWN_USER,
                        .domain = EXAMPLE,
                        .username = slice_str(user),
                        .user_agent = SLICE("Phone 1.0"),
                        .detail = SLICE("wrong password")};
    assert_true(address_parse(SLICE("192.0.2.1"), &a.source));
    a.source.port = 5060;
    return a;
}

static size_t find(struct fixture *f, const char *user, size_t max)
{
    arena_reset(&f->arena);
    return attempts_find(f->a, EXAMPLE, slice_str(user), &f->arena, f->out, max);
}

static void an_attempt_is_found_as_it_was_added(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1234);
    in.transport = TRANSPORT_TCP;
    attempts_add(f->a, &in);
    assert_int_equal(find(f, "alice", 50), 1);
    const struct attempt *out = &f->out[0];
    assert_true(slice_eq(out->domain, in.domain) && slice_eq(out->username, in.username));
    assert_true(slice_eq(out->user_agent, in.user_agent) && slice_eq(out->detail, in.detail));
    assert_true(address_eq(&out->source, &in.source));
    assert_int_equal(out->at_ms, 1234);
    assert_int_equal(out->first_at_ms, 1234);
    assert_int_equal(out->count, 1);
    assert_int_equal(out->status, 401);
    assert_int_equal(out->reason, REASON_WRONG_PASSWORD);
    assert_int_equal(out->transport, TRANSPORT_TCP);
    assert_true(out->known);
    assert_int_equal(find(f, "bob", 50), 0);
}

static void equal_outcomes_are_one_with_a_count(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1000);
    for (int i = 0; i < 5; i++, in.at_ms += 10, in.source.port++)
        attempts_add(f->a, &in);
    assert_int_equal(find(f, "alice", 50), 1);
    assert_int_equal(f->out[0].count, 5);
    assert_int_equal(f->out[0].first_at_ms, 1000);
    assert_int_equal(f->out[0].at_ms, 1040);
    assert_int_equal(f->out[0].source.port, 5064); // the last one's
}

static void a_difference_in_source_reason_status_or_user_agent_keeps_them_apart(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    attempts_add(f->a, &in);
    in.source.ip[15]++, in.at_ms++;
    attempts_add(f->a, &in);
    in.reason = REASON_STALE_NONCE, in.at_ms++;
    attempts_add(f->a, &in);
    in.status = 403, in.at_ms++;
    attempts_add(f->a, &in);
    in.user_agent = SLICE("Phone 2.0"), in.at_ms++;
    attempts_add(f->a, &in);
    assert_int_equal(find(f, "alice", 50), 5);
    for (int i = 0; i < 5; i++) // the newest first
        assert_int_equal(f->out[i].at_ms, 5 - i);
}

static void a_repeated_one_becomes_the_newest(void **state)
{
    struct fixture *f = *state;
    struct attempt wrong = attempt("alice", REASON_WRONG_PASSWORD, 1);
    struct attempt ok = attempt("alice", REASON_OK, 2);
    attempts_add(f->a, &wrong);
    attempts_add(f->a, &ok);
    wrong.at_ms = 3;
    attempts_add(f->a, &wrong);
    assert_int_equal(find(f, "alice", 50), 2);
    assert_int_equal(f->out[0].reason, REASON_WRONG_PASSWORD);
    assert_int_equal(f->out[0].count, 2);
    assert_int_equal(find(f, "alice", 1), 1);
}

static void those_of_aors_that_do_not_exist_are_found_by_domain(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    attempts_add(f->a, &in);
    in = attempt("nobody", REASON_UNKNOWN_USER, 2);
    attempts_add(f->a, &in);
    in = attempt("noone", REASON_UNKNOWN_USER, 3);
    attempts_add(f->a, &in);
    in.domain = SLICE("example.org");
    attempts_add(f->a, &in);
    assert_int_equal(find(f, "", 50), 2);
    assert_true(slice_eq(f->out[0].username, SLICE("noone")));
    assert_true(slice_eq(f->out[1].username, SLICE("nobody")));
    // And by name: what was tried before the user was made.
    assert_int_equal(find(f, "nobody", 50), 1);
    assert_false(f->out[0].known);
}

static void one_aor_keeps_forty_failures_and_its_successes(void **state)
{
    struct fixture *f = *state;
    struct attempt ok = attempt("alice", REASON_OK, 1);
    attempts_add(f->a, &ok);
    for (int i = 0; i < 1000; i++) {
        char ua[32];
        struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 10 + i);
        snprintf(ua, sizeof ua, "ua-%d", i);
        in.user_agent = slice_str(ua);
        attempts_add(f->a, &in);
    }
    assert_int_equal(find(f, "alice", 60), 41);
    assert_int_equal(f->out[0].at_ms, 1009);
    assert_int_equal(f->out[39].at_ms, 970);
    assert_int_equal(f->out[40].reason, REASON_OK);
}

static void flood(struct fixture *f, enum reason reason, int n)
{
    for (int i = 0; i < n; i++) {
        char user[32];
        snprintf(user, sizeof user, "flood-%d", i);
        struct attempt in = attempt(user, reason, 100 + i);
        attempts_add(f->a, &in);
    }
}

static void a_flood_of_unknown_names_leaves_known_aors_alone(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    attempts_add(f->a, &in);
    in = attempt("alice", REASON_OK, 2);
    attempts_add(f->a, &in);
    flood(f, REASON_UNKNOWN_USER, 50000);
    assert_int_equal(find(f, "alice", 50), 2);
    assert_int_equal(find(f, "flood-0", 50), 0);
    assert_int_equal(find(f, "flood-49999", 50), 1);
    assert_int_equal(find(f, "", 50), 50);
    assert_true(slice_eq(f->out[0].username, SLICE("flood-49999")));
}

static void the_refreshes_of_many_phones_leave_failures_alone(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    attempts_add(f->a, &in);
    flood(f, REASON_OK, 50000);
    assert_int_equal(find(f, "alice", 50), 1);
    assert_int_equal(find(f, "flood-0", 50), 0);
}

static void what_is_repeated_outlives_what_is_not(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    for (int i = 0; i < 50; i++) {
        attempts_add(f->a, &in);
        flood(f, REASON_WRONG_PASSWORD, 1000);
    }
    assert_int_equal(find(f, "alice", 50), 1);
    assert_int_equal(f->out[0].count, 50);
}

static void long_text_is_cut_at_a_whole_character_and_counts_against_memory(void **state)
{
    struct fixture *f = *state;
    char domain[400], user[400], detail[400], ua[400];
    memset(domain, 'd', sizeof domain);
    memset(user, 'u', sizeof user);
    memset(detail, 'x', sizeof detail);
    for (size_t i = 0; i + 1 < sizeof ua; i += 2)
        memcpy(ua + 1 + i, "\xc3\xa9", i + 2 < sizeof ua ? 2 : 1);
    ua[0] = 'a'; // so that the 80th byte is the first half of a character
    struct attempt in = attempt("", REASON_WRONG_PASSWORD, 1);
    in.domain = slice_of(domain, sizeof domain);
    in.user_agent = slice_of(ua, sizeof ua);
    in.detail = slice_of(detail, sizeof detail);
    for (int i = 0; i < 20000; i++) {
        snprintf(user, sizeof user, "%d", i);
        user[strlen(user)] = 'u';
        in.username = slice_of(user, sizeof user);
        attempts_add(f->a, &in);
    }
    arena_reset(&f->arena);
    struct slice key = slice_of(user, USERNAME_MAX);
    assert_int_equal(
        attempts_find(f->a, slice_of(domain, DOMAIN_NAME_MAX), key, &f->arena, f->out, 50), 1);
    assert_int_equal(f->out[0].user_agent.n, 79);
    assert_int_equal(f->out[0].detail.n, ATTEMPT_DETAIL_MAX);
    assert_memory_equal(f->out[0].user_agent.p, ua, 79);
}

static void no_memory_for_the_answer_gives_none(void **state)
{
    struct fixture *f = *state;
    struct attempt in = attempt("alice", REASON_WRONG_PASSWORD, 1);
    attempts_add(f->a, &in);
    struct arena none;
    arena_init(&none, NULL, 0, 0);
    assert_int_equal(attempts_find(f->a, EXAMPLE, SLICE("alice"), &none, f->out, 50), 0);
}

static void the_smallest_memory_still_works(void **state)
{
    struct fixture *f = *state;
    attempts_close(f->a);
    f->a = attempts_open(0);
    assert_non_null(f->a);
    flood(f, REASON_UNKNOWN_USER, 1000);
    flood(f, REASON_WRONG_PASSWORD, 1000);
    assert_int_equal(find(f, "", 50), 16);
    assert_int_equal(find(f, "flood-999", 50), 2);
}

static void *add_many(void *arg)
{
    flood(arg, REASON_UNKNOWN_USER, 20000);
    return NULL;
}

static void a_thread_may_read_while_another_adds(void **state)
{
    struct fixture *f = *state;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, add_many, f), 0);
    for (int i = 0; i < 2000; i++)
        for (size_t n = find(f, "", 50); n > 0; n--)
            assert_true(slice_starts(f->out[n - 1].username, SLICE("flood-")));
    pthread_join(t, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attempt_is_found_as_it_was_added),
        TEST(equal_outcomes_are_one_with_a_count),
        TEST(a_difference_in_source_reason_status_or_user_agent_keeps_them_apart),
        TEST(a_repeated_one_becomes_the_newest),
        TEST(those_of_aors_that_do_not_exist_are_found_by_domain),
        TEST(one_aor_keeps_forty_failures_and_its_successes),
        TEST(a_flood_of_unknown_names_leaves_known_aors_alone),
        TEST(the_refreshes_of_many_phones_leave_failures_alone),
        TEST(what_is_repeated_outlives_what_is_not),
        TEST(long_text_is_cut_at_a_whole_character_and_counts_against_memory),
        TEST(no_memory_for_the_answer_gives_none),
        TEST(the_smallest_memory_still_works),
        TEST(a_thread_may_read_while_another_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
