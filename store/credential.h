// SPDX-License-Identifier: Apache-2.0
// From a password to what is kept of it: HA1 = H(username:realm:password) for every algorithm
// (RFC 7616 section 3.4.2). Used by the API and by imports; the password itself is never stored.
#pragma once

#include "store/user.h"

// Once, before anything else here and before any thread. False when OpenSSL cannot be set up (no
// memory): its other calls crash then.
bool secrets_setup(void);
// False when OpenSSL offers none of the algorithms (`have` says which were made).
bool credentials_from_password(struct slice username, struct slice realm, struct slice password,
                               struct credentials *out);
// Same algorithms with the same HA1s where both have them, in constant time. More algorithms
// make a difference too: a password given for a user with only an MD5 HA1 adds two.
bool credentials_equal(const struct credentials *a, const struct credentials *b);
// Overwrites the memory, not removable by the compiler.
void secret_wipe(void *p, size_t n);
// Constant time in the content; lengths are not secret.
bool secret_equal(struct slice a, struct slice b);
// SHA-256 of a secret, where a key of fixed size is needed. False when OpenSSL fails.
bool secret_digest(struct slice secret, uint8_t out[32]);
