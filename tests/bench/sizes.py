# SPDX-License-Identifier: Apache-2.0
"""What depends on how many there are: users, bindings, connections, readers."""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

from measure import finish, load, median, register_all, start
from servers import FOLDER, TOKEN, Kamailio, Rollcall

LOOKUP = """
wrk.headers["Authorization"] = "Bearer %s"
request = function()
    return wrk.format("GET", string.format("/v1/domains/example.com/users/u%%06d/bindings", math.random(0, %d)))
end
"""
REFRESH = ["--mode", "refresh", "--window", "256"]
PACED = ["--mode", "refresh", "--rate", "2000"]


def say(text):
    print(text, file=sys.stderr)


def disk(options, figures):
    """Bytes written a refresh, and how large the file becomes."""
    server = Rollcall(options, name="store-disk")
    try:
        fresh_from = server.file_bytes()
        register_all(options, server, options.users)
        written, registered = server.disk_written(), server.registrations()
        figures.add("file bytes a binding, fresh", (server.file_bytes() - fresh_from) / options.users,
                    "%d users" % options.users)
        load(options, server, REFRESH + ["--no-prepare"], "disk", None, 4 * options.seconds)
        figures.add("disk bytes written a refresh, 256 in flight",
                    (server.disk_written() - written) / (server.registrations() - registered))
        figures.add("file bytes a binding, steady", (server.file_bytes() - fresh_from) / options.users,
                    "%d users" % options.users)
    finally:
        server.stop()


def rest(options, figures):
    """Lookups by wrk over 16 connections, while phones refresh."""
    if not shutil.which("wrk"):
        figures.skip("REST lookups", "wrk is not installed (apt-get install wrk)")
        return
    server = Rollcall(options, name="store-rest")
    try:
        register_all(options, server, options.users)
        script = FOLDER / "lookup.lua"
        script.write_text(LOOKUP % (TOKEN, options.users - 1))
        seconds = max(3, 2 * options.seconds)
        phones = start(options, server, ["--mode", "refresh", "--rate", "10000"], "beside REST", None, seconds + 2)
        time.sleep(1.5 + 0.1 * seconds)  # the phones register, then warm up
        run = subprocess.run(
            ["taskset", "-c", str(options.load_cpu), "wrk", "-t1", "-c16", "-d%ds" % seconds, "-s", str(script),
             "http://127.0.0.1:%d" % server.ports["http"]], capture_output=True, text=True)
        beside = finish(phones)
        rate = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("Requests/sec:")]
        if not rate or "Non-2xx" in run.stdout:
            sys.exit("wrk: %s%s" % (run.stdout, run.stderr))
        figures.add("REST lookups a second beside 10,000 registrations a second", float(rate[0]),
                    "%.0f registrations/s were held" % beside["per_second"])
        figures.add("registration p99 beside REST lookups", beside["p99_ms"])
    finally:
        server.stop()


def tcp(options, figures):
    """Ten thousand connections: memory of one that has registered and is idle, CPU of a refresh."""
    count = min(10000, options.connections)
    server = Rollcall(options, name="store-tcp", users=count)
    try:
        udp = [load(options, server, REFRESH, "udp", count) for _ in range(options.repeats)]
        fill_tables(options, server, count)
        before, registered = server.status("RssAnon"), server.registrations()
        arguments = REFRESH + ["--transport", "tcp", "--connections", str(count)]
        idle = start(options, server, arguments + ["--rate", "50"], "idle", count, 4)
        server.until(lambda: server.registrations() >= registered + count)  # each has sent and received
        figures.add("memory an idle TCP connection", (server.status("RssAnon") - before) / count,
                    "%d connections" % count)
        finish(idle)
        runs = [load(options, server, arguments, "tcp", count) for _ in range(options.repeats)]
        figures.add("CPU a refresh, 10,000 TCP connections / UDP",
                    median(runs, "server_cpu_us") / median(udp, "server_cpu_us"), "%d connections" % count)
    finally:
        server.stop()


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
    """kill -9, then start it again: the store's files in memory, or not."""
    for kind in ("warm", "cold"):
        server.stop(signal.SIGKILL)
        if kind == "cold":
            for path in server.folder.iterdir():
                if path.is_file():
                    forget(path)
        begin = time.monotonic()
        server = Rollcall(options, name=server.folder.name, keep=True)
        figures.add("restart to the first 200, " + kind, server.first_200(begin), note)
    return server


def forget(path):
    """Out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def fill_tables(options, server, users):
    """What is fixed at start (transactions, nonces, attempts) takes memory as it fills: that is not the slope."""
    while server.registrations() < 200000:
        load(options, server, REFRESH, "tables", users)


def scale(options, figures):
    """The same refresh with more and more users; memory by the slope, import, restart."""
    costs, memory = {}, {}
    steps = [10000, 100000] + ([500000, 1000000] if options.all else [])
    largest = min(max(steps), options.most_users)
    for users in sorted({min(users, largest) for users in steps}):
        say("scale: %d users" % users)
        server = Rollcall(options, name="store-scale", users=0)
        try:
            held = server.status("RssAnon")
            seconds = server.provision(users)
            if users == largest:
                note = "" if users == 1000000 else "%d users" % users
                figures.add("import of 1,000,000 users", seconds, note)
                figures.add("memory grown by an import of 1,000,000 users",
                            (server.status("RssAnon") - held) / 2**20, note)
            register_all(options, server, users)
            fill_tables(options, server, users)
            memory[users] = server.status("RssAnon")
            costs[users] = [load(options, server, REFRESH, "%d users" % users, users) for _ in range(options.repeats)]
            if users == largest:
                note = "%d bindings" % users
                pages(options, server, figures)
                server = restart(options, server, figures, note)
        finally:
            server.stop()
    conclude(options, figures, costs, memory)
    return {str(users): runs for users, runs in costs.items()}


def conclude(options, figures, costs, memory):
    least, most = min(costs), max(costs)
    if most == least:
        return
    figures.add("CPU a refresh at 1,000,000 users / at 10,000",
                median(costs[most], "server_cpu_us") / median(costs[least], "server_cpu_us"), "%d / %d" % (most, least))
    low = 100000 if 100000 in memory and most > 100000 else least
    figures.add("private memory a binding", (memory[most] - memory[low]) / (most - low), "%d to %d" % (low, most))
    if 500000 in costs and shutil.which("kamailio"):
        peer = Kamailio(options)
        try:
            register_all(options, peer, 500000)
            theirs = [load(options, peer, REFRESH, "kamailio, 500000", 500000) for _ in range(options.repeats)]
        finally:
            peer.stop()
        figures.add("CPU a refresh at 500,000 users / Kamailio with as many",
                    median(costs[500000], "server_cpu_us") / median(theirs, "server_cpu_us"))


ALL = {"disk": disk, "rest": rest, "tcp": tcp, "scale": scale}
