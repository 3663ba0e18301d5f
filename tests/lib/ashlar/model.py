"""Random configurations of interfaces and routes, and random ways from one to another.

A configuration is plain data, so that a failing one can be printed and read again:

    {"links": {name: {"kind": ..., "leaves": {path: value}, "vlans": {vid: {port: "tagged"}}}},
     "routes": [{"to": ..., "via": address, link or special, "preference": ...}]}

What is generated need not fit together: repair() drops what does not. A knob, something that can be
configured of a kind of links, is one line in KNOBS.
"""

import copy
import functools
import json

from . import config

PORTS = [f"p{number}" for number in range(1, 7)]
NAMES = [f"if{number}" for number in range(60)] + [
    "br3", "br4", "lag5", "dummy6", "vlan7", "veth8a", "veth8b", "gre9", "gretap9", "vxlan9", "wg9",
    "p1.10", "p2.20", "if1.30"]
SUBNETS = 40

# what the first part of a path stands for
MODULES = {"ipv4": "ietf-ip:", "ipv6": "ietf-ip:", "description": "", "enabled": "",
           "ethernet": "ieee802-ethernet-interface:"}
# leaves that name another link
REFERENCES = ("vlan/lower-layer-if", "veth/peer", "bridge-port/bridge", "lag-port/lag")
LOWER, PEER, BRIDGE, LAG = REFERENCES

ETHERNET, VIRTUAL = {"ethernet"}, {"veth", "dummy"}
TUNNELS = {"vxlan", "gre", "gretap"}
PACKETS = {"gre", "wireguard"}  # that carry no frames
MAKERS = {}  # kind: what makes one


def chance(dice, probability):
    return dice.random() < probability


def mac(dice):
    return f"02:00:00:00:{dice.randrange(4):02x}:{dice.randrange(256):02x}"


# --- knobs ----------------------------------------------------------------------------------------

def is_any(link):
    return True


def of(*kinds):
    return lambda link: link["kind"] in kinds


def port_of(leaf):
    return lambda link: leaf in link["leaves"]


def has_frames(link):
    return link["kind"] not in PACKETS


def is_free(link):
    """Not a port of anything: IP is its business."""
    return BRIDGE not in link["leaves"] and LAG not in link["leaves"]


def has_ipv6(link):
    return link["leaves"].get("ipv6/enabled")


def speaks_lacp(link):
    return link["leaves"].get("lag/mode") == "lacp"


def is_plain_bridge(link):
    return link["kind"] == "bridge" and "vlans" not in link


def is_over_ipv4(link):
    return ":" not in link["leaves"].get("gre/local", ":")


def number(first, last):
    return lambda dice: dice.randint(first, last)


def one_of(*values):
    return lambda dice: dice.choice(values)


def stp(dice):
    # 2 × (hello + 1) ≤ age ≤ 2 × (delay - 1)
    return {"force-protocol": "stp", "hello-time": dice.randint(1, 2), "forward-delay":
            dice.choice((15, 20)), "max-age": dice.randint(6, 20),
            "cist": {"priority": dice.randrange(16)}}


def addresses(family):
    def values(dice):
        subnets = dice.sample(range(SUBNETS), dice.choice((1, 1, 1, 2)))
        return [{"subnet": subnet, "host": host} for subnet in subnets
                for host in dice.sample(range(1, 9), dice.choice((1, 1, 2)))]
    return values


def neighbours(dice):
    return [{"host": host, "mac": mac(dice)} for host in dice.sample(range(100, 104), 2)]


# (path, which links, values, how likely)
KNOBS = [
    ("description", is_any, lambda dice: f"d{dice.randrange(5)}", 0.3),
    ("enabled", is_any, one_of(False), 0.1),
    ("custom-phys-address/static", has_frames, mac, 0.15),
    ("ipv4/mtu", is_any, one_of(1280, 1300, 1400, 1450, 1500), 0.2),
    ("ipv4/address", is_free, addresses(4), 0.4),
    ("ipv4/forwarding", is_free, one_of(True), 0.2),
    ("ipv4/neighbor", lambda link: is_free(link) and has_frames(link), neighbours, 0.1),
    ("ipv6/enabled", is_free, one_of(True, True, True, False), 0.4),
    ("ipv6/address", has_ipv6, addresses(6), 0.6),
    ("ipv6/forwarding", has_ipv6, one_of(True), 0.2),
    ("ipv6/mtu", has_ipv6, one_of(1280), 0.1),
    ("ipv6/autoconf/create-global-addresses", has_ipv6, one_of(False), 0.1),
    ("ipv6/autoconf/create-temporary-addresses", has_ipv6, one_of(True), 0.1),
    ("ipv6/dup-addr-detect-transmits", has_ipv6, one_of(0, 2), 0.1),
    ("ipv6/neighbor", lambda link: has_ipv6(link) and has_frames(link), neighbours, 0.1),
    ("bridge/ieee-group-forward", of("bridge"), one_of(["lldp"], ["dot1x", "lldp"], ["5"]), 0.2),
    ("bridge/stp", of("bridge"), stp, 0.2),
    ("bridge/multicast", is_plain_bridge, lambda dice: {
        "snooping": chance(dice, 0.7), "querier": dice.choice(("off", "proxy", "auto")),
        "query-interval": dice.choice((60, 125))}, 0.3),
    ("bridge/vlans/proto", lambda link: "vlans" in link,
     one_of("ieee802-dot1q-types:s-vlan"), 0.3),
    ("bridge-port/pvid", port_of(BRIDGE), number(1, 6), 0.5),
    ("bridge-port/flood/unicast", port_of(BRIDGE), one_of(False), 0.2),
    ("bridge-port/flood/broadcast", port_of(BRIDGE), one_of(False), 0.1),
    ("bridge-port/flood/multicast", port_of(BRIDGE), one_of(False), 0.1),
    ("bridge-port/multicast/fast-leave", port_of(BRIDGE), one_of(True), 0.1),
    ("bridge-port/multicast/router", port_of(BRIDGE), one_of("off", "permanent"), 0.1),
    ("lag/lacp/mode", speaks_lacp, one_of("passive"), 0.2),
    ("lag/lacp/rate", speaks_lacp, one_of("fast"), 0.2),
    ("lag/lacp/system-priority", speaks_lacp, number(1, 9), 0.2),
    ("lag/link-monitor/debounce", of("lag"), lambda dice: {
        "up": dice.choice((0, 100, 250)), "down": dice.choice((0, 200))}, 0.2),
    ("vlan/ingress-qos/priority", of("vlan"), one_of("from-pcp", 0, 3), 0.2),
    ("vlan/egress-qos/pcp", of("vlan"), one_of("from-priority", 0, 5), 0.2),
    ("vxlan/remote-port", of("vxlan"), one_of(4790, 8472), 0.2),
    ("vxlan/ttl", of("vxlan"), one_of(1, 9, "inherit"), 0.3),
    ("vxlan/tos", of("vxlan"), one_of(0, 16, "inherit"), 0.3),
    ("gre/ttl", of("gre", "gretap"), one_of(1, 9, "inherit"), 0.3),
    ("gre/tos", of("gre", "gretap"), one_of(0, 16, "inherit"), 0.3),
    ("gre/pmtu-discovery", lambda link: link["kind"] in ("gre", "gretap") and
     is_over_ipv4(link) and link["leaves"].get("gre/ttl") == "inherit", one_of(False), 0.5),
]


def turn(dice, link, share=1):
    """Sets some knobs of a link anew; with a SHARE below 1 the others stay as they are."""
    leaves = link["leaves"]
    for path, fits, values, likely in KNOBS:
        if not chance(dice, share):
            continue
        leaves.pop(path, None)
        if fits(link) and chance(dice, likely):
            leaves[path] = values(dice)


# --- kinds ----------------------------------------------------------------------------------------

def maker(kind, weight):
    """Enters a function of (dice, conf, name) that gives leaves, or what else the link has."""
    def enter(function):
        MAKERS[kind] = (weight, function)
        return function
    return enter


def some_link(dice, conf, *kinds):
    found = [name for name, link in conf["links"].items() if not kinds or link["kind"] in kinds]
    return dice.choice(found) if found else None


@maker("bridge", 3)
def bridge(dice, conf, name):
    return {"vlans": {}} if chance(dice, 0.5) else {}


@maker("lag", 2)
def lag(dice, conf, name):
    return {"leaves": {"lag/mode": dice.choice(("static", "lacp"))}}


@maker("dummy", 3)
def dummy(dice, conf, name):
    return {}


@maker("veth", 4)
def veth(dice, conf, name):
    free = [other for other in NAMES if other not in conf["links"] and other != name]
    peer = dice.choice(free) if free else name
    if peer != name:
        conf["links"][peer] = {"kind": "veth", "leaves": {PEER: name}}
        turn(dice, conf["links"][peer])
        enslave(dice, conf, peer)
    return {"leaves": {PEER: peer}}


@maker("vlan", 6)
def vlan(dice, conf, name):
    leaves = {LOWER: some_link(dice, conf) or "p1", "vlan/id": dice.randint(1, 6)}
    if chance(dice, 0.3):
        leaves["vlan/tag-type"] = "ieee802-dot1q-types:s-vlan"
    return {"leaves": leaves}


def ends(dice, container):
    prefix = dice.choice(("198.51.100.", "2001:db8::"))
    return {f"{container}/local": f"{prefix}{dice.randint(1, 2)}",
            f"{container}/remote": f"{prefix}{dice.randint(3, 9)}"}


@maker("vxlan", 2)
def vxlan(dice, conf, name):
    return {"leaves": {**ends(dice, "vxlan"), "vxlan/vni": dice.randint(1, 12)}}


@maker("gre", 1)
@maker("gretap", 2)
def gre(dice, conf, name):
    return {"leaves": ends(dice, "gre")}


@maker("wireguard", 1)
def wireguard(dice, conf, name):
    leaves = {"wireguard/private-key": "a", "wireguard/listen-port": dice.randint(51820, 51826)}
    if chance(dice, 0.7):
        leaves["wireguard/peers"] = [{
            "public-key-bag": "mesh", "allowed-ips": [f"10.200.{dice.randrange(4)}.0/24"],
            **({"persistent-keepalive": 25} if chance(dice, 0.3) else {}),
            **({"endpoint": "198.51.100.77", "endpoint-port": 51820}
               if chance(dice, 0.5) else {})}]
    return {"leaves": leaves}


MASTERED = ETHERNET | VIRTUAL | {"lag", "vlan", "vxlan", "gretap"}
LAG_PORTS = ETHERNET | VIRTUAL


def enslave(dice, conf, name):
    """Makes a link the port of something, or of nothing."""
    link = conf["links"][name]
    for leaf in BRIDGE, LAG:
        link["leaves"].pop(leaf, None)
    leaf, kinds, master = (LAG, LAG_PORTS, "lag") if chance(dice, 0.3) else \
        (BRIDGE, MASTERED, "bridge")
    to = some_link(dice, conf, master)
    if chance(dice, 0.6) and link["kind"] in kinds and to:
        link["leaves"][leaf] = to
        for path in list(link["leaves"]):
            if path.startswith(("ipv4/address", "ipv4/n", "ipv6", "ipv4/forw")):
                del link["leaves"][path]
        for path, fits, values, likely in KNOBS:
            if path.startswith("bridge-port/") and fits(link) and chance(dice, likely):
                link["leaves"][path] = values(dice)


def make(dice, conf, name, kinds):
    kinds = sorted(kinds)
    kind = dice.choices(kinds, [MAKERS[one][0] for one in kinds])[0]
    link = conf["links"][name] = {"kind": kind, "leaves": {}}
    made = MAKERS[kind][1](dice, conf, name)
    link["leaves"].update(made.pop("leaves", {}))
    link.update(made)
    turn(dice, link)
    enslave(dice, conf, name)


def join_vlans(dice, conf, name):
    """Which ports, and whether the bridge itself, are in which VLANs."""
    bridge = conf["links"][name]
    if "vlans" not in bridge:
        return
    members = [name] + [port for port, link in conf["links"].items()
                        if link["leaves"].get(BRIDGE) == name]
    for vid in dice.sample(range(1, 9), dice.randint(1, 5)):
        bridge["vlans"][str(vid)] = {
            member: dice.choice(("tagged", "untagged")) for member in members
            if chance(dice, 0.6)}


def some_route(dice, conf):
    family = dice.choice((4, 6))
    prefix = "172.16.{}.0/24" if family == 4 else "fd01:{}::/64"
    choice = dice.randrange(4)
    subnets = [address["subnet"] for link in conf["links"].values()
               for address in link["leaves"].get(f"ipv{family}/address", ())]
    route = {"to": prefix.format(dice.randrange(30))}
    if choice <= 1 and subnets:
        route["subnet"], route["host"] = dice.choice(subnets), dice.randint(200, 203)
    elif choice == 2 and conf["links"]:
        route["link"] = dice.choice(sorted(conf["links"]))
    else:
        route["special"] = dice.choice(("blackhole", "unreachable", "prohibit"))
    if chance(dice, 0.3):
        route["preference"] = dice.choice((1, 10, 200, 255))
    return route


def some_conf(dice, size, kinds):
    """About SIZE links, of KINDS and the ports that are there anyway."""
    conf = {"links": {}, "routes": []}
    for port in PORTS:
        if chance(dice, 0.7):
            conf["links"][port] = {"kind": "ethernet", "leaves": {}}
            turn(dice, conf["links"][port])
    for name in dice.sample(NAMES, min(size, len(NAMES))):
        if len(conf["links"]) < size and name not in conf["links"]:
            make(dice, conf, name, kinds)
    for name in list(conf["links"]):
        if conf["links"][name]["kind"] == "ethernet":
            enslave(dice, conf, name)
    for name in list(conf["links"]):
        join_vlans(dice, conf, name)
    conf["routes"] = [some_route(dice, conf) for _ in range(dice.choice((0, 0, 2, 8)))]
    return repair(conf)


EMPTY = {"links": {}, "routes": []}


# --- what fits together ----------------------------------------------------------------------------

def repair(conf):
    """Drops what cannot be, until all can."""
    while any(fix(conf) for fix in FIXES):  # each relies on those before it
        pass
    return conf


def fix(function):
    FIXES.append(function)
    return function


FIXES = []


def drop(conf, *names):
    for name in names:
        conf["links"].pop(name, None)
    return bool(names)


@fix
def fix_pairs(conf):
    links = conf["links"]
    return drop(conf, *[name for name, link in links.items() if link["kind"] == "veth" and
                        (link["leaves"][PEER] == name or links.get(link["leaves"][PEER], {}).get(
                            "leaves", {}).get(PEER) != name)])


def stack_of(conf, name):
    """The links below, the nearest first; None when that is a circle."""
    found = []
    while (name := conf["links"][name]["leaves"].get(LOWER)) in conf["links"]:
        if name in found or len(found) > 4:
            return None
        found.append(name)
    return found


@fix
def fix_stacks(conf):
    gone, taken = [], set()
    for name, link in conf["links"].items():
        if link["kind"] != "vlan":
            continue
        leaves = link["leaves"]
        lower = conf["links"].get(leaves[LOWER])
        tag = (leaves[LOWER], leaves["vlan/id"], leaves.get("vlan/tag-type"))
        if lower is None or lower["kind"] in PACKETS or tag in taken or \
                LAG in lower["leaves"] or stack_of(conf, name) is None:
            gone.append(name)
        taken.add(tag)
    return drop(conf, *gone)


@fix
def fix_masters(conf):
    """Ports are of a kind that can be one, and of something that has ports."""
    wrong = []
    for name, link in conf["links"].items():
        for leaf, kinds, kind in (BRIDGE, MASTERED, "bridge"), (LAG, LAG_PORTS, "lag"):
            master = link["leaves"].get(leaf)
            if master and (link["kind"] not in kinds or leaf == LAG and BRIDGE in link["leaves"] or
                           conf["links"].get(master, {}).get("kind") != kind):
                wrong.append((link["leaves"], leaf))
    for leaves, leaf in wrong:
        del leaves[leaf]
    return bool(wrong)


@fix
def fix_circles(conf):
    """No frame can go in a circle: what joins two links that are joined already is left out."""
    joined = {name: name for name in conf["links"]}
    wrong = []

    def root(name):
        while joined[name] != name:
            name = joined[name]
        return name

    def join(name, other):
        one, two = root(name), root(other)
        joined[one] = two
        return one != two

    for name, link in conf["links"].items():
        if link["kind"] == "vlan":
            join(name, link["leaves"][LOWER])
        elif link["kind"] == "veth" and name < link["leaves"][PEER]:
            join(name, link["leaves"][PEER])
    for name, link in sorted(conf["links"].items()):
        for leaf in BRIDGE, LAG:
            if leaf in link["leaves"] and not join(name, link["leaves"][leaf]):
                wrong.append((link["leaves"], leaf))
    for leaves, leaf in wrong:
        del leaves[leaf]
    return bool(wrong)


@fix
def fix_knobs(conf):
    """Without what a knob is about there is no such knob."""
    wrong = [(link["leaves"], path) for link in conf["links"].values()
             for path, fits, _, _ in KNOBS if path in link["leaves"] and not fits(link)]
    for leaves, path in wrong:
        leaves.pop(path, None)
    return bool(wrong)


@fix
def fix_mtu(conf):
    """A VLAN's is not above that of what is below; a port of a lag has the lag's."""
    wrong = []
    for name, link in conf["links"].items():
        mtu = link["leaves"].get("ipv4/mtu")
        if not mtu:
            continue
        limits = [SURE_MTU if conf["links"][lower]["kind"] in UNSURE else
                  conf["links"][lower]["leaves"].get("ipv4/mtu", 1500)
                  for lower in stack_of(conf, name) or [name]]
        if link["kind"] == "vlan" and mtu > min(limits) or LAG in link["leaves"]:
            wrong.append(link["leaves"])
    for leaves in wrong:
        del leaves["ipv4/mtu"]
    return bool(wrong)


SURE_MTU, UNSURE = 1280, {"bridge", "lag", "gretap", "vxlan"}


@fix
def fix_addresses(conf):
    """Each prefix on one link only: where packets go is not left to chance."""
    wrong, taken = [], {}
    for name, link in conf["links"].items():
        for path in "ipv4/address", "ipv6/address":
            for address in link["leaves"].get(path, ()):
                if taken.setdefault((path, address["subnet"]), name) != name:
                    wrong.append((link["leaves"], path))
    for leaves, path in wrong:
        leaves.pop(path, None)
    return bool(wrong)


UNIQUE = {
    "vxlan": ("vxlan/vni", "vxlan/remote-port"),
    "gre": ("gre/local", "gre/remote"),
    "gretap": ("gre/local", "gre/remote"),
    "wireguard": ("wireguard/listen-port",),
}


@fix
def fix_unique(conf):
    taken, gone = set(), []
    for name, link in conf["links"].items():
        if link["kind"] in UNIQUE:
            value = (link["kind"], *(link["leaves"].get(path) for path in UNIQUE[link["kind"]]))
            if value in taken:
                gone.append(name)
            taken.add(value)
    return drop(conf, *gone)


@fix
def fix_vlans(conf):
    wrong = []
    for name, link in conf["links"].items():
        for members in link.get("vlans", {}).values():
            for member in members:
                if member != name and conf["links"].get(member, {}).get(
                        "leaves", {}).get(BRIDGE) != name:
                    wrong.append((members, member))
    for members, member in wrong:
        members.pop(member, None)
    return bool(wrong)


@fix
def fix_routes(conf):
    """Gateways are on a link of ours, or out of all reach; each route is there once."""
    subnets = {(family, address["subnet"]) for link in conf["links"].values() for family in (4, 6)
               for address in link["leaves"].get(f"ipv{family}/address", ())}
    kept, seen = [], set()
    for route in conf["routes"]:
        family = 6 if ":" in route["to"] else 4
        link = conf["links"].get(route["link"]) if "link" in route else None
        fits = route["subnet"] >= SUBNETS or (family, route["subnet"]) in subnets if "subnet" in route else "special" in route or \
            link and is_free(link) and (family == 4 or link["leaves"].get("ipv6/enabled"))
        if fits and route["to"] not in seen:
            kept.append(route)
        seen.add(route["to"])
    was, conf["routes"] = conf["routes"], kept
    return len(was) != len(kept)


# --- ways from one to another ------------------------------------------------------------------------

def renamed(conf, names):
    """CONF with other names, {old: new}."""
    def new(name):
        return names.get(name, name)

    result = {"links": {}, "routes": copy.deepcopy(conf["routes"])}
    for name, link in conf["links"].items():
        link = result["links"][new(name)] = copy.deepcopy(link)
        for path in REFERENCES:
            if path in link["leaves"]:
                link["leaves"][path] = new(link["leaves"][path])
        if "vlans" in link:
            link["vlans"] = {vid: {new(member): how for member, how in members.items()}
                             for vid, members in link["vlans"].items()}
    for route in result["routes"]:
        if "link" in route:
            route["link"] = new(route["link"])
    return result


def edit_knobs(dice, conf, kinds):
    for name in dice.sample(sorted(conf["links"]), min(len(conf["links"]), dice.randint(1, 4))):
        turn(dice, conf["links"][name], 0.3)


def edit_add(dice, conf, kinds):
    for name in dice.sample(PORTS + NAMES, dice.randint(1, 5)):
        if name in conf["links"]:
            continue
        if name in PORTS:
            conf["links"][name] = {"kind": "ethernet", "leaves": {}}
            turn(dice, conf["links"][name])
            enslave(dice, conf, name)
        else:
            make(dice, conf, name, kinds)


def edit_remove(dice, conf, kinds):
    drop(conf, *dice.sample(sorted(conf["links"]), min(len(conf["links"]), dice.randint(1, 4))))


def edit_masters(dice, conf, kinds):
    """Ports move."""
    for name in dice.sample(sorted(conf["links"]), min(len(conf["links"]), dice.randint(1, 6))):
        enslave(dice, conf, name)
    edit_vlans(dice, conf, kinds)


def edit_lower(dice, conf, kinds):
    """VLANs go to another link, another number, another kind of tags."""
    for name in [name for name, link in conf["links"].items() if link["kind"] == "vlan"]:
        if chance(dice, 0.5):
            conf["links"][name]["leaves"].update(vlan(dice, conf, name)["leaves"])


def edit_kind(dice, conf, kinds):
    """Another type under the same name."""
    for name in dice.sample(sorted(conf["links"]), min(len(conf["links"]), dice.randint(1, 3))):
        if name not in PORTS:
            make(dice, conf, name, kinds)


def edit_names(dice, conf, kinds):
    """What carries which name: a permutation of some, or names that were not in use."""
    names = [name for name in conf["links"] if name not in PORTS]
    old = dice.sample(names, min(len(names), dice.randint(2, 6)))
    new = old[1:] + old[:1] if chance(dice, 0.7) else dice.sample(
        [name for name in NAMES if name not in conf["links"]] + old, len(old))
    if len({*new}) == len(old):
        conf.update(renamed(conf, dict(zip(old, new))))


def edit_ports(dice, conf, kinds):
    """Ports change places."""
    one, other = dice.sample(PORTS, 2)
    conf.update(renamed(conf, {one: other, other: one}))


SWAPPED = [("ipv4/address",), ("ipv6/address",), ("vxlan/vni",), ("gre/local", "gre/remote"),
           ("vxlan/local", "vxlan/remote"), ("vlan/id",), ("wireguard/listen-port",),
           ("custom-phys-address/static",), (BRIDGE,)]


def edit_values(dice, conf, kinds):
    """Two links change what only one can have."""
    paths = dice.choice(SWAPPED)
    having = [link["leaves"] for link in conf["links"].values() if paths[0] in link["leaves"]]
    if len(having) > 1:
        one, other = dice.sample(having, 2)
        for path in paths:
            one[path], other[path] = other[path], one[path]


def edit_vlans(dice, conf, kinds):
    for name, link in conf["links"].items():
        if link["kind"] == "bridge" and chance(dice, 0.5):
            if chance(dice, 0.2):
                link.pop("vlans") if "vlans" in link else link.update(vlans={})
            join_vlans(dice, conf, name)


def edit_routes(dice, conf, kinds):
    conf["routes"] = [route for route in conf["routes"] if chance(dice, 0.7)] + [
        some_route(dice, conf) for _ in range(dice.randint(1, 4))]


EDITS = [edit_knobs, edit_knobs, edit_add, edit_remove, edit_masters, edit_lower, edit_kind,
         edit_names, edit_ports, edit_values, edit_vlans, edit_routes]


def edited(dice, conf, kinds):
    """CONF with a few small changes."""
    conf = copy.deepcopy(conf)
    for _ in range(dice.choice((1, 1, 2, 3))):
        dice.choice(EDITS)(dice, conf, kinds)
        repair(conf)
    return conf


def neighbourhoods(conf):
    """{name: names of all links that it is joined with, over however many, and its own}."""
    found = {name: {name} for name in conf["links"]}
    for name, link in conf["links"].items():
        for path in REFERENCES:
            other = link["leaves"].get(path)
            if other in found and found[other] is not found[name]:
                found[name] |= found[other]
                for joined in found[other]:
                    found[joined] = found[name]
    return found


def unchanged(old, new):
    """What of OLD has nothing to do with any link that is another in NEW; no routes."""
    around_old, around_new = neighbourhoods(old), neighbourhoods(new)

    def is_same(name):
        return around_old[name] == around_new.get(name) and all(
            old["links"][other] == new["links"][other] for other in around_old[name])

    return {"links": {name: link for name, link in old["links"].items() if is_same(name)},
            "routes": []}


# --- as data that a client sends ---------------------------------------------------------------------

def host(family, subnet, number):
    return f"10.{subnet}.0.{number}" if family == 4 else f"fd00:{subnet}::{number}"


def values_of(path, value, link):
    """A leaf's value as RFC 7951 has it."""
    family = int(path[3]) if path.startswith("ipv") else 0
    if path in ("ipv4/address", "ipv6/address"):
        return [{"ip": host(family, entry["subnet"], entry["host"]),
                 "prefix-length": 24 if family == 4 else 64} for entry in value]
    if path in ("ipv4/neighbor", "ipv6/neighbor"):
        return [{"ip": host(family, 99, entry["host"]), "link-layer-address": entry["mac"]}
                for entry in value]
    return value


def entry_of(name, link):
    """An entry of the list of interfaces."""
    entry = {"name": name, "type": f"infix-if-type:{link['kind']}"}
    for path, value in link["leaves"].items():
        first, *rest = path.split("/")
        parts = [MODULES.get(first, "infix-interfaces:") + first, *rest]
        at = entry
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = values_of(path, value, link)
    if "vlans" in link:
        vlans = entry.setdefault("infix-interfaces:bridge", {}).setdefault("vlans", {})
        vlans["vlan"] = [{"vid": int(vid), **{
            how: sorted(member for member in members if members[member] == how)
            for how in ("tagged", "untagged")}} for vid, members in sorted(link["vlans"].items())]
    return entry


def route_of(route):
    family = 6 if ":" in route["to"] else 4
    if "subnet" in route:
        hop = {"next-hop-address": host(family, route["subnet"], route["host"])}
    elif "link" in route:
        hop = {"outgoing-interface": route["link"]}
    else:
        hop = {"special-next-hop": route["special"]}
    entry = {"destination-prefix": route["to"], "next-hop": hop}
    if "preference" in route:
        entry["infix-routing:route-preference"] = route["preference"]
    return entry


def routing_of(conf):
    """ietf-routing's data, or its removal."""
    lists = {}
    for route in conf["routes"]:
        family = "ipv6" if ":" in route["to"] else "ipv4"
        lists.setdefault(f"ietf-{family}-unicast-routing:{family}", {"route": []})["route"].append(
            route_of(route))
    if not lists:
        return {"ietf-routing:routing": {"@operation": "remove"}}
    return {"ietf-routing:routing": {"@operation": "replace", "control-plane-protocols": {
        "control-plane-protocol": [{"type": "infix-routing:static", "name": "default",
                                    "static-routes": lists}]}}}


@functools.lru_cache(100000)
def entry_xml(text):
    xml = config.to_xml(config.interfaces(json.loads(text)))
    return xml[xml.index(">") + 1:xml.rindex("</interfaces>")]


def interfaces_xml(entries, operation=""):
    """Entries, made once each, in their list."""
    prefix = f' xmlns:nc="{config.NETCONF}" nc:operation="{operation}"' if operation else ""
    return (f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}"{prefix}>' +
            "".join(entry_xml(json.dumps(entry)) for entry in entries) + "</interfaces>")


ALWAYS = [{"name": "lo", "type": "infix-if-type:loopback"}]


def edit_xml(dice, old, new, whole=False):
    """An edit that leads from OLD to NEW: what differs, in any order; or all there is."""
    if whole:
        xml = interfaces_xml(ALWAYS + [entry_of(*item) for item in new["links"].items()], "replace")
    else:
        entries = [{**entry_of(name, link), "@operation": "replace"}
                   for name, link in new["links"].items() if old["links"].get(name) != link]
        entries += [{"name": name, "@operation": "delete"} for name in old["links"]
                    if name not in new["links"]]
        dice.shuffle(entries)
        xml = interfaces_xml(entries) if entries else ""
    if whole or old["routes"] != new["routes"]:
        xml += config.to_xml(routing_of(new))
    return xml
