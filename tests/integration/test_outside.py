"""What others do, behind the daemon's back, to what it has configured, and to what is their own."""

import contextlib
import signal

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import differences

IPV6_KNOBS = {
    "forwarding": "1", "autoconf": "0", "use_tempaddr": "2", "temp_valid_lft": "7200",
    "temp_prefered_lft": "3600", "dad_transmits": "3", "mtu": "1300",
}


@pytest.fixture
def daemon(net, make_daemon):
    """Two ports in a bridge, two that stand alone."""
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"] += [
        config.interface(name, "ethernet") for name in net.ports[2:]]
    daemon = make_daemon(net, startup).start()
    net.wait_up("br0", *net.ports)
    return daemon


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


def knob(net, link, name, family="ipv6"):
    return net.run("cat", f"/proc/sys/net/{family}/conf/{link}/{name}").strip()


def turn(net, link, name, value, family="ipv6"):
    net.run("sysctl", "-q", "-w", f"net.{family}.conf.{link}.{name}={value}")


# --- knobs ----------------------------------------------------------------------------------------

@pytest.mark.kernel
def test_knobs_come_back(nc, net):
    edit(nc, {"name": "p3", "ietf-ip:ipv4": {"forwarding": True}, "ietf-ip:ipv6": {
        "forwarding": True, "mtu": 1300, "dup-addr-detect-transmits": 3, "autoconf": {
            "create-global-addresses": False, "create-temporary-addresses": True,
            "temporary-valid-lifetime": 7200, "temporary-preferred-lifetime": 3600}}})
    for name, value in IPV6_KNOBS.items():
        assert knob(net, "p3", name) == value
    for name, value in {**IPV6_KNOBS, "disable_ipv6": "0"}.items():
        other = {"mtu": "1400", "temp_valid_lft": "9000", "dad_transmits": "1"}.get(
            name, "1" if value == "0" else "0")
        turn(net, "p3", name, other)
        net.wait(lambda: knob(net, "p3", name) == value, f"{name} as configured")
    turn(net, "p4", "disable_ipv6", "0")
    net.wait(lambda: knob(net, "p4", "disable_ipv6") == "1", "no IPv6 again")
    turn(net, "all", "forwarding", "0")
    net.wait(lambda: knob(net, "all", "forwarding") == "1", "forwarding of all again")
    net.wait(lambda: knob(net, "p3", "forwarding") == "1", "forwarding again")
    turn(net, "all", "disable_ipv6", "1")
    net.wait(lambda: knob(net, "p3", "disable_ipv6") == "0", "IPv6 again")
    turn(net, "all", "keep_addr_on_down", "0")
    net.wait(lambda: knob(net, "all", "keep_addr_on_down") == "1", "addresses stay")
    turn(net, "p3", "forwarding", "0", "ipv4")
    net.wait(lambda: knob(net, "p3", "forwarding", "ipv4") == "1", "forwarding again")


@pytest.mark.kernel
def test_what_the_kernel_begins_with_comes_back(nc, net):
    """Also where configuration says no more than what is usual."""
    edit(nc, {"name": "p3", **config.ipv6("2001:db8::1/64")})
    for name, value, other in (("autoconf", "1", "0"), ("use_tempaddr", "0", "2"),
                               ("dad_transmits", "1", "5"), ("forwarding", "0", "1")):
        turn(net, "p3", name, other)
        net.wait(lambda: knob(net, "p3", name) == value, f"{name} as it was")


@pytest.mark.kernel
def test_others_may_turn_what_is_theirs(nc, net, daemon):
    """A knob that nothing is configured about, and an interface that is not configured."""
    net.ip("link add other type veth peer name other2")
    turn(net, "other", "autoconf", "0")
    turn(net, "p3", "log_martians", "1", "ipv4")
    turn(net, "p4", "forwarding", "1")  # ours: comes back, and with it all that was told before
    edit(nc, {"name": "p4", **config.ipv6("2001:db8::1/64")})
    net.wait(lambda: knob(net, "p4", "forwarding") == "0", "forwarding")
    assert knob(net, "other", "autoconf") == "0"
    assert knob(net, "p3", "log_martians", "ipv4") == "1"
    daemon.restart()
    assert daemon.start_changes() == 0
    assert knob(net, "other", "autoconf") == "0"


# --- names ----------------------------------------------------------------------------------------

def named(net, *names):
    links = {name: net.link(name) for name in names}
    return {name: link and link["ifindex"] for name, link in links.items()}


@pytest.mark.kernel
@pytest.mark.parametrize("is_up", [True, False])
def test_names_come_back(nc, net, is_up):
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24", forwarding=True), "enabled": is_up},
         config.veth("va", "vb", enabled=is_up, **config.ipv4("198.51.101.1/24")),
         config.veth("vb", "va", enabled=is_up),
         {"name": "p1", "enabled": is_up}, {"name": "br0", "enabled": is_up})
    names = ("p1", "p3", "va", "br0")
    before, state = named(net, *names), net.dump()
    for name in names:
        net.ip(f"link set {name} name foo")
        net.wait(lambda: named(net, name)[name] == before[name], f"{name} again")
        assert net.link("foo") is None
    assert differences(state, net.dump()) == []
    assert nc.interface("foo") is None


@contextlib.contextmanager
def asleep(daemon):
    """It hears of all that happens only afterwards."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def swap(net, one, other):
    net.run("ip", "-batch", "-", stdin=f"link set {one} name swap\nlink set {other} name {one}\n"
            f"link set swap name {other}\n")


@pytest.mark.kernel
def test_swapped_names_come_back(nc, net, daemon):
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24")})
    before = named(net, "p3", "p4")
    with asleep(daemon):
        swap(net, "p3", "p4")
    net.wait(lambda: named(net, "p3", "p4") == before, "the names")
    assert net.addresses("p3") == ["198.51.100.1/24"]
    assert net.addresses("p4") == []


@pytest.mark.kernel
def test_names_come_back_at_the_start(net, daemon):
    """Of ports, whose mark has it: what is on them stays. What we have made is made again."""
    with daemon.local() as nc:
        edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24")},
             config.veth("va", "vb", **config.ipv4("198.51.101.1/24")), config.veth("vb", "va"))
        nc.copy("running", "startup")
    net.ip("address add 203.0.113.9/32 dev p3")
    before = named(net, "p1", "p3", "p4")
    daemon.stop()
    net.ip("link set p1 name foo")
    net.ip("link set va name bar")
    swap(net, "p3", "p4")
    daemon.start()
    net.wait(lambda: named(net, "p1", "p3", "p4") == before, "the names")
    assert net.addresses("p3") == ["198.51.100.1/24", "203.0.113.9/32"]
    assert net.addresses("p4") == []
    assert net.link("p1")["master"] == "br0"
    assert net.addresses("va") == ["198.51.101.1/24"]
    assert net.link("bar") is None and net.link("foo") is None
    daemon.restart()
    assert daemon.start_changes() == 0


@pytest.mark.kernel
def test_a_name_that_is_taken(nc, net, daemon):
    """By another's interface, which stays what it is; the name comes back when that goes."""
    edit(nc, {"name": "p3", "description": "ours", **config.ipv4("198.51.100.1/24")})
    before = named(net, "p3")
    with asleep(daemon):
        net.run("ip", "-batch", "-", stdin="link set p3 name foo\n"
                "link add p3 type veth peer name other\n")
    reason = net.wait(lambda: not_applied(nc).get("p3"), "the reason")
    assert "another interface has its name" in reason
    assert "ifalias" not in net.link("p3")
    with pytest.raises(RpcError, match="another interface has its name"):
        edit(nc, {"name": "p3", "description": "changed"})
    assert net.link("foo")["ifalias"] == "ours"
    edit(nc, {"name": "p4", "description": "goes on"})
    net.ip("link del other")
    net.wait(lambda: named(net, "p3") == before, "the name")
    assert net.link("p3")["ifalias"] == "ours"
    net.wait(lambda: not not_applied(nc), "no more of it")


def not_applied(nc):
    """{interface: reason}"""
    status = nc.get(f'<status xmlns="{config.namespaces()["ashlar-status"]}"/>')
    return {node.findtext("path").split("'")[1]: node.findtext("reason")
            for node in status.iter("not-applied")}


@pytest.mark.kernel
def test_a_port_is_given_the_name_that_is_waited_for(nc, net):
    edit(nc, config.interface("p9", "ethernet", description="to come"))
    number = named(net, "p4")["p4"]
    net.ip("link set p4 name p9")
    net.wait(lambda: net.link("p9").get("ifalias") == "to come", "the description")
    assert named(net, "p4", "p9") == {"p4": None, "p9": number}
    assert nc.interface("p4").findtext("oper-status") == "not-present"


@pytest.mark.kernel
def test_what_is_not_configured_may_be_renamed(nc, net):
    net.ip("link add other type veth peer name other2")
    net.wait(lambda: nc.interface("other") is not None, "it")
    net.ip("link set other name another")
    net.wait(lambda: nc.interface("other") is None, "its end")
    assert nc.interface("another") is not None


# --- what a name stands for -----------------------------------------------------------------------

@pytest.mark.kernel
def test_type_becomes_that_of_a_port(nc, net, daemon):
    """What we had made goes; a port of that name is waited for, and taken when it comes."""
    edit(nc, config.interface("x", "bridge", **config.ipv4("198.51.100.1/24")),
         config.port("p3", "x"))
    edit(nc, {"name": "p3", "infix-interfaces:bridge-port": {"@operation": "delete"}},
         {"name": "x", "type": "infix-if-type:ethernet"})
    assert net.link("x") is None
    assert nc.interface("x").findtext("oper-status") == "not-present"
    assert not_applied(nc) == {"x": "does not exist"}
    daemon.restart()
    assert daemon.start_changes() == 0
    net.ip("link add x type veth peer name other")
    net.wait(lambda: net.addresses("x") == ["198.51.100.1/24"], "the port")
    # it is another's: no bridge can be made in its place, and it is given back when it is not configured
    with daemon.local() as other:
        with pytest.raises(RpcError, match="x is there already, made by others"):
            edit(other, {"name": "x", "type": "infix-if-type:bridge"})
        assert net.addresses("x") == ["198.51.100.1/24"]
        edit(other, {"name": "x", "@operation": "delete"})
    assert net.addresses("x") == []
    assert net.link("x")["linkinfo"]["info_kind"] == "veth"


@pytest.mark.kernel
def test_type_of_a_port_refused_with_something_else(nc, net):
    """A refused edit brings back what was in the place of the port."""
    edit(nc, config.interface("x", "bridge", **config.ipv4("198.51.100.1/24")),
         config.port("p3", "x"))
    before = net.dump()
    with pytest.raises(RpcError, match="made by others"):
        edit(nc, {"name": "p3", "infix-interfaces:bridge-port": {"@operation": "delete"}},
             {"name": "x", "type": "infix-if-type:ethernet"},
             {"name": "p4", "type": "infix-if-type:bridge"})
    after = net.dump()
    assert [link["ifname"] for link in after["links"] if link.get("master") == "x"] == ["p3"]
    assert net.addresses("x") == ["198.51.100.1/24"]
    assert len(after["links"]) == len(before["links"])


@pytest.mark.kernel
def test_alias_goes(nc, net, daemon):
    """A description is what configuration says, also where it says none; what was there before it stays."""
    net.ip("link add other type veth peer name other2")
    net.ip("link set other alias theirs")
    edit(nc, config.interface("other", "ethernet"), config.veth("va", "vb"), config.veth("vb", "va"),
         {"name": "p4", "description": "ours"})
    for name, alias in ("p3", None), ("va", None), ("br0", None), ("p4", "ours"):
        net.ip(f"link set {name} alias another")
        net.wait(lambda: net.link(name).get("ifalias") == alias, f"{name} as configured")
    assert net.link("other")["ifalias"] == "theirs"
    daemon.restart()
    assert daemon.start_changes() == 0
    assert net.link("other")["ifalias"] == "theirs"
    net.ip("link del other")


# --- addresses ------------------------------------------------------------------------------------

def origins(nc, link):
    """{address: origin} without those that the kernel makes for every link."""
    return {f"{node.findtext('ip')}/{node.findtext('prefix-length')}": node.findtext("origin")
            for family in ("ipv4", "ipv6")
            for node in nc.interface(link).iterfind(f"{family}/address")
            if not node.findtext("ip").startswith("fe80:")}


@pytest.mark.kernel
def test_addresses_of_others_stay(nc, net, daemon):
    ours = {"198.51.100.1/24": "static", "2001:db8::1/64": "static"}
    theirs = {"198.51.100.2/24": "other", "203.0.113.9/32": "other", "2001:db8::9/64": "other"}
    entry = {"name": "p3", **config.ipv4("198.51.100.1/24"), **config.ipv6("2001:db8::1/64")}
    edit(nc, entry)
    for address in theirs:
        net.ip(f"address add {address} dev p3")
    net.wait(lambda: origins(nc, "p3") == {**ours, **theirs}, "all of them")
    # whatever is edited, of the interface and around it
    for change in ({"description": "new"}, {"ietf-ip:ipv4": {"mtu": 1400}}, {"enabled": False},
                   {"enabled": True}, config.ipv4("198.51.100.3/24"),
                   {"infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:42"}}):
        edit(nc, {"name": "p3", **change})
        assert set(theirs) <= set(net.addresses("p3")), change
    edit(nc, config.veth("va", "vb"), config.veth("vb", "va"))
    edit(nc, config.veth("va", "vc"), config.veth("vc", "va"), {"name": "vb", "@operation": "delete"})
    edit(nc, {"name": "p4", "@operation": "delete"})
    assert origins(nc, "p3") == {**ours, "198.51.100.3/24": "static", **theirs}
    before = net.addresses("p3")
    nc.copy("running", "startup")
    daemon.restart()
    assert daemon.start_changes() == 0
    daemon.kill()
    daemon.start()
    assert daemon.start_changes() == 0
    assert net.addresses("p3") == before
    with daemon.local() as other:
        assert origins(other, "p3") == {**ours, "198.51.100.3/24": "static", **theirs}
        # ours go, be they the first of a subnet; what others have made is not given back with the port
        edit(other, {"name": "p3", "ietf-ip:ipv4": {"@operation": "delete"}})
        assert set(net.addresses("p3")) == {"2001:db8::1/64", *theirs}
        edit(other, {"name": "p3", "@operation": "delete"})
        assert set(net.addresses("p3")) >= {"198.51.100.2/24", "203.0.113.9/32"}


@pytest.mark.kernel
def test_address_of_both(nc, net):
    """One that others had made before is taken for ours as long as it is configured."""
    net.ip("address add 198.51.100.1/24 dev p3")
    net.wait(lambda: origins(nc, "p3") == {"198.51.100.1/24": "other"}, "it")
    edit(nc, {"name": "p3", **config.ipv4("198.51.100.1/24")})
    assert origins(nc, "p3") == {"198.51.100.1/24": "static"}
    net.ip("address change 198.51.100.1/24 dev p3 valid_lft 300 preferred_lft 200")
    net.wait(lambda: "valid_lft forever" in net.ip("address show dev p3 to 198.51.100.1"), "for ever")
    net.ip("address del 198.51.100.1/24 dev p3")
    net.wait(lambda: net.addresses("p3") == ["198.51.100.1/24"], "it again")


# --- bridges and aggregates -----------------------------------------------------------------------

PVID = {"PVID", "Egress Untagged"}


@pytest.fixture
def vlans(nc, net):
    """VLAN 10 untagged on p1, tagged on p2; VLAN 20 untagged on p2."""
    edit(nc, {"name": "br0", "infix-interfaces:bridge": {"vlans": {"vlan": [
        config.vlan(10, ["p2"], ["p1"]), config.vlan(20, ["br0"], ["p2"])]}}},
         {"name": "p1", "infix-interfaces:bridge-port": {"pvid": 10}},
         {"name": "p2", "infix-interfaces:bridge-port": {"pvid": 20}})
    expected = {"p1": {10: PVID}, "p2": {10: set(), 20: PVID}, "br0": {20: set()}}
    assert members(net) == expected
    return expected


def members(net):
    return {name: net.vlans(name) for name in ("p1", "p2", "br0")}


def told(nc, vid):
    """(tagged, untagged) of the VLAN in operational state."""
    for vlan in nc.interface("br0").iterfind("bridge/vlans/vlan"):
        if vlan.findtext("vid") == str(vid):
            return tuple(sorted(node.text for node in vlan.iterfind(how))
                         for how in ("tagged", "untagged"))
    return None


@pytest.mark.guest
def test_vlans_come_back(nc, net, vlans):
    for command in ("vlan del dev p1 vid 10", "vlan del dev p2 vid 10", "vlan del dev br0 vid 20 self",
                    "vlan add dev p1 vid 10", "vlan add dev p2 vid 10 untagged",
                    "vlan add dev br0 vid 20 pvid untagged self"):
        net.run("bridge", *command.split())
        net.wait(lambda: members(net) == vlans, command)
    # one that nobody has configured stays and is told of, but does not take what comes untagged
    net.run("bridge", "vlan", "add", "dev", "p1", "vid", "30", "pvid", "untagged")
    net.wait(lambda: members(net)["p1"] == {10: PVID, 30: {"Egress Untagged"}}, "the PVID")
    assert told(nc, 30) == ([], ["p1"])
    edit(nc, {"name": "p1", "description": "changed"}, {"name": "br0", "description": "changed"})
    assert members(net)["p1"] == {10: PVID, 30: {"Egress Untagged"}}
    net.run("bridge", "vlan", "del", "dev", "p1", "vid", "30")
    assert net.wait(lambda: told(nc, 30) is None, "its end")


@pytest.mark.guest
def test_bridge_settings_come_back(nc, net, vlans):
    """A default PVID makes all ports members of one VLAN: none of that stays."""
    def data():
        found = net.link("br0")["linkinfo"]["info_data"]
        return [found[name] for name in ("vlan_filtering", "vlan_default_pvid", "vlan_protocol",
                                         "mcast_snooping", "stp_state")]

    before = data()
    assert before[:3] == [1, 0, "802.1Q"]
    for words in ("vlan_default_pvid 77", "vlan_filtering 0", "vlan_filtering 0 vlan_default_pvid 1",
                  "vlan_protocol 802.1ad", "mcast_snooping 0", "stp_state 1"):
        net.ip(f"link set br0 type bridge {words}")
        with contextlib.suppress(AssertionError):
            net.wait(lambda: data() == before and members(net) == vlans, words)
        assert (data(), members(net)) == (before, vlans), words


@pytest.mark.guest
@pytest.mark.parametrize("mode", ["static", "lacp"])
def test_aggregate_settings_come_back(nc, net, daemon, mode):
    edit(nc, config.interface("lag0", "lag", infix_interfaces__lag={"mode": mode, "link-monitor": {
             "debounce": {"up": 200, "down": 300}}}),
         *(config.interface(name, "ethernet", infix_interfaces__lag_port={"lag": "lag0"})
           for name in ("p3", "p4")))

    def state():
        found = net.link("lag0")["linkinfo"]["info_data"]
        ports = [net.link(name).get("master") for name in ("p3", "p4")]
        return [found.get(name) for name in ("mode", "miimon", "updelay", "downdelay",
                                             "xmit_hash_policy", "ad_lacp_rate")], ports

    before = state()
    assert before[1] == ["lag0", "lag0"]
    for commands in (["type bond miimon 1000"], ["type bond updelay 0"], ["down"], ["p3 nomaster"],
                     ["type bond xmit_hash_policy vlan+srcmac"], ["type bond miimon 0"],
                     ["p3 nomaster", "p4 nomaster", "down", "type bond mode active-backup", "up"]):
        words = [command if command.startswith("p") else f"lag0 {command}" for command in commands]
        with asleep(daemon):  # or what they do is undone before they are through
            net.run("ip", "-batch", "-", stdin="".join(f"link set {word}\n" for word in words))
        net.wait(lambda: state() == before, f"{commands}: {before}")
        net.wait_up("lag0")
