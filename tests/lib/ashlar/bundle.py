"""Upgrades that are small and of no use, but whole: made by image/bundle, for a device of files."""

import hashlib
import json
import os
import pathlib
import random
import struct
import zlib

from . import TOP
from .pki import run

SLOT_BYTES = 8 << 20
STATES = ("empty", "trial", "failed", "good")


def make_boot_image(sections):
    """A PE file with those sections, as far as anybody looks."""
    optional = 240
    table = 0x80 + 24 + optional
    data = bytearray(b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x80)).ljust(0x80, b"\0")
    data += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, optional, 0)
    data += bytes(optional)
    at = (table + 40 * len(sections) + 511) // 512 * 512
    contents = b""
    for name, content in sections.items():
        padded = content + bytes(-len(content) % 512)
        data += struct.pack("<8sIIIIIIHHI", name.encode(), len(content), 0, len(padded),
                            at + len(contents), 0, 0, 0, 0, 0)
        contents += padded
    return bytes(data).ljust(at, b"\0") + contents


class Authority:
    """Who signs upgrades."""

    def __init__(self, directory, name="maker"):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self.ca = self._make("ca", "-addext", "basicConstraints=critical,CA:TRUE")
        self.signer = self._make(
            "signer", "-CA", self.ca[1], "-CAkey", self.ca[0], "-addext",
            "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=codeSigning")

    def _make(self, name, *options):
        key, cert = self.directory / f"{name}.key", self.directory / f"{name}.crt"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", cert, *options)
        return key, cert


class Bundle:
    """In DIRECTORY: what image/build would have made, and the upgrade of it."""

    def __init__(self, directory, authority=None, root_bytes=3 << 20, seed=1, **release):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        chance = random.Random(seed)
        self.root = chance.randbytes(root_bytes)
        self.sections = {".linux": chance.randbytes(70000), ".initrd": chance.randbytes(30000),
                         ".cmdline": b"ashlar.root=1 quiet\0"}
        self.boot = make_boot_image(self.sections)
        (self.directory / "root.img").write_bytes(self.root)
        (self.directory / "boot.efi").write_bytes(self.boot)
        self.release = {"version": "2.0.0", "compatible": "test", "security-counter": 3,
                        "modules": ["ietf-ip@2018-02-22", "new@2026-01-01"],
                        "verity": {"blocks": 16, "hash": "ab" * 32, "salt": "cd" * 32}} | release
        (self.directory / "release.json").write_text(json.dumps(self.release))
        sign = ("--key", authority.signer[0], "--cert", authority.signer[1]) if authority else ()
        run(TOP / "image" / "bundle", self.directory, *sign)

    @property
    def path(self):
        return self.directory / "bundle.tar"

    @property
    def content(self):
        return self.path.read_bytes()

    def blobs(self):
        """(manifest's text, digest → bytes) of the artifact."""
        layout = self.directory / "oci"
        layout.mkdir(exist_ok=True)
        run("tar", "-xf", self.directory / "oci.tar", "-C", layout)
        index = json.loads((layout / "index.json").read_text())
        files = {f"sha256:{path.name}": path.read_bytes()
                 for path in (layout / "blobs" / "sha256").iterdir()}
        return files[index["manifests"][0]["digest"]], files


class Device:
    """Slots that are files, and what the image that runs says of itself, for a daemon in DIRECTORY."""

    def __init__(self, daemon, authority, running="a", **release):
        self.share = daemon.directory / "share"
        self.disk = daemon.run_dir / "disk"
        self.generations = daemon.config_dir / "generations"
        self.share.mkdir()
        (self.disk / "boot" / "grub").mkdir(parents=True)
        for name in "a", "b", "recovery":
            with open(self.slot(name), "wb") as file:
                file.truncate(SLOT_BYTES)
        (daemon.run_dir / "boot").write_text(f"slot={running}\n")
        (self.share / "release.json").write_text(json.dumps(
            {"version": "1.0.0", "compatible": "test", "security-counter": 2,
             "modules": ["ietf-ip@2014-06-16", "old@2020-01-01"]} | release))
        if authority:
            (self.share / "update-ca.crt").write_bytes(authority.ca[1].read_bytes())
        daemon.options += ["--share-dir", str(self.share)]
        self.set_state("a", "good")

    def slot(self, name):
        return self.disk / name

    def set_state(self, name, state):
        """As slot_write() would: see slot.h."""
        header = bytearray(512)
        header[:8] = b"ashlar-1"
        struct.pack_into("<II", header, 8, self.header(name)["sequence"] + 1, STATES.index(state))
        struct.pack_into("<I", header, 508, zlib.crc32(header[:508]))
        with open(self.slot(name), "r+b") as file:
            file.seek(SLOT_BYTES - 8192)
            file.write(bytes(8192))
            file.seek(SLOT_BYTES - 8192)
            file.write(header)

    def header(self, name):
        with open(self.slot(name), "rb") as file:
            file.seek(SLOT_BYTES - 8192)
            room = file.read()
        found = {"sequence": 0, "state": "empty"}
        for at in 0, 4096:
            copy = room[at:at + 512]
            sequence, state = struct.unpack_from("<II", copy, 8)
            if copy[:8] == b"ashlar-1" and sequence > found["sequence"]:
                def text(begin, size):
                    return copy[begin:begin + size].split(b"\0")[0].decode()
                found = {"sequence": sequence, "state": STATES[state], "sha256": copy[32:64].hex(),
                         "version": text(128, 64), "reason": text(256, 252)}
        return found

    def content(self, name, size):
        with open(self.slot(name), "rb") as file:
            return file.read(size)

    def state(self):
        """What must not change when nothing is written: digests of all files, and when they changed."""
        return {str(path.relative_to(self.disk)): (
            hashlib.sha256(path.read_bytes()).hexdigest(), os.stat(path).st_mtime_ns)
            for path in sorted(self.disk.rglob("*")) if path.is_file()}
