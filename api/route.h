// SPDX-License-Identifier: Apache-2.0
// The table of routes: each operation of openapi.yaml has one row here, and each row one operation
// there (tests/integration/test_openapi.py).
#pragma once

#include "api/request.h"

enum route_flag {
    ROUTE_SINK = 1,   // the handler is called before the body, and sets a sink
    ROUTE_ALWAYS = 2, // answers while there is no store yet
    ROUTE_JSON = 4,   // the body is application/json
    ROUTE_PATCH = 8,  // the body is application/merge-patch+json, or application/json
};

struct route {
    const char *operation;   // operationId
    const char *path;        // "/v1/domains/{domain}/users/{username}"
    enum http_method method; // one
    enum scope scope;        // that a token must have at least; SCOPE_NONE: no token needed
    unsigned flags;
    const char *query; // names of the arguments it knows, with blanks between; NULL: any
    void (*handle)(struct request *r);
};

// The row for r->method and a raw (still escaped) target; r->path_args is filled.
// NULL: it has been answered with 404, 405 (with Allow), 400, or the 204 of an OPTIONS.
const struct route *route_find(struct request *r, struct slice target);
// Fills r->query. False: answered with 400, because the query is malformed, or names an argument
// twice or one that r->route does not know.
bool route_query(struct request *r, struct slice target);
// Row by row; NULL after the last.
const struct route *route_at(size_t i);

// ---- Handlers, by file ------------------------------------------------------------------------
// domains.c
void handle_domains_list(struct request *r);
void handle_domain_get(struct request *r);
void handle_domain_put(struct request *r);
void handle_domain_patch(struct request *r);
void handle_domain_delete(struct request *r);
// users.c
void handle_users_list(struct request *r);
void handle_user_get(struct request *r);
void handle_user_put(struct request *r);
void handle_user_patch(struct request *r);
void handle_user_delete(struct request *r);
// bindings.c
void handle_user_bindings_get(struct request *r);
void handle_user_bindings_delete(struct request *r);
void handle_user_binding_delete(struct request *r);
// bindings_list.c
void handle_bindings_list(struct request *r);
// lookup.c
void handle_bindings_lookup(struct request *r);
// attempts.c
void handle_user_attempts(struct request *r);
void handle_domain_attempts(struct request *r);
// bans.c
void handle_bans_list(struct request *r);
void handle_ban_get(struct request *r);
void handle_ban_put(struct request *r);
void handle_ban_delete(struct request *r);
// stats.c
void handle_stats(struct request *r);
// import.c, export.c
void handle_users_import(struct request *r);
void handle_users_export(struct request *r);
// events.c
void handle_events(struct request *r);
// backup.c
void handle_backup(struct request *r);
// health.c, pages.c
void handle_healthz(struct request *r);
void handle_readyz(struct request *r);
void handle_metrics(struct request *r);
void handle_openapi(struct request *r);
void handle_docs(struct request *r);
void handle_page(struct request *r);
void handle_asset(struct request *r); // /assets/{name}: the page's scripts and styles

// The sink of a route with ROUTE_SINK: set by its handler, unless that has answered. A take() that
// answers by itself ends the sink: the rest of the body is read and forgotten, end() is not called.
void request_set_sink(struct request *r, const struct sink *sink);
// After sink.end(.., false): the request may be freed.
void request_finish(struct request *r);
