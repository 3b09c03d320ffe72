// SPDX-License-Identifier: Apache-2.0
// Why is this phone not registered? The newest attempts, of a user or of a domain's users that do
// not exist.
#include "api/api.h"
#include "api/domain_body.h"
#include "api/route.h"
#include "api/show.h"

#define ATTEMPTS_MAX 50

static void show_attempts(struct request *r, const struct attempt *attempts, size_t n)
{
    json_open(&r->out, '{');
    json_key(&r->out, "attempts"), json_open(&r->out, '[');
    for (size_t i = 0; i < n; i++)
        show_attempt(&r->out, &attempts[i]);
    json_close(&r->out, ']');
    json_close(&r->out, '}');
    respond_json(r, 200);
}

// The domain of the path. NULL when it has been answered.
static struct store_reader *find_domain(struct request *r, struct domain *domain)
{
    struct store_reader *reader = request_snapshot(r);
    if (!reader)
        return NULL;
    enum store_status st = domain_find(reader, r->path_args[0], domain);
    if (st == STORE_OK)
        return reader;
    respond_store(r, st, "domain");
    return NULL;
}

void handle_domain_attempts(struct request *r)
{
    struct attempt found[ATTEMPTS_MAX];
    struct domain domain;
    if (!find_domain(r, &domain))
        return;
    size_t n = attempts_find(request_config(r)->attempts, domain.name, SLICE_NONE, &r->arena, found,
                             ATTEMPTS_MAX);
    show_attempts(r, found, n);
}

// A user that is not there may have been tried all the same (a typing error in the provisioning, a
// user that was deleted): what is remembered answers the question, and only where nothing is, there
// is none.
void handle_user_attempts(struct request *r)
{
    struct attempt found[ATTEMPTS_MAX];
    struct domain domain;
    struct user user;
    char scratch[USERNAME_MAX];
    struct store_reader *reader = find_domain(r, &domain);
    if (!reader)
        return;
    struct slice key = user_key(&domain, r->path_args[1], scratch);
    size_t n = key.n ? attempts_find(request_config(r)->attempts, domain.name, key, &r->arena,
                                     found, ATTEMPTS_MAX)
                     : 0;
    enum store_status st =
        key.n ? store_user_find(reader, domain.name, key, &user) : STORE_NOT_FOUND;
    if (n == 0 && st != STORE_OK)
        respond_store(r, st, "user");
    else
        show_attempts(r, found, n);
}
