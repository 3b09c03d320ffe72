// SPDX-License-Identifier: Apache-2.0
// The record of a user (its domain and key stand in the table's key):
//
//   field               form
//   head                9 bytes, see codec.h
//   username            text
//   auth_username       text
//   display_name        text
//   flags               1 byte: 1 enabled, 2 has max_bindings, 4 HA1s follow `have`
//   max_bindings        num, 16 bits
//   n_labels            num, at most LABELS_MAX
//   labels              n_labels times key and value, texts
//   have                1 byte, a bit per enum algorithm
//   HA1s                where flags has 4: 16 or 32 bytes for each bit of `have`
//   credentials_set_at  int, ms since 1970
//   incarnation         num
//   version             num
//   created_at          int, ms since 1970
//   updated_at          int, ms since 1970
//   last_registered_at  int, ms since 1970, 0 for never
#include "store/codec_parts.h"

enum { USER_ENABLED = 1, USER_HAS_MAX = 2, USER_HAS_HA1 = 4, USER_FLAGS = 7 };

void codec_put_user_body(struct buf *b, const struct user *u, bool with_secrets)
{
    enc_text(b, u->username);
    enc_text(b, u->auth_username);
    enc_text(b, u->display_name);
    enc_u8(b, (u->enabled ? USER_ENABLED : 0u) | (u->has_max_bindings ? USER_HAS_MAX : 0u) |
                  (with_secrets ? USER_HAS_HA1 : 0u));
    enc_num(b, u->max_bindings);
    enc_num(b, u->n_labels);
    for (unsigned i = 0; i < u->n_labels; i++) {
        enc_text(b, u->labels[i].key);
        enc_text(b, u->labels[i].value);
    }
    enc_u8(b, u->credentials.have);
    for (unsigned a = 0; with_secrets && a < ALGORITHM_COUNT; a++)
        if (u->credentials.have & 1u << a)
            buf_put(b, slice_of((const char *)u->credentials.ha1[a],
                                algorithm_size((enum algorithm)a)));
    enc_int(b, u->credentials_set_at_ms);
    enc_num(b, u->incarnation);
    enc_num(b, u->version);
    enc_int(b, u->created_at_ms);
    enc_int(b, u->updated_at_ms);
    enc_int(b, u->last_registered_at_ms);
}

static void get_credentials(struct dec *d, struct credentials *c, bool with_secrets)
{
    memset(c, 0, sizeof *c);
    c->have = (uint8_t)dec_u8(d);
    if (c->have >> ALGORITHM_COUNT)
        d->bad = true;
    for (unsigned a = 0; with_secrets && a < ALGORITHM_COUNT; a++) {
        if (!(c->have & 1u << a))
            continue;
        struct slice ha1 = dec_bytes(d, algorithm_size((enum algorithm)a));
        if (ha1.n)
            memcpy(c->ha1[a], ha1.p, ha1.n);
    }
}

// Labels beyond n_labels are left as they were: clearing a kilobyte would cost more than the rest.
void codec_get_user_body(struct dec *d, struct user *u)
{
    u->username = dec_text(d);
    u->auth_username = dec_text(d);
    u->display_name = dec_text(d);
    unsigned flags = dec_u8(d);
    u->enabled = flags & USER_ENABLED;
    u->has_max_bindings = flags & USER_HAS_MAX;
    u->max_bindings = (uint16_t)dec_upto(d, UINT16_MAX);
    u->n_labels = (uint8_t)dec_upto(d, LABELS_MAX);
    for (unsigned i = 0; i < u->n_labels; i++) {
        u->labels[i].key = dec_text(d);
        u->labels[i].value = dec_text(d);
    }
    get_credentials(d, &u->credentials, flags & USER_HAS_HA1);
    u->credentials_set_at_ms = dec_int(d);
    u->incarnation = dec_num(d);
    u->version = dec_num(d);
    u->created_at_ms = dec_int(d);
    u->updated_at_ms = dec_int(d);
    u->last_registered_at_ms = dec_int(d);
    if (flags & ~(unsigned)USER_FLAGS || u->username.n > USERNAME_MAX)
        d->bad = true;
}

void codec_put_user(struct buf *b, const struct user *u)
{
    codec_begin(b);
    codec_put_user_body(b, u, true);
    codec_end(b);
}

bool codec_get_user(struct slice bytes, struct slice domain, struct user *out)
{
    struct dec d;
    if (!codec_open(bytes, &d))
        return false;
    out->domain = domain;
    codec_get_user_body(&d, out);
    return codec_done(&d);
}
