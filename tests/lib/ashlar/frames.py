"""Ethernet frames as they are on the wire, VLAN tags included."""

import select
import socket
import struct
import time

from . import DEADLINE
from .network import inside

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
STATUS_VLAN_VALID, STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
PACKET_OUTGOING = 4

# for experiments; no protocol of the kernel answers it (IEEE 802 local experimental)
ETHERTYPE = 0x88B5
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def frame(destination, source, payload, vlans=(), ethertype=ETHERTYPE):
    """VLANS are ids, outermost first, or pairs (tag protocol, id)."""
    tags = b"".join(struct.pack("!HH", *(tag if isinstance(tag, tuple) else (0x8100, tag)))
                    for tag in vlans)
    whole = mac(destination) + mac(source) + tags + struct.pack("!H", ethertype) + payload
    return whole.ljust(60, b"\0")


def vlans_of(data):
    """The ids of a frame's tags, outermost first."""
    result = []
    at = 12
    while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        result.append(struct.unpack("!H", data[at + 2:at + 4])[0] & 0xFFF)
        at += 4
    return result


class Port:
    """Sends and receives frames on one link of a namespace."""

    def __init__(self, namespace, link):
        with inside(namespace.name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((link, ETH_P_ALL))
        self.mac = ":".join(f"{byte:02x}" for byte in self.socket.getsockname()[4])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, payload, vlans=(), destination=BROADCAST):
        self.socket.send(frame(destination, self.mac, payload, vlans))

    def receive(self):
        """The next frame that came in, with the tag that the kernel had taken off put back."""
        data, control, _, address = self.socket.recvmsg(65536, 1024)
        if address[2] == PACKET_OUTGOING:
            return None
        for level, kind, value in control:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
            if status & STATUS_VLAN_VALID:
                tpid = tpid if status & STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data

    def next(self, timeout=DEADLINE):
        """The next frame that comes in."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.socket], [], [], left)[0], "no frame"
            if data := self.receive():
                return data

    def until(self, mark, timeout=DEADLINE):
        """(VLAN ids, payload) of each frame that came, up to the first with MARK."""
        end = time.monotonic() + timeout
        found = []
        while True:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.socket], [], [], left)[0], \
                f"no frame with {mark!r} within {timeout} s, but {found}"
            data = self.receive()
            if data is None:
                continue
            vlans = vlans_of(data)
            head = 12 + 4 * len(vlans)
            if data[head:head + 2] != struct.pack("!H", ETHERTYPE):
                continue
            payload = data[head + 2:]
            if payload.startswith(mark):
                return [*found, (vlans, mark)]
            found.append((vlans, payload.rstrip(b"\0")))

    def expect(self, payload, timeout=DEADLINE):
        """VLAN ids of the first frame with PAYLOAD, and the payloads that came before it.

        To show that a frame does not arrive, send one after it that does, and expect that one.
        """
        *before, (vlans, _) = self.until(payload, timeout)
        return vlans, [data for _, data in before]


class Wire:
    """Both ends of every cable of a bridge."""

    def __init__(self, net, stack):
        self.far = {f"p{number}": stack.enter_context(Port(far, "eth0"))
                    for number, far in net.far.items()}
        self.near = {name: stack.enter_context(Port(net, name)) for name in self.far}
        self.sent = 0

    def send(self, name, vlans=(), destination=BROADCAST):
        """Sends a frame into the port; {where it comes out: its VLAN ids there}.

        Each port is sent a mark by itself afterwards: what has not come before that does not come.
        """
        self.sent += 1
        payload, mark = f"frame {self.sent}.".encode(), f"mark {self.sent}.".encode()
        self.far[name].send(payload, vlans, destination)
        came = {}
        for other, near in self.near.items():
            near.send(mark)
            for ids, data in self.far[other].until(mark):
                if data == payload:
                    came[other] = ids
        self.look_further(payload, mark, came)
        return came

    def look_further(self, payload, mark, came):
        """Where else the frame may have come out."""
