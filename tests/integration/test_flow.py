"""A bridge forwards each of 1,000 frames a second, whatever else is configured and however often we die."""

import pytest

from ashlar import config
from ashlar.flow import Flow

VLAN = 10


def vlans(bridge, *entries):
    return {"name": bridge, "infix-interfaces:bridge": {"vlans": {"vlan": list(entries)}}}


def removed(name):
    return {"name": name, "@operation": "remove"}


def member(operation):
    return vlans("br0", {"vid": VLAN, "tagged": "p3", "@tagged": {
        "ietf-netconf:operation": operation}})


# Edits that go round: the last ones leave what the first one found. Each may be done twice. The flow goes
# through p1 and p2.
BEGIN = [
    [{"name": "p3", "description": "somewhere"}],
    [{"name": "br0", "description": "between others"}],
    [{"name": "br0", **config.ipv4("198.51.100.1/24")}],
    [{"name": "p4", **config.ipv4("203.0.113.1/24", mtu=1400)}],
    [config.port("p3", "br1")],
    [config.veth("va", "vb"),
     config.veth("vb", "va", infix_interfaces__bridge_port={"bridge": "br0"})],
    [config.port("p3", "br0")],
]
END = [
    [removed("va"), removed("vb")],
    [{**config.interface("p4", "ethernet"), "@operation": "replace"}],
    [{"name": "br0", "description": [None],
      "@description": {"ietf-netconf:operation": "remove"},
      "ietf-ip:ipv4": {"@operation": "remove"}}],
]
ROUND = [
    *BEGIN,
    [{"name": "p4", "enabled": False}],
    [{"name": "p4", "enabled": True}],
    [{**config.port("p4", "br0"), "@operation": "replace"}],
    *END,
]
ROUND_OF_VLANS = [
    *BEGIN,
    [config.interface("dummy0", "dummy")],
    [member("merge")],
    [vlans("br0", *(config.vlan(vid, ["p1", "p2", "p3"]) for vid in range(100, 200)))],
    [{"name": "p4.20", "type": "infix-if-type:vlan"}],
    [{**config.port("p4", "br0", pvid=VLAN), "@operation": "replace"}, removed("p4.20")],
    [vlans("br0", *({"vid": vid, "@operation": "remove"} for vid in range(100, 200)))],
    [member("remove")],
    [removed("dummy0")],
    *END,
]


def assert_nothing_is_lost(net, daemon, turns, changes, kills):
    """While TURNS come again and again a frame a millisecond is sent through the bridge."""
    daemon.start()
    net.wait_up("br0", "p1", "p2")
    edits = [config.to_xml(config.interfaces(*entries)) for entries in turns]
    at = 0
    with Flow((net.far[1], "eth0"), (net.far[2], "eth0")) as flow:
        for _ in range(kills):
            with daemon.local() as nc:
                for _ in range(changes // kills):
                    nc.edit(edits[at % len(edits)])
                    at += 1
                # whether this one is made nobody knows: it is asked for again
                nc.request("<edit-config><target><running/></target><config>"
                           f"{edits[at % len(edits)]}</config></edit-config>")
                daemon.kill()
            flow.more(10)
            daemon.start()
        sent, arrived, missing = flow.end()
    assert sent > changes
    assert (arrived, missing) == (sent, [])


@pytest.mark.host
def test_nothing_is_lost(net, make_daemon):
    startup = {**config.switch([]), **config.interfaces(
        config.interface("br0", "bridge"), config.interface("br1", "bridge"),
        config.port("p1", "br0"), config.port("p2", "br0"), config.port("p3", "br0"),
        config.interface("p4", "ethernet"))}
    assert_nothing_is_lost(net, make_daemon(net, startup, build="release"), ROUND, 1000, 20)


@pytest.mark.guest
def test_nothing_is_lost_in_a_vlan(net, make_daemon):
    startup = {**config.switch([]), **config.interfaces(
        config.vlan_bridge("br0", config.vlan(VLAN, [], ["p1", "p2"])), config.vlan_bridge("br1"),
        config.port("p1", "br0", pvid=VLAN), config.port("p2", "br0", pvid=VLAN),
        config.port("p3", "br0"), config.interface("p4", "ethernet"))}
    assert_nothing_is_lost(net, make_daemon(net, startup), ROUND_OF_VLANS, 100, 4)
