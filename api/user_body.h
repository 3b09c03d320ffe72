// SPDX-License-Identifier: Apache-2.0
// A user as it comes in a body (PUT, PATCH, a line of an import): from JSON to a change, and what
// the change makes of the user that is there. The second half is pure and runs in the store's
// decide function, so that a PATCH is atomic.
#pragma once

#include "api/json.h"
#include "store/store.h"

enum user_body_flag {
    USER_BODY_PATCH = 1,  // RFC 7396: absent members stay, null ones become defaults
    USER_BODY_IMPORT = 2, // "op" is a member too; read by the caller
};

// A label of a change; `remove`: of a patch, null.
struct label_change {
    struct label label;
    bool remove;
};

struct user_change {
    unsigned flags;             // enum user_body_flag
    struct slice domain;        // as given in the body; empty where it is not there
    struct slice username;      // likewise; user_change_name() sets it to the path's
    struct slice password;      // empty: none given
    struct credentials ha1;     // have is 0: none given
    struct slice auth_username; // empty: the same as the username
    struct slice display_name;
    bool enabled;
    bool has_max_bindings;
    uint16_t max_bindings;
    bool clear_labels; // of a patch: "labels": null
    uint8_t n_labels;
    struct label_change labels[LABELS_MAX * 2]; // sorted by key
    unsigned given;                             // which of these the body names
    bool keep_bindings;                         // the caller's: ?keep_bindings=true
    struct faults *faults;                      // where both halves note what is wrong

    // HA1s made beforehand from the password, for this login and realm: user_change_prepare().
    struct credentials prepared;
    struct slice prepared_login, prepared_realm;
};

// Reads the members of `o`, an object. Unknown members are faults, read-only ones are ignored. All
// slices of `out` are copies in f->arena. False when there are faults.
bool user_body_read(const struct json *o, unsigned flags, struct faults *f,
                    struct user_change *out);
// The names that the path has: where the body has others that mean somebody else, that is a fault.
// Sets c->username, which must live as long as the change. False when there are faults.
bool user_change_name(struct user_change *c, const struct domain *domain, struct slice username);
// Digests off the writer's thread: HA1s for the realm that the domain has now. Not needed for
// correctness: when realm or login are others at commit time they are made anew.
void user_change_prepare(struct user_change *c, const struct domain *domain, struct arena *arena);
// For decide_user: what becomes of `current` (NULL: a new user, named c->username). DECIDE_SAME
// where nothing changes; DECIDE_REFUSE with faults noted (none: the domain is not the one that
// op->username was made for; nothing is known to be wrong, and the caller may try again).
enum decision user_change_decide(struct store_op *op, struct user_change *c,
                                 const struct domain *domain, const struct user *current,
                                 int64_t now_ms, struct user *next, bool *remove_bindings);
// Overwrites password and HA1s. After the decision, or when there will be none.
void user_change_wipe(struct user_change *c);
// 1 to USERNAME_MAX bytes of UTF-8 without control characters.
bool username_valid(struct slice username);
