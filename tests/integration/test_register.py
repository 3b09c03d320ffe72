# SPDX-License-Identifier: Apache-2.0
"""The main job: a phone registers, refreshes, asks, leaves; REST shows it."""
import email.utils
import time

import pytest

from server import until


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("transport,family", [("udp", 4), ("tcp", 4), ("udp", 6), ("tcp", 6)])
def test_register_refresh_query_unregister(start, phones, request, transport, family, algorithm):
    if family == 6:
        request.getfixturevalue("ipv6")
    host = "127.0.0.1" if family == 4 else "[::1]"
    server = start({"ROLLCALL_SIP_LISTEN": "udp://%s:0,tcp://%s:0" % (host, host),
                    "ROLLCALL_AUTH_ALGORITHMS": algorithm})
    server.api.add_user("alice")
    phone = phones(server, transport=transport, family=family, algorithm=algorithm)

    first = phone.send(expires=600)
    assert first.status == 401
    assert [c["algorithm"] for c in first.challenges()] == [algorithm]
    assert first.challenges()[0]["realm"] == "example.com"
    assert "auth" in first.challenges()[0]["qop"]

    phone.take_challenge(first)
    registered = phone.register(expires=600)
    assert registered.status == 200, registered
    assert list(registered.contacts()) == [phone.contact]
    assert registered.contacts()[phone.contact]["expires"] == "600"
    assert registered.get("Expires") == "600"
    assert email.utils.parsedate_to_datetime(registered.get("Date"))

    nonce = phone.challenge["nonce"]
    refreshed = phone.register(expires=700)
    assert refreshed.status == 200, "a refresh is one round trip with the next nonce count"
    assert phone.challenge["nonce"] == nonce
    assert int(refreshed.contacts()[phone.contact]["expires"]) in (699, 700)

    assert list(phone.bindings()) == [phone.contact]
    binding, = server.api.bindings("alice")
    assert binding["contact"] == phone.contact
    assert binding["transport"] == transport
    assert binding["user_agent"] == phone.user_agent
    assert binding["call_id"] == phone.call_id
    assert binding["source"].rpartition(":")[2] == str(phone.wire.local[1])
    assert binding["source"].startswith(host)

    gone = phone.unregister()
    assert gone.status == 200 and gone.all("Contact") == []
    assert server.api.bindings("alice") == []


def test_the_first_message_of_the_field_report(start, phones):
    """Empty nonce and response, many headers of no use, and contact parameters that come back."""
    server = start({"ROLLCALL_REGISTRAR_DOMAINS": "192.168.1.173"})
    server.api.add_user("1008", "4711", "192.168.1.173", auth_username="1008")
    phone = phones(server, "1008", "4711", domain="192.168.1.173")
    params = ('+g.oma.sip-im;language="en,fr";+g.3gpp.smsip;audio;'
              '+g.3gpp.mpeg-ref="urn%3Aurn-7%3A3gpp-application.ims.iari.gsma-vs"')
    contact = "<%s>;%s;expires=1700" % (phone.contact, params)
    useless = ["Supported: path", "P-Preferred-Identity: <sip:1008@192.168.1.173>", "Privacy: none",
               "P-Access-Network-Info: ADSL;utran-cell-id-3gpp=00000000",
               "Allow: INVITE, ACK, CANCEL, BYE, MESSAGE, OPTIONS, NOTIFY, PRACK, UPDATE, REFER, INFO",
               "Allow-Events: presence, reg", "Accept-Language: en, fr;q=0.5", "Organization: none",
               "P-Charging-Vector: icid-value=1", "Subject: test", "Priority: normal",
               "Server: none", "Timestamp: 54"]
    empty = ('Authorization: Digest username="1008", realm="192.168.1.173", nonce="", '
             'uri="sip:192.168.1.173", response=""')

    first = phone.send([contact], headers=useless + [empty])
    assert first.status == 401, first
    assert first.challenges()[0].get("stale", "false").lower() != "true"
    phone.take_challenge(first)
    answer = phone.register([contact], headers=useless)
    assert answer.status == 200, answer

    def check(back):
        assert back["+g.oma.sip-im"] is None and back["audio"] is None
        assert back["language"] == '"en,fr"'
        assert back["+g.3gpp.mpeg-ref"] == '"urn%3Aurn-7%3A3gpp-application.ims.iari.gsma-vs"'

    assert answer.contacts()[phone.contact]["expires"] == "1700"
    check(answer.contacts()[phone.contact])
    check(phone.bindings()[phone.contact])
    binding, = server.api.bindings("1008", "192.168.1.173")
    shown = binding["contact_params"]
    assert shown["language"].strip('"') == "en,fr"
    assert shown["+g.oma.sip-im"] is None and shown["audio"] is None
    assert "expires" not in shown


def test_a_binding_is_gone_when_it_expires(start, phones):
    server = start({"ROLLCALL_REGISTRAR_MIN_EXPIRES": "1"})
    server.api.add_user("alice")
    phone = phones(server)
    begin = time.monotonic()
    assert phone.register(expires=2).status == 200
    assert len(server.api.bindings("alice")) == 1 or time.monotonic() - begin > 2
    until(lambda: not server.api.bindings("alice"), "the expiry")
    assert time.monotonic() - begin >= 1.9, "not before its time"
    assert phone.bindings() == {}
    until(lambda: server.api.get("/v1/stats").json["bindings"] == 0, "the counter")


def test_attempts_say_why_a_phone_is_not_registered(rollcall, phones):
    phones(rollcall, password="wrong").register()
    reply = rollcall.api.get("/v1/domains/example.com/users/alice/attempts")
    assert reply.status == 200
    assert reply.json["attempts"][0]["reason"] == "wrong_password"
    phones(rollcall, "nobody").register()
    reply = rollcall.api.get("/v1/domains/example.com/attempts")
    assert "unknown_user" in [a["reason"] for a in reply.json["attempts"]]


def test_a_failed_register_is_one_readable_line_without_secrets(rollcall, phones):
    phones(rollcall, password="not-this-one").register()
    line, = until(lambda: rollcall.events("wrong_password"), "the line")
    assert line["source"].startswith("127.0.0.1:")
    assert "alice" in line["aor"]
    assert "not-this-one" not in rollcall.text() and "secret" not in rollcall.text()
