# SPDX-License-Identifier: Apache-2.0
"""docs/kamailio/edge.cfg, the edge proxy of docs/with-kamailio.md: it adds Path to what phones register, asks
rollcall for the route of an INVITE, and two baresip phones talk through it."""
import json
import pathlib
import random
import select
import shutil
import socket
import subprocess
import time

import pytest

from conftest import Kamailio
from server import Rollcall, until
from sip import PATIENCE, Phone, token
from test_clients import baresip_modules, own_address

EDGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "kamailio" / "edge.cfg"
CONFIG = """poll_method epoll
sip_listen %s:%d
module_path %s
module g711.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %s:%d
audio_player aufile,/dev/null
audio_source aufile,%s
audio_alert aufile,/dev/null
rtp_ports 20000-40000
"""


@pytest.fixture
def behind(kamailio_there, tmp_path):
    """rollcall with alice and bob, and the edge before it."""
    server = Rollcall(tmp_path / "rollcall", {"ROLLCALL_REGISTRAR_REDIRECT_PATH": "route"}).start()
    edge = None
    try:
        for user in ("alice", "bob"):
            server.api.add_user(user)
        edge = Kamailio(tmp_path / "edge", EDGE, ADDRESS="127.0.0.1",
                        REGISTRAR='"sip:127.0.0.1:%d"' % server.udp[1]).start()
        yield server, edge
    finally:
        if edge:
            edge.stop()
        server.terminate()


@pytest.fixture
def through(behind):
    """through(user): a phone that knows the edge alone."""
    made = []

    def make(user, **options):
        made.append(Phone(behind[1].address(), user, "secret", **options))
        return made[-1]
    yield make
    for phone in made:
        phone.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc3327_the_edge_adds_path_and_rollcall_keeps_it_and_sees_the_phone(behind, through, transport):
    server, edge = behind
    phone = through("alice", transport=transport)
    answer = phone.register(headers=["Supported: path"])
    assert answer.status == 200 and list(answer.contacts()) == [phone.contact]
    binding, = server.api.bindings("alice")
    path, = binding["path"]
    assert "127.0.0.1:%d" % edge.port in path and "received=sip:127.0.0.1:%d" % phone.wire.local[1] in path
    assert answer.all("Path") == [path]
    assert binding["source"] == "127.0.0.1:%d" % edge.port
    assert binding["received"] == "127.0.0.1:%d" % phone.wire.local[1]
    assert phone.unregister().status == 200 and server.api.bindings("alice") == []


def invite(phone, user):
    return phone.build([], method="INVITE", uri="sip:%s@example.com" % user, to="<sip:%s@example.com>" % user)


def request_at(wire, method):
    """The next request of this method that reaches the socket."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([wire.socket], [], [], 0.1)[0]:
            data = wire.socket.recv(65536)
            if data.startswith(method.encode()):
                return data.decode()
    raise AssertionError("no %s came" % method)


def test_an_invite_finds_the_phone_behind_its_nat_by_the_path_of_the_302(behind, through):
    """The Contact is an address that leads nowhere; the Path has the one that does."""
    alice, bob = through("alice"), through("bob")
    bob.contact = "sip:bob@192.0.2.77:5060"
    assert bob.register().status == 200
    alice.wire.send(invite(alice, "bob"))
    got = request_at(bob.wire, "INVITE")
    assert got.startswith("INVITE sip:bob@192.0.2.77:5060 SIP/2.0")
    assert "received=" in got.split("\r\n")[1] or "Record-Route" in got


def test_each_phone_of_an_aor_rings(behind, through):
    alice, bobs = through("alice"), [through("bob") for _ in range(3)]
    for n, bob in enumerate(bobs):
        assert bob.register(["<%s>;q=0.%d" % (bob.contact, n + 1)]).status == 200
    alice.wire.send(invite(alice, "bob"))
    for bob in bobs:
        assert request_at(bob.wire, "INVITE").startswith("INVITE %s SIP/2.0" % bob.contact)


@pytest.mark.parametrize("user,status", [("bob", 480), ("nobody", 404)])
def test_who_is_not_there_is_said_to_the_caller(behind, through, user, status):
    alice = through("alice")
    alice.wire.send(invite(alice, user))
    answer = alice.wire.receive()
    while answer.status < 200:
        answer = alice.wire.receive()
    assert answer.status == status


def test_a_message_outside_a_dialog_goes_the_same_way(behind, through):
    alice, bob = through("alice"), through("bob")
    assert bob.register().status == 200
    alice.wire.send(alice.build([], method="MESSAGE", uri="sip:bob@example.com", to="<sip:bob@example.com>"))
    assert request_at(bob.wire, "MESSAGE").startswith("MESSAGE %s" % bob.contact)


# ---- Two phones that others wrote

class Baresip:
    """A baresip with a control port."""

    def __init__(self, folder, user, edge, answer):
        folder.mkdir()
        self.user, self.folder = user, folder
        host, port = own_address()
        self.control = (host, random.randint(20000, 60000))
        silence = folder / "silence.wav"
        rate, size = 8000, 16000 * 20
        silence.write_bytes(b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") +
                            b"\1\0\1\0" + rate.to_bytes(4, "little") + (2 * rate).to_bytes(4, "little") + b"\2\0\x10\0data" +
                            size.to_bytes(4, "little") + b"\0" * size)
        (folder / "config").write_text(CONFIG % ((host, port, baresip_modules()) + self.control + (silence,)))
        (folder / "contacts").write_text("")
        (folder / "accounts").write_text(
            '<sip:%s@example.com>;auth_user=%s;auth_pass=secret;outbound="sip:127.0.0.1:%d";regint=60;'
            'audio_codecs=PCMU/8000%s\n' % (user, user, edge.port, ";answermode=auto" if answer else ""))
        self.log = open(folder / "out", "w")
        self.process = subprocess.Popen([shutil.which("baresip"), "-f", str(folder), "-4"], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, cwd=folder)
        self.events, self.stream, self.buffer = [], None, b""

    def connect(self):
        def attempt():
            try:
                return socket.create_connection(self.control, 1)
            except OSError:
                assert self.process.poll() is None, (self.folder / "out").read_text()
                return None
        self.stream = until(attempt, "baresip's control port")

    def command(self, name, params=""):
        text = json.dumps({"command": name, "params": params, "token": token(2)}).encode()
        self.stream.sendall(b"%d:%s," % (len(text), text))

    def seen(self, kind):
        """True once an event of this kind has come."""
        while select.select([self.stream], [], [], 0)[0]:
            data = self.stream.recv(65536)
            if not data:
                break
            self.buffer += data
        while b":" in self.buffer:
            size, _, rest = self.buffer.partition(b":")
            if len(rest) <= int(size):
                break
            self.events.append(json.loads(rest[:int(size)]))
            self.buffer = rest[int(size) + 1:]
        return any(e.get("type") == kind for e in self.events)

    def wait(self, kind):
        until(lambda: self.seen(kind), "%s of %s; seen: %s" % (kind, self.user, [e.get("type") for e in self.events]))

    def close(self):
        if self.stream:
            self.stream.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def test_two_baresip_phones_talk_through_the_edge(behind, tmp_path):
    if not shutil.which("baresip"):
        pytest.skip("baresip is not installed (apt-get install baresip-core)")
    server, edge = behind
    phones = []
    try:
        for user, answer in (("alice", False), ("bob", True)):
            phones.append(Baresip(tmp_path / user, user, edge, answer))
        alice, bob = phones
        for phone in phones:
            phone.connect()
            binding, = until(lambda phone=phone: server.api.bindings(phone.user), phone.user + "'s binding")
            assert binding["user_agent"].startswith("baresip") and len(binding["path"]) == 1
        alice.command("dial", "sip:bob@example.com")
        alice.wait("CALL_ESTABLISHED")
        bob.wait("CALL_ESTABLISHED")
        alice.command("hangup")
        bob.wait("CALL_CLOSED")
    finally:
        for phone in phones:
            phone.close()
    until(lambda: not server.api.bindings("alice") and not server.api.bindings("bob"), "the phones' leave")
