"""A great many routes of somebody else's."""

import socket
import struct

from .network import inside


def prefix(number):
    """Neighbouring networks of four addresses each."""
    return socket.inet_ntoa(struct.pack(">I", (11 << 24) + number * 4)) + "/30"


def insert(net, count, link="br0"):
    """So many routes to prefix(0 …) of somebody else's, as fast as the kernel takes them."""
    with inside(net.name):
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        index = socket.if_nametoindex(link)

    def message(number, is_last):
        # RTM_NEWROUTE, created, the last of a batch acknowledged; table main, protocol 77
        return struct.pack("=IHHIIBBBBBBBBIHHIHHI", 44, 24, 0x601 + 4 * is_last, number, 0,
                           socket.AF_INET, 30, 0, 0, 254, 77, 253, 1, 0,
                           8, 1, socket.htonl((11 << 24) + number * 4), 8, 4, index)

    with kernel:
        for first in range(0, count, 300):
            last = min(first + 300, count) - 1
            kernel.send(b"".join(message(number, number == last)
                                 for number in range(first, last + 1)))
            assert struct.unpack_from("=i", kernel.recv(4096), 16)[0] == 0
