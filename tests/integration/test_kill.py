"""Killed at any moment, the daemon comes back to what it has acknowledged; traffic never notices."""

import contextlib
import os
import random
import re
import select
import subprocess
import threading

import pytest

from ashlar import config
from ashlar.netconf import Closed, RpcError
from ashlar.netlink import Watch
from ashlar.network import differences

pytestmark = pytest.mark.kernel

ROUNDS = 100
SEED = int(os.environ.get("ASHLAR_SEED", random.SystemRandom().randrange(1 << 32)))


def number_edit(own, count):
    """An edit that writes COUNT in several places: two descriptions, an address, a route."""
    first, second = own["ports"]
    return {
        **config.interfaces(
            {"name": first, "description": f"{count}"},
            {"name": second, "description": f"{count}"},
            {"name": "br0", "ietf-ip:ipv4": {"address": [
                {"ip": address(own, count - 1), "prefix-length": 32, "@operation": "remove"},
                {"ip": address(own, count), "prefix-length": 32}]}}),
        "ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [{
            "type": "infix-routing:static", "name": "default", "static-routes": {
                "ietf-ipv4-unicast-routing:ipv4": {"route": [
                    {"destination-prefix": route(own, count - 1), "@operation": "remove"},
                    {"destination-prefix": route(own, count),
                     "next-hop": {"next-hop-address": "192.0.2.200"}}]}}}]}},
    }


def address(own, count):
    return f"10.{own['net']}.{count >> 8 & 255}.{count & 255}"


def route(own, count):
    return f"172.{own['net']}.{count & 255}.0/24"


OWN = [{"net": 16, "ports": ("p1", "p2")}, {"net": 17, "ports": ("p3", "p4")}]


class Client(threading.Thread):
    """Edits as fast as it can until the daemon goes; knows what was acknowledged."""

    def __init__(self, daemon, own, count):
        super().__init__()
        self.daemon, self.own = daemon, own
        self.acknowledged = self.asked = count
        self.first = threading.Event()
        self.refused = None
        self.start()

    def run(self):
        with contextlib.suppress(Closed, OSError), self.daemon.local() as session:
            while True:
                self.asked = self.acknowledged + 1
                try:
                    session.edit(number_edit(self.own, self.asked))
                except RpcError as refused:
                    self.refused = refused
                    break
                self.acknowledged = self.asked
                self.first.set()
        self.first.set()


def numbers_in_configuration(session, own):
    """Every number that the configuration holds for a client: all should be the same."""
    data = session.get_config()
    found = {entry.findtext("description") for entry in data.iterfind("interfaces/interface")
             if entry.findtext("name") in own["ports"]}
    found |= {str((int(third) << 8) + int(fourth)) for third, fourth in (
        node.text.split(".")[2:] for node in data.iterfind("interfaces/interface/ipv4/address/ip")
        if node.text.startswith(f"10.{own['net']}."))}
    routes = {node.text for node in data.iter("destination-prefix")
              if node.text.startswith(f"172.{own['net']}.")}
    return {int(text or 0) for text in found}, routes


def numbers_in_kernel(net, own):
    found = {net.link(port).get("ifalias") for port in own["ports"]}
    found |= {str((int(third) << 8) + int(fourth)) for third, fourth in (
        text.split("/")[0].split(".")[2:] for text in net.addresses("br0")
        if text.startswith(f"10.{own['net']}."))}
    routes = {entry["dst"] for entry in net.ip_json("-4 route show")
              if entry["dst"].startswith(f"172.{own['net']}.")}
    return {int(text or 0) for text in found}, routes


@contextlib.contextmanager
def ping(source, target):
    """Pings without end; at the end, not one may be lost."""
    process = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{source.name}", "--", "ping", "-i", "0.01", target],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        first = process.stdout.readline() + process.stdout.readline()
        assert "ttl" in first, first
        # read what it says, or it would stop when the pipe is full
        said = []
        reader = threading.Thread(target=lambda: said.extend(process.stdout))
        reader.start()
        yield
    finally:
        process.send_signal(2)
        process.wait()
        reader.join()
    summary = re.search(r"(\d+) packets transmitted, (\d+) received", "".join(said))
    sent, received = map(int, summary.groups())
    # the one that is on its way when it is told to end
    assert received >= sent - 1, summary[0]


@pytest.mark.timeout(900)
def test_kill_at_random_moments(net, make_daemon):
    print(f"ASHLAR_SEED={SEED}")
    moments = random.Random(SEED)
    daemon = make_daemon(net, config.switch(net.ports)).start()
    for number in 1, 2:
        net.far[number].ip(f"address add 192.0.2.{100 + number}/24 dev eth0")
    net.wait_up("br0", *net.ports)
    counts = [0, 0]
    with ping(net.far[1], "192.0.2.102"):
        for at in range(ROUNDS):
            clients = [Client(daemon, own, count) for own, count in zip(OWN, counts)]
            for client in clients:
                client.first.wait()
            select.select([], [], [], moments.uniform(0, 0.03))
            daemon.kill()
            for client in clients:
                client.join()
                assert client.refused is None, (at, SEED, client.refused)
            daemon.start()
            with daemon.local() as session:
                for which, client in enumerate(clients):
                    numbers, routes = numbers_in_configuration(session, client.own)
                    assert len(numbers) == 1, (at, SEED, numbers)
                    (counts[which],) = numbers
                    assert counts[which] in (client.acknowledged, client.asked), (at, SEED)
                    if counts[which]:
                        assert routes == {route(client.own, counts[which])}, (at, SEED)
                    assert numbers_in_kernel(net, client.own) == (numbers, routes), (at, SEED)
    assert min(counts) > ROUNDS


def test_restart_changes_nothing(net, daemon, nc):
    """... in the kernel, whichever way the daemon ended."""
    nc.edit(number_edit(OWN[0], 1))
    nc.edit(config.interfaces(
        {"name": "br0", **config.ipv6("2001:db8::1/64"), "description": "a bridge"},
        config.veth("va", "vb", **config.ipv4("198.51.100.1/24")),
        config.veth("vb", "va", infix_interfaces__custom_phys_address={
            "static": "02:00:00:00:00:42"}),
    ))
    net.wait_up("br0", *net.ports, "va", "vb")
    before = net.dump()
    for stop in daemon.kill, daemon.stop:
        stop()
        daemon.start()
        assert daemon.start_changes() == 0
        assert differences(before, net.dump()) == []
    # a boot that finds the kernel as startup wants it would be the same; here it takes things back
    with daemon.local() as session:
        session.copy("running", "startup")
    daemon.reboot()
    assert daemon.start_changes() == 0


@pytest.mark.guest
def test_restart_sends_nothing_that_modifies(net, make_daemon):
    """The same, counted by somebody else."""
    startup = config.switch(net.ports)
    daemon = make_daemon(net, startup).start()
    with daemon.local() as session:
        session.edit(config.interfaces(
            {"name": "br0", "infix-interfaces:bridge": {"vlans": {"vlan": [
                config.vlan(20, ["p1", "br0"], ["p2"])]}}},
            {"name": "p2", "infix-interfaces:bridge-port": {"pvid": 20}},
            {"name": "br0.20", "type": "infix-if-type:vlan", **config.ipv4("198.51.100.1/24"),
             "infix-interfaces:vlan": {"id": 20, "lower-layer-if": "br0"}}))
    net.wait_up("br0", *net.ports, "br0.20")
    before = net.dump()
    with Watch(net) as watch:
        for stop in daemon.kill, daemon.stop:
            stop()
            watch.requests()
            daemon.start()
            assert watch.changes() == 0
            assert daemon.start_changes() == 0
    assert differences(before, net.dump()) == []


def test_restart_repairs_what_changed_meanwhile(net, daemon, nc):
    nc.edit(config.interfaces({"name": "p1", "description": "mine"}))
    net.wait_up("br0", *net.ports)
    before = net.dump()
    daemon.kill()
    net.ip("link set p1 alias theirs")
    net.ip("link set p2 nomaster")
    net.ip("address del 192.0.2.1/24 dev br0")
    daemon.start()
    assert daemon.start_changes() > 0
    net.wait_up("br0", *net.ports)
    assert differences(before, net.dump()) == []


def test_an_edit_in_the_journal_only(net, daemon, nc):
    """What was written to the journal but never reached the kernel is made so."""
    nc.edit(config.interfaces({"name": "p1", "description": "kept"}))
    daemon.kill()
    net.ip("link set p1 alias lost")
    daemon.start()
    assert net.link("p1")["ifalias"] == "kept"


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_torn_journal(net, daemon, nc, cut):
    """The end of a record that never came whole is no record; those before it are."""
    nc.edit(config.interfaces({"name": "p1", "description": "first"}))
    nc.edit(config.interfaces({"name": "p1", "description": "second"}))
    daemon.kill()
    (journal,) = [path for path in daemon.run_dir.iterdir() if "journal" in path.name]
    data = journal.read_bytes()
    journal.write_bytes(data[:-cut])
    daemon.start()
    with daemon.local() as session:
        assert session.interface("p1", "running").findtext("description") == "first"
    assert net.link("p1")["ifalias"] == "first"
