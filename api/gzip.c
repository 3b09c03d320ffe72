// SPDX-License-Identifier: Apache-2.0
#include "api/gzip.h"

#include <zlib.h>

#define LEVEL       1 // what a list gains beyond it is not worth the HTTP thread's time
#define WINDOW_GZIP (15 + 16)
#define MEMORY      8
#define PIECE       16384

// "0", "0.", "0.0", "0.00", "0.000": not acceptable.
static bool weight_is_zero(struct slice q)
{
    if (q.n == 0 || q.n > 5 || q.p[0] != '0' || (q.n > 1 && q.p[1] != '.'))
        return false;
    for (size_t i = 2; i < q.n; i++)
        if (q.p[i] != '0')
            return false;
    return true;
}

static bool is_refused(struct slice parameters)
{
    while (parameters.n) {
        struct slice one = slice_upto(parameters, slice_find(parameters, ';'));
        parameters = slice_from(parameters, one.n + 1);
        one = slice_trim(one);
        if (slice_istarts(one, SLICE("q=")) && weight_is_zero(slice_trim(slice_from(one, 2))))
            return true;
    }
    return false;
}

bool gzip_accepted(struct slice list)
{
    bool any = false;
    while (list.n) {
        struct slice item = slice_upto(list, slice_find(list, ','));
        list = slice_from(list, item.n + 1);
        size_t n = slice_find(item, ';');
        struct slice coding = slice_trim(slice_upto(item, n));
        bool yes = !is_refused(slice_from(item, n + 1));
        if (slice_ieq(coding, SLICE("gzip")) || slice_ieq(coding, SLICE("x-gzip")))
            return yes;
        if (slice_eq(coding, SLICE("*")))
            any = yes;
    }
    return any;
}

bool gzip_text(struct slice in, struct text *out)
{
    z_stream z = {0};
    unsigned char piece[PIECE];
    int rc;
    if (in.n > UINT32_MAX ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (unsigned)in.n;
    do {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        rc = deflate(&z, Z_FINISH);
        text_put(out, slice_of((const char *)piece, sizeof piece - z.avail_out));
    } while (rc == Z_OK && !out->bad);
    deflateEnd(&z);
    return rc == Z_STREAM_END && !out->bad && out->n < in.n;
}
