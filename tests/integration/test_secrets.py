"""Private keys are shown to nobody whom access control does not allow (RFC 8341 section 7, RFC 9642
section 5): by no way of reading, and neither in logs nor in files that others may read."""

import stat

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until
from ashlar.pki import Maker, b64
from ashlar.serving import (OPENSSH, SSH, bags, keystore, netconf_server, ssh_endpoint,
                            tls_endpoint, tls_key)

HISTORY = "urn:ashlar:params:xml:ns:yang:ashlar-history"
KS = "urn:ietf:params:xml:ns:yang:ietf-keystore"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
CMP = "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
SYMMETRIC = b64(b"a secret that is no secret any more")


class Secrets:
    """Texts that must not be seen, and who must not see them."""

    def __init__(self, make):
        self.ec, self.inline = make.ec(), make.ec()
        private, public = make.openssh()
        self.host = {"name": "host", "public-key-format": SSH, "public-key": b64(public),
                     "private-key-format": OPENSSH, "cleartext-private-key": b64(private)}
        self.cert = make.certificate(self.ec, "/CN=device")[1]
        self.texts = [b64(self.ec.der), b64(private), b64(self.inline.der), SYMMETRIC]

    def configuration(self):
        endpoint = tls_endpoint("t", ("127.0.0.1", 6513), ca="ca")
        endpoint["tls"]["tls-server-parameters"]["server-identity"]["certificate"] = {
            "inline-definition": {**{name: value for name, value in tls_key(
                "x", self.inline).items() if name not in ("name", "certificates")},
                "cert-data": b64(self.inline_cert)}}
        store = keystore(tls_key("ec", self.ec, c=self.cert), self.host)
        store["ietf-keystore:keystore"]["symmetric-keys"] = {"symmetric-key": [
            {"name": "s", "key-format": "ietf-crypto-types:octet-string-key-format",
             "cleartext-symmetric-key": SYMMETRIC}]}
        return {**store, **bags(ca=[self.cert]),
                **netconf_server(ssh_endpoint("s", ("::", 830)), endpoint)}

    def check(self, *seen):
        for text in seen:
            text = text if isinstance(text, str) else etree.tostring(text, encoding="unicode")
            for secret in self.texts:
                assert secret not in text
                assert secret[40:80] not in text


@pytest.fixture
def secrets(tmp_path):
    make = Maker(tmp_path)
    secrets = Secrets(make)
    secrets.inline_cert = make.certificate(secrets.inline, "/CN=inline")[1]
    return secrets


@pytest.fixture
def daemon(net, make_daemon):
    """With a user who may read and call everything that is not denied by default."""
    startup = config.switch(net.ports)
    startup["ietf-system:system"]["authentication"]["user"] += [config.user("nobody")]
    return make_daemon(net, startup).start()


@pytest.fixture
def filled(daemon, nc, secrets):
    """Everywhere: the secrets in running and startup, others of theirs in candidate."""
    nc.edit(secrets.configuration())
    nc.copy("running", "startup")
    nc.edit(config.interfaces({"name": "p1", "description": "other"}), "candidate")
    assert secrets.texts[0] in etree.tostring(nc.get_config(), encoding="unicode")
    return daemon


def get_data(session, datastore, extra=""):
    return session.rpc(f'<get-data xmlns="{NMDA}" xmlns:ds="{DS}" xmlns:ks="{KS}">'
                       f"<datastore>ds:{datastore}</datastore>{extra}</get-data>")


def test_reading(filled, secrets):
    """Every datastore, by every operation and filter, in every defaults' mode."""
    with filled.ssh("nobody") as session:
        secrets.check(session.get())
        assert session.get_config().find("keystore/asymmetric-keys/asymmetric-key") is not None
        for source in "running", "candidate", "startup":
            secrets.check(session.get_config(source))
        for datastore in "running", "candidate", "startup", "intended", "operational":
            secrets.check(get_data(session, datastore))
            found = get_data(session, datastore, "<xpath-filter>//ks:cleartext-private-key | "
                             "//ks:cleartext-symmetric-key</xpath-filter>")
            assert not [node for node in found.iter() if node.tag.endswith("-key") and node.text]
        secrets.check(get_data(session, "operational", "<with-origin/>"))
        for mode in "report-all", "report-all-tagged", "trim":
            secrets.check(session.rpc(
                "<get-config><source><running/></source><with-defaults xmlns="
                f'"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">{mode}</with-defaults>'
                "</get-config>"))
        # Nor is it told whether a guess is right.
        guess = "/ks:keystore/ks:asymmetric-keys/ks:asymmetric-key[ks:cleartext-private-key{}'{}']"
        for operator in "=", "!=":
            data = session.get_config(xpath=guess.format(operator, secrets.texts[0]),
                                      prefixes={"ks": "ietf-keystore"})
            assert data.find("keystore") is None
        content = session.get_config(subtree=(
            f'<keystore xmlns="{KS}"><asymmetric-keys><asymmetric-key><cleartext-private-key>'
            f"{secrets.texts[0]}</cleartext-private-key></asymmetric-key></asymmetric-keys>"
            "</keystore>"))
        assert content.find("keystore") is None


def test_restconf(filled, secrets):
    with filled.restconf("nobody") as client:
        for accept in "application/yang-data+json", "application/yang-data+xml":
            for path in ("data", "data?content=config", "data?with-defaults=report-all",
                         "data/ietf-keystore:keystore", "data/ietf-netconf-server:netconf-server",
                         "ds/ietf-datastores:running", "ds/ietf-datastores:candidate",
                         "ds/ietf-datastores:startup", "ds/ietf-datastores:operational",
                         "data/ietf-keystore:keystore?fields=asymmetric-keys/asymmetric-key("
                         "name;cleartext-private-key)"):
                response = client.get(path, accept)
                assert response.status == 200
                secrets.check(response.body.decode())
        for path in ("data/ietf-keystore:keystore/asymmetric-keys/asymmetric-key=ec/"
                     "cleartext-private-key",
                     "data/ietf-keystore:keystore/symmetric-keys/symmetric-key=s/"
                     "cleartext-symmetric-key"):
            response = client.get(path)
            assert response.status == 404
            secrets.check(response.body.decode())


def test_copying(filled, nc, secrets):
    """What leaves the device is what the one who copies may read; between datastores nothing is lost
    that he may not see (RFC 8341 section 3.2.6)."""
    with filled.ssh("nobody") as session:
        for source, target in (("running", "startup"), ("running", "candidate"),
                               ("startup", "candidate")):
            session.copy(source, target)
            whole = etree.tostring(nc.get_config(target), encoding="unicode")
            assert all(secret in whole for secret in secrets.texts)
        session.ok("<copy-config><target><url>file:///copy</url></target>"
                   "<source><running/></source></copy-config>")
        # what was copied lacks the keys, so that giving it back would remove them
        for target in "running", "candidate", "startup":
            with pytest.raises(RpcError) as caught:
                session.ok(f"<copy-config><target><{target}/></target>"
                           "<source><url>file:///copy</url></source></copy-config>")
            assert caught.value.tag == "access-denied"
    copied = (filled.config_dir / "url" / "copy").read_text()
    assert "asymmetric-key" in copied
    secrets.check(copied)


def subscribe(session, period=None):
    how = f"<yp:periodic><yp:period>{period}</yp:period></yp:periodic>" if period else \
        "<yp:on-change/>"
    session.rpc(f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="{DS}">'
                f"<yp:datastore>ds:running</yp:datastore>{how}</establish-subscription>")


def pushed(session, kind):
    while True:
        message = session.notification()
        if any(etree.QName(node).localname == kind for node in message):
            return message


def test_push(daemon, nc, secrets):
    """What is pushed is what may be read, at first and when it changes."""
    with daemon.ssh("nobody") as session, daemon.ssh("nobody") as other:
        subscribe(session)
        pushed(session, "push-update")
        nc.edit(secrets.configuration())
        message = pushed(session, "push-change-update")
        assert "asymmetric-key" in etree.tostring(message, encoding="unicode")
        secrets.check(message)
        nc.edit({"ietf-keystore:keystore": {"symmetric-keys": {"symmetric-key": [
            {"name": "s", "cleartext-symmetric-key": secrets.texts[0]}]}}})
        nc.edit(config.interfaces({"name": "p1", "description": "x"}))
        message = pushed(session, "push-change-update")
        secrets.check(message)
        assert "description" in etree.tostring(message, encoding="unicode")
        subscribe(other, period=10)
        secrets.check(pushed(other, "push-update"))


def test_history_and_comparing(filled, nc, secrets):
    """Neither what was changed, nor what differs, nor what would be."""
    nc.edit({"ietf-keystore:keystore": {"symmetric-keys": {"symmetric-key": [
        {"name": "s", "cleartext-symmetric-key": b64(b"another")}]}}})
    with filled.ssh("nobody") as session:
        def ask(body):
            try:
                secrets.check(session.rpc(body))
            except RpcError as error:
                secrets.check(str(error))

        secrets.check(session.get(f'<history xmlns="{HISTORY}"/>'))
        for first, second in (1, 2), (2, 3), (1, 3), (3, 1):
            ask(f'<compare-history xmlns="{HISTORY}"><from>{first}</from><to>{second}</to>'
                "</compare-history>")
        for source, target in ("running", "startup"), ("startup", "running"), (
                "startup", "operational"):
            ask(f'<compare xmlns="{CMP}" xmlns:ds="{DS}"><source>ds:{source}</source>'
                f"<target>ds:{target}</target></compare>")
        ask(f'<rollback xmlns="{HISTORY}"><to>1</to><plan/></rollback>')
        ask(f'<commit><plan xmlns="{HISTORY}"/></commit>')
        assert nc.get_config().find("keystore") is not None


def test_files_and_log(filled, nc, secrets):
    """What lies about: nobody else may read it; the log has none of it."""
    nc.edit(config.interfaces({"name": "p1", "description": "again"}))
    history = filled.state_dir / "history"
    until(lambda: history.exists() and b"again" in history.read_bytes(), "history", 30)
    found = 0
    for top in filled.config_dir, filled.run_dir, filled.state_dir:
        for path in top.rglob("*"):
            if not path.is_file() or path.is_socket():
                continue
            if any(secret[40:80].encode() in path.read_bytes() for secret in secrets.texts):
                found += 1
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert found >= 2
    secrets.check("\n".join(filled.log))
