// SPDX-License-Identifier: Apache-2.0
// Which connections are open, and what that says of the bindings that came over them.
#include "store/flows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_flow_is_open_from_opened_to_closed(void **state)
{
    (void)state;
    struct flows *f = flows_open(8);
    uint64_t token = flows_token(f, 3, 7);
    assert_true(token != 0);
    assert_false(flows_is_open(f, token));
    flows_opened(f, token);
    assert_true(flows_is_open(f, token));
    flows_closed(f, token);
    assert_false(flows_is_open(f, token));
    flows_close(f);
}

static void a_slot_that_is_used_again_is_another_flow(void **state)
{
    (void)state;
    struct flows *f = flows_open(8);
    uint64_t old = flows_token(f, 3, 7), fresh = flows_token(f, 3, 8);
    flows_opened(f, old);
    flows_closed(f, old);
    flows_opened(f, fresh);
    assert_true(flows_is_open(f, fresh));
    assert_false(flows_is_open(f, old));
    flows_close(f);
}

static void tokens_of_another_process_and_of_no_slot_are_closed(void **state)
{
    (void)state;
    struct flows *f = flows_open(8);
    uint64_t token = flows_token(f, 3, 7), other = token ^ 1ULL << 50;
    flows_opened(f, token);
    flows_opened(f, other);
    flows_opened(f, flows_token(f, 8, 1));
    assert_false(flows_is_open(f, other));
    assert_false(flows_is_open(f, flows_token(f, 8, 1)));
    assert_false(flows_is_open(f, 0));
    flows_close(f);
}

static void closed_flows_are_marked_only_while_that_is_on(void **state)
{
    (void)state;
    struct flows *f = flows_open(8);
    uint64_t open = flows_token(f, 1, 1), closed = flows_token(f, 2, 1);
    struct binding items[] = {{.flow = open}, {.flow = closed}, {.flow = 0}};
    struct binding_set set = {items, 3};
    flows_opened(f, open);
    flows_mark(f, &set);
    assert_int_equal(items[1].flags, 0);
    assert_true(flows_version(f) == 0);
    flows_set_marking(f, true);
    uint64_t version = flows_version(f);
    flows_mark(f, &set);
    assert_int_equal(items[0].flags, 0);
    assert_int_equal(items[1].flags, BINDING_UNREACHABLE);
    assert_int_equal(items[2].flags, 0); // UDP has no connection
    flows_closed(f, open);
    assert_true(flows_version(f) > version);
    flows_mark(NULL, &set);
    assert_true(flows_version(NULL) == 0);
    flows_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_is_open_from_opened_to_closed),
        cmocka_unit_test(a_slot_that_is_used_again_is_another_flow),
        cmocka_unit_test(tokens_of_another_process_and_of_no_slot_are_closed),
        cmocka_unit_test(closed_flows_are_marked_only_while_that_is_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
