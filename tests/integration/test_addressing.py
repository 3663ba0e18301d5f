"""Neighbours, autoconfiguration and MAC addresses: what IP needs beside addresses."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences

pytestmark = pytest.mark.kernel

MAC = "02:00:00:00:00:42"
OTHER_MAC = "02:00:00:00:00:43"
# a route whose next hop cannot be reached: refused by the kernel, after all else was done
REFUSED = config.routes(("192.0.2.128/25", "203.0.113.1"))


@pytest.fixture
def daemon(net, make_daemon):
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "ethernet") for name in net.ports[2:]]
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", *net.ports)
    return daemon


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


# --- neighbours -----------------------------------------------------------------------------------


def neighbours(net, link):
    """{IP address: (MAC address, state, protocol)} of the permanent ones that the kernel has."""
    return {entry["dst"]: (entry["lladdr"], entry.get("protocol"))
            for entry in net.ip_json(f"neigh show nud permanent dev {link}")}


def shown(nc, link):
    """{IP address: {node: text}} of the neighbours in operational data."""
    return {node.findtext("ip"): {part.tag: part.text for part in node if part.tag != "ip"}
            for family in ("ipv4", "ipv6")
            for node in nc.interface(link).iterfind(f"{family}/neighbor")}


def with_neighbours(name, *pairs):
    """An interface with 198.51.100.1/24 and 2001:db8::1/64 that knows (IP address, MAC address)."""
    lists = {"ipv4": [], "ipv6": []}
    for address, mac in pairs:
        lists["ipv6" if ":" in address else "ipv4"].append(
            {"ip": address, **({"link-layer-address": mac} if mac else
                               {"@operation": "delete"})})
    return {"name": name,
            "ietf-ip:ipv4": {"address": [{"ip": "198.51.100.1", "prefix-length": 24}],
                             "neighbor": lists["ipv4"]},
            "ietf-ip:ipv6": {"address": [{"ip": "2001:db8::1", "prefix-length": 64}],
                             "neighbor": lists["ipv6"]}}


BOTH = ("198.51.100.9", MAC), ("2001:db8::9", MAC)
OURS = {"198.51.100.9": (MAC, "66"), "2001:db8::9": (MAC, "66")}


def bare(name):
    return {"name": name, "ietf-ip:ipv4": {"@operation": "delete"},
            "ietf-ip:ipv6": {"@operation": "delete"}}


def test_neighbours_made_changed_and_removed(nc, net):
    before = net.dump()
    edit(nc, with_neighbours("p3", *BOTH))
    assert neighbours(net, "p3") == OURS
    for address in OURS:
        assert shown(nc, "p3")[address]["link-layer-address"] == MAC
        assert shown(nc, "p3")[address]["origin"] == "static"
    edit(nc, with_neighbours("p3", ("198.51.100.9", OTHER_MAC), ("2001:db8::9", None)))
    assert neighbours(net, "p3") == {"198.51.100.9": (OTHER_MAC, "66")}
    edit(nc, bare("p3"))
    assert neighbours(net, "p3") == {}
    assert differences(before, net.dump()) == []


@pytest.mark.guest
def test_restart_leaves_neighbours(daemon, net):
    with daemon.local() as nc:
        edit(nc, with_neighbours("p3", *BOTH))
    net.ip(f"neigh add 198.51.100.10 lladdr {MAC} dev p3 nud permanent")
    before = neighbours(net, "p3")
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert neighbours(net, "p3") == before == {**OURS, "198.51.100.10": (MAC, None)}


def test_refused_edit_puts_neighbours_back(nc, net):
    edit(nc, with_neighbours("p3", ("198.51.100.9", MAC)))
    net.ip(f"neigh add 198.51.100.10 lladdr {MAC} dev p3 nud permanent")
    before = neighbours(net, "p3")
    # one new, one that is another's, one of ours with another MAC address
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(
            with_neighbours("p3", ("198.51.100.9", OTHER_MAC), ("198.51.100.10", OTHER_MAC),
                            ("198.51.100.11", MAC))), **REFUSED})
    assert neighbours(net, "p3") == before


def test_neighbours_come_back(nc, net):
    edit(nc, with_neighbours("p3", *BOTH))
    net.ip("neigh del 198.51.100.9 dev p3")
    net.wait(lambda: neighbours(net, "p3") == OURS, "the neighbour that another removed")
    net.ip(f"neigh replace 2001:db8::9 lladdr {OTHER_MAC} dev p3 nud reachable")
    net.wait(lambda: neighbours(net, "p3") == OURS, "the neighbour that another changed")
    net.ip("link set p3 down")
    net.wait(lambda: neighbours(net, "p3") == OURS, "the neighbours of a link that was down")
    # a new MAC address takes them along
    edit(nc, {"name": "p3", "infix-interfaces:custom-phys-address": {"static": OTHER_MAC}})
    net.wait(lambda: neighbours(net, "p3") == OURS, "the neighbours of a link with a new address")
    edit(nc, {"name": "p3", "enabled": False})
    assert neighbours(net, "p3") == {}
    edit(nc, {"name": "p3", "enabled": True})
    assert neighbours(net, "p3") == OURS


def test_neighbours_of_new_interfaces(nc, net):
    before = net.dump()
    edit(nc, config.veth("va", "vb"), {**config.veth("vb", "va"), **with_neighbours("vb", *BOTH)})
    assert neighbours(net, "vb") == OURS
    edit(nc, *({"name": name, "@operation": "delete"} for name in ("va", "vb")))
    assert differences(before, net.dump()) == []


@pytest.mark.parametrize("address", ["198.51.100.9", "2001:db8::9"])
def test_configured_neighbour_is_used(nc, net, address):
    """The far end answers nobody's question for its MAC address, and is reached."""
    far = net.far[3]
    mac = far.link("eth0")["address"]
    far.ip("address add 198.51.100.9/24 dev eth0")
    far.ip("address add 2001:db8::9/64 dev eth0 nodad")
    far.ip("link set eth0 arp off multicast off")
    own = net.link("p3")["address"]
    for ip in "198.51.100.1", "2001:db8::1":
        far.ip(f"neigh add {ip} lladdr {own} dev eth0 nud permanent")
    edit(nc, with_neighbours("p3", (address, OTHER_MAC)))
    assert net.pings(address) is False
    edit(nc, with_neighbours("p3", (address, mac)))
    net.wait(lambda: net.pings(address), "an answer")


@pytest.mark.parametrize("address, near", [("198.51.100.9", "198.51.100.1"),
                                           ("2001:db8::9", "2001:db8::1")])
def test_learned_neighbours_are_shown(nc, net, address, near):
    far = net.far[3]
    mac = far.link("eth0")["address"]
    far.ip("address add 198.51.100.9/24 dev eth0")
    far.ip("address add 2001:db8::9/64 dev eth0 nodad")
    edit(nc, with_neighbours("p3"))
    assert address not in shown(nc, "p3")
    net.wait(lambda: net.pings(address), "an answer")
    found = shown(nc, "p3")[address]
    assert (found["link-layer-address"], found["origin"]) == (mac, "dynamic")
    assert ("state" in found) == (":" in address)
    # in a read of all interfaces too
    assert address in shown(nc, "p3")
    data = nc.get(f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}"/>')
    assert [node.findtext("link-layer-address") for node in data.iter("neighbor")
            if node.findtext("ip") == address] == [mac]
    net.ip("neigh flush dev p3")
    assert address not in shown(nc, "p3")
