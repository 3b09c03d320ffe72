# SPDX-License-Identifier: Apache-2.0
"""REST: who is shut out, by an operator or by the service itself."""
import datetime
import re

import pytest

from server import until

FUTURE = "2090-01-01T00:00:00.000Z"


def problem(reply, status):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    return reply.json


def ban(api, network, **body):
    return api.put("/v1/bans/" + network, dict({"until": FUTURE}, **body))


def test_a_ban_lives_and_dies(api):
    problem(api.get("/v1/bans/203.0.113.0%2F24"), 404)
    made = ban(api, "203.0.113.0%2F24", reason="scanner")
    assert made.status == 201 and made.headers["Location"] == "/v1/bans/203.0.113.0%2F24"
    shown = api.get(made.headers["Location"]).json
    assert shown == made.json and shown["until"] == FUTURE and shown["since"] < FUTURE
    assert (shown["network"], shown["reason"], shown["manual"]) == ("203.0.113.0/24", "scanner", True)
    changed = ban(api, "203.0.113.0%2F24", reason="worse")
    assert changed.status == 200 and changed.json["reason"] == "worse" and changed.json["since"] == shown["since"]
    assert api.put(made.headers["Location"], changed.json).status == 200, "GET then PUT works"
    assert api.delete("/v1/bans/203.0.113.0%2F24").status == 204
    problem(api.get("/v1/bans/203.0.113.0%2F24"), 404)
    problem(api.delete("/v1/bans/203.0.113.0%2F24"), 404)


@pytest.mark.parametrize("path,network", [
    ("192.0.2.7", "192.0.2.7/32"), ("192.0.2.7%2F24", "192.0.2.0/24"), ("2001:DB8:0::1", "2001:db8::1/128"),
    ("2001:db8::1%2F32", "2001:db8::/32"), ("%5B2001:db8::1%5D", "2001:db8::1/128"), ("0.0.0.0%2F0", "0.0.0.0/0")])
def test_a_network_has_one_name(api, path, network):
    assert ban(api, path).json["network"] == network
    assert api.get("/v1/bans/" + network.replace("/", "%2F")).json["network"] == network
    assert [b["network"] for b in api.get("/v1/bans").json["bans"]] == [network]


@pytest.mark.parametrize("path", ["nonsense", "192.0.2.0%2F33", "192.0.2", "2001:db8::%2F129", "%2F24"])
def test_what_is_no_network_is_400(api, path):
    problem(api.get("/v1/bans/" + path), 400)
    problem(ban(api, path), 400)
    problem(api.delete("/v1/bans/" + path), 400)


@pytest.mark.parametrize("body,field", [
    ({}, "until"), ({"until": None}, "until"), ({"until": "tomorrow"}, "until"), ({"until": 1700000000}, "until"),
    ({"until": "2020-01-01T00:00:00Z"}, "until"), ({"until": FUTURE, "reason": ""}, "reason"),
    ({"until": FUTURE, "reason": "x" * 64}, "reason"), ({"until": FUTURE, "reason": 1}, "reason"),
    ({"until": FUTURE, "nosuch": 1}, "nosuch")])
def test_a_fault_of_a_ban_is_named(api, body, field):
    reply = problem(api.put("/v1/bans/192.0.2.1", body), 422)
    assert field in [error["field"] for error in reply["errors"]]
    problem(api.get("/v1/bans/192.0.2.1"), 404)


@pytest.mark.parametrize("body,status", [("", 400), ("{", 400), ("[]", 422)])
def test_a_ban_that_is_no_json_is_400_and_no_object_422(api, body, status):
    problem(api.request("PUT", "/v1/bans/192.0.2.1", body, {"Content-Type": "application/json"}), status)


def test_a_reason_is_any_text(api):
    for reason in ("x" * 63, "caf\u00e9 \u2603", 'a "quoted" one'):
        assert ban(api, "192.0.2.1", reason=reason).json["reason"] == reason
    assert ban(api, "192.0.2.1").json["reason"] == "manual"


def test_bans_by_page_in_order(api):
    want = ["192.0.2.%d/32" % n for n in range(23)] + ["198.51.100.0/24", "2001:db8::/32"]
    for network in want[::-1]:
        assert ban(api, network.replace("/", "%2F")).status == 201
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        reply = api.get("/v1/bans?limit=5" + ("&cursor=" + cursor if cursor else "")).json
        seen += [b["network"] for b in reply["bans"]]
        cursor, pages = reply["next_cursor"], pages + 1
        if pages == 2:
            assert api.delete("/v1/bans/192.0.2.9").status == 204, "the last one shown"
            assert api.delete("/v1/bans/192.0.2.12").status == 204
            ban(api, "192.0.2.1%2F32")
    assert seen == [n for n in want if n != "192.0.2.12/32"] and pages == 5
    for bad in ("limit=0", "limit=1001", "cursor=", "cursor=x", "nosuch=1"):
        problem(api.get("/v1/bans?" + bad), 400)


def test_a_ban_ends_by_itself(api):
    def soon(seconds):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()

    ban(api, "192.0.2.1")
    # A machine that is slow gets more time to ask, and waits for it.
    assert any(ban(api, "198.51.100.1", until=soon(seconds)).status == 201 for seconds in (1, 4, 15))
    until(lambda: api.get("/v1/bans/198.51.100.1").status == 404, "the end of the ban")
    assert [b["network"] for b in api.get("/v1/bans").json["bans"]] == ["192.0.2.1/32"]


def test_the_read_token_sees_bans_and_makes_none(api, read_api):
    ban(api, "192.0.2.1")
    assert read_api.get("/v1/bans").json["bans"] and read_api.get("/v1/bans/192.0.2.1").status == 200
    problem(ban(read_api, "192.0.2.2"), 403)
    problem(read_api.delete("/v1/bans/192.0.2.1"), 403)


def test_who_is_banned_is_not_heard_until_the_ban_is_lifted(start, phones):
    server = start(env={"ROLLCALL_ABUSE_EXEMPT": "127.0.0.1/32"})
    server.api.add_user("alice")
    phone = phones(server, source=("127.0.0.5", 0))
    assert phone.register().status == 200
    assert ban(server.api, "127.0.0.4%2F30").status == 201
    phone.wire.send(phone.build())
    until(lambda: re.search(rb'^rollcall_sip_dropped_total\{[^}]*"banned"[^}]*\} [1-9]',
                            server.api.get("/metrics").body, re.MULTILINE), "a dropped message")
    assert server.api.delete("/v1/bans/127.0.0.4%2F30").status == 204
    assert phone.register().status == 200
