// SPDX-License-Identifier: Apache-2.0
// The arithmetic of Digest (RFC 7616 section 3.4.1), with OpenSSL's algorithms fetched once and one
// context used again: a fetch costs more than the hash.
#include "service/auth/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/credential.h"

#define DIGEST_MAX 32
#define A2_MAX     256 // a longer one is hashed each time

struct hex {
    char text[2 * DIGEST_MAX];
};

// H(A2) that was asked for last: all phones of a domain send the same method and URI.
struct known_a2 {
    enum algorithm algorithm;
    size_t n_method, n_uri;
    char text[A2_MAX]; // one behind the other
    struct hex hash;
};

struct digest_engine {
    EVP_MD *md[ALGORITHM_COUNT]; // NULL where OpenSSL has none
    EVP_MD_CTX *ctx;
    struct known_a2 request, answer; // of a response, of a rspauth (which has no method)
    uint8_t dummy_ha1[DIGEST_MAX];   // random
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
    random_bytes(e->dummy_ha1, sizeof e->dummy_ha1);
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

static bool update(struct digest_engine *e, struct slice s)
{
    return s.n == 0 || EVP_DigestUpdate(e->ctx, s.p, s.n) == 1;
}

// What was collected goes in; it may be a secret.
static bool flush(struct digest_engine *e, struct buf *b)
{
    bool ok = update(e, buf_slice(b));
    secret_wipe(b->p, b->n);
    b->n = 0;
    return ok;
}

// H(part[0]:part[1]:...); false when OpenSSL fails. What is short goes in by one call: each costs a
// third of a block of MD5.
static bool hash(struct digest_engine *e, enum algorithm a, const struct slice *part, size_t n,
                 uint8_t out[DIGEST_MAX])
{
    char text[512];
    struct buf b = buf_over(text, sizeof text);
    bool ok = e->md[a] && EVP_DigestInit_ex2(e->ctx, e->md[a], NULL) == 1;
    for (size_t i = 0; ok && i < n; i++) {
        bool fits = part[i].n < b.cap - b.n; // with its colon
        if (!fits)
            ok = flush(e, &b);
        if (i)
            buf_byte(&b, ':');
        if (fits)
            buf_put(&b, part[i]);
        else
            ok = ok && flush(e, &b) && update(e, part[i]);
    }
    return flush(e, &b) && ok && EVP_DigestFinal_ex(e->ctx, out, NULL) == 1;
}

static struct slice to_hex(struct hex *h, const uint8_t *bytes, enum algorithm a)
{
    struct buf b = buf_over(h->text, sizeof h->text);
    buf_hex(&b, bytes, algorithm_size(a));
    return buf_slice(&b);
}

// H(method:uri) in hex; false when OpenSSL fails.
static bool hash_a2(struct digest_engine *e, enum algorithm a, struct slice method,
                    struct slice uri, struct hex *out)
{
    struct known_a2 *known = method.n ? &e->request : &e->answer;
    uint8_t bytes[DIGEST_MAX];
    if (known->n_uri && known->algorithm == a &&
        slice_eq(slice_of(known->text, known->n_method), method) &&
        slice_eq(slice_of(known->text + known->n_method, known->n_uri), uri)) {
        *out = known->hash;
        return true;
    }
    if (!hash(e, a, (struct slice[]){method, uri}, 2, bytes))
        return false;
    to_hex(out, bytes, a);
    if (method.n + uri.n > sizeof known->text)
        return true;
    struct buf b = buf_over(known->text, sizeof known->text);
    buf_put(&b, method);
    buf_put(&b, uri);
    known->algorithm = a;
    known->n_method = method.n;
    known->n_uri = uri.n;
    known->hash = *out;
    return true;
}

// The final hash over HA1, the nonce's part and H(A2), where A2 is `method`:uri[:H(body)].
static bool respond(struct digest_engine *e, const struct digest *d, const uint8_t *ha1,
                    struct slice method, struct slice body, uint8_t out[DIGEST_MAX])
{
    enum algorithm a = d->algorithm;
    uint8_t bytes[DIGEST_MAX];
    struct hex first, session, second, body_hash;
    struct slice one = to_hex(&first, ha1, a);
    bool integrity = d->has_qop && slice_ieq(d->qop_text, SLICE("auth-int"));
    if (d->sess) {
        if (!hash(e, a, (struct slice[]){one, d->nonce, d->cnonce}, 3, bytes))
            return false;
        one = to_hex(&session, bytes, a);
    }
    if (integrity) {
        if (!hash(e, a, &body, 1, bytes))
            return false;
        struct slice third = to_hex(&body_hash, bytes, a);
        if (!hash(e, a, (struct slice[]){method, d->uri, third}, 3, bytes))
            return false;
        to_hex(&second, bytes, a);
    } else if (!hash_a2(e, a, method, d->uri, &second)) {
        return false;
    }
    struct slice two = slice_of(second.text, 2 * algorithm_size(a));
    bool ok =
        d->has_qop
            ? hash(e, a, (struct slice[]){one, d->nonce, d->nc_text, d->cnonce, d->qop_text, two},
                   6, out)
            : hash(e, a, (struct slice[]){one, d->nonce, two}, 3, out);
    secret_wipe(&first, sizeof first);
    if (d->sess)
        secret_wipe(&session, sizeof session);
    return ok;
}

// One more than a digit's value; 0: no digit.
// clang-format off
static const uint8_t hex_values[256] = {
    ['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ['A'] = 11, 12, 13, 14, 15, 16,
    ['a'] = 11, 12, 13, 14, 15, 16,
};
// clang-format on

static bool from_hex(struct slice text, uint8_t *out, size_t n)
{
    uint32_t none = 0; // 16 or more once there was a byte that is no digit
    if (text.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = (const unsigned char *)text.p + 2 * i;
        uint32_t high = hex_values[p[0]] - 1u, low = hex_values[p[1]] - 1u;
        none |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return none < 16;
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

const uint8_t *digest_dummy_ha1(const struct digest_engine *e)
{
    return e->dummy_ha1;
}

bool digest_userhash_matches(struct digest_engine *e, const struct digest *d, struct slice username)
{
    uint8_t given[DIGEST_MAX], right[DIGEST_MAX];
    size_t n = algorithm_size(d->algorithm);
    return from_hex(d->username, given, n) &&
           hash(e, d->algorithm, (struct slice[]){username, d->realm}, 2, right) &&
           secret_equal(slice_of((const char *)given, n), slice_of((const char *)right, n));
}
