"""T8, N10: a reset of the whole device leaves nothing of before, wherever it is cut off."""

import hashlib
import os
import random
import subprocess

import pytest

from ashlar import config, slots
from ashlar.machine import copy_disk
from ashlar.powercut import Replay, mend, partitions, read_file

SEED = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))
FULL = bool(os.environ.get("TEST_FULL"))
SUBSETS = 20 if FULL else 2  # between two flushes
STARTED = 40 if FULL else 2
CANARY = b"canary-of-the-one-before"
PLACES = {"cfg": "/keys/canary", "var": "/canary"}
RESET = f'<factory-reset xmlns="{config.namespaces()["ietf-factory-default"]}"/>'
CONFIGURED = "ashlar: configured from vd"


def blocks(disk, name, size=1 << 20):
    start, left = partitions(disk)[name]
    with open(disk, "rb") as file:
        file.seek(start)
        while left:
            block = file.read(min(size, left))
            yield block
            left -= len(block)


def count_canaries(disk):
    """In what the partitions hold, be it in a file or not; none of them lies across two blocks."""
    return {name: sum(block.count(CANARY) for block in blocks(disk, name)) for name in PLACES}


def digest(disk, name):
    """Of a partition without what is known of a slot."""
    found = hashlib.sha256()
    last = None
    for block in blocks(disk, name):
        if last is not None:
            found.update(last)
        last = block
    found.update(last[:-8192])
    return found.hexdigest()


def put_canaries(disk, directory):
    """A file in each, as if the device had written it."""
    (directory / "canary").write_bytes(CANARY)
    for name, path in PLACES.items():
        start, size = partitions(disk)[name]
        image = directory / name
        with open(image, "wb") as file:
            for block in blocks(disk, name):
                file.write(block)
        assert mend(image)
        subprocess.run(["debugfs", "-w", "-R", f"write {directory}/canary {path}", image], check=True,
                       capture_output=True)
        assert read_file(image, path) == CANARY
        with open(disk, "r+b") as file, open(image, "rb") as source:
            file.seek(start)
            while block := source.read(1 << 20):
                file.write(block)
        image.unlink()


@pytest.fixture
def used(make_machine, tmp_path):
    """A machine that has been configured, and has something to lose."""
    machine = make_machine()
    machine.start()
    machine.wait_console(CONFIGURED)
    with machine.netconf() as nc:
        nc.copy("running", "startup")
    machine.cut()
    machine.mount_option("cfg", "noauto_da_alloc")
    put_canaries(machine.disk, tmp_path)
    return machine


def is_marked(disk):
    return slots.read(disk, *partitions(disk)["recovery"])["reset"] == 1


def judge(state, tmp_path):
    """What such a disk is: untouched, marked (it is wiped when it starts), or new; nothing else."""
    found = count_canaries(state.disk)
    if is_marked(state.disk):
        return "marked, wiped in part" if not all(found.values()) else "marked"
    if not any(found.values()):
        return "new"
    for name, path in PLACES.items():
        image = state.partition(name, tmp_path / "judged")
        assert mend(image) and read_file(image, path) == CANARY, (state.name, found)
    return "untouched"


def test_t08_n10_reset(used, make_machine, tmp_path):
    kept = {name: digest(used.disk, name) for name in ("a", "recovery", "aux")}
    base, log = copy_disk(used.disk, tmp_path / "base"), tmp_path / "log"
    used.options += ["--log", str(log)]
    used.start()
    used.wait_console("ashlar: ready")
    with used.netconf() as nc:
        begin = log.stat().st_size
        nc.copy("running", "startup")  # something before it
        nc.ok(RESET)
    at = used.wait_console("back to the factory: wiping").end()
    used.wait_console(CONFIGURED, at)
    with used.restconf() as client:
        starts = client.get("data/ietf-system:system-state/ashlar-starts:starts").json
        (start,) = starts["ashlar-starts:starts"]["start"]
        assert start["kind"] == "reset"
    end = log.stat().st_size
    used.cut()
    assert count_canaries(used.disk) == {"cfg": 0, "var": 0}
    assert {name: digest(used.disk, name) for name in kept} == kept

    counts, sample, chosen = {}, random.Random(SEED), []
    for state in Replay(base, log).states(start=begin, end=end, subsets=SUBSETS, seed=SEED):
        kind = judge(state, tmp_path)
        counts[kind] = counts.get(kind, 0) + 1
        if kind.startswith("marked"):
            place = sample.randrange(counts[kind])
            if len(chosen) < STARTED:
                chosen.append(copy_disk(state.disk, tmp_path / f"crash{len(chosen)}"))
            elif place < STARTED:
                copy_disk(state.disk, chosen[place])
    print(f"report: reset: {counts}, {len(chosen)} started, seed {SEED}")
    assert set(counts) == {"untouched", "marked", "marked, wiped in part", "new"}
    for disk in chosen:
        machine = make_machine(like=used, disk=disk)
        machine.start()
        machine.wait_console("back to the factory: wiping")
        machine.wait_console(CONFIGURED)
        machine.cut()
        assert count_canaries(machine.disk) == {"cfg": 0, "var": 0}
        assert not is_marked(machine.disk)
