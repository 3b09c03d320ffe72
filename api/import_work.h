// SPDX-License-Identifier: Apache-2.0
// The import itself, on a thread that may block: bytes in, results out in the order of the lines,
// and between them a bounded number of lines under way to the store. Knows nothing of HTTP.
#pragma once

#include "store/store.h"

struct import_io {
    struct store *store;
    unsigned window; // lines under way at most
    // Up to `cap` bytes, blocking: how many; 0 at the end; -1 where it broke off.
    long (*read)(void *arg, char *out, size_t cap);
    // A line of the answer without its end. False: it cannot be kept, and the import ends.
    bool (*result)(void *arg, struct slice line);
    void *arg;
};

enum import_end {
    IMPORT_WHOLE,  // every line has its result
    IMPORT_BROKEN, // read() broke off; the whole lines before that have been carried out
    IMPORT_RESULTS_LOST,
    IMPORT_NOMEM
};

// On every end all that was submitted has been committed or refused.
enum import_end import_run(const struct import_io *io);
