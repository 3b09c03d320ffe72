#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The alerts and the dashboard ask for metrics that there are, by labels that those have; the docs
say of every metric what it tells and of every alert what to do; the chart's copies are the docs'."""
import json
import pathlib
import re
import sys

import yaml

HEADER = pathlib.Path("base/metrics.h")
ALERTS = pathlib.Path("docs/alerts.yaml")
DASHBOARD = pathlib.Path("docs/grafana-dashboard.json")
OPERATING = pathlib.Path("docs/operating.md")
CHART = pathlib.Path("helm/rollcall/files")
# Labels that Prometheus puts on everything it scrapes.
SCRAPED = {"job", "instance", "le"}


def families():
    """Metric name -> its labels, the names of a histogram's series included."""
    text = HEADER.read_text().replace("\\\n", " ")
    found = {name: set(filter(None, labels.split(",")))
             for name, labels in re.findall(r'X\(\w+,\s*"(rollcall_\w+)",\s*METRIC_\w+,\s*"([^"]*)"', text)}
    histograms = re.findall(r'X\(\w+,\s*"(rollcall_\w+)",\s*"[^"]*"\)', text)
    return found, histograms


def problems_of(expression, where, known):
    for name in re.findall(r"\brollcall_\w+", expression):
        if name not in known:
            yield "%s: there is no metric %s" % (where, name)
    for name, labels in re.findall(r"\b(rollcall_\w+)\{([^}]*)\}", expression):
        for label in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', labels):
            if label not in known.get(name, set()) | SCRAPED:
                yield "%s: %s has no label %s" % (where, name, label)


def main():
    counters, histograms = families()
    if len(counters) < 20 or len(histograms) < 3:
        print("the tables in %s cannot be read any more" % HEADER)
        return 1
    known = dict(counters)
    known.update({h + suffix: {"le"} for h in histograms for suffix in ("_bucket", "_sum", "_count")})
    problems, operating = [], OPERATING.read_text()
    dashboard = json.loads(DASHBOARD.read_text())
    shown = ""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            problems += problems_of(target["expr"], "%s, %s" % (DASHBOARD, panel["title"]), known)
            shown += target["expr"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            problems += problems_of(rule["expr"], "%s, %s" % (ALERTS, rule["alert"]), known)
            if "| `%s` |" % rule["alert"] not in operating:
                problems.append("%s: nothing about the alert %s" % (OPERATING, rule["alert"]))
    for name in list(counters) + histograms:
        if "| `%s` |" % name not in operating:
            problems.append("%s: nothing about the metric %s" % (OPERATING, name))
        if name not in shown:
            problems.append("%s: %s is on no panel" % (DASHBOARD, name))
    for path in (ALERTS, DASHBOARD):
        if (CHART / path.name).read_bytes() != path.read_bytes():
            problems.append("%s is not a copy of %s" % (CHART / path.name, path))
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
