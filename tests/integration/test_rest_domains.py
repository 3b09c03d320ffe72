# SPDX-License-Identifier: Apache-2.0
"""REST: domains. Conditions, names and aliases, what credentials contain, cascades."""
import concurrent.futures

import pytest

DOMAIN = "/v1/domains/new.example"


def problem(reply, status, field=None):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    if field is not None:
        assert [e["field"] for e in reply.json["errors"]] == [field], reply.json
    return reply.json


def test_a_domain_has_defaults_and_reads_back_what_was_given(api):
    made = api.put(DOMAIN, {})
    assert made.status == 201 and made.headers["Location"] == DOMAIN
    assert made.json == api.get(DOMAIN).json
    assert made.json["realm"] == "new.example" and made.json["aliases"] == []
    for key in ("algorithms", "min_expires", "default_expires", "max_expires", "max_bindings"):
        assert made.json[key] is None
    full = {"realm": "Realm of ours", "aliases": ["sip.new.example", "192.0.2.1", "2001:db8::1"],
            "algorithms": ["SHA-256", "MD5"], "min_expires": 30, "default_expires": 600, "max_expires": 900,
            "max_bindings": 0, "service_route": ["<sip:edge.example;lr>", "<sips:[2001:db8::2]:5061;lr>"]}
    replaced = api.put(DOMAIN, full)
    assert replaced.status == 200
    assert {k: replaced.json[k] for k in full} == full
    again = api.put(DOMAIN, replaced.json)
    assert again.headers["ETag"] == replaced.headers["ETag"], "GET then PUT changes nothing"
    back = api.patch(DOMAIN, {key: None for key in full}).json
    assert {k: back[k] for k in full} == {k: made.json[k] for k in full}


@pytest.mark.parametrize("body,field", [
    ({"realm": ""}, "realm"), ({"realm": 'a"b'}, "realm"), ({"realm": "a\r\nX: y"}, "realm"), ({"realm": "r" * 256}, "realm"),
    ({"aliases": ["a b"]}, "aliases[0]"), ({"aliases": ["a.example", "A.example."]}, "aliases[1]"),
    ({"aliases": ["new.example"]}, "aliases[0]"), ({"aliases": ["a%d.example" % n for n in range(65)]}, "aliases"),
    ({"algorithms": ["MD5", "MD5"]}, "algorithms[1]"), ({"algorithms": ["SHA-1"]}, "algorithms[0]"),
    ({"algorithms": []}, "algorithms"), ({"min_expires": 0}, "min_expires"), ({"max_expires": 31536001}, "max_expires"),
    ({"min_expires": 7201}, "min_expires"), ({"max_expires": 100}, "max_expires"), ({"default_expires": 7201}, "default_expires"),
    ({"max_bindings": 65}, "max_bindings"), ({"service_route": ["sip:a"]}, "service_route[0]"),
    ({"service_route": ["<sip:a>\r\nX: <y>"]}, "service_route[0]"), ({"case_insensitive_users": "yes"}, "case_insensitive_users"),
    ({"domain": "other.example"}, "domain"), ({"nosuch": 1}, "nosuch")])
def test_a_fault_names_its_field_and_changes_nothing(api, body, field):
    problem(api.put(DOMAIN, body), 422, field)
    problem(api.get(DOMAIN), 404)
    etag = api.put(DOMAIN, {}).headers["ETag"]
    problem(api.patch(DOMAIN, body), 422, field)
    assert api.get(DOMAIN).headers["ETag"] == etag


@pytest.mark.parametrize("name,shown", [
    ("EXAMPLE.Org", "example.org"), ("example.org.", "example.org"), ("192.0.2.77", "192.0.2.77"),
    ("%5B2001:DB8:0::1%5D", "2001:db8::1"), ("a.b-c.d", "a.b-c.d")])
def test_a_name_is_kept_in_one_form(api, name, shown):
    made = api.put("/v1/domains/" + name, {})
    assert made.status == 201 and made.json["domain"] == shown
    assert api.get(made.headers["Location"]).json == made.json == api.get("/v1/domains/" + name).json
    assert api.put("/v1/domains/" + name + "/users/u", {"domain": shown}).status == 201
    assert api.bindings("u", name) == []
    assert api.get("/v1/domains/" + name + "/attempts").status == 200
    assert api.delete("/v1/domains/" + name + "/users/u").status == 204
    assert shown in [d["domain"] for d in api.get("/v1/domains").json["domains"]]
    assert api.delete(made.headers["Location"]).status == 204


@pytest.mark.parametrize("name", ["a_b", "-a", "a..b", "192.0.2.256", "x" * 64, "a.example:5060", "b%C3%BCcher.example"])
def test_other_names_are_refused(api, name):
    problem(api.put("/v1/domains/" + name, {}), 422, "domain")
    problem(api.get("/v1/domains/" + name), 404)


def test_conditions(api):
    problem(api.put(DOMAIN, {}, If_Match="*"), 412)
    first = api.put(DOMAIN, {}, If_None_Match="*").headers["ETag"]
    problem(api.put(DOMAIN, {}, If_None_Match="*"), 412)
    assert api.get(DOMAIN, If_None_Match=first).status == 304
    second = api.patch(DOMAIN, {"max_bindings": 3}, If_Match=first).headers["ETag"]
    assert second != first
    problem(api.patch(DOMAIN, {"max_bindings": 4}, If_Match=first), 412)
    problem(api.delete(DOMAIN, If_Match=first), 412)
    assert api.delete(DOMAIN, If_Match=second).status == 204
    problem(api.patch(DOMAIN, {}), 404)
    problem(api.delete(DOMAIN), 404)


def test_one_of_many_creates(api):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: api.put(DOMAIN, {"max_bindings": n}, If_None_Match="*"), range(8)))
    assert sorted(r.status for r in replies) == [201] + [412] * 7


def test_a_name_belongs_to_one_domain(api):
    assert api.put(DOMAIN, {"aliases": ["sip.example", "192.0.2.9"]}).status == 201
    problem(api.put("/v1/domains/sip.example", {}), 409)
    problem(api.put("/v1/domains/third.example", {"aliases": ["192.0.2.9"]}), 409)
    problem(api.patch("/v1/domains/example.com", {"aliases": ["new.example"]}), 409)
    assert api.get("/v1/domains/SIP.example").json["domain"] == "new.example"
    assert api.patch(DOMAIN, {"aliases": []}).status == 200
    problem(api.get("/v1/domains/sip.example"), 404)
    assert api.put("/v1/domains/sip.example", {}).status == 201


def test_the_realm_stays_while_there_are_users(api):
    problem(api.patch("/v1/domains/example.com", {"realm": "other"}), 409)
    assert api.delete("/v1/domains/example.com/users/alice").status == 204
    assert api.patch("/v1/domains/example.com", {"realm": "other"}).json["realm"] == "other"
    problem(api.patch("/v1/domains/example.com", {"case_insensitive_users": True}), 409)
    assert api.put("/v1/domains/example.com", {"realm": "other"}).json["case_insensitive_users"] is False


def test_a_realm_of_its_own_is_in_the_challenge_and_the_credentials(rollcall, phones):
    assert rollcall.api.put(DOMAIN, {"realm": "Realm, of ours"}).status == 201
    rollcall.api.add_user("bob", domain="new.example")
    phone = phones(rollcall, "bob", domain="new.example")
    assert phone.register().status == 200
    assert phone.challenge["realm"] == "Realm, of ours"


def test_enabling_an_algorithm_says_how_many_users_lack_it(api):
    api.put("/v1/domains/example.com/users/old1", {"ha1": {"MD5": "0" * 32}})
    api.put("/v1/domains/example.com/users/old2", {"ha1": {"MD5": "1" * 32}})
    reply = api.patch("/v1/domains/example.com", {"algorithms": ["SHA-256", "MD5"]})
    assert reply.status == 200 and reply.json["users_without_algorithm"] == {"SHA-256": 2}
    assert api.put("/v1/domains/example.com", reply.json).status == 200
    assert "users_without_algorithm" not in api.get("/v1/domains/example.com").json
    assert "users_without_algorithm" not in api.patch("/v1/domains/example.com", {"algorithms": None}).json


def test_limits_of_a_domain_hold_for_its_phones(rollcall, phones):
    assert rollcall.api.patch("/v1/domains/example.com", {
        "max_expires": 100, "default_expires": 90, "min_expires": 80, "max_bindings": 1,
        "service_route": ["<sip:edge.example;lr>"]}).status == 200
    phone = phones(rollcall)
    response = phone.register(expires=5000)
    assert response.status == 200 and response.contacts()[phone.contact]["expires"] == "100"
    assert response.get("Service-Route") == "<sip:edge.example;lr>"
    assert phones(rollcall).register(expires=10).status == 423
    assert phones(rollcall).register(contacts=["<sip:a@192.0.2.1>", "<sip:b@192.0.2.1>"]).status == 403


def test_a_cascade_deletes_all_and_leaves_the_others(rollcall, phones):
    api = rollcall.api
    assert api.put(DOMAIN, {"aliases": ["sip.new.example"]}).status == 201
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: api.put(DOMAIN + "/users/u%04d" % n, {"password": "x"}).status, range(1500)))
    assert set(made) == {201}
    assert phones(rollcall, "u0007", "x", domain="new.example").register().status == 200
    problem(api.delete(DOMAIN), 409)
    problem(api.delete(DOMAIN + "?cascade=false"), 409)
    problem(api.delete(DOMAIN + "?cascade=1"), 400)
    assert api.delete(DOMAIN + "?cascade=true").status == 204
    problem(api.get(DOMAIN), 404)
    problem(api.get(DOMAIN + "/users"), 404)
    problem(api.get("/v1/domains/sip.new.example"), 404)
    assert api.get("/v1/domains/example.com/users").json["users"][0]["username"] == "alice"
    assert api.put(DOMAIN, {"aliases": ["sip.new.example"]}).status == 201
    assert api.get(DOMAIN + "/users").json["users"] == []


def test_the_list_comes_in_pages_with_an_etag(api):
    for n in range(7):
        assert api.put("/v1/domains/d%d.example" % n, {}).status == 201
    seen, cursor = [], ""
    while True:
        reply = api.get("/v1/domains?limit=3" + cursor)
        assert reply.status == 200 and len(reply.json["domains"]) <= 3 and reply.json["as_of"]
        seen += [d["domain"] for d in reply.json["domains"]]
        if reply.json["next_cursor"] is None:
            break
        cursor = "&cursor=" + reply.json["next_cursor"]
    assert seen == sorted(["d%d.example" % n for n in range(7)] + ["example.com"])
    etag = api.get("/v1/domains").headers["ETag"]
    assert api.get("/v1/domains", If_None_Match=etag).status == 304
    assert api.patch("/v1/domains/d0.example", {"max_bindings": 1}).status == 200
    assert api.get("/v1/domains", If_None_Match=etag).status == 200
    for bad in ("limit=0", "limit=1001", "cursor=", "cursor=x", "prefix=d"):
        problem(api.get("/v1/domains?" + bad), 400)
