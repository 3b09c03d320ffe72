// SPDX-License-Identifier: Apache-2.0
// Server transactions (RFC 3261 sections 17.2.2 and 17.2.3), without a timer or a malloc each.
//
// A request that waits for the store is `pending`: its entry lives in the request itself, in two
// hash tables (by transaction, and by what makes a merged request, section 8.2.2.2). An answered
// one is a copy of the response's bytes in one ring of `sip.transaction_memory`: the oldest falls
// out when the ring is full, and none is used past Timer J (32 s). No linear search anywhere.
#pragma once

#include "base/slice.h"
#include "service/net/flow.h"
#include "service/sip/message.h"

#define TXN_TIMER_J_MS 32000
#define TXN_KEY_MAX    512

// The transaction a message belongs to: branch, sent-by and method, or what RFC 2543 had instead;
// and the source host, so that nobody can fetch another's response by guessing its branch.
struct txn_key {
    uint64_t hash;
    struct slice text; // in the caller's memory
};

// Lives in the request while it is pending.
struct txn_pending {
    struct txn_key key;
    uint64_t merge_hash;
    struct txn_pending *next_by_key, *next_by_merge;
    char text[TXN_KEY_MAX];
};

struct txns;

enum txn_match {
    TXN_NEW,     // seen for the first time
    TXN_PENDING, // a retransmission of one without a final response
    TXN_DONE,    // a retransmission: send `reply` again
    TXN_MERGED   // not a retransmission, but the same request by another path, still pending: 482
};

// `memory` bytes for replies. NULL when memory is out.
struct txns *txns_open(size_t memory);
void txns_close(struct txns *t);

// Fills pending->key, text and merge_hash from the request. An ACK gets the key of its INVITE.
void txn_key_make(struct txns *t, const struct sip_request *req, const struct flow *flow,
                  struct txn_pending *pending);
// A CANCEL's INVITE (RFC 3261 section 9.2): true when it was answered here, and the kept response
// is still there. to_tag gets the tag of that response.
bool txn_of_cancel(struct txns *t, const struct sip_request *cancel, const struct flow *flow,
                   int64_t now_ms, char to_tag[16]);
// `reply` points into the ring: valid until the next txn_finish(). `found` is the pending one.
enum txn_match txn_match(struct txns *t, const struct txn_pending *pending, int64_t now_ms,
                         struct slice *reply, struct txn_pending **found);
// Between these two the request is pending.
void txn_begin(struct txns *t, struct txn_pending *pending);
void txn_end(struct txns *t, struct txn_pending *pending);
// Keeps a copy of the response, unless it is larger than an eighth of the memory.
void txn_finish(struct txns *t, const struct txn_pending *pending, struct slice reply,
                int64_t now_ms);
// A To tag that depends on the transaction alone, so that it is the same again even when the reply
// is forgotten: 16 hex digits.
void txn_to_tag(const struct txns *t, const struct txn_pending *pending, char out[16]);
