// SPDX-License-Identifier: Apache-2.0
// What a durable backend promises of its files: everything is there again, one process at a time, a
// backup is a store, damage is found.
#include "tests/contract/contract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DURABLE(test)                                                                              \
    {                                                                                              \
#test " [lmdb]", test, world_setup, world_teardown, &contract_backends[1]                  \
    }

// The name of the store's data: the largest file in its folder.
static void data_file(const struct world *w, char *name, size_t size)
{
    DIR *d = opendir(w->dir);
    off_t most = -1;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size > most) {
            most = st.st_size;
            assert_true(strlen(e->d_name) < size);
            memcpy(name, e->d_name, strlen(e->d_name) + 1);
        }
    }
    closedir(d);
    assert_true(most > 0);
}

static void fill(struct world *w)
{
    with_alice(w);
    put_domain(w, SLICE("example.org"));
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%02d", i);
        put_user(w, DOMAIN, slice_str(name));
        reg_one(w, slice_str(name), "sip:a@192.0.2.1", T0 + MINUTE + i);
        if (i % 2)
            reg_one(w, slice_str(name), "sip:b@192.0.2.2", T0 + 2 * MINUTE + i);
        if (i % 5 == 0)
            reg_one(w, slice_str(name), "sip:a@192.0.2.1", 0);
    }
}

static void everything_is_there_after_a_restart(void **state)
{
    struct world *w = *state;
    fill(w);
    struct store_counts before = counts(w), after;
    struct aor_state a = aor(w, SLICE("u07")), gone = aor(w, SLICE("u10"));
    uint8_t secret[32], again[32];
    store_secret(w->s, secret);
    struct seen_list *log = calloc(2, sizeof *log);
    assert_int_equal(read_changes(w, 0, SEEN_MAX, &log[0]), STORE_OK);
    world_reopen(w);
    after = counts(w);
    store_secret(w->s, again);
    assert_memory_equal(secret, again, sizeof secret);
    assert_true(after.epoch == before.epoch);
    assert_int_equal(after.change, before.change);
    assert_int_equal(after.config_version, before.config_version);
    assert_int_equal(after.presence_version, before.presence_version);
    assert_true(after.bindings_version >= before.bindings_version);
    assert_true(after.users == before.users && after.bindings == before.bindings);
    assert_true(after.registered_users == before.registered_users);
    assert_int_equal(after.by_transport[TRANSPORT_UDP], before.by_transport[TRANSPORT_UDP]);
    struct aor_state b = aor(w, SLICE("u07"));
    assert_int_equal(b.bindings.n, 2);
    assert_int_equal(b.bindings.items[0].id, a.bindings.items[0].id);
    assert_int_equal(b.presence, a.presence); // an ETag outlives a restart
    assert_int_equal(b.version, a.version);
    assert_int_equal(aor(w, SLICE("u10")).bindings.n, 0);
    assert_int_equal(aor(w, SLICE("u10")).presence, gone.presence);
    assert_int_equal(aor(w, SLICE("u10")).last_registered_at_ms, T0);
    assert_int_equal(read_changes(w, 0, SEEN_MAX, &log[1]), STORE_OK);
    assert_int_equal(log[1].n, log[0].n);
    for (size_t i = 0; i < log[0].n; i++) {
        assert_int_equal(log[1].items[i].number, log[0].items[i].number);
        assert_int_equal(log[1].items[i].type, log[0].items[i].type);
        assert_string_equal(log[1].items[i].contact, log[0].items[i].contact);
    }
    free(log);
    assert_sound(w);
    put_user(w, DOMAIN, SLICE("new")); // numbers go on
    assert_true(counts(w).change > before.change);
}

static void what_expired_while_it_was_closed_is_told_of(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 3 * MINUTE);
    uint64_t change = counts(w).change;
    world_close(w);
    w->now += 2 * MINUTE;
    world_open(w);
    assert_int_equal(aor(w, ALICE).bindings.n, 1);
    advance(w, 0);
    assert_int_equal(counts(w).bindings, 1);
    struct seen_list *log = calloc(1, sizeof *log);
    assert_int_equal(read_changes(w, change, SEEN_MAX, log), STORE_OK);
    assert_int_equal(log->n, 1);
    assert_int_equal(log->items[0].gone, GONE_EXPIRED);
    assert_string_equal(log->items[0].contact, "sip:a@192.0.2.1");
    free(log);
    assert_sound(w);
}

static void what_was_swept_stays_away_when_the_clock_is_set_back(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:a@192.0.2.1", T0 + MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", T0 + 5 * MINUTE);
    reg_one(w, ALICE, "sip:b@192.0.2.2", 0);
    advance(w, 2 * MINUTE);
    world_close(w);
    w->now = T0 - 60 * MINUTE;
    world_open(w);
    advance(w, 0);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
    assert_int_equal(counts(w).bindings, 0);
    assert_sound(w);
}

// In a child that has no store open: tries to open ours. Exits 0 when that went as wanted.
static pid_t try_to_open(struct world *w, unsigned lock_wait_s, bool wanted, int go)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    char why[256] = "", byte;
    struct store *s;
    struct store_config config = world_config(w);
    config.lock_wait_s = lock_wait_s;
    if (read(go, &byte, 1) != 1)
        _exit(2);
    bool opened = store_open(&config, &s, why, sizeof why) == 0;
    if (opened)
        store_close(s);
    else if (!strstr(why, w->dir)) // the sentence names the path
        _exit(3);
    _exit(opened == wanted ? 0 : 1);
}

static void assert_ended_well(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_second_process_is_refused_or_waits(void **state)
{
    struct world *w = *state;
    int go[2];
    assert_int_equal(pipe(go), 0);
    world_close(w);
    pid_t refused = try_to_open(w, 0, false, go[0]);
    world_open(w);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_ended_well(refused);
    world_close(w);
    pid_t waits = try_to_open(w, 60, true, go[0]);
    world_open(w);
    assert_int_equal(write(go[1], "x", 1), 1);
    world_close(w);
    assert_ended_well(waits);
    world_open(w);
    close(go[0]), close(go[1]);
}

static void a_backup_is_a_store_with_an_epoch_of_its_own(void **state)
{
    struct world *w = *state;
    fill(w);
    struct world copy = *w;
    char name[64], path[160];
    data_file(w, name, sizeof name);
    snprintf(copy.dir, sizeof copy.dir, "/tmp/rollcall-contract-XXXXXX");
    assert_non_null(mkdtemp(copy.dir));
    snprintf(copy.url, sizeof copy.url, "%s:%s", w->backend->scheme, copy.dir);
    snprintf(path, sizeof path, "%s/%s", copy.dir, name);
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_int_equal(store_backup(w->s, fd), STORE_OK);
    close(fd);
    reg_one(w, ALICE, "sip:late@192.0.2.1", T0 + MINUTE); // after the copy
    struct store_counts c = counts(w);
    world_open(&copy);
    struct store_counts d = counts(&copy);
    assert_true(d.epoch != 0 && d.epoch != c.epoch);
    assert_true(d.users == c.users && d.domains == c.domains && d.bindings == c.bindings - 1);
    assert_int_equal(aor(&copy, SLICE("u07")).bindings.n, 2);
    assert_int_equal(aor(&copy, ALICE).bindings.n, 0);
    assert_sound(&copy);
    uint64_t epoch = d.epoch;
    world_reopen(&copy);
    assert_true(counts(&copy).epoch == epoch); // once
    world_close(&copy);
    remove_folder(copy.dir);
    world_reopen(w);
    assert_true(counts(w).epoch == c.epoch);
}

// Changes one letter of `text` wherever it stands in the file. Returns how often.
static size_t spoil(const char *path, const char *text)
{
    size_t n = strlen(text), hits = 0;
    struct stat st;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *bytes = malloc((size_t)st.st_size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    for (size_t at = 0; at + n <= (size_t)st.st_size; at++)
        if (memcmp(bytes + at, text, n) == 0) {
            hits++;
            assert_int_equal(pwrite(fd, "#", 1, (off_t)at), 1);
        }
    free(bytes);
    close(fd);
    return hits;
}

static long quiet_faults(struct world *w)
{
    long faults = store_check(w->s, say_fault, NULL);
    world_close(w);
    return faults;
}

// Opening refuses it with a sentence, or the check finds it.
static void damage_is_found(struct world *w, const char *text)
{
    char name[64], path[160], why[256] = "";
    data_file(w, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    world_close(w);
    assert_true(spoil(path, text) > 0);
    struct store_config config = world_config(w);
    if (store_open(&config, &w->s, why, sizeof why) != 0) {
        assert_non_null(strstr(why, w->dir));
        w->s = NULL;
        return;
    }
    assert_int_equal(store_reader_open(w->s, &w->r), 0);
    assert_true(quiet_faults(w) > 0);
}

static void damage_in_a_binding_is_found(void **state)
{
    struct world *w = *state;
    with_alice(w);
    reg_one(w, ALICE, "sip:planted@192.0.2.1", T0 + MINUTE);
    damage_is_found(w, "sip:planted@192.0.2.1");
}

static void damage_in_a_user_is_found(void **state)
{
    struct world *w = *state;
    put_domain(w, DOMAIN);
    struct user_put put = {.display_name = SLICE("planted name")};
    struct store_op op;
    assert_int_equal(put_user_as(w, DOMAIN, ALICE, &put, &op), STORE_OK);
    damage_is_found(w, "planted name");
}

static void a_file_cut_short_is_refused_with_a_sentence(void **state)
{
    struct world *w = *state;
    fill(w);
    char name[64], path[160], why[256] = "";
    data_file(w, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    world_close(w);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    struct store_config config = world_config(w);
    assert_int_equal(store_open(&config, &w->s, why, sizeof why), -1);
    assert_non_null(strstr(why, w->dir));
    w->s = NULL;
}

static void an_url_of_no_backend_is_refused(void **state)
{
    struct world *w = *state;
    char why[256] = "";
    struct store *s = NULL;
    static const char *const urls[] = {"", "lmdb", "redis:x", "memory:x", "lmdb:/no/such/folder"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct store_config config = world_config(w);
        config.url = slice_str(urls[i]);
        why[0] = '\0';
        assert_int_equal(store_open(&config, &s, why, sizeof why), -1);
        assert_true(why[0] != '\0');
    }
}

static void a_full_store_refuses_what_grows_and_stays_readable(void **state)
{
    struct world *w = *state;
    world_close(w);
    struct store_config config = world_config(w);
    char why[256] = "", name[16], text[DISPLAY_NAME_MAX];
    config.map_size = 2u << 20;
    config.max_size = 2u << 20;
    if (store_open(&config, &w->s, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(store_reader_open(w->s, &w->r), 0);
    with_alice(w);
    memset(text, 'x', sizeof text);
    struct user_put put = {.display_name = slice_of(text, sizeof text)};
    enum store_status st = STORE_OK;
    struct store_op op;
    int n = 0;
    for (; n < 20000 && st == STORE_OK; n++) {
        snprintf(name, sizeof name, "u%d", n);
        st = put_user_as(w, DOMAIN, slice_str(name), &put, &op);
        w->now += 100; // room is measured once a second
        world_fresh(w);
    }
    assert_int_equal(st, STORE_FULL);
    assert_int_equal(aor(w, ALICE).bindings.n, 0);
    assert_int_equal(counts(w).users, n); // alice, and all but the last
    assert_sound(w);
    for (int i = 0; i < n - 1; i++) { // what makes room is taken
        snprintf(name, sizeof name, "u%d", i);
        assert_int_equal(delete_user(w, DOMAIN, slice_str(name)), STORE_OK);
        w->now += 100;
        world_fresh(w);
    }
    reg_one(w, ALICE, "sip:a@192.0.2.1", w->now + MINUTE);
    assert_sound(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DURABLE(everything_is_there_after_a_restart),
        DURABLE(what_expired_while_it_was_closed_is_told_of),
        DURABLE(what_was_swept_stays_away_when_the_clock_is_set_back),
        DURABLE(a_second_process_is_refused_or_waits),
        DURABLE(a_backup_is_a_store_with_an_epoch_of_its_own),
        DURABLE(damage_in_a_binding_is_found),
        DURABLE(damage_in_a_user_is_found),
        DURABLE(a_file_cut_short_is_refused_with_a_sentence),
        DURABLE(an_url_of_no_backend_is_refused),
        DURABLE(a_full_store_refuses_what_grows_and_stays_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
