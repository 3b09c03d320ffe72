// SPDX-License-Identifier: Apache-2.0
// The change log and the watcher: what every backend of the store promises about events.
#include "tests/contract/contract.h"

static struct seen_list *new_list(void)
{
    struct seen_list *list = calloc(1, sizeof *list);
    assert_non_null(list);
    return list;
}

// What the watcher was told and the log kept are the same, in the same order.
static void told_as_logged(const struct world *w, const struct seen_list *log)
{
    size_t k = 0; // of those told
    for (size_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i].number == 0)
            continue;
        assert_true(k < log->n);
        assert_int_equal(w->seen[i].number, log->items[k].number);
        assert_int_equal(w->seen[i].type, log->items[k].type);
        assert_int_equal(w->seen[i].gone, log->items[k].gone);
        assert_int_equal(w->seen[i].at_ms, log->items[k].at_ms);
        assert_string_equal(w->seen[i].contact, log->items[k].contact);
        assert_true(w->seen[i].id == log->items[k].id);
        k++;
    }
    assert_int_equal(k, log->n);
}

static void each_change_has_a_number_and_is_told_in_order(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 2 * MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", 0);
    advance(w, MINUTE);
    struct user_put put = {.display_name = SLICE("changed")};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    put_domain(w, DOMAIN);
    assert_int_equal(delete_user(w, DOMAIN, ALICE), STORE_OK);
    assert_int_equal(delete_domain(w, DOMAIN), STORE_OK);
    static const struct {
        enum store_event_type type;
        enum binding_gone gone;
        const char *contact;
    } expect[] = {
        {EVENT_DOMAIN_CREATED, GONE_NO, ""},
        {EVENT_USER_CREATED, GONE_NO, ""},
        {EVENT_BINDING_CREATED, GONE_NO, "sip:a@192.0.2.1"},
        {EVENT_BINDING_CREATED, GONE_NO, "sip:b@192.0.2.2"},
        {EVENT_BINDING_REMOVED, GONE_UNREGISTERED, "sip:b@192.0.2.2"},
        {EVENT_BINDING_REMOVED, GONE_EXPIRED, "sip:a@192.0.2.1"},
        {EVENT_USER_UPDATED, GONE_NO, ""},
        {EVENT_DOMAIN_UPDATED, GONE_NO, ""},
        {EVENT_USER_DELETED, GONE_NO, ""},
        {EVENT_DOMAIN_DELETED, GONE_NO, ""},
    };
    enum { N = sizeof expect / sizeof *expect };
    struct seen_list *log = new_list();
    assert_int_equal(read_changes(w, 0, SEEN_MAX, log), STORE_OK);
    nudge(w);
    assert_true(log->n >= N);
    // A cascade may also tell that the domain is closing (domain.updated).
    for (size_t i = 0, e = 0; i < log->n; i++) {
        const struct seen *s = &log->items[i];
        assert_true(s->number > (i ? log->items[i - 1].number : 0));
        assert_string_equal(s->domain, "example.com");
        if (e == N - 1 && s->type == EVENT_DOMAIN_UPDATED)
            continue;
        assert_true(e < N);
        assert_int_equal(s->type, expect[e].type);
        assert_int_equal(s->gone, expect[e].gone);
        assert_string_equal(s->contact, expect[e].contact);
        bool is_domain = s->type >= EVENT_DOMAIN_CREATED;
        assert_string_equal(s->username, is_domain ? "" : "alice");
        e++;
    }
    told_as_logged(w, log);
    assert_int_equal(counts(w).change, log->items[log->n - 1].number);
    assert_int_equal(counts(w).oldest_change, log->items[0].number);
    free(log);
}

static void a_plain_refresh_is_told_without_a_number_and_not_kept(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    uint64_t change = counts(w).change;
    forget_told(w);
    struct reg reg = {.want = {{"sip:a@192.0.2.1", T0 + 2 * MINUTE}}, .cseq = 2};
    struct store_op op;
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(told(w, EVENT_BINDING_REFRESHED, GONE_NO), 1);
    assert_int_equal(w->seen[0].number, 0);
    assert_string_equal(w->seen[0].contact, "sip:a@192.0.2.1");
    assert_int_equal(counts(w).change, change);
    reg.user_agent = "Phone 2"; // more than times: kept
    assert_int_equal(reg_do(w, ALICE, &reg, &op), STORE_OK);
    assert_int_equal(told(w, EVENT_BINDING_REFRESHED, GONE_NO), 2);
    assert_true(w->seen[1].number > change);
    assert_int_equal(counts(w).change, w->seen[1].number);
    struct seen_list *log = new_list();
    assert_int_equal(read_changes(w, change, SEEN_MAX, log), STORE_OK);
    assert_int_equal(log->n, 1);
    assert_int_equal(log->items[0].type, EVENT_BINDING_REFRESHED);
    free(log);
}

static void a_binding_that_was_not_touched_is_not_told_of(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    forget_told(w);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + MINUTE);
    assert_int_equal(told(w, EVENT_BINDING_CREATED, GONE_NO), 1);
    assert_int_equal(told(w, EVENT_BINDING_REFRESHED, GONE_NO), 0);
}

static void changes_are_read_a_part_at_a_time(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%02d", i);
        put_user(w, DOMAIN, slice_str(name));
    }
    struct seen_list *log = new_list();
    uint64_t after = 0;
    size_t n = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(read_changes(w, after, 4, log), STORE_OK);
        assert_true(log->n <= 4);
        n += log->n;
        if (!log->n)
            break;
        after = log->items[log->n - 1].number;
    }
    assert_int_equal(n, 21);
    assert_int_equal(after, counts(w).change);
    free(log);
}

static bool take_one(void *arg, const struct store_event *e)
{
    (void)e;
    ++*(int *)arg;
    return false;
}

static bool take_user(void *arg, const struct store_event *e)
{
    if (e->type == EVENT_USER_CREATED) {
        assert_non_null(e->user);
        assert_int_equal(e->user->credentials.have, 1u << ALGORITHM_MD5);
        assert_int_equal(e->user->credentials.ha1[ALGORITHM_MD5][0], 0); // secrets stay in
        assert_true(slice_eq(e->user->username, ALICE) && e->user->enabled);
        ++*(int *)arg;
    }
    if (e->type == EVENT_DOMAIN_CREATED) {
        assert_non_null(e->domain_object);
        assert_true(slice_eq(e->domain_object->name, DOMAIN));
        ++*(int *)arg;
    }
    return true;
}

static void an_event_carries_its_object_but_no_secret(void **state)
{
    struct world *w = *state;
    with_alice(w);
    int n = 0;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    assert_int_equal(store_changes_read(w->r, 0, 100, take_user, &n), STORE_OK);
    assert_int_equal(n, 2);
    n = 0;
    assert_int_equal(store_changes_read(w->r, 0, 100, take_one, &n), STORE_OK);
    assert_int_equal(n, 1); // take said stop
    store_reader_end(w->r);
}

static void the_log_is_bounded_and_says_when_it_no_longer_has_all(void **state)
{
    struct world *w = *state;
    world_close(w);
    w->changes_max = 50;
    world_open(w);
    put_domain(w, DOMAIN);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%03d", i);
        put_user(w, DOMAIN, slice_str(name));
        world_fresh(w);
    }
    struct store_counts c = counts(w);
    assert_true(c.change >= 301 && c.oldest_change > 1);
    assert_true(c.change - c.oldest_change + 1 >= 50);  // at least as many as asked for,
    assert_true(c.change - c.oldest_change + 1 <= 150); // and not many more
    struct seen_list *log = new_list();
    assert_int_equal(read_changes(w, 0, SEEN_MAX, log), STORE_NOT_FOUND);
    assert_int_equal(read_changes(w, c.oldest_change - 2, SEEN_MAX, log), STORE_NOT_FOUND);
    assert_int_equal(read_changes(w, c.oldest_change - 1, SEEN_MAX, log), STORE_OK);
    assert_int_equal(log->items[0].number, c.oldest_change);
    assert_int_equal(log->items[log->n - 1].number, c.change);
    assert_int_equal(read_changes(w, c.change, SEEN_MAX, log), STORE_OK);
    assert_int_equal(log->n, 0);
    free(log);
}

static void a_watcher_that_has_left_is_told_nothing(void **state)
{
    struct world *w = *state;
    with_alice(w);
    store_watch(w->s, NULL, NULL);
    forget_told(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    assert_int_equal(told(w, EVENT_BINDING_CREATED, GONE_NO), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(each_change_has_a_number_and_is_told_in_order),
        EACH(a_plain_refresh_is_told_without_a_number_and_not_kept),
        EACH(a_binding_that_was_not_touched_is_not_told_of),
        EACH(changes_are_read_a_part_at_a_time),
        EACH(an_event_carries_its_object_but_no_secret),
        EACH(the_log_is_bounded_and_says_when_it_no_longer_has_all),
        EACH(a_watcher_that_has_left_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
