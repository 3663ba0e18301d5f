"""Kinds of interfaces, each from configuration into the kernel, through a restart and a refusal, and back."""

import struct

import pytest

from ashlar import config
from ashlar.frames import Port
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences
from ashlar.push import made_again, on_change, one, update
from ashlar.strike import REFUSE, Strike

pytestmark = pytest.mark.guest

# a route whose next hop cannot be reached: refused by the kernel, after all links were made
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))


class Kind:
    """ENTRIES are interfaces; LINKS tells of each what `ip -d link` must know, "info_data" included.

    CHANGES are (edit of an interface, what must be known then, whether it stays the same link).
    """

    def __init__(self, name, entries, links, changes=(), up=()):
        self.name, self.entries, self.links, self.changes = name, entries, links, changes
        self.up = up  # links that say so when they are

    def make(self, nc, net):
        edit(nc, *self.entries)
        net.wait_up(*self.up)


def dummy():
    return Kind(
        "dummy",
        [{"name": "dummy0", "description": "nothing", **config.ipv4("198.51.100.1/24", mtu=1400)},
         config.interface("blackhole", "dummy", enabled=False)],
        {"dummy0": {"info_kind": "dummy", "mtu": 1400, "ifalias": "nothing"},
         "blackhole": {"info_kind": "dummy", "mtu": 1500}},
        [({"name": "dummy0", "ietf-ip:ipv4": {"mtu": 1300}}, {"mtu": 1300}, True)])


def lag_port(name, lag, **members):
    return config.interface(name, "ethernet", infix_interfaces__lag_port={"lag": lag}, **members)


def lag():
    ports = {"info_slave_kind": "bond", "master": "lag0"}
    return Kind(
        "lag",
        [{"name": "lag0", "infix-interfaces:lag": {"mode": "lacp"},
          **config.ipv4("198.51.100.1/24")},
         lag_port("p3", "lag0"), lag_port("p4", "lag0"),
         {"name": "lag0.7", **config.ipv4("198.18.7.1/24")}],
        {"lag0": {"info_kind": "bond", "mode": "802.3ad", "miimon": 100, "updelay": 0,
                  "xmit_hash_policy": "layer2+3", "ad_lacp_rate": "slow", "ad_lacp_active": "on",
                  "ad_actor_sys_prio": 65535},
         "p3": ports, "p4": ports, "lag0.7": {"link": "lag0"}},
        [({"name": "lag0", "infix-interfaces:lag": {"link-monitor": {
            "debounce": {"up": 250, "down": 1000}}}},
          {"miimon": 50, "updelay": 250, "downdelay": 1000}, True),
         ({"name": "lag0", "infix-interfaces:lag": {"lacp": {"system-priority": 7}}},
          {"ad_actor_sys_prio": 7}, True),
         ({"name": "lag0", "infix-interfaces:lag": {"lacp": {"rate": "fast", "mode": "passive"}}},
          {"ad_lacp_rate": "fast", "ad_lacp_active": "off"}, True),
         ({"name": "lag0", "infix-interfaces:lag": {"mode": "static"}},
          {"mode": "balance-xor", "xmit_hash_policy": "layer2+3", "miimon": 50}, True),
         ({"name": "lag0", "infix-interfaces:lag": {"mode": "lacp", "lacp": {
             "rate": "slow", "mode": "active"}}},
          {"mode": "802.3ad", "ad_lacp_rate": "slow", "ad_lacp_active": "on",
           "ad_actor_sys_prio": 7}, True)])


def tunnel(container, name, kind, local, remote, **members):
    """A tunnel; MEMBERS are those of its container."""
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return config.interface(name, kind, **{
        f"infix-interfaces:{container}": {"local": local, "remote": remote, **named}})


def part(name, container, **members):
    """An edit of some members of an interface's container."""
    return {"name": name, f"infix-interfaces:{container}": {
        key.replace("_", "-"): value for key, value in members.items()}}


def vxlan():
    return Kind(
        "vxlan",
        [{**tunnel("vxlan", "vxlan5", "vxlan", "198.51.100.1", "198.51.100.2", vni=5),
          **config.ipv4("198.18.5.1/24")},
         tunnel("vxlan", "vx6", "vxlan", "2001:db8::1", "2001:db8::2", vni=6, remote_port=8472,
                ttl="inherit", tos=16)],
        {"vxlan5": {"info_kind": "vxlan", "id": 5, "local": "198.51.100.1",
                    "remote": "198.51.100.2", "port": 4789, "ttl": 64, "tos": "0x1"},
         "vx6": {"info_kind": "vxlan", "id": 6, "local6": "2001:db8::1", "remote6": "2001:db8::2",
                 "port": 8472, "tos": "0x10"}},
        [(part("vxlan5", "vxlan", remote="198.51.100.3", ttl=7, tos=8),
          {"remote": "198.51.100.3", "ttl": 7, "tos": "0x8"}, True),
         # a change of its data is refused with an MTU beside it
         ({**part("vxlan5", "vxlan", local="198.51.100.4"), "ietf-ip:ipv4": {"mtu": 1400}},
          {"local": "198.51.100.4", "mtu": 1400}, True),
         (part("vxlan5", "vxlan", vni=55), {"id": 55, "remote": "198.51.100.3"}, False),
         (part("vxlan5", "vxlan", remote_port=4790), {"port": 4790}, False),
         (part("vx6", "vxlan", ttl=9), {"ttl": 9, "remote6": "2001:db8::2"}, False),
         (part("vx6", "vxlan", local="198.51.100.1", remote="198.51.100.2"),
          {"local": "198.51.100.1", "remote": "198.51.100.2", "local6": None}, False)])


def gre():
    return Kind(
        "gre",
        [{**tunnel("gre", "gre1", "gre", "198.51.100.1", "198.51.100.2"),
          **config.ipv4("198.18.1.1/24")},
         tunnel("gre", "packets", "gre", "198.51.100.1", "198.51.100.3", ttl="inherit", tos=16,
                pmtu_discovery=False),
         tunnel("gre", "gretap1", "gretap", "198.51.100.1", "198.51.100.2"),
         # between the same ends: what the kernel refuses to change is made again
         tunnel("gre", "gre6", "gre", "2001:db8::1", "2001:db8::2"),
         tunnel("gre", "gretap6", "gretap", "2001:db8::1", "2001:db8::2", ttl="inherit", tos=16)],
        {"gre1": {"info_kind": "gre", "local": "198.51.100.1", "remote": "198.51.100.2",
                  "ttl": 64, "tos": "0x1", "pmtudisc": True},
         "packets": {"info_kind": "gre", "ttl": 0, "tos": "0x10", "pmtudisc": False},
         "gretap1": {"info_kind": "gretap", "ttl": 64, "tos": "0x1", "pmtudisc": True},
         "gre6": {"info_kind": "ip6gre", "local": "2001:db8::1", "ttl": 64,
                  "ip6_tnl_f_use_orig_tclass": True, "encap_limit": 4},
         "gretap6": {"info_kind": "ip6gretap", "ttl": 0, "tclass": "0x10"}},
        [(part("gre1", "gre", remote="198.51.100.9", ttl=7, tos=8, pmtu_discovery=False),
          {"remote": "198.51.100.9", "ttl": 7, "tos": "0x8", "pmtudisc": False}, True),
         ({"name": "gre1", "ietf-ip:ipv4": {"mtu": 1300}}, {"mtu": 1300}, True),
         ({"name": "gre1", "ietf-ip:ipv4": {
             "mtu": [None], "@mtu": {"ietf-netconf:operation": "remove"}}}, {"mtu": 1476}, True),
         (part("gretap6", "gre", ttl=4), {"ttl": 4, "tclass": "0x10"}, False),
         (part("gre6", "gre", tos=32, local="2001:db8::9"),
          {"local": "2001:db8::9", "tclass": "0x20", "ip6_tnl_f_use_orig_tclass": None}, True),
         (part("gretap6", "gre", ttl=3), {"ttl": 3, "tclass": "0x10"}, True),
         (part("gretap1", "gre", local="2001:db8::1", remote="2001:db8::77"),
          {"info_kind": "ip6gretap", "remote": "2001:db8::77"}, False)])


def vlan(name, lower, number, **members):
    """A VLAN interface; MEMBERS are those of its container."""
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return config.interface(name, "vlan", infix_interfaces__vlan={
        "id": number, "lower-layer-if": lower, **named})


def qos_map(*values):
    """A map of priorities as ip tells it: what goes to 0 is not listed."""
    return [{"from": at, "to": value} for at, value in enumerate(values) if value]


def vlans():
    return Kind(
        "vlan",
        [{**vlan("p3.10", "p3", 10, ingress_qos={"priority": "from-pcp"}, egress_qos={"pcp": 5}),
          **config.ipv4("198.18.10.1/24")},
         vlan("customer", "p3", 20, tag_type="ieee802-dot1q-types:s-vlan",
              egress_qos={"pcp": "from-priority"}),
         vlan("customer.30", "customer", 30)],
        {"p3.10": {"info_kind": "vlan", "id": 10, "protocol": "802.1Q", "link": "p3",
                   "ingress_qos": qos_map(*range(8)), "egress_qos": qos_map(*[5] * 8)},
         "customer": {"id": 20, "protocol": "802.1ad", "egress_qos": qos_map(*range(8))},
         "customer.30": {"id": 30, "protocol": "802.1Q", "link": "customer",
                         "ingress_qos": None, "egress_qos": None}},
        [(part("p3.10", "vlan", ingress_qos={"priority": 3}),
          {"ingress_qos": qos_map(*[3] * 8), "egress_qos": qos_map(*[5] * 8)}, True),
         (part("p3.10", "vlan", ingress_qos={"priority": 0}, egress_qos={"pcp": 0}),
          {"ingress_qos": None, "egress_qos": None}, True),
         (part("p3.10", "vlan", egress_qos={"pcp": "from-priority"}),
          {"egress_qos": qos_map(*range(8))}, True),
         (part("p3.10", "vlan", id=11), {"id": 11, "egress_qos": qos_map(*range(8))}, False),
         (part("customer.30", "vlan", tag_type="ieee802-dot1q-types:s-vlan"),
          {"protocol": "802.1ad"}, False)],
        up=["p3.10", "customer", "customer.30"])


def veth():
    return Kind(
        "veth",
        [config.veth("va", "vb", description="one end", **config.ipv4("198.51.100.1/24")),
         config.veth("vb", "va")],
        {"va": {"info_kind": "veth", "link": "vb", "ifalias": "one end"},
         "vb": {"info_kind": "veth", "link": "va"}},
        [({"name": "va", "ietf-ip:ipv4": {"mtu": 1400}}, {"mtu": 1400}, True)], up=["va", "vb"])


def bridge():
    # with an address of its own, or which of them one in the forwarding database belongs to is chance
    mac = {"infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:99"}}
    return Kind(
        "bridge",
        [{"name": "br9", **mac, **config.ipv4("198.51.100.1/24"),
          "infix-interfaces:bridge": {"ieee-group-forward": ["lldp"]}}, config.port("p3", "br9")],
        {"br9": {"info_kind": "bridge", "group_fwd_mask": "0x4000"}, "p3": {"master": "br9"}},
        [({"name": "br9", "infix-interfaces:bridge": {"ieee-group-forward": ["dot1x"]}},
          {"group_fwd_mask": "0x4008"}, True)], up=["p3", "br9"])


KINDS = [dummy(), lag(), vxlan(), gre(), vlans(), veth(), bridge()]


@pytest.fixture
def daemon(net, make_daemon):
    """A bridge over two ports; two ports that nobody uses."""
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "ethernet") for name in net.ports[2:]]
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", *net.ports)
    return daemon


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


def removal(entries):
    """The way back: what was made goes, a port is one that nobody uses again."""
    return [config.interface(entry["name"], "ethernet", **{"@operation": "replace"})
            if entry.get("type", "").endswith(":ethernet") else {"name": entry["name"], "@operation": "delete"}
            for entry in entries]


def known(net, name):
    """What the kernel knows of a link, in one dictionary."""
    link = net.link(name)
    assert link, f"no {name}"
    info = link.get("linkinfo", {})
    return {**link, **info, **info.get("info_data", {})}


def assert_known(net, name, expected):
    link = known(net, name)
    assert {key: link.get(key) for key in expected} == expected


def is_known(net, name, expected):
    if not net.link(name):
        return False
    link = known(net, name)
    return {key: link.get(key) for key in expected} == expected


@pytest.mark.covers("configure", "read")
def test_made_changed_and_removed(nc, net, kind):
    before = net.dump()
    kind.make(nc, net)
    for name, expected in kind.links.items():
        assert_known(net, name, expected)
    for entry in kind.entries:
        shown = nc.interface(entry["name"])
        assert shown.findtext("admin-status") == ("up" if entry.get("enabled", True) else "down")
        assert shown.findtext("if-index") == str(net.link(entry["name"])["ifindex"])
    for change, expected, stays in kind.changes:
        index = known(net, change["name"])["ifindex"]
        edit(nc, change)
        assert_known(net, change["name"], expected)
        assert (known(net, change["name"])["ifindex"] == index) == stays
    edit(nc, *removal(kind.entries))
    net.wait_up(*net.ports)
    assert differences(before, net.dump()) == []


def test_restart_sends_nothing(daemon, net, kind):
    with daemon.local() as session:
        kind.make(session, net)
    before = net.dump()
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert differences(before, net.dump()) == []


@pytest.mark.covers("rollback")
def test_refused_with_another(nc, net, kind):
    before = net.dump()
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*kind.entries), **REFUSED})
    assert differences(before, net.dump()) == []
    kind.make(nc, net)
    made = net.dump()
    for change, _, _ in kind.changes:
        with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
            nc.edit({**config.interfaces(change), **REFUSED})
        net.wait_up(*kind.up)
        assert differences(made, net.dump()) == []
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*removal(kind.entries)), **REFUSED})
    net.wait_up(*kind.up)
    assert differences(made, net.dump()) == []


@pytest.mark.covers("notify")
def test_what_others_remove_comes_back(daemon, nc, net, kind):
    kind.make(nc, net)
    name = kind.entries[0]["name"]
    with daemon.local() as session:
        number = on_change(session, one(name, "<if-index/>"), "operational")
        update(session, number)
        index = net.link(name)["ifindex"]
        net.ip(f"link del {name}")
        made_again(session, number, name, index)
    for name, expected in kind.links.items():
        net.wait(lambda: is_known(net, name, expected), f"{name} as it was")


# --- traffic that proves it -----------------------------------------------------------------------


def ping(namespace, address, count=3):
    namespace.run("ping", "-q", "-c", str(count), "-i", "0.05", "-W", "5", address)


@pytest.fixture
def far(net):
    """The namespace behind p3 with that behind p4 in it: two cables, eth0 and eth1."""
    net.far[4].ip("link set eth0 down")
    net.far[4].ip("link set eth0 name eth1")
    net.far[4].ip(f"link set eth1 netns {net.far[3].name}")
    return net.far[3]


def far_lag(far, options):
    far.ip(f"link add lag9 type bond miimon 100 {options}")
    for name in "eth0", "eth1":
        far.ip(f"link set {name} down")
        far.ip(f"link set {name} master lag9")
    far.ip("link set lag9 up")
    far.ip("address add 198.51.100.2/24 dev lag9")


def states(nc, port, side):
    return {node.text for node in nc.interface(port).iterfind(f"lag-port/lacp/{side}-state")}


def test_lacp_between_two_devices(nc, net, far):
    far_lag(far, "mode 802.3ad lacp_rate fast")
    edit(nc, {"name": "lag0", "infix-interfaces:lag": {"mode": "lacp", "lacp": {"rate": "fast"}},
              **config.ipv4("198.51.100.1/24")}, lag_port("p3", "lag0"), lag_port("p4", "lag0"))
    agreed = {"in_sync", "collecting", "distributing"}
    for port in "p3", "p4":
        net.wait(lambda: agreed <= states(nc, port, "actor") & states(nc, port, "partner"),
                 f"{port} in the aggregate", timeout=60)
        assert {"short_timeout", "active"} <= states(nc, port, "actor")
        assert nc.interface(port).findtext("lag-port/state") == "active"
        assert nc.interface(port).findtext("lag-port/lag") == "lag0"
    shown = nc.interface("lag0")
    lacp = shown.find("lag/lacp")
    assert lacp.findtext("partner-mac") == far.link("lag9")["address"]
    assert lacp.findtext("hash") == "layer2-3"
    assert int(lacp.findtext("actor-key")) and int(lacp.findtext("partner-key"))
    ids = {nc.interface(port).findtext("lag-port/lacp/aggregator-id") for port in ("p3", "p4")}
    assert ids == {lacp.findtext("aggregator-id")}
    assert [node.text for node in shown.iterfind("lower-layer-if")] == ["p3", "p4"]
    # a read of everything knows as much
    everything = {entry.findtext("name"): entry for entry in
                  nc.get(f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}"/>')
                  .iter("interface")}
    assert everything["lag0"].findtext("lag/lacp/partner-mac") == lacp.findtext("partner-mac")
    ping(far, "198.51.100.1")
    far.ip("link set eth0 down")
    net.wait(lambda: nc.interface("p3").findtext("lag-port/link-failures") == "1", "the failure")
    ping(far, "198.51.100.1")


def test_static_lag(nc, net, far):
    far_lag(far, "mode balance-xor")
    edit(nc, {"name": "lag0", "infix-interfaces:lag": {"mode": "static"},
              **config.ipv4("198.51.100.1/24")}, lag_port("p3", "lag0"), lag_port("p4", "lag0"))
    net.wait_up("lag0")
    ping(far, "198.51.100.1")
    shown = nc.interface("lag0").find("lag")
    assert (shown.findtext("static/mode"), shown.findtext("static/hash")) == \
        ("balance-xor", "layer2-3")
    assert shown.find("lacp/aggregator-id") is None


def test_lag_port_moves(nc, net):
    """From bridge to aggregate to another aggregate and back, with what is configured of the port."""
    before = net.dump()
    mac = {"infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:42"}}
    edit(nc, config.port("p3", "br0"))
    net.wait_up("p3")
    in_bridge = net.dump()
    edit(nc, *({"name": name, "infix-interfaces:lag": {"mode": "static"}}
               for name in ("lag0", "lag1")),
         {**lag_port("p3", "lag0"), **mac, "@operation": "replace"})
    net.wait_up("p3", "lag0")
    assert net.link("p3")["master"] == "lag0"
    assert net.link("p3")["address"] == net.link("lag0")["address"]
    edit(nc, lag_port("p3", "lag1"))
    assert net.link("p3")["master"] == "lag1"
    net.wait_up("p3", "lag1")
    # kept down in there, which the kernel would not do by itself
    edit(nc, {"name": "p3", "enabled": False})
    assert "UP" not in net.link("p3")["flags"]
    edit(nc, {"name": "p3", "enabled": True})
    # alone, with the address that is configured
    edit(nc, {"name": "p3", "infix-interfaces:lag-port": {"@operation": "delete"}})
    net.wait_up("p3")
    assert net.link("p3")["address"] == "02:00:00:00:00:42"
    edit(nc, {**config.port("p3", "br0"), "@operation": "replace"},
         *({"name": name, "@operation": "delete"} for name in ("lag0", "lag1")))
    net.wait_up("p3", "br0")
    assert differences(in_bridge, net.dump()) == []
    edit(nc, {**config.interface("p3", "ethernet"), "@operation": "replace"})
    net.wait_up("p3")
    assert differences(before, net.dump()) == []


def lags(*names):
    return [{"name": name, "infix-interfaces:lag": {"mode": "static"}} for name in names]


def given(address):
    return {"infix-interfaces:custom-phys-address": {"static": address}}


@pytest.mark.parametrize("lag", ["lag0", "lag1"])
def test_lag_port_gives_its_address_back(nc, net, lag):
    """An address that goes as the port leaves: for nothing, or for another aggregate; it is not taken along."""
    own = net.link("p3")["address"]
    mac = "02:00:00:00:00:42"
    # the aggregate has the port's own address, and keeps it for the other port
    edit(nc, *lags("lag0", "lag1"), lag_port("p3", "lag0"))
    edit(nc, lag_port("p4", "lag0"))
    edit(nc, {**config.interface("p3", "ethernet", **given(mac)), "@operation": "replace"})
    assert net.link("p3")["address"] == mac
    edit(nc, lag_port("p3", "lag0", **given(mac)))
    assert net.link("p3")["address"] == net.link("lag0")["address"] == own
    port = lag_port("p3", lag) if lag == "lag1" else config.interface("p3", "ethernet")
    edit(nc, {**port, "@operation": "replace"})
    if lag == "lag1":
        assert net.link("p3")["master"] == "lag1"
        assert net.link("lag1")["address"] == own
        edit(nc, {**config.interface("p3", "ethernet"), "@operation": "replace"})
    assert net.link("p3")["address"] == own


def test_lag_port_that_stays_remembers(net, make_daemon, tmp_path):
    """Whichever message is refused as a port leaves: what it had first is known afterwards."""
    strike = Strike(tmp_path)
    daemon = make_daemon(net, config.interfaces(
        *lags("lag0"), lag_port("p4", "lag0", **given("02:00:00:00:00:44")),
        config.interface("p3", "ethernet")), environment=strike.environment).start()
    nc = daemon.local()
    own = net.link("p3")["address"]
    edit(nc, lag_port("p3", "lag0", **given("02:00:00:00:00:43")))
    before = net.link("p3")
    assert before["address"] == "02:00:00:00:00:44"
    at = 1
    while True:
        try:
            with strike.order(REFUSE, at):
                edit(nc, {**config.interface("p3", "ethernet", **config.ipv4(mtu=1400),
                                             **given("02:00:00:00:00:43")),
                          "@operation": "replace"})
        except RpcError:
            assert net.link("p3").get("altnames") == before["altnames"], f"change {at}"
            at += 1
            continue
        if not strike.struck:
            break
        edit(nc, {**lag_port("p3", "lag0", **given("02:00:00:00:00:43")), "@operation": "replace"})
        at += 1
    assert at > 3
    edit(nc, {**config.interface("p3", "ethernet"), "@operation": "replace"})
    assert net.link("p3")["address"] == own
    nc.close()
    daemon.close()
    strike.close()


def test_lag_takes_another_address(nc, net):
    """A port that we have made, and is given an address while it has that of its aggregate."""
    veth = [config.veth("va", "vb", infix_interfaces__lag_port={"lag": "lag0"}),
            config.veth("vb", "va")]
    edit(nc, *lags("lag0"), *veth)
    edit(nc, {"name": "lag0", **given("02:00:00:00:00:44")})
    edit(nc, {"name": "lag0", **given("02:00:00:00:00:45")})
    edit(nc, {"name": "va", **given("02:00:00:00:00:43")})
    own = net.link("va")["linkinfo"]["info_slave_data"]["perm_hwaddr"]
    edit(nc, {**config.veth("va", "vb"), "@operation": "replace"})
    assert net.link("va")["address"] == own


def test_bridge_becomes_lag(nc, net):
    """Another type under the same name, with the same port in it."""
    edit(nc, config.interface("x0", "bridge"), config.port("p3", "x0"))
    net.wait_up("p3", "x0")
    before = {**net.dump(), "fdb": None}  # which of them the address that they share belongs to
    lag = [{"name": "x0", "type": "infix-if-type:lag", "infix-interfaces:lag": {"mode": "static"},
            "@operation": "replace"}, {**lag_port("p3", "x0"), "@operation": "replace"}]
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*lag), **REFUSED})
    net.wait_up("p3", "x0")
    assert differences(before, {**net.dump(), "fdb": None}) == []
    edit(nc, *lag)
    assert known(net, "x0")["info_kind"] == "bond"
    net.wait(lambda: net.link("p3").get("master") == "x0", "p3 in x0")
    net.wait_up("p3", "x0")
    edit(nc, config.interface("x0", "bridge", **{"@operation": "replace"}),
         {**config.port("p3", "x0"), "@operation": "replace"})
    net.wait_up("p3", "x0")
    assert net.link("p3")["master"] == "x0"


def test_lag_port_that_comes_later(nc, net):
    edit(nc, {"name": "lag0", "infix-interfaces:lag": {"mode": "static"}}, lag_port("p5", "lag0"))
    assert nc.interface("p5").findtext("oper-status") == "not-present"
    net.plug(5)
    net.wait(lambda: (link := net.link("p5")) and link.get("master") == "lag0", "p5 in lag0")
    net.wait_up("p5", "lag0")
    net.unplug(5)
    net.wait(lambda: net.link("p5") is None, "p5 gone")
    net.wait(lambda: nc.interface("p5").findtext("oper-status") == "not-present", "not-present")


def test_veth_carries(nc, net):
    """From outside through a bridge into one end, and out of the other, which has the address."""
    edit(nc, config.interface("br7", "bridge"), config.port("p3", "br7"),
         config.veth("va", "vb", **config.ipv4("198.51.100.1/24")),
         config.veth("vb", "va", infix_interfaces__bridge_port={"bridge": "br7"}))
    net.wait_up("br7", "p3", "va", "vb")
    net.far[3].ip("address add 198.51.100.2/24 dev eth0")
    ping(net.far[3], "198.51.100.1")
    assert int(nc.interface("va").findtext("statistics/in-octets")) > 0
    edit(nc, {"name": "vb", "enabled": False})
    net.wait(lambda: nc.interface("va").findtext("oper-status") != "up", "the other end to be down")
    assert not net.far[3].pings("198.51.100.1")


def test_dummy_is_reached(nc, net):
    """Its address is the device's own, whichever port somebody comes by."""
    edit(nc, {"name": "p3", "type": "infix-if-type:ethernet", **config.ipv4("198.51.100.1/24")},
         config.interface("dummy0", "dummy", **config.ipv4("203.0.113.1/32")))
    net.wait_up("p3")
    net.far[3].ip("address add 198.51.100.2/24 dev eth0")
    net.far[3].ip("route add 203.0.113.1 via 198.51.100.1")
    ping(net.far[3], "203.0.113.1")
    edit(nc, {"name": "dummy0", "@operation": "delete"})
    assert not net.far[3].pings("203.0.113.1")


# --- tunnels --------------------------------------------------------------------------------------


@pytest.fixture
def underlay(nc, net):
    """Addresses of the device on p3 and of what is behind it, for tunnels between them."""
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24"), **config.ipv6("2001:db8::1/64")})
    far = net.far[3]
    far.ip("address add 198.51.100.2/24 dev eth0")
    far.ip("-6 address add 2001:db8::2/64 dev eth0 nodad")
    net.wait_up("p3")
    return far


UDP, GRE_PROTOCOL = 17, 47


def outer(port, protocol):
    """(type of service, hop limit) of the next packet of PROTOCOL that comes, IPv4 or IPv6."""
    while True:
        data = port.next()
        kind, packet = data[12:14], data[14:]
        if kind == b"\x08\x00" and packet[9] == protocol:
            return packet[1], packet[8]
        # GRE comes behind destination options that limit tunnels in tunnels
        if kind == b"\x86\xdd" and protocol in (packet[6], packet[40]):
            return int.from_bytes(packet[:2], "big") >> 4 & 0xFF, packet[7]


TUNNELS = {
    "vxlan": ("vxlan", "vxlan", "198.51.100", "vxlan id 5 dstport 4789", UDP),
    "vxlan-ipv6": ("vxlan", "vxlan", "2001:db8:", "vxlan id 5 dstport 4789", UDP),
    "gre": ("gre", "gre", "198.51.100", "gre", GRE_PROTOCOL),
    "gretap": ("gre", "gretap", "198.51.100", "gretap", GRE_PROTOCOL),
    "gre-ipv6": ("gre", "gre", "2001:db8:", "ip6gre", GRE_PROTOCOL),
    "gretap-ipv6": ("gre", "gretap", "2001:db8:", "ip6gretap", GRE_PROTOCOL),
}


@pytest.mark.parametrize("case", TUNNELS)
def test_tunnel_carries(nc, net, underlay, case):
    container, kind, prefix, far_kind, protocol = TUNNELS[case]
    between = ":" if ":" in prefix else "."
    ours, theirs = f"{prefix}{between}1", f"{prefix}{between}2"
    members = {"vni": 5} if kind == "vxlan" else {}
    underlay.ip(f"link add t0 type {far_kind} local {theirs} remote {ours} ttl 64")
    underlay.ip("address add 198.18.0.2/24 dev t0")
    underlay.ip("link set t0 up")
    edit(nc, {**tunnel(container, "t0", kind, ours, theirs, ttl=5, tos=16, **members),
              **config.ipv4("198.18.0.1/24")})
    ping(underlay, "198.18.0.1")
    index = net.link("t0")["ifindex"]
    for ttl, tos in ((5, 16), (9, 32)):
        edit(nc, part("t0", container, ttl=ttl, tos=tos))
        with Port(underlay, "eth0") as port:
            ping(underlay, "198.18.0.1", count=1)
            assert outer(port, protocol) == (tos, ttl)
    assert net.link("t0")["ifindex"] == index
    shown = nc.interface("t0")
    assert shown.findtext("type").rpartition(":")[2] == kind
    assert int(shown.findtext("statistics/in-octets")) > 0
    assert shown.findtext(f"{container}/ttl") == "9"


def test_foreign_tunnels_are_shown(nc, net):
    net.ip("link add x1 type vxlan id 9 dstport 4790 local 192.0.2.1 remote 192.0.2.9 ttl inherit")
    net.ip("link add x2 type ip6gretap local 2001:db8::1 remote 2001:db8::2 ttl 3 tclass inherit")
    net.wait(lambda: nc.interface("x2") is not None, "x2")
    shown = nc.interface("x1")
    assert {node.tag: node.text for node in shown.find("vxlan")} == {
        "local": "192.0.2.1", "remote": "192.0.2.9", "ttl": "inherit", "tos": "0",
        "remote-port": "4790", "vni": "9"}
    shown = nc.interface("x2")
    assert {node.tag: node.text for node in shown.find("gre")} == {
        "local": "2001:db8::1", "remote": "2001:db8::2", "ttl": "3", "tos": "inherit",
        "pmtu-discovery": "true"}


def test_tunnels_change_places(nc, net):
    """What only one can have goes from one to another, or around, in one edit."""
    edit(nc, tunnel("gre", "a", "gre", "198.51.100.1", "198.51.100.2"),
         tunnel("gre", "b", "gre", "198.51.100.1", "198.51.100.3"),
         tunnel("vxlan", "c", "vxlan", "198.51.100.1", "198.51.100.2", vni=5),
         tunnel("vxlan", "d", "vxlan", "198.51.100.1", "198.51.100.3", vni=6))
    before = net.dump()
    swap = [part("a", "gre", remote="198.51.100.3"), part("b", "gre", remote="198.51.100.2"),
            part("c", "vxlan", vni=6), part("d", "vxlan", vni=5)]
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*swap), **REFUSED})
    assert differences(before, net.dump()) == []
    edit(nc, *swap)
    assert [known(net, name)["remote"] for name in "ab"] == ["198.51.100.3", "198.51.100.2"]
    assert [known(net, name)["id"] for name in "cd"] == [6, 5]
    edit(nc, {"name": "a", "@operation": "delete"}, {"name": "c", "@operation": "delete"},
         part("b", "gre", remote="198.51.100.3"), part("d", "vxlan", vni=6))
    assert known(net, "b")["remote"] == "198.51.100.3"
    assert known(net, "d")["id"] == 6


@pytest.mark.parametrize("entry, path", [
    (tunnel("gre", "t0", "gre", "198.51.100.1", "198.51.100.2", tos=17), "infix-if:gre/infix-if:tos"),
    (tunnel("gre", "t0", "gre", "fe80::1%p3", "fe80::2"), "infix-if:gre/infix-if:local"),
    (tunnel("gre", "t0", "gre", "fe80::1", "fe80::2", pmtu_discovery=False),
     "infix-if:gre/infix-if:pmtu-discovery"),
    ({**tunnel("gre", "t0", "gre", "198.51.100.1", "198.51.100.2"),
      "infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:01"}},
     "infix-if:custom-phys-address"),
], ids=["odd-tos", "zone", "fragments-ipv6", "mac"])
def test_what_tunnels_cannot(nc, net, entry, path):
    before = net.dump()
    with pytest.raises(RpcError) as refused:
        edit(nc, entry)
    assert refused.value.path == f"/if:interfaces/if:interface[if:name='t0']/{path}"
    assert differences(before, net.dump()) == []


# --- VLANs ----------------------------------------------------------------------------------------


def tags(data):
    """[(tag protocol, priority, id)] of a frame, outermost first."""
    found, at = [], 12
    while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        protocol, tci = struct.unpack("!HH", data[at:at + 4])
        found.append((protocol, tci >> 13, tci & 0xFFF))
        at += 4
    return found


def tags_of(port, payload):
    """The tags of the next frame with PAYLOAD."""
    while True:
        data = port.next()
        if payload in data:
            return tags(data)


def test_two_tags(nc, net):
    edit(nc, vlan("customer", "p3", 20, tag_type="ieee802-dot1q-types:s-vlan",
                  egress_qos={"pcp": 6}), vlan("customer.30", "customer", 30))
    net.wait_up("customer.30")
    with Port(net, "customer.30") as inside, Port(net.far[3], "eth0") as wire:
        inside.send(b"out")
        assert tags_of(wire, b"out") == [(0x88A8, 6, 20), (0x8100, 0, 30)]
        # neither the tags the other way round nor of the other kind arrive
        wire.send(b"swapped", [(0x88A8, 30), (0x8100, 20)])
        wire.send(b"inner", [(0x8100, 20), (0x8100, 30)])
        wire.send(b"in", [(0x88A8, 20), (0x8100, 30)])
        found, before = inside.expect(b"in")
        assert (found, before) == ([], [])


def test_vlans_in_a_circle(nc, net):
    """What is below is never above; and the ports of a bridge are below it."""
    edit(nc, vlan("a", "p3", 1), vlan("b", "p3", 2), vlan("c", "b", 3), vlan("br0.5", "br0", 5),
         vlan("br0.5.6", "br0.5", 6))
    net.wait_up("a", "b", "c", "br0.5", "br0.5.6")
    before = net.dump()
    for entries, path in (([vlan("a", "b", 1), vlan("b", "a", 2)], "vlan/{}lower-layer-if"),
                          ([vlan("b", "c", 2)], "vlan/{}lower-layer-if"),
                          ([vlan("x", "y", 2), vlan("y", "z", 2), vlan("z", "x", 2)],
                           "vlan/{}lower-layer-if"),
                          ([{"name": "br0.5.6", "infix-interfaces:bridge-port": {"bridge": "br0"}}],
                           "bridge-port/{}bridge")):
        with pytest.raises(RpcError) as caught:
            edit(nc, *entries)
        assert caught.value.path.endswith(path.format("infix-if:"))
        assert "on top of" in caught.value.message
        assert differences(before, net.dump()) == []


def test_priorities(nc, net):
    """From tag to tag through the device: what came in with one priority leaves with that or another."""
    edit(nc, config.interface("brq", "bridge"),
         {**vlan("p3.10", "p3", 10), "infix-interfaces:bridge-port": {"bridge": "brq"}},
         {**vlan("p4.20", "p4", 20), "infix-interfaces:bridge-port": {"bridge": "brq"}})
    net.wait_up("p3.10", "p4.20", "brq")
    with Port(net.far[3], "eth0") as sender, Port(net.far[4], "eth0") as receiver:
        for ingress, egress, expected in ((0, 0, 0), ("from-pcp", "from-priority", 5),
                                          (2, "from-priority", 2), ("from-pcp", 7, 7),
                                          (0, "from-priority", 0)):
            edit(nc, part("p3.10", "vlan", ingress_qos={"priority": ingress}),
                 part("p4.20", "vlan", egress_qos={"pcp": egress}))
            payload = f"{ingress} {egress} ".encode()
            sender.send(payload, [(0x8100, 5 << 13 | 10)])
            assert tags_of(receiver, payload) == [(0x8100, expected, 20)]


def test_foreign_vlan_is_shown(nc, net):
    net.ip("link add link p3 name x1 type vlan id 9 ingress-qos-map 0:4 1:4 2:4 3:4 4:4 5:4 6:4 "
           "7:4 egress-qos-map 1:1 2:2 3:3 4:4 5:5 6:6 7:7")
    net.wait(lambda: nc.interface("x1") is not None, "x1")
    shown = nc.interface("x1").find("vlan")
    assert shown.findtext("ingress-qos/priority") == "4"
    assert shown.findtext("egress-qos/pcp") == "from-priority"
