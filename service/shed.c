// SPDX-License-Identifier: Apache-2.0
// What a storm is refused: told before the parse, answered without a transaction or the store.
#include "base/metrics.h"
#include "service/pipeline.h"

// The request line and the topmost Via: its branch tells requests apart, and a retransmission has
// the same (RFC 3261 section 17.2.3).
#define IDENTIFYING_BYTES 256

// A disk that stands still for a moment is not too much to do: what fits the commit under way and
// the next is late, no more. When it has got too old, none is taken.
static int64_t too_much_for_the_store_ms(const struct pipeline *p)
{
    int64_t stalled = pipeline_stalled_ms(p);
    if (p->n_pending > p->config.pending_max / 2)
        return pipeline_pending_ms(p);
    return stalled > OVERLOAD_REFUSE_MS ? stalled : 0;
}

void pipeline_begin(struct pipeline *p)
{
    bool was = p->overload.overloaded;
    p->signs.store_ms = too_much_for_the_store_ms(p);
    overload_update(&p->overload, &p->signs, p->now_ms);
    p->signs = (struct overload_signs){0};
    if (p->overload.overloaded != was)
        log_event(LOG_WARNING, was ? "overload_ended" : "overloaded",
                  was ? "all requests are taken again"
                      : "a share of new challenges is refused, refreshes go first");
}

static uint64_t identity(const struct pipeline *p, const struct request *r)
{
    return hash64(p->tag_key, slice_upto(r->bytes, IDENTIFYING_BYTES));
}

bool shed_challenge(struct pipeline *p, const struct request *r, enum reason reason)
{
    if (!p->overload.shed || (reason != REASON_CHALLENGED && reason != REASON_STALE_NONCE) ||
        !overload_sheds(&p->overload, identity(p, r), r->sifted))
        return false;
    if (r->flow.transport == TRANSPORT_UDP)
        overload_away(&p->overload);
    return true;
}

bool shed_take(struct pipeline *p, struct request *r)
{
    if (r->flow.transport == TRANSPORT_UDP && p->signs.queue_ms > OVERLOAD_STALE_MS) {
        metric_add(METRIC_DROPPED, DROP_OVERLOAD, 1);
        return true;
    }
    uint64_t hash = identity(p, r);
    if (!overload_sheds(&p->overload, hash, r->sifted) || r->too_large || r->unframed ||
        !sip_peek_unauthorized(r->bytes, &r->sip))
        return false;
    metric_add(METRIC_REQUESTS, SIP_REGISTER, 1);
    // Nobody sends again on a stream, so there each is answered
    if (r->flow.transport == TRANSPORT_UDP && !overload_refused(&p->overload)) {
        metric_add(METRIC_DROPPED, DROP_OVERLOAD, 1);
        return true;
    }
    metric_add(METRIC_REGISTERS, (unsigned)REASON_OVERLOADED * TRANSPORT_COUNT + r->flow.transport,
               1);
    answer_overloaded(p, r, hash);
    return true;
}
