// SPDX-License-Identifier: Apache-2.0
#include "api/route.h"

#include "api/target.h"

#define LISTING "limit cursor"
#define USERS   "/v1/domains/{domain}/users"
#define USER    USERS "/{username}"

static const struct route routes[] = {
    {"listDomains", "/v1/domains", HTTP_GET, SCOPE_READ, 0, LISTING, handle_domains_list},
    {"getDomain", "/v1/domains/{domain}", HTTP_GET, SCOPE_READ, 0, "", handle_domain_get},
    {"putDomain", "/v1/domains/{domain}", HTTP_PUT, SCOPE_ADMIN, ROUTE_JSON, "", handle_domain_put},
    {"patchDomain", "/v1/domains/{domain}", HTTP_PATCH, SCOPE_ADMIN, ROUTE_PATCH, "",
     handle_domain_patch},
    {"deleteDomain", "/v1/domains/{domain}", HTTP_DELETE, SCOPE_ADMIN, 0, "cascade",
     handle_domain_delete},
    {"listDomainAttempts", "/v1/domains/{domain}/attempts", HTTP_GET, SCOPE_READ, 0, "",
     handle_domain_attempts},
    {"listUsers", USERS, HTTP_GET, SCOPE_READ, 0, LISTING " prefix view", handle_users_list},
    {"getUser", USER, HTTP_GET, SCOPE_READ, 0, "", handle_user_get},
    {"putUser", USER, HTTP_PUT, SCOPE_ADMIN, ROUTE_JSON, "keep_bindings", handle_user_put},
    {"patchUser", USER, HTTP_PATCH, SCOPE_ADMIN, ROUTE_PATCH, "keep_bindings", handle_user_patch},
    {"deleteUser", USER, HTTP_DELETE, SCOPE_ADMIN, 0, "", handle_user_delete},
    {"listUserBindings", USER "/bindings", HTTP_GET, SCOPE_READ, 0, "view",
     handle_user_bindings_get},
    {"deleteUserBindings", USER "/bindings", HTTP_DELETE, SCOPE_ADMIN, 0, "",
     handle_user_bindings_delete},
    {"deleteUserBinding", USER "/bindings/{id}", HTTP_DELETE, SCOPE_ADMIN, 0, "",
     handle_user_binding_delete},
    {"listUserAttempts", USER "/attempts", HTTP_GET, SCOPE_READ, 0, "", handle_user_attempts},
    {"importUsers", "/v1/users:import", HTTP_POST, SCOPE_ADMIN, ROUTE_SINK, "",
     handle_users_import},
    {"exportUsers", "/v1/users:export", HTTP_GET, SCOPE_READ, 0, "include domain",
     handle_users_export},
    {"listBindings", "/v1/bindings", HTTP_GET, SCOPE_READ, 0,
     LISTING " domain user_prefix transport user_agent_prefix source expires_before "
             "registered_after view",
     handle_bindings_list},
    {"lookupBindings", "/v1/bindings:lookup", HTTP_POST, SCOPE_READ, ROUTE_JSON, "",
     handle_bindings_lookup},
    {"streamEvents", "/v1/events", HTTP_GET, SCOPE_READ, 0, "domain type", handle_events},
    {"listBans", "/v1/bans", HTTP_GET, SCOPE_READ, 0, LISTING, handle_bans_list},
    {"getBan", "/v1/bans/{network}", HTTP_GET, SCOPE_READ, 0, "", handle_ban_get},
    {"putBan", "/v1/bans/{network}", HTTP_PUT, SCOPE_ADMIN, ROUTE_JSON, "", handle_ban_put},
    {"deleteBan", "/v1/bans/{network}", HTTP_DELETE, SCOPE_ADMIN, 0, "", handle_ban_delete},
    {"getStats", "/v1/stats", HTTP_GET, SCOPE_READ, 0, "", handle_stats},
    {"backup", "/v1/backup", HTTP_POST, SCOPE_ADMIN, 0, "", handle_backup},
    {"getHealth", "/healthz", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_healthz},
    {"getReadiness", "/readyz", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_readyz},
    {"getMetrics", "/metrics", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_metrics},
    {"getOpenapi", "/openapi.yaml", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_openapi},
    {"getDocs", "/docs", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_docs},
    {"getPage", "/", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_page},
    {"getAsset", "/assets/{name}", HTTP_GET, SCOPE_NONE, ROUTE_ALWAYS, NULL, handle_asset}};

#define ROUTES (sizeof routes / sizeof *routes)

static const struct {
    enum http_method method;
    const char *name;
} methods[] = {{HTTP_GET, "GET, HEAD"}, {HTTP_PUT, "PUT"},       {HTTP_POST, "POST"},
               {HTTP_PATCH, "PATCH"},   {HTTP_DELETE, "DELETE"}, {HTTP_OPTIONS, "OPTIONS"}};

const struct route *route_at(size_t i)
{
    return i < ROUTES ? &routes[i] : NULL;
}

// Fills `args` with what stands at the pattern's {..}.
static bool match(const char *pattern, const struct path *path, struct slice args[PATH_ARGS_MAX])
{
    struct slice rest = slice_from(slice_str(pattern), 1);
    size_t n = 0;
    for (size_t i = 0; i < path->n && i < SEGMENTS_MAX; i++) {
        size_t end = slice_find(rest, '/');
        struct slice want = slice_upto(rest, end), have = path->segments[i];
        bool last = end == rest.n;
        if (want.n && want.p[0] == '{') {
            if (have.n == 0 || n == PATH_ARGS_MAX)
                return false;
            args[n++] = have;
        } else if (!slice_eq(want, have)) {
            return false;
        }
        if (last)
            return i + 1 == path->n;
        rest = slice_from(rest, end + 1);
    }
    return false;
}

static void allow(struct request *r, unsigned allowed)
{
    char text[80];
    struct buf b = buf_over(text, sizeof text);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (allowed & methods[i].method)
            buf_printf(&b, "%s%s", b.n ? ", " : "", methods[i].name);
    respond_header(r, "Allow", buf_slice(&b));
}

const struct route *route_find(struct request *r, struct slice target)
{
    struct path path;
    const char *why = "it does not begin with a slash";
    unsigned allowed = 0;
    if (slice_eq(target, SLICE("*")) && r->method == HTTP_OPTIONS) { // about the server as a whole
        allow(r, HTTP_GET | HTTP_PUT | HTTP_POST | HTTP_PATCH | HTTP_DELETE | HTTP_OPTIONS);
        respond_empty(r, 204);
        return NULL;
    }
    struct slice raw = target_path(target);
    if (raw.n == 0 || raw.p[0] != '/' || !path_decode(raw, &r->arena, &path, &why)) {
        respond_problem(r, 400, "the path is malformed: %s", why);
        return NULL;
    }
    for (size_t i = 0; i < ROUTES; i++) {
        if (!match(routes[i].path, &path, r->path_args))
            continue;
        if (routes[i].method == r->method)
            return &routes[i];
        allowed |= routes[i].method;
    }
    if (allowed == 0) {
        respond_problem(r, 404, "there is nothing under this path");
        return NULL;
    }
    allow(r, allowed | HTTP_OPTIONS);
    if (r->method == HTTP_OPTIONS)
        respond_empty(r, 204);
    else
        respond_problem(r, 405, "this path does not know the method");
    return NULL;
}

bool route_query(struct request *r, struct slice target)
{
    const char *why;
    struct slice what = SLICE_NONE;
    struct slice raw = target_query(target);
    if (!r->route->query && r->route->scope == SCOPE_NONE)
        return true; // pages and probes: nothing is read from it
    if (!query_decode(raw, &r->arena, r->query, QUERY_MAX, &r->n_query, &why, &what)) {
        respond_problem(r, 400, "query argument '%.*s': %s", SLICE_FMT(slice_upto(what, 64)), why);
        return false;
    }
    for (size_t i = 0; r->route->query && i < r->n_query; i++)
        if (!word_in(r->route->query, r->query[i].name)) {
            respond_problem(r, 400, "query argument '%.*s' is not known here",
                            SLICE_FMT(slice_upto(r->query[i].name, 64)));
            return false;
        }
    return true;
}
