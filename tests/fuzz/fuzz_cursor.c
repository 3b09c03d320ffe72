// SPDX-License-Identifier: Apache-2.0
// Cursors: one made up is refused, one given out comes back, and one that is bent is refused. The
// source is included, so that a request can be made up here.
#include "api/cursor.c"
#include "tests/fuzz/fuzz.h"

static struct store *the_store;
static unsigned problem;

struct store *request_store(const struct request *r)
{
    (void)r;
    return the_store;
}

bool request_query(const struct request *r, const char *name, struct slice *out)
{
    if (r->n_query == 0 || strcmp(name, "cursor") != 0)
        return false;
    *out = r->query[0].value;
    return true;
}

void respond_problem(struct request *r, unsigned status, const char *detail, ...)
{
    (void)r, (void)detail;
    problem = status;
}

static bool taken(struct request *r, struct slice cursor, struct page *page)
{
    r->n_query = 1;
    r->query[0] = (struct query_arg){SLICE("cursor"), cursor};
    problem = 0;
    bool read = page_read(r, SLICE("question"), page);
    HOLD(read == (problem == 0));
    return read;
}

static void given_out(struct request *r, struct slice domain, struct slice key, unsigned bend)
{
    struct page page;
    char cursor[CURSOR_MAX];
    json_open(&r->out, '{');
    page_end(r, SLICE("question"), true, domain, key, 7);
    HOLD(!r->out.bad);
    struct slice text = slice_from(text_slice(&r->out), strlen("{\"next_cursor\":\""));
    text = slice_upto(text, slice_find(text, '"'));
    HOLD(text.n && text.n <= sizeof cursor);
    memcpy(cursor, text.p, text.n);
    text.p = cursor;
    HOLD(taken(r, text, &page) && slice_eq(page.after_domain, domain));
    HOLD(slice_eq(page.after_key, key));
    cursor[bend % text.n] = cursor[bend % text.n] == 'A' ? 'B' : 'A';
    HOLD(!taken(r, text, &page));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request r;
    struct page page;
    char why[160];
    struct store_config config = {.url = SLICE("memory:"), .changes_max = 10, .queue_max = 16};
    if (!the_store)
        HOLD(store_open(&config, &the_store, why, sizeof why) == 0);
    if (size < 2)
        return 0;
    memset(&r, 0, sizeof r);
    arena_init(&r.arena, NULL, 0, 1 << 16);
    text_init(&r.out, 65536);
    struct slice all = input(data + 2, size - 2);
    HOLD(!taken(&r, all, &page)); // nobody makes one up
    struct slice domain = slice_upto(all, data[0] < DOMAIN_NAME_MAX ? data[0] : DOMAIN_NAME_MAX);
    given_out(&r, domain, slice_upto(slice_from(all, domain.n), KEY_MAX), data[1]);
    uint64_t change;
    event_id_read(all, 1, &change);
    text_free(&r.out);
    arena_reset(&r.arena);
    return 0;
}
