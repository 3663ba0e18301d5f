"""Comparing datastores (RFC 9144)."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import until

CMP = config.namespaces()["ietf-nmda-compare"]
IF = config.namespaces()["ietf-interfaces"]
PREFIXES = (f'xmlns:ds="{config.namespaces()["ietf-datastores"]}" xmlns:if="{IF}" '
            f'xmlns:fd="{config.namespaces()["ietf-factory-default"]}"')
ORIGIN = f"{{{config.namespaces()['ietf-origin']}}}origin"


def compare(nc, source, target, *extra):
    reply = nc.rpc(f'<compare xmlns="{CMP}" {PREFIXES}><source>{source}</source>'
                   f'<target>{target}</target>{"".join(extra)}</compare>')
    return strip_namespaces(reply)


def edits(nc, source, target, *extra):
    """[(operation, target, value, source-value) ...]"""
    patch = compare(nc, source, target, *extra).find("differences/yang-patch")
    assert patch.findtext("patch-id")
    return [(entry.findtext("operation"), entry.findtext("target"), entry.find("value"),
             entry.find("source-value")) for entry in patch.findall("edit")]


def subtree(name):
    return (f'<subtree-filter><interfaces xmlns="{IF}"><interface><name>{name}</name></interface>'
            "</interfaces></subtree-filter>")


def only(found, part):
    """The one edit whose target has PART."""
    found = [entry for entry in found if part in entry[1]]
    assert len(found) == 1, found
    return found[0]


def test_configurations(nc):
    """Section 3: created, replaced, deleted; what does not differ is not there."""
    assert edits(nc, "ds:running", "ds:candidate") == []
    nc.edit(config.interfaces({"name": "p1", "description": "old"},
                              {"name": "p2", "description": "gone"}))
    nc.edit(config.interfaces({"name": "p1", "description": "new"},
                              {"name": "p3", "description": "more"},
                              {"name": "p2", "description": "", "@description":
                               {"ietf-netconf:operation": "delete"}}), "candidate")
    found = edits(nc, "ds:running", "ds:candidate")
    assert len(found) == 3
    operation, _, value, before = only(found, "interface=p1")
    assert (operation, value.findtext("description"), before.findtext("description")) == (
        "replace", "new", "old")
    operation, _, value, before = only(found, "interface=p3")
    assert (operation, value.findtext("description"), before) == ("create", "more", None)
    operation, _, value, before = only(found, "interface=p2")
    assert (operation, value, before.findtext("description")) == ("delete", None, "gone")
    turned = edits(nc, "ds:candidate", "ds:running")
    assert only(turned, "interface=p3")[0] == "delete"
    assert only(turned, "interface=p2")[0] == "create"
    assert edits(nc, "ds:intended", "ds:running") == []
    assert len(edits(nc, "fd:factory-default", "ds:running")) > 3
    assert only(edits(nc, "ds:startup", "ds:running"), "interface=p2")[0] == "create"


def test_operational(nc, net):
    """Section 3: what is configured and not there, what is there and not configured."""
    net.unplug(4)
    until(lambda: nc.interface("p4").findtext("oper-status") == "not-present", "the port's end")
    found = edits(nc, "ds:intended", "ds:operational", subtree("p4"))
    assert [entry[0] for entry in found] == ["delete"]
    net.ip("link add foreign type veth peer name other")
    until(lambda: nc.interface("foreign") is not None, "foreign")
    operation, _, value, _ = only(edits(nc, "ds:intended", "ds:operational", subtree("foreign")),
                                  "interface")
    assert operation == "create" and value.find(".//name").text == "foreign"
    assert value.find(".//oper-status") is None
    assert not any("enabled" in entry[1]
                   for entry in edits(nc, "ds:intended", "ds:operational", subtree("br0")))


def test_all(nc):
    """Section 4, leaf all: state that only operational can hold is compared only then."""
    def targets(*extra):
        return [entry[1] for entry in edits(nc, "ds:running", "ds:operational", *extra)]

    assert not any("oper-status" in path or "statistics" in path for path in targets(subtree("br0")))
    assert any("oper-status" in path for path in targets(subtree("br0"), "<all/>"))
    assert any("netconf-state" in path for path in targets("<all/>"))


def test_report_origin(nc, net):
    """Section 3: the origins of what is from operational, if asked for."""
    net.ip("address add 203.0.113.9/24 dev br0")
    until(lambda: nc.interface("br0").find("ipv4/address[ip='203.0.113.9']") is not None, "it")
    for extra, wanted in ("", None), ("<report-origin/>", "or:system"):
        _, _, value, _ = only(edits(nc, "ds:intended", "ds:operational", subtree("br0"), extra),
                              "203.0.113.9")
        assert value[0].get(ORIGIN) == wanted
        _, _, _, before = only(edits(nc, "ds:operational", "ds:intended", subtree("br0"), extra),
                               "203.0.113.9")
        assert before[0].get(ORIGIN) == wanted
    assert not any(node.get(ORIGIN) for node in compare(
        nc, "fd:factory-default", "ds:running", "<report-origin/>").iter())


def test_filters(nc):
    """Section 4, filter-spec: only what is selected; no-matches when nothing is."""
    nc.edit(config.interfaces({"name": "p1", "description": "x"},
                              {"name": "p2", "description": "x"}), "candidate")
    expression = "<xpath-filter>/if:interfaces/if:interface[if:name='p1']</xpath-filter>"
    for given in subtree("p1"), expression:
        assert ["interface=p1" in entry[1]
                for entry in edits(nc, "ds:running", "ds:candidate", given)] == [True]
    reply = compare(nc, "ds:running", "ds:candidate", subtree("nothing"))
    assert reply.find("no-matches") is not None and reply.find("differences") is None


@pytest.mark.parametrize("source, target", [("ds:dynamic", "ds:running"),
                                            ("ds:running", "ds:conventional")])
def test_refused(nc, source, target):
    with pytest.raises(RpcError) as refused:
        compare(nc, source, target)
    assert refused.value.tag == "invalid-value"


def test_access(make_daemon, net):
    """RFC 8341: what may not be read does not differ."""
    rules = [{"name": "r", "group": ["some"], "rule": [
        {"name": "hidden", "path": "/ietf-interfaces:interfaces/interface[name='p1']",
         "access-operations": "read", "action": "deny"}]}]
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, rules)}
    startup["ietf-netconf-acm:nacm"]["exec-default"] = "permit"
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup).start()
    with daemon.local() as nc, daemon.ssh("some") as session:
        nc.edit(config.interfaces({"name": "p1", "description": "x"},
                                  {"name": "p2", "description": "x"}), "candidate")
        assert len(edits(nc, "ds:running", "ds:candidate")) == 2
        found = edits(session, "ds:running", "ds:candidate")
        assert len(found) == 1 and "interface=p2" in found[0][1]
