// SPDX-License-Identifier: Apache-2.0
// The path of a message, in order. Read this file and you know the product.
#include "service/pipeline.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "service/invite.h"
#include "service/sip/reply.h"

// On UDP a 100 may go out only when Timer E has reached T2 (RFC 4320 section 4.1).
#define TRYING_AFTER_US 3500000
// Request-URI, To, a digest's uri, the default domain.
#define DOMAINS_OF_ONE_REQUEST 4

static enum decision decide(struct store_op *op, const struct domain *domain,
                            const struct user_terms *user, const struct binding_set *current,
                            int64_t now_ms, struct binding_set *next);

int pipeline_open(struct pipeline *p, const struct pipeline_config *config,
                  const struct sip_settings *settings, char *why, size_t why_size)
{
    memset(p, 0, sizeof *p);
    p->config = *config;
    p->settings = settings;
    p->tag_key = hash_key_random();
    p->txns = txns_open(config->transaction_memory);
    p->nonces = nonces_open(&config->nonces);
    p->engine = digest_engine_open();
    p->invites = invites_open();
    p->abuse = abuse_open(config->bans);
    if (!p->txns || !p->nonces || !p->invites || !p->abuse) {
        snprintf(why, why_size, "not enough memory for transactions and nonces");
    } else if (!p->engine) {
        snprintf(why, why_size, "OpenSSL offers neither MD5 nor SHA-256");
    } else if (store_port_open(config->store, config->wake, config->wake_arg, &p->port) ||
               store_reader_open(config->store, &p->reader)) {
        snprintf(why, why_size, "the store gives no reader");
    } else {
        return 0;
    }
    pipeline_close(p);
    return -1;
}

void pipeline_close(struct pipeline *p)
{
    if (p->reader)
        store_reader_close(p->reader);
    if (p->port)
        store_port_close(p->port);
    invites_close(p->invites);
    abuse_close(p->abuse);
    digest_engine_close(p->engine);
    nonces_close(p->nonces);
    txns_close(p->txns);
    p->reader = NULL;
    p->port = NULL;
    p->invites = NULL;
    p->abuse = NULL;
    p->engine = NULL;
    p->nonces = NULL;
    p->txns = NULL;
}

// ---- REGISTER -----------------------------------------------------------------------------------

static void release(struct pipeline *p, struct request *r)
{
    request_give(p->config.pool, r);
}

// Header checks of RFC 3261 sections 8.2 and 10.3 steps 1, 2 and 5, before anybody is
// authenticated. Answers by itself where one fails.
static const struct domain *register_gates(struct pipeline *p, struct request *r)
{
    const struct sip_request *sip = &r->sip;
    const struct domain *domain, *to_domain;
    if (sip->to.uri.scheme != URI_SIP && sip->to.uri.scheme != URI_SIPS) {
        report_register(p, r, 400, REASON_MALFORMED, false, "the To header is not a SIP URI");
        answer_plain(p, r, 400, "To Is Not a SIP URI");
        return NULL;
    }
    domain = pipeline_domain(p, &sip->ruri, &r->flow);
    to_domain = pipeline_domain(p, &sip->to.uri, &r->flow);
    struct address a;
    if (domain && to_domain && domain->incarnation != to_domain->incarnation &&
        sip_uri_address(&sip->ruri, &a))
        domain = to_domain; // sent to an address of ours, for a domain of ours
    if (!domain || !to_domain || domain->incarnation != to_domain->incarnation) {
        report_register(p, r, 404, REASON_UNKNOWN_DOMAIN, false, NULL);
        answer_plain(p, r, 404,
                     domain ? "To Names Another Domain" : "Not a Domain of This Registrar");
        return NULL;
    }
    if (answer_requires_unknown(sip)) {
        report_register(p, r, 420, REASON_EXTENSION_REQUIRED, false, NULL);
        answer_unsupported(p, r);
        return NULL;
    }
    return to_domain;
}

// The AoR of the To header (RFC 3261 section 10.3 step 5): parameters stripped, escapes resolved,
// host as the domain. What can be no user name becomes empty, and is then an unknown user like
// others.
static struct slice register_user(struct request *r, const struct domain *domain)
{
    char raw[USERNAME_MAX], *key = arena_alloc(&r->arena, USERNAME_MAX);
    size_t n;
    if (!key || !sip_unescape(r->sip.to.uri.user, raw, sizeof raw, &n))
        return SLICE("");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)raw[i] < 0x20 || raw[i] == 0x7f)
            return SLICE("");
    struct slice folded = user_key(domain, slice_of(raw, n), key);
    return folded.p == key ? folded : arena_copy(&r->arena, folded);
}

static void copy_service_route(struct request *r, const struct domain *domain)
{
    r->n_service_routes = 0;
    for (size_t i = 0; i < domain->n_service_routes; i++)
        r->service_route[r->n_service_routes++] = arena_copy(&r->arena, domain->service_route[i]);
}

static void fill_register(struct pipeline *p, struct request *r, const struct auth_outcome *auth)
{
    const struct sip_request *sip = &r->sip;
    r->reg = (struct reg_request){
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
        .first_hop = sip->n_vias == 1,
        .source = r->flow.remote,
        .transport = r->flow.transport,
        .flow = p->config.net.flow_token(p->config.net.arg, &r->flow),
        .user_agent = sip->user_agent,
        .nonce_time_ms = auth->nonce_time_ms,
    };
    if (sip->n_vias > 1 && address_parse(sip->via[1].received, &r->reg.received))
        r->reg.received.port = sip->via[1].rport_value;
    r->policy = p->settings->registrar;
    if (p->overload.overloaded && r->policy.expires_jitter_percent < OVERLOAD_JITTER_PERCENT)
        r->policy.expires_jitter_percent = OVERLOAD_JITTER_PERCENT;
    // After a restart a repeat may be of a request that was taken during a storm
    r->policy.repeat_jitter_percent = r->policy.expires_jitter_percent;
    if (p->now_ms - p->config.nonces.started_ms < TXN_TIMER_J_MS &&
        r->policy.repeat_jitter_percent < OVERLOAD_JITTER_PERCENT)
        r->policy.repeat_jitter_percent = OVERLOAD_JITTER_PERCENT;
    if (r->policy.repeat_jitter_percent)
        r->policy.jitter_seed = hash64_pair(p->tag_key, sip->call_id, sip->cseq_text);
}

static void pend(struct pipeline *p, struct request *r)
{
    if (p->config.net.waits)
        p->config.net.waits(p->config.net.arg, &r->flow, true);
    txn_begin(p->txns, &r->pending);
    r->newer = NULL;
    r->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = r;
    p->newest = r;
    if (!p->n_pending)
        p->progress_us = clock_mono_us();
    p->n_pending++;
    r->op.link = NULL;
    *(p->last ? &p->last->link : &p->first) = &r->op;
    p->last = &r->op;
    p->n_ops++;
}

static void unpend(struct pipeline *p, struct request *r)
{
    txn_end(p->txns, &r->pending);
    *(r->older ? &r->older->newer : &p->oldest) = r->newer;
    *(r->newer ? &r->newer->older : &p->newest) = r->older;
    p->n_pending--;
}

int64_t pipeline_pending_ms(const struct pipeline *p)
{
    return p->oldest ? (clock_mono_us() - p->oldest->received_us) / 1000 : 0;
}

int64_t pipeline_stalled_ms(const struct pipeline *p)
{
    return p->n_pending ? (clock_mono_us() - p->progress_us) / 1000 : 0;
}

bool pipeline_admit(struct pipeline *p, const struct address *source)
{
    switch (abuse_admit(p->abuse, p->settings, source, p->now_ms)) {
    case ABUSE_BANNED:
        metric_add(METRIC_DROPPED, DROP_BANNED, 1);
        return false;
    case ABUSE_RATE: {
        char text[ADDRESS_TEXT_MAX];
        struct buf b = buf_over(text, sizeof text);
        address_print(&b, source);
        metric_add(METRIC_DROPPED, DROP_RATE, 1);
        limit_reached(LIMIT_ABUSE_REQUESTS, buf_slice(&b));
        report_rate_limited(p, buf_slice(&b));
        return false;
    }
    case ABUSE_PASS:
        return true;
    }
    return true;
}

// Behind an edge proxy all phones share one address: limits go by the one that the proxy saw.
static void find_origin(struct pipeline *p, struct request *r)
{
    struct address seen;
    if (r->sip.n_vias > 1 && networks_contain(&p->settings->exempt, &r->flow.remote) &&
        address_parse(r->sip.via[1].received, &seen)) {
        r->proven = r->proven && address_same_host(&seen, &r->origin);
        r->origin = seen;
    }
}

// Failures count towards a ban. A challenge is none, nor are right credentials with a nonce that
// has expired or was used: stacks that never raise nc would have their whole site banned. In a
// storm of all challenges only those to failures are kept: one that is sent again is not another
// one.
static bool is_failure(const struct auth_outcome *auth)
{
    return auth->verdict != AUTH_GOOD && auth->verdict != AUTH_UNAVAILABLE &&
           auth->reason != REASON_CHALLENGED && auth->reason != REASON_STALE_NONCE &&
           auth->reason != REASON_REPLAYED_NONCE;
}

static void judge(struct pipeline *p, struct request *r, const struct auth_outcome *auth)
{
    if (auth->verdict == AUTH_GOOD) {
        if (abuse_succeeded(p->abuse, p->settings, &r->origin, r->op.domain, r->op.username,
                            p->now_ms))
            report_success_after_failures(p, r);
    } else if (is_failure(auth)) {
        abuse_failed(p->abuse, p->settings, &r->origin, r->proven, r->op.domain, r->op.username,
                     auth->reason, p->now_ms);
    }
}

// True when the request waits for the store; false when it has been answered.
static bool take_register(struct pipeline *p, struct request *r)
{
    struct auth_outcome auth;
    r->op.domain = r->op.username = SLICE_NONE;
    const struct domain *domain = register_gates(p, r);
    if (!domain)
        return false;
    struct slice key = register_user(r, domain);
    r->op.domain = arena_copy(&r->arena, domain->name);
    r->op.username = key;
    authenticate(p, r, domain, key, &auth);
    judge(p, r, &auth);
    switch (auth.verdict) {
    case AUTH_CHALLENGE:
        if (shed_challenge(p, r, auth.reason)) {
            bool known =
                key.n && store_user_find(p->reader, domain->name, key, &auth.user) == STORE_OK;
            report_register(p, r, 503, REASON_OVERLOADED, known, NULL);
            answer_unavailable(p, r);
            return false;
        }
        report_register(p, r, 401, auth.reason, auth.known, NULL);
        answer_challenge(p, r, domain, auth.stale, !p->overload.shed || is_failure(&auth));
        return false;
    case AUTH_FORBIDDEN:
        report_register(p, r, 403, auth.reason, auth.known, NULL);
        answer_plain(p, r, 403, NULL);
        return false;
    case AUTH_UNAVAILABLE:
        report_register(p, r, 503, REASON_STORE_UNAVAILABLE, auth.known, NULL);
        answer_unavailable(p, r);
        return false;
    case AUTH_GOOD:
        break;
    }
    p->config.net.authenticated(p->config.net.arg, &r->flow);
    if (p->n_pending >= p->config.pending_max || pipeline_stalled_ms(p) > OVERLOAD_REFUSE_MS) {
        limit_reached(LIMIT_SIP_PENDING, SLICE_NONE);
        report_register(p, r, 503, REASON_OVERLOADED, true, NULL);
        answer_unavailable(p, r);
        return false;
    }
    fill_register(p, r, &auth);
    copy_service_route(r, domain);
    r->realm = arena_copy(&r->arena, domain->realm);
    // Not the whole: the user and the domain in it are large, and not asked for
    r->op.kind = STORE_OP_BINDINGS;
    r->op.seen = user_terms(&auth.user);
    r->op.seen.username = slice_eq(auth.user.username, key)
                              ? r->op.username
                              : arena_copy(&r->arena, auth.user.username);
    r->op.seen_at = r->op.seen.username.n ? store_reader_mark(p->reader) : 0;
    r->op.arena = &r->arena;
    r->op.decide_bindings = decide;
    r->op.bulk = false;
    r->op.next = (struct binding_set){NULL, 0};
    pend(p, r);
    return true;
}

// Runs on the store's thread, inside its transaction, perhaps more than once.
static enum decision decide(struct store_op *op, const struct domain *domain,
                            const struct user_terms *user, const struct binding_set *current,
                            int64_t now_ms, struct binding_set *next)
{
    struct request *r = (struct request *)op;
    struct reg_policy policy = r->policy;
    if (domain->min_expires >= 0)
        policy.min_expires = (uint32_t)domain->min_expires;
    if (domain->default_expires >= 0)
        policy.default_expires = (uint32_t)domain->default_expires;
    if (domain->max_expires >= 0)
        policy.max_expires = (uint32_t)domain->max_expires;
    if (domain->max_bindings >= 0)
        policy.max_bindings = (uint32_t)domain->max_bindings;
    if (user->has_max_bindings)
        policy.max_bindings = user->max_bindings;
    if (!registrar_decide(&r->reg, current, &policy, now_ms, op->arena, next, &r->answer))
        return DECIDE_NOMEM;
    if (r->answer.changed && answer_holds(current) && !answer_holds(next)) {
        // It must not be kept and then answered by a 500
        r->answer.status = 513;
        r->answer.reason = REASON_TOO_LARGE;
        r->answer.phrase = "Too Many Contacts for One Response";
    }
    if (r->answer.status != 200)
        return DECIDE_REFUSE;
    return r->answer.changed ? DECIDE_WRITE : DECIDE_SAME;
}

static void complete(struct pipeline *p, struct request *r)
{
    unpend(p, r);
    switch (r->op.status) {
    case STORE_OK:
        report_register(p, r, 200, REASON_OK, true, NULL);
        answer_registered(p, r);
        break;
    case STORE_REFUSED:
        report_register(p, r, r->answer.status, r->answer.reason, true, r->answer.phrase);
        answer_refused(p, r);
        break;
    case STORE_NOT_FOUND:
    case STORE_CONFLICT: {
        // The user was changed between the check of the credentials and the write: asked again
        struct domain gone = {.realm = r->realm};
        report_register(p, r, 401, REASON_CHALLENGED, true, NULL);
        answer_challenge(p, r, &gone, false, true);
        break;
    }
    case STORE_TOO_LARGE:
        report_register(p, r, 513, REASON_TOO_LARGE, true, NULL);
        answer_plain(p, r, 513, "Too Much to Store for One Address of Record");
        break;
    case STORE_NOMEM:
        report_register(p, r, 500, REASON_OVERLOADED, true, "out of memory");
        answer_plain(p, r, 500, NULL);
        break;
    case STORE_FULL:
    case STORE_UNAVAILABLE:
        report_register(p, r, 503, REASON_STORE_UNAVAILABLE, true, NULL);
        answer_unavailable(p, r);
        break;
    }
    if (p->config.net.waits)
        p->config.net.waits(p->config.net.arg, &r->flow, false);
    release(p, r);
}

// ---- Any request --------------------------------------------------------------------------------

// True when the request is pending.
static bool dispatch(struct pipeline *p, struct request *r)
{
    const struct sip_request *sip = &r->sip;
    if (sip->method == SIP_OTHER) {
        answer_plain(p, r, 501, NULL);
        return false;
    }
    if (sip->method == SIP_CANCEL) {
        // An INVITE has its final response at once: to cancel it has no effect (section 9.2)
        bool known = txn_of_cancel(p->txns, sip, &r->flow, p->now_ms, r->to_tag);
        answer_plain(p, r, known ? 200 : 481, NULL);
        return false;
    }
    if (sip->ruri.scheme != URI_SIP && sip->ruri.scheme != URI_SIPS) {
        answer_plain(p, r, 416, NULL);
        return false;
    }
    if (!pipeline_snapshot(p)) {
        answer_unavailable(p, r);
        return false;
    }
    if (sip->method == SIP_REGISTER)
        return take_register(p, r);
    if (answer_requires_unknown(sip))
        answer_unsupported(p, r);
    else if (sip->method == SIP_OPTIONS)
        answer_options(p, r);
    else
        redirect(p, r);
    return false;
}

// A request that parses: a retransmission leaves here. True when it is pending.
static bool take_request(struct pipeline *p, struct request *r)
{
    struct slice reply;
    struct txn_pending *found;
    struct address to;
    metric_add(METRIC_REQUESTS, r->sip.method, 1);
    if (p->n_domains > DOMAIN_CACHE - DOMAINS_OF_ONE_REQUEST)
        p->n_domains = 0;
    find_origin(p, r);
    if (!address_same_host(&r->origin, &r->flow.remote) && !pipeline_admit(p, &r->origin))
        return false;
    txn_key_make(p->txns, &r->sip, &r->flow, &r->pending);
    if (r->sip.method == SIP_ACK) {
        invites_acknowledged(p->invites, &r->pending.key);
        metric_add(METRIC_DROPPED, DROP_ACK, 1);
        return false;
    }
    txn_to_tag(p->txns, &r->pending, r->to_tag);
    switch (txn_match(p->txns, &r->pending, p->now_ms, &reply, &found)) {
    case TXN_DONE:
        metric_add(METRIC_RETRANSMISSIONS, 0, 1);
        if (answer_destination(p, r, &to))
            p->config.net.send(p->config.net.arg, &r->flow, &to, reply);
        return false;
    case TXN_PENDING: {
        struct request *original =
            (struct request *)((char *)found - offsetof(struct request, pending));
        metric_add(METRIC_DROPPED, DROP_PENDING, 1);
        if (original->trying_sent)
            answer_trying(p, original);
        return false;
    }
    case TXN_MERGED:
        answer_plain(p, r, 482, NULL);
        return false;
    case TXN_NEW:
        return dispatch(p, r);
    }
    return false;
}

// What may be well-formed and is refused all the same; true where it is.
static bool refused_whole(const struct request *r, enum sip_parsed parsed, struct sip_fault *fault)
{
    bool good = parsed == SIP_PARSED;
    // A stream would have waited for the rest of a body, but for one beyond the limit
    if (r->too_large || (r->unframed && !good && fault->short_body))
        *fault = (struct sip_fault){.status = 513,
                                    .answerable = good || fault->answerable,
                                    .limit_known = true,
                                    .limit = LIMIT_SIP_MAX_MESSAGE};
    else if (r->unframed && good)
        *fault = (struct sip_fault){
            .status = 400, .phrase = SLICE("No Content-Length On A Stream"), .answerable = true};
    else
        return false;
    return true;
}

void pipeline_take(struct pipeline *p, struct request *r)
{
    struct sip_fault fault = {0};
    bool pending = false;
    r->pipeline = p;
    r->trying_sent = false;
    r->proven = r->flow.transport == TRANSPORT_TCP;
    r->auth_info = SLICE_NONE;
    r->origin = r->flow.remote;
    if (p->overload.shed && shed_take(p, r)) {
        release(p, r);
        return;
    }
    enum sip_parsed parsed = sip_parse(r->bytes, &r->arena, &r->sip, &fault);
    if ((parsed == SIP_PARSED || parsed == SIP_FAULTY) && refused_whole(r, parsed, &fault))
        parsed = SIP_FAULTY;
    switch (parsed) {
    case SIP_PARSED:
        if (p->overload.shed)
            overload_taken(&p->overload);
        pending = take_request(p, r);
        break;
    case SIP_FAULTY:
        answer_fault(p, r, &fault);
        break;
    case SIP_RESPONSE:
        metric_add(METRIC_DROPPED, DROP_RESPONSE, 1);
        break;
    case SIP_BLANK:
        metric_add(METRIC_DROPPED, DROP_EMPTY, 1);
        break;
    }
    if (!pending)
        release(p, r);
}

void pipeline_submit(struct pipeline *p)
{
    if (p->snapshot) {
        store_reader_end(p->reader);
        p->snapshot = false;
        p->n_domains = 0;
    }
    if (!p->first)
        return;
    struct store_op *op = p->first;
    size_t n = p->n_ops;
    p->first = p->last = NULL;
    p->n_ops = 0;
    metric_set(METRIC_PENDING, 0, (int64_t)p->n_pending);
    if (store_submit(p->port, op, n))
        return;
    while (op) {
        struct store_op *next = op->link;
        op->status = STORE_UNAVAILABLE;
        complete(p, (struct request *)op);
        op = next;
    }
}

void pipeline_completed(struct pipeline *p)
{
    struct store_op *op = store_port_collect(p->port);
    p->now_ms = clock_now_ms(); // no earlier than any decision that is answered now
    if (op)
        p->progress_us = clock_mono_us();
    while (op) {
        struct store_op *next = op->link;
        complete(p, (struct request *)op);
        op = next;
    }
    metric_set(METRIC_PENDING, 0, (int64_t)p->n_pending);
}

int64_t pipeline_tick(struct pipeline *p, int64_t now_ms, int64_t most)
{
    int64_t now_us = clock_mono_us();
    for (struct request *r = p->oldest; r && now_us - r->received_us >= TRYING_AFTER_US;
         r = r->newer)
        if (!r->trying_sent) {
            r->trying_sent = true;
            answer_trying(p, r);
        }
    return invites_tick(p->invites, &p->config.net, now_ms, most);
}
