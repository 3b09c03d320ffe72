// SPDX-License-Identifier: Apache-2.0
// One line of an import: from its text to an operation on the store, and from the operation's
// outcome to the line of the answer.
#pragma once

#include "api/text.h"
#include "api/user_body.h"
#include "store/store.h"

#define IMPORT_LINE_MEMORY 6144

struct import_line {
    uint64_t number;
    unsigned status; // 0: under way
    char detail[256];
    struct faults faults;
    struct store_op op;
    struct user_change change;
    struct arena arena;
    char memory[IMPORT_LINE_MEMORY];
};

// `reader`: where its domain is looked for. True: line->op is to be submitted. False: the line is
// not as it must be, and its status is set.
bool import_line_read(struct import_line *line, uint64_t number, struct slice text,
                      struct store_reader *reader);
// A line that cannot even be read.
void import_line_refuse(struct import_line *line, uint64_t number, unsigned status,
                        const char *detail);
// The op has come back: sets the status.
void import_line_done(struct import_line *line);
// Writes the line of the answer, without its end, and gives the line's memory back.
void import_line_result(struct import_line *line, struct text *out);
