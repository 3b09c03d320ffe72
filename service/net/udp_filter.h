// SPDX-License-Identifier: Apache-2.0
// A classic BPF program for a UDP socket (SO_ATTACH_FILTER), which the kernel runs before it queues
// a datagram and which needs no privilege: it drops a share of the REGISTERs without credentials,
// each for a small part of what even a refusal costs. Chance decides, so that a phone that sends
// again gets through some time.
//
// Whatever the program is not sure of passes: other methods, a word that looks like part of
// "Authorization", what is longer than it searches.
#pragma once

#include <linux/filter.h>

#include "base/slice.h"

#define UDP_FILTER_ALL 65536
// How much of a datagram is searched, in bytes. The kernel's memory for a socket's options
// (net.core.optmem_max) has room for the lesser where it is the 20 KiB of kernels before 6.9.
#define UDP_FILTER_LESSER           768
#define UDP_FILTER_SEARCH           1500
#define UDP_FILTER_INSTRUCTIONS_MAX 2048

// Makes the program that drops `share` of UDP_FILTER_ALL, above 0; how many instructions it has.
// `search` is at most UDP_FILTER_SEARCH.
size_t udp_filter_make(struct sock_filter program[UDP_FILTER_INSTRUCTIONS_MAX], uint32_t share,
                       unsigned search);

// Is the datagram one of those of which it drops a share? They have no credentials.
bool udp_filter_sifts(struct slice datagram, unsigned search);

// Has the kernel do so on this socket, in place of what it did; a share of 0 ends it. Where there
// is no room for a program that searches `search`, it searches the lesser. How much is searched (0
// for a share of 0), or -errno: nothing is dropped then.
int udp_filter_set(int fd, uint32_t share, unsigned search);
