// SPDX-License-Identifier: Apache-2.0
// The start's pass over the log: damage is named wherever it stands, AoRs that share a hash stay
// apart, and hints that fail cost nothing but time. Linked with --wrap for hash64_pair and mmap.
#include "tests/contract/contract.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/hash.h"

#define LMDB(test)                                                                                 \
    {                                                                                              \
#test, test, world_setup, world_teardown, &contract_backends[1]                            \
    }

uint64_t __real_hash64_pair(struct hash_key key, struct slice a, struct slice b);
uint64_t __wrap_hash64_pair(struct hash_key key, struct slice a, struct slice b);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);

static bool colliding, no_pages;

// AoRs whose last letter is the same share a hash.
uint64_t __wrap_hash64_pair(struct hash_key key, struct slice a, struct slice b)
{
    if (colliding && b.n)
        return (uint64_t)(unsigned char)b.p[b.n - 1] * 0x9e3779b97f4a7c15ULL;
    return __real_hash64_pair(key, a, b);
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return no_pages ? MAP_FAILED : __real_mmap(at, size, prot, flags, fd, offset);
}

static struct slice nth(int i, char *name, size_t size)
{
    snprintf(name, size, "u%03d", i);
    return slice_str(name);
}

static void reg_nth(struct world *w, int i, int round, int64_t end)
{
    char name[16], contact[40];
    snprintf(contact, sizeof contact, "sip:c%03d-%d@192.0.2.1", i, round);
    reg_one(w, nth(i, name, sizeof name), contact, end);
}

static void put_users(struct world *w, int n)
{
    char name[16];
    with_alice(w);
    for (int i = 0; i < n; i++)
        put_user(w, DOMAIN, nth(i, name, sizeof name));
}

// ---- Damage -----------------------------------------------------------------------------------

// Writes `letter` over the first letter of `text` wherever it stands in the file; how often.
static size_t overwrite(const struct world *w, const char *text, char letter)
{
    char path[160];
    size_t n = strlen(text), hits = 0;
    snprintf(path, sizeof path, "%s/data.mdb", w->dir);
    int fd = open(path, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(fd >= 0 && size > 0);
    char *bytes = malloc((size_t)size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    for (off_t at = 0; at + (off_t)n <= size; at++)
        if (memcmp(bytes + at, text, n) == 0) {
            hits++;
            assert_int_equal(pwrite(fd, &letter, 1, at), 1);
        }
    free(bytes);
    close(fd);
    return hits;
}

static void a_damaged_record_is_named_wherever_it_stands(void **state)
{
    enum { N = 50, ROUNDS = 2 };
    static const int places[] = {0, 1, 30, 31, 32, 33, 49, 50, 63, 64, 65, 95, 96, 98, 99};
    struct world *w = *state;
    uint64_t seq[N * ROUNDS];
    put_users(w, N);
    for (int k = 0; k < N * ROUNDS; k++) {
        reg_nth(w, k % N, k / N, T0 + MINUTE);
        if (k >= N) // the older contact goes: the second record does not have it
            reg_nth(w, k % N, 0, 0);
        seq[k] = counts(w).bindings_version - (k >= N);
    }
    world_close(w);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char text[40], bad[40], why[300] = "", want[60];
        int k = places[i];
        snprintf(text, sizeof text, "sip:c%03d-%d@192.0.2.1", k % N, k / N);
        snprintf(bad, sizeof bad, "#%s", text + 1);
        assert_true(overwrite(w, text, '#') > 0);
        struct store_config config = world_config(w);
        assert_int_equal(store_open(&config, &w->s, why, sizeof why), -1);
        snprintf(want, sizeof want, "record %llu of the log of bindings is damaged",
                 (unsigned long long)seq[k]);
        if (!strstr(why, want))
            fail_msg("'%s' is not in '%s'", want, why);
        assert_true(overwrite(w, bad, 's') > 0);
    }
    world_open(w);
    assert_sound(w);
}

// ---- What the newest record is ------------------------------------------------------------------

enum { AORS = 70 }; // seven a hash

// Each AoR has records next to each other, far from each other, and some of them a tombstone.
static void register_all(struct world *w)
{
    put_users(w, AORS);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < AORS; i++) {
            reg_nth(w, i, 0, T0 + MINUTE + round);
            if (i % 3 == 0)
                reg_nth(w, i, 1, T0 + 2 * MINUTE + round);
            if (i % 7 == 0)
                reg_nth(w, i, 0, 0);
        }
}

static void assert_all_are_there(struct world *w)
{
    for (int i = 0; i < AORS; i++) {
        char name[16], contact[40];
        int bare = i % 7 == 0, second = i % 3 == 0;
        struct aor_state a = aor(w, nth(i, name, sizeof name));
        assert_int_equal(a.bindings.n, !bare + second);
        for (size_t k = 0; k < a.bindings.n; k++) {
            int round = bare ? 1 : (int)k;
            snprintf(contact, sizeof contact, "sip:c%03d-%d@192.0.2.1", i, round);
            assert_true(slice_eq(a.bindings.items[k].contact, slice_str(contact)));
            assert_int_equal(a.bindings.items[k].expires_at_ms, T0 + (1 + round) * MINUTE + 1);
        }
    }
    assert_sound(w);
}

static void the_newest_record_of_each_aor_is_found(void **state)
{
    struct world *w = *state;
    register_all(w);
    assert_all_are_there(w);
    world_reopen(w);
    assert_all_are_there(w);
}

static void aors_with_one_hash_stay_apart(void **state)
{
    struct world *w = *state;
    world_close(w);
    colliding = true;
    world_open(w);
    register_all(w);
    assert_all_are_there(w);
    world_reopen(w);
    assert_all_are_there(w);
    advance(w, MINUTE + 1); // and each expires at its own time
    assert_int_equal(counts(w).registered_users, (AORS + 2) / 3);
    world_close(w);
    colliding = false;
    world_open(w);
    assert_sound(w);
}

static void a_start_without_memory_for_hints_is_the_same(void **state)
{
    struct world *w = *state;
    register_all(w);
    world_close(w);
    no_pages = colliding = true;
    world_open(w);
    assert_all_are_there(w);
    world_close(w);
    no_pages = colliding = false;
    world_open(w);
}

// More pages than are read without a thread that reads ahead.
static void a_large_log_is_read(void **state)
{
    struct world *w = *state;
    static char contact[16000];
    memset(contact, 'x', sizeof contact - 1);
    memcpy(contact, "sip:", 4);
    put_users(w, AORS);
    for (int i = 0; i < 2 * AORS; i++) {
        char name[16];
        contact[4] = (char)('a' + i / AORS);
        reg_one(w, nth(i % AORS, name, sizeof name), contact, T0 + MINUTE);
    }
    assert_true(counts(w).file_bytes > 1100 * 4096);
    world_reopen(w);
    assert_int_equal(counts(w).bindings, 2 * AORS);
    assert_sound(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LMDB(a_damaged_record_is_named_wherever_it_stands),
        LMDB(the_newest_record_of_each_aor_is_found),
        LMDB(aors_with_one_hash_stay_apart),
        LMDB(a_start_without_memory_for_hints_is_the_same),
        LMDB(a_large_log_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
