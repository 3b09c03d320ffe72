// SPDX-License-Identifier: Apache-2.0
// The store: users, domains and bindings, durable, with a log of changes.
//
// It speaks of AoRs, users and domains, never of keys and values, so that a backend may be LMDB,
// plain memory, or a distributed one later. store/README.md has the promises; tests/contract holds
// every backend to them.
//
// Writing. A caller fills a `struct store_op` with a pure `decide` function, submits it through its
// port, and collects it when it is durable (or refused). One writer takes all that is queued in one
// transaction and one sync (group commit). Decide runs inside that transaction on the writer's
// thread: it must depend on nothing but its arguments and `op`, and may be run again (a batch that
// did not fit is run in halves; a distributed backend loses races). The op, its arena and all that
// `decide` touches belong to the store from submit to collect.
//
// Reading. A reader is a snapshot on the caller's thread and never blocks on the writer. What it
// returns points into the arena given, or (users, domains) into the snapshot until
// store_reader_end().
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "store/binding.h"
#include "store/user.h"

struct store;
struct store_port;
struct store_reader;

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,   // no such user or domain
    STORE_CONFLICT,    // the user is not the one the caller saw (op->seen)
    STORE_REFUSED,     // decide said no; the reason is in its own context
    STORE_FULL,        // disk or map full: nothing changed; reads go on
    STORE_UNAVAILABLE, // queue full, or shutting down
    STORE_TOO_LARGE,   // the record would exceed its bound
    STORE_NOMEM
};

// ---- Opening ----------------------------------------------------------------------------------

struct flows;

struct store_config {
    struct slice url;     // "lmdb:/var/lib/rollcall", "memory:" (tests)
    uint64_t map_size;    // bytes of address space
    uint64_t max_size;    // bytes of the file, 0 for no bound
    unsigned lock_wait_s; // how long to wait for another process's lock
    uint64_t changes_max; // events kept
    unsigned queue_max;   // operations that may wait (store.queue)
    bool inspect;         // for store_check() alone: opens a damaged one too, takes no writes
    int64_t now_ms;       // clock_now_ms() at start
    // The wall clock in ms since 1970, asked on the writer's thread; NULL: clock_now_ms(). For
    // tests.
    int64_t (*clock)(void *arg);
    void *clock_arg;
    // Which TCP connections are open, for BINDING_UNREACHABLE; NULL: not known. The caller's.
    const struct flows *flows;
    // Says a sentence on what goes on (waiting for the lock, scanning); may be NULL.
    void (*progress)(void *arg, const char *sentence);
    void *progress_arg;
    // Polled while waiting for the lock; true gives up (SIGTERM). May be NULL.
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
};

// 0, or -1 with a sentence in `why` that names the path and the fault (at most why_size bytes).
// Starts the writer's thread.
int store_open(const struct store_config *config, struct store **out, char *why, size_t why_size);
// Commits what is queued, completes it, stops the writer, gives the lock back.
void store_close(struct store *s);
// True while writes are taken (false when the disk is full, or when closing). For readiness.
bool store_writable(struct store *s);

// ---- Events -----------------------------------------------------------------------------------

enum store_event_type {
    EVENT_BINDING_CREATED = 1,
    EVENT_BINDING_REFRESHED,
    EVENT_BINDING_REMOVED,
    EVENT_USER_CREATED,
    EVENT_USER_UPDATED,
    EVENT_USER_DELETED,
    EVENT_DOMAIN_CREATED,
    EVENT_DOMAIN_UPDATED,
    EVENT_DOMAIN_DELETED
};
// "binding.created", ...
const char *store_event_name(enum store_event_type t);

struct store_event {
    uint64_t number; // change number; 0 for a plain refresh, which is told live only
    enum store_event_type type;
    int64_t at_ms;
    struct slice domain, username;      // canonical key of the domain; the username as provisioned
    enum binding_gone gone;             // of EVENT_BINDING_REMOVED
    const struct binding *binding;      // of binding events
    const struct user *user;            // of user events, without its credentials (`have` is kept)
    const struct domain *domain_object; // of domain events
};

// Called on the writer's thread after a commit, in order; must be quick and must not call the
// store. One watcher (the API's hub); NULL ends it.
typedef void store_watch_fn(void *arg, const struct store_event *events, size_t n);
void store_watch(struct store *s, store_watch_fn *fn, void *arg);

// ---- Writing ----------------------------------------------------------------------------------

enum store_op_kind { STORE_OP_BINDINGS, STORE_OP_USER, STORE_OP_DOMAIN };

// What a decide function says. DECIDE_SAME: the op succeeds and nothing is written.
enum decision { DECIDE_WRITE, DECIDE_SAME, DECIDE_REFUSE, DECIDE_DELETE, DECIDE_NOMEM };

struct store_op {
    // The caller's:
    enum store_op_kind kind;
    struct slice domain;   // canonical key
    struct slice username; // canonical key; of BINDINGS and USER
    // BINDINGS: the user the caller authenticated. Another incarnation or version gives
    // STORE_CONFLICT; 0 for any. The rest of it counts with seen_at only: the store_reader_mark()
    // of the snapshot that it was read from, 0 where it was not filled in. Then the store need not
    // read the user again, as long as none was changed since.
    struct user_terms seen;
    uint64_t seen_at;
    struct arena *arena; // for what decide makes; the op's own
    void *ctx;

    // BINDINGS. `current` holds what is live at now_ms, in order. Fill `next` with all bindings
    // that shall be there, and those that leave (gone set, others' `gone` zero); new ones have id
    // 0. A binding of `current` that is not in `next` leaves as GONE_UNREGISTERED. `user` and
    // `domain` are today's. After success next's items have their ids and next holds no gone ones.
    enum decision (*decide_bindings)(struct store_op *op, const struct domain *domain,
                                     const struct user_terms *user,
                                     const struct binding_set *current, int64_t now_ms,
                                     struct binding_set *next);
    // USER. `current` is NULL where there is none. DECIDE_WRITE takes `next` (preset to current, or
    // zero; the store sets domain, username on creation from op->username, incarnation, version,
    // created_at, updated_at). remove_bindings: the bindings go in the same transaction.
    enum decision (*decide_user)(struct store_op *op, const struct domain *domain,
                                 const struct user *current, int64_t now_ms, struct user *next,
                                 bool *remove_bindings);
    // DOMAIN. `users` is how many there are. DECIDE_DELETE with users marks it closing at once; the
    // op completes when it and all its users are gone (bounded steps).
    enum decision (*decide_domain)(struct store_op *op, const struct domain *current,
                                   uint64_t users, int64_t now_ms, struct domain *next);
    bool bulk; // import: waits behind others, taken in small portions

    // The store's answer:
    enum store_status status;
    struct binding_set next;  // BINDINGS: what is live now (also with DECIDE_SAME), in op->arena
    struct user user;         // USER: what is there now, slices in op->arena
    struct domain domain_now; // DOMAIN: likewise
    bool created;             // USER, DOMAIN
    uint64_t change;          // change number after the commit

    // The store's own while submitted:
    struct store_op *link;
    struct store_port *port;
    int64_t submitted_us;
};

// A port is one submitter: `notify` is called on the writer's thread after each commit in which ops
// of this port were completed (write an eventfd, resume connections: quick, no store calls but
// store_port_collect).
int store_port_open(struct store *s, void (*notify)(void *arg), void *arg, struct store_port **out);
void store_port_close(struct store_port *port); // nothing may be outstanding
// Takes a list linked by `link`. All-or-none: false (nothing taken) when the queue has no room.
bool store_submit(struct store_port *port, struct store_op *first, size_t n);
// The completed ops, linked by `link`, oldest first; NULL for none. Any thread, one at a time a
// port.
struct store_op *store_port_collect(struct store_port *port);
// For callers that may block (command line, tests): submits and waits.
enum store_status store_do(struct store *s, struct store_op *op);

// ---- Reading ----------------------------------------------------------------------------------

// A reader belongs to one thread. begin/end bracket a snapshot (one per batch or request).
int store_reader_open(struct store *s, struct store_reader **out);
void store_reader_close(struct store_reader *r);
enum store_status store_reader_begin(struct store_reader *r);
void store_reader_end(struct store_reader *r);
// Which snapshot this is, for op->seen_at.
uint64_t store_reader_mark(const struct store_reader *r);

// By name or alias, any case. Slices live until store_reader_end().
enum store_status store_domain_find(struct store_reader *r, struct slice host, struct domain *out);
// The first domain whose name is greater than `after` (empty: the first of all).
enum store_status store_domain_next(struct store_reader *r, struct slice after, struct domain *out);
// The only domain there is; NOT_FOUND where there are none or several.
enum store_status store_domain_only(struct store_reader *r, struct domain *out);
// Users and bindings of one domain (counters, O(1)).
struct store_domain_counts {
    uint64_t users, registered_users, bindings;
};
enum store_status store_domain_count(struct store_reader *r, struct slice domain,
                                     struct store_domain_counts *out);

// `key` is user_key()'s. Slices live until store_reader_end().
enum store_status store_user_find(struct store_reader *r, struct slice domain, struct slice key,
                                  struct user *out);
// The first user after (domain, key) in the order of (domain, key) bytes; an empty key begins the
// domain, an empty domain begins at the first. `key_out` gets the user's key (lives as `out`).
enum store_status store_user_next(struct store_reader *r, struct slice domain, struct slice key,
                                  struct user *out, struct slice *key_out);
// What is live at now_ms, copied into the arena. `user` is of this snapshot; the bindings are as
// new as can be had, never older. A user without bindings gives OK and n = 0.
struct aor_state {
    struct binding_set bindings;
    uint64_t version;              // changes with every update of the record (refreshes too)
    uint64_t presence;             // change number of the last coming or going
    int64_t next_expiry_ms;        // earliest expires_at of the bindings, INT64_MAX for none
    int64_t last_registered_at_ms; // 0 for never
};
enum store_status store_bindings_find(struct store_reader *r, const struct user *user,
                                      int64_t now_ms, struct arena *arena, struct aor_state *out);
// The same without reading the record: versions and next expiry (of the record, before `now` is
// looked at) and how many bindings it has, from memory. For ETags and lists of status.
// registered is false where nothing is live at now_ms.
struct aor_glance {
    uint64_t version;
    int64_t next_expiry_ms;
    bool registered;
};
void store_bindings_glance(struct store_reader *r, const struct user *user, int64_t now_ms,
                           struct aor_glance *out);

// ---- Status -----------------------------------------------------------------------------------

struct store_counts {
    uint64_t epoch;            // random, of this store; new when made or restored
    uint64_t change;           // number of the newest event kept
    uint64_t oldest_change;    // number of the oldest event kept; change + 1 where there is none
    uint64_t config_version;   // change number of the last change of any user or domain
    uint64_t presence_version; // change number of the last coming or going of any binding
    uint64_t bindings_version; // grows with every update of any binding, refreshes too
    int64_t next_expiry_ms;    // no binding expires before this that has not been swept
    uint64_t users, registered_users, bindings, domains;
    uint64_t by_transport[TRANSPORT_COUNT];
    uint64_t records; // in the log of bindings, stale ones too
    uint64_t file_bytes, free_bytes;
};
// From memory, O(1), any thread.
void store_counts(struct store *s, struct store_counts *out);
// A secret of the store's own, made with it: keys nonces where auth.secret is not set.
void store_secret(struct store *s, uint8_t out[32]);

// Events with number > after, oldest first, at most `max`; `take` returns false to stop. Slices
// live during the call of take. NOT_FOUND when the log no longer has them all (a reset).
enum store_status store_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                     bool (*take)(void *arg, const struct store_event *event),
                                     void *arg);

// A consistent copy of the store as one file (the backend's own format), written to fd; the copy
// has a new epoch when it is opened. Blocking; any thread but the SIP and HTTP loops.
enum store_status store_backup(struct store *s, int fd);
// Reads everything and verifies checksums, order, counters; `say` gets one sentence a fault. The
// number of faults, or -1 when it could not be read.
long store_check(struct store *s, void (*say)(void *arg, const char *sentence), void *arg);
