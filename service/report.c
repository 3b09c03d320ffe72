// SPDX-License-Identifier: Apache-2.0
// What became of a REGISTER: a metric, a line in the log, an entry in the ring of attempts.
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "service/pipeline.h"

// Lines a second that failures may cause; what is held back is counted in the next one.
#define FAILURE_LINES_A_SECOND 100
#define RATE_LINES_A_SECOND    1

static struct slice aor_text(const struct request *r, char *out, size_t size)
{
    struct buf b = buf_over(out, size);
    BUF_LIT(&b, "sip:");
    buf_put(&b, r->op.username);
    BUF_LIT(&b, "@");
    buf_put(&b, r->op.domain);
    return r->op.domain.n ? buf_slice(&b) : r->sip.to.uri_text;
}

static void log_failure(struct pipeline *p, const struct request *r, unsigned status,
                        enum reason reason, const char *detail)
{
    char aor[USERNAME_MAX + DOMAIN_NAME_MAX + 8], source[ADDRESS_TEXT_MAX], via[ADDRESS_TEXT_MAX];
    char code[8], held[16];
    struct buf s = buf_over(source, sizeof source), v = buf_over(via, sizeof via);
    struct buf c = buf_over(code, sizeof code), h = buf_over(held, sizeof held);
    uint32_t suppressed;
    if (!log_gate_open(&p->failure_gate, p->now_ms, FAILURE_LINES_A_SECOND, &suppressed))
        return;
    // Who reads this line may shut the source out: behind an edge proxy that is the phone
    address_print(&s, &r->origin);
    if (!address_eq(&r->origin, &r->flow.remote))
        address_print(&v, &r->flow.remote);
    buf_u64(&c, status);
    buf_u64(&h, suppressed);
    // What may be spoofed does not stand where those who ban by the log look for it
    log_event(LOG_WARNING, reason_word(reason), detail ? detail : reason_text(reason),
              {"spoofable", r->proven ? SLICE_NONE : SLICE("yes")}, {"source", buf_slice(&s)},
              {"via", buf_slice(&v)}, {"transport", slice_str(transport_name(r->flow.transport))},
              {"aor", aor_text(r, aor, sizeof aor)}, {"status", buf_slice(&c)},
              {"suppressed", buf_slice(&h)});
}

static void remember(struct pipeline *p, const struct request *r, unsigned status,
                     enum reason reason, bool known, const char *detail)
{
    struct attempt a = {.first_at_ms = p->now_ms,
                        .at_ms = p->now_ms,
                        .count = 1,
                        .status = (uint16_t)status,
                        .reason = (uint8_t)reason,
                        .transport = r->flow.transport,
                        .known = known,
                        .source = r->flow.remote,
                        .domain = r->op.domain,
                        .username = r->op.username,
                        .user_agent = r->sip.user_agent,
                        .detail = slice_str(detail ? detail : reason_text(reason))};
    if (r->op.domain.n)
        attempts_add(p->config.attempts, &a);
}

void report_register(struct pipeline *p, struct request *r, unsigned status, enum reason reason,
                     bool known, const char *detail)
{
    metric_add(METRIC_REGISTERS, (unsigned)reason * TRANSPORT_COUNT + r->flow.transport, 1);
    if (reason == REASON_CHALLENGED)
        return;
    histogram_observe_us(HISTOGRAM_REGISTER, (uint64_t)(clock_mono_us() - r->received_us));
    if (reason == REASON_OK) {
        if (r->answer.changed || log_wants(LOG_DEBUG))
            remember(p, r, status, reason, known, detail);
        return;
    }
    // An expired nonce is the everyday way to a new one: shown to whoever asks, but no event
    if (reason != REASON_STALE_NONCE) {
        metric_add(METRIC_SECURITY_EVENTS, (unsigned)reason, 1);
        log_failure(p, r, status, reason, detail);
    }
    remember(p, r, status, reason, known, detail);
}

void report_success_after_failures(struct pipeline *p, struct request *r)
{
    metric_add(METRIC_SECURITY_EVENTS, REASON_SUCCESS_AFTER_FAILURES, 1);
    log_failure(p, r, 200, REASON_SUCCESS_AFTER_FAILURES, NULL);
}

void report_rate_limited(struct pipeline *p, struct slice source)
{
    char held[16];
    struct buf h = buf_over(held, sizeof held);
    uint32_t suppressed;
    metric_add(METRIC_SECURITY_EVENTS, REASON_RATE_LIMITED, 1);
    if (!log_gate_open(&p->rate_gate, p->now_ms, RATE_LINES_A_SECOND, &suppressed))
        return;
    buf_u64(&h, suppressed);
    log_event(LOG_WARNING, reason_word(REASON_RATE_LIMITED), reason_text(REASON_RATE_LIMITED),
              {"spoofable", SLICE("yes")}, {"source", source}, {"suppressed", buf_slice(&h)});
}
