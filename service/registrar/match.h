// SPDX-License-Identifier: Apache-2.0
// Which binding a Contact of a request means: by flow (RFC 5626 section 6) or by URI (RFC 3261
// section 19.1.4, by pairs: that equality is not transitive).
#pragma once

#include "service/registrar/registrar.h"

// True when RFC 5626 applies to this Contact: it names an instance and a flow, and the phone
// supports it.
bool contact_wants_outbound(const struct reg_request *req, const struct sip_contact *contact);
// True when the first hop supports RFC 5626: it is us, or the Path's last URI says `;ob`.
bool first_hop_has_outbound(const struct reg_request *req);
// Looks for contacts among the bindings of one set. What it has to know of a binding's URI is found
// out once, however many contacts are looked for.
struct matcher {
    const struct binding_set *set; // may grow up to `room` items
    size_t room;
    struct arena *arena;
    struct sip_uri_sorted *uris; // of set's items, where made
    uint8_t *made;
    bool failed; // the arena had no memory: what was returned then is void
};
// The index in the set of the binding that the contact means, or set->n. Items with `gone` set are
// passed over. `outbound`: RFC 5626 applies.
size_t contact_match(struct matcher *m, const struct sip_contact *contact, bool outbound);
// Item i has another URI now.
void contact_changed(struct matcher *m, size_t i);
// True when the phone is behind a NAT: the Contact's host is an address that is not the one the
// request came from, or none that could be reached (`.invalid`, RFC 7118).
bool contact_behind_nat(const struct reg_request *req, const struct sip_contact *contact);
