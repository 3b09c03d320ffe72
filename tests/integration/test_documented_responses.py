# SPDX-License-Identifier: Apache-2.0
"""Every response that openapi.yaml documents is given by the service, one operation and one status
at a time; server.py's client holds each against its schema."""
import http.client
import json

import pytest

import contract
from server import PATIENCE, READ, Api, Rollcall, until
from sip import Phone
from sse import Stream

EVIL = {"Host": "rollcall.evil.example"}
D, U, BAN = "/v1/domains/example.com", "/v1/domains/example.com/users/alice", "/v1/bans/203.0.113.0%2F24"
LINE = '{"domain": "example.com", "username": "carol", "password": "secret"}\n'
# A request for each operation that is right as it stands: path, body, type of the body.
RIGHT = {
    "listDomains": ("/v1/domains", None), "getDomain": (D, None), "putDomain": (D, {}),
    "patchDomain": (D, {"max_bindings": 7}), "deleteDomain": ("/v1/domains/gone.example", None),
    "listDomainAttempts": (D + "/attempts", None), "listUsers": (D + "/users", None), "getUser": (U, None),
    "putUser": (U, {"display_name": "Alice"}), "patchUser": (U, {"display_name": None}),
    "deleteUser": (D + "/users/gone", None), "listUserAttempts": (U + "/attempts", None),
    "listUserBindings": (U + "/bindings", None), "deleteUserBindings": (U + "/bindings", None),
    "deleteUserBinding": (U + "/bindings/{id}", None), "importUsers": ("/v1/users:import", LINE),
    "exportUsers": ("/v1/users:export", None), "listBindings": ("/v1/bindings", None),
    "lookupBindings": ("/v1/bindings:lookup", {"aors": ["sip:alice@example.com"]}),
    "streamEvents": ("/v1/events", None), "listBans": ("/v1/bans", None), "getBan": (BAN, None),
    "putBan": (BAN, {"until": "2999-01-01T00:00:00Z"}), "deleteBan": (BAN, None), "getStats": ("/v1/stats", None),
    "backup": ("/v1/backup", None), "getHealth": ("/healthz", None), "getReadiness": ("/readyz", None),
    "getMetrics": ("/metrics", None), "getOpenapi": ("/openapi.yaml", None), "getDocs": ("/docs", None),
    "getPage": ("/", None), "getAsset": ("/assets/base.css", None),
}
MISSING = {
    "getDomain": "/v1/domains/nothing", "patchDomain": "/v1/domains/nothing", "deleteDomain": "/v1/domains/nothing",
    "listDomainAttempts": "/v1/domains/nothing/attempts", "listUsers": "/v1/domains/nothing/users",
    "getUser": D + "/users/nobody", "putUser": "/v1/domains/nothing/users/x", "patchUser": D + "/users/nobody",
    "deleteUser": D + "/users/nobody", "listUserAttempts": D + "/users/nobody/attempts",
    "listUserBindings": D + "/users/nobody/bindings", "deleteUserBindings": D + "/users/nobody/bindings",
    "deleteUserBinding": U + "/bindings/0", "exportUsers": "/v1/users:export?domain=nothing",
    "getBan": "/v1/bans/192.0.2.1", "deleteBan": "/v1/bans/192.0.2.1", "getAsset": "/assets/nothing",
}
RESERVE = "what makes nothing new has a reserve, so that only a full disk gives it: test_507 sees that it goes on"
# What is documented and not provoked here, with the reason.
ELSEWHERE = {
    ("importUsers", 507): "needs a full disk: test_import.py, where a tmpfs can be mounted",
    ("backup", 507): "needs a full disk: test_backup.py, where a tmpfs can be mounted",
    ("patchDomain", 507): RESERVE, ("patchUser", 507): RESERVE, ("deleteDomain", 507): RESERVE,
    ("deleteUser", 507): RESERVE, ("deleteUserBindings", 507): RESERVE, ("deleteUserBinding", 507): RESERVE,
}


def methods():
    return {operation["operationId"]: method.upper() for _, method, operation in contract.operations()}


def documenting(status):
    return sorted(name for name, code in contract.documented() if code == status)


def kind(name):
    return {"Content-Type": "application/x-ndjson" if name == "importUsers" else "application/json"}


def ask(api, name, path=None, body=None, headers=None):
    """The right request for the operation, or one that differs where it is said."""
    right_path, right_body = RIGHT[name]
    path, body = path or right_path, right_body if body is None else body
    headers = dict(kind(name) if body is not None else {}, **(headers or {}))
    if name == "streamEvents" and not headers:
        with Stream(api.address, token=api.token) as stream:
            return stream.status
    return api.request(methods()[name], path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body),
                       headers).status


def twice_host(api, name):
    """A request that HTTP forbids: 400 whatever the operation."""
    connection = http.client.HTTPConnection(*api.address, timeout=PATIENCE)
    method, path = methods()[name], RIGHT[name][0]
    connection.putrequest(method, path)
    connection.putheader("Host", "another.example")
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    contract.check(method, path, response.status, response.headers, body)
    return response.status


def all_give(status, provoke):
    given = {name: provoke(name) for name in documenting(status) if (name, status) not in ELSEWHERE}
    assert given == dict.fromkeys(given, status)


# ---- What is right ------------------------------------------------------------------------------

def test_200_201_204(rollcall, phone):
    api = rollcall.api
    assert phone.register().status == 200
    for name in ("gone", "alice"):
        api.add_user(name)
    assert ask(api, "putDomain", "/v1/domains/gone.example") == 201
    assert ask(api, "putUser", D + "/users/new") == 201
    assert ask(api, "putBan") == 201
    all_give(200, lambda name: ask(api, name))
    binding, = api.bindings("alice")
    first = ("deleteUserBinding",)
    assert ask(api, *first, U + "/bindings/" + binding["id"]) == 204
    all_give(204, lambda name: 204 if name in first else ask(api, name))
    assert {("putDomain", 201), ("putUser", 201), ("putBan", 201)} <= contract.SEEN
    assert documenting(201) == ["putBan", "putDomain", "putUser"]


def test_304(api):
    def poll(name):
        path, body = RIGHT[name]
        reply = api.request(methods()[name], path, body)
        return ask(api, name, headers={"If-None-Match": reply.headers["ETag"]})

    all_give(304, poll)


# ---- What is wrong with the request -------------------------------------------------------------

def test_400(api):
    all_give(400, lambda name: twice_host(api, name))


def test_401(rollcall):
    stranger = Api(rollcall.http, "")
    all_give(401, lambda name: ask(stranger, name, headers={"X-Nothing": "1"}))


def test_403(start, rollcall):
    reader, open_to_loopback = Api(rollcall.http, READ), start(
        {"ROLLCALL_API_ADMIN_TOKEN": None, "ROLLCALL_API_READ_TOKEN": None}, name="open", token="").api

    def forbidden(name):
        read_may = methods()[name] == "GET" or name == "lookupBindings"
        return ask(open_to_loopback, name, headers=EVIL) if read_may else ask(reader, name)

    all_give(403, forbidden)


def test_404(api):
    assert documenting(404) == sorted(MISSING)
    all_give(404, lambda name: ask(api, name, MISSING[name]))


def test_409(api):
    wrong = {"putDomain": ("/v1/domains/other.example", {"aliases": ["example.com"]}), "patchDomain": (D, {"realm": "another"}),
             "deleteDomain": (D, None)}
    all_give(409, lambda name: ask(api, name, *wrong[name]))


def test_412(api):
    there = {"deleteDomain": D, "deleteUser": U}
    all_give(412, lambda name: ask(api, name, there.get(name), headers={"If-Match": '"nothing"'}))


def test_413(api):
    all_give(413, lambda name: ask(api, name, body=b" " * (2 << 20)))


def test_415(api):
    all_give(415, lambda name: ask(api, name, headers={"Content-Type": "text/plain"}))


def test_422(api):
    all_give(422, lambda name: ask(api, name, body={"nosuch": 1}))


def test_429(start):
    server = start()
    guesser = Api(server.http, "wrong")
    until(lambda: guesser.get("/v1/stats").status == 429, "too many wrong tokens")
    # The minute may end in between
    all_give(429, lambda name: until(lambda: ask(guesser, name, headers={"X-Nothing": "1"}) == 429) and 429)


# ---- What the service cannot do now -------------------------------------------------------------

def test_503(rollcall, start):
    waiting = start({"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"], "ROLLCALL_STORE_LOCK_WAIT": "600"},
                    ready=False, name="waiting")
    until(lambda: waiting.alive() and waiting.listeners("http"), "the API's listener")
    api = Api(waiting.http)
    all_give(503, lambda name: ask(api, name, headers={"X-Nothing": "1"}))


@pytest.fixture
def full(start):
    """A service whose store takes nothing more, with a phone that is registered."""
    server: Rollcall = start({"ROLLCALL_STORE_MAX_SIZE": "1MiB"})
    for name in ("alice", "gone"):
        server.api.add_user(name)
    assert ask(server.api, "putDomain", "/v1/domains/gone.example") == 201
    phone = Phone(server.udp, "alice", "secret")
    assert phone.register().status == 200
    phone.close()
    labels = {"l%02d" % n: "x" * 256 for n in range(32)}
    names = ("%s/users/filler%05d" % (D, n) for n in range(100000))
    until(lambda: server.api.put(next(names), {"labels": labels}).status == 507, "the store to be full")
    return server


def test_507(full):
    new = {"putDomain": "/v1/domains/new.example", "putUser": D + "/users/new"}
    all_give(507, lambda name: ask(full.api, name, new[name]))
    binding, = full.api.bindings("alice")
    assert ask(full.api, "patchDomain") == 200 and ask(full.api, "patchUser", body={"display_name": "A"}) == 200
    assert ask(full.api, "deleteUserBinding", U + "/bindings/" + binding["id"]) == 204
    assert [ask(full.api, name) for name in ("deleteUserBindings", "deleteUser", "deleteDomain")] == [204] * 3


# ---- All of them --------------------------------------------------------------------------------

def test_every_documented_status_has_a_test_here():
    tests = {int(word) for name in globals() if name.startswith("test_") for word in name.split("_") if word.isdigit()}
    assert {status for _, status in contract.documented()} == tests
    assert set(ELSEWHERE) <= contract.documented() and set(RIGHT) == set(methods())
