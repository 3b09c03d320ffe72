// SPDX-License-Identifier: Apache-2.0
// GET /v1/users:export: the lines that an import takes. Each call has a snapshot of its own and
// goes on behind the last user, so that a slow client keeps no pages of the store from being used
// again.
#include <stdlib.h>

#include "api/route.h"
#include "api/domain_body.h"
#include "api/streams_internal.h"
#include "base/log.h"

#define USERS_A_CALL 256
#define TEXT_ENOUGH  (32u << 10) // no further user is added behind it
#define TEXT_MAX     (512u << 10)

struct export
{
    struct streams *streams;
    bool ha1, one_domain, over;
    char domain[DOMAIN_NAME_MAX], key[USERNAME_MAX]; // of the last user
    size_t domain_n, key_n;
    struct text text; // lines of which `sent` bytes have been sent
    size_t sent;
};

// ---- A line -----------------------------------------------------------------------------------

static void put_ha1(struct text *t, const struct credentials *c)
{
    json_key(t, "ha1");
    json_open(t, '{');
    for (unsigned a = 0; a < ALGORITHM_COUNT; a++) {
        char hex[2 * sizeof c->ha1[a]];
        struct buf b = buf_over(hex, sizeof hex);
        if (!(c->have >> a & 1))
            continue;
        buf_hex(&b, c->ha1[a], algorithm_size((enum algorithm)a));
        json_key(t, algorithm_name((enum algorithm)a));
        json_string(t, buf_slice(&b));
    }
    json_close(t, '}');
}

// What is at its default is left out: the import takes it for that.
static void put_user(struct text *t, const struct user *u, bool ha1)
{
    json_open(t, '{');
    json_key(t, "domain");
    json_string(t, u->domain);
    json_key(t, "username");
    json_string(t, u->username);
    if (u->auth_username.n) {
        json_key(t, "auth_username");
        json_string(t, u->auth_username);
    }
    if (u->display_name.n) {
        json_key(t, "display_name");
        json_string(t, u->display_name);
    }
    json_key(t, "enabled");
    json_bool(t, u->enabled);
    if (u->has_max_bindings) {
        json_key(t, "max_bindings");
        json_u64(t, u->max_bindings);
    }
    if (u->n_labels) {
        json_key(t, "labels");
        json_open(t, '{');
        for (unsigned i = 0; i < u->n_labels; i++) {
            json_data_key(t, u->labels[i].key);
            json_string(t, u->labels[i].value);
        }
        json_close(t, '}');
    }
    if (ha1 && u->credentials.have)
        put_ha1(t, &u->credentials);
    json_close(t, '}');
    TEXT_LIT(t, "\n");
    t->comma = false;
}

// ---- The stream -------------------------------------------------------------------------------

// Reads on behind the last user; false where the store cannot be read.
static bool refill(struct export *e)
{
    struct user u;
    struct slice key;
    bool broken = false;
    e->text.n = e->sent = 0;
    struct store_reader *r = streams_snapshot(e->streams);
    for (unsigned i = 0; r && i < USERS_A_CALL && e->text.n < TEXT_ENOUGH; i++) {
        struct slice domain = slice_of(e->domain, e->domain_n);
        enum store_status st = store_user_next(r, domain, slice_of(e->key, e->key_n), &u, &key);
        e->over = st != STORE_OK || (e->one_domain && !slice_eq(u.domain, domain));
        broken = st != STORE_OK && st != STORE_NOT_FOUND;
        if (e->over)
            break;
        put_user(&e->text, &u, e->ha1);
        memcpy(e->domain, u.domain.p, e->domain_n = u.domain.n);
        memcpy(e->key, key.p, e->key_n = key.n);
    }
    if (r)
        streams_snapshot_end(e->streams);
    return r && !broken && !e->text.bad;
}

static long next(void *arg, char *out, size_t cap)
{
    struct export *e = arg;
    if (e->sent == e->text.n && !e->over && !refill(e))
        return STREAM_BROKEN;
    struct slice rest = slice_upto(slice_from(text_slice(&e->text), e->sent), cap);
    if (rest.n == 0)
        return STREAM_END;
    memcpy(out, rest.p, rest.n);
    e->sent += rest.n;
    return (long)rest.n;
}

static void end(void *arg)
{
    struct export *e = arg;
    text_free(&e->text);
    free(e);
}

// ---- The request ------------------------------------------------------------------------------

// False: answered.
static bool read_domain(struct request *r, struct export *e)
{
    struct slice host;
    struct domain d;
    if (!request_query(r, "domain", &host))
        return true;
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return false;
    enum store_status st = domain_find(reader, host, &d);
    if (st != STORE_OK) {
        respond_store(r, st, "domain");
        return false;
    }
    e->one_domain = true;
    memcpy(e->domain, d.name.p, e->domain_n = d.name.n);
    return true;
}

// The credentials leave: for the admin only, and not in silence. False: answered.
static bool read_include(struct request *r, struct export *e)
{
    struct slice include;
    char source[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(source, sizeof source);
    if (!request_query(r, "include", &include))
        return true;
    if (!slice_eq(include, SLICE("ha1"))) {
        respond_problem(r, 400, "include: the only value is 'ha1'");
        return false;
    }
    if (r->scope != SCOPE_ADMIN) {
        respond_problem(r, 403, "include=ha1 is for the admin token only");
        return false;
    }
    if (r->peer.family)
        address_print(&b, &r->peer);
    else
        BUF_LIT(&b, "control");
    log_event(LOG_WARNING, "ha1_exported", "the credentials of users leave the service",
              {"source", buf_slice(&b)}, {"domain", slice_of(e->domain, e->domain_n)});
    e->ha1 = true;
    return true;
}

void handle_users_export(struct request *r)
{
    struct export *e = calloc(1, sizeof *e);
    if (!e) {
        respond_problem(r, 503, "there is not enough memory");
        return;
    }
    e->streams = request_streams(r);
    text_init(&e->text, TEXT_MAX);
    if (!read_domain(r, e) || !read_include(r, e)) {
        end(e);
        return;
    }
    const struct stream stream = {.next = next, .close = end, .arg = e};
    respond_stream(r, "application/x-ndjson", &stream);
}
