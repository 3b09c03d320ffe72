// SPDX-License-Identifier: Apache-2.0
// Nonces: whose they are, how long they live, and that each of their counts is good once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "service/auth/nonce.h"

#define NOW      INT64_C(1700000000000)
#define LIFETIME INT64_C(3900000)
#define REALM    SLICE("example.com")

static struct nonce_config config(char secret, uint32_t table_size)
{
    struct nonce_config c = {
        .lifetime_ms = LIFETIME, .started_ms = NOW - 1000, .table_size = table_size};
    memset(c.secret, secret, sizeof c.secret);
    c.secret[20] ^= 1; // the halves are two keys
    return c;
}

static struct nonces *open_with(char secret, uint32_t table_size)
{
    struct nonce_config c = config(secret, table_size);
    struct nonces *n = nonces_open(&c);
    assert_non_null(n);
    return n;
}

struct made {
    char text[NONCE_LENGTH];
};

static struct made make(struct nonces *n, int64_t now)
{
    struct made m;
    struct address source = {0};
    assert_true(address_parse(SLICE("192.0.2.1"), &source));
    nonce_make(n, ALGORITHM_MD5, REALM, &source, now, m.text);
    return m;
}

static struct slice text(const struct made *m)
{
    return slice_of(m->text, sizeof m->text);
}

// As the pipeline does it: what cannot be read is foreign.
static enum nonce_verdict check_text(struct nonces *n, struct slice sent, enum algorithm a,
                                     struct slice realm, uint32_t nc, int64_t void_before,
                                     int64_t now, int64_t *made)
{
    struct nonce nonce;
    return nonce_read(sent, &nonce) ? nonce_check(n, &nonce, a, realm, nc, void_before, now, made)
                                    : NONCE_FOREIGN;
}

static bool use_text(struct nonces *n, struct slice sent, uint32_t nc, int64_t now)
{
    struct nonce nonce;
    return nonce_read(sent, &nonce) && nonce_use(n, &nonce, nc, now);
}

static bool made_for_text(struct nonces *n, struct slice sent, const struct address *source)
{
    struct nonce nonce;
    return nonce_read(sent, &nonce) && nonce_made_for(n, &nonce, source);
}

static enum nonce_verdict check(struct nonces *n, const struct made *m, uint32_t nc, int64_t now)
{
    int64_t made;
    return check_text(n, text(m), ALGORITHM_MD5, REALM, nc, 0, now, &made);
}

static void a_nonce_is_text_and_says_when_it_was_made(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made a = make(n, NOW), b = make(n, NOW);
    int64_t made = 0;
    assert_memory_not_equal(a.text, b.text, NONCE_LENGTH);
    for (size_t i = 0; i < NONCE_LENGTH; i++)
        assert_non_null(
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", a.text[i]));
    assert_int_equal(check_text(n, text(&a), ALGORITHM_MD5, REALM, 1, 0, NOW + 5, &made),
                     NONCE_GOOD);
    assert_int_equal(made, NOW);
    nonces_close(n);
}

static void a_nonce_is_bound_to_realm_algorithm_secret_and_every_letter(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64), *twin = open_with(1, 64), *other = open_with(2, 64);
    struct made m = make(n, NOW);
    int64_t made;
    assert_int_equal(check(twin, &m, 1, NOW), NONCE_GOOD);
    assert_int_equal(check(other, &m, 1, NOW), NONCE_FOREIGN);
    assert_int_equal(check_text(n, text(&m), ALGORITHM_SHA256, REALM, 1, 0, NOW, &made),
                     NONCE_FOREIGN);
    assert_int_equal(check_text(n, text(&m), ALGORITHM_MD5, SLICE("example.org"), 1, 0, NOW, &made),
                     NONCE_FOREIGN);
    assert_int_equal(check_text(n, text(&m), ALGORITHM_MD5, SLICE_NONE, 1, 0, NOW, &made),
                     NONCE_FOREIGN);
    for (size_t i = 0; i < NONCE_LENGTH; i++) {
        struct made bent = m;
        bent.text[i] = bent.text[i] == 'A' ? 'B' : 'A';
        assert_int_equal(check(n, &bent, 1, NOW), NONCE_FOREIGN);
        bent.text[i] = '=';
        assert_int_equal(check(n, &bent, 1, NOW), NONCE_FOREIGN);
    }
    for (size_t i = 0; i < NONCE_LENGTH; i++)
        assert_int_equal(check_text(n, slice_of(m.text, i), ALGORITHM_MD5, REALM, 1, 0, NOW, &made),
                         NONCE_FOREIGN);
    assert_false(use_text(n, SLICE("short"), 1, NOW));
    nonces_close(n), nonces_close(twin), nonces_close(other);
}

static void each_half_of_the_secret_counts(void **state)
{
    (void)state;
    for (size_t at = 0; at < 32; at += 8) {
        struct nonce_config c = config(1, 64);
        struct nonces *n = nonces_open(&c);
        c.secret[at] ^= 1;
        struct nonces *bent = nonces_open(&c);
        struct made m = make(n, NOW);
        assert_int_equal(check(bent, &m, 1, NOW), NONCE_FOREIGN);
        nonces_close(n), nonces_close(bent);
    }
}

static void a_nonce_lives_as_long_as_it_is_told_to(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    assert_int_equal(check(n, &m, 1, NOW + LIFETIME), NONCE_GOOD);
    assert_int_equal(check(n, &m, 1, NOW + LIFETIME + 1), NONCE_STALE);
    nonces_close(n);
}

static void a_nonce_older_than_the_process_is_stale_and_one_of_the_future_foreign(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made before = make(n, NOW - 1001), at = make(n, NOW - 1000), near = make(n, NOW + 5000),
                far = make(n, NOW + 5001);
    assert_int_equal(check(n, &before, 1, NOW), NONCE_STALE);
    assert_int_equal(check(n, &at, 1, NOW), NONCE_GOOD);
    assert_int_equal(check(n, &near, 1, NOW), NONCE_GOOD); // of a twin whose clock runs ahead
    assert_int_equal(check(n, &far, 1, NOW), NONCE_FOREIGN);
    nonces_close(n);
}

static void a_change_of_credentials_voids_the_nonces_up_to_it(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    static const struct {
        int64_t void_before;
        enum nonce_verdict verdict;
    } rows[] = {{NOW - 1, NONCE_GOOD},
                {NOW, NONCE_STALE},
                {NOW + 50, NONCE_STALE},
                {NOW + 100, NONCE_STALE},
                {NOW + 101, NONCE_GOOD}}; // in the future: of a clock that ran ahead
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t made;
        assert_int_equal(
            check_text(n, text(&m), ALGORITHM_MD5, REALM, 1, rows[i].void_before, NOW + 100, &made),
            rows[i].verdict);
    }
    nonces_close(n);
}

static void a_count_is_good_once(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    assert_int_equal(check(n, &m, 1, NOW), NONCE_GOOD);
    assert_int_equal(check(n, &m, 1, NOW), NONCE_GOOD); // a check changes nothing
    assert_true(use_text(n, text(&m), 1, NOW));
    assert_int_equal(check(n, &m, 1, NOW), NONCE_REPLAYED);
    assert_false(use_text(n, text(&m), 1, NOW));
    for (uint32_t nc = 2; nc < 200; nc++) {
        assert_int_equal(check(n, &m, nc, NOW), NONCE_GOOD);
        assert_true(use_text(n, text(&m), nc, NOW));
        assert_false(use_text(n, text(&m), nc, NOW));
    }
    nonces_close(n);
}

static void counts_may_come_out_of_order_within_a_window(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    assert_true(use_text(n, text(&m), 1, NOW));
    assert_true(use_text(n, text(&m), 40, NOW));
    assert_int_equal(check(n, &m, 8, NOW), NONCE_REPLAYED); // too far back to be known
    assert_int_equal(check(n, &m, 9, NOW), NONCE_GOOD);
    for (uint32_t nc = 39; nc >= 9; nc--)
        assert_true(use_text(n, text(&m), nc, NOW));
    for (uint32_t nc = 1; nc <= 40; nc++)
        assert_false(use_text(n, text(&m), nc, NOW));
    assert_true(use_text(n, text(&m), UINT32_MAX, NOW));
    assert_true(use_text(n, text(&m), UINT32_MAX - 31, NOW));
    assert_false(use_text(n, text(&m), UINT32_MAX - 32, NOW));
    assert_false(use_text(n, text(&m), 41, NOW));
    nonces_close(n);
}

static void an_unknown_nonce_is_good_for_the_first_count_only(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    assert_int_equal(check(n, &m, 2, NOW), NONCE_STALE);
    assert_false(use_text(n, text(&m), 2, NOW));
    assert_int_equal(check(n, &m, 1, NOW), NONCE_GOOD);
    nonces_close(n);
}

static void without_qop_a_nonce_is_good_once(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 64);
    struct made m = make(n, NOW);
    assert_int_equal(check(n, &m, 0, NOW), NONCE_GOOD);
    assert_true(use_text(n, text(&m), 0, NOW));
    assert_int_equal(check(n, &m, 0, NOW), NONCE_REPLAYED);
    assert_int_equal(check(n, &m, 1, NOW), NONCE_REPLAYED);
    assert_int_equal(check(n, &m, 2, NOW), NONCE_GOOD);
    nonces_close(n);
}

static void a_nonce_knows_whom_it_was_made_for(void **state)
{
    (void)state;
    static const struct {
        const char *maker, *asker;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"2001:db8:0:1::1", "2001:db8:0:1::1", true},
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true}, // the same /64
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
    };
    struct nonces *n = open_with(1, 64);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct made m;
        struct address maker, asker;
        assert_true(address_parse(slice_str(rows[i].maker), &maker));
        assert_true(address_parse(slice_str(rows[i].asker), &asker));
        asker.port = 4711;
        nonce_make(n, ALGORITHM_MD5, REALM, &maker, NOW, m.text);
        assert_int_equal(check(n, &m, 1, NOW), NONCE_GOOD); // noted, not bound
        assert_int_equal(made_for_text(n, text(&m), &asker), rows[i].same);
    }
    nonces_close(n);
}

// A table of four entries: what is forgotten, and what is as old, is stale and never good again.
static void what_the_table_forgets_is_stale_and_no_replay_gets_through(void **state)
{
    (void)state;
    struct nonces *n = open_with(1, 4);
    struct made m[12];
    for (int i = 0; i < 12; i++) {
        m[i] = make(n, NOW + i * 1000);
        assert_true(use_text(n, text(&m[i]), 1, NOW + i * 1000));
    }
    int64_t now = NOW + 12000;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(check(n, &m[i], 1, now), i < 8 ? NONCE_STALE : NONCE_REPLAYED);
        assert_int_equal(check(n, &m[i], 2, now), i < 8 ? NONCE_STALE : NONCE_GOOD);
        assert_false(use_text(n, text(&m[i]), 1, now));
    }
    // one of the age of the newest forgotten may have been used; a younger one was not
    struct made same_age = make(n, NOW + 7999), younger = make(n, NOW + 8000);
    assert_int_equal(check(n, &same_age, 1, now), NONCE_STALE);
    assert_int_equal(check(n, &younger, 1, now), NONCE_GOOD);
    nonces_close(n);
}

static void any_size_of_table_works(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 3, 4, 5, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct nonces *n = open_with(1, sizes[i]);
        for (int k = 0; k < 50; k++) {
            struct made m = make(n, NOW + k * 2000);
            assert_true(use_text(n, text(&m), 1, NOW + k * 2000));
            assert_true(use_text(n, text(&m), 2, NOW + k * 2000));
            assert_false(use_text(n, text(&m), 1, NOW + k * 2000));
        }
        nonces_close(n);
    }
    nonces_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nonce_is_text_and_says_when_it_was_made),
        cmocka_unit_test(a_nonce_is_bound_to_realm_algorithm_secret_and_every_letter),
        cmocka_unit_test(each_half_of_the_secret_counts),
        cmocka_unit_test(a_nonce_lives_as_long_as_it_is_told_to),
        cmocka_unit_test(a_nonce_older_than_the_process_is_stale_and_one_of_the_future_foreign),
        cmocka_unit_test(a_change_of_credentials_voids_the_nonces_up_to_it),
        cmocka_unit_test(a_count_is_good_once),
        cmocka_unit_test(counts_may_come_out_of_order_within_a_window),
        cmocka_unit_test(an_unknown_nonce_is_good_for_the_first_count_only),
        cmocka_unit_test(without_qop_a_nonce_is_good_once),
        cmocka_unit_test(a_nonce_knows_whom_it_was_made_for),
        cmocka_unit_test(what_the_table_forgets_is_stale_and_no_replay_gets_through),
        cmocka_unit_test(any_size_of_table_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
