"""Many sessions at once, and one that does not read: what each costs, and that nobody waits for it."""

import concurrent.futures
import contextlib
import json
import resource
import select
import socket
import statistics
import time

import pytest

from ashlar import DEADLINE, config
from ashlar.netconf import BASE
from ashlar.network import until

pytestmark = [pytest.mark.host, pytest.mark.timeout(300)]

IF = config.namespaces()["ietf-interfaces"]
LOCAL, SSH, ROUNDS = 1000, 100, 5
IDLE_KIB = {"local": 10, "ssh": 100}  # of resident memory, one session that does nothing
INTERFACES = 10000
STALL_MS = 50


@pytest.fixture(autouse=True)
def descriptors():
    """As many as the sessions need, whatever the shell allows at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def edit(name, text):
    return ("<edit-config><target><running/></target><default-operation>none</default-operation>"
            f'<config><interfaces xmlns="{IF}"><interface><name>{name}</name><description '
            f'xmlns:nc="{BASE}" nc:operation="merge">{text}</description></interface></interfaces>'
            "</config></edit-config>")


def ports(count):
    """A configuration without a bridge: so many Ethernet ports."""
    return {**config.switch([]), **config.interfaces(
        *(config.interface(f"eth{number}", "ethernet") for number in range(count)))}


def descriptions(session):
    return {entry.findtext("name"): entry.findtext("description")
            for entry in session.get_config().iterfind("interfaces/interface")}


class Rounds:
    """One session that edits its leaf ROUNDS times, driven by what the daemon answers."""

    def __init__(self, session, name):
        self.session, self.name = session, name
        self.at, self.times, self.errors = 0, [], []
        self.ask()

    def ask(self):
        self.begin = time.monotonic()
        self.session.request(edit(self.name, f"{self.name} round {self.at}"))

    def answered(self):
        """Takes what has come; whether all rounds are done."""
        self.session.more()
        while b"\n##\n" in self.session.input:
            reply = self.session.message()
            if reply.find(f"{{{BASE}}}ok") is None:
                self.errors.append(reply)
            self.times.append(time.monotonic() - self.begin)
            self.at += 1
            if self.at == ROUNDS:
                return True
            self.ask()
        return False


def run_rounds(sessions):
    """All at the same time; each one's total."""
    poll = select.poll()
    running = {}
    for name, session in sessions.items():
        at = Rounds(session, name)
        fd = (session.stream if isinstance(session.stream, socket.socket)
              else session.stream.ours).fileno()
        running[fd] = at
        poll.register(fd, select.POLLIN)
    clients = list(running.values())
    while running:
        ready = poll.poll(DEADLINE * 1000)
        assert ready, f"{len(running)} sessions are not answered"
        for fd, _ in ready:
            if running[fd].answered():
                poll.unregister(fd)
                del running[fd]
    assert not [client.errors for client in clients if client.errors]
    return [sum(client.times) for client in clients]


def measured(daemon, connect, names, kind, record_property):
    """Opens sessions, has them edit; what it took."""
    before = daemon.rss_kib()
    sessions = dict(zip(names, connect()))
    idle = (daemon.rss_kib() - before) / len(names)
    totals = run_rounds(sessions)
    figures = {"sessions": len(names), "idle-KiB": round(idle, 1),
               "median-s": round(statistics.median(totals), 3), "slowest-s": round(max(totals), 3)}
    record_property(kind, json.dumps(figures))
    print(kind, figures)
    assert idle <= IDLE_KIB[kind], figures
    assert max(totals) <= 5 * statistics.median(totals), figures
    with daemon.local() as nc:
        found = descriptions(nc)
        assert {found[name] for name in names} == {f"{name} round {ROUNDS - 1}" for name in names}


def test_local_sessions(net, make_daemon, record_property):
    """1,000 of them, each editing its own leaf: none is refused, none waits much longer than others."""
    daemon = make_daemon(net, ports(LOCAL), build="release", options=["--no-kernel"]).start()
    with contextlib.ExitStack() as stack:
        measured(daemon, lambda: [stack.enter_context(daemon.local()) for _ in range(LOCAL)],
                 [f"eth{number}" for number in range(LOCAL)], "local", record_property)


def test_ssh_sessions(net, make_daemon, ssh_key, record_property):
    """100 of them, the same."""
    startup = ports(SSH)
    startup["ietf-system:system"]["authentication"]["user"] = [
        config.user(config.USER, key=ssh_key.with_suffix(".pub").read_text())]
    daemon = make_daemon(net, startup, build="release", options=["--no-kernel"]).start()
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(4) as threads:
        def connect():
            asked = [threads.submit(daemon.ssh, key=ssh_key) for _ in range(SSH)]
            return [stack.enter_context(at.result()) for at in asked]

        measured(daemon, connect, [f"eth{number}" for number in range(SSH)], "ssh",
                 record_property)


def test_large_reads_aside(net, make_daemon):
    """Nobody waits for the large answers that others asked for before: they are made aside."""
    daemon = make_daemon(net, ports(INTERFACES), build="release", options=["--no-kernel"]).start()
    with contextlib.ExitStack() as stack:
        nc = stack.enter_context(daemon.local())
        readers = [stack.enter_context(daemon.local()) for _ in range(8)]
        for reader in readers:
            reader.request("<get/>")
        nc.ok(edit("eth1", "meanwhile"))
        nc.get_config(xpath="/interfaces/interface[name='eth1']")
        answered = select.select([reader.stream for reader in readers], [], [], 0)[0]
        assert len(answered) < len(readers)
        for reader in readers:
            assert reader.message().find(f"{{{BASE}}}data") is not None


def test_large_read_has_old_tag(net, make_daemon):
    """RFC 8040 section 3.4.1: the tag of an answer is not that of what others did meanwhile."""
    daemon = make_daemon(net, ports(INTERFACES), build="release", options=["--no-kernel"]).start()
    path = "data/ietf-interfaces:interfaces"
    with daemon.local() as nc, daemon.restconf() as reader, daemon.restconf() as writer:
        reader.connection.request("GET", f"/restconf/{path}", headers=reader.headers)
        nc.get_config(xpath="/interfaces/interface[name='eth1']/name")
        nc.ok(edit("eth1", "meanwhile"))
        response = reader.connection.getresponse()
        body = response.read()
        status = writer.patch(path + "/interface=eth2", {"ietf-interfaces:interface": [
            {"name": "eth2", "description": "changed"}]}, **{"If-Match": response.headers["ETag"]})
        assert status.status == (204 if b"meanwhile" in body else 412)


def test_expressions_of_another(net, make_daemon):
    """One user's expensive questions do not delay another's."""
    daemon = make_daemon(net, ports(2000), build="release", options=["--no-kernel"]).start()
    dear = "/interfaces/interface[count(/interfaces/interface[name!=current()/name])>1]/name"
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(daemon.ssh())
        readers = [stack.enter_context(daemon.local()) for _ in range(8)]
        for reader in readers:
            reader.request(f"<get-config><source><running/></source>"
                           f'<filter type="xpath" select="{dear}"/></get-config>')
        found = admin.get_config(xpath="/interfaces/interface[starts-with(name,'eth1')]/name")
        assert len(found.findall("interfaces/interface")) == 1111
        assert len(select.select([reader.stream for reader in readers], [], [], 0)[0]) < 8


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_slow_reader(net, make_daemon, record_property, transport):
    """Who asks again and again for 10,000 interfaces and reads none costs one answer at most."""
    daemon = make_daemon(net, ports(INTERFACES), build="release", options=["--no-kernel"]).start()
    with contextlib.ExitStack() as stack:
        nc = stack.enter_context(daemon.local())
        for _ in range(2):
            nc.request("<get/>")
            size_kib = len(nc.receive()) // 1024
        assert size_kib > INTERFACES * 100 // 1024
        before = daemon.rss_kib()
        slow = stack.enter_context(getattr(daemon, transport)())
        for _ in range(100):
            slow.request("<get/>")
        # something of the first answer has come: the daemon is at it
        stream = slow.stream if transport == "local" else slow.stream.ours
        assert select.select([stream], [], [], DEADLINE)[0]
        times = []
        for at in range(400):
            begin = time.monotonic()
            nc.ok(edit(f"eth{at}", "meanwhile"))
            times.append(1000 * (time.monotonic() - begin))
        grown = daemon.rss_kib() - before
        figures = {"reply-KiB": size_kib, "grown-KiB": grown,
                   "p50-ms": round(statistics.median(times), 2),
                   "p99-ms": round(statistics.quantiles(times, n=100)[98], 2)}
        record_property(transport, json.dumps(figures))
        print(transport, figures)
        assert figures["p99-ms"] < STALL_MS, figures
        assert grown < 2 * size_kib + 4096, figures
        # nothing was lost of what it asked for, and what it did not read goes with it
        assert slow.message().find(f"{{{BASE}}}data") is not None
        assert slow.message().find(f"{{{BASE}}}data") is not None
        if transport == "ssh":
            slow.stream.process.kill()
        slow.close()
        until(lambda: daemon.rss_kib() - before < 4096 + size_kib, "the memory to come back")
