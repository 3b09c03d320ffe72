# SPDX-License-Identifier: Apache-2.0
"""Every allocation of a life (start, provision, register, query, stop) fails once, in a run of its own:
an error with words, or an answer, every time; never a crash, and never a 200 that is not true."""
import contextlib
import http.client
import json
import os

import faults
from server import Api, Rollcall, until
from sip import NoAnswer, Phone

# Runs in all; the step between the allocations that fail follows from it.
RUNS = int(os.environ.get("ROLLCALL_ALLOCATION_RUNS", "24"))
LOST = (NoAnswer, OSError, http.client.HTTPException, json.JSONDecodeError)


def again(ask, most=4):
    """The first answer that is no server's fault; None when there is none."""
    for _ in range(most):
        with contextlib.suppress(*LOST):
            reply = ask()
            if reply.status < 500:
                return reply
    return None


def live(server):
    """One life, as far as it gets; what was promised in it."""
    promised = None
    started = until(lambda: server.process.poll() is not None or server.events("ready"), "its start")
    if started is True and server.process.poll() is not None:
        return None
    server.api = Api(server.http)
    again(lambda: server.api.put("/v1/domains/example.com/users/alice", {"password": "secret"}))
    phone = Phone(server.udp, "alice", "secret")
    answer = again(phone.register)
    if answer and answer.status == 200:
        promised = phone.contact
        listed = again(lambda: server.api.get("/v1/bindings?limit=10"))
        assert listed is None or [b["contact"] for b in listed.json["bindings"]] == [promised]
    phone.close()
    return promised


def one_run(folder, disk, number):
    # libseccomp makes a wrong filter without an error when it has no memory (docs/decisions.md)
    server = Rollcall(folder, dict(disk.env, ROLLCALL_PROCESS_SECCOMP="false"))
    disk[faults.ALLOCATIONS] = 0
    disk[faults.FAIL_ALLOCATION] = number
    server.start(ready=False)
    promised = live(server)
    if server.process.poll() is None:
        server.process.terminate()
    code = server.wait()
    disk[faults.FAIL_ALLOCATION] = 0
    assert code in (0, 1, 70), (number, code, server.text())
    assert code == 0 or server.text(), "it says why"
    return promised, disk[faults.ALLOCATIONS]


def holds_what_was_promised(folder, disk, promised):
    server = Rollcall(folder, disk.env).start()
    try:
        assert [b["contact"] for b in server.api.bindings("alice")] == [promised]
    finally:
        server.terminate()


def test_each_allocation_fails_once_and_nothing_breaks(tmp_path):
    disk = faults.Faults(tmp_path / "words")
    _, total = one_run(tmp_path / "whole", disk, 0)
    assert total > 100
    step = max(1, total // RUNS)
    for number in range(1 + step // 2, total + 1, step):
        folder = tmp_path / str(number)
        promised, _ = one_run(folder, disk, number)
        if promised:
            holds_what_was_promised(folder, disk, promised)
