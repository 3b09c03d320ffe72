// SPDX-License-Identifier: Apache-2.0
// See domain_body.h. A body is flat, so RFC 7396's merge is done member by member on the domain
// itself: what is absent stays, what is null becomes the default.
#include "api/domain_body.h"

#include "api/api.h"
#include "api/text.h"
#include "base/address.h"
#include "store/binding.h"

enum domain_member {
    GIVEN_REALM = 1,
    GIVEN_ALIASES = 2,
    GIVEN_ALGORITHMS = 4,
    GIVEN_MIN_EXPIRES = 8,
    GIVEN_DEFAULT_EXPIRES = 16,
    GIVEN_MAX_EXPIRES = 32,
    GIVEN_MAX_BINDINGS = 64,
    GIVEN_SERVICE_ROUTE = 128,
    GIVEN_CASE = 256
};

#define EXPIRES_MOST      (365 * 86400) // as the configuration's
#define SERVICE_ROUTE_MAX 512

struct body {
    struct domain_change *c;
    struct faults *f;
    struct slice name;
};

// ---- Names --------------------------------------------------------------------------------------

static bool host_char(char c)
{
    return ascii_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
}

// Labels of 1 to 63 characters that neither begin nor end with a hyphen, the last one beginning
// with a letter, so that no half of an address is taken for a name.
static bool host_name(struct slice s)
{
    size_t label = 0;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.') {
            if (!host_char(s.p[i]))
                return false;
            continue;
        }
        if (i == label || i - label > 63 || s.p[label] == '-' || s.p[i - 1] == '-')
            return false;
        if (i == s.n && ascii_digit(s.p[label]))
            return false;
        label = i + 1;
    }
    return true;
}

struct slice domain_name_read(struct slice text, char *scratch)
{
    struct address a;
    if (address_parse(text, &a)) {
        struct buf b = buf_over(scratch, DOMAIN_NAME_MAX);
        address_print(&b, &a);
        return buf_slice(&b);
    }
    struct slice name = domain_key(text, scratch);
    return name.n && host_name(name) ? name : SLICE_NONE;
}

enum store_status domain_find(struct store_reader *reader, struct slice text, struct domain *out)
{
    char scratch[DOMAIN_NAME_MAX];
    struct slice name = domain_name_read(text, scratch);
    return name.n ? store_domain_find(reader, name, out) : STORE_NOT_FOUND;
}

// ---- Reading ------------------------------------------------------------------------------------

static bool keep(struct body *b, struct slice field, struct slice s, struct slice *out)
{
    *out = arena_copy(b->f->arena, s);
    if (!out->p)
        fault_add(b->f, field, "takes more memory than there is");
    return out->p != NULL;
}

// "aliases[3]"
static struct slice element(struct body *b, struct slice field, size_t i)
{
    char name[64];
    struct buf out = buf_over(name, sizeof name);
    buf_put(&out, field);
    buf_byte(&out, '[');
    buf_u64(&out, i);
    buf_byte(&out, ']');
    struct slice copy = arena_copy(b->f->arena, buf_slice(&out));
    return copy.p ? copy : field;
}

// How many elements to read: 0, perhaps with a fault, where it is no list or null.
static size_t list_size(struct body *b, struct slice field, const struct json *v, size_t most)
{
    if (json_is_null(v))
        return 0;
    if (!json_is_array(v)) {
        fault_add(b->f, field, "is not a list");
        return 0;
    }
    size_t n = json_size(v);
    if (n > most)
        fault_add(b->f, field, "has more than %zu entries", most);
    return n > most ? 0 : n;
}

static void read_name(struct body *b, struct slice key, const struct json *v)
{
    char scratch[DOMAIN_NAME_MAX];
    struct slice s;
    if (json_read_string(v, key, 1, DOMAIN_NAME_MAX + 2, b->f, &s) &&
        !slice_eq(domain_name_read(s, scratch), b->name))
        fault_add(b->f, key, "is not the one in the path");
}

// It stands in a quoted string of each challenge and in what phones hash; quotes and backslashes
// would be escaped by some and not by others.
static void read_realm(struct body *b, struct slice key, const struct json *v)
{
    struct slice s;
    b->c->given |= GIVEN_REALM;
    if (json_is_null(v) || !json_read_string(v, key, 1, REALM_MAX, b->f, &s))
        return;
    if (!utf8_clean(s) || slice_find(s, '"') < s.n || slice_find(s, '\\') < s.n)
        fault_add(b->f, key, "has a control character, a quote or a backslash");
    else
        keep(b, key, s, &b->c->want.realm);
}

static void read_alias(struct body *b, struct slice field, const struct json *v)
{
    struct domain *d = &b->c->want;
    char scratch[DOMAIN_NAME_MAX];
    struct slice s;
    if (!json_read_string(v, field, 1, DOMAIN_NAME_MAX + 2, b->f, &s))
        return;
    struct slice name = domain_name_read(s, scratch);
    if (!name.n) {
        fault_add(b->f, field, "is neither a host name nor an IP address");
        return;
    }
    if (slice_eq(name, b->name)) {
        fault_add(b->f, field, "is the domain's own name");
        return;
    }
    for (size_t i = 0; i < d->n_aliases; i++)
        if (slice_eq(d->aliases[i], name)) {
            fault_add(b->f, field, "stands in the list twice");
            return;
        }
    if (keep(b, field, name, &d->aliases[d->n_aliases]))
        d->n_aliases++;
}

static void read_aliases(struct body *b, struct slice key, const struct json *v)
{
    b->c->given |= GIVEN_ALIASES;
    size_t n = list_size(b, key, v, ALIASES_MAX);
    for (size_t i = 0; i < n; i++)
        read_alias(b, element(b, key, i), json_at(v, i));
}

static void read_algorithms(struct body *b, struct slice key, const struct json *v)
{
    struct domain *d = &b->c->want;
    unsigned seen = 0;
    b->c->given |= GIVEN_ALGORITHMS;
    size_t n = list_size(b, key, v, ALGORITHM_COUNT);
    if (json_is_array(v) && json_size(v) == 0)
        fault_add(b->f, key, "is empty; null means those of the configuration");
    for (size_t i = 0; i < n; i++) {
        struct slice s, field = element(b, key, i);
        enum algorithm a;
        if (!json_read_string(json_at(v, i), field, 1, 64, b->f, &s))
            continue;
        if (!algorithm_parse(s, &a)) {
            fault_add(b->f, field, "is not one of MD5, SHA-256, SHA-512-256");
        } else if (seen & 1u << a) {
            fault_add(b->f, field, "stands in the list twice");
        } else {
            seen |= 1u << a;
            d->algorithms[d->n_algorithms++] = (uint8_t)a;
        }
    }
}

static void read_number(struct body *b, struct slice key, const struct json *v)
{
    struct domain *d = &b->c->want;
    const struct {
        const char *name;
        unsigned given;
        int32_t *to, min, max;
    } numbers[] = {
        {"min_expires", GIVEN_MIN_EXPIRES, &d->min_expires, 1, EXPIRES_MOST},
        {"default_expires", GIVEN_DEFAULT_EXPIRES, &d->default_expires, 1, EXPIRES_MOST},
        {"max_expires", GIVEN_MAX_EXPIRES, &d->max_expires, 1, EXPIRES_MOST},
        {"max_bindings", GIVEN_MAX_BINDINGS, &d->max_bindings, 0, BINDINGS_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t n;
        if (!slice_eq(key, slice_str(numbers[i].name)))
            continue;
        b->c->given |= numbers[i].given;
        if (!json_is_null(v) && json_read_int(v, key, numbers[i].min, numbers[i].max, b->f, &n))
            *numbers[i].to = (int32_t)n;
    }
}

// A name-addr without a display name (RFC 3608), good enough to be sent as it is: printable ASCII
// between the only pair of angle brackets.
static bool route_valid(struct slice s)
{
    if (!slice_istarts(s, SLICE("<sip:")) && !slice_istarts(s, SLICE("<sips:")))
        return false;
    struct slice inside = slice_of(s.p + 1, s.n - 2);
    for (size_t i = 0; i < inside.n; i++)
        if (inside.p[i] <= ' ' || inside.p[i] > '~' || inside.p[i] == '<' || inside.p[i] == '>' ||
            inside.p[i] == '"')
            return false;
    return s.p[s.n - 1] == '>' && inside.p[inside.n - 1] != ':';
}

static void read_service_route(struct body *b, struct slice key, const struct json *v)
{
    struct domain *d = &b->c->want;
    b->c->given |= GIVEN_SERVICE_ROUTE;
    size_t n = list_size(b, key, v, SERVICE_ROUTES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct slice s, field = element(b, key, i);
        if (!json_read_string(json_at(v, i), field, 1, SERVICE_ROUTE_MAX, b->f, &s))
            continue;
        if (!route_valid(s))
            fault_add(b->f, field, "is not of the form <sip:host;lr>");
        else if (keep(b, field, s, &d->service_route[d->n_service_routes]))
            d->n_service_routes++;
    }
}

static void read_case(struct body *b, struct slice key, const struct json *v)
{
    if (!json_is_null(v) && json_read_bool(v, key, b->f, &b->c->want.case_insensitive_users))
        b->c->given |= GIVEN_CASE;
}

static const struct member {
    const char *name;
    void (*read)(struct body *b, struct slice key, const struct json *v); // NULL: read-only
} members[] = {
    {"domain", read_name},
    {"realm", read_realm},
    {"aliases", read_aliases},
    {"algorithms", read_algorithms},
    {"min_expires", read_number},
    {"default_expires", read_number},
    {"max_expires", read_number},
    {"max_bindings", read_number},
    {"service_route", read_service_route},
    {"case_insensitive_users", read_case},
    {"users_without_algorithm", NULL},
    {"closing", NULL},
    {"created_at", NULL},
    {"updated_at", NULL},
};

static bool read_member(void *arg, struct slice key, const struct json *v)
{
    struct body *b = arg;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (slice_eq(key, slice_str(members[i].name))) {
            if (members[i].read)
                members[i].read(b, key, v);
            return b->f->n < FAULTS_MAX;
        }
    fault_add(b->f, slice_upto(key, 64), "is not a member of a domain");
    return b->f->n < FAULTS_MAX;
}

bool domain_body_read(const struct json *o, bool patch, struct slice name,
                      const struct api_config *config, struct faults *f, struct domain_change *out)
{
    struct body b = {out, f, name};
    size_t before = f->n;
    *out = (struct domain_change){
        .patch = patch,
        .want = {.min_expires = -1, .default_expires = -1, .max_expires = -1, .max_bindings = -1},
        .faults = f,
        .min_expires = (int32_t)config->min_expires,
        .default_expires = (int32_t)config->default_expires,
        .max_expires = (int32_t)config->max_expires,
    };
    for (size_t i = 0; i < config->n_algorithms; i++)
        out->configured |= (uint8_t)(1u << config->algorithms[i]);
    json_members(o, read_member, &b);
    return f->n == before;
}

// ---- Deciding -----------------------------------------------------------------------------------

static void take_lists(const struct domain_change *c, unsigned take, struct domain *next)
{
    const struct domain *want = &c->want;
    if (take & GIVEN_ALIASES) {
        next->n_aliases = want->n_aliases;
        memcpy(next->aliases, want->aliases, sizeof next->aliases);
    }
    if (take & GIVEN_ALGORITHMS) {
        next->n_algorithms = want->n_algorithms;
        memcpy(next->algorithms, want->algorithms, sizeof next->algorithms);
    }
    if (take & GIVEN_SERVICE_ROUTE) {
        next->n_service_routes = want->n_service_routes;
        memcpy(next->service_route, want->service_route, sizeof next->service_route);
    }
}

static void take_numbers(const struct domain_change *c, unsigned take, struct domain *next)
{
    if (take & GIVEN_MIN_EXPIRES)
        next->min_expires = c->want.min_expires;
    if (take & GIVEN_DEFAULT_EXPIRES)
        next->default_expires = c->want.default_expires;
    if (take & GIVEN_MAX_EXPIRES)
        next->max_expires = c->want.max_expires;
    if (take & GIVEN_MAX_BINDINGS)
        next->max_bindings = c->want.max_bindings;
}

// The fault is the first of the two that the domain sets itself: it is never the configuration's.
static void check_order(struct domain_change *c, const struct domain *d)
{
    int32_t min = d->min_expires < 0 ? c->min_expires : d->min_expires;
    int32_t usual = d->default_expires < 0 ? c->default_expires : d->default_expires;
    int32_t max = d->max_expires < 0 ? c->max_expires : d->max_expires;
    if (min > usual)
        fault_add(c->faults, d->min_expires < 0 ? SLICE("default_expires") : SLICE("min_expires"),
                  "min_expires would be %d, more than default_expires, %d", min, usual);
    if (usual > max)
        fault_add(c->faults, d->max_expires < 0 ? SLICE("default_expires") : SLICE("max_expires"),
                  "default_expires would be %d, more than max_expires, %d", usual, max);
}

static bool same_lists(const struct domain *a, const struct domain *b)
{
    bool same = a->n_aliases == b->n_aliases && a->n_algorithms == b->n_algorithms &&
                a->n_service_routes == b->n_service_routes &&
                memcmp(a->algorithms, b->algorithms, a->n_algorithms) == 0;
    for (size_t i = 0; same && i < a->n_aliases; i++)
        same = slice_eq(a->aliases[i], b->aliases[i]);
    for (size_t i = 0; same && i < a->n_service_routes; i++)
        same = slice_eq(a->service_route[i], b->service_route[i]);
    return same;
}

static bool same_domain(const struct domain *a, const struct domain *b)
{
    return slice_eq(a->realm, b->realm) && a->min_expires == b->min_expires &&
           a->default_expires == b->default_expires && a->max_expires == b->max_expires &&
           a->max_bindings == b->max_bindings && same_lists(a, b);
}

static uint8_t offered(const struct domain_change *c, const struct domain *d)
{
    uint8_t mask = d->n_algorithms ? 0 : c->configured;
    for (size_t i = 0; i < d->n_algorithms; i++)
        mask |= (uint8_t)(1u << d->algorithms[i]);
    return mask;
}

// Why what is there cannot become `next`; NULL where it can.
static const char *conflict_of(const struct domain *current, uint64_t users,
                               const struct domain *next)
{
    if (current->closing)
        return "the domain is being deleted";
    if (current->case_insensitive_users != next->case_insensitive_users)
        return "case_insensitive_users is chosen when a domain is made";
    if (users && !slice_eq(current->realm, next->realm))
        return "the realm cannot change while there are users: their credentials contain it";
    return NULL;
}

enum decision domain_change_decide(struct store_op *op, struct domain_change *c,
                                   const struct domain *current, uint64_t users,
                                   struct domain *next)
{
    unsigned take = current && c->patch ? c->given : ~0u;
    c->faults->n = 0; // of a decision that is run again
    c->conflict = NULL;
    c->enabled = 0;
    take_lists(c, take, next);
    take_numbers(c, take, next);
    if (take & GIVEN_REALM)
        next->realm = c->want.realm.n ? c->want.realm : op->domain;
    if (!current || c->given & GIVEN_CASE)
        next->case_insensitive_users = c->want.case_insensitive_users;
    check_order(c, next);
    if (current)
        c->conflict = conflict_of(current, users, next);
    if (current && users)
        c->enabled = offered(c, next) & (uint8_t)~offered(c, current);
    if (c->faults->n || c->conflict)
        return DECIDE_REFUSE;
    return current && same_domain(current, next) ? DECIDE_SAME : DECIDE_WRITE;
}
