// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "service/txn.h"

static struct sip_request *request(const char *branch, const char *host, const char *method)
{
    static struct sip_request req;
    static struct sip_via via;
    memset(&req, 0, sizeof req);
    via = (struct sip_via){
        .branch = slice_str(branch), .host = slice_str(host), .text = SLICE("SIP/2.0/UDP h")};
    req.via = &via;
    req.n_vias = 1;
    req.method_text = slice_str(method);
    req.method = strcmp(method, "ACK") == 0      ? SIP_ACK
                 : strcmp(method, "INVITE") == 0 ? SIP_INVITE
                                                 : SIP_REGISTER;
    req.from.tag = SLICE("f1");
    req.call_id = SLICE("call@host");
    req.cseq = 7;
    req.cseq_text = SLICE("7 REGISTER");
    return &req;
}

static const struct flow flow_a = {
    .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = 5060, .family = 4}};
static const struct flow flow_b = {
    .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 5060, .family = 4}};

static enum txn_match match(struct txns *t, struct txn_pending *p, int64_t now, struct slice *reply)
{
    struct txn_pending *found;
    return txn_match(t, p, now, reply, &found);
}

static void rfc3261_17_2_3_same_branch_sent_by_and_method_is_a_retransmission(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    struct slice reply;
    txn_key_make(t, request("z9hG4bKabc", "Phone.Example", "REGISTER"), &flow_a, &p);
    assert_int_equal(match(t, &p, 0, &reply), TXN_NEW);
    txn_begin(t, &p);
    txn_key_make(t, request("z9hG4bKabc", "phone.example", "REGISTER"), &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_PENDING);
    txn_end(t, &p);
    txn_finish(t, &p, SLICE("SIP/2.0 200 OK\r\n"), 1000);
    assert_int_equal(match(t, &q, 1000 + TXN_TIMER_J_MS, &reply), TXN_DONE);
    assert_true(slice_eq(reply, SLICE("SIP/2.0 200 OK\r\n")));
    txns_close(t);
}

static void rfc3261_17_2_2_timer_j_ends_the_transaction_after_32_s(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p;
    struct slice reply;
    txn_key_make(t, request("z9hG4bKabc", "h", "REGISTER"), &flow_a, &p);
    txn_finish(t, &p, SLICE("x"), 1000);
    assert_int_equal(match(t, &p, 1000 + TXN_TIMER_J_MS + 1, &reply), TXN_NEW);
    txns_close(t);
}

static void other_branch_sent_by_method_or_source_is_another_transaction(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    struct slice reply;
    txn_key_make(t, request("z9hG4bKabc", "h", "REGISTER"), &flow_a, &p);
    txn_finish(t, &p, SLICE("x"), 0);
    txn_key_make(t, request("z9hG4bKabd", "h", "REGISTER"), &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txn_key_make(t, request("z9hG4bKabc", "i", "REGISTER"), &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txn_key_make(t, request("z9hG4bKabc", "h", "INVITE"), &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txn_key_make(t, request("z9hG4bKabc", "h", "REGISTER"), &flow_b, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txns_close(t);
}

static void rfc3261_17_1_1_3_ack_matches_its_invite(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    txn_key_make(t, request("z9hG4bKabc", "h", "INVITE"), &flow_a, &p);
    txn_key_make(t, request("z9hG4bKabc", "h", "ACK"), &flow_a, &q);
    assert_true(slice_eq(p.key.text, q.key.text));
    txns_close(t);
}

static void rfc3261_8_2_2_2_merged_request_is_seen_only_while_the_first_is_pending(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    struct slice reply;
    txn_key_make(t, request("z9hG4bKone", "h", "REGISTER"), &flow_a, &p);
    txn_begin(t, &p);
    txn_key_make(t, request("z9hG4bKtwo", "h", "REGISTER"), &flow_b, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_MERGED);
    txn_end(t, &p);
    txn_finish(t, &p, SLICE("401"), 0);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txns_close(t);
}

static void rfc2543_requests_without_a_branch_are_matched_by_their_headers(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    struct slice reply;
    struct sip_request *r = request("", "h", "REGISTER");
    txn_key_make(t, r, &flow_a, &p);
    txn_finish(t, &p, SLICE("x"), 0);
    txn_key_make(t, r, &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_DONE);
    r->cseq = 8;
    txn_key_make(t, r, &flow_a, &q);
    assert_int_equal(match(t, &q, 0, &reply), TXN_NEW);
    txns_close(t);
}

static void the_oldest_reply_is_forgotten_first_when_memory_is_full(void **state)
{
    (void)state;
    struct txns *t = txns_open(64 * 1024);
    char branch[64], *body = malloc(1000);
    struct txn_pending p;
    struct slice reply;
    memset(body, 'r', 1000);
    for (int i = 0; i < 5000; i++) {
        snprintf(branch, sizeof branch, "z9hG4bK%d", i);
        txn_key_make(t, request(branch, "h", "REGISTER"), &flow_a, &p);
        txn_finish(t, &p, slice_of(body, (size_t)(100 + i % 900)), i);
        // The newest is always there, byte for byte
        assert_int_equal(match(t, &p, i, &reply), TXN_DONE);
        assert_int_equal(reply.n, 100 + i % 900);
    }
    int first = 0;
    for (int i = 0; i < 5000; i++) {
        snprintf(branch, sizeof branch, "z9hG4bK%d", i);
        txn_key_make(t, request(branch, "h", "REGISTER"), &flow_a, &p);
        bool there = match(t, &p, 5000, &reply) == TXN_DONE;
        if (there && !first)
            first = i;
        assert_true(there == (first != 0)); // one cut between forgotten and kept
    }
    assert_in_range(first, 4800, 4999);
    free(body);
    txns_close(t);
}

static void the_to_tag_depends_on_the_transaction_alone(void **state)
{
    (void)state;
    struct txns *t = txns_open(1 << 20);
    struct txn_pending p, q;
    char a[16], b[16];
    txn_key_make(t, request("z9hG4bKabc", "h", "REGISTER"), &flow_a, &p);
    txn_key_make(t, request("z9hG4bKabc", "h", "REGISTER"), &flow_a, &q);
    txn_to_tag(t, &p, a);
    txn_to_tag(t, &q, b);
    assert_memory_equal(a, b, 16);
    txn_key_make(t, request("z9hG4bKabd", "h", "REGISTER"), &flow_a, &q);
    txn_to_tag(t, &q, b);
    assert_memory_not_equal(a, b, 16);
    txns_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3261_17_2_3_same_branch_sent_by_and_method_is_a_retransmission),
        cmocka_unit_test(rfc3261_17_2_2_timer_j_ends_the_transaction_after_32_s),
        cmocka_unit_test(other_branch_sent_by_method_or_source_is_another_transaction),
        cmocka_unit_test(rfc3261_17_1_1_3_ack_matches_its_invite),
        cmocka_unit_test(rfc3261_8_2_2_2_merged_request_is_seen_only_while_the_first_is_pending),
        cmocka_unit_test(rfc2543_requests_without_a_branch_are_matched_by_their_headers),
        cmocka_unit_test(the_oldest_reply_is_forgotten_first_when_memory_is_full),
        cmocka_unit_test(the_to_tag_depends_on_the_transaction_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
