// SPDX-License-Identifier: Apache-2.0
// A flow: where a message came from and its answer goes. Plain data, no sockets.
#pragma once

#include "base/address.h"
#include "base/transport.h"

struct flow {
    uint8_t transport;   // enum transport
    uint16_t listener;   // index of the socket it came in by
    uint32_t connection; // TCP: slot of the connection
    uint32_t generation; // TCP: of that slot; a reused slot has another
    struct address local, remote;
};
