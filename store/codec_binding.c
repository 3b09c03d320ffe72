// SPDX-License-Identifier: Apache-2.0
// A binding's fields inside a record:
//
//   field         form
//   id            num
//   contact       text
//   params        text
//   q             int, thousandths, -1 for none
//   transport     1 byte
//   flags         1 byte
//   refreshed_at  int, ms since 1970
//   expires_at    int, ms after refreshed_at
//   registered_at int, ms before refreshed_at
//   nonce_time    int, ms before refreshed_at
//   call_id       text
//   cseq          num, 32 bits
//   reg_id        num, 32 bits
//   instance      text
//   n_paths       num, at most PATHS_MAX
//   paths         n_paths texts
//   source        address
//   received      address
//   flow          num
//   user_agent    text
//
// An address: family (1 byte: 0, 4, 6), then for 4 four and for 6 sixteen bytes of IP and the port
// as two bytes, least significant first.
#include "store/codec_parts.h"

static void put_address(struct buf *b, const struct address *a)
{
    enc_u8(b, a->family);
    if (a->family == 4)
        buf_put(b, slice_of((const char *)a->ip + 12, 4));
    else if (a->family == 6)
        buf_put(b, slice_of((const char *)a->ip, 16));
    if (a->family) {
        enc_u8(b, a->port & 0xff);
        enc_u8(b, a->port >> 8);
    }
}

static void get_address(struct dec *d, struct address *a)
{
    memset(a, 0, sizeof *a);
    a->family = (uint8_t)dec_u8(d);
    if (a->family == 0)
        return;
    if (a->family != 4 && a->family != 6) {
        d->bad = true;
        return;
    }
    struct slice ip = dec_bytes(d, a->family == 4 ? 4 : 16);
    if (ip.n == 4) {
        a->ip[10] = a->ip[11] = 0xff;
        memcpy(a->ip + 12, ip.p, 4);
    } else if (ip.n == 16) {
        memcpy(a->ip, ip.p, 16);
    }
    unsigned low = dec_u8(d);
    a->port = (uint16_t)(low | dec_u8(d) << 8);
}

// Two's complement, so that any pair of times comes back as it was.
static int64_t apart(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

void codec_put_binding(struct buf *b, const struct binding *x)
{
    enc_num(b, x->id);
    enc_text(b, x->contact);
    enc_text(b, x->params);
    enc_int(b, x->q);
    enc_u8(b, x->transport);
    enc_u8(b, x->flags);
    enc_int(b, x->refreshed_at_ms);
    enc_int(b, apart(x->expires_at_ms, x->refreshed_at_ms));
    enc_int(b, apart(x->refreshed_at_ms, x->registered_at_ms));
    enc_int(b, apart(x->refreshed_at_ms, x->nonce_time_ms));
    enc_text(b, x->call_id);
    enc_num(b, x->cseq);
    enc_num(b, x->reg_id);
    enc_text(b, x->instance);
    enc_num(b, x->n_paths);
    for (unsigned i = 0; i < x->n_paths; i++)
        enc_text(b, x->path[i]);
    put_address(b, &x->source);
    put_address(b, &x->received);
    enc_num(b, x->flow);
    enc_text(b, x->user_agent);
}

static void get_paths(struct dec *d, struct binding *x, struct slice *paths, struct arena *arena,
                      bool *nomem)
{
    x->n_paths = (uint8_t)dec_upto(d, PATHS_MAX);
    x->path = paths;
    if (x->n_paths && !paths) {
        x->path = arena_alloc(arena, x->n_paths * sizeof *x->path);
        if (!x->path) {
            *nomem = d->bad = true;
            return;
        }
    }
    for (unsigned i = 0; i < x->n_paths; i++)
        x->path[i] = dec_text(d);
}

void codec_get_binding(struct dec *d, struct binding *x, struct slice *paths, struct arena *arena,
                       bool *nomem)
{
    x->id = dec_num(d);
    x->contact = dec_text(d);
    x->params = dec_text(d);
    int64_t q = dec_int(d);
    x->q = (int16_t)q;
    x->transport = (uint8_t)dec_u8(d);
    x->flags = (uint8_t)dec_u8(d);
    x->gone = GONE_NO;
    if (q < -1 || q > 1000 || x->transport >= TRANSPORT_COUNT)
        d->bad = true;
    x->refreshed_at_ms = dec_int(d);
    x->expires_at_ms = (int64_t)((uint64_t)x->refreshed_at_ms + (uint64_t)dec_int(d));
    x->registered_at_ms = apart(x->refreshed_at_ms, dec_int(d));
    x->nonce_time_ms = apart(x->refreshed_at_ms, dec_int(d));
    x->call_id = dec_text(d);
    x->cseq = (uint32_t)dec_upto(d, UINT32_MAX);
    x->reg_id = (uint32_t)dec_upto(d, UINT32_MAX);
    x->instance = dec_text(d);
    get_paths(d, x, paths, arena, nomem);
    get_address(d, &x->source);
    get_address(d, &x->received);
    x->flow = dec_num(d);
    x->user_agent = dec_text(d);
}
