// SPDX-License-Identifier: Apache-2.0
// INVITE server transactions that have their final response (RFC 3261 section 17.2.1): over UDP it
// is sent again by Timer G until the ACK comes or Timer H ends it. Bounded; what finds no room is
// not sent again, and the caller's own retransmission gets it.
#pragma once

#include "service/txn.h"

struct invites;
struct pipeline_net;

struct invites *invites_open(void);
void invites_close(struct invites *v);
// Remembers a final response that was sent over UDP. Copies.
void invites_answered(struct invites *v, const struct txn_key *key, const struct flow *flow,
                      const struct address *to, struct slice reply, int64_t now_ms);
void invites_acknowledged(struct invites *v, const struct txn_key *key);
// Sends what is due; ms until the next, at most `most`.
int64_t invites_tick(struct invites *v, const struct pipeline_net *net, int64_t now_ms,
                     int64_t most);
