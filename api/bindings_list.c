// SPDX-License-Identifier: Apache-2.0
// All live bindings, by page: a walk over the users, which are in order of their address of record.
//
// A page ends at `limit` bindings or after a bounded amount of work, whichever comes first, so that
// a filter that matches nothing never holds the thread: the pages are then empty, with a cursor.
// Users without bindings are passed by at a glance, which is memory only. A cursor is the key of
// the last user that is done with, or, where the page ended among a user's bindings, that key, a
// NUL (which no key has) and the id of the last one shown.
#include "api/cursor.h"
#include "api/domain_body.h"
#include "api/etag.h"
#include "api/param.h"
#include "api/route.h"

#define WORK_MAX    4096 // steps of a page: a user looked at is one
#define WORK_RECORD 2    // further steps for a user whose record is read
#define BYTES_MAX   (2u << 20)
#define SCRATCH     16384
#define SCRATCH_MAX (1u << 20) // one user's record, decoded

struct filter {
    bool has_domain, has_prefix, has_transport, has_agent, has_source, has_before, has_after;
    struct slice domain; // as asked
    struct slice prefix, agent;
    unsigned transport;
    struct network source;
    int64_t before_ms, after_ms;
    enum view view;
};

struct walk {
    struct request *r;
    struct store_reader *reader;
    const struct filter *f;
    struct page page;
    struct slice only;        // the domain of the filter, canonical; empty for all
    struct slice domain, key; // where the walk is: after this user
    struct slice prefix;      // as a key of that domain
    struct slice prefix_for;  // that domain
    char prefix_key[USERNAME_MAX];
    uint64_t after_id; // in the first user: those up to this id have been shown
    uint64_t last_id;  // the last one shown, where its user is not done with; else 0
    size_t shown, work;
    bool more, in_crowd;
    enum store_status failed; // why the walk could not go on; STORE_OK: it could
};

// ---- The question -------------------------------------------------------------------------------

static bool read_transport(struct request *r, struct filter *f)
{
    struct slice text;
    f->has_transport = request_query(r, "transport", &text);
    if (!f->has_transport)
        return true;
    for (f->transport = 0; f->transport < TRANSPORT_COUNT; f->transport++)
        if (slice_eq(text, slice_str(transport_name((enum transport)f->transport))))
            return true;
    respond_problem(r, 400, "transport: \"udp\" or \"tcp\"");
    return false;
}

static bool read_source(struct request *r, struct filter *f)
{
    struct slice text;
    f->has_source = request_query(r, "source", &text);
    if (!f->has_source || network_parse(text, &f->source))
        return true;
    respond_problem(r, 400, "source: an address or a network, such as 192.0.2.0/24");
    return false;
}

static bool read_filter(struct request *r, struct filter *f)
{
    *f = (struct filter){0};
    return param_text(r, "domain", 1, DOMAIN_NAME_MAX, &f->domain, &f->has_domain) &&
           param_text(r, "user_prefix", 1, USERNAME_MAX, &f->prefix, &f->has_prefix) &&
           param_text(r, "user_agent_prefix", 1, 256, &f->agent, &f->has_agent) &&
           read_transport(r, f) && read_source(r, f) &&
           param_time(r, "expires_before", &f->before_ms, &f->has_before) &&
           param_time(r, "registered_after", &f->after_ms, &f->has_after) &&
           param_view(r, &f->view);
}

// The arguments that make the question, each with its name and length: a cursor holds for one
// question, an ETag also for one page.
static struct slice question_of(struct request *r, bool whole)
{
    static const char *const names[] = {
        "domain", "user_prefix",    "user_agent_prefix", "transport",
        "source", "expires_before", "registered_after",  "view",
        "limit",  "cursor"};
    size_t count = whole ? sizeof names / sizeof *names : 7, room = 16;
    struct slice value;
    for (size_t i = 0; i < count; i++)
        if (request_query(r, names[i], &value))
            room += strlen(names[i]) + value.n + 24;
    char *p = arena_alloc(&r->arena, room);
    struct buf b = buf_over(p, p ? room : 0);
    BUF_LIT(&b, "bindings");
    for (size_t i = 0; i < count; i++)
        if (request_query(r, names[i], &value)) {
            buf_printf(&b, " %s %zu ", names[i], value.n);
            buf_put(&b, value);
        }
    return b.full ? SLICE_NONE : buf_slice(&b);
}

// ---- The users ----------------------------------------------------------------------------------

// The filter's prefix as keys of this domain have it: folded where the domain folds names.
static struct slice prefix_in(struct walk *w, struct slice domain)
{
    struct domain d;
    if (!w->f->has_prefix || (w->prefix_for.n && slice_eq(w->prefix_for, domain)))
        return w->prefix;
    w->work++;
    w->prefix_for = domain;
    w->prefix = w->f->prefix;
    if (store_domain_find(w->reader, domain, &d) == STORE_OK)
        w->prefix = user_key(&d, w->f->prefix, w->prefix_key);
    return w->prefix;
}

// The user at or after `prefix` in the domain, where the walk has not come so far yet.
static enum store_status seek_prefix(struct walk *w, struct slice prefix, struct user *user)
{
    enum store_status st = store_user_find(w->reader, w->domain, prefix, user);
    w->work++;
    if (st == STORE_OK)
        w->key = prefix;
    else if (st == STORE_NOT_FOUND)
        st = store_user_next(w->reader, w->domain, prefix, user, &w->key);
    return st;
}

// The next user that the filter's domain and prefix let through; the walk is then at this user.
// False at the end, or (more) when the work is used up.
static bool next_user(struct walk *w, struct user *user)
{
    while (w->work++ < WORK_MAX) {
        struct slice key = w->key, domain = w->domain;
        struct slice prefix = domain.n ? prefix_in(w, domain) : SLICE_NONE;
        enum store_status st;
        if (prefix.n && slice_cmp(key, prefix) < 0)
            st = seek_prefix(w, prefix, user);
        else
            st = store_user_next(w->reader, domain, key, user, &w->key);
        if (st != STORE_OK && st != STORE_NOT_FOUND)
            w->failed = st; // it is no end, and must not look like one
        if (st != STORE_OK)
            return false;
        if (w->only.n && !slice_eq(user->domain, w->only))
            return false;
        w->domain = user->domain;
        prefix = prefix_in(w, user->domain);
        if (slice_starts(w->key, prefix))
            return true;
        // Before its range: the next turn seeks it. Behind: no key has the byte 0xff, so that one
        // is behind all of this domain.
        w->key = slice_cmp(w->key, prefix) < 0 ? SLICE_NONE : SLICE("\xff");
    }
    w->more = true;
    return false;
}

// ---- The bindings -------------------------------------------------------------------------------

static bool matches(const struct filter *f, const struct binding *b)
{
    return (!f->has_transport || b->transport == f->transport) &&
           (!f->has_agent || slice_istarts(b->user_agent, f->agent)) &&
           (!f->has_source || network_contains(&f->source, &b->source)) &&
           (!f->has_before || b->expires_at_ms < f->before_ms) &&
           (!f->has_after || b->registered_at_ms > f->after_ms);
}

// One user's bindings onto the page, which has room for one at least. Sets `more` where it is full
// and this user has more.
static enum store_status take_user(struct walk *w, const struct user *user, struct arena *scratch)
{
    struct aor_glance glance = {.registered = true};
    struct aor_state state;
    w->last_id = 0;
    // Those who are registered come in crowds: behind one there is no glance beforehand.
    if (!w->in_crowd)
        store_bindings_glance(w->reader, user, w->r->now_ms, &glance);
    if (!glance.registered)
        return STORE_OK;
    w->work += WORK_RECORD;
    enum store_status st = store_bindings_find(w->reader, user, w->r->now_ms, scratch, &state);
    for (size_t i = 0; st == STORE_OK && i < state.bindings.n; i++) {
        const struct binding *b = &state.bindings.items[i];
        if (b->id <= w->after_id || !matches(w->f, b))
            continue;
        if (w->shown == w->page.limit) {
            w->more = true;
            break;
        }
        show_binding(&w->r->out, user->domain, user->username, b, w->f->view);
        w->shown++;
        w->last_id = b->id;
    }
    w->in_crowd = st == STORE_OK && state.bindings.n > 0;
    if (!w->more)
        w->last_id = 0;
    w->after_id = 0;
    arena_reset(scratch);
    return st;
}

// Where the page before ended among a user's bindings, that user comes first, if it is still there.
static enum store_status take_rest(struct walk *w, struct arena *scratch)
{
    struct user user;
    size_t nul = slice_find(w->key, '\0');
    struct slice id = slice_from(w->key, nul + 1);
    if (nul == w->key.n || !slice_to_u64(id, UINT64_MAX, &w->after_id))
        return STORE_OK;
    w->key = slice_upto(w->key, nul);
    enum store_status st = store_user_find(w->reader, w->domain, w->key, &user);
    if (st == STORE_OK)
        st = take_user(w, &user, scratch);
    w->after_id = 0;
    return st == STORE_NOT_FOUND ? STORE_OK : st;
}

// Is there anybody left? Looked for by a copy, so that the walk stays where it is.
static bool more_users(struct walk *w)
{
    struct walk ahead = *w;
    struct user user;
    bool more = next_user(&ahead, &user) || ahead.more;
    w->failed = ahead.failed;
    return more;
}

static enum store_status walk_page(struct walk *w)
{
    char memory[SCRATCH];
    struct arena scratch;
    struct user user;
    arena_init(&scratch, memory, sizeof memory, SCRATCH_MAX);
    enum store_status st = take_rest(w, &scratch);
    while (st == STORE_OK && !w->more) {
        if (w->shown == w->page.limit || w->r->out.n > BYTES_MAX)
            w->more = more_users(w);
        if (w->more || w->shown == w->page.limit || !next_user(w, &user))
            break;
        st = take_user(w, &user, &scratch);
    }
    arena_reset(&scratch);
    return st == STORE_OK ? w->failed : st;
}

// ---- The answer ---------------------------------------------------------------------------------

static void end_page(struct walk *w, struct slice question, uint64_t as_of)
{
    char key[USERNAME_MAX + 24];
    struct buf b = buf_over(key, sizeof key);
    buf_put(&b, w->key);
    if (w->last_id) {
        buf_byte(&b, '\0');
        buf_u64(&b, w->last_id);
    }
    page_end(w->r, question, w->more, w->domain, buf_slice(&b), as_of);
}

// The counters are older than what is read after them, never newer. Numbered changes are all but
// refreshes that change times only; a filter by expiry sees those too. While an expiry is due that
// has not been swept, what is live depends on the moment.
static bool not_modified(struct request *r, const struct filter *f, const struct store_counts *c)
{
    uint64_t status = c->change;
    if (f->view == VIEW_FULL || f->has_before)
        status = etag_mix(status, c->bindings_version);
    if (r->now_ms >= c->next_expiry_ms)
        status = etag_mix(status, (uint64_t)r->now_ms);
    etag_set(r, 0, status, question_of(r, true));
    return etag_not_modified(r);
}

// Puts the walk where the page before ended. False where there is nothing to walk over.
static bool enter(struct walk *w)
{
    struct domain d;
    w->domain = w->page.after_domain;
    w->key = w->page.after_key;
    if (!w->f->has_domain)
        return true;
    enum store_status st = domain_find(w->reader, w->f->domain, &d);
    if (st != STORE_OK) {
        w->failed = st == STORE_NOT_FOUND ? STORE_OK : st;
        return false;
    }
    w->only = d.name;
    if (w->domain.n == 0)
        w->domain = d.name;
    return true;
}

void handle_bindings_list(struct request *r)
{
    struct filter f;
    struct store_counts counts;
    struct walk w = {.r = r, .f = &f};
    struct slice question = question_of(r, false);
    if (!read_filter(r, &f) || !page_read(r, question, &w.page))
        return;
    store_counts(request_store(r), &counts);
    if (not_modified(r, &f, &counts))
        return;
    w.reader = request_snapshot(r);
    if (!w.reader)
        return;
    json_open(&r->out, '{');
    json_key(&r->out, "bindings");
    json_open(&r->out, '[');
    enum store_status st = enter(&w) ? walk_page(&w) : w.failed;
    if (st != STORE_OK || !question.n) {
        respond_store(r, question.n ? st : STORE_NOMEM, "bindings");
        return;
    }
    json_close(&r->out, ']');
    end_page(&w, question, counts.change);
    json_close(&r->out, '}');
    respond_json(r, 200);
}
