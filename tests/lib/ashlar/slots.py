"""What is known of slots (image/slot), and the generations beside a configuration."""

import importlib.machinery
import importlib.util
import json
import os
import shutil

from . import TOP

_loader = importlib.machinery.SourceFileLoader("ashlar_slot", str(TOP / "image" / "slot"))
_module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ashlar_slot", _loader))
_loader.exec_module(_module)

read = _module.read
write = _module.write

SLOT_BYTES = 1 << 20
IMAGES = {"a": "a1" * 32, "b": "b2" * 32}


def make_file(path, **fields):
    """A slot that is a file of its own."""
    path.write_bytes(bytes(SLOT_BYTES))
    write(path, 0, SLOT_BYTES, **fields)


def read_file(path):
    return read(path, 0, SLOT_BYTES)


def make_generation(directory, number, image, is_trial=False, terms=None, **record):
    """DIRECTORY/NUMBER, as ashlar-early makes it."""
    path = directory / str(number)
    path.mkdir(parents=True)
    (path / "record.json").write_text(json.dumps(
        {"number": number, "image": image, "version": "1.0", "time": "2026-01-02T03:04:05Z",
         "reason": "upgrade", "who": "", "containers": []} | record))
    if is_trial:
        (path / "trial").write_text(json.dumps(terms) if terms else "")


def make_current(directory, number):
    link = directory / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(str(number))


class Device:
    """What ashlar-early leaves for the daemon, of a system that runs from slot a."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.disk = daemon.run_dir / "disk"
        self.generations = daemon.config_dir / "generations"
        (self.disk / "boot" / "grub").mkdir(parents=True)
        for name, image in IMAGES.items():
            make_file(self.disk / name, state="good", sha256=image, version=f"1.0-{name}",
                            compatible="ashlar-x86_64", size=4096)
        make_file(self.disk / "recovery", state="good")
        make_generation(self.generations, 1, IMAGES["b"])
        make_generation(self.generations, 2, IMAGES["a"])
        make_current(self.generations, 2)
        self.run(2)

    def run(self, generation, is_trial=False):
        (self.daemon.run_dir / "boot").write_text(
            f"slot=a\nattempts=1\nfirmware=grub\ngeneration={generation}\n"
            f"trial={'yes' if is_trial else 'no'}\n")
        link = self.daemon.run_dir / "generation"
        link.unlink(missing_ok=True)
        link.symlink_to(self.generations / str(generation))

    def copy(self, source, target):
        """What is saved in generation SOURCE, and what its containers are, in TARGET, too."""
        for path in (self.generations / str(source)).iterdir():
            if path.is_dir():
                shutil.copytree(path, self.generations / str(target) / path.name)
            elif path.name not in ("record.json", "trial"):
                shutil.copy(path, self.generations / str(target))

    def put_on_trial(self, **terms):
        make_generation(self.generations, 3, IMAGES["a"], is_trial=True, terms=terms)
        make_current(self.generations, 1)
        write(self.disk / "a", 0, SLOT_BYTES, state="trial", attempts=1)
        self.run(3, is_trial=True)

    @property
    def current(self):
        return int(os.readlink(self.generations / "current"))

    def slot(self, name):
        return read_file(self.disk / name)

    @property
    def boot_order(self):
        """GRUB's; this machine has no UEFI firmware, as long as it is no appliance itself."""
        lines = (self.disk / "boot" / "grub" / "grubenv").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)
