// SPDX-License-Identifier: Apache-2.0
// Domains: read, made, changed, deleted.
#include "api/api.h"
#include "api/cursor.h"
#include "api/domain_body.h"
#include "api/etag.h"
#include "api/resource.h"
#include "api/route.h"
#include "api/show.h"

#define COUNT_STEP 1000 // users in one snapshot: a long one would keep the store from reusing space

// ---- Reading ------------------------------------------------------------------------------------

void handle_domain_get(struct request *r)
{
    struct store_reader *reader;
    struct domain d;
    if (!resource_domain(r, &reader, &d))
        return;
    etag_set(r, d.version, 0, SLICE_NONE);
    if (etag_not_modified(r))
        return;
    show_domain(&r->out, &d);
    respond_json(r, 200);
}

void handle_domains_list(struct request *r)
{
    struct store_counts counts;
    struct page page;
    struct domain d;
    enum store_status st = STORE_OK;
    if (!page_read(r, SLICE("domains"), &page))
        return;
    // Before the snapshot: what it shows may be newer than the tag, never older.
    store_counts(request_store(r), &counts);
    etag_set(r, counts.config_version, 0, page.after_key);
    if (etag_not_modified(r))
        return;
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return;
    struct slice last = page.after_key;
    bool more = true;
    json_open(&r->out, '{');
    json_key(&r->out, "domains");
    json_open(&r->out, '[');
    for (size_t n = 0; n < page.limit && more; n++) {
        st = store_domain_next(reader, last, &d);
        more = st == STORE_OK;
        if (more) {
            show_domain(&r->out, &d);
            last = d.name;
        }
    }
    json_close(&r->out, ']');
    if (st != STORE_OK && st != STORE_NOT_FOUND) {
        respond_store(r, st, "domain");
        return;
    }
    // A page that is full to the brim may have been the last.
    more = more && store_domain_next(reader, last, &d) == STORE_OK;
    page_end(r, SLICE("domains"), more, SLICE_NONE, last, counts.change);
    json_close(&r->out, '}');
    respond_json(r, 200);
}

// ---- Making and changing ------------------------------------------------------------------------

struct domain_write {
    struct resource_write w;
    struct domain_change change;
    bool counted; // `lacking` is there
    uint64_t lacking[ALGORITHM_COUNT];
};

static enum decision decide_write(struct store_op *op, const struct domain *current, uint64_t users,
                                  int64_t now_ms, struct domain *next)
{
    struct domain_write *w = op->ctx;
    (void)now_ms;
    if (!resource_write_allowed(&w->w, current, current ? current->version : 0, w->change.patch))
        return DECIDE_REFUSE;
    return domain_change_decide(op, &w->change, current, users, next);
}

static void show_written(struct request *r)
{
    struct domain_write *w = r->op.ctx;
    etag_set(r, r->op.domain_now.version, 0, SLICE_NONE);
    json_open(&r->out, '{');
    show_domain_members(&r->out, &r->op.domain_now);
    if (w->counted) {
        json_key(&r->out, "users_without_algorithm");
        json_open(&r->out, '{');
        for (unsigned a = 0; a < ALGORITHM_COUNT; a++)
            if (w->change.enabled & 1u << a) {
                json_key(&r->out, algorithm_name((enum algorithm)a));
                json_u64(&r->out, w->lacking[a]);
            }
        json_close(&r->out, '}');
    }
    json_close(&r->out, '}');
    if (r->op.created)
        resource_location(r, r->op.domain_now.name, SLICE_NONE);
    respond_json(r, r->op.created ? 201 : 200);
}

// One snapshot's worth, from `key` (USERNAME_MAX bytes, *n of them used) on. True: there is more.
static bool count_step(struct store_reader *reader, struct domain_write *w, char *key, size_t *n,
                       bool *failed)
{
    struct slice domain = w->w.r->op.domain_now.name, at = slice_of(key, *n);
    struct user u;
    enum store_status st = store_reader_begin(reader);
    *failed = st != STORE_OK;
    if (*failed)
        return false;
    for (size_t i = 0; i < COUNT_STEP; i++) {
        st = store_user_next(reader, domain, at, &u, &at);
        if (st != STORE_OK || !slice_eq(u.domain, domain))
            break;
        for (unsigned a = 0; a < ALGORITHM_COUNT; a++)
            w->lacking[a] += !(u.credentials.have & 1u << a);
    }
    bool more = st == STORE_OK && slice_eq(u.domain, domain);
    *failed = st != STORE_OK && st != STORE_NOT_FOUND;
    if (more) {
        memcpy(key, at.p, at.n);
        *n = at.n;
    }
    store_reader_end(reader);
    return more;
}

// On a thread of its own: it reads every user of the domain.
static void count_lacking(struct request *r)
{
    struct domain_write *w = r->op.ctx;
    struct store_reader *reader;
    char key[USERNAME_MAX];
    size_t n = 0;
    bool failed = false;
    if (store_reader_open(request_store(r), &reader) != 0)
        return;
    while (count_step(reader, w, key, &n, &failed))
        ;
    store_reader_close(reader);
    w->counted = !failed;
}

static void domain_written(struct request *r)
{
    struct domain_write *w = r->op.ctx;
    if (r->op.status == STORE_CONFLICT)
        respond_problem(r, 409, "the name or an alias is one of another domain");
    else if (r->op.status == STORE_REFUSED && !w->w.refused && w->change.conflict)
        respond_problem(r, 409, "%s", w->change.conflict);
    else if (r->op.status != STORE_OK)
        resource_refused(&w->w, "domain");
    else if (w->change.enabled)
        request_work(r, count_lacking, show_written);
    else
        show_written(r);
}

// `name` is a key.
static void write_domain(struct request *r, struct slice name, bool patch)
{
    struct domain_write *w = arena_calloc(&r->arena, 1, sizeof *w);
    name = arena_copy(&r->arena, name);
    if (!w || !name.p) {
        respond_unavailable(r);
        return;
    }
    struct json *o = resource_body(r);
    if (!o)
        return;
    resource_write_init(&w->w, r);
    bool ok = domain_body_read(o, patch, name, request_config(r), &w->w.faults, &w->change);
    json_free(o);
    if (!ok) {
        respond_faults(r, &w->w.faults);
        return;
    }
    r->op.kind = STORE_OP_DOMAIN;
    r->op.domain = name;
    r->op.decide_domain = decide_write;
    r->op.ctx = w;
    request_submit(r, domain_written);
}

void handle_domain_put(struct request *r)
{
    char scratch[DOMAIN_NAME_MAX];
    struct slice name = domain_name_read(r->path_args[0], scratch);
    if (name.n) {
        write_domain(r, name, false);
        return;
    }
    struct faults faults = {.arena = &r->arena};
    fault_add(&faults, SLICE("domain"), "is neither a host name nor an IP address");
    respond_faults(r, &faults);
}

void handle_domain_patch(struct request *r)
{
    struct store_reader *reader;
    struct domain d;
    if (resource_domain(r, &reader, &d))
        write_domain(r, d.name, true);
}

// ---- Deleting -----------------------------------------------------------------------------------

struct domain_removal {
    struct resource_write w;
    bool cascade, has_users;
};

static enum decision decide_removal(struct store_op *op, const struct domain *current,
                                    uint64_t users, int64_t now_ms, struct domain *next)
{
    struct domain_removal *w = op->ctx;
    (void)now_ms, (void)next;
    w->has_users = false;
    if (!resource_write_allowed(&w->w, current, current ? current->version : 0, true))
        return DECIDE_REFUSE;
    w->has_users = users && !w->cascade;
    return w->has_users ? DECIDE_REFUSE : DECIDE_DELETE;
}

static void domain_removed(struct request *r)
{
    struct domain_removal *w = r->op.ctx;
    if (r->op.status == STORE_OK)
        respond_empty(r, 204);
    else if (r->op.status == STORE_REFUSED && w->has_users)
        respond_problem(r, 409, "the domain has users; cascade=true deletes them too");
    else
        resource_refused(&w->w, "domain");
}

void handle_domain_delete(struct request *r)
{
    struct store_reader *reader;
    struct domain d;
    bool cascade;
    if (!resource_flag(r, "cascade", &cascade) || !resource_domain(r, &reader, &d))
        return;
    struct domain_removal *w = arena_calloc(&r->arena, 1, sizeof *w);
    r->op.domain = arena_copy(&r->arena, d.name);
    if (!w || !r->op.domain.p) {
        respond_unavailable(r);
        return;
    }
    resource_write_init(&w->w, r);
    w->cascade = cascade;
    r->op.kind = STORE_OP_DOMAIN;
    r->op.decide_domain = decide_removal;
    r->op.ctx = w;
    request_submit(r, domain_removed);
}
