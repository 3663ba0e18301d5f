"""Fixtures: machines with a disk of their own."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from ashlar.images import Shelf  # noqa: E402
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


@pytest.fixture(scope="session")
def make_configured(tmp_path_factory):
    """make_configured(firmware): a machine that was configured once, and is off; others are made like it."""
    kept = {}

    def make(firmware):
        if firmware not in kept:
            machine = Machine(tmp_path_factory.mktemp(firmware), firmware=firmware).start()
            machine.wait_console("ashlar: configured from vd")
            with machine.netconf() as nc:
                nc.edit({"ietf-system:system": {"contact": "somebody"}})
                nc.describe("before", "eth0")
                nc.copy("running", "startup")
            machine.wait_healthy()
            machine.cut()
            kept[firmware] = machine
        return kept[firmware]

    return make


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory, make_configured):
    """Off, with two good slots: what it had in the beginning in a, and 2.0, which it runs, in b."""
    machine = Machine(tmp_path_factory.mktemp("upgraded"), like=make_configured("uefi")).start()
    try:
        machine.wait_console("ashlar: ready")
        with Shelf() as shelf:
            machine.install(shelf.bundle("good-2"))
        machine.cut()
        machine.start()
        machine.wait_console("is on trial")
        machine.operation("ashlar-software:confirm")
        with machine.netconf() as nc:
            nc.describe("under 2.0", "eth0")
            nc.copy("running", "startup")
        machine.wait_healthy()
    finally:
        machine.cut()
    return machine


@pytest.fixture(params=["uefi"])
def machine(request, make_machine, make_configured):
    """One that serves, and was configured before. With another firmware: by indirect parametrization."""
    firmware = request.param
    made = make_machine(firmware=firmware, like=make_configured(firmware)).start()
    made.wait_console("ashlar: ready")
    return made


@pytest.fixture
def shelf():
    with Shelf() as shelf:
        yield shelf
