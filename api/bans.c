// SPDX-License-Identifier: Apache-2.0
// Who is shut out: an operator's own bans, and those that the service has made.
#include "api/api.h"
#include "api/cursor.h"
#include "api/param.h"
#include "api/route.h"
#include "api/show.h"

#define NETWORK_KEY 18 // address, prefix length, family

// ---- The list -----------------------------------------------------------------------------------

static bool network_of_key(struct slice key, struct network *out)
{
    if (key.n != NETWORK_KEY)
        return false;
    memcpy(out->ip, key.p, sizeof out->ip);
    out->prefix = (uint8_t)key.p[16];
    out->family = (uint8_t)key.p[17];
    return true;
}

static struct slice key_of_network(const struct network *n, char out[NETWORK_KEY])
{
    memcpy(out, n->ip, sizeof n->ip);
    out[16] = (char)n->prefix;
    out[17] = (char)n->family;
    return slice_of(out, NETWORK_KEY);
}

void handle_bans_list(struct request *r)
{
    const struct slice question = SLICE("bans");
    struct page page;
    struct network after;
    struct store_counts counts;
    char key[NETWORK_KEY];
    if (!page_read(r, question, &page))
        return;
    // One more than fits says whether there is another page.
    struct ban *bans = arena_alloc(&r->arena, (page.limit + 1) * sizeof *bans);
    if (!bans) {
        respond_unavailable(r);
        return;
    }
    store_counts(request_store(r), &counts);
    bool more = network_of_key(page.after_key, &after);
    size_t n =
        bans_list(request_config(r)->bans, more ? &after : NULL, r->now_ms, bans, page.limit + 1);
    more = n > page.limit;
    n = more ? page.limit : n;
    json_open(&r->out, '{');
    json_key(&r->out, "bans"), json_open(&r->out, '[');
    for (size_t i = 0; i < n; i++)
        show_ban(&r->out, &bans[i]);
    json_close(&r->out, ']');
    struct slice last = n ? key_of_network(&bans[n - 1].network, key) : SLICE_NONE;
    page_end(r, question, more, SLICE_NONE, last, counts.change);
    json_close(&r->out, '}');
    respond_json(r, 200);
}

// ---- One ban ------------------------------------------------------------------------------------

static bool read_network(struct request *r, struct network *out)
{
    if (network_parse(r->path_args[0], out))
        return true;
    respond_problem(r, 400, "The path must name an address or a network, such as 192.0.2.0%%2F24.");
    return false;
}

void handle_ban_get(struct request *r)
{
    struct network network;
    struct ban ban;
    if (!read_network(r, &network))
        return;
    if (!bans_get(request_config(r)->bans, &network, r->now_ms, &ban)) {
        respond_problem(r, 404, "This network is not banned.");
        return;
    }
    show_ban(&r->out, &ban);
    respond_json(r, 200);
}

void handle_ban_delete(struct request *r)
{
    struct network network;
    struct ban ban;
    if (!read_network(r, &network))
        return;
    // One that has ended and has not been swept is not there, and goes.
    bool there = bans_get(request_config(r)->bans, &network, r->now_ms, &ban);
    if (bans_delete(request_config(r)->bans, &network) && there)
        respond_empty(r, 204);
    else
        respond_problem(r, 404, "This network is not banned.");
}

// ---- Making one ---------------------------------------------------------------------------------

struct ban_body {
    struct request *r;
    struct ban *ban;
    struct faults faults;
};

static void read_reason(struct ban_body *b, struct slice key, const struct json *value)
{
    struct slice reason;
    if (!json_read_string(value, key, 1, BAN_REASON_MAX - 1, &b->faults, &reason))
        return;
    memcpy(b->ban->reason, reason.p, reason.n);
    b->ban->reason[reason.n] = '\0';
}

static void read_until(struct ban_body *b, struct slice key, const struct json *value)
{
    struct slice text;
    if (!json_read_string(value, key, 1, 64, &b->faults, &text))
        return;
    if (!time_read(text, &b->ban->until_ms))
        fault_add(&b->faults, key, "must be a time as in RFC 3339");
    else if (b->ban->until_ms <= b->r->now_ms)
        fault_add(&b->faults, key, "must be in the future");
}

static bool read_member(void *arg, struct slice key, const struct json *value)
{
    struct ban_body *b = arg;
    if (slice_eq(key, SLICE("reason")))
        read_reason(b, key, value);
    else if (slice_eq(key, SLICE("until")))
        read_until(b, key, value);
    else if (!slice_eq(key, SLICE("network")) && !slice_eq(key, SLICE("since")) &&
             !slice_eq(key, SLICE("manual")))
        fault_add(&b->faults, key, "there is no such member");
    return true;
}

// False when it has been answered.
static bool read_body(struct request *r, struct ban *ban)
{
    char why[160];
    struct ban_body b = {.r = r, .ban = ban, .faults = {.arena = &r->arena}};
    struct json *document = json_parse(r->body, why, sizeof why);
    if (!document) {
        respond_problem(r, 400, "%s", why);
        return false;
    }
    bool object = json_is_object(document);
    if (object) {
        json_members(document, read_member, &b);
        if (!json_get(document, "until"))
            fault_add(&b.faults, SLICE("until"), "is required");
    }
    json_free(document);
    if (!object)
        respond_problem(r, 422, "The body must be a JSON object.");
    else if (b.faults.n)
        respond_faults(r, &b.faults);
    return object && b.faults.n == 0;
}

static void set_location(struct request *r, const struct network *network)
{
    char text[ADDRESS_TEXT_MAX], path[ADDRESS_TEXT_MAX + 16];
    struct buf name = buf_over(text, sizeof text), b = buf_over(path, sizeof path);
    network_print(&name, network);
    size_t slash = slice_find(buf_slice(&name), '/');
    BUF_LIT(&b, "/v1/bans/");
    buf_put(&b, slice_upto(buf_slice(&name), slash));
    BUF_LIT(&b, "%2F");
    buf_put(&b, slice_from(buf_slice(&name), slash + 1));
    r->location = arena_copy(&r->arena, buf_slice(&b));
}

void handle_ban_put(struct request *r)
{
    struct bans *bans = request_config(r)->bans;
    struct ban ban = {.manual = true, .since_ms = r->now_ms, .reason = "manual"}, old;
    if (!read_network(r, &ban.network) || !read_body(r, &ban))
        return;
    bool there = bans_get(bans, &ban.network, r->now_ms, &old);
    if (there)
        ban.since_ms = old.since_ms;
    if (!bans_put(bans, &ban, r->now_ms)) {
        respond_unavailable(r);
        return;
    }
    if (!there)
        set_location(r, &ban.network);
    show_ban(&r->out, &ban);
    respond_json(r, there ? 200 : 201);
}
