// SPDX-License-Identifier: Apache-2.0
// The HTTP JSON API, metrics, events and status page. Knows the store and base/, nothing of
// service/.
#pragma once

#include "base/address.h"
#include "store/attempts.h"
#include "store/bans.h"
#include "store/store.h"

#define API_TOKENS_MAX  8
#define API_ORIGINS_MAX 16

struct api_listen {
    struct address address; // port 0 takes a free one
};

// All slices are copied by api_start() and api_reload().
struct api_config {
    struct store *store;
    struct attempts *attempts;
    struct bans *bans;
    struct api_listen listen;
    const char *control_path; // Unix socket, mode 0600, with admin rights; NULL for none
    const char *store_dir;    // where outcomes of an import wait (unlinked); NULL: /tmp
    struct slice admin_tokens[API_TOKENS_MAX], read_tokens[API_TOKENS_MAX];
    size_t n_admin_tokens, n_read_tokens; // none of both: only requests whose Host is loopback
    struct slice cors_origins[API_ORIGINS_MAX];
    size_t n_cors_origins;
    unsigned max_connections, max_streams, idle_timeout_s;
    uint64_t max_body;
    // What a domain without its own shows as in force is not shown; these are for validation.
    uint32_t min_expires, default_expires, max_expires, max_bindings;
    uint8_t algorithms[ALGORITHM_COUNT]; // auth.algorithms
    size_t n_algorithms;
    // Readiness beyond the store: NULL when ready, else a sentence ("starting", "stopping",
    // "overloaded").
    const char *(*not_ready)(void *arg);
    void *not_ready_arg;
    const char *version; // "0.1.0"
};

struct api;

// Serves from its own threads. 0, or -1 with a sentence in `why`.
int api_start(const struct api_config *config, struct api **out, char *why, size_t why_size);
// A minimal server for the time before the store is there: /healthz 200, /readyz 503 `reason`.
// api_attach() then gives it the store and the rest.
int api_start_waiting(const struct api_config *config, const char *reason, struct api **out,
                      char *why, size_t why_size);
int api_attach(struct api *a, const struct api_config *config, char *why, size_t why_size);
// New tokens and origins; the rest is not looked at.
void api_reload(struct api *a, const struct api_config *config);
// The port it listens on (where the configuration said 0).
uint16_t api_port(const struct api *a);
// No new requests; those that run are answered, streams are ended; then everything is freed.
void api_stop(struct api *a);
