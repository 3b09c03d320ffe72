// SPDX-License-Identifier: Apache-2.0
// The checksum of what is stored: finds damage (a torn page, a flipped bit, a stale block), not
// forgery. Part of the store's format: never to be changed.
#pragma once

#include <stdint.h>

#include "base/slice.h"

// 64 bits of all of `s`, its length included.
uint64_t checksum64(struct slice s);
