"""Upgrades into slots that are files: what is believed of a bundle, where it comes from, what is told."""

import contextlib
import hashlib
import http.server
import json
import random
import re
import ssl
import subprocess
import threading

import pytest

from ashlar import config
from ashlar.bundle import Authority, Bundle, Device
from ashlar.netconf import RpcError
from ashlar.network import inside

NS = config.namespaces()
SOFTWARE = NS["ashlar-software"]
SUBSCRIBED = NS["ietf-subscribed-notifications"]


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, maker):
    """One that is taken; without a configuration to ask the new image about."""
    return Bundle(tmp_path_factory.mktemp("bundle") / "good", maker)


@pytest.fixture
def daemon(net, make_daemon, maker):
    daemon = make_daemon(net)
    daemon.device = Device(daemon, maker)
    return daemon.start()


@pytest.fixture
def device(daemon):
    return daemon.device


@pytest.fixture
def nc(daemon):
    with daemon.local() as session:
        yield session


def request(url, persist_id=None, **options):
    if persist_id:
        options["persist-id"] = persist_id
    more = "".join(f'<{name.replace("_", "-")} xmlns="{SOFTWARE}">{value}</{name.replace("_", "-")}>'
                   for name, value in options.items())
    return f'<install-bundle xmlns="{NS["infix-system"]}"><url>{url}</url>{more}</install-bundle>'


def install(nc, url, **options):
    """The RPC's answer as a dictionary; lists of entries by name."""
    reply = nc.rpc(request(url, **options))
    answer = {"modules": {}}
    for node in reply:
        name = node.tag.rpartition("}")[2]
        if name == "module":
            entry = {child.tag.rpartition("}")[2]: child.text for child in node}
            answer["modules"][entry.pop("name")] = entry
        else:
            answer[name] = node.text
    return answer


def refused(nc, url, **options):
    with pytest.raises(RpcError) as error:
        install(nc, url, **options)
    return error.value


def installer(nc):
    """What operational state says of it."""
    nodes = nc.get(subtree=f'<system-state xmlns="{NS["ietf-system"]}"><software '
                           f'xmlns="{NS["infix-system"]}"><installer/></software></system-state>')
    found = nodes.find(".//installer")
    return {node.tag: node.text for node in found.iter() if not len(node)}


def test_install(nc, daemon, device, bundle):
    """From a file: the slot holds it, what starts it is there, the loader tries it once."""
    answer = install(nc, f"file://{bundle.path}", persist_id="x", confirm_timeout=90)
    assert answer == {
        "slot": "b", "version": "2.0.0", "security-counter": "3", "size": str(len(bundle.root)),
        "modules": {"ietf-ip": {"old-revision": "2014-06-16", "new-revision": "2018-02-22"},
                    "new": {"new-revision": "2026-01-01"}, "old": {"old-revision": "2020-01-01"}}}
    assert device.content("b", len(bundle.root)) == bundle.root
    header = device.header("b")
    assert (header["state"], header["version"], header["sha256"]) == (
        "trial", "2.0.0", hashlib.sha256(bundle.root).hexdigest())
    boot = device.disk / "boot"
    assert (boot / "EFI/ashlar/b.efi").read_bytes() == bundle.boot
    assert (boot / "slots/b/linux").read_bytes() == bundle.sections[".linux"]
    assert (boot / "slots/b/initrd").read_bytes() == bundle.sections[".initrd"]
    assert (boot / "slots/b/cmdline.cfg").read_text() == "set cmdline='ashlar.root=1 quiet'\n"
    assert b"\nnext=b\n" in (boot / "grub/grubenv").read_bytes()
    assert json.loads((device.generations / "trial").read_text()) == {
        "confirm-timeout": 90, "persist-id": "x", "who": "root"}
    assert installer(nc) == {"operation": "idle", "percentage": "100", "message": "installed",
                             "last-error": None}
    # what nobody has tried is overwritten by the next one
    device.set_state("b", "failed")
    assert install(nc, f"file://{bundle.path}")["slot"] == "b"
    assert device.header("a")["state"] == "good"


def test_test_only(nc, device, bundle):
    """N7: what would change is told, and not a byte is written."""
    before = device.state()
    answer = install(nc, f"file://{bundle.path}", test_only="true")
    assert answer["version"] == "2.0.0" and answer["modules"]["new"]
    assert device.state() == before and not (device.generations / "trial").exists()
    assert installer(nc)["message"] == "tested"


def tar_with(bundle, tmp_path, **files):
    """The bundle with other contents of some of its files."""
    directory = tmp_path / "changed"
    directory.mkdir()
    subprocess.run(["tar", "-xf", bundle.path, "-C", directory], check=True)
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_bytes(content)
    result = tmp_path / "changed.tar"
    subprocess.run(["tar", "--format=ustar", "-cf", result, "-C", directory, "manifest.json",
                    "manifest.sig", "manifest.crt", "boot.efi", "root.img"], check=True)
    return result


def test_refused(nc, device, bundle, maker, stranger, tmp_path):
    """T10: refused by its manifest: nothing was written to any slot, and the error names the URL."""
    manifest = (bundle.directory / "manifest.json").read_bytes()
    flipped = manifest.replace(b'"2.0.0"', b'"2.0.1"')
    assert flipped != manifest
    ca_signed = tmp_path / "ca-signed"
    as_ca = Bundle(ca_signed, type("Ca", (), {"signer": maker.ca}))
    cases = {
        Bundle(tmp_path / "strange", stranger).path: "not trusted",
        Bundle(tmp_path / "unsigned").path: "not signed",
        as_ca.path: "not one for signing",
        tar_with(bundle, tmp_path, manifest_json=flipped): "not that of its manifest",
        Bundle(tmp_path / "old", maker, **{"security-counter": 1}).path: "security counter is 1",
        Bundle(tmp_path / "other", maker, compatible="toaster").path: "toaster",
        __file__: "no bundle",
    }
    before = device.state()
    for path, words in cases.items():
        error = refused(nc, f"file://{path}")
        assert error.tag == "invalid-value" and words in error.message, error
        assert re.fullmatch(r"/[\w-]+:install-bundle/[\w-]+:url", error.path)
    large = Bundle(tmp_path / "large", maker, root_bytes=(8 << 20) - 4096)
    error = refused(nc, f"file://{large.path}")
    assert error.tag == "resource-denied" and "has room for" in error.message, error
    for url in "ftp://x/y", "file:x", "oci://x", "https://a b":
        assert refused(nc, url).tag == "invalid-value"
    assert device.state() == before
    assert install(nc, f"file://{bundle.path}")["slot"] == "b"


@pytest.mark.parametrize("seed", range(4))
def test_damaged(nc, device, bundle, tmp_path, seed):
    """T10: a byte flipped, or the end cut off: the install ends there and the slot is empty."""
    chance = random.Random(seed)
    content = bytearray(bundle.content)
    at = content.index(bundle.boot[-600:]) + chance.randrange(len(bundle.root))
    path = tmp_path / "damaged.tar"
    if seed % 2:
        content[at] ^= 1 << chance.randrange(8)
    else:
        del content[at:]
    path.write_bytes(content)
    good = device.content("a", 4096)
    error = refused(nc, f"file://{path}")
    assert error.tag == "operation-failed", error
    header = device.header("b")
    assert header["state"] == "empty" and header["reason"] in error.message
    assert not (device.disk / "boot/grub/grubenv").exists(), "what is not whole is not tried"
    assert device.content("a", 4096) == good and device.header("a")["state"] == "good"
    assert install(nc, f"file://{bundle.path}")["slot"] == "b"


def test_slots(nc, daemon, device, bundle):
    """T5: not from a trial, not over the last good one; from recovery the slot that is not good."""
    url = f"file://{bundle.path}"
    for running, states, slot in (
            ("a", ("trial", "good"), None), ("b", ("good", "trial"), None),
            ("b", ("good", "failed"), None), ("b", ("failed", "good"), "a"),
            ("recovery", ("good", "failed"), "b"), ("recovery", ("failed", "good"), "a"),
            ("recovery", ("empty", "empty"), "a")):
        (daemon.run_dir / "boot").write_text(f"slot={running}\n")
        for name, state in zip("ab", states):
            device.set_state(name, state)
        if slot:
            assert install(nc, url, test_only="true")["slot"] == slot
        else:
            assert refused(nc, url).tag == "resource-denied", (running, states)
    (daemon.run_dir / "boot").unlink()
    assert refused(nc, url).tag == "operation-not-supported"


def test_no_authority(net, make_daemon, bundle):
    """An image that was made without one takes nothing."""
    daemon = make_daemon(net)
    Device(daemon, None)
    with daemon.start().local() as nc:
        assert "trusts nobody" in refused(nc, f"file://{bundle.path}").message


def test_progress(daemon, device, bundle):
    """T31: at least ten notifications, rising, and the end; who has gone finds the state later."""
    with daemon.local() as watcher:
        watcher.rpc(f'<establish-subscription xmlns="{SUBSCRIBED}"><stream>NETCONF</stream>'
                    "</establish-subscription>")
        gone = daemon.local()
        gone.request(request(f"file://{bundle.path}"))
        percentages, end = [], None
        while end is None:
            event = watcher.notification()
            progress = event.find(f".//{{{SOFTWARE}}}upgrade-progress")
            end = event.find(f".//{{{SOFTWARE}}}upgrade-end")
            if progress is not None:
                if not percentages:
                    gone.close()
                percentages.append(int(progress.findtext(f"{{{SOFTWARE}}}percentage")))
        assert percentages == sorted(percentages) and len(percentages) >= 10, percentages
        assert (percentages[0], percentages[-1]) == (0, 100)
        assert end.findtext(f"{{{SOFTWARE}}}result") == "installed"
        assert end.findtext(f"{{{SOFTWARE}}}version") == "2.0.0"
        assert installer(watcher)["percentage"] == "100"


# --- servers --------------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    """Files of server.files; server.cut is how many bytes a connection lives, server.token who may."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Range")))
        if self.path.startswith("/token"):
            return self.answer(200, json.dumps({"token": self.server.token}).encode())
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.answer(401, b"{}", ("WWW-Authenticate", (
                f'Bearer realm="{self.server.url}/token",service="registry",scope="repository:x:pull"')))
        content = self.server.files.get(self.path)
        if content is None:
            return self.answer(404, b"")
        start = 0
        if self.headers.get("Range") and self.server.has_ranges:
            start = int(re.match(r"bytes=(\d+)-$", self.headers["Range"])[1])
            return self.answer(206, content[start:], (
                "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"))
        return self.answer(200, content)

    def answer(self, status, content, *headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        if self.server.cut and len(content) > self.server.cut:
            self.wfile.write(content[:self.server.cut])
            self.close_connection = True
        else:
            self.wfile.write(content)

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
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with inside(net.name):
        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.handle_error = lambda *arguments: None  # whoever has heard enough closes
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    made.files, made.seen, made.cut, made.token, made.has_ranges = {}, [], None, None, True
    made.url = f"https://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    with contextlib.ExitStack() as stack:
        stack.callback(made.server_close)
        stack.callback(thread.join)
        stack.callback(made.shutdown)
        yield made


@pytest.mark.parametrize("has_ranges", [True, False])
def test_resume(server, nc, device, bundle, has_ranges):
    """Cut off again and again: it goes on from there, or, where the server cannot, from the start."""
    server.files["/bundle.tar"] = bundle.content
    server.cut, server.has_ranges = (1 << 20) + 17, has_ranges
    if not has_ranges:
        # the whole is sent once more, and then not cut
        class Once(Handler):
            def answer(self, *arguments):
                super().answer(*arguments)
                self.server.cut = None
        server.RequestHandlerClass = Once
    assert install(nc, f"{server.url}/bundle.tar")["slot"] == "b"
    assert device.content("b", len(bundle.root)) == bundle.root
    starts = [int(re.match(r"bytes=(\d+)-$", range_)[1]) for _, range_ in server.seen if range_]
    assert starts and starts == sorted(starts)
    if has_ranges:
        assert starts[0] == server.cut and len(starts) >= 2


def test_unreachable(server, nc, device, bundle):
    """What cannot be had is told, and nothing is written."""
    before = device.state()
    assert "404" in refused(nc, f"{server.url}/absent").message
    assert device.state() == before


def test_registry(server, nc, device, bundle):
    """T25: the same bytes out of a registry, by tag and by digest, with and without a token."""
    manifest, blobs = bundle.blobs()
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    place = f"{server.url.replace('https', 'oci')}/maker/ashlar"
    for reference in "2.0.0", "latest", digest:
        server.files[f"/v2/maker/ashlar/manifests/{reference}"] = manifest
    for name, content in blobs.items():
        server.files[f"/v2/maker/ashlar/blobs/{name}"] = content
    for token, url in ((None, place), ("s3cret.token", f"{place}:2.0.0"),
                       ("s3cret.token", f"{place}@{digest}")):
        server.token = token
        device.set_state("b", "failed")
        with open(device.slot("b"), "r+b") as slot:
            slot.write(bytes(len(bundle.root)))
        assert install(nc, url)["version"] == "2.0.0"
        assert device.content("b", len(bundle.root)) == bundle.root
    assert any(path.startswith("/token?service=registry&scope=repository%3Ax%3Apull")
               for path, _ in server.seen)
    # a registry that gives something else for a digest
    server.files[f"/v2/maker/ashlar/manifests/{digest}"] = manifest.replace(b"2.0.0", b"2.0.1")
    assert "something else" in refused(nc, f"{place}@{digest}").message
    server.files["/v2/maker/ashlar/manifests/image"] = b'{"layers": []}'
    assert "no bundle" in refused(nc, f"{place}:image").message
    assert "404" in refused(nc, f"{place}:absent").message


def test_one_at_a_time(server, daemon, nc, device, bundle):
    """in-use, while one is being installed."""
    waits, goes_on = threading.Event(), threading.Event()

    class Waiting(Handler):
        def answer(self, *arguments):
            waits.set()
            goes_on.wait()
            super().answer(*arguments)

    server.RequestHandlerClass = Waiting
    server.files["/bundle.tar"] = bundle.content
    try:
        nc.request(request(f"{server.url}/bundle.tar"))
        assert waits.wait(60)
        with daemon.local() as other:
            assert refused(other, f"file://{bundle.path}").tag == "in-use"
            assert installer(other)["operation"] == "installing"
    finally:
        goes_on.set()
    assert nc.reply() is not None
