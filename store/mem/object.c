// SPDX-License-Identifier: Apache-2.0
// Immutable objects with a count of references, and deep copies of plain data.
#include <stdlib.h>

#include "store/mem/mem.h"

#define SPARE 65536 // more than the estimates below may be wrong

static size_t text_size(struct slice s)
{
    return s.n + 1 + 16; // arena_copy()'s NUL and alignment
}

static size_t user_size(const struct user *u)
{
    size_t n = text_size(u->domain) + text_size(u->username) + text_size(u->auth_username) +
               text_size(u->display_name);
    for (size_t i = 0; i < u->n_labels; i++)
        n += text_size(u->labels[i].key) + text_size(u->labels[i].value);
    return n;
}

size_t bindings_size(const struct binding_set *set)
{
    size_t n = 16;
    for (size_t i = 0; i < set->n; i++) {
        const struct binding *b = &set->items[i];
        n += sizeof *b + text_size(b->contact) + text_size(b->params) + text_size(b->call_id) +
             text_size(b->instance) + text_size(b->user_agent) + 16;
        for (size_t k = 0; k < b->n_paths; k++)
            n += sizeof *b->path + text_size(b->path[k]);
    }
    return n;
}

bool user_into(struct arena *arena, const struct user *from, struct user *to)
{
    struct user u = *from;
    u.domain = arena_copy(arena, from->domain);
    u.username = arena_copy(arena, from->username);
    u.auth_username = arena_copy(arena, from->auth_username);
    u.display_name = arena_copy(arena, from->display_name);
    bool ok = u.domain.p && u.username.p && u.auth_username.p && u.display_name.p;
    for (size_t i = 0; i < u.n_labels; i++) {
        u.labels[i].key = arena_copy(arena, from->labels[i].key);
        u.labels[i].value = arena_copy(arena, from->labels[i].value);
        ok = ok && u.labels[i].key.p && u.labels[i].value.p;
    }
    if (ok)
        *to = u;
    return ok;
}

bool domain_into(struct arena *arena, const struct domain *from, struct domain *to)
{
    struct domain d = *from;
    d.name = arena_copy(arena, from->name);
    d.realm = arena_copy(arena, from->realm);
    bool ok = d.name.p && d.realm.p;
    for (size_t i = 0; i < d.n_aliases; i++) {
        d.aliases[i] = arena_copy(arena, from->aliases[i]);
        ok = ok && d.aliases[i].p;
    }
    for (size_t i = 0; i < d.n_service_routes; i++) {
        d.service_route[i] = arena_copy(arena, from->service_route[i]);
        ok = ok && d.service_route[i].p;
    }
    if (ok)
        *to = d;
    return ok;
}

bool live_into(struct arena *arena, const struct binding_set *set, int64_t now_ms,
               struct binding_set *to)
{
    *to = (struct binding_set){.items = arena_calloc(arena, set->n + 1, sizeof *to->items)};
    if (!to->items)
        return false;
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].expires_at_ms <= now_ms)
            continue;
        if (!binding_copy(arena, &set->items[i], &to->items[to->n]))
            return false;
        to->n++;
    }
    return true;
}

static struct object *object_new(size_t text)
{
    struct object *o = calloc(1, sizeof *o + text);
    if (!o)
        return NULL;
    o->refs = 1;
    arena_init(&o->arena, o->text, text, SPARE);
    return o;
}

struct object *object_user(const struct user *user, struct slice key, const struct binding_set *set)
{
    static const struct binding_set none;
    set = set ? set : &none;
    struct object *o = object_new(user_size(user) + text_size(key) + bindings_size(set) + 512);
    if (!o)
        return NULL;
    o->key = arena_copy(&o->arena, key);
    if (!o->key.p || !user_into(&o->arena, user, &o->user) ||
        !live_into(&o->arena, set, INT64_MIN, &o->set)) {
        object_unref(o);
        return NULL;
    }
    o->domain = o->user.domain;
    return o;
}

struct object *object_domain(const struct domain *d)
{
    size_t text = text_size(d->name) + text_size(d->realm);
    for (size_t i = 0; i < d->n_aliases; i++)
        text += text_size(d->aliases[i]);
    for (size_t i = 0; i < d->n_service_routes; i++)
        text += text_size(d->service_route[i]);
    struct object *o = object_new(text);
    if (!o)
        return NULL;
    if (!domain_into(&o->arena, d, &o->d)) {
        object_unref(o);
        return NULL;
    }
    o->domain = o->d.name;
    return o;
}

void object_ref(struct object *o)
{
    atomic_fetch_add(&o->refs, 1);
}

void object_unref(struct object *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1)
        return;
    arena_reset(&o->arena);
    free(o);
}
