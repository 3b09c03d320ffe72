// SPDX-License-Identifier: Apache-2.0
// What all responses have in common: caching, compression, cross-origin headers.
//
// Compression and ETags: a strong ETag names the bytes of a representation, and a compressed one
// has others (RFC 9110 section 8.8.3.3). So the ETag of a compressed response gets "-gzip" before
// its closing quote, and conditions are read without that suffix: handlers see one ETag.
#include "api/exchange.h"
#include "api/gzip.h"

#define GZIP_MIN    1024
#define GZIP_MAX    (2u << 20) // larger ones would hold the HTTP thread for too long
#define GZIP_SUFFIX "-gzip"

// ---- What the client said ---------------------------------------------------------------------

// A copy of a condition's value without our suffix in any of its tags.
static struct slice without_suffix(struct exchange *ex, struct slice value)
{
    struct slice mark = SLICE(GZIP_SUFFIX "\"");
    char *p = value.n ? arena_alloc(&ex->r.arena, value.n) : NULL;
    size_t n = 0;
    if (!p)
        return value;
    while (value.n) {
        if (slice_starts(value, mark)) {
            value = slice_from(value, mark.n - 1);
            ex->tag_was_gzip = true;
        }
        p[n++] = value.p[0];
        value = slice_from(value, 1);
    }
    return slice_of(p, n);
}

void response_prepare(struct exchange *ex)
{
    struct request *r = &ex->r;
    ex->gzip_ok = gzip_accepted(ex->head.accept_encoding);
    r->if_match = without_suffix(ex, r->if_match);
    ex->tag_was_gzip = false;
    r->if_none_match = without_suffix(ex, r->if_none_match);
}

// ---- Headers ----------------------------------------------------------------------------------

static bool has_header(const struct exchange *ex, const char *name)
{
    for (const struct response_header *h = ex->headers; h; h = h->next)
        if (slice_ieq(slice_str(h->name), slice_str(name)))
            return true;
    return false;
}

struct slice response_body(const struct exchange *ex)
{
    if (ex->body_kind == BODY_OUT)
        return text_slice(&ex->r.out);
    return ex->body_kind == BODY_SLICE ? ex->body_out : SLICE_NONE;
}

static bool is_compressible(const char *content_type)
{
    struct slice type = slice_str(content_type);
    return slice_starts(type, SLICE("text/")) || slice_starts(type, SLICE("application/json")) ||
           slice_starts(type, SLICE("application/problem+json")) ||
           slice_starts(type, SLICE("application/yaml")) ||
           slice_starts(type, SLICE("application/javascript")) ||
           slice_starts(type, SLICE("image/svg+xml"));
}

// True when the body has been replaced by its compressed form.
static bool compress(struct exchange *ex)
{
    struct text packed;
    struct slice body = response_body(ex);
    if (!ex->gzip_ok || body.n > GZIP_MAX || has_header(ex, "Content-Encoding"))
        return false;
    text_init(&packed, RESPONSE_MAX);
    if (!gzip_text(body, &packed)) {
        text_free(&packed);
        return false;
    }
    text_free(&ex->r.out);
    ex->r.out = packed;
    ex->body_kind = BODY_OUT;
    respond_header(&ex->r, "Content-Encoding", SLICE("gzip"));
    return true;
}

static void put_etag(struct exchange *ex, bool packed)
{
    struct request *r = &ex->r;
    char text[128];
    struct buf b = buf_over(text, sizeof text);
    if (r->etag.n < 2)
        return;
    buf_put(&b, slice_upto(r->etag, r->etag.n - 1));
    if (packed || (ex->status == 304 && ex->tag_was_gzip && ex->gzip_ok))
        BUF_LIT(&b, GZIP_SUFFIX);
    BUF_LIT(&b, "\"");
    if (!b.full)
        respond_header(r, "ETag", buf_slice(&b));
}

// The Fetch standard's CORS protocol: an origin that is configured may read, and ask first.
static void put_cross_origin(struct exchange *ex, bool *varies)
{
    struct request *r = &ex->r;
    bool known = access_origin(r->api->access, ex->head.origin, varies);
    if (!known)
        return;
    respond_header(r, "Access-Control-Allow-Origin", ex->head.origin);
    if (r->method == HTTP_OPTIONS && ex->head.requested_method.n) {
        respond_header(r, "Access-Control-Allow-Methods",
                       SLICE("GET, HEAD, PUT, POST, PATCH, DELETE"));
        respond_header(r, "Access-Control-Allow-Headers",
                       SLICE("Authorization, Content-Type, If-Match, If-None-Match, "
                             "Last-Event-ID"));
        respond_header(r, "Access-Control-Max-Age", SLICE("600"));
        return;
    }
    respond_header(r, "Access-Control-Expose-Headers",
                   SLICE("ETag, Location, Retry-After, WWW-Authenticate"));
}

void response_complete(struct exchange *ex)
{
    struct request *r = &ex->r;
    bool by_origin = false;
    bool by_encoding =
        ex->content_type && is_compressible(ex->content_type) && response_body(ex).n >= GZIP_MIN;
    bool packed = by_encoding && compress(ex);
    by_encoding = by_encoding || (ex->status == 304 && r->etag.n);
    if (ex->content_type)
        respond_header(r, "Content-Type", slice_str(ex->content_type));
    put_etag(ex, packed);
    put_cross_origin(ex, &by_origin);
    if (by_encoding || by_origin)
        respond_header(r, "Vary",
                       !by_origin     ? SLICE("Accept-Encoding")
                       : !by_encoding ? SLICE("Origin")
                                      : SLICE("Accept-Encoding, Origin"));
    if (!has_header(ex, "Cache-Control"))
        respond_header(r, "Cache-Control", r->etag.n ? SLICE("no-cache") : SLICE("no-store"));
    respond_header(r, "X-Content-Type-Options", SLICE("nosniff"));
    if (r->location.n)
        respond_header(r, "Location", r->location);
    if (ex->close)
        respond_header(r, "Connection", SLICE("close"));
    // A success that lacks what had no room (its ETag, the word that it is packed) would be untrue
    ex->incomplete = ex->incomplete || (ex->status < 400 && r->arena.failed);
}
