// SPDX-License-Identifier: Apache-2.0
// UTF-8 by RFC 3629: no surrogates, nothing overlong, at most U+10FFFF.
#pragma once

#include "base/slice.h"

// The length of the sequence that `s`, which is not empty, begins with; 0 where it is none.
size_t utf8_sequence(struct slice s);
bool utf8_valid(struct slice s);
// Valid, and without control characters (U+0000 to U+001F, U+007F to U+009F).
bool utf8_clean(struct slice s);
