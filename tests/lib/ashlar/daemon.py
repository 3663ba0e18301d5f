"""One ashlard in a namespace of its own."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from . import DEADLINE, TOP, config, netconf, restconf

READY = r"^ashlard: ready$"
COMPLAINTS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed")


def binary(build=None):
    """The daemon under test: of build/BUILD, else of $ASHLARD, else the sanitized one."""
    if build is None and "ASHLARD" in os.environ:
        return os.environ["ASHLARD"]
    return str(TOP / "build" / (build or "debug") / "src" / "ashlard")


class Daemon:
    """Started by start(); `directory` keeps what it leaves, `log` its lines on standard error."""

    ssh_port = 830
    https_port = 443

    def __init__(self, net, directory, startup=None, build=None, options=(), environment=()):
        self.net = net
        self.environment = dict(environment)
        self.directory = pathlib.Path(directory)
        self.config_dir = self.directory / "cfg"
        self.run_dir = self.directory / "run"
        self.state_dir = self.directory / "var"
        self.binary = binary(build)
        self.options = list(options)
        # one of its own: daemons of other tests run beside this one
        self.cgroup = f"ashlar-{net.name}"
        self.process = None
        self.log = []
        self.changed = threading.Condition()
        self.log_ended = True
        for path in self.config_dir, self.run_dir, self.state_dir:
            path.mkdir(parents=True, exist_ok=True)
        if startup is not None:
            self.startup_file.write_text(config.to_json(startup))

    @property
    def startup_file(self):
        return self.config_dir / "startup-config.cfg"

    @property
    def socket_path(self):
        return self.run_dir / "netconf.sock"

    def command(self, *options):
        """The daemon's command line with its directories and OPTIONS."""
        return [self.binary, "--config-dir", str(self.config_dir), "--run-dir", str(self.run_dir),
                "--state-dir", str(self.state_dir), "--yang-dir", str(TOP / "yang"),
                "--cgroup", f"/{self.cgroup}",
                "--ssh-port", str(self.ssh_port), "--https-port", str(self.https_port),
                *self.options, *options]

    def start(self, timeout=60):
        """Starts it and waits until it serves."""
        assert self.process is None
        begin = len(self.log)
        self.process = subprocess.Popen(
            [str(TOP / "image" / "enter"), self.net.name, *self.command()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", env={**os.environ, **self.environment})
        self.log_ended = False
        self.reader = threading.Thread(target=self.read_log, args=(self.process.stderr,))
        self.reader.start()
        self.wait_log(READY, begin, timeout)
        return self

    def read_log(self, stream):
        for line in stream:
            with self.changed:
                self.log.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.log_ended = True
            self.changed.notify_all()

    def wait_log(self, pattern, begin=0, timeout=DEADLINE):
        """The match of the first line from BEGIN on that has PATTERN."""
        wanted = re.compile(pattern)
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                while begin < len(self.log):
                    if found := wanted.search(self.log[begin]):
                        return found
                    begin += 1
                left = end - time.monotonic()
                assert left > 0 and not self.log_ended, \
                    f"no {pattern!r} in the log:\n" + "\n".join(self.log[-30:])
                self.changed.wait(left)

    def ended(self, timeout=DEADLINE):
        """Waits for its end; the exit status, negative for a signal."""
        status = self.process.wait(timeout)
        self.reader.join(timeout)
        self.process.stderr.close()
        self.process = None
        return status

    def stop(self):
        """SIGTERM: a clean end that leaves the kernel as it is."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.ended()
        assert status == 0, f"exit status {status}:\n" + "\n".join(self.log[-30:])

    def kill(self):
        """SIGKILL, as a crash or the out-of-memory killer would."""
        self.process.kill()
        assert self.ended() == -signal.SIGKILL

    def restart(self):
        self.stop()
        return self.start()

    def reboot(self):
        """What the next boot finds: no run directory."""
        self.stop()
        for path in sorted(self.run_dir.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        return self.start()

    def close(self):
        """Ends it however it is; whatever a sanitizer had to say fails the test."""
        try:
            if self.process is not None:
                if self.process.poll() is None:
                    self.stop()
                else:
                    status = self.ended()
                    raise AssertionError(f"it ended by itself ({status}):\n" +
                                         "\n".join(self.log[-40:]))
        finally:
            if self.process is not None:
                self.process.kill()
                self.ended()
            (self.directory / "log").write_text("\n".join(self.log) + "\n")
        complaints = [line for line in self.log if COMPLAINTS.search(line)]
        assert not complaints, "\n".join(self.log[-60:])

    @property
    def pid(self):
        return self.process.pid

    def rss_kib(self):
        """Resident memory."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])

    def children(self):
        """Its processes."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it is gone again
                if path.read_text().rpartition(")")[2].split()[1] == str(self.pid):
                    found.append(int(path.parent.name))
        return found

    def start_changes(self):
        """How many modifying netlink messages the last start sent."""
        lines = [re.search(r"event=started kernel-changes=(\d+)", line) for line in self.log]
        return int([found for found in lines if found][-1][1])

    # --- clients ------------------------------------------------------------------------------

    def local(self, **options):
        """A NETCONF session over the local socket, as root."""
        return netconf.Session(netconf.local_stream(self.socket_path), **options)

    def ssh(self, user=config.USER, password=config.PASSWORD, key=None, **options):
        """A NETCONF session through OpenSSH's client."""
        stream = netconf.SshStream(self.net, self.ssh_port, self.directory, user, password, key)
        return netconf.Session(stream, **options)

    def ncclient(self, user=config.USER, password=config.PASSWORD, **options):
        """ncclient's manager, connected."""
        return netconf.ncclient_manager(self.net, self.ssh_port, user, password, **options)

    def restconf(self, user=config.USER, password=config.PASSWORD, **options):
        return restconf.Client(self.net, self.https_port, user, password, **options)
