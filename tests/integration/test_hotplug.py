"""Ports that come, go and come back: a USB adapter, a switch that is found late, a module in a cage."""

import itertools
import random
import signal

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import Namespace, differences, inside

# 802.1Q links, link aggregates and netdevsim
pytestmark = pytest.mark.guest

MAC = "02:00:00:00:00:42"
PORTS = ["u1", "u2", "u3", "u4", "u5"]

# u1 stands in a bridge, u2 and u3 carry an aggregate with a VLAN on it, u4 is disabled, u5 has a VLAN
# and addresses of its own; routes lead through all that.
ENTRIES = [
    {**config.port("u1", "br0", flood={"unicast": False}), "description": "first",
     "infix-interfaces:custom-phys-address": {"static": MAC}, "ietf-ip:ipv4": {"mtu": 1400}},
    config.interface("lag0", "lag", infix_interfaces__lag={"mode": "static"}),
    *(config.interface(name, "ethernet", infix_interfaces__lag_port={"lag": "lag0"})
      for name in ("u2", "u3")),
    config.interface("u4", "ethernet", enabled=False, description="off"),
    config.interface("u5", "ethernet", **config.ipv4("198.51.100.1/24", forwarding=True),
                     **config.ipv6("2001:db8:5::1/64", mtu=1300)),
    {"name": "lag0.10", **config.ipv4("203.0.113.1/24"), **config.ipv6("2001:db8:10::1/64")},
    {"name": "u5.20", "description": "upon it", **config.ipv4("203.0.113.129/25")},
]
ROUTES = [("10.1.0.0/16", "198.51.100.9"), ("10.2.0.0/16", "u5"),
          ("2001:db8:ffff::/48", "2001:db8:5::9"),
          ("10.3.0.0/16", "203.0.113.9"), ("10.4.0.0/16", "lag0.10"),
          ("10.5.0.0/16", "u5.20")]
KNOBS = ("ipv4/conf/{}/forwarding", "ipv6/conf/{}/disable_ipv6", "ipv6/conf/{}/mtu")


class Plugged:
    """Ports by name; what is plugged into them is a namespace that goes with them."""

    def __init__(self, net):
        self.net = net
        self.far = {}

    def room(self, name):
        self.far[name] = Namespace(f"{self.net.name}-{name}")
        return self.far[name]

    def created(self, name):
        """By a driver that gives it its name at once."""
        far = self.room(name)
        self.net.ip(f"link add {name} type veth peer name eth0 netns {far.name}")
        far.ip("link set eth0 up")

    def moved(self, name):
        """By somebody who had it in a namespace of his own."""
        far = self.room(name)
        far.ip(f"link add {name} type veth peer name eth0")
        far.ip("link set eth0 up")
        far.ip(f"link set {name} netns {self.net.name}")

    def renamed(self, name):
        """By a driver, and then by what gives names."""
        far = self.room(name)
        self.net.ip(f"link add new0 type veth peer name eth0 netns {far.name}")
        far.ip("link set eth0 up")
        self.net.ip(f"link set new0 name {name}")

    def gone(self, name):
        """Unlike the end of a namespace this is over when it returns."""
        self.net.ip(f"link del {name}")
        self.far.pop(name).close()

    def close(self):
        for far in self.far.values():
            far.close()


@pytest.fixture
def plug(net):
    plugged = Plugged(net)
    yield plugged
    plugged.close()


@pytest.fixture
def configured(nc):
    """Names of all that is configured, none of it there yet but the aggregate."""
    nc.edit({**config.interfaces(*ENTRIES), **config.routes(*ROUTES)})
    return [entry["name"] for entry in ENTRIES]


def look(net, names):
    """What configuration decides about the links, wherever they have come from."""
    def one(name):
        link = net.link(name)
        if link is None:
            return None
        port = link["linkinfo"].get("info_slave_data", {})
        return {
            "master": link.get("master"), "mtu": link["mtu"], "alias": link.get("ifalias"),
            "up": "UP" in link["flags"], "configured MAC": link["address"] == MAC,
            "below": link.get("link") if "." in name else None, "flood": port.get("flood"),
            "addresses": net.addresses(name),
            **{knob: net.run("cat", f"/proc/sys/net/{knob.format(name)}").strip()
               for knob in KNOBS if "ipv6/conf/{}/mtu" not in knob or name == "u5"},
        }

    routes = {route["dst"]: (route.get("gateway"), route.get("dev"), route.get("protocol"))
              for family in "46" for route in net.ip_json(f"-{family} route show protocol 66")}
    return {"links": {name: one(name) for name in names}, "routes": routes}


def reach(net, names, expected):
    """Waits until it looks so; what differs is told."""
    found = {}

    def is_reached():
        found.update(look(net, names))
        return found == expected

    try:
        net.wait(is_reached, "the state")
    except AssertionError:
        pytest.fail("\n".join(differences(expected, found)))


@pytest.fixture
def whole(net, plug, configured):
    """What it looks like when all is there."""
    for name in PORTS:
        plug.created(name)
    net.wait_up("u1", "u2", "u3", "u5", "lag0")
    net.wait(lambda: all(net.link(name) for name in configured), "the stacks")
    net.wait(lambda: set(look(net, [])["routes"]) == {to for to, _ in ROUTES}, "routes")
    return look(net, configured)


WAYS = ["created", "moved", "renamed"]


def test_any_order_of_arrival(net, nc, plug, whole, configured):
    links = whole["links"]
    assert links["u1"] | {"master": "br0", "mtu": 1400, "alias": "first", "up": True,
                          "configured MAC": True, "flood": False} == links["u1"]
    assert links["u2"] | {"master": "lag0", "up": True} == links["u2"]
    assert links["u3"] | {"master": "lag0", "up": True} == links["u3"]
    assert links["u4"] | {"up": False, "alias": "off", "master": None} == links["u4"]
    assert links["u5"]["addresses"] == ["198.51.100.1/24", "2001:db8:5::1/64"]
    assert links["u5"][KNOBS[0]] == "1" and links["u5"][KNOBS[2]] == "1300"
    assert links["lag0.10"]["addresses"] == ["2001:db8:10::1/64", "203.0.113.1/24"]
    assert links["u5.20"]["addresses"] == ["203.0.113.129/25"]
    ways = itertools.cycle(WAYS)
    for order in PORTS, PORTS[::-1], ["u3", "u5", "u1", "u4", "u2"]:
        for name in order:
            plug.gone(name)
            net.wait(lambda: nc.interface(name).findtext("oper-status") == "not-present", "its end")
        for name in order:
            getattr(plug, next(ways))(name)
        reach(net, configured, whole)
        for name in PORTS:
            assert nc.interface(name).findtext("oper-status") != "not-present"
    # gone and back before anybody has looked, with another number and another MAC address
    before = {name: net.link(name)["ifindex"] for name in PORTS}
    for name in PORTS:
        plug.gone(name)
        plug.created(name)
    reach(net, configured, whole)
    assert all(net.link(name)["ifindex"] != before[name] for name in PORTS)
    assert not_applied(nc) == {}


def not_applied(nc):
    status = nc.get(f'<status xmlns="{config.namespaces()["ashlar-status"]}"/>')
    return {node.findtext("path"): node.findtext("reason") for node in status.iter("not-applied")}


def test_changes_of_what_waits(net, nc, plug, configured):
    """They are taken, and hold when it comes; that it waits is told."""
    assert net.link("u5.20") is None
    assert nc.interface("u5.20").findtext("oper-status") == "not-present"
    told = not_applied(nc)
    for name in PORTS:
        assert told[f"/ietf-interfaces:interfaces/interface[name='{name}']"] == "does not exist"
    nc.edit(config.interfaces({"name": "u5", "description": "later",
                               **config.ipv4("198.51.100.2/24")},
                              {"name": "u4", "@operation": "delete"}))
    plug.renamed("u5")
    plug.created("u4")
    net.wait(lambda: net.addresses("u5") == ["198.51.100.1/24", "198.51.100.2/24",
                                             "2001:db8:5::1/64"], "addresses")
    assert net.link("u5")["ifalias"] == "later"
    assert "ifalias" not in net.link("u4")


def test_commits_go_on_without_ports(net, nc, plug, whole, configured):
    """An absent port fails neither a change of its own nor one of another."""
    for name in PORTS:
        plug.gone(name)
    nc.edit(config.interfaces(
        {"name": "u1", "description": "second", "ietf-ip:ipv4": {"mtu": 1300}},
        {"name": "u5", "description": "second", **config.ipv4("198.51.102.1/24")},
        {"name": "br0", "description": "another"}))
    assert net.link("br0")["ifalias"] == "another"
    nc.edit(config.interfaces({**config.port("u2", "br0"), "@operation": "replace"}))
    with pytest.raises(RpcError):  # what is wrong stays wrong
        nc.edit(config.interfaces({"name": "u2", "infix-interfaces:bridge-port": {
            "bridge": "none"}}))
    for name in PORTS:
        plug.created(name)
    net.wait(lambda: net.link("u1").get("ifalias") == "second", "u1")
    net.wait(lambda: net.link("u2").get("master") == "br0", "u2")
    net.wait(lambda: net.addresses("u5") == ["198.51.100.1/24", "198.51.102.1/24",
                                             "2001:db8:5::1/64"], "u5")
    assert net.link("u1")["mtu"] == 1300


def change(name, number):
    return {
        "u1": {"description": f"d{number}", "ietf-ip:ipv4": {"mtu": 1400 + number % 2}},
        "u2": {"description": f"d{number}"},
        "u5": config.ipv4("198.51.100.1/24", f"198.51.{101 + number % 2}.1/24") |
        {"description": f"d{number}"},
    }[name]


def test_gone_during_a_commit(net, daemon, nc, plug, whole, configured):
    """The daemon has not heard of it yet when it is asked to change the port."""
    for number, (comes_back, name) in enumerate(itertools.product([False, True],
                                                                  ["u1", "u2", "u5"])):
        daemon.process.send_signal(signal.SIGSTOP)
        message = nc.request(
            "<edit-config><target><running/></target><config>" + config.to_xml(config.interfaces(
                {"name": name, **change(name, number)},
                {"name": "br0", "description": f"d{number}"})) + "</config></edit-config>")
        plug.gone(name)
        if comes_back:
            plug.created(name)  # another one
        daemon.process.send_signal(signal.SIGCONT)
        nc.reply(message)
        assert net.link("br0")["ifalias"] == f"d{number}"
        if not comes_back:
            net.wait(lambda: nc.interface(name).findtext("oper-status") == "not-present", "its end")
            plug.created(name)
        net.wait(lambda: net.link(name).get("ifalias") == f"d{number}", "it back")
    assert not_applied(nc) == {}


def test_a_loose_contact(net, nc, plug, whole, configured):
    """Ports come and go at random while commits change them and others."""
    dice = random.Random(7)
    there = set(PORTS)
    for number in range(15):
        for name in dice.sample(PORTS, 2):
            if name in there:
                plug.gone(name)
                there.remove(name)
            else:
                getattr(plug, dice.choice(WAYS))(name)
                there.add(name)
        name = dice.choice(["u1", "u2", "u5"])
        nc.edit(config.interfaces({"name": name, "description": f"d{number}"},
                                  {"name": "br0", "description": f"d{number}"}))
        assert net.link("br0")["ifalias"] == f"d{number}"
    nc.edit(config.interfaces({"name": "u1", "description": "first"},
                              *({"name": name, "description": [None], "@description": {
                                  "ietf-netconf:operation": "remove"}} for name in ("u2", "u5"))))
    for name in set(PORTS) - there:
        plug.created(name)
    reach(net, configured, whole)
    assert not_applied(nc) == {}


def test_restart_without_ports(net, daemon, nc, plug, whole, configured):
    """What has come and gone while nobody looked."""
    plug.gone("u5")
    plug.gone("u2")
    daemon.kill()
    plug.gone("u1")
    plug.created("u2")
    daemon.start()
    for name in "u1", "u5":
        plug.created(name)
    reach(net, configured, whole)


# --- VLANs of a bridge ----------------------------------------------------------------------------


def test_vlans_of_a_port_that_comes(net, nc, plug):
    entries = [config.vlan_bridge("br1", config.vlan(10, tagged=["u1"]),
                                  config.vlan(20, untagged=["u1"], tagged=["u2", "br1"])),
               config.port("u1", "br1", pvid=20), config.port("u2", "br1")]
    nc.edit(config.interfaces(*entries))
    expected = {"u1": {10: set(), 20: {"PVID", "Egress Untagged"}}, "u2": {20: set()}}
    for way in WAYS:
        for name in "u2", "u1":
            getattr(plug, way)(name)
        net.wait(lambda: {name: net.vlans(name) for name in expected} == expected, "VLANs")
        for name in expected:
            plug.gone(name)
        net.wait(lambda: nc.interface("u1").findtext("oper-status") == "not-present", "its end")


# --- real devices ---------------------------------------------------------------------------------


class Simulated:
    """A device of netdevsim's with ports eth0, eth1 ... in the namespace it is made in."""

    def __init__(self, net, number=7):
        self.net, self.number = net, number

    def write(self, file, text):
        with inside(self.net.name), open(f"/sys/bus/netdevsim/{file}", "w") as attribute:
            attribute.write(text)

    def plug(self, ports):
        self.write("new_device", f"{self.number} {ports}")

    def unplug(self):
        self.write("del_device", f"{self.number}")


@pytest.fixture
def simulated(net):
    device = Simulated(net)
    yield device
    try:
        device.unplug()
    except OSError:
        pass  # it is unplugged


def test_a_device_that_is_found_late(net, nc, simulated):
    nc.edit({**config.interfaces(
        {**config.port("eth0", "br0"), "description": "cage 1"},
        config.interface("eth1", "ethernet", **config.ipv4("198.51.100.1/24", mtu=1400),
                         infix_interfaces__custom_phys_address={"static": MAC}),
        {"name": "eth1.5", **config.ipv4("203.0.113.1/24")}),
        **config.routes(("10.1.0.0/16", "203.0.113.9"))})
    indexes = set()
    for _ in range(3):
        assert nc.interface("eth0").findtext("oper-status") == "not-present"
        simulated.plug(2)
        net.wait(lambda: net.link("eth0") and net.link("eth0").get("master") == "br0", "eth0")
        net.wait(lambda: net.addresses("eth1.5") == ["203.0.113.1/24"], "eth1.5")
        net.wait(lambda: "10.1.0.0/16" in look(net, [])["routes"], "the route")
        link = net.link("eth1")
        assert (link["address"], link["mtu"]) == (MAC, 1400)
        assert net.link("eth0")["ifalias"] == "cage 1"
        indexes.add(link["ifindex"])
        simulated.unplug()
        net.wait(lambda: nc.interface("eth1").findtext("oper-status") == "not-present", "its end")
        assert nc.interface("eth1.5").findtext("oper-status") == "not-present"
    assert len(indexes) == 3
