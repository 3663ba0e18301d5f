"""What reads give: filters, expressions, defaults, startup; and that long ones are in nobody's way."""

import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until

pytestmark = pytest.mark.kernel

IF = config.namespaces()["ietf-interfaces"]
IP = config.namespaces()["ietf-ip"]
PREFIXES = {"if": "ietf-interfaces", "ip": "ietf-ip"}

# Cubic in the number of nodes: does not end in any test's time.
ENDLESS = "//*[count(//*[count(//*) > 1]) > 1]"


def names(data):
    return sorted(node.text for node in data.findall("interfaces/interface/name"))


def children(pid):
    """Processes that the daemon has started."""
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()


def test_one_interface_either_way(nc, net):
    """The subtree filter and the expression for the same thing give the same."""
    subtree = nc.get(f'<interfaces xmlns="{IF}"><interface><name>{net.ports[0]}</name>'
                     "<oper-status/></interface></interfaces>")
    xpath = nc.get(xpath=f"/if:interfaces/if:interface[if:name='{net.ports[0]}']/if:oper-status",
                   prefixes=PREFIXES)
    for data in subtree, xpath:
        assert names(data) == [net.ports[0]]
        entry = data.find("interfaces/interface")
        assert [node.tag for node in entry] == ["name", "oper-status"]


def test_not_configured(nc, net):
    """What the kernel has is there, what configuration does not have is not configuration."""
    assert nc.interface("foreign") is None
    net.ip("link add foreign type veth peer name other")
    until(lambda: nc.interface("foreign") is not None, "foreign")
    assert nc.interface("foreign").findtext("oper-status") == "down"
    assert nc.interface("foreign", "running") is None
    assert {"foreign", "other", "br0"} <= set(names(nc.get()))


@pytest.mark.parametrize("xpath", [
    "/netconf-state/sessions/session/session-id", "/netconf-state/schemas/schema/identifier",
    "/yang-library/module-set/name", "/modules-state/module/name", "/streams/stream/name",
    "/history/entry/id", "/routing/ribs/rib/name",
    "/interfaces/interface[name='foreign']/ipv4/address/ip",
    "/interfaces/interface[name='foreign']/name"])
def test_only_keys(nc, net, xpath):
    """The key of what is observed, and nothing else of it, is selected like any other leaf."""
    net.ip("link add foreign type veth peer name other")
    net.ip("addr add 198.51.100.1/24 dev foreign")
    net.ip("link set foreign up")
    until(lambda: nc.get(xpath="/interfaces/interface[name='foreign']/ipv4/address/prefix-length")
          .find("interfaces") is not None, "the address")
    steps = [step.partition("[")[0] for step in xpath[1:].split("/")]
    assert nc.get(xpath=xpath).findall("/".join(steps))
    inner = "<%s/>" % steps[-1]
    for step in steps[-2:0:-1]:
        inner = f"<{step}>{inner}</{step}>"
    module = {"interfaces": "ietf-interfaces", "netconf-state": "ietf-netconf-monitoring",
              "history": "ashlar-history", "routing": "ietf-routing",
              "streams": "ietf-subscribed-notifications"}.get(steps[0], "ietf-yang-library")
    inner = inner.replace("<ipv4>", f'<ipv4 xmlns="{IP}">')
    assert nc.get(f'<{steps[0]} xmlns="{config.namespaces()[module]}">{inner}</{steps[0]}>') \
        .findall("/".join(steps))


def test_only_keys_by_restconf(nc, daemon):
    path = "data/ietf-netconf-monitoring:netconf-state/sessions"
    with daemon.restconf() as rc:
        assert rc.get(f"{path}/session={nc.session_id}/session-id").json == {
            "ietf-netconf-monitoring:session-id": nc.session_id}
        assert {"session-id": nc.session_id} in rc.get(f"{path}?fields=session(session-id)").json[
            "ietf-netconf-monitoring:sessions"]["session"]


def test_general_expression(nc, net):
    """An expression beyond paths and literals, over configuration and over what is observed."""
    ports = f"//if:interface[starts-with(if:name, '{net.ports[0][0]}')]/if:name"
    assert names(nc.get_config(xpath=ports, prefixes=PREFIXES)) == sorted(net.ports)
    assert names(nc.get(xpath="//if:interface[if:statistics/if:in-octets >= 0 and if:name = 'lo']",
                        prefixes=PREFIXES)) == ["lo"]
    assert len(nc.get(xpath="//if:nothing", prefixes=PREFIXES)) == 0


@pytest.mark.parametrize("xpath", ["count(//*)", "//*[", "/if:interfaces/if:interface[if:name='x'",
                                   "1 + 1"])
def test_no_node_set(nc, xpath):
    with pytest.raises(RpcError) as refused:
        nc.get(xpath=xpath, prefixes=PREFIXES)
    assert refused.value.tag == "invalid-value"


def test_defaults(nc):
    """The four modes of RFC 6243 on a leaf that nobody has set, and one somebody has."""
    nc.edit(config.interfaces({"name": "br0", "enabled": True}))

    def enabled(mode):
        data = nc.data(f'<get-config><source><running/></source><filter><interfaces xmlns="{IF}">'
                       f"<interface><enabled/></interface></interfaces></filter>"
                       f'<with-defaults xmlns="urn:ietf:params:xml:ns:yang:'
                       f'ietf-netconf-with-defaults">{mode}</with-defaults></get-config>')
        return {entry.findtext("name"): entry.find("enabled")
                for entry in data.findall("interfaces/interface")}

    tag = "{urn:ietf:params:xml:ns:netconf:default:1.0}default"
    assert set(enabled("explicit")) == {"br0"}
    assert not enabled("trim")
    everything = enabled("report-all")
    assert everything["br0"].text == everything["p1"].text == "true"
    assert everything["p1"].get(tag) is None
    tagged = enabled("report-all-tagged")
    assert tagged["p1"].get(tag) == "true"
    assert tagged["br0"].get(tag) is None


def test_startup(make_daemon, net):
    """Startup is read from its file, also when that is too large to be parsed in passing."""
    rules = [{"name": f"r{number}", "module-name": "*", "comment": "x" * 100, "action": "permit"}
             for number in range(400)]
    startup = {**config.switch(net.ports), **config.access(
        {"admin": ["admin"]}, [{"name": "long", "group": ["nobody"], "rule": rules}])}
    with make_daemon(net, startup).start().local() as nc:
        nc.edit(config.interfaces({"name": "br0", "description": "new"}))
        assert nc.interface("br0", "startup").findtext("description") is None
        nc.copy("running", "startup")
        assert nc.interface("br0", "startup").findtext("description") == "new"
        assert len(nc.get_config("startup").findall("nacm/rule-list/rule")) >= len(rules)
        nc.delete("startup")
        assert len(nc.get_config("startup")) == 0


def test_long_read_is_in_nobodys_way(daemon):
    """While an expression is evaluated, others read and write; it ends with its session."""
    before = children(daemon.pid)
    with daemon.local() as other, daemon.local() as patient:
        patient.request(f'<get><filter type="xpath" select="{ENDLESS}"/></get>')
        other.edit(config.interfaces({"name": "br0", "description": "meanwhile"}))
        assert other.interface("br0").findtext("description") == "meanwhile"
        assert len(children(daemon.pid)) == len(before) + 1
        other.kill_session(patient.session_id)
        until(lambda: children(daemon.pid) == before, "the end of the child")
