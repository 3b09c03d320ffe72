// SPDX-License-Identifier: Apache-2.0
// The import of the command line, on a store that no process serves.
#include "api/import.h"
#include "api/import_work.h"

#define WINDOW 2048 // two of the writer's batches: it has one while the next is read

struct offline {
    FILE *in;
    void (*result)(void *arg, struct slice line);
    void *arg;
};

static long read_file(void *arg, char *out, size_t cap)
{
    struct offline *o = arg;
    size_t n = fread(out, 1, cap, o->in);
    return n == 0 && ferror(o->in) ? -1 : (long)n;
}

static bool give_result(void *arg, struct slice line)
{
    struct offline *o = arg;
    o->result(o->arg, line);
    return true;
}

int api_import_offline(struct store *s, FILE *in, void (*result)(void *arg, struct slice line),
                       void *arg)
{
    struct offline o = {in, result, arg};
    const struct import_io io = {
        .store = s, .window = WINDOW, .read = read_file, .result = give_result, .arg = &o};
    return import_run(&io) == IMPORT_WHOLE ? 0 : -1;
}
