# SPDX-License-Identifier: Apache-2.0
"""What depends on how many users and bindings there are."""
import json
import os
import shutil
import signal
import statistics
import sys
import threading
import time

from measure import Phones, alternate, fill_tables, load, ratio
from servers import Kamailio, Rollcall

REFRESH = ["--mode", "refresh", "--window", "256"]
PACED = ["--mode", "refresh", "--rate", "2000"]
# Each phone registers and refreshes before anything is measured: half of the log is superseded then, as it is whenever
# the service has run for a while.
WARM = REFRESH + ["--rounds", "2"]
PEER_USERS, PEER_HASH_SIZE = 500000, 19  # a bucket a contact, nearly: what its documentation advises at most


def say(text):
    print(text, file=sys.stderr)


def pages(options, server, figures):
    """A page, and what phones notice of a walk over all of them and of an import."""
    times = []
    for _ in range(20):
        begin = time.monotonic()
        status, _ = server.request("GET", "/v1/bindings?limit=1000")
        times.append(1000 * (time.monotonic() - begin))
        assert status == 200, status
    figures.add("a page of 1,000 bindings over REST", sorted(times)[10])
    for quantity, work in (("registration p99 during a walk over all bindings", walk),
                           ("registration p99 during an import", lambda s: s.provision(50000))):
        over = threading.Event()
        thread = threading.Thread(target=lambda work=work, over=over: repeat(work, server, over))
        thread.start()
        figures.add(quantity, load(options, server, PACED, quantity, min(options.users, 10000),
                                   3 * options.seconds)["p99_ms"])
        over.set()
        thread.join()


def repeat(work, server, over):
    while not over.is_set():
        work(server)


def walk(server):

    cursor = ""
    while cursor is not None:
        page = json.loads(server.request("GET", "/v1/bindings?limit=1000" + (cursor and "&cursor=" + cursor))[1])
        cursor = page["next_cursor"]


def restart(options, server, figures, note):
    """kill -9, then start it again, three times with the store's files in memory and three without."""
    times, cpu = {"warm": [], "cold": []}, {"warm": [], "cold": []}
    for phone, kind in enumerate(("warm", "cold") * 3):
        server.stop(signal.SIGKILL)
        if kind == "cold":
            for path in server.folder.iterdir():
                if path.is_file():
                    forget(path)
        begin = time.monotonic()
        server = Rollcall(options, name=server.folder.name, keep=True)
        times[kind].append(server.first_200(begin, phone))
        cpu[kind].append(server.cpu_seconds())
    for kind, seconds in times.items():
        figures.add("restart to the first 200, " + kind, statistics.median(seconds),
                    "%s, %.2f s of CPU" % (note, statistics.median(cpu[kind])))
    return server


def start_alone(options, figures):
    """The start alone, with two records a binding, as few as a log in steady state has."""
    users = options.users if options.users_given else 100000
    server = Rollcall(options, name="store-restart", users=users)
    try:
        load(options, server, WARM, "fill", users, 0.2)
        server = restart(options, server, figures, "%d bindings" % users)
    finally:
        server.stop()


def forget(path):
    """Out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def chosen_steps(options):
    """Numbers of users: the largest is what --users says where only this is measured."""
    largest = 1000000 if options.all else 100000
    if options.only == "scale" and options.users_given:
        largest = options.users
    return [users for users in (10000, 100000, 1000000, 10000000) if users < largest] + [largest]


class Least:
    """The smallest step, which stays and is measured in turn with each of the others."""

    def __init__(self, options, users):
        self.users = users
        self.server = Rollcall(options, name="store-scale-least", users=users)
        self.phones = Phones(options, self.server, WARM, "%d users" % users, users)
        fill_tables(self.server, self.phones)
        self.memory = self.server.status("RssAnon")

    def stop(self):
        self.phones.stop()
        self.server.stop()


def one_step(options, figures, users, largest, least):
    """A store with so many bindings: memory, and runs beside the least; at the largest the rest of what is asked of it."""
    server, phones = Rollcall(options, name="store-scale", users=0), None
    try:
        held = server.status("RssAnon")
        seconds = server.provision(users)
        if largest:
            note = "" if users == 1000000 else "%d users" % users
            figures.add("import of 1,000,000 users", seconds, note)
            figures.add("memory grown by an import of 1,000,000 users", (server.status("RssAnon") - held) / 2**20, note)
        phones = Phones(options, server, WARM, "%d users" % users, users)
        fill_tables(server, phones)
        memory = server.status("RssAnon")
        runs, beside = alternate(options, phones, least.phones)
        phones.stop()
        if largest:
            pages(options, server, figures)
            server = restart(options, server, figures, "%d bindings" % users)
        return memory, runs, beside
    finally:
        server.stop()


def scale(options, figures):
    """The same refresh with more and more users; memory by the slope, import, restart."""
    ratios, memory, all_runs = {}, {}, {}
    steps = chosen_steps(options)
    say("scale: %d users" % steps[0])
    least = Least(options, steps[0])
    try:
        memory[least.users] = least.memory
        for users in steps[1:] or steps:
            say("scale: %d users" % users)
            memory[users], runs, beside = one_step(options, figures, users, users == steps[-1], least)
            ratios[users] = ratio(runs, beside)
            all_runs[str(users)] = {"runs": runs, "beside": beside}
    finally:
        least.stop()
    conclude(figures, least.users, ratios, memory)
    return all_runs


def conclude(figures, least, ratios, memory):
    most = max(memory)
    for quantity, users in (("CPU a refresh at 1,000,000 users / at 10,000", min(most, 1000000)),
                            ("CPU a refresh at 10,000,000 users / at 10,000", most if most > 1000000 else least)):
        if users in ratios and users > least:
            figures.add(quantity, ratios[users], "%d / %d" % (users, least))
    if most > least:
        low = 100000 if 100000 in memory and most > 100000 else least
        figures.add("private memory a binding", (memory[most] - memory[low]) / (most - low), "%d to %d" % (low, most))


def peer(options, figures):
    """Half a million users, here and in Kamailio's memory: both are filled, then pairs."""
    if not shutil.which("kamailio"):
        figures.skip("Kamailio with 500,000 contacts", "it is not installed (apt-get install kamailio)")
        return None
    users = options.users if options.only == "peer" and options.users_given else PEER_USERS
    servers, phones = [], []
    try:
        servers.append(Rollcall(options, name="store-peer", users=users))
        servers.append(Kamailio(options, hash_size=PEER_HASH_SIZE))
        for server, name in zip(servers, ("rollcall", "kamailio")):
            say("%s: %d users" % (name, users))
            phones.append(Phones(options, server, WARM, name, users))
        mine, theirs = alternate(options, *phones)
    finally:
        for one in phones + servers:
            one.stop()
    figures.add("CPU a refresh at 500,000 users / Kamailio with as many", ratio(mine, theirs),
                "" if users == PEER_USERS else "%d users" % users)
    return {"rollcall": mine, "kamailio": theirs}
