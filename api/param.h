// SPDX-License-Identifier: Apache-2.0
// Query arguments that several routes share, read strictly. Each false: answered with 400 that
// names the argument.
#pragma once

#include "api/request.h"
#include "api/show.h"

// "full" (where it is not there) or "status".
bool param_view(struct request *r, enum view *out);
// Between min and max bytes; `there` is false, and *out empty, where it is not given.
bool param_text(struct request *r, const char *name, size_t min, size_t max, struct slice *out,
                bool *there);
// RFC 3339, any offset, as ms since 1970.
bool param_time(struct request *r, const char *name, int64_t *out, bool *there);

// RFC 3339 section 5.6 as ms since 1970; what is finer than that is cut off. False for anything
// else, and for dates that do not exist.
bool time_read(struct slice text, int64_t *ms);
