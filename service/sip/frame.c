// SPDX-License-Identifier: Apache-2.0
// Messages cut from a stream by Content-Length (RFC 3261 sections 18.3 and 18.4), and the
// keep-alives between them (RFC 5626 section 4.4.1).
#include "service/sip/message.h"

#include "service/sip/chars.h"

// What `scanned` holds once the headers are there: the whole length, marked by the highest bit.
#define LENGTH_KNOWN ((size_t)1 << (sizeof(size_t) * 8 - 1))

// Whether a header may be Content-Length, by its first letter: most are none.
static bool may_be_length(char first)
{
    char c = ascii_lower(first);
    return c == 'c' || c == 'l' || c < 'a' || c > 'z';
}

// The Content-Length of a header section; false where there is none, more than one, or no number.
static bool content_length(struct slice head, uint64_t *out)
{
    bool found = false;
    size_t at = slice_find(head, '\n') + 1; // behind the start line
    while (at < head.n) {
        struct slice rest = slice_from(head, at);
        size_t end = slice_find(rest, '\n');
        while (end + 1 < rest.n && char_blank(rest.p[end + 1])) // folded
            end += 1 + slice_find(slice_from(rest, end + 1), '\n');
        at += end + 1;
        if (!may_be_length(rest.p[0]))
            continue;
        struct slice line = slice_upto(rest, end);
        size_t colon = slice_find(line, ':');
        struct slice name = slice_trim(slice_upto(line, colon));
        if (colon == line.n ||
            !(slice_ieq(name, SLICE("l")) || slice_ieq(name, SLICE("content-length"))))
            continue;
        if (found || !slice_to_u64(slice_trim(slice_from(line, colon + 1)), UINT32_MAX, out))
            return false;
        found = true;
    }
    return found;
}

// Where the header section ends (behind its empty line), or 0. Looks from *scanned on, line by
// line: memmem() would look at each byte.
static size_t headers_end(struct slice s, size_t *scanned)
{
    size_t at = *scanned;
    *scanned = s.n;
    for (;;) {
        at += slice_find(slice_from(s, at), '\n') + 1;
        if (at > s.n)
            return 0;
        if (at >= 4 && memcmp(s.p + at - 4, "\r\n\r\n", 4) == 0)
            return at;
    }
}

// CRLFs before a message: a pair is a ping, a single one is noise once more has come behind it.
static enum frame_status blank_lines(struct slice bytes, size_t *skip)
{
    if (bytes.p[0] == '\n') {
        *skip = 1;
        return FRAME_BLANK;
    }
    if (bytes.n < 2)
        return FRAME_NEED_MORE;
    if (bytes.p[1] != '\n')
        return FRAME_BAD;
    if (bytes.n == 2 || (bytes.n == 3 && bytes.p[2] == '\r'))
        return FRAME_NEED_MORE; // half a ping?
    bool ping = bytes.p[2] == '\r' && bytes.p[3] == '\n';
    *skip = ping ? 4 : 2;
    return ping ? FRAME_PING : FRAME_BLANK;
}

enum frame_status sip_frame(struct slice bytes, size_t max, size_t *scanned, size_t *skip,
                            size_t *length)
{
    *skip = *length = 0;
    if (bytes.n == 0)
        return FRAME_NEED_MORE;
    if (bytes.p[0] == '\r' || bytes.p[0] == '\n')
        return blank_lines(bytes, skip);
    if (*scanned & LENGTH_KNOWN) {
        size_t whole = *scanned & ~LENGTH_KNOWN;
        if (bytes.n < whole)
            return FRAME_NEED_MORE;
        *scanned = 0;
        *length = whole;
        return FRAME_MESSAGE;
    }
    size_t bound = max < SIP_HEADERS_MAX ? max : SIP_HEADERS_MAX;
    size_t end = headers_end(bytes, scanned);
    if (end == 0 && bytes.n < bound)
        return FRAME_NEED_MORE;
    uint64_t body;
    if (end == 0 || end > bound || !content_length(slice_upto(bytes, end), &body) ||
        body > max - end) {
        *scanned = 0;
        *length = end ? end : bytes.n; // what a 400 can be made from
        return FRAME_BAD;
    }
    *length = end + (size_t)body;
    if (bytes.n < *length) {
        *scanned = *length | LENGTH_KNOWN;
        *length = 0;
        return FRAME_NEED_MORE;
    }
    *scanned = 0;
    return FRAME_MESSAGE;
}
