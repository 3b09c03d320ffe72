// SPDX-License-Identifier: Apache-2.0
// The life of the API: it listens at once, serves when it has a store, ends in order.
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/exchange.h"
#include "api/listen.h"
#include "base/clock.h"

#define STOP_ANSWER_S  5  // for answers that are being sent
#define STOP_STORE_S   10 // and for what waits for the store
#define STOP_THREADS_S 5  // and for threads of request_work(), once their clients are gone

static bool configure_access(struct api *a, const struct api_config *c)
{
    const struct access_tokens tokens = {.admin = c->admin_tokens,
                                         .read = c->read_tokens,
                                         .origins = c->cors_origins,
                                         .n_admin = c->n_admin_tokens,
                                         .n_read = c->n_read_tokens,
                                         .n_origins = c->n_cors_origins};
    return access_configure(a->access, &tokens);
}

static int open_lock(struct api *a)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&a->lock, NULL))
        return -1;
    if (pthread_condattr_init(&attr) == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        int rc = pthread_cond_init(&a->changed, &attr);
        pthread_condattr_destroy(&attr);
        if (rc == 0)
            return 0;
    }
    pthread_mutex_destroy(&a->lock);
    return -1;
}

static struct api *api_new(const struct api_config *config, const char *reason)
{
    struct api *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    if (open_lock(a)) {
        free(a);
        return NULL;
    }
    a->tcp.api = a->control.api = a;
    a->control.control = true;
    atomic_store(&a->phase, PHASE_WAITING);
    snprintf(a->why_waiting, sizeof a->why_waiting, "%s", reason);
    a->access = access_open();
    if (a->access && configure_access(a, config))
        return a;
    access_close(a->access);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

static void api_free(struct api *a)
{
    streams_free(a->streams);
    if (a->port)
        store_port_close(a->port);
    if (a->tcp.reader)
        store_reader_close(a->tcp.reader);
    if (a->control.reader)
        store_reader_close(a->control.reader);
    access_close(a->access);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static int serve_on(struct server *s, int fd, const struct api_config *c, char *why,
                    size_t why_size)
{
    const struct http_config http = {.listen_fd = fd,
                                     .max_connections = c->max_connections,
                                     .idle_timeout_s = c->idle_timeout_s};
    s->http = http_start(s, &http);
    if (s->http)
        return 0;
    snprintf(why, why_size, "cannot start the HTTP server: there are too few resources");
    close(fd);
    return -1;
}

int api_start_waiting(const struct api_config *config, const char *reason, struct api **out,
                      char *why, size_t why_size)
{
    struct api *a = api_new(config, reason);
    if (!a) {
        snprintf(why, why_size, "not enough memory");
        return -1;
    }
    int fd = listen_tcp(&config->listen.address, &a->listen_port, why, why_size);
    if (fd < 0 || serve_on(&a->tcp, fd, config, why, why_size)) {
        api_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

int api_attach(struct api *a, const struct api_config *config, char *why, size_t why_size)
{
    a->config = *config;
    a->config.n_admin_tokens = a->config.n_read_tokens = a->config.n_cors_origins = 0;
    if (!configure_access(a, config) ||
        store_port_open(config->store, exchange_notify, a, &a->port) ||
        streams_start(&a->config, &a->streams)) {
        snprintf(why, why_size, "not enough memory");
        return -1;
    }
    if (config->control_path) {
        int n = snprintf(a->control_path, sizeof a->control_path, "%s", config->control_path);
        if (n < 0 || (size_t)n >= sizeof a->control_path) {
            a->control_path[0] = '\0';
            snprintf(why, why_size, "the path of the control socket is too long: %s",
                     config->control_path);
            return -1;
        }
    }
    // Before the control socket's thread: it reads what is set up to here
    atomic_store_explicit(&a->phase, PHASE_SERVING, memory_order_release);
    if (!config->control_path)
        return 0;
    int fd = listen_unix(a->control_path, why, why_size);
    return fd < 0 || serve_on(&a->control, fd, config, why, why_size) ? -1 : 0;
}

int api_start(const struct api_config *config, struct api **out, char *why, size_t why_size)
{
    struct api *a;
    if (api_start_waiting(config, "starting", &a, why, why_size))
        return -1;
    if (api_attach(a, config, why, why_size)) {
        api_stop(a);
        return -1;
    }
    *out = a;
    return 0;
}

void api_reload(struct api *a, const struct api_config *config)
{
    if (!configure_access(a, config))
        log_event(LOG_ERROR, "reload_failed", "not enough memory: the API's tokens are the old");
}

uint16_t api_port(const struct api *a)
{
    return a->listen_port;
}

// ---- The end ----------------------------------------------------------------------------------

static void resume_all(struct server *s)
{
    for (struct exchange *ex = s->first; ex; ex = ex->next) {
        ex->woken = true;
        exchange_resume_locked(ex);
    }
}

// Waits, with the lock held, until *count is 0. False at the end of the time.
static bool wait_for_none(struct api *a, const unsigned *count, unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    int rc = 0;
    while (*count && rc == 0)
        rc = pthread_cond_timedwait(&a->changed, &a->lock, &until);
    return *count == 0;
}

static bool store_is_awaited(const struct server *s)
{
    for (const struct exchange *ex = s->first; ex; ex = ex->next)
        if (ex->suspended && ex->refs > 1)
            return true;
    return false;
}

// What runs is answered; then what waits for the store gets some more time; then all connections
// are let go, so that none is suspended when the daemons stop.
static void let_go(struct api *a)
{
    pthread_mutex_lock(&a->lock);
    if (!wait_for_none(a, &a->active, STOP_ANSWER_S) &&
        (store_is_awaited(&a->tcp) || store_is_awaited(&a->control)))
        wait_for_none(a, &a->active, STOP_STORE_S);
    a->abandon = true;
    resume_all(&a->tcp);
    resume_all(&a->control);
    pthread_mutex_unlock(&a->lock);
}

void api_stop(struct api *a)
{
    atomic_store_explicit(&a->phase, PHASE_STOPPING, memory_order_release);
    if (a->tcp.http)
        http_quiesce(a->tcp.http);
    if (a->control.http) {
        http_quiesce(a->control.http);
        unlink(a->control_path);
    }
    if (a->streams)
        streams_end(a->streams);
    let_go(a);
    if (a->tcp.http)
        http_stop(a->tcp.http);
    if (a->control.http)
        http_stop(a->control.http);
    pthread_mutex_lock(&a->lock);
    bool idle = wait_for_none(a, &a->alive, STOP_THREADS_S) && wait_for_none(a, &a->working, 1);
    pthread_mutex_unlock(&a->lock);
    // What the store still holds it completes when it is closed: then this must be there
    if (idle)
        api_free(a);
    else
        log_event(LOG_WARNING, "api_abandoned", "operations were still running at the end");
}
