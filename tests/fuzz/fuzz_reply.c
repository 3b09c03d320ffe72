// SPDX-License-Identifier: Apache-2.0
// What is accepted is put into a message again as a response would carry it, and must read the
// same: Vias, To, From, Call-ID, CSeq, and the Contacts as a registration keeps them.
#include "service/sip/message.h"
#include "service/sip/reply.h"
#include "tests/fuzz/fuzz.h"

static struct sip_request req, again;

static void put_message(struct buf *b, const struct address *source)
{
    static char reply[1 << 17];
    struct buf r = buf_over(reply, sizeof reply);
    reply_begin(&r, &req, 200, SLICE_NONE, source, SLICE("t"));
    HOLD(!r.full);
    buf_put(b, req.method_text);
    buf_byte(b, ' ');
    buf_put(b, req.ruri_text);
    BUF_LIT(b, " SIP/2.0");
    buf_put(b, slice_from(buf_slice(&r), slice_find(buf_slice(&r), '\r')));
    for (size_t i = 0; i < req.n_contacts; i++) {
        BUF_LIT(b, "Contact: <");
        buf_put(b, req.contacts[i].addr.uri_text);
        BUF_LIT(b, ">");
        buf_put(b, req.contacts[i].params);
        BUF_LIT(b, ";expires=60\r\n");
    }
    for (size_t i = 0; i < req.n_paths; i++)
        reply_header(b, SLICE("Path"), req.path[i]);
    reply_end(b);
}

static void compare(const struct address *source)
{
    struct address host;
    HOLD(again.method == req.method && again.cseq == req.cseq && again.n_vias == req.n_vias);
    HOLD(slice_eq(again.from.text, req.from.text) && slice_eq(again.from.tag, req.from.tag));
    HOLD(slice_eq(again.to.uri_text, req.to.uri_text));
    HOLD(slice_eq(again.to.tag, req.to.tag.n ? req.to.tag : SLICE("t")));
    HOLD(slice_eq(again.call_id, req.call_id));
    HOLD(slice_eq(again.via[0].branch, req.via[0].branch) && again.via[0].port == req.via[0].port);
    HOLD(slice_eq(again.via[0].host, req.via[0].host) && again.via[0].rport == req.via[0].rport);
    if (req.via[0].rport)
        HOLD(address_parse(again.via[0].received, &host) && address_same_host(&host, source) &&
             again.via[0].rport_value == source->port);
    for (size_t i = 1; i < req.n_vias; i++)
        HOLD(slice_eq(again.via[i].text, req.via[i].text));
    HOLD(again.n_contacts == req.n_contacts && again.n_paths == req.n_paths);
    for (size_t i = 0; i < req.n_contacts; i++) {
        const struct sip_contact *a = &req.contacts[i], *b = &again.contacts[i];
        HOLD(slice_eq(a->addr.uri_text, b->addr.uri_text) && slice_eq(a->params, b->params));
        HOLD(slice_eq(a->instance, b->instance) && a->reg_id == b->reg_id && b->expires == 60);
    }
    for (size_t i = 0; i < req.n_paths; i++)
        HOLD(slice_eq(req.path[i], again.path[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char message[1 << 17];
    struct sip_fault fault = {0};
    struct arena arena;
    struct address source;
    sip_parse_setup();
    HOLD(address_parse(SLICE("192.0.2.77"), &source));
    source.port = 4711;
    arena_init(&arena, NULL, 0, 1 << 20);
    if (sip_parse(input(data, size), &arena, &req, &fault) == SIP_PARSED) {
        struct buf b = buf_over(message, sizeof message);
        put_message(&b, &source);
        HOLD(!b.full);
        // a list that became lines, or a value that grew, may meet a limit, nothing else
        if (sip_parse(buf_slice(&b), &arena, &again, &fault) == SIP_PARSED)
            compare(&source);
        else
            HOLD(fault.status == 513 && fault.limit_known);
    }
    arena_reset(&arena);
    return 0;
}
