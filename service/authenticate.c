// SPDX-License-Identifier: Apache-2.0
// Who sends this REGISTER, and may they (RFC 3261 sections 10.3 steps 3 and 4 and 22, RFC 7616)?
//
// An unknown user, a disabled one and a wrong password take the same way with the same work and get
// the same answer: what differs is only in the log.
#include "service/pipeline.h"

// A nonce past this share of its life is replaced by a nextnonce, so that a refresh stays one round
// trip.
#define NEXT_NONCE_AFTER_PERCENT 50

static void fail(struct auth_outcome *out, enum reason reason, bool stale)
{
    out->verdict = AUTH_CHALLENGE;
    out->reason = reason;
    out->stale = stale;
}

static bool offered(const struct pipeline *p, const struct domain *domain, enum algorithm a)
{
    size_t n = domain->n_algorithms ? domain->n_algorithms : p->settings->n_algorithms;
    const uint8_t *list = domain->n_algorithms ? domain->algorithms : p->settings->algorithms;
    for (size_t i = 0; i < n; i++)
        if (list[i] == a)
            return true;
    return false;
}

// The credentials for our realm among all Authorization headers. REASON_CHALLENGED: there are none,
// or only the empty ones with which IMS clients name their user (3GPP TS 24.229 section 5.1.1.2).
static enum reason pick(struct pipeline *p, struct request *r, const struct domain *domain,
                        struct digest *out)
{
    enum reason why = REASON_CHALLENGED;
    for (size_t i = 0; i < r->sip.n_authorizations; i++) {
        struct digest d;
        switch (digest_parse(r->sip.authorization[i], &r->arena, &d)) {
        case DIGEST_OTHER_SCHEME:
            continue;
        case DIGEST_MALFORMED:
        case DIGEST_UNKNOWN_ALGORITHM:
            why = REASON_BAD_CREDENTIALS;
            continue;
        case DIGEST_OK:
            break;
        }
        if (d.nonce.n == 0 && d.response.n == 0)
            continue;
        why = REASON_BAD_CREDENTIALS;
        if (!d.has_username || !d.has_nonce || !d.has_uri || !d.has_response ||
            !slice_eq(d.realm, domain->realm) || !offered(p, domain, d.algorithm))
            continue;
        *out = d;
        return REASON_OK;
    }
    return why;
}

// A digest `uri` names what was asked for: the Request-URI or its equivalent, a domain of ours, or
// the address that the request came to (RFC 7616 section 3.4.6; SIPp and others send the latter).
static bool uri_fits(struct pipeline *p, const struct request *r, const struct digest *d)
{
    struct sip_uri uri;
    if (slice_eq(d->uri, r->sip.ruri_text))
        return true;
    if (!sip_uri_parse(d->uri, &uri) || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
        return false;
    struct address a;
    return sip_uri_equal(&uri, &r->sip.ruri) || pipeline_domain(p, &uri, &r->flow) ||
           (sip_uri_address(&uri, &a) && address_same_host(&a, &r->flow.local));
}

static bool qop_fits(const struct pipeline *p, const struct digest *d)
{
    return d->has_qop ? slice_ieq(d->qop_text, SLICE("auth")) : !p->settings->require_qop;
}

static bool names_user(struct pipeline *p, const struct digest *d, const struct user *user)
{
    struct slice login = user->auth_username.n ? user->auth_username : user->username;
    return d->userhash ? digest_userhash_matches(p->engine, d, login)
                       : slice_eq(d->username, login);
}

// The response against a user's HA1, or against one that nothing matches: the same work either way.
static bool response_right(struct pipeline *p, const struct request *r, const struct digest *d,
                           const struct user *user)
{
    bool have = user && (user->credentials.have & (1u << d->algorithm));
    const uint8_t *ha1 = have ? user->credentials.ha1[d->algorithm] : digest_dummy_ha1(p->engine);
    return digest_verify(p->engine, d, ha1, r->sip.method_text, SLICE_NONE) && have;
}

// The credentials are not the To user's: right ones of another user are 403, wrong ones 401 like
// any, and all the same whether the To user exists.
static void other_user(struct pipeline *p, struct request *r, const struct domain *domain,
                       const struct digest *d, struct auth_outcome *out)
{
    struct user other;
    char scratch[USERNAME_MAX];
    struct slice key = user_key(domain, d->username, scratch);
    bool found = !d->userhash && key.n &&
                 store_user_find(p->reader, domain->name, key, &other) == STORE_OK &&
                 names_user(p, d, &other);
    bool right = response_right(p, r, d, found ? &other : NULL);
    if (right && other.enabled) {
        out->verdict = AUTH_FORBIDDEN;
        out->reason = REASON_NOT_ALLOWED_FOR_AOR;
    } else {
        fail(out, out->known ? REASON_WRONG_PASSWORD : REASON_UNKNOWN_USER, false);
    }
}

// Authentication-Info (RFC 7616 section 3.5): hands out the next nonce in time, and proves that we
// know the secret too. Always, where auth.rspauth is set: it is another hash, and phones that check
// it are rare.
static void put_auth_info(struct pipeline *p, struct request *r, const struct domain *domain,
                          const struct digest *d, const struct user *user, int64_t made_ms)
{
    bool next =
        (p->now_ms - made_ms) * 100 > p->config.nonces.lifetime_ms * NEXT_NONCE_AFTER_PERCENT;
    if (!d->has_qop || !(next || p->settings->rspauth))
        return;
    char nonce[NONCE_LENGTH], rspauth[64], *text = arena_alloc(&r->arena, 512);
    struct buf b = buf_over(text, text ? 512 : 0);
    if (!text)
        return;
    digest_rspauth(p->engine, d, user->credentials.ha1[d->algorithm], rspauth);
    if (next) {
        nonce_make(p->nonces, d->algorithm, domain->realm, &r->origin, p->now_ms, nonce);
        BUF_LIT(&b, "nextnonce=\"");
        buf_put(&b, slice_of(nonce, sizeof nonce));
        BUF_LIT(&b, "\", ");
    }
    BUF_LIT(&b, "qop=auth, rspauth=\"");
    buf_put(&b, slice_of(rspauth, 2 * algorithm_size(d->algorithm)));
    BUF_LIT(&b, "\", cnonce=\"");
    buf_put(&b, d->cnonce);
    BUF_LIT(&b, "\", nc=");
    buf_put(&b, d->nc_text);
    if (!b.full && !memchr(d->cnonce.p, '"', d->cnonce.n) &&
        !memchr(d->cnonce.p, '\\', d->cnonce.n))
        r->auth_info = buf_slice(&b);
}

// The nonce and its count, once the digest was right.
static bool nonce_good(struct pipeline *p, const struct digest *d, const struct nonce *nonce,
                       enum nonce_verdict verdict, struct auth_outcome *out)
{
    if (verdict == NONCE_GOOD && nonce_use(p->nonces, nonce, d->has_qop ? d->nc : 0, p->now_ms))
        return true;
    fail(out, verdict == NONCE_STALE ? REASON_STALE_NONCE : REASON_REPLAYED_NONCE, true);
    return false;
}

void authenticate(struct pipeline *p, struct request *r, const struct domain *domain,
                  struct slice key, struct auth_outcome *out)
{
    struct digest d;
    // not the whole: the user in it is large, and read below
    out->verdict = AUTH_GOOD;
    out->reason = REASON_OK;
    out->stale = false;
    out->nonce_time_ms = 0;
    out->known = false;
    enum reason picked = pick(p, r, domain, &d);
    if (picked == REASON_CHALLENGED) { // whoever it is: nobody is looked up
        fail(out, picked, false);
        return;
    }
    enum store_status found =
        key.n ? store_user_find(p->reader, domain->name, key, &out->user) : STORE_NOT_FOUND;
    if (found != STORE_OK && found != STORE_NOT_FOUND) {
        out->verdict = AUTH_UNAVAILABLE;
        return;
    }
    out->known = found == STORE_OK;
    if (picked != REASON_OK) {
        fail(out, picked, false);
        return;
    }
    int64_t void_before = out->known ? out->user.credentials_set_at_ms : 0;
    struct nonce nonce;
    enum nonce_verdict verdict = NONCE_FOREIGN;
    if (nonce_read(d.nonce, &nonce))
        verdict = nonce_check(p->nonces, &nonce, d.algorithm, domain->realm, d.has_qop ? d.nc : 0,
                              void_before, p->now_ms, &out->nonce_time_ms);
    if (verdict != NONCE_FOREIGN)
        r->proven = r->proven || nonce_made_for(p->nonces, &nonce, &r->origin);
    if (verdict == NONCE_FOREIGN || !uri_fits(p, r, &d) || !qop_fits(p, &d)) {
        fail(out, REASON_BAD_CREDENTIALS, false);
        return;
    }
    if (!out->known || !names_user(p, &d, &out->user)) {
        other_user(p, r, domain, &d, out);
        return;
    }
    if (!response_right(p, r, &d, &out->user)) {
        fail(out, REASON_WRONG_PASSWORD, false);
        return;
    }
    if (!nonce_good(p, &d, &nonce, verdict, out))
        return;
    if (!out->user.enabled) {
        out->verdict = AUTH_FORBIDDEN;
        out->reason = REASON_DISABLED_USER;
        return;
    }
    put_auth_info(p, r, domain, &d, &out->user, out->nonce_time_ms);
}
