// SPDX-License-Identifier: Apache-2.0
// The head of every record, and the record of an AoR:
//
//   field               form
//   head                9 bytes, see codec.h
//   domain              text
//   key                 text, the user's key
//   incarnation         num
//   last_registered_at  int, ms since 1970, 0 for never
//   presence            num
//   version             num
//   n                   num, at most BINDINGS_MAX; 0 is a tombstone
//   bindings            n times the fields of codec_put_binding()
#include "store/codec.h"

#include "base/checksum.h"
#include "store/codec_parts.h"

void codec_begin(struct buf *b)
{
    static const char head[CODEC_HEAD] = {CODEC_FORMAT};
    buf_put(b, slice_of(head, sizeof head));
}

void codec_end(struct buf *b)
{
    if (b->full || b->n > CODEC_RECORD_MAX) {
        b->full = true;
        return;
    }
    uint64_t sum = checksum64(slice_of(b->p + CODEC_HEAD, b->n - CODEC_HEAD));
    memcpy(b->p + 1, &sum, sizeof sum);
}

bool codec_checksum_holds(struct slice bytes)
{
    uint64_t sum;
    if (bytes.n < CODEC_HEAD || bytes.p[0] != CODEC_FORMAT)
        return false;
    memcpy(&sum, bytes.p + 1, sizeof sum);
    return sum == checksum64(slice_from(bytes, CODEC_HEAD));
}

static struct dec dec_body(struct slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    return (struct dec){p + CODEC_HEAD, p + bytes.n, false};
}

bool codec_open(struct slice bytes, struct dec *d)
{
    if (!codec_checksum_holds(bytes))
        return false;
    *d = dec_body(bytes);
    return true;
}

void codec_put_aor(struct buf *b, const struct aor_record *r)
{
    codec_begin(b);
    enc_text(b, r->domain);
    enc_text(b, r->key);
    enc_num(b, r->incarnation);
    enc_int(b, r->last_registered_at_ms);
    enc_num(b, r->presence);
    enc_num(b, r->version);
    enc_num(b, r->set.n);
    for (size_t i = 0; i < r->set.n; i++)
        codec_put_binding(b, &r->set.items[i]);
    codec_end(b);
}

// Up to and without the bindings; returns how many there are.
static size_t get_aor_head(struct dec *d, struct aor_record *out)
{
    out->domain = dec_text(d);
    out->key = dec_text(d);
    out->incarnation = dec_num(d);
    out->last_registered_at_ms = dec_int(d);
    out->presence = dec_num(d);
    out->version = dec_num(d);
    if (out->domain.n > DOMAIN_NAME_MAX || out->key.n > USERNAME_MAX)
        d->bad = true;
    return (size_t)dec_upto(d, BINDINGS_MAX);
}

bool codec_is_aor(struct slice bytes, struct slice domain, struct slice key)
{
    if (bytes.n < CODEC_HEAD || bytes.p[0] != CODEC_FORMAT)
        return false;
    struct dec d = dec_body(bytes);
    return slice_eq(dec_text(&d), domain) && slice_eq(dec_text(&d), key) && !d.bad;
}

bool codec_peek_aor(struct slice bytes, struct aor_record *out)
{
    if (bytes.n < CODEC_HEAD || bytes.p[0] != CODEC_FORMAT)
        return false;
    struct dec d = dec_body(bytes);
    out->set = (struct binding_set){NULL, get_aor_head(&d, out)};
    return !d.bad;
}

enum codec_result codec_get_aor(struct slice bytes, struct arena *arena, struct aor_record *out)
{
    struct dec d;
    bool nomem = false;
    if (!codec_open(bytes, &d))
        return CODEC_DAMAGED;
    size_t n = get_aor_head(&d, out);
    out->set = (struct binding_set){NULL, 0};
    if (d.bad)
        return CODEC_DAMAGED;
    if (n && !(out->set.items = arena_alloc(arena, n * sizeof *out->set.items)))
        return CODEC_NOMEM;
    for (size_t i = 0; i < n && !d.bad; i++)
        codec_get_binding(&d, &out->set.items[i], NULL, arena, &nomem);
    out->set.n = n;
    if (nomem)
        return CODEC_NOMEM;
    return codec_done(&d) ? CODEC_OK : CODEC_DAMAGED;
}

bool codec_glance_aor(struct slice bytes, struct aor_record *out, unsigned *n,
                      int64_t *next_expiry_ms, uint64_t by_transport[TRANSPORT_COUNT])
{
    struct dec d;
    struct binding x;
    struct slice paths[PATHS_MAX];
    bool nomem = false;
    if (!codec_open(bytes, &d))
        return false;
    *n = (unsigned)get_aor_head(&d, out);
    *next_expiry_ms = INT64_MAX;
    for (unsigned i = 0; i < *n && !d.bad; i++) {
        codec_get_binding(&d, &x, paths, NULL, &nomem);
        if (!d.bad && x.expires_at_ms < *next_expiry_ms)
            *next_expiry_ms = x.expires_at_ms;
        if (!d.bad && by_transport)
            by_transport[x.transport]++;
    }
    return codec_done(&d);
}
