// SPDX-License-Identifier: Apache-2.0
// A power cut at every moment of a store's life: for each prefix of its writes, and for subsets of
// those that no sync has made sure of, the image that the disk may have kept is opened. Every
// acknowledged state is there, no acknowledged removal is back, and the store is sound.
#include "tests/contract/contract.h"
#include "tests/faults/disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#define AORS    12
#define STEPS   160
#define GROUP   4 // operations in one submission, at most
#define FOREVER (T0 + 1000 * (int64_t)MINUTE)

// What an AoR held after each step: its contact, or none.
struct moment {
    size_t asked, sure; // positions in the disk's log: submitted, acknowledged
    int contact;        // 0: none
};

struct history {
    size_t n;
    struct moment items[STEPS * GROUP + 1];
};

static struct history histories[AORS];

static unsigned seed = 20261124;

static unsigned dice(unsigned sides)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % sides;
}

// ---- The life that is recorded ----------------------------------------------------------------

struct port_state {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool told;
};

static void on_completed(void *arg)
{
    struct port_state *p = arg;
    pthread_mutex_lock(&p->lock);
    p->told = true;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

static size_t wait_for(struct store_port *port, struct port_state *p)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    while (!p->told)
        pthread_cond_wait(&p->cond, &p->lock);
    p->told = false;
    pthread_mutex_unlock(&p->lock);
    for (struct store_op *op = store_port_collect(port); op; op = op->link) {
        assert_int_equal(op->status, STORE_OK);
        n++;
    }
    return n;
}

static void contact_text(char *out, size_t size, int contact)
{
    snprintf(out, size, "sip:a@192.0.2.%d:%d", contact % 250 + 1, 1024 + contact);
}

static void user_name(char *out, size_t size, int aor)
{
    snprintf(out, size, "u%02d", aor);
}

struct step {
    struct store_op op;
    struct reg reg;
    char user[8], fresh[40], old[40];
};

// A new contact takes the old one's place, or the last one goes.
static void plan(struct world *w, struct step *s, int aor, int contact)
{
    struct history *h = &histories[aor];
    int old = h->items[h->n - 1].contact;
    memset(s, 0, sizeof *s);
    user_name(s->user, sizeof s->user, aor);
    contact_text(s->fresh, sizeof s->fresh, contact);
    contact_text(s->old, sizeof s->old, old);
    size_t n = 0;
    if (old)
        s->reg.want[n++] = (struct want){s->old, 0};
    if (contact)
        s->reg.want[n++] = (struct want){s->fresh, FOREVER};
    s->op = reg_op(w, DOMAIN, slice_str(s->user), &s->reg);
    h->items[h->n++] = (struct moment){disk_position(), SIZE_MAX, contact};
}

static void one_group(struct world *w, struct store_port *port, struct port_state *p, int step)
{
    static struct step steps[GROUP];
    size_t n = 1 + dice(GROUP), first = dice(AORS), left = n;
    for (size_t i = 0; i < n; i++) {
        int aor = (int)((first + i) % AORS);
        bool bound = histories[aor].items[histories[aor].n - 1].contact != 0;
        int contact = bound && dice(3) == 0 ? 0 : 1 + step * GROUP + (int)i;
        plan(w, &steps[i], aor, contact);
        steps[i].op.link = NULL;
        if (i)
            steps[i - 1].op.link = &steps[i].op;
    }
    assert_true(store_submit(port, &steps[0].op, n));
    while (left)
        left -= wait_for(port, p);
    for (size_t i = 0; i < n; i++) {
        struct history *h = &histories[(first + i) % AORS];
        h->items[h->n - 1].sure = disk_position();
    }
    world_fresh(w);
}

struct image {
    unsigned char *bytes;
    size_t n, cap;
};

static struct image image_of_file(const char *dir, size_t room)
{
    char path[96];
    struct stat st = {0};
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    struct image m = {.bytes = calloc(1, (size_t)st.st_size + room), .n = (size_t)st.st_size};
    m.cap = m.n + room;
    assert_non_null(m.bytes);
    assert_int_equal(read(fd, m.bytes, m.n), (ssize_t)m.n);
    close(fd);
    return m;
}

static struct disk_log live(struct world *w, struct image *begin)
{
    struct port_state p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct store_port *port;
    char path[96], name[8];
    snprintf(path, sizeof path, "%s/data.mdb", w->dir);
    put_domain(w, DOMAIN);
    for (int i = 0; i < AORS; i++) {
        user_name(name, sizeof name, i);
        put_user(w, DOMAIN, slice_str(name));
        histories[i].n = 1;
        histories[i].items[0] = (struct moment){0, 0, 0};
    }
    world_reopen(w); // what the recording begins with is on the disk
    disk_record(path);
    *begin = image_of_file(w->dir, 16u << 20);
    assert_int_equal(store_port_open(w->s, on_completed, &p, &port), 0);
    for (int step = 0; step < STEPS; step++)
        one_group(w, port, &p, step);
    store_port_close(port);
    return disk_stop();
}

// ---- The images -------------------------------------------------------------------------------

static void image_write(struct image *m, const struct disk_event *e, size_t from, size_t to)
{
    size_t end = (size_t)e->offset + to;
    if (e->kind == DISK_CUT) {
        assert_true((size_t)e->offset <= m->cap);
        m->n = (size_t)e->offset;
        return;
    }
    if (!e->n)
        return; // a mark
    assert_true(end <= m->cap);
    if (end > m->n)
        m->n = end;
    memcpy(m->bytes + e->offset + from, e->bytes + from, to - from);
}

// What of one event that nothing has made sure of reached the disk: all, or some of its sectors.
static void image_write_torn(struct image *m, const struct disk_event *e, bool torn)
{
    if (!torn || e->kind == DISK_CUT) {
        image_write(m, e, 0, e->n);
        return;
    }
    for (size_t at = 0; at < e->n; at += DISK_SECTOR)
        if (dice(2))
            image_write(m, e, at, at + DISK_SECTOR < e->n ? at + DISK_SECTOR : e->n);
}

enum kept { KEPT_NONE, KEPT_ALL, KEPT_SOME, KEPT_MODES };

// `base`: all that was sure at `sure_from`; the events up to `cut` were made, and the last sync
// among them is behind `sure_from`.
static void image_cut(const struct image *base, const struct disk_log *log, size_t sure_from,
                      size_t cut, enum kept kept, struct image *out)
{
    memcpy(out->bytes, base->bytes, base->n);
    if (out->n > base->n)
        memset(out->bytes + base->n, 0, out->n - base->n);
    out->n = base->n;
    for (size_t i = sure_from; i < cut; i++) {
        const struct disk_event *e = &log->events[i];
        bool sure = e->kind == DISK_SOLID && i + 1 < cut;
        if (sure || kept == KEPT_ALL)
            image_write(out, e, 0, e->n);
        else if (kept == KEPT_SOME && dice(4))
            image_write_torn(out, e, dice(2));
    }
}

static void write_image(const struct image *m, const char *dir)
{
    char path[96];
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, m->bytes, m->n), (ssize_t)m->n);
    close(fd);
}

static bool may_hold(const struct history *h, size_t cut, const char *text)
{
    for (size_t i = h->n; i-- > 0;) {
        const struct moment *m = &h->items[i];
        char want[40] = "";
        if (m->asked > cut)
            continue;
        if (m->contact)
            contact_text(want, sizeof want, m->contact);
        if (strcmp(want, text) == 0)
            return true;
        if (m->sure <= cut)
            return false; // acknowledged: nothing older is allowed
    }
    return false;
}

static void hold_against(struct world *w, size_t cut, enum kept kept)
{
    for (int i = 0; i < AORS; i++) {
        char name[8], text[40] = "";
        user_name(name, sizeof name, i);
        struct aor_state state = aor(w, slice_str(name));
        assert_true(state.bindings.n <= 1);
        if (state.bindings.n)
            copy_text(text, sizeof text, state.bindings.items[0].contact);
        if (!may_hold(&histories[i], cut, text))
            fail_msg("cut at %zu (kept %d): %s holds '%s'", cut, kept, name, text);
    }
    assert_sound(w);
    world_fresh(w);
}

// Each cut, each mode, opened in a folder of its own.
static size_t cut_everywhere(struct world *w, struct image *base, const struct disk_log *log)
{
    struct image m = {.bytes = calloc(1, base->cap), .n = 0, .cap = base->cap};
    size_t sure_from = 0, opened = 0;
    assert_non_null(m.bytes);
    for (size_t cut = 0; cut <= log->n; cut++) {
        if (cut && log->events[cut - 1].kind == DISK_SYNC) {
            for (; sure_from < cut; sure_from++)
                image_write(base, &log->events[sure_from], 0, log->events[sure_from].n);
        }
        for (enum kept kept = KEPT_NONE; kept < KEPT_MODES; kept++) {
            image_cut(base, log, sure_from, cut, kept, &m);
            write_image(&m, w->dir);
            world_open(w);
            hold_against(w, cut, kept);
            world_close(w);
            opened++;
        }
    }
    free(m.bytes);
    return opened;
}

static void a_power_cut_at_any_moment_keeps_what_was_acknowledged(void **state)
{
    struct world *w = *state;
    struct image base;
    struct disk_log log = live(w, &base);
    assert_true(log.n > STEPS);
    world_close(w);
    size_t opened = cut_everywhere(w, &base, &log);
    print_message("%zu writes and syncs, %zu images opened\n", log.n, opened);
    free(base.bytes);
    disk_free(&log);
    world_open(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a_power_cut_at_any_moment_keeps_what_was_acknowledged",
         a_power_cut_at_any_moment_keeps_what_was_acknowledged, world_setup, world_teardown,
         &contract_backends[1]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
