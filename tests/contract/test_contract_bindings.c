// SPDX-License-Identifier: Apache-2.0
// Bindings: what every backend of the store promises about registering, refreshing, removing,
// expiring, and about what it tells of them.
#include "tests/contract/contract.h"

// A binding with every field set, as a phone behind an edge proxy would leave it.
static struct binding full_binding(struct slice *paths)
{
    paths[0] = SLICE("<sip:edge.example.com;lr>");
    paths[1] = SLICE("<sip:192.0.2.9;lr>;x=\"y, z\"");
    struct binding b = {.contact = SLICE("sip:alice@192.0.2.1:5062;transport=tcp;ob"),
                        .params = SLICE(";reg-id=1;+sip.instance=\"<urn:uuid:1>\";x"),
                        .q = 500,
                        .transport = TRANSPORT_TCP,
                        .flags = BINDING_NAT | BINDING_OUTBOUND,
                        .expires_at_ms = T0 + MINUTE,
                        .registered_at_ms = T0 - 3,
                        .refreshed_at_ms = T0 - 2,
                        .nonce_time_ms = T0 - 1,
                        .call_id = SLICE("a84b4c76e66710@pc33.example.com"),
                        .cseq = 2147483647,
                        .reg_id = 1,
                        .instance = SLICE("<urn:uuid:1>"),
                        .path = paths,
                        .n_paths = 2,
                        .flow = 0x1234567890abcdef,
                        .user_agent = SLICE("Phone/1.0 \xc3\xa9")};
    assert_true(address_parse(SLICE("192.0.2.9"), &b.source));
    assert_true(address_parse(SLICE("2001:db8::1"), &b.received));
    b.source.port = 5060;
    b.received.port = 40000;
    return b;
}

static enum decision decide_full(struct store_op *op, const struct domain *domain,
                                 const struct user_terms *user, const struct binding_set *current,
                                 int64_t now_ms, struct binding_set *next)
{
    (void)current, (void)now_ms;
    assert_true(slice_eq(domain->name, DOMAIN));
    assert_true(slice_eq(user->username, ALICE));
    next->items = op->ctx;
    next->n = 1;
    return DECIDE_WRITE;
}

static void assert_same_binding(const struct binding *a, const struct binding *b)
{
    assert_true(binding_same_but_times(a, b));
    assert_true(slice_eq(a->contact, b->contact) && slice_eq(a->params, b->params));
    assert_true(slice_eq(a->call_id, b->call_id) && slice_eq(a->instance, b->instance));
    assert_true(slice_eq(a->user_agent, b->user_agent));
    assert_true(address_eq(&a->source, &b->source) && address_eq(&a->received, &b->received));
    assert_int_equal(a->q, b->q);
    assert_int_equal(a->transport, b->transport);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->expires_at_ms, b->expires_at_ms);
    assert_int_equal(a->registered_at_ms, b->registered_at_ms);
    assert_int_equal(a->refreshed_at_ms, b->refreshed_at_ms);
    assert_int_equal(a->nonce_time_ms, b->nonce_time_ms);
    assert_int_equal(a->cseq, b->cseq);
    assert_int_equal(a->reg_id, b->reg_id);
    assert_true(a->flow == b->flow);
    assert_int_equal(a->n_paths, b->n_paths);
    for (unsigned i = 0; i < a->n_paths; i++)
        assert_true(slice_eq(a->path[i], b->path[i]));
}

static void a_binding_reads_back_as_it_was_written(void **state)
{
    struct world *w = *state;
    with_alice(w);
    struct slice paths[2];
    struct binding b = full_binding(paths), expect = b;
    struct reg none = {0};
    struct store_op op = reg_op(w, DOMAIN, ALICE, &none);
    op.decide_bindings = decide_full;
    op.ctx = &b;
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    assert_int_equal(op.next.n, 1);
    assert_true(op.next.items[0].id != 0);
    expect.id = op.next.items[0].id;
    struct aor_state got = aor(w, ALICE);
    assert_int_equal(got.bindings.n, 1);
    assert_int_equal(got.bindings.items[0].id, expect.id);
    assert_same_binding(&got.bindings.items[0], &expect);
    assert_int_equal(got.next_expiry_ms, T0 + MINUTE);
    assert_int_equal(counts(w).by_transport[TRANSPORT_TCP], 1);
    if (w->backend->durable) {
        world_reopen(w);
        got = aor(w, ALICE);
        assert_int_equal(got.bindings.n, 1);
        assert_int_equal(got.bindings.items[0].id, expect.id);
        assert_same_binding(&got.bindings.items[0], &expect);
    }
}

static void a_refresh_keeps_the_id_and_a_new_contact_gets_its_own(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    struct aor_state first = aor(w, ALICE);
    w->now += 1000;
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + 3 * MINUTE);
    struct aor_state got = aor(w, ALICE);
    assert_int_equal(got.bindings.n, 2);
    const struct binding *a = &got.bindings.items[0], *b = &got.bindings.items[1];
    assert_true(slice_eq(a->contact, SLICE("sip:a@192.0.2.1"))); // in order of registration
    assert_int_equal(a->id, first.bindings.items[0].id);
    assert_true(b->id != 0 && b->id != a->id);
    assert_int_equal(a->expires_at_ms, T0 + 3 * MINUTE);
    assert_int_equal(a->registered_at_ms, T0);
    assert_int_equal(a->refreshed_at_ms, T0 + 1000);
    assert_int_equal(got.next_expiry_ms, T0 + 2 * MINUTE);
    assert_int_equal(got.last_registered_at_ms, T0 + 1000);
    assert_sound(w);
}

static void what_is_not_in_next_leaves_as_unregistered(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + MINUTE);
    struct reg reg = {.want = {{"sip:a@192.0.2.1", 0}}};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(op.next.n, 1);
    assert_true(slice_eq(op.next.items[0].contact, SLICE("sip:b@192.0.2.2")));
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_UNREGISTERED), 1);
    assert_int_equal(aor(w, ALICE).bindings.n, 1);
    assert_int_equal(counts(w).bindings, 1);
    assert_sound(w);
}

static void what_is_marked_gone_leaves_with_its_reason(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + MINUTE);
    struct reg reg = {.want = {{"sip:a@192.0.2.1", 0}, {"sip:c@192.0.2.3", T0 + MINUTE}},
                      .gone = GONE_REPLACED};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(op.next.n, 2); // no gone ones
    for (size_t i = 0; i < 2; i++)
        assert_true(op.next.items[i].id != 0 && op.next.items[i].gone == GONE_NO);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_REPLACED), 1);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_NO), 1);
    struct reg star = {.star = true, .gone = GONE_DELETED};
    assert_int_equal(reg_do(w, ALICE, &star, &op), STORE_OK);
    assert_int_equal(op.next.n, 0);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_DELETED), 2);
    assert_int_equal(counts(w).bindings, 0);
    assert_int_equal(counts(w).registered_users, 0);
    assert_int_equal(aor(w, ALICE).next_expiry_ms, INT64_MAX);
    assert_int_equal(aor(w, ALICE).last_registered_at_ms, T0); // stays
    assert_sound(w);
}

static void same_refused_and_starved_change_nothing(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    struct aor_state before = aor(w, ALICE);
    struct store_counts c = counts(w);
    struct reg same = {.same = true}, refuse = {.refuse = true}, starve = {.starve = true};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &same, &op), STORE_OK);
    assert_int_equal(op.next.n, 1);
    assert_int_equal(op.next.items[0].id, before.bindings.items[0].id);
    assert_int_equal(reg_do(w, ALICE, &refuse, &op), STORE_REFUSED);
    assert_int_equal(reg_do(w, ALICE, &starve, &op), STORE_NOMEM);
    assert_int_equal(counts(w).change, c.change);
    assert_int_equal(counts(w).bindings_version, c.bindings_version);
    assert_int_equal(aor(w, ALICE).version, before.version);
}

static void a_user_that_is_not_there_or_another_is_refused(void **state)
{
    struct world *w = *state;
    struct reg reg = {.want = {{"sip:a@192.0.2.1", T0 + MINUTE}}};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_NOT_FOUND);
    put_domain(w, DOMAIN);
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_NOT_FOUND);
    struct user_put put = {0};
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    uint64_t incarnation = op.user.incarnation, version = op.user.version;

    op = reg_op(w, DOMAIN, ALICE, &reg);
    op.seen.incarnation = incarnation;
    op.seen.version = version;
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    put.display_name = SLICE("changed");
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    reg.calls = 0;
    op = reg_op(w, DOMAIN, ALICE, &reg);
    op.seen.incarnation = incarnation;
    op.seen.version = version;
    assert_int_equal(store_do(w->s, &op), STORE_CONFLICT);
    op = reg_op(w, DOMAIN, ALICE, &reg);
    op.seen.incarnation = incarnation; // any version of it will do
    assert_int_equal(store_do(w->s, &op), STORE_OK);

    assert_int_equal(delete_user(w, DOMAIN, ALICE), STORE_OK);
    put_user(w, DOMAIN, ALICE);
    op = reg_op(w, DOMAIN, ALICE, &reg);
    op.seen.incarnation = incarnation;
    enum store_status st = store_do(w->s, &op);
    assert_true(st == STORE_CONFLICT || st == STORE_NOT_FOUND);
    assert_int_equal(reg.calls, 1);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
}

static void an_expired_binding_is_neither_shown_nor_passed_to_decide(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    uint64_t id = aor(w, ALICE).bindings.items[0].id;
    w->now = T0 + MINUTE - 1;
    assert_int_equal(aor(w, ALICE).bindings.n, 2);
    w->now = T0 + MINUTE; // exclusive, and at once, swept or not
    struct aor_state got = aor(w, ALICE);
    assert_int_equal(got.bindings.n, 1);
    assert_int_equal(got.next_expiry_ms, T0 + 2 * MINUTE);
    struct reg reg = {.want = {{"sip:a@192.0.2.1", T0 + 3 * MINUTE}}};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(reg.n_current, 1);
    assert_int_equal(reg.now_ms, w->now);
    assert_int_equal(op.next.n, 2);
    got = aor(w, ALICE);
    assert_int_equal(got.bindings.n, 2);
    assert_true(got.bindings.items[1].id != id); // a new one
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_EXPIRED), 1);
    assert_int_equal(told(w, EVENT_BINDING_CREATED, GONE_NO), 3);
    assert_int_equal(counts(w).bindings, 2);
    assert_sound(w);
}

static void an_expiry_updates_counters_events_and_presence(void **state)
{
    struct world *w = *state;
    with_alice(w);
    put_user(w, DOMAIN, SLICE("bob"));
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    reg_one(w, SLICE("bob"), "sip:b@192.0.2.2", T0 + 3 * MINUTE);
    struct store_counts before = counts(w);
    assert_true(before.next_expiry_ms <= T0 + MINUTE);
    advance(w, MINUTE);
    struct store_counts c = counts(w);
    assert_true(c.bindings == 2 && c.registered_users == 2);
    assert_true(c.presence_version > before.presence_version && c.change > before.change);
    assert_true(c.next_expiry_ms <= T0 + 2 * MINUTE);
    advance(w, MINUTE);
    c = counts(w);
    assert_true(c.bindings == 1 && c.registered_users == 1);
    assert_int_equal(c.by_transport[TRANSPORT_UDP], 1);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_EXPIRED), 2);
    advance(w, MINUTE);
    c = counts(w);
    assert_true(c.bindings == 0 && c.registered_users == 0);
    assert_int_equal(c.next_expiry_ms, INT64_MAX);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
    assert_int_equal(aor(w, ALICE).last_registered_at_ms, T0);
    struct store_domain_counts d;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_domain_count(w->r, DOMAIN, &d), STORE_OK);
    store_reader_end(w->r);
    assert_true(d.users == 2 && d.registered_users == 0 && d.bindings == 0);
    assert_sound(w);
}

static void expiry_follows_what_is_extended_and_shortened(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + 2 * MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);     // shortened
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 4 * MINUTE); // extended
    advance(w, MINUTE);
    assert_int_equal(counts(w).bindings, 1);
    advance(w, 2 * MINUTE);
    assert_int_equal(counts(w).bindings, 1);
    assert_int_equal(aor(w, ALICE).bindings.n, 1);
    reg_one(w, ALICE, "sip:b@192.0.2.2", 0);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 100 * MINUTE);
    advance(w, 2 * MINUTE);
    assert_int_equal(counts(w).bindings, 1);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_EXPIRED), 1);
    advance(w, 100 * MINUTE);
    assert_int_equal(counts(w).bindings, 0);
    assert_int_equal(told(w, EVENT_BINDING_REMOVED, GONE_EXPIRED), 2);
    assert_sound(w);
}

static void a_refresh_changes_the_version_and_a_coming_or_going_the_presence(void **state)
{
    struct world *w = *state;
    with_alice(w);
    put_user(w, DOMAIN, SLICE("bob"));
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    struct aor_state a = aor(w, ALICE), bob = aor(w, SLICE("bob"));
    struct store_counts c = counts(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + 2 * MINUTE);
    struct aor_state b = aor(w, ALICE);
    assert_true(b.version != a.version);
    assert_int_equal(b.presence, a.presence);
    assert_true(counts(w).bindings_version > c.bindings_version);
    assert_int_equal(counts(w).presence_version, c.presence_version);
    assert_int_equal(counts(w).config_version, c.config_version);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    a = aor(w, ALICE);
    assert_true(a.presence > b.presence);
    assert_int_equal(counts(w).presence_version, a.presence);
    reg_one(w, ALICE, "sip:b@192.0.2.2", 0);
    b = aor(w, ALICE);
    assert_true(b.presence > a.presence);
    advance(w, 3 * MINUTE);
    a = aor(w, ALICE);
    assert_true(a.presence > b.presence);
    assert_int_equal(aor(w, SLICE("bob")).version, bob.version);
    assert_int_equal(aor(w, SLICE("bob")).presence, bob.presence);
}

static void a_glance_agrees_with_a_look(void **state)
{
    struct world *w = *state;
    with_alice(w);
    for (int step = 0; step < 4; step++) {
        if (step == 1)
            reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
        if (step == 2)
            reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
        if (step == 3)
            advance(w, 5 * MINUTE);
        struct aor_state look = aor(w, ALICE);
        struct aor_glance glance;
        struct user u;
        assert_int_equal(store_reader_begin(w->r), STORE_OK);
        assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &u), STORE_OK);
        store_bindings_glance(w->r, &u, w->now, &glance);
        store_reader_end(w->r);
        assert_int_equal(glance.version, look.version);
        assert_int_equal(glance.registered, look.bindings.n > 0);
        assert_int_equal(glance.next_expiry_ms, look.next_expiry_ms);
    }
    // Unswept: not registered all the same.
    reg_one(w, ALICE, "sip:a@192.0.2.1", w->now + MINUTE);
    w->now += MINUTE;
    struct aor_glance glance;
    struct user u;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &u), STORE_OK);
    store_bindings_glance(w->r, &u, w->now, &glance);
    store_reader_end(w->r);
    assert_false(glance.registered);
}

static enum decision decide_huge(struct store_op *op, const struct domain *domain,
                                 const struct user_terms *user, const struct binding_set *current,
                                 int64_t now_ms, struct binding_set *next)
{
    (void)domain, (void)user, (void)current;
    next->n = BINDINGS_MAX;
    next->items = arena_calloc(op->arena, next->n, sizeof *next->items);
    struct slice *paths = arena_calloc(op->arena, PATHS_MAX, sizeof *paths);
    char *text = arena_alloc(op->arena, 4000);
    if (!next->items || !paths || !text)
        return DECIDE_NOMEM;
    memset(text, 'p', 4000);
    for (size_t i = 0; i < PATHS_MAX; i++)
        paths[i] = slice_of(text, 4000);
    for (size_t i = 0; i < next->n; i++)
        next->items[i] = (struct binding){.contact = slice_of(text, 100 + i),
                                          .q = -1,
                                          .expires_at_ms = now_ms + MINUTE,
                                          .path = paths,
                                          .n_paths = PATHS_MAX};
    return DECIDE_WRITE;
}

static void a_record_beyond_its_bound_is_too_large_and_changes_nothing(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    struct reg none = {0};
    struct store_op op = reg_op(w, DOMAIN, ALICE, &none);
    op.decide_bindings = decide_huge;
    assert_int_equal(store_do(w->s, &op), STORE_TOO_LARGE);
    assert_int_equal(aor(w, ALICE).bindings.n, 1);
    assert_int_equal(counts(w).bindings, 1);
    assert_sound(w);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool told;
};

static void wake(void *arg)
{
    struct waiter *waiter = arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->told = true;
    pthread_cond_signal(&waiter->cond);
    pthread_mutex_unlock(&waiter->lock);
}

static void ops_of_one_submission_are_done_in_order(void **state)
{
    struct world *w = *state;
    with_alice(w);
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct store_port *port;
    assert_int_equal(store_port_open(w->s, wake, &waiter, &port), 0);
    enum { N = 100 };
    struct reg regs[N] = {0};
    struct store_op ops[N];
    struct arena arenas[N];
    for (int i = 0; i < N; i++) {
        arena_init(&arenas[i], NULL, 0, 1 << 20);
        regs[i].want[0] = (struct want){"sip:a@192.0.2.1", i == N - 1 ? 0 : T0 + MINUTE + i};
        ops[i] = reg_op(w, DOMAIN, i % 10 == 5 ? SLICE("nobody") : ALICE, &regs[i]);
        ops[i].arena = &arenas[i];
        ops[i].link = i + 1 < N ? &ops[i + 1] : NULL;
    }
    assert_true(store_submit(port, &ops[0], N));
    int done = 0;
    while (done < N) {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.told)
            pthread_cond_wait(&waiter.cond, &waiter.lock);
        waiter.told = false;
        pthread_mutex_unlock(&waiter.lock);
        for (struct store_op *op = store_port_collect(port); op; op = op->link, done++)
            assert_ptr_equal(op, &ops[done]);
    }
    assert_null(store_port_collect(port));
    for (int i = 0; i < N; i++) {
        assert_int_equal(ops[i].status, i % 10 == 5 ? STORE_NOT_FOUND : STORE_OK);
        if (i % 10 != 5 && i < N - 1)
            assert_int_equal(ops[i].next.items[0].expires_at_ms, T0 + MINUTE + i);
        if (i % 10 != 5)
            assert_int_equal(regs[i].n_current, i > 0);
        arena_reset(&arenas[i]);
    }
    store_port_close(port);
    assert_int_equal(counts(w).bindings, 0);
}

static void a_submission_beyond_the_queue_takes_none(void **state)
{
    struct world *w = *state;
    with_alice(w);
    struct store_port *port;
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    assert_int_equal(store_port_open(w->s, wake, &waiter, &port), 0);
    size_t n = 65536 + 1; // world_config()'s queue_max and one
    struct store_op *ops = calloc(n, sizeof *ops);
    assert_non_null(ops);
    struct reg reg = {.same = true};
    for (size_t i = 0; i < n; i++) {
        ops[i] = reg_op(w, DOMAIN, ALICE, &reg);
        ops[i].link = i + 1 < n ? &ops[i + 1] : NULL;
    }
    assert_false(store_submit(port, ops, n));
    assert_null(store_port_collect(port));
    assert_int_equal(reg.calls, 0);
    store_port_close(port);
    free(ops);
}

// Reads alice while the test writes: both contacts with one CSeq, and never an older one than
// before.
struct spy {
    struct world *w;
    _Atomic bool stop;
    size_t looks, halves, steps_back, losses;
};

static void *spy_on_alice(void *arg)
{
    struct spy *spy = arg;
    struct store_reader *r;
    struct arena arena;
    struct user u;
    uint32_t last = 0;
    arena_init(&arena, NULL, 0, 1 << 20);
    if (store_reader_open(spy->w->s, &r) != 0)
        return NULL;
    while (!spy->stop) {
        struct aor_state got;
        if (store_reader_begin(r) != STORE_OK)
            continue;
        if (store_user_find(r, DOMAIN, ALICE, &u) == STORE_OK &&
            store_bindings_find(r, &u, T0, &arena, &got) == STORE_OK) {
            const struct binding *b = got.bindings.items;
            spy->looks++;
            spy->losses += got.bindings.n == 0;
            spy->halves += got.bindings.n == 1 || (got.bindings.n == 2 && b[0].cseq != b[1].cseq);
            spy->steps_back += got.bindings.n > 0 && b[0].cseq < last;
            last = got.bindings.n ? b[0].cseq : last;
        }
        store_reader_end(r);
        arena_reset(&arena);
    }
    store_reader_close(r);
    return NULL;
}

static void a_reader_never_sees_half_a_register_nor_an_older_one(void **state)
{
    struct world *w = *state;
    with_alice(w);
    put_user(w, DOMAIN, SLICE("bob"));
    struct reg reg = {.want = {{"sip:a@192.0.2.1", T0 + MINUTE}, {"sip:b@192.0.2.2", T0 + MINUTE}}};
    struct store_op op;
    struct spy spy = {.w = w};
    pthread_t t;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(pthread_create(&t, NULL, spy_on_alice, &spy), 0);
    for (reg.cseq = 1; reg.cseq < 2000; reg.cseq++) {
        world_fresh(w);
        assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
        if (reg.cseq % 3 == 0) // moves the log's end along
            assert_int_equal(reg_do(w, SLICE("bob"), &reg, &op), STORE_OK);
    }
    spy.stop = true;
    pthread_join(t, NULL);
    assert_int_equal(spy.halves, 0);
    assert_int_equal(spy.steps_back, 0);
    assert_int_equal(spy.losses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_binding_reads_back_as_it_was_written),
        EACH(a_refresh_keeps_the_id_and_a_new_contact_gets_its_own),
        EACH(what_is_not_in_next_leaves_as_unregistered),
        EACH(what_is_marked_gone_leaves_with_its_reason),
        EACH(same_refused_and_starved_change_nothing),
        EACH(a_user_that_is_not_there_or_another_is_refused),
        EACH(an_expired_binding_is_neither_shown_nor_passed_to_decide),
        EACH(an_expiry_updates_counters_events_and_presence),
        EACH(expiry_follows_what_is_extended_and_shortened),
        EACH(a_refresh_changes_the_version_and_a_coming_or_going_the_presence),
        EACH(a_glance_agrees_with_a_look),
        EACH(a_record_beyond_its_bound_is_too_large_and_changes_nothing),
        EACH(ops_of_one_submission_are_done_in_order),
        EACH(a_submission_beyond_the_queue_takes_none),
        EACH(a_reader_never_sees_half_a_register_nor_an_older_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
