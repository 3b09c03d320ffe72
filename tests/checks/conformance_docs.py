#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md names tests that exist, every test that is named after a section of a SIP RFC, and every
difference that tests/peers/differences.yaml has. With --write the table of differences is made anew."""
import pathlib
import re
import sys

import yaml

DOCUMENT = pathlib.Path("docs/conformance.md")
BEGIN = "<!-- differences: made by tests/checks/conformance_docs.py --write -->\n"
END = "<!-- end of differences -->"
TESTS = ("tests/integration", "tests/peers")
# What openapi.yaml is the contract for.
HTTP = ("test_rfc6750_", "test_rfc7396_", "test_rfc9110_", "test_rfc9112_", "test_rfc9457_")


def functions():
    found = set()
    for folder in TESTS:
        for path in pathlib.Path(folder).glob("test_*.py"):
            found |= set(re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE))
    return found


def table(differences):
    def cell(text):
        return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    lines = ["| what | rollcall | Kamailio | section | why |", "|---|---|---|---|---|"]
    lines += ["| `%s` | %s | %s | %s | %s |" % ((name,) + tuple(
        cell(row[key]) for key in ("rollcall", "kamailio", "section", "why")))
              for name, row in differences.items()]
    return "\n".join(lines) + "\n"


def main():
    text = DOCUMENT.read_text()
    differences = yaml.safe_load(pathlib.Path("tests/peers/differences.yaml").read_text())
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    problems = []
    if "--write" in sys.argv[1:]:
        text = text[:begin] + table(differences) + text[end:]
        DOCUMENT.write_text(text)
    elif text[begin:end] != table(differences):
        problems.append("the table of differences is not differences.yaml: tests/checks/conformance_docs.py --write")
    named, there = set(re.findall(r"`(test_\w+)`", text)), functions()
    problems += ["no such test: " + name for name in sorted(named - there)]
    problems += ["named after a section and not in %s: %s" % (DOCUMENT, name)
                 for name in sorted(there - named) if name.startswith("test_rfc") and not name.startswith(HTTP)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
