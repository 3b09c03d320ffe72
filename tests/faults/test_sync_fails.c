// SPDX-License-Identifier: Apache-2.0
// A sync that fails (EIO): nothing is acknowledged, the process ends with words and 70, and the
// next start reads what is really there.
#include "tests/contract/contract.h"
#include "tests/faults/disk.h"

#include <sys/wait.h>

#define ACKNOWLEDGED 'a'
#define BOUND        (T0 + MINUTE)

// In a process of its own: registers, then registers again with a disk that fails.
static void child(struct world *w, int out, int log)
{
    char path[96];
    dup2(log, STDERR_FILENO);
    snprintf(path, sizeof path, "%s/data.mdb", w->dir);
    world_open(w);
    with_alice(w);
    reg_one(w, ALICE, "sip:before@192.0.2.1", BOUND);
    disk_record(path);
    disk_fail_syncs(true);
    struct reg reg = {.want = {{"sip:after@192.0.2.1", BOUND}}};
    struct store_op op;
    reg_do(w, ALICE, &reg, &op);
    char word = ACKNOWLEDGED;
    ssize_t n = write(out, &word, 1);
    (void)n;
    _exit(0);
}

static bool file_says(const char *path, const char *word)
{
    char text[4096] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return strstr(text, word) != NULL;
}

static void a_sync_that_fails_acknowledges_nothing_and_ends_the_process_with_70(void **state)
{
    struct world *w = *state;
    int ends[2], status;
    char word = 0, log_path[96];
    world_close(w);
    snprintf(log_path, sizeof log_path, "%s/log", w->dir);
    FILE *log = fopen(log_path, "w");
    assert_non_null(log);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        child(w, ends[1], fileno(log));
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(read(ends[0], &word, 1), 0);
    close(ends[0]);
    fclose(log);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
    assert_true(file_says(log_path, "event=store_failed"));
    assert_true(file_says(log_path, w->dir));
    world_open(w);
    struct aor_state is = aor(w, ALICE);
    assert_true(is.bindings.n >= 1);
    assert_true(slice_eq(is.bindings.items[0].contact, SLICE("sip:before@192.0.2.1")));
    assert_sound(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a_sync_that_fails_acknowledges_nothing_and_ends_the_process_with_70",
         a_sync_that_fails_acknowledges_nothing_and_ends_the_process_with_70, world_setup,
         world_teardown, &contract_backends[1]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
