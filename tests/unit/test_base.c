// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <time.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/pages.h"
#include "base/reason.h"

static void a_log_that_nobody_reads_blocks_nobody(void **state)
{
    (void)state;
    int ends[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    int64_t before = metric_get(METRIC_LOG_LOST, 0);
    for (int i = 0; i < 2000; i++) // a pipe holds 64 KiB
        log_event(LOG_ERROR, "test", "a line of a log that nobody reads, again and again");
    dup2(kept, STDERR_FILENO);
    assert_true(metric_get(METRIC_LOG_LOST, 0) > before);
    close(ends[0]);
    close(ends[1]);
    close(kept);
}

static void siphash_1_3_of_nothing_with_the_reference_key(void **state)
{
    (void)state;
    // The first of the public SipHash-1-3 vectors: key 00..0f, no input
    struct hash_key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    assert_true(hash64(key, SLICE("")) == 0xabac0158050fc4dcULL);
}

static void hash_of_a_pair_is_not_that_of_another_split(void **state)
{
    (void)state;
    struct hash_key key = {1, 2};
    assert_true(hash64_pair(key, SLICE("ab"), SLICE("c")) !=
                hash64_pair(key, SLICE("a"), SLICE("bc")));
    char text[600] = {0};
    struct slice big = slice_of(text, sizeof text);
    assert_true(hash64_pair(key, big, SLICE("a")) != hash64_pair(key, big, SLICE("b")));
}

// Files hold these sums: a store must be read by the versions to come.
static void the_checksum_is_what_the_format_says(void **state)
{
    (void)state;
    char text[100];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    assert_true(checksum64(SLICE("")) == 0x5dfa63c9b16143f6ULL);
    assert_true(checksum64(SLICE("rollcall")) == 0xcf6722d311638a09ULL);
    assert_true(checksum64(slice_of(text, sizeof text)) == 0x109d383655ddf06fULL);
}

static void the_checksum_finds_each_flipped_bit_and_each_length(void **state)
{
    (void)state;
    char text[130] = {0};
    for (size_t n = 0; n < sizeof text; n++) {
        uint64_t whole = checksum64(slice_of(text, n));
        if (n)
            assert_true(whole != checksum64(slice_of(text, n - 1)));
        for (size_t bit = 0; bit < 8 * n; bit++) {
            text[bit / 8] ^= (char)(1 << bit % 8);
            assert_true(whole != checksum64(slice_of(text, n)));
            text[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

static void numbers_are_digits_within_bounds(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(slice_to_u64(SLICE("4294967295"), UINT32_MAX, &v) && v == UINT32_MAX);
    assert_false(slice_to_u64(SLICE("4294967296"), UINT32_MAX, &v));
    assert_false(slice_to_u64(SLICE("99999999999999999999999"), UINT64_MAX, &v));
    assert_true(slice_to_u64(SLICE("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
    assert_false(slice_to_u64(SLICE(""), 10, &v));
    assert_false(slice_to_u64(SLICE("-1"), 10, &v));
    assert_false(slice_to_u64(SLICE("5"), 4, &v));
    assert_true(slice_to_u64(SLICE("4"), 4, &v));
}

static void an_arena_grows_to_its_limit_and_starts_again(void **state)
{
    (void)state;
    char block[256];
    struct arena a;
    arena_init(&a, block, sizeof block, 20000);
    assert_ptr_equal(arena_alloc(&a, 16), block + (-(uintptr_t)block & 15));
    assert_non_null(arena_alloc(&a, 4000));
    assert_non_null(arena_alloc(&a, 7000));
    assert_null(arena_alloc(&a, 20000));
    arena_reset(&a);
    char *p = arena_alloc(&a, 8);
    assert_true(p >= block && p < block + sizeof block);
    assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
    arena_reset(&a);
}

static void a_full_buffer_stays_full_and_whole(void **state)
{
    (void)state;
    char bytes[8];
    struct buf b = buf_over(bytes, sizeof bytes);
    BUF_LIT(&b, "12345");
    BUF_LIT(&b, "6789");
    BUF_LIT(&b, "x");
    assert_true(b.full);
    assert_true(slice_eq(buf_slice(&b), SLICE("12345")));
}

static void times_are_rfc_3339_in_utc(void **state)
{
    (void)state;
    char bytes[64];
    struct buf b = buf_over(bytes, sizeof bytes);
    buf_rfc3339(&b, 1795422360123);
    assert_true(slice_eq(buf_slice(&b), SLICE("2026-11-23T08:26:00.123Z")));
    b = buf_over(bytes, sizeof bytes);
    buf_rfc3339(&b, -1);
    assert_true(slice_eq(buf_slice(&b), SLICE("1969-12-31T23:59:59.999Z")));
}

// Each day of the four-digit years, beside what the C library says.
static void every_day_of_the_calendar_is_printed(void **state)
{
    (void)state;
    const int64_t first = -719162, last = 2932896;
    char bytes[32], want[64];
    for (int64_t day = first; day <= last; day++) {
        struct buf b = buf_over(bytes, sizeof bytes);
        time_t s = (time_t)(day * 86400 + 45296);
        struct tm tm;
        gmtime_r(&s, &tm);
        size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        buf_rfc3339(&b, (int64_t)s * 1000 + 7);
        // The library writes years before 1000 with fewer digits.
        if (!slice_eq(slice_from(buf_slice(&b), 24 - n), slice_of(want, n)))
            fail_msg("%.*s, not %s", SLICE_FMT(buf_slice(&b)), want);
    }
    struct buf b = buf_over(bytes, sizeof bytes);
    buf_rfc3339(&b, (last + 1) * 86400000);
    assert_true(b.full);
    b = buf_over(bytes, sizeof bytes);
    buf_rfc3339(&b, first * 86400000 - 1);
    assert_true(b.full);
}

static struct slice printed(const char *text, char *out, size_t size)
{
    struct address a;
    struct buf b = buf_over(out, size);
    if (!address_parse(slice_str(text), &a))
        return SLICE("no");
    a.port = 5060;
    address_print(&b, &a);
    return buf_slice(&b);
}

static void addresses_are_read_and_printed(void **state)
{
    (void)state;
    char out[ADDRESS_TEXT_MAX];
    assert_true(slice_eq(printed("192.0.2.1", out, sizeof out), SLICE("192.0.2.1:5060")));
    assert_true(slice_eq(printed("[2001:DB8::1]", out, sizeof out), SLICE("[2001:db8::1]:5060")));
    assert_true(slice_eq(printed("::ffff:192.0.2.1", out, sizeof out), SLICE("192.0.2.1:5060")));
    const char *bad[] = {"",   "192.0.2", "192.0.2.256", "[192.0.2.1]", "2001:db8::g", "::1%lo",
                         "[]", "["};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(slice_eq(printed(bad[i], out, sizeof out), SLICE("no")));
}

static bool inside(const char *network, const char *address)
{
    struct network n;
    struct address a;
    assert_true(network_parse(slice_str(network), &n));
    assert_true(address_parse(slice_str(address), &a));
    return network_contains(&n, &a);
}

static void networks_contain_what_they_should(void **state)
{
    (void)state;
    struct network n;
    assert_true(inside("10.0.0.0/8", "10.255.0.1"));
    assert_false(inside("10.0.0.0/8", "11.0.0.1"));
    assert_true(inside("192.0.2.1", "192.0.2.1"));
    assert_false(inside("192.0.2.1", "192.0.2.2"));
    assert_true(inside("0.0.0.0/0", "198.51.100.1"));
    assert_false(inside("0.0.0.0/0", "2001:db8::1"));
    assert_true(inside("2001:db8::/32", "2001:db8:ffff::1"));
    assert_true(inside("::/0", "2001:db8::1"));
    assert_false(network_parse(SLICE("10.0.0.0/33"), &n));
    assert_false(network_parse(SLICE("10.0.0.0/"), &n));
    assert_false(network_parse(SLICE("2001:db8::/129"), &n));
}

// What the log writes for one event, read back from a pipe in stderr's place.
static size_t logged(enum log_format format, struct slice value, char *out, size_t size)
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log_setup(LOG_INFO, format);
    log_event(LOG_WARNING, "tested", "a message", {"value", value});
    dup2(saved, STDERR_FILENO);
    close(fds[1]);
    close(saved);
    ssize_t n = read(fds[0], out, size - 1);
    close(fds[0]);
    log_setup(LOG_INFO, LOG_TEXT);
    assert_true(n > 0);
    out[n] = '\0';
    return (size_t)n;
}

static void a_log_line_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    char out[8192], long_value[5000];
    logged(LOG_TEXT, SLICE("a\nb\" \\ \xff \xc3\xa4 \x1b[31m"), out, sizeof out);
    assert_non_null(strstr(out, " warning event=tested value=\"a\\u000ab\\\" \\\\ \\ufffd \xc3\xa4 "
                                "\\u001b[31m\" msg=\"a message\"\n"));
    logged(LOG_JSON, SLICE("a\nb"), out, sizeof out);
    assert_non_null(strstr(out, "\"level\":\"warning\",\"event\":\"tested\",\"value\":"
                                "\"a\\u000ab\",\"msg\":\"a message\"}\n"));
    logged(LOG_TEXT, SLICE("192.0.2.1:5060"), out, sizeof out);
    assert_non_null(strstr(out, " value=192.0.2.1:5060 "));
    memset(long_value, '\n', sizeof long_value);
    size_t n = logged(LOG_JSON, slice_of(long_value, sizeof long_value), out, sizeof out);
    assert_true(n < 4096 && out[n - 1] == '\n' && out[n - 2] == '}');
}

static void a_gate_lets_a_burst_a_second_through_and_counts_the_rest(void **state)
{
    (void)state;
    struct log_gate gate = {0};
    uint32_t held;
    int passed = 0;
    for (int i = 0; i < 10; i++)
        passed += log_gate_open(&gate, 5000, 3, &held);
    assert_int_equal(passed, 3);
    assert_true(log_gate_open(&gate, 6000, 3, &held));
    assert_int_equal(held, 7);
}

static size_t print_size;
static void count_print(void *arg, struct slice text)
{
    (void)arg;
    print_size += text.n;
    assert_true(text.n > 0 && text.p[text.n - 1] == '\n');
}

static void every_table_has_words_for_each_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++)
        assert_true(*reason_word(i) && *reason_text(i));
    for (unsigned i = 0; i < LIMIT_COUNT; i++)
        assert_true(limit_info(i)->name && limit_info(i)->answer && limit_info(i)->what);
    metrics_print(count_print, NULL);
    assert_true(print_size > 1000);
}

// A kernel may have pages of 64 KiB: then parts of several owners share one.
static void what_shares_a_page_with_a_part_that_is_given_back_stays(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 4 * page;
    char *p = pages_alloc(size);
    assert_non_null(p);
    memset(p, 1, size);
    pages_drop(p, page + 100);
    assert_int_equal(p[0], 0);
    assert_int_equal(p[page + 100], 1);
    pages_drop(p + page + 100, 2 * page);
    assert_int_equal(p[page + 99], 1);
    assert_int_equal(p[2 * page], 0);
    assert_int_equal(p[3 * page + 100], 1);
    memset(p, 1, size);
    pages_drop(p + 1, page);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(p[i], 1);
    pages_free(p, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_nobody_reads_blocks_nobody),
        cmocka_unit_test(siphash_1_3_of_nothing_with_the_reference_key),
        cmocka_unit_test(hash_of_a_pair_is_not_that_of_another_split),
        cmocka_unit_test(the_checksum_is_what_the_format_says),
        cmocka_unit_test(the_checksum_finds_each_flipped_bit_and_each_length),
        cmocka_unit_test(numbers_are_digits_within_bounds),
        cmocka_unit_test(an_arena_grows_to_its_limit_and_starts_again),
        cmocka_unit_test(a_full_buffer_stays_full_and_whole),
        cmocka_unit_test(times_are_rfc_3339_in_utc),
        cmocka_unit_test(every_day_of_the_calendar_is_printed),
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(networks_contain_what_they_should),
        cmocka_unit_test(a_log_line_is_one_line_whatever_is_in_it),
        cmocka_unit_test(a_gate_lets_a_burst_a_second_through_and_counts_the_rest),
        cmocka_unit_test(what_shares_a_page_with_a_part_that_is_given_back_stays),
        cmocka_unit_test(every_table_has_words_for_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
