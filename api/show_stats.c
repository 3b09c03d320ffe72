// SPDX-License-Identifier: Apache-2.0
// The numbers of users and bindings as JSON: from counters, however many they are.
#include "api/import.h"
#include "api/show.h"

// Domains that are shown by name, the first ones in order; the sums are of all.
#define DOMAINS_SHOWN 1000
#define STATS_MAX     (1u << 20)

static void show_numbers(struct text *t, uint64_t users, uint64_t registered, uint64_t bindings)
{
    json_key(t, "users"), json_u64(t, users);
    json_key(t, "registered_users"), json_u64(t, registered);
    json_key(t, "bindings"), json_u64(t, bindings);
}

static enum store_status show_domains(struct text *t, struct store_reader *reader)
{
    struct slice after = SLICE_NONE;
    struct domain domain;
    struct store_domain_counts counts;
    enum store_status st = STORE_OK;
    json_open(t, '{');
    for (unsigned i = 0; i < DOMAINS_SHOWN && st == STORE_OK; i++) {
        st = store_domain_next(reader, after, &domain);
        if (st == STORE_OK)
            st = store_domain_count(reader, domain.name, &counts);
        if (st != STORE_OK)
            break;
        json_data_key(t, domain.name), json_open(t, '{');
        show_numbers(t, counts.users, counts.registered_users, counts.bindings);
        json_close(t, '}');
        after = domain.name;
    }
    json_close(t, '}');
    return st == STORE_NOT_FOUND ? STORE_OK : st;
}

enum store_status show_stats(struct text *t, struct store *s, struct store_reader *reader)
{
    struct store_counts counts;
    store_counts(s, &counts);
    json_open(t, '{');
    show_numbers(t, counts.users, counts.registered_users, counts.bindings);
    json_key(t, "by_domain");
    enum store_status st = show_domains(t, reader);
    json_key(t, "by_transport"), json_open(t, '{');
    for (unsigned i = 0; i < TRANSPORT_COUNT; i++) {
        json_key(t, transport_name((enum transport)i));
        json_u64(t, counts.by_transport[i]);
    }
    json_close(t, '}');
    json_close(t, '}');
    return st;
}

int api_stats_json(struct store *s, struct buf *out)
{
    struct store_reader *reader;
    struct text t;
    int rc = -1;
    if (store_reader_open(s, &reader) != 0)
        return -1;
    text_init(&t, STATS_MAX);
    if (store_reader_begin(reader) != STORE_OK)
        goto out;
    if (show_stats(&t, s, reader) == STORE_OK && !t.bad) {
        buf_put(out, text_slice(&t));
        rc = out->full ? -1 : 0;
    }
    store_reader_end(reader);
out:
    text_free(&t);
    store_reader_close(reader);
    return rc;
}
