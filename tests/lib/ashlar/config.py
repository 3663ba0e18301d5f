"""Configuration as Python data, in the shape of RFC 7951 (what RESTCONF and startup files use).

In data that becomes XML a member "@operation" asks for that edit-config operation on its container
or list entry.
"""

import base64
import functools
import json
import re

from lxml import etree

from . import TOP

NETCONF = "urn:ietf:params:xml:ns:netconf:base:1.0"

USER = "admin"
PASSWORD = "admin-password"
# openssl passwd -6 -salt ashlartest admin-password
HASH = ("$6$ashlartest$s2EDmfdelWd6y9wTnY81w1zKk7ev4drD/qHQMQ3t3Os12V3Cx3aqXb/"
        "HNTYZh2yiK9vPIliIAmLNzcgMZILlb0")


@functools.lru_cache(None)
def namespaces():
    """{module: namespace} of every module in yang/."""
    result = {}
    for path in (TOP / "yang").glob("*.yang"):
        text = path.read_text()
        found = re.search(r'^\s*namespace\s+"([^"]+)"', text, re.M)
        if found:
            result[path.name.split("@")[0]] = found[1]
    return result


def element(parent, name, namespace):
    """A child of PARENT by its RFC 7951 name, which names a module where that differs."""
    module, _, local = name.rpartition(":")
    if module:
        namespace = namespaces()[module]
    nsmap = {None: namespace} if parent is None or parent.nsmap.get(None) != namespace else None
    tag = f"{{{namespace}}}{local}"
    return etree.Element(tag, nsmap=nsmap) if parent is None else \
        etree.SubElement(parent, tag, nsmap=nsmap)


def text_of(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def add(parent, name, value, namespace, operation=None):
    if isinstance(value, list) and value != [None]:
        for item in value:
            add(parent, name, item, namespace)
        return
    node = element(parent, name, namespace)
    if operation:
        node.set(f"{{{NETCONF}}}operation", operation)
    own = etree.QName(node).namespace
    if isinstance(value, dict):
        for key, part in value.items():
            if key == "@operation":
                node.set(f"{{{NETCONF}}}operation", part)
            elif not key.startswith("@"):
                add(node, key, part, own, value.get(f"@{key}", {}).get("ietf-netconf:operation"))
    elif value is not None and value != [None]:
        node.text = text_of(value)
        module = node.text.partition(":")[0]
        if ":" in node.text and module in namespaces():
            # an identity or instance path: its prefix must be declared where it is used
            declared = etree.Element(node.tag, node.attrib, nsmap={
                **{prefix: uri for prefix, uri in node.nsmap.items()},
                module: namespaces()[module]})
            declared.text = node.text
            parent.replace(node, declared)


def to_xml(data):
    """XML elements, as text, of top-level data such as {"ietf-interfaces:interfaces": {...}}."""
    root = etree.Element("root")
    for name, value in data.items():
        add(root, name, value, None)
    return "".join(etree.tostring(child, encoding="unicode") for child in root)


def user(name, password_hash=HASH, key=None):
    """One entry of ietf-system's users; KEY is a line of an authorized_keys file."""
    entry = {"name": name, "password": password_hash}
    if key:
        algorithm, data = key.split()[:2]
        base64.b64decode(data, validate=True)
        entry["authorized-key"] = [{"name": "key", "algorithm": algorithm, "key-data": data}]
    return entry


def access(groups, rules=()):
    """ietf-netconf-acm: {group: [user ...]}; the group admin may do everything; RULES come first."""
    everything = {"name": "everything", "module-name": "*", "access-operations": "*",
                  "action": "permit"}
    return {"ietf-netconf-acm:nacm": {
        "groups": {"group": [{"name": name, "user-name": users}
                             for name, users in groups.items()]},
        "rule-list": [*rules, {"name": "admin", "group": ["admin"], "rule": [everything]}],
    }}


def interfaces(*entries):
    return {"ietf-interfaces:interfaces": {"interface": list(entries)}}


def interface(name, kind, **members):
    """One interface; in member names, "__" stands for ":" and "_" for "-"."""
    named = {key.replace("__", ":").replace("_", "-"): value for key, value in members.items()}
    return {"name": name, "type": f"infix-if-type:{kind}", **named}


def port(name, bridge, **members):
    """An Ethernet port that belongs to a bridge; MEMBERS are those of bridge-port."""
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return interface(name, "ethernet", infix_interfaces__bridge_port={"bridge": bridge, **named})


def vlan(vid, tagged=(), untagged=()):
    """One VLAN of a bridge."""
    members = {"tagged": list(tagged), "untagged": list(untagged)}
    return {"vid": vid, **{how: ports for how, ports in members.items() if ports}}


def vlan_bridge(name, *vlans, **members):
    """A bridge that keeps VLANS apart."""
    return interface(name, "bridge", infix_interfaces__bridge={
        "vlans": {"vlan": list(vlans)} if vlans else {}}, **members)


def veth(name, peer, **members):
    """One end of a pair; the other is to be configured, too."""
    return interface(name, "veth", infix_interfaces__veth={"peer": peer}, **members)


def routes(*entries):
    """Static routes: pairs of destination and next hop, an address or a link's name."""
    lists = {}
    for destination, next_hop in entries:
        family = "ipv6" if ":" in destination else "ipv4"
        kind = "next-hop-address" if next_hop[0].isdigit() or ":" in next_hop \
            else "outgoing-interface"
        lists.setdefault(f"ietf-{family}-unicast-routing:{family}", {"route": []})["route"].append(
            {"destination-prefix": destination, "next-hop": {kind: next_hop}})
    return {"ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [
        {"type": "infix-routing:static", "name": "default", "static-routes": lists}]}}}


def ipv4(*addresses, **members):
    """{"ietf-ip:ipv4": ...} with addresses like "192.0.2.1/24"."""
    return {"ietf-ip:ipv4": {**members, "address": prefixes(addresses)}}


def ipv6(*addresses, **members):
    return {"ietf-ip:ipv6": {**members, "address": prefixes(addresses)}}


def prefixes(addresses):
    return [{"ip": text.split("/")[0], "prefix-length": int(text.split("/")[1])}
            for text in addresses]


def switch(ports, address="192.0.2.1/24", key=None):
    """The usual startup configuration: a bridge br0 over all PORTS, and a user who may do all."""
    return {
        **interfaces(
            {"name": "lo", "type": "infix-if-type:loopback", **ipv4("127.0.0.1/8"),
             **ipv6("::1/128")},
            {"name": "br0", "type": "infix-if-type:bridge", **ipv4(address)},
            *(port(name, "br0") for name in ports)),
        "ietf-system:system": {"authentication": {"user": [user(USER, key=key)]}},
        **access({"admin": [USER]}),
    }


def to_json(data):
    return json.dumps(data, indent=2)
