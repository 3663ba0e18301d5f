"""What push-change-updates say, added up, is what there is: RFC 8641 3.5.2, by random edits."""

import os
import random
import urllib.parse

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import until
from ashlar.push import DS, IF, NMDA, on_change, one, subtree, xpath

KEYS = {"interface": "name", "address": "ip", "rule-list": "name", "rule": "name", "group": "name"}


def steps_of(target):
    """[(name, key or None)] of a target."""
    return [(name.rpartition(":")[2], urllib.parse.unquote(key) if equal else None)
            for name, equal, key in (part.partition("=") for part in target[1:].split("/"))]


def is_node(node, name, key):
    if node.tag != name or key is None:
        return node.tag == name
    return (node.findtext(KEYS[name]) if name in KEYS else node.text) == key


def find_child(parent, name, key):
    return next((node for node in parent if is_node(node, name, key)), None)


def apply_patch(told, found):
    """Does to TOLD, a receiver's picture, what a push-change-update says."""
    for edit in found.iter("edit"):
        operation, steps = edit.findtext("operation"), steps_of(edit.findtext("target"))
        parent = told
        for name, key in steps[:-1]:
            below = find_child(parent, name, key)
            if below is None:
                below = etree.SubElement(parent, name)
                if key is not None:
                    etree.SubElement(below, KEYS[name]).text = key
            parent = below
        was = find_child(parent, *steps[-1])
        value = edit.find("value")
        node = was if value is None else value[0]
        if operation == "delete":
            if was is not None:
                parent.remove(was)
            continue
        place = len(parent)
        if operation in ("replace", "create") and was is not None:
            place = list(parent).index(was)
        if was is not None:
            parent.remove(was)
        if operation in ("insert", "move"):
            point = edit.findtext("point")
            if point is None:
                first = parent.find(steps[-1][0])
                place = len(parent) if first is None else list(parent).index(first)
            else:
                place = list(parent).index(find_child(parent, *steps_of(point)[-1])) + 1
        parent.insert(place, node)


def picture(node):
    """Comparable: without blanks, empty containers and the order of what the system orders."""
    below = [picture(child) for child in node]
    ordered = node.tag == "rule-list"
    below = [child for child in below if child is not None]
    if not below and not (node.text or "").strip():
        return None
    return (node.tag, (node.text or "").strip(), tuple(below if ordered else sorted(below)))


def flat(node, where=""):
    """The picture's leaves with what they stand in."""
    if node is None:
        return
    tag, text, below = node
    name = next((child[1] for child in below if child[0] in ("name", "ip")), "")
    where += f"/{tag}={name}" if name else f"/{tag}"
    if not below:
        yield f"{where} {text}"
    if tag == "rule-list":
        yield f"{where} {[child[2] for child in below]}"
    for child in below:
        yield from flat(child, where)


SELECTIONS = [
    "",
    one("p1"),
    one("p2", "<description/>"),
    subtree(f'<interfaces xmlns="{IF}"><interface><name/><description/></interface></interfaces>'),
    subtree(f'<interfaces xmlns="{IF}"><interface><description>d1</description></interface>'
            "</interfaces>"),
    xpath("/if:interfaces/if:interface[if:name='br0']/ip:ipv4/ip:address"),
    xpath("/if:interfaces/if:interface[if:description='d2']/if:enabled"),
    xpath("/if:interfaces/if:interface[ip:ipv4/ip:address]/if:name | "
          "/if:interfaces/if:interface[if:name='p2']/if:enabled"),
    subtree('<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list/></nacm>'),
]


def random_edit(chance):
    """XML of one edit, which may be refused."""
    nc_ns = f'xmlns:nc="{config.NETCONF}"'
    name = chance.choice(["p1", "p2", "br0"])
    ip = "urn:ietf:params:xml:ns:yang:ietf-ip"
    yang = "urn:ietf:params:xml:ns:yang:1"
    kind = chance.randrange(6)
    if kind == 0:
        inside = f"<description>d{chance.randrange(4)}</description>"
    elif kind == 1:
        inside = '<description nc:operation="remove"/>'
    elif kind == 2:
        inside = f"<enabled>{chance.choice(['true', 'false'])}</enabled>"
    elif kind == 3:
        inside = (f'<ipv4 xmlns="{ip}"><address><ip>198.51.100.{chance.randrange(3) + 1}</ip>'
                  f"<prefix-length>{chance.randrange(24, 27)}</prefix-length></address></ipv4>")
    elif kind == 4:
        inside = (f'<ipv4 xmlns="{ip}"><address nc:operation="remove">'
                  f"<ip>198.51.100.{chance.randrange(3) + 1}</ip></address></ipv4>")
    else:
        rule_name = chance.choice("abcd")
        point = chance.choice([name for name in "abcd" if name != rule_name])
        where = chance.choice(['yang:insert="first"', 'yang:insert="last"', 'remove'])
        return (f'<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" {nc_ns} '
                f'xmlns:yang="{yang}"><rule-list><name>l</name><rule '
                + ('nc:operation="remove">' if where == "remove" else where + ">")
                + f"<name>{rule_name}</name>"
                + ("" if where == "remove" else "<action>permit</action>"
                   f"<comment>{point}</comment>") + "</rule></rule-list></nacm>")
    return (f'<interfaces xmlns="{IF}" {nc_ns}><interface><name>{name}</name>{inside}</interface>'
            "</interfaces>")


@pytest.mark.parametrize("dampening", [None, 20])
def test_patches_add_up(nc, session, dampening):
    """8641 3.5.2: who applies the patches to what was sent at the start has what there is."""
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 32)))
    print("seed", seed)
    chance = random.Random(seed)
    numbers = {on_change(session, selection, dampening=dampening): selection
               for selection in SELECTIONS}
    told = {}

    def take(message):
        node = strip_namespaces(message[1])
        number = int(node.findtext("id"))
        if node.tag == "push-update":
            told[number] = node.find("datastore-contents")
        else:
            apply_patch(told[number], node)

    def current(selection):
        """What a read of the same gives now."""
        given = selection.replace("yp:datastore-", "")
        reply = nc.rpc(f'<get-data xmlns="{NMDA}" xmlns:ds="{DS}"><datastore>ds:running</datastore>'
                       f"{given}</get-data>")
        return strip_namespaces(reply.find(f"{{{NMDA}}}data"))

    def differences():
        session.get_config(subtree="<none xmlns='urn:none'/>")
        while session.notifications:
            take(session.notifications.pop(0))
        found = []
        for number, selection in numbers.items():
            mine, theirs = (set().union(*(flat(picture(part)) for part in tree))
                            for tree in (told[number], current(selection)))
            if mine != theirs:
                found.append((selection, mine - theirs, theirs - mine))
        return found

    while len(told) < len(numbers):
        take(session.notification())
    for _ in range(6):
        for _ in range(25):
            try:
                nc.edit(random_edit(chance))
            except RpcError:
                pass  # a port has no addresses of its own
        until(lambda: not differences(), f"the pictures to agree (seed {seed})")
    assert not differences()
