// SPDX-License-Identifier: Apache-2.0
// Users: read, made, changed, deleted.
#include "api/api.h"
#include "api/cursor.h"
#include "api/etag.h"
#include "api/resource.h"
#include "api/param.h"
#include "api/route.h"
#include "api/show.h"
#include "api/user_body.h"

#define PAGE_BYTES (1u << 20) // a page of big users ends early

// ---- One user -----------------------------------------------------------------------------------

// Sets the ETag without reading bindings: the status is told by the record's version and what of it
// has ended by now. A tombstone that the log has dropped leaves its last_registered_at in the user.
static void user_etag(struct request *r, struct store_reader *reader, const struct user *u)
{
    struct aor_glance glance;
    store_bindings_glance(reader, u, r->now_ms, &glance);
    int64_t next = glance.registered ? glance.next_expiry_ms : INT64_MAX;
    uint64_t status = etag_mix(glance.version, (uint64_t)next);
    etag_set(r, u->version, etag_mix(status, (uint64_t)u->last_registered_at_ms), SLICE_NONE);
}

static enum store_status put_user(struct request *r, struct store_reader *reader,
                                  const struct user *u, enum view view)
{
    char block[4096]; // the bindings are only counted: their memory ends here
    struct arena arena;
    struct aor_state state;
    arena_init(&arena, block, sizeof block, 4u << 20);
    enum store_status st = store_bindings_find(reader, u, r->now_ms, &arena, &state);
    if (st == STORE_OK) {
        struct user_status status = {.registered = state.bindings.n > 0,
                                     .binding_count = state.bindings.n,
                                     .last_registered_at_ms = state.last_registered_at_ms};
        show_user(&r->out, u, &status, view);
    }
    arena_reset(&arena);
    return st;
}

static void respond_user(struct request *r, unsigned status, struct store_reader *reader,
                         const struct user *u)
{
    enum store_status st = put_user(r, reader, u, VIEW_FULL);
    if (st == STORE_OK)
        respond_json(r, status);
    else
        respond_store(r, st, "user");
}

void handle_user_get(struct request *r)
{
    char scratch[USERNAME_MAX];
    struct store_reader *reader;
    struct domain d;
    struct user u;
    if (!resource_domain(r, &reader, &d))
        return;
    struct slice key = user_key(&d, r->path_args[1], scratch);
    enum store_status st = store_user_find(reader, d.name, key, &u);
    if (st != STORE_OK) {
        respond_store(r, st, "user");
        return;
    }
    user_etag(r, reader, &u);
    if (!etag_not_modified(r))
        respond_user(r, 200, reader, &u);
}

// ---- A page of users ----------------------------------------------------------------------------

struct users_list {
    struct slice domain, prefix, question; // prefix: as it stands in keys
    enum view view;
    struct page page;
    struct store_counts counts;
};

// The question that a cursor belongs to, which also tells the ETags of different pages apart.
static bool list_question(struct request *r, const struct domain *d, struct users_list *l)
{
    char text[DOMAIN_NAME_MAX + USERNAME_MAX + 32], scratch[USERNAME_MAX];
    struct slice prefix = SLICE_NONE;
    bool there;
    if (!param_view(r, &l->view) || !param_text(r, "prefix", 0, USERNAME_MAX, &prefix, &there))
        return false;
    l->domain = d->name;
    l->prefix = arena_copy(&r->arena, user_key(d, prefix, scratch));
    struct buf b = buf_over(text, sizeof text);
    BUF_LIT(&b, "users ");
    buf_put(&b, l->view == VIEW_STATUS ? SLICE("status ") : SLICE("full "));
    buf_put(&b, d->name);
    buf_byte(&b, ' ');
    buf_put(&b, l->prefix);
    l->question = arena_copy(&r->arena, buf_slice(&b));
    if (l->prefix.p && l->question.p)
        return true;
    respond_unavailable(r);
    return false;
}

// From the counters alone. While something has ended that has not been swept, the counters do not
// tell what is shown, so the tag is one of this moment.
static bool list_not_modified(struct request *r, struct users_list *l)
{
    const struct store_counts *c = &l->counts;
    uint64_t status = l->view == VIEW_STATUS ? c->presence_version : c->bindings_version;
    if (r->now_ms >= c->next_expiry_ms)
        status = etag_mix(status, (uint64_t)r->now_ms);
    char text[64 + USERNAME_MAX];
    struct buf b = buf_over(text, sizeof text);
    buf_u64(&b, l->page.limit);
    buf_byte(&b, ' ');
    buf_put(&b, l->page.after_key);
    etag_set(r, c->config_version, etag_mix(status, etag_mix(0, l->view)), buf_slice(&b));
    return etag_not_modified(r);
}

// The first user of the list after `after`. NOT_FOUND: there is none.
static enum store_status list_next(struct store_reader *reader, const struct users_list *l,
                                   struct slice after, struct user *u, struct slice *key)
{
    enum store_status st = STORE_NOT_FOUND;
    if (!after.n && l->prefix.n) { // a name that is the prefix itself is in the list
        st = store_user_find(reader, l->domain, l->prefix, u);
        *key = l->prefix;
        if (st != STORE_NOT_FOUND)
            return st;
    }
    st = store_user_next(reader, l->domain, after.n ? after : l->prefix, u, key);
    if (st == STORE_OK && (!slice_eq(u->domain, l->domain) || !slice_starts(*key, l->prefix)))
        return STORE_NOT_FOUND;
    return st;
}

static enum store_status put_page(struct request *r, struct store_reader *reader,
                                  struct users_list *l)
{
    struct slice last = l->page.after_key, key = SLICE_NONE;
    struct user u;
    size_t n = 0;
    json_key(&r->out, "users");
    json_open(&r->out, '[');
    enum store_status st = list_next(reader, l, last, &u, &key);
    while (st == STORE_OK && n++ < l->page.limit && r->out.n < PAGE_BYTES) {
        st = put_user(r, reader, &u, l->view);
        last = key;
        if (st == STORE_OK)
            st = list_next(reader, l, last, &u, &key);
    }
    json_close(&r->out, ']');
    page_end(r, l->question, st == STORE_OK, SLICE_NONE, last, l->counts.change);
    return st == STORE_NOT_FOUND ? STORE_OK : st;
}

void handle_users_list(struct request *r)
{
    struct users_list l = {0};
    struct store_reader *reader;
    struct domain d;
    // Before the snapshot: what it shows may be newer than the tag and as_of, never older.
    store_counts(request_store(r), &l.counts);
    if (!resource_domain(r, &reader, &d) || !list_question(r, &d, &l) ||
        !page_read(r, l.question, &l.page) || list_not_modified(r, &l))
        return;
    json_open(&r->out, '{');
    enum store_status st = put_page(r, reader, &l);
    json_close(&r->out, '}');
    if (st == STORE_OK)
        respond_json(r, 200);
    else
        respond_store(r, st, "user");
}

// ---- Making and changing ------------------------------------------------------------------------

struct user_write {
    struct resource_write w;
    struct user_change change;
};

static enum decision decide_write(struct store_op *op, const struct domain *domain,
                                  const struct user *current, int64_t now_ms, struct user *next,
                                  bool *remove_bindings)
{
    struct user_write *w = op->ctx;
    if (!resource_write_allowed(&w->w, current, current ? current->version : 0,
                                w->change.flags & USER_BODY_PATCH))
        return DECIDE_REFUSE;
    return user_change_decide(op, &w->change, domain, current, now_ms, next, remove_bindings);
}

static void user_written(struct request *r)
{
    struct user_write *w = r->op.ctx;
    user_change_wipe(&w->change);
    if (r->op.status == STORE_NOT_FOUND) {
        respond_store(r, STORE_NOT_FOUND, "domain"); // it has gone, or is going
        return;
    }
    if (r->op.status != STORE_OK) {
        resource_refused(&w->w, "user");
        return;
    }
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return;
    user_etag(r, reader, &r->op.user);
    if (r->op.created)
        resource_location(r, r->op.user.domain, r->op.user.username);
    respond_user(r, r->op.created ? 201 : 200, reader, &r->op.user);
}

// Where the op goes to. False: no memory.
static bool name_op(struct request *r, const struct domain *d)
{
    char scratch[USERNAME_MAX];
    r->op.kind = STORE_OP_USER;
    r->op.domain = arena_copy(&r->arena, d->name);
    r->op.username = arena_copy(&r->arena, user_key(d, r->path_args[1], scratch));
    return r->op.domain.p && r->op.username.p;
}

static bool read_change(struct request *r, unsigned flags, const struct domain *d,
                        struct user_write *w)
{
    struct json *o = resource_body(r);
    if (!o)
        return false;
    bool ok = user_body_read(o, flags, &w->w.faults, &w->change);
    json_free(o);
    ok = user_change_name(&w->change, d, r->path_args[1]) && ok;
    if (!ok) {
        user_change_wipe(&w->change);
        respond_faults(r, &w->w.faults);
    }
    return ok;
}

static void write_user(struct request *r, unsigned flags)
{
    struct store_reader *reader;
    struct domain d;
    bool keep_bindings;
    if (!resource_flag(r, "keep_bindings", &keep_bindings) || !resource_domain(r, &reader, &d))
        return;
    struct user_write *w = arena_calloc(&r->arena, 1, sizeof *w);
    if (!w || !name_op(r, &d)) {
        respond_unavailable(r);
        return;
    }
    resource_write_init(&w->w, r);
    if (!read_change(r, flags, &d, w))
        return;
    w->change.keep_bindings = keep_bindings;
    user_change_prepare(&w->change, &d, &r->arena);
    r->op.decide_user = decide_write;
    r->op.ctx = w;
    request_submit(r, user_written);
}

void handle_user_put(struct request *r)
{
    write_user(r, 0);
}

void handle_user_patch(struct request *r)
{
    write_user(r, USER_BODY_PATCH);
}

// ---- Deleting -----------------------------------------------------------------------------------

static enum decision decide_removal(struct store_op *op, const struct domain *domain,
                                    const struct user *current, int64_t now_ms, struct user *next,
                                    bool *remove_bindings)
{
    struct resource_write *w = op->ctx;
    (void)domain, (void)now_ms, (void)next, (void)remove_bindings;
    if (!resource_write_allowed(w, current, current ? current->version : 0, true))
        return DECIDE_REFUSE;
    return DECIDE_DELETE;
}

static void user_removed(struct request *r)
{
    if (r->op.status == STORE_OK)
        respond_empty(r, 204);
    else
        resource_refused(r->op.ctx, "user");
}

void handle_user_delete(struct request *r)
{
    struct store_reader *reader;
    struct domain d;
    if (!resource_domain(r, &reader, &d))
        return;
    struct resource_write *w = arena_calloc(&r->arena, 1, sizeof *w);
    if (!w || !name_op(r, &d)) {
        respond_unavailable(r);
        return;
    }
    if (!username_valid(r->path_args[1])) {
        respond_store(r, STORE_NOT_FOUND, "user");
        return;
    }
    resource_write_init(w, r);
    r->op.decide_user = decide_removal;
    r->op.ctx = w;
    request_submit(r, user_removed);
}
