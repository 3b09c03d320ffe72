// SPDX-License-Identifier: Apache-2.0
// The only place that knows libosip2. Its memory is a thread's own fixed block that is wound back
// after each use: nothing can leak, nothing calls malloc while messages are parsed.
#include "service/sip/osip.h"

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <osipparser2/headers/osip_from.h>
#include <stdalign.h>
#include <stdlib.h>

#define POOL_SIZE ((size_t)96 << 10)
#define SHORTEST  6 // libosip2 refuses URIs of five bytes and fewer

// realloc must know how much to copy.
struct header {
    size_t size;
    size_t pad;
};

static _Thread_local struct {
    alignas(16) char bytes[POOL_SIZE];
    size_t used;
    bool open; // between the start and the end of one use; libosip2's own tables come before
} pool;

static void *pool_alloc(size_t size)
{
    if (!pool.open)
        return malloc(size);
    size_t whole = (size + sizeof(struct header) + 15) & ~(size_t)15;
    if (size > POOL_SIZE || whole > POOL_SIZE - pool.used)
        return NULL;
    struct header *h = (void *)(pool.bytes + pool.used);
    pool.used += whole;
    h->size = size;
    return h + 1;
}

static bool in_pool(const void *p)
{
    return (const char *)p >= pool.bytes && (const char *)p < pool.bytes + POOL_SIZE;
}

static void pool_free(void *p)
{
    if (p && !in_pool(p))
        free(p);
}

static void *pool_realloc(void *p, size_t size)
{
    if (p && !in_pool(p))
        return realloc(p, size);
    void *fresh = pool_alloc(size);
    if (p && fresh) {
        size_t old = ((struct header *)p - 1)->size;
        memcpy(fresh, p, old < size ? old : size);
    }
    return fresh;
}

int osip_setup(void)
{
    // First of all: otherwise the first trace opens stdout at the level of warnings.
    osip_trace_initialize((osip_trace_level_t)0, stderr);
    osip_set_allocators(pool_alloc, pool_realloc, pool_free);
    return parser_init() == 0 ? 0 : -1;
}

// Values that libosip2 5.3.0 is known to misread: bytes outside printable ASCII, schemes with more
// than letters, very short URIs, escapes (which it resolves, and cuts at %00).
static bool known_gap(const struct sip_addr *addr)
{
    for (size_t i = 0; i < addr->text.n; i++)
        if ((unsigned char)addr->text.p[i] < 0x20 || (unsigned char)addr->text.p[i] > 0x7e)
            return true;
    for (size_t i = 0; i < addr->uri.scheme_text.n; i++)
        if (ascii_lower(addr->uri.scheme_text.p[i]) < 'a')
            return true;
    return addr->uri_text.n - addr->uri.params.n < SHORTEST ||
           slice_find(addr->uri_text, '%') < addr->uri_text.n;
}

static bool same(struct slice ours, const char *theirs)
{
    return slice_eq(ours, slice_str(theirs));
}

static bool read_alike(const struct sip_addr *addr, osip_from_t *from)
{
    const osip_uri_t *uri = from->url;
    if (!uri || !uri->scheme || !slice_ieq(addr->uri.scheme_text, slice_str(uri->scheme)))
        return false;
    if (addr->uri.scheme != URI_SIP && addr->uri.scheme != URI_SIPS)
        return true;
    struct slice host = addr->uri.host;
    if (host.p[0] == '[')
        host = slice_of(host.p + 1, host.n - 2);
    return same(addr->uri.user, uri->username) && same(host, uri->host);
}

// The value without its parameters, which are ours to read: libosip2 takes ten times as long with
// many of them. Ends with the NUL that it needs.
static struct slice identity(const struct sip_addr *addr, struct arena *arena)
{
    size_t uri = (size_t)(addr->uri_text.p - addr->text.p);
    size_t core = addr->uri_text.n;
    if (addr->uri.params.n)
        core = (size_t)(addr->uri.params.p - addr->uri_text.p);
    else if (addr->uri.headers.n)
        core = (size_t)(addr->uri.headers.p - addr->uri_text.p) - 1;
    char *text = arena_alloc(arena, uri + core + 2);
    if (!text)
        return SLICE_NONE;
    memcpy(text, addr->text.p, uri + core);
    size_t n = uri + core;
    if (uri && addr->uri_text.p[-1] == '<')
        text[n++] = '>';
    text[n] = '\0';
    return slice_of(text, n);
}

bool osip_reads_addr(const struct sip_addr *addr, struct arena *arena)
{
    if (known_gap(addr))
        return true;
    struct slice text = identity(addr, arena);
    if (!text.p)
        return false;
    pool.open = true;
    pool.used = 0;
    osip_from_t *from = NULL;
    bool read =
        osip_from_init(&from) == 0 && osip_from_parse(from, text.p) == 0 && read_alike(addr, from);
    pool.used = 0; // all of it at once
    pool.open = false;
    return read;
}
