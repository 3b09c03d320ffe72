#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what the tiers of ./dev test left in a folder; its last line is the verdict.

A JUnit file of ctest is a suite of executables: the cmocka cases in each one's output are counted.
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+)$", re.MULTILINE)
CMOCKA_WORD = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}

Result = collections.namedtuple("Result", "state name reason")


def from_case(case):
    """The results of one <testcase>: several for a cmocka executable."""
    name = case.get("name", "?")
    module = case.get("classname", "")
    if module and module != name:
        name = module.split(".")[-1] + "::" + name
    skipped = case.find("skipped")
    failed = case.find("failure") is not None or case.find("error") is not None
    output = case.findtext("system-out") or ""
    # cmocka repeats the failed ones in a list at its end.
    cases = dict((what, CMOCKA_WORD[word]) for word, what in CMOCKA.findall(output))
    if cases:
        results = [Result(state, name + "::" + what, "cmocka skip()" if state == "skipped" else "")
                   for what, state in cases.items()]
        if failed and "failed" not in cases.values():
            results.append(Result("failed", name, "ended before its last test"))
        return results
    if skipped is not None:
        return [Result("skipped", name, skipped.get("message") or "no reason given")]
    return [Result("failed" if failed else "passed", name, "")]


def from_tier(folder):
    results = []
    for path in sorted(folder.glob("*.xml")):
        try:
            for case in ElementTree.parse(path).iter("testcase"):
                results += from_case(case)
        except ElementTree.ParseError as error:
            results.append(Result("failed", path.name, "unreadable: %s" % error))
    verdicts = folder / "verdicts.tsv"
    if verdicts.exists():
        for line in verdicts.read_text().splitlines():
            results.append(Result(*(line.split("\t") + ["", ""])[:3]))
    code = (folder / "code").read_text().strip() if (folder / "code").exists() else "?"
    if code != "0" and not any(r.state == "failed" for r in results):
        results.append(Result("failed", "the tier as a whole", "ended with code " + code))
    elif not results:
        results.append(Result("passed", "the tier as a whole", ""))
    return results


def main():
    count = collections.Counter()
    for folder in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_dir()):
        for result in from_tier(folder):
            count[result.state] += 1
            if result.state != "passed":
                reason = ": " + " ".join(result.reason.split()) if result.reason else ""
                print("%s %s/%s%s" % (result.state, folder.name, result.name, reason))
    line = "%d passed, %d failed" % (count["passed"], count["failed"])
    if count["skipped"]:
        line += ", %d skipped" % count["skipped"]
    print(line)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
