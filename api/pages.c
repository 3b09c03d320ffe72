// SPDX-License-Identifier: Apache-2.0
// The status page, the reference, and the contract itself: files of api/page and openapi.yaml that
// the assembler has put into the binary, served as they are.
#include <stdio.h>

#include "api/etag.h"
#include "api/request.h"
#include "api/route.h"
#include "base/checksum.h"

#ifndef SOURCE_ROOT
#error "SOURCE_ROOT names the folder of CMakeLists.txt"
#endif

// `name` and `name_end` are the first byte of the file and the one behind its last.
#define EMBED(name, file)                                                                          \
    extern const char name[], name##_end[];                                                        \
    __asm__(".pushsection .rodata, \"a\"\n"                                                        \
            ".global " #name ", " #name "_end\n"                                                   \
            ".hidden " #name ", " #name "_end\n" #name ": .incbin \"" SOURCE_ROOT "/" file         \
            "\"\n" #name "_end: .byte 0\n"                                                         \
            ".popsection\n");

// symbol, name under /assets/, content type
#define ASSETS(X)                                                                                  \
    X(base_css, "base.css", "text/css; charset=utf-8")                                             \
    X(page_css, "page.css", "text/css; charset=utf-8")                                             \
    X(docs_css, "docs.css", "text/css; charset=utf-8")                                             \
    X(icon_svg, "icon.svg", "image/svg+xml")                                                       \
    X(dom_js, "dom.js", "text/javascript; charset=utf-8")                                          \
    X(client_js, "client.js", "text/javascript; charset=utf-8")                                    \
    X(words_js, "words.js", "text/javascript; charset=utf-8")                                      \
    X(metrics_js, "metrics.js", "text/javascript; charset=utf-8")                                  \
    X(chart_js, "chart.js", "text/javascript; charset=utf-8")                                      \
    X(lists_js, "lists.js", "text/javascript; charset=utf-8")                                      \
    X(overview_js, "overview.js", "text/javascript; charset=utf-8")                                \
    X(user_js, "user.js", "text/javascript; charset=utf-8")                                        \
    X(page_js, "page.js", "text/javascript; charset=utf-8")                                        \
    X(yaml_js, "yaml.js", "text/javascript; charset=utf-8")                                        \
    X(schema_js, "schema.js", "text/javascript; charset=utf-8")                                    \
    X(try_js, "try.js", "text/javascript; charset=utf-8")                                          \
    X(docs_js, "docs.js", "text/javascript; charset=utf-8")

#define EMBED_ASSET(symbol, name, type) EMBED(asset_##symbol, "api/page/" name)
ASSETS(EMBED_ASSET)
#undef EMBED_ASSET
EMBED(page_html, "api/page/index.html")
EMBED(docs_html, "api/page/docs.html")
EMBED(openapi_yaml, "openapi.yaml")

static const struct asset {
    const char *name, *type, *begin, *end;
} assets[] = {
#define ASSET_ROW(symbol, name, type) {name, type, asset_##symbol, asset_##symbol##_end},
    ASSETS(ASSET_ROW)
#undef ASSET_ROW
};

// Nothing from elsewhere, nothing inline, in no frame: what a phone sends cannot become a script.
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A file of ours with an ETag of its content. It is asked for again at each use, so that a new
// binary never meets old scripts.
static void respond_file(struct request *r, const char *type, const char *begin, const char *end)
{
    struct slice content = slice_of(begin, (size_t)(end - begin));
    char tag[24];
    int n = snprintf(tag, sizeof tag, "\"%016llx\"", (unsigned long long)checksum64(content));
    r->etag = arena_copy(&r->arena, slice_of(tag, (size_t)n));
    respond_header(r, "Cache-Control", SLICE("no-cache"));
    respond_header(r, "Referrer-Policy", SLICE("no-referrer"));
    respond_header(r, "Content-Security-Policy", SLICE(POLICY));
    if (!etag_not_modified(r))
        respond_body(r, 200, type, content, false);
}

void handle_page(struct request *r)
{
    respond_file(r, "text/html; charset=utf-8", page_html, page_html_end);
}

void handle_docs(struct request *r)
{
    respond_file(r, "text/html; charset=utf-8", docs_html, docs_html_end);
}

void handle_openapi(struct request *r)
{
    respond_file(r, "application/yaml", openapi_yaml, openapi_yaml_end);
}

void handle_asset(struct request *r)
{
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++)
        if (slice_eq(r->path_args[0], slice_str(assets[i].name))) {
            respond_file(r, assets[i].type, assets[i].begin, assets[i].end);
            return;
        }
    respond_problem(r, 404, "there is no such file");
}
