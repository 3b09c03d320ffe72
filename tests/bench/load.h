// SPDX-License-Identifier: Apache-2.0
// What the parts of the load generator share. It shares no code with the service.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NONCE_MAX   128
#define MESSAGE_MAX 2048
#define BATCH       64

enum mode { MODE_CHALLENGE, MODE_REFRESH, MODE_QUERY, MODE_UNREGISTER };

struct options {
    const char *host, *port, *domain, *password, *algorithm, *transport, *name;
    enum mode mode;
    unsigned users, first_user, window, connections, expires, jitter_percent;
    unsigned nap_us;      // sleeps so long, where an answer would wake it at the server's expense
    unsigned rounds;      // so often each phone registers before what is measured
    unsigned devices;     // of each user, in turn; each with a contact and Call-ID of its own
    bool classes;         // a tenth of the users asks for 120 s, a tenth for 600 s
    double seconds, rate; // rate 0: closed loop
    int cpu;              // to pin to; -1: not
    bool echo;            // the server is echo: whatever comes back is the answer
    bool no_prepare;      // measure from the first registration on
    bool shuffle;         // the phones come in no order
    bool steps;           // a measurement for each line that is read
    const char *pids;     // the server's processes, comma-separated
    uint64_t run;         // makes Call-IDs and branches of two runs differ; 0: random
};

struct phone {
    int64_t intended_ns; // when its present registration should have begun
    uint32_t cseq, nc;
    uint16_t nonce_length;
    uint8_t tries;           // transmissions of the newest request
    uint8_t challenges_left; // more than that are a failure
    bool busy, authorized, registered;
    char nonce[NONCE_MAX];
    char ha1[64];
};

// --- load_message.c

struct message_maker;
// Fetches the digest and fixes what all messages have in common; NULL for an unknown algorithm.
struct message_maker *message_maker_new(const struct options *options);
void message_maker_free(struct message_maker *m);
void message_ha1(struct message_maker *m, unsigned index, char out[64]);
// Writes the phone's next REGISTER (with its CSeq, and credentials where it has a nonce and
// `authorize`) to out[MESSAGE_MAX] and gives its length.
size_t message_register(struct message_maker *m, struct phone *phone, unsigned index,
                        bool authorize, bool leave, char *out);

struct answer {
    unsigned status, index;
    uint32_t cseq;
    const char *nonce; // of a 401, else NULL
    size_t nonce_length;
};
// Reads a response (or an echoed request: status 0); false for what is none of ours.
bool message_answer(const char *p, size_t n, struct answer *out);

// --- load_timers.c

struct timers;
// One for each of so many phones, none of which waits; NULL without memory.
struct timers *timers_new(unsigned phones, int64_t now_ns);
void timers_free(struct timers *t);
// Waits until then, to a twentieth of a second, and for a minute at most; in place of what it was.
void timers_set(struct timers *t, unsigned phone, int64_t due_ns);
void timers_clear(struct timers *t, unsigned phone);
// Takes one whose time has come; false when there is none.
bool timers_due(struct timers *t, int64_t now_ns, unsigned *phone);

// --- load_net.c

struct net;
struct net *net_open(const struct options *options);
void net_close(struct net *net);
// Room for the next message; net_send() queues it, net_flush() sends what is queued.
char *net_room(struct net *net);
void net_send(struct net *net, unsigned phone, size_t length);
void net_flush(struct net *net);
// Waits until something can be received, timeout_ns at most.
void net_wait(struct net *net, int64_t timeout_ns);
// Calls `take` for each whole message that has come; the number of them.
size_t net_receive(struct net *net, void (*take)(void *arg, const char *p, size_t n), void *arg);
