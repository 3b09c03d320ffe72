// SPDX-License-Identifier: Apache-2.0
// The change log: number -> event, appended at the right, trimmed at the left to changes_max. Plain
// refreshes have no number: they are told to the watcher and forgotten.
#include <stdlib.h>

#include "store/lmdb/internal.h"

#define CHANGES_TIGHT 256 // events kept while there is hardly any room

bool events_reserve(struct batch *b, size_t n)
{
    if (b->n_events + n <= b->events_cap)
        return true;
    size_t cap = b->events_cap ? b->events_cap * 2 : 1024;
    while (cap < b->n_events + n)
        cap *= 2;
    struct store_event *events = realloc(b->events, cap * sizeof *events);
    if (!events)
        return false;
    b->events = events;
    b->events_cap = cap;
    return true;
}

struct store_event *event_add(struct batch *b, enum store_event_type type, struct slice domain,
                              struct slice username, bool numbered)
{
    struct store_event *e = &b->events[b->n_events++];
    *e = (struct store_event){
        .type = type, .at_ms = b->now_ms, .domain = domain, .username = username};
    if (numbered)
        e->number = ++b->state.change;
    return e;
}

void events_write(struct lmdb_store *s, size_t from)
{
    struct batch *b = &s->batch;
    for (size_t i = from; i < b->n_events && !b->rc; i++) {
        const struct store_event *e = &b->events[i];
        if (!e->number)
            continue;
        struct buf out = buf_over(b->record, CODEC_RECORD_MAX);
        codec_put_event(&out, e);
        if (out.full) // no single object comes near the bound
            lmdb_fatal(s, "writing an event", MDB_BAD_VALSIZE);
        batch_put(s, s->changes, slice_of((const char *)&e->number, sizeof e->number),
                  buf_slice(&out), MDB_APPEND);
        b->changes++;
        b->added_events++;
    }
}

void changes_trim(struct lmdb_store *s, size_t budget)
{
    struct batch *b = &s->batch;
    MDB_cursor *c = NULL;
    MDB_val k, v;
    uint64_t max = s->config.changes_max;
    if (s->tight && max > CHANGES_TIGHT)
        max = CHANGES_TIGHT;
    for (; !b->rc && budget && s->n_changes + (uint64_t)b->changes > max; budget--) {
        if (!c && (b->rc = mdb_cursor_open(b->txn, s->changes, &c)) != 0)
            return;
        int rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
        if (rc == MDB_NOTFOUND)
            break;
        b->rc = rc ? rc : mdb_cursor_del(c, 0);
        b->changes--;
        b->wrote = true;
    }
    if (c)
        mdb_cursor_close(c);
}

static enum store_status walk_changes(struct lmdb_store *s, MDB_cursor *c, uint64_t after,
                                      size_t max, bool (*take)(void *, const struct store_event *),
                                      void *arg)
{
    struct event_objects objects;
    struct store_event e;
    uint64_t want = after + 1;
    MDB_val k = {sizeof want, &want}, v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    if (rc)
        return lmdb_status(s, rc);
    for (size_t i = 0; i < max && rc == 0; i++) {
        uint64_t number;
        memcpy(&number, k.mv_data, sizeof number);
        if (i == 0 && number != want)
            return STORE_NOT_FOUND;
        if (!codec_get_event(slice_val(v), &objects, &e))
            lmdb_fatal(s, "reading the change log", MDB_CORRUPTED);
        e.number = number;
        if (!take(arg, &e))
            return STORE_OK;
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : lmdb_status(s, rc);
}

enum store_status lmdb_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                    bool (*take)(void *arg, const struct store_event *event),
                                    void *arg)
{
    struct lmdb_reader *reader = (struct lmdb_reader *)r;
    struct state st;
    MDB_cursor *c;
    int rc = meta_get_state(reader->s, reader->txn, &st);
    if (rc)
        return lmdb_status(reader->s, rc);
    if (after >= st.change)
        return after == st.change ? STORE_OK : STORE_NOT_FOUND;
    rc = mdb_cursor_open(reader->txn, reader->s->changes, &c);
    if (rc)
        return lmdb_status(reader->s, rc);
    enum store_status status = walk_changes(reader->s, c, after, max, take, arg);
    mdb_cursor_close(c);
    return status;
}
