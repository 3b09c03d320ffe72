// SPDX-License-Identifier: Apache-2.0
// The configuration: what the file and the environment say, checked, as plain data that does not
// change. docs/rollcall.yaml shows every key; table.c holds them.
#pragma once

#include "base/log.h"
#include "service/settings.h"

#define CONFIG_LISTEN_MAX  16
#define CONFIG_TOKENS_MAX  8
#define CONFIG_ORIGINS_MAX 16
#define CONFIG_DOMAINS_MAX 256

struct config_listen {
    enum transport transport;
    struct address address;
};

struct config_strings {
    size_t n;
    struct slice items[CONFIG_DOMAINS_MAX]; // owned by the configuration
};

// Durations in seconds, sizes in bytes.
struct config {
    struct {
        struct config_listen listen[CONFIG_LISTEN_MAX];
        size_t n_listen;
        uint64_t max_message, transaction_memory;
        unsigned max_connections, max_connections_per_source;
        unsigned idle_timeout, unauthenticated_timeout, header_timeout;
    } sip;
    struct {
        struct address listen;
        struct config_strings admin_token, read_token, cors_origins;
        unsigned max_connections, max_streams, idle_timeout;
        uint64_t max_body;
    } api;
    struct {
        struct slice url;
        uint64_t map_size, max_size, changes_max;
        unsigned lock_wait;
    } store;
    struct {
        struct config_strings domains;
        struct slice default_domain;
        unsigned min_expires, default_expires, max_expires, max_bindings;
        struct networks redirect_from;
        bool redirect_route;                  // redirect_path: route
        unsigned expires_jitter;              // percent
        unsigned nat_max_expires, flow_timer; // 0: none
        bool closed_flow_mark;                // closed_flow: mark
        bool cseq_restart;
    } registrar;
    struct {
        uint8_t algorithms[ALGORITHM_COUNT];
        size_t n_algorithms;
        bool require_qop, rspauth;
        unsigned nonce_lifetime, nonce_table;
        struct slice secret; // empty: the store's
    } auth;
    struct {
        struct networks exempt;
        unsigned requests, failures, ban;
    } abuse;
    struct {
        bool seccomp;
        unsigned drain_delay;
    } process;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
};

// Called with one whole sentence a problem: "FILE:LINE: KEY: what is wrong", or "environment: KEY:
// ...".
typedef void config_problem_fn(void *arg, bool error, const char *sentence);

// Reads `path` (NULL: $ROLLCALL_CONFIG, else /etc/rollcall/rollcall.yaml where it is), then the
// environment. Says every problem, not the first. NULL when one of them was an error. *source (may
// be NULL) gets what was read, for the log; static or from the environment.
struct config *config_load(const char *path, config_problem_fn *say, void *arg,
                           const char **source);
// Wipes what is secret.
void config_free(struct config *c);
// Names of keys that differ and take effect only at a restart; says each.
void config_compare(const struct config *running, const struct config *loaded,
                    void (*say)(void *arg, const char *key), void *arg);
// The part that the SIP side takes.
void config_sip_settings(const struct config *c, struct sip_settings *out);
// A table of all keys as markdown on stdout (`rollcall --config-reference`).
void config_print_reference(void);
