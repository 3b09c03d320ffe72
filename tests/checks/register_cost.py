#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No registration costs ten percent more instructions than tests/bench/instructions.json says.

Counted are all threads in user space (callgrind), for the same messages each time: that depends on
no clock, no load and no random number, and moves by a tenth of a percent. Which of glibc's and
libcrypto's variants run is pinned below, so that the machine's CPU does not matter either. Another
compiler writes other code: then the figures are printed, and the comparison is skipped by name.

usage: register_cost.py [BUILD] [--write]     --write: these are the figures from now on
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIGURES = ROOT / "tests/bench/instructions.json"
TOLERANCE = 1.10
# What a registration is made of, by the program's phases.
FLOWS = {
    "refresh": ["refresh"],
    "challenge and registration": ["challenge", "registration after a challenge"],
    "first challenge and registration": ["first challenge", "first registration"],
}
PINNED = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-BMI2,-ERMS,-FSRM,-RTM,"
                      "-SSSE3,-SSE4_1,-SSE4_2,-AVX_Fast_Unaligned_Load,-Fast_Unaligned_Copy",
    "OPENSSL_ia32cap": "0:0",
}


def count(program, url, folder):
    """Instructions a message of each phase, and the compiler."""
    command = ["valgrind", "--tool=callgrind", "--zero-before=measured", "--dump-after=measured",
               "--callgrind-out-file=%s/out" % folder, str(program), url]
    run = subprocess.run(command, env={**os.environ, **PINNED}, capture_output=True, text=True)
    if run.returncode:
        sys.exit("register_cost: %s\n%s" % (url, run.stderr))
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    compiler, phases = lines[0][1], {}
    for number, (phase, messages) in enumerate(lines[1:], 1):
        dump = pathlib.Path(folder, "out.%d" % number).read_text()
        total = next(line for line in dump.splitlines() if line.startswith("totals:"))
        phases[phase] = int(total.split()[1]) / int(messages)
    return phases, compiler


def measure(program):
    figures = {}
    # A file system in memory where there is one: the disk costs no instructions, but time.
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for backend in ("lmdb", "memory"):
        with tempfile.TemporaryDirectory(dir=base) as folder:
            os.mkdir(folder + "/store")
            url = "lmdb:%s/store" % folder if backend == "lmdb" else "memory:"
            phases, figures["compiler"] = count(program, url, folder)
        for flow, parts in FLOWS.items():
            figures["%s, %s" % (flow, backend)] = round(sum(phases[p] for p in parts))
    return figures


def say(outcome, name, detail):
    print("%s\t%s\t%s" % (outcome, name, detail))
    if "RESULTS" in os.environ:
        with open(os.environ["RESULTS"] + "/verdicts.tsv", "a") as out:
            out.write("%s\t%s\t%s\n" % (outcome, name, detail))
    return outcome == "failed"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    build = pathlib.Path(arguments[0]) if arguments else ROOT / "build"
    now = measure((build / "tests/bench/register_cost").resolve())
    if "--write" in sys.argv:
        FIGURES.write_text(json.dumps(now, indent=1) + "\n")
    then = json.loads(FIGURES.read_text())
    comparable = now["compiler"].split(".")[0] == then["compiler"].split(".")[0]
    failed = False
    for name in sorted(then.keys() - {"compiler"}):
        detail = "%d instructions, %d are checked in (%+.1f %%)" % (
            now[name], then[name], 100 * (now[name] / then[name] - 1))
        outcome = "passed" if now[name] <= then[name] * TOLERANCE else "failed"
        if not comparable:
            outcome, detail = "skipped", "compiler %s, not %s: %s" % (
                now["compiler"], then["compiler"], detail)
        failed = say(outcome, "register_cost: " + name, detail) or failed
    return failed


if __name__ == "__main__":
    sys.exit(main())
