// SPDX-License-Identifier: Apache-2.0
// The one table of keys. Everything else about configuration reads it: loading, checking, the
// environment's names, the reference in the docs.
#include <stddef.h>
#include <stdio.h>

#include "service/config/entry.h"

#define AT(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define DAY        86400
#define PRIVATE_NETWORKS                                                                           \
    "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/"  \
    "10"

static const char *const redirect_words[] = {"none", "route", NULL};
static const char *const flow_words[] = {"keep", "mark", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};
static const char *const format_words[] = {"text", "json", NULL};

const struct config_key config_table[] = {
    {"sip.listen", KIND_SIP_LISTEN, AT(sip.listen), "udp://0.0.0.0:5060,tcp://0.0.0.0:5060", 0, 0,
     NULL, false, false, false,
     "listeners: udp:// or tcp://, an address, a port; port 0 takes a free one"},
    {"sip.max_message", KIND_SIZE, AT(sip.max_message), "64KiB", 16384, 1 << 20, NULL, false, false,
     false, "bytes of one SIP message"},
    {"sip.transaction_memory", KIND_SIZE, AT(sip.transaction_memory), "64MiB", 8 << 20, 16ULL << 30,
     NULL, false, false, false, "bytes of replies kept for retransmissions"},
    {"sip.max_connections", KIND_COUNT, AT(sip.max_connections), "10000", 1, 1000000, NULL, false,
     false, false, "TCP connections"},
    {"sip.max_connections_per_source", KIND_COUNT, AT(sip.max_connections_per_source), "1000", 1,
     65535, NULL, false, false, false, "TCP connections of one source"},
    {"sip.idle_timeout", KIND_COUNT, AT(sip.idle_timeout), "7200", 1, 30 * DAY, NULL, false, false,
     false, "seconds of silence after which a TCP connection is closed"},
    {"sip.unauthenticated_timeout", KIND_COUNT, AT(sip.unauthenticated_timeout), "300", 1, DAY,
     NULL, false, false, false,
     "seconds a TCP connection may live without anybody authenticated on it"},
    {"sip.header_timeout", KIND_COUNT, AT(sip.header_timeout), "10", 1, 3600, NULL, false, false,
     false, "seconds for one message to arrive whole on TCP"},

    {"api.listen", KIND_HTTP_LISTEN, AT(api.listen), "http://127.0.0.1:8080", 0, 0, NULL, false,
     false, false, "where the JSON API listens"},
    {"api.admin_token", KIND_TEXTS, AT(api.admin_token), NULL, 0, 0, NULL, true, true, true,
     "bearer tokens that may do everything"},
    {"api.read_token", KIND_TEXTS, AT(api.read_token), NULL, 0, 0, NULL, true, true, true,
     "bearer tokens that may only read"},
    {"api.cors_origins", KIND_TEXTS, AT(api.cors_origins), NULL, 0, 0, NULL, false, false, true,
     "browsers' origins that may call the API"},
    {"api.max_connections", KIND_COUNT, AT(api.max_connections), "1024", 1, 100000, NULL, false,
     false, false, "HTTP connections"},
    {"api.max_streams", KIND_COUNT, AT(api.max_streams), "512", 0, 100000, NULL, false, false,
     false, "event streams"},
    {"api.max_body", KIND_SIZE, AT(api.max_body), "1MiB", 4096, 1 << 30, NULL, false, false, false,
     "bytes of a request's body, imports excepted"},
    {"api.idle_timeout", KIND_COUNT, AT(api.idle_timeout), "30", 1, 3600, NULL, false, false, false,
     "seconds of silence after which an HTTP connection is closed"},

    {"store.url", KIND_TEXT, AT(store.url), "lmdb:/var/lib/rollcall", 0, 0, NULL, false, false,
     false, "the store; the scheme picks the backend"},
    {"store.map_size", KIND_SIZE, AT(store.map_size), "256GiB", 1 << 20, 1ULL << 46, NULL, false,
     false, false, "address space reserved for the store"},
    {"store.max_size", KIND_OPTIONAL_SIZE, AT(store.max_size), "none", 1 << 20, 1ULL << 46, NULL,
     false, false, false, "bytes that the store's file may grow to"},
    {"store.lock_wait", KIND_COUNT, AT(store.lock_wait), "0", 0, DAY, NULL, false, false, false,
     "seconds to wait for another process's lock on the store"},
    {"store.changes_max", KIND_SIZE, AT(store.changes_max), "1000000", 1000, 1000000000, NULL,
     false, false, false, "events kept in the change log"},

    {"registrar.domains", KIND_TEXTS, AT(registrar.domains), NULL, 0, 0, NULL, false, false, false,
     "domains made at start if absent"},
    {"registrar.default_domain", KIND_TEXT, AT(registrar.default_domain), NULL, 0, 0, NULL, false,
     false, true,
     "the domain meant by one of our own addresses; unset: the only domain, if there is one"},
    {"registrar.min_expires", KIND_COUNT, AT(registrar.min_expires), "60", 0, 365 * DAY, NULL,
     false, false, true, "seconds; shorter is answered with 423"},
    {"registrar.default_expires", KIND_COUNT, AT(registrar.default_expires), "3600", 1, 365 * DAY,
     NULL, false, false, true, "seconds, where a phone asks for none"},
    {"registrar.max_expires", KIND_COUNT, AT(registrar.max_expires), "7200", 1, 365 * DAY, NULL,
     false, false, true, "seconds; longer is shortened"},
    {"registrar.max_bindings", KIND_COUNT, AT(registrar.max_bindings), "10", 1, BINDINGS_MAX, NULL,
     false, false, true, "bindings of one AoR"},
    {"registrar.redirect_from", KIND_NETWORKS, AT(registrar.redirect_from), PRIVATE_NETWORKS, 0, 0,
     NULL, false, false, true, "networks whose INVITE is answered with where the AoR is"},
    {"registrar.redirect_path", KIND_WORD, AT(registrar.redirect_route), "none", 0, 0,
     redirect_words, false, false, true, "route: adds the binding's Path to the 302's Contact"},
    {"registrar.expires_jitter", KIND_COUNT, AT(registrar.expires_jitter), "0", 0, 50, NULL, false,
     false, true, "percent by which granted expires are shortened at random"},
    {"registrar.nat_max_expires", KIND_OPTIONAL, AT(registrar.nat_max_expires), "none", 1,
     365 * DAY, NULL, false, false, true, "most seconds granted to a phone behind NAT"},
    {"registrar.closed_flow", KIND_WORD, AT(registrar.closed_flow_mark), "keep", 0, 0, flow_words,
     false, false, true, "mark: bindings of a closed TCP connection are shown as unreachable"},
    {"registrar.flow_timer", KIND_OPTIONAL, AT(registrar.flow_timer), "none", 1, DAY, NULL, false,
     false, true, "seconds in the Flow-Timer header (RFC 5626)"},
    {"registrar.cseq_restart", KIND_BOOL, AT(registrar.cseq_restart), "false", 0, 0, NULL, false,
     false, true, "takes a lower CSeq of the same Call-ID when the credentials' nonce is newer"},

    {"auth.algorithms", KIND_ALGORITHMS, AT(auth.algorithms), "MD5", 0, 0, NULL, false, false, true,
     "offered in this order: MD5, SHA-256, SHA-512-256"},
    {"auth.require_qop", KIND_BOOL, AT(auth.require_qop), "false", 0, 0, NULL, false, false, true,
     "refuses credentials without qop, cnonce and nc"},
    {"auth.rspauth", KIND_BOOL, AT(auth.rspauth), "false", 0, 0, NULL, false, false, true,
     "proves in each 200 that the server knows the secret too (RFC 7616 rspauth)"},
    {"auth.nonce_lifetime", KIND_COUNT, AT(auth.nonce_lifetime), "3900", 10, 30 * DAY, NULL, false,
     false, false, "seconds; longer than a usual refresh, so that a refresh is one round trip"},
    {"auth.secret", KIND_TEXT, AT(auth.secret), NULL, 0, 0, NULL, true, true, false,
     "keys the nonces; unset: random, kept in the store"},
    {"auth.nonce_table", KIND_COUNT, AT(auth.nonce_table), "1048576", 1024, 1 << 28, NULL, false,
     false, false, "nonces whose count is remembered"},

    {"abuse.exempt", KIND_NETWORKS, AT(abuse.exempt), "127.0.0.0/8,::1/128", 0, 0, NULL, false,
     false, true, "networks that are never limited or banned"},
    {"abuse.requests", KIND_OPTIONAL, AT(abuse.requests), "1000", 1, 1000000, NULL, false, false,
     true, "requests a second and source"},
    {"abuse.failures", KIND_OPTIONAL, AT(abuse.failures), "30", 1, 1000000, NULL, false, false,
     true, "failed authentications a minute and source or AoR"},
    {"abuse.ban", KIND_COUNT, AT(abuse.ban), "60", 1, 3600, NULL, false, false, true,
     "seconds of a first ban; each further one is twice as long, up to an hour"},

    {"process.seccomp", KIND_BOOL, AT(process.seccomp), "true", 0, 0, NULL, false, false, false,
     "applies a system call filter after start"},
    {"process.drain_delay", KIND_COUNT, AT(process.drain_delay), "0", 0, 3600, NULL, false, false,
     true, "seconds between not ready and the end of service after SIGTERM"},

    {"log.level", KIND_WORD, AT(log.level), "info", 0, 0, level_words, false, false, true,
     "debug, info, warning or error"},
    {"log.format", KIND_WORD, AT(log.format), "text", 0, 0, format_words, false, false, true,
     "text or json"},
};

const size_t config_table_n = sizeof config_table / sizeof *config_table;

const struct config_key *config_key_find(struct slice name)
{
    for (size_t i = 0; i < config_table_n; i++)
        if (slice_eq(slice_str(config_table[i].name), name))
            return &config_table[i];
    return NULL;
}

static void print_cell(const char *text)
{
    // commas of defaults read better with a blank
    for (; *text; text++)
        fputs(*text == ',' ? ", " : (char[2]){*text, 0}, stdout);
}

void config_print_reference(void)
{
    printf("| key | default | reload | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < config_table_n; i++) {
        const struct config_key *k = &config_table[i];
        printf("| `%s`%s | ", k->name, k->file ? " (`_file`)" : "");
        print_cell(k->def ? k->def : "none");
        printf(" | %s | %s |\n", k->reload ? "yes" : "no", k->help);
    }
}
