# SPDX-License-Identifier: Apache-2.0
"""Digest authentication: RFC 3261 section 22, RFC 7616, RFC 8760, and RFC 2617 and 2069 for what is older."""
import hashlib
import re

import pytest

from server import until
from sip import ALGORITHMS, Phone, digest_response, token


def contacts_of(server, user):
    return sorted(b["contact"] for b in server.api.bindings(user))


def challenged(line):
    """The phone with a challenge that it has not used."""
    line.take_challenge(line.send())
    return line


def answer_to(line, **change):
    """The answer to a REGISTER whose Authorization differs in `change` (None drops a parameter)."""
    drop_uri = "uri" in change and change["uri"] is None
    value = line.authorization(**change)
    if drop_uri:
        value = re.sub(r' uri="[^"]*",', "", value)
    return line.send(headers=["Authorization: " + value])


# ---- Challenges

def test_rfc3261_22_1_a_challenge_has_realm_nonce_algorithm_and_qop(line):
    challenge, = line.send().challenges()
    assert challenge["realm"] == "example.com" and challenge["algorithm"] == "MD5" and challenge["qop"] == "auth"
    assert len(challenge["nonce"]) >= 16 and "stale" not in challenge
    value = line.send().get("WWW-Authenticate")
    assert 'qop="auth"' in value and 'realm="example.com"' in value, "quoted as RFC 7616 section 3.3 wants"


def test_each_challenge_has_a_nonce_of_its_own(line):
    nonces = [line.send().challenges()[0]["nonce"] for _ in range(20)]
    assert len(set(nonces)) == 20


def test_rfc8760_2_4_one_challenge_an_algorithm_in_the_configured_order(start, phones):
    server = start({"ROLLCALL_AUTH_ALGORITHMS": "SHA-512-256,SHA-256,MD5"})
    server.api.add_user("alice")
    challenges = phones(server).send().challenges()
    assert [c["algorithm"] for c in challenges] == ["SHA-512-256", "SHA-256", "MD5"]
    assert len({c["nonce"] for c in challenges}) == 3
    for algorithm in ("SHA-512-256", "SHA-256", "MD5"):
        assert phones(server, algorithm=algorithm).register().status == 200
    # Section 2.4: a nonce is for the algorithm that it was offered with
    mixed = phones(server)
    challenge = mixed.send().challenges()[1]
    mixed.challenge = dict(challenge, algorithm="MD5")
    assert mixed.register().status == 401
    # A domain has an order of its own
    assert server.api.patch("/v1/domains/example.com", {"algorithms": ["MD5", "SHA-256"]}).status == 200
    assert [c["algorithm"] for c in phones(server).send().challenges()] == ["MD5", "SHA-256"]


def test_rfc8760_2_3_an_algorithm_that_is_not_offered_is_not_taken(line):
    """No downgrade, nor an upgrade: only what stands in the challenge."""
    challenged(line)
    line.algorithm = "SHA-256"
    answer = answer_to(line)
    assert answer.status == 401 and answer.challenges()[0]["algorithm"] == "MD5"


def test_a_user_with_an_md5_ha1_alone_registers_by_md5_alone(start, phones):
    server = start({"ROLLCALL_AUTH_ALGORITHMS": "SHA-256,MD5"})
    ha1 = hashlib.md5(b"old:example.com:secret").hexdigest()
    assert server.api.put("/v1/domains/example.com/users/old", {"ha1": {"MD5": ha1}}).status == 201
    assert server.api.get("/v1/domains/example.com/users/old").json["algorithms"] == ["MD5"]
    assert phones(server, "old").register().status == 200
    assert phones(server, "old", algorithm="SHA-256").register().status == 401


def test_an_algorithm_that_nobody_knows_is_challenged_again(line):
    answer = answer_to(challenged(line), algorithm="ROT13")
    assert answer.status == 401


def test_algorithm_names_have_no_case_and_md5_is_the_default(line):
    assert answer_to(challenged(line), algorithm="md5").status == 200
    assert answer_to(line, algorithm=None).status == 200, "baresip sends none"
    assert answer_to(line, algorithm='"MD5"').status == 200, "others quote it"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_rfc7616_3_4_2_sess(start, phones, algorithm):
    server = start({"ROLLCALL_AUTH_ALGORITHMS": algorithm})
    server.api.add_user("alice")
    phone = challenged(phones(server, algorithm=algorithm))
    h, nonce, cnonce = ALGORITHMS[algorithm], phone.challenge["nonce"], "0a4f113b"
    ha1 = h("%s:%s:%s" % (h("alice:example.com:secret"), nonce, cnonce))
    response = h("%s:%s:00000001:%s:auth:%s" % (ha1, nonce, cnonce, h("REGISTER:sip:example.com")))
    answer = answer_to(phone, algorithm=algorithm + "-sess", cnonce=cnonce, response=response)
    assert answer.status == 200
    assert answer_to(phone, algorithm=algorithm + "-sess").status == 401, "the plain digest is another"


# ---- What must fit

@pytest.mark.parametrize("change", [
    {"realm": "example.org"}, {"nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, {"nonce": "x"}, {"username": None},
    {"realm": None}, {"nonce": None}, {"uri": None}, {"response": None}, {"response": "0" * 32}, {"response": "zz"},
    {"response": ""}, {"cnonce": None}, {"nc": None}, {"nc": "1"}, {"nc": "0000000g"}, {"nc": "00000000"},
    {"qop": "auth-int"}, {"username": "nobody"}, {"cnonce": "other"}, {"nc": "00000099"}])
def test_rfc7616_3_4_credentials_that_do_not_fit_are_401_without_stale(shared, line, change):
    answer = answer_to(challenged(line), **change)
    assert answer.status == 401 and "stale" not in answer.challenges()[0]
    assert contacts_of(shared, line.user) == []
    assert answer_to(line, count=1).status == 200, "the nonce is still good: nothing right was said with it"


@pytest.mark.parametrize("uri,status", [
    ("sip:example.com", 200), ("sip:EXAMPLE.com", 200), ("sip:example.com:5060", 200), ("sip:127.0.0.1", 200),
    ("sip:somebody@example.com", 200), ("sip:elsewhere.example.org", 401), ("", 401), ("/", 401), ("http://example.com", 401)])
def test_rfc7616_3_4_6_the_uri_names_what_was_asked_for(line, uri, status):
    challenged(line)
    response = digest_response("MD5", line.user, "example.com", "secret", "REGISTER", uri, line.challenge["nonce"],
                               1, "c")
    assert answer_to(line, uri=uri, response=response, cnonce="c").status == status


def test_rfc7616_the_digest_is_of_the_method(line):
    challenged(line)
    response = digest_response("MD5", line.user, "example.com", "secret", "INVITE", "sip:example.com",
                               line.challenge["nonce"], 1, "c")
    assert answer_to(line, response=response, cnonce="c").status == 401


@pytest.mark.parametrize("value", ["Digest", "Digest ", "Digest username", "Digest username=", 'Digest username="x',
                                   "Digest =x", "Basic YWxpY2U6c2VjcmV0", "Bearer abc", "NoOneKnowsThisScheme opaque=here",
                                   'Digest username="a", username="b"', ""])
def test_rfc4475_3_3_7_credentials_that_are_none_are_401_not_400(line, value):
    assert line.send(headers=["Authorization: " + value]).status == 401


def test_quoted_pairs_upper_case_hex_and_odd_blanks_are_read(shared, line):
    challenged(line)
    value = line.authorization()
    response = re.search(r'response="(\w+)"', value).group(1)
    value = value.replace(response, response.upper()).replace(", ", " ,\t").replace("qop=auth", 'qop="auth"')
    value = value.replace('username="', 'USERNAME = "\\').replace("Digest ", "dIGEST   ") + ",,"
    assert line.send(headers=["Authorization: " + value]).status == 200


def test_rfc7616_3_4_4_userhash(line):
    challenged(line)
    hashed = hashlib.md5(("%s:example.com" % line.user).encode()).hexdigest()
    assert answer_to(line, username=hashed, userhash="true").status == 200


def test_rfc3261_22_3_of_several_authorizations_ours_is_picked(line):
    challenged(line)
    foreign = 'Digest username="x", realm="elsewhere", nonce="1", uri="sip:elsewhere", response="%s"' % ("0" * 32)
    for before, after in (([], [foreign]), ([foreign, "Basic eA=="], []), ([foreign], [foreign])):
        values = before + [line.authorization()] + after
        assert line.send(headers=["Authorization: " + value for value in values]).status == 200


def test_proxy_authorization_is_no_authorization(line):
    challenged(line)
    assert line.send(headers=["Proxy-Authorization: " + line.authorization()]).status == 401


def test_the_empty_credentials_of_ims_clients_get_a_challenge_and_are_no_failure(shared, line):
    empty = 'Authorization: Digest username="%s",realm="example.com",nonce="",uri="sip:example.com",response=""' % line.user
    answer = line.send(headers=[empty])
    assert answer.status == 401 and "stale" not in answer.challenges()[0]
    reply = shared.api.get("/v1/domains/example.com/users/%s/attempts" % line.user)
    assert reply.json["attempts"] == []


# ---- Without qop (RFC 2069)

def test_rfc2069_a_client_without_qop_registers_and_its_nonce_is_good_once(line):
    challenged(line)
    del line.challenge["qop"]
    assert answer_to(line).status == 200
    again = answer_to(line)
    assert again.status == 401 and again.challenges()[0]["stale"] == "true"


def test_require_qop_refuses_rfc2069(start, phones):
    server = start({"ROLLCALL_AUTH_REQUIRE_QOP": "true"})
    server.api.add_user("alice")
    phone = challenged(phones(server))
    del phone.challenge["qop"]
    assert phone.register().status == 401
    assert phones(server).register().status == 200


# ---- Nonces and their counts

def test_a_refresh_is_one_round_trip_with_the_next_count(line):
    assert line.register().status == 200
    nonce = line.challenge["nonce"]
    for _ in range(5):
        line.sent = None
        assert answer_to(line).status == 200
    assert line.challenge["nonce"] == nonce


def test_rfc7616_5_12_a_replayed_authorization_is_refused(shared, line, phones):
    assert line.register().status == 200
    stolen, = [x for x in line.sent.split("\r\n") if x.startswith("Authorization")]
    answer = phones(shared, line.user).send(["<sip:thief@192.0.2.66>"], headers=[stolen])
    assert answer.status == 401
    assert contacts_of(shared, line.user) == [line.contact]


def test_counts_that_udp_reordered_are_each_good_once(line):
    challenged(line)
    for count, status in ((1, 200), (5, 200), (3, 200), (4, 200), (3, 401), (5, 401), (1, 401), (2, 200), (6, 200)):
        assert answer_to(line, count=count).status == status, count
    assert answer_to(line, count=100).status == 200
    assert answer_to(line, count=50).status == 401, "too far behind to be remembered"


def test_a_nonce_that_was_never_used_is_good_for_the_first_count_alone(line):
    answer = answer_to(challenged(line), count=2)
    assert answer.status == 401 and answer.challenges()[0]["stale"] == "true"


def test_a_replay_of_what_was_captured_before_a_restart_is_refused(rollcall, phones):
    phone = phones(rollcall)
    unsent = challenged(phones(rollcall)).authorization()
    assert phone.register().status == 200
    used, = [x for x in phone.sent.split("\r\n") if x.startswith("Authorization")]
    rollcall.restart()
    for line in (used, "Authorization: " + phone.authorization(), "Authorization: " + unsent):
        answer = phone.send(["<sip:thief@192.0.2.66>"], headers=[line])
        assert answer.status == 401 and answer.challenges()[0]["stale"] == "true", "right, but too old"
    assert contacts_of(rollcall, "alice") == [phone.contact]
    assert phone.register().status == 200


def test_processes_with_one_secret_take_each_others_nonces_once(start, phones):
    env = {"ROLLCALL_AUTH_SECRET": "a secret that both have"}
    one, two = start(env, name="one"), start(env, name="two")
    for server in (one, two):
        server.api.add_user("alice")
    here, there = challenged(phones(one)), phones(two)
    there.challenge = here.challenge
    assert answer_to(there).status == 200
    assert answer_to(there, count=1).status == 401
    lonely = start({"ROLLCALL_AUTH_SECRET": "another"}, name="three")
    lonely.api.add_user("alice")
    other = phones(lonely)
    other.challenge = here.challenge
    answer = answer_to(other)
    assert answer.status == 401 and "stale" not in answer.challenges()[0]


def test_new_credentials_void_the_nonces(shared, line):
    assert line.register().status == 200
    assert shared.api.patch("/v1/domains/example.com/users/" + line.user, {"password": "changed"}).status == 200
    assert contacts_of(shared, line.user) == []
    assert answer_to(line).status == 401
    line.password = "changed"
    answer = answer_to(line)
    assert answer.status == 401 and answer.challenges()[0]["stale"] == "true"
    line.take_challenge(answer)
    assert answer_to(line).status == 200


# ---- Authentication-Info (RFC 7616 section 3.5)

def auth_info(answer):
    return dict(re.findall(r'(\w+)="?([^",]*)"?', answer.get("Authentication-Info") or ""))


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_rfc7616_3_5_rspauth_proves_that_the_server_knows_the_secret(start, phones, algorithm):
    server = start({"ROLLCALL_AUTH_ALGORITHMS": algorithm, "ROLLCALL_AUTH_RSPAUTH": "true"})
    server.api.add_user("alice")
    phone = challenged(phones(server, algorithm=algorithm))
    response = digest_response(algorithm, "alice", "example.com", "secret", "REGISTER", "sip:example.com",
                               phone.challenge["nonce"], 1, "c")
    info = auth_info(answer_to(phone, cnonce="c", response=response))
    assert info["qop"] == "auth" and info["cnonce"] == "c" and info["nc"] == "00000001"
    assert info["rspauth"] == digest_response(algorithm, "alice", "example.com", "secret", "", "sip:example.com",
                                              phone.challenge["nonce"], 1, "c")


def test_rfc7616_3_5_nextnonce_comes_in_time_and_an_expired_nonce_is_stale_only_when_the_rest_is_right(start, phones):
    server = start({"ROLLCALL_AUTH_NONCE_LIFETIME": "10"})
    server.api.add_user("alice")
    idle, liar = challenged(phones(server)), challenged(phones(server, password="wrong"))
    phone = phones(server)
    assert "nextnonce" not in auth_info(phone.register())
    assert answer_to(idle).status == 200
    nonce = until(lambda: auth_info(phone.register()).get("nextnonce"), "a nextnonce")
    assert nonce != phone.challenge["nonce"]
    phone.challenge, phone.nc = dict(phone.challenge, nonce=nonce), 0
    assert answer_to(phone).status == 200, "without a round trip for a challenge"
    answer = until(lambda: (lambda a: a if a.status == 401 else None)(answer_to(idle)), "the nonce's end")
    assert answer.challenges()[0]["stale"] == "true"
    answer = answer_to(liar)
    assert answer.status == 401 and "stale" not in answer.challenges()[0]
    assert idle.register().status == 200


# ---- Nobody learns who exists

def shape(answer):
    """What an answer shows, but for what differs in any two answers."""
    text = answer.raw.decode()
    for pattern in (r'nonce="[^"]*"', r"branch=\w+", r";tag=\w+", r"rport=\d+", r"Call-ID: \S+", r"sip:[\w-]+@"):
        text = re.sub(pattern, "*", text)
    return re.sub(r":\d+;", ":*;", text)


def test_unknown_user_disabled_user_and_wrong_password_are_answered_alike(shared, line, phones):
    shared.api.add_user("off-" + line.user, enabled=False)
    shapes = set()
    for user in (line.user, "off-" + line.user, "unknown-" + line.user):
        liar = phones(shared, user, "wrong")
        first = liar.send()
        liar.take_challenge(first)
        stolen = answer_to(liar)
        other = phones(shared, user, "wrong", auth_user="someone")
        other.register()
        assert first.status == stolen.status == 401
        shapes.add((shape(first), shape(stolen), shape(other.register())))
    assert len(shapes) == 1


def test_right_credentials_of_another_user_are_403_whether_the_to_user_exists(shared, line, phones):
    shared.api.add_user("victim-" + line.user)
    answers = {shape(phones(shared, user, auth_user=line.user).register())
               for user in ("victim-" + line.user, "unknown-" + line.user)}
    assert len(answers) == 1 and "403" in answers.pop()


def test_a_disabled_user_with_the_right_password_is_403(shared, line, phones):
    shared.api.add_user("off-" + line.user, enabled=False)
    assert phones(shared, "off-" + line.user).register().status == 403


# ---- One login for many AoRs

def test_a_gateway_with_one_login_for_many_aors(shared, line, phones):
    for n in range(3):
        shared.api.add_user("%s-%d" % (line.user, n), "gateway", auth_username="gw")
    gateway = Phone(shared.udp, line.user + "-0", "gateway", auth_user="gw")
    try:
        for n in range(3):
            gateway.user = "%s-%d" % (line.user, n)
            assert gateway.register(call_id=token()).status == 200, "with the nonce it has"
            assert len(contacts_of(shared, gateway.user)) == 1
        gateway.user = line.user
        assert gateway.register().status in (401, 403), "an AoR with a login of its own"
    finally:
        gateway.close()


def test_an_auth_username_replaces_the_user_part_as_login(shared, line, phones):
    shared.api.add_user("ext-" + line.user, auth_username="login-" + line.user)
    assert phones(shared, "ext-" + line.user).register().status == 401
    assert phones(shared, "ext-" + line.user, auth_user="login-" + line.user).register().status == 200


def test_rfc7616_4_a_login_in_utf8(shared, phones):
    shared.api.add_user("j%C3%BCrgen", "p\u00e4ss")
    phone = phones(shared, "j%C3%BCrgen", "p\u00e4ss", auth_user="j\u00fcrgen")
    assert phone.register().status == 200
    assert len(contacts_of(shared, "j%C3%BCrgen")) == 1
