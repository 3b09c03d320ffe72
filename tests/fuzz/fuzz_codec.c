// SPDX-License-Identifier: Apache-2.0
// Records of any bytes below a right checksum: what is read, is written and read again the same.
// The first byte says which kind.
#include "base/checksum.h"
#include "store/codec.h"
#include "tests/fuzz/fuzz.h"

static char record[1 << 16], first[1 << 18], second[1 << 18];

static void aor(struct slice bytes, struct buf *out)
{
    struct arena arena;
    struct aor_record r, peek;
    unsigned n;
    int64_t next;
    arena_init(&arena, NULL, 0, 1 << 22);
    if (codec_get_aor(bytes, &arena, &r) == CODEC_OK) {
        HOLD(r.set.n <= BINDINGS_MAX);
        HOLD(codec_glance_aor(bytes, &peek, &n, &next, NULL) && n == r.set.n);
        HOLD(codec_peek_aor(bytes, &peek) && slice_eq(peek.key, r.key));
        codec_put_aor(out, &r);
    }
    arena_reset(&arena);
}

static void read_and_write(unsigned kind, struct slice bytes, struct buf *out)
{
    static struct event_objects objects;
    static struct user user;
    static struct domain domain;
    struct store_event event;
    switch (kind) {
    case 0:
        aor(bytes, out);
        break;
    case 1:
        if (codec_get_user(bytes, SLICE("d"), &user))
            codec_put_user(out, &user);
        break;
    case 2:
        if (codec_get_domain(bytes, &domain))
            codec_put_domain(out, &domain);
        break;
    default:
        if (codec_get_event(bytes, &objects, &event))
            codec_put_event(out, &event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > sizeof record - CODEC_HEAD)
        return 0;
    record[0] = CODEC_FORMAT;
    if (size > 1)
        memcpy(record + CODEC_HEAD, data + 1, size - 1);
    struct slice bytes = slice_of(record, CODEC_HEAD + size - 1);
    uint64_t sum = checksum64(slice_from(bytes, CODEC_HEAD));
    memcpy(record + 1, &sum, sizeof sum);
    struct buf a = buf_over(first, sizeof first), b = buf_over(second, sizeof second);
    read_and_write(data[0] % 4, bytes, &a);
    if (a.n == 0)
        return 0;
    HOLD(!a.full);
    read_and_write(data[0] % 4, buf_slice(&a), &b);
    HOLD(slice_eq(buf_slice(&a), buf_slice(&b)));
    return 0;
}
