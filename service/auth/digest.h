// SPDX-License-Identifier: Apache-2.0
// HTTP Digest as SIP uses it: RFC 7616, RFC 8760, and RFC 2617 and 2069 for what is older.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "store/user.h"

// One Authorization header, values unquoted (quoted-pairs resolved in the arena where there are
// any). `username` may have come as username* (RFC 7616 section 3.4.4).
struct digest {
    struct slice username, realm, nonce, uri, response, cnonce, opaque, algorithm_text, qop_text;
    struct slice nc_text;
    enum algorithm algorithm; // MD5 where not given
    bool sess;                // MD5-sess, ...
    bool has_username, has_realm, has_nonce, has_uri, has_response;
    bool has_qop, has_cnonce, has_nc;
    bool userhash;
    uint32_t nc;
};

enum digest_parsed { DIGEST_OK, DIGEST_OTHER_SCHEME, DIGEST_MALFORMED, DIGEST_UNKNOWN_ALGORITHM };

// `value` is the whole header value: "Digest username=...". Duplicated parameters are malformed.
enum digest_parsed digest_parse(struct slice value, struct arena *arena, struct digest *out);

// Hash contexts of one thread (fetched EVP_MDs, reused contexts).
struct digest_engine;
struct digest_engine *digest_engine_open(void); // NULL when OpenSSL has no MD5 and no SHA-256
void digest_engine_close(struct digest_engine *e);
bool digest_engine_has(const struct digest_engine *e, enum algorithm a);

// True when `d`'s response is right for `ha1` (binary, algorithm_size bytes) and the method.
// Compares in constant time; qop absent, auth and auth-int (over `body`) are computed as RFC 7616
// says.
bool digest_verify(struct digest_engine *e, const struct digest *d, const uint8_t *ha1,
                   struct slice method, struct slice body);
// The rspauth of Authentication-Info (RFC 7616 section 3.5), hex into out (2 * algorithm_size
// bytes).
void digest_rspauth(struct digest_engine *e, const struct digest *d, const uint8_t *ha1, char *out);
// For a user that does not exist: an HA1 that nobody knows, so that the work is the same as for a
// wrong password. 32 bytes, the engine's.
const uint8_t *digest_dummy_ha1(const struct digest_engine *e);
// Username equal to H(unq(username):unq(realm)) (RFC 7616 section 3.4.4).
bool digest_userhash_matches(struct digest_engine *e, const struct digest *d,
                             struct slice username);

// One WWW-Authenticate value: Digest realm="...", nonce="...", algorithm=..., qop="auth"[,
// stale=true]
void digest_challenge(struct buf *b, struct slice realm, struct slice nonce, enum algorithm a,
                      bool stale);
