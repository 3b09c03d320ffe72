// SPDX-License-Identifier: Apache-2.0
// The transports of SIP by name, as stored with a binding and shown over REST.
#pragma once

#include "base/slice.h"

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_COUNT };

static inline const char *transport_name(enum transport t)
{
    static const char *const names[] = {"udp", "tcp"};
    return (unsigned)t < TRANSPORT_COUNT ? names[t] : "unknown";
}
