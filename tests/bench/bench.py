#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench: rollcall under load, beside a bare UDP echo and Kamailio, interleaved, medians.

The server runs on one CPU and the generator on another. What counts is the CPU time of the server
for one registration, beside that of the others in the same round: rates and latencies depend on the
machine, ratios far less. docs/performance.md explains the method.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import sys

from loops import Loops
from plot import plot
from servers import BUILD, FOLDER
import sizes
from targets import Figures


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="up to a million users and beside PostgreSQL: an hour")
    parser.add_argument("--users", type=int, help="10000, and what each of the others wants; with --only scale the "
                        "largest step, such as 10000000 (half an hour, 5 GB of disk, 3 GB of memory)")
    parser.add_argument("--connections", type=int, default=10000, help="of the TCP scenario, at most")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one run")
    parser.add_argument("--only", default="", help="loads whose name contains this, and no others of %s" %
                        ", ".join(sizes.ALL) + "; or one of these")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--json", default=str(BUILD / "bench.json"))
    options = parser.parse_args()
    options.users_given, options.users = options.users is not None, options.users or 10000
    cpus = os.sched_getaffinity(0)
    if options.server_cpu not in cpus or options.load_cpu not in cpus:
        options.server_cpu, options.load_cpu = min(cpus), max(cpus)
    return options


def machine():
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"cpu": model[0] if model else platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "load_before": os.getloadavg()[0]}


def more_files():
    """A socket each for ten thousand connections, in us and in what we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    options = parse()
    more_files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures = Figures()
    report = {"machine": machine(), "options": vars(options), "loops": {}, "sizes": {}}
    loops = Loops(options, figures)
    if options.only in sizes.ALL:
        loops.chosen, loops.runs = [], {}
    if loops.chosen:
        loops.run()
        loops.print()
        report["loops"] = loops.runs
    for name, scenario in sizes.ALL.items():
        wanted = name not in sizes.ALONE and (options.all or name not in sizes.LONG)
        if options.only == name or not options.only and wanted:
            print(name, file=sys.stderr)
            report["sizes"][name] = scenario(options, figures)
    figures.print()
    report["figures"], report["skipped"] = figures.rows, figures.skipped
    pathlib.Path(options.json).write_text(json.dumps(report, indent=1))
    plots = plot(report, pathlib.Path(options.json).parent)
    print("all runs: %s%s" % (options.json, "".join(", %s" % p for p in plots)))
    busy = report["machine"]["load_before"]
    if busy > 0.5:
        print("the machine was not quiet (load %.1f at the start): trust ratios, not rates" % busy)


if __name__ == "__main__":
    main()
