// SPDX-License-Identifier: Apache-2.0
// What the wire brings as JSON, addresses of record and times both ways: the first byte says which.
#include "api/json.h"
#include "api/param.h"
#include "api/show.h"
#include "tests/fuzz/fuzz.h"

// Whatever the phone said, the answer is JSON with all its members once.
static void binding(struct slice text, unsigned which)
{
    struct binding b = {.id = 1, .contact = SLICE("sip:a@b"), .q = -1};
    struct slice *fields[] = {&b.params, &b.contact, &b.call_id, &b.user_agent, &b.instance};
    char why[160];
    struct text t;
    if (memchr(text.p, '\0', text.n))
        return; // no message with one is taken
    *fields[which % (sizeof fields / sizeof *fields)] = text;
    text_init(&t, 1 << 20);
    show_binding(&t, SLICE("example.com"), SLICE("alice"), &b, VIEW_FULL);
    HOLD(!t.bad);
    struct json *json = json_parse(text_slice(&t), why, sizeof why);
    HOLD(json && json_size(json) == 20);
    json_free(json);
    text_free(&t);
}

// What is read as an address of record is shown as one that is read alike.
static void aor(struct slice text)
{
    char memory[8192];
    struct arena arena;
    struct slice domain, user, domain_again, user_again;
    struct text t;
    arena_init(&arena, memory, sizeof memory, 1 << 20);
    text_init(&t, 8192);
    if (read_aor(text, &arena, &domain, &user) && domain.n <= DOMAIN_NAME_MAX &&
        user.n <= USERNAME_MAX) {
        HOLD(user.n && domain.n);
        show_aor(&t, domain, user);
        HOLD(!t.bad && t.n > 2);
        HOLD(read_aor(slice_of(t.p + 1, t.n - 2), &arena, &domain_again, &user_again));
        HOLD(slice_eq(domain, domain_again) && slice_eq(user, user_again));
    }
    text_free(&t);
    arena_reset(&arena);
}

static void time_both_ways(struct slice text)
{
    char printed[64];
    struct buf b = buf_over(printed, sizeof printed);
    int64_t ms, again;
    if (!time_read(text, &ms))
        return;
    buf_rfc3339(&b, ms);
    HOLD(b.full || (time_read(buf_slice(&b), &again) && again == ms));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice text = input(data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
        aor(text);
        break;
    case 1:
        time_both_ways(text);
        break;
    default:
        binding(text, data[0] % 8 - 2u);
    }
    return 0;
}
