// SPDX-License-Identifier: Apache-2.0
// What the tests of bodies share: JSON texts in, the field of the only fault out.
#pragma once

#include "api/json.h"
#include "base/buf.h"
#include "store/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct arena arena;
static struct faults faults;
static const struct domain example = {.name = {"example.com", 11}, .realm = {"example.com", 11}};

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, NULL, 0, 8u << 20);
    faults = (struct faults){.arena = &arena};
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static struct json *parsed(const char *text)
{
    char why[200];
    struct json *v = json_parse(slice_str(text), why, sizeof why);
    if (!v)
        fail_msg("%s: %s", text, why);
    return v;
}

// A string of n times `c`, in the arena.
static const char *many(char c, size_t n)
{
    char *p = arena_calloc(&arena, n + 1, 1);
    assert_non_null(p);
    memset(p, c, n);
    return p;
}

static const char *print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *print(const char *fmt, ...)
{
    char *text = arena_alloc(&arena, 65536);
    va_list ap;
    assert_non_null(text);
    va_start(ap, fmt);
    vsnprintf(text, 65536, fmt, ap);
    va_end(ap);
    return text;
}

struct expected {
    const char *body;
    const char *field; // of the only fault; NULL for none
};

static void assert_fault(const char *body, bool ok, const char *field)
{
    if (ok != (faults.n == 0))
        fail_msg("%s: %zu faults, but %d", body, faults.n, ok);
    if (!field && faults.n)
        fail_msg("%s: %.*s %.*s", body, SLICE_FMT(faults.items[0].field),
                 SLICE_FMT(faults.items[0].detail));
    if (field && (faults.n != 1 || !slice_eq(faults.items[0].field, slice_str(field))))
        fail_msg("%s: %zu faults, the first in %.*s, not in %s", body, faults.n,
                 SLICE_FMT(faults.items[0].field), field);
    faults.n = 0;
}
