# SPDX-License-Identifier: Apache-2.0
"""Start, hand-over, reload, stop: what a supervisor, a kubelet and a load balancer see."""
import signal
import socket

import pytest

from server import Api, command, until
from sip import Phone

PATIENCE_S = "60"


@pytest.fixture
def supervisor(tmp_path):
    """systemd's side of sd_notify(3): a socket, and what was sent to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = tmp_path / "notify"
        listener.bind(str(path))
        listener.settimeout(30)
        yield str(path), lambda: listener.recv(4096).decode()


def test_systemd_is_told_of_start_reload_and_stop(start, supervisor):
    path, said = supervisor
    server = start({"NOTIFY_SOCKET": path})
    assert said() == "READY=1"
    server.process.send_signal(signal.SIGHUP)
    assert said().split("\n")[0] == "RELOADING=1"
    assert said() == "READY=1"
    server.process.send_signal(signal.SIGTERM)
    assert said() == "STOPPING=1"
    assert server.wait() == 0


def test_a_reload_that_fails_is_over_too(start, supervisor):
    path, said = supervisor
    server = start({"NOTIFY_SOCKET": path}, config="log:\n  level: info\n")
    assert said() == "READY=1"
    (server.folder / "rollcall.yaml").write_text("log:\n  level: loud\n")
    server.process.send_signal(signal.SIGHUP)
    assert [said().split("\n")[0], said()] == ["RELOADING=1", "READY=1"]
    assert server.events("reload_failed")
    assert server.api.get("/readyz").status == 200


def test_while_it_drains_it_is_not_ready_and_serves_phones(start, phones):
    server = start({"ROLLCALL_PROCESS_DRAIN_DELAY": "600"})
    server.api.add_user("alice")
    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.api.get("/readyz").status == 503, "not ready")
    assert server.api.get("/healthz").status == 200, "a kubelet must not kill it"
    phone = phones(server)
    assert phone.register().status == 200
    assert len(server.api.bindings("alice")) == 1
    server.process.send_signal(signal.SIGINT)  # cuts the rest of the delay
    assert server.wait() == 0
    events = [line.partition("event=")[2].split(" ")[0] for line in server.log if "event=" in line]
    assert events.index("stopping") < events.index("stopped") == len(events) - 1


def test_the_store_is_handed_over_with_its_bindings(rollcall, start, phones):
    phone = phones(rollcall)
    assert phone.register(expires=600).status == 200
    rollcall.keep_ports()
    store = {"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"], "ROLLCALL_STORE_LOCK_WAIT": PATIENCE_S}
    successor = start(store, ready=False, name="successor")
    until(lambda: successor.alive() and successor.listeners("http"), "its API")
    waiting = Api(successor.http)
    assert waiting.get("/healthz").status == 200
    refusal = waiting.get("/readyz")
    assert refusal.status == 503 and b"store" in refusal.body
    assert waiting.get("/v1/domains").status == 503
    assert phone.register(expires=600).status == 200, "the old one serves on"
    before = rollcall.api.bindings("alice")
    rollcall.terminate()
    successor.wait_ready()
    assert successor.api.bindings("alice") == before
    moved = Phone(successor.udp, "alice", "secret", call_id=phone.call_id, cseq=100)
    assert moved.register(contacts=["<%s>" % phone.contact], expires=600).status == 200
    moved.close()
    (binding,) = successor.api.bindings("alice")
    assert binding["id"] == before[0]["id"]


def test_who_waits_for_the_store_can_be_ended(rollcall, start):
    store = {"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"], "ROLLCALL_STORE_LOCK_WAIT": PATIENCE_S}
    waiting = start(store, ready=False, name="waiting")
    until(lambda: waiting.alive() and waiting.listeners("http"), "its API")
    waiting.process.send_signal(signal.SIGTERM)
    assert waiting.wait() == 0
    assert rollcall.api.get("/readyz").status == 200


def test_who_waited_in_vain_says_so(rollcall, start):
    waiting = start({"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"],
                     "ROLLCALL_STORE_LOCK_WAIT": "1"}, ready=False, name="vain")
    assert waiting.wait() == 1
    (failure,) = waiting.events("start_failed")
    assert "lock" in failure["msg"]
    assert rollcall.api.get("/readyz").status == 200


def change_format(path, version):
    """Writes another number of the format into the store's table of what it says about itself."""
    data = path.read_bytes()
    known = b"format" + (1).to_bytes(8, "little")
    assert known in data, "the store's format is kept in another way now"
    path.write_bytes(data.replace(known, b"format" + version.to_bytes(8, "little")))


@pytest.mark.parametrize("version", [0, 2, 1 << 40])
def test_a_store_of_another_format_is_refused_with_words_and_left_alone(start, version):
    server = start()
    server.api.add_user("alice")
    server.terminate()
    path = server.store / "data.mdb"
    change_format(path, version)
    before = path.read_bytes()
    other = start(server.env, ready=False)
    assert other.wait() == 1
    (failure,) = other.events("start_failed")
    assert "format %d" % version in failure["msg"] and "format 1" in failure["msg"]
    assert path.read_bytes() == before
    env = {"ROLLCALL_STORE_URL": server.env["ROLLCALL_STORE_URL"]}
    result = command("check", env=env)
    assert result.returncode == 2 and "format %d" % version in result.stderr
    change = path.read_bytes().replace(b"format" + version.to_bytes(8, "little"),
                                       b"format" + (1).to_bytes(8, "little"))
    path.write_bytes(change)
    server.start()
    assert server.api.get("/v1/domains/example.com/users/alice").status == 200
