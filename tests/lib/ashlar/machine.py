"""The appliance in a virtual machine, as image/vm starts it."""

import hashlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading

from . import TOP, netconf, restconf, slots
from .network import until
from .powercut import copy_range, mend, partitions, read_file

BOOT_SECONDS = 900  # emulated, on a loaded machine
# all but the packages
FIELDS = ";".join(["booted", "boot-order", "installer", "slot", "ashlar-software:trial",
                   "ashlar-software:generations"])


class Refused(Exception):
    """An operation's first error."""

    def __init__(self, error):
        self.tag, self.path = error["error-tag"], error.get("error-path")
        self.message = error.get("error-message")
        super().__init__(f"{self.tag} {self.path} {self.message}")


def plain(data):
    """JSON without the names of modules."""
    if isinstance(data, dict):
        return {name.rpartition(":")[2]: plain(value) for name, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, list) else data


def copy_disk(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    return pathlib.Path(target)


class Machine:
    """Its disk and firmware variables are in DIRECTORY; start() pushes the button, cut() pulls the plug."""

    def __init__(self, directory, firmware="uefi", options=(), like=None, disk=None):
        """LIKE: another one, whose user, volume and firmware variables it has too; its disk is DISK."""
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        if like:
            for name in "password", "seed.img", "vars.fd":
                shutil.copy(like.directory / name, self.directory)
            copy_disk(disk or like.disk, self.disk)
        self.firmware = firmware
        self.options = list(options)
        self.process = None
        self.console = ""
        self.changed = threading.Condition()

    @property
    def disk(self):
        return self.directory / "disk.img"

    def mount_option(self, partition, option):
        """From the next start on."""
        start, size = partitions(self.disk)[partition]
        image = self.directory / partition
        copy_range(self.disk, start, image, size)
        assert mend(image)
        subprocess.run(["tune2fs", "-E", f"mount_opts={option}", image], check=True,
                       stdout=subprocess.DEVNULL)
        with open(self.disk, "r+b") as disk:
            disk.seek(start)
            disk.write(image.read_bytes())
        image.unlink()

    def _command(self):
        return [TOP / "image" / "vm", "--firmware", self.firmware, "--state", self.directory,
                *self.options]

    def make_disk(self):
        """As it is before the first start."""
        subprocess.run([*self._command(), "--prepare"], check=True)

    def start(self):
        monitor = self.directory / "qmp"
        monitor.unlink(missing_ok=True)
        self.console = ""
        self.process = subprocess.Popen(
            [*self._command(), "--", "-qmp", f"unix:{monitor},server,nowait"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        self.wait_console("Ctrl-a x")
        ports = re.search(r"-p (\d+) .*?127\.0\.0\.1:(\d+)/restconf", self.console, re.S)
        self.ssh_port, self.https_port = map(int, ports.groups())
        self.password = (self.directory / "password").read_text().strip()
        return self

    def _read(self, process):
        for block in iter(lambda: process.stdout.read1(), b""):
            with self.changed:
                self.console += block.decode(errors="replace").replace("\r", "")
                self.changed.notify_all()
        process.wait()
        with self.changed:
            self.changed.notify_all()

    def wait_console(self, pattern, start=0):
        """The match of PATTERN in what the console says from START on."""
        def match():
            return re.search(pattern, self.console[start:])

        with self.changed:
            self.changed.wait_for(lambda: match() or self.process.returncode is not None,
                                  BOOT_SECONDS)
            assert match(), f"{pattern!r} is not on the console:\n{self.console[-4000:]}"
            return match()

    def monitor(self, command, **arguments):
        """QMP: the machine's own."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(self.directory / "qmp"))
            file = stream.makefile("rw")
            json.loads(file.readline())
            for request in {"execute": "qmp_capabilities"}, {"execute": command,
                                                             "arguments": arguments}:
                file.write(json.dumps(request) + "\n")
                file.flush()
                while "event" in (reply := json.loads(file.readline())):
                    pass
            assert "error" not in reply, reply
            return reply["return"]

    # --- the software that runs ------------------------------------------------------------------

    def software(self):
        """What operational state says of it, slots by name."""
        with self.restconf() as client:
            answer = client.get(f"data/ietf-system:system-state/infix-system:software?fields={FIELDS}")
        assert answer.status == 200, answer.body
        found = plain(answer.json)["software"]
        return found | {"slot": {slot["name"]: slot for slot in found["slot"]}}

    def wait_healthy(self):
        """Until the start does not count any more; what the software is then."""
        def settled():
            software = self.software()
            booted = [slot for slot in software["slot"].values() if slot["state"] == "booted"]
            return software if booted[0]["attempts"] == 0 else None

        return until(settled, "its being healthy", BOOT_SECONDS, 3)

    def operation(self, name, **options):
        """The output of the operation NAME, by RESTCONF; raises Refused when there is an error."""
        module = name.partition(":")[0]
        body = {f"{module}:input": {
            key.replace("__", ":").replace("_", "-"): value for key, value in options.items()}}
        with self.restconf() as client:
            answer = client.post(f"operations/{name}", body if options else None)
        if answer.status >= 400:
            raise Refused(answer.error)
        return plain(answer.json)["output"] if answer.body else {}

    def install(self, url, **options):
        """The RPC install-bundle; what it answers."""
        return self.operation("infix-system:install-bundle", url=url, **{
            f"ashlar_software__{name}": value for name, value in options.items()})

    def slot_digest(self, name):
        """Of what is in the slot, by what this host sees of the disk."""
        start, size = partitions(self.disk)[name]
        rest = slots.read(self.disk, start, size)["size"]
        digest = hashlib.sha256()
        with open(self.disk, "rb") as disk:
            disk.seek(start)
            while rest and (block := disk.read(min(rest, 1 << 20))):
                digest.update(block)
                rest -= len(block)
        return digest.hexdigest()

    def slot_header(self, name):
        return slots.read(self.disk, *partitions(self.disk)[name])

    def generation_file(self, number, name="startup-config.cfg"):
        """What is saved there, while the machine is off."""
        start, size = partitions(self.disk)["cfg"]
        image = self.directory / "cfg"
        copy_range(self.disk, start, image, size)
        assert mend(image)
        return read_file(image, f"/generations/{number}/{name}")

    def cut(self):
        """As a power cut does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.reader.join()

    def netconf(self, user="admin"):
        """A NETCONF session, as soon as the machine gives one."""
        stream = netconf.SshStream(None, self.ssh_port, self.directory, user, self.password, None)
        stream.settimeout(BOOT_SECONDS)
        return netconf.Session(stream)

    def restconf(self, user="admin"):
        return restconf.Client(None, self.https_port, user, self.password)
