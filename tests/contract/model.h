// SPDX-License-Identifier: Apache-2.0
// The reference of the model test: what a store must hold after each operation, as a table of a few
// domains, users and contacts. Plain data without pointers, because it lies in memory shared with a
// child that is killed: `pending` says which operations it may or may not have done.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define M_DOMAINS  3
#define M_USERS    40
#define M_CONTACTS 4
#define M_BATCH    32

enum m_kind {
    M_REGISTER,    // ends[]: -1 leaves the contact as it is, 0 takes it away, else until then
    M_STAR,        // takes all away
    M_SAME,        // decide says same
    M_REFUSE,      // decide refuses
    M_PUT_USER,    // makes or changes
    M_DISABLE,     // changes, and takes the bindings
    M_DELETE_USER, // a user that is not there is refused
    M_PUT_DOMAIN,
    M_DELETE_DOMAIN
};

struct m_op {
    enum m_kind kind;
    uint8_t domain, user;
    uint32_t cseq; // and the number in a user's display name
    int64_t ends[M_CONTACTS];
};

struct m_binding {
    bool there;
    uint64_t id;   // as the store gave it; 0 where a crash kept it from us
    uint64_t born; // order of registration
    int64_t end, registered_at, refreshed_at;
    uint32_t cseq;
};

struct m_user {
    bool there, disabled;
    uint32_t cseq;
    uint64_t version, presence; // of the AoR, as last read; 0 for not known
    bool touched, moved;        // since then: any update, a coming or going
    struct m_binding bindings[M_CONTACTS];
};

struct m_domain {
    bool there;
    struct m_user users[M_USERS];
};

struct model {
    int64_t now;
    uint64_t rng, born;
    uint32_t cseq;
    struct m_domain domains[M_DOMAINS];
    uint32_t n_pending;
    struct m_op pending[M_BATCH];
    uint64_t done; // operations
};

enum m_status { M_OK, M_NOT_FOUND, M_REFUSED };

// xorshift64*: the test's own, so that a seed means the same everywhere.
static inline uint64_t m_random(struct model *m, uint64_t below)
{
    m->rng ^= m->rng >> 12;
    m->rng ^= m->rng << 25;
    m->rng ^= m->rng >> 27;
    return (m->rng * 0x2545f4914f6cdd1dULL >> 16) % below;
}

static inline unsigned m_live(const struct m_user *u)
{
    unsigned n = 0;
    for (int c = 0; c < M_CONTACTS; c++)
        n += u->bindings[c].there;
    return n;
}

static inline void m_unbind(struct m_user *u, int contact)
{
    if (!u->bindings[contact].there)
        return;
    u->bindings[contact] = (struct m_binding){0};
    u->touched = u->moved = true;
}

// What ends at or before m->now is gone.
static inline void m_expire(struct model *m)
{
    for (int d = 0; d < M_DOMAINS; d++)
        for (int u = 0; u < M_USERS; u++)
            for (int c = 0; c < M_CONTACTS; c++)
                if (m->domains[d].users[u].bindings[c].end <= m->now)
                    m_unbind(&m->domains[d].users[u], c);
}

static inline void m_bind(struct model *m, struct m_user *u, int contact, int64_t end,
                          uint32_t cseq)
{
    struct m_binding *b = &u->bindings[contact];
    if (!b->there) {
        *b = (struct m_binding){.there = true, .born = ++m->born, .registered_at = m->now};
        u->moved = true;
    }
    b->end = end;
    b->cseq = cseq;
    b->refreshed_at = m->now;
    u->touched = true;
}

static inline enum m_status m_apply_user(struct m_user *u, const struct m_op *op)
{
    switch (op->kind) {
    case M_DELETE_USER:
        if (!u->there)
            return M_REFUSED;
        *u = (struct m_user){0};
        return M_OK;
    case M_DISABLE:
        for (int c = 0; c < M_CONTACTS; c++)
            m_unbind(u, c);
        // fall through
    default:
        u->there = true;
        u->disabled = op->kind == M_DISABLE;
        u->cseq = op->cseq;
        return M_OK;
    }
}

static inline enum m_status m_apply(struct model *m, const struct m_op *op)
{
    struct m_domain *d = &m->domains[op->domain];
    struct m_user *u = &d->users[op->user];
    m->done++;
    if (op->kind == M_PUT_DOMAIN)
        d->there = true;
    if (op->kind == M_DELETE_DOMAIN)
        *d = (struct m_domain){0};
    if (op->kind == M_PUT_DOMAIN || op->kind == M_DELETE_DOMAIN)
        return M_OK;
    if (!d->there)
        return M_NOT_FOUND;
    if (op->kind >= M_PUT_USER)
        return m_apply_user(u, op);
    if (!u->there)
        return M_NOT_FOUND;
    if (op->kind == M_REFUSE)
        return M_REFUSED;
    if (op->kind == M_SAME)
        return M_OK;
    u->touched = true;
    for (int c = 0; c < M_CONTACTS; c++) {
        if (op->kind == M_STAR || op->ends[c] == 0)
            m_unbind(u, c);
        else if (op->ends[c] > 0)
            m_bind(m, u, c, op->ends[c], op->cseq);
    }
    return M_OK;
}

// An end of one of a few kinds: one class, jitter, soon, far.
static inline int64_t m_random_end(struct model *m)
{
    switch (m_random(m, 6)) {
    case 0:
        return m->now + 60000;
    case 1:
        return m->now + 1 + (int64_t)m_random(m, 2000);
    case 2:
        return m->now + 1 + (int64_t)m_random(m, 3600000);
    case 3:
        return m->now + 86400000;
    default:
        return m->now + 3600000;
    }
}

// Deletes of domains are made elsewhere, for they go alone.
static inline struct m_op m_random_op(struct model *m)
{
    struct m_op op = {.domain = (uint8_t)m_random(m, M_DOMAINS), .cseq = ++m->cseq};
    // Some users have most of the traffic, so that records are superseded at all distances.
    op.user = (uint8_t)m_random(m, m_random(m, 2) ? 4 : M_USERS);
    uint64_t dice = m_random(m, 100);
    if (dice < 78) {
        for (int c = 0; c < M_CONTACTS; c++)
            op.ends[c] = -1;
        op.ends[m_random(m, M_CONTACTS)] = dice < 62 ? m_random_end(m) : 0;
        if (dice % 8 == 0)
            op.ends[m_random(m, M_CONTACTS)] = m_random(m, 3) ? m_random_end(m) : 0;
        return op;
    }
    op.kind = dice < 82   ? M_STAR
              : dice < 84 ? M_SAME
              : dice < 86 ? M_REFUSE
              : dice < 94 ? M_PUT_USER
              : dice < 96 ? M_DISABLE
              : dice < 99 ? M_DELETE_USER
                          : M_PUT_DOMAIN;
    return op;
}
