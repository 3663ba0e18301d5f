"""Keystore and truststore: RFC 9640, RFC 9641, RFC 9642, and what Infix makes of them."""

import datetime
import stat

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until
from ashlar.pki import Maker, b64, run, unb64
from ashlar.serving import certificate_of, host_key, netconf_server, ssh_endpoint

KEYSTORE = "ietf-keystore:keystore"
CT = "ietf-crypto-types:"
INFIX = "infix-crypto-types:"
NP2 = "libnetconf2-netconf-server:"
SSH, X509 = INFIX + "ssh-public-key-format", INFIX + "x509-public-key-format"
RSA, EC = INFIX + "rsa-private-key-format", CT + "ec-private-key-format"
PKCS8, OPENSSH = NP2 + "private-key-info-format", NP2 + "openssh-private-key-format"
SUBTREE = ('<keystore xmlns="urn:ietf:params:xml:ns:yang:ietf-keystore"><asymmetric-keys>'
           "<asymmetric-key><name>{}</name></asymmetric-key></asymmetric-keys></keystore>")


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)


@pytest.fixture
def daemon(net, make_daemon):
    """With one more user, to whom nothing is given."""
    startup = config.switch(net.ports)
    startup["ietf-system:system"]["authentication"]["user"] += [
        config.user("nobody"), config.user("blind")]
    startup |= config.access({"admin": [config.USER], "blind": ["blind"]}, [
        {"name": "blind", "group": ["blind"], "rule": [
            {"name": module, "module-name": f"ietf-{module}", "access-operations": "read",
             "action": "deny"} for module in ("keystore", "truststore")]}])
    return make_daemon(net, startup).start()


def entry(name, **leaves):
    return {"name": name, **{leaf.replace("_", "-"): value for leaf, value in leaves.items()}}


def keystore(*keys, symmetric=()):
    content = {}
    if keys:
        content["asymmetric-keys"] = {"asymmetric-key": list(keys)}
    if symmetric:
        content["symmetric-keys"] = {"symmetric-key": list(symmetric)}
    return {KEYSTORE: content}


def certificates(**certs):
    return {"certificate": [{"name": name, "cert-data": data} for name, data in certs.items()]}


def truststore(**certs):
    return {"ietf-truststore:truststore": {"certificate-bags": {"certificate-bag": [
        {"name": "bag", "certificate": certificates(**certs)["certificate"]}]}}}


def key_of(session, name, source="running"):
    data = session.get_config(source, SUBTREE.format(name))
    node = data.find("keystore/asymmetric-keys/asymmetric-key")
    if node is None:
        return None
    return {part.tag: part.text or "" for part in node if not len(part)} | {
        part.findtext("name"): part.findtext("cert-data") or ""
        for part in node.iter("certificate")}


def wait_made(session, name, leaf="public-key", source="running"):
    return until(lambda: (found := key_of(session, name, source)) and found.get(leaf) and found,
                 f"key {name} to be made", timeout=60)


def given(make, kind):
    """(private format, private bytes, public format, public bytes)."""
    if kind == "openssh":
        private, public = make.openssh()
        return OPENSSH, private, SSH, public
    key = {"rsa": make.rsa, "rsa-pkcs8": make.rsa, "ec": make.ec, "ec-spki": make.ec,
           "ec-pkcs8": make.ec}[kind]()
    if kind in ("rsa", "rsa-pkcs8"):
        return RSA, key.der if kind == "rsa" else key.pkcs8, SSH, key.ssh
    if kind == "ec":
        return EC, key.der, SSH, key.ssh
    if kind == "ec-spki":
        return EC, key.der, CT + "subject-public-key-info-format", key.spki
    return PKCS8, key.pkcs8, X509, key.spki


KINDS = "rsa", "rsa-pkcs8", "ec", "ec-spki", "ec-pkcs8", "openssh"


@pytest.mark.parametrize("kind", KINDS)
def test_given_key(nc, make, kind):
    """RFC 9640 section 2.1.4: key pairs in the formats that are announced; a public half that is not
    given is worked out."""
    private_format, private, public_format, public = given(make, kind)
    pair = entry("k", public_key_format=public_format, public_key=b64(public),
                 private_key_format=private_format, cleartext_private_key=b64(private))
    nc.edit(keystore(pair))
    assert unb64(key_of(nc, "k")["public-key"]) == public
    del pair["public-key"]
    nc.edit(keystore({**pair, "name": "l"}))
    assert unb64(key_of(nc, "l")["public-key"]) == public


@pytest.mark.parametrize("kind", KINDS)
def test_halves_that_do_not_fit(nc, make, kind):
    private_format, private, public_format, _ = given(make, kind)
    other = given(make, kind)[3]
    with pytest.raises(RpcError) as caught:
        nc.edit(keystore(entry(
            "k", public_key_format=public_format, public_key=b64(other),
            private_key_format=private_format, cleartext_private_key=b64(private))))
    assert caught.value.tag == "invalid-value"
    assert caught.value.path.endswith("asymmetric-key[ks:name='k']/ks:public-key") or \
        caught.value.path.endswith("asymmetric-key[name='k']/public-key")
    assert key_of(nc, "k") is None


def test_x25519(nc, make):
    """WireGuard's keys: 32 bytes each (RFC 7748)."""
    key = make.key("-algorithm", "X25519")
    private, public = key.pkcs8[-32:], key.spki[-32:]
    pair = entry("w", public_key_format=INFIX + "x25519-public-key-format",
                 private_key_format=INFIX + "x25519-private-key-format",
                 cleartext_private_key=b64(private))
    nc.edit(keystore(pair))
    assert unb64(key_of(nc, "w")["public-key"]) == public
    with pytest.raises(RpcError, match="does not belong"):
        nc.edit(keystore({**pair, "public-key": b64(private)}))
    with pytest.raises(RpcError, match="32 bytes"):
        nc.edit(keystore({**pair, "name": "x", "cleartext-private-key": b64(private[1:])}))


@pytest.mark.parametrize("what, part", [
    ("no key at all", "no private key"), ("short", "1024 bits"), ("another kind", "kind"),
    ("curve", "not supported|format")])
def test_refused_keys(nc, make, what, part):
    pair = {"public-key-format": X509, "private-key-format": RSA}
    pair["cleartext-private-key"] = b64({
        "no key at all": lambda: b"rubbish",
        "short": lambda: make.rsa(1024).der,
        "another kind": lambda: make.ec().der,
        "curve": lambda: make.ec().der}[what]())
    if what == "curve":
        pair["private-key-format"] = CT + "private-key-format"
    with pytest.raises(RpcError, match=part):
        nc.edit(keystore(entry("k", **pair)))


# --- certificates -------------------------------------------------------------------------------


def pair_of(key, **certs):
    return entry("k", public_key_format=X509, private_key_format=EC,
                 cleartext_private_key=b64(key.der),
                 certificates=certificates(**{name: b64(data) for name, data in certs.items()}))


def test_certificates(nc, make):
    """RFC 9640, end-entity-cert-cms: a chain of certificates in a degenerate SignedData, in any order;
    or a bare certificate, as Infix writes it."""
    root, middle, key = make.ec(), make.ec(), make.ec()
    root_cert = make.certificate(root, "/CN=root", ca=True)
    middle_cert = make.certificate(middle, "/CN=middle", (root, root_cert[0]), ca=True)
    cert = make.certificate(key, "/CN=device", (middle, middle_cert[0]))
    nc.edit(keystore(pair_of(key, bare=cert[1], one=make.cms(cert[0]),
                             chain=make.cms(root_cert[0], middle_cert[0], cert[0]))))
    assert unb64(key_of(nc, "k")["bare"]) == cert[1]
    other = make.certificate(make.ec(), "/CN=other")
    for data, part in ((other[1], "does not belong"), (make.cms(other[0]), "does not belong"),
                       (make.cms(cert[0], other[0]), "not one chain"), (b"rubbish", "certificate"),
                       (cert[1][:-1], "certificate"), (cert[1] + b"x", "certificate")):
        with pytest.raises(RpcError, match=part) as caught:
            nc.edit(keystore(pair_of(key, bad=data)))
        assert "'bad'" in caught.value.path and caught.value.path.endswith("cert-data")


def test_truststore(nc, make):
    """RFC 9641: certificates and public keys are what they say."""
    one, two = (make.certificate(make.ec(), f"/CN=ca{i}", ca=True) for i in range(2))
    nc.edit(truststore(both=b64(make.cms(one[0], two[0])), bare=b64(one[1])))
    with pytest.raises(RpcError) as caught:
        nc.edit(truststore(bad=b64(b"rubbish")))
    assert caught.value.path.endswith("cert-data")
    bag = {"name": "b", "public-key": [{"name": "k", "public-key-format": SSH,
                                        "public-key": b64(make.openssh()[1])}]}
    bags = {"ietf-truststore:truststore": {"public-key-bags": {"public-key-bag": [bag]}}}
    nc.edit(bags)
    bag["public-key"][0]["public-key"] = b64(b"rubbish")
    with pytest.raises(RpcError, match="no public key") as caught:
        nc.edit(bags)
    assert caught.value.path.endswith("public-key")


# --- made by the device -------------------------------------------------------------------------


def infix_factory():
    """As Infix's factory configuration has them."""
    return keystore(
        entry("genkey", public_key_format=SSH, public_key="", private_key_format=RSA,
              cleartext_private_key="", certificates={}),
        entry("gencert", public_key_format=X509, public_key="", private_key_format=RSA,
              cleartext_private_key="", certificates=certificates(**{"self-signed": ""})))


def check_genkey(made, tmp_path):
    path = tmp_path / "made.pem"
    body = made["cleartext-private-key"]
    path.write_text(f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n")
    path.chmod(0o600)
    public = run("ssh-keygen", "-y", "-f", path).decode().split()[1]
    assert public == made["public-key"]


def test_infix_factory_keys(net, make_daemon, tmp_path):
    """genkey and gencert are made at first use, and stay: startup gets them too."""
    daemon = make_daemon(net, {**config.switch(net.ports), **infix_factory()}).start()
    with daemon.local() as session:
        check_genkey(wait_made(session, "genkey"), tmp_path)
        made = wait_made(session, "gencert")
        der = tmp_path / "cert.der"
        der.write_bytes(unb64(made["self-signed"]))
        public = run("openssl", "x509", "-inform", "DER", "-in", der, "-pubkey", "-noout")
        assert "".join(public.decode().splitlines()[1:-1]) == made["public-key"]
        for name in "genkey", "gencert":
            wait_made(session, name, source="startup")
        keys = key_of(session, "genkey"), key_of(session, "gencert")
    daemon.reboot()
    with daemon.local() as session:
        assert (key_of(session, "genkey"), key_of(session, "gencert")) == keys


@pytest.mark.parametrize("public, private", [(SSH, RSA), (SSH, EC), (SSH, OPENSSH), (X509, EC),
                                             (SSH, None), (None, None)])
def test_made_by_intent(nc, public, private):
    """An entry without key material is an order."""
    pair = entry("k")
    if public:
        pair["public-key-format"] = public
    if private:
        pair["private-key-format"] = private
    nc.edit(keystore(pair))
    made = wait_made(nc, "k")
    # the daemon has checked that both halves fit; they stay when they are given back
    assert made["cleartext-private-key"]
    nc.edit(keystore({**pair, "public-key": made["public-key"]}))


def test_order_withdrawn(nc):
    """An order goes with its entry, and a key that comes too late changes nothing."""
    nc.edit(keystore(entry("k", public_key_format=SSH, private_key_format=RSA)))
    nc.edit({KEYSTORE: {"asymmetric-keys": {"asymmetric-key": [
        {"name": "k", "@operation": "delete"}]}}})
    nc.edit(keystore(entry("other", public_key_format=SSH, private_key_format=RSA)))
    wait_made(nc, "other")
    assert key_of(nc, "k") is None


def test_order_that_cannot_be_met(nc):
    for pair, part in ((entry("k", public_key_format=X509, private_key_format=PKCS8), "no keys in"),
                       (entry("k", public_key_format=X509, private_key_format=OPENSSH,
                              certificates=certificates(c="")), "RSA and EC"),
                       (entry("k", public_key_format=INFIX + "x25519-public-key-format",
                              private_key_format=RSA), "do not go together")):
        with pytest.raises(RpcError, match=part):
            nc.edit(keystore(pair))


def test_hidden_key(net, make_daemon, make, tmp_path):
    """RFC 9640 section 2.1.4.2: a hidden key is used, kept by the device and shown to nobody."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    hidden = daemon.config_dir / "keys" / "hidden"
    pair = entry("h", public_key_format=X509, hidden_private_key=[None],
                 certificates=certificates(c=""))
    with daemon.local() as session:
        session.edit(keystore(pair))
        made = wait_made(session, "h")
        assert not made.get("cleartext-private-key") and made["c"]
        (path,) = hidden.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
        sign(session, make, "h", unb64(made["public-key"]), tmp_path)
        session.copy("running", "startup")
    daemon.reboot()
    with daemon.local() as session:
        sign(session, make, "h", unb64(made["public-key"]), tmp_path)
        # another device's hidden key is not here
        with pytest.raises(RpcError, match="not on this device"):
            session.edit(keystore(entry("s", public_key_format=X509, hidden_private_key=[None],
                                        public_key=b64(make.ec().spki))))
        session.edit({KEYSTORE: {"@operation": "delete"}})
        session.copy("running", "startup")
    assert path.exists()  # an undo may want it back
    daemon.restart()
    assert not path.exists()


def info_of(make, spki, subject="/CN=switch"):
    """A CertificationRequestInfo for the public key SPKI."""
    request = make.path(".csr")
    key = make.ec()
    run("openssl", "req", "-new", "-key", key.path, "-subj", subject, "-outform", "DER",
        "-out", request)
    der = request.read_bytes()
    head = 4 if der[1] == 0x82 else 3 if der[1] == 0x81 else 2
    info = der[head:]
    size = info[1] if info[1] < 0x80 else int.from_bytes(info[2:2 + (info[1] & 0x7f)], "big")
    inner = 2 if info[1] < 0x80 else 2 + (info[1] & 0x7f)
    content = info[inner:inner + size].replace(key.spki, spki)
    length = bytes([len(content)]) if len(content) < 0x80 else (
        bytes([0x81, len(content)]) if len(content) < 0x100 else
        b"\x82" + len(content).to_bytes(2, "big"))
    return b"\x30" + length + content


def request(session, name, info):
    reply = session.rpc(
        '<action xmlns="urn:ietf:params:xml:ns:yang:1">'
        '<keystore xmlns="urn:ietf:params:xml:ns:yang:ietf-keystore"><asymmetric-keys>'
        f"<asymmetric-key><name>{name}</name><generate-csr>"
        '<csr-format xmlns:ct="urn:ietf:params:xml:ns:yang:ietf-crypto-types">'
        f"ct:p10-csr-format</csr-format><csr-info>{b64(info)}</csr-info></generate-csr>"
        "</asymmetric-key></asymmetric-keys></keystore></action>")
    return unb64(next(node.text for node in reply.iter() if node.tag.endswith("p10-csr")))


def sign(session, make, name, spki, tmp_path):
    path = tmp_path / "request.der"
    path.write_bytes(request(session, name, info_of(make, spki)))
    shown = run("openssl", "req", "-inform", "DER", "-in", path, "-verify", "-noout", "-subject")
    assert b"switch" in shown


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_signing_request(nc, make, tmp_path, kind):
    """RFC 9640 section 2.1.4.4, generate-csr: the request is signed by the key of the entry."""
    key = make.rsa() if kind == "rsa" else make.ec()
    nc.edit(keystore(entry("k", public_key_format=X509,
                           private_key_format=RSA if kind == "rsa" else EC,
                           cleartext_private_key=b64(key.der))))
    sign(nc, make, "k", key.spki, tmp_path)
    with pytest.raises(RpcError, match="about another key"):
        request(nc, "k", info_of(make, make.ec().spki))
    with pytest.raises(RpcError, match="CertificationRequestInfo"):
        request(nc, "k", b"rubbish")


# --- encrypted keys -----------------------------------------------------------------------------


def symmetric(name, **leaves):
    return entry(name, key_format=CT + "octet-string-key-format", **leaves)


def encrypted(make, data, by, key, **options):
    return {"encrypted-by": {"symmetric-key-ref": by},
            "encrypted-value-format": CT + "cms-encrypted-data-format",
            "encrypted-value": b64(make.encrypted(data, key, **options))}


@pytest.mark.parametrize("size", [16, 24, 32])
def test_encrypted_key(nc, make, tmp_path, size):
    """RFC 9640 section 2.1.4.3: a private key that a symmetric key of the keystore has encrypted is used,
    and stays encrypted."""
    key, by = make.ec(), bytes(range(size))
    pair = entry("k", public_key_format=X509, private_key_format=EC,
                 encrypted_private_key=encrypted(make, key.der, "kek", by))
    kek = symmetric("kek", cleartext_symmetric_key=b64(by))
    nc.edit(keystore(pair, symmetric=[kek]))
    shown = key_of(nc, "k")
    assert unb64(shown["public-key"]) == key.spki and "cleartext-private-key" not in shown
    sign(nc, make, "k", key.spki, tmp_path)
    # another key does not decrypt it, so that one cannot take its place
    with pytest.raises(RpcError) as caught:
        nc.edit(keystore(symmetric=[{**kek, "cleartext-symmetric-key": b64(by[::-1])}]))
    assert caught.value.path.endswith("encrypted-value")
    sign(nc, make, "k", key.spki, tmp_path)


def test_what_cannot_be_decrypted(nc, make):
    by = bytes(16)
    nc.edit(keystore(symmetric=[symmetric("kek", cleartext_symmetric_key=b64(by))]))

    def refused(value, part):
        with pytest.raises(RpcError, match=part) as caught:
            nc.edit(keystore(entry("k", public_key_format=X509, private_key_format=EC,
                                   encrypted_private_key=value)))
        return caught.value

    assert refused(encrypted(make, b"no key", "kek", by), "no private key").path.endswith(
        "encrypted-value")
    refused(encrypted(make, b"x", "kek", bytes(32)), "32 bytes, but this one has 16")
    refused(encrypted(make, b"x", "kek", bytes(24), cipher="des-ede3-cbc"), "EncryptedData")
    value = encrypted(make, b"x", "kek", by)
    refused({**value, "encrypted-value": b64(b"rubbish")}, "EncryptedData")
    del value["encrypted-by"]["symmetric-key-ref"]
    nc.edit(keystore(entry("a", public_key_format=X509, private_key_format=EC)))
    value["encrypted-by"]["asymmetric-key-ref"] = "a"
    assert refused(value, "").tag == "operation-not-supported"


def test_encrypted_symmetric_key(nc, make):
    by = bytes(32)
    nc.edit(keystore(symmetric=[symmetric("kek", cleartext_symmetric_key=b64(by)), symmetric(
        "s", encrypted_symmetric_key=encrypted(make, b"secret", "kek", by))]))
    with pytest.raises(RpcError, match="EncryptedData") as caught:
        nc.edit(keystore(symmetric=[symmetric("s", encrypted_symmetric_key={
            **encrypted(make, b"x", "kek", by), "encrypted-value": b64(b"x")})]))
    assert caught.value.path.endswith("encrypted-value")


# --- certificates that end ----------------------------------------------------------------------


def in_days(days, seconds=0):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return now + datetime.timedelta(days=days, seconds=seconds)


def expiration(session):
    """The next certificate-expiration: names on its path, and the date."""
    while True:
        notification = session.notification()
        found = [node for node in notification.iter()
                 if etree.QName(node).localname == "certificate-expiration"]
        if found:
            names = [node.text for node in notification.iter()
                     if etree.QName(node).localname == "name"]
            return names, found[0][0].text


def test_certificate_expiration(nc, daemon, make):
    """RFC 9640 section 2.1.4.5, certificate-expiration: at once when the time is near, then once a day in
    the last week; of keys and of what is trusted, but to nobody who may not see those (RFC 8341
    section 3.4.6)."""
    key = make.ec()
    nc.ok('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
    with daemon.local() as session, daemon.ssh("blind") as stranger:
        stranger.ok(
            '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
        end = in_days(40)
        session.edit(keystore(pair_of(key, soon=make.certificate_until(key, "soon", end),
                                      late=make.certificate(key, "/CN=late", days=2000)[1])))
        text = end.strftime("%Y-%m-%dT%H:%M:%S")
        names, date = expiration(nc)
        assert names == ["k", "soon"] and date.startswith(text)
        # a day's moment that is 3 seconds away
        end = in_days(5, 4)
        session.edit(truststore(near=b64(make.certificate_until(key, "near", end))))
        for _ in range(2):
            names, date = expiration(nc)
            assert names == ["bag", "near"] and date.startswith(end.strftime("%Y-%m-%dT%H:%M:%S"))
        # what is already over
        session.edit(truststore(over=b64(make.certificate_until(key, "over", in_days(-3)))))
        told = [expiration(nc)[0] for _ in range(2)]
        assert ["bag", "over"] in told
        session.edit(config.interfaces({"name": "p1", "description": "x"}))
        stranger.get_config()
        assert not any(list(node.iter("{*}certificate-expiration"))
                       for node in stranger.notifications)


def intervals(*pairs):
    return {"libnetconf2-netconf-server:ln2-netconf-server": {
        "certificate-expiration-notif-intervals": {
            "interval": [{"anchor": anchor, "period": period} for anchor, period in pairs]}}}


def test_expiration_intervals(daemon, make):
    """libnetconf2-netconf-server, certificate-expiration-notif-intervals: when it is told is configured;
    without, it is as recommended."""
    key = make.ec()
    with daemon.local() as session, daemon.local() as listener:
        listener.ok('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
        with pytest.raises(RpcError, match="longer"):
            session.edit(intervals(("1d", "1w")))
        session.edit(intervals(("2d", "1h"), ("4h", "1h")))
        # Near, but not by these; the recommended ones would tell of it at once.
        session.edit(truststore(near=b64(make.certificate_until(key, "near", in_days(40)))))
        # An hour's moment that is 3 seconds away.
        session.edit(truststore(due=b64(make.certificate_until(key, "due", in_days(1, 3)))))
        assert expiration(listener)[0] == ["bag", "due"]
        session.edit({"libnetconf2-netconf-server:ln2-netconf-server": {"@operation": "delete"}})
        session.edit(truststore(later=b64(make.certificate_until(key, "later", in_days(80)))))
        told = expiration(listener)[0]
        while told == ["bag", "due"]:  # again, an hour's or a day's moment later
            told = expiration(listener)[0]
        assert told in (["bag", "near"], ["bag", "later"])


# --- who sees what ------------------------------------------------------------------------------


def test_private_keys_are_shown_to_nobody(daemon, make):
    """RFC 9640: cleartext keys and certificates are nacm:default-deny-all, the keystore as a whole
    default-deny-write (RFC 8341 section 7)."""
    key = make.ec()
    with daemon.local() as session:
        session.edit({**keystore(pair_of(key, c=make.certificate(key, "/CN=x")[1]),
                                 symmetric=[entry("s", key_format=CT + "octet-string-key-format",
                                                  cleartext_symmetric_key=b64(b"secret"))])})
        shown = key_of(session, "k")
        assert shown["cleartext-private-key"] == b64(key.der)
    with daemon.ssh("nobody") as session:
        shown = key_of(session, "k")
        assert shown["public-key"] == b64(key.spki)
        assert "cleartext-private-key" not in shown and "c" not in {
            name for name, data in shown.items() if data}
        everything = session.get_config()
        assert not list(everything.iter("cleartext-symmetric-key", "cleartext-private-key"))
        with pytest.raises(RpcError) as caught:
            session.edit(keystore(entry("mine", public_key_format=SSH)))
        assert caught.value.tag == "access-denied"


def symmetric_of(session, name, source="running"):
    data = session.get_config(source, '<keystore xmlns="urn:ietf:params:xml:ns:yang:ietf-keystore">'
                              "<symmetric-keys/></keystore>")
    for found in data.iter("symmetric-key"):
        if found.findtext("name") == name:
            return found.findtext("cleartext-symmetric-key")
    return None


def test_symmetric_key_made(net, make_daemon, make):
    """A symmetric key without bytes is made by the device and stays, in startup, too; beside an
    asymmetric one of the same name. It can encrypt others then."""
    ordered = keystore(entry("k", public_key_format=SSH), symmetric=[
        entry("k", key_format=CT + "octet-string-key-format", cleartext_symmetric_key="")])
    daemon = make_daemon(net, {**config.switch(net.ports), **ordered}).start()
    with daemon.local() as session:
        made = until(lambda: symmetric_of(session, "k"), "the key")
        assert len(unb64(made)) == 32
        assert until(lambda: symmetric_of(session, "k", "startup"), "the key in startup") == made
        wait_made(session, "k")
        # by intent alone
        session.edit(keystore(symmetric=[entry("other")]))
        assert until(lambda: symmetric_of(session, "other"), "the other key") != made
        with pytest.raises(RpcError, match="makes no keys"):
            session.edit(keystore(symmetric=[
                entry("p", key_format=INFIX + "passphrase-key-format", cleartext_symmetric_key="")]))
        key = make.ec()
        session.edit(keystore(entry(
            "e", public_key_format=X509, private_key_format=EC,
            encrypted_private_key=encrypted(make, key.der, "k", unb64(made)))))
        assert unb64(key_of(session, "e")["public-key"]) == key.spki
    daemon.reboot()
    with daemon.local() as session:
        assert symmetric_of(session, "k") == made


def test_symmetric_keys(nc):
    key = entry("s", key_format=CT + "octet-string-key-format", cleartext_symmetric_key=b64(b"abc"))
    nc.edit(keystore(symmetric=[key]))
    assert symmetric_of(nc, "s") == b64(b"abc")


# --- built-in keys ------------------------------------------------------------------------------


def builtin(session, extra="<with-origin/>"):
    """{name: entry} of operational's keystore."""
    reply = session.rpc(
        '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" '
        'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores" '
        'xmlns:or="urn:ietf:params:xml:ns:yang:ietf-origin">'
        "<datastore>ds:operational</datastore><subtree-filter>"
        '<keystore xmlns="urn:ietf:params:xml:ns:yang:ietf-keystore"/></subtree-filter>'
        f"{extra}</get-data>")
    return {entry.findtext("{*}name"): entry for entry in reply.iter("{*}asymmetric-key")}


def test_builtin_keys(daemon, nc):
    """RFC 9642 section 3: the keys that the servers have of themselves are in operational, by the system,
    and hidden; configuration has none of them."""
    assert nc.get_config().find("keystore") is None
    found = builtin(nc)
    assert sorted(found) == ["built-in-ssh", "built-in-tls"]
    origin = "{urn:ietf:params:xml:ns:yang:ietf-origin}origin"
    for entry in found.values():
        above = [node.get(origin) for node in [entry, *entry.iterancestors()] if node.get(origin)]
        assert above[0].endswith(":system")
        assert entry.find("{*}hidden-private-key") is not None
        assert entry.find("{*}cleartext-private-key") is None
    ssh, tls = (found[name] for name in ("built-in-ssh", "built-in-tls"))
    assert ssh.findtext("{*}public-key") == host_key(daemon.net, 830)
    assert unb64(tls.findtext("{*}certificates/{*}certificate/{*}cert-data")) == \
        certificate_of(daemon.net)
    texts = [etree.tostring(entry) for entry in found.values()]
    daemon.reboot()
    with daemon.local() as session:
        assert [etree.tostring(entry) for entry in builtin(session).values()] == texts
    with daemon.ssh("nobody") as session:
        assert builtin(session)["built-in-tls"].find(
            "{*}certificates/{*}certificate/{*}cert-data") is None
    with daemon.ssh("blind") as session:
        assert not builtin(session)


def test_builtin_keys_are_referred_to(daemon, nc):
    """Section 3.1: what is copied from there into configuration can be referred to; under any name."""
    found = builtin(nc)
    ssh, tls = (found[name] for name in ("built-in-ssh", "built-in-tls"))
    cert = tls.findtext("{*}certificates/{*}certificate/{*}cert-data")
    nc.edit({**keystore(
        entry("built-in-ssh", public_key_format=SSH, public_key=ssh.findtext("{*}public-key"),
              hidden_private_key=[None]),
        entry("mine", public_key_format=X509, public_key=tls.findtext("{*}public-key"),
              hidden_private_key=[None], certificates=certificates(c=cert))),
        **netconf_server(ssh_endpoint("e", ("::", 1830), keys=("built-in-ssh",))),
        "infix-services:web": {"certificate": "mine"}})
    assert host_key(daemon.net, 1830) == ssh.findtext("{*}public-key")
    assert certificate_of(daemon.net) == unb64(cert)
    shown = builtin(nc)
    assert sorted(shown) == ["built-in-ssh", "built-in-tls", "mine"]
    nc.copy("running", "startup")
    daemon.reboot()
    assert host_key(daemon.net, 1830) == ssh.findtext("{*}public-key")
