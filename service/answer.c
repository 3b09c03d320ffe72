// SPDX-License-Identifier: Apache-2.0
// Responses: what each one says, and that it is kept for retransmissions before it is sent.
#include "base/clock.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "service/invite.h"
#include "service/pipeline.h"
#include "service/sip/reply.h"

#define ALLOW     "REGISTER, OPTIONS, INVITE, ACK, CANCEL"
#define SUPPORTED "path, outbound"
// Retry-After of a 503 is spread, so that those who were turned away do not come back together.
#define RETRY_AFTER_LEAST 5
// In a 200: Service-Route and what else is ours; of a Contact, its name, q and expires.
#define OTHER_HEADERS_MAX 8192
#define CONTACT_MORE      64

static bool option_known(struct slice tag)
{
    return slice_ieq(tag, SLICE("path")) || slice_ieq(tag, SLICE("outbound"));
}

bool answer_requires_unknown(const struct sip_request *sip)
{
    for (size_t i = 0; i < sip->n_require; i++)
        if (!option_known(sip->require[i]))
            return true;
    return false;
}

static struct buf begin(struct pipeline *p, struct request *r, unsigned status, const char *phrase)
{
    struct buf b = buf_over(p->reply, sizeof p->reply);
    struct slice tag = status == 100 ? SLICE_NONE : slice_of(r->to_tag, sizeof r->to_tag);
    reply_begin(&b, &r->sip, status, slice_str(phrase), &r->flow.remote, tag);
    return b;
}

// Over UDP an address is claimed, not shown. Who may ask where an AoR is may have answers sent
// elsewhere, by a maddr, and again and again, until the ACK of an INVITE; for all others one
// request has one answer (as of a stateless UAS, RFC 3261 section 8.2.7), and it goes to its
// source: we are no reflector.
static bool is_trusted(const struct pipeline *p, const struct request *r)
{
    return networks_contain(&p->settings->redirect_from, &r->flow.remote);
}

bool answer_destination(struct pipeline *p, struct request *r, struct address *to)
{
    return reply_destination(&r->sip, &r->flow.remote, is_trusted(p, r), to);
}

static void send(struct pipeline *p, struct request *r, unsigned status, struct buf *b, bool keep)
{
    struct address to;
    reply_end(b);
    if (b->full) {
        // Cannot happen but with a request that fills a datagram with Vias: short is better than
        // none
        metric_add(METRIC_DROPPED, DROP_UNANSWERABLE, 1);
        return;
    }
    struct slice bytes = buf_slice(b);
    metric_add(METRIC_RESPONSES, metric_code_cell(status), 1);
    if (keep)
        txn_finish(p->txns, &r->pending, bytes, p->now_ms);
    if (!answer_destination(p, r, &to)) {
        metric_add(METRIC_DROPPED, DROP_UNANSWERABLE, 1);
        return;
    }
    if (keep && r->sip.method == SIP_INVITE && r->flow.transport == TRANSPORT_UDP &&
        is_trusted(p, r))
        invites_answered(p->invites, &r->pending.key, &r->flow, &to, bytes, p->now_ms);
    p->config.net.send(p->config.net.arg, &r->flow, &to, bytes);
}

static void send_final(struct pipeline *p, struct request *r, unsigned status, struct buf *b)
{
    send(p, r, status, b, true);
}

static void put_retry_after(struct pipeline *p, struct request *r, struct buf *b)
{
    uint64_t spread = hash64(p->tag_key, slice_of(r->to_tag, sizeof r->to_tag));
    reply_header_u64(b, SLICE("Retry-After"),
                     RETRY_AFTER_LEAST + spread % overload_spread_s(&p->overload));
}

void answer_plain(struct pipeline *p, struct request *r, unsigned status, const char *phrase)
{
    struct buf b = begin(p, r, status, phrase);
    if (status == 501 || status == 405)
        reply_header(&b, SLICE("Allow"), SLICE(ALLOW));
    send_final(p, r, status, &b);
}

static void tag_of_hash(struct request *r, uint64_t h)
{
    struct buf tag = buf_over(r->to_tag, sizeof r->to_tag);
    buf_hex(&tag, &h, sizeof h);
}

// A faulty request has no transaction: what identifies it may be what is wrong. Its To tag depends
// on its bytes, so that a retransmission gets the same answer.
void answer_fault(struct pipeline *p, struct request *r, const struct sip_fault *fault)
{
    if (fault->limit_known) {
        char text[ADDRESS_TEXT_MAX];
        struct buf who = buf_over(text, sizeof text);
        address_print(&who, &r->flow.remote);
        limit_reached(fault->limit, buf_slice(&who));
    }
    r->op.domain = r->op.username = SLICE_NONE;
    enum reason reason = fault->limit_known     ? REASON_TOO_LARGE
                         : fault->status == 500 ? REASON_OVERLOADED
                                                : REASON_MALFORMED;
    report_register(p, r, fault->status, reason, false,
                    fault->phrase.n ? arena_copy(&r->arena, fault->phrase).p : NULL);
    if (!fault->answerable || r->sip.method == SIP_ACK) {
        metric_add(METRIC_DROPPED, DROP_UNANSWERABLE, 1);
        return;
    }
    tag_of_hash(r, hash64(p->tag_key, slice_upto(r->bytes, 1024)));
    struct buf b = buf_over(p->reply, sizeof p->reply);
    reply_begin(&b, &r->sip, fault->status, fault->phrase, &r->flow.remote,
                slice_of(r->to_tag, sizeof r->to_tag));
    if (fault->status == 501)
        reply_header(&b, SLICE("Allow"), SLICE(ALLOW));
    send(p, r, fault->status, &b, false);
}

void answer_options(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, 200, NULL);
    reply_header(&b, SLICE("Allow"), SLICE(ALLOW));
    reply_header(&b, SLICE("Accept"), SLICE("application/sdp"));
    reply_header(&b, SLICE("Accept-Encoding"), SLICE("identity"));
    reply_header(&b, SLICE("Accept-Language"), SLICE("en"));
    reply_header(&b, SLICE("Supported"), SLICE(SUPPORTED));
    send_final(p, r, 200, &b);
}

void answer_unsupported(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, 420, NULL);
    bool first = true;
    BUF_LIT(&b, "Unsupported: ");
    for (size_t i = 0; i < r->sip.n_require; i++) {
        if (option_known(r->sip.require[i]))
            continue;
        if (!first)
            BUF_LIT(&b, ", ");
        buf_put(&b, r->sip.require[i]);
        first = false;
    }
    BUF_LIT(&b, "\r\n");
    send_final(p, r, 420, &b);
}

void answer_unavailable(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, 503, NULL);
    put_retry_after(p, r, &b);
    send_final(p, r, 503, &b);
}

void answer_overloaded(struct pipeline *p, struct request *r, uint64_t hash)
{
    tag_of_hash(r, hash);
    struct buf b = begin(p, r, 503, NULL);
    put_retry_after(p, r, &b);
    send(p, r, 503, &b, false);
}

void answer_challenge(struct pipeline *p, struct request *r, const struct domain *domain,
                      bool stale, bool keep)
{
    struct buf b = begin(p, r, 401, NULL);
    size_t n = domain->n_algorithms ? domain->n_algorithms : p->settings->n_algorithms;
    const uint8_t *algorithms = domain->n_algorithms ? domain->algorithms : p->settings->algorithms;
    for (size_t i = 0; i < n; i++) {
        char nonce[NONCE_LENGTH];
        nonce_make(p->nonces, algorithms[i], domain->realm, &r->origin, p->now_ms, nonce);
        BUF_LIT(&b, "WWW-Authenticate: ");
        digest_challenge(&b, domain->realm, slice_of(nonce, sizeof nonce), algorithms[i], stale);
        BUF_LIT(&b, "\r\n");
    }
    send(p, r, 401, &b, keep);
}

void answer_trying(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, 100, NULL);
    send(p, r, 100, &b, false);
}

static void put_q(struct buf *b, int16_t q)
{
    if (q >= 1000)
        BUF_LIT(b, ";q=1.0");
    else if (q >= 0)
        buf_printf(b, ";q=0.%03d", q);
}

static uint64_t seconds_left(const struct binding *binding, int64_t now_ms)
{
    int64_t left = binding->expires_at_ms - now_ms;
    return left > 0 ? (uint64_t)(left + 999) / 1000 : 0;
}

// What this request was granted is said exactly, however long the disk took; else what is left.
static uint64_t expires_of(const struct request *r, const struct binding *binding)
{
    bool granted = binding->refreshed_at_ms == r->answer.decided_ms;
    return seconds_left(binding, granted ? r->answer.decided_ms : r->pipeline->now_ms);
}

static void put_contact(struct buf *b, const struct request *r, const struct binding *binding)
{
    BUF_LIT(b, "Contact: <");
    buf_put(b, binding->contact);
    BUF_LIT(b, ">");
    buf_put(b, binding->params);
    put_q(b, binding->q);
    BUF_LIT(b, ";expires=");
    buf_u64(b, expires_of(r, binding));
    BUF_LIT(b, "\r\n");
}

// The request's own contact first, each with its expires, then an Expires header equal to it: one
// client schedules its refresh days out without that.
static void put_bindings(struct buf *b, const struct request *r)
{
    const struct binding_set *set = &r->op.next;
    size_t own = r->answer.own >= 0 && (size_t)r->answer.own < set->n ? (size_t)r->answer.own : 0;
    if (set->n == 0)
        return;
    put_contact(b, r, &set->items[own]);
    for (size_t i = 0; i < set->n; i++)
        if (i != own)
            put_contact(b, r, &set->items[i]);
    reply_header_u64(b, SLICE("Expires"), expires_of(r, &set->items[own]));
}

bool answer_holds(const struct binding_set *bindings)
{
    size_t n = SIP_HEADERS_MAX + OTHER_HEADERS_MAX;
    for (size_t i = 0; i < bindings->n; i++)
        if (!bindings->items[i].gone)
            n += bindings->items[i].contact.n + bindings->items[i].params.n + CONTACT_MORE;
    return n <= REPLY_MAX;
}

// The Date header is the same for a second.
static void put_date(struct pipeline *p, struct buf *b)
{
    int64_t second = p->now_ms / 1000;
    if (second != p->date_second) {
        struct buf date = buf_over(p->date, sizeof p->date);
        reply_date(&date, p->now_ms);
        p->date_n = date.n;
        p->date_second = second;
    }
    buf_put(b, slice_of(p->date, p->date_n));
}

void answer_registered(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, 200, NULL);
    put_bindings(&b, r);
    put_date(p, &b);
    if (r->sip.supported & OPTION_PATH)
        for (size_t i = 0; i < r->sip.n_paths; i++)
            reply_header(&b, SLICE("Path"), r->sip.path[i]);
    for (size_t i = 0; i < r->n_service_routes; i++)
        reply_header(&b, SLICE("Service-Route"), r->service_route[i]);
    if (r->answer.outbound) {
        reply_header(&b, SLICE("Require"), SLICE("outbound"));
        if (r->policy.flow_timer)
            reply_header_u64(&b, SLICE("Flow-Timer"), r->policy.flow_timer);
    }
    reply_header(&b, SLICE("Supported"), SLICE(SUPPORTED));
    if (r->auth_info.n)
        reply_header(&b, SLICE("Authentication-Info"), r->auth_info);
    if (b.full)
        answer_plain(p, r, 500, "Too Many Contacts for One Response");
    else
        send_final(p, r, 200, &b);
}

void answer_refused(struct pipeline *p, struct request *r)
{
    struct buf b = begin(p, r, r->answer.status, r->answer.phrase);
    if (r->answer.status == 423)
        reply_header_u64(&b, SLICE("Min-Expires"), r->answer.min_expires);
    send_final(p, r, r->answer.status, &b);
}

static int by_q(const struct binding *a, const struct binding *b)
{
    int qa = a->q < 0 ? 1000 : a->q, qb = b->q < 0 ? 1000 : b->q;
    return qb - qa;
}

// ?Route=<path> as RFC 3261 section 19.1.1 writes headers in a URI would be copied by some proxies;
// the contract's form is a header parameter.
static void put_route_param(struct buf *b, const struct binding *binding)
{
    BUF_LIT(b, ";Route=\"");
    for (size_t i = 0; i < binding->n_paths; i++) {
        if (i)
            BUF_LIT(b, ", ");
        for (size_t k = 0; k < binding->path[i].n; k++) {
            if (binding->path[i].p[k] == '"' || binding->path[i].p[k] == '\\')
                buf_byte(b, '\\');
            buf_byte(b, binding->path[i].p[k]);
        }
    }
    buf_byte(b, '"');
}

void answer_moved(struct pipeline *p, struct request *r, const struct binding_set *bindings)
{
    struct buf b = begin(p, r, 302, NULL);
    const struct binding *order[BINDINGS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < bindings->n && i < BINDINGS_MAX; i++) {
        size_t at = n++;
        for (; at > 0 && by_q(order[at - 1], &bindings->items[i]) > 0; at--)
            order[at] = order[at - 1];
        order[at] = &bindings->items[i];
    }
    for (size_t i = 0; i < n; i++) {
        BUF_LIT(&b, "Contact: <");
        buf_put(&b, order[i]->contact);
        BUF_LIT(&b, ">");
        put_q(&b, order[i]->q);
        if (p->settings->redirect_route && order[i]->n_paths)
            put_route_param(&b, order[i]);
        BUF_LIT(&b, ";expires=");
        buf_u64(&b, seconds_left(order[i], p->now_ms));
        BUF_LIT(&b, "\r\n");
    }
    send_final(p, r, 302, &b);
}
