// SPDX-License-Identifier: Apache-2.0
// The store alone: durable refreshes of N AoRs in batches of B.
//
//   bench_store DIR N B SECONDS
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/store.h"

static struct arena arenas[4096];
static struct store_op ops[4096];
static char names[4096][24];

static enum decision put_domain(struct store_op *op, const struct domain *current, uint64_t users,
                                int64_t now_ms, struct domain *next)
{
    (void)users, (void)now_ms;
    next->realm = op->domain;
    next->min_expires = next->default_expires = next->max_expires = next->max_bindings = -1;
    return current ? DECIDE_SAME : DECIDE_WRITE;
}

static enum decision put_user(struct store_op *op, const struct domain *domain,
                              const struct user *current, int64_t now_ms, struct user *next,
                              bool *remove_bindings)
{
    (void)op, (void)domain, (void)now_ms, (void)remove_bindings;
    next->enabled = true;
    next->credentials.have = 7;
    return current ? DECIDE_SAME : DECIDE_WRITE;
}

static enum decision refresh(struct store_op *op, const struct domain *domain,
                             const struct user_terms *user, const struct binding_set *current,
                             int64_t now_ms, struct binding_set *next)
{
    (void)domain, (void)user;
    struct binding *b = arena_calloc(op->arena, 1, sizeof *b);
    if (!b)
        return DECIDE_NOMEM;
    if (current->n)
        *b = current->items[0];
    b->contact = SLICE("sip:1008@192.168.1.51:5060;transport=udp;rinstance=0a1b2c3d4e5f");
    b->call_id = SLICE("0f1e2d3c4b5a69788796a5b4c3d2e1f0@192.168.1.51");
    b->instance = SLICE("<urn:uuid:00000000-0000-1000-8000-000a95a0e128>");
    b->user_agent = SLICE("Phone 1000 Firmware 12.34.56.78");
    b->q = -1;
    b->cseq++;
    b->registered_at_ms = b->registered_at_ms ? b->registered_at_ms : now_ms;
    b->refreshed_at_ms = now_ms;
    b->expires_at_ms = now_ms + 3600000 + rand() % 360000;
    *next = (struct binding_set){b, 1};
    return DECIDE_WRITE;
}

static sem_t ready;

static void notify(void *arg)
{
    (void)arg;
    sem_post(&ready);
}

static void run(struct store_port *port, enum store_op_kind kind, size_t from, size_t n, size_t all)
{
    for (size_t i = 0; i < n; i++) {
        arena_reset(&arenas[i]);
        snprintf(names[i], sizeof names[i], "%zu", (from + i) * 7919 % all);
        ops[i] = (struct store_op){.kind = kind,
                                   .domain = SLICE("example.com"),
                                   .username = slice_str(names[i]),
                                   .arena = &arenas[i],
                                   .decide_bindings = refresh,
                                   .decide_user = put_user,
                                   .link = i + 1 < n ? &ops[i + 1] : NULL};
    }
    if (!store_submit(port, ops, n))
        abort();
    for (size_t done = 0; done < n;) {
        sem_wait(&ready);
        for (struct store_op *op = store_port_collect(port); op; op = op->link, done++)
            if (op->status != STORE_OK)
                abort();
    }
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t all = strtoul(argv[2], NULL, 10), batch = strtoul(argv[3], NULL, 10);
    char url[256], why[512];
    struct store *s;
    struct store_port *port;
    snprintf(url, sizeof url, "lmdb:%s", argv[1]);
    clock_start();
    struct store_config config = {
        .url = slice_str(url), .changes_max = 100000, .queue_max = 65536, .now_ms = clock_now_ms()};
    int64_t t = clock_mono_us();
    sem_init(&ready, 0, 0);
    if (batch > 4096 || store_open(&config, &s, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("open %.3f s\n", (double)(clock_mono_us() - t) / 1e6);
    store_port_open(s, notify, NULL, &port);
    for (size_t i = 0; i < 4096; i++)
        arena_init(&arenas[i], malloc(8192), 8192, 1 << 20);
    struct store_op op = {.kind = STORE_OP_DOMAIN,
                          .domain = SLICE("example.com"),
                          .arena = &arenas[0],
                          .decide_domain = put_domain};
    store_do(s, &op);
    struct store_counts c;
    store_counts(s, &c);
    for (size_t i = 0; c.bindings < all && i < all; i += 1000)
        run(port, STORE_OP_USER, i, all - i < 1000 ? all - i : 1000, all);
    for (size_t i = 0; c.bindings < all && i < all; i += 1000)
        run(port, STORE_OP_BINDINGS, i, all - i < 1000 ? all - i : 1000, all);
    store_counts(s, &c);
    printf("loaded: %llu bindings, %llu records, %.0f bytes of file\n",
           (unsigned long long)c.bindings, (unsigned long long)c.records, (double)c.file_bytes);
    size_t n = 0;
    double cpu = cpu_us();
    t = clock_mono_us();
    int64_t end = t + strtol(argv[4], NULL, 10) * 1000000;
    for (; clock_mono_us() < end; n += batch)
        run(port, STORE_OP_BINDINGS, n, batch, all);
    double wall = (double)(clock_mono_us() - t) / 1e6;
    store_counts(s, &c);
    printf("%.0f/s, %.2f us of CPU each, %llu records, %.0f bytes of file\n", (double)n / wall,
           (cpu_us() - cpu) / (double)n, (unsigned long long)c.records, (double)c.file_bytes);
    store_port_close(port);
    store_close(s);
    return 0;
}
