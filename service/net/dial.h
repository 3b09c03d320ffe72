// SPDX-License-Identifier: Apache-2.0
// Blocking connections of the command line's own: to the control socket, to the API.
#pragma once

#include "base/address.h"

// A connected socket whose reads and writes give up after `timeout_s`; -1 with errno.
int dial_unix(const char *path, unsigned timeout_s);
int dial_tcp(const struct address *a, unsigned timeout_s);
// Another time of silence for the connection.
void dial_patience(int fd, unsigned timeout_s);
