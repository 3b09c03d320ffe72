# SPDX-License-Identifier: Apache-2.0
"""What RFC 3261 asks of any server: sections 7, 8.2, 9.2, 11, 20 and 21."""
import re

import pytest

from sip import hostport, token


def contacts_of(shared, line):
    return sorted(b["contact"] for b in shared.api.bindings(line.user))


# ---- Section 7: how a message is written

def test_rfc3261_7_3_compact_forms_folding_and_case(shared, line):
    line.take_challenge(line.send())
    credentials = line.authorization()
    text = "\r\n".join([
        "REGISTER sip:example.com SIP/2.0",
        "v : SIP / 2.0\t/ UDP %s ; branch = z9hG4bK%s\r\n ;rport" % (hostport(line.wire.local), token()),
        "f:Alice <sip:%s@example.com>;tag=1" % line.user, "t: sip:%s@EXAMPLE.com" % line.user,
        "i:" + line.call_id, "cSEQ:\t7\r\n REGISTER", "m: <%s>" % line.contact,
        "aUTHORIZATION: " + credentials.replace(", ", ",\r\n\t"), "k: path,", "max-forwards  : 70",
        "l:0", "", ""])
    answer = line.wire.exchange(text)
    assert answer.status == 200, answer
    assert contacts_of(shared, line) == [line.contact]


def test_rfc3261_7_5_line_ends_before_the_start_line_are_ignored(line):
    assert line.wire.exchange("\r\n\r\n" + line.build()).status == 401


def test_rfc3261_7_3_1_headers_may_stand_in_any_order(line):
    head, _, _ = line.build().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    assert line.wire.exchange("\r\n".join([start] + lines[::-1] + ["", ""])).status == 401


def test_rfc3261_7_3_1_several_header_lines_are_one_list(line):
    answer = line.register(["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>, <sip:c@192.0.2.3>"])
    assert sorted(answer.contacts()) == ["sip:a@192.0.2.1", "sip:b@192.0.2.2", "sip:c@192.0.2.3"]


def test_rfc3261_20_unknown_headers_and_bodies_are_ignored(line):
    text = line.build(headers=["X-Unknown: \"quoted, <text>", "P-Asserted-Identity: <sip:x@y>", "Date: yesterday",
                               "Content-Type: application/unknown"])
    assert line.wire.exchange(text.replace("Content-Length: 0", "Content-Length: 5") + "hello").status == 401


def test_rfc3261_20_10_display_names_of_every_kind(line):
    for name in ('"Mr. \\"A\\" <sip:no@where>" ', "Alice Anne ", "J\u00fcrgen ", "", '"\u4e2d" '):
        answer = line.register(["%s<%s>" % (name, line.contact)])
        assert answer.status == 200 and list(answer.contacts()) == [line.contact], name


def test_rfc3261_20_10_an_addr_spec_with_parameters_has_them_as_header_parameters(line):
    answer = line.register(["%s;expires=300;x=y" % line.contact])
    assert answer.contacts() == {line.contact: {"expires": "300", "x": "y"}}


@pytest.mark.parametrize("contact", [
    "<sip:a@192.0.2.1", "sip:a@192.0.2.1>", "<>", "<sip:>", "<sip:@192.0.2.1>", "<sip:a@192.0.2.1:0>",
    "<sip:a@192.0.2.1:65536>", "<sip:a@192.0.2.1:x>", "<sip:a b@192.0.2.1>", "<sip:a@192.0.2.1>x", "< sip:a@192.0.2.1>",
    "<sip:a@192.0.2.1>,", ",<sip:a@192.0.2.1>", "sip:a@192.0.2.1?X=y", "<sip:a%4@192.0.2.1>", "<sip:a%zz@192.0.2.1>",
    "<sip:a@[2001:db8::1>", "<sip:a@2001:db8::1>", "<sip:a@[xyz]>", "<sip:a@ho_st!>", '"a <sip:a@192.0.2.1>', "*x",
    "<noscheme>", "<sip:a@192.0.2.1>;expires=1;expires=2", "<sip:a@192.0.2.1>;=x"])
def test_a_contact_that_is_none_is_400_that_says_so(shared, line, contact):
    answer = line.register([contact])
    assert answer.status == 400 and "Contact" in answer.reason, contact
    assert contacts_of(shared, line) == []


# ---- Section 8.2: the order of inspection

@pytest.mark.parametrize("version,status", [("SIP/7.0", 505), ("SIP/3.0", 505), ("SIP/1.0", 505), ("sip/2.0", 401),
                                            ("HTTP/1.1", 400), ("SIP2.0", 400)])
def test_rfc3261_21_5_6_another_version_is_505(line, version, status):
    assert line.wire.exchange(line.build().replace(" SIP/2.0\r\n", " %s\r\n" % version, 1)).status == status


@pytest.mark.parametrize("method", ["FOO", "register", "RE%47IST%45R", "a-b.c!d"])
def test_rfc3261_8_2_1_an_unknown_method_is_501_with_allow(line, method):
    answer = line.send([], method=method)
    assert answer.status == 501 and "REGISTER" in answer.get("Allow")


def test_rfc3261_11_options_is_200_and_says_what_is_known(line):
    for uri in ("sip:example.com", "sip:%s@example.com" % line.user, "sip:nobody@elsewhere.example.org",
                "sip:ping@127.0.0.1"):
        answer = line.send([], method="OPTIONS", uri=uri)
        assert answer.status == 200
        assert {"REGISTER", "OPTIONS", "INVITE"} <= set(answer.get("Allow").split(", "))
        assert answer.get("Accept") and {"path", "outbound"} <= set(answer.get("Supported").split(", "))


def test_rfc4475_3_3_11_max_forwards_0_is_no_fault_to_the_element_it_is_meant_for(line):
    """Only an element that forwards answers 483 (section 16.3)."""
    for method, status in (("OPTIONS", 200), ("REGISTER", 401)):
        text = line.build(method=method).replace("Max-Forwards: 70", "Max-Forwards: 0")
        assert line.wire.exchange(text).status == status


def test_rfc3261_8_1_1_6_a_request_without_max_forwards_is_taken(line):
    assert line.wire.exchange(line.build().replace("Max-Forwards: 70\r\n", "")).status == 401


@pytest.mark.parametrize("uri", ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002",
                                 "tel:+15551234"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_rfc3261_8_2_2_1_an_unknown_scheme_is_416(line, uri, method):
    assert line.send(method=method, uri=uri).status == 416


@pytest.mark.parametrize("uri", ["sip:example.com:x", "sip:", "<sip:example.com>", "sip:example.com?X=y",
                                 "sip:[2001:db8::1", "sip:2001:db8::10", "sip:exa mple.com", "example.com"])
def test_rfc3261_8_2_2_1_a_request_uri_that_is_none_is_400(line, uri):
    assert line.send(uri=uri, method="OPTIONS").status == 400


def test_rfc3261_8_2_2_2_a_repeat_of_the_cseq_after_a_401_is_not_merged(line):
    """Many stacks do not raise the CSeq when they answer a challenge."""
    line.take_challenge(line.send(cseq=7))
    assert line.register(cseq=7).status == 200


def test_rfc3261_8_2_6_2_what_is_copied_and_the_to_tag(line):
    via = ["SIP/2.0/UDP %s;branch=z9hG4bK%s;rport;x=y" % (hostport(line.wire.local), token()),
           "SIP/2.0/TCP 192.0.2.7:5070;branch=z9hG4bKsecond;received=192.0.2.8",
           "SIP/2.0/UDP third.example.org;branch=z9hG4bK3"]
    answer = line.send(via=via[0] + "\r\nVia: " + ", ".join(via[1:]), cseq=11)
    assert answer.all("Via")[1:] == via[1:] and answer.all("Via")[0].startswith(via[0].replace(";rport;x=y", ""))
    assert re.fullmatch(r"<sip:%s@example.com>;tag=\w{8,}" % line.user, answer.get("To"))
    assert answer.get("From") == "<sip:%s@example.com>;tag=%s" % (line.user, line.from_tag)
    assert answer.get("Call-ID") == line.call_id and answer.get("CSeq") == "11 REGISTER"
    assert answer.get("Content-Length") == "0"


def test_rfc3261_8_2_6_2_a_to_tag_that_is_there_stays(line):
    answer = line.send(to="<sip:%s@example.com>;tag=theirs" % line.user)
    assert answer.status == 401 and answer.get("To") == "<sip:%s@example.com>;tag=theirs" % line.user


@pytest.mark.parametrize("before,after,why", [
    ("CSeq: 1 REGISTER", "CSeq: 1 INVITE", "CSeq"), ("CSeq: 1 REGISTER", "CSeq: 4294967296 REGISTER", "CSeq"),
    ("CSeq: 1 REGISTER", "CSeq: 2147483648 REGISTER", "CSeq"), ("CSeq: 1 REGISTER", "CSeq: one REGISTER", "CSeq"),
    ("CSeq: 1 REGISTER", "CSeq: 1REGISTER", "CSeq"), ("CSeq: 1 REGISTER", "CSeq: 1", "CSeq"),
    ("CSeq: 1 REGISTER\r\n", "", "CSeq"), ("Call-ID: ", "Call-JD: ", "Call-ID"), ("From: ", "Frrm: ", "From"),
    ("To: ", "T0: ", "To"), ("Content-Length: 0", "Content-Length: 500", "Content-Length"),
    ("Content-Length: 0", "Content-Length: -1", "Content-Length"),
    ("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 0", "Repeated"),
    ("Max-Forwards: 70\r\n", "Call-ID: second\r\n", "Repeated"), ("Max-Forwards: 70", "Max-Forwards: x", "Max-Forwards"),
    ("To: <sip:", "To: \"a <sip:", "To"), ("From: <sip:", "From: <sip:<", "From"), ("\r\nTo: ", "\r\nTo ", "Header"),
    ("tag=", "tag=;tag=", "From"), ("User-Agent: ", "User-Agent: \x01", "Control"), ("\r\nTo: ", "\nTo: ", "LF")])
def test_rfc3261_21_4_1_a_malformed_request_is_400_that_names_the_fault(line, before, after, why):
    text = line.build(cseq=1)
    assert before in text
    answer = line.wire.exchange(text.replace(before, after, 1))
    assert answer.status == 400
    assert why.lower() in answer.reason.lower()


def test_rfc3261_8_2_without_a_via_there_is_nobody_to_answer(line):
    text = line.build()
    line.wire.send(re.sub(r"Via: [^\r]*\r\n", "", text))
    assert line.wire.exchange(line.build([], method="OPTIONS", cseq=99)).get("CSeq") == "99 OPTIONS"


# ---- Section 9.2

def test_rfc3261_9_2_cancel_of_nothing_is_481(line):
    assert line.send([], method="CANCEL").status == 481


def test_rfc3261_9_2_cancel_of_an_answered_invite_is_200_without_effect(line):
    via = "SIP/2.0/UDP %s;branch=z9hG4bK%s;rport" % (hostport(line.wire.local), token())
    options = dict(uri="sip:%s@example.com" % line.user, via=via, cseq=5)
    refused = line.send([], method="INVITE", **options)
    assert refused.status == 480
    answer = line.wire.exchange(line.build([], method="CANCEL", **options))
    while answer.get("CSeq") != "5 CANCEL":
        answer = line.wire.receive()  # the INVITE's response again, which no ACK has stopped
    assert answer.status == 200 and answer.get("To") == refused.get("To")


# ---- Section 17.1.1.3 and stray messages

def test_rfc3261_17_ack_and_stray_responses_get_silence(line):
    line.wire.send(line.build([], method="ACK"))
    line.wire.send(line.build([], method="ACK", headers=["Require: nothing", "Contact: <"]))
    line.wire.send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                   "To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                   % hostport(line.wire.local))
    # What does answer comes back, and nothing before it: the server takes them in order.
    line.wire.send(line.build([], method="OPTIONS", cseq=77))
    assert line.wire.receive().get("CSeq") == "77 OPTIONS"


@pytest.mark.parametrize("noise", [b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0", b"jaK", b"  \r\n", b"\xff\xff\xff\xff"])
def test_rfc5626_4_4_keep_alives_over_udp_get_silence(line, noise):
    line.wire.send(noise)
    line.wire.send(line.build([], method="OPTIONS", cseq=78))
    assert line.wire.receive().get("CSeq") == "78 OPTIONS"


# ---- Sizes

def test_a_header_line_of_4_kb_and_a_datagram_of_8_kb_are_taken(line):
    params = ";".join("p%d=%s" % (n, "x" * 120) for n in range(30))
    answer = line.register(["<%s>;%s" % (line.contact, params)])
    assert answer.status == 200
    assert answer.contacts()[line.contact]["p29"] == "x" * 120
    assert line.register(headers=["X-%d: %s" % (n, "y" * 1000) for n in range(8)]).status == 200


@pytest.mark.parametrize("headers", [["X: y"] * 140, ["X-Long: " + "x" * 9000], ["X: " + "x" * 4000] * 6],
                         ids=["lines", "one_value", "all_headers"])
def test_beyond_a_limit_513_where_the_via_can_be_read(line, headers):
    assert line.send(headers=headers).status == 513


def test_more_contacts_than_a_message_may_have_is_513_and_more_than_an_aor_403(shared, line):
    line.take_challenge(line.send())
    assert line.register(["<sip:a%d@192.0.2.1>" % n for n in range(11)]).status == 403
    assert line.register([",".join("<sip:a%d@192.0.2.1>" % n for n in range(65))]).status == 513
    assert contacts_of(shared, line) == []
