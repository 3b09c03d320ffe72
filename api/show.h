// SPDX-License-Identifier: Apache-2.0
// The objects of the API as JSON: one place that says how a domain, a user, a binding, an attempt,
// a ban look, for answers, events and exports alike.
#pragma once

#include "api/text.h"
#include "store/attempts.h"
#include "store/bans.h"
#include "store/store.h"

enum view {
    VIEW_FULL,
    VIEW_STATUS // leaves out what a refresh changes
};

// Each writes one object. show_*_members() write the members only, into an object that is open.
// Settings that are not there are null. Any byte may stand in what came from the wire: what is not
// valid UTF-8 becomes U+FFFD.
void show_domain(struct text *t, const struct domain *d);
void show_domain_members(struct text *t, const struct domain *d);
// What a lookup or a list knows of a user's registrations.
struct user_status {
    bool registered;
    size_t binding_count;
    int64_t last_registered_at_ms; // 0 for never
};
// `status` may be NULL: its members are then left out (events, exports). VIEW_STATUS leaves out
// last_registered_at.
void show_user(struct text *t, const struct user *u, const struct user_status *status,
               enum view view);
// Whose it is stands beside it. VIEW_STATUS leaves out expires_at, refreshed_at and cseq: what a
// refresh changes that gets no number in the change log. contact_params: the names as they came
// (of two that differ in case only the first), the values without quotes and quoted-pairs.
void show_binding(struct text *t, struct slice domain, struct slice username,
                  const struct binding *b, enum view view);
void show_binding_members(struct text *t, struct slice domain, struct slice username,
                          const struct binding *b, enum view view);
void show_attempt(struct text *t, const struct attempt *a);
void show_ban(struct text *t, const struct ban *b);
// A JSON string: "sip:user@domain", the user part escaped (RFC 3261 section 25.1).
void show_aor(struct text *t, struct slice domain, struct slice username);
// The inverse: "sip:1008@example.com" (sips too; parameters and port ignored) as domain and user
// name, unescaped, the domain in lower case, both in the arena. False where it is no SIP URI with a
// user.
bool read_aor(struct slice aor, struct arena *arena, struct slice *domain, struct slice *username);
// An event's data: the object itself, flat, with `reason` on binding.removed.
void show_event(struct text *t, const struct store_event *e);
// The object of /v1/stats; domains by name, the first thousand.
enum store_status show_stats(struct text *t, struct store *s, struct store_reader *reader);
