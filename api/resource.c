// SPDX-License-Identifier: Apache-2.0
// See resource.h.
#include "api/resource.h"

#include "api/domain_body.h"
#include "api/etag.h"

struct json *resource_body(struct request *r)
{
    char why[200];
    struct json *o = json_parse(r->body, why, sizeof why);
    if (!o) {
        respond_problem(r, 400, "the body is no JSON: %s", why);
        return NULL;
    }
    if (json_is_object(o))
        return o;
    json_free(o);
    respond_problem(r, 422, "the body is not a JSON object");
    return NULL;
}

bool resource_flag(struct request *r, const char *name, bool *out)
{
    struct slice s;
    *out = false;
    if (!request_query(r, name, &s) || slice_eq(s, SLICE("false")))
        return true;
    *out = slice_eq(s, SLICE("true"));
    if (!*out)
        respond_problem(r, 400, "%s: true or false", name);
    return *out;
}

bool resource_domain(struct request *r, struct store_reader **reader, struct domain *out)
{
    *reader = request_snapshot(r);
    if (!*reader)
        return false;
    enum store_status st = domain_find(*reader, r->path_args[0], out);
    if (st != STORE_OK)
        respond_store(r, st, "domain");
    return st == STORE_OK;
}

// RFC 3986 section 2.3: what is not unreserved is escaped.
static void put_escaped(struct buf *b, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char l = ascii_lower(s.p[i]);
        if ((l >= 'a' && l <= 'z') || ascii_digit(l) || (c && strchr("-._~", c))) {
            buf_byte(b, s.p[i]);
        } else {
            char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_put(b, slice_of(escaped, 3));
        }
    }
}

void resource_location(struct request *r, struct slice domain, struct slice username)
{
    char text[64 + 3 * (DOMAIN_NAME_MAX + USERNAME_MAX)];
    struct buf b = buf_over(text, sizeof text);
    BUF_LIT(&b, "/v1/domains/");
    put_escaped(&b, domain);
    if (username.n) {
        BUF_LIT(&b, "/users/");
        put_escaped(&b, username);
    }
    r->location = b.full ? SLICE_NONE : arena_copy(&r->arena, buf_slice(&b));
}

// ---- Writes -------------------------------------------------------------------------------------

void resource_write_init(struct resource_write *w, struct request *r)
{
    struct store_counts counts;
    store_counts(request_store(r), &counts);
    w->r = r;
    w->epoch = counts.epoch;
    w->refused = 0;
    w->faults.arena = &r->arena;
    w->faults.n = 0;
}

bool resource_write_allowed(struct resource_write *w, bool exists, uint64_t version, bool needed)
{
    w->refused = 0; // of a decision that is run again
    if (needed && !exists)
        w->refused = 404;
    else if (!etag_allows(w->r, exists, w->epoch, version))
        w->refused = 412;
    return w->refused == 0;
}

void resource_refused(struct resource_write *w, const char *what)
{
    struct request *r = w->r;
    if (r->op.status != STORE_REFUSED)
        respond_store(r, r->op.status, what);
    else if (w->refused == 404)
        respond_store(r, STORE_NOT_FOUND, what);
    else if (w->refused == 412)
        respond_problem(r, 412, "the %s is not as If-Match or If-None-Match demands", what);
    else if (w->faults.n)
        respond_faults(r, &w->faults);
    else
        respond_unavailable(r);
}
