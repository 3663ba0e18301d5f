"""MAC addresses that are configured: given, or counted from the device's base address."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import run, until

pytestmark = pytest.mark.kernel

ADDRESS = "infix-interfaces:custom-phys-address"


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


def octets(address):
    return [int(part, 16) for part in address.split(":")]


def chassis(name, offset=None):
    return {"name": name, ADDRESS: {"chassis": {"offset": offset} if offset else {}}}


def without(name):
    return {"name": name, ADDRESS: [None], f"@{ADDRESS}": {"ietf-netconf:operation": "remove"}}


def test_counted_from_the_base_address(daemon, nc, net):
    before = {name: net.link(name)["address"] for name in ("p3", "p4", "br0")}
    edit(nc, chassis("p3"), chassis("p4", "02:00:00:ff:00:01"), chassis("br0", "00:00:00:00:00:02"))
    base = octets(net.link("p3")["address"])
    assert not base[0] & 1 and any(base)

    def plus(*offset):
        return [(one + other) % 256 for one, other in zip(base, offset)]

    assert octets(net.link("p4")["address"]) == plus(2, 0, 0, 255, 0, 1)
    assert octets(net.link("br0")["address"]) == plus(0, 0, 0, 0, 0, 2)
    assert octets(nc.interface("p4").findtext("phys-address")) == plus(2, 0, 0, 255, 0, 1)
    daemon.kill()
    daemon.start()
    assert daemon.start_changes() == 0
    with daemon.local() as again:
        assert octets(net.link("p3")["address"]) == base
        # from one way of saying it to the other, and back to what it was
        edit(again, {"name": "p3", ADDRESS: {"static": "02:00:00:00:00:42"}})
        assert net.link("p3")["address"] == "02:00:00:00:00:42"
        assert again.interface("p3", "running").find("custom-phys-address/chassis") is None
        edit(again, chassis("p3"))
        assert octets(net.link("p3")["address"]) == base
        edit(again, *map(without, before))
    assert {name: net.link(name)["address"] for name in ("p3", "p4")} == {
        name: before[name] for name in ("p3", "p4")}


def test_refused(nc, net):
    before = net.link("p3")["address"]
    for entry, words in ((chassis("p3", "01:00:00:00:00:00"), "address of a group"),
                         (chassis("lo"), "no MAC address")):
        with pytest.raises(RpcError, match=words):
            edit(nc, entry)
    assert net.link("p3")["address"] == before


@pytest.fixture
def stubborn(net):
    """A port whose driver takes no other address while it is up."""
    if "vec0" not in run("ip", "link", "show"):
        pytest.fail("the guest has no vec0")
    run("ip", "link", "set", "vec0", "netns", net.name)
    yield "vec0"
    net.ip("link set vec0 down")
    net.ip("link set vec0 netns 1")


@pytest.mark.guest
def test_a_port_that_goes_down_for_it(daemon, nc, net, stubborn):
    net.ip("link set vec0 up")
    with pytest.raises(AssertionError, match="busy"):
        net.ip("link set vec0 address 02:00:00:00:00:41")
    before = net.link("vec0")["address"]
    edit(nc, config.interface("vec0", "ethernet", **config.ipv4("198.51.100.1/24"),
                              infix_interfaces__custom_phys_address={"static": "02:00:00:00:00:42"}))
    nc.edit(config.routes(("10.1.0.0/16", "198.51.100.9")))
    until(lambda: "UP" in net.link("vec0")["flags"], "vec0 up")
    assert net.link("vec0")["address"] == "02:00:00:00:00:42"
    edit(nc, {"name": "vec0", "description": "changed", ADDRESS: {"static": "02:00:00:00:00:43"}})
    link = net.link("vec0")
    assert (link["address"], link["ifalias"]) == ("02:00:00:00:00:43", "changed")
    assert "UP" in link["flags"]
    assert net.addresses("vec0") == ["198.51.100.1/24"]
    assert net.ip_json("route show 10.1.0.0/16")[0]["gateway"] == "198.51.100.9"
    # what is refused for another reason leaves it as it was
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces({"name": "vec0", ADDRESS: {"static": "02:00:00:00:00:44"}}),
                 **config.routes(("192.0.2.128/25", "203.0.113.1"))})
    link = net.link("vec0")
    assert link["address"] == "02:00:00:00:00:43" and "UP" in link["flags"]
    edit(nc, without("vec0"))
    assert net.link("vec0")["address"] == before
    edit(nc, {"name": "vec0", "enabled": False, ADDRESS: {"static": "02:00:00:00:00:45"}})
    link = net.link("vec0")
    assert link["address"] == "02:00:00:00:00:45" and "UP" not in link["flags"]
