// SPDX-License-Identifier: Apache-2.0
#include "api/access.h"

#include <pthread.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/hash.h"
#include "store/credential.h"

// Sources that have shown a wrong token lately. A set of four slots is searched; when all are taken
// the one whose window began first gives way.
#define SETS 1024
#define WAYS 4

struct failures {
    struct address source;
    int64_t since_ms; // start of the window; 0: free
    unsigned n;
};

struct words {
    struct slice items[API_ORIGINS_MAX];
    size_t n;
};

struct access {
    pthread_mutex_t lock;
    struct words admin, read, origins;
    struct hash_key key;
    struct failures table[SETS][WAYS];
};

_Static_assert(API_TOKENS_MAX <= API_ORIGINS_MAX, "one kind of list holds both");

struct access *access_open(void)
{
    struct access *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    if (pthread_mutex_init(&a->lock, NULL)) {
        free(a);
        return NULL;
    }
    a->key = hash_key_random();
    return a;
}

static void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char *p = (char *)(uintptr_t)w->items[i].p;
        secret_wipe(p, w->items[i].n);
        free(p);
    }
    w->n = 0;
}

static bool words_copy(struct words *w, const struct slice *items, size_t n)
{
    *w = (struct words){.n = 0};
    for (size_t i = 0; i < n && i < API_ORIGINS_MAX; i++) {
        char *p = malloc(items[i].n + 1);
        if (!p)
            return false;
        if (items[i].n)
            memcpy(p, items[i].p, items[i].n);
        w->items[w->n++] = slice_of(p, items[i].n);
    }
    return true;
}

void access_close(struct access *a)
{
    if (!a)
        return;
    words_free(&a->admin);
    words_free(&a->read);
    words_free(&a->origins);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

bool access_configure(struct access *a, const struct access_tokens *tokens)
{
    struct words admin = {.n = 0}, read = {.n = 0}, origins = {.n = 0}, swap;
    bool ok = words_copy(&admin, tokens->admin, tokens->n_admin) &&
              words_copy(&read, tokens->read, tokens->n_read) &&
              words_copy(&origins, tokens->origins, tokens->n_origins);
    if (ok) {
        pthread_mutex_lock(&a->lock);
        swap = a->admin, a->admin = admin, admin = swap;
        swap = a->read, a->read = read, read = swap;
        swap = a->origins, a->origins = origins, origins = swap;
        pthread_mutex_unlock(&a->lock);
    }
    words_free(&admin);
    words_free(&read);
    words_free(&origins);
    return ok;
}

// ---- Hosts and origins ------------------------------------------------------------------------

// RFC 6761 section 6.3: names under localhost are the machine itself.
bool host_is_loopback(struct slice host)
{
    struct address a;
    struct slice local = SLICE("localhost");
    size_t end = host.n && host.p[0] == '[' ? slice_find(host, ']') + 1 : slice_find(host, ':');
    struct slice name = slice_upto(host, end);
    struct slice port = slice_from(host, name.n);
    uint64_t number;
    if (port.n && (port.p[0] != ':' || !slice_to_u64(slice_from(port, 1), 65535, &number)))
        return false;
    if (slice_ieq(name, local))
        return true;
    if (name.n > local.n + 1 && name.p[name.n - local.n - 1] == '.' &&
        slice_ieq(slice_from(name, name.n - local.n), local))
        return true;
    static const uint8_t one[16] = {[15] = 1};
    return address_parse(name, &a) &&
           (a.family == 4 ? a.ip[12] == 127 : memcmp(a.ip, one, sizeof one) == 0);
}

static bool origin_is_loopback(struct slice origin)
{
    struct slice http = SLICE("http://"), https = SLICE("https://");
    if (slice_istarts(origin, http))
        return host_is_loopback(slice_from(origin, http.n));
    return slice_istarts(origin, https) && host_is_loopback(slice_from(origin, https.n));
}

static bool words_have(const struct words *w, struct slice text)
{
    for (size_t i = 0; i < w->n; i++)
        if (slice_eq(w->items[i], text))
            return true;
    return false;
}

bool access_origin(struct access *a, struct slice origin, bool *any)
{
    pthread_mutex_lock(&a->lock);
    *any = a->origins.n > 0;
    bool known = origin.n && words_have(&a->origins, origin);
    pthread_mutex_unlock(&a->lock);
    return known;
}

// ---- Tokens -----------------------------------------------------------------------------------

// All are compared, so that the time says neither which nor how much of one was right.
static bool token_among(const struct words *w, struct slice token)
{
    unsigned found = 0;
    for (size_t i = 0; i < w->n; i++)
        found |= (unsigned)secret_equal(w->items[i], token) & (w->items[i].n > 0);
    return found;
}

static struct slice bearer_token(struct slice authorization)
{
    struct slice scheme = SLICE("Bearer ");
    if (!slice_istarts(authorization, scheme))
        return SLICE_NONE;
    return slice_trim(slice_from(authorization, scheme.n));
}

// The source as it is counted: a host, or the /64 that an IPv6 one lives in.
static struct address source_of(const struct address *source)
{
    struct address a = *source;
    a.port = 0;
    if (a.family == 6)
        memset(a.ip + 8, 0, 8);
    return a;
}

static struct failures *slot_of(struct access *a, const struct address *source, int64_t now_ms)
{
    uint64_t hash = hash64(a->key, slice_of((const char *)source->ip, sizeof source->ip));
    struct failures *set = a->table[hash % SETS], *best = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].since_ms && address_same_host(&set[i].source, source) &&
            now_ms - set[i].since_ms < ACCESS_WINDOW_MS)
            return &set[i];
        if (set[i].since_ms < best->since_ms)
            best = &set[i];
    }
    *best = (struct failures){.source = *source, .since_ms = now_ms};
    return best;
}

static enum access_verdict count_failure(struct access *a, const struct access_ask *ask,
                                         unsigned *retry_after_s)
{
    struct address source = source_of(ask->source);
    struct failures *f = slot_of(a, &source, ask->now_ms);
    if (f->n < ACCESS_FAILURES_MAX) {
        f->n++;
        return ACCESS_WRONG;
    }
    int64_t left = f->since_ms + ACCESS_WINDOW_MS - ask->now_ms;
    *retry_after_s = (unsigned)((left + 999) / 1000);
    return ACCESS_THROTTLED;
}

static enum access_verdict check(struct access *a, const struct access_ask *ask, enum scope *scope,
                                 unsigned *retry_after_s)
{
    bool no_tokens = a->admin.n + a->read.n == 0;
    *scope = no_tokens ? SCOPE_ADMIN : SCOPE_NONE;
    if (no_tokens && !host_is_loopback(ask->host))
        return ACCESS_HOST;
    // A page of another site can make its visitor's browser send this to us
    if (no_tokens && ask->origin.n && !origin_is_loopback(ask->origin) &&
        !words_have(&a->origins, ask->origin))
        return ACCESS_ORIGIN;
    if (no_tokens || ask->open)
        return ACCESS_GRANTED;
    struct slice token = bearer_token(ask->authorization);
    bool admin = token_among(&a->admin, token), read = token_among(&a->read, token);
    *scope = admin ? SCOPE_ADMIN : read ? SCOPE_READ : SCOPE_NONE;
    if (*scope != SCOPE_NONE)
        return ACCESS_GRANTED;
    return ask->authorization.n ? count_failure(a, ask, retry_after_s) : ACCESS_MISSING;
}

enum access_verdict access_check(struct access *a, const struct access_ask *ask, enum scope *scope,
                                 unsigned *retry_after_s)
{
    pthread_mutex_lock(&a->lock);
    enum access_verdict verdict = check(a, ask, scope, retry_after_s);
    pthread_mutex_unlock(&a->lock);
    return verdict;
}
