// SPDX-License-Identifier: Apache-2.0
// The newest REGISTER attempts: why a phone is not registered. One ring of fixed memory, whatever
// arrives; equal outcomes are merged with a count. Written by the SIP thread, read by the API's;
// thread-safe; lost at a restart.
#pragma once

#include "base/address.h"
#include "base/arena.h"
#include "base/reason.h"
#include "base/transport.h"

#define ATTEMPT_USER_AGENT_MAX 80
#define ATTEMPT_DETAIL_MAX     96

struct attempt {
    int64_t first_at_ms, at_ms; // of the first and the last of `count` equal ones
    uint32_t count;
    uint16_t status;   // SIP status answered
    uint8_t reason;    // enum reason
    uint8_t transport; // enum transport
    bool known;        // the AoR exists
    struct address source;
    struct slice domain, username; // canonical key
    struct slice user_agent;       // may be cut
    struct slice detail;           // a sentence
};

struct attempts;

// At most about `bytes` of memory (some 370 an attempt), never less than 64 attempts' worth. NULL
// when there is none. A half is for failures of known AoRs, a quarter each for their successes and
// for AoRs that do not exist: a flood of one kind pushes out its own kind only.
struct attempts *attempts_open(size_t bytes);
void attempts_close(struct attempts *a);
// Copies, cutting what is too long; constant time. Merged with an attempt of the same AoR, source
// host, reason, status and user agent that is still there. An AoR keeps 10 successes and 40
// failures (50 attempts while it does not exist).
void attempts_add(struct attempts *a, const struct attempt *attempt);
// The newest first, at most `max`. key: the user's; empty: attempts for AoRs of the domain that do
// not exist. Strings are copied to the arena. Returns how many, 0 too when there is no memory.
size_t attempts_find(struct attempts *a, struct slice domain, struct slice key, struct arena *arena,
                     struct attempt *out, size_t max);
