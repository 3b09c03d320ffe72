// SPDX-License-Identifier: Apache-2.0
// A request to an AoR (INVITE, MESSAGE, SUBSCRIBE, ...): from allowed sources it is told where the
// AoR is (302), from all others it learns nothing (403 before any look-up).
#include "service/pipeline.h"

// Where a name lies: unescaped, and once more folded where the domain wants it.
struct name {
    char raw[USERNAME_MAX], folded[USERNAME_MAX];
};

// Points into `name`.
static bool user_of_ruri(const struct sip_uri *uri, const struct domain *domain, struct name *name,
                         struct slice *out)
{
    size_t n;
    if (!sip_unescape(uri->user, name->raw, sizeof name->raw, &n))
        return false;
    *out = user_key(domain, slice_of(name->raw, n), name->folded);
    return out->n > 0;
}

void redirect(struct pipeline *p, struct request *r)
{
    if (!networks_contain(&p->settings->redirect_from, &r->flow.remote)) {
        answer_plain(p, r, 403, NULL);
        return;
    }
    struct user user;
    struct slice key;
    struct aor_state state;
    struct name name;
    const struct domain *domain = pipeline_domain(p, &r->sip.ruri, &r->flow);
    if (!domain) {
        answer_plain(p, r, 404, "Not a Domain of This Registrar");
        return;
    }
    if (!user_of_ruri(&r->sip.ruri, domain, &name, &key) ||
        store_user_find(p->reader, domain->name, key, &user) != STORE_OK || !user.enabled) {
        answer_plain(p, r, 404, NULL);
        return;
    }
    if (store_bindings_find(p->reader, &user, p->now_ms, &r->arena, &state) != STORE_OK) {
        answer_unavailable(p, r);
        return;
    }
    if (state.bindings.n == 0)
        answer_plain(p, r, 480, NULL);
    else
        answer_moved(p, r, &state.bindings);
}
