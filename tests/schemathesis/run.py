#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs schemathesis against a rollcall of its own; the arguments go to `schemathesis run`. It is in its
deterministic mode: the same requests each time, so that it fails for what has changed, not by chance."""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path.insert(0, str(SOURCE / "tests" / "integration"))
from server import ADMIN, Rollcall  # noqa: E402

TOOL = os.environ.get("SCHEMATHESIS", str(SOURCE / "build" / "venv" / "bin" / "schemathesis"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Rollcall(folder).start()
        try:
            server.api.add_user("1008")
            environment = dict(os.environ, ROLLCALL_TOKEN=ADMIN, SCHEMATHESIS_HOOKS="hooks",
                               PYTHONPATH=str(HERE), PYTHONHASHSEED="0")
            return subprocess.run(
                [TOOL, "--config-file", str(HERE / "schemathesis.toml"), "run",
                 "http://%s:%d/openapi.yaml" % server.http, "-n", "100"] + sys.argv[1:],
                env=environment, cwd=folder).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
