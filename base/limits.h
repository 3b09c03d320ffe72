// SPDX-License-Identifier: Apache-2.0
// Every limit of the service in one table: its name (the configuration key, the metric's label and
// the log line's `limit=`), its default, what happens when it is reached, and what it is for.
// docs/operating.md's table is made from this one (`rollcall --limits`).
#pragma once

#include "base/slice.h"

// id, name, default, answer when reached, what it bounds
#define LIMITS(X)                                                                                  \
    X(SIP_MAX_MESSAGE, "sip.max_message", "64 KiB", "513 where the Via can be read, else dropped", \
      "bytes of one SIP message")                                                                  \
    X(SIP_HEADER_LINES, "sip.header_lines", "128", "513", "header lines of one SIP message")       \
    X(SIP_LIST_ITEMS, "sip.list_items", "64", "513", "comma-separated items of one header")        \
    X(SIP_PARAMS, "sip.params", "64", "513", "parameters of one URI or header value")              \
    X(SIP_CONTACTS, "sip.contacts", "64", "513", "Contacts of one REGISTER")                       \
    X(SIP_VIAS, "sip.vias", "70", "513", "Vias of one message")                                    \
    X(SIP_PENDING, "sip.pending", "4096", "503 with Retry-After",                                  \
      "REGISTERs that wait for the store; or 2 s without any of them done")                        \
    X(SIP_MAX_CONNECTIONS, "sip.max_connections", "10000", "connection closed", "TCP connections") \
    X(SIP_MAX_CONNECTIONS_PER_SOURCE, "sip.max_connections_per_source", "1000",                    \
      "connection closed", "TCP connections of one source")                                        \
    X(SIP_OUTPUT_QUEUE, "sip.output_queue", "256 KiB", "connection closed",                        \
      "bytes that wait to be sent on one TCP connection")                                          \
    X(SIP_IDLE_TIMEOUT, "sip.idle_timeout", "7200 s", "connection closed", "silence on TCP")       \
    X(SIP_UNAUTHENTICATED_TIMEOUT, "sip.unauthenticated_timeout", "300 s", "connection closed",    \
      "a TCP connection that nobody has authenticated on")                                         \
    X(SIP_HEADER_TIMEOUT, "sip.header_timeout", "10 s", "connection closed",                       \
      "time for one message to arrive whole on TCP")                                               \
    X(SIP_TRANSACTION_MEMORY, "sip.transaction_memory", "64 MiB", "oldest reply forgotten",        \
      "replies kept for retransmissions")                                                          \
    X(REGISTRAR_MAX_BINDINGS, "registrar.max_bindings", "10", "403", "bindings of one AoR")        \
    X(AUTH_NONCE_TABLE, "auth.nonce_table", "1048576", "oldest nonce becomes stale",               \
      "nonces whose count is remembered")                                                          \
    X(ABUSE_REQUESTS, "abuse.requests", "1000/s", "dropped", "requests of one source")             \
    X(ABUSE_FAILURES, "abuse.failures", "30/min", "banned for abuse.ban",                          \
      "failed authentications of one source or AoR")                                               \
    X(API_MAX_CONNECTIONS, "api.max_connections", "1024", "the idlest connection closed",          \
      "HTTP connections")                                                                          \
    X(API_MAX_STREAMS, "api.max_streams", "512", "503 with Retry-After", "event streams")          \
    X(API_MAX_BODY, "api.max_body", "1 MiB", "413", "bytes of one request's body")                 \
    X(API_IDLE_TIMEOUT, "api.idle_timeout", "30 s", "connection closed", "silence on HTTP")        \
    X(API_TOKEN_FAILURES, "api.token_failures", "100/min a source", "429 with Retry-After",        \
      "wrong API tokens")                                                                          \
    X(API_IMPORTS, "api.imports", "2", "503 with Retry-After", "imports at once")                  \
    X(API_IMPORT_LINE, "api.import_line", "128 KiB", "413 for that line",                          \
      "bytes of one line of an import")                                                            \
    X(API_BACKUPS, "api.backups", "1", "503 with Retry-After", "backups over REST at once")        \
    X(STORE_MAX_SIZE, "store.max_size", "none", "503 with Retry-After; 507 over REST",             \
      "bytes of the store's file")                                                                 \
    X(STORE_QUEUE, "store.queue", "65536", "503 with Retry-After",                                 \
      "operations that wait for the writer")                                                       \
    X(STORE_CHANGES_MAX, "store.changes_max", "1000000", "oldest event dropped; reset event",      \
      "events kept in the change log")                                                             \
    X(ATTEMPTS_MEMORY, "attempts.memory", "32 MiB", "oldest attempt forgotten",                    \
      "REGISTER attempts remembered")

enum limit {
#define LIMIT_ENUM(id, name, def, answer, what) LIMIT_##id,
    LIMITS(LIMIT_ENUM)
#undef LIMIT_ENUM
        LIMIT_COUNT
};

struct limit_info {
    const char *name, *def, *answer, *what;
};

const struct limit_info *limit_info(enum limit id);

// Counts the event in rollcall_limit_reached_total{limit=name} and logs it, at most once a minute a
// limit. `who` (a source, an AoR) goes into the line; may be empty.
void limit_reached(enum limit id, struct slice who);
