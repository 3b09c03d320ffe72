// SPDX-License-Identifier: Apache-2.0
// Users and domains: what every backend of the store promises about them.
#include "tests/contract/contract.h"

static enum store_status find_domain(struct world *w, struct slice host, struct domain *out)
{
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    enum store_status st = store_domain_find(w->r, host, out);
    if (st == STORE_OK) { // slices end with the snapshot
        out->name = arena_copy(&w->arena, out->name);
        out->realm = arena_copy(&w->arena, out->realm);
    }
    store_reader_end(w->r);
    return st;
}

static enum store_status find_user(struct world *w, struct slice domain, struct slice key,
                                   struct user *out)
{
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    enum store_status st = store_user_find(w->r, domain, key, out);
    if (st == STORE_OK) {
        out->username = arena_copy(&w->arena, out->username);
        out->display_name = arena_copy(&w->arena, out->display_name);
    }
    store_reader_end(w->r);
    return st;
}

static void a_new_store_is_empty_and_sound(void **state)
{
    struct world *w = *state;
    struct store_counts c = counts(w);
    assert_true(c.users == 0 && c.domains == 0 && c.bindings == 0 && c.registered_users == 0);
    assert_true(c.epoch != 0);
    assert_int_equal(c.oldest_change, c.change + 1);
    assert_true(store_writable(w->s));
    struct domain d;
    struct user u;
    struct slice key;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_domain_only(w->r, &d), STORE_NOT_FOUND);
    assert_int_equal(store_domain_next(w->r, SLICE_NONE, &d), STORE_NOT_FOUND);
    assert_int_equal(store_user_next(w->r, SLICE_NONE, SLICE_NONE, &u, &key), STORE_NOT_FOUND);
    assert_int_equal(store_domain_find(w->r, DOMAIN, &d), STORE_NOT_FOUND);
    assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &u), STORE_NOT_FOUND);
    store_reader_end(w->r);
    assert_sound(w);
}

static void a_store_has_a_secret_of_its_own(void **state)
{
    struct world *w = *state;
    uint8_t a[32], b[32], zero[32] = {0};
    store_secret(w->s, a);
    store_secret(w->s, b);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, zero, sizeof a);
}

static void a_domain_is_made_once_and_then_changed(void **state)
{
    struct world *w = *state;
    struct domain want = {.realm = SLICE("the realm")};
    struct store_op op;
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK);
    assert_true(op.created);
    uint64_t incarnation = op.domain_now.incarnation, version = op.domain_now.version;
    assert_true(incarnation != 0 && version == incarnation && op.change == version);
    assert_int_equal(op.domain_now.created_at_ms, T0);
    assert_true(slice_eq(op.domain_now.name, DOMAIN));
    w->now += 5;
    want.realm = SLICE("another");
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK);
    assert_false(op.created);
    assert_int_equal(op.domain_now.incarnation, incarnation);
    assert_true(op.domain_now.version > version);
    assert_int_equal(op.domain_now.created_at_ms, T0);
    assert_int_equal(op.domain_now.updated_at_ms, T0 + 5);
    struct domain d;
    assert_int_equal(find_domain(w, DOMAIN, &d), STORE_OK);
    assert_true(slice_eq(d.realm, SLICE("another")));
    assert_int_equal(d.version, op.domain_now.version);
    assert_int_equal(counts(w).domains, 1);
    assert_int_equal(counts(w).config_version, d.version);
    assert_sound(w);
}

static void a_domain_is_found_by_name_and_alias_in_any_case(void **state)
{
    struct world *w = *state;
    struct domain want = {.n_aliases = 2,
                          .aliases = {SLICE("sip.example.com"), SLICE("192.0.2.1")}};
    struct store_op op;
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK);
    static const char *const hosts[] = {"example.com", "EXAMPLE.com", "sip.example.com",
                                        "SIP.Example.COM", "192.0.2.1"};
    struct domain d;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_int_equal(find_domain(w, slice_str(hosts[i]), &d), STORE_OK);
        assert_true(slice_eq(d.name, DOMAIN));
    }
    assert_int_equal(find_domain(w, SLICE("192.0.2.2"), &d), STORE_NOT_FOUND);
    want.n_aliases = 1;
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK);
    assert_int_equal(find_domain(w, SLICE("192.0.2.1"), &d), STORE_NOT_FOUND);
    assert_int_equal(find_domain(w, SLICE("sip.example.com"), &d), STORE_OK);
    assert_int_equal(delete_domain(w, DOMAIN), STORE_OK);
    assert_int_equal(find_domain(w, SLICE("sip.example.com"), &d), STORE_NOT_FOUND);
}

static void the_only_domain_is_the_only_one(void **state)
{
    struct world *w = *state;
    struct domain d;
    put_domain(w, DOMAIN);
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_domain_only(w->r, &d), STORE_OK);
    assert_true(slice_eq(d.name, DOMAIN));
    store_reader_end(w->r);
    put_domain(w, SLICE("example.org"));
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_domain_only(w->r, &d), STORE_NOT_FOUND);
    store_reader_end(w->r);
}

static void a_user_is_made_changed_and_never_inherits(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    struct user_put put = {.display_name = SLICE("Alice")};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    assert_true(op.created);
    uint64_t first = op.user.incarnation;
    assert_true(first != 0 && op.user.version == first && op.change == first);
    w->now += 7;
    put.display_name = SLICE("Alice L.");
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    assert_false(op.created);
    assert_int_equal(put.seen.incarnation, first);
    assert_int_equal(op.user.incarnation, first);
    assert_true(op.user.version > first);
    assert_int_equal(op.user.created_at_ms, T0);
    assert_int_equal(op.user.updated_at_ms, T0 + 7);
    struct user u;
    assert_int_equal(find_user(w, DOMAIN, ALICE, &u), STORE_OK);
    assert_true(slice_eq(u.display_name, SLICE("Alice L.")) && slice_eq(u.username, ALICE));
    assert_int_equal(u.credentials.have, 1u << ALGORITHM_MD5);
    assert_int_equal(u.credentials.ha1[ALGORITHM_MD5][15], 0x5a);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    assert_int_equal(delete_user(w, DOMAIN, ALICE), STORE_OK);
    assert_int_equal(find_user(w, DOMAIN, ALICE, &u), STORE_NOT_FOUND);
    assert_int_equal(counts(w).bindings, 0);
    assert_int_equal(counts(w).users, 0);
    put_user(w, DOMAIN, ALICE);
    assert_int_equal(find_user(w, DOMAIN, ALICE, &u), STORE_OK);
    assert_true(u.incarnation > op.user.version);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
    assert_sound(w);
}

static void same_and_refuse_write_nothing(void **state)
{
    struct world *w = *state;
    with_alice(w);
    uint64_t before = counts(w).change;
    struct user_put same = {.same = true}, refuse = {.refuse = true};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &same, &op), STORE_OK);
    assert_false(op.created);
    assert_true(slice_eq(op.user.username, ALICE)); // what is there now
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &refuse, &op), STORE_REFUSED);
    assert_int_equal(put_user_as(w, DOMAIN, SLICE("bob"), &refuse, &op), STORE_REFUSED);
    assert_int_equal(put_user_as(w, SLICE("other.example"), ALICE, &same, &op), STORE_NOT_FOUND);
    assert_int_equal(counts(w).change, before);
    assert_int_equal(counts(w).users, 1);
    assert_int_equal(told(w, EVENT_USER_UPDATED, GONE_NO), 0);
}

static void remove_bindings_takes_them_in_the_same_transaction(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    struct user_put put = {.disabled = true};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    assert_int_equal(aor(w, ALICE).bindings.n, 1);
    put.remove_bindings = true;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
    assert_int_equal(counts(w).bindings, 0);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_DELETED), 1);
    assert_sound(w);
}

static void the_longest_names_are_taken(void **state)
{
    struct world *w = *state;
    char domain[DOMAIN_NAME_MAX], user[USERNAME_MAX];
    memset(domain, 'd', sizeof domain);
    memset(user, 'u', sizeof user);
    struct slice d = slice_of(domain, sizeof domain), u = slice_of(user, sizeof user);
    put_domain(w, d);
    put_user(w, d, u);
    struct reg reg = {.want = {{"sip:a@192.0.2.1", T0 + MINUTE}}};
    struct store_op op = reg_op(w, d, u, &reg);
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    struct aor_state got;
    assert_int_equal(read_bindings(w, d, u, &got), STORE_OK);
    assert_int_equal(got.bindings.n, 1);
}

static void a_name_that_is_too_long_or_empty_is_refused(void **state)
{
    struct world *w = *state;
    char name[DOMAIN_NAME_MAX + 1];
    memset(name, 'n', sizeof name);
    struct domain want = {0};
    struct user_put put = {0};
    struct store_op op;
    assert_int_equal(put_domain_as(w, slice_of(name, sizeof name), &want, &op), STORE_TOO_LARGE);
    assert_int_equal(put_domain_as(w, SLICE(""), &want, &op), STORE_TOO_LARGE);
    put_domain(w, DOMAIN);
    assert_int_equal(put_user_as(w, DOMAIN, slice_of(name, USERNAME_MAX + 1), &put, &op),
                     STORE_TOO_LARGE);
    assert_int_equal(put_user_as(w, DOMAIN, SLICE(""), &put, &op), STORE_TOO_LARGE);
    assert_int_equal(counts(w).users, 0);
}

static void a_name_or_alias_belongs_to_one_domain(void **state)
{
    struct world *w = *state;
    struct domain want = {.n_aliases = 1, .aliases = {SLICE("sip.example.com")}};
    struct store_op op;
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK);
    assert_int_equal(put_domain_as(w, SLICE("example.org"), &want, &op), STORE_CONFLICT);
    want.aliases[0] = DOMAIN;
    assert_int_equal(put_domain_as(w, SLICE("example.org"), &want, &op), STORE_CONFLICT);
    want.n_aliases = 0;
    assert_int_equal(put_domain_as(w, SLICE("sip.example.com"), &want, &op), STORE_CONFLICT);
    assert_int_equal(counts(w).domains, 1);
    assert_int_equal(put_domain_as(w, DOMAIN, &want, &op), STORE_OK); // lets the alias go
    assert_int_equal(put_domain_as(w, SLICE("sip.example.com"), &want, &op), STORE_OK);
}

// Names in the order of (domain, key), "domain/user" each; returns how many.
static size_t walk(struct world *w, char names[][80], size_t max)
{
    struct slice domain = SLICE_NONE, key = SLICE_NONE;
    size_t n = 0;
    for (; n < max; n++) { // a new snapshot for each step, as for pages of one
        struct user u;
        struct slice next;
        assert_int_equal(store_reader_begin(w->r), STORE_OK);
        enum store_status st = store_user_next(w->r, domain, key, &u, &next);
        if (st == STORE_OK) {
            snprintf(names[n], 80, "%.*s/%.*s", SLICE_FMT(u.domain), SLICE_FMT(next));
            domain = arena_copy(&w->arena, u.domain);
            key = arena_copy(&w->arena, next);
        }
        store_reader_end(w->r);
        if (st != STORE_OK)
            return n;
    }
    return n;
}

static void a_walk_goes_in_order_of_domain_and_user(void **state)
{
    struct world *w = *state;
    static const char *const in_order[][2] = {
        {"a", "x"},      {"a", "xy"},  {"a", "y"},
        {"a-b", "a"},    {"a.b", "a"}, {"a.b", "\xc3\xa9t\xc3\xa9"},
        {"ab", "+4930"}, {"ab", "x"},
    };
    enum { N = sizeof in_order / sizeof *in_order };
    for (size_t i = 0; i < N; i++) { // made out of order
        size_t k = i * 5 % N;
        struct slice domain = slice_str(in_order[k][0]);
        struct domain d;
        if (find_domain(w, domain, &d) != STORE_OK)
            put_domain(w, domain);
        put_user(w, domain, slice_str(in_order[k][1]));
    }
    char names[N + 1][80], expect[80];
    assert_int_equal(walk(w, names, N + 1), N);
    for (size_t i = 0; i < N; i++) {
        snprintf(expect, sizeof expect, "%s/%s", in_order[i][0], in_order[i][1]);
        assert_string_equal(names[i], expect);
    }
    // From within a domain, and from names that are not there.
    struct user u;
    struct slice key;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_user_next(w->r, SLICE("a.b"), SLICE_NONE, &u, &key), STORE_OK);
    assert_true(slice_eq(u.domain, SLICE("a.b")) && slice_eq(key, SLICE("a")));
    assert_int_equal(store_user_next(w->r, SLICE("a"), SLICE("xx"), &u, &key), STORE_OK);
    assert_true(slice_eq(u.domain, SLICE("a")) && slice_eq(key, SLICE("xy")));
    assert_int_equal(store_user_next(w->r, SLICE("a.a"), SLICE("x"), &u, &key), STORE_OK);
    assert_true(slice_eq(u.domain, SLICE("a.b")) && slice_eq(key, SLICE("a")));
    assert_int_equal(store_user_next(w->r, SLICE("ab"), SLICE("x"), &u, &key), STORE_NOT_FOUND);
    struct domain d;
    assert_int_equal(store_domain_next(w->r, SLICE("a"), &d), STORE_OK);
    assert_true(slice_eq(d.name, SLICE("a-b")));
    assert_int_equal(store_domain_next(w->r, SLICE("ab"), &d), STORE_NOT_FOUND);
    store_reader_end(w->r);
}

static void a_walk_survives_what_is_made_and_deleted_meanwhile(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%02d", i);
        put_user(w, DOMAIN, slice_str(name));
    }
    struct slice domain = SLICE_NONE, key = SLICE_NONE;
    int even = 0;
    for (int i = 0; i < 100; i++) {
        struct user u;
        struct slice next;
        assert_int_equal(store_reader_begin(w->r), STORE_OK);
        enum store_status st = store_user_next(w->r, domain, key, &u, &next);
        if (st == STORE_OK) {
            domain = arena_copy(&w->arena, u.domain);
            key = arena_copy(&w->arena, next);
        }
        store_reader_end(w->r);
        if (st != STORE_OK)
            break;
        if ((key.p[2] - '0') % 2) // the one we stand on goes
            assert_int_equal(delete_user(w, DOMAIN, key), STORE_OK);
        else
            even++;
        char name[16]; // behind us, never to be seen
        snprintf(name, sizeof name, "a%02d", i);
        put_user(w, DOMAIN, slice_str(name));
    }
    assert_int_equal(even, 10);
}

static void users_and_domains_are_counted(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    put_domain(w, SLICE("example.org"));
    put_user(w, DOMAIN, ALICE);
    put_user(w, DOMAIN, SLICE("bob"));
    put_user(w, SLICE("example.org"), ALICE);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:a@192.0.2.2", T0 + MINUTE);
    struct store_counts c = counts(w);
    assert_true(c.domains == 2 && c.users == 3 && c.registered_users == 1 && c.bindings == 2);
    assert_int_equal(c.by_transport[TRANSPORT_UDP], 2);
    assert_int_equal(c.by_transport[TRANSPORT_TCP], 0);
    struct store_domain_counts d;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_domain_count(w->r, DOMAIN, &d), STORE_OK);
    assert_true(d.users == 2 && d.registered_users == 1 && d.bindings == 2);
    assert_int_equal(store_domain_count(w->r, SLICE("example.org"), &d), STORE_OK);
    assert_true(d.users == 1 && d.registered_users == 0 && d.bindings == 0);
    assert_int_equal(store_domain_count(w->r, SLICE("no.example"), &d), STORE_NOT_FOUND);
    store_reader_end(w->r);
    assert_sound(w);
}

static void a_domain_goes_with_all_its_users_and_leaves_the_others(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    put_domain(w, SLICE("example.com.au"));
    put_user(w, SLICE("example.com.au"), ALICE);
    enum { N = 1500 }; // more than one step takes
    for (int i = 0; i < N; i++) {
        char name[16];
        world_fresh(w);
        snprintf(name, sizeof name, "user%d", i);
        put_user(w, DOMAIN, slice_str(name));
        if (i % 3 == 0)
            reg_one(w, slice_str(name), "sip:a@192.0.2.1", T0 + MINUTE);
    }
    assert_int_equal(counts(w).bindings, N / 3);
    struct domain d;
    assert_int_equal(find_domain(w, DOMAIN, &d), STORE_OK);
    uint64_t incarnation = d.incarnation;
    forget_told(w);
    assert_int_equal(delete_domain(w, DOMAIN), STORE_OK);
    assert_int_equal(find_domain(w, DOMAIN, &d), STORE_NOT_FOUND);
    struct store_counts c = counts(w);
    assert_true(c.domains == 1 && c.users == 1 && c.bindings == 0 && c.registered_users == 0);
    assert_int_equal(told(w, EVENT_USER_DELETED, GONE_NO), N);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_DELETED), N / 3);
    assert_int_equal(told(w, EVENT_DOMAIN_DELETED, GONE_NO), 1);
    assert_sound(w);
    put_domain(w, DOMAIN);
    struct user u;
    assert_int_equal(find_user(w, DOMAIN, SLICE("user0"), &u), STORE_NOT_FOUND);
    assert_int_equal(find_domain(w, DOMAIN, &d), STORE_OK);
    assert_true(d.incarnation > incarnation);
}

static void a_snapshot_does_not_move(void **state)
{
    struct world *w = *state;
    with_alice(w);
    struct user before, after, bob;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &before), STORE_OK);
    struct user_put put = {.display_name = SLICE("changed")};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    put_user(w, DOMAIN, SLICE("bob"));
    assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &after), STORE_OK);
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.display_name.n, 0);
    assert_true(slice_eq(before.username, ALICE)); // still readable
    assert_int_equal(store_user_find(w->r, DOMAIN, SLICE("bob"), &bob), STORE_NOT_FOUND);
    store_reader_end(w->r);
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_user_find(w->r, DOMAIN, SLICE("bob"), &bob), STORE_OK);
    store_reader_end(w->r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_new_store_is_empty_and_sound),
        EACH(a_store_has_a_secret_of_its_own),
        EACH(a_domain_is_made_once_and_then_changed),
        EACH(a_domain_is_found_by_name_and_alias_in_any_case),
        EACH(the_only_domain_is_the_only_one),
        EACH(a_user_is_made_changed_and_never_inherits),
        EACH(same_and_refuse_write_nothing),
        EACH(remove_bindings_takes_them_in_the_same_transaction),
        EACH(the_longest_names_are_taken),
        EACH(a_name_that_is_too_long_or_empty_is_refused),
        EACH(a_name_or_alias_belongs_to_one_domain),
        EACH(a_walk_goes_in_order_of_domain_and_user),
        EACH(a_walk_survives_what_is_made_and_deleted_meanwhile),
        EACH(users_and_domains_are_counted),
        EACH(a_domain_goes_with_all_its_users_and_leaves_the_others),
        EACH(a_snapshot_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
