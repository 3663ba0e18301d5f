"""NETCONF over TLS: RFC 7589, with names out of certificates as in RFC 7407."""

import copy
import socket
import ssl

import pytest

from ashlar import config
from ashlar.dead import killed_holding, nothing_is_left
from ashlar.netconf import Closed, RpcError
from ashlar.pki import Maker, b64, fingerprint
from ashlar.serving import (bags, keystore, mappings, netconf_server, ssh_endpoint, tls_connect,
                            tls_context, tls_endpoint, tls_key, tls_session)

PORT = 6513


class Site:
    """A certificate authority, the device's certificate and clients'."""

    def __init__(self, directory):
        self.make = Maker(directory)
        self.ca_key = self.make.ec()
        self.ca = self.make.certificate(self.ca_key, "/CN=ca", ca=True)
        self.key = self.make.ec()
        self.cert = self.make.certificate(self.key, "/CN=device", (self.ca_key, self.ca[0]))
        self.client_key = self.make.ec()

    def client(self, subject="/CN=admin", issuer=None, **options):
        """(path, DER) of a client's certificate."""
        return self.make.certificate(self.client_key, subject,
                                     issuer or (self.ca_key, self.ca[0]), **options)

    def configure(self, session, *maps, **options):
        """The endpoint, whose default is that the common name is the user."""
        maps = maps or ((1, "common-name", None),)
        session.edit({**keystore(tls_key("device", self.key, c=self.cert[1])),
                      **bags(ca=[self.ca[1]]),
                      **netconf_server(tls_endpoint("t", ("::", None), maps=maps, **options))})


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("pki"))


def connect(daemon, site, cert=None, **options):
    return tls_session(daemon.net, PORT, cert and cert[0], site.client_key, **options)


def user_of(session):
    data = session.get('<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
                       "<sessions/></netconf-state>")
    for entry in data.iter("session"):
        if entry.findtext("session-id") == str(session.session_id):
            assert entry.findtext("transport").endswith("netconf-tls")
            return entry.findtext("username")
    raise AssertionError("the session is not listed")


def refused(daemon, site, cert=None):
    """RFC 7589 section 7: the server closes the connection, without a hello."""
    with pytest.raises((ssl.SSLError, ConnectionError, Closed, socket.timeout)) as caught:
        connect(daemon, site, cert)
    assert not isinstance(caught.value, socket.timeout)


def test_session(daemon, nc, site):
    """Section 4: a session over TLS does all that any does; the port is 6513 (section 8)."""
    site.configure(nc)
    with connect(daemon, site, site.client()) as session:
        assert session.chunked
        assert user_of(session) == "admin"
        session.edit(config.interfaces({"name": "p1", "description": "over TLS"}))
        assert session.interface("p1", "running").findtext("description") == "over TLS"
        assert len(session.get_config()) > 2
        session.close_session()
        session.wait_closed()


def test_a_killed_client_leaves_nothing(daemon, nc, site):
    """RFC 6241 7.5, 8.3.5.2, 8.4.1: its locks, its candidate, what it did not confirm."""
    site.configure(nc)
    cert = site.client()
    killed_holding(lambda: connect(daemon, site, cert))
    nothing_is_left(nc)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1])
def test_versions(daemon, nc, site, version):
    """RFC 7589 section 4: 1.2 must be there; RFC 8996: nothing before."""
    site.configure(nc)
    context = tls_context(site.client()[0], site.client_key, version)
    if version == ssl.TLSVersion.TLSv1_2:
        tls_connect(daemon.net, PORT, context).close()
    else:
        with pytest.raises(ssl.SSLError):
            tls_connect(daemon.net, PORT, context)


def test_large(daemon, nc, site):
    """More than fits a record, or any buffer, both ways."""
    site.configure(nc)
    with connect(daemon, site, site.client()) as session:
        many = [{"name": f"user{i}"} for i in range(3000)]
        session.validate({"ietf-system:system": {"authentication": {"user": many}}})
        for _ in range(20):
            assert session.get_config().find("interfaces") is not None


def test_certificate_is_required(daemon, nc, site):
    """Section 6: a client without certificate is refused."""
    site.configure(nc)
    refused(daemon, site)


def test_stranger(daemon, nc, site, tmp_path):
    """Section 6: so is one whose certificate somebody else has signed, and one that nobody has."""
    site.configure(nc)
    other = Site(tmp_path)
    refused(daemon, site, site.client(issuer=(other.ca_key, other.ca[0])))
    refused(daemon, site, site.make.certificate(site.client_key, "/CN=admin"))
    connect(daemon, site, site.client()).close()


def test_no_name(daemon, nc, site):
    """Section 7: without a name there is no session."""
    site.configure(nc, (1, "san-dns-name", None))
    refused(daemon, site, site.client())
    connect(daemon, site, site.client(san="DNS:admin")).close()


def test_path_through_others(daemon, nc, site):
    """RFC 5280 section 6: authorities between the one that is trusted and the client."""
    site.configure(nc)
    key = site.make.ec()
    middle = site.make.certificate(key, "/CN=middle", (site.ca_key, site.ca[0]), ca=True)
    cert = site.client(issuer=(key, middle[0]))
    refused(daemon, site, cert)
    chain = site.make.path(".pem")
    chain.write_bytes(cert[0].read_bytes() + middle[0].read_bytes())
    with connect(daemon, site, (chain, None)) as session:
        assert user_of(session) == "admin"


@pytest.mark.parametrize("kind, san, name", [
    ("san-rfc822-name", "email:Alice@Example.COM", "Alice@example.com"),
    ("san-dns-name", "DNS:Alice.Example.COM", "alice.example.com"),
    ("san-ip-address", "IP:192.0.2.77", "192.0.2.77"),
    ("san-ip-address", "IP:2001:db8::77", "20010db8000000000000000000000077"),
    ("san-any", "URI:x:y,DNS:Bob,email:a@b", "bob"),
    ("san-any", "IP:192.0.2.1,DNS:bob", "192.0.2.1"),
    ("san-rfc822-name", "DNS:bob,email:a@B", "a@b"),
    ("common-name", None, "Carol"),
])
def test_map_types(daemon, nc, site, kind, san, name):
    """RFC 7407, the identities below cert-to-name."""
    site.configure(nc, (1, kind, None))
    with connect(daemon, site, site.client("/O=x/CN=Carol", san=san)) as session:
        assert user_of(session) == name


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_fingerprints(daemon, nc, site, algorithm):
    """RFC 7407, fingerprint: of the certificate itself; its first octet names the hash."""
    one, two = site.client("/CN=one"), site.client("/CN=two")
    site.configure(nc, (1, "specified", fingerprint(one[1], algorithm).upper(), "first"),
                   (2, "specified", fingerprint(two[1], algorithm), "second"))
    for cert, name in (one, "first"), (two, "second"):
        with connect(daemon, site, cert) as session:
            assert user_of(session) == name
    refused(daemon, site, site.client("/CN=three"))


def test_fingerprint_of_the_authority(daemon, nc, site):
    """RFC 7407: or of a certificate that it is signed by, sent or not."""
    site.configure(nc, (1, "specified", fingerprint(site.ca[1]), "everybody"))
    with connect(daemon, site, site.client()) as session:
        assert user_of(session) == "everybody"


def test_order_of_mappings(daemon, nc, site):
    """RFC 7407, cert-to-name: in the order of id; one that fits but finds no name is passed over."""
    cert = site.client("/CN=carol")
    site.configure(nc, (20, "specified", None, "last"), (3, "san-dns-name", None),
                   (10, "common-name", fingerprint(cert[1])))
    with connect(daemon, site, cert) as session:
        assert user_of(session) == "carol"
    with connect(daemon, site, site.client("/CN=dave")) as session:
        assert user_of(session) == "last"


@pytest.mark.parametrize("with_ca", [False, True])
def test_trusted_by_itself(daemon, nc, site, with_ca, tmp_path):
    """RFC 9645, ee-certs: the certificate itself is trusted, whoever has signed it."""
    other = Site(tmp_path)
    mine = site.client("/CN=mine", issuer=(other.ca_key, other.ca[0]))
    alien = site.client("/CN=alien", issuer=(other.ca_key, other.ca[0]))
    nc.edit(bags(clients=[mine[1]]))
    site.configure(nc, ee="clients", ca="ca" if with_ca else None)
    with connect(daemon, site, mine) as session:
        assert user_of(session) == "mine"
    refused(daemon, site, alien)
    refused(daemon, site)
    if with_ca:
        with connect(daemon, site, site.client()) as session:
            assert user_of(session) == "admin"


def test_access_by_name(daemon, nc, site):
    """RFC 8341: the name from the certificate is the user whom access control knows."""
    site.configure(nc)
    with connect(daemon, site, site.client("/CN=guest")) as session:
        with pytest.raises(RpcError) as caught:
            session.edit(config.interfaces({"name": "p1", "description": "x"}))
        assert caught.value.tag == "access-denied"


def test_changes(daemon, nc, site, tmp_path):
    """Another certificate, or another trust, holds at once, and nobody is dropped."""
    site.configure(nc)
    other = Site(tmp_path)
    cert = site.client()
    with connect(daemon, site, cert) as session:
        fresh = site.make.certificate(site.key, "/CN=fresh", (site.ca_key, site.ca[0]))
        nc.edit(keystore(tls_key("device", site.key, c=fresh[1])))
        stream = tls_connect(daemon.net, PORT, tls_context(cert[0], site.client_key))
        assert stream.getpeercert(binary_form=True) == fresh[1]
        stream.close()
        nc.edit(bags(ca=[other.ca[1]]))
        refused(daemon, site, cert)
        connect(daemon, site, site.client(issuer=(other.ca_key, other.ca[0]))).close()
        session.get_config()


def test_nobody_is_trusted(daemon, nc, site):
    """A bag that is emptied trusts nobody any more; sessions that are there go on."""
    site.configure(nc)
    cert = site.client()
    bag = {"name": "ca", "certificate": [{"name": "c0", "@operation": "delete"}]}
    with connect(daemon, site, cert) as session:
        nc.edit({"ietf-truststore:truststore": {"certificate-bags": {"certificate-bag": [bag]}}})
        refused(daemon, site, cert)
        session.get_config()
    nc.edit(bags(clients=[cert[1]]))
    site.configure(nc, ee="clients")
    nc.edit({"ietf-truststore:truststore": {"certificate-bags": {"certificate-bag": [
        bag, {**bag, "name": "clients"}]}}})
    refused(daemon, site, cert)
    nc.edit(bags(ca=[site.ca[1]]))
    connect(daemon, site, cert).close()


REFERENCE = "libnetconf2-netconf-server:endpoint-reference"


def referring(endpoint, name):
    endpoint = copy.deepcopy(endpoint)
    endpoint["tls"]["tls-server-parameters"]["client-authentication"][REFERENCE] = name
    return endpoint


@pytest.fixture
def other(site, tmp_path):
    """Another authority, whose clients have the same key."""
    other = Site(tmp_path)
    other.client_key = site.client_key
    return other


def test_clients_of_another_endpoint(daemon, nc, site, other):
    """libnetconf2-netconf-server, endpoint-reference: who is not known here may be known there, and by
    the name that he has there."""
    mine, theirs = site.client("/CN=mine"), other.client("/CN=theirs")
    there = tls_endpoint("there", ("::", 7001), ca=None, maps=((1, "specified", None, "guest"),))
    there["tls"]["tls-server-parameters"]["client-authentication"]["ca-certs"] = {
        "inline-definition": {"certificate": [{"name": "x", "cert-data": b64(other.ca[1])}]}}
    nc.edit({**keystore(tls_key("device", site.key, c=site.cert[1])), **bags(ca=[site.ca[1]]),
             **netconf_server(referring(tls_endpoint("t", ("::", None)), "there"), there)})
    for cert, name in (mine, "mine"), (theirs, "guest"):
        with connect(daemon, site, cert) as session:
            assert user_of(session) == name
    with tls_session(daemon.net, 7001, theirs[0], site.client_key) as session:
        assert user_of(session) == "guest"
    with pytest.raises((ssl.SSLError, ConnectionError, Closed)):
        tls_session(daemon.net, 7001, mine[0], site.client_key)
    # What changes there holds here at once.
    there["tls"]["netconf-server-parameters"] = mappings((1, "specified", None, "visitor"))
    nc.edit(netconf_server(there))
    with connect(daemon, site, theirs) as session:
        assert user_of(session) == "visitor"
    nc.edit(netconf_server({"name": "there", "tls": {"tls-server-parameters": {
        "client-authentication": {"ca-certs": {"inline-definition": {"certificate": [
            {"name": "x", "cert-data": b64(site.make.certificate(
                site.make.ec(), "/CN=nobody", ca=True)[1])}]}}}}}}))
    refused(daemon, site, theirs)
    connect(daemon, site, mine).close()


def test_several_paths(daemon, nc, site):
    """Trusted by a root here and by what that has signed there: each by its own mappings."""
    key = site.make.ec()
    middle = site.make.certificate(key, "/CN=middle", (site.ca_key, site.ca[0]), ca=True)
    chain = site.make.path(".pem")
    chain.write_bytes(site.client("/CN=x", issuer=(key, middle[0]))[0].read_bytes() +
                      middle[0].read_bytes())
    nc.edit({**keystore(tls_key("device", site.key, c=site.cert[1])),
             **bags(ca=[site.ca[1]], middle=[middle[1]]), **netconf_server(
                 referring(tls_endpoint("t", ("::", None), maps=(
                     (1, "specified", fingerprint(site.ca[1]), "by-root"),)), "u"),
                 referring(tls_endpoint("u", ("::", 7001), ca="middle", maps=(
                     (1, "specified", fingerprint(middle[1]), "by-middle"),)), "v"),
                 tls_endpoint("v", ("::", 7002), ca="ca", maps=(
                     (1, "specified", None, "anybody"),)))})
    for port, name in (PORT, "by-root"), (7001, "by-middle"), (7002, "anybody"):
        with tls_session(daemon.net, port, chain, site.client_key) as session:
            assert user_of(session) == name
    plain = site.client("/CN=y")
    with tls_session(daemon.net, 7001, plain[0], site.client_key) as session:
        assert user_of(session) == "anybody"


def test_references_that_lead_nowhere(daemon, nc, site):
    nc.edit({**keystore(tls_key("device", site.key, c=site.cert[1]),
                        {"name": "host", "public-key-format":
                         "infix-crypto-types:ssh-public-key-format"}),
             **bags(ca=[site.ca[1]])})
    t, u = tls_endpoint("t", ("::", None)), tls_endpoint("u", ("::", 7001))
    ssh = ssh_endpoint("s", ("::", 7002), client={REFERENCE: "t"})
    for endpoints, part in (((referring(t, "t"), u), "circle"),
                            ((referring(t, "u"), referring(u, "t")), "circle"),
                            ((referring(t, "s"), u, ssh_endpoint("s", ("::", 7002))), "not one of"),
                            ((referring(t, "u"), tls_endpoint("u", ("::", 7001)), ssh),
                             "not one of ssh")):
        with pytest.raises(RpcError, match=part) as caught:
            nc.edit(netconf_server(*endpoints))
        assert "endpoint-reference" in caught.value.path
    nc.edit(netconf_server(ssh_endpoint("s", ("::", 7002), client={REFERENCE: "r"}),
                           ssh_endpoint("r", ("::", 7003))))


def test_nothing_is_resumed(daemon, nc, site):
    """A client is known anew in each connection."""
    site.configure(nc)
    context = tls_context(site.client()[0], site.client_key, ssl.TLSVersion.TLSv1_2)
    with tls_connect(daemon.net, PORT, context) as stream:
        session = stream.session
    with context.wrap_socket(daemon.net.connect("127.0.0.1", PORT), session=session,
                             server_hostname="device") as stream:
        assert not stream.session_reused


def test_what_is_missing(daemon, nc, site):
    """What could never serve anybody is refused with its path."""
    site.configure(nc)
    endpoint = tls_endpoint("t", ("::", None))
    del endpoint["tls"]["tls-server-parameters"]["client-authentication"]
    endpoint["name"] = "u"
    with pytest.raises(RpcError, match="client-authentication") as caught:
        nc.edit(netconf_server(endpoint))
    assert caught.value.path.endswith("tls-server-parameters")
    with pytest.raises(RpcError):
        nc.edit(netconf_server(tls_endpoint("u", ("::", 1), cert="none")))


def test_hello_params(daemon, nc, site):
    """RFC 9645, hello-params: suites and versions."""
    name = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    site.configure(nc, hello={"cipher-suites": {"cipher-suite": [name]}})
    context = tls_context(site.client()[0], site.client_key, ssl.TLSVersion.TLSv1_2)
    with tls_connect(daemon.net, PORT, context) as stream:
        assert stream.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    with pytest.raises(RpcError, match="supported are"):
        site.configure(nc, hello={"cipher-suites": {"cipher-suite": [
            "TLS_RSA_WITH_AES_128_CBC_SHA"]}})


def test_keys_given_in_place(daemon, nc, site):
    """inline-definition, of the identity and of the trust."""
    endpoint = tls_endpoint("t", ("::", None))
    parameters = endpoint["tls"]["tls-server-parameters"]
    entry = tls_key("x", site.key)
    parameters["server-identity"]["certificate"] = {"inline-definition": {
        **{name: entry[name] for name in ("public-key-format", "private-key-format",
                                          "cleartext-private-key")},
        "cert-data": b64(site.make.cms(site.cert[0], site.ca[0]))}}
    parameters["client-authentication"]["ca-certs"] = {"inline-definition": {"certificate": [
        {"name": "ca", "cert-data": b64(site.ca[1])}]}}
    nc.edit(netconf_server(endpoint))
    with connect(daemon, site, site.client()) as session:
        assert user_of(session) == "admin"


def test_silence(daemon, nc, site):
    """A stranger that never shakes hands goes."""
    site.configure(nc)
    with daemon.net.connect("127.0.0.1", PORT, timeout=30) as stream:
        assert stream.recv(1) == b""
