"""Kinds of interfaces, each from configuration into the kernel, through a restart and a refusal, and back."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences

pytestmark = pytest.mark.guest

# a route whose next hop cannot be reached: refused by the kernel, after all links were made
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))


class Kind:
    """ENTRIES are interfaces; LINKS tells of each what `ip -d link` must know, "info_data" included.

    CHANGES are (edit of an interface, what must be known then, whether it stays the same link).
    """

    def __init__(self, name, entries, links, changes=()):
        self.name, self.entries, self.links, self.changes = name, entries, links, changes


def dummy():
    return Kind(
        "dummy",
        [{"name": "dummy0", "description": "nothing", **config.ipv4("198.51.100.1/24", mtu=1400)},
         config.interface("blackhole", "dummy", enabled=False)],
        {"dummy0": {"info_kind": "dummy", "mtu": 1400, "ifalias": "nothing"},
         "blackhole": {"info_kind": "dummy", "mtu": 1500}},
        [({"name": "dummy0", "ietf-ip:ipv4": {"mtu": 1300}}, {"mtu": 1300}, True)])


KINDS = [dummy()]


@pytest.fixture
def daemon(net, make_daemon):
    """A bridge over two ports; two ports that nobody uses."""
    daemon = make_daemon(net, config.switch(net.ports[:2])).start()
    net.wait_up("br0", *net.ports[:2])
    return daemon


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


def remove(nc, *names):
    edit(nc, *({"name": name, "@operation": "delete"} for name in names))


def known(net, name):
    """What the kernel knows of a link, in one dictionary."""
    link = net.link(name)
    assert link, f"no {name}"
    return {**link, **link.get("linkinfo", {}), **link.get("linkinfo", {}).get("info_data", {})}


def assert_known(net, name, expected):
    link = known(net, name)
    assert {key: link.get(key) for key in expected} == expected


def is_known(net, name, expected):
    if not net.link(name):
        return False
    link = known(net, name)
    return {key: link.get(key) for key in expected} == expected


def names(kind):
    return [entry["name"] for entry in kind.entries]


def test_made_changed_and_removed(nc, net, kind):
    before = net.dump()
    edit(nc, *kind.entries)
    for name, expected in kind.links.items():
        assert_known(net, name, expected)
    for entry in kind.entries:
        shown = nc.interface(entry["name"])
        assert shown.findtext("admin-status") == ("up" if entry.get("enabled", True) else "down")
        assert shown.findtext("if-index") == str(net.link(entry["name"])["ifindex"])
    for change, expected, stays in kind.changes:
        index = known(net, change["name"])["ifindex"]
        edit(nc, change)
        assert_known(net, change["name"], expected)
        assert (known(net, change["name"])["ifindex"] == index) == stays
    remove(nc, *names(kind))
    assert differences(before, net.dump()) == []


def test_restart_sends_nothing(daemon, net, kind):
    with daemon.local() as session:
        edit(session, *kind.entries)
    before = net.dump()
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert differences(before, net.dump()) == []


def test_refused_with_another(nc, net, kind):
    before = net.dump()
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*kind.entries), **REFUSED})
    assert differences(before, net.dump()) == []
    edit(nc, *kind.entries)
    made = net.dump()
    for change, _, _ in kind.changes:
        with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
            nc.edit({**config.interfaces(change), **REFUSED})
        # what had to be made again has another number only if nobody could keep the old one
        assert differences(made, net.dump()) == []
    with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
        nc.edit({**config.interfaces(*({"name": name, "@operation": "delete"}
                                       for name in names(kind))), **REFUSED})
    assert differences(made, net.dump()) == []


def test_what_others_remove_comes_back(nc, net, kind):
    edit(nc, *kind.entries)
    name = kind.entries[0]["name"]
    net.ip(f"link del {name}")
    net.wait(lambda: net.link(name), f"{name} again")
    for name, expected in kind.links.items():
        net.wait(lambda: is_known(net, name, expected), f"{name} as it was")
