// SPDX-License-Identifier: Apache-2.0
// The reference backend ("memory:"): the smallest thing that keeps store.h's contract, to hold the
// others against and to test with. Nothing lasts, and a commit costs as much as there are users.
//
// All data is immutable objects with a count of references. A snapshot is two sorted arrays of
// them; the writer copies the arrays, replaces objects in its copy and publishes it, so a reader
// keeps what it began with. What other backends count as they go is counted here by looking.
#pragma once

#include <pthread.h>

#include "store/backend.h"

#define MEM_RECORD_MAX (256u << 10) // bytes of an AoR's bindings
#define MEM_STEP       256          // users of a closing domain deleted in one run

// A user with its bindings, or a domain.
struct object {
    _Atomic uint32_t refs;
    struct arena arena; // the texts
    struct slice domain, key;
    union {
        struct {
            struct user user;
            struct binding_set set; // all that was recorded, expired ones too
            uint64_t version, presence;
            int64_t last_registered_at_ms;
        };
        struct domain d;
    };
    _Alignas(16) char text[];
};

struct snapshot {
    _Atomic uint32_t refs;
    struct object **domains, **users; // in order of domain and key
    size_t n_domains, n_users, cap_domains, cap_users;
    uint64_t change, config_version, presence_version, bindings_version;
};

struct change {
    uint64_t number; // 0: told, not kept
    enum store_event_type type;
    int64_t at_ms;
    enum binding_gone gone;
    struct object *object; // as it was after the change; what is gone, as it was before
    uint64_t binding_id;
};

struct mem {
    struct store *front;
    uint64_t epoch, changes_max;
    uint8_t secret[32];
    pthread_mutex_t lock; // of what follows; the writer alone changes it
    struct snapshot *now;
    struct change *log; // a ring of log_cap: numbers log_first .. now->change
    size_t log_cap;
    uint64_t log_first;
    struct {
        struct store_op *head, *tail; // deletions of domains that go on
    } closing;
};

// One run of the writer: a snapshot in the making and what it will tell.
struct tx {
    struct mem *m;
    int64_t now_ms;
    struct snapshot *snap; // m->now until something is written
    struct change *changes;
    size_t n_changes, cap_changes;
};

// ---- object.c ---------------------------------------------------------------------------------

// Deep copies; NULL without memory. `set` may be NULL.
struct object *object_user(const struct user *user, struct slice key,
                           const struct binding_set *set);
struct object *object_domain(const struct domain *d);
void object_ref(struct object *o);
void object_unref(struct object *o);
// What an AoR's bindings take, for MEM_RECORD_MAX.
size_t bindings_size(const struct binding_set *set);
// Deep copies into an arena; false without memory.
bool user_into(struct arena *arena, const struct user *from, struct user *to);
bool domain_into(struct arena *arena, const struct domain *from, struct domain *to);
// Those of `set` that live at now_ms, deep.
bool live_into(struct arena *arena, const struct binding_set *set, int64_t now_ms,
               struct binding_set *to);

// ---- snapshot.c -------------------------------------------------------------------------------

struct snapshot *snapshot_new(void);
struct snapshot *snapshot_copy(const struct snapshot *from);
void snapshot_unref(struct snapshot *s);
// Today's, with a reference of the caller's.
struct snapshot *snapshot_today(struct mem *m);
// The position of the first at or after (domain, key); `*there` says whether it is that one.
size_t snapshot_user(const struct snapshot *s, struct slice domain, struct slice key, bool *there);
size_t snapshot_domain(const struct snapshot *s, struct slice name, bool *there);
size_t snapshot_users_of(const struct snapshot *s, struct slice domain);
// The domain that has the name or alias (canonical); NULL for none.
struct object *snapshot_host(const struct snapshot *s, struct slice host);
int64_t earliest_expiry(const struct binding_set *set);

// A transaction. tx_put and tx_drop take over the reference; they replace what is at the place.
// False without memory, with nothing changed.
bool tx_touch(struct tx *tx);
bool tx_put_user(struct tx *tx, struct object *o);
bool tx_put_domain(struct tx *tx, struct object *o);
void tx_drop_user(struct tx *tx, size_t at);
void tx_drop_domain(struct tx *tx, size_t at);
// Room for `n` more changes, then one of them (numbered by the caller, or 0).
bool tx_reserve(struct tx *tx, size_t n);
void tx_change(struct tx *tx, struct change change);
// Publishes, logs and tells.
void tx_commit(struct tx *tx);
// As the interface shows it. The binding, user or domain points into the object; `scratch` holds a
// user without its secrets.
struct store_event change_event(const struct change *c, struct user *scratch);

// ---- write.c ----------------------------------------------------------------------------------

// Carries the op out. False: it goes on later (a domain's deletion).
bool mem_op(struct tx *tx, struct store_op *op);
// A step of what waits.
void mem_expire(struct tx *tx);
// Deletes users of the domain, at most MEM_STEP; true when it is gone.
bool mem_delete_domain(struct tx *tx, struct slice name);

// ---- read.c -----------------------------------------------------------------------------------

int mem_reader_open(void *state, struct store_reader **out);
void mem_reader_close(struct store_reader *r);
enum store_status mem_begin(struct store_reader *r);
void mem_end(struct store_reader *r);
enum store_status mem_domain_find(struct store_reader *r, struct slice host, struct domain *out);
enum store_status mem_domain_next(struct store_reader *r, struct slice after, struct domain *out);
enum store_status mem_domain_count(struct store_reader *r, struct slice domain,
                                   struct store_domain_counts *out);
enum store_status mem_user_find(struct store_reader *r, struct slice domain, struct slice key,
                                struct user *out);
enum store_status mem_user_next(struct store_reader *r, struct slice domain, struct slice key,
                                struct user *out, struct slice *key_out);
enum store_status mem_bindings_find(struct store_reader *r, const struct user *user, int64_t now_ms,
                                    struct arena *arena, struct aor_state *out);
void mem_bindings_glance(struct store_reader *r, const struct user *user, int64_t now_ms,
                         struct aor_glance *out);
enum store_status mem_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                   bool (*take)(void *arg, const struct store_event *event),
                                   void *arg);
void mem_counts(void *state, struct store_counts *out);
long mem_check(void *state, void (*say)(void *arg, const char *sentence), void *arg);
