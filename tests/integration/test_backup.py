# SPDX-License-Identifier: Apache-2.0
"""Backups: taken while phones register, and a service that starts from one."""
import json
import threading

from server import Api, command, until
from sip import Phone
from sse import Stream
from test_import import lines_of, upload, user


def env_of(store):
    return {"ROLLCALL_STORE_URL": "lmdb:%s" % store, "ROLLCALL_STORE_MAP_SIZE": "1GiB"}


def restored(start, folder, data):
    """A service on a store made of the copy."""
    store = folder / "restored" / "store"
    store.mkdir(parents=True)
    (store / "data.mdb").write_bytes(data)
    return start(name="restored")


def test_a_backup_over_rest_starts_as_a_store(rollcall, start, phones):
    api = rollcall.api
    assert phones(rollcall).register().status == 200
    upload(api, lines_of(user("u%04d" % n, password="pw") for n in range(2000)))
    before = api.bindings("alice")
    reply = api.request("POST", "/v1/backup")
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/octet-stream"
    assert "attachment" in reply.headers["Content-Disposition"]
    with Stream(rollcall.http) as stream:
        old_id = stream.begin()
    etag = api.get("/v1/domains/example.com/users/alice").headers["ETag"]
    rollcall.terminate()

    copy = restored(start, rollcall.folder.parent, reply.body)
    assert copy.api.bindings("alice") == before
    assert copy.api.get("/v1/stats").json["users"] == 2001
    assert copy.api.get("/v1/domains/example.com/users/alice", If_None_Match=etag).status == 200
    with Stream(copy.http, last_id=old_id) as stream:
        reset = stream.next()
    assert reset.type == "reset" and reset.id.split("-")[0] != old_id.split("-")[0], "a new epoch"
    assert phones(copy, "u1999", "pw").register().status == 200
    assert phones(copy).register().status == 200
    store = copy.store
    copy.terminate()
    assert command("check", env=env_of(store)).returncode == 0


def test_a_backup_under_load_has_all_that_was_acknowledged_before(rollcall, start):
    api, names = rollcall.api, ["p%02d" % n for n in range(20)]
    for name in names:
        api.add_user(name)
    stop, acknowledged, failed = threading.Event(), [], []

    def register(name):
        phone = Phone(rollcall.udp, name, "secret")
        while not stop.is_set():
            (acknowledged if phone.register().status == 200 else failed).append(name)
        phone.close()
    threads = [threading.Thread(target=register, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    try:
        until(lambda: set(acknowledged) == set(names), "every phone to be registered")
        target, before = rollcall.folder / "copy", len(acknowledged)
        over_rest = api.request("POST", "/v1/backup")
        by_command = command("backup", str(target), env=env_of(rollcall.store))
        until(lambda: len(acknowledged) > before + len(names), "registrations to go on")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert over_rest.status == 200 and by_command.returncode == 0, by_command
    rollcall.terminate()
    stats = json.loads(command("stats", env=env_of(target)).stdout)
    assert stats["registered_users"] == len(names)
    assert command("check", env=env_of(target)).returncode == 0
    copy = restored(start, rollcall.folder.parent, over_rest.body)
    assert copy.api.get("/v1/stats").json["bindings"] == len(names)


def test_a_backup_without_a_running_service(rollcall, phones):
    phones(rollcall).register()
    rollcall.terminate()
    target = rollcall.folder / "copy"
    assert command("backup", str(target), env=env_of(rollcall.store)).returncode == 0
    assert json.loads(command("stats", env=env_of(target)).stdout)["bindings"] == 1
    again = command("backup", str(target), env=env_of(rollcall.store))
    assert again.returncode == 2 and str(target) in again.stderr, "DEST must not exist"


def test_only_the_admin_may_take_one_and_nothing_is_left_behind(rollcall, read_api):
    assert read_api.request("POST", "/v1/backup").status == 403
    assert Api(rollcall.http, "").request("POST", "/v1/backup").status == 401
    files = sorted(path.name for path in rollcall.store.iterdir())
    for _ in range(3):
        assert rollcall.api.request("POST", "/v1/backup").status == 200
    assert sorted(path.name for path in rollcall.store.iterdir()) == files
