# SPDX-License-Identifier: Apache-2.0
"""One run of the load generator, and what several of them say together."""
import json
import statistics
import subprocess
import sys

from servers import BUILD


def command(options, server, arguments, name, users=None, seconds=None):
    transport = arguments[arguments.index("--transport") + 1] if "--transport" in arguments else "udp"
    return [str(BUILD / "tests/bench/loadgen"), "--port", str(server.ports[transport]),
            "--users", str(users or options.users), "--seconds", str(seconds or options.seconds), "--name", name,
            "--pid", ",".join(map(str, server.pids())), "--cpu", str(options.load_cpu)] + arguments


def start(options, server, arguments, name, users=None, seconds=None):
    return subprocess.Popen(command(options, server, arguments, name, users, seconds), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate()
    if not out.strip():
        sys.exit("%s failed: %s" % (" ".join(process.args), err))
    return json.loads(out)


def load(options, server, arguments, name, users=None, seconds=None):
    return finish(start(options, server, arguments, name, users, seconds))


class Phones:
    """A generator whose phones have registered; it measures as often as it is asked to, and is idle between."""

    def __init__(self, options, server, arguments, name, users=None, seconds=None):
        self.process = subprocess.Popen(command(options, server, arguments + ["--steps"], name, users, seconds),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.line()

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            sys.exit("%s failed: %s" % (" ".join(self.process.args), self.process.wait()))
        return text

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def alternate(options, *generators):
    """The runs of each, taken in turn: what disturbs the machine disturbs all."""
    rounds = [[phones.measure() for phones in generators] for _ in range(options.repeats)]
    return [list(runs) for runs in zip(*rounds)]


def fill_tables(server, phones):
    """What is fixed at start (transactions, nonces, attempts) takes memory as it fills: that is nobody's growth."""
    while server.registrations() < 200000:
        phones.measure()


def register_all(options, server, users):
    """Every user once, in a closed loop, before what is measured begins."""
    return load(options, server, ["--mode", "refresh", "--window", "256"], "fill", users, 0.2)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def ratio(runs, others, key="server_cpu_us"):
    """The median of the ratios taken pair by pair: what disturbs the machine disturbs both."""
    pairs = [a[key] / b[key] for a, b in zip(runs, others) if b[key]]
    return statistics.median(pairs) if pairs else None
