// SPDX-License-Identifier: Apache-2.0
// Responses, built by copying slices of the request into one buffer; and where they go.
#pragma once

#include "base/buf.h"
#include "service/sip/message.h"

// Status line, Vias (received and rport of the top one by RFC 3261 section 18.2.1 and RFC 3581),
// From, To (with `to_tag` where it has none and status is not 100), Call-ID, CSeq. An empty phrase
// takes the standard one. Works on faulty requests too (fault.answerable).
void reply_begin(struct buf *b, const struct sip_request *req, unsigned status, struct slice phrase,
                 const struct address *source, struct slice to_tag);
// "Name: value\r\n"
void reply_header(struct buf *b, struct slice name, struct slice value);
void reply_header_u64(struct buf *b, struct slice name, uint64_t value);
// RFC 1123 date of now_ms: "Date: Mon, 23 Nov 2026 08:26:00 GMT"
void reply_date(struct buf *b, int64_t now_ms);
// "Content-Length: 0" and the empty line.
void reply_end(struct buf *b);
// The standard reason phrase, "Unknown" for what is not in RFC 3261 and its extensions.
struct slice reply_phrase(unsigned status);

// Where a response goes that was asked over UDP (RFC 3261 section 18.2.2, RFC 3581 section 4):
// maddr where that is followed, else the source address with the rport or the sent-by port. False
// where there is no way.
bool reply_destination(const struct sip_request *req, const struct address *source,
                       bool follow_maddr, struct address *out);
