# SPDX-License-Identifier: Apache-2.0
"""The processes that ./dev bench measures: rollcall, a bare UDP echo, Kamailio."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
FOLDER = BUILD / "bench"
TOKEN = "bench"

sys.path.insert(0, str(ROOT / "tests/integration"))

from kamailio import command, free_port  # noqa: E402  (the path above leads there)
from sip import NoAnswer, Phone  # noqa: E402


class Server:
    """A process under test, pinned to one CPU with all it starts. `more` are further arguments of Popen."""

    def __init__(self, arguments, cpu, env=None, log=None, **more):
        self.log = log
        with open(log, "w") if log else open(os.devnull, "w") as out:
            self.process = subprocess.Popen(arguments, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True,
                                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), **more)

    def pids(self):
        return [self.process.pid]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def fail(self, why):
        """Ends it, as nobody else knows of it yet, and us."""
        self.stop()
        sys.exit(why)

    def until(self, holds, seconds=600):
        deadline = time.monotonic() + seconds
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = pathlib.Path(self.log).read_text(errors="replace")[-2000:] if self.log else ""
                self.fail("%s did not start:\n%s" % (self.process.args[0], said))
            time.sleep(0.005)


def processes():
    """(pid, session, parent) of each."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The name may hold anything; behind its bracket: state, parent, group, session.
                fields = pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
                found.append((int(entry), int(fields[3]), int(fields[1])))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def listening(log, scheme):
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        match = re.search(r"event=listening .*listen=%s://127\.0\.0\.1:(\d+)" % scheme, line)
        if match:
            return int(match.group(1))
    return None


class Rollcall(Server):
    """As shipped, but that one source may open all TCP connections. `name` has a store of its own; keep: the store
    that a process before it has left is opened again."""

    def __init__(self, options, algorithm="MD5", name=None, users=None, keep=False):
        name = name or "store-" + algorithm
        self.folder = FOLDER / name
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("ROLLCALL_")}
        self.env.update(ROLLCALL_SIP_LISTEN="udp://127.0.0.1:0,tcp://127.0.0.1:0",
                        ROLLCALL_API_LISTEN="http://127.0.0.1:0", ROLLCALL_API_ADMIN_TOKEN=TOKEN,
                        ROLLCALL_STORE_URL="lmdb:%s" % self.folder, ROLLCALL_AUTH_ALGORITHMS=algorithm,
                        ROLLCALL_REGISTRAR_DOMAINS="example.com", ROLLCALL_LOG_LEVEL="info",
                        ROLLCALL_SIP_MAX_CONNECTIONS="12000", ROLLCALL_SIP_MAX_CONNECTIONS_PER_SOURCE="12000")
        super().__init__([str(BUILD / "rollcall"), "serve"], options.server_cpu, self.env,
                         FOLDER / ("rollcall-%s.log" % name))
        self.ports = {}
        for scheme in ("udp", "tcp", "http"):
            self.until(lambda scheme=scheme: listening(self.log, scheme))
            self.ports[scheme] = listening(self.log, scheme)
        if not keep:
            self.until(lambda: self.request("GET", "/readyz")[0] == 200)
            self.import_seconds = self.provision(options.users if users is None else users)

    def request(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=600)
        connection.request(method, path, body, {"Authorization": "Bearer " + TOKEN, "Content-Type": kind})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def provision(self, users):
        """Imports u000000.. as an administrator would; the seconds it took."""
        path = self.folder.with_suffix(".ndjson")
        with open(path, "w") as out:
            for n in range(users):
                out.write('{"domain": "example.com", "username": "u%06d", "password": "secret"}\n' % n)
        begin = time.monotonic()
        run = subprocess.run([str(BUILD / "rollcall"), "import", str(path)], env=self.env, capture_output=True, text=True)
        if run.returncode:
            self.fail("import: %s" % run.stderr[-500:])
        path.unlink()
        return time.monotonic() - begin

    def stats(self):
        return json.loads(self.request("GET", "/v1/stats")[1])

    def registrations(self):
        """REGISTERs that ended well since the start."""
        text = self.request("GET", "/metrics")[1].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("rollcall_register_total{") and 'outcome="ok"' in line)

    def status(self, key):
        """Bytes, of a line of /proc/PID/status in kB."""
        for line in open("/proc/%d/status" % self.process.pid):
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        """Of all its threads since the start."""
        fields = open("/proc/%d/stat" % self.process.pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def disk_written(self):
        for line in open("/proc/%d/io" % self.process.pid):
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        return 0

    def file_bytes(self):
        return sum(path.stat().st_blocks * 512 for path in self.folder.iterdir() if path.is_file())

    def first_200(self, since, user):
        """Seconds from `since` until a phone of this user's (a number) is registered."""
        phone = Phone(("127.0.0.1", self.ports["udp"]), "u%06d" % user, "secret")
        try:
            while True:
                try:
                    if phone.register().status == 200:
                        return time.monotonic() - since
                except (NoAnswer, OSError):
                    pass
        finally:
            phone.close()


class Echo(Server):
    def __init__(self, options):
        port = free_port()
        self.ports = {"udp": port, "tcp": port}
        super().__init__([str(BUILD / "tests/bench/echo"), str(port)], options.server_cpu)

    def answers(self):
        """Whether it takes connections: datagrams are lost without a word."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["tcp"])) == 0


class Kamailio(Server):
    """Its fastest memory settings; or, with the URL of a database that has its tables, write-through into that, with
    the processes it has by default. `hash_size`: the buckets of its map, a power of two by its exponent."""

    def __init__(self, options, database=None, hash_size=16):
        self.ports = {"udp": free_port()}
        run = FOLDER / ("kamailio-db" if database else "kamailio")
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        defines = {"PORT": self.ports["udp"], "HASH_SIZE": hash_size, "CHILDREN": 8 if database else 1}
        if database:
            defines["DBURL"] = '"%s"' % database
        super().__init__(command(ROOT / "tests/bench/kamailio.cfg", run, defines, 2048, 64,
                                 ("-x", "tlsf", "-X", "tlsf")),
                         options.server_cpu, None, run / "log")
        self.until(self.answers)

    def answers(self):
        phone = Phone(("127.0.0.1", self.ports["udp"]), "u000000", "secret")
        try:
            phone.wire.send(phone.build())
            return phone.wire.receive(0.2).status == 401
        except (NoAnswer, OSError):
            return False
        finally:
            phone.close()

    def pids(self):
        """All its processes: the session that was begun for it."""
        return [pid for pid, session, _ in processes() if session == self.process.pid]
