// SPDX-License-Identifier: Apache-2.0
// SipHash-1-3 (Aumasson, Bernstein): a keyed hash that is quick on short input and that nobody
// without the key can make collide.
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct hash_key {
    uint64_t k0, k1;
};

uint64_t hash64(struct hash_key key, struct slice s);
// Two slices hashed as one text with a NUL between them (domain, user), without a copy where short.
uint64_t hash64_pair(struct hash_key key, struct slice a, struct slice b);
// From the kernel's generator; ends the process when that fails, for nothing is safe without it.
struct hash_key hash_key_random(void);
void random_bytes(void *out, size_t n);
