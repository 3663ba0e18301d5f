"""The image starts, takes its first configuration from a volume, serves, and keeps what it was told."""

import pytest


@pytest.fixture(params=["uefi", "bios"])
def machine(request, make_machine):
    return make_machine(firmware=request.param).start()


def test_boot(machine):
    """From a disk as image/build made it to an edit that outlives a cut."""
    machine.wait_console("ashlar: configured from vd")
    with machine.netconf() as nc:
        assert any("candidate" in capability for capability in nc.capabilities)
        nc.describe("kept", "eth0")
        nc.ok("<copy-config><target><startup/></target><source><running/></source></copy-config>")
        nc.describe("lost", "eth0")
    machine.cut()
    machine.start()
    machine.wait_console("ashlar: ready")
    with machine.netconf() as nc:
        assert nc.interface("eth0", "running").findtext("description") == "kept"
