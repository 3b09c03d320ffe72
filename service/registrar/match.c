// SPDX-License-Identifier: Apache-2.0
#include "service/registrar/match.h"

bool contact_wants_outbound(const struct reg_request *req, const struct sip_contact *contact)
{
    return contact->has_reg_id && contact->instance.n && (req->supported & OPTION_OUTBOUND);
}

// "<sip:edge.example;lr;ob>;x=y" -> the URI
static bool path_uri(struct slice path, struct sip_uri *out)
{
    size_t open = slice_find(path, '<');
    struct slice inside = slice_from(path, open + 1);
    size_t close = slice_find(inside, '>');
    return open < path.n && close < inside.n && sip_uri_parse(slice_upto(inside, close), out);
}

bool first_hop_has_outbound(const struct reg_request *req)
{
    struct sip_uri uri;
    struct slice ignored;
    if (req->first_hop)
        return true;
    return req->n_paths && path_uri(req->path[req->n_paths - 1], &uri) &&
           sip_uri_param(&uri, SLICE("ob"), &ignored);
}

static bool same_flow(const struct sip_contact *contact, const struct binding *binding)
{
    return (binding->flags & BINDING_OUTBOUND) && binding->reg_id == contact->reg_id &&
           slice_eq(binding->instance, contact->instance);
}

// A flow is no other flow's binding, even where both give the same URI.
static bool uri_may_match(const struct binding *binding, bool outbound)
{
    return !binding->gone && !(outbound && (binding->flags & BINDING_OUTBOUND));
}

enum { NOT_MADE, MADE, NO_URI };

// The URI of item i; NULL where it is none, or without memory.
static const struct sip_uri_sorted *uri_of(struct matcher *m, size_t i)
{
    struct sip_uri uri;
    if (!m->made) {
        m->uris = arena_alloc(m->arena, m->room * sizeof *m->uris);
        m->made = m->uris ? arena_calloc(m->arena, m->room, sizeof *m->made) : NULL;
        m->failed |= !m->made;
        if (!m->made)
            return NULL;
    }
    if (m->made[i] == NOT_MADE) {
        bool parsed = sip_uri_parse(m->set->items[i].contact, &uri);
        m->failed |= parsed && !sip_uri_sort(&uri, m->arena, &m->uris[i]);
        m->made[i] = parsed && !m->failed ? MADE : NO_URI;
    }
    return m->made[i] == MADE ? &m->uris[i] : NULL;
}

size_t contact_match(struct matcher *m, const struct sip_contact *contact, bool outbound)
{
    const struct slice text = contact->addr.uri_text;
    const struct binding_set *set = m->set;
    struct sip_uri_sorted asked;
    bool sorted = false;
    if (outbound)
        for (size_t i = 0; i < set->n; i++)
            if (!set->items[i].gone && same_flow(contact, &set->items[i]))
                return i;
    // The usual phone repeats its own text; and of several that are equal, the same text wins
    for (size_t i = 0; i < set->n; i++)
        if (uri_may_match(&set->items[i], outbound) && slice_eq(set->items[i].contact, text))
            return i;
    for (size_t i = 0; i < set->n; i++) {
        if (!uri_may_match(&set->items[i], outbound))
            continue;
        if (!sorted && !sip_uri_sort(&contact->addr.uri, m->arena, &asked)) {
            m->failed = true;
            return set->n;
        }
        sorted = true;
        const struct sip_uri_sorted *uri = uri_of(m, i);
        if (uri && sip_uri_sorted_equal(uri, &asked))
            return i;
    }
    return set->n;
}

void contact_changed(struct matcher *m, size_t i)
{
    if (m->made)
        m->made[i] = NOT_MADE;
}

bool contact_behind_nat(const struct reg_request *req, const struct sip_contact *contact)
{
    static const char invalid[] = ".invalid";
    const struct address *seen = req->received.family ? &req->received : &req->source;
    const struct sip_uri *uri = &contact->addr.uri;
    struct address host;
    if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS)
        return false;
    if (sip_uri_address(uri, &host))
        // What an edge proxy does not tell is not known
        return (req->first_hop || req->received.family) && !address_same_host(&host, seen);
    size_t n = sizeof invalid - 1;
    return uri->host.n >= n && slice_ieq(slice_from(uri->host, uri->host.n - n), SLICE(".invalid"));
}
