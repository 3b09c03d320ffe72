// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message. What is accepted keeps to the limits and to its own bytes.
#include "service/sip/message.h"
#include "service/sip/reply.h"
#include "tests/fuzz/fuzz.h"

static struct sip_request req, peeked;

static void check(struct slice bytes)
{
    HOLD(req.raw.p >= bytes.p && req.raw.p + req.raw.n <= bytes.p + bytes.n);
    HOLD(req.n_vias >= 1 && req.n_vias <= SIP_VIAS_MAX && req.n_contacts <= SIP_CONTACTS_MAX);
    HOLD(req.call_id.n && req.from.text.n && req.to.text.n && req.ruri_ok);
    HOLD(!req.star || req.n_contacts == 0);
    for (size_t i = 0; i < req.n_vias; i++)
        HOLD(req.via[i].host.n && req.via[i].transport.n);
    for (size_t i = 0; i < req.n_contacts; i++) {
        const struct sip_contact *c = &req.contacts[i];
        struct sip_uri again;
        HOLD(sip_uri_parse(c->addr.uri_text, &again) && sip_uri_equal(&again, &c->addr.uri));
        HOLD(c->q >= -1 && c->q <= 1000 && (!c->has_reg_id || c->reg_id > 0));
    }
}

// A refusal from a peek is that from the whole.
static void check_peek(struct slice bytes, const struct address *source, bool parsed)
{
    static char a[1 << 17], b[1 << 17];
    if (!sip_peek_unauthorized(bytes, &peeked))
        return;
    struct buf from_peek = buf_over(a, sizeof a), from_parse = buf_over(b, sizeof b);
    reply_begin(&from_peek, &peeked, 503, SLICE_NONE, source, SLICE("t"));
    reply_begin(&from_parse, &req, 503, SLICE_NONE, source, SLICE("t"));
    HOLD(!from_peek.full);
    HOLD(!parsed || req.n_authorizations == 0);
    HOLD(!parsed || slice_eq(buf_slice(&from_peek), buf_slice(&from_parse)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[1 << 17];
    struct sip_fault fault = {0};
    struct arena arena;
    struct address source = {.family = 4, .port = 5060};
    sip_parse_setup();
    arena_init(&arena, NULL, 0, 1 << 20);
    enum sip_parsed result = sip_parse(input(data, size), &arena, &req, &fault);
    if (result == SIP_PARSED)
        check(input(data, size));
    check_peek(input(data, size), &source, result == SIP_PARSED);
    if (result == SIP_PARSED || (result == SIP_FAULTY && fault.answerable)) {
        struct buf b = buf_over(out, sizeof out);
        reply_begin(&b, &req, result == SIP_PARSED ? 200 : fault.status, fault.phrase, &source,
                    SLICE("t"));
        reply_end(&b);
        HOLD(!b.full);
        reply_destination(&req, &source, true, &source);
    }
    if (result == SIP_FAULTY)
        HOLD(fault.status >= 400 && fault.phrase.n && !arena.failed);
    arena_reset(&arena);
    return 0;
}
