// SPDX-License-Identifier: Apache-2.0
// NDJSON that arrives in pieces, as lines: numbered from 1, bounded, in fixed memory. A line ends
// at a LF; a CR before it belongs to the end; a line of nothing but blanks has a number and is
// otherwise passed over. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define IMPORT_LINE_MAX (128u << 10) // bytes of one line; an exported user always fits

enum line_kind {
    LINE_NONE, // the piece is used up
    LINE_WHOLE,
    LINE_TOO_LONG // its rest is passed over
};

struct lines {
    char *held; // the beginning of a line whose end is still to come
    size_t n;
    bool skipping;
    uint64_t number; // of the line that was given last
};

// 0, or -1 without memory.
int lines_init(struct lines *l);
void lines_free(struct lines *l);
// Takes the next line off the piece. `line` lives as long as the piece, and until the next call.
enum line_kind lines_next(struct lines *l, struct slice *piece, struct slice *line);
// After the last piece: the line that had no LF.
enum line_kind lines_last(struct lines *l, struct slice *line);
