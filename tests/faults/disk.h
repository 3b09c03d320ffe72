// SPDX-License-Identifier: Apache-2.0
// A disk that remembers: while recording, every write to a store's data file and every sync of it
// is kept, in order, so that a test can make the images that a power cut may leave. The calls are
// interposed (the test's own pwrite(), fdatasync(), ... come before libc's for liblmdb too).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DISK_SECTOR 512

enum disk_kind {
    DISK_WRITE, // in the page cache: may be on the disk or not until the next sync
    DISK_SOLID, // written with O_DSYNC: on the disk when the call returns
    DISK_DONE,  // the solid write before it has returned
    DISK_SYNC,  // all writes before it are on the disk
    DISK_CUT    // ftruncate() to `offset`
};

struct disk_event {
    enum disk_kind kind;
    off_t offset;
    size_t n;
    unsigned char *bytes; // of writes
};

struct disk_log {
    struct disk_event *events;
    size_t n, cap;
};

// Records what happens to the file at `path` (which must exist) from now on. One at a time.
void disk_record(const char *path);
// How many events there are by now; any thread.
size_t disk_position(void);
// Stops; the log is the caller's to free with disk_free().
struct disk_log disk_stop(void);
void disk_free(struct disk_log *log);

// Syncs of the recorded file fail with EIO until set back.
void disk_fail_syncs(bool fail);
