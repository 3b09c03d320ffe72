// SPDX-License-Identifier: Apache-2.0
// Liveness, readiness, metrics: what a platform asks.
#include "api/exchange.h"
#include "base/metrics.h"

void handle_healthz(struct request *r)
{
    TEXT_LIT(&r->out, "{\"status\":\"ok\"}");
    respond_json(r, 200);
}

void handle_readyz(struct request *r)
{
    struct exchange *ex = exchange_of(r);
    const char *why = NULL;
    if (ex->phase == PHASE_WAITING)
        why = r->api->why_waiting;
    else if (r->api->config.not_ready)
        why = r->api->config.not_ready(r->api->config.not_ready_arg);
    if (!why && ex->phase == PHASE_STOPPING)
        why = "stopping";
    if (why) {
        respond_problem(r, 503, "%s", why);
        return;
    }
    TEXT_LIT(&r->out, "{\"status\":\"ready\"}");
    respond_json(r, 200);
}

static void put_text(void *arg, struct slice text)
{
    text_put(arg, text);
}

void handle_metrics(struct request *r)
{
    metrics_print(put_text, &r->out);
    if (r->out.bad) {
        respond_json(r, 500);
        return;
    }
    respond_body(r, 200, "text/plain; version=0.0.4; charset=utf-8", SLICE_NONE, true);
}
