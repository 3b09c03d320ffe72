# SPDX-License-Identifier: Apache-2.0
"""RFC 3327 (Path), 3608 (Service-Route), 5626 (outbound), 8599 (push), 7118 (.invalid), 6140 (gin), 3840."""
import socket
import struct

import pytest

from sip import token

INSTANCE = "<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"
OUTBOUND = ["Supported: path, outbound"]


def flow(contact, reg_id=1, instance=INSTANCE, more=""):
    return '<%s>;+sip.instance="%s";reg-id=%s%s' % (contact, instance, reg_id, more)


def behind_a_proxy(phone, path=None):
    """The options of a REGISTER that came through an edge proxy; the phone has a challenge already."""
    if not phone.challenge:
        phone.take_challenge(phone.send())
    via = "SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%%s;rport\r\nVia: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKb;rport=1024;" \
          "received=198.51.100.7" % phone.wire.local[1]
    headers = list(OUTBOUND) + (["Path: " + path] if path else [])
    return {"via": via % token(), "headers": headers}


# ---- RFC 3327

def test_rfc3327_5_3_path_is_stored_in_order_and_copied_into_the_200(shared, line):
    path = ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr;x=y>;z=\"a,b\"", "<sip:[2001:db8::1]:5070;lr;ob>"]
    answer = line.register(headers=["Supported: path", "Path: " + ", ".join(path[:2]), "Path: " + path[2]])
    assert answer.status == 200 and answer.all("Path") == path
    assert shared.api.bindings(line.user)[0]["path"] == path


def test_rfc3327_5_3_without_supported_path_is_stored_and_not_copied(shared, line):
    answer = line.register(headers=["Path: <sip:p1.example.net;lr>"])
    assert answer.status == 200 and answer.all("Path") == []
    assert shared.api.bindings(line.user)[0]["path"] == ["<sip:p1.example.net;lr>"]


def test_rfc3327_5_3_a_refresh_replaces_the_path(shared, line):
    line.register(headers=["Supported: path", "Path: <sip:p1.example.net;lr>"])
    assert line.register(headers=["Supported: path", "Path: <sip:p2.example.net;lr>"]).status == 200
    assert shared.api.bindings(line.user)[0]["path"] == ["<sip:p2.example.net;lr>"]
    assert line.register().status == 200
    assert shared.api.bindings(line.user)[0]["path"] == []


@pytest.mark.parametrize("path", ["sip:p1.example.net", "<sip:p1.example.net", "<>", "<tel:1>x", "<sip:a@:1>"])
def test_rfc3327_4_a_path_that_is_none_is_400(shared, line, path):
    answer = line.register(headers=["Path: " + path])
    assert answer.status == 400 and "Path" in answer.reason
    assert shared.api.bindings(line.user) == []


def test_rfc3327_lookups_give_the_path_back(shared, line):
    path = ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]
    line.register(headers=["Path: " + ", ".join(path)])
    reply = shared.api.request("POST", "/v1/bindings:lookup", {"aors": ["sip:%s@example.com" % line.user]})
    assert reply.json["results"][0]["bindings"][0]["path"] == path


# ---- RFC 3608

def test_rfc3608_6_service_route_of_the_domain_stands_in_every_200_and_in_nothing_else(start, phones):
    server = start()
    route = ["<sip:hsp.example.com;lr>", "<sip:second.example.com;lr;x=y>"]
    assert server.api.patch("/v1/domains/example.com", {"service_route": route}).status == 200
    server.api.add_user("alice")
    phone = phones(server)
    assert phone.send().all("Service-Route") == []
    assert phone.register().all("Service-Route") == route
    assert phone.register([]).all("Service-Route") == route
    assert phone.unregister().all("Service-Route") == route
    assert server.api.patch("/v1/domains/example.com", {"service_route": []}).status == 200
    assert phone.register().all("Service-Route") == []


# ---- RFC 5626

def test_rfc5626_6_the_same_instance_and_reg_id_replace_the_old_flow(shared, line):
    line.register([flow("sip:alice@192.0.2.1:1000;ob")], headers=OUTBOUND)
    answer = line.register([flow("sip:alice@192.0.2.1:2000;ob")], headers=OUTBOUND)
    assert list(answer.contacts()) == ["sip:alice@192.0.2.1:2000;ob"]
    assert answer.all("Require") == ["outbound"] and answer.all("Flow-Timer") == []
    binding, = shared.api.bindings(line.user)
    assert binding["reg_id"] == 1 and binding["instance"] == INSTANCE


def test_rfc5626_6_another_call_replaces_the_flow_too(shared, line, phones):
    again = phones(shared, line.user)
    line.register([flow("sip:alice@192.0.2.1:1000")], headers=OUTBOUND)
    assert len(again.register([flow("sip:alice@192.0.2.9:7")], headers=OUTBOUND).contacts()) == 1


def test_rfc5626_6_another_reg_id_or_instance_is_another_flow(shared, line):
    line.register([flow("sip:alice@192.0.2.1:1000")], headers=OUTBOUND)
    line.register([flow("sip:alice@192.0.2.1:1000", 2)], headers=OUTBOUND)
    answer = line.register([flow("sip:alice@192.0.2.1:1000", 1, "<urn:uuid:2>")], headers=OUTBOUND)
    assert len(answer.all("Contact")) == 3, "although their URIs are equal"
    assert len(shared.api.bindings(line.user)) == 3


def test_rfc5626_6_instance_keeps_its_brackets_in_the_200(line):
    answer = line.register([flow(line.contact)], headers=OUTBOUND)
    assert answer.contacts()[line.contact]["+sip.instance"] == '"%s"' % INSTANCE
    assert answer.contacts()[line.contact]["reg-id"] == "1"


def test_rfc5626_6_without_supported_outbound_or_instance_it_is_a_plain_registration(shared, line):
    line.register([flow("sip:alice@192.0.2.1:1000")])
    answer = line.register([flow("sip:alice@192.0.2.1:2000")])
    assert len(answer.contacts()) == 2 and answer.all("Require") == []
    answer = line.register(["<sip:alice@192.0.2.1:3000>;reg-id=1"], headers=OUTBOUND)
    assert answer.status == 200 and answer.all("Require") == [] and len(answer.contacts()) == 3


@pytest.mark.parametrize("reg_id", ["0", "-1", "2147483648", "x", "", "1.5"])
def test_rfc5626_4_2_a_reg_id_out_of_range_is_400(line, reg_id):
    assert line.register([flow(line.contact, reg_id)], headers=OUTBOUND).status == 400


def test_rfc5626_6_more_than_one_reg_id_in_a_request_is_400(shared, line):
    answer = line.register([flow("sip:a@192.0.2.1"), flow("sip:b@192.0.2.2", 2)], headers=OUTBOUND)
    assert answer.status == 400 and shared.api.bindings(line.user) == []


def test_rfc5626_6_a_first_hop_without_outbound_is_439(shared, line):
    for path in (None, "<sip:edge.example.net;lr>", "<sip:edge.example.net;lr;ob>, <sip:last.example.net;lr>"):
        answer = line.register([flow(line.contact)], **behind_a_proxy(line, path))
        assert answer.status == 439 and answer.reason == "First Hop Lacks Outbound Support"
    assert shared.api.bindings(line.user) == []


def test_rfc5626_6_a_path_with_ob_is_a_first_hop_that_has_it(shared, line):
    path = "<sip:core.example.net;lr>, <sip:flow-token@edge.example.net;lr;ob>"
    answer = line.register([flow(line.contact)], **behind_a_proxy(line, path))
    assert answer.status == 200 and answer.all("Require") == ["outbound"]
    binding, = shared.api.bindings(line.user)
    assert binding["path"] == path.split(", ") and binding["received"] == "198.51.100.7:1024"


def test_rfc5626_4_4_flow_timer_where_it_is_configured(start, phones):
    server = start({"ROLLCALL_REGISTRAR_FLOW_TIMER": "120"})
    server.api.add_user("alice")
    phone = phones(server)
    assert phone.register([flow(phone.contact)], headers=OUTBOUND).all("Flow-Timer") == ["120"]
    assert phone.register(["<sip:plain@192.0.2.1>"]).all("Flow-Timer") == []


def test_rfc5626_4_4_2_stun_binding_requests_are_answered(shared):
    cookie, transaction = 0x2112A442, b"0123456789ab"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(shared.udp)
        sock.settimeout(20)
        sock.send(struct.pack("!HHI", 1, 0, cookie) + transaction)
        kind, length, got = struct.unpack("!HHI", sock.recv(1000)[:8])
        assert (kind, got) == (0x0101, cookie) and length >= 12
        sock.send(struct.pack("!HHI", 1, 0, cookie) + transaction)
        answer = sock.recv(1000)
        assert answer[8:20] == transaction
        name, size, _, family, port = struct.unpack("!HHBBH", answer[20:28])
        host = struct.unpack("!I", answer[28:32])[0] ^ cookie
        assert (name, size, family) == (0x0020, 8, 1)
        assert (socket.inet_ntoa(struct.pack("!I", host)), port ^ cookie >> 16) == sock.getsockname()


# ---- RFC 8599, 7118, 3840, 5627, 6140

def test_rfc8599_push_parameters_are_kept_and_shown(shared, line):
    contact = "sip:a@192.0.2.1;pn-provider=acme;pn-param=acme-param;pn-prid=ZTY4ZDJlMzODE1NmUgKi0K"
    assert list(line.register(["<%s>" % contact]).contacts()) == [contact]
    assert shared.api.bindings(line.user)[0]["contact"] == contact


def test_rfc7118_5_an_invalid_host_is_kept_and_known_as_behind_nat(shared, line):
    contact = "sip:a@df7jal23ls0d.invalid;transport=ws"
    line.take_challenge(line.send())
    answer = line.register(["<%s>;reg-id=1;+sip.instance=\"%s\";+sip.ice" % (contact, INSTANCE)],
                           via="SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks;rport")
    assert answer.status == 200 and list(answer.contacts()) == [contact]
    assert shared.api.bindings(line.user)[0]["nat"] is True


def test_nat_is_a_contact_whose_host_is_not_the_source(shared, line):
    line.register()
    assert shared.api.bindings(line.user)[0]["nat"] is False
    line.register(["<%s>;expires=0" % line.contact, "<sip:a@192.168.1.7:5060>"])
    assert shared.api.bindings(line.user)[0]["nat"] is True


def test_rfc5627_gruu_is_not_granted_and_not_required(line):
    answer = line.register([flow(line.contact)], headers=["Supported: gruu, path, outbound"])
    assert answer.status == 200 and "gruu" not in answer.get("Contact")
    assert line.register(headers=["Require: gruu"]).status == 420


def test_rfc6140_require_gin_is_420(line):
    answer = line.register(["<sip:192.0.2.1;bnc>"], headers=["Require: gin", "Proxy-Require: gin", "Supported: path"])
    assert answer.status == 420 and answer.get("Unsupported") == "gin"
