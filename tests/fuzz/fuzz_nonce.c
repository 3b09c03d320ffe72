// SPDX-License-Identifier: Apache-2.0
// Nonces and their counts against a plain set of what was used: none is good twice, whatever the
// table forgot. Each two bytes of the input use one of 16 nonces with one of 64 counts.
#include "service/auth/nonce.h"
#include "tests/fuzz/fuzz.h"

#define NONCES 16
#define COUNTS 64
#define START  INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nonce_config config = {.lifetime_ms = 60000, .started_ms = START, .table_size = 8};
    struct nonces *n = nonces_open(&config);
    struct choices c = {data, data + size};
    struct address source = {.family = 4};
    char text[NONCES][NONCE_LENGTH];
    bool used[NONCES][COUNTS] = {0};
    int64_t now = START, made[NONCES], got;
    HOLD(n);
    for (int i = 0; i < NONCES; i++) {
        made[i] = now += choose(&c, 16) * 500;
        nonce_make(n, ALGORITHM_MD5, SLICE("r"), &source, now, text[i]);
    }
    while (c.p < c.end) {
        unsigned i = choose(&c, NONCES), nc = choose(&c, COUNTS);
        struct nonce nonce;
        HOLD(nonce_read(slice_of(text[i], NONCE_LENGTH), &nonce));
        now += choose(&c, 4) * 1000;
        enum nonce_verdict v = nonce_check(n, &nonce, ALGORITHM_MD5, SLICE("r"), nc, 0, now, &got);
        HOLD(v != NONCE_FOREIGN && got == made[i]);
        HOLD(v == NONCE_STALE || now - made[i] <= 60000);
        if (v != NONCE_GOOD)
            continue;
        HOLD(nonce_use(n, &nonce, nc, now));
        nc = nc ? nc : 1;
        HOLD(!used[i][nc]);
        used[i][nc] = true;
        HOLD(!nonce_use(n, &nonce, nc, now));
    }
    nonces_close(n);
    return 0;
}
