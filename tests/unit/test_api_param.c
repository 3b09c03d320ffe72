// SPDX-License-Identifier: Apache-2.0
// Times in arguments and bodies (RFC 3339 section 5.6).
#include "api/param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void rfc3339_5_6_times_are_read_at_any_offset(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-03-01T12:00:00Z", 1772366400000},
                {"2026-03-01t12:00:00.5z", 1772366400500},
                {"2026-03-01T12:00:00.123456789Z", 1772366400123},
                {"2026-03-01T13:30:00+01:30", 1772366400000},
                {"2026-03-01T04:00:00-08:00", 1772366400000},
                {"2024-02-29T00:00:00Z", 1709164800000},
                {"2000-02-29T23:59:59Z", 951868799000},
                {"2016-12-31T23:59:60Z", 1483228800000},
                {"1969-12-31T23:59:59.999Z", -1},
                {"0000-01-01T00:00:00Z", -62167219200000},
                {"9999-12-31T23:59:59Z", 253402300799000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = 1;
        assert_true(time_read(slice_str(rows[i].text), &ms));
        if (ms != rows[i].ms)
            fail_msg("%s is read as %lld", rows[i].text, (long long)ms);
    }
}

static void times_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "1772366400",
                                      "2026-03-01",
                                      "2026-03-01T12:00:00",
                                      "2026-03-01 12:00:00Z",
                                      "2026-03-01T12:00Z",
                                      "2026-3-01T12:00:00Z",
                                      "2026-13-01T12:00:00Z",
                                      "2026-00-01T12:00:00Z",
                                      "2026-02-29T12:00:00Z",
                                      "2100-02-29T12:00:00Z",
                                      "2026-04-31T12:00:00Z",
                                      "2026-04-00T12:00:00Z",
                                      "2026-03-01T24:00:00Z",
                                      "2026-03-01T12:60:00Z",
                                      "2026-03-01T12:00:61Z",
                                      "2026-03-01T12:00:00.Z",
                                      "2026-03-01T12:00:00+0100",
                                      "2026-03-01T12:00:00+24:00",
                                      "2026-03-01T12:00:00ZZ",
                                      "-2026-03-01T12:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        if (time_read(slice_str(bad[i]), &ms))
            fail_msg("%s is read", bad[i]);
    }
}

static void a_time_that_was_printed_is_read_back(void **state)
{
    (void)state;
    for (int64_t ms = -62135596800000; ms < 253402300800000; ms += 86399993707) {
        char text[32];
        struct buf b = buf_over(text, sizeof text);
        int64_t back = 0;
        buf_rfc3339(&b, ms);
        assert_true(time_read(buf_slice(&b), &back) && back == ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_5_6_times_are_read_at_any_offset),
        cmocka_unit_test(times_that_are_none_are_refused),
        cmocka_unit_test(a_time_that_was_printed_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
