// SPDX-License-Identifier: Apache-2.0
// Messages cut from a stream: wherever the bytes are split, the frames are the same.
#include "tests/unit/sip_parsed.h"

#define MAX 4096

// What a connection does: bytes arrive in pieces, frames leave. The trace has a letter for each:
// M and the length for a message, P ping, B blank, X bad (the end).
static void run(struct slice stream, const size_t *cuts, size_t n_cuts, char *trace, size_t size)
{
    struct buf out = buf_over(trace, size - 1);
    size_t scanned = 0, start = 0, have = 0;
    for (size_t i = 0; i <= n_cuts; i++) {
        size_t to = i < n_cuts ? cuts[i] : stream.n;
        // a copy, exactly as long as what has arrived, so that a read behind it is seen
        for (have = to;;) {
            size_t skip, length, n = have - start;
            char *bytes = malloc(n ? n : 1);
            assert_non_null(bytes);
            if (n)
                memcpy(bytes, stream.p + start, n);
            enum frame_status status = sip_frame(slice_of(bytes, n), MAX, &scanned, &skip, &length);
            free(bytes);
            if (status == FRAME_NEED_MORE)
                break;
            assert_int_equal(scanned, 0);
            if (status == FRAME_BAD) {
                buf_byte(&out, 'X');
                trace[out.n] = '\0';
                return;
            }
            if (status == FRAME_MESSAGE)
                buf_printf(&out, "M%zu", length);
            else
                buf_byte(&out, status == FRAME_PING ? 'P' : 'B');
            assert_true(skip + length > 0);
            start += skip + length;
            assert_true(start <= have);
        }
    }
    trace[out.n] = '\0';
}

#define M0  "REGISTER sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n"
#define M3  "OPTIONS sip:h SIP/2.0\r\nA: b\r\nl : 3\r\nC: d\r\n\r\nxyz"
#define MF  "OPTIONS sip:h SIP/2.0\r\nContent-Length:\r\n  2\r\n\r\nxy"
#define NOL "OPTIONS sip:h SIP/2.0\r\nA: b\r\n\r\n"

struct row {
    const char *stream, *trace;
};

static const struct row rows[] = {
    {M0, "M45"},
    {M3 M0, "M47M45"},
    {MF MF, "M49M49"},
    {"\r\n\r\n", "P"},
    {"\r\n\r\n\r\n\r\n" M0, "PPM45"},
    {M0 "\r\n\r\n" M0, "M45PM45"},
    {"\r\n" M0, "BM45"},
    {"\r\n\r\n\r\n" M0, "PBM45"},
    {"\n" M0, "BM45"},
    {"\r\n", ""},
    {"\r\n\r", ""},
    {"\r\n\rX", "BX"},
    {"\rX", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: 5\r\n\r\nabcd", ""},
    {NOL, "X"},
    {M0 NOL, "M45X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\nl: 0\r\n\r\n", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: -1\r\n\r\n", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: 1x\r\n\r\n", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length:\r\n\r\n", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: 4294967296\r\n\r\n", "X"},
    {"OPTIONS sip:h SIP/2.0\r\nContent-Length: 4096\r\n\r\n", "X"},
    {"x\r\n\r\n", "X"},
};

static void a_stream_comes_to_its_frames(void **state)
{
    (void)state;
    char trace[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run(slice_str(rows[i].stream), NULL, 0, trace, sizeof trace);
        if (strcmp(trace, rows[i].trace) != 0)
            fail_msg("%s: %s, not %s", rows[i].stream, trace, rows[i].trace);
    }
}

static void rfc3261_18_3_every_two_splits_of_a_stream_give_the_same_frames(void **state)
{
    (void)state;
    char trace[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice stream = slice_str(rows[i].stream);
        for (size_t a = 0; a <= stream.n; a++)
            for (size_t b = a; b <= stream.n; b++) {
                run(stream, (size_t[]){a, b}, 2, trace, sizeof trace);
                if (strcmp(trace, rows[i].trace) != 0)
                    fail_msg("%s at %zu and %zu: %s", rows[i].stream, a, b, trace);
            }
    }
}

static void byte_by_byte_gives_the_same_frames(void **state)
{
    (void)state;
    char trace[256];
    size_t cuts[512];
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        cuts[i] = i;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice stream = slice_str(rows[i].stream);
        run(stream, cuts, stream.n, trace, sizeof trace);
        assert_string_equal(trace, rows[i].trace);
    }
}

static void a_message_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    (void)state;
    char head[128];
    for (int over = 0; over < 2; over++) {
        size_t scanned = 0, skip, length;
        int n = snprintf(head, sizeof head, "A sip:h SIP/2.0\r\nl: %d\r\n\r\n", 4096 - 28 + over);
        assert_int_equal(n, 28);
        assert_int_equal(sip_frame(slice_of(head, 28), MAX, &scanned, &skip, &length),
                         over ? FRAME_BAD : FRAME_NEED_MORE);
        // headers that are longer by themselves
        scanned = 0;
        assert_int_equal(sip_frame(slice_str(M0), 45 - over, &scanned, &skip, &length),
                         over ? FRAME_BAD : FRAME_MESSAGE);
    }
}

static void headers_without_end_are_bad_as_soon_as_that_is_known(void **state)
{
    (void)state;
    static char bytes[SIP_HEADERS_MAX + 4];
    size_t scanned = 0, skip, length;
    memset(bytes, 'a', sizeof bytes);
    assert_int_equal(sip_frame(slice_of(bytes, MAX - 1), MAX, &scanned, &skip, &length),
                     FRAME_NEED_MORE);
    assert_int_equal(sip_frame(slice_of(bytes, MAX), MAX, &scanned, &skip, &length), FRAME_BAD);
    assert_int_equal(length, MAX);
    scanned = 0;
    assert_int_equal(
        sip_frame(slice_of(bytes, SIP_HEADERS_MAX - 1), 1 << 20, &scanned, &skip, &length),
        FRAME_NEED_MORE);
    assert_int_equal(sip_frame(slice_of(bytes, SIP_HEADERS_MAX), 1 << 20, &scanned, &skip, &length),
                     FRAME_BAD);
}

// What the frame says is the length is what the parser says is the message.
static void frame_and_parser_agree_on_the_length(void **state)
{
    (void)state;
    static const char *const names[] = {"dblreq", "longreq", "mpart01", "intmeth", "regescrt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        size_t scanned = 0, skip, length;
        snprintf(path, sizeof path, SOURCE_DIR "/tests/vectors/rfc4475/%s.dat", names[i]);
        struct slice bytes = read_whole(path);
        assert_int_equal(sip_frame(bytes, 65536, &scanned, &skip, &length), FRAME_MESSAGE);
        struct parsed *p = parse_slice(bytes);
        assert_int_equal(p->result, SIP_PARSED);
        assert_int_equal(p->req.raw.n, length);
        parsed_free(p);
        free((char *)(uintptr_t)bytes.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_comes_to_its_frames),
        cmocka_unit_test(rfc3261_18_3_every_two_splits_of_a_stream_give_the_same_frames),
        cmocka_unit_test(byte_by_byte_gives_the_same_frames),
        cmocka_unit_test(a_message_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(headers_without_end_are_bad_as_soon_as_that_is_known),
        cmocka_unit_test(frame_and_parser_agree_on_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
