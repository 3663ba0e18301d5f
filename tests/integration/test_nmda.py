"""Datastores by name: RFC 8526 over NETCONF, RFC 8527 over RESTCONF, what RFC 8342 says they hold."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, RpcError, strip_namespaces
from ashlar.network import until

NMDA = config.namespaces()["ietf-netconf-nmda"]
IF = config.namespaces()["ietf-interfaces"]
OR = config.namespaces()["ietf-origin"]
ORIGIN = f"{{{OR}}}origin"
TAG = "{urn:ietf:params:xml:ns:netconf:default:1.0}default"
PREFIXES = (f'xmlns:ds="{config.namespaces()["ietf-datastores"]}" xmlns:or="{OR}" '
            f'xmlns:fd="{config.namespaces()["ietf-factory-default"]}" xmlns:if="{IF}" '
            f'xmlns:ip="{config.namespaces()["ietf-ip"]}"')
CONVENTIONAL = ["ds:running", "ds:candidate", "ds:startup", "ds:intended", "fd:factory-default"]


def get_data(nc, datastore, *parameters):
    reply = nc.rpc(f'<get-data xmlns="{NMDA}" {PREFIXES}><datastore>{datastore}</datastore>'
                   f'{"".join(parameters)}</get-data>')
    data = reply.find(f"{{{NMDA}}}data")
    assert data is not None, etree.tostring(reply)
    return strip_namespaces(data)


def subtree(*names, content=""):
    """A filter for interfaces by name."""
    entries = "".join(f"<interface><name>{name}</name>{content}</interface>" for name in names)
    return (f'<subtree-filter><interfaces xmlns="{IF}">{entries}</interfaces></subtree-filter>')


def xpath(text):
    return f"<xpath-filter>{text}</xpath-filter>"


def edit_data(nc, datastore, data, extra=""):
    nc.ok(f'<edit-data xmlns="{NMDA}" {PREFIXES}><datastore>{datastore}</datastore>{extra}'
          f"<config>{config.to_xml(data)}</config></edit-data>")


def refused(tag, call, *arguments):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert error.value.tag == tag, error.value
    return error.value


def names(data):
    return [entry.findtext("name") for entry in data.findall("interfaces/interface")]


def origins(node, above=None):
    """{path below the node: effective origin} of configuration leaves and entries."""
    result = {}
    for child in node:
        own = child.get(ORIGIN, "").removeprefix("or:") or above
        name = child.tag
        if (key := child.find("name")) is None:
            key = child.find("ip")
        if key is not None:
            name += f"[{key.text}]"
        result[name] = own
        result.update({f"{name}/{path}": value for path, value in origins(child, own).items()})
    return result


# --- RFC 8526 section 3.1.1: get-data ----------------------------------------------------------

@pytest.mark.parametrize("filter", [
    f'<subtree-filter><interfaces xmlns="{IF}"><interface><enabled>true</enabled></interface>'
    "</interfaces></subtree-filter>",
    xpath("/interfaces/interface[enabled='true']"),
    xpath("//interface[not(enabled!='true') and enabled]")], ids=["subtree", "xpath", "general"])
def test_defaults_before_filter(nc, filter):
    """RFC 6243 4.5.1: a filter is applied to what is reported; what is in use is, set or not."""
    nc.edit(config.interfaces({"name": "p1", "enabled": True}))
    assert names(get_data(nc, "ds:running", filter)) == ["p1"]
    everything = "<with-defaults>report-all</with-defaults>"
    assert {"p1", "p2", "p3", "p4"} <= set(names(get_data(nc, "ds:running", filter, everything)))
    assert {"p1", "p2", "p3", "p4"} <= set(names(get_data(nc, "ds:operational", filter)))


def test_capabilities(nc):
    """RFC 8526 section 2 and 3.1.1.2."""
    assert "urn:ietf:params:netconf:capability:with-operational-defaults:1.0" in nc.capabilities
    assert any(":capability:yang-library:1.1?revision=2019-01-04&content-id=" in text
               for text in nc.capabilities)


@pytest.mark.parametrize("datastore", CONVENTIONAL)
def test_conventional(nc, datastore):
    """3.1.1: each conventional datastore is what get-config says, and intended is running."""
    data = get_data(nc, datastore)
    if datastore == "fd:factory-default":
        assert data.find("nacm") is not None or data.find("interfaces") is not None
    else:
        source = datastore.split(":")[1].replace("intended", "running")
        assert etree.tostring(data, method="c14n").replace(NMDA.encode(), b"") == etree.tostring(
            nc.get_config(source), method="c14n").replace(BASE.encode(), b"")
    assert len(get_data(nc, datastore, "<config-filter>false</config-filter>")) == 0


def test_filters(nc, net):
    """3.1.1: subtree-filter and xpath-filter, the simple kind of expression and the other."""
    port = net.ports[0]
    for given in (subtree(port), xpath(f"/if:interfaces/if:interface[if:name='{port}']"),
                  xpath(f"//if:interface[starts-with(if:name, '{port}')]")):
        for datastore in "ds:running", "ds:operational":
            assert names(get_data(nc, datastore, given)) == [port]
    assert len(get_data(nc, "ds:running", "<subtree-filter/>")) == 0


def test_config_filter(nc):
    """3.1.1: config-filter gives one half or the other."""
    both, config_only, state_only = (get_data(nc, "ds:operational", subtree("br0"), extra).find(
        "interfaces/interface") for extra in (
        "", "<config-filter>true</config-filter>", "<config-filter>false</config-filter>"))
    assert both.find("type") is not None and both.find("oper-status") is not None
    assert config_only.find("type") is not None and config_only.find("oper-status") is None
    assert state_only.find("type") is None and state_only.find("oper-status") is not None


def test_max_depth(nc):
    """3.1.1: levels are counted from each node that the filter selects."""
    def tags(data, path):
        return sorted({node.tag for node in data.find(path)})

    for given in subtree("br0"), xpath("/if:interfaces/if:interface[if:name='br0']"), \
            xpath("//if:interface[starts-with(if:name, 'br0')]"):
        one = get_data(nc, "ds:running", given, "<max-depth>1</max-depth>")
        assert tags(one, "interfaces/interface") == ["name"]
        two = get_data(nc, "ds:running", given, "<max-depth>2</max-depth>")
        assert {"name", "type", "ipv4"} <= set(tags(two, "interfaces/interface"))
        assert len(two.find("interfaces/interface/ipv4")) == 0
        four = get_data(nc, "ds:running", given, "<max-depth>4</max-depth>")
        assert four.findtext("interfaces/interface/ipv4/address/prefix-length") == "24"
    top = get_data(nc, "ds:running", "<max-depth>1</max-depth>")
    assert len(top) and not any(len(node) for node in top)
    assert len(get_data(nc, "ds:running", "<max-depth>unbounded</max-depth>").find("interfaces"))


@pytest.mark.parametrize("tag, datastore, extra", [
    ("invalid-value", "ds:dynamic", ""),
    ("invalid-value", "running", ""),
    ("invalid-value", "or:intended", ""),
    ("invalid-value", "ds:running", "<with-origin/>"),
    ("unknown-element", "ds:running", "<origin-filter>or:intended</origin-filter>"),
    ("invalid-value", "ds:operational", "<origin-filter>or:nobody</origin-filter>"),
    ("bad-element", "ds:operational", "<origin-filter>or:intended</origin-filter>"
     "<negated-origin-filter>or:system</negated-origin-filter>"),
    ("bad-element", "ds:running", "<subtree-filter/><xpath-filter>/</xpath-filter>"),
    ("invalid-value", "ds:running", "<max-depth>0</max-depth>"),
    ("invalid-value", "ds:running", "<with-defaults>maybe</with-defaults>"),
    ("unknown-element", "ds:running", "<depth>1</depth>"),
    ("invalid-value", "ds:running", "<xpath-filter>count(/*)</xpath-filter>"),
])
def test_refused(nc, tag, datastore, extra):
    """Section 4: what get-data's parameters may not be."""
    refused(tag, get_data, nc, datastore, extra)


# --- RFC 8342 section 5.3: operational ---------------------------------------------------------

def test_in_use(nc, net):
    """5.3: values in use are there whether somebody set them or not."""
    entry = get_data(nc, "ds:operational", subtree("br0")).find("interfaces/interface")
    assert entry.findtext("enabled") == "true" and entry.findtext("ipv4/enabled") == "true"
    running = get_data(nc, "ds:running", subtree("br0")).find("interfaces/interface")
    assert running.find("enabled") is None


def test_missing_resource(nc, net):
    """5.3.2: what is configured and not there is in intended, and not in operational."""
    net.unplug(4)
    until(lambda: names(get_data(nc, "ds:operational", subtree("p4"))) == [], "the port's end")
    assert names(get_data(nc, "ds:intended", subtree("p4"))) == ["p4"]
    assert "p4" not in names(get_data(nc, "ds:operational"))
    assert names(get_data(nc, "ds:operational", xpath("//if:interface[contains(if:name, 'p4')]"))
                 ) == []
    assert nc.interface("p4").findtext("oper-status") == "not-present"
    net.plug(4)
    until(lambda: names(get_data(nc, "ds:operational", subtree("p4"))) == ["p4"], "the port")


def test_system_resource(nc, net):
    """5.3.3 and 5.3.4: what nobody configured is the system's."""
    net.ip("link add foreign type veth peer name other")
    until(lambda: names(get_data(nc, "ds:operational", subtree("foreign"))), "foreign")
    found = origins(get_data(nc, "ds:operational", subtree("foreign"), "<with-origin/>"))
    entry = "interfaces/interface[foreign]"
    assert found["interfaces"] == "intended"
    assert found[entry] == found[f"{entry}/type"] == found[f"{entry}/name"] == "system"


@pytest.mark.parametrize("given", [
    subtree("br0"), xpath("//if:interface[starts-with(if:name, 'br')]")])
def test_origins(nc, net, given):
    """5.3.4: set, by default, learned; and only where it differs from what is around it."""
    net.ip("address add 198.51.100.9/24 dev br0 valid_lft 3000 preferred_lft 3000")
    net.ip("address add 203.0.113.9/24 dev br0")
    entry = "interfaces/interface[br0]"

    def find():
        return origins(get_data(nc, "ds:operational", given, "<with-origin/>"))

    until(lambda: f"{entry}/ipv4/address[203.0.113.9]" in find(), "the addresses")
    found = find()
    assert found[entry] == found[f"{entry}/type"] == found[f"{entry}/name"] == "intended"
    assert found[f"{entry}/enabled"] == found[f"{entry}/ipv4/enabled"] == "default"
    assert found[f"{entry}/ipv4/address[192.0.2.1]"] == "intended"
    assert found[f"{entry}/ipv4/address[198.51.100.9]/prefix-length"] == "learned"
    assert found[f"{entry}/ipv4/address[203.0.113.9]/prefix-length"] == "system"
    data = get_data(nc, "ds:operational", given, "<with-origin/>")
    assert data.find("interfaces/interface/oper-status").get(ORIGIN) is None
    assert data.find("interfaces/interface/type").get(ORIGIN) is None
    assert not any(node.get(ORIGIN) for node in get_data(nc, "ds:operational", given).iter())


@pytest.mark.parametrize("given", [
    subtree("br0"), xpath("//if:interface[starts-with(if:name, 'br')]")])
def test_origin_filter(nc, net, given):
    """RFC 8526 section 3.1.1: configuration by origin, state untouched by it."""
    net.ip("address add 198.51.100.9/24 dev br0 valid_lft 3000 preferred_lft 3000")
    config_only = "<config-filter>true</config-filter>"

    def leaves(*extra):
        data = get_data(nc, "ds:operational", given, *extra)
        return {node.tag for node in data.iter() if not len(node) and node.tag != "data"} | {
            node.text for node in data.iter("ip")}

    until(lambda: "198.51.100.9" in leaves(), "the address")
    intended = leaves("<origin-filter>or:intended</origin-filter>", config_only)
    assert {"type", "192.0.2.1"} <= intended
    assert not {"enabled", "198.51.100.9"} & intended
    learned = leaves("<origin-filter>or:learned</origin-filter>", config_only)
    assert {"name", "ip", "198.51.100.9"} <= learned
    assert not {"type", "enabled", "192.0.2.1"} & learned
    some = leaves("<origin-filter>or:learned</origin-filter>",
                  "<origin-filter>or:default</origin-filter>", config_only)
    assert {"198.51.100.9", "enabled"} <= some and "192.0.2.1" not in some
    others = leaves("<negated-origin-filter>or:intended</negated-origin-filter>", config_only)
    assert {"198.51.100.9", "enabled"} <= others and "192.0.2.1" not in others
    assert "oper-status" in leaves("<origin-filter>or:learned</origin-filter>")
    assert leaves("<origin-filter>or:dynamic</origin-filter>", config_only) == set()
    every = "".join(f"<negated-origin-filter>or:{name}</negated-origin-filter>" for name in (
        "intended", "dynamic", "system", "learned", "default", "unknown"))
    assert leaves(every, config_only) == set()


def test_operational_defaults(nc):
    """RFC 8526 section 3.1.1.2: what is in use in all modes, tagged or trimmed by value."""
    nc.edit(config.interfaces({"name": "br0", "enabled": True}))

    def enabled(mode):
        extra = f"<with-defaults>{mode}</with-defaults>" if mode else ""
        data = get_data(nc, "ds:operational", subtree("br0", "p1"), extra)
        return {entry.findtext("name"): entry.find("enabled")
                for entry in data.findall("interfaces/interface")}

    for mode in None, "explicit", "report-all", "report-all-tagged":
        found = enabled(mode)
        assert found["br0"].text == found["p1"].text == "true"
        wanted = "true" if mode == "report-all-tagged" else None
        assert found["br0"].get(TAG) == found["p1"].get(TAG) == wanted
    assert list(enabled("trim").values()) == [None, None]
    tagged = get_data(nc, "ds:running", subtree("br0", "p1"),
                      "<with-defaults>report-all-tagged</with-defaults>")
    assert [entry.find("enabled").get(TAG)
            for entry in tagged.findall("interfaces/interface")] == [None, "true"]


def test_access(make_daemon, net):
    """RFC 8341: get-data is an operation to be permitted, and shows what may be read."""
    rules = [{"name": "r", "group": ["some"], "rule": [
        {"name": "hidden", "path": "/ietf-interfaces:interfaces/interface[name='br0']",
         "access-operations": "read", "action": "deny"}]}]
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, rules)}
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup).start()
    with daemon.ssh("some") as session, daemon.local() as nc:
        for given in "", xpath("//if:interface[starts-with(if:name, '')]"):
            found = names(get_data(session, "ds:operational", given))
            assert "br0" not in found and "p1" in found
        nc.edit({"ietf-netconf-acm:nacm": {"rule-list": [{"name": "s", "group": ["some"], "rule": [
            {"name": "no", "module-name": "ietf-netconf-nmda", "rpc-name": "get-data",
             "access-operations": "exec", "action": "deny"}]}]}})
        refused("access-denied", get_data, session, "ds:running")


# --- RFC 8526 section 3.1.2: edit-data ---------------------------------------------------------

def described(nc, datastore, name="p1"):
    entry = get_data(nc, datastore, subtree(name)).find("interfaces/interface")
    return None if entry is None else entry.findtext("description")


@pytest.mark.parametrize("datastore", ["ds:running", "ds:candidate", "ds:startup"])
def test_edit_data(nc, datastore):
    """3.1.2: what is edited is what the identity names, and no other."""
    edit_data(nc, datastore, config.interfaces({"name": "p1", "description": "new"}))
    for other in "ds:running", "ds:candidate", "ds:startup":
        is_same = other == datastore or {datastore, other} == {"ds:running", "ds:candidate"} and \
            datastore == "ds:running"
        assert described(nc, other) == ("new" if is_same else None)


def test_edit_data_operations(nc):
    """3.1.2: default-operation; an error undoes everything."""
    change = config.interfaces({"name": "p1", "description": "x"})
    refused("data-missing", edit_data, nc, "ds:running",
            config.interfaces({"name": "nothing", "description": "x"}),
            "<default-operation>none</default-operation>")
    refused("data-exists", edit_data, nc, "ds:running", config.interfaces(
        {"name": "p1", "description": "x"}, {"name": "p2", "@operation": "create"}))
    assert described(nc, "ds:running") is None
    edit_data(nc, "ds:running", change)
    assert described(nc, "ds:running") == "x"


@pytest.mark.parametrize("datastore", ["ds:operational", "ds:intended", "fd:factory-default"])
def test_edit_data_refused(nc, datastore):
    """Section 4: a datastore that cannot be written is an invalid-value."""
    refused("invalid-value", edit_data, nc, datastore, {})


def test_lock_and_validate(daemon, nc):
    """Section 4: lock, unlock and validate name datastores by identity, too."""
    def target(operation, datastore, kind="target"):
        nc.ok(f'<{operation}><{kind}><datastore xmlns="{NMDA}" {PREFIXES}>{datastore}</datastore>'
              f"</{kind}></{operation}>")

    target("lock", "ds:candidate")
    with daemon.local() as other:
        refused("in-use", other.edit, config.interfaces({"name": "p1", "description": "x"}),
                "candidate")
    target("unlock", "ds:candidate")
    refused("invalid-value", target, "lock", "ds:operational")
    target("validate", "ds:running", "source")
    target("validate", "ds:candidate", "source")


# --- RFC 8527: RESTCONF ------------------------------------------------------------------------

@pytest.fixture
def rc(daemon):
    with daemon.restconf() as client:
        yield client


BR0 = "ietf-interfaces:interfaces/interface=br0"


@pytest.mark.parametrize("name", ["running", "candidate", "startup", "intended"])
def test_restconf_datastores(rc, name):
    """3.1: {+restconf}/ds/<datastore>."""
    reply = rc.get(f"ds/ietf-datastores:{name}/{BR0}")
    assert reply.status == 200
    entry = reply.json["ietf-interfaces:interface"][0]
    assert entry["name"] == "br0" and "enabled" not in entry and "oper-status" not in entry
    assert rc.get("ds/ietf-factory-default:factory-default").status == 200
    assert rc.get("ds/ietf-datastores:nothing").status == 404


def test_restconf_operational(rc, net):
    """3.2.1 and 3.2.2: in use, with defaults in all modes, with origins."""
    path = f"ds/ietf-datastores:operational/{BR0}"
    entry = rc.get(path).json["ietf-interfaces:interface"][0]
    assert entry["enabled"] is True and entry["oper-status"]
    assert "@" not in entry
    entry = rc.get(f"{path}?with-origin").json["ietf-interfaces:interface"][0]
    assert entry["@"] == {"ietf-origin:origin": "ietf-origin:intended"}
    assert entry["@enabled"] == {"ietf-origin:origin": "ietf-origin:default"}
    assert "@type" not in entry and "@oper-status" not in entry
    entry = rc.get(f"{path}?with-defaults=trim").json["ietf-interfaces:interface"][0]
    assert "enabled" not in entry
    entry = rc.get(f"{path}?with-defaults=report-all-tagged").json["ietf-interfaces:interface"][0]
    assert entry["@enabled"] == {"ietf-netconf-with-defaults:default": True}
    assert rc.get(f"ds/ietf-datastores:running/{BR0}?with-origin").status == 400
    net.unplug(4)
    gone = "ds/ietf-datastores:operational/ietf-interfaces:interfaces/interface=p4"
    until(lambda: rc.get(gone).status == 404, "the port's end")
    assert rc.get(gone.replace("operational", "intended")).status == 200
    capabilities = rc.get("data/ietf-restconf-monitoring:restconf-state/capabilities").json[
        "ietf-restconf-monitoring:capabilities"]["capability"]
    assert {"urn:ietf:params:restconf:capability:with-origin:1.0",
            "urn:ietf:params:restconf:capability:with-operational-defaults:1.0"
            } <= set(capabilities)


def test_restconf_edits(rc, nc):
    """3.2: the methods of {+restconf}/data for what can be written, 405 for what cannot."""
    body = {"ietf-interfaces:interface": [{"name": "p1", "description": "rc"}]}
    path = "ietf-interfaces:interfaces/interface=p1"
    assert rc.request("PATCH", f"ds/ietf-datastores:candidate/{path}", body).status == 204
    assert described(nc, "ds:candidate") == "rc" and described(nc, "ds:running") is None
    assert rc.request("DELETE", f"ds/ietf-datastores:candidate/{path}/description").status == 204
    assert described(nc, "ds:candidate") is None
    new = {"ietf-interfaces:interface": [{"name": "br7", "type": "infix-if-type:bridge"}]}
    made = rc.request("POST", "ds/ietf-datastores:candidate/ietf-interfaces:interfaces", new)
    assert made.status == 201
    assert "/restconf/ds/ietf-datastores:candidate/ietf-interfaces:interfaces/interface=br7" in \
        made.headers["Location"]
    assert names(get_data(nc, "ds:candidate", subtree("br7"))) == ["br7"]
    assert names(get_data(nc, "ds:running", subtree("br7"))) == []
    for name in ("ietf-datastores:intended", "ietf-datastores:operational",
                 "ietf-factory-default:factory-default"):
        reply = rc.request("PATCH", f"ds/{name}/{path}", body)
        assert reply.status == 405 and reply.error["error-tag"] == "operation-not-supported"
