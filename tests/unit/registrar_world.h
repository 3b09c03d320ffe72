// SPDX-License-Identifier: Apache-2.0
// For tests of the registrar's decision: one AoR, its bindings, a policy and a clock. REGISTERs are
// given as the text of their headers and go through the parser, so that what is decided on is what
// arrives.
#pragma once

#include "service/registrar/registrar.h"
#include "tests/unit/sip_parsed.h"

#define WORLD_REQUESTS 128

struct world {
    struct arena arena;
    struct reg_policy policy;
    int64_t now_ms;
    struct binding_set set; // what is registered
    uint64_t last_id;
    struct address source, received;
    bool behind_proxy; // the request came over another hop
    int64_t nonce_time_ms;
    struct reg_answer answer;        // of the last request
    unsigned gone[GONE_DELETED + 1]; // how many left with the last request, by reason
    struct parsed *requests[WORLD_REQUESTS];
    size_t n_requests;
    char shown[4096];
};

#define WORLD_NOW 1000000000000

static inline void world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->arena, NULL, 0, 1 << 24);
    w->policy = (struct reg_policy){
        .min_expires = 60, .default_expires = 3600, .max_expires = 7200, .max_bindings = 10};
    w->now_ms = WORLD_NOW;
    assert_true(address_parse(SLICE("192.0.2.1"), &w->source));
    w->source.port = 5060;
}

static inline void world_close(struct world *w)
{
    for (size_t i = 0; i < w->n_requests; i++)
        parsed_free(w->requests[i]);
    arena_reset(&w->arena);
}

static inline struct reg_request world_request(struct world *w, const struct sip_request *sip)
{
    return (struct reg_request){
        .contacts = sip->contacts,
        .n_contacts = sip->n_contacts,
        .star = sip->star,
        .has_expires = sip->has_expires,
        .expires = sip->expires,
        .call_id = sip->call_id,
        .cseq = sip->cseq,
        .path = sip->path,
        .n_paths = sip->n_paths,
        .supported = sip->supported,
        .required = sip->required,
        .first_hop = !w->behind_proxy,
        .source = w->source,
        .received = w->received,
        .flow = 77,
        .user_agent = sip->user_agent,
        .nonce_time_ms = w->nonce_time_ms,
    };
}

// What a store does with a decision to write: those that leave are counted, new ones get an id.
static inline void world_write(struct world *w, struct binding_set *next)
{
    size_t n = 0;
    for (size_t i = 0; i < next->n; i++) {
        struct binding *b = &next->items[i];
        if (b->gone) {
            w->gone[b->gone] += b->id != 0;
            continue;
        }
        if (!b->id)
            b->id = ++w->last_id;
        next->items[n++] = *b;
    }
    next->n = n;
    w->set = *next;
}

static inline struct sip_request *world_parse(struct world *w, const char *call_id, uint32_t cseq,
                                              const char *headers)
{
    char text[16384];
    int n = snprintf(text, sizeof text,
                     "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
                     "From: <sip:a@example.com>;tag=f\r\nTo: <sip:a@example.com>\r\n"
                     "Call-ID: %s\r\nCSeq: %u REGISTER\r\n%s%sContent-Length: 0\r\n\r\n",
                     call_id, cseq, headers, *headers ? "\r\n" : "");
    assert_in_range(n, 1, sizeof text - 1);
    assert_true(w->n_requests < WORLD_REQUESTS);
    struct parsed *p = parse_slice(slice_of(text, (size_t)n));
    if (p->result != SIP_PARSED)
        fail_msg("\"%s\" does not parse: %.*s", headers, SLICE_FMT(p->fault.phrase));
    w->requests[w->n_requests++] = p;
    return &p->req;
}

// Sends a REGISTER; the status of its response. A refusal must leave everything as it was.
static inline unsigned reg(struct world *w, const char *call_id, uint32_t cseq, const char *headers)
{
    struct reg_request req = world_request(w, world_parse(w, call_id, cseq, headers));
    struct binding before[BINDINGS_MAX];
    struct binding_set next;
    assert_true(w->set.n <= BINDINGS_MAX);
    if (w->set.n)
        memcpy(before, w->set.items, w->set.n * sizeof *before);
    assert_true(
        registrar_decide(&req, &w->set, &w->policy, w->now_ms, &w->arena, &next, &w->answer));
    assert_memory_equal(before, w->set.items, w->set.n * sizeof *before);
    memset(w->gone, 0, sizeof w->gone);
    if (w->answer.status == 200 && w->answer.changed)
        world_write(w, &next);
    if (w->answer.status != 200)
        assert_false(w->answer.changed);
    return w->answer.status;
}

// "sip:a@h=3600 sip:b@h=60": the bindings with the seconds they have left, the own one with '*'.
static inline const char *shown(struct world *w)
{
    struct buf b = buf_over(w->shown, sizeof w->shown - 1);
    for (size_t i = 0; i < w->set.n; i++) {
        int64_t left = w->set.items[i].expires_at_ms - w->now_ms;
        if (i)
            buf_byte(&b, ' ');
        if (w->answer.own == (int)i)
            buf_byte(&b, '*');
        buf_put(&b, w->set.items[i].contact);
        buf_byte(&b, '=');
        buf_i64(&b, (left + 999) / 1000);
    }
    w->shown[b.n] = '\0';
    return w->shown;
}
