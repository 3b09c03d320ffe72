// SPDX-License-Identifier: Apache-2.0
// Authorization headers: parsing, and verifying what was parsed; a challenge reads back as it was
// meant.
#include "service/auth/digest.h"
#include "tests/fuzz/fuzz.h"

static void challenge(struct slice realm, struct arena *arena)
{
    char text[1024];
    struct digest d;
    struct buf b = buf_over(text, sizeof text);
    digest_challenge(&b, slice_upto(realm, 200), SLICE("n"), ALGORITHM_SHA256, true);
    HOLD(!b.full && digest_parse(buf_slice(&b), arena, &d) != DIGEST_OTHER_SCHEME);
    // qop without cnonce and nc is malformed in credentials, but all before it was read
    HOLD(slice_eq(d.realm, slice_upto(realm, 200)) && slice_eq(d.nonce, SLICE("n")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct digest_engine *engine;
    static const uint8_t ha1[32];
    struct arena arena;
    struct digest d;
    char out[64];
    if (!engine)
        engine = digest_engine_open();
    arena_init(&arena, NULL, 0, 1 << 20);
    if (digest_parse(input(data, size), &arena, &d) == DIGEST_OK) {
        HOLD(!d.has_qop || (d.has_nc && d.has_cnonce && d.nc));
        HOLD(d.username.n <= size && d.realm.n <= size && d.algorithm < ALGORITHM_COUNT);
        HOLD(!digest_verify(engine, &d, ha1, SLICE("REGISTER"), SLICE_NONE));
        digest_userhash_matches(engine, &d, SLICE("bob"));
        digest_rspauth(engine, &d, ha1, out);
    }
    challenge(input(data, size), &arena);
    arena_reset(&arena);
    return 0;
}
