// SPDX-License-Identifier: Apache-2.0
// The environment: ROLLCALL_<SECTION>_<KEY>, which wins over the file. Lists are comma-separated.
#include <stdlib.h>

#include "service/config/entry.h"

#define PREFIX "ROLLCALL_"

extern char **environ;

// "sip.max_message" -> "SIP_MAX_MESSAGE"
static bool names_key(struct slice variable, const char *key, bool file)
{
    size_t n = strlen(key);
    if (variable.n != n + (file ? 5 : 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = key[i] == '.' ? '_' : key[i];
        if (ascii_lower(variable.p[i]) != c || (variable.p[i] >= 'a' && variable.p[i] <= 'z'))
            return false;
    }
    return !file || slice_eq(slice_from(variable, n), SLICE("_FILE"));
}

static const struct config_key *key_of(struct slice variable, bool *file)
{
    for (size_t i = 0; i < config_table_n; i++) {
        const struct config_key *k = &config_table[i];
        *file = false;
        if (names_key(variable, k->name, false))
            return k;
        *file = true;
        if (k->file && names_key(variable, k->name, true))
            return k;
    }
    return NULL;
}

static bool contains(struct slice s, struct slice what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (slice_starts(slice_from(s, i), what))
            return true;
    return false;
}

static bool ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

// What Kubernetes puts into pods for a Service named rollcall or rollcall-sip: ROLLCALL_PORT,
// ROLLCALL_PORT_5060_UDP_ADDR, ROLLCALL_SIP_SERVICE_HOST, ... No key of ours looks so.
static bool from_kubernetes(struct slice variable)
{
    return slice_eq(variable, SLICE("PORT")) || slice_starts(variable, SLICE("PORT_")) ||
           slice_starts(variable, SLICE("SERVICE_")) || ends(variable, SLICE("_PORT")) ||
           contains(variable, SLICE("_PORT_")) || contains(variable, SLICE("_SERVICE_"));
}

static bool takes_list(const struct config_key *k)
{
    return k->kind == KIND_TEXTS || k->kind == KIND_SIP_LISTEN || k->kind == KIND_NETWORKS ||
           k->kind == KIND_ALGORITHMS;
}

static bool split(struct config_reader *r, struct config_entry *e, struct slice value)
{
    size_t commas = 1;
    for (size_t i = 0; i < value.n; i++)
        commas += value.p[i] == ',';
    e->list = true;
    e->values = arena_alloc(r->arena, commas * sizeof *e->values);
    if (!e->values)
        return false;
    while (value.n) {
        size_t n = slice_find(value, ',');
        e->values[e->n++] = slice_trim(slice_upto(value, n));
        value = slice_from(value, n + 1);
    }
    return true;
}

static void take(struct config_reader *r, struct slice variable, struct slice value,
                 struct config_entries *out)
{
    bool file;
    const struct config_key *k = key_of(variable, &file);
    if (!k) {
        if (!slice_eq(variable, SLICE("CONFIG")) && !from_kubernetes(variable)) {
            struct config_entry at = {
                .key = slice_of(variable.p - strlen(PREFIX), variable.n + strlen(PREFIX))};
            config_warning(r, &at, "no such setting");
        }
        return;
    }
    struct config_entry *e = config_add(r, out);
    if (!e)
        return;
    char *name = arena_alloc(r->arena, strlen(k->name) + 6);
    if (!name)
        return;
    struct buf b = buf_over(name, strlen(k->name) + 6);
    buf_put(&b, slice_str(k->name));
    if (file)
        BUF_LIT(&b, "_file");
    *e = (struct config_entry){.key = buf_slice(&b)};
    value = arena_copy(r->arena, value);
    if (takes_list(k) && !file) {
        split(r, e, value);
    } else {
        e->values = arena_alloc(r->arena, sizeof *e->values);
        if (e->values)
            e->values[e->n++] = value;
    }
}

void config_read_environment(struct config_reader *r, struct config_entries *out)
{
    for (char **at = environ; *at; at++) {
        struct slice text = slice_str(*at);
        if (!slice_starts(text, SLICE(PREFIX)))
            continue;
        text = slice_from(text, strlen(PREFIX));
        size_t equals = slice_find(text, '=');
        take(r, slice_upto(text, equals), slice_from(text, equals + 1), out);
    }
}
