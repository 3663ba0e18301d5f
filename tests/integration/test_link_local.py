"""IPv4 link-local addresses (RFC 3927), in a guest where nobody has to wait for the clock."""

import ipaddress
import socket
import struct
import time

import pytest

from ashlar import config
from ashlar.daemon import Daemon
from ashlar.frames import BROADCAST, Port, frame, mac
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences

pytestmark = [pytest.mark.guest, pytest.mark.time_travel, pytest.mark.timeout(0)]

LONG = 100000  # seconds, of a clock that jumps
ETH_P_ARP = 0x0806
REQUESTED = "169.254.7.7"
AUTOCONF = "infix-ip:autoconf"
REFUSED = config.routes(("192.0.2.128/25", "203.0.113.1"))


STARTUP = config.interfaces(*(config.interface(name, "ethernet") for name in ("p1", "p2")))


@pytest.fixture
def net(make_net):
    return make_net(2)


@pytest.fixture
def daemon(net, make_daemon):
    daemon = make_daemon(net, STARTUP).start()
    net.wait_up(*net.ports)
    return daemon


def autoconf(name="p1", requested=None):
    return config.interfaces({"name": name, "ietf-ip:ipv4": {
        AUTOCONF: {"request-address": requested} if requested else {}}})


def without(name="p1"):
    return config.interfaces({"name": name, "ietf-ip:ipv4": {AUTOCONF: {"@operation": "delete"}}})


def address_of(net, link):
    """The link-local address of the link that the kernel has; None: none."""
    found = [entry for link in net.ip_json(f"-4 address show dev {link}") if link
             for entry in link["addr_info"] if entry["local"].startswith("169.254.")]
    if not found:
        return None
    (entry,) = found
    assert (entry["prefixlen"], entry["scope"], entry.get("protocol")) == (16, "link", "0x43")
    return entry["local"]


def wait(net, condition, what):
    """Until events make it true, not looking now and then: of the jumping clock that would take all."""
    return net.wait(condition, what, LONG, pace=LONG)


def wait_bound(net, link="p1", but=None):
    return wait(net, lambda: (found := address_of(net, link)) != but and found, "an address")


def arp(operation, sender_mac, sender, target):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac(sender_mac),
                       socket.inet_aton(sender), bytes(6), socket.inet_aton(target))


class Arp(Port):
    """The ARP packets of one link."""

    def send_arp(self, operation, sender, target, source=None):
        source = source or self.mac
        self.socket.send(frame(BROADCAST, source, arp(operation, source, sender, target),
                               ethertype=ETH_P_ARP))

    def next_arp(self):
        """(operation, sender's address, target's address) of the next that comes in."""
        while True:
            data = self.next(LONG)
            if data[12:14] == struct.pack("!H", ETH_P_ARP):
                operation, sender, target = struct.unpack("!6xH6x4s6x4s", data[14:42])
                return operation, socket.inet_ntoa(sender), socket.inet_ntoa(target)


def origin(nc, address):
    return [node.findtext("origin") for node in nc.interface("p1").iterfind("ipv4/address")
            if node.findtext("ip") == address]


PROBE = (1, "0.0.0.0", REQUESTED)
ANNOUNCEMENT = (1, REQUESTED, REQUESTED)


def test_probed_for_and_announced(nc, net):
    before = net.dump()
    with Arp(net.far[1], "eth0") as far:
        begin = time.monotonic()
        nc.edit(autoconf(requested=REQUESTED))
        times = []
        for expected in [PROBE] * 3 + [ANNOUNCEMENT] * 2:
            assert far.next_arp() == expected
            times.append(time.monotonic() - begin)
            assert (address_of(net, "p1") is None) == (len(times) < 4)
    # section 9: up to one second, then one to two between probes, two, and two between announcements
    gaps = [later - earlier for earlier, later in zip([0, *times], times)]
    for gap, (least, most) in zip(gaps, [(0, 1), (1, 2), (1, 2), (2, 2), (2, 2)]):
        assert least - 0.1 <= gap <= most + 0.5, gaps
    assert address_of(net, "p1") == REQUESTED
    assert origin(nc, REQUESTED) == ["random"]
    net.far[1].ip("address add 169.254.8.8/16 dev eth0")
    assert net.far[1].pings(REQUESTED)
    nc.edit(without())
    assert address_of(net, "p1") is None
    assert differences(before, net.dump()) == []


def test_chosen_by_the_link(nc, net):
    """Without a request, one of those that are allowed, and the same again."""
    nc.edit(autoconf())
    first = wait_bound(net)
    assert ipaddress.ip_address("169.254.1.0") <= ipaddress.ip_address(first) <= \
        ipaddress.ip_address("169.254.254.255")
    nc.edit(without())
    nc.edit(autoconf())
    assert wait_bound(net) == first
    nc.edit(autoconf("p2"))
    assert wait_bound(net, "p2") != first
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**without(), **REFUSED})
    assert address_of(net, "p1") == first  # at once, without probing anew
    with Arp(net.far[1], "eth0") as port:
        port.send_arp(2, first, "169.254.8.8")
        assert port.next_arp() == (1, first, first)
    nc.edit(autoconf(requested=REQUESTED))  # another wish
    wait(net, lambda: address_of(net, "p1") == REQUESTED, "the one requested")


def test_taken_address(nc, net):
    """Whoever has the address answers the probe; whoever probes for it counts too."""
    far = net.far[1]
    far.ip(f"address add {REQUESTED}/16 dev eth0")
    nc.edit(autoconf(requested=REQUESTED))
    second = wait_bound(net)
    assert second != REQUESTED
    assert far.pings(second)
    nc.edit(without())
    far.ip(f"address del {REQUESTED}/16 dev eth0")
    with Arp(far, "eth0") as port:
        nc.edit(autoconf(requested=REQUESTED))
        assert port.next_arp() == PROBE
        port.send_arp(1, "0.0.0.0", REQUESTED)
        assert wait_bound(net) == second  # the first of the link's own
    nc.edit(without())
    # after ten conflicts no more than one address a minute is tried
    with Arp(net.far[1], "eth0") as port:
        nc.edit(autoconf())
        tried, times = [], []
        while len(tried) < 11:
            _, sender, target = port.next_arp()
            if sender == "0.0.0.0" and target not in tried:
                tried.append(target)
                times.append(time.monotonic())
                port.send_arp(2, target, target)
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        assert max(gaps[:-1]) < 59 < gaps[-1]


def test_two_devices_want_the_same(nc, net, tmp_path):
    """One of them gets it, or none; in the end each has its own."""
    other_net = net.far[1]
    other = Daemon(other_net, tmp_path / "other", config.interfaces(
        config.interface("eth0", "ethernet"))).start()
    try:
        with other.local() as session:
            nc.request(edit_of(autoconf(requested=REQUESTED)))
            session.edit(autoconf("eth0", REQUESTED))
            nc.reply()
            ours, theirs = wait_bound(net), wait_bound(other_net, "eth0")
            assert ours != theirs
            assert net.pings(theirs)
    finally:
        other.close()


def edit_of(data):
    return ("<edit-config><target><running/></target><config>" + config.to_xml(data) +
            "</config></edit-config>")


def test_defence(nc, net):
    nc.edit(autoconf(requested=REQUESTED))
    wait_bound(net)
    with Arp(net.far[1], "eth0") as port:
        while port.next_arp() != ANNOUNCEMENT:
            pass
        for _ in range(2):  # one conflict in ten seconds is answered
            port.send_arp(1, REQUESTED, REQUESTED)
            assert port.next_arp() == ANNOUNCEMENT
            time.sleep(11)
        assert address_of(net, "p1") == REQUESTED
        # our own packets, as a loop in the network brings them back, are none
        own = net.link("p1")["address"]
        for _ in range(3):
            port.send_arp(1, REQUESTED, REQUESTED, source=own)
        # nor are those of others that want it: the kernel tells them that it is taken
        port.send_arp(1, "0.0.0.0", REQUESTED)
        assert port.next_arp()[:2] == (2, REQUESTED)
        time.sleep(11)
        assert address_of(net, "p1") == REQUESTED
        port.send_arp(2, REQUESTED, "169.254.8.8")
        assert port.next_arp() == ANNOUNCEMENT
        port.send_arp(2, REQUESTED, "169.254.8.8")
        other = wait_bound(net, but=REQUESTED)
        assert other != REQUESTED


def test_restart_goes_on(daemon, net):
    with daemon.local() as session:
        session.edit(autoconf())
        # not the first of the sequence, which a new beginning would come to
        with Arp(net.far[1], "eth0") as port:
            _, _, first = port.next_arp()
            port.send_arp(1, "0.0.0.0", first)
            address = wait_bound(net)
            assert address != first
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert address_of(net, "p1") == address
    with Arp(net.far[1], "eth0") as port:
        port.send_arp(2, address, "169.254.8.8")
        assert port.next_arp() == (1, address, address)
    # nobody wants it any more when the daemon comes back
    daemon.startup_file.write_text(config.to_json(STARTUP))
    daemon.reboot()
    wait(net, lambda: address_of(net, "p1") is None, "its end")


def test_only_with_a_carrier(nc, net):
    nc.edit(autoconf())
    address = wait_bound(net)
    net.far[1].ip("link set eth0 down")
    wait(net, lambda: address_of(net, "p1") is None, "its end")
    net.far[1].ip("link set eth0 up")
    assert wait_bound(net) == address
    nc.edit(config.interfaces({"name": "p1", "enabled": False}))
    wait(net, lambda: address_of(net, "p1") is None, "its end")
    nc.edit(config.interfaces({"name": "p1", "enabled": True}))
    assert wait_bound(net) == address
    net.ip(f"address del {address}/16 dev p1")
    assert wait_bound(net) == address
    # the port goes, and another comes in its place
    net.unplug(1)
    wait(net, lambda: net.link("p1") is None, "its end")
    net.plug(1)
    wait_bound(net)
