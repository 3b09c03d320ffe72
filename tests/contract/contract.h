// SPDX-License-Identifier: Apache-2.0
// What the contract tests of the store share: a store of any backend with a clock of the test's
// own, a watcher that keeps what it was told, and operations in one line. Only store.h is used, so
// that whatever passes here may stand behind it.
#pragma once

#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define T0     1700000000000 // the clock at the start of each test
#define MINUTE 60000
#define DOMAIN SLICE("example.com")
#define ALICE  SLICE("alice")

struct backend_under_test {
    const char *scheme;
    bool durable; // closes and opens again as it was
};

static struct backend_under_test contract_backends[] = {{"memory", false}, {"lmdb", true}};

// One event as the watcher was told it, or as the change log gives it.
struct seen {
    uint64_t number;
    enum store_event_type type;
    int64_t at_ms;
    enum binding_gone gone;
    char domain[64], username[64], contact[128];
    uint64_t id; // of the binding
};

#define SEEN_MAX 4096

struct world {
    const struct backend_under_test *backend;
    char dir[64], url[80];
    struct store *s;
    struct store_reader *r;
    struct arena arena; // for ops and what readers return; reset by world_fresh()
    _Atomic int64_t now;
    uint64_t changes_max;
    pthread_mutex_t lock; // of what follows
    size_t n_seen;
    struct seen seen[SEEN_MAX];
};

static inline int64_t world_clock(void *arg)
{
    return ((struct world *)arg)->now;
}

static inline void copy_text(char *out, size_t size, struct slice s)
{
    snprintf(out, size, "%.*s", SLICE_FMT(s));
}

static inline struct seen seen_of(const struct store_event *e)
{
    struct seen s = {.number = e->number, .type = e->type, .at_ms = e->at_ms, .gone = e->gone};
    copy_text(s.domain, sizeof s.domain, e->domain);
    copy_text(s.username, sizeof s.username, e->username);
    if (e->binding) {
        copy_text(s.contact, sizeof s.contact, e->binding->contact);
        s.id = e->binding->id;
    }
    return s;
}

static inline void world_watch(void *arg, const struct store_event *events, size_t n)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < n; i++)
        if (w->n_seen < SEEN_MAX)
            w->seen[w->n_seen++] = seen_of(&events[i]);
    pthread_mutex_unlock(&w->lock);
}

static inline struct store_config world_config(struct world *w)
{
    return (struct store_config){.url = slice_str(w->url),
                                 .map_size = 64u << 20,
                                 .changes_max = w->changes_max,
                                 .queue_max = 65536,
                                 .now_ms = w->now,
                                 .clock = world_clock,
                                 .clock_arg = w};
}

static inline void world_open(struct world *w)
{
    char why[256] = "";
    struct store_config config = world_config(w);
    if (store_open(&config, &w->s, why, sizeof why) != 0)
        fail_msg("%s: %s", w->url, why);
    store_watch(w->s, world_watch, w);
    assert_int_equal(store_reader_open(w->s, &w->r), 0);
}

static inline void world_close(struct world *w)
{
    store_reader_close(w->r);
    store_close(w->s);
    w->s = NULL;
    w->r = NULL;
}

static inline void world_reopen(struct world *w)
{
    world_close(w);
    world_open(w);
}

// A store's folder has no folders in it.
static inline void remove_folder(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->backend = *state;
    w->now = T0;
    w->changes_max = 10000;
    pthread_mutex_init(&w->lock, NULL);
    arena_init(&w->arena, NULL, 0, 16u << 20);
    // Where a sync costs nothing, if there is such a place: what is tested is order, not disks.
    bool shm = access("/dev/shm", W_OK | X_OK) == 0;
    snprintf(w->dir, sizeof w->dir, "%s/rollcall-contract-XXXXXX", shm ? "/dev/shm" : "/tmp");
    if (!mkdtemp(w->dir))
        return -1;
    if (w->backend->durable)
        snprintf(w->url, sizeof w->url, "%s:%s", w->backend->scheme, w->dir);
    else
        snprintf(w->url, sizeof w->url, "%s:", w->backend->scheme);
    world_open(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    if (w->s)
        world_close(w);
    arena_reset(&w->arena);
    remove_folder(w->dir);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

// The same assertions for every backend: a test's row once for each. Expands to two rows.
#define EACH(test)                                                                                 \
    {#test " [memory]", test, world_setup, world_teardown, &contract_backends[0]},                 \
    {                                                                                              \
#test " [lmdb]", test, world_setup, world_teardown, &contract_backends[1]                  \
    }

// ---- Domains and users ------------------------------------------------------------------------

static inline void world_fresh(struct world *w)
{
    arena_reset(&w->arena);
}

static inline enum decision decide_put_domain(struct store_op *op, const struct domain *current,
                                              uint64_t users, int64_t now_ms, struct domain *next)
{
    (void)current, (void)users, (void)now_ms;
    const struct domain *want = op->ctx;
    next->realm = want->realm.n ? want->realm : op->domain;
    next->n_aliases = want->n_aliases;
    memcpy(next->aliases, want->aliases, sizeof next->aliases);
    next->case_insensitive_users = want->case_insensitive_users;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

static inline enum decision decide_delete_domain(struct store_op *op, const struct domain *current,
                                                 uint64_t users, int64_t now_ms,
                                                 struct domain *next)
{
    (void)op, (void)users, (void)now_ms, (void)next;
    return current ? DECIDE_DELETE : DECIDE_SAME;
}

static inline struct store_op domain_op(struct world *w, struct slice name)
{
    return (struct store_op){.kind = STORE_OP_DOMAIN, .domain = name, .arena = &w->arena};
}

static inline enum store_status put_domain_as(struct world *w, struct slice name,
                                              struct domain *want, struct store_op *op)
{
    *op = domain_op(w, name);
    op->decide_domain = decide_put_domain;
    op->ctx = want;
    return store_do(w->s, op);
}

static inline void put_domain(struct world *w, struct slice name)
{
    struct domain want = {0};
    struct store_op op;
    assert_int_equal(put_domain_as(w, name, &want, &op), STORE_OK);
}

static inline enum store_status delete_domain(struct world *w, struct slice name)
{
    struct store_op op = domain_op(w, name);
    op.decide_domain = decide_delete_domain;
    return store_do(w->s, &op);
}

// What a put of a user shall do; the zero value makes a plain enabled user.
struct user_put {
    struct slice display_name;
    bool disabled, remove_bindings, delete, same, refuse;
    struct user seen; // what decide was shown; incarnation 0 for none
    int calls;
};

static inline enum decision decide_put_user(struct store_op *op, const struct domain *domain,
                                            const struct user *current, int64_t now_ms,
                                            struct user *next, bool *remove_bindings)
{
    struct user_put *put = op->ctx;
    (void)domain;
    put->calls++;
    memset(&put->seen, 0, sizeof put->seen);
    if (current)
        put->seen = *current;
    if (put->refuse)
        return DECIDE_REFUSE;
    if (put->same)
        return DECIDE_SAME;
    if (put->delete)
        return current ? DECIDE_DELETE : DECIDE_REFUSE;
    next->enabled = !put->disabled;
    next->display_name = put->display_name;
    next->credentials.have = 1u << ALGORITHM_MD5;
    memset(next->credentials.ha1[ALGORITHM_MD5], 0x5a, 16);
    next->credentials_set_at_ms = current ? current->credentials_set_at_ms : now_ms;
    *remove_bindings = put->remove_bindings;
    return DECIDE_WRITE;
}

static inline struct store_op user_op(struct world *w, struct slice domain, struct slice name,
                                      struct user_put *put)
{
    return (struct store_op){.kind = STORE_OP_USER,
                             .domain = domain,
                             .username = name,
                             .arena = &w->arena,
                             .ctx = put,
                             .decide_user = decide_put_user};
}

static inline enum store_status put_user_as(struct world *w, struct slice domain, struct slice name,
                                            struct user_put *put, struct store_op *op)
{
    *op = user_op(w, domain, name, put);
    return store_do(w->s, op);
}

static inline void put_user(struct world *w, struct slice domain, struct slice name)
{
    struct user_put put = {0};
    struct store_op op;
    assert_int_equal(put_user_as(w, domain, name, &put, &op), STORE_OK);
}

static inline enum store_status delete_user(struct world *w, struct slice domain, struct slice name)
{
    struct user_put put = {.delete = true};
    struct store_op op;
    return put_user_as(w, domain, name, &put, &op);
}

// ---- Bindings ---------------------------------------------------------------------------------

// A small registrar: contacts by their text, absolute ends; 0 takes one away, and `star` all.
struct want {
    const char *contact;
    int64_t expires_at_ms;
};

struct reg {
    struct want want[8]; // up to the first without a contact
    bool star, same, refuse, starve;
    enum binding_gone gone; // how those taken away leave; GONE_NO: they are just not in `next`
    const char *user_agent;
    uint32_t cseq;
    int calls;        // how often decide ran
    size_t n_current; // what it was shown
    int64_t now_ms;
};

static inline int64_t reg_wanted(const struct reg *reg, struct slice contact)
{
    for (size_t i = 0; i < 8 && reg->want[i].contact; i++)
        if (slice_eq(slice_str(reg->want[i].contact), contact))
            return reg->want[i].expires_at_ms;
    return -1;
}

static inline void reg_fill(const struct reg *reg, struct binding *b, int64_t end, int64_t now_ms)
{
    b->expires_at_ms = end;
    b->refreshed_at_ms = now_ms;
    b->cseq = reg->cseq;
    b->user_agent = slice_str(reg->user_agent ? reg->user_agent : "Phone");
}

static inline enum decision decide_register(struct store_op *op, const struct domain *domain,
                                            const struct user_terms *user,
                                            const struct binding_set *current, int64_t now_ms,
                                            struct binding_set *next)
{
    struct reg *reg = op->ctx;
    (void)domain, (void)user;
    reg->calls++;
    reg->n_current = current->n;
    reg->now_ms = now_ms;
    if (reg->refuse || reg->starve)
        return reg->refuse ? DECIDE_REFUSE : DECIDE_NOMEM;
    if (reg->same)
        return DECIDE_SAME;
    next->n = 0;
    next->items = arena_calloc(op->arena, current->n + 8, sizeof *next->items);
    if (!next->items)
        return DECIDE_NOMEM;
    for (size_t i = 0; i < current->n; i++) {
        struct binding b = current->items[i];
        int64_t end = reg_wanted(reg, b.contact);
        if (end == 0 || reg->star)
            b.gone = reg->gone;
        if ((end == 0 || reg->star) && !reg->gone)
            continue;
        if (end > 0)
            reg_fill(reg, &b, end, now_ms);
        next->items[next->n++] = b;
    }
    for (size_t i = 0; i < 8 && reg->want[i].contact; i++) {
        struct binding b = {.contact = slice_str(reg->want[i].contact), .q = -1};
        bool there = reg->want[i].expires_at_ms == 0;
        for (size_t k = 0; k < current->n && !there; k++)
            there = slice_eq(current->items[k].contact, b.contact);
        if (there)
            continue;
        b.registered_at_ms = now_ms;
        b.call_id = SLICE("call-1@phone");
        b.transport =
            strstr(reg->want[i].contact, ";transport=tcp") ? TRANSPORT_TCP : TRANSPORT_UDP;
        reg_fill(reg, &b, reg->want[i].expires_at_ms, now_ms);
        next->items[next->n++] = b;
    }
    return DECIDE_WRITE;
}

static inline struct store_op reg_op(struct world *w, struct slice domain, struct slice user,
                                     struct reg *reg)
{
    return (struct store_op){.kind = STORE_OP_BINDINGS,
                             .domain = domain,
                             .username = user,
                             .arena = &w->arena,
                             .ctx = reg,
                             .decide_bindings = decide_register};
}

static inline enum store_status reg_do(struct world *w, struct slice user, struct reg *reg,
                                       struct store_op *op)
{
    *op = reg_op(w, DOMAIN, user, reg);
    return store_do(w->s, op);
}

// Registers one contact of a user of DOMAIN until `end` (0: takes it away).
static inline void reg_one(struct world *w, struct slice user, const char *contact, int64_t end)
{
    struct reg reg = {.want = {{contact, end}}};
    struct store_op op;
    assert_int_equal(reg_do(w, user, &reg, &op), STORE_OK);
}

// DOMAIN with alice.
static inline void with_alice(struct world *w)
{
    put_domain(w, DOMAIN);
    put_user(w, DOMAIN, ALICE);
}

// ---- Reading ----------------------------------------------------------------------------------

static inline enum store_status read_bindings(struct world *w, struct slice domain,
                                              struct slice user, struct aor_state *out)
{
    struct user u;
    memset(out, 0, sizeof *out);
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    enum store_status st = store_user_find(w->r, domain, user, &u);
    if (st == STORE_OK)
        st = store_bindings_find(w->r, &u, w->now, &w->arena, out);
    store_reader_end(w->r);
    return st;
}

static inline struct aor_state aor(struct world *w, struct slice user)
{
    struct aor_state out;
    assert_int_equal(read_bindings(w, DOMAIN, user, &out), STORE_OK);
    return out;
}

static inline struct store_counts counts(struct world *w)
{
    struct store_counts c;
    store_counts(w->s, &c);
    return c;
}

// Gives the writer a turn: an op that changes nothing.
static inline void nudge(struct world *w)
{
    struct store_op op = domain_op(w, SLICE("no-such-domain.example"));
    op.decide_domain = decide_delete_domain;
    store_do(w->s, &op);
}

// Moves the clock and waits until what is due then has been swept. The writer looks by itself
// within a second; the nudges make it sooner.
static inline void advance(struct world *w, int64_t ms)
{
    w->now += ms;
    for (int i = 0; i < 3000; i++) {
        nudge(w);
        if (counts(w).next_expiry_ms > w->now)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    fail_msg("what has expired was not swept");
}

// How many events of the type (and, where gone is not GONE_NO, with that reason) were told. The
// nudge is done when the watcher has been told of all before it.
static inline size_t told(struct world *w, enum store_event_type type, enum binding_gone gone)
{
    size_t n = 0;
    nudge(w);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_seen; i++)
        n += w->seen[i].type == type && (!gone || w->seen[i].gone == gone);
    pthread_mutex_unlock(&w->lock);
    return n;
}

static inline void forget_told(struct world *w)
{
    nudge(w);
    pthread_mutex_lock(&w->lock);
    w->n_seen = 0;
    pthread_mutex_unlock(&w->lock);
}

struct seen_list {
    size_t n;
    struct seen items[SEEN_MAX];
};

static inline bool take_seen(void *arg, const struct store_event *e)
{
    struct seen_list *list = arg;
    list->items[list->n++] = seen_of(e);
    return list->n < SEEN_MAX;
}

static inline enum store_status read_changes(struct world *w, uint64_t after, size_t max,
                                             struct seen_list *out)
{
    out->n = 0;
    assert_int_equal(store_reader_begin(w->r), STORE_OK);
    enum store_status st = store_changes_read(w->r, after, max, take_seen, out);
    store_reader_end(w->r);
    return st;
}

static inline void say_fault(void *arg, const char *sentence)
{
    (void)arg;
    print_message("check: %s\n", sentence);
}

static inline void assert_sound(struct world *w)
{
    assert_int_equal(store_check(w->s, say_fault, NULL), 0);
}
