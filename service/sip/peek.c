// SPDX-License-Identifier: Apache-2.0
// What a refusal needs of a REGISTER, for a fraction of a parse. Whatever is unusual is left to
// sip_parse(): false.
#include "service/sip/chars.h"
#include "service/sip/values.h"

struct peeking {
    struct sip_request *out;
    bool authorized, good;
};

// The value of a line with this name, if it is that; `name` has its colon.
static bool is_named(struct slice line, struct slice name, struct slice *value)
{
    if (!slice_istarts(line, name))
        return false;
    *value = slice_trim(slice_from(line, name.n));
    return true;
}

static void keep_once(struct peeking *p, struct slice *field, struct slice value)
{
    if (field->n || !value.n || memchr(value.p, '\r', value.n))
        p->good = false;
    *field = value;
}

// One Via a line, as nearly all write it.
static void keep_via(struct peeking *p, struct slice value)
{
    struct sip_request *out = p->out;
    if (out->n_vias == SIP_VIAS_USUAL || memchr(value.p, ',', value.n) ||
        memchr(value.p, '"', value.n) || memchr(value.p, '\r', value.n) ||
        via_parse(value, &out->via[out->n_vias]) != STEP_OK)
        p->good = false;
    else
        out->n_vias++;
}

// A dialog's To has a tag; none is looked for in quotes.
static bool may_have_tag(struct slice to)
{
    const char *p = to.p, *end = to.p + to.n;
    while ((p = memchr(p, ';', (size_t)(end - p)))) {
        struct slice rest = slice_trim(slice_from(slice_of(p, (size_t)(end - p)), 1));
        if (slice_istarts(rest, SLICE("tag")))
            return true;
        p++;
    }
    return false;
}

static void take_line(struct peeking *p, struct slice line)
{
    struct sip_request *out = p->out;
    struct slice value;
    switch (line.p[0] | 0x20) {
    case 'a':
        p->authorized = p->authorized || slice_istarts(line, SLICE("Authorization"));
        break;
    case 'c':
        if (is_named(line, SLICE("Call-ID:"), &value))
            keep_once(p, &out->call_id, value);
        else if (is_named(line, SLICE("CSeq:"), &value))
            keep_once(p, &out->cseq_text, value);
        break;
    case 'f':
        if (is_named(line, SLICE("From:"), &value) || is_named(line, SLICE("f:"), &value))
            keep_once(p, &out->from.text, value);
        break;
    case 'i':
        if (is_named(line, SLICE("i:"), &value))
            keep_once(p, &out->call_id, value);
        break;
    case 't':
        if (is_named(line, SLICE("To:"), &value) || is_named(line, SLICE("t:"), &value))
            keep_once(p, &out->to.text, value);
        break;
    case 'v':
        if (is_named(line, SLICE("Via:"), &value) || is_named(line, SLICE("v:"), &value))
            keep_via(p, value);
        break;
    default:
        p->good = p->good && !char_blank(line.p[0]); // folded
        break;
    }
}

bool sip_peek_unauthorized(struct slice bytes, struct sip_request *out)
{
    struct peeking p = {.out = out, .good = true};
    const char *at = bytes.p, *end = bytes.p + bytes.n, *lf;
    if (!slice_starts(bytes, SLICE("REGISTER ")))
        return false;
    out->via = out->usual_vias;
    out->n_vias = 0;
    out->method = SIP_REGISTER;
    out->from.text = out->to.text = out->to.tag = out->call_id = out->cseq_text = SLICE_NONE;
    lf = memchr(at, '\n', bytes.n);
    while (p.good && !p.authorized && lf) {
        at = lf + 1;
        lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf || lf == at || lf[-1] != '\r')
            return false;
        if (lf == at + 1) // the empty line
            return out->n_vias && out->from.text.n && out->to.text.n && out->call_id.n &&
                   out->cseq_text.n && !may_have_tag(out->to.text);
        take_line(&p, slice_of(at, (size_t)(lf - 1 - at)));
    }
    return false;
}
