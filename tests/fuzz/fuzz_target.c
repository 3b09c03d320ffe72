// SPDX-License-Identifier: Apache-2.0
// Targets of requests: what is decoded is text without NUL, and escaped again it reads the same;
// no argument is there twice. The same bytes as Host and Accept-Encoding.
#include "api/access.h"
#include "api/gzip.h"
#include "api/target.h"
#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

#define LONGEST 4096

static char memory[1 << 20];

static void put_escaped(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_printf(b, "%%%02x", (unsigned char)s.p[i]);
}

static void check_path(struct slice target, struct arena *a)
{
    static char text[LONGEST * 4];
    struct buf again = buf_over(text, sizeof text);
    struct path first, second;
    const char *why = NULL;
    struct slice raw = target_path(target);
    if (raw.n == 0 || raw.p[0] != '/')
        return;
    if (!path_decode(raw, a, &first, &why)) {
        HOLD(why);
        return;
    }
    if (first.n > SEGMENTS_MAX)
        return;
    for (size_t i = 0; i < first.n; i++) {
        HOLD(slice_find(first.segments[i], '\0') == first.segments[i].n);
        buf_byte(&again, '/');
        put_escaped(&again, first.segments[i]);
    }
    HOLD(path_decode(buf_slice(&again), a, &second, &why) && second.n == first.n);
    for (size_t i = 0; i < first.n; i++)
        HOLD(slice_eq(first.segments[i], second.segments[i]));
}

static void check_query(struct slice target, struct arena *a)
{
    struct query_arg args[QUERY_MAX];
    struct slice what = SLICE_NONE;
    const char *why = NULL;
    size_t n;
    if (!query_decode(target_query(target), a, args, QUERY_MAX, &n, &why, &what)) {
        HOLD(why);
        return;
    }
    HOLD(n <= QUERY_MAX);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            HOLD(!slice_eq(args[i].name, args[k].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = input(data, size < LONGEST ? size : LONGEST);
    struct arena a;
    arena_init(&a, memory, sizeof memory, 0);
    check_path(s, &a);
    check_query(s, &a);
    HOLD(!gzip_accepted(s) || s.n);
    HOLD(!host_is_loopback(s) || s.n);
    return 0;
}
