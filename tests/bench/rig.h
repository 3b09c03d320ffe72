// SPDX-License-Identifier: Apache-2.0
// The service without its sockets, for programs that count what a message costs: a store with the
// domain example.com, a pipeline, and a network that keeps what was answered last. What fails ends
// the process.
#pragma once

#include "service/pipeline.h"

#define RIG_PASSWORD "zanzibar"
#define RIG_BATCH    64 // requests that may be pending

struct rig {
    struct pipeline pipeline;
    struct request_pool pool;
    struct sip_settings settings;
    struct store *store;
    struct attempts *attempts;
    struct bans *bans;
    struct flow flow; // of the next message; from 192.0.2.1:5060
    int event;
    unsigned sent; // responses so far
    // Called for each response; NULL keeps the last one below.
    void (*answer)(void *arg, struct slice bytes);
    void *answer_arg;
    char reply[REPLY_MAX];
    size_t reply_size;
};

_Noreturn void rig_fail(const char *what);
// Ends the process with status 2 where it does not hold.
static inline void rig_must(bool held, const char *what)
{
    if (!held)
        rig_fail(what);
}
// A store at `url` with the domain; the rig is zeroed.
void rig_open(struct rig *g, const char *url);
void rig_close(struct rig *g); // nothing may be pending
void rig_add_user(struct rig *g, const char *username);
// A request with these bytes, which came on g->flow just now: for pipeline_take().
struct request *rig_request(struct rig *g, struct slice message);
// Submits what was taken, as one batch of the store, and answers it once it is durable.
void rig_settle(struct rig *g);
// What callgrind counts (--toggle-collect=measured, or --zero-before and --dump-after).
void measured(void (*work)(void *), void *arg);
