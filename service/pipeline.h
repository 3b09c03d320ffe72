// SPDX-License-Identifier: Apache-2.0
// The way of a SIP message through the service, in order, for one thread:
//
// - pipeline_take(): parse, match a transaction, gates, authenticate, an op for the store
// - pipeline_submit(): all ops of this batch at once
// - pipeline_completed(): durable; the decision becomes a response
//
// What needs no commit is answered inside pipeline_take() and does not wait for the batch.
#pragma once

#include "base/hash.h"
#include "base/log.h"
#include "base/reason.h"
#include "service/auth/digest.h"
#include "service/auth/nonce.h"
#include "service/abuse.h"
#include "service/overload.h"
#include "service/request.h"
#include "service/settings.h"
#include "store/attempts.h"
#include "store/bans.h"

// Longest response; over UDP a datagram holds no more.
#define REPLY_MAX    65000
#define DOMAIN_CACHE 8

// What the pipeline asks of the sockets.
struct pipeline_net {
    // Sends the response on the request's flow; `to` matters on UDP. `bytes` are copied or sent.
    void (*send)(void *arg, const struct flow *flow, const struct address *to, struct slice bytes);
    void (*authenticated)(void *arg, const struct flow *flow);
    uint64_t (*flow_token)(void *arg, const struct flow *flow);
    void *arg;
    // The request on this flow has to wait for the store, or has been answered at last. May be
    // NULL.
    void (*waits)(void *arg, const struct flow *flow, bool waits);
};

struct pipeline_config {
    struct store *store;
    struct attempts *attempts;
    struct bans *bans;
    struct request_pool *pool;
    struct pipeline_net net;
    size_t transaction_memory;
    size_t pending_max;
    struct nonce_config nonces;
    // Completions are there: wakes the loop. Called on the store's writer thread.
    void (*wake)(void *arg);
    void *wake_arg;
};

struct invites;

struct pipeline {
    struct pipeline_config config;
    const struct sip_settings *settings;
    struct store_port *port;
    struct store_reader *reader;
    bool snapshot; // the reader has one
    struct txns *txns;
    struct nonces *nonces;
    struct digest_engine *engine;
    struct invites *invites;
    struct abuse *abuse;
    struct hash_key tag_key;
    struct log_gate failure_gate, rate_gate;
    int64_t now_ms;              // of this batch
    struct overload_signs signs; // since the last batch
    struct overload overload;

    struct request *oldest, *newest; // pending
    int64_t progress_us;             // when one of them was last completed, or the first came
    size_t n_pending;
    struct store_op *first, *last; // to be submitted
    size_t n_ops;

    // Domains by host name, of this snapshot. The name is a copy: the request that asked for it may
    // be gone, and its memory another's, before the batch ends.
    struct domain_slot {
        char name[DOMAIN_NAME_MAX + 1]; // a trailing dot may be there
        struct slice host;
        struct domain domain;
    } domains[DOMAIN_CACHE];
    size_t n_domains;

    int64_t date_second; // of the Date header that is kept in `date`
    size_t date_n;
    char date[48];
    char reply[REPLY_MAX];
};

// 0, or -1 with a sentence. The settings are the caller's and stay until others are given.
int pipeline_open(struct pipeline *p, const struct pipeline_config *config,
                  const struct sip_settings *settings, char *why, size_t why_size);
void pipeline_close(struct pipeline *p); // nothing may be pending

// May this source be heard? Before the parse, so that what is shut out costs little.
bool pipeline_admit(struct pipeline *p, const struct address *source);
// Before the first message of a batch: is it overloaded? p->now_ms is set.
void pipeline_begin(struct pipeline *p);
// The request is the pipeline's from here on.
void pipeline_take(struct pipeline *p, struct request *r);
// Ends the snapshot of this batch and submits its ops.
void pipeline_submit(struct pipeline *p);
void pipeline_completed(struct pipeline *p);
// Once per round of the loop: 100s and retransmissions that are due. Returns ms until the next, at
// most `most`.
int64_t pipeline_tick(struct pipeline *p, int64_t now_ms, int64_t most);

// ---- Between the pipeline's own files -----------------------------------------------------------

// The snapshot of this batch; false when the store cannot be read.
bool pipeline_snapshot(struct pipeline *p);
// For how long the oldest request has waited for the store.
int64_t pipeline_pending_ms(const struct pipeline *p);
// For how long some do, and nothing has come back.
int64_t pipeline_stalled_ms(const struct pipeline *p);
// A host name of a URI as a domain of ours: by name or alias, or the default domain where it is an
// address of ours. NULL when it is foreign. Lives until the end of the batch.
const struct domain *pipeline_domain(struct pipeline *p, const struct sip_uri *uri,
                                     const struct flow *flow);

// answer.c
// Builds, keeps and sends a response without more than the usual headers; `reason` is of a
// REGISTER.
void answer_plain(struct pipeline *p, struct request *r, unsigned status, const char *phrase);
// Where the answer goes over UDP; false where there is no way.
bool answer_destination(struct pipeline *p, struct request *r, struct address *to);
void answer_fault(struct pipeline *p, struct request *r, const struct sip_fault *fault);
void answer_options(struct pipeline *p, struct request *r);
// Require has an option tag that is not known here.
bool answer_requires_unknown(const struct sip_request *sip);
void answer_unsupported(struct pipeline *p, struct request *r);
void answer_unavailable(struct pipeline *p, struct request *r);
// The same without a transaction: a retransmission is told again, in the same words if `hash` is.
void answer_overloaded(struct pipeline *p, struct request *r, uint64_t hash);
// keep: a retransmission gets the same challenge, else another that is as good (RFC 3261 section
// 8.2.7), after the same work.
void answer_challenge(struct pipeline *p, struct request *r, const struct domain *domain,
                      bool stale, bool keep);
// Does a 200 hold these bindings, whatever the request repeats in it? Any thread.
bool answer_holds(const struct binding_set *bindings);
void answer_registered(struct pipeline *p, struct request *r);
void answer_refused(struct pipeline *p, struct request *r);
void answer_trying(struct pipeline *p, struct request *r);
void answer_moved(struct pipeline *p, struct request *r, const struct binding_set *bindings);

// authenticate.c
enum auth_verdict { AUTH_GOOD, AUTH_CHALLENGE, AUTH_FORBIDDEN, AUTH_UNAVAILABLE };
struct auth_outcome {
    enum auth_verdict verdict;
    enum reason reason;
    bool stale;
    bool known;       // the To user exists; not looked up for a request without credentials
    struct user user; // where GOOD; of the snapshot
    int64_t nonce_time_ms;
};
// The To user `key` of `domain`. May prove the source. Sets r->auth_info where GOOD.
void authenticate(struct pipeline *p, struct request *r, const struct domain *domain,
                  struct slice key, struct auth_outcome *out);

// shed.c
// While a share of new challenges is shed, before the parse: true when this message was one of it,
// or is too old. It is then answered with 503, or dropped and counted.
bool shed_take(struct pipeline *p, struct request *r);
// After the parse: is this request, that would get a challenge for this reason, one of it?
bool shed_challenge(struct pipeline *p, const struct request *r, enum reason reason);

// redirect.c
void redirect(struct pipeline *p, struct request *r);

// report.c
// One attempt with its outcome: metric, log line, ring of attempts; before the answer leaves, so
// that who has the answer finds them. The AoR is op.domain, op.username of the request (empty where
// none was found).
void report_register(struct pipeline *p, struct request *r, unsigned status, enum reason reason,
                     bool known, const char *detail);
// A source beyond abuse.requests: its messages are dropped unread.
void report_rate_limited(struct pipeline *p, struct slice source);
// Right credentials after wrong ones: somebody has guessed a password, or found it again.
void report_success_after_failures(struct pipeline *p, struct request *r);
