"""History: what has been done to running, kept across restarts; differences, and going back."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until

NS = "urn:ashlar:params:xml:ns:yang:ashlar-history"


def entries(nc):
    """Oldest first."""
    found = nc.get(f"<history xmlns='{NS}'/>").find("history")
    return [{leaf.tag: leaf.text for leaf in entry} for entry in ([] if found is None else found)]


def describe(nc, text, name="p1", target="running"):
    nc.edit(config.interfaces({"name": name, "description": text}), target)


def described(nc, name="p1"):
    return nc.interface(name, "running").findtext("description")


def history_file(daemon):
    return daemon.state_dir / "history"


def saved(daemon, text):
    """Waits until the file of history holds it."""
    until(lambda: history_file(daemon).exists() and
          text.encode() in history_file(daemon).read_bytes(), f"{text} in the file", 20)


def test_begins(nc):
    """History begins with what the device starts with."""
    first, = entries(nc)
    assert first["id"] == "1" and first["protocol"] == "server" and "user" not in first


def test_records(daemon, nc):
    """Each transaction that changes running, by whom and how, and no other."""
    describe(nc, "one")
    describe(nc, "one")
    with pytest.raises(RpcError):
        nc.edit(config.interfaces({"name": "nowhere", "description": "x", "mtu": "x"}))
    describe(nc, "two", target="candidate")
    nc.ok("<commit/>")
    with daemon.restconf() as client:
        path = "/restconf/data/ietf-interfaces:interfaces/interface=p1/description"
        assert client.put(path, {"ietf-interfaces:description": "three"}).status == 204
    with daemon.ssh() as other:
        describe(other, "four")
    _, one, two, three, four = entries(nc)
    for entry in one, two:
        assert entry["user"] == "root" and entry["protocol"] == "netconf"
        assert int(entry["session-id"]) > 0
    assert three["user"] == "admin" and three["protocol"] == "restconf"
    assert "session-id" not in three
    assert four["user"] == "admin" and four["session-id"] != one["session-id"]
    assert [entry["id"] for entry in (one, two, three, four)] == ["2", "3", "4", "5"]


def test_restart(daemon):
    """A clean restart loses nothing and adds nothing."""
    with daemon.local() as nc:
        describe(nc, "one")
        describe(nc, "two")
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before
        describe(nc, "three")
        assert entries(nc)[:-1] == before
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before


def test_kill(daemon):
    """What was saved outlives a daemon that is killed; for what was not, one entry stands."""
    with daemon.local() as nc:
        describe(nc, "saved-one")
        saved(daemon, "saved-one")
        describe(nc, "saved-two")
        saved(daemon, "saved-two")
        before = entries(nc)
        describe(nc, "lost-one")
        describe(nc, "lost-two")
    daemon.kill()
    daemon.start()
    with daemon.local() as nc:
        assert described(nc) == "lost-two"
        after = entries(nc)
        assert after[:-1] == before
        assert after[-1]["protocol"] == "server" and after[-1]["comment"] == "started from journal"


def test_reboot(daemon):
    """A boot with the configuration there was is no entry; with another it is one."""
    with daemon.local() as nc:
        describe(nc, "one")
        nc.copy("running", "startup")
        before = entries(nc)
    daemon.reboot()
    with daemon.local() as nc:
        assert entries(nc) == before
        describe(nc, "two")
        before = entries(nc)
    daemon.reboot()
    with daemon.local() as nc:
        assert described(nc) == "one"
        assert entries(nc)[:-1] == before
        assert entries(nc)[-1]["comment"] == "started from startup"


@pytest.mark.parametrize("damage", ["torn", "garbage", "empty", "gone"])
def test_damaged_file(daemon, damage):
    """A file that cannot be read costs history, nothing else."""
    with daemon.local() as nc:
        describe(nc, "one")
        nc.copy("running", "startup")
        before = entries(nc)
    daemon.stop()
    file = history_file(daemon)
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-7])
    elif damage == "garbage":
        file.write_bytes(b"garbage" * 100)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    daemon.start()
    with daemon.local() as nc:
        assert described(nc) == "one"
        assert any("event=history-" in line for line in daemon.log) == (damage != "gone")
        # The whole configuration stands at the end of the file that was written anew.
        last = entries(nc)[-1]
        assert last["protocol"] == "server"
        assert len(entries(nc)) == 1 or damage == "torn"
        describe(nc, "two")
        assert len(entries(nc)) > 1
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before


def test_limit(daemon, nc):
    """The latest 100 are kept, across restarts too; numbers go on."""
    for number in range(120):
        describe(nc, f"number {number}")
    kept = entries(nc)
    assert len(kept) == 100 and kept[-1]["id"] == "121"
    daemon.restart()
    with daemon.local() as again:
        assert entries(again) == kept


def test_full_disk(daemon, nc):
    """Commits go on where history cannot be saved, and it is said once."""
    daemon.state_dir.chmod(0o700)
    file = history_file(daemon)
    describe(nc, "one")
    saved(daemon, "one")
    file.unlink()
    file.mkdir()
    describe(nc, "two")
    daemon.wait_log("history.*cannot write")
    describe(nc, "three")
    assert entries(nc)[-1]["id"] == "4"
    file.rmdir()
