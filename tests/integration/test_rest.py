# SPDX-License-Identifier: Apache-2.0
"""REST: domains, users, bindings, tokens, ETags, pages and problem+json."""
import pytest

from server import Api

USER = "/v1/domains/example.com/users/alice"


def problem(reply, status):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.json["status"] == status and reply.json["title"]
    return reply.json


def test_a_domain_lives_and_dies(api):
    made = api.put("/v1/domains/new.example", {"max_bindings": 3, "aliases": ["192.0.2.10"]})
    assert made.status == 201
    shown = api.get("/v1/domains/new.example").json
    assert shown["realm"] == "new.example" and shown["max_bindings"] == 3
    assert shown["aliases"] == ["192.0.2.10"]
    assert api.patch("/v1/domains/new.example", {"max_bindings": 5}).status == 200
    assert api.get("/v1/domains/new.example").json["max_bindings"] == 5
    names = [d["domain"] for d in api.get("/v1/domains").json["domains"]]
    assert set(names) == {"example.com", "new.example"}
    assert api.delete("/v1/domains/new.example").status == 204
    problem(api.get("/v1/domains/new.example"), 404)


def test_a_domain_with_users_needs_cascade(api):
    problem(api.delete("/v1/domains/example.com"), 409)
    assert api.delete("/v1/domains/example.com?cascade=true").status == 204
    problem(api.get(USER), 404)


def test_a_user_lives_and_dies(api):
    made = api.put("/v1/domains/example.com/users/bob", {
        "password": "secret", "display_name": "Bob", "labels": {"site": "north"}})
    assert made.status == 201
    shown = api.get("/v1/domains/example.com/users/bob").json
    assert shown["display_name"] == "Bob" and shown["labels"] == {"site": "north"}
    assert shown["enabled"] is True and shown["registered"] is False
    assert set(shown["algorithms"]) == {"MD5", "SHA-256", "SHA-512-256"}
    assert "password" not in shown and "ha1" not in shown
    assert api.put("/v1/domains/example.com/users/bob", shown).status == 200, "GET then PUT works"
    assert api.patch("/v1/domains/example.com/users/bob", {"display_name": None}).status == 200
    assert not api.get("/v1/domains/example.com/users/bob").json.get("display_name")
    assert api.delete("/v1/domains/example.com/users/bob").status == 204
    problem(api.get("/v1/domains/example.com/users/bob"), 404)


def test_tokens(rollcall, read_api):
    assert Api(rollcall.http, "").get(USER).status == 401
    assert Api(rollcall.http, "wrong").get(USER).status == 401
    assert read_api.get(USER).status == 200
    problem(read_api.put(USER, {"password": "x"}), 403)
    assert read_api.request("POST", "/v1/bindings:lookup", {"aors": ["sip:alice@example.com"]}).status == 200
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.yaml", "/docs", "/"):
        assert Api(rollcall.http, "").get(path).status == 200, path


def test_etags_guard_changes_and_save_polls(rollcall, phones):
    api = rollcall.api
    etag = api.get(USER).headers["ETag"]
    assert api.get(USER, If_None_Match=etag).status == 304
    problem(api.put(USER, {"password": "x"}, If_None_Match="*"), 412)
    problem(api.put(USER, {"password": "x"}, If_Match='"nothing"'), 412)
    phones(rollcall).register()
    assert api.get(USER, If_None_Match=etag).status == 200, "the status changed"
    assert api.patch(USER, {"display_name": "A"}, If_Match=etag).status == 200, "the configuration did not"


@pytest.mark.parametrize("body,field", [
    ({"password": ""}, "password"), ({"password": 5}, "password"), ({"nosuch": 1}, "nosuch"),
    ({"password": "x" * 257}, "password"), ({"enabled": "yes"}, "enabled"),
    ({"labels": {"a": 1}}, "labels"), ({"ha1": {"MD4": "00"}}, "ha1")])
def test_a_validation_error_names_the_field(api, body, field):
    reply = problem(api.put("/v1/domains/example.com/users/bob", body), 422)
    assert field in str(reply)


@pytest.mark.parametrize("body", ["", "{", "[]", '{"a": 1} x', '{"password": "\ud800"}'.encode("utf-8", "surrogatepass")])
def test_what_is_not_json_is_400(api, body):
    reply = api.request("PUT", "/v1/domains/example.com/users/bob", body, {"Content-Type": "application/json"})
    assert problem(reply, reply.status) and reply.status in (400, 422)


def test_lists_by_page_skip_and_repeat_nothing(api):
    names = ["p%03d" % n for n in range(55)]
    for name in names:
        api.add_user(name)
    seen, cursor, pages = [], "", 0
    while True:
        reply = api.get("/v1/domains/example.com/users?limit=10&prefix=p" + cursor)
        assert reply.status == 200
        seen += [u["username"] for u in reply.json["users"]]
        pages += 1
        if pages == 2:
            api.delete("/v1/domains/example.com/users/p000")
            api.add_user("p0005")
        if reply.json["next_cursor"] is None:
            break
        cursor = "&cursor=" + reply.json["next_cursor"]
    assert [n for n in seen if n != "p0005"] == names
    for bad in ("limit=0", "limit=1001", "limit=x", "cursor=", "cursor=nonsense"):
        problem(api.get("/v1/domains/example.com/users?" + bad), 400)


def test_all_bindings_by_page_and_lookup(rollcall, phones):
    for n in range(7):
        rollcall.api.add_user("b%d" % n)
        assert phones(rollcall, "b%d" % n).register().status == 200
    seen, cursor = [], ""
    while True:
        reply = rollcall.api.get("/v1/bindings?limit=3" + cursor).json
        seen += [b["aor"] for b in reply["bindings"]]
        if reply["next_cursor"] is None:
            break
        cursor = "&cursor=" + reply["next_cursor"]
    assert seen == ["sip:b%d@example.com" % n for n in range(7)]
    asked = ["sip:b3@example.com", "sip:nobody@example.com", "sip:alice@example.com"]
    results = rollcall.api.request("POST", "/v1/bindings:lookup", {"aors": asked}).json["results"]
    assert [r["aor"] for r in results] == asked
    assert [(r["known"], r["registered"]) for r in results] == [(True, True), (False, False), (True, False)]


def test_delete_a_binding(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    binding, = rollcall.api.bindings("alice")
    assert rollcall.api.delete(USER + "/bindings/" + binding["id"]).status == 204
    assert rollcall.api.bindings("alice") == [] and phone.bindings() == {}
    problem(rollcall.api.delete(USER + "/bindings/" + binding["id"]), 404)
    phone.register(cseq=900)
    assert rollcall.api.delete(USER + "/bindings").status == 204
    assert rollcall.api.bindings("alice") == []


def test_disabling_or_a_new_password_removes_the_bindings(rollcall, phones):
    phones(rollcall).register()
    assert rollcall.api.patch(USER, {"password": "secret"}).status == 200
    assert len(rollcall.api.bindings("alice")) == 1, "the same credentials again are no change"
    assert rollcall.api.patch(USER, {"password": "other"}).status == 200
    assert rollcall.api.bindings("alice") == []
    phone = phones(rollcall, password="other")
    assert phone.register().status == 200
    assert rollcall.api.patch(USER, {"enabled": False}).status == 200
    assert rollcall.api.bindings("alice") == []
    assert phone.register().status in (401, 403)


def test_a_user_made_anew_inherits_nothing(rollcall, phones):
    phones(rollcall).register()
    rollcall.api.delete(USER)
    rollcall.api.add_user("alice")
    assert rollcall.api.bindings("alice") == []


def test_unknown_paths_and_methods_are_problems(api):
    problem(api.get("/v1/nothing"), 404)
    reply = api.request("POST", USER, {})
    problem(reply, 405)
    assert "GET" in reply.headers["Allow"]


def test_percent_encoding_in_paths(rollcall, phones):
    rollcall.api.add_user("a%2Bb%40c%2Fd")
    assert rollcall.api.get("/v1/domains/example.com/users/a%2Bb%40c%2Fd").json["username"] == "a+b@c/d"
    phone = phones(rollcall, "a+b%40c/d", auth_user="a+b@c/d")
    assert phone.register().status == 200
    assert len(rollcall.api.bindings("a%2Bb%40c%2Fd")) == 1
