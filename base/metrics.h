// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms, all known at compile time; the API prints them for Prometheus.
//
// A family has one or two labels with a fixed set of values, so that memory is fixed whatever
// arrives. Relaxed atomics: each cell has one writing thread in practice, so no line bounces.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

// id, name, type, label, number of label values, help. The label values' names come from
// metric_label_value(). Two-label families use row * columns + column (see metrics.c).
#define METRICS(X)                                                                                 \
    X(REGISTERS, "rollcall_register_total", METRIC_COUNTER, "outcome,transport", 64,               \
      "REGISTER requests answered, by outcome and transport")                                      \
    X(REQUESTS, "rollcall_sip_requests_total", METRIC_COUNTER, "method", 16,                       \
      "SIP requests received, by method")                                                          \
    X(RESPONSES, "rollcall_sip_responses_total", METRIC_COUNTER, "code", 32,                       \
      "SIP responses sent, by status code")                                                        \
    X(DROPPED, "rollcall_sip_dropped_total", METRIC_COUNTER, "cause", 16,                          \
      "SIP messages dropped without an answer, by cause")                                          \
    X(RETRANSMISSIONS, "rollcall_sip_retransmissions_total", METRIC_COUNTER, "", 1,                \
      "Retransmitted requests answered from the transaction table")                                \
    X(TRANSACTIONS, "rollcall_sip_transactions", METRIC_GAUGE, "", 1, "Server transactions kept")  \
    X(TRANSACTION_AGE, "rollcall_sip_transaction_age_seconds", METRIC_GAUGE, "", 1,                \
      "Age of the oldest reply kept when the last one was forgotten for lack of memory")           \
    X(PENDING, "rollcall_sip_pending", METRIC_GAUGE, "", 1, "REGISTERs that wait for the store")   \
    X(CONNECTIONS, "rollcall_sip_connections", METRIC_GAUGE, "", 1, "SIP TCP connections open")    \
    X(RX_OVERFLOW, "rollcall_sip_receive_overflow_total", METRIC_COUNTER, "", 1,                   \
      "Datagrams that the kernel dropped because the receive buffer was full")                     \
    X(LIMIT_REACHED, "rollcall_limit_reached_total", METRIC_COUNTER, "limit", 64,                  \
      "Times a limit was reached, by limit")                                                       \
    X(COMMITS, "rollcall_store_commits_total", METRIC_COUNTER, "result", 4,                        \
      "Store transactions, by result")                                                             \
    X(STORE_OPS, "rollcall_store_operations_total", METRIC_COUNTER, "kind", 8,                     \
      "Operations that the store carried out, by kind")                                            \
    X(STORE_QUEUE, "rollcall_store_queue", METRIC_GAUGE, "", 1,                                    \
      "Operations that wait for the writer")                                                       \
    X(STORE_BYTES, "rollcall_store_bytes", METRIC_GAUGE, "", 1, "Size of the store's file")        \
    X(STORE_FREE_BYTES, "rollcall_store_free_bytes", METRIC_GAUGE, "", 1,                          \
      "Bytes of the store's file that can be used again")                                          \
    X(STORE_RECORDS, "rollcall_store_records", METRIC_GAUGE, "", 1,                                \
      "Records in the log of bindings, stale ones included")                                       \
    X(STORE_WRITABLE, "rollcall_store_writable", METRIC_GAUGE, "", 1,                              \
      "1 while the store takes writes")                                                            \
    X(USERS, "rollcall_users", METRIC_GAUGE, "", 1, "Users provisioned")                           \
    X(REGISTERED_USERS, "rollcall_registered_users", METRIC_GAUGE, "", 1,                          \
      "Users with at least one binding")                                                           \
    X(BINDINGS, "rollcall_bindings", METRIC_GAUGE, "transport", 4, "Live bindings, by transport")  \
    X(BINDINGS_REMOVED, "rollcall_bindings_removed_total", METRIC_COUNTER, "reason", 8,            \
      "Bindings removed, by reason")                                                               \
    X(CLOCK_STEPS, "rollcall_clock_steps_total", METRIC_COUNTER, "", 1,                            \
      "Steps of the machine's wall clock of more than a second")                                   \
    X(LOG_LOST, "rollcall_log_lines_lost_total", METRIC_COUNTER, "", 1,                            \
      "Log lines that could not be written")                                                       \
    X(BANS, "rollcall_bans", METRIC_GAUGE, "", 1, "Networks shut out now")                         \
    X(SECURITY_EVENTS, "rollcall_security_events_total", METRIC_COUNTER, "event", 32,              \
      "Security events, by event")                                                                 \
    X(HTTP_REQUESTS, "rollcall_http_requests_total", METRIC_COUNTER, "code", 32,                   \
      "HTTP requests answered, by status code")                                                    \
    X(HTTP_CONNECTIONS, "rollcall_http_connections", METRIC_GAUGE, "", 1, "HTTP connections open") \
    X(HTTP_STREAMS, "rollcall_http_streams", METRIC_GAUGE, "", 1, "Event streams open")

enum metric {
#define METRIC_ENUM(id, name, type, label, n, help) METRIC_##id,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

// id, name, help; all in seconds but BATCH, which counts operations.
#define HISTOGRAMS(X)                                                                              \
    X(REGISTER, "rollcall_register_seconds", "From the receipt of a REGISTER to its response")     \
    X(COMMIT, "rollcall_store_commit_seconds", "Duration of a store transaction, sync included")   \
    X(QUEUE_WAIT, "rollcall_store_wait_seconds", "Time an operation waited for its transaction")   \
    X(BATCH, "rollcall_store_batch_operations", "Operations in one store transaction")             \
    X(HTTP, "rollcall_http_seconds", "Duration of an HTTP request")

enum histogram {
#define HISTOGRAM_ENUM(id, name, help) HISTOGRAM_##id,
    HISTOGRAMS(HISTOGRAM_ENUM)
#undef HISTOGRAM_ENUM
        HISTOGRAM_COUNT
};

// Causes of a drop: the column of METRIC_DROPPED.
#define DROP_CAUSES(X)                                                                             \
    X(EMPTY, "keepalive")                                                                          \
    X(RESPONSE, "response")                                                                        \
    X(ACK, "ack")                                                                                  \
    X(UNANSWERABLE, "unanswerable")                                                                \
    X(PENDING, "pending_retransmission")                                                           \
    X(BANNED, "banned")                                                                            \
    X(RATE, "rate")                                                                                \
    X(SEND_FAILED, "send_failed")                                                                  \
    X(OVERLOAD, "overload")                                                                        \
    X(UNREAD, "unread")
enum drop_cause {
#define DROP_ENUM(id, name) DROP_##id,
    DROP_CAUSES(DROP_ENUM)
#undef DROP_ENUM
        DROP_COUNT
};

void metric_add(enum metric m, unsigned cell, uint64_t n);
void metric_set(enum metric m, unsigned cell, int64_t value);
int64_t metric_get(enum metric m, unsigned cell);
// The cell of a status code (SIP or HTTP) in RESPONSES and HTTP_REQUESTS; codes that are not in the
// table share the last cell, "other".
unsigned metric_code_cell(unsigned code);
// Buckets are powers of two of a base: seconds from 50 us on, or operations from 1 on.
void histogram_observe_us(enum histogram h, uint64_t us);
void histogram_observe_count(enum histogram h, uint64_t n);

// Prints everything in Prometheus' text format; `put` is called with pieces of the text.
void metrics_print(void (*put)(void *arg, struct slice text), void *arg);
