"""Back to the factory: RFC 8808, and what Infix offers for a device that goes on running."""

import contextlib
import subprocess

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, Closed, RpcError
from ashlar.network import until
from ashlar.slots import Device

RESET = f'<factory-reset xmlns="{config.namespaces()["ietf-factory-default"]}"/>'
DEFAULT = f'<factory-default xmlns="{config.namespaces()["infix-factory-default"]}"/>'
NMDA = config.namespaces()["ietf-netconf-nmda"]


def factory(nc):
    reply = nc.rpc(f'<get-data xmlns="{NMDA}" xmlns:fd="'
                   f'{config.namespaces()["ietf-factory-default"]}">'
                   "<datastore>fd:factory-default</datastore></get-data>")
    return [etree.tostring(node, method="c14n") for node in reply.find(f"{{{NMDA}}}data")]


def content(nc, source):
    reply = nc.rpc(f"<get-config><source><{source}/></source></get-config>")
    return [etree.tostring(node, method="c14n") for node in reply[0]]


def test_factory_default(nc, daemon, net):
    """Running is the factory's; startup, the sessions and what the device has kept stay."""
    startup = content(nc, "startup")
    nc.ok(DEFAULT)
    assert sorted(content(nc, "running")) == sorted(factory(nc))
    assert content(nc, "startup") == startup != []
    assert "br0" not in [link["ifname"] for link in net.ip_json("link")]


def test_factory_reset(nc, daemon, net):
    """RFC 8808 section 2: every datastore, keys and whatever else was kept; then it starts anew."""
    keys = daemon.config_dir / "keys"
    host_key = (keys / "ssh_host_ed25519_key").read_bytes()
    hidden = keys / "hidden" / "key.pem"
    hidden.parent.mkdir()
    hidden.write_text("a secret")
    copy = open(hidden, "rb")
    kept = daemon.state_dir / "containers" / "volumes" / "left"
    kept.mkdir(parents=True)
    (kept / "file").write_text("x")
    with daemon.local() as other:
        other.edit(config.interfaces({"name": "p1", "description": "candidate"}), "candidate")
        other.lock("startup")
        wanted = factory(nc)
        begin = len(daemon.log)
        nc.ok(RESET)
        assert sorted(content(nc, "running")) == sorted(content(nc, "startup")) == sorted(wanted)
        assert sorted(content(nc, "candidate")) == sorted(wanted)
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            while True:
                other.rpc("<get-config><source><running/></source></get-config>")
    daemon.wait_log("event=factory-reset-done", begin)
    daemon.wait_log("^ashlard: ready$", begin)
    assert (keys / "ssh_host_ed25519_key").read_bytes() != host_key
    assert not kept.exists() and not hidden.exists()
    with copy:
        assert not copy.read().strip(b"\0")  # written over
    assert not daemon.startup_file.with_suffix(".cfg.1").exists()
    with daemon.local() as again:
        assert sorted(content(again, "running")) == sorted(wanted)
        assert again.session_id


def test_nothing_is_changed_after_a_reset(nc, daemon, net):
    """What is asked after its <ok/> is refused, and what was before it is not there after the restart."""
    secret = config.interfaces({"name": "p2", "description": "topsecret"})
    nc.edit(secret)
    wanted = factory(nc)
    copied = f"<config>{config.to_xml(secret)}</config>"
    refused = [f"<edit-config><target><{target}/></target>{copied}</edit-config>"
               for target in ("running", "candidate")]
    refused += [
        f"<copy-config><target><startup/></target><source>{copied}</source></copy-config>",
        "<copy-config><target><candidate/></target><source><running/></source></copy-config>",
        "<delete-config><target><startup/></target></delete-config>",
        "<commit/>", "<discard-changes/>", RESET, DEFAULT,
        '<rollback xmlns="urn:ashlar:params:xml:ns:yang:ashlar-history"><to>1</to></rollback>',
    ]
    begin = len(daemon.log)
    # in one go, so that all of it is there before the restart
    for body in (RESET, *refused):
        nc.request(body)
    assert nc.message().find(f"{{{BASE}}}ok") is not None
    answers = []
    with contextlib.suppress(Closed, ConnectionResetError):  # a slow machine may not get to all
        for body in refused:
            answers.append((body, nc.message().findtext(f".//{{{BASE}}}error-tag")))
    assert answers and all(tag == "in-use" for _, tag in answers), answers
    daemon.wait_log("event=factory-reset-done", begin)
    daemon.wait_log("event=config-loaded source=factory", begin)
    daemon.wait_log("^ashlard: ready$", begin)
    with daemon.local() as again:
        assert sorted(content(again, "running")) == sorted(wanted)
    for path in daemon.run_dir, daemon.config_dir, daemon.state_dir:
        assert subprocess.run(["grep", "-rqs", "topsecret", str(path)]).returncode == 1


@pytest.fixture
def device(net, make_daemon, tmp_path, monkeypatch):
    """An appliance, whose init only notes that it was asked to restart."""
    program = tmp_path / "reboot"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/restarted\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Device(make_daemon(net, config.switch(net.ports), options=["--system"]))


def test_n10_mark_first(device, tmp_path):
    """An appliance is marked before anything else becomes of it, and from then on nothing is changed."""
    daemon = device.daemon.start()
    saved = daemon.startup_file.read_bytes()
    keys = sorted(path.name for path in (daemon.config_dir / "keys").iterdir())
    with daemon.local() as session:
        running = content(session, "running")
        assert device.slot("recovery")["reset"] == 0
        session.ok(RESET)
        assert device.slot("recovery")["reset"] == 1
        assert device.slot("recovery")["state"] == "good"
        for change in (lambda: session.ok(RESET), lambda: session.ok(DEFAULT),
                       lambda: session.describe("late"),
                       lambda: session.copy("running", "startup")):
            with pytest.raises(RpcError) as refused:
                change()
            assert refused.value.tag == "in-use"
        until((tmp_path / "restarted").exists, "init's being asked")
        assert content(session, "running") == running
    daemon.stop()
    assert daemon.startup_file.read_bytes() == saved
    assert sorted(path.name for path in (daemon.config_dir / "keys").iterdir()) == keys


def test_n10_no_mark_no_reset(device, tmp_path):
    """What cannot be marked stays as it is, and goes on."""
    daemon = device.daemon.start()
    (device.disk / "recovery").unlink()
    with daemon.local() as session:
        with pytest.raises(RpcError) as refused:
            session.ok(RESET)
        assert refused.value.tag == "operation-failed"
        session.edit(config.interfaces({"name": "p1", "description": "goes on"}))
    assert not (tmp_path / "restarted").exists()


def test_not_for_everybody(make_daemon, net):
    """RFC 8808 section 6: default-deny-all."""
    permissive = {"name": "r", "group": ["some"], "rule": [
        {"name": "all", "module-name": "ietf-interfaces", "access-operations": "*",
         "action": "permit"}]}
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, [permissive])}
    startup["ietf-netconf-acm:nacm"]["exec-default"] = "permit"
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup).start()
    with daemon.ssh("some") as session:
        before = content(session, "running")
        for operation in RESET, DEFAULT:
            with pytest.raises(RpcError) as refused:
                session.ok(operation)
            assert refused.value.tag == "access-denied"
        assert content(session, "running") == before
