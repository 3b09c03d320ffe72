// SPDX-License-Identifier: Apache-2.0
// What the codec's files share: the head of a record, and bodies that stand inside others.
#pragma once

#include "store/codec.h"
#include "store/codec_bytes.h"

void codec_begin(struct buf *b);
void codec_end(struct buf *b); // fills in the checksum
// False for an unknown format or a wrong checksum.
bool codec_open(struct slice bytes, struct dec *d);
static inline bool codec_done(const struct dec *d)
{
    return !d->bad && d->p == d->end;
}

void codec_put_binding(struct buf *b, const struct binding *x);
// The paths go to `paths` (PATHS_MAX of them) or, where that is NULL, to the arena; *nomem is set
// when it has no memory.
void codec_get_binding(struct dec *d, struct binding *x, struct slice *paths, struct arena *arena,
                       bool *nomem);
void codec_put_user_body(struct buf *b, const struct user *u, bool with_secrets);
void codec_get_user_body(struct dec *d, struct user *u);
void codec_put_domain_body(struct buf *b, const struct domain *x);
void codec_get_domain_body(struct dec *d, struct domain *x);
