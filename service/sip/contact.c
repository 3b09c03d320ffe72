// SPDX-License-Identifier: Apache-2.0
// One Contact of a REGISTER (RFC 3261 section 20.10, RFC 5626 section 6, RFC 3840).
#include "service/sip/values.h"

#include "service/sip/chars.h"

// qvalue of RFC 3261 section 25.1 in thousandths; -1 where it is none.
static int16_t qvalue(struct slice s)
{
    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return -1;
    int q = (s.p[0] - '0') * 1000;
    int unit = 100;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (!ascii_digit(s.p[i]))
            return -1;
        q += (s.p[i] - '0') * unit;
    }
    return (int16_t)(q <= 1000 ? q : -1);
}

enum known { KNOWN_NONE, KNOWN_EXPIRES, KNOWN_Q, KNOWN_INSTANCE, KNOWN_REG_ID };

static enum known known_of(struct slice name)
{
    switch (name.n) {
    case 1:
        return ascii_lower(name.p[0]) == 'q' ? KNOWN_Q : KNOWN_NONE;
    case 6:
        return slice_ieq(name, SLICE("reg-id")) ? KNOWN_REG_ID : KNOWN_NONE;
    case 7:
        return slice_ieq(name, SLICE("expires")) ? KNOWN_EXPIRES : KNOWN_NONE;
    case 13:
        return slice_ieq(name, SLICE("+sip.instance")) ? KNOWN_INSTANCE : KNOWN_NONE;
    default:
        return KNOWN_NONE;
    }
}

static bool take_param(enum known known, struct slice value, struct sip_contact *out,
                       struct slice *phrase)
{
    uint64_t number = 0;
    switch (known) {
    case KNOWN_NONE:
        return true;
    case KNOWN_EXPIRES:
        out->has_expires = true;
        out->expires = expires_value(value);
        return true;
    case KNOWN_Q:
        out->q = qvalue(value);
        *phrase = SLICE("Bad Q Value");
        return out->q >= 0;
    case KNOWN_INSTANCE:
        if (value.n >= 2 && value.p[0] == '"')
            value = slice_of(value.p + 1, value.n - 2);
        out->instance = value;
        *phrase = SLICE("Bad Instance");
        return value.n != 0;
    case KNOWN_REG_ID:
        out->has_reg_id = slice_to_u64(value, INT32_MAX, &number) && number > 0;
        out->reg_id = (uint32_t)number;
        *phrase = SLICE("Bad Reg-Id");
        return out->has_reg_id;
    }
    return true;
}

// Joins what is kept: in place while it is one piece, in the arena from the second on.
static bool keep(struct slice *kept, struct slice piece, size_t room, struct arena *arena,
                 bool *copied)
{
    if (kept->n == 0) {
        *kept = piece;
        return true;
    }
    if (!*copied && kept->p + kept->n == piece.p) {
        kept->n += piece.n;
        return true;
    }
    if (!*copied) {
        char *joined = arena_alloc(arena, room);
        if (!joined)
            return false;
        memcpy(joined, kept->p, kept->n);
        kept->p = joined;
        *copied = true;
    }
    memcpy((char *)(uintptr_t)kept->p + kept->n, piece.p, piece.n);
    kept->n += piece.n;
    return true;
}

static enum step contact_params(struct arena *arena, struct sip_contact *out, struct slice *phrase)
{
    struct slice rest = out->addr.params;
    struct param param;
    enum step step;
    unsigned seen = 0, count = 0;
    bool copied = false;
    while ((step = param_next(&rest, &param)) == STEP_OK) {
        enum known known = known_of(param.name);
        if (++count > SIP_PARAMS_MAX)
            return STEP_LIMIT;
        if (known && (seen & 1u << known)) {
            *phrase = SLICE("Repeated Contact Parameter");
            return STEP_BAD;
        }
        seen |= 1u << known;
        if (!take_param(known, param.value, out, phrase))
            return STEP_BAD;
        if (known != KNOWN_EXPIRES && known != KNOWN_Q &&
            !keep(&out->params, param.whole, out->addr.params.n, arena, &copied))
            return STEP_LIMIT;
    }
    return step == STEP_END ? STEP_OK : step;
}

enum step contact_parse(struct slice text, struct arena *arena, struct sip_contact *out,
                        struct slice *phrase)
{
    *phrase = SLICE("Bad Contact");
    out->params = out->instance = SLICE_NONE;
    out->has_expires = out->has_reg_id = false;
    out->expires = out->reg_id = 0;
    out->q = -1;
    enum step step = addr_parse(text, true, arena, &out->addr);
    if (step != STEP_OK)
        return step;
    struct slice ignored;
    out->ob = out->addr.uri.params.n && sip_uri_param(&out->addr.uri, SLICE("ob"), &ignored);
    return out->addr.params.n ? contact_params(arena, out, phrase) : STEP_OK;
}
