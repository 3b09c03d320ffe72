# SPDX-License-Identifier: Apache-2.0
"""Registers a phone at a rollcall, for real: what `helm test` runs. Python's own library is enough.

Makes a user over the API, sends REGISTER with digest over each transport, looks the bindings up, lets
the phone unregister, and removes what it made. Exits 0 when all of that went well.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import socket
import sys
import time
import urllib.error
import urllib.request

API = os.environ["API"]
HOST, PORT = os.environ["SIP_HOST"], int(os.environ["SIP_PORT"])
TRANSPORTS = os.environ["TRANSPORTS"].split(",")
DOMAIN = os.environ["DOMAIN"]
TOKEN = pathlib.Path(os.environ["TOKEN_FILE"]).read_text().split("\n")[0]
USER, PASSWORD = "test-" + os.urandom(6).hex(), os.urandom(12).hex()
PATH = "/v1/domains/%s/users/%s" % (DOMAIN, USER)
# RFC 3261: a phone sends again after T1, then twice that; TCP is left to the kernel.
T1, TRIES = 0.5, 6


def call(method, path, body=None):
    request = urllib.request.Request(API + path, method=method)
    request.add_header("Authorization", "Bearer " + TOKEN)
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
    return json.loads(text) if text else None


class Phone:
    def __init__(self, transport):
        self.transport = transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        family, kind, _, _, address = socket.getaddrinfo(HOST, PORT, type=kind)[0]
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(30)
        self.socket.connect(address)
        host, port = self.socket.getsockname()[:2]
        self.here = "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)
        self.call_id, self.tag, self.cseq = os.urandom(8).hex(), os.urandom(4).hex(), 0
        self.realm = self.nonce = None
        self.count = 0

    def authorization(self):
        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        self.count += 1
        nc, cnonce, uri = "%08x" % self.count, os.urandom(4).hex(), "sip:" + DOMAIN
        ha1, ha2 = md5("%s:%s:%s" % (USER, self.realm, PASSWORD)), md5("REGISTER:" + uri)
        response = md5(":".join((ha1, self.nonce, nc, cnonce, "auth", ha2)))
        return ('Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", '
                'algorithm=MD5, qop=auth, nc=%s, cnonce="%s"' % (
                    USER, self.realm, self.nonce, uri, response, nc, cnonce))

    def exchange(self, expires):
        """One REGISTER; (status, its headers as text)."""
        self.cseq += 1
        lines = ["REGISTER sip:%s SIP/2.0" % DOMAIN,
                 "Via: SIP/2.0/%s %s;branch=z9hG4bK%s;rport" % (
                     self.transport.upper(), self.here, os.urandom(8).hex()),
                 "Max-Forwards: 70", "From: <sip:%s@%s>;tag=%s" % (USER, DOMAIN, self.tag),
                 "To: <sip:%s@%s>" % (USER, DOMAIN), "Call-ID: " + self.call_id,
                 "CSeq: %d REGISTER" % self.cseq,
                 "Contact: <sip:%s@%s;transport=%s>;expires=%d" % (USER, self.here, self.transport, expires),
                 "User-Agent: rollcall-helm-test"]
        if self.nonce:
            lines.append(self.authorization())
        data = "\r\n".join(lines + ["Content-Length: 0", "", ""]).encode()
        answer = self.by_udp(data) if self.transport == "udp" else self.by_tcp(data)
        return int(answer.split(" ", 2)[1]), answer

    def is_final(self, answer):
        """To this request: one that was sent twice is answered twice."""
        return not answer.startswith("SIP/2.0 1") and re.search(
            r"^CSeq:\s*%d " % self.cseq, answer, re.MULTILINE | re.IGNORECASE)

    def by_udp(self, data):
        for attempt in range(TRIES):
            self.socket.send(data)
            deadline = time.monotonic() + T1 * 2 ** attempt
            while time.monotonic() < deadline:
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                with contextlib.suppress(socket.timeout):
                    answer = self.socket.recv(65536).decode()
                    if self.is_final(answer):
                        return answer
        raise SystemExit("no answer over udp from %s:%d" % (HOST, PORT))

    def by_tcp(self, data):
        self.socket.sendall(data)
        received = ""
        while True:
            answer, end, rest = received.partition("\r\n\r\n")  # none has a body
            if end and self.is_final(answer):
                return answer
            if end:
                received = rest
                continue
            piece = self.socket.recv(65536)
            if not piece:
                raise SystemExit("the tcp connection was closed")
            received += piece.decode()

    def register(self, expires):
        status, answer = self.exchange(expires)
        if status == 401 and not self.nonce:
            self.realm = re.search(r'realm="([^"]*)"', answer).group(1)
            self.nonce = re.search(r'nonce="([^"]*)"', answer).group(1)
            status, answer = self.exchange(expires)
        if status != 200:
            raise SystemExit("%s: REGISTER was answered with %s" % (self.transport, answer.split("\r\n")[0]))


def main():
    started = time.monotonic()
    try:
        call("GET", "/v1/domains/" + DOMAIN)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        call("PUT", "/v1/domains/" + DOMAIN, {"algorithms": ["MD5"]})
    call("PUT", PATH, {"password": PASSWORD})
    try:
        phones = [Phone(transport) for transport in TRANSPORTS]
        for phone in phones:
            phone.register(300)
        found = [b["transport"] for b in call("GET", PATH + "/bindings")["bindings"]]
        if sorted(found) != sorted(TRANSPORTS):
            raise SystemExit("registered over %s, bound are %s" % (TRANSPORTS, found))
        for phone in phones:
            phone.register(0)
        if call("GET", PATH + "/bindings")["bindings"]:
            raise SystemExit("bindings are left after unregistering")
    finally:
        call("DELETE", PATH)
    print("a phone registered over %s and went again, in %.2f s" % (
        " and ".join(TRANSPORTS), time.monotonic() - started))


if __name__ == "__main__":
    sys.exit(main())
