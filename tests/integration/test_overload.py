# SPDX-License-Identifier: Apache-2.0
"""Overload, forced: datagrams seem to have waited for long (a preloaded library makes the kernel's stamps
older), however quick the machine is."""
import contextlib
import itertools
import socket
import struct
import threading
import time

import pytest

import faults
from server import until
from sip import Wire

TOO_OLD_MS = 300
REFUSED = 'rollcall_register_total{outcome="overloaded",transport="%s"}'


def metric(server, name):
    for line in server.api.get("/metrics").body.decode().splitlines():
        if line.startswith(name):
            return float(line.rsplit(" ", 1)[1])
    return 0


@contextlib.contextmanager
def storm(server, request):
    """Phones without a nonce, a new one every few milliseconds, none of which listens."""
    wire, stop = Wire(server.udp), threading.Event()

    def send():
        for n in itertools.count():
            if stop.wait(0.005):
                return
            wire.send(request.replace("z9hG4bK", "z9hG4bKstorm%d" % n))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        wire.close()


@pytest.fixture
def overloaded(start, phones, tmp_path):
    """A service in the midst of a storm, and a phone that had a nonce before it."""
    disk = faults.Faults(tmp_path / "words")
    server = start(disk.env)
    server.api.add_user("alice")
    server.disk, server.phone = disk, phones(server)
    assert server.phone.register().status == 200
    disk[faults.QUEUE_AGE] = TOO_OLD_MS
    with storm(server, phones(server).build()):
        until(lambda: server.events("overloaded"), "the word of it")
        yield server
        disk[faults.QUEUE_AGE] = 0


def test_while_overloaded_a_good_nonce_is_served_and_some_without_are_refused(overloaded, phones):
    def served_while_others_are_refused():
        answer = overloaded.phone.register()
        assert answer.status == 200
        return metric(overloaded, REFUSED % "udp") > 100

    until(served_while_others_are_refused, "refusals")
    assert metric(overloaded, 'rollcall_register_total{outcome="ok",transport="udp"}') > 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_who_is_refused_is_told_when_to_come_back(overloaded, phones, transport):
    told = set()

    def refused():
        phone = phones(overloaded, transport=transport)
        answer = phone.send()
        assert answer.status in (401, 503)
        if answer.status == 503:
            assert answer.get("Call-ID") == phone.call_id and ";tag=" in answer.get("To")
            told.add(int(answer.get("Retry-After")))
        return len(told) > 5

    until(refused, "six waits that differ")
    assert min(told) >= 5 and max(told) < 65
    assert metric(overloaded, REFUSED % transport) > 5


def test_a_refusal_sent_again_is_the_same(overloaded, phones):
    def twice():
        phone = phones(overloaded)
        first = phone.send()
        if first.status != 503:
            return False
        second = phone.wire.exchange(phone.sent)
        return second.status == 503 and second.get("To") == first.get("To")

    until(twice, "two refusals")


def test_expires_granted_in_a_storm_are_spread(overloaded):
    granted = set()

    def spread():
        answer = overloaded.phone.register(expires=3600)
        granted.add(int(answer.get("Expires")))
        return len(granted) > 3

    until(spread, "expires that differ")
    assert min(granted) >= 2880 and max(granted) <= 3600


def test_readiness_says_it_and_the_end_comes_by_itself(overloaded, phones):
    until(lambda: overloaded.api.get("/readyz").status == 503, "readiness to say so")
    assert overloaded.api.get("/healthz").status == 200
    assert overloaded.api.get("/v1/domains/example.com/users/alice").status == 200
    overloaded.disk[faults.QUEUE_AGE] = 0
    until(lambda: overloaded.events("overload_ended"), "its end")
    until(lambda: overloaded.api.get("/readyz").status == 200, "readiness")
    assert phones(overloaded).register().status == 200


def test_what_waited_longer_than_a_phone_does_is_dropped_and_its_repeat_served(overloaded):
    dropped = 'rollcall_sip_dropped_total{cause="overload"}'
    before = metric(overloaded, dropped)
    overloaded.disk[faults.QUEUE_AGE] = 1600
    until(lambda: metric(overloaded, dropped) > before + 20, "drops")
    overloaded.disk[faults.QUEUE_AGE] = TOO_OLD_MS
    assert overloaded.phone.register().status == 200


def test_a_failure_sent_again_is_the_same_and_counts_once(overloaded, phones):
    wrong = metric(overloaded, 'rollcall_register_total{outcome="wrong_password",transport="udp"}')
    phone = phones(overloaded, password="other")
    phone.challenge = overloaded.phone.challenge
    first = phone.send(headers=["Authorization: " + phone.authorization()])
    second = phone.wire.exchange(phone.sent)
    assert first.status == 401
    assert second.get("WWW-Authenticate") == first.get("WWW-Authenticate")
    assert metric(overloaded, 'rollcall_register_total{outcome="wrong_password",transport="udp"}') == wrong + 1


def test_datagrams_with_a_wrong_checksum_are_no_overload(rollcall, phones):
    """The kernel counts them among those that it drops."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("no raw sockets for this user")
    wire = Wire(rollcall.udp)
    # Shorter ones are dropped before it is known whose they are
    broken = struct.pack("!HHHH", wire.local[1], rollcall.udp[1], 208, 0xdead) + bytes(200)
    with raw:
        for _ in range(600):
            raw.sendto(broken, rollcall.udp)
            wire.send("\r\n\r\n")
            time.sleep(0.004)
    wire.close()
    assert metric(rollcall, "rollcall_sip_receive_overflow_total") > 100
    assert not rollcall.events("overloaded")
    assert phones(rollcall).register().status == 200
