// SPDX-License-Identifier: Apache-2.0
// Who may call what: bearer tokens (RFC 6750), a throttle for those who guess them, and browsers'
// origins. Fixed memory beside the tokens themselves; thread-safe.
#pragma once

#include "base/address.h"
#include "api/request.h"

#define ACCESS_FAILURES_MAX 100 // wrong tokens of a source in ACCESS_WINDOW_MS
#define ACCESS_WINDOW_MS    60000

struct access;

struct access_tokens {
    const struct slice *admin, *read, *origins;
    size_t n_admin, n_read, n_origins;
};

// NULL: no memory.
struct access *access_open(void);
void access_close(struct access *a);
// Takes copies; what was there before is wiped. False where there is no memory (then nothing
// changed).
bool access_configure(struct access *a, const struct access_tokens *tokens);

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_MISSING,   // no token: 401
    ACCESS_WRONG,     // 401; counted against the source
    ACCESS_THROTTLED, // wrong, and too often: 429
    ACCESS_HOST,      // no token is configured, and the Host is not loopback: 403
    ACCESS_ORIGIN     // likewise, and a page of another site asks: 403
};
struct access_ask {
    struct slice authorization, host, origin; // header values, or none
    const struct address *source;
    int64_t now_ms;
    bool open; // the route needs no token: host and origin only
};
// A right token is granted whatever its source did before. *retry_after_s is set when throttled.
enum access_verdict access_check(struct access *a, const struct access_ask *ask, enum scope *scope,
                                 unsigned *retry_after_s);
// True where the origin is one of api.cors_origins; *any: whether there are some at all.
bool access_origin(struct access *a, struct slice origin, bool *any);

// "localhost", "*.localhost", 127.0.0.0/8 or [::1], with or without a port.
bool host_is_loopback(struct slice host);
