# SPDX-License-Identifier: Apache-2.0
"""REST: who is registered where; filters, pages, look-ups, ETags, and taking bindings away."""
import json
import threading
import urllib.parse

import pytest

from server import for_a_moment, until

ALICE = "/v1/domains/example.com/users/alice"
TIMES = {"expires_at", "refreshed_at", "cseq"}


def quote(text):
    return urllib.parse.quote(text, safe="")


def pages(api, query="", change=lambda n: None):
    """The pages of /v1/bindings for this query, following cursors; `change` runs before each."""
    cursor, found = "", []
    while cursor is not None:
        change(len(found))
        reply = api.get("/v1/bindings?" + query + ("&cursor=" + cursor if cursor else ""))
        assert reply.status == 200, (reply.status, reply.body)
        found.append(reply.json)
        cursor = reply.json["next_cursor"]
    return found


def aors(api, query=""):
    return [b["aor"] for page in pages(api, query) for b in page["bindings"]]


def lookup(api, asked, headers=None, **more):
    return api.request("POST", "/v1/bindings:lookup", dict(more, aors=asked), headers)


def problem(reply, status):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    return reply.json


def import_users(api, names, domain="example.com"):
    lines = "".join(json.dumps({"domain": domain, "username": name, "password": "secret"}) + "\n" for name in names)
    reply = api.request("POST", "/v1/users:import", lines, {"Content-Type": "application/x-ndjson"})
    assert reply.status == 200, (reply.status, reply.body)
    results = [json.loads(line) for line in reply.body.splitlines()]
    assert [r["status"] for r in results] == [201] * len(results) and len(results) == len(lines.splitlines())


@pytest.fixture
def crowd(rollcall, phones):
    """Four phones that differ in all that a filter looks at."""
    api = rollcall.api
    assert api.put("/v1/domains/other.example", {"aliases": ["alias.example"]}).status == 201
    for name in ("bob", "bobby"):
        api.add_user(name)
    api.add_user("carol", domain="other.example")
    made = {
        "alice": phones(rollcall, user_agent="Alpha/1.0"),
        "bob": phones(rollcall, "bob", transport="tcp", user_agent="Beta/2.0"),
        "bobby": phones(rollcall, "bobby", user_agent="Gamma", source=("127.0.0.2", 0)),
        "carol": phones(rollcall, "carol", domain="other.example", user_agent="alpha/9"),
    }
    for name, phone in made.items():
        assert phone.register(expires=600 if name == "alice" else 3000).status == 200
    return rollcall


ALL = ["sip:alice@example.com", "sip:bob@example.com", "sip:bobby@example.com", "sip:carol@other.example"]
A, B, BB, C = ALL


# -- the object

def test_a_binding_as_it_is_shown(rollcall, phones):
    phone = phones(rollcall, user_agent="IMS phone/2")
    params = (';+g.oma.sip-im;language="en,fr";+g.3gpp.smsip;audio;q=0.7'
              ';+g.3gpp.mpeg-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";x="a\\"b"')
    assert phone.register(contacts=["<%s>%s" % (phone.contact, params)], expires=600,
                          headers=["Path: <sip:edge.example;lr>", "Supported: path"]).status == 200
    shown, = rollcall.api.bindings("alice")
    assert shown["contact"] == phone.contact and shown["aor"] == A and shown["q"] == 0.7
    assert shown["contact_params"] == {
        "+g.oma.sip-im": None, "language": "en,fr", "+g.3gpp.smsip": None, "audio": None,
        "+g.3gpp.mpeg-ref": "urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel", "x": 'a"b'}
    assert shown["path"] == ["<sip:edge.example;lr>"]
    assert shown["source"] == "%s:%d" % phone.wire.local and shown["transport"] == "udp"
    assert shown["call_id"] == phone.call_id and shown["user_agent"] == "IMS phone/2"
    assert isinstance(shown["id"], str) and shown["nat"] is False and shown["unreachable"] is False
    assert shown["registered_at"] == shown["refreshed_at"] < shown["expires_at"]


def test_an_id_is_stable_over_refreshes(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    first, = rollcall.api.bindings("alice")
    phone.register()
    second, = rollcall.api.bindings("alice")
    assert {k for k in first if first[k] != second[k]} <= TIMES and first["cseq"] < second["cseq"]


def test_what_is_no_utf8_is_shown_all_the_same(rollcall, phones):
    assert phones(rollcall, user_agent="caf\udce9 \udcff").register().status == 200
    shown, = rollcall.api.bindings("alice")
    assert shown["user_agent"] == "caf\ufffd \ufffd"


def test_an_expired_binding_is_never_shown(start, phones):
    server = start(env={"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    assert phones(server).register(expires=1).status == 200
    until(lambda: server.api.bindings("alice") == [], "the end of a second")
    assert aors(server.api) == []
    result, = lookup(server.api, [A]).json["results"]
    assert (result["known"], result["registered"], result["binding_count"], result["bindings"]) == (True, False, 0, [])


def test_the_bindings_of_nobody_are_404(api):
    problem(api.get("/v1/domains/example.com/users/nobody/bindings"), 404)
    problem(api.get("/v1/domains/nowhere.example/users/alice/bindings"), 404)
    problem(api.delete("/v1/domains/example.com/users/nobody/bindings"), 404)
    assert api.get(ALICE + "/bindings").json["bindings"] == []


# -- filters

@pytest.mark.parametrize("query,want", [
    ("", ALL),
    ("domain=example.com", [A, B, BB]), ("domain=EXAMPLE.COM", [A, B, BB]), ("domain=other.example", [C]),
    ("domain=alias.example", [C]), ("domain=nowhere.example", []),
    ("user_prefix=bob", [B, BB]), ("user_prefix=bobb", [BB]), ("user_prefix=c", [C]), ("user_prefix=a", [A]),
    ("user_prefix=Bob", []), ("user_prefix=zz", []), ("domain=other.example&user_prefix=bob", []),
    ("transport=udp", [A, BB, C]), ("transport=tcp", [B]),
    ("user_agent_prefix=alpha", [A, C]), ("user_agent_prefix=Beta%2F2", [B]), ("user_agent_prefix=x", []),
    ("source=127.0.0.2", [BB]), ("source=127.0.0.0%2F31", [A, B, C]), ("source=127.0.0.0/8", ALL),
    ("source=2001:db8::%2F32", []),
    ("transport=udp&user_agent_prefix=alpha&domain=example.com", [A]),
    ("registered_after=2020-01-01T00:00:00Z", ALL), ("registered_after=2090-01-01T00:00:00Z", []),
    ("expires_before=2020-01-01T00:00:00Z", []), ("expires_before=2090-01-01T00:00:00%2B01:00", ALL),
])
def test_filters(crowd, query, want):
    assert aors(crowd.api, query) == want
    assert aors(crowd.api, query + "&limit=1") == want


def test_filters_by_time_split_where_they_should(crowd):
    shown = {b["aor"]: b for b in pages(crowd.api)[0]["bindings"]}
    assert aors(crowd.api, "expires_before=" + shown[A]["expires_at"]) == [], "the end itself is not before it"
    assert aors(crowd.api, "expires_before=" + shown[BB]["expires_at"])[0] == A
    latest = max(b["registered_at"] for b in shown.values())
    assert aors(crowd.api, "registered_after=" + latest) == []
    earliest = min(b["registered_at"] for b in shown.values())
    assert set(aors(crowd.api, "registered_after=" + earliest)) == {
        aor for aor, b in shown.items() if b["registered_at"] > earliest}


def test_a_domain_that_folds_names_folds_prefixes(rollcall, phones):
    rollcall.api.put("/v1/domains/fold.example", {"case_insensitive_users": True})
    for name in ("Anna", "anton", "bert"):
        rollcall.api.add_user(name, domain="fold.example")
        assert phones(rollcall, name, domain="fold.example").register().status == 200
    want = ["sip:Anna@fold.example", "sip:anton@fold.example"]
    assert aors(rollcall.api, "user_prefix=AN") == want
    assert aors(rollcall.api, "user_prefix=an&limit=1") == want


@pytest.mark.parametrize("query", [
    "domain=", "user_prefix=", "user_agent_prefix=", "transport=", "transport=sctp", "source=", "source=nonsense",
    "source=127.0.0.1%2F33", "expires_before=", "expires_before=now", "expires_before=2026-02-30T00:00:00Z",
    "registered_after=1700000000", "view=", "view=some", "limit=", "limit=0", "limit=1001", "limit=-1", "cursor=",
    "cursor=nonsense", "cursor=AAAAAAAAAAAA", "user_prefix=" + "x" * 129, "nosuch=1"])
def test_bad_arguments_are_400_and_named(api, query):
    reply = problem(api.get("/v1/bindings?" + query), 400)
    assert query.partition("=")[0] in reply["detail"]


def test_a_filter_that_matches_nothing_ends_each_page_after_bounded_work(rollcall, phones):
    api = rollcall.api
    import_users(api, ["u%04d" % n for n in range(6000)])
    assert phones(rollcall, "u5999").register().status == 200
    first = api.get("/v1/bindings?transport=tcp").json
    assert first["bindings"] == [] and first["next_cursor"], "a page of thousands of users ends early"
    found = pages(api, "transport=tcp&limit=1000")
    assert 2 <= len(found) <= 60 and all(page["bindings"] == [] for page in found)
    assert aors(api, "limit=1") == ["sip:u5999@example.com"]
    assert aors(api, "user_prefix=u5999&limit=1") == ["sip:u5999@example.com"]
    assert len(pages(api, "user_prefix=u5999")) == 1, "a prefix is looked for, not walked to"


# -- pages

def test_pages_end_among_a_users_bindings(rollcall, phones):
    phone, want = phones(rollcall), []
    for n in range(7):
        want.append("sip:alice@192.0.2.%d" % n)
        assert phone.register(contacts=["<%s>" % want[-1]]).status == 200
    rollcall.api.add_user("bob")
    assert phones(rollcall, "bob").register().status == 200
    for limit in range(1, 10):
        found = pages(rollcall.api, "limit=%d" % limit)
        assert [len(page["bindings"]) for page in found] == [limit] * (8 // limit) + [8 % limit] * (8 % limit > 0)
        contacts = [b["contact"] for page in found for b in page["bindings"]]
        assert contacts[:7] == want and len(contacts) == 8


def test_a_page_that_ended_in_a_user_who_is_gone_goes_on_behind(rollcall, phones):
    phone = phones(rollcall)
    phone.register(contacts=["<sip:alice@192.0.2.%d>" % n for n in range(4)])
    rollcall.api.add_user("bob")
    phones(rollcall, "bob").register()

    def change(n):
        if n == 1:
            assert rollcall.api.delete(ALICE).status == 204

    found = pages(rollcall.api, "limit=2", change)
    assert [[b["aor"] for b in page["bindings"]] for page in found] == [[A, A], [B]]


def test_pages_under_writes_skip_and_repeat_nothing(rollcall, phones):
    api, stop = rollcall.api, threading.Event()
    steady = ["s%02d" % n for n in range(40)]
    import_users(api, steady + ["t%02d" % n for n in range(0, 40)])
    for name in steady:
        assert phones(rollcall, name).register().status == 200
    busy = [phones(rollcall, "t%02d" % n) for n in range(40)]

    def churn():
        while not stop.is_set():
            for phone in busy:
                phone.register()
                phones_of_steady.register()
                phone.unregister()

    phones_of_steady = phones(rollcall, "s07")
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for limit in (1, 3, 7, 50):
            seen = [b for page in pages(api, "limit=%d" % limit) for b in page["bindings"]]
            assert len(seen) == len({b["id"] for b in seen}), "twice"
            names = [b["contact"][4:7] for b in seen if b["contact"].startswith("sip:s")]
            assert sorted(set(names)) == steady, "skipped"
    finally:
        stop.set()
        thread.join()


def test_a_cursor_holds_for_its_question_and_its_store(crowd, start, tmp_path):
    cursor = crowd.api.get("/v1/bindings?limit=1").json["next_cursor"]
    assert crowd.api.get("/v1/bindings?limit=2&cursor=" + cursor).status == 200, "another size is no other question"
    problem(crowd.api.get("/v1/bindings?transport=udp&cursor=" + cursor), 400)
    problem(crowd.api.get("/v1/domains/example.com/users?cursor=" + cursor), 400)
    problem(start(name="second").api.get("/v1/bindings?cursor=" + cursor), 400)


def test_as_of_is_the_same_before_and_after_a_plain_refresh(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    first = rollcall.api.get("/v1/bindings").json["as_of"]
    phone.register()
    assert rollcall.api.get("/v1/bindings").json["as_of"] == first
    assert rollcall.api.get(ALICE + "/bindings").json["as_of"] == first
    assert lookup(rollcall.api, [A]).json["as_of"] == first
    phone.unregister()
    assert rollcall.api.get("/v1/bindings").json["as_of"] != first


# -- look-ups

def test_lookup_finds_aliases_escapes_and_folded_names(crowd, phones):
    api = crowd.api
    api.add_user(quote("a b@c"))
    assert phones(crowd, "a%20b%40c", auth_user="a b@c").register().status == 200
    api.put("/v1/domains/fold.example", {"case_insensitive_users": True})
    api.add_user("Dora", domain="fold.example")
    assert phones(crowd, "dora", domain="fold.example", auth_user="Dora").register().status == 200
    asked = [C, "sip:carol@ALIAS.example", "sips:carol@other.example:5070;transport=tcp", "sip:Carol@other.example",
             "sip:a%20b%40c@example.com", "sip:%61lice@example.com", "sip:DORA@fold.example", "sip:alice@nowhere.example"]
    reply = lookup(api, asked)
    assert reply.status == 200 and [r["aor"] for r in reply.json["results"]] == asked, "as it was asked"
    assert [r["known"] for r in reply.json["results"]] == [True, True, True, False, True, True, True, False]
    assert [[b["aor"] for b in r["bindings"]] for r in reply.json["results"]] == [
        [C], [C], [C], [], ["sip:a%20b%40c@example.com"], [A], ["sip:Dora@fold.example"], []]


def test_lookup_takes_up_to_a_thousand_in_the_order_asked(crowd):
    assert lookup(crowd.api, []).json["results"] == []
    asked = ["sip:u%d@example.com" % n for n in range(999, 0, -1)] + [A]
    results = lookup(crowd.api, asked).json["results"]
    assert [r["aor"] for r in results] == asked
    assert [r["aor"] for r in results if r["registered"]] == [A] and results[-1]["binding_count"] == 1
    assert len(lookup(crowd.api, [A] * 1000).json["results"]) == 1000
    assert problem(lookup(crowd.api, [A] * 1001), 422)["errors"][0]["field"] == "aors"


@pytest.mark.parametrize("body,field", [
    ({}, "aors"), ({"aors": "sip:a@b.c"}, "aors"), ({"aors": None}, "aors"), ({"aors": [A, A, A, 5]}, "aors[3]"),
    ({"aors": [A, A, A, "nonsense"]}, "aors[3]"), ({"aors": ["sip:example.com"]}, "aors[0]"),
    ({"aors": [""]}, "aors[0]"), ({"aors": ["sip:" + "x" * 1100 + "@example.com"]}, "aors[0]"),
    ({"aors": [A, "sip:a%2@b.c"]}, "aors[1]"), ({"aors": [], "view": "some"}, "view"),
    ({"aors": [], "view": 1}, "view"), ({"aors": [], "nosuch": 1}, "nosuch")])
def test_a_fault_of_a_lookup_is_named(api, body, field):
    reply = problem(api.request("POST", "/v1/bindings:lookup", body), 422)
    assert field in [error["field"] for error in reply["errors"]]


@pytest.mark.parametrize("body,status", [
    ("", 400), ("5", 400), ('{"aors": []', 400), ('{"aors": [], "aors": []}', 400), ("[]", 422)])
def test_a_lookup_that_is_no_json_is_400_and_no_object_422(api, body, status):
    problem(api.request("POST", "/v1/bindings:lookup", body, {"Content-Type": "application/json"}), status)


def test_a_look_up_with_the_read_token(crowd, read_api):
    assert lookup(read_api, [A]).json["results"][0]["registered"] is True
    problem(read_api.delete(ALICE + "/bindings"), 403)


# -- ETags

def polls(api):
    """Each way to ask for bindings, as a function of the ETag; full view and status."""
    for view in ("full", "status"):
        yield view, lambda etag, v=view: api.get(ALICE + "/bindings?view=" + v, If_None_Match=etag)
        yield view, lambda etag, v=view: api.get("/v1/bindings?view=" + v, If_None_Match=etag)
        yield view, lambda etag, v=view: lookup(api, [A, "sip:nobody@example.com"], {"If-None-Match": etag}, view=v)


def test_a_poll_is_304_until_something_changes(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    for view, poll in polls(rollcall.api):
        first = poll("none")
        etag = first.headers["ETag"]
        assert first.status == 200 and first.body
        again = poll(etag)
        assert again.status == 304 and again.body == b"" and again.headers["ETag"] == etag
        assert poll('"other", ' + etag).status == 304
        assert phone.register().status == 200
        after = poll(etag)
        assert after.status == (200 if view == "full" else 304), "a refresh"
        etag = after.headers["ETag"]
        assert phone.register(contacts=["<sip:alice@192.0.2.77>"]).status == 200
        after = poll(etag)
        assert after.status == 200 and after.headers["ETag"] != etag, "somebody came"
        etag = after.headers["ETag"]
        assert phone.unregister("sip:alice@192.0.2.77").status == 200
        assert poll(etag).status == 200, "somebody went"


def test_a_view_of_the_status_leaves_out_what_a_refresh_changes(rollcall, phones):
    phones(rollcall).register()
    full = rollcall.api.get(ALICE + "/bindings").json["bindings"][0]
    for reply in (rollcall.api.get(ALICE + "/bindings?view=status").json["bindings"],
                  rollcall.api.get("/v1/bindings?view=status").json["bindings"],
                  lookup(rollcall.api, [A], view="status").json["results"][0]["bindings"]):
        assert reply == [{k: v for k, v in full.items() if k not in TIMES}]


def test_an_expiry_changes_the_tags(start, phones):
    server = start(env={"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    phone = phones(server)
    for _, poll in polls(server.api):
        before = for_a_moment(
            lambda seconds: phone.register(["<sip:alice@192.0.2.1>;expires=600", "<sip:alice@192.0.2.2>;expires=%d" % seconds]),
            lambda: (lambda r: b"192.0.2.2" in r.body and r)(poll("none")))

        def expired():
            """Until the sweep has been there the tag may change with the moment, and what is shown not."""
            after = poll(before.headers["ETag"])
            return after.status == 200 and b"192.0.2.2" not in after.body and b"192.0.2.1" in after.body

        until(expired, "an expiry")


def test_tags_differ_by_question(crowd):
    tags = [crowd.api.get("/v1/bindings?" + query).headers["ETag"]
            for query in ("", "limit=5", "domain=example.com", "transport=udp", "view=status")]
    assert len(set(tags)) == len(tags)


def test_a_tag_is_the_same_for_every_token(crowd, read_api):
    for path in ("/v1/bindings", ALICE + "/bindings"):
        assert crowd.api.get(path).headers["ETag"] == read_api.get(path).headers["ETag"]


# -- taking away

def test_a_binding_that_is_deleted_leaves_the_others(rollcall, phones):
    phone = phones(rollcall)
    phone.register(contacts=["<sip:alice@192.0.2.%d>" % n for n in range(3)])
    ids = [b["id"] for b in rollcall.api.bindings("alice")]
    assert rollcall.api.delete(ALICE + "/bindings/" + ids[1]).status == 204
    assert [b["id"] for b in rollcall.api.bindings("alice")] == [ids[0], ids[2]]
    problem(rollcall.api.delete(ALICE + "/bindings/" + ids[1]), 404)
    assert set(phone.bindings()) == {"sip:alice@192.0.2.0", "sip:alice@192.0.2.2"}


@pytest.mark.parametrize("name", ["0", "nonsense", "-1", "18446744073709551616", "%20"])
def test_an_id_that_was_never_given_out_is_404(rollcall, phones, name):
    phones(rollcall).register()
    problem(rollcall.api.delete(ALICE + "/bindings/" + name), 404)
    assert len(rollcall.api.bindings("alice")) == 1


def test_a_binding_is_deleted_under_its_own_user_only(rollcall, phones):
    phones(rollcall).register()
    rollcall.api.add_user("bob")
    name = rollcall.api.bindings("alice")[0]["id"]
    problem(rollcall.api.delete("/v1/domains/example.com/users/bob/bindings/" + name), 404)
    assert len(rollcall.api.bindings("alice")) == 1


def test_deleting_all_bindings_of_nobody_registered_is_done_already(api):
    assert api.delete(ALICE + "/bindings").status == 204


def test_a_phone_may_come_back_after_a_delete(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    before = rollcall.api.bindings("alice")[0]["id"]
    assert rollcall.api.delete(ALICE + "/bindings").status == 204
    assert phone.register().status == 200
    assert rollcall.api.bindings("alice")[0]["id"] != before
