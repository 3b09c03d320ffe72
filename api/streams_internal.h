// SPDX-License-Identifier: Apache-2.0
// What the files that stream share of streams.h's object.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "api/hub.h"
#include "api/streams.h"

#define IMPORTS_MAX 2 // at once

struct streams {
    struct hub *hub;
    _Atomic bool ending;
    _Atomic bool backup_runs;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned imports; // that run, under the lock
    pthread_mutex_t desk;
    struct store_reader *reader; // under it
};

// Takes one of the places for an import; false when all are taken or the end has begun.
bool streams_import_begin(struct streams *s);
void streams_import_end(struct streams *s);
// A snapshot for one call of a body that goes on from call to call; NULL where there is none now.
struct store_reader *streams_snapshot(struct streams *s);
void streams_snapshot_end(struct streams *s);
// A file without a name in `dir` (NULL: /tmp); -1 where there is no room for one.
int streams_file(const char *dir);
