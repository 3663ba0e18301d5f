"""A steady flow of numbered frames from one link to another, and which of them have not arrived.

Both ends are processes of their own, so that nobody has to wait for the test that they run beside.
"""

import contextlib
import pathlib
import socket
import struct
import subprocess
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from ashlar.frames import ETHERTYPE, frame  # noqa: E402

SO_RCVBUFFORCE = 33
END = 0xFFFFFFFF


def opened(link):
    stream = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    stream.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    stream.bind((link, ETHERTYPE))
    return stream


def send(link, destination, pace):
    """Answers each line with how many were sent by then; ends, as it tells the receiver, with the input."""
    stream = opened(link)
    source = ":".join(f"{byte:02x}" for byte in stream.getsockname()[4])
    asked = socket.socket(fileno=0)
    asked.setblocking(False)
    sent, due = 0, time.monotonic()
    while True:
        with contextlib.suppress(OSError):  # nobody takes it: it is lost
            stream.send(frame(destination, source, struct.pack("!II", sent, 0)))
        sent += 1
        due = max(due + pace, time.monotonic() - 0.1)
        time.sleep(max(0, due - time.monotonic()))
        try:
            question = asked.recv(1)
        except BlockingIOError:
            continue
        if not question:
            break
        asked.setblocking(True)
        asked.sendall(b"%d\n" % sent)
        asked.setblocking(False)
    stream.send(frame(destination, source, struct.pack("!II", END, sent)))


def receive(link):
    """Says when it listens; at the end: how many were sent, how many came, the first that did not."""
    stream = opened(link)
    print("listening", flush=True)
    found = set()
    while True:
        number, sent = struct.unpack("!II", stream.recv(2048)[14:22])
        if number == END:
            break
        found.add(number)
    print(sent, len(found), *sorted(set(range(sent)) - found)[:20], flush=True)


class Flow:
    """From one (namespace, link) to another."""

    def __init__(self, sender, receiver, pace=0.001):
        self.receiver = self.started(receiver, "receive", stdout=subprocess.PIPE)
        assert self.receiver.stdout.readline() == b"listening\n"
        (link,) = [entry for entry in receiver[0].ip_json("link show")
                   if entry["ifname"] == receiver[1]]
        self.socket, theirs = socket.socketpair()
        self.sender = self.started(sender, "send", link["address"], str(pace), stdin=theirs)
        theirs.close()
        self.lines = self.socket.makefile()

    @staticmethod
    def started(end, *words, **streams):
        namespace, link = end
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace.name}", "--",
                                 sys.executable, __file__, words[0], link, *words[1:]], **streams)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.lines.close()
        self.socket.close()
        for process in self.sender, self.receiver:
            process.kill()
            process.wait()
        self.receiver.stdout.close()

    def sent(self):
        """How many frames have been sent so far."""
        self.socket.sendall(b"?")
        return int(self.lines.readline())

    def more(self, count):
        """Lets so many more be sent."""
        end = self.sent() + count
        while self.sent() < end:
            pass

    def end(self):
        """(sent, arrived, numbers of the first that did not arrive)."""
        self.socket.shutdown(socket.SHUT_WR)
        sent, arrived, *missing = map(int, self.receiver.stdout.readline().split())
        return sent, arrived, missing


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        receive(sys.argv[2])
