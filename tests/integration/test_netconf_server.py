"""Where the servers listen: ietf-netconf-server (draft-ietf-netconf-netconf-client-server) and Infix's
services, as long as they say something, and where they are if not."""

import ssl

import pytest

from ashlar import config, netconf
from ashlar.netconf import RpcError
from ashlar.network import run, until
from ashlar.pki import Maker, b64
from ashlar.serving import (OPENSSH, SSH, certificate_of, host_key, keystore, netconf_server,
                            ssh_endpoint, tls_context, tls_key)


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)


def ssh_key_entry(make, name="host", kind="ed25519"):
    private, public = make.openssh(kind)
    return {"name": name, "public-key-format": SSH, "public-key": b64(public),
            "private-key-format": OPENSSH, "cleartext-private-key": b64(private)}, b64(public)


def listens(net, port, host="127.0.0.1"):
    try:
        net.connect(host, port).close()
        return True
    except OSError:
        return False


def ssh_session(daemon, port, host="127.0.0.1"):
    return netconf.Session(netconf.SshStream(daemon.net, port, daemon.directory, config.USER,
                                             config.PASSWORD, None, host))


LISTEN = {"ietf-netconf-server:netconf-server": {"listen": {"@operation": "delete"}}}


def test_listening_elsewhere(daemon, nc, make):
    """An endpoint takes the place of the default, with its own host key; without any the default is
    back. Sessions that are there go on."""
    entry, public = ssh_key_entry(make)
    old = host_key(daemon.net, 830)
    with daemon.ssh() as before:
        nc.edit({**keystore(entry), **netconf_server(ssh_endpoint("e", ("127.0.0.1", 1830)))})
        assert not listens(daemon.net, 830)
        assert host_key(daemon.net, 1830) == public != old
        with ssh_session(daemon, 1830) as session:
            assert session.get_config().find("system") is not None
            nc.edit(LISTEN)
            assert not listens(daemon.net, 1830)
            assert host_key(daemon.net, 830) == old
            session.get_config()
        before.get_config()


def test_another_host_key(daemon, nc, make):
    """A new key holds for new connections; those that are there go on."""
    entry, public = ssh_key_entry(make)
    nc.edit({**keystore(entry), **netconf_server(ssh_endpoint("e", ("::", None)))})
    assert host_key(daemon.net, 830) == public
    with daemon.ssh() as session:
        entry, other = ssh_key_entry(make)
        nc.edit(keystore(entry))
        assert host_key(daemon.net, 830) == other != public
        session.get_config()


def test_several_host_keys(daemon, nc, make):
    """Of each kind the first counts."""
    keys = {kind: ssh_key_entry(make, kind, kind) for kind in ("ed25519", "rsa", "ecdsa")}
    second, _ = ssh_key_entry(make, "second", "ecdsa")
    nc.edit({**keystore(*(entry for entry, _ in keys.values()), second),
             **netconf_server(ssh_endpoint("e", ("::", None), keys=(*keys, "second")))})
    for kind, (_, public) in keys.items():
        assert host_key(daemon.net, 830, kind=kind) == public


def test_key_given_in_place(daemon, nc, make):
    """inline-definition: a key that stands where it is used."""
    entry, public = ssh_key_entry(make)
    del entry["name"]
    endpoint = ssh_endpoint("e", ("::", None))
    endpoint["ssh"]["ssh-server-parameters"]["server-identity"]["host-key"] = [
        {"name": "own", "public-key": {"inline-definition": entry}}]
    nc.edit(netconf_server(endpoint))
    assert host_key(daemon.net, 830) == public
    entry["cleartext-private-key"] = ""
    entry["public-key"] = ""
    with pytest.raises(RpcError, match="in the keystore only") as caught:
        nc.edit(netconf_server(endpoint))
    assert caught.value.path.endswith("cleartext-private-key")
    assert host_key(daemon.net, 830) == public


def test_infix_factory(net, make_daemon):
    """Infix's factory configuration: the endpoint waits for the key that is made meanwhile."""
    startup = {**config.switch(net.ports),
               **keystore({"name": "genkey", "public-key-format": SSH, "public-key": "",
                           "private-key-format": "infix-crypto-types:rsa-private-key-format",
                           "cleartext-private-key": ""}),
               **netconf_server(ssh_endpoint("default-ssh", ("::", None), keys=("genkey",)))}
    daemon = make_daemon(net, startup).start()
    until(lambda: listens(net, 830), "the endpoint", timeout=60)
    with daemon.local() as session:
        made = session.get_config().findtext(
            "keystore/asymmetric-keys/asymmetric-key/public-key")
    assert host_key(net, 830, kind="rsa") == made
    with daemon.ssh() as session:
        session.get_config()


def test_port_in_use(daemon, nc, make):
    """A place that cannot be had fails the edit, with the path and the kernel's words."""
    entry, _ = ssh_key_entry(make)
    with daemon.net.listen("127.0.0.1", 4711):
        with pytest.raises(RpcError, match="in use") as caught:
            nc.edit({**keystore(entry), **netconf_server(ssh_endpoint("e", ("127.0.0.1", 4711)))})
    assert "local-bind" in caught.value.path and "4711" in caught.value.message
    assert listens(daemon.net, 830)
    assert nc.get_config().find("netconf-server/listen") is None
    with daemon.ssh() as session:
        session.get_config()


def test_exchanging_ports(daemon, nc, make):
    """Two endpoints exchange their ports in one edit."""
    one, key_one = ssh_key_entry(make, "one")
    two, key_two = ssh_key_entry(make, "two")

    def edit(first, second):
        for endpoint in (ssh_endpoint("a", ("::", first), keys=("one",)),
                         ssh_endpoint("b", ("::", second), keys=("two",))):
            binds.append(endpoint)
        nc.edit(netconf_server(*binds[-2:]))

    binds = []
    nc.edit(keystore(one, two))
    edit(1001, 1002)
    assert (host_key(daemon.net, 1001), host_key(daemon.net, 1002)) == (key_one, key_two)
    edit(1002, 1001)
    assert (host_key(daemon.net, 1001), host_key(daemon.net, 1002)) == (key_two, key_one)


def test_address_that_comes_later(daemon, nc, make):
    """Listening on an address that no interface has yet is allowed."""
    entry, public = ssh_key_entry(make)
    nc.edit({**keystore(entry), **netconf_server(ssh_endpoint("e", ("198.51.100.7", 1830)))})
    nc.edit(config.interfaces({"name": "br0", **config.ipv4("198.51.100.7/24")}))
    assert host_key(daemon.net, 1830, "198.51.100.7") == public


def test_both_families(daemon, nc, make):
    entry, public = ssh_key_entry(make)
    nc.edit({**keystore(entry),
             **netconf_server(ssh_endpoint("e", ("0.0.0.0", 1830), ("::", 1830)))})
    assert host_key(daemon.net, 1830) == public
    assert host_key(daemon.net, 1830, "::1") == public


def test_restart(daemon, nc, make):
    """What was configured is there after a restart, and after a boot."""
    entry, public = ssh_key_entry(make)
    nc.edit({**keystore(entry), **netconf_server(ssh_endpoint("e", ("::", 1830)))})
    nc.copy("running", "startup")
    for again in daemon.restart, daemon.reboot:
        again()
        assert host_key(daemon.net, 1830) == public
        assert not listens(daemon.net, 830)


def test_what_is_spoken(daemon, nc, make):
    """RFC 9644 transport-params: what is not supported is refused with what is."""
    entry, _ = ssh_key_entry(make)
    transport = {"encryption": {"encryption-alg": ["aes256-ctr"]},
                 "key-exchange": {"key-exchange-alg": ["ecdh-sha2-nistp256"]},
                 "mac": {"mac-alg": ["hmac-sha2-512"]}}
    nc.edit({**keystore(entry), **netconf_server(
        ssh_endpoint("e", ("::", None), transport=transport,
                     identity={"libnetconf2-netconf-server:banner": "hello"}))})
    with daemon.net.connect("127.0.0.1", 830) as stream:
        assert b"hello" in stream.recv(100)
    said = run("ip", "netns", "exec", daemon.net.name, "sh", "-c",
               "ssh -F none -vv -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
               "-o BatchMode=yes -p 830 admin@127.0.0.1 2>&1; true")
    assert "kex: algorithm: ecdh-sha2-nistp256" in said
    assert "cipher: aes256-ctr MAC: hmac-sha2-512" in said
    transport["key-exchange"]["key-exchange-alg"] = ["diffie-hellman-group18-sha512"]
    with pytest.raises(RpcError, match="curve25519-sha256") as caught:
        nc.edit(netconf_server(ssh_endpoint("e", ("::", None), transport=transport)))
    assert "key-exchange-alg" in caught.value.path


def test_algorithm_discovery(nc):
    """RFC 9644 and RFC 9645, algorithm-discovery."""
    data = nc.get()
    both = [{node.text for node in data.iterfind(f"supported-algorithms/{path}")}
            for path in ("key-exchange-algorithms/supported-algorithm", "supported-algorithm")]
    assert "curve25519-sha256" in both[0]
    assert "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" in both[1]


def test_hello_leaves_out(daemon, nc):
    """libnetconf2-netconf-server, ignored-hello-module: hellos from now on, and only them."""
    def announced(session):
        return [uri for uri in session.capabilities if "module=ietf-interfaces&" in uri
                or "module=ietf-x509-cert-to-name&" in uri]

    before = announced(nc)
    assert before
    name = before[0].partition("module=")[2].partition("&")[0]
    options = {"libnetconf2-netconf-server:ln2-netconf-server": {
        "ignored-hello-module": [name, "none-of-ours"]}}
    nc.edit(options)
    with daemon.local() as session:
        assert announced(session) == before[1:]
        monitored = session.get('<netconf-state xmlns="urn:ietf:params:xml:ns:yang:'
                                'ietf-netconf-monitoring"><capabilities/></netconf-state>')
        assert before[0] in [node.text for node in monitored.iter("capability")]
    daemon.restart()
    with daemon.local() as session:
        assert announced(session) == before[1:]
        session.edit({"libnetconf2-netconf-server:ln2-netconf-server": {"@operation": "delete"}})
        with daemon.local() as other:
            assert announced(other) == before


def test_login_time(daemon, nc, make):
    """auth-timeout: who does not log in in time goes."""
    entry, _ = ssh_key_entry(make)
    nc.edit({**keystore(entry), **netconf_server(ssh_endpoint(
        "e", ("::", None), client={"libnetconf2-netconf-server:auth-timeout": 1}))})
    with daemon.net.connect("127.0.0.1", 830) as stream:
        stream.settimeout(10)
        while stream.recv(1000):
            pass


def test_idle_time(daemon, nc, make):
    """idle-timeout: a session that is idle for so long ends; another value holds for the next."""
    entry, _ = ssh_key_entry(make)
    nc.edit({**keystore(entry),
             **netconf_server(ssh_endpoint("e", ("::", None)), **{"idle-timeout": 0})})
    with daemon.ssh() as lasting:
        nc.edit({"ietf-netconf-server:netconf-server": {"listen": {"idle-timeout": 1}}})
        with daemon.ssh() as session:
            session.wait_closed()
        lasting.get_config()


def test_infix_ssh(daemon, nc, make):
    """infix-services:ssh is where the device answers to SSH besides: NETCONF, and no shell."""
    entry, public = ssh_key_entry(make)
    nc.edit({**keystore(entry), "infix-services:ssh": {
        "enabled": True, "hostkey": ["host"], "listen": [
            {"name": "ipv4", "address": "0.0.0.0", "port": 22},
            {"name": "ipv6", "address": "::", "port": 22}]}})
    assert host_key(daemon.net, 22) == host_key(daemon.net, 22, "::1") == public
    assert listens(daemon.net, 830)
    with ssh_session(daemon, 22) as session:
        session.get_config()
    nc.edit({"infix-services:ssh": {"enabled": False}})
    assert not listens(daemon.net, 22)


def test_web(daemon, nc, make):
    """infix-services:web: RESTCONF on or off, and its certificate, without dropping anybody."""
    own = certificate_of(daemon.net)
    key = make.ec()
    _, cert = make.certificate(key, "/CN=device")
    nc.edit({**keystore(tls_key("web", key, c=cert)), "infix-services:web": {
        "enabled": True, "certificate": "web", "restconf": {"enabled": True}}})
    assert certificate_of(daemon.net) == cert != own
    with daemon.restconf() as client:
        assert client.get("data/ietf-system:system").status == 200
        _, other = make.certificate(key, "/CN=other")
        nc.edit(keystore(tls_key("web", key, c=other)))
        assert certificate_of(daemon.net) == other
        assert client.get("data/ietf-system:system").status == 200
        nc.edit({"infix-services:web": {"restconf": {"enabled": False}}})
        assert certificate_of(daemon.net) is None
        assert client.get("data/ietf-system:system").status == 200
    nc.edit({"infix-services:web": {"@operation": "delete"}})
    assert certificate_of(daemon.net) == own


def test_web_needs_a_certificate(daemon, nc, make):
    """The reference is to a key; without certificate that would serve nobody."""
    key = make.ec()
    _, cert = make.certificate(key, "/CN=device")
    web = {"infix-services:web": {"certificate": "web"}}
    with pytest.raises(RpcError, match="no certificate") as caught:
        nc.edit({**keystore(tls_key("web", key)), **web})
    assert caught.value.path == "/infix-svc:web/infix-svc:certificate"
    nc.edit({**keystore(tls_key("web", key, c=cert)), **web})
    last = keystore({"name": "web", "certificates": {"certificate": [
        {"name": "c", "@operation": "delete"}]}})
    with pytest.raises(RpcError, match="no certificate"):
        nc.edit(last)
    assert certificate_of(daemon.net) == cert
    nc.edit({**last, "infix-services:web": {"@operation": "delete"}})


def test_tickets_go_with_the_certificate(daemon, nc, make):
    """A session that was agreed under another certificate is not resumed."""
    def connect(context, session=None):
        with context.wrap_socket(daemon.net.connect("127.0.0.1", 443), server_hostname="device",
                                 session=session) as stream:
            stream.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            while stream.recv(1000):
                pass
            return stream.session, stream.session_reused

    context = tls_context(version=ssl.TLSVersion.TLSv1_2)
    ticket, _ = connect(context)
    assert connect(context, ticket)[1]
    key = make.ec()
    nc.edit({**keystore(tls_key("web", key, c=make.certificate(key, "/CN=device")[1])),
             "infix-services:web": {"certificate": "web"}})
    assert not connect(context, ticket)[1]
