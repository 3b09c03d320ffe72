// SPDX-License-Identifier: Apache-2.0
// JSON from outside: strict (no duplicate names, no trailing bytes, bounded depth and size), read
// through typed getters that note each fault with the field's name. json.c alone knows jansson.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct json; // a value; those inside live as long as the document

// What is wrong with a body, field by field; becomes the `errors` member of a problem.
#define FAULTS_MAX 32
struct fault {
    struct slice field;  // "password", "labels.site", "aors[3]"; in the arena
    struct slice detail; // a sentence; in the arena
};
struct faults {
    struct arena *arena;
    struct fault items[FAULTS_MAX];
    size_t n; // more than FAULTS_MAX are counted but not kept
};
void fault_add(struct faults *f, struct slice field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// More of either is refused: what is asked for has no need of it, and memory is bounded.
#define JSON_DEPTH_MAX  16
#define JSON_VALUES_MAX 8192

// NULL where it is no JSON text (an object or an array, RFC 8259, no name twice, no NUL in a
// string); `why` then says what and where, without quoting the text. The caller bounds its size.
// Free with json_free(), which wipes it: there may be passwords in it.
struct json *json_parse(struct slice text, char *why, size_t why_size);
void json_free(struct json *document);

bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_null(const struct json *v);
// The member, or NULL where it is not there. `object` must be one.
const struct json *json_get(const struct json *object, const char *key);
size_t json_size(const struct json *array_or_object);
const struct json *json_at(const struct json *array, size_t i);
// Calls `each` for every member, in order, until it returns false. The key lives as the document.
void json_members(const struct json *object,
                  bool (*each)(void *arg, struct slice key, const struct json *value), void *arg);

// Typed reads of a value. False, with a fault noted under `field`, where it is of another type or
// out of its bounds (of strings: bytes). Strings live as long as the document and hold no NUL.
// 60.0 is a whole number.
bool json_read_string(const struct json *v, struct slice field, size_t min, size_t max,
                      struct faults *f, struct slice *out);
bool json_read_int(const struct json *v, struct slice field, int64_t min, int64_t max,
                   struct faults *f, int64_t *out);
bool json_read_bool(const struct json *v, struct slice field, struct faults *f, bool *out);
