// SPDX-License-Identifier: Apache-2.0
// Between tcp.c (connections, output, time) and tcp_input.c (what they say).
#pragma once

#include "base/hash.h"
#include "base/limits.h"
#include "service/net/tcp.h"

#define TCP_LISTENERS_MAX 16
#define TCP_READ_BYTES    65536

struct connection {
    int fd; // -1: the slot is free
    uint32_t generation;
    uint32_t next_free;
    uint16_t listener;
    uint16_t source_cell;
    bool authenticated, paused, wants_out;
    bool finishing;   // no more is read of it
    bool lingering;   // all is sent: what still comes is thrown away until the peer's end
    bool ended;       // the peer sends no more
    unsigned waiting; // requests whose answers are still to come
    char *in;         // an unfinished message; NULL when there is none
    size_t in_n, in_cap, scanned;
    char *out; // what the peer has not taken yet
    size_t out_n, out_cap, out_sent;
    int64_t opened_ms, active_ms;
    int64_t partial_ms; // since when a message is unfinished; 0 when none is
    int64_t stalled_ms; // since when output waits; 0 when none does
    int64_t finish_ms;  // since when it is finishing
    struct address local, remote;
};

struct listener {
    int fd;
    uint16_t index;
};

struct tcp {
    struct tcp_config config;
    struct tcp_hooks hooks;
    struct request_pool *pool;
    int epoll_fd;
    struct listener listeners[TCP_LISTENERS_MAX];
    size_t n_listeners;
    struct connection *slots;
    uint32_t first_free; // slot + 1; 0 for none
    uint32_t n_made, n_open, n_paused;
    bool accepting;
    size_t unsent;
    struct hash_key source_key;
    uint16_t *source_count; // approximate: sources that share a cell share its limit
    char scratch[TCP_READ_BYTES];
};

// Changes what epoll tells of the connection; `op` is EPOLL_CTL_ADD or _MOD.
void tcp_watch(struct tcp *t, struct connection *c, int op);
// Reads no more of it, and ends it once its answers have come and are sent.
void tcp_end(struct tcp *t, struct connection *c, int64_t now_ms);
// Ends it at once.
void tcp_drop(struct tcp *t, struct connection *c);
void tcp_drop_for(struct tcp *t, struct connection *c, enum limit limit);

// tcp_input.c
// Reads once and takes what is whole.
void tcp_read(struct tcp *t, struct connection *c, int64_t now_ms);
// Goes on with what waited for a free request.
void tcp_resume(struct tcp *t, struct connection *c, int64_t now_ms);
