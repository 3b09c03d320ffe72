# SPDX-License-Identifier: Apache-2.0
"""The messages that both registrars get. Each scenario is a function of a phone whose user has the password
"secret"; what it gives back is the outcome in one line, in which equal behaviour is equal text."""
import pathlib
import re

from sip import NoAnswer, Phone, digest_response, hostport, split_quoted, token

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
A, B, C = "sip:a@192.0.2.1", "sip:b@192.0.2.2", "sip:c@192.0.2.3"
INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>";reg-id=%d'
SCENARIOS = {}
SILENCE = 5.0  # seconds; few are silent, and all are judged side by side


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def lifetime(expires):
    """A multiple of a hundred is granted, and a query shows what is left of it in whole seconds: the next may begin between
    the two."""
    seconds = int(expires)
    return seconds + 1 if seconds % 100 == 99 else seconds


def show(answer):
    """Status, contacts with their lifetimes, and the headers that say something."""
    text = str(answer.status)
    if answer.status == 200:
        text += "".join(sorted(" <%s>;%s" % (uri, lifetime(params["expires"]))
                               for uri, params in answer.contacts().items()))
    for name in ("Min-Expires", "Unsupported", "Require", "Path", "Service-Route"):
        for value in answer.all(name):
            text += "".join(" %s: %s" % (name, part.strip()) for part in split_quoted(value, ","))
    if any(c.get("stale") == "true" for c in answer.challenges()):
        text += " stale"
    return text


def now(phone):
    """What is registered at the end."""
    phone.call_id = token()
    answer = phone.register([])
    return show(answer)


# ---- Registrations

@scenario
def add_without_expires(phone):
    return show(phone.register(["<%s>" % A]))


@scenario
def expires_header(phone):
    return show(phone.register(["<%s>" % A], 900))


@scenario
def expires_parameter_beats_header(phone):
    return show(phone.register(["<%s>;expires=300" % A], 900))


@scenario
def two_contacts_two_lifetimes(phone):
    return show(phone.register(["<%s>;expires=300, <%s>;expires=500" % (A, B)]))


@scenario
def refresh(phone):
    phone.register(["<%s>" % A], 300)
    return show(phone.register(["<%s>" % A], 600))


@scenario
def remove_one_of_two(phone):
    phone.register(["<%s>" % A, "<%s>" % B], 600)
    return show(phone.register(["<%s>;expires=0" % A]))


@scenario
def remove_what_is_not_there(phone):
    return show(phone.register(["<%s>;expires=0" % A]))


@scenario
def one_leaves_one_comes(phone):
    phone.register(["<%s>" % A], 600)
    return show(phone.register(["<%s>;expires=0" % A, "<%s>;expires=600" % B]))


@scenario
def star(phone):
    phone.register(["<%s>" % A, "<%s>" % B], 600)
    return show(phone.register(["*"], 0)) + " then " + now(phone)


@scenario
def star_without_expires(phone):
    phone.register(["<%s>" % A], 600)
    return show(phone.register(["*"])) + " then " + now(phone)


@scenario
def star_with_a_lifetime(phone):
    phone.register(["<%s>" % A], 600)
    return show(phone.register(["*"], 60)) + " then " + now(phone)


@scenario
def star_with_another_contact(phone):
    phone.register(["<%s>" % A], 600)
    return show(phone.register(["*", "<%s>" % B], 0)) + " then " + now(phone)


@scenario
def star_with_a_lower_cseq_of_the_same_call(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["*"], 0, cseq=50)) + " then " + now(phone)


@scenario
def query_without_bindings(phone):
    return show(phone.register([]))


@scenario
def query_from_another_call(phone):
    phone.register(["<%s>" % A, "<%s>" % B], 600)
    phone.call_id = token()
    return show(phone.register([]))


@scenario
def lower_cseq_of_the_same_call(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["<%s>" % A], 900, cseq=99)) + " then " + now(phone)


@scenario
def lower_cseq_with_a_new_contact_beside(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["<%s>" % B, "<%s>" % A], 900, cseq=99)) + " then " + now(phone)


@scenario
def lower_cseq_of_another_call(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    phone.call_id = token()
    return show(phone.register(["<%s>" % A], 900, cseq=3))


@scenario
def equal_cseq_equal_content(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["<%s>" % A], 600, cseq=100))


@scenario
def equal_cseq_other_lifetime(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["<%s>" % A], 900, cseq=100)) + " then " + now(phone)


@scenario
def equal_cseq_that_removes(phone):
    phone.register(["<%s>" % A], 600, cseq=100)
    return show(phone.register(["<%s>" % A], 0, cseq=100)) + " then " + now(phone)


@scenario
def too_brief(phone):
    return show(phone.register(["<%s>" % A], 10)) + " then " + now(phone)


@scenario
def too_brief_beside_a_good_one(phone):
    return show(phone.register(["<%s>;expires=600" % A, "<%s>;expires=10" % B])) + " then " + now(phone)


@scenario
def too_long(phone):
    return show(phone.register(["<%s>" % A], 100000))


@scenario
def malformed_expires_parameter(phone):
    return show(phone.register(["<%s>;expires=soon" % A]))


@scenario
def malformed_expires_header(phone):
    return show(phone.register(["<%s>" % A], "soon"))


@scenario
def expires_beyond_32_bits(phone):
    return show(phone.register(["<%s>;expires=99999999999999999999" % A]))


@scenario
def more_contacts_than_allowed(phone):
    return show(phone.register(["<sip:a%d@192.0.2.1>" % n for n in range(11)])) + " then " + now(phone)


@scenario
def another_phone_beyond_the_limit(phone):
    for n in range(10):
        phone.call_id = token()
        phone.register(["<sip:a%d@192.0.2.1>" % n], 600)
    phone.call_id = token()
    return show(phone.register(["<%s>" % B], 600))[:3]


@scenario
def contact_without_host(phone):
    return show(phone.register(["<sip:a@>"])) + " then " + now(phone)


@scenario
def one_bad_contact_of_three(phone):
    return show(phone.register(["<%s>" % A, "<sip:b@:5060>", "<%s>" % C])) + " then " + now(phone)


@scenario
def malformed_q(phone):
    return show(phone.register(["<%s>;q=2.5" % A]))


@scenario
def contact_with_a_header_and_no_brackets(phone):
    return show(phone.register(["sip:a@192.0.2.1?Route=%3Csip:b@192.0.2.2%3E"]))


@scenario
def tel_contact(phone):
    return show(phone.register(["<tel:+15551234>"], 600))


@scenario
def contact_parameters_come_back(phone):
    answer = phone.register(['<%s>;audio;methods="INVITE,BYE";+x.y="<z>"' % A], 600)
    return " ".join(answer.all("Contact"))


@scenario
def own_contact_first_and_expires_header(phone):
    phone.register(["<%s>" % A], 600)
    phone.call_id = token()
    answer = phone.register(["<%s>" % B], 700)
    return "%s first, Expires: %s" % (list(answer.contacts())[0], answer.get("Expires"))


@scenario
def date_in_the_200(phone):
    return "Date" if phone.register(["<%s>" % A]).get("Date") else "no Date"


# ---- URI equality (RFC 3261 section 19.1.4)

def pair(name, first, second):
    def check(phone):
        phone.register(["<%s>" % first], 600)
        return "%d binding(s)" % len(phone.register(["<%s>" % second], 600).contacts())
    SCENARIOS["uri_" + name] = check


pair("host_case", "sip:a@Host.example", "sip:a@hOST.example")
pair("user_case", "sip:a@host.example", "sip:A@host.example")
pair("escaped_letter", "sip:%61@host.example", "sip:a@host.example")
pair("parameter_in_one", "sip:a@host.example", "sip:a@host.example;newparam=5")
pair("default_port", "sip:a@host.example", "sip:a@host.example:5060")
pair("transport_in_one", "sip:a@host.example", "sip:a@host.example;transport=udp")
pair("transport_case", "sip:a@host.example;transport=TCP", "sip:a@host.example;Transport=tcp")
pair("parameter_order", "sip:a@host.example;x=1;y=2", "sip:a@host.example;y=2;x=1")
pair("header_in_one", "sip:a@host.example", "sip:a@host.example?Subject=x")
pair("user_in_one", "sip:a@host.example", "sip:host.example")
pair("sips", "sip:a@host.example", "sips:a@host.example")
pair("ipv6_forms", "sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0::1]")


# ---- The address of record

@scenario
def aor_with_parameters_and_case_of_the_host(phone):
    return show(phone.register(["<%s>" % A], to="<sip:%s@EXAMPLE.com;user=phone>" % phone.user))


@scenario
def aor_with_escapes(phone):
    escaped = "".join("%%%02x" % ord(c) for c in phone.user)
    return show(phone.register(["<%s>" % A], to="<sip:%s@example.com>" % escaped))


@scenario
def aor_of_another_user(phone):
    return show(phone.register(["<%s>" % A], to="<sip:somebody-else@example.com>"))


@scenario
def aor_of_another_domain(phone):
    return show(phone.send(["<%s>" % A], to="<sip:%s@elsewhere.example.org>" % phone.user))


@scenario
def aor_that_is_a_tel_uri(phone):
    return show(phone.send(["<%s>" % A], to="<tel:+15551234>"))


@scenario
def request_uri_of_another_domain(phone):
    return show(phone.send(["<%s>" % A], uri="sip:elsewhere.example.org"))


@scenario
def request_uri_with_a_user(phone):
    phone.take_challenge(phone.send())
    return show(phone.register(["<%s>" % A], uri="sip:%s@example.com" % phone.user))


# ---- Extensions

@scenario
def require_unknown(phone):
    return show(phone.register(["<%s>" % A], headers=["Require: nothingSupportsThis, path"]))


@scenario
def require_before_authentication(phone):
    return show(phone.send(["<%s>" % A], headers=["Require: nothingSupportsThis"]))


@scenario
def require_gin(phone):
    return show(phone.register(["<sip:192.0.2.1;bnc>"], headers=["Require: gin"]))


@scenario
def path_supported(phone):
    return show(phone.register(["<%s>" % A], headers=["Supported: path", "Path: <sip:p1.example.net;lr>, "
                                                      "<sip:p2.example.net;lr>"]))


@scenario
def path_not_supported(phone):
    return show(phone.register(["<%s>" % A], headers=["Path: <sip:p1.example.net;lr>"]))


@scenario
def outbound_new_flow_replaces_the_old(phone):
    phone.register(["<%s>%s" % (A, INSTANCE % 1)], 600, headers=["Supported: path, outbound"])
    return show(phone.register(["<%s>%s" % (B, INSTANCE % 1)], 600, headers=["Supported: path, outbound"]))


@scenario
def outbound_two_flows(phone):
    phone.register(["<%s>%s" % (A, INSTANCE % 1)], 600, headers=["Supported: path, outbound"])
    return show(phone.register(["<%s>%s" % (B, INSTANCE % 2)], 600, headers=["Supported: path, outbound"]))


@scenario
def outbound_behind_a_proxy_without_it(phone):
    via = "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%s;rport\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx" % token()
    phone.take_challenge(phone.send())
    return show(phone.register(["<%s>%s" % (A, INSTANCE % 1)], headers=["Supported: path, outbound"], via=via))


@scenario
def reg_id_0(phone):
    return show(phone.register(["<%s>%s" % (A, INSTANCE % 0)], headers=["Supported: path, outbound"]))


@scenario
def record_route_in_a_register(phone):
    answer = phone.register(["<%s>" % A], headers=["Record-Route: <sip:192.0.2.1;lr>"])
    return "%d%s" % (answer.status, " Record-Route" if answer.all("Record-Route") else "")


# ---- Authentication

def credentials(name, **change):
    def check(phone):
        phone.take_challenge(phone.send())
        value = phone.authorization(**change)
        for key in [k for k, v in change.items() if v is None]:
            value = re.sub(r',? %s="?[^",]*"?' % key, "", value)
        return show(phone.send(["<%s>" % A], headers=["Authorization: " + value]))
    SCENARIOS["credentials_" + name] = check


@scenario
def no_credentials(phone):
    return show(phone.send(["<%s>" % A]))


credentials("wrong_response", response="0" * 32)
credentials("foreign_nonce", nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
credentials("other_realm", realm="example.org")
credentials("no_cnonce", cnonce=None)
credentials("no_nc", nc=None)
credentials("qop_auth_int", qop="auth-int")
credentials("unknown_algorithm", algorithm="ROT13")
credentials("no_algorithm", algorithm=None)
credentials("no_uri", uri=None)


@scenario
def credentials_for_another_uri(phone):
    phone.take_challenge(phone.send())
    uri = "sip:elsewhere.example.org"
    response = digest_response("MD5", phone.user, "example.com", "secret", "REGISTER", uri, phone.challenge["nonce"], 1, "c")
    return show(phone.send(["<%s>" % A], headers=["Authorization: " + phone.authorization(
        uri=uri, response=response, cnonce="c")]))


@scenario
def credentials_of_another_scheme(phone):
    return show(phone.send(["<%s>" % A], headers=["Authorization: NoOneKnowsThisScheme opaque=here"]))


@scenario
def credentials_that_are_malformed(phone):
    return show(phone.send(["<%s>" % A], headers=["Authorization: Digest username=\"x"]))


@scenario
def credentials_without_qop(phone):
    phone.take_challenge(phone.send())
    del phone.challenge["qop"]
    return show(phone.register(["<%s>" % A]))[:3]


@scenario
def credentials_again(phone):
    """The same Authorization in another request: a replay."""
    phone.register(["<%s>" % A])
    stolen, = [x for x in phone.sent.split("\r\n") if x.startswith("Authorization")]
    return show(phone.send(["<%s>" % B], headers=[stolen], call_id=token()))[:3]


@scenario
def credentials_with_the_next_count(phone):
    phone.register(["<%s>" % A], 600)
    return show(phone.send(["<%s>" % A], 600, headers=["Authorization: " + phone.authorization()]))


@scenario
def credentials_with_counts_out_of_order(phone):
    phone.take_challenge(phone.send())
    return " ".join(show(phone.send(["<%s>" % A], headers=["Authorization: " + phone.authorization(count=n)]))[:3]
                    for n in (1, 3, 2))


@scenario
def credentials_of_two_realms(phone):
    phone.take_challenge(phone.send())
    foreign = 'Digest username="x", realm="elsewhere", nonce="1", uri="sip:elsewhere", response="%s"' % ("0" * 32)
    return show(phone.send(["<%s>" % A], headers=["Authorization: " + foreign, "Authorization: " + phone.authorization()]))


# ---- Any server (sections 8.2, 9.2, 17, 18)

@scenario
def unknown_method(phone):
    return show(phone.send([], method="FOO"))


@scenario
def request_uri_of_an_unknown_scheme(phone):
    return show(phone.send([], uri="nobodyKnowsThisScheme:opaque"))


@scenario
def cancel_of_nothing(phone):
    return show(phone.send([], method="CANCEL"))


@scenario
def max_forwards_0(phone):
    return show(phone.wire.exchange(phone.build([], method="OPTIONS", uri="sip:example.com").replace(
        "Max-Forwards: 70", "Max-Forwards: 0")))


@scenario
def retransmitted_register_gets_the_same_bytes(phone):
    first = phone.register(["<%s>" % A])
    return "same" if phone.wire.exchange(phone.sent).raw == first.raw else "another"


@scenario
def retransmitted_challenge_gets_the_same_bytes(phone):
    first = phone.send(["<%s>" % A])
    return "same" if phone.wire.exchange(phone.sent).raw == first.raw else "another"


@scenario
def to_tag_is_there(phone):
    return "tag" if ";tag=" in phone.send().get("To") else "no tag"


@scenario
def via_with_rport_gets_received_too(phone):
    top = phone.send().get("Via")
    return "received" if "received=127.0.0.1" in top else "no received"


@scenario
def via_with_a_claimed_received(phone):
    top = phone.send(via="SIP/2.0/UDP %s;received=192.0.2.66;rport=1;branch=z9hG4bK%s" % (
        hostport(phone.wire.local), token())).get("Via")
    return " ".join(sorted(re.findall(r"received=[^;]*", top)))


def changed(name, before, after):
    def check(phone):
        text = phone.build(["<%s>" % A], cseq=1)
        assert before in text
        try:
            phone.wire.send(text.replace(before, after, 1))
            return show(phone.wire.receive(SILENCE))
        except NoAnswer:
            return "silence"
    SCENARIOS["fault_" + name] = check


changed("version", " SIP/2.0\r\n", " SIP/7.0\r\n")
changed("no_from", "From: ", "Frrm: ")
changed("no_to", "\r\nTo: ", "\r\nT0: ")
changed("no_call_id", "Call-ID: ", "Call-JD: ")
changed("no_cseq", "CSeq: 1 REGISTER\r\n", "")
changed("two_call_ids", "Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nCall-ID: second\r\n")
changed("cseq_of_another_method", "CSeq: 1 REGISTER", "CSeq: 1 INVITE")
changed("cseq_too_large", "CSeq: 1 REGISTER", "CSeq: 4294967296 REGISTER")
changed("cseq_is_no_number", "CSeq: 1 REGISTER", "CSeq: one REGISTER")
changed("content_length_beyond_the_datagram", "Content-Length: 0", "Content-Length: 500")
changed("content_length_negative", "Content-Length: 0", "Content-Length: -999")
changed("content_length_twice", "Content-Length: 0", "Content-Length: 0\r\nContent-Length: 0")
changed("max_forwards_is_no_number", "Max-Forwards: 70", "Max-Forwards: x")
changed("to_with_an_open_quote", "To: <sip:", "To: \"a <sip:")


# ---- RFC 4475 and RFC 5118

SENTINEL = ("OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKsentinel\r\nMax-Forwards: 70\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: sentinel\r\nCSeq: 4711 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n").encode()


def has_length(data):
    head = data.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.MULTILINE | re.IGNORECASE)
    return len(found) == 1 and int(found[0]) == len(data) - len(head) - 4


def torture(name, data):
    def check(phone):
        stream = Phone(phone.tcp, phone.user, "secret", transport="tcp")
        statuses = []
        try:
            stream.wire.send(data + SENTINEL)
            while True:
                answer = stream.wire.receive(SILENCE)
                if answer.get("CSeq") == "4711 OPTIONS":
                    return " ".join(statuses) or "silence"
                statuses.append(str(answer.status))
        except NoAnswer:
            return " ".join(statuses + ["and no more"])
        except (ConnectionError, OSError):
            return " ".join(statuses + ["closed"])
        finally:
            stream.close()
    SCENARIOS[name] = check


for path in sorted(VECTORS.glob("rfc*/*.dat")):
    if has_length(path.read_bytes()) and not path.read_bytes().startswith(b"SIP/"):
        torture("%s_%s" % (path.parent.name, path.stem.replace("-", "_")), path.read_bytes())

