"""Locks on parts of running (RFC 5717)."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import until

PL = config.namespaces()["ietf-netconf-partial-lock"]
PREFIXES = (f'xmlns:if="{config.namespaces()["ietf-interfaces"]}" '
            f'xmlns:ip="{config.namespaces()["ietf-ip"]}" '
            f'xmlns:sys="{config.namespaces()["ietf-system"]}"')


def interface(name):
    return f"/if:interfaces/if:interface[if:name='{name}']"


def lock(nc, *selects):
    """(lock-id, [locked-node ...])"""
    given = "".join(f"<select {PREFIXES}>{select}</select>" for select in selects)
    reply = strip_namespaces(nc.rpc(f'<partial-lock xmlns="{PL}">{given}</partial-lock>'))
    return int(reply.findtext("lock-id")), [node.text for node in reply.findall("locked-node")]


def unlock(nc, lock_id):
    nc.ok(f'<partial-unlock xmlns="{PL}"><lock-id>{lock_id}</lock-id></partial-unlock>')


def describe(nc, name, text="x", target="running"):
    nc.edit(config.interfaces({"name": name, "description": text}), target)


def refused(tag, call, *arguments, app_tag=None):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert (error.value.tag, error.value.app_tag) == (tag, app_tag), error.value
    return error.value


@pytest.fixture
def other(daemon):
    with daemon.local() as session:
        yield session


def test_capability(nc):
    """2.2."""
    assert "urn:ietf:params:netconf:capability:partial-lock:1.0" in nc.capabilities


def test_lock(nc, other):
    """2.4.1: others cannot change the nodes or what is below, but the rest; the holder can."""
    lock_id, nodes = lock(nc, interface("p1"), "/sys:system/sys:contact | //if:interface[2]")
    assert len(nodes) == 2 and any("'p1'" in node or '"p1"' in node for node in nodes)
    error = refused("in-use", describe, other, "p1", app_tag="locked")
    assert "p1" in error.path and error.info["session-id"] == str(nc.session_id)
    refused("in-use", other.edit, config.interfaces({"name": "p1", "@operation": "delete"}),
            app_tag="locked")
    refused("in-use", other.edit, '<interfaces xmlns="%s" xmlns:nc="%s" nc:operation="delete"/>' % (
        config.namespaces()["ietf-interfaces"], "urn:ietf:params:xml:ns:netconf:base:1.0"),
        app_tag="locked")
    describe(other, "p2")
    describe(nc, "p1", "mine")
    assert other.interface("p1", "running").findtext("description") == "mine"
    unlock(nc, lock_id)
    describe(other, "p1")


def test_reply(nc):
    """2.4.1.1: locked nodes come as instance identifiers with declared prefixes."""
    reply = nc.rpc(f'<partial-lock xmlns="{PL}"><select {PREFIXES}>{interface("p1")}</select>'
                   "</partial-lock>")
    node = reply.find(f"{{{PL}}}locked-node")
    prefix = node.text.strip("/").split(":")[0]
    assert node.nsmap[prefix] == config.namespaces()["ietf-interfaces"]


def test_all_protocols(nc, daemon):
    """2.4.1: no other session and no other mechanism: RESTCONF, commit, copy-config."""
    lock(nc, interface("p1"))
    with daemon.restconf() as rc:
        body = {"ietf-interfaces:interface": [{"name": "p1", "description": "rc"}]}
        path = "data/ietf-interfaces:interfaces/interface"
        reply = rc.request("PATCH", f"{path}=p1", body)
        assert reply.status == 409 and reply.error["error-tag"] == "in-use"
        body["ietf-interfaces:interface"][0]["name"] = "p2"
        assert rc.request("PATCH", f"{path}=p2", body).status == 204
    with daemon.local() as other:
        describe(other, "p1", target="candidate")
        refused("in-use", other.ok, "<commit/>", app_tag="locked")
        other.ok("<discard-changes/>")
        other.validate("candidate")
        refused("in-use", other.copy, config.interfaces(), "running", app_tag="locked")
    describe(nc, "p1", "committed", "candidate")
    nc.ok("<commit/>")
    assert nc.interface("p1", "running").findtext("description") == "committed"


def test_evaluated_once(nc, other):
    """2.4.1: what comes later is not locked."""
    lock(nc, "//if:interface")
    other.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    describe(other, "va")
    refused("in-use", describe, other, "p1", app_tag="locked")


def test_deleted_by_owner(nc, other):
    """2.4.1: what the owner deletes is locked no more; the lock stays, if empty."""
    other.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    lock_id, nodes = lock(nc, interface("va"), interface("vb"))
    assert len(nodes) == 2
    nc.edit(config.interfaces({"name": "va", "@operation": "delete"},
                              {"name": "vb", "@operation": "delete"}))
    other.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    describe(other, "va")
    unlock(nc, lock_id)


def test_several_of_one_session(nc, other):
    """2.4.1 and 2.4.2: they may overlap, and protect until the last is released."""
    first, _ = lock(nc, interface("p1"))
    second, _ = lock(nc, interface("p1") + "/if:type", "/if:interfaces")
    assert first != second
    unlock(nc, first)
    refused("in-use", describe, other, "p1", app_tag="locked")
    unlock(nc, second)
    describe(other, "p1")
    refused("invalid-value", unlock, nc, second)


@pytest.mark.parametrize("select", [interface("p1"), interface("p1") + "/if:type", "/if:interfaces"])
def test_overlap(nc, other, select):
    """2.4.1.1: lock-denied with the holder, and nothing is locked of what was asked."""
    lock(nc, interface("p1"))
    error = refused("lock-denied", lock, other, interface("p2"), select)
    assert error.info["session-id"] == str(nc.session_id)
    describe(nc, "p2")
    lock(other, interface("p2"))


@pytest.mark.parametrize("tag, app_tag, selects", [
    ("invalid-value", None, ["/if:interfaces["]),
    ("invalid-value", "not-a-node-set", ["count(//if:interface)"]),
    ("invalid-value", "not-a-node-set", [interface("p1"), "1 + 1"]),
    ("operation-failed", "no-matches", [interface("nothing"), "/sys:nothing"]),
    ("missing-element", None, []),
])
def test_negative(nc, other, tag, app_tag, selects):
    """2.4.1.1: what is no expression, selects no nodes, or none at all."""
    refused(tag, lock, nc, *selects, app_tag=app_tag)
    describe(other, "p1")


def test_global_lock(nc, other):
    """2.4.1: a global lock and a partial one exclude each other, also within a session."""
    lock_id, _ = lock(nc, interface("p1"))
    for session in nc, other:
        error = refused("lock-denied", session.lock)
        assert error.info["session-id"] == str(nc.session_id)
    other.lock("candidate")
    other.lock("startup")
    unlock(nc, lock_id)
    nc.lock()
    for session in nc, other:
        error = refused("lock-denied", lock, session, interface("p1"))
        assert error.info["session-id"] == str(nc.session_id)


def test_unlock_of_others(nc, other):
    """2.4.2: only the session's own."""
    lock_id, _ = lock(nc, interface("p1"))
    refused("invalid-value", unlock, other, lock_id)
    refused("in-use", describe, other, "p1", app_tag="locked")


def test_session_end(nc, daemon, other):
    """2.4.1: with the session its locks end, however it ends."""
    for end in "close_session", "close":
        holder = daemon.local()
        lock(holder, interface("p1"))
        getattr(holder, end)()

        def is_free():
            try:
                describe(other, "p1", end)
                return True
            except RpcError as error:
                assert error.tag == "in-use"
                return False

        until(is_free, "the lock's end")
        holder.close()


def test_confirmed_commit(nc, other):
    """2.6.2: not while a confirmed commit is pending."""
    describe(other, "p1", target="candidate")
    other.ok("<commit><confirmed/></commit>")
    refused("in-use", lock, nc, interface("p2"), app_tag="outstanding-confirmed-commit")
    other.ok("<commit/>")
    lock(nc, interface("p2"))


def test_monitoring(nc, other):
    """RFC 6022 section 2.1.3: the datastore's partial locks."""
    ids = [lock(session, interface(name))[0] for session, name in ((nc, "p1"), (other, "p2"))]
    store = other.get(xpath="/ncm:netconf-state/ncm:datastores/ncm:datastore[ncm:name='running']",
                      prefixes={"ncm": "ietf-netconf-monitoring"}).find(
        "netconf-state/datastores/datastore")
    locks = {int(entry.findtext("lock-id")): entry
             for entry in store.findall("locks/partial-lock")}
    assert sorted(locks) == sorted(ids), etree.tostring(store)
    assert locks[ids[0]].findtext("locked-by-session") == str(nc.session_id)
    assert "p1" in locks[ids[0]].findtext("select") and locks[ids[0]].findtext("locked-time")
    assert "p1" in locks[ids[0]].findtext("locked-node")


def test_access(make_daemon, net):
    """RFC 8341: what cannot be read is not selected."""
    rules = [{"name": "r", "group": ["some"], "rule": [
        {"name": "hidden", "path": "/ietf-interfaces:interfaces/interface[name='p1']",
         "access-operations": "read", "action": "deny"}]}]
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, rules)}
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup).start()
    with daemon.ssh("some") as session:
        refused("operation-failed", lock, session, interface("p1"), app_tag="no-matches")
        assert not any("p1" in node for node in lock(session, "//if:interface")[1])
