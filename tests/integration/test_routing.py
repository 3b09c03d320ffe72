# SPDX-License-Identifier: Apache-2.0
"""Where responses go: RFC 3261 section 18.2, RFC 3581; and both over IPv6."""
import contextlib
import re
import socket

import pytest

from server import Rollcall
from sip import NoAnswer, Phone, Response, Wire, hostport, token


@pytest.fixture
def six(ipv6, start):
    return start({"ROLLCALL_SIP_LISTEN": "udp://[::1]:0,tcp://[::1]:0,udp://127.0.0.1:0,tcp://127.0.0.1:0"})


def branch():
    return "z9hG4bK" + token()


def listener(host="127.0.0.1"):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(20)
    return made


# ---- RFC 3581

def test_rfc3581_4_rport_gets_the_port_and_received_always(line):
    host, port = line.wire.local
    for sent_by in ("192.0.2.99:5099", hostport((host, port)), "phone.example.org", "192.0.2.99"):
        top = line.send(via="SIP/2.0/UDP %s;branch=%s;rport" % (sent_by, branch())).get("Via")
        assert ";received=%s" % host in top and ";rport=%d" % port in top


def test_rfc3581_4_what_the_client_claims_of_itself_is_not_trusted(line):
    via = "SIP/2.0/UDP 192.0.2.99;received=192.0.2.66;rport=1;branch=%s;x=y" % branch()
    top = line.send(via=via).get("Via")
    assert re.findall(r"received=[^;]*", top) == ["received=127.0.0.1"]
    assert re.findall(r"rport=?[^;]*", top) == ["rport=%d" % line.wire.local[1]]
    assert ";x=y" in top and "branch=" in top


def test_rfc3581_4_the_answer_comes_from_the_port_that_was_asked(shared, line):
    """The socket is connected: what came from elsewhere would not be seen."""
    assert line.send().status == 401


def test_rfc3261_18_2_1_received_only_where_sent_by_is_another_host(shared):
    with listener() as sock:
        port = sock.getsockname()[1]
        phone = Phone(shared.udp, "nobody", "x")
        try:
            for sent_by, received in (("127.0.0.1:%d" % port, False), ("192.0.2.5:%d" % port, True),
                                      ("localhost:%d" % port, True)):
                sock.sendto(phone.build(via="SIP/2.0/UDP %s;branch=%s" % (sent_by, branch())).encode(), shared.udp)
                top = Response(sock.recv(65536)).get("Via")
                assert ("received=127.0.0.1" in top) == received and "rport" not in top
        finally:
            phone.close()


# ---- RFC 3261 section 18.2.2

def test_rfc3261_18_2_2_without_rport_it_goes_to_the_port_of_sent_by(shared):
    """To the address that it came from: a Via's host aims at nobody."""
    with listener() as other, listener() as asks:
        port = other.getsockname()[1]
        phone = Phone(shared.udp, "nobody", "x")
        try:
            text = phone.build(via="SIP/2.0/UDP 192.0.2.5:%d;branch=%s" % (port, branch()))
        finally:
            phone.close()
        asks.sendto(text.encode(), shared.udp)
        assert Response(other.recv(65536)).status == 401


def test_rfc3261_18_2_2_without_a_port_it_goes_to_5060(shared):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.91.7", 5060))
        sock.settimeout(20)
        phone = Phone(shared.udp, "nobody", "x")
        try:
            text = phone.build(via="SIP/2.0/UDP 192.0.2.5;branch=%s" % branch())
        finally:
            phone.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
            asks.bind(("127.0.91.7", 0))
            asks.sendto(text.encode(), shared.udp)
        assert Response(sock.recv(65536)).status == 401


def test_rfc3261_18_2_2_maddr_takes_the_answer(shared):
    with listener("127.0.0.3") as other, listener() as asks:
        phone = Phone(shared.udp, "nobody", "x")
        try:
            text = phone.build(via="SIP/2.0/UDP 192.0.2.5:%d;maddr=127.0.0.3;branch=%s" % (
                other.getsockname()[1], branch()))
        finally:
            phone.close()
        asks.sendto(text.encode(), shared.udp)
        assert Response(other.recv(65536)).status == 401


def test_rfc3261_18_2_2_over_tcp_it_goes_back_on_the_connection(shared, line, phones):
    stream = phones(shared, line.user, transport="tcp")
    for via in ("SIP/2.0/TCP 192.0.2.5:9;branch=%s", "SIP/2.0/TCP 192.0.2.5;maddr=192.0.2.6;branch=%s",
                "SIP/2.0/UDP 192.0.2.5:9;branch=%s;rport"):
        assert stream.send(via=via % branch()).status == 401


@pytest.mark.parametrize("via", ["SIP/2.0/UDP host:0;branch=z9hG4bKx", "SIP/2.0/UDP a b;branch=z9hG4bKx",
                                 "UDP 192.0.2.1;branch=z9hG4bKx", "SIP/2.0/UDP 192.0.2.1;rport=99999",
                                 "SIP/2.0/UDP 192.0.2.1;rport;rport", "SIP/2.0/UDP", ""])
def test_a_via_that_is_none_does_no_harm(line, via):
    line.wire.send(line.build([], via=via or " "))
    answer = line.wire.exchange(line.build([], method="OPTIONS", cseq=79))
    while answer.get("CSeq") != "79 OPTIONS":
        assert answer.status == 400
        answer = line.wire.receive()


# ---- IPv6

@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv6_received_has_no_brackets_and_sources_are_shown_with_them(six, phones, transport):
    six.api.add_user("alice")
    phone = phones(six, transport=transport, family=6)
    assert phone.register().status == 200
    via = "SIP/2.0/%s [2001:db8::9]:5099;branch=%s;rport" % (transport.upper(), branch())
    top = phone.register(via=via).get("Via")
    assert ";received=::1;" in top + ";" and ";rport=%d" % phone.wire.local[1] in top
    binding, = six.api.bindings("alice")
    assert binding["source"] == "[::1]:%d" % phone.wire.local[1] and binding["contact"] == phone.contact
    assert phone.wire.local[0] == "::1" and "[::1]" in phone.contact


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv6_a_phone_configured_by_address_means_the_default_domain(six, phones, transport):
    six.api.add_user("alice")
    phone = phones(six, transport=transport, family=6, domain="[::1]")
    assert phone.register().status == 200
    assert len(six.api.bindings("alice")) == 1


def test_both_families_are_one_registrar(six, phones):
    six.api.add_user("alice")
    assert phones(six, family=6).register().status == 200
    assert len(phones(six, family=4).register().contacts()) == 2


def test_on_a_wildcard_address_the_answer_comes_from_the_one_that_was_asked(tmp_path):
    server = Rollcall(tmp_path / "wild", {"ROLLCALL_SIP_LISTEN": "udp://0.0.0.0:0,tcp://0.0.0.0:0"}).start()
    try:
        server.api.add_user("alice")
        port = server.udp[1]
        for host in ("127.0.0.1", "127.0.0.2", "127.9.9.9"):
            phone = Phone((host, port), "alice", "secret", domain=host)
            try:
                assert phone.register().status == 200, "an address of ours means the default domain"
            finally:
                phone.close()
    finally:
        server.terminate()


def test_a_spoofed_sent_by_gets_nothing(shared, line):
    with listener("127.0.0.2") as victim:
        victim.settimeout(0.5)
        answer = line.send(via="SIP/2.0/UDP %s;branch=%s;rport" % (hostport(victim.getsockname()), branch()))
        assert answer.status == 401
        with pytest.raises(TimeoutError):
            victim.recv(1000)


def test_an_answer_is_fetched_by_nobody_else(shared, line):
    """A branch that another host guesses is another transaction."""
    first = line.register()
    assert first.status == 200
    other = Wire(shared.udp, source=("127.0.0.4", 0))
    try:
        answer = other.exchange(line.sent)
        assert answer.status == 401 and answer.all("Contact") == []
    finally:
        other.close()
    with contextlib.suppress(NoAnswer):
        assert line.wire.receive(0).raw == first.raw, "but what a slow machine was sent twice"
