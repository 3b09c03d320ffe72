// SPDX-License-Identifier: Apache-2.0
// Time, in the two senses that matter (design brief, "Time").
//
// clock_now_ms(): wall-clock milliseconds since 1970, taken once at start and then carried on by
// the boot-time clock, so that a step of the wall clock expires nothing early and prolongs nothing.
// clock_mono_us(): for measuring only. Nothing below the event loops asks the time: it is passed
// in.
#pragma once

#include <stdint.h>

// Call once, before any thread. Idempotent.
void clock_start(void);
int64_t clock_now_ms(void);
int64_t clock_mono_us(void);
// clock_now_ms() at the start of the process.
int64_t clock_started_ms(void);
// How far the machine's wall clock has moved against ours, in ms; >0 when it runs ahead.
int64_t clock_step_ms(void);
