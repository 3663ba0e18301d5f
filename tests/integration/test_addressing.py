"""Neighbours, autoconfiguration and MAC addresses: what IP needs beside addresses."""

import socket
import struct
import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences, inside

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
    return {"name": name, "ietf-ip:ipv4": {"@operation": "remove"},
            "ietf-ip:ipv6": {"@operation": "remove"}}


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


def test_unanswered_neighbour_is_shown(nc, net):
    edit(nc, with_neighbours("p3"))
    ping = subprocess.Popen(["nsenter", f"--net=/run/netns/{net.name}", "--", "ping", "-q", "-i",
                             "0.2", "2001:db8::77"], stdout=subprocess.DEVNULL)
    try:
        found = net.wait(lambda: shown(nc, "p3").get("2001:db8::77"), "the question for it")
    finally:
        ping.kill()
        ping.wait()
    assert found == {"origin": "dynamic", "state": "incomplete"}


def test_neighbours_of_a_link_made_again(nc, net):
    """Another type under the same name: a link of its own, with the neighbours that it had."""
    edit(nc, with_neighbours("lan", *BOTH) | config.veth("lan", "peer"), config.veth("peer", "lan"))
    index = net.link("lan")["ifindex"]
    edit(nc, {"name": "peer", "@operation": "delete"},
         with_neighbours("lan", *BOTH) | {"type": "infix-if-type:bridge", "@operation": "replace"})
    assert net.link("lan")["ifindex"] != index
    assert neighbours(net, "lan") == OURS


# --- duplicate addresses --------------------------------------------------------------------------


def not_applied(nc):
    """{path: reason} of what the device says is not in effect."""
    status = nc.get(f'<status xmlns="{config.namespaces()["ashlar-status"]}"/>')
    return {node.findtext("path"): node.findtext("reason") for node in status.iter("not-applied")}


def test_duplicate_address_is_told(nc, net):
    far = net.far[3]
    far.ip("address add 2001:db8::1/64 dev eth0 nodad")
    net.run("sysctl", "-q", "net.ipv6.conf.all.accept_dad=1")
    edit(nc, with_ipv6("p3", address=[{"ip": ip, "prefix-length": 64}
                                      for ip in ("2001:db8::1", "2001:db8::2")]))
    path = "/ietf-interfaces:interfaces/interface[name='p3']/ietf-ip:ipv6/address"
    net.wait(lambda: not_applied(nc) == {path: "another device on the network has this address"},
             "the address that is twice in the network")
    edit(nc, with_ipv6("p3", address=[{"ip": "2001:db8::1", "@operation": "delete"}]))
    assert not_applied(nc) == {}


# --- autoconfiguration ----------------------------------------------------------------------------

KNOBS = ("autoconf", "use_tempaddr", "temp_valid_lft", "temp_prefered_lft", "dad_transmits", "mtu")


def knobs(net, link):
    return {name: int(net.run("cat", f"/proc/sys/net/ipv6/conf/{link}/{name}")) for name in KNOBS}


def with_ipv6(name, **members):
    return {"name": name, "ietf-ip:ipv6": {key.replace("_", "-"): value
                                           for key, value in members.items()}}


TEMPORARY = {"create-temporary-addresses": True, "temporary-valid-lifetime": 7200,
             "temporary-preferred-lifetime": 3600}


def test_autoconfiguration_settings(nc, net):
    before = knobs(net, "p3")
    edit(nc, with_ipv6("p3", autoconf=TEMPORARY, dup_addr_detect_transmits=3, mtu=1400))
    assert knobs(net, "p3") == {**before, "use_tempaddr": 2, "temp_valid_lft": 7200,
                                "temp_prefered_lft": 3600, "dad_transmits": 3, "mtu": 1400}
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(with_ipv6(
            "p3", autoconf={"create-global-addresses": False, "temporary-valid-lifetime": 9000,
                            "create-temporary-addresses": False})), **REFUSED})
    assert knobs(net, "p3") == {**before, "use_tempaddr": 2, "temp_valid_lft": 7200,
                                "temp_prefered_lft": 3600, "dad_transmits": 3, "mtu": 1400}
    edit(nc, with_ipv6("p3", autoconf={"create-global-addresses": False,
                                       "create-temporary-addresses": False}))
    assert knobs(net, "p3") == {**before, "autoconf": 0, "temp_valid_lft": 7200,
                                "temp_prefered_lft": 3600, "dad_transmits": 3, "mtu": 1400}
    edit(nc, bare("p3"))
    assert knobs(net, "p3") == before


def test_temporary_addresses_where_there_are_none(nc, net):
    """The kernel begins with -1 where there are no neighbours to discover, and goes back to that."""
    assert knobs(net, "lo")["use_tempaddr"] == -1
    edit(nc, {"name": "lo", "type": "infix-if-type:loopback",
              **with_ipv6("lo", autoconf={"create-temporary-addresses": True})})
    assert knobs(net, "lo")["use_tempaddr"] == 2
    edit(nc, with_ipv6("lo", autoconf={"create-temporary-addresses": False}))
    assert knobs(net, "lo")["use_tempaddr"] == -1


@pytest.mark.guest
def test_restart_leaves_settings(daemon, net):
    with daemon.local() as nc:
        edit(nc, with_ipv6("p3", autoconf=TEMPORARY, dup_addr_detect_transmits=3, mtu=1400),
             config.interface("dummy0", "dummy", **{"ietf-ip:ipv6": {}}))
    before = knobs(net, "p3")
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert knobs(net, "p3") == before


def advertise(far, prefix):
    """A router advertisement (RFC 4861 section 4.2) for PREFIX/64 from the far end of a cable."""
    lifetimes = struct.pack("!II", 86400, 43200)
    option = b"\3\4\x40\xc0" + lifetimes + bytes(4) + socket.inet_pton(socket.AF_INET6, prefix)
    with inside(far.name):
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        index = far.link("eth0")["ifindex"]
        raw.sendto(b"\x86\0\0\0\x40\0\0\0" + bytes(8) + option, ("ff02::1", 0, 0, index))


def autoconfigured(net, prefix):
    """{whether it is temporary: its lifetimes} of p3's addresses of the prefix."""
    return {address.get("temporary", False):
            (address["valid_life_time"], address["preferred_life_time"])
            for link in net.ip_json("address show dev p3") if link
            for address in link["addr_info"] if address["local"].startswith(prefix)}


def origins(nc, prefix):
    return sorted(node.findtext("origin") for node in nc.interface("p3").iterfind("ipv6/address")
                  if node.findtext("ip").startswith(prefix))


def test_addresses_from_a_router(nc, net):
    far = net.far[3]
    edit(nc, with_ipv6("p3", autoconf=TEMPORARY))
    net.wait(lambda: far.ip_json("-6 address show dev eth0 scope link -tentative"), "fe80::")

    def both():
        advertise(far, "2001:db8:1::")
        return set(autoconfigured(net, "2001:db8:1:")) == {False, True}

    net.wait(both, "an address of each sort")
    found = autoconfigured(net, "2001:db8:1:")
    assert found[True][0] <= 7200 < found[False][0]
    assert found[True][1] <= 3600 < found[False][1]
    net.wait(lambda: origins(nc, "2001:db8:1:") == ["link-layer", "random"], "what they are from")
    # no others, once nobody wants them
    edit(nc, with_ipv6("p3", autoconf={"create-temporary-addresses": False}))

    def one():
        advertise(far, "2001:db8:2::")
        return autoconfigured(net, "2001:db8:2:")

    assert set(net.wait(one, "an address")) == {False}
    edit(nc, with_ipv6("p3", autoconf={"create-global-addresses": False}))
    advertise(far, "2001:db8:3::")
    edit(nc, with_ipv6("p3", autoconf={"create-global-addresses": True}))

    def again():
        advertise(far, "2001:db8:4::")
        return autoconfigured(net, "2001:db8:4:")

    net.wait(again, "an address")
    assert autoconfigured(net, "2001:db8:3:") == {}
