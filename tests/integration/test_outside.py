"""What others do, behind the daemon's back, to what it has configured, and to what is their own."""

import pytest

from ashlar import config

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


def test_what_the_kernel_begins_with_comes_back(nc, net):
    """Also where configuration says no more than what is usual."""
    edit(nc, {"name": "p3", **config.ipv6("2001:db8::1/64")})
    for name, value, other in (("autoconf", "1", "0"), ("use_tempaddr", "0", "2"),
                               ("dad_transmits", "1", "5"), ("forwarding", "0", "1")):
        turn(net, "p3", name, other)
        net.wait(lambda: knob(net, "p3", name) == value, f"{name} as it was")


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
