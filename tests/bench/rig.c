// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/credential.h"

_Noreturn void rig_fail(const char *what)
{
    fprintf(stderr, "rig: %s\n", what);
    exit(2);
}

// ---- What the pipeline asks for -----------------------------------------------------------------

static void rig_send(void *arg, const struct flow *flow, const struct address *to,
                     struct slice bytes)
{
    struct rig *g = arg;
    (void)flow, (void)to;
    g->sent++;
    if (g->answer) {
        g->answer(g->answer_arg, bytes);
        return;
    }
    memcpy(g->reply, bytes.p, bytes.n);
    g->reply_size = bytes.n;
}

static void rig_authenticated(void *arg, const struct flow *flow)
{
    (void)arg, (void)flow;
}

static uint64_t rig_flow_token(void *arg, const struct flow *flow)
{
    (void)arg, (void)flow;
    return 1;
}

static void rig_wake(void *arg)
{
    struct rig *g = arg;
    uint64_t one = 1;
    if (write(g->event, &one, sizeof one) != sizeof one)
        abort();
}

// ---- The store ----------------------------------------------------------------------------------

static enum decision decide_domain(struct store_op *op, const struct domain *current,
                                   uint64_t users, int64_t now_ms, struct domain *next)
{
    (void)op, (void)current, (void)users, (void)now_ms;
    next->realm = SLICE("example.com");
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return DECIDE_WRITE;
}

static enum decision decide_user(struct store_op *op, const struct domain *domain,
                                 const struct user *current, int64_t now_ms, struct user *next,
                                 bool *remove_bindings)
{
    (void)current, (void)now_ms, (void)remove_bindings;
    next->enabled = true;
    return credentials_from_password(op->username, domain->realm, SLICE(RIG_PASSWORD),
                                     &next->credentials)
               ? DECIDE_WRITE
               : DECIDE_REFUSE;
}

static void rig_write(struct rig *g, enum store_op_kind kind, const char *username)
{
    struct arena arena;
    arena_init(&arena, NULL, 0, 1 << 20);
    struct store_op op = {.kind = kind,
                          .domain = SLICE("example.com"),
                          .username = slice_str(username),
                          .arena = &arena,
                          .decide_domain = decide_domain,
                          .decide_user = decide_user};
    rig_must(store_do(g->store, &op) == STORE_OK, "a domain or user is refused");
    arena_reset(&arena);
}

void rig_add_user(struct rig *g, const char *username)
{
    rig_write(g, STORE_OP_USER, username);
}

// ---- Open and close -----------------------------------------------------------------------------

static void open_pipeline(struct rig *g)
{
    char why[256] = "";
    struct pipeline_config p = {.store = g->store,
                                .attempts = g->attempts,
                                .bans = g->bans,
                                .pool = &g->pool,
                                .net = {rig_send, rig_authenticated, rig_flow_token, g, NULL},
                                .transaction_memory = 1 << 20,
                                .pending_max = RIG_BATCH,
                                .wake = rig_wake,
                                .wake_arg = g};
    p.nonces = (struct nonce_config){
        .lifetime_ms = 3900000, .started_ms = clock_started_ms(), .table_size = 1048576};
    rig_must(pipeline_open(&g->pipeline, &p, &g->settings, why, sizeof why) == 0, why);
}

void rig_open(struct rig *g, const char *url)
{
    char why[256] = "";
    clock_start();
    log_setup(LOG_ERROR, LOG_TEXT);
    struct store_config config = {.url = slice_str(url),
                                  .map_size = 256u << 20,
                                  .changes_max = 1000,
                                  .queue_max = 1000,
                                  .now_ms = clock_now_ms()};
    rig_must(secrets_setup(), "libcrypto");
    rig_must(sip_parse_setup() == 0, "libosip2");
    rig_must(store_open(&config, &g->store, why, sizeof why) == 0, why);
    rig_write(g, STORE_OP_DOMAIN, "");
    g->event = eventfd(0, 0);
    g->attempts = attempts_open(32 << 20);
    g->bans = bans_open();
    g->settings.registrar = (struct reg_policy){
        .min_expires = 60, .default_expires = 3600, .max_expires = 7200, .max_bindings = 10};
    g->settings.algorithms[0] = ALGORITHM_MD5;
    g->settings.n_algorithms = 1;
    request_pool_init(&g->pool, RIG_BATCH);
    open_pipeline(g);
    rig_must(address_parse(SLICE("192.0.2.1"), &g->flow.remote), "address");
    g->flow.remote.port = 5060;
    rig_must(address_parse(SLICE("192.0.2.2"), &g->flow.local), "address");
}

void rig_close(struct rig *g)
{
    pipeline_close(&g->pipeline);
    request_pool_close(&g->pool);
    store_close(g->store);
    attempts_close(g->attempts);
    bans_close(g->bans);
    close(g->event);
}

// ---- Messages -----------------------------------------------------------------------------------

struct request *rig_request(struct rig *g, struct slice message)
{
    struct request *r = request_take(&g->pool);
    rig_must(r && request_fill(r, message, SLICE_NONE), "no memory");
    r->flow = g->flow;
    r->received_us = clock_mono_us();
    g->pipeline.now_ms = clock_now_ms();
    return r;
}

void rig_settle(struct rig *g)
{
    uint64_t ignored;
    pipeline_submit(&g->pipeline);
    if (g->pipeline.n_pending == 0)
        return;
    rig_must(read(g->event, &ignored, sizeof ignored) == sizeof ignored, "no completion");
    pipeline_completed(&g->pipeline);
    rig_must(g->pipeline.n_pending == 0, "the store has split the batch");
}

__attribute__((noinline)) void measured(void (*work)(void *), void *arg)
{
    work(arg);
    __asm__ volatile(""); // no tail call
}
