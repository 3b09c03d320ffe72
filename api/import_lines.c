// SPDX-License-Identifier: Apache-2.0
#include "api/import_lines.h"

#include <stdlib.h>

int lines_init(struct lines *l)
{
    *l = (struct lines){.held = malloc(IMPORT_LINE_MAX)};
    return l->held ? 0 : -1;
}

void lines_free(struct lines *l)
{
    free(l->held);
    l->held = NULL;
}

static void hold(struct lines *l, struct slice part)
{
    if (l->skipping)
        return;
    if (part.n > IMPORT_LINE_MAX - l->n) {
        l->skipping = true;
        l->n = 0;
        return;
    }
    if (part.n)
        memcpy(l->held + l->n, part.p, part.n);
    l->n += part.n;
}

// A line has ended: what was held and this part of a piece.
static enum line_kind end_line(struct lines *l, struct slice part, struct slice *line)
{
    bool held = l->n || l->skipping;
    if (held)
        hold(l, part);
    bool too_long = l->skipping || (!held && part.n > IMPORT_LINE_MAX);
    *line = slice_trim(held ? slice_of(l->held, l->n) : part);
    l->n = 0;
    l->skipping = false;
    l->number++;
    if (too_long) {
        *line = SLICE_NONE;
        return LINE_TOO_LONG;
    }
    return line->n ? LINE_WHOLE : LINE_NONE;
}

enum line_kind lines_next(struct lines *l, struct slice *piece, struct slice *line)
{
    while (piece->n) {
        size_t end = slice_find(*piece, '\n');
        struct slice part = slice_upto(*piece, end);
        if (end == piece->n) {
            *piece = slice_from(*piece, end);
            hold(l, part);
            break;
        }
        *piece = slice_from(*piece, end + 1);
        enum line_kind kind = end_line(l, part, line);
        if (kind != LINE_NONE)
            return kind;
    }
    return LINE_NONE;
}

enum line_kind lines_last(struct lines *l, struct slice *line)
{
    if (l->n == 0 && !l->skipping)
        return LINE_NONE;
    return end_line(l, SLICE_NONE, line);
}
