// SPDX-License-Identifier: Apache-2.0
// The file: sections of keys with a scalar or a sequence of scalars each. The only user of libyaml.
#include <yaml.h>

#include "service/config/entry.h"

struct file {
    struct config_reader *reader;
    struct config_entries *out;
    yaml_document_t document;
};

static struct slice scalar_text(const yaml_node_t *node)
{
    return slice_of((const char *)node->data.scalar.value, node->data.scalar.length);
}

static int line_of(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

static struct slice join(struct config_reader *r, struct slice section, struct slice key)
{
    char *text = arena_alloc(r->arena, section.n + key.n + 1);
    if (!text)
        return SLICE_NONE;
    if (section.n)
        memcpy(text, section.p, section.n);
    text[section.n] = '.';
    if (key.n)
        memcpy(text + section.n + 1, key.p, key.n);
    return slice_of(text, section.n + 1 + key.n);
}

static void bad(struct file *f, struct slice key, const yaml_node_t *node, const char *what)
{
    struct config_entry at = {.key = key, .line = line_of(node)};
    config_error(f->reader, &at, "%s", what);
}

// The values of a scalar or of a sequence of scalars.
static bool take_values(struct file *f, struct config_entry *e, const yaml_node_t *node)
{
    struct config_reader *r = f->reader;
    if (node->type == YAML_SCALAR_NODE) {
        struct slice text = scalar_text(node);
        bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        bool null =
            plain && (text.n == 0 || slice_eq(text, SLICE("~")) || slice_eq(text, SLICE("null")));
        e->values = arena_alloc(r->arena, sizeof *e->values);
        if (!e->values)
            return false;
        e->n = null ? 0 : 1;
        e->list = null;
        e->values[0] = arena_copy(r->arena, text);
        return true;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return false;
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    e->values = arena_alloc(r->arena, (n + 1) * sizeof *e->values);
    e->list = true;
    for (size_t i = 0; e->values && i < n; i++) {
        const yaml_node_t *item =
            yaml_document_get_node(&f->document, node->data.sequence.items.start[i]);
        if (item->type != YAML_SCALAR_NODE)
            return false;
        e->values[e->n++] = arena_copy(r->arena, scalar_text(item));
    }
    return e->values != NULL;
}

static bool given_before(const struct file *f, struct slice key, int *line)
{
    for (size_t i = 0; i < f->out->n; i++)
        if (slice_eq(f->out->items[i].key, key)) {
            *line = f->out->items[i].line;
            return true;
        }
    return false;
}

static void take_section(struct file *f, struct slice section, const yaml_node_t *node)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(&f->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&f->document, pair->value);
        int line;
        if (name->type != YAML_SCALAR_NODE) {
            bad(f, section, name, "a key is not a word");
            continue;
        }
        struct slice key = join(f->reader, section, scalar_text(name));
        if (given_before(f, key, &line)) {
            struct config_entry at = {.key = key, .line = line_of(name)};
            config_error(f->reader, &at, "stands in line %d already", line);
            continue;
        }
        struct config_entry *e = config_add(f->reader, f->out);
        if (!e)
            return;
        *e = (struct config_entry){.key = key, .line = line_of(name)};
        if (!take_values(f, e, value)) {
            bad(f, key, value, "is neither a value nor a list of values");
            f->out->n--;
        }
    }
}

static void take_root(struct file *f)
{
    const yaml_node_t *root = yaml_document_get_root_node(&f->document);
    if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        return; // an empty file
    if (root->type != YAML_MAPPING_NODE) {
        bad(f, SLICE_NONE, root, "the file is no mapping of sections");
        return;
    }
    const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
    for (; pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(&f->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&f->document, pair->value);
        struct slice section = name->type == YAML_SCALAR_NODE ? scalar_text(name) : SLICE_NONE;
        if (value->type == YAML_MAPPING_NODE)
            take_section(f, section, value);
        else if (value->type != YAML_SCALAR_NODE || value->data.scalar.length)
            bad(f, section, value, "is not a section (a mapping of keys)");
    }
}

static void syntax_error(struct config_reader *r, const yaml_parser_t *parser)
{
    struct config_entry at = {.line = (int)parser->problem_mark.line + 1};
    config_error(r, &at, "not YAML: %s", parser->problem ? parser->problem : "it cannot be read");
}

bool config_read_yaml(struct config_reader *r, struct slice text, struct config_entries *out)
{
    struct file f = {.reader = r, .out = out};
    yaml_parser_t parser;
    bool ok = false;
    if (!yaml_parser_initialize(&parser)) {
        config_error(r, NULL, "not enough memory");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    if (!yaml_parser_load(&parser, &f.document)) {
        syntax_error(r, &parser);
        goto out;
    }
    take_root(&f);
    yaml_document_delete(&f.document);
    if (!yaml_parser_load(&parser, &f.document)) {
        syntax_error(r, &parser);
        goto out;
    }
    const yaml_node_t *second = yaml_document_get_root_node(&f.document);
    if (second)
        bad(&f, SLICE_NONE, second, "a second document: one is expected");
    ok = second == NULL;
    yaml_document_delete(&f.document);
out:
    yaml_parser_delete(&parser);
    return ok;
}
