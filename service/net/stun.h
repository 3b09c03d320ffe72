// SPDX-License-Identifier: Apache-2.0
// STUN Binding requests on the SIP port: the keep-alive of RFC 5626 section 4.4.2 (RFC 8489
// format).
#pragma once

#include "base/address.h"
#include "base/slice.h"

#define STUN_ANSWER_MAX 44

// STUN and SIP on one port are told apart by the first byte (0 or 1) and the magic cookie.
bool stun_is(struct slice datagram);
// A Binding success response with XOR-MAPPED-ADDRESS into `out`; its length, 0 where the datagram
// is no well-formed Binding request (then it is dropped). Never longer than 1.6 times the request.
size_t stun_answer(struct slice datagram, const struct address *source, char out[STUN_ANSWER_MAX]);
