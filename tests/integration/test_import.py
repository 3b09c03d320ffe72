# SPDX-License-Identifier: Apache-2.0
"""Users by the thousand: the import over REST and from the command line, the export, and the way back."""
import http.client
import json
import pathlib
import subprocess
import sys
import threading
import urllib.parse

import pytest

import faults
from server import ADMIN, PATIENCE, Api, command, until
from sse import Stream

NDJSON = {"Content-Type": "application/x-ndjson"}
TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "to_ndjson.py"


def user(name, **members):
    return dict(members, domain="example.com", username=name)


def lines_of(users):
    return "".join(json.dumps(u) + "\n" for u in users)


def upload(api, body, **headers):
    reply = api.request("POST", "/v1/users:import", body, dict(NDJSON, **headers))
    assert reply.status == 200, (reply.status, reply.body)
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.body.splitlines()]


def export(api, query=""):
    reply = api.get("/v1/users:export" + query)
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.body.splitlines()]


def expected(status, n):
    return [{"line": line, "status": status} for line in range(1, n + 1)]


def test_thousands_are_made_and_a_repeat_changes_nothing(rollcall, phones):
    api, count = rollcall.api, 5000
    body = lines_of(user("u%04d" % (n * 7919 % count), password="pw", display_name="User %d" % n)
                    for n in range(count))
    assert upload(api, body) == expected(201, count)
    assert api.get("/v1/stats").json["users"] == count + 1
    phone = phones(rollcall, "u0042", "pw")
    assert phone.register().status == 200
    with Stream(rollcall.http) as stream:
        stream.begin()
        assert upload(api, body) == expected(200, count)
        assert len(api.bindings("u0042")) == 1, "a repeat drops nobody"
        api.add_user("after")
        assert stream.next().data["username"] == "after", "no event of the repeat"


def test_broken_lines_are_told_and_the_rest_goes_on(api):
    body = b"".join([
        b'{"domain": "example.com", "username": "one", "password": "x"}\n',
        b'not json\n',
        b'\n',
        b'{"domain": "example.com", "username": "two", "pasword": "x", "enabled": "yes"}\r\n',
        b'{"domain": "nowhere.example", "username": "three"}\n',
        b'{"username": "four"}\n',
        b'["five"]\n',
        b'{"domain": "example.com", "username": "six\\u0000"}\n',
        b'\xff\xfe\n',
        b'{"domain": "example.com", "username": "seven", "ha1": {"MD5": "00"}}\n',
        b'{"domain": "example.com", "username": "eight", "x": "' + b"y" * 200000 + b'"}\n',
        b'{"domain": "example.com", "username": "nine", "password": "a", "password": "b"}\n',
        b'{"domain": "example.com", "username": "last", "password": "x"}'])
    results = upload(api, body)
    assert [(r["line"], r["status"]) for r in results] == [
        (1, 201), (2, 400), (4, 422), (5, 404), (6, 422), (7, 400), (8, 400), (9, 400), (10, 422),
        (11, 413), (12, 400), (13, 201)]
    problems = {r["line"]: r["problem"] for r in results if r["status"] >= 400}
    assert all(p["status"] == r["status"] for r in results for p in [r.get("problem", r)])
    assert [e["field"] for e in problems[4]["errors"]] == ["pasword", "enabled"]
    assert "domain" in problems[5]["detail"]
    assert api.get("/v1/stats").json["users"] == 3
    for name in ("two", "four", "seven", "eight", "nine"):
        assert api.get("/v1/domains/example.com/users/" + name).status == 404


def test_lines_on_one_user_are_applied_in_order(api):
    one = user("one")
    results = upload(api, lines_of([
        dict(one, op="delete"), dict(one, password="a"), dict(one, display_name="One"),
        dict(one, op="delete"), dict(one, op="delete"), dict(one, labels={"n": "6"})]))
    assert [r["status"] for r in results] == [404, 201, 200, 204, 404, 201]
    shown = api.get("/v1/domains/example.com/users/one").json
    assert shown["labels"] == {"n": "6"} and shown["algorithms"] == [], "made anew, it inherits nothing"


def test_a_deleted_or_disabled_user_loses_its_bindings(rollcall, phones):
    api = rollcall.api
    for name in ("bob", "carol"):
        api.add_user(name)
        assert phones(rollcall, name).register().status == 200
    results = upload(api, lines_of([dict(user("bob"), op="delete"), user("carol", enabled=False)]))
    assert [r["status"] for r in results] == [204, 200]
    assert api.bindings("carol") == []
    assert api.get("/v1/stats").json["bindings"] == 0


def test_nothing_in_is_nothing_out(api):
    assert upload(api, "") == [] and upload(api, "\n\n") == []


@pytest.mark.parametrize("kind", ["application/json", "text/csv", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415(api, kind):
    reply = api.request("POST", "/v1/users:import", "{}", {"Content-Type": kind})
    assert reply.status == 415


def test_only_the_admin_may_import(rollcall, read_api):
    assert read_api.request("POST", "/v1/users:import", "", NDJSON).status == 403
    assert Api(rollcall.http, "").request("POST", "/v1/users:import", "", NDJSON).status == 401


class Upload:
    """An upload that is not finished."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(*server.http, timeout=PATIENCE)
        self.connection.putrequest("POST", "/v1/users:import")
        for name, value in dict(NDJSON, Authorization="Bearer " + ADMIN).items():
            self.connection.putheader(name, value)
        self.connection.putheader("Transfer-Encoding", "chunked")
        self.connection.endheaders()

    def send(self, text):
        self.connection.send(b"%x\r\n%s\r\n" % (len(text), text.encode()))

    def finish(self):
        self.connection.send(b"0\r\n\r\n")
        response = self.connection.getresponse()
        return response.status, response.read()


def test_an_upload_that_breaks_off_keeps_what_was_whole(rollcall):
    broken = Upload(rollcall)
    broken.send(lines_of(user("u%03d" % n, password="x") for n in range(300)))
    broken.send('{"domain": "example.com", "username": "half"')
    until(lambda: rollcall.api.get("/v1/stats").json["users"] == 301, "what was sent to be there")
    broken.connection.close()
    for _ in range(3):  # its place is given back
        assert upload(rollcall.api, lines_of([user("u001", password="x")])) == expected(200, 1)
    assert rollcall.api.get("/v1/domains/example.com/users/half").status == 404


def test_two_imports_at_once_and_no_third(rollcall):
    one, two = Upload(rollcall), Upload(rollcall)
    one.send(lines_of([user("one")]))
    two.send(lines_of([user("two")]))
    until(lambda: rollcall.api.get("/v1/stats").json["users"] == 3, "both to be at work")
    third = rollcall.api.request("POST", "/v1/users:import", lines_of([user("three")]), NDJSON)
    assert third.status == 503 and int(third.headers["Retry-After"]) > 0
    assert b'rollcall_limit_reached_total{limit="api.imports"} 1' in rollcall.api.get("/metrics").body
    assert one.finish() == (200, b'{"line":1,"status":201}\n')
    assert two.finish() == (200, b'{"line":1,"status":201}\n')
    until(lambda: rollcall.api.request("POST", "/v1/users:import", "", NDJSON).status == 200, "a place")


def test_an_import_does_not_outlive_the_service(rollcall):
    open_one = Upload(rollcall)
    open_one.send(lines_of(user("u%03d" % n) for n in range(100)))
    until(lambda: rollcall.api.get("/v1/stats").json["users"] == 101, "what was sent to be there")
    rollcall.restart()
    assert rollcall.api.get("/v1/stats").json["users"] == 101
    open_one.connection.close()


def test_phones_register_during_an_import(rollcall, phones):
    api, done = rollcall.api, threading.Event()
    results = []

    def run():
        try:
            results.extend(upload(api, lines_of(user("u%05d" % n, password="x") for n in range(20000))))
        finally:
            done.set()
    worker = threading.Thread(target=run)
    worker.start()
    phone, registered = phones(rollcall), 0
    while not done.is_set() or not registered:
        assert phone.register().status == 200
        assert api.get("/healthz").status == 200
        registered += 1
    worker.join()
    assert results == expected(201, 20000)


# ---- Export


def test_an_export_is_what_an_import_takes(rollcall, start, phones):
    first = rollcall.api
    first.put("/v1/domains/other.example", {"realm": "another realm", "case_insensitive_users": True})
    first.add_user("Bob", domain="other.example", password="bobs", labels={"sité": "n\"ö\\rth", "a": ""})
    first.add_user(urllib.parse.quote("100 %+/@é", safe=""), display_name="O'Neil \"the\" \\ bird", enabled=False, max_bindings=3)
    first.add_user("gateway", auth_username="trunk", password="trunks")
    upload(first, lines_of(user("u%04d" % n, password="pw%d" % n) for n in range(2000)))
    upload(first, lines_of([user("nopass"), user("md5", ha1={"MD5": "0" * 32})]))
    lines = export(first, "?include=ha1")
    assert len(lines) == 2006 and lines == sorted(lines, key=lambda u: (u["domain"], u["username"].encode()))

    second = start(name="second")
    second.api.put("/v1/domains/other.example", {"realm": "another realm", "case_insensitive_users": True})
    assert upload(second.api, lines_of(lines)) == expected(201, len(lines))
    assert export(second.api, "?include=ha1") == lines
    assert upload(second.api, lines_of(lines)) == expected(200, len(lines))
    for path in ("example.com/users/100%20%25%2B%2F%40%C3%A9", "other.example/users/bob",
                 "example.com/users/md5", "example.com/users/nopass"):
        one, two = (api.get("/v1/domains/" + path).json for api in (first, second.api))
        for times in ("created_at", "updated_at"):
            one.pop(times), two.pop(times)
        assert one == two
    assert phones(second, "u0007", "pw7").register().status == 200, "the credentials came over"
    assert phones(second, "gateway", "trunks", auth_user="trunk").register().status == 200


def test_an_export_without_credentials_keeps_those_there_are(rollcall, phones):
    api = rollcall.api
    lines = export(api)
    assert lines == [{"domain": "example.com", "username": "alice", "enabled": True}]
    assert upload(api, lines_of(lines)) == expected(200, 1)
    assert phones(rollcall).register().status == 200


def test_an_export_of_one_domain(api):
    api.put("/v1/domains/a.example", {"aliases": ["alias.example"]})
    for name in ("x", "y"):
        api.add_user(name, domain="a.example")
    assert [u["username"] for u in export(api, "?domain=Alias.Example")] == ["x", "y"]
    assert export(api, "?domain=example.com")[0]["username"] == "alice"
    assert api.get("/v1/users:export?domain=no.example").status == 404
    assert api.get("/v1/users:export?domain=").status in (400, 404)


def test_ha1_is_for_the_admin_and_is_logged(rollcall, read_api):
    assert read_api.get("/v1/users:export").status == 200
    assert read_api.get("/v1/users:export?include=ha1").status == 403
    assert rollcall.api.get("/v1/users:export?include=password").status == 400
    assert rollcall.events("ha1_exported") == []
    export(rollcall.api, "?include=ha1")
    event = until(lambda: rollcall.events("ha1_exported"), "the log line")[0]
    assert event["source"].startswith("127.0.0.1:")


# ---- The command line


def test_the_command_imports_with_and_without_a_running_service(rollcall, phones):
    env = {"ROLLCALL_STORE_URL": rollcall.env["ROLLCALL_STORE_URL"], "ROLLCALL_STORE_MAP_SIZE": "1GiB"}
    path = rollcall.folder / "users.ndjson"
    path.write_text(lines_of(user("u%04d" % n, password="pw") for n in range(3000)))
    running = command("import", str(path), env=env)
    assert (running.returncode, running.stdout) == (0, "") and "3000 lines, 0 failed" in running.stderr
    rollcall.keep_ports()
    rollcall.terminate()
    path.write_text(lines_of(user("v%04d" % n, password="pw") for n in range(3000)) + "broken\n")
    offline = command("import", str(path), env=env)
    assert offline.returncode == 1 and "3001 lines, 1 failed" in offline.stderr
    assert json.loads(offline.stdout)["line"] == 3001
    again = command("import", "-", env=env, input=lines_of([user("v0001", password="pw")]))
    assert again.returncode == 0
    rollcall.start()
    assert rollcall.api.get("/v1/stats").json["users"] == 6001
    assert phones(rollcall, "u0001", "pw").register().status == 200
    assert phones(rollcall, "v2999", "pw").register().status == 200
    assert command("import", str(rollcall.folder / "none"), env=env).returncode == 2


def test_what_the_converter_writes_can_be_imported(rollcall, phones):
    converted = subprocess.run([sys.executable, str(TOOL), "csv", "--domain", "example.com", "-"],
                               input="username,password,display_name\n1001,pw,Reception\n1002,pw,\n",
                               capture_output=True, text=True, check=True)
    assert upload(rollcall.api, converted.stdout) == expected(201, 2)
    sip_conf = "[1003]\ntype=friend\nhost=dynamic\nsecret=pw\ncallerid=\"Lab\" <1003>\n"
    converted = subprocess.run([sys.executable, str(TOOL), "sip.conf", "--domain", "example.com", "-"],
                               input=sip_conf, capture_output=True, text=True, check=True)
    assert upload(rollcall.api, converted.stdout) == expected(201, 1)
    assert rollcall.api.get("/v1/domains/example.com/users/1003").json["display_name"] == "Lab"
    for name in ("1001", "1003"):
        assert phones(rollcall, name, "pw").register().status == 200


# ---- A full disk


def test_a_full_disk_is_told_and_the_import_can_be_repeated(start, tmp_path):
    with faults.small_disk(tmp_path / "disk") as disk:
        server = start({"ROLLCALL_STORE_URL": "lmdb:%s/store" % disk})
        server.api.add_user("alice")
        body = lines_of(user("u%05d" % n, display_name="x" * 200) for n in range(2000))
        filler = faults.fill_disk(disk)
        reply = server.api.request("POST", "/v1/users:import", body, NDJSON)
        statuses = [json.loads(line)["status"] for line in reply.body.splitlines()]
        assert reply.status in (503, 507) or (
            reply.status == 200 and len(statuses) == 2000 and statuses[-1] in (503, 507)), reply
        reply = server.api.request("POST", "/v1/backup")
        assert reply.status in (503, 507) and int(reply.headers["Retry-After"]) > 0
        assert len(export(server.api)) == 1 + statuses.count(201)
        filler.unlink()
        until(lambda: server.api.get("/readyz").status == 200, "recovery")
        assert {r["status"] for r in upload(server.api, body)} <= {200, 201}
        assert server.api.request("POST", "/v1/backup").status == 200
        assert server.api.get("/v1/stats").json["users"] == 2001
