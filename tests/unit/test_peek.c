// SPDX-License-Identifier: Apache-2.0
// sip_peek_unauthorized(): where it says yes, a refusal reads as if the whole had been parsed.
#include <dirent.h>

#include "service/sip/reply.h"
#include "tests/unit/sip_parsed.h"

#define TOP   "REGISTER sip:example.com SIP/2.0\r\n"
#define VIA   "Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK1\r\n"
#define FROM  "From: \"A\" <sip:a@h>;tag=f\r\n"
#define TO    "To: <sip:a@h>\r\n"
#define ID    "Call-ID: x@y\r\n"
#define CSEQ  "CSeq: 17 REGISTER\r\n"
#define MORE  "Max-Forwards: 70\r\nAllow: INVITE, ACK\r\nContact: <sip:a@192.0.2.1>;tag=no\r\n"
#define EMPTY "\r\n"
#define AUTH  "Authorization: Digest username=\"a\"\r\n"

static bool peek(struct slice message, struct sip_request *out)
{
    // As long as the message, so that a sanitizer sees a read behind it
    char *bytes = malloc(message.n ? message.n : 1);
    assert_non_null(bytes);
    memcpy(bytes, message.p, message.n);
    bool yes = sip_peek_unauthorized(slice_of(bytes, message.n), out);
    free(bytes);
    return yes;
}

// The same response from both, where the whole is well-formed.
static bool agrees(struct slice message)
{
    static struct sip_request seen;
    static char a[65536], b[65536];
    struct address from;
    assert_true(address_parse(SLICE("198.51.100.7"), &from));
    from.port = 40000;
    memset(&seen, 0xa5, sizeof seen); // nothing but what it sets may be read
    if (!sip_peek_unauthorized(message, &seen))
        return false;
    struct parsed *p = parse_slice(message);
    if (p->result == SIP_PARSED) {
        struct buf peeked = buf_over(a, sizeof a), parsed = buf_over(b, sizeof b);
        assert_int_equal(p->req.n_authorizations, 0);
        assert_int_equal(seen.method, p->req.method);
        reply_begin(&peeked, &seen, 503, SLICE_NONE, &from, SLICE("t0"));
        reply_begin(&parsed, &p->req, 503, SLICE_NONE, &from, SLICE("t0"));
        assert_true(slice_eq(buf_slice(&peeked), buf_slice(&parsed)));
    }
    parsed_free(p);
    return true;
}

static void the_usual_register_without_credentials_is_seen(void **state)
{
    (void)state;
    assert_true(agrees(SLICE(TOP VIA FROM TO ID CSEQ MORE EMPTY)));
    assert_true(agrees(SLICE(TOP CSEQ ID TO FROM MORE VIA EMPTY)));
    assert_true(agrees(SLICE(TOP "v: SIP/2.0/TCP a:1;branch=1\r\nVIA:SIP/2.0/UDP b\r\n"
                                 "f: sip:a@h;tag=f\r\nT:sip:a@h\r\ni: x\r\ncseq: 1 REGISTER\r\n"
                                 "l: 0\r\n" EMPTY)));
    assert_true(agrees(SLICE(TOP VIA FROM TO ID CSEQ "Content-Length: 5\r\n" EMPTY AUTH)));
    assert_true(agrees(SLICE(TOP VIA FROM "To: \"x;y\" <sip:a@h;p=1>\r\n" ID CSEQ MORE EMPTY)));
}

static void credentials_are_never_overlooked(void **state)
{
    (void)state;
    struct sip_request out;
    assert_false(peek(SLICE(TOP AUTH VIA FROM TO ID CSEQ EMPTY), &out));
    assert_false(peek(SLICE(TOP VIA FROM TO ID CSEQ MORE AUTH EMPTY), &out));
    assert_false(peek(SLICE(TOP VIA FROM TO ID CSEQ "aUTHORIZATION\t : Digest x\r\n" EMPTY), &out));
}

static void what_is_unusual_is_left_to_the_parser(void **state)
{
    (void)state;
    struct sip_request out;
    static const struct slice others[] = {
        SLICE("OPTIONS sip:example.com SIP/2.0\r\n" VIA FROM TO ID CSEQ EMPTY),
        SLICE("SIP/2.0 200 OK\r\n" VIA FROM TO ID CSEQ EMPTY),
        SLICE(TOP FROM TO ID CSEQ EMPTY),
        SLICE(TOP VIA TO ID CSEQ EMPTY),
        SLICE(TOP VIA FROM ID CSEQ EMPTY),
        SLICE(TOP VIA FROM TO CSEQ EMPTY),
        SLICE(TOP VIA FROM TO ID EMPTY),
        SLICE(TOP VIA FROM TO ID CSEQ),
        SLICE(TOP VIA FROM TO ID CSEQ "Max-Forwards: 70"),
        SLICE(TOP VIA FROM TO TO ID CSEQ EMPTY),
        SLICE(TOP VIA FROM TO ID "i: z\r\n" CSEQ EMPTY),
        SLICE(TOP VIA FROM TO ID CSEQ "Subject: a\r\n b\r\n" EMPTY), // folded
        SLICE(TOP VIA FROM "To: <sip:a@h>\r\n ;tag=t\r\n" ID CSEQ EMPTY),
        SLICE(TOP VIA FROM "To: <sip:a@h>; TAG=t\r\n" ID CSEQ EMPTY),
        SLICE(TOP VIA FROM TO ID "CSeq: 17 REGISTER\n" EMPTY),
        SLICE(TOP VIA FROM "To: a\rb\r\n" ID CSEQ EMPTY),
        SLICE(TOP "Via: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n" FROM TO ID CSEQ EMPTY),
        SLICE(TOP "Via: nonsense\r\n" FROM TO ID CSEQ EMPTY),
        SLICE("REGISTER "),
        SLICE(""),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (peek(others[i], &out))
            fail_msg("taken: %.*s", SLICE_FMT(others[i]));
}

// Cut anywhere: nothing is read behind the end, and no part is taken for the whole.
static void every_prefix_is_no_message(void **state)
{
    (void)state;
    struct sip_request out;
    struct slice whole = SLICE(TOP VIA FROM TO ID CSEQ MORE EMPTY);
    for (size_t n = 0; n < whole.n; n++)
        assert_false(peek(slice_upto(whole, n), &out));
}

static void the_torture_messages_agree(void **state)
{
    (void)state;
    static const char *const folders[] = {"rfc4475", "rfc5118"};
    unsigned n = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof path, SOURCE_DIR "/tests/vectors/%s", folders[i]);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));) {
            size_t length = strlen(e->d_name);
            if (length < 4 || strcmp(e->d_name + length - 4, ".dat") != 0)
                continue;
            char file[1024];
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            struct slice message = read_whole(file);
            agrees(message);
            free((char *)(uintptr_t)message.p);
            n++;
        }
        closedir(dir);
    }
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_register_without_credentials_is_seen),
        cmocka_unit_test(credentials_are_never_overlooked),
        cmocka_unit_test(what_is_unusual_is_left_to_the_parser),
        cmocka_unit_test(every_prefix_is_no_message),
        cmocka_unit_test(the_torture_messages_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
