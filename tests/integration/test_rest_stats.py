# SPDX-License-Identifier: Apache-2.0
"""REST: the numbers of /v1/stats."""
import concurrent.futures

from server import until


def stats(server):
    reply = server.api.get("/v1/stats")
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json


def test_an_empty_registrar_counts_nothing(start):
    server = start(env={"ROLLCALL_REGISTRAR_DOMAINS": ""})
    assert stats(server) == {"users": 0, "registered_users": 0, "bindings": 0, "by_domain": {},
                             "by_transport": {"udp": 0, "tcp": 0}}


def test_users_and_bindings_are_counted_by_domain_and_transport(rollcall, phones):
    rollcall.api.put("/v1/domains/other.example", {})
    rollcall.api.add_user("bob", domain="other.example")
    phone = phones(rollcall)
    phone.register(contacts=["<sip:alice@192.0.2.1>", "<sip:alice@192.0.2.2>"])
    phones(rollcall, "bob", domain="other.example", transport="tcp").register()
    assert stats(rollcall) == {
        "users": 2, "registered_users": 2, "bindings": 3, "by_transport": {"udp": 2, "tcp": 1},
        "by_domain": {"example.com": {"users": 1, "registered_users": 1, "bindings": 2},
                      "other.example": {"users": 1, "registered_users": 1, "bindings": 1}}}
    phone.unregister("sip:alice@192.0.2.1")
    assert stats(rollcall)["by_domain"]["example.com"] == {"users": 1, "registered_users": 1, "bindings": 1}
    assert rollcall.api.delete("/v1/domains/other.example?cascade=true").status == 204
    assert stats(rollcall) == {
        "users": 1, "registered_users": 1, "bindings": 1, "by_transport": {"udp": 1, "tcp": 0},
        "by_domain": {"example.com": {"users": 1, "registered_users": 1, "bindings": 1}}}


def test_an_expiry_is_counted_soon(start, phones):
    server = start(env={"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    assert phones(server).register(expires=1).status == 200
    until(lambda: stats(server)["bindings"] == 0, "the expiry in the counters")
    assert stats(server)["registered_users"] == 0


def test_the_first_thousand_domains_are_shown(start):
    server = start(env={"ROLLCALL_REGISTRAR_DOMAINS": ""})
    names = ["d%04d.example" % n for n in range(1002)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda name: server.api.put("/v1/domains/" + name, {}), names)
        assert {reply.status for reply in replies} == {201}
    server.api.add_user("alice", domain=names[-1])
    shown = stats(server)
    assert list(shown["by_domain"]) == names[:1000]
    assert shown["users"] == 1, "the sums are of all"


def test_the_numbers_are_those_before_a_restart(rollcall, phones):
    phones(rollcall).register()
    before = stats(rollcall)
    rollcall.restart()
    assert stats(rollcall) == before


def test_stats_take_no_arguments_and_the_read_token(rollcall, read_api):
    assert rollcall.api.get("/v1/stats?domain=example.com").status == 400
    assert read_api.get("/v1/stats").json == stats(rollcall)
