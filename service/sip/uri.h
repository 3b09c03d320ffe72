// SPDX-License-Identifier: Apache-2.0
// URIs as SIP uses them: parsing into slices of the raw text, RFC 3261 section 19.1.4 equality, and
// the unescaped user part that an address of record is made of. No copy, no allocation.
#pragma once

#include "base/address.h"
#include "base/arena.h"
#include "base/slice.h"

// Parameters, and headers, of one URI; more are refused, so that a comparison is bounded.
#define URI_PARAMS_MAX 64

enum uri_scheme { URI_SIP, URI_SIPS, URI_TEL, URI_OTHER };

struct sip_uri {
    enum uri_scheme scheme;
    struct slice text;        // the whole URI, as given
    struct slice scheme_text; // without the colon
    bool has_user;            // an '@' was there
    struct slice user;        // escaped, as given; without the password
    bool has_password;
    struct slice password;
    struct slice host;    // IPv6 literals with their brackets
    uint16_t port;        // 0 where there is none
    struct slice params;  // from the first ';' on, "" where there are none
    struct slice headers; // behind '?', without it
    struct slice rest;    // of tel and others: all behind the colon
};

// Strict where peers and libosip2 are not (conformance.md section 3): host characters and bracketed
// literals are checked (RFC 5118), ports are 1..65535 digits, escapes are %HH, parameters have
// names, no blanks or control characters anywhere. False where it is no URI, or a SIP URI with a
// fault.
bool sip_uri_parse(struct slice text, struct sip_uri *out);
// RFC 3261 section 19.1.4; other schemes: tel by RFC 3966 section 4 (visual separators and case),
// others byte by byte but for the scheme's case.
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);

// A URI made ready to be compared with many: its parameters and headers sorted by the hash of their
// name, so that a comparison takes one pass whatever somebody has put into them.
struct uri_pair {
    struct slice name, value;
    uint64_t name_hash, value_hash; // of what they mean: escapes resolved, case where it counts
};
struct sip_uri_sorted {
    struct sip_uri uri;
    const struct uri_pair *params, *headers; // in the arena
    size_t n_params, n_headers;
};
// False when the arena has no memory.
bool sip_uri_sort(const struct sip_uri *uri, struct arena *arena, struct sip_uri_sorted *out);
bool sip_uri_sorted_equal(const struct sip_uri_sorted *a, const struct sip_uri_sorted *b);
// The raw value of a URI parameter by name (any case); false where it is not there. A parameter
// without '=' gives an empty value.
bool sip_uri_param(const struct sip_uri *uri, struct slice name, struct slice *value);
// %HH resolved into `out`; false when it does not fit or an escape is broken. *n is its length.
// May give any byte, NUL too: the caller decides what is a name (user names have no control bytes).
bool sip_unescape(struct slice in, char *out, size_t cap, size_t *n);
// The host as an address; false when it is a name.
bool sip_uri_address(const struct sip_uri *uri, struct address *out);
// True for a syntactically valid host name, IPv4 address or bracketed IPv6 literal.
bool sip_host_valid(struct slice host);
