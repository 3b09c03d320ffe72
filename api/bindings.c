// SPDX-License-Identifier: Apache-2.0
// The bindings of one address of record: read, and taken away.
#include "api/cursor.h"
#include "api/domain_body.h"
#include "api/etag.h"
#include "api/param.h"
#include "api/route.h"

// ---- Reading ------------------------------------------------------------------------------------

// The user of a path in a snapshot.
struct found {
    struct domain domain;
    struct user user;
    struct slice key;
    char scratch[USERNAME_MAX];
};

// NULL when it has been answered.
static struct store_reader *find_user(struct request *r, struct found *f)
{
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return NULL;
    enum store_status st = domain_find(reader, r->path_args[0], &f->domain);
    if (st != STORE_OK) {
        respond_store(r, st, "domain");
        return NULL;
    }
    f->key = user_key(&f->domain, r->path_args[1], f->scratch);
    st = store_user_find(reader, f->domain.name, f->key, &f->user);
    if (st != STORE_OK) {
        respond_store(r, st, "user");
        return NULL;
    }
    return reader;
}

static void show_bindings(struct request *r, const struct user *user,
                          const struct binding_set *bindings, enum view view)
{
    json_open(&r->out, '{');
    json_key(&r->out, "bindings");
    json_open(&r->out, '[');
    for (size_t i = 0; i < bindings->n; i++)
        show_binding(&r->out, user->domain, user->username, &bindings->items[i], view);
    json_close(&r->out, ']');
}

// What is live is told by the record's version and the earliest end of those that are left: a
// glance, which is memory, is enough for a poll that finds nothing new.
static bool glance_not_modified(struct request *r, struct store_reader *reader,
                                const struct user *user)
{
    struct aor_glance glance;
    store_bindings_glance(reader, user, r->now_ms, &glance);
    int64_t next = glance.registered ? glance.next_expiry_ms : INT64_MAX;
    etag_set(r, user->version, etag_mix(glance.version, (uint64_t)next), SLICE_NONE);
    return etag_not_modified(r);
}

// In the view of the status the tag is that of what is shown, which a refresh leaves alone.
static bool shown_not_modified(struct request *r, const struct user *user)
{
    uint64_t shown = hash64(secret_key(r, SLICE("etag")), text_slice(&r->out));
    etag_set(r, user->version, shown, SLICE("status"));
    return etag_not_modified(r);
}

void handle_user_bindings_get(struct request *r)
{
    struct found f;
    struct aor_state state;
    struct store_counts counts;
    enum view view;
    struct store_reader *reader;
    store_counts(request_store(r), &counts);
    if (!param_view(r, &view) || !(reader = find_user(r, &f)) ||
        (view == VIEW_FULL && glance_not_modified(r, reader, &f.user)))
        return;
    enum store_status st = store_bindings_find(reader, &f.user, r->now_ms, &r->arena, &state);
    if (st != STORE_OK) {
        respond_store(r, st, "bindings");
        return;
    }
    show_bindings(r, &f.user, &state.bindings, view);
    if (view == VIEW_STATUS && shown_not_modified(r, &f.user))
        return;
    as_of_put(r, counts.change);
    json_close(&r->out, '}');
    respond_json(r, 200);
}

// ---- Taking away --------------------------------------------------------------------------------

// The id of the one that goes; 0: all of them.
struct removal {
    uint64_t id;
};

// Those that leave say why; the others stay as they are. Deleting none is no success for one
// binding (it is not there) and a success for all of them (they are gone).
static enum decision decide_removal(struct store_op *op, const struct domain *domain,
                                    const struct user_terms *user,
                                    const struct binding_set *current, int64_t now_ms,
                                    struct binding_set *next)
{
    const struct removal *removal = op->ctx;
    size_t leaving = 0;
    (void)domain, (void)user, (void)now_ms;
    if (current->n == 0)
        return removal->id ? DECIDE_REFUSE : DECIDE_SAME;
    next->items = arena_alloc(op->arena, current->n * sizeof *next->items);
    if (!next->items)
        return DECIDE_NOMEM;
    memcpy(next->items, current->items, current->n * sizeof *next->items);
    next->n = current->n;
    for (size_t i = 0; i < next->n; i++) {
        if (removal->id && next->items[i].id != removal->id)
            continue;
        next->items[i].gone = GONE_DELETED;
        leaving++;
    }
    return leaving ? DECIDE_WRITE : DECIDE_REFUSE;
}

static void removed(struct request *r)
{
    if (r->op.status == STORE_OK)
        respond_empty(r, 204);
    else if (r->op.status == STORE_REFUSED)
        respond_problem(r, 404, "There is no such binding.");
    else
        respond_store(r, r->op.status, "user");
}

static void remove_bindings(struct request *r, uint64_t id)
{
    struct found f;
    struct removal *removal = arena_alloc(&r->arena, sizeof *removal);
    if (!find_user(r, &f))
        return;
    r->op.kind = STORE_OP_BINDINGS;
    r->op.domain = arena_copy(&r->arena, f.domain.name);
    r->op.username = arena_copy(&r->arena, f.key);
    r->op.decide_bindings = decide_removal;
    r->op.ctx = removal;
    if (!removal || !r->op.domain.p || !r->op.username.p) {
        respond_unavailable(r);
        return;
    }
    removal->id = id;
    request_submit(r, removed);
}

void handle_user_bindings_delete(struct request *r)
{
    remove_bindings(r, 0);
}

void handle_user_binding_delete(struct request *r)
{
    uint64_t id;
    // An id that is no number is one that we have not given out.
    if (slice_to_u64(r->path_args[2], UINT64_MAX, &id) && id)
        remove_bindings(r, id);
    else
        respond_problem(r, 404, "There is no such binding.");
}
