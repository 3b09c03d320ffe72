// SPDX-License-Identifier: Apache-2.0
// Between the sources of the configuration (file, environment) and the table of keys.
#pragma once

#include "base/arena.h"
#include "service/config/config.h"

// One key that somebody gave, with its values as text.
struct config_entry {
    struct slice key; // "sip.listen"
    struct slice *values;
    size_t n;
    bool list; // a sequence, or a comma list
    int line;  // in the file; 0: from the environment
};

struct config_entries {
    struct config_entry *items;
    size_t n, cap;
};

// What problems are said to, and where.
struct config_reader {
    struct arena *arena;
    const char *path; // of the file
    config_problem_fn *say;
    void *arg;
    unsigned errors;
};

// "PATH:LINE: KEY: text" (or "environment: NAME: text"); counts errors.
void config_error(struct config_reader *r, const struct config_entry *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(struct config_reader *r, const struct config_entry *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// A new entry; NULL when memory is out (said).
struct config_entry *config_add(struct config_reader *r, struct config_entries *list);

// yaml.c: all keys of the file. False when it could not be read as YAML (said).
bool config_read_yaml(struct config_reader *r, struct slice text, struct config_entries *out);
// environment.c: all ROLLCALL_<SECTION>_<KEY>.
void config_read_environment(struct config_reader *r, struct config_entries *out);

// table.c
enum config_kind {
    KIND_COUNT,    // unsigned
    KIND_OPTIONAL, // unsigned, or "none" for 0
    KIND_SIZE,     // uint64_t: bytes, KiB, MiB, GiB
    KIND_OPTIONAL_SIZE,
    KIND_BOOL,
    KIND_WORD,  // one of `words`, as its index (bool or enum of size int)
    KIND_TEXT,  // struct slice
    KIND_TEXTS, // struct config_strings
    KIND_SIP_LISTEN,
    KIND_HTTP_LISTEN,
    KIND_NETWORKS,
    KIND_ALGORITHMS,
};

struct config_key {
    const char *name; // "sip.listen"
    enum config_kind kind;
    size_t offset, size;      // of the member of struct config
    const char *def;          // as in the environment; NULL for none
    uint64_t least, most;     // of numbers
    const char *const *words; // of KIND_WORD, NULL-terminated
    bool file, secret, reload;
    const char *help;
};

extern const struct config_key config_table[];
extern const size_t config_table_n;
const struct config_key *config_key_find(struct slice name);

// value.c: the entry's values into the member. Says what is wrong.
bool config_set(struct config_reader *r, struct config *c, const struct config_key *key,
                const struct config_entry *e);
