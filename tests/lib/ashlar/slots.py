"""What is known of slots (image/slot), and the generations beside a configuration."""

import importlib.machinery
import importlib.util
import json

from . import TOP

_loader = importlib.machinery.SourceFileLoader("ashlar_slot", str(TOP / "image" / "slot"))
_module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ashlar_slot", _loader))
_loader.exec_module(_module)

read = _module.read
write = _module.write

SLOT_BYTES = 1 << 20


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
