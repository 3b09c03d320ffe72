# SPDX-License-Identifier: Apache-2.0
"""Closed loops and paced loads, on rollcall and beside it on an echo and on Kamailio, round by round."""
import shutil
import sys

from measure import load, median, ratio
from servers import Echo, Kamailio, Rollcall

# name, algorithm, who is measured beside it, arguments of the generator; {half}: half the own maximum
REFRESH, CHALLENGE = "refresh, 256 in flight", "challenge, 256 in flight"
PACED, HALF = "refresh, paced 1000/s", "refresh, paced at half"
JITTER, CLASSES, DEVICES = "refresh, expires jittered", "refresh, three classes", "refresh, two contacts"
MINUTE = "refresh, each minute of an hour"
MIXES = (JITTER, CLASSES, DEVICES, MINUTE)
USUAL = [
    (REFRESH, "MD5", ("echo", "kamailio"), ["--mode", "refresh", "--window", "256"]),
    ("refresh, 64 in flight", "MD5", ("echo", "kamailio"), ["--mode", "refresh", "--window", "64"]),
    (CHALLENGE, "MD5", ("echo", "kamailio"), ["--mode", "challenge", "--window", "256"]),
    ("query, 256 in flight", "MD5", (), ["--mode", "query", "--window", "256"]),
    ("register and unregister, 256", "MD5", (), ["--mode", "unregister", "--window", "256"]),
    (JITTER, "MD5", (), ["--mode", "refresh", "--window", "256", "--jitter", "20"]),
    (CLASSES, "MD5", (), ["--mode", "refresh", "--window", "256", "--classes"]),
    (DEVICES, "MD5", (), ["--mode", "refresh", "--window", "256", "--devices", "2"]),
    (MINUTE, "MD5", (), ["--mode", "refresh", "--window", "256", "--shuffle", "--rounds", "3"]),
    ("refresh, SHA-256", "SHA-256", (), ["--mode", "refresh", "--window", "256", "--algorithm", "SHA-256"]),
    ("refresh, TCP, 100 connections", "MD5", (), ["--mode", "refresh", "--window", "256", "--transport", "tcp"]),
    (PACED, "MD5", ("echo", "kamailio"), ["--mode", "refresh", "--rate", "1000"]),
    (HALF, "MD5", (), ["--mode", "refresh", "--rate", "{half}"]),
]
# For the plots: CPU and latency by load.
CURVE = [("refresh, paced %d/s" % rate, "MD5", ("kamailio",), ["--mode", "refresh", "--rate", str(rate)])
         for rate in (2000, 5000, 10000, 20000, 40000)]


class Loops:
    def __init__(self, options, figures):
        self.options, self.figures, self.servers = options, figures, {}
        names = [s[0] for s in USUAL + CURVE if options.only in s[0]]
        if set(names) & set(MIXES):
            names.append(REFRESH)  # what they are compared with
        self.chosen = [s for s in USUAL + CURVE if s[0] in names]
        self.runs = {name: {} for name, *_ in self.chosen}

    def start(self):
        for algorithm in sorted({s[1] for s in self.chosen}):
            self.servers[algorithm] = Rollcall(self.options, algorithm)
        beside = {who for s in self.chosen for who in s[2]}
        if "echo" in beside:
            self.servers["echo"] = Echo(self.options)
        if "kamailio" in beside and not shutil.which("kamailio"):
            self.figures.skip("Kamailio", "it is not installed (apt-get install kamailio)")
            return
        if "kamailio" in beside:
            self.servers["kamailio"] = Kamailio(self.options)

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def one(self, scenario):
        name, algorithm, beside, arguments = scenario
        best = max((r["per_second"] for r in self.runs.get(REFRESH, {}).get("rollcall", [])), default=20000)
        filled = [a.format(half=int(best / 2)) for a in arguments]
        for who in ("rollcall",) + beside:
            server = self.servers.get(algorithm if who == "rollcall" else who)
            if server:
                more = ["--echo"] if who == "echo" else []
                self.runs[name].setdefault(who, []).append(
                    load(self.options, server, filled + more, "%s: %s" % (who, name)))

    def run(self):
        try:
            self.start()
            for repeat in range(self.options.repeats):
                for scenario in self.chosen:
                    self.one(scenario)
                    last = self.runs[scenario[0]]["rollcall"][-1]
                    print("%d/%d %-31s %9.0f/s %7.2f us" % (repeat + 1, self.options.repeats, scenario[0],
                                                           last["per_second"], last["server_cpu_us"]), file=sys.stderr)
        finally:
            self.stop()
        self.conclude()

    def compare(self, quantity, name, other, key="server_cpu_us", of=None):
        mine = self.runs.get(name, {}).get("rollcall")
        theirs = self.runs.get(of or name, {}).get(other)
        if mine and theirs:
            self.figures.add(quantity, ratio(mine, theirs, key))

    def conclude(self):
        self.compare("CPU a refresh, 256 in flight / Kamailio in memory", REFRESH, "kamailio")
        self.compare("CPU a challenge and registration, 256 in flight / Kamailio in memory", CHALLENGE, "kamailio")
        self.compare("CPU a refresh, 256 in flight / a bare UDP echo", REFRESH, "echo")
        self.compare("refreshes a second, 256 in flight / Kamailio in memory", REFRESH, "kamailio", "per_second")
        self.compare("CPU a refresh, expires jittered / one class", JITTER, "rollcall", of=REFRESH)
        self.compare("CPU a refresh, three expiry classes / one class", CLASSES, "rollcall", of=REFRESH)
        self.compare("CPU a refresh, each minute of an hour / one class", MINUTE, "rollcall", of=REFRESH)
        self.compare("CPU a refresh, two contacts an AoR / one", DEVICES, "rollcall", of=REFRESH)
        for quantity, name, key in (("p50 at 1,000 refreshes a second", PACED, "p50_ms"),
                                    ("p99 at half of the own maximum", HALF, "p99_ms")):
            if self.runs.get(name, {}).get("rollcall"):
                self.figures.add(quantity, median(self.runs[name]["rollcall"], key))

    def print(self):
        print("%-31s %-9s %9s %8s %8s %8s %8s %7s %7s" % (
            "scenario", "server", "reg/s", "CPU us", "p50 ms", "p99 ms", "p99.9", "failed", "resent"))
        for name, by_server in self.runs.items():
            for who, runs in by_server.items():
                print("%-31s %-9s %9.0f %8.2f %8.2f %8.2f %8.2f %7d %7d" % (
                    (name, who) + tuple(median(runs, key) for key in (
                        "per_second", "server_cpu_us", "p50_ms", "p99_ms", "p999_ms")) +
                    (sum(r["failures"] + r["timeouts"] for r in runs), sum(r["retransmissions"] for r in runs))))
