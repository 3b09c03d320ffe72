// SPDX-License-Identifier: Apache-2.0
// Text to values, a function a kind.

#include "service/config/entry.h"

static bool size_value(struct slice s, uint64_t *out)
{
    static const struct {
        struct slice suffix;
        uint64_t factor;
    } units[] = {{{"KiB", 3}, 1 << 10}, {{"MiB", 3}, 1 << 20}, {{"GiB", 3}, 1 << 30}, {{"", 0}, 1}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice suffix = units[i].suffix;
        if (s.n <= suffix.n || !slice_eq(slice_from(s, s.n - suffix.n), suffix))
            continue;
        struct slice number = slice_trim(slice_upto(s, s.n - suffix.n));
        return slice_to_u64(number, UINT64_MAX / units[i].factor, out) &&
               (*out *= units[i].factor, true);
    }
    return false;
}

static bool number(struct config_reader *r, void *to, const struct config_key *key,
                   const struct config_entry *e)
{
    bool size = key->kind == KIND_SIZE || key->kind == KIND_OPTIONAL_SIZE;
    bool optional = key->kind == KIND_OPTIONAL || key->kind == KIND_OPTIONAL_SIZE;
    struct slice s = e->values[0];
    uint64_t v = 0;
    if (!(optional && slice_eq(s, SLICE("none")))) {
        if (!(size ? size_value(s, &v) : slice_to_u64(s, UINT64_MAX, &v))) {
            config_error(r, e, "'%.*s' is not %s", SLICE_FMT(s),
                         size ? "a size (bytes, or a number with KiB, MiB or GiB)"
                              : "a whole number");
            return false;
        }
        if (v < key->least || v > key->most) {
            config_error(r, e, "%.*s is not between %llu and %llu", SLICE_FMT(s),
                         (unsigned long long)key->least, (unsigned long long)key->most);
            return false;
        }
    }
    if (key->size == sizeof(uint64_t))
        *(uint64_t *)to = v;
    else
        *(unsigned *)to = (unsigned)v;
    return true;
}

static bool boolean(struct config_reader *r, bool *to, const struct config_entry *e)
{
    struct slice s = e->values[0];
    if (slice_eq(s, SLICE("true")) || slice_eq(s, SLICE("false"))) {
        *to = s.n == 4;
        return true;
    }
    config_error(r, e, "'%.*s' is neither true nor false", SLICE_FMT(s));
    return false;
}

static bool word(struct config_reader *r, void *to, const struct config_key *key,
                 const struct config_entry *e)
{
    char all[128] = "";
    struct buf b = buf_over(all, sizeof all - 1);
    for (int i = 0; key->words[i]; i++) {
        if (slice_eq(slice_str(key->words[i]), e->values[0])) {
            if (key->size == sizeof(bool))
                *(bool *)to = i != 0;
            else
                memcpy(to, &i, sizeof i);
            return true;
        }
        buf_printf(&b, "%s%s", i ? ", " : "", key->words[i]);
    }
    config_error(r, e, "'%.*s' is none of %s", SLICE_FMT(e->values[0]), all);
    return false;
}

static bool texts(struct config_reader *r, struct config_strings *to, const struct config_entry *e)
{
    to->n = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (to->n == CONFIG_DOMAINS_MAX) {
            config_error(r, e, "more than %d values", CONFIG_DOMAINS_MAX);
            return false;
        }
        if (e->values[i].n == 0) {
            config_error(r, e, "an empty value");
            return false;
        }
        to->items[to->n++] = e->values[i];
    }
    return true;
}

static bool host_port(struct slice s, struct slice scheme, struct address *out)
{
    uint64_t port;
    if (!slice_starts(s, scheme))
        return false;
    s = slice_from(s, scheme.n);
    size_t colon = s.n;
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !slice_to_u64(slice_from(s, colon), 65535, &port))
        return false;
    struct slice host = slice_upto(s, colon - 1);
    bool brackets = host.n && host.p[0] == '[';
    if (!address_parse(host, out) || brackets != (out->family == 6))
        return false;
    out->port = (uint16_t)port;
    return true;
}

static bool sip_listen(struct config_reader *r, struct config *c, const struct config_entry *e)
{
    c->sip.n_listen = 0;
    if (e->n == 0 || e->n > CONFIG_LISTEN_MAX) {
        config_error(r, e, "1 to %d listeners are possible", CONFIG_LISTEN_MAX);
        return false;
    }
    for (size_t i = 0; i < e->n; i++) {
        struct config_listen *l = &c->sip.listen[c->sip.n_listen];
        if (host_port(e->values[i], SLICE("udp://"), &l->address)) {
            l->transport = TRANSPORT_UDP;
        } else if (host_port(e->values[i], SLICE("tcp://"), &l->address)) {
            l->transport = TRANSPORT_TCP;
        } else {
            config_error(
                r, e, "'%.*s' is not udp://ADDRESS:PORT or tcp://ADDRESS:PORT (IPv6 in brackets)",
                SLICE_FMT(e->values[i]));
            return false;
        }
        c->sip.n_listen++;
    }
    return true;
}

static bool http_listen(struct config_reader *r, struct config *c, const struct config_entry *e)
{
    if (host_port(e->values[0], SLICE("http://"), &c->api.listen))
        return true;
    config_error(r, e, "'%.*s' is not http://ADDRESS:PORT (IPv6 in brackets)",
                 SLICE_FMT(e->values[0]));
    return false;
}

static bool networks(struct config_reader *r, struct networks *to, const struct config_entry *e)
{
    to->n = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (to->n == SETTINGS_NETWORKS_MAX) {
            config_error(r, e, "more than %d networks", SETTINGS_NETWORKS_MAX);
            return false;
        }
        if (!network_parse(e->values[i], &to->items[to->n++])) {
            config_error(r, e, "'%.*s' is no network (ADDRESS or ADDRESS/BITS)",
                         SLICE_FMT(e->values[i]));
            return false;
        }
    }
    return true;
}

static bool algorithms(struct config_reader *r, struct config *c, const struct config_entry *e)
{
    c->auth.n_algorithms = 0;
    for (size_t i = 0; i < e->n; i++) {
        enum algorithm a;
        if (!algorithm_parse(e->values[i], &a)) {
            config_error(r, e, "'%.*s' is none of MD5, SHA-256, SHA-512-256",
                         SLICE_FMT(e->values[i]));
            return false;
        }
        for (size_t k = 0; k < c->auth.n_algorithms; k++)
            if (c->auth.algorithms[k] == a) {
                config_error(r, e, "%s stands there twice", algorithm_name(a));
                return false;
            }
        c->auth.algorithms[c->auth.n_algorithms++] = (uint8_t)a;
    }
    if (e->n == 0)
        config_error(r, e, "at least one algorithm is needed");
    return e->n > 0;
}

bool config_set(struct config_reader *r, struct config *c, const struct config_key *key,
                const struct config_entry *e)
{
    void *to = (char *)c + key->offset;
    bool list = key->kind == KIND_TEXTS || key->kind == KIND_SIP_LISTEN ||
                key->kind == KIND_NETWORKS || key->kind == KIND_ALGORITHMS;
    if (!list && e->n != 1) {
        config_error(r, e, e->n ? "takes one value, not a list" : "has no value");
        return false;
    }
    switch (key->kind) {
    case KIND_COUNT:
    case KIND_OPTIONAL:
    case KIND_SIZE:
    case KIND_OPTIONAL_SIZE:
        return number(r, to, key, e);
    case KIND_BOOL:
        return boolean(r, to, e);
    case KIND_WORD:
        return word(r, to, key, e);
    case KIND_TEXT:
        *(struct slice *)to = e->values[0];
        return true;
    case KIND_TEXTS:
        return texts(r, to, e);
    case KIND_SIP_LISTEN:
        return sip_listen(r, c, e);
    case KIND_HTTP_LISTEN:
        return http_listen(r, c, e);
    case KIND_NETWORKS:
        return networks(r, to, e);
    case KIND_ALGORITHMS:
        return algorithms(r, c, e);
    }
    return false;
}
