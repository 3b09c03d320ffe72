# SPDX-License-Identifier: Apache-2.0
"""The installed package, in a Debian of its own ($PACKAGE_ROOT)."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from server import Api, until
from sip import Phone

ROOT = pathlib.Path(os.environ["PACKAGE_ROOT"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def inside(*command, check=True):
    result = subprocess.run(["/usr/sbin/chroot", str(ROOT)] + list(command), capture_output=True, text=True,
                            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def account():
    """uid and gid of the user that the package made."""
    line = [l.split(":") for l in (ROOT / "etc/passwd").read_text().splitlines() if l.startswith("rollcall:")]
    assert len(line) == 1, "postinst makes the user"
    return int(line[0][2]), int(line[0][3])


@pytest.fixture(scope="module")
def service(account):
    """What the unit starts, as its user, with the store's folder that StateDirectory= would make."""
    store = ROOT / "var/lib/rollcall"
    store.mkdir(mode=0o700, exist_ok=True)
    os.chown(store, *account)
    start = re.search(r"^ExecStart=(.*)$", (ROOT / "lib/systemd/system/rollcall.service").read_text(), re.MULTILINE)
    process = subprocess.Popen(["/usr/sbin/chroot", "--userspec=%d:%d" % account, str(ROOT)] + start.group(1).split(),
                               env={"ROLLCALL_REGISTRAR_DOMAINS": "example.com"},
                               stderr=subprocess.PIPE, text=True)
    api = Api(("127.0.0.1", 8080), None)

    def ready():
        assert process.poll() is None, process.stderr.read()
        try:
            return api.get("/readyz").status == 200
        except OSError:
            return False

    until(ready, "readiness")
    yield api
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_files_are_where_debian_wants_them():
    installed = set(inside("dpkg", "-L", "rollcall").split())
    for path in ("/usr/bin/rollcall", "/etc/rollcall/rollcall.yaml", "/usr/lib/systemd/system/rollcall.service",
                 "/usr/lib/sysusers.d/rollcall.conf", "/usr/share/man/man1/rollcall.1.gz",
                 "/usr/share/man/man5/rollcall.yaml.5.gz", "/usr/share/bash-completion/completions/rollcall",
                 "/usr/share/doc/rollcall/copyright", "/usr/share/doc/rollcall/openapi.yaml"):
        assert path in installed, path
        assert (ROOT / path.lstrip("/")).is_file()
    version = (SOURCE / "VERSION").read_text().strip()
    assert inside("rollcall", "--version").split() == ["rollcall", version]
    assert inside("dpkg-query", "-W", "-f", "${Version}", "rollcall") == version + "-1"
    assert "/etc/rollcall/rollcall.yaml" in inside("dpkg-query", "-W", "-f", "${Conffiles}", "rollcall")
    depends = inside("dpkg-query", "-W", "-f", "${Depends}", "rollcall")
    for library in ("libc6", "liblmdb0", "libmicrohttpd12", "libjansson4", "libosip2"):
        assert library in depends
    assert inside("rollcall", "check-config").startswith("OK: /etc/rollcall/rollcall.yaml")


def test_systemd_takes_the_unit_and_finds_it_safe():
    said = inside("systemd-analyze", "verify", "--man=no", "rollcall.service")
    assert "rollcall.service" not in said, said
    inside("systemd-analyze", "security", "--offline=true", "--threshold=20", "rollcall.service")
    assert inside("systemctl", "is-enabled", "rollcall.service").strip() == "enabled"


def test_it_starts_and_a_phone_registers(service, account):
    result = inside("rollcall", "healthcheck")
    assert "no healthy service" not in result
    assert service.put("/v1/domains/example.com/users/alice", {"password": "secret"}).status == 201
    phone = Phone(("127.0.0.1", 5060), "alice", "secret")
    assert phone.register(expires=600).status == 200
    assert '"bindings":1' in inside("rollcall", "stats").replace(" ", "")
    assert phone.unregister().status == 200
    phone.close()
    assert os.stat(ROOT / "var/lib/rollcall/data.mdb").st_uid == account[0]


def test_the_manual_pages_are_read():
    for section, page in (("1", "rollcall"), ("5", "rollcall.yaml")):
        path = ROOT / ("usr/share/man/man%s/%s.%s.gz" % (section, page, section))
        text = subprocess.run(["zcat", str(path)], capture_output=True, text=True, check=True).stdout
        assert (SOURCE / "VERSION").read_text().strip() in text.splitlines()[1]


def test_a_removal_leaves_the_store_and_the_configuration(service):
    """The last one: it removes the package."""
    configuration, store = ROOT / "etc/rollcall/rollcall.yaml", ROOT / "var/lib/rollcall/data.mdb"
    inside("dpkg", "--remove", "rollcall")
    assert configuration.exists() and store.exists() and not (ROOT / "usr/bin/rollcall").exists()
    inside("dpkg", "--purge", "rollcall")
    assert not configuration.exists() and store.exists()
