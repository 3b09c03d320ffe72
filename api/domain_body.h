// SPDX-License-Identifier: Apache-2.0
// A domain as it comes in a body (PUT, PATCH): from JSON to a change, and what the change makes of
// the domain that is there. The second half is pure and runs in the store's decide function.
#pragma once

#include "api/json.h"
#include "store/store.h"

struct api_config;

struct domain_change {
    bool patch;            // RFC 7396: absent members stay, null ones become defaults
    struct domain want;    // the members that are given
    unsigned given;        // enum domain_member
    struct faults *faults; // where both halves note what is wrong
    int32_t min_expires, default_expires, max_expires; // as configured: what -1 means
    uint8_t configured; // algorithms that no list of a domain's own means, a bit each
    // What came of it:
    uint8_t enabled; // algorithms that it did not offer before, where there are users; a bit each
    const char *conflict; // DECIDE_REFUSE for a 409: a sentence
};

// Reads the members of `o`, an object. Unknown members are faults, read-only ones are ignored; a
// `domain` that is not `name` (a key) is a fault. All slices of `out` are copies in f->arena.
// False when there are faults.
bool domain_body_read(const struct json *o, bool patch, struct slice name,
                      const struct api_config *config, struct faults *f, struct domain_change *out);
// For decide_domain: what becomes of `current` (NULL: a new domain, named op->domain). DECIDE_SAME
// where nothing changes; DECIDE_REFUSE with faults noted, or with c->conflict.
enum decision domain_change_decide(struct store_op *op, struct domain_change *c,
                                   const struct domain *current, uint64_t users,
                                   struct domain *next);
// A host name (RFC 3261 section 25.1) or an IP address, IPv6 with or without brackets, as it is
// kept: lower case, no brackets, no trailing dot, addresses in their shortest form. Empty where it
// is neither; the result is in `scratch` (DOMAIN_NAME_MAX bytes).
struct slice domain_name_read(struct slice text, char *scratch);
// store_domain_find() for a text from outside: a name or an alias in any such form.
enum store_status domain_find(struct store_reader *reader, struct slice text, struct domain *out);
