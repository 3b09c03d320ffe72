# SPDX-License-Identifier: Apache-2.0
"""Overload, forced: datagrams seem to have waited for long (a preloaded library makes the kernel's stamps
older), however quick the machine is."""
import contextlib
import errno
import itertools
import os
import pathlib
import socket
import struct
import threading
import time

import pytest

import faults
from server import until
from sip import NoAnswer, Wire, token

TOO_OLD_MS = 300
REFUSED = 'rollcall_register_total{outcome="overloaded",transport="%s"}'
UNREAD = 'rollcall_sip_dropped_total{cause="unread"}'
MANY = 20  # each 5 ms: enough that refusals cost too much


def metric(server, name):
    for line in server.api.get("/metrics").body.decode().splitlines():
        if line.startswith(name):
            return float(line.rsplit(" ", 1)[1])
    return 0


def proc_udp():
    with open("/proc/net/udp") as file:
        return [line.split() for line in file.readlines()[1:]]


def kernel_drops(server):
    """Datagrams that the kernel has not given to the service, for whatever reason."""
    return sum(int(row[12]) for row in proc_udp() if int(row[1].split(":")[1], 16) == server.udp[1])


def left_unread(server):
    """Those that it was told to drop."""
    return kernel_drops(server) - metric(server, "rollcall_sip_receive_overflow_total")


def descriptor(server, address):
    """The number of the socket that is bound to it, in the service."""
    for row in proc_udp():
        if int(row[1].split(":")[1], 16) == address[1]:
            for link in pathlib.Path("/proc/%d/fd" % server.process.pid).iterdir():
                if os.readlink(link) == "socket:[%s]" % row[9]:
                    return int(link.name)
    raise AssertionError("no socket at %s:%d" % address)


@contextlib.contextmanager
def storm(server, request, each=1):
    """Phones without a nonce, so many new ones every few milliseconds, none of which listens."""
    wire, stop = Wire(server.udp), threading.Event()

    def send():
        for n in itertools.count():
            if stop.wait(0.005):
                return
            for m in range(each):
                wire.send(request.replace("z9hG4bK", "z9hG4bKstorm%dx%dx%d" % (each, n, m)))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        wire.close()


@contextlib.contextmanager
def overload(start, phones, tmp_path, env=None):
    """A service in the midst of a storm, and a phone that had a nonce before it."""
    disk = faults.Faults(tmp_path / "words")
    server = start(dict(disk.env, **(env or {})))
    server.api.add_user("alice")
    server.disk, server.phone = disk, phones(server)
    assert server.phone.register().status == 200
    disk[faults.QUEUE_AGE] = TOO_OLD_MS
    with storm(server, phones(server).build()):
        until(lambda: server.events("overloaded"), "the word of it")
        yield server
        disk[faults.QUEUE_AGE] = 0


@pytest.fixture
def overloaded(start, phones, tmp_path):
    with overload(start, phones, tmp_path) as server:
        yield server


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
    until(lambda: overloaded.api.get("/readyz").status == 200, "readiness")
    until(lambda: overloaded.events("overload_ended"), "the word of it")
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


def none_is_left_unread(server, phones):
    """After the end nothing is dropped of those that come without a nonce."""
    until(lambda: server.api.get("/readyz").status == 200, "its end")
    until(lambda: phones(server).send().status == 401, "the last refusal")
    before = left_unread(server)
    for _ in range(50):
        assert phones(server).send().status == 401
    assert left_unread(server) == before


def while_refused(server):
    """How many of those are left unread in the time in which fifty are refused."""
    before, refused = metric(server, UNREAD), metric(server, REFUSED % "udp")
    until(lambda: metric(server, REFUSED % "udp") > refused + 50, "refusals")
    return metric(server, UNREAD) - before


def test_what_too_many_refusals_would_cost_is_dropped_by_the_kernel_unread(overloaded, phones):
    with storm(overloaded, phones(overloaded).build(), MANY):
        until(lambda: left_unread(overloaded) > 1000, "drops by the kernel")
        assert overloaded.phone.register().status == 200, "credentials pass"
    overloaded.disk[faults.QUEUE_AGE] = 0
    none_is_left_unread(overloaded, phones)
    assert metric(overloaded, UNREAD) == left_unread(overloaded), "their count"
    assert not overloaded.events("no_socket_filter")


def test_few_who_are_refused_are_told_while_the_queue_is_still_old(overloaded, phones):
    with storm(overloaded, phones(overloaded).build(), MANY):
        until(lambda: left_unread(overloaded) > 1000, "drops by the kernel")
    until(lambda: while_refused(overloaded) == 0, "the kernel to drop no more")


def test_a_kernel_that_takes_no_filter_is_said_once_and_refusals_go_on(overloaded, phones):
    overloaded.disk[faults.FILTER_ERROR] = errno.EPERM
    with storm(overloaded, phones(overloaded).build(), MANY):
        until(lambda: overloaded.events("no_socket_filter"), "the word of it")
        refused = metric(overloaded, REFUSED % "udp")
        until(lambda: metric(overloaded, REFUSED % "udp") > refused + 50, "refusals")
        assert overloaded.phone.register().status == 200
    assert [e["error"] for e in overloaded.events("no_socket_filter")] == ["Operation not permitted"]
    assert metric(overloaded, UNREAD) == 0


def test_a_filter_that_cannot_be_changed_is_taken_away(overloaded, phones):
    with storm(overloaded, phones(overloaded).build(), MANY):
        until(lambda: left_unread(overloaded) > 1000, "drops by the kernel")
        overloaded.disk[faults.FILTER_ERROR] = errno.EPERM
        ages = itertools.cycle([TOO_OLD_MS] * 10 + [1] * 10)

        def said():
            overloaded.disk[faults.QUEUE_AGE] = next(ages)  # or the share would not move
            return overloaded.events("no_socket_filter")

        until(said, "the word of it")
        overloaded.disk[faults.QUEUE_AGE] = TOO_OLD_MS
        assert while_refused(overloaded) == 0


def test_a_kernel_with_little_room_gets_a_shorter_filter(overloaded, phones):
    overloaded.disk[faults.FILTER_MOST] = 1200
    overloaded.disk[faults.FILTER_ERROR] = errno.ENOMEM
    with storm(overloaded, phones(overloaded).build(), MANY):
        until(lambda: left_unread(overloaded) > 1000, "drops by the kernel")
    assert not overloaded.events("no_socket_filter")


def test_one_socket_without_a_filter_keeps_no_other_from_losing_its_own(start, phones, tmp_path):
    with overload(start, phones, tmp_path, {"ROLLCALL_SIP_LISTEN": "udp://127.0.0.1:0,udp://127.0.0.2:0"}) as server:
        server.disk[faults.FILTER_FD] = descriptor(server, server.address("udp://127.0.0.2"))
        server.disk[faults.FILTER_ERROR] = errno.EPERM
        with storm(server, phones(server).build(), MANY):
            until(lambda: left_unread(server) > 1000 and server.events("no_socket_filter"), "drops and the word")
        server.disk[faults.QUEUE_AGE] = 0
        none_is_left_unread(server, phones)


def test_a_request_of_an_odd_form_is_refused_as_others_are(overloaded, phones):
    """It cannot be answered before the parse, and passes the filter by chance like any."""
    odd, told = phones(overloaded).build(headers=["Subject: a\r\n folded"]), set()
    with storm(overloaded, phones(overloaded).build(), MANY), contextlib.closing(Wire(overloaded.udp)) as wire:
        # What was queued before the filter came counts as not sifted
        until(lambda: left_unread(overloaded) > 4000, "drops by the kernel")

        def refused():
            for _ in range(MANY):
                wire.send(odd.replace("z9hG4bK", "z9hG4bKodd%s" % token()))
            with contextlib.suppress(NoAnswer):
                told.add(wire.receive(0.01).status)
            return 503 in told

        until(refused, "a refusal")
    assert told <= {401, 503}


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
    until(lambda: metric(rollcall, "rollcall_sip_receive_overflow_total") > 100, "their count")
    assert not rollcall.events("overloaded")
    assert phones(rollcall).register().status == 200
