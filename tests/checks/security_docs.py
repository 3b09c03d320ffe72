#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/security.md and docs/reliability.md name tests and files that exist."""
import pathlib
import re
import sys

DOCUMENTS = ("docs/security.md", "docs/reliability.md")


def tests():
    found = set()
    for path in pathlib.Path("tests").rglob("test_*"):
        if path.suffix not in (".c", ".py"):
            continue
        text = path.read_text()
        found |= set(re.findall(r"^def test_(\w+)\(", text, re.MULTILINE))
        found |= set(re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.MULTILINE))
    return found


def main():
    there, problems = tests(), []
    for document in DOCUMENTS:
        for row in pathlib.Path(document).read_text().splitlines():
            if not row.startswith("|"):
                continue
            shown = row.rstrip("| ").rpartition("|")[2]
            for name in re.findall(r"`([\w/.-]+)`", shown):
                good = pathlib.Path(name).exists() if "/" in name else name in there
                if not good and ("/" in name or name.count("_") > 2):
                    problems.append("%s: there is no %s" % (document, name))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
