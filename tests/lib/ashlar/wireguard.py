"""What the kernel knows of a WireGuard link's keys and peers, by generic netlink."""

import base64
import ipaddress
import socket
import struct

from .network import inside

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3


def attributes(data):
    """[(type, payload)] of netlink attributes."""
    found = []
    while len(data) >= 4:
        size, kind = struct.unpack("=HH", data[:4])
        found.append((kind & 0x3FFF, data[4:size]))
        data = data[(size + 3) & ~3:]
    return found


def attribute(kind, payload):
    data = struct.pack("=HH", 4 + len(payload), kind) + payload
    return data.ljust((len(data) + 3) & ~3, b"\0")


def ask(stream, family, command, payload, flags=0):
    """Attributes of all messages of an answer, one list each."""
    body = struct.pack("=BBH", command, 1, 0) + payload
    stream.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0) + body)
    found = []
    while True:
        data = stream.recv(1 << 16)
        while data:
            size, kind = struct.unpack("=IH", data[:6])
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack("=i", data[16:20])[0], "wireguard")
            if kind == NLMSG_DONE:
                return found
            found.append(attributes(data[20:size]))
            data = data[(size + 3) & ~3:]
        if not flags:
            return found


def endpoint(data):
    family, port = struct.unpack("=H", data[:2])[0], struct.unpack("!H", data[2:4])[0]
    address = data[4:8] if family == socket.AF_INET else data[8:24]
    return f"{ipaddress.ip_address(address)} {port}"


def allowed_ip(data):
    parts = dict(attributes(data))
    return f"{ipaddress.ip_address(parts[2])}/{parts[3][0]}"


def peer(parts):
    """What is configured of a peer, and where it was last heard from."""
    known = dict(parts)
    return {
        "psk": base64.b64encode(known[2]).decode() if any(known.get(2, b"")) else None,
        "endpoint": endpoint(known[4]) if 4 in known else None,
        "keepalive": struct.unpack("=H", known[5])[0],
        "ips": [allowed_ip(data) for kind, part in parts if kind == 9
                for _, data in attributes(part)],
    }


def generic(namespace):
    """A socket of generic netlink."""
    with inside(namespace.name):
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)


def family(stream, name):
    """The number of a family; OSError when the kernel has it not."""
    (answer,) = ask(stream, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(2, name.encode() + b"\0"))
    return struct.unpack("=H", dict(answer)[1])[0]


def device(namespace, link):
    """{"key": private key, "port": ..., "peers": {public key: {...}}}; keys are base64."""
    with generic(namespace) as stream:
        parts = [part for message in ask(
            stream, family(stream, "wireguard"), 0, attribute(2, link.encode() + b"\0"),
            NLM_F_DUMP) for part in message]
    known = dict(parts)
    peers = {}
    for kind, data in parts:
        for _, one in attributes(data) if kind == 8 else ():
            key = base64.b64encode(dict(attributes(one))[1]).decode()
            described = peer(attributes(one)) if key not in peers else peers[key]
            if key in peers:  # one with many addresses comes in several messages
                described["ips"] += [allowed_ip(part) for number, nest in attributes(one)
                                     if number == 9 for _, part in attributes(nest)]
            peers[key] = described
    for described in peers.values():
        described["ips"].sort()
    return {"key": base64.b64encode(known[3]).decode() if 3 in known else None,
            "port": struct.unpack("=H", known[6])[0], "peers": peers}
