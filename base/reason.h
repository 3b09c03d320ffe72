// SPDX-License-Identifier: Apache-2.0
// The outcome of a REGISTER (or of an API call that is a security event) in one stable word: the
// reason of an attempt, the `event=` of a log line, the label of a metric. Part of the contract.
#pragma once

#include "base/slice.h"

// word, sentence for people
#define REASONS(X)                                                                                 \
    X(OK, "ok", "registered")                                                                      \
    X(CHALLENGED, "challenged", "asked for credentials")                                           \
    X(UNKNOWN_USER, "unknown_user", "unknown user")                                                \
    X(WRONG_PASSWORD, "wrong_password", "wrong password")                                          \
    X(DISABLED_USER, "disabled_user", "the user is disabled")                                      \
    X(NOT_ALLOWED_FOR_AOR, "not_allowed_for_aor", "right credentials, but of another user")        \
    X(STALE_NONCE, "stale_nonce", "nonce expired")                                                 \
    X(REPLAYED_NONCE, "replayed_nonce", "nonce count was used before")                             \
    X(BAD_CREDENTIALS, "bad_credentials", "the Authorization header does not fit the challenge")   \
    X(UNKNOWN_DOMAIN, "unknown_domain", "no such domain here")                                     \
    X(MALFORMED, "malformed", "the message is malformed")                                          \
    X(CSEQ_OUT_OF_ORDER, "cseq_out_of_order", "CSeq out of order")                                 \
    X(INTERVAL_TOO_BRIEF, "interval_too_brief", "interval too brief")                              \
    X(TOO_MANY_BINDINGS, "too_many_bindings", "too many bindings")                                 \
    X(EXTENSION_REQUIRED, "extension_required", "an extension is required that is not there")      \
    X(TOO_LARGE, "too_large", "the message is too large")                                          \
    X(RATE_LIMITED, "rate_limited", "too many requests")                                           \
    X(BANNED, "banned", "the source is banned")                                                    \
    X(OVERLOADED, "overloaded", "the registrar is overloaded")                                     \
    X(STORE_UNAVAILABLE, "store_unavailable", "the store cannot take it now")                      \
    X(SUCCESS_AFTER_FAILURES, "success_after_failures", "right credentials after wrong ones")      \
    X(API_TOKEN_WRONG, "api_token_wrong", "wrong API token")

enum reason {
#define REASON_ENUM(id, word, text) REASON_##id,
    REASONS(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

const char *reason_word(enum reason r);
const char *reason_text(enum reason r);
