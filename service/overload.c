// SPDX-License-Identifier: Apache-2.0
#include "service/overload.h"

// What a millisecond above the target, and one more than in the last step, take away in a step of
// what is served: RFC 8033's alpha and beta at half of the load, twice.
#define ALPHA (OVERLOAD_ALL / 4 / 1000)
#define BETA  (OVERLOAD_ALL * 5 / 2 / 1000)
// What a step adds in which there was a sign that has no age: the share then goes up by this and
// down by what the age says, around the right one.
#define BLIND (OVERLOAD_ALL / 32)
// What a step gives back in which the reader had time to sleep.
#define IDLE (OVERLOAD_ALL / 16)
// Over so many steps the share is smoothed, before the kernel is told.
#define MEAN_STEPS 8
// Ages above are no more, and no step takes or gives more than a fourth: a pause of the machine
// makes all that waits old at once.
#define AGE_MOST_MS 500
#define STEP_MOST   (OVERLOAD_ALL / 4)
// Steps that are made up for after a pause: enough for a reader that slept to come to nothing.
#define STEPS_AT_ONCE 200

static int64_t at_most(int64_t a, int64_t most)
{
    return a < most ? a : most;
}

static int64_t at_least(int64_t a, int64_t least)
{
    return a > least ? a : least;
}

// In parts of what is still served: what a step does is the same whether twice or twenty times the
// capacity comes.
static void shed_more(struct overload *o, int64_t more)
{
    int64_t served = OVERLOAD_ALL - o->shed;
    served -= served * at_least(at_most(more, STEP_MOST), -STEP_MOST) / OVERLOAD_ALL;
    o->shed = (int32_t)at_most(OVERLOAD_ALL - at_most(served, OVERLOAD_ALL), OVERLOAD_SHED_MOST);
    o->mean = o->shed ? o->mean + (o->shed - o->mean) / MEAN_STEPS : 0;
}

static void step(struct overload *o, int64_t now_ms, int64_t steps)
{
    int64_t age = at_most(o->worst.queue_ms, AGE_MOST_MS);
    bool idle = o->worst.idle_ms * OVERLOAD_IDLE_PART > now_ms - o->step_ms;
    bool blind = (o->worst.lost && !idle) || o->worst.store_ms > OVERLOAD_STORE_MS;
    o->signs = blind || age > OVERLOAD_TARGET_MS ? o->signs + 1 : 0;
    // Once a share is shed there is no doubt to be waited out
    if (o->shed || o->signs >= OVERLOAD_AFTER_STEPS) {
        int64_t more = ALPHA * (age - OVERLOAD_TARGET_MS) + BETA * (age - o->queue_ms);
        if (blind)
            more = at_least(more, BLIND);
        else if (idle && age <= OVERLOAD_TARGET_MS)
            more = at_most(more, -IDLE);
        shed_more(o, more);
    }
    o->queue_ms = age;
    o->idle_ms += o->worst.idle_ms;
    o->late |= age > OVERLOAD_TARGET_MS;
    // In the others nothing was seen; but a sign without an age may be of any of them
    if (!blind)
        for (int64_t i = at_most(steps, STEPS_AT_ONCE); i > 1; i--)
            shed_more(o, idle ? -IDLE : -ALPHA * OVERLOAD_TARGET_MS);
    o->answers = (uint32_t)at_most(o->answers + OVERLOAD_ANSWERS_A_STEP, OVERLOAD_ANSWERS_MOST);
    o->worst = (struct overload_signs){0};
    o->step_ms = now_ms;
}

// Were as many turned away as is too much, or as this part of it?
static bool many_away(const struct overload *o, int64_t ms, unsigned part)
{
    int64_t away = (int64_t)o->away * part;
    return away * 1000 > OVERLOAD_AWAY_A_SECOND * ms && away > o->taken / OVERLOAD_TAKEN_EACH;
}

// What the kernel drops follows the share slowly, and not each small move of it, for each costs a
// program; what is refused of the rest makes up for it at once.
static void step_unread(struct overload *o, int64_t now_ms)
{
    int64_t ms = now_ms - o->unread_ms;
    bool busy = o->late || o->idle_ms * OVERLOAD_IDLE_PART <= ms;
    bool many = busy && many_away(o, ms, o->unread ? 2 : 1);
    if (many)
        o->few_ms = 0;
    else if (!o->few_ms)
        o->few_ms = now_ms;
    int64_t read = OVERLOAD_ALL;
    if (o->unread ? many || now_ms - o->few_ms < OVERLOAD_FEW_MS : many)
        read = (int64_t)(OVERLOAD_ALL - o->mean) * OVERLOAD_ALL /
               (OVERLOAD_ALL - OVERLOAD_READ_REFUSED);
    read = at_least(at_most(read, OVERLOAD_ALL), OVERLOAD_ALL - OVERLOAD_UNREAD_MOST);
    int64_t was = OVERLOAD_ALL - o->unread;
    if (read == OVERLOAD_ALL || read > was + was / 32 || read < was - was / 32)
        o->unread = (int32_t)(OVERLOAD_ALL - read);
    o->taken = o->away = 0;
    o->idle_ms = 0;
    o->late = false;
    o->unread_ms = now_ms;
}

void overload_update(struct overload *o, const struct overload_signs *signs, int64_t now_ms)
{
    struct overload_signs *worst = &o->worst;
    int64_t steps = (now_ms - o->step_ms) / OVERLOAD_STEP_MS;
    worst->idle_ms += signs->idle_ms; // until now; what else was seen came before it
    if (steps > 0)
        step(o, now_ms, steps);
    if (signs->queue_ms > worst->queue_ms)
        worst->queue_ms = signs->queue_ms;
    if (signs->store_ms > worst->store_ms)
        worst->store_ms = signs->store_ms;
    worst->lost += signs->lost;
    o->away += signs->unread;
    if (!o->shed)
        o->shedding_ms = 0;
    else if (!o->shedding_ms)
        o->shedding_ms = now_ms;
    if (o->shedding_ms && now_ms - o->shedding_ms >= OVERLOAD_SAY_MS)
        o->until_ms = now_ms + OVERLOAD_HOLD_MS;
    o->overloaded = now_ms < o->until_ms;
    // Who is dropped in excess of the share could be served, and is not there to be
    bool in_excess = o->unread > o->shed;
    if (now_ms - o->unread_ms >= OVERLOAD_UNREAD_STEP_MS / (in_excess ? 4 : 1))
        step_unread(o, now_ms);
    int64_t read = OVERLOAD_ALL - o->unread, served = OVERLOAD_ALL - o->shed;
    o->refuse = (int32_t)(OVERLOAD_ALL - at_most(served * OVERLOAD_ALL / read, OVERLOAD_ALL));
}

void overload_taken(struct overload *o)
{
    o->taken++;
    o->answers = (uint32_t)at_most(o->answers + OVERLOAD_ANSWERS_EACH, OVERLOAD_ANSWERS_MOST);
}

void overload_away(struct overload *o)
{
    o->away++;
}

bool overload_refused(struct overload *o)
{
    overload_away(o);
    if (!o->answers)
        return false;
    o->answers--;
    return true;
}
