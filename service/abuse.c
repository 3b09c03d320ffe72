// SPDX-License-Identifier: Apache-2.0
#include "service/abuse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/pages.h"

#define CELLS       65536 // of each table
#define WAYS        4     // cells among which a key may live
#define MINUTE_MS   60000
#define BAN_MOST_MS (3600 * 1000)
// A source that was banned is remembered this long, so that its next ban is twice as long.
#define BAN_MEMORY_MS (24 * 3600 * 1000LL)

// A leaking count: `level` thousandths of events, which leak at the limit's own rate.
struct cell {
    uint64_t key; // keyed hash; 0: free
    int64_t at_ms;
    uint32_t level;
};

struct table {
    struct cell cells[CELLS];
};

struct abuse {
    struct bans *bans;
    struct hash_key key;
    struct table requests; // by source
    struct table failures; // by source, by AoR, and by both
    struct table banned;   // level: how often
    int64_t failed_at_ms;  // the last failure of anybody
    struct address last;   // whose source_hash() was asked for last
    uint64_t last_hash;    // 0: nobody's yet
};

struct abuse *abuse_open(struct bans *bans)
{
    struct abuse *a = pages_alloc(sizeof *a);
    if (!a)
        return NULL;
    a->bans = bans;
    a->key = hash_key_random();
    a->failed_at_ms = INT64_MIN / 2; // never
    return a;
}

void abuse_close(struct abuse *a)
{
    pages_free(a, sizeof *a);
}

// Asked for when a message comes and again when it is judged: the last one is remembered.
static uint64_t source_hash(struct abuse *a, const struct address *source)
{
    size_t n = source->family == 6 ? 8 : 16;
    if (!a->last_hash || !address_same_host(&a->last, source)) {
        a->last = *source;
        a->last_hash = hash64(a->key, slice_of((const char *)source->ip, n)) | 1;
    }
    return a->last_hash;
}

static uint64_t aor_hash(const struct abuse *a, struct slice domain, struct slice key)
{
    return hash64_pair(a->key, domain, key) | 1;
}

static uint64_t both_hash(const struct abuse *a, uint64_t source, uint64_t aor)
{
    uint64_t pair[2] = {source, aor};
    return hash64(a->key, slice_of((const char *)pair, sizeof pair)) | 1;
}

// The key's cell; where it has none, the one that was used longest ago (and is then made its own).
static struct cell *find_cell(struct table *t, uint64_t key, bool make, int64_t now_ms)
{
    struct cell *oldest = NULL;
    for (unsigned i = 0; i < WAYS; i++) {
        struct cell *c = &t->cells[((key >> 16) + i) % CELLS];
        if (c->key == key)
            return c;
        if (!oldest || c->at_ms < oldest->at_ms)
            oldest = c;
    }
    if (!make)
        return NULL;
    *oldest = (struct cell){.key = key, .at_ms = now_ms};
    return oldest;
}

// Adds one event and gives the level in events. `leak_events` leak away in `leak_ms`.
static uint32_t count(struct table *t, uint64_t key, uint32_t leak_events, int64_t leak_ms,
                      int64_t now_ms)
{
    struct cell *c = find_cell(t, key, true, now_ms);
    int64_t elapsed = now_ms - c->at_ms;
    uint64_t leaked = elapsed >= leak_ms
                          ? UINT32_MAX
                          : (uint64_t)elapsed * leak_events * 1000 / (uint64_t)leak_ms;
    c->level = leaked >= c->level ? 0 : c->level - (uint32_t)leaked;
    if (c->level < UINT32_MAX - 1000)
        c->level += 1000;
    c->at_ms = now_ms;
    return (c->level + 999) / 1000;
}

enum abuse_verdict abuse_admit(struct abuse *a, const struct sip_settings *settings,
                               const struct address *source, int64_t now_ms)
{
    if (networks_contain(&settings->exempt, source))
        return ABUSE_PASS;
    if (bans_hit(a->bans, source, now_ms))
        return ABUSE_BANNED;
    if (!settings->abuse_requests)
        return ABUSE_PASS;
    uint32_t level =
        count(&a->requests, source_hash(a, source), settings->abuse_requests, 1000, now_ms);
    return level > settings->abuse_requests ? ABUSE_RATE : ABUSE_PASS;
}

static void ban(struct abuse *a, const struct sip_settings *settings, const struct address *source,
                uint64_t key, enum reason reason, int64_t now_ms)
{
    struct cell *c = find_cell(&a->banned, key, true, now_ms);
    if (now_ms - c->at_ms > BAN_MEMORY_MS)
        c->level = 0;
    int64_t length = (int64_t)settings->abuse_ban_s * 1000;
    for (uint32_t i = 0; i < c->level && length < BAN_MOST_MS; i++)
        length *= 2;
    if (length > BAN_MOST_MS)
        length = BAN_MOST_MS;
    c->level++;
    c->at_ms = now_ms;
    struct ban b = {.since_ms = now_ms, .until_ms = now_ms + length};
    b.network =
        (struct network){.family = source->family, .prefix = source->family == 6 ? 64 : 128};
    memcpy(b.network.ip, source->ip, source->family == 6 ? 8 : 16);
    snprintf(b.reason, sizeof b.reason, "%s", reason_word(reason));
    if (!bans_put(a->bans, &b, now_ms))
        return;
    char text[ADDRESS_TEXT_MAX], until[32];
    struct buf who = buf_over(text, sizeof text), end = buf_over(until, sizeof until);
    network_print(&who, &b.network);
    buf_rfc3339(&end, b.until_ms);
    metric_add(METRIC_SECURITY_EVENTS, REASON_BANNED, 1);
    metric_set(METRIC_BANS, 0, (int64_t)bans_count(a->bans, now_ms));
    limit_reached(LIMIT_ABUSE_FAILURES, buf_slice(&who));
    log_event(LOG_WARNING, "banned", "too many failures", {"source", buf_slice(&who)},
              {"reason", slice_str(b.reason)}, {"until", buf_slice(&end)});
}

bool abuse_failed(struct abuse *a, const struct sip_settings *settings,
                  const struct address *source, bool proven, struct slice domain, struct slice key,
                  enum reason reason, int64_t now_ms)
{
    unsigned most = settings->abuse_failures;
    if (!most)
        return false;
    uint64_t aor = aor_hash(a, domain, key), from = source_hash(a, source);
    a->failed_at_ms = now_ms;
    // Where one AoR is tried from many sources, each of them needs to fail there but a few times.
    uint32_t by_aor = count(&a->failures, aor, most, MINUTE_MS, now_ms);
    if (!proven)
        return false;
    uint32_t by_both = count(&a->failures, both_hash(a, from, aor), most, MINUTE_MS, now_ms);
    if (networks_contain(&settings->exempt, source))
        return false;
    uint32_t by_source = count(&a->failures, from, most, MINUTE_MS, now_ms);
    if (by_source <= most && !(by_aor > most && by_both > most / 10 + 1))
        return false;
    ban(a, settings, source, from, reason, now_ms);
    return true;
}

bool abuse_succeeded(struct abuse *a, const struct sip_settings *settings,
                     const struct address *source, struct slice domain, struct slice key,
                     int64_t now_ms)
{
    bool limited = settings->abuse_requests && !networks_contain(&settings->exempt, source);
    bool quiet = now_ms - a->failed_at_ms > MINUTE_MS; // the usual: there is nothing to clear
    if (quiet && !limited)
        return false;
    uint64_t from = source_hash(a, source);
    if (limited) {
        struct cell *c = find_cell(&a->requests, from, false, now_ms);
        if (c && c->level >= 1000)
            c->level -= 1000;
    }
    if (quiet)
        return false;
    uint64_t both = both_hash(a, from, aor_hash(a, domain, key));
    struct cell *c = find_cell(&a->failures, both, false, now_ms);
    if (!c || c->level == 0 || now_ms - c->at_ms > MINUTE_MS)
        return false;
    c->level = 0;
    return true;
}
