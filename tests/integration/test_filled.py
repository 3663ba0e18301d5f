"""Values that a name tells, filled in for whoever leaves them out, by whatever way he comes."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import differences

pytestmark = pytest.mark.guest  # 802.1Q links, link aggregates, tunnels

TUNNEL = {"local": "198.51.100.1", "remote": "198.51.100.2"}
# what a client says, and what is filled in
GIVEN = {
    "br7": {}, "docker7": {}, "podman7": {},
    "lag7": {"infix-interfaces:lag": {"mode": "static"}},
    "bond7": {"infix-interfaces:lag": {"mode": "lacp"}},
    "dummy7": {},
    "veth7a": {}, "veth7b": {},
    "veth8a": {}, "veth8b": {"infix-interfaces:container-network": {}},
    "p3.17": {}, "p3.17.18": {},
    "vlan19": {"infix-interfaces:vlan": {"lower-layer-if": "p3"}},
    "gre7": {"infix-interfaces:gre": TUNNEL},
    "gretap7": {"infix-interfaces:gre": TUNNEL},
    "vxlan7": {"infix-interfaces:vxlan": {**TUNNEL, "vni": 7}},
    "eth7": {},
}
FILLED = {
    "br7": {"type": "bridge"}, "docker7": {"type": "bridge"}, "podman7": {"type": "bridge"},
    "lag7": {"type": "lag"}, "bond7": {"type": "lag"},
    "dummy7": {"type": "dummy"},
    "veth7a": {"type": "veth", "veth/peer": "veth7b"},
    "veth7b": {"type": "veth", "veth/peer": "veth7a"},
    "veth8a": {"type": "veth", "veth/peer": "veth8b"},
    "veth8b": {"type": "veth", "veth/peer": "veth8a", "container-network/type": "host"},
    "p3.17": {"type": "vlan", "vlan/id": "17", "vlan/lower-layer-if": "p3"},
    "p3.17.18": {"type": "vlan", "vlan/id": "18", "vlan/lower-layer-if": "p3.17"},
    "vlan19": {"type": "vlan", "vlan/id": "19", "vlan/lower-layer-if": "p3"},
    "gre7": {"type": "gre"}, "gretap7": {"type": "gretap"}, "vxlan7": {"type": "vxlan"},
    "eth7": {"type": "ethernet"},
}
ENTRIES = [{"name": name, **members} for name, members in GIVEN.items()]
REMOVED = config.interfaces(*({"name": name, "@operation": "delete"} for name in GIVEN))


@pytest.fixture
def daemon(net, make_daemon):
    daemon = make_daemon(net, startup(net)).start()
    net.wait_up("br0", *net.ports)
    return daemon


def startup(net, *entries):
    data = config.switch(net.ports[:2])
    data["ietf-interfaces:interfaces"]["interface"] += [
        *(config.interface(name, "ethernet") for name in net.ports[2:]), *entries]
    return data


def filled(nc, source):
    """What a datastore says of the nodes in question."""
    def text(entry, path):
        found = entry.findtext(path)
        return found and found.rpartition(":")[2]

    entries = {name: nc.interface(name, source) for name in FILLED}
    return {name: {path: text(entry, path) for path in FILLED[name]}
            for name, entry in entries.items() if entry is not None}


def by_running(daemon, nc):
    nc.edit(config.interfaces(*ENTRIES))


def by_each_alone(daemon, nc):
    """An entry after the other, pairs together."""
    single = [entry for entry in ENTRIES if not entry["name"].startswith("veth")]
    for entry in single:
        nc.edit(config.interfaces(entry))
    nc.edit(config.interfaces(*(entry for entry in ENTRIES if entry not in single)))


def by_candidate(daemon, nc):
    nc.edit(config.interfaces(*ENTRIES), "candidate")
    nc.validate("candidate")
    nc.ok("<commit/>")


def by_replacing(daemon, nc):
    """All of running at once, from what it is."""
    nc.copy({**startup(daemon.net, *ENTRIES)}, "running")


def by_edit_data(daemon, nc):
    nmda = config.namespaces()["ietf-netconf-nmda"]
    stores = config.namespaces()["ietf-datastores"]
    nc.ok(f'<edit-data xmlns="{nmda}"><datastore xmlns:ds="{stores}">ds:running</datastore>'
          f"<config>{config.to_xml(config.interfaces(*ENTRIES))}</config></edit-data>")


def by_patch(daemon, nc):
    with daemon.restconf() as client:
        response = client.patch("data/ietf-interfaces:interfaces", config.interfaces(*ENTRIES))
        assert response.status == 204, response.body


def by_post_and_put(daemon, nc):
    """One at a time, pairs being beyond that: a peer must be there."""
    with daemon.restconf() as client:
        for number, entry in enumerate(ENTRIES):
            if entry["name"].startswith("veth"):
                continue
            data = {"ietf-interfaces:interface": [entry]}
            response = client.put(f"data/ietf-interfaces:interfaces/interface={entry['name']}",
                                  data) if number % 2 else \
                client.post("data/ietf-interfaces:interfaces", data)
            assert response.status == 201, response.body
    nc.edit(config.interfaces(*(entry for entry in ENTRIES if entry["name"].startswith("veth"))))


def test_every_way(daemon, nc, net):
    before = net.dump()
    for way in (by_running, by_each_alone, by_candidate, by_replacing, by_edit_data, by_patch,
                by_post_and_put):
        way(daemon, nc)
        found = filled(nc, "running")
        assert differences(FILLED, found) == [], way.__name__
        assert net.link("p3.17.18")["link"] == "p3.17"
        assert net.link("bond7")["linkinfo"]["info_kind"] == "bond"
        nc.edit(REMOVED)
        assert differences(before, net.dump()) == [], way.__name__


def test_from_a_startup_file(net, make_daemon):
    daemon = make_daemon(net, startup(net, *ENTRIES)).start()
    daemon.wait_log("event=config-loaded source=startup")
    with daemon.local() as nc:
        assert differences(FILLED, filled(nc, "running")) == []
        assert net.link("gretap7")["linkinfo"]["info_kind"] == "gretap"
        nc.copy("running", "startup")
        assert differences(FILLED, filled(nc, "startup")) == []


def test_what_no_name_tells(nc):
    for name, words in ("office", "type"), ("veth9", "peer"), ("vlan20", "lower-layer-if"), \
            ("none.20", "none"):
        with pytest.raises(RpcError) as refused:
            nc.edit(config.interfaces({"name": name}))
        assert words in f"{refused.value.path} {refused.value.message}"
    # and what is given stays
    nc.edit(config.interfaces(
        config.interface("br8", "dummy"),
        {"name": "p3.21", "infix-interfaces:vlan": {"id": 22, "lower-layer-if": "p4"}},
        config.veth("veth9a", "pear"), config.veth("pear", "veth9a")))
    assert nc.interface("br8", "running").findtext("type").endswith("dummy")
    assert nc.interface("p3.21", "running").findtext("vlan/id") == "22"
    assert nc.interface("p3.21", "running").findtext("vlan/lower-layer-if") == "p4"
    assert nc.interface("veth9a", "running").findtext("veth/peer") == "pear"
