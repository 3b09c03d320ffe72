#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The table in api/route.c and openapi.yaml have the same operations, with the same path, method,
token and query arguments; the document's version is VERSION's."""
import pathlib
import re
import sys

import yaml

METHODS = ("get", "put", "post", "patch", "delete")


def literal(text, macros):
    """What C makes of string literals and macros that stand side by side."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|(\w+)', text)
    return "".join(quoted if not name else "" if name == "NULL" else macros[name] for quoted, name in parts)


def routes():
    source = re.sub(r"//[^\n]*", "", pathlib.Path("api/route.c").read_text())
    macros = {}
    for name, value in re.findall(r"#define (\w+)\s+(\"[^\n]*|\w+ \"[^\n]*)\n", source):
        macros[name] = literal(value, macros)
    table = re.search(r"struct route routes\[\] = \{(.*?)\};", source, re.S).group(1)
    for row in re.findall(r"\{(.*?)\}\s*(?:,|$)(?=\s*\{|\s*$)", table, re.S):
        name, path, method, scope, _, query, _ = [cell.strip() for cell in row.split(",")]
        yield {"operation": literal(name, macros), "path": literal(path, macros),
               "method": method[len("HTTP_"):].lower(), "token": scope != "SCOPE_NONE",
               "query": sorted(literal(query, macros).split())}


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            parameters = [resolve(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]
            names = sorted(p["name"] for p in parameters if p["in"] == "path")
            if names != sorted(re.findall(r"\{(\w+)\}", path)):
                print("%s: the parameters of the path are not those declared" % path)
            yield {"operation": operation["operationId"], "path": path, "method": method,
                   "token": bool(operation.get("security", document["security"])),
                   "query": sorted(p["name"] for p in parameters if p["in"] == "query")}


def main():
    document = yaml.safe_load(pathlib.Path("openapi.yaml").read_text())
    have, want = list(routes()), list(operations(document))
    bad = []
    if len(have) < 10:
        bad.append("the table in api/route.c cannot be read any more")
    names = [row["operation"] for row in have]
    bad += ["%s has two rows" % name for name in sorted(set(names)) if names.count(name) > 1]
    bad += ["only in api/route.c: %s" % row for row in have if row not in want]
    bad += ["only in openapi.yaml: %s" % row for row in want if row not in have]
    version = pathlib.Path("VERSION").read_text().strip()
    if document["info"]["version"] != version:
        bad.append("openapi.yaml says version %s, VERSION says %s" % (document["info"]["version"], version))
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
