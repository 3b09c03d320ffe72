// SPDX-License-Identifier: Apache-2.0
// Load generator for a SIP registrar: N phones on one thread register, refresh, ask or leave, in a
// closed loop (a fixed number in flight) or paced (latency from the intended start, so that a
// server that stalls cannot hide it). Prints one JSON object.
#include "load.h"

#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND    INT64_C(1000000000)
#define T1        (SECOND / 2)
#define TRIES_MAX 7
#define SWEEP     (SECOND / 20)
#define STEP_BITS 6
#define HISTOGRAM (64 << STEP_BITS)
// Stands for what a server would have given: an echo gives none.
#define ECHO_NONCE "0123456789abcdef0123456789abcdef"

// What one measurement saw.
struct tally {
    uint64_t begun, completed, failures, timeouts, retransmissions, challenges, stray;
    uint64_t by_status[700];
    uint64_t histogram[HISTOGRAM]; // of 100 ns, 64 steps an octave
    uint64_t latest;
};

struct load {
    struct options options;
    struct net *net;
    struct message_maker *maker;
    struct phone *phones;
    struct timers *timers; // of the busy phones
    unsigned n_flight, next, stride;
    uint64_t random;
    int64_t now;
    bool measuring;
    struct tally tally;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

// --- latency

static void observe(struct load *l, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns / 100 : 0;
    if (v > l->tally.latest)
        l->tally.latest = v;
    unsigned at = (unsigned)v;
    if (v >= 2u << STEP_BITS) {
        unsigned shift = 63 - (unsigned)__builtin_clzll(v) - STEP_BITS;
        at = (shift << STEP_BITS) + (unsigned)(v >> shift);
    }
    l->tally.histogram[at < HISTOGRAM ? at : HISTOGRAM - 1]++;
}

static double quantile_ms(const struct load *l, double q)
{
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM; i++)
        all += l->tally.histogram[i];
    for (unsigned i = 0; i < HISTOGRAM; i++) {
        seen += l->tally.histogram[i];
        if (seen && (double)seen >= q * (double)all) {
            unsigned shift = i >= 2u << STEP_BITS ? (i >> STEP_BITS) - 1 : 0;
            uint64_t v = (uint64_t)(i - (shift << STEP_BITS)) << shift;
            return (double)v / 10000;
        }
    }
    return 0;
}

// --- one phone

static void await(struct load *l, unsigned index)
{
    struct phone *p = &l->phones[index];
    bool stream = strcmp(l->options.transport, "tcp") == 0;
    int64_t wait = stream ? 32 * SECOND : T1 << (p->tries < 4 ? p->tries - 1 : 3);
    timers_set(l->timers, index, l->now + wait);
}

static void transmit(struct load *l, unsigned index)
{
    struct phone *p = &l->phones[index];
    bool leave = l->options.mode == MODE_UNREGISTER && p->registered;
    bool credentials = p->nonce_length > 0;
    size_t n = message_register(l->maker, p, index + l->options.first_user, credentials, leave,
                                net_room(l->net));
    p->authorized = credentials;
    p->tries = 1;
    await(l, index);
    net_send(l->net, index, n);
}

// The same request again, byte by byte but for the counts that message_register() moves on.
static void retransmit(struct load *l, unsigned index)
{
    struct phone *p = &l->phones[index];
    bool leave = l->options.mode == MODE_UNREGISTER && p->registered;
    p->cseq--;
    if (p->authorized)
        p->nc--;
    size_t n = message_register(l->maker, p, index + l->options.first_user, p->authorized, leave,
                                net_room(l->net));
    p->tries++;
    await(l, index);
    net_send(l->net, index, n);
    l->tally.retransmissions += l->measuring;
}

static void begin(struct load *l, unsigned index, int64_t intended_ns)
{
    struct phone *p = &l->phones[index];
    l->tally.begun += l->measuring;
    p->busy = true;
    p->intended_ns = intended_ns;
    l->n_flight++;
    if (l->options.mode == MODE_CHALLENGE)
        p->nonce_length = 0;
    transmit(l, index);
}

static void finish(struct load *l, unsigned index, bool good)
{
    struct phone *p = &l->phones[index];
    if (good && l->measuring) {
        l->tally.completed++;
        observe(l, l->now - p->intended_ns);
    }
    p->busy = false;
    timers_clear(l->timers, index);
    l->n_flight--;
}

static void take(void *arg, const char *bytes, size_t n)
{
    struct load *l = arg;
    struct answer a;
    if (!message_answer(bytes, n, &a) || a.index < l->options.first_user ||
        a.index - l->options.first_user >= l->options.users) {
        l->tally.stray++;
        return;
    }
    unsigned index = a.index - l->options.first_user;
    struct phone *p = &l->phones[index];
    if (!p->busy || a.cseq != p->cseq) {
        l->tally.stray++; // an answer to a retransmission
        return;
    }
    if (l->options.echo) {
        a.status = p->authorized ? 200 : 401;
        a.nonce = ECHO_NONCE;
        a.nonce_length = sizeof ECHO_NONCE - 1;
    }
    if (a.status < 200)
        return;
    l->tally.by_status[a.status < 700 ? a.status : 0] += l->measuring;
    if (a.status == 401 && a.nonce && a.nonce_length <= NONCE_MAX && p->challenges_left > 0) {
        p->challenges_left--;
        memcpy(p->nonce, a.nonce, a.nonce_length);
        p->nonce_length = (uint16_t)a.nonce_length;
        p->nc = 0;
        l->tally.challenges += l->measuring;
        transmit(l, index);
        return;
    }
    p->challenges_left = 2;
    if (a.status == 200)
        p->registered = !(l->options.mode == MODE_UNREGISTER && p->registered);
    else
        l->tally.failures += l->measuring;
    finish(l, index, a.status == 200);
}

static void sweep(struct load *l)
{
    bool stream = strcmp(l->options.transport, "tcp") == 0;
    unsigned index;
    while (timers_due(l->timers, l->now, &index)) {
        struct phone *p = &l->phones[index];
        if (stream || p->tries >= TRIES_MAX) {
            l->tally.timeouts += l->measuring;
            p->nonce_length = 0;
            finish(l, index, false);
        } else {
            retransmit(l, index);
        }
    }
}

// Any phone, each as likely (xorshift64).
static unsigned random_phone(struct load *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (unsigned)(l->random % l->options.users);
}

// Not all may be busy.
static unsigned idle_phone(struct load *l, bool shuffle)
{
    do
        if (shuffle)
            l->next = random_phone(l);
        else
            l->next = (unsigned)(((uint64_t)l->next + l->stride) % l->options.users);
    while (l->phones[l->next].busy);
    return l->next;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// From one phone to the next: so that all come in turn, in an order that is not that of their names
// (no neighbour in a sorted table follows another).
static unsigned stride_over(unsigned users)
{
    unsigned stride = (unsigned)(users * 0.618) | 1;
    while (common_divisor(stride, users) != 1)
        stride += 2;
    return stride;
}

// --- the two loops

static void turn(struct load *l, int64_t wait_ns)
{
    net_flush(l->net);
    if (wait_ns > 0 && l->options.nap_us)
        usleep(l->options.nap_us);
    else if (wait_ns > 0)
        net_wait(l->net, wait_ns);
    l->now = now_ns();
    net_receive(l->net, take, l);
    sweep(l);
}

static void drain(struct load *l)
{
    l->measuring = false;
    int64_t end = now_ns() + 40 * SECOND;
    while (l->n_flight && l->now < end)
        turn(l, SWEEP);
}

static void closed_loop(struct load *l, int64_t end)
{
    l->now = now_ns();
    while (l->now < end) {
        while (l->n_flight < l->options.window && l->n_flight < l->options.users)
            begin(l, idle_phone(l, l->options.shuffle), l->now);
        turn(l, SWEEP);
    }
}

static void open_loop(struct load *l, int64_t start, int64_t end)
{
    double interval = (double)SECOND / l->options.rate;
    uint64_t begun = 0;
    l->now = start;
    while (l->now < end) {
        int64_t due = start + (int64_t)((double)begun * interval);
        while (due <= l->now && l->n_flight < l->options.users) {
            begin(l, idle_phone(l, l->options.shuffle), due);
            due = start + (int64_t)((double)++begun * interval);
        }
        int64_t wait = due - l->now;
        turn(l, wait > SWEEP ? SWEEP : wait);
    }
}

static void register_phones(struct load *l, uint64_t n, bool shuffle)
{
    while (n) {
        for (; n && l->n_flight < 256 && l->n_flight < l->options.users; n--)
            begin(l, idle_phone(l, shuffle), l->now);
        turn(l, SWEEP);
    }
}

// Every phone once, so that refreshes have a nonce and queries something to find; then the other
// rounds in the order in which they come when it is measured.
static void prepare(struct load *l)
{
    enum mode mode = l->options.mode;
    if (l->options.no_prepare || mode == MODE_CHALLENGE || l->options.echo)
        return;
    l->options.mode = MODE_REFRESH;
    l->now = now_ns();
    register_phones(l, l->options.users, false);
    register_phones(l, (uint64_t)(l->options.rounds - 1) * l->options.users, l->options.shuffle);
    drain(l);
    l->options.mode = mode;
}

// --- what it costs

// CPU time in seconds of one process, all its threads and waited-for children, those that have
// ended too.
static double process_cpu(long pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    // The name may hold anything; behind its bracket utime, stime, cutime and cstime are the fields
    // from the 12th on.
    char *p = strrchr(line, ')');
    for (unsigned field = 0; p && field < 12; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return 0;
    unsigned long long ticks = 0;
    for (unsigned i = 0; i < 4; i++)
        ticks += strtoull(p, &p, 10);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double server_cpu(const char *pids)
{
    double all = 0;
    for (const char *p = pids; p && *p;) {
        char *end;
        all += process_cpu(strtol(p, &end, 10));
        p = *end == ',' ? end + 1 : NULL;
    }
    return all;
}

static double own_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const struct load *l, double seconds, double server, double own)
{
    static const char *const modes[] = {"challenge", "refresh", "query", "unregister"};
    const struct options *o = &l->options;
    double n = l->tally.completed ? (double)l->tally.completed : 1;
    printf("{\"name\": \"%s\", \"mode\": \"%s\", \"transport\": \"%s\", \"algorithm\": \"%s\", "
           "\"users\": %u, \"window\": %u, \"rate\": %.0f, \"seconds\": %.3f, ",
           o->name, modes[o->mode], o->transport, o->algorithm, o->users,
           o->rate > 0 ? 0 : o->window, o->rate, seconds);
    printf("\"begun_per_second\": %.1f, \"completed\": %llu, \"per_second\": %.1f, \"p50_ms\": "
           "%.3f, \"p99_ms\": %.3f, "
           "\"p999_ms\": %.3f, \"max_ms\": %.3f, ",
           (double)l->tally.begun / seconds, (unsigned long long)l->tally.completed,
           (double)l->tally.completed / seconds, quantile_ms(l, 0.5), quantile_ms(l, 0.99),
           quantile_ms(l, 0.999), (double)l->tally.latest / 10000);
    printf("\"failures\": %llu, \"timeouts\": %llu, \"retransmissions\": %llu, "
           "\"challenges\": %llu, \"stray\": %llu, ",
           (unsigned long long)l->tally.failures, (unsigned long long)l->tally.timeouts,
           (unsigned long long)l->tally.retransmissions, (unsigned long long)l->tally.challenges,
           (unsigned long long)l->tally.stray);
    printf("\"server_cpu_us\": %.3f, \"server_busy\": %.3f, \"own_busy\": %.3f, \"statuses\": {",
           server * 1e6 / n, server / seconds, own / seconds);
    const char *separator = "";
    for (unsigned i = 0; i < 700; i++)
        if (l->tally.by_status[i]) {
            printf("%s\"%u\": %llu", separator, i, (unsigned long long)l->tally.by_status[i]);
            separator = ", ";
        }
    printf("}}\n");
    fflush(stdout);
}

static void measure(struct load *l)
{
    l->tally = (struct tally){0};
    // The loop warms up for a tenth of the time before it counts.
    int64_t warm = (int64_t)(l->options.seconds * 0.1 * (double)SECOND);
    int64_t start = now_ns();
    if (l->options.rate > 0)
        open_loop(l, start, start + warm);
    else
        closed_loop(l, start + warm);
    l->measuring = true;
    double server = server_cpu(l->options.pids), own = own_cpu();
    start = now_ns();
    int64_t end = start + (int64_t)(l->options.seconds * (double)SECOND);
    if (l->options.rate > 0)
        open_loop(l, start, end);
    else
        closed_loop(l, end);
    double seconds = (double)(now_ns() - start) / (double)SECOND;
    server = server_cpu(l->options.pids) - server;
    own = own_cpu() - own;
    drain(l);
    report(l, seconds, server, own);
}

// Says when it is prepared, then measures as often as it is asked to: what prepares long is not
// prepared again for each of several measurements, which may alternate with those of another.
static bool measure_by_step(struct load *l)
{
    char line[16];
    bool good = true;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        measure(l);
        good = good && l->tally.completed;
    }
    return good;
}

// --- options

static const char usage[] =
    "usage: loadgen [--host 127.0.0.1] [--port 5060] [--transport udp|tcp] [--connections 100]\n"
    "  [--mode challenge|refresh|query|unregister] [--users 10000] [--first-user 0]\n"
    "  [--domain example.com] [--password secret] [--algorithm MD5|SHA-256|SHA-512-256]\n"
    "  [--window 256 | --rate PER-SECOND] [--seconds 3] [--expires 3600] [--jitter PERCENT]\n"
    "  [--devices 1..9] [--classes] [--shuffle] [--rounds 1] [--no-prepare] [--steps]\n"
    "  [--pid PID,..] [--cpu N] [--echo] [--nap MICROSECONDS] [--name TEXT]\n"
    "The phones are u000000, u000001, .. with one password. Prints one JSON object; with --steps\n"
    "\"ready\" and one for each line of the standard input.\n";

static bool parse_mode(const char *text, enum mode *mode)
{
    static const char *const names[] = {"challenge", "refresh", "query", "unregister"};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *mode = (enum mode)i;
            return true;
        }
    return false;
}

enum kind { TEXT, COUNT, REAL, FLAG, MODE };

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset;
} rows[] = {
#define ROW(name, kind, member)                                                                    \
    {                                                                                              \
        name, kind, offsetof(struct options, member)                                               \
    }
    ROW("--host", TEXT, host),
    ROW("--port", TEXT, port),
    ROW("--transport", TEXT, transport),
    ROW("--connections", COUNT, connections),
    ROW("--mode", MODE, mode),
    ROW("--users", COUNT, users),
    ROW("--first-user", COUNT, first_user),
    ROW("--domain", TEXT, domain),
    ROW("--password", TEXT, password),
    ROW("--algorithm", TEXT, algorithm),
    ROW("--window", COUNT, window),
    ROW("--rate", REAL, rate),
    ROW("--seconds", REAL, seconds),
    ROW("--expires", COUNT, expires),
    ROW("--jitter", COUNT, jitter_percent),
    ROW("--devices", COUNT, devices),
    ROW("--nap", COUNT, nap_us),
    ROW("--classes", FLAG, classes),
    ROW("--pid", TEXT, pids),
    ROW("--cpu", COUNT, cpu),
    ROW("--echo", FLAG, echo),
    ROW("--no-prepare", FLAG, no_prepare),
    ROW("--shuffle", FLAG, shuffle),
    ROW("--rounds", COUNT, rounds),
    ROW("--steps", FLAG, steps),
    ROW("--name", TEXT, name),
#undef ROW
};

static bool set_option(struct options *o, const struct row *row, const char *value)
{
    void *member = (char *)o + row->offset;
    char *end = NULL;
    switch (row->kind) {
    case TEXT:
        *(const char **)member = value;
        return true;
    case COUNT: {
        unsigned long n = strtoul(value, &end, 10);
        *(unsigned *)member = (unsigned)n;
        return *value && !*end && n < 1u << 30;
    }
    case REAL:
        *(double *)member = strtod(value, &end);
        return *value && !*end;
    case FLAG:
        *(bool *)member = true;
        return true;
    case MODE:
        return parse_mode(value, member);
    }
    return false;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.host = "127.0.0.1",
                          .port = "5060",
                          .domain = "example.com",
                          .password = "secret",
                          .algorithm = "MD5",
                          .transport = "udp",
                          .name = "",
                          .mode = MODE_REFRESH,
                          .users = 10000,
                          .window = 256,
                          .connections = 100,
                          .expires = 3600,
                          .devices = 1,
                          .rounds = 1,
                          .seconds = 3,
                          .cpu = -1};
    for (int i = 1; i < argc; i++) {
        const struct row *row = NULL;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            if (strcmp(argv[i], rows[r].name) == 0)
                row = &rows[r];
        if (!row || (row->kind != FLAG && ++i == argc) || !set_option(o, row, argv[i]))
            return false;
    }
    bool udp = strcmp(o->transport, "udp") == 0, tcp = strcmp(o->transport, "tcp") == 0;
    return o->users && o->window && o->connections && o->seconds > 0 && o->jitter_percent <= 100 &&
           o->devices && o->devices < 10 && o->rounds && (udp || tcp);
}

int main(int argc, char **argv)
{
    static struct load l;
    if (!parse(argc, argv, &l.options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (l.options.cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)l.options.cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0)
            perror("sched_setaffinity");
    }
    int code = 1;
    l.stride = stride_over(l.options.users);
    l.random = 88172645463325252; // any that is not 0: every run has the same order
    l.maker = message_maker_new(&l.options);
    l.net = net_open(&l.options);
    l.phones = calloc(l.options.users, sizeof *l.phones);
    l.timers = timers_new(l.options.users, now_ns());
    if (!l.maker || !l.net || !l.phones || !l.timers)
        goto out;
    for (unsigned i = 0; i < l.options.users; i++) {
        message_ha1(l.maker, i + l.options.first_user, l.phones[i].ha1);
        l.phones[i].challenges_left = 2;
        if (l.options.echo) {
            memcpy(l.phones[i].nonce, ECHO_NONCE, sizeof ECHO_NONCE);
            l.phones[i].nonce_length = sizeof ECHO_NONCE - 1;
        }
    }
    prepare(&l);
    if (l.options.steps) {
        code = measure_by_step(&l) ? 0 : 1;
    } else {
        measure(&l);
        code = l.tally.completed ? 0 : 1;
    }
out:
    timers_free(l.timers);
    free(l.phones);
    net_close(l.net);
    message_maker_free(l.maker);
    return code;
}
