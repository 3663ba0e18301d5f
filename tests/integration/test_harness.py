"""The harness sees what it claims to see: frames, tags, kernel changes, netlink requests."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.flow import Flow
from ashlar.frames import Port
from ashlar.netlink import Watch
from ashlar.network import differences

pytestmark = pytest.mark.kernel


def make_bridge(net, options=""):
    net.ip(f"link add br0 type bridge {options}")
    for port in net.ports:
        net.ip(f"link set {port} master br0 up")
    net.ip("link set br0 up")
    net.wait(lambda: "UP" in net.link("p1")["flags"] and net.link("p1")["operstate"] == "UP",
             "p1 up")


def test_frames_cross_a_bridge(net):
    make_bridge(net)
    with Port(net.far[1], "eth0") as first, Port(net.far[2], "eth0") as second:
        first.send(b"plain")
        assert second.expect(b"plain") == ([], [])
        first.send(b"tagged", vlans=[(0x88A8, 7), 20])
        assert second.expect(b"tagged") == ([7, 20], [])


def test_lost_frames_are_told(net):
    make_bridge(net)
    net.wait_up("p1", "p2")
    with Flow((net.far[1], "eth0"), (net.far[2], "eth0")) as flow:
        flow.more(5)
        net.ip("link set p1 down")
        flow.more(5)
        net.ip("link set p1 up")
        net.wait_up("p1")
        sent, arrived, missing = flow.end()
        assert len(missing) >= 5
        assert arrived <= sent - len(missing)


@pytest.mark.guest
def test_vlan_filtering_is_seen(net):
    make_bridge(net, "vlan_filtering 1")
    net.run("bridge", "vlan", "add", "dev", "p1", "vid", "20")
    net.run("bridge", "vlan", "add", "dev", "p2", "vid", "20", "pvid", "untagged")
    assert net.vlans("p1") == {1: {"PVID", "Egress Untagged"}, 20: set()}
    with Port(net.far[1], "eth0") as first, Port(net.far[2], "eth0") as second:
        first.send(b"no member", vlans=[30])
        first.send(b"in twenty", vlans=[20])
        assert second.expect(b"in twenty") == ([], [])
        second.send(b"back")
        assert first.expect(b"back") == ([20], [])


@pytest.mark.guest
def test_netlink_requests_are_counted(net):
    with Watch(net) as watch:
        net.ip_json("link show")
        assert watch.changes() == 0
        net.ip("link set p1 mtu 1400")
        assert watch.changes() == 1


def test_dumps_show_what_changed(net):
    make_bridge(net)
    before = net.dump()
    with Port(net.far[1], "eth0") as first, Port(net.far[2], "eth0") as second:
        first.send(b"counted, learned")
        second.expect(b"counted, learned")
    assert not differences(before, net.dump())
    net.ip("link set p1 alias changed")
    assert differences(before, net.dump()) == ["/links[1]/ifalias: None was not 'changed'"]


def test_data_becomes_xml():
    text = config.to_xml({"ietf-interfaces:interfaces": {"interface": [
        {"name": "br0", "type": "infix-if-type:bridge", "enabled": True,
         "ietf-ip:ipv4": {"@operation": "delete"}}]}})
    entry = etree.fromstring(text)[0]
    assert etree.QName(entry).namespace == config.namespaces()["ietf-interfaces"]
    name, kind, enabled, ipv4 = entry
    assert (name.text, enabled.text) == ("br0", "true")
    prefix, _, identity = kind.text.partition(":")
    assert (kind.nsmap[prefix], identity) == (config.namespaces()["infix-if-type"], "bridge")
    assert etree.QName(ipv4).namespace == config.namespaces()["ietf-ip"]
    assert ipv4.get(f"{{{config.NETCONF}}}operation") == "delete"
