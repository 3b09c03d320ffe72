// SPDX-License-Identifier: Apache-2.0
#include "api/param.h"

// ---- RFC 3339 -----------------------------------------------------------------------------------

// Takes n digits off.
static bool digits(struct slice *s, size_t n, int *out)
{
    int v = 0;
    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!ascii_digit(s->p[i]))
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *s = slice_from(*s, n);
    *out = v;
    return true;
}

static bool literal(struct slice *s, char c)
{
    if (s->n == 0 || ascii_lower(s->p[0]) != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

// Days from 1970-01-01, in the proleptic Gregorian calendar, with years that begin in March.
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_date(struct slice *s, int64_t *days)
{
    int year, month, day;
    if (!digits(s, 4, &year) || !literal(s, '-') || !digits(s, 2, &month) || !literal(s, '-') ||
        !digits(s, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

// Seconds may be 60: a leap second counts as the one after it.
static bool read_clock(struct slice *s, int64_t *ms)
{
    int hour, minute, second, unit = 100;
    if (!digits(s, 2, &hour) || !literal(s, ':') || !digits(s, 2, &minute) || !literal(s, ':') ||
        !digits(s, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    *ms = (((int64_t)hour * 60 + minute) * 60 + second) * 1000;
    if (!literal(s, '.'))
        return true;
    if (s->n == 0 || !ascii_digit(s->p[0]))
        return false;
    for (int digit; digits(s, 1, &digit); unit /= 10)
        *ms += (int64_t)digit * unit;
    return true;
}

static bool read_offset(struct slice *s, int64_t *ms)
{
    int hour, minute;
    *ms = 0;
    if (literal(s, 'z'))
        return true;
    bool minus = s->n && s->p[0] == '-';
    if (!(minus ? literal(s, '-') : literal(s, '+')) || !digits(s, 2, &hour) || !literal(s, ':') ||
        !digits(s, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ms = ((int64_t)hour * 60 + minute) * 60000 * (minus ? -1 : 1);
    return true;
}

bool time_read(struct slice text, int64_t *ms)
{
    int64_t days, clock, offset;
    if (!read_date(&text, &days) || !literal(&text, 't') || !read_clock(&text, &clock) ||
        !read_offset(&text, &offset) || text.n)
        return false;
    *ms = days * 86400000 + clock - offset;
    return true;
}

// ---- Arguments ----------------------------------------------------------------------------------

bool param_view(struct request *r, enum view *out)
{
    struct slice text;
    *out = VIEW_FULL;
    if (!request_query(r, "view", &text) || slice_eq(text, SLICE("full")))
        return true;
    *out = VIEW_STATUS;
    if (slice_eq(text, SLICE("status")))
        return true;
    respond_problem(r, 400, "view: \"full\" or \"status\"");
    return false;
}

bool param_text(struct request *r, const char *name, size_t min, size_t max, struct slice *out,
                bool *there)
{
    *out = SLICE_NONE;
    *there = request_query(r, name, out);
    if (!*there || (out->n >= min && out->n <= max))
        return true;
    respond_problem(r, 400, "%s: from %zu to %zu bytes", name, min, max);
    return false;
}

bool param_time(struct request *r, const char *name, int64_t *out, bool *there)
{
    struct slice text;
    *there = request_query(r, name, &text);
    if (!*there || time_read(text, out))
        return true;
    respond_problem(r, 400, "%s: a time as in RFC 3339, such as 2026-03-01T13:00:00Z", name);
    return false;
}
