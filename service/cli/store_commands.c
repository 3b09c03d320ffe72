// SPDX-License-Identifier: Apache-2.0
// Commands on the store. While `serve` holds it they ask the running process over the control
// socket; only when it is free do they open it themselves.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "service/cli/cli.h"
#include "service/cli/control.h"

#define FAULT     2
#define PIECE     65536
#define QUEUE_MAX 65536
#define BACKUP_S  3600

// Either a running process or the store itself.
struct access {
    struct config *config;
    struct control *control;
    struct store *store;
};

static void access_end(struct access *a)
{
    control_close(a->control);
    if (a->store)
        store_close(a->store);
    config_free(a->config);
}

static bool access_begin(struct access *a, const struct cli_options *o, bool inspect)
{
    char dir[512], path[560], why[512];
    *a = (struct access){.config = cli_config(o->config_path)};
    if (!a->config)
        return false;
    if (cli_store_dir(a->config, dir, sizeof dir)) {
        snprintf(path, sizeof path, "%s/control.sock", dir);
        a->control = control_open(path);
    }
    if (a->control)
        return true;
    struct store_config store = {.url = a->config->store.url,
                                 .map_size = a->config->store.map_size,
                                 .max_size = a->config->store.max_size,
                                 .changes_max = a->config->store.changes_max,
                                 .queue_max = QUEUE_MAX,
                                 .inspect = inspect,
                                 .now_ms = clock_now_ms()};
    if (store_open(&store, &a->store, why, sizeof why) == 0)
        return true;
    fprintf(stderr, "rollcall: %s\n", why);
    access_end(a);
    return false;
}

// The response's status; its body is what control_read() gives.
static unsigned ask(struct access *a, const char *method, const char *target)
{
    if (!control_request(a->control, method, target, NULL, NULL, false))
        return 0;
    return control_status(a->control);
}

static int say_broken(unsigned status)
{
    if (status)
        fprintf(stderr, "rollcall: the running service answered %u\n", status);
    else
        fprintf(stderr, "rollcall: the running service broke the connection off\n");
    return FAULT;
}

// The body to `fd`; false when it broke off or could not be written.
static bool copy_body(struct control *c, int fd)
{
    char piece[PIECE];
    ssize_t n;
    while ((n = control_read(c, piece, sizeof piece)) > 0) {
        struct slice rest = slice_of(piece, (size_t)n);
        while (rest.n) {
            ssize_t wrote = write(fd, rest.p, rest.n);
            if (wrote < 0)
                return false;
            rest = slice_from(rest, (size_t)wrote);
        }
    }
    return n == 0;
}

// ---- stats --------------------------------------------------------------------------------------

int command_stats(const struct cli_options *o, const struct cli_hooks *hooks)
{
    struct access a;
    int code = FAULT;
    if (!access_begin(&a, o, false))
        return FAULT;
    if (a.control) {
        unsigned status = ask(&a, "GET", "/v1/stats");
        code = status == 200 && copy_body(a.control, STDOUT_FILENO) ? 0 : say_broken(status);
    } else {
        static char text[1 << 20];
        struct buf b = buf_over(text, sizeof text);
        if (hooks->stats_json(a.store, &b) == 0 && fwrite(b.p, 1, b.n, stdout) == b.n)
            code = 0;
    }
    if (code == 0)
        code = printf("\n") < 0 || fflush(stdout) ? FAULT : 0;
    access_end(&a);
    return code;
}

// ---- backup -------------------------------------------------------------------------------------

static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int write_backup(struct access *a, int fd)
{
    if (a->store)
        return store_backup(a->store, fd) == STORE_OK ? 0 : FAULT;
    control_patience(a->control, BACKUP_S); // the copy is made whole before the first byte comes
    unsigned status = ask(a, "POST", "/v1/backup");
    return status == 200 && copy_body(a->control, fd) ? 0 : say_broken(status);
}

int command_backup(const struct cli_options *o, const struct cli_hooks *hooks)
{
    struct access a;
    char path[4096];
    int code = FAULT, fd = -1;
    (void)hooks;
    if (!access_begin(&a, o, false))
        return FAULT;
    snprintf(path, sizeof path, "%s/data.mdb", o->argument);
    if (mkdir(o->argument, 0700)) {
        fprintf(stderr, "rollcall: cannot make the folder %s: %s\n", o->argument, strerror(errno));
        goto out;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    code = fd < 0 ? FAULT : write_backup(&a, fd);
    if (code == 0 && (fsync(fd) || sync_folder(o->argument)))
        code = FAULT;
    if (code) {
        fprintf(stderr, "rollcall: the backup to %s failed: %s\n", o->argument, strerror(errno));
        unlink(path);
        rmdir(o->argument);
    }
out:
    if (fd >= 0)
        close(fd);
    access_end(&a);
    return code;
}

// ---- check --------------------------------------------------------------------------------------

static void say_fault(void *arg, const char *sentence)
{
    (void)arg;
    printf("%s\n", sentence);
}

// The running process prints a line a fault, then "faults N".
static int check_running(struct access *a)
{
    unsigned status = ask(a, "GET", "/control/check");
    char line[2048];
    size_t n = 0;
    long faults = -1;
    char piece[4096];
    ssize_t got;
    if (status != 200)
        return say_broken(status);
    while ((got = control_read(a->control, piece, sizeof piece)) > 0)
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] != '\n') {
                if (n + 1 < sizeof line)
                    line[n++] = piece[i];
                continue;
            }
            line[n] = '\0';
            n = 0;
            if (strncmp(line, "faults ", 7) == 0)
                faults = strtol(line + 7, NULL, 10);
            else
                printf("%s\n", line);
        }
    return got < 0 || faults < 0 ? FAULT : faults > 0;
}

int command_check(const struct cli_options *o, const struct cli_hooks *hooks)
{
    struct access a;
    (void)hooks;
    if (!access_begin(&a, o, true))
        return FAULT;
    int code;
    if (a.control) {
        code = check_running(&a);
    } else {
        long faults = store_check(a.store, say_fault, NULL);
        code = faults < 0 ? FAULT : faults > 0;
    }
    printf("%s\n", code == 0   ? "the store is whole"
                   : code == 1 ? "the store is damaged"
                               : "the store could not be checked");
    access_end(&a);
    return code;
}

// ---- import -------------------------------------------------------------------------------------

struct import {
    uint64_t lines, failed;
};

// {"line": 7, "status": 422, ...}: what is not 2xx is shown.
static void import_result(void *arg, struct slice line)
{
    struct import *i = arg;
    const char *at = memmem(line.p, line.n, "\"status\":", 9);
    struct slice rest = at ? slice_trim(slice_from(line, (size_t)(at + 9 - line.p))) : SLICE_NONE;
    i->lines++;
    if (rest.n && rest.p[0] == '2')
        return;
    i->failed++;
    printf("%.*s\n", SLICE_FMT(line));
}

static void progress(uint64_t done, uint64_t all)
{
    static const char bar[] = "########################################";
    if (!isatty(STDERR_FILENO))
        return;
    if (all) {
        int full = (int)(done * 40 / all);
        fprintf(stderr, "\r[%.*s%*s] %3d %%", full, bar, 40 - full, "", (int)(done * 100 / all));
    } else {
        fprintf(stderr, "\r%llu MiB", (unsigned long long)(done >> 20));
    }
}

static bool upload(struct control *c, FILE *in)
{
    char piece[PIECE];
    struct stat st;
    uint64_t done = 0, all = 0;
    size_t n;
    if (fstat(fileno(in), &st) == 0 && S_ISREG(st.st_mode))
        all = (uint64_t)st.st_size;
    if (!control_request(c, "POST", "/v1/users:import", NULL, "application/x-ndjson", true))
        return false;
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        if (!control_write(c, slice_of(piece, n)))
            return false;
        progress(done += n, all);
    }
    return !ferror(in) && control_end(c);
}

static int import_running(struct access *a, FILE *in, struct import *i)
{
    char *line = NULL, piece[PIECE];
    size_t n = 0, cap = 0;
    ssize_t got;
    bool sent = upload(a->control, in);
    unsigned status = control_status(a->control);
    if (!sent || status != 200)
        return say_broken(status);
    while ((got = control_read(a->control, piece, sizeof piece)) > 0) {
        if (n + (size_t)got > cap) {
            char *more = realloc(line, cap = (n + (size_t)got) * 2);
            if (!more)
                break;
            line = more;
        }
        memcpy(line + n, piece, (size_t)got);
        n += (size_t)got;
        size_t at = 0;
        for (char *end; (end = memchr(line + at, '\n', n - at)); at = (size_t)(end - line) + 1)
            import_result(i, slice_of(line + at, (size_t)(end - line) - at));
        memmove(line, line + at, n -= at);
    }
    free(line);
    return got == 0 ? 0 : FAULT;
}

int command_import(const struct cli_options *o, const struct cli_hooks *hooks)
{
    struct access a;
    struct import i = {0};
    int code = FAULT;
    FILE *in = strcmp(o->argument, "-") == 0 ? stdin : fopen(o->argument, "re");
    if (!in) {
        fprintf(stderr, "rollcall: cannot read %s: %s\n", o->argument, strerror(errno));
        return FAULT;
    }
    if (access_begin(&a, o, false)) {
        code = a.control ? import_running(&a, in, &i)
                         : hooks->import_offline(a.store, in, import_result, &i);
        if (code == 0) {
            fprintf(stderr, "%s%llu lines, %llu failed\n", isatty(STDERR_FILENO) ? "\n" : "",
                    (unsigned long long)i.lines, (unsigned long long)i.failed);
            code = i.failed > 0;
        } else {
            fprintf(stderr, "rollcall: the import broke off\n");
            code = FAULT;
        }
        access_end(&a);
    }
    if (in != stdin)
        fclose(in);
    return code;
}

// ---- healthcheck --------------------------------------------------------------------------------

int command_healthcheck(const struct cli_options *o, const struct cli_hooks *hooks)
{
    char dir[512], path[560];
    struct control *control = NULL;
    unsigned status = 0;
    (void)hooks;
    struct config *c = cli_config(o->config_path);
    if (!c)
        return 1;
    if (cli_store_dir(c, dir, sizeof dir)) {
        snprintf(path, sizeof path, "%s/control.sock", dir);
        control = control_open(path);
    }
    if (!control && c->api.listen.port)
        control = control_open_tcp(&c->api.listen);
    if (control && control_request(control, "GET", "/healthz", NULL, NULL, false))
        status = control_status(control);
    if (status != 200)
        fprintf(stderr, "rollcall: no healthy service answers\n");
    control_close(control);
    config_free(c);
    return status == 200 ? 0 : 1;
}
