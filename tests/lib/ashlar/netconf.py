"""NETCONF sessions: frames and envelopes spoken by hand, so that tests can also speak them wrongly."""

import os
import re
import socket
import subprocess

from lxml import etree

from . import DEADLINE, config

BASE = config.NETCONF
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
CAPABILITY = "urn:ietf:params:netconf:base:"
END = b"]]>]]>"


class RpcError(Exception):
    """The first <rpc-error> of a reply; `all` has every one."""

    def __init__(self, nodes):
        self.all = [{etree.QName(part).localname: part for part in node} for node in nodes]
        first = self.all[0]

        def text(name):
            return first[name].text.strip() if name in first and first[name].text else None

        self.tag = text("error-tag")
        self.type = text("error-type")
        self.severity = text("error-severity")
        self.app_tag = text("error-app-tag")
        self.path = text("error-path")
        self.message = text("error-message")
        self.info = {etree.QName(part).localname: part.text for part in first.get("error-info", ())}
        super().__init__(f"{self.tag} {self.path or ''} {self.message}")


class Closed(Exception):
    """The other side has ended the stream."""


def local_stream(path):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(DEADLINE)
    stream.connect(str(path))
    return stream


class SshStream:
    """The netconf subsystem behind OpenSSH's client, with the face of a socket."""

    def __init__(self, net, port, directory, user, password, key, host="127.0.0.1"):
        askpass = directory / "askpass"
        askpass.write_text(f"#!/bin/sh\necho '{password}'\n")
        askpass.chmod(0o700)
        inside = ["nsenter", f"--net=/run/netns/{net.name}", "--"] if net else []
        command = [*inside, "ssh", "-F", "none",
                   "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR", "-p", str(port)]
        if key:
            command += ["-i", str(key), "-o", "IdentitiesOnly=yes",
                        "-o", "PreferredAuthentications=publickey"]
        else:
            command += ["-o", "PreferredAuthentications=password"]
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(DEADLINE)
        self.said = open(directory / "ssh.log", "w+")
        environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force",
                       "DISPLAY": ":0"}
        self.process = subprocess.Popen(command + ["-s", f"{user}@{host}", "netconf"],
                                        stdin=theirs, stdout=theirs, stderr=self.said,
                                        env=environment)
        theirs.close()
        self.recv, self.sendall, self.shutdown = \
            self.ours.recv, self.ours.sendall, self.ours.shutdown
        self.settimeout = self.ours.settimeout

    def close(self):
        """Ends the session; the exit status of ssh."""
        self.ours.close()
        status = self.process.wait(DEADLINE)
        self.said.close()
        return status

    def complaint(self):
        self.process.wait(DEADLINE)
        self.said.seek(0)
        return self.said.read()


def strip_namespaces(node):
    """The element with plain names, for short paths in tests."""
    for part in node.iter():
        if isinstance(part.tag, str):
            part.tag = etree.QName(part).localname
    return node


class Session:
    """One NETCONF session; hello is exchanged at once unless HELLO is False."""

    def __init__(self, stream, versions=("1.0", "1.1"), hello=True):
        self.stream = stream
        self.input = b""
        self.chunked = False
        self.message_id = 0
        self.session_id = None
        self.capabilities = []
        self.notifications = []
        if hello:
            self.send_hello(versions)
            self.read_hello(versions)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        return self.stream.close()

    # --- frames -------------------------------------------------------------------------------

    def send_bytes(self, data):
        self.stream.sendall(data)

    def send(self, message):
        """One framed message."""
        data = message.encode() if isinstance(message, str) else message
        if self.chunked:
            self.send_bytes(b"\n#%d\n%s\n##\n" % (len(data), data))
        else:
            self.send_bytes(data + END)

    def more(self):
        data = self.stream.recv(1 << 16)
        if not data:
            raise Closed()
        self.input += data

    def take(self, size):
        while len(self.input) < size:
            self.more()
        data, self.input = self.input[:size], self.input[size:]
        return data

    def take_until(self, mark):
        begin = 0
        while (at := self.input.find(mark, begin)) < 0:
            begin = max(0, len(self.input) - len(mark))
            self.more()
        data, self.input = self.input[:at], self.input[at + len(mark):]
        return data

    def receive(self):
        """The next message's bytes."""
        if not self.chunked:
            return self.take_until(END)
        message = b""
        while True:
            assert self.take(2) == b"\n#", "not a chunk"
            head = self.take_until(b"\n")
            if head == b"#":
                return message
            assert re.fullmatch(rb"[1-9][0-9]{0,9}", head), f"chunk size {head!r}"
            message += self.take(int(head))

    def wait_closed(self):
        """Reads until the daemon ends the stream; what it still said."""
        try:
            while True:
                self.more()
        except (Closed, ConnectionResetError):
            return self.input

    # --- messages -----------------------------------------------------------------------------

    def send_hello(self, versions):
        capabilities = "".join(f"<capability>{CAPABILITY}{version}</capability>"
                               for version in versions)
        self.send(f'<hello xmlns="{BASE}"><capabilities>{capabilities}</capabilities></hello>')

    def read_hello(self, versions):
        hello = etree.fromstring(self.receive())
        assert hello.tag == f"{{{BASE}}}hello"
        self.capabilities = [node.text for node in hello.iter(f"{{{BASE}}}capability")]
        self.session_id = int(hello.findtext(f"{{{BASE}}}session-id"))
        self.chunked = "1.1" in versions and f"{CAPABILITY}1.1" in self.capabilities

    def request(self, body):
        """Sends <rpc> without waiting for the reply; its message-id."""
        self.message_id += 1
        self.send(f'<rpc xmlns="{BASE}" message-id="{self.message_id}">{body}</rpc>')
        return str(self.message_id)

    def message(self):
        return etree.fromstring(self.receive(), etree.XMLParser(huge_tree=True))

    def notification(self):
        """The next notification as an element, whether it came already or is waited for."""
        if self.notifications:
            return self.notifications.pop(0)
        message = self.message()
        assert message.tag == f"{{{NOTIFICATION}}}notification", etree.tostring(message)
        return message

    def reply(self, message_id=None):
        """The next <rpc-reply>; raises RpcError when it reports one. Notifications are kept."""
        while (reply := self.message()).tag == f"{{{NOTIFICATION}}}notification":
            self.notifications.append(reply)
        assert reply.tag == f"{{{BASE}}}rpc-reply", reply.tag
        if message_id is not None:
            assert reply.get("message-id") == message_id
        errors = reply.findall(f"{{{BASE}}}rpc-error")
        if errors:
            raise RpcError(errors)
        return reply

    def rpc(self, body):
        return self.reply(self.request(body))

    # --- operations; configuration is text or RFC 7951 data -------------------------------------

    @staticmethod
    def xml(data):
        return config.to_xml(data) if isinstance(data, dict) else data

    def ok(self, body):
        reply = self.rpc(body)
        assert reply.find(f"{{{BASE}}}ok") is not None, etree.tostring(reply)

    def edit(self, data, target="running", default_operation=None, test_option=None,
             error_option=None):
        options = "".join(f"<{name}>{value}</{name}>" for name, value in (
            ("default-operation", default_operation), ("test-option", test_option),
            ("error-option", error_option)) if value)
        self.ok(f"<edit-config><target><{target}/></target>{options}"
                f"<config>{self.xml(data)}</config></edit-config>")

    def describe(self, text, name="p1", target="running"):
        """The smallest edit: an interface's description."""
        self.edit(config.interfaces({"name": name, "description": text}), target)

    def flood(self, daemon, told):
        """Edits, fifty at a time, until the daemon's log says TOLD."""
        start = len(daemon.log)
        for at in range(0, 9000, 50):
            for i in range(at, at + 50):
                text = self.xml(config.interfaces(*(
                    {"name": f"p{port}", "description": f"{i} {'x' * 50}"}
                    for port in range(1, 5))))
                self.request(f"<edit-config><target><running/></target><config>{text}</config>"
                             "</edit-config>")
            for i in range(50):
                self.reply()
            if any(told in line for line in daemon.log[start:]):
                break
        daemon.wait_log(told, start)

    def data(self, body):
        reply = self.rpc(body)
        node = reply.find(f"{{{BASE}}}data")
        assert node is not None, etree.tostring(reply)
        return strip_namespaces(node)

    @staticmethod
    def filter(subtree, xpath, prefixes=None):
        if xpath is not None:
            declared = "".join(f' xmlns:{prefix}="{config.namespaces()[module]}"'
                               for prefix, module in (prefixes or {}).items())
            quoted = xpath.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
            return f'<filter type="xpath" select="{quoted}"{declared}/>'
        return "" if subtree is None else f'<filter type="subtree">{subtree}</filter>'

    def get(self, subtree=None, xpath=None, prefixes=None):
        """<data> of <get>, names without namespaces."""
        return self.data(f"<get>{self.filter(subtree, xpath, prefixes)}</get>")

    def get_config(self, source="running", subtree=None, xpath=None, prefixes=None):
        return self.data(f"<get-config><source><{source}/></source>"
                         f"{self.filter(subtree, xpath, prefixes)}</get-config>")

    def interface(self, name, source=None):
        """One interface as <get> shows it, or as SOURCE has it; None when it is not there."""
        subtree = (f'<interfaces xmlns="{config.namespaces()["ietf-interfaces"]}">'
                   f"<interface><name>{name}</name></interface></interfaces>")
        data = self.get(subtree) if source is None else self.get_config(source, subtree)
        return data.find("interfaces/interface")

    def copy(self, source, target):
        """copy-config between datastores; a dict as SOURCE is a configuration."""
        given = f"<config>{config.to_xml(source)}</config>" if isinstance(source, dict) \
            else f"<{source}/>"
        self.ok(f"<copy-config><target><{target}/></target><source>{given}</source></copy-config>")

    def delete(self, target):
        self.ok(f"<delete-config><target><{target}/></target></delete-config>")

    def validate(self, source):
        given = f"<config>{config.to_xml(source)}</config>" if isinstance(source, dict) \
            else f"<{source}/>"
        self.ok(f"<validate><source>{given}</source></validate>")

    def lock(self, target="running"):
        self.ok(f"<lock><target><{target}/></target></lock>")

    def unlock(self, target="running"):
        self.ok(f"<unlock><target><{target}/></target></unlock>")

    def kill_session(self, session_id):
        self.ok(f"<kill-session><session-id>{session_id}</session-id></kill-session>")

    def close_session(self):
        self.ok("<close-session/>")


def ncclient_manager(net, port, user, password, **options):
    from ncclient import manager

    return manager.connect(host="127.0.0.1", sock=net.connect("127.0.0.1", port), port=port,
                           username=user, password=password, hostkey_verify=False,
                           allow_agent=False, look_for_keys=False, timeout=DEADLINE, **options)
