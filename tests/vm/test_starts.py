"""N11: each start tells its reason; and what runs in the background does so because configuration says it."""

from ashlar import config
from ashlar.network import until

SYSTEM = config.namespaces()["ietf-system"]
SECONDS = 120  # emulated, on a loaded machine


def starts(machine):
    with machine.restconf() as client:
        answer = client.get("data/ietf-system:system-state/ashlar-starts:starts")
    assert answer.status == 200, answer.body
    return answer.json["ashlar-starts:starts"]["start"]


def last(machine):
    """What the newest start tells of itself, once it is ready."""
    machine.wait_console("ashlar: (ready|configured)")
    start = starts(machine)[-1]
    duration = start["duration"]
    assert 0 < duration["early"] <= duration["init"] <= duration["ready"]
    return {name: start.get(name) for name in ("number", "slot", "kind", "cause", "cause-detail")}


def status(machine, name):
    with machine.restconf() as client:
        found = client.get("data/ietf-system:system-state/infix-system:services").json
    return [(entry["status"], entry.get("pid")) for entry in found["infix-system:services"]["service"]
            if entry["name"] == name]


def test_n11_starts(make_machine):
    machine = make_machine().start()
    machine.wait_console("ashlar: configured from vd")
    assert last(machine) == {"number": 1, "slot": "a", "kind": "normal", "cause": "power-on",
                             "cause-detail": None}
    ((state, pid),) = status(machine, "ashlard")
    assert state == "running" and pid > 1
    with machine.netconf() as nc:
        nc.edit({"ietf-system:system": {
            "clock": {"timezone-name": "Europe/Stockholm"},
            "ntp": {"server": [{"name": "host", "udp": {"address": "10.0.2.2"}, "iburst": True}]}}})
        until(lambda: [state for state, _ in status(machine, "chronyd")] == ["running"], "chronyd",
              SECONDS, 1)
        assert not nc.get('<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>').findall(
            "status/not-applied")
        nc.edit({"ietf-system:system": {"ntp": {"enabled": False}}})
        until(lambda: not status(machine, "chronyd"), "its end", SECONDS, 1)
        nc.copy("running", "startup")
        at = len(machine.console)
        nc.ok(f'<system-restart xmlns="{SYSTEM}"/>')
    machine.wait_console("ashlar: ready", at)
    assert last(machine) == {"number": 2, "slot": "a", "kind": "normal", "cause": "restart",
                             "cause-detail": "asked for by admin"}
    machine.cut()
    machine.start()
    assert last(machine)["cause"] == "power-cut"
    with machine.netconf() as nc:
        nc.ok(f'<system-shutdown xmlns="{SYSTEM}"/>')
    machine.process.wait(SECONDS)
    machine.reader.join()
    machine.start()
    assert last(machine) == {"number": 4, "slot": "a", "kind": "normal", "cause": "power-on",
                             "cause-detail": "asked for by admin"}
