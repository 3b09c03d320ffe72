// SPDX-License-Identifier: Apache-2.0
// A SIP request as slices into the bytes that arrived: what a registrar needs, and nothing else.
//
// sip_parse() is the one definition of what is accepted. A single-pass scanner reads the raw bytes
// (framing, sizes, limits, start line, duplicates, mandatory headers, numbers); values of the usual
// shape are taken apart in place, others go to libosip2 (osip.c) in the request's arena.
#pragma once

#include "base/arena.h"
#include "base/limits.h"
#include "service/sip/uri.h"

// Limits of one message (base/limits.h names them; docs/operating.md lists them).
#define SIP_HEADER_LINES_MAX   128
#define SIP_LIST_ITEMS_MAX     64
#define SIP_PARAMS_MAX         64
#define SIP_CONTACTS_MAX       64
#define SIP_VIAS_MAX           70
#define SIP_VIAS_USUAL         4
#define SIP_PATHS_MAX          32
#define SIP_AUTHORIZATIONS_MAX 8
#define SIP_VALUE_MAX          8192  // bytes of one header value; at least 4 kB are promised
#define SIP_HEADERS_MAX        20480 // bytes of start line and headers; 16 kB are promised

enum sip_method {
    SIP_OTHER, // unknown: 501
    SIP_REGISTER,
    SIP_OPTIONS,
    SIP_INVITE,
    SIP_ACK,
    SIP_CANCEL,
    SIP_BYE,
    SIP_MESSAGE,
    SIP_SUBSCRIBE,
    SIP_NOTIFY,
    SIP_PUBLISH,
    SIP_INFO,
    SIP_REFER,
    SIP_PRACK,
    SIP_UPDATE // as METRIC_REQUESTS counts them
};

struct sip_via {
    struct slice text;      // the whole value of this Via, as received (one of a comma list)
    struct slice transport; // "UDP"
    struct slice host;      // sent-by; IPv6 with or without brackets, as received
    uint16_t port;          // 0 where there is none
    struct slice branch;    // empty where there is none (RFC 2543)
    struct slice maddr;
    struct slice received;    // what the sender claimed; never trusted of the top one
    struct slice rport_param; // the whole ";rport" or ";rport=9" in text, empty where there is none
    struct slice received_param; // the whole ";received=..." in text, empty where there is none
    bool rport;                  // rport is there
    uint16_t rport_value;        // 0 where it has none
};

// A name-addr or addr-spec: To, From, Contact.
struct sip_addr {
    struct slice text;     // the whole value
    struct slice uri_text; // without the angle brackets
    struct sip_uri uri;
    struct slice params; // header parameters, raw, from the first ';' behind the URI
    struct slice tag;    // To, From
};

struct sip_contact {
    struct sip_addr addr;
    struct slice
        params; // addr.params without expires and q, raw (";a;b=\"c\""), in the arena if cut
    bool has_expires;
    uint32_t expires;      // seconds; malformed counts as 3600 (RFC 3261 section 10.2.1.1)
    int16_t q;             // thousandths; -1 for none
    struct slice instance; // +sip.instance without its quotes, with <>; empty for none
    bool has_reg_id;
    uint32_t reg_id; // 1..2^31-1 where has_reg_id
    bool ob;         // the URI has ;ob (RFC 5626)
};

// Option tags of Supported and Require that mean something here.
enum sip_option { OPTION_PATH = 1, OPTION_OUTBOUND = 2, OPTION_GRUU = 4 };

struct sip_request {
    struct slice raw; // start line to the end of the body
    enum sip_method method;
    struct slice method_text;
    struct slice ruri_text;
    struct sip_uri ruri; // valid when ruri_ok
    bool ruri_ok;

    struct sip_addr from, to;
    struct slice call_id;
    struct slice cseq_text;       // "17 REGISTER", as received
    uint32_t cseq;                // 0..2^31-1
    struct sip_contact *contacts; // in the arena
    size_t n_contacts;
    bool star; // "Contact: *", which then is the only one
    bool has_expires;
    uint32_t expires;   // Expires header; malformed counts as 3600
    unsigned supported; // enum sip_option
    unsigned required;  // enum sip_option, of those in require
    struct slice user_agent;
    bool has_max_forwards;
    uint32_t max_forwards;
    struct slice route; // first Route value, empty for none

    struct sip_via *via; // usual_vias, or more of them in the arena; via[0] is the top one
    struct sip_via usual_vias[SIP_VIAS_USUAL];

    // Last, for few of these are ever touched:
    size_t n_authorizations, n_vias, n_paths, n_require;
    struct slice authorization[SIP_AUTHORIZATIONS_MAX]; // whole values
    struct slice path[SIP_PATHS_MAX];         // each "<...>;params", as received, in order
    struct slice require[SIP_LIST_ITEMS_MAX]; // option tags
};

enum sip_parsed {
    SIP_PARSED,   // a whole request
    SIP_FAULTY,   // cannot be taken: answer fault->status where fault->answerable
    SIP_RESPONSE, // a response: silence
    SIP_BLANK     // nothing but CRLFs, NULs and blanks: keep-alives (RFC 5626 section 3.5.1)
};

struct sip_fault {
    unsigned status;     // 400, 505, 513; 500 where the arena had no memory
    struct slice phrase; // names what is wrong: "Bad Contact", "CSeq Does Not Match Method"
    bool answerable;     // there is a Via, and what is there can be copied into a response
    bool short_body;     // Content-Length says more than there is: what a stream would wait for
    bool limit_known;    // `limit` was reached
    enum limit limit;
};

// Parses one message: a datagram (what follows Content-Length is ignored, RFC 3261 section 18.3),
// or a frame cut from a stream. `out` points into `bytes` and the arena. Faulty ones have in `out`
// what can be copied into a response.
enum sip_parsed sip_parse(struct slice bytes, struct arena *arena, struct sip_request *out,
                          struct sip_fault *fault);
// A REGISTER without an Authorization header, of the usual form: what a response copies is set in
// `out` (method, Vias, From, To, Call-ID, CSeq), and nothing else. False for all others, and then
// `out` is of no use. Costs a fraction of a parse, and proves nothing about the rest.
bool sip_peek_unauthorized(struct slice bytes, struct sip_request *out);
// Once, before any thread: libosip2's tables, allocators and tracing.
int sip_parse_setup(void);

enum sip_method sip_method_of(struct slice text);

// ---- Framing of a stream (frame.c) --------------------------------------------------------------

enum frame_status {
    FRAME_NEED_MORE, // no whole message yet
    FRAME_MESSAGE,   // *length bytes are one message (leading CRLFs counted in *skip)
    FRAME_PING,  // CRLFCRLF keep-alive: answer CRLF (RFC 5626 section 4.4.1); *skip bytes are used
    FRAME_BLANK, // a CRLF: *skip bytes are used, nothing to answer
    FRAME_BAD    // cannot be framed: answer 400 where possible, then close
};

// Pure: looks at what has arrived, consumes nothing. `*skip` bytes come before the message.
// `scanned` (0 at first, kept by the caller while NEED_MORE, reset to 0 otherwise) saves reading
// the same bytes again. A message longer than `max` is FRAME_BAD as soon as that is known.
enum frame_status sip_frame(struct slice bytes, size_t max, size_t *scanned, size_t *skip,
                            size_t *length);
