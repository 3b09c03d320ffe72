#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU and latency by load, as two SVG files, from the JSON of ./dev bench.

usage: plot.py [build/bench.json [FOLDER]]
"""
import json
import math
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 60, 48, 36, 110
COLOURS = {"rollcall": "#1a6fb0", "kamailio": "#c2571a", "echo": "#6a6a6a"}
PLOTS = [("cpu.svg", "CPU of the server for one refresh, µs", [("server_cpu_us", "")]),
         ("latency.svg", "latency of a refresh, ms", [("p50_ms", " p50"), ("p99_ms", " p99")])]


def series(report):
    """{server: {rate: runs}} of the paced refreshes."""
    found = {}
    for name, by_server in report["loops"].items():
        if not re.fullmatch(r"refresh, paced \d+/s", name):
            continue
        for who, runs in by_server.items():
            rate = statistics.median(run["per_second"] for run in runs)
            found.setdefault(who, {})[rate] = runs
    return found


def ticks(low, high):
    """Decades and their doubles and fives."""
    return [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]


class Scale:
    def __init__(self, values, begin, end):
        self.low, self.high = min(values) / 1.2, max(values) * 1.2
        self.begin, self.end = begin, end

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def draw(title, lines):
    """lines: [(label, colour, dashed, [(x, y)])], both axes logarithmic."""
    x = Scale([p[0] for line in lines for p in line[3]], LEFT, WIDTH - RIGHT)
    y = Scale([p[1] for line in lines for p in line[3]], HEIGHT - BOTTOM, TOP)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">'
           % (WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="%d" y="20" font-size="14">%s</text>' % (LEFT, title)]
    for value in ticks(x.low, x.high):
        out.append('<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (
            x.at(value), TOP, HEIGHT - BOTTOM, x.at(value), HEIGHT - BOTTOM + 16, value))
    for value in ticks(y.low, y.high):
        out.append('<path d="M%d %.1f H%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>' % (
            LEFT, y.at(value), WIDTH - RIGHT, LEFT - 6, y.at(value) + 4, value))
    out.append('<text x="%d" y="%d" text-anchor="middle">registrations a second</text>' % (
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10))
    for label, colour, dashed, points in lines:
        path = " ".join("%s%.1f %.1f" % ("L" if i else "M", x.at(a), y.at(b)) for i, (a, b) in enumerate(points))
        out.append('<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (
            path, colour, ' stroke-dasharray="5 4"' if dashed else ""))
    lowest = HEIGHT
    for label, colour, _, points in sorted(lines, key=lambda line: -y.at(line[3][-1][1])):
        lowest = min(lowest - 14, y.at(points[-1][1]) + 4)  # from below, and none over another
        out.append('<text x="%.1f" y="%.1f" fill="%s">%s</text>' % (x.at(points[-1][0]) + 6, lowest, colour, label))
    return "\n".join(out + ["</svg>"]) + "\n"


def plot(report, folder):
    """Writes the plots that the report has points for; their paths."""
    written = []
    for file, title, keys in PLOTS:
        lines = []
        for who, by_rate in series(report).items():
            for key, suffix in keys:
                points = [(rate, statistics.median(run[key] for run in runs)) for rate, runs in sorted(by_rate.items())]
                points = [p for p in points if p[0] > 0 and p[1] > 0]
                if len(points) > 1:
                    lines.append((who + suffix, COLOURS[who], suffix == " p99", points))
        if lines:
            path = pathlib.Path(folder) / file
            path.write_text(draw(title, lines))
            written.append(path)
    return written


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/bench.json"
    for written_path in plot(json.loads(source.read_text()), sys.argv[2] if len(sys.argv) > 2 else source.parent):
        print(written_path)
