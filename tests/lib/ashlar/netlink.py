"""Every netlink message of a namespace, seen from outside the daemon (needs nlmon: in guests)."""

import collections
import socket
import struct

from . import wireguard
from .frames import ETH_P_ALL
from .network import inside

NLM_F_REQUEST = 1
SO_RCVBUFFORCE = 33
NETLINK_ROUTE, NETLINK_GENERIC = 0, 16
RTM_BASE = 16
AF_BRIDGE = 7
SOL_PACKET, PACKET_STATISTICS = 263, 6

# rtnetlink numbers its messages in fours
VERBS = "new", "delete", "get", "set"
SUBJECTS = {0: "link", 1: "address", 2: "route", 3: "neighbour", 4: "rule", 17: "mdb",
            22: "nexthop", 23: "altname", 24: "vlan"}
# commands of generic netlink that change something
GENERIC = {"wireguard": {1}, "ethtool": {3, 5, *range(8, 25, 2)}}


def name_of(kind, family):
    """"new link", "set vlan" ...: VLANs of bridges and their entries travel as links and neighbours."""
    subject = SUBJECTS.get((kind - RTM_BASE) // 4, str(kind))
    if family == AF_BRIDGE:
        subject = {"link": "vlan", "neighbour": "fdb"}.get(subject, subject)
    return f"{VERBS[kind % 4]} {subject}"


class Watch:
    """From its making on, which requests the kernel was sent."""

    def __init__(self, namespace):
        self.namespace = namespace
        namespace.ip("link add nlmon0 type nlmon")
        namespace.ip("link set nlmon0 up")
        with inside(namespace.name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind(("nlmon0", ETH_P_ALL))
        self.socket.setblocking(False)
        with wireguard.generic(namespace) as stream:
            self.families = {wireguard.family(stream, name): (name, commands)
                             for name, commands in GENERIC.items()}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()
        self.namespace.ip("link del nlmon0")

    def datagrams(self):
        """(protocol, bytes) of all that passed since the last call; nothing may have been lost."""
        while True:
            try:
                data, address = self.socket.recvfrom(1 << 20)
            except BlockingIOError:
                break
            yield address[1], data
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        _, dropped = struct.unpack("=II", statistics)
        assert not dropped, f"{dropped} were not seen"

    def requests(self):
        """(message type, sender's port) of each request of rtnetlink since the last call.

        The kernel's own messages pass here, too, but do not carry the flag.
        """
        return [(kind, port) for kind, port, _ in self.parsed() if kind is not None]

    def parsed(self):
        """(type, sender's port, name) of each request; of generic netlink only what changes something."""
        found = []
        for protocol, data in self.datagrams():
            while len(data) >= 16:
                size, kind, flags, _, port = struct.unpack("=IHHII", data[:16])
                if not flags & NLM_F_REQUEST:
                    pass
                elif protocol == NETLINK_ROUTE and kind >= RTM_BASE:
                    found.append((kind, port, name_of(kind, data[16])))
                elif protocol == NETLINK_GENERIC and kind in self.families:
                    name, commands = self.families[kind]
                    if data[16] in commands:
                        found.append((None, port, f"set {name}"))
                data = data[max(16, (size + 3) & ~3):]
        return found

    def changes(self):
        """How many requests since the last call would modify something: new, delete, set."""
        return sum(self.counts().values())

    def counts(self):
        """The same by name: {"new link": 2, ...}."""
        return dict(collections.Counter(name for kind, _, name in self.parsed()
                                        if kind is None or kind % 4 != 2))
