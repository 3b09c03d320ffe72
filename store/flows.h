// SPDX-License-Identifier: Apache-2.0
// Which TCP connections of this process are open: by that a binding's flow token is known to be
// reachable or not (registrar.closed_flow: mark). Nothing of it is stored, so it is right after a
// crash too: tokens of another process are closed. Written by the SIP thread, read by any, no lock.
#pragma once

#include "store/binding.h"

#define FLOWS_MAX (1u << 20)

struct flows;

// For connections in slots 0..capacity-1 (at most FLOWS_MAX). NULL: no memory.
struct flows *flows_open(size_t capacity);
void flows_close(struct flows *f);
// Whether closed flows are marked at all; off at first.
void flows_set_marking(struct flows *f, bool on);

// The token of the connection in this slot and generation; never 0.
uint64_t flows_token(const struct flows *f, uint32_t slot, uint32_t generation);
void flows_opened(struct flows *f, uint64_t token);
void flows_closed(struct flows *f, uint64_t token);
bool flows_is_open(const struct flows *f, uint64_t token);

// Sets BINDING_UNREACHABLE on bindings whose flow is closed; nothing while marking is off. `f` may
// be NULL.
void flows_mark(const struct flows *f, struct binding_set *set);
// Grows with each connection that closes; 0 while marking is off, and for NULL.
uint64_t flows_version(const struct flows *f);
