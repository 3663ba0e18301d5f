"""How many netlink messages it takes: no more than a change needs, counted by the kernel's own tap.

What of a port that exists by itself is configured for the first time is written into the kernel as well,
as an alternative name (src/kernel/link.h): two messages more, but for its description. Of a link that we
made, its group says it.
Links are made first and raised last, when all else is in place: two messages each. A bridge whose last port
leaves is given an address, without which it cannot be raised: the kernel takes away the one it had.
"""

import pytest

from ashlar import config
from ashlar.daemon import Daemon
from ashlar.netlink import Watch
from ashlar.network import Net

pytestmark = pytest.mark.guest

PORTS = range(1, 9)
MARK = {"new altname": 1, "delete altname": 1}
MANY = range(1000, 2000)  # VLANs; all 4,094 take the same messages, and are for tests/bench/kernel


def port(number, **members):
    return config.interface(f"p{number}", "ethernet", **members)


def in_bridge(number, bridge="br0", **members):
    return config.port(f"p{number}", bridge, **members)


def dummy(name, **members):
    return config.interface(name, "dummy", **members)


def vlan(name, lower, number, **members):
    return config.interface(name, "vlan", infix_interfaces__vlan={
        "id": number, "lower-layer-if": lower}, **members)


def lag_port(number):
    return config.interface(f"p{number}", "ethernet", infix_interfaces__lag_port={"lag": "lag0"})


def replaced(entry):
    return {**entry, "@operation": "replace"}


def removed(name):
    return {"name": name, "@operation": "delete"}


def ipv4_without(name, address):
    return {"name": name, "ietf-ip:ipv4": {"address": [{"ip": address, "@operation": "delete"}]}}


def vlans(bridge, *entries):
    return {"name": bridge, "infix-interfaces:bridge": {"vlans": {"vlan": list(entries)}}}


def on_all(*vids):
    """VLANs that are tagged on all ports and on the bridge itself."""
    members = ["br0", *(f"p{number}" for number in PORTS)]
    return vlans("br0", *(config.vlan(vid, members) for vid in vids))


def off_all(*vids):
    return vlans("br0", *({"vid": vid, "@operation": "delete"} for vid in vids))


SWITCH = [vlans("br0"), *(in_bridge(number) for number in PORTS)]
ONE = config.ipv4("198.51.100.1/24")
TWO = config.ipv4("203.0.113.1/24")

# name: (interfaces there are, edit of them, messages)
SCENARIOS = {
    "port-description": (
        [port(1, description="old")], [port(1, description="new")], {"new link": 1}),
    "port-description-first": (
        [port(1)], [port(1, description="new")], {"new link": 1}),
    "port-description-last": (
        [port(1, description="old")], [replaced(port(1))], {"new link": 1}),
    "port-mtu": (
        [port(1, ietf_ip__ipv4={"mtu": 1400})], [port(1, ietf_ip__ipv4={"mtu": 1300})],
        {"new link": 1}),
    "port-down": ([port(1)], [port(1, enabled=False)], {"new link": 1}),
    "port-up": ([port(1, enabled=False)], [port(1, enabled=True)], {"new link": 1}),
    "dummy-description": (
        [dummy("d1", description="old")], [dummy("d1", description="new")], {"new link": 1}),
    "dummy-description-first": (
        [dummy("d1")], [dummy("d1", description="new")], {"new link": 1}),
    "dummy-down": ([dummy("d1")], [dummy("d1", enabled=False)], {"new link": 1}),
    "dummy-up": ([dummy("d1", enabled=False)], [dummy("d1", enabled=True)], {"new link": 1}),
    "dummy-renamed": (
        [dummy("d1", **ONE)], [removed("d1"), dummy("d2", **ONE)],
        {"delete link": 1, "new link": 2, "new address": 1}),

    "address-more": (
        [port(1, **ONE)], [port(1, **config.ipv4("198.51.100.2/24"))], {"new address": 1}),
    "address-less": (
        [port(1, **config.ipv4("198.51.100.1/24", "198.51.100.2/24"))],
        [ipv4_without("p1", "198.51.100.1")], {"delete address": 1}),
    "address-length": (
        [port(1, **ONE)], [port(1, **config.ipv4("198.51.100.1/25"))],
        {"new address": 1, "delete address": 1}),
    "address-swap": (
        [port(1, **ONE), port(2, **TWO)], [replaced(port(1, **TWO)), replaced(port(2, **ONE))],
        {"new address": 2, "delete address": 2}),

    "bridge-joined": ([vlans("br0"), port(1)], [in_bridge(1)], {"new link": 1, **MARK}),
    "bridge-changed": (
        [config.interface("br0", "bridge"), config.interface("br1", "bridge"), in_bridge(1)],
        [in_bridge(1, "br1")], {"new link": 1 + 1}),
    "bridge-changed-with-vlan": (
        [vlans("br2", config.vlan(10, ["p1", "p2"])), vlans("br3", config.vlan(10, ["p3"])),
         in_bridge(1, "br2"), in_bridge(2, "br2"), in_bridge(3, "br3")],
        [vlans("br2", replaced(config.vlan(10, ["p2"]))), vlans("br3", config.vlan(10, ["p1"])),
         in_bridge(1, "br3")], {"new link": 1, "set vlan": 1}),

    "vlan-more": (SWITCH, [on_all(20)], {"set vlan": 8 + 1}),
    "vlan-less": (
        [on_all(10, 20), *SWITCH[1:]], [off_all(20)], {"delete vlan": 8 + 1}),
    "vlan-every-second": (SWITCH, [on_all(*range(2, 200, 2))], {"set vlan": 8 + 1}),
    "vlan-many": (SWITCH, [on_all(*MANY)], {"set vlan": 8 + 1}),
    # before VLANs go their forwarding entries go, or the kernel searches them for each VLAN
    "vlan-none": (
        [on_all(*MANY), *SWITCH[1:]], [off_all(*MANY)], {"delete fdb": 8 + 1, "delete vlan": 8 + 1}),
    "vlan-pvid": (
        [vlans("br0", config.vlan(10, [], ["p1"]), config.vlan(20, [], ["p1"])),
         in_bridge(1, pvid=10)], [in_bridge(1, pvid=20)], {"set vlan": 1}),
    "vlan-tagged": (
        [vlans("br0", config.vlan(10, ["br0"], ["p1"])), in_bridge(1)],
        [vlans("br0", replaced(config.vlan(10, ["br0", "p1"])))], {"set vlan": 1}),

    "vlan-interface-lower": (
        [port(1), port(2), vlan("v1", "p1", 10, **ONE)], [vlan("v1", "p2", 10)],
        {"delete link": 1, "new link": 2, "new address": 1}),
    "vlan-interface-number": (
        [port(1), vlan("v1", "p1", 10)], [vlan("v1", "p1", 11)], {"delete link": 1, "new link": 2}),
    # several are put into one group and deleted by one message, because each deletion takes long
    "vlan-interface-swap": (
        [port(1), vlan("v1", "p1", 10), vlan("v2", "p1", 11)],
        [vlan("v1", "p1", 11), vlan("v2", "p1", 10)],
        {"set link": 2, "delete link": 1, "new link": 4}),

    "lag-joined": (
        [{"name": "lag0", "infix-interfaces:lag": {"mode": "static"}}, lag_port(1), port(2)],
        [lag_port(2)], {"new link": 1, **MARK}),
    "other-type": (
        [config.interface("x", "bridge", **ONE)], [replaced(dummy("x", **ONE))],
        {"delete link": 1, "new link": 2, "new address": 1}),

    "dummies-made": ([], [dummy(f"d{n}") for n in range(250)], {"new link": 500}),
    "dummies-removed": (
        [dummy(f"d{n}") for n in range(250)], [removed(f"d{n}") for n in range(250)],
        {"set link": 250, "delete link": 1}),
}


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A network, and a daemon for all scenarios."""
    net = Net(len(PORTS))
    try:
        daemon = Daemon(net, tmp_path_factory.mktemp("device"), config.switch([]))
        try:
            yield net, daemon.start()
        finally:
            daemon.close()
    finally:
        net.close()


def prepare(nc, *entries):
    """Only lo and ENTRIES are configured."""
    nc.copy(config.interfaces({"name": "lo", "type": "infix-if-type:loopback"}, *entries),
            "running")


@pytest.mark.parametrize("name", SCENARIOS)
def test_messages(device, name):
    net, daemon = device
    entries, change, counts = SCENARIOS[name]
    with daemon.local() as nc:
        prepare(nc, *entries)
        with Watch(net) as watch:
            nc.edit(config.interfaces(*change))
            assert watch.counts() == counts


def test_restart(device):
    net, daemon = device
    with daemon.local() as nc:
        prepare(nc, vlans("br0", *(config.vlan(vid, ["br0", "p1"], ["p2"])
                                   for vid in range(2, 40, 2))),
                in_bridge(1), in_bridge(2, pvid=10), port(3, **ONE), vlan("v1", "p3", 10, **TWO),
                dummy("d1", description="nothing"), port(4, enabled=False),
                {"name": "lag0", "infix-interfaces:lag": {"mode": "static"}}, lag_port(5))
    net.wait_up("br0", "p1", "p2", "p3", "v1", "p5", "lag0")
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.counts() == {}
    assert daemon.start_changes() == 0
