# SPDX-License-Identifier: Apache-2.0
"""RFC 3261 section 10.3, step by step, on the wire."""
import email.utils
import time

import pytest

from server import until
from sip import token


def contacts_of(shared, line):
    return sorted(b["contact"] for b in shared.api.bindings(line.user))


# ---- Step 1: the Request-URI's domain

def test_rfc3261_10_3_step_1_a_foreign_request_uri_is_404(line):
    assert line.send(uri="sip:elsewhere.example.org").status == 404


def test_rfc3261_10_3_step_1_a_user_in_the_request_uri_is_let_pass(line):
    """Section 10.2 forbids it to clients; many send it."""
    line.take_challenge(line.send())
    assert line.register(uri="sip:%s@example.com" % line.user).status == 200


def test_rfc3261_10_3_step_1_parameters_and_port_of_the_request_uri_are_no_part_of_the_domain(line):
    for uri in ("sip:example.com;transport=udp", "sip:example.com:5060", "sip:EXAMPLE.com:5999;lr"):
        line.take_challenge(line.send())
        assert line.register(uri=uri).status == 200, uri


def test_rfc3261_10_3_a_domain_of_equal_length_in_the_same_buffer_is_another(shared, line, phones):
    """Pipelined requests share memory one after the other; their domains must not."""
    stream = phones(shared, line.user, transport="tcp")
    stream.wire.send(stream.build([], cseq=1) +
                     stream.build([], cseq=2, uri="sip:exbmple.com", to="<sip:x@exbmple.com>"))
    assert [stream.wire.receive().status for _ in range(2)] == [401, 404]


# ---- Step 2: Require

def test_rfc3261_8_2_2_3_require_is_420_with_exactly_the_unknown(line):
    answer = line.register(headers=["Require: nothingSupportsThis, path, nothing-else"])
    assert answer.status == 420
    tokens = [t.strip() for v in answer.all("Unsupported") for t in v.split(",")]
    assert tokens == ["nothingSupportsThis", "nothing-else"]


def test_rfc3261_10_3_step_2_require_comes_before_authentication(line):
    assert line.send(headers=["Require: nothingSupportsThis"]).status == 420


def test_rfc3261_8_2_2_3_proxy_require_is_not_for_a_registrar(line):
    assert line.register(headers=["Proxy-Require: nothingSupportsThis"]).status == 200


@pytest.mark.parametrize("tag", ["path", "outbound"])
def test_rfc3261_10_3_step_2_require_of_what_is_supported_is_fine(line, tag):
    assert line.register(headers=["Require: " + tag, "Supported: " + tag]).status == 200


# ---- Steps 3 and 4: who asks, and may they (test_digest.py has the rest)

def test_rfc3261_10_3_step_3_without_credentials_401(line):
    answer = line.send()
    assert answer.status == 401 and len(answer.challenges()) == 1


def test_rfc3261_10_3_step_3_bad_credentials_401_with_a_fresh_nonce(shared, line, phones):
    liar = phones(shared, line.user, "wrong")
    first = liar.send().challenges()[0]["nonce"]
    answer = liar.register()
    assert answer.status == 401
    assert answer.challenges()[0]["nonce"] != first and "stale" not in answer.challenges()[0]


def test_rfc3261_10_3_step_4_right_credentials_of_another_user_are_403(shared, line, phones):
    shared.api.add_user("other-" + line.user)
    thief = phones(shared, line.user, auth_user="other-" + line.user)
    assert thief.register().status == 403
    assert contacts_of(shared, line) == []


def test_rfc3261_10_2_the_from_of_a_third_party_does_not_matter(line):
    """A third party registers with the credentials of the To user."""
    line.take_challenge(line.send())
    text = line.build(headers=["Authorization: " + line.authorization()])
    text = text.replace("From: <sip:%s@example.com>" % line.user, "From: <sip:secretary@example.org>")
    assert line.wire.exchange(text).status == 200


# ---- Step 5: the address of record

def test_rfc3261_10_3_step_5_a_foreign_to_is_404(line):
    assert line.send(to="<sip:%s@elsewhere.example.org>" % line.user).status == 404


@pytest.mark.parametrize("to", ["<sip:%s@EXAMPLE.Com>", "<sip:%s@example.com;user=phone;x=y>", "sip:%s@example.com",
                                '"A, B" <sip:%s@example.com:5062>', "<sips:%s@example.com>",
                                "<sip:%s:pw@example.com>"])
def test_rfc3261_10_3_step_5_the_aor_is_canonical(shared, line, to):
    assert line.register(to=to % line.user).status == 200
    assert contacts_of(shared, line) == [line.contact]


def test_rfc3261_10_3_step_5_escapes_are_resolved(shared, line):
    escaped = "".join("%%%02x" % ord(c) for c in line.user)
    assert line.register(to="<sip:%s@example.com>" % escaped).status == 200
    assert contacts_of(shared, line) == [line.contact]


def test_rfc3261_19_1_4_user_parts_are_compared_with_case(line):
    assert line.register(to="<sip:%s@example.com>" % line.user.upper()).status != 200


def test_rfc4475_3_3_4_a_to_that_is_no_sip_uri_is_400(line):
    answer = line.send(to="<isbn:2983792873>")
    assert answer.status == 400 and "To" in answer.reason
    assert line.send(to="<tel:+15551234>").status == 400


def test_rfc4475_3_1_1_4_an_escaped_nul_is_no_other_user(shared, line, phones):
    """An AoR is never cut at %00: line%00x is not line."""
    other = phones(shared, line.user + "%00x", auth_user=line.user)
    assert other.register().status in (401, 403)
    assert contacts_of(shared, line) == []


# ---- Step 6: "*"

@pytest.mark.parametrize("contacts,expires", [
    (["*"], None), (["*"], 3600), (["*", "<sip:a@192.0.2.1>"], 0), (["<sip:a@192.0.2.1>", "*"], 0),
    (["*, <sip:a@192.0.2.1>"], 0), (["*", "*"], 0), (["*;expires=0"], None)],
    ids=["without_expires", "with_expires_above_0", "before_another", "behind_another", "in_a_list", "twice",
         "with_a_parameter"])
def test_rfc3261_10_3_step_6_wrong_star_is_400(shared, line, contacts, expires):
    line.register()
    assert line.register(contacts, expires).status == 400
    assert contacts_of(shared, line) == [line.contact]


def test_rfc3261_10_3_step_6_star_removes_all_and_leaves_no_contact(shared, line, phones):
    other = phones(shared, line.user)
    assert line.register().status == 200 and other.register().status == 200
    answer = line.register(["*"], 0)
    assert answer.status == 200 and answer.all("Contact") == []
    assert contacts_of(shared, line) == []
    assert line.register(["*"], 0).status == 200, "nothing left is no fault"


def test_rfc3261_10_3_step_6_star_with_a_lower_cseq_of_a_bindings_call_changes_nothing(shared, line, phones):
    other = phones(shared, line.user)
    assert line.register(cseq=100).status == 200 and other.register().status == 200
    assert line.register(["*"], 0, cseq=50).status == 500
    assert len(contacts_of(shared, line)) == 2
    assert line.register(["*"], 0, cseq=50, call_id=token()).status == 200, "another call may"


# ---- Step 7: each contact

def test_rfc3261_10_3_step_7_no_expires_gets_the_default(line):
    assert line.register().contacts()[line.contact]["expires"] == "3600"


def test_rfc3261_10_2_1_1_expires_header_is_used(line):
    assert line.register(expires=900).contacts()[line.contact]["expires"] == "900"


def test_rfc3261_10_2_1_1_contact_parameter_beats_the_header(line):
    answer = line.register(["<%s>;expires=300" % line.contact], expires=900)
    assert answer.contacts()[line.contact]["expires"] == "300"


def test_rfc3261_10_3_step_7_each_contact_has_its_own_expiry(line):
    answer = line.register(["<sip:a@192.0.2.1>;expires=300", "<sip:b@192.0.2.2>;expires=500",
                            "<sip:c@192.0.2.3>"], expires=700)
    assert {uri: p["expires"] for uri, p in answer.contacts().items()} == {
        "sip:a@192.0.2.1": "300", "sip:b@192.0.2.2": "500", "sip:c@192.0.2.3": "700"}


def test_rfc3261_10_3_step_7_a_comma_list_of_contacts_is_taken_whole(line):
    answer = line.register(['<sip:a@192.0.2.1>;q=0.5, "B, C" <sip:b@192.0.2.2;lr>;q=0.9'])
    assert sorted(answer.contacts()) == ["sip:a@192.0.2.1", "sip:b@192.0.2.2;lr"]


def test_rfc3261_10_3_step_7_one_leaves_and_one_comes_in_one_request(shared, line):
    line.register()
    answer = line.register(["<%s>;expires=0" % line.contact, "<sip:new@192.0.2.1>"])
    assert list(answer.contacts()) == ["sip:new@192.0.2.1"]
    assert contacts_of(shared, line) == ["sip:new@192.0.2.1"]


def test_rfc3261_10_2_2_expires_0_removes_only_what_it_names(shared, line):
    line.register(["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])
    assert line.register(["<sip:a@192.0.2.1>"], expires=0).status == 200
    assert contacts_of(shared, line) == ["sip:b@192.0.2.2"]
    assert line.register(["<sip:never@192.0.2.9>"], expires=0).status == 200, "gone already is no fault"


def test_rfc3261_10_2_4_a_refresh_keeps_one_binding(shared, line):
    line.register(expires=300)
    before, = shared.api.bindings(line.user)
    assert line.register(expires=600).status == 200
    after, = shared.api.bindings(line.user)
    assert after["id"] == before["id"] and after["expires_at"] > before["expires_at"]
    assert after["registered_at"] == before["registered_at"]


def test_rfc3261_10_3_step_7_lower_cseq_of_the_same_call_aborts_the_whole_request(shared, line):
    assert line.register(cseq=100).status == 200
    answer = line.register(["<sip:other@192.0.2.1>", "<%s>;expires=0" % line.contact], cseq=99)
    assert answer.status == 500
    assert contacts_of(shared, line) == [line.contact]


def test_rfc3261_10_3_step_7_lower_cseq_of_another_call_is_fine(shared, line):
    assert line.register(cseq=100).status == 200
    assert line.register(cseq=3, call_id=token()).status == 200
    binding, = shared.api.bindings(line.user)
    assert binding["cseq"] == 3


def test_an_equal_cseq_with_the_same_contacts_is_a_repeat(shared, line):
    assert line.register(cseq=100).status == 200
    before = shared.api.bindings(line.user)
    answer = line.register(cseq=100)
    assert answer.status == 200 and list(answer.contacts()) == [line.contact]
    assert shared.api.bindings(line.user) == before


@pytest.mark.parametrize("change", [";expires=0", ";expires=900", ";q=0.5", ";x=y"])
def test_an_equal_cseq_with_other_content_is_500(shared, line, change):
    assert line.register(cseq=100).status == 200
    before = shared.api.bindings(line.user)
    assert line.register(["<%s>%s" % (line.contact, change)], cseq=100).status == 500
    assert shared.api.bindings(line.user) == before


def test_rfc3261_10_3_step_7_too_brief_is_423_with_min_expires(shared, line):
    for contacts, expires in ((None, 59), (["<%s>;expires=1" % line.contact], None)):
        answer = line.register(contacts, expires)
        assert answer.status == 423 and answer.get("Min-Expires") == "60"
        assert answer.reason == "Interval Too Brief"
    assert contacts_of(shared, line) == []


def test_rfc3261_10_3_step_7_the_minimum_and_0_are_not_too_brief(line):
    assert line.register(expires=60).contacts()[line.contact]["expires"] == "60"
    assert line.register(expires=0).status == 200


def test_rfc3261_10_3_step_7_too_long_is_shortened(line):
    assert line.register(expires=100000).contacts()[line.contact]["expires"] == "7200"


@pytest.mark.parametrize("value", ["soon", "-1", "", "3.5", "99999999999999999999", "4294967296"])
def test_rfc3261_10_2_1_1_malformed_expires_counts_as_3600(line, value):
    answer = line.register(["<%s>;expires=%s" % (line.contact, value)])
    assert answer.status == 200
    assert answer.contacts()[line.contact]["expires"] == "3600"
    if value:
        assert line.register(expires=value).contacts()[line.contact]["expires"] == "3600"


def test_rfc3261_10_3_step_7_one_bad_contact_of_three_changes_nothing(shared, line):
    line.register()
    answer = line.register(["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>;expires=5", "<sip:c@192.0.2.3>"])
    assert answer.status == 423
    answer = line.register(["<sip:a@192.0.2.1>", "<sip:b@>", "<sip:c@192.0.2.3>"])
    assert answer.status == 400 and "Contact" in answer.reason
    assert contacts_of(shared, line) == [line.contact]


@pytest.mark.parametrize("q", ["1.5", "0.1234", "a", "-1", "", "2"])
def test_rfc3261_25_1_a_malformed_q_is_400(shared, line, q):
    answer = line.register(["<%s>;q=%s" % (line.contact, q)])
    assert answer.status == 400 and "Q" in answer.reason
    assert contacts_of(shared, line) == []


@pytest.mark.parametrize("q,shown", [("0.5", 0.5), ("1", 1), ("1.000", 1), ("0.", 0), ("0.123", 0.123), ("0", 0)])
def test_rfc3261_20_10_q_is_kept_and_given_back(shared, line, q, shown):
    answer = line.register(["<%s>;q=%s" % (line.contact, q)])
    assert float(answer.contacts()[line.contact]["q"]) == shown
    assert shared.api.bindings(line.user)[0]["q"] == shown


@pytest.mark.parametrize("uri", ["tel:+1-201-555-0123", "im:alice@example.org", "mailto:alice@example.org",
                                 "sips:alice@192.0.2.1", "sip:192.0.2.1", "sip:a:secret@192.0.2.1",
                                 "sip:a@host.example.net:5062;transport=tcp?X-Header=1"])
def test_rfc3261_10_2_1_contacts_of_every_kind_are_kept_in_the_phones_own_text(shared, line, uri):
    assert list(line.register(["<%s>" % uri]).contacts()) == [uri]
    assert contacts_of(shared, line) == [uri]


# ---- Step 8: the 200

def test_rfc3261_10_3_step_8_a_query_lists_every_binding_and_changes_nothing(shared, line, phones):
    other = phones(shared, line.user)
    begin = time.monotonic()
    line.register(expires=300)
    other.register(expires=500)
    before = shared.api.bindings(line.user)
    found = line.bindings()
    assert sorted(found) == sorted([line.contact, other.contact])
    assert 299 - (time.monotonic() - begin) <= int(found[line.contact]["expires"]) <= 300
    assert shared.api.bindings(line.user) == before


def test_rfc3261_10_3_step_8_a_query_without_bindings_is_200_without_contact(line):
    answer = line.register([])
    assert answer.status == 200 and answer.all("Contact") == [] and answer.all("Expires") == []


def test_rfc3261_10_3_step_8_the_200_has_a_date(line):
    assert email.utils.parsedate_to_datetime(line.register().get("Date"))
    assert line.register().get("Date").endswith(" GMT")


def test_rfc3261_10_3_the_own_contact_comes_first_then_an_expires_header_equal_to_it(shared, line, phones):
    others = [phones(shared, line.user) for _ in range(3)]
    for other in others:
        other.register(expires=1000)
    answer = line.register(expires=400)
    assert list(answer.contacts())[0] == line.contact and len(answer.contacts()) == 4
    assert answer.get("Expires") == answer.contacts()[line.contact]["expires"] == "400"


def test_rfc3261_10_3_step_3_record_route_is_ignored_and_not_copied(line):
    answer = line.register(headers=["Record-Route: <sip:192.0.2.1;lr>"])
    assert answer.status == 200 and answer.all("Record-Route") == []


def test_contact_parameters_come_back_in_the_phones_own_text(line):
    params = ';audio;methods="INVITE,BYE";+sip.instance="<urn:uuid:1>";description="<sip:x;y>, \\"z\\""'
    answer = line.register(["\"Al\" <%s>%s;expires=600" % (line.contact, params)])
    value, = answer.all("Contact")
    assert value == "<%s>%s;expires=600" % (line.contact, params)
    assert line.register([]).get("Contact").startswith("<%s>%s" % (line.contact, params))


def test_rfc3261_10_3_requests_for_one_aor_are_carried_out_in_the_order_of_their_arrival(shared, line, phones):
    line.take_challenge(phones(shared, line.user).send())  # one that is sent twice is not answered here
    texts = [line.build(["<sip:n%d@192.0.2.1>;expires=%d" % (n % 3, 0 if n % 2 else 600)],
                        headers=["Authorization: " + line.authorization()]) for n in range(12)]
    for text in texts:
        line.wire.send(text)
    answers = sorted((line.wire.receive() for _ in texts), key=lambda a: int(a.get("CSeq").split()[0]))
    assert [a.status for a in answers] == [200] * 12
    expected = set()
    for n, answer in enumerate(answers):
        (expected.discard if n % 2 else expected.add)("sip:n%d@192.0.2.1" % (n % 3))
        assert set(answer.contacts()) == expected
    until(lambda: contacts_of(shared, line) == sorted(expected), "the last state")
