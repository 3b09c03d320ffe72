# SPDX-License-Identifier: Apache-2.0
"""The registrar's choices: limits and displacement, jitter, NAT, CSeq restarts, closed flows, restarts."""
import pytest

from server import until
from sip import token

INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-%012d>"'


def contacts_of(server, user="alice"):
    return sorted(b["contact"] for b in server.api.bindings(user))


@pytest.fixture
def served(start):
    def make(**env):
        server = start({"ROLLCALL_" + key: value for key, value in env.items()})
        server.api.add_user("alice")
        return server
    return make


# ---- max_bindings

def test_parallel_phones_up_to_the_limit_and_the_next_is_403(shared, line, phones):
    for _ in range(10):
        assert phones(shared, line.user).register().status == 200
    before = contacts_of(shared, line.user)
    answer = line.register()
    assert answer.status == 403 and answer.reason == "Too Many Bindings"
    assert contacts_of(shared, line.user) == before


def test_a_phone_whose_port_changes_at_every_start_displaces_itself_by_its_instance(served, phones):
    server = served(REGISTRAR_MAX_BINDINGS="2")
    other = phones(server)
    assert other.register().status == 200
    for n in range(4):
        phone = phones(server)
        phone.contact = "sip:alice@192.0.2.1:%d" % (5000 + n)
        assert phone.register(["<%s>;%s" % (phone.contact, INSTANCE % 1)]).status == 200
    assert contacts_of(server) == sorted([other.contact, "sip:alice@192.0.2.1:5003"])


def test_then_by_its_call_id_the_oldest_first(served, phones):
    server = served(REGISTRAR_MAX_BINDINGS="2")
    phone = phones(server)
    for n in range(4):
        assert phone.register(["<sip:alice@192.0.2.1:%d>" % (5000 + n)]).status == 200
    assert contacts_of(server) == ["sip:alice@192.0.2.1:5002", "sip:alice@192.0.2.1:5003"]


def test_nobody_displaces_anothers_binding(served, phones):
    server = served(REGISTRAR_MAX_BINDINGS="1")
    first, second = phones(server), phones(server)
    assert first.register(["<%s>;%s" % (first.contact, INSTANCE % 1)]).status == 200
    assert second.register(["<%s>;%s" % (second.contact, INSTANCE % 2)]).status == 403
    assert contacts_of(server) == [first.contact]


def test_contacts_of_one_request_make_no_room_for_each_other(served, phones):
    server = served(REGISTRAR_MAX_BINDINGS="2")
    phone = phones(server)
    assert phone.register(["<sip:a@192.0.2.1>"]).status == 200
    assert phone.register(["<sip:%s@192.0.2.1>" % c for c in "bcd"]).status == 403
    assert contacts_of(server) == ["sip:a@192.0.2.1"]
    assert phone.register(["<sip:%s@192.0.2.1>" % c for c in "bc"]).status == 200
    assert contacts_of(server) == ["sip:b@192.0.2.1", "sip:c@192.0.2.1"]


def test_a_full_aor_can_be_refreshed_and_left(served, phones):
    server = served(REGISTRAR_MAX_BINDINGS="1")
    phone = phones(server)
    assert phone.register().status == 200 and phone.register().status == 200
    assert phone.register(["<%s>;expires=0" % phone.contact, "<sip:next@192.0.2.1>"]).status == 200
    assert contacts_of(server) == ["sip:next@192.0.2.1"]


# ---- Expiry

def test_granted_is_exactly_what_was_asked_unless_jitter_is_set(served, phones):
    server = served(REGISTRAR_EXPIRES_JITTER="20")
    granted = set()
    for n in range(12):
        server.api.add_user("u%d" % n)
        phone = phones(server, "u%d" % n)
        answer = phone.register(expires=1000)
        granted.add(int(answer.contacts()[phone.contact]["expires"]))
        assert answer.get("Expires") == answer.contacts()[phone.contact]["expires"]
    assert len(granted) > 1 and min(granted) >= 800 and max(granted) <= 1000


def test_a_phone_behind_nat_gets_a_shorter_time_where_that_is_set(served, phones):
    server = served(REGISTRAR_NAT_MAX_EXPIRES="120")
    phone = phones(server)
    answer = phone.register([], )
    assert answer.status == 200
    answer = phone.register(["<%s>" % phone.contact, "<sip:alice@192.168.1.7>"], expires=900)
    assert {u: p["expires"] for u, p in answer.contacts().items()} == {phone.contact: "900", "sip:alice@192.168.1.7": "120"}
    assert phone.register(["<sip:alice@192.168.1.7>;expires=90"]).contacts()["sip:alice@192.168.1.7"]["expires"] == "90"


def test_configured_limits_of_expires(served, phones):
    server = served(REGISTRAR_MIN_EXPIRES="100", REGISTRAR_DEFAULT_EXPIRES="200", REGISTRAR_MAX_EXPIRES="300")
    phone = phones(server)
    assert phone.register(expires=99).get("Min-Expires") == "100"
    assert phone.register().contacts()[phone.contact]["expires"] == "200"
    assert phone.register(expires=301).contacts()[phone.contact]["expires"] == "300"


# ---- registrar.cseq_restart

@pytest.mark.parametrize("allowed", [False, True])
def test_a_device_that_restarts_with_the_same_call_id(served, phones, allowed):
    server = served(REGISTRAR_CSEQ_RESTART=str(allowed).lower())
    phone = phones(server)
    assert phone.register(cseq=1000).status == 200
    phone.challenge = None  # it has forgotten all but its Call-ID
    answer = phone.register(["<sip:alice@192.0.2.1>", "<%s>" % phone.contact], cseq=1)
    assert answer.status == (200 if allowed else 500)
    if allowed:
        assert phone.register(cseq=1).status in (200, 500), "a repeat at most, with the nonce it has now"
        answer = phone.register(["<%s>;expires=0" % phone.contact], cseq=1)
        assert answer.status == 500, "with the same nonce the order holds"


# ---- A restart in between

def test_bindings_survive_a_restart_and_order_holds_over_it(rollcall, phones):
    phone = phones(rollcall)
    assert phone.register(["<%s>;audio" % phone.contact], cseq=100, headers=["Path: <sip:p.example.net;lr>"]).status == 200
    before = rollcall.api.bindings("alice")
    rollcall.restart()
    assert rollcall.api.bindings("alice") == before
    assert phone.register(["<sip:other@192.0.2.1>"], cseq=99).status == 200, "another contact has no order yet"
    assert phone.register(cseq=99).status == 500
    repeat = phone.register(["<%s>;audio" % phone.contact], cseq=100)
    assert repeat.status == 200, "a 200 may have been lost over the restart"
    assert [b for b in rollcall.api.bindings("alice") if b["contact"] == phone.contact] == before


def test_a_retransmission_over_a_restart_changes_nothing(rollcall, phones):
    phone = phones(rollcall)
    assert phone.register().status == 200
    before = rollcall.api.bindings("alice")
    rollcall.restart()
    assert phone.wire.exchange(phone.sent).status == 401
    assert rollcall.api.bindings("alice") == before


# ---- registrar.closed_flow

@pytest.mark.parametrize("value,marked", [("keep", False), ("mark", True)])
def test_bindings_of_a_closed_connection_stay_and_are_marked_where_that_is_wanted(served, phones, value, marked):
    server = served(REGISTRAR_CLOSED_FLOW=value)
    gone, stays = phones(server, transport="tcp"), phones(server, transport="tcp")
    assert gone.register().status == 200 and stays.register().status == 200
    gone.close()
    if marked:
        until(lambda: [b for b in server.api.bindings("alice") if b["unreachable"]], "the mark")
    shown = {b["contact"]: b["unreachable"] for b in server.api.bindings("alice")}
    assert shown == {gone.contact: marked, stays.contact: False}
    back = phones(server, transport="tcp", call_id=token())
    back.contact = gone.contact
    assert back.register().status == 200
    assert not any(b["unreachable"] for b in server.api.bindings("alice")), "a refresh takes the mark off"


# ---- Lost users

def test_a_user_that_is_deleted_and_made_anew_inherits_nothing(shared, line):
    assert line.register().status == 200
    path = "/v1/domains/example.com/users/" + line.user
    assert shared.api.delete(path).status == 204
    assert line.register().status == 401
    shared.api.add_user(line.user)
    assert contacts_of(shared, line.user) == []
    line.challenge = None
    assert line.register([]).contacts() == {}


def test_a_disabled_user_loses_its_bindings_at_once(shared, line):
    assert line.register().status == 200
    path = "/v1/domains/example.com/users/" + line.user
    assert shared.api.patch(path, {"enabled": False}).status == 200
    assert contacts_of(shared, line.user) == []
    assert line.register().status in (401, 403)
