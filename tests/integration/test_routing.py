"""Static routes of every kind in the kernel, the packets they move, and the routing tables as they are."""

import contextlib
import select
import socket
import struct

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import differences, inside

RT = config.namespaces()["ietf-routing"]
UNICAST = {family: config.namespaces()[f"ietf-ipv{family}-unicast-routing"] for family in (4, 6)}
OURS = "66"  # rtm_protocol
FAR = {3: {4: "198.51.100.9", 6: "2001:db8:3::9"}, 4: {4: "198.51.101.9", 6: "2001:db8:4::9"}}
PREFIX = {4: "203.0.113.0/24", 6: "2001:db8:99::/48"}
WITHIN = {4: "203.0.113.7", 6: "2001:db8:99::7"}
FAMILIES = pytest.mark.parametrize("family", [4, 6])
KERNEL = pytest.mark.kernel


def route(family, next_hop, destination=None, **members):
    """A static route; NEXT_HOP is what its container holds."""
    named = {key.replace("__", ":").replace("_", "-"): value for key, value in members.items()}
    return {"ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [{
        "type": "infix-routing:static", "name": "default", "static-routes": {
            f"ietf-ipv{family}-unicast-routing:ipv{family}": {"route": [{
                "destination-prefix": destination or PREFIX[family], "next-hop": next_hop,
                **named}]}}}]}}}


def several(*hops):
    """A list of next hops: each is an address, or (address or None, interface or None, weight)."""
    entries = []
    for index, hop in enumerate(hops, 1):
        address, link, weight = (hop, None, 1) if isinstance(hop, str) else hop
        entries.append({"index": str(index), **({"next-hop-address": address} if address else {}),
                        **({"outgoing-interface": link} if link else {}), "weight": weight})
    return {"@operation": "replace", "ashlar-routing:next-hop-list": {"next-hop": entries}}


def special(kind):
    return {"@operation": "replace", "special-next-hop": kind}


def simple(**members):
    return {"@operation": "replace",
            **{key.replace("_", "-"): value for key, value in members.items()}}


NO_ROUTES = {"ietf-routing:routing": {"@operation": "delete"}}


def kernel(net, family, destination=None):
    """What the kernel has for the destination, all preferences."""
    return net.ip_json(f"-{family} route show table all {destination or PREFIX[family]}")


def hops(net, family):
    """{(gateway, interface, weight)} of the one route there is to PREFIX, whether one or several."""
    (found,) = kernel(net, family)
    return {(hop.get("gateway"), hop["dev"], hop.get("weight", 1))
            for hop in found.get("nexthops", [found])}


def rib(nc, family, destination=None):
    """The RIB's routes, or those to DESTINATION, as elements."""
    inner = (f'<routes><route><destination-prefix xmlns="{UNICAST[family]}">{destination}'
             "</destination-prefix></route></routes>")
    return list(nc.get(f'<routing xmlns="{RT}"><ribs><rib><name>ipv{family}</name>'
                       f"{inner if destination else ''}</rib></ribs></routing>").iter("route"))


def leaf(element, path):
    """Text of a leaf, an identity without its prefix."""
    return (element.findtext(path) or "").rpartition(":")[2] if path == "source-protocol" \
        else element.findtext(path)


@pytest.fixture
def router(nc, net):
    """p3 and p4 out of the bridge, with addresses and forwarding; who is behind them routes to us."""
    def port(number, address4, address6):
        return {"name": f"p{number}", "infix-interfaces:bridge-port": {"@operation": "remove"},
                **config.ipv4(address4, forwarding=True), **config.ipv6(address6, forwarding=True)}

    nc.edit(config.interfaces(port(3, "198.51.100.1/24", "2001:db8:3::1/64"),
                              port(4, "198.51.101.1/24", "2001:db8:4::1/64")))
    for number, far in ((3, net.far[3]), (4, net.far[4])):
        far.ip(f"address add {FAR[number][4]}/24 dev eth0")
        far.ip(f"address add {FAR[number][6]}/64 dev eth0 nodad")
        for family, own in ((4, f"198.51.{97 + number}.1"), (6, f"2001:db8:{number}::1")):
            far.ip(f"-{family} route add default via {own}")
            far.ip(f"-{family} route add local {PREFIX[family]} dev lo")
    net.wait_up("p3", "p4")
    return net


# --- next hops ----------------------------------------------------------------------------------


@KERNEL
@FAMILIES
def test_next_hop_kinds(nc, router, family):
    """Each form of a next hop turns into each other one in place, and is shown."""
    net, link_local = router, "fe80::9"
    before = net.dump()["routes"]
    three, four = FAR[3][family], FAR[4][family]
    forms = [
        (simple(next_hop_address=three), {(three, "p3", 1)}),
        (simple(outgoing_interface="p4"), {(None, "p4", 1)}),
        (several((three, None, 3), four), {(three, "p3", 3), (four, "p4", 1)}),
        (several((three, None, 3), (four, None, 2)), {(three, "p3", 3), (four, "p4", 2)}),
        (several(four), {(four, "p4", 1)}),
        (several(four, three), {(three, "p3", 1), (four, "p4", 1)}),
        (simple(next_hop_address=four, outgoing_interface="p4"), {(four, "p4", 1)})]
    if family == 6:
        forms.append((several((link_local, "p3", 1), (link_local, "p4", 1)),
                      {(link_local, "p3", 1), (link_local, "p4", 1)}))
    else:
        forms.append((several((None, "p3", 1), (four, None, 4)), {(None, "p3", 1), (four, "p4", 4)}))
    for form, expected in forms:
        nc.edit(route(family, form))
        assert hops(net, family) == expected
        assert kernel(net, family)[0]["protocol"] == OURS
        (shown,) = rib(nc, family, PREFIX[family])
        listed = list(shown.iter("{*}next-hop"))[1:] or [shown.find("next-hop")]
        assert {(hop.findtext("address") or hop.findtext("next-hop-address"),
                 hop.findtext("outgoing-interface"), int(hop.findtext("weight") or 1))
                for hop in listed} == expected
        assert all(hop.find("installed") is not None for hop in listed[1:])
        assert leaf(shown, "source-protocol") == "static" and shown.find("active") is not None
        assert shown.findtext("last-updated") and shown.findtext("route-preference") == "1"
    nc.edit(NO_ROUTES)
    assert differences(before, net.dump()["routes"]) == []


@KERNEL
@FAMILIES
def test_special_next_hops(nc, router, family):
    """They are what they say to who sends packets there."""
    net, far = router, router.far[3]
    before = net.dump()["routes"]
    far.ip(f"-{family} route del local {PREFIX[family]} dev lo")  # else it keeps them
    answers = {4: {"unreachable": (3, 1), "prohibit": (3, 13)},
               6: {"unreachable": (1, 0), "prohibit": (1, 1)}}[family]
    for kind in ("unreachable", "prohibit", "blackhole", "receive"):
        nc.edit(route(family, special(kind)))
        assert kernel(net, family)[0]["type"] == {"receive": "local"}.get(kind, kind)
        (shown,) = rib(nc, family, PREFIX[family])
        assert shown.findtext("next-hop/special-next-hop") == kind
        if kind == "receive":
            assert far.pings(WITHIN[family])
        else:
            assert ask(far, WITHIN[family], family) == answers.get(kind)
    nc.edit(NO_ROUTES)
    assert differences(before, net.dump()["routes"]) == []


def ask(namespace, address, family):
    """Type and code of the ICMP error that a packet to ADDRESS brings, None if nothing comes."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with inside(namespace.name):
        sender = socket.socket(kind, socket.SOCK_DGRAM)
    level, option = (socket.IPPROTO_IP, 11) if family == 4 else (socket.IPPROTO_IPV6, 25)
    with sender:
        sender.setsockopt(level, option, 1)  # IP_RECVERR, IPV6_RECVERR
        sender.sendto(b"x", (address, 9))
        poll = select.poll()
        poll.register(sender, 0)
        if not poll.poll(1000):
            return None
        _, control, _, _ = sender.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        return struct.unpack_from("=IBBB", control[0][2])[2:]


@KERNEL
@FAMILIES
def test_shared_by_weight(nc, router, family):
    """Flows go both ways, more of them where the weight is."""
    net = router
    nc.edit(route(family, several((FAR[3][family], None, 1), (FAR[4][family], None, 15))))
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    receivers = {}
    for number in (3, 4):
        with inside(net.far[number].name):
            receivers[number] = socket.socket(kind, socket.SOCK_DGRAM)
        receivers[number].bind(("" if family == 4 else "::", 9000))
        receivers[number].setblocking(False)
    for number in (3, 4):  # so that nobody has to be asked for first
        assert net.pings(FAR[number][family])
    with inside(net.name):
        sender = socket.socket(kind, socket.SOCK_DGRAM)
    base = PREFIX[family].split("/")[0].rstrip("0:.") + ("." if family == 4 else "::")
    missing, got = set(range(1, 251)), {3: set(), 4: set()}
    with sender:
        for _ in range(20):
            for number in missing:
                host = number if family == 4 else format(number, "x")
                sender.sendto(bytes([number]), (f"{base}{host}", 9000))
            while missing and select.select(receivers.values(), [], [], 1)[0]:
                for number, receiver in receivers.items():
                    with contextlib.suppress(BlockingIOError):
                        while data := receiver.recv(16):
                            got[number].add(data[0])
                missing -= got[3] | got[4]
    assert not missing
    for receiver in receivers.values():
        receiver.close()
    assert 0 < len(got[3]) < len(got[4])


# --- without a moment without -------------------------------------------------------------------


class Events:
    """Route messages of a namespace from here on: (True for new or False for gone, metric)."""

    def __init__(self, namespace, family):
        with inside(namespace.name):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.socket.bind((0, 0))
        self.socket.setsockopt(270, 1, {4: 7, 6: 11}[family])
        self.length = int(PREFIX[family].split("/")[1])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def take(self):
        """Those of routes as long as PREFIX."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := self.socket.recv(65536, socket.MSG_DONTWAIT):
                size, kind = struct.unpack_from("=IH", data)
                length, protocol = data[17], data[21]
                if length != self.length or protocol != int(OURS):
                    continue
                metric, at = 0, 28
                while at + 4 <= size:
                    part, name = struct.unpack_from("=HH", data, at)
                    if name == 6:
                        metric, = struct.unpack_from("=I", data, at + 4)
                    at += max(4, (part + 3) & ~3)
                found.append((kind == 24, metric))
        return found


@KERNEL
@FAMILIES
def test_no_moment_without(nc, router, family):
    """A next hop is replaced in place; a preference by a route that is there before the other goes."""
    three, four = FAR[3][family], FAR[4][family]
    nc.edit(route(family, simple(next_hop_address=three)))
    with Events(router, family) as events:
        for form in (simple(next_hop_address=four), several(three, four), special("blackhole"),
                     several(four, three), several((three, None, 2), four),
                     simple(outgoing_interface="p3"), several(three, four),
                     simple(next_hop_address=three)):
            nc.edit(route(family, form))
            said = events.take()
            assert said and all(is_new for is_new, _ in said), form
        for preference in (7, 5, 200):
            nc.edit(route(family, simple(next_hop_address=four), infix_routing__route_preference=
                          preference))
            said = events.take()
            assert [is_new for is_new, _ in said] == [True, False]
            assert said[0][1] == preference
            four, three = three, four


@FAMILIES
def test_never_installed(nc, router, family):
    """A preference of 255 means not at all."""
    nc.edit(route(family, simple(next_hop_address=FAR[3][family])))
    nc.edit(route(family, simple(next_hop_address=FAR[3][family]),
                  infix_routing__route_preference=255))
    assert kernel(router, family) == [] == rib(nc, family, PREFIX[family])


# --- links and addresses that come and go ---------------------------------------------------------


def enabled(nc, name, value):
    nc.edit(config.interfaces({"name": name, "enabled": value}))


@KERNEL
@FAMILIES
def test_link_goes_and_comes(nc, router, family):
    """What has another way takes it; what has none waits, and both are back with the link."""
    net, other = router, {4: "203.0.112.0/24", 6: "2001:db8:98::/48"}[family]
    three, four = FAR[3][family], FAR[4][family]
    nc.edit(route(family, several(three, four)))
    nc.edit(route(family, simple(next_hop_address=three), other))
    before = net.dump()["routes"]
    enabled(nc, "p3", False)

    def used():
        (shown,) = rib(nc, family, PREFIX[family])
        return {hop.findtext("address") for hop in shown.iter("{*}next-hop")
                if hop.find("installed") is not None} or \
            {shown.findtext("next-hop/next-hop-address")}

    assert used() == {four}
    assert rib(nc, family, other) == []
    # a change meanwhile: the route is made with the one that can be used
    nc.edit(route(family, special("blackhole")))
    nc.edit(route(family, several(three, four)))
    assert hops(net, family) == {(four, "p4", 1)}
    enabled(nc, "p3", True)
    net.wait_up("p3")
    assert used() == {three, four}
    assert differences(before, net.dump()["routes"]) == []
    enabled(nc, "p3", False)
    enabled(nc, "p4", False)
    assert kernel(net, family) == []
    nc.edit(config.interfaces({"name": "p3", "enabled": True}, {"name": "p4", "enabled": True}))
    net.wait_up("p3", "p4")
    assert hops(net, family) == {(three, "p3", 1), (four, "p4", 1)}
    assert differences(before, net.dump()["routes"]) == []


@KERNEL
@FAMILIES
def test_link_is_made_again(nc, router, family):
    """The kernel drops all of a route with the link of one of its next hops."""
    net, gateway = router, {4: "198.18.0.9", 6: "2001:db8:18::9"}[family]
    nc.edit(config.interfaces(
        config.veth("va", "vb", **config.ipv4("198.18.0.1/24"), **config.ipv6("2001:db8:18::1/64")),
        config.veth("vb", "va")))
    net.wait_up("va", "vb")
    nc.edit(route(family, several(gateway, FAR[3][family])))
    expected = {(gateway, "va", 1), (FAR[3][family], "p3", 1)}
    assert hops(net, family) == expected
    net.ip("link del va")
    net.wait(lambda: kernel(net, family) and hops(net, family) == expected, "the route as it was")


@KERNEL
def test_last_address_takes_routes_along(nc, router):
    """IPv4 routes through a link vanish in silence with its last address."""
    net = router
    nc.edit(route(4, simple(outgoing_interface="p3")))
    net.ip("address del 198.51.100.1/24 dev p3")
    net.wait(lambda: kernel(net, 4) and net.addresses("p3")[0] == "198.51.100.1/24",
             "address and route")
    nc.edit(config.interfaces({"name": "p3", "ietf-ip:ipv4": {"address": [
        {"ip": "198.51.100.1", "@operation": "delete"},
        {"ip": "198.51.100.2", "prefix-length": 24}]}}))
    net.wait(lambda: kernel(net, 4), "the route")
    assert hops(net, 4) == {(None, "p3", 1)}


# --- refusals, restarts, others -------------------------------------------------------------------


@FAMILIES
def test_refused_without_trace(nc, router, family):
    """One next hop that cannot be reached: nothing of the edit is done."""
    net = router
    nowhere = {4: "192.0.3.1", 6: "2001:db8:77::1"}[family]
    nc.edit(route(family, several(FAR[3][family], FAR[4][family])))
    before = net.dump()["routes"]
    # of IPv6 the kernel has put the first in place when it refuses the second
    with pytest.raises(RpcError) as refusal:
        nc.edit(route(family, several((FAR[4][family], None, 9), nowhere)))
    assert "next-hop" in refusal.value.path
    assert differences(before, net.dump()["routes"]) == []
    other = {4: "203.0.112.0/24", 6: "2001:db8:98::/48"}[family]
    with pytest.raises(RpcError):
        nc.edit(config_of(route(family, several(FAR[4][family], FAR[3][family])),
                          route(family, several(FAR[4][family], nowhere), other)))
    assert differences(before, net.dump()["routes"]) == []


def config_of(*routes):
    """One edit of several routes of one family."""
    first, *others = routes

    def entries(data):
        protocol = data["ietf-routing:routing"]["control-plane-protocols"]
        (family,) = protocol["control-plane-protocol"][0]["static-routes"].values()
        return family["route"]

    for other in others:
        entries(first).extend(entries(other))
    return first


@pytest.mark.parametrize("which, text", [
    (4, "are the same"), (6, "needs an address"), (0, "has an address, an outgoing interface")])
def test_refused_lists(nc, router, which, text):
    edits = {4: (4, several("198.51.100.9", ("198.51.100.9", None, 7))),
             6: (6, several(FAR[3][6], (None, "p4", 1))), 0: (4, several((None, None, 1)))}
    with pytest.raises(RpcError, match=text):
        nc.edit(route(*edits[which]))


def test_restart_sends_nothing(daemon, router):
    net = router
    with daemon.local() as session:
        for family in (4, 6):
            session.edit(route(family, several((FAR[3][family], None, 5), FAR[4][family])))
            for number, kind in enumerate(("blackhole", "unreachable", "prohibit", "receive")):
                session.edit(route(family, special(kind), {
                    4: f"203.0.{number}.0/24", 6: f"2001:db8:9{number}::/48"}[family]))
    net.ip("route add 203.0.112.0/24 via 198.51.100.77")
    before = net.dump()["routes"]
    daemon.kill()
    daemon.start()
    assert daemon.start_changes() == 0
    assert differences(before, net.dump()["routes"]) == []


@KERNEL
@FAMILIES
def test_others_in_our_place(nc, router, family):
    """Who replaces, deletes or adds to a route of ours is put right."""
    net, three, four = router, FAR[3][family], FAR[4][family]
    nc.edit(route(family, several(three, four)))
    expected = {(three, "p3", 1), (four, "p4", 1)}
    before = net.dump()["routes"]
    commands = [f"route del {PREFIX[family]} metric 1"]
    if family == 6:  # each next hop can come and go alone, and there is room for one route
        commands += [f"route replace {PREFIX[family]} via {three} metric 1",
                     f"route del {PREFIX[family]} via {three} metric 1",
                     f"route append {PREFIX[family]} via {three[:-1]}77 metric 1"]
    for command in commands:
        net.ip(f"-{family} {command}")
        net.wait(lambda: kernel(net, family) and hops(net, family) == expected and
                 kernel(net, family)[0]["protocol"] == OURS, command)
        assert differences(before, net.dump()["routes"]) == []


def whose(net, family=4):
    """(protocol, gateways) of each route to PREFIX, in the order in which they count."""
    return [(found["protocol"], *(hop.get("gateway") for hop in found.get("nexthops", [found])))
            for found in kernel(net, family)]


def there(net, routes):
    """The kernel has come to exactly those, as whose() tells them."""
    net.wait(lambda: whose(net) == routes, f"{routes}, not {whose(net)}")


@KERNEL
@pytest.mark.parametrize("way", ["prepend", "append", "before"])
def test_beside_theirs(nc, daemon, router, way):
    """An IPv4 route of others with the same prefix and metric stays, whatever becomes of ours."""
    net, three, four = router, FAR[3][4], FAR[4][4]
    theirs = ("77", "198.51.100.79")
    line = f"{PREFIX[4]} via {theirs[1]} metric 1 proto 77"
    if way == "before":
        net.ip(f"route add {line}")
        nc.edit(route(4, simple(next_hop_address=three)))
    else:
        nc.edit(route(4, simple(next_hop_address=three)))
        net.ip(f"route {way} {line}")
    ours = (OURS, three)
    there(net, [theirs, ours] if way == "prepend" else [ours, theirs])
    for form, *gateways in ((simple(next_hop_address=four), four),
                            (several(four, three), four, three),
                            (simple(next_hop_address=four), four),
                            (special("blackhole"), None),
                            (simple(next_hop_address=three), three)):
        nc.edit(route(4, form))
        there(net, [(OURS, *gateways), theirs])
    # what comes later in the same edit is refused
    with pytest.raises(RpcError):
        nc.edit(config_of(route(4, simple(next_hop_address=four)),
                          route(4, simple(next_hop_address="192.0.3.1"), "203.0.112.0/24",
                                infix_routing__route_preference=9)))
    there(net, [ours, theirs])
    net.ip(f"route del {PREFIX[4]} proto {OURS}")
    there(net, [ours, theirs])
    daemon.restart()
    assert daemon.start_changes() == 0
    with daemon.local() as session:
        session.edit(route(4, simple(next_hop_address=four)))
        there(net, [(OURS, four), theirs])
        session.edit(NO_ROUTES)
    there(net, [theirs])


@KERNEL
def test_ours_was_replaced(nc, router):
    """Who replaces an IPv4 route of ours has one of his own from then on, and ours is there again."""
    net, three, four = router, FAR[3][4], FAR[4][4]
    theirs = ("77", "198.51.100.79")
    nc.edit(route(4, several(three, four)))
    net.ip(f"route replace {PREFIX[4]} via {theirs[1]} metric 1 proto 77")
    there(net, [(OURS, three, four), theirs])
    net.ip(f"route prepend {PREFIX[4]} via 198.51.100.80 metric 1 proto 78")
    there(net, [("78", "198.51.100.80"), (OURS, three, four), theirs])
    net.ip(f"route replace {PREFIX[4]} via 198.51.100.81 metric 1 proto 78")
    there(net, [("78", "198.51.100.81"), (OURS, three, four), theirs])
    nc.edit(NO_ROUTES)
    there(net, [("78", "198.51.100.81"), theirs])


@KERNEL
def test_no_room_beside_theirs(nc, router):
    """An IPv6 route of others with the same prefix and metric would be merged with ours: refused."""
    net, three, four = router, FAR[3][6], FAR[4][6]
    net.ip(f"-6 route add {PREFIX[6]} metric 1 proto 77 nexthop via {three} weight 2 "
           f"nexthop via {four} weight 5")
    net.ip(f"-6 route add {PREFIX[6]} metric 2 via {three}")
    before = net.dump()["routes"]
    for refused in (route(6, simple(next_hop_address=four)), route(6, special("blackhole"))):
        with pytest.raises(RpcError, match="made by others"):
            nc.edit(refused)
        assert differences(before, net.dump()["routes"]) == []
    nc.edit(route(6, simple(next_hop_address=four), infix_routing__route_preference=3))
    assert [found["metric"] for found in kernel(net, 6)] == [1, 2, 3]
    nc.edit(NO_ROUTES)
    assert differences(before, net.dump()["routes"]) == []


def test_whose_routes(nc, router):
    """Where a route comes from, by the number it bears."""
    net = router
    numbers = {"2": "direct", "4": "static", "66": "static", "188": "ospfv2", "189": "ripv2",
               "186": "kernel", "196": "static", "3": "kernel"}
    for number in numbers:
        net.ip(f"route add 100.64.{number}.0/24 via {FAR[3][4]} proto {number}")
    shown = {leaf(entry, "destination-prefix"): leaf(entry, "source-protocol")
             for entry in rib(nc, 4)}
    assert {number: shown[f"100.64.{number}.0/24"] for number in numbers} == numbers
    assert shown["198.51.100.0/24"] == "direct"
