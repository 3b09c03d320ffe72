// SPDX-License-Identifier: Apache-2.0
// One Authorization header taken apart (RFC 7616 section 3.4, RFC 3261 section 25.1), and a
// challenge put together.
#include "service/auth/digest.h"

#define PARAMS_MAX 32

static bool is_token(char c)
{
    static const char others[] = "-.!%*_+`'~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || ascii_digit(c) ||
           (c && memchr(others, c, sizeof others - 1));
}

static bool is_space(char c)
{
    return c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static void skip(struct slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void skip_space(struct slice *s)
{
    while (s->n && is_space(s->p[0]))
        skip(s, 1);
}

// How many bytes of a token `s` begins with.
static size_t token_length(struct slice s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= 'a' && s.p[n] <= 'z') // nearly all
        n++;
    while (n < s.n && s.p[n] != '=' && is_token(s.p[n]))
        n++;
    return n;
}

// Quoted-pairs resolved.
static bool unquote(struct slice raw, struct arena *arena, struct slice *out)
{
    char *text = arena_alloc(arena, raw.n);
    size_t n = 0;
    if (!text)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\' && ++i == raw.n)
            return false;
        text[n++] = raw.p[i];
    }
    *out = slice_of(text, n);
    return true;
}

// A quoted-string or what stands up to the next comma; advances *s behind it.
static bool take_value(struct slice *s, struct arena *arena, struct slice *out, bool *quoted)
{
    size_t i = 0;
    *quoted = s->n && s->p[0] == '"';
    if (*quoted) {
        skip(s, 1);
        size_t end = slice_find(*s, '"');
        *out = slice_upto(*s, end);
        bool plain = !memchr(out->p, '\\', end);
        for (i = plain ? end : 0; i < s->n && s->p[i] != '"'; i++)
            if (s->p[i] == '\\')
                i++;
        if (i >= s->n)
            return false;
        struct slice inside = slice_upto(*s, i);
        skip(s, i + 1);
        return plain || unquote(inside, arena, out);
    }
    while (i < s->n && s->p[i] != ',' && !is_space(s->p[i]) && s->p[i] != '"')
        i++;
    *out = slice_upto(*s, i);
    skip(s, i);
    return i > 0;
}

static bool hex_number(struct slice s, size_t digits, uint32_t *out)
{
    uint32_t v = 0;
    if (s.n != digits)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!ascii_digit(c) && (c < 'a' || c > 'f'))
            return false;
        v = v << 4 | (uint32_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *out = v;
    return true;
}

struct param {
    struct slice name;
    size_t text, have; // offsets in struct digest; 0: no flag of its own
};

#define P(literal, text, have)                                                                     \
    {                                                                                              \
        {literal, sizeof(literal) - 1}, offsetof(struct digest, text),                             \
            offsetof(struct digest, have)                                                          \
    }
static const struct param params[] = {
    P("username", username, has_username),
    P("realm", realm, has_realm),
    P("nonce", nonce, has_nonce),
    P("uri", uri, has_uri),
    P("response", response, has_response),
    P("cnonce", cnonce, has_cnonce),
    P("nc", nc_text, has_nc),
    P("qop", qop_text, has_qop),
};
#undef P

// username* by RFC 5987 section 3.2: UTF-8'language'value with %HH. Anything else is malformed.
static bool extended_value(struct slice raw, struct arena *arena, struct slice *out)
{
    struct slice charset = SLICE("UTF-8'"), rest = slice_from(raw, charset.n);
    size_t quote = slice_find(rest, '\'');
    if (!slice_istarts(raw, charset) || quote == rest.n)
        return false;
    rest = slice_from(rest, quote + 1);
    char *text = arena_alloc(arena, rest.n + 1);
    size_t n = 0;
    if (!text)
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        uint32_t byte = (unsigned char)rest.p[i];
        if (byte == '%') {
            if (!hex_number(slice_of(rest.p + i + 1, rest.n - i - 1 < 2 ? 0 : 2), 2, &byte))
                return false;
            i += 2;
        } else if (!is_token((char)byte)) {
            return false;
        }
        if (byte < 0x20 || byte == 0x7f)
            return false;
        text[n++] = (char)byte;
    }
    *out = slice_of(text, n);
    return true;
}

// Parameters without a `has_` of their own that were seen.
struct seen {
    bool algorithm, userhash, opaque, extended;
};

// False where the parameter stood there before, under either of its names.
static bool set_param(struct digest *d, struct slice name, struct slice value, struct seen *seen)
{
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        if (!slice_ieq(params[i].name, name))
            continue;
        bool *have = (bool *)((char *)d + params[i].have);
        if (*have)
            return false;
        *have = true;
        *(struct slice *)(void *)((char *)d + params[i].text) = value;
        return true;
    }
    bool *have = slice_ieq(name, SLICE("algorithm"))  ? &seen->algorithm
                 : slice_ieq(name, SLICE("userhash")) ? &seen->userhash
                 : slice_ieq(name, SLICE("opaque"))   ? &seen->opaque
                                                      : NULL;
    if (!have)
        return true; // an extension
    if (*have)
        return false;
    *have = true;
    if (have == &seen->algorithm)
        d->algorithm_text = value;
    else if (have == &seen->opaque)
        d->opaque = value;
    else
        d->userhash = slice_ieq(value, SLICE("true"));
    return true;
}

// One name=value off *s.
static bool take_param(struct slice *s, struct arena *arena, struct digest *d, struct seen *seen)
{
    struct slice name, value;
    size_t n = token_length(*s);
    bool quoted;
    name = slice_upto(*s, n);
    skip(s, n);
    skip_space(s);
    if (n == 0 || s->n == 0 || s->p[0] != '=')
        return false;
    skip(s, 1);
    skip_space(s);
    if (!take_value(s, arena, &value, &quoted))
        return false;
    if (slice_ieq(name, SLICE("username*"))) {
        if (quoted || !extended_value(value, arena, &value))
            return false;
        name = SLICE("username");
        seen->extended = true;
    }
    return set_param(d, name, value, seen);
}

static bool take_params(struct slice s, struct arena *arena, struct digest *d)
{
    struct seen seen = {0};
    for (size_t count = 0;; count++) {
        skip_space(&s);
        while (s.n && s.p[0] == ',') { // empty elements are allowed in a list
            skip(&s, 1);
            skip_space(&s);
        }
        if (s.n == 0) // a hash of the name has no use for its other spelling
            return count > 0 && !(seen.extended && d->userhash);
        if (count == PARAMS_MAX || !take_param(&s, arena, d, &seen))
            return false;
        skip_space(&s);
        if (s.n && s.p[0] != ',')
            return false;
    }
}

static bool known_algorithm(struct digest *d)
{
    struct slice name = d->algorithm_text, sess = SLICE("-sess");
    d->algorithm = ALGORITHM_MD5;
    if (name.n == 0)
        return true;
    if (name.n > sess.n && slice_ieq(slice_from(name, name.n - sess.n), sess)) {
        d->sess = true;
        name = slice_upto(name, name.n - sess.n);
    }
    return algorithm_parse(name, &d->algorithm);
}

enum digest_parsed digest_parse(struct slice value, struct arena *arena, struct digest *out)
{
    struct slice scheme = SLICE("Digest");
    *out = (struct digest){0};
    skip_space(&value);
    if (!slice_istarts(value, scheme) || value.n == scheme.n || !is_space(value.p[scheme.n]))
        return DIGEST_OTHER_SCHEME;
    if (!take_params(slice_from(value, scheme.n), arena, out))
        return DIGEST_MALFORMED;
    if (out->has_nc && !hex_number(out->nc_text, 8, &out->nc))
        return DIGEST_MALFORMED;
    // With qop come cnonce and nc (RFC 7616 section 3.4)
    if (out->has_qop && (!out->has_cnonce || !out->has_nc || out->nc == 0))
        return DIGEST_MALFORMED;
    return known_algorithm(out) ? DIGEST_OK : DIGEST_UNKNOWN_ALGORITHM;
}

void digest_challenge(struct buf *b, struct slice realm, struct slice nonce, enum algorithm a,
                      bool stale)
{
    BUF_LIT(b, "Digest realm=\"");
    for (size_t i = 0; i < realm.n; i++) {
        if (realm.p[i] == '"' || realm.p[i] == '\\')
            buf_byte(b, '\\');
        buf_byte(b, realm.p[i]);
    }
    BUF_LIT(b, "\", nonce=\"");
    buf_put(b, nonce);
    BUF_LIT(b, "\", algorithm=");
    buf_put(b, slice_str(algorithm_name(a)));
    BUF_LIT(b, ", qop=\"auth\"");
    if (stale)
        BUF_LIT(b, ", stale=true");
}
