// SPDX-License-Identifier: Apache-2.0
// The REGISTERs of the load generator and the little it reads of the answers. HA1 and HA2 are
// computed ahead, so that one hash a request is all the generator spends on its digest.
#include "load.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message_maker {
    const struct options *options;
    EVP_MD *md;
    EVP_MD_CTX *context;
    char ha2[64];
    size_t hex_length;
    char run[17]; // makes Call-IDs and branches of two runs differ
};

struct text {
    char *p;
    size_t n;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (t->n + n > MESSAGE_MAX)
        return;
    memcpy(t->p + t->n, s, n);
    t->n += n;
}

#define PUT(t, literal) put((t), (literal), sizeof(literal) - 1)

static void put_string(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_decimal(struct text *t, uint32_t value, unsigned width)
{
    char digits[10];
    unsigned n = 0;
    do {
        digits[sizeof digits - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value || n < width);
    put(t, digits + sizeof digits - n, n);
}

static void put_hex(struct text *t, uint32_t value)
{
    char digits[8];
    for (unsigned i = 0; i < sizeof digits; i++)
        digits[7 - i] = "0123456789abcdef"[value >> (4 * i) & 15];
    put(t, digits, sizeof digits);
}

static void hash(struct message_maker *m, const char *p, size_t n, char out[64])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_DigestInit_ex2(m->context, m->md, NULL) || !EVP_DigestUpdate(m->context, p, n) ||
        !EVP_DigestFinal_ex(m->context, raw, &length))
        abort();
    for (unsigned i = 0; i < length && i < 32; i++) {
        out[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
}

struct message_maker *message_maker_new(const struct options *options)
{
    const char *fetch =
        strcmp(options->algorithm, "SHA-512-256") == 0 ? "SHA512-256" : options->algorithm;
    struct message_maker *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->options = options;
    m->md = EVP_MD_fetch(NULL, fetch, NULL);
    m->context = EVP_MD_CTX_new();
    if (!m->md || !m->context) {
        message_maker_free(m);
        return NULL;
    }
    m->hex_length = 2 * (size_t)EVP_MD_get_size(m->md);
    uint64_t run = options->run;
    FILE *random = run ? NULL : fopen("/dev/urandom", "rb");
    if (random) {
        if (fread(&run, sizeof run, 1, random) != 1)
            run = 1;
        fclose(random);
    }
    snprintf(m->run, sizeof m->run, "%016llx", (unsigned long long)run);
    char line[512];
    int n = snprintf(line, sizeof line, "REGISTER:sip:%s", options->domain);
    hash(m, line, (size_t)n, m->ha2);
    return m;
}

void message_maker_free(struct message_maker *m)
{
    if (!m)
        return;
    EVP_MD_CTX_free(m->context);
    EVP_MD_free(m->md);
    free(m);
}

void message_ha1(struct message_maker *m, unsigned index, char out[64])
{
    char line[512];
    int n =
        snprintf(line, sizeof line, "u%06u:%s:%s", index, m->options->domain, m->options->password);
    hash(m, line, (size_t)n, out);
}

static void put_authorization(struct message_maker *m, struct text *t, struct phone *phone,
                              unsigned index)
{
    char line[64 + NONCE_MAX + 64 + 32], response[64];
    struct text h = {line, 0};
    phone->nc++;
    put(&h, phone->ha1, m->hex_length);
    PUT(&h, ":");
    put(&h, phone->nonce, phone->nonce_length);
    PUT(&h, ":");
    put_hex(&h, phone->nc);
    PUT(&h, ":c0ffee00:auth:");
    put(&h, m->ha2, m->hex_length);
    hash(m, h.p, h.n, response);

    PUT(t, "Authorization: Digest username=\"u");
    put_decimal(t, index, 6);
    PUT(t, "\",realm=\"");
    put_string(t, m->options->domain);
    PUT(t, "\",nonce=\"");
    put(t, phone->nonce, phone->nonce_length);
    PUT(t, "\",uri=\"sip:");
    put_string(t, m->options->domain);
    PUT(t, "\",response=\"");
    put(t, response, m->hex_length);
    PUT(t, "\",algorithm=");
    put_string(t, m->options->algorithm);
    PUT(t, ",cnonce=\"c0ffee00\",qop=auth,nc=");
    put_hex(t, phone->nc);
    PUT(t, "\r\n");
}

// The user's devices send in turn.
static uint32_t device_of(const struct options *o, const struct phone *phone)
{
    return o->devices ? phone->cseq % o->devices : 0;
}

static uint32_t expires_of(const struct options *o, unsigned index)
{
    uint32_t spread = o->expires / 100 * o->jitter_percent;
    if (o->classes && index % 10 < 2)
        return index % 10 ? 600 : 120;
    return o->expires - (spread ? (index * 2654435761u) % (spread + 1) : 0);
}

static void put_top(struct message_maker *m, struct text *t, struct phone *phone, unsigned index)
{
    const struct options *o = m->options;
    PUT(t, "REGISTER sip:");
    put_string(t, o->domain);
    PUT(t, " SIP/2.0\r\nVia: SIP/2.0/");
    put_string(t, strcmp(o->transport, "tcp") == 0 ? "TCP" : "UDP");
    PUT(t, " 127.0.0.1:5099;rport;branch=z9hG4bK");
    put(t, m->run, 8);
    PUT(t, "-");
    put_hex(t, index);
    PUT(t, "-");
    put_hex(t, phone->cseq);
    PUT(t, "\r\nMax-Forwards: 70\r\nFrom: <sip:u");
    put_decimal(t, index, 6);
    PUT(t, "@");
    put_string(t, o->domain);
    PUT(t, ">;tag=");
    put_hex(t, index);
    PUT(t, "\r\nTo: <sip:u");
    put_decimal(t, index, 6);
    PUT(t, "@");
    put_string(t, o->domain);
    PUT(t, ">\r\nCall-ID: ");
    put(t, m->run, 16);
    put_hex(t, index);
    put_decimal(t, device_of(o, phone), 1);
    PUT(t, "@bench\r\nCSeq: ");
    put_decimal(t, phone->cseq, 1);
    PUT(t, " REGISTER\r\nUser-Agent: loadgen/1.0 (a phone of medium verbosity)\r\n"
           "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, MESSAGE\r\n"
           "Supported: path, outbound\r\n");
}

size_t message_register(struct message_maker *m, struct phone *phone, unsigned index,
                        bool authorize, bool leave, char *out)
{
    struct text t = {out, 0};
    const struct options *o = m->options;
    phone->cseq++;
    put_top(m, &t, phone, index);
    if (o->mode != MODE_QUERY || !phone->registered) {
        PUT(&t, "Contact: <sip:u");
        put_decimal(&t, index, 6);
        PUT(&t, "@10.");
        put_decimal(&t, index >> 16 & 255, 1);
        PUT(&t, ".");
        put_decimal(&t, index >> 8 & 255, 1);
        PUT(&t, ".");
        put_decimal(&t, index & 255, 1);
        PUT(&t, ":506");
        put_decimal(&t, device_of(o, phone), 1);
        PUT(&t, ">\r\nExpires: ");
        put_decimal(&t, leave ? 0 : expires_of(o, index), 1);
        PUT(&t, "\r\n");
    }
    if (authorize)
        put_authorization(m, &t, phone, index);
    PUT(&t, "Content-Length: 0\r\n\r\n");
    return t.n;
}

static bool read_hex(const char *p, uint32_t *out)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        char c = p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

bool message_answer(const char *p, size_t n, struct answer *out)
{
    *out = (struct answer){0};
    if (n > 12 && memcmp(p, "SIP/2.0 ", 8) == 0)
        out->status =
            (unsigned)(p[8] - '0') * 100 + (unsigned)(p[9] - '0') * 10 + (unsigned)(p[10] - '0');
    const char *branch = memmem(p, n, "z9hG4bK", 7);
    uint32_t index;
    if (!branch || p + n - branch < 7 + 8 + 1 + 8 + 1 + 8 || branch[15] != '-' ||
        !read_hex(branch + 16, &index) || !read_hex(branch + 25, &out->cseq))
        return false;
    out->index = index;
    if (out->status == 401) {
        const char *nonce = memmem(branch, (size_t)(p + n - branch), " nonce=\"", 8);
        if (!nonce)
            nonce = memmem(branch, (size_t)(p + n - branch), ",nonce=\"", 8);
        if (nonce) {
            const char *end = memchr(nonce + 8, '"', (size_t)(p + n - nonce - 8));
            out->nonce = end ? nonce + 8 : NULL;
            out->nonce_length = end ? (size_t)(end - nonce - 8) : 0;
        }
    }
    return true;
}
