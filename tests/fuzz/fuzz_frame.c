// SPDX-License-Identifier: Apache-2.0
// The first byte says in pieces of what size the rest arrives; the frames must be those of the
// whole.
#include "service/sip/message.h"
#include "tests/fuzz/fuzz.h"

#define MAX 8192

struct frames {
    size_t n, at[64];
    enum frame_status status[64];
};

static void run(struct slice stream, size_t piece, struct frames *out)
{
    size_t scanned = 0, start = 0;
    out->n = 0;
    for (size_t have = piece < stream.n ? piece : stream.n;;) {
        size_t skip, length;
        enum frame_status status =
            sip_frame(slice_of(stream.p + start, have - start), MAX, &scanned, &skip, &length);
        if (status == FRAME_NEED_MORE) {
            if (have == stream.n)
                return;
            have = stream.n - have < piece ? stream.n : have + piece;
            continue;
        }
        HOLD(scanned == 0 && skip + length <= have - start);
        start += skip + length;
        if (out->n == 64)
            return;
        out->at[out->n] = status == FRAME_BAD ? 0 : start;
        out->status[out->n++] = status;
        if (status == FRAME_BAD)
            return;
        HOLD(skip + length > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct frames whole, pieces;
    struct slice stream = input(data + 1, size - 1);
    run(stream, stream.n + 1, &whole);
    run(stream, 1 + data[0], &pieces);
    HOLD(whole.n == pieces.n);
    for (size_t i = 0; i < whole.n; i++)
        HOLD(whole.at[i] == pieces.at[i] && whole.status[i] == pieces.status[i]);
    return 0;
}
