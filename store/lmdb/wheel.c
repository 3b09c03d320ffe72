// SPDX-License-Identifier: Apache-2.0
// See wheel.h.
#include "store/lmdb/wheel.h"

#include <stdlib.h>

#define SLAB_CHUNKS  256
#define STEP_ITEMS   4096 // items moved in one wheel_advance()
#define STEP_CASCADE 512  // items of the next span moved early in one wheel_advance()

struct wheel *wheel_open(struct map *map, int64_t now_ms)
{
    struct wheel *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->map = map;
    w->second = now_ms > 0 ? (uint32_t)(now_ms / 1000) : 0;
    return w;
}

void wheel_close(struct wheel *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_slabs; i++)
        free(w->slabs[i]);
    free(w->slabs);
    free(w->heap);
    free(w);
}

// ---- Memory -----------------------------------------------------------------------------------

static bool add_slab(struct wheel *w)
{
    if ((w->n_slabs & (w->n_slabs - 1)) == 0) {
        size_t cap = w->n_slabs ? w->n_slabs * 2 : 1;
        struct wheel_chunk **slabs = realloc(w->slabs, cap * sizeof *slabs);
        if (!slabs)
            return false;
        w->slabs = slabs;
    }
    struct wheel_chunk *slab = malloc(SLAB_CHUNKS * sizeof *slab);
    if (!slab)
        return false;
    w->slabs[w->n_slabs++] = slab;
    for (size_t i = 0; i < SLAB_CHUNKS; i++) {
        slab[i].next = w->spare;
        w->spare = &slab[i];
    }
    w->n_spare += SLAB_CHUNKS;
    return true;
}

static bool heap_room(struct wheel *w, size_t n)
{
    if (n <= w->heap_cap)
        return true;
    size_t cap = w->heap_cap ? w->heap_cap : 1024;
    while (cap < n)
        cap *= 2;
    struct wheel_due *heap = realloc(w->heap, cap * sizeof *heap);
    if (!heap)
        return false;
    w->heap = heap;
    w->heap_cap = cap;
    return true;
}

bool wheel_reserve(struct wheel *w, size_t n)
{
    while (w->n_spare < n)
        if (!add_slab(w))
            return false;
    return heap_room(w, w->n_heap + n);
}

// ---- Slots ------------------------------------------------------------------------------------

static void mark_near(struct wheel *w, uint32_t at, bool used)
{
    uint64_t bit = 1ULL << at % 64;
    if (used)
        w->near_used[at / 64] |= bit;
    else
        w->near_used[at / 64] &= ~bit;
}

// Room was reserved.
static void slot_add(struct wheel *w, struct wheel_slot *slot, uint64_t hash)
{
    uint32_t in_head = slot->n % WHEEL_CHUNK;
    if (in_head == 0) {
        struct wheel_chunk *chunk = w->spare;
        w->spare = chunk->next;
        w->n_spare--;
        chunk->next = slot->head;
        slot->head = chunk;
    }
    slot->head->hash[in_head] = hash;
    slot->n++;
    w->items++;
}

static uint64_t slot_take(struct wheel *w, struct wheel_slot *slot)
{
    uint32_t in_head = --slot->n % WHEEL_CHUNK;
    uint64_t hash = slot->head->hash[in_head];
    if (in_head == 0) {
        struct wheel_chunk *chunk = slot->head;
        slot->head = chunk->next;
        chunk->next = w->spare;
        w->spare = chunk;
        w->n_spare++;
    }
    w->items--;
    return hash;
}

// ---- The heap of the second that has begun ----------------------------------------------------

static void heap_push(struct wheel *w, struct wheel_due item)
{
    size_t i = w->n_heap++;
    for (; i && w->heap[(i - 1) / 2].at_ms > item.at_ms; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = item;
}

static struct wheel_due heap_pop(struct wheel *w)
{
    struct wheel_due first = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && w->heap[child + 1].at_ms < w->heap[child].at_ms)
            child++;
        if (w->heap[child].at_ms >= last.at_ms)
            break;
        w->heap[i] = w->heap[child];
    }
    if (w->n_heap)
        w->heap[i] = last;
    return first;
}

// ---- Placing ----------------------------------------------------------------------------------

static uint32_t due_second(int64_t at_ms)
{
    int64_t s = at_ms / 1000;
    return s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static void place_at(struct wheel *w, uint64_t hash, uint32_t due, int64_t at_ms)
{
    if (due < w->second) {
        heap_push(w, (struct wheel_due){at_ms, hash, due});
        return;
    }
    uint32_t span = due / WHEEL_SPAN, now_span = w->second / WHEEL_SPAN;
    if (span < now_span + 2) {
        uint32_t at = due % WHEEL_NEAR;
        slot_add(w, &w->near[at], hash);
        mark_near(w, at, true);
        return;
    }
    if (span >= now_span + WHEEL_FAR)
        span = now_span + WHEEL_FAR - 1;
    slot_add(w, &w->far[span % WHEEL_FAR], hash);
}

void wheel_place(struct wheel *w, struct map_entry *e)
{
    if (e->n == 0)
        return;
    uint32_t due = due_second(e->next_expiry_ms);
    // In the second that has begun the heap counts milliseconds, so an equal second is not enough.
    if (e->due && e->due <= due && !(e->due == due && due < w->second))
        return;
    e->due = due;
    place_at(w, e->hash, due, e->next_expiry_ms);
}

// Each entry with this placement: into the heap when its time is this second's, anew otherwise.
static void rearrange(void *arg, struct map_entry *e)
{
    struct wheel *w = arg;
    e->due = 0;
    wheel_place(w, e);
}

void wheel_settle(struct wheel *w, const struct wheel_due *item)
{
    map_each_due(w->map, item->hash, item->due, rearrange, w);
}

// ---- Moving on --------------------------------------------------------------------------------

// Far items carry no second of their own: their entry's `due` is it.
static void move_near(void *arg, struct map_entry *e)
{
    struct wheel *w = arg;
    place_at(w, e->hash, e->due, e->next_expiry_ms);
}

static void cascade_one(struct wheel *w, uint32_t span, uint64_t hash)
{
    struct map_shard *s = &w->map->shards[hash >> 54];
    if (!s->slots)
        return;
    for (uint32_t i = (uint32_t)hash & s->mask; s->slots[i].seq; i = (i + 1) & s->mask) {
        struct map_entry *e = &s->slots[i];
        if (e->hash == hash && e->due / WHEEL_SPAN >= span && e->n)
            move_near(w, e);
        else if (e->hash == hash && e->due / WHEEL_SPAN >= span)
            e->due = 0; // a tombstone needs none
    }
}

// Moves at most `budget` items of the far slot of `span` to where they belong now.
static bool cascade(struct wheel *w, uint32_t span, size_t budget)
{
    struct wheel_slot *slot = &w->far[span % WHEEL_FAR];
    // What was put here because it is farther off than the wheel comes back to this very slot's
    // ring position only when its own span comes: stop after one round.
    size_t n = slot->n < budget ? slot->n : budget;
    for (size_t i = 0; i < n; i++) {
        if (!wheel_reserve(w, MAP_CANDIDATES))
            return true;
        cascade_one(w, span, slot_take(w, slot));
    }
    return slot->n > 0;
}

static void to_heap(void *arg, struct map_entry *e)
{
    struct wheel *w = arg;
    if (e->n == 0) {
        e->due = 0;
    } else if (due_second(e->next_expiry_ms) <= w->second) {
        heap_push(w, (struct wheel_due){e->next_expiry_ms, e->hash, e->due});
    } else {
        e->due = 0;
        wheel_place(w, e);
    }
}

// The next second with something in it, at most `until`.
static uint32_t next_used(const struct wheel *w, uint32_t from, uint32_t until)
{
    while (from < until) {
        uint32_t at = from % WHEEL_NEAR;
        uint64_t word = w->near_used[at / 64] >> at % 64;
        if (word) {
            uint32_t found = from + (uint32_t)__builtin_ctzll(word);
            return found < until ? found : until;
        }
        from += 64 - at % 64;
    }
    return until;
}

static bool empty_second(struct wheel *w, size_t *budget)
{
    uint32_t at = w->second % WHEEL_NEAR;
    struct wheel_slot *slot = &w->near[at];
    for (; slot->n && *budget; --*budget) {
        if (!wheel_reserve(w, MAP_CANDIDATES))
            return false;
        uint64_t hash = slot_take(w, slot);
        map_each_due(w->map, hash, w->second, to_heap, w);
    }
    if (slot->n)
        return false;
    mark_near(w, at, false);
    return true;
}

bool wheel_advance(struct wheel *w, int64_t now_ms)
{
    uint32_t now = now_ms > 0 ? (uint32_t)(now_ms / 1000) : 0;
    size_t budget = STEP_ITEMS;
    while (w->second <= now) {
        uint32_t span_end = (w->second / WHEEL_SPAN + 1) * WHEEL_SPAN;
        uint32_t until = now + 1 < span_end ? now + 1 : span_end;
        w->second = next_used(w, w->second, until);
        if (w->second < until) {
            if (!empty_second(w, &budget))
                return true;
            w->second++;
        }
        if (w->second == span_end && cascade(w, span_end / WHEEL_SPAN, SIZE_MAX))
            return true;
    }
    cascade(w, w->second / WHEEL_SPAN + 1, STEP_CASCADE);
    return false;
}

bool wheel_pop(struct wheel *w, int64_t now_ms, struct wheel_due *out)
{
    if (w->n_heap == 0 || w->heap[0].at_ms > now_ms)
        return false;
    *out = heap_pop(w);
    return true;
}

void wheel_undo(struct wheel *w, const struct wheel_due *item)
{
    heap_push(w, *item); // there was room when it was taken off
}

int64_t wheel_next_ms(const struct wheel *w)
{
    if (w->n_heap)
        return w->heap[0].at_ms;
    if (w->items == 0)
        return INT64_MAX;
    uint32_t end = (w->second / WHEEL_SPAN + 2) * WHEEL_SPAN;
    return (int64_t)next_used(w, w->second, end) * 1000;
}

// ---- Tidying ----------------------------------------------------------------------------------

struct tidy {
    struct wheel *w;
    bool keep;
};

static void is_current(void *arg, struct map_entry *e)
{
    struct tidy *t = arg;
    t->keep = t->keep || e->n > 0;
}

static int hash_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// Near slots only: what is stale in a far one comes near within its time.
void wheel_tidy(struct wheel *w)
{
    if (w->items < 2 * w->map->live + 65536)
        return;
    uint32_t second = w->second + w->tidy_at++ % WHEEL_SPAN;
    struct wheel_slot *slot = &w->near[second % WHEEL_NEAR];
    uint64_t *hashes = slot->n ? malloc(slot->n * sizeof *hashes) : NULL;
    if (!hashes)
        return;
    size_t n = slot->n;
    for (size_t i = 0; i < n; i++)
        hashes[i] = slot_take(w, slot);
    qsort(hashes, n, sizeof *hashes, hash_cmp);
    for (size_t i = 0; i < n; i++) {
        struct tidy t = {w, false};
        if (i == 0 || hashes[i] != hashes[i - 1])
            map_each_due(w->map, hashes[i], second, is_current, &t);
        if (t.keep)
            slot_add(w, slot, hashes[i]);
    }
    mark_near(w, second % WHEEL_NEAR, slot->n > 0);
    free(hashes);
}
