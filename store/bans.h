// SPDX-License-Identifier: Apache-2.0
// Who is shut out, and who comes near it: networks with a reason and an end. Fixed memory. Asked by
// the SIP thread for every message, edited by the API; thread-safe; lost at a restart.
#pragma once

#include "base/address.h"
#include "base/reason.h"

#define BANS_MAX       65536
#define BAN_REASON_MAX 64

struct ban {
    struct network network;
    int64_t until_ms;
    int64_t since_ms;
    char reason[BAN_REASON_MAX]; // a word, NUL-terminated: a reason_word(), or an operator's text
    bool manual;                 // made over the API
};

struct bans;

struct bans *bans_open(void);
void bans_close(struct bans *b);
// True while the address is banned. Constant time, no lock when there are no bans at all.
bool bans_hit(struct bans *b, const struct address *a, int64_t now_ms);
// Makes or replaces; bits of the network beyond its prefix are cleared. False when the table is
// full (a manual ban then takes the place of the automatic one that ends first), or for a prefix
// that does not fit the family. An IPv4 address is hit by IPv4 networks only, an IPv6 one by IPv6
// ones.
bool bans_put(struct bans *b, const struct ban *ban, int64_t now_ms);
bool bans_get(struct bans *b, const struct network *n, int64_t now_ms, struct ban *out);
bool bans_delete(struct bans *b, const struct network *n);
// Those live at now_ms, in order of network, after `after` (NULL: from the first). Returns how
// many.
size_t bans_list(struct bans *b, const struct network *after, int64_t now_ms, struct ban *out,
                 size_t max);
size_t bans_count(struct bans *b, int64_t now_ms);
