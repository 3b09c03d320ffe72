# SPDX-License-Identifier: Apache-2.0
"""The pod that the chart renders, played by podman: with its volume, tokens and security context."""
import os
import pathlib

import pytest
import yaml

import pod as play
from chart import SOURCE, TOKENS, objects, template
from podman import PATIENCE, inspect, podman
from server import Api, until
from sip import Phone

if os.environ.get("CONTAINERS_LACK"):
    pytest.skip(os.environ["CONTAINERS_LACK"], allow_module_level=True)

RESTORE = SOURCE / "docs" / "kubernetes" / "restore.yaml"


class Release:
    """A release of the chart: its manifests, and the registrar's pod."""

    def __init__(self):
        self.found = objects(template(play.values()))
        settings, claims, pod = play.of_stateful_set(self.found)
        self.pod = play.Pod(pod, settings, claims)
        self.others = []

    def start(self):
        self.pod.play()
        until(self.ready, "readiness", 2 * PATIENCE)
        return self

    @property
    def host(self):
        return self.pod.address()

    @property
    def api(self):
        return Api((self.host, 8080), TOKENS["adminToken"])

    def ready(self):
        try:
            return self.pod.alive() and self.api.get("/readyz").status == 200
        except OSError:
            return False

    def phone(self, user, transport="udp"):
        return Phone((self.host, 5060), user, "secret", transport=transport)

    def restart(self):
        assert self.pod.stop() == 0, "a good end within the grace"
        self.pod.remove()
        self.start()

    def run(self, name, template_, settings=(), claims=()):
        """A pod of the chart's that ends by itself, beside the registrar's; what it said."""
        services = [n for (kind, n) in self.found if kind == "Service"]
        made = play.make_pod(name, template_, {self.host: services})
        pod = play.Pod(made, play.own(made, settings), claims)
        self.others.append(pod)
        try:
            code, said = pod.play().wait()
        finally:
            pod.remove()
        assert code == 0, said
        return said

    def remove(self):
        self.pod.remove(volumes=True)
        for pod in self.others:
            pod.remove(volumes=True)


@pytest.fixture(scope="module")
def release():
    made = Release()
    try:
        yield made.start()
    finally:
        made.remove()


def test_the_pod_runs_locked_down(release):
    container = inspect("container", release.pod.container())
    assert container["HostConfig"]["ReadonlyRootfs"] is True
    assert container["Config"]["User"].startswith("10001")
    assert not container["EffectiveCaps"]
    assert release.pod.exec("healthcheck").returncode == 0
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
        assert Api((release.host, 8080), None).get(path).status == status
    assert Api((release.host, 8080), None).get("/v1/domains").status == 401
    assert Api((release.host, 8080), TOKENS["readToken"]).get("/v1/domains").status == 200


def test_bindings_survive_the_pod_and_the_phone_s_address_is_seen(release):
    release.api.add_user("alice")
    phones = [release.phone("alice", transport) for transport in ("udp", "tcp")]
    for phone in phones:
        assert phone.register(expires=600).status == 200
    before = {b["id"]: b["source"] for b in release.api.bindings("alice")}
    assert sorted(before.values()) == sorted("%s:%d" % phone.wire.local for phone in phones)
    release.restart()
    assert {b["id"]: b["source"] for b in release.api.bindings("alice")} == before
    for phone in phones:
        phone.close()


def test_helm_test_registers_a_phone(release):
    test = release.found["Pod", "rollcall-test"]
    said = release.run("rollcall-test", {"metadata": {}, "spec": test["spec"]}, play.settings_of(release.found))
    assert "a phone registered over udp and tcp and went again" in said
    assert release.api.get("/v1/domains/helm-test.invalid/users").json["users"] == []


def test_helm_test_fails_where_no_phone_gets_in(release):
    test = yaml.safe_load(yaml.safe_dump(release.found["Pod", "rollcall-test"]))
    for variable in test["spec"]["containers"][0]["env"]:
        if variable["name"] == "SIP_PORT":
            variable["value"] = "5099"
    with pytest.raises(AssertionError):
        release.run("rollcall-test", {"metadata": {}, "spec": test["spec"]}, play.settings_of(release.found))


def backup(release):
    cron = release.found["CronJob", "rollcall-backup"]
    claim = release.found["PersistentVolumeClaim", "rollcall-backup"]
    release.run("rollcall-backup", cron["spec"]["jobTemplate"]["spec"]["template"],
                play.settings_of(release.found), [claim])
    folder = pathlib.Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", "rollcall-backup").stdout.strip())
    return folder


@pytest.fixture
def backup_volume():
    """The volume, owned as a cluster's fsGroup would have it."""
    podman("volume", "create", "rollcall-backup")
    mount = podman("volume", "inspect", "--format", "{{.Mountpoint}}", "rollcall-backup").stdout.strip()
    os.chown(mount, 10001, 10001)
    yield
    podman("volume", "rm", "-f", "rollcall-backup")


def test_the_backup_restores(release, backup_volume):
    release.api.add_user("bob")
    phone = release.phone("bob")
    assert phone.register(expires=3600).status == 200
    before = [b["id"] for b in release.api.bindings("bob")]
    folder = backup(release)
    (copy,) = [p for p in folder.iterdir()]
    assert copy.name.endswith("Z") and [p.name for p in copy.iterdir()] == ["data.mdb"]
    assert release.api.delete("/v1/domains/example.com/users/bob").status == 204
    etag = release.api.get("/v1/domains/example.com").headers["ETag"]

    assert release.pod.stop() == 0
    release.pod.remove()
    text = RESTORE.read_text().replace("BACKUP_NAME", copy.name)
    restore = yaml.safe_load(text.replace("docker.io/library/busybox:1.37", play.TOOLS))
    release_claims = {"data-rollcall-0", "rollcall-backup"}
    assert {v["persistentVolumeClaim"]["claimName"] for v in restore["spec"]["volumes"]} == release_claims
    pod = play.Pod(play.make_pod("rollcall-restore", {"metadata": {}, "spec": restore["spec"]}), [])
    try:
        code, said = pod.play().wait()
    finally:
        pod.remove()
    assert code == 0, said
    release.start()
    assert [b["id"] for b in release.api.bindings("bob")] == before
    assert release.api.get("/v1/domains/example.com").headers["ETag"] != etag, "a copy has an epoch of its own"
    phone.close()
    moved = release.phone("bob")  # the played pod has another address now
    assert moved.unregister(phone.contact).status == 200
    assert release.api.bindings("bob") == []
    moved.close()


def test_old_backups_are_dropped(release, backup_volume):
    folder = pathlib.Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", "rollcall-backup").stdout.strip())
    for name in ("20200101T000000Z", "20210101T000000Z", "20220101T000000Z.part"):
        (folder / name).mkdir()
        os.chown(folder / name, 10001, 10001)
    backup(release)
    kept = sorted(p.name for p in folder.iterdir())
    assert len(kept) == 2 and kept[0] == "20210101T000000Z"


def test_with_the_wrong_token_a_backup_fails(release, backup_volume):
    settings = [dict(one, data=dict(one["data"], **{"admin-token": "wrong"})) if "admin-token" in one["data"] else one
                for one in play.settings_of(release.found)]
    cron = release.found["CronJob", "rollcall-backup"]
    with pytest.raises(AssertionError):
        release.run("rollcall-backup", cron["spec"]["jobTemplate"]["spec"]["template"], settings)
