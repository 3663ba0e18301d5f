"""Plans: what a transaction would do to the device, told and not done."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces

pytestmark = pytest.mark.kernel

NS = "urn:ashlar:params:xml:ns:yang:ashlar-history"
PLAN = f"<plan xmlns='{NS}'/>"
VETH = config.interfaces(config.veth("va", "vb"), config.veth("vb", "va"))


def steps(reply):
    """As (operation, kind, key)."""
    found = [{leaf.tag: leaf.text for leaf in step}
             for step in strip_namespaces(reply).findall("step")]
    assert [step["index"] for step in found] == [str(n + 1) for n in range(len(found))]
    return [(step["operation"], step["kind"], step["key"]) for step in found]


def plan(nc, data, target="running", options=""):
    return steps(nc.rpc(f"<edit-config><target><{target}/></target>{options}"
                        f"<config>{nc.xml(data)}</config>{PLAN}</edit-config>"))


def plan_commit(nc):
    return steps(nc.rpc(f"<commit>{PLAN}</commit>"))


def state(nc, net):
    """All that a plan must leave alone."""
    return [etree.tostring(nc.get_config(source), method="c14n")
            for source in ("running", "candidate", "startup")] + [
        etree.tostring(nc.get(f"<history xmlns='{NS}'/>"), method="c14n"),
        sorted(link["ifname"] for link in net.ip_json("link")),
        sorted(str(link.get("addr_info")) for link in net.ip_json("addr"))]


@pytest.fixture
def unchanged(daemon, nc, net):
    """Nothing is another afterwards, and a daemon that starts has nothing to do."""
    before = state(nc, net)
    yield
    assert state(nc, net) == before
    daemon.restart()
    assert daemon.start_changes() == 0


def test_edit(nc, unchanged):
    """Links, addresses, a change and removals, in order."""
    made = plan(nc, VETH)
    assert {("add", "link", "va"), ("add", "link", "vb")} & set(made)
    assert ("change", "link", "p1") in plan(
        nc, config.interfaces({"name": "p1", "description": "one"}))
    both = plan(nc, config.interfaces(
        {**config.veth("va", "vb"), **config.ipv4("198.51.100.1/24")},
        config.veth("vb", "va")))
    link = [at for at, step in enumerate(both) if step[1] == "link"]
    address, = [at for at, step in enumerate(both) if step[:2] == ("add", "address")]
    assert link[0] < address and "va" in both[address][2] and "198.51.100.1" in both[address][2]
    assert ("remove", "address", "br0 192.0.2.1/24") in plan(nc, config.interfaces(
        {"name": "br0", "ietf-ip:ipv4": {"@operation": "delete"}}))
    # What goes with a link needs no step of its own.
    assert plan(nc, config.interfaces(
        {"name": "br0", "@operation": "delete"},
        *({"name": f"p{n}", "@operation": "replace", "type": "infix-if-type:ethernet"}
          for n in range(1, 5))))[-1] == ("remove", "link", "br0")


def test_nothing_to_do(nc, unchanged):
    """What changes nothing on the device has no step."""
    assert plan(nc, config.interfaces({"name": "p1"})) == []
    assert plan(nc, {"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "g"}]}}}) == []


def test_owner(nc, unchanged):
    """Each step says which configuration it is for."""
    reply = strip_namespaces(nc.rpc(
        f"<edit-config><target><running/></target><config>{nc.xml(VETH)}</config>{PLAN}"
        "</edit-config>"))
    owners = [step.findtext("owner") for step in reply.findall("step")]
    assert owners and all(owner.startswith("/if:interfaces/if:interface[if:name='v")
                          for owner in owners)


def test_refused(nc, unchanged):
    """The same errors as when it is done."""
    with pytest.raises(RpcError) as error:
        plan(nc, config.interfaces({"name": "nowhere", "@operation": "delete"}))
    assert error.value.tag == "data-missing"
    with pytest.raises(RpcError):
        plan(nc, config.interfaces(
            {"name": "v1", "type": "infix-if-type:vlan",
             "infix-interfaces:vlan": {"id": 7, "lower-layer-if": "nowhere"}}))


def test_plan_then_do(nc, net):
    """After a plan the same edit is done, and its plan is empty from then on."""
    assert plan(nc, VETH)
    nc.edit(VETH)
    assert {"va", "vb"} <= {link["ifname"] for link in net.ip_json("link")}
    assert plan(nc, VETH) == []
    gone = config.interfaces({"name": "va", "@operation": "delete"},
                             {"name": "vb", "@operation": "delete"})
    assert ("remove", "link") in [step[:2] for step in plan(nc, gone)]
    assert {"va", "vb"} <= {link["ifname"] for link in net.ip_json("link")}
    nc.edit(gone)
    assert not {"va", "vb"} & {link["ifname"] for link in net.ip_json("link")}


def test_candidate(daemon, nc, net):
    """An edit of candidate is planned with what candidate holds; a commit as it stands."""
    nc.edit(VETH, "candidate")
    before = state(nc, net)
    alone = plan_commit(nc)
    assert {step[2] for step in alone} >= {"va"} and all(step[2] != "p1" for step in alone)
    more = plan(nc, config.interfaces({"name": "p1", "description": "one"}), "candidate")
    assert ("change", "link", "p1") in more and set(alone) <= set(more)
    assert plan_commit(nc) == alone
    assert state(nc, net) == before
    nc.ok("<commit/>")
    assert {"va", "vb"} <= {link["ifname"] for link in net.ip_json("link")}
    assert "ifalias" not in net.link("p1")
    assert plan_commit(nc) == []


def test_candidate_untouched(nc, unchanged):
    """A plan does not make of an untouched candidate an edited one."""
    assert plan(nc, VETH, "candidate")
    assert plan_commit(nc) == []


def test_confirmed(nc, unchanged):
    """A confirmed commit that is planned waits for no confirmation."""
    nc.edit(VETH, "candidate")
    assert steps(nc.rpc(f"<commit><confirmed/><confirm-timeout>1</confirm-timeout>{PLAN}</commit>"))
    nc.ok("<discard-changes/>")
    with pytest.raises(RpcError):
        nc.ok("<cancel-commit/>")


def test_locked(daemon, nc, net):
    """Locks hold for a plan, too."""
    with daemon.local() as other:
        other.lock()
        with pytest.raises(RpcError) as error:
            plan(nc, VETH)
        assert error.value.tag in ("lock-denied", "in-use")
        other.unlock()


def test_edit_data(nc, unchanged):
    """RFC 8526."""
    reply = nc.rpc(
        "<edit-data xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-nmda' "
        "xmlns:ds='urn:ietf:params:xml:ns:yang:ietf-datastores'>"
        f"<datastore>ds:running</datastore><config>{nc.xml(VETH)}</config>{PLAN}</edit-data>")
    assert "va" in {step[2] for step in steps(reply)}


def test_rollback(nc, net):
    """A rollback can be planned like anything else."""
    nc.edit(VETH)
    before = state(nc, net)
    reply = nc.rpc(f"<rollback xmlns='{NS}'><to>1</to><plan/></rollback>")
    assert {step[0] for step in steps(reply)} == {"remove"}
    assert state(nc, net) == before


def test_comment(daemon, nc):
    """A comment is kept with what it is about; what is only planned keeps none."""
    def edit(text, more=""):
        data = config.interfaces({"name": "p1", "description": text[:7]})
        nc.rpc(f"<edit-config><target><running/></target><config>{nc.xml(data)}</config>"
               f"<comment xmlns='{NS}'>{text}</comment>{more}</edit-config>")

    edit("why it is &lt;one&gt;")
    edit("two", PLAN)
    nc.edit(config.interfaces({"name": "p1", "description": "three"}), "candidate")
    nc.ok(f"<commit><comment xmlns='{NS}'>three</comment></commit>")
    for wrong in "", "x" * 256:
        with pytest.raises(RpcError) as error:
            edit(wrong)
        assert error.value.tag == "invalid-value"
    edit("ä" * 255)
    comments = [entry.findtext("comment") for entry in
                nc.get(f"<history xmlns='{NS}'/>").iterfind("history/entry")]
    assert comments[1:] == ["why it is <one>", "three", "ä" * 255]


def test_restconf(daemon, net, nc):
    """The query parameters plan and comment."""
    path = "/restconf/data/ietf-interfaces:interfaces/interface=p1/description"
    body = {"ietf-interfaces:description": "one"}
    before = state(nc, net)
    with daemon.restconf() as client:
        for method in client.put, client.patch:
            reply = method(path + "?plan", body)
            if method == client.patch:
                assert reply.status == 404
                continue
            assert reply.status == 200
            step, = reply.json["ashlar-history:plan"]["step"]
            assert step["index"] == 1
            assert (step["operation"], step["kind"], step["key"]) == ("change", "link", "p1")
        reply = client.post(
            "/restconf/data/ietf-interfaces:interfaces?plan",
            {"ietf-interfaces:interface": [{
                "name": "br1", "type": "infix-if-type:bridge"}]})
        assert reply.status == 200 and "Location" not in reply.headers
        assert "br1" in {step["key"] for step in reply.json["ashlar-history:plan"]["step"]}
        reply = client.delete(
            "/restconf/data/ietf-interfaces:interfaces/interface=br0/ietf-ip:ipv4?plan=")
        assert reply.status == 200
        reply = client.patch("/restconf/data?plan", {"ietf-restconf:data": {}})
        assert reply.status == 200 and reply.json == {"ashlar-history:plan": {}}
        assert client.put(path + "?plan=yes", body).status == 400
        assert client.get(path + "?plan").status == 400
        assert state(nc, net) == before
        assert client.put(path + "?comment=a%20word", body).status == 201
        assert client.put(path + "?comment=", body).status == 400
        assert client.put(path + "?comment=%01", body).status == 400
        kept = client.get("/restconf/data/ashlar-history:history").json
        assert kept["ashlar-history:history"]["entry"][-1]["comment"] == "a word"
        told = client.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities")
        assert "urn:ashlar:params:restconf:capability:plan:1.0" in told.json[
            "ietf-restconf-monitoring:capabilities"]["capability"]


def test_readable(net, make_daemon):
    """Of objects whose configuration the client may not read nothing is told."""
    rules = {"name": "port", "group": ["port"], "rule": [
        {"name": "see", "path": "/ietf-interfaces:interfaces/interface[name='p2']",
         "access-operations": "read", "action": "deny"},
        {"name": "do", "module-name": "ietf-interfaces", "access-operations": "*",
         "action": "permit"}]}
    startup = {
        **config.switch(net.ports), **config.access({"admin": ["admin"], "port": ["port"]}, [rules]),
        "ietf-system:system": {"authentication": {"user": [
            config.user("admin"), config.user("port")]}}}
    daemon = make_daemon(net, startup).start()
    both = config.interfaces({"name": "p1", "description": "x"}, {"name": "p2", "description": "x"})
    with daemon.local() as root, daemon.ssh("port") as port:
        assert {step[2] for step in plan(root, both)} == {"p1", "p2"}
        assert {step[2] for step in plan(port, both)} == {"p1"}
