"""Files and services of the machine: what configuration makes of them, below a root of their own."""

import json
import os
import signal
import subprocess

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import until

pytestmark = pytest.mark.kernel

STATUS = '<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>'
STATE = '<system-state xmlns="urn:ietf:params:xml:ns:yang:ietf-system"/>'

# What the daemon sees of finit: a program that reads stanzas, and tells what it made of them.
INITCTL = """#!/usr/bin/python3
import json, pathlib, re, subprocess, sys
root = pathlib.Path({root!r})
state = root / "services.json"
known = json.loads(state.read_text()) if state.exists() else {{}}
with open(root / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
if "reload" in sys.argv:
    found = {{}}
    for path in sorted((root / "etc/finit.d").glob("*.conf")):
        text = path.read_text()
        name = re.search("name:([^ ]+)", text)[1]
        if known.get(name, {{}}).get("text") != text:
            if name in known:
                subprocess.run(["kill", str(known[name]["pid"])])
            pid = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True).pid
            known[name] = {{"text": text, "pid": pid}}
        found[name] = known[name]
    for name in set(known) - set(found):
        subprocess.run(["kill", str(known[name]["pid"])])
    state.write_text(json.dumps(found))
else:
    entries = [{{"identity": "ashlard", "status": "running", "description": "Ashlar", "pid": 1}}]
    for name, service in known.items():
        is_up = pathlib.Path("/proc", str(service["pid"])).exists()
        entries.append({{"identity": name, "description": service["text"].strip().rpartition("-- ")[2],
                        "status": "running" if is_up else "crashed", "pid": service["pid"] if is_up else 0,
                        "restarts": 3, "uptime": 7, "memory": 4096}})
    print(json.dumps(entries))
"""


def system(**members):
    return {"ietf-system:system": members}


def not_applied(session):
    return {entry.findtext("path"): entry.findtext("reason")
            for entry in session.get(STATUS).iter("not-applied")}


class Machine:
    """A root with the directories of the appliance's, and whatever is started there."""

    def __init__(self, root):
        self.root = root
        (root / "etc" / "finit.d").mkdir(parents=True)

    def file(self, path):
        path = self.root / path.lstrip("/")
        return path.read_text() if path.exists() else None

    @property
    def calls(self):
        return (self.file("calls") or "").splitlines()

    def pid(self, name):
        return json.loads(self.file("services.json"))[name]["pid"]

    def end(self):
        for service in json.loads(self.file("services.json") or "{}").values():
            subprocess.run(["kill", str(service["pid"])], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path / "root")
    yield machine
    machine.end()


@pytest.fixture
def finit(machine, tmp_path, monkeypatch):
    (machine.root / "run" / "finit").mkdir(parents=True)
    (machine.root / "run" / "finit" / "socket").touch()
    program = tmp_path / "programs" / "initctl"
    program.parent.mkdir()
    program.write_text(INITCTL.format(root=str(machine.root)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return machine


@pytest.fixture
def own(net, make_daemon, machine):
    return make_daemon(net, config.switch(net.ports), options=["--system", "--root", str(machine.root)])


def test_time_zone(own, machine):
    link = machine.root / "etc" / "localtime"
    with own.start().local() as session:
        session.edit(system(clock={"timezone-name": "Europe/Stockholm"}))
        assert os.readlink(link) == "/usr/share/zoneinfo/Europe/Stockholm"
        session.edit(system(clock={"timezone-utc-offset": 2}))
        assert os.readlink(link) == "/usr/share/zoneinfo/Etc/GMT-2"
        session.edit(system(clock={"timezone-utc-offset": 0}))
        assert os.readlink(link) == "/usr/share/zoneinfo/Etc/GMT"
        session.edit(system(clock={"timezone-utc-offset": 0, "@timezone-utc-offset": {
            "ietf-netconf:operation": "remove"}}))
        assert not link.is_symlink()
        with pytest.raises(RpcError):
            session.edit(system(clock={"timezone-name": "Europe/Atlantis"}))


def resolver(session):
    return session.get(STATE).find("system-state/dns-resolver")


def dns(*addresses, **members):
    return system(**{"dns-resolver": {"server": [
        {"name": f"s{number}", "udp-and-tcp": {"address": address}}
        for number, address in enumerate(addresses)], **members}})


def test_name_servers(own, machine):
    path = machine.root / "etc" / "resolv.conf"
    path.write_text("nameserver 203.0.113.1\n")
    with own.start().local() as session:
        assert [node.text for node in resolver(session).findall("server/address")] == ["203.0.113.1"]
        session.edit(dns("192.0.2.53", "2001:db8::53", search=["example.com", "example.net"],
                         options={"timeout": 2}))
        assert path.read_text().splitlines()[1:] == [
            "search example.com example.net", "nameserver 192.0.2.53", "nameserver 2001:db8::53",
            "options timeout:2 attempts:2"]
        shown = resolver(session)
        assert [node.text for node in shown.findall("server/address")] == ["192.0.2.53", "2001:db8::53"]
        assert [node.text for node in shown.findall("search")] == ["example.com", "example.net"]
        assert shown.findtext("options/timeout") == "2"
        with pytest.raises(RpcError, match="at most 3") as refused:
            session.edit(dns(*(f"192.0.2.{number}" for number in range(4))))
        assert refused.value.tag == "too-big"
    own.stop()
    before = path.stat().st_mtime_ns
    with own.start().local() as session:
        assert path.stat().st_mtime_ns == before  # nothing to do
        session.ok('<edit-config><target><running/></target><config>'
                   '<system xmlns="urn:ietf:params:xml:ns:yang:ietf-system">'
                   '<dns-resolver xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="remove"/>'
                   "</system></config></edit-config>")
        assert not path.exists()
        assert resolver(session) is None or not resolver(session).findall("server")


def ntp(*addresses, **members):
    return system(ntp={"server": [{"name": f"s{number}", "udp": {"address": address}, "iburst": True}
                                  for number, address in enumerate(addresses)], **members})


def services(session):
    return {entry.findtext("name"): entry for entry in
            session.get(STATE).findall("system-state/services/service")}


def status(session, name):
    entry = services(session).get(name)
    return None if entry is None else entry.findtext("status")


def test_without_finit(own, machine):
    """Nobody to run it: accepted, said, and nothing is written."""
    with own.start().local() as session:
        session.edit(ntp("192.0.2.123"))
        (reason,) = set(not_applied(session).values())
        assert "is not the init of this machine" in reason
        assert services(session) == {}
    assert not list((machine.root / "etc").rglob("*.conf"))


def test_the_machine_of_others(net, make_daemon, finit):
    daemon = make_daemon(net, config.switch(net.ports), options=["--root", str(finit.root)]).start()
    with daemon.local() as session:
        session.edit({**ntp("192.0.2.123")})
        session.edit(dns("192.0.2.53"))
        assert any("without --system" in reason for reason in not_applied(session).values())
    assert finit.calls == [] and not list((finit.root / "etc").rglob("*.conf"))


def test_time_servers(own, finit):
    """chronyd is run, told of changes by being started anew, watched, and ended."""
    with own.start().local() as session:
        session.edit(ntp("192.0.2.123", "time.example.com"))
        until(lambda: status(session, "chronyd") == "running", "chronyd")
        lines = finit.file("/etc/chrony.conf").splitlines()
        assert "server 192.0.2.123 port 123 iburst" in lines
        assert "server time.example.com port 123 iburst" in lines
        assert finit.calls.count("-b reload") == 1
        entry = services(session)["chronyd"]
        first = finit.pid("chronyd")
        assert int(entry.findtext("pid")) == first
        assert entry.findtext("description") == "Time by NTP"
        assert entry.findtext("statistics/restart-count") == "3"
        assert int(entry.findtext("statistics/uptime")) >= 7
        assert status(session, "ashlard") == "running"
        assert not_applied(session) == {}
        # another file: another process
        session.edit(system(ntp={"server": [{"name": "s0", "udp": {"address": "192.0.2.124"}}]}))
        until(lambda: (entry := services(session).get("chronyd")) is not None and
              entry.findtext("pid") == str(finit.pid("chronyd")) != str(first), "the new one")
        # what dies is seen without anybody asking
        os.kill(finit.pid("chronyd"), signal.SIGKILL)
        until(lambda: status(session, "chronyd") == "crashed", "its end")
        session.edit(system(ntp={"enabled": False}))
        until(lambda: status(session, "chronyd") is None, "its being gone")
        assert finit.file("/etc/chrony.conf") is None
        assert not list((finit.root / "etc" / "finit.d").iterdir())


def test_daemon_restarts(own, finit):
    """It goes on as it is, and what nobody wants any more is found and ended."""
    with own.start().local() as session:
        session.edit(ntp("192.0.2.123"))
        until(lambda: status(session, "chronyd") == "running", "chronyd")
    pid = finit.pid("chronyd")
    own.stop()
    reloads = finit.calls.count("-b reload")
    with own.start().local() as session:
        until(lambda: status(session, "chronyd") == "running", "chronyd")
        assert finit.pid("chronyd") == pid and finit.calls.count("-b reload") == reloads
    own.stop()
    stray = finit.root / "etc" / "finit.d" / "stray.conf"
    stray.write_text((stray.parent / "chronyd.conf").read_text().replace("name:chronyd", "name:stray"))
    foreign = stray.parent / "foreign.conf"
    foreign.write_text("service name:foreign [2] /bin/true -- Another's\n")
    with own.start().local() as session:
        until(lambda: not stray.exists() and finit.calls.count("-b reload") > reloads, "its end")
        assert foreign.exists()
        until(lambda: set(services(session)) == {"ashlard", "chronyd", "foreign"}, "the others")
