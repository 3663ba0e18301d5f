"""A bridge forwards each of 1,000 frames a second, whatever else is configured and however often we die."""

import pytest

from ashlar import config
from ashlar.flow import Flow

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]

CHANGES, KILLS = 1000, 20
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
ROUND = [
    [{"name": "p3", "description": "somewhere"}],
    [{"name": "br0", "description": "between others"}],
    [{"name": "br0", **config.ipv4("198.51.100.1/24")}],
    [{"name": "p4", **config.ipv4("203.0.113.1/24", mtu=1400)}],
    [config.port("p3", "br1")],
    [config.interface("dummy0", "dummy"), config.veth("va", "vb"),
     config.veth("vb", "va", infix_interfaces__bridge_port={"bridge": "br0"})],
    [config.port("p3", "br0")],
    [member("merge")],
    [vlans("br0", *(config.vlan(vid, ["p1", "p2", "p3"]) for vid in range(100, 200)))],
    [{"name": "p4", "enabled": False}],
    [{"name": "p4", "enabled": True}, {"name": "p4.20", "type": "infix-if-type:vlan"}],
    [{**config.port("p4", "br0", pvid=VLAN), "@operation": "replace"}, removed("p4.20")],
    [removed("dummy0"), removed("va"), removed("vb")],
    [vlans("br0", *({"vid": vid, "@operation": "remove"} for vid in range(100, 200)))],
    [member("remove")],
    [{**config.interface("p4", "ethernet"), "@operation": "replace"}],
    [{"name": "br0", "description": [None],
      "@description": {"ietf-netconf:operation": "remove"},
      "ietf-ip:ipv4": {"@operation": "remove"}}],
]


def test_nothing_is_lost(net, make_daemon):
    startup = {**config.switch([]), **config.interfaces(
        config.vlan_bridge("br0", config.vlan(VLAN, [], ["p1", "p2"])),
        config.vlan_bridge("br1"),
        config.port("p1", "br0", pvid=VLAN), config.port("p2", "br0", pvid=VLAN),
        config.port("p3", "br0"), config.interface("p4", "ethernet"))}
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", "p1", "p2")
    edits = [config.to_xml(config.interfaces(*entries)) for entries in ROUND]
    at = 0
    with Flow((net.far[1], "eth0"), (net.far[2], "eth0")) as flow:
        for _ in range(KILLS):
            with daemon.local() as nc:
                for _ in range(CHANGES // KILLS):
                    nc.edit(edits[at % len(edits)])
                    at += 1
                # whether this one is made nobody knows: it is asked for again
                nc.request("<edit-config><target><running/></target><config>"
                           f"{edits[at % len(edits)]}</config></edit-config>")
                daemon.kill()
            flow.more(10)
            daemon.start()
        sent, arrived, missing = flow.end()
    assert sent > CHANGES
    assert (arrived, missing) == (sent, [])
