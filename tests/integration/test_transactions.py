# SPDX-License-Identifier: Apache-2.0
"""RFC 3261 section 17.2.2 and 17.2.3: the non-INVITE server transaction (test_redirect.py has the INVITE one)."""
import re

from sip import hostport, token


def test_rfc3261_17_2_2_a_retransmitted_register_gets_the_same_bytes_and_changes_nothing(shared, line):
    first = line.register()
    before = shared.api.bindings(line.user)
    for _ in range(3):
        assert line.wire.exchange(line.sent).raw == first.raw
    assert shared.api.bindings(line.user) == before


def test_rfc3261_17_2_2_also_after_something_newer(shared, line):
    first = line.register()
    sent = line.sent
    assert line.unregister().status == 200
    assert line.wire.exchange(sent).raw == first.raw
    assert shared.api.bindings(line.user) == []


def test_rfc3261_17_2_2_a_retransmitted_challenge_and_refusal_get_the_same_bytes(line):
    first = line.send()
    assert line.wire.exchange(line.sent).raw == first.raw
    line.take_challenge(first)
    brief = line.register(expires=1)
    assert brief.status == 423 and line.wire.exchange(line.sent).raw == brief.raw


def test_a_faulty_request_has_the_same_answer_each_time(line):
    text = line.build().replace("REGISTER\r\n", "INVITE\r\n")
    first = line.wire.exchange(text)
    assert first.status == 400 and line.wire.exchange(text).raw == first.raw


def test_rfc3261_17_2_3_branch_sent_by_and_method_make_a_transaction(line):
    via = "SIP/2.0/UDP %s;branch=z9hG4bK" + token() + ";rport"
    answers = [line.send(via=via % host, cseq=1) for host in ("192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.1:5061")]
    answers.append(line.send([], via=via % "192.0.2.1:5060", cseq=1, method="OPTIONS"))
    assert [a.status for a in answers] == [401, 401, 401, 200]
    assert len({a.raw for a in answers}) == 4


def test_rfc3261_17_2_3_without_the_cookie_it_is_matched_as_rfc2543_did(line):
    """Request-URI, tags, Call-ID, CSeq and the top Via."""
    via = "SIP/2.0/UDP %s" % hostport(line.wire.local)
    first = line.send(via=via, cseq=4)
    assert first.status == 401 and line.wire.exchange(line.sent).raw == first.raw
    assert line.send(via=via, cseq=5).raw != first.raw
    line.take_challenge(first)
    assert line.register(via=via).status == 200


def test_rfc4475_3_2_1_a_branch_that_is_the_cookie_alone_is_none(line):
    via = "SIP/2.0/UDP %s;branch=z9hG4bK;rport" % hostport(line.wire.local)
    assert line.send([], method="OPTIONS", via=via, cseq=1).get("CSeq") == "1 OPTIONS"
    assert line.send([], method="OPTIONS", via=via, cseq=2).get("CSeq") == "2 OPTIONS"


def test_rfc3261_8_2_6_2_the_to_tag_is_the_transactions(line):
    tags = {re.search(r"tag=(\w+)", line.send().get("To")).group(1) for _ in range(5)}
    assert len(tags) == 5


def test_a_reply_that_memory_had_no_room_for_does_no_harm(start, phones):
    server = start({"ROLLCALL_SIP_TRANSACTION_MEMORY": "8MiB"})
    server.api.add_user("alice")
    phone = phones(server)
    assert phone.register().status == 200
    sent, before = phone.sent, server.api.bindings("alice")
    for _ in range(2500):
        phone.wire.exchange(phone.build([], method="OPTIONS", to="<sip:a@b;p=%s>" % ("x" * 4000)))
    assert phone.wire.exchange(sent).status in (200, 401)
    assert server.api.bindings("alice") == before
    assert server.api.get("/metrics").status == 200


def test_pipelined_requests_for_two_domains_are_each_challenged_by_their_own(rollcall, phones):
    """What one message leaves behind in memory must not name the domain of the next."""
    assert rollcall.api.put("/v1/domains/another.org", {}).status == 201
    first = phones(rollcall, transport="tcp")
    second = phones(rollcall, "alice", domain="another.org", transport="tcp")
    second.wire.close()
    second.wire = first.wire
    messages = [phone.build() for phone in (first, second) * 4]
    first.wire.send("".join(messages))
    realms = [first.wire.receive().challenges()[0]["realm"] for _ in messages]
    assert realms == ["example.com", "another.org"] * 4
