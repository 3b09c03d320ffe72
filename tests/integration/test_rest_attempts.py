# SPDX-License-Identifier: Apache-2.0
"""REST: why is this phone not registered? Each reason with its word and its sentence."""
import pytest

ALICE = "/v1/domains/example.com/users/alice"


def attempts(server, user="alice"):
    reply = server.api.get("/v1/domains/example.com/users/%s/attempts" % user)
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json["attempts"]


def strangers(server, domain="example.com"):
    reply = server.api.get("/v1/domains/%s/attempts" % domain)
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json["attempts"]


def wrong_password(server, phones):
    return phones(server, password="wrong").register(), "wrong password"


def disabled_user(server, phones):
    server.api.patch(ALICE, {"enabled": False})
    return phones(server).register(), "the user is disabled"


def not_allowed_for_aor(server, phones):
    server.api.add_user("bob", "of bob")
    return phones(server, password="of bob", auth_user="bob").register(), "right credentials, but of another user"


def bad_credentials(server, phones):
    phone = phones(server)
    phone.take_challenge(phone.send())
    line = "Authorization: " + phone.authorization(realm="elsewhere")
    return phone.send(headers=[line]), "the Authorization header does not fit the challenge"


def replayed_nonce(server, phones):
    phone = phones(server)
    assert phone.register().status == 200
    line = "Authorization: " + phone.authorization(count=1)
    return phone.send(headers=[line]), "nonce count was used before"


def stale_nonce(server, phones):
    phone = phones(server)
    phone.take_challenge(phone.send())
    server.api.patch(ALICE, {"password": "new"})
    phone.password = "new"
    line = "Authorization: " + phone.authorization()
    return phone.send(headers=[line]), "nonce expired"


def cseq_out_of_order(server, phones):
    phone = phones(server)
    assert phone.register(cseq=10).status == 200
    return phone.register(cseq=9), "CSeq out of order"


def interval_too_brief(server, phones):
    return phones(server).register(expires=10), "interval too brief"


def too_many_bindings(server, phones):
    contacts = ["<sip:alice@192.0.2.%d>" % n for n in range(11)]
    return phones(server).register(contacts=contacts), "too many bindings"


STATUS = {wrong_password: 401, disabled_user: 403, not_allowed_for_aor: 403, bad_credentials: 401,
          replayed_nonce: 401, stale_nonce: 401, cseq_out_of_order: 500, interval_too_brief: 423,
          too_many_bindings: 403}


@pytest.mark.parametrize("fault", STATUS, ids=lambda fault: fault.__name__)
def test_each_reason_has_its_word_and_its_sentence(rollcall, phones, fault):
    reply, sentence = fault(rollcall, phones)
    assert reply.status == STATUS[fault]
    newest = attempts(rollcall)[0]
    assert (newest["reason"], newest["status"], newest["count"]) == (fault.__name__, reply.status, 1)
    assert sentence.lower() in newest["detail"].lower()
    assert newest["aor"] == "sip:alice@example.com" and newest["transport"] == "udp"
    assert newest["user_agent"] == "wire-test/1.0" and newest["source"].startswith("127.0.0.1:")
    assert newest["first_at"] == newest["at"]


def test_a_success_is_an_attempt_and_a_challenge_is_none(rollcall, phones):
    phone = phones(rollcall, transport="tcp")
    phone.register()
    only, = attempts(rollcall)
    assert (only["reason"], only["status"], only["transport"]) == ("ok", 200, "tcp")
    assert only["source"] == "%s:%d" % phone.wire.local


def test_equal_attempts_are_counted_and_the_newest_comes_first(rollcall, phones):
    for _ in range(3):
        wrong_password(rollcall, phones)
    phones(rollcall).register()
    newest, older = attempts(rollcall)
    assert newest["reason"] == "ok"
    assert (older["reason"], older["count"]) == ("wrong_password", 3) and older["first_at"] <= older["at"]


def test_attempts_on_users_that_do_not_exist_are_shown_by_domain(rollcall, phones):
    rollcall.api.put("/v1/domains/other.example", {"aliases": ["alias.example"]})
    phones(rollcall, "nobody").register()
    phones(rollcall, "a%20b", auth_user="a b").register()
    phones(rollcall, "elsewhere", domain="other.example").register()
    wrong_password(rollcall, phones)
    shown = strangers(rollcall)
    assert [a["aor"] for a in shown] == ["sip:a%20b@example.com", "sip:nobody@example.com"]
    assert {(a["reason"], a["status"], a["detail"]) for a in shown} == {("unknown_user", 401, "unknown user")}
    assert [a["aor"] for a in strangers(rollcall, "alias.example")] == ["sip:elsewhere@other.example"]


def test_a_user_who_was_tried_before_there_was_one_has_a_history(rollcall, phones):
    path = "/v1/domains/example.com/users/late/attempts"
    assert rollcall.api.get(path).status == 404, "neither a user nor an attempt"
    phones(rollcall, "late").register()
    assert [a["reason"] for a in attempts(rollcall, "late")] == ["unknown_user"]
    rollcall.api.add_user("late")
    phones(rollcall, "late").register()
    assert [a["reason"] for a in attempts(rollcall, "late")] == ["ok", "unknown_user"]


def test_nothing_has_been_tried_yet(rollcall):
    assert attempts(rollcall) == [] and strangers(rollcall) == []
    assert rollcall.api.get("/v1/domains/nowhere.example/attempts").status == 404
    assert rollcall.api.get("/v1/domains/nowhere.example/users/alice/attempts").status == 404


def test_a_domain_that_folds_names_has_one_history_a_user(rollcall, phones):
    rollcall.api.put("/v1/domains/fold.example", {"case_insensitive_users": True})
    rollcall.api.add_user("Anna", domain="fold.example")
    phones(rollcall, "ANNA", domain="fold.example", password="wrong").register()
    reply = rollcall.api.get("/v1/domains/FOLD.example/users/anna/attempts")
    assert [a["reason"] for a in reply.json["attempts"]] == ["wrong_password"]


def test_at_most_fifty_attempts_are_shown(rollcall, phones):
    phone = phones(rollcall, password="wrong")
    for n in range(45):
        phone.user_agent = "phone/%d" % n
        phone.challenge = None
        phone.register()
    phone.password = "secret"
    for n in range(12):
        phone.user_agent = "phone/%d" % n
        phone.challenge = None
        assert phone.register().status == 200
    shown = attempts(rollcall)
    assert len(shown) == 50 and [a["reason"] for a in shown].count("ok") == 10
    assert shown[0]["user_agent"] == "phone/11"


def test_the_read_token_sees_attempts(rollcall, read_api, phones):
    wrong_password(rollcall, phones)
    assert read_api.get(ALICE + "/attempts").json["attempts"][0]["reason"] == "wrong_password"
