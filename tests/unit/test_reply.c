// SPDX-License-Identifier: Apache-2.0
// Responses: what is copied, what is added to the top Via, and where they go.
#include "service/sip/reply.h"
#include "tests/unit/sip_parsed.h"

static struct address addr(const char *text, uint16_t port)
{
    struct address a;
    assert_true(address_parse(slice_str(text), &a));
    a.port = port;
    return a;
}

#define REQUEST(vias, to)                                                                          \
    "REGISTER sip:example.com SIP/2.0\r\n" vias "From: \"A\" <sip:a@h>;tag=f\r\nTo: " to           \
    "\r\ni: x@y\r\nCSeq: 17  REGISTER\r\n\r\n"

static struct slice answer(const char *request, const char *source, unsigned status, char *out,
                           size_t size)
{
    struct address from = addr(source, 40000);
    struct parsed *p = parse_slice(slice_str(request));
    struct buf b = buf_over(out, size - 1);
    assert_int_equal(p->result, SIP_PARSED);
    reply_begin(&b, &p->req, status, SLICE_NONE, &from, SLICE("t0"));
    reply_end(&b);
    assert_false(b.full);
    out[b.n] = '\0'; // for strstr
    parsed_free(p);
    return buf_slice(&b);
}

static void rfc3261_8_2_6_2_headers_are_copied_as_they_came(void **state)
{
    (void)state;
    char out[1024];
    assert_slice(
        answer(
            REQUEST("Via: SIP/2.0/UDP 192.0.2.1;branch=z\r\nv: SIP/2.0/TCP a , SIP/2.0/UDP b\r\n",
                    "<sip:a@h>"),
            "192.0.2.1", 401, out, sizeof out),
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z\r\n"
        "Via: SIP/2.0/TCP a\r\nVia: SIP/2.0/UDP b\r\nFrom: \"A\" <sip:a@h>;tag=f\r\n"
        "To: <sip:a@h>;tag=t0\r\nCall-ID: x@y\r\nCSeq: 17  REGISTER\r\n"
        "Content-Length: 0\r\n\r\n");
}

static void rfc3261_8_2_6_2_a_to_tag_is_added_once_and_not_to_100(void **state)
{
    (void)state;
    char out[1024];
#define VIA "Via: SIP/2.0/UDP h\r\n"
    assert_non_null(
        strstr((answer(REQUEST(VIA, "<sip:a@h>;tag=mine"), "192.0.2.1", 200, out, sizeof out), out),
               "To: <sip:a@h>;tag=mine\r\n"));
    assert_non_null(
        strstr((answer(REQUEST(VIA, "<sip:a@h>"), "192.0.2.1", 100, out, sizeof out), out),
               "To: <sip:a@h>\r\n"));
    assert_non_null(
        strstr((answer(REQUEST(VIA, "sip:a@h"), "192.0.2.1", 200, out, sizeof out), out),
               "To: sip:a@h;tag=t0\r\n"));
}

static void rfc3261_18_2_1_and_rfc3581_4_the_top_via_says_where_the_request_came_from(void **state)
{
    (void)state;
    static const struct {
        const char *via, *source, *want;
    } rows[] = {
        {"SIP/2.0/UDP 192.0.2.1", "192.0.2.1", "SIP/2.0/UDP 192.0.2.1"},
        {"SIP/2.0/UDP 192.0.2.1:9", "192.0.2.9", "SIP/2.0/UDP 192.0.2.1:9;received=192.0.2.9"},
        {"SIP/2.0/UDP name;x", "192.0.2.1", "SIP/2.0/UDP name;x;received=192.0.2.1"},
        // with rport, received is always said
        {"SIP/2.0/UDP 192.0.2.1;rport;branch=z", "192.0.2.1",
         "SIP/2.0/UDP 192.0.2.1;branch=z;received=192.0.2.1;rport=40000"},
        // what the client says of itself goes
        {"SIP/2.0/UDP 192.0.2.1;rport=9;received=10.1.1.1", "192.0.2.1",
         "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=40000"},
        {"SIP/2.0/UDP 192.0.2.1;received=10.1.1.1;x;rport", "192.0.2.1",
         "SIP/2.0/UDP 192.0.2.1;x;received=192.0.2.1;rport=40000"},
        {"SIP/2.0/UDP 192.0.2.1; received = 10.1.1.1 ;x", "192.0.2.1", "SIP/2.0/UDP 192.0.2.1 ;x"},
        {"SIP/2.0/UDP [2001:db8::1];rport", "2001:db8::1",
         "SIP/2.0/UDP [2001:db8::1];received=2001:db8::1;rport=40000"},
        {"SIP/2.0/UDP [2001:DB8:0::1]", "2001:db8::1", "SIP/2.0/UDP [2001:DB8:0::1]"},
        {"SIP/2.0/UDP [2001:db8::2]", "2001:db8::1",
         "SIP/2.0/UDP [2001:db8::2];received=2001:db8::1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[512], out[1024], want[256];
        snprintf(request, sizeof request, REQUEST("Via: %s\r\n", "<sip:a@h>"), rows[i].via);
        answer(request, rows[i].source, 200, out, sizeof out);
        snprintf(want, sizeof want, "\r\nVia: %s\r\nFrom", rows[i].want);
        if (!strstr(out, want))
            fail_msg("%s: %s", rows[i].via, out);
    }
}

static void vias_below_the_top_stay_as_they_are(void **state)
{
    (void)state;
    char out[1024];
    answer(REQUEST("Via: SIP/2.0/UDP h;rport\r\nVia: SIP/2.0/UDP i;rport=1;received=10.0.0.1\r\n",
                   "<sip:a@h>"),
           "192.0.2.1", 200, out, sizeof out);
    assert_non_null(strstr(out, "Via: SIP/2.0/UDP i;rport=1;received=10.0.0.1\r\n"));
}

static void rfc3261_18_2_2_and_rfc3581_4_where_a_response_goes(void **state)
{
    (void)state;
    static const struct {
        const char *via, *host;
        uint16_t port;
    } rows[] = {
        {"SIP/2.0/UDP 10.0.0.1", "192.0.2.1", 5060},
        {"SIP/2.0/UDP 10.0.0.1:5070", "192.0.2.1", 5070},
        {"SIP/2.0/UDP 10.0.0.1:5070;rport", "192.0.2.1", 40000},
        {"SIP/2.0/UDP 10.0.0.1;rport=9;received=10.9.9.9", "192.0.2.1", 40000},
        {"SIP/2.0/UDP 10.0.0.1;maddr=224.0.1.75", "224.0.1.75", 5060},
        {"SIP/2.0/UDP 10.0.0.1:5070;rport;maddr=224.0.1.75", "224.0.1.75", 5070},
        {"SIP/2.0/UDP 10.0.0.1;maddr=name.example", "192.0.2.1", 5060}, // nothing is looked up
    };
    struct address source = addr("192.0.2.1", 40000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[512];
        struct address to, want = addr(rows[i].host, rows[i].port);
        snprintf(request, sizeof request, REQUEST("Via: %s\r\n", "<sip:a@h>"), rows[i].via);
        struct parsed *p = parse_slice(slice_str(request));
        assert_true(reply_destination(&p->req, &source, true, &to));
        if (!address_eq(&to, &want))
            fail_msg("%s: port %u", rows[i].via, to.port);
        assert_true(reply_destination(&p->req, &source, false, &to));
        assert_true(address_same_host(&to, &source));
        parsed_free(p);
    }
    struct sip_request *none = calloc(1, sizeof *none);
    struct address to;
    assert_false(reply_destination(none, &source, true, &to));
    free(none);
}

static void a_faulty_message_is_answered_with_what_it_has(void **state)
{
    (void)state;
    char out[1024];
    struct address from = addr("192.0.2.9", 40000);
    struct parsed *p = parse_slice(
        SLICE("REGISTER sip:h SIP/7.0\r\nVia: SIP/2.0/UDP 10.0.0.1;rport\r\nFrom: x\r\nTo: y\r\n"
              "Call-ID: c\r\nCSeq: z\r\n\r\n"));
    assert_int_equal(p->result, SIP_FAULTY);
    assert_true(p->fault.answerable);
    struct buf b = buf_over(out, sizeof out);
    reply_begin(&b, &p->req, p->fault.status, p->fault.phrase, &from, SLICE("t"));
    assert_slice(buf_slice(&b),
                 "SIP/2.0 505 Version Not Supported\r\n"
                 "Via: SIP/2.0/UDP 10.0.0.1;received=192.0.2.9;rport=40000\r\nFrom: x\r\n"
                 "To: y;tag=t\r\nCall-ID: c\r\nCSeq: z\r\n");
    parsed_free(p);
}

static void a_response_that_does_not_fit_says_so(void **state)
{
    (void)state;
    char out[128];
    struct address from = addr("192.0.2.1", 40000);
    struct parsed *p = parse_slice(SLICE(REQUEST(VIA, "<sip:a@h>")));
    for (size_t size = 0; size < sizeof out; size++) {
        struct buf b = buf_over(out, size);
        reply_begin(&b, &p->req, 503, SLICE_NONE, &from, SLICE("t"));
        reply_end(&b);
        assert_true(b.full);
        assert_true(b.n <= size);
    }
    parsed_free(p);
}

static void headers_dates_and_phrases(void **state)
{
    (void)state;
    char out[256];
    struct buf b = buf_over(out, sizeof out);
    reply_header(&b, SLICE("A"), SLICE("b"));
    reply_header_u64(&b, SLICE("N"), UINT64_MAX);
    reply_date(&b, 1795422360999);
    reply_date(&b, 0);
    assert_slice(buf_slice(&b), "A: b\r\nN: 18446744073709551615\r\n"
                                "Date: Mon, 23 Nov 2026 08:26:00 GMT\r\n"
                                "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    assert_slice(reply_phrase(503), "Service Unavailable");
    assert_slice(reply_phrase(439), "First Hop Lacks Outbound Support");
    assert_slice(reply_phrase(423), "Interval Too Brief");
    assert_slice(reply_phrase(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3261_8_2_6_2_headers_are_copied_as_they_came),
        cmocka_unit_test(rfc3261_8_2_6_2_a_to_tag_is_added_once_and_not_to_100),
        cmocka_unit_test(rfc3261_18_2_1_and_rfc3581_4_the_top_via_says_where_the_request_came_from),
        cmocka_unit_test(vias_below_the_top_stay_as_they_are),
        cmocka_unit_test(rfc3261_18_2_2_and_rfc3581_4_where_a_response_goes),
        cmocka_unit_test(a_faulty_message_is_answered_with_what_it_has),
        cmocka_unit_test(a_response_that_does_not_fit_says_so),
        cmocka_unit_test(headers_dates_and_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
