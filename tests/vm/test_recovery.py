"""Disks that keep something else than what was written."""

import os
import random

from ashlar.powercut import partitions

SEED = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))


def change(machine, name, at, data):
    """What the disk has at AT of the partition NAME, behind the machine's back."""
    with open(machine.disk, "r+b") as disk:
        disk.seek(partitions(machine.disk)[name][0] + at)
        disk.write(data)


def test_t11_changed_block(upgraded, make_machine):
    """One byte of the slot that runs: it is found, the slot is given up, and the other one is there with the
    configuration that was saved with it."""
    machine = make_machine(like=upgraded)
    size = machine.slot_header("b")["size"]
    at = random.Random(SEED).randrange(size * 9 // 10)
    with open(machine.disk, "rb") as disk:
        disk.seek(partitions(machine.disk)["b"][0] + at)
        byte = disk.read(1)[0]
    change(machine, "b", at, bytes([byte ^ 1]))
    good = machine.slot_digest("a")
    machine.start()
    machine.wait_console("data block [0-9]+ is corrupted")
    mark = len(machine.console)
    machine.wait_console("ashlar: ready", mark)
    software = machine.wait_healthy()
    assert software["booted"] == "primary", f"seed {SEED}"
    slot = software["slot"]["b"]
    assert slot["condition"] == "failed" and slot["reason"].startswith("it cannot be read"), slot
    assert software["generations"]["running"] == software["generations"]["current"] == 1
    with machine.netconf() as nc:
        assert nc.interface("eth0", "running").findtext("description") == "before"
    assert machine.slot_digest("a") == good
