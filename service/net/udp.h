// SPDX-License-Identifier: Apache-2.0
// SIP over UDP: datagrams in batches both ways (recvmmsg, sendmmsg).
#pragma once

#include "service/net/flow.h"
#include "service/overload.h"
#include "service/request.h"

#define UDP_BATCH        64
#define UDP_DATAGRAM_MAX 65535

struct udp_socket;
struct udp_batch; // what one worker needs to receive and to send

// `index` goes into the flows. 0, or -1 with a sentence in `why`.
int udp_open(const struct address *listen, uint16_t index, struct udp_socket **out, char *why,
             size_t why_size);
void udp_close(struct udp_socket *s);
int udp_fd(const struct udp_socket *s);
const struct address *udp_bound(const struct udp_socket *s);

// Has the kernel drop so many of UDP_FILTER_ALL REGISTERs without credentials before they are read
// (service/net/udp_filter.h). What it drops from here on counts as such (signs->unread), what it
// dropped until now as what it was dropped for. 0, or -errno: it is told to drop none.
int udp_leave_unread(struct udp_socket *s, uint32_t share, struct overload_signs *signs);

struct udp_batch *udp_batch_open(struct request_pool *pool);
void udp_batch_close(struct udp_batch *b);

// Receives at most UDP_BATCH datagrams, each into a request of its own, and calls `take` for each
// (the request is then the callee's). Returns how many the kernel gave; 0 when there are none now.
// signs->queue_ms is raised to how long the first of them has waited in the kernel, signs->lost by
// what it has dropped. While it drops what it is told to, all of that is signs->unread, and one is
// lost where its buffer is nearly full.
int udp_receive(struct udp_socket *s, struct udp_batch *b,
                void (*take)(void *arg, struct request *r), void *arg,
                struct overload_signs *signs);
// Queues a copy of one datagram until udp_flush(): what it was made from may be another's by then.
// Flushes by itself when the batch is full.
void udp_queue(struct udp_socket *s, struct udp_batch *b, const struct flow *flow,
               const struct address *to, struct slice bytes);
void udp_flush(struct udp_batch *b);
