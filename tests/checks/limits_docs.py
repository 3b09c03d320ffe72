#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/operating.md shows every limit of base/limits.h, between two markers.

With --write the table there is made anew.
"""
import pathlib
import re
import sys

DOCUMENT = pathlib.Path("docs/operating.md")
BEGIN, END = "<!-- limits: made by tests/checks/limits_docs.py --write -->", "<!-- end of limits -->"


def rows():
    text = pathlib.Path("base/limits.h").read_text().replace("\\\n", " ")
    string = r'"((?:[^"\\]|\\.)*)"'
    return re.findall(r"X\(\w+,\s*%s,\s*%s,\s*%s,\s*%s\)" % ((string,) * 4), text)


def table():
    lines = ["| limit | default | when it is reached | what it bounds |", "|---|---|---|---|"]
    lines += ["| `%s` | %s | %s | %s |" % row for row in rows()]
    return "\n".join(lines)


def main():
    if len(rows()) < 10:
        print("the table in base/limits.h cannot be read any more")
        return 1
    text = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        print("%s has no place for the limits: %s ... %s" % (DOCUMENT, BEGIN, END))
        return 1
    wanted = "%s\n%s\n" % (BEGIN, table())
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(text[:begin] + wanted + text[end:])
    elif text[begin:end] != wanted:
        print("%s is not what base/limits.h says: tests/checks/limits_docs.py --write" % DOCUMENT)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
