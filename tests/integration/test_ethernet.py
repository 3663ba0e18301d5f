"""Settings of Ethernet ports: negotiation, speed, crossing, pausing; what is agreed on; counters.

A port of dsa_loop has a PHY that can be told anything, netdevsim pauses and counts pauses.
"""

import contextlib
import json
import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import run, until
from ashlar.push import edits, on_change, one, update

pytestmark = pytest.mark.guest

ETHERNET = "ieee802-ethernet-interface:ethernet"
ADVERTISED = "infix-ethernet-interface:advertised-pmd-types"
PMD = "ieee802-ethernet-phy-type:pmd-type-"
PHY = "ieee802-ethernet-phy-type:phy-type-"
NETDEVSIM = 7
BIND = "/sys/bus/mdio_bus/drivers/dsa-loop/"
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Ports:
    """lan1 and lan2 of a switch, and sim1 of netdevsim, in the device's namespace."""

    names = ("lan1", "lan2", "sim1")

    def __init__(self, net):
        self.net = net

    def plug(self):
        """All that make them belong to the namespace that the kernel began with."""
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
        run("ip", "link", "set", "wire", "up")
        write(BIND + "bind", "fixed-0:1f")
        write("/sys/bus/netdevsim/new_device", f"{NETDEVSIM} 1")
        (sim,) = json.loads(run("devlink", "-j", "port", "show"))["port"][
            f"netdevsim/netdevsim{NETDEVSIM}/0"]["netdev"],
        run("ip", "link", "set", sim, "netns", self.net.name, "name", "sim1")
        for name in self.names[:2]:
            run("ip", "link", "set", name, "netns", self.net.name)

    def unplug(self):
        with contextlib.suppress(OSError):
            write("/sys/bus/netdevsim/del_device", str(NETDEVSIM))
        with contextlib.suppress(OSError):
            write(BIND + "unbind", "fixed-0:1f")
        subprocess.run(["ip", "link", "del", "eth0"], check=False, capture_output=True)


@pytest.fixture
def net(make_net):
    return make_net(1)


@pytest.fixture
def ports(net):
    ports = Ports(net)
    ports.plug()
    yield ports
    ports.unplug()


@pytest.fixture
def daemon(net, ports, make_daemon):
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "ethernet") for name in ports.names]
    daemon = make_daemon(net, startup).start()
    net.wait_up("lan1", "lan2")
    return daemon


def settings(net, name):
    """What ethtool has to say of a port, its link's ups and downs left out."""
    told = json.loads(net.run("ethtool", "--json", name))[0]
    return {key: told.get(key) for key in (
        "advertised-link-modes", "auto-negotiation", "speed", "duplex", "mdi-x")}


def pause(net, name):
    told = json.loads(net.run("ethtool", "--json", "-a", name))[0]
    return told["rx"], told["tx"]


def mode(net, name):
    told = settings(net, name)
    return told["auto-negotiation"], told["speed"], told["duplex"]


def ethernet(**members):
    """The container, with '_' for '-' in names."""
    return {ETHERNET: {name.replace("_", "-"): value for name, value in members.items()}}


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


def pausing(how):
    return {"control-and-status": {"pause-admin-control": how}}


def shown(daemon, name):
    """The port's container as operational data."""
    with daemon.restconf() as client:
        reply = client.get("/restconf/ds/ietf-datastores:operational/ietf-interfaces:interfaces/"
                           f"interface={name}/{ETHERNET}")
    assert reply.status == 200, reply.body
    return reply.json[ETHERNET]


FORCED = {"auto-negotiation": {"enable": False}, "speed": "0.01", "duplex": "half"}


@pytest.mark.covers("configure", "read", of="dsa")
def test_forced_negotiated_and_given_back(nc, net, daemon):
    before = settings(net, "lan1")
    assert mode(net, "lan1") == (True, 100, "Full")
    edit(nc, {"name": "lan1", ETHERNET: FORCED})
    assert mode(net, "lan1") == (False, 10, "Half")
    assert mode(net, "lan2") == (True, 100, "Full")
    told = shown(daemon, "lan1")
    assert (told["auto-negotiation"], told["duplex"], told["speed"]) == (
        {"enable": False}, "half", "0.01")
    assert told["infix-ethernet-interface:supported-pmd-types"] == [PMD + "100BASE-TX"]
    # what a driver takes for something else (this one has no 10 Mb/s in full duplex) is undone when it
    # shows at once; this driver looks once a second what became of it
    with contextlib.suppress(RpcError):
        edit(nc, {"name": "lan1", **ethernet(duplex="full")})
    edit(nc, {"name": "lan1", ETHERNET: FORCED})
    until(lambda: mode(net, "lan1") == (False, 10, "Half"), "what was there before")
    # a restart finds all as it should be
    daemon.restart()
    assert daemon.start_changes() == 0
    assert mode(net, "lan1") == (False, 10, "Half")
    with daemon.local() as other:
        edit(other, {"name": "lan1", ETHERNET: {"@operation": "delete"}})
    after = settings(net, "lan1")
    assert after["auto-negotiation"] and after["advertised-link-modes"] == ["100baseT/Full"]
    assert before["advertised-link-modes"] == after["advertised-link-modes"]


def test_media_that_are_offered(nc, net, daemon):
    negotiation = {"enable": True, ADVERTISED: [PMD + "100BASE-TX"]}
    edit(nc, {"name": "lan1", **ethernet(auto_negotiation=negotiation)})
    told = shown(daemon, "lan1")
    assert told["auto-negotiation"] == negotiation
    assert (told["phy-type"], told["pmd-type"]) == (PHY + "100BASE-X", PMD + "100BASE-TX")
    for unknown, words in (("1000BASE-T", "this port has no 1000BASE-T"),
                           ("10GPASS-XR", "ports of this device know no")):
        with pytest.raises(RpcError, match=words) as failure:
            edit(nc, {"name": "lan1", **ethernet(auto_negotiation={
                ADVERTISED: [PMD + unknown]})})
        assert failure.value.path.endswith("advertised-pmd-types")
    assert shown(daemon, "lan1")["auto-negotiation"] == negotiation


@pytest.mark.covers("rollback", of="dsa")
def test_refused_and_all_rolled_back(nc, net, daemon):
    """A port without PHY is not to be told; the kernel's words; what came before is undone."""
    before = {name: (settings(net, name), pause(net, name)) for name in ("lan1", "lan2")}
    sim = pause(net, "sim1")
    with pytest.raises(RpcError, match="driver of this port does not let this be changed") as failure:
        edit(nc, {"name": "lan1", ETHERNET: FORCED},
             {"name": "sim1", **ethernet(ethernet_pause=pausing("bi-directional"),
                                         auto_negotiation={"enable": True})})
    assert "sim1" in failure.value.path
    with pytest.raises(RpcError):
        nc.edit({**config.interfaces({"name": "lan1", ETHERNET: FORCED},
                                     {"name": "lan2", **ethernet(
                                         ethernet_pause=pausing("disabled"))},
                                     {"name": "sim1", **ethernet(
                                         ethernet_pause=pausing("bi-directional"))}), **REFUSED})
    assert pause(net, "sim1") == sim
    after = {name: (settings(net, name), pause(net, name)) for name in ("lan1", "lan2")}
    assert {name: (told["advertised-link-modes"], told["auto-negotiation"], pauses)
            for name, (told, pauses) in after.items()} == {
                name: (told["advertised-link-modes"], told["auto-negotiation"], pauses)
                for name, (told, pauses) in before.items()}
    for entry, words in (
            ({"auto-negotiation": {"enable": False}}, "must be told its speed"),
            ({"auto-negotiation": {"enable": False}, "speed": "0.1", "duplex": "unknown"},
             "must be told full or half"),
            ({"ethernet-pause": pausing("undefined")}, "is no way to pause"),
            ({"speed": "0.01", "auto-negotiation": {ADVERTISED: [PMD + "100BASE-TX"]}},
             "does not go with the speed"),
            ({"speed": "0.01", "auto-negotiation": {"enable": True}}, "cannot negotiate")):
        with pytest.raises(RpcError, match=words):
            edit(nc, {"name": "lan2", ETHERNET: entry})


def test_pausing(nc, net, daemon):
    assert pause(net, "sim1") == (False, False)
    for how, (rx, tx) in (("bi-directional", (True, True)), ("egress-only", (False, True)),
                          ("ingress-only", (True, False))):
        edit(nc, {"name": "sim1", **ethernet(ethernet_pause=pausing(how))})
        assert pause(net, "sim1") == (rx, tx)
        told = shown(daemon, "sim1")["ethernet-pause"]
        assert told["control-and-status"]["pause-admin-control"] == how
        assert told["statistics"] == {"in-frames-pause": "1", "out-frames-pause": "2"}
    edit(nc, {"name": "sim1", ETHERNET: {"ethernet-pause": {"@operation": "delete"}}})
    assert pause(net, "sim1") == (False, False)


def test_crossing(nc, net, daemon):
    edit(nc, {"name": "lan1", ETHERNET: {**FORCED, "infix-ethernet-interface:mdi-x": True}})
    assert shown(daemon, "lan1")["infix-ethernet-interface:mdi-x"] is True
    edit(nc, {"name": "lan1", ETHERNET: {"infix-ethernet-interface:mdi-x": False}})
    assert shown(daemon, "lan1")["infix-ethernet-interface:mdi-x"] is False
    daemon.restart()
    assert daemon.start_changes() == 0


def test_changed_by_others_and_plugged_again(nc, net, ports, daemon):
    edit(nc, {"name": "lan1", ETHERNET: FORCED},
         {"name": "sim1", **ethernet(ethernet_pause=pausing("bi-directional"))})
    net.run("ethtool", "-s", "lan1", "autoneg", "on")
    until(lambda: mode(net, "lan1") == (False, 10, "Half"), "what ethtool changed comes back")
    net.run("ethtool", "-A", "sim1", "rx", "off", "tx", "off")
    until(lambda: pause(net, "sim1") == (True, True), "pausing comes back")
    # what is not configured is the others'
    net.run("ethtool", "-s", "lan2", "autoneg", "off", "speed", "10", "duplex", "half")
    until(lambda: shown(daemon, "lan2").get("auto-negotiation") == {"enable": False}, "seen")
    assert mode(net, "lan2") == (False, 10, "Half")
    ports.unplug()
    net.wait(lambda: not net.link("lan1") and not net.link("sim1"), "gone")
    ports.plug()
    net.wait_up("lan1")
    until(lambda: mode(net, "lan1") == (False, 10, "Half"), "settings of a port that came again")
    until(lambda: pause(net, "sim1") == (True, True), "pausing of a port that came again")


@pytest.mark.covers("notify", of="dsa")
def test_told_of(nc, net, daemon):
    """A subscriber hears that a port's speed is another, whoever has changed it; never of counters."""
    with daemon.local() as session:
        number = on_change(session, one("lan2"), "operational")
        update(session, number)
        net.run("ethtool", "-s", "lan2", "autoneg", "off", "speed", "10", "duplex", "half")
        targets = set()
        while not any(target.endswith("/speed") for target in targets):
            targets |= {target for _, target, _ in edits(session, number)}
        assert not any("statistics" in target for target in targets)


def test_counters(nc, net, daemon):
    """Of a switch's port none that the driver has not; of others those of the link."""
    assert "statistics" not in shown(daemon, "lan1") or \
        "in-frames" not in shown(daemon, "lan1")["statistics"]["frame"]
    stats = net.ip_json("-s link show sim1")[0]["stats64"]
    frame = shown(daemon, "sim1")["statistics"]["frame"]
    assert frame == {
        "in-frames": str(stats["rx"]["packets"]), "out-frames": str(stats["tx"]["packets"]),
        "infix-ethernet-interface:in-good-octets": str(stats["rx"]["bytes"]),
        "infix-ethernet-interface:out-good-octets": str(stats["tx"]["bytes"])}
