#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command and option that the binary has is in its manual page, completion and docs; the
pages are troff that groff takes without a warning."""
import pathlib
import re
import subprocess
import sys

MANUAL = pathlib.Path("packaging/man/rollcall.1")
COMPLETION = pathlib.Path("packaging/rollcall.completion")
OPERATING = pathlib.Path("docs/operating.md")


def said_by_help():
    text = subprocess.run(["build/rollcall", "--help"], check=True, capture_output=True, text=True).stdout
    commands = re.findall(r"^  ([a-z][\w-]+) ", text, re.MULTILINE)
    return commands, re.findall(r"^  (--[\w-]+)", text, re.MULTILINE)


def main():
    problems = []
    commands, options = said_by_help()
    if len(commands) < 7 or len(options) < 3:
        print("the help text cannot be read any more")
        return 1
    page = MANUAL.read_text().replace("\\-", "-")
    completion, operating = COMPLETION.read_text(), OPERATING.read_text()
    for command in commands:
        if not re.search(r'^\.(B %s|BI %s ".*")$' % (command, command), page, re.MULTILINE):
            problems.append("%s: no entry for %s" % (MANUAL, command))
        if not re.search(r"\b%s\b" % command, completion):
            problems.append("%s: %s is missing" % (COMPLETION, command))
        if "| `rollcall %s" % command not in operating:
            problems.append("%s: the table of commands lacks %s" % (OPERATING, command))
    for option in options:
        for name, text in ((MANUAL, page), (COMPLETION, completion)):
            if option not in text:
                problems.append("%s: %s is missing" % (name, option))
    for path in sorted(MANUAL.parent.glob("rollcall*.[1-9]")):
        groff = subprocess.run(["groff", "-man", "-ww", "-z", str(path)], capture_output=True, text=True)
        if groff.returncode or groff.stderr:
            problems.append("%s: %s" % (path, groff.stderr))
    result = subprocess.run(["bash", "-n", str(COMPLETION)], capture_output=True, text=True)
    problems += [result.stderr] if result.returncode else []
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
