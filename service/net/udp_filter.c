// SPDX-License-Identifier: Apache-2.0
#include "service/net/udp_filter.h"

#include <errno.h>
#include <sys/socket.h>

// The program sees the UDP header, too.
#define UDP_HEADER 8
// In lower case; a line's end is ORed to '*' by what makes letters lower.
#define FOUR(a, b, c, d)                                                                           \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define LOWER 0x20202020u
#define PASS  UINT32_MAX

// The fours of "\nauthorizati": wherever this word begins, one of them begins at a multiple of
// their number. The word's last two letters would bring "tion", which other headers have.
static const uint32_t parts[] = {
    FOUR('*', 'a', 'u', 't'), FOUR('a', 'u', 't', 'h'), FOUR('u', 't', 'h', 'o'),
    FOUR('t', 'h', 'o', 'r'), FOUR('h', 'o', 'r', 'i'), FOUR('o', 'r', 'i', 'z'),
    FOUR('r', 'i', 'z', 'a'), FOUR('i', 'z', 'a', 't'), FOUR('z', 'a', 't', 'i'),
};
#define PARTS (sizeof parts / sizeof *parts)
_Static_assert(10 + (UDP_FILTER_SEARCH / PARTS + 1) * (PARTS + 3) <= UDP_FILTER_INSTRUCTIONS_MAX,
               "the longest search fits");

struct writing {
    struct sock_filter *program;
    size_t n;
};

static void put(struct writing *w, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    w->program[w->n++] = (struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
}

static void load(struct writing *w, uint32_t offset)
{
    put(w, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void pass(struct writing *w)
{
    put(w, BPF_RET | BPF_K, PASS, 0, 0);
}

size_t udp_filter_make(struct sock_filter program[UDP_FILTER_INSTRUCTIONS_MAX], uint32_t share,
                       unsigned search)
{
    struct writing w = {.program = program};
    put(&w, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    put(&w, BPF_JMP | BPF_JGE | BPF_K, UDP_HEADER + 4, 1, 0);
    pass(&w);
    load(&w, UDP_HEADER);
    put(&w, BPF_JMP | BPF_JEQ | BPF_K, FOUR('R', 'E', 'G', 'I'), 1, 0);
    pass(&w);
    load(&w, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    if (share < UDP_FILTER_ALL) {
        put(&w, BPF_JMP | BPF_JGE | BPF_K, share * (UINT32_MAX / UDP_FILTER_ALL + 1), 0, 1);
        pass(&w);
    }
    // A load beyond the datagram's end drops it: nothing was found
    for (uint32_t at = 0; at < search; at += PARTS) {
        load(&w, UDP_HEADER + at);
        put(&w, BPF_ALU | BPF_OR | BPF_K, LOWER, 0, 0);
        for (size_t i = 0; i < PARTS - 1; i++)
            put(&w, BPF_JMP | BPF_JEQ | BPF_K, parts[i], (uint8_t)(PARTS - 1 - i), 0);
        put(&w, BPF_JMP | BPF_JEQ | BPF_K, parts[PARTS - 1], 0, 1);
        pass(&w);
    }
    pass(&w);
    return w.n;
}

static uint32_t four_at(struct slice s, size_t at)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    return FOUR(p[0], p[1], p[2], p[3]);
}

bool udp_filter_sifts(struct slice datagram, unsigned search)
{
    if (datagram.n < 4 || four_at(datagram, 0) != FOUR('R', 'E', 'G', 'I'))
        return false;
    size_t at = 0;
    for (; at < search && at + 4 <= datagram.n; at += PARTS)
        for (size_t i = 0; i < PARTS; i++)
            if ((four_at(datagram, at) | LOWER) == parts[i])
                return false;
    return at < search;
}

// 0, or -errno.
static int attach(int fd, uint32_t share, unsigned search)
{
    struct sock_filter program[UDP_FILTER_INSTRUCTIONS_MAX];
    struct sock_fprog whole = {.filter = program};
    whole.len = (unsigned short)udp_filter_make(program, share, search);
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole) ? -errno : 0;
}

static void detach(int fd)
{
    int none = 0;
    setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
}

int udp_filter_set(int fd, uint32_t share, unsigned search)
{
    int rc = share ? attach(fd, share, search) : 0;
    // A new one takes the old one's place at once, unless the kernel's memory cannot hold both
    if (rc == -ENOMEM) {
        detach(fd);
        rc = attach(fd, share, search);
    }
    if (rc == -ENOMEM && search > UDP_FILTER_LESSER)
        return udp_filter_set(fd, share, UDP_FILTER_LESSER);
    if (rc < 0 || !share)
        detach(fd);
    return rc < 0 ? rc : share ? (int)search : 0;
}
