// SPDX-License-Identifier: Apache-2.0
// RFC 3261 section 10.3, steps 6 to 8. Works on a copy of the set: `next` begins as what is there,
// and only a request that holds as a whole leaves its marks in the store.
#include "service/registrar/registrar.h"

#include "service/registrar/match.h"

// A client that asks for an hour or more is never told that it is too brief (section 10.2.8).
#define BRIEF_BELOW_S 3600

struct work {
    const struct reg_request *req;
    const struct reg_policy *policy;
    int64_t now_ms;
    size_t before;            // current->n
    struct binding_set *next; // room for current->n + req->n_contacts items
    struct matcher matcher;   // of next
    bool *touched;            // items of next that this request has set, by index
    size_t set_here;          // how many contacts this request has set
    struct reg_answer *answer;
    size_t own; // index in next, all items counted; SIZE_MAX for none
};

static bool refuse(struct work *w, unsigned status, enum reason reason, const char *phrase)
{
    w->answer->status = status;
    w->answer->reason = reason;
    w->answer->phrase = phrase;
    w->answer->changed = false;
    return false;
}

// ---- Expires ------------------------------------------------------------------------------------

static uint32_t asked_expires(const struct work *w, const struct sip_contact *contact)
{
    uint32_t asked = contact->has_expires  ? contact->expires
                     : w->req->has_expires ? w->req->expires
                                           : w->policy->default_expires;
    return asked < w->policy->max_expires ? asked : w->policy->max_expires;
}

static bool too_brief(const struct work *w, const struct sip_contact *contact, uint32_t asked)
{
    return (contact->has_expires || w->req->has_expires) && asked > 0 &&
           asked < w->policy->min_expires && asked < BRIEF_BELOW_S;
}

static uint32_t share(uint32_t seconds, uint32_t percent)
{
    return (uint32_t)((uint64_t)seconds * percent / 100);
}

// What is granted of what was asked: a cap behind NAT, then a spread that is never a rise.
static uint32_t granted_expires(const struct work *w, uint32_t asked, bool nat)
{
    uint32_t cap = w->policy->nat_max_expires;
    uint32_t granted = nat && cap && asked > cap ? cap : asked;
    uint32_t room = share(granted, w->policy->expires_jitter_percent);
    if (room)
        granted -= (uint32_t)(w->policy->jitter_seed % (room + 1));
    return granted ? granted : 1;
}

// ---- One contact --------------------------------------------------------------------------------

static void fill(const struct work *w, const struct sip_contact *contact, uint32_t asked,
                 bool outbound, struct binding *b)
{
    const struct reg_request *req = w->req;
    bool nat = contact_behind_nat(req, contact);
    int64_t lifetime_ms = (int64_t)granted_expires(w, asked, nat) * 1000;
    *b = (struct binding){
        .id = b->id,
        .registered_at_ms = b->id ? b->registered_at_ms : w->now_ms,
        .contact = contact->addr.uri_text,
        .params = contact->params,
        .q = contact->q,
        .transport = (uint8_t)req->transport,
        .flags = (uint8_t)((nat ? BINDING_NAT : 0) | (outbound ? BINDING_OUTBOUND : 0)),
        .expires_at_ms = w->now_ms + lifetime_ms,
        .refreshed_at_ms = w->now_ms,
        .nonce_time_ms = req->nonce_time_ms,
        .call_id = req->call_id,
        .cseq = req->cseq,
        .reg_id = contact->has_reg_id ? contact->reg_id : 0,
        .instance = contact->instance,
        .path = (struct slice *)(uintptr_t)req->path,
        .n_paths = (uint8_t)req->n_paths,
        .source = req->source,
        .received = req->received,
        .flow = req->first_hop ? req->flow : 0,
        .user_agent = req->user_agent,
    };
}

// Step 7: within a Call-ID the CSeq rises.
static bool in_order(const struct work *w, const struct binding *b)
{
    if (!slice_eq(b->call_id, w->req->call_id) || w->req->cseq > b->cseq)
        return true;
    return w->policy->cseq_restart && w->req->nonce_time_ms > b->nonce_time_ms;
}

static bool out_of_order(struct work *w)
{
    return refuse(w, 500, REASON_CSEQ_OUT_OF_ORDER, "CSeq Out Of Order");
}

// A flow that comes with another URI is another binding: the old one says so when it leaves.
static struct binding *place(struct work *w, const struct sip_contact *contact, size_t at)
{
    struct binding_set *next = w->next;
    struct sip_uri old;
    if (at < next->n) {
        struct binding *found = &next->items[at];
        if (w->touched[at] || slice_eq(found->contact, contact->addr.uri_text) ||
            (sip_uri_parse(found->contact, &old) && sip_uri_equal(&old, &contact->addr.uri)))
            return found;
        found->gone = GONE_REPLACED;
        w->touched[at] = true;
    }
    next->items[next->n] = (struct binding){0};
    w->touched[next->n] = true;
    return &next->items[next->n++];
}

// How many bindings there may be. Where the limit was lowered below what is there, only growth is
// refused.
static size_t limit_of(const struct work *w)
{
    size_t limit = w->policy->max_bindings < BINDINGS_MAX ? w->policy->max_bindings : BINDINGS_MAX;
    return limit < w->before ? w->before : limit;
}

static bool too_many(struct work *w)
{
    return refuse(w, 403, REASON_TOO_MANY_BINDINGS, "Too Many Bindings");
}

static bool apply(struct work *w, const struct sip_contact *contact)
{
    bool outbound = contact_wants_outbound(w->req, contact);
    size_t at = contact_match(&w->matcher, contact, outbound);
    bool found = at < w->next->n;
    uint32_t asked = asked_expires(w, contact);
    if (too_brief(w, contact, asked)) {
        w->answer->min_expires = w->policy->min_expires;
        return refuse(w, 423, REASON_INTERVAL_TOO_BRIEF, NULL);
    }
    if (found && !w->touched[at] && !in_order(w, &w->next->items[at]))
        return out_of_order(w);
    if (asked == 0) {
        if (found) {
            w->next->items[at].gone = GONE_UNREGISTERED;
            w->touched[at] = true;
            w->answer->changed = true;
        }
        return true;
    }
    // Contacts of one request never make room for each other: not one more is looked at
    if (!(found && w->touched[at]) && ++w->set_here > limit_of(w))
        return too_many(w);
    struct binding *b = place(w, contact, at);
    size_t index = (size_t)(b - w->next->items);
    fill(w, contact, asked, outbound, b);
    contact_changed(&w->matcher, index);
    w->touched[index] = true;
    w->answer->changed = true;
    w->answer->outbound |= outbound;
    if (w->own == SIZE_MAX)
        w->own = index;
    return true;
}

// ---- A repeat -----------------------------------------------------------------------------------

static bool same_content(const struct work *w, const struct sip_contact *contact, uint32_t asked,
                         const struct binding *b)
{
    bool nat = contact_behind_nat(w->req, contact);
    uint32_t cap = w->policy->nat_max_expires;
    uint32_t most = nat && cap && asked > cap ? cap : asked;
    uint32_t least = most - share(most, w->policy->repeat_jitter_percent);
    int64_t lifetime_ms = b->expires_at_ms - b->refreshed_at_ms;
    return slice_eq(b->contact, contact->addr.uri_text) && slice_eq(b->params, contact->params) &&
           b->q == contact->q && lifetime_ms <= (int64_t)most * 1000 &&
           lifetime_ms >= (int64_t)least * 1000;
}

static bool made_by(const struct work *w, const struct binding *b)
{
    return b->cseq == w->req->cseq && slice_eq(b->call_id, w->req->call_id);
}

// A 200 may be lost over a restart, and the phone then repeats a request that was carried out: each
// of its contacts is there as this very request (Call-ID and CSeq) made it, or gone as it asked.
static bool is_repeat(struct work *w)
{
    bool any = false;
    for (size_t i = 0; i < w->next->n && !any; i++)
        any = made_by(w, &w->next->items[i]);
    if (!any) // the usual case, without a look at the contacts
        return false;
    any = false;
    for (size_t i = 0; i < w->req->n_contacts; i++) {
        const struct sip_contact *contact = &w->req->contacts[i];
        bool outbound = contact_wants_outbound(w->req, contact);
        size_t at = contact_match(&w->matcher, contact, outbound);
        uint32_t asked = asked_expires(w, contact);
        if (at == w->next->n) {
            if (asked)
                return false;
            continue;
        }
        const struct binding *b = &w->next->items[at];
        if (!made_by(w, b) || !same_content(w, contact, asked, b))
            return false;
        if (w->own == SIZE_MAX)
            w->own = at;
        w->answer->outbound |= outbound;
        any = true;
    }
    return any;
}

// ---- The limit ----------------------------------------------------------------------------------

static size_t staying(const struct binding_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += !set->items[i].gone;
    return n;
}

static bool same_instance(const struct work *w, const struct binding *b)
{
    if (b->instance.n == 0)
        return false;
    for (size_t i = 0; i < w->next->n; i++)
        if (w->touched[i] && !w->next->items[i].gone &&
            slice_eq(w->next->items[i].instance, b->instance))
            return true;
    return false;
}

static bool same_call(const struct work *w, const struct binding *b)
{
    return slice_eq(b->call_id, w->req->call_id);
}

// The least recently refreshed one that `fits` and that this request did not set; NULL for none.
static struct binding *oldest(struct work *w,
                              bool (*fits)(const struct work *, const struct binding *))
{
    struct binding *found = NULL;
    for (size_t i = 0; i < w->next->n; i++) {
        struct binding *b = &w->next->items[i];
        if (!w->touched[i] && !b->gone && fits(w, b) &&
            (!found || b->refreshed_at_ms < found->refreshed_at_ms))
            found = b;
    }
    return found;
}

// A phone whose port changes at every start displaces what it left behind; nobody else's.
static bool make_room(struct work *w)
{
    for (size_t n = staying(w->next); n > limit_of(w); n--) {
        struct binding *b = oldest(w, same_instance);
        if (!b)
            b = oldest(w, same_call);
        if (!b)
            return too_many(w);
        b->gone = GONE_REPLACED;
    }
    return true;
}

// ---- The request --------------------------------------------------------------------------------

// Step 6: `*` stands alone, with Expires 0.
static bool remove_all(struct work *w)
{
    const struct reg_request *req = w->req;
    if (req->n_contacts || !req->has_expires || req->expires != 0)
        return refuse(w, 400, REASON_MALFORMED, "Contact * Needs To Be Alone With Expires 0");
    for (size_t i = 0; i < w->next->n; i++)
        if (!in_order(w, &w->next->items[i]))
            return out_of_order(w);
    for (size_t i = 0; i < w->next->n; i++)
        w->next->items[i].gone = GONE_UNREGISTERED;
    w->answer->changed = w->next->n > 0;
    return true;
}

static bool check_flows(struct work *w)
{
    size_t flows = 0;
    for (size_t i = 0; i < w->req->n_contacts; i++) {
        const struct sip_contact *contact = &w->req->contacts[i];
        if (!contact_wants_outbound(w->req, contact))
            continue;
        if (asked_expires(w, contact) && ++flows > 1)
            return refuse(w, 400, REASON_MALFORMED, "More Than One reg-id");
        if (!first_hop_has_outbound(w->req))
            return refuse(w, 439, REASON_EXTENSION_REQUIRED, "First Hop Lacks Outbound Support");
    }
    return true;
}

static bool apply_all(struct work *w)
{
    if (!check_flows(w))
        return false;
    if (is_repeat(w))
        return true;
    w->own = SIZE_MAX;
    w->answer->outbound = false;
    for (size_t i = 0; i < w->req->n_contacts; i++)
        if (!apply(w, &w->req->contacts[i]))
            return false;
    return make_room(w);
}

static int own_index(struct work *w)
{
    int index = 0;
    // The first contact may have been taken back by a later one of the same request
    if (w->own != SIZE_MAX && w->next->items[w->own].gone)
        for (w->own = 0; w->own < w->next->n; w->own++)
            if (w->touched[w->own] && !w->next->items[w->own].gone)
                break;
    if (w->own >= w->next->n)
        return -1;
    for (size_t i = 0; i < w->own; i++)
        index += !w->next->items[i].gone;
    return index;
}

bool registrar_decide(const struct reg_request *req, const struct binding_set *current,
                      const struct reg_policy *policy, int64_t now_ms, struct arena *arena,
                      struct binding_set *next, struct reg_answer *answer)
{
    size_t room = current->n + req->n_contacts;
    struct work w = {.req = req,
                     .policy = policy,
                     .now_ms = now_ms,
                     .before = current->n,
                     .next = next,
                     .matcher = {.set = next, .room = room, .arena = arena},
                     .answer = answer,
                     .own = SIZE_MAX};
    *answer =
        (struct reg_answer){.status = 200, .reason = REASON_OK, .own = -1, .decided_ms = now_ms};
    *next = (struct binding_set){0};
    if (room == 0) {
        if (req->star)
            remove_all(&w);
        return true;
    }
    next->items = arena_alloc(arena, room * sizeof *next->items);
    w.touched = arena_calloc(arena, room, sizeof *w.touched);
    if (!next->items || !w.touched)
        return false;
    if (current->n)
        memcpy(next->items, current->items, current->n * sizeof *next->items);
    next->n = current->n;
    if (req->star ? remove_all(&w) : apply_all(&w))
        answer->own = own_index(&w);
    return !w.matcher.failed;
}
