# SPDX-License-Identifier: Apache-2.0
"""The load generator of tests/bench as a functional test: no request fails, and the counts add up."""
import json
import pathlib
import signal
import subprocess

import pytest

from server import BINARY, until

LOADGEN = pathlib.Path(BINARY).parent / "tests" / "bench" / "loadgen"
USERS = 120


@pytest.fixture
def loaded(start):
    if not LOADGEN.exists():
        pytest.skip("%s is not built" % LOADGEN)
    server = start({"ROLLCALL_AUTH_ALGORITHMS": "MD5,SHA-256"})
    for n in range(USERS):
        server.api.add_user("u%06d" % n)
    return server


def arguments(server, *more, transport="udp"):
    return [str(LOADGEN), "--port", str(server.address(transport)[1]), "--transport", transport,
            "--users", str(USERS), "--window", "32", "--seconds", "1"] + list(more)


def run(server, *more, enough=lambda: True, **options):
    """Its report; a slow machine needs longer until something, and enough, is done."""
    for seconds in "1", "4", "16":
        result = subprocess.run(arguments(server, *more, "--seconds", seconds, **options), capture_output=True, text=True,
                                timeout=120)
        report = json.loads(result.stdout)
        assert report["failures"] == 0 and report["timeouts"] == 0, (report, server.text()[-2000:])
        if report["completed"] > 0 and enough():
            break
    assert result.returncode == 0, (report, result.stderr)
    return report


@pytest.mark.parametrize("mode", ["challenge", "refresh", "query", "unregister"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_no_request_fails_under_load(loaded, mode, transport):
    def all_are_there():
        return mode == "unregister" or loaded.api.get("/v1/stats").json["bindings"] == USERS
    run(loaded, "--mode", mode, "--connections", "20", transport=transport, enough=all_are_there)
    stats = loaded.api.get("/v1/stats").json
    assert stats["users"] == USERS
    assert stats["bindings"] == stats["registered_users"]
    if mode != "unregister":
        assert stats["bindings"] == USERS
    shown = loaded.api.get("/v1/bindings?limit=1000").json["bindings"]
    assert len(shown) == stats["bindings"]
    assert all(binding["transport"] == transport for binding in shown)


def test_a_commit_carries_many_requests(loaded):
    def commits():
        metrics = dict(line.rsplit(" ", 1) for line in
                       loaded.api.get("/metrics").body.decode().splitlines() if not line.startswith("#"))
        return sum(float(v) for k, v in metrics.items() if k.startswith("rollcall_store_commits_total"))
    before = commits()
    report = run(loaded, "--mode", "refresh", "--window", "64")
    assert 0 < commits() - before < USERS + report["completed"], "with the first registrations"


def test_users_are_deleted_under_load_and_nothing_is_left_of_them(loaded):
    process = subprocess.Popen(arguments(loaded, "--mode", "refresh", "--seconds", "2"),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until(lambda: loaded.api.get("/v1/stats").json["bindings"] > USERS // 2, "some bindings")
    for n in range(0, USERS, 3):
        assert loaded.api.delete("/v1/domains/example.com/users/u%06d" % n).status == 204
    process.send_signal(signal.SIGTERM)
    process.communicate()
    left = {u["username"] for u in loaded.api.get("/v1/domains/example.com/users?limit=1000").json["users"]}
    assert len(left) == USERS - (USERS + 2) // 3
    bound = {b["aor"] for b in loaded.api.get("/v1/bindings?limit=1000").json["bindings"]}
    assert bound <= {"sip:%s@example.com" % name for name in left}
    stats = loaded.api.get("/v1/stats").json
    assert stats["users"] == len(left) and stats["registered_users"] == len(bound)
