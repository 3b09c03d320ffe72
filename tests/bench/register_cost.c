// SPDX-License-Identifier: Apache-2.0
// What a registration costs the whole process in user space, for tests/checks/register_cost.sh:
// phones ask, register and refresh in batches, with the load generator's messages, and each phase
// is one call of measured(), which callgrind counts the instructions of in all threads.
//
//   register_cost URL     with a store there (memory:, lmdb:FOLDER); prints the compiler's version,
//                         then "phase<TAB>messages" for each phase
//
// Nothing here is random or depends on the machine, so that the counts are the same each time.
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load.h"
#include "tests/bench/rig.h"

#define PHONES  1024
#define REFRESH 4 // rounds that are counted together

// In the place of libc's: keys of hash tables, nonces, the store's identity.
ssize_t getrandom(void *out, size_t n, unsigned flags)
{
    static uint64_t state = 1;
    unsigned char *p = out;
    (void)flags;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(state >> 56);
    }
    return (ssize_t)n;
}

struct bench {
    struct rig rig;
    struct options options;
    struct message_maker *maker;
    struct phone phones[PHONES];
    unsigned expected; // the status of the answers
    unsigned good;
    struct {
        struct slice bytes;
        struct address from;
    } * messages;
    size_t n_messages;
};

static void answered(void *arg, struct slice bytes)
{
    struct bench *b = arg;
    struct answer a;
    rig_must(message_answer(bytes.p, bytes.n, &a) && a.index < PHONES, "no answer of ours");
    if (a.status != b->expected)
        return;
    b->good++;
    if (!a.nonce)
        return;
    struct phone *p = &b->phones[a.index];
    rig_must(a.nonce_length <= sizeof p->nonce, "a long nonce");
    memcpy(p->nonce, a.nonce, a.nonce_length);
    p->nonce_length = (uint16_t)a.nonce_length;
    p->nc = 0;
}

// As the SIP thread's loop does it, RIG_BATCH messages a round.
static void run(void *arg)
{
    struct bench *b = arg;
    struct rig *g = &b->rig;
    for (size_t i = 0; i < b->n_messages;) {
        pipeline_begin(&g->pipeline);
        for (size_t k = 0; k < RIG_BATCH && i < b->n_messages; k++, i++) {
            g->flow.remote = b->messages[i].from;
            struct request *r = rig_request(g, b->messages[i].bytes);
            rig_must(pipeline_admit(&g->pipeline, &g->flow.remote), "a limit is reached");
            pipeline_take(&g->pipeline, r);
        }
        rig_settle(g);
    }
}

// The next message of each phone, ahead of what is counted.
static void prepare(struct bench *b, bool authorize)
{
    for (unsigned i = 0; i < PHONES; i++) {
        char text[MESSAGE_MAX], *copy;
        size_t n = message_register(b->maker, &b->phones[i], i, authorize, false, text);
        rig_must((copy = malloc(n)) != NULL, "memory");
        memcpy(copy, text, n);
        struct address from;
        rig_must(address_parse(SLICE("10.0.0.0"), &from), "address");
        from.ip[14] = (uint8_t)(i >> 8);
        from.ip[15] = (uint8_t)i;
        from.port = 5060;
        b->messages[b->n_messages].bytes = slice_of(copy, n);
        b->messages[b->n_messages++].from = from;
    }
}

static void phase(struct bench *b, const char *name, unsigned expected)
{
    b->expected = expected;
    b->good = 0;
    measured(run, b);
    rig_must(b->good == b->n_messages, name);
    printf("%s\t%zu\n", name, b->n_messages);
    for (size_t i = 0; i < b->n_messages; i++)
        free((void *)(uintptr_t)b->messages[i].bytes.p);
    b->n_messages = 0;
}

static void open_bench(struct bench *b, const char *url)
{
    struct rig *g = &b->rig;
    b->options = (struct options){.domain = "example.com",
                                  .password = RIG_PASSWORD,
                                  .algorithm = "MD5",
                                  .transport = "udp",
                                  .mode = MODE_REFRESH,
                                  .expires = 3600,
                                  .run = 0x726f6c6c63616c6c};
    b->messages = calloc(PHONES * REFRESH, sizeof *b->messages);
    b->maker = message_maker_new(&b->options);
    rig_must(b->messages && b->maker, "memory");
    rig_open(g, url);
    g->answer = answered;
    g->answer_arg = b;
    // As shipped
    g->settings.abuse_requests = 1000;
    g->settings.abuse_failures = 30;
    g->settings.abuse_ban_s = 60;
    for (unsigned i = 0; i < PHONES; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%06u", i);
        rig_add_user(g, name);
        message_ha1(b->maker, i, b->phones[i].ha1);
    }
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    if (argc != 2)
        rig_fail("usage: register_cost URL");
    rig_must(b, "memory");
    printf("compiler\t%s\n", __VERSION__);
    open_bench(b, argv[1]);
    prepare(b, false);
    phase(b, "first challenge", 401);
    prepare(b, true);
    phase(b, "first registration", 200);
    for (unsigned round = 0; round < REFRESH; round++)
        prepare(b, true);
    phase(b, "refresh", 200);
    prepare(b, false);
    phase(b, "challenge", 401);
    prepare(b, true);
    phase(b, "registration after a challenge", 200);
    rig_close(&b->rig);
    message_maker_free(b->maker);
    free(b->messages);
    free(b);
    return 0;
}
