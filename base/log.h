// SPDX-License-Identifier: Apache-2.0
// The log: one line an event on stderr, as text or JSON. Thread-safe; a line is one write(2).
//
//   text: 2026-11-23T08:26:00.123Z warning event=wrong_password source=192.0.2.1:5060 msg="..."
//   json: {"time":"...","level":"warning","event":"wrong_password","source":"...","msg":"..."}
//
// A field without a value is left out. `event` is a stable word (docs/operating.md lists them);
// never pass a secret as a field.
#pragma once

#include <stdatomic.h>

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    struct slice value;
};

// May be called again at any time (SIGHUP).
void log_setup(enum log_level least, enum log_format format);
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *event, const char *message,
               const struct log_field *fields, size_t n);

// log_event(LOG_INFO, "started", "ready", {"listen", slice}, {"store", slice});
#define log_event(level, event, message, ...)                                                      \
    do {                                                                                           \
        const struct log_field log_fields_[] = {{"", {"", 0}}, __VA_ARGS__};                       \
        log_write((level), (event), (message), log_fields_ + 1,                                    \
                  sizeof log_fields_ / sizeof *log_fields_ - 1);                                   \
    } while (0)

// A gate lets `burst` events through a second and counts what it holds back; the next line that
// passes says how many were suppressed. For lines that an attacker can cause.
struct log_gate {
    _Atomic int64_t second;
    _Atomic uint32_t passed, suppressed;
};
// True when the event may be logged now; *suppressed is what was held back since the last that was.
bool log_gate_open(struct log_gate *gate, int64_t now_ms, uint32_t burst, uint32_t *suppressed);
