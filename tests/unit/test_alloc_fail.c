// SPDX-License-Identifier: Apache-2.0
// Memory that runs out at each step of a message's way: a clean 500, never a wrong reading.
#include "tests/unit/sip_parsed.h"

#define HEAD                                                                                       \
    "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP\r\n h;branch=z\r\nFrom: a b <sip:a@h>;tag=1\r\n"   \
    "To: sip:a@h\r\nCall-ID:\r\n c\r\nCSeq: 1 REGISTER\r\n"
#define MESSAGE                                                                                    \
    HEAD "Contact: <sip:a@h>;a;expires=60;b;q=0.1;c, d e <sip:b@h>\r\n"                            \
         "Contact: sip:c@h;expires=70, sip:d@h, sip:e@h, <sip:f@h>;x;expires=9;y\r\n\r\n"

// Room for `size` bytes in the arena and no more.
static enum sip_parsed parse_in(size_t size, struct slice message, struct sip_request *req,
                                struct sip_fault *fault, struct arena *arena)
{
    static _Alignas(16) char block[1 << 16];
    assert_true(size <= sizeof block);
    arena_init(arena, block, size, 0);
    return sip_parse(message, arena, req, fault);
}

static void a_message_parses_or_is_500_for_every_amount_of_memory(void **state)
{
    (void)state;
    static struct sip_request req;
    struct sip_fault fault;
    struct arena arena;
    size_t refused = 0;
    bool held = false;
    assert_int_equal(sip_parse_setup(), 0);
    for (size_t size = 0; !held; size += 8) {
        assert_true(size < 1 << 16);
        held = parse_in(size, SLICE(MESSAGE), &req, &fault, &arena) == SIP_PARSED;
        refused += !held;
        if (!held) {
            assert_int_equal(fault.status, 500);
            assert_false(fault.limit_known);
        }
        arena_reset(&arena);
    }
    assert_true(refused > 20);
    assert_int_equal(req.n_contacts, 6);
    assert_slice(req.contacts[0].params, ";a;b;c");
    assert_slice(req.contacts[5].params, ";x;y");
}

static void a_500_can_be_answered_when_what_is_copied_was_read(void **state)
{
    (void)state;
    static struct sip_request req;
    struct sip_fault fault;
    struct arena arena;
    static const char plain[] =
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>\r\n"
        "Call-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@h>\r\n\r\n";
    assert_int_equal(parse_in(0, slice_str(plain), &req, &fault, &arena), SIP_FAULTY);
    assert_int_equal(fault.status, 500);
    assert_true(fault.answerable);
}

static void a_message_that_is_bad_and_needs_no_memory_stays_400(void **state)
{
    (void)state;
    static struct sip_request req;
    struct sip_fault fault;
    struct arena arena;
    assert_int_equal(parse_in(0, SLICE("REGISTER sip:h SIP/2.0\r\n\r\n"), &req, &fault, &arena),
                     SIP_FAULTY);
    assert_int_equal(fault.status, 400);
}

static void an_arena_remembers_that_it_failed_until_its_reset(void **state)
{
    (void)state;
    struct arena arena;
    char block[64];
    arena_init(&arena, block, sizeof block, 0);
    assert_false(arena.failed);
    assert_null(arena_alloc(&arena, 65));
    assert_true(arena.failed);
    assert_non_null(arena_alloc(&arena, 16));
    assert_true(arena.failed);
    arena_reset(&arena);
    assert_false(arena.failed);
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 4));
    assert_true(arena.failed);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_parses_or_is_500_for_every_amount_of_memory),
        cmocka_unit_test(a_500_can_be_answered_when_what_is_copied_was_read),
        cmocka_unit_test(a_message_that_is_bad_and_needs_no_memory_stays_400),
        cmocka_unit_test(an_arena_remembers_that_it_failed_until_its_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
