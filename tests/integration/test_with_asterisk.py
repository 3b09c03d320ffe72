# SPDX-License-Identifier: Apache-2.0
"""docs/with-asterisk.md on the wire: what a PBX sends that has rollcall as its location source."""
import os
import re
import socket
import subprocess

import pytest
import yaml

from server import READ, SOURCE
from sip import Phone, hostport

TEXT = (SOURCE / "docs" / "with-asterisk.md").read_text()
PBX = "127.0.0.20"


@pytest.fixture
def service(start):
    """A service with the page's own configuration, its addresses moved to loopback."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(text)["registrar"]["redirect_from"] == ["10.0.0.20"]
    server = start({"ROLLCALL_REGISTRAR_DOMAINS": None}, config=text.replace("10.0.0.20", PBX))
    server.api.add_user("alice")
    return server


class Handset:
    """A phone: a socket that rings, registered at the service."""

    def __init__(self, server):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        self.contact = "sip:alice@%s;line=7" % hostport(self.socket.getsockname())
        self.phone = Phone(server.udp, "alice", "secret")
        assert self.phone.register(["<%s>" % self.contact], expires=600).status == 200

    def close(self):
        self.socket.close()
        self.phone.close()


@pytest.fixture
def handset(service):
    made = Handset(service)
    yield made
    made.close()


@pytest.fixture
def pbx(service):
    caller = Phone(service.udp, "pbx", "none", source=(PBX, 0))
    yield caller
    caller.close()


def invite(caller, uri):
    return caller.build([], method="INVITE", uri=uri, to="<%s>" % uri)


def test_asterisk_qualifies_rollcall(pbx, service):
    uri = "sip:" + hostport(service.udp)
    assert pbx.wire.exchange(pbx.build([], method="OPTIONS", uri=uri, to="<%s>" % uri)).status == 200


def test_asterisk_follows_the_302_and_the_phone_rings(pbx, handset, service):
    # The name that Asterisk dials is one of the service's own addresses: the default domain is meant.
    answer = pbx.wire.exchange(invite(pbx, "sip:alice@" + hostport(service.udp)))
    assert answer.status == 302 and list(answer.contacts()) == [handset.contact]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((PBX, 0))
        target = re.match(r"sip:alice@([\d.]+):(\d+)", handset.contact).groups()
        line.sendto(invite(pbx, handset.contact).encode(), (target[0], int(target[1])))
        ringing, source = handset.socket.recvfrom(65536)
    assert ringing.decode().startswith("INVITE %s SIP/2.0\r\n" % handset.contact) and source[0] == PBX


def test_nobody_is_registered_and_there_is_nobody(pbx, service):
    assert pbx.wire.exchange(invite(pbx, "sip:alice@example.com")).status == 480
    assert pbx.wire.exchange(invite(pbx, "sip:nobody@example.com")).status == 404


def test_who_is_not_asterisk_may_not_ask(handset, service):
    stranger = Phone(service.udp, "stranger", "none", source=("127.0.0.21", 0))
    assert stranger.wire.exchange(invite(stranger, "sip:alice@example.com")).status == 403
    assert stranger.wire.exchange(invite(stranger, "sip:nobody@example.com")).status == 403
    stranger.close()


def test_the_look_ups_of_the_page_find_the_phone(handset, service):
    (command,) = re.findall(r"^```sh\n(curl .*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    env = {"PATH": os.environ["PATH"], "READ_TOKEN": READ, "API": "http://%s:%d" % service.http}
    result = subprocess.run(["sh", "-ec", command], env=env, capture_output=True, text=True, timeout=30)
    (found,) = yaml.safe_load(result.stdout)["results"]
    assert found["registered"] and found["bindings"][0]["contact"] == handset.contact
    assert found["bindings"][0]["source"] == "%s:%d" % handset.phone.wire.local
    path = "/v1/domains/example.com/users/alice/bindings"
    assert path.replace("alice", "${URIENCODE(${EXTEN})}") in TEXT
    assert service.api.get(path).json["bindings"][0]["contact"] == handset.contact
