// SPDX-License-Identifier: Apache-2.0
// SIP over TCP: listeners, connections, framing, bounded output, timeouts. One owner: the SIP
// thread.
//
// An idle connection holds no buffer. Bytes of a message that is not whole yet, and output that the
// peer has not taken, are on the heap and bounded.
#pragma once

#include "service/net/flow.h"
#include "service/request.h"
#include "store/flows.h"

struct tcp;

struct tcp_config {
    unsigned max_connections, max_connections_per_source;
    unsigned idle_timeout_s, unauthenticated_timeout_s, header_timeout_s;
    size_t max_message;
    size_t output_max;   // bytes that may wait on one connection
    struct flows *flows; // told of each connection; the caller's
};

struct tcp_hooks {
    void (*take)(void *arg, struct request *r); // a whole message; the callee's
    void *arg;
};

struct tcp *tcp_open(const struct tcp_config *config, const struct tcp_hooks *hooks,
                     struct request_pool *pool, int epoll_fd);
// Closes what is open; hooks are not called any more.
void tcp_close(struct tcp *t);
// 0, or -1 with a sentence in `why`. *bound gets the address with its port.
int tcp_listen(struct tcp *t, const struct address *listen, uint16_t index, struct address *bound,
               char *why, size_t why_size);
void tcp_stop_listening(struct tcp *t);

// An epoll event of kind SOURCE_TCP_LISTENER or SOURCE_TCP_CONNECTION.
void tcp_event(struct tcp *t, uint64_t data, uint32_t events, int64_t now_ms);
// Sends on the flow's connection; nothing happens when that is gone.
void tcp_send(struct tcp *t, const struct flow *flow, struct slice bytes, int64_t now_ms);
// Reads no more and closes after what is queued has been sent, and what it waits for: so that it
// arrives, what the peer still sends is thrown away until its end. All that for at most
// tcp_config.header_timeout_s.
void tcp_finish(struct tcp *t, const struct flow *flow, int64_t now_ms);
// A request of this connection waits for the store (true), or has had its final response.
void tcp_waits(struct tcp *t, const struct flow *flow, bool waits);
// Somebody has authenticated on it: the long timeout holds from now on.
void tcp_authenticated(struct tcp *t, const struct flow *flow);
// The number by which a binding knows its connection; 0 when that is gone.
uint64_t tcp_flow_token(const struct tcp *t, const struct flow *flow);
// Once a second: timeouts; and connections that waited for a free request go on.
void tcp_tick(struct tcp *t, int64_t now_ms);
// Bytes that wait to be sent on all connections (for an orderly end).
size_t tcp_unsent(const struct tcp *t);
