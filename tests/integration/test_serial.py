"""Sessions of both protocols mix all that changes running: what they were told, and what is there, is what one
serial order of their transactions gives.

Each transaction writes a token of its own to a leaf that all share and to one that is its session's. History has
the transactions one after the other; that order is the witness:

- a transaction that was acknowledged is in it exactly once (a confirmed commit that was cancelled also with its
  way back), one that was refused never;
- at each step both leaves change, or for a way back all of them;
- if one was acknowledged before another was asked for, it comes before it;
- each read was a state between two steps, no older than what had been acknowledged before it was asked for, and
  no newer than what was there when it was answered;
- the last state is running, and what the kernel has.
"""

import collections
import os
import random
import threading
import time

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, RpcError, strip_namespaces

HISTORY = "urn:ashlar:params:xml:ns:yang:ashlar-history"
SEED = int(os.environ.get("ASHLAR_SEED", random.randrange(1 << 32)))
ROUNDS = 11  # of each client; with its ways back, all have room in the 100 entries of history
IF = config.namespaces()["ietf-interfaces"]
PORTS = ("p1", "p2", "p3", "p4", "p5")
Span = collections.namedtuple("Span", "begin end what token state", defaults=(None, None))


def ports(token, own):
    return config.interfaces({"name": "p1", "description": token}, {"name": own, "description": token})


def descriptions(data):
    return {entry.findtext("name"): entry.findtext("description")
            for entry in data.iterfind("interfaces/interface") if entry.findtext("name") in PORTS}


class Client(threading.Thread):
    """Does one thing after the other and notes when, and what became of it."""

    def __init__(self, connect, own, seed):
        super().__init__()
        self.connect, self.own, self.chance = connect, own, random.Random(seed)
        self.spans, self.refused, self.failure = [], set(), None

    def run(self):
        try:
            with self.connect() as session:
                for number in range(ROUNDS):
                    self.step(session, f"{self.own}-{number}")
        except BaseException as failure:  # told by the test
            self.failure = failure

    def step(self, session, token):
        for what in self.chance.choice(self.kinds), self.read:
            begin = time.monotonic()
            try:
                state = what(self, session, token)
            except RpcError as error:
                assert error.tag in ("in-use", "lock-denied", "operation-failed"), vars(error)
                self.refused.add(token)
                continue
            self.spans.append(Span(begin, time.monotonic(), what.__name__, token, state))


class Netconf(Client):
    def edit(self, session, token):
        session.edit(ports(token, self.own))

    def alone(self, session, act):
        held = []
        try:
            for datastore in "running", "candidate":
                session.lock(datastore)
                held.append(datastore)
            act()
        finally:
            for datastore in reversed(held):
                session.unlock(datastore)

    def commit(self, session, token):
        def act():
            session.edit(ports(token, self.own), "candidate")
            session.ok("<commit/>")
        self.alone(session, act)

    def cancelled(self, session, token):
        def act():
            session.edit(ports(token, self.own), "candidate")
            session.ok("<commit><confirmed/></commit>")
            session.ok("<cancel-commit/>")
            session.ok("<discard-changes/>")
        self.alone(session, act)

    def copy(self, session, token):
        """The whole configuration, changed, in the place of the whole configuration."""
        def act():
            data = session.rpc("<get-config><source><running/></source></get-config>").find(
                f"{{{BASE}}}data")
            for entry in data.iter(f"{{{IF}}}interface"):
                if entry.findtext(f"{{{IF}}}name") in ("p1", self.own):
                    leaf = entry.find(f"{{{IF}}}description")
                    if leaf is None:
                        leaf = etree.SubElement(entry, f"{{{IF}}}description")
                    leaf.text = token
            parts = "".join(etree.tostring(part, encoding="unicode") for part in data)
            session.ok("<copy-config><target><running/></target><source><config>"
                       f"{parts}</config></source></copy-config>")
        self.alone(session, act)

    def back(self, session, token):
        """To what there was at first."""
        session.ok(f"<rollback xmlns='{HISTORY}'><to>1</to><comment>{token}</comment>"
                   "</rollback>")

    def read(self, session, _):
        return descriptions(session.get_config(subtree=f'<interfaces xmlns="{IF}"/>'))

    kinds = [edit] * 4 + [commit] * 2 + [cancelled, copy, back]
    read = staticmethod(read)


class Restconf(Client):
    def edit(self, client, token):
        response = client.patch("/restconf/data/ietf-interfaces:interfaces",
                                {"ietf-interfaces:interfaces": ports(token, self.own)[
                                    "ietf-interfaces:interfaces"]})
        if response.status == 409:
            self.refused.add(token)
        else:
            assert response.status == 204, response.body

    def read(self, client, _):
        data = client.get("/restconf/data/ietf-interfaces:interfaces?content=config").json
        return {entry["name"]: entry.get("description")
                for entry in data["ietf-interfaces:interfaces"]["interface"]
                if entry["name"] in PORTS}

    kinds = [edit]
    read = staticmethod(read)


def history_of(nc):
    """[(comment, {port: description}, the ports that changed)], from the first entry on."""
    entries = nc.get(f"<history xmlns='{HISTORY}'/>").findall("history/entry")
    assert entries[0].findtext("id") == "1", "history has lost its beginning"
    state = dict.fromkeys(PORTS)
    steps = [(None, dict(state), set())]
    for entry in entries[1:]:
        number = int(entry.findtext("id"))
        reply = strip_namespaces(nc.rpc(
            f"<compare-history xmlns='{HISTORY}'><from>{number - 1}</from><to>{number}</to>"
            "</compare-history>"))
        changed = set()
        for edit in reply.iter("edit"):
            port = edit.findtext("target").split("interface=")[1].split("/")[0]
            changed.add(port)
            value = edit.find("value")
            state[port] = None if edit.findtext("operation") == "delete" \
                else "".join(value.itertext()).strip()
        steps.append((entry.findtext("comment"), dict(state), changed))
    return steps


def place_of(steps, span):
    """The steps that are the transaction's."""
    if span.what == "back":
        return [at for at, (comment, _, _) in enumerate(steps) if comment == span.token]
    return [at for at, (comment, state, changed) in enumerate(steps)
            if "p1" in changed and state["p1"] == span.token and not (comment or "").strip()]


@pytest.fixture
def net(make_net):
    return make_net(5)


@pytest.mark.timeout(300)
def test_serialisable(daemon, nc):
    print(f"ASHLAR_SEED={SEED}")
    clients = [Netconf(daemon.local, "p2", SEED), Netconf(daemon.ssh, "p3", SEED + 1),
               Netconf(daemon.local, "p4", SEED + 2), Restconf(daemon.restconf, "p5", SEED + 3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [client.failure for client in clients] == [None] * len(clients), SEED
    steps = history_of(nc)
    final = descriptions(nc.get_config(subtree=f'<interfaces xmlns="{IF}"/>'))
    assert steps[-1][1] == final, SEED
    for port, text in final.items():
        assert daemon.net.link(port).get("ifalias") == text
    placed = []
    for client in clients:
        seen = {text for _, state, _ in steps for text in state.values()}
        assert not client.refused & seen, (SEED, client.refused & seen)
        for span in client.spans:
            if span.what == "read":
                continue
            places = place_of(steps, span)
            if span.token in client.refused:
                assert not places, (SEED, span)
                continue
            if span.what == "back":
                # where it led to what was there, nothing was done
                assert len(places) <= 1, (SEED, span)
            else:
                assert len(places) == 1, (SEED, span, steps)
                _, state, changed = steps[places[0]]
                assert state[client.own] == span.token and changed >= {"p1", client.own}, (SEED, span)
            placed += [(span, places[0])] if places else []
    for before, at in placed:
        for after, then in placed:
            assert before.end >= after.begin or at < then, (SEED, before, after)
    for client in clients:
        for span in client.spans:
            if span.what != "read":
                continue
            oldest = max((at for other, at in placed if other.end < span.begin), default=0)
            newest = min((at for other, at in placed if other.begin > span.end),
                         default=len(steps))
            assert span.state in [state for _, state, _ in steps[oldest:newest]], (SEED, span)
    kinds = collections.Counter(span.what for span, _ in placed)
    assert len(placed) > ROUNDS and kinds["edit"], kinds
