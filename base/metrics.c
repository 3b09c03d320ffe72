// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/reason.h"
#include "base/transport.h"

#define CELLS_MAX       64
#define BUCKETS         20
#define FIRST_BUCKET_US 50

static _Atomic int64_t cells[METRIC_COUNT][CELLS_MAX];

static struct {
    _Atomic uint64_t bucket[BUCKETS + 1];
    _Atomic uint64_t sum;
} histograms[HISTOGRAM_COUNT];

struct family {
    const char *name;
    enum metric_type type;
    const char *label;
    unsigned n;
    const char *help;
};

static const struct family families[] = {
#define FAMILY_ROW(id, name, type, label, n, help) {name, type, label, n, help},
    METRICS(FAMILY_ROW)
#undef FAMILY_ROW
};

static const struct {
    const char *name, *help;
} histogram_info[] = {
#define HISTOGRAM_ROW(id, name, help) {name, help},
    HISTOGRAMS(HISTOGRAM_ROW)
#undef HISTOGRAM_ROW
};

static const unsigned codes[] = {200, 201, 204, 302, 304, 400, 401, 403, 404, 405, 406,
                                 408, 409, 412, 413, 414, 415, 416, 420, 422, 423, 429,
                                 431, 439, 480, 481, 482, 500, 501, 503, 513};
#define CODES (sizeof codes / sizeof *codes)
_Static_assert(CODES < 32, "RESPONSES and HTTP_REQUESTS have 32 cells");
_Static_assert(REASON_COUNT *TRANSPORT_COUNT <= CELLS_MAX, "REGISTERS has a cell for each pair");
_Static_assert((int)LIMIT_COUNT <= CELLS_MAX, "LIMIT_REACHED has a cell for each limit");

static const char *const drop_names[] = {
#define DROP_NAME(id, name) name,
    DROP_CAUSES(DROP_NAME)
#undef DROP_NAME
};
static const char *const methods[] = {"other",   "REGISTER", "OPTIONS", "INVITE",    "ACK",
                                      "CANCEL",  "BYE",      "MESSAGE", "SUBSCRIBE", "NOTIFY",
                                      "PUBLISH", "INFO",     "REFER",   "PRACK",     "UPDATE"};
static const char *const results[] = {"ok", "full", "error"};
static const char *const op_kinds[] = {"bindings", "user", "domain", "expire", "trim", "bulk"};
static const char *const removals[] = {"unregistered", "expired", "replaced", "deleted"};

void metric_add(enum metric m, unsigned cell, uint64_t n)
{
    atomic_fetch_add_explicit(&cells[m][cell], (int64_t)n, memory_order_relaxed);
}

void metric_set(enum metric m, unsigned cell, int64_t value)
{
    atomic_store_explicit(&cells[m][cell], value, memory_order_relaxed);
}

int64_t metric_get(enum metric m, unsigned cell)
{
    return atomic_load_explicit(&cells[m][cell], memory_order_relaxed);
}

unsigned metric_code_cell(unsigned code)
{
    for (unsigned i = 0; i < CODES; i++)
        if (codes[i] == code)
            return i;
    return CODES;
}

static void observe(enum histogram h, uint64_t value, uint64_t first)
{
    unsigned i = 0;
    for (uint64_t bound = first; i < BUCKETS && value > bound; bound *= 2)
        i++;
    atomic_fetch_add_explicit(&histograms[h].bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histograms[h].sum, value, memory_order_relaxed);
}

void histogram_observe_us(enum histogram h, uint64_t us)
{
    observe(h, us, FIRST_BUCKET_US);
}

void histogram_observe_count(enum histogram h, uint64_t n)
{
    observe(h, n, 1);
}

// The value of the family's (first) label for a cell; NULL ends the family.
static const char *label_value(enum metric m, unsigned cell, char *scratch, size_t size)
{
#define NAMED(list) (cell < sizeof(list) / sizeof *(list) ? (list)[cell] : NULL)
    switch (m) {
    case METRIC_LIMIT_REACHED:
        return cell < LIMIT_COUNT ? limit_info(cell)->name : NULL;
    case METRIC_SECURITY_EVENTS:
        return cell < REASON_COUNT ? reason_word(cell) : NULL;
    case METRIC_RESPONSES:
    case METRIC_HTTP_REQUESTS:
        if (cell > CODES)
            return NULL;
        if (cell == CODES)
            return "other";
        snprintf(scratch, size, "%u", codes[cell]);
        return scratch;
    case METRIC_DROPPED:
        return NAMED(drop_names);
    case METRIC_REQUESTS:
        return NAMED(methods);
    case METRIC_COMMITS:
        return NAMED(results);
    case METRIC_STORE_OPS:
        return NAMED(op_kinds);
    case METRIC_BINDINGS_REMOVED:
        return NAMED(removals);
    case METRIC_BINDINGS:
        return cell < TRANSPORT_COUNT ? transport_name(cell) : NULL;
    default:
        return cell == 0 ? "" : NULL;
    }
#undef NAMED
}

static void print_cell(struct buf *b, enum metric m, unsigned cell)
{
    const struct family *f = &families[m];
    char scratch[16];
    if (m == METRIC_REGISTERS) {
        if (cell < REASON_COUNT * TRANSPORT_COUNT)
            buf_printf(b, "%s{outcome=\"%s\",transport=\"%s\"} %lld\n", f->name,
                       reason_word(cell / TRANSPORT_COUNT), transport_name(cell % TRANSPORT_COUNT),
                       (long long)metric_get(m, cell));
        return;
    }
    const char *value = label_value(m, cell, scratch, sizeof scratch);
    if (!value)
        return;
    if (*f->label)
        buf_printf(b, "%s{%s=\"%s\"} %lld\n", f->name, f->label, value,
                   (long long)metric_get(m, cell));
    else
        buf_printf(b, "%s %lld\n", f->name, (long long)metric_get(m, cell));
}

static void print_histogram(struct buf *b, enum histogram h)
{
    const char *name = histogram_info[h].name;
    bool count = h == HISTOGRAM_BATCH;
    uint64_t total = 0;
    double bound = count ? 1 : FIRST_BUCKET_US / 1e6;
    buf_printf(b, "# HELP %s %s\n# TYPE %s histogram\n", name, histogram_info[h].help, name);
    for (unsigned i = 0; i <= BUCKETS; i++, bound *= 2) {
        total += atomic_load_explicit(&histograms[h].bucket[i], memory_order_relaxed);
        if (i < BUCKETS)
            buf_printf(b, "%s_bucket{le=\"%.10g\"} %llu\n", name, bound, (unsigned long long)total);
        else
            buf_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)total);
    }
    uint64_t sum = atomic_load_explicit(&histograms[h].sum, memory_order_relaxed);
    buf_printf(b, "%s_sum %.10g\n%s_count %llu\n", name, count ? (double)sum : (double)sum / 1e6,
               name, (unsigned long long)total);
}

void metrics_print(void (*put)(void *arg, struct slice text), void *arg)
{
    char text[8192];
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        const struct family *f = &families[m];
        struct buf b = buf_over(text, sizeof text);
        buf_printf(&b, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                   f->type == METRIC_COUNTER ? "counter" : "gauge");
        for (unsigned cell = 0; cell < f->n; cell++)
            print_cell(&b, m, cell);
        put(arg, buf_slice(&b));
    }
    for (unsigned h = 0; h < HISTOGRAM_COUNT; h++) {
        struct buf b = buf_over(text, sizeof text);
        print_histogram(&b, h);
        put(arg, buf_slice(&b));
    }
}
