// SPDX-License-Identifier: Apache-2.0
// Records to bytes and back: the persisted formats, with no knowledge of any backend.
//
// Every record begins with its head:
//   offset  size  what
//   0       1     format of this kind of record (CODEC_FORMAT)
//   1       8     checksum64() of all that follows, little-endian
// The bodies are tables of fields in the files that write them. `num` is an unsigned LEB128, `int`
// a zigzag one, `text` a num and that many bytes. Decoding is bounded and strict: a wrong checksum,
// an unknown format, a value out of its range or a byte left over is a fault, and what was decoded
// is void. Decoded slices point into the bytes given.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

#define CODEC_FORMAT 1
#define CODEC_HEAD   9
// No record of any kind is larger than this.
#define CODEC_RECORD_MAX (256u << 10)

// The bindings of an AoR; a tombstone where there are none.
struct aor_record {
    struct slice domain, key;      // canonical; key as user_key() gives it
    uint64_t incarnation;          // of the user they belong to
    int64_t last_registered_at_ms; // 0 for never
    uint64_t presence;             // change number of the last coming or going
    uint64_t version;              // sequence of the last update; a record moved keeps it
    struct binding_set set;
};

// Each writes a whole record, head included, into `b`, which must be empty; b->full says that it
// did not fit.
void codec_put_aor(struct buf *b, const struct aor_record *r);
void codec_put_user(struct buf *b, const struct user *u);
void codec_put_domain(struct buf *b, const struct domain *d);
void codec_put_event(struct buf *b, const struct store_event *e);

enum codec_result { CODEC_OK, CODEC_DAMAGED, CODEC_NOMEM };

// The arrays of bindings and paths come from the arena.
enum codec_result codec_get_aor(struct slice bytes, struct arena *arena, struct aor_record *out);
// Is it this AoR's? The checksum is not looked at.
bool codec_is_aor(struct slice bytes, struct slice domain, struct slice key);
// Only domain, key and the user's incarnation; the checksum is not looked at. False when damaged.
bool codec_peek_aor(struct slice bytes, struct aor_record *out);
bool codec_checksum_holds(struct slice bytes);
// How many bindings and the earliest expires_at of a record (INT64_MAX for none) that holds.
bool codec_glance_aor(struct slice bytes, struct aor_record *out, unsigned *n,
                      int64_t *next_expiry_ms, uint64_t by_transport[TRANSPORT_COUNT]);
// `domain` is the user's (it stands in the key, not in the record).
bool codec_get_user(struct slice bytes, struct slice domain, struct user *out);
bool codec_get_domain(struct slice bytes, struct domain *out);
// What the event points to.
struct event_objects {
    struct binding binding;
    struct slice paths[PATHS_MAX];
    struct user user;
    struct domain domain;
};
// The number is the caller's (it is the key); *out points into *objects.
bool codec_get_event(struct slice bytes, struct event_objects *objects, struct store_event *out);
