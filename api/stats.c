// SPDX-License-Identifier: Apache-2.0
#include "api/route.h"
#include "api/show.h"

void handle_stats(struct request *r)
{
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return;
    enum store_status st = show_stats(&r->out, request_store(r), reader);
    if (st == STORE_OK)
        respond_json(r, 200);
    else
        respond_store(r, st, "counters");
}
