"""Upgrades of a machine: what is tried and confirmed stays, what does not work is given up for what was there."""

import pytest

from ashlar.images import release
from ashlar.machine import Machine, Refused


def save(machine, text):
    """An edit that is in startup."""
    with machine.netconf() as nc:
        nc.describe(text, "eth0")
        nc.copy("running", "startup")


def described(machine, source="running"):
    with machine.netconf() as nc:
        return nc.interface("eth0", source).findtext("description")


def restart(machine):
    """By a power cut."""
    machine.cut()
    machine.start()


def settled(machine):
    """Up and healthy; what the software is then."""
    machine.wait_console("ashlar: ready")
    return machine.wait_healthy()


# --- what does not come up ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def used(tmp_path_factory, make_configured):
    """used(): a machine that runs what it had in the beginning, from slot a, whatever it has gone through."""
    machines = []

    def well():
        if not machines or machines[-1].process.poll() is not None:
            return False
        try:
            software = machines[-1].software()
        except (OSError, AssertionError):  # it does not answer
            return False
        return software["booted"] == "primary" and "trial" not in software

    def get():
        if not well():
            for machine in machines:
                machine.cut()
            machines.append(Machine(tmp_path_factory.mktemp("used"), like=make_configured("uefi")))
            settled(machines[-1].start())
        return machines[-1]

    yield get
    for machine in machines:
        machine.cut()


# {image: (what is asked of the installation, what is told in the end)}
BAD = {
    "bad-panic": ({}, "it was not confirmed"),
    "bad-hang": ({}, "it was not confirmed"),
    "bad-noapi": ({}, "it was not confirmed"),
    "bad-nonet": ({"confirm_timeout": 30}, "it was not confirmed within 30 seconds"),
    "bad-config": ({"force": True}, "the configuration is refused: /ietf-system:system/contact"),
}


@pytest.mark.parametrize("image", BAD)
def test_t04_fallback(used, shelf, image):
    """Whatever an image does wrong: it was started once, the one before is there again by itself, as it was, with
    its configuration, and the reason is told. T5: the next upgrade goes to the slot that has failed."""
    machine = used()
    options, reason = BAD[image]
    good = machine.slot_digest("a")
    assert good == machine.software()["slot"]["a"]["sha256"]
    answer = machine.install(shelf.bundle(image), **options)
    assert (answer["slot"], answer["version"]) == ("b", release(image)["version"])
    restart(machine)
    if image in ("bad-nonet", "bad-config"):
        machine.wait_console("ashlar: the trial is given up: " + reason)
        mark = len(machine.console)
    else:
        mark = 0
    machine.wait_console("ashlar: ready", mark)
    software = machine.wait_healthy()
    assert software["booted"] == "primary" and software["boot-order"] == ["primary"]
    slot = software["slot"]["b"]
    assert slot["condition"] == "failed" and slot["reason"].startswith(reason), slot
    assert slot["bundle"]["version"] == release(image)["version"]
    assert software["slot"]["a"]["condition"] == "good"
    assert software["generations"]["running"] == software["generations"]["current"] == 1
    assert [entry["number"] for entry in software["generations"]["generation"]] == [1]
    assert described(machine) == "before" and described(machine, "startup") == "before"
    assert machine.slot_digest("a") == good


def test_t05_last_good(used, shelf):
    """The slot that has failed is the one that is written again, as often as one likes, and then the device starts
    from the good one still."""
    machine = used()
    good = machine.slot_digest("a")
    for image in "good-2", "bad-panic":
        assert machine.install(shelf.bundle(image))["slot"] == "b"
    assert machine.slot_digest("a") == good
    restart(machine)  # into the panic
    software = settled(machine)
    assert software["booted"] == "primary"
    assert software["slot"]["b"]["reason"].startswith("it was not confirmed")
    # what is tried after that is not held to be what has failed before
    machine.install(shelf.bundle("good-2"))
    restart(machine)
    machine.wait_console("is on trial")
    with pytest.raises(Refused) as error:
        machine.install(shelf.bundle("bad-panic"))
    assert error.value.tag == "resource-denied" and "on trial" in error.value.message
    assert machine.slot_digest("a") == good


# --- what does ----------------------------------------------------------------------------------

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


def test_n03_check(used, shelf):
    """The new image is asked before anything is restarted: what it refuses is told with its path, and not tried."""
    machine = used()
    with pytest.raises(Refused) as error:
        machine.install(shelf.bundle("bad-config"))
    assert error.value.tag == "invalid-value", error.value
    assert error.value.path == "/ietf-system:system/contact"
    assert "somebody" in error.value.message
    slot = machine.software()["slot"]["b"]
    assert slot["condition"] == "failed" and "contact" in slot["reason"]
    restart(machine)
    assert settled(machine)["booted"] == "primary"
