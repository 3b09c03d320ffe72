#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""VERSION is the one source; the binary, the chart, openapi.yaml and the changelog agree.

With --release the changelog must have a section of this version with a date (tools/release-check.sh).
"""
import pathlib
import re
import subprocess
import sys

import yaml

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$")


def order(version):
    """As a key to sort by; a pre-release comes before its release."""
    match = SEMVER.match(version)
    return tuple(map(int, match.groups()[:3])) + (match.group(4) is None, match.group(4) or "")


def changelog(version, release):
    text = pathlib.Path("CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[([^\]]+)\](?: - (\S+))?$", text, re.MULTILINE)
    released = [name for name, _ in sections if name != "Unreleased"]
    for name, date in sections:
        if name != "Unreleased" and not (SEMVER.match(name) and re.fullmatch(r"\d{4}-\d\d-\d\d", date or "")):
            yield "CHANGELOG.md: '%s' is no version with a date" % name
            return
    if released != sorted(released, key=order, reverse=True):
        yield "CHANGELOG.md: the newest version comes first"
    if release and (not released or released[0] != version):
        yield "CHANGELOG.md: no section [%s] with a date" % version
    if released and order(version) < order(released[0]):
        yield "VERSION %s is older than the changelog's %s" % (version, released[0])
    if (not released or released[0] != version) and not any(name == "Unreleased" for name, _ in sections):
        yield "CHANGELOG.md: no section [Unreleased] for %s" % version


def main():
    version = pathlib.Path("VERSION").read_text().strip()
    if not SEMVER.match(version):
        print("VERSION: %r is no semantic version" % version)
        return 1
    said = subprocess.run(["build/rollcall", "--version"], check=True, capture_output=True, text=True).stdout
    chart = yaml.safe_load(pathlib.Path("helm/rollcall/Chart.yaml").read_text())
    contract = yaml.safe_load(pathlib.Path("openapi.yaml").read_text())
    found = {"build/rollcall --version": said.removeprefix("rollcall ").strip(),
             "helm/rollcall/Chart.yaml: version": chart["version"],
             "helm/rollcall/Chart.yaml: appVersion": chart["appVersion"],
             "openapi.yaml: info.version": str(contract["info"]["version"])}
    problems = ["%s is %s, VERSION says %s" % (where, is_, version) for where, is_ in found.items()
                if is_ != version]
    problems += changelog(version, "--release" in sys.argv[1:])
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
