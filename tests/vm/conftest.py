"""Fixtures: machines with a disk of their own."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from ashlar.machine import Machine  # noqa: E402


@pytest.fixture
def make_machine(tmp_path):
    """make_machine(firmware="uefi"): not yet started."""
    machines = []

    def make(**options):
        machines.append(Machine(tmp_path / f"m{len(machines)}", **options))
        return machines[-1]

    yield make
    for machine in machines:
        machine.cut()
