// SPDX-License-Identifier: Apache-2.0
// What the SIP side is told to do, as plain data that does not change: made from the configuration
// at start and at each SIGHUP, and taken over between two batches.
#pragma once

#include "base/address.h"
#include "service/registrar/registrar.h"
#include "store/user.h"

#define SETTINGS_NETWORKS_MAX 64

struct networks {
    size_t n;
    struct network items[SETTINGS_NETWORKS_MAX];
};

static inline bool networks_contain(const struct networks *list, const struct address *a)
{
    for (size_t i = 0; i < list->n; i++)
        if (network_contains(&list->items[i], a))
            return true;
    return false;
}

struct sip_settings {
    struct reg_policy registrar;         // what a domain or user does not say otherwise
    uint8_t algorithms[ALGORITHM_COUNT]; // auth.algorithms, in order
    size_t n_algorithms;
    bool require_qop;
    bool rspauth;          // auth.rspauth
    bool redirect_route;   // registrar.redirect_path: route
    bool closed_flow_mark; // registrar.closed_flow: mark
    struct networks redirect_from;
    struct networks exempt;  // abuse.exempt
    unsigned abuse_requests; // a second and source; 0: no limit
    unsigned abuse_failures; // a minute and source or AoR; 0: no limit
    unsigned abuse_ban_s;
    char default_domain[DOMAIN_NAME_MAX + 1]; // empty: the only one, if there is one
};
