// SPDX-License-Identifier: Apache-2.0
// See credential.h.
#include "store/credential.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static const char *const evp_names[ALGORITHM_COUNT] = {"MD5", "SHA2-256", "SHA2-512/256"};

bool secrets_setup(void)
{
    return OPENSSL_init_crypto(0, NULL) == 1 && OSSL_LIB_CTX_get0_global_default() != NULL;
}

// HA1 = H(username ":" realm ":" password). False where OpenSSL lacks the algorithm (FIPS builds
// have no MD5) or fails.
static bool make_ha1(enum algorithm a, const struct slice part[3], uint8_t out[32])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD *md = EVP_MD_fetch(NULL, evp_names[a], NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
    for (int i = 0; ok && i < 3; i++)
        ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1) &&
             (part[i].n == 0 || EVP_DigestUpdate(ctx, part[i].p, part[i].n) == 1);
    ok = ok && EVP_DigestFinal_ex(ctx, digest, &n) == 1 && n == algorithm_size(a);
    if (ok)
        memcpy(out, digest, n);
    secret_wipe(digest, sizeof digest);
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return ok;
}

bool credentials_from_password(struct slice username, struct slice realm, struct slice password,
                               struct credentials *out)
{
    const struct slice part[3] = {username, realm, password};
    memset(out, 0, sizeof *out);
    for (unsigned a = 0; a < ALGORITHM_COUNT; a++)
        if (make_ha1((enum algorithm)a, part, out->ha1[a]))
            out->have |= (uint8_t)(1u << a);
    return out->have != 0;
}

bool credentials_equal(const struct credentials *a, const struct credentials *b)
{
    bool same = a->have == b->have;
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++)
        if (a->have & b->have & 1u << i)
            same &= CRYPTO_memcmp(a->ha1[i], b->ha1[i], algorithm_size((enum algorithm)i)) == 0;
    return same;
}

void secret_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

bool secret_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

bool secret_digest(struct slice secret, uint8_t out[32])
{
    size_t n = 0;
    return EVP_Q_digest(NULL, "SHA2-256", NULL, secret.p, secret.n, out, &n) == 1 && n == 32;
}
