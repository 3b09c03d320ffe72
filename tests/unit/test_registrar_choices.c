// SPDX-License-Identifier: Apache-2.0
// What the registrar decides where RFC 3261 leaves a choice (repeats, limits), and what RFC 5626
// and RFC 3327 add.
#include "tests/unit/registrar_world.h"

// ---- A repeat -----------------------------------------------------------------------------------

static void an_equal_cseq_with_the_same_contacts_and_expires_is_a_repeat(void **s)
{
    (void)s;
    static const struct {
        const char *first, *second;
        unsigned status;
    } rows[] = {
        {"Contact: <sip:a@h>;expires=600;x=1;q=0.5", "Contact: <sip:a@h>;expires=600;x=1;q=0.5",
         200},
        {"Contact: <sip:a@h>\r\nExpires: 600", "Contact: <sip:a@h>;expires=600", 200},
        {"Contact: <sip:a@h>, <sip:b@h>", "Contact: <sip:a@h>, <sip:b@h>", 200},
        {"Contact: <sip:a@h>, <sip:b@h>", "Contact: <sip:b@h>", 200},
        {"Contact: <sip:a@h>, <sip:b@h>;expires=0", "Contact: <sip:a@h>, <sip:b@h>;expires=0", 200},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@h>;expires=601", 500},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@h>;expires=599", 500},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@h>;expires=0", 500},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@h>;expires=600;x", 500},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@h>;expires=600;q=1", 500},
        {"Contact: <sip:a@h>;expires=600", "Contact: <sip:a@H>;expires=600", 500},
        {"Contact: <sip:a@h>", "Contact: <sip:a@h>, <sip:b@h>", 500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_open(&w);
        assert_int_equal(reg(&w, "c", 7, rows[i].first), 200);
        int64_t expires = w.set.items[0].expires_at_ms;
        w.now_ms += 5000;
        if (reg(&w, "c", 7, rows[i].second) != rows[i].status)
            fail_msg("%s, then %s: %u", rows[i].first, rows[i].second, w.answer.status);
        assert_false(w.answer.changed);
        if (rows[i].status == 200)
            assert_in_range(w.answer.own, 0, w.set.n - 1);
        assert_int_equal(w.set.items[0].expires_at_ms, expires);
        world_close(&w);
    }
}

static void a_repeat_of_a_removal_is_200_again(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@h>"), 200);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(reg(&w, "c", 8, "Contact: <sip:a@h>;expires=0"), 200);
        assert_int_equal(w.answer.changed, i == 0);
    }
    world_close(&w);
}

// What was granted less than asked is a repeat all the same: the phone asks as it did before.
static void a_repeat_is_known_when_less_was_granted_than_asked(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.nat_max_expires = 100;
    assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@10.0.0.1>;expires=9999"), 200);
    assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@10.0.0.1>;expires=9999"), 200);
    assert_false(w.answer.changed);
    w.policy.nat_max_expires = 0;
    assert_int_equal(reg(&w, "d", 7, "Contact: <sip:b@h>;expires=9999"), 200);
    assert_int_equal(reg(&w, "d", 7, "Contact: <sip:b@h>;expires=9999"), 200);
    assert_false(w.answer.changed);
    world_close(&w);
}

// The spread is set while a storm is refused and gone after the restart that the repeat is for.
static void a_repeat_is_known_when_the_spread_has_ended_or_begun(void **s)
{
    (void)s;
    for (unsigned i = 0; i < 40; i++) {
        struct world w;
        world_open(&w);
        w.policy.jitter_seed = i * 7919;
        w.policy.repeat_jitter_percent = 20;
        w.policy.expires_jitter_percent = i % 2 ? 20 : 0;
        assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@h>;expires=600"), 200);
        w.policy.expires_jitter_percent = i % 2 ? 0 : 20;
        assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@h>;expires=600"), 200);
        assert_false(w.answer.changed);
        world_close(&w);
    }
}

static void another_phone_in_between_ends_the_repeat(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@h>;expires=600"), 200);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:a@h>;expires=600"), 200);
    assert_int_equal(reg(&w, "c", 7, "Contact: <sip:a@h>;expires=600"), 200);
    assert_true(w.answer.changed); // another Call-ID: no order between them
    world_close(&w);
}

// ---- The limit ----------------------------------------------------------------------------------

static void over_the_limit_is_403_and_changes_nothing(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.max_bindings = 2;
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>, <sip:b@h>"), 200);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:c@h>"), 403);
    assert_int_equal(w.answer.reason, REASON_TOO_MANY_BINDINGS);
    assert_string_equal(shown(&w), "sip:a@h=3600 sip:b@h=3600");
    // one that makes its own room
    assert_int_equal(reg(&w, "d", 2, "Contact: <sip:c@h>, <sip:a@h>;expires=0"), 200);
    assert_string_equal(shown(&w), "sip:b@h=3600 *sip:c@h=3600");
    world_close(&w);
}

static void an_older_binding_of_the_same_instance_makes_room_first(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.max_bindings = 3;
    assert_int_equal(reg(&w, "x", 1, "Contact: <sip:a@h>;+sip.instance=\"<urn:uuid:1>\""), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "y", 1, "Contact: <sip:b@h>;+sip.instance=\"<urn:uuid:1>\""), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "z", 1, "Contact: <sip:c@h>"), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "z", 2, "Contact: <sip:d@h>;+sip.instance=\"<urn:uuid:1>\""), 200);
    assert_string_equal(shown(&w), "sip:b@h=3600 sip:c@h=3600 *sip:d@h=3600");
    assert_int_equal(w.gone[GONE_REPLACED], 1);
    world_close(&w);
}

static void then_the_oldest_of_the_same_call_id_makes_room(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.max_bindings = 3;
    assert_int_equal(reg(&w, "z", 1, "Contact: <sip:a@h>"), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "z", 2, "Contact: <sip:b@h>"), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "z", 3, "Contact: <sip:a@h>"), 200); // now the younger
    w.now_ms++;
    assert_int_equal(reg(&w, "o", 1, "Contact: <sip:c@h>"), 200);
    w.now_ms++;
    assert_int_equal(reg(&w, "z", 4, "Contact: <sip:d@h>"), 200);
    assert_string_equal(shown(&w), "sip:a@h=3600 sip:c@h=3600 *sip:d@h=3600");
    assert_int_equal(w.gone[GONE_REPLACED], 1);
    assert_int_equal(reg(&w, "p", 1, "Contact: <sip:e@h>"), 403); // nobody else's
    world_close(&w);
}

static void contacts_of_one_request_never_make_room_for_each_other(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.max_bindings = 2;
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"), 403);
    assert_int_equal(reg(&w, "c", 1,
                         "Contact: <sip:a@h>;+sip.instance=\"<u:1>\", "
                         "<sip:b@h>;+sip.instance=\"<u:1>\", <sip:c@h>;+sip.instance=\"<u:1>\""),
                     403);
    assert_int_equal(w.set.n, 0);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>"), 200);
    assert_int_equal(reg(&w, "c", 3, "Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"), 403);
    assert_string_equal(shown(&w), "sip:a@h=3600");
    world_close(&w);
}

static void no_more_bindings_than_a_record_holds(void **s)
{
    (void)s;
    struct world w;
    char headers[4096];
    world_open(&w);
    w.policy.max_bindings = 1000;
    struct buf b = buf_over(headers, sizeof headers - 1);
    for (unsigned i = 0; i < BINDINGS_MAX; i++)
        buf_printf(&b, "%s<sip:p%u@h>", i ? ", " : "Contact: ", i);
    headers[b.n] = '\0';
    assert_int_equal(reg(&w, "c", 1, headers), 200);
    assert_int_equal(w.set.n, BINDINGS_MAX);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:more@h>"), 403);
    for (char *at = headers; (at = strstr(at, "sip:p")); at++)
        at[4] = 'n';
    assert_int_equal(reg(&w, "e", 1, headers), 403);
    assert_int_equal(reg(&w, "c", 2, headers), 200); // all 64 displaced by 64 of their Call-ID
    assert_int_equal(w.set.n, BINDINGS_MAX);
    assert_int_equal(w.gone[GONE_REPLACED], BINDINGS_MAX);
    world_close(&w);
}

// The limit was lowered below what is there: phones go on, only more of them do not come.
static void a_lowered_limit_refuses_growth_and_nothing_else(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 200);
    assert_int_equal(reg(&w, "d", 1, "Contact: <sip:b@h>"), 200);
    assert_int_equal(reg(&w, "e", 1, "Contact: <sip:c@h>"), 200);
    w.policy.max_bindings = 1;
    assert_int_equal(reg(&w, "q", 1, ""), 200);
    assert_false(w.answer.changed);
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>;expires=60"), 200);
    assert_string_equal(shown(&w), "*sip:a@h=60 sip:b@h=3600 sip:c@h=3600");
    assert_int_equal(reg(&w, "f", 1, "Contact: <sip:n@h>"), 403);
    assert_int_equal(reg(&w, "d", 2, "Contact: <sip:b@h>;expires=0"), 200);
    assert_string_equal(shown(&w), "sip:a@h=60 sip:c@h=3600");
    assert_int_equal(reg(&w, "c", 3, "Contact: <sip:n@h>"), 200); // in the place of its own
    assert_string_equal(shown(&w), "sip:c@h=3600 *sip:n@h=3600");
    world_close(&w);
}

static void a_limit_of_0_registers_nobody(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.policy.max_bindings = 0;
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>"), 403);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h>;expires=0"), 200);
    assert_int_equal(reg(&w, "c", 1, ""), 200);
    world_close(&w);
}

// ---- RFC 5626 and RFC 3327 ----------------------------------------------------------------------

#define FLOW(uri, id) "Contact: <" uri ">;+sip.instance=\"<urn:uuid:1>\";reg-id=" id
#define OUTBOUND      "\r\nSupported: path, outbound"

static void rfc5626_6_a_flow_is_known_by_instance_and_reg_id(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, FLOW("sip:a@h:1", "1") OUTBOUND), 200);
    assert_true(w.answer.outbound);
    assert_int_equal(w.set.items[0].flags & BINDING_OUTBOUND, BINDING_OUTBOUND);
    assert_int_equal(w.set.items[0].flow, 77);
    assert_slice(w.set.items[0].instance, "<urn:uuid:1>");
    // another URI and Call-ID: the old flow is dead
    assert_int_equal(reg(&w, "d", 1, FLOW("sip:a@h:2", "1") OUTBOUND), 200);
    assert_string_equal(shown(&w), "*sip:a@h:2=3600");
    assert_int_equal(w.gone[GONE_REPLACED], 1);
    // another reg-id: a second flow, even with the same URI
    assert_int_equal(reg(&w, "e", 1, FLOW("sip:a@h:2", "2") OUTBOUND), 200);
    assert_string_equal(shown(&w), "sip:a@h:2=3600 *sip:a@h:2=3600");
    uint64_t id = w.set.items[1].id;
    assert_int_equal(reg(&w, "e", 2, FLOW("sip:a@h:2", "2") ";expires=60" OUTBOUND), 200);
    assert_string_equal(shown(&w), "sip:a@h:2=3600 *sip:a@h:2=60");
    assert_int_equal(w.set.items[1].id, id);
    assert_int_equal(reg(&w, "e", 3, FLOW("sip:a@h:9", "2") ";expires=0" OUTBOUND), 200);
    assert_int_equal(w.set.n, 1);
    world_close(&w);
}

static void rfc5626_6_the_cseq_of_a_flow_rises_too(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 5, FLOW("sip:a@h:1", "1") OUTBOUND), 200);
    assert_int_equal(reg(&w, "c", 4, FLOW("sip:a@h:2", "1") OUTBOUND), 500);
    assert_int_equal(reg(&w, "c", 5, FLOW("sip:a@h:1", "1") OUTBOUND), 200);
    assert_false(w.answer.changed);
    assert_true(w.answer.outbound); // the repeat says so again
    world_close(&w);
}

static void rfc5626_6_without_its_three_signs_it_is_a_plain_registration(void **s)
{
    (void)s;
    static const char *const headers[] = {
        FLOW("sip:a@h", "1"),
        FLOW("sip:a@h", "1") "\r\nSupported: path",
        "Contact: <sip:a@h>;reg-id=1" OUTBOUND,
        "Contact: <sip:a@h>;+sip.instance=\"<urn:uuid:1>\"" OUTBOUND,
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct world w;
        world_open(&w);
        assert_int_equal(reg(&w, "c", 1, headers[i]), 200);
        assert_false(w.answer.outbound);
        assert_int_equal(w.set.items[0].flags & BINDING_OUTBOUND, 0);
        world_close(&w);
    }
}

// What was registered plainly is found by its URI only, whatever ids it carries.
static void rfc5626_6_a_plain_registration_is_no_flow(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, FLOW("sip:a@h:1", "1")), 200);
    assert_int_equal(reg(&w, "d", 1, FLOW("sip:a@h:2", "1") OUTBOUND), 200);
    assert_string_equal(shown(&w), "sip:a@h:1=3600 *sip:a@h:2=3600");
    // by its URI it becomes one
    assert_int_equal(reg(&w, "e", 1, FLOW("sip:a@h:1", "2") OUTBOUND), 200);
    assert_int_equal(w.set.n, 2);
    assert_int_equal(w.set.items[0].flags & BINDING_OUTBOUND, BINDING_OUTBOUND);
    world_close(&w);
}

static void rfc5626_6_the_first_hop_must_support_it_else_439(void **s)
{
    (void)s;
    static const struct {
        const char *path;
        bool behind_proxy;
        unsigned status;
    } rows[] = {
        {"", false, 200},
        {"", true, 439},
        {"\r\nPath: <sip:edge.example;lr;ob>", true, 200},
        {"\r\nPath: <sip:edge.example;lr>", true, 439},
        {"\r\nPath: <sip:edge.example;lr>;ob", true, 439},
        {"\r\nPath: <sip:in.example;lr;ob>, <sip:edge.example;lr>", true, 439},
        {"\r\nPath: <sip:in.example;lr>\r\nPath: <sip:edge.example;OB;lr>", true, 200},
        {"\r\nPath: <sip:ob@edge.example;lr>", true, 439},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char headers[512];
        world_open(&w);
        w.behind_proxy = rows[i].behind_proxy;
        snprintf(headers, sizeof headers, "%s%s", FLOW("sip:a@h", "1") OUTBOUND, rows[i].path);
        if (reg(&w, "c", 1, headers) != rows[i].status)
            fail_msg("%s: %u", rows[i].path, w.answer.status);
        world_close(&w);
    }
}

static void rfc5626_6_two_flows_in_one_request_are_400(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, FLOW("sip:a@h", "1") "\r\n" FLOW("sip:b@h", "2") OUTBOUND),
                     400);
    assert_int_equal(w.answer.reason, REASON_MALFORMED);
    // one that is given up beside one that is made
    assert_int_equal(
        reg(&w, "c", 1, FLOW("sip:a@h", "1") ";expires=0\r\n" FLOW("sip:b@h", "2") OUTBOUND), 200);
    assert_string_equal(shown(&w), "*sip:b@h=3600");
    world_close(&w);
}

static void rfc3327_5_3_the_path_is_kept_in_order_and_replaced_by_a_refresh(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    w.behind_proxy = true;
    assert_int_equal(reg(&w, "c", 1,
                         "Contact: <sip:a@h>\r\nPath: <sip:p1;lr>;x=\"a,b\" , <sip:p2;lr>\r\n"
                         "Path: <sip:p3;lr>"),
                     200);
    assert_int_equal(w.set.items[0].n_paths, 3);
    assert_slice(w.set.items[0].path[0], "<sip:p1;lr>;x=\"a,b\"");
    assert_slice(w.set.items[0].path[1], "<sip:p2;lr>");
    assert_slice(w.set.items[0].path[2], "<sip:p3;lr>");
    assert_int_equal(w.set.items[0].flow, 0); // no flow of ours leads to the phone
    assert_int_equal(reg(&w, "c", 2, "Contact: <sip:a@h>\r\nPath: <sip:p9;lr>"), 200);
    assert_int_equal(w.set.items[0].n_paths, 1);
    assert_int_equal(reg(&w, "c", 3, "Contact: <sip:a@h>"), 200);
    assert_int_equal(w.set.items[0].n_paths, 0);
    world_close(&w);
}

// ---- Memory -------------------------------------------------------------------------------------

static void without_memory_the_decision_says_so(void **s)
{
    (void)s;
    struct world w;
    world_open(&w);
    assert_int_equal(reg(&w, "c", 1, "Contact: <sip:a@h;x=1;y=2>, <sip:b@h;x=1>"), 200);
    // other texts, so that the URIs have to be compared
    struct reg_request req = world_request(
        &w, world_parse(&w, "c", 2, "Contact: <sip:a@H;y=2;x=1>, <sip:b@H;x=2>, <sip:c@h;z=1>"));
    size_t refused = 0;
    bool held = false;
    for (size_t size = 0; size < 8192 && !held; size += 16) {
        static _Alignas(16) char block[8192];
        struct arena small;
        struct binding_set next;
        struct reg_answer answer;
        arena_init(&small, block, size, 0);
        held = registrar_decide(&req, &w.set, &w.policy, w.now_ms, &small, &next, &answer);
        refused += !held;
        if (held) {
            assert_int_equal(answer.status, 200);
            assert_int_equal(next.n, 4);
        }
        arena_reset(&small);
    }
    assert_true(held && refused > 100);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equal_cseq_with_the_same_contacts_and_expires_is_a_repeat),
        cmocka_unit_test(a_repeat_of_a_removal_is_200_again),
        cmocka_unit_test(a_repeat_is_known_when_less_was_granted_than_asked),
        cmocka_unit_test(a_repeat_is_known_when_the_spread_has_ended_or_begun),
        cmocka_unit_test(another_phone_in_between_ends_the_repeat),
        cmocka_unit_test(over_the_limit_is_403_and_changes_nothing),
        cmocka_unit_test(an_older_binding_of_the_same_instance_makes_room_first),
        cmocka_unit_test(then_the_oldest_of_the_same_call_id_makes_room),
        cmocka_unit_test(contacts_of_one_request_never_make_room_for_each_other),
        cmocka_unit_test(no_more_bindings_than_a_record_holds),
        cmocka_unit_test(a_lowered_limit_refuses_growth_and_nothing_else),
        cmocka_unit_test(a_limit_of_0_registers_nobody),
        cmocka_unit_test(rfc5626_6_a_flow_is_known_by_instance_and_reg_id),
        cmocka_unit_test(rfc5626_6_the_cseq_of_a_flow_rises_too),
        cmocka_unit_test(rfc5626_6_without_its_three_signs_it_is_a_plain_registration),
        cmocka_unit_test(rfc5626_6_a_plain_registration_is_no_flow),
        cmocka_unit_test(rfc5626_6_the_first_hop_must_support_it_else_439),
        cmocka_unit_test(rfc5626_6_two_flows_in_one_request_are_400),
        cmocka_unit_test(rfc3327_5_3_the_path_is_kept_in_order_and_replaced_by_a_refresh),
        cmocka_unit_test(without_memory_the_decision_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
