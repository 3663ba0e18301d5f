"""Full disks, limits, and sessions of all kinds at once: refused is refused whole, the rest goes on."""

import collections
import contextlib
import errno
import os
import random
import resource
import threading

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, Closed, RpcError
from ashlar.network import run

pytestmark = pytest.mark.host

SEED = int(os.environ.get("ASHLAR_SEED", random.SystemRandom().randrange(1 << 32)))
FULL = "operation-failed", "resource-denied"


def described(session, name="p1", source="running"):
    return session.interface(name, source).findtext("description")


def refused(call, *arguments, tags=FULL):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert error.value.tag in tags, error.value
    assert error.value.severity == "error" and error.value.message
    return error.value


# --- full disks -----------------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(path, size="2m"):
    """A file system of that size instead of the directory."""
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path))
    try:
        yield
    finally:
        run("umount", str(path))


class Ballast:
    """A file that takes all the room that is left."""

    def __init__(self, directory):
        self.path = directory / "ballast"
        with open(self.path, "wb", buffering=0) as file:
            for size in 1 << 16, 1 << 12:
                with pytest.raises(OSError) as full:
                    while True:
                        file.write(bytes(size))
                assert full.value.errno == errno.ENOSPC

    def drop(self):
        self.path.unlink()


def files(directory):
    return {path.name: path.read_bytes() for path in directory.glob("startup-config.cfg*")}


@pytest.fixture
def on_small_disk(net, make_daemon):
    """make(kind): a daemon whose directory KIND is small; unmounted when the daemon has ended."""
    with contextlib.ExitStack() as stack:
        def make(kind):
            daemon = make_daemon(net, config.switch(net.ports))
            directory = getattr(daemon, f"{kind}_dir")
            startup = daemon.startup_file.read_bytes()
            stack.enter_context(small_disk(directory))
            daemon.startup_file.write_bytes(startup)
            stack.callback(daemon.stop)
            return daemon.start(), directory

        yield make


def test_no_room_for_startup(on_small_disk):
    """copy-config to startup fails whole: it, and what was kept of those before it, stay."""
    daemon, directory = on_small_disk("config")
    with daemon.local() as nc:
        for at in range(5):
            nc.describe(f"{at}")
            nc.copy("running", "startup")
        before = files(directory)
        assert len(before) == 4
        full = Ballast(directory)
        for at in range(5):
            nc.describe(f"full {at}" + 30 * "x")
            refused(nc.copy, "running", "startup")
            assert files(directory) == before
            assert described(nc, source="startup") == "4"
        # running goes on
        assert described(nc).startswith("full 4")
        full.drop()
        nc.copy("running", "startup")
        assert described(nc, source="startup").startswith("full 4")
        assert files(directory)["startup-config.cfg.1"] == before["startup-config.cfg"]


def test_no_room_for_the_journal(on_small_disk, net):
    """An edit that cannot be put on record is undone, in the kernel as well."""
    daemon, directory = on_small_disk("run")
    with daemon.local() as nc:
        nc.describe("before")
        full = Ballast(directory)
        last = "before"
        with pytest.raises(RpcError) as error:
            for at in range(1000):  # until the page that it has begun is full
                nc.describe(f"number {at}")
                last = f"number {at}"
        assert error.value.tag in FULL, error.value
        for _ in range(3):
            refused(nc.describe, "refused" + 30 * "x")
            assert described(nc) == net.link("p1")["ifalias"] == last
        # the same for what comes from candidate
        nc.describe("later" + 30 * "x", target="candidate")
        refused(nc.ok, "<commit/>")
        assert described(nc) == net.link("p1")["ifalias"] == last
        assert described(nc, source="candidate").startswith("later")
        refused(nc.ok, "<commit><confirmed/></commit>")
        assert described(nc) == net.link("p1")["ifalias"] == last
        full.drop()
        nc.ok("<commit/>")
        assert described(nc).startswith("later")
    daemon.kill()
    daemon.start()
    with daemon.local() as nc:
        assert described(nc).startswith("later")


def test_journal_is_full_at_a_kill(on_small_disk):
    """What was acknowledged before there was no room is there after a kill, and nothing else."""
    daemon, directory = on_small_disk("run")
    acknowledged = None
    with daemon.local() as nc:
        full = Ballast(directory)
        with contextlib.suppress(RpcError):
            for at in range(1000):
                nc.describe(f"number {at}")
                acknowledged = f"number {at}"
    daemon.kill()
    full.drop()
    daemon.start()
    with daemon.local() as nc:
        assert described(nc) == acknowledged
        nc.describe("after")


# --- limits ---------------------------------------------------------------------------------------

def test_many_operations_wait(nc, daemon):
    """A session that asks faster than it is answered is answered all the same, in order."""
    asked = [nc.request("<validate><source><running/></source></validate>") for _ in range(2000)]
    for message_id in asked:
        assert nc.reply(message_id).find(f"{{{BASE}}}ok") is not None


@pytest.mark.parametrize("body", [
    "<get>" + "<a/>" * 40 + "</get>",
    "<get " + " ".join(f'a{at}="{at}"' for at in range(60)) + "/>",
    "<get " + " ".join(f'xmlns:n{at}="urn:{at}"' for at in range(100)) + "/>",
], ids=["parameters", "attributes", "namespaces"])
def test_too_much_in_one_operation(nc, body):
    error = refused(nc.rpc, body, tags=("too-big", "unknown-element", "unknown-attribute",
                                        "malformed-message", "resource-denied"))
    assert error.type in ("rpc", "protocol")
    assert nc.interface("br0") is not None


def test_too_many_sessions(daemon, nc):
    """Root's places on the local socket have an end; who is there stays, the next one is turned away."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            for _ in range(3000):
                stack.enter_context(daemon.local())
        nc.describe("still here")
        assert described(nc) == "still here"
    with daemon.local() as session:
        assert described(session) == "still here"


# --- everything at once ---------------------------------------------------------------------------

class Worker(threading.Thread):
    """Does as it likes to the port of its own until it is told to end; knows what must be there."""

    def __init__(self, daemon, name, seed, ids, ops):
        super().__init__()
        self.daemon, self.name_of_port, self.ids, self.ops = daemon, name, ids, ops
        self.chance = random.Random(seed)
        self.possible = {None}  # values the leaf may have: of an unanswered edit, old or new
        self.number = 0
        self.failure = None
        self.done = collections.Counter()

    def run(self):
        try:
            left = self.ops
            while left > 0:
                with contextlib.suppress(Closed, ConnectionResetError, BrokenPipeError), \
                        self.daemon.local() as session:
                    self.ids[self.name_of_port] = session.session_id
                    while left > 0:
                        left -= 1
                        self.step(session)
        except BaseException as failure:  # told by the test
            self.failure = failure

    def step(self, session):
        what = self.chance.choices(
            [self.edit, self.commit, self.confirmed, self.lock, self.kill, self.read],
            [40, 15, 5, 10, 2, 20])[0]
        try:
            what(session)
            self.done[what.__name__] += 1
        except RpcError as error:
            # somebody else's lock, confirmed commit, changes of candidate, or nobody to kill
            assert error.tag in ("in-use", "lock-denied", "invalid-value", "operation-failed"), error
            assert error.tag != "invalid-value" or what == self.kill, error
            self.done["refused"] += 1

    def fresh(self):
        self.number += 1
        return f"{self.name_of_port} {self.number}"

    def edit(self, session):
        text, before = self.fresh(), set(self.possible)
        self.possible.add(text)
        try:
            session.describe(text, self.name_of_port)
        except RpcError:
            self.possible = before
            raise
        self.possible = {text}

    @contextlib.contextmanager
    def alone(self, session):
        """With both locks: a commit makes running what candidate is, others' edits of running or not."""
        with contextlib.ExitStack() as stack:
            for datastore in "running", "candidate":
                session.lock(datastore)
                stack.callback(session.unlock, datastore)
            yield

    def commit(self, session):
        text = self.fresh()
        with self.alone(session):
            session.describe(text, self.name_of_port, "candidate")
            self.possible.add(text)
            session.ok("<commit/>")
            self.possible = {text}

    def confirmed(self, session):
        """Begun and taken back, nothing of it may be left."""
        text = self.fresh()
        with self.alone(session):
            before = described(session, self.name_of_port)
            session.describe(text, self.name_of_port, "candidate")
            self.possible.add(text)
            session.ok("<commit><confirmed/></commit>")
            session.ok("<cancel-commit/>")
            assert described(session, self.name_of_port) == before
            self.possible = {before}
            session.ok("<discard-changes/>")

    def lock(self, session):
        session.lock()
        try:
            before = session.get_config()
            session.describe(text := self.fresh(), self.name_of_port)
            self.possible = {text}
            # nobody else's edit came between
            for old, new in zip(before.iter("interface"), session.get_config().iter("interface")):
                if old.findtext("name") != self.name_of_port:
                    assert old.findtext("description") == new.findtext("description")
        finally:
            session.unlock()

    def kill(self, session):
        others = [number for number in self.ids.values() if number != session.session_id]
        if others:  # they may all be on their way back
            session.kill_session(self.chance.choice(others))

    def read(self, session):
        found = described(session, self.name_of_port)
        assert found in self.possible, (found, self.possible)
        self.possible = {found}


@pytest.mark.timeout(300)
def test_everything_at_once(daemon, net):
    """Whatever sessions do to each other: an acknowledged edit is there, a refused one is not."""
    print(f"ASHLAR_SEED={SEED}")
    ids = {}
    workers = [Worker(daemon, name, SEED + at, ids, 150) for at, name in enumerate(net.ports)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.failure for worker in workers] == [None] * len(workers), SEED
    assert all(worker.done["edit"] for worker in workers), [worker.done for worker in workers]
    with daemon.local() as nc:
        for worker in workers:
            found = described(nc, worker.name_of_port)
            assert found in worker.possible, (SEED, found, worker.possible)
            assert net.link(worker.name_of_port).get("ifalias") == found
        for datastore in "running", "candidate":
            nc.lock(datastore)
            nc.unlock(datastore)
        nc.ok("<discard-changes/>")
        assert etree.tostring(nc.get_config("candidate"), method="c14n") == \
            etree.tostring(nc.get_config("running"), method="c14n")
