# SPDX-License-Identifier: Apache-2.0
"""The image as a Docker user runs it: read-only, without capabilities, as nobody in particular."""
import io
import json
import pathlib
import re
import shlex
import subprocess
import tarfile

import pytest

from podman import IMAGE, alive, inspect, log, podman, state
from server import Api, until
from sip import Phone

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LOCKED = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
          "--memory", "256m"]
BINARY = "usr/local/bin/rollcall"


@pytest.fixture
def run():
    """run(NAME, OPTION...) starts a container; they and their volumes are gone at the end."""
    names = []

    def start(name, *options, arguments=()):
        names.append(name)
        podman("run", "-d", "--name", name, "-v", name + ":/var/lib/rollcall", *LOCKED, *options, IMAGE,
               *arguments)
        return name

    yield start
    for name in names:
        podman("rm", "-f", "-t", "0", name)
        podman("volume", "rm", "-f", name)


@pytest.fixture(scope="module")
def files():
    """Every file of the image."""
    podman("create", "--name", "files-only", IMAGE)
    try:
        archive = subprocess.run(["podman", "export", "files-only"], capture_output=True, check=True).stdout
    finally:
        podman("rm", "-v", "files-only")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [member for member in tar if member.isfile()]


def test_it_holds_the_binary_its_libraries_and_nothing_else_to_run(files):
    programs = [f.name for f in files if f.mode & 0o111 and ".so" not in f.name]
    assert programs == [BINARY]
    assert not [f.name for f in files if f.mode & 0o6000], "nothing is setuid"
    libraries = [f.name for f in files if ".so" in f.name]
    assert any("libc.so.6" in name for name in libraries)
    text = ("etc/", "usr/share/doc/", "var/lib/dpkg/status.d/")
    others = [f.name for f in files if f.name not in libraries + [BINARY] and not f.name.startswith(text)]
    assert others in ([], ["run/.containerenv"]), others
    known = {f.name.rpartition("/")[2] for f in files if f.name.startswith(text[2])}
    assert "libc6" in known and any("osip" in name for name in known), "what scanners look up"


def test_beside_the_libraries_it_is_small(files):
    libraries = sum(f.size for f in files if ".so" in f.name)
    rest = sum(f.size for f in files) - libraries
    print("image: %.1f MB of libraries, %.1f MB of the rest" % (libraries / 1e6, rest / 1e6))
    assert rest < 25e6


def test_it_says_what_it_is():
    image = inspect("image", IMAGE)
    labels = image["Labels"]
    assert labels["org.opencontainers.image.version"] == (SOURCE / "VERSION").read_text().strip()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=SOURCE, capture_output=True, text=True)
    assert labels["org.opencontainers.image.revision"].startswith(revision.stdout.strip())
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image["User"] == "10001:10001", "a number: kubelets cannot check a name"
    assert not image.get("Healthcheck")
    version = podman("run", "--rm", *LOCKED, IMAGE, "--version").stdout
    assert version.split() == ["rollcall", labels["org.opencontainers.image.version"]]


def test_without_any_setting_it_starts_and_its_api_is_the_container_s_own(run):
    name = run("plain")
    until(lambda: alive(name) and '"ready"' in log(name) or "event=ready" in log(name), "readiness")
    assert podman("exec", name, "/" + BINARY, "healthcheck").returncode == 0
    assert "http://127.0.0.1:8080" in log(name)


def test_a_phone_registers_and_is_still_there_after_a_restart(run):
    name = run("phones", "-e", "ROLLCALL_API_LISTEN=http://0.0.0.0:8080", "-e",
               "ROLLCALL_API_ADMIN_TOKEN=a-token-of-the-image-s-test", "-e",
               "ROLLCALL_REGISTRAR_DOMAINS=example.com")
    api = Api(("127.0.0.1", 8080), "a-token-of-the-image-s-test")

    def ready():
        try:
            return alive(name) and api.get("/readyz").status == 200
        except OSError:
            return False

    until(ready, "readiness")
    assert podman("exec", name, "/" + BINARY, "healthcheck").returncode == 0
    api.add_user("alice")
    phones = [Phone(("127.0.0.1", 5060), "alice", "secret", transport=t) for t in ("udp", "tcp")]
    for phone in phones:
        assert phone.register(expires=600).status == 200
    before = api.bindings("alice")
    assert len(before) == 2
    podman("stop", "-t", "30", name)
    assert state(name)["ExitCode"] == 0, log(name)
    podman("start", name)
    until(ready, "readiness")
    assert [b["id"] for b in api.bindings("alice")] == [b["id"] for b in before]
    assert phones[0].unregister().status == 200
    assert len(api.bindings("alice")) == 1
    status = json.loads(podman("exec", name, "/" + BINARY, "stats").stdout)
    assert status["bindings"] == 1
    for phone in phones:
        phone.close()


def test_the_commands_of_the_documentation_work():
    text = (SOURCE / "docs" / "operating.md").read_text()
    (block,) = re.findall(r"^```sh\n(docker run .*?)^```", text, re.MULTILINE | re.DOTALL)
    version = (SOURCE / "VERSION").read_text().strip()
    run, check, stop = block.replace("rollcall:" + version, IMAGE).splitlines()
    try:
        podman(*shlex.split(run)[1:])
        until(lambda: alive("rollcall") and podman(*shlex.split(check)[1:], check=False).returncode == 0, "health")
        assert Api(("127.0.0.1", 8080), None).get("/v1/domains/example.com").status == 200
        podman(*shlex.split(stop)[1:])
        assert state("rollcall")["ExitCode"] == 0
    finally:
        podman("rm", "-f", "-t", "0", "rollcall", check=False)
        podman("volume", "rm", "-f", "rollcall")


def test_without_a_right_to_write_it_says_so(run):
    name = run("refused", "--tmpfs", "/elsewhere:ro", "-e", "ROLLCALL_STORE_URL=lmdb:/elsewhere/store")
    until(lambda: not state(name)["Running"], "its end")
    assert state(name)["ExitCode"] == 1
    assert "/elsewhere/store" in log(name)
