// SPDX-License-Identifier: Apache-2.0
// The first byte says in pieces of what size the rest is uploaded: the lines must be those of the
// whole, each must get one result, in order, that is JSON, and the same upload again must make
// nobody.
#include "api/import_lines.h"
#include "api/import_work.h"
#include "api/json.h"
#include "base/clock.h"
#include "tests/fuzz/fuzz.h"

struct upload {
    struct slice rest;
    size_t piece;
    uint64_t last; // line that had a result
    size_t n, made;
};

static long next_piece(void *arg, char *out, size_t cap)
{
    struct upload *u = arg;
    struct slice piece = slice_upto(u->rest, u->piece < cap ? u->piece : cap);
    if (piece.n)
        memcpy(out, piece.p, piece.n);
    u->rest = slice_from(u->rest, piece.n);
    return (long)piece.n;
}

static bool take_result(void *arg, struct slice line)
{
    struct upload *u = arg;
    char why[256];
    struct faults faults = {0};
    int64_t number, status;
    struct json *o = json_parse(line, why, sizeof why);
    HOLD(o && json_is_object(o));
    HOLD(json_read_int(json_get(o, "line"), SLICE("line"), 1, INT64_MAX, &faults, &number));
    HOLD(json_read_int(json_get(o, "status"), SLICE("status"), 200, 599, &faults, &status));
    HOLD((uint64_t)number > u->last);
    HOLD((status >= 300) == (json_get(o, "problem") != NULL));
    u->last = (uint64_t)number;
    u->n++;
    u->made += status == 201;
    json_free(o);
    return true;
}

static size_t run(struct store *s, struct slice text, size_t piece, struct upload *u)
{
    *u = (struct upload){.rest = text, .piece = piece};
    const struct import_io io = {
        .store = s, .window = 3, .read = next_piece, .result = take_result, .arg = u};
    HOLD(import_run(&io) == IMPORT_WHOLE);
    return u->n;
}

// How many lines have something on them.
static size_t count(struct slice text)
{
    size_t n = 0;
    while (text.n) {
        size_t end = slice_find(text, '\n');
        n += slice_trim(slice_upto(text, end)).n > 0;
        text = slice_from(text, end + 1);
    }
    return n;
}

static enum decision make_domain(struct store_op *op, const struct domain *current, uint64_t users,
                                 int64_t now_ms, struct domain *next)
{
    (void)current;
    (void)users;
    (void)now_ms;
    next->realm = op->domain;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char memory[8192], why[256];
    struct arena arena;
    struct store *s;
    struct upload first, again;
    struct slice text = input(data + 1, size - 1);
    const struct store_config config = {
        .url = SLICE("memory:"), .changes_max = 1000, .queue_max = 64, .now_ms = 1};
    clock_start();
    arena_init(&arena, memory, sizeof memory, 1u << 20);
    HOLD(store_open(&config, &s, why, sizeof why) == 0);
    struct store_op op = {.kind = STORE_OP_DOMAIN,
                          .domain = SLICE("a"),
                          .arena = &arena,
                          .decide_domain = make_domain};
    HOLD(store_do(s, &op) == STORE_OK);
    HOLD(run(s, text, 1 + data[0], &first) == count(text));
    HOLD(run(s, text, text.n + 1, &again) == first.n && again.last == first.last);
    // Lines that delete may make room for others that make: only without them is a repeat idle.
    if (!memmem(text.p, text.n, "op", 2) && !memmem(text.p, text.n, "\\u", 2))
        HOLD(again.made == 0);
    store_close(s);
    arena_reset(&arena);
    return 0;
}
