# SPDX-License-Identifier: Apache-2.0
"""Clients that others wrote register for real: SIPp, sipsak and baresip, from apt."""
import pathlib
import random
import shutil
import socket
import subprocess

import pytest

from server import until

SIPP = pathlib.Path(__file__).parent / "sipp"


def tool(name):
    path = shutil.which(name)
    if not path:
        pytest.skip("%s is not installed (apt-get install %s)" % (
            name, {"sipp": "sip-tester", "baresip": "baresip-core"}.get(name, name)))
    return path


def own_address():
    """A loopback host that nobody else uses, and a port that is free on it for UDP and TCP: a client that finds
    its port taken says so in ways of its own, or not at all."""
    host = "127.%d.%d.%d" % (random.randint(64, 191), random.randint(0, 255), random.randint(1, 254))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind((host, 0))
        tcp.bind(udp.getsockname())
        return udp.getsockname()


def run(arguments, folder, patience=60, ok=(0,)):
    result = subprocess.run([str(a) for a in arguments], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", timeout=patience)
    assert result.returncode in ok, "%s ended with %d:\n%s" % (
        arguments[0], result.returncode, result.stdout[-4000:])
    return result.stdout


@pytest.fixture
def named(start):
    """A service whose domain a client reaches as 127.0.0.1 too (the default domain)."""
    return start()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_registers(named, tmp_path, transport):
    binary = tool("sipp")
    lines = ["SEQUENTIAL"]
    for n in range(4):
        named.api.add_user("sipp%d" % n)
        lines.append("sipp%d;example.com;[authentication username=sipp%d password=secret]" % (n, n))
    (tmp_path / "users.csv").write_text("\n".join(lines) + "\n")
    (host, port), own = named.address(transport), own_address()
    run([binary, "%s:%d" % (host, port), "-sf", SIPP / "register.xml", "-inf", tmp_path / "users.csv",
         "-i", own[0], "-p", own[1], "-m", "4", "-r", "4", "-nostdin", "-timeout", "40",
         "-t", {"udp": "u1", "tcp": "t1"}[transport]], tmp_path)
    for n in range(4):
        binding, = named.api.bindings("sipp%d" % n)
        assert binding["transport"] == transport
        assert binding["user_agent"] == "SIPp"
        assert binding["contact"].startswith("sip:sipp%d@%s:" % (n, own[0]))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_refreshes_and_unregisters(named, tmp_path, transport):
    binary = tool("sipp")
    named.api.add_user("sipp0")
    (tmp_path / "users.csv").write_text(
        "SEQUENTIAL\nsipp0;example.com;[authentication username=sipp0 password=secret]\n")
    (host, port), own = named.address(transport), own_address()
    run([binary, "%s:%d" % (host, port), "-sf", SIPP / "unregister.xml", "-inf", tmp_path / "users.csv",
         "-i", own[0], "-p", own[1], "-m", "1", "-nostdin", "-timeout", "40",
         "-t", {"udp": "u1", "tcp": "t1"}[transport]], tmp_path)
    assert named.api.bindings("sipp0") == []


def test_sipsak_registers(named, tmp_path):
    binary = tool("sipsak")
    named.api.add_user("1001")
    host, port = named.udp
    # -u: without it this version puts "1001@" as the username of the digest.
    run([binary, "-U", "-u", "1001", "-C", "sip:1001@127.0.0.1:5099", "-s", "sip:1001@%s:%d" % (host, port),
         "-a", "secret", "-x", "120", "-vv"], tmp_path)
    binding, = named.api.bindings("1001")
    assert binding["contact"] == "sip:1001@127.0.0.1:5099"
    assert binding["transport"] == "udp" and binding["user_agent"].startswith("sipsak")


def test_sipsak_pings_with_options(named, tmp_path):
    host, port = named.udp
    run([tool("sipsak"), "-s", "sip:ping@%s:%d" % (host, port)], tmp_path)


BARESIP = """poll_method epoll
sip_listen %s:%d
module_path %s
module g711.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
audio_player aufile,/dev/null
audio_source aufile,none.wav
audio_alert aufile,/dev/null
"""


def baresip_modules():
    for folder in ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"):
        if pathlib.Path(folder).is_dir():
            return folder
    pytest.skip("baresip's modules are not in /usr/lib/baresip/modules")


@pytest.mark.parametrize("transport,outbound", [("udp", False), ("tcp", False), ("tcp", True)],
                         ids=["udp", "tcp", "tcp_outbound"])
def test_baresip_registers_and_unregisters_at_its_end(named, tmp_path, transport, outbound):
    binary = tool("baresip")
    named.api.add_user("1001")
    host, port = named.address(transport)
    account = "<sip:1001@%s:%d;transport=%s>;auth_user=1001;auth_pass=secret;regint=60;audio_codecs=PCMU/8000" % (
        host, port, transport)
    if outbound:
        account += ';sipnat=outbound;outbound="sip:%s:%d;transport=tcp"' % (host, port)
    (tmp_path / "config").write_text(BARESIP % (own_address() + (baresip_modules(),)))
    (tmp_path / "accounts").write_text(account + "\n")
    (tmp_path / "contacts").write_text("")
    with open(tmp_path / "out", "w") as out:
        process = subprocess.Popen([binary, "-f", str(tmp_path), "-4"], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out, cwd=tmp_path)
    try:
        binding, = until(lambda: named.api.bindings("1001"), "baresip's binding")
        assert binding["transport"] == transport
        assert binding["user_agent"].startswith("baresip")
        if outbound:
            assert binding["reg_id"] == 1 and binding["instance"]
        process.terminate()
        process.wait(30)
        until(lambda: named.api.bindings("1001") == [], "baresip's unregister")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
