// SPDX-License-Identifier: Apache-2.0
// What the handlers of users and domains share.
#pragma once

#include "api/request.h"

// The body as a JSON object; free it with json_free(). NULL: it has been answered, with 400 where
// it is no JSON, 422 where it is no object.
struct json *resource_body(struct request *r);
// A query argument that is true or false, false where it is not there. False: answered with 400.
bool resource_flag(struct request *r, const char *name, bool *out);
// The domain of the path, by its name or an alias, in a snapshot that *reader is. False: answered.
bool resource_domain(struct request *r, struct store_reader **reader, struct domain *out);
// Sets r->location: of the domain, or of the user where `username` is not empty.
void resource_location(struct request *r, struct slice domain, struct slice username);

// ---- Writes -------------------------------------------------------------------------------------
// A precondition is looked at where the store commits. These run in decide functions; what a decide
// function refuses is answered by resource_refused().
struct resource_write {
    struct request *r;
    uint64_t epoch;
    unsigned refused; // the status: 404 or 412; 0 for other reasons
    struct faults faults;
};

void resource_write_init(struct resource_write *w, struct request *r);
// May the write go on with what is there (`version`: its configuration's)? `needed`: it must exist.
bool resource_write_allowed(struct resource_write *w, bool exists, uint64_t version, bool needed);
// Answers an op that was not STORE_OK: 404, 412, 422 and what respond_store() says.
void resource_refused(struct resource_write *w, const char *what);
