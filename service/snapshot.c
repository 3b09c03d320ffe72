// SPDX-License-Identifier: Apache-2.0
// The batch's snapshot of the store, and the domains that were looked up in it.
#include "service/pipeline.h"

bool pipeline_snapshot(struct pipeline *p)
{
    if (!p->snapshot)
        p->snapshot = store_reader_begin(p->reader) == STORE_OK;
    return p->snapshot;
}

static const struct domain *cached_domain(struct pipeline *p, struct slice host)
{
    for (size_t i = 0; i < p->n_domains; i++)
        if (slice_ieq(p->domains[i].host, host))
            return &p->domains[i].domain;
    if (p->n_domains == DOMAIN_CACHE || host.n > sizeof p->domains->name)
        return NULL; // the first is not reached: take_request() leaves room for one request
    struct domain_slot *slot = &p->domains[p->n_domains];
    enum store_status found = host.n ? store_domain_find(p->reader, host, &slot->domain)
                                     : store_domain_only(p->reader, &slot->domain);
    if (found != STORE_OK)
        return NULL;
    if (host.n)
        memcpy(slot->name, host.p, host.n);
    slot->host = slice_of(slot->name, host.n);
    p->n_domains++;
    return &slot->domain;
}

const struct domain *pipeline_domain(struct pipeline *p, const struct sip_uri *uri,
                                     const struct flow *flow)
{
    struct address a;
    struct slice host = uri->host;
    bool literal = sip_uri_address(uri, &a);
    char text[ADDRESS_TEXT_MAX];
    if (literal && host.p[0] == '[') {
        // As an alias it has no brackets, and the one of its many forms that is printed
        struct buf b = buf_over(text, sizeof text);
        a.port = 0;
        address_print(&b, &a);
        host = buf_slice(&b);
    }
    const struct domain *domain = cached_domain(p, host);
    if (!domain && literal && address_same_host(&a, &flow->local))
        domain = cached_domain(p, slice_str(p->settings->default_domain));
    return domain && !domain->closing ? domain : NULL;
}
