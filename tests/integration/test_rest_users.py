# SPDX-License-Identifier: Apache-2.0
"""REST: users. Conditions, PATCH, credentials, limits of each member, lists."""
import concurrent.futures
import hashlib
import urllib.parse

import pytest

from server import for_a_moment, until

USERS = "/v1/domains/example.com/users"
USER = USERS + "/alice"
BOB = USERS + "/bob"


def problem(reply, status, field=None):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.json["status"] == status
    if field is not None:
        assert [e["field"] for e in reply.json["errors"]] == [field], reply.json
    return reply.json


def ha1(username, password, realm="example.com", algorithm="MD5"):
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]
    return hashlib.new(name, ("%s:%s:%s" % (username, realm, password)).encode()).hexdigest()


def user_path(name):
    return USERS + "/" + urllib.parse.quote(name, safe="")


# -- Conditions (RFC 9110 section 13)


def test_put_says_whether_it_created_and_where(api):
    made = api.put(user_path("a/b @ü"), {})
    assert made.status == 201
    assert made.headers["Location"] == "/v1/domains/example.com/users/a%2Fb%20%40%C3%BC"
    assert api.get(made.headers["Location"]).json == made.json
    again = api.put(user_path("a/b @ü"), {"display_name": "x"})
    assert again.status == 200 and again.headers["Location"] is None
    assert again.headers["ETag"] != made.headers["ETag"]
    assert again.headers["ETag"] == api.get(user_path("a/b @ü")).headers["ETag"]


def test_if_none_match_star_only_creates(api):
    assert api.put(BOB, {}, If_None_Match="*").status == 201
    problem(api.put(BOB, {}, If_None_Match="*"), 412)


def test_if_match_only_changes_what_is_known(api):
    problem(api.put(BOB, {}, If_Match="*"), 412)
    problem(api.get(BOB), 404)
    first = api.put(BOB, {"display_name": "1"}).headers["ETag"]
    second = api.put(BOB, {"display_name": "2"}, If_Match=first).headers["ETag"]
    for method in (api.put, api.patch):
        problem(method(BOB, {"display_name": "3"}, If_Match=first), 412)
    problem(api.delete(BOB, If_Match=first), 412)
    assert api.get(BOB).json["display_name"] == "2"
    assert api.patch(BOB, {"display_name": "4"}, If_Match="%s, %s" % (first, second)).status == 200
    assert api.delete(BOB, If_Match="*").status == 204


def test_what_is_not_there_is_404_whatever_the_condition(api):
    problem(api.patch(BOB, {}, If_Match="*"), 404)
    problem(api.delete(BOB, If_Match='"x"'), 404)
    problem(api.put("/v1/domains/nowhere.example/users/bob", {}), 404)
    problem(api.get("/v1/domains/nowhere.example/users"), 404)


def test_a_change_of_nothing_keeps_the_etag(api):
    before = api.get(USER)
    assert api.patch(USER, {}).headers["ETag"] == before.headers["ETag"]
    same = api.put(USER, before.json)
    assert same.status == 200 and same.json == before.json
    assert same.headers["ETag"] == before.headers["ETag"]


def test_if_match_lets_one_of_many_through(api):
    api.put(BOB, {})
    for _ in range(3):
        etag = api.get(BOB).headers["ETag"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(
                lambda n: api.patch(BOB, {"display_name": "%s %d" % (etag, n)}, If_Match=etag), range(8)))
        assert sorted(r.status for r in replies) == [200] + [412] * 7
        winner, = [r for r in replies if r.status == 200]
        assert api.get(BOB).json == winner.json


def test_concurrent_patches_of_different_members_all_hold(api):
    api.put(BOB, {})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: api.patch(BOB, {"labels": {"k%d" % n: "v"}}), range(24)))
    assert {r.status for r in replies} == {200}
    assert api.get(BOB).json["labels"] == {"k%d" % n: "v" for n in range(24)}


def test_the_etag_changes_when_a_binding_comes_refreshes_ends_or_goes(rollcall, phones):
    api, phone = rollcall.api, phones(rollcall)
    seen = [api.get(USER).headers["ETag"]]

    def changed(what):
        etag = api.get(USER, If_None_Match=seen[-1]).headers["ETag"]
        assert etag not in seen, what
        assert api.get(USER, If_None_Match=etag).status == 304
        seen.append(etag)

    assert phone.register().status == 200
    changed("registered")
    assert phone.register().status == 200
    changed("refreshed")
    assert phone.unregister().status == 200
    changed("unregistered")


def test_the_etag_changes_when_a_binding_ends_by_time(start, phones):
    server = start({"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    phone = phones(server)
    etag = for_a_moment(lambda seconds: phone.register(expires=seconds), lambda: (
        lambda r: r.json["registered"] and r.headers["ETag"])(server.api.get(USER)))
    reply = until(lambda: (lambda r: r.status == 200 and r)(server.api.get(USER, If_None_Match=etag)), "expiry")
    assert reply.json["registered"] is False and reply.json["binding_count"] == 0
    assert reply.json["last_registered_at"] is not None


# -- PATCH (RFC 7396)


def test_patch_merges_and_null_takes_away(api):
    api.put(BOB, {"display_name": "Bob", "max_bindings": 2, "enabled": False, "labels": {"a": "1", "b": "2"}})
    reply = api.patch(BOB, {"labels": {"b": None, "c": "3"}, "max_bindings": None, "enabled": None})
    assert reply.status == 200
    assert reply.json["labels"] == {"a": "1", "c": "3"}
    assert reply.json["max_bindings"] is None and reply.json["enabled"] is True
    assert reply.json["display_name"] == "Bob"
    assert api.patch(BOB, {"labels": None}).json["labels"] == {}
    put = api.put(BOB, {"labels": {"z": "1"}}).json
    assert put["labels"] == {"z": "1"} and put["display_name"] is None


def test_patch_takes_both_content_types_and_no_other(api):
    for kind, status in (("application/merge-patch+json", 200), ("application/json; charset=utf-8", 200),
                         ("text/plain", 415), ("application/json-patch+json", 415)):
        reply = api.request("PATCH", USER, '{"display_name": "x"}', {"Content-Type": kind})
        assert reply.status == status, kind
    reply = api.request("PUT", USER, "{}", {"Content-Type": "application/merge-patch+json"})
    assert reply.status == 415


def test_a_patch_that_is_no_object_is_422(api):
    for body in ("[]", '["display_name"]'):
        problem(api.request("PATCH", USER, body, {"Content-Type": "application/json"}), 422)
    for body in ("", "null", '"x"', "1", '{"a": 1, "a": 2}', '{"a": ' * 200 + "1" + "}" * 200):
        problem(api.request("PATCH", USER, body, {"Content-Type": "application/json"}), 400)


# -- Credentials


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_a_user_provisioned_by_ha1_registers(start, phones, algorithm):
    server = start({"ROLLCALL_AUTH_ALGORITHMS": algorithm})
    reply = server.api.put(BOB, {"ha1": {algorithm: ha1("bob", "pw", algorithm=algorithm).upper()}})
    assert reply.status == 201 and reply.json["algorithms"] == [algorithm]
    assert phones(server, "bob", "pw", algorithm=algorithm).register().status == 200
    assert phones(server, "bob", "wrong", algorithm=algorithm).register().status == 401


def test_without_credentials_nobody_registers(rollcall, phones):
    assert rollcall.api.put(BOB, {}).json["algorithms"] == []
    assert phones(rollcall, "bob", "").register().status == 401


def test_a_put_without_credentials_keeps_them(rollcall, phones):
    assert phones(rollcall).register().status == 200
    assert rollcall.api.put(USER, {"display_name": "A"}).json["binding_count"] == 1
    assert phones(rollcall).register(cseq=50).status == 200


def test_the_same_credentials_in_another_form_drop_nobody(rollcall, phones):
    assert phones(rollcall).register().status == 200
    etag = rollcall.api.get(USER).headers["ETag"]
    assert rollcall.api.put(USER, {"password": "secret"}).headers["ETag"] == etag
    reply = rollcall.api.patch(USER, {"ha1": {"MD5": ha1("alice", "secret")}})
    assert reply.json["algorithms"] == ["MD5"] and reply.json["binding_count"] == 1
    reply = rollcall.api.patch(USER, {"password": "secret"})
    assert len(reply.json["algorithms"]) == 3 and reply.json["binding_count"] == 1


@pytest.mark.parametrize("change", [{"password": "other"}, {"ha1": {"MD5": "0" * 32}}, {"enabled": False}])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_real_change_removes_the_bindings_unless_they_are_kept(rollcall, phones, change, keep, method):
    assert phones(rollcall).register().status == 200
    path = USER + ("?keep_bindings=true" if keep else "?keep_bindings=false")
    reply = rollcall.api.request(method, path, change)
    assert reply.status == 200
    assert reply.json["binding_count"] == (1 if keep else 0)
    assert len(rollcall.api.bindings("alice")) == (1 if keep else 0)


def test_a_change_of_credentials_voids_the_nonces(rollcall, phones):
    phone = phones(rollcall)
    assert phone.register().status == 200
    assert rollcall.api.patch(USER + "?keep_bindings=true", {"enabled": False}).status == 200
    assert rollcall.api.patch(USER, {"enabled": True}).status == 200
    line = "Authorization: " + phone.authorization()
    response = phone.send(headers=[line])
    assert response.status == 401 and response.challenges()[0]["stale"].lower() == "true"
    assert phone.register().status == 200


def test_another_auth_username_needs_new_credentials(rollcall, phones):
    api = rollcall.api
    problem(api.patch(USER, {"auth_username": "trunk"}), 422, "auth_username")
    reply = api.patch(USER, {"auth_username": "trunk", "password": "secret"})
    assert reply.status == 200 and reply.json["auth_username"] == "trunk"
    problem(api.put(USER, {}), 422, "auth_username")
    api.add_user("bob", "secret", auth_username="trunk")
    for user in ("alice", "bob"):
        assert phones(rollcall, user, auth_user="trunk").register().status == 200
    assert phones(rollcall, "alice").register().status == 401
    back = api.put(USER, {"password": "secret", "auth_username": None})
    assert back.json["auth_username"] == "alice"
    assert phones(rollcall, "alice").register(cseq=90).status == 200


def test_passwords_and_ha1s_do_not_come_back(rollcall):
    secret, digest = "s3cr3t-of-bob", ha1("bob", "s3cr3t-of-bob")
    replies = [rollcall.api.put(BOB, {"password": secret}), rollcall.api.get(BOB), rollcall.api.get(USERS),
               rollcall.api.put(BOB, {"password": secret, "ha1": {"MD5": digest}}),
               rollcall.api.put(BOB, {"password": [secret]}),
               rollcall.api.request("PUT", BOB, '{"password": "%s" x}' % secret, {"Content-Type": "application/json"})]
    assert [r.status for r in replies] == [201, 200, 200, 422, 422, 400]
    for text in [r.body.decode() for r in replies] + [rollcall.text()]:
        assert secret not in text and digest not in text


# -- Members and their limits


@pytest.mark.parametrize("body,field", [
    ({"password": "p" * 256}, None), ({"password": "p" * 257}, "password"), ({"password": ""}, "password"),
    ({"ha1": {"MD5": "0" * 32}}, None), ({"ha1": {"MD5": "0" * 31}}, "ha1.MD5"),
    ({"ha1": {"SHA-256": "z" * 64}}, "ha1.SHA-256"), ({"ha1": {"MD4": "0" * 32}}, "ha1.MD4"), ({"ha1": {}}, "ha1"),
    ({"password": "x", "ha1": {"MD5": "0" * 32}}, "ha1"),
    ({"display_name": "ü" * 128}, None), ({"display_name": "ü" * 129}, "display_name"),
    ({"display_name": "a\nb"}, "display_name"),
    ({"auth_username": "u" * 128}, None), ({"auth_username": "u" * 129}, "auth_username"),
    ({"auth_username": ""}, "auth_username"), ({"auth_username": "a\u0085"}, "auth_username"),
    ({"enabled": 1}, "enabled"),
    ({"max_bindings": 0}, None), ({"max_bindings": 64}, None), ({"max_bindings": 65}, "max_bindings"),
    ({"max_bindings": -1}, "max_bindings"), ({"max_bindings": "1"}, "max_bindings"),
    ({"labels": {"k%d" % n: "v" for n in range(32)}}, None), ({"labels": {"k%d" % n: "v" for n in range(33)}}, "labels"),
    ({"labels": {"k" * 64: "v" * 256}}, None), ({"labels": {"k" * 65: "v"}}, "labels." + "k" * 64),
    ({"labels": {"k": "v" * 257}}, "labels.k"), ({"labels": {"": "v"}}, "labels."), ({"labels": []}, "labels"),
    ({"username": "bob", "domain": "EXAMPLE.com"}, None), ({"username": "alice"}, "username"),
    ({"domain": "example.org"}, "domain"), ({"realm": "example.com"}, "realm"), ({"op": "delete"}, "op")])
def test_each_member_has_its_limits(api, body, field):
    for method in ("PUT", "PATCH"):
        if method == "PATCH":
            assert api.put(BOB, {"display_name": "before"}).status in (200, 201)
        reply = api.request(method, BOB, body)
        if field is None:
            assert reply.status in (200, 201), reply.body
            shown = api.get(BOB).json
            for key in set(body) - {"password", "ha1", "domain"}:
                assert shown[key] == body[key]
            api.delete(BOB)
        else:
            problem(reply, 422, field)
            assert api.get(BOB).status == (404 if method == "PUT" else 200)


def test_every_fault_is_told(api):
    reply = problem(api.put(BOB, {"password": 1, "enabled": 2, "nosuch": 3, "labels": {"a": 4, "b": 5}}), 422)
    assert [e["field"] for e in reply["errors"]] == ["password", "enabled", "nosuch", "labels.a", "labels.b"]


@pytest.mark.parametrize("name", ["ü", "日本", "a b", "%", "a?b#c", "..", "a\\b", "\"q\"", "x" * 128, "🙂", "+49301234", "a;b=c"])
def test_any_clean_utf8_is_a_username(rollcall, phones, name):
    api, path = rollcall.api, user_path(name)
    assert api.put(path, {"password": "secret"}).status == 201
    assert api.get(path).json["username"] == name
    assert name in [u["username"] for u in api.get(USERS).json["users"]]
    assert [u["username"] for u in api.get(USERS + "?prefix=" + urllib.parse.quote(name)).json["users"]] == [name]
    phone = phones(rollcall, urllib.parse.quote(name, safe=""), auth_user=name.replace("\\", "\\\\").replace('"', '\\"'))
    if not set(name) & {'"', "\\"}:
        assert phone.register().status == 200
        assert api.get(path).json["registered"] is True
    assert api.delete(path).status == 204


@pytest.mark.parametrize("name,statuses", [
    ("a%00b", (400,)), ("%FF", (400,)), ("a%0Ab", (422,)), ("x" * 129, (422,)), ("%C2%85", (422,)), ("%zz", (400,))])
def test_other_usernames_are_refused(api, name, statuses):
    path = USERS + "/" + name
    assert api.put(path, {}).status in statuses
    assert api.get(path).status in (400, 404)
    assert api.delete(path).status in (400, 404)
    assert api.patch(path, {}).status in (400, 404, 422)


def test_case_is_ignored_where_the_domain_says_so(rollcall, phones):
    api = rollcall.api
    assert api.put("/v1/domains/any.example", {"case_insensitive_users": True}).status == 201
    path = "/v1/domains/any.example/users/"
    assert api.put(path + "Bob", {"password": "secret"}).status == 201
    reply = api.put(path + "BOB", {"display_name": "B", "username": "bob"})
    assert reply.status == 200 and reply.json["username"] == "Bob"
    assert [u["username"] for u in api.get(path[:-1] + "?prefix=BO").json["users"]] == ["Bob"]
    assert api.delete(path + "bOB").status == 204
    assert api.put(USERS + "/Alice", {}).status == 201, "with case elsewhere"


def test_query_arguments_are_read_strictly(api):
    problem(api.put(USER + "?keep_bindings=yes", {}), 400)
    problem(api.put(USER + "?keep=true", {}), 400)
    problem(api.get(USERS + "?view=all"), 400)
    problem(api.get(USERS + "?prefix=" + "x" * 129), 400)


# -- Lists


def test_an_alias_of_the_domain_finds_its_users(api):
    assert api.patch("/v1/domains/example.com", {"aliases": ["sip.example.com"]}).status == 200
    assert api.get("/v1/domains/SIP.example.com/users/alice").json["domain"] == "example.com"
    assert api.put("/v1/domains/sip.example.com/users/bob", {}).headers["Location"] == BOB


def test_a_list_holds_its_domain_and_prefix_only(api):
    assert api.put("/v1/domains/example.net", {}).status == 201
    for name in ("al", "alice", "alicf", "ali", "b"):
        api.put(USERS + "/" + name, {})
        api.put("/v1/domains/example.net/users/" + name, {})
    for limit in (1, 2, 1000):
        seen, cursor = [], ""
        while True:
            reply = api.get("%s?prefix=ali&limit=%d%s" % (USERS, limit, cursor)).json
            assert len(reply["users"]) <= limit
            seen += [(u["domain"], u["username"]) for u in reply["users"]]
            if reply["next_cursor"] is None:
                break
            cursor = "&cursor=" + reply["next_cursor"]
        assert seen == [("example.com", n) for n in ("ali", "alice", "alicf")]
    assert api.get(USERS + "?prefix=zzz").json["users"] == []


def test_a_cursor_is_good_for_its_own_list_only(api):
    api.put(BOB, {})
    cursor = api.get(USERS + "?limit=1").json["next_cursor"]
    assert api.get(USERS + "?limit=5&cursor=" + cursor).status == 200
    assert api.put("/v1/domains/example.net", {}).status == 201
    for path in (USERS + "?prefix=a&cursor=", USERS + "?view=status&cursor=", "/v1/domains/example.net/users?cursor="):
        problem(api.get(path + cursor), 400)


def test_a_page_of_big_users_ends_early_and_skips_nobody(api):
    labels = {"k%02d" % n + "x" * 60: "\"" * 256 for n in range(32)}
    names = ["big%03d" % n for n in range(90)]
    for name in names:
        assert api.put(USERS + "/" + name, {"labels": labels}).status == 201
    first = api.get(USERS + "?prefix=big&limit=1000")
    assert 0 < len(first.json["users"]) < 90 and len(first.body) < 3 << 20
    seen, reply = [], first.json
    while True:
        seen += [u["username"] for u in reply["users"]]
        if reply["next_cursor"] is None:
            break
        reply = api.get(USERS + "?prefix=big&limit=1000&cursor=" + reply["next_cursor"]).json
    assert seen == names


def test_a_poll_of_a_list_is_304_until_something_shown_changes(rollcall, phones):
    api, phone = rollcall.api, phones(rollcall)
    assert phone.register().status == 200
    full, status = USERS, USERS + "?view=status"

    def etag(path):
        return api.get(path).headers["ETag"]

    before = {path: etag(path) for path in (full, status)}
    for path in before:
        assert api.get(path, If_None_Match=before[path]).status == 304
    assert "last_registered_at" not in api.get(status).json["users"][0]
    assert "last_registered_at" in api.get(full).json["users"][0]
    assert phone.register().status == 200, "a refresh"
    assert api.get(full, If_None_Match=before[full]).status == 200
    assert api.get(status, If_None_Match=before[status]).status == 304
    assert phone.unregister().status == 200
    assert api.get(status, If_None_Match=before[status]).status == 200
    now = etag(status)
    api.put(BOB, {})
    assert api.get(status, If_None_Match=now).status == 200


def test_a_poll_of_a_list_sees_what_ends_by_time(start, phones):
    server = start({"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    phone = phones(server)
    etag = for_a_moment(lambda seconds: phone.register(expires=seconds), lambda: (
        lambda r: r.json["users"][0]["registered"] and r.headers["ETag"])(server.api.get(USERS + "?view=status")))

    def ended():
        reply = server.api.get(USERS + "?view=status", If_None_Match=etag)
        return reply.status == 200 and reply.json["users"][0]["registered"] is False

    until(ended, "the end of the binding")
    assert server.api.get(USERS).json["users"][0]["binding_count"] == 0


def test_head_and_read_token(rollcall, read_api):
    got, head = read_api.get(USER), read_api.request("HEAD", USER)
    assert head.status == 200 and head.body == b"" and head.headers["ETag"] == got.headers["ETag"]
    for method in ("PUT", "PATCH", "DELETE"):
        assert read_api.request(method, USER, None if method == "DELETE" else {}).status == 403
