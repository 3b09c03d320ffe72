// SPDX-License-Identifier: Apache-2.0
// A problem as RFC 9457 has it: the body of an error response, and a member of an import's results.
#pragma once

#include "api/json.h"
#include "api/text.h"

// The status' name ("Not Found"), "Error" for one that we do not use.
const char *problem_title(unsigned status);
// Writes the object. `detail` is a sentence, may be empty; `faults` may be NULL.
void problem_put(struct text *t, unsigned status, struct slice detail, const struct faults *faults);
// "2 members are not as they must be", or the fault itself where it is the only one.
struct slice problem_of_faults(const struct faults *faults, char *out, size_t size);
