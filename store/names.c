// SPDX-License-Identifier: Apache-2.0
// Words and keys of the store's plain data: the names that are part of the contract, canonical
// domain and user keys, and what makes two bindings the same but for their times.
#include "store/store.h"

const char *binding_gone_word(enum binding_gone gone)
{
    static const char *const words[] = {"", "unregistered", "expired", "replaced", "deleted"};
    return (unsigned)gone < sizeof words / sizeof *words ? words[gone] : "";
}

const char *store_event_name(enum store_event_type t)
{
    static const char *const names[] = {
        "",
        [EVENT_BINDING_CREATED] = "binding.created",
        [EVENT_BINDING_REFRESHED] = "binding.refreshed",
        [EVENT_BINDING_REMOVED] = "binding.removed",
        [EVENT_USER_CREATED] = "user.created",
        [EVENT_USER_UPDATED] = "user.updated",
        [EVENT_USER_DELETED] = "user.deleted",
        [EVENT_DOMAIN_CREATED] = "domain.created",
        [EVENT_DOMAIN_UPDATED] = "domain.updated",
        [EVENT_DOMAIN_DELETED] = "domain.deleted",
    };
    return (unsigned)t < sizeof names / sizeof *names ? names[t] : "";
}

static const char *const algorithm_names[ALGORITHM_COUNT] = {"MD5", "SHA-256", "SHA-512-256"};

const char *algorithm_name(enum algorithm a)
{
    return (unsigned)a < ALGORITHM_COUNT ? algorithm_names[a] : "";
}

bool algorithm_parse(struct slice name, enum algorithm *out)
{
    for (unsigned a = 0; a < ALGORITHM_COUNT; a++)
        if (slice_ieq(name, slice_str(algorithm_names[a]))) {
            *out = (enum algorithm)a;
            return true;
        }
    return false;
}

struct slice user_key(const struct domain *domain, struct slice username, char *scratch)
{
    if (username.n > USERNAME_MAX)
        return SLICE_NONE;
    if (!domain->case_insensitive_users)
        return username;
    for (size_t i = 0; i < username.n; i++)
        scratch[i] = ascii_lower(username.p[i]);
    return slice_of(scratch, username.n);
}

struct slice domain_key(struct slice host, char *scratch)
{
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n > DOMAIN_NAME_MAX)
        return SLICE_NONE;
    for (size_t i = 0; i < host.n; i++)
        scratch[i] = ascii_lower(host.p[i]);
    return slice_of(scratch, host.n);
}

static bool same_paths(const struct binding *a, const struct binding *b)
{
    if (a->n_paths != b->n_paths)
        return false;
    for (unsigned i = 0; i < a->n_paths; i++)
        if (!slice_eq(a->path[i], b->path[i]))
            return false;
    return true;
}

bool binding_same_but_times(const struct binding *a, const struct binding *b)
{
    return a->id == b->id && slice_eq(a->contact, b->contact) && slice_eq(a->params, b->params) &&
           a->q == b->q && a->transport == b->transport && a->flags == b->flags &&
           a->gone == b->gone && a->registered_at_ms == b->registered_at_ms &&
           slice_eq(a->call_id, b->call_id) && a->reg_id == b->reg_id &&
           slice_eq(a->instance, b->instance) && same_paths(a, b) &&
           address_eq(&a->source, &b->source) && address_eq(&a->received, &b->received) &&
           a->flow == b->flow && slice_eq(a->user_agent, b->user_agent);
}

static bool copy_text(struct arena *arena, struct slice *s)
{
    *s = arena_copy(arena, *s);
    return s->p != NULL;
}

bool binding_copy(struct arena *arena, const struct binding *from, struct binding *to)
{
    struct binding b = *from;
    if (!copy_text(arena, &b.contact) || !copy_text(arena, &b.params) ||
        !copy_text(arena, &b.call_id) || !copy_text(arena, &b.instance) ||
        !copy_text(arena, &b.user_agent))
        return false;
    b.path = NULL;
    if (b.n_paths && !(b.path = arena_alloc(arena, b.n_paths * sizeof *b.path)))
        return false;
    for (unsigned i = 0; i < b.n_paths; i++) {
        b.path[i] = from->path[i];
        if (!copy_text(arena, &b.path[i]))
            return false;
    }
    *to = b;
    return true;
}
