# SPDX-License-Identifier: Apache-2.0
"""One run of the load generator, and what several of them say together."""
import json
import statistics
import subprocess
import sys

from servers import BUILD


def start(options, server, arguments, name, users=None, seconds=None):
    transport = arguments[arguments.index("--transport") + 1] if "--transport" in arguments else "udp"
    command = [str(BUILD / "tests/bench/loadgen"), "--port", str(server.ports[transport]),
               "--users", str(users or options.users), "--seconds", str(seconds or options.seconds), "--name", name,
               "--pid", ",".join(map(str, server.pids())), "--cpu", str(options.load_cpu)] + arguments
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate()
    if not out.strip():
        sys.exit("%s failed: %s" % (" ".join(process.args), err))
    return json.loads(out)


def load(options, server, arguments, name, users=None, seconds=None):
    return finish(start(options, server, arguments, name, users, seconds))


def register_all(options, server, users):
    """Every user once, in a closed loop, before what is measured begins."""
    return load(options, server, ["--mode", "refresh", "--window", "256"], "fill", users, 0.2)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def ratio(runs, others, key="server_cpu_us"):
    """The median of the ratios taken pair by pair: what disturbs the machine disturbs both."""
    pairs = [a[key] / b[key] for a, b in zip(runs, others) if b[key]]
    return statistics.median(pairs) if pairs else None
