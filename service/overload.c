// SPDX-License-Identifier: Apache-2.0
#include "service/overload.h"

// What a millisecond above the target, and one more than in the last step, add to the share in a
// step: RFC 8033's alpha and beta.
#define ALPHA (OVERLOAD_ALL / 8 / 1000)
#define BETA  (OVERLOAD_ALL * 5 / 4 / 1000)
// What a step adds in which there was a sign that has no age: the share then goes up and down by
// this much around the right one.
#define BLIND (OVERLOAD_ALL / 64)
// Ages above are no more: a share goes from nothing to all in a second at the least.
#define AGE_MOST_MS 500
// Steps that are made up for after a pause: enough to come from the most to nothing.
#define STEPS_AT_ONCE 200

static int64_t at_most(int64_t a, int64_t most)
{
    return a < most ? a : most;
}

static void shed_more(struct overload *o, int64_t more)
{
    int64_t shed = o->shed + more;
    o->shed = (int32_t)(shed < 0 ? 0 : at_most(shed, OVERLOAD_SHED_MOST));
}

static void step(struct overload *o, int64_t now_ms, int64_t steps)
{
    int64_t age = at_most(o->worst.queue_ms, AGE_MOST_MS);
    bool idle = o->worst.idle_ms * OVERLOAD_IDLE_PART > now_ms - o->step_ms;
    bool blind = (o->worst.lost && !idle) || o->worst.store_ms > OVERLOAD_STORE_MS;
    if (!blind && age <= OVERLOAD_TARGET_MS)
        o->signs_ms = 0;
    else if (!o->signs_ms)
        o->signs_ms = now_ms;
    // Once a share is shed there is no doubt to be waited out
    if (o->shed || (o->signs_ms && now_ms - o->signs_ms >= OVERLOAD_AFTER_MS)) {
        int64_t more = ALPHA * (age - OVERLOAD_TARGET_MS) + BETA * (age - o->queue_ms);
        shed_more(o, blind && more < BLIND ? BLIND : more);
    }
    o->queue_ms = age;
    // In the others nothing was seen
    if (steps > 1)
        shed_more(o, -ALPHA * OVERLOAD_TARGET_MS * at_most(steps - 1, STEPS_AT_ONCE));
    o->answers = (uint32_t)at_most(o->answers + OVERLOAD_ANSWERS_A_STEP, OVERLOAD_ANSWERS_MOST);
    o->worst = (struct overload_signs){0};
    o->step_ms = now_ms;
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
    if (!o->shed)
        o->shedding_ms = 0;
    else if (!o->shedding_ms)
        o->shedding_ms = now_ms;
    if (o->shedding_ms && now_ms - o->shedding_ms >= OVERLOAD_SAY_MS)
        o->until_ms = now_ms + OVERLOAD_HOLD_MS;
    o->overloaded = now_ms < o->until_ms;
}

void overload_taken(struct overload *o)
{
    o->answers = (uint32_t)at_most(o->answers + OVERLOAD_ANSWERS_EACH, OVERLOAD_ANSWERS_MOST);
}

bool overload_may_answer(struct overload *o)
{
    if (!o->answers)
        return false;
    o->answers--;
    return true;
}
