// SPDX-License-Identifier: Apache-2.0
// GET /v1/events: the hub's stream of one client.
#include "api/cursor.h"
#include "api/domain_body.h"
#include "api/route.h"
#include "api/streams_internal.h"

// The type's bit; 0 for a name that is none.
static unsigned type_bit(struct slice name)
{
    for (unsigned t = EVENT_BINDING_CREATED; t <= EVENT_DOMAIN_DELETED; t++)
        if (slice_eq(name, slice_str(store_event_name((enum store_event_type)t))))
            return 1u << t;
    return 0;
}

// `type`: names with commas between them. False: answered.
static bool read_types(struct request *r, unsigned *types)
{
    struct slice list;
    *types = HUB_ALL_TYPES;
    if (!request_query(r, "type", &list))
        return true;
    *types = 0;
    for (bool more = true; more;) {
        size_t comma = slice_find(list, ',');
        struct slice name = slice_upto(list, comma);
        unsigned bit = type_bit(name);
        if (!bit) {
            respond_problem(r, 400, "type: there is no event type '%.*s'",
                            SLICE_FMT(slice_upto(name, 64)));
            return false;
        }
        *types |= bit;
        more = comma < list.n;
        list = slice_from(list, comma + 1);
    }
    return true;
}

// `domain`: a name or an alias; one that is not there may come. False: answered.
static bool read_domain(struct request *r, struct slice *domain)
{
    struct slice host;
    struct domain found;
    *domain = SLICE_NONE;
    if (!request_query(r, "domain", &host))
        return true;
    char *scratch = arena_alloc(&r->arena, DOMAIN_NAME_MAX);
    struct store_reader *reader = scratch ? request_snapshot(r) : NULL;
    if (!reader) {
        if (!scratch)
            respond_unavailable(r);
        return false;
    }
    enum store_status st = domain_find(reader, host, &found);
    *domain = domain_key(st == STORE_OK ? found.name : host, scratch);
    if (domain->n)
        return true;
    respond_problem(r, 400, "domain: expected 1 to %d bytes", DOMAIN_NAME_MAX);
    return false;
}

static void wake(void *arg)
{
    request_wake(arg);
}

static bool gone(void *arg)
{
    return request_client_gone(arg);
}

static long next(void *arg, char *out, size_t cap)
{
    long n = hub_next(arg, out, cap);
    return n == HUB_END ? STREAM_END : n == HUB_WAIT ? STREAM_WAIT : n;
}

static void leave(void *arg)
{
    hub_leave(arg);
}

void handle_events(struct request *r)
{
    struct hub_filter filter;
    struct store_counts counts;
    enum hub_start start = HUB_NOW;
    uint64_t after = 0;
    bool full;
    if (!read_types(r, &filter.types) || !read_domain(r, &filter.domain))
        return;
    if (r->last_event_id.n) {
        store_counts(request_store(r), &counts);
        switch (event_id_read(r->last_event_id, counts.epoch, &after)) {
        case EVENT_ID_OK:
            start = HUB_AFTER;
            break;
        case EVENT_ID_FOREIGN:
            start = HUB_RESET;
            break;
        case EVENT_ID_BAD:
            respond_problem(r, 400, "Last-Event-ID: not an id that this service gave out");
            return;
        }
    }
    const struct hub_client client = {.wake = wake, .gone = gone, .arg = r};
    struct hub_stream *s = hub_join(request_streams(r)->hub, &filter, start, after, &client, &full);
    if (!s) {
        respond_unavailable(r);
        return;
    }
    const struct stream stream = {.next = next, .close = leave, .arg = s};
    respond_header(r, "Cache-Control", SLICE("no-store"));
    respond_header(r, "X-Accel-Buffering", SLICE("no")); // nginx would hold events back
    respond_stream(r, "text/event-stream", &stream);
}
