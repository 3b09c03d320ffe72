# SPDX-License-Identifier: Apache-2.0
"""Holds every response that a test gets against openapi.yaml, and remembers which it has seen."""
import functools
import json
import re
import urllib.parse

import jsonschema
import yaml

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "openapi.yaml"
METHODS = ("get", "put", "post", "patch", "delete")
# Of the HTTP layer, before there is an operation; info.description has them.
OF_HTTP = {400, 403, 404, 405, 413, 414, 431, 501, 505}
SEEN = set()  # (operationId, status)


@functools.cache
def document():
    return yaml.safe_load(DOCUMENT.read_text())


def resolve(node):
    while "$ref" in node:
        target = document()
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


@functools.cache
def operations():
    """[(path, method, operation)] of the document."""
    return [(path, method, item[method]) for path, item in document()["paths"].items()
            for method in METHODS if method in item]


def documented():
    """Every (operationId, status) that the document promises."""
    return {(operation["operationId"], int(status))
            for _, _, operation in operations() for status in operation["responses"]}


@functools.cache
def patterns():
    return [(re.compile("^" + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$"), path)
            for path in document()["paths"]]


def find(method, target):
    """(path template or None, operation or None) of a request."""
    raw = urllib.parse.urlsplit(target).path
    paths = [path for pattern, path in patterns() if pattern.match(raw)]
    if not paths:
        return None, None
    method = "get" if method == "HEAD" else method.lower()
    return paths[0], document()["paths"][paths[0]].get(method)


@functools.cache
def validator(reference):
    schema = {"$ref": reference}
    resolver = jsonschema.RefResolver("", document())
    return jsonschema.Draft202012Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker())


def pointer(*parts):
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def check_schema(reference, value, where):
    error = jsonschema.exceptions.best_match(validator(reference).iter_errors(value))
    assert error is None, "%s: %s at %s: %s" % (where, error.message, list(error.absolute_path), json.dumps(value)[:400])


def check_headers(response, headers, where):
    for name, header in response.get("headers", {}).items():
        header = resolve(header)
        value = headers.get(name)
        assert value is not None or not header.get("required"), "%s: no %s" % (where, name)
        if value is not None and header["schema"].get("type") == "integer":
            value = int(value)
        if value is not None:
            jsonschema.validate(value, header["schema"])


def check_lines(schema_reference, body, where):
    for line in body.decode().splitlines():
        check_schema(schema_reference, json.loads(line), where)


def check_content(base, response, headers, body, where):
    """The body is of a documented type and fits its schema."""
    content = response.get("content")
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    if not content:
        assert not body, "%s: a body where none is documented: %r" % (where, body[:100])
        return
    assert kind in content, "%s: %s is not documented" % (where, kind)
    reference = base + "/content/" + kind.replace("/", "~1") + "/schema"
    if kind.endswith("json") and kind != "application/x-ndjson":
        check_schema(reference, json.loads(body), where)
    elif kind == "application/x-ndjson":
        check_lines(reference + "/contentSchema", body, where)


def reference_of(path, method, operation, status):
    response = operation["responses"][str(status)]
    return response["$ref"] if "$ref" in response else pointer("paths", path, method, "responses", status)


def check_event(event, data):
    """The data of an event is the object that it is about."""
    if event == "reset":
        return
    assert event in document()["components"]["schemas"]["EventType"]["enum"], event
    if event == "binding.removed":
        check_schema("#/components/schemas/BindingRemoved", data, event)
        data = {name: value for name, value in data.items() if name != "reason"}
    check_schema("#/components/schemas/" + event.partition(".")[0].capitalize(), data, event)


def check(method, target, status, headers, body):
    """Raises AssertionError where the response is not the document's."""
    where = "%s %s -> %d" % (method, target, status)
    path, operation = find(method, target)
    if status == 204 and method == "OPTIONS":
        assert headers.get("Allow"), where
        return
    if operation and str(status) in operation["responses"]:
        response = resolve(operation["responses"][str(status)])
        check_headers(response, headers, where)
        if method != "HEAD":
            base = reference_of(path, "get" if method == "HEAD" else method.lower(), operation, status)
            check_content(base, response, headers, body, where)
        SEEN.add((operation["operationId"], status))
        return
    assert status in OF_HTTP, "%s is not documented: %r" % (where, body[:200])
    if status == 405:
        assert operation is None and headers.get("Allow"), where
    if headers.get("Content-Type", "").startswith("application/problem+json") and method != "HEAD":
        check_schema("#/components/schemas/Problem", json.loads(body), where)
