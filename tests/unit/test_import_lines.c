// SPDX-License-Identifier: Apache-2.0
// Lines out of pieces: the same lines, however the pieces are cut.
#include "api/import_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct got {
    char text[8192]; // "NUMBER=LINE;" of each, "NUMBER!" of one that is too long
    size_t n;
};

static void note(struct got *g, const struct lines *l, enum line_kind kind, struct slice line)
{
    int n = kind == LINE_TOO_LONG
                ? snprintf(g->text + g->n, sizeof g->text - g->n, "%llu!;",
                           (unsigned long long)l->number)
                : snprintf(g->text + g->n, sizeof g->text - g->n, "%llu=%.*s;",
                           (unsigned long long)l->number, SLICE_FMT(slice_upto(line, 20)));
    assert_in_range(n, 1, sizeof g->text - g->n - 1);
    g->n += (size_t)n;
}

// Feeds the text in pieces of `step` bytes.
static void split(struct slice text, size_t step, struct got *g)
{
    struct lines l;
    struct slice line;
    enum line_kind kind;
    *g = (struct got){.n = 0};
    assert_int_equal(lines_init(&l), 0);
    for (size_t at = 0; at < text.n; at += step) {
        struct slice piece = slice_upto(slice_from(text, at), step);
        while ((kind = lines_next(&l, &piece, &line)) != LINE_NONE)
            note(g, &l, kind, line);
        assert_int_equal(piece.n, 0);
    }
    if ((kind = lines_last(&l, &line)) != LINE_NONE)
        note(g, &l, kind, line);
    lines_free(&l);
}

static void lines_are_the_same_however_they_are_cut(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\r\n\n  \t\n five \nsix";
    for (size_t step = 1; step <= sizeof text; step++) {
        struct got g;
        split(slice_str(text), step, &g);
        assert_string_equal(g.text, "1=one;2=two;5=five;6=six;");
    }
}

static void an_empty_text_has_no_lines(void **state)
{
    (void)state;
    struct got g;
    split(SLICE(""), 1, &g);
    assert_string_equal(g.text, "");
    split(SLICE("\n\n\n"), 2, &g);
    assert_string_equal(g.text, "");
}

static void a_line_that_is_too_long_is_numbered_and_the_rest_goes_on(void **state)
{
    (void)state;
    size_t longest = IMPORT_LINE_MAX, n = 0;
    char *text = malloc(longest * 3);
    assert_non_null(text);
    text[n++] = 'a';
    text[n++] = '\n';
    memset(text + n, 'x', longest), n += longest; // just fits
    text[n++] = '\n';
    memset(text + n, 'y', longest + 1), n += longest + 1;
    text[n++] = '\n';
    text[n++] = 'b';
    static const size_t steps[] = {1000, 16384, IMPORT_LINE_MAX, IMPORT_LINE_MAX * 3};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct got g;
        split(slice_of(text, n), steps[i], &g);
        assert_string_equal(g.text, "1=a;2=xxxxxxxxxxxxxxxxxxxx;3!;4=b;");
    }
    memset(text, 'z', longest * 2);
    struct got g;
    split(slice_of(text, longest * 2), 4096, &g); // the last one, without its end
    assert_string_equal(g.text, "1!;");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_however_they_are_cut),
        cmocka_unit_test(an_empty_text_has_no_lines),
        cmocka_unit_test(a_line_that_is_too_long_is_numbered_and_the_rest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
