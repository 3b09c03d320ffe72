# SPDX-License-Identifier: Apache-2.0
"""What a hostile sender tries, and what it gets for it."""
import os
import re
import signal
import socket
import struct

import pytest

from sip import NoAnswer, Phone, Wire, hostport, token


def options(wire, branch, padding=0):
    """An OPTIONS whose answer repeats `padding` bytes of its Vias, and its own Call-ID."""
    vias = ["Via: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport" % (hostport(wire.local), branch)]
    while padding > 0:
        vias.append("Via: SIP/2.0/UDP 192.0.2.1;x=%s" % ("a" * min(padding, 4000)))
        padding -= 4000
    return "\r\n".join(["OPTIONS sip:example.com SIP/2.0"] + vias + [
        "Max-Forwards: 70", "From: <sip:a@example.com>;tag=1", "To: <sip:a@example.com>",
        "Call-ID: " + branch, "CSeq: 1 OPTIONS", "Content-Length: 0", "", ""])


def kept_replies(server):
    text = server.api.get("/metrics").body.decode()
    return int(re.search(r"^rollcall_sip_transactions (\d+)$", text, re.MULTILINE).group(1))


def test_a_retransmission_never_gets_what_was_said_to_another(start):
    """The oldest replies kept are asked for once more, in the batch that forgets them."""
    server = start(env={"ROLLCALL_SIP_TRANSACTION_MEMORY": "8MiB"})
    asker, others, again_from = (Wire(server.address("udp")) for _ in range(3))
    branches = [token() for _ in range(600)]
    for branch in branches:  # each pair takes 16 kB of 8 MiB
        asker.exchange(options(asker, branch))
        others.exchange(options(others, token(), 15000))
    oldest = len(branches) - kept_replies(server) // 2 + 1
    assert oldest > 1, "the memory is full"
    again = branches[oldest:oldest + 8]
    os.kill(server.process.pid, signal.SIGSTOP)
    os.waitpid(server.process.pid, os.WUNTRACED)
    for branch in again:  # of the same host, and no copy of an answer before is on its way to this port
        again_from.send(options(asker, branch))
    for _ in range(8):
        others.send(options(others, token(), 15000))
    os.kill(server.process.pid, signal.SIGCONT)
    assert [again_from.receive().get("Call-ID") for _ in again] == again
    for wire in (asker, others, again_from):
        wire.close()


# 127.0.0.1 may ask where somebody is, the rest of 127/8 is the world.
ENV = {"ROLLCALL_REGISTRAR_REDIRECT_FROM": "127.0.0.1/32", "ROLLCALL_SIP_LISTEN": "udp://0.0.0.0:0,tcp://0.0.0.0:0"}


@pytest.fixture
def stranger(shared):
    phone = Phone(("127.0.0.1", shared.udp[1]), "nobody", "x", source=("127.0.0.2", 0))
    yield phone
    phone.close()


def test_one_invite_of_a_stranger_gets_one_answer(shared, stranger):
    """Its address may be spoofed: Timer G would send each answer eleven times to a victim."""
    caller = Phone(("127.0.0.1", shared.udp[1]), "nobody", "x")
    for phone in (stranger, caller):
        phone.wire.send(phone.build([], method="INVITE", uri="sip:nobody@example.com"))
    assert [caller.wire.receive().status for _ in range(3)] == [404] * 3, "by Timer G, 1.5 seconds"
    caller.close()
    assert stranger.wire.receive().status == 403
    with pytest.raises(NoAnswer):
        stranger.wire.receive(0.1)


def test_a_stranger_cannot_aim_answers_at_others(shared, stranger):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.3", 0))
        victim.setblocking(False)
        via = "SIP/2.0/UDP 192.0.2.5:%d;maddr=127.0.0.3;branch=z9hG4bK%s;rport" % (
            victim.getsockname()[1], token())
        for _ in range(2):  # the answer that was kept goes no other way
            stranger.wire.send(stranger.build([], via=via, cseq=1))
            assert stranger.wire.receive().status == 401
        with pytest.raises(BlockingIOError):
            victim.recv(1)


def test_pings_by_the_thousand_are_answered_in_a_few_writes(shared):
    """One connection that only pings must not cost a system call for every four bytes of it."""
    pings = 4000
    with socket.create_connection(("127.0.0.1", shared.tcp[1]), timeout=20) as wire:
        wire.sendall(b"\r\n\r\n" * pings)
        pongs = b""
        while len(pongs) < 2 * pings:
            pongs += wire.recv(1 << 16)
        assert pongs == b"\r\n" * pings
        data_segments_in, = struct.unpack_from("I", wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 152)
        assert 0 < data_segments_in < pings / 32


@pytest.mark.parametrize("seen", ["192.0.2.7", "2001:db8::7"])
def test_a_second_via_without_a_port_breaks_no_readers_contract(shared, line, seen):
    via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;received=" + seen
    assert line.register(headers=[via]).status == 200
    assert shared.api.bindings(line.user)[0]["received"] == seen


def test_heads_that_never_end_keep_nobody_out(start):
    server = start({"ROLLCALL_API_MAX_CONNECTIONS": "8"})
    wires = [socket.create_connection(server.http) for _ in range(16)]
    for wire in wires:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
    for _ in range(16):
        assert server.api.get("/readyz").status == 200
    for wire in wires:
        wire.close()


def test_what_one_response_cannot_list_is_refused_and_not_kept(shared, line):
    kept, status = [], 200
    while status == 200:
        contact = "sip:x%d@192.0.2.1;x=%s" % (len(kept), "a" * 8000)
        status = line.register(["<%s>" % contact]).status
        kept += [contact] * (status == 200)
    assert status == 513 and len(kept) > 3
    assert [b["contact"] for b in shared.api.bindings(line.user)] == kept
    assert list(line.bindings()) == kept
    assert line.unregister(kept[0]).status == 200
