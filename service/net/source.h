// SPDX-License-Identifier: Apache-2.0
// What an epoll event is about: a kind and a number in epoll_data.u64.
#pragma once

#include <stdint.h>

enum source_kind { SOURCE_UDP = 1, SOURCE_TCP_LISTENER, SOURCE_TCP_CONNECTION, SOURCE_WAKE };

static inline uint64_t source_make(enum source_kind kind, uint64_t number)
{
    return (uint64_t)kind << 56 | number;
}

static inline enum source_kind source_kind(uint64_t data)
{
    return (enum source_kind)(data >> 56);
}

static inline uint64_t source_number(uint64_t data)
{
    return data & 0x00ffffffffffffffULL;
}
