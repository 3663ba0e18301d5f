"""From configuration into the kernel and back as operational state: links, addresses, routes."""

import random

import pytest

from ashlar import config
from ashlar.network import differences

pytestmark = pytest.mark.kernel

RT = config.namespaces()["ietf-routing"]


@pytest.fixture
def daemon(net, make_daemon):
    """Two ports in a bridge, two that stand alone."""
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "ethernet") for name in net.ports[2:]]
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", *net.ports)
    return daemon


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


def remove(nc, *names):
    edit(nc, *({"name": name, "@operation": "delete"} for name in names))


def delete(name):
    return {name: [None], f"@{name}": {"ietf-netconf:operation": "delete"}}


def knob(net, link, family, name):
    return net.run("cat", f"/proc/sys/net/{family}/conf/{link}/{name}").strip()


@pytest.mark.covers("configure", "read", of="ethernet")
def test_identity_of_a_link(nc, net):
    before = net.dump()
    edit(nc, {"name": "p3", "description": "blue “cable”", "enabled": False,
              "ietf-ip:ipv4": {"mtu": 1400}})
    link = net.link("p3")
    assert (link["ifalias"], link["mtu"]) == ("blue “cable”", 1400)
    assert "UP" not in link["flags"]
    shown = nc.interface("p3")
    assert shown.findtext("admin-status") == shown.findtext("oper-status") == "down"
    assert shown.findtext("phys-address") == link["address"]
    assert shown.findtext("ipv4/mtu") == "1400"
    edit(nc, {"name": "p3", **delete("description"), **delete("enabled"),
              "ietf-ip:ipv4": {"@operation": "delete"}})
    net.wait_up("p3", "p4")
    assert differences(before, net.dump()) == []
    assert nc.interface("p3").findtext("oper-status") == "up"


def test_mac_address(nc, net):
    mac = {"infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:42"}}
    before = net.link("p3")["address"]
    edit(nc, config.veth("va", "vb", **mac), config.veth("vb", "va"), {"name": "p3", **mac})
    for name in "va", "p3":
        assert net.link(name)["address"] == "02:00:00:00:00:42"
        assert nc.interface(name).findtext("phys-address") == "02:00:00:00:00:42"
    mac["infix-interfaces:custom-phys-address"]["static"] = "02:00:00:00:00:43"
    edit(nc, {"name": "va", **mac})
    assert net.link("va")["address"] == "02:00:00:00:00:43"
    edit(nc, {"name": "p3", **delete("infix-interfaces:custom-phys-address")})
    assert net.link("p3")["address"] == before


def test_veth(nc, net):
    before = net.dump()
    edit(nc, config.veth("va", "vb", **config.ipv4("198.51.100.1/24")),
         config.veth("vb", "va", infix_interfaces__bridge_port={"bridge": "br0"}))
    assert net.link("va")["linkinfo"]["info_kind"] == "veth"
    assert net.link("vb")["master"] == "br0"
    net.wait_up("va", "vb")
    shown = nc.interface("vb")
    assert shown.findtext("veth/peer") == "va"
    assert shown.findtext("bridge-port/bridge") == "br0"
    assert "vb" in [node.text for node in nc.interface("br0").findall("lower-layer-if")]
    remove(nc, "va", "vb")
    assert differences(before, net.dump()) == []


def test_bridge_and_ports(nc, net):
    before = net.dump()
    edit(nc, {"name": "br1", "infix-interfaces:bridge": {
        "ieee-group-forward": ["lldp"], "stp": {
            "force-protocol": "stp", "hello-time": 1, "forward-delay": 4, "max-age": 6,
            "cist": {"priority": 4}}}},
         config.port("p3", "br1", flood={"unicast": False}, multicast={"router": "permanent"}))
    bridge = net.link("br1")["linkinfo"]["info_data"]
    assert bridge["stp_state"] == 1
    assert (bridge["hello_time"], bridge["forward_delay"], bridge["max_age"]) == (100, 400, 600)
    assert bridge["priority"] == 4 * 4096
    assert int(bridge["group_fwd_mask"], 16) == 1 << 14
    port = net.link("p3")
    assert port["master"] == "br1"
    assert port["linkinfo"]["info_slave_data"]["flood"] is False
    assert port["linkinfo"]["info_slave_data"]["multicast_router"] == 2
    # from one bridge to the other, in one edit
    edit(nc, {"name": "p3", "infix-interfaces:bridge-port": {
        "bridge": "br0", "flood": {"@operation": "delete"}, "multicast": {"@operation": "delete"}}},
         {"name": "br1", "@operation": "delete"})
    assert net.link("p3")["master"] == "br0"
    assert net.link("br1") is None
    edit(nc, {"name": "p3", "infix-interfaces:bridge-port": {"@operation": "delete"}})
    net.wait_up("p3")
    assert differences(before, net.dump()) == []


def test_timers_of_a_bridge_that_is_not_the_root(daemon, nc, net):
    """In force are the root's: what it has for its own is as configured, and nothing is to be done."""
    def tree(name, priority, **timers):
        return {"name": name, "infix-interfaces:bridge": {"stp": {
            "force-protocol": "stp", "cist": {"priority": priority}, **timers}}}

    own = {"hello-time": 1, "forward-delay": 7, "max-age": 10}
    edit(nc, tree("br1", 1), tree("br2", 15, **own),
         config.veth("va", "vb", infix_interfaces__bridge_port={"bridge": "br1"}),
         config.veth("vb", "va", infix_interfaces__bridge_port={"bridge": "br2"}))

    def data(name):
        return net.link(name)["linkinfo"]["info_data"]

    net.wait(lambda: data("br2")["root_port"], "a root", timeout=30)
    assert (data("br2")["hello_time"], data("br2")["max_age"]) == (200, 2000)
    nc.close()
    daemon.restart()
    assert daemon.start_changes() == 0


@pytest.mark.guest
def test_vlan_links(nc, net):
    before = net.dump()
    edit(nc, {"name": "p3.10", **config.ipv4("198.51.100.1/24")},
         {"name": "customer", "type": "infix-if-type:vlan", "infix-interfaces:vlan": {
             "tag-type": "ieee802-dot1q-types:s-vlan", "id": 20, "lower-layer-if": "p3"}},
         {"name": "customer.30", "type": "infix-if-type:vlan", "infix-interfaces:vlan": {
             "id": 30, "lower-layer-if": "customer"}})
    for name, lower, protocol, number in (("p3.10", "p3", "802.1Q", 10),
                                          ("customer", "p3", "802.1ad", 20),
                                          ("customer.30", "customer", "802.1Q", 30)):
        link = net.link(name)
        assert link["link"] == lower
        assert link["linkinfo"]["info_data"]["protocol"] == protocol
        assert link["linkinfo"]["info_data"]["id"] == number
    net.wait_up("p3.10", "customer", "customer.30")
    index = net.link("p3.10")["ifindex"]
    # another number is another link, its address comes along
    edit(nc, {"name": "p3.10", "infix-interfaces:vlan": {"id": 11}})
    assert net.link("p3.10")["linkinfo"]["info_data"]["id"] == 11
    assert net.link("p3.10")["ifindex"] != index
    assert net.addresses("p3.10") == ["198.51.100.1/24"]
    remove(nc, "p3.10", "customer", "customer.30")
    assert differences(before, net.dump()) == []


def test_addresses(nc, net):
    before = net.dump()
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24", "198.51.100.2/24", "203.0.113.1/30"),
              **config.ipv6("2001:db8::1/64", "fd00::1/48")})
    assert net.addresses("p3") == sorted([
        "198.51.100.1/24", "198.51.100.2/24", "203.0.113.1/30", "2001:db8::1/64", "fd00::1/48"])
    # the first of a subnet goes, the second stays; a prefix gets longer
    edit(nc, {"name": "p3", "ietf-ip:ipv4": {"address": [
        {"ip": "198.51.100.1", "@operation": "delete"},
        {"ip": "203.0.113.1", "prefix-length": 31}]},
        "ietf-ip:ipv6": {"address": [{"ip": "fd00::1", "prefix-length": 64}]}})
    assert net.addresses("p3") == sorted([
        "198.51.100.2/24", "203.0.113.1/31", "2001:db8::1/64", "fd00::1/64"])
    net.ip("address add 192.0.2.99/32 dev p3")
    net.wait(lambda: origin(nc, "p3", "192.0.2.99"), "the address that another has made")
    assert origin(nc, "p3", "192.0.2.99") == "other"
    net.ip("address add 198.51.100.3/24 dev p3")  # a secondary one
    net.wait(lambda: origin(nc, "p3", "198.51.100.3"), "the address that another has made")
    assert origin(nc, "p3", "198.51.100.3") == "other"
    net.ip("address del 198.51.100.3/24 dev p3")
    assert origin(nc, "p3", "198.51.100.2") == "static"
    (local,) = [node.findtext("ip") for node in nc.interface("p3").iterfind("ipv6/address")
                if node.findtext("ip").startswith("fe80:")]
    assert origin(nc, "p3", local) == "link-layer"
    edit(nc, {"name": "p3", "ietf-ip:ipv4": {"@operation": "delete"},
              "ietf-ip:ipv6": {"@operation": "delete"}})
    # another's address is another's business
    assert net.addresses("p3") == ["192.0.2.99/32"]
    net.ip("address del 192.0.2.99/32 dev p3")
    assert differences(before, net.dump()) == []


def origin(nc, link, address):
    found = [node.findtext("origin") for family in ("ipv4", "ipv6")
             for node in nc.interface(link).iterfind(f"{family}/address")
             if node.findtext("ip") == address]
    return found[0] if found else None


def test_forwarding_and_ipv6(nc, net):
    assert knob(net, "p3", "ipv6", "disable_ipv6") == "1"
    edit(nc, {"name": "p3", "ietf-ip:ipv4": {"forwarding": True},
              "ietf-ip:ipv6": {"forwarding": True, "mtu": 1300}})
    assert knob(net, "p3", "ipv4", "forwarding") == "1"
    assert knob(net, "p3", "ipv6", "forwarding") == "1"
    assert knob(net, "p3", "ipv6", "disable_ipv6") == "0"
    assert knob(net, "p3", "ipv6", "mtu") == "1300"
    assert knob(net, "p4", "ipv4", "forwarding") == "0"
    interfaces = nc.get(f'<routing xmlns="{RT}"><interfaces/></routing>')
    assert "p3" in [node.text for node in interfaces.iter("interface")]
    edit(nc, {"name": "p3", "ietf-ip:ipv4": {"forwarding": False},
              "ietf-ip:ipv6": {"@operation": "delete"}})
    assert knob(net, "p3", "ipv4", "forwarding") == "0"
    assert knob(net, "p3", "ipv6", "disable_ipv6") == "1"


def rib(nc, family):
    """{destination: (next hop, interface, protocol, active)} of the RIB."""
    data = nc.get(f'<routing xmlns="{RT}"><ribs><rib><name>{family}</name></rib></ribs></routing>')
    return {node.findtext("destination-prefix"): (
        node.findtext("next-hop/next-hop-address") or node.findtext("next-hop/special-next-hop"),
        node.findtext("next-hop/outgoing-interface"),
        node.findtext("source-protocol").rpartition(":")[2], node.find("active") is not None)
        for node in data.iter("route")}


def test_routes(nc, net):
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24"), **config.ipv6("2001:db8::1/64")})
    before = net.dump()
    nc.edit(config.routes(("10.0.0.0/8", "198.51.100.9"), ("0.0.0.0/0", "192.0.2.254"),
                          ("172.16.0.0/12", "p4"), ("2001:db8:1::/48", "2001:db8::9")))
    routes = {route["dst"]: route for route in
              net.ip_json("-4 route show") + net.ip_json("-6 route show")}
    assert routes["10.0.0.0/8"]["gateway"] == "198.51.100.9"
    assert routes["10.0.0.0/8"]["dev"] == "p3"
    assert routes["default"]["gateway"] == "192.0.2.254"
    assert routes["172.16.0.0/12"]["dev"] == "p4"
    assert routes["2001:db8:1::/48"]["gateway"] == "2001:db8::9"
    shown = rib(nc, "ipv4")
    assert shown["10.0.0.0/8"] == ("198.51.100.9", "p3", "static", True)
    assert shown["198.51.100.0/24"] == (None, "p3", "direct", True)
    assert rib(nc, "ipv6")["2001:db8:1::/48"] == ("2001:db8::9", "p3", "static", True)
    # another next hop replaces the one there is
    nc.edit(config.routes(("10.0.0.0/8", "198.51.100.10")))
    assert [route["gateway"] for route in net.ip_json("-4 route show 10.0.0.0/8")] == \
        ["198.51.100.10"]
    # what others have made is shown and left alone
    net.ip("route add 10.99.0.0/16 via 198.51.100.5")
    net.wait(lambda: "10.99.0.0/16" in rib(nc, "ipv4"), "another's route")
    nc.edit({"ietf-routing:routing": {"@operation": "delete"}})
    assert "10.99.0.0/16" in rib(nc, "ipv4")
    net.ip("route del 10.99.0.0/16")
    assert differences(before, net.dump()) == []


def test_special_routes(nc, net):
    nc.edit({"ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [{
        "type": "infix-routing:static", "name": "default", "static-routes": {
            "ietf-ipv4-unicast-routing:ipv4": {"route": [
                {"destination-prefix": f"10.{number}.0.0/16", "next-hop": {
                    "special-next-hop": kind}}
                for number, kind in enumerate(("blackhole", "unreachable", "prohibit"), 1)]}}}]}}})
    assert {route["dst"]: route["type"] for route in net.ip_json("-4 route show")
            if "type" in route} == {"10.1.0.0/16": "blackhole", "10.2.0.0/16": "unreachable",
                                    "10.3.0.0/16": "prohibit"}
    assert rib(nc, "ipv4")["10.1.0.0/16"][0] == "blackhole"


def test_statistics(nc, net):
    net.far[3].ip("address add 198.51.100.9/24 dev eth0")
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24")})

    def received():
        return int(nc.interface("p3").findtext("statistics/in-octets"))

    first = received()
    net.far[3].run("ping", "-q", "-c", "3", "-i", "0.01", "198.51.100.1")
    assert received() >= first + 3 * 98


def test_speed(nc, net):
    assert nc.interface("p3").findtext("speed") == "10000000000"
    net.far[3].ip("link set eth0 down")
    net.wait(lambda: nc.interface("p3").findtext("oper-status") in ("down", "lower-layer-down"),
             "p3 down")
    assert nc.interface("p3").find("speed") is None


def test_port_that_comes_later(nc, net):
    edit(nc, {**config.port("p5", "br0"), "description": "to come"})
    assert nc.interface("p5").findtext("oper-status") == "not-present"
    net.plug(5)
    net.wait(lambda: (link := net.link("p5")) and link.get("master") == "br0", "p5 in br0")
    net.wait_up("p5")
    assert net.link("p5")["ifalias"] == "to come"
    net.unplug(5)
    net.wait(lambda: net.link("p5") is None, "p5 gone")
    assert nc.interface("p5").findtext("oper-status") == "not-present"


def test_what_others_change_is_put_right(nc, net):
    before = net.dump()
    for command in ("link set p1 nomaster", "link set p2 down", "address del 192.0.2.1/24 dev br0",
                    "link set br0 down"):
        net.ip(command)
    net.wait(lambda: not differences(before["addresses"], net.dump()["addresses"]), "addresses")
    net.wait_up("br0", *net.ports)
    assert net.link("p1")["master"] == "br0"


def test_random_changes_and_back(nc, net):
    """Any change can be taken back: the kernel is then as it was."""
    dice = random.Random(20)
    before = net.dump()
    names = [f"v{number}{end}" for number in range(3) for end in "ab"]
    for _ in range(40):
        entries = []
        for one, other in zip(names[::2], names[1::2]):
            if dice.random() < 0.3:
                entries += [{"name": name, "@operation": "remove"} for name in (one, other)]
                continue
            for name, peer in (one, other), (other, one):
                entry = config.veth(name, peer, enabled=dice.random() < 0.7)
                choice = dice.randrange(4)
                if choice == 0:
                    entry["infix-interfaces:bridge-port"] = {"bridge": "br0"}
                elif choice == 1:
                    entry.update(config.ipv4(f"10.0.{dice.randrange(9)}.{dice.randrange(1, 9)}/24"))
                elif choice == 2:
                    entry.update(config.ipv6(f"fd00:{dice.randrange(9)}::1/64"))
                if dice.random() < 0.5:
                    entry["description"] = f"d{dice.randrange(9)}"
                entries.append({**entry, "@operation": "replace"})
        edit(nc, *entries)
        for entry in entries:
            link = net.link(entry["name"])
            assert (link is None) == (entry["@operation"] == "remove")
            if link:
                assert link.get("ifalias") == entry.get("description")
                assert ("UP" in link["flags"]) == entry["enabled"]
                assert link.get("master") == entry.get(
                    "infix-interfaces:bridge-port", {}).get("bridge")
    edit(nc, *({"name": name, "@operation": "remove"} for name in names))
    assert differences(before, net.dump()) == []
