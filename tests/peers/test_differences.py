# SPDX-License-Identifier: Apache-2.0
"""The same messages to rollcall and to Kamailio: each difference is in differences.yaml, with the section that
decides it. A difference that is not there fails, and so does a row that is true no more."""
import pathlib

import pytest
import yaml

from scenarios import SCENARIOS
from sip import Phone, token

TABLE = yaml.safe_load((pathlib.Path(__file__).parent / "differences.yaml").read_text())


def run(name, server, user):
    phone = Phone(server.address("udp"), user, "secret")
    phone.tcp = server.address("tcp")
    try:
        return SCENARIOS[name](phone)
    except AssertionError as error:
        raise AssertionError("%s: %s" % (type(server).__name__, error)) from error
    finally:
        phone.close()


def without_user(text, user):
    return text.replace(user, "USER")


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_difference(rollcall, judge, name):
    user = "u" + token(4)
    rollcall.api.add_user(user)
    ours = without_user(run(name, rollcall, user), user)
    theirs = without_user(run(name, judge, user), user)
    row = TABLE.get(name)
    if not row:
        assert ours == theirs, "an unexplained difference"
        return
    assert (ours, theirs) == (row["rollcall"], row["kamailio"]), "the row is not what is seen"
    assert ours != theirs, "no difference any more: take the row out"


def test_the_table_names_scenarios_and_sections():
    for name, row in TABLE.items():
        assert name in SCENARIOS, "%s is no scenario" % name
        assert set(row) == {"rollcall", "kamailio", "section", "why"}, name
        assert row["section"] and row["why"], name
