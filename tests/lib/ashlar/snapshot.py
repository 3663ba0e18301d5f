"""All that the kernel has in a namespace, by netlink: quick to read, and comparable.

Compared is every attribute that the kernel tells, but for those listed here as passing: what is
measured, chosen by chance or told late. So what is configured anew is compared without a word here.
"""

import contextlib
import select
import socket
import struct
import time

from . import DEADLINE
from .network import inside
from .wireguard import device

NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 1, 0x300, 0x10
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETMDB, RTM_GETVLAN = \
    18, 22, 26, 30, 86, 114
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_GET_STRICT_CHK = 270, 1, 12
SO_RCVBUFFORCE = 33
AF_UNSPEC, AF_INET, AF_BRIDGE, AF_INET6 = 0, socket.AF_INET, 7, socket.AF_INET6
RTEXT_FILTER_SKIP_STATS = 8
NUD_NOARP, NUD_PERMANENT = 0x40, 0x80
IFF_LOWER_UP, OPER_UNKNOWN, OPER_UP = 0x10000, 0, 6
IFF_UP, IFF_PASSING = 1, 0x40 | 0x10000 | 0x20000 | 0x40000  # running, lower up, dormant, echo
RTNH_F_PASSING = 1 | 16 | 8 | 64 | 0x4000  # dead, link down, offloaded ...
IFA_F_PASSING = 0x01 | 0x08 | 0x40  # secondary, failed DAD, tentative
GROUPS = (1, 3, 5, 7, 9, 11, 26, 33)  # events after which to look again
RTPROT_KERNEL = 2
KERNEL_LL = b"\x03"  # IFA_PROTO of link-local addresses that the kernel makes

# Attributes, by number.
LINK = {1: "mac", 2: "broadcast", 3: "name", 4: "mtu", 5: "link", 10: "master", 13: "txqueuelen",
        17: "linkmode", 18: "info", 20: "alias", 26: "ip", 27: "group", 30: "promiscuity",
        37: "netnsid", 39: "protodown", 50: "min_mtu", 51: "max_mtu", 52: "names", 61: "allmulti"}
LINK_PASSING = {
    6,  # queueing discipline: stays when the link goes down, is not there before it came up
    7, 14, 16, 23, 33, 35, 47, 48, 44, 43,  # statistics, carrier, its changes
    40, 41, 58, 59, 60, 63, 64,  # sizes for offloading: of the hardware
    68, 69,  # room that is kept before and behind frames
    31, 32,  # queues, as many as processors
    54,  # permanent address: tunnels over IPv6 have one by chance
}
DATA_PASSING = {
    "bridge": {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 47, 48},  # spanning tree's and others' state
    "bond": {2, 23},  # active port, aggregator
}
SLAVE_PASSING = {
    # state, identifiers, timers, numbers; what a link costs is measured when it has a carrier
    "bridge": {1, 3, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 38, 41},
    "bond": {1, 2, 3, 4, 6, 7, 8},
}
STP, AGEING, OFF = "bridge 5", "bridge 4", "00000000"
# what has a MAC address by chance: of ports their maker has chosen it
KINDS_BY_CHANCE = {"dummy", "veth", "vxlan", "gretap", "ip6gretap", "bond"}
ROUTE_PASSING = {12}  # age
VLAN_ENTRY_PASSING = {3, 4, 6}  # state, statistics, port's group count


def attributes(data, at=0):
    """[(type, payload)]."""
    found, end = [], len(data)
    while at + 4 <= end:
        size, kind = struct.unpack_from("=HH", data, at)
        found.append((kind & 0x3FFF, data[at + 4:at + size]))
        at += (size + 3) & ~3
    return found


def numbers(data):
    return tuple(struct.unpack(f"={len(data) // 4}i", data[:len(data) & ~3]))


def text(data):
    return data.rstrip(b"\0").decode(errors="replace")


def u32(data):
    return struct.unpack("=I", data[:4])[0]


def address_text(data):
    if len(data) == 4:
        return socket.inet_ntop(AF_INET, data)
    return socket.inet_ntop(AF_INET6, data) if len(data) == 16 else data.hex(":")


def is_link_local(data):
    return len(data) == 16 and data[0] == 0xFE and data[1] & 0xC0 == 0x80


class Link:
    """One link as the kernel tells of it, without what passes; numbers of links are still numbers."""

    def __init__(self, payload):
        _, _, self.arptype, self.index, flags, _ = struct.unpack_from("=BBHiII", payload)
        self.flags = flags & ~IFF_PASSING
        self.kind, self.slave_kind, self.lower, self.master = "", "", 0, 0
        self.mac = b""
        self.is_elsewhere = False  # what it is linked with is in another namespace
        self.known = {"index": self.index, "arptype": self.arptype, "flags": hex(self.flags)}
        for number, data in attributes(payload, 16):
            if number not in LINK_PASSING:
                self.take(number, data)
        del self.known["name"]
        if not self.flags & IFF_UP:  # is taken back when it comes up again
            del self.known["promiscuity"]
        else:  # how often depends on the order in which links above have asked for it
            self.known["promiscuity"] = bool(self.known["promiscuity"])
        if self.known.get(STP, OFF) != OFF:  # shorter for some time after a change
            self.known.pop(AGEING, None)

    def take(self, number, data):
        name = LINK.get(number, f"attribute {number}")
        if number == 3:
            self.name = text(data)
            self.known[name] = self.name
        elif number == 1:
            self.mac = data
        elif number == 5:
            self.lower = u32(data)
        elif number == 10:
            self.master = u32(data)
        elif number == 37:
            self.is_elsewhere = True
        elif number == 18:
            self.take_info(data)
        elif number == 26:
            self.take_ip(data)
        elif number == 52:
            self.known[name] = sorted(self.alternative(part) for _, part in attributes(data))
        elif number == 27:
            self.known[name] = hex(u32(data))
        elif len(data) == 4 and number not in (2, 20):
            self.known[name] = u32(data)
        elif number == 20:
            self.known[name] = text(data)
        elif number != 2 or len(data) != 6:
            self.known[name] = data.hex()

    @staticmethod
    def alternative(data):
        """The mark that the daemon gives a port names its number and address, too."""
        name = text(data)
        return name[:10] if name.startswith("ashlar+") else name

    def take_info(self, data):
        parts = dict(attributes(data))
        self.kind, self.slave_kind = (text(parts.get(number, b"")) for number in (1, 4))
        self.known["kind"], self.known["slave kind"] = self.kind, self.slave_kind
        for number, what, passing in (
                (2, self.kind, DATA_PASSING.get(self.kind, ())),
                (5, f"port of {self.slave_kind}", SLAVE_PASSING.get(self.slave_kind, ()))):
            for attribute, value in attributes(parts.get(number, b"")):
                if attribute not in passing:
                    self.known[f"{what} {attribute}"] = value.hex()

    def take_ip(self, data):
        for family, part in attributes(data):
            for number, value in attributes(part):
                if family == AF_INET and number == 1:
                    self.known["ipv4 conf"] = numbers(value)
                elif family == AF_INET6 and number == 2:
                    self.known["ipv6 conf"] = numbers(value)
                elif family == AF_INET6 and number in (7, 8):
                    self.known[f"ipv6 {number}"] = value.hex()


class Kernel:
    """Reads a namespace again and again; what has not changed is not parsed again."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.parsed = {}
        with inside(namespace.name):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self.events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self.events.bind((0, 0))
        for group in GROUPS:
            with contextlib.suppress(OSError):
                self.events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        self.events.setblocking(False)

    def close(self):
        self.socket.close()
        self.events.close()

    # --- asking -------------------------------------------------------------------------------

    def dump(self, kind, body):
        """Payloads of all messages of an answer; none where the kernel has no such thing."""
        request = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        while True:
            self.socket.send(request + body)
            found, is_whole = self.answer()
            if is_whole:
                return found

    def answer(self):
        found, is_whole = [], True
        while True:
            data = self.socket.recv(1 << 17)
            at, end = 0, len(data)
            while at + 16 <= end:
                size, kind, flags = struct.unpack_from("=IHH", data, at)
                is_whole = is_whole and not flags & NLM_F_DUMP_INTR
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return found, is_whole
                found.append(data[at + 16:at + size])
                at += (size + 3) & ~3

    def parse(self, how, payload):
        """how(payload), which the same payload was asked of before mostly."""
        key = (how, payload)
        value = self.parsed.get(key)
        if value is None:
            if len(self.parsed) > 20000:
                self.parsed.clear()
            value = self.parsed[key] = how(payload)
        return value

    def links(self):
        body = struct.pack("=BBHiII", AF_UNSPEC, 0, 0, 0, 0, 0) + \
            struct.pack("=HHI", 8, 29, RTEXT_FILTER_SKIP_STATS)
        links = [self.parse(Link, payload) for payload in self.dump(RTM_GETLINK, body)]
        return {link.index: link for link in links}

    # --- what is comparable -------------------------------------------------------------------

    def read(self):
        """{what: {key: value}}."""
        for _ in self.dump_events():
            pass
        links = self.links()
        names = {index: link.name for index, link in links.items()}
        return {
            "links": {link.name: self.link(link, links, names) for link in links.values()},
            "addresses": dict(self.addresses(names)),
            "routes": self.routes(names, {link.name for link in links.values()
                                          if not link.flags & IFF_UP}),
            "neighbours": dict(self.neighbours(names)),
            "vlans": self.vlans(names),
            "groups": self.groups(names),
            "wireguard": {link.name: device(self.namespace, link.name)
                          for link in links.values() if link.kind == "wireguard"},
        }

    def link(self, link, links, names):
        known = dict(link.known)
        known["mac"], known["origin"] = link.mac.hex(":"), self.origin(link, links)
        known["master"] = names.get(link.master) if link.master else None
        known["lower"] = "elsewhere" if link.is_elsewhere else names.get(link.lower) \
            if link.lower else None
        return known

    @staticmethod
    def origin(link, links):
        """Where its MAC address comes from, unless it was given."""
        ports = [port.mac for port in links.values() if port.master == link.index]
        if len(link.mac) != 6:
            return link.mac.hex()
        if link.kind == "bridge" and ports:
            return "the lowest of its ports" if link.mac == min(ports) else "not of its ports"
        if link.kind == "bridge":
            return "nobody's"  # by chance; none when the last port has left
        if link.kind == "bond" and ports:
            return "of a port" if link.mac in ports else "not of its ports"
        if link.kind == "vlan" and not link.flags & IFF_UP:
            return "of below"  # at the latest when it comes up
        if link.kind == "vlan" and link.lower in links:
            return "of below" if link.mac == links[link.lower].mac else "not of below"
        if link.slave_kind == "bond":
            return "of the bond" if link.mac == links[link.master].mac else "not of the bond"
        return "its own" if link.kind in KINDS_BY_CHANCE else link.mac.hex(":")

    def addresses(self, names):
        for payload in self.dump(RTM_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0)):
            family, length, _, scope, index = struct.unpack_from("=BBBBI", payload)
            parts = dict(attributes(payload, 8))
            address = parts.get(2, parts.get(1))
            if is_link_local(address) and parts.get(11) == KERNEL_LL:
                continue  # made of the MAC address, once there is a carrier
            known = {"scope": scope, "flags": u32(parts.pop(8)) & ~IFA_F_PASSING,
                     "lifetimes": numbers(parts.pop(6))[:2],
                     **{number: data.hex() for number, data in parts.items()}}
            yield (names.get(index), f"{address_text(address)}/{length}"), known

    def routes(self, names, down):
        """How often there is each: an IPv4 address on two links makes two of them.

        The kernel's own of IPv6 on links that are down are there or not: they are made when it comes up.
        """
        found = {}
        for family in AF_INET, AF_INET6:
            body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
            for payload in self.dump(RTM_GETROUTE, body):
                route = self.route(payload, names)
                if route and not (family == AF_INET6 and route[3] == RTPROT_KERNEL and
                                  route[1][0][0] in down):
                    found[route] = found.get(route, 0) + 1
        return found

    def route(self, payload, names):
        family, length, _, tos, _, protocol, scope, kind, flags = \
            struct.unpack_from("=BBBBBBBBI", payload)
        parts = dict(attributes(payload, 12))
        to = parts.pop(1, bytes(4 if family == AF_INET else 16))
        if family == AF_INET6 and (is_link_local(to) or to[0] == 0xFF):
            return None  # made with each link's own address, once it has a carrier
        nexthops = [self.nexthop(parts.pop(4, None), parts.pop(5, None), parts.pop(18, None),
                                 flags, names)] if 9 not in parts else \
            sorted(self.multipath(parts.pop(9), names))
        parts.pop(7, None)  # preferred source: the first address of a prefix
        return (f"{address_text(to)}/{length}", tuple(nexthops), tos, protocol, scope, kind,
                *((number, data.hex()) for number, data in sorted(parts.items())
                  if number not in ROUTE_PASSING))

    def nexthop(self, index, gateway, via, flags, names, weight=0):
        return (names.get(u32(index)) if index else "", address_text(gateway) if gateway else "",
                via.hex() if via else "", flags & ~RTNH_F_PASSING & 0xFF, weight)

    def multipath(self, data, names):
        while len(data) >= 8:
            size, flags, weight, index = struct.unpack_from("=HBBi", data)
            parts = dict(attributes(data[8:size]))
            yield self.nexthop(struct.pack("=i", index), parts.get(5), parts.get(18), flags, names,
                               weight)
            data = data[(size + 3) & ~3:]

    def neighbours(self, names):
        """Permanent ones; and of the forwarding database what somebody gave."""
        for family in AF_INET, AF_INET6, AF_BRIDGE:
            body = struct.pack("=BBHiHBB", family, 0, 0, 0, 0, 0, 0)
            for payload in self.dump(RTM_GETNEIGH, body):
                of, _, _, index, state, flags, kind = struct.unpack_from("=BBHiHBB", payload)
                parts = dict(attributes(payload, 12))
                if of == AF_BRIDGE:
                    if not state & NUD_NOARP and not parts.get(2, b"\1")[0] & 1:
                        continue  # learned, or a port's own
                    if parts.get(2, b"\1")[0] & 1:
                        continue  # a group that a link joins by itself
                elif not state & NUD_PERMANENT:
                    continue
                to = parts.get(2) if of == AF_BRIDGE else parts.get(1)
                vlan = struct.unpack("=H", parts[5])[0] if 5 in parts else 0
                yield (names.get(index), of, to.hex(":") if of == AF_BRIDGE else address_text(to),
                       vlan), (hex(state), hex(flags & ~0x10), kind, parts.get(2, b"").hex(":"))

    def vlans(self, names):
        """{(port, first, last): what is told of them}."""
        found = {}
        for payload in self.dump(RTM_GETVLAN, struct.pack("=BBHI", AF_BRIDGE, 0, 0, 0)):
            index = struct.unpack_from("=BBHI", payload)[3]
            for number, entry in attributes(payload, 8):
                parts = dict(attributes(entry))
                if number != 1 or 1 not in parts:
                    continue
                flags, first = struct.unpack("=HH", parts.pop(1)[:4])
                last = struct.unpack("=H", parts.pop(2)[:2])[0] if 2 in parts else first
                for vid in range(first, last + 1):
                    found[names.get(index), vid] = (hex(flags & ~0x18), *(
                        (part, data.hex()) for part, data in sorted(parts.items())
                        if part not in VLAN_ENTRY_PASSING))
        return found

    def groups(self, names):
        """Of the multicast database what somebody gave."""
        found = {}
        for payload in self.dump(RTM_GETMDB, struct.pack("=BBHI", AF_BRIDGE, 0, 0, 0)):
            for number, entries in attributes(payload, 8):
                for _, entry in attributes(entries) if number == 1 else ():
                    for _, info in attributes(entry):
                        index, state, flags, vid = struct.unpack_from("=IBBH", info)
                        if state:  # permanent
                            found[names.get(index), vid, info[8:26].hex()] = flags & ~1
        return found

    def carriers_pending(self):
        """Whether a link has a carrier and has not told so yet."""
        body = struct.pack("=BBHiII", AF_UNSPEC, 0, 0, 0, 0, 0)
        for payload in self.dump(RTM_GETLINK, body):
            flags = struct.unpack_from("=I", payload, 8)[0]
            state = dict(attributes(payload, 16))[16][0]
            if flags & IFF_UP and flags & IFF_LOWER_UP and state not in (OPER_UP, OPER_UNKNOWN):
                return True
        return False

    # --- waiting ------------------------------------------------------------------------------

    def wait_carriers(self, timeout=2):
        end = time.monotonic() + timeout
        while self.carriers_pending() and (left := end - time.monotonic()) > 0:
            self.wait_event(min(left, 0.1))

    def dump_events(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    yield self.events.recv(65536)
                except BlockingIOError:
                    raise
                except OSError:  # some were lost: as good as one
                    yield b""

    def wait_event(self, seconds):
        select.select([self.events], [], [], seconds)
        for _ in self.dump_events():
            pass

    def settled(self, expected, timeout=DEADLINE, part=lambda state: state):
        """Reads until PART of it is as expected(); what still differs when time is up, one line each."""
        end = time.monotonic() + timeout
        while lines := differences(expected(), part(self.read())):
            left = end - time.monotonic()
            if left <= 0:
                return lines
            self.wait_event(min(left, 0.1))
        return []


def differences(expected, found):
    """One line for each value that is another."""
    if expected == found:
        return []
    lines = []
    for what in expected:
        for key in sorted({*expected[what], *found[what]}, key=repr):
            one, other = expected[what].get(key), found[what].get(key)
            if one == other:
                continue
            if type(one) is type(other) is dict:
                lines += [f"{what} {key} {part}: {one.get(part)!r} expected, {other.get(part)!r}"
                          for part in sorted({*one, *other}, key=repr)
                          if one.get(part) != other.get(part)]
            elif type(one) is dict or type(other) is dict:
                lines.append(f"{what} {key} is {'there' if one is None else 'not there'}")
            else:
                lines.append(f"{what} {key}: {one!r} expected, {other!r}")
    return lines
