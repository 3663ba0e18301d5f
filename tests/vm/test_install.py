"""What a machine believes of an upgrade, and what it has written by then: its disk is logged."""

import hashlib
import json
import os
import random
import shutil

import pytest

from ashlar import TOP, config
from ashlar.images import HOST, Shelf, release, variant
from ashlar.machine import BOOT_SECONDS, Machine, Refused
from ashlar.network import until
from ashlar.pki import run
from ashlar.powercut import partitions, read_log
from ashlar.serving import bags

NS = config.namespaces()
SOFTWARE = NS["ashlar-software"]
SEED = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))
DAMAGES = 200 if os.environ.get("TEST_FULL") else 3


class Log:
    """What is written to a machine's disk."""

    def __init__(self, machine):
        self.machine = machine
        self.path = machine.directory / "log"
        machine.options += ["--log", str(self.path)]

    def now(self):
        return self.path.stat().st_size

    def written(self, since, *names):
        """Bytes that have been written to the partitions called NAMES since."""
        places = [partitions(self.machine.disk)[name] for name in names]
        return sum(len(write.data) for write in read_log(self.path) if write.end > since and any(
            start <= write.offset < start + size for start, size in places))


@pytest.fixture(scope="module")
def logged(tmp_path_factory, make_configured):
    """One that serves, for all tests of this file; none of them has it restart."""
    machine = Machine(tmp_path_factory.mktemp("logged"), like=make_configured("uefi"))
    machine.log = Log(machine)
    machine.start()
    try:
        machine.wait_console("ashlar: ready")
        machine.wait_healthy()
        yield machine
    finally:
        machine.cut()


def refused(machine, url, **options):
    with pytest.raises(Refused) as error:
        machine.install(url, **options)
    return error.value


def quiet(machine):
    """Until nothing is written any more; where the log is."""
    seen = []

    def is_quiet():
        seen.append(machine.log.now())
        return seen[-1] in seen[:-1]

    until(is_quiet, "silence on the disk", 600, 40)  # what file systems owe is written half a minute later
    return seen[-1]


def test_n07_dry_run(logged, shelf):
    """What the upgrade is, how the data model would change and where it would go is told; not a byte is written."""
    begin = quiet(logged)
    answer = logged.install(shelf.bundle("less"), test_only=True)
    assert answer["slot"] == "b" and answer["version"] == release("less")["version"]
    assert int(answer["size"]) == (variant("less") / "root.img").stat().st_size
    assert answer["module"] == [{"name": "ietf-nmda-compare", "old-revision": "2021-12-10"}]
    quiet(logged)
    assert logged.log.written(begin, *partitions(logged.disk)) == 0
    assert logged.software()["slot"]["b"]["condition"] == "empty"


def remake(directory, *signer, change=None):
    """The upgrade good-2, CHANGEd, signed by SIGNER (a name of image/signing-keys)."""
    directory.mkdir()
    for name in "boot.efi", "root.img", "release.json":
        shutil.copy(variant("good-2") / name, directory)
    if change:
        change(directory)
    keys = run(TOP / "image" / "signing-keys").decode().strip()
    sign = [("--key", f"{keys}/{name}.key", "--cert", f"{keys}/{name}.crt") for name in signer]
    run(TOP / "image" / "bundle", directory, *(word for words in sign for word in words))
    return directory / "bundle.tar"


def set_counter(directory):
    path = directory / "release.json"
    path.write_text(path.read_text().replace('"security-counter": 1', '"security-counter": 0'))


def test_t10_signature(logged, shelf, tmp_path):
    """Refused by its manifest: nothing was written to any slot, nor to what starts them."""
    flipped = (variant("good-2") / "bundle.tar").read_bytes().replace(b'"2.0"', b'"2.1"', 1)
    cases = {
        "stranger": (remake(tmp_path / "stranger", "stranger"), "not trusted"),
        "unsigned": (remake(tmp_path / "unsigned"), "not signed"),
        "old": (remake(tmp_path / "old", "bundle", change=set_counter), "security counter is 0"),
        "flipped": (flipped, "not that of its manifest"),
    }
    begin = logged.log.now()
    for name, (content, words) in cases.items():
        error = refused(logged, shelf.put(name, content))
        assert error.tag == "invalid-value" and words in error.message, (name, error)
        assert error.path.endswith("/url"), error
    assert logged.log.written(begin, "a", "b", "recovery", "boot") == 0


def test_t10_damage(logged, shelf):
    """A byte of the image changed, or its end missing: the installation ends there, the slot is empty, nothing is
    tried, and the slot that is in use was not touched."""
    chance = random.Random(SEED)
    content = (variant("good-2") / "bundle.tar").read_bytes()
    root = (variant("good-2") / "root.img").read_bytes()
    first = content.index(root[:4096])
    good = logged.slot_digest("a")
    for number in range(DAMAGES):
        at = first + chance.randrange(len(root))
        damaged = content[:at]
        if number % 3 != 2:
            damaged += bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1:]
        begin = logged.log.now()
        error = refused(logged, shelf.put("damaged", damaged))
        assert error.tag == "operation-failed", (SEED, number, error)
        slot = logged.software()["slot"]["b"]
        assert slot["condition"] == "empty" and slot["reason"] in error.message, (SEED, number)
        start = partitions(logged.disk)["b"][0]
        ends = [write.offset + len(write.data) - start for write in read_log(logged.log.path)
                if write.end > begin and start <= write.offset < start + len(root)]
        assert max(ends, default=0) <= (at - first) // (1 << 20) * (1 << 20), "the chunk was written"
        assert logged.log.written(begin, "a", "recovery", "boot") == 0
    assert logged.slot_digest("a") == good
    print(f"report: damaged upgrades: {DAMAGES}, seed {SEED}")


def test_t31_progress(logged, shelf):
    """At least ten notifications, rising, and the end; who has gone meanwhile finds the state."""
    url = shelf.bundle("good-2")
    with logged.netconf() as watcher:
        watcher.stream.settimeout(BOOT_SECONDS)
        watcher.rpc('<establish-subscription xmlns="urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications">'
                    "<stream>NETCONF</stream></establish-subscription>")
        gone = logged.netconf()
        gone.request(f'<install-bundle xmlns="{NS["infix-system"]}"><url>{url}</url></install-bundle>')
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
    software = logged.software()
    assert software["installer"]["progress"] == {"percentage": 100, "message": "installed"}
    assert software["slot"]["b"]["sha256"] == logged.slot_digest("b")


@pytest.fixture
def registry(tmp_path):
    """A registry with the upgrade good-2, and the certificate that it is known by."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", "/CN=registry", "-addext", f"subjectAltName=IP:{HOST}", "-keyout",
        key, "-out", certificate)
    run("tar", "-xf", variant("good-2") / "oci.tar", "-C", tmp_path)
    with Shelf((key, certificate)) as shelf:
        shelf.certificate = certificate
        shelf.layout = tmp_path
        yield shelf


def test_t25_registry(logged, registry):
    """The same bytes out of a registry, named by the digest of what is there."""
    index = json.loads((registry.layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"]
    for path in (registry.layout / "blobs" / "sha256").iterdir():
        kind = "manifests" if f"sha256:{path.name}" == digest else "blobs"
        registry.files[f"/v2/maker/ashlar/{kind}/sha256:{path.name}"] = path
    url = f"oci://{registry.place}/maker/ashlar@{digest}"
    assert "certificate" in refused(logged, url).message
    der = run("openssl", "x509", "-in", registry.certificate, "-outform", "DER")
    with logged.netconf() as nc:
        nc.edit(bags(registry=[der]))
    assert logged.install(url)["version"] == release("good-2")["version"]
    content = (variant("good-2") / "root.img").read_bytes()
    assert logged.slot_digest("b") == hashlib.sha256(content).hexdigest()
