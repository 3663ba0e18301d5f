"""History: what has been done to running, kept across restarts; differences, and going back."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import until

NS = "urn:ashlar:params:xml:ns:yang:ashlar-history"


def entries(nc):
    """Oldest first."""
    found = nc.get(f"<history xmlns='{NS}'/>").find("history")
    return [{leaf.tag: leaf.text for leaf in entry} for entry in ([] if found is None else found)]


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
    nc.describe("one")
    nc.describe("one")
    with pytest.raises(RpcError):
        nc.edit(config.interfaces({"name": "nowhere", "description": "x", "mtu": "x"}))
    nc.describe("two", target="candidate")
    nc.ok("<commit/>")
    with daemon.restconf() as client:
        path = "/restconf/data/ietf-interfaces:interfaces/interface=p1/description"
        assert client.put(path, {"ietf-interfaces:description": "three"}).status == 204
    with daemon.ssh() as other:
        other.describe("four")
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
        nc.describe("one")
        nc.describe("two")
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before
        nc.describe("three")
        assert entries(nc)[:-1] == before
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before


def test_kill(daemon):
    """What was saved outlives a daemon that is killed; for what was not, one entry stands."""
    with daemon.local() as nc:
        nc.describe("saved-one")
        saved(daemon, "saved-one")
        nc.describe("saved-two")
        saved(daemon, "saved-two")
        before = entries(nc)
        nc.describe("lost-one")
        nc.describe("lost-two")
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
        nc.describe("one")
        nc.copy("running", "startup")
        before = entries(nc)
    daemon.reboot()
    with daemon.local() as nc:
        assert entries(nc) == before
        nc.describe("two")
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
        nc.describe("one")
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
        nc.describe("two")
        assert len(entries(nc)) > 1
        before = entries(nc)
    daemon.restart()
    with daemon.local() as nc:
        assert entries(nc) == before


def test_limit(daemon, nc):
    """The latest 100 are kept, across restarts too; numbers go on."""
    for number in range(120):
        nc.describe(f"number {number}")
    kept = entries(nc)
    assert len(kept) == 100 and kept[-1]["id"] == "121"
    daemon.restart()
    with daemon.local() as again:
        assert entries(again) == kept


def test_full_disk(daemon, nc):
    """Commits go on where history cannot be saved, and it is said once."""
    daemon.state_dir.chmod(0o700)
    file = history_file(daemon)
    nc.describe("one")
    saved(daemon, "one")
    file.unlink()
    file.mkdir()
    nc.describe("two")
    daemon.wait_log("history.*cannot write")
    nc.describe("three")
    assert entries(nc)[-1]["id"] == "4"
    file.rmdir()


# --- differences ----------------------------------------------------------------------------------


def compare(nc, first=None, second=None):
    """The edits, as (operation, target, value, source value); None: there is no difference."""
    given = "".join(f"<{name}>{value}</{name}>" for name, value in
                    (("from", first), ("to", second)) if value)
    reply = strip_namespaces(nc.rpc(f"<compare-history xmlns='{NS}'>{given}</compare-history>"))
    if reply.find("no-matches") is not None:
        return None
    return [tuple(edit.findtext(name) if name in ("operation", "target") else
                  "".join(edit.find(name).itertext()) if edit.find(name) is not None else None
                  for name in ("operation", "target", "value", "source-value"))
            for edit in reply.findall("differences/yang-patch/edit")]


P1 = "/ietf-interfaces:interfaces/interface=p1"


def test_compare(nc):
    """What one entry changed, what several came to, and both backwards."""
    nc.describe("one")
    nc.describe("two")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    nc.edit(config.interfaces({"name": "p1", "enabled": False}))
    nc.edit(config.interfaces({"name": "p1", "description": "", "@operation": "merge"}))
    assert compare(nc, 2, 3) == [("replace", f"{P1}/description", "two", "one")]
    assert compare(nc, second=3) == compare(nc, 2, 3)
    assert compare(nc, 3, 2) == [("replace", f"{P1}/description", "one", "two")]
    assert compare(nc, 1, 3) == [("create", f"{P1}/description", "two", None)]
    made = compare(nc, 3, 4)
    assert [edit[:2] for edit in made] == [
        ("create", f"/ietf-interfaces:interfaces/interface={name}") for name in ("va", "vb")]
    assert [edit[0] for edit in compare(nc, 4, 3)] == ["delete", "delete"]
    assert compare(nc, 2) == compare(nc, 2, 6)
    assert compare(nc, 2, 2) is None


def test_compare_nothing(nc):
    """What came and went again is no difference."""
    nc.describe("one")
    nc.describe("two")
    nc.describe("one")
    assert compare(nc, 2, 4) is None
    with pytest.raises(RpcError) as error:
        compare(nc, 1, 77)
    assert error.value.tag == "invalid-value"


def test_compare_order(nc):
    """Entries that the user orders come with their places."""
    rules = ("<nacm xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-acm' "
             "xmlns:yang='urn:ietf:params:xml:ns:yang:1'>{}</nacm>")

    def put(*entries):
        nc.ok("<edit-config><target><running/></target><config>" + rules.format(
            "".join(f"<rule-list {how}><name>{name}</name></rule-list>"
                    for name, how in entries)) + "</config></edit-config>")

    put(("a", ""), ("b", ""), ("c", ""))
    put(("c", "yang:insert='first'"))
    put(("x", "yang:insert='before' yang:key=\"[name='a']\""),
        ("y", "yang:insert='before' yang:key=\"[name='a']\""))
    moved, = compare(nc, 2, 3)
    assert moved[:2] == ("move", "/ietf-netconf-acm:nacm/rule-list=c")
    made = compare(nc, 3, 4)
    assert [edit[:2] for edit in made] == [
        ("insert", f"/ietf-netconf-acm:nacm/rule-list={name}") for name in "yx"]
    nc.ok(f"<rollback xmlns='{NS}'><to>2</to></rollback>")
    order = [entry.findtext("name") for entry in nc.get_config().findall("nacm/rule-list")]
    assert [name for name in order if name in "abcxy"] == ["a", "b", "c"]


PORT = {"name": "port", "group": ["port"], "rule": [
    {"name": "own", "path": "/ietf-interfaces:interfaces/interface[name='p1']/description",
     "access-operations": "*", "action": "permit"},
    {"name": "see", "path": "/ietf-interfaces:interfaces/interface[name='p2']",
     "access-operations": "read", "action": "deny"}]}


@pytest.fixture
def limited(net, make_daemon):
    """A daemon with a user port, who may change the description of p1 and not see p2."""
    startup = {
        **config.switch(net.ports), **config.access({"admin": ["admin"], "port": ["port"]}, [PORT]),
        "ietf-system:system": {"authentication": {"user": [
            config.user("admin"), config.user("port")]}}}
    return make_daemon(net, startup).start()


def test_compare_readable(limited):
    """What the client may not read is left out."""
    with limited.local() as root, limited.ssh("port") as port:
        root.describe("one")
        root.describe("hidden", "p2")
        assert len(compare(root, 1)) == 2
        assert [edit[:2] for edit in compare(port, 1)] == [("create", f"{P1}/description")]
        assert compare(port, 2, 3) is None


# --- going back -------------------------------------------------------------------------------------


def rollback(nc, number, comment=None):
    text = f"<comment>{comment}</comment>" if comment else ""
    return nc.ok(f"<rollback xmlns='{NS}'><to>{number}</to>{text}</rollback>")


def running(nc):
    """As text, without the order that means nothing."""
    data = nc.get_config("running")
    for found in *data.iterfind("interfaces"), *data.iterfind("nacm/groups"):
        found[:] = sorted(found, key=lambda entry: entry.findtext("name"))
    return etree.tostring(data, method="c14n")


def test_rollback(daemon, nc, net):
    """Any entry's configuration comes back, the kernel follows, and that is an entry, too."""
    states = {1: running(nc)}
    nc.describe("one")
    states[2] = running(nc)
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    states[3] = running(nc)
    nc.edit(config.interfaces({"name": "va", "@operation": "delete"},
                              {"name": "vb", "@operation": "delete"}))
    nc.edit({"ietf-system:system": {"hostname": "other"}})
    states[5] = running(nc)
    number = 5
    for to in 3, 1, 5, 2, 3, 1:
        rollback(nc, to, f"back to {to}")
        assert running(nc) == states[to]
        number += 1
        last = entries(nc)[-1]
        assert last["id"] == str(number) and last["comment"] == f"back to {to}"
        assert last["user"] == "root" and last["protocol"] == "netconf"
        links = {link["ifname"] for link in net.ip_json("link")}
        assert ({"va", "vb"} <= links) == (to == 3)
        assert net.link("p1").get("ifalias") == (None if to == 1 else "one")
    daemon.restart()
    with daemon.local() as again:
        assert running(again) == states[1]
        rollback(again, 3)
        assert running(again) == states[3]


def test_rollback_to_here(nc):
    """Where nothing differs nothing is done."""
    nc.describe("one")
    nc.describe("two")
    nc.describe("one")
    before = entries(nc)
    rollback(nc, before[-1]["id"])
    rollback(nc, 2)
    assert entries(nc) == before
    with pytest.raises(RpcError) as error:
        rollback(nc, 99)
    assert error.value.tag == "invalid-value"


def test_rollback_allowed(limited):
    """Locks hold, and the client must be allowed to make each change that is left to do."""
    with limited.local() as root, limited.ssh("port") as port:
        root.describe("one")
        root.describe("two")
        root.describe("hidden", "p2")
        before = running(root)
        with pytest.raises(RpcError) as error:
            rollback(port, 2)
        assert error.value.tag == "access-denied" and "p2" not in str(error.value)
        assert running(root) == before
        root.edit(config.interfaces({"name": "p2", "description": "x", "@operation": "merge"}))
        root.ok("<edit-config><target><running/></target><config><interfaces "
                "xmlns='urn:ietf:params:xml:ns:yang:ietf-interfaces' "
                "xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'><interface><name>p2</name>"
                "<description nc:operation='delete'/></interface></interfaces></config>"
                "</edit-config>")
        root.lock()
        with pytest.raises(RpcError) as error:
            rollback(port, 2)
        assert error.value.tag in ("lock-denied", "in-use")
        root.unlock()
        rollback(port, 2)
        assert described(root) == "one" and entries(root)[-1]["user"] == "port"


def test_rollback_refused(daemon, nc):
    """A transaction that cannot be leaves everything as it was."""
    nc.describe("one")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    before, kept = running(nc), entries(nc)
    # The link comes back under a name that something else has by now.
    nc.edit(config.interfaces({"name": "va", "@operation": "delete"},
                              {"name": "vb", "@operation": "delete"}))
    rollback(nc, 3)
    assert running(nc) == before
    assert entries(nc)[:len(kept)] == kept


def test_restconf(daemon):
    """The same over RESTCONF."""
    path = "/restconf/data/ietf-interfaces:interfaces/interface=p1/description"
    with daemon.restconf() as client:
        for text in "one", "two":
            body = {"ietf-interfaces:description": text}
            assert client.put(path, body).status in (201, 204)
        names = client.get("/restconf/operations").json["ietf-restconf:operations"]
        assert "ashlar-history:rollback" in names
        found = client.get("/restconf/data/ashlar-history:history").json
        kept = found["ashlar-history:history"]["entry"]
        assert [entry["id"] for entry in kept] == [1, 2, 3]
        reply = client.post("/restconf/operations/ashlar-history:compare-history",
                            {"ashlar-history:input": {"to": 3}})
        assert reply.status == 200
        edit, = reply.json["ashlar-history:output"]["differences"]["yang-patch"]["edit"]
        assert edit["operation"] == "replace" and edit["target"] == f"{P1}/description"
        assert edit["value"] == {"ietf-interfaces:description": "two"}
        assert edit["source-value"] == {"ietf-interfaces:description": "one"}
        reply = client.post("/restconf/operations/ashlar-history:rollback",
                            {"ashlar-history:input": {"to": 2, "comment": "back"}})
        assert reply.status == 204
        assert client.get(path).json == {"ietf-interfaces:description": "one"}
        last = client.get("/restconf/data/ashlar-history:history/entry=4").json
        assert last["ashlar-history:entry"][0]["comment"] == "back"


def test_large(daemon, nc):
    """A change too large to be recorded as it was made is gone back from all the same, after a
    restart, too."""
    before = running(nc)
    nc.describe("one")
    start = running(nc)
    nc.edit({"ietf-netconf-acm:nacm": {"groups": {"group": [
        {"name": f"g{number}"} for number in range(2500)]}}})
    full = running(nc)
    daemon.restart()
    with daemon.local() as again:
        assert running(again) == full
        rollback(again, 2)
        assert running(again) == start
        rollback(again, 3)
        assert running(again) == full
        rollback(again, 1)
        assert running(again) == before
