// SPDX-License-Identifier: Apache-2.0
// A binding as JSON. It is the hot object of the API (a page has a thousand), so it is written
// straight into the answer.
#include "api/show.h"

// ---- Contact parameters -------------------------------------------------------------------------

// More than one Contact can have (sip.params); what is beyond is not shown.
#define PARAMS_MAX 64

struct param {
    struct slice name, value; // a quoted value without its quotes, its quoted-pairs as they stand
    bool has_value, escaped;
};

static size_t skip_blanks(struct slice s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return i;
}

// Reads the quoted string behind the quote at s[i - 1]; returns the index behind its end.
static size_t quoted(struct slice s, size_t i, struct param *out)
{
    size_t from = i;
    while (i < s.n && s.p[i] != '"') {
        if (s.p[i] == '\\') {
            out->escaped = true;
            i++;
        }
        i++;
    }
    size_t end = i < s.n ? i : s.n;
    out->value = slice_of(s.p + from, end - from);
    return end + 1;
}

// The end of a name, or of a value without quotes, which may hold '='.
static size_t token_end(struct slice s, size_t i, bool is_name)
{
    while (i < s.n && s.p[i] != ';' && s.p[i] != ' ' && s.p[i] != '\t' &&
           !(is_name && s.p[i] == '='))
        i++;
    return i;
}

// Takes the next ";name[=value]" off; false at the end. They were checked when they came in; what
// would be malformed is shown as well as it can be.
static bool param_next(struct slice *rest, struct param *out)
{
    struct slice s = *rest;
    size_t i = skip_blanks(s, 0);
    if (i == s.n || s.p[i] != ';')
        return false;
    size_t from = skip_blanks(s, i + 1);
    i = token_end(s, from, true);
    *out = (struct param){.name = slice_of(s.p + from, i - from)};
    i = skip_blanks(s, i);
    if (i < s.n && s.p[i] == '=') {
        out->has_value = true;
        from = skip_blanks(s, i + 1);
        if (from < s.n && s.p[from] == '"') {
            i = quoted(s, from + 1, out);
        } else {
            i = token_end(s, from, false);
            out->value = slice_of(s.p + from, i - from);
        }
    }
    *rest = slice_from(s, i + slice_find(slice_from(s, i), ';'));
    return true;
}

static void unescaped_string(struct text *t, struct slice value)
{
    struct text plain;
    text_init(&plain, value.n + 1);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' && i + 1 < value.n)
            i++;
        text_put(&plain, slice_of(value.p + i, 1));
    }
    json_string(t, text_slice(&plain));
    t->bad |= plain.bad;
    text_free(&plain);
}

// Names are ASCII (tokens). Others, of which two could look alike once they are valid UTF-8, are
// not shown: an object has no name twice.
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return false;
    return name.n != 0;
}

// They are compared without case (RFC 3261 section 7.3.1), so that a name is there once even for a
// reader that ignores case; the first one counts.
static bool seen_before(const struct slice *seen, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_ieq(seen[i], name))
            return true;
    return false;
}

static void show_params(struct text *t, struct slice params)
{
    struct slice seen[PARAMS_MAX];
    struct param p;
    size_t n = 0;
    json_open(t, '{');
    while (n < PARAMS_MAX && param_next(&params, &p)) {
        if (!is_name(p.name) || seen_before(seen, n, p.name))
            continue;
        seen[n++] = p.name;
        json_data_key(t, p.name);
        if (!p.has_value)
            json_null(t);
        else if (p.escaped)
            unescaped_string(t, p.value);
        else
            json_string(t, p.value);
    }
    json_close(t, '}');
}

// ---- The object ---------------------------------------------------------------------------------

static void put_digits(struct text *t, uint64_t v)
{
    char digits[24];
    struct buf b = buf_over(digits, sizeof digits);
    buf_u64(&b, v);
    json_string(t, buf_slice(&b));
}

// Thousandths as a JSON number without trailing zeros: 0, 0.5, 0.125, 1.
static void show_q(struct text *t, int q)
{
    char number[8] = "0.000";
    size_t n = 5;
    if (q < 0) {
        json_null(t);
        return;
    }
    if (q >= 1000) {
        json_u64(t, 1);
        return;
    }
    number[2] = (char)('0' + q / 100);
    number[3] = (char)('0' + q / 10 % 10);
    number[4] = (char)('0' + q % 10);
    while (number[n - 1] == '0' && n > 2)
        n--;
    json_raw(t, slice_of(number, n == 2 ? 1 : n));
}

static void show_address(struct text *t, const struct address *a)
{
    char text[ADDRESS_TEXT_MAX];
    struct buf b = buf_over(text, sizeof text);
    if (!a->family) {
        json_null(t);
        return;
    }
    address_print(&b, a);
    json_string(t, buf_slice(&b));
}

static void show_optional(struct text *t, struct slice s)
{
    if (s.n)
        json_string(t, s);
    else
        json_null(t);
}

static void show_path(struct text *t, const struct binding *b)
{
    json_open(t, '[');
    for (unsigned i = 0; i < b->n_paths; i++)
        json_string(t, b->path[i]);
    json_close(t, ']');
}

static void show_flow(struct text *t, const struct binding *b)
{
    json_key(t, "source"), show_address(t, &b->source);
    json_key(t, "received"), show_address(t, &b->received);
    json_key(t, "transport"), json_string(t, slice_str(transport_name(b->transport)));
    json_key(t, "nat"), json_bool(t, b->flags & BINDING_NAT);
    json_key(t, "outbound"), json_bool(t, b->flags & BINDING_OUTBOUND);
    json_key(t, "unreachable"), json_bool(t, b->flags & BINDING_UNREACHABLE);
}

void show_binding_members(struct text *t, struct slice domain, struct slice username,
                          const struct binding *b, enum view view)
{
    json_key(t, "id"), put_digits(t, b->id);
    json_key(t, "aor"), show_aor(t, domain, username);
    json_key(t, "contact"), json_string(t, b->contact);
    json_key(t, "contact_params"), show_params(t, b->params);
    json_key(t, "q"), show_q(t, b->q);
    if (view == VIEW_FULL)
        json_key(t, "expires_at"), json_time(t, b->expires_at_ms);
    json_key(t, "call_id"), json_string(t, b->call_id);
    if (view == VIEW_FULL)
        json_key(t, "cseq"), json_u64(t, b->cseq);
    json_key(t, "path"), show_path(t, b);
    show_flow(t, b);
    json_key(t, "user_agent"), show_optional(t, b->user_agent);
    json_key(t, "instance"), show_optional(t, b->instance);
    json_key(t, "reg_id");
    if (b->reg_id)
        json_u64(t, b->reg_id);
    else
        json_null(t);
    json_key(t, "registered_at"), json_time(t, b->registered_at_ms);
    if (view == VIEW_FULL)
        json_key(t, "refreshed_at"), json_time(t, b->refreshed_at_ms);
}

void show_binding(struct text *t, struct slice domain, struct slice username,
                  const struct binding *b, enum view view)
{
    json_open(t, '{');
    show_binding_members(t, domain, username, b, view);
    json_close(t, '}');
}
