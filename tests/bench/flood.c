// SPDX-License-Identifier: Apache-2.0
// A flood over UDP: as many messages a second as it is told, from SOURCES ports, each another
// transaction. What is answered is read away. Prints what was sent and what came back.
// usage: flood PORT RATE SECONDS malformed|register
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOURCES 16
#define BATCH   32
#define NAP_US  200

// The number of the message stands for each '#'.
#define TOP  "REGISTER sip:example.com SIP/2.0\r\n"
#define VIA  "Via: SIP/2.0/UDP 127.0.0.1:5099;rport;branch=z9hG4bKflood#\r\n"
#define ENDS "From: <sip:u000001@example.com>;tag=a\r\nTo: <sip:u000001@example.com>\r\n"
#define ID   "Call-ID: flood#@bench\r\n"
#define REST                                                                                       \
    "Max-Forwards: 70\r\nUser-Agent: flood/1.0\r\nContact: <sip:u000001@10.0.0.1:5060>\r\n"        \
    "Expires: 3600\r\nContent-Length: 0\r\n\r\n"
static const char *const good = TOP VIA ENDS ID "CSeq: 1 REGISTER\r\n" REST;
static const char *const malformed[] = {
    TOP VIA ENDS ID "CSeq: 1 INVITE\r\n" REST,     // another method
    TOP VIA ENDS ID "CSeq: one REGISTER\r\n" REST, // no number
    "REGISTER  sip:example.com SIP/2.0\r\n" VIA ENDS ID "CSeq: 1 REGISTER\r\n" REST,
    TOP VIA ENDS ID "CSeq: 1 REGISTER\r\nContact: \"<sip:u000001@10.0.0.1\r\n" REST,
    TOP VIA "From: <sip:u000001@example.com\r\nTo: <<>>\r\n" ID "CSeq: 1 REGISTER\r\n" REST,
    TOP "Via: SIP/2.0/UDP\r\n" ENDS ID "X: #\r\nCSeq: 1 REGISTER\r\n" REST, // no sender
    TOP VIA ENDS ID "CSeq: 1 REGISTER\r\nContent-Length: 4000\r\n\r\nshort",
    TOP VIA ENDS ID "CSeq: 1 REGISTER\r\nthis is no header\r\n" REST,
    "\x16\x03\x01\x02#\x01\xff\xfe\x03\x03# and no SIP at all",
    TOP VIA ENDS ID "CSeq: 1 REG", // cut off
};
#define KINDS (sizeof malformed / sizeof *malformed)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_socket(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1 << 20;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static size_t write_message(const char *form, unsigned long number, char out[1024])
{
    size_t n = 0;
    for (; *form; form++)
        if (*form == '#')
            n += (size_t)snprintf(out + n, 24, "%016lx", number);
        else
            out[n++] = *form;
    return n;
}

static unsigned long read_away(const int *fds)
{
    char bytes[2048];
    unsigned long n = 0;
    for (unsigned i = 0; i < SOURCES; i++)
        while (recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) >= 0)
            n++;
    return n;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    unsigned port = (unsigned)strtoul(argv[1], NULL, 10);
    double rate = strtod(argv[2], NULL), seconds = strtod(argv[3], NULL), begin = now();
    bool bad = strcmp(argv[4], "malformed") == 0;
    unsigned long sent = 0, answered = 0, run = (unsigned long)getpid() << 32;
    int fds[SOURCES];
    for (unsigned i = 0; i < SOURCES; i++)
        fds[i] = open_socket(port);
    for (double at = begin; at - begin < seconds; at = now()) {
        for (unsigned i = 0; i < BATCH && (double)sent < (at - begin) * rate; i++, sent++) {
            char bytes[1024];
            size_t n = write_message(bad ? malformed[sent % KINDS] : good, run + sent, bytes);
            send(fds[sent / KINDS % SOURCES], bytes, n, MSG_DONTWAIT);
        }
        answered += read_away(fds);
        if ((double)sent >= (now() - begin) * rate)
            usleep(NAP_US);
    }
    printf("{\"sent\": %lu, \"answered\": %lu, \"seconds\": %.3f}\n", sent, answered,
           now() - begin);
    return 0;
}
