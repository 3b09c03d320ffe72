// SPDX-License-Identifier: Apache-2.0
// What is still on its way. Whoever lands a real one deletes its line.
#include "api/import.h"
#include "api/route.h"

#define STUB(name)                                                                                 \
    void name(struct request *r)                                                                   \
    {                                                                                              \
        respond_problem(r, 501, "not here yet");                                                   \
    }
STUB(handle_users_import)
STUB(handle_users_export)
STUB(handle_events)
STUB(handle_backup)

int api_import_offline(struct store *s, FILE *in, void (*result)(void *arg, struct slice line),
                       void *arg)
{
    (void)s;
    (void)in;
    (void)result;
    (void)arg;
    return -1;
}
