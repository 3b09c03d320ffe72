# SPDX-License-Identifier: Apache-2.0
"""rollcall and Kamailio side by side, each on ports of its own."""
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from kamailio import command, free_port  # noqa: E402  (the path above leads there)
from server import Rollcall, until  # noqa: E402
from sip import NoAnswer, Wire  # noqa: E402


class Kamailio:
    """A Kamailio with one of our configurations; `defines` are set for its preprocessor."""

    def __init__(self, folder, config, **defines):
        self.folder, self.config = pathlib.Path(folder), config
        self.port = free_port()
        self.defines = dict(defines, PORT=self.port)
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(command(self.config, self.folder, self.defines), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        until(self.answers, "Kamailio")
        return self

    def answers(self):
        assert self.process.poll() is None, self.text()
        wire = Wire(("127.0.0.1", self.port))
        try:
            wire.send("OPTIONS sip:ping@127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKping;rport\r\n"
                      "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n"
                      "Content-Length: 0\r\n\r\n" % self.port)
            return wire.receive(0.2).status == 200
        except (NoAnswer, OSError):
            return False
        finally:
            wire.close()

    def address(self, _transport="udp"):
        return "127.0.0.1", self.port

    def text(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="session")
def kamailio_there():
    if not shutil.which("kamailio"):
        pytest.skip("kamailio is not installed (apt-get install kamailio)")


@pytest.fixture(scope="session")
def judge(kamailio_there, tmp_path_factory):
    server = Kamailio(tmp_path_factory.mktemp("kamailio"), HERE / "registrar.cfg").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rollcall(tmp_path_factory):
    server = Rollcall(tmp_path_factory.mktemp("rollcall"))
    server.start()
    yield server
    server.terminate()
