// SPDX-License-Identifier: Apache-2.0
// The API's listening sockets.
#pragma once

#include "base/address.h"

// Bound and listening; -1 with a sentence in `why`. *port is what it got.
int listen_tcp(const struct address *a, uint16_t *port, char *why, size_t why_size);
// A Unix socket with mode 0600; what is left there of a process that has gone is replaced, so call
// it only with the store's lock held.
int listen_unix(const char *path, char *why, size_t why_size);
