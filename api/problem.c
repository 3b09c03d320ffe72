// SPDX-License-Identifier: Apache-2.0
#include "api/problem.h"

#include "base/buf.h"

static const struct {
    unsigned status;
    const char *title;
} titles[] = {{400, "Bad Request"},
              {401, "Unauthorized"},
              {403, "Forbidden"},
              {404, "Not Found"},
              {405, "Method Not Allowed"},
              {409, "Conflict"},
              {412, "Precondition Failed"},
              {413, "Content Too Large"},
              {415, "Unsupported Media Type"},
              {422, "Unprocessable Content"},
              {429, "Too Many Requests"},
              {500, "Internal Server Error"},
              {501, "Not Implemented"},
              {503, "Service Unavailable"},
              {505, "HTTP Version Not Supported"},
              {507, "Insufficient Storage"}};

const char *problem_title(unsigned status)
{
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

void problem_put(struct text *t, unsigned status, struct slice detail, const struct faults *faults)
{
    json_open(t, '{');
    json_key(t, "type");
    json_string(t, SLICE("about:blank"));
    json_key(t, "title");
    json_string(t, slice_str(problem_title(status)));
    json_key(t, "status");
    json_u64(t, status);
    if (detail.n) {
        json_key(t, "detail");
        json_string(t, detail);
    }
    if (faults && faults->n) {
        json_key(t, "errors");
        json_open(t, '[');
        for (size_t i = 0; i < faults->n && i < FAULTS_MAX; i++) {
            json_open(t, '{');
            json_key(t, "field");
            json_string(t, faults->items[i].field);
            json_key(t, "detail");
            json_string(t, faults->items[i].detail);
            json_close(t, '}');
        }
        json_close(t, ']');
    }
    json_close(t, '}');
}

struct slice problem_of_faults(const struct faults *faults, char *out, size_t size)
{
    struct buf b = buf_over(out, size);
    if (faults->n == 1)
        buf_printf(&b, "%.*s: %.*s", SLICE_FMT(slice_upto(faults->items[0].field, 128)),
                   SLICE_FMT(slice_upto(faults->items[0].detail, 256)));
    else
        buf_printf(&b, "%zu members are not as they must be", faults->n);
    return buf_slice(&b);
}
