"""Configurations at URLs (RFC 6241 section 8.8): files of the device, and other servers."""

import http.server
import socket
import ssl
import subprocess
import threading

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, RpcError
from ashlar.network import inside
from ashlar.pki import Maker
from ashlar.serving import bags

NMDA = config.namespaces()["ietf-netconf-nmda"]
DEFAULTS = config.namespaces()["ietf-netconf-with-defaults"]
FILE = "file:///saved.xml"


def refused(tag, call, *arguments):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert error.value.tag == tag, error.value
    return error.value


def place(text):
    return text if text[0] == "<" else f"<url>{text}</url>" if ":" in text else f"<{text}/>"


def copy(nc, source, target, extra=""):
    nc.ok(f"<copy-config><target>{place(target)}</target><source>{place(source)}</source>{extra}"
          "</copy-config>")


def delete(nc, target):
    nc.ok(f"<delete-config><target>{place(target)}</target></delete-config>")


def edit(nc, url, extra=""):
    nc.ok(f"<edit-config><target><running/></target>{extra}<url>{url}</url></edit-config>")


def document(data):
    return f'<?xml version="1.0"?>\n<config xmlns="{BASE}">{config.to_xml(data)}</config>\n'


def described(nc, name="p1", source="running"):
    return nc.interface(name, source).findtext("description")


def text_of(nc, source):
    return etree.tostring(nc.get_config(source), method="c14n")


@pytest.fixture
def files(daemon):
    """The directory that file: URLs name."""
    directory = daemon.config_dir / "url"
    directory.mkdir(exist_ok=True)
    return directory


# --- files -------------------------------------------------------------------------------------

def test_copy_to_itself(nc, files):
    """7.3: invalid-value when source and target are the same, absent or not."""
    for url in FILE, "https://127.0.0.1/x":
        refused("invalid-value", copy, nc, url, url)
        refused("operation-not-supported", copy, nc, url, url + "x")
    assert not list(files.iterdir())


def test_capability(nc):
    """8.8.3."""
    assert "urn:ietf:params:netconf:capability:url:1.0?scheme=https,file" in nc.capabilities


def test_copy(nc, files):
    """8.8.5.2: a datastore to a file and back, as a whole <config>."""
    before = text_of(nc, "running")
    copy(nc, "running", FILE)
    saved = etree.parse(str(files / "saved.xml")).getroot()
    assert saved.tag == f"{{{BASE}}}config" and len(saved)
    assert (files / "saved.xml").stat().st_mode & 0o777 == 0o600
    nc.edit(config.interfaces({"name": "p1", "description": "changed"}))
    copy(nc, "file://localhost/saved.xml", "running")
    assert text_of(nc, "running") == before
    copy(nc, "candidate", "file:///a%20name")
    assert (files / "a name").exists()
    copy(nc, FILE, "candidate")
    copy(nc, FILE, "startup")
    assert described(nc, source="startup") is None


def test_copy_given(nc, files):
    """7.3: a <config> in the request to a file; with-defaults says what of a datastore."""
    copy(nc, f"<config>{config.to_xml(config.interfaces({'name': 'p1'}))}</config>", FILE)
    assert b"<name>p1</name>" in (files / "saved.xml").read_bytes()
    copy(nc, "running", FILE)
    assert b"<enabled>" not in (files / "saved.xml").read_bytes()
    copy(nc, "running", FILE, f'<with-defaults xmlns="{DEFAULTS}">report-all</with-defaults>')
    assert b"<enabled>true</enabled>" in (files / "saved.xml").read_bytes()


def test_edit(nc, files):
    """8.8.5.1, and RFC 8526 section 3.1.2: the edit is what the file holds."""
    (files / "saved.xml").write_text(document(
        config.interfaces({"name": "p1", "description": "from a file"})))
    edit(nc, FILE)
    assert described(nc) == "from a file"
    nc.ok(f'<edit-data xmlns="{NMDA}" xmlns:ds="{config.namespaces()["ietf-datastores"]}">'
          f"<datastore>ds:candidate</datastore><url>{FILE}</url></edit-data>")
    (files / "large.xml").write_text(document(config.interfaces(
        *({"name": f"br{number}", "type": "infix-if-type:bridge", "description": "x" * 60}
          for number in range(800)))))
    nc.ok("<edit-config><target><candidate/></target><url>file:///large.xml</url></edit-config>")
    assert described(nc, "br799", "candidate") == "x" * 60
    refused("bad-element", nc.ok, "<edit-config><target><running/></target><config/>"
            f"<url>{FILE}</url></edit-config>")
    refused("missing-element", nc.ok, "<edit-config><target><running/></target></edit-config>")


def test_validate(nc, files):
    """8.8.5.4."""
    copy(nc, "running", FILE)
    nc.ok(f"<validate><source>{place(FILE)}</source></validate>")
    (files / "saved.xml").write_text(document(
        config.interfaces({"name": "p1", "type": "infix-if-type:nothing"})))
    refused("invalid-value", nc.ok, f"<validate><source>{place(FILE)}</source></validate>")


def test_delete(nc, files):
    """8.8.5.3."""
    copy(nc, "running", FILE)
    delete(nc, FILE)
    assert not (files / "saved.xml").exists()
    refused("data-missing", delete, nc, FILE)
    refused("data-missing", copy, nc, FILE, "candidate")


@pytest.mark.parametrize("url", [
    "file:///../startup-config.cfg", "file:///%2e%2e/startup-config.cfg", "file:///a/b",
    "file:///..%2fstartup-config.cfg", "file:///", "file://elsewhere/a", "file:///.hidden",
    "file:///a%00b", "http://127.0.0.1/a", "ftp://127.0.0.1/a", "https:/a", "/etc/passwd:",
    pytest.param("file:///" + "x" * 3000, id="long")])
def test_no_escape(nc, files, url):
    """Only files of one directory, and only https."""
    for source, target in (url, "candidate"), ("running", url):
        refused("invalid-value", copy, nc, source, target)
    refused("invalid-value", delete, nc, url)


def test_links(nc, daemon, files):
    """A link in the directory is neither followed nor written through."""
    secret = daemon.directory / "secret"
    secret.write_text(document(config.interfaces({"name": "p1", "description": "secret"})))
    (files / "saved.xml").symlink_to(secret)
    refused("operation-failed", edit, nc, FILE)
    before = secret.read_text()
    copy(nc, "running", FILE)
    assert secret.read_text() == before and not (files / "saved.xml").is_symlink()
    (files / "pipe").symlink_to("/dev/zero")
    refused("operation-failed", edit, nc, "file:///pipe")


@pytest.mark.parametrize("text, tag", [
    ("", "invalid-value"), ("<config/>", "invalid-value"), ("<data xmlns='%s'/>" % BASE, "invalid-value"),
    ("no xml", "malformed-message"), (document({}) + document({}), "malformed-message"),
    ("<config xmlns='%s'><nothing xmlns='urn:x'/></config>" % BASE, "unknown-namespace")])
def test_contents(nc, files, text, tag):
    """8.8.5.1: XML under <config> of the base namespace, and nothing else."""
    (files / "saved.xml").write_text(text)
    error = refused(tag, edit, nc, FILE)
    assert error


def test_limits(nc, files):
    """What is too large is refused, and so is one file too many."""
    with open(files / "saved.xml", "wb") as file:
        file.truncate(33 << 20)
    refused("operation-failed", edit, nc, FILE)
    for number in range(64):
        (files / f"f{number}").write_text("")
    refused("operation-failed", copy, nc, "running", "file:///another")
    copy(nc, "running", "file:///f1")


# --- servers -----------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/a")
            self.end_headers()
            return
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_PUT(self):
        self.server.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(self.headers.get("Authorization"))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_DELETE(self):
        self.send_response(204 if self.server.files.pop(self.path, None) is not None else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(net, tmp_path, monkeypatch):
    """An https server in the device's namespace, which the daemon trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(certificate)], check=True, capture_output=True)
    with inside(net.name):
        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    made.files, made.seen = {}, []
    made.url = f"https://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def trusting(server, make_daemon, net):
    with make_daemon(net, config.switch(net.ports)).start().local() as session:
        yield session


def test_https(trusting, server):
    """8.8.5: all of it with a server's resources."""
    nc, url = trusting, f"{server.url}/saved"
    before = text_of(nc, "running")
    copy(nc, "running", url)
    assert etree.fromstring(server.files["/saved"]).tag == f"{{{BASE}}}config"
    nc.edit(config.interfaces({"name": "p1", "description": "changed"}))
    copy(nc, url, "running")
    assert text_of(nc, "running") == before
    server.files["/edit"] = document(
        config.interfaces({"name": "p1", "description": "from afar"})).encode()
    edit(nc, f"{server.url}/edit")
    assert described(nc) == "from afar"
    nc.ok(f"<validate><source>{place(url)}</source></validate>")
    delete(nc, url)
    assert "/saved" not in server.files
    refused("operation-failed", delete, nc, url)
    refused("operation-failed", edit, nc, url)
    copy(nc, "running", server.url.replace("//", "//user:secret@") + "/with")
    assert server.seen[-1].startswith("Basic ")


def test_https_limits(trusting, server):
    """Neither plain text nor too much, and no url to url."""
    refused("operation-failed", edit, trusting, f"{server.url}/moved")
    server.files["/large"] = b" " * (33 << 20)
    refused("operation-failed", edit, trusting, f"{server.url}/large")
    refused("operation-not-supported", copy, trusting, f"{server.url}/a", FILE)


def test_https_strangers(make_daemon, net, server, monkeypatch):
    """A server that nobody vouches for is not listened to."""
    monkeypatch.setenv("SSL_CERT_FILE", "")
    server.files["/a"] = document(config.interfaces({"name": "p1", "description": "x"})).encode()
    with make_daemon(net, config.switch(net.ports)).start().local() as nc:
        refused("operation-failed", edit, nc, f"{server.url}/a")
        assert described(nc) is None


def test_https_truststore(make_daemon, net, server, monkeypatch, tmp_path):
    """RFC 9641: authorities in the truststore vouch for servers, besides the system's; a client's
    certificate, which somebody may log in with, does not."""
    make = Maker(tmp_path)
    ca_key, key = make.ec(), make.ec()
    ca = make.certificate(ca_key, "/CN=ca", ca=True)
    san = "IP:127.0.0.1"
    cert = make.certificate(key, "/CN=localhost", (ca_key, ca[0]), san=san)
    own = make.certificate(key, "/CN=localhost", san=san)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own[0], key.path)
    monkeypatch.setenv("SSL_CERT_FILE", "")
    server.files["/a"] = document(config.interfaces({"name": "p1", "description": "x"})).encode()
    with inside(net.name):
        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    made.files, made.seen = server.files, []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    url = f"https://127.0.0.1:{made.server_port}/a"
    try:
        with make_daemon(net, config.switch(net.ports)).start().local() as nc:
            nc.edit(bags(clients=[own[1]]))
            refused("operation-failed", edit, nc, url)
            context.load_cert_chain(cert[0], key.path)
            refused("operation-failed", edit, nc, url)
            nc.edit(bags(servers=[ca[1]]))
            edit(nc, url)
            assert described(nc) == "x"
            nc.edit({"ietf-truststore:truststore": {"@operation": "delete"}})
            refused("operation-failed", edit, nc, url)
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def test_session_ends(make_daemon, net):
    """A session that ends while something is fetched is missed by nobody."""

    daemon = make_daemon(net, config.switch(net.ports)).start()
    with inside(net.name):
        silent = socket.create_server(("127.0.0.1", 0))
    nc = daemon.local()
    nc.request("<edit-config><target><running/></target>"
               f"<url>https://127.0.0.1:{silent.getsockname()[1]}/a</url></edit-config>")
    silent.settimeout(20)
    connection = silent.accept()[0]
    with daemon.local() as other:
        other.edit(config.interfaces({"name": "p1", "description": "meanwhile"}))
        other.kill_session(nc.session_id)
    connection.settimeout(20)
    while connection.recv(4096):
        pass
    connection.close()
    silent.close()
    nc.close()
