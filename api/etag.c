// SPDX-License-Identifier: Apache-2.0
// See etag.h. An ETag is "EPOCH-CONFIG-STATUS", each in hex.
#include "api/etag.h"

#include "base/hash.h"

#define EPOCH_FORMAT "%016llx"
#define TAG_MAX      64

// What is hashed are our own words, known to everybody: a key of its own keeps nobody out.
static const struct hash_key mix_key = {0x657461672d6d6978ULL, 0x726f6c6c63616c6cULL};

uint64_t etag_mix(uint64_t a, uint64_t b)
{
    uint64_t both[2] = {a, b};
    return hash64(mix_key, slice_of((const char *)both, sizeof both));
}

void etag_set(struct request *r, uint64_t config, uint64_t status, struct slice variant)
{
    char text[TAG_MAX];
    struct store_counts counts;
    struct buf b = buf_over(text, sizeof text);
    store_counts(request_store(r), &counts);
    if (variant.n)
        status = etag_mix(status, hash64(mix_key, variant));
    buf_printf(&b, "\"" EPOCH_FORMAT "-%llx-%llx\"", (unsigned long long)counts.epoch,
               (unsigned long long)config, (unsigned long long)status);
    r->etag = arena_copy(&r->arena, buf_slice(&b));
}

// ---- Lists of entity tags (RFC 9110 section 8.8.3) ----------------------------------------------

struct tag {
    struct slice text; // with its quotes
    bool weak;
};

// Takes the first tag off the list; false at its end, or where it is malformed: what stands behind
// that matches nothing.
static bool next_tag(struct slice *list, struct tag *out)
{
    struct slice s = *list;
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == ','))
        s = slice_from(s, 1);
    out->weak = slice_starts(s, SLICE("W/"));
    if (out->weak)
        s = slice_from(s, 2);
    if (!s.n || s.p[0] != '"')
        return false;
    size_t end = slice_find(slice_from(s, 1), '"') + 2;
    if (end > s.n)
        return false;
    out->text = slice_upto(s, end);
    *list = slice_from(s, end);
    return true;
}

static bool any(struct slice condition)
{
    return slice_eq(slice_trim(condition), SLICE("*"));
}

bool etag_not_modified(struct request *r)
{
    struct slice list = r->if_none_match;
    struct tag tag;
    bool same = any(list) && r->etag.n;
    while (!same && r->etag.n && next_tag(&list, &tag))
        same = slice_eq(tag.text, r->etag); // weak comparison: W/ makes no difference
    if (same)
        respond_empty(r, 304);
    return same;
}

// One of the tags is of this configuration, whatever its status.
static bool names_config(struct slice list, bool weak_too, uint64_t epoch, uint64_t config)
{
    char text[TAG_MAX];
    struct buf b = buf_over(text, sizeof text);
    struct tag tag;
    buf_printf(&b, "\"" EPOCH_FORMAT "-%llx-", (unsigned long long)epoch,
               (unsigned long long)config);
    while (next_tag(&list, &tag))
        if ((weak_too || !tag.weak) && slice_starts(tag.text, buf_slice(&b)))
            return true;
    return false;
}

bool etag_allows(const struct request *r, bool exists, uint64_t epoch, uint64_t config)
{
    if (r->if_match.n &&
        !(exists && (any(r->if_match) || names_config(r->if_match, false, epoch, config))))
        return false;
    return !(r->if_none_match.n && exists &&
             (any(r->if_none_match) || names_config(r->if_none_match, true, epoch, config)));
}
