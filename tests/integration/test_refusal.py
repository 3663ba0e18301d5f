"""What the kernel refuses leaves no trace in a transaction, and does not stop a boot."""

import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import differences

pytestmark = pytest.mark.kernel

INTERFACE = "/if:interfaces/if:interface[if:name='{}']"
ROUTE = ("/rt:routing/rt:control-plane-protocols/rt:control-plane-protocol"
         "[rt:type='infix-rt:static'][rt:name='default']/rt:static-routes")


# what all the refused edits want besides, so that there is something to take back
BESIDES = [
    {"name": "p1", "description": "changed too"},
    {"name": "br0", **config.ipv4("192.0.2.77/24")},
    config.veth("vx", "vy"),
    config.veth("vy", "vx", description="new"),
]


class Case:
    """EDIT is refused, as COMMAND is, after COMMANDS have been given to ip."""

    def __init__(self, name, edit, path, command, commands=()):
        self.name, self.edit, self.path, self.command = name, edit, path, command
        self.commands = commands

    def words(self, net):
        """What the kernel says."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{net.name}", "--", *self.command.split()],
            capture_output=True, text=True)
        assert done.returncode != 0
        return done.stderr.splitlines()[0].rpartition(": ")[2].rstrip(".")


CASES = [
    Case("ipv6-address-on-small-mtu",
         {"name": "p3", **config.ipv6("2001:db8::3/64")},
         INTERFACE.format("p3") + "/ip:ipv6",
         # there is no knob that turns IPv6 on then
         "cat /proc/sys/net/ipv6/conf/p3/disable_ipv6",
         commands=["link set p3 mtu 1200"]),
    Case("port-with-macvlan",
         config.port("p4", "br0"),
         INTERFACE.format("p4") + "/infix-if:bridge-port/infix-if:bridge",
         "ip link set p4 master br0",
         commands=["link add link p4 name mv0 type macvlan"]),
    Case("next-hop-unreachable",
         config.routes(("198.51.100.0/24", "203.0.113.1")),
         ROUTE,
         "ip route add 198.51.100.0/24 via 203.0.113.1"),
    Case("next-hop-unreachable-ipv6",
         config.routes(("2001:db8:1::/48", "2001:db8:2::1")),
         ROUTE,
         "ip -6 route add 2001:db8:1::/48 via 2001:db8:2::1"),
]


def whole(case):
    """The edit of the case with all that goes with it."""
    if "name" in case.edit:
        return config.interfaces(*BESIDES, case.edit)
    return {**config.interfaces(*BESIDES), **case.edit}


def text(session):
    data = session.get_config()
    return sorted((node.tag, node.text or "") for node in data.iter())


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request, net, make_daemon):
    """A device with p1 and p2 in a bridge on which the case has been prepared."""
    case = request.param
    startup = config.switch(["p1", "p2"])
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface("p3", "ethernet"), config.interface("p4", "ethernet")]
    for command in case.commands:
        net.ip(command)
    case.net = net
    case.daemon = make_daemon(net, startup).start()
    net.wait_up("br0", *net.ports)
    return case


@pytest.mark.covers("rollback", of="ethernet")
def test_netconf(case):
    with case.daemon.local() as session:
        words = case.words(case.net)
        before, configured = case.net.dump(), text(session)
        with pytest.raises(RpcError) as refused:
            session.edit(whole(case))
        assert refused.value.path.startswith(case.path)
        assert words.lower() in refused.value.message.lower()
        assert differences(before, case.net.dump()) == []
        assert text(session) == configured
        # the way is open again
        session.edit(config.interfaces(*BESIDES))
        assert case.net.link("p1")["ifalias"] == "changed too"


def test_restconf(case):
    words = case.words(case.net)
    with case.daemon.restconf() as client:
        before, configured = case.net.dump(), client.get("data?content=config").json
        response = client.patch("data", {"ietf-restconf:data": whole(case)})
        assert response.status in (400, 409, 412, 500, 501)
        assert words.lower() in response.error["error-message"].lower()
        assert response.error["error-path"].startswith(
            "/ietf-interfaces:interfaces" if "name" in case.edit else "/ietf-routing:routing")
        assert differences(before, case.net.dump()) == []
        assert client.get("data?content=config").json == configured


def test_a_bridge_that_was_to_be_a_pair(daemon, net, nc):
    """Its ports come back to a bridge, whatever its name was to stand for, with what they let through."""
    nc.edit(config.interfaces(config.port("p1", "br0", flood={"unicast": False})))
    net.wait_up("br0", *net.ports)
    before, was = net.dump(), nc.get_config().find("interfaces")
    with pytest.raises(RpcError) as refused:
        nc.edit({"ietf-interfaces:interfaces": {
            "@operation": "replace", "interface": [
                config.interface(name, "ethernet") for name in net.ports] + [
                config.veth("br0", "vy"), config.veth("vy", "br0")]},
            **config.routes(("198.51.100.0/24", "203.0.113.1"))})
    assert refused.value.path.startswith(ROUTE)
    net.wait_up("br0", *net.ports)
    assert differences(before, net.dump()) == []
    assert sorted(was.itertext()) == sorted(nc.get_config().find("interfaces").itertext())


@pytest.mark.host
@pytest.mark.parametrize("entry, path, words", [
    (config.vlan_bridge("br0", config.vlan(20, ["p1"])),
     "/if:interfaces/if:interface[if:name='br0']/infix-if:bridge/infix-if:vlans",
     "cannot keep VLANs apart"),
    (config.interface("p3.20", "vlan", infix_interfaces__vlan={"id": 20, "lower-layer-if": "p3"}),
     "/if:interfaces/if:interface[if:name='p3.20']/if:type", "no VLAN interfaces"),
], ids=["vlan-filtering", "802.1q"])
def test_what_the_kernel_lacks(net, make_daemon, entry, path, words):
    startup = config.switch(["p1", "p2"])
    startup["ietf-interfaces:interfaces"]["interface"].append(config.interface("p3", "ethernet"))
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", "p1", "p2", "p3")
    before = net.dump()
    with daemon.local() as session:
        with pytest.raises(RpcError, match=words) as refused:
            others = [other for other in BESIDES if other["name"] != entry["name"]]
            session.edit(config.interfaces(*others, entry))
    assert refused.value.tag == "operation-not-supported"
    assert refused.value.path == path
    assert differences(before, net.dump()) == []


# --- in a startup file ----------------------------------------------------------------------------


def with_routes(startup, *routes):
    return {**startup, **config.routes(*routes)}


def not_applied(session):
    """[(path, object, reason)] of what ashlar-status lists."""
    entries = session.get('<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>')
    return [tuple(entry.findtext(name) for name in ("path", "object", "reason"))
            for entry in entries.iter("not-applied")]


def destinations(net):
    return {route["dst"] for route in net.ip_json("-4 route show")}


def test_boot_goes_on_without_an_unreachable_route(net, make_daemon):
    startup = with_routes(config.switch(net.ports), ("198.51.100.0/24", "203.0.113.1"),
                          ("203.0.114.0/24", "192.0.2.200"))
    daemon = make_daemon(net, startup).start()
    net.wait(lambda: "203.0.114.0/24" in destinations(net), "the other route")
    assert net.addresses("br0") == ["192.0.2.1/24"]
    with daemon.local() as session:
        ((path, _, reason),) = not_applied(session)
        assert "198.51.100.0/24" in path
        assert "Nexthop has invalid gateway" in reason
        # the next hop becomes reachable by configuration
        session.edit(config.interfaces({"name": "br0", **config.ipv4("203.0.113.7/24")}))
        net.wait(lambda: "198.51.100.0/24" in destinations(net), "the route")
        assert not_applied(session) == []


def test_route_waits_for_its_link(net, make_daemon):
    startup = config.switch(["p1", "p2"])
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p3", "ethernet", enabled=False, **config.ipv4("203.0.113.7/24")))
    daemon = make_daemon(net, with_routes(startup, ("198.51.100.0/24", "203.0.113.1"))).start()
    assert net.addresses("br0") == ["192.0.2.1/24"]
    with daemon.local() as session:
        assert "198.51.100.0/24" not in destinations(net)
        ((path, _, reason),) = not_applied(session)
        assert "198.51.100.0/24" in path
        assert "p3" in reason
        session.edit(config.interfaces({"name": "p3", "enabled": True}))
        net.wait(lambda: "198.51.100.0/24" in destinations(net), "the route")
        assert not_applied(session) == []


def test_small_mtu_and_ipv6_exclude_each_other(net, daemon, nc):
    nc.edit(config.interfaces({"name": "br0", **config.ipv6("2001:db8::1/64")}))
    net.wait_up("br0", *net.ports)
    before = net.dump()
    with pytest.raises(RpcError, match="1280, not 1200") as refused:
        nc.edit(config.interfaces({"name": "br0", "ietf-ip:ipv4": {"mtu": 1200}}))
    assert refused.value.path == INTERFACE.format("br0") + "/ip:ipv4/ip:mtu"
    assert differences(before, net.dump()) == []


def with_mtu(name, mtu):
    return {"name": name, "ietf-ip:ipv4": {"mtu": mtu}}


def test_lower_link_keeps_the_mtu_that_its_vlan_needs(net, make_daemon):
    daemon = make_daemon(net, config.switch(net.ports), options=["--no-kernel"]).start()
    stack = [{"name": name, "type": "infix-if-type:vlan",
              "infix-interfaces:vlan": {"id": number, "lower-layer-if": lower}}
             for number, name, lower in ((10, "outer", "p3"), (20, "inner", "outer"))]
    with daemon.local() as nc:
        nc.edit(config.interfaces(*stack, with_mtu("p3", 1500), with_mtu("inner", 1400)))
        nc.edit(config.interfaces(with_mtu("p3", 1400)))
        configured = text(nc)
        for refused in [with_mtu("p3", 1399)], [with_mtu("outer", 1399)], [with_mtu("inner", 1401)]:
            with pytest.raises(RpcError) as error:
                nc.edit(config.interfaces(*refused))
            assert error.value.path == INTERFACE.format("inner") + "/ip:ipv4/ip:mtu"
            assert text(nc) == configured
        nc.edit(config.interfaces(with_mtu("p3", 1300), with_mtu("inner", 1300)))


@pytest.mark.guest
@pytest.mark.parametrize("enabled", [True, False])
def test_default_mtu_is_less_than_the_vlan_needs(net, make_daemon, enabled):
    """What no configuration tells the kernel refuses: then nothing has changed."""
    daemon = make_daemon(net, config.switch(net.ports[:2])).start()
    with daemon.local() as nc:
        nc.edit(config.interfaces({**with_mtu("p3", 2000), "type": "infix-if-type:ethernet"},
                                  {**with_mtu("p3.10", 1800), "enabled": enabled}))
        net.wait_up("br0", "p1", "p2", "p3", *(["p3.10"] if enabled else []))
        before = net.dump()
        with pytest.raises(RpcError) as refused:
            nc.edit(config.interfaces({"name": "p3", "ietf-ip:ipv4": {"@operation": "delete"}}))
        assert refused.value.path == INTERFACE.format("p3.10") + "/ip:ipv4/ip:mtu"
        assert differences(before, net.dump()) == []
        assert nc.interface("p3.10").findtext("ipv4/mtu") == "1800"


def test_route_waits_for_a_link_that_is_not_there(make_net, make_daemon):
    net = make_net(ports=2)
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p3", "ethernet", **config.ipv4("203.0.113.7/24")))
    daemon = make_daemon(net, with_routes(startup, ("198.51.100.0/24", "203.0.113.1"))).start()
    with daemon.local() as session:
        assert any("198.51.100.0/24" in path for path, _, _ in not_applied(session))
        net.plug(3)
        net.wait(lambda: "198.51.100.0/24" in destinations(net), "the route")
        assert net.addresses("p3") == ["203.0.113.7/24"]
        assert not_applied(session) == []


def test_route_comes_back_with_its_link(net, make_daemon):
    """The kernel drops a route when its link goes down and does not bring it back."""
    startup = config.switch(["p1", "p2"])
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p3", "ethernet", **config.ipv4("203.0.113.7/24")))
    make_daemon(net, with_routes(startup, ("198.51.100.0/24", "203.0.113.1"))).start()
    net.wait(lambda: "198.51.100.0/24" in destinations(net), "the route")
    net.ip("link set p3 down")
    net.wait(lambda: "198.51.100.0/24" in destinations(net), "p3 and the route again")
