// SPDX-License-Identifier: Apache-2.0
// A binding: one Contact of an address of record (RFC 3261 section 10), and the set of an AoR.
// Plain data; all slices belong to whoever made the struct (an arena, a request, a store's page).
#pragma once

#include "base/address.h"
#include "base/arena.h"
#include "base/slice.h"
#include "base/transport.h"

// More than any policy allows and than any record holds (registrar.max_bindings is at most this).
#define BINDINGS_MAX 64
#define PATHS_MAX    32

// Why a binding left; also the `reason` of a binding.removed event.
enum binding_gone { GONE_NO, GONE_UNREGISTERED, GONE_EXPIRED, GONE_REPLACED, GONE_DELETED };

// "unregistered", "expired", "replaced", "deleted"; "" for GONE_NO.
const char *binding_gone_word(enum binding_gone gone);

enum binding_flag {
    BINDING_NAT = 1,         // the Contact's host is not the source address
    BINDING_UNREACHABLE = 2, // its TCP flow is closed (registrar.closed_flow: mark)
    BINDING_OUTBOUND = 4,    // RFC 5626 was applied (reg_id and instance name the flow)
};

struct binding {
    uint64_t id;          // stable over refreshes; 0 in a new one: the store gives it
    struct slice contact; // the URI, in the phone's own text, without angle brackets
    struct slice params;  // the Contact's header parameters, raw (";a=b;c"), without expires and q
    int16_t q;            // thousandths, 0..1000; -1 where there is none
    uint8_t transport;    // enum transport
    uint8_t flags;        // enum binding_flag
    enum binding_gone gone;   // in a decision only: leaves with this reason; never stored
    int64_t expires_at_ms;    // wall clock, exclusive: gone when now >= expires_at
    int64_t registered_at_ms; // created
    int64_t refreshed_at_ms;  // last update
    int64_t nonce_time_ms;    // when the nonce of the last update was made (registrar.cseq_restart)
    struct slice call_id;
    uint32_t cseq;
    uint32_t reg_id;       // RFC 5626; 0 for none
    struct slice instance; // +sip.instance without quotes, with its angle brackets; empty for none
    struct slice *path;    // RFC 3327, in order, n_paths of "<...>" as received (with parameters)
    uint8_t n_paths;       // at most PATHS_MAX
    struct address source; // where the request came from
    struct address
        received;  // behind an edge proxy: the phone, from the second Via; family 0 for none
    uint64_t flow; // connection token (process epoch and number), 0 on UDP
    struct slice user_agent;
};

struct binding_set {
    struct binding *items; // n of them, in order of registration
    size_t n;
};

// Everything but expires_at, refreshed_at, cseq, nonce_time: a refresh that changes no more than
// these is told live and not kept in the change log.
bool binding_same_but_times(const struct binding *a, const struct binding *b);
// Deep copy into the arena; false when it has no memory.
bool binding_copy(struct arena *arena, const struct binding *from, struct binding *to);
