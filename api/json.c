// SPDX-License-Identifier: Apache-2.0
// See json.h. A `struct json` is jansson's json_t, and nobody else knows.
#include <jansson.h>
// Macros of jansson; ours are functions.
#undef json_is_object
#undef json_is_array
#undef json_is_null

#include "api/json.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/credential.h"

// ---- Memory ------------------------------------------------------------------------------------

// Bodies hold passwords, so what jansson gives back is wiped. It does not say how much that is.
#define HEAD 16

static void *wiped_malloc(size_t n)
{
    if (n > SIZE_MAX - HEAD)
        return NULL;
    char *p = malloc(HEAD + n);
    if (!p)
        return NULL;
    memcpy(p, &n, sizeof n);
    return p + HEAD;
}

static void wiped_free(void *p)
{
    if (!p)
        return;
    char *head = (char *)p - HEAD;
    size_t n;
    memcpy(&n, head, sizeof n);
    secret_wipe(p, n);
    free(head);
}

static void set_up(void)
{
    json_set_alloc_funcs(wiped_malloc, wiped_free);
    json_object_seed(0);
}

static json_t *in(const struct json *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct json *out(json_t *v)
{
    return (struct json *)v;
}

// ---- Faults ------------------------------------------------------------------------------------

void fault_add(struct faults *f, struct slice field, const char *fmt, ...)
{
    if (f->n >= FAULTS_MAX) {
        f->n++;
        return;
    }
    char sentence[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    struct fault *fault = &f->items[f->n++];
    fault->field = arena_copy(f->arena, field);
    fault->detail = arena_copy(f->arena, slice_str(sentence));
    if (!fault->detail.p)
        fault->detail = SLICE("is not right");
}

// ---- Parsing -----------------------------------------------------------------------------------

// jansson's parser is recursive and takes 2048 levels, and a value costs it up to a hundred times
// its text; so depth and number of values are bounded before it sees the text.
static bool within_bounds(struct slice text, char *why, size_t why_size)
{
    size_t depth = 0, values = 1;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
            values++;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        } else if (c == ',') {
            values++;
        }
        if (depth > JSON_DEPTH_MAX || values > JSON_VALUES_MAX) {
            snprintf(why, why_size, "more than %d %s",
                     depth > JSON_DEPTH_MAX ? JSON_DEPTH_MAX : JSON_VALUES_MAX,
                     depth > JSON_DEPTH_MAX ? "levels deep" : "values");
            return false;
        }
    }
    return true;
}

struct json *json_parse(struct slice text, char *why, size_t why_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    if (!within_bounds(text, why, why_size))
        return NULL;
    json_error_t error;
    json_t *v = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    if (v)
        return out(v);
    // The text near the error stays out: it may be a password.
    char *near = strstr(error.text, " near ");
    if (near)
        *near = '\0';
    snprintf(why, why_size, "line %d, column %d: %s", error.line, error.column, error.text);
    return NULL;
}

void json_free(struct json *document)
{
    json_decref(in(document));
}

// ---- Looking at values -------------------------------------------------------------------------

bool json_is_object(const struct json *v)
{
    return json_typeof(in(v)) == JSON_OBJECT;
}

bool json_is_array(const struct json *v)
{
    return json_typeof(in(v)) == JSON_ARRAY;
}

bool json_is_null(const struct json *v)
{
    return json_typeof(in(v)) == JSON_NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return out(json_object_get(in(object), key));
}

size_t json_size(const struct json *v)
{
    return json_is_array(v) ? json_array_size(in(v)) : json_object_size(in(v));
}

const struct json *json_at(const struct json *array, size_t i)
{
    return out(json_array_get(in(array), i));
}

void json_members(const struct json *object,
                  bool (*each)(void *arg, struct slice key, const struct json *value), void *arg)
{
    json_t *o = in(object);
    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
        if (!each(arg, slice_str(json_object_iter_key(at)), out(json_object_iter_value(at))))
            return;
}

bool json_read_string(const struct json *v, struct slice field, size_t min, size_t max,
                      struct faults *f, struct slice *value)
{
    if (json_typeof(in(v)) != JSON_STRING) {
        fault_add(f, field, "is not a string");
        return false;
    }
    struct slice s = slice_of(json_string_value(in(v)), json_string_length(in(v)));
    if (s.n < min || s.n > max) {
        if (s.n == 0)
            fault_add(f, field, "is empty");
        else
            fault_add(f, field, "has %zu bytes, not %zu to %zu", s.n, min, max);
        return false;
    }
    *value = s;
    return true;
}

bool json_read_int(const struct json *v, struct slice field, int64_t min, int64_t max,
                   struct faults *f, int64_t *value)
{
    json_type type = json_typeof(in(v));
    double real = type == JSON_REAL ? json_real_value(in(v)) : 0;
    int64_t n;
    if (type == JSON_INTEGER) {
        n = json_integer_value(in(v));
    } else if (type == JSON_REAL && real == floor(real) && fabs(real) < 9007199254740992.0) {
        n = (int64_t)real; // 60.0 is the number 60
    } else {
        fault_add(f, field, "is not a whole number");
        return false;
    }
    if (n < min || n > max) {
        fault_add(f, field, "is not between %lld and %lld", (long long)min, (long long)max);
        return false;
    }
    *value = n;
    return true;
}

bool json_read_bool(const struct json *v, struct slice field, struct faults *f, bool *value)
{
    json_type type = json_typeof(in(v));
    if (type != JSON_TRUE && type != JSON_FALSE) {
        fault_add(f, field, "is not true or false");
        return false;
    }
    *value = type == JSON_TRUE;
    return true;
}
