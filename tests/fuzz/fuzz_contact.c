// SPDX-License-Identifier: Apache-2.0
// The values of headers by themselves, without a message around them: the first byte says which.
#include "service/sip/osip.h"
#include "service/sip/values.h"
#include "tests/fuzz/fuzz.h"

static void contact(struct slice text, struct arena *arena)
{
    struct sip_contact c;
    struct slice phrase, rest, name = SLICE("expires");
    struct param param;
    if (contact_parse(text, arena, &c, &phrase) != STEP_OK)
        return;
    // what is kept has neither expires nor q, and is made of whole parameters
    rest = c.params;
    while (param_next(&rest, &param) == STEP_OK)
        HOLD(!slice_ieq(param.name, name) && !slice_ieq(param.name, SLICE("q")));
    HOLD(param_next(&rest, &param) == STEP_END);
    HOLD(c.params.n <= c.addr.params.n);
}

static void list(struct slice text)
{
    struct slice rest = text, item;
    size_t left = rest.n + 1, total = 0;
    while (list_next(&rest, &item) == STEP_OK) {
        HOLD(rest.n < left);
        left = rest.n;
        total += item.n;
    }
    HOLD(total <= text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct sip_via via;
    struct sip_addr addr;
    if (size < 1)
        return 0;
    struct slice text = input(data + 1, size - 1);
    osip_setup();
    arena_init(&arena, NULL, 0, 1 << 20);
    switch (data[0] % 4) {
    case 0:
        contact(text, &arena);
        break;
    case 1:
        if (via_parse(text, &via) == STEP_OK)
            HOLD(via.host.n && via.transport.n);
        break;
    case 2:
        if (addr_parse(text, false, &arena, &addr) == STEP_OK)
            HOLD(addr.uri_text.n && addr.tag.n <= text.n);
        break;
    default:
        list(text);
    }
    arena_reset(&arena);
    return 0;
}
