"""VLANs of a bridge, by NETCONF and by RESTCONF: in the datastore, in the kernel, on the wire."""

import contextlib
import json
import pathlib

import pytest
from lxml import etree

from ashlar import config
from ashlar.frames import Port, Wire
from ashlar.netconf import RpcError
from ashlar.network import differences, run
from ashlar.push import TARGET, edits, on_change, plain, subtree, update

pytestmark = pytest.mark.guest

PVID = {"PVID", "Egress Untagged"}

# what the kernel is to have afterwards
MEMBERS = {
    "p1": {20: set(), 30: set()},
    "p2": {20: PVID},
    "p3": {30: PVID},
    "p4": {},
    "br0": {30: set()},
}


def change(ports=("p1", "p2", "p3")):
    """VLAN 20 from the trunk to the second port, VLAN 30 to the third and to the device."""
    trunk, second, third = ports
    return config.interfaces(
        {"name": "br0", "infix-interfaces:bridge": {"vlans": {"vlan": [
            config.vlan(20, [trunk], [second]), config.vlan(30, [trunk, "br0"], [third])]}}},
        {"name": second, "infix-interfaces:bridge-port": {"pvid": 20}},
        {"name": third, "infix-interfaces:bridge-port": {"pvid": 30}})


def removal():
    """The way back from change()."""
    leaf = {"pvid": [None], "@pvid": {"ietf-netconf:operation": "delete"}}
    return config.interfaces(
        {"name": "br0", "infix-interfaces:bridge": {"@operation": "delete"}},
        {"name": "p2", "infix-interfaces:bridge-port": leaf},
        {"name": "p3", "infix-interfaces:bridge-port": leaf})


def members(net, links=MEMBERS):
    return {name: net.vlans(name) for name in links}


def shown(manager, call, **options):
    """{vid: (tagged, untagged)} of br0 as <get> or <get-config> tells it through ncclient."""
    name = "{%s}" % config.namespaces()["infix-interfaces"]
    subtree = (f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}">'
               "<interface><name>br0</name></interface></interfaces>")
    reply = getattr(manager, call)(filter=("subtree", subtree), **options)
    return {int(entry.findtext(f"{name}vid")):
            tuple(sorted(node.text for node in entry.iterfind(name + kind))
                  for kind in ("tagged", "untagged"))
            for entry in etree.fromstring(reply.data_xml.encode()).iter(f"{name}vlan")}


def edit(manager, data):
    manager.edit_config(target="running",
                        config=f'<config xmlns="{config.NETCONF}">{config.to_xml(data)}</config>')


def curl(net, method, path, data=None):
    """The status that curl gets for a request of RESTCONF."""
    body = ["-H", "Content-Type: application/yang-data+json", "-d", json.dumps(data)] if data else []
    return net.run("curl", "-sSk", "-o", "/dev/null", "-w", "%{http_code}", "-X", method,
                   "-u", f"{config.USER}:{config.PASSWORD}", *body,
                   f"https://127.0.0.1/restconf/data/{path}")


@pytest.mark.covers("configure", "read", of="bridge-vlan")
def test_netconf(net, daemon):
    net.wait_up("br0", *net.ports)
    before = net.dump()
    with daemon.ncclient() as manager:
        edit(manager, change())
        expected = {20: (["p1"], ["p2"]), 30: (["br0", "p1"], ["p3"])}
        assert shown(manager, "get_config", source="running") == expected
        assert shown(manager, "get") == expected
        assert members(net) == MEMBERS
        bridge = net.link("br0")["linkinfo"]["info_data"]
        assert (bridge["vlan_filtering"], bridge["vlan_default_pvid"]) == (1, 0)

        edit(manager, removal())
        assert shown(manager, "get_config", source="running") == {}
        assert differences(before, net.dump()) == []


def test_restconf_does_the_same(net, daemon):
    net.wait_up("br0", *net.ports)
    before = net.dump()
    with daemon.ncclient() as manager:
        edit(manager, change())
        by_netconf = net.dump()
        edit(manager, removal())

    assert curl(net, "PATCH", "ietf-interfaces:interfaces", change()) == "204"
    assert differences(by_netconf, net.dump()) == []
    for path in "br0/infix-interfaces:bridge", "p2/infix-interfaces:bridge-port/pvid", \
            "p3/infix-interfaces:bridge-port/pvid":
        assert curl(net, "DELETE", f"ietf-interfaces:interfaces/interface={path}") == "204"
    assert differences(before, net.dump()) == []


@pytest.mark.covers("notify", of="bridge-vlan")
def test_changes_are_told(net, daemon, nc):
    """8641 3.3: another process changes who is in a VLAN: that, and nothing else, is told."""
    net.wait_up("br0", *net.ports)
    nc.edit(change())
    table = TARGET + "br0/infix-interfaces:bridge/vlans/vlan="
    with daemon.local() as session:
        number = on_change(session, subtree(
            f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}"><interface>'
            f'<name>br0</name><bridge xmlns="{config.namespaces()["infix-interfaces"]}"/>'
            "</interface></interfaces>"), "operational")
        update(session, number)
        net.run("bridge", "vlan", "add", "dev", "p3", "vid", "20")
        assert plain(edits(session, number)) == [("create", table + "20/tagged=p3", "p3")]
        net.run("bridge", "vlan", "del", "dev", "p3", "vid", "20")
        assert plain(edits(session, number)) == [("delete", table + "20/tagged=p3", None)]


class BridgeWire(Wire):
    """With the bridge's own port."""

    def __init__(self, net, stack):
        super().__init__(net, stack)
        self.bridge = stack.enter_context(Port(net, "br0"))

    def look_further(self, payload, mark, came):
        self.far["p1"].send(mark, [30])
        for ids, data in self.bridge.until(mark):
            if data == payload:
                came["br0"] = ids


def test_frames(net, daemon, nc):
    nc.edit(change())
    net.wait_up("br0", *net.ports)
    with contextlib.ExitStack() as stack:
        wire = BridgeWire(net, stack)
        assert wire.send("p1", [20]) == {"p2": []}
        assert wire.send("p1", [30]) == {"p3": [], "br0": [30]}
        assert wire.send("p2") == {"p1": [20]}
        assert wire.send("p3") == {"p1": [30], "br0": [30]}
        # no member, or no PVID
        assert wire.send("p1") == {}
        assert wire.send("p1", [40]) == {}
        assert wire.send("p2", [30]) == {}
        assert wire.send("p4") == {}
        assert wire.send("p4", [20]) == {}


def test_one_member_at_a_time(net, daemon, nc):
    """A VLAN that gains and loses ports never lets the others go."""
    nc.edit(change())

    def member(port, operation):
        nc.edit(config.interfaces({"name": "br0", "infix-interfaces:bridge": {"vlans": {"vlan": [
            {"vid": 20, "tagged": port, "@tagged": {"ietf-netconf:operation": operation}}]}}}))

    member("p4", "create")
    assert net.vlans("p4") == {20: set()}
    assert members(net, ("p1", "p2", "p3")) == {
        port: MEMBERS[port] for port in ("p1", "p2", "p3")}
    member("p4", "delete")
    assert members(net) == MEMBERS


DSA = pathlib.Path("/sys/bus/mdio_bus/drivers/dsa-loop")


@pytest.fixture
def switch(make_net):
    """A network whose ports lan1 to lan4 are those of a switch that the kernel pretends to have."""
    net = make_net(ports=0)
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
    run("ip", "link", "set", "eth0", "up")
    try:
        (DSA / "bind").write_text("fixed-0:1f")
        net.ports = [f"lan{number}" for number in range(1, 5)]
        for port in net.ports:
            run("ip", "link", "set", port, "netns", net.name)
        yield net
    finally:
        (DSA / "unbind").write_text("fixed-0:1f")
        run("ip", "link", "del", "eth0")


def offloaded():
    """How many VLANs the switch has been told of."""
    found = json.loads(run("devlink", "-j", "resource", "show", "mdio_bus/fixed-0:1f"))
    (resource,) = found["resources"]["mdio_bus/fixed-0:1f"]
    return resource["occ"]


@pytest.mark.covers("configure", of="dsa")
def test_ports_of_a_switch(switch, make_daemon):
    daemon = make_daemon(switch, config.switch(switch.ports)).start()
    switch.wait_up("br0", *switch.ports)
    before, told_before = switch.dump(), offloaded()
    with daemon.local() as session:
        session.edit(change(("lan1", "lan2", "lan3")))
        assert members(switch, switch.ports) == {
            "lan1": {20: set(), 30: set()}, "lan2": {20: PVID}, "lan3": {30: PVID}, "lan4": {}}
        assert offloaded() > told_before
        # this hardware cannot keep ports apart, and the driver says so
        with pytest.raises(RpcError, match="bridge flag offload is not supported") as refused:
            session.edit(config.interfaces({"name": "lan2", "infix-interfaces:bridge-port": {
                "ashlar-bridge:isolated": True}}))
        assert refused.value.path.endswith("[if:name='lan2']/infix-if:bridge-port")
        session.edit(config.interfaces(
            {"name": "br0", "infix-interfaces:bridge": {"@operation": "delete"}},
            *({"name": name, "infix-interfaces:bridge-port": {
                "pvid": [None], "@pvid": {"ietf-netconf:operation": "delete"}}}
              for name in ("lan2", "lan3"))))
    assert offloaded() == told_before
    assert differences(before, switch.dump()) == []


@pytest.mark.covers("rollback", of="bridge-vlan")
def test_one_that_the_switch_refuses(switch, make_daemon):
    """All VLANs of a port travel together; the one at fault is told, at a start it alone is missing."""
    vlans = [{"vid": vid, "tagged": ["lan1", "lan2"]} for vid in (20, 21, 23, 25, 26)]
    base = config.switch(switch.ports)
    with_vlans = config.switch(switch.ports)
    with_vlans["ietf-interfaces:interfaces"]["interface"].append(config.vlan_bridge("br1", *vlans))
    for entry in with_vlans["ietf-interfaces:interfaces"]["interface"]:
        if entry["name"] in ("lan1", "lan2"):
            entry["infix-interfaces:bridge-port"]["bridge"] = "br1"
    daemon = make_daemon(switch, base).start()
    # a switch cannot have a VLAN both in a bridge and apart from it
    switch.ip("link add link lan1 name x type vlan id 23")
    before = {**switch.dump(), "fdb": None}  # which port the address that they share belongs to
    with daemon.local() as session:
        session.edit(config.interfaces(config.vlan_bridge("br1"), *(
            {"name": name, "infix-interfaces:bridge-port": {"bridge": "br1"}}
            for name in ("lan1", "lan2"))))
        with pytest.raises(RpcError, match="VLAN 23 on lan1") as refused:
            session.edit(config.interfaces(config.vlan_bridge("br1", *vlans)))
        assert refused.value.path.endswith("vlan[infix-if:vid='23']/infix-if:tagged")
        assert switch.vlans("lan1") == switch.vlans("lan2") == {}
        session.edit(config.interfaces(*({**entry, "@operation": "replace"} for entry in
                     base["ietf-interfaces:interfaces"]["interface"]),
                     {"name": "br1", "@operation": "delete"}))
        assert differences(before, {**switch.dump(), "fdb": None}) == []
    daemon.stop()
    make_daemon(switch, with_vlans).start()
    assert set(switch.vlans("lan1")) == {20, 21, 25, 26}
    assert set(switch.vlans("lan2")) == {20, 21, 23, 25, 26}
