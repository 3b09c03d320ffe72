// SPDX-License-Identifier: Apache-2.0
// The socket filter, as the running kernel runs it: what is dropped before it is read, and what
// passes.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <cmocka.h>

#include "service/net/udp_filter.h"

#define TOP      "REGISTER sip:example.com SIP/2.0\r\n"
#define VIA      "Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK1\r\n"
#define ALLOW    "Allow: INVITE, ACK, OPTIONS, REGISTRATION\r\nAccept: application/sdp\r\n"
#define TEXT_MAX 4096
#define MANY     2000
#define END      "OPTIONS sip:end SIP/2.0\r\n\r\n"

struct pair {
    int in, out, searched;
};

static int open_pair(void **state)
{
    static struct pair p;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    struct timeval patience = {.tv_sec = 10};
    p.in = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(setsockopt(p.in, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    p.out = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(p.in, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(p.in, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(connect(p.out, (struct sockaddr *)&a, n), 0);
    *state = &p;
    return 0;
}

static int close_pair(void **state)
{
    struct pair *p = *state;
    close(p->in);
    close(p->out);
    return 0;
}

// What follows passes any filter: when it is there, all before it is there or was dropped.
static bool arrives(const struct pair *p, const char *text)
{
    char got[TEXT_MAX];
    assert_int_equal(send(p->out, text, strlen(text), 0), strlen(text));
    assert_int_equal(send(p->out, END, strlen(END), 0), strlen(END));
    ssize_t n = recv(p->in, got, sizeof got, 0);
    assert_true(n >= 0);
    if (slice_eq(slice_of(got, (size_t)n), SLICE(END)))
        return false;
    assert_int_equal(n, strlen(text));
    assert_int_equal(recv(p->in, got, sizeof got, 0), strlen(END));
    return true;
}

// The same as the program says, and as the C of it does. In full share only.
static bool dropped(const struct pair *p, const char *text)
{
    bool gone = !arrives(p, text);
    assert_int_equal(udp_filter_sifts(slice_str(text), (unsigned)p->searched), gone);
    return gone;
}

static void drop_all(struct pair *p)
{
    p->searched = udp_filter_set(p->in, UDP_FILTER_ALL, UDP_FILTER_SEARCH);
    assert_true(p->searched == UDP_FILTER_SEARCH || p->searched == UDP_FILTER_LESSER);
}

static void registers_without_credentials_are_dropped(void **state)
{
    struct pair *p = *state;
    assert_true(arrives(p, TOP VIA "\r\n"));
    drop_all(p);
    assert_true(dropped(p, TOP VIA "\r\n"));
    assert_true(dropped(p, "REGI"));
    for (int n = 0; n < p->searched - 300; n++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%sUser-Agent: %0*d\r\n%s\r\n", TOP VIA, n, 0,
                 n % 2 ? ALLOW : "");
        assert_true(dropped(p, text));
    }
    assert_int_equal(udp_filter_set(p->in, 0, UDP_FILTER_SEARCH), 0);
    assert_true(arrives(p, TOP VIA "\r\n"));
}

static void credentials_pass_wherever_they_stand_and_however_they_are_spelled(void **state)
{
    static const char *const spelled[] = {"Authorization", "authorization", "AUTHORIZATION",
                                          "AutHoriZatioN"};
    struct pair *p = *state;
    drop_all(p);
    for (int n = 0; n < 2000; n++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%sUser-Agent: %0*d\r\n%s: Digest username=\"a\"\r\n\r\n", TOP,
                 n, 0, spelled[n % 4]);
        assert_false(dropped(p, text));
    }
}

static void all_else_passes(void **state)
{
    static const char *const others[] = {"OPTIONS sip:example.com SIP/2.0\r\n\r\n",
                                         "INVITE sip:a@example.com SIP/2.0\r\n\r\n",
                                         "register sip:example.com SIP/2.0\r\n\r\n",
                                         "SIP/2.0 200 OK\r\n\r\n",
                                         "\r\n\r\nREGISTER sip:example.com SIP/2.0\r\n\r\n",
                                         "\r\n\r\n",
                                         "REGULAR",
                                         "REG",
                                         "",
                                         "x"};
    struct pair *p = *state;
    char longer[TEXT_MAX];
    drop_all(p);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(dropped(p, others[i]));
    snprintf(longer, sizeof longer, "%sUser-Agent: %0*d\r\n\r\n", TOP, UDP_FILTER_SEARCH, 0);
    assert_false(dropped(p, longer)); // than is searched
}

static void a_share_is_a_share(void **state)
{
    const struct pair *p = *state;
    for (uint32_t share = UDP_FILTER_ALL / 4; share < UDP_FILTER_ALL; share += UDP_FILTER_ALL / 4) {
        int passed = 0;
        assert_true(udp_filter_set(p->in, share, UDP_FILTER_SEARCH) > 0);
        for (int i = 0; i < MANY; i++)
            passed += arrives(p, TOP VIA "\r\n");
        // Ten standard deviations of 2,000 throws at the most
        int expected = (int)((uint64_t)MANY * (UDP_FILTER_ALL - share) / UDP_FILTER_ALL);
        assert_in_range(passed, expected - 224, expected + 224);
    }
    assert_true(udp_filter_set(p->in, 1, UDP_FILTER_SEARCH) > 0);
    int passed = 0; // two of ten are one in 10^8
    for (int i = 0; i < 10; i++)
        passed += arrives(p, TOP VIA "\r\n");
    assert_in_range(passed, 9, 10);
}

static void the_lesser_search_is_shorter_and_as_good(void **state)
{
    struct sock_filter program[UDP_FILTER_INSTRUCTIONS_MAX];
    struct sock_fprog whole = {.filter = program};
    const struct pair *p = *state;
    char longer[TEXT_MAX];
    size_t most = udp_filter_make(program, 1, UDP_FILTER_SEARCH);
    assert_in_range(most, 1, UDP_FILTER_INSTRUCTIONS_MAX);
    whole.len = (unsigned short)udp_filter_make(program, UDP_FILTER_ALL, UDP_FILTER_LESSER);
    assert_true(whole.len < most);
    assert_int_equal(setsockopt(p->in, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole), 0);
    assert_false(arrives(p, TOP VIA "\r\n"));
    assert_true(udp_filter_sifts(SLICE(TOP VIA "\r\n"), UDP_FILTER_LESSER));
    assert_true(arrives(p, TOP VIA "Authorization: Digest\r\n\r\n"));
    snprintf(longer, sizeof longer, "%sUser-Agent: %0*d\r\n\r\n", TOP, UDP_FILTER_LESSER, 0);
    assert_true(arrives(p, longer));
    assert_false(udp_filter_sifts(slice_str(longer), UDP_FILTER_LESSER));
}

static void a_new_share_takes_the_old_ones_place(void **state)
{
    struct pair *p = *state;
    drop_all(p);
    for (uint32_t share = 1; share <= UDP_FILTER_ALL / 8; share *= 2)
        assert_int_equal(udp_filter_set(p->in, share, UDP_FILTER_SEARCH), p->searched);
    int passed = 0;
    for (int i = 0; i < 100; i++)
        passed += arrives(p, TOP VIA "\r\n");
    assert_true(passed > 50);
}

static void a_socket_that_takes_none_says_so(void **state)
{
    (void)state;
    assert_int_equal(udp_filter_set(-1, UDP_FILTER_ALL, UDP_FILTER_SEARCH), -EBADF);
}

int main(void)
{
#define ON_A_PAIR(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        ON_A_PAIR(registers_without_credentials_are_dropped),
        ON_A_PAIR(credentials_pass_wherever_they_stand_and_however_they_are_spelled),
        ON_A_PAIR(all_else_passes),
        ON_A_PAIR(a_share_is_a_share),
        ON_A_PAIR(the_lesser_search_is_shorter_and_as_good),
        ON_A_PAIR(a_new_share_takes_the_old_ones_place),
        cmocka_unit_test(a_socket_that_takes_none_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
