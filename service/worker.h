// SPDX-License-Identifier: Apache-2.0
// The SIP thread: one epoll loop over the sockets, the connections and the store's completions. It
// never waits for a disk.
#pragma once

#include "service/pipeline.h"

#define WORKER_LISTENERS_MAX 16

struct worker;

struct worker_listen {
    enum transport transport;
    struct address address;
};

struct worker_config {
    struct worker_listen listen[WORKER_LISTENERS_MAX];
    size_t n_listen;
    unsigned max_connections, max_connections_per_source;
    unsigned idle_timeout_s, unauthenticated_timeout_s, header_timeout_s;
    size_t max_message;
    struct flows *flows; // the caller's
    struct pipeline_config
        pipeline; // store, attempts, bans, nonces, memory; the rest is the worker's
};

// Opens the sockets (and logs where they listen) and starts the thread. 0, or -1 with a sentence.
int worker_start(const struct worker_config *config, const struct sip_settings *settings,
                 struct worker **out, char *why, size_t why_size);
// New settings, taken over between two batches; the worker copies them.
void worker_reload(struct worker *w, const struct sip_settings *settings);
// Any thread: more arrives than can be served.
bool worker_overloaded(const struct worker *w);
// Reads no more, answers what the store still has, closes. Blocks until the thread has ended.
void worker_stop(struct worker *w);
