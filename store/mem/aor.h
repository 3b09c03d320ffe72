// SPDX-License-Identifier: Apache-2.0
// The bindings of one AoR within a transaction of the memory backend.
#pragma once

#include "store/mem/mem.h"

enum store_status aor_op(struct tx *tx, struct store_op *op);
// Tells of all bindings of `o` that they have left: the expired ones as such, the others with
// `gone`. There is room for the changes.
void aor_tell_gone(struct tx *tx, struct object *o, enum binding_gone gone);
