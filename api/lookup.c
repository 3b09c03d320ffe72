// SPDX-License-Identifier: Apache-2.0
// Where are these addresses? Up to a thousand at once, in the order asked.
#include "api/cursor.h"
#include "api/domain_body.h"
#include "api/etag.h"
#include "api/route.h"
#include "api/show.h"

#define AORS_MAX    1000
#define AOR_MAX     1024 // bytes of one as it is asked, parameters included
#define SCRATCH     16384
#define SCRATCH_MAX (1u << 20) // one address' record, decoded

struct lookup {
    struct request *r;
    const struct json *aors;
    enum view view;
    struct faults faults;
    struct arena scratch; // for one address at a time
    uint64_t tag;         // of the versions of all
};

// ---- The body -----------------------------------------------------------------------------------

static bool read_member(void *arg, struct slice key, const struct json *value)
{
    struct lookup *l = arg;
    struct slice word;
    if (slice_eq(key, SLICE("aors"))) {
        l->aors = value;
        if (!json_is_array(value))
            fault_add(&l->faults, key, "must be a list");
        else if (json_size(value) > AORS_MAX)
            fault_add(&l->faults, key, "at most %d at once", AORS_MAX);
    } else if (!slice_eq(key, SLICE("view"))) {
        fault_add(&l->faults, key, "there is no such member");
    } else if (json_read_string(value, key, 1, 16, &l->faults, &word)) {
        if (slice_eq(word, SLICE("status")))
            l->view = VIEW_STATUS;
        else if (!slice_eq(word, SLICE("full")))
            fault_add(&l->faults, key, "must be \"full\" or \"status\"");
    }
    return true;
}

// One address as it was asked, apart. With a fault noted where it is none.
static bool read_asked(struct lookup *l, size_t i, struct slice *aor, struct slice *host,
                       struct slice *username)
{
    char name[24];
    struct buf field = buf_over(name, sizeof name);
    buf_printf(&field, "aors[%zu]", i);
    if (!json_read_string(json_at(l->aors, i), buf_slice(&field), 1, AOR_MAX, &l->faults, aor))
        return false;
    if (read_aor(*aor, &l->scratch, host, username))
        return true;
    fault_add(&l->faults, buf_slice(&field), "must be a SIP URI with a user");
    return false;
}

// All of the body is read before anything is looked up. False when it has been answered.
static bool read_body(struct lookup *l, const struct json *document)
{
    struct slice aor, host, username;
    if (!json_is_object(document)) {
        respond_problem(l->r, 422, "The body must be a JSON object.");
        return false;
    }
    json_members(document, read_member, l);
    if (!l->aors)
        fault_add(&l->faults, SLICE("aors"), "is required");
    for (size_t i = 0; l->faults.n == 0 && i < json_size(l->aors); i++, arena_reset(&l->scratch))
        if (!read_asked(l, i, &aor, &host, &username))
            break;
    if (l->faults.n)
        respond_faults(l->r, &l->faults);
    return l->faults.n == 0;
}

// ---- Looking up ---------------------------------------------------------------------------------

// NOT_FOUND where nobody has been provisioned under it; an alias finds its domain.
static enum store_status find_user(struct lookup *l, struct store_reader *reader, size_t i,
                                   struct slice *aor, struct user *user)
{
    struct domain domain;
    struct slice host, username;
    char scratch[USERNAME_MAX];
    if (!read_asked(l, i, aor, &host, &username))
        return STORE_NOMEM; // it was read before
    enum store_status st = domain_find(reader, host, &domain);
    if (st != STORE_OK)
        return st;
    struct slice key = user_key(&domain, username, scratch);
    return key.n ? store_user_find(reader, domain.name, key, user) : STORE_NOT_FOUND;
}

// The part of one address in the tag: whether it is known, and what tells all that is live.
static void mix(struct lookup *l, uint64_t known, uint64_t version, int64_t next_expiry_ms)
{
    l->tag = etag_mix(l->tag, known);
    l->tag = etag_mix(l->tag, version);
    l->tag = etag_mix(l->tag, (uint64_t)next_expiry_ms);
}

// A poll that brings a tag: is it still that, going by memory alone?
static bool glance_not_modified(struct lookup *l, struct store_reader *reader)
{
    struct user user;
    struct slice aor;
    for (size_t i = 0; i < json_size(l->aors); i++, arena_reset(&l->scratch)) {
        struct aor_glance glance = {.next_expiry_ms = INT64_MAX};
        enum store_status st = find_user(l, reader, i, &aor, &user);
        if (st == STORE_OK)
            store_bindings_glance(reader, &user, l->r->now_ms, &glance);
        else if (st != STORE_NOT_FOUND)
            return false;
        mix(l, st == STORE_OK, glance.version,
            glance.registered ? glance.next_expiry_ms : INT64_MAX);
    }
    etag_set(l->r, 0, l->tag, l->r->body);
    l->tag = 0;
    return etag_not_modified(l->r);
}

static enum store_status show_result(struct lookup *l, struct store_reader *reader, size_t i)
{
    struct text *t = &l->r->out;
    struct user user;
    struct slice aor;
    struct aor_state state = {.next_expiry_ms = INT64_MAX};
    enum store_status st = find_user(l, reader, i, &aor, &user);
    bool known = st == STORE_OK;
    if (known)
        st = store_bindings_find(reader, &user, l->r->now_ms, &l->scratch, &state);
    if (st != STORE_OK && st != STORE_NOT_FOUND)
        return st;
    mix(l, known, state.version, state.next_expiry_ms);
    json_open(t, '{');
    json_key(t, "aor"), json_string(t, aor);
    json_key(t, "known"), json_bool(t, known);
    json_key(t, "registered"), json_bool(t, state.bindings.n > 0);
    json_key(t, "binding_count"), json_u64(t, state.bindings.n);
    json_key(t, "bindings"), json_open(t, '[');
    for (size_t k = 0; k < state.bindings.n; k++)
        show_binding(t, user.domain, user.username, &state.bindings.items[k], l->view);
    json_close(t, ']');
    json_close(t, '}');
    return STORE_OK;
}

// In the view of the status the tag is that of what is shown, which a refresh leaves alone.
static void set_tag(struct lookup *l)
{
    if (l->view == VIEW_STATUS)
        l->tag = hash64(secret_key(l->r, SLICE("etag")), text_slice(&l->r->out));
    etag_set(l->r, 0, l->tag, l->r->body);
}

static void answer(struct lookup *l)
{
    struct request *r = l->r;
    struct store_counts counts;
    store_counts(request_store(r), &counts);
    struct store_reader *reader = request_snapshot(r);
    if (!reader || (l->view == VIEW_FULL && r->if_none_match.n && glance_not_modified(l, reader)))
        return;
    enum store_status st = STORE_OK;
    json_open(&r->out, '{');
    json_key(&r->out, "results"), json_open(&r->out, '[');
    for (size_t i = 0; st == STORE_OK && i < json_size(l->aors); i++, arena_reset(&l->scratch))
        st = r->out.bad ? STORE_TOO_LARGE : show_result(l, reader, i);
    if (st == STORE_TOO_LARGE)
        respond_problem(r, 413, "the answer would be too large: ask for fewer addresses at once");
    else if (st != STORE_OK)
        respond_store(r, st, "bindings");
    if (st != STORE_OK)
        return;
    json_close(&r->out, ']');
    set_tag(l);
    if (etag_not_modified(r))
        return;
    as_of_put(r, counts.change);
    json_close(&r->out, '}');
    respond_json(r, 200);
}

void handle_bindings_lookup(struct request *r)
{
    char why[160], memory[SCRATCH];
    struct lookup l = {.r = r, .view = VIEW_FULL, .faults = {.arena = &r->arena}};
    struct json *document = json_parse(r->body, why, sizeof why);
    if (!document) {
        respond_problem(r, 400, "%s", why);
        return;
    }
    arena_init(&l.scratch, memory, sizeof memory, SCRATCH_MAX);
    if (read_body(&l, document))
        answer(&l);
    arena_reset(&l.scratch);
    json_free(document);
}
