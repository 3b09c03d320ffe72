# SPDX-License-Identifier: Apache-2.0
"""Starts and ends a rollcall process of one's own, and talks to its API."""
import collections
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import contract

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("ROLLCALL_BINARY", SOURCE / "build" / "rollcall"))
ADMIN, READ = "admin-token-of-the-tests", "read-token-of-the-tests"
PATIENCE = 120.0  # no good run waits for it

Reply = collections.namedtuple("Reply", "status headers body json")


def until(condition, what="it", patience=PATIENCE):
    """Polls until the condition gives something true, and returns that."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited %d s in vain for %s" % (patience, what)
        time.sleep(0.02)


def taken(ask):
    """The first answer of ask() that is no 503: a slow machine may be overloaded for a moment, and say so."""
    return until(lambda: (lambda answer: answer.status != 503 and answer)(ask()), "anything but 503")


def for_a_moment(register, look):
    """Has register(expires) make a binding that ends soon, but not before look() has seen it, and returns that."""
    for seconds in 1, 4, 15:
        assert register(seconds).status == 200
        seen = look()
        if seen:
            return seen
    raise AssertionError("a binding of 15 s was not seen")


class Api:
    """A client of the REST API with one token."""

    def __init__(self, address, token=ADMIN):
        self.address, self.token = address, token

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        contract.check(method, path, response.status, response.headers, data)
        kind = response.headers.get("Content-Type", "")
        return Reply(response.status, response.headers, data,
                     json.loads(data) if data and "json" in kind and "ndjson" not in kind else None)

    def get(self, path, **headers):
        return self.request("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})

    def put(self, path, body, **headers):
        return self.request("PUT", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def patch(self, path, body, **headers):
        return self.request("PATCH", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def delete(self, path, **headers):
        return self.request("DELETE", path, None, {k.replace("_", "-"): v for k, v in headers.items()})

    def add_user(self, username, password="secret", domain="example.com", **more):
        reply = self.put("/v1/domains/%s/users/%s" % (domain, username), dict(more, password=password))
        assert reply.status in (200, 201), (reply.status, reply.body)
        return reply

    def bindings(self, username, domain="example.com"):
        reply = self.get("/v1/domains/%s/users/%s/bindings" % (domain, username))
        assert reply.status == 200, (reply.status, reply.body)
        return reply.json["bindings"]


class Rollcall:
    """One process with its store; may be ended and started again on the same ports and store."""

    def __init__(self, folder, env=None, config=None, token=ADMIN):
        self.folder = pathlib.Path(folder)
        self.store = self.folder / "store"
        self.store.mkdir(parents=True, exist_ok=True)
        self.env = {
            "ROLLCALL_SIP_LISTEN": "udp://127.0.0.1:0,tcp://127.0.0.1:0",
            "ROLLCALL_API_LISTEN": "http://127.0.0.1:0",
            "ROLLCALL_API_ADMIN_TOKEN": ADMIN,
            "ROLLCALL_API_READ_TOKEN": READ,
            "ROLLCALL_STORE_URL": "lmdb:%s" % self.store,
            "ROLLCALL_STORE_MAP_SIZE": "1GiB",
            "ROLLCALL_REGISTRAR_DOMAINS": "example.com",
        }
        self.env.update(env or {})
        self.arguments = []
        if config is not None:
            path = self.folder / "rollcall.yaml"
            path.write_text(config)
            self.arguments = ["--config", str(path)]
        self.token, self.process, self.api = token, None, None

    # -- the process

    def environment(self):
        keep = {k: v for k, v in os.environ.items() if not k.startswith("ROLLCALL_")}
        return dict(keep, **{k: v for k, v in self.env.items() if v is not None})

    def start(self, ready=True):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([BINARY, "serve"] + self.arguments, env=self.environment(),
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=log, cwd=self.folder)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        until(lambda: self.alive() and self.listeners("http"), "the API's listener")
        self.api = Api(self.http, self.token)
        until(lambda: self.alive() and self.api.get("/readyz").status == 200, "readiness")
        until(lambda: self.events("ready"), "its word of it")
        return self

    def alive(self):
        """True, or an AssertionError with the log when the process has ended."""
        assert self.process.poll() is None, "rollcall ended with %s:\n%s" % (
            self.process.returncode, self.text())
        return True

    def wait(self, patience=PATIENCE):
        """Waits for the end; the exit code."""
        return self.process.wait(patience)

    def terminate(self):
        """SIGTERM, and what must hold of every good end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.wait()
        self.check_sanitizers()
        assert code == 0, "exit code %s after SIGTERM:\n%s" % (code, self.text())

    def kill(self):
        self.process.kill()
        self.wait()

    def restart(self, env=None):
        """Ends it well, and starts it again on the ports it had."""
        self.keep_ports()
        self.terminate()
        self.env.update(env or {})
        return self.start()

    def keep_ports(self):
        urls = [url for url in self.listeners() if not url.startswith("http")]
        self.env["ROLLCALL_SIP_LISTEN"] = ",".join(urls)
        self.env["ROLLCALL_API_LISTEN"] = self.listeners("http")[0]

    def check_sanitizers(self):
        text = self.text()
        for sign in ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:"):
            assert sign not in text, text

    # -- what its log says

    def text(self):
        """A file, no pipe: what was written before something that a test has seen needs no waiting for."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def log(self):
        return self.text().split("\n")[:-1]

    def events(self, event):
        """The lines of one event, each as its fields."""
        found = []
        for line in self.log:
            fields = dict((k, v.strip('"')) for k, v in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))
            if fields.get("event") == event:
                found.append(fields)
        return found

    def listeners(self, scheme=""):
        return [e["listen"] for e in self.events("listening") if e["listen"].startswith(scheme)]

    def address(self, scheme, family=4):
        """(host, port) of the first listener of this scheme and family."""
        for url in self.listeners(scheme):
            host, _, port = url.partition("://")[2].rpartition(":")
            if (":" in host) == (family == 6):
                return host.strip("[]"), int(port)
        raise AssertionError("no %s listener of IPv%d in\n%s" % (scheme, family, self.text()))

    @property
    def udp(self):
        return self.address("udp")

    @property
    def tcp(self):
        return self.address("tcp")

    @property
    def http(self):
        return self.address("http")


def command(*arguments, env=None, input=None):
    """Runs another sub-command of the binary; the CompletedProcess with text."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("ROLLCALL_")}
    return subprocess.run([BINARY] + list(arguments), env=dict(keep, **(env or {})), input=input,
                          capture_output=True, text=True, errors="replace", timeout=PATIENCE)
