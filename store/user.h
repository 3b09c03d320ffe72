// SPDX-License-Identifier: Apache-2.0
// A user (an address of record with its credentials) and a domain. Plain data, slices not owned.
#pragma once

#include "base/arena.h"
#include "base/slice.h"

#define DOMAIN_NAME_MAX    253
#define USERNAME_MAX       128
#define PASSWORD_MAX       256
#define REALM_MAX          255
#define DISPLAY_NAME_MAX   256
#define LABELS_MAX         32
#define LABEL_KEY_MAX      64
#define LABEL_VALUE_MAX    256
#define ALIASES_MAX        64
#define SERVICE_ROUTES_MAX 8

// Digest algorithms, RFC 7616 and 8760; bits in a mask where several stand together.
enum algorithm { ALGORITHM_MD5, ALGORITHM_SHA256, ALGORITHM_SHA512_256, ALGORITHM_COUNT };
// "MD5", "SHA-256", "SHA-512-256"
const char *algorithm_name(enum algorithm a);
bool algorithm_parse(struct slice name, enum algorithm *out); // case-insensitive
// Bytes of its digest: 16, 32, 32.
static inline size_t algorithm_size(enum algorithm a)
{
    return a == ALGORITHM_MD5 ? 16 : 32;
}

struct credentials {
    uint8_t have;                     // bit per enum algorithm
    uint8_t ha1[ALGORITHM_COUNT][32]; // algorithm_size() bytes used
};

struct label {
    struct slice key, value;
};

struct user {
    struct slice domain;        // canonical: lower case
    struct slice username;      // unescaped, as it was provisioned
    struct slice auth_username; // empty: the same as username
    struct slice display_name;
    bool enabled;
    bool has_max_bindings;
    uint16_t max_bindings; // where has_max_bindings
    uint8_t n_labels;
    struct label labels[LABELS_MAX]; // sorted by key
    struct credentials credentials;
    int64_t credentials_set_at_ms; // nonces made up to then are void
    uint64_t incarnation;          // change number of its creation: a user made anew never inherits
    uint64_t version; // change number of its last change of configuration (the ETag's part)
    int64_t created_at_ms, updated_at_ms;
    int64_t last_registered_at_ms; // 0 for never
};

// What of a user has a say in its registrations.
struct user_terms {
    struct slice username; // as provisioned
    bool has_max_bindings;
    uint16_t max_bindings;
    uint64_t incarnation, version;
    int64_t last_registered_at_ms;
};

static inline struct user_terms user_terms(const struct user *u)
{
    return (struct user_terms){u->username,    u->has_max_bindings, u->max_bindings,
                               u->incarnation, u->version,          u->last_registered_at_ms};
}

struct domain {
    struct slice name; // canonical: lower case, no trailing dot
    struct slice realm;
    struct slice aliases[ALIASES_MAX]; // other host names and addresses, lower case
    uint8_t n_aliases;
    uint8_t n_algorithms;                // 0: as configured
    uint8_t algorithms[ALGORITHM_COUNT]; // in order of preference
    bool case_insensitive_users;
    bool closing; // being deleted with its users: registers nobody
    int32_t min_expires, default_expires, max_expires; // seconds, -1: as configured
    int32_t max_bindings;                              // -1: as configured
    struct slice service_route[SERVICE_ROUTES_MAX];    // RFC 3608, "<sip:...;lr>"
    uint8_t n_service_routes;
    uint64_t incarnation, version;
    int64_t created_at_ms, updated_at_ms;
};

// The name that identifies a user within the domain: the username itself, or ASCII-lower-cased in a
// domain with case_insensitive_users. `scratch` has USERNAME_MAX bytes. Empty when too long.
struct slice user_key(const struct domain *domain, struct slice username, char *scratch);
// Lower case into `scratch` (DOMAIN_NAME_MAX bytes), a trailing dot dropped; empty when too long.
struct slice domain_key(struct slice host, char *scratch);
