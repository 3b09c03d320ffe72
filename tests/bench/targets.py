# SPDX-License-Identifier: Apache-2.0
"""What is asked of each quantity, and the table that says how it was met."""

LEAST, MOST = "least", "most"

# quantity: (unit, is it the least or the most that may be, must, goal)
TARGETS = {
    "CPU a refresh, 256 in flight / Kamailio in memory": ("x", MOST, 1.0, 0.75),
    "CPU a challenge and registration, 256 in flight / Kamailio in memory": ("x", MOST, 1.0, 0.7),
    "CPU a refresh at 500,000 users / Kamailio with as many": ("x", MOST, 0.8, 0.6),
    "CPU a refresh, 256 in flight / a bare UDP echo": ("x", MOST, 4, 2.9),
    "refreshes a second, 256 in flight / Kamailio in memory": ("x", LEAST, 0.8, 1.2),
    "CPU a refresh / Kamailio write-through on PostgreSQL": ("x", MOST, 1 / 30, 1 / 60),
    "CPU a refresh at 1,000,000 users / at 10,000": ("x", MOST, 1.5, 1.25),
    "CPU a refresh at 10,000,000 users / at 10,000": ("x", MOST, 2, 1.4),
    "CPU a refresh, each minute of an hour / one class": ("x", MOST, 1.7, 1.4),
    "CPU a refresh, expires jittered / one class": ("x", MOST, 1.7, 1.4),
    "CPU a refresh, three expiry classes / one class": ("x", MOST, 1.7, 1.4),
    "CPU a refresh, two contacts an AoR / one": ("x", MOST, 1.7, 1.4),
    "private memory a binding": ("B", MOST, 200, 100),
    "disk bytes written a refresh, 256 in flight": ("B", MOST, 2500, 1200),
    "file bytes a binding, fresh": ("B", MOST, 450, 350),
    "file bytes a binding, steady": ("B", MOST, 900, 700),
    "p99 at half of the own maximum": ("ms", MOST, 15, 7),
    "p50 at 1,000 refreshes a second": ("ms", MOST, 1.5, 0.8),
    "REST lookups a second beside 10,000 registrations a second": ("/s", LEAST, 20000, 45000),
    "registration p99 beside REST lookups": ("ms", MOST, 15, 10),
    "a page of 1,000 bindings over REST": ("ms", MOST, 5, 2),
    "registration p99 during a walk over all bindings": ("ms", MOST, 15, 10),
    "registration p99 during an import": ("ms", MOST, 15, 10),
    "restart to the first 200, warm": ("s", MOST, 1, 0.4),
    "restart to the first 200, cold": ("s", MOST, 4, 1.5),
    "import of 1,000,000 users": ("s", MOST, 60, 20),
    "memory grown by an import of 1,000,000 users": ("MiB", MOST, 512, 256),
    "CPU a refresh, 10,000 TCP connections / UDP": ("x", MOST, 1.5, 1.2),
    "memory an idle TCP connection": ("B", MOST, 8192, 4096),
}


class Figures:
    """What was measured, by quantity; with what it was measured on, where that is not the full size."""

    def __init__(self):
        self.rows = []
        self.skipped = []

    def add(self, quantity, value, note=""):
        unit, direction, must, goal = TARGETS[quantity]
        self.rows.append({"quantity": quantity, "value": value, "unit": unit, "must": must, "goal": goal,
                          "verdict": verdict(direction, value, must, goal), "note": note})

    def skip(self, what, reason):
        self.skipped.append("%s: %s" % (what, reason))

    def print(self):
        print("\n%-72s %12s %12s %12s  %s" % ("quantity", "measured", "must", "goal", ""))
        for row in self.rows:
            print("%-72s %12s %12s %12s  %s%s" % (
                row["quantity"], number(row["value"], row["unit"]), number(row["must"], row["unit"]),
                number(row["goal"], row["unit"]), row["verdict"], " (%s)" % row["note"] if row["note"] else ""))
        for line in self.skipped:
            print("skipped: " + line)


def verdict(direction, value, must, goal):
    sign = 1 if direction == MOST else -1
    if sign * value <= sign * goal:
        return "goal"
    return "must" if sign * value <= sign * must else "MISSED"


def number(value, unit):
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return "%.*f %s" % (digits, value, unit)
