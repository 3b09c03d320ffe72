#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A storm: first what the server can do, then for a minute at least twice that many requests. Goodput,
what is lost, and whether the API goes on meanwhile; optionally a flood of rubbish beside it."""
import argparse
import json
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


def run(options, server, arguments, name):
    return load(options, server, arguments, name)


def lost(options, server):
    """Users that were told 200 and are not bound. Every user registers in the closed loop before the storm, so all
    must be there after it."""
    stats = json.loads(call(server, "/v1/stats")[2])
    return options.users - stats["registered_users"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=float, default=2.2, help="of the capacity, offered")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--json", default=str(BUILD / "storm.json"))
    options = parser.parse_args()
    subprocess.run(["cmake", "--build", str(BUILD)], check=True, stdout=subprocess.DEVNULL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    minute, options.seconds = options.seconds, 5
    server = Rollcall(options, "MD5")
    rows = []
    try:
        for mode in ("refresh", "challenge"):
            capacity = run(options, server, ["--mode", mode, "--window", "256"], mode + " capacity")
            options.seconds = minute
            watcher = Watcher(server)
            watcher.start()
            storm = run(options, server, ["--mode", mode, "--rate", str(int(capacity["per_second"] * options.times))],
                        mode + " storm")
            watcher.stop.set()
            watcher.join()
            options.seconds = 5
            rows.append({"mode": mode, "capacity": capacity["per_second"], "goodput": storm["per_second"],
                         "share": storm["per_second"] / capacity["per_second"], "lost": lost(options, server),
                         "api_worst_ms": 1000 * max(watcher.times), "not_ready_seen": 503 in watcher.ready,
                         "storm": storm})
            print("%-10s capacity %8.0f/s  offered %8.0f/s  goodput %8.0f/s = %3.0f %%  lost %d  API worst %.0f ms" % (
                mode, capacity["per_second"], capacity["per_second"] * options.times, storm["per_second"],
                100 * rows[-1]["share"], rows[-1]["lost"], rows[-1]["api_worst_ms"]))
    finally:
        server.stop()
    with open(options.json, "w") as out:
        json.dump(rows, out, indent=1)
    return 1 if any(row["lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
