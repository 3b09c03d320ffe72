// SPDX-License-Identifier: Apache-2.0
// Domains as they come in bodies: which member is at fault, and what a change makes of what is
// there.
#include "api/domain_body.h"

#include "api/api.h"
#include "tests/unit/api_bodies.h"

static const struct api_config config = {.min_expires = 60,
                                         .default_expires = 3600,
                                         .max_expires = 7200,
                                         .max_bindings = 10,
                                         .algorithms = {ALGORITHM_MD5},
                                         .n_algorithms = 1};

static void a_domain_is_named_by_a_host_or_an_address(void **state)
{
    (void)state;
    const struct {
        const char *text, *name;
    } cases[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com.", "example.com"},
        {"a", "a"},
        {"1.example", "1.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"192.0.2.10", "192.0.2.10"},
        {"[2001:DB8:0::1]", "2001:db8::1"},
        {"2001:db8::1", "2001:db8::1"},
        {print("%s.com", many('a', 63)), print("%s.com", many('a', 63))},
        {print("%s.com", many('a', 64)), ""},
        {"", ""},
        {".", ""},
        {"a..b", ""},
        {".a", ""},
        {"-a.com", ""},
        {"a-.com", ""},
        {"a_b.com", ""},
        {"a b", ""},
        {"192.0.2.256", ""},
        {"192.0.2", ""},
        {"example.com:5060", ""},
        {"[2001:db8::1", ""},
        {"b\xc3\xbc"
         "cher.example",
         ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char scratch[DOMAIN_NAME_MAX];
        struct slice name = domain_name_read(slice_str(cases[i].text), scratch);
        if (!slice_eq(name, slice_str(cases[i].name)))
            fail_msg("%s: %.*s", cases[i].text, SLICE_FMT(name));
    }
    char scratch[DOMAIN_NAME_MAX];
    assert_int_equal(domain_name_read(slice_str(many('a', 254)), scratch).n, 0);
}

static void read_domain(const char *body, bool patch, struct domain_change *c, const char *field)
{
    struct json *o = parsed(body);
    bool ok = domain_body_read(o, patch, example.name, &config, &faults, c);
    json_free(o);
    assert_fault(body, ok, field);
}

static void a_fault_of_a_domain_names_its_field(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"{}", NULL},
        {"{\"domain\": \"Example.COM\", \"closing\": true, \"created_at\": 1, \"updated_at\": 2, "
         "\"users_without_algorithm\": {}}",
         NULL},
        {"{\"domain\": \"example.org\"}", "domain"},
        {"{\"realm\": \"\"}", "realm"},
        {"{\"realm\": \"a \\\"b\\\"\"}", "realm"},
        {"{\"realm\": \"a\\\\b\"}", "realm"},
        {"{\"realm\": \"a\\r\\nb\"}", "realm"},
        {print("{\"realm\": \"%s\"}", many('r', 255)), NULL},
        {print("{\"realm\": \"%s\"}", many('r', 256)), "realm"},
        {"{\"aliases\": [\"SIP.example.com\", \"192.0.2.1\", \"[2001:db8::1]\"]}", NULL},
        {"{\"aliases\": [\"a.example\", \"no host\"]}", "aliases[1]"},
        {"{\"aliases\": [\"a.example\", \"A.example.\"]}", "aliases[1]"},
        {"{\"aliases\": [\"example.com\"]}", "aliases[0]"},
        {"{\"aliases\": [5]}", "aliases[0]"},
        {"{\"aliases\": \"a.example\"}", "aliases"},
        {"{\"aliases\": null}", NULL},
        {"{\"algorithms\": [\"SHA-256\", \"MD5\"]}", NULL},
        {"{\"algorithms\": [\"MD5\", \"MD5\"]}", "algorithms[1]"},
        {"{\"algorithms\": [\"SHA-1\"]}", "algorithms[0]"},
        {"{\"algorithms\": []}", "algorithms"},
        {"{\"algorithms\": null}", NULL},
        {"{\"algorithms\": [\"MD5\", \"SHA-256\", \"SHA-512-256\", \"MD5\"]}", "algorithms"},
        {"{\"min_expires\": 0}", "min_expires"},
        {"{\"min_expires\": 31536001}", "min_expires"},
        {"{\"default_expires\": 0}", "default_expires"},
        {"{\"max_expires\": \"1\"}", "max_expires"},
        {"{\"max_bindings\": 65}", "max_bindings"},
        {"{\"max_bindings\": 0, \"min_expires\": null, \"max_expires\": null}", NULL},
        {"{\"service_route\": [\"<sip:edge.example.com;lr>\", \"<SIPS:[2001:db8::1]:5061;lr>\"]}",
         NULL},
        {"{\"service_route\": [\"sip:edge.example.com;lr\"]}", "service_route[0]"},
        {"{\"service_route\": [\"<sip:a;lr>\", \"<tel:1>\"]}", "service_route[1]"},
        {"{\"service_route\": [\"<sip:a>, <sip:b>\"]}", "service_route[0]"},
        {"{\"service_route\": [\"<sip:a\\r\\nX: y>\"]}", "service_route[0]"},
        {"{\"service_route\": [\"<sip:>\"]}", "service_route[0]"},
        {"{\"service_route\": [\"<sip:\"]}", "service_route[0]"},
        {print("{\"service_route\": [\"<sip:%s>\"]}", many('a', 600)), "service_route[0]"},
        {"{\"service_route\": [1,2,3,4,5,6,7,8,9]}", "service_route"},
        {"{\"case_insensitive_users\": 1}", "case_insensitive_users"},
        {"{\"name\": \"x\"}", "name"},
    };
    struct domain_change c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        read_domain(cases[i].body, false, &c, cases[i].field);
}

struct domain_outcome {
    enum decision decision;
    struct domain next;
    struct domain_change change;
};

static struct domain_outcome decide_domain(const char *body, bool patch,
                                           const struct domain *current, uint64_t users)
{
    struct domain_outcome o = {.next = {.name = example.name}};
    struct store_op op = {.domain = example.name, .arena = &arena};
    read_domain(body, patch, &o.change, NULL);
    if (current)
        o.next = *current;
    o.decision = domain_change_decide(&op, &o.change, current, users, &o.next);
    return o;
}

static void a_new_domain_has_its_name_for_a_realm_and_the_configuration_for_the_rest(void **state)
{
    (void)state;
    struct domain_outcome o = decide_domain("{}", false, NULL, 0);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_true(slice_eq(o.next.realm, example.name));
    assert_int_equal(o.next.min_expires, -1);
    assert_int_equal(o.next.max_bindings, -1);
    assert_int_equal(o.next.n_algorithms, 0);
    assert_false(o.next.case_insensitive_users);
    assert_int_equal(decide_domain("{}", false, &o.next, 9).decision, DECIDE_SAME);
}

static void expiries_that_contradict_are_a_fault(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"{\"min_expires\": 60, \"default_expires\": 60, \"max_expires\": 60}", NULL},
        {"{\"min_expires\": 3601}", "min_expires"},
        {"{\"default_expires\": 59}", "default_expires"},
        {"{\"default_expires\": 7201}", "default_expires"},
        {"{\"max_expires\": 3599}", "max_expires"},
        {"{\"min_expires\": 100, \"default_expires\": 99}", "min_expires"},
        {"{\"default_expires\": 300, \"max_expires\": 299}", "max_expires"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct domain_outcome o = decide_domain(cases[i].body, false, NULL, 0);
        assert_int_equal(o.decision, cases[i].field ? DECIDE_REFUSE : DECIDE_WRITE);
        assert_fault(cases[i].body, cases[i].field == NULL, cases[i].field);
    }
    struct domain_outcome o = decide_domain("{\"max_expires\": 4000}", false, NULL, 0);
    struct domain there = o.next;
    assert_int_equal(decide_domain("{\"default_expires\": 5000}", true, &there, 0).decision,
                     DECIDE_REFUSE);
    assert_fault("a patch", false, "max_expires");
}

static void what_credentials_contain_stays_while_there_are_users(void **state)
{
    (void)state;
    struct domain there = decide_domain("{}", false, NULL, 0).next;
    static const char body[] = "{\"realm\": \"other\"}";
    struct domain_outcome o = decide_domain(body, true, &there, 0);
    assert_int_equal(o.decision, DECIDE_WRITE);
    o = decide_domain(body, true, &there, 1);
    assert_int_equal(o.decision, DECIDE_REFUSE);
    assert_non_null(o.change.conflict);
    o = decide_domain("{\"case_insensitive_users\": true}", true, &there, 0);
    assert_int_equal(o.decision, DECIDE_REFUSE);
    assert_non_null(o.change.conflict);
    there.case_insensitive_users = true;
    assert_int_equal(decide_domain("{}", false, &there, 5).decision, DECIDE_SAME);
    there.closing = true;
    o = decide_domain("{}", false, &there, 5);
    assert_int_equal(o.decision, DECIDE_REFUSE);
    assert_non_null(o.change.conflict);
}

static void rfc7396_a_patch_of_a_domain_replaces_lists_whole(void **state)
{
    (void)state;
    struct domain there = decide_domain("{\"aliases\": [\"a.example\", \"b.example\"], "
                                        "\"max_bindings\": 5, \"algorithms\": [\"MD5\"]}",
                                        false, NULL, 0)
                              .next;
    struct domain_outcome o =
        decide_domain("{\"aliases\": [\"c.example\"], \"max_bindings\": null}", true, &there, 3);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_int_equal(o.next.n_aliases, 1);
    assert_true(slice_eq(o.next.aliases[0], SLICE("c.example")));
    assert_int_equal(o.next.max_bindings, -1);
    assert_int_equal(o.next.n_algorithms, 1);
    assert_int_equal(decide_domain("{}", true, &there, 3).decision, DECIDE_SAME);
}

static void a_change_says_which_algorithms_it_enables(void **state)
{
    (void)state;
    struct domain there = decide_domain("{}", false, NULL, 0).next; // as configured: MD5
    static const char body[] = "{\"algorithms\": [\"SHA-256\", \"MD5\"]}";
    assert_int_equal(decide_domain(body, true, &there, 0).change.enabled, 0);
    struct domain_outcome o = decide_domain(body, true, &there, 1);
    assert_int_equal(o.change.enabled, 1u << ALGORITHM_SHA256);
    there = o.next;
    assert_int_equal(decide_domain(body, true, &there, 1).change.enabled, 0);
    assert_int_equal(decide_domain("{\"algorithms\": null}", true, &there, 1).change.enabled, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_domain_is_named_by_a_host_or_an_address),
        TEST(a_fault_of_a_domain_names_its_field),
        TEST(a_new_domain_has_its_name_for_a_realm_and_the_configuration_for_the_rest),
        TEST(expiries_that_contradict_are_a_fault),
        TEST(what_credentials_contain_stays_while_there_are_users),
        TEST(rfc7396_a_patch_of_a_domain_replaces_lists_whole),
        TEST(a_change_says_which_algorithms_it_enables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
