// SPDX-License-Identifier: Apache-2.0
// Overload, told by the age of what waits and not by its length: a long queue that moves is no
// harm.
//
// While more arrives than can be served, the kernel's bounded receive buffer drops the rest and
// phones ask again; what is read is served. What can be chosen is whom: refreshes with a nonce
// before new challenges, which would cost two more requests each.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Older than this for a while means overload.
#define OVERLOAD_AGE_MS   250
#define OVERLOAD_AFTER_MS 500
// How long the state holds after the last sign of it.
#define OVERLOAD_HOLD_MS 2000
// Older than this, nothing that needs the store is taken: the phone has asked again by then.
#define OVERLOAD_REFUSE_MS 2000
// Expires granted while it lasts are shortened by up to this share, so that the storm does not come
// back.
#define OVERLOAD_JITTER_PERCENT 20

struct overload {
    int64_t since_ms; // since when the age has been above; 0: it is not
    int64_t until_ms; // the state holds until then
};

// Once a batch, with the age of the oldest that waits. True while overloaded.
static inline bool overload_update(struct overload *o, int64_t age_ms, int64_t now_ms)
{
    if (age_ms <= OVERLOAD_AGE_MS)
        o->since_ms = 0;
    else if (!o->since_ms)
        o->since_ms = now_ms;
    if (o->since_ms && now_ms - o->since_ms >= OVERLOAD_AFTER_MS)
        o->until_ms = now_ms + OVERLOAD_HOLD_MS;
    return now_ms < o->until_ms;
}
