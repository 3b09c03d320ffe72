// SPDX-License-Identifier: Apache-2.0
// The stored formats: what is written is read, a single bent byte is noticed, and the bytes
// themselves are what format 1 says, so that nobody changes it by accident.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "store/codec.h"

static char bytes[1 << 16];

static struct address addr(const char *text, uint16_t port)
{
    struct address a;
    assert_true(address_parse(slice_str(text), &a));
    a.port = port;
    return a;
}

static struct slice paths[2] = {{"<sip:p1;lr>", 11}, {"<sip:p2;lr;ob>;x", 16}};

static struct binding full_binding(void)
{
    return (struct binding){
        .id = 300,
        .contact = SLICE("sip:a@[2001:db8::1];ob"),
        .params = SLICE(";+sip.instance=\"<u:1>\";x"),
        .q = 500,
        .transport = TRANSPORT_TCP,
        .flags = BINDING_NAT | BINDING_OUTBOUND,
        .expires_at_ms = 1700000060000,
        .registered_at_ms = 1699999999000,
        .refreshed_at_ms = 1700000000000,
        .nonce_time_ms = 1699999990000,
        .call_id = SLICE("c@h"),
        .cseq = UINT32_MAX,
        .reg_id = 2,
        .instance = SLICE("<u:1>"),
        .path = paths,
        .n_paths = 2,
        .source = addr("192.0.2.1", 5060),
        .received = addr("2001:db8::9", 65535),
        .flow = UINT64_MAX,
        .user_agent = SLICE("X/1"),
    };
}

static struct binding bare_binding(void)
{
    return (struct binding){.contact = SLICE("sip:h"),
                            .q = -1,
                            .expires_at_ms = INT64_MAX,
                            .refreshed_at_ms = INT64_MIN,
                            .nonce_time_ms = INT64_MAX};
}

static struct aor_record full_aor(struct binding *items)
{
    items[0] = full_binding();
    items[1] = bare_binding();
    return (struct aor_record){.domain = SLICE("example.com"),
                               .key = SLICE("alice"),
                               .incarnation = 7,
                               .last_registered_at_ms = 1700000000000,
                               .presence = 9,
                               .version = 1000000,
                               .set = {items, 2}};
}

static struct user full_user(void)
{
    struct user u = {
        .username = SLICE("alice"),
        .auth_username = SLICE("login"),
        .display_name = SLICE("\xc3\x84"),
        .enabled = true,
        .has_max_bindings = true,
        .max_bindings = 65535,
        .n_labels = 2,
        .labels = {{SLICE("k"), SLICE("v")}, {SLICE("l"), SLICE("")}},
        .credentials = {.have = 5},
        .credentials_set_at_ms = 1,
        .incarnation = 2,
        .version = 3,
        .created_at_ms = 4,
        .updated_at_ms = 5,
        .last_registered_at_ms = 6,
    };
    memset(u.credentials.ha1[ALGORITHM_MD5], 0xaa, 16);
    memset(u.credentials.ha1[ALGORITHM_SHA512_256], 0xbb, 32);
    return u;
}

static struct domain full_domain(void)
{
    return (struct domain){
        .name = SLICE("example.com"),
        .realm = SLICE("r"),
        .aliases = {SLICE("a.example"), SLICE("192.0.2.1")},
        .n_aliases = 2,
        .n_algorithms = 2,
        .algorithms = {ALGORITHM_SHA512_256, ALGORITHM_MD5},
        .case_insensitive_users = true,
        .closing = true,
        .min_expires = 60,
        .default_expires = -1,
        .max_expires = INT32_MAX,
        .max_bindings = 0,
        .service_route = {SLICE("<sip:s;lr>")},
        .n_service_routes = 1,
        .incarnation = 10,
        .version = 11,
        .created_at_ms = 12,
        .updated_at_ms = -13,
    };
}

static void assert_binding(const struct binding *a, const struct binding *b)
{
    assert_true(binding_same_but_times(a, b));
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->expires_at_ms, b->expires_at_ms);
    assert_int_equal(a->registered_at_ms, b->registered_at_ms);
    assert_int_equal(a->refreshed_at_ms, b->refreshed_at_ms);
    assert_int_equal(a->nonce_time_ms, b->nonce_time_ms);
    assert_int_equal(a->cseq, b->cseq);
    assert_int_equal(a->flow, b->flow);
    assert_true(slice_eq(a->contact, b->contact) && slice_eq(a->call_id, b->call_id));
    assert_true(address_eq(&a->source, &b->source) && address_eq(&a->received, &b->received));
}

static struct slice put_aor(const struct aor_record *r)
{
    struct buf b = buf_over(bytes, sizeof bytes);
    codec_put_aor(&b, r);
    assert_false(b.full);
    return buf_slice(&b);
}

static void an_aor_comes_back_as_it_was(void **state)
{
    (void)state;
    struct binding items[2];
    struct aor_record r = full_aor(items), got;
    struct slice record = put_aor(&r);
    struct arena arena;
    arena_init(&arena, NULL, 0, 1 << 20);
    assert_int_equal(codec_get_aor(record, &arena, &got), CODEC_OK);
    assert_true(slice_eq(got.domain, r.domain) && slice_eq(got.key, r.key));
    assert_int_equal(got.incarnation, 7);
    assert_int_equal(got.last_registered_at_ms, r.last_registered_at_ms);
    assert_int_equal(got.presence, 9);
    assert_int_equal(got.version, 1000000);
    assert_int_equal(got.set.n, 2);
    assert_binding(&got.set.items[0], &items[0]);
    assert_binding(&got.set.items[1], &items[1]);
    unsigned n;
    int64_t next;
    uint64_t by_transport[TRANSPORT_COUNT] = {0};
    assert_true(codec_glance_aor(record, &got, &n, &next, by_transport));
    assert_int_equal(n, 2);
    assert_int_equal(next, 1700000060000);
    assert_int_equal(by_transport[TRANSPORT_TCP], 1);
    assert_int_equal(by_transport[TRANSPORT_UDP], 1);
    assert_true(codec_peek_aor(record, &got));
    assert_true(slice_eq(got.key, r.key));
    // a tombstone
    r.set.n = 0;
    record = put_aor(&r);
    assert_int_equal(codec_get_aor(record, &arena, &got), CODEC_OK);
    assert_int_equal(got.set.n, 0);
    assert_true(codec_glance_aor(record, &got, &n, &next, NULL));
    assert_int_equal(next, INT64_MAX);
    arena_reset(&arena);
}

static void a_user_comes_back_as_it_was(void **state)
{
    (void)state;
    struct user u = full_user(), got = {0};
    struct buf b = buf_over(bytes, sizeof bytes);
    codec_put_user(&b, &u);
    assert_true(codec_get_user(buf_slice(&b), SLICE("example.com"), &got));
    assert_true(slice_eq(got.domain, SLICE("example.com")));
    assert_true(slice_eq(got.username, u.username) && slice_eq(got.auth_username, SLICE("login")));
    assert_true(slice_eq(got.display_name, u.display_name));
    assert_true(got.enabled && got.has_max_bindings && got.max_bindings == 65535);
    assert_int_equal(got.n_labels, 2);
    assert_true(slice_eq(got.labels[1].key, SLICE("l")) && got.labels[1].value.n == 0);
    assert_memory_equal(&got.credentials, &u.credentials, sizeof u.credentials);
    assert_int_equal(got.credentials_set_at_ms, 1);
    assert_int_equal(got.last_registered_at_ms, 6);
}

static void a_domain_comes_back_as_it_was(void **state)
{
    (void)state;
    struct domain d = full_domain(), got = {0};
    struct buf b = buf_over(bytes, sizeof bytes);
    codec_put_domain(&b, &d);
    assert_true(codec_get_domain(buf_slice(&b), &got));
    assert_true(slice_eq(got.name, d.name) && slice_eq(got.realm, d.realm));
    assert_int_equal(got.n_aliases, 2);
    assert_true(slice_eq(got.aliases[1], d.aliases[1]));
    assert_int_equal(got.n_algorithms, 2);
    assert_int_equal(got.algorithms[0], ALGORITHM_SHA512_256);
    assert_true(got.case_insensitive_users && got.closing);
    assert_int_equal(got.min_expires, 60);
    assert_int_equal(got.default_expires, -1);
    assert_int_equal(got.max_expires, INT32_MAX);
    assert_int_equal(got.max_bindings, 0);
    assert_true(slice_eq(got.service_route[0], d.service_route[0]));
    assert_int_equal(got.updated_at_ms, -13);
}

static struct slice put_event(enum store_event_type type, const struct binding *x,
                              const struct user *u, const struct domain *d)
{
    struct buf b = buf_over(bytes, sizeof bytes);
    struct store_event e = {.type = type,
                            .at_ms = 99,
                            .domain = SLICE("example.com"),
                            .username = SLICE("alice"),
                            .gone = type == EVENT_BINDING_REMOVED ? GONE_REPLACED : GONE_NO,
                            .binding = x,
                            .user = u,
                            .domain_object = d};
    codec_put_event(&b, &e);
    assert_false(b.full);
    return buf_slice(&b);
}

static void events_come_back_as_they_were_and_hold_no_secret(void **state)
{
    (void)state;
    static struct event_objects objects;
    struct binding x = full_binding();
    struct user u = full_user();
    struct domain d = full_domain();
    struct store_event got;
    assert_true(codec_get_event(put_event(EVENT_BINDING_REMOVED, &x, NULL, NULL), &objects, &got));
    assert_int_equal(got.type, EVENT_BINDING_REMOVED);
    assert_int_equal(got.gone, GONE_REPLACED);
    assert_int_equal(got.at_ms, 99);
    assert_binding(got.binding, &x);
    struct slice record = put_event(EVENT_USER_UPDATED, NULL, &u, NULL);
    assert_null(memmem(record.p, record.n, "\xaa\xaa\xaa", 3));
    assert_null(memmem(record.p, record.n, "\xbb\xbb\xbb", 3));
    assert_true(codec_get_event(record, &objects, &got));
    assert_true(slice_eq(got.user->username, u.username));
    assert_true(slice_eq(got.user->domain, SLICE("example.com")));
    assert_int_equal(got.user->credentials.have, 5);
    assert_true(codec_get_event(put_event(EVENT_DOMAIN_DELETED, NULL, NULL, &d), &objects, &got));
    assert_true(slice_eq(got.domain_object->name, d.name));
}

// ---- Damage -------------------------------------------------------------------------------------

enum kind { AOR, USER, DOMAIN, EVENT, KINDS };

static bool reads(enum kind kind, struct slice record)
{
    static struct event_objects objects;
    struct aor_record r;
    struct user u;
    struct domain d;
    struct store_event e;
    struct arena arena;
    bool good = false;
    arena_init(&arena, NULL, 0, 1 << 20);
    // in memory of its own, so that a sanitizer sees a read past the end
    char *copy = malloc(record.n ? record.n : 1);
    assert_non_null(copy);
    memcpy(copy, record.p, record.n);
    record = slice_of(copy, record.n);
    switch (kind) {
    case AOR:
        good = codec_get_aor(record, &arena, &r) == CODEC_OK;
        break;
    case USER:
        good = codec_get_user(record, SLICE("d"), &u);
        break;
    case DOMAIN:
        good = codec_get_domain(record, &d);
        break;
    case EVENT:
    case KINDS:
        good = codec_get_event(record, &objects, &e);
        break;
    }
    arena_reset(&arena);
    free(copy);
    return good;
}

static struct slice record_of(enum kind kind)
{
    static struct binding items[2];
    struct aor_record r = full_aor(items);
    struct user u = full_user();
    struct domain d = full_domain();
    struct buf b = buf_over(bytes, sizeof bytes);
    switch (kind) {
    case AOR:
        return put_aor(&r);
    case USER:
        codec_put_user(&b, &u);
        break;
    case DOMAIN:
        codec_put_domain(&b, &d);
        break;
    case EVENT:
    case KINDS:
        return put_event(EVENT_BINDING_CREATED, &items[0], NULL, NULL);
    }
    return buf_slice(&b);
}

static void every_bent_byte_and_every_cut_is_noticed(void **state)
{
    (void)state;
    for (enum kind kind = AOR; kind < KINDS; kind++) {
        struct slice record = record_of(kind);
        assert_true(reads(kind, record));
        for (size_t i = 0; i < record.n; i++) {
            for (int bit = 0; bit < 8; bit++) {
                bytes[i] = (char)(bytes[i] ^ 1 << bit);
                if (reads(kind, record))
                    fail_msg("kind %d: bit %d of byte %zu", kind, bit, i);
                bytes[i] = (char)(bytes[i] ^ 1 << bit);
            }
            assert_false(reads(kind, slice_upto(record, i)));
        }
        bytes[record.n] = 0;
        assert_false(reads(kind, slice_of(bytes, record.n + 1)));
    }
}

// With the checksum made right again, what is out of range is still refused and nothing is read
// past the end.
static void damage_below_a_right_checksum_reads_within_bounds(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (enum kind kind = AOR; kind < KINDS; kind++) {
        struct slice record = record_of(kind);
        for (size_t i = CODEC_HEAD; i < record.n; i++)
            for (int value = 0; value < 256; value += 51) {
                char was = bytes[i];
                bytes[i] = (char)value;
                uint64_t sum = checksum64(slice_from(record, CODEC_HEAD));
                memcpy(bytes + 1, &sum, sizeof sum);
                refused += !reads(kind, record);
                bytes[i] = was;
            }
    }
    assert_true(refused > 100);
}

static void without_memory_an_aor_says_so(void **state)
{
    (void)state;
    struct slice record = record_of(AOR);
    char block[2048];
    bool held = false;
    for (size_t size = 0; size < sizeof block && !held; size += 16) {
        struct arena small;
        struct aor_record got;
        arena_init(&small, block, size, 0);
        enum codec_result result = codec_get_aor(record, &small, &got);
        assert_true(result != CODEC_DAMAGED);
        held = result == CODEC_OK;
        arena_reset(&small);
    }
    assert_true(held);
}

static void what_does_not_fit_is_noticed(void **state)
{
    (void)state;
    struct binding items[2];
    struct aor_record r = full_aor(items);
    size_t n = put_aor(&r).n;
    for (size_t size = 0; size < n; size++) {
        struct buf b = buf_over(bytes, size);
        codec_put_aor(&b, &r);
        assert_true(b.full);
    }
}

// ---- The bytes ----------------------------------------------------------------------------------

static void assert_bytes(struct slice record, const char *want)
{
    char hex[4096];
    struct buf b = buf_over(hex, sizeof hex);
    buf_hex(&b, record.p, record.n);
    if (!slice_eq(buf_slice(&b), slice_str(want)))
        fail_msg("%.*s", SLICE_FMT(buf_slice(&b)));
}

static void format_1_has_these_bytes(void **state)
{
    (void)state;
    assert_int_equal(CODEC_FORMAT, 1);
    assert_bytes(record_of(AOR),
                 "016a1d6cc8f987ac7e0b6578616d706c652e636f6d05616c6963650780a0abfef96209c0843d"
                 "02ac02167369703a61405b323030313a6462383a3a315d3b6f62183b2b7369702e696e737461"
                 "6e63653d223c753a313e223b78e807010580a0abfef962c0a907d00fa09c0103634068ffffff"
                 "ff0f02053c753a313e020b3c7369703a70313b6c723e103c7369703a70323b6c723b6f623e3b"
                 "7804c0000201c4130620010db8000000000000000000000009ffffffffffffffffffffff0103"
                 "582f3100057369703a6800010000ffffffffffffffffff0101ffffffffffffffffff01020000"
                 "00000000000000");
    assert_bytes(record_of(USER),
                 "01dfdada1b594de23f05616c696365056c6f67696e02c38407ffff0302016b0176016c0005aa"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                 "bbbbbbbbbbbbbbbbbb020203080a0c");
    assert_bytes(record_of(DOMAIN),
                 "01e883881dd4ac8b1c0b6578616d706c652e636f6d01720209612e6578616d706c6509313932"
                 "2e302e322e31020200037801feffffff0f00010a3c7369703a733b6c723e0a0b1819");
    assert_bytes(record_of(EVENT),
                 "010621df5a39a653c901c6010b6578616d706c652e636f6d05616c69636500ac02167369703a"
                 "61405b323030313a6462383a3a315d3b6f62183b2b7369702e696e7374616e63653d223c753a"
                 "313e223b78e807010580a0abfef962c0a907d00fa09c0103634068ffffffff0f02053c753a31"
                 "3e020b3c7369703a70313b6c723e103c7369703a70323b6c723b6f623e3b7804c0000201c413"
                 "0620010db8000000000000000000000009ffffffffffffffffffffff0103582f31");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aor_comes_back_as_it_was),
        cmocka_unit_test(a_user_comes_back_as_it_was),
        cmocka_unit_test(a_domain_comes_back_as_it_was),
        cmocka_unit_test(events_come_back_as_they_were_and_hold_no_secret),
        cmocka_unit_test(every_bent_byte_and_every_cut_is_noticed),
        cmocka_unit_test(damage_below_a_right_checksum_reads_within_bounds),
        cmocka_unit_test(without_memory_an_aor_says_so),
        cmocka_unit_test(what_does_not_fit_is_noticed),
        cmocka_unit_test(format_1_has_these_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
