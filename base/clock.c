// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

static int64_t started_ms;
static int64_t offset_ms; // wall clock minus boot-time clock, at start

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_start(void)
{
    if (started_ms)
        return;
    started_ms = read_ms(CLOCK_REALTIME);
    offset_ms = started_ms - read_ms(CLOCK_BOOTTIME);
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_BOOTTIME) + offset_ms;
}

int64_t clock_mono_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_started_ms(void)
{
    return started_ms;
}

int64_t clock_step_ms(void)
{
    return read_ms(CLOCK_REALTIME) - clock_now_ms();
}
