"""Parts of the device (RFC 8348): found in sysfs and by devlink, USB ports locked, what is told of it.

Machines that test this have no sensors: the daemon sees a directory of the test in place of sysfs.
"""

import contextlib
import errno
import json
import os
import pathlib
import socket
import subprocess
import zlib

import pytest

from ashlar import config
from ashlar.daemon import Daemon
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import Namespace, inside, run, until
from ashlar.push import edits, establish, on_change, update

HARDWARE = config.namespaces()["ietf-hardware"]
STREAM = "<stream>NETCONF</stream>"
NETLINK_KOBJECT_UEVENT = 15
STATUS = '<status xmlns="urn:ashlar:params:xml:ns:yang:ashlar-status"/>'
CLASS = {"chassis": "iana-hardware:chassis", "sensor": "iana-hardware:sensor",
         "port": "iana-hardware:port", "module": "iana-hardware:module",
         "usb": "infix-hardware:usb", "vpd": "infix-hardware:vpd"}


def tlv_info(*fields):
    """A block as ONIE has it."""
    data = b"".join(bytes([kind, len(value)]) + value for kind, value in fields) + b"\xfe\x04"
    block = b"TlvInfo\0\x01" + (len(data) + 4).to_bytes(2, "big") + data
    return block + zlib.crc32(block).to_bytes(4, "big")


class Sysfs:
    """What is below /sys/class and /sys/bus."""

    def __init__(self, directory):
        self.root = pathlib.Path(directory)
        for part in ("class/hwmon", "class/dmi/id", "bus/usb/devices", "bus/nvmem/devices"):
            (self.root / part).mkdir(parents=True)

    def put(self, directory, **files):
        path = self.root / directory
        path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            data = text if isinstance(text, bytes) else f"{text}\n".encode()
            (path / name).write_bytes(data)
        return path

    def chip(self, number, name, **files):
        return self.put(f"class/hwmon/hwmon{number}", name=name, **files)

    def usb(self, device, **files):
        return self.put(f"bus/usb/devices/{device}", **files)

    def read(self, path):
        return (self.root / path).read_text().strip()


class Machine(Daemon):
    """A daemon whose sysfs is another."""

    sysfs = None

    def command(self, *options):
        script = ('cd "$1" && for part in class bus; do mount --bind $part /sys/$part; done'
                  ' && cd / && shift && exec "$@"')
        return ["bash", "-euc", script, "machine", str(self.sysfs.root),
                *super().command(*options)]


@pytest.fixture
def sysfs(tmp_path):
    return Sysfs(tmp_path / "sys")


@pytest.fixture
def make_machine(make_net, sysfs, tmp_path):
    machines = []

    def make(startup=None, options=()):
        net = make_net(0)
        machine = Machine(net, tmp_path / f"m{len(machines)}",
                          {**config.switch([]), **(startup or {})}, options=options)
        machine.sysfs = sysfs
        machines.append(machine)
        return machine.start()

    yield make
    for machine in machines:
        machine.close()


def uevent(net, subsystem):
    """What the kernel says when something of the subsystem comes or goes."""
    with inside(net.name):
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
    with link:
        link.sendto("\0".join(("add@/devices/x", "ACTION=add", "DEVPATH=/devices/x",
                               f"SUBSYSTEM={subsystem}", "")).encode(), (0, 1))


def components(daemon):
    """{name: component} of the operational datastore."""
    with daemon.restconf() as client:
        reply = client.get("/restconf/ds/ietf-datastores:operational/ietf-hardware:hardware")
    if reply.status == 404:
        return {}
    assert reply.status == 200, reply.body
    return {entry["name"]: entry
            for entry in reply.json["ietf-hardware:hardware"].get("component", ())}


def component(name, **state):
    entry = {"name": name}
    if state:
        entry["state"] = {key.replace("_", "-"): value for key, value in state.items()}
    return {"ietf-hardware:hardware": {"component": [entry]}}


def measured(daemon, name):
    return components(daemon).get(name, {}).get("sensor-data", {}).get("value")


def test_sensors(sysfs, make_machine):
    sysfs.chip(0, "coretemp", temp1_input=41500, temp1_label="Package id 0", temp1_crit_alarm=0,
               temp2_input="no number", power1_input=3_500_000_000, update_interval=500)
    (sysfs.chip(1, "lm75", temp1_input=-5000) / "device").symlink_to("../../devices/1-0048")
    (sysfs.chip(2, "lm75", temp1_input=23000, temp1_fault=1) / "device").symlink_to(
        "../../devices/1-0049")
    sysfs.chip(3, "board", fan1_input=1200, in0_input=3300, curr1_input=250, humidity1_input=45000,
               fan1_alarm=1, pwm1=128, name_of_nothing=1)
    daemon = make_machine()
    found = until(lambda: components(daemon), "the first look")
    assert set(found) == {"coretemp-temp1", "coretemp-temp2", "coretemp-power1", "1-0048-temp1",
                          "1-0049-temp1", "board-fan1", "board-in0", "board-curr1",
                          "board-humidity1"}
    first = found["coretemp-temp1"]
    assert first["class"] == CLASS["sensor"] and first["description"] == "Package id 0"
    assert first["state"] == {"oper-state": "enabled", "alarm-state": ""}
    data = first["sensor-data"]
    assert data.pop("value-timestamp").startswith("20")
    assert data == {"value": 41500, "value-type": "celsius", "value-scale": "milli",
                    "value-precision": 0, "oper-status": "ok", "value-update-rate": 500,
                    "units-display": "degrees Celsius"}
    told = {name: (entry["sensor-data"].get("value"), entry["sensor-data"]["value-type"],
                   entry["sensor-data"]["value-scale"], entry["sensor-data"]["oper-status"])
            for name, entry in found.items()}
    assert told["1-0048-temp1"] == (-5000, "celsius", "milli", "ok")
    assert told["1-0049-temp1"] == (None, "celsius", "milli", "nonoperational")
    assert found["1-0049-temp1"]["state"]["oper-state"] == "disabled"
    assert told["coretemp-temp2"] == (None, "celsius", "milli", "unavailable")
    # what does not fit into the model's numbers is told in a coarser unit
    assert told["coretemp-power1"] == (3_500_000, "watts", "milli", "ok")
    assert told["board-fan1"] == (1200, "rpm", "units", "ok")
    assert found["board-fan1"]["state"]["alarm-state"] == "warning"
    assert told["board-in0"] == (3300, "volts-DC", "milli", "ok")
    assert told["board-humidity1"] == (45000, "percent-RH", "milli", "ok")
    # values are read when somebody asks
    sysfs.chip(0, "coretemp", temp1_input=42000)
    until(lambda: measured(daemon, "coretemp-temp1") == 42000, "the new value")


def test_slow_sensor_holds_up_nobody(sysfs, make_machine):
    """One whose reading does not end: others are served, and it has the value of before."""
    sysfs.chip(0, "slow", temp1_input=1000)
    daemon = make_machine()
    until(lambda: measured(daemon, "slow-temp1") == 1000, "the first look")
    path = sysfs.root / "class/hwmon/hwmon0/temp1_input"
    path.unlink()
    os.mkfifo(path)
    assert measured(daemon, "slow-temp1") == 1000
    with daemon.local() as session:
        session.edit(config.interfaces({"name": "br0", "description": "served"}))
        assert session.interface("br0").findtext("description") == "served"

    def who_reads():
        """The end to write to, once a look (they are some time apart) has opened the other."""
        assert measured(daemon, "slow-temp1") == 1000
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            return None

    with open(until(who_reads, "somebody who reads"), "w") as writer:
        writer.write("2000\n")
        path.unlink()
        path.write_text("2000\n")
    until(lambda: measured(daemon, "slow-temp1") == 2000, "its value")


def test_board_and_product_data(sysfs, make_machine):
    sysfs.put("class/dmi/id", sys_vendor="Example Works", product_name="Switch 24",
              product_serial="To be filled by O.E.M.", board_serial="SN\x01 1",
              bios_version="1.2", product_uuid="0c5a7a4c-8b1e-4c47-8a3e-0123456789ab")
    sysfs.put("bus/nvmem/devices/0-00500", nvmem=tlv_info(
        (0x21, b"Box"), (0x23, b"S1"), (0x24, bytes.fromhex("005300abcdef")), (0x26, b"\x03"),
        (0x2a, b"\x00\x20"), (0x2c, b"SE"), (0x2d, b"\xff\xfe")))
    sysfs.put("bus/nvmem/devices/1-00510", nvmem=b"something else")
    daemon = make_machine()
    found = until(lambda: components(daemon), "the first look")
    assert found["0-00500"] == {
        "name": "0-00500", "class": CLASS["vpd"], "parent": "mainboard",
        "infix-hardware:vpd-data": {
            "product-name": "Box", "serial-number": "S1", "mac-address": "00:53:00:ab:cd:ef",
            "device-version": 3, "num-macs": 32, "country-code": "SE"}}
    assert found["mainboard"] == {
        "name": "mainboard", "class": CLASS["chassis"], "contains-child": ["0-00500"],
        "mfg-name": "Example Works", "model-name": "Switch 24", "serial-num": "SN? 1",
        "firmware-rev": "1.2", "uuid": "0c5a7a4c-8b1e-4c47-8a3e-0123456789ab",
        "infix-hardware:phys-address": "00:53:00:ab:cd:ef"}
    assert set(found) == {"0-00500", "mainboard"}


def lock(session, state):
    session.edit(component("usb1", admin_state=state))


def test_usb_ports(sysfs, make_machine):
    sysfs.usb("usb1", authorized_default=1, authorized=1, product="xHCI Host Controller")
    sysfs.usb("1-1", authorized=1)
    sysfs.usb("1-1.2", authorized=1)
    sysfs.usb("11-1", authorized=1)
    sysfs.usb("usb2", authorized_default=1, authorized=1)
    daemon = make_machine(options=["--system"])
    until(lambda: components(daemon), "the first look")
    authorized = {name: f"bus/usb/devices/{name}" for name in ("usb1", "1-1", "1-1.2", "11-1")}

    def told():
        return components(daemon)["usb1"]["state"]

    assert told() == {"oper-state": "enabled", "admin-state": "unlocked", "usage-state": "active"}
    with daemon.local() as watcher, daemon.local() as session:
        establish(watcher, STREAM)
        lock(session, "locked")
        assert sysfs.read(authorized["usb1"] + "/authorized_default") == "0"
        assert sysfs.read(authorized["1-1"] + "/authorized") == "0"
        # what is behind a hub goes with it; other buses are not meant
        assert sysfs.read(authorized["1-1.2"] + "/authorized") == "1"
        assert sysfs.read(authorized["11-1"] + "/authorized") == "1"
        state = told()
        assert state.pop("state-last-changed").startswith("20")
        assert state == {"oper-state": "disabled", "admin-state": "locked", "usage-state": "idle"}
        assert await_notification(watcher, "hardware-state-oper-disabled") == {
            "name": "usb1", "admin-state": "locked"}
        # its class came from its name
        entry = session.get_config(subtree=f'<hardware xmlns="{HARDWARE}"/>').find(
            "hardware/component")
        assert entry.findtext("class").endswith("usb")
        # a commit that fails later unlocks it again
        session.edit(component("usb1", admin_state="unlocked"))
        assert await_notification(watcher, "hardware-state-oper-enabled")["name"] == "usb1"
        assert sysfs.read(authorized["1-1"] + "/authorized") == "1"
        lock(session, "locked")
        # what is plugged in while it is locked, and what others unlock
        sysfs.usb("usb1", authorized_default=1)
        uevent(daemon.net, "usb")
        until(lambda: sysfs.read(authorized["usb1"] + "/authorized_default") == "0",
              "locked again")
        session.edit({"ietf-hardware:hardware": {"component": [
            {"name": "usb1", "@operation": "delete"}]}})
        assert sysfs.read(authorized["usb1"] + "/authorized_default") == "1"
        with pytest.raises(RpcError, match="cannot be configured"):
            session.edit({"ietf-hardware:hardware": {"component": [
                {"name": "fan1", "class": "iana-hardware:fan"}]}})
        with pytest.raises(RpcError) as failure:
            session.edit({"ietf-hardware:hardware": {"component": [
                {"name": "usb1", "class": CLASS["usb"], "parent": "mainboard"}]}})
        assert failure.value.tag == "operation-not-supported"


def await_notification(session, name):
    while True:
        node = strip_namespaces(session.notification()[1])
        if node.tag == name:
            return {child.tag: child.text for child in node}


def test_usb_of_a_foreign_machine_and_one_that_comes(sysfs, make_machine):
    daemon = make_machine(component("usb1", admin_state="locked"))
    with daemon.local() as session:
        def reasons():
            return {entry.findtext("path"): entry.findtext("reason")
                    for entry in session.get(STATUS).iter("not-applied")}

        assert any("usb1" in path for path in reasons())
        sysfs.usb("usb1", authorized_default=1, authorized=1)
        uevent(daemon.net, "usb")
        until(lambda: "usb1" in components(daemon), "it is seen")
        (reason,) = [reason for path, reason in reasons().items() if "usb1" in path]
        assert "started without --system" in reason
    assert sysfs.read("bus/usb/devices/usb1/authorized_default") == "1"
    daemon.options = ["--system"]
    daemon.restart()
    until(lambda: sysfs.read("bus/usb/devices/usb1/authorized_default") == "0", "locked")


def test_told_of(sysfs, make_machine):
    """What comes and goes is told of, in the stream and to who follows the datastore; values are not."""
    sysfs.chip(0, "one", temp1_input=1000)
    daemon = make_machine()
    until(lambda: components(daemon), "the first look")
    with daemon.local() as watcher, daemon.local() as follower:
        establish(watcher, STREAM)
        number = on_change(follower, "<yp:datastore-subtree-filter>"
                           f'<hardware xmlns="{HARDWARE}"/></yp:datastore-subtree-filter>',
                           "operational")
        update(follower, number)
        sysfs.chip(0, "one", temp1_input=2000)
        until(lambda: measured(daemon, "one-temp1") == 2000, "read")
        sysfs.chip(1, "two", fan1_input=5)
        uevent(daemon.net, "hwmon")
        assert await_notification(watcher, "hardware-state-change") == {}
        targets = [target for _, target, _ in edits(follower, number)]
        assert targets and all("two-fan1" in target for target in targets)
        sysfs.chip(1, "two", fan1_fault=1)
        uevent(daemon.net, "hwmon")
        assert await_notification(watcher, "hardware-state-oper-disabled") == {"name": "two-fan1"}


class Home(Namespace):
    """The namespace that the guest's kernel began with: devices with ports are born there, and stay."""

    def __init__(self):
        self.name = f"home{os.getpid()}"
        run("ip", "netns", "attach", self.name, "1")
        self.ip("link set lo up")


@pytest.fixture
def home():
    home = Home()
    yield home
    for driver, text in (("bus/netdevsim/del_device", "9"),
                         ("bus/mdio_bus/drivers/dsa-loop/unbind", "fixed-0:1f")):
        with contextlib.suppress(OSError):
            pathlib.Path("/sys", driver).write_text(text)
    for link in "eth0", "br0":
        subprocess.run(["ip", "link", "del", link], check=False, capture_output=True)
    home.close()


@pytest.mark.guest
def test_switch_ports(home, make_daemon):
    daemon = make_daemon(home, config.switch([])).start()
    with daemon.local() as watcher:
        establish(watcher, STREAM)
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
        pathlib.Path("/sys/bus/mdio_bus/drivers/dsa-loop/bind").write_text("fixed-0:1f")
        await_notification(watcher, "hardware-state-change")
        pathlib.Path("/sys/bus/netdevsim/new_device").write_text("9 2")
        until(lambda: len(components(daemon)) >= 8, "switches and ports")
        ports = json.loads(run("devlink", "-j", "port", "show"))["port"]
        for device in "mdio_bus/fixed-0:1f", "netdevsim/netdevsim9":
            names = {port["netdev"]: port["port"] for key, port in ports.items()
                     if key.startswith(device) and port["flavour"] == "physical"}
            found = components(daemon)
            assert names and found[device]["class"] == CLASS["module"]
            assert sorted(found[device]["contains-child"]) == sorted(names)
            for name, number in names.items():
                assert found[name] == {"name": name, "class": CLASS["port"], "parent": device,
                                       "parent-rel-pos": number}
        assert found["netdevsim/netdevsim9"]["description"] == "netdevsim"
        home.ip("link set lan1 name outside1")
        until(lambda: "outside1" in components(daemon), "the new name")
        assert "lan1" not in components(daemon)
        pathlib.Path("/sys/bus/netdevsim/del_device").write_text("9")
        until(lambda: "netdevsim/netdevsim9" not in components(daemon), "gone")
