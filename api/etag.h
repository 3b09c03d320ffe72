// SPDX-License-Identifier: Apache-2.0
// ETags and conditions (RFC 9110 section 13). An ETag is strong and has two parts: the
// configuration's version and the status', each bound to the store's epoch: "EPOCH-CONFIG-STATUS".
// If-None-Match compares both, If-Match the configuration only, so that a phone that registers does
// not defeat an edit.
#pragma once

#include "api/request.h"

// Sets r->etag. `status` is any number that changes with what the representation shows of the
// status (0 where it shows none); `variant` tells apart representations of one URL (the query).
void etag_set(struct request *r, uint64_t config, uint64_t status, struct slice variant);
// After etag_set(), before the body is made: true when it was answered with 304.
bool etag_not_modified(struct request *r);
// For writes: does what is there (exists, its config version) let the request go on? False when the
// caller has to answer 412. Pure: safe in a decide function.
bool etag_allows(const struct request *r, bool exists, uint64_t epoch, uint64_t config);
// A 64-bit status number from several; order matters.
uint64_t etag_mix(uint64_t a, uint64_t b);
