# SPDX-License-Identifier: Apache-2.0
"""HTTP itself: framing, limits, methods, compression, origins, tokens, the control socket, the end."""
import gzip
import http.client
import json
import os
import re
import socket
import stat
import struct
import threading
import time

import pytest

from faults import HELD, HOLD, Faults
from server import ADMIN, READ, Api, until

AUTH = "Authorization: Bearer %s\r\n" % ADMIN
BAN = {"reason": "test", "until": "2999-01-01T00:00:00Z"}


class Raw:
    """One connection, byte for byte."""

    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, 30)
        self.data = b""

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())
        return self

    def _more(self):
        data = self.socket.recv(65536)
        self.data += data
        return bool(data)

    def response(self, body=True):
        """(status, headers, body) of the next one, whose length must be given."""
        while b"\r\n\r\n" not in self.data:
            assert self._more(), "closed after %r" % self.data
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        status, length = int(lines[0].split()[1]), int(headers.get("content-length", 0))
        if not body or status in (100, 204, 304):
            length = 0
        while len(self.data) < length:
            assert self._more(), "closed in a body"
        content, self.data = self.data[:length], self.data[length:]
        return status, headers, content

    def closed(self):
        """True once the other side has closed and all was read."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        return self.data == b""

    def close(self):
        self.socket.close()


@pytest.fixture
def raw(start):
    """raw() connects to a service; raw.server is it."""
    made = []

    def connect(address=None):
        made.append(Raw(address or connect.server.http))
        return made[-1]

    connect.server = start()
    yield connect
    for one in made:
        one.close()


def get(path, more=""):
    return "GET %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n" % (path, AUTH, more)


# -- framing

def test_rfc9112_9_3_2_pipelined_requests_are_answered_in_order(raw):
    body = json.dumps(BAN)
    put = "PUT /v1/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n" \
        "Content-Length: %d\r\n\r\n%s" % (AUTH, len(body), body)
    wire = raw().send(put + get("/v1/bans/192.0.2.1") + get("/v1/nothing") + get("/healthz"))
    assert [wire.response()[0] for _ in range(4)] == [201, 200, 404, 200]


def test_a_refused_request_with_a_body_keeps_the_connection(raw):
    wire = raw()
    for _ in range(3):
        wire.send("POST /v1/bindings:lookup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                  "Content-Length: 20\r\n\r\n" + "x" * 20)
        assert wire.response()[0] == 401
    wire.send(get("/healthz"))
    assert wire.response()[0] == 200


def test_rfc9110_10_1_1_expect_100_continue(raw):
    body = json.dumps(BAN).encode()
    head = "PUT /v1/bans/192.0.2.2 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n" \
        "Content-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    wire = raw().send(head % (AUTH, len(body)))
    assert wire.response()[0] == 100
    wire.send(body)
    assert wire.response()[0] == 201
    wire = raw().send(head % ("", len(body)))
    assert wire.response()[0] == 401, "the final answer at once, without the body"
    assert wire.closed()


def test_chunked_bodies(raw):
    body = json.dumps(BAN)
    wire = raw().send("PUT /v1/bans/192.0.2.3 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n" % AUTH)
    for part in (body[:1], body[1:10], body[10:]):
        wire.send("%x\r\n%s\r\n" % (len(part), part))
    wire.send("0\r\n\r\n")
    assert wire.response()[0] == 201
    wire.send(get("/healthz"))
    assert wire.response()[0] == 200


@pytest.mark.parametrize("headers,status", [
    ("Host: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Host: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n", 400),
    ("Host: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n", 400),
    ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
    ("Host: a\r\nContent-Length : 2\r\n", 400),
    ("Host: a\r\nHost: b\r\n", 400),
    ("Host: a\r\nAuthorization: Bearer x\r\nAuthorization: Bearer y\r\n", 400),
    ("", 400)])
def test_rfc9112_6_3_ambiguous_framing_is_refused_and_the_connection_closed(raw, headers, status):
    wire = raw().send("POST /v1/bindings:lookup HTTP/1.1\r\n%s\r\n{}" % headers)
    got, fields, body = wire.response()
    assert got == status and fields["connection"].lower() == "close"
    assert json.loads(body)["status"] == status
    assert wire.closed()


def test_http_1_0_needs_no_host(raw):
    wire = raw().send("GET /healthz HTTP/1.0\r\n\r\n")
    assert wire.response()[0] == 200
    assert wire.closed()


# -- limits

def test_a_body_that_is_too_large_is_413_before_it_comes(start):
    server = start({"ROLLCALL_API_MAX_BODY": "65536"})
    wire = Raw(server.http)
    wire.send("PUT /v1/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n"
              "Content-Length: 65537\r\n\r\n" % AUTH)
    status, headers, body = wire.response()
    assert status == 413 and headers["content-type"] == "application/problem+json"
    assert "api.max_body" in json.loads(body)["detail"]
    wire.close()
    for size in (65537, 8 << 20):  # who sends it all without a look gets the answer nevertheless
        reply = server.api.request("PUT", "/v1/bans/192.0.2.1", b"x" * size,
                                   {"Content-Type": "application/json"})
        assert reply.status == 413
    assert server.api.put("/v1/bans/192.0.2.1", dict(BAN, reason="x" * 40)).status == 201
    assert 'limit_reached_total{limit="api.max_body"} 3' in server.api.get("/metrics").body.decode()


def test_a_chunked_body_that_grows_too_large_is_413(start):
    server = start({"ROLLCALL_API_MAX_BODY": "65536"})
    wire = Raw(server.http)
    wire.send("PUT /v1/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n"
              "Transfer-Encoding: chunked\r\n\r\n" % AUTH)
    for _ in range(10):
        wire.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    assert wire.response()[0] == 413
    wire.send("0\r\n\r\n")
    assert wire.closed()


def test_a_target_or_headers_that_are_too_large_are_414_and_431(raw):
    assert raw().send("GET /" + "x" * 40000 + " HTTP/1.1\r\nHost: a\r\n\r\n").response()[0] == 414
    many = "".join("X-%d: %s\r\n" % (n, "y" * 1000) for n in range(40))
    assert raw().send("GET / HTTP/1.1\r\nHost: a\r\n%s\r\n" % many).response()[0] == 431


def test_a_slow_request_is_closed_by_the_idle_timeout(start):
    server = start({"ROLLCALL_API_IDLE_TIMEOUT": "3"})
    for begun in ("GET /healthz HTTP/1.1\r\nHo",
                  "PUT /v1/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n"
                  "Content-Length: 100\r\n\r\n{" % AUTH):
        assert Raw(server.http).send(begun).closed()
    assert server.api.get("/readyz").status == 200


def test_beyond_the_limit_who_waits_longest_gives_way_and_it_is_said(start):
    server = start({"ROLLCALL_API_MAX_CONNECTIONS": "4"})

    def connected():
        wire = Raw(server.http)
        try:
            assert wire.send(get("/v1/events")).response(body=False)[0] == 200
            return wire
        except (AssertionError, ConnectionError):  # those of before are not all noticed as closed yet
            wire.close()

    idle = Raw(server.http)
    assert idle.send(get("/healthz")).response()[0] == 200
    wires = [until(connected, "a connection") for _ in range(4)]
    assert idle.closed()
    try:
        assert Raw(server.http).closed(), "nobody waits: all are busy"
        until(lambda: any(e["limit"] == "api.max_connections" for e in server.events("limit_reached")),
              "a line that says so")
    finally:
        for wire in wires:
            wire.close()
    until(lambda: _answers(server), "a free connection")


def _answers(server):
    try:
        return server.api.get("/readyz").status == 200
    except (OSError, http.client.HTTPException):
        return False


# -- targets

@pytest.mark.parametrize("target", [
    "/v1/domains/a%00b", "/v1/domains/%", "/v1/domains/%4", "/v1/domains/%zz", "/v1/domains/%ff",
    "/v1/bans?limit=%00", "/v1/bans?limit=1&limit=2", "/v1/bans?nosuch=1", "/v1/bans?cursor=%c0%af"])
def test_a_target_that_is_no_text_or_not_known_is_400(raw, target):
    status, headers, body = raw().send(get(target)).response()
    assert status == 400 and headers["content-type"] == "application/problem+json", body


def test_an_unknown_query_argument_is_named(raw):
    assert "nosuch" in raw.server.api.get("/v1/bans?nosuch=1").json["detail"]


def test_rfc9112_3_2_2_the_absolute_form_is_taken(raw):
    assert raw().send(get("http://a:80/v1/bans?limit=1")).response()[0] == 200


def test_percent_escapes_in_a_path(raw):
    assert raw.server.api.put("/v1/bans/192.0.2.0%2f24", BAN).status == 201
    assert raw.server.api.get("/v1/bans/192.0.2.0%2F24").json["network"] == "192.0.2.0/24"
    assert raw.server.api.get("/v1/bans/192.0.2.0/24").status == 404


# -- methods

def test_rfc9110_9_3_2_head_is_get_without_the_body(raw):
    wire = raw()
    wire.send(get("/healthz"))
    _, by_get, body = wire.response()
    wire.send(get("/healthz").replace("GET", "HEAD"))
    status, by_head, _ = wire.response(body=False)
    assert status == 200 and body
    assert dict(by_get, date=None) == dict(by_head, date=None)
    wire.send(get("/v1/bans").replace("GET", "HEAD") + get("/healthz"))
    assert wire.response(body=False)[0] == 200
    assert wire.response()[2] == body, "nothing of the HEAD's body is in the way"


def test_a_method_that_is_not_known_is_405_with_allow(api_of):
    for method in ("POST", "TRACE", "BREW", "PATCH"):
        reply = api_of.request(method, "/v1/bans/192.0.2.1", {} if method == "PATCH" else None)
        assert reply.status == 405 and reply.json["status"] == 405
        assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}


def test_options_says_what_is_allowed(api_of):
    stranger = Api(api_of.address, "")
    reply = stranger.request("OPTIONS", "/v1/domains/a/users/b")
    assert reply.status == 204 and not reply.body
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}
    assert stranger.request("OPTIONS", "*").status == 204
    assert stranger.request("OPTIONS", "/nothing").status == 404
    assert reply.headers["Access-Control-Allow-Origin"] is None


def test_a_body_of_another_type_is_415(api_of):
    reply = api_of.request("PUT", "/v1/bans/192.0.2.1", json.dumps(BAN), {"Content-Type": "text/plain"})
    assert reply.status == 415 and "application/json" in reply.json["detail"]
    reply = api_of.request("PATCH", "/v1/domains/example.com", "{}", {"Content-Type": "text/plain"})
    assert reply.status == 415 and "merge-patch" in reply.headers["Accept-Patch"]
    reply = api_of.request("PUT", "/v1/bans/192.0.2.1", json.dumps(BAN),
                           {"Content-Type": "Application/JSON; charset=utf-8"})
    assert reply.status == 201


@pytest.fixture
def api_of(start):
    return start().api


# -- what all responses have

def test_every_response_forbids_guessing_and_keeping(api_of):
    for path in ("/healthz", "/v1/bans", "/v1/nothing", "/metrics"):
        headers = api_of.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Date"]
        assert headers["Cache-Control"] == "no-store"


def test_long_responses_are_compressed_for_those_who_ask(api_of):
    plain = api_of.get("/metrics")
    packed = api_of.get("/metrics", Accept_Encoding="br;q=1, gzip;q=0.8")
    refused = api_of.get("/metrics", Accept_Encoding="gzip;q=0")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).startswith(b"# HELP rollcall_register_total")
    assert len(packed.body) < len(plain.body) / 3
    for reply in (plain, refused):
        assert reply.headers["Content-Encoding"] is None
    for reply in (plain, packed, refused):
        assert reply.headers["Vary"] == "Accept-Encoding"
    assert api_of.get("/healthz", Accept_Encoding="gzip").headers["Content-Encoding"] is None, "short"


def test_rfc9110_8_8_3_3_a_compressed_representation_has_an_etag_of_its_own(raw):
    for n in range(40):
        raw.server.api.add_user("user-with-a-long-name-%d" % n, display_name="x" * 40)
    path = "/v1/domains/example.com/users?view=status"
    wire = raw()
    plain = wire.send(get(path)).response()
    packed = wire.send(get(path, "Accept-Encoding: gzip\r\n")).response()
    assert packed[1]["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed[2]))["users"] == json.loads(plain[2])["users"]
    assert packed[1]["etag"] != plain[1]["etag"]
    for reply, more in ((plain, ""), (packed, "Accept-Encoding: gzip\r\n")):
        status, headers, _ = wire.send(get(path, "If-None-Match: %s\r\n%s" % (reply[1]["etag"], more))).response()
        assert status == 304 and headers["etag"] == reply[1]["etag"]


# -- origins

def test_origins_that_are_configured_may_ask(start):
    server = start({"ROLLCALL_API_CORS_ORIGINS": "https://panel.example,https://other.example"})
    stranger = Api(server.http, "")
    asked = stranger.request("OPTIONS", "/v1/domains/a", None, {
        "Origin": "https://panel.example", "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization"})
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "https://panel.example"
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"].lower()
    assert "Origin" in asked.headers["Vary"]
    reply = server.api.get("/v1/bans", Origin="https://other.example")
    assert reply.headers["Access-Control-Allow-Origin"] == "https://other.example"
    assert "ETag" in reply.headers["Access-Control-Expose-Headers"]
    refused = server.api.get("/v1/bans", Origin="https://evil.example")
    assert refused.headers["Access-Control-Allow-Origin"] is None and "Origin" in refused.headers["Vary"]


def test_without_origins_in_the_configuration_there_are_no_such_headers(api_of):
    reply = api_of.get("/v1/bans", Origin="https://panel.example")
    assert reply.status == 200
    assert not any(k.lower().startswith("access-control") for k in reply.headers)


# -- tokens

def test_rfc6750_3_a_refusal_names_the_scheme(api_of):
    missing, wrong = Api(api_of.address, ""), Api(api_of.address, "wrong")
    assert missing.get("/v1/bans").headers["WWW-Authenticate"] == 'Bearer realm="rollcall"'
    assert "invalid_token" in wrong.get("/v1/bans").headers["WWW-Authenticate"]
    reader = Api(api_of.address, READ).put("/v1/bans/192.0.2.1", BAN)
    assert reader.status == 403 and "insufficient_scope" in reader.headers["WWW-Authenticate"]
    assert Api(api_of.address, READ).get("/v1/bans").status == 200


def test_who_guesses_tokens_is_answered_429_and_a_right_one_is_not(raw):
    wire = raw()
    wrong = "GET /v1/bans HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer no-such-token-%d\r\n\r\n"
    for n in range(100):
        assert wire.send(wrong % n).response()[0] == 401
    status, headers, _ = wire.send(wrong % 100).response()
    assert status == 429 and 0 < int(headers["retry-after"]) <= 60
    assert wire.send(get("/v1/bans")).response()[0] == 200
    text = raw.server.api.get("/metrics").body.decode()
    assert re.search(r'security_events_total\{event="api_token_wrong"\} 101\n', text)
    assert re.search(r'limit_reached_total\{limit="api.token_failures"\} 1\n', text)
    event = until(lambda: raw.server.events("api_token_wrong"), "the line")[0]
    assert event["source"] == "127.0.0.1"
    assert "no-such-token" not in raw.server.text()


def test_refusals_are_logged_without_secrets(raw):
    Api(raw.server.http, "a-wrong-token").get("/v1/bans?cursor=a-secret-cursor")
    raw.server.api.put("/v1/bans/192.0.2.1?nosuch=a-secret-argument", BAN)
    event = until(lambda: [e for e in raw.server.events("http_refused") if e["status"] == "400"], "the line")[0]
    assert event["method"] == "PUT" and event["path"] == "/v1/bans/192.0.2.1"
    assert event["source"].startswith("127.0.0.1")
    for secret in ("a-wrong-token", "a-secret"):
        assert secret not in raw.server.text()


def test_log_lines_that_refusals_cause_are_bounded(raw):
    wire, begin = raw(), time.monotonic()
    for _ in range(300):
        assert wire.send(get("/v1/nothing")).response()[0] == 404
    assert len(raw.server.events("http_refused")) <= 20 * (time.monotonic() - begin + 2)


def test_without_a_token_pages_of_other_sites_are_refused(start):
    server = start({"ROLLCALL_API_ADMIN_TOKEN": None, "ROLLCALL_API_READ_TOKEN": None}, token="")
    assert server.api.get("/v1/bans").status == 200
    assert server.api.get("/v1/bans", Origin="https://evil.example").status == 403
    assert server.api.get("/healthz", Host="evil.example").status == 403
    own = "http://127.0.0.1:%d" % server.http[1]
    assert server.api.get("/v1/bans", Origin=own).status == 200


# -- the control socket

def test_the_control_socket_is_the_admin(raw):
    path = str(raw.server.store / "control.sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    body = json.dumps(BAN)
    wire = raw(path).send("PUT /v1/bans/192.0.2.9 HTTP/1.1\r\nHost: localhost\r\n"
                          "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert wire.response()[0] == 201
    assert wire.send("GET /v1/bans HTTP/1.1\r\nHost: localhost\r\n\r\n").response()[0] == 200
    raw.server.terminate()
    assert not os.path.exists(path)


def test_a_stale_control_socket_is_replaced(start):
    server = start()
    server.kill()
    path = str(server.store / "control.sock")
    assert os.path.exists(path)
    server.start()
    wire = Raw(path)
    assert wire.send("GET /v1/bans HTTP/1.1\r\nHost: localhost\r\n\r\n").response()[0] == 200
    wire.close()


# -- the life of it

def test_while_the_store_is_waited_for_there_is_health_and_nothing_else(raw, start):
    other = start({"ROLLCALL_STORE_URL": raw.server.env["ROLLCALL_STORE_URL"],
                   "ROLLCALL_STORE_LOCK_WAIT": "60"}, ready=False, name="other")
    until(lambda: other.alive() and other.listeners("http"), "its API")
    waiting = Api(other.http)
    assert waiting.get("/healthz").status == 200
    ready = waiting.get("/readyz")
    assert ready.status == 503 and ready.json["detail"] == "the store is being opened"
    refused = waiting.get("/v1/bans")
    assert refused.status == 503 and int(refused.headers["Retry-After"]) >= 1
    assert os.path.exists(raw.server.store / "control.sock"), "the first one's"
    other.terminate()
    assert os.path.exists(raw.server.store / "control.sock")
    assert raw.server.api.get("/readyz").status == 200


def test_readiness_and_liveness_have_a_body_of_json(api_of):
    assert api_of.get("/healthz").json == {"status": "ok"}
    assert api_of.get("/readyz").json == {"status": "ready"}


def test_the_end_waits_for_no_idle_connection(raw):
    wires = [raw() for _ in range(20)]
    for wire in wires[:10]:
        assert wire.send(get("/healthz")).response()[0] == 200
    for wire in wires[10:]:
        wire.send("GET /v1/bans HTTP/1.1\r\n")
    raw.server.terminate()
    assert all(wire.closed() for wire in wires)


def test_the_end_ends_streams_and_cuts_uploads(raw):
    stream, upload, body = raw(), raw(), raw()
    stream.send(get("/v1/events"))
    until(lambda: stream._more() and b"200 OK" in stream.data, "the stream's beginning")
    upload.send("POST /v1/users:import HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/x-ndjson\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" % AUTH)
    body.send("PUT /v1/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n"
              "Content-Length: 10\r\n\r\n{" % AUTH)
    until(lambda: b"rollcall_http_connections 4" in raw.server.api.get("/metrics").body, "all to be there")
    raw.server.terminate()
    assert upload.closed() and body.closed()
    while stream._more():
        pass
    assert stream.data.endswith(b"\r\n0\r\n\r\n"), "the end of the last chunk"


def test_the_end_under_requests_answers_or_closes(start):
    server = start()
    counts, stop = [0] * 4, threading.Event()

    def load(n):
        try:
            while not stop.is_set():
                reply = server.api.put("/v1/domains/d%d.example" % n, {"max_bindings": 1 + counts[n] % 9})
                assert reply.status in (200, 201, 503)
                counts[n] += 1
        except (OSError, http.client.HTTPException):
            pass  # it has ended

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: min(counts) > 5, "some load")
    server.terminate()
    stop.set()
    for thread in threads:
        thread.join()


def put_domain(n):
    return "PUT /v1/domains/d%d.example HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/json\r\n" \
        "Content-Length: 2\r\n\r\n{}" % (n, AUTH)


@pytest.fixture
def stalled(start, tmp_path):
    """stalled(): a service with one PUT that waits for the disk, (server, wire, faults)."""
    wires = []

    def make():
        faults = Faults(tmp_path / "faults")
        server = start(faults.env)
        faults[HOLD] = 1
        wires.append(Raw(server.http).send(put_domain(1)))
        until(lambda: faults[HELD], "the sync that stalls")
        return server, wires[-1], faults

    yield make
    for wire in wires:
        wire.close()


def test_the_end_waits_for_what_waits_for_the_disk(stalled):
    server, wire, faults = stalled()
    server.process.terminate()
    until(lambda: server.events("stopping"), "the beginning of the end")
    faults[HOLD] = 0
    assert wire.response()[0] == 201
    assert server.wait() == 0


@pytest.mark.long
def test_the_end_does_not_wait_for_ever(stalled):
    server, wire, faults = stalled()
    server.process.terminate()
    assert wire.closed(), "let go without an answer"
    until(lambda: server.events("api_abandoned"), "the word about it", patience=60)
    faults[HOLD] = 0
    assert server.wait() == 0


def test_clients_that_go_away_while_they_wait_leave_nothing_behind(raw):
    for n in range(200):
        wire = Raw(raw.server.http).send(put_domain(n % 7) + get("/v1/domains"))
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()  # a reset
    for path in ("/v1/events", "/v1/users:export", "/metrics"):
        for _ in range(20):
            wire = Raw(raw.server.http).send(get(path))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
    text = until(lambda: re.search(r"rollcall_http_connections 1\n(?s:.*)rollcall_http_streams 0\n",
                                   raw.server.api.get("/metrics").body.decode()), "all to be closed")
    assert text and raw.server.api.put("/v1/domains/last.example", {}).status == 201


def test_head_of_a_stream_ends_with_its_head(raw):
    wire = raw().send(get("/v1/events").replace("GET", "HEAD"))
    status, headers, _ = wire.response(body=False)
    assert status == 200 and headers["content-type"] == "text/event-stream"
    assert wire.closed(), "and nothing behind it"


def test_ipv6(start):
    server = start({"ROLLCALL_API_LISTEN": "http://[::1]:0"}, ready=False)
    until(lambda: server.alive() and server.listeners("http"), "its API")
    api = Api(server.address("http", 6))
    until(lambda: api.get("/readyz").status == 200, "readiness")
    Api(api.address, "wrong").get("/v1/bans")
    assert until(lambda: server.events("api_token_wrong"), "the line")[0]["source"] == "::1"


def test_metrics_count_requests(api_of):
    before = api_of.get("/metrics").body.decode()
    assert 'rollcall_http_requests_total{code="200"}' in before and "rollcall_http_connections" in before
    assert "rollcall_http_seconds_bucket" in before
