// SPDX-License-Identifier: Apache-2.0
// The target of a request (RFC 9112 section 3.2): path segments and query arguments, decoded by us
// from the raw text, because a library that decodes first cannot tell "%2F" from "/".
#pragma once

#include "base/arena.h"
#include "api/request.h"

#define SEGMENTS_MAX 10

struct path {
    struct slice segments[SEGMENTS_MAX]; // decoded
    size_t n;
};

// The part of a raw target before "?", without scheme and authority of an absolute form.
struct slice target_path(struct slice target);
// The part after "?"; empty where there is none.
struct slice target_query(struct slice target);

// Percent escapes resolved into the arena ('+' as a blank where asked); valid UTF-8 without NUL.
// False with a sentence in *why.
bool target_decode(struct slice raw, bool plus_is_blank, struct arena *arena, struct slice *out,
                   const char **why);
// "/a/b%2Fc" as "a" and "b/c". False with a sentence; more segments than fit give n = SEGMENTS_MAX
// + 1, and match nothing.
bool path_decode(struct slice raw_path, struct arena *arena, struct path *out, const char **why);
// "a=1&b=2". False with a sentence; a name that is there twice is an error, named in *what.
bool query_decode(struct slice raw, struct arena *arena, struct query_arg *out, size_t max,
                  size_t *n, const char **why, struct slice *what);
// Does `name` stand in the blank-separated list?
bool word_in(const char *list, struct slice name);
