"""Every netlink message of a namespace, seen from outside the daemon (needs nlmon: in guests)."""

import socket
import struct

from .frames import ETH_P_ALL
from .network import inside

NLM_F_REQUEST = 1
SO_RCVBUFFORCE = 33
NETLINK_ROUTE = 0
RTM_BASE = 16


class Watch:
    """From its making on, which requests of rtnetlink the kernel was sent."""

    def __init__(self, namespace):
        self.namespace = namespace
        namespace.ip("link add nlmon0 type nlmon")
        namespace.ip("link set nlmon0 up")
        with inside(namespace.name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self.socket.bind(("nlmon0", ETH_P_ALL))
        self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()
        self.namespace.ip("link del nlmon0")

    def requests(self):
        """(message type, sender's port) of each request since the last call.

        The kernel's own messages pass here, too, but do not carry the flag.
        """
        found = []
        while True:
            try:
                data, address = self.socket.recvfrom(1 << 20)
            except BlockingIOError:
                return found
            if address[1] != NETLINK_ROUTE:
                continue
            while len(data) >= 16:
                size, kind, flags, _, port = struct.unpack("=IHHII", data[:16])
                if flags & NLM_F_REQUEST and kind >= RTM_BASE:
                    found.append((kind, port))
                data = data[max(16, (size + 3) & ~3):]

    def changes(self):
        """How many requests since the last call would modify something: new, delete, set.

        rtnetlink numbers its messages in fours: new, delete, get, set.
        """
        return sum(kind % 4 != 2 for kind, _ in self.requests())
