// SPDX-License-Identifier: Apache-2.0
// What a caller has seen of a user spares the store a look at it, and is never believed longer than
// it is true.
#include <semaphore.h>

#include "tests/contract/contract.h"

// A registration that keeps the terms which its decide function was shown.
struct shown {
    struct user_terms terms;
    int calls;
};

static enum decision decide_shown(struct store_op *op, const struct domain *domain,
                                  const struct user_terms *user, const struct binding_set *current,
                                  int64_t now_ms, struct binding_set *next)
{
    struct shown *shown = op->ctx;
    (void)domain, (void)current, (void)now_ms, (void)next;
    shown->terms = *user;
    shown->calls++;
    return DECIDE_SAME;
}

// As the SIP side makes it: alice read in a snapshot of now, its username in the arena.
static struct store_op seen_op(struct world *w, struct shown *shown)
{
    struct user u;
    struct store_op op = {.kind = STORE_OP_BINDINGS,
                          .domain = DOMAIN,
                          .username = ALICE,
                          .arena = &w->arena,
                          .ctx = shown,
                          .decide_bindings = decide_shown};
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_user_find(w->r, DOMAIN, ALICE, &u), STORE_OK);
    op.seen = user_terms(&u);
    op.seen.username = ALICE;
    op.seen_at = store_reader_mark(w->r);
    store_reader_end(w->r);
    return op;
}

static void change_alice(struct world *w, const char *display_name, struct store_op *op)
{
    struct user_put put = {.display_name = slice_str(display_name)};
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, op), STORE_OK);
}

static void a_user_that_was_not_changed_is_as_it_was_seen(void **state)
{
    struct world *w = *state;
    struct shown shown = {0};
    with_alice(w);
    struct store_op op = seen_op(w, &shown);
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    assert_int_equal(shown.calls, 1);
    assert_true(shown.terms.version == op.seen.version && op.seen.version);
    assert_true(slice_eq(shown.terms.username, ALICE));
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE); // no change of the user
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    assert_true(shown.terms.version == op.seen.version);
}

static void a_user_changed_since_it_was_seen_is_shown_as_it_is_now(void **state)
{
    struct world *w = *state;
    struct shown shown = {0};
    struct store_op change;
    with_alice(w);
    struct store_op op = seen_op(w, &shown);
    change_alice(w, "another", &change);
    op.seen.version = 0; // any will do
    assert_int_equal(store_do(w->s, &op), STORE_OK);
    assert_true(shown.terms.version == change.user.version);
}

static void a_user_changed_deleted_or_made_anew_since_it_was_seen_is_refused(void **state)
{
    struct world *w = *state;
    struct shown shown = {0};
    struct store_op change;
    with_alice(w);
    struct store_op changed = seen_op(w, &shown);
    change_alice(w, "another", &change);
    assert_int_equal(store_do(w->s, &changed), STORE_CONFLICT);
    struct store_op gone = seen_op(w, &shown);
    assert_int_equal(delete_user(w, DOMAIN, ALICE), STORE_OK);
    assert_int_equal(store_do(w->s, &gone), STORE_NOT_FOUND);
    put_user(w, DOMAIN, ALICE);
    assert_int_equal(store_do(w->s, &gone), STORE_CONFLICT);
    assert_int_equal(shown.calls, 0);
}

static void wake(void *arg)
{
    sem_post(arg);
}

// The change and the registration go in one submission, and so into one transaction.
static void a_user_changed_in_the_same_batch_is_shown_as_it_is_then(void **state)
{
    struct world *w = *state;
    struct shown shown = {0};
    struct store_port *port;
    struct arena other;
    sem_t ready;
    with_alice(w);
    assert_int_equal(sem_init(&ready, 0, 0), 0);
    assert_int_equal(store_port_open(w->s, wake, &ready, &port), 0);
    arena_init(&other, NULL, 0, 1 << 20);
    struct store_op op = seen_op(w, &shown);
    struct user_put put = {.display_name = SLICE("another")};
    struct store_op change = user_op(w, DOMAIN, ALICE, &put);
    op.seen.version = 0;
    op.arena = &other;
    change.link = &op;
    assert_true(store_submit(port, &change, 2));
    for (int done = 0; done < 2;) {
        sem_wait(&ready);
        for (struct store_op *o = store_port_collect(port); o; o = o->link)
            done++;
    }
    assert_int_equal(change.status, STORE_OK);
    assert_int_equal(op.status, STORE_OK);
    assert_true(shown.terms.version == change.user.version);
    arena_reset(&other);
    store_port_close(port);
    sem_destroy(&ready);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_user_that_was_not_changed_is_as_it_was_seen),
        EACH(a_user_changed_since_it_was_seen_is_shown_as_it_is_now),
        EACH(a_user_changed_deleted_or_made_anew_since_it_was_seen_is_refused),
        EACH(a_user_changed_in_the_same_batch_is_shown_as_it_is_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
