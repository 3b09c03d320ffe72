// SPDX-License-Identifier: Apache-2.0
// Overload, told by the age of what waits and not by its length: a long queue that moves is no
// harm.
//
// While more arrives than can be served, what can be chosen is whom to serve: phones with a nonce
// before those that ask for one, which cost two more requests each. A share of the new challenges
// is refused before the parse. It follows the age of what waits as PIE does (RFC 8033 section 4.2),
// so that this stays near a target: the server is never idle, and what it takes is served while the
// phone still waits for it.
//
// A refusal costs a fifth of a registration. Where too much would go into refusals, most of the
// share is for the kernel to drop unread.
//
// Pure: time and signs are arguments, all memory is the struct, zeroed at the start.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// How long datagrams shall wait, while there are too many, before they are read: well below the
// 500 ms after which phones send again.
#define OVERLOAD_TARGET_MS 100
// While a share is shed, what waited longer than this in a socket is dropped whatever it is: its
// phone has sent it again, and the copy waits behind it. A deep buffer before a slow server would
// else have all of it too old for the store (OVERLOAD_REFUSE_MS).
#define OVERLOAD_STALE_MS 1500
// Too much is also what waits this long for the store, if it is more than a stalled disk makes wait
// (service/shed.c), or a drop by the kernel.
#define OVERLOAD_STORE_MS 750
// Who sleeps for more than a fourth of the time is not overloaded, whatever the kernel drops: it
// also counts datagrams with a wrong checksum and those of a burst, and a few of these would have
// phones refused.
#define OVERLOAD_IDLE_PART 4
// The share is changed once in that time ...
#define OVERLOAD_STEP_MS 20
// ... and is so many of this; a few challenges are given however bad it is.
#define OVERLOAD_ALL       65536
#define OVERLOAD_SHED_MOST (OVERLOAD_ALL - OVERLOAD_ALL / 128)
// What begins it has to be seen in so many steps in a row: some pauses of the machine are none.
#define OVERLOAD_AFTER_STEPS 6
// Shedding for so long is what readiness, the log and the jitter call overload; it holds for a
// while after the last sign.
#define OVERLOAD_SAY_MS  500
#define OVERLOAD_HOLD_MS 2000
// When nothing comes back from the store for so long, nothing that needs it is taken.
#define OVERLOAD_REFUSE_MS 2000
// Expires granted while it lasts are shortened by up to this share, so that the storm does not come
// back.
#define OVERLOAD_JITTER_PERCENT 20
// Over UDP so many are told 503 for each that is taken, and in each step; others hear nothing and
// send again: a flood may not have all the time go into refusals.
#define OVERLOAD_ANSWERS_EACH   2
#define OVERLOAD_ANSWERS_A_STEP 32
#define OVERLOAD_ANSWERS_MOST   2048
// What is dropped unread is looked at once in that time; four times as often while it is too much.
// It begins where the reader is busy, more than so many over UDP are turned away in a second, and
// more than one for so many messages that are taken. It ends with the share, or where it was not
// half of that for a while.
#define OVERLOAD_UNREAD_STEP_MS 200
#define OVERLOAD_AWAY_A_SECOND  640
#define OVERLOAD_TAKEN_EACH     3
#define OVERLOAD_FEW_MS         1000
// So many of those that are read shall be refused, by which the share is felt; and some are read
// however many there are.
#define OVERLOAD_READ_REFUSED (OVERLOAD_ALL / 4)
#define OVERLOAD_UNREAD_MOST  (OVERLOAD_ALL - OVERLOAD_ALL / 32)
// Retry-After is spread over so many seconds; over more while a share is shed.
#define OVERLOAD_SPREAD_S      20
#define OVERLOAD_SPREAD_MOST_S 60

// What was seen since the last call.
struct overload_signs {
    int64_t queue_ms; // age of the oldest datagram when it was read
    int64_t store_ms; // for how long too many requests wait for the store
    uint32_t lost;    // datagrams that the kernel dropped for want of room
    uint32_t unread;  // those that it was told to drop
    int64_t idle_ms;  // for how long the reader slept, with nothing to do
};

struct overload {
    int32_t shed;                // of OVERLOAD_ALL new challenges, so many are not served:
    int32_t unread;              // so many shall not even be read,
    int32_t refuse;              // so many of OVERLOAD_ALL that are read then are refused
    uint32_t answers;            // refusals that may be said now
    uint32_t taken, away;        // since unread_ms; new challenges refused or unread over UDP
    int64_t idle_ms;             // since unread_ms the reader slept for so long,
    bool late;                   // or was late all the same
    int64_t unread_ms;           // when `unread` was looked at
    int64_t few_ms;              // since when few were turned away; 0: many were
    int32_t mean;                // of `shed` lately
    bool overloaded;             // as said to others
    int64_t queue_ms;            // the age in the last step
    int64_t step_ms;             // when this step began
    uint32_t signs;              // so many steps in a row had one
    int64_t shedding_ms;         // since when a share is shed; 0: none is
    int64_t until_ms;            // `overloaded` holds until then
    struct overload_signs worst; // of this step
};

// Once a batch, before its first message. now_ms is above 0.
void overload_update(struct overload *o, const struct overload_signs *signs, int64_t now_ms);

// Is the new challenge with this hash refused? The same for all retransmissions of a request, as
// long as the share of its kind does not grow (`refuse` of those that the kernel has sifted, which
// drops `unread` of them; `shed` of the others): who is served is served to the end.
static inline bool overload_sheds(const struct overload *o, uint64_t hash, bool sifted)
{
    return (int32_t)(hash % OVERLOAD_ALL) < (sifted ? o->refuse : o->shed);
}

// Over how many seconds those come back that are refused: the fewer are served, the longer.
static inline unsigned overload_spread_s(const struct overload *o)
{
    unsigned spread = OVERLOAD_SPREAD_S * OVERLOAD_ALL / (unsigned)(OVERLOAD_ALL - o->shed);
    return spread < OVERLOAD_SPREAD_MOST_S ? spread : OVERLOAD_SPREAD_MOST_S;
}

// A request was taken while a share is shed.
void overload_taken(struct overload *o);
// A new challenge over UDP was read and is refused.
void overload_away(struct overload *o);
// Likewise, before the parse. May that be said? Counts it where it may.
bool overload_refused(struct overload *o);
