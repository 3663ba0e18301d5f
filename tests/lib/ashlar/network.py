"""Network namespaces with ports, and waiting for what the kernel does in them."""

import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import select
import socket
import subprocess
import time

from . import DEADLINE

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

# rtnetlink groups whose messages may make a condition come true (linux/rtnetlink.h)
GROUPS = (1, 3, 5, 7, 9, 11, 26)  # link, neigh, IPv4 address, route, IPv6 address, route, MDB
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1

# what differs between two looks at the same links although nothing was configured
FLEETING = {
    "stats", "stats64", "valid_life_time", "preferred_life_time", "fdb_n_learned", "age", "used",
    "updated",
    # tunnels over IPv6 have one by chance, and nobody can give it
    "permaddr",
    # what LACP finds out
    "ad_actor_oper_port_state", "ad_actor_oper_port_state_str", "ad_partner_oper_port_state",
    "ad_partner_oper_port_state_str", "ad_aggregator_id", "ad_info",
}


def run(*command, stdin=None):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
    return done.stdout


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(name):
    """Sockets that this thread opens, and /proc/sys/net, belong to the named namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as there:
        setns(there.fileno())
        try:
            yield
        finally:
            setns(home.fileno())


def until(condition, what, timeout=DEADLINE, pace=0.02):
    """The first true value of condition(); for what gives no event to wait for."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        select.select([], [], [], pace)
    return value


def steady(value):
    """VALUE without its fleeting parts, for comparing two dumps."""
    if isinstance(value, dict):
        # which port of a link aggregate carries traffic is for LACP to find out
        fleeting = FLEETING | {"state"} if "ad_aggregator_id" in value else FLEETING
        return {key: steady(part) for key, part in value.items()
                if key not in fleeting and not key.endswith("_timer")}
    if isinstance(value, list):
        return [steady(part) for part in value]
    return value


def differences(one, other, where=""):
    """What differs between two dumps, one line each."""
    if type(one) is type(other) is dict:
        return [line for key in sorted({*one, *other})
                for line in differences(one.get(key), other.get(key), f"{where}/{key}")]
    if type(one) is type(other) is list and len(one) == len(other):
        return [line for at, pair in enumerate(zip(one, other))
                for line in differences(*pair, f"{where}[{at}]")]
    return [] if one == other else [f"{where}: {one!r} was not {other!r}"]


class Namespace:
    """A named network namespace with loopback up."""

    def __init__(self, name):
        self.name = name
        with open("/run/lock/ashlar-tests", "w") as lock:
            # the first `ip netns add` on a machine makes /run/netns a mount of its own
            fcntl.flock(lock, fcntl.LOCK_EX)
            run("ip", "netns", "add", name)
        with inside(name):
            for scope in "all", "default":
                with open(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad", "w") as knob:
                    knob.write("0")
        self.ip("link set lo up")

    def close(self):
        run("ip", "netns", "del", self.name)

    def run(self, *command, stdin=None):
        return run("nsenter", f"--net=/run/netns/{self.name}", "--", *command, stdin=stdin)

    def ip(self, words):
        return run("ip", "-n", self.name, *words.split())

    def ip_json(self, words):
        """Data of `ip -j WORDS`, an empty list where it prints nothing."""
        return json.loads(self.ip("-j " + words) or "[]")

    def bridge_json(self, words):
        return json.loads(run("bridge", "-n", self.name, "-j", *words.split()) or "[]")

    def link(self, name):
        """What `ip -d link show NAME` knows, None when there is no such link."""
        found = [link for link in self.ip_json("-d link show") if link.get("ifname") == name]
        return found[0] if found else None

    def addresses(self, name):
        """The link's addresses as "192.0.2.1/24", without link-local ones of IPv6."""
        links = self.ip_json("address show")
        return sorted(f"{address['local']}/{address['prefixlen']}"
                      for link in links if link.get("ifname") == name
                      for address in link["addr_info"]
                      if (address["family"], address["scope"]) != ("inet6", "link"))

    def vlans(self, name):
        """The bridge port's VLANs: {vid: set of flags}."""
        result = {}
        for port in self.bridge_json("vlan show"):
            if port.get("ifname") != name:
                continue
            for vlan in port["vlans"]:
                for vid in range(vlan["vlan"], vlan.get("vlanEnd", vlan["vlan"]) + 1):
                    result[vid] = set(vlan.get("flags", []))
        return result

    def dump(self):
        """All that configuration can reach, comparable with another dump."""
        self.settle()

        def permanent(entries):
            # without the groups that links join by themselves
            return sorted((entry for entry in entries if entry.get("state") == "permanent"
                           and entry["mac"][:5] not in ("01:00", "33:33")), key=json.dumps)

        return steady({
            "links": self.ip_json("-d link show"),
            "addresses": self.ip_json("address show"),
            "routes": sorted(self.ip_json("-4 route show table all") +
                             self.ip_json("-6 route show table all"), key=json.dumps),
            "vlans": self.bridge_json("vlan show"),
            "fdb": permanent(self.bridge_json("fdb show")),
        })

    def settle(self):
        """Gives links that are up the time that the kernel takes to tell of their carrier."""
        def quiet():
            return all(link.get("operstate", "UP") in ("UP", "UNKNOWN")
                       for link in self.ip_json("link show up"))

        with contextlib.suppress(AssertionError):  # one whose other end is down stays without
            self.wait(quiet, "carrier", timeout=1.5)

    def wait(self, condition, what, timeout=DEADLINE, pace=0.2):
        """The first true value of condition(), asked again after each event of rtnetlink.

        VLANs of bridge ports and sysctls change without an event on some kernels: it is asked every
        PACE seconds as well.
        """
        end = time.monotonic() + timeout
        with inside(self.name):
            events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        with events:
            events.bind((0, 0))
            for group in GROUPS:
                events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
            events.setblocking(False)
            while not (value := condition()):
                left = end - time.monotonic()
                assert left > 0, f"not within {timeout} s: {what}"
                select.select([events], [], [], min(left, pace))
                with contextlib.suppress(BlockingIOError, OSError):
                    while events.recv(65536):
                        pass
        return value

    def wait_up(self, *names):
        """Waits until the links have a carrier and know it, which takes them a moment."""
        return self.wait(lambda: all((link := self.link(name)) and link["operstate"] == "UP"
                                     for name in names), f"{', '.join(names)} up")

    def pings(self, address):
        """Whether one of a few echo requests to ADDRESS is answered."""
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", "--", "ping", "-q", "-c", "3", "-i", "0.1",
             "-W", "1", address], capture_output=True, timeout=120).returncode == 0

    def connect(self, address, port, timeout=DEADLINE, room=None):
        """A TCP connection from within the namespace, without Nagle's delay."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self.name):
            stream = socket.socket(family, socket.SOCK_STREAM)
        stream.settimeout(timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if room:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        stream.connect((address, port))
        return stream

    def listen(self, address, port=0):
        """A socket in the namespace that waits for connections."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self.name):
            waiting = socket.socket(family, socket.SOCK_STREAM)
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        waiting.settimeout(DEADLINE)
        waiting.bind((address, port))
        waiting.listen(16)
        return waiting


class Net(Namespace):
    """The device's namespace with ports p1, p2 ..., and a namespace behind each of them.

    What is plugged into port N is `net.far[N]`, a namespace whose end of the cable is called eth0.
    """

    numbers = itertools.count(1)

    def __init__(self, ports=4):
        super().__init__(f"ash{os.getpid()}-{next(Net.numbers)}")
        self.ports = [f"p{number}" for number in range(1, ports + 1)]
        self.far = {}
        try:
            for number in range(1, ports + 1):
                self.plug(number)
        except BaseException:
            self.close()
            raise

    def plug(self, number):
        far = self.far[number] = Namespace(f"{self.name}-{number}")
        self.ip(f"link add p{number} type veth peer name eth0 netns {far.name}")
        far.ip("link set eth0 up")

    def unplug(self, number):
        self.far.pop(number).close()

    def close(self):
        for far in self.far.values():
            far.close()
        self.far = {}
        super().close()


def processor_count():
    return len(os.sched_getaffinity(0))
