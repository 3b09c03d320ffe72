// SPDX-License-Identifier: Apache-2.0
// How objects look as JSON, whatever bytes the wire has brought, and addresses of record both ways.
#include "api/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "api/json.h"

#define DOMAIN SLICE("example.com")
#define ALICE  SLICE("alice")

// A parsed object and the text it came from; `has` and the like look into it.
struct shown {
    struct text text;
    struct json *json;
};

static struct shown parsed(struct text *t)
{
    char why[160] = "";
    struct shown s = {.text = *t};
    assert_false(t->bad);
    s.json = json_parse(text_slice(&s.text), why, sizeof why);
    if (!s.json)
        fail_msg("%s in %.*s", why, SLICE_FMT(text_slice(&s.text)));
    return s;
}

static struct shown shown_binding(const struct binding *b, enum view view)
{
    struct text t;
    text_init(&t, 1 << 20);
    show_binding(&t, DOMAIN, ALICE, b, view);
    return parsed(&t);
}

static void done(struct shown *s)
{
    json_free(s->json);
    text_free(&s->text);
}

static bool contains(const struct shown *s, const char *what)
{
    return memmem(s->text.p, s->text.n, what, strlen(what)) != NULL;
}

static void assert_has(const struct shown *s, const char *what)
{
    if (!contains(s, what))
        fail_msg("no %s in %.*s", what, SLICE_FMT(text_slice(&s->text)));
}

static void assert_not(const struct shown *s, const char *what)
{
    if (contains(s, what))
        fail_msg("%s in %.*s", what, SLICE_FMT(text_slice(&s->text)));
}

static struct address address(const char *ip, uint16_t port)
{
    struct address a;
    assert_true(address_parse(slice_str(ip), &a));
    a.port = port;
    return a;
}

static struct binding binding(void)
{
    return (struct binding){.id = 7,
                            .contact = SLICE("sip:alice@192.0.2.1:5062"),
                            .q = -1,
                            .expires_at_ms = 1772370000500,
                            .registered_at_ms = 1772366400000,
                            .refreshed_at_ms = 1772366460000,
                            .call_id = SLICE("c1"),
                            .cseq = 4294967295,
                            .source = address("192.0.2.1", 5062),
                            .user_agent = SLICE("phone/1.0")};
}

static void a_binding_has_all_its_members(void **state)
{
    (void)state;
    struct binding b = binding();
    struct shown s = shown_binding(&b, VIEW_FULL);
    assert_has(&s, "\"id\":\"7\"");
    assert_has(&s, "\"aor\":\"sip:alice@example.com\"");
    assert_has(&s, "\"contact\":\"sip:alice@192.0.2.1:5062\"");
    assert_has(&s, "\"contact_params\":{}");
    assert_has(&s, "\"q\":null");
    assert_has(&s, "\"expires_at\":\"2026-03-01T13:00:00.500Z\"");
    assert_has(&s, "\"registered_at\":\"2026-03-01T12:00:00.000Z\"");
    assert_has(&s, "\"refreshed_at\":\"2026-03-01T12:01:00.000Z\"");
    assert_has(&s, "\"cseq\":4294967295");
    assert_has(&s, "\"path\":[]");
    assert_has(&s, "\"source\":\"192.0.2.1:5062\"");
    assert_has(&s, "\"received\":null");
    assert_has(&s, "\"transport\":\"udp\"");
    assert_has(&s, "\"instance\":null");
    assert_has(&s, "\"reg_id\":null");
    assert_has(&s, "\"nat\":false");
    assert_has(&s, "\"unreachable\":false");
    assert_has(&s, "\"outbound\":false");
    done(&s);
}

static void what_a_proxy_and_a_flow_say_is_shown(void **state)
{
    (void)state;
    struct slice path[] = {SLICE("<sip:a@edge.example;lr>"), SLICE("<sip:b@edge.example;lr>;x=y")};
    struct binding b = binding();
    b.path = path;
    b.n_paths = 2;
    b.transport = TRANSPORT_TCP;
    b.flags = BINDING_NAT | BINDING_UNREACHABLE | BINDING_OUTBOUND;
    b.source = address("2001:db8::1", 5060);
    b.received = address("198.51.100.9", 1024);
    b.instance = SLICE("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>");
    b.reg_id = 2;
    struct shown s = shown_binding(&b, VIEW_FULL);
    assert_has(&s, "\"path\":[\"<sip:a@edge.example;lr>\",\"<sip:b@edge.example;lr>;x=y\"]");
    assert_has(&s, "\"source\":\"[2001:db8::1]:5060\"");
    assert_has(&s, "\"received\":\"198.51.100.9:1024\"");
    assert_has(&s, "\"transport\":\"tcp\"");
    assert_has(&s, "\"instance\":\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"");
    assert_has(&s, "\"reg_id\":2");
    assert_has(&s, "\"nat\":true");
    assert_has(&s, "\"unreachable\":true");
    assert_has(&s, "\"outbound\":true");
    done(&s);
}

static void the_view_of_the_status_leaves_out_what_a_refresh_changes(void **state)
{
    (void)state;
    struct binding b = binding(), later = b;
    later.expires_at_ms += 60000;
    later.refreshed_at_ms += 60000;
    later.cseq = 5;
    assert_true(binding_same_but_times(&b, &later));
    struct shown one = shown_binding(&b, VIEW_STATUS), two = shown_binding(&later, VIEW_STATUS);
    assert_int_equal(one.text.n, two.text.n);
    assert_memory_equal(one.text.p, two.text.p, one.text.n);
    assert_not(&one, "expires_at");
    assert_not(&one, "refreshed_at");
    assert_not(&one, "cseq");
    assert_has(&one, "\"registered_at\"");
    done(&one);
    done(&two);
}

static void assert_params(const char *params, const char *want)
{
    struct binding b = binding();
    char text[512];
    b.params = slice_str(params);
    struct shown s = shown_binding(&b, VIEW_FULL);
    snprintf(text, sizeof text, "\"contact_params\":%s,", want);
    assert_has(&s, text);
    done(&s);
}

static void contact_parameters_are_values_without_their_quotes(void **state)
{
    (void)state;
    assert_params(";+g.oma.sip-im;language=\"en,fr\";+g.3gpp.smsip;audio;"
                  "+g.3gpp.mpeg-ref=\"urn%3Aurn-7%3A3gpp\"",
                  "{\"+g.oma.sip-im\":null,\"language\":\"en,fr\",\"+g.3gpp.smsip\":null,"
                  "\"audio\":null,\"+g.3gpp.mpeg-ref\":\"urn%3Aurn-7%3A3gpp\"}");
    assert_params(";a=b;c=\"\"", "{\"a\":\"b\",\"c\":\"\"}");
    assert_params(";tok=YWI==;b", "{\"tok\":\"YWI==\",\"b\":null}");
    assert_params(" ; a = b ; c = \"d;e=f\" ;g", "{\"a\":\"b\",\"c\":\"d;e=f\",\"g\":null}");
    assert_params(";a=\"x\\\"y\\\\z\\;\"", "{\"a\":\"x\\\"y\\\\z;\"}");
    assert_params(";+sip.instance=\"<urn:uuid:1>\";reg-id=1",
                  "{\"+sip.instance\":\"<urn:uuid:1>\",\"reg-id\":\"1\"}");
}

static void no_contact_parameter_is_there_twice(void **state)
{
    (void)state;
    assert_params(";a=1;b;A=2;a=3", "{\"a\":\"1\",\"b\":null}");
    assert_params(";\xf8;\xf9;a", "{\"a\":null}");
}

static void parameters_that_end_early_do_no_harm(void **state)
{
    (void)state;
    assert_params("", "{}");
    assert_params(";", "{}");
    assert_params(";a=", "{\"a\":\"\"}");
    assert_params(";a=\"b", "{\"a\":\"b\"}");
    assert_params(";a=\"b\\", "{\"a\":\"b\\\\\"}");
    assert_params(";a=\"b\"rest;c", "{\"a\":\"b\",\"c\":null}");
    assert_params("a;b", "{}");
    assert_params(";;b", "{\"b\":null}");
}

static void more_parameters_than_a_contact_may_have_are_cut(void **state)
{
    (void)state;
    char params[1024];
    struct buf p = buf_over(params, sizeof params);
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&p, ";p%u", i);
    struct binding b = binding();
    b.params = buf_slice(&p);
    struct shown s = shown_binding(&b, VIEW_FULL);
    assert_int_equal(json_size(json_get(s.json, "contact_params")), 64);
    done(&s);
}

static void q_is_a_number(void **state)
{
    (void)state;
    static const struct {
        int16_t q;
        const char *text;
    } rows[] = {{0, "\"q\":0,"},       {1000, "\"q\":1,"},  {500, "\"q\":0.5,"},
                {125, "\"q\":0.125,"}, {70, "\"q\":0.07,"}, {1, "\"q\":0.001,"},
                {999, "\"q\":0.999,"}, {-1, "\"q\":null,"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct binding b = binding();
        b.q = rows[i].q;
        struct shown s = shown_binding(&b, VIEW_FULL);
        assert_has(&s, rows[i].text);
        done(&s);
    }
}

static void bytes_that_are_no_utf8_stay_valid_json(void **state)
{
    (void)state;
    struct binding b = binding();
    b.user_agent = SLICE("caf\xe9 \xff\xfe \xed\xa0\x80 \xc0\xaf end");
    b.call_id = SLICE("a\x01\x7f\"\\\n");
    b.params = SLICE(";x=\"\xe9\\\xff\"");
    struct shown s = shown_binding(&b, VIEW_FULL);
    assert_has(&s, "caf\xef\xbf\xbd ");
    assert_has(&s, "a\\u0001");
    assert_has(&s, "{\"x\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
    done(&s);
}

// ---- Users and domains --------------------------------------------------------------------------

static void a_user_has_all_its_members(void **state)
{
    (void)state;
    struct user u = {.domain = DOMAIN,
                     .username = SLICE("a b"),
                     .enabled = true,
                     .n_labels = 1,
                     .labels = {{SLICE("site"), SLICE("north")}},
                     .credentials = {.have = 1u << ALGORITHM_MD5 | 1u << ALGORITHM_SHA512_256},
                     .created_at_ms = 1772366400000,
                     .updated_at_ms = 1772366400001};
    memset(u.credentials.ha1, 'h', sizeof u.credentials.ha1);
    struct user_status status = {.registered = true, .binding_count = 2};
    struct text t;
    text_init(&t, 1 << 20);
    show_user(&t, &u, &status, VIEW_FULL);
    struct shown s = parsed(&t);
    assert_has(&s, "\"username\":\"a b\"");
    assert_has(&s, "\"domain\":\"example.com\"");
    assert_has(&s, "\"aor\":\"sip:a%20b@example.com\"");
    assert_has(&s, "\"display_name\":null");
    assert_has(&s, "\"auth_username\":\"a b\"");
    assert_has(&s, "\"max_bindings\":null");
    assert_has(&s, "\"labels\":{\"site\":\"north\"}");
    assert_has(&s, "\"algorithms\":[\"MD5\",\"SHA-512-256\"]");
    assert_has(&s, "\"registered\":true,\"binding_count\":2,\"last_registered_at\":null");
    assert_not(&s, "hhhh");
    assert_not(&s, "6868");
    done(&s);
}

static void a_user_without_a_known_status_shows_none(void **state)
{
    (void)state;
    struct user u = {.domain = DOMAIN, .username = ALICE, .has_max_bindings = true};
    struct user_status status = {.registered = true, .last_registered_at_ms = 5};
    struct text t;
    u.max_bindings = 3;
    u.auth_username = SLICE("login");
    u.display_name = SLICE("Alice");
    text_init(&t, 1 << 20);
    show_user(&t, &u, NULL, VIEW_FULL);
    struct shown s = parsed(&t);
    assert_has(&s, "\"max_bindings\":3");
    assert_has(&s, "\"auth_username\":\"login\"");
    assert_has(&s, "\"display_name\":\"Alice\"");
    assert_not(&s, "registered");
    assert_not(&s, "binding_count");
    done(&s);
    text_init(&t, 1 << 20);
    show_user(&t, &u, &status, VIEW_STATUS);
    s = parsed(&t);
    assert_has(&s, "\"registered\":true");
    assert_not(&s, "last_registered_at");
    done(&s);
}

static void a_domain_shows_null_where_the_configuration_decides(void **state)
{
    (void)state;
    struct domain d = {.name = DOMAIN,
                       .realm = SLICE("realm"),
                       .n_aliases = 1,
                       .aliases = {SLICE("192.0.2.10")},
                       .min_expires = -1,
                       .default_expires = 0,
                       .max_expires = 7200,
                       .max_bindings = -1};
    struct text t;
    text_init(&t, 1 << 20);
    show_domain(&t, &d);
    struct shown s = parsed(&t);
    assert_has(&s, "\"domain\":\"example.com\",\"realm\":\"realm\",\"aliases\":[\"192.0.2.10\"]");
    assert_has(&s, "\"algorithms\":null,\"min_expires\":null,\"default_expires\":0");
    assert_has(&s, "\"max_expires\":7200,\"max_bindings\":null,\"service_route\":[]");
    done(&s);
}

// ---- Attempts, bans, events ---------------------------------------------------------------------

static void an_attempt_says_why(void **state)
{
    (void)state;
    struct attempt a = {.first_at_ms = 1772366400000,
                        .at_ms = 1772366460000,
                        .count = 3,
                        .status = 401,
                        .reason = REASON_WRONG_PASSWORD,
                        .transport = TRANSPORT_TCP,
                        .source = address("192.0.2.1", 5062),
                        .domain = DOMAIN,
                        .username = ALICE,
                        .detail = slice_str(reason_text(REASON_WRONG_PASSWORD))};
    struct text t;
    text_init(&t, 1 << 20);
    show_attempt(&t, &a);
    struct shown s = parsed(&t);
    assert_has(&s, "\"at\":\"2026-03-01T12:01:00.000Z\",\"first_at\":\"2026-03-01T12:00:00.000Z\"");
    assert_has(&s, "\"count\":3");
    assert_has(&s, "\"transport\":\"tcp\",\"user_agent\":null,\"status\":401");
    assert_has(&s, "\"reason\":\"wrong_password\",\"detail\":\"wrong password\"");
    done(&s);
}

static void a_ban_shows_its_network(void **state)
{
    (void)state;
    struct ban b = {.until_ms = 1772370000000, .since_ms = 1772366400000, .manual = true};
    struct text t;
    assert_true(network_parse(SLICE("203.0.113.7/24"), &b.network));
    snprintf(b.reason, sizeof b.reason, "a \"scanner\"");
    text_init(&t, 1 << 20);
    show_ban(&t, &b);
    struct shown s = parsed(&t);
    assert_has(&s, "{\"network\":\"203.0.113.0/24\",\"reason\":\"a \\\"scanner\\\"\"");
    assert_has(&s, "\"manual\":true");
    done(&s);
}

static struct shown shown_event(const struct store_event *e)
{
    struct text t;
    text_init(&t, 1 << 20);
    show_event(&t, e);
    return parsed(&t);
}

static void an_event_is_the_object_itself(void **state)
{
    (void)state;
    struct binding b = binding();
    struct user u = {.domain = DOMAIN, .username = ALICE};
    struct domain d = {.name = DOMAIN};
    struct store_event e = {.type = EVENT_BINDING_REMOVED,
                            .domain = DOMAIN,
                            .username = ALICE,
                            .gone = GONE_EXPIRED,
                            .binding = &b};
    struct shown s = shown_event(&e);
    assert_has(&s, "\"id\":\"7\"");
    assert_has(&s, "\"reason\":\"expired\"}");
    done(&s);
    e.type = EVENT_BINDING_CREATED;
    s = shown_event(&e);
    assert_not(&s, "reason");
    done(&s);
    e = (struct store_event){.type = EVENT_USER_CREATED, .user = &u};
    s = shown_event(&e);
    assert_has(&s, "{\"username\":\"alice\"");
    done(&s);
    e = (struct store_event){.type = EVENT_DOMAIN_DELETED, .domain_object = &d};
    s = shown_event(&e);
    assert_has(&s, "{\"domain\":\"example.com\"");
    done(&s);
}

// ---- Addresses of record ------------------------------------------------------------------------

static void assert_aor(const char *username, const char *domain, const char *want)
{
    struct text t;
    text_init(&t, 4096);
    show_aor(&t, slice_str(domain), slice_str(username));
    assert_false(t.bad);
    struct slice got = slice_of(t.p + 1, t.n - 2);
    if (!slice_eq(got, slice_str(want)))
        fail_msg("%.*s, not %s", SLICE_FMT(got), want);
    text_free(&t);
}

static void rfc3261_25_1_the_user_part_is_escaped(void **state)
{
    (void)state;
    assert_aor("1008", "example.com", "sip:1008@example.com");
    assert_aor("+49.30-1_2!3~4*5'(6)", "example.com", "sip:+49.30-1_2!3~4*5'(6)@example.com");
    assert_aor("a&=+$,;?/z", "example.com", "sip:a&=+$,;?/z@example.com");
    assert_aor("a b@c:d#e%f", "example.com", "sip:a%20b%40c%3Ad%23e%25f@example.com");
    assert_aor("\xc3\xbc\"<>", "example.com", "sip:%C3%BC%22%3C%3E@example.com");
    assert_aor("a", "2001:db8::1", "sip:a@[2001:db8::1]");
}

static void an_aor_of_the_greatest_length_fits(void **state)
{
    (void)state;
    char domain[DOMAIN_NAME_MAX + 1], username[USERNAME_MAX + 1];
    memset(domain, 'd', DOMAIN_NAME_MAX);
    memset(username, ' ', USERNAME_MAX);
    domain[DOMAIN_NAME_MAX] = username[USERNAME_MAX] = '\0';
    struct text t;
    text_init(&t, 4096);
    show_aor(&t, slice_str(domain), slice_str(username));
    assert_false(t.bad);
    assert_int_equal(t.n, 2 + 4 + 3 * USERNAME_MAX + 1 + DOMAIN_NAME_MAX);
    text_free(&t);
}

static void assert_read(const char *aor, const char *domain, const char *username)
{
    char memory[2048];
    struct arena arena;
    struct slice d, u;
    arena_init(&arena, memory, sizeof memory, 0);
    if (!read_aor(slice_str(aor), &arena, &d, &u))
        fail_msg("%s is refused", aor);
    if (!slice_eq(d, slice_str(domain)) || !slice_eq(u, slice_str(username)))
        fail_msg("%s is read as %.*s and %.*s", aor, SLICE_FMT(d), SLICE_FMT(u));
}

static void an_aor_is_read_as_domain_and_user_name(void **state)
{
    (void)state;
    assert_read("sip:1008@example.com", "example.com", "1008");
    assert_read("SIPS:1008@EXAMPLE.com", "example.com", "1008");
    assert_read("sip:1008:secret@example.com:5070;transport=tcp?a=b", "example.com", "1008");
    assert_read("sip:Alice@example.com", "example.com", "Alice");
    assert_read("sip:a%20b%40c%3aD@example.com", "example.com", "a b@c:D");
    assert_read("sip:a;x=1@example.com", "example.com", "a;x=1");
    assert_read("sip:a@[2001:DB8:0::1]:5060", "2001:db8::1", "a");
    assert_read("sip:a@192.0.2.1", "192.0.2.1", "a");
}

static void what_is_no_aor_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "sip:",
                                      "alice",
                                      "alice@example.com",
                                      "tel:+4930",
                                      "sip:example.com",
                                      "sip:@example.com",
                                      "sip:a@",
                                      "sip:a@:5060",
                                      "sip:a@b@c",
                                      "sip:a%2@example.com",
                                      "sip:a%zz@example.com",
                                      "sip:a@exa mple.com",
                                      "sip:a@example.com:x",
                                      "sip:a@[2001:db8::1",
                                      "sip:a@[nonsense]",
                                      "sip:a@[::1]x",
                                      "<sip:a@example.com>"};
    char memory[2048];
    struct arena arena;
    struct slice d, u;
    arena_init(&arena, memory, sizeof memory, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++, arena_reset(&arena))
        if (read_aor(slice_str(bad[i]), &arena, &d, &u))
            fail_msg("%s is taken as %.*s and %.*s", bad[i], SLICE_FMT(d), SLICE_FMT(u));
}

static void every_user_name_comes_back_from_its_aor(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        char name[] = {'x', (char)c, 'y', '\0'}, memory[512];
        struct arena arena;
        struct slice d, u;
        struct text t;
        text_init(&t, 4096);
        show_aor(&t, DOMAIN, slice_str(name));
        arena_init(&arena, memory, sizeof memory, 0);
        assert_true(read_aor(slice_of(t.p + 1, t.n - 2), &arena, &d, &u));
        assert_true(slice_eq(u, slice_str(name)));
        text_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binding_has_all_its_members),
        cmocka_unit_test(what_a_proxy_and_a_flow_say_is_shown),
        cmocka_unit_test(the_view_of_the_status_leaves_out_what_a_refresh_changes),
        cmocka_unit_test(contact_parameters_are_values_without_their_quotes),
        cmocka_unit_test(no_contact_parameter_is_there_twice),
        cmocka_unit_test(parameters_that_end_early_do_no_harm),
        cmocka_unit_test(more_parameters_than_a_contact_may_have_are_cut),
        cmocka_unit_test(q_is_a_number),
        cmocka_unit_test(bytes_that_are_no_utf8_stay_valid_json),
        cmocka_unit_test(a_user_has_all_its_members),
        cmocka_unit_test(a_user_without_a_known_status_shows_none),
        cmocka_unit_test(a_domain_shows_null_where_the_configuration_decides),
        cmocka_unit_test(an_attempt_says_why),
        cmocka_unit_test(a_ban_shows_its_network),
        cmocka_unit_test(an_event_is_the_object_itself),
        cmocka_unit_test(rfc3261_25_1_the_user_part_is_escaped),
        cmocka_unit_test(an_aor_of_the_greatest_length_fits),
        cmocka_unit_test(an_aor_is_read_as_domain_and_user_name),
        cmocka_unit_test(what_is_no_aor_is_refused),
        cmocka_unit_test(every_user_name_comes_back_from_its_aor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
