# SPDX-License-Identifier: Apache-2.0
"""RFC 3261 sections 8.2, 10.3 and 19.1.4 on the wire, and what binds beside them."""
import pytest

from sip import hostport, token


def contacts_of(server, user="alice"):
    return sorted(b["contact"] for b in server.api.bindings(user))


def test_rfc3261_10_3_step_7_no_expires_gets_the_default(phone):
    assert phone.register().contacts()[phone.contact]["expires"] == "3600"


def test_rfc3261_10_2_1_1_expires_header_is_used(phone):
    assert phone.register(expires=900).contacts()[phone.contact]["expires"] == "900"


def test_rfc3261_10_2_1_1_contact_parameter_beats_the_header(phone):
    answer = phone.register(["<%s>;expires=300" % phone.contact], expires=900)
    assert answer.contacts()[phone.contact]["expires"] == "300"


def test_rfc3261_10_3_each_contact_has_its_own_expiry(phone):
    answer = phone.register(["<sip:a@192.0.2.1>;expires=300", "<sip:b@192.0.2.2>;expires=500"])
    assert {uri: p["expires"] for uri, p in answer.contacts().items()} == {
        "sip:a@192.0.2.1": "300", "sip:b@192.0.2.2": "500"}


def test_contacts_in_one_comma_list_are_all_taken(phone):
    answer = phone.register(['<sip:a@192.0.2.1>;q=0.5, "B, C" <sip:b@192.0.2.2;lr>;q=0.9'])
    assert sorted(answer.contacts()) == ["sip:a@192.0.2.1", "sip:b@192.0.2.2;lr"]


def test_rfc3261_10_3_a_refresh_keeps_one_binding(rollcall, phone):
    phone.register(expires=300)
    before, = rollcall.api.bindings("alice")
    assert phone.register(expires=600).status == 200
    after, = rollcall.api.bindings("alice")
    assert after["id"] == before["id"] and after["expires_at"] > before["expires_at"]
    assert after["registered_at"] == before["registered_at"]


@pytest.mark.parametrize("contacts,expires", [
    (["*"], None), (["*"], 3600), (["*", "<sip:a@192.0.2.1>"], 0), (["*", "*"], 0)],
    ids=["without_expires", "with_expires_above_0", "with_other_contact", "twice"])
def test_rfc3261_10_3_step_6_wrong_star_is_400(rollcall, phone, contacts, expires):
    phone.register()
    assert phone.register(contacts, expires).status == 400
    assert contacts_of(rollcall) == [phone.contact]


def test_rfc3261_10_3_a_query_changes_nothing(rollcall, phone):
    phone.register()
    before = rollcall.api.bindings("alice")
    assert list(phone.bindings()) == [phone.contact]
    assert rollcall.api.bindings("alice") == before


def test_rfc3261_10_3_step_7_lower_cseq_of_the_same_call_is_500_and_changes_nothing(rollcall, phone):
    assert phone.register(cseq=100).status == 200
    answer = phone.register(["<sip:other@192.0.2.1>", "<%s>;expires=0" % phone.contact], cseq=99)
    assert answer.status == 500
    assert contacts_of(rollcall) == [phone.contact]


def test_an_equal_cseq_with_the_same_contacts_is_a_repeat(rollcall, phone):
    assert phone.register(cseq=100).status == 200
    before = rollcall.api.bindings("alice")
    assert phone.register(cseq=100).status == 200
    assert rollcall.api.bindings("alice") == before
    assert phone.register(["<%s>;expires=0" % phone.contact], cseq=100).status == 500
    assert rollcall.api.bindings("alice") == before


def test_rfc3261_10_3_lower_cseq_of_another_call_is_fine(phone):
    assert phone.register(cseq=100).status == 200
    phone.call_id = token()
    assert phone.register(cseq=3).status == 200


def test_rfc3261_10_3_step_7_too_brief_is_423_with_min_expires(rollcall, phone):
    answer = phone.register(expires=59)
    assert answer.status == 423 and answer.get("Min-Expires") == "60"
    assert contacts_of(rollcall) == []


def test_rfc3261_10_3_step_7_too_long_is_shortened(phone):
    assert phone.register(expires=100000).contacts()[phone.contact]["expires"] == "7200"


@pytest.mark.parametrize("value", ["soon", "-1", "", "3.5", "99999999999999999999"])
def test_rfc3261_10_2_1_1_malformed_expires_counts_as_3600(phone, value):
    answer = phone.register(["<%s>;expires=%s" % (phone.contact, value)])
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.contacts()[phone.contact]["expires"] in ("3600", "7200")


def test_rfc3261_8_2_2_3_require_is_420_with_exactly_the_unknown(phone):
    answer = phone.register(headers=["Require: nothingSupportsThis, path, nothing-else"])
    assert answer.status == 420
    tokens = [t.strip() for v in answer.all("Unsupported") for t in v.split(",")]
    assert sorted(tokens) == ["nothing-else", "nothingSupportsThis"]


def test_rfc3261_10_3_step_1_a_foreign_domain_is_404(rollcall, phones):
    phone = phones(rollcall, domain="elsewhere.example.org")
    assert phone.send().status == 404


def test_rfc4475_3_3_4_a_to_that_is_no_sip_uri_is_400(phone):
    assert phone.send(to="<isbn:2983792873>").status == 400


def test_rfc3261_10_3_step_3_record_route_is_ignored(phone):
    answer = phone.register(headers=["Record-Route: <sip:192.0.2.1;lr>"])
    assert answer.status == 200 and answer.all("Record-Route") == []


def test_rfc3261_10_3_one_bad_contact_of_three_changes_nothing(rollcall, phone):
    phone.register()
    answer = phone.register(["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>;expires=5", "<sip:c@192.0.2.3>"])
    assert answer.status == 423
    answer = phone.register(["<sip:a@192.0.2.1>", "<sip:b@>", "<sip:c@192.0.2.3>"])
    assert answer.status == 400
    assert contacts_of(rollcall) == [phone.contact]


@pytest.mark.parametrize("first,second,same", [
    ("sip:alice@AtLanTa.CoM;Transport=tcp", "SIP:ALICE@AtLanTa.CoM;Transport=tcp", False),
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
    ("sip:carol@chicago.com", "sip:carol@chicago.com:5060", False),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0::1]", True)])
def test_rfc3261_19_1_4_equal_contacts_are_one_binding(phone, first, second, same):
    phone.register(["<%s>" % first])
    assert len(phone.register(["<%s>" % second]).contacts()) == (1 if same else 2)


def test_rfc3261_20_compact_forms_folding_and_case(rollcall, phone):
    phone.take_challenge(phone.send())
    line = phone.authorization()
    text = "\r\n".join([
        "REGISTER sip:example.com SIP/2.0",
        "v : SIP/2.0/UDP %s ;branch=z9hG4bK%s\r\n ;rport" % (hostport(phone.wire.local), token()),
        "f:Alice <sip:alice@example.com>;tag=1", "t: sip:alice@EXAMPLE.com",
        "i:" + phone.call_id, "cSEQ:\t7\r\n REGISTER", "m: <%s>" % phone.contact,
        "aUTHORIZATION: " + line.replace(", ", ",\r\n\t"), "l:0", "", ""])
    assert phone.wire.exchange(text).status == 200
    assert contacts_of(rollcall) == [phone.contact]


def test_rfc3261_17_2_3_a_via_without_our_cookie_works(phone):
    answer = phone.register(via="SIP/2.0/UDP %s" % hostport(phone.wire.local))
    assert answer.status == 200


@pytest.mark.parametrize("method,status", [("OPTIONS", 200), ("FOO", 501)])
def test_rfc3261_8_2_1_other_methods(phone, method, status):
    answer = phone.send([], method=method)
    assert answer.status == status
    if status == 200:
        assert "REGISTER" in answer.get("Allow")


def test_rfc3261_9_2_cancel_of_nothing_is_481(phone):
    assert phone.send([], method="CANCEL").status == 481


def test_rfc3261_8_2_2_1_unknown_scheme_is_416(phone):
    assert phone.send(uri="nobodyKnowsThisScheme:totallyopaquecontent").status == 416


def test_rfc4475_3_1_2_16_unknown_version_is_505(phone):
    text = phone.build().replace(" SIP/2.0\r\n", " SIP/7.0\r\n", 1)
    assert phone.wire.exchange(text).status == 505


def test_rfc3261_18_1_1_and_3581_received_and_rport(phone):
    via = "SIP/2.0/UDP 192.0.2.99:5099;branch=z9hG4bK%s;rport" % token()
    top = phone.send(via=via).get("Via")
    host, port = phone.wire.local
    assert "received=%s" % host in top and "rport=%d" % port in top


def test_rfc3261_8_2_6_2_to_tag_and_copied_headers(phone):
    answer = phone.send()
    assert ";tag=" in answer.get("To")
    assert answer.get("From").endswith("tag=" + phone.from_tag)
    assert answer.get("Call-ID") == phone.call_id
    assert answer.get("CSeq") == "1 REGISTER"
    assert answer.get("Content-Length") == "0"


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE"])
def test_redirect_gives_the_live_contacts_to_allowed_sources(rollcall, phone, method):
    text = phone.send([], method=method, uri="sip:alice@example.com")
    assert text.status == 480
    phone.register()
    answer = phone.send([], method=method, uri="sip:alice@example.com")
    assert answer.status == 302 and list(answer.contacts()) == [phone.contact]
    assert phone.send([], method=method, uri="sip:nobody@example.com").status == 404


def test_redirect_refuses_other_sources_without_a_look_up(start, phones):
    server = start({"ROLLCALL_REGISTRAR_REDIRECT_FROM": "192.0.2.0/24"})
    server.api.add_user("alice")
    phone = phones(server)
    for user in ("alice", "nobody"):
        assert phone.send([], method="INVITE", uri="sip:%s@example.com" % user).status == 403


def test_rfc3327_path_is_kept_and_given_back(rollcall, phone):
    path = ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr;ob>"]
    answer = phone.register(headers=["Supported: path", "Path: " + ", ".join(path)])
    assert answer.status == 200
    assert ", ".join(answer.all("Path")).replace(" ", "") == ",".join(path)
    binding, = rollcall.api.bindings("alice")
    assert binding["path"] == path


def test_rfc5626_instance_and_reg_id_replace_the_old_flow(rollcall, phone):
    instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";reg-id=1'
    headers = ["Supported: path, outbound"]
    phone.register(["<sip:alice@192.0.2.1:1000;ob>;" + instance], headers=headers)
    answer = phone.register(["<sip:alice@192.0.2.1:2000;ob>;" + instance], headers=headers)
    assert list(answer.contacts()) == ["sip:alice@192.0.2.1:2000;ob"]
    assert "outbound" in (answer.get("Require") or "")
    binding, = rollcall.api.bindings("alice")
    assert binding["reg_id"] == 1 and "00000000-0000-1000-8000" in binding["instance"]


def test_a_phone_configured_by_ip_means_the_default_domain(rollcall, phones):
    phone = phones(rollcall, domain="127.0.0.1")
    assert phone.register().status == 200
    assert contacts_of(rollcall) == [phone.contact]


def test_rfc4475_3_1_1_4_escaped_nul_is_no_other_user(rollcall, phones):
    """An AoR is never cut at %00: alice%00x is not alice."""
    phone = phones(rollcall, "alice%00x", "secret", auth_user="alice")
    assert phone.register().status != 200
    assert contacts_of(rollcall) == []
