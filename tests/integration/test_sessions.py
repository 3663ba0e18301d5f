"""NETCONF sessions: who gets in, what is spoken, in which order, and how they end."""

import contextlib
import fcntl
import socket
import subprocess
import sys
import termios

import pytest
from lxml import etree

from ashlar import DEADLINE, TOP, config
from ashlar.dead import killed_holding, nothing_is_left
from ashlar.netconf import BASE, Closed, RpcError
from ashlar.network import until

IF = config.namespaces()["ietf-interfaces"]
MONITORING = config.namespaces()["ietf-netconf-monitoring"]
DEFAULTS = config.namespaces()["ietf-netconf-with-defaults"]
TAG = "{urn:ietf:params:xml:ns:netconf:default:1.0}default"
MODES = "explicit", "trim", "report-all", "report-all-tagged"
SESSIONS = f'<netconf-state xmlns="{MONITORING}"><sessions/></netconf-state>'
# What a session's constructor meets when ssh ends: end of stream, or a reset for what it did not read.
TURNED_AWAY = (Closed, ConnectionResetError, BrokenPipeError)
LOCKS = f'<netconf-state xmlns="{MONITORING}"><datastores/></netconf-state>'


def describe(text, name="p1"):
    return (f'<interfaces xmlns="{IF}"><interface><name>{name}</name>'
            f"<description>{text}</description></interface></interfaces>")


def refused(session, body, tag):
    with pytest.raises(RpcError) as error:
        session.rpc(body)
    assert error.value.tag == tag, error.value
    return error.value


def open_sessions(session):
    """{session-id: user} as netconf-state has them."""
    return {int(node.findtext("session-id")): node.findtext("username")
            for node in session.get(SESSIONS).iter("session")}


def test_transports_are_told(nc, daemon):
    """RFC 6022 section 2.1.4: how each session is carried; a local one has an identity of our own."""
    with daemon.ssh() as session:
        reply = nc.rpc(f'<get><filter type="subtree">{SESSIONS}</filter></get>')
        told = {}
        for node in reply.iter(f"{{{MONITORING}}}session"):
            transport = node.find(f"{{{MONITORING}}}transport")
            prefix, name = transport.text.split(":")
            told[int(node.findtext(f"{{{MONITORING}}}session-id"))] = transport.nsmap[prefix], name
        assert told == {
            nc.session_id: ("urn:ashlar:params:xml:ns:yang:ashlar-status", "netconf-local"),
            session.session_id: (MONITORING, "netconf-ssh"),
        }


# --- logging in -----------------------------------------------------------------------------------

def with_users(ports, key):
    """The switch, with a key for admin and a user who may only read."""
    data = config.switch(ports)
    algorithm, blob = key.with_suffix(".pub").read_text().split()[:2]
    users = data["ietf-system:system"]["authentication"]["user"]
    users[0]["authorized-key"] = [{"name": "k", "algorithm": algorithm, "key-data": blob}]
    users.append({"name": "reader", "password": config.HASH})
    return data


@pytest.fixture
def peopled(net, make_daemon, ssh_key):
    return make_daemon(net, with_users(net.ports, ssh_key)).start()


def test_password_and_key(peopled, ssh_key):
    for key in None, ssh_key:
        with peopled.ssh(key=key) as session:
            assert session.interface("br0") is not None
            assert open_sessions(session)[session.session_id] == config.USER
            session.close_session()
            session.wait_closed()
            assert session.close() == 0


@pytest.mark.parametrize("user, password", [
    (config.USER, "wrong"), ("nobody", config.PASSWORD), (config.USER, ""), ("", ""),
])
def test_wrong_password(peopled, user, password):
    with pytest.raises(TURNED_AWAY):
        peopled.ssh(user=user or "-", password=password)
    with peopled.ssh() as session:
        assert session.interface("br0") is not None


def test_another_ones_key(peopled, ssh_key, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    with pytest.raises(TURNED_AWAY):
        peopled.ssh(key=other)
    with pytest.raises(TURNED_AWAY):
        peopled.ssh(user="reader", key=ssh_key)


def test_removed_user_does_not_get_in(peopled):
    with peopled.ssh(user="reader"), peopled.local() as session:
        session.edit({"ietf-system:system": {"authentication": {"user": [
            {"name": "reader", "@operation": "delete"}]}}})
    with pytest.raises(TURNED_AWAY):
        peopled.ssh(user="reader")


def test_only_the_subsystem(peopled, net, ssh_key):
    def ssh(*command):
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{net.name}", "--", "ssh", "-F", "none", "-o",
             "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
             "IdentitiesOnly=yes", "-i", str(ssh_key), "-p", str(peopled.ssh_port),
             f"{config.USER}@127.0.0.1", *command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False)

    assert ssh("true").returncode == 255
    assert ssh("-s", "sftp").returncode == 255
    assert b"</hello>" in ssh("-s", "netconf").stdout


def test_ssh_strangers_are_cut_off(daemon, net):
    with net.connect("127.0.0.1", daemon.ssh_port) as stream:
        stream.settimeout(DEADLINE)
        assert stream.recv(4) == b"SSH-"
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            while stream.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_what_a_reader_may_not(peopled):
    with peopled.ssh(user="reader") as reader, peopled.local() as other:
        assert reader.get_config() is not None
        refused(reader, f"<kill-session><session-id>{other.session_id}</session-id></kill-session>",
                "access-denied")
        refused(reader, "<delete-config><target><startup/></target></delete-config>",
                "access-denied")
        refused(reader, "<edit-config><target><running/></target><config>" + describe("x") +
                "</config></edit-config>", "access-denied")
        # never refused (RFC 8341 section 3.2.4)
        reader.close_session()


# --- what is spoken -------------------------------------------------------------------------------

def test_attributes_come_back(nc):
    nc.send(f'<rpc xmlns="{BASE}" message-id="a&amp;b" xmlns:x="urn:x" x:user=\'f"d\' z="">'
            "<unlock><target><running/></target></unlock></rpc>")
    reply = etree.fromstring(nc.receive())
    assert dict(reply.attrib) == {"message-id": "a&b", "{urn:x}user": 'f"d', "z": ""}


def test_prefixed_envelope_and_payload(nc):
    nc.send(f'<n:rpc xmlns:n="{BASE}" xmlns:i="{IF}" message-id="7"><n:edit-config><n:target>'
            "<n:running/></n:target><config><!-- of ncclient's kind -->"
            '<i:interfaces><i:interface n:operation="merge"><i:name>p1</i:name>'
            "<i:description>a<!-- b -->c<![CDATA[<d>]]>&#101;</i:description></i:interface>"
            "</i:interfaces></config></n:edit-config></n:rpc>")
    nc.reply("7")
    assert nc.interface("p1", "running").findtext("description") == "ac<d>e"


def test_operation_without_namespace_is_refused(nc):
    text = describe("x").replace("<interface>", '<interface operation="delete">')
    error = refused(nc, "<edit-config><target><running/></target><config>" + text +
                    "</config></edit-config>", "unknown-attribute")
    assert error.info["bad-attribute"] == "operation"
    assert nc.interface("p1", "running").findtext("description") is None


def test_error_path_is_xpath_with_prefixes_declared(nc):
    nc.request("<edit-config><target><running/></target><config>"
               f'<interfaces xmlns="{IF}"><interface><name>p1</name><enabled>2</enabled>'
               "</interface></interfaces></config></edit-config>")
    reply = etree.fromstring(nc.receive())
    path = reply.find(f".//{{{BASE}}}error-path")
    assert path.text == "/if:interfaces/if:interface[if:name='p1']/if:enabled"
    assert path.nsmap["if"] == IF


@pytest.mark.parametrize("versions", [("1.0",), ("1.1",), ("1.0", "1.1")])
def test_versions(daemon, versions):
    with daemon.local(versions=versions) as session:
        session.edit(describe("]]&gt;]]&gt;"))
        assert session.interface("p1", "running").findtext("description") == "]]>]]>"


def test_no_version_in_common(daemon):
    with daemon.local(hello=False) as session:
        session.send_hello(["2.0"])
        session.wait_closed()


def test_replies_keep_the_order(nc):
    wanted = [nc.request("<edit-config><target><running/></target><config>" +
                         describe(f"d{i}") + "</config></edit-config>") for i in range(100)]
    wanted.append(nc.request("<get-config><source><running/></source></get-config>"))
    replies = [nc.reply(message_id) for message_id in wanted]
    assert replies[-1].findtext(f".//{{{IF}}}interface[{{{IF}}}name='p1']/{{{IF}}}description") \
        == "d99"


def test_what_was_asked_before_the_end_is_answered(daemon):
    with daemon.local() as session:
        wanted = [session.request("<get-config><source><running/></source></get-config>")
                  for _ in range(50)]
        session.stream.shutdown(socket.SHUT_WR)
        for message_id in wanted:
            session.reply(message_id)
        assert session.wait_closed() == b""


def test_byte_by_byte(nc):
    message = (f'<rpc xmlns="{BASE}" message-id="1"><get-config><source><running/></source>'
               "</get-config></rpc>").encode()
    for byte in b"\n#%d\n%s\n#%d\n%s\n##\n" % (10, message[:10], len(message) - 10, message[10:]):
        nc.send_bytes(bytes([byte]))
    nc.reply("1")


def test_with_defaults(nc):
    def enabled(mode, name):
        data = nc.data("<get-config><source><running/></source><filter>"
                       f'<interfaces xmlns="{IF}"><interface><name>{name}</name></interface>'
                       f'</interfaces></filter><with-defaults xmlns="{DEFAULTS}">{mode}'
                       "</with-defaults></get-config>")
        node = data.find("interfaces/interface/enabled")
        return None if node is None else (node.text, node.get(TAG))

    nc.edit(f'<interfaces xmlns="{IF}"><interface><name>p1</name><enabled>true</enabled>'
            "</interface></interfaces>")
    # what was set to its default value is no default of a server whose basic mode is explicit
    assert [enabled(mode, "p1") for mode in MODES] == \
        [("true", None), None, ("true", None), ("true", None)]
    assert [enabled(mode, "p2") for mode in MODES] == \
        [None, None, ("true", None), ("true", "true")]
    refused(nc, "<get-config><source><running/></source>"
            f'<with-defaults xmlns="{DEFAULTS}">some</with-defaults></get-config>', "invalid-value")


def test_schemas(nc):
    listed = nc.get(f'<netconf-state xmlns="{MONITORING}"><schemas/></netconf-state>')
    count = 0
    for schema in listed.iter("schema"):
        name, version = schema.findtext("identifier"), schema.findtext("version")
        reply = nc.rpc(f'<get-schema xmlns="{MONITORING}"><identifier>{name}</identifier>'
                       f"<version>{version}</version><format>yang</format></get-schema>")
        text = reply.findtext(f"{{{MONITORING}}}data")
        path = TOP / "yang" / f"{name}@{version}.yang"
        assert text == path.read_text() if path.exists() else text.startswith(f"module {name} ")
        count += 1
    assert count > 30


# --- locks and ends -------------------------------------------------------------------------------

def lock_holder(session):
    return session.get(LOCKS).findtext(
        "netconf-state/datastores/datastore[name='running']/locks/global-lock/locked-by-session")


def test_lock(daemon, nc):
    with daemon.local() as other:
        nc.lock()
        assert lock_holder(other) == str(nc.session_id)
        error = refused(other, "<lock><target><running/></target></lock>", "lock-denied")
        assert error.info["session-id"] == str(nc.session_id)
        refused(other, "<edit-config><target><running/></target><config>" + describe("x") +
                "</config></edit-config>", "in-use")
        refused(other, "<unlock><target><running/></target></unlock>", "operation-failed")
        nc.edit(describe("mine"))
        nc.unlock()
        other.edit(describe("other"))


def test_a_dead_session_holds_no_lock(daemon, nc):
    with daemon.local() as other:
        other.lock()
        assert lock_holder(nc) == str(other.session_id)
    until(lambda: lock_holder(nc) is None, "the lock to go")
    nc.lock()


def test_kill_session(daemon, nc):
    with daemon.ssh() as victim:
        victim.lock()
        nc.kill_session(victim.session_id)
        # its lock is gone with the reply
        nc.lock()
        victim.wait_closed()
    assert victim.session_id not in open_sessions(nc)
    refused(nc, f"<kill-session><session-id>{nc.session_id}</session-id></kill-session>",
            "invalid-value")


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_a_killed_client_leaves_nothing(daemon, nc, transport):
    """RFC 6241 7.5, 8.3.5.2, 8.4.1: its locks go, what it did to the locked candidate, and what it did not
    confirm."""
    killed_holding(getattr(daemon, transport))
    nothing_is_left(nc)


# --- clients that go away while something of theirs is under way ------------------------------------

def unread_bytes(daemon, net, session):
    """What the daemon has not yet taken from the session's connection."""
    if isinstance(session.stream, socket.socket):
        queued = fcntl.ioctl(session.stream, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(queued, sys.byteorder)
    lines = net.run("ss", "-Hta", f"sport = {daemon.ssh_port}").splitlines()
    return max(int(line.split()[1]) for line in lines)


@pytest.mark.parametrize("transport", ["local", "ssh"])
@pytest.mark.parametrize("behind", [0, 300_000])
def test_client_gone_while_it_waits(make_daemon, net, transport, behind):
    """It ends while its operation is under way, however much was sent behind that."""
    daemon = make_daemon(net, config.switch(net.ports), options=("--log-level", "info")).start()
    session = getattr(daemon, transport)()
    data = config.to_xml(config.access({f"group{number}": ["somebody"] for number in range(60000)}))
    session.request(f"<edit-config><target><running/></target><config>{data}</config></edit-config>")
    if behind:
        session.send_bytes(bytes(behind))
        until(lambda: unread_bytes(daemon, net, session), "the daemon to take no more")
    if transport == "ssh":
        session.stream.process.kill()
    session.close()
    ended = daemon.wait_log(f"event=session-end session={session.session_id} .*").string
    assert not [line for line in daemon.log[:daemon.log.index(ended)] if "event=commit" in line]
    with daemon.local() as nc:
        nc.edit(describe("after"))


def test_counters(daemon, nc):
    def counters():
        state = nc.get(f'<netconf-state xmlns="{MONITORING}"><statistics/></netconf-state>')
        return {node.tag: int(node.text) for node in state.find("netconf-state/statistics")
                if node.tag != "netconf-start-time"}

    before = counters()
    with daemon.local(hello=False) as session:
        session.send("<hello/>")
        session.wait_closed()
    with daemon.local() as session:
        session.send("no XML")
        with pytest.raises(RpcError):
            session.reply()
        session.close_session()
        session.wait_closed()
    after = counters()
    assert {name: after[name] - before[name] for name in after} == {
        "in-bad-hellos": 1, "in-sessions": 2, "dropped-sessions": 1, "in-rpcs": 2,
        "in-bad-rpcs": 1, "out-rpc-errors": 1, "out-notifications": 0}


def test_many_sessions(daemon, nc):
    sessions = [daemon.local() for _ in range(100)]
    for session in sessions:
        session.request("<get-config><source><running/></source></get-config>")
    for session in sessions:
        assert session.reply() is not None
    assert len(open_sessions(nc)) == 101
    for session in sessions:
        session.close()
    until(lambda: len(open_sessions(nc)) == 1, "the sessions to go")


def test_strangers_keep_nobody_out(daemon, net, nc):
    """Connections that never say anything, however many, cost those who log in nothing."""
    before = daemon.ssh()
    client = daemon.restconf()
    assert client.get("data/ietf-system:system").status == 200
    with contextlib.ExitStack() as silent:
        for port, count in (daemon.https_port, 600), (daemon.ssh_port, 300):
            for _ in range(count):
                silent.enter_context(net.connect("127.0.0.1", port))
        for _ in range(20):
            with daemon.local() as session:
                assert session.interface("br0") is not None
        with daemon.ssh() as session:
            assert session.interface("br0") is not None
        with daemon.restconf() as another:
            assert another.get("data/ietf-system:system").status == 200
        # nor those who had done so
        assert before.interface("br0") is not None
        assert client.get("data/ietf-system:system").status == 200
    before.close()
    client.close()
    assert nc.interface("br0") is not None


def test_ncclient(daemon):
    with daemon.ncclient() as manager:
        manager.edit_config(target="running", error_option="rollback-on-error",
                            config=f"<config>{describe('by ncclient')}</config>")
        with manager.locked("running"):
            manager.copy_config(source="running", target="startup")
        manager.validate("running")
        found = manager.get(("xpath", ({"i": IF}, "/i:interfaces/i:interface[i:name='p1']")))
        assert "by ncclient" in found.xml
        assert manager.get_schema("ietf-interfaces").data.startswith("module ietf-interfaces")
