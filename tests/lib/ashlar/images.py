"""Images that machines are upgraded to: variants of what image/build has made (image/variant), some of which do not
work, and a server on this host that machines get them from."""

import functools
import hashlib
import http.server
import json
import pathlib
import ssl
import threading

from . import TOP
from .pki import run

BUILT = TOP / "build" / "appliance"
KEPT = TOP / "build" / "variants"
HOST = "10.0.2.2"  # this one, as a machine sees it


def init_is(script):
    """What runs as the first program."""
    return ["--run", f"printf '#!/bin/sh\\n%s\\n' '{script}' >usr/sbin/finit"]


def daemon_is(script):
    """What runs instead of the daemon; an installation's question is answered by the daemon itself."""
    return ["--run", "mv usr/sbin/ashlard usr/sbin/ashlard.own; printf '#!/bin/sh\\n%s\\n%s\\n' "
            "'case \"$*\" in *--check*) exec /usr/sbin/ashlard.own \"$@\" ;; esac' "
            f"'{script}' >usr/sbin/ashlard; chmod 0755 usr/sbin/ashlard"]


# a contact that is no number is refused
NARROWER = "sed -i '/leaf contact {/{n;s/string/uint32/}' usr/share/ashlar/yang/ietf-system@*.yang"

# tells on the console what root can write, though it was asked to be mounted so
PROBE = """#!/bin/sh
exec >/dev/console 2>/dev/null
mount -o remount,rw /
for path in /new /usr/sbin/ashlard /dev/dm-0 /run/new; do
	if echo x >>$path; then echo "probe: wrote $path"; else echo "probe: could not write $path"; fi
done
while read -r _ path _ options _; do
	case $options in rw*) echo "probe: mounted $path" ;; esac
done </proc/mounts
echo "probe: end"
"""
PROBE_TASK = "task [12345] /usr/sbin/probe -- Probe\n"

RECIPES = {
    "probe": ["--version", "2.0-probe", "--run", f"cat >usr/sbin/probe <<'EOF'\n{PROBE}EOF\n"
              f"chmod 0755 usr/sbin/probe; printf %s '{PROBE_TASK}' >usr/share/ashlar/etc/finit.d/probe.conf"],
    "good-2": ["--version", "2.0"],
    # one module less, which this configuration does not need
    "less": ["--version", "2.0-less", "--remove", "usr/share/ashlar/yang/ietf-nmda-compare@2021-12-10.yang"],
    "bad-panic": ["--version", "2.0-panic", *init_is("exit 1")],
    "bad-hang": ["--version", "2.0-hang", *init_is("while :; do sleep 1000; done")],
    "bad-noapi": ["--version", "2.0-noapi", *daemon_is("exit 1")],
    "bad-nonet": ["--version", "2.0-nonet", *daemon_is("exec /usr/sbin/ashlard.own \"$@\" --no-kernel")],
    "bad-config": ["--version", "2.0-config", "--run", NARROWER],
}


@functools.lru_cache(None)
def variant(name):
    """The directory of the image called NAME; made when it is not there, of this build and this recipe."""
    stamp = hashlib.sha256((BUILT / "build.json").read_bytes() + json.dumps(RECIPES[name]).encode())
    stamp.update((TOP / "image" / "variant").read_bytes())
    directory = KEPT / f"{name}-{stamp.hexdigest()[:16]}"
    if not directory.is_dir():
        run(TOP / "image" / "variant", BUILT, directory, *RECIPES[name])
    return directory


def release(name=None):
    """What the image NAME, or the one that machines have from the beginning, says of itself."""
    return json.loads(((variant(name) if name else BUILT) / "release.json").read_text())


class Handler(http.server.BaseHTTPRequestHandler):
    """What server.files has under a path: bytes, or the path of a file."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content = self.server.files.get(self.path)
        self.server.seen.append(self.path)
        if isinstance(content, pathlib.Path):
            content = content.read_bytes()
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments):
        pass


class Shelf:
    """Serves images to machines, by http, or with (KEY, CERTIFICATE) by https."""

    def __init__(self, credentials=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *arguments: None  # whoever has heard enough closes
        self.server.files, self.server.seen = {}, []
        if credentials:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(credentials[1], credentials[0])
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.files, self.seen = self.server.files, self.server.seen
        self.place = f"{HOST}:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def put(self, name, content):
        """Where a machine finds CONTENT (bytes, or a path)."""
        self.files[f"/{name}"] = content
        return f"http://{self.place}/{name}"

    def bundle(self, name):
        """Where a machine finds the upgrade to the image NAME."""
        return self.put(f"{name}.tar", variant(name) / "bundle.tar")
