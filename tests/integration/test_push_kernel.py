"""Subscriptions to what the kernel does: RFC 8641 on change, operational."""

import datetime
import os
import signal

import pytest

from ashlar import config
from ashlar.network import until
from ashlar.push import TARGET, YP, call, edits, on_change, one, subtree, update, xpath

pytestmark = pytest.mark.kernel


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def when(message):
    return datetime.datetime.fromisoformat(message[0].text.replace("Z", "+00:00"))


def oper_status(session, number, name):
    """What the next push-change-update leaves of the interface's oper-status; None: does not tell."""
    found = None
    for _, target, value in edits(session, number):
        assert target == TARGET + name or target.startswith(TARGET + name + "/"), target
        if target == TARGET + name:
            found = "gone" if value is None else value.findtext(".//oper-status")
        elif target == TARGET + name + "/oper-status":
            found = value[0].text
    return found


@pytest.mark.covers("notify", of="ethernet")
def test_link(net, daemon, session):
    """8641 3.3, 3.10: a link's state, only of what is subscribed to; the port leaves and is back."""
    net.wait_up("p1")
    number = on_change(session, one("p1"), "operational")
    found = update(session, number)
    assert found.findtext(".//oper-status") == "up" and found.find(".//statistics") is None
    net.unplug(1)
    while oper_status(session, number, "p1") in ("up", None):
        pass
    net.plug(1)
    while oper_status(session, number, "p1") != "up":
        pass


def test_link_replaced(net, daemon, session):
    """A name that another link has by the time it is looked at: the same entry, with other values."""
    net.wait_up("p1")
    number = on_change(session, one("p1"), "operational")
    told = {node.tag: node.text for node in update(session, number).find(".//interface")}
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        net.unplug(1)  # its link goes a while after the namespace that it led to
        until(lambda: net.link("p1") is None, "the port's end")
        net.plug(1)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    changed = {}
    while changed.get("oper-status") != "up" or "if-index" not in changed:
        for operation, target, value in edits(session, number):
            assert target.startswith(TARGET + "p1/"), (operation, target)
            changed[target.rpartition("/")[2].rpartition(":")[2]] = (
                None if value is None else value[0].text)
    assert changed["if-index"] != told["if-index"]
    assert not {"name", "type"} & set(changed)


def test_address(net, daemon, session):
    """8641 3.3: addresses that others give and take."""
    number = on_change(session, one("br0"), "operational")
    update(session, number)
    net.ip("address add 198.51.100.7/24 dev br0")
    changes = edits(session, number)
    assert [op for op, _, _ in changes] == ["create"]
    assert changes[0][1] == TARGET + "br0/ietf-ip:ipv4/address=198.51.100.7"
    assert changes[0][2].findtext("address/prefix-length") == "24"
    net.ip("address del 198.51.100.7/24 dev br0")
    assert [(op, target) for op, target, _ in edits(session, number)] == [
        ("delete", TARGET + "br0/ietf-ip:ipv4/address=198.51.100.7")]


def expect(session, number, operation, targets):
    """Reads on until the operation has been told for all targets, each once."""
    left = set(targets)
    while left:
        for op, target, _ in edits(session, number):
            if op == operation:
                left.remove(target)
    return True


def test_new_link(net, daemon, session):
    """8641 3.3: interfaces that come and go."""
    number = on_change(session, xpath("/if:interfaces/if:interface/if:name"), "operational")
    update(session, number)
    net.ip("link add extra type veth peer name other")
    both = {TARGET + "extra", TARGET + "other"}
    assert expect(session, number, "create", both)
    net.ip("link del extra")
    assert expect(session, number, "delete", both)


# whose changes are told: those that bear our number
OURS = "proto 66"
RIB = "/ietf-routing:routing/ribs/rib="
RIBS = subtree('<routing xmlns="urn:ietf:params:xml:ns:yang:ietf-routing"><ribs/></routing>')


def prefixes(node):
    return [leaf.text for leaf in node.iter("destination-prefix")]


def test_route(net, daemon, session):
    """8641 3.3, 8072: a route has no key: what holds it is replaced, of its own family alone."""
    net.ip(f"route add 198.18.0.0/15 via 192.0.2.77 {OURS}")
    net.settle()
    number = on_change(session, RIBS, "operational")
    four = update(session, number).find(".//{*}rib[name='ipv4']")
    before = prefixes(four)
    net.ip(f"route add 203.0.113.0/24 via 192.0.2.77 {OURS}")
    ((operation, target, value),) = edits(session, number)
    assert (operation, target) == ("replace", RIB + "ipv4/routes")
    assert set(prefixes(value)) == {*before, "203.0.113.0/24"}
    assert [child.tag for child in value] == ["routes"]
    net.ip(f"route del 203.0.113.0/24 via 192.0.2.77 {OURS}")
    ((operation, target, value),) = edits(session, number)
    assert (operation, target) == ("replace", RIB + "ipv4/routes")
    assert prefixes(value) == before
    call(session, "resync-subscription", f"<id>{number}</id>", YP)
    assert prefixes(update(session, number).find(".//{*}rib[name='ipv4']")) == before


def test_route_leaf(net, daemon, session):
    """The same of a part of each route."""
    net.ip(f"route add 198.18.0.0/15 via 192.0.2.77 {OURS}")
    net.settle()
    number = on_change(session, subtree(
        '<routing xmlns="urn:ietf:params:xml:ns:yang:ietf-routing"><ribs><rib><name>ipv4</name>'
        "<routes><route><source-protocol/></route></routes></rib></ribs></routing>"), "operational")
    before = [leaf.text for leaf in update(session, number).iter("source-protocol")]
    net.ip(f"route add 203.0.113.0/24 via 192.0.2.77 {OURS}")
    ((operation, target, value),) = edits(session, number)
    assert (operation, target) == ("replace", RIB + "ipv4/routes")
    found = list(value.iter("route"))
    assert len(found) == len(before) + 1 and all(len(route) == 1 for route in found)


def test_routes_come_and_go(net, nc, session):
    """The last route takes the container with it; the first one brings it."""
    net.settle()
    number = on_change(session, subtree(
        '<routing xmlns="urn:ietf:params:xml:ns:yang:ietf-routing"><ribs><rib>'
        "<name>ipv4</name><routes/></rib></ribs></routing>"), "operational")
    assert prefixes(update(session, number)) == []
    nc.edit(config.routes(("203.0.113.0/24", "192.0.2.77")))
    ((operation, target, value),) = edits(session, number)
    assert (operation, target) == ("create", RIB + "ipv4/routes")
    assert prefixes(value) == ["203.0.113.0/24"]
    nc.edit({"ietf-routing:routing": {"@operation": "delete"}})
    assert [change[:2] for change in edits(session, number)] == [
        ("delete", RIB + "ipv4/routes")]


def test_routes_of_others(net, nc, session):
    """Nobody is told of those: they are read when they are asked for."""
    net.settle()
    number = on_change(session, RIBS, "operational")
    update(session, number)
    net.ip("route add 203.0.113.0/24 via 192.0.2.77")
    nc.edit(config.routes(("198.51.100.0/24", "192.0.2.77")))
    ((operation, target, value),) = edits(session, number)
    assert prefixes(value) == ["198.51.100.0/24"]


def test_many_routes(net, daemon, session):
    """Routes that come one by one are told together: each telling has all, so there must be few."""
    count = 1000
    net.ip(f"route add 198.18.0.0/15 via 192.0.2.77 {OURS}")
    net.settle()
    number = on_change(session, RIBS, "operational")
    update(session, number)
    net.run("ip", "-batch", "-", stdin="".join(
        f"route add 100.64.{i // 250}.{i % 250}/32 via 192.0.2.77 {OURS}\n" for i in range(count)))
    messages, found = 0, []
    while sum(prefix.startswith("100.64.") for prefix in found) < count:
        (*_, (operation, target, value)) = edits(session, number)
        assert (operation, target) == ("replace", RIB + "ipv4/routes")
        found = prefixes(value)
        messages += 1
    assert messages <= count / 10


def test_latency(net, daemon, session):
    """Within 10 ms of the netlink message, as far as the loop goes; measured from the change."""
    number = on_change(session, one("br0"), "operational")
    update(session, number)
    delays = []
    for i in range(20):
        begun = now()
        net.ip(f"address add 198.51.100.{i + 1}/24 dev br0")
        message = session.notification()
        delays.append((when(message) - begun).total_seconds())
    # The command itself takes some milliseconds; sanitizers slow the daemon down.
    assert sorted(delays)[len(delays) // 2] < 0.1, delays
