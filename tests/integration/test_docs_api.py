# SPDX-License-Identifier: Apache-2.0
"""docs/api.md: every shell block is run as it stands, by one shell, and does what the text says."""
import json
import re
import subprocess

import pytest

import contract
from server import ADMIN, SOURCE

TEXT = (SOURCE / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.S | re.M)


@pytest.fixture
def outputs(rollcall):
    """What each block wrote to standard output. Variables of one live on in the next."""
    mark = "-- end of a block --"
    script = "set -eu -o pipefail\n" + "".join("%s\necho '%s'\n" % (block, mark) for block in BLOCKS)
    script = script.replace("http://127.0.0.1:8080", "http://%s:%d" % rollcall.http).replace("TOKEN", ADMIN)
    script = script.replace(" -m 2 ", " -m 8 ")  # a slow machine has to be listened to for longer
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.split(mark + "\n")[:-1]


def test_the_blocks_do_what_the_text_says(outputs):
    found = dict(zip((block.splitlines()[0] for block in BLOCKS), outputs))

    def of(beginning):
        output, = [output for line, output in found.items() if line.startswith(beginning)]
        return output

    def objects(text):
        decoder, at, result = json.JSONDecoder(), 0, []
        while text[at:].strip():
            value, end = decoder.raw_decode(text[at:].lstrip())
            at += len(text[at:]) - len(text[at:].lstrip()) + end
            result.append(value)
        return result

    domain, user = objects(of("curl -sS -X PUT -H \"$auth\" -H \"$json\" $api/domains/example.net -d"))
    assert domain["max_expires"] == 3600 and user["labels"] == {"site": "north"}
    assert objects(of("curl -sS -X PATCH"))[0]["labels"] == {"room": "2.14"}
    assert objects(of("etag="))[0]["display_name"] == "Alice Example"
    problem, = objects(of("curl -sS -X PUT -H \"$auth\" -H \"$json\" $api/domains/example.net/users/1009"))
    assert {e["field"] for e in problem["errors"]} == {"passwort", "max_bindings"}
    lines = objects(of("printf"))
    assert [line.get("status") for line in lines[:3]] == [201, 201, 404]
    assert {line["username"] for line in lines[3:]} == {"1008", "1010", "1011"}
    one, lookup, page = objects(of("curl -sS -H \"$auth\" $api/domains/example.net/users/1008/bindings"))
    assert one["bindings"] == [] and len(lookup["results"]) == 2 and page["next_cursor"] is None
    assert of("url=") == "304\n"
    stream = of("as_of=")
    assert "event: user.created" in stream and '"aor":"sip:1013@example.net"' in stream
    assert all(answer["attempts"] == [] for answer in objects(of("curl -sS -H \"$auth\" $api/domains/example.net/users/1008/attempts")))
    disabled, ban = objects(of("curl -sS -X DELETE"))
    assert disabled["enabled"] is False and ban["network"] == "203.0.113.0/24"


def test_every_error_of_the_document_has_its_advice():
    documented = {status for _, status in contract.documented()} | {405}
    table = TEXT[TEXT.index("| status | what to do |"):]
    named = {int(status) for status in re.findall(r"\b([45]\d\d)\b", table)}
    assert named == {status for status in documented if status >= 400}
