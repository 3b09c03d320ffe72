# SPDX-License-Identifier: Apache-2.0
"""RFC 3261 section 19.1.4, with every example of the section, and RFC 3966: which Contacts are one binding."""
import pytest

EQUAL = [
    # the section's examples
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    ("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
     "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"),
    ("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
     "sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
    # IPv6 by value (RFC 5952), host names without case, escapes of what needs none
    ("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0::1]"), ("sip:a@[::ffff:192.0.2.1]", "sip:a@[::FFFF:c000:201]"),
    ("SIP:a@host.example", "sip:a@HOST.example"), ("sip:%41b@host.example", "sip:Ab@host.example"),
    ("sip:a@host.example;p=%61", "sip:a@host.example;P=A"),
    # RFC 3966 section 4
    ("tel:+1-201-555-0123", "tel:+1(201)5550123"), ("TEL:7042;phone-context=example.com", "tel:7042;Phone-Context=Example.COM")]

DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@host.example", "sips:a@host.example"), ("sip:a@host.example", "sip:host.example"),
    ("sip:a:b@host.example", "sip:a:B@host.example"), ("sip:a:b@host.example", "sip:a@host.example"),
    ("sip:a%3Bb@host.example", "sip:a;b@host.example"),
    ("sip:a@host.example;user=phone", "sip:a@host.example"), ("sip:a@host.example;ttl=1", "sip:a@host.example"),
    ("sip:a@host.example;maddr=192.0.2.1", "sip:a@host.example"), ("sip:a@host.example;method=INVITE", "sip:a@host.example"),
    ("tel:+12015550123", "tel:+12015550124"), ("tel:7042;phone-context=a.example", "tel:7042;phone-context=b.example"),
    ("im:a@host.example", "im:A@host.example"), ("im:a@host.example", "pres:a@host.example")]


@pytest.mark.parametrize("first,second", EQUAL)
def test_rfc3261_19_1_4_equal_contacts_are_one_binding(line, first, second):
    assert list(line.register(["<%s>" % first]).contacts()) == [first]
    assert list(line.register(["<%s>" % second]).contacts()) == [second], "with the newest text"
    assert list(line.register(["<%s>" % first]).contacts()) == [first]


@pytest.mark.parametrize("first,second", DIFFERENT)
def test_rfc3261_19_1_4_different_contacts_are_two_bindings(line, first, second):
    line.register(["<%s>" % first])
    assert sorted(line.register(["<%s>" % second]).contacts()) == sorted([first, second])


def test_rfc3261_19_1_4_equality_is_not_transitive_and_the_same_text_wins(line):
    """;security=on and ;security=off both equal the plain URI, but not each other."""
    line.register(["<sip:carol@chicago.com;security=on>", "<sip:carol@chicago.com;security=off>"])
    answer = line.register(["<sip:carol@chicago.com;security=off>;expires=0"])
    assert list(answer.contacts()) == ["sip:carol@chicago.com;security=on"]


def test_rfc3261_10_2_2_an_equal_uri_removes_the_binding(line):
    line.register(["<sip:%61lice@Atlanta.com;transport=TCP>"])
    assert line.register(["<sip:alice@atlanta.com;transport=tcp>"], expires=0).contacts() == {}
