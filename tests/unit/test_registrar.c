// SPDX-License-Identifier: Apache-2.0
// RFC 3261 section 10.3, steps 6 to 8, and 10.2 where it says what they mean.
#include "tests/unit/registrar_world.h"

static void rfc3261_10_3_step_7_expires_comes_from_the_contact_the_header_or_the_default(void **s)
{
    (void)s;
    static const struct {
        const char *headers, *shown;
    } rows[] = {
        {"Contact: <sip:a@h>", "*sip:a@h=3600"},
        {"Contact: <sip:a@h>\r\nExpires: 120", "*sip:a@h=120"},
        {"Contact: <sip:a@h>;expires=90\r\nExpires: 120", "*sip:a@h=90"},
        {"Contact: <sip:a@h>;expires=90, <sip:b@h>\r\nExpires: 120", "*sip:a@h=90 sip:b@h=120"},
        {"Contact: <sip:a@h>;expires=90\r\nContact: <sip:b@h>;EXPIRES = 91",
         "*sip:a@h=90 sip:b@h=91"},
        {"Contact: sip:a@h;expires=90", "*sip:a@h=90"},
        // 10.2.1.1, 20.10, 20.19: what is malformed is an hour
        {"Contact: <sip:a@h>;expires=soon", "*sip:a@h=3600"},
        {"Contact: <sip:a@h>;expires", "*sip:a@h=3600"},
        {"Contact: <sip:a@h>;expires=-1", "*sip:a@h=3600"},
        {"Contact: <sip:a@h>;expires=4294967296", "*sip:a@h=3600"},
        {"Contact: <sip:a@h>\r\nExpires: Thu, 01 Dec 1994 16:00:00 GMT", "*sip:a@h=3600"},
        // too long is shortened
        {"Contact: <sip:a@h>;expires=4294967295", "*sip:a@h=7200"},
        {"Contact: <sip:a@h>;expires=7201", "*sip:a@h=7200"},
        {"Contact: <sip:a@h>;expires=0060", "*sip:a@h=60"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        assert_int_equal(reg(&w, "c", 1, rows[i].headers), 200);
        assert_string_equal(shown(&w), rows[i].shown);
        world_close(&w);
    }
}

static void rfc3261_10_3_step_7_too_brief_is_423_with_the_minimum_and_changes_nothing(void **s)
{
    (void)s;
    static const struct {
        const char *headers;
        uint32_t min, status;
    } rows[] = {
        {"Contact: <sip:a@h>;expires=59", 60, 423},
        {"Contact: <sip:a@h>\r\nExpires: 1", 60, 423},
        {"Contact: <sip:a@h>, <sip:b@h>;expires=59", 60, 423},
        {"Contact: <sip:a@h>;expires=60", 60, 200},
        {"Contact: <sip:a@h>;expires=0", 60, 200},      // a removal is never too brief
        {"Contact: <sip:a@h>;expires=3600", 7200, 200}, // an hour is never too brief
        {"Contact: <sip:a@h>;expires=3599", 7200, 423},
        {"Contact: <sip:a@h>;expires=soon", 7200, 200}, // counts as an hour
        {"Contact: <sip:a@h>", 7200, 200},              // not the client's choice
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        w.policy.min_expires = rows[i].min;
        assert_int_equal(reg(&w, "c", 1, rows[i].headers), rows[i].status);
        if (rows[i].status == 423) {
            assert_int_equal(w.answer.min_expires, rows[i].min);
            assert_int_equal(w.answer.reason, REASON_INTERVAL_TOO_BRIEF);
            assert_int_equal(w.set.n, 0);
        }
        world_close(&w);
    }
}

static void a_default_below_the_minimum_is_no_answer_to_brevity(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.default_expires = 30;
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 200);
    assert_string_equal(shown(&w), "*sip:a@h=30");
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>;expires=30"), 423);
    world_close(&w);
}

static void what_is_granted_is_never_more_than_what_was_asked(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.expires_jitter_percent = 20;
    bool spread = false;
    for (unsigned i = 0; i < 50; i++) {
        char headers[64];
        snprintf(headers, sizeof headers, "Contact: <sip:a%u@h>;expires=1000", i);
        w.policy.jitter_seed = i * 0x9e3779b97f4a7c15;
        w.set.n = 0;
        assert_int_equal(reg(&w, "c", 1, headers), 200);
        int64_t granted = (w.set.items[0].expires_at_ms - w.now_ms) / 1000;
        assert_in_range(granted, 800, 1000);
        spread |= granted != 1000;
        // a second run of the same request decides the same
        struct binding first = w.set.items[0];
        w.set.n = 0;
        assert_int_equal(reg(&w, "c", 1, headers), 200);
        assert_int_equal(w.set.items[0].expires_at_ms, first.expires_at_ms);
    }
    assert_true(spread);
    world_close(&w);
}

static void nat_max_expires_caps_phones_behind_nat_only(void **s)
{
    (void)s;
    static const struct {
        const char *contact, *received;
        bool behind_proxy, capped;
    } rows[] = {
        {"<sip:a@10.0.0.9>", NULL, false, true},
        {"<sip:a@192.0.2.1:40000>", NULL, false, false},
        {"<sip:a@[2001:db8::1]>", NULL, false, true},
        {"<sip:a@phone.example>", NULL, false, false},
        {"<sip:a@x7.invalid;transport=ws>", NULL, false, true},
        {"<sip:a@10.0.0.9>", NULL, true, false}, // nobody says where the phone is
        {"<sip:a@10.0.0.9>", "198.51.100.4", true, true},
        {"<sip:a@198.51.100.4>", "198.51.100.4", true, false},
        {"<tel:+15551234>", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char headers[128];
        world_open(&w);
        w.policy.nat_max_expires = 30; // below the minimum on purpose: it is no answer to brevity
        w.behind_proxy = rows[i].behind_proxy;
        if (rows[i].received)
            assert_true(address_parse(slice_str(rows[i].received), &w.received));
        snprintf(headers, sizeof headers, "Contact: %s;expires=600", rows[i].contact);
        assert_int_equal(reg(&w, "c", 1, headers), 200);
        assert_int_equal((w.set.items[0].expires_at_ms - w.now_ms) / 1000,
                         rows[i].capped ? 30 : 600);
        assert_int_equal(!!(w.set.items[0].flags & BINDING_NAT), rows[i].capped);
        world_close(&w);
    }
}

static void rfc3261_10_3_step_7_a_refresh_is_the_same_binding(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>;expires=600;x=1"), 200);
    struct binding first = w.set.items[0];
    w.now_ms += 300000;
    assert_int_equal(reg(&w, "c", 2, "Contact: \"A\" <SIP:a@H>;expires=600;q=0.5;y"), 200);
    assert_string_equal(shown(&w), "*SIP:a@H=600");
    assert_int_equal(w.set.items[0].id, first.id);
    assert_int_equal(w.set.items[0].registered_at_ms, first.registered_at_ms);
    assert_int_equal(w.set.items[0].refreshed_at_ms, w.now_ms);
    assert_int_equal(w.set.items[0].cseq, 2);
    assert_int_equal(w.set.items[0].q, 500);
    assert_slice(w.set.items[0].params, ";y");
    world_close(&w);
}

static void rfc3261_10_3_step_7_uris_are_matched_by_19_1_4(void **s)
{
    (void)s;
    static const struct {
        const char *first, *second;
        size_t n;
    } rows[] = {
        {"sip:a@h", "sip:a@H", 1},           {"sip:a@h", "sip:A@h", 2},
        {"sip:a@h", "sip:a@h:5060", 2},      {"sip:a@h", "sips:a@h", 2},
        {"sip:%61@h", "sip:a@h", 1},         {"sip:a@h;transport=udp", "sip:a@h", 2},
        {"sip:a@h;x=1", "sip:a@h", 1},       {"sip:a@h;x=1", "sip:a@h;x=2", 2},
        {"sip:a@h;ob", "sip:a@h;line=7", 1}, {"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]", 1},
        {"tel:+1-555", "tel:+1555", 1},      {"mailto:a@h", "mailto:A@h", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char headers[128];
        world_open(&w);
        snprintf(headers, sizeof headers, "Contact: <%s>", rows[i].first);
        assert_int_equal(reg(&w, "c", 1, headers), 200);
        snprintf(headers, sizeof headers, "Contact: <%s>", rows[i].second);
        assert_int_equal(reg(&w, "c", 2, headers), 200);
        if (w.set.n != rows[i].n)
            fail_msg("%s and %s: %zu bindings", rows[i].first, rows[i].second, w.set.n);
        world_close(&w);
    }
}

// Equality is not transitive: of several that are equal, the one with the same text is meant.
static void of_several_equal_uris_the_same_text_is_matched(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h;s=on>, <sip:a@h;s=off>"), 200);
    assert_int_equal(w.set.n, 2);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h;s=off>;expires=60"), 200);
    assert_string_equal(shown(&w), "sip:a@h;s=on=3600 *sip:a@h;s=off=60");
    world_close(&w);
}

// A refresh gives the binding its own text; what is equal is asked of that from there on.
static void a_contact_is_compared_with_what_an_earlier_one_of_the_request_has_set(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h;x=1>, <sip:b@h;x=1>"), 200);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>, <sip:a@h;x=2>, <sip:b@h;x=2>"), 200);
    assert_string_equal(shown(&w), "*sip:a@h;x=2=3600 sip:b@h;x=1=3600 sip:b@h;x=2=3600");
    world_close(&w);
}

static void rfc3261_10_3_step_7_cseq_rises_within_a_call_id(void **s)
{
    (void)s;
    static const struct {
        const char *call_id;
        uint32_t cseq, status;
    } rows[] = {{"c", 11, 200}, {"c", 10, 500}, {"c", 9, 500},  {"c", 0, 500},
                {"d", 9, 200},  {"d", 0, 200},  {"C", 10, 200}, {"c", 2147483647, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        assert_int_equal(reg(&w, "c", 10, "Contact: <sip:a@h>;expires=600"), 200);
        assert_int_equal(reg(&w, rows[i].call_id, rows[i].cseq, "Contact: <sip:a@h>;expires=700"),
                         rows[i].status);
        assert_string_equal(shown(&w), rows[i].status == 200 ? "*sip:a@h=700" : "sip:a@h=600");
        if (rows[i].status == 500)
            assert_int_equal(w.answer.reason, REASON_CSEQ_OUT_OF_ORDER);
        world_close(&w);
    }
}

static void rfc3261_10_3_step_7_one_contact_out_of_order_aborts_the_whole_request(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 10, "Contact: <sip:a@h>;expires=600"), 200);
    assert_int_equal(reg(&w, "c", 9, "Contact: <sip:b@h>, <sip:a@h>;expires=700"), 500);
    assert_int_equal(reg(&w, "c", 9, "Contact: <sip:b@h>, <sip:a@h>;expires=0"), 500);
    assert_int_equal(reg(&w, "c", 10, "Contact: <sip:a@h>;expires=0"), 500);
    assert_string_equal(shown(&w), "sip:a@h=600");
    // a contact that is not there has no order to keep
    assert_int_equal(reg(&w, "c", 9, "Contact: <sip:b@h>;expires=0"), 200);
    assert_false(w.answer.changed);
    world_close(&w);
}

static void cseq_restart_takes_a_lower_cseq_with_a_newer_nonce(void **s)
{
    (void)s;
    static const struct {
        bool restart;
        int64_t nonce;
        unsigned status;
    } rows[] = {{true, 101, 200}, {true, 100, 500}, {true, 99, 500}, {false, 101, 500}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        w.policy.cseq_restart = rows[i].restart;
        w.nonce_time_ms = 100;
        assert_int_equal(reg(&w, "c", 10, "Contact: <sip:a@h>;expires=600"), 200);
        w.nonce_time_ms = rows[i].nonce;
        assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>;expires=700"), rows[i].status);
        assert_int_equal(reg(&w, "c", 1, "Contact: *\r\nExpires: 0"),
                         rows[i].status == 200 ? 500 : rows[i].status);
        world_close(&w);
    }
}

static void rfc3261_10_3_step_6_star_removes_all(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: *\r\nExpires: 0"), 200);
    assert_false(w.answer.changed);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>, <sip:b@h>"), 200);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:c@h>"), 200);
    assert_int_equal(reg(&w, "c", 3, "Contact: *\r\nExpires: 0"), 200);
    assert_true(w.answer.changed);
    assert_int_equal(w.answer.own, -1);
    assert_int_equal(w.set.n, 0);
    assert_int_equal(w.gone[GONE_UNREGISTERED], 3);
    world_close(&w);
}

static void rfc3261_10_3_step_6_star_needs_expires_0_and_a_cseq_in_order(void **s)
{
    (void)s;
    static const struct {
        uint32_t cseq;
        const char *headers;
        unsigned status;
    } rows[] = {
        {6, "Contact: *", 400},
        {6, "Contact: *\r\nExpires: 1", 400},
        {6, "Contact: *\r\nExpires: never", 400}, // counts as an hour
        {5, "Contact: *\r\nExpires: 0", 500},
        {4, "Contact: *\r\nExpires: 0", 500},
        {6, "Contact: *\r\nExpires: 000", 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        assert_int_equal(reg(&w, "d", 1, "Contact: <sip:b@h>;expires=600"), 200);
        assert_int_equal(reg(&w, "c", 5, "Contact: <sip:a@h>;expires=600"), 200);
        assert_int_equal(reg(&w, "c", rows[i].cseq, rows[i].headers), rows[i].status);
        assert_string_equal(shown(&w), rows[i].status == 200 ? "" : "sip:b@h=600 sip:a@h=600");
        world_close(&w);
    }
}

static void rfc3261_10_3_step_6_a_query_changes_nothing(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, ""), 200);
    assert_int_equal(w.answer.own, -1);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>"), 200);
    assert_int_equal(reg(&w, "c", 1, ""), 200); // no binding is touched: no order to keep
    assert_false(w.answer.changed);
    assert_int_equal(reg(&w, "c", 1, "Expires: 0"), 200);
    assert_false(w.answer.changed);
    assert_string_equal(shown(&w), "sip:a@h=3600");
    world_close(&w);
}

static void rfc3261_10_3_step_7_expires_0_removes_that_contact_only(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>, <sip:b@h>"), 200);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>;expires=0"), 200);
    assert_true(w.answer.changed);
    assert_int_equal(w.answer.own, -1);
    assert_string_equal(shown(&w), "sip:b@h=3600");
    assert_int_equal(w.gone[GONE_UNREGISTERED], 1);
    assert_int_equal(reg(&w, "c", 3, "Contact: <sip:zz@h>;expires=0"), 200);
    assert_false(w.answer.changed);
    assert_int_equal(reg(&w, "e", 1, "Contact: <sip:b@h>\r\nExpires: 0"), 200);
    assert_string_equal(shown(&w), "");
    world_close(&w);
}

static void one_request_may_remove_and_add(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 200);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>;expires=0, <sip:b@h>;expires=60"), 200);
    assert_string_equal(shown(&w), "*sip:b@h=60");
    assert_int_equal(w.gone[GONE_UNREGISTERED], 1);
    world_close(&w);
}

static void the_contacts_of_a_request_are_carried_out_in_their_order(void **s)
{
    (void)s;
    static const struct {
        const char *headers, *shown;
    } rows[] = {
        {"Contact: <sip:a@h>;expires=60, <sip:a@h>;expires=70", "*sip:a@h=70"},
        {"Contact: <sip:a@h>;expires=60, <sip:A@h>;expires=70", "*sip:a@h=60 sip:A@h=70"},
        {"Contact: <sip:a@h>;expires=60, <sip:a@h>;expires=0", ""},
        {"Contact: <sip:a@h>;expires=0, <sip:a@h>;expires=60", "*sip:a@h=60"},
        {"Contact: <sip:a@h>, <sip:b@h>, <sip:a@h>;expires=0", "*sip:b@h=3600"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int there = 0; there < 2; there++) {
            struct world w;
            world_open(&w);
            if (there)
                assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 200);
            assert_int_equal(reg(&w, "c", 2, rows[i].headers), 200);
            assert_string_equal(shown(&w), rows[i].shown);
            world_close(&w);
        }
}

static void rfc3261_10_3_step_8_the_own_contact_is_found_among_all(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 200);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:b@h>"), 200);
    assert_int_equal(reg(&w, "e", 1, "Contact: <sip:d@h>"), 200);
    assert_int_equal(reg(&w, "d", 2, "Contact: <sip:b@h>"), 200);
    assert_string_equal(shown(&w), "sip:a@h=3600 *sip:b@h=3600 sip:d@h=3600");
    // those before it that leave do not count
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>;expires=0, <sip:d@h>"), 200);
    assert_string_equal(shown(&w), "sip:b@h=3600 *sip:d@h=3600");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            rfc3261_10_3_step_7_expires_comes_from_the_contact_the_header_or_the_default),
        cmocka_unit_test(rfc3261_10_3_step_7_too_brief_is_423_with_the_minimum_and_changes_nothing),
        cmocka_unit_test(a_default_below_the_minimum_is_no_answer_to_brevity),
        cmocka_unit_test(what_is_granted_is_never_more_than_what_was_asked),
        cmocka_unit_test(nat_max_expires_caps_phones_behind_nat_only),
        cmocka_unit_test(rfc3261_10_3_step_7_a_refresh_is_the_same_binding),
        cmocka_unit_test(rfc3261_10_3_step_7_uris_are_matched_by_19_1_4),
        cmocka_unit_test(of_several_equal_uris_the_same_text_is_matched),
        cmocka_unit_test(a_contact_is_compared_with_what_an_earlier_one_of_the_request_has_set),
        cmocka_unit_test(rfc3261_10_3_step_7_cseq_rises_within_a_call_id),
        cmocka_unit_test(rfc3261_10_3_step_7_one_contact_out_of_order_aborts_the_whole_request),
        cmocka_unit_test(cseq_restart_takes_a_lower_cseq_with_a_newer_nonce),
        cmocka_unit_test(rfc3261_10_3_step_6_star_removes_all),
        cmocka_unit_test(rfc3261_10_3_step_6_star_needs_expires_0_and_a_cseq_in_order),
        cmocka_unit_test(rfc3261_10_3_step_6_a_query_changes_nothing),
        cmocka_unit_test(rfc3261_10_3_step_7_expires_0_removes_that_contact_only),
        cmocka_unit_test(one_request_may_remove_and_add),
        cmocka_unit_test(the_contacts_of_a_request_are_carried_out_in_their_order),
        cmocka_unit_test(rfc3261_10_3_step_8_the_own_contact_is_found_among_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
