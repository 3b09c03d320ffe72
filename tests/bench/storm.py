#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A storm: for a minute at least twice as many registrations are begun as the server can do. Goodput, what is lost,
and whether the API goes on meanwhile. Phones send again as RFC 3261 says; one that is told 503 is gone for as long as
it was told, and another comes in its place."""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

from measure import load
from servers import BUILD, FOLDER, Rollcall


def call(server, path):
    begin = time.monotonic()
    status, body = server.request("GET", path)
    return status, time.monotonic() - begin, body


class Watcher(threading.Thread):
    """Polls the API twice a second; how long the answers took."""

    def __init__(self, server):
        super().__init__()
        self.server, self.stop, self.times, self.ready = server, threading.Event(), [], []

    def run(self):
        while not self.stop.wait(0.5):
            self.times.append(call(self.server, "/v1/stats")[1])
            self.ready.append(call(self.server, "/readyz")[0])


@contextlib.contextmanager
def cpu_share(pid, share):
    """The process has so much of its CPU and no more, as a pod with a limit: the generator and what else runs here
    then have theirs."""
    folder = next((path for path in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup") if os.path.isdir(path)), None)
    group = pathlib.Path(folder) / ("rollcall-storm-%d" % pid)
    group.mkdir()
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text("10000")
            (group / "cpu.cfs_quota_us").write_text(str(int(10000 * share)))
        else:
            (group / "cpu.max").write_text("%d 10000" % int(10000 * share))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def lost(options, server):
    """Users that were told 200 and are not bound. Every user registers in a closed loop before the storm, so all
    must be there after it."""
    stats = json.loads(call(server, "/v1/stats")[2])
    return options.users - stats["registered_users"]


def measure(options, server, mode):
    """Capacity before and after, between them the storm: other work on the machine changes what it can do. In all of
    it the generator sleeps by the clock: a server that wakes it for each answer pays for that."""
    def capacity():
        return load(options, server, ["--mode", mode, "--window", "1024", "--nap", "200"], mode + " capacity",
                    seconds=5)

    load(options, server, ["--mode", "refresh"], "fill", seconds=0.2)
    before = capacity()
    watcher = Watcher(server)
    watcher.start()
    rate = before["per_second"] * options.times
    storm = load(options, server, ["--mode", mode, "--rate", str(int(rate)), "--nap", "200"], mode + " storm")
    watcher.stop.set()
    watcher.join()
    after = capacity()
    able = (before["per_second"] + after["per_second"]) / 2
    return {"mode": mode, "capacity": able, "before": before, "after": after, "storm": storm,
            "offered": storm["begun_per_second"] / able, "share": storm["per_second"] / able,
            "lost": lost(options, server), "api_worst_ms": 1000 * max(watcher.times),
            "not_ready_seen": 503 in watcher.ready}


def show(row):
    storm = row["storm"]
    print("%-9s capacity %6.0f/s, %4.1f us; begun %.2f times; goodput %6.0f/s = %3.0f %%, p50 %.0f ms; refused %.0f/s; "
          "sent again %.0f/s; lost %d; API worst %.0f ms; said not ready %s; busy: server %.2f, generator %.2f" % (
              row["mode"], row["capacity"], row["before"]["server_cpu_us"], row["offered"], storm["per_second"],
              100 * row["share"], storm["p50_ms"], storm["statuses"].get("503", 0) / storm["seconds"],
              storm["retransmissions"] / storm["seconds"], row["lost"], row["api_worst_ms"], row["not_ready_seen"],
              storm["server_busy"], storm["own_busy"]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--times", type=float, default=2.2, help="of the capacity, offered")
    parser.add_argument("--modes", default="refresh,challenge")
    parser.add_argument("--share", type=float, default=1, help="of its CPU that the server may have")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--json", default=str(BUILD / "storm.json"))
    options = parser.parse_args()
    subprocess.run(["cmake", "--build", str(BUILD)], check=True, stdout=subprocess.DEVNULL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    server = Rollcall(options, "MD5")
    rows = []
    try:
        with cpu_share(server.process.pid, options.share) if options.share < 1 else contextlib.nullcontext():
            for mode in options.modes.split(","):
                runs = []
                for _ in range(options.repeats):
                    runs.append(measure(options, server, mode))
                    show(runs[-1])
                print("%-9s goodput, median of %d: %.0f %%" % (
                    mode, len(runs), 100 * statistics.median(row["share"] for row in runs)), flush=True)
                rows += runs
    finally:
        server.stop()
    with open(options.json, "w") as out:
        json.dump(rows, out, indent=1)
    return 1 if any(row["lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
