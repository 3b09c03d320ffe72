// SPDX-License-Identifier: Apache-2.0
// HTTP itself: http.c wraps libmicrohttpd and is the only file that includes it.
#pragma once

#include "base/slice.h"

struct http;
struct server;
struct MHD_Connection;

struct http_config {
    int listen_fd; // bound and listening; owned by the callee on success
    unsigned max_connections, idle_timeout_s;
};

// Serves from a thread of its own. NULL where it cannot be started.
struct http *http_start(struct server *s, const struct http_config *config);
// Takes no new connections.
void http_quiesce(struct http *h);
// Ends the thread and all connections; none may be suspended.
void http_stop(struct http *h);

// Only from a callback of that connection.
void http_suspend(struct MHD_Connection *c);
// Any thread; only after http_suspend().
void http_resume(struct MHD_Connection *c);
// Any thread, while it is suspended: has the client closed its side?
bool http_client_gone(struct MHD_Connection *c);
