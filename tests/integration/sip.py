# SPDX-License-Identifier: Apache-2.0
"""A SIP client on raw sockets: what it sends is exactly what a test says."""
import hashlib
import itertools
import os
import re
import select
import socket
import time

ALGORITHMS = {
    "MD5": lambda text: hashlib.md5(text.encode()).hexdigest(),
    "SHA-256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "SHA-512-256": lambda text: hashlib.new("sha512_256", text.encode()).hexdigest(),
}
# Generous, so that no test depends on the machine's speed; nothing waits for it in a good run.
PATIENCE = 20.0
T1 = 0.5


class NoAnswer(Exception):
    """Nothing came back in time."""


def token(n=8):
    return os.urandom(n).hex()


class Response:
    """One response, parsed as far as a test needs it; `raw` are the bytes."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        match = re.fullmatch(r"SIP/2\.0 (\d{3}) ?(.*)", lines[0])
        assert match, "no status line: %r" % lines[0]
        self.status, self.reason = int(match.group(1)), match.group(2)
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon, "no header: %r" % line
            self.headers.append((name.strip(), value.strip()))

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def contacts(self):
        """Contact URI -> its header parameters (expires among them), as text by lower-case name."""
        found = {}
        for value in (part.strip() for line in self.all("Contact") for part in split_quoted(line, ",")):
            match = re.fullmatch(r"[^<]*<([^>]*)>(.*)", value)
            assert match, "Contact without brackets: %r" % value
            params = {}
            for part in split_quoted(match.group(2), ";"):
                if part.strip():
                    key, equals, text = part.partition("=")
                    params[key.strip().lower()] = text.strip() if equals else None
            found[match.group(1)] = params
        return found

    def challenges(self):
        """One dictionary a WWW-Authenticate, in order."""
        result = []
        for value in self.all("WWW-Authenticate"):
            scheme, _, rest = value.partition(" ")
            assert scheme.lower() == "digest", value
            params = {}
            for part in split_quoted(rest, ","):
                key, _, text = part.strip().partition("=")
                params[key.lower()] = text.strip().strip('"')
            result.append(params)
        return result

    def __repr__(self):
        return "<%d %s>" % (self.status, self.reason)


def split_quoted(text, separator):
    """Splits at the separators outside double quotes and angle brackets."""
    parts, start, quoted, depth = [], 0, False, 0
    for i, c in enumerate(text):
        if c == '"' and (i == 0 or text[i - 1] != "\\"):
            quoted = not quoted
        elif not quoted and c == "<":
            depth += 1
        elif not quoted and c == ">":
            depth -= 1
        elif not quoted and depth <= 0 and c == separator:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]]


def identity(message):
    """What an answer has in common with its request (RFC 3261 17.1.3): the branch of the topmost Via and the CSeq, each
    None where it cannot be read."""
    found = [re.search(pattern, message, re.MULTILINE | re.IGNORECASE) for pattern in (
        rb"^(?:Via|v)\s*:[^\r\n,]*?;\s*branch\s*=\s*([^;,\s]+)", rb"^CSeq\s*:\s*(\d+\s+\w+)\s*$")]
    return [match and b" ".join(match.group(1).split()) for match in found]


def hostport(address):
    host = "[%s]" % address[0] if ":" in address[0] else address[0]
    return "%s:%d" % (host, address[1])


def digest_response(algorithm, user, realm, password, method, uri, nonce, nc=None, cnonce=None):
    """RFC 7616 section 3.4.1, with qop=auth where nc is given, else the form of RFC 2069."""
    h = ALGORITHMS[algorithm]
    ha1 = h("%s:%s:%s" % (user, realm, password))
    ha2 = h("%s:%s" % (method, uri))
    if nc is None:
        return h("%s:%s:%s" % (ha1, nonce, ha2))
    return h("%s:%s:%08x:%s:auth:%s" % (ha1, nonce, nc, cnonce, ha2))


class Wire:
    """A socket to the server that sends bytes and receives whole responses."""

    def __init__(self, server, transport="udp", source=None):
        self.server, self.transport = server, transport
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(family, kind)
        if source:
            self.socket.bind(source)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(server)
        self.local = self.socket.getsockname()[:2]
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        self.socket.sendall(data)

    def receive(self, timeout=PATIENCE):
        """The next response; NoAnswer after the timeout, ConnectionError at the end of a stream."""
        deadline = time.monotonic() + timeout
        while True:
            response = self._from_buffer()
            if response:
                return response
            left = deadline - time.monotonic()
            if not select.select([self.socket], [], [], max(0.0, left))[0]:
                raise NoAnswer()
            data = self.socket.recv(1 << 16)
            if self.transport == "udp":
                self.buffer = data
            elif not data:
                raise ConnectionError("the server closed the connection")
            else:
                self.buffer += data

    def _from_buffer(self):
        if self.transport == "udp":
            data, self.buffer = self.buffer, b""
            return Response(data) if data.strip(b"\r\n\0") else None
        self.buffer = self.buffer.lstrip(b"\r\n")
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        match = re.search(rb"^(?:Content-Length|l)\s*:\s*(\d+)", head, re.MULTILINE | re.IGNORECASE)
        assert match, "a response over a stream without Content-Length: %r" % head
        length = int(match.group(1))
        if len(rest) < length:
            return None
        end = len(head) + 4 + length
        message, self.buffer = self.buffer[:end], self.buffer[end:]
        return Response(message)

    def at_end(self, timeout=PATIENCE):
        """True when the server has closed this stream."""
        try:
            while True:
                self.receive(timeout)
        except ConnectionError:
            return True
        except NoAnswer:
            return False

    def exchange(self, data, patience=PATIENCE):
        """Sends and waits for a final response to it (another one is of a request before that was sent twice); over UDP
        it retransmits (RFC 3261 17.1.2.2)."""
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        asked, deadline = identity(data), time.monotonic() + patience
        self.send(data)
        interval = T1
        while True:
            wait = interval if self.transport == "udp" else patience
            try:
                response = self.receive(max(0.0, min(wait, deadline - time.monotonic())))
                if response.status >= 200 and all(
                        None in pair or pair[0] == pair[1] for pair in zip(asked, identity(response.raw))):
                    return response
            except NoAnswer:
                if time.monotonic() >= deadline:
                    raise NoAnswer("no answer to %r" % data[:80]) from None
                self.send(data)
                interval = min(interval * 2, 4.0)


class Phone:
    """A phone of one user: keeps Call-ID, CSeq, challenge and nonce count, as RFC 3261 10.2 says."""

    def __init__(self, server, user, password, domain="example.com", transport="udp", **options):
        self.user, self.password, self.domain = user, password, domain
        self.auth_user = options.get("auth_user", user)
        self.algorithm = options.get("algorithm", "MD5")
        self.user_agent = options.get("user_agent", "wire-test/1.0")
        self.wire = Wire(server, transport, options.get("source"))
        self.call_id = options.get("call_id") or token() + "@test"
        self.from_tag = token(4)
        self.cseq = itertools.count(options.get("cseq", 1))
        self.challenge, self.nc = None, 0
        self.contact = "sip:%s@%s" % (user, hostport(self.wire.local))
        if transport == "tcp":
            self.contact += ";transport=tcp"
        self.sent = None  # the bytes of the last request

    def close(self):
        self.wire.close()

    def request_uri(self):
        return "sip:" + self.domain

    def authorization(self, method="REGISTER", uri=None, **change):
        """The Authorization header for the challenge kept; `change` replaces or (None) drops."""
        uri = uri or self.request_uri()
        self.nc += 1
        nc = change.pop("count", self.nc)
        cnonce = token(4)
        realm, nonce = self.challenge["realm"], self.challenge["nonce"]
        qop = "qop" in self.challenge and change.get("qop", "auth") is not None
        response = digest_response(self.algorithm, self.auth_user, realm, self.password, method, uri,
                                   nonce, nc if qop else None, cnonce)
        params = {"username": self.auth_user, "realm": realm, "nonce": nonce, "uri": uri,
                  "response": response, "algorithm": self.algorithm}
        if qop:
            params.update(qop="auth", cnonce=cnonce, nc="%08x" % nc)
        if "opaque" in self.challenge:
            params["opaque"] = self.challenge["opaque"]
        params.update(change)
        bare = ("algorithm", "qop", "nc")
        return "Digest " + ", ".join(
            "%s=%s" % (k, v) if k in bare else '%s="%s"' % (k, v)
            for k, v in params.items() if v is not None)

    def build(self, contacts=None, expires=None, **options):
        """One REGISTER as text. `contacts` are whole header values; None: this phone's own, [] for a
        query. `headers` are further lines; `via`, `to`, `cseq`, `call_id`, `uri` replace."""
        if contacts is None:
            contacts = ["<%s>" % self.contact]
        method = options.get("method", "REGISTER")
        aor = options.get("to", "<sip:%s@%s>" % (self.user, self.domain))
        cseq = options.get("cseq")
        cseq = next(self.cseq) if cseq is None else cseq
        via = options.get("via") or "SIP/2.0/%s %s;branch=z9hG4bK%s;rport" % (
            self.wire.transport.upper(), hostport(self.wire.local), token())
        lines = ["%s %s SIP/2.0" % (method, options.get("uri", self.request_uri())),
                 "Via: " + via,
                 "Max-Forwards: 70",
                 "From: <sip:%s@%s>;tag=%s" % (self.user, self.domain, self.from_tag),
                 "To: " + aor,
                 "Call-ID: " + options.get("call_id", self.call_id),
                 "CSeq: %s %s" % (cseq, method),
                 "User-Agent: " + self.user_agent]
        lines += ["Contact: " + contact for contact in contacts]
        if expires is not None:
            lines.append("Expires: %s" % expires)
        lines += options.get("headers", [])
        lines += ["Content-Length: 0", "", ""]
        return "\r\n".join(lines)

    def send(self, contacts=None, expires=None, **options):
        """One REGISTER without credentials, and its response."""
        self.sent = self.build(contacts, expires, **options)
        return self.wire.exchange(self.sent)

    def take_challenge(self, response):
        for challenge in response.challenges():
            if challenge.get("algorithm", "MD5").upper() == self.algorithm:
                self.challenge, self.nc = challenge, 0
                return
        raise AssertionError("no %s challenge in %r" % (self.algorithm, response.headers))

    def register(self, contacts=None, expires=None, **options):
        """A REGISTER with credentials: with the nonce there is, else (or when it has become stale)
        with a new challenge. The final response."""
        headers = options.pop("headers", [])
        cseq = options.pop("cseq", None)
        if self.challenge is None:
            response = self.send(contacts, expires, headers=headers, cseq=cseq, **options)
            if response.status != 401:
                return response
            self.take_challenge(response)
        for _ in range(2):
            line = "Authorization: " + self.authorization(uri=options.get("uri"))
            response = self.send(contacts, expires, headers=headers + [line], cseq=cseq, **options)
            if response.status != 401 or not any(
                    c.get("stale", "").lower() == "true" for c in response.challenges()):
                break
            self.take_challenge(response)
        return response

    def bindings(self):
        """A query (no Contact): the URIs and their parameters."""
        response = self.register(contacts=[])
        assert response.status == 200, response
        return response.contacts()

    def unregister(self, contact=None):
        return self.register(contacts=["<%s>;expires=0" % (contact or self.contact)])
