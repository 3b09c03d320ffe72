// SPDX-License-Identifier: Apache-2.0
// What a datagram costs the SIP thread, for tests/checks/parse_cost.sh.
//
//   parse_cost costs          each of the worst cases once through measured(), which callgrind
//                             counts the instructions of; prints their names in that order
//   parse_cost mallocs DIR    refreshes with a store in DIR; prints how often this thread asked
//                             for memory for one message at most, once it is warm: all but
//                             libcrypto, and libcrypto
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/rig.h"

#define DATAGRAM_MAX 65507
#define HEADERS      20000 // just below SIP_HEADERS_MAX

// ---- Counting -----------------------------------------------------------------------------------

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

// libcrypto makes a small context for each hash and frees it again: that is counted apart.
static _Thread_local unsigned long asked, asked_by_crypto;

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    asked_by_crypto++;
    return __libc_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    asked_by_crypto++;
    return __libc_realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

void *malloc(size_t size)
{
    asked++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    asked++;
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    asked++;
    return __libc_realloc(p, size);
}

// ---- One message
// ----------------------------------------------------------------------------------

// The message is in the request, as it is when a datagram was received.
struct take {
    struct rig *rig;
    struct request *request;
};

static void take(void *arg)
{
    struct take *t = arg;
    pipeline_take(&t->rig->pipeline, t->request);
}

static void rig_take(struct rig *g, struct slice message)
{
    struct request *r = rig_request(g, message);
    pipeline_begin(&g->pipeline);
    measured(take, &(struct take){g, r});
}

// ---- The worst cases ----------------------------------------------------------------------------

// A message is the usual headers, then lines of `prefix` and `per_line` times `item` with
// `between` and `suffix`, until the bytes or the lines are used up.
struct worst {
    const char *name, *prefix, *item, *between, *suffix;
    size_t per_line, lines, bytes;
};

static const struct worst worst[] = {
    {"header lines", "X-Something: ", "value", "", "", 1, 120, HEADERS},
    {"short header lines", "a:", "", "", "", 0, 100000, DATAGRAM_MAX},
    {"one long value", "Subject: ", "aaaaaaaa", "", "", 8000, 1, DATAGRAM_MAX},
    {"folded lines", "Subject: ", "\r\n a", "", "", 2600, 2, HEADERS},
    {"folded To-like lines", "Route: <sip:a@h>", "\r\n ;a", "", "", 1600, 2, HEADERS},
    {"commas in Contact", "Contact: ", ",", "", "", 8000, 2, HEADERS},
    {"64 Contacts", "Contact: ", "<sip:aaaaaaaa@192.0.2.1:5060;transport=udp>;expires=60;q=0.5",
     ",", "", 32, 2, HEADERS},
    {"64 Contacts with many parameters", "Contact: <sip:a@h>;expires=60", ";a=b", "", "", 60, 64,
     HEADERS},
    {"64 Contacts with many URI parameters", "Contact: <sip:a@h", ";a=b", "", ">", 60, 64, HEADERS},
    {"64 Contacts with URI headers", "Contact: <sip:a@h?a=b", "&a=b", "", ">", 60, 64, HEADERS},
    {"64 bare Contacts", "Contact: sip:a@h", ";a=b", "", "", 60, 64, HEADERS},
    {"64 Contacts with names of many words", "Contact: ", "a ", "", "<sip:abcdef@h>", 120, 64,
     HEADERS},
    {"64 Contacts with quoted pairs", "Contact: \"", "\\\"", "", "\" <sip:abcdef@h>", 120, 64,
     HEADERS},
    {"64 Contacts with kept and cut parameters", "Contact: <sip:a@h>;expires=1", ";a", "", ";q=1;z",
     60, 64, HEADERS},
    {"more Contacts than may be", "Contact: ", "<sip:a@h>", ",", "", 300, 8, HEADERS},
    {"70 Vias", "Via: ", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKaaaaaaaa;rport", ",", "", 23, 3,
     HEADERS},
    {"Vias with many parameters", "Via: SIP/2.0/UDP h", ";a=b", "", "", 60, 69, HEADERS},
    {"Vias with quoted parameters", "Via: SIP/2.0/UDP h;x=\"", "\\a", "", "\"", 120, 69, HEADERS},
    {"Vias with blanks", "Via: SIP / 2.0 / UDP h", " ; a = b ", "", "", 30, 69, HEADERS},
    {"32 Paths", "Path: ", "<sip:edge.example.com;lr;ob>", ",", "", 16, 2, HEADERS},
    {"32 Paths with many parameters", "Path: <sip:a@h>", ";a=b", "", "", 64, 32, HEADERS},
    {"64 bare Contacts of many URI parameters", "Contact: a b <sip:abc@h", ";a=b", "", ">", 60, 64,
     HEADERS},
    {"32 Paths with names of many words", "Path: ", "a ", "", "<sip:abcdef@h>", 250, 32, HEADERS},
    {"option tags", "Supported: ", "a", ",", "", 64, 120, HEADERS},
    {"empty option tags", "Supported: ", "", ",", "", 64, 120, HEADERS},
    {"64 unknown required tags", "Require: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ",", "", 16, 4,
     HEADERS},
    {"8 Authorizations with many parameters", "Authorization: Digest a=b", ",username=b", "", "",
     30, 8, HEADERS},
    {"8 Authorizations of our realm",
     "Authorization: Digest username=\"bob\",realm=\"example.com\",nonce=\"x\",uri=\"sip:h\","
     "response=\"",
     "0", "", "\"", 2000, 8, HEADERS},
    {"8 Authorizations with quoted pairs", "Authorization: Digest username=\"", "\\\\", "", "\"",
     1100, 8, HEADERS},
    {"8 Authorizations with commas", "Authorization: Digest a=b", ",", "", "", 2200, 8, HEADERS},
    {"8 Authorizations in username*", "Authorization: Digest username*=UTF-8''", "%41", "", "", 700,
     8, HEADERS},
    {"control bytes behind backslashes", "Subject: ", "\\\x01", "", "", 4000, 2, HEADERS},
    {"control bytes", "Subject: ", "\x01", "", "", 8000, 2, HEADERS},
    {"bare CRs", "Subject: ", "\r", "", "", 8000, 2, HEADERS},
    {"bare LFs", "Subject: ", "\n", "", "", 8000, 2, DATAGRAM_MAX},
    {"a large body", "Content-Length: 40000\r\n\r\n", "\r\n", "", "", 20000, 1, DATAGRAM_MAX},
    {"repeated From", "From: \"", "\\\"", "", "\" <sip:abcdef@h>;tag=a", 80, 100, HEADERS},
    {"names without colons", "", "a", "", "", 8000, 2, HEADERS},
};

#define PLAIN                                                                                      \
    "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport"    \
    "\r\nFrom: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\n"         \
    "CSeq: 1 REGISTER\r\n"

static struct slice build(const struct worst *w, char *out)
{
    struct buf b = buf_over(out, w->bytes);
    BUF_LIT(&b, PLAIN);
    for (size_t line = 0; line < w->lines && b.n + 4 < w->bytes; line++) {
        size_t start = b.n;
        buf_put(&b, slice_str(w->prefix));
        for (size_t i = 0; i < w->per_line; i++) {
            if (i)
                buf_put(&b, slice_str(w->between));
            buf_put(&b, slice_str(w->item));
        }
        buf_put(&b, slice_str(w->suffix));
        BUF_LIT(&b, "\r\n");
        if (b.full || b.n + 2 > w->bytes) { // no half lines
            b.n = start;
            break;
        }
    }
    b.full = false;
    b.cap = DATAGRAM_MAX;
    BUF_LIT(&b, "\r\n");
    rig_must(b.n > sizeof PLAIN + 500, w->name);
    return buf_slice(&b);
}

// Messages of one byte, or of one long piece in the place of one of the usual.
static struct slice build_long(unsigned which, char *out, const char **name)
{
    static const struct {
        const char *name, *before, *item, *behind;
        size_t times;
    } rows[] = {
        {"CRLFs", "", "\r\n", "", 32000},
        {"NULs and blanks", "", " ", "", 65000},
        {"letters", "", "a", "", 65000},
        {"LFs", "", "\n", "", 65000},
        {"a long method", "", "A", " sip:h SIP/2.0\r\n\r\n", 20000},
        {"a long Request-URI", "REGISTER sip:", "a.", "a SIP/2.0\r\n\r\n", 10000},
        {"a long user of escapes", "REGISTER sip:", "%41", "@h SIP/2.0\r\n\r\n", 6600},
        {"a Request-URI of parameters", "REGISTER sip:h", ";a", " SIP/2.0\r\n\r\n", 10000},
        {"a To of 8 kB", "REGISTER sip:h SIP/2.0\r\nTo: \"", "\\a", "\" <sip:abcdef@h>\r\n\r\n",
         4000},
        {"a From of many words", "REGISTER sip:h SIP/2.0\r\nFrom: ", "a ", "<sip:abcdef@h>\r\n\r\n",
         4000},
        {"a response", "SIP/2.0 200 OK\r\n", "a:b\r\n", "\r\n", 13000},
    };
    if (which >= sizeof rows / sizeof *rows)
        return SLICE_NONE;
    struct buf b = buf_over(out, DATAGRAM_MAX);
    *name = rows[which].name;
    buf_put(&b, slice_str(rows[which].before));
    for (size_t i = 0; i < rows[which].times; i++)
        buf_put(&b, slice_str(rows[which].item));
    buf_put(&b, slice_str(rows[which].behind));
    rig_must(!b.full, *name);
    return buf_slice(&b);
}

// ---- The decision -------------------------------------------------------------------------------

// Hostile Contacts, all of one user and host, which differ in their last parameter or header only.
struct crowd {
    struct sip_request req;
    struct arena arena;
    struct binding_set set; // what is registered
    struct reg_policy policy;
    struct reg_answer answer;
    char text[DATAGRAM_MAX];
};

// Parses a REGISTER of n such Contacts, as many bytes long as may be.
static void crowd_parse(struct crowd *c, size_t n, unsigned from, char first, const char *behind)
{
    struct sip_fault fault;
    struct buf b = buf_over(c->text, HEADERS);
    BUF_LIT(&b, PLAIN);
    for (size_t i = 0; i < n; i++) {
        size_t end = b.n + (HEADERS - 200 - b.n) / (n - i) - 40;
        BUF_LIT(&b, "Contact: <sip:a@h");
        for (unsigned k = 0; k < URI_PARAMS_MAX - 1 && b.n < end; k++) {
            buf_byte(&b, k || first == ';' ? (first == ';' ? ';' : '&') : first);
            buf_printf(&b, "%c%c=1", 'a' + k / 26, 'a' + k % 26);
        }
        buf_printf(&b, "%czz=%zu>%s\r\n", first == ';' ? ';' : '&', from + i, behind);
    }
    BUF_LIT(&b, "\r\n");
    rig_must(!b.full && sip_parse(buf_slice(&b), &c->arena, &c->req, &fault) == SIP_PARSED,
             "a crowd");
    rig_must(c->req.n_contacts == n, "a crowd's size");
}

static void crowd_decide(void *arg)
{
    struct crowd *c = arg;
    struct binding_set next;
    struct reg_request req = {.contacts = c->req.contacts,
                              .n_contacts = c->req.n_contacts,
                              .call_id = SLICE("other"),
                              .first_hop = true};
    rig_must(registrar_decide(&req, &c->set, &c->policy, 1, &c->arena, &next, &c->answer),
             "memory");
}

static void crowd_cost(unsigned bindings, unsigned contacts, char first, const char *behind,
                       const char *name)
{
    struct crowd *there = calloc(1, sizeof *there), *asks = calloc(1, sizeof *asks);
    rig_must(there && asks, "memory");
    arena_init(&there->arena, NULL, 0, 1 << 20);
    arena_init(&asks->arena, NULL, 0, 1 << 20);
    crowd_parse(there, bindings, 0, first, "");
    crowd_parse(asks, contacts, bindings, first, behind);
    asks->set.items = arena_calloc(&there->arena, bindings, sizeof *asks->set.items);
    rig_must(asks->set.items, "memory");
    asks->set.n = bindings;
    for (unsigned i = 0; i < bindings; i++)
        asks->set.items[i].contact = there->req.contacts[i].addr.uri_text;
    asks->policy = (struct reg_policy){
        .min_expires = 60, .default_expires = 3600, .max_expires = 7200, .max_bindings = bindings};
    printf("%s\t%zu\n", name, asks->req.raw.n);
    measured(crowd_decide, asks);
    arena_reset(&there->arena), arena_reset(&asks->arena);
    free(there), free(asks);
}

static void crowd_costs(void)
{
    crowd_cost(10, 10, ';', "", "decide: 10 Contacts against 10 bindings, parameters");
    crowd_cost(10, 64, ';', ";expires=0", "decide: 64 removals against 10 bindings, parameters");
    crowd_cost(10, 10, '?', "", "decide: 10 Contacts against 10 bindings, headers");
    crowd_cost(64, 64, ';', "", "decide: 64 Contacts against 64 bindings, parameters");
    crowd_cost(64, 64, ';', ";expires=0", "decide: 64 removals against 64 bindings, parameters");
}

static int costs(struct rig *g)
{
    static char message[DATAGRAM_MAX];
    const char *name;
    rig_open(g, "memory:");
    rig_add_user(g, "bob");
    // twice: the first fills what is made lazily, the second shows the usual message
    for (int i = 0; i < 2; i++) {
        printf("%s\t%zu\n", i ? "a plain REGISTER" : "the first REGISTER", sizeof PLAIN + 1);
        rig_take(g, SLICE(PLAIN "\r\n"));
        rig_settle(g);
    }
    for (size_t i = 0; i < sizeof worst / sizeof *worst; i++) {
        struct slice built = build(&worst[i], message);
        printf("%s\t%zu\n", worst[i].name, built.n);
        rig_take(g, built);
        rig_settle(g);
    }
    for (unsigned i = 0;; i++) {
        struct slice built = build_long(i, message, &name);
        if (!built.n)
            break;
        printf("%s\t%zu\n", name, built.n);
        rig_take(g, built);
        rig_settle(g);
    }
    crowd_costs();
    return 0;
}

// ---- Memory asked for ---------------------------------------------------------------------------

static void md5_hex(struct slice text, char out[33])
{
    uint8_t sum[16];
    rig_must(EVP_Digest(text.p, text.n, sum, NULL, EVP_md5(), NULL) == 1, "MD5");
    struct buf b = buf_over(out, 32);
    buf_hex(&b, sum, sizeof sum);
    out[32] = '\0';
}

// A refresh as phones send it: a name with blanks, bare URIs and quoted strings among it.
static struct slice refresh(char *out, size_t size, const char *nonce, unsigned n)
{
    char ha1[33], ha2[33], response[33], text[256];
    md5_hex(SLICE("bob:example.com:zanzibar"), ha1);
    md5_hex(SLICE("REGISTER:sip:example.com"), ha2);
    int m = snprintf(text, sizeof text, "%s:%s:%08x:c:auth:%s", ha1, nonce, n, ha2);
    md5_hex(slice_of(text, (size_t)m), response);
    m = snprintf(out, size,
                 "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;"
                 "branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\nFrom: Bob At Work "
                 "<sip:bob@example.com>;tag=%u\r\nTo: sip:bob@example.com\r\nCall-ID: call@h\r\n"
                 "CSeq: %u REGISTER\r\nContact: \"Bob\" <sip:bob@10.0.0.9:5060;ob>;audio;"
                 "expires=300;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nSupported: path, "
                 "outbound\r\nUser-Agent: Phone/1\r\nAuthorization: Digest username=\"bob\", "
                 "realm=\"example.com\", nonce=\"%s\", uri=\"sip:example.com\", qop=auth, "
                 "nc=%08x, cnonce=\"c\", response=\"%s\"\r\nContent-Length: 0\r\n\r\n",
                 n, n, n, nonce, n, response);
    rig_must(m > 0 && (size_t)m < size, "refresh");
    return slice_of(out, (size_t)m);
}

static bool answered(struct rig *g, const char *status)
{
    return g->reply_size > 12 && memcmp(g->reply + 8, status, 3) == 0;
}

static int mallocs(struct rig *g, const char *dir)
{
    char url[512], message[4096], nonce[NONCE_LENGTH + 1] = "";
    unsigned long most = 0, most_crypto = 0;
    snprintf(url, sizeof url, "lmdb:%s", dir);
    rig_open(g, url);
    rig_add_user(g, "bob");
    rig_take(g, SLICE(PLAIN "\r\n"));
    rig_settle(g);
    char *at = memmem(g->reply, g->reply_size, "nonce=\"", 7);
    rig_must(answered(g, "401") && at, "no challenge");
    memcpy(nonce, at + 7, NONCE_LENGTH);
    for (unsigned n = 1; n <= 60; n++) {
        struct slice built = refresh(message, sizeof message, nonce, n);
        unsigned long before = asked, before_crypto = asked_by_crypto;
        g->sent = 0;
        rig_take(g, built);
        rig_settle(g);
        rig_must(g->sent == 1 && answered(g, "200"), "a refresh was refused");
        if (n > 20 && asked - before > most) // warm by then
            most = asked - before;
        if (n > 20 && asked_by_crypto - before_crypto > most_crypto)
            most_crypto = asked_by_crypto - before_crypto;
    }
    printf("%lu %lu\n", most, most_crypto);
    return 0;
}

int main(int argc, char **argv)
{
    struct rig *g = calloc(1, sizeof *g);
    if (!g || CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 2;
    if (argc == 2 && strcmp(argv[1], "costs") == 0)
        return costs(g);
    if (argc == 3 && strcmp(argv[1], "mallocs") == 0)
        return mallocs(g, argv[2]);
    fprintf(stderr, "usage: parse_cost costs | parse_cost mallocs DIR\n");
    return 2;
}
