// SPDX-License-Identifier: Apache-2.0
// ETags and the conditions of RFC 9110 section 13. The source is included, so that a request can be
// made up here.
#include "api/etag.c" // NOLINT(bugprone-suspicious-include)

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct store *the_store;
static uint64_t epoch;
static struct request the_request;
static char memory[4096];
static unsigned answered;

struct store *request_store(const struct request *r)
{
    (void)r;
    return the_store;
}

void respond_empty(struct request *r, unsigned status)
{
    (void)r;
    answered = status;
}

static int setup(void **state)
{
    (void)state;
    char why[160];
    struct store_counts counts;
    struct store_config config = {.url = SLICE("memory:"), .changes_max = 10, .queue_max = 16};
    if (store_open(&config, &the_store, why, sizeof why) != 0)
        return -1;
    store_counts(the_store, &counts);
    epoch = counts.epoch;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(the_store);
    return 0;
}

static struct request *asking(struct slice if_match, struct slice if_none_match)
{
    struct request *r = &the_request;
    arena_reset(&r->arena);
    *r = (struct request){.if_match = if_match, .if_none_match = if_none_match};
    arena_init(&r->arena, memory, sizeof memory, 0);
    answered = 0;
    return r;
}

// The tag for this configuration and status, in a buffer of the caller's.
static struct slice tag_of(char text[128], const char *before, uint64_t config, uint64_t status,
                           struct slice variant)
{
    struct request *r = asking(SLICE_NONE, SLICE_NONE);
    struct buf b = buf_over(text, 128);
    etag_set(r, config, status, variant);
    buf_put(&b, slice_str(before));
    buf_put(&b, r->etag);
    assert_false(b.full);
    return buf_slice(&b);
}

static void an_etag_is_quoted_and_tells_its_parts_apart(void **state)
{
    (void)state;
    char a[128], b[128];
    struct slice one = tag_of(a, "", 0x12, 0x34, SLICE_NONE);
    char want[64];
    snprintf(want, sizeof want, "\"%016llx-12-34\"", (unsigned long long)epoch);
    assert_true(slice_eq(one, slice_str(want)));
    assert_true(slice_eq(one, tag_of(b, "", 0x12, 0x34, SLICE_NONE)));
    assert_false(slice_eq(one, tag_of(b, "", 0x13, 0x34, SLICE_NONE)));
    assert_false(slice_eq(one, tag_of(b, "", 0x12, 0x35, SLICE_NONE)));
    assert_false(slice_eq(one, tag_of(b, "", 0x12, 0x34, SLICE("status"))));
}

static void mixing_depends_on_order(void **state)
{
    (void)state;
    assert_true(etag_mix(1, 2) == etag_mix(1, 2));
    assert_true(etag_mix(1, 2) != etag_mix(2, 1));
    assert_true(etag_mix(0, 0) != etag_mix(0, 1));
}

static void rfc9110_13_1_2_if_none_match_compares_weakly_and_gives_304(void **state)
{
    (void)state;
    char same[128], weak[128], other[128], list[300];
    struct slice s = tag_of(same, "", 7, 8, SLICE_NONE), w = tag_of(weak, "W/", 7, 8, SLICE_NONE);
    struct slice o = tag_of(other, "", 7, 9, SLICE_NONE);
    int n = snprintf(list, sizeof list, "\"x,y\" ,\t%.*s,%.*s", SLICE_FMT(o), SLICE_FMT(s));
    const struct {
        struct slice condition;
        bool not_modified;
    } cases[] = {
        {SLICE_NONE, false},
        {s, true},
        {w, true},
        {o, false},
        {SLICE("*"), true},
        {slice_of(list, (size_t)n), true},
        {SLICE(","), false},
        {SLICE("\""), false},
        {slice_of(s.p + 1, s.n - 2), false},
        {SLICE("W/"), false},
        {slice_of(s.p, s.n - 1), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request *r = asking(SLICE_NONE, cases[i].condition);
        etag_set(r, 7, 8, SLICE_NONE);
        if (etag_not_modified(r) != cases[i].not_modified ||
            answered != (cases[i].not_modified ? 304 : 0))
            fail_msg("case %zu", i);
    }
}

static void rfc9110_13_1_1_if_match_looks_at_the_configuration_only(void **state)
{
    (void)state;
    char same[128], moved[128], weak[128], changed[128], longer[128];
    struct slice any_tag = SLICE("*");
    const struct {
        struct slice condition;
        bool there, gone; // allowed where it exists, and where it does not
    } cases[] = {
        {SLICE_NONE, true, true},
        {any_tag, true, false},
        {tag_of(same, "", 0x7, 8, SLICE_NONE), true, false},
        {tag_of(moved, "", 0x7, 9, SLICE("status")), true, false},
        {tag_of(weak, "W/", 0x7, 8, SLICE_NONE), false, false},
        {tag_of(changed, "", 0x8, 8, SLICE_NONE), false, false},
        {tag_of(longer, "", 0x77, 8, SLICE_NONE), false, false},
        {SLICE("\"nothing\""), false, false},
        {SLICE("nothing"), false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request *r = asking(cases[i].condition, SLICE_NONE);
        if (etag_allows(r, true, epoch, 7) != cases[i].there ||
            etag_allows(r, false, epoch, 7) != cases[i].gone)
            fail_msg("case %zu", i);
    }
    struct request *r = asking(cases[2].condition, SLICE_NONE);
    assert_false(etag_allows(r, true, epoch + 1, 7));
}

static void rfc9110_13_1_2_if_none_match_guards_a_write(void **state)
{
    (void)state;
    char same[128], weak[128], other[128];
    const struct {
        struct slice condition;
        bool there;
    } cases[] = {
        {SLICE("*"), false},
        {SLICE(" * "), false},
        {tag_of(same, "", 7, 8, SLICE_NONE), false},
        {tag_of(weak, "W/", 7, 1, SLICE_NONE), false},
        {tag_of(other, "", 9, 8, SLICE_NONE), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request *r = asking(SLICE_NONE, cases[i].condition);
        assert_true(etag_allows(r, false, epoch, 0));
        if (etag_allows(r, true, epoch, 7) != cases[i].there)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_etag_is_quoted_and_tells_its_parts_apart),
        cmocka_unit_test(mixing_depends_on_order),
        cmocka_unit_test(rfc9110_13_1_2_if_none_match_compares_weakly_and_gives_304),
        cmocka_unit_test(rfc9110_13_1_1_if_match_looks_at_the_configuration_only),
        cmocka_unit_test(rfc9110_13_1_2_if_none_match_guards_a_write),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
