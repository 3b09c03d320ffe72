// SPDX-License-Identifier: Apache-2.0
// The composition root: configuration -> API (waiting) -> store -> SIP thread -> API -> signals ->
// an orderly end. The only file that knows both service/ and api/.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "api/import.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "service/cli/cli.h"
#include "service/net/notify.h"
#include "service/seccomp.h"
#include "service/sip/message.h"
#include "service/worker.h"
#include "store/flows.h"
#include "store/credential.h"

#define EXIT_START     1
#define QUEUE_MAX      65536
#define ATTEMPTS_BYTES (32 * 1024 * 1024)

// The process's one context.
struct process {
    const char *config_path;
    struct config *config;
    struct store *store;
    struct attempts *attempts;
    struct bans *bans;
    struct flows *flows;
    struct worker *worker;
    struct api *api;
    struct sip_settings settings;
    struct api_config api_config;
    char store_dir[512], control_path[600];
    sigset_t signals;
    const char *_Atomic not_ready; // NULL when ready
    bool stop;                     // asked to end while starting
};

static void log_problem(void *arg, bool error, const char *sentence)
{
    (void)arg;
    log_event(error ? LOG_ERROR : LOG_WARNING, error ? "config_error" : "config_warning", sentence);
}

static void fail(const char *event, const char *why)
{
    log_event(LOG_ERROR, event, why);
}

// ---- Signals ------------------------------------------------------------------------------------

static const char *not_ready(void *arg)
{
    struct process *p = arg;
    const char *why = atomic_load(&p->not_ready);
    if (why)
        return why;
    if (!store_writable(p->store))
        return "the store takes no writes now";
    return worker_overloaded(p->worker) ? "overloaded" : NULL;
}

// While the store's lock is waited for: SIGTERM ends the wait.
static bool cancelled(void *arg)
{
    struct process *p = arg;
    struct timespec none = {0};
    int signal = sigtimedwait(&p->signals, NULL, &none);
    if (signal == SIGTERM || signal == SIGINT)
        p->stop = true;
    return p->stop;
}

static void say_progress(void *arg, const char *sentence)
{
    (void)arg;
    log_event(LOG_INFO, "store_opening", sentence);
}

// ---- Start --------------------------------------------------------------------------------------

static void harden(void)
{
    struct rlimit none = {0}, files;
    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none); // a core would hold secrets
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

// The store is mapped memory: a file that was cut short, or a disk that fails, shows as SIGBUS.
// Only async-signal-safe calls here.
static void on_sigbus(int number)
{
    static const char last_word[] = "error event=store_failed msg=\"the store's file cannot be "
                                    "read (SIGBUS): it was cut short or the "
                                    "disk fails; restore it from a backup\"\n";
    (void)number;
    ssize_t n = write(STDERR_FILENO, last_word, sizeof last_word - 1);
    (void)n;
    _exit(70);
}

static void copy_texts(const struct config_strings *from, struct slice *to, size_t *n)
{
    for (size_t i = 0; i < from->n; i++)
        to[i] = from->items[i];
    *n = from->n;
}

static void fill_api_config(struct process *p)
{
    const struct config *c = p->config;
    struct api_config *a = &p->api_config;
    *a = (struct api_config){.store = p->store,
                             .attempts = p->attempts,
                             .bans = p->bans,
                             .listen = {c->api.listen},
                             .control_path = *p->control_path ? p->control_path : NULL,
                             .store_dir = *p->store_dir ? p->store_dir : NULL,
                             .max_connections = c->api.max_connections,
                             .max_streams = c->api.max_streams,
                             .idle_timeout_s = c->api.idle_timeout,
                             .max_body = c->api.max_body,
                             .min_expires = c->registrar.min_expires,
                             .default_expires = c->registrar.default_expires,
                             .max_expires = c->registrar.max_expires,
                             .max_bindings = c->registrar.max_bindings,
                             .n_algorithms = c->auth.n_algorithms,
                             .not_ready = not_ready,
                             .not_ready_arg = p,
                             .version = ROLLCALL_VERSION};
    memcpy(a->algorithms, c->auth.algorithms, sizeof a->algorithms);
    copy_texts(&c->api.admin_token, a->admin_tokens, &a->n_admin_tokens);
    copy_texts(&c->api.read_token, a->read_tokens, &a->n_read_tokens);
    copy_texts(&c->api.cors_origins, a->cors_origins, &a->n_cors_origins);
}

static int open_store(struct process *p, char *why, size_t why_size)
{
    const struct config *c = p->config;
    struct store_config s = {.url = c->store.url,
                             .map_size = c->store.map_size,
                             .max_size = c->store.max_size,
                             .lock_wait_s = c->store.lock_wait,
                             .changes_max = c->store.changes_max,
                             .queue_max = QUEUE_MAX,
                             .now_ms = clock_now_ms(),
                             .flows = p->flows,
                             .progress = say_progress,
                             .progress_arg = p,
                             .cancelled = cancelled,
                             .cancelled_arg = p};
    return store_open(&s, &p->store, why, why_size);
}

// registrar.domains: made where absent, left alone where there.
static enum decision make_domain(struct store_op *op, const struct domain *current, uint64_t users,
                                 int64_t now_ms, struct domain *next)
{
    (void)users;
    (void)now_ms;
    if (current)
        return DECIDE_SAME;
    next->realm = op->domain;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

static int make_domains(struct process *p, char *why, size_t why_size)
{
    for (size_t i = 0; i < p->config->registrar.domains.n; i++) {
        char name[DOMAIN_NAME_MAX];
        struct arena arena;
        arena_init(&arena, NULL, 0, 1 << 20);
        struct store_op op = {.kind = STORE_OP_DOMAIN,
                              .domain = domain_key(p->config->registrar.domains.items[i], name),
                              .arena = &arena,
                              .decide_domain = make_domain};
        enum store_status status = store_do(p->store, &op);
        bool ok = status == STORE_OK;
        if (!ok)
            snprintf(why, why_size, "registrar.domains: cannot make '%.*s'%s", SLICE_FMT(op.domain),
                     status == STORE_CONFLICT ? ": another domain has it as an alias" : "");
        arena_reset(&arena);
        if (!ok)
            return -1;
    }
    return 0;
}

static int start_worker(struct process *p, char *why, size_t why_size)
{
    const struct config *c = p->config;
    struct worker_config w = {.n_listen = c->sip.n_listen,
                              .flows = p->flows,
                              .max_connections = c->sip.max_connections,
                              .max_connections_per_source = c->sip.max_connections_per_source,
                              .idle_timeout_s = c->sip.idle_timeout,
                              .unauthenticated_timeout_s = c->sip.unauthenticated_timeout,
                              .header_timeout_s = c->sip.header_timeout,
                              .max_message = c->sip.max_message};
    for (size_t i = 0; i < c->sip.n_listen; i++)
        w.listen[i] = (struct worker_listen){c->sip.listen[i].transport, c->sip.listen[i].address};
    w.pipeline = (struct pipeline_config){.store = p->store,
                                          .attempts = p->attempts,
                                          .bans = p->bans,
                                          .transaction_memory = c->sip.transaction_memory};
    w.pipeline.nonces = (struct nonce_config){.lifetime_ms = (int64_t)c->auth.nonce_lifetime * 1000,
                                              .started_ms = clock_started_ms(),
                                              .table_size = c->auth.nonce_table};
    store_secret(p->store, w.pipeline.nonces.secret);
    if (c->auth.secret.n && !secret_digest(c->auth.secret, w.pipeline.nonces.secret)) {
        snprintf(why, why_size, "auth.secret: OpenSSL has no SHA-256");
        return -1;
    }
    if (sip_parse_setup()) {
        snprintf(why, why_size, "libosip2 cannot be set up");
        return -1;
    }
    config_sip_settings(c, &p->settings);
    int rc = worker_start(&w, &p->settings, &p->worker, why, why_size);
    secret_wipe(&w.pipeline.nonces, sizeof w.pipeline.nonces);
    return rc;
}

static void say_listening(struct process *p)
{
    char text[ADDRESS_TEXT_MAX + 8];
    struct buf b = buf_over(text, sizeof text);
    struct address a = p->config->api.listen;
    a.port = api_port(p->api);
    BUF_LIT(&b, "http://");
    address_print(&b, &a);
    log_event(LOG_INFO, "listening", "API", {"listen", buf_slice(&b)});
}

static int start_parts(struct process *p, char *why, size_t why_size)
{
    if (cli_store_dir(p->config, p->store_dir, sizeof p->store_dir))
        snprintf(p->control_path, sizeof p->control_path, "%s/control.sock", p->store_dir);
    if (!secrets_setup()) {
        snprintf(why, why_size, "OpenSSL cannot be set up");
        return -1;
    }
    p->attempts = attempts_open(ATTEMPTS_BYTES);
    p->bans = bans_open();
    p->flows = flows_open(p->config->sip.max_connections);
    if (!p->attempts || !p->bans || !p->flows) {
        snprintf(why, why_size, "not enough memory");
        return -1;
    }
    fill_api_config(p);
    if (api_start_waiting(&p->api_config, "the store is being opened", &p->api, why, why_size))
        return -1;
    say_listening(p);
    if (open_store(p, why, why_size) || make_domains(p, why, why_size) ||
        start_worker(p, why, why_size))
        return -1;
    fill_api_config(p);
    if (api_attach(p->api, &p->api_config, why, why_size))
        return -1;
    return p->config->process.seccomp ? seccomp_apply(why, why_size) : 0;
}

// ---- Running ------------------------------------------------------------------------------------

static void say_restart(void *arg, const char *key)
{
    (void)arg;
    log_event(LOG_WARNING, "reload", "takes effect only at a restart", {"key", slice_str(key)});
}

static void reload(struct process *p)
{
    notify_supervisor("RELOADING=1");
    struct config *c = config_load(p->config_path, log_problem, NULL, NULL);
    if (!c) {
        fail("reload_failed", "the configuration has errors; the one that runs is kept");
        notify_supervisor("READY=1");
        return;
    }
    config_compare(p->config, c, say_restart, NULL);
    log_setup(c->log.level, c->log.format);
    // What cannot change without a restart keeps the value that it started with
    struct config *old = p->config;
    p->config = c;
    config_sip_settings(c, &p->settings);
    worker_reload(p->worker, &p->settings);
    fill_api_config(p);
    api_reload(p->api, &p->api_config);
    config_free(old);
    log_event(LOG_INFO, "reloaded", "the configuration was read again");
    notify_supervisor("READY=1");
}

static void wait_for_end(struct process *p)
{
    for (;;) {
        int number = sigwaitinfo(&p->signals, NULL);
        if (number == SIGHUP)
            reload(p);
        else if (number == SIGTERM || number == SIGINT)
            return;
        else if (number < 0 && errno != EINTR) {
            fail("signals_failed", "signals cannot be waited for");
            return;
        }
    }
}

// Not ready first, so that nobody sends more; then no new work; then what is queued is committed
// and answered.
static void end(struct process *p)
{
    atomic_store(&p->not_ready, "stopping");
    notify_supervisor("STOPPING=1");
    log_event(LOG_INFO, "stopping", "no new work is taken");
    struct timespec delay = {.tv_sec = p->config->process.drain_delay};
    sigset_t hurry;
    sigemptyset(&hurry);
    sigaddset(&hurry, SIGINT);
    if (delay.tv_sec)
        sigtimedwait(&hurry, NULL, &delay);
}

static void free_parts(struct process *p)
{
    if (p->worker)
        worker_stop(p->worker);
    if (p->api)
        api_stop(p->api);
    if (p->store)
        store_close(p->store);
    attempts_close(p->attempts);
    bans_close(p->bans);
    flows_close(p->flows);
    config_free(p->config);
}

static int serve(const char *config_path)
{
    struct process p = {.config_path = config_path, .not_ready = "starting"};
    char why[512] = "";
    const char *source;
    struct sigaction bus = {.sa_handler = on_sigbus};
    harden();
    sigaction(SIGBUS, &bus, NULL);
    sigemptyset(&p.signals);
    sigaddset(&p.signals, SIGTERM);
    sigaddset(&p.signals, SIGINT);
    sigaddset(&p.signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &p.signals, NULL); // all threads inherit it
    p.config = config_load(config_path, log_problem, NULL, &source);
    if (!p.config)
        return EXIT_START;
    log_setup(p.config->log.level, p.config->log.format);
    log_event(LOG_INFO, "starting", "rollcall", {"version", SLICE(ROLLCALL_VERSION)},
              {"config", slice_str(source)}, {"store", p.config->store.url});
    if (start_parts(&p, why, sizeof why)) {
        if (!p.stop)
            fail("start_failed", why);
        free_parts(&p);
        return p.stop ? 0 : EXIT_START;
    }
    atomic_store(&p.not_ready, NULL);
    log_event(LOG_INFO, "ready", "registrations are taken");
    notify_supervisor("READY=1");
    wait_for_end(&p);
    end(&p);
    free_parts(&p);
    log_event(LOG_INFO, "stopped", "all that was acknowledged is on disk");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct cli_hooks hooks = {
        .serve = serve, .import_offline = api_import_offline, .stats_json = api_stats_json};
    signal(SIGPIPE, SIG_IGN);
    return cli_main(argc, argv, &hooks);
}
