#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same floods against rollcall and Kamailio: malformed messages, REGISTERs without credentials, and kill -9 while
phones register. What is taken, what it costs, and whether honest phones get through beside it."""
import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

from measure import load, start
from servers import BUILD, FOLDER, Kamailio, Rollcall

from sip import NoAnswer, Phone

T1 = 0.5
PATIENCE = 8  # seconds until a phone of ours gives up


def cpu_seconds(server):
    total = 0
    for pid in server.pids():
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def kernel_drops(port):
    """Datagrams that found no room in the server's buffer."""
    with open("/proc/net/udp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(int(row[12]) for row in rows if int(row[1].split(":")[1], 16) == port)


def resident(server):
    """Bytes of all its processes, each shared page once."""
    total = 0
    for pid in server.pids():
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return total


class Honest(threading.Thread):
    """A phone that registers again and again; it sends again as RFC 3261 says. `fresh`: without a nonce each time."""

    def __init__(self, server, user, fresh):
        super().__init__()
        self.server, self.user, self.fresh = server, user, fresh
        self.stop, self.times, self.failed = threading.Event(), [], 0

    def exchange(self, phone, message, deadline):
        wait = T1
        while time.monotonic() < deadline:
            phone.wire.send(message)
            try:
                return phone.wire.receive(min(wait, max(0.01, deadline - time.monotonic())))
            except NoAnswer:
                wait = min(2 * wait, 4)
        raise NoAnswer("given up")

    def register(self, phone):
        """True where it ended with 200."""
        deadline = time.monotonic() + PATIENCE
        for _ in range(3):
            headers = ["Authorization: " + phone.authorization()] if phone.challenge else []
            answer = self.exchange(phone, phone.build(headers=headers), deadline)
            if answer.status != 401:
                return answer.status == 200
            phone.take_challenge(answer)
        return False

    def run(self):
        phone = Phone(("127.0.0.1", self.server.ports["udp"]), self.user, "secret")
        for _ in itertools.count():
            if self.stop.wait(0.02):
                break
            if self.fresh:
                phone.close()
                phone = Phone(("127.0.0.1", self.server.ports["udp"]), self.user, "secret")
            begin = time.monotonic()
            try:
                good = self.register(phone)
            except (NoAnswer, OSError):
                good = False
            if good:
                self.times.append(1000 * (time.monotonic() - begin))
            else:
                self.failed += 1
        phone.close()

    def result(self):
        self.stop.set()
        self.join()
        tries = len(self.times) + self.failed
        cuts = statistics.quantiles(self.times, n=100) if len(self.times) > 1 else [float("nan")] * 99
        return {"tries": tries, "share": len(self.times) / tries if tries else 0, "p50_ms": cuts[49], "p99_ms": cuts[98]}


def flood(options, server, kind):
    phones = {"refresh": Honest(server, "u000002", False), "fresh": Honest(server, "u000003", True)}
    for phone in phones.values():
        phone.start()
    time.sleep(0.5)
    port, largest = server.ports["udp"], resident(server)
    cpu, drops = cpu_seconds(server), kernel_drops(port)
    source = subprocess.Popen(["taskset", "-c", str(options.load_cpu), str(BUILD / "tests/bench/flood"), str(port),
                               str(options.rate), str(options.seconds), kind], stdout=subprocess.PIPE, text=True)
    while source.poll() is None:
        time.sleep(0.25)
        largest = max(largest, resident(server))
    sent = json.loads(source.stdout.read())
    cpu, drops = cpu_seconds(server) - cpu, kernel_drops(port) - drops
    taken = sent["sent"] - drops
    return {"kind": kind, "sent_per_second": sent["sent"] / sent["seconds"], "taken_per_second": taken / sent["seconds"],
            "answered_per_second": sent["answered"] / sent["seconds"], "cpu_us": 1e6 * cpu / max(taken, 1),
            "busy": cpu / sent["seconds"], "largest_bytes": largest,
            "phones": {name: phone.result() for name, phone in phones.items()}}


def bound(server, users):
    """How many of these users have a binding, asked as a phone does."""
    found = 0
    for n in range(users):
        phone = Phone(("127.0.0.1", server.ports["udp"]), "u%06d" % n, "secret")
        found += bool(phone.bindings())
        phone.close()
    return found


def killed(options, make, again):
    """Every user is registered and told so; then SIGKILL while they register again. Bindings that are missing."""
    server = make()
    load(options, server, ["--mode", "refresh"], "fill", users=options.killed, seconds=0.2)
    assert bound(server, options.killed) == options.killed
    running = start(options, server, ["--mode", "refresh"], "killed", users=options.killed, seconds=3)
    time.sleep(1.5)
    for pid in server.pids():
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    running.kill()
    running.communicate()
    server = again()
    lost = options.killed - bound(server, options.killed)
    server.stop()
    return lost


def show(name, row):
    phones = row["phones"]
    print("%-9s %-9s sent %6.0f/s  taken %6.0f/s  answered %6.0f/s  %5.2f us  busy %.2f  %4.0f MiB" % (
        name, row["kind"], row["sent_per_second"], row["taken_per_second"], row["answered_per_second"], row["cpu_us"],
        row["busy"], row["largest_bytes"] / 2**20))
    for kind, phone in phones.items():
        print("          %-8s %4d tries, %3.0f %% registered, p50 %.1f ms, p99 %.1f ms" % (
            kind, phone["tries"], 100 * phone["share"], phone["p50_ms"], phone["p99_ms"]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--killed", type=int, default=1000, help="users of the round with kill -9")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200000, help="messages a second at most")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--json", default=str(BUILD / "floods.json"))
    parser.add_argument("--servers", default="rollcall,kamailio")
    options = parser.parse_args()
    subprocess.run(["cmake", "--build", str(BUILD)], check=True, stdout=subprocess.DEVNULL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    makers = {"rollcall": (lambda: Rollcall(options, name="floods"), lambda: Rollcall(options, name="floods", keep=True)),
              "kamailio": (lambda: Kamailio(options), lambda: Kamailio(options))}
    rows = []
    for name in options.servers.split(","):
        make, again = makers[name]
        for kind in ("malformed", "register"):
            server = make()
            try:
                rows.append({"server": name, **flood(options, server, kind)})
            finally:
                server.stop()
            show(name, rows[-1])
        rows.append({"server": name, "kind": "kill -9", "lost": killed(options, make, again)})
        print("%-9s kill -9   %d of %d acknowledged bindings lost" % (name, rows[-1]["lost"], options.killed), flush=True)
    with open(options.json, "w") as out:
        json.dump(rows, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
