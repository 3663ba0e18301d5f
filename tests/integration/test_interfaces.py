"""What holds for interfaces of any kind: loopback, ends in containers, what is told of them."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import differences, run
from ashlar.push import TARGET, edits, made_again, on_change, one, plain, update

pytestmark = pytest.mark.kernel

# a route whose next hop cannot be reached: refused by the kernel, after all links were made
REFUSED = config.routes(("198.18.0.0/24", "203.0.113.1"))


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


def not_applied(nc):
    status = nc.get(f'<status xmlns="{config.namespaces()["ashlar-status"]}"/>')
    return {node.findtext("path"): node.findtext("reason") for node in status.iter("not-applied")}


# --- names ----------------------------------------------------------------------------------------

# completed by the kernel, or not taken, or those of something else
NO_NAMES = ["br%d", "%", ".", "..", "a/b", "a:b", "a b", "a\tb", "all", "default", "\u00e5" * 8,
            "\u00e0"]  # of which a part is a blank to the kernel


def links(net):
    return {link["ifname"]: link["ifindex"] for link in net.ip_json("link show")}


def test_no_names_of_links(net, make_daemon):
    """The kernel is not asked whether it would take them, neither in an edit nor at boot."""
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "bridge") for name in NO_NAMES]
    before = links(net)
    with make_daemon(net, startup).start().local() as nc:
        assert links(net).keys() == before.keys() | {"br0"}
        listed = not_applied(nc)
        assert len(listed) == len(NO_NAMES)
        for name in NO_NAMES:
            assert f"/ietf-interfaces:interfaces/interface[name='{name}']/name" in listed
        before = links(net)
        for name in NO_NAMES:
            edit(nc, {"name": name, "@operation": "delete"})
            with pytest.raises(RpcError) as caught:
                edit(nc, config.interface(name, "bridge"))
            assert caught.value.path.endswith(":name")
            assert f'"{name}"' in caught.value.message
            assert links(net) == before


# --- loopback -------------------------------------------------------------------------------------


@pytest.mark.covers("configure", "read", of="loopback")
def test_loopback(daemon, net):
    before = net.dump()
    with daemon.local() as nc:
        edit(nc, {"name": "lo", "description": "this device", **config.ipv4("198.51.100.1/32"),
                  **config.ipv6("2001:db8::1/128")})
        shown = nc.interface("lo")
        assert shown.findtext("oper-status") == "up"
        assert shown.find("phys-address") is None
        assert shown.findtext("ipv4/mtu") is None  # 65536 is more than the model can say
        assert {node.findtext("ip"): node.findtext("origin")
                for node in shown.iterfind("ipv4/address")} == {
            "127.0.0.1": "static", "198.51.100.1": "static"}
        assert net.link("lo")["ifalias"] == "this device"
        assert net.pings("198.51.100.1") and net.pings("2001:db8::1")
        edit(nc, {"name": "lo", "enabled": False})
        assert "UP" not in net.link("lo")["flags"]
        assert nc.interface("lo").findtext("oper-status") == "down"
        edit(nc, {"name": "lo", "enabled": True})
        assert net.pings("198.51.100.1")
        with pytest.raises(RpcError):
            edit(nc, {"name": "lo", "type": "infix-if-type:dummy"})
        with pytest.raises(RpcError):
            edit(nc, config.interface("other", "loopback"))
        edit(nc, {"name": "lo", "@operation": "replace", "type": "infix-if-type:loopback",
                  **config.ipv4("127.0.0.1/8"), **config.ipv6("::1/128")})
    # ::1 is the kernel's own again, with one more route, once the loopback has been down
    assert net.addresses("lo") == ["127.0.0.1/8", "::1/128"]
    assert differences(before["links"], net.dump()["links"]) == []


@pytest.mark.covers("notify", "rollback", of="loopback")
def test_loopback_of_others(daemon, nc, net):
    before = net.dump()
    with daemon.local() as session:
        number = on_change(session, one("lo"), "operational")
        update(session, number)
        net.ip("address add 127.0.0.9/8 dev lo")
        assert [(operation, target) for operation, target, _ in edits(session, number)] == [
            ("create", TARGET + "lo/ietf-ip:ipv4/address=127.0.0.9")]
        net.ip("address del 127.0.0.9/8 dev lo")
        with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
            nc.edit({**config.interfaces({"name": "lo", "description": "never",
                                          **config.ipv4("198.51.100.1/32")}), **REFUSED})
        assert differences(before, net.dump()) == []


# --- ends in the network namespaces of containers --------------------------------------------------


def given(members=None):
    """A container that never starts, and a pair whose one end is for it."""
    return {
        **config.interfaces(
            config.veth("veth0a", "veth0b", infix_interfaces__bridge_port={"bridge": "br0"}),
            config.veth("veth0b", "veth0a", infix_interfaces__container_network={},
                        **config.ipv4("192.0.2.9/24"))),
        "infix-containers:containers": {"container": [{
            "name": "web", "image": "oci-archive:/nonexistent", "manual": True,
            "network": {"interface": [{"name": "veth0b",
                                       "option": ["interface_name=eth0"]}]}}]}}


class Room:
    """The network namespace of a container, which is mounted where the daemon is."""

    def __init__(self, daemon, name):
        self.daemon = daemon
        self.path = daemon.run_dir / "netns" / name

    def ip(self, words):
        return run("nsenter", f"--target={self.daemon.pid}", "--mount", "--", "nsenter",
                   f"--net={self.path}", "--", "ip", *words.split())


@pytest.mark.covers("configure", "read", "notify", "rollback", of="container")
def test_an_end_in_a_container(daemon, nc, net):
    before = net.dump()
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**given(), **REFUSED})
    assert differences(before, net.dump()) == []
    nc.edit(given())
    room = Room(daemon, "web")

    def is_whole():
        entry = nc.interface("veth0b")
        return (entry.findtext("oper-status") == "up" and
                [node.findtext("ip") for node in entry.iterfind("ipv4/address")] == ["192.0.2.9"])

    net.wait(is_whole, "the end in the container")
    assert net.link("veth0b") is None
    assert "192.0.2.9/24" in room.ip("-4 -o address show dev eth0")
    assert net.pings("192.0.2.9")
    shown = nc.interface("veth0b")
    assert shown.findtext("type").endswith("veth") and shown.findtext("veth/peer") == "veth0a"
    assert shown.findtext("container-network/type").endswith("host")
    assert int(shown.findtext("statistics/in-octets")) > 0
    # changes reach it there
    edit(nc, {"name": "veth0b", "description": "inside", **config.ipv4("192.0.2.10/24", mtu=1400)})
    assert "mtu 1400" in room.ip("link show eth0") and "inside" in room.ip("link show eth0")
    assert net.pings("192.0.2.10")
    # a subscriber is told when it is another link
    with daemon.local() as session:
        number = on_change(session, one("veth0b", "<if-index/>"), "operational")
        update(session, number)
        index = nc.interface("veth0b").findtext("if-index")
        room.ip("link del eth0")
        made_again(session, number, "veth0b", index)
        net.wait(lambda: " eth0@" in room.ip("link show"), "the end again")
    # what the container does to it is put right: renamed, put down, without its address, deleted
    for words in ("link set eth0 name other", "link set eth0 down",
                  "address del 192.0.2.9/24 dev eth0", "link del eth0"):
        room.ip(words)
        edit(nc, {"name": "br0", "description": words})  # which fails no commit
        net.wait(lambda: " eth0@" in room.ip("link show"), words)
        net.ip("neigh flush dev br0")  # it may have another MAC address now
        net.wait(lambda: net.pings("192.0.2.9"), words)
    assert net.link("veth0a")["master"] == "br0"
    # to the device, and to nobody
    nc.edit({"infix-containers:containers": {"@operation": "remove"}})
    net.wait(lambda: net.link("veth0b"), "veth0b back")
    assert net.link("veth0b")["ifalias"] == "inside"
    assert "192.0.2.9/24" in net.addresses("veth0b")
    edit(nc, *({"name": name, "@operation": "remove"} for name in ("veth0a", "veth0b")),
         {"name": "br0", "description": [None],
          "@description": {"ietf-netconf:operation": "remove"}})
    assert not room.path.exists()
    assert differences(before, net.dump()) == []


# --- router advertisements ------------------------------------------------------------------------

RA = "ietf-ipv6-unicast-routing:ipv6-router-advertisements"


def test_router_advertisements(net, make_daemon):
    """None are sent: an edit that asks for them is refused, a startup file that does so loads."""
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p3", "ethernet", description="router", **{"ietf-ip:ipv6": {
            "address": [{"ip": "2001:db8::1", "prefix-length": 64}],
            RA: {"send-advertisements": True, "max-rtr-adv-interval": 30}}}))
    daemon = make_daemon(net, startup).start()
    daemon.wait_log("event=config-loaded source=startup")
    with daemon.local() as nc:
        path = ("/ietf-interfaces:interfaces/interface[name='p3']/ietf-ip:ipv6/" + RA)
        told = not_applied(nc)
        assert told and set(told.values()) == {"not supported by this device"}
        assert all(where.startswith(path) for where in told)
        assert net.link("p3")["ifalias"] == "router"
        assert net.addresses("p3") == ["2001:db8::1/64"]
        with pytest.raises(RpcError) as refused:
            edit(nc, {"name": "p3", "ietf-ip:ipv6": {RA: {"send-advertisements": True}}})
        assert refused.value.tag == "operation-not-supported"
        assert "ipv6-router-advertisements" in refused.value.path


# --- on-change ------------------------------------------------------------------------------------

class Told:
    """The values of an interface's leaves that have been told, by path without the interface's."""

    def __init__(self, session, name):
        self.session = session
        self.target = f"{TARGET}{name}/"
        self.number = on_change(session, one(name), "operational")
        update(session, self.number)
        self.values = {}

    def until(self, condition):
        while not condition(self.values):
            for operation, where, value in plain(edits(self.session, self.number)):
                leaf = where.removeprefix(self.target)
                if operation == "delete":
                    self.values.pop(leaf, None)
                else:
                    self.values[leaf] = value
        return self.values


@pytest.mark.covers("notify", of="ethernet")
def test_changes_are_told(daemon, nc, net):
    far = net.far[3]
    with daemon.local() as session:
        told = Told(session, "p3")
        far.ip("link set eth0 down")
        told.until(lambda values: values.get("oper-status") in ("down", "lower-layer-down"))
        far.ip("link set eth0 up")
        told.until(lambda values: values["oper-status"] == "up")
        edit(nc, config.interface("br9", "bridge"),
             {"name": "p3", "infix-interfaces:bridge-port": {"bridge": "br9"}})
        told.until(lambda values: any(path.startswith("higher-layer-if") for path in values))
        edit(nc, {"name": "p3", "infix-interfaces:bridge-port": {"@operation": "remove"}},
             {"name": "br9", "@operation": "remove"})
        told.until(lambda values: not any(path.startswith("higher-layer-if") for path in values))
        # what is not there is not in operational (RFC 8342, section 5.3.2)
        net.ip("link del p3")
        while (operation := last_of_entry(session, told)) != "delete":
            assert operation is None
        net.far.pop(3).close()
        net.plug(3)
        while (operation := last_of_entry(session, told)) != "create":
            assert operation is None


def last_of_entry(session, told):
    """What the next message says of the entry as a whole."""
    found = [operation for operation, where, _ in edits(session, told.number)
             if where == told.target.rstrip("/")]
    return found[-1] if found else None


def test_times_of_what_comes_and_goes(daemon, nc, net):
    """Counters of a port begin when it comes; what it is now it is since then."""
    def times(name):
        entry = nc.interface(name)
        return entry.findtext("last-change"), entry.findtext("statistics/discontinuity-time")

    boot = times("p3")[1]
    assert times("p4")[1] == boot
    edit(nc, {"name": "p5", "type": "infix-if-type:ethernet"})
    assert times("p5") == (None, None)
    net.plug(5)
    net.wait_up("p5")
    net.wait(lambda: nc.interface("p5").findtext("oper-status") == "up", "p5 up")
    changed, since = times("p5")
    assert boot < since <= changed
    net.unplug(5)
    net.wait(lambda: nc.interface("p5").findtext("oper-status") == "not-present", "its end")
    gone, _ = times("p5")
    assert gone >= changed
