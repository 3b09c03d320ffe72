// SPDX-License-Identifier: Apache-2.0
// One SIP request on its way: the bytes that arrived, what was parsed of them, the store's
// operation, the decision. Requests come from a pool of fixed size and are used again, so that a
// message costs no malloc in the steady state; nothing in one points outside it but to literals.
//
// Owner: the SIP thread, but for the time between store_submit() and store_port_collect(), when the
// op and all it reaches are the store's.
#pragma once

#include "base/arena.h"
#include "service/net/flow.h"
#include "service/registrar/registrar.h"
#include "service/sip/message.h"
#include "service/txn.h"
#include "store/store.h"

#define REQUEST_INLINE_BYTES 4096 // a longer message is copied to the heap
#define REQUEST_ARENA_BYTES  8192
#define REQUEST_ARENA_LIMIT  (1024 * 1024)

struct pipeline;

struct request {
    struct store_op op; // first: the op that comes back is the request
    struct request *next_free;
    struct request *newer, *older; // pending requests by age
    struct txn_pending pending;

    struct pipeline *pipeline;
    struct flow flow;
    struct address origin; // who is limited and banned: the source, or the phone behind a proxy
    bool proven;           // it is not spoofed: TCP, or it answers a nonce that was sent to it
    int64_t received_us;   // clock_mono_us()
    struct slice bytes;    // inline_bytes or heap
    char *heap;
    struct arena arena;
    struct sip_request sip;
    char to_tag[16];

    // Of a REGISTER that was authenticated:
    struct reg_request reg;
    struct reg_answer answer;
    struct reg_policy policy; // the configured one; domain and user change it when it is applied
    struct slice realm;
    struct slice service_route[SERVICE_ROUTES_MAX];
    size_t n_service_routes;
    struct slice auth_info; // value of Authentication-Info, in the arena; empty for none
    bool trying_sent;
    bool too_large;      // more bytes than sip.max_message
    bool unframed;       // of a stream that cannot be cut into messages from here on: refused
    bool sifted;         // by chance the socket's filter let it through (udp_filter.h)
    bool after_failures; // the AoR or source failed before (success_after_failures)

    _Alignas(16) char inline_bytes[REQUEST_INLINE_BYTES];
    _Alignas(16) char arena_bytes[REQUEST_ARENA_BYTES];
};

// Requests come in slabs of a huge page, each used for the first time when no other is free.
struct request_slab;
struct request_pool {
    struct request *free;
    struct request_slab *slabs; // the newest first
    size_t fresh;               // of the newest slab, not used yet
    size_t made, limit;
};

void request_pool_init(struct request_pool *pool, size_t limit);
// A request without a message; NULL when `limit` are in use or memory is out.
struct request *request_take(struct request_pool *pool);
void request_give(struct request_pool *pool, struct request *r);
// Frees those given back; all must be.
void request_pool_close(struct request_pool *pool);
// Sets r->bytes to the concatenation; false when memory is out. `head` may already be inline_bytes.
bool request_fill(struct request *r, struct slice head, struct slice tail);
