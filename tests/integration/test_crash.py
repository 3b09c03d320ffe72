# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: what was acknowledged is there, and nothing that was removed comes back."""
import os
import random
import threading
import time

from sip import NoAnswer, Phone

ROUNDS = int(os.environ.get("ROLLCALL_CRASH_ROUNDS", "3"))
PHONES = 12


class Walker(threading.Thread):
    """One phone that registers and unregisters until the server is gone. `sure` is the contact that
    must be there (None: nothing may be); `doubtful` what the last, unanswered request asked for."""

    def __init__(self, address, user, seed, round_number):
        super().__init__()
        self.phone = Phone(address, user, "secret")
        self.random = random.Random(seed)
        self.round = round_number
        self.sure, self.doubtful, self.answers = None, set(), 0

    def run(self):
        step = 0
        try:
            while True:
                step += 1
                contact = "sip:%s@192.0.2.%d:%d" % (self.phone.user, self.round % 250 + 1, 1024 + step % 60000)
                if self.sure and self.random.random() < 0.4:
                    wanted = None
                    contacts = ["<%s>;expires=0" % self.sure]
                else:
                    wanted = contact
                    contacts = ["<%s>" % contact]
                    if self.sure:
                        contacts.append("<%s>;expires=0" % self.sure)
                self.doubtful = {wanted}
                answer = self.phone.register(contacts)
                assert answer.status == 200, answer
                self.sure, self.doubtful = wanted, set()
                self.answers += 1
        except (NoAnswer, OSError):
            pass
        finally:
            self.phone.close()


def test_kill_9_under_load_loses_nothing_acknowledged(start, monkeypatch):
    server = start()
    users = ["u%d" % n for n in range(PHONES)]
    for user in users:
        server.api.add_user(user)
    server.keep_ports()
    server.terminate()
    generator = random.Random(ROUNDS)
    sure, doubtful = {}, {}
    for number in range(ROUNDS):
        server.start()
        for user in users if sure else ():
            present = [b["contact"] for b in server.api.bindings(user)]
            allowed = [sure[user]] + list(doubtful[user])
            assert len(present) <= 1, present
            assert (present[0] if present else None) in allowed, (user, present, allowed)
        for user in users:  # from a known state on
            phone = Phone(server.udp, user, "secret")
            assert phone.register(["*"], expires=0).status == 200
            phone.close()
        walkers = [Walker(server.udp, user, (number, user).__hash__(), number) for user in users]
        for walker in walkers:
            walker.start()
        # The moment of the kill is the point of the test, not a wait for something.
        time.sleep(generator.uniform(0.05, 0.6))
        server.kill()
        server.check_sanitizers()
        for walker in walkers:
            walker.join()  # the next retransmission finds the port closed
        sure = {w.phone.user: w.sure for w in walkers}
        doubtful = {w.phone.user: w.doubtful for w in walkers}
    server.start()
    stats = server.api.get("/v1/stats").json
    shown = sum(len(server.api.bindings(user)) for user in users)
    assert stats["bindings"] == shown
    assert stats["users"] == PHONES


def test_kill_9_keeps_provisioning(rollcall):
    rollcall.api.add_user("bob", labels={"site": "north"})
    before = rollcall.api.get("/v1/domains/example.com/users/bob").json
    assert rollcall.api.delete("/v1/domains/example.com/users/alice").status == 204
    rollcall.keep_ports()
    rollcall.kill()
    rollcall.start()
    assert rollcall.api.get("/v1/domains/example.com/users/bob").json == before
    assert rollcall.api.get("/v1/domains/example.com/users/alice").status == 404


def test_kill_9_after_200_of_an_unregister_brings_nothing_back(rollcall, phones):
    phone = phones(rollcall)
    phone.register()
    assert phone.unregister().status == 200
    rollcall.keep_ports()
    rollcall.kill()
    rollcall.start()
    assert rollcall.api.bindings("alice") == []
