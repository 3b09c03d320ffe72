// SPDX-License-Identifier: Apache-2.0
// The record of a domain:
//
//   field             form
//   head              9 bytes, see codec.h
//   name, realm       texts
//   n_aliases         num, at most ALIASES_MAX, then as many texts
//   n_algorithms      num, at most ALGORITHM_COUNT, then 1 byte each
//   flags             1 byte: 1 case-insensitive users, 2 closing
//   min_expires, default_expires, max_expires, max_bindings
//                     ints of 32 bits, -1 for as configured
//   n_service_routes  num, at most SERVICE_ROUTES_MAX, then as many texts
//   incarnation, version
//                     nums
//   created_at, updated_at
//                     ints, ms since 1970
#include "store/codec_parts.h"

enum { DOMAIN_CASE_INSENSITIVE = 1, DOMAIN_CLOSING = 2, DOMAIN_FLAGS = 3 };

void codec_put_domain_body(struct buf *b, const struct domain *x)
{
    enc_text(b, x->name);
    enc_text(b, x->realm);
    enc_num(b, x->n_aliases);
    for (unsigned i = 0; i < x->n_aliases; i++)
        enc_text(b, x->aliases[i]);
    enc_num(b, x->n_algorithms);
    for (unsigned i = 0; i < x->n_algorithms; i++)
        enc_u8(b, x->algorithms[i]);
    enc_u8(b, (x->case_insensitive_users ? DOMAIN_CASE_INSENSITIVE : 0u) |
                  (x->closing ? DOMAIN_CLOSING : 0u));
    enc_int(b, x->min_expires);
    enc_int(b, x->default_expires);
    enc_int(b, x->max_expires);
    enc_int(b, x->max_bindings);
    enc_num(b, x->n_service_routes);
    for (unsigned i = 0; i < x->n_service_routes; i++)
        enc_text(b, x->service_route[i]);
    enc_num(b, x->incarnation);
    enc_num(b, x->version);
    enc_int(b, x->created_at_ms);
    enc_int(b, x->updated_at_ms);
}

static int32_t dec_i32(struct dec *d)
{
    int64_t v = dec_int(d);
    if (v < INT32_MIN || v > INT32_MAX)
        d->bad = true;
    return (int32_t)v;
}

void codec_get_domain_body(struct dec *d, struct domain *x)
{
    x->name = dec_text(d);
    x->realm = dec_text(d);
    x->n_aliases = (uint8_t)dec_upto(d, ALIASES_MAX);
    for (unsigned i = 0; i < x->n_aliases; i++)
        x->aliases[i] = dec_text(d);
    x->n_algorithms = (uint8_t)dec_upto(d, ALGORITHM_COUNT);
    for (unsigned i = 0; i < x->n_algorithms; i++) {
        x->algorithms[i] = (uint8_t)dec_u8(d);
        if (x->algorithms[i] >= ALGORITHM_COUNT)
            d->bad = true;
    }
    unsigned flags = dec_u8(d);
    x->case_insensitive_users = flags & DOMAIN_CASE_INSENSITIVE;
    x->closing = flags & DOMAIN_CLOSING;
    x->min_expires = dec_i32(d);
    x->default_expires = dec_i32(d);
    x->max_expires = dec_i32(d);
    x->max_bindings = dec_i32(d);
    x->n_service_routes = (uint8_t)dec_upto(d, SERVICE_ROUTES_MAX);
    for (unsigned i = 0; i < x->n_service_routes; i++)
        x->service_route[i] = dec_text(d);
    x->incarnation = dec_num(d);
    x->version = dec_num(d);
    x->created_at_ms = dec_int(d);
    x->updated_at_ms = dec_int(d);
    if (flags & ~(unsigned)DOMAIN_FLAGS || x->name.n > DOMAIN_NAME_MAX)
        d->bad = true;
}

void codec_put_domain(struct buf *b, const struct domain *d)
{
    codec_begin(b);
    codec_put_domain_body(b, d);
    codec_end(b);
}

bool codec_get_domain(struct slice bytes, struct domain *out)
{
    struct dec d;
    if (!codec_open(bytes, &d))
        return false;
    codec_get_domain_body(&d, out);
    return codec_done(&d);
}
