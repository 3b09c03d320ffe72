// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/net/stun.h"

// RFC 5769 section 2.2's addresses and transaction id, in a request without attributes.
static const char request[20] =
    "\x00\x01\x00\x00\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

static void rfc5626_4_4_2_binding_request_gets_xor_mapped_ipv4_address(void **state)
{
    (void)state;
    struct address a;
    char out[STUN_ANSWER_MAX];
    assert_true(address_parse(SLICE("192.0.2.1"), &a));
    a.port = 32853;
    assert_true(stun_is(slice_of(request, 20)));
    assert_int_equal(stun_answer(slice_of(request, 20), &a, out), 32);
    // The XOR-MAPPED-ADDRESS of RFC 5769 section 2.2
    assert_memory_equal(out + 20, "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43", 12);
    assert_memory_equal(out, "\x01\x01\x00\x0c", 4);
}

static void binding_request_gets_xor_mapped_ipv6_address(void **state)
{
    (void)state;
    struct address a;
    char out[STUN_ANSWER_MAX];
    assert_true(address_parse(SLICE("2001:db8:1234:5678:11:2233:4455:6677"), &a));
    a.port = 32853;
    assert_int_equal(stun_answer(slice_of(request, 20), &a, out), 44);
    // The XOR-MAPPED-ADDRESS of RFC 5769 section 2.3
    assert_memory_equal(out + 20,
                        "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
                        "\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
                        24);
}

static void what_is_no_binding_request_gets_no_answer(void **state)
{
    (void)state;
    struct address a = {.family = 4};
    char out[STUN_ANSWER_MAX], bad[20];
    memcpy(bad, request, 20);
    bad[3] = 4; // says more than there is
    assert_int_equal(stun_answer(slice_of(bad, 20), &a, out), 0);
    memcpy(bad, request, 20);
    bad[0] = 1; // a response
    assert_int_equal(stun_answer(slice_of(bad, 20), &a, out), 0);
    assert_false(stun_is(SLICE("REGISTER sip:example.com SIP/2.0")));
    assert_false(stun_is(slice_of(request, 19)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5626_4_4_2_binding_request_gets_xor_mapped_ipv4_address),
        cmocka_unit_test(binding_request_gets_xor_mapped_ipv6_address),
        cmocka_unit_test(what_is_no_binding_request_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
