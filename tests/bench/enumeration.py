#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does the time of a 401 tell whether a user exists? Medians of the time to the answer for an unknown user, a
disabled one and a wrong password, interleaved, over UDP on loopback; also where the credentials name somebody else.

It promises to be within 10 percent or 50 us. No test: it depends on the machine. Run it on a quiet one:
    tests/bench/enumeration.py [ROUNDS]
"""
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from server import Rollcall  # noqa: E402  (the path above leads there)
from sip import Phone  # noqa: E402

CASES = ("wrong password", "disabled user", "unknown user")


def timed(phone):
    """Microseconds from a REGISTER with credentials to its 401."""
    text = phone.build(headers=["Authorization: " + phone.authorization(count=1)])
    begin = time.perf_counter_ns()
    phone.wire.send(text)
    answer = phone.wire.receive()
    spent = (time.perf_counter_ns() - begin) / 1000
    assert answer.status == 401, answer
    return spent


def measure(server, rounds, auth_user):
    phones = {}
    for case, user in zip(CASES, ("alice", "off", "nobody")):
        options = {"auth_user": auth_user} if auth_user else {}
        phones[case] = Phone(server.udp, user, "wrong", **options)
        phones[case].take_challenge(phones[case].send())
    times = {case: [] for case in CASES}
    for n in range(rounds):
        for case in CASES[n % 3:] + CASES[:n % 3]:  # nobody is always first
            times[case].append(timed(phones[case]))
    for phone in phones.values():
        phone.close()
    return {case: statistics.median(spent) for case, spent in times.items()}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    good = True
    with tempfile.TemporaryDirectory() as folder:
        server = Rollcall(folder).start()
        try:
            server.api.add_user("alice")
            server.api.add_user("off", enabled=False)
            for auth_user in (None, "somebody"):
                medians = measure(server, rounds, auth_user)
                least, most = min(medians.values()), max(medians.values())
                fits = most - least <= max(50, least / 10)
                good = good and fits
                print("credentials of %s, %d rounds: %s; apart by %.1f us: %s" % (
                    auth_user or "the user", rounds, ", ".join("%s %.1f us" % item for item in medians.items()),
                    most - least, "within" if fits else "BEYOND 10 percent and 50 us"))
        finally:
            server.terminate()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
