// SPDX-License-Identifier: Apache-2.0
// From bytes to a request: what each header comes to, and which fault a bad one is.
#include "tests/unit/sip_parsed.h"

#include "service/sip/osip.h"

#define BASE                                                                                       \
    "REGISTER sip:example.com SIP/2.0\r\n"                                                         \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"                                    \
    "From: <sip:alice@example.com>;tag=f1\r\n"                                                     \
    "To: <sip:alice@example.com>\r\n"                                                              \
    "Call-ID: call@192.0.2.1\r\n"                                                                  \
    "CSeq: 1 REGISTER\r\n"                                                                         \
    "Contact: <sip:alice@192.0.2.1:5060>\r\n"                                                      \
    "\r\n"

// BASE with its first `from` made `to`. An empty `from` inserts before the empty line.
static struct parsed *parse_with(const char *from, const char *to)
{
    static const char base[] = BASE;
    static char text[70000];
    const char *at = *from ? strstr(base, from) : base + strlen(base) - 2;
    assert_non_null(at);
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    assert_in_range(n, 1, sizeof text - 1);
    return parse_slice(slice_of(text, (size_t)n));
}

struct row {
    const char *from, *to;
    unsigned status; // 0: parses
    const char *phrase;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct parsed *p = parse_with(rows[i].from, rows[i].to);
        unsigned status = p->result == SIP_FAULTY ? p->fault.status : 0;
        if (p->result != (rows[i].status ? SIP_FAULTY : SIP_PARSED) || status != rows[i].status)
            fail_msg("%s: %d, %u %.*s", rows[i].to, p->result, status, SLICE_FMT(p->fault.phrase));
        if (rows[i].phrase)
            assert_slice(p->fault.phrase, rows[i].phrase);
        parsed_free(p);
    }
}

#define CHECK(rows) check(rows, sizeof rows / sizeof *rows)

static void a_plain_register_comes_to_its_parts(void **state)
{
    (void)state;
    struct parsed *p = parse_with("", "Expires: 300\r\nMax-Forwards: 70\r\nUser-Agent: X/1\r\n"
                                      "Supported: path,outbound\r\nSupported: gruu, foo\r\n"
                                      "Require: path, bar\r\nRoute: <sip:r1;lr>, <sip:r2;lr>\r\n"
                                      "Authorization: Digest a=b\r\n");
    assert_int_equal(p->result, SIP_PARSED);
    const struct sip_request *r = &p->req;
    assert_int_equal(r->method, SIP_REGISTER);
    assert_slice(r->ruri_text, "sip:example.com");
    assert_int_equal(r->n_vias, 1);
    assert_slice(r->via[0].text, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport");
    assert_slice(r->via[0].transport, "UDP");
    assert_slice(r->via[0].host, "192.0.2.1");
    assert_int_equal(r->via[0].port, 5060);
    assert_slice(r->via[0].branch, "z9hG4bK1");
    assert_true(r->via[0].rport && r->via[0].rport_value == 0);
    assert_slice(r->from.tag, "f1");
    assert_int_equal(r->to.tag.n, 0);
    assert_slice(r->to.uri.user, "alice");
    assert_slice(r->call_id, "call@192.0.2.1");
    assert_slice(r->cseq_text, "1 REGISTER");
    assert_int_equal(r->n_contacts, 1);
    assert_true(r->has_expires && r->expires == 300);
    assert_true(r->has_max_forwards && r->max_forwards == 70);
    assert_slice(r->user_agent, "X/1");
    assert_int_equal(r->supported, OPTION_PATH | OPTION_OUTBOUND | OPTION_GRUU);
    assert_int_equal(r->required, OPTION_PATH);
    assert_int_equal(r->n_require, 2);
    assert_slice(r->require[1], "bar");
    assert_slice(r->route, "<sip:r1;lr>");
    assert_slice(r->authorization[0], "Digest a=b");
    parsed_free(p);
}

static void the_contact_of_the_field_report_keeps_its_parameters(void **state)
{
    (void)state;
    struct parsed *p = parse_with(
        "Contact: <sip:alice@192.0.2.1:5060>",
        "Contact: <sip:1008@10.0.0.7:5060>;+g.oma.sip-im;language=\"en,fr\";+g.3gpp.smsip;audio;"
        "+g.3gpp.mpeg-ref=\"urn%3Aurn-7%3A3gpp-application.ims.iari.gsma-vs\";expires=1700");
    assert_int_equal(p->result, SIP_PARSED);
    assert_int_equal(p->req.contacts[0].expires, 1700);
    assert_slice(p->req.contacts[0].params,
                 ";+g.oma.sip-im;language=\"en,fr\";+g.3gpp.smsip;audio;"
                 "+g.3gpp.mpeg-ref=\"urn%3Aurn-7%3A3gpp-application.ims.iari.gsma-vs\"");
    parsed_free(p);
}

static void contact_parameters_are_told_from_expires_and_q(void **state)
{
    (void)state;
    struct parsed *p = parse_with("Contact: <sip:alice@192.0.2.1:5060>",
                                  "m: \"A, B\" <sip:a@h;ob> ; x = \"y;z\" ;Expires=9;+SIP.instance="
                                  "\"<urn:uuid:1>\";q=0.25;reg-id=2;z , <sip:b@h>;q=1.000;b");
    assert_int_equal(p->result, SIP_PARSED);
    assert_int_equal(p->req.n_contacts, 2);
    const struct sip_contact *c = p->req.contacts;
    assert_slice(c[0].params, "; x = \"y;z\";+SIP.instance=\"<urn:uuid:1>\";reg-id=2;z");
    assert_int_equal(c[0].expires, 9);
    assert_int_equal(c[0].q, 250);
    assert_slice(c[0].instance, "<urn:uuid:1>");
    assert_int_equal(c[0].reg_id, 2);
    assert_true(c[0].ob && !c[1].ob);
    assert_int_equal(c[1].q, 1000);
    assert_slice(c[1].params, ";b");
    parsed_free(p);
}

static void contacts(void **state)
{
    (void)state;
    static const struct row rows[] = {
#define CONTACT(value) "Contact: <sip:alice@192.0.2.1:5060>", "Contact: " value
        {CONTACT("*"), 0, NULL},
        {CONTACT("sip:a@h"), 0, NULL},
        {CONTACT("sip:a@h;expires=5"), 0, NULL},
        {CONTACT("a b <sip:a@h>"), 0, NULL},
        {CONTACT("a b <sip:abcdef@h:5060;x=1;y?z=1>;q=1"), 0, NULL},
        {CONTACT("a b <sip:abcdef@h?z=1>"), 0, NULL},
        {CONTACT("a b <sip:%61bcdef@h>"), 0, NULL},
        {CONTACT("a b <tel:+1-201-555-0123>"), 0, NULL},
        {CONTACT("<tel:+1-2>"), 0, NULL},
        {CONTACT("<mailto:a@b,c@d>"), 0, NULL},
        {CONTACT("<sip:a@h>;x=1;x=2"), 0, NULL},
        {CONTACT("<sip:a@h>;reg-id=2147483647"), 0, NULL},
        {CONTACT(""), 400, "Empty Contact"},
        {CONTACT("*, <sip:a@h>"), 400, "Star With Other Contacts"},
        {CONTACT("<sip:a@h>, *"), 400, "Star With Other Contacts"},
        {CONTACT("<sip:a@h>\r\nContact: *"), 400, "Star With Other Contacts"},
        {CONTACT("*\r\nContact: *"), 400, "Star With Other Contacts"},
        {CONTACT("*foo"), 400, "Bad Contact"},
        {CONTACT("*;expires=0"), 400, "Bad Contact"},
        {CONTACT("*67 <sip:a@h"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>,"), 400, "Bad Contact"},
        {CONTACT(",<sip:a@h>"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>,,<sip:b@h>"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>x"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>;"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>;;x"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>;=1"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>;x=\"y"), 400, "Bad Contact"},
        {CONTACT("< sip:a@h>"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h >"), 400, "Bad Contact"},
        {CONTACT("\"a <sip:a@h>"), 400, "Bad Contact"},
        {CONTACT("a(b <sip:a@h>"), 400, "Bad Contact"},
        {CONTACT("sip:a@h?x=y"), 400, "Bad Contact"}, // 20.10: needs brackets
        {CONTACT("sip:h?Route=%3Csip:x%3E"), 400, "Bad Contact"},
        {CONTACT("<h>"), 400, "Bad Contact"},
        {CONTACT("<>"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h;x;>"), 400, "Bad Contact"},
        {CONTACT("<sip:a@h>;q=2"), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;q=1.001"), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;q=0.1234"), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;q=-1"), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;q="), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;q=.5"), 400, "Bad Q Value"},
        {CONTACT("<sip:a@h>;reg-id=0"), 400, "Bad Reg-Id"},
        {CONTACT("<sip:a@h>;reg-id=2147483648"), 400, "Bad Reg-Id"},
        {CONTACT("<sip:a@h>;reg-id=x"), 400, "Bad Reg-Id"},
        {CONTACT("<sip:a@h>;+sip.instance=\"\""), 400, "Bad Instance"},
        {CONTACT("<sip:a@h>;expires=1;expires=2"), 400, "Repeated Contact Parameter"},
        {CONTACT("<sip:a@h>;q=1;Q=1"), 400, "Repeated Contact Parameter"},
    };
    CHECK(rows);
}

static void from_and_to(void **state)
{
    (void)state;
    static const struct row rows[] = {
#define FROM(value) "From: <sip:alice@example.com>;tag=f1", "From: " value
        {FROM("sip:a@h;tag=1"), 0, NULL},
        {FROM("\"a \\\" b\" <sip:a@h>;tag=1"), 0, NULL},
        {FROM("a b c <sip:a@h>;tag=1"), 0, NULL},
        {FROM("\"\"<sip:a@h>"), 0, NULL}, // RFC 2543 had no tags
        {FROM("\xc3\xa4 <sip:a@h>;tag=1"), 0, NULL},
        {FROM("<sip:a@h>;tag=1;TAG=2"), 400, "Bad From"},
        {FROM("<sip:a@h>;tag"), 400, "Bad From"},
        {FROM("<sip:a@h>;tag=\"1\""), 400, "Bad From"},
        {FROM("<sip:a@h>, <sip:b@h>"), 400, "Bad From"},
        {FROM(""), 400, "Bad From"},
        {FROM("a,b <sip:a@h>"), 400, "Bad From"},
        {FROM("poo <user@host>"), 400, "Bad From"},
        {FROM("<sip:a@h>;tag=1\r\nFrom: <sip:a@h>;tag=1"), 400, "Repeated Header"},
        {"To: <sip:alice@example.com>", "To: <sip:a@h>;tag=x", 0, NULL},
        {"To: <sip:alice@example.com>", "t: <sip:a@h;user=phone>", 0, NULL},
        {"To: <sip:alice@example.com>", "To: <sip:a@h", 400, "Bad To"},
        {"To: <sip:alice@example.com>", "To: <sip:a@h>\r\nt: <sip:a@h>", 400, "Repeated Header"},
    };
    CHECK(rows);
}

static void numbers_and_single_headers(void **state)
{
    (void)state;
    static const struct row rows[] = {
#define CSEQ(value) "CSeq: 1 REGISTER", "CSeq: " value
        {CSEQ("0 REGISTER"), 0, NULL},
        {CSEQ("2147483647   REGISTER"), 0, NULL},
        {CSEQ("2147483648 REGISTER"), 400, "Bad CSeq"},
        {CSEQ("99999999999999999999999 REGISTER"), 400, "Bad CSeq"},
        {CSEQ("-1 REGISTER"), 400, "Bad CSeq"},
        {CSEQ("1REGISTER"), 400, "Bad CSeq"},
        {CSEQ("REGISTER"), 400, "Bad CSeq"},
        {CSEQ("1"), 400, "Bad CSeq"},
        {CSEQ(""), 400, "Bad CSeq"},
        {CSEQ("1 REGISTER x"), 400, "Bad CSeq"},
        {CSEQ("1 register"), 400, "CSeq Does Not Match Method"},
        {CSEQ("1 INVITE"), 400, "CSeq Does Not Match Method"},
        {CSEQ("1 REGISTER\r\nCSeq: 1 REGISTER"), 400, "Repeated Header"},
        {"Call-ID: call@192.0.2.1", "Call-ID: a b", 400, "Bad Call-ID"},
        {"Call-ID: call@192.0.2.1", "Call-ID:", 400, "Bad Call-ID"},
        {"Call-ID: call@192.0.2.1", "i: x", 0, NULL},
        {"", "Content-Length: 0\r\n", 0, NULL},
        {"", "Content-Length: 1\r\n", 400, "Content-Length Exceeds Message"},
        {"", "Content-Length: 4294967296\r\n", 400, "Bad Content-Length"},
        {"", "Content-Length: -1\r\n", 400, "Bad Content-Length"},
        {"", "Content-Length: 0abc\r\n", 400, "Bad Content-Length"},
        {"", "Content-Length:\r\n", 400, "Bad Content-Length"},
        {"", "Content-Length: 0\r\nl: 0\r\n", 400, "Repeated Header"},
        {"", "Max-Forwards: 0\r\n", 0, NULL},
        {"", "Max-Forwards: x\r\n", 400, "Bad Max-Forwards"},
        {"", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n", 400, "Repeated Header"},
        {"", "Expires: never\r\n", 0, NULL},
        {"", "Expires: 1\r\nExpires: 1\r\n", 400, "Repeated Header"},
        {"Call-ID: call@192.0.2.1\r\n", "", 400, "Missing Call-ID"},
        {"CSeq: 1 REGISTER\r\n", "", 400, "Missing CSeq"},
        {"To: <sip:alice@example.com>\r\n", "", 400, "Missing To"},
        {"From: <sip:alice@example.com>;tag=f1\r\n", "", 400, "Missing From"},
        {"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n", "", 400, "Missing Via"},
    };
    CHECK(rows);
}

static void start_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
#define START(value) "REGISTER sip:example.com SIP/2.0", value
        {START("REGISTER sip:example.com sip/2.0"), 0, NULL},
        {START("REGISTER sips:a@example.com:5061;x SIP/2.0"), 0, NULL},
        {START("REGISTER tel:+1 SIP/2.0"), 0, NULL}, // 416 is the next one's to say
        {START("REGISTER sip:example.com SIP/7.0"), 505, "Version Not Supported"},
        {START("REGISTER sip:example.com SIP/2.00"), 505, NULL},
        {START("REGISTER sip:example.com SIP/3.0 "), 400, "Bad Request Line"},
        {START("REGISTER sip:example.com HTTP/1.1"), 400, "Bad Request Line"},
        {START("REGISTER sip:example.com SIP/"), 400, "Bad Request Line"},
        {START("REGISTER  sip:example.com SIP/2.0"), 400, "Bad Request Line"},
        {START("REGISTER sip:example.com  SIP/2.0"), 400, "Bad Request Line"},
        {START("REGISTER sip:example.com"), 400, "Bad Request Line"},
        {START("REGISTER"), 400, "Bad Request Line"},
        {START(" REGISTER sip:example.com SIP/2.0"), 400, NULL},
        {START("REG@STER sip:example.com SIP/2.0"), 400, "Bad Method"},
        {START("REGISTER <sip:example.com> SIP/2.0"), 400, "Bad Request-URI"},
        {START("REGISTER sip:example.com?x=y SIP/2.0"), 400, "Bad Request-URI"},
        {START("REGISTER sip:2001:db8::1 SIP/2.0"), 400, "Bad Request-URI"},
        {START("REGISTER example.com SIP/2.0"), 400, "Bad Request-URI"},
    };
    CHECK(rows);
}

static void lists(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "Path: <sip:p;lr>\r\n", 0, NULL},
        {"", "Path: <sip:p;lr>;x=\"a,b\", <sip:q>\r\n", 0, NULL},
        {"", "Path: sip:p\r\n", 400, "Bad Path"},
        {"", "Path: <sip:p>,\r\n", 400, "Bad Path"},
        {"", "Path: <sip:p\r\n", 400, "Bad Path"},
        {"", "Require: a b\r\n", 400, "Bad Require"},
        {"", "Require: ,path,,\r\n", 0, NULL},
        {"", "Supported: a;b\r\n", 400, "Bad Supported"},
        {"", "Supported:\r\n", 0, NULL},
        {"", "k: path\r\n", 0, NULL},
    };
    CHECK(rows);
}

static void vias(void **state)
{
    (void)state;
    static const struct row rows[] = {
#define VIA(value) "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", "Via: " value
        {VIA("SIP / 2.0 / UDP  h : 5060 ; branch = z ; rport = 7"), 0, NULL},
        {VIA("SIP/2.0/UDP [2001:db8::1]:5060"), 0, NULL},
        {VIA("SIP/2.0/UDP 2001:db8::1"), 0, NULL}, // as some phones do
        {VIA("SIP/2.0/UDP h;received=[2001:db8::9];x;y=\"z;\""), 0, NULL},
        {VIA("SIP/2.0/UDP h;maddr=239.0.0.1;ttl=1"), 0, NULL},
        {VIA("SIP/2.0/UDP h, SIP/2.0/TCP i"), 0, NULL},
        {VIA("SIP/2.0/UDP h;rport=;branch=z"), 0, NULL},
        {VIA("SIP/2.0/UDP h,"), 400, "Bad Via"},
        {VIA(""), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP"), 400, "Bad Via"},
        {VIA("SIP/3.0/UDP h"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDPh"), 400, "Bad Via"},
        {VIA("SIP/2.0 UDP h"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h:0"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h:65536"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h:x"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h i"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP [::zz]"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;branch="), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;branch=a;branch=b"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;rport;rport"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;rport=x"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;rport=65536"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;received=a;received=b"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;maddr=a b"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h;;"), 400, "Bad Via"},
        {VIA("SIP/2.0/UDP h (comment)"), 400, "Bad Via"},
    };
    CHECK(rows);
}

static void each_faulty_via_that_names_a_host_stays_for_the_response(void **state)
{
    (void)state;
    static const struct {
        const char *via;
        size_t n;
        const char *first;
    } rows[] = {
        {"SIP/2.0/UDP h,", 1, "SIP/2.0/UDP h"},
        {"SIP/2.0/UDP h;;", 1, "SIP/2.0/UDP h;;"},
        {"SIP/2.0/UDP h;rport=x, SIP/2.0/UDP i", 2, "SIP/2.0/UDP h;rport=x"},
        {"SIP/2.0/UDP h;x=\"y, SIP/2.0/UDP i", 1, "SIP/2.0/UDP h;x=\"y, SIP/2.0/UDP i"},
        {"SIP/3.0/UDP h", 1, "SIP/3.0/UDP h"},
        {"nonsense", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char via[128];
        snprintf(via, sizeof via, "Via: %s", rows[i].via);
        struct parsed *p = parse_with("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", via);
        assert_int_equal(p->fault.status, 400);
        assert_int_equal(p->req.n_vias, rows[i].n);
        assert_int_equal(p->fault.answerable, rows[i].n > 0);
        if (rows[i].n)
            assert_slice(p->req.via[0].text, rows[i].first);
        parsed_free(p);
    }
}

static void what_is_no_request(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        enum sip_parsed result;
    } rows[] = {
        {"", 0, SIP_BLANK},
        {"\r\n\r\n", 4, SIP_BLANK},
        {"\0\0\0\0", 4, SIP_BLANK},
        {"  \r\n\0", 5, SIP_BLANK},
        {"SIP/2.0 200 OK\r\n\r\n", 18, SIP_RESPONSE},
        {"sip/", 4, SIP_RESPONSE},
        {"x", 1, SIP_FAULTY},
        {"REGISTER", 8, SIP_FAULTY},
        {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 22, SIP_FAULTY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct parsed *p = parse_slice(slice_of(rows[i].text, rows[i].n));
        assert_int_equal(p->result, rows[i].result);
        if (p->result == SIP_FAULTY)
            assert_false(p->fault.answerable);
        parsed_free(p);
    }
}

static void no_control_byte_of_a_faulty_message_goes_back_out(void **state)
{
    (void)state;
    struct parsed *p =
        parse_with("From: <sip:alice@example.com>;tag=f1", "From: \"\\\x07\" <sip:a@h>;tag=f");
    assert_int_equal(p->result, SIP_PARSED);
    parsed_free(p);
    p = parse_with("From: <sip:alice@example.com>;tag=f1",
                   "From: \"\\\x07\" <sip:a@h>;tag=f\r\nFrom: <sip:a@h>");
    assert_int_equal(p->result, SIP_FAULTY);
    assert_false(p->fault.answerable);
    parsed_free(p);
    p = parse_with("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
                   "Via: SIP/2.0/UDP h;x=\"\\\x07\"\r\nTo: <sip:a@h>");
    assert_int_equal(p->result, SIP_FAULTY);
    assert_false(p->fault.answerable);
    parsed_free(p);
}

static void a_body_is_cut_to_its_length(void **state)
{
    (void)state;
    struct parsed *p = parse_with("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabcdef");
    assert_int_equal(p->result, SIP_PARSED);
    assert_slice(slice_from(p->req.raw, p->req.raw.n - 5), "\r\nabc");
    parsed_free(p);
    p = parse_with("\r\n\r\n", "\r\n\r\nabcdef"); // without one it is the rest of the datagram
    assert_slice(slice_from(p->req.raw, p->req.raw.n - 3), "def");
    parsed_free(p);
}

static void methods_are_known_with_their_case(void **state)
{
    (void)state;
    assert_int_equal(sip_method_of(SLICE("REGISTER")), SIP_REGISTER);
    assert_int_equal(sip_method_of(SLICE("UPDATE")), SIP_UPDATE);
    assert_int_equal(sip_method_of(SLICE("register")), SIP_OTHER);
    assert_int_equal(sip_method_of(SLICE("REGISTERS")), SIP_OTHER);
    assert_int_equal(sip_method_of(SLICE("")), SIP_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_register_comes_to_its_parts),
        cmocka_unit_test(the_contact_of_the_field_report_keeps_its_parameters),
        cmocka_unit_test(contact_parameters_are_told_from_expires_and_q),
        cmocka_unit_test(contacts),
        cmocka_unit_test(from_and_to),
        cmocka_unit_test(numbers_and_single_headers),
        cmocka_unit_test(start_lines),
        cmocka_unit_test(lists),
        cmocka_unit_test(vias),
        cmocka_unit_test(each_faulty_via_that_names_a_host_stays_for_the_response),
        cmocka_unit_test(what_is_no_request),
        cmocka_unit_test(no_control_byte_of_a_faulty_message_goes_back_out),
        cmocka_unit_test(a_body_is_cut_to_its_length),
        cmocka_unit_test(methods_are_known_with_their_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
