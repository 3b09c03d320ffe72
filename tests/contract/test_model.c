// SPDX-License-Identifier: Apache-2.0
// The model test: random operations on a store and on a plain table (model.h), which must agree in
// every answer, every read, every counter and every event, over restarts, crashes and clock steps.
//
// What is removed never comes back and what was acknowledged is never lost: a child does the work
// and is killed at a random moment; copies of the table lie in memory shared with it, together with
// the batch that was on its way, of which the store must hold some beginning.
//
// ROLLCALL_MODEL_OPS (default 20000) operations, ROLLCALL_MODEL_SEED for the run to repeat.
#include "tests/contract/contract.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/contract/model.h"
#include "tests/contract/model_events.h"

#define SLACK 128 // records beyond twice the live ones: what a batch or two leave behind

// The table as it was before the batch on its way, which is in `pending`. A kill may come while one
// copy is written, so there are two.
struct shared {
    _Atomic int valid;
    struct model copy[2];
};

struct run {
    struct world w;
    struct model *m;       // this process's own
    struct shared *shared; // with the child that is killed
    struct events log;     // the durable change log, replayed
    struct events heard;   // what the watcher was told
    struct arena arenas[M_BATCH];
    struct store_op ops[M_BATCH];
    struct reg regs[M_BATCH];
    struct user_put puts[M_BATCH];
    struct domain want;
    char names[M_BATCH][16];
};

static struct slice user_name(char *out, int user)
{
    snprintf(out, 16, "u%d", user);
    return slice_str(out);
}

// ---- Operations -------------------------------------------------------------------------------

// Changes now and then, so that some refreshes are more than a new time.
static const char *phone(uint32_t cseq)
{
    return cseq % 5 ? "Phone" : "Phone 2";
}

static void fill_reg(struct run *r, size_t i, const struct m_op *op)
{
    struct reg *reg = &r->regs[i];
    size_t n = 0;
    *reg = (struct reg){.star = op->kind == M_STAR,
                        .same = op->kind == M_SAME,
                        .refuse = op->kind == M_REFUSE,
                        .user_agent = phone(op->cseq),
                        .cseq = op->cseq};
    for (int c = 0; op->kind == M_REGISTER && c < M_CONTACTS; c++)
        if (op->ends[c] >= 0)
            reg->want[n++] = (struct want){m_contacts[c], op->ends[c]};
}

static void fill_op(struct run *r, size_t i, const struct m_op *op)
{
    struct slice domain = slice_str(m_domains[op->domain]);
    struct slice user = user_name(r->names[i], op->user);
    arena_reset(&r->arenas[i]);
    if (op->kind <= M_REFUSE) {
        fill_reg(r, i, op);
        r->ops[i] = reg_op(&r->w, domain, user, &r->regs[i]);
    } else if (op->kind <= M_DELETE_USER) {
        r->puts[i] = (struct user_put){.delete = op->kind == M_DELETE_USER,
                                       .disabled = op->kind == M_DISABLE,
                                       .remove_bindings = op->kind == M_DISABLE};
        char *text = arena_alloc(&r->arenas[i], 16);
        snprintf(text, 16, "n%u", op->cseq);
        r->puts[i].display_name = slice_str(text);
        r->ops[i] = user_op(&r->w, domain, user, &r->puts[i]);
    } else {
        r->ops[i] = domain_op(&r->w, domain);
        r->ops[i].decide_domain =
            op->kind == M_PUT_DOMAIN ? decide_put_domain : decide_delete_domain;
        r->ops[i].ctx = &r->want;
    }
    r->ops[i].arena = &r->arenas[i];
}

// The bindings the store has against the table's; learns ids that a crash kept from us.
static void compare_bindings(struct m_user *u, const struct binding_set *set)
{
    assert_int_equal(set->n, m_live(u));
    uint64_t born = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct binding *b = &set->items[i];
        int c = 0;
        while (c < M_CONTACTS && !slice_eq(b->contact, slice_str(m_contacts[c])))
            c++;
        assert_true(c < M_CONTACTS);
        struct m_binding *want = &u->bindings[c];
        assert_true(want->there);
        assert_int_equal(b->expires_at_ms, want->end);
        assert_int_equal(b->registered_at_ms, want->registered_at);
        assert_int_equal(b->refreshed_at_ms, want->refreshed_at);
        assert_int_equal(b->cseq, want->cseq);
        assert_true(slice_eq(b->user_agent, slice_str(phone(want->cseq))));
        assert_int_equal(b->transport, c % 2 ? TRANSPORT_TCP : TRANSPORT_UDP);
        assert_true(b->id != 0);
        if (want->id)
            assert_int_equal(b->id, want->id);
        want->id = b->id;
        assert_true(want->born > born); // in order of registration
        born = want->born;
    }
}

static void compare_answer(struct run *r, size_t i)
{
    static const enum store_status expect[] = {STORE_OK, STORE_NOT_FOUND, STORE_REFUSED};
    const struct m_op *op = &r->m->pending[i];
    enum m_status st = m_apply(r->m, op);
    assert_int_equal(r->ops[i].status, expect[st]);
    if (st == M_OK && op->kind <= M_SAME)
        compare_bindings(&r->m->domains[op->domain].users[op->user], &r->ops[i].next);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool open;
};

static void gate_notify(void *arg)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_signal(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

// Submits the pending batch, waits, and compares each answer.
static void do_pending(struct run *r)
{
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct store_port *port;
    size_t n = r->m->n_pending, done = 0;
    assert_int_equal(store_port_open(r->w.s, gate_notify, &gate, &port), 0);
    for (size_t i = 0; i < n; i++)
        fill_op(r, i, &r->m->pending[i]);
    for (size_t i = 0; i + 1 < n; i++)
        r->ops[i].link = &r->ops[i + 1];
    assert_true(store_submit(port, &r->ops[0], n));
    while (done < n) {
        pthread_mutex_lock(&gate.lock);
        while (!gate.open)
            pthread_cond_wait(&gate.cond, &gate.lock);
        gate.open = false;
        pthread_mutex_unlock(&gate.lock);
        for (struct store_op *op = store_port_collect(port); op; op = op->link, done++)
            assert_ptr_equal(op, &r->ops[done]); // in order
    }
    store_port_close(port);
    for (size_t i = 0; i < n; i++)
        compare_answer(r, i);
    r->m->n_pending = 0;
}

// What the parent goes on with when this process is killed.
static void publish(struct run *r)
{
    int other = 1 - r->shared->valid;
    r->shared->copy[other] = *r->m;
    atomic_store(&r->shared->valid, other);
}

static void do_batch(struct run *r)
{
    struct model *m = r->m;
    uint64_t n = 1 + m_random(m, m_random(m, 3) ? 4 : M_BATCH);
    for (uint64_t i = 0; i < n; i++)
        m->pending[i] = m_random_op(m);
    if (m_random(m, 300) == 0) { // a domain goes alone: it takes several commits
        m->pending[0].kind = M_DELETE_DOMAIN;
        n = 1;
    }
    m->n_pending = (uint32_t)n;
    publish(r); // from here on a killed child may have done them
    do_pending(r);
}

// ---- Comparing everything ---------------------------------------------------------------------

static void compare_aor(struct run *r, const struct user *user, struct m_user *u)
{
    struct aor_state got;
    struct aor_glance glance;
    assert_int_equal(store_bindings_find(r->w.r, user, r->w.now, &r->w.arena, &got), STORE_OK);
    compare_bindings(u, &got.bindings);
    store_bindings_glance(r->w.r, user, r->w.now, &glance);
    assert_int_equal(glance.registered, got.bindings.n > 0);
    assert_int_equal(glance.version, got.version);
    assert_int_equal(glance.next_expiry_ms, got.next_expiry_ms);
    // What a poll is told apart by. An AoR without bindings may have been forgotten altogether.
    bool known = got.bindings.n > 0 && u->version;
    if (known && u->touched) // without an update it may change too: a record that was moved
        assert_true(got.version != u->version);
    if (known && !u->moved)
        assert_int_equal(got.presence, u->presence);
    if (known && u->moved)
        assert_true(got.presence > u->presence);
    u->version = got.version;
    u->presence = got.presence;
    u->touched = u->moved = false;
}

// One step of a walk over all users against the table, in the order of names.
static void compare_users(struct run *r, struct store_domain_counts sums[M_DOMAINS])
{
    struct slice domain = SLICE_NONE, key = SLICE_NONE;
    struct user user;
    size_t seen[M_DOMAINS] = {0};
    assert_int_equal(store_reader_begin(r->w.r), STORE_OK);
    while (store_user_next(r->w.r, domain, key, &user, &key) == STORE_OK) {
        int d = 0, u = atoi((const char *)arena_copy(&r->w.arena, key).p + 1);
        domain = user.domain;
        while (!slice_eq(domain, slice_str(m_domains[d])))
            assert_true(++d < M_DOMAINS);
        struct m_user *want = &r->m->domains[d].users[u];
        char text[16];
        assert_true(want->there);
        assert_int_equal(user.enabled, !want->disabled);
        snprintf(text, sizeof text, "n%u", want->cseq);
        assert_true(slice_eq(user.display_name, slice_str(text)));
        compare_aor(r, &user, want);
        seen[d]++;
        world_fresh(&r->w);
    }
    for (int d = 0; d < M_DOMAINS; d++) {
        struct domain found;
        enum store_status st = store_domain_find(r->w.r, slice_str(m_domains[d]), &found);
        assert_int_equal(st, r->m->domains[d].there ? STORE_OK : STORE_NOT_FOUND);
        for (int u = 0; u < M_USERS; u++) {
            sums[d].users += r->m->domains[d].users[u].there;
            sums[d].bindings += m_live(&r->m->domains[d].users[u]);
            sums[d].registered_users += m_live(&r->m->domains[d].users[u]) > 0;
        }
        assert_int_equal(seen[d], sums[d].users);
        struct store_domain_counts got;
        if (st == STORE_OK) {
            assert_int_equal(store_domain_count(r->w.r, slice_str(m_domains[d]), &got), STORE_OK);
            if (memcmp(&got, &sums[d], sizeof got) != 0)
                fail_msg(
                    "%s counts %llu users, %llu registered, %llu bindings, not %llu, %llu, %llu",
                    m_domains[d], (unsigned long long)got.users,
                    (unsigned long long)got.registered_users, (unsigned long long)got.bindings,
                    (unsigned long long)sums[d].users, (unsigned long long)sums[d].registered_users,
                    (unsigned long long)sums[d].bindings);
        }
    }
    store_reader_end(r->w.r);
}

static void compare_counts(struct run *r, const struct store_domain_counts sums[M_DOMAINS])
{
    struct store_domain_counts all = {0};
    uint64_t tcp = 0;
    for (int d = 0; d < M_DOMAINS; d++) {
        all.users += sums[d].users;
        all.bindings += sums[d].bindings;
        all.registered_users += sums[d].registered_users;
        for (int u = 0; u < M_USERS; u++)
            tcp += r->m->domains[d].users[u].bindings[1].there +
                   r->m->domains[d].users[u].bindings[3].there;
    }
    struct store_counts c = counts(&r->w);
    assert_int_equal(c.users, all.users);
    assert_int_equal(c.bindings, all.bindings);
    assert_int_equal(c.registered_users, all.registered_users);
    assert_int_equal(c.by_transport[TRANSPORT_TCP], tcp);
    assert_int_equal(c.by_transport[TRANSPORT_UDP], all.bindings - tcp);
    if (c.records > 2 * all.registered_users + SLACK)
        fail_msg("%llu records for %llu AoRs", (unsigned long long)c.records,
                 (unsigned long long)all.registered_users);
}

// What the events say is live, against the table.
static void compare_events(struct run *r, const struct events *e)
{
    assert_int_equal(e->faults, 0);
    for (int d = 0; d < M_DOMAINS; d++)
        for (int u = 0; u < M_USERS; u++) {
            assert_int_equal(e->users[d][u], r->m->domains[d].users[u].there);
            for (int c = 0; c < M_CONTACTS; c++) {
                const struct m_binding *b = &r->m->domains[d].users[u].bindings[c];
                assert_true(e->ids[d][u][c] == (b->there ? b->id : 0));
            }
        }
}

static bool take_event(void *arg, const struct store_event *event)
{
    events_apply(arg, event);
    return true;
}

static void read_log(struct run *r)
{
    assert_int_equal(store_reader_begin(r->w.r), STORE_OK);
    assert_int_equal(store_changes_read(r->w.r, r->log.number, SIZE_MAX, take_event, &r->log),
                     STORE_OK);
    store_reader_end(r->w.r);
    assert_int_equal(r->log.number, counts(&r->w).change);
}

static void compare_all(struct run *r)
{
    struct store_domain_counts sums[M_DOMAINS] = {0};
    m_expire(r->m);
    advance(&r->w, 0); // waits for the sweep
    compare_users(r, sums);
    compare_counts(r, sums);
    read_log(r);
    compare_events(r, &r->log);
    nudge(&r->w); // the watcher has been told
    pthread_mutex_lock(&r->w.lock);
    compare_events(r, &r->heard);
    pthread_mutex_unlock(&r->w.lock);
}

// ---- Restarts and crashes ---------------------------------------------------------------------

static void hear(void *arg, const struct store_event *events, size_t n)
{
    struct run *r = arg;
    pthread_mutex_lock(&r->w.lock);
    for (size_t i = 0; i < n; i++)
        events_apply(&r->heard, &events[i]);
    pthread_mutex_unlock(&r->w.lock);
}

static void open_run(struct run *r)
{
    r->w.now = r->m->now;
    world_open(&r->w);
    store_watch(r->w.s, NULL, NULL);
    advance(&r->w, 0);
}

// Nothing is on its way: what was heard so far is what the log says.
static void compare_and_listen(struct run *r)
{
    read_log(r);
    r->heard = r->log;
    store_watch(r->w.s, hear, r);
    compare_all(r);
    assert_sound(&r->w);
}

static void let_time_pass(struct run *r, int64_t most)
{
    r->m->now += (int64_t)m_random(r->m, (uint64_t)most);
    m_expire(r->m);
    publish(r); // before anything can expire in the store
    r->w.now = r->m->now;
}

static void work(struct run *r, uint64_t n)
{
    uint64_t until = r->m->done + n, next = r->m->done + 200;
    while (r->m->done < until) {
        do_batch(r);
        if (m_random(r->m, 4) == 0)
            let_time_pass(r, m_random(r->m, 50) ? 1000 : 1800000);
        if (r->m->done >= next) {
            compare_all(r);
            next = r->m->done + 200;
        }
    }
    compare_all(r);
}

// The store's state as a table, to find out how much of a batch was done before the kill.
static void read_table(struct run *r, struct model *out)
{
    struct slice domain = SLICE_NONE, key = SLICE_NONE;
    struct user user;
    memset(out, 0, sizeof *out);
    assert_int_equal(store_reader_begin(r->w.r), STORE_OK);
    for (; store_user_next(r->w.r, domain, key, &user, &key) == STORE_OK; domain = user.domain) {
        int d = index_of(user.domain, m_domains, M_DOMAINS);
        struct m_user *u = &out->domains[d].users[atoi(arena_copy(&r->w.arena, key).p + 1)];
        struct aor_state got;
        u->there = true;
        u->disabled = !user.enabled;
        u->cseq = (uint32_t)atoi(arena_copy(&r->w.arena, user.display_name).p + 1);
        assert_int_equal(store_bindings_find(r->w.r, &user, r->w.now, &r->w.arena, &got), STORE_OK);
        for (size_t i = 0; i < got.bindings.n; i++) {
            const struct binding *b = &got.bindings.items[i];
            struct m_binding *to = &u->bindings[index_of(b->contact, m_contacts, M_CONTACTS)];
            to->there = true;
            to->end = b->expires_at_ms;
            to->cseq = b->cseq;
        }
    }
    for (int d = 0; d < M_DOMAINS; d++) {
        struct domain found;
        struct slice name = slice_str(m_domains[d]);
        out->domains[d].there = store_domain_find(r->w.r, name, &found) == STORE_OK;
    }
    store_reader_end(r->w.r);
    world_fresh(&r->w);
}

static bool same_table(const struct model *a, const struct model *b)
{
    bool same = true;
    for (int d = 0; d < M_DOMAINS; d++) {
        same = same && a->domains[d].there == b->domains[d].there;
        for (int u = 0; u < M_USERS; u++) {
            const struct m_user *x = &a->domains[d].users[u], *y = &b->domains[d].users[u];
            same = same && x->there == y->there && x->disabled == y->disabled && x->cseq == y->cseq;
            for (int c = 0; c < M_CONTACTS; c++)
                same = same && x->bindings[c].there == y->bindings[c].there &&
                       x->bindings[c].end == y->bindings[c].end &&
                       x->bindings[c].cseq == y->bindings[c].cseq;
        }
    }
    return same;
}

// A domain's deletion that was begun is carried on by the store itself.
static void await_deletion(struct run *r, struct slice name)
{
    for (int i = 0; i < 5000; i++) {
        struct domain d;
        assert_int_equal(store_reader_begin(r->w.r), STORE_OK);
        bool goes_on = store_domain_find(r->w.r, name, &d) == STORE_OK && d.closing;
        store_reader_end(r->w.r);
        if (!goes_on)
            return;
        nudge(&r->w);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    fail_msg("the deletion of %.*s does not go on", SLICE_FMT(name));
}

// After a kill: the table with as many operations of the batch as the store has kept.
static void settle(struct run *r)
{
    static struct model have, try;
    *r->m = r->shared->copy[r->shared->valid];
    uint32_t n = r->m->n_pending;
    r->m->n_pending = 0;
    open_run(r);
    if (n && r->m->pending[0].kind == M_DELETE_DOMAIN)
        await_deletion(r, slice_str(m_domains[r->m->pending[0].domain]));
    read_table(r, &have);
    try = *r->m;
    m_expire(&try);
    uint32_t kept = 0;
    while (!same_table(&try, &have)) {
        if (kept == n)
            fail_msg("after a kill the store holds no beginning of the %u operations", n);
        m_apply(&try, &r->m->pending[kept++]);
    }
    *r->m = try;
    compare_and_listen(r);
}

static void work_in_a_child_and_kill_it(struct run *r)
{
    long wait_ns = 1000000 + (long)m_random(r->m, 60000000);
    publish(r);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (open_run(r);;) {
            do_batch(r);
            if (m_random(r->m, 4) == 0)
                let_time_pass(r, 1000);
        }
    }
    nanosleep(&(struct timespec){.tv_nsec = wait_ns}, NULL);
    int status;
    if (waitpid(pid, &status, WNOHANG) == pid)
        fail_msg("the child ended by itself with status %d", status);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    settle(r);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value;
    return text && slice_to_u64(slice_str(text), UINT64_MAX, &value) ? value : otherwise;
}

static void start(struct run *r, struct world *w, struct model *m)
{
    memset(r, 0, sizeof *r);
    world_close(w);
    r->w = *w; // with its backend, folder and URL
    r->w.changes_max = 100000;
    pthread_mutex_init(&r->w.lock, NULL);
    for (int i = 0; i < M_BATCH; i++)
        arena_init(&r->arenas[i], NULL, 0, 1 << 20);
    r->m = m;
    r->m->now = T0;
    r->m->rng = from_environment("ROLLCALL_MODEL_SEED", (uint64_t)time(NULL) * 2654435761u | 1);
    print_message("ROLLCALL_MODEL_SEED=%llu\n", (unsigned long long)r->m->rng);
    r->shared =
        mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(r->shared != MAP_FAILED);
}

static void the_store_agrees_with_a_table_through_restarts_crashes_and_clock_steps(void **state)
{
    static struct run run;
    static struct model model;
    struct run *r = &run;
    struct world *w = *state;
    memset(&model, 0, sizeof model);
    start(r, w, &model);
    uint64_t total = from_environment("ROLLCALL_MODEL_OPS", 20000);
    uint64_t restarts = 0, kills = 0;
    open_run(r);
    compare_and_listen(r);
    while (r->m->done < total) {
        work(r, 100 + m_random(r->m, 2000));
        if (!w->backend->durable)
            continue;
        world_close(&r->w);
        restarts++;
        // A clock that was set back or forward while we were down.
        if (m_random(r->m, 2))
            r->m->now += (int64_t)m_random(r->m, 7200000) - 3600000;
        m_expire(r->m);
        if (m_random(r->m, 2)) {
            open_run(r);
            compare_and_listen(r);
        } else {
            work_in_a_child_and_kill_it(r);
            kills++;
        }
    }
    print_message("%llu operations, %llu restarts, %llu kills\n", (unsigned long long)r->m->done,
                  (unsigned long long)restarts, (unsigned long long)kills);
    world_close(&r->w);
    for (int i = 0; i < M_BATCH; i++)
        arena_reset(&r->arenas[i]);
    arena_reset(&r->w.arena);
    munmap(r->shared, sizeof *r->shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_store_agrees_with_a_table_through_restarts_crashes_and_clock_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
