"""Upgrades of a machine: what is tried and confirmed stays, what does not work is given up for what was there."""

import pytest

from ashlar.machine import Refused


def save(machine, text):
    """An edit that is in startup."""
    with machine.netconf() as nc:
        nc.describe(text, "eth0")
        nc.copy("running", "startup")


def described(machine, source="running"):
    with machine.netconf() as nc:
        return nc.interface("eth0", source).findtext("description")


def restart(machine):
    """By a power cut; where the console goes on."""
    machine.cut()
    machine.start()


def settled(machine):
    """Up and healthy; what the software is then."""
    machine.wait_console("ashlar: ready")
    return machine.wait_healthy()


def test_t06_back_and_forth(machine, shelf):
    """N2, N4: confirmed, an upgrade stays, over a cut; going back stays as well, with the configuration of then,
    which nobody has touched; and going on again brings back what was saved since."""
    machine.wait_healthy()
    machine.install(shelf.bundle("good-2"), persist_id="x")
    restart(machine)
    machine.wait_console("generation 2 is on trial")
    software = machine.software()
    assert software["booted"] == "secondary" and software["trial"]["generation"] == 2
    assert software["generations"]["current"] == 1
    save(machine, "under 2.0")
    with pytest.raises(Refused) as error:
        machine.operation("ashlar-software:confirm", persist_id="y")
    assert error.value.path.endswith("persist-id")
    assert machine.operation("ashlar-software:confirm", persist_id="x")["generation"] == 2
    restart(machine)
    software = settled(machine)
    assert software["booted"] == "secondary" and "trial" not in software
    assert software["boot-order"] == ["secondary", "primary"]
    assert software["slot"]["b"]["condition"] == "good"
    assert software["slot"]["b"]["bundle"]["version"] == "2.0"
    assert described(machine) == "under 2.0"
    assert machine.operation("ashlar-software:rollback")["generation"] == 1
    for _ in range(2):
        restart(machine)
        software = settled(machine)
        assert software["booted"] == "primary"
        assert software["generations"]["current"] == software["generations"]["running"] == 1
        assert described(machine) == described(machine, "startup") == "before"
    assert machine.operation("ashlar-software:rollback")["generation"] == 2
    restart(machine)
    assert settled(machine)["booted"] == "secondary"
    assert described(machine) == described(machine, "startup") == "under 2.0"
    # an upgrade to what the other slot holds is an upgrade like any other
    assert machine.install(shelf.bundle("bad-panic"))["slot"] == "a"
