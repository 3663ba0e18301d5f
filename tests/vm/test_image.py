"""What a machine runs is what was built, whatever was done to it, and it says what that is."""

import hashlib
import json
import os
import pathlib
import random
import tempfile

import pytest

from ashlar import TOP, config
from ashlar.images import BUILT
from ashlar.machine import Machine
from ashlar.pki import run

SEED = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))
EDITS = 200 if os.environ.get("TEST_FULL") else 20


@pytest.fixture(scope="module")
def running(tmp_path_factory, make_configured):
    machine = Machine(tmp_path_factory.mktemp("running"), like=make_configured("uefi")).start()
    machine.wait_console("ashlar: ready")
    yield machine
    machine.cut()


def test_t14_packages(running):
    """Each package with its version and digest, as it was pinned; and no file that belongs to none."""
    with running.restconf() as client:
        told = client.get("data/ietf-system:system-state/infix-system:software/ashlar-software:packages")
    packages = {entry["name"]: entry for entry in
                told.json["ashlar-software:packages"]["package"]}
    locked = [line.split()[:3] for line in
              (TOP / "image" / "rootfs" / "packages.lock").read_text().splitlines()
              if not line.startswith("#")]
    reproduces = json.loads((BUILT / "build.json").read_text())["reproduces-lock"]
    assert set(packages) == {name for name, *_ in locked} | {"ashlar"}
    for name, version, digest in locked:
        if reproduces:
            assert (packages[name]["version"], packages[name]["sha256"]) == (version, digest)
        assert packages[name]["licence"]
    bill = json.loads((BUILT / "sbom.json").read_text())
    listed = {entry["fileName"].removeprefix("./"): entry["checksums"][1]["checksumValue"]
              for entry in bill["files"]}
    with tempfile.TemporaryDirectory(dir=BUILT.parent) as directory:  # where the Debian 13 tree sees it
        root = pathlib.Path(directory) / "root"
        run(TOP / "image" / "debian13", "run", "unsquashfs", "-quiet", "-no-progress", "-dest", root,
            BUILT / "root.img")
        found = {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    assert found.pop("usr/share/ashlar/sbom.json") == hashlib.sha256(
        (BUILT / "sbom.json").read_bytes()).hexdigest()
    assert found == listed
    owned = [relation["relatedSpdxElement"] for relation in bill["relationships"]
             if relation["relationshipType"] == "CONTAINS"]
    assert sorted(owned) == sorted(entry["SPDXID"] for entry in bill["files"])


def test_t02_same_bits(running):
    """After any number of edits, and a cut, what is in the slot is what was built."""
    chance = random.Random(SEED)
    with running.netconf() as nc:
        for number in range(EDITS):
            name = f"eth{chance.randrange(5)}"
            nc.edit(chance.choice([
                config.interfaces({"name": name, "type": "infix-if-type:ethernet",
                                   "description": f"edit {number}"}),
                {"ietf-system:system": {"location": f"edit {number}",
                                        "hostname": f"host{chance.randrange(9)}"}}]))
        nc.copy("running", "startup")
    running.wait_healthy()
    running.cut()
    running.start()
    running.wait_console("ashlar: ready")
    slot = running.wait_healthy()["slot"]["a"]
    image = (BUILT / "root.img").read_bytes()
    assert slot["sha256"] == running.slot_digest("a") == hashlib.sha256(image).hexdigest()
    assert slot["size"] == str(len(image))
