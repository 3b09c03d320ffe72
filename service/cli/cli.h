// SPDX-License-Identifier: Apache-2.0
// The command line: `rollcall COMMAND [ARGUMENT...]`. Exit codes: 0 well, 1 the answer is no, 2 a
// fault or wrong usage, 70 damage (serve).
#pragma once

#include <stdio.h>

#include "service/config/config.h"
#include "store/store.h"

// What the commands need of parts that service/ does not know; main.c fills it.
struct cli_hooks {
    int (*serve)(const char *config_path);
    // Import of NDJSON read from `in` into an open store: `result` gets each result line (NDJSON,
    // without its newline) in order. 0, or -1 on a fault.
    int (*import_offline)(struct store *s, FILE *in, void (*result)(void *arg, struct slice line),
                          void *arg);
    // The JSON of /v1/stats.
    int (*stats_json)(struct store *s, struct buf *out);
};

int cli_main(int argc, char **argv, const struct cli_hooks *hooks);

// ---- Between the files of the command line ------------------------------------------------------

// Options that every command has.
struct cli_options {
    const char *config_path;
    const char *argument; // FILE or DEST
};

// Loads the configuration with its problems on stderr; NULL when it has errors.
struct config *cli_config(const char *path);
// The store's folder, NULL where the URL names none.
const char *cli_store_dir(const struct config *c, char *out, size_t size);

int command_check_config(const struct cli_options *o, const struct cli_hooks *hooks);
int command_import(const struct cli_options *o, const struct cli_hooks *hooks);
int command_backup(const struct cli_options *o, const struct cli_hooks *hooks);
int command_stats(const struct cli_options *o, const struct cli_hooks *hooks);
int command_check(const struct cli_options *o, const struct cli_hooks *hooks);
int command_healthcheck(const struct cli_options *o, const struct cli_hooks *hooks);
