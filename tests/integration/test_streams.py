# SPDX-License-Identifier: Apache-2.0
"""SIP over TCP: RFC 3261 sections 7.5 and 18.3, RFC 5626 keep-alives, limits and timeouts."""
import socket
import time

import pytest

from server import until
from sip import Wire, hostport, token

ENV = {"ROLLCALL_SIP_HEADER_TIMEOUT": "3", "ROLLCALL_SIP_MAX_MESSAGE": "16KiB"}


@pytest.fixture
def stream(shared, line, phones):
    return phones(shared, line.user, transport="tcp")


@pytest.fixture
def wire(shared):
    made = Wire(shared.tcp, "tcp")
    yield made
    made.close()


def option(phone, cseq):
    return phone.build([], method="OPTIONS", cseq=cseq)


def test_tcp_a_message_byte_by_byte(stream):
    for byte in stream.build([]).encode():
        stream.wire.send(bytes([byte]))
    assert stream.wire.receive().status == 401


def test_tcp_a_message_cut_anywhere(stream):
    text = stream.build([]).encode()
    for cut in range(1, len(text), 37):
        stream.wire.send(text[:cut])
        stream.wire.send(text[cut:] + text[:cut])
        stream.wire.send(text[cut:])
        assert [stream.wire.receive().status for _ in range(2)] == [401, 401]


def test_tcp_pipelined_requests_are_answered_in_order(stream):
    stream.wire.send("".join(option(stream, n) for n in range(1, 51)))
    assert [stream.wire.receive().get("CSeq") for _ in range(50)] == ["%d OPTIONS" % n for n in range(1, 51)]


def test_tcp_pipelined_registers_are_all_carried_out(shared, stream):
    stream.take_challenge(stream.send())
    stream.wire.send("".join(stream.build(["<sip:a%d@192.0.2.1>" % n], headers=["Authorization: " + stream.authorization()])
                             for n in range(5)))
    assert [stream.wire.receive().status for _ in range(5)] == [200] * 5
    assert len(shared.api.bindings(stream.user)) == 5


def test_rfc3261_18_3_the_body_is_cut_by_content_length(stream):
    body = "v=0\r\n\r\nREGISTER sip:example.com SIP/2.0\r\n\r\n"
    text = option(stream, 1).replace("Content-Length: 0", "Content-Length: %d" % len(body))
    stream.wire.send(text + body + option(stream, 2))
    assert [stream.wire.receive().get("CSeq") for _ in range(2)] == ["1 OPTIONS", "2 OPTIONS"]


def test_rfc4475_3_1_2_2_a_short_body_is_waited_for(stream):
    text = option(stream, 1).replace("Content-Length: 0", "Content-Length: 10")
    stream.wire.send(text + "12345")
    stream.wire.send("67890" + option(stream, 2))
    assert [stream.wire.receive().get("CSeq") for _ in range(2)] == ["1 OPTIONS", "2 OPTIONS"]


@pytest.mark.parametrize("value", ["Content-Length: -999", "Content-Length: 1x", "Content-Length: ",
                                   "Content-Length: 0\r\nl: 0", "Content-Length: 99999999999999999999", "X: y"])
def test_rfc3261_20_14_without_a_usable_content_length_a_stream_ends_with_400(shared, stream, value):
    stream.take_challenge(stream.send())
    text = stream.build(headers=["Authorization: " + stream.authorization()]).replace("Content-Length: 0", value)
    stream.wire.send(text)
    assert stream.wire.receive().status == 400
    assert stream.wire.at_end()
    assert shared.api.bindings(stream.user) == [], "and is not carried out"


@pytest.mark.parametrize("text", ["Content-Length: 100000", "Content-Length: 0\r\nSubject: " + "x" * 20000])
def test_beyond_sip_max_message_513_and_the_end(shared, stream, text):
    """The answer arrives although more was sent than is read."""
    stream.wire.send(option(stream, 1).replace("Content-Length: 0", text))
    try:
        stream.wire.send(b"y" * 60000)
    except OSError:
        pass
    answer = stream.wire.receive()
    assert answer.status == 513
    assert stream.wire.at_end()


def test_beyond_sip_max_message_513_over_udp_too(line):
    text = option(line, 1).replace("Content-Length: 0", "Content-Length: 20000") + "y" * 20000
    assert line.wire.exchange(text).status == 513
    text = option(line, 2).replace("Content-Length: 0", "Content-Length: 12000") + "y" * 12000
    assert line.wire.exchange(text).status == 200


def test_what_is_no_sip_ends_the_stream(wire):
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.at_end()


def test_rfc5626_4_4_1_each_ping_gets_a_pong(wire):
    wire.send("\r\n\r\n")
    assert wire.socket.recv(16) == b"\r\n"
    for part in ("\r", "\n\r", "\n"):
        wire.send(part)
    assert wire.socket.recv(16) == b"\r\n"
    wire.send("\r\n\r\n\r\n\r\n")
    got = b""
    while len(got) < 4:
        got += wire.socket.recv(16)
    assert got == b"\r\n\r\n"


def test_rfc5626_3_5_1_a_single_line_end_is_no_message_that_must_end(shared, stream):
    """A pong, or the keep-alive of an old phone: the connection outlives sip.header_timeout."""
    stream.wire.send("\r\n")
    begin = time.monotonic()
    watcher = Wire(shared.tcp, "tcp")  # an unfinished message, begun later, has its end first
    try:
        watcher.send("OPTIONS")
        assert watcher.at_end() and time.monotonic() - begin >= 0.9
    finally:
        watcher.close()
    stream.wire.send(option(stream, 5))
    assert stream.wire.receive().get("CSeq") == "5 OPTIONS"


def test_a_message_that_begins_behind_a_line_end_must_end_in_time(wire):
    begin = time.monotonic()
    wire.send("\r\n")
    wire.send("REGISTER sip:example.com SIP/2.0\r\nVia: ")
    assert wire.at_end() and time.monotonic() - begin >= 0.9


def test_a_pipelined_message_has_a_time_of_its_own(shared, stream):
    """A slow sender that finishes message by message is not cut off."""
    stream.wire.send(option(stream, 1) + option(stream, 2)[:30])
    assert stream.wire.receive().get("CSeq") == "1 OPTIONS"
    assert stream.wire.at_end(), "this one never ends"


def test_an_idle_connection_is_closed(start):
    server = start({"ROLLCALL_SIP_UNAUTHENTICATED_TIMEOUT": "1"})
    wire = Wire(server.tcp, "tcp")
    try:
        assert wire.at_end()
    finally:
        wire.close()


def test_an_authenticated_connection_has_the_long_timeout(start, phones):
    server = start({"ROLLCALL_SIP_UNAUTHENTICATED_TIMEOUT": "5", "ROLLCALL_SIP_IDLE_TIMEOUT": "60"})
    server.api.add_user("alice")
    phone = phones(server, transport="tcp")
    assert phone.register().status == 200
    watcher = Wire(server.tcp, "tcp")
    try:
        assert watcher.at_end(), "who has not authenticated goes"
    finally:
        watcher.close()
    assert phone.register().status == 200, "who has stays"


def test_two_registrations_on_one_connection(shared, line, stream):
    assert stream.register().status == 200
    shared.api.add_user("second-" + line.user)
    stream.user = stream.auth_user = "second-" + line.user
    stream.call_id, stream.challenge = token(), None
    assert stream.register().status == 200
    assert len(shared.api.bindings("second-" + line.user)) == 1


def test_a_refresh_over_another_connection_moves_the_binding(shared, line, phones, stream):
    assert stream.register().status == 200
    again = phones(shared, line.user, transport="tcp", call_id=stream.call_id, cseq=100)
    again.contact = stream.contact
    assert again.register().status == 200
    binding, = shared.api.bindings(line.user)
    assert binding["source"] == hostport(again.wire.local)


def test_a_sender_that_ends_its_half_is_let_go(shared, wire):
    wire.send("OPTIONS")
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.at_end()


def test_a_new_client_on_an_old_port_takes_nothing_of_the_old_ones(start, phones):
    """What Flexisip's suite calls port hijack: the address is the same, the flow is not."""
    server = start({"ROLLCALL_REGISTRAR_CLOSED_FLOW": "mark"})
    for user in ("alice", "bob"):
        server.api.add_user(user)
    old = phones(server, transport="tcp", source=("127.0.93.1", 0))
    assert old.register().status == 200
    source = old.wire.local
    # Closed at once, so that the port is free again
    old.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    old.close()
    until(lambda: server.api.bindings("alice")[0].get("unreachable"), "the mark")
    new = phones(server, "bob", transport="tcp", source=source)
    assert new.register().status == 200
    assert [b["contact"] for b in server.api.bindings("bob")] == [new.contact]
    binding, = server.api.bindings("alice")
    assert binding["unreachable"], "another connection from there is not alice's"
    binding, = server.api.bindings("bob")
    assert not binding.get("unreachable")
