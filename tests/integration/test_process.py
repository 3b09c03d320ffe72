# SPDX-License-Identifier: Apache-2.0
"""The process: start, configuration, signals, restart, and every way not to start."""
import json
import os
import signal
import socket
import threading

import pytest

from server import Api, Rollcall, command, until
from sip import Phone


def starts_not(server):
    """Starts what must not start; its exit code and log."""
    server.start(ready=False)
    code = server.wait()
    server.check_sanitizers()
    assert code > 0, "exit code %d\n%s" % (code, server.text())
    assert "Segmentation" not in server.text()
    return code, server.text()


@pytest.fixture
def prepared(tmp_path):
    """prepared(env, config): a service that is not started yet."""
    made = []

    def make(env=None, config=None, name="refused"):
        made.append(Rollcall(tmp_path / name, env, config))
        return made[-1]

    yield make
    for server in made:
        if server.process and server.process.poll() is None:
            server.kill()


def test_a_restart_keeps_users_and_bindings(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    before = rollcall.api.bindings("alice")
    user = rollcall.api.get("/v1/domains/example.com/users/alice").json
    rollcall.restart()
    assert rollcall.api.bindings("alice") == before
    assert rollcall.api.get("/v1/domains/example.com/users/alice").json == user
    assert phone.register().status == 200


def test_sigint_ends_it_as_sigterm_does(rollcall):
    rollcall.process.send_signal(signal.SIGINT)
    assert rollcall.wait() == 0


def test_sigterm_under_load_loses_nothing_acknowledged(start):
    server = start()
    for n in range(8):
        server.api.add_user("u%d" % n)
    acknowledged, stop = {}, threading.Event()

    def load(n):
        phone = Phone(server.udp, "u%d" % n, "secret")
        try:
            while not stop.is_set():
                phone.contact = "sip:u%d@192.0.2.1:%d" % (n, 1000 + len(acknowledged.get(n, [])))
                if phone.register().status == 200:
                    acknowledged.setdefault(n, []).append(phone.contact)
                    while phone.unregister().status != 200:
                        pass
                    acknowledged[n].append(None)
        except Exception:  # the server goes away in the midst of it
            pass
        finally:
            phone.close()

    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) == 8 and min(map(len, acknowledged.values())) > 3, "some load")
    server.keep_ports()
    server.terminate()
    stop.set()
    for thread in threads:
        thread.join()
    server.start()
    for n in range(8):
        present = [b["contact"] for b in server.api.bindings("u%d" % n)]
        last = acknowledged[n][-1]
        if last is not None:
            # Registered for certain; only the unregister after it may have gone through unanswered.
            assert present in ([last], [])
        else:
            assert len(present) <= 1 and last not in present


def test_sighup_takes_new_tokens_from_a_file(start, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token-of-all\n")
    server = start({"ROLLCALL_API_ADMIN_TOKEN": None, "ROLLCALL_API_ADMIN_TOKEN_FILE": str(tokens)},
                   token="first-token-of-all")
    assert server.api.get("/v1/domains").status == 200
    tokens.write_text("second-token-here\nthird-token-here\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.events("reloaded"), "the reload")
    assert Api(server.http, "third-token-here").get("/v1/domains").status == 200
    assert Api(server.http, "second-token-here").get("/v1/domains").status == 200
    assert Api(server.http, "first-token-of-all").get("/v1/domains").status == 401


def test_sighup_changes_the_log_level(start):
    server = start(config="log:\n  level: info\n")
    (server.folder / "rollcall.yaml").write_text("log:\n  level: debug\nstore:\n  changes_max: 5\n")
    lines = len(server.log)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "store.changes_max" in "\n".join(server.log[lines:]),
          "what could not change without a restart")
    assert server.api.get("/healthz").status == 200


def test_kubernetes_variables_do_no_harm(start, phones):
    server = start({
        "ROLLCALL_PORT": "tcp://10.0.0.1:8080", "ROLLCALL_SERVICE_HOST": "10.0.0.1",
        "ROLLCALL_SERVICE_PORT": "8080", "ROLLCALL_SERVICE_PORT_HTTP": "8080",
        "ROLLCALL_PORT_8080_TCP": "tcp://10.0.0.1:8080", "ROLLCALL_PORT_8080_TCP_PROTO": "tcp",
        "ROLLCALL_PORT_8080_TCP_ADDR": "10.0.0.1", "ROLLCALL_PORT_8080_TCP_PORT": "8080",
        "ROLLCALL_SIP_PORT": "udp://10.0.0.2:5060", "ROLLCALL_SIP_SERVICE_HOST": "10.0.0.2",
        "ROLLCALL_SIP_SERVICE_PORT": "5060", "ROLLCALL_SIP_SERVICE_PORT_SIP_UDP": "5060",
        "ROLLCALL_SIP_PORT_5060_UDP": "udp://10.0.0.2:5060", "ROLLCALL_SIP_PORT_5060_UDP_PORT": "5060",
        "ROLLCALL_SIP_PORT_5060_UDP_ADDR": "10.0.0.2", "ROLLCALL_SIP_PORT_5060_UDP_PROTO": "udp"})
    server.api.add_user("alice")
    assert phones(server).register().status == 200
    assert "SERVICE_HOST" not in server.text() and "5060_UDP" not in server.text()


def test_an_unknown_variable_is_a_warning(start):
    server = start({"ROLLCALL_SIP_LISTENN": "udp://127.0.0.1:0"})
    assert any("ROLLCALL_SIP_LISTENN" in line and " warning " in line for line in server.log)


@pytest.mark.parametrize("config,names", [
    ("sip:\n  listn: udp://127.0.0.1:0\n", "sip.listn"),
    ("registrar:\n  min_expires: soon\n", "registrar.min_expires"),
    ("registrar:\n  min_expires: 600\n  max_expires: 60\n", "registrar.m"),
    ("sip:\n  listen: [xdp://127.0.0.1:0]\n", "sip.listen"),
    ("auth:\n  algorithms: [MD4]\n", "auth.algorithms"),
    ("store:\n  url: nosuch:/tmp\n", "store.url"),
    ("sip: [\n", "rollcall.yaml")])
def test_a_wrong_configuration_names_the_key_and_does_not_start(prepared, config, names):
    server = prepared(config=config)
    for key in ("ROLLCALL_SIP_LISTEN", "ROLLCALL_STORE_URL"):
        if names in ("sip.listen", "store.url"):
            server.env[key] = None
    _, log = starts_not(server)
    assert names in log


def test_check_config_prints_every_problem_with_its_place(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("sip:\n  nosuch: 1\nregistrar:\n  min_expires: soon\nlog:\n  level: loud\n")
    result = command("check-config", "--config", str(path))
    out = result.stdout + result.stderr
    assert result.returncode == 1
    for key, line in (("sip.nosuch", 2), ("registrar.min_expires", 4), ("log.level", 6)):
        assert key in out and "bad.yaml:%d" % line in out
    path.write_text("registrar:\n  domains: [example.com]\n")
    assert command("check-config", "--config", str(path)).returncode == 0


def test_version_and_help():
    assert command("--version").stdout.startswith("rollcall ")
    for name in ("serve", "check-config", "import", "backup", "stats", "check", "healthcheck"):
        assert name in command("--help").stdout
        assert command(name, "--help").returncode == 0
    assert command("nosuch").returncode not in (0, -signal.SIGSEGV)


@pytest.mark.parametrize("kind", ["udp", "tcp", "http"])
def test_a_port_in_use_is_named(prepared, kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind != "udp":
            taken.listen()
        port = taken.getsockname()[1]
        key = "ROLLCALL_API_LISTEN" if kind == "http" else "ROLLCALL_SIP_LISTEN"
        _, log = starts_not(prepared({key: "%s://127.0.0.1:%d" % (kind, port)}))
        assert str(port) in log


def test_a_store_that_cannot_be_written_is_named(prepared, tmp_path):
    wall = tmp_path / "a-file"
    wall.write_text("")
    _, log = starts_not(prepared({"ROLLCALL_STORE_URL": "lmdb:%s/store" % wall}))
    assert "a-file/store" in log


@pytest.mark.parametrize("content", [b"this is no store" * 4096, b"\0" * 65536, b""],
                         ids=["text", "zeros", "empty"])
def test_a_foreign_store_file_is_refused_and_left_alone(prepared, content):
    server = prepared()
    path = server.store / "data.mdb"
    path.write_bytes(content)
    if content:
        _, log = starts_not(server)
        assert str(server.store) in log
        assert path.read_bytes() == content
    else:
        server.start()
        server.terminate()


def test_a_cut_store_file_is_refused(prepared):
    server = prepared()
    server.start()
    for n in range(300):
        server.api.add_user("u%d" % n, display_name="x" * 100)
    server.terminate()
    path = server.store / "data.mdb"
    os.truncate(path, path.stat().st_size // 3)
    before = path.read_bytes()
    code, log = starts_not(server)
    assert code != 139 and str(server.store) in log
    assert path.read_bytes() == before


def test_a_second_process_on_the_same_store_is_refused(rollcall, prepared):
    other = prepared({"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"]})
    _, log = starts_not(other)
    assert "lock" in log
    assert rollcall.api.get("/readyz").status == 200


def test_lock_wait_waits_alive_and_takes_over(rollcall, start):
    other = start({"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"],
                   "ROLLCALL_STORE_LOCK_WAIT": "60"}, ready=False, name="other")
    until(lambda: other.alive() and other.listeners("http"), "its API")
    waiting = Api(other.http)
    assert waiting.get("/healthz").status == 200
    assert waiting.get("/readyz").status == 503
    rollcall.terminate()
    other.wait_ready()
    assert other.api.get("/v1/domains/example.com/users/alice").status == 200


def test_without_a_token_only_loopback_may_listen(prepared, start):
    no_token = {"ROLLCALL_API_ADMIN_TOKEN": None, "ROLLCALL_API_READ_TOKEN": None}
    _, log = starts_not(prepared(dict(no_token, ROLLCALL_API_LISTEN="http://0.0.0.0:0")))
    assert "api.admin_token" in log
    server = start(no_token, token="")
    assert server.api.get("/v1/domains").status == 200
    assert server.api.get("/v1/domains", Host="evil.example.net").status in (400, 403, 421)


def test_sub_commands_ask_the_running_process(rollcall):
    env = {"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"]}
    assert command("healthcheck", env=env).returncode == 0
    assert json.loads(command("stats", env=env).stdout)["users"] == 1
    lines = '{"domain": "example.com", "username": "carol", "password": "x"}\nnot json\n'
    result = command("import", "-", env=env, input=lines)
    assert result.returncode == 1, result
    assert rollcall.api.get("/v1/domains/example.com/users/carol").status == 200
    target = rollcall.folder / "backup"
    assert command("backup", str(target), env=env).returncode == 0
    copy = {"ROLLCALL_STORE_URL": "lmdb:%s" % target}
    assert json.loads(command("stats", env=copy).stdout)["users"] == 2
    assert command("check", env=copy).returncode == 0
    assert command("backup", str(target), env=env).returncode != 0, "DEST must not exist"


def test_sub_commands_open_a_store_that_nobody_holds(rollcall):
    env = {"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"]}
    rollcall.terminate()
    assert json.loads(command("stats", env=env).stdout)["users"] == 1
    assert command("check", env=env).returncode == 0
    assert command("healthcheck", env=env).returncode == 1


def test_json_logs_are_json(start, phones):
    server = start({"ROLLCALL_LOG_FORMAT": "json"}, ready=False)
    until(lambda: any('"ready"' in line for line in server.log), "the event ready")
    server.terminate()
    for line in server.log:
        assert {"time", "level", "event", "msg"} <= set(json.loads(line)), line


def test_nothing_leaks_file_descriptors(rollcall, phones):
    def count():
        return len(os.listdir("/proc/%d/fd" % rollcall.process.pid))

    phones(rollcall, transport="tcp").register()
    before = count()
    for _ in range(50):
        phone = Phone(rollcall.tcp, "alice", "secret", transport="tcp")
        phone.send([])
        phone.close()
    until(lambda: count() <= before + 2, "closed connections to be closed")
