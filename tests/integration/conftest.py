# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a service of one's own for each test, and phones for it."""
import socket

import pytest

from server import Api, READ, Rollcall
from sip import Phone, token


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only in ./dev test --all")


@pytest.fixture
def start(tmp_path):
    """start(env=..., config=...) starts a service; all that were started end well at the end."""
    started = []

    def make(env=None, config=None, ready=True, name="rollcall", token=None):
        options = {} if token is None else {"token": token}
        server = Rollcall(tmp_path / name, env, config, **options)
        started.append(server)
        return server.start(ready)

    yield make
    for server in started:
        if server.process and server.process.poll() is None:
            server.terminate()
        server.check_sanitizers()


@pytest.fixture(scope="module")
def shared(request, tmp_path_factory):
    """One service for all tests of a module that do not mind each other; the module's ENV is its
    environment."""
    server = Rollcall(tmp_path_factory.mktemp("shared"), getattr(request.module, "ENV", None))
    server.start()
    yield server
    if server.process.poll() is None:
        server.terminate()
    server.check_sanitizers()


@pytest.fixture
def line(shared, phones):
    """A phone of a user of its own at the module's service."""
    user = "line-" + token(4)
    shared.api.add_user(user)
    return phones(shared, user)


@pytest.fixture
def rollcall(start):
    """A service with the domain example.com and the user alice, password secret."""
    server = start()
    server.api.add_user("alice")
    return server


@pytest.fixture
def api(rollcall):
    return rollcall.api


@pytest.fixture
def read_api(rollcall):
    return Api(rollcall.http, READ)


@pytest.fixture
def phones():
    """phones(server, ...) makes a Phone that is closed at the end."""
    made = []

    def make(server, user="alice", password="secret", **options):
        transport = options.get("transport", "udp")
        family = options.pop("family", 4)
        made.append(Phone(server.address(transport, family), user, password, **options))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


@pytest.fixture
def phone(rollcall, phones):
    return phones(rollcall)


@pytest.fixture
def ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip("no IPv6 loopback: %s" % error)
