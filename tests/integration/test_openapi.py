# SPDX-License-Identifier: Apache-2.0
"""openapi.yaml is the contract: the service has these routes with these methods, no others."""
import re

import pytest
import yaml

from server import SOURCE, Api

DOCUMENT = SOURCE / "openapi.yaml"
METHODS = ("get", "put", "post", "patch", "delete", "head")
# What a parameter in a path is when it must name something that is there.
KNOWN = {"domain": "example.com", "username": "alice"}


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text())


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
            if method in item:
                yield path, method, item[method]


def filled(path):
    return re.sub(r"\{(\w+)\}", lambda m: KNOWN.get(m.group(1), "nothing"), path)


def is_stream(document, operation):
    content = resolve(document, operation["responses"].get("200", {})).get("content", {})
    return "text/event-stream" in content or "backup" in operation.get("operationId", "").lower()


def test_every_operation_answers_with_a_documented_status(rollcall, document):
    wrong = []
    for path, method, operation in operations(document):
        if is_stream(document, operation):
            continue
        body = {} if method in ("put", "post", "patch") else None
        reply = rollcall.api.request(method.upper(), filled(path), body)
        if str(reply.status) not in operation["responses"] and "default" not in operation["responses"]:
            wrong.append((method, path, reply.status))
        content = resolve(document, operation["responses"].get(str(reply.status), {})).get("content", {})
        kind = reply.headers.get("Content-Type", "").partition(";")[0]
        if content and kind not in content:
            wrong.append((method, path, reply.status, kind))
    assert wrong == []


def test_every_path_has_the_documented_methods_only(rollcall, document):
    wrong = []
    for path, item in document["paths"].items():
        reply = rollcall.api.request("TRACE", filled(path))
        allowed = {m.strip() for m in (reply.headers.get("Allow") or "").split(",")}
        wanted = {m.upper() for m in METHODS if m in item}
        if reply.status != 405 or not wanted <= allowed or allowed - wanted - {"HEAD", "OPTIONS"}:
            wrong.append((path, reply.status, sorted(allowed)))
    assert wrong == []


def test_every_operation_wants_a_token_unless_it_says_so(rollcall, document):
    stranger = Api(rollcall.http, "")
    wrong = []
    for path, method, operation in operations(document):
        security = operation.get("security", document.get("security", []))
        body = {} if method in ("put", "post", "patch") else None
        if {} in security or not security:
            continue
        status = stranger.request(method.upper(), filled(path), body).status
        if status != 401:
            wrong.append((method, path, status))
    assert wrong == []


def test_the_service_serves_its_own_contract(rollcall, document):
    reply = Api(rollcall.http, "").get("/openapi.yaml")
    assert yaml.safe_load(reply.body) == document


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
