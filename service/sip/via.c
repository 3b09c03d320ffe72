// SPDX-License-Identifier: Apache-2.0
// One Via value (RFC 3261 section 20.42, RFC 3581): who asks, and how it wants the answer.
#include "service/sip/chars.h"
#include "service/sip/values.h"

static struct slice skip(struct slice s)
{
    while (s.n && char_blank(s.p[0]))
        s = slice_from(s, 1);
    return s;
}

static struct slice take_token(struct slice *s)
{
    size_t n = 0;
    while (n < s->n && char_is(s->p[n], CHAR_TOKEN))
        n++;
    struct slice token = slice_upto(*s, n);
    *s = skip(slice_from(*s, n));
    return token;
}

static bool take_slash(struct slice *s)
{
    if (s->n == 0 || s->p[0] != '/')
        return false;
    *s = skip(slice_from(*s, 1));
    return true;
}

// host[:port] with blanks around the colon; an IPv6 address without brackets is the host as a
// whole.
static bool sent_by(struct slice s, struct sip_via *out)
{
    size_t end = s.n && s.p[0] == '[' ? slice_find(s, ']') + 1 : slice_find(s, ':');
    if (end > s.n)
        return false;
    struct address bare;
    if (end < s.n && s.p[0] != '[' && memchr(s.p + end + 1, ':', s.n - end - 1) &&
        address_parse(s, &bare))
        end = s.n;
    struct slice host = slice_trim(slice_upto(s, end));
    struct slice port = slice_trim(slice_from(s, end));
    uint64_t number = 0;
    if (port.n &&
        (port.p[0] != ':' || !slice_to_u64(slice_trim(slice_from(port, 1)), UINT16_MAX, &number) ||
         number == 0))
        return false;
    bool literal = end == s.n && slice_find(host, ':') < host.n && host.p[0] != '[';
    if (!literal && !sip_host_valid(host))
        return false;
    out->host = host;
    out->port = (uint16_t)number;
    return true;
}

// False where a parameter that we replace or rely on is there twice or no good.
static bool known_param(const struct param *p, struct sip_via *out)
{
    uint64_t port = 0;
    switch (p->name.n) {
    case 5:
        if (slice_ieq(p->name, SLICE("maddr"))) {
            out->maddr = p->value;
            return sip_host_valid(p->value);
        }
        if (!slice_ieq(p->name, SLICE("rport")))
            return true;
        if (out->rport || (p->value.n && !slice_to_u64(p->value, UINT16_MAX, &port)))
            return false;
        out->rport = true;
        out->rport_value = (uint16_t)port;
        out->rport_param = p->whole;
        return true;
    case 6:
        if (!slice_ieq(p->name, SLICE("branch")))
            return true;
        if (out->branch.n || !p->value.n)
            return false;
        out->branch = p->value;
        return true;
    case 8:
        if (!slice_ieq(p->name, SLICE("received")))
            return true;
        if (out->received_param.n)
            return false;
        out->received = p->value;
        out->received_param = p->whole;
        return true;
    default:
        return true;
    }
}

enum step via_parse(struct slice text, struct sip_via *out)
{
    *out = (struct sip_via){.text = text};
    struct slice s = text;
    if (!slice_ieq(take_token(&s), SLICE("SIP")) || !take_slash(&s))
        return STEP_BAD;
    // Another version is a fault, but one that can be answered (505).
    bool version = slice_eq(take_token(&s), SLICE("2.0"));
    if (!take_slash(&s))
        return STEP_BAD;
    const char *before = s.p;
    out->transport = take_token(&s);
    if (out->transport.n == 0 || s.p == before + out->transport.n) // no blank before sent-by
        return STEP_BAD;
    size_t end = slice_find(s, ';');
    if (!sent_by(slice_trim(slice_upto(s, end)), out))
        return STEP_BAD;
    s = slice_from(s, end);
    struct param param;
    unsigned count = 0;
    enum step step;
    while ((step = param_next(&s, &param)) == STEP_OK) {
        if (++count > SIP_PARAMS_MAX)
            return STEP_LIMIT;
        if (!known_param(&param, out))
            return STEP_BAD;
    }
    return step == STEP_END ? version ? STEP_OK : STEP_BAD : step;
}
