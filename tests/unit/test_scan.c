// SPDX-License-Identifier: Apache-2.0
// Lines, folding and limits: what is settled before any value is looked at.
#include "tests/unit/sip_parsed.h"

#include "service/sip/scan.h"
#include "service/sip/values.h"

#define START "REGISTER sip:h SIP/2.0\r\n"

struct scanned {
    struct scan scan;
    struct sip_fault fault;
    struct arena arena;
};

static void scan_slice(struct scanned *s, struct slice bytes)
{
    memset(&s->fault, 0, sizeof s->fault);
    arena_init(&s->arena, NULL, 0, 1 << 20);
    scan_message(bytes, &s->arena, &s->scan, &s->fault);
}

static void headers_are_known_by_any_case_and_their_compact_form(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum header header;
    } rows[] = {
        {"Via", HEADER_VIA},
        {"v", HEADER_VIA},
        {"FROM", HEADER_FROM},
        {"f", HEADER_FROM},
        {"to", HEADER_TO},
        {"T", HEADER_TO},
        {"Call-ID", HEADER_CALL_ID},
        {"i", HEADER_CALL_ID},
        {"cseq", HEADER_CSEQ},
        {"Contact", HEADER_CONTACT},
        {"m", HEADER_CONTACT},
        {"Expires", HEADER_EXPIRES},
        {"Max-Forwards", HEADER_MAX_FORWARDS},
        {"Content-Length", HEADER_CONTENT_LENGTH},
        {"l", HEADER_CONTENT_LENGTH},
        {"Path", HEADER_PATH},
        {"Route", HEADER_ROUTE},
        {"Authorization", HEADER_AUTHORIZATION},
        {"Require", HEADER_REQUIRE},
        {"Supported", HEADER_SUPPORTED},
        {"k", HEADER_SUPPORTED},
        {"User-Agent", HEADER_USER_AGENT},
    };
    static const char *const ignored[] = {
        "x",        "Tos",     "Fram",     "Vias",    "C%6Fntact",
        "Contacts", "Callxid", "Requires", "Subject", "Proxy-Authorization",
        "c"};
    static struct scanned s;
    char text[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, START "%s \t: value \t\r\n\r\n", rows[i].name);
        scan_slice(&s, slice_str(text));
        assert_int_equal(s.fault.status, 0);
        assert_int_equal(s.scan.n_lines, 1);
        if (s.scan.lines[0].header != rows[i].header)
            fail_msg("%s", rows[i].name);
        assert_slice(s.scan.lines[0].value, "value");
        arena_reset(&s.arena);
    }
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        snprintf(text, sizeof text, START "%s: value\r\n\r\n", ignored[i]);
        scan_slice(&s, slice_str(text));
        assert_int_equal(s.fault.status, 0);
        assert_int_equal(s.scan.n_lines, 0);
        arena_reset(&s.arena);
    }
}

static void rfc3261_7_3_1_folded_lines_are_one(void **state)
{
    (void)state;
    static struct scanned s;
    scan_slice(&s, SLICE(START "To:\r\n a\r\n\tb \r\n   c\r\nFrom: d\r\n\r\nbody"));
    assert_int_equal(s.fault.status, 0);
    assert_int_equal(s.scan.n_lines, 2);
    assert_slice(s.scan.lines[0].value, "a  \tb      c");
    assert_slice(s.scan.lines[1].value, "d");
    assert_int_equal(s.scan.body, sizeof(START "To:\r\n a\r\n\tb \r\n   c\r\nFrom: d\r\n\r\n") - 1);
    arena_reset(&s.arena);
}

static void lines_that_are_no_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *phrase;
    } rows[] = {
        {START "To: a\nFrom: b\r\n\r\n", "Bare CR Or LF"},
        {START "To: a\rb\r\n\r\n", "Bare CR Or LF"},
        {START "To: a\r\r\n\r\n", "Bare CR Or LF"},
        {START "To: a\n\n", "Bare CR Or LF"},
        {START "To: a\x01\r\n\r\n", "Control Character In Header"},
        {START "X: \x1b[0m\r\n\r\n", "Control Character In Header"},
        {START "To a\r\n\r\n", "Bad Header Line"},
        {START ": a\r\n\r\n", "Bad Header Line"},
        {START "To@: a\r\n\r\n", "Bad Header Line"},
        {START "a b: c\r\n\r\n", "Bad Header Line"},
        {START "To: a\r\n", "No Empty Line Behind The Headers"},
        {START "To: a", "No Empty Line Behind The Headers"},
        {START, "No Empty Line Behind The Headers"},
        {"REGISTER sip:h SIP/2.0", "No Empty Line Behind The Headers"},
        {"REGISTER sip:h SIP/2.0\r\n To: a\r\n\r\n", "Bad Request Line"},
    };
    static struct scanned s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scan_slice(&s, slice_str(rows[i].text));
        assert_int_equal(s.fault.status, 400);
        assert_slice(s.fault.phrase, rows[i].phrase);
        arena_reset(&s.arena);
    }
    scan_slice(&s, slice_of(START "To: a\0b\r\n\r\n", sizeof(START "To: a\0b\r\n\r\n") - 1));
    assert_slice(s.fault.phrase, "Control Character In Header");
    arena_reset(&s.arena);
    scan_slice(&s, SLICE(START "To: \"\\\x01\" \ta\r\n\r\n")); // a quoted pair, and a tab
    assert_int_equal(s.fault.status, 0);
    arena_reset(&s.arena);
}

// A control byte is found wherever it stands in the blocks that are counted at once.
static void a_control_byte_is_found_at_every_offset(void **state)
{
    (void)state;
    static struct scanned s;
    char text[400];
    for (size_t at = 0; at < 200; at++) {
        struct buf b = buf_over(text, sizeof text);
        BUF_LIT(&b, START "X: ");
        size_t start = b.n;
        for (int i = 0; i < 200; i++)
            buf_byte(&b, 'a');
        BUF_LIT(&b, "\r\n\r\n");
        scan_slice(&s, buf_slice(&b));
        assert_int_equal(s.fault.status, 0);
        arena_reset(&s.arena);
        text[start + at] = at % 2 ? '\x02' : '\r';
        scan_slice(&s, buf_slice(&b));
        assert_int_equal(s.fault.status, 400);
        arena_reset(&s.arena);
    }
}

static struct parsed *with_many(const char *once, int n, const char *between, const char *behind)
{
    static char text[80000];
    struct buf b = buf_over(text, sizeof text);
    BUF_LIT(&b, "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\n"
                "To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n");
    for (int i = 0; i < n; i++) {
        if (i)
            buf_put(&b, slice_str(between));
        buf_put(&b, slice_str(once));
    }
    buf_put(&b, slice_str(behind));
    BUF_LIT(&b, "\r\n");
    assert_false(b.full);
    return parse_slice(buf_slice(&b));
}

static void each_limit_is_reached_one_behind_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *once, *between, *behind;
        int most;
        enum limit limit;
    } rows[] = {
        {"X: y\r\n", "", "", SIP_HEADER_LINES_MAX - 5, LIMIT_SIP_HEADER_LINES},
        {"Contact: <sip:a@h>\r\n", "", "", SIP_CONTACTS_MAX, LIMIT_SIP_CONTACTS},
        {"Via: SIP/2.0/UDP i\r\n", "", "", SIP_VIAS_MAX - 1, LIMIT_SIP_VIAS},
        {"Path: <sip:p>\r\n", "", "", SIP_PATHS_MAX, LIMIT_SIP_LIST_ITEMS},
        {"Require: x\r\n", "", "", SIP_LIST_ITEMS_MAX, LIMIT_SIP_LIST_ITEMS},
        {"Authorization: X y\r\n", "", "", SIP_AUTHORIZATIONS_MAX, LIMIT_SIP_LIST_ITEMS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int over = 0; over < 2; over++) {
            struct parsed *p =
                with_many(rows[i].once, rows[i].most + over, rows[i].between, rows[i].behind);
            if (p->result != (over ? SIP_FAULTY : SIP_PARSED))
                fail_msg("%d of %s: %.*s", rows[i].most + over, rows[i].once,
                         SLICE_FMT(p->fault.phrase));
            if (over) {
                assert_int_equal(p->fault.status, 513);
                assert_true(p->fault.limit_known && p->fault.answerable);
                assert_int_equal(p->fault.limit, rows[i].limit);
            }
            parsed_free(p);
        }
}

static void limits_within_one_line_hold_as_well(void **state)
{
    (void)state;
    static const struct {
        const char *before, *once, *between;
        int most;
        enum limit limit;
    } rows[] = {
        {"Contact: ", "<sip:a@h>", ",", SIP_CONTACTS_MAX, LIMIT_SIP_CONTACTS},
        {"Contact: <sip:a@h>", ";x", "", SIP_PARAMS_MAX, LIMIT_SIP_PARAMS},
        {"Via: SIP/2.0/UDP i", ";x", "", SIP_PARAMS_MAX, LIMIT_SIP_PARAMS},
        {"Via: ", "SIP/2.0/UDP i", ",", SIP_VIAS_MAX - 1, LIMIT_SIP_VIAS},
        {"Supported: ", "x", ",", SIP_LIST_ITEMS_MAX, LIMIT_SIP_LIST_ITEMS},
    };
    static char line[9000];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int over = 0; over < 2; over++) {
            struct buf b = buf_over(line, sizeof line - 1);
            buf_put(&b, slice_str(rows[i].before));
            for (int k = 0; k < rows[i].most + over; k++) {
                if (k)
                    buf_put(&b, slice_str(rows[i].between));
                buf_put(&b, slice_str(rows[i].once));
            }
            BUF_LIT(&b, "\r\n");
            line[b.n] = '\0';
            struct parsed *p = with_many(line, 1, "", "");
            if (p->result != (over ? SIP_FAULTY : SIP_PARSED))
                fail_msg("%s: %.*s", line, SLICE_FMT(p->fault.phrase));
            if (over) {
                assert_int_equal(p->fault.status, 513);
                assert_int_equal(p->fault.limit, rows[i].limit);
            }
            parsed_free(p);
        }
}

static void long_values_and_long_headers_are_513(void **state)
{
    (void)state;
    static char line[9000];
    for (int over = 0; over < 2; over++) {
        struct buf b = buf_over(line, sizeof line - 1);
        BUF_LIT(&b, "X:");
        for (int i = 0; i < SIP_VALUE_MAX - 1 + over; i++)
            buf_byte(&b, 'a');
        BUF_LIT(&b, "\r\n");
        line[b.n] = '\0';
        struct parsed *p = with_many(line, 1, "", "");
        assert_int_equal(p->fault.status, over ? 513 : 0);
        parsed_free(p);
        line[SIP_VALUE_MAX] = '\0';
        b = buf_over(line, sizeof line - 1);
        b.n = 8000;
        BUF_LIT(&b, "\r\n");
        line[b.n] = '\0';
        p = with_many(line, 2 + over, "", ""); // 16 kB are taken, 24 kB not
        assert_int_equal(p->fault.status, over ? 513 : 0);
        parsed_free(p);
    }
}

static void a_body_of_any_size_and_content_is_passed_over(void **state)
{
    (void)state;
    static char body[50000];
    memset(body, '\n', sizeof body - 1);
    struct parsed *p = with_many("X: y\r\n\r\n", 1, "", body);
    assert_int_equal(p->result, SIP_PARSED);
    assert_true(p->req.raw.n > 50000);
    parsed_free(p);
}

// ---- Pieces of values ---------------------------------------------------------------------------

static void quoted_strings_end_where_they_end(void **state)
{
    (void)state;
    assert_int_equal(quoted_end(SLICE("\"\""), 0), 2);
    assert_int_equal(quoted_end(SLICE("\"a\"b"), 0), 3);
    assert_int_equal(quoted_end(SLICE("x\"a\""), 1), 4);
    assert_int_equal(quoted_end(SLICE("\"a\\\"b\""), 0), 6);
    assert_int_equal(quoted_end(SLICE("\"a\\\\\"b"), 0), 5);
    assert_int_equal(quoted_end(SLICE("\"a"), 0), 0);
    assert_int_equal(quoted_end(SLICE("\"a\\\""), 0), 0);
    assert_int_equal(quoted_end(SLICE("\"a\\"), 0), 0);
    assert_int_equal(quoted_end(SLICE("\"\x01\""), 0), 0);
    assert_int_equal(quoted_end(SLICE("\"\t\xc3\xa4\""), 0), 5);
}

static void lists_are_split_at_their_own_commas(void **state)
{
    (void)state;
    struct slice rest = SLICE("<a,b> ;x=\"c,d\\\",\" ,e , f<,>"), item;
    assert_int_equal(list_next(&rest, &item), STEP_OK);
    assert_slice(item, "<a,b> ;x=\"c,d\\\",\"");
    assert_int_equal(list_next(&rest, &item), STEP_OK);
    assert_slice(item, "e");
    assert_int_equal(list_next(&rest, &item), STEP_OK);
    assert_slice(item, "f<,>");
    assert_int_equal(list_next(&rest, &item), STEP_END);
    static const char *const bad[] = {",", "a,\"b,c", "a,<b,c", "\"a\\\",", "a,"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum step step;
        rest = slice_str(bad[i]);
        while ((step = list_next(&rest, &item)) == STEP_OK && item.n)
            continue;
        assert_int_equal(step, STEP_BAD);
    }
}

static void expires_that_is_malformed_is_an_hour(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seconds;
    } rows[] = {{"0", 0},
                {"1", 1},
                {"4294967295", UINT32_MAX},
                {"4294967296", 3600},
                {"", 3600},
                {"-1", 3600},
                {"1.5", 3600},
                {"0x10", 3600},
                {"1 ", 3600},
                {"\"60\"", 3600}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(expires_value(slice_str(rows[i].text)), rows[i].seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_known_by_any_case_and_their_compact_form),
        cmocka_unit_test(rfc3261_7_3_1_folded_lines_are_one),
        cmocka_unit_test(lines_that_are_no_good),
        cmocka_unit_test(a_control_byte_is_found_at_every_offset),
        cmocka_unit_test(each_limit_is_reached_one_behind_its_number),
        cmocka_unit_test(limits_within_one_line_hold_as_well),
        cmocka_unit_test(long_values_and_long_headers_are_513),
        cmocka_unit_test(a_body_of_any_size_and_content_is_passed_over),
        cmocka_unit_test(quoted_strings_end_where_they_end),
        cmocka_unit_test(lists_are_split_at_their_own_commas),
        cmocka_unit_test(expires_that_is_malformed_is_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
