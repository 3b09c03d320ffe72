// SPDX-License-Identifier: Apache-2.0
// The arithmetic of Digest (RFC 7616 section 3.4.1), with OpenSSL's algorithms fetched once and one
// context used again: a fetch costs more than the hash.
#include "service/auth/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/credential.h"

#define DIGEST_MAX 32

struct digest_engine {
    EVP_MD *md[ALGORITHM_COUNT]; // NULL where OpenSSL has none
    EVP_MD_CTX *ctx;
    struct hash_key dummy_key;
};

struct digest_engine *digest_engine_open(void)
{
    static const char *const names[ALGORITHM_COUNT] = {"MD5", "SHA2-256", "SHA2-512/256"};
    struct digest_engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        e->md[i] = EVP_MD_fetch(NULL, names[i], NULL);
    e->ctx = EVP_MD_CTX_new();
    e->dummy_key = hash_key_random();
    if (!e->ctx || (!e->md[ALGORITHM_MD5] && !e->md[ALGORITHM_SHA256])) {
        digest_engine_close(e);
        return NULL;
    }
    return e;
}

void digest_engine_close(struct digest_engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        EVP_MD_free(e->md[i]);
    EVP_MD_CTX_free(e->ctx);
    free(e);
}

bool digest_engine_has(const struct digest_engine *e, enum algorithm a)
{
    return e->md[a] != NULL;
}

// H(part[0]:part[1]:...); false when OpenSSL fails.
static bool hash(struct digest_engine *e, enum algorithm a, const struct slice *part, size_t n,
                 uint8_t out[DIGEST_MAX])
{
    bool ok = e->md[a] && EVP_DigestInit_ex2(e->ctx, e->md[a], NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = (i == 0 || EVP_DigestUpdate(e->ctx, ":", 1) == 1) &&
             (part[i].n == 0 || EVP_DigestUpdate(e->ctx, part[i].p, part[i].n) == 1);
    return ok && EVP_DigestFinal_ex(e->ctx, out, NULL) == 1;
}

struct hex {
    char text[2 * DIGEST_MAX];
};

static struct slice to_hex(struct hex *h, const uint8_t *bytes, enum algorithm a)
{
    struct buf b = buf_over(h->text, sizeof h->text);
    buf_hex(&b, bytes, algorithm_size(a));
    return buf_slice(&b);
}

// The final hash over HA1, the nonce's part and H(A2), where A2 is `method`:uri[:H(body)].
static bool respond(struct digest_engine *e, const struct digest *d, const uint8_t *ha1,
                    struct slice method, struct slice body, uint8_t out[DIGEST_MAX])
{
    enum algorithm a = d->algorithm;
    uint8_t bytes[DIGEST_MAX];
    struct hex first, session, second, body_hash;
    struct slice one = to_hex(&first, ha1, a), two;
    bool integrity = d->has_qop && slice_ieq(d->qop_text, SLICE("auth-int"));
    if (d->sess) {
        if (!hash(e, a, (struct slice[]){one, d->nonce, d->cnonce}, 3, bytes))
            return false;
        one = to_hex(&session, bytes, a);
    }
    struct slice a2[3] = {method, d->uri, SLICE_NONE};
    if (integrity) {
        if (!hash(e, a, &body, 1, bytes))
            return false;
        a2[2] = to_hex(&body_hash, bytes, a);
    }
    if (!hash(e, a, a2, integrity ? 3 : 2, bytes))
        return false;
    two = to_hex(&second, bytes, a);
    bool ok =
        d->has_qop
            ? hash(e, a, (struct slice[]){one, d->nonce, d->nc_text, d->cnonce, d->qop_text, two},
                   6, out)
            : hash(e, a, (struct slice[]){one, d->nonce, two}, 3, out);
    secret_wipe(&first, sizeof first);
    secret_wipe(&session, sizeof session);
    return ok;
}

static bool from_hex(struct slice text, uint8_t *out, size_t n)
{
    if (text.n != 2 * n)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = ascii_lower(text.p[i]);
        if (!ascii_digit(c) && (c < 'a' || c > 'f'))
            return false;
        uint8_t v = (uint8_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
    }
    return true;
}

bool digest_verify(struct digest_engine *e, const struct digest *d, const uint8_t *ha1,
                   struct slice method, struct slice body)
{
    uint8_t given[DIGEST_MAX], right[DIGEST_MAX];
    size_t n = algorithm_size(d->algorithm);
    bool well_formed = from_hex(d->response, given, n);
    if (!respond(e, d, ha1, method, body, right) || !well_formed)
        return false;
    return secret_equal(slice_of((const char *)given, n), slice_of((const char *)right, n));
}

void digest_rspauth(struct digest_engine *e, const struct digest *d, const uint8_t *ha1, char *out)
{
    uint8_t bytes[DIGEST_MAX] = {0};
    struct buf b = buf_over(out, 2 * algorithm_size(d->algorithm));
    if (respond(e, d, ha1, SLICE_NONE, SLICE_NONE, bytes))
        buf_hex(&b, bytes, algorithm_size(d->algorithm));
    else
        memset(out, '0', 2 * algorithm_size(d->algorithm));
}

void digest_dummy_ha1(struct digest_engine *e, struct slice username, uint8_t out[32])
{
    uint64_t seed = hash64(e->dummy_key, username);
    for (size_t i = 0; i < 4; i++) {
        struct hash_key key = {e->dummy_key.k0 ^ seed, e->dummy_key.k1 + i};
        uint64_t v = hash64(key, username);
        memcpy(out + 8 * i, &v, sizeof v);
    }
}

bool digest_userhash_matches(struct digest_engine *e, const struct digest *d, struct slice username)
{
    uint8_t given[DIGEST_MAX], right[DIGEST_MAX];
    size_t n = algorithm_size(d->algorithm);
    return from_hex(d->username, given, n) &&
           hash(e, d->algorithm, (struct slice[]){username, d->realm}, 2, right) &&
           secret_equal(slice_of((const char *)given, n), slice_of((const char *)right, n));
}
