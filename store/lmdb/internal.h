// SPDX-License-Identifier: Apache-2.0
// What the files of the LMDB backend share. store/README.md has the layout and its reasons.
#pragma once

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "store/backend.h"
#include "store/codec.h"
#include "store/lmdb/map.h"
#include "store/lmdb/wheel.h"
#include "store/queue.h"

#define FORMAT_VERSION 1
#define KEY_MAX        (DOMAIN_NAME_MAX + 1 + USERNAME_MAX)
#define EXPIRE_STEP    256  // AoRs that expire in one transaction
#define CLOSING_STEP   128  // users of a domain being deleted that go in one transaction
#define PENDING_MAX    8192 // records appended or dropped in one transaction
#define PENDING_INDEX  4096
#define DOMAIN_SLOTS   64

// The counters that are committed with what they count. Stored as these 64-bit numbers, least
// significant byte first, then checksum64() of them (meta, "state").
struct state {
    uint64_t change;           // number of the newest event
    uint64_t seq;              // of the newest record in the log
    uint64_t config_version;   // change number of the last change of any user or domain
    uint64_t presence_version; // change number of the last coming or going
    uint64_t users, registered, bindings, domains;
    uint64_t by_transport[TRANSPORT_COUNT];
};

// A change to the map that waits for the commit.
struct pending {
    uint64_t hash, old_seq; // 0: the AoR has no entry yet
    uint64_t seq;           // of its newest record; 0: dropped
    uint64_t version;
    int64_t next_expiry_ms;
    uint32_t n;
    uint32_t chain; // index + 1 of the next one in the same bucket
};

// A domain as the writer keeps it between ops, with its counters (table `counts`).
struct domain_slot {
    bool used, dirty;
    size_t n, cap;
    char *bytes; // the record; `domain` points into it
    struct domain domain;
    struct store_domain_counts counts;
};

// A domain that is being deleted.
struct closing {
    struct closing *next;
    size_t n;
    char name[DOMAIN_NAME_MAX];
};

// One transaction of the writer.
struct batch {
    MDB_txn *txn;
    int64_t now_ms;
    struct state state; // committed with the batch
    int rc;             // LMDB's first error: the whole batch is run again or fails
    bool wrote;
    bool wrote_users;
    size_t appended, added_events;
    int64_t records, changes; // how many more there are after it
    struct pending *pending;
    size_t n_pending;
    uint16_t index[PENDING_INDEX]; // 1 + the newest pending of the bucket
    struct store_event *events;
    size_t n_events, events_cap;
    struct wheel_due fired[EXPIRE_STEP];
    size_t n_fired;
    struct arena arena; // for what lives as long as the batch
    struct op_list waiting;
    bool marks, mark;    // the mark of a backup is set or taken off
    struct slice closed; // the domain that this batch has deleted
    char closed_name[DOMAIN_NAME_MAX];
    char *record; // CODEC_RECORD_MAX bytes to encode in
};

struct lmdb_store {
    struct store *front;
    struct store_config config;
    char dir[512];
    int lock_fd;
    off_t padded_from; // its length when pages were added at the start; 0: none were, or it is good
    MDB_env *env;
    MDB_dbi meta, users, domains, hosts, counts, bindings, changes;
    unsigned page_size;
    struct map *map;
    struct wheel *wheel;
    struct hash_key domain_hash;
    struct domain_slot slots[DOMAIN_SLOTS];
    struct batch batch;
    struct state state;          // committed
    uint64_t records, n_changes; // in the log, in the change log
    uint64_t epoch;
    uint8_t secret[32];
    struct closing *closing;
    struct op_list waiting; // ops that wait for a domain to be gone
    bool tight;             // little room left: nothing that grows
    int64_t measured_ms;    // when free pages were last counted
    uint64_t free_bytes;
    bool scanning;
    _Atomic bool writable;
    _Atomic uint64_t published_txn; // the map is at least as new as this transaction
    uint64_t users_txn;             // the last transaction that changed a user; the writer's own
    pthread_mutex_t publish_lock;   // of `published`
    struct store_counts published;
    // Backups mark the store while they copy it, so that a copy knows that it is one.
    pthread_mutex_t copy_lock;
    pthread_cond_t copy_cond;
    unsigned copies; // wanted
    bool copy_marked;
};

// ---- err.c ----
// Ends the process (70) for what nothing can be done about; else the status for the caller.
enum store_status lmdb_status(struct lmdb_store *s, int rc);
bool lmdb_is_full(int rc);        // of the disk
bool lmdb_may_fit_halved(int rc); // of the map or the transaction
void lmdb_fatal(struct lmdb_store *s, const char *what, int rc) __attribute__((noreturn));

static inline MDB_val val_of(struct slice s)
{
    return (MDB_val){s.n, (void *)(uintptr_t)s.p};
}
static inline struct slice slice_val(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}
// domain NUL key, into `out` of KEY_MAX bytes.
struct slice users_key(char *out, struct slice domain, struct slice key);
// The part of a users key behind the first NUL; the domain is before it.
bool split_users_key(struct slice k, struct slice *domain, struct slice *key);

// ---- env.c, recovery.c, meta.c ----
int lmdb_open(const struct store_config *config, struct slice rest, struct store *front,
              void **state, char *why, size_t why_size);
void lmdb_close(void *state);
int folder_open(struct lmdb_store *s, char *why, size_t why_size); // folder, lock, file head
void folder_unpad(struct lmdb_store *s); // a file that is refused is left as it was
int recovery_scan(struct lmdb_store *s, MDB_txn *txn, char *why, size_t why_size);
int meta_open(struct lmdb_store *s, MDB_txn *txn, char *why, size_t why_size);
int meta_put_state(struct lmdb_store *s, MDB_txn *txn, const struct state *st);
int meta_get_state(struct lmdb_store *s, MDB_txn *txn, struct state *st);
int meta_mark_copy(struct lmdb_store *s, MDB_txn *txn, bool marked);

// ---- readahead.c ----
struct readahead {
    pthread_t thread;
    bool running;
    _Atomic bool stop;
    int fd;
    off_t size;
};
// Only a help: where no thread can be had the file is read page by page. `r` must stay where it is.
void readahead_start(struct readahead *r, MDB_env *env);
void readahead_stop(struct readahead *r);

// ---- batch.c, publish.c ----
int64_t lmdb_run(void *state, struct store_op **ops, size_t n, int64_t now_ms);
int batch_init(struct batch *b);
void batch_free(struct batch *b);
int batch_put(struct lmdb_store *s, MDB_dbi dbi, struct slice key, struct slice value,
              unsigned flags);
void publish_counts(struct lmdb_store *s);
void measure_file(struct lmdb_store *s, int64_t now_ms);
void lmdb_counts(void *state, struct store_counts *out);

// ---- log.c ----
struct aor_at {
    uint64_t hash, seq; // seq 0: no record
    struct slice bytes; // valid until the next write in the transaction
};
// The newest record of an AoR as this batch sees it. False on an error of LMDB's (in b->rc).
bool log_find(struct lmdb_store *s, struct slice domain, struct slice key, struct aor_at *at);
// Encodes into b->record; false where it is too large.
bool log_encode(struct lmdb_store *s, const struct aor_record *r, struct slice *bytes);
// Makes sure that log_append() needs no memory that may lack.
bool log_reserve(struct lmdb_store *s, const struct aor_at *at);
void log_append(struct lmdb_store *s, const struct aor_at *at, struct slice bytes, size_t n,
                int64_t next_expiry_ms, uint64_t version);
void log_trim(struct lmdb_store *s, size_t budget);
bool log_wants_trim(const struct lmdb_store *s);
struct pending *pending_add(struct lmdb_store *s, uint64_t hash, uint64_t old_seq);

// ---- changes.c ----
bool events_reserve(struct batch *b, size_t n);
// Room was reserved. Numbered ones get the next change number.
struct store_event *event_add(struct batch *b, enum store_event_type type, struct slice domain,
                              struct slice username, bool numbered);
// Writes the numbered events from `from` on to the change log.
void events_write(struct lmdb_store *s, size_t from);
void changes_trim(struct lmdb_store *s, size_t budget);
enum store_status lmdb_changes_read(struct store_reader *r, uint64_t after, size_t max,
                                    bool (*take)(void *arg, const struct store_event *event),
                                    void *arg);

// ---- domains.c ----
// NOT_FOUND, or NOMEM, or OK; the slot is good until the next call.
enum store_status domain_get(struct lmdb_store *s, struct slice name, struct domain_slot **out);
void domains_forget(struct lmdb_store *s); // after an abort
void domains_write(struct lmdb_store *s);  // before a commit
enum store_status op_domain(struct lmdb_store *s, struct store_op *op, bool *waits);
void closing_step(struct lmdb_store *s, size_t budget);
struct closing *closing_add(struct lmdb_store *s, struct slice name);

// ---- users.c ----
enum store_status op_user(struct lmdb_store *s, struct store_op *op);
enum store_status user_read(struct lmdb_store *s, struct slice domain, struct slice key,
                            struct arena *arena, struct user *out);
// The same for what a registration needs of op's user: as the caller saw it, when it cannot have
// been changed since.
enum store_status user_terms_read(struct lmdb_store *s, const struct store_op *op,
                                  struct user_terms *out);
// The one way a user's record is written; LMDB's code, as batch_put().
int user_write(struct lmdb_store *s, struct slice key, const struct buf *record);
enum store_status user_delete(struct lmdb_store *s, struct domain_slot *slot, struct slice key,
                              const struct user *user, struct arena *arena);

// ---- aor.c ----
// What is known of an AoR before an op; everything in the arena given.
struct aor_now {
    struct aor_at at;
    struct aor_record record; // empty where there is none of this incarnation
    struct binding_set live, expired;
};
enum store_status aor_read(struct lmdb_store *s, struct slice domain, struct slice key,
                           uint64_t incarnation, struct arena *arena, struct aor_now *out);
enum store_status op_bindings(struct lmdb_store *s, struct store_op *op);
// All bindings go: the live ones with this reason. Writes a tombstone where there was something.
enum store_status aor_clear(struct lmdb_store *s, struct domain_slot *slot, struct slice key,
                            const struct user *user, enum binding_gone gone, struct arena *arena);
// Handles an item that has fired.
void expire_hash(struct lmdb_store *s, uint64_t hash);

// ---- reader.c ----
struct lmdb_reader {
    struct store_reader base;
    struct lmdb_store *s;
    MDB_txn *txn, *fresh;
    MDB_cursor *by_key; // of users, kept for the next snapshot: opening one asks for memory
};
int lmdb_reader_open(void *state, struct store_reader **out);
void lmdb_reader_close(struct store_reader *r);
enum store_status lmdb_begin(struct store_reader *r);
void lmdb_end(struct store_reader *r);
enum store_status lmdb_domain_find(struct store_reader *r, struct slice host, struct domain *out);
enum store_status lmdb_domain_next(struct store_reader *r, struct slice after, struct domain *out);
enum store_status lmdb_domain_count(struct store_reader *r, struct slice domain,
                                    struct store_domain_counts *out);
enum store_status lmdb_user_find(struct store_reader *r, struct slice domain, struct slice key,
                                 struct user *out);
enum store_status lmdb_user_next(struct store_reader *r, struct slice domain, struct slice key,
                                 struct user *out, struct slice *key_out);
enum store_status lmdb_bindings_find(struct store_reader *r, const struct user *user,
                                     int64_t now_ms, struct arena *arena, struct aor_state *out);
void lmdb_bindings_glance(struct store_reader *r, const struct user *user, int64_t now_ms,
                          struct aor_glance *out);

// ---- backup.c, check.c ----
enum store_status lmdb_backup(void *state, int fd);
void copy_mark(struct lmdb_store *s);   // in the batch
void copy_marked(struct lmdb_store *s); // after the commit
long lmdb_check(void *state, void (*say)(void *arg, const char *sentence), void *arg);
bool counts_get(struct slice bytes, struct store_domain_counts *out);
