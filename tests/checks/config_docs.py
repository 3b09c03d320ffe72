#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is written about the configuration is what the binary's table of keys says.

docs/rollcall.yaml has every key with its default and its mark of SIGHUP, and the binary takes it;
docs/operating.md and rollcall.yaml(5) show the table, and the chart's schema knows its keys (made anew
with --write).
"""
import json
import pathlib
import re
import subprocess
import sys

import yaml

BINARY = "build/rollcall"
EXAMPLE = pathlib.Path("docs/rollcall.yaml")
OPERATING = pathlib.Path("docs/operating.md")
MANUAL = pathlib.Path("packaging/man/rollcall.yaml.5")
SCHEMA = pathlib.Path("helm/rollcall/values.schema.json")
# What the chart decides by itself, and what does not belong into a ConfigMap.
NOT_IN_CHART = {"sip.listen", "api.listen", "api.admin_token", "api.read_token", "store.url", "auth.secret"}
MADE = "made by tests/checks/config_docs.py --write"


def table():
    """(markdown, [(key, has a _file form, default or None, reload, meaning)])"""
    text = subprocess.run([BINARY, "--config-reference"], check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^\| `([\w.]+)`( \(`_file`\))? \| (.*?) \| (yes|no) \| (.*) \|$", text, re.MULTILINE)
    return text, [(key, bool(file), default, reload == "yes", meaning)
                  for key, file, default, reload, meaning in rows]


def troff(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def manual(rows):
    lines, section = [], None
    for key, file, default, reload, meaning in rows:
        if key.split(".")[0] != section:
            section = key.split(".")[0]
            lines.append(".SS %s" % section)
        notes = ["default %s" % default] + ["has a _file form"] * file + ["reload"] * reload
        lines += [".TP", ".B %s" % troff(key), "%s (%s)." % (
            troff(meaning[0].upper() + meaning[1:]), troff("; ".join(notes)))]
    return "\n".join(lines) + "\n"


def place(path, begin, end, wanted, write):
    """Holds what stands between two lines; the problems."""
    text = path.read_text()
    first, last = text.find(begin), text.find(end)
    if first < 0 or last < first:
        return ["%s has no place for the keys: %s ... %s" % (path, begin, end)]
    new = text[:first] + begin + "\n" + wanted + text[last:]
    if write:
        path.write_text(new)
    elif new != text:
        return ["%s is not what the binary says of its keys: %s" % (path, MADE)]
    return []


def comments(keys):
    """Key -> the comment above it, for keys that are set and for those in a comment."""
    found, section, block, open_ = {}, "", "", False
    for line in EXAMPLE.read_text().splitlines():
        header = re.match(r"(\w+):$", line)
        entry = re.match(r"  (# )?(\w+?)(_file)?:( |$)", line)
        if header:
            section, block, open_ = header.group(1), "", False
        elif entry and "%s.%s" % (section, entry.group(2)) in keys:
            found["%s.%s" % (section, entry.group(2))] = block
            open_ = False
        elif re.match(r"  #", line):
            block = block + line if open_ else line
            open_ = True
    return found


def spoken(value):
    """A value of the example as the table shows defaults."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def example(rows):
    problems = []
    data = yaml.safe_load(EXAMPLE.read_text())
    above = comments({key for key, *_ in rows})
    for key, file, default, reload, _ in rows:
        section, name = key.split(".")
        value = data.get(section, {}).get(name)
        if key not in above:
            problems.append("%s: %s is missing" % (EXAMPLE, key))
        elif value is None and default != "none":
            problems.append("%s: %s should be set to %s" % (EXAMPLE, key, default))
        elif value is not None and spoken(value) != default:
            problems.append("%s: %s is %s, the default is %s" % (EXAMPLE, key, spoken(value), default))
        elif ("[reload]" in above[key]) != reload:
            problems.append("%s: %s is%s read again at SIGHUP" % (EXAMPLE, key, "" if reload else " not"))
        if file and "# %s_file:" % name not in EXAMPLE.read_text():
            problems.append("%s: %s_file is not shown" % (EXAMPLE, key))
    result = subprocess.run([BINARY, "check-config", "--config", str(EXAMPLE)], capture_output=True, text=True)
    if result.returncode or result.stderr:
        problems.append("check-config of %s: %s" % (EXAMPLE, result.stderr or result.returncode))
    return problems


def schema(rows, write):
    """The keys that the chart takes under config: are the table's."""
    data = json.loads(SCHEMA.read_text())
    sections = {}
    for key, _, default, _, meaning in rows:
        section, name = key.split(".")
        known = sections.setdefault(section, {"type": "object", "properties": {}, "additionalProperties": False})
        if key in NOT_IN_CHART:
            continue
        known["properties"][name] = {"type": ["string", "integer", "boolean", "array"],
                                     "description": "%s; default %s" % (meaning, default)}
    config = data["properties"]["config"]
    if config["properties"] == sections:
        return []
    config["properties"] = sections
    if not write:
        return ["%s does not know the binary's keys: %s" % (SCHEMA, MADE)]
    SCHEMA.write_text(json.dumps(data, indent=2) + "\n")
    return []


def main():
    markdown, rows = table()
    if len(rows) < 10 or len(rows) != markdown.count("\n| `"):
        print("the table of %s --config-reference cannot be read any more" % BINARY)
        return 1
    write = "--write" in sys.argv[1:]
    problems = example(rows)
    problems += place(OPERATING, "<!-- keys: %s -->" % MADE, "<!-- end of keys -->", markdown, write)
    problems += place(MANUAL, '.\\" keys: %s' % MADE, '.\\" end of keys', manual(rows), write)
    problems += schema(rows, write)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
