// SPDX-License-Identifier: Apache-2.0
// Compression of responses: gzip.c alone knows zlib.
#pragma once

#include "api/text.h"

// Does the client take gzip (Accept-Encoding, RFC 9110 section 12.5.3)?
bool gzip_accepted(struct slice accept_encoding);
// `in` compressed into `out` (initialised by the caller). False: no memory, or not smaller.
bool gzip_text(struct slice in, struct text *out);
