// SPDX-License-Identifier: Apache-2.0
// For tests of messages: parses texts and files, and gives the memory back at the end.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "service/sip/message.h"

struct parsed {
    enum sip_parsed result;
    struct sip_request req;
    struct sip_fault fault;
    struct arena arena;
    char *bytes; // exactly as long as the message, so that a sanitizer sees a read behind it
};

static inline struct parsed *parse_slice(struct slice message)
{
    struct parsed *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(sip_parse_setup(), 0);
    arena_init(&p->arena, NULL, 0, 1 << 20);
    p->bytes = malloc(message.n ? message.n : 1);
    assert_non_null(p->bytes);
    if (message.n)
        memcpy(p->bytes, message.p, message.n);
    p->result = sip_parse(slice_of(p->bytes, message.n), &p->arena, &p->req, &p->fault);
    return p;
}

static inline void parsed_free(struct parsed *p)
{
    arena_reset(&p->arena);
    free(p->bytes);
    free(p);
}

// The whole file, in memory that the caller frees.
static inline struct slice read_whole(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be read", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    return slice_of(bytes, (size_t)size);
}

static inline struct parsed *parse_vector(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, SOURCE_DIR "/tests/vectors/%s.dat", name);
    struct slice message = read_whole(path);
    struct parsed *p = parse_slice(message);
    free((char *)(uintptr_t)message.p);
    return p;
}

#define assert_slice(got, want)                                                                    \
    do {                                                                                           \
        struct slice got_ = (got), want_ = slice_str(want);                                        \
        if (!slice_eq(got_, want_))                                                                \
            fail_msg("\"%.*s\" is not \"%.*s\"", SLICE_FMT(got_), SLICE_FMT(want_));               \
    } while (0)
