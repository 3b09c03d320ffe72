# SPDX-License-Identifier: Apache-2.0
"""The torture messages of RFC 4475 and RFC 5118, byte for byte, at a registrar for example.com.

Where the RFC leaves the answer to a proxy or an endpoint, it is this registrar's that stands here: an
INVITE is redirected or refused (404: a foreign domain or no such user, 480: a user without bindings).
"""
import itertools
import pathlib
import re
import select
import socket

import pytest

from sip import NoAnswer, PATIENCE, Phone, Response, Wire, token

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
SILENCE = 0
# Ports that the messages' Vias name; answers go there.
PORTS = (5060, 5050, 5070, 6050, 19823)
ENV = {"ROLLCALL_ABUSE_EXEMPT": "127.0.0.0/8"}

RFC4475 = {
    # 3.1.1 valid messages
    "wsinv": ("3.1.1.1", 404), "intmeth": ("3.1.1.2", 501), "esc01": ("3.1.1.3", 404), "escnull": ("3.1.1.4", 401),
    "esc02": ("3.1.1.5", 501), "lwsdisp": ("3.1.1.6", 200), "longreq": ("3.1.1.7", 480), "dblreq": ("3.1.1.8", 401),
    "semiuri": ("3.1.1.9", 200), "transports": ("3.1.1.10", 200), "mpart01": ("3.1.1.11", 404),
    "unreason": ("3.1.1.12", SILENCE), "noreason": ("3.1.1.13", SILENCE),
    # 3.1.2 invalid messages
    "badinv01": ("3.1.2.1", 400), "clerr": ("3.1.2.2", 400), "ncl": ("3.1.2.3", 400), "scalar02": ("3.1.2.4", 400),
    "scalarlg": ("3.1.2.5", SILENCE), "quotbal": ("3.1.2.6", 400), "ltgtruri": ("3.1.2.7", 400),
    "lwsruri": ("3.1.2.8", 400), "lwsstart": ("3.1.2.9", 400), "trws": ("3.1.2.10", 400), "escruri": ("3.1.2.11", 400),
    "baddate": ("3.1.2.12", 480), "regbadct": ("3.1.2.13", 400), "badaspec": ("3.1.2.14", 400),
    "baddn": ("3.1.2.15", 400), "badvers": ("3.1.2.16", 505), "mismatch01": ("3.1.2.17", 400),
    "mismatch02": ("3.1.2.18", 400), "bigcode": ("3.1.2.19", SILENCE),
    # 3.2 transaction layer, 3.3 application layer, 3.4 RFC 2543
    "badbranch": ("3.2.1", 200), "insuf": ("3.3.1", 400), "unkscm": ("3.3.2", 416), "novelsc": ("3.3.3", 416),
    "unksm2": ("3.3.4", 400), "bext01": ("3.3.5", 420), "invut": ("3.3.6", 480), "regaut01": ("3.3.7", 401),
    "multi01": ("3.3.8", 400), "mcl01": ("3.3.9", 400), "bcast": ("3.3.10", SILENCE), "zeromf": ("3.3.11", 200),
    "cparam01": ("3.3.12", 401), "cparam02": ("3.3.13", 401), "regescrt": ("3.3.14", 401), "sdp01": ("3.3.15", 480),
    "inv2543": ("3.4.1", 404)}

RFC5118 = {
    "ipv6-good": ("4.1", 404), "ipv6-bad": ("4.2", 400), "port-ambiguous": ("4.3", 404), "port-unambiguous": ("4.4", 404),
    "via-received-param-with-delim": ("4.5", 404), "via-received-param-no-delim": ("4.5", 200),
    "ipv6-in-sdp": ("4.6", 404), "mult-ip-in-header": ("4.7", 404), "mult-ip-in-sdp": ("4.8", 404),
    "ipv4-mapped-ipv6": ("4.9", 480), "ipv6-bug-abnf-3-colons": ("4.10", 200),
    "ipv6-correct-abnf-2-colons": ("4.10", 200)}

MESSAGES = [("rfc4475", name, status) for name, (_, status) in RFC4475.items()] + \
           [("rfc5118", name, status) for name, (_, status) in RFC5118.items()]
hosts = ("127.47.%d.%d" % pair for pair in itertools.product(range(1, 250), range(1, 250)))


def message(folder, name):
    return (VECTORS / folder / (name + ".dat")).read_bytes()


@pytest.fixture(scope="module")
def registrar(shared):
    for user in ("user", "watson", "j.user"):
        shared.api.add_user(user)
    return shared


class Ports:
    """A host of its own that hears what is sent to any of the ports."""

    def __init__(self):
        self.host = next(hosts)
        self.sockets = []
        for port in PORTS:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((self.host, port))
            self.sockets.append(made)

    def close(self):
        for made in self.sockets:
            made.close()

    def send(self, data, server):
        self.sockets[0].sendto(data, server)

    def answers(self):
        """All answers to what was sent before the sentinel."""
        found = []
        while not any(a.get("CSeq") == "4711 OPTIONS" for a in found):
            found += self.ready(PATIENCE)
        found += self.ready(0)  # what went to other ports was sent before
        # A slow machine hears the answer to an INVITE again, at the same port (Timer G)
        return [a for i, a in enumerate(found) if a.get("CSeq") != "4711 OPTIONS" and not (
            (a.get("CSeq") or "").endswith("INVITE") and (a.port, a.raw) in [(b.port, b.raw) for b in found[:i]])]

    def ready(self, patience):
        ready = select.select(self.sockets, [], [], patience)[0]
        if not ready and patience:
            raise NoAnswer()
        found = []
        for each in ready:
            found.append(Response(each.recv(65536)))
            found[-1].port = each.getsockname()[1]
        return found


@pytest.fixture
def ports():
    made = Ports()
    yield made
    made.close()


def sentinel(host):
    """An OPTIONS that is answered after all that was sent before."""
    return ("OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKsentinel\r\nMax-Forwards: 0\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: sentinel\r\nCSeq: 4711 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n" % host).encode()


def test_every_message_of_both_rfcs_is_here():
    for folder, table in (("rfc4475", RFC4475), ("rfc5118", RFC5118)):
        assert sorted(p.stem for p in (VECTORS / folder).glob("*.dat")) == sorted(table)
    assert len(RFC4475) == 49 and len(RFC5118) == 12


@pytest.mark.parametrize("folder,name,status", MESSAGES)
def test_rfc4475_and_5118_over_udp(registrar, ports, folder, name, status):
    ports.send(message(folder, name), registrar.udp)
    ports.send(sentinel(ports.host), registrar.udp)
    answers = ports.answers()
    assert [a.status for a in answers] == ([status] if status else [])
    for answer in answers:
        copied = re.search(rb"^(?:i|call-id)[ \t]*:[ \t]*([^\r]*)", message(folder, name), re.MULTILINE | re.IGNORECASE)
        assert answer.get("Call-ID") == (copied and copied.group(1).decode("utf-8", "surrogateescape"))


def has_length(data):
    head = data.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.MULTILINE | re.IGNORECASE)
    return len(found) == 1 and int(found[0]) == len(data) - len(head) - 4


@pytest.mark.parametrize("folder,name,status", [m for m in MESSAGES if has_length(message(m[0], m[1]))])
def test_rfc4475_and_5118_over_tcp(registrar, folder, name, status):
    wire = Wire(registrar.tcp, "tcp")
    try:
        wire.send(message(folder, name) + sentinel("127.0.0.1").replace(b"UDP", b"TCP"))
        answers = [wire.receive()]
        while answers[-1].get("CSeq") != "4711 OPTIONS":
            answers.append(wire.receive())
        assert [a.status for a in answers[:-1]] == ([status] if status else [])
    finally:
        wire.close()


@pytest.mark.parametrize("name", ["ncl", "mcl01"])
def test_rfc4475_a_stream_that_cannot_be_framed_is_closed(registrar, name):
    wire = Wire(registrar.tcp, "tcp")
    try:
        wire.send(message("rfc4475", name))
        assert wire.receive().status == 400 and wire.at_end()
    finally:
        wire.close()


def test_rfc4475_3_1_2_2_a_stream_waits_for_the_rest(start):
    server = start({"ROLLCALL_SIP_HEADER_TIMEOUT": "1"})
    wire = Wire(server.tcp, "tcp")
    try:
        wire.send(message("rfc4475", "clerr"))
        assert wire.at_end(), "and for no answer to half a message"
    finally:
        wire.close()


def test_rfc4475_3_1_1_8_what_follows_the_body_in_a_datagram_is_ignored_and_in_a_stream_is_not(registrar, ports):
    ports.send(message("rfc4475", "dblreq"), registrar.udp)
    ports.send(sentinel(ports.host), registrar.udp)
    assert [a.get("CSeq") for a in ports.answers()] == ["8 REGISTER"]
    wire = Wire(registrar.tcp, "tcp")
    try:
        wire.send(message("rfc4475", "dblreq"))
        assert [wire.receive().get("CSeq") for _ in range(2)] == ["8 REGISTER", "8 INVITE"]
    finally:
        wire.close()


def authorized(registrar, name, user):
    """The message sent with credentials of `user`, over TCP so that its Via matters not; the answer."""
    phone = Phone(registrar.tcp, user, "secret", transport="tcp")
    try:
        phone.take_challenge(phone.send())
        head, _, body = message("rfc4475", name).decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        head = head.replace("branch=z9hG4bK", "branch=z9hG4bK" + token())  # not the one that had a 401
        return phone.wire.exchange(head + "\r\nAuthorization: " + phone.authorization() + "\r\n\r\n" + body)
    finally:
        phone.close()


def test_rfc4475_3_3_12_a_parameter_behind_the_brackets_is_the_headers(registrar):
    answer = authorized(registrar, "cparam01", "watson")
    assert answer.status == 200 and list(answer.contacts()) == ["sip:+19725552222@gw1.example.net"]
    assert "unknownparam" in answer.contacts()["sip:+19725552222@gw1.example.net"]
    registrar.api.delete("/v1/domains/example.com/users/watson/bindings")


def test_rfc4475_3_3_13_a_parameter_within_is_the_uris(registrar):
    answer = authorized(registrar, "cparam02", "watson")
    assert answer.status == 200 and list(answer.contacts()) == ["sip:+19725552222@gw1.example.net;unknownparam"]
    registrar.api.delete("/v1/domains/example.com/users/watson/bindings")


def test_rfc4475_3_3_14_an_escaped_header_is_kept_and_never_acted_on(registrar):
    registrar.api.add_user("user")
    answer = authorized(registrar, "regescrt", "user")
    assert answer.status == 200
    assert list(answer.contacts()) == ["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]
    assert answer.all("Route") == []
    registrar.api.delete("/v1/domains/example.com/users/user/bindings")


def test_rfc4475_3_1_1_8_a_register_before_other_bytes_is_carried_out_once(registrar):
    before = registrar.api.bindings("j.user")
    phone = Phone(registrar.udp, "j.user", "secret")
    try:
        phone.take_challenge(phone.send())
        line = phone.authorization()
        text = phone.build(headers=["Authorization: " + line])
        assert phone.wire.exchange(text + "INVITE sip:joe@example.com SIP/2.0\r\n\r\n").status == 200
        assert len(registrar.api.bindings("j.user")) == len(before) + 1
    finally:
        phone.close()


def test_rfc4475_3_1_1_4_two_contacts_that_differ_behind_a_nul_are_two(line):
    contacts = ["<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>"]
    assert sorted(line.register(contacts).contacts()) == sorted(c.strip("<>") for c in contacts)


def test_rfc5118_4_1_ipv6_literals_in_every_place_of_a_register(ipv6, start, phones):
    server = start({"ROLLCALL_SIP_LISTEN": "udp://[::1]:0"})
    assert server.api.patch("/v1/domains/example.com", {"aliases": ["2001:db8::10"]}).status == 200
    server.api.add_user("alice")
    phone = phones(server, family=6, domain="[2001:db8::10]")
    contact = "sip:alice@[2001:db8::1]:5062"
    answer = phone.register(["<%s>" % contact])
    assert answer.status == 200 and list(answer.contacts()) == [contact]
    # Section 4.3: what looks like a port within the brackets is none
    assert phones(server, family=6, domain="[2001:db8::10:5070]").send().status == 404
    # Section 4.4: behind them it is one
    assert phone.register(uri="sip:[2001:db8::10]:5070").status == 200
