// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define LIMIT_LOG_EVERY_MS 60000

static const struct limit_info table[] = {
#define LIMIT_ROW(id, name, def, answer, what) {name, def, answer, what},
    LIMITS(LIMIT_ROW)
#undef LIMIT_ROW
};

static _Atomic int64_t next_line_ms[LIMIT_COUNT];

const struct limit_info *limit_info(enum limit id)
{
    return &table[id];
}

void limit_reached(enum limit id, struct slice who)
{
    metric_add(METRIC_LIMIT_REACHED, (unsigned)id, 1);
    int64_t now = clock_now_ms();
    int64_t due = atomic_load_explicit(&next_line_ms[id], memory_order_relaxed);
    if (now < due ||
        !atomic_compare_exchange_strong(&next_line_ms[id], &due, now + LIMIT_LOG_EVERY_MS))
        return;
    log_event(LOG_WARNING, "limit_reached", table[id].what, {"limit", slice_str(table[id].name)},
              {"answer", slice_str(table[id].answer)}, {"who", who});
}
