"""image/run, with a container in it: however it ends, the machine is as it was, if only after the next."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from ashlar import TOP
from ashlar.daemon import binary
from ashlar.network import run, until

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

WEB = ('{"ietf-restconf:data": {"infix-containers:containers": {"container": [{"name": "web",'
       ' "image": "oci-archive:%s", "network": {"host": true}}]}}}')
DATA = "https://192.0.2.1/restconf/data"


class Demo:
    def __init__(self, name):
        self.name = name
        self.state = pathlib.Path("/var/lib", name)
        self.process = None
        self.text = ""

    def command(self, *options):
        return {"args": [TOP / "image/run", *options],
                "env": {**os.environ, "ASHLAR_DEMO": self.name, "ASHLARD": binary("release")},
                "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                "text": True, "start_new_session": True}

    def read_until(self, words):
        """The line with these words."""
        while line := self.process.stdout.readline():
            self.text += line
            if words in line:
                return line
        raise AssertionError(self.text)

    def start(self):
        """Until it has printed what to try."""
        self.process = subprocess.Popen(**self.command())
        self.read_until("Ctrl-C")
        self.password = re.search(r"-u admin:(\w+) ", self.text)[1]

    def curl(self, *words):
        return run("ip", "netns", "exec", self.name, "curl", "-sk", "-u", f"admin:{self.password}",
                   "-H", "Content-Type: application/yang-data+json", *words)

    def run_container(self, archive):
        assert self.curl("-X", "PATCH", "-d", WEB % archive, DATA) == ""
        until(self.container, "it runs")

    def container(self):
        """How the daemon tells of the running container; None when it does not."""
        return re.search(r"running \(pid \d+\)", self.curl(f"{DATA}/infix-containers:containers"))

    def processes(self):
        """Whoever is in the demo's network: the daemon and its containers."""
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return found.stdout.split()

    def left(self):
        """What a run has made outside its namespaces."""
        groups = [pathlib.Path(top, self.name)
                  for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")]
        return [str(path) for path in (self.state, *groups, *pathlib.Path("/run/netns").glob(
            f"{self.name}*")) if path.exists()]

    def end(self, signal_number, group):
        """Sends the signal and waits until nobody is there any more."""
        (os.killpg if group else os.kill)(self.process.pid, signal_number)
        # what it says is read to its end: whoever holds the pipe is gone then
        self.process.stdout.read()
        self.process.wait(60)
        self.process = None
        until(lambda: not self.processes(), "no process left")


@pytest.fixture
def demo():
    demo = Demo(f"demo{os.getpid()}")
    yield demo
    if demo.process is not None:
        demo.end(signal.SIGTERM, group=False)


@pytest.mark.parametrize("signal_number, group", [
    (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, True), (signal.SIGKILL, False)],
    ids=["ctrl-c", "terminated", "all-killed", "script-killed"])
def test_leaves_nothing(demo, tmp_path, signal_number, group):
    archive = tmp_path / "web.tar"
    run(str(TOP / "tests/lib/make-oci-archive"), str(archive))
    demo.start()
    demo.run_container(archive)
    demo.end(signal_number, group)
    if signal_number == signal.SIGKILL:
        assert demo.left()
        done = subprocess.run(**demo.command("--check"), timeout=300)
        assert done.returncode == 0 and "the printed commands work" in done.stdout, done.stdout
    assert demo.left() == []


def test_a_killed_daemon_is_started_again(demo, tmp_path):
    archive = tmp_path / "web.tar"
    run(str(TOP / "tests/lib/make-oci-archive"), str(archive))
    demo.start()
    demo.run_container(archive)
    before = demo.container()[0]
    (daemon,) = [pid for pid in demo.processes()
                 if pathlib.Path("/proc", pid, "comm").read_text() == "ashlard\n"]
    os.kill(int(daemon), signal.SIGKILL)
    assert "kernel-changes=0" in demo.read_until("event=started")
    demo.read_until("ashlard: ready")
    assert demo.container()[0] == before
