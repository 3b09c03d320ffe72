// SPDX-License-Identifier: Apache-2.0
// A cursor in base64url (RFC 4648 section 5, without padding) is, as bytes:
//
//   1 byte    length of the domain
//   ..        the domain, then the key, of the last item shown
//   8 bytes   seal: a keyed hash over the store's epoch, the question and the bytes before
//
// It holds no position in a file or a list, so that it survives every write in between.
#include "api/cursor.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define SEAL_SIZE     8
#define KEY_MAX       512 // of a user name, a domain, a network
#define PLAIN_MAX     (1 + DOMAIN_NAME_MAX + KEY_MAX + SEAL_SIZE)
#define CURSOR_MAX    ((PLAIN_MAX + 2) / 3 * 4)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct slice base64url_encode(struct slice in, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i < 3 ? in.n - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < left ? (unsigned char)in.p[i + k] : 0);
        for (size_t k = 0; k <= left; k++)
            out[n++] = alphabet[bits >> (18 - 6 * k) & 63];
    }
    return slice_of(out, n);
}

// False for foreign characters, a length that cannot be, and bits that no encoder leaves: there is
// one text for each cursor.
static bool base64url_decode(struct slice in, char *out, size_t *n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    *n = 0;
    for (size_t i = 0; i < in.n; i++) {
        const char *at = in.p[i] ? strchr(alphabet, in.p[i]) : NULL;
        if (!at)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*n)++] = (char)(bits >> have & 255);
        }
    }
    return have < 6 && (bits & ((1u << have) - 1)) == 0;
}

struct hash_key secret_key(struct request *r, struct slice purpose)
{
    uint8_t secret[32];
    struct hash_key half[2];
    store_secret(request_store(r), secret);
    memcpy(half, secret, sizeof half);
    return (struct hash_key){hash64(half[0], purpose), hash64(half[1], purpose)};
}

// Each part is hashed into the key of the next, so that no two different lists of parts are one
// text.
static void seal(struct request *r, struct slice question, struct slice plain, char out[SEAL_SIZE])
{
    struct store_counts counts;
    struct hash_key key = secret_key(r, SLICE("cursor"));
    store_counts(request_store(r), &counts);
    key.k0 ^= hash64(key, slice_of((const char *)&counts.epoch, sizeof counts.epoch));
    key.k1 ^= hash64(key, question);
    uint64_t h = hash64(key, plain);
    memcpy(out, &h, SEAL_SIZE);
}

static bool cursor_read(struct request *r, struct slice question, struct slice text,
                        struct page *out)
{
    char plain[CURSOR_MAX], want[SEAL_SIZE];
    size_t n;
    if (text.n > CURSOR_MAX || !base64url_decode(text, plain, &n) || n < 1 + SEAL_SIZE)
        return false;
    n -= SEAL_SIZE;
    size_t domain = (unsigned char)plain[0];
    seal(r, question, slice_of(plain, n), want);
    if (memcmp(plain + n, want, SEAL_SIZE) != 0 || 1 + domain > n)
        return false;
    struct slice copy = arena_copy(&r->arena, slice_of(plain + 1, n - 1));
    out->after_domain = slice_upto(copy, domain);
    out->after_key = slice_from(copy, domain);
    return copy.p != NULL;
}

bool page_read(struct request *r, struct slice question, struct page *out)
{
    struct slice text;
    uint64_t limit = LIMIT_DEFAULT;
    *out = (struct page){0};
    if (request_query(r, "limit", &text) && (!slice_to_u64(text, LIMIT_MAX, &limit) || !limit)) {
        respond_problem(r, 400, "limit: a number from 1 to %d", LIMIT_MAX);
        return false;
    }
    out->limit = (size_t)limit;
    if (request_query(r, "cursor", &text) && !cursor_read(r, question, text, out)) {
        respond_problem(r, 400, "cursor: not one that this list has given out for this question");
        return false;
    }
    return true;
}

static void cursor_put(struct request *r, struct slice question, struct slice domain,
                       struct slice key)
{
    char plain[PLAIN_MAX], text[CURSOR_MAX];
    struct buf b = buf_over(plain, sizeof plain - SEAL_SIZE);
    buf_byte(&b, (char)domain.n);
    buf_put(&b, domain);
    buf_put(&b, key);
    if (b.full || domain.n > DOMAIN_NAME_MAX || key.n > KEY_MAX) {
        r->out.bad = true;
        return;
    }
    seal(r, question, buf_slice(&b), plain + b.n);
    json_string(&r->out, base64url_encode(slice_of(plain, b.n + SEAL_SIZE), text));
}

void as_of_put(struct request *r, uint64_t change)
{
    struct store_counts counts;
    char as_of[EVENT_ID_MAX];
    struct buf b = buf_over(as_of, sizeof as_of);
    store_counts(request_store(r), &counts);
    event_id_print(&b, counts.epoch, change);
    json_key(&r->out, "as_of");
    json_string(&r->out, buf_slice(&b));
}

void page_end(struct request *r, struct slice question, bool more, struct slice domain,
              struct slice key, uint64_t as_of_change)
{
    json_key(&r->out, "next_cursor");
    if (more)
        cursor_put(r, question, domain, key);
    else
        json_null(&r->out);
    as_of_put(r, as_of_change);
}

// ---- Event ids ----------------------------------------------------------------------------------

#define EPOCH_DIGITS 16

void event_id_print(struct buf *b, uint64_t epoch, uint64_t change)
{
    for (unsigned digit = EPOCH_DIGITS; digit--;)
        buf_byte(b, "0123456789abcdef"[epoch >> 4 * digit & 15]);
    buf_byte(b, '-');
    buf_u64(b, change);
}

void event_id_put(struct text *t, uint64_t epoch, uint64_t change)
{
    char id[EVENT_ID_MAX];
    struct buf b = buf_over(id, sizeof id);
    event_id_print(&b, epoch, change);
    text_put(t, buf_slice(&b));
}

enum event_id event_id_read(struct slice text, uint64_t epoch, uint64_t *change)
{
    uint64_t theirs = 0;
    if (text.n <= EPOCH_DIGITS || text.p[EPOCH_DIGITS] != '-')
        return EVENT_ID_BAD;
    for (size_t i = 0; i < EPOCH_DIGITS; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text.p[i]);
        if (!text.p[i] || !at)
            return EVENT_ID_BAD;
        theirs = theirs << 4 | (uint64_t)(at - digits);
    }
    if (!slice_to_u64(slice_from(text, EPOCH_DIGITS + 1), UINT64_MAX, change))
        return EVENT_ID_BAD;
    return theirs == epoch ? EVENT_ID_OK : EVENT_ID_FOREIGN;
}
