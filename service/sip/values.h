// SPDX-License-Identifier: Apache-2.0
// The parsers of header values behind sip_parse(). All work on one unfolded line, make one pass,
// and stop at the limits of message.h.
#pragma once

#include "service/sip/message.h"

enum step { STEP_END, STEP_OK, STEP_BAD, STEP_LIMIT };

// Takes the next item off a comma-separated list, blanks around it removed; commas in quotes and
// angle brackets are none. BAD for a quote or bracket that does not end (the item is then all that
// is left) and for nothing behind the last comma.
enum step list_next(struct slice *rest, struct slice *item);
struct param {
    struct slice whole; // ";name=value"
    struct slice name, value;
};
// Takes the next ";name[=value]" off; a quoted value keeps its quotes.
enum step param_next(struct slice *rest, struct param *out);
// Index behind the closing quote of the quoted string that starts at `at`, or 0.
size_t quoted_end(struct slice s, size_t at);
bool is_token(struct slice s);
// RFC 3261 section 20.19: delta-seconds; what is malformed counts as an hour.
uint32_t expires_value(struct slice s);

// name-addr or addr-spec with parameters; addr-spec has no '?' or ',' (RFC 3261 section 20.10).
// `text` is set even where the value is bad. With `params_left` the caller reads them.
enum step addr_parse(struct slice text, bool params_left, struct arena *arena,
                     struct sip_addr *out);
// `text` and what was understood are set even where the value is bad; host is empty if not even
// sent-by could be read.
enum step via_parse(struct slice text, struct sip_via *out);
// One Contact but "*". `phrase` says what is wrong.
enum step contact_parse(struct slice text, struct arena *arena, struct sip_contact *out,
                        struct slice *phrase);
