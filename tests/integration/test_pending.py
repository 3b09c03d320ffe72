# SPDX-License-Identifier: Apache-2.0
"""A REGISTER that waits for the store: retransmissions, 100 (RFC 4320), merged requests (RFC 3261 section 8.2.2.2),
and connections that end meanwhile. The wait is a disk that is held at its sync."""
import re
import socket
import time

import pytest

import faults
from server import until
from sip import NoAnswer, token


@pytest.fixture
def held(start, tmp_path, phones):
    """held(phone): the phone's REGISTER has reached the disk and waits there; its bytes."""
    disk = faults.Faults(tmp_path / "words")
    server = start(disk.env)
    server.api.add_user("alice")

    def hold(phone, **options):
        phone.take_challenge(phones(server).send())  # one that is sent twice is not answered here
        disk[faults.HOLD] = 1
        text = phone.build(headers=["Authorization: " + phone.authorization()], **options)
        phone.wire.send(text)
        until(lambda: disk[faults.HELD], "the writer at its sync")
        return text

    hold.server = server
    hold.go_on = lambda: disk.__setitem__(faults.HOLD, 0)
    yield hold
    hold.go_on()


def test_rfc3261_17_2_2_a_retransmission_while_it_waits_is_absorbed(held, phones):
    phone = phones(held.server)
    text = held(phone)
    for _ in range(3):
        phone.wire.send(text)
    phone.wire.send(phone.build([], method="OPTIONS", cseq=900))
    assert phone.wire.receive().get("CSeq") == "900 OPTIONS", "nothing was said before it"
    held.go_on()
    assert phone.wire.receive().status == 200
    with pytest.raises(NoAnswer):
        phone.wire.receive(0.3)
    assert len(held.server.api.bindings("alice")) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc4320_4_1_no_100_before_the_timer_and_one_after_it(held, phones, transport):
    """Over UDP a 100 that comes before Timer E is at T2 only makes the client wait longer."""
    phone = phones(held.server, transport=transport)
    begin = time.monotonic()
    text = held(phone)
    first = phone.wire.receive()
    assert first.status == 100 and time.monotonic() - begin >= 3.4
    assert "tag=" not in first.get("To").partition(">")[2], "a 100 has no To tag"
    if transport == "udp":
        phone.wire.send(text)
        assert phone.wire.receive().status == 100, "a retransmission gets the last provisional response"
    held.go_on()
    assert phone.wire.receive().status == 200


def test_rfc3261_8_2_2_2_the_same_request_by_another_way_is_482(held, phones):
    phone = phones(held.server)
    text = held(phone)
    phone.wire.send(re.sub(r"branch=z9hG4bK\w+", "branch=z9hG4bK" + token(), text))
    merged = phone.wire.receive()
    assert merged.status == 482 and merged.reason == "Loop Detected"
    held.go_on()
    assert phone.wire.receive().status == 200


def test_a_to_tag_or_another_cseq_makes_it_no_merged_request(held, phones):
    phone = phones(held.server)
    held(phone, cseq=50)
    assert phone.send(cseq=50, to="<sip:alice@example.com>;tag=theirs").status == 401
    assert phone.send(cseq=51).status == 401
    held.go_on()
    assert phone.wire.receive().status == 200


def test_a_connection_that_ends_while_it_waits_gets_nothing_and_its_register_holds(held, phones):
    server = held.server
    server.api.add_user("bob")
    phone = phones(server, transport="tcp", source=("127.0.93.2", 0))
    held(phone)
    source = phone.wire.local
    phone.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    phone.close()
    after = phones(server, "bob", transport="tcp", source=source)
    assert after.send([], method="OPTIONS").status == 200
    held.go_on()
    until(lambda: server.api.bindings("alice"), "the binding")
    after.wire.send(after.build([], method="OPTIONS", cseq=901))
    assert after.wire.receive().get("CSeq") == "901 OPTIONS", "who has the port now gets no answer of the other"


def test_a_client_that_ends_its_sending_half_gets_its_answer(held, phones):
    """As netcat and scripts do."""
    phone = phones(held.server, transport="tcp")
    held(phone)
    phone.wire.socket.shutdown(socket.SHUT_WR)
    time_for_the_end = phones(held.server, transport="tcp")
    assert time_for_the_end.send().status == 401
    held.go_on()
    assert phone.wire.receive().status == 200
    assert phone.wire.at_end()


def test_a_stream_that_cannot_be_framed_still_gets_the_answers_before(held, phones):
    phone = phones(held.server, transport="tcp")
    held(phone)
    phone.wire.send(phone.build([], method="OPTIONS", cseq=77).replace("Content-Length: 0", "Content-Length: -1"))
    bad = phone.wire.receive()
    assert bad.status == 400 and bad.get("CSeq") == "77 OPTIONS"
    held.go_on()
    assert phone.wire.receive().status == 200
    assert phone.wire.at_end()


def test_rfc3261_10_3_the_order_of_arrival_holds_through_a_wait(held, phones):
    phone = phones(held.server)
    held(phone, contacts=["<sip:a@192.0.2.1>"])
    phone.wire.send(phone.build(["<sip:a@192.0.2.1>;expires=0", "<sip:b@192.0.2.1>"],
                                headers=["Authorization: " + phone.authorization()]))
    phone.wire.send(phone.build([], headers=["Authorization: " + phone.authorization()]))
    held.go_on()
    answers = sorted((phone.wire.receive() for _ in range(3)), key=lambda a: int(a.get("CSeq").split()[0]))
    assert [list(a.contacts()) for a in answers] == [["sip:a@192.0.2.1"], ["sip:b@192.0.2.1"], ["sip:b@192.0.2.1"]]
