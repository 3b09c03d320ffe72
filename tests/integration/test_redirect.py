# SPDX-License-Identifier: Apache-2.0
"""Requests to an AoR: 302 with the live contacts to whom may ask, and the INVITE server transaction."""
import re
import time

import pytest

from sip import NoAnswer, hostport, token

METHODS = ["INVITE", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "INFO", "BYE", "UPDATE", "PRACK"]


def ask(phone, method="INVITE", user=None, domain="example.com", **options):
    uri = "sip:%s@%s" % (phone.user if user is None else user, domain)
    answer = phone.wire.exchange(phone.build([], method=method, uri=uri, **options))
    if method == "INVITE":
        acknowledge(phone, answer, uri, options.get("via"))
    return answer


def acknowledge(phone, answer, uri, via=None):
    """The ACK to a final response (RFC 3261 section 17.1.1.3), which stops its retransmissions."""
    top = re.sub(r";(received|rport)=[^;]*", "", via or answer.get("Via"))
    number = answer.get("CSeq").split()[0]
    phone.wire.send("\r\n".join(["ACK %s SIP/2.0" % uri, "Via: " + top, "From: " + answer.get("From"),
                                 "To: " + answer.get("To"), "Call-ID: " + answer.get("Call-ID"),
                                 "CSeq: %s ACK" % number, "Content-Length: 0", "", ""]))


def silence(phone, seconds):
    """Nothing more comes of what was sent before. A copy that was on its way (Timer G, a request sent twice) comes before
    the answer to this OPTIONS."""
    text = phone.build([], method="OPTIONS")
    phone.wire.send(text)
    while phone.wire.receive().get("CSeq").split()[1] != "OPTIONS":
        pass
    with pytest.raises(NoAnswer):
        phone.wire.receive(seconds)


@pytest.mark.parametrize("method", METHODS)
def test_redirect_480_without_bindings_302_with_404_for_nobody(line, method):
    assert ask(line, method).status == 480
    line.register()
    answer = ask(line, method)
    assert answer.status == 302 and list(answer.contacts()) == [line.contact]
    assert int(answer.contacts()[line.contact]["expires"]) <= 3600
    assert ask(line, method, user="nobody-" + line.user).status == 404
    assert ask(line, method, domain="elsewhere.example.org").status == 404


def test_redirect_to_a_disabled_user_or_to_no_user_is_404(shared, line):
    line.register()
    assert shared.api.patch("/v1/domains/example.com/users/%s?keep_bindings=true" % line.user,
                            {"enabled": False}).status == 200
    assert ask(line).status == 404
    assert line.send([], method="MESSAGE", uri="sip:example.com").status == 404


def test_redirect_orders_by_q_and_then_by_age(line):
    line.register(["<sip:low@192.0.2.1>;q=0.1", "<sip:high@192.0.2.2>;q=0.9", "<sip:none@192.0.2.3>",
                   "<sip:mid@192.0.2.4>;q=0.5", "<sip:mid2@192.0.2.5>;q=0.500"])
    answer = ask(line)
    assert [uri.split("@")[0] for uri in answer.contacts()] == ["sip:none", "sip:high", "sip:mid", "sip:mid2", "sip:low"]
    assert [p.get("q") for p in answer.contacts().values()][0] is None


def test_redirect_gives_the_bare_uri_and_no_phones_parameters(line):
    line.register(['"A" <sip:a@192.0.2.1;transport=tcp?X=y>;audio;+sip.instance="<urn:uuid:1>"'])
    value, = ask(line).all("Contact")
    assert re.fullmatch(r"<sip:a@192\.0\.2\.1;transport=tcp\?X=y>;expires=\d+", value)


def test_redirect_finds_the_aor_as_a_register_does(line):
    line.register()
    escaped = "".join("%%%02X" % ord(c) for c in line.user)
    for uri in ("sip:%s@EXAMPLE.COM;user=phone", "sips:%s@example.com", "sip:%s@example.com:5999", "sip:%s@127.0.0.1"):
        assert line.send([], method="MESSAGE", uri=uri % line.user).status == 302, uri
    assert line.send([], method="MESSAGE", uri="sip:%s@example.com" % escaped).status == 302
    assert line.send([], method="MESSAGE", uri="sip:%s@example.com" % line.user.upper()).status == 404


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_redirect_from_says_who_may_ask_and_others_learn_nothing(start, phones, transport):
    server = start({"ROLLCALL_REGISTRAR_REDIRECT_FROM": "192.0.2.0/24,127.0.0.5"})
    server.api.add_user("alice")
    phone = phones(server, transport=transport)
    assert phone.register().status == 200
    raw = set()
    for user, domain in (("alice", "example.com"), ("nobody", "example.com"), ("x", "elsewhere.example.org")):
        answer = ask(phone, "MESSAGE", user, domain)
        assert answer.status == 403
        raw.add(answer.reason + str([n for n, _ in answer.headers]))
    assert len(raw) == 1
    allowed = phones(server, transport=transport, source=("127.0.0.5", 0))
    assert ask(allowed, "MESSAGE", "alice").status == 302
    assert phone.send([], method="OPTIONS").status == 200, "a ping is nobody's secret"


def test_redirect_path_none_leaves_the_path_out_and_route_adds_it_as_a_parameter(start, phones):
    path = '<sip:p1.example.net;lr>, <sip:p2.example.net;lr>;x="y"'
    for value, expected in (("none", None), ("route", '"%s"' % path.replace('"', '\\"'))):
        server = start({"ROLLCALL_REGISTRAR_REDIRECT_PATH": value}, name=value)
        server.api.add_user("alice")
        phone = phones(server)
        phone.register(headers=["Path: " + path])
        assert ask(phone).contacts()[phone.contact].get("route") == expected


def test_rfc3261_17_2_1_a_final_response_is_repeated_until_its_ack(line):
    uri = "sip:%s@example.com" % line.user
    begin = time.monotonic()
    line.wire.send(line.build([], method="INVITE", uri=uri))
    first = line.wire.receive()
    second = line.wire.receive()
    assert second.raw == first.raw and time.monotonic() - begin >= 0.4, "Timer G begins with T1"
    third = line.wire.receive()
    assert third.raw == first.raw and time.monotonic() - begin >= 1.4, "and doubles"
    acknowledge(line, first, uri)
    silence(line, 4.2)


def test_rfc3261_17_2_1_a_repeated_invite_gets_the_same_bytes(line):
    text = line.build([], method="INVITE", uri="sip:%s@example.com" % line.user)
    first = line.wire.exchange(text)
    line.register()
    assert line.wire.exchange(text).raw == first.raw, "though the phone has come meanwhile"
    acknowledge(line, first, "sip:%s@example.com" % line.user)


def test_rfc3261_17_2_1_over_tcp_nothing_is_repeated(shared, line, phones):
    stream = phones(shared, line.user, transport="tcp")
    assert ask(stream).status == 480
    stream.wire.send(stream.build([], method="INVITE", uri="sip:%s@example.com" % line.user))
    assert stream.wire.receive().status == 480
    with pytest.raises(NoAnswer):
        stream.wire.receive(0.9)


def test_rfc3261_17_2_3_an_ack_of_an_rfc2543_client_is_matched(line):
    """No branch: Request-URI, From tag, Call-ID, CSeq number and Via say which INVITE it is for."""
    via = "SIP/2.0/UDP %s" % hostport(line.wire.local)
    assert ask(line, via=via).status == 480
    silence(line, 0.9)


def test_an_ack_of_somebody_else_stops_nothing(shared, line, phones):
    uri = "sip:%s@example.com" % line.user
    text = line.build([], method="INVITE", uri=uri)
    answer = line.wire.exchange(text)
    other = phones(shared, line.user, source=("127.0.0.6", 0))
    acknowledge(other, answer, uri)
    assert line.wire.receive().raw == answer.raw
    acknowledge(line, answer, uri)


def test_require_is_420_for_every_method(line):
    assert ask(line, headers=["Require: 100rel"]).status == 420
    assert line.send([], method="OPTIONS", headers=["Require: x"]).get("Unsupported") == "x"


def test_redirect_over_a_branch_of_its_own_each_time_sees_the_present(line):
    assert ask(line).status == 480
    line.register()
    assert ask(line).status == 302
    line.unregister()
    assert ask(line, call_id=token()).status == 480
