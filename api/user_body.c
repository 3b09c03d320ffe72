// SPDX-License-Identifier: Apache-2.0
// See user_body.h. A body is flat but for its labels, so RFC 7396's merge is done member by member
// on the user itself: what is absent stays, what is null becomes the default.
#include "api/user_body.h"

#include <stdlib.h>

#include "api/domain_body.h"
#include "api/text.h"
#include "store/binding.h"
#include "store/credential.h"

enum user_member {
    GIVEN_AUTH_USERNAME = 1,
    GIVEN_DISPLAY_NAME = 2,
    GIVEN_ENABLED = 4,
    GIVEN_MAX_BINDINGS = 8,
    GIVEN_LABELS = 16
};

struct body {
    struct user_change *c;
    struct faults *f;
    unsigned flags;
};

// ---- Reading ------------------------------------------------------------------------------------

// A string without control characters, copied into the arena.
static void read_text(struct body *b, struct slice field, const struct json *v, size_t min,
                      size_t max, struct slice *out)
{
    struct slice s;
    if (!json_read_string(v, field, min, max, b->f, &s))
        return;
    if (!utf8_clean(s))
        fault_add(b->f, field, "has control characters");
    else if ((s = arena_copy(b->f->arena, s)).p)
        *out = s;
    else
        fault_add(b->f, field, "takes more memory than there is");
}

// "labels.site": the name of a member inside a member, cut where it is long.
static struct slice inner(struct body *b, const char *outer, struct slice key)
{
    char name[96];
    struct buf out = buf_over(name, sizeof name);
    buf_put(&out, slice_str(outer));
    buf_byte(&out, '.');
    buf_put(&out, slice_upto(key, LABEL_KEY_MAX));
    struct slice copy = arena_copy(b->f->arena, buf_slice(&out));
    return copy.p ? copy : slice_str(outer);
}

static void read_names(struct body *b, struct slice key, const struct json *v)
{
    if (slice_eq(key, SLICE("domain")))
        read_text(b, key, v, 1, DOMAIN_NAME_MAX + 2, &b->c->domain);
    else
        read_text(b, key, v, 1, USERNAME_MAX, &b->c->username);
}

static void read_password(struct body *b, struct slice key, const struct json *v)
{
    struct slice s;
    if (!json_is_null(v) && json_read_string(v, key, 1, PASSWORD_MAX, b->f, &s) &&
        !(b->c->password = arena_copy(b->f->arena, s)).p)
        fault_add(b->f, key, "takes more memory than there is");
}

static int hex_digit(char c)
{
    char l = ascii_lower(c);
    return ascii_digit(c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool hex_read(struct slice hex, uint8_t *out, size_t n)
{
    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_one_ha1(void *arg, struct slice key, const struct json *v)
{
    struct body *b = arg;
    struct credentials *ha1 = &b->c->ha1;
    struct slice hex, field = inner(b, "ha1", key);
    enum algorithm a;
    if (!algorithm_parse(key, &a)) {
        fault_add(b->f, field, "is not one of MD5, SHA-256, SHA-512-256");
        return b->f->n < FAULTS_MAX;
    }
    if (!json_read_string(v, field, 1, 64, b->f, &hex))
        return true;
    if (ha1->have & 1u << a)
        fault_add(b->f, field, "is given twice");
    else if (!hex_read(hex, ha1->ha1[a], algorithm_size(a)))
        fault_add(b->f, field, "is not %zu hex digits", 2 * algorithm_size(a));
    else
        ha1->have |= (uint8_t)(1u << a);
    return true;
}

static void read_ha1(struct body *b, struct slice key, const struct json *v)
{
    if (json_is_null(v))
        return;
    if (!json_is_object(v))
        fault_add(b->f, key, "is not an object");
    else if (json_size(v) == 0)
        fault_add(b->f, key, "names no algorithm");
    else
        json_members(v, read_one_ha1, b);
}

static void read_auth_username(struct body *b, struct slice key, const struct json *v)
{
    b->c->given |= GIVEN_AUTH_USERNAME;
    if (!json_is_null(v))
        read_text(b, key, v, 1, USERNAME_MAX, &b->c->auth_username);
}

static void read_display_name(struct body *b, struct slice key, const struct json *v)
{
    b->c->given |= GIVEN_DISPLAY_NAME;
    if (!json_is_null(v))
        read_text(b, key, v, 0, DISPLAY_NAME_MAX, &b->c->display_name);
}

static void read_enabled(struct body *b, struct slice key, const struct json *v)
{
    b->c->given |= GIVEN_ENABLED;
    if (!json_is_null(v))
        json_read_bool(v, key, b->f, &b->c->enabled);
}

static void read_max_bindings(struct body *b, struct slice key, const struct json *v)
{
    int64_t n = 0;
    b->c->given |= GIVEN_MAX_BINDINGS;
    if (!json_is_null(v) && json_read_int(v, key, 0, BINDINGS_MAX, b->f, &n)) {
        b->c->has_max_bindings = true;
        b->c->max_bindings = (uint16_t)n;
    }
}

static bool read_one_label(void *arg, struct slice key, const struct json *v)
{
    struct body *b = arg;
    struct user_change *c = b->c;
    struct slice field = inner(b, "labels", key);
    size_t most = b->flags & USER_BODY_PATCH ? LABELS_MAX * 2 : LABELS_MAX;
    if (c->n_labels == most) {
        fault_add(b->f, SLICE("labels"), "has more than %zu members", most);
        return false;
    }
    struct label_change *l = &c->labels[c->n_labels++];
    *l = (struct label_change){.label = {arena_copy(b->f->arena, key), SLICE_NONE}};
    if (key.n == 0 || key.n > LABEL_KEY_MAX || !utf8_clean(key))
        fault_add(b->f, field, "the name has not 1 to %d bytes without control characters",
                  LABEL_KEY_MAX);
    else if (!l->label.key.p)
        fault_add(b->f, field, "takes more memory than there is");
    l->remove = b->flags & USER_BODY_PATCH && json_is_null(v);
    if (!l->remove)
        read_text(b, field, v, 0, LABEL_VALUE_MAX, &l->label.value);
    return b->f->n < FAULTS_MAX;
}

static int by_key(const void *a, const void *b)
{
    const struct label_change *x = a, *y = b;
    return slice_cmp(x->label.key, y->label.key);
}

static void read_labels(struct body *b, struct slice key, const struct json *v)
{
    b->c->given |= GIVEN_LABELS;
    if (json_is_null(v)) {
        b->c->clear_labels = true;
    } else if (!json_is_object(v)) {
        fault_add(b->f, key, "is not an object");
    } else {
        json_members(v, read_one_label, b);
        qsort(b->c->labels, b->c->n_labels, sizeof *b->c->labels, by_key);
    }
}

static const struct member {
    const char *name;
    void (*read)(struct body *b, struct slice key, const struct json *v); // NULL: read-only
    bool import_only;
} members[] = {
    {"domain", read_names, false},
    {"username", read_names, false},
    {"password", read_password, false},
    {"ha1", read_ha1, false},
    {"auth_username", read_auth_username, false},
    {"display_name", read_display_name, false},
    {"enabled", read_enabled, false},
    {"max_bindings", read_max_bindings, false},
    {"labels", read_labels, false},
    {"op", NULL, true},
    {"aor", NULL, false},
    {"algorithms", NULL, false},
    {"registered", NULL, false},
    {"binding_count", NULL, false},
    {"last_registered_at", NULL, false},
    {"created_at", NULL, false},
    {"updated_at", NULL, false},
};

static bool read_member(void *arg, struct slice key, const struct json *v)
{
    struct body *b = arg;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!slice_eq(key, slice_str(members[i].name)) ||
            (members[i].import_only && !(b->flags & USER_BODY_IMPORT)))
            continue;
        if (members[i].read)
            members[i].read(b, key, v);
        return b->f->n < FAULTS_MAX;
    }
    fault_add(b->f, slice_upto(key, LABEL_KEY_MAX), "is not a member of a user");
    return b->f->n < FAULTS_MAX;
}

bool user_body_read(const struct json *o, unsigned flags, struct faults *f, struct user_change *out)
{
    struct body b = {out, f, flags};
    size_t before = f->n;
    *out = (struct user_change){.flags = flags, .enabled = true, .faults = f};
    json_members(o, read_member, &b);
    if (out->password.n && json_get(o, "ha1") && !json_is_null(json_get(o, "ha1")))
        fault_add(f, SLICE("ha1"), "stands beside a password; give one of the two");
    return f->n == before;
}

bool username_valid(struct slice username)
{
    return username.n >= 1 && username.n <= USERNAME_MAX && utf8_clean(username);
}

bool user_change_name(struct user_change *c, const struct domain *domain, struct slice username)
{
    char host[DOMAIN_NAME_MAX], ours[USERNAME_MAX], theirs[USERNAME_MAX];
    size_t before = c->faults->n;
    if (!username_valid(username))
        fault_add(c->faults, SLICE("username"),
                  "has not 1 to %d bytes of UTF-8 without control characters", USERNAME_MAX);
    if (c->domain.n && !slice_eq(domain_name_read(c->domain, host), domain->name))
        fault_add(c->faults, SLICE("domain"), "is not the one in the path");
    if (c->username.n &&
        !slice_eq(user_key(domain, c->username, theirs), user_key(domain, username, ours)))
        fault_add(c->faults, SLICE("username"), "is not the one in the path");
    c->username = username;
    return c->faults->n == before;
}

// ---- Deciding -----------------------------------------------------------------------------------

static struct slice login_of(const struct user *u)
{
    return u->auth_username.n ? u->auth_username : u->username;
}

void user_change_prepare(struct user_change *c, const struct domain *domain, struct arena *arena)
{
    struct slice login = c->auth_username.n ? c->auth_username : c->username;
    struct slice realm = arena_copy(arena, domain->realm);
    if (!c->password.n || !realm.p ||
        !credentials_from_password(login, realm, c->password, &c->prepared))
        return;
    c->prepared_login = login;
    c->prepared_realm = realm;
}

static void take_settings(const struct user_change *c, bool keep, struct user *next)
{
    if (!keep || c->given & GIVEN_AUTH_USERNAME)
        next->auth_username =
            slice_eq(c->auth_username, next->username) ? SLICE_NONE : c->auth_username;
    if (!keep || c->given & GIVEN_DISPLAY_NAME)
        next->display_name = c->display_name;
    if (!keep || c->given & GIVEN_ENABLED)
        next->enabled = c->enabled;
    if (!keep || c->given & GIVEN_MAX_BINDINGS) {
        next->has_max_bindings = c->has_max_bindings;
        next->max_bindings = c->max_bindings;
    }
}

// Both lists are sorted by key.
static bool take_labels(const struct user_change *c, bool keep, const struct user *current,
                        struct user *next)
{
    if (keep && !(c->given & GIVEN_LABELS))
        return true;
    size_t n_old = keep && !c->clear_labels ? current->n_labels : 0, i = 0, k = 0;
    next->n_labels = 0;
    while (i < n_old || k < c->n_labels) {
        int order = i == n_old         ? 1
                    : k == c->n_labels ? -1
                                       : slice_cmp(current->labels[i].key, c->labels[k].label.key);
        bool drop = order >= 0 && c->labels[k].remove;
        if (!drop && next->n_labels == LABELS_MAX) {
            fault_add(c->faults, SLICE("labels"), "would have more than %d members", LABELS_MAX);
            return false;
        }
        if (!drop)
            next->labels[next->n_labels++] = order < 0 ? current->labels[i] : c->labels[k].label;
        i += order <= 0;
        k += order >= 0;
    }
    return true;
}

// What is kept of the password or HA1s that the body has; false, and no fault, where it has none.
static bool given_credentials(const struct user_change *c, const struct domain *domain,
                              const struct user *next, struct credentials *out)
{
    if (c->ha1.have) {
        *out = c->ha1;
        return true;
    }
    if (!c->password.n)
        return false;
    if (c->prepared.have && slice_eq(c->prepared_realm, domain->realm) &&
        slice_eq(c->prepared_login, login_of(next))) {
        *out = c->prepared;
        return true;
    }
    if (credentials_from_password(login_of(next), domain->realm, c->password, out))
        return true;
    fault_add(c->faults, SLICE("password"), "no digest algorithm is available here");
    return false;
}

// Made from one password, as far as can be told: then nobody needs to register anew.
static bool credentials_agree(const struct credentials *a, const struct credentials *b)
{
    bool common = a->have & b->have;
    struct credentials x = *a, y = *b;
    x.have = y.have = a->have & b->have;
    bool agree = common && credentials_equal(&x, &y);
    secret_wipe(&x, sizeof x);
    secret_wipe(&y, sizeof y);
    return agree;
}

static bool same_settings(const struct user *a, const struct user *b)
{
    if (!slice_eq(a->auth_username, b->auth_username) ||
        !slice_eq(a->display_name, b->display_name) || a->enabled != b->enabled ||
        a->has_max_bindings != b->has_max_bindings || a->n_labels != b->n_labels ||
        (a->has_max_bindings && a->max_bindings != b->max_bindings))
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (!slice_eq(a->labels[i].key, b->labels[i].key) ||
            !slice_eq(a->labels[i].value, b->labels[i].value))
            return false;
    return true;
}

enum decision user_change_decide(struct store_op *op, struct user_change *c,
                                 const struct domain *domain, const struct user *current,
                                 int64_t now_ms, struct user *next, bool *remove_bindings)
{
    char scratch[USERNAME_MAX];
    bool keep = current && c->flags & USER_BODY_PATCH;
    struct credentials given, none = {0};
    const struct credentials *had = current ? &current->credentials : &none;
    c->faults->n = 0; // of a decision that is run again
    if (!slice_eq(user_key(domain, c->username, scratch), op->username))
        return DECIDE_REFUSE;
    if (!current)
        next->username = c->username;
    take_settings(c, keep, next);
    if (!take_labels(c, keep, current, next))
        return DECIDE_REFUSE;
    bool has = given_credentials(c, domain, next, &given);
    bool agree = true, equal = true;
    if (has) {
        agree = credentials_agree(had, &given);
        equal = credentials_equal(had, &given);
        next->credentials = given;
        secret_wipe(&given, sizeof given);
    } else if (had->have && !slice_eq(login_of(current), login_of(next))) {
        fault_add(c->faults, SLICE("auth_username"),
                  "changes what credentials are made of: give a password or ha1 with it");
    }
    if (c->faults->n)
        return DECIDE_REFUSE;
    if (current && equal && same_settings(current, next))
        return DECIDE_SAME;
    if (!agree || (current && current->enabled && !next->enabled)) {
        next->credentials_set_at_ms = now_ms;
        *remove_bindings = current && !c->keep_bindings;
    }
    return DECIDE_WRITE;
}

void user_change_wipe(struct user_change *c)
{
    if (c->password.n)
        secret_wipe((char *)(uintptr_t)c->password.p, c->password.n);
    c->password = SLICE_NONE;
    secret_wipe(&c->ha1, sizeof c->ha1);
    secret_wipe(&c->prepared, sizeof c->prepared);
}
