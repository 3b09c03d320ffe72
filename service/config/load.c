// SPDX-License-Identifier: Apache-2.0
// From file and environment to a checked configuration, with every problem said.
#include "service/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "service/config/entry.h"
#include "store/credential.h"

#define DEFAULT_PATH "/etc/rollcall/rollcall.yaml"
#define FILE_MOST    (1024 * 1024)
#define MEMORY_MOST  (16 * 1024 * 1024)

// The configuration and the arena that its texts live in.
struct loaded {
    struct config config;
    struct arena arena;
};

static void say(struct config_reader *r, const struct config_entry *e, bool error, const char *what)
{
    char sentence[1024];
    struct buf b = buf_over(sentence, sizeof sentence - 1);
    if (e && !e->line)
        BUF_LIT(&b, "environment: ");
    else if (r->path)
        buf_printf(&b, "%s:", r->path);
    if (e && e->line)
        buf_printf(&b, "%d: ", e->line);
    else if (!e)
        BUF_LIT(&b, " ");
    if (e && e->key.n)
        buf_printf(&b, "%.*s: ", SLICE_FMT(e->key));
    buf_put(&b, slice_upto(slice_str(what), b.cap - b.n));
    sentence[b.n] = '\0';
    r->errors += error;
    r->say(r->arg, error, sentence);
}

void config_error(struct config_reader *r, const struct config_entry *e, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    say(r, e, true, what);
}

void config_warning(struct config_reader *r, const struct config_entry *e, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    say(r, e, false, what);
}

struct config_entry *config_add(struct config_reader *r, struct config_entries *list)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct config_entry *more = realloc(list->items, cap * sizeof *more);
        if (!more) {
            config_error(r, NULL, "not enough memory");
            return NULL;
        }
        list->items = more;
        list->cap = cap;
    }
    list->items[list->n] = (struct config_entry){0};
    return &list->items[list->n++];
}

// ---- Files --------------------------------------------------------------------------------------

// A whole small file into the arena; NULL slice with errno when it cannot be read.
static struct slice read_file(struct arena *arena, const char *path)
{
    struct slice text = SLICE_NONE;
    FILE *f = fopen(path, "re");
    if (!f)
        return SLICE_NONE;
    char *p = malloc(FILE_MOST);
    size_t n = p ? fread(p, 1, FILE_MOST, f) : 0;
    if (!p || ferror(f) || n == FILE_MOST)
        errno = !p ? ENOMEM : n == FILE_MOST ? EFBIG : EIO;
    else
        text = arena_copy(arena, slice_of(p, n));
    if (p)
        secret_wipe(p, n);
    free(p);
    fclose(f);
    return text;
}

static struct slice without_newline(struct slice s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

// The `_file` form: the named file's text is the value; of a list, a line each.
static bool follow_file(struct config_reader *r, const struct config_key *key,
                        struct config_entry *e)
{
    if (e->n != 1 || e->values[0].n == 0) {
        config_error(r, e, "takes the name of one file");
        return false;
    }
    struct slice text = read_file(r->arena, e->values[0].p);
    if (!text.p) {
        config_error(r, e, "cannot read %s: %s", e->values[0].p, strerror(errno));
        return false;
    }
    if (key->kind != KIND_TEXTS) {
        e->values[0] = without_newline(text);
        if (e->values[0].n == 0)
            config_error(r, e, "%s is empty", "the file");
        return e->values[0].n > 0;
    }
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    e->values = arena_alloc(r->arena, lines * sizeof *e->values);
    e->n = 0;
    for (; e->values && text.n; text = slice_from(text, slice_find(text, '\n') + 1)) {
        struct slice line = without_newline(slice_upto(text, slice_find(text, '\n')));
        if (line.n)
            e->values[e->n++] = line;
    }
    return true;
}

// ---- Putting it together ------------------------------------------------------------------------

static void set_defaults(struct config_reader *r, struct config *c)
{
    for (size_t i = 0; i < config_table_n; i++) {
        const struct config_key *k = &config_table[i];
        struct slice values[32], rest = slice_str(k->def);
        struct config_entry e = {.key = slice_str(k->name), .values = values};
        if (!k->def)
            continue;
        while (rest.n && e.n < 32) {
            size_t n = slice_find(rest, ',');
            values[e.n++] = slice_upto(rest, n);
            rest = slice_from(rest, n + 1);
        }
        config_set(r, c, k, &e);
    }
}

// "api.admin_token_file" -> the key, and that it is the file form.
static const struct config_key *find_key(struct slice name, bool *file)
{
    const struct config_key *key = config_key_find(name);
    *file = false;
    if (key || name.n < 5 || !slice_eq(slice_from(name, name.n - 5), SLICE("_file")))
        return key;
    *file = true;
    key = config_key_find(slice_upto(name, name.n - 5));
    return key && key->file ? key : NULL;
}

static void apply(struct config_reader *r, struct config *c, struct config_entries *entries)
{
    // The other form of a key (text or file) is given by the same source: which one holds?
    const struct config_entry *by_key[128] = {0};
    for (size_t i = 0; i < entries->n; i++) {
        struct config_entry *e = &entries->items[i];
        bool file;
        const struct config_key *key = find_key(e->key, &file);
        if (!key) {
            config_error(r, e, "no such key");
            continue;
        }
        const struct config_entry **seen = &by_key[key - config_table];
        if (*seen) {
            config_error(r, e, "stands beside %.*s: only one of them can hold",
                         SLICE_FMT((*seen)->key));
            continue;
        }
        *seen = e;
        bool unset = e->n == 0 && e->list && key->kind != KIND_TEXTS && key->kind != KIND_NETWORKS;
        if (unset && e->line)
            continue; // "key:" with nothing behind it: the default holds
        if (!file || follow_file(r, key, e))
            config_set(r, c, key, e);
    }
}

static bool is_loopback(const struct address *a)
{
    struct network four, six;
    network_parse(SLICE("127.0.0.0/8"), &four);
    network_parse(SLICE("::1"), &six);
    return network_contains(&four, a) || network_contains(&six, a);
}

static void need_order(struct config_reader *r, const char *low, unsigned a, const char *high,
                       unsigned b)
{
    if (a > b)
        config_error(r, NULL, "%s (%u) is more than %s (%u)", low, a, high, b);
}

// What each key allows for itself, but not together.
static void check_together(struct config_reader *r, const struct config *c)
{
    need_order(r, "registrar.min_expires", c->registrar.min_expires, "registrar.default_expires",
               c->registrar.default_expires);
    need_order(r, "registrar.default_expires", c->registrar.default_expires,
               "registrar.max_expires", c->registrar.max_expires);
    need_order(r, "sip.max_connections_per_source", c->sip.max_connections_per_source, "65535",
               65535);
    if (c->registrar.nat_max_expires)
        need_order(r, "registrar.min_expires", c->registrar.min_expires,
                   "registrar.nat_max_expires", c->registrar.nat_max_expires);
    if (!c->api.admin_token.n && !c->api.read_token.n && !is_loopback(&c->api.listen))
        config_error(r, NULL,
                     "api.listen is not a loopback address, and there is no api.admin_token or "
                     "api.read_token: everybody could use the API");
    if (c->api.admin_token.n > CONFIG_TOKENS_MAX || c->api.read_token.n > CONFIG_TOKENS_MAX)
        config_error(r, NULL, "more than %d tokens of one kind", CONFIG_TOKENS_MAX);
    if (c->api.cors_origins.n > CONFIG_ORIGINS_MAX)
        config_error(r, NULL, "more than %d api.cors_origins", CONFIG_ORIGINS_MAX);
    for (size_t i = 0; i < c->registrar.domains.n; i++) {
        char scratch[DOMAIN_NAME_MAX];
        if (domain_key(c->registrar.domains.items[i], scratch).n == 0)
            config_error(r, NULL, "registrar.domains: '%.*s' is no domain name",
                         SLICE_FMT(c->registrar.domains.items[i]));
    }
    if (c->registrar.default_domain.n > DOMAIN_NAME_MAX)
        config_error(r, NULL, "registrar.default_domain is longer than %d bytes", DOMAIN_NAME_MAX);
    if (c->store.max_size && c->store.max_size > c->store.map_size)
        config_error(r, NULL, "store.max_size is more than store.map_size");
}

static const char *find_path(const char *path)
{
    struct stat st;
    if (path)
        return path;
    path = getenv("ROLLCALL_CONFIG");
    if (path && *path)
        return path;
    return stat(DEFAULT_PATH, &st) == 0 ? DEFAULT_PATH : NULL;
}

struct config *config_load(const char *path, config_problem_fn *say_fn, void *arg,
                           const char **source)
{
    struct loaded *l = calloc(1, sizeof *l);
    struct config_reader r = {.path = find_path(path), .say = say_fn, .arg = arg};
    struct config_entries file = {0}, environment = {0};
    if (source)
        *source = r.path ? r.path : "the environment and defaults";
    if (!l) {
        config_error(&r, NULL, "not enough memory");
        return NULL;
    }
    arena_init(&l->arena, NULL, 0, MEMORY_MOST);
    r.arena = &l->arena;
    set_defaults(&r, &l->config);
    if (r.path) {
        struct slice text = read_file(r.arena, r.path);
        if (!text.p)
            config_error(&r, NULL, "cannot be read: %s", strerror(errno));
        else if (config_read_yaml(&r, text, &file))
            apply(&r, &l->config, &file);
    }
    config_read_environment(&r, &environment);
    apply(&r, &l->config, &environment);
    check_together(&r, &l->config);
    free(file.items);
    free(environment.items);
    if (r.errors) {
        config_free(&l->config);
        return NULL;
    }
    return &l->config;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    struct loaded *l = (struct loaded *)c;
    for (size_t i = 0; i < c->api.admin_token.n; i++)
        secret_wipe((void *)(uintptr_t)c->api.admin_token.items[i].p,
                    c->api.admin_token.items[i].n);
    for (size_t i = 0; i < c->api.read_token.n; i++)
        secret_wipe((void *)(uintptr_t)c->api.read_token.items[i].p, c->api.read_token.items[i].n);
    if (c->auth.secret.n)
        secret_wipe((void *)(uintptr_t)c->auth.secret.p, c->auth.secret.n);
    arena_reset(&l->arena);
    free(l);
}

// ---- Taking over --------------------------------------------------------------------------------

static bool texts_equal(const struct config_strings *a, const struct config_strings *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!slice_eq(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool same_value(const struct config_key *key, const void *a, const void *b)
{
    const struct slice *s = a, *t = b;
    if (key->kind == KIND_TEXTS)
        return texts_equal(a, b);
    if (key->kind == KIND_TEXT)
        return slice_eq(*s, *t);
    return memcmp(a, b, key->size) == 0;
}

void config_compare(const struct config *running, const struct config *loaded,
                    void (*say_key)(void *arg, const char *key), void *arg)
{
    for (size_t i = 0; i < config_table_n; i++) {
        const struct config_key *k = &config_table[i];
        if (!k->reload &&
            !same_value(k, (const char *)running + k->offset, (const char *)loaded + k->offset))
            say_key(arg, k->name);
    }
}

void config_sip_settings(const struct config *c, struct sip_settings *out)
{
    memset(out, 0, sizeof *out);
    out->registrar = (struct reg_policy){.min_expires = c->registrar.min_expires,
                                         .default_expires = c->registrar.default_expires,
                                         .max_expires = c->registrar.max_expires,
                                         .max_bindings = c->registrar.max_bindings,
                                         .expires_jitter_percent = c->registrar.expires_jitter,
                                         .nat_max_expires = c->registrar.nat_max_expires,
                                         .flow_timer = c->registrar.flow_timer,
                                         .cseq_restart = c->registrar.cseq_restart};
    memcpy(out->algorithms, c->auth.algorithms, sizeof out->algorithms);
    out->n_algorithms = c->auth.n_algorithms;
    out->require_qop = c->auth.require_qop;
    out->rspauth = c->auth.rspauth;
    out->redirect_route = c->registrar.redirect_route;
    out->closed_flow_mark = c->registrar.closed_flow_mark;
    out->redirect_from = c->registrar.redirect_from;
    out->exempt = c->abuse.exempt;
    out->abuse_requests = c->abuse.requests;
    out->abuse_failures = c->abuse.failures;
    out->abuse_ban_s = c->abuse.ban;
    domain_key(c->registrar.default_domain, out->default_domain);
}
