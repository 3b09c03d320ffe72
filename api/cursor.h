// SPDX-License-Identifier: Apache-2.0
// Cursors of lists: where a page ended, bound to the store's epoch and to the question that was
// asked, sealed with a key of the process' store so that none can be made up. Opaque base64url.
#pragma once

#include "api/request.h"
#include "base/buf.h"
#include "base/hash.h"

struct page {
    size_t limit;              // 1..1000
    struct slice after_domain; // the last item of the page before; empty at the first
    struct slice after_key;
};

// Reads `limit` and `cursor`. `question` is hashed into the cursor: another one's is refused.
// False: it has been answered with 400.
bool page_read(struct request *r, struct slice question, struct page *out);
// Writes the members "next_cursor" (null where !more) and "as_of" into the open object in r->out.
void page_end(struct request *r, struct slice question, bool more, struct slice domain,
              struct slice key, uint64_t as_of_change);
// The member "as_of" alone. `change` is store_counts()'s, taken before anything was read.
void as_of_put(struct request *r, uint64_t change);
// A key for hashes that nobody outside can make collide, from the store's secret: another one for
// each purpose, the same after a restart.
struct hash_key secret_key(struct request *r, struct slice purpose);

// "EPOCH-CHANGE", the epoch in 16 hex digits: as `as_of` and as the id of events. Bare, without
// quotes, at most EVENT_ID_MAX bytes.
#define EVENT_ID_MAX 48
void event_id_print(struct buf *b, uint64_t epoch, uint64_t change);
void event_id_put(struct text *t, uint64_t epoch, uint64_t change);
enum event_id { EVENT_ID_OK, EVENT_ID_FOREIGN, EVENT_ID_BAD };
// `change` is set where it is one of this store's epoch, or FOREIGN.
enum event_id event_id_read(struct slice text, uint64_t epoch, uint64_t *change);
