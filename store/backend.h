// SPDX-License-Identifier: Apache-2.0
// What a backend gives to the front (store.c), and what the front gives to a backend. A new backend
// is a folder of its own and a line in store.c's table.
//
// The front owns ports, the queue, the writer's thread and the watcher; a backend owns the data,
// its transactions and its readers. Every backend keeps to these rules where store.h leaves room:
// - a binding's id is the change number of its binding.created event; a user's and a domain's
//   incarnation that of its creation; their version that of their last change;
// - what has expired and stands in an AoR's record leaves as GONE_EXPIRED with the next write;
// - last_registered_at moves when an op leaves a binding that is new or differs from `current`;
// - a write that finds nothing and leaves nothing writes nothing;
// - nobody writes into a closing domain: BINDINGS and USER ops get STORE_NOT_FOUND, a DOMAIN op
//   STORE_CONFLICT, but for DECIDE_DELETE, which waits with the others;
// - marking a domain as closing is an EVENT_DOMAIN_UPDATED; its users go one by one
//   (binding.removed, then user.deleted), then EVENT_DOMAIN_DELETED;
// - a DOMAIN op whose name or alias is another domain's name or alias gets STORE_CONFLICT.
#pragma once

#include "store/store.h"

// The first member of a backend's own reader.
struct store_reader {
    const struct store_backend *backend;
    const struct flows *flows; // the front's
    uint64_t mark;             // of the snapshot, by begin(); 0: the backend has no use for it
};

struct store_backend {
    const char *scheme; // of store.url, without the colon

    // `rest` is the URL behind the colon. `front` is for store_tell() and friends, never before
    // open has returned. 0, or -1 with a sentence in `why`.
    int (*open)(const struct store_config *config, struct slice rest, struct store *front,
                void **state, char *why, size_t why_size);
    // After the writer's thread has ended.
    void (*close)(void *state);

    // On the writer's thread: carries out `ops` in order (n may be 0), and a bounded step of the
    // work that waits (expiry, a domain's deletion, trimming), durable on return. Calls
    // store_tell() once for what was committed, then store_complete() for each op that is done; one
    // that needs longer (a domain's deletion) is completed by a later call. Returns in how many ms
    // it wants to be called again at the latest; 0 for at once.
    int64_t (*run)(void *state, struct store_op **ops, size_t n, int64_t now_ms);
    bool (*writable)(void *state);

    void (*counts)(void *state, struct store_counts *out);
    void (*secret)(void *state, uint8_t out[32]);
    enum store_status (*backup)(void *state, int fd);
    long (*check)(void *state, void (*say)(void *arg, const char *sentence), void *arg);

    int (*reader_open)(void *state, struct store_reader **out);
    void (*reader_close)(struct store_reader *r);
    enum store_status (*begin)(struct store_reader *r);
    void (*end)(struct store_reader *r);
    enum store_status (*domain_find)(struct store_reader *r, struct slice host, struct domain *out);
    enum store_status (*domain_next)(struct store_reader *r, struct slice after,
                                     struct domain *out);
    enum store_status (*domain_count)(struct store_reader *r, struct slice domain,
                                      struct store_domain_counts *out);
    enum store_status (*user_find)(struct store_reader *r, struct slice domain, struct slice key,
                                   struct user *out);
    enum store_status (*user_next)(struct store_reader *r, struct slice domain, struct slice key,
                                   struct user *out, struct slice *key_out);
    enum store_status (*bindings_find)(struct store_reader *r, const struct user *user,
                                       int64_t now_ms, struct arena *arena, struct aor_state *out);
    void (*bindings_glance)(struct store_reader *r, const struct user *user, int64_t now_ms,
                            struct aor_glance *out);
    enum store_status (*changes_read)(struct store_reader *r, uint64_t after, size_t max,
                                      bool (*take)(void *arg, const struct store_event *event),
                                      void *arg);
};

extern const struct store_backend store_backend_lmdb;
extern const struct store_backend store_backend_memory;

// ---- What the front gives to a backend, on the writer's thread only ---------------------------

// Hands events to the watcher, if there is one.
void store_tell(struct store *s, const struct store_event *events, size_t n);
// True while somebody watches: plain refreshes need not be gathered otherwise.
bool store_watched(struct store *s);
// The op's fields are final; it goes back to its port when run() returns.
void store_complete(struct store *s, struct store_op *op);
// Any thread: has run() called soon, though nothing is queued.
void store_wake(struct store *s);
