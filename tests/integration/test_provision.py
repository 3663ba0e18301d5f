"""The first configuration of a device that has none, from the URL on the kernel's command line: RFC 8572."""

import http.server
import json
import re
import ssl
import threading

import pytest

from ashlar import config
from ashlar.network import inside, until
from ashlar.pki import Maker, b64, run

CONVEYED_JSON = "1.2.840.113549.1.9.16.1.43"
CONVEYED_XML = "1.2.840.113549.1.9.16.1.42"
NS = config.namespaces()["ashlar-status"]
VERSION = "1.2.3"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        target = self.server.moved.get(path)
        content = self.server.files.get(path)
        self.send_response(302 if target else 404 if content is None else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("pki"))


class Owner:
    """An authority, and somebody it vouches for."""

    def __init__(self, make, name, key="ec"):
        self.make = make
        self.ca_key, self.key = make.ec(), getattr(make, key)()
        self.ca = make.certificate(self.ca_key, f"/CN={name} ca", ca=True)
        middle = make.ec()
        self.middle = make.certificate(middle, f"/CN={name} middle", (self.ca_key, self.ca[0]), ca=True)
        self.certificate = make.certificate(self.key, f"/CN={name}", (middle, self.middle[0]))

    def sign(self, content, kind=CONVEYED_JSON, signer=None, options=()):
        cert, key = signer or (self.certificate[0], self.key)
        return run("openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md",
                   "sha384", "-econtent_type", kind, "-signer", cert, "-inkey", key.path,
                   "-certfile", self.middle[0], *options, data=content)


@pytest.fixture(scope="module")
def owner(make):
    return Owner(make, "owner")


@pytest.fixture(scope="module")
def stranger(make):
    return Owner(make, "stranger")


def conveyed(data, handling="replace", **more):
    """Onboarding information (RFC 8572 section 6.3)."""
    text = data if isinstance(data, bytes) else config.to_json(data).encode()
    return json.dumps({"ietf-sztp-conveyed-info:onboarding-information": {
        "configuration-handling": handling, "configuration": b64(text), **more}}).encode()


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body).to_bytes(3, "big")
    return bytes([tag, 0x83]) + size + body


def unsigned(content):
    """A ContentInfo whose type is that of conveyed information."""
    oid = bytes.fromhex("060b2a864886f70d010910012b")
    return der(0x30, oid, der(0xa0, der(0x04, content)))


@pytest.fixture
def server(net, make, tmp_path, monkeypatch):
    """One on https that the device's system trusts, another on http."""
    key = make.ec()
    path, _ = make.certificate(key, "/CN=localhost", san="IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key.path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    made = []
    with inside(net.name):
        for _ in range(2):
            made.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    made[0].socket = context.wrap_socket(made[0].socket, server_side=True)
    made[0].files = made[1].files = {}
    made[0].moved = made[1].moved = {}
    made[0].https = f"https://127.0.0.1:{made[0].server_port}"
    made[0].http = f"http://127.0.0.1:{made[1].server_port}"
    threads = [threading.Thread(target=one.serve_forever) for one in made]
    for thread in threads:
        thread.start()
    yield made[0]
    for one, thread in zip(made, threads):
        one.shutdown()
        thread.join()
        one.server_close()


@pytest.fixture
def device(net, make_daemon, owner, tmp_path):
    """Starts one whose kernel was told of URL."""
    share = tmp_path / "share"
    share.mkdir()
    (share / "provision-ca.crt").write_bytes(owner.ca[0].read_bytes())
    (share / "release.json").write_text(json.dumps({"version": VERSION}))

    def start(url):
        cmdline = tmp_path / "cmdline"
        cmdline.write_text(f"console=ttyS0 ashlar.config_url={url} quiet\n")
        daemon = make_daemon(net, options=["--cmdline", str(cmdline), "--share-dir", str(share)])
        return daemon.start()

    start.share = share
    return start


def wanted(description="from afar"):
    return config.interfaces(config.interface("p1", "ethernet", description=description))


def described(daemon, source="running"):
    with daemon.local() as nc:
        return nc.interface("p1", source).findtext("description")


def taken(daemon, url):
    daemon.wait_log(f"event=provisioned source={re.escape(url)}$")
    assert described(daemon) == described(daemon, "startup") == "from afar"
    assert not list(daemon.run_dir.glob("config-url*"))


def refused(daemon, reason):
    """The reason is in the log and in operational state; nothing has changed."""
    daemon.wait_log(f"event=provision-refused .*{reason}")
    with daemon.local() as nc:
        found = nc.get(f'<status xmlns="{NS}"><provisioning/></status>')
        assert found.findtext(".//waits") == "true"
        reasons = [node.text for node in found.iter("reason")]
        assert re.search(reason, reasons[-1]), reasons
        assert "from afar" not in nc.get_config().itertext()
    assert not daemon.startup_file.exists()


def test_plain(device, server):
    """A configuration from a server that is known; it is there after the next start, when nobody is asked."""
    server.files["/config"] = config.to_json(wanted()).encode()
    daemon = device(f"{server.https}/config?key=secret")
    taken(daemon, f"{server.https}/config")
    assert not any("secret" in line for line in daemon.log)
    server.files["/config"] = config.to_json(wanted("another")).encode()
    daemon.reboot()
    assert described(daemon) == "from afar"


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_signed(device, server, make, key):
    """RFC 8572 section 3.4: it does not matter where signed information comes from."""
    owner = Owner(make, "owner", key)
    (device.share / "provision-ca.crt").write_bytes(owner.ca[0].read_bytes())
    server.files["/config"] = owner.sign(conveyed(wanted(), **{"boot-image": {"os-version": VERSION}}))
    taken(device(f"{server.http}/config"), f"{server.http}/config")


def test_signed_without_attributes(device, server, owner):
    """RFC 5652 section 5.4: the content itself is what was signed."""
    server.files["/config"] = owner.sign(conveyed(wanted()), options=["-noattr"])
    taken(device(f"{server.http}/config"), f"{server.http}/config")


def test_merge(device, server):
    """Unsigned from a known server, and put on top of the factory's defaults."""
    server.files["/config"] = unsigned(conveyed(wanted(), "merge"))
    daemon = device(f"{server.https}/config")
    taken(daemon, f"{server.https}/config")
    with daemon.local() as nc:
        assert nc.get_config().findtext(".//hostname") == "ashlar"


def test_refused_then_mended(device, server):
    """What is refused changes nothing, is told once, and is asked for again."""
    bad = config.interfaces({"name": "p1", "type": "infix-if-type:nothing"})
    server.files["/config"] = config.to_json(bad).encode()
    daemon = device(f"{server.https}/config")
    refused(daemon, "infix-if-type:nothing|identity")
    server.files["/config"] = config.to_json(wanted()).encode()
    taken(daemon, f"{server.https}/config")
    assert sum("event=provision-refused" in line for line in daemon.log) == 1


def test_saved_by_somebody(device, server):
    """An operator who was faster is not overruled."""
    daemon = device(f"{server.https}/config")
    refused(daemon, "404")
    with daemon.local() as nc:
        nc.edit(wanted("by hand"))
        nc.ok("<copy-config><target><startup/></target><source><running/></source></copy-config>")
        server.files["/config"] = config.to_json(wanted()).encode()

        def is_over():
            found = nc.get(f'<status xmlns="{NS}"><provisioning/></status>')
            return found.findtext(".//waits") != "true"

        until(is_over, "the end of provisioning")
    assert described(daemon) == "by hand"


class Case:
    """What is served, over what, and why it is refused."""

    def __init__(self, reason, make, scheme="http"):
        self.reason, self.make, self.scheme = reason, make, scheme


PLAIN = b'{"ietf-system:system":{}}'
CASES = {
    "plain": Case("not signed", lambda o, s: PLAIN),
    "unsigned": Case("not signed", lambda o, s: unsigned(conveyed(wanted()))),
    "stranger": Case("not trusted", lambda o, s: s.sign(conveyed(wanted()))),
    "stranger-https": Case("not trusted", lambda o, s: s.sign(conveyed(wanted())), "https"),
    "no-certificate": Case("no certificate", lambda o, s: o.sign(conveyed(wanted()), options=["-nocerts"])),
    "authority": Case("not trusted", lambda o, s: o.sign(conveyed(wanted()), signer=(o.ca[0], o.ca_key))),
    "changed": Case("not what is in it", lambda o, s: o.sign(conveyed(wanted()))
                    .replace(b'"replace"', b'"replacE"')),
    "changed-without-attributes": Case("no certificate", lambda o, s: o.sign(
        conveyed(wanted()), options=["-noattr"]).replace(b'"replace"', b'"replacE"')),
    "cut": Case("no CMS message", lambda o, s: o.sign(conveyed(wanted()))[:-7]),
    "xml": Case("only JSON", lambda o, s: o.sign(b"<x/>", CONVEYED_XML)),
    "other": Case("something else", lambda o, s: o.sign(conveyed(wanted()), "1.2.840.113549.1.7.1")),
    "detached": Case("with its content", lambda o, s: run(
        "openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", o.certificate[0],
        "-inkey", o.key.path, data=conveyed(wanted()))),
    "version": Case(VERSION, lambda o, s: o.sign(
        conveyed(wanted(), **{"boot-image": {"os-version": "9.9"}}))),
    "script": Case("script", lambda o, s: o.sign(
        conveyed(wanted(), **{"post-configuration-script": "AAAA"}))),
    "redirect": Case("other servers", lambda o, s: o.sign(json.dumps(
        {"ietf-sztp-conveyed-info:redirect-information": {}}).encode())),
    "handling": Case("configuration-handling", lambda o, s: o.sign(conveyed(wanted(), "add"))),
    "base64": Case("base64", lambda o, s: o.sign(conveyed(wanted()).replace(
        b'"configuration": "', b'"configuration": "!'))),
    "json": Case("not JSON", lambda o, s: o.sign(b"{")),
    "empty": Case("empty", lambda o, s: b" \n", "https"),
    "absent": Case("404", lambda o, s: None, "https"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(device, server, owner, stranger, name):
    case = CASES[name]
    if (content := case.make(owner, stranger)) is not None:
        server.files["/config"] = content
    refused(device(f"{getattr(server, case.scheme)}/config"), case.reason)


def test_no_authority(device, server, owner):
    """An image that was made without an authority for it takes nothing signed."""
    (device.share / "provision-ca.crt").unlink()
    server.files["/config"] = owner.sign(conveyed(wanted()))
    refused(device(f"{server.http}/config"), "without an authority")


def test_no_way_down(device, server):
    """What begins safely does not end otherwise."""
    server.files["/config"] = config.to_json(wanted()).encode()
    server.moved["/moved"] = f"{server.http}/config"
    refused(device(f"{server.https}/moved"), "[Pp]rotocol")


def test_unknown_server(device, server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "")
    server.files["/config"] = config.to_json(wanted()).encode()
    refused(device(f"{server.https}/config"), "certificate")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "file:///etc/passwd", "nothing"])
def test_other_schemes(device, url):
    refused(device(url), "neither https:// nor http://")
