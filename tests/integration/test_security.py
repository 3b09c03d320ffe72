# SPDX-License-Identifier: Apache-2.0
"""What docs/security.md promises and no other file shows."""
import random
import re

import pytest

from server import SOURCE, taken, until
from sip import Wire

FAIL2BAN = SOURCE / "docs" / "fail2ban" / "rollcall.conf"


def test_a_challenge_is_hardly_larger_than_its_request(rollcall, phones):
    phone = phones(rollcall, "nobody")
    short = "\r\n".join(["REGISTER sip:example.com SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bKx;rport",
                         "From: <sip:a@example.com>;tag=1", "To: <sip:a@example.com>", "Call-ID: 1",
                         "CSeq: 1 REGISTER", "Content-Length: 0", "", ""])
    for request in (short, phone.build()):
        answer = Wire(rollcall.udp).exchange(request) if request is short else phone.wire.exchange(request)
        assert answer.status == 401
        assert len(answer.raw) <= 2.2 * len(request)


def test_a_name_cannot_forge_a_line_of_the_log(rollcall, phones):
    name = 'x%22%20msg=%22%0a2026-01-01T00%3A00%3A00.000Z%20warning%20event=banned%20source=192.0.2.1'
    phone = phones(rollcall, name, "wrong", auth_user="nobody", user_agent='evil" event=ready')
    assert phone.register().status == 401
    plain = phones(rollcall, "b event=banned source=192.0.2.1%3A5".replace(" ", "%20"), "wrong")
    assert plain.register().status == 401
    until(lambda: len(rollcall.events("unknown_user")) >= 2, "the lines")
    assert not rollcall.events("banned")
    for line in rollcall.log:
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z (debug|info|warning|error) event=\w+", line), line


def test_no_secret_of_a_user_is_in_the_log(start, phones):
    server = start({"ROLLCALL_LOG_LEVEL": "debug"})
    server.api.add_user("alice", password="Geheimnis-17")
    phone = phones(server, password="Geheimnis-17")
    assert phone.register().status == 200
    response = re.search(r'response="(\w+)"', phone.sent).group(1)
    assert phones(server, password="Geheimnis-18").register().status == 401
    assert server.api.put("/v1/domains/example.com/users/alice", {"password": 17}).status == 422
    server.api.request("GET", "/v1/stats", None, {"Authorization": "Bearer Geheimnis-19"})
    until(lambda: server.events("wrong_password"), "the line of the failure")
    for secret in ("Geheimnis", response, server.env["ROLLCALL_API_ADMIN_TOKEN"]):
        assert secret not in server.text()


def fail2ban_pattern():
    text = FAIL2BAN.read_text()
    pattern = re.search(r"^failregex = (.*)$", text, re.MULTILINE).group(1)
    return re.compile(pattern.replace("<ADDR>", r"(?P<address>[0-9a-fA-F:.]+?)"))


def found_by_fail2ban(line):
    """As fail2ban does it: the time is taken out, then the expression has to match."""
    rest = re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "", line)
    match = fail2ban_pattern().search(rest)
    return match and match.group("address")


def test_the_filter_for_fail2ban_finds_who_fails_and_nobody_else(start, phones, ipv6):
    server = start({"ROLLCALL_SIP_LISTEN": "udp://127.0.0.1:0,udp://[::1]:0,tcp://127.0.0.1:0"})
    server.api.add_user("alice")
    assert phones(server, password="wrong").register().status == 401
    assert phones(server, "nobody source=192.0.2.9%3A5".replace(" ", "%20")).register().status == 401
    assert phones(server, password="wrong", family=6).register().status == 401
    assert phones(server).register().status == 200
    server.api.request("GET", "/v1/stats", None, {"Authorization": "Bearer wrong"})
    until(lambda: server.events("api_token_wrong"), "the last line")
    found = [a for a in map(found_by_fail2ban, server.log) if a]
    assert sorted(found) == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "::1"]


def test_the_filter_for_fail2ban_takes_no_source_that_may_be_spoofed(rollcall, phones):
    phone = phones(rollcall)
    phone.challenge = {"realm": "example.com", "nonce": "never-sent", "qop": "auth"}
    phone.send(headers=["Authorization: " + phone.authorization()])
    line = until(lambda: [e for e in rollcall.events("bad_credentials")], "the line")[0]
    assert line["spoofable"] == "yes" and line["source"].startswith("127.0.0.1:")
    assert not any(map(found_by_fail2ban, rollcall.log))


def torture():
    return sorted((SOURCE / "tests" / "vectors").glob("rfc*/*.dat"))


def mutated(generator, data):
    """One to eight changes of the kinds that find faults in parsers."""
    data = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        at, kind = generator.randrange(len(data) + 1), generator.randrange(6)
        end = min(len(data), at + generator.randint(1, 40))
        if kind == 0 and at < len(data):
            data[at] = generator.randrange(256)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * generator.randint(1, 20)
        elif kind == 3:
            data[at:at] = generator.choice([b"\r\n", b"\0", b"%00", b'"', b"<", b">", b",", b";", b"\r", b"=", b"[", b"@"])
        elif kind == 4:
            data[at:end] = generator.choice([b"99999999999", b"-1", b"z9hG4bK", b"sip:", b"*", b"expires=", b"Digest "])
        else:
            other = bytearray(generator.choice(torture()).read_bytes())
            data[at:at] = other[generator.randrange(len(other)):][:generator.randint(1, 200)]
    return bytes(data[:65000])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_mutated_traffic_over_real_sockets_does_no_harm(rollcall, phones, transport):
    phone = phones(rollcall)
    assert phone.register().status == 200
    before = rollcall.api.bindings("alice")
    generator = random.Random(4475)
    good = phone.build(headers=["Authorization: " + phone.authorization(count=1)]).encode()
    seeds = [path.read_bytes() for path in torture()] + [good] * 20
    wire, other = Wire(rollcall.address(transport), transport), phones(rollcall)
    for n in range(3000):
        try:
            wire.socket.send(mutated(generator, generator.choice(seeds)))
        except OSError:
            wire.close()
            wire = Wire(rollcall.address(transport), transport)
        if n % 50 == 0:  # no faster than they are read
            assert other.send(method="OPTIONS", contacts=[]).status == 200
    wire.close()
    assert other.send(method="OPTIONS", contacts=[]).status == 200
    assert rollcall.api.bindings("alice") == before, "no mutation registers, for the count was used"
    assert taken(other.register).status == 200


def test_a_client_that_never_reads_is_closed_and_costs_nobody(start, phones):
    server = start()
    server.api.add_user("alice")
    greedy = Wire(server.tcp, "tcp")
    greedy.socket.setblocking(False)
    ping = phones(server, transport="tcp").build(method="OPTIONS", contacts=[]).encode()
    sent = 0
    with pytest.raises((BlockingIOError, ConnectionError, BrokenPipeError)):
        while sent < 400 * 1024 * 1024:
            sent += greedy.socket.send(ping * 20)
    assert phones(server).register().status == 200
    assert phones(server, transport="tcp").register().status == 200
    greedy.close()
