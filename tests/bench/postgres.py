# SPDX-License-Identifier: Apache-2.0
"""The registrar that one would build otherwise: Kamailio that keeps its bindings in PostgreSQL, both on the CPU that
rollcall has. The database is a cluster of our own with the settings that PostgreSQL has by default, thus with a flush
before each commit is acknowledged, in a folder that is removed at the end."""
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile

from measure import Phones, alternate, median, ratio
from servers import FOLDER, Kamailio, Rollcall, Server, free_port, processes

TABLES = pathlib.Path("/usr/share/kamailio/postgres")
MODULES = ("db_postgres.so", "auth_db.so")
# More in flight than its processes answer in half a second would be sent again, and what that costs is none of a
# registration; all of the eight are busy with these.
IN_FLIGHT = {"rollcall": "256", "kamailio": "64"}

SUBSCRIBERS = """
INSERT INTO subscriber (username, domain, ha1)
SELECT name, 'example.com', md5(name || ':example.com:secret')
FROM (SELECT 'u' || lpad(n::text, 6, '0') AS name FROM generate_series(0, %d) n) names;
ANALYZE;
"""


def programs():
    """The folder of initdb and postgres, of the newest version."""
    found = [folder for folder in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


class Postgres(Server):
    """A cluster with Kamailio's tables and users u000000.. It refuses to be root's: then it is the user postgres's."""

    def __init__(self, options, users):
        self.programs, self.port = programs(), free_port()
        self.owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        # /var/tmp: a disk, where /tmp may be memory; and a path that another user may walk
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rollcall-bench-", dir="/var/tmp"))
        if self.owner:
            shutil.chown(self.folder, "postgres", "postgres")
        self.process = None
        try:
            self.run(self.programs / "initdb", "-D", self.folder / "data", "-E", "UTF8", "--locale=C",
                     "--auth-local=peer", "--auth-host=scram-sha-256")
            super().__init__([str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
                              "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"],
                             options.server_cpu, None, FOLDER / "postgres.log", cwd=self.folder, **self.owner)
            self.until(lambda: self.run(self.programs / "pg_isready", "-q", "-h", self.folder, "-p", self.port,
                                        may=(1, 2)))
            self.fill(users)
        except BaseException:
            self.stop()
            raise

    def run(self, *arguments, text=None, may=()):
        """True when the program ended well; false where it ended with a code that it may end with."""
        done = subprocess.run([str(a) for a in arguments], input=text, capture_output=True, text=True,
                              cwd=self.folder, **self.owner)
        if done.returncode and done.returncode not in may:
            sys.exit("%s: %s" % (arguments[0], done.stderr[-500:]))
        return done.returncode == 0

    def sql(self, database, text):
        self.run(self.programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port,
                 "-d", database, text=text)

    def fill(self, users):
        password = secrets.token_hex(16)
        self.sql("postgres", "CREATE ROLE kamailio LOGIN PASSWORD '%s';" % password)
        self.sql("postgres", "CREATE DATABASE kamailio OWNER kamailio;")
        tables = "".join((TABLES / (name + "-create.sql")).read_text() for name in ("standard", "usrloc", "auth_db"))
        self.sql("kamailio", "SET ROLE kamailio;\n" + tables + SUBSCRIBERS % (users - 1))
        self.url = "postgres://kamailio:%s@127.0.0.1:%d/kamailio" % (password, self.port)

    def pids(self):
        return [pid for pid, _, parent in processes() if self.process.pid in (pid, parent)]

    def stop(self, how=signal.SIGINT):  # at once, and in order
        if self.process:
            super().stop(how)
        shutil.rmtree(self.folder, ignore_errors=True)


class WriteThrough(Kamailio):
    """Kamailio and its database: both count."""

    def __init__(self, options, users):
        self.database = Postgres(options, users)
        try:
            super().__init__(options, self.database.url)
        except BaseException:
            self.database.stop()
            raise

    def pids(self):
        return super().pids() + self.database.pids()

    def stop(self, how=signal.SIGTERM):
        super().stop(how)
        self.database.stop()


def missing():
    """What it lacks on this machine, or None."""
    if not shutil.which("kamailio"):
        return "kamailio is not installed"
    modules = list(pathlib.Path("/usr/lib").glob("*/kamailio/modules"))
    if not TABLES.exists() or not any(all((folder / m).exists() for m in MODULES) for folder in modules):
        return "kamailio-postgres-modules is not installed"
    return None if programs() else "postgresql is not installed"


def write_through(options, figures):
    """Pairs: a refresh that is durable in the log, and one that is durable in the table `location`."""
    lacks = missing()
    if lacks:
        figures.skip("Kamailio write-through on PostgreSQL", lacks)
        return None
    servers, phones = [], []
    try:
        servers.append(Rollcall(options, name="store-postgres"))
        servers.append(WriteThrough(options, options.users))
        for server, (name, window) in zip(servers, IN_FLIGHT.items()):
            arguments = ["--mode", "refresh", "--window", window]
            phones.append(Phones(options, server, arguments, name, None, 2 * options.seconds))
        mine, theirs = alternate(options, *phones)
    finally:
        for one in phones + servers:
            one.stop()
    figures.add("CPU a refresh / Kamailio write-through on PostgreSQL", ratio(mine, theirs),
                "%d users; Kamailio %.0f/s" % (options.users, median(theirs, "per_second")))
    return {"rollcall": mine, "kamailio": theirs}
