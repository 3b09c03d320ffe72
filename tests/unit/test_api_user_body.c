// SPDX-License-Identifier: Apache-2.0
// Users as they come in bodies: which member is at fault, and what a change makes of who is there.
#include "api/user_body.h"

#include "store/credential.h"
#include "tests/unit/api_bodies.h"

#define NOW 1000000

// ---- Bodies ------------------------------------------------------------------------------------

static void check_user(const char *body, unsigned flags, const char *field)
{
    struct user_change c;
    struct json *o = parsed(body);
    bool ok = user_body_read(o, flags, &faults, &c);
    json_free(o);
    assert_fault(body, ok, field);
}

static void check_users(const struct expected *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_user(cases[i].body, 0, cases[i].field);
}

static void a_fault_of_credentials_names_its_field(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"{}", NULL},
        {"{\"password\": \"secret\"}", NULL},
        {"{\"password\": \"\"}", "password"},
        {"{\"password\": 5}", "password"},
        {"{\"password\": null}", NULL},
        {print("{\"password\": \"%s\"}", many('x', 256)), NULL},
        {print("{\"password\": \"%s\"}", many('x', 257)), "password"},
        {"{\"password\": \"tab\\tand \\u20ac\"}", NULL},
        {"{\"ha1\": {\"MD5\": \"00112233445566778899aabbCCDDEEFF\"}}", NULL},
        {"{\"ha1\": {\"MD5\": \"00112233445566778899aabbccddeef\"}}", "ha1.MD5"},
        {"{\"ha1\": {\"MD5\": \"00112233445566778899aabbccddeefg\"}}", "ha1.MD5"},
        {"{\"ha1\": {\"SHA-256\": \"00112233445566778899aabbccddeeff\"}}", "ha1.SHA-256"},
        {print("{\"ha1\": {\"SHA-256\": \"%s\", \"SHA-512-256\": \"%s\"}}", many('0', 64),
               many('f', 64)),
         NULL},
        {"{\"ha1\": {\"MD4\": \"00\"}}", "ha1.MD4"},
        {"{\"ha1\": {}}", "ha1"},
        {"{\"ha1\": null}", NULL},
        {"{\"ha1\": \"00\"}", "ha1"},
        {print("{\"ha1\": {\"MD5\": \"%s\", \"md5\": \"%s\"}}", many('0', 32), many('0', 32)),
         "ha1.md5"},
        {print("{\"password\": \"x\", \"ha1\": {\"MD5\": \"%s\"}}", many('0', 32)), "ha1"},
    };
    check_users(cases, sizeof cases / sizeof *cases);
}

static void a_fault_of_a_setting_names_its_field(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"{\"auth_username\": \"\"}", "auth_username"},
        {"{\"auth_username\": null}", NULL},
        {print("{\"auth_username\": \"%s\"}", many('x', 129)), "auth_username"},
        {"{\"auth_username\": \"a\\u0085\"}", "auth_username"},
        {"{\"enabled\": \"yes\"}", "enabled"},
        {"{\"enabled\": 1}", "enabled"},
        {"{\"enabled\": null}", NULL},
        {"{\"display_name\": \"\"}", NULL},
        {"{\"display_name\": \"line\\n\"}", "display_name"},
        {print("{\"display_name\": \"%s\"}", many('x', 257)), "display_name"},
        {"{\"display_name\": []}", "display_name"},
        {"{\"max_bindings\": 0}", NULL},
        {"{\"max_bindings\": 64}", NULL},
        {"{\"max_bindings\": 65}", "max_bindings"},
        {"{\"max_bindings\": -1}", "max_bindings"},
        {"{\"max_bindings\": 1.5}", "max_bindings"},
        {"{\"max_bindings\": null}", NULL},
    };
    check_users(cases, sizeof cases / sizeof *cases);
}

static void a_fault_of_labels_names_its_field(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"{\"labels\": {\"site\": \"\"}}", NULL},
        {"{\"labels\": {\"site\": 1}}", "labels.site"},
        {"{\"labels\": {\"site\": null}}", "labels.site"},
        {"{\"labels\": {\"\": \"x\"}}", "labels."},
        {print("{\"labels\": {\"%s\": \"x\"}}", many('k', 64)), NULL},
        {print("{\"labels\": {\"%s\": \"x\"}}", many('k', 65)), print("labels.%s", many('k', 64))},
        {print("{\"labels\": {\"k\": \"%s\"}}", many('v', 257)), "labels.k"},
        {"{\"labels\": {\"a\\nb\": \"x\"}}", "labels.a\nb"},
        {"{\"labels\": []}", "labels"},
        {"{\"labels\": null}", NULL},
    };
    check_users(cases, sizeof cases / sizeof *cases);
    check_user("{\"labels\": {\"site\": null}}", USER_BODY_PATCH, NULL);
}

static void a_fault_of_a_user_names_its_field(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"{\"nosuch\": 1}", "nosuch"},
        {"{\"Password\": \"x\"}", "Password"},
        {"{\"op\": \"delete\"}", "op"},
        {"{\"username\": \"\"}", "username"},
        {"{\"domain\": 7}", "domain"},
        {"{\"aor\": 1, \"algorithms\": [], \"registered\": true, \"binding_count\": 3, "
         "\"last_registered_at\": null, \"created_at\": \"x\", \"updated_at\": {}}",
         NULL},
    };
    check_users(cases, sizeof cases / sizeof *cases);
    check_user("{\"op\": \"delete\"}", USER_BODY_IMPORT, NULL);
}

static const char *labels_body(size_t n)
{
    char *text = arena_alloc(&arena, 64 * n + 64);
    assert_non_null(text);
    struct buf b = buf_over(text, 64 * n + 64);
    BUF_LIT(&b, "{\"labels\": {");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s\"k%02zu\": \"v\"", i ? ", " : "", i);
    BUF_LIT(&b, "}}");
    buf_byte(&b, '\0');
    assert_false(b.full);
    return text;
}

static void labels_are_bounded_in_number(void **state)
{
    (void)state;
    check_user(labels_body(LABELS_MAX), 0, NULL);
    check_user(labels_body(LABELS_MAX + 1), 0, "labels");
    check_user(labels_body(2 * LABELS_MAX), USER_BODY_PATCH, NULL);
    check_user(labels_body(2 * LABELS_MAX + 1), USER_BODY_PATCH, "labels");
}

static void all_faults_are_told_up_to_a_bound(void **state)
{
    (void)state;
    char text[4000];
    struct buf b = buf_over(text, sizeof text);
    struct user_change c;
    BUF_LIT(&b, "{\"password\": 1, \"enabled\": 2");
    for (int i = 0; i < 100; i++)
        buf_printf(&b, ", \"x%d\": 0", i);
    BUF_LIT(&b, "}");
    buf_byte(&b, '\0');
    struct json *o = parsed(text);
    assert_false(user_body_read(o, 0, &faults, &c));
    json_free(o);
    assert_int_equal(faults.n, FAULTS_MAX);
    assert_true(slice_eq(faults.items[0].field, SLICE("password")));
    assert_true(slice_eq(faults.items[1].field, SLICE("enabled")));
    assert_true(slice_eq(faults.items[2].field, SLICE("x0")));
}

static void names_in_a_body_must_be_those_of_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool any_case;
        const char *field;
    } cases[] = {
        {"{}", false, NULL},
        {"{\"domain\": \"EXAMPLE.com.\", \"username\": \"alice\"}", false, NULL},
        {"{\"domain\": \"example.org\"}", false, "domain"},
        {"{\"username\": \"Alice\"}", false, "username"},
        {"{\"username\": \"Alice\"}", true, NULL},
        {"{\"username\": \"bob\"}", true, "username"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct domain d = example;
        struct user_change c;
        d.case_insensitive_users = cases[i].any_case;
        struct json *o = parsed(cases[i].body);
        assert_true(user_body_read(o, 0, &faults, &c));
        json_free(o);
        bool ok = user_change_name(&c, &d, SLICE("alice"));
        assert_fault(cases[i].body, ok, cases[i].field);
        assert_true(slice_eq(c.username, SLICE("alice")));
    }
}

static void a_username_is_clean_utf8_of_1_to_128_bytes(void **state)
{
    (void)state;
    assert_true(username_valid(SLICE("a+b@c/d e")));
    assert_true(username_valid(SLICE("J\xc3\xbcrgen")));
    assert_true(username_valid(slice_str(many('x', 128))));
    assert_false(username_valid(slice_str(many('x', 129))));
    assert_false(username_valid(SLICE_NONE));
    assert_false(username_valid(SLICE("a\0b")));
    assert_false(username_valid(SLICE("a\x7f")));
    assert_false(username_valid(SLICE("a\xff")));
}

// ---- Decisions ---------------------------------------------------------------------------------

static struct user alice_with(const char *password)
{
    struct user u = {.domain = example.name,
                     .username = SLICE("alice"),
                     .display_name = SLICE("Alice"),
                     .enabled = true,
                     .has_max_bindings = true,
                     .max_bindings = 3,
                     .n_labels = 2,
                     .labels = {{SLICE("a"), SLICE("1")}, {SLICE("c"), SLICE("3")}},
                     .credentials_set_at_ms = 5,
                     .version = 7};
    if (password)
        assert_true(credentials_from_password(u.username, example.realm, slice_str(password),
                                              &u.credentials));
    return u;
}

struct outcome {
    enum decision decision;
    struct user next;
    bool remove;
};

static struct outcome decide(const char *body, unsigned flags, const struct user *current,
                             bool keep_bindings)
{
    struct outcome o = {0};
    struct user_change c;
    struct store_op op = {.domain = example.name, .username = SLICE("alice"), .arena = &arena};
    struct json *v = parsed(body);
    if (!user_body_read(v, flags, &faults, &c))
        fail_msg("%s: %.*s", body, SLICE_FMT(faults.items[0].field));
    json_free(v);
    assert_true(user_change_name(&c, &example, SLICE("alice")));
    c.keep_bindings = keep_bindings;
    user_change_prepare(&c, &example, &arena);
    if (current)
        o.next = *current;
    o.decision = user_change_decide(&op, &c, &example, current, NOW, &o.next, &o.remove);
    user_change_wipe(&c);
    return o;
}

static void a_new_user_has_the_defaults(void **state)
{
    (void)state;
    struct outcome o = decide("{}", 0, NULL, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_true(slice_eq(o.next.username, SLICE("alice")));
    assert_true(o.next.enabled);
    assert_false(o.next.has_max_bindings);
    assert_int_equal(o.next.n_labels, 0);
    assert_int_equal(o.next.credentials.have, 0);
    assert_int_equal(o.next.auth_username.n, 0);
    assert_false(o.remove);
    o = decide("{\"password\": \"secret\"}", 0, NULL, false);
    assert_int_equal(o.next.credentials.have, 7);
    assert_int_equal(o.next.credentials_set_at_ms, NOW);
}

static void put_makes_defaults_of_what_is_absent_but_keeps_credentials(void **state)
{
    (void)state;
    struct user alice = alice_with("secret");
    struct outcome o = decide("{}", 0, &alice, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_int_equal(o.next.display_name.n, 0);
    assert_false(o.next.has_max_bindings);
    assert_int_equal(o.next.n_labels, 0);
    assert_true(credentials_equal(&o.next.credentials, &alice.credentials));
    assert_int_equal(o.next.credentials_set_at_ms, 5);
    assert_false(o.remove);
}

static void rfc7396_a_patch_changes_what_it_names(void **state)
{
    (void)state;
    struct user alice = alice_with("secret");
    struct outcome o = decide("{\"display_name\": null, \"labels\": {\"b\": \"2\", \"c\": null, "
                              "\"zz\": null}, \"max_bindings\": 4}",
                              USER_BODY_PATCH, &alice, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_int_equal(o.next.display_name.n, 0);
    assert_int_equal(o.next.max_bindings, 4);
    assert_true(o.next.enabled);
    assert_int_equal(o.next.n_labels, 2);
    assert_true(slice_eq(o.next.labels[0].key, SLICE("a")));
    assert_true(slice_eq(o.next.labels[1].key, SLICE("b")));
    o = decide("{\"labels\": null}", USER_BODY_PATCH, &alice, false);
    assert_int_equal(o.next.n_labels, 0);
    assert_true(slice_eq(o.next.display_name, SLICE("Alice")));
    o = decide("{\"labels\": {\"a\": \"new\"}}", USER_BODY_PATCH, &alice, false);
    assert_int_equal(o.next.n_labels, 2);
    assert_true(slice_eq(o.next.labels[0].value, SLICE("new")));
    assert_int_equal(decide("{}", USER_BODY_PATCH, &alice, false).decision, DECIDE_SAME);
    assert_int_equal(decide("{\"labels\": {}}", USER_BODY_PATCH, &alice, false).decision,
                     DECIDE_SAME);
}

static void rfc7396_a_patch_may_not_leave_too_many_labels(void **state)
{
    (void)state;
    struct user alice = alice_with(NULL);
    const char *body = labels_body(LABELS_MAX - 2);
    assert_int_equal(decide(body, USER_BODY_PATCH, &alice, false).decision, DECIDE_WRITE);
    body = labels_body(LABELS_MAX - 1);
    assert_int_equal(decide(body, USER_BODY_PATCH, &alice, false).decision, DECIDE_REFUSE);
    assert_fault(body, false, "labels");
}

static void the_same_again_is_no_change(void **state)
{
    (void)state;
    struct user alice = alice_with("secret");
    assert_int_equal(
        decide("{\"password\": \"secret\", \"display_name\": \"Alice\", \"enabled\": true, "
               "\"max_bindings\": 3, \"labels\": {\"c\": \"3\", \"a\": \"1\"}, "
               "\"auth_username\": \"alice\"}",
               0, &alice, false)
            .decision,
        DECIDE_SAME);
    assert_int_equal(decide("{\"password\": \"secret\"}", USER_BODY_PATCH, &alice, false).decision,
                     DECIDE_SAME);
}

static void a_real_change_of_credentials_voids_nonces_and_removes_bindings(void **state)
{
    (void)state;
    struct user alice = alice_with("secret");
    struct outcome o = decide("{\"password\": \"other\"}", USER_BODY_PATCH, &alice, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_true(o.remove);
    assert_int_equal(o.next.credentials_set_at_ms, NOW);
    o = decide("{\"password\": \"other\"}", USER_BODY_PATCH, &alice, true);
    assert_false(o.remove);
    assert_int_equal(o.next.credentials_set_at_ms, NOW);
    o = decide("{\"enabled\": false}", USER_BODY_PATCH, &alice, false);
    assert_true(o.remove);
    assert_int_equal(o.next.credentials_set_at_ms, NOW);
    alice.enabled = false;
    o = decide("{\"enabled\": true}", USER_BODY_PATCH, &alice, false);
    assert_false(o.remove);
    assert_int_equal(o.next.credentials_set_at_ms, 5);
    o = decide("{\"display_name\": \"x\"}", USER_BODY_PATCH, &alice, false);
    assert_false(o.remove);
}

static void more_or_fewer_algorithms_of_one_password_drop_nobody(void **state)
{
    (void)state;
    struct user alice = alice_with("secret");
    char hex[33];
    struct buf b = buf_over(hex, sizeof hex);
    buf_hex(&b, alice.credentials.ha1[ALGORITHM_MD5], 16);
    const char *md5 = print("{\"ha1\": {\"MD5\": \"%.*s\"}}", SLICE_FMT(buf_slice(&b)));
    struct outcome o = decide(md5, USER_BODY_PATCH, &alice, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_int_equal(o.next.credentials.have, 1u << ALGORITHM_MD5);
    assert_false(o.remove);
    assert_int_equal(o.next.credentials_set_at_ms, 5);
    struct user fewer = o.next;
    assert_int_equal(decide(md5, USER_BODY_PATCH, &fewer, false).decision, DECIDE_SAME);
    o = decide("{\"password\": \"secret\"}", USER_BODY_PATCH, &fewer, false);
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_int_equal(o.next.credentials.have, 7);
    assert_false(o.remove);
    o = decide(print("{\"ha1\": {\"SHA-256\": \"%s\"}}", many('0', 64)), USER_BODY_PATCH, &fewer,
               false);
    assert_true(o.remove);
}

static void another_auth_username_needs_new_credentials(void **state)
{
    (void)state;
    struct user alice = alice_with("secret"), nobody = alice_with(NULL);
    const char *body = "{\"auth_username\": \"trunk\"}";
    assert_int_equal(decide(body, USER_BODY_PATCH, &alice, false).decision, DECIDE_REFUSE);
    assert_fault(body, false, "auth_username");
    assert_int_equal(decide(body, USER_BODY_PATCH, &nobody, false).decision, DECIDE_WRITE);
    struct outcome o = decide("{\"auth_username\": \"trunk\", \"password\": \"secret\"}",
                              USER_BODY_PATCH, &alice, false);
    struct credentials want;
    assert_true(credentials_from_password(SLICE("trunk"), example.realm, SLICE("secret"), &want));
    assert_int_equal(o.decision, DECIDE_WRITE);
    assert_true(credentials_equal(&o.next.credentials, &want));
    assert_true(o.remove);
    struct user trunk = o.next;
    assert_int_equal(decide("{}", 0, &trunk, false).decision, DECIDE_REFUSE);
    assert_fault("{}", false, "auth_username");
    o = decide("{\"password\": \"new\"}", USER_BODY_PATCH, &trunk, false);
    assert_true(credentials_from_password(SLICE("trunk"), example.realm, SLICE("new"), &want));
    assert_true(credentials_equal(&o.next.credentials, &want));
}

static void ha1s_are_made_for_the_realm_at_commit_time(void **state)
{
    (void)state;
    struct user_change c;
    struct user next = {0};
    struct domain moved = example;
    bool remove = false;
    struct store_op op = {.domain = example.name, .username = SLICE("alice"), .arena = &arena};
    struct json *v = parsed("{\"password\": \"secret\"}");
    assert_true(user_body_read(v, 0, &faults, &c));
    json_free(v);
    assert_true(user_change_name(&c, &example, SLICE("alice")));
    user_change_prepare(&c, &example, &arena);
    moved.realm = SLICE("another");
    assert_int_equal(user_change_decide(&op, &c, &moved, NULL, NOW, &next, &remove), DECIDE_WRITE);
    struct credentials want;
    assert_true(credentials_from_password(SLICE("alice"), moved.realm, SLICE("secret"), &want));
    assert_true(credentials_equal(&next.credentials, &want));
    char *password = (char *)(uintptr_t)c.password.p;
    user_change_wipe(&c);
    assert_memory_equal(password, "\0\0\0\0\0\0", 6);
}

static void a_domain_made_anew_with_another_rule_of_case_is_no_place_for_the_op(void **state)
{
    (void)state;
    struct user_change c;
    struct user next = {0};
    struct domain anew = example;
    bool remove = false;
    struct store_op op = {.domain = example.name, .username = SLICE("Alice"), .arena = &arena};
    struct json *v = parsed("{}");
    assert_true(user_body_read(v, 0, &faults, &c));
    json_free(v);
    assert_true(user_change_name(&c, &example, SLICE("Alice")));
    anew.case_insensitive_users = true;
    assert_int_equal(user_change_decide(&op, &c, &anew, NULL, NOW, &next, &remove), DECIDE_REFUSE);
    assert_int_equal(faults.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fault_of_credentials_names_its_field),
        TEST(a_fault_of_a_setting_names_its_field),
        TEST(a_fault_of_labels_names_its_field),
        TEST(a_fault_of_a_user_names_its_field),
        TEST(labels_are_bounded_in_number),
        TEST(all_faults_are_told_up_to_a_bound),
        TEST(names_in_a_body_must_be_those_of_the_path),
        TEST(a_username_is_clean_utf8_of_1_to_128_bytes),
        TEST(a_new_user_has_the_defaults),
        TEST(put_makes_defaults_of_what_is_absent_but_keeps_credentials),
        TEST(rfc7396_a_patch_changes_what_it_names),
        TEST(rfc7396_a_patch_may_not_leave_too_many_labels),
        TEST(the_same_again_is_no_change),
        TEST(a_real_change_of_credentials_voids_nonces_and_removes_bindings),
        TEST(more_or_fewer_algorithms_of_one_password_drop_nobody),
        TEST(another_auth_username_needs_new_credentials),
        TEST(ha1s_are_made_for_the_realm_at_commit_time),
        TEST(a_domain_made_anew_with_another_rule_of_case_is_no_place_for_the_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
