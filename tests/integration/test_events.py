# SPDX-License-Identifier: Apache-2.0
"""GET /v1/events: what happens is told, in order, once, and nothing is lost over a reconnection."""
import json
import socket
import time

import pytest

from server import READ, until
from sse import Stream

NDJSON = {"Content-Type": "application/x-ndjson"}
NAME = "Bob \u2028 \"data: x\""


def import_users(api, names, **members):
    lines = [json.dumps(dict(members, domain="example.com", username=name)) for name in names]
    reply = api.request("POST", "/v1/users:import", "\n".join(lines) + "\n", NDJSON)
    assert reply.status == 200
    return [json.loads(line) for line in reply.body.splitlines()]


def test_a_phone_comes_and_goes(rollcall, phones):
    phone = phones(rollcall)
    with Stream(rollcall.http, token=READ) as stream:
        assert stream.status == 200
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        stream.begin()
        assert stream.retry > 0
        assert phone.register().status == 200
        came = stream.next()
        assert (came.type, came.data["aor"]) == ("binding.created", "sip:alice@example.com")
        assert came.data == rollcall.api.bindings("alice")[0]
        phone.unregister()
        went = stream.next()
        assert (went.type, went.data["reason"]) == ("binding.removed", "unregistered")
        assert went.data["id"] == came.data["id"]


def test_a_plain_refresh_is_live_and_has_no_id(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    with Stream(rollcall.http) as stream:
        stood = stream.begin()
        assert phone.register().status == 200
        refreshed = stream.next()
        assert (refreshed.type, refreshed.id) == ("binding.refreshed", None)
        assert stream.last_id == stood
    with Stream(rollcall.http, last_id=stood) as stream:
        rollcall.api.add_user("bob")
        assert [e.type for e in stream.take(1)] == ["user.created"], "it was not kept"


def test_users_and_domains_are_told_without_credentials(rollcall):
    with Stream(rollcall.http) as stream:
        stream.begin()
        rollcall.api.put("/v1/domains/new.example", {})
        rollcall.api.add_user("bob")
        rollcall.api.patch("/v1/domains/example.com/users/bob", {"display_name": NAME})
        rollcall.api.delete("/v1/domains/example.com/users/bob")
        rollcall.api.delete("/v1/domains/new.example")
        events = stream.take(5)
    assert [e.type for e in events] == ["domain.created", "user.created", "user.updated",
                                        "user.deleted", "domain.deleted"]
    assert events[2].data["display_name"] == NAME, "no text ends an event early"
    assert all("ha1" not in e.data and "password" not in e.data for e in events)
    numbers = [int(e.id.split("-")[1]) for e in events]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_resuming_loses_nothing_and_repeats_nothing(rollcall):
    names = ["u%03d" % n for n in range(600)]
    with Stream(rollcall.http) as stream:
        stream.begin()
        import_users(rollcall.api, names[:100])
        seen = [e.data["username"] for e in stream.take(70)]
        last = stream.last_id
    import_users(rollcall.api, names[100:500])
    with Stream(rollcall.http, last_id=last) as stream:
        seen += [e.data["username"] for e in stream.take(400)]
        import_users(rollcall.api, names[500:])
        seen += [e.data["username"] for e in stream.take(130)]
    assert seen == names


def test_a_list_and_the_stream_after_it_have_no_gap(rollcall):
    import_users(rollcall.api, ["a1", "a2"])
    listed = rollcall.api.get("/v1/domains/example.com/users?limit=1000").json
    import_users(rollcall.api, ["a3"])
    with Stream(rollcall.http, last_id=listed["as_of"]) as stream:
        assert stream.next().data["username"] == "a3"
    assert {u["username"] for u in listed["users"]} == {"alice", "a1", "a2"}


def test_before_the_first_event_there_is_an_id_to_resume_from(rollcall):
    with Stream(rollcall.http, "?type=domain.created") as stream:
        stood = stream.begin()
    rollcall.api.put("/v1/domains/new.example", {})
    with Stream(rollcall.http, "?type=domain.created", last_id=stood) as stream:
        assert stream.next().data["domain"] == "new.example"


def test_filters_by_domain_and_type(rollcall, phones):
    rollcall.api.put("/v1/domains/other.example", {"aliases": ["alias.example"]})
    with Stream(rollcall.http, "?domain=Alias.Example") as by_domain, \
            Stream(rollcall.http, "?type=user.deleted,binding.created") as by_type:
        by_domain.begin(), by_type.begin()
        rollcall.api.add_user("bob")
        rollcall.api.add_user("carol", domain="other.example")
        phones(rollcall).register()
        rollcall.api.delete("/v1/domains/example.com/users/bob")
        rollcall.api.delete("/v1/domains/other.example/users/carol")
        assert [(e.type, e.data["domain"]) for e in by_domain.take(2)] == [
            ("user.created", "other.example"), ("user.deleted", "other.example")]
        assert [e.type for e in by_type.take(3)] == ["binding.created", "user.deleted", "user.deleted"]


@pytest.mark.parametrize("query", ["?type=user", "?type=", "?type=user.created,", "?domain=", "?nosuch=1",
                                   "?domain=" + "x" * 254])
def test_bad_filters_are_400(rollcall, query):
    assert rollcall.api.get("/v1/events" + query).status == 400


@pytest.mark.parametrize("last_id", ["x", "12", "0123456789abcdef-", "0123456789abcdef-x",
                                     "0123456789abcdef-99999999999999999999999"])
def test_a_bad_last_event_id_is_400(rollcall, last_id):
    reply = rollcall.api.get("/v1/events", Last_Event_ID=last_id)
    assert reply.status == 400 and "Last-Event-ID" in reply.json["detail"]


def test_an_id_of_another_store_is_a_reset(rollcall):
    with Stream(rollcall.http, last_id="0123456789abcdef-7") as stream:
        reset = stream.next()
        assert reset.type == "reset" and reset.id == reset.data["as_of"] == stream.last_id
        rollcall.api.add_user("bob")
        assert stream.next().type == "user.created", "and it goes on from now"


def test_what_the_log_no_longer_has_is_a_reset(start):
    server = start({"ROLLCALL_STORE_CHANGES_MAX": "1000"})
    server.api.add_user("first")
    with Stream(server.http) as stream:
        old = stream.begin()
    import_users(server.api, ["u%04d" % n for n in range(3000)])

    def trimmed():
        with Stream(server.http, last_id=old) as again:
            first = again.next()
            return first.type == "reset" and first
    reset = until(trimmed, "the log to be trimmed")
    server.api.add_user("last")
    with Stream(server.http, last_id=reset.data["as_of"]) as stream:
        assert stream.next().data["username"] == "last"


def test_too_many_streams_are_503(start):
    server = start({"ROLLCALL_API_MAX_STREAMS": "2"})
    with Stream(server.http) as one, Stream(server.http) as two:
        one.begin(), two.begin()
        reply = server.api.get("/v1/events")
        assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0
        assert server.api.get("/v1/stats").status == 200
        metrics = server.api.get("/metrics").body.decode()
        assert "rollcall_http_streams 2" in metrics
        assert 'rollcall_limit_reached_total{limit="api.max_streams"} 1' in metrics

    def free():
        with Stream(server.http) as third:
            return third.status == 200
    until(free, "the places to be given back")


def test_readers_who_do_not_read_harm_nobody(start, phones):
    # The one that reads begins when all is written: however long that takes, it must not count as idle.
    server = start({"ROLLCALL_API_MAX_CONNECTIONS": "300", "ROLLCALL_API_IDLE_TIMEOUT": "3600"})
    server.api.add_user("alice")
    # Small receive buffers, and never a read: what they are sent piles up in the kernel and then waits here.
    idle = []
    for _ in range(100):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(server.http)
        s.sendall(("GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
                   % server.api.token).encode())
        idle.append(s)
    until(lambda: b"rollcall_http_streams 100" in server.api.get("/metrics").body, "the streams")
    phone = phones(server)
    names = ["u%05d" % n for n in range(20000)]
    with Stream(server.http, "?domain=example.com") as stream:
        stream.begin()
        # Each upload is a little more than may wait for its thread: it waits for room, and its end must not be forgotten
        for at in range(0, len(names), 1000):
            results = import_users(server.api, names[at:at + 1000], display_name="x" * 200)
            assert all(r["status"] == 201 for r in results)
            assert phone.register().status == 200
        users = []
        while len(users) < len(names):
            event = stream.next()
            if event.type == "user.created":
                users.append(event.data["username"])
    assert users == names, "whoever reads gets all of it"
    for s in idle:
        s.close()
    until(lambda: b"rollcall_http_streams 0" in server.api.get("/metrics").body, "the streams to be gone")


def test_a_slow_reader_catches_up_from_the_log(start):
    server = start({"ROLLCALL_API_IDLE_TIMEOUT": "3600"})
    names = ["u%05d" % n for n in range(30000)]
    with Stream(server.http) as slow:
        slow.begin()
        for at in range(0, len(names), 1000):
            import_users(server.api, names[at:at + 1000], display_name="y" * 200)
        seen = [e.data["username"] for e in slow.take(len(names))]
    assert seen == names


def test_streams_end_when_the_service_does(rollcall):
    with Stream(rollcall.http) as stream:
        stream.begin()
        began = time.monotonic()
        rollcall.terminate()
        assert stream.next() is None
        assert time.monotonic() - began < 20


def test_head_of_a_stream_ends(rollcall):
    reply = rollcall.api.request("HEAD", "/v1/events")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/event-stream")
    until(lambda: b"rollcall_http_streams 0" in rollcall.api.get("/metrics").body, "no stream to be left")
