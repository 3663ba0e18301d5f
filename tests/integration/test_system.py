"""The machine itself: what is the daemon's to change there, and what it says of the rest."""

import datetime
import pathlib
import subprocess
import time

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until

pytestmark = pytest.mark.kernel

STATUS = '<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>'


def named(name):
    return {"ietf-system:system": {"hostname": name}}


def removed(name):
    return {"ietf-system:system": {"hostname": name,
                                   "@hostname": {"ietf-netconf:operation": "remove"}}}


def machine_name(daemon):
    """In the daemon's UTS namespace, which tests give it."""
    return subprocess.run(["nsenter", f"--uts=/proc/{daemon.pid}/ns/uts", "hostname"],
                          capture_output=True, text=True, check=True).stdout.strip()


def shown(session):
    return session.get().findtext("system/hostname")


def not_applied(session):
    return {entry.findtext("path"): entry.findtext("reason")
            for entry in session.get(STATUS).iter("not-applied")}


@pytest.mark.parametrize("from_file", [True, False], ids=["startup", "edit"])
def test_the_machine_of_others_keeps_its_name(net, make_daemon, from_file):
    """Without --system a name is accepted, and everything says that the machine has another."""
    startup = config.switch(net.ports)
    if from_file:
        startup["ietf-system:system"]["hostname"] = "switch1"
    daemon = make_daemon(net, startup).start()
    name = machine_name(daemon)
    with daemon.local() as session:
        if not from_file:
            assert not_applied(session) == {}
            session.edit(named("switch1"))
        assert machine_name(daemon) == name != "switch1"
        assert session.get_config().findtext("system/hostname") == "switch1"
        assert shown(session) == name
        ((path, reason),) = not_applied(session).items()
        assert path == "/ietf-system:system/hostname"
        assert "without --system" in reason
        # taken back, with nothing left to complain about
        session.edit(removed("switch1"))
        assert not_applied(session) == {}
        # the name that it has anyway is in effect
        session.edit(named(name))
        assert not_applied(session) == {}
    assert machine_name(daemon) == name


def test_own_machine_is_named(net, make_daemon):
    daemon = make_daemon(net, config.switch(net.ports), options=["--system"]).start()
    name = machine_name(daemon)
    with daemon.local() as session:
        assert shown(session) == name
        session.edit(named("switch1"))
        assert machine_name(daemon) == shown(session) == "switch1"
        assert not_applied(session) == {}
        # somebody else's doing is seen, and put right
        subprocess.run(["nsenter", f"--uts=/proc/{daemon.pid}/ns/uts", "hostname", "other"],
                       check=True)
        until(lambda: shown(session) == "switch1", "its own name again")
        assert machine_name(daemon) == "switch1"
        session.edit(removed("switch1"))
        assert machine_name(daemon) == shown(session) == name


def test_users_need_no_accounts(net, make_daemon):
    """Configured users log in without being known to the machine."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    accounts = pathlib.Path("/etc/passwd").read_text()
    assert f"\n{config.USER}:" not in accounts
    with daemon.ssh() as session:
        assert session.get_config().findtext("system/authentication/user/name") == config.USER
        assert not_applied(session) == {}
    assert pathlib.Path("/etc/passwd").read_text() == accounts


# --- operations -----------------------------------------------------------------------------------

SYSTEM = config.namespaces()["ietf-system"]
SET_CLOCK = f'<set-current-datetime xmlns="{SYSTEM}"><current-datetime>%s</current-datetime>' \
            "</set-current-datetime>"


def test_the_clock_of_others(nc):
    with pytest.raises(RpcError, match="without --system") as refused:
        nc.ok(SET_CLOCK % "2001-02-03T04:05:06Z")
    assert refused.value.tag == "operation-not-supported"
    assert time.localtime().tm_year > 2001


@pytest.mark.guest
def test_own_clock(net, make_daemon):
    """In a guest, whose clock is its own."""
    daemon = make_daemon(net, config.switch(net.ports), options=["--system"]).start()
    offset = time.time() - time.monotonic()
    with daemon.local() as session:
        try:
            session.ok(SET_CLOCK % "2031-02-03T06:05:06.75+02:00")
            wanted = datetime.datetime(2031, 2, 3, 4, 5, 6, 750000, datetime.timezone.utc)
            assert 0 <= time.time() - wanted.timestamp() < 10
            shown_now = session.get().findtext("system-state/clock/current-datetime")
            assert shown_now.startswith("2031-02-03T04:05:")
            # what runs goes on
            session.edit(named("later"))
            assert shown(session) == "later"
        finally:
            time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + offset)


@pytest.mark.parametrize("name", ["system-restart", "system-shutdown"])
def test_the_power_of_others(daemon, nc, name):
    """Not this daemon's machine: refused in plain words."""
    with pytest.raises(RpcError, match="without --system") as refused:
        nc.ok(f'<{name} xmlns="{SYSTEM}"/>')
    assert refused.value.tag == "operation-not-supported"
    with daemon.restconf() as client:
        assert f"ietf-system:{name}" in client.get("operations").json["ietf-restconf:operations"]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Instead of those that would end this machine: each writes that it was called into the file CALLED."""
    directory = tmp_path / "programs"
    directory.mkdir()
    called = tmp_path / "called"
    for name in "reboot", "poweroff":
        path = directory / name
        path.write_text(f"#!/bin/sh\necho {name} $# >>{called}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return directory


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("name, program", [("system-restart", "reboot"),
                                           ("system-shutdown", "poweroff")])
def test_own_power(net, make_daemon, programs, tmp_path, name, program):
    """Answered, then init is asked, once; what was edited by RESTCONF is saved by then or with our end."""
    daemon = make_daemon(net, config.switch(net.ports), options=["--system"]).start()
    other = {"system-restart": "system-shutdown", "system-shutdown": "system-restart"}[name]
    with daemon.local() as session:
        session.request(f'<{name} xmlns="{SYSTEM}"/>')
        session.request(f'<{name} xmlns="{SYSTEM}"/>')
        session.request(f'<{other} xmlns="{SYSTEM}"/>')
        replies = [session.message() for _ in range(3)]
        assert [reply.findtext(".//{*}error-tag") for reply in replies] == [None, None, "in-use"]
    daemon.wait_log(f"event={name.removeprefix('system-')} reason=\"asked for by ")
    until(lambda: lines_of(tmp_path / "called") == [f"{program} 0"], "init's being asked")


def test_init_refuses(net, make_daemon, programs, tmp_path):
    """That is said, and it can be asked for again."""
    daemon = make_daemon(net, config.switch(net.ports), options=["--system"]).start()
    (programs / "reboot").write_text("#!/bin/sh\necho not now\nexit 3\n")
    with daemon.local() as session:
        session.ok(f'<system-restart xmlns="{SYSTEM}"/>')
        daemon.wait_log("reboot: not now")
        session.ok(f'<system-shutdown xmlns="{SYSTEM}"/>')
    until(lambda: lines_of(tmp_path / "called") == ["poweroff 0"], "init's being asked")


@pytest.mark.parametrize("name", ["system-restart", "system-shutdown"])
def test_power_is_not_for_everybody(make_daemon, net, programs, name):
    """RFC 7317: default-deny-all."""
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, [])}
    startup["ietf-netconf-acm:nacm"]["exec-default"] = "permit"
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup, options=["--system"]).start()
    with daemon.ssh("some") as session:
        with pytest.raises(RpcError) as refused:
            session.ok(f'<{name} xmlns="{SYSTEM}"/>')
        assert refused.value.tag == "access-denied"
