"""Bridges: each setting from configuration into the kernel, proved by traffic, and back."""


import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences, steady

pytestmark = pytest.mark.guest

# a route whose next hop cannot be reached: refused by the kernel, after all links were made
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))


def bridge(**members):
    """br0; MEMBERS are those of its container."""
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return config.interface("br0", "bridge", infix_interfaces__bridge=named)


def port(name, **members):
    """A port of br0; in member names "__" stands for ":"."""
    named = {key.replace("__", ":").replace("_", "-"): value for key, value in members.items()}
    return config.interface(name, "ethernet", infix_interfaces__bridge_port={
        "bridge": "br0", **named})


def groups(*entries):
    """multicast-filters: (group, {port: state})."""
    return {"multicast-filter": [
        {"group": group, "ports": [{"port": name, "state": state} for name, state in ports.items()]}
        for group, ports in entries]}


def vlan(vid, tagged=(), untagged=(), **members):
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return {**config.vlan(vid, tagged, untagged), **named}


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


# --- what the kernel knows ---------------------------------------------------------------------------


def slave(net, name):
    return (net.link(name) or {}).get("linkinfo", {}).get("info_slave_data", {})


def data(net, name="br0"):
    return (net.link(name) or {}).get("linkinfo", {}).get("info_data", {})


def mdb(net, kind="permanent"):
    """{(port, group, vid)} of all entries of that kind."""
    return {(entry["port"], entry["grp"], entry.get("vid", 0))
            for found in net.bridge_json("-d mdb show") for entry in found.get("mdb", [])
            if entry.get("state") == kind}


def by_vlan(net):
    """{vid: multicast settings} of br0."""
    return {vid: {key: entry.get(key) for key in (
        "mcast_snooping", "mcast_querier", "mcast_query_interval")}
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
        lambda net: {name: {key: slave(net, name).get(key) for key in FLAGS} for name in net.ports},
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
        lambda net: [{key: data(net).get(key) for key in (
            "stp_state", "hello_time", "forward_delay", "max_age", "priority")},
            slave(net, "p1").get("cost"), slave(net, "p1").get("priority")],
        [{"stp_state": 1, "hello_time": 100, "forward_delay": 400, "max_age": 600,
          "priority": 16384}, 77, 8],
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
        lambda net: [{key: data(net).get(key) for key in (
            "mcast_snooping", "mcast_querier", "mcast_query_use_ifaddr", "mcast_query_intvl",
            "group_fwd_mask", "mcast_vlan_snooping")}, mdb(net)],
        [{"mcast_snooping": 1, "mcast_querier": 1, "mcast_query_use_ifaddr": 0,
          "mcast_query_intvl": 3000, "group_fwd_mask": "0x4008", "mcast_vlan_snooping": 0},
         {("p1", "239.1.1.1", 0), ("p2", "239.1.1.1", 0), ("p2", "ff05::7", 0),
          ("p1", "01:00:5e:01:01:01", 0)}],
        ["ip link set br0 type bridge mcast_querier 0", "bridge mdb del dev br0 port p1 grp 239.1.1.1",
         "ip link set br0 type bridge group_fwd_mask 0"])


def vlans():
    off = {"mcast_snooping": 0, "mcast_querier": 0, "mcast_query_interval": 12500}
    on = {"mcast_snooping": 1, "mcast_querier": 1, "mcast_query_interval": 12500}
    return Scene(
        "vlans",
        [bridge(vlans={"vlan": [
            vlan(10, ["p1", "p2", "br0"], multicast={"querier": "off", "query-interval": 20},
                 multicast_filters=groups(("239.1.1.1", {"p2": "permanent"}))),
            vlan(11, ["p1", "p2"], multicast={}), vlan(12, ["p1", "p2"], multicast={}),
            vlan(20, ["p1"], ["p2"])]}),
         port("p1", multicast={"router": "permanent"}), port("p2", pvid=20)],
        lambda net: [data(net).get("mcast_vlan_snooping"), data(net).get("mcast_snooping"),
                     by_vlan(net), mdb(net), net.vlans("p2"), routers_by_vlan(net, "p1")],
        [1, 1,
         {10: {"mcast_snooping": 1, "mcast_querier": 0, "mcast_query_interval": 2000},
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


SCENES = [flags(), tree(), snooping(), vlans()]


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
