// SPDX-License-Identifier: Apache-2.0
// Nonces: time-stamped and keyed, so that they need no memory until one succeeds; and the table of
// nonce counts, fixed at start and filled only by successes (RFC 7616 sections 3.3 and 5.12).
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/slice.h"
#include "store/user.h"

// Letters and digits of one nonce: base64url of time (ms), a serial number, who asked, and a MAC.
#define NONCE_LENGTH 32
#define NONCE_BYTES  24

struct nonces;

// A nonce that was sent to us, its text read once. Whether it is ours, nonce_check() tells.
struct nonce {
    uint8_t bytes[NONCE_BYTES];
};

struct nonce_config {
    uint8_t secret[32];
    int64_t lifetime_ms; // auth.nonce_lifetime
    int64_t started_ms;  // nonces older than the process are stale
    uint32_t table_size; // auth.nonce_table
};

struct nonces *nonces_open(const struct nonce_config *config); // NULL: no memory
void nonces_close(struct nonces *n);

// A new one for this algorithm and realm (bound to both), NONCE_LENGTH bytes, not terminated. The
// source is noted in it, not bound: phones that move keep their nonce.
void nonce_make(struct nonces *n, enum algorithm a, struct slice realm,
                const struct address *source, int64_t now_ms, char out[NONCE_LENGTH]);
// False for what no nonce of ours looks like.
bool nonce_read(struct slice text, struct nonce *out);
// Of a nonce that is not FOREIGN: was it made for this host (IPv6: this /64)? Who answers a nonce
// that was sent to an address has that address: over UDP nothing else tells.
bool nonce_made_for(const struct nonces *n, const struct nonce *nonce,
                    const struct address *source);

enum nonce_verdict {
    NONCE_GOOD,
    NONCE_FOREIGN, // not ours (or not for this realm or algorithm)
    NONCE_STALE,   // ours, but too old, from before the process, voided, or its count is forgotten
    NONCE_REPLAYED // ours and alive, but this count was used
};

// Ours, and alive? `void_before_ms`: the user's credentials_set_at_ms (nonces made up to then are
// void; a time after now_ms is ignored). nc 0 is for clients without qop: the nonce is good once.
// Changes nothing. *made_ms gets when it was made (where not FOREIGN).
enum nonce_verdict nonce_check(struct nonces *n, const struct nonce *nonce, enum algorithm a,
                               struct slice realm, uint32_t nc, int64_t void_before_ms,
                               int64_t now_ms, int64_t *made_ms);
// After the digest was right: takes the count. False when it was taken in between (a replay).
bool nonce_use(struct nonces *n, const struct nonce *nonce, uint32_t nc, int64_t now_ms);
