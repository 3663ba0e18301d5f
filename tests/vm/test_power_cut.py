"""N5: power cuts at every write, and with random ones of those that no flush had been answered for.

A disk is what its log of writes says it can be (lib/ashlar/powercut.py); what has to hold is looked at
there, and a sample of such disks is started.
"""

import dataclasses
import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from ashlar import TOP
from ashlar.machine import copy_disk
from ashlar.network import until
from ashlar.powercut import Replay, mend, read_file, read_saved

SEED = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))
FULL = bool(os.environ.get("TEST_FULL"))
SUBSETS = 20 if FULL else 4  # between two flushes
STARTED = 300 if FULL else 4  # crash images that are started, in each scenario
WORDS = 5000  # of 8 bytes: a file that takes ten blocks

# Version 0 is there before what is tried begins.
WRITERS = {
    "renamed, not flushed": 'cp /new /disk/file.new; mv /disk/file.new /disk/file',
    "written in place": '''i=0; while [ $i -lt 5 ]; do
            dd if=/new of=/disk/file bs=8000 skip=$i seek=$i count=1 conv=notrunc 2>/dev/null; sync
            i=$((i + 1)); done''',
    "renamed, flushed": '''dd if=/new of=/disk/file.new bs=8000 conv=fsync 2>/dev/null
        mv /disk/file.new /disk/file; sync''',
}


def archive(files):
    """A newc archive (what the kernel takes as its first root), of {name: (mode, bytes)}."""
    parts = []
    for number, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))]):
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def run_writer(directory, writer):
    """Eight versions of a file by WRITER, on a disk that is logged."""
    kernel = subprocess.run([TOP / "image" / "kernel" / "build", "x86_64"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    script = f"""#!/bin/busybox sh
        /bin/busybox --install -s /bin
        make() {{ yes version$1 | head -n {WORDS}; }}
        mount -t devtmpfs dev /dev
        mount -t ext4 -o noauto_da_alloc,commit=1 /dev/vda /disk || poweroff -f
        for version in 1 2 3 4 5 6 7 8; do
            make $version >/new
            {WRITERS[writer]}
            usleep 400000
        done
        poweroff -f
        """
    tree = {name: (0o40755, b"") for name in ("bin", "dev", "disk")}
    tree["bin/busybox"] = 0o100755, pathlib.Path("/bin/busybox").read_bytes()
    tree["init"] = 0o100755, script.encode()
    (directory / "initrd").write_bytes(archive(tree))
    disk, log = directory / "disk", directory / "log"
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    (directory / "content").mkdir()
    (directory / "content" / "file").write_text("version0\n" * WORDS)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", directory / "content", disk], check=True)
    shutil.copy(disk, directory / "base")
    log.touch()
    subprocess.run(
        ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", "128",
         "-nodefaults", "-nographic", "-no-reboot", "-kernel", f"{kernel}/linux",
         "-initrd", directory / "initrd", "-append", "quiet panic=-1", "-blockdev",
         f"driver=blklogwrites,node-name=disk,log-super-update-interval=1,file.driver=file,"
         f"file.filename={disk},file.cache.no-flush=on,log.driver=file,log.filename={log}",
         "-device", "virtio-blk-pci,drive=disk"], check=True, timeout=300)
    return Replay(directory / "base", log)


def version_of(text):
    """A whole one's number; what is left of it otherwise."""
    if not text:
        return "missing or empty"
    lines = set(text.split())
    if len(text) == WORDS * 9 and len(lines) == 1 and lines <= {b"version%d" % i for i in range(9)}:
        return int(text[7:8])
    return "torn"


@pytest.mark.parametrize("writer", WRITERS)
def test_n05_controls(tmp_path, writer):
    """What is known to lose data is seen to; what is known to hold, holds."""
    replay = run_writer(tmp_path, writer)
    counts = {}
    for state in replay.states(subsets=4, seed=SEED):
        image = tmp_path / "image"
        shutil.copy(state.disk, image)
        assert mend(image), state.name
        version = version_of(read_file(image, "/file"))
        kind = version if isinstance(version, str) else "whole"
        counts[kind] = counts.get(kind, 0) + 1
    print(f"report: {writer}: {counts}")
    assert counts["whole"]
    bad = {"renamed, not flushed": {"missing or empty"}, "written in place": {"torn"},
           "renamed, flushed": set()}[writer]
    assert bad <= set(counts) if bad else set(counts) == {"whole"}


def description(config):
    """That of eth0, by which the versions are told apart."""
    interfaces = {interface["name"]: interface
                  for interface in config["ietf-interfaces:interfaces"]["interface"]}
    return interfaces["eth0"].get("description")


@pytest.fixture
def configured(make_machine, tmp_path):
    """A configured machine whose disk hides nothing (ext4 makes up for a missing flush by default)."""
    machine = make_machine()
    machine.start()
    machine.wait_console("ashlar: configured from vd")
    with machine.netconf() as nc:
        nc.copy("running", "startup")
    machine.cut()
    machine.mount_option("cfg", "noauto_da_alloc")
    return machine


class Crashes:
    """What is left of a machine's disk by cuts while it is LOGGED, looked at, and some started."""

    def __init__(self, machine, directory):
        self.machine = machine
        self.directory = directory
        self.log = directory / "log"
        self.begin = 0
        copy_disk(machine.disk, directory / "base")
        machine.options += ["--log", str(self.log)]

    def now(self):
        """Where the log is."""
        return self.log.stat().st_size

    def look(self, what, check):
        """CHECK(state, configuration) of each; the sample that is to be started."""
        sample, chosen, count = random.Random(SEED), [], 0
        for state in Replay(self.directory / "base", self.log).states(
                start=self.begin, subsets=SUBSETS, seed=SEED):
            image = state.partition("cfg", self.directory / "cfg")
            assert mend(image), state.name
            text = read_saved(image)
            try:
                check(state, json.loads(text) if text is not None else None)
            except (ValueError, AssertionError) as error:
                raise AssertionError(f"{state.name} (seed {SEED})") from error
            place = sample.randrange(count + 1) if count >= STARTED else count
            if place < STARTED:
                disk = copy_disk(state.disk, self.directory / f"crash{place}")
                chosen[place:place + 1] = [dataclasses.replace(state, disk=disk)]
            count += 1
        print(f"report: {what}: {count} crash images, {len(chosen)} started, seed {SEED}")
        assert count > 8
        return chosen

    def start(self, make_machine, state, ready):
        """A machine with such a disk, when the console has said READY; it takes an edit, and keeps it."""
        machine = make_machine(like=self.machine, disk=state.disk)
        machine.start()
        machine.wait_console(ready)
        with machine.netconf() as nc:
            found = nc.interface("eth0", "running").findtext("description")
            nc.describe("afterwards", "eth0")
            nc.copy("running", "startup")
        machine.cut()
        return found


def test_n05_copy_to_startup(configured, make_machine, tmp_path):
    """copy-config to startup, eight times, each by one more edit: the one before or the new one, whole;
    and never less than what was acknowledged."""
    crashes = Crashes(configured, tmp_path)
    versions = [f"version {number}" for number in range(8)]
    told = []  # where the log was when each was acknowledged
    configured.start()
    configured.wait_console("ashlar: ready")
    with configured.netconf() as nc:
        crashes.begin = crashes.now()
        for version in versions:
            nc.describe(version, "eth0")
            nc.copy("running", "startup")
            told.append(crashes.now())
    configured.cut()

    def check(state, config):
        safe = sum(position <= state.done for position in told)
        assert description(config) in [None, *versions][safe:]

    for state in crashes.look("copy to startup", check):
        assert crashes.start(make_machine, state, "ashlar: ready") in [None, *versions], state.name


def test_n05_edit(configured, make_machine, tmp_path):
    """RESTCONF edits, which are saved by themselves: some version, whole, and the last one in the end."""
    crashes = Crashes(configured, tmp_path)
    versions = [f"version {number}" for number in range(8)]
    configured.start()
    configured.wait_console("ashlar: ready")
    with configured.restconf() as client, configured.netconf() as nc:
        crashes.begin = crashes.now()
        for version in versions:
            answer = client.patch("data/ietf-interfaces:interfaces/interface=eth0", {
                "ietf-interfaces:interface": [{"name": "eth0", "description": version}]})
            assert answer.status == 204
            until(lambda: nc.interface("eth0", "startup").findtext("description") == version,
                  "its being saved")
        end = crashes.now()
    configured.cut()

    def check(state, config):
        assert description(config) in ([None, *versions] if state.done < end else versions[-1:])

    for state in crashes.look("edit", check):
        assert crashes.start(make_machine, state, "ashlar: ready") in [None, *versions], state.name


def test_n05_first_start(make_machine, tmp_path):
    """From the disk as it was built to the first configuration: none or the whole of it, and in the end
    it is configured in any case."""
    machine = make_machine()
    machine.make_disk()
    machine.mount_option("cfg", "noauto_da_alloc")
    crashes = Crashes(machine, tmp_path)
    machine.start()
    machine.wait_console("ashlar: configured from vd")
    with machine.netconf() as nc:
        nc.describe("served", "eth0")
    machine.cut()

    def check(_, config):
        assert config is None or description(config) is None

    for state in crashes.look("first start", check):
        assert crashes.start(make_machine, state, "ashlar: (configured|ready)") is None, state.name
