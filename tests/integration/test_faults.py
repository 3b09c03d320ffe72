# SPDX-License-Identifier: Apache-2.0
"""What fails under the service: disks, clocks, memory, descriptors. Each for real, or injected into the
very process by a preloaded library."""
import errno
import os
import pathlib
import re
import resource
import signal
import socket
import time

import pytest

import faults
from server import command, taken, until
from sip import NoAnswer, Wire

USER = "/v1/domains/example.com/users/alice"
TOO_OLD_S = 2.0  # after so long REGISTERs are refused
MORE_THAN_TWO_COMMITS = 2 * 1024 + 100


@pytest.fixture
def broken(start, tmp_path):
    """A service whose disk can be made to stall and fail, and that disk."""
    disk = faults.Faults(tmp_path / "words")
    server = start(disk.env)
    server.api.add_user("alice")
    server.disk = disk
    return server


def challenged(phone):
    """The phone has its challenge, so that its next REGISTER goes to the store. A copy of it, of a request that was sent
    twice, comes to another port."""
    asking = Wire(phone.wire.server)
    phone.take_challenge(asking.exchange(phone.build()))
    asking.close()
    return phone


def send_register(phone):
    message = phone.build(headers=["Authorization: " + phone.authorization()])
    phone.wire.send(message)
    phone.waiting = re.search("CSeq: (.*)\r", message).group(1)
    return message


def final_answer(phone):
    """To what send_register() has sent."""
    while True:
        answer = phone.wire.receive()
        if answer.status >= 200 and answer.get("CSeq") == phone.waiting:
            return answer


def metric(server, name):
    lines = server.api.get("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_while_the_disk_stalls_nobody_else_waits(broken, phones):
    phone = challenged(phones(broken))
    broken.disk[faults.HOLD] = 1
    message = send_register(phone)
    until(lambda: broken.disk[faults.HELD], "the writer at its sync")
    other = phones(broken)
    assert other.send().status == 401, "a challenge needs no commit"
    assert other.send(method="OPTIONS", contacts=[]).status == 200
    assert broken.api.get(USER).status == 200
    assert broken.api.get("/readyz").status == 200
    with pytest.raises(NoAnswer):
        phone.wire.receive(0.2)
    broken.disk[faults.HOLD] = 0
    assert phone.wire.exchange(message).status == 200
    assert len(broken.api.bindings("alice")) == 1


def test_a_stalled_disk_refuses_nothing_that_fits_the_limits(broken, phones):
    waiting = [challenged(phones(broken)) for _ in range(8)]
    broken.disk[faults.HOLD] = 1
    sent = [send_register(phone) for phone in waiting]
    until(lambda: broken.disk[faults.HELD], "the writer at its sync")
    broken.disk[faults.HOLD] = 0
    assert [phone.wire.exchange(message).status for phone, message in zip(waiting, sent)] == [200] * 8


def test_what_is_granted_is_exact_however_long_the_disk_takes(broken, phones):
    phone = challenged(phones(broken))
    broken.disk[faults.HOLD] = 1
    message = send_register(phone)
    until(lambda: broken.disk[faults.HELD], "the writer at its sync")
    held = time.monotonic()
    until(lambda: time.monotonic() - held > 1.1)  # more than a second has to pass
    broken.disk[faults.HOLD] = 0
    answer = phone.wire.exchange(message)
    assert answer.contacts()[phone.contact]["expires"] == "3600"
    assert answer.get("Expires") == "3600"
    with_another = challenged(phones(broken))
    assert int(with_another.register().contacts()[phone.contact]["expires"]) < 3600, "what is left"


def test_a_disk_that_stands_still_for_a_moment_is_no_overload(broken, phones):
    waiting, other = challenged(phones(broken)), phones(broken)
    broken.disk[faults.HOLD] = 1
    since = time.monotonic()
    message = send_register(waiting)
    until(lambda: broken.disk[faults.HELD], "the writer at its sync")
    while True:
        answer, ready = other.send(), broken.api.get("/readyz")
        if time.monotonic() - since > TOO_OLD_S:
            break
        assert (answer.status, ready.status) == (401, 200)
    broken.disk[faults.HOLD] = 0
    assert waiting.wire.exchange(message).status == 200


def test_whoever_comes_when_the_disk_moves_again_is_not_refused_for_those_who_waited(broken, phones):
    first, second, third = (challenged(phones(broken)) for _ in range(3))
    broken.disk[faults.HOLD] = 1
    send_register(first)
    until(lambda: broken.disk[faults.HELD] == 1, "the writer at its sync")
    send_register(second)
    assert third.send(method="OPTIONS", contacts=[]).status == 200, "and the second waits too"
    until(lambda: broken.api.get("/readyz").status == 503, "nothing to be taken any more")
    broken.disk[faults.PASS] = 1
    assert final_answer(first).status == 200
    message = send_register(third)
    assert third.send(method="OPTIONS", contacts=[]).status == 200
    broken.disk[faults.HOLD] = 0
    assert third.wire.exchange(message).status == 200
    assert final_answer(second).status == 200


def test_a_pause_of_the_machine_refuses_nobody(rollcall, phones):
    """Though all that waited in the socket is older than a disk may stand still."""
    waiting = [challenged(phones(rollcall)) for _ in range(6)]
    os.kill(rollcall.process.pid, signal.SIGSTOP)
    os.waitpid(rollcall.process.pid, os.WUNTRACED)
    sent = [send_register(phone) for phone in waiting]
    stopped = time.monotonic()
    until(lambda: time.monotonic() - stopped > TOO_OLD_S + 0.1)
    os.kill(rollcall.process.pid, signal.SIGCONT)
    assert [phone.wire.exchange(message).status for phone, message in zip(waiting, sent)] == [200] * 6


def test_a_disk_that_stands_still_while_too_many_wait_is_one(broken, phones):
    phone, other = phones(broken), phones(broken)
    assert phone.register().status == 200
    broken.disk[faults.HOLD] = 1
    for n in range(MORE_THAN_TWO_COMMITS):
        send_register(phone)
        if n % 100 == 0:  # no faster than they are read
            assert other.send(method="OPTIONS", contacts=[]).status == 200
    assert until(lambda: next((a for a in [other.send()] if a.status != 401), None)).status == 503
    assert until(lambda: broken.api.get("/readyz").status == 503)
    broken.disk[faults.HOLD] = 0
    until(lambda: broken.api.get("/readyz").status == 200, "its end")
    until(lambda: other.send().status == 401, "a challenge")


def test_a_sync_that_fails_acknowledges_nothing_and_ends_the_process(broken, phones):
    phone = phones(broken)
    assert phone.register().status == 200
    kept = broken.api.bindings("alice")
    other = challenged(phones(broken))
    broken.disk[faults.SYNC_ERROR] = errno.EIO
    send_register(other)
    assert broken.wait() == 70
    assert broken.events("store_failed"), broken.text()
    with pytest.raises((NoAnswer, OSError)):
        other.wire.receive(0.5)
    broken.disk[faults.SYNC_ERROR] = 0
    broken.start()
    assert kept[0] in broken.api.bindings("alice")


def test_a_disk_that_became_read_only_is_503_and_recovers_by_itself(broken, phones):
    phone = phones(broken)
    assert phone.register().status == 200
    broken.disk[faults.WRITE_ERROR] = errno.EROFS
    refused = phones(broken).register()
    assert refused.status == 503 and int(refused.get("Retry-After")) > 0
    assert broken.api.get("/readyz").status == 503 and broken.api.get("/healthz").status == 200
    assert len(broken.api.bindings("alice")) == 1
    refused = broken.api.put(USER, {"password": "other"})
    assert refused.status in (503, 507) and refused.json["status"] == refused.status
    broken.disk[faults.WRITE_ERROR] = 0
    until(lambda: broken.api.get("/readyz").status == 200, "recovery")
    assert phone.register().status == 200


def test_a_full_disk_is_503_and_readable_and_recovers_by_itself(start, phones, tmp_path):
    with faults.small_disk(tmp_path / "disk") as disk:
        server = start({"ROLLCALL_STORE_URL": "lmdb:%s/store" % disk})
        server.api.add_user("alice")
        phone = phones(server)
        assert phone.register().status == 200
        filler = faults.fill_disk(disk)
        refused = until(lambda: next((r for r in [phones(server).register()] if r.status != 200), None),
                        "the disk's end")
        assert refused.status == 503 and int(refused.get("Retry-After")) > 0
        assert server.api.get("/readyz").status == 503
        kept = server.api.bindings("alice")
        assert kept and phone.send(method="OPTIONS", contacts=[]).status == 200
        assert server.events("store_full"), server.text()
        filler.unlink()
        until(lambda: server.api.get("/readyz").status == 200, "recovery")
        assert phone.register().status == 200
        server.restart()
        assert {b["id"] for b in kept} <= {b["id"] for b in server.api.bindings("alice")}
        server.terminate()


@pytest.mark.parametrize("step", [3600, -3600], ids=["forward", "back"])
def test_a_step_of_the_clock_expires_nothing_early_and_prolongs_nothing(start, phones, tmp_path, step):
    clock = faults.Clock(tmp_path / "clock")
    server = start(clock.env)
    server.api.add_user("alice")
    phone = phones(server)
    assert phone.register(expires=600).status == 200
    before = server.api.bindings("alice")
    clock.set(step)
    until(lambda: server.events("clock_step"), "the step to be noticed")
    assert metric(server, "rollcall_clock_steps_total") == 1
    assert server.api.bindings("alice") == before
    left = int(next(iter(phone.bindings().values()))["expires"])
    assert 500 < left <= 600
    assert phone.register(expires=700).status == 200
    left = int(next(iter(phone.bindings().values()))["expires"])
    assert 600 < left <= 700


def test_what_was_removed_does_not_come_back_with_an_older_clock(start, phones, tmp_path):
    clock = faults.Clock(tmp_path / "clock")
    server = start(clock.env)
    server.api.add_user("alice")
    server.api.add_user("bob")
    gone, kept = phones(server), phones(server, "bob")
    assert gone.register(expires=600).status == 200 and kept.register(expires=600).status == 200
    assert gone.unregister().status == 200
    clock.set(-7200)
    server.restart()
    assert server.api.bindings("alice") == []
    assert [b["contact"] for b in server.api.bindings("bob")] == [kept.contact]
    clock.set(7200)
    server.restart()
    assert server.api.bindings("bob") == [], "at a start the wall clock says what is past"
    clock.set(0)
    server.restart()
    assert server.api.bindings("alice") == [] == server.api.bindings("bob")


def test_without_descriptors_those_that_are_connected_go_on(start, phones, tmp_path):
    server = start()
    server.api.add_user("alice")
    phone = phones(server, transport="tcp")
    assert phone.register().status == 200
    used = len(list((pathlib.Path("/proc") / str(server.process.pid) / "fd").iterdir()))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 4, used + 4))
    crowd = []
    for _ in range(12):
        crowd.append(socket.create_connection(server.tcp))
    until(lambda: server.events("limit_reached"), "the last descriptor")
    assert phone.register().status == 200
    assert phones(server).register().status == 200, "UDP needs none"
    for connection in crowd:
        connection.close()
    late = until(lambda: try_register(phones, server), "a descriptor that is free again")
    assert late == 200


def try_register(phones, server):
    try:
        return phones(server, transport="tcp").register().status
    except (ConnectionError, NoAnswer, OSError):
        return None


@pytest.mark.skipif(faults.sanitized(), reason="a sanitizer's runtime takes more memory than the pod has")
def test_a_flood_stays_within_the_memory_of_the_pod(start, phones):
    with faults.memory_limit("rollcall-test-%d" % os.getpid(), 192 << 20) as limit:
        server = start({"ROLLCALL_SIP_TRANSACTION_MEMORY": "16MiB", "ROLLCALL_AUTH_NONCE_TABLE": "65536"})
        limit(server.process.pid)
        server.api.add_user("alice")
        flood = phones(server, "nobody")
        for n in range(30000):
            flood.wire.socket.send(flood.build(headers=["X-Padding: " + "x" * 1000]).encode())
            if n % 50 == 49:
                flood.wire.socket.setblocking(False)
                try:
                    while flood.wire.socket.recv(65536):
                        pass
                except BlockingIOError:
                    pass
                flood.wire.socket.setblocking(True)
        assert taken(phones(server).register).status == 200
        assert limit.most() <= 192 << 20
        server.terminate()


def test_a_damaged_record_is_named_and_check_finds_it(start, phones):
    server = start()
    for n in range(40):
        server.api.add_user("u%02d" % n)
        assert phones(server, "u%02d" % n).register().status == 200
    server.terminate()
    path = server.store / "data.mdb"
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"sip:u", at + 1)) >= 0:
        data[at:at + 5] = b"SIP:u"
    path.write_bytes(data)
    checked = command("check", env=server.env)
    assert checked.returncode == 1 and checked.stdout + checked.stderr
    server.start(ready=False)
    code = server.wait()
    assert code not in (0, -11, -6, 139), server.text()
    assert str(server.store) in server.text() and "backup" in server.text()


def test_anything_at_all_leaves_the_counters_true(broken, phones):
    phone = challenged(phones(broken))
    for error in (errno.ENOSPC, errno.EDQUOT):
        broken.disk[faults.WRITE_ERROR] = error
        assert phone.register().status == 503
        broken.disk[faults.WRITE_ERROR] = 0
        until(lambda: broken.api.get("/readyz").status == 200, "recovery")
        assert phone.register().status == 200
    assert broken.disk[faults.FAILED] > 0
    stats = broken.api.get("/v1/stats").json
    assert stats["bindings"] == 1 and stats["registered_users"] == 1
