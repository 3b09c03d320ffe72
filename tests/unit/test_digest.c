// SPDX-License-Identifier: Apache-2.0
// Digest: the vectors of RFC 7616 (3.9.2 as its erratum 4897 says), RFC 2617 and 2069, a set for
// REGISTER, what an Authorization header may look like, and challenges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "service/auth/digest.h"
#include "store/credential.h"

struct vector {
    const char *user, *realm, *password, *method, *header;
};

static const struct vector right[] = {
    {"Mufasa", "http-auth@example.org", "Circle of Life", "GET",
     "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "
     "algorithm=MD5, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
     "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
     "response=\"8ca523f5e9506fed4657c9700eebdbec\", "
     "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""},
    {"Mufasa", "http-auth@example.org", "Circle of Life", "GET",
     "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "
     "algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
     "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
     "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""},
    {"J\xc3\xa4s\xc3\xb8n Doe", "api@example.org", "Secret, or not?", "GET",
     "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", "
     "realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-512-256, "
     "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, "
     "cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", qop=auth, "
     "response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\", "
     "userhash=true"},
    {"Mufasa", "testrealm@host.com", "Circle Of Life", "GET",
     "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
     "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, "
     "nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", "
     "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""},
    {"Mufasa", "testrealm@host.com", "CircleOfLife", "GET",
     "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
     "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
     "response=\"1949323746fe6a43ef61f9606e7febea\""},
};

#define SIP_HEAD                                                                                   \
    "Digest username=\"bob\",realm=\"example.com\",nonce=\"84a4cc6f3082121f32b42a2187831a9e\","    \
    "uri=\"sip:example.com\""
#define SIP_QOP ",nc=00000001,cnonce=\"0a4f113b\""
static const struct vector sip[] = {
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD ",response=\"6c9046bd7cc02bc45edcc1b8ec3fa963\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=auth,response=\"c59c89b9d8cf6fd43d049dba657d931b\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=\"auth\",response=\"C59C89B9D8CF6FD43D049DBA657D931B\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=auth-int,response=\"f082413f66f8f98d126095148842a1b7\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=auth,algorithm=MD5-sess,response=\"6cd9c58bd6217cd18d25bf47cd9af442\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=auth,algorithm=sha-256,response="
                      "\"43c2c64ac51a1cb21655b7da95331c620fd41300b6b55e8a29b32859faa68208\""},
    {"bob", "example.com", "zanzibar", "REGISTER",
     SIP_HEAD SIP_QOP ",qop=auth,algorithm=SHA-512-256,response="
                      "\"6286dcb2849974c33566e2815064d2363749d73dc12c42cc1731d567beeba322\""},
};

static struct digest_engine *engine;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    engine = digest_engine_open();
    arena_init(&arena, NULL, 0, 1 << 20);
    return engine ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    digest_engine_close(engine);
    arena_reset(&arena);
    return 0;
}

static enum digest_parsed parse(const char *header, struct digest *d)
{
    return digest_parse(slice_str(header), &arena, d);
}

#define assert_slice(got, want) assert_true(slice_eq((got), slice_str(want)))

static bool verifies(const struct vector *v)
{
    struct digest d;
    struct credentials c;
    assert_int_equal(parse(v->header, &d), DIGEST_OK);
    assert_true(credentials_from_password(slice_str(v->user), slice_str(v->realm),
                                          slice_str(v->password), &c));
    assert_true(c.have & 1u << d.algorithm);
    if (d.userhash)
        assert_true(digest_userhash_matches(engine, &d, slice_str(v->user)));
    return digest_verify(engine, &d, c.ha1[d.algorithm], slice_str(v->method), SLICE_NONE);
}

static void rfc7616_3_9_rfc2617_3_5_and_rfc2069_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!verifies(&right[i]))
            fail_msg("%s", right[i].header);
}

static void digests_of_a_register(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sip / sizeof *sip; i++)
        if (!verifies(&sip[i]))
            fail_msg("%s", sip[i].header);
}

static void another_password_method_or_response_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sip / sizeof *sip; i++) {
        struct vector v = sip[i];
        v.password = "Zanzibar";
        assert_false(verifies(&v));
        v = sip[i];
        v.method = "INVITE";
        assert_false(verifies(&v));
        v = sip[i];
        v.realm = "example.org";
        assert_false(verifies(&v));
        // each hex digit of the response counts
        char header[512];
        size_t n = strlen(sip[i].header), start = n - 1;
        while (sip[i].header[start - 1] != '"')
            start--;
        for (size_t at = start; at < n - 1; at++) {
            memcpy(header, sip[i].header, n + 1);
            header[at] = header[at] == '0' ? '1' : '0';
            v = sip[i];
            v.header = header;
            assert_false(verifies(&v));
        }
    }
}

static void a_response_of_the_wrong_length_or_no_hex_is_wrong(void **state)
{
    (void)state;
    static const char *const responses[] = {
        "", "6c9046bd7cc02bc45edcc1b8ec3fa96", "6c9046bd7cc02bc45edcc1b8ec3fa9633",
        "6c9046bd7cc02bc45edcc1b8ec3fa96g", "6c9046bd7cc02bc45edcc1b8ec3fa9 3"};
    for (size_t i = 0; i < sizeof responses / sizeof *responses; i++) {
        char header[512];
        snprintf(header, sizeof header, SIP_HEAD ",response=\"%s\"", responses[i]);
        struct vector v = sip[0];
        v.header = header;
        assert_false(verifies(&v));
    }
}

static void rfc7616_3_5_rspauth_has_no_method(void **state)
{
    (void)state;
    struct digest d;
    struct credentials c;
    char out[64];
    assert_int_equal(parse(sip[1].header, &d), DIGEST_OK);
    assert_true(
        credentials_from_password(SLICE("bob"), SLICE("example.com"), SLICE("zanzibar"), &c));
    digest_rspauth(engine, &d, c.ha1[ALGORITHM_MD5], out);
    // the same as a response to a request whose method is empty
    d.response = slice_of(out, 32);
    assert_true(digest_verify(engine, &d, c.ha1[ALGORITHM_MD5], SLICE_NONE, SLICE_NONE));
    assert_false(digest_verify(engine, &d, c.ha1[ALGORITHM_MD5], SLICE("REGISTER"), SLICE_NONE));
}

static void an_unknown_user_costs_the_same_and_never_verifies(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    struct digest_engine *another = digest_engine_open();
    const uint8_t *first = digest_dummy_ha1(engine);
    assert_memory_not_equal(first, zeros, 32);
    assert_memory_not_equal(first, digest_dummy_ha1(another), 32);
    digest_engine_close(another);
    struct digest d;
    assert_int_equal(parse(sip[0].header, &d), DIGEST_OK);
    assert_false(digest_verify(engine, &d, first, SLICE("REGISTER"), SLICE_NONE));
}

static void userhash_is_compared_with_the_hash_of_name_and_realm(void **state)
{
    (void)state;
    struct digest d;
    assert_int_equal(parse(right[2].header, &d), DIGEST_OK);
    assert_true(d.userhash);
    assert_false(digest_userhash_matches(engine, &d, SLICE("Jason Doe")));
    d.username = SLICE("J\xc3\xa4s\xc3\xb8n Doe"); // the plain name is not the hash
    assert_false(digest_userhash_matches(engine, &d, SLICE("J\xc3\xa4s\xc3\xb8n Doe")));
}

// ---- Headers ------------------------------------------------------------------------------------

static void the_header_of_the_field_report_is_taken_apart(void **state)
{
    (void)state;
    struct digest d;
    assert_int_equal(parse("Digest username=\"1008\", realm=\"192.168.1.173\", nonce=\"\", "
                           "uri=\"sip:192.168.1.173\", response=\"\"",
                           &d),
                     DIGEST_OK);
    assert_slice(d.username, "1008");
    assert_slice(d.realm, "192.168.1.173");
    assert_slice(d.uri, "sip:192.168.1.173");
    assert_true(d.has_nonce && d.nonce.n == 0 && d.has_response && d.response.n == 0);
    assert_false(d.has_qop || d.has_nc || d.has_cnonce);
}

static void names_blanks_and_quotes_are_free(void **state)
{
    (void)state;
    struct digest d;
    assert_int_equal(parse(" dIgEsT\t USERNAME = \"a\\\"b\\\\c\" ,\r\n ,realm=r ,NC=0000000A, "
                           "qop=auth,cnonce=c,ext-1=\"x,y=z\",algorithm=\"MD5\"",
                           &d),
                     DIGEST_OK);
    assert_slice(d.username, "a\"b\\c");
    assert_slice(d.realm, "r");
    assert_int_equal(d.nc, 10);
    assert_slice(d.nc_text, "0000000A");
}

static void malformed_headers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Digest ",
        "Digest ,",
        "Digest username",
        "Digest username=",
        "Digest =\"a\"",
        "Digest username=\"a",
        "Digest username=\"a\\\"",
        "Digest username=\"a\" realm=\"b\"",
        "Digest username=\"a\"x",
        "Digest username=\"a\";realm=\"b\"",
        "Digest username=\"a\", username=\"a\"",
        "Digest realm=\"a\", Realm=\"a\"",
        "Digest algorithm=MD5, algorithm=MD5",
        "Digest opaque=a, opaque=a",
        "Digest userhash=true, userhash=true",
        "Digest nc=1",
        "Digest nc=000000001",
        "Digest nc=0000000g",
        "Digest qop=auth, nc=00000001",
        "Digest qop=auth, cnonce=\"x\"",
        "Digest qop=auth, cnonce=\"x\", nc=00000000",
    };
    struct digest d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &d) != DIGEST_MALFORMED)
            fail_msg("%s", bad[i]);
    char many[1024];
    struct buf b = buf_over(many, sizeof many - 1);
    BUF_LIT(&b, "Digest a0=1");
    for (int i = 1; i < 33; i++)
        buf_printf(&b, ",a%d=1", i);
    many[b.n] = '\0';
    assert_int_equal(parse(many, &d), DIGEST_MALFORMED);
}

static void other_schemes_and_algorithms_are_told_apart(void **state)
{
    (void)state;
    struct digest d;
    static const char *const others[] = {
        "Bearer abc", "Basic YTpi", "DigestX a=b",
        "Digest",     "",           "NoOneKnowsThisScheme opaque-data=here"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(parse(others[i], &d), DIGEST_OTHER_SCHEME);
    static const char *const unknown[] = {"SHA-1", "MD5-", "-sess", "MD5-sess-sess", "AKAv1-MD5"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char header[64];
        snprintf(header, sizeof header, "Digest username=\"a\", algorithm=%s", unknown[i]);
        assert_int_equal(parse(header, &d), DIGEST_UNKNOWN_ALGORITHM);
    }
    assert_int_equal(parse("Digest username=\"a\", algorithm=sha-512-256-SESS", &d), DIGEST_OK);
    assert_int_equal(d.algorithm, ALGORITHM_SHA512_256);
    assert_true(d.sess);
    assert_int_equal(parse("Digest username=\"a\"", &d), DIGEST_OK);
    assert_int_equal(d.algorithm, ALGORITHM_MD5);
    assert_false(d.sess);
}

static void rfc7616_3_4_4_username_with_a_star_is_utf_8_by_rfc_5987(void **state)
{
    (void)state;
    struct digest d;
    assert_int_equal(parse("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=\"r\"", &d),
                     DIGEST_OK);
    assert_true(d.has_username);
    assert_slice(d.username, "J\xc3\xa4s\xc3\xb8n Doe");
    assert_int_equal(parse("Digest username*=utf-8'en-GB'bob, userhash=false", &d), DIGEST_OK);
    assert_slice(d.username, "bob");
    static const char *const bad[] = {
        "Digest username*=UTF-8''a, username=\"a\"",
        "Digest username=\"a\", username*=UTF-8''a",
        "Digest username*=UTF-8''a, username*=UTF-8''a",
        "Digest username*=UTF-8''a, userhash=true",
        "Digest username*=ISO-8859-1''a",
        "Digest username*=UTF-8'a",
        "Digest username*=a",
        "Digest username*=UTF-8''a%4",
        "Digest username*=UTF-8''a%gg",
        "Digest username*=UTF-8''a\xc3\xa4",
        "Digest username*=UTF-8''a%00b",
        "Digest username*=\"UTF-8''a\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &d) != DIGEST_MALFORMED)
            fail_msg("%s", bad[i]);
}

static void without_memory_a_header_is_malformed(void **state)
{
    (void)state;
    struct arena none;
    struct digest d;
    arena_init(&none, NULL, 0, 0);
    assert_int_equal(digest_parse(SLICE("Digest username=\"a\\\"b\""), &none, &d),
                     DIGEST_MALFORMED);
    assert_int_equal(digest_parse(SLICE("Digest username*=UTF-8''a%20b"), &none, &d),
                     DIGEST_MALFORMED);
    assert_int_equal(digest_parse(SLICE("Digest username=\"ab\""), &none, &d), DIGEST_OK);
}

// ---- Challenges ---------------------------------------------------------------------------------

static void rfc7616_3_3_the_text_of_a_challenge(void **state)
{
    (void)state;
    char text[256];
    struct buf b = buf_over(text, sizeof text);
    digest_challenge(&b, SLICE("example.com"), SLICE("n0"), ALGORITHM_MD5, false);
    assert_slice(buf_slice(&b),
                 "Digest realm=\"example.com\", nonce=\"n0\", algorithm=MD5, qop=\"auth\"");
    b = buf_over(text, sizeof text);
    digest_challenge(&b, SLICE("a\"b\\c"), SLICE("n"), ALGORITHM_SHA512_256, true);
    assert_slice(buf_slice(&b), "Digest realm=\"a\\\"b\\\\c\", nonce=\"n\", "
                                "algorithm=SHA-512-256, qop=\"auth\", stale=true");
    b = buf_over(text, sizeof text);
    digest_challenge(&b, SLICE("r"), SLICE("n"), ALGORITHM_SHA256, false);
    assert_slice(buf_slice(&b), "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc7616_3_9_rfc2617_3_5_and_rfc2069_vectors),
        cmocka_unit_test(digests_of_a_register),
        cmocka_unit_test(another_password_method_or_response_is_wrong),
        cmocka_unit_test(a_response_of_the_wrong_length_or_no_hex_is_wrong),
        cmocka_unit_test(rfc7616_3_5_rspauth_has_no_method),
        cmocka_unit_test(an_unknown_user_costs_the_same_and_never_verifies),
        cmocka_unit_test(userhash_is_compared_with_the_hash_of_name_and_realm),
        cmocka_unit_test(the_header_of_the_field_report_is_taken_apart),
        cmocka_unit_test(names_blanks_and_quotes_are_free),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(other_schemes_and_algorithms_are_told_apart),
        cmocka_unit_test(rfc7616_3_4_4_username_with_a_star_is_utf_8_by_rfc_5987),
        cmocka_unit_test(without_memory_a_header_is_malformed),
        cmocka_unit_test(rfc7616_3_3_the_text_of_a_challenge),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
