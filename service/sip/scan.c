// SPDX-License-Identifier: Apache-2.0
// One pass over the raw bytes (RFC 3261 section 7): lines, names, folding, limits. Lines end with
// CRLF and nothing else; a bare CR or LF is refused, because peers disagree on what it ends.
#include "service/sip/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "service/sip/chars.h"

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
    out->method = slice_upto(line, slice_find(line, ' '));
    struct slice rest = slice_from(line, out->method.n);
    rest = slice_from(rest, 1);
    out->ruri = slice_upto(rest, slice_find(rest, ' '));
    rest = slice_from(rest, out->ruri.n);
    out->version = slice_from(rest, 1);
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

// Where the reading of lines stands, and what was met on the way that no value may hold.
struct lines {
    size_t at;
    bool bare;    // a CR or LF that is no part of a CRLF
    bool control; // another control byte; tabs may stand anywhere, others behind a backslash (a
                  // quoted pair, which the value's parser then wants in quotes)
};

// Which bytes of this step are below 0x20: a bit each, or the high bit of each.
#ifdef __SSE2__
#define STEP         16
#define BITS_OF_BYTE 1
static uint64_t controls(const char *p)
{
    const __m128i most = _mm_set1_epi8(0x1f);
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, most), most));
}
#else
#define STEP         8
#define BITS_OF_BYTE 8
static uint64_t controls(const char *p)
{
    const uint64_t high = 0x8080808080808080ULL;
    uint64_t v; // little-endian, as the store is
    memcpy(&v, p, sizeof v);
    // The byte itself, or its lower bits with 0x60 added, have the high bit unless it is below 0x20
    return ~(((v & ~high) + 0x6060606060606060ULL) | v) & high;
}
#endif

// Index of the first byte below 0x20 at or behind `i`, or s.n.
static size_t next_control(struct slice s, size_t i)
{
    for (; s.n - i >= STEP; i += STEP) {
        uint64_t found = controls(s.p + i);
        if (found)
            return i + (size_t)__builtin_ctzll(found) / BITS_OF_BYTE;
    }
    while (i < s.n && (unsigned char)s.p[i] >= 0x20)
        i++;
    return i;
}

// One line and those folded into it, without its last CRLF. False at the end of what may be read
// without having seen a line end.
static bool next_line(struct slice s, struct lines *l, struct slice *line, bool *folded)
{
    size_t from = l->at;
    *folded = false;
    for (size_t i = from, end; (i = next_control(s, i)) < s.n;) {
        char c = s.p[end = i++];
        if (c == '\r' && i < s.n && s.p[i] == '\n') {
            i++;
        } else if (c == '\n' || c == '\r') {
            l->bare = true;
            if (c == '\r')
                continue;
        } else {
            l->control = l->control || (c != '\t' && (end == 0 || s.p[end - 1] != '\\'));
            continue;
        }
        l->at = i;
        *line = slice_of(s.p + from, end - from);
        if (line->n == 0 || i == s.n || !char_blank(s.p[i]))
            return true;
        *folded = true;
    }
    return false;
}

void scan_message(struct slice bytes, struct arena *arena, struct scan *out,
                  struct sip_fault *fault)
{
    struct slice s = slice_upto(bytes, SIP_HEADERS_MAX);
    struct slice line;
    struct lines l = {0};
    size_t lines = 0;
    bool folded;
    out->n_lines = 0;
    out->method = out->ruri = out->version = SLICE_NONE;
    out->body = bytes.n;
    if (next_line(s, &l, &line, &folded))
        start_line(line, out, fault);
    for (;;) {
        if (l.at >= s.n || !next_line(s, &l, &line, &folded)) {
            if (s.n < bytes.n)
                fault_set(fault, 513, SLICE("Headers Too Long"), LIMIT_SIP_MAX_MESSAGE);
            bad(fault, SLICE("No Empty Line Behind The Headers"));
            break;
        }
        if (line.n == 0) {
            out->body = l.at;
            break;
        }
        if (lines++ == SIP_HEADER_LINES_MAX) {
            fault_set(fault, 513, SLICE("Too Many Headers"), LIMIT_SIP_HEADER_LINES);
            break;
        }
        header_line(line, folded, arena, out, fault);
    }
    if (l.bare)
        bad(fault, SLICE("Bare CR Or LF"));
    if (l.control)
        bad(fault, SLICE("Control Character In Header"));
}
