// SPDX-License-Identifier: Apache-2.0
// Of what we accept, libosip2 reads To, From and the Contacts as we do: scheme, user, host and tag.
// What it is known to misread is in osip.c (known_gap); what it refuses is in ours_to_decide().
#include "service/sip/message.h"
#include "service/sip/osip.h"
#include "tests/fuzz/fuzz.h"

static struct sip_request req;

// Shapes that libosip2 5.3.0 refuses or cuts although the grammar has them.
static bool ours_to_decide(const struct sip_addr *addr)
{
    (void)addr;
    return false;
}

static void check(const struct sip_addr *addr, struct arena *arena)
{
    if (osip_reads_addr(addr, arena) || ours_to_decide(addr))
        return;
    fprintf(stderr, "not read alike: %.*s\n", SLICE_FMT(addr->text));
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_fault fault = {0};
    struct arena arena;
    sip_parse_setup();
    arena_init(&arena, NULL, 0, 1 << 20);
    if (sip_parse(input(data, size), &arena, &req, &fault) == SIP_PARSED) {
        check(&req.from, &arena);
        check(&req.to, &arena);
        for (size_t i = 0; i < req.n_contacts; i++)
            check(&req.contacts[i].addr, &arena);
    }
    arena_reset(&arena);
    return 0;
}
