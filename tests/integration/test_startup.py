"""The startup datastore: what a boot begins with, how it is written, what it keeps for others."""

import copy
import json
import re
import stat
import subprocess

import pytest

from ashlar import TOP, config
from ashlar.netconf import RpcError
from ashlar.network import until

pytestmark = pytest.mark.kernel

STATUS = '<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>'

# as Infix writes them: one module that we do not have, and nodes of ours that nobody applies yet
FOREIGN = {
    "example-vendor:mdns": {"enabled": True, "reflector": {"enabled": False}, "interfaces": {},
                            "text": "", "list": [{}, {"inner": {}, "none": [None]}]},
    "ieee802-dot1ab-lldp:lldp": {"infix-lldp:enabled": True},
    "example-vendor:box": {},
    "example-vendor:none": [],
    "example-vendor:arrays": {"none": [], "text": "a [] b", "list": [{"name": "x", "none": [ ]}],
                              "infix-lldp:none": []},
    "ieee802-dot1q-tsn:empty": {"list": []},
}
UNOWNED = {"ietf-key-chain:key-chains": {"key-chain": [{"name": "ospf", "description": "keys"}]}}


def description(port, text="changed"):
    return config.interfaces({"name": port, "description": text})


def written(daemon):
    return json.loads(daemon.startup_file.read_text())


def described(data, port):
    (entry,) = [entry for entry in data["ietf-interfaces:interfaces"]["interface"]
                if entry["name"] == port]
    return entry.get("description")


def test_boot_and_save(net, make_daemon):
    """What comes from a startup file goes back into it as it was."""
    startup = config.switch(net.ports)
    daemon = make_daemon(net, startup).start()
    with daemon.local() as session:
        session.copy("running", "startup")
        assert session.get_config("startup").find("interfaces") is not None
    assert by_name(written(daemon)) == by_name(startup)
    assert stat.S_IMODE(daemon.startup_file.stat().st_mode) == 0o600


def by_name(value):
    """The data without the order of its lists, which is the system's, and without the module that an
    identity of the leaf's own need not name (RFC 7951 section 6.8)."""
    if isinstance(value, dict):
        return {key: by_name(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted(map(by_name, value), key=json.dumps)
    return value.removeprefix("infix-interfaces:") if isinstance(value, str) else value


def test_unknown_parts_are_kept_and_listed(net, make_daemon):
    startup = {**config.switch(net.ports), **FOREIGN, **UNOWNED}
    startup["ietf-system:system"]["radius"] = {"server": []}
    startup["ietf-system:system"]["example-vendor:none"] = []
    startup["ietf-interfaces:interfaces"]["interface"][1]["infix-interfaces:bridge"] = {
        "stp": {"force-protocol": "stp", "max-hops": 9}}
    daemon = make_daemon(net, startup).start()
    assert net.addresses("br0") == ["192.0.2.1/24"]
    with daemon.local() as session:
        listed = {entry.findtext("path"): entry.findtext("reason")
                  for entry in session.get(STATUS).iter("not-applied")}
        for part in ("/example-vendor:mdns", "/example-vendor:box", "/ieee802-dot1ab-lldp:lldp",
                     "/ietf-key-chain:key-chains", "/stp/max-hops"):
            assert any(part in path for path in listed), (part, listed)
        assert all(listed.values())
        session.edit(description("p1"))
        session.copy("running", "startup")
    saved = written(daemon)
    for name, value in {**FOREIGN, **UNOWNED}.items():
        assert saved[name] == value
    (bridge,) = [entry for entry in saved["ietf-interfaces:interfaces"]["interface"]
                 if entry["name"] == "br0"]
    assert bridge["infix-interfaces:bridge"]["stp"]["max-hops"] == 9
    assert described(saved, "p1") == "changed"
    # and the same once more, from the file that we wrote and through a restart
    daemon.reboot()
    daemon.restart()
    with daemon.local() as session:
        session.copy("running", "startup")
    assert by_name(written(daemon)) == by_name(saved)


def test_what_a_feature_refuses_does_not_stop_a_boot(net, make_daemon):
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("wifi0", "other", description="nobody makes these"))
    daemon = make_daemon(net, startup).start()
    assert net.addresses("br0") == ["192.0.2.1/24"]
    with daemon.local() as session:
        ((path, reason),) = [(entry.findtext("path"), entry.findtext("reason"))
                             for entry in session.get(STATUS).iter("not-applied")]
        assert "wifi0" in path and "not supported" in reason
        # which is no reason to refuse what has nothing to do with it
        session.edit(description("p1"))


# What features refuse, each beside what they do not.
REFUSED = {
    "br0": {"infix-interfaces:container-network": {"type": "infix-interfaces:bridge"},
            **config.ipv4("192.0.2.1/24", neighbor=[
                {"ip": "127.0.0.2", "link-layer-address": "02:00:00:00:00:07"},
                {"ip": "192.0.2.7", "link-layer-address": "02:00:00:00:00:07"}])},
    "p1": {"ieee802-ethernet-interface:ethernet": {"auto-negotiation": {"enable": False}}},
}
LEFT_OUT = {
    "/ietf-interfaces:interfaces/interface[name='br0']/infix-interfaces:container-network",
    "/ietf-interfaces:interfaces/interface[name='p1']/ieee802-ethernet-interface:ethernet/speed",
    "/ietf-interfaces:interfaces/interface[name='br0']/ietf-ip:ipv4/neighbor[ip='127.0.0.2']",
}


def left_out(session):
    return {entry.findtext("path") for entry in session.get(STATUS).iter("not-applied")}


def test_one_refused_leaf_does_not_take_its_interface_away(net, make_daemon):
    """Not its address, not its ports; and what was left out at boot is no reason to refuse an edit of the rest."""
    startup = config.switch(net.ports)
    for entry in startup["ietf-interfaces:interfaces"]["interface"]:
        entry.update(REFUSED.get(entry["name"], {}))
    daemon = make_daemon(net, startup).start()
    for _ in range(2):
        assert net.addresses("br0") == ["192.0.2.1/24"]
        assert [net.link(port)["master"] for port in net.ports] == ["br0"] * len(net.ports)
        neighbours = net.ip_json("neigh show dev br0 nud permanent")
        assert [entry["dst"] for entry in neighbours] == ["192.0.2.7"]
        with daemon.local() as session:
            assert left_out(session) == LEFT_OUT
            for name in ("br0", "p1"):
                session.edit(description(name))
                assert net.link(name)["ifalias"] == "changed"
            assert left_out(session) == LEFT_OUT
            session.copy("running", "startup")
        daemon.restart()
    saved = {entry["name"]: entry
             for entry in written(daemon)["ietf-interfaces:interfaces"]["interface"]}
    for name, data in REFUSED.items():
        assert by_name({key: saved[name][key] for key in data}) == by_name(data)
    with daemon.local() as session:
        with pytest.raises(RpcError) as caught:  # what an edit has to do with is another matter
            session.edit(config.interfaces({"name": "p1", "ieee802-ethernet-interface:ethernet": {
                "auto-negotiation": {"enable": False}, "duplex": "full"}}))
        assert caught.value.path.endswith(":speed")
        session.edit(config.interfaces({
            "name": "p1", "ieee802-ethernet-interface:ethernet": {"@operation": "delete"}}))
        assert left_out(session) == {path for path in LEFT_OUT if not path.endswith("/speed")}


def test_an_absent_port_is_told_once(net, make_daemon):
    """Not its addresses and settings too, which wait for nothing else; but a route of another part is."""
    startup = {**config.switch(net.ports), **config.routes(("198.51.100.0/24", "p9"))}
    startup["ietf-interfaces:interfaces"]["interface"].append(
        config.interface("p9", "ethernet", enabled=True, description="absent",
                         **config.ipv4("203.0.113.1/24")))
    with make_daemon(net, startup).start().local() as session:
        found = [tuple(entry.findtext(part) for part in ("path", "reason"))
                 for entry in session.get(STATUS).iter("not-applied")]
    assert ("/ietf-interfaces:interfaces/interface[name='p9']", "does not exist") in found
    assert len(found) == 2 and any("198.51.100.0" in path for path, _ in found)


# A kind of interface that this device cannot have, interfaces on it and on those, a port of theirs.
ON_NOTHING = [
    config.interface("wifi0", "wifi", infix_interfaces__wifi={"radio": "radio0"}),
    config.interface("wifi0.7", "vlan", infix_interfaces__vlan={"id": 7, "lower-layer-if": "wifi0"}),
    config.interface("wifi0.7.8", "vlan", **{
        "infix-interfaces:vlan": {"id": 8, "lower-layer-if": "wifi0.7"},
        "infix-interfaces:bridge-port": {"bridge": "br0"}}),
]


def test_what_refers_to_what_is_not_applied(net, make_daemon):
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"] += ON_NOTHING
    daemon = make_daemon(net, startup)
    status, said = check(daemon, daemon.startup_file)
    assert status == 0
    daemon.start()
    daemon.wait_log("event=config-loaded source=startup")
    with daemon.local() as session:
        listed = {entry.findtext("path"): entry.findtext("reason")
                  for entry in session.get(STATUS).iter("not-applied")}
        assert {path: reason for path, reason in listed.items() if "wifi0" in path} == {
            "/ietf-interfaces:interfaces/interface[name='wifi0']":
                "not supported by this device",
            "/ietf-interfaces:interfaces/interface[name='wifi0.7']":
                'lower-layer-if refers to "wifi0", which is not applied',
            "/ietf-interfaces:interfaces/interface[name='wifi0.7.8']":
                'lower-layer-if refers to "wifi0.7", which is not applied'}
        for path, reason in listed.items():
            assert f"  {path}: {reason}\n" in said
        session.copy("running", "startup")
    assert by_name(written(daemon)) == by_name(startup)
    # what refers to nothing at all is a fault all the same
    startup["ietf-interfaces:interfaces"]["interface"].append(config.port("p9", "br7"))
    daemon.startup_file.write_text(config.to_json(startup))
    status, said = check(daemon, daemon.startup_file)
    assert status == 1
    assert '"br7" does not exist' in said


def test_check_tells_what_a_boot_would_set_aside(net, make_daemon, tmp_path):
    startup = {**config.switch(net.ports), **FOREIGN}
    startup["ietf-interfaces:interfaces"]["interface"].append(config.interface("d0", "other"))
    path = tmp_path / "startup.cfg"
    path.write_text(config.to_json(startup))
    status, said = check(make_daemon(net), path)
    assert status == 0
    first, heading, *lines = said.splitlines()
    assert first == f"{path}: valid"
    assert heading == "This device would not apply:"
    assert [line.split(": ")[0].strip() for line in lines] == [
        *(f"/{name}" for name in FOREIGN),
        "/ietf-interfaces:interfaces/interface[name='d0']/type"]


def test_netconf_edits_are_running_only(daemon, nc, net):
    before = daemon.startup_file.read_text()
    nc.edit(description("p1"))
    assert daemon.startup_file.read_text() == before
    daemon.reboot()
    with daemon.local() as session:
        assert session.interface("p1", "running").find("description") is None
    assert "ifalias" not in net.link("p1")


def test_startup_is_written_whole(daemon, nc):
    """RFC 6241 has copy-config for startup and no edit-config."""
    with pytest.raises(RpcError) as refused:
        nc.edit(description("p1"), target="startup")
    assert refused.value.tag == "unknown-element"
    with daemon.restconf() as client:
        response = client.patch("ds/ietf-datastores:startup/ietf-interfaces:interfaces",
                                description("p1"))
        assert response.status == 405
        assert response.headers["Allow"] == "OPTIONS, GET, HEAD"


def test_copy_and_delete(daemon, nc, net):
    other = copy.deepcopy(config.switch(net.ports, address="198.51.100.1/24"))
    nc.copy(other, "startup")
    assert by_name(written(daemon)) == by_name(other)
    # the one before is kept beside it
    assert by_name(json.loads((daemon.config_dir / "startup-config.cfg.1").read_text())) == \
        by_name(config.switch(net.ports))
    assert net.addresses("br0") == ["192.0.2.1/24"]
    nc.copy("startup", "running")
    assert net.addresses("br0") == ["198.51.100.1/24"]
    nc.copy(config.switch(net.ports), "running")
    assert net.addresses("br0") == ["192.0.2.1/24"]
    nc.copy("running", "startup")
    nc.delete("startup")
    assert not daemon.startup_file.exists()
    assert len(nc.get_config("startup")) == 0
    with pytest.raises(RpcError):
        nc.delete("running")
    with pytest.raises(RpcError):
        nc.copy({"ietf-interfaces:interfaces": {"interface": [{"name": "p1"}]}}, "running")
    assert net.addresses("br0") == ["192.0.2.1/24"]


def test_restconf_edits_reach_startup(daemon, net):
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
        until(lambda: described(written(daemon), "p1") == "changed", "startup written", timeout=5)
        # the datastore resource of RFC 8527 is running alone
        path = "ds/ietf-datastores:running/ietf-interfaces:interfaces"
        assert client.patch(path, description("p2")).status == 204
        assert net.link("p2")["ifalias"] == "changed"
        assert client.patch("data/ietf-interfaces:interfaces", description("p3")).status == 204
        until(lambda: described(written(daemon), "p3") == "changed", "startup written", timeout=5)
    daemon.reboot()
    assert net.link("p1")["ifalias"] == net.link("p3")["ifalias"] == "changed"


def test_restconf_edits_reach_startup_before_the_end(daemon, net):
    """SIGTERM right after the reply loses nothing."""
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
    daemon.reboot()
    assert net.link("p1")["ifalias"] == "changed"


def test_restconf_edits_reach_startup_after_a_kill(daemon, net):
    """Nor does SIGKILL, when the daemon is started again."""
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
    daemon.kill()
    assert described(written(daemon), "p1") is None
    daemon.start()
    until(lambda: described(written(daemon), "p1") == "changed", "startup written", timeout=5)


def test_restconf_edits_reach_startup_before_a_confirmed_commit(daemon, nc, net):
    """What was there before it is what a reboot comes back to."""
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
        nc.edit(config.interfaces({"name": "p2", "description": "on trial"}), "candidate")
        nc.ok("<commit><confirmed/><confirm-timeout>600</confirm-timeout></commit>")
    daemon.reboot()
    assert net.link("p1")["ifalias"] == "changed"
    assert "ifalias" not in net.link("p2")


def edit_startup(nc, data):
    nc.ok(f'<edit-data xmlns="{config.namespaces()["ietf-netconf-nmda"]}" '
          f'xmlns:ds="{config.namespaces()["ietf-datastores"]}">'
          "<datastore>ds:startup</datastore>"
          f"<config>{config.to_xml(data)}</config></edit-data>")


def test_restconf_edit_does_not_undo_what_is_done_to_startup(daemon, nc):
    """RFC 8040 section 1.4: startup follows a RESTCONF edit; what is done to it afterwards comes after."""
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
        edit_startup(nc, description("p2"))
        data = written(daemon)
        assert described(data, "p1") == described(data, "p2") == "changed"
        other = {"ietf-system:system": {"contact": "other"}}
        assert client.patch("data/ietf-interfaces:interfaces", description("p3")).status == 204
        nc.copy(other, "startup")
        daemon.restart()  # what is due is written at the end
        assert written(daemon) == other
    with daemon.restconf() as client, daemon.local() as again:
        assert client.patch("data/ietf-interfaces:interfaces", description("p4")).status == 204
        again.delete("startup")
    daemon.stop()
    assert not daemon.startup_file.exists()
    daemon.start()


def test_restconf_edit_is_read_from_startup(daemon, nc):
    with daemon.restconf() as client:
        for number in range(3):
            assert client.patch("data/ietf-interfaces:interfaces",
                                description("p1", f"{number}")).status == 204
            assert nc.interface("p1", "startup").findtext("description") == f"{number}"


def test_restconf_edit_heeds_the_lock_of_startup(daemon, nc):
    """RFC 8040 section 1.4: an edit that would modify a locked datastore fails; RFC 6241 section 7.5."""
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
        nc.lock("startup")
        assert described(written(daemon), "p1") == "changed"
        edit_startup(nc, description("p2"))
        refused = client.patch("data/ietf-interfaces:interfaces", description("p3"))
        assert (refused.status, refused.error["error-tag"]) == (409, "in-use")
        assert nc.interface("p3", "running").find("description") is None
        # the resource that is running alone
        path = "ds/ietf-datastores:running/ietf-interfaces:interfaces"
        assert client.patch(path, description("p4")).status == 204
    daemon.stop()
    data = written(daemon)
    assert [described(data, port) for port in ("p1", "p2", "p3", "p4")] == \
        ["changed", "changed", None, None]
    daemon.start()
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p3")).status == 204
        until(lambda: described(written(daemon), "p3") == "changed", "startup written")


def test_restconf_edit_within_a_confirmed_commit(daemon, nc):
    """Startup does not get what may yet be taken back, nor an edit that would be written over."""
    nc.edit(description("p2"), "candidate")
    nc.ok("<commit><confirmed/></commit>")
    with daemon.restconf() as client:
        assert client.patch("data/ietf-interfaces:interfaces", description("p1")).status == 204
    nc.lock("startup")
    assert described(written(daemon), "p1") is None
    with pytest.raises(RpcError) as refused:
        edit_startup(nc, description("p3"))
    assert refused.value.tag == "in-use"
    nc.ok("<commit/>")
    edit_startup(nc, description("p3"))
    data = written(daemon)
    assert [described(data, port) for port in ("p1", "p2", "p3")] == ["changed"] * 3


def test_validate(nc, net):
    nc.validate("running")
    nc.validate("startup")
    nc.validate(config.switch(net.ports))
    bad = config.switch(net.ports)
    bad["ietf-interfaces:interfaces"]["interface"][2]["infix-interfaces:bridge-port"]["bridge"] = \
        "br7"
    with pytest.raises(RpcError) as refused:
        nc.validate(bad)
    assert (refused.value.tag, refused.value.app_tag) == ("data-missing", "instance-required")
    assert refused.value.path.endswith("/infix-if:bridge-port/infix-if:bridge")


# --- what does not load ---------------------------------------------------------------------------


def check(daemon, path):
    done = subprocess.run(daemon.command("--check", str(path)), capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("break_it, words", [
    (lambda text: text[:len(text) // 2], "malformed|JSON|end of"),
    (lambda text: text.replace('"br0"\n', '"br7"\n'), "br7"),
    (lambda text: text.replace('"prefix-length": 24', '"prefix-length": 240'), "240"),
    (lambda text: text.replace("infix-if-type:bridge", "infix-if-type:nonsense"), "nonsense"),
], ids=["cut", "leafref", "range", "identity"])
def test_check(net, make_daemon, tmp_path, break_it, words):
    good = tmp_path / "good.cfg"
    good.write_text(config.to_json(config.switch(net.ports)))
    daemon = make_daemon(net)
    before = net.dump()
    assert check(daemon, good)[0] == 0
    bad = tmp_path / "bad.cfg"
    bad.write_text(break_it(good.read_text()))
    assert bad.read_text() != good.read_text()
    status, said = check(daemon, bad)
    assert status == 1
    assert re.search(words, said), said
    assert net.dump() == before


@pytest.mark.parametrize("break_it", [
    lambda text: text.replace('"br0"\n', '"br7"\n'),
    lambda text: text.replace('"enabled": true', '"enabled": "perhaps"'),
    lambda text: "",
], ids=["leafref", "value", "empty"])
def test_refused_startup_is_told(net, make_daemon, break_it):
    startup = config.switch(net.ports)
    startup["ietf-interfaces:interfaces"]["interface"][2]["enabled"] = True
    daemon = make_daemon(net, startup)
    text = daemon.startup_file.read_text()
    assert break_it(text) != text
    daemon.startup_file.write_text(break_it(text))
    daemon.start()
    daemon.wait_log('event=config-refused source=startup path=".*" reason=".+"')
    daemon.wait_log("event=config-loaded source=factory")


BROKEN = '{"ietf-interfaces:interfaces": {'


def booted(session):
    """Where running has come from, and what was refused before that."""
    boot = session.get(STATUS).find("status/boot")
    return boot.findtext("source"), [(entry.findtext("source"), bool(entry.findtext("reason")))
                                     for entry in boot.iterfind("refused")]


def test_bad_startup_falls_back(net, make_daemon):
    """... to the one before; without that, to the factory's."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    with daemon.local() as session:
        assert booted(session) == ("startup", [])
        session.edit(description("p1", "saved"))
        session.copy("running", "startup")
        session.copy("running", "startup")
    daemon.stop()
    daemon.startup_file.write_text(BROKEN)
    daemon.reboot()
    daemon.wait_log("event=config-refused source=startup .*")
    daemon.wait_log("event=config-loaded source=previous-startup")
    assert net.link("p1")["ifalias"] == "saved"
    # nobody but an administrator throws the broken one away
    assert daemon.startup_file.read_text() == BROKEN
    with daemon.local() as session:
        assert booted(session) == ("previous-startup", [("startup", True)])
    daemon.restart()
    with daemon.local() as session:
        assert booted(session) == ("journal", [])

    daemon.stop()
    for path in daemon.config_dir.glob("startup-config.cfg.*"):
        path.unlink()
    daemon.reboot()
    daemon.wait_log("event=config-loaded source=factory")
    with daemon.local() as session:
        assert session.get_config().findtext("system/hostname") == "ashlar"
        assert booted(session) == ("factory", [("startup", True)])


def test_three_that_were_startup_are_kept(net, make_daemon):
    """A boot takes the youngest that loads."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    with daemon.local() as session:
        for at in range(6):
            session.edit(description("p1", f"{at}"))
            session.copy("running", "startup")
    kept = {path.name: described(json.loads(path.read_text()), "p1")
            for path in daemon.config_dir.glob("startup-config.cfg*")}
    assert kept == {"startup-config.cfg": "5", "startup-config.cfg.1": "4",
                    "startup-config.cfg.2": "3", "startup-config.cfg.3": "2"}
    daemon.stop()
    daemon.startup_file.write_text(BROKEN)
    (daemon.config_dir / "startup-config.cfg.1").unlink()
    (daemon.config_dir / "startup-config.cfg.2").write_text(BROKEN)
    daemon.reboot()
    assert net.link("p1")["ifalias"] == "2"
    with daemon.local() as session:
        assert booted(session) == ("previous-startup",
                                   [("startup", True), ("previous-startup", True)])


@pytest.mark.parametrize("failure, source", [(True, "failure"), (BROKEN, "factory")],
                         ids=["good", "broken"])
def test_failure_configuration(net, make_daemon, failure, source):
    """What lets an operator in when startup does not load is added to the factory's defaults."""
    daemon = make_daemon(net, config.switch(net.ports))
    startup = daemon.startup_file.read_text()
    (daemon.config_dir / "failure-config.cfg").write_text(
        config.to_json(config.interfaces(config.interface(
            "p1", "ethernet", **config.ipv4("198.51.100.1/24")))) if failure is True else failure)
    daemon.start()
    assert net.addresses("br0") == ["192.0.2.1/24"] and net.addresses("p1") == []
    daemon.stop()
    daemon.startup_file.write_text(BROKEN)
    daemon.reboot()
    with daemon.local() as session:
        assert booted(session)[0] == source
        assert booted(session)[1][0] == ("startup", True)
        assert session.get_config().findtext("system/hostname") == "ashlar"
        assert net.addresses("p1") == (["198.51.100.1/24"] if source == "failure" else [])
    # without a fault nobody asks for it
    daemon.stop()
    daemon.startup_file.write_text(startup)
    daemon.reboot()
    with daemon.local() as session:
        assert booted(session) == ("startup", [])


def test_first_boot(net, make_daemon):
    daemon = make_daemon(net).start()
    factory = json.loads((TOP / "image/factory-config.json").read_text())
    with daemon.local() as session:
        session.copy("running", "startup")
    assert by_name(written(daemon)) == by_name(factory)
