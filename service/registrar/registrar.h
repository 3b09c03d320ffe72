// SPDX-License-Identifier: Apache-2.0
// The registrar's decision (RFC 3261 section 10.3, steps 6 to 8), as a pure function: the request's
// contacts, the AoR's present bindings, the policy and the time give the new bindings or a refusal.
// It knows no socket, no store, no clock, no libosip2, and may be run any number of times.
#pragma once

#include "base/reason.h"
#include "service/sip/message.h"
#include "store/binding.h"

struct reg_policy {
    uint32_t min_expires, default_expires, max_expires; // seconds
    uint32_t max_bindings;
    uint32_t expires_jitter_percent; // granted = asked minus up to this share; 0: exact
    // A repeat may have been granted less than it asks for by up to this share: the jitter that was
    // in force then, perhaps before a restart.
    uint32_t repeat_jitter_percent;
    uint32_t nat_max_expires; // cap for phones behind NAT; 0: none
    uint32_t flow_timer;      // RFC 5626 Flow-Timer; 0: none
    bool cseq_restart;
    uint64_t jitter_seed; // of this request, so that a second run decides the same
};

struct reg_request {
    const struct sip_contact *contacts;
    size_t n_contacts;
    bool star;
    bool has_expires;
    uint32_t expires;
    struct slice call_id;
    uint32_t cseq;
    const struct slice *path;
    size_t n_paths;
    unsigned supported; // enum sip_option
    unsigned required;
    bool first_hop; // one Via: the phone talks to us directly
    struct address source, received;
    enum transport transport;
    uint64_t flow;
    struct slice user_agent;
    int64_t nonce_time_ms;
};

struct reg_answer {
    unsigned status; // 200, 400, 403, 423, 439, 500
    enum reason reason;
    const char *phrase;   // NULL for the standard one
    uint32_t min_expires; // of a 423
    bool outbound;        // RFC 5626 was applied: Require: outbound (and Flow-Timer) in the 200
    bool changed;         // something is to be written
    int64_t decided_ms;   // what is granted counts from then
    // Index in next (those that stay) of the request's own first contact that is bound; -1 for
    // none.
    int own;
};

// `next` gets all that is there afterwards and, with `gone` set, what leaves (see store.h). Memory
// from the arena; slices point into the request and `current`. When it refuses, next is undefined.
// False only when the arena has no memory.
bool registrar_decide(const struct reg_request *req, const struct binding_set *current,
                      const struct reg_policy *policy, int64_t now_ms, struct arena *arena,
                      struct binding_set *next, struct reg_answer *answer);
