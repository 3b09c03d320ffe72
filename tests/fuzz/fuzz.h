// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share. HOLD ends the run with the line where something did not hold.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

#define HOLD(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The input is a sequence of choices; 0 when there are no more.
struct choices {
    const uint8_t *p, *end;
};

static inline unsigned choose(struct choices *c, unsigned below)
{
    return c->p == c->end ? 0 : *c->p++ % below;
}

static inline struct slice input(const uint8_t *data, size_t size)
{
    return slice_of((const char *)data, size);
}
