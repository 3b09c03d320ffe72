// SPDX-License-Identifier: Apache-2.0
// Who sends too much or guesses passwords: counts a source and an AoR, in memory fixed at start,
// and bans sources for a while (each time for longer). Counts are approximate: sources whose keyed
// hashes share a cell share it, and the oldest count gives way.
//
// A source is an IPv4 address or an IPv6 /64. Networks in abuse.exempt are never limited or banned;
// behind an edge proxy there, the phone's address as the proxy saw it (`received` of the second
// Via) is the source instead.
#pragma once

#include "base/hash.h"
#include "base/reason.h"
#include "service/settings.h"
#include "store/bans.h"

struct abuse;

enum abuse_verdict { ABUSE_PASS, ABUSE_BANNED, ABUSE_RATE };

struct abuse *abuse_open(struct bans *bans); // NULL when memory is out
void abuse_close(struct abuse *a);

// One message from `source`: may it be looked at? Costs less than a parse.
enum abuse_verdict abuse_admit(struct abuse *a, const struct sip_settings *settings,
                               const struct address *source, int64_t now_ms);
// An authentication failed (wrong password, unknown user, ...), for the AoR of this domain and key.
// True when that led to a ban. A source that may be spoofed (!proven) counts for the AoR only, so
// that nobody can have a stranger shut out.
bool abuse_failed(struct abuse *a, const struct sip_settings *settings,
                  const struct address *source, bool proven, struct slice domain, struct slice key,
                  enum reason reason, int64_t now_ms);
// One succeeded: the message counts towards no limit. True when failures of this source and AoR
// came before it within the last minute.
bool abuse_succeeded(struct abuse *a, const struct sip_settings *settings,
                     const struct address *source, struct slice domain, struct slice key,
                     int64_t now_ms);
