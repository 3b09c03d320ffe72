// SPDX-License-Identifier: Apache-2.0
// To, From and the address part of Contact and Path (RFC 3261 sections 20.10, 20.20, 20.39).
//
// The usual shape, [display name] <URI> ;parameters with a quoted or one-word name, is decided
// here. What leaves it (a bare URI, a name of several words, quoted pairs) is taken apart here too,
// but must be read by libosip2 as well.
#include "service/sip/chars.h"
#include "service/sip/osip.h"
#include "service/sip/values.h"

// Tokens and blanks; UTF-8 too, which phones send without quotes.
static bool display_name(struct slice s, bool *usual)
{
    for (size_t i = 0; i < s.n; i++) {
        if (char_blank(s.p[i]))
            *usual = false;
        else if (!char_is(s.p[i], CHAR_TOKEN) && (unsigned char)s.p[i] < 0x80)
            return false;
    }
    return true;
}

static enum step read_params(struct slice params, struct sip_addr *out)
{
    struct param param;
    unsigned count = 0;
    enum step step;
    bool tagged = false;
    while ((step = param_next(&params, &param)) == STEP_OK) {
        if (++count > SIP_PARAMS_MAX)
            return STEP_LIMIT;
        if (param.name.n != 3 || !slice_ieq(param.name, SLICE("tag")))
            continue;
        if (tagged || !is_token(param.value))
            return STEP_BAD;
        tagged = true;
        out->tag = param.value;
    }
    return step == STEP_END ? STEP_OK : step;
}

// Where the URI of a name-addr begins (behind '<'); 0 for an addr-spec, SIZE_MAX for a fault.
static size_t uri_start(struct slice text, bool *usual)
{
    size_t at;
    if (text.p[0] == '"') {
        at = quoted_end(text, 0);
        if (at == 0)
            return SIZE_MAX;
        if (memchr(text.p, '\\', at))
            *usual = false;
        while (at < text.n && char_blank(text.p[at]))
            at++;
        return at < text.n && text.p[at] == '<' ? at + 1 : SIZE_MAX;
    }
    if (text.p[0] == '<')
        return 1;
    // A '<' behind the first ';' belongs to a parameter of an addr-spec.
    at = slice_find(slice_upto(text, slice_find(text, ';')), '<');
    if (at >= text.n || text.p[at] != '<')
        return 0;
    struct slice name = slice_trim(slice_upto(text, at));
    return display_name(name, usual) ? at + 1 : SIZE_MAX;
}

enum step addr_parse(struct slice text, bool params_left, struct arena *arena, struct sip_addr *out)
{
    out->text = text;
    out->tag = out->params = out->uri_text = SLICE_NONE;
    bool usual = true;
    if (text.n == 0)
        return STEP_BAD;
    size_t start = uri_start(text, &usual);
    if (start == SIZE_MAX)
        return STEP_BAD;
    size_t end, behind;
    if (start) {
        end = start + slice_find(slice_from(text, start), '>');
        if (end == text.n)
            return STEP_BAD;
        behind = end + 1;
    } else {
        usual = false;
        end = behind = slice_find(text, ';');
    }
    out->uri_text = slice_of(text.p + start, end - start);
    if (!start) {
        out->uri_text = slice_trim(out->uri_text);
        if (slice_find(out->uri_text, '?') < out->uri_text.n ||
            slice_find(out->uri_text, ',') < out->uri_text.n)
            return STEP_BAD;
    }
    out->params = slice_trim(slice_from(text, behind));
    if (!sip_uri_parse(out->uri_text, &out->uri))
        return STEP_BAD;
    enum step step = params_left || out->params.n == 0 ? STEP_OK : read_params(out->params, out);
    if (step == STEP_OK && !usual && !osip_reads_addr(out, arena))
        return STEP_BAD;
    return step;
}
