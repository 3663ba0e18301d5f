"""Strikes at a daemon between any two of its messages to the kernel: see lib/strike.c."""

import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import subprocess

from . import DEADLINE, TOP

NONE, REFUSE, STOP = range(3)
ORDERS = struct.Struct("=III")  # what to do, after how many changes, and what it struck


class Strike:
    """One daemon's; `environment` is what that must be started with."""

    def __init__(self, directory):
        library, path = directory / "strike.so", directory / "strike"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library,
                        TOP / "tests" / "lib" / "strike.c"], check=True)
        path.write_bytes(bytes(ORDERS.size))
        with open(path, "r+b") as file:
            self.orders = mmap.mmap(file.fileno(), ORDERS.size)
        self.environment = {
            "LD_PRELOAD": str(library), "STRIKE_FILE": str(path),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def close(self):
        self.orders.close()

    @contextlib.contextmanager
    def order(self, deed, at):
        """At the ATth change within the block."""
        # what to do comes last: the daemon may be at work
        self.orders[4:] = struct.pack("=II", at, 0)
        self.orders[:4] = struct.pack("=I", deed)
        try:
            yield
        finally:
            self.orders[:4] = struct.pack("=I", NONE)

    @property
    def struck(self):
        """What was struck: the type of a message, 1 for a sysctl; 0 for nothing yet."""
        return ORDERS.unpack(self.orders[:])[2]


def stopped(process, stream, timeout=DEADLINE):
    """Waits until the process has stopped itself, or has something to say: whether it stopped."""
    ours, theirs = socket.socketpair()
    for end in ours, theirs:
        end.setblocking(False)
    was = signal.signal(signal.SIGCHLD, lambda *_: None)
    woken = signal.set_wakeup_fd(theirs.fileno())
    try:
        while not os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG):
            ready, _, _ = select.select([stream, ours], [], [], timeout)
            assert ready, f"neither stopped nor answered within {timeout} s"
            if stream in ready:
                return False
            ours.recv(4096)
        return True
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, was)
        ours.close()
        theirs.close()
