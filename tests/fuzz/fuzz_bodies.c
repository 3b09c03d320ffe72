// SPDX-License-Identifier: Apache-2.0
// Any bytes as a body of a user and of a domain: what is taken is within its bounds, and the same
// PUT twice changes nothing the second time. Any bytes as a JSON string: what we write, we read.
#include "api/api.h"
#include "api/domain_body.h"
#include "api/text.h"
#include "api/user_body.h"
#include "store/binding.h"
#include "tests/fuzz/fuzz.h"

static const struct api_config config = {.min_expires = 60,
                                         .default_expires = 3600,
                                         .max_expires = 7200,
                                         .max_bindings = 10,
                                         .n_algorithms = 1};

static void check_user(const struct user *u)
{
    HOLD(utf8_clean(u->display_name) && u->display_name.n <= DISPLAY_NAME_MAX);
    HOLD(u->auth_username.n == 0 || username_valid(u->auth_username));
    HOLD(u->n_labels <= LABELS_MAX && u->max_bindings <= BINDINGS_MAX);
    for (size_t i = 0; i < u->n_labels; i++) {
        HOLD(u->labels[i].key.n >= 1 && u->labels[i].key.n <= LABEL_KEY_MAX);
        HOLD(u->labels[i].value.n <= LABEL_VALUE_MAX);
        HOLD(i == 0 || slice_cmp(u->labels[i - 1].key, u->labels[i].key) < 0);
    }
}

static void as_user(const struct json *o, unsigned flags, struct arena *arena)
{
    const struct domain domain = {.name = SLICE("example.com"), .realm = SLICE("example.com")};
    struct store_op op = {.domain = domain.name, .username = SLICE("alice"), .arena = arena};
    struct faults faults = {.arena = arena};
    struct user_change c;
    bool remove = false;
    if (!user_body_read(o, flags, &faults, &c) || !user_change_name(&c, &domain, op.username))
        return;
    user_change_prepare(&c, &domain, arena);
    struct user made = {0};
    HOLD(user_change_decide(&op, &c, &domain, NULL, 1000, &made, &remove) == DECIDE_WRITE);
    check_user(&made);
    struct user again = made;
    HOLD(user_change_decide(&op, &c, &domain, &made, 2000, &again, &remove) == DECIDE_SAME);
    HOLD(!remove);
    user_change_wipe(&c);
}

static void as_domain(const struct json *o, bool patch, struct arena *arena)
{
    struct store_op op = {.domain = SLICE("example.com"), .arena = arena};
    struct faults faults = {.arena = arena};
    struct domain_change c;
    if (!domain_body_read(o, patch, op.domain, &config, &faults, &c))
        return;
    struct domain made = {.name = op.domain}, again;
    if (domain_change_decide(&op, &c, NULL, 0, &made) == DECIDE_REFUSE) {
        HOLD(faults.n > 0);
        return;
    }
    HOLD(made.realm.n && utf8_clean(made.realm) && made.n_aliases <= ALIASES_MAX);
    again = made;
    HOLD(domain_change_decide(&op, &c, &made, 9, &again) == DECIDE_SAME);
}

static void as_string(struct slice in)
{
    struct text t;
    char why[200];
    text_init(&t, 1u << 20);
    json_open(&t, '{');
    json_data_key(&t, SLICE("text")), json_string(&t, in);
    json_close(&t, '}');
    HOLD(!t.bad);
    struct json *o = json_parse(text_slice(&t), why, sizeof why);
    // A NUL is written as an escape that is refused when it comes from outside.
    HOLD(o || memchr(in.p, '\0', in.n));
    struct slice back;
    struct faults faults = {0};
    if (o && utf8_valid(in))
        HOLD(json_read_string(json_get(o, "text"), SLICE("text"), 0, in.n, &faults, &back) &&
             slice_eq(back, in));
    json_free(o);
    text_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = input(data, size);
    char why[200], scratch[DOMAIN_NAME_MAX];
    struct arena arena;
    if (size == 0 || size > 65536)
        return 0;
    as_string(in);
    struct slice name = domain_name_read(in, scratch);
    HOLD(name.n <= DOMAIN_NAME_MAX);
    struct json *o = json_parse(in, why, sizeof why);
    if (o && json_is_object(o)) {
        arena_init(&arena, NULL, 0, 8u << 20);
        as_user(o, 0, &arena);
        as_user(o, USER_BODY_PATCH, &arena);
        as_user(o, USER_BODY_IMPORT, &arena);
        as_domain(o, false, &arena);
        as_domain(o, true, &arena);
        arena_reset(&arena);
    }
    json_free(o);
    return 0;
}
