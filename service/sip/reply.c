// SPDX-License-Identifier: Apache-2.0
// Responses are copies of slices of the request and a few literals: no tree, no allocation.
#include "service/sip/reply.h"

#include <time.h>

static const struct {
    uint16_t status;
    struct slice phrase;
} phrases[] = {
#define P(status, text)                                                                            \
    {                                                                                              \
        status,                                                                                    \
        {                                                                                          \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }
    P(100, "Trying"),
    P(200, "OK"),
    P(302, "Moved Temporarily"),
    P(400, "Bad Request"),
    P(401, "Unauthorized"),
    P(403, "Forbidden"),
    P(404, "Not Found"),
    P(405, "Method Not Allowed"),
    P(406, "Not Acceptable"),
    P(408, "Request Timeout"),
    P(413, "Request Entity Too Large"),
    P(414, "Request-URI Too Long"),
    P(415, "Unsupported Media Type"),
    P(416, "Unsupported URI Scheme"),
    P(420, "Bad Extension"),
    P(421, "Extension Required"),
    P(423, "Interval Too Brief"),
    P(429, "Provide Referrer Identity"),
    P(430, "Flow Failed"),
    P(439, "First Hop Lacks Outbound Support"),
    P(480, "Temporarily Unavailable"),
    P(481, "Call/Transaction Does Not Exist"),
    P(482, "Loop Detected"),
    P(483, "Too Many Hops"),
    P(487, "Request Terminated"),
    P(489, "Bad Event"),
    P(500, "Server Internal Error"),
    P(501, "Not Implemented"),
    P(503, "Service Unavailable"),
    P(504, "Server Time-out"),
    P(505, "Version Not Supported"),
    P(513, "Message Too Large"),
    P(555, "Push Notification Service Not Supported"),
#undef P
};

struct slice reply_phrase(unsigned status)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return SLICE("Unknown");
}

// The sender's address is not what sent-by says (RFC 3261 section 18.2.1).
static bool sent_by_differs(const struct sip_via *via, const struct address *source)
{
    struct address host;
    return !address_parse(via->host, &host) || !address_same_host(&host, source);
}

// `text` without the part `cut`, which lies in it or is empty.
static void put_without(struct buf *b, struct slice text, struct slice cut)
{
    if (cut.n == 0) {
        buf_put(b, text);
        return;
    }
    size_t at = (size_t)(cut.p - text.p);
    buf_put(b, slice_of(text.p, at));
    buf_put(b, slice_of(cut.p + cut.n, text.n - at - cut.n));
}

// The top Via with what we know of the sender; what the sender claimed of itself goes.
static void put_top_via(struct buf *b, const struct sip_via *via, const struct address *source)
{
    struct slice first = via->rport_param, second = via->received_param;
    if (first.n && second.n && second.p < first.p) {
        first = via->received_param;
        second = via->rport_param;
    }
    if (first.n == 0) {
        first = second;
        second = SLICE_NONE;
    }
    size_t middle = first.n ? (size_t)(first.p - via->text.p) + first.n : 0;
    put_without(b, slice_of(via->text.p, middle), first);
    put_without(b, slice_of(via->text.p + middle, via->text.n - middle), second);
    if (!via->rport && !sent_by_differs(via, source))
        return;
    struct address host = *source;
    host.port = 0;
    BUF_LIT(b, ";received=");
    address_print(b, &host);
    if (via->rport) {
        BUF_LIT(b, ";rport=");
        buf_u64(b, source->port);
    }
}

// A faulty request may lack it.
static void put_copied(struct buf *b, struct slice name, struct slice value)
{
    if (value.n == 0)
        return;
    BUF_LIT(b, "\r\n");
    buf_put(b, name);
    buf_put(b, value);
}

void reply_begin(struct buf *b, const struct sip_request *req, unsigned status, struct slice phrase,
                 const struct address *source, struct slice to_tag)
{
    BUF_LIT(b, "SIP/2.0 ");
    buf_u64(b, status);
    buf_byte(b, ' ');
    buf_put(b, phrase.n ? phrase : reply_phrase(status));
    for (size_t i = 0; i < req->n_vias; i++) {
        BUF_LIT(b, "\r\nVia: ");
        if (i == 0)
            put_top_via(b, &req->via[0], source);
        else
            buf_put(b, req->via[i].text);
    }
    put_copied(b, SLICE("From: "), req->from.text);
    put_copied(b, SLICE("To: "), req->to.text);
    if (req->to.text.n && req->to.tag.n == 0 && to_tag.n && status != 100) {
        BUF_LIT(b, ";tag=");
        buf_put(b, to_tag);
    }
    put_copied(b, SLICE("Call-ID: "), req->call_id);
    put_copied(b, SLICE("CSeq: "), req->cseq_text);
    BUF_LIT(b, "\r\n");
}

void reply_header(struct buf *b, struct slice name, struct slice value)
{
    buf_put(b, name);
    BUF_LIT(b, ": ");
    buf_put(b, value);
    BUF_LIT(b, "\r\n");
}

void reply_header_u64(struct buf *b, struct slice name, uint64_t value)
{
    buf_put(b, name);
    BUF_LIT(b, ": ");
    buf_u64(b, value);
    BUF_LIT(b, "\r\n");
}

static void put_two(struct buf *b, int value)
{
    buf_byte(b, (char)('0' + value / 10 % 10));
    buf_byte(b, (char)('0' + value % 10));
}

void reply_date(struct buf *b, int64_t now_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return;
    BUF_LIT(b, "Date: ");
    buf_put(b, slice_of(days + 3 * tm.tm_wday, 3));
    BUF_LIT(b, ", ");
    put_two(b, tm.tm_mday);
    buf_byte(b, ' ');
    buf_put(b, slice_of(months + 3 * tm.tm_mon, 3));
    buf_byte(b, ' ');
    buf_i64(b, tm.tm_year + 1900);
    buf_byte(b, ' ');
    put_two(b, tm.tm_hour);
    buf_byte(b, ':');
    put_two(b, tm.tm_min);
    buf_byte(b, ':');
    put_two(b, tm.tm_sec);
    BUF_LIT(b, " GMT\r\n");
}

void reply_end(struct buf *b)
{
    BUF_LIT(b, "Content-Length: 0\r\n\r\n");
}

bool reply_destination(const struct sip_request *req, const struct address *source,
                       bool follow_maddr, struct address *out)
{
    if (req->n_vias == 0)
        return false;
    const struct sip_via *via = &req->via[0];
    uint16_t sent_by_port = via->port ? via->port : 5060;
    if (follow_maddr && via->maddr.n && address_parse(via->maddr, out)) {
        out->port = sent_by_port;
        return true;
    }
    *out = *source;
    out->port = via->rport ? source->port : sent_by_port;
    return out->port != 0;
}
