// SPDX-License-Identifier: Apache-2.0
#include "api/import_line.h"

#include <stdio.h>

#include "api/domain_body.h"
#include "api/import_lines.h"
#include "api/problem.h"

// Beyond what a line of the greatest length needs for its parts and the user that is there.
#define ARENA_MAX (4 * IMPORT_LINE_MAX)

static void set_problem(struct import_line *line, unsigned status, const char *detail)
{
    line->status = status;
    snprintf(line->detail, sizeof line->detail, "%s", detail);
}

static void begin(struct import_line *line, uint64_t number)
{
    line->number = number;
    line->status = 0;
    line->detail[0] = '\0';
    line->op = (struct store_op){.kind = STORE_OP_USER};
    arena_init(&line->arena, line->memory, sizeof line->memory, ARENA_MAX);
    line->faults.arena = &line->arena;
    line->faults.n = 0;
    line->change.password = SLICE_NONE;
}

void import_line_refuse(struct import_line *line, uint64_t number, unsigned status,
                        const char *detail)
{
    begin(line, number);
    set_problem(line, status, detail);
}

// ---- Decisions, on the writer's thread --------------------------------------------------------

static enum decision decide_put(struct store_op *op, const struct domain *domain,
                                const struct user *current, int64_t now_ms, struct user *next,
                                bool *remove_bindings)
{
    struct import_line *line = op->ctx;
    return user_change_decide(op, &line->change, domain, current, now_ms, next, remove_bindings);
}

static enum decision decide_delete(struct store_op *op, const struct domain *domain,
                                   const struct user *current, int64_t now_ms, struct user *next,
                                   bool *remove_bindings)
{
    (void)op;
    (void)domain;
    (void)current; // none: the store says NOT_FOUND
    (void)now_ms;
    (void)next;
    (void)remove_bindings;
    return DECIDE_DELETE;
}

// ---- Reading ----------------------------------------------------------------------------------

// "op": "delete", or not there.
static void read_op(struct import_line *line, const struct json *o)
{
    struct slice word;
    const struct json *v = json_get(o, "op");
    line->op.decide_user = decide_put;
    if (!v || !json_read_string(v, SLICE("op"), 1, 16, &line->faults, &word))
        return;
    if (slice_eq(word, SLICE("delete")))
        line->op.decide_user = decide_delete;
    else
        fault_add(&line->faults, SLICE("op"), "is not \"delete\"");
}

static void read_members(struct import_line *line, const struct json *o)
{
    read_op(line, o);
    user_body_read(o, USER_BODY_IMPORT, &line->faults, &line->change);
    if (!json_get(o, "domain"))
        fault_add(&line->faults, SLICE("domain"), "is missing");
    if (!json_get(o, "username"))
        fault_add(&line->faults, SLICE("username"), "is missing");
    if (line->faults.n)
        line->status = 422;
}

// The domain's and the user's keys. False: the status is set.
static bool find_place(struct import_line *line, struct store_reader *reader)
{
    struct domain domain;
    char *scratch = arena_alloc(&line->arena, USERNAME_MAX);
    enum store_status st = domain_find(reader, line->change.domain, &domain);
    if (st != STORE_OK) {
        set_problem(line, st == STORE_NOT_FOUND ? 404 : 503,
                    st == STORE_NOT_FOUND ? "there is no such domain"
                                          : "the store cannot be read now");
        return false;
    }
    line->change.domain = SLICE_NONE; // it may have been an alias: the place is found
    if (!user_change_name(&line->change, &domain, line->change.username)) {
        line->status = 422;
        return false;
    }
    line->op.domain = arena_copy(&line->arena, domain.name);
    if (!scratch || !line->op.domain.p) {
        set_problem(line, 503, "there is not enough memory");
        return false;
    }
    line->op.username = user_key(&domain, line->change.username, scratch);
    if (line->op.decide_user == decide_put)
        user_change_prepare(&line->change, &domain, &line->arena);
    return true;
}

bool import_line_read(struct import_line *line, uint64_t number, struct slice text,
                      struct store_reader *reader)
{
    begin(line, number);
    struct json *o = json_parse(text, line->detail, sizeof line->detail);
    if (!o) {
        line->status = 400;
        return false;
    }
    if (json_is_object(o))
        read_members(line, o);
    else
        set_problem(line, 400, "not a JSON object");
    json_free(o);
    if (line->status || !find_place(line, reader)) {
        user_change_wipe(&line->change);
        return false;
    }
    line->op.arena = &line->arena;
    line->op.ctx = line;
    line->op.bulk = true;
    return true;
}

// ---- Outcome ----------------------------------------------------------------------------------

void import_line_done(struct import_line *line)
{
    const struct store_op *op = &line->op;
    user_change_wipe(&line->change);
    switch (op->status) {
    case STORE_OK:
        line->status = op->decide_user == decide_delete ? 204 : op->created ? 201 : 200;
        break;
    case STORE_NOT_FOUND:
        set_problem(line, 404,
                    op->decide_user == decide_delete ? "there is no such user"
                                                     : "there is no such domain any more");
        break;
    case STORE_REFUSED:
        if (line->faults.n)
            line->status = 422;
        else
            set_problem(line, 409, "the domain was made anew meanwhile; try again");
        break;
    case STORE_CONFLICT:
        set_problem(line, 409, "the user was changed meanwhile; try again");
        break;
    case STORE_TOO_LARGE:
        set_problem(line, 413, "the user would be too large to be kept");
        break;
    case STORE_FULL:
        set_problem(line, 507, "the store is full");
        break;
    case STORE_UNAVAILABLE:
    case STORE_NOMEM:
        set_problem(line, 503, "the store cannot take this now");
        break;
    }
}

void import_line_result(struct import_line *line, struct text *out)
{
    text_printf(out, "{\"line\":%llu,\"status\":%u", (unsigned long long)line->number,
                line->status);
    if (line->status >= 300) {
        char sentence[512];
        struct slice detail = line->faults.n
                                  ? problem_of_faults(&line->faults, sentence, sizeof sentence)
                                  : slice_str(line->detail);
        TEXT_LIT(out, ",\"problem\":");
        out->comma = false;
        problem_put(out, line->status, detail, &line->faults);
    }
    TEXT_LIT(out, "}");
    arena_reset(&line->arena);
}
