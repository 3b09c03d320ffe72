// SPDX-License-Identifier: Apache-2.0
// Random REGISTERs through the decision and the store in memory, against a plain list that knows
// the rules of RFC 3261 section 10.3 by itself. Status and bindings must agree after each.
#include "base/buf.h"
#include "service/registrar/registrar.h"
#include "service/sip/values.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

#define URIS     6
#define CONTACTS 4
#define LIMIT    4
#define START    INT64_C(1700000000000)

static const char *const tags[] = {"", ";tag", ";+sip.instance=\"<urn:1>\"",
                                   ";+sip.instance=\"<urn:2>\""};

struct entry {
    unsigned uri, call, cseq, tag;
    int64_t expires, refreshed;
    bool touched;
};

struct model {
    size_t n;
    struct entry items[16];
};

struct ask {
    unsigned call, cseq;
    bool star, has_expires;
    uint32_t expires;
    size_t n;
    struct {
        unsigned uri, tag;
        bool has_expires;
        uint32_t expires;
    } contacts[CONTACTS];
};

struct run {
    struct store *store;
    struct store_reader *reader;
    struct arena arena;
    int64_t now;
    struct model model;
    struct reg_request req;
    struct reg_answer answer;
};

// ---- The model ----------------------------------------------------------------------------------

static uint32_t asked(const struct ask *a, size_t i)
{
    uint32_t e = a->contacts[i].has_expires ? a->contacts[i].expires
                 : a->has_expires           ? a->expires
                                            : 3600;
    return e < 7200 ? e : 7200;
}

static size_t position(const struct model *m, unsigned uri)
{
    size_t i = 0;
    while (i < m->n && m->items[i].uri != uri)
        i++;
    return i;
}

static void drop(struct model *m, size_t i)
{
    memmove(&m->items[i], &m->items[i + 1], (m->n - i - 1) * sizeof *m->items);
    m->n--;
}

static bool late(const struct entry *e, const struct ask *a)
{
    return e->call == a->call && a->cseq <= e->cseq;
}

static bool repeated(const struct model *m, const struct ask *a)
{
    bool any = false;
    for (size_t i = 0; i < a->n; i++) {
        size_t at = position(m, a->contacts[i].uri);
        int64_t ms = (int64_t)asked(a, i) * 1000;
        if (at == m->n && ms)
            return false;
        if (at == m->n)
            continue;
        const struct entry *e = &m->items[at];
        if (e->call != a->call || e->cseq != a->cseq || e->tag != a->contacts[i].tag ||
            e->expires - e->refreshed != ms)
            return false;
        any = true;
    }
    return any;
}

static unsigned model_contact(struct model *m, const struct ask *a, size_t i, int64_t now)
{
    uint32_t seconds = asked(a, i);
    size_t at = position(m, a->contacts[i].uri);
    if ((a->contacts[i].has_expires || a->has_expires) && seconds > 0 && seconds < 60)
        return 423;
    if (at < m->n && !m->items[at].touched && late(&m->items[at], a))
        return 500;
    if (seconds == 0) {
        if (at < m->n)
            drop(m, at);
        return 200;
    }
    if (at == m->n)
        m->n++;
    m->items[at] = (struct entry){.uri = a->contacts[i].uri,
                                  .call = a->call,
                                  .cseq = a->cseq,
                                  .tag = a->contacts[i].tag,
                                  .expires = now + (int64_t)seconds * 1000,
                                  .refreshed = now,
                                  .touched = true};
    return 200;
}

// The tags from 2 on are instances of devices.
static bool of_an_instance_here(const struct model *m, const struct entry *e)
{
    for (size_t i = 0; i < m->n; i++)
        if (e->tag >= 2 && m->items[i].touched && m->items[i].tag == e->tag)
            return true;
    return false;
}

static unsigned model_limit(struct model *m, const struct ask *a, size_t before)
{
    while (m->n > (before > LIMIT ? before : LIMIT)) {
        size_t oldest = m->n;
        for (int by_call = 0; by_call < 2 && oldest == m->n; by_call++)
            for (size_t i = 0; i < m->n; i++) {
                const struct entry *e = &m->items[i];
                if (!e->touched && (by_call ? e->call == a->call : of_an_instance_here(m, e)) &&
                    (oldest == m->n || e->refreshed < m->items[oldest].refreshed))
                    oldest = i;
            }
        if (oldest == m->n)
            return 403;
        drop(m, oldest);
    }
    return 200;
}

static unsigned model_register(struct model *m, const struct ask *a, int64_t now)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->items[i].expires <= now)
            drop(m, i);
    struct model next = *m;
    unsigned status = 200;
    for (size_t i = 0; i < next.n; i++)
        next.items[i].touched = false;
    if (a->star) {
        if (!a->has_expires || a->expires)
            return 400;
        for (size_t i = 0; i < m->n; i++)
            if (late(&m->items[i], a))
                return 500;
        m->n = 0;
        return 200;
    }
    if (repeated(m, a))
        return 200;
    for (size_t i = 0; i < a->n && status == 200; i++)
        status = model_contact(&next, a, i, now);
    if (status == 200)
        status = model_limit(&next, a, m->n);
    if (status == 200)
        *m = next;
    return status;
}

// ---- The service's way --------------------------------------------------------------------------

static int64_t run_clock(void *arg)
{
    return ((struct run *)arg)->now;
}

static enum decision decide_domain(struct store_op *op, const struct domain *current,
                                   uint64_t users, int64_t now_ms, struct domain *next)
{
    (void)op, (void)current, (void)users, (void)now_ms;
    next->realm = SLICE("example.com");
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

static enum decision decide_user(struct store_op *op, const struct domain *domain,
                                 const struct user *current, int64_t now_ms, struct user *next,
                                 bool *remove_bindings)
{
    (void)op, (void)domain, (void)current, (void)now_ms, (void)remove_bindings;
    next->enabled = true;
    return DECIDE_WRITE;
}

static enum decision decide(struct store_op *op, const struct domain *domain,
                            const struct user_terms *user, const struct binding_set *current,
                            int64_t now_ms, struct binding_set *next)
{
    static const struct reg_policy policy = {
        .min_expires = 60, .default_expires = 3600, .max_expires = 7200, .max_bindings = LIMIT};
    struct run *r = op->ctx;
    (void)domain, (void)user;
    if (!registrar_decide(&r->req, current, &policy, now_ms, op->arena, next, &r->answer))
        return DECIDE_NOMEM;
    if (r->answer.status != 200)
        return DECIDE_REFUSE;
    return r->answer.changed ? DECIDE_WRITE : DECIDE_SAME;
}

static struct store_op op_of(struct run *r, enum store_op_kind kind)
{
    return (struct store_op){.kind = kind,
                             .domain = SLICE("example.com"),
                             .username = SLICE("alice"),
                             .arena = &r->arena,
                             .ctx = r,
                             .decide_bindings = decide,
                             .decide_user = decide_user,
                             .decide_domain = decide_domain};
}

// before, the number, behind
static struct slice print(struct arena *arena, const char *before, unsigned n, const char *behind)
{
    char text[64];
    struct buf b = buf_over(text, sizeof text);
    buf_put(&b, slice_str(before));
    buf_u64(&b, n);
    buf_put(&b, slice_str(behind));
    return arena_copy(arena, buf_slice(&b));
}

static struct slice with_tag(struct arena *arena, unsigned uri, unsigned tag)
{
    char behind[64];
    snprintf(behind, sizeof behind, "@h>%s", tags[tag]);
    return print(arena, "<sip:p", uri, behind);
}

static unsigned service_register(struct run *r, const struct ask *a)
{
    struct sip_contact *contacts = arena_calloc(&r->arena, CONTACTS, sizeof *contacts);
    struct slice phrase;
    for (size_t i = 0; i < a->n; i++) {
        struct slice text = with_tag(&r->arena, a->contacts[i].uri, a->contacts[i].tag);
        HOLD(contact_parse(text, &r->arena, &contacts[i], &phrase) == STEP_OK);
        contacts[i].has_expires = a->contacts[i].has_expires;
        contacts[i].expires = a->contacts[i].expires;
    }
    r->req = (struct reg_request){.contacts = contacts,
                                  .n_contacts = a->n,
                                  .star = a->star,
                                  .has_expires = a->has_expires,
                                  .expires = a->expires,
                                  .call_id = print(&r->arena, "call", a->call, ""),
                                  .cseq = a->cseq,
                                  .first_hop = true};
    struct store_op op = op_of(r, STORE_OP_BINDINGS);
    enum store_status status = store_do(r->store, &op);
    HOLD(status == STORE_OK || status == STORE_REFUSED);
    HOLD((status == STORE_OK) == (r->answer.status == 200));
    HOLD(r->answer.own < (int)op.next.n || status != STORE_OK);
    return r->answer.status;
}

static void compare(struct run *r)
{
    struct user user;
    struct aor_state state;
    HOLD(store_reader_begin(r->reader) == STORE_OK);
    HOLD(store_user_find(r->reader, SLICE("example.com"), SLICE("alice"), &user) == STORE_OK);
    HOLD(store_bindings_find(r->reader, &user, r->now, &r->arena, &state) == STORE_OK);
    HOLD(state.bindings.n == r->model.n);
    for (size_t i = 0; i < r->model.n; i++) {
        const struct binding *b = &state.bindings.items[i];
        const struct entry *e = &r->model.items[i];
        HOLD(slice_eq(b->contact, print(&r->arena, "sip:p", e->uri, "@h")));
        HOLD(b->expires_at_ms == e->expires && b->cseq == e->cseq);
        HOLD(slice_eq(b->params, slice_str(tags[e->tag])));
        HOLD(b->id && !b->gone && b->refreshed_at_ms == e->refreshed);
    }
    store_reader_end(r->reader);
}

// ---- The run ------------------------------------------------------------------------------------

static struct ask next_ask(struct choices *c)
{
    static const uint32_t expires[] = {0, 59, 60, 300, 9999};
    struct ask a = {.call = choose(c, 3), .cseq = choose(c, 8)};
    unsigned shape = choose(c, 8);
    a.has_expires = shape & 1;
    a.expires = a.has_expires ? expires[choose(c, 5)] : 0;
    a.star = shape == 7;
    a.n = a.star ? 0 : choose(c, CONTACTS + 1);
    for (size_t i = 0; i < a.n; i++) {
        unsigned how = choose(c, 12);
        a.contacts[i].uri = choose(c, URIS);
        a.contacts[i].tag = how >= 9 ? how - 8 : 0;
        a.contacts[i].has_expires = how < 5;
        a.contacts[i].expires = how < 5 ? expires[how] : 0;
    }
    return a;
}

static void run_open(struct run *r)
{
    char why[256] = "";
    struct store_config config = {.url = SLICE("memory:"),
                                  .changes_max = 100,
                                  .queue_max = 100,
                                  .now_ms = r->now,
                                  .clock = run_clock,
                                  .clock_arg = r};
    HOLD(store_open(&config, &r->store, why, sizeof why) == 0);
    HOLD(store_reader_open(r->store, &r->reader) == 0);
    struct store_op op = op_of(r, STORE_OP_DOMAIN);
    HOLD(store_do(r->store, &op) == STORE_OK);
    op = op_of(r, STORE_OP_USER);
    HOLD(store_do(r->store, &op) == STORE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t steps[] = {0, 1000, 30000, 70000, 4000000};
    struct choices c = {data, data + size};
    struct run r = {.now = START};
    arena_init(&r.arena, NULL, 0, 1 << 22);
    run_open(&r);
    for (int i = 0; i < 100 && c.p < c.end; i++) {
        r.now += steps[choose(&c, 5)];
        struct ask a = next_ask(&c);
        HOLD(model_register(&r.model, &a, r.now) == service_register(&r, &a));
        compare(&r);
        arena_reset(&r.arena);
    }
    store_reader_close(r.reader);
    store_close(r.store);
    arena_reset(&r.arena);
    return 0;
}
