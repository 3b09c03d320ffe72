# SPDX-License-Identifier: Apache-2.0
"""Abuse control on the wire: 127.0.0.1 is the exempt edge, other addresses of 127/8 are the world."""
import datetime
import re

import pytest

from server import until
from sip import NoAnswer, Phone, hostport, token

SETTINGS = {"ROLLCALL_ABUSE_EXEMPT": "127.0.0.1/32", "ROLLCALL_ABUSE_FAILURES": "6",
            "ROLLCALL_ABUSE_REQUESTS": "40", "ROLLCALL_ABUSE_BAN": "600",
            "ROLLCALL_SIP_LISTEN": "udp://0.0.0.0:0,tcp://0.0.0.0:0"}


@pytest.fixture
def guarded(start):
    server = start(SETTINGS)
    for user in ("alice", "bob"):
        server.api.add_user(user)
    return server


@pytest.fixture
def caller(guarded):
    """caller(last, user, password): a phone at 127.0.0.last."""
    made = []

    def make(last, user="alice", password="secret", transport="udp", **options):
        address = ("127.0.0.1", guarded.address(transport)[1])
        made.append(Phone(address, user, password, transport=transport,
                          source=("127.0.0.%d" % last, 0), **options))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


def ban_of(server, last):
    reply = server.api.get("/v1/bans/127.0.0.%d" % last)
    return reply.json if reply.status == 200 else None


def is_silent(phone):
    phone.wire.send(phone.build())
    try:
        phone.wire.receive(0.3)
        return False
    except NoAnswer:
        return True


def fail_until_banned(server, phone, last, most=40):
    for _ in range(most):
        if ban_of(server, last):
            return
        phone.challenge = None
        assert phone.register().status == 401
    raise AssertionError("no ban after %d failures" % most)


def test_wrong_passwords_end_in_a_ban_that_the_api_shows_and_lifts(guarded, caller):
    guesser = caller(2, password="wrong")
    fail_until_banned(guarded, guesser, 2)
    ban = ban_of(guarded, 2)
    assert ban["reason"] == "wrong_password" and ban["until"]
    assert is_silent(guesser) and is_silent(caller(2, "bob"))
    assert caller(3).register().status == 200, "others are not banned"
    assert [e for e in guarded.events("banned") if e["source"].startswith("127.0.0.2")]
    assert guarded.api.delete("/v1/bans/127.0.0.2").status == 204
    assert caller(2, "bob").register().status == 200


def test_unknown_users_count_as_failures_too(guarded, caller):
    fail_until_banned(guarded, caller(4, "nobody"), 4)
    assert ban_of(guarded, 4)["reason"] == "unknown_user"


def test_challenges_and_successes_count_towards_nothing(guarded, caller):
    phone = caller(5)
    for _ in range(30):
        phone.challenge = None
        assert phone.register().status == 200
    assert ban_of(guarded, 5) is None


def test_the_next_ban_of_a_source_is_longer(guarded, caller):
    phone = caller(6, password="wrong")
    lengths = []
    for _ in range(3):
        fail_until_banned(guarded, phone, 6)
        ban = ban_of(guarded, 6)
        lengths.append(length(ban))
        assert guarded.api.delete("/v1/bans/127.0.0.6").status == 204
    assert lengths == [600, 1200, 2400]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def length(ban):
    return round(seconds(ban["until"]) - seconds(ban["since"]))


def test_one_aor_that_many_sources_try_bans_each_of_them_soon(guarded, caller):
    for last in range(10, 20):
        phone = caller(last, "bob", "wrong")
        for _ in range(3):
            phone.challenge = None
            if not ban_of(guarded, last):
                assert phone.register().status == 401
    banned = [last for last in range(10, 20) if ban_of(guarded, last)]
    assert banned, "a guess spread over sources is noticed by its AoR"


def test_a_source_that_asks_too_often_is_not_answered_and_counted(guarded, caller):
    phone = caller(7)
    for _ in range(400):
        phone.wire.send(phone.build())
    phone.wire.receive()
    answers = 1
    try:
        while True:
            phone.wire.receive(0.5)
            answers += 1
    except NoAnswer:
        pass
    assert answers < 400
    text = guarded.api.get("/metrics").body.decode()
    assert re.search(r'^rollcall_limit_reached_total{limit="abuse.requests"} [1-9]', text, re.MULTILINE)
    assert re.search(r'^rollcall_sip_dropped_total{cause="rate"} [1-9]', text, re.MULTILINE)
    assert ban_of(guarded, 7) is None, "a rate is no crime"
    until(lambda: guarded.events("rate_limited"), "the security event")
    assert guarded.events("rate_limited")[0]["source"].startswith("127.0.0.7")


def test_a_ban_by_hand_shuts_a_network_out_and_ends_open_connections_use(guarded, caller):
    phone = caller(8, transport="tcp")
    assert phone.register().status == 200
    made = guarded.api.put("/v1/bans/127.0.0.8%2F30", {"reason": "field test", "until": "2100-01-01T00:00:00Z"})
    assert made.status in (200, 201)
    assert is_silent(caller(9)) and is_silent(caller(10))
    assert is_silent(phone)
    assert caller(12, "bob").register().status == 200


def test_exempt_sources_are_never_banned(guarded, caller):
    phone = caller(1, password="wrong")
    for _ in range(15):
        phone.challenge = None
        assert phone.register().status == 401
    assert ban_of(guarded, 1) is None


def via(phone, received):
    return ("SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK%s;"
            "received=%s;rport=5062" % (hostport(phone.wire.local), token(), token(), received))


def test_behind_an_exempt_edge_proxy_limits_go_by_the_phone_that_it_saw(guarded, caller):
    edge = caller(1, password="wrong")
    for _ in range(40):
        if ban_of_network(guarded, "203.0.113.7"):
            break
        edge.challenge = None
        edge_register(edge, "203.0.113.7")
    assert ban_of_network(guarded, "203.0.113.7") and not ban_of(guarded, 1)
    lines = [e for e in guarded.events("wrong_password") if e["source"].startswith("203.0.113.7")]
    assert lines and lines[0]["via"].startswith("127.0.0.1")
    other = caller(1)
    assert edge_register(other, "203.0.113.8").status == 200


def edge_register(phone, received, patience=20.0):
    first = phone.wire.exchange(phone.build(via=via(phone, received)), patience)
    phone.take_challenge(first)
    line = "Authorization: " + phone.authorization()
    return phone.wire.exchange(phone.build(via=via(phone, received), headers=[line]), patience)


def ban_of_network(server, text):
    return server.api.get("/v1/bans/" + text).json if server.api.get("/v1/bans/" + text).status == 200 else None


def test_success_after_failures_is_a_security_event(guarded, caller):
    phone = caller(21, password="wrong")
    for _ in range(3):
        phone.challenge = None
        assert phone.register().status == 401
    phone.password, phone.challenge = "secret", None
    assert phone.register().status == 200
    until(lambda: guarded.events("success_after_failures"), "the event")
    event = guarded.events("success_after_failures")[0]
    assert event["source"].startswith("127.0.0.21") and event["aor"] == "sip:alice@example.com"


def test_phones_that_use_a_nonce_again_are_no_guessers(guarded, caller):
    """Old stacks know no qop or never raise nc; a site of them behind one address must not be banned."""
    phone = caller(31)
    assert phone.register().status == 200
    for _ in range(20):
        line = "Authorization: " + phone.authorization(count=1)
        assert phone.send(headers=[line]).status == 401, "the nonce was used"
    assert ban_of(guarded, 31) is None
    assert phone.register().status == 200
