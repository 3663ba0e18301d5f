"""Slots and generations, as a client sees and changes them: on files, where no machine restarts."""

import json

import pytest

from ashlar import config, slots
from ashlar.netconf import RpcError
from ashlar.network import until
from ashlar.slots import IMAGES, Device

OWN = 'xmlns="urn:ashlar:params:xml:ns:yang:ashlar-software"'
INFIX = 'xmlns="urn:infix:system:ns:yang:1.0"'
STATE = '<system-state xmlns="urn:ietf:params:xml:ns:yang:ietf-system"/>'


@pytest.fixture
def device(net, make_daemon):
    return Device(make_daemon(net, config.switch(net.ports)))


def software(session):
    return session.get(STATE).find("system-state/software")


def test_nothing_without_slots(net, make_daemon):
    """A daemon on any machine: there is nothing to show, and nothing to go back to."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    with daemon.local() as session:
        assert software(session) is None
        for rpc in (f"<confirm {OWN}/>", f"<rollback {OWN}/>",
                    f"<set-boot-order {INFIX}><boot-order>primary</boot-order></set-boot-order>"):
            with pytest.raises(RpcError) as refused:
                session.rpc(rpc)
            assert refused.value.tag == "operation-not-supported"


def test_what_is_seen(device):
    slots.write(device.disk / "b", 0, slots.SLOT_BYTES, installed=1700000000, installed_count=3,
                reason="confirmed by admin")
    device.daemon.start()
    with device.daemon.local() as session:
        seen = software(session)
        assert seen.findtext("booted") == "primary"
        assert seen.findtext("compatible") == "ashlar-x86_64"
        assert [item.text for item in seen.findall("boot-order")] == ["primary", "secondary"]
        a, b, recovery = seen.findall("slot")
        assert (a.findtext("name"), a.findtext("bootname"), a.findtext("state")) == \
            ("a", "primary", "booted")
        assert (b.findtext("state"), b.findtext("sha256"), b.findtext("bundle/version")) == \
            ("inactive", IMAGES["b"], "1.0-b")
        assert b.findtext("installed/datetime") .startswith("2023-11-14T22:13:20")
        assert b.findtext("installed/count") == "3"
        assert (b.findtext("condition"), b.findtext("reason")) == ("good", "confirmed by admin")
        assert recovery.findtext("class") == "recovery"
        assert seen.find("trial") is None
        assert seen.findtext("generations/current") == seen.findtext("generations/running") == "2"
        first, second = seen.findall("generations/generation")
        assert (first.findtext("number"), first.findtext("slot"), first.findtext("sha256")) == \
            ("1", "b", IMAGES["b"])
        assert second.findtext("datetime") .startswith("2026-01-02T03:04:05")


def test_way_back_and_on(device):
    """A generation that has a slot becomes the current one, and its slot the first to be started."""
    device.daemon.start()
    with device.daemon.local() as session:
        reply = session.rpc(f"<rollback {OWN}/>")
        assert reply.findtext("{*}generation") == "1"
        assert device.current == 1
        assert device.boot_order == {"order": "b a", "next": ""}
        assert device.slot("b")["activated_count"] == 1
        assert [item.text for item in software(session).findall("boot-order")] == \
            ["secondary", "primary"]
        session.rpc(f"<rollback {OWN}><generation>2</generation></rollback>")
        assert device.current == 2
        assert device.boot_order["order"] == "a b"


def test_boot_order_is_a_generation(device):
    device.daemon.start()
    with device.daemon.local() as session:
        session.rpc(f"<set-boot-order {INFIX}><boot-order>secondary</boot-order>"
                    "<boot-order>primary</boot-order></set-boot-order>")
        assert device.current == 1
        assert device.boot_order["order"] == "b a"
        with pytest.raises(RpcError) as refused:
            session.rpc(f"<set-boot-order {INFIX}><boot-order>net</boot-order></set-boot-order>")
        assert refused.value.tag == "invalid-value"
        assert device.current == 1


@pytest.mark.parametrize("number, why", [(9, "no generation 9"), (1, "no slot has the image")])
def test_no_way_back(device, number, why):
    """Refused, and nothing has changed: no such generation, or its image is gone."""
    slots.write(device.disk / "b", 0, slots.SLOT_BYTES, state="failed")
    device.daemon.start()
    with device.daemon.local() as session:
        with pytest.raises(RpcError, match=why) as refused:
            session.rpc(f"<rollback {OWN}><generation>{number}</generation></rollback>")
        assert refused.value.tag == "data-missing"
        with pytest.raises(RpcError):
            session.rpc(f"<confirm {OWN}/>")
    assert device.current == 2
    assert not (device.disk / "boot" / "grub" / "grubenv").exists()


def test_confirm(device):
    device.put_on_trial(**{"confirm-timeout": 77, "who": "admin"})
    device.daemon.start()
    with device.daemon.local() as session:
        trial = software(session).find("trial")
        assert (trial.findtext("generation"), trial.findtext("confirm-timeout"),
                trial.findtext("installed-by")) == ("3", "77", "admin")
        with pytest.raises(RpcError) as refused:
            session.rpc(f"<rollback {OWN}><generation>2</generation></rollback>")
        assert refused.value.tag == "resource-denied"
        assert session.rpc(f"<confirm {OWN}/>").findtext("{*}generation") == "3"
        assert device.current == 3
        assert not (device.generations / "3" / "trial").exists()
        slot = device.slot("a")
        assert (slot["state"], slot["attempts"], slot["generation"]) == ("good", 0, 3)
        assert slot["reason"].startswith("confirmed by ")
        assert device.boot_order == {"order": "a b", "next": ""}
        assert software(session).find("trial") is None
        with pytest.raises(RpcError, match="no trial"):
            session.rpc(f"<confirm {OWN}/>")


def test_persist_id(device):
    device.put_on_trial(**{"persist-id": "s3cret"})
    device.daemon.start()
    with device.daemon.local() as session:
        for wrong in "", "<persist-id>s3cre</persist-id>":
            with pytest.raises(RpcError) as refused:
                session.rpc(f"<confirm {OWN}>{wrong}</confirm>")
            assert refused.value.tag == "invalid-value"
        assert device.current == 1
        session.rpc(f"<confirm {OWN}><persist-id>s3cret</persist-id></confirm>")
        assert device.current == 3


def test_give_up(device):
    """Nothing is switched: what was, is what the next start finds."""
    device.put_on_trial()
    device.daemon.start()
    with device.daemon.local() as session:
        assert session.rpc(f"<rollback {OWN}/>").findtext("{*}generation") == "1"
        assert device.current == 1
        assert device.slot("a")["state"] == "failed"
        assert device.slot("a")["reason"].startswith("given up by ")


def test_saved_in_its_generation(device):
    """--startup-dir: what is saved goes there, and keys stay with the device."""
    old = device.daemon.startup_file.read_text()
    (device.generations / "2" / "startup-config.cfg").write_text(old)
    device.daemon.options += ["--startup-dir", str(device.daemon.run_dir / "generation")]
    device.daemon.start()
    with device.daemon.local() as session:
        session.describe("kept")
        session.copy("running", "startup")
    assert "kept" in (device.generations / "2" / "startup-config.cfg").read_text()
    assert device.daemon.startup_file.read_text() == old
    assert (device.daemon.config_dir / "keys").is_dir()


def starts(session):
    return session.get(STATE).findall("system-state/starts/start")


@pytest.fixture
def started(device):
    """The third start of a device, as ashlar-early has told of it."""
    with open(device.daemon.run_dir / "boot", "a", encoding="ascii") as boot:
        boot.write("start=3\n")
    device.kept = device.daemon.config_dir / "starts.json"
    device.kept.write_text(json.dumps([
        {"number": 2, "slot": "b", "version": "1.1", "generation": 2, "kind": "trial", "cause": "restart",
         "cause-detail": "asked for by admin", "failure": "no ping", "panic": "BUG: <here>\nRIP",
         "datetime": "2026-01-02T03:04:05Z", "early": 900, "init": 1500, "ready": 2500},
        {"number": 3, "slot": "a", "kind": "fallback", "detail": "it was not confirmed", "cause": "watchdog",
         "early": 1000}]))
    device.daemon.options += ["--system"]
    return device


def kept_end(device):
    return json.loads(device.kept.read_text())[-1].get("end")


def test_n11_starts(started, tmp_path, monkeypatch):
    """Each start tells its reason; the daemon completes its own, and how it ended."""
    program = tmp_path / "reboot"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    daemon = started.daemon.start()
    with daemon.local() as session:
        before, this = starts(session)
        assert [before.findtext(leaf) for leaf in (
            "number", "slot", "kind", "cause", "cause-detail", "failure", "panic", "duration/ready")] == \
            ["2", "b", "trial", "restart", "asked for by admin", "no ping", "BUG: <here>\nRIP", "2500"]
        assert (this.findtext("kind"), this.findtext("detail"), this.findtext("cause")) == \
            ("fallback", "it was not confirmed", "watchdog")
        early, init, ready = (int(this.findtext(f"duration/{stage}"))
                              for stage in ("early", "init", "ready"))
        assert early == 1000 and init <= ready
        until(lambda: json.loads(started.kept.read_text())[-1].get("ready") == ready, "its being kept")
    daemon.stop()
    assert kept_end(started) == {"act": "", "why": ""}
    daemon.start()  # the daemon alone was started again: no end, and ready as it was
    until(lambda: kept_end(started) is None, "no end")
    with daemon.local() as session:
        assert int(starts(session)[1].findtext("duration/ready")) == ready
        session.ok('<system-restart xmlns="urn:ietf:params:xml:ns:yang:ietf-system"/>')
        daemon.wait_log("event=restart")
    daemon.stop()
    end = kept_end(started)
    assert end["act"] == "restart" and end["why"].startswith("asked for by ")


def test_n11_a_start_of_others(started):
    """What does not belong to this start is left as it is."""
    started.kept.write_text(json.dumps([{"number": 2, "slot": "b", "kind": "normal"}]))
    before = started.kept.read_bytes()
    daemon = started.daemon.start()
    with daemon.local() as session:
        assert not starts(session)
    daemon.stop()
    assert started.kept.read_bytes() == before


def test_recovery_knows_the_users(device):
    """The recovery system starts from a configuration of its own, with who was let in before."""
    saved = device.daemon.startup_file.read_text()
    for number in 1, 2:
        (device.generations / str(number) / "startup-config.cfg").write_text(saved)
    memory = device.daemon.run_dir / "memory"
    memory.mkdir()
    (device.daemon.run_dir / "boot").write_text("slot=recovery\nattempts=0\nfirmware=grub\n")
    device.daemon.options += ["--startup-dir", str(memory)]
    device.daemon.start()
    with device.daemon.ssh() as session:
        assert session.get_config().findtext("system/hostname") == "recovery"
        seen = software(session)
        assert seen.findtext("booted") == "recovery"
        assert seen.find("generations/running") is None
        assert seen.findtext("generations/current") == "2"
        session.edit({"ietf-system:system": {"contact": "only here"}})
        session.copy("running", "startup")
    for number in 1, 2:
        path = device.generations / str(number) / "startup-config.cfg"
        assert path.read_text() == saved
    assert device.daemon.startup_file.read_text() == saved
