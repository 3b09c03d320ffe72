// SPDX-License-Identifier: Apache-2.0
// URIs: what is one, what its parts are, and which are equal.
#include "tests/unit/sip_parsed.h"

#include "service/sip/uri.h"

static struct sip_uri uri(const char *text)
{
    struct sip_uri u;
    if (!sip_uri_parse(slice_str(text), &u))
        fail_msg("%s does not parse", text);
    return u;
}

static bool equal(const char *a, const char *b)
{
    struct sip_uri x = uri(a), y = uri(b);
    bool forth = sip_uri_equal(&x, &y), back = sip_uri_equal(&y, &x);
    if (forth != back)
        fail_msg("%s and %s: equality is not symmetric", a, b);
    if (!sip_uri_equal(&x, &x) || !sip_uri_equal(&y, &y))
        fail_msg("%s or %s is not equal to itself", a, b);
    return forth;
}

struct pair {
    const char *a, *b;
};

static void check_pairs(const struct pair *pairs, size_t n, bool want)
{
    for (size_t i = 0; i < n; i++)
        if (equal(pairs[i].a, pairs[i].b) != want)
            fail_msg("%s and %s are %s", pairs[i].a, pairs[i].b, want ? "not equal" : "equal");
}

#define EQUAL(pairs)     check_pairs(pairs, sizeof pairs / sizeof *pairs, true)
#define NOT_EQUAL(pairs) check_pairs(pairs, sizeof pairs / sizeof *pairs, false)

static void rfc3261_19_1_4_the_examples_that_are_equal(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
        {"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"},
        {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
         "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
        {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
         "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
    };
    EQUAL(pairs);
}

static void rfc3261_19_1_4_the_examples_that_are_not(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
        {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
    };
    NOT_EQUAL(pairs);
}

static void rfc3261_19_1_4_the_rules_one_by_one(void **state)
{
    (void)state;
    static const struct pair equals[] = {
        {"sip:a@h;a=1;b=2", "sip:a@h;b=2;a=1"},
        {"sip:a@h;x=Y", "sip:a@h;X=y"},
        {"sip:a@h;x=%79", "sip:a@h;x=y"},
        {"sip:a:secret@h", "sip:a:secret@h"},
        {"sip:a;b@h", "sip:a;b@h"},
        {"sip:a%c3%a4@h", "sip:a\xc3\xa4@h"}, // not reserved, so equal to its escape
        {"sip:a@h?a=1&b=2&a=1", "sip:a@h?b=2&a=1&a=1"},
        {"sip:a@h;lr", "sip:a@h"},
        {"sip:a@h;maddr=10.0.0.1;ttl=1;user=phone;method=INVITE",
         "sip:a@h;method=invite;user=PHONE;ttl=1;maddr=10.0.0.1"},
        {"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::0001]"},
        {"sip:a@h;a=1;a=2", "sip:a@h;a=1;a=2"},
    };
    static const struct pair others[] = {
        {"sip:a@h", "sips:a@h"},
        {"sip:a@h", "sip:A@h"},
        {"sip:a@h", "sip:h"},
        {"sip:a@h", "sip:a:p@h"},
        {"sip:a:p@h", "sip:a:P@h"},
        {"sip:a:@h", "sip:a@h"},
        {"sip:a;b@h", "sip:a%3bb@h"}, // a reserved character is not its escape
        {"sip:a@h;x=1", "sip:a@h;x"},
        {"sip:a@h", "sip:a@h;user=ip"},
        {"sip:a@h", "sip:a@h;ttl=1"},
        {"sip:a@h", "sip:a@h;method=INVITE"},
        {"sip:a@h", "sip:a@h;maddr=h"},
        {"sip:a@h", "sip:a@h;TRANSPORT=udp"},
        {"sip:a@h?x=1", "sip:a@h?x=2"},
        {"sip:a@h?x=y", "sip:a@h?x=Y"},
        {"sip:a@h?x=1", "sip:a@h?x=1&y=2"},
        {"sip:a@h.", "sip:a@hh"},
        {"sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]"},
        {"sip:a@10.0.0.1", "sip:a@[::ffff:10.0.0.1]"},
        {"sip:null-%00-null@h", "sip:null-@h"},
        {"sip:%00@h", "sip:%00%00@h"},
        {"sip:a@h", "tel:a"},
    };
    EQUAL(equals);
    NOT_EQUAL(others);
}

static void rfc3966_4_tel_uris_are_compared_as_numbers(void **state)
{
    (void)state;
    static const struct pair equals[] = {
        {"tel:+1-201-555-0123", "tel:+1(201)555.0123"},
        {"TEL:7042;phone-context=example.com", "tel:7042;phone-context=EXAMPLE.com"},
        {"tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555"},
        {"tel:+1;ext=12-3;isub=a", "tel:+1;isub=A;ext=123"},
        {"tel:0a*#", "tel:0A*#"},
    };
    static const struct pair others[] = {
        {"tel:+12015550123", "tel:12015550123"},
        {"tel:7042", "tel:7042;phone-context=example.com"},
        {"tel:+1;ext=1", "tel:+1"},
        {"tel:+1;ext=1", "tel:+1;ext=2"},
        {"tel:+1", "tel:+12"},
    };
    EQUAL(equals);
    NOT_EQUAL(others);
}

static void other_schemes_are_compared_byte_by_byte(void **state)
{
    (void)state;
    static const struct pair equals[] = {{"mailto:a@h", "MAILTO:a@h"}, {"urn:x:y", "urn:x:y"}};
    static const struct pair others[] = {
        {"mailto:a@h", "mailto:a@H"}, {"mailto:a", "http:a"}, {"urn:a", "urn:a;b"}};
    EQUAL(equals);
    NOT_EQUAL(others);
}

static void the_parts_of_a_uri(void **state)
{
    (void)state;
    struct sip_uri u = uri("sips:al%20ice;x=y:pa$s@Host.example:5061;transport=tcp;lr?a=b&c=d");
    struct slice value;
    assert_int_equal(u.scheme, URI_SIPS);
    assert_slice(u.scheme_text, "sips");
    assert_true(u.has_user && u.has_password);
    assert_slice(u.user, "al%20ice;x=y");
    assert_slice(u.password, "pa$s");
    assert_slice(u.host, "Host.example");
    assert_int_equal(u.port, 5061);
    assert_slice(u.params, ";transport=tcp;lr");
    assert_slice(u.headers, "a=b&c=d");
    assert_true(sip_uri_param(&u, SLICE("TRANSPORT"), &value));
    assert_slice(value, "tcp");
    assert_true(sip_uri_param(&u, SLICE("lr"), &value));
    assert_int_equal(value.n, 0);
    assert_false(sip_uri_param(&u, SLICE("l"), &value));
    u = uri("sip:h");
    assert_false(u.has_user || u.has_password || u.port || u.params.n || u.headers.n);
    u = uri("sip:a:@h");
    assert_true(u.has_password && u.password.n == 0);
    u = uri("soap.beep+1-2:x");
    assert_int_equal(u.scheme, URI_OTHER);
    assert_slice(u.rest, "x");
}

static void rfc5118_addresses_stand_in_brackets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address;
    } rows[] = {
        {"sip:[2001:db8::10]", "2001:db8::10"},
        {"sip:a@[2001:db8::10]:5070", "2001:db8::10"},
        {"sip:[2001:db8::10:5070]", "2001:db8::10:5070"},
        {"sip:[::]", "::"},
        {"sip:[::ffff:192.0.2.1]", "192.0.2.1"},
        {"sip:[2001:db8:::192.0.2.1]", "2001:db8::192.0.2.1"},
        {"sip:192.0.2.1:5060", "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_uri u = uri(rows[i].text);
        struct address a, b;
        assert_true(sip_uri_address(&u, &a));
        assert_true(address_parse(slice_str(rows[i].address), &b));
        assert_true(address_same_host(&a, &b));
    }
    struct sip_uri u = uri("sip:host.example");
    struct address a;
    assert_false(sip_uri_address(&u, &a));
}

static void hosts_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "sip:",
        "sip:a@",
        "sip:@h",
        "sip::5060",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[xyz]",
        "sip:[::::1]",
        "sip:[::1%25eth0]",
        "sip:[192.0.2.1]",
        "sip:[]",
        "sip:h..x",
        "sip:.h",
        "sip:-h",
        "sip:h-",
        "sip:h-.x",
        "sip:1.2.3",
        "sip:1.2.3.4.5",
        "sip:256.1.1.1",
        "sip:01.2.3.4",
        "sip:1.2.3.4.",
        "sip:12345",
        "sip:a.b.42",
        "sip:h h",
        "sip:h%41",
        "sip:h\xc3\xa4",
        "sip:a@b@h",
        "sip:[::1]x",
        "sip:[::1]:",
        "sip:h:0",
        "sip:h:65536",
        "sip:h:-1",
        "sip:h:5060x",
        "sip:h:",
        "sip:h:000005060",
        "sip:[2001:db8::1]]",
    };
    struct sip_uri u;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sip_uri_parse(slice_str(bad[i]), &u))
            fail_msg("%s parses", bad[i]);
    static const char *const good[] = {"sip:h.",       "sip:a-b.c",   "sip:1a",
                                       "sip:1.2.3.4",  "sip:4.host",  "sip:h_1.x",
                                       "sip:xn--a.de", "sip:h:65535", "sip:h:00001"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        uri(good[i]);
}

static void labels_and_names_have_the_lengths_of_dns(void **state)
{
    (void)state;
    char text[400];
    struct sip_uri u;
    for (int n = 63; n <= 64; n++) {
        snprintf(text, sizeof text, "sip:%.*s.x", n,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_int_equal(sip_uri_parse(slice_str(text), &u), n == 63);
    }
    struct buf b = buf_over(text, sizeof text);
    BUF_LIT(&b, "sip:");
    for (size_t i = 0; i < 300; i++)
        buf_byte(&b, i % 2 ? '.' : 'a');
    assert_true(sip_uri_parse(slice_of(text, 4 + 253), &u));
    assert_true(sip_uri_parse(slice_of(text, 4 + 254), &u));
    assert_false(sip_uri_parse(slice_of(text, 4 + 255), &u));
}

static void faults_of_the_other_parts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "h",          ":h",           "sip",         "1sip:h",      "s ip:h",
        "sip:a%@h",  "sip:a%4@h",  "sip:a%zz@h",   "sip:a b@h",   "sip:a\"b@h",  "sip:a<b@h",
        "sip:a@h;",  "sip:a@h;;x", "sip:a@h;=1",   "sip:a@h;x=%", "sip:a@h;x y", "sip:a@h?",
        "sip:a@h?x", "sip:a@h?=1", "sip:a@h?x=1&", "sip:a@h;x>",  "sip:a@h\t",   "sip:a@h\r\n",
        "tel:",      "tel:+1;",    "tel:+1;=x",    "urn:a b",     "urn:",
    };
    struct sip_uri u;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sip_uri_parse(slice_str(bad[i]), &u))
            fail_msg("%s parses", bad[i]);
    assert_false(sip_uri_parse(slice_of("sip:a\0b@h", 9), &u));
    assert_false(sip_uri_parse(slice_of("sip:a@h\0", 8), &u));
    assert_false(sip_uri_parse(SLICE_NONE, &u));
    // what phones send although the grammar asks to escape it
    uri("sip:#31#+4930@h");
    uri("sip:a\xc3\xa4@h");
    uri("sip:[a]@h");
}

static void parameters_are_counted(void **state)
{
    (void)state;
    char text[512];
    struct sip_uri u;
    for (int n = URI_PARAMS_MAX; n <= URI_PARAMS_MAX + 1; n++) {
        struct buf b = buf_over(text, sizeof text);
        BUF_LIT(&b, "sip:h");
        for (int i = 0; i < n; i++)
            BUF_LIT(&b, ";x");
        assert_int_equal(sip_uri_parse(buf_slice(&b), &u), n == URI_PARAMS_MAX);
    }
}

static void unescaping(void **state)
{
    (void)state;
    char out[8];
    size_t n;
    assert_true(sip_unescape(SLICE("%41%2fb%00"), out, sizeof out, &n));
    assert_int_equal(n, 4);
    assert_memory_equal(out, "A/b\0", 4);
    assert_true(sip_unescape(SLICE("12345678"), out, sizeof out, &n));
    assert_false(sip_unescape(SLICE("123456789"), out, sizeof out, &n));
    assert_false(sip_unescape(SLICE("a%4"), out, sizeof out, &n));
    assert_false(sip_unescape(SLICE("a%g0"), out, sizeof out, &n));
    assert_false(sip_unescape(SLICE("%"), out, sizeof out, &n));
    assert_true(sip_unescape(SLICE(""), out, sizeof out, &n));
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3261_19_1_4_the_examples_that_are_equal),
        cmocka_unit_test(rfc3261_19_1_4_the_examples_that_are_not),
        cmocka_unit_test(rfc3261_19_1_4_the_rules_one_by_one),
        cmocka_unit_test(rfc3966_4_tel_uris_are_compared_as_numbers),
        cmocka_unit_test(other_schemes_are_compared_byte_by_byte),
        cmocka_unit_test(the_parts_of_a_uri),
        cmocka_unit_test(rfc5118_addresses_stand_in_brackets),
        cmocka_unit_test(hosts_that_are_none),
        cmocka_unit_test(labels_and_names_have_the_lengths_of_dns),
        cmocka_unit_test(faults_of_the_other_parts),
        cmocka_unit_test(parameters_are_counted),
        cmocka_unit_test(unescaping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
