// SPDX-License-Identifier: Apache-2.0
// What the command line asks of the API's code when no process serves the store: the import of
// NDJSON and the JSON of /v1/stats, on a store that the caller has opened.
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "store/store.h"

// Import of NDJSON read from `in`, as POST /v1/users:import does it: `result` gets each result line
// (without its newline) in order. 0, or -1 on a fault (reading, memory); what was committed stays.
int api_import_offline(struct store *s, FILE *in, void (*result)(void *arg, struct slice line),
                       void *arg);
// The JSON of /v1/stats. 0, or -1 when it does not fit or the store cannot be read.
int api_stats_json(struct store *s, struct buf *out);
