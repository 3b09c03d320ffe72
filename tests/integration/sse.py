# SPDX-License-Identifier: Apache-2.0
"""A reader of server-sent events."""
import collections
import http.client
import json
import time

import contract
from server import ADMIN, PATIENCE

Event = collections.namedtuple("Event", "id type data")


class Stream:
    """GET /v1/events; next() waits for the next event."""

    def __init__(self, address, query="", last_id=None, token=ADMIN):
        self.connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        headers = {"Authorization": "Bearer " + token, "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", "/v1/events" + query, headers=headers)
        self.response = self.connection.getresponse()
        self.status, self.last_id, self.comments, self.retry = self.response.status, None, 0, None
        if self.status == 200: # the body of another status is the test's to read
            contract.check("GET", "/v1/events" + query, self.status, self.response.headers, b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.response.close()
        self.connection.close()

    def _block(self):
        """The fields up to the next empty line; None at the end."""
        fields = {}
        while True:
            line = self.response.readline()
            if not line:
                return None
            line = line.decode().rstrip("\n")
            if not line:
                return fields
            name, _, value = line.partition(":")
            if not name:
                self.comments += 1
            fields[name] = value.removeprefix(" ")

    def begin(self):
        """Reads what comes at once at the start; where the stream stands."""
        fields = self._block()
        self.retry, self.last_id = int(fields["retry"]), fields["id"]
        return self.last_id

    def next(self):
        """The next event, or None at the end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, "nothing but heartbeats"
            fields = self._block()
            if fields is None:
                return None
            self.last_id = fields.get("id", self.last_id)
            if "retry" in fields:
                self.retry = int(fields["retry"])
            if "data" in fields:
                data = json.loads(fields["data"])
                contract.check_event(fields["event"], data)
                return Event(fields.get("id"), fields["event"], data)

    def take(self, n):
        return [self.next() for _ in range(n)]
