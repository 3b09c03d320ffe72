// SPDX-License-Identifier: Apache-2.0
// What of the API outlives a request or runs beside it: the hub of events, and which imports and
// backups run. One object, made once there is a store; api.c owns it.
#pragma once

#include "api/request.h"

struct streams;

// Begins to watch the store. 0, or -1 when there is no memory or no thread.
int streams_start(const struct api_config *config, struct streams **out);
// The first step of an orderly end, any thread, does not wait: event streams end (each is woken and
// gives STREAM_END), imports stop taking lines in.
void streams_end(struct streams *s);
// After all requests are gone: stops watching, waits for what still runs, frees. NULL is fine.
void streams_free(struct streams *s);
