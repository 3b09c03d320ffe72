# SPDX-License-Identifier: Apache-2.0
"""Phones as they are configured: domains, their aliases, the default domain, user names with and without case."""
import pytest

from server import until


def contacts_of(server, user, domain="example.com"):
    return sorted(b["contact"] for b in server.api.bindings(user, domain))


@pytest.fixture
def served(start):
    """Two domains, one of them with aliases, and a user of the same name in each."""
    server = start({"ROLLCALL_REGISTRAR_DOMAINS": "example.com,example.net",
                    "ROLLCALL_REGISTRAR_DEFAULT_DOMAIN": "example.com"})
    assert server.api.patch("/v1/domains/example.net",
                            {"aliases": ["sip.example.net", "198.51.100.7", "2001:db8::7"]}).status == 200
    server.api.add_user("alice", "first")
    server.api.add_user("alice", "second", "example.net")
    return server


def test_one_name_in_two_domains_is_two_users(served, phones):
    one = phones(served, password="first")
    two = phones(served, password="second", domain="example.net")
    assert one.send().challenges()[0]["realm"] == "example.com"
    assert two.send().challenges()[0]["realm"] == "example.net"
    assert one.register().status == 200 and two.register().status == 200
    assert contacts_of(served, "alice") == [one.contact]
    assert contacts_of(served, "alice", "example.net") == [two.contact]


@pytest.mark.parametrize("name", ["sip.example.net", "SIP.Example.Net", "198.51.100.7", "[2001:db8::7]", "example.net.",
                                  "[2001:DB8:0::7]"])
def test_an_alias_means_its_domain(served, phones, name):
    phone = phones(served, password="second", domain=name)
    answer = phone.send()
    assert answer.status == 401 and answer.challenges()[0]["realm"] == "example.net"
    assert phone.register().status == 200
    assert contacts_of(served, "alice", "example.net") == [phone.contact]


def test_an_alias_that_was_taken_away_is_foreign(served, phones):
    assert served.api.patch("/v1/domains/example.net", {"aliases": []}).status == 200
    assert phones(served, domain="sip.example.net").send().status == 404


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_address_of_ours_means_the_default_domain(served, phones, transport):
    phone = phones(served, password="first", domain="127.0.0.1", transport=transport)
    assert phone.send().challenges()[0]["realm"] == "example.com"
    assert phone.register().status == 200
    assert contacts_of(served, "alice") == [phone.contact]


def test_a_request_to_our_address_for_a_domain_of_ours(served, phones):
    """A phone with an outbound proxy by address: the To header says whose it is."""
    phone = phones(served, password="second", domain="example.net")
    assert phone.send(uri="sip:127.0.0.1").challenges()[0]["realm"] == "example.net"
    phone.take_challenge(phone.send(uri="sip:127.0.0.1"))
    assert phone.register(uri="sip:127.0.0.1").status == 200
    assert contacts_of(served, "alice", "example.net") == [phone.contact]


def test_a_request_to_one_domain_for_another_is_404(served, phones):
    phone = phones(served, password="second", domain="example.net")
    assert phone.send(uri="sip:example.com").status == 404


def test_another_address_than_ours_is_foreign(served, phones):
    assert phones(served, domain="192.0.2.77").send().status == 404


def test_without_a_default_domain_an_address_of_ours_is_foreign(start, phones):
    server = start({"ROLLCALL_REGISTRAR_DOMAINS": "example.com,example.net"})
    assert phones(server, domain="127.0.0.1").send().status == 404
    assert phones(server, domain="example.net").send().status == 401


def test_the_only_domain_is_the_default(start, phones):
    server = start()
    server.api.add_user("alice")
    assert phones(server, domain="127.0.0.1").register().status == 200


def test_a_domain_that_comes_and_goes(served, phones):
    phone = phones(served, "bob", domain="new.example.org")
    assert phone.send().status == 404
    assert served.api.put("/v1/domains/new.example.org", {"realm": "a realm, of its own"}).status == 201
    served.api.add_user("bob", domain="new.example.org")
    assert served.api.get("/v1/domains/new.example.org").json["realm"] == "a realm, of its own"
    assert 'realm="a realm, of its own"' in phone.send().get("WWW-Authenticate")
    assert served.api.delete("/v1/domains/new.example.org?cascade=true").status in (202, 204)
    until(lambda: phone.send().status == 404, "the domain's end")


def test_user_names_without_case_where_the_domain_was_made_so(served, phones):
    assert served.api.put("/v1/domains/fold.example.org", {"case_insensitive_users": True}).status == 201
    served.api.add_user("Alice.Smith", domain="fold.example.org")
    for name in ("alice.smith", "ALICE.SMITH", "%41lice.Smith"):
        phone = phones(served, name, domain="fold.example.org", auth_user="Alice.Smith", call_id="one")
        phone.contact = "sip:same@192.0.2.1"
        answer = phone.register(cseq=1, call_id=name)
        assert answer.status == 200, name
    assert contacts_of(served, "alice.smith", "fold.example.org") == ["sip:same@192.0.2.1"]
    served.api.add_user("Carol")
    assert phones(served, "carol", auth_user="Carol").register().status != 200, "elsewhere case counts"


def test_a_user_with_every_character_that_a_name_may_have(served, phones):
    for name in ("a.b-c_d~e!f*g'h(i)j", "+49&30=1$2,3;4?5/6", "%C3%BC%20space", "50%25", "x%3Ay%40z"):
        path = name.replace("?", "%3F").replace("/", "%2F").replace(";", "%3B")
        reply = served.api.put("/v1/domains/example.com/users/" + path, {"password": "secret"})
        assert reply.status == 201, (name, reply.body)
        login = reply.json["username"]
        phone = phones(served, name, auth_user=login)
        phone.contact = "sip:x@192.0.2.1"
        assert phone.register().status == 200, name
        assert [b["contact"] for b in served.api.get(
            "/v1/domains/example.com/users/%s/bindings" % path).json["bindings"]] == ["sip:x@192.0.2.1"]


def test_limits_of_a_domain_and_of_a_user_stand_before_the_configured_ones(served, phones):
    assert served.api.patch("/v1/domains/example.net", {"min_expires": 300, "default_expires": 1200, "max_expires": 1500,
                                                        "max_bindings": 2}).status == 200
    phone = phones(served, password="second", domain="example.net")
    answer = phone.register(expires=299)
    assert answer.status == 423 and answer.get("Min-Expires") == "300"
    assert phone.register().contacts()[phone.contact]["expires"] == "1200"
    assert phone.register(expires=7000).contacts()[phone.contact]["expires"] == "1500"
    assert phone.register(["<sip:a%d@192.0.2.1>" % n for n in range(3)], call_id="x").status == 403
    assert served.api.patch("/v1/domains/example.net/users/alice", {"max_bindings": 1}).status == 200
    other = phones(served, password="second", domain="example.net")
    assert other.register().status == 403


def test_a_minimum_above_an_hour_is_no_423_for_who_asks_for_an_hour(served, phones):
    """RFC 3261 section 10.3: too brief is below the minimum and below 3600."""
    assert served.api.patch("/v1/domains/example.net", {"min_expires": 5000, "default_expires": 7200, "max_expires": 7200}).status == 200
    phone = phones(served, password="second", domain="example.net")
    assert phone.register(expires=3600).status == 200
    assert phone.register(expires=3599).status == 423
