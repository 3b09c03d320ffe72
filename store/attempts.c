// SPDX-License-Identifier: Apache-2.0
// The newest REGISTER attempts, in memory fixed at start.
//
// Attempts are kept in three rings, each with its own entries and text: successes of known AoRs,
// failures of known AoRs, and everything for AoRs that do not exist. So a flood of made-up names
// pushes out made-up names only, and the refreshes of a million phones do not push out the one
// failure somebody looks for. Within a ring one AoR has a share of its own, so that one name under
// attack leaves the others alone. A ring forgets what was longest not seen, nearly: an attempt
// equal to one that is kept takes its place with the count raised, and is spared when its turn
// comes.
//
// Two indexes, both keyed hashes with chains that have the newest in front: by AoR, and by domain
// for the AoRs that do not exist. Text lies in chained cells, because names are short and may be
// long.
#include "store/attempts.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/pages.h"
#include "store/user.h"

#define NIL            UINT32_MAX
#define CELL_TEXT      60
#define SECOND_CHANCES 16
#define CELLS_PER      4 // cells for each entry of a ring: 240 bytes of text, more than is usual

enum ring_name { RING_OK, RING_FAILED, RING_UNKNOWN, RING_COUNT };

// Of an AoR's entries in one ring; more push out its own oldest.
static const unsigned per_aor[RING_COUNT] = {10, 40, 50};
// Of all entries, in quarters.
static const size_t quarters[RING_COUNT] = {1, 2, 1};

enum list_name { LIST_AGE, LIST_AOR, LIST_DOMAIN, LIST_COUNT };

struct link {
    uint32_t older, newer;
};

struct list {
    uint32_t newest, oldest;
};

struct cell {
    uint32_t next;
    char text[CELL_TEXT];
};

struct entry {
    int64_t first_at_ms, at_ms;
    uint32_t count;
    uint16_t status;
    uint8_t reason, transport, ring;
    bool known;
    bool again; // seen again since it came to its place by age
    uint8_t n_domain, n_username, n_user_agent, n_detail; // lengths of the texts, in this order
    uint32_t text;                                        // first cell; of a free entry: the next
    uint32_t aor_hash, domain_hash;
    struct address source;
    struct link links[LIST_COUNT];
};

struct ring {
    struct list age;
    uint32_t free_entry, free_cell;
    uint32_t cells_left;
};

struct attempts {
    pthread_mutex_t lock;
    struct hash_key key;
    uint32_t n_entries;
    struct entry *entries;
    struct cell *cells;
    struct list *by_aor, *by_domain; // n_buckets of each
    uint32_t n_buckets;              // a power of two
    struct ring rings[RING_COUNT];
};

// ---- Lists and memory -------------------------------------------------------------------------

static struct list *list_of(struct attempts *a, const struct entry *e, enum list_name which)
{
    switch (which) {
    case LIST_AGE:
        return &a->rings[e->ring].age;
    case LIST_AOR:
        return &a->by_aor[e->aor_hash & (a->n_buckets - 1)];
    default:
        return &a->by_domain[e->domain_hash & (a->n_buckets - 1)];
    }
}

static void list_add(struct attempts *a, uint32_t i, enum list_name which)
{
    struct list *list = list_of(a, &a->entries[i], which);
    a->entries[i].links[which] = (struct link){.older = list->newest, .newer = NIL};
    if (list->newest != NIL)
        a->entries[list->newest].links[which].newer = i;
    else
        list->oldest = i;
    list->newest = i;
}

static void list_drop(struct attempts *a, uint32_t i, enum list_name which)
{
    struct list *list = list_of(a, &a->entries[i], which);
    struct link at = a->entries[i].links[which];
    if (at.newer != NIL)
        a->entries[at.newer].links[which].older = at.older;
    else
        list->newest = at.older;
    if (at.older != NIL)
        a->entries[at.older].links[which].newer = at.newer;
    else
        list->oldest = at.newer;
}

static size_t text_size(const struct entry *e)
{
    return (size_t)e->n_domain + e->n_username + e->n_user_agent + e->n_detail;
}

static uint32_t cells_for(size_t text)
{
    return (uint32_t)((text + CELL_TEXT - 1) / CELL_TEXT);
}

static void forget(struct attempts *a, uint32_t i)
{
    struct entry *e = &a->entries[i];
    struct ring *ring = &a->rings[e->ring];
    list_drop(a, i, LIST_AGE);
    list_drop(a, i, LIST_AOR);
    if (!e->known)
        list_drop(a, i, LIST_DOMAIN);
    for (uint32_t c = e->text; c != NIL;) {
        uint32_t next = a->cells[c].next;
        a->cells[c].next = ring->free_cell;
        ring->free_cell = c;
        ring->cells_left++;
        c = next;
    }
    e->text = ring->free_entry;
    ring->free_entry = i;
}

// The entry to give up: the oldest, where it was not seen again. One that was goes back to the new
// end, so that a refresh need not move it each time; after a few of them the oldest must go all the
// same, for an attempt has no time to look through the ring.
static uint32_t victim(struct attempts *a, enum ring_name name)
{
    for (int chance = 0; chance < SECOND_CHANCES; chance++) {
        uint32_t i = a->rings[name].age.oldest;
        if (!a->entries[i].again)
            return i;
        a->entries[i].again = false;
        list_drop(a, i, LIST_AGE);
        list_add(a, i, LIST_AGE);
    }
    return a->rings[name].age.oldest;
}

// An entry off the free list, with room for `text` bytes in the ring's cells.
static uint32_t take(struct attempts *a, enum ring_name name, size_t text)
{
    struct ring *ring = &a->rings[name];
    while (ring->free_entry == NIL || ring->cells_left < cells_for(text))
        forget(a, victim(a, name));
    uint32_t i = ring->free_entry;
    ring->free_entry = a->entries[i].text;
    return i;
}

// ---- Text -------------------------------------------------------------------------------------

// Cuts at `max` bytes, not within a UTF-8 sequence.
static struct slice cut(struct slice s, size_t max)
{
    if (s.n <= max)
        return s;
    size_t n = max;
    while (n > max - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return slice_of(s.p, n);
}

static void text_store(struct attempts *a, struct entry *e, const struct slice texts[4])
{
    struct ring *ring = &a->rings[e->ring];
    uint32_t *tail = &e->text;
    size_t used = CELL_TEXT;
    struct cell *cell = NULL;
    *tail = NIL;
    for (int t = 0; t < 4; t++) {
        struct slice s = texts[t];
        while (s.n) {
            if (used == CELL_TEXT) {
                *tail = ring->free_cell;
                cell = &a->cells[*tail];
                ring->free_cell = cell->next;
                ring->cells_left--;
                cell->next = NIL;
                tail = &cell->next;
                used = 0;
            }
            size_t n = s.n < CELL_TEXT - used ? s.n : CELL_TEXT - used;
            memcpy(cell->text + used, s.p, n);
            used += n;
            s = slice_from(s, n);
        }
    }
}

#define TEXT_MAX (DOMAIN_NAME_MAX + USERNAME_MAX + ATTEMPT_USER_AGENT_MAX + ATTEMPT_DETAIL_MAX)

static void text_load(const struct attempts *a, const struct entry *e, char *out)
{
    size_t left = text_size(e);
    for (uint32_t c = e->text; c != NIL; c = a->cells[c].next) {
        size_t n = left < CELL_TEXT ? left : CELL_TEXT;
        memcpy(out, a->cells[c].text, n);
        out += n;
        left -= n;
    }
}

// The entry's texts in turn out of `text`, which text_load() filled.
static void text_split(const struct entry *e, const char *text, struct slice out[4])
{
    out[0] = slice_of(text, e->n_domain);
    out[1] = slice_of(out[0].p + out[0].n, e->n_username);
    out[2] = slice_of(out[1].p + out[1].n, e->n_user_agent);
    out[3] = slice_of(out[2].p + out[2].n, e->n_detail);
}

// ---- Opening ----------------------------------------------------------------------------------

static void ring_fill(struct attempts *a, enum ring_name name, uint32_t first, uint32_t n)
{
    struct ring *ring = &a->rings[name];
    *ring = (struct ring){.age = {NIL, NIL}, .free_entry = first, .free_cell = first * CELLS_PER};
    ring->cells_left = n * CELLS_PER;
    for (uint32_t i = first; i < first + n; i++)
        a->entries[i].text = i + 1 < first + n ? i + 1 : NIL;
    for (uint32_t c = first * CELLS_PER; c < (first + n) * CELLS_PER; c++)
        a->cells[c].next = c + 1 < (first + n) * CELLS_PER ? c + 1 : NIL;
}

static void give_back(struct attempts *a)
{
    pages_free(a->entries, a->n_entries * sizeof *a->entries);
    pages_free(a->cells, a->n_entries * CELLS_PER * sizeof *a->cells);
    pages_free(a->by_aor, a->n_buckets * sizeof *a->by_aor);
    pages_free(a->by_domain, a->n_buckets * sizeof *a->by_domain);
    free(a);
}

struct attempts *attempts_open(size_t bytes)
{
    const size_t each = sizeof(struct entry) + CELLS_PER * sizeof(struct cell);
    struct attempts *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    // At most two buckets an entry and index, so that what is asked for bounds the whole.
    size_t n = bytes / (each + 4 * sizeof(struct list)) / 4 * 4;
    n = n < 64 ? 64 : n > UINT32_MAX / 16 ? UINT32_MAX / 16 / 4 * 4 : n;
    a->n_buckets = 64;
    while (a->n_buckets < n)
        a->n_buckets *= 2;
    a->n_entries = (uint32_t)n;
    a->entries = pages_alloc(n * sizeof *a->entries);
    a->cells = pages_alloc(n * CELLS_PER * sizeof *a->cells);
    a->by_aor = pages_alloc(a->n_buckets * sizeof *a->by_aor);
    a->by_domain = pages_alloc(a->n_buckets * sizeof *a->by_domain);
    if (!a->entries || !a->cells || !a->by_aor || !a->by_domain ||
        pthread_mutex_init(&a->lock, NULL) != 0) {
        give_back(a);
        return NULL;
    }
    for (uint32_t i = 0; i < a->n_buckets; i++)
        a->by_aor[i] = a->by_domain[i] = (struct list){NIL, NIL};
    uint32_t first = 0;
    for (int r = 0; r < RING_COUNT; r++) {
        uint32_t share = (uint32_t)(n / 4 * quarters[r]);
        ring_fill(a, (enum ring_name)r, first, share);
        first += share;
    }
    a->key = hash_key_random();
    return a;
}

void attempts_close(struct attempts *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    give_back(a);
}

// ---- Adding and finding -----------------------------------------------------------------------

static bool same_outcome(const struct entry *e, const struct attempt *attempt,
                         const struct slice have[4], const struct slice texts[4])
{
    return e->known == attempt->known && e->reason == attempt->reason &&
           e->status == attempt->status && address_same_host(&e->source, &attempt->source) &&
           slice_eq(have[2], texts[2]);
}

// Looks through the AoR's entries in the ring: the equal one, or, where there is none and the AoR
// has its share, its oldest. NIL for neither. `whole`: the equal one has the same detail too.
static uint32_t find_replaced(struct attempts *a, const struct entry *new,
                              const struct attempt *attempt, const struct slice texts[4],
                              bool *equal, bool *whole)
{
    unsigned seen = 0;
    uint32_t oldest = NIL;
    *equal = *whole = false;
    for (uint32_t i = list_of(a, new, LIST_AOR)->newest; i != NIL;
         i = a->entries[i].links[LIST_AOR].older) {
        const struct entry *e = &a->entries[i];
        if (e->aor_hash != new->aor_hash || e->ring != new->ring)
            continue;
        char text[TEXT_MAX];
        struct slice have[4];
        text_load(a, e, text);
        text_split(e, text, have);
        if (!slice_eq(have[0], texts[0]) || !slice_eq(have[1], texts[1]))
            continue;
        if (same_outcome(e, attempt, have, texts)) {
            *equal = true;
            *whole = slice_eq(have[3], texts[3]);
            return i;
        }
        oldest = i;
        seen++;
    }
    return seen >= per_aor[new->ring] ? oldest : NIL;
}

// The usual refresh: the entry stays, is now its AoR's newest, and was seen once more.
static void renew(struct attempts *a, uint32_t i, const struct entry *new)
{
    struct entry *e = &a->entries[i];
    e->at_ms = new->at_ms;
    e->transport = new->transport;
    e->source = new->source;
    e->count += e->count < UINT32_MAX;
    e->again = true;
    for (enum list_name which = LIST_AOR; which < LIST_COUNT; which++) {
        if ((which == LIST_DOMAIN && e->known) || e->links[which].newer == NIL)
            continue;
        list_drop(a, i, which);
        list_add(a, i, which);
    }
}

static void replace(struct attempts *a, uint32_t old, struct entry *new,
                    const struct slice texts[4])
{
    if (old != NIL)
        forget(a, old);
    uint32_t i = take(a, (enum ring_name) new->ring, text_size(new));
    a->entries[i] = *new;
    text_store(a, &a->entries[i], texts);
    list_add(a, i, LIST_AGE);
    list_add(a, i, LIST_AOR);
    if (!new->known)
        list_add(a, i, LIST_DOMAIN);
}

void attempts_add(struct attempts *a, const struct attempt *attempt)
{
    const struct slice texts[4] = {
        cut(attempt->domain, DOMAIN_NAME_MAX), cut(attempt->username, USERNAME_MAX),
        cut(attempt->user_agent, ATTEMPT_USER_AGENT_MAX), cut(attempt->detail, ATTEMPT_DETAIL_MAX)};
    struct entry new = {.first_at_ms = attempt->at_ms,
                        .at_ms = attempt->at_ms,
                        .count = 1,
                        .status = attempt->status,
                        .reason = attempt->reason,
                        .transport = attempt->transport,
                        .known = attempt->known,
                        .n_domain = (uint8_t)texts[0].n,
                        .n_username = (uint8_t)texts[1].n,
                        .n_user_agent = (uint8_t)texts[2].n,
                        .n_detail = (uint8_t)texts[3].n,
                        .aor_hash = (uint32_t)hash64_pair(a->key, texts[0], texts[1]),
                        .source = attempt->source};
    if (!attempt->known) // only those are found by their domain
        new.domain_hash = (uint32_t)hash64(a->key, texts[0]);
    new.ring = !attempt->known                ? RING_UNKNOWN
               : attempt->reason == REASON_OK ? RING_OK
                                              : RING_FAILED;
    pthread_mutex_lock(&a->lock);
    bool equal, whole;
    uint32_t old = find_replaced(a, &new, attempt, texts, &equal, &whole);
    if (equal) {
        const struct entry *e = &a->entries[old];
        new.first_at_ms = e->first_at_ms;
        new.count = e->count < UINT32_MAX ? e->count + 1 : e->count;
    }
    if (whole)
        renew(a, old, &new);
    else
        replace(a, old, &new, texts);
    pthread_mutex_unlock(&a->lock);
}

// False when the arena has no memory.
static bool copy_out(const struct entry *e, const struct slice texts[4], struct arena *arena,
                     struct attempt *out)
{
    *out = (struct attempt){.first_at_ms = e->first_at_ms,
                            .at_ms = e->at_ms,
                            .count = e->count,
                            .status = e->status,
                            .reason = e->reason,
                            .transport = e->transport,
                            .known = e->known,
                            .source = e->source,
                            .domain = arena_copy(arena, texts[0]),
                            .username = arena_copy(arena, texts[1]),
                            .user_agent = arena_copy(arena, texts[2]),
                            .detail = arena_copy(arena, texts[3])};
    return out->domain.p && out->username.p && out->user_agent.p && out->detail.p;
}

size_t attempts_find(struct attempts *a, struct slice domain, struct slice key, struct arena *arena,
                     struct attempt *out, size_t max)
{
    enum list_name which = key.n ? LIST_AOR : LIST_DOMAIN;
    struct entry probe = {.aor_hash = (uint32_t)hash64_pair(a->key, domain, key),
                          .domain_hash = (uint32_t)hash64(a->key, domain)};
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = list_of(a, &probe, which)->newest; i != NIL && n < max;
         i = a->entries[i].links[which].older) {
        const struct entry *e = &a->entries[i];
        if (key.n ? e->aor_hash != probe.aor_hash : e->domain_hash != probe.domain_hash)
            continue;
        char text[TEXT_MAX];
        struct slice texts[4];
        text_load(a, e, text);
        text_split(e, text, texts);
        if (!slice_eq(texts[0], domain) || (key.n && !slice_eq(texts[1], key)))
            continue;
        if (!copy_out(e, texts, arena, &out[n])) {
            n = 0;
            break;
        }
        n++;
    }
    pthread_mutex_unlock(&a->lock);
    return n;
}
