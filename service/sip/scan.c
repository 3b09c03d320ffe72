// SPDX-License-Identifier: Apache-2.0
// One pass over the raw bytes (RFC 3261 section 7): lines, names, folding, limits. Lines end with
// CRLF and nothing else; a bare CR or LF is refused, because peers disagree on what it ends.
#include "service/sip/scan.h"

#include "service/sip/chars.h"

#define BLOCK 64 // bytes counted at once, so that compilers use vectors

void fault_set(struct sip_fault *fault, unsigned status, struct slice phrase, enum limit limit)
{
    if (fault->status)
        return;
    fault->status = status;
    fault->phrase = phrase;
    fault->limit_known = limit != LIMIT_COUNT;
    if (fault->limit_known)
        fault->limit = limit;
}

static void bad(struct sip_fault *fault, struct slice phrase)
{
    fault_set(fault, 400, phrase, LIMIT_COUNT);
}

static enum header compact_of(char c)
{
    switch (ascii_lower(c)) {
    case 'v':
        return HEADER_VIA;
    case 'f':
        return HEADER_FROM;
    case 't':
        return HEADER_TO;
    case 'i':
        return HEADER_CALL_ID;
    case 'm':
        return HEADER_CONTACT;
    case 'l':
        return HEADER_CONTENT_LENGTH;
    case 'k':
        return HEADER_SUPPORTED;
    default:
        return HEADER_IGNORED;
    }
}

static enum header one_of(struct slice name, struct slice full, enum header header)
{
    return slice_ieq(name, full) ? header : HEADER_IGNORED;
}

static enum header header_of(struct slice name)
{
    char first = ascii_lower(name.p[0]);
    switch (name.n) {
    case 1:
        return compact_of(first);
    case 2:
        return one_of(name, SLICE("To"), HEADER_TO);
    case 3:
        return one_of(name, SLICE("Via"), HEADER_VIA);
    case 4:
        if (first == 'f')
            return one_of(name, SLICE("From"), HEADER_FROM);
        return first == 'c' ? one_of(name, SLICE("CSeq"), HEADER_CSEQ)
                            : one_of(name, SLICE("Path"), HEADER_PATH);
    case 5:
        return one_of(name, SLICE("Route"), HEADER_ROUTE);
    case 7:
        if (first == 'c')
            return ascii_lower(name.p[1]) == 'o' ? one_of(name, SLICE("Contact"), HEADER_CONTACT)
                                                 : one_of(name, SLICE("Call-ID"), HEADER_CALL_ID);
        return first == 'e' ? one_of(name, SLICE("Expires"), HEADER_EXPIRES)
                            : one_of(name, SLICE("Require"), HEADER_REQUIRE);
    case 9:
        return one_of(name, SLICE("Supported"), HEADER_SUPPORTED);
    case 10:
        return one_of(name, SLICE("User-Agent"), HEADER_USER_AGENT);
    case 12:
        return one_of(name, SLICE("Max-Forwards"), HEADER_MAX_FORWARDS);
    case 13:
        return one_of(name, SLICE("Authorization"), HEADER_AUTHORIZATION);
    case 14:
        return one_of(name, SLICE("Content-Length"), HEADER_CONTENT_LENGTH);
    default:
        return HEADER_IGNORED;
    }
}

// METHOD SP Request-URI SP SIP-Version, single blanks, nothing at the ends.
static void start_line(struct slice line, struct scan *out, struct sip_fault *fault)
{
    size_t first = slice_find(line, ' ');
    struct slice rest = slice_from(line, first + 1);
    size_t second = slice_find(rest, ' ');
    out->method = slice_upto(line, first);
    out->ruri = slice_upto(rest, second);
    out->version = slice_from(rest, second + 1);
    for (size_t i = 0; i < out->method.n; i++)
        if (!char_is(out->method.p[i], CHAR_TOKEN))
            bad(fault, SLICE("Bad Method"));
    if (out->method.n == 0 || out->ruri.n == 0 || out->version.n == 0 ||
        slice_find(out->version, ' ') < out->version.n) {
        bad(fault, SLICE("Bad Request Line"));
        out->version = SLICE_NONE;
    }
}

// A copy of a folded value with its line ends made blanks.
static struct slice unfold(struct slice value, struct arena *arena)
{
    struct slice copy = arena_copy(arena, value);
    char *p = (char *)(uintptr_t)copy.p;
    for (size_t i = 0; p && i < copy.n; i++)
        if (p[i] == '\r' || p[i] == '\n')
            p[i] = ' ';
    return p ? copy : SLICE_NONE;
}

// One header line, its folded lines with it.
static void header_line(struct slice line, bool folded, struct arena *arena, struct scan *out,
                        struct sip_fault *fault)
{
    size_t n = 0;
    while (n < line.n && char_is(line.p[n], CHAR_TOKEN))
        n++;
    size_t colon = n;
    while (colon < line.n && char_blank(line.p[colon]))
        colon++;
    if (n == 0 || colon == line.n || line.p[colon] != ':') {
        bad(fault, SLICE("Bad Header Line"));
        return;
    }
    if (line.n - colon > SIP_VALUE_MAX) {
        fault_set(fault, 513, SLICE("Header Value Too Long"), LIMIT_SIP_MAX_MESSAGE);
        return;
    }
    enum header header = header_of(slice_upto(line, n));
    if (header == HEADER_IGNORED)
        return;
    struct slice value = slice_trim(slice_from(line, colon + 1));
    if (folded)
        value = slice_trim(unfold(value, arena));
    out->lines[out->n_lines++] = (struct header_line){header, value};
}

struct census {
    size_t cr, lf, control;
};

static void count_byte(unsigned char b, uint8_t *cr, uint8_t *lf, uint8_t *control)
{
    *cr = (uint8_t)(*cr + (b == '\r'));
    *lf = (uint8_t)(*lf + (b == '\n'));
    *control = (uint8_t)(*control + (b < 0x20));
}

static void count_block(const char *p, struct census *c)
{
    uint8_t cr = 0, lf = 0, control = 0; // at most BLOCK: they cannot wrap
    for (size_t i = 0; i < BLOCK; i++)
        count_byte((unsigned char)p[i], &cr, &lf, &control);
    c->cr += cr;
    c->lf += lf;
    c->control += control;
}

// Control bytes stand behind a backslash (a quoted pair, which the value's parser then wants in
// quotes), tabs anywhere.
static bool controls_excused(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b < 0x20 && b != '\t' && b != '\r' && b != '\n' && (i == 0 || s.p[i - 1] != '\\'))
            return false;
    }
    return true;
}

static void check_bytes(struct slice head, size_t line_ends, struct sip_fault *fault)
{
    struct census c = {0};
    size_t i = 0;
    for (; i + BLOCK <= head.n; i += BLOCK)
        count_block(head.p + i, &c);
    char last[BLOCK]; // padded with what is not counted
    memset(last, ' ', sizeof(last));
    if (i < head.n)
        memcpy(last, head.p + i, head.n - i);
    count_block(last, &c);
    if (c.cr != line_ends || c.lf != line_ends)
        bad(fault, SLICE("Bare CR Or LF"));
    if (c.control > c.cr + c.lf && !controls_excused(head))
        bad(fault, SLICE("Control Character In Header"));
}

// One line and those folded into it: from `at`, without its last CRLF. False at the end of what may
// be read without having seen a line end.
static bool next_line(struct slice s, size_t *at, size_t *line_ends, struct slice *line,
                      bool *folded)
{
    size_t from = *at;
    *folded = false;
    for (;;) {
        const char *lf = memchr(s.p + *at, '\n', s.n - *at);
        if (!lf)
            return false;
        size_t end = (size_t)(lf - s.p);
        *at = end + 1;
        if (end > from && s.p[end - 1] == '\r') {
            ++*line_ends;
            end--;
        }
        *line = slice_of(s.p + from, end - from);
        if (line->n == 0 || *at == s.n || !char_blank(s.p[*at]))
            return true;
        *folded = true;
    }
}

void scan_message(struct slice bytes, struct arena *arena, struct scan *out,
                  struct sip_fault *fault)
{
    struct slice s = slice_upto(bytes, SIP_HEADERS_MAX);
    struct slice line;
    size_t at = 0, line_ends = 0, lines = 0;
    bool folded;
    out->n_lines = 0;
    out->method = out->ruri = out->version = SLICE_NONE;
    out->body = bytes.n;
    if (next_line(s, &at, &line_ends, &line, &folded))
        start_line(line, out, fault);
    for (;;) {
        if (at >= s.n || !next_line(s, &at, &line_ends, &line, &folded)) {
            if (s.n < bytes.n)
                fault_set(fault, 513, SLICE("Headers Too Long"), LIMIT_SIP_MAX_MESSAGE);
            bad(fault, SLICE("No Empty Line Behind The Headers"));
            break;
        }
        if (line.n == 0) {
            out->body = at;
            break;
        }
        if (lines++ == SIP_HEADER_LINES_MAX) {
            fault_set(fault, 513, SLICE("Too Many Headers"), LIMIT_SIP_HEADER_LINES);
            break;
        }
        header_line(line, folded, arena, out, fault);
    }
    check_bytes(slice_upto(s, at), line_ends, fault);
}
