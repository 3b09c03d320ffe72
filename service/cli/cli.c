// SPDX-License-Identifier: Apache-2.0
#include "service/cli/cli.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"

struct command {
    const char *name, *argument; // NULL: takes none
    int (*run)(const struct cli_options *o, const struct cli_hooks *hooks);
    const char *summary, *help;
};

static int command_serve(const struct cli_options *o, const struct cli_hooks *hooks)
{
    return hooks->serve(o->config_path);
}

static const struct command commands[] = {
    {"serve", NULL, command_serve, "run the service in the foreground",
     "Runs the service until SIGTERM or SIGINT: no new work is taken, what is queued is committed "
     "and\n"
     "answered, then it exits 0. SIGHUP reads the configuration again. Logs go to stderr, a line "
     "an\n"
     "event. Exits 1 when it cannot start, 70 after damage in the store or a failed sync.\n"},
    {"check-config", NULL, command_check_config, "print every problem of the configuration",
     "Prints every problem with its file, line and key. Exits 0 when there is none, else 1.\n"},
    {"import", "FILE", command_import, "create, change and delete users from NDJSON",
     "A line a user: the object of the API with \"domain\" and \"username\"; \"op\": \"delete\" "
     "deletes.\n"
     "FILE may be - for standard input. Lines that did not hold are printed with the reason.\n"
     "Exits 0 when every line held, 1 when some did not, 2 on a fault.\n"},
    {"backup", "DEST", command_backup, "write a consistent copy of the store",
     "DEST must not exist and becomes a folder that store.url can name (lmdb:DEST).\n"
     "Exits 0, or 2 on a fault.\n"},
    {"stats", NULL, command_stats, "print counts of users and bindings as JSON",
     "Prints the JSON of /v1/stats. Exits 0, or 2 on a fault.\n"},
    {"check", NULL, command_check, "verify the store",
     "Reads the whole store and verifies checksums, order and counters; prints each fault.\n"
     "Exits 0 when it is whole, 1 when it is damaged, 2 when it could not be read.\n"},
    {"healthcheck", NULL, command_healthcheck, "ask the running service whether it is well",
     "Exits 0 when the service with this configuration answers, else 1.\n"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *out)
{
    fprintf(out, "usage: rollcall COMMAND [--config FILE] [ARGUMENT]\n\n"
                 "A SIP registrar that is managed over REST.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-13s %-5s %s\n", commands[i].name,
                commands[i].argument ? commands[i].argument : "", commands[i].summary);
    fprintf(out,
            "\n  --config FILE         else $ROLLCALL_CONFIG, else /etc/rollcall/rollcall.yaml\n"
            "  --help                of each command too\n"
            "  --version\n"
            "  --limits              every limit, as a table\n"
            "  --config-reference    every key of the configuration, as a table\n");
}

static void print_limits(void)
{
    printf("| limit | default | answer when it is reached | what it bounds |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        const struct limit_info *l = limit_info(i);
        printf("| `%s` | %s | %s | %s |\n", l->name, l->def, l->answer, l->what);
    }
}

static int wrong_usage(const struct command *c, const char *what, const char *which)
{
    fprintf(stderr, "rollcall: %s%s%s\n", what, which ? ": " : "", which ? which : "");
    fprintf(stderr, "try: rollcall %s%s--help\n", c ? c->name : "", c ? " " : "");
    return 2;
}

static int run(const struct command *c, int argc, char **argv, const struct cli_hooks *hooks)
{
    struct cli_options o = {0};
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        bool option = !only_arguments && a[0] == '-' && a[1];
        if (option && strcmp(a, "--") == 0) {
            only_arguments = true;
        } else if (option && (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)) {
            printf("usage: rollcall %s [--config FILE]%s%s\n\n%s", c->name, c->argument ? " " : "",
                   c->argument ? c->argument : "", c->help);
            return 0;
        } else if (option && strcmp(a, "--config") == 0) {
            if (++i == argc)
                return wrong_usage(c, "--config needs a file", NULL);
            o.config_path = argv[i];
        } else if (option && strncmp(a, "--config=", 9) == 0) {
            o.config_path = a + 9;
        } else if (option) {
            return wrong_usage(c, "no such option", a);
        } else if (!c->argument || o.argument) {
            return wrong_usage(c, "too many arguments", a);
        } else {
            o.argument = a;
        }
    }
    if (c->argument && !o.argument)
        return wrong_usage(c, "needs an argument", c->argument);
    return c->run(&o, hooks);
}

int cli_main(int argc, char **argv, const struct cli_hooks *hooks)
{
    clock_start();
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0)
        return print_help(stdout), 0;
    if (strcmp(first, "--version") == 0)
        return printf("rollcall %s\n", ROLLCALL_VERSION) < 0;
    if (strcmp(first, "--limits") == 0)
        return print_limits(), 0;
    if (strcmp(first, "--config-reference") == 0)
        return config_print_reference(), 0;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(first, commands[i].name) == 0)
            return run(&commands[i], argc - 2, argv + 2, hooks);
    return wrong_usage(NULL, "no such command", first);
}

static void say_problem(void *arg, bool error, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", error ? "error" : "warning", sentence);
}

struct config *cli_config(const char *path)
{
    return config_load(path, say_problem, NULL, NULL);
}

const char *cli_store_dir(const struct config *c, char *out, size_t size)
{
    struct slice scheme = SLICE("lmdb:");
    if (!slice_starts(c->store.url, scheme))
        return NULL;
    snprintf(out, size, "%.*s", SLICE_FMT(slice_from(c->store.url, scheme.n)));
    return out;
}

int command_check_config(const struct cli_options *o, const struct cli_hooks *hooks)
{
    const char *source;
    (void)hooks;
    struct config *c = config_load(o->config_path, say_problem, NULL, &source);
    if (!c)
        return 1;
    printf("OK: %s\n", source);
    config_free(c);
    return 0;
}
