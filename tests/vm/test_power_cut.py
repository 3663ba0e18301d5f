"""N5: power cuts at every write, and with random ones of those that no flush had been answered for.

A disk is what its log of writes says it can be (lib/ashlar/powercut.py); what has to hold is looked at
there, and a sample of such disks is started.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from ashlar import TOP
from ashlar.machine import copy_disk
from ashlar.powercut import Replay, mend, read_file

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


def startup(image):
    """What is saved; None: nothing."""
    text = read_file(image, "/startup-config.cfg")
    return json.loads(text) if text else None


def description(config):
    """That of eth0, by which the versions are told apart."""
    interfaces = {interface["name"]: interface
                  for interface in config["ietf-interfaces:interfaces"]["interface"]}
    return interfaces["eth0"].get("description")


@pytest.fixture
def logged(make_machine, tmp_path):
    """A configured machine whose disk hides nothing (ext4 makes up for a missing flush by default)."""
    machine = make_machine()
    machine.start()
    machine.wait_console("ashlar: configured from vd")
    with machine.netconf() as nc:
        nc.copy("running", "startup")
    machine.cut()
    machine.mount_option("cfg", "noauto_da_alloc")
    copy_disk(machine.disk, tmp_path / "base")
    return machine


def serves(make_machine, like, state, known):
    """Such a disk, of a machine LIKE that, starts, and has one of the versions that are KNOWN."""
    machine = make_machine(like=like, disk=state.disk)
    machine.start()
    machine.wait_console("ashlar: ready")
    with machine.netconf() as nc:
        assert nc.interface("eth0", "running").findtext("description") in known, state.name
        nc.describe("afterwards", "eth0")
        nc.copy("running", "startup")
    machine.cut()


def test_n05_copy_to_startup(logged, make_machine, tmp_path):
    """copy-config to startup, eight times, each by one more edit: the one before or the new one, whole;
    and never less than what was acknowledged."""
    log = tmp_path / "log"
    told = []  # (position in the log, version)
    logged.options += ["--log", str(log)]
    logged.start()
    logged.wait_console("ashlar: ready")
    with logged.netconf() as nc:
        begin = log.stat().st_size
        for version in range(8):
            nc.describe(f"version {version}", "eth0")
            nc.copy("running", "startup")
            told.append((log.stat().st_size, f"version {version}"))
    logged.cut()
    sample = random.Random(SEED)
    chosen = []
    count = 0
    for state in Replay(tmp_path / "base", log).states(start=begin, subsets=SUBSETS, seed=SEED):
        image = state.partition("cfg", tmp_path / "cfg")
        assert mend(image), state.name
        found = description(startup(image))
        safe = [version for position, version in told if position <= state.done]
        versions = [version for _, version in told]
        allowed = versions[max(0, len(safe) - 1):] + ([] if safe else [None])
        assert found in allowed, f"{state.name}: {found} of {allowed} (seed {SEED})"
        count += 1
        if len(chosen) < STARTED:
            chosen.append((state, copy_disk(state.disk, tmp_path / f"crash{len(chosen)}")))
        elif (place := sample.randrange(count)) < STARTED:
            chosen[place] = state, copy_disk(state.disk, tmp_path / f"crash{place}")
    print(f"report: copy to startup: {count} crash images, {len(chosen)} started, seed {SEED}")
    assert count > 8 * 4
    for number, (state, disk) in enumerate(chosen):
        state.disk = disk
        serves(make_machine, logged, state, {None, *(version for _, version in told)})
