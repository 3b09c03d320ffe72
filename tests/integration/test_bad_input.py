# SPDX-License-Identifier: Apache-2.0
"""Anything at all may arrive on any port: the sender gets 400 or nothing, and the service goes on."""
import os
import pathlib
import random
import socket

import pytest

from server import BINARY, taken
from sip import Wire

BURST = 50


def still_works(server, phones, **options):
    phone = phones(server, **options)
    assert taken(phone.register).status == 200
    assert phone.unregister().status == 200


def mutations(text, seed, count):
    generator = random.Random(seed)
    for _ in range(count):
        data = bytearray(text)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(data))
            what = generator.randrange(4)
            if what == 0:
                data[at] = generator.randrange(256)
            elif what == 1:
                del data[at:at + generator.randint(1, 40)]
            elif what == 2:
                data[at:at] = data[at:at + 30] * generator.randint(1, 20)
            else:
                data[at:at] = generator.choice([b"\0", b"%00", b"\r\n", b"\r\n ", b'"', b"<", b",", b";=", b"\xff"])
            if not data:
                data = bytearray(b"x")
        yield bytes(data)


def test_datagrams_of_any_kind_do_no_harm(rollcall, phones):
    phone, other = phones(rollcall), phones(rollcall)
    phone.register()
    valid = phone.sent.encode()
    wire = Wire(rollcall.udp)
    try:
        for size in (0, 1, 2, 3, 4, 20, 1500, 9000, 65507):
            wire.send(b"\0" * size)
            wire.send(os.urandom(size))
        for i, data in enumerate(mutations(valid, 1, 1500)):
            if i % BURST == 0:  # no faster than it is read: what is tested is not the queue
                assert other.send(method="OPTIONS").status == 200
            wire.send(data[:60000])
            wire.socket.setblocking(False)
            try:
                wire.socket.recv(65536)
            except BlockingIOError:
                pass
            wire.socket.setblocking(True)
    finally:
        wire.close()
    rollcall.alive()
    assert len(rollcall.api.bindings("alice")) <= 10
    still_works(rollcall, phones)


def test_streams_of_any_kind_do_no_harm(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    phone.register()
    valid = phone.sent.encode()
    for data in mutations(valid, 2, 150):
        wire = Wire(rollcall.tcp, "tcp")
        try:
            wire.send(data)
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            wire.close()
    rollcall.alive()
    still_works(rollcall, phones, transport="tcp")


def test_anything_at_the_http_port_does_no_harm(rollcall):
    for data in (b"", b"\0" * 100, os.urandom(5000), b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 20000,
                 b"REGISTER sip:example.com SIP/2.0\r\n\r\n", b"GET /v1/%zz%00%ff HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"PUT /v1/domains/x HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000 + b"\r\n"):
        with socket.create_connection(rollcall.http, 10) as stream:
            try:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                stream.recv(65536)
            except OSError:
                pass
    assert rollcall.api.get("/readyz").status == 200


def test_a_contact_list_without_end_is_refused(rollcall, phones):
    phone = phones(rollcall)
    phone.take_challenge(phone.send())
    answer = phone.register(["<sip:a%d@192.0.2.1>" % n for n in range(300)])
    assert answer.status in (403, 513)
    answer = phone.register([",".join("<sip:a%d@192.0.2.1>" % n for n in range(1500))])
    assert answer.status in (403, 513)
    assert rollcall.api.bindings("alice") == []


def resident(server):
    """Bytes of memory that the process has."""
    pages = int(pathlib.Path("/proc/%d/statm" % server.process.pid).read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif("asan" in BINARY or "tsan" in BINARY, reason="a sanitizer keeps what is freed")
def test_messages_that_need_libosip2_leave_no_memory_behind(rollcall, phone):
    """A bare URI, a name of several words: what the parser of our own passes on. Faulty, so that no answer is kept."""
    odd = phone.build(["Several Words <sip:a@192.0.2.1>"], cseq=1, to="sip:alice@example.com;x=y").replace(
        "CSeq: 1 REGISTER", "CSeq: 1 INVITE")

    def some():
        for _ in range(5000):
            phone.wire.send(odd)
            assert phone.wire.receive().status == 400
    some()
    before = resident(rollcall)
    some()
    some()
    assert resident(rollcall) - before < 2 << 20
