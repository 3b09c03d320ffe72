# SPDX-License-Identifier: Apache-2.0
"""RFC 3261 section 17.2.2: the server transaction, and TCP framing (section 18.3)."""
import time

from sip import NoAnswer, Wire, hostport, token


def test_retransmitted_register_gets_the_same_bytes(rollcall, phone):
    first = phone.register()
    before = rollcall.api.bindings("alice")
    for _ in range(3):
        assert phone.wire.exchange(phone.sent).raw == first.raw
    assert rollcall.api.bindings("alice") == before


def test_retransmitted_challenge_gets_the_same_bytes(phone):
    first = phone.send()
    assert phone.wire.exchange(phone.sent).raw == first.raw


def test_a_retransmission_over_a_restart_changes_nothing(rollcall, phone):
    assert phone.register().status == 200
    before = rollcall.api.bindings("alice")
    rollcall.restart()
    assert phone.wire.exchange(phone.sent).status in (200, 401)
    assert rollcall.api.bindings("alice") == before


def test_rfc3261_17_2_3_another_sent_by_is_another_transaction(phone):
    via = "SIP/2.0/UDP %s;branch=z9hG4bKsame;rport"
    one = phone.send(via=via % "192.0.2.1:5060", cseq=1)
    two = phone.send(via=via % "192.0.2.2:5060", cseq=1)
    assert one.raw != two.raw and "192.0.2.2" in two.get("Via")


def test_ack_and_stray_responses_get_silence(phone):
    phone.wire.send(phone.build([], method="ACK"))
    phone.wire.send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                    "To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                    % hostport(phone.wire.local))
    # What does answer comes back, and nothing before it: the server takes them in order.
    phone.wire.send(phone.build([], method="OPTIONS", cseq=77))
    assert phone.wire.receive().get("CSeq") == "77 OPTIONS"


def test_rfc4475_3_1_1_8_bytes_after_the_body_of_a_datagram_are_ignored(phone):
    text = phone.build() + phone.build([], method="OPTIONS")
    assert phone.wire.exchange(text).status == 401
    try:
        assert phone.wire.receive(0.3).get("CSeq").endswith("REGISTER")
    except NoAnswer:
        pass


def test_tcp_a_message_byte_by_byte(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    for byte in phone.build(contacts=[]).encode():
        phone.wire.send(bytes([byte]))
    assert phone.wire.receive().status == 401


def test_tcp_pipelined_requests_are_answered_in_order(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    phone.wire.send("".join(phone.build([], method="OPTIONS", cseq=n) for n in range(1, 51)))
    assert [phone.wire.receive().get("CSeq") for _ in range(50)] == [
        "%d OPTIONS" % n for n in range(1, 51)]


def test_tcp_body_by_content_length(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    body = "v=0\r\n\r\nREGISTER sip:example.com SIP/2.0\r\n\r\n"
    text = phone.build([], method="OPTIONS", cseq=1).replace(
        "Content-Length: 0", "Content-Length: %d" % len(body))
    phone.wire.send(text + body + phone.build([], method="OPTIONS", cseq=2))
    assert phone.wire.receive().get("CSeq") == "1 OPTIONS"
    assert phone.wire.receive().get("CSeq") == "2 OPTIONS"


def test_rfc5626_3_5_1_crlf_ping_gets_a_pong(rollcall):
    wire = Wire(rollcall.tcp, "tcp")
    try:
        wire.send("\r\n\r\n")
        assert wire.socket.recv(16) == b"\r\n"
    finally:
        wire.close()


def test_tcp_two_registrations_on_one_connection(rollcall, phones):
    rollcall.api.add_user("bob")
    phone = phones(rollcall, transport="tcp")
    assert phone.register().status == 200
    phone.user, phone.auth_user, phone.call_id, phone.challenge = "bob", "bob", token(), None
    assert phone.register().status == 200
    assert len(rollcall.api.bindings("bob")) == 1


def test_rfc4475_3_1_2_3_negative_content_length_closes_the_stream(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    phone.wire.send(phone.build().replace("Content-Length: 0", "Content-Length: -999"))
    assert phone.wire.at_end()


def test_tcp_without_end_of_headers_is_closed_in_time(start, phones):
    server = start({"ROLLCALL_SIP_HEADER_TIMEOUT": "1"})
    wire = Wire(server.tcp, "tcp")
    try:
        begin = time.monotonic()
        wire.send("REGISTER sip:example.com SIP/2.0\r\nVia: ")
        assert wire.at_end()
        assert time.monotonic() - begin >= 0.9
    finally:
        wire.close()


def test_tcp_an_idle_connection_is_closed(start, phones):
    server = start({"ROLLCALL_SIP_UNAUTHENTICATED_TIMEOUT": "1"})
    wire = Wire(server.tcp, "tcp")
    try:
        assert wire.at_end()
    finally:
        wire.close()


def test_tcp_a_message_beyond_the_limit_gets_513_and_the_end(start, phones):
    server = start({"ROLLCALL_SIP_MAX_MESSAGE": "16KiB"})
    server.api.add_user("alice")
    phone = phones(server, transport="tcp")
    try:
        phone.wire.send(phone.build(headers=["Subject: " + "x" * 2000] * 20))
        assert phone.wire.receive().status == 513
    except (ConnectionError, BrokenPipeError):
        pass  # a reset may overtake the answer
    other = phones(server, transport="tcp")
    assert other.register().status == 200


def test_a_closed_connection_takes_no_answer_meant_for_another(rollcall, phones):
    """What flexisip's suite calls port hijack: a new client on the old port gets nothing."""
    phone = phones(rollcall, transport="tcp")
    assert phone.register().status == 200
    source = phone.wire.local
    phone.close()
    wire = Wire(rollcall.tcp, "tcp")
    try:
        wire.send(phone.build([], method="OPTIONS", cseq=5).replace(hostport(source), hostport(wire.local)))
        assert wire.receive().get("CSeq") == "5 OPTIONS"
    finally:
        wire.close()
