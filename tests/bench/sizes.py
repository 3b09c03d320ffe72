# SPDX-License-Identifier: Apache-2.0
"""The disk, readers over REST, connections."""
import shutil
import subprocess
import sys
import time

from measure import Phones, alternate, fill_tables, finish, load, median, ratio, register_all, start
from postgres import write_through
from scale import peer, scale, start_alone
from servers import FOLDER, TOKEN, Echo, Rollcall

LOOKUP = """
wrk.headers["Authorization"] = "Bearer %s"
request = function()
    return wrk.format("GET", string.format("/v1/domains/example.com/users/u%%06d/bindings", math.random(0, %d)))
end
"""
REFRESH = ["--mode", "refresh", "--window", "256"]


def disk(options, figures):
    """Bytes written a refresh, and by how much the file grows over what the users alone take: with one record a binding,
    then in steady state, where each phone has come three times more. The events of the bindings are counted."""
    # Of fewer most would have been refreshed when the generator stops, and have two records where one is meant.
    users = options.users if options.users_given else 1000000 if options.all else 100000
    note = "" if users == 1000000 else "%d users" % users
    server = Rollcall(options, name="store-disk", users=users)
    try:
        fresh_from = server.file_bytes()
        register_all(options, server, users)
        figures.add("file bytes a binding, fresh", (server.file_bytes() - fresh_from) / users, note)
        written, registered = server.disk_written(), server.registrations()
        load(options, server, REFRESH + ["--rounds", "3"], "disk", users, 4 * options.seconds)
        figures.add("disk bytes written a refresh, 256 in flight",
                    (server.disk_written() - written) / (server.registrations() - registered))
        figures.add("file bytes a binding, steady", (server.file_bytes() - fresh_from) / users, note)
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
    """Ten thousand connections: memory of one that has registered and is idle, CPU of a refresh; and beside both what
    the kernel alone costs, by a bare echo."""
    count = min(10000, options.connections)
    over_tcp = REFRESH + ["--transport", "tcp", "--connections", str(count)]
    server, echo, phones = Rollcall(options, name="store-tcp", users=count), Echo(options), []
    try:
        phones.append(Phones(options, server, REFRESH, "udp", count))
        fill_tables(server, phones[0])
        before = server.status("RssAnon")
        phones.append(Phones(options, server, over_tcp, "tcp", count))
        figures.add("memory an idle TCP connection", (server.status("RssAnon") - before) / count,
                    "%d connections" % count)
        echo.until(echo.answers)
        phones += [Phones(options, echo, arguments + ["--echo"], "echo", count) for arguments in (REFRESH, over_tcp)]
        udp, streams, echo_udp, echo_tcp = alternate(options, *phones)
        figures.add("CPU a refresh, 10,000 TCP connections / UDP", ratio(streams, udp),
                    "%d connections; the kernel alone: %.1f us, UDP %.1f us" % (
                        count, median(echo_tcp, "server_cpu_us"), median(echo_udp, "server_cpu_us")))
        return {"udp": udp, "tcp": streams, "echo udp": echo_udp, "echo tcp": echo_tcp}
    finally:
        for one in phones + [server, echo]:
            one.stop()


# In the order of the table; what is in LONG takes minutes and is part of --all only, or chosen by name.
ALL = {"disk": disk, "rest": rest, "tcp": tcp, "scale": scale, "peer": peer, "postgres": write_through,
       "restart": start_alone}
LONG = ("peer", "postgres")
ALONE = ("restart",)  # a part of another, for itself
