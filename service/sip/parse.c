// SPDX-License-Identifier: Apache-2.0
// sip_parse(): the scanner's table made into a request. The headers that a response needs are read
// even in a faulty message; the first fault found is the one that is answered.
#include "service/sip/message.h"

#include "service/sip/chars.h"
#include "service/sip/osip.h"
#include "service/sip/scan.h"
#include "service/sip/values.h"

struct parsing {
    struct slice bytes;
    struct arena *arena;
    struct sip_request *out;
    struct sip_fault *fault;
    unsigned seen;           // 1u << enum header
    size_t contacts_room;    // of out->contacts
    size_t vias_room;        // of out->via
    uint64_t content_length; // valid when seen
};

int sip_parse_setup(void)
{
    return osip_setup();
}

enum sip_method sip_method_of(struct slice text)
{
    static const struct slice names[] = {
        [SIP_REGISTER] = {"REGISTER", 8}, [SIP_OPTIONS] = {"OPTIONS", 7},
        [SIP_INVITE] = {"INVITE", 6},     [SIP_ACK] = {"ACK", 3},
        [SIP_CANCEL] = {"CANCEL", 6},     [SIP_BYE] = {"BYE", 3},
        [SIP_MESSAGE] = {"MESSAGE", 7},   [SIP_SUBSCRIBE] = {"SUBSCRIBE", 9},
        [SIP_NOTIFY] = {"NOTIFY", 6},     [SIP_PUBLISH] = {"PUBLISH", 7},
        [SIP_INFO] = {"INFO", 4},         [SIP_REFER] = {"REFER", 5},
        [SIP_PRACK] = {"PRACK", 5},       [SIP_UPDATE] = {"UPDATE", 6},
    };
    for (unsigned m = SIP_REGISTER; m <= SIP_UPDATE; m++)
        if (slice_eq(text, names[m]))
            return (enum sip_method)m;
    return SIP_OTHER;
}

static void bad(struct parsing *p, struct slice phrase)
{
    fault_set(p->fault, 400, phrase, LIMIT_COUNT);
}

static void exceeded(struct parsing *p, struct slice phrase, enum limit limit)
{
    fault_set(p->fault, 513, phrase, limit);
}

// Notes what a value's parser found wrong, if anything.
static bool step_ok(struct parsing *p, enum step step, struct slice phrase)
{
    if (step == STEP_LIMIT)
        exceeded(p, SLICE("Too Many Parameters"), LIMIT_SIP_PARAMS);
    else if (step != STEP_OK)
        bad(p, phrase);
    return step == STEP_OK;
}

// `items`, or a larger copy of them in the arena when `room` is full; NULL when there is no memory.
static void *with_room(struct parsing *p, void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return items;
    size_t more = *room ? *room * 4 : 1;
    void *bigger = arena_alloc(p->arena, more * size);
    if (bigger && n)
        memcpy(bigger, items, n * size);
    if (bigger)
        *room = more;
    return bigger;
}

static struct sip_via *next_via(struct parsing *p)
{
    struct sip_request *out = p->out;
    struct sip_via *vias = with_room(p, out->via, out->n_vias, &p->vias_room, sizeof(*out->via));
    if (!vias) {
        exceeded(p, SLICE("Too Many Vias"), LIMIT_SIP_VIAS);
        return NULL;
    }
    out->via = vias;
    return &vias[out->n_vias];
}

static void read_via(struct parsing *p, struct slice value)
{
    struct sip_request *out = p->out;
    struct slice item;
    enum step step;
    if (value.n == 0)
        bad(p, SLICE("Bad Via"));
    while ((step = list_next(&value, &item)) != STEP_END) {
        if (out->n_vias == SIP_VIAS_MAX) {
            exceeded(p, SLICE("Too Many Vias"), LIMIT_SIP_VIAS);
            return;
        }
        struct sip_via *via = next_via(p);
        if (!via)
            return;
        // Kept even where it is bad, so that a response has all of them
        bool good = step_ok(p, via_parse(item, via), SLICE("Bad Via"));
        if (good || (item.n && (out->n_vias > 0 || via->host.n)))
            out->n_vias++;
        if (step == STEP_BAD) {
            bad(p, SLICE("Bad Via"));
            return;
        }
    }
}

static void read_cseq(struct parsing *p, struct slice value)
{
    struct sip_request *out = p->out;
    uint64_t number;
    size_t n = 0;
    out->cseq_text = value;
    while (n < value.n && ascii_digit(value.p[n]))
        n++;
    struct slice method = slice_trim(slice_from(value, n));
    if (!slice_to_u64(slice_upto(value, n), INT32_MAX, &number) || method.n + n == value.n ||
        !is_token(method)) {
        bad(p, SLICE("Bad CSeq"));
        return;
    }
    out->cseq = (uint32_t)number;
    if (!slice_eq(method, out->method_text))
        bad(p, SLICE("CSeq Does Not Match Method"));
}

static void read_call_id(struct parsing *p, struct slice value)
{
    p->out->call_id = value;
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f)
            bad(p, SLICE("Bad Call-ID"));
    if (value.n == 0)
        bad(p, SLICE("Bad Call-ID"));
}

static struct sip_contact *next_contact(struct parsing *p)
{
    struct sip_request *out = p->out;
    if (out->n_contacts == SIP_CONTACTS_MAX) {
        exceeded(p, SLICE("Too Many Contacts"), LIMIT_SIP_CONTACTS);
        return NULL;
    }
    struct sip_contact *contacts =
        with_room(p, out->contacts, out->n_contacts, &p->contacts_room, sizeof(*out->contacts));
    if (!contacts) {
        exceeded(p, SLICE("Too Many Contacts"), LIMIT_SIP_CONTACTS);
        return NULL;
    }
    out->contacts = contacts;
    return &contacts[out->n_contacts];
}

static void read_contact(struct parsing *p, struct slice value)
{
    struct sip_request *out = p->out;
    struct slice item;
    enum step step;
    if (value.n == 0)
        bad(p, SLICE("Empty Contact"));
    while ((step = list_next(&value, &item)) == STEP_OK) {
        struct slice phrase;
        if (out->star || (out->n_contacts && slice_eq(item, SLICE("*")))) {
            bad(p, SLICE("Star With Other Contacts"));
            return;
        }
        if (slice_eq(item, SLICE("*"))) {
            out->star = true;
            continue;
        }
        struct sip_contact *contact = next_contact(p);
        if (!contact)
            return;
        step = contact_parse(item, p->arena, contact, &phrase);
        if (!step_ok(p, step, phrase))
            return;
        out->n_contacts++;
    }
    if (step == STEP_BAD)
        bad(p, SLICE("Bad Contact"));
}

static unsigned option_of(struct slice tag)
{
    if (slice_ieq(tag, SLICE("path")))
        return OPTION_PATH;
    if (slice_ieq(tag, SLICE("outbound")))
        return OPTION_OUTBOUND;
    return slice_ieq(tag, SLICE("gruu")) ? OPTION_GRUU : 0;
}

// Require and Supported: tokens; empty elements are let pass.
static void read_options(struct parsing *p, struct slice value, bool require)
{
    struct sip_request *out = p->out;
    unsigned count = 0;
    while (value.n) {
        size_t end = slice_find(value, ',');
        struct slice tag = slice_trim(slice_upto(value, end));
        value = slice_from(value, end + 1);
        if (++count > SIP_LIST_ITEMS_MAX || (require && out->n_require == SIP_LIST_ITEMS_MAX)) {
            exceeded(p, SLICE("Too Many Option Tags"), LIMIT_SIP_LIST_ITEMS);
            return;
        }
        if (tag.n == 0)
            continue;
        if (!is_token(tag)) {
            bad(p, require ? SLICE("Bad Require") : SLICE("Bad Supported"));
            return;
        }
        if (require) {
            out->require[out->n_require++] = tag;
            out->required |= option_of(tag);
        } else {
            out->supported |= option_of(tag);
        }
    }
}

static void read_path(struct parsing *p, struct slice value)
{
    struct sip_request *out = p->out;
    struct sip_addr addr;
    struct slice item;
    enum step step;
    while ((step = list_next(&value, &item)) == STEP_OK) {
        if (out->n_paths == SIP_PATHS_MAX) {
            exceeded(p, SLICE("Too Many Paths"), LIMIT_SIP_LIST_ITEMS);
            return;
        }
        if (!step_ok(p, addr_parse(item, false, p->arena, &addr), SLICE("Bad Path")))
            return;
        if (addr.uri_text.p == item.p) { // RFC 3327 section 4: name-addr only
            bad(p, SLICE("Bad Path"));
            return;
        }
        out->path[out->n_paths++] = item;
    }
    if (step == STEP_BAD)
        bad(p, SLICE("Bad Path"));
}

static void read_number(struct parsing *p, enum header header, struct slice value)
{
    uint64_t number = 0;
    if (header == HEADER_EXPIRES) {
        p->out->has_expires = true;
        p->out->expires = expires_value(value);
    } else if (header == HEADER_MAX_FORWARDS) {
        if (!slice_to_u64(value, UINT32_MAX, &number))
            bad(p, SLICE("Bad Max-Forwards"));
        p->out->has_max_forwards = true;
        p->out->max_forwards = (uint32_t)number;
    } else if (!slice_to_u64(value, UINT32_MAX, &p->content_length)) {
        bad(p, SLICE("Bad Content-Length"));
    }
}

#define SINGLE                                                                                     \
    (1u << HEADER_FROM | 1u << HEADER_TO | 1u << HEADER_CALL_ID | 1u << HEADER_CSEQ |              \
     1u << HEADER_EXPIRES | 1u << HEADER_MAX_FORWARDS | 1u << HEADER_CONTENT_LENGTH)

static void read_line(struct parsing *p, const struct header_line *line)
{
    struct sip_request *out = p->out;
    struct slice item = line->value, rest = line->value;
    if (SINGLE & p->seen & 1u << line->header) {
        bad(p, SLICE("Repeated Header"));
        return;
    }
    p->seen |= 1u << line->header;
    switch (line->header) {
    case HEADER_VIA:
        read_via(p, line->value);
        break;
    case HEADER_FROM:
        step_ok(p, addr_parse(line->value, false, p->arena, &out->from), SLICE("Bad From"));
        break;
    case HEADER_TO:
        step_ok(p, addr_parse(line->value, false, p->arena, &out->to), SLICE("Bad To"));
        break;
    case HEADER_CALL_ID:
        read_call_id(p, line->value);
        break;
    case HEADER_CSEQ:
        read_cseq(p, line->value);
        break;
    case HEADER_CONTACT:
        read_contact(p, line->value);
        break;
    case HEADER_PATH:
        read_path(p, line->value);
        break;
    case HEADER_ROUTE:
        if (out->route.n == 0 && list_next(&rest, &item) == STEP_OK)
            out->route = item;
        break;
    case HEADER_AUTHORIZATION:
        if (out->n_authorizations == SIP_AUTHORIZATIONS_MAX)
            exceeded(p, SLICE("Too Many Authorizations"), LIMIT_SIP_LIST_ITEMS);
        else
            out->authorization[out->n_authorizations++] = line->value;
        break;
    case HEADER_REQUIRE:
    case HEADER_SUPPORTED:
        read_options(p, line->value, line->header == HEADER_REQUIRE);
        break;
    case HEADER_USER_AGENT:
        if (out->user_agent.n == 0)
            out->user_agent = line->value;
        break;
    case HEADER_EXPIRES:
    case HEADER_MAX_FORWARDS:
    case HEADER_CONTENT_LENGTH:
        read_number(p, line->header, line->value);
        break;
    case HEADER_IGNORED:
    case HEADER_COUNT:
        break;
    }
}

// The whole of the request is not zeroed: only what says how much of it is in use.
static void clear(struct sip_request *out)
{
    out->method = SIP_OTHER;
    out->ruri_ok = out->star = out->has_expires = out->has_max_forwards = false;
    out->n_vias = out->n_contacts = out->n_paths = out->n_authorizations = out->n_require = 0;
    out->contacts = NULL;
    out->via = out->usual_vias;
    out->cseq = out->expires = out->max_forwards = 0;
    out->supported = out->required = 0;
    out->call_id = out->cseq_text = out->user_agent = out->route = SLICE_NONE;
    memset(&out->from, 0, sizeof(out->from));
    memset(&out->to, 0, sizeof(out->to));
    memset(&out->ruri, 0, sizeof(out->ruri));
}

// SIP/2.0; another version is 505, something else no request of SIP at all.
static void check_version(struct parsing *p, struct slice version)
{
    if (version.n == 0 || slice_ieq(version, SLICE("SIP/2.0")))
        return;
    bool sip = slice_istarts(version, SLICE("SIP/")) && version.n > 4;
    for (size_t i = 4; sip && i < version.n; i++)
        sip = ascii_digit(version.p[i]) || version.p[i] == '.';
    if (sip)
        fault_set(p->fault, 505, SLICE("Version Not Supported"), LIMIT_COUNT);
    else
        bad(p, SLICE("Bad Request Line"));
}

// A Request-URI that is no good is a fault; one of a scheme that we do not know is not (416 later).
static void read_ruri(struct parsing *p)
{
    struct sip_request *out = p->out;
    out->ruri_ok = sip_uri_parse(out->ruri_text, &out->ruri);
    bool sip = out->ruri_ok && (out->ruri.scheme == URI_SIP || out->ruri.scheme == URI_SIPS);
    if (!out->ruri_ok || (sip && out->ruri.headers.n)) {
        bad(p, SLICE("Bad Request-URI"));
        out->ruri_ok = false;
    }
}

static void check_missing(struct parsing *p)
{
    static const struct {
        enum header header;
        struct slice phrase;
    } needed[] = {{HEADER_VIA, {"Missing Via", 11}},
                  {HEADER_FROM, {"Missing From", 12}},
                  {HEADER_TO, {"Missing To", 10}},
                  {HEADER_CALL_ID, {"Missing Call-ID", 15}},
                  {HEADER_CSEQ, {"Missing CSeq", 12}}};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!(p->seen & 1u << needed[i].header))
            bad(p, needed[i].phrase);
}

// RFC 3261 section 18.3: what a datagram has behind the body is ignored, a short one is refused.
static void set_raw(struct parsing *p, size_t body)
{
    size_t length = p->bytes.n - body;
    if (p->seen & 1u << HEADER_CONTENT_LENGTH && !p->fault->status) {
        if (p->content_length > length) {
            bad(p, SLICE("Content-Length Exceeds Message"));
            p->fault->short_body = true;
        } else {
            length = (size_t)p->content_length;
        }
    }
    p->out->raw = slice_upto(p->bytes, body + length);
}

// No control byte of a faulty message goes back out: it could split the response. What is missing
// is left out of it.
static bool copyable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
            return false;
    return true;
}

static bool answerable(const struct sip_request *out)
{
    for (size_t i = 0; i < out->n_vias; i++)
        if (!copyable(out->via[i].text))
            return false;
    return out->n_vias && copyable(out->from.text) && copyable(out->to.text) &&
           copyable(out->call_id) && copyable(out->cseq_text);
}

// Nothing at all, or the NULs and blanks with which phones keep their NAT open.
static bool blank(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\0' && !char_blank(s.p[i]) && s.p[i] != '\r' && s.p[i] != '\n')
            return false;
    return true;
}

enum sip_parsed sip_parse(struct slice bytes, struct arena *arena, struct sip_request *out,
                          struct sip_fault *fault)
{
    struct scan scan;
    while (bytes.n && (bytes.p[0] == '\r' || bytes.p[0] == '\n'))
        bytes = slice_from(bytes, 1);
    if (blank(bytes))
        return SIP_BLANK;
    if (slice_istarts(bytes, SLICE("SIP/")))
        return SIP_RESPONSE;
    *fault = (struct sip_fault){0};
    struct parsing p = {
        .bytes = bytes, .arena = arena, .out = out, .fault = fault, .vias_room = SIP_VIAS_USUAL};
    clear(out);
    scan_message(bytes, arena, &scan, fault);
    out->method_text = scan.method;
    out->method = sip_method_of(scan.method);
    out->ruri_text = scan.ruri;
    check_version(&p, scan.version);
    if (scan.version.n)
        read_ruri(&p);
    for (size_t i = 0; i < scan.n_lines; i++)
        read_line(&p, &scan.lines[i]);
    check_missing(&p);
    set_raw(&p, scan.body);
    if (!fault->status)
        return SIP_PARSED;
    if (arena->failed) // what looks malformed then may be our own lack
        *fault = (struct sip_fault){.status = 500, .phrase = SLICE("Out Of Memory")};
    fault->answerable = answerable(out);
    return SIP_FAULTY;
}
