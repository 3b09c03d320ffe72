// SPDX-License-Identifier: Apache-2.0
// What libosip2 is asked: whether it reads a value of an unusual shape as we do. Its structures and
// its memory stay in osip.c.
#pragma once

#include "service/sip/message.h"

// Once, before any thread: allocators, tracing off, tables. 0, or -1.
int osip_setup(void);
// True when libosip2 reads addr->text as a name-addr with the same scheme, user and host, or when
// the value is one of those that it is known to get wrong (docs/decisions.md), which our own parser
// decides.
bool osip_reads_addr(const struct sip_addr *addr, struct arena *arena);
