// SPDX-License-Identifier: Apache-2.0
// The messages of RFC 4475 and RFC 5118: what each one is to the parser of a registrar, and what
// the careless make of it.
#include "tests/unit/sip_parsed.h"

struct row {
    const char *name, *section;
    enum sip_parsed result;
    unsigned status;        // of FAULTY
    enum sip_method method; // of PARSED
    size_t vias, contacts;  // of PARSED
};

#define P(m, vias, contacts) SIP_PARSED, 0, SIP_##m, vias, contacts
#define F(status)            SIP_FAULTY, status, SIP_OTHER, 0, 0
#define RESPONSE             SIP_RESPONSE, 0, SIP_OTHER, 0, 0

static const struct row rfc4475[] = {
    {"wsinv", "3.1.1.1", P(INVITE, 3, 1)},
    {"intmeth", "3.1.1.2", P(OTHER, 1, 0)},
    {"esc01", "3.1.1.3", P(INVITE, 1, 1)},
    {"escnull", "3.1.1.4", P(REGISTER, 1, 2)},
    {"esc02", "3.1.1.5", P(OTHER, 1, 2)},
    {"lwsdisp", "3.1.1.6", P(OPTIONS, 1, 0)},
    {"longreq", "3.1.1.7", P(INVITE, 34, 1)},
    {"dblreq", "3.1.1.8", P(REGISTER, 1, 1)},
    {"semiuri", "3.1.1.9", P(OPTIONS, 1, 0)},
    {"transports", "3.1.1.10", P(OPTIONS, 5, 0)},
    {"mpart01", "3.1.1.11", P(MESSAGE, 1, 1)},
    {"unreason", "3.1.1.12", RESPONSE},
    {"noreason", "3.1.1.13", RESPONSE},
    {"badinv01", "3.1.2.1", F(400)},
    {"clerr", "3.1.2.2", F(400)},
    {"ncl", "3.1.2.3", F(400)},
    {"scalar02", "3.1.2.4", F(400)},
    {"scalarlg", "3.1.2.5", RESPONSE},
    {"quotbal", "3.1.2.6", F(400)},
    {"ltgtruri", "3.1.2.7", F(400)},
    {"lwsruri", "3.1.2.8", F(400)},
    {"lwsstart", "3.1.2.9", F(400)},
    {"trws", "3.1.2.10", F(400)},
    {"escruri", "3.1.2.11", F(400)},
    {"baddate", "3.1.2.12", P(INVITE, 1, 1)},
    {"regbadct", "3.1.2.13", F(400)},
    {"badaspec", "3.1.2.14", F(400)},
    {"baddn", "3.1.2.15", F(400)},
    {"badvers", "3.1.2.16", F(505)},
    {"mismatch01", "3.1.2.17", F(400)},
    {"mismatch02", "3.1.2.18", F(400)},
    {"bigcode", "3.1.2.19", RESPONSE},
    {"badbranch", "3.2.1", P(OPTIONS, 1, 0)},
    {"insuf", "3.3.1", F(400)},
    {"unkscm", "3.3.2", P(OPTIONS, 1, 0)},
    {"novelsc", "3.3.3", P(OPTIONS, 1, 0)},
    {"unksm2", "3.3.4", P(REGISTER, 1, 1)},
    {"bext01", "3.3.5", P(OPTIONS, 1, 0)},
    {"invut", "3.3.6", P(INVITE, 1, 1)},
    {"regaut01", "3.3.7", P(REGISTER, 1, 0)},
    {"multi01", "3.3.8", F(400)},
    {"mcl01", "3.3.9", F(400)},
    {"bcast", "3.3.10", RESPONSE},
    {"zeromf", "3.3.11", P(OPTIONS, 1, 0)},
    {"cparam01", "3.3.12", P(REGISTER, 1, 1)},
    {"cparam02", "3.3.13", P(REGISTER, 1, 1)},
    {"regescrt", "3.3.14", P(REGISTER, 1, 1)},
    {"sdp01", "3.3.15", P(INVITE, 1, 1)},
    {"inv2543", "3.4.1", P(INVITE, 1, 0)},
};

static const struct row rfc5118[] = {
    {"ipv6-good", "4.1", P(REGISTER, 1, 1)},
    {"ipv6-bad", "4.2", F(400)},
    {"port-ambiguous", "4.3", P(REGISTER, 1, 1)},
    {"port-unambiguous", "4.4", P(REGISTER, 1, 1)},
    {"via-received-param-with-delim", "4.5", P(BYE, 1, 0)},
    {"via-received-param-no-delim", "4.5", P(OPTIONS, 1, 1)},
    {"ipv6-in-sdp", "4.6", P(INVITE, 1, 1)},
    {"mult-ip-in-header", "4.7", P(BYE, 3, 0)},
    {"mult-ip-in-sdp", "4.8", P(INVITE, 1, 1)},
    {"ipv4-mapped-ipv6", "4.9", P(INVITE, 2, 1)},
    {"ipv6-bug-abnf-3-colons", "4.10", P(OPTIONS, 1, 0)},
    {"ipv6-correct-abnf-2-colons", "4.10", P(OPTIONS, 1, 0)},
};

static void check(const char *folder, const struct row *row)
{
    char name[128];
    snprintf(name, sizeof name, "%s/%s", folder, row->name);
    struct parsed *p = parse_vector(name);
    if (p->result != row->result)
        fail_msg("%s (%s): %d, fault %u %.*s", name, row->section, p->result, p->fault.status,
                 SLICE_FMT(p->fault.phrase));
    if (row->result == SIP_FAULTY && p->fault.status != row->status)
        fail_msg("%s (%s): %u %.*s", name, row->section, p->fault.status,
                 SLICE_FMT(p->fault.phrase));
    if (row->result == SIP_PARSED && (p->req.method != row->method || p->req.n_vias != row->vias ||
                                      p->req.n_contacts != row->contacts))
        fail_msg("%s (%s): method %d, %zu Vias, %zu Contacts", name, row->section, p->req.method,
                 p->req.n_vias, p->req.n_contacts);
    parsed_free(p);
}

static void rfc4475_each_message_comes_to_what_the_rfc_says(void **state)
{
    (void)state;
    assert_int_equal(sizeof rfc4475 / sizeof *rfc4475, 49);
    for (size_t i = 0; i < sizeof rfc4475 / sizeof *rfc4475; i++)
        check("rfc4475", &rfc4475[i]);
}

static void rfc5118_each_message_comes_to_what_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc5118 / sizeof *rfc5118; i++)
        check("rfc5118", &rfc5118[i]);
}

static void rfc4475_3_1_1_1_folding_and_blanks_change_no_value(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/wsinv");
    assert_slice(p->req.ruri_text, "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_slice(p->req.to.uri_text, "sip:vivekg@chair-dnrc.example.com");
    assert_slice(p->req.to.tag, "1918181833n");
    assert_slice(p->req.from.tag, "98asjd8");
    assert_int_equal(p->req.cseq, 9);
    assert_int_equal(p->req.max_forwards, 68);
    assert_slice(p->req.via[0].host, "192.0.2.2");
    assert_slice(p->req.via[0].branch, "390skdjuw");
    assert_slice(p->req.via[1].transport, "TCP");
    assert_slice(p->req.via[1].host, "spindle.example.com");
    assert_slice(p->req.via[1].branch, "z9hG4bK9ikj8");
    assert_slice(p->req.via[2].branch, "z9hG4bK30239");
    assert_int_equal(p->req.contacts[0].q, 330);
    assert_slice(p->req.contacts[0].addr.uri_text, "sip:jdrosen@example.com");
    parsed_free(p);
}

static void rfc4475_3_1_1_4_escaped_nuls_cut_no_name_short(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/escnull");
    assert_slice(p->req.to.uri.user, "null-%00-null");
    assert_slice(p->req.contacts[0].addr.uri.user, "%00");
    assert_slice(p->req.contacts[1].addr.uri.user, "%00%00");
    assert_false(sip_uri_equal(&p->req.contacts[0].addr.uri, &p->req.contacts[1].addr.uri));
    parsed_free(p);
}

static void rfc4475_3_1_1_5_an_escaped_method_is_not_register(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/esc02");
    assert_slice(p->req.method_text, "RE%47IST%45R");
    assert_int_equal(p->req.method, SIP_OTHER);
    parsed_free(p);
}

static void rfc4475_3_1_1_8_what_follows_the_message_in_a_datagram_is_ignored(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/dblreq");
    assert_true(p->req.raw.n < 750);
    assert_null(memmem(p->req.raw.p, p->req.raw.n, "INVITE", 6));
    assert_slice(slice_from(p->req.raw, p->req.raw.n - 4), "\r\n\r\n");
    assert_slice(p->req.contacts[0].addr.uri_text, "sip:j.user@host.example.com");
    parsed_free(p);
}

static void rfc4475_3_1_1_9_semicolons_in_a_user_part_are_no_parameters(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/semiuri");
    assert_slice(p->req.ruri.user, "user;par=u%40example.net");
    assert_slice(p->req.ruri.host, "example.com");
    parsed_free(p);
}

static void rfc4475_3_3_1_without_to_from_and_call_id_a_400_has_what_is_there(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/insuf");
    assert_true(p->fault.answerable);
    assert_int_equal(p->req.call_id.n, 0);
    parsed_free(p);
}

static void rfc4475_3_1_2_faulty_messages_can_be_answered(void **state)
{
    (void)state;
    static const char *const names[] = {"badinv01", "clerr",    "ncl",     "scalar02",   "lwsruri",
                                        "escruri",  "regbadct", "badvers", "mismatch01", "mcl01"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "rfc4475/%s", names[i]);
        struct parsed *p = parse_vector(name);
        if (!p->fault.answerable)
            fail_msg("%s is not answerable", name);
        parsed_free(p);
    }
}

static void rfc4475_3_3_unknown_schemes_parse_and_are_named_so(void **state)
{
    (void)state;
    static const char *const names[] = {"rfc4475/unkscm", "rfc4475/novelsc"};
    for (size_t i = 0; i < 2; i++) {
        struct parsed *p = parse_vector(names[i]);
        assert_true(p->req.ruri_ok);
        assert_int_equal(p->req.ruri.scheme, URI_OTHER);
        parsed_free(p);
    }
    struct parsed *p = parse_vector("rfc4475/unksm2");
    assert_int_equal(p->req.ruri.scheme, URI_SIP);
    assert_int_equal(p->req.to.uri.scheme, URI_OTHER);
    parsed_free(p);
}

static void rfc4475_3_3_5_only_require_is_ours_to_judge(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/bext01");
    assert_int_equal(p->req.n_require, 2);
    assert_slice(p->req.require[0], "nothingSupportsThis");
    assert_slice(p->req.require[1], "nothingSupportsThisEither");
    parsed_free(p);
}

static void rfc4475_3_3_7_an_unknown_scheme_of_credentials_is_kept(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/regaut01");
    assert_int_equal(p->req.n_authorizations, 1);
    assert_true(slice_starts(p->req.authorization[0], SLICE("NoOneKnowsThisScheme ")));
    parsed_free(p);
}

static void rfc4475_3_3_12_to_14_parameters_stay_on_their_side_of_the_bracket(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc4475/cparam01");
    assert_slice(p->req.contacts[0].addr.uri_text, "sip:+19725552222@gw1.example.net");
    assert_slice(p->req.contacts[0].params, ";unknownparam");
    parsed_free(p);
    p = parse_vector("rfc4475/cparam02");
    assert_slice(p->req.contacts[0].addr.uri_text, "sip:+19725552222@gw1.example.net;unknownparam");
    assert_slice(p->req.contacts[0].params, "");
    parsed_free(p);
    p = parse_vector("rfc4475/regescrt");
    assert_slice(p->req.contacts[0].addr.uri_text,
                 "sip:user@example.com?Route=%3Csip:sip.example.com%3E");
    parsed_free(p);
}

static void rfc5118_4_3_and_4_4_a_port_is_outside_the_brackets(void **state)
{
    (void)state;
    struct parsed *p = parse_vector("rfc5118/port-ambiguous");
    assert_slice(p->req.ruri.host, "[2001:db8::10:5070]");
    assert_int_equal(p->req.ruri.port, 0);
    parsed_free(p);
    p = parse_vector("rfc5118/port-unambiguous");
    assert_slice(p->req.ruri.host, "[2001:db8::10]");
    assert_int_equal(p->req.ruri.port, 5070);
    parsed_free(p);
}

static void rfc5118_4_5_received_comes_with_and_without_brackets(void **state)
{
    (void)state;
    static const char *const names[] = {"rfc5118/via-received-param-with-delim",
                                        "rfc5118/via-received-param-no-delim"};
    for (size_t i = 0; i < 2; i++) {
        struct parsed *p = parse_vector(names[i]);
        struct address a, b;
        assert_true(address_parse(p->req.via[0].received, &a));
        assert_true(address_parse(SLICE("2001:db8::9:255"), &b));
        assert_true(address_same_host(&a, &b));
        parsed_free(p);
    }
}

static void rfc5118_4_10_three_colons_mean_two(void **state)
{
    (void)state;
    struct parsed *three = parse_vector("rfc5118/ipv6-bug-abnf-3-colons");
    struct parsed *two = parse_vector("rfc5118/ipv6-correct-abnf-2-colons");
    assert_true(sip_uri_equal(&three->req.ruri, &two->req.ruri));
    parsed_free(three);
    parsed_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4475_each_message_comes_to_what_the_rfc_says),
        cmocka_unit_test(rfc5118_each_message_comes_to_what_the_rfc_says),
        cmocka_unit_test(rfc4475_3_1_1_1_folding_and_blanks_change_no_value),
        cmocka_unit_test(rfc4475_3_1_1_4_escaped_nuls_cut_no_name_short),
        cmocka_unit_test(rfc4475_3_1_1_5_an_escaped_method_is_not_register),
        cmocka_unit_test(rfc4475_3_1_1_8_what_follows_the_message_in_a_datagram_is_ignored),
        cmocka_unit_test(rfc4475_3_1_1_9_semicolons_in_a_user_part_are_no_parameters),
        cmocka_unit_test(rfc4475_3_3_1_without_to_from_and_call_id_a_400_has_what_is_there),
        cmocka_unit_test(rfc4475_3_1_2_faulty_messages_can_be_answered),
        cmocka_unit_test(rfc4475_3_3_unknown_schemes_parse_and_are_named_so),
        cmocka_unit_test(rfc4475_3_3_5_only_require_is_ours_to_judge),
        cmocka_unit_test(rfc4475_3_3_7_an_unknown_scheme_of_credentials_is_kept),
        cmocka_unit_test(rfc4475_3_3_12_to_14_parameters_stay_on_their_side_of_the_bracket),
        cmocka_unit_test(rfc5118_4_3_and_4_4_a_port_is_outside_the_brackets),
        cmocka_unit_test(rfc5118_4_5_received_comes_with_and_without_brackets),
        cmocka_unit_test(rfc5118_4_10_three_colons_mean_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
