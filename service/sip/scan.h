// SPDX-License-Identifier: Apache-2.0
// The scanner behind sip_parse(): the raw bytes of a message as a start line and a table of the
// headers that a registrar reads. Unfolds them; knows nothing of their values.
#pragma once

#include "service/sip/message.h"

enum header {
    HEADER_IGNORED,
    HEADER_VIA,
    HEADER_FROM,
    HEADER_TO,
    HEADER_CALL_ID,
    HEADER_CSEQ,
    HEADER_CONTACT,
    HEADER_EXPIRES,
    HEADER_MAX_FORWARDS,
    HEADER_CONTENT_LENGTH,
    HEADER_PATH,
    HEADER_ROUTE,
    HEADER_AUTHORIZATION,
    HEADER_REQUIRE,
    HEADER_SUPPORTED,
    HEADER_USER_AGENT,
    HEADER_COUNT
};

struct header_line {
    enum header header;
    struct slice value; // one line, blanks at both ends removed
};

struct scan {
    struct slice method, ruri, version; // empty where the start line is bad
    struct header_line lines[SIP_HEADER_LINES_MAX];
    size_t n_lines;
    size_t body; // offset behind the empty line; the end of the bytes where there is none
};

// The first fault that is found stays; the rest is still read, so that a response can be built.
void scan_message(struct slice bytes, struct arena *arena, struct scan *out,
                  struct sip_fault *fault);
// Notes a fault unless there is one. A limit, where one was reached, else LIMIT_COUNT.
void fault_set(struct sip_fault *fault, unsigned status, struct slice phrase, enum limit limit);
