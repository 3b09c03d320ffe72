// SPDX-License-Identifier: Apache-2.0
// What all sockets share: addresses to and from the kernel's form, listeners with words on failure.
#pragma once

#include <sys/socket.h>

#include "base/address.h"

// For a socket of `family` 6 an IPv4 address goes in its mapped form.
socklen_t socket_address(const struct address *a, uint8_t family, struct sockaddr_storage *out);
void address_of_socket(const struct sockaddr_storage *ss, struct address *out);
// A bound, non-blocking, close-on-exec socket; -1 with a sentence in `why`. *bound is what it got.
int socket_bind(int type, const struct address *listen, struct address *bound, char *why,
                size_t why_size);
