#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages show holds: links lead somewhere, YAML of rollcall's is taken by check-config, and
values of the chart that are named are values of the chart."""
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

PAGES = [pathlib.Path(name) for name in ("README.md", "CONTRIBUTING.md")] + sorted(pathlib.Path("docs").glob("*.md"))
VALUES = pathlib.Path("helm/rollcall/values.yaml")


def links(page, text):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not (page.parent / target).exists():
            yield "%s: %s is not there" % (page, target)


def configurations(page, text):
    """YAML blocks whose sections are all ours."""
    sections = set(yaml.safe_load(pathlib.Path("docs/rollcall.yaml").read_text()))
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        data = yaml.safe_load(block)
        if not isinstance(data, dict) or not set(data) <= sections:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            result = subprocess.run(["build/rollcall", "check-config", "--config", file.name],
                                    capture_output=True, text=True, env={})
        if result.returncode:
            yield "%s: %s" % (page, result.stderr.replace(file.name, "its YAML"))


def values(page, text):
    """`sip.service.type` and --set sip.service.type=...: names below a top-level value of the chart."""
    known = yaml.safe_load(VALUES.read_text())
    own = set(known) - {"sip", "api", "auth"} | {"sip.service", "sip.hostNetwork", "auth.existingSecret"}
    for name in re.findall(r"(?:`|--set )'?([a-z]\w*(?:\.[A-Za-z]\w*)+)", text):
        if not any(name == one or name.startswith(one + ".") for one in own):
            continue
        at = known
        for part in name.split("."):
            if isinstance(at, dict) and not at:
                break
            if not isinstance(at, dict) or part not in at:
                yield "%s: the chart has no value %s" % (page, name)
                break
            at = at[part]


def main():
    problems = []
    for page in PAGES:
        text = page.read_text()
        problems += list(links(page, text)) + list(configurations(page, text))
        if page.name == "kubernetes.md":
            problems += values(page, text)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
