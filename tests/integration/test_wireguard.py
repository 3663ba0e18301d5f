"""WireGuard: keys from the keystore, peers from the truststore, in the kernel and on the wire."""

import base64
import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.netlink import Watch
from ashlar.network import differences
from ashlar.push import made_again, on_change, one, update
from ashlar.wireguard import device

pytestmark = pytest.mark.guest

CRYPTO, INFIX = "ietf-crypto-types:", "infix-crypto-types:"
REFUSED = config.routes(("198.51.100.0/24", "203.0.113.1"))
PSK = base64.b64encode(bytes(range(32))).decode()
OTHER_PSK = base64.b64encode(bytes(range(1, 33))).decode()


class Pair:
    """A key pair; both halves base64."""

    def __init__(self):
        def openssl(*words, stdin=None):
            return subprocess.run(["openssl", *words], input=stdin, capture_output=True,
                                  check=True).stdout

        pem = openssl("genpkey", "-algorithm", "X25519")
        self.private = base64.b64encode(openssl("pkey", "-outform", "DER", stdin=pem)[-32:]).decode()
        self.public = base64.b64encode(
            openssl("pkey", "-pubout", "-outform", "DER", stdin=pem)[-32:]).decode()

    def clamped(self):
        """The private half as the kernel keeps it."""
        key = bytearray(base64.b64decode(self.private))
        key[0] &= 248
        key[31] = key[31] & 127 | 64
        return base64.b64encode(key).decode()


def key(name, pair):
    return {"name": name, "private-key-format": INFIX + "x25519-private-key-format",
            "public-key-format": INFIX + "x25519-public-key-format",
            "cleartext-private-key": pair.private}


def symmetric(name, data):
    return {"name": name, "key-format": INFIX + "symmetric-key-format",
            "cleartext-symmetric-key": data}


def bag(name, **keys):
    return {"name": name, "public-key": [
        {"name": one, "public-key-format": INFIX + "x25519-public-key-format",
         "public-key": pair.public} for one, pair in keys.items()]}


def keys(*asymmetric, psk=(), bags=()):
    return {"ietf-keystore:keystore": {"asymmetric-keys": {"asymmetric-key": list(asymmetric)},
                                       "symmetric-keys": {"symmetric-key": list(psk)}},
            "ietf-truststore:truststore": {"public-key-bags": {"public-key-bag": list(bags)}}}


def wireguard(name, private_key, *peers, address=None, **members):
    """PEERS are entries of the list."""
    return {"name": name, **(config.ipv4(address) if address else {}),
            "infix-interfaces:wireguard": {
                "private-key": private_key, "peers": list(peers),
                **{name.replace("_", "-"): value for name, value in members.items()}}}


@pytest.fixture(scope="module")
def pairs():
    return {name: Pair() for name in "abc"}


@pytest.fixture
def mesh(pairs):
    """Keys of the end a, and a bag of all ends."""
    return keys(key("a", pairs["a"]), psk=[symmetric("secret", PSK), symmetric("other", OTHER_PSK)],
                bags=[bag("mesh", **pairs)])


@pytest.fixture
def daemon(net, make_daemon, mesh):
    startup = config.switch(net.ports[:2])
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p3", "ethernet", **config.ipv4("198.51.100.1/24")))
    daemon = make_daemon(net, {**startup, **mesh}).start()
    net.wait_up("br0", "p1", "p2", "p3")
    return daemon


def peers_of_mesh(**members):
    named = {name.replace("_", "-"): value for name, value in members.items()}
    return {"public-key-bag": "mesh", "preshared-key": "secret", "persistent-keepalive": 25,
            "allowed-ips": ["10.9.0.0/16"], "peer": [
                {"public-key": "b", "endpoint": "198.51.100.2", "endpoint-port": 7000,
                 "allowed-ips": ["10.1.2.3/24", "2001:db8:1::/48"]},
                {"public-key": "c", "preshared-key": "other"}], **named}


def edit(nc, *entries):
    nc.edit(config.interfaces(*entries))


@pytest.mark.covers("configure", "read", of="wireguard")
def test_made_changed_and_removed(nc, net, pairs):
    before = net.dump()
    edit(nc, wireguard("wg0", "a", peers_of_mesh(), address="10.1.2.1/24", listen_port=7001))
    assert net.link("wg0")["linkinfo"]["info_kind"] == "wireguard"
    assert net.link("wg0")["mtu"] == 1420
    b = {"psk": PSK, "endpoint": "198.51.100.2 7000", "keepalive": 25,
         "ips": ["10.1.2.0/24", "2001:db8:1::/48"]}
    c = {"psk": OTHER_PSK, "endpoint": None, "keepalive": 25, "ips": ["10.9.0.0/16"]}
    b_key, c_key = pairs["b"].public, pairs["c"].public
    made = {"key": pairs["a"].clamped(), "port": 7001, "peers": {b_key: b, c_key: c}}
    assert device(net, "wg0") == made
    index = net.link("wg0")["ifindex"]
    # one thing after another, in the kernel and nowhere else
    steps = [
        (peers_of_mesh(persistent_keepalive=5), {b_key: {**b, "keepalive": 5},
                                                 c_key: {**c, "keepalive": 5}}),
        (peers_of_mesh(endpoint="198.51.100.7"),
         {b_key: {**b, "keepalive": 5},
          c_key: {**c, "keepalive": 5, "endpoint": "198.51.100.7 51820"}}),
    ]
    known = made["peers"]
    for entry, expected in steps:
        if "endpoint" in entry:
            entry["persistent-keepalive"] = 5
        edit(nc, wireguard("wg0", "a", entry))
        known = expected
        assert device(net, "wg0") == {**made, "peers": known}
    nc.edit(keys(psk=[symmetric("secret", OTHER_PSK)]))
    known[b_key]["psk"] = OTHER_PSK
    assert device(net, "wg0")["peers"] == known
    edit(nc, {"name": "wg0", "infix-interfaces:wireguard": {"peers": [
        {"public-key-bag": "mesh", "endpoint": [None],
         "@endpoint": {"ietf-netconf:operation": "delete"}}]}})
    known[c_key]["endpoint"] = None
    assert device(net, "wg0")["peers"] == known
    nc.edit({"ietf-truststore:truststore": {"public-key-bags": {"public-key-bag": [
        {"name": "mesh", "public-key": [{"name": "a", "@operation": "delete"},
                                        {"name": "c", "public-key": Pair().public}]}]}}})
    (new,) = set(device(net, "wg0")["peers"]) - {b_key}
    assert device(net, "wg0")["peers"][new]["ips"] == ["10.9.0.0/16"]
    assert c_key not in device(net, "wg0")["peers"]
    assert net.link("wg0")["ifindex"] == index
    edit(nc, {"name": "wg0", "@operation": "delete"})
    assert differences(before, net.dump()) == []


def test_what_is_allowed_to_two_peers(nc, net, pairs):
    """The kernel would take it from one of them without a word."""
    nc.edit(keys(bags=[bag("again", b=pairs["b"]), bag("more", d=Pair())]))
    mine = {"public-key": "b", "allowed-ips": ["10.9.1.1/16"]}
    for peers, path, value in (
            ([peers_of_mesh(peer=[])], "peers[{0}public-key-bag='mesh']/{0}allowed-ips", "10.9.0.0/16"),
            ([peers_of_mesh(peer=[mine])], "peers[{0}public-key-bag='mesh']/{0}allowed-ips",
             "10.9.0.0/16"),
            ([peers_of_mesh(), {"public-key-bag": "more", "allowed-ips": ["10.9.0.0/16"]}],
             "peers[{0}public-key-bag='more']/{0}allowed-ips", "10.9.0.0/16"),
            ([peers_of_mesh(), {"public-key-bag": "again", "allowed-ips": ["10.7.0.0/16"]}],
             "']/{0}public-key-bag", "key b")):
        with pytest.raises(RpcError) as caught:
            edit(nc, wireguard("wg0", "a", *peers))
        assert path.format("infix-if:") in caught.value.path
        assert value in caught.value.message
        assert net.link("wg0") is None


@pytest.mark.covers("notify", "rollback", of="wireguard")
def test_restart_and_refusal(daemon, net, pairs):
    with daemon.local() as nc:
        edit(nc, wireguard("wg0", "a", peers_of_mesh(), address="10.1.2.1/24"))
        made, known = net.dump(), device(net, "wg0")
        for change in (peers_of_mesh(endpoint="198.51.100.9", allowed_ips=["10.8.0.0/16"]),
                       {"public-key-bag": "mesh", "peer": [
                           {"public-key": "c", "@operation": "delete"}]}):
            with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
                nc.edit({**config.interfaces(wireguard("wg0", "a", change)), **REFUSED})
            assert device(net, "wg0") == known
        with pytest.raises(RpcError, match="Nexthop has invalid gateway"):
            nc.edit({**config.interfaces({"name": "wg0", "@operation": "delete"}), **REFUSED})
        assert device(net, "wg0") == known
        assert differences(made, net.dump()) == []
    with daemon.local() as session:
        number = on_change(session, one("wg0", "<if-index/>"), "operational")
        update(session, number)
        index = net.link("wg0")["ifindex"]
        net.ip("link del wg0")
        made_again(session, number, "wg0", index)
    net.wait(lambda: net.link("wg0") and device(net, "wg0") == known, "wg0 with its peers again")
    daemon.kill()
    with Watch(net) as watch:
        daemon.start()
        assert watch.changes() == 0
    assert daemon.start_changes() == 0
    assert device(net, "wg0") == known
    net.ip("link del wg0")
    net.wait(lambda: net.link("wg0") and device(net, "wg0") == known, "wg0 with its peers again")


def test_many_addresses(nc, net, pairs):
    """More than one message holds, and peers in more messages than one."""
    prefixes = sorted(f"10.{high}.{low}.0/24" for high in range(4) for low in range(250))
    edit(nc, wireguard("wg0", "a", {"public-key-bag": "mesh", "peer": [
        {"public-key": "b", "allowed-ips": prefixes},
        {"public-key": "c", "allowed-ips": ["2001:db8::/32"]}]}))
    peers = device(net, "wg0")["peers"]
    assert peers[pairs["b"].public]["ips"] == prefixes
    assert peers[pairs["c"].public]["ips"] == ["2001:db8::/32"]
    # from one to another
    edit(nc, wireguard("wg0", "a", {"public-key-bag": "mesh", "peer": [
        {"public-key": "b", "allowed-ips": prefixes[7],
         "@allowed-ips": {"ietf-netconf:operation": "delete"}},
        {"public-key": "c", "allowed-ips": [prefixes[7]]}]}))
    peers = device(net, "wg0")["peers"]
    assert len(peers[pairs["b"].public]["ips"]) == len(prefixes) - 1
    assert peers[pairs["c"].public]["ips"] == sorted(["2001:db8::/32", prefixes[7]])


def ping(namespace, address):
    namespace.run("ping", "-q", "-c", "3", "-i", "0.05", "-W", "5", address)


@pytest.fixture
def other(net, make_daemon, pairs):
    """Another device behind p3: the end b."""
    far = net.far[3]
    startup = {
        **config.interfaces(
            config.interface("lo", "loopback"),
            config.interface("eth0", "ethernet", **config.ipv4("198.51.100.2/24")),
            {"type": "infix-if-type:wireguard", **wireguard(
                "wg0", "b", {"public-key-bag": "mesh", "preshared-key": "secret",
                             "allowed-ips": ["10.1.2.1/32"]},
                address="10.1.2.2/24", listen_port=7000)}),
        **keys(key("b", pairs["b"]), psk=[symmetric("secret", PSK)],
               bags=[bag("mesh", a=pairs["a"])])}
    return make_daemon(far, startup).start()


def status(session, name="wg0"):
    """{public key: {leaf: text}} of a link's peers."""
    return {peer.findtext("public-key"): {node.tag: node.text for node in peer.iter()}
            for peer in session.interface(name).iterfind("wireguard/peer-status/peer")}


def test_tunnel_between_two_devices(net, daemon, other, pairs):
    with daemon.local() as nc, other.local() as far:
        edit(nc, wireguard("wg0", "a", peers_of_mesh(persistent_keepalive=1),
                           address="10.1.2.1/24", listen_port=7001))
        net.wait(lambda: status(nc)[pairs["b"].public].get("latest-handshake"), "a handshake")
        ping(net, "10.1.2.2")
        ping(net.far[3], "10.1.2.1")
        shown = status(nc)[pairs["b"].public]
        assert (shown["endpoint-address"], shown["endpoint-port"]) == ("198.51.100.2", "7000")
        assert shown["connection-status"] == "up"
        assert int(shown["tx-bytes"]) > 0 and int(shown["rx-bytes"]) > 0
        assert status(nc)[pairs["c"].public]["connection-status"] == "down"
        assert status(far)[pairs["a"].public]["endpoint-port"] == "7001"
        # who moves is followed, and nobody puts it back
        edit(far, wireguard("wg0", "b", listen_port=7777))
        net.wait(lambda: status(nc)[pairs["b"].public]["endpoint-port"] == "7777", "b moved")
        ping(net, "10.1.2.2")
        daemon.kill()
        daemon.start()
        assert daemon.start_changes() == 0
    with daemon.local() as nc:
        assert status(nc)[pairs["b"].public]["endpoint-port"] == "7777"
        edit(nc, {"name": "wg0", "description": "nothing that concerns peers"})
        assert status(nc)[pairs["b"].public]["endpoint-port"] == "7777"
        ping(net, "10.1.2.2")
        # another secret: nothing passes until the other end has it, too
        nc.edit(keys(psk=[symmetric("secret", OTHER_PSK)]))
        assert device(net, "wg0")["peers"][pairs["b"].public]["psk"] == OTHER_PSK


def test_key_that_the_device_makes(nc, net, pairs):
    peers = peers_of_mesh()
    made = {"ietf-keystore:keystore": {"asymmetric-keys": {"asymmetric-key": [
        {"name": "made", "public-key-format": INFIX + "x25519-public-key-format"}]}}}
    with pytest.raises(RpcError, match="10.9.0.0/16 belongs to another peer"):  # both a and c
        nc.edit({**made, **config.interfaces(wireguard("wg1", "made", peers))})
    peers["peer"].append({"public-key": "a", "allowed-ips": ["10.8.0.0/16"]})
    nc.edit({**made, **config.interfaces(wireguard("wg1", "made", peers, listen_port=7002))})
    net.wait(lambda: device(net, "wg1")["peers"], "wg1 with its key")
    assert device(net, "wg1")["port"] == 7002


def test_wrong_keys(nc, net, pairs):
    nc.edit(keys(psk=[symmetric("short", base64.b64encode(b"short").decode())]))
    before = net.dump()
    with pytest.raises(RpcError, match="32 bytes, not 5") as refused:
        edit(nc, wireguard("wg0", "a", peers_of_mesh(preshared_key="short")))
    assert refused.value.path == ("/if:interfaces/if:interface[if:name='wg0']/infix-if:wireguard"
                                  "/infix-if:peers[infix-if:public-key-bag='mesh']"
                                  "/infix-if:preshared-key")
    with pytest.raises(RpcError, match="no MAC address"):
        edit(nc, {**wireguard("wg0", "a", peers_of_mesh()),
                  "infix-interfaces:custom-phys-address": {"static": "02:00:00:00:00:01"}})
    assert differences(before, net.dump()) == []
