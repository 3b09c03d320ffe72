#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench: the load generator against rollcall and a bare UDP echo, interleaved, medians.

The server runs on one CPU and the generator on another. What counts is the CPU time of the server
for one registration, beside that of an echo in the same run: rates and latencies depend on the
machine, ratios far less. docs/performance.md explains the method.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
TOKEN = "bench"

# name, algorithm, has an echo beside it, arguments of the generator; {half}: half the own maximum
SCENARIOS = [
    ("refresh, 256 in flight", "MD5", True, ["--mode", "refresh", "--window", "256"]),
    ("refresh, 64 in flight", "MD5", True, ["--mode", "refresh", "--window", "64"]),
    ("challenge, 256 in flight", "MD5", True, ["--mode", "challenge", "--window", "256"]),
    ("query, 256 in flight", "MD5", True, ["--mode", "query", "--window", "256"]),
    ("register and unregister, 256", "MD5", False, ["--mode", "unregister", "--window", "256"]),
    ("refresh, expires jittered", "MD5", False,
     ["--mode", "refresh", "--window", "256", "--jitter", "20"]),
    ("refresh, SHA-256", "SHA-256", False, ["--mode", "refresh", "--window", "256"]),
    ("refresh, TCP, 100 connections", "MD5", False,
     ["--mode", "refresh", "--window", "256", "--transport", "tcp"]),
    ("refresh, paced 1000/s", "MD5", True, ["--mode", "refresh", "--rate", "1000"]),
    ("refresh, paced at half", "MD5", False, ["--mode", "refresh", "--rate", "{half}"]),
]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process under test, pinned to one CPU with all its threads."""

    def __init__(self, arguments, cpu, env=None, log=None):
        self.log = log
        with open(log, "w") if log else open(os.devnull, "w") as out:
            self.process = subprocess.Popen(arguments, env=env, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        os.sched_setaffinity(self.process.pid, {cpu})  # what it starts later inherits it

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def listening(log, scheme):
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        match = re.search(r"event=listening .*listen=%s://127\.0\.0\.1:(\d+)" % scheme, line)
        if match:
            return int(match.group(1))
    return None


class Rollcall(Server):
    def __init__(self, options, algorithm):
        self.folder = BUILD / "bench" / ("store-" + algorithm)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith("ROLLCALL_")}
        env.update(ROLLCALL_SIP_LISTEN="udp://127.0.0.1:0,tcp://127.0.0.1:0",
                   ROLLCALL_API_LISTEN="http://127.0.0.1:0", ROLLCALL_API_ADMIN_TOKEN=TOKEN,
                   ROLLCALL_STORE_URL="lmdb:%s" % self.folder, ROLLCALL_AUTH_ALGORITHMS=algorithm,
                   ROLLCALL_REGISTRAR_DOMAINS="example.com", ROLLCALL_LOG_LEVEL="info")
        super().__init__([str(BUILD / "rollcall"), "serve"], options.server_cpu, env,
                         BUILD / "bench" / ("rollcall-%s.log" % algorithm))
        self.http = self.wait_for("http")
        self.ports = {scheme: self.wait_for(scheme) for scheme in ("udp", "tcp")}
        deadline = time.monotonic() + 60
        while self.request("GET", "/readyz")[0] != 200:
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.05)
        self.provision(options.users)

    def wait_for(self, scheme):
        deadline = time.monotonic() + 60
        while True:
            port = listening(self.log, scheme)
            if port:
                return port
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("rollcall did not start:\n" + pathlib.Path(self.log).read_text())
            time.sleep(0.05)

    def request(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=600)
        connection.request(method, path, body, {"Authorization": "Bearer " + TOKEN, "Content-Type": kind})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def provision(self, users):
        lines = "".join(json.dumps({"domain": "example.com", "username": "u%06d" % n,
                                    "password": "secret"}) + "\n" for n in range(users))
        begin = time.monotonic()
        status, data = self.request("POST", "/v1/users:import", lines, "application/x-ndjson")
        good = data.count(b'"status": 201') + data.count(b'"status":201')
        if status != 200 or good != users:
            sys.exit("import: %d, %d of %d users\n%s" % (status, good, users, data[:500]))
        self.import_seconds = time.monotonic() - begin


class Echo(Server):
    def __init__(self, options):
        self.ports = {"udp": free_port()}
        super().__init__([str(BUILD / "tests/bench/echo"), str(self.ports["udp"])], options.server_cpu)


def load(options, server, arguments, name):
    transport = arguments[arguments.index("--transport") + 1] if "--transport" in arguments else "udp"
    command = [str(BUILD / "tests/bench/loadgen"), "--port", str(server.ports[transport]),
               "--users", str(options.users), "--seconds", str(options.seconds), "--name", name,
               "--pid", str(server.process.pid), "--cpu", str(options.load_cpu)] + arguments
    result = subprocess.run(command, capture_output=True, text=True)
    if not result.stdout.strip():
        sys.exit("%s failed: %s" % (" ".join(command), result.stderr))
    return json.loads(result.stdout)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def summary(name, runs, echoes):
    row = {"scenario": name, "runs": runs, "echo_runs": echoes}
    for key in ("per_second", "server_cpu_us", "p50_ms", "p99_ms", "p999_ms", "server_busy", "own_busy"):
        row[key] = median(runs, key)
    for key in ("failures", "timeouts", "retransmissions"):
        row[key] = sum(run[key] for run in runs)
    # The ratio is taken pair by pair: what disturbs the machine disturbs both.
    pairs = [r["server_cpu_us"] / e["server_cpu_us"] for r, e in zip(runs, echoes) if e["server_cpu_us"]]
    row["cpu_to_echo"] = statistics.median(pairs) if pairs else None
    return row


def print_table(rows):
    head = ("scenario", "reg/s", "CPU us", "x echo", "p50 ms", "p99 ms", "p99.9", "failed", "resent")
    print("%-31s %9s %8s %7s %8s %8s %8s %7s %7s" % head)
    for row in rows:
        print("%-31s %9.0f %8.2f %7s %8.2f %8.2f %8.2f %7d %7d" % (
            row["scenario"], row["per_second"], row["server_cpu_us"],
            "%.2f" % row["cpu_to_echo"] if row["cpu_to_echo"] else "-", row["p50_ms"],
            row["p99_ms"], row["p999_ms"], row["failures"] + row["timeouts"], row["retransmissions"]))


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--json", default=str(BUILD / "bench.json"))
    options = parser.parse_args()
    cpus = os.sched_getaffinity(0)
    if options.server_cpu not in cpus or options.load_cpu not in cpus:
        options.server_cpu, options.load_cpu = min(cpus), max(cpus)
    return options


def main():
    options = parse()
    chosen = [s for s in SCENARIOS if options.only in s[0]]
    (BUILD / "bench").mkdir(parents=True, exist_ok=True)
    servers = {}
    echo = Echo(options)
    results = {scenario[0]: ([], []) for scenario in chosen}
    try:
        for algorithm in sorted({s[1] for s in chosen}):
            servers[algorithm] = Rollcall(options, algorithm)
        for repeat in range(options.repeats):
            for name, algorithm, with_echo, arguments in chosen:
                best = max((r["per_second"] for r in results.get(SCENARIOS[0][0], ([], []))[0]), default=40000)
                filled = [a.format(half=int(best / 2)) for a in arguments]
                runs, echoes = results[name]
                runs.append(load(options, servers[algorithm], filled, name))
                if with_echo:
                    echoes.append(load(options, echo, filled + ["--echo"], "echo: " + name))
                print("%d/%d %-31s %9.0f/s %7.2f us" % (
                    repeat + 1, options.repeats, name, runs[-1]["per_second"],
                    runs[-1]["server_cpu_us"]), file=sys.stderr)
    finally:
        echo.stop()
        for server in servers.values():
            server.stop()
    rows = [summary(name, *results[name]) for name, *_ in chosen]
    echo_cpu = [e["server_cpu_us"] for row in rows[:1] for e in row["echo_runs"]]
    print_table(rows)
    if echo_cpu:
        print("echo: %.2f us of CPU a refresh, 256 in flight" % statistics.median(echo_cpu))
    pathlib.Path(options.json).write_text(json.dumps(
        {"users": options.users, "repeats": options.repeats, "seconds": options.seconds,
         "import_seconds": {a: s.import_seconds for a, s in servers.items()}, "rows": rows}, indent=1))
    print("all runs: %s" % options.json)


if __name__ == "__main__":
    main()
