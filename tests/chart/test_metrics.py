# SPDX-License-Identifier: Apache-2.0
"""What /metrics says, as Prometheus' own linter reads it."""
import subprocess
import sys

from chart import SOURCE, tool

sys.path.insert(0, str(SOURCE / "tests" / "integration"))
from server import Rollcall  # noqa: E402
from sip import Phone  # noqa: E402


def test_promtool_finds_nothing_in_the_metrics(tmp_path):
    server = Rollcall(tmp_path).start()
    try:
        server.api.add_user("alice")
        for password in ("secret", "wrong"):
            phone = Phone(server.udp, "alice", password)
            phone.register()
            phone.close()
        metrics = server.api.get("/metrics").body
    finally:
        server.terminate()
    result = subprocess.run([tool("promtool"), "check", "metrics"], input=metrics, capture_output=True)
    assert result.returncode == 0 and not result.stderr, (result.stdout + result.stderr).decode()
