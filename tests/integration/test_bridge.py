"""Bridges: each setting from configuration into the kernel, proved by traffic, and back."""

import contextlib
import itertools
import re
import socket
import struct
import threading

import pytest

from ashlar import config
from ashlar.frames import Port, Wire, frame
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences, inside, steady, until
from ashlar.push import TARGET, edits, on_change, one, plain, update

pytestmark = pytest.mark.guest

# a route whose next hop cannot be reached: refused by the kernel, after all links were made
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))


def named(members):
    """In names of members "__" stands for ":"."""
    return {key.replace("__", ":").replace("_", "-"): value for key, value in members.items()}


def bridge(**members):
    """br0; MEMBERS are those of its container."""
    return config.interface("br0", "bridge", infix_interfaces__bridge=named(members))


def port(name, **members):
    """A port of br0."""
    return config.interface(name, "ethernet", infix_interfaces__bridge_port={
        "bridge": "br0", **named(members)})


def groups(*entries):
    """multicast-filters: (group, {port: state})."""
    return {"multicast-filter": [
        {"group": group, "ports": [{"port": name, "state": state} for name, state in ports.items()]}
        for group, ports in entries]}


def vlan(vid, tagged=(), untagged=(), **members):
    return {**config.vlan(vid, tagged, untagged), **named(members)}


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


# --- what the kernel knows ---------------------------------------------------------------------------


def slave(net, name):
    return (net.link(name) or {}).get("linkinfo", {}).get("info_slave_data", {})


def data(net, name="br0"):
    return (net.link(name) or {}).get("linkinfo", {}).get("info_data", {})


def pick(known, names):
    return {name: known.get(name) for name in names}


def mdb(net, kind="permanent"):
    """{(port, group, vid)} of all entries of that kind."""
    return {(entry["port"], entry["grp"], entry.get("vid", 0))
            for found in net.bridge_json("-d mdb show") for entry in found.get("mdb", [])
            if entry.get("state") == kind}


def statics(net):
    """{(address, vid, port)} of the static entries of br0's forwarding database."""
    return {(entry["mac"], entry.get("vlan", 0), entry["ifname"])
            for entry in net.bridge_json("fdb show br br0") if entry.get("state") == "static"
            and "sticky" in entry["flags"]}


def by_vlan(net):
    """{vid: multicast settings} of br0."""
    return {vid: pick(entry, (
                "mcast_snooping", "mcast_querier", "mcast_query_interval", "mcast_membership_interval",
                "mcast_querier_interval", "mcast_startup_query_interval"))
            for found in net.bridge_json("vlan global show dev br0")
            for entry in found.get("vlans", [])
            for vid in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1)}


def routers_by_vlan(net, name):
    """{vid: multicast router} of a port."""
    return {vid: entry.get("mcast_router")
            for found in net.bridge_json(f"-d vlan show dev {name}")
            for entry in found.get("vlans", [])
            for vid in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1)}


# what the spanning tree and the carrier are at, which takes them a while
AT_WORK = {"operstate", "flags", "state", "root_port", "topology_change", "topology_change_ack",
           "topology_change_detected", "config_pending", "mcast_querier_state_ipv4",
           "mcast_querier_state_ipv6"}


def without(value, names):
    if isinstance(value, dict):
        return {key: without(part, names) for key, part in value.items() if key not in names}
    return [without(part, names) for part in value] if isinstance(value, list) else value


def state(net):
    """All that a bridge can have."""
    return {**without(steady({"links": net.ip_json("-d link show"),
                              "addresses": net.ip_json("address show")}), AT_WORK),
            "vlans": net.bridge_json("vlan show"), "mdb": sorted(mdb(net)),
            "by_vlan": by_vlan(net) if net.link("br0") else {},
            "statics": sorted(statics(net)) if net.link("br0") else [],
            "routers": {name: routers_by_vlan(net, name) for name in net.ports}}


# --- scenes: a configuration, what it means, and how others spoil it -----------------------------------


class Scene:
    """ENTRIES are interfaces; KNOWN(net) must be EXPECTED; SPOILS are commands in the namespace."""

    def __init__(self, name, entries, known, expected, spoils):
        self.name, self.entries, self.known = name, entries, known
        self.expected, self.spoils = expected, spoils


FLAGS = ("isolated", "locked", "learning", "flood", "mcast_flood", "bcast_flood", "fastleave",
         "multicast_router", "priority")
PLAIN = dict(zip(FLAGS, (False, False, True, True, True, True, False, 1, 32)))


def flags():
    return Scene(
        "flags",
        [bridge(),
         port("p1", ashlar_bridge__isolated=True, stp={"cist": {"priority": 3}}),
         port("p2", ashlar_bridge__locked=True, ashlar_bridge__learning=False),
         port("p3", flood={"broadcast": False, "unicast": False, "multicast": False}),
         port("p4", multicast={"fast-leave": True, "router": "permanent"})],
        lambda net: {name: pick(slave(net, name), FLAGS) for name in net.ports},
        {"p1": {**PLAIN, "isolated": True, "priority": 12},
         "p2": {**PLAIN, "locked": True, "learning": False},
         "p3": {**PLAIN, "flood": False, "mcast_flood": False, "bcast_flood": False},
         "p4": {**PLAIN, "fastleave": True, "multicast_router": 2}},
        ["bridge link set dev p1 isolated off", "bridge link set dev p1 priority 40",
         "bridge link set dev p2 locked off learning on", "bridge link set dev p3 flood on",
         "ip link set p3 type bridge_slave bcast_flood on", "bridge link set dev p4 mcast_router 1",
         "bridge link set dev p4 isolated on"])


def tree():
    return Scene(
        "stp",
        [bridge(stp={"force-protocol": "stp", "hello-time": 1, "forward-delay": 4, "max-age": 6,
                     "cist": {"priority": 4}}),
         port("p1", stp={"cist": {"external-path-cost": 77, "priority": 2}}), port("p2")],
        lambda net: [
            pick(data(net), ("stp_state", "hello_time", "forward_delay", "max_age", "priority")),
            pick(slave(net, "p1"), ("cost", "priority"))],
        [{"stp_state": 1, "hello_time": 100, "forward_delay": 400, "max_age": 600,
          "priority": 16384}, {"cost": 77, "priority": 8}],
        ["ip link set br0 type bridge stp_state 0", "ip link set br0 type bridge priority 8192",
         "ip link set br0 type bridge hello_time 300", "bridge link set dev p1 cost 5"])


def snooping():
    return Scene(
        "multicast",
        [bridge(ieee_group_forward=["lldp", "dot1x"],
                multicast={"querier": "proxy", "query-interval": 30},
                multicast_filters=groups(
                    ("239.1.1.1", {"p1": "permanent", "p2": "permanent"}),
                    ("ff05::7", {"p2": "permanent"}),
                    ("01:00:5e:01:01:01", {"p1": "permanent"}))),
         port("p1"), port("p2")],
        lambda net: [pick(data(net), (
            "mcast_snooping", "mcast_querier", "mcast_query_use_ifaddr", "mcast_query_intvl",
            "mcast_membership_intvl", "mcast_querier_intvl", "mcast_startup_query_intvl",
            "group_fwd_mask", "mcast_vlan_snooping")), mdb(net)],
        # RFC 3376 sections 8.4 to 8.6
        [{"mcast_snooping": 1, "mcast_querier": 1, "mcast_query_use_ifaddr": 0,
          "mcast_query_intvl": 3000, "mcast_membership_intvl": 7000, "mcast_querier_intvl": 6500,
          "mcast_startup_query_intvl": 750, "group_fwd_mask": "0x4008", "mcast_vlan_snooping": 0},
         {("p1", "239.1.1.1", 0), ("p2", "239.1.1.1", 0), ("p2", "ff05::7", 0),
          ("p1", "01:00:5e:01:01:01", 0)}],
        ["ip link set br0 type bridge mcast_querier 0", "bridge mdb del dev br0 port p1 grp 239.1.1.1",
         "ip link set br0 type bridge mcast_membership_interval 26000",
         "ip link set br0 type bridge group_fwd_mask 0"])


def vlans():
    usual = {"mcast_query_interval": 12500, "mcast_membership_interval": 26000,
             "mcast_querier_interval": 25500, "mcast_startup_query_interval": 3125}
    off = {"mcast_snooping": 0, "mcast_querier": 0, **usual}
    on = {"mcast_snooping": 1, "mcast_querier": 1, **usual}
    return Scene(
        "vlans",
        [bridge(vlans={"vlan": [
            vlan(10, ["p1", "p2", "br0"], multicast={"querier": "off", "query-interval": 20},
                 multicast_filters=groups(("239.1.1.1", {"p2": "permanent"}))),
            vlan(11, ["p1", "p2"], multicast={}), vlan(12, ["p1", "p2"], multicast={}),
            vlan(20, ["p1"], ["p2"])]}),
         port("p1", multicast={"router": "permanent"}), port("p2", pvid=20)],
        lambda net: [pick(data(net), ("mcast_vlan_snooping", "mcast_snooping")), by_vlan(net),
                     mdb(net), net.vlans("p2"), routers_by_vlan(net, "p1")],
        [{"mcast_vlan_snooping": 1, "mcast_snooping": 1},
         {10: {"mcast_snooping": 1, "mcast_querier": 0, "mcast_query_interval": 2000,
               "mcast_membership_interval": 5000, "mcast_querier_interval": 4500,
               "mcast_startup_query_interval": 500},
          11: on, 12: on, 20: off},
         {("p2", "239.1.1.1", 10)},
         {10: set(), 11: set(), 12: set(), 20: {"PVID", "Egress Untagged"}},
         {10: 2, 11: 2, 12: 2, 20: 2}],
        ["bridge vlan global set vid 11-12 dev br0 mcast_querier 0",
         "bridge vlan global set vid 20 dev br0 mcast_snooping 1",
         "bridge mdb del dev br0 port p2 grp 239.1.1.1 vid 10",
         "bridge vlan del dev p2 vid 10-12",
         "bridge vlan del dev p2 vid 20",
         "bridge vlan set dev p1 vid 11 mcast_router 0",
         "bridge vlan add dev p2 vid 11 untagged",
         "ip link set br0 type bridge mcast_vlan_snooping 0"])


def database():
    return Scene(
        "fdb",
        [bridge(vlans={"vlan": [vlan(10, ["p1", "p2"])]},
                ashlar_bridge__fdb={"static-entry": [
                    {"vid": 10, "mac": "02:00:00:00:00:0a", "port": "p1"},
                    {"vid": 10, "mac": "02:00:00:00:00:0b", "port": "p2"}]}),
         port("p1"), port("p2")],
        statics, {("02:00:00:00:00:0a", 10, "p1"), ("02:00:00:00:00:0b", 10, "p2")},
        ["bridge fdb del 02:00:00:00:00:0a dev p1 vlan 10 master",
         "bridge fdb replace 02:00:00:00:00:0b dev p1 vlan 10 master static sticky"])


SCENES = [flags(), tree(), snooping(), vlans(), database()]


@pytest.fixture
def daemon(net, make_daemon):
    """Four ports that nobody uses."""
    startup = config.switch([])
    interfaces = startup["ietf-interfaces:interfaces"]["interface"]
    interfaces[:] = [entry for entry in interfaces if entry["name"] != "br0"]
    interfaces += [config.interface(name, "ethernet") for name in net.ports]
    daemon = make_daemon(net, startup).start()
    net.wait_up(*net.ports)
    return daemon


@pytest.fixture(params=SCENES, ids=lambda scene: scene.name)
def scene(request):
    return request.param


def make(nc, net, scene):
    edit(nc, *scene.entries)
    assert scene.known(net) == scene.expected


def removal(entries):
    """The way back: a port is one that nobody uses again."""
    return [config.interface(entry["name"], "ethernet", **{"@operation": "replace"})
            if entry["type"].endswith(":ethernet") else {"name": entry["name"], "@operation": "delete"}
            for entry in entries]


def assert_refused(nc, entries):
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*entries), **REFUSED})


@pytest.mark.covers("configure", "rollback", of="bridge")
def test_scene(daemon, net, scene):
    """Refused without a trace, made, spoiled by others, found again by the next daemon, and removed."""
    before = state(net)
    with daemon.local() as nc:
        assert_refused(nc, scene.entries)
        assert differences(before, state(net)) == []
        make(nc, net, scene)
        for command in scene.spoils:
            net.run(*command.split())
            net.wait(lambda: scene.known(net) == scene.expected, f"as before: {command}")
        made = state(net)
        assert_refused(nc, removal(scene.entries))
        net.wait(lambda: scene.known(net) == scene.expected, "as it was made")
        assert differences(made, state(net)) == []
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert differences(made, state(net)) == []
    with daemon.local() as nc:
        edit(nc, *removal(scene.entries))
    assert differences(before, state(net)) == []


def not_applied(nc):
    """{path: reason} of what is listed as not in effect."""
    status = nc.get(f'<status xmlns="{config.namespaces()["ashlar-status"]}"/>')
    return {entry.findtext("path"): entry.findtext("reason") for entry in status.iter("not-applied")}


def test_rapid_spanning_tree_is_not_spoken(daemon, net):
    """A startup file with the model's default, or with that by name, loads; the latter is told of."""
    with daemon.local() as nc:
        edit(nc, bridge(stp={}), port("p1"))
        assert data(net)["stp_state"] == 1
        assert not_applied(nc) == {}
        edit(nc, bridge(stp={"force-protocol": "rstp"}))
        ((path, reason),) = not_applied(nc).items()
        assert path.endswith("/stp/force-protocol") and "stp" in reason
        nc.ok("<copy-config><target><startup/></target><source><running/></source></copy-config>")
    daemon.stop()
    daemon.start()
    with daemon.local() as nc:
        assert data(net)["stp_state"] == 1
        assert list(not_applied(nc)) == [path]
        assert nc.interface("br0").findtext("bridge/stp/force-protocol") == "stp"


# --- traffic that proves it ------------------------------------------------------------------------------


@contextlib.contextmanager
def wired(net, *up):
    """The cables of a bridge, once what is UP is."""
    net.wait_up("br0", *up)
    with contextlib.ExitStack() as stack:
        yield Wire(net, stack)


def isolated_ports_do_not_talk(nc, net):
    edit(nc, bridge(), port("p1", ashlar_bridge__isolated=True),
         port("p2", ashlar_bridge__isolated=True), port("p3"))
    with wired(net, "p1", "p2", "p3") as wire:
        assert set(wire.send("p1")) == {"p3"}
        assert set(wire.send("p2")) == {"p3"}
        assert set(wire.send("p3")) == {"p1", "p2"}
        # unicast, too, although it is known where the other one is
        assert wire.send("p1", destination=wire.far["p2"].mac) == {}
        edit(nc, port("p2", ashlar_bridge__isolated=False))
        assert set(wire.send("p1", destination=wire.far["p2"].mac)) == {"p2"}


def flooding_can_be_turned_off(nc, net):
    kinds = {"unicast": "02:00:00:00:00:99", "multicast": "01:00:5e:7f:00:01",
             "broadcast": "ff:ff:ff:ff:ff:ff"}
    edit(nc, bridge(), port("p1"), port("p2"), port("p3"))
    with wired(net, "p1", "p2", "p3") as wire:
        for off in kinds:
            edit(nc, port("p3", flood={kind: kind != off for kind in kinds}))
            for kind, destination in kinds.items():
                assert set(wire.send("p1", destination=destination)) == (
                    {"p2"} if kind == off else {"p2", "p3"})


def locked_port_takes_whom_it_knows(nc, net):
    edit(nc, bridge(), port("p1", ashlar_bridge__locked=True), port("p2"))
    with wired(net, "p1", "p2") as wire:
        assert wire.send("p1") == {}
        edit(nc, bridge(ashlar_bridge__fdb={"static-entry": [
            {"vid": 0, "mac": wire.far["p1"].mac, "port": "p1"}]}))
        assert set(wire.send("p1")) == {"p2"}
        assert set(wire.send("p2", destination=wire.far["p1"].mac)) == {"p1"}


def reserved_groups_are_forwarded(nc, net):
    """Of IEEE 802.1Q table 8-1; whatever port comes later."""
    forwarded = {0: "stp", 2: "lacp", 3: "dot1x", 14: "lldp"}
    edit(nc, bridge(stp={"forward-delay": 4}), port("p1"), port("p2"))

    def arrive(wire):
        return {group for group in (0, 2, 3, 14)
                if wire.send("p1", destination=f"01:80:c2:00:00:{group:02x}")}

    net.wait(lambda: {told(nc, name)["state"] for name in ("p1", "p2")} == {"forwarding"}, "open", 60)
    with wired(net, "p1", "p2") as wire:
        assert arrive(wire) == set()
        edit(nc, bridge(ieee_group_forward=list(forwarded.values())))
        assert arrive(wire) == set(forwarded)
        assert (data(net)["group_fwd_mask"], slave(net, "p1")["group_fwd_mask"]) == ("0x4008", "0x5")
        edit(nc, port("p3"))
        assert slave(net, "p3")["group_fwd_mask"] == "0x5"
        with pytest.raises(RpcError, match="pause frames") as caught:
            edit(nc, bridge(ieee_group_forward=[1]))
        assert "[.='1']" in caught.value.path
        edit(nc, {"name": "br0", "infix-interfaces:bridge": {
            "ieee-group-forward": "lacp", "@ieee-group-forward": {"ietf-netconf:operation": "delete"}}})
        assert arrive(wire) == {0, 3, 14}


@pytest.fixture
def afterwards(nc, net):
    """afterwards(): nobody uses the ports any more."""
    return lambda: edit(nc, {"name": "br0", "@operation": "delete"}, *(
        config.interface(name, "ethernet", **{"@operation": "replace"}) for name in net.ports))


def test_what_ports_let_through(nc, net, afterwards):
    isolated_ports_do_not_talk(nc, net)
    afterwards()
    flooding_can_be_turned_off(nc, net)
    afterwards()
    locked_port_takes_whom_it_knows(nc, net)
    afterwards()
    reserved_groups_are_forwarded(nc, net)


def entries(nc, inside=""):
    """{(mac, vid, port, type)} of br0's forwarding database."""
    spaces = config.namespaces()
    found = nc.get(f'<interfaces xmlns="{spaces["ietf-interfaces"]}"><interface><name>br0</name>'
                   f'<bridge xmlns="{spaces["infix-interfaces"]}"><fdb '
                   f'xmlns="{spaces["ashlar-bridge"]}"><entry>{inside}</entry></fdb></bridge>'
                   "</interface></interfaces>")
    return {tuple(entry.findtext(name) for name in ("mac", "vid", "port", "type"))
            for entry in found.iter("entry")}


@pytest.mark.covers("read", of="bridge")
def test_forwarding_database_is_read(nc, net):
    edit(nc, bridge(vlans={"vlan": [vlan(10, ["p1", "p2"], ["p3"])]},
                    ashlar_bridge__fdb={"static-entry": [
                        {"vid": 10, "mac": "02:00:00:00:00:0a", "port": "p2"}]}),
         port("p1"), port("p2"), port("p3", pvid=10))
    addresses = [f"02:01:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(3000)]
    with wired(net, "p1", "p2", "p3") as wire:
        assert "p3" in wire.send("p1", [10])
        for address in addresses:  # to one who is behind the same port: nobody hears it
            wire.far["p1"].socket.send(frame(wire.far["p1"].mac, address, b"", [10]))
        assert "p3" in wire.send("p1", [10])
    learned = {(address, "10", "p1", "learned") for address in addresses}
    static = ("02:00:00:00:00:0a", "10", "p2", "static")
    found = entries(nc)
    assert learned <= found
    assert static in found
    assert (net.link("p3")["address"], "10", "p3", "own") in found
    assert entries(nc, f"<mac>{addresses[7]}</mac>") == {(addresses[7], "10", "p1", "learned")}
    found = entries(nc, "<port>p1</port>")
    assert learned <= found and {row[2] for row in found} == {"p1"}
    assert static in entries(nc, "<vid>10</vid>")
    assert entries(nc, "<vid>11</vid>") == set()


def behind(net, address):
    """[(port, state)] of what br0 knows of a station."""
    return sorted((entry["ifname"], entry.get("state")) for entry in net.bridge_json("fdb show br br0")
                  if entry["mac"] == address)


def test_an_address_of_its_own_is_no_static_entry(nc, net):
    """If it were said to be behind a port nothing would reach the device any more."""
    edit(nc, {**bridge(), **config.ipv4("192.0.2.1/24")}, *(port(name) for name in net.ports))
    net.far[1].ip("address add 192.0.2.11/24 dev eth0")
    net.wait_up("br0", *net.ports)
    for owner, at in ("br0", "p2"), ("p1", "p2"), ("p3", "p3"):
        address = net.link(owner)["address"]
        before = behind(net, address)
        for also in {}, REFUSED:
            with pytest.raises(RpcError) as caught:
                nc.edit({**config.interfaces(bridge(ashlar_bridge__fdb={"static-entry": [
                    {"vid": 0, "mac": address, "port": at}]})), **also})
            assert f"mac='{address}'" in caught.value.path
            assert f"{address} on port {at} of br0: this is an address of the bridge" in (
                caught.value.message)
            assert behind(net, address) == before
        assert net.far[1].pings("192.0.2.1")
    # nor does one become its own
    station = "02:00:00:00:00:55"
    edit(nc, bridge(ashlar_bridge__fdb={"static-entry": [
        {"vid": 0, "mac": station, "port": "p2"}]}))
    with pytest.raises(RpcError) as caught:
        edit(nc, {"name": "br0", "infix-interfaces:custom-phys-address": {"static": station}})
    assert f"mac='{station}'" in caught.value.path
    assert behind(net, station) == [("p2", "static")]
    net.ip(f"link set p1 address {station}")
    net.wait(lambda: not_applied(nc), "what is not applied")
    (path,) = not_applied(nc)
    assert path.endswith(f"static-entry[vid='0'][mac='{station}']")
    assert behind(net, station) == [("p1", "permanent")]
    net.far[1].ip("neigh flush all")  # the bridge's address may be another now
    assert net.far[1].pings("192.0.2.1")


def test_refused_entries_leave_those_of_others(nc, net):
    """What somebody else has made static, and a membership that snooping has found out."""
    station = "02:00:00:00:00:09"
    edit(nc, bridge(multicast={}), *(port(name) for name in net.ports))
    net.wait_up("br0", *net.ports)
    net.far[1].ip("address add 198.51.100.1/24 dev eth0")
    net.run("bridge", "fdb", "add", station, "dev", "p3", "master", "static")

    def of_group(kind):
        return {port for port, group, _ in mdb(net, kind) if group == GROUP}

    with member(net.far[1], "198.51.100.1"):
        net.wait(lambda: of_group("temp") == {"p1"}, "a member")
        entries = bridge(
            ashlar_bridge__fdb={"static-entry": [{"vid": 0, "mac": station, "port": "p2"}]},
            multicast_filters=groups((GROUP, {"p1": "permanent", "p2": "permanent"})))
        with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
            nc.edit({**config.interfaces(entries), **REFUSED})
        assert behind(net, station) == [("p3", "static")]
        assert statics(net) == set()
        assert (of_group("temp"), mdb(net)) == ({"p1"}, set())
        edit(nc, entries)
        assert behind(net, station) == [("p2", "static")]
        assert mdb(net) == {("p1", GROUP, 0), ("p2", GROUP, 0)}
        edit(nc, {"name": "br0", "infix-interfaces:bridge": {"multicast-filters": {
            "@operation": "delete"}}})
        assert (of_group("temp"), mdb(net)) == ({"p1"}, set())


# --- multicast ------------------------------------------------------------------------------------------------

GROUP = "239.1.2.3"
GROUP_MAC = "01:00:5e:01:02:03"


@contextlib.contextmanager
def member(namespace, address, group=GROUP):
    """A host that wants the group on the link that has ADDRESS."""
    with inside(namespace.name):
        host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with host:
        host.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
            "4s4s", socket.inet_aton(group), socket.inet_aton(address)))
        yield


def addressed(net):
    """Hosts behind p1 to p3, each with an address, and with one in VLAN 10."""
    for number in 1, 2, 3:
        far = net.far[number]
        far.ip(f"address add 198.51.100.{number}/24 dev eth0")
        far.ip("link add eth0.10 link eth0 up type vlan id 10")
        far.ip(f"address add 198.18.10.{number}/24 dev eth0.10")


def shown_groups(nc, vid=0):
    """{(group, port, state)} as operational data tells them."""
    shown = nc.interface("br0").find("bridge")
    if vid:
        (shown,) = [entry for entry in shown.iter("vlan") if entry.findtext("vid") == str(vid)]
    return {(entry.findtext("group"), node.findtext("port"), node.findtext("state"))
            for entry in shown.iterfind("multicast-filters/multicast-filter")
            for node in entry.iterfind("ports")}


def shown_routers(nc, vid=0):
    shown = nc.interface("br0").find("bridge")
    if vid:
        (shown,) = [entry for entry in shown.iter("vlan") if entry.findtext("vid") == str(vid)]
    return {node.text for node in shown.iterfind("multicast/router-ports")}


def by_itself(*entries):
    return [bridge(multicast={}, multicast_filters=groups(*entries)), port("p1"), port("p2"),
            port("p3"), port("p4", multicast={"router": "permanent"})]


def in_vlan_10(*entries):
    return [bridge(vlans={"vlan": [
        vlan(10, ["p1", "p2", "p3", "p4"], multicast={}, multicast_filters=groups(*entries))]}),
        port("p1"), port("p2"), port("p3"), port("p4", multicast={"router": "permanent"})]


def test_groups_and_routers_are_read(nc, net, afterwards):
    addressed(net)
    for vid, make_entries, address in (0, by_itself, "198.51.100.2"), (10, in_vlan_10, "198.18.10.2"):
        edit(nc, *make_entries(("239.9.9.9", {"p3": "permanent"})))
        net.wait_up("br0", *net.ports)
        with member(net.far[2], address):
            net.wait(lambda: ("p2", GROUP, vid) in mdb(net, "temp"), "a member")
            found = shown_groups(nc, vid)
            assert (GROUP, "p2", "temporary") in found
            assert ("239.9.9.9", "p3", "permanent") in found
            assert shown_routers(nc, vid) == {"p4"}
        afterwards()


def heard(wire, namespace, address):
    """The ports behind which a datagram is heard that the host with ADDRESS sends to the group."""
    wire.sent += 1
    payload, mark = f"datagram {wire.sent}.".encode(), f"mark {wire.sent}.".encode()
    with inside(namespace.name):
        host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with host:
        host.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        host.sendto(payload, (GROUP, 5000))
    came = set()
    for name, near in wire.near.items():
        near.send(mark)
        while mark not in (data := wire.far[name].next()):
            if payload in data:
                came.add(name)
    return came


@pytest.mark.time_travel
@pytest.mark.parametrize("vid, make_entries, network", [
    (0, by_itself, "198.51.100"), (10, in_vlan_10, "198.18.10")], ids=["bridge", "vlan"])
def test_multicast_goes_to_members(nc, net, vid, make_entries, network):
    """And to those given by hand, and to routers, as soon as the querier has been at work for a while."""
    addressed(net)
    edit(nc, *make_entries((GROUP, {"p3": "permanent"})))
    edit(nc, port("p3", multicast={"router": "off"}))
    with wired(net, *net.ports) as wire:
        def come():
            return heard(wire, net.far[1], f"{network}.1")

        until(lambda: come() == {"p3", "p4"}, "none but the router and the one by hand", 90)
        with member(net.far[2], f"{network}.2"):
            net.wait(lambda: ("p2", GROUP, vid) in mdb(net, "temp"), "a member")
            assert come() == {"p2", "p3", "p4"}
        until(lambda: come() == {"p3", "p4"}, "the member gone", 90)


def query(port):
    """(VLAN ids, source) of the next IGMP query that comes."""
    while True:
        data = port.next(timeout=600)
        vlans, at = [], 12
        while data[at:at + 2] == b"\x81\x00":
            vlans.append(struct.unpack("!H", data[at + 2:at + 4])[0] & 0xFFF)
            at += 4
        packet = data[at + 2:]
        if data[at:at + 2] != b"\x08\x00" or packet[9] != socket.IPPROTO_IGMP:
            continue
        if packet[(packet[0] & 15) * 4] == 0x11:
            return vlans, socket.inet_ntoa(packet[12:16])


@pytest.mark.time_travel
def test_queries(nc, net):
    br0 = {**bridge(multicast={"query-interval": 5}), **config.ipv4("198.51.100.254/24")}
    edit(nc, br0, port("p1"))
    with wired(net, "p1") as wire:
        for _ in range(4):
            assert query(wire.far["p1"]) == ([], "198.51.100.254")
        edit(nc, bridge(multicast={"querier": "proxy"}))
        until(lambda: query(wire.far["p1"]) == ([], "0.0.0.0"), "one without an address")
        edit(nc, {"name": "br0", "infix-interfaces:bridge": {
            "@operation": "replace", "vlans": {"vlan": [
                vlan(10, ["p1"], multicast={"query-interval": 5}),
                vlan(20, ["p1"], multicast={"querier": "off"})]}}})
        for _ in range(4):
            until(lambda: query(wire.far["p1"]) == ([10], "198.51.100.254"), "one in VLAN 10")


@pytest.mark.time_travel
@pytest.mark.timeout(1200)
def test_a_temporary_group_ages(nc, net):
    edit(nc, *by_itself((GROUP, {"p1": "temporary", "p2": "permanent"})))
    net.wait_up("br0", *net.ports)
    entry = ("p1", GROUP, 0)
    assert entry in mdb(net, "temp")
    until(lambda: entry not in mdb(net, "temp"), "its end", timeout=900, pace=5)
    edit(nc, {"name": "br0", "description": "another change"})
    assert entry not in mdb(net, "temp")
    assert mdb(net) == {("p2", GROUP, 0)}


# --- the spanning tree ---------------------------------------------------------------------------------------


@pytest.fixture
def other(net):
    """Another bridge, to be the root, where both p1 and p2 lead."""
    far = net.far[1]
    net.far[2].ip("link set eth0 down")
    net.far[2].ip("link set eth0 name eth1")
    net.far[2].ip(f"link set eth1 netns {far.name}")
    far.ip("link add other type bridge stp_state 1 priority 4096 hello_time 100 forward_delay 400 "
           "max_age 600")
    for name in "eth0", "eth1":
        far.ip(f"link set {name} master other up")
    far.ip("link set other up")
    return far


def told(nc, name):
    """{name: text} of what is shown of a port's part in the tree."""
    cist = nc.interface(name).find("bridge-port/stp/cist")
    return {node.tag: node.text for node in cist if not len(node)}


@pytest.mark.time_travel
def test_spanning_tree(daemon, net, other):
    with daemon.local() as nc:
        edit(nc, bridge(stp={"cist": {"priority": 15}}), *(port(name) for name in net.ports))
        until(lambda: (told(nc, "p1").get("role"), told(nc, "p2").get("role"),
                       told(nc, "p1")["state"]) == ("root", "alternate", "forwarding"), "a tree", 120)
        assert told(nc, "p2")["state"] == "blocking"
        net.wait(lambda: told(nc, "p4")["state"] == "forwarding", "p4 open", 120)
        shown = nc.interface("br0").find("bridge/stp")
        assert shown.findtext("force-protocol") == "stp"
        assert shown.findtext("cist/root-port") == "p1"
        assert shown.findtext("cist/root-id/priority") == "1"
        assert shown.findtext("cist/root-id/address") == other.link("other")["address"]
        assert shown.findtext("cist/bridge-id/priority") == "15"
        cist = nc.interface("p2").find("bridge-port/stp/cist")
        assert cist.findtext("designated/bridge-id/address") == other.link("other")["address"]
        assert (cist.findtext("port-id/priority"), cist.findtext("port-id/port-id")) == ("8", "2")
        for name in "p1", "p2":  # the kernel's in its own order, which we know by what they are called
            counted = [int(number) for number in re.findall(
                r": (\d+)", net.ip(f"link xstats type bridge_slave dev {name} stp"))]
            shown = nc.interface(name).find("bridge-port/stp/statistics")
            assert counted[0] > 0 and counted == pytest.approx([int(shown.findtext(leaf)) for leaf in (
                "in-bpdus", "out-bpdus", "in-tcns", "out-tcns", "to-blocking", "to-forwarding")], abs=2)
        once_only(net)
    # the timers in force are the root's, those that are configured are ours
    daemon.kill()
    daemon.start()
    assert daemon.start_changes() == 0
    with daemon.local() as nc, daemon.local() as told_to:
        number = on_change(told_to, one(
            "p2", f'<bridge-port xmlns="{config.namespaces()["infix-interfaces"]}"/>'), "operational")
        update(told_to, number)
        other.ip("link set eth0 down")
        path = TARGET + "p2/infix-interfaces:bridge-port/stp/cist/state"
        for expected in "listening", "learning", "forwarding":
            assert plain(edits(told_to, number)) == [("replace", path, expected)]
        assert told(nc, "p2")["role"] == "root"


def once_only(net):
    """A frame comes out once: nothing goes round."""
    with contextlib.ExitStack() as stack:
        source, sink = (stack.enter_context(Port(net.far[number], "eth0")) for number in (3, 4))
        source.send(b"once.")
        stack.enter_context(Port(net, "p4")).send(b"mark.")
        assert [data for _, data in sink.until(b"mark.") if data == b"once."] == [b"once."]


# --- nothing goes astray while memberships change ---------------------------------------------------------------

VIDS = range(100, 900, 2)  # no ranges: as many items, and more than one batch


def halves(first, second):
    """FIRST is in VLANs with p2, SECOND in others with p4: those two never share one."""
    return [bridge(vlans={"@operation": "replace", "vlan": [
        *(vlan(vid, [first, "p2"]) for vid in VIDS),
        *(vlan(vid + 1000, [second, "p4"]) for vid in VIDS)]})]


class Flood(threading.Thread):
    """Everybody sends into all of some VLANs, all the time; what comes out where, and from whom."""

    def __init__(self, wire):
        super().__init__(daemon=True)
        self.wire, self.came, self.is_over = wire, set(), False
        vids = [vid + extra for vid in itertools.islice(VIDS, 0, None, 40) for extra in (0, 1000)]
        self.frames = {name: [frame("ff:ff:ff:ff:ff:ff", far.mac, b"from " + name.encode(), [vid])
                              for vid in vids] for name, far in wire.far.items()}

    def run(self):
        for far in self.wire.far.values():
            far.socket.setblocking(False)
        while not self.is_over:
            for name, far in self.wire.far.items():
                for data in self.frames[name]:
                    with contextlib.suppress(BlockingIOError, OSError):
                        far.socket.send(data)
                self.drain()
        for far in self.wire.far.values():
            far.socket.setblocking(True)

    def drain(self):
        for name, far in self.wire.far.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    data = far.receive()
                    if data and b"from " in data:
                        self.came.add((data[data.index(b"from ") + 5:][:2].decode(), name))


def test_no_frame_goes_astray(nc, net):
    """Two ports that change places in hundreds of VLANs are never in one together."""
    edit(nc, *halves("p1", "p3"), *(port(name) for name in net.ports))
    with wired(net, *net.ports) as wire:
        flood = Flood(wire)
        flood.start()
        try:
            for _ in range(2):
                edit(nc, *halves("p3", "p1"))
                edit(nc, *halves("p1", "p3"))
        finally:
            flood.is_over = True
            flood.join()
    together = {("p1", "p2"), ("p3", "p2"), ("p1", "p4"), ("p3", "p4")}
    assert flood.came == together | {(b, a) for a, b in together}
