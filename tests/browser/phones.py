# SPDX-License-Identifier: Apache-2.0
"""Phones for the browser tests: a command a line in, as JSON; the SIP status a line out."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from sip import Phone  # noqa: E402


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    phones = {}
    for line in sys.stdin:
        command = json.loads(line)
        key = (command["user"], command.get("agent"), command.get("password"))
        if key not in phones:
            phones[key] = Phone((host, port), command["user"], command.get("password", "secret"),
                                transport=command.get("transport", "udp"), user_agent=command.get("agent", "test"))
        response = phones[key].register(expires=command.get("expires", 3600))
        print(json.dumps({"status": response.status}), flush=True)


if __name__ == "__main__":
    main()
