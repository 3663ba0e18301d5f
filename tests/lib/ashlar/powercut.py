"""Power cuts: every state in which one can have left a disk, out of the log of what was written to it.

The log is what qemu's blklogwrites makes (the kernel's dm-log-writes reads the same). What a flush was
answered for is on the disk; of what was written after the last flush, anything can be: each prefix is
tried, and random subsets, some with their last write torn between sectors.
"""

import contextlib
import dataclasses
import pathlib
import random
import re
import struct
import subprocess

SECTOR = 512
MAGIC = 0x6a736677736872
FLUSH, DISCARD, MARK = 1, 4, 8


@dataclasses.dataclass
class Write:
    offset: int
    data: bytes
    flags: int
    end: int  # where its record ends in the log


def read_log(path):
    """The writes in the order in which the disk was given them; the last may be a record that was cut."""
    writes = []
    with open(path, "rb") as log:
        magic, version, _, size = struct.unpack("<QQQI", log.read(28))
        assert (magic, version, size) == (MAGIC, 1, SECTOR), "no log of writes"
        log.seek(SECTOR)
        while len(head := log.read(SECTOR)) == SECTOR:
            sector, count, flags, _ = struct.unpack("<QQQQ", head[:32])
            if flags & MARK:
                break
            data = b"" if flags & DISCARD else log.read(count * SECTOR)
            if not flags & DISCARD and len(data) < count * SECTOR:
                break
            if flags & DISCARD:
                data = bytes(count * SECTOR)  # what it reads as afterwards, with these disks
            if data or flags & FLUSH:
                writes.append(Write(sector * SECTOR, data, flags, log.tell()))
    return writes


@dataclasses.dataclass
class State:
    """A disk as a cut left it; .disk is a file that holds for as long as the state is the current one."""
    name: str
    disk: pathlib.Path
    done: int  # where the log ended: what was acknowledged before that is to be there

    def partition(self, name, path):
        """Copies the partition ashlar-NAME to PATH."""
        start, size = partitions(self.disk)[name]
        copy_range(self.disk, start, path, size)
        return path


def copy_range(source, start, target, size):
    with open(source, "rb") as disk, open(target, "wb") as copy:
        disk.seek(start)
        copy.truncate(size)
        for at in range(0, size, 1 << 20):
            block = disk.read(min(1 << 20, size - at))
            if block.count(0) != len(block):
                copy.seek(at)
                copy.write(block)


def partitions(disk):
    """{name: (start, size)}, in bytes, of those called ashlar-NAME in a GPT."""
    found = {}
    with open(disk, "rb") as file:
        file.seek(SECTOR)
        header = file.read(92)
        assert header[:8] == b"EFI PART", "no GPT"
        table, count, size = struct.unpack_from("<QII", header, 72)
        file.seek(table * SECTOR)
        for entry in (file.read(size) for _ in range(count)):
            first, last = struct.unpack_from("<QQ", entry, 32)
            name = entry[56:128].decode("utf-16-le").rstrip("\0")
            if name.startswith("ashlar-"):
                found[name.removeprefix("ashlar-")] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


class Replay:
    """What can become of a disk: BASE is the disk before the first write of LOG; it is changed."""

    def __init__(self, base, log):
        self.disk = pathlib.Path(base)
        self.writes = read_log(log)

    def states(self, start=0, end=None, subsets=20, seed=0):
        """Each with the log between the positions START and END; SUBSETS random ones between two flushes."""
        rng = random.Random(seed)
        pending = []
        with open(self.disk, "r+b", buffering=0) as file:
            for number, write in enumerate(self.writes):
                if end is not None and write.end > end:
                    break
                if write.flags & FLUSH and pending:
                    if pending[-1].end > start:
                        yield from self._some(file, pending, subsets, rng, number)
                    self._apply(file, pending)
                    pending = []
                if write.data:
                    pending.append(write)
                if write.data and write.end > start:
                    with self._applied(file, pending):
                        yield State(f"write {number}", self.disk, write.end)
            if pending and pending[-1].end > start:
                yield from self._some(file, pending, subsets, rng, len(self.writes))

    def _some(self, file, pending, subsets, rng, number):
        """Random ones of what no flush was answered for, when the next flush is about to be asked for."""
        for index in range(min(subsets, 2 ** len(pending) - 1)):
            chosen = [write for write in pending if rng.random() < 0.5]
            if chosen and rng.random() < 0.3 and len(chosen[-1].data) > SECTOR:
                torn = chosen.pop()
                cut = rng.randrange(1, len(torn.data) // SECTOR) * SECTOR
                chosen.append(dataclasses.replace(torn, data=torn.data[:cut]))
            with self._applied(file, chosen):
                yield State(f"before flush {number}, subset {index}", self.disk,
                            pending[-1].end)

    @staticmethod
    def _apply(file, writes):
        for write in writes:
            file.seek(write.offset)
            file.write(write.data)

    @contextlib.contextmanager
    def _applied(self, file, writes):
        before = []
        for write in writes:
            file.seek(write.offset)
            before.append((write.offset, file.read(len(write.data))))
            self._apply(file, [write])
        try:
            yield
        finally:
            for offset, data in reversed(before):
                file.seek(offset)
                file.write(data)


def mend(image):
    """What a device does before it mounts; False: nothing helps."""
    return any(subprocess.run(["e2fsck", *how, str(image)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode in (0, 1)
               for how in (["-p"], ["-fy"]))


def read_file(image, path):
    """A file of an ext4 file system that nobody has mounted; None: it is not there."""
    told = subprocess.run(["debugfs", "-R", f"cat {path}", str(image)], capture_output=True, check=True)
    if b"File not found" in told.stderr:
        return None
    return told.stdout


def read_link(image, path):
    """Where a short link of it leads; None: it is not there."""
    told = subprocess.run(["debugfs", "-R", f"stat {path}", str(image)], capture_output=True, check=True)
    found = re.search(rb'^Fast link dest: "(.*)"$', told.stdout, re.M)
    return found[1].decode() if found else None


def read_saved(image):
    """The startup file of /cfg's current generation; None: there is none yet."""
    current = read_link(image, "/generations/current")
    return read_file(image, f"/generations/{current}/startup-config.cfg") if current else None
