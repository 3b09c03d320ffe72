# SPDX-License-Identifier: Apache-2.0
"""podman, as the tests of the image and of the chart call it."""
import json
import subprocess

IMAGE = "localhost/rollcall:test"
PATIENCE = 60.0


def podman(*arguments, check=True, input=None):
    """The CompletedProcess of one command, with text."""
    result = subprocess.run(["podman"] + list(arguments), capture_output=True, text=True, input=input,
                            timeout=4 * PATIENCE, errors="replace")
    assert not check or result.returncode == 0, "podman %s: %s%s" % (
        " ".join(arguments), result.stdout, result.stderr)
    return result


def inspect(kind, name):
    found = json.loads(podman(kind, "inspect", name).stdout)
    return found[0] if isinstance(found, list) else found  # of pods podman 4 gives no list


def state(name):
    return inspect("container", name)["State"]


def log(name):
    result = podman("logs", name, check=False)
    return result.stdout + result.stderr


def alive(name):
    """True, or an AssertionError with its log when the container has ended."""
    assert state(name)["Running"], "%s ended with %s:\n%s" % (name, state(name)["ExitCode"], log(name))
    return True
