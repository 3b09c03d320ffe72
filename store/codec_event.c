// SPDX-License-Identifier: Apache-2.0
// The record of an event in the change log (its number is the table's key):
//
//   field     form
//   head      9 bytes, see codec.h
//   type      1 byte, enum store_event_type
//   at        int, ms since 1970
//   domain    text
//   username  text
//   gone      1 byte, enum binding_gone
//   object    of a binding event the binding, of a user event the user without its HA1s, of a
//             domain event the domain
#include "store/codec_parts.h"

static bool is_binding_event(enum store_event_type t)
{
    return t >= EVENT_BINDING_CREATED && t <= EVENT_BINDING_REMOVED;
}

static bool is_user_event(enum store_event_type t)
{
    return t >= EVENT_USER_CREATED && t <= EVENT_USER_DELETED;
}

void codec_put_event(struct buf *b, const struct store_event *e)
{
    codec_begin(b);
    enc_u8(b, e->type);
    enc_int(b, e->at_ms);
    enc_text(b, e->domain);
    enc_text(b, e->username);
    enc_u8(b, e->gone);
    if (is_binding_event(e->type))
        codec_put_binding(b, e->binding);
    else if (is_user_event(e->type))
        codec_put_user_body(b, e->user, false);
    else
        codec_put_domain_body(b, e->domain_object);
    codec_end(b);
}

bool codec_get_event(struct slice bytes, struct event_objects *objects, struct store_event *out)
{
    struct dec d;
    bool nomem = false;
    memset(out, 0, sizeof *out);
    if (!codec_open(bytes, &d))
        return false;
    unsigned type = dec_u8(&d);
    out->at_ms = dec_int(&d);
    out->domain = dec_text(&d);
    out->username = dec_text(&d);
    unsigned gone = dec_u8(&d);
    if (d.bad || type < EVENT_BINDING_CREATED || type > EVENT_DOMAIN_DELETED || gone > GONE_DELETED)
        return false;
    out->type = (enum store_event_type)type;
    out->gone = (enum binding_gone)gone;
    if (is_binding_event(out->type)) {
        codec_get_binding(&d, &objects->binding, objects->paths, NULL, &nomem);
        out->binding = &objects->binding;
    } else if (is_user_event(out->type)) {
        objects->user.domain = out->domain;
        codec_get_user_body(&d, &objects->user);
        out->user = &objects->user;
    } else {
        codec_get_domain_body(&d, &objects->domain);
        out->domain_object = &objects->domain;
    }
    return codec_done(&d);
}
