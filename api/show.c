// SPDX-License-Identifier: Apache-2.0
// Domains, users, attempts, bans and events as JSON.
#include "api/show.h"

static void show_strings(struct text *t, const struct slice *items, size_t n)
{
    json_open(t, '[');
    for (size_t i = 0; i < n; i++)
        json_string(t, items[i]);
    json_close(t, ']');
}

static void show_optional(struct text *t, struct slice s)
{
    if (s.n)
        json_string(t, s);
    else
        json_null(t);
}

static void show_word(struct text *t, const char *word)
{
    json_string(t, slice_str(word));
}

// ---- Domains ------------------------------------------------------------------------------------

// Null where the configuration decides.
static void show_setting(struct text *t, const char *key, int32_t value)
{
    json_key(t, key);
    if (value < 0)
        json_null(t);
    else
        json_i64(t, value);
}

void show_domain_members(struct text *t, const struct domain *d)
{
    json_key(t, "domain"), json_string(t, d->name);
    json_key(t, "realm"), json_string(t, d->realm);
    json_key(t, "aliases"), show_strings(t, d->aliases, d->n_aliases);
    json_key(t, "algorithms");
    if (d->n_algorithms) {
        json_open(t, '[');
        for (size_t i = 0; i < d->n_algorithms; i++)
            show_word(t, algorithm_name(d->algorithms[i]));
        json_close(t, ']');
    } else {
        json_null(t);
    }
    show_setting(t, "min_expires", d->min_expires);
    show_setting(t, "default_expires", d->default_expires);
    show_setting(t, "max_expires", d->max_expires);
    show_setting(t, "max_bindings", d->max_bindings);
    json_key(t, "service_route"), show_strings(t, d->service_route, d->n_service_routes);
    json_key(t, "case_insensitive_users"), json_bool(t, d->case_insensitive_users);
    json_key(t, "closing"), json_bool(t, d->closing);
    json_key(t, "created_at"), json_time(t, d->created_at_ms);
    json_key(t, "updated_at"), json_time(t, d->updated_at_ms);
}

void show_domain(struct text *t, const struct domain *d)
{
    json_open(t, '{');
    show_domain_members(t, d);
    json_close(t, '}');
}

// ---- Users --------------------------------------------------------------------------------------

static void show_algorithms(struct text *t, const struct credentials *c)
{
    json_open(t, '[');
    for (unsigned a = 0; a < ALGORITHM_COUNT; a++)
        if (c->have & 1u << a)
            show_word(t, algorithm_name((enum algorithm)a));
    json_close(t, ']');
}

static void show_labels(struct text *t, const struct user *u)
{
    json_open(t, '{');
    for (size_t i = 0; i < u->n_labels; i++) {
        json_data_key(t, u->labels[i].key);
        json_string(t, u->labels[i].value);
    }
    json_close(t, '}');
}

static void show_status_members(struct text *t, const struct user_status *status, enum view view)
{
    json_key(t, "registered"), json_bool(t, status->registered);
    json_key(t, "binding_count"), json_u64(t, status->binding_count);
    if (view != VIEW_FULL)
        return;
    json_key(t, "last_registered_at");
    if (status->last_registered_at_ms)
        json_time(t, status->last_registered_at_ms);
    else
        json_null(t);
}

void show_user(struct text *t, const struct user *u, const struct user_status *status,
               enum view view)
{
    json_open(t, '{');
    json_key(t, "username"), json_string(t, u->username);
    json_key(t, "domain"), json_string(t, u->domain);
    json_key(t, "aor"), show_aor(t, u->domain, u->username);
    json_key(t, "enabled"), json_bool(t, u->enabled);
    json_key(t, "display_name"), show_optional(t, u->display_name);
    json_key(t, "auth_username");
    json_string(t, u->auth_username.n ? u->auth_username : u->username);
    json_key(t, "max_bindings");
    if (u->has_max_bindings)
        json_u64(t, u->max_bindings);
    else
        json_null(t);
    json_key(t, "labels"), show_labels(t, u);
    json_key(t, "algorithms"), show_algorithms(t, &u->credentials);
    if (status)
        show_status_members(t, status, view);
    json_key(t, "created_at"), json_time(t, u->created_at_ms);
    json_key(t, "updated_at"), json_time(t, u->updated_at_ms);
    json_close(t, '}');
}

// ---- Attempts and bans --------------------------------------------------------------------------

void show_attempt(struct text *t, const struct attempt *a)
{
    char source[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(source, sizeof source);
    address_print(&b, &a->source);
    json_open(t, '{');
    json_key(t, "aor"), show_aor(t, a->domain, a->username);
    json_key(t, "at"), json_time(t, a->at_ms);
    json_key(t, "first_at"), json_time(t, a->first_at_ms);
    json_key(t, "count"), json_u64(t, a->count);
    json_key(t, "source"), json_string(t, buf_slice(&b));
    json_key(t, "transport"), show_word(t, transport_name(a->transport));
    json_key(t, "user_agent"), show_optional(t, a->user_agent);
    json_key(t, "status"), json_u64(t, a->status);
    json_key(t, "reason"), show_word(t, reason_word(a->reason));
    json_key(t, "detail"), json_string(t, a->detail);
    json_close(t, '}');
}

void show_ban(struct text *t, const struct ban *ban)
{
    char network[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(network, sizeof network);
    network_print(&b, &ban->network);
    json_open(t, '{');
    json_key(t, "network"), json_string(t, buf_slice(&b));
    json_key(t, "reason"), show_word(t, ban->reason);
    json_key(t, "until"), json_time(t, ban->until_ms);
    json_key(t, "since"), json_time(t, ban->since_ms);
    json_key(t, "manual"), json_bool(t, ban->manual);
    json_close(t, '}');
}

// ---- Events -------------------------------------------------------------------------------------

void show_event(struct text *t, const struct store_event *e)
{
    if (e->binding) {
        json_open(t, '{');
        show_binding_members(t, e->domain, e->username, e->binding, VIEW_FULL);
        if (e->type == EVENT_BINDING_REMOVED)
            json_key(t, "reason"), show_word(t, binding_gone_word(e->gone));
        json_close(t, '}');
    } else if (e->user) {
        show_user(t, e->user, NULL, VIEW_FULL);
    } else {
        show_domain(t, e->domain_object);
    }
}
