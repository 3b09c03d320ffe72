// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 client for the running process's control socket (or the API's own address): one
// request a connection, bodies streamed both ways.
#pragma once

#include <sys/types.h>

#include "base/address.h"

struct control;

// The Unix socket at `path`. NULL with errno when nobody listens there.
struct control *control_open(const char *path);
// TCP to `a`.
struct control *control_open_tcp(const struct address *a);
void control_close(struct control *c);
// How many seconds of silence are borne; 60 unless set.
void control_patience(struct control *c, unsigned seconds);

// Sends the request line and headers. `bearer` may be NULL. has_body: control_write() and
// control_end() follow; else the response does.
bool control_request(struct control *c, const char *method, const char *target, const char *bearer,
                     const char *content_type, bool has_body);
bool control_write(struct control *c, struct slice bytes);
bool control_end(struct control *c);
// Reads the status line and headers; the status, 0 when the connection broke.
unsigned control_status(struct control *c);
// The next piece of the body; 0 at its end, -1 when it broke off.
ssize_t control_read(struct control *c, char *out, size_t size);
