// SPDX-License-Identifier: Apache-2.0
// The hub: from the store's writer to the event streams. It keeps the newest events ready to send
// and wakes those who wait; a stream that falls behind goes on from the change log, or learns by a
// `reset` event that the log has moved on. Nobody waits for a slow reader.
//
// While there is no stream the store is not watched, and costs nothing.
#pragma once

#include "store/store.h"

#define HUB_ALL_TYPES ((1u << (EVENT_DOMAIN_DELETED + 1)) - 2)

struct hub;
struct hub_stream;

struct hub_config {
    struct store *store;
    size_t ring_bytes, ring_events; // 0: as it serves (8 MiB, 16384)
    unsigned max_streams;
    unsigned heartbeat_ms; // 0: 15 s
    unsigned gather_ms;    // news is told at most this often; 0: 10 ms
};

int hub_open(const struct hub_config *config, struct hub **out);
// Ends all streams: each is woken and gives HUB_END. Any thread.
void hub_end(struct hub *h);
// No stream is left. NULL is fine.
void hub_close(struct hub *h);

// What a stream wants to see.
struct hub_filter {
    struct slice domain; // canonical; empty for all; copied
    unsigned types;      // bit 1 << enum store_event_type
};
enum hub_start {
    HUB_NOW,   // what happens from now on
    HUB_AFTER, // what followed the change `after`
    HUB_RESET  // as HUB_NOW, and a reset event says that what the client knows is of no use
};
// Whom a stream is for. Both are called on the hub's thread, while the stream waits.
struct hub_client {
    void (*wake)(void *arg); // hub_next() has something again
    bool (*gone)(void *arg); // asked now and then: nobody reads any more. May be NULL
    void *arg;
};
// NULL: no memory, or max_streams are open (*full).
struct hub_stream *hub_join(struct hub *h, const struct hub_filter *filter, enum hub_start start,
                            uint64_t after, const struct hub_client *client, bool *full);
void hub_leave(struct hub_stream *s);

#define HUB_END  (-1)
#define HUB_WAIT (-2)
// The next bytes of the stream, at most `cap`; a bounded amount of work. A stream belongs to one
// thread at a time.
long hub_next(struct hub_stream *s, char *out, size_t cap);
