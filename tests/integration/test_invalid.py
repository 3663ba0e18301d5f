"""Bad input gets the right error or is cut off by a limit, and costs no memory."""

import contextlib
import time

import pytest

from ashlar import config
from ashlar.netconf import BASE, RpcError
from ashlar.network import until
from ashlar.restconf import JSON, XML

IF = config.namespaces()["ietf-interfaces"]
IP = config.namespaces()["ietf-ip"]
INFIX = config.namespaces()["infix-interfaces"]
ROUTING = config.namespaces()["ietf-routing"]
SYSTEM = config.namespaces()["ietf-system"]
TYPES = config.namespaces()["infix-if-type"]
LIST = "/if:interfaces/if:interface"
P1 = LIST + "[if:name='p1']"


def port(inside, name="p1"):
    """XML of <interfaces> with something inside one interface."""
    named = f"<name>{name}</name>" if name else ""
    return f'<interfaces xmlns="{IF}"><interface>{named}{inside}</interface></interfaces>'


def typed(name, kind, inside=""):
    return port(f'<type xmlns:t="{TYPES}">t:{kind}</type>{inside}', name)


def attribute(name, value, on="interface"):
    """XML of one leaf of p1, with an attribute of the leaf or of the interface around it."""
    at = {on: f' {name}="{value}"'}
    return (f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}" xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
            f'<interface{at.get("interface", "")}><name>p1</name>'
            f'<description{at.get("description", "")}>x</description></interface></interfaces>')


# Configuration that <edit-config> refuses: error-tag, what error-path begins with, error-app-tag.
EDITS = {
    "unknown element": (port("<nonsense/>"), "unknown-element", P1, None),
    "unknown namespace": ('<x xmlns="urn:nowhere"/>', "unknown-namespace", None, None),
    "wrong type": (port("<enabled>perhaps</enabled>"), "invalid-value", P1 + "/if:enabled", None),
    "out of range": (port(f'<ipv4 xmlns="{IP}"><mtu>20</mtu></ipv4>'), "invalid-value",
                     P1 + "/ip:ipv4/ip:mtu", None),
    "too long": (port(f"<description>{'x' * 65}</description>"), "invalid-value",
                 P1 + "/if:description", None),
    "no such identity": (typed("p1", "nonsense"), "invalid-value", P1 + "/if:type", None),
    "no such identity in a key": (
        f'<routing xmlns="{ROUTING}"><control-plane-protocols><control-plane-protocol>'
        "<type>nonsense</type><name>default</name></control-plane-protocol>"
        "</control-plane-protocols></routing>", "invalid-value",
        "/rt:routing/rt:control-plane-protocols/rt:control-plane-protocol/rt:type", None),
    "no address in a key": (
        port(f'<ipv4 xmlns="{IP}"><address><ip>192.0.2.400</ip><prefix-length>24</prefix-length>'
             "</address></ipv4>"), "invalid-value", P1 + "/ip:ipv4/ip:address/ip:ip", None),
    "no such name": (
        port(f'<bridge xmlns="{INFIX}"><stp><force-protocol>x</force-protocol></stp></bridge>',
             "br0"), "invalid-value",
        LIST + "[if:name='br0']/infix-if:bridge/infix-if:stp/infix-if:force-protocol", None),
    "text of another form": (f'<system xmlns="{SYSTEM}"><hostname>a b</hostname></system>',
                             "invalid-value", "/sys:system/sys:hostname", None),
    "wrong value behind a deletion": (
        port('<description xmlns:nc="%s" nc:operation="remove"/>'
             '<ipv4 xmlns="%s" xmlns:nc="%s"><mtu nc:operation="remove"/></ipv4>'
             "<enabled>perhaps</enabled>" % (BASE, IP, BASE)),
        "invalid-value", P1 + "/if:enabled", None),
    "a leaf twice": (port("<description>a</description><description>b</description>"),
                     "bad-element", P1 + "/if:description", None),
    "a leaf twice, once to be deleted": (
        port(f'<description>a</description><description xmlns:nc="{BASE}" nc:operation="delete"/>'),
        "bad-element", P1 + "/if:description", None),
    "a leaf twice in what is new": (
        typed("br9", "bridge", "<description>a</description><description>b</description>"),
        "bad-element", LIST + "[if:name='br9']/if:description", None),
    "a container twice": (2 * port(""), "bad-element", "/if:interfaces", None),
    "an inner container twice": (port(2 * f'<ipv4 xmlns="{IP}"/>'), "bad-element", P1 + "/ip:ipv4",
                                 None),
    "an entry twice": (f'<interfaces xmlns="{IF}">' + 2 * "<interface><name>p1</name></interface>" +
                       "</interfaces>", "bad-element", P1, None),
    "a key twice": (port("<name>p2</name>"), "bad-element", LIST + "/if:name", None),
    "missing key": (port("<enabled>true</enabled>", name=None), "missing-element", LIST, None),
    "leafref to nothing": (
        port(f'<bridge-port xmlns="{INFIX}"><bridge>br7</bridge></bridge-port>'), "data-missing",
        P1 + "/infix-if:bridge-port/infix-if:bridge", "instance-required"),
    "must violated": (
        port(f'<bridge-port xmlns="{INFIX}"><bridge>p2</bridge></bridge-port>'),
        "operation-failed", P1 + "/infix-if:bridge-port/infix-if:bridge", "must-violation"),
    "must violated by what stands elsewhere": (
        port(f'<ipv4 xmlns="{IP}"><address><ip>203.0.113.9</ip><prefix-length>24</prefix-length>'
             "</address></ipv4>"),
        "operation-failed", P1 + "/infix-if:bridge-port", "must-violation"),
    "mandatory missing": (
        typed("v9", "vlan", f'<vlan xmlns="{INFIX}"><id>9</id></vlan>'), "data-missing",
        LIST + "[if:name='v9']/infix-if:vlan", None),
    "state data": (port("<oper-status>up</oper-status>"), None, P1, None),
    "nobody's node": (
        port(f'<bridge xmlns="{INFIX}"><stp><max-hops>9</max-hops></stp></bridge>', "br0"),
        "operation-not-supported", LIST + "[if:name='br0']", None),
    "unsupported type": (typed("d0", "other"), "operation-not-supported",
                         LIST + "[if:name='d0']/if:type", None),
    "create what exists": (
        f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}"><interface nc:operation="create">'
        "<name>p1</name></interface></interfaces>", "data-exists", P1, None),
    "delete what does not": (
        f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}"><interface nc:operation="delete">'
        "<name>p9</name></interface></interfaces>", "data-missing", LIST + "[if:name='p9']", None),
    "delete a leaf that is not there": (
        port(f'<description xmlns:nc="{BASE}" nc:operation="delete"/>'), "data-missing",
        P1 + "/if:description", None),
    "delete what is mandatory": (port(f'<type xmlns:nc="{BASE}" nc:operation="delete"/>'),
                                 "data-missing", P1 + "/if:type", None),
    "delete what others refer to": (
        f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}"><interface nc:operation="delete">'
        "<name>br0</name></interface></interfaces>", "data-missing",
        LIST + "[if:name='p", "instance-required"),
    "unknown operation": (attribute("nc:operation", "destroy"), "bad-attribute", P1, None),
    "unknown operation on a leaf": (attribute("nc:operation", "destroy", "description"),
                                    "bad-attribute", P1 + "/if:description", None),
    "unknown place": (attribute("yang:insert", "somewhere", "description"), "bad-attribute",
                      P1 + "/if:description", None),
    "two of a choice": (
        port(f'<bridge xmlns="{INFIX}"><vlans/><multicast/></bridge>', "br0"),
        None, LIST + "[if:name='br0']", None),
    "name no interface can have": (typed("a/b", "bridge"), "invalid-value", LIST, None),
}

# What of these must be told: the value at fault, and what is allowed.
TOLD = {
    "must violated by what stands elsewhere": ("203.0.113.9", "IPv4"),
    "delete what is mandatory": ("type is mandatory",),
    "wrong type": ('"perhaps"', "true or false"),
    "out of range": ('"20"', "68..65535"),
    "too long": ('"xxxxx', "0..64 characters"),
    "no such identity": ("nonsense", "infix-if-type:bridge"),
    "no such identity in a key": ('"nonsense"', "infix-routing:static"),
    "no address in a key": ('"192.0.2.400"', "an IPv4 address"),
    "no such name": ('"x"', "stp or rstp"),
    "text of another form": ('"a b"', "text that matches"),
    "wrong value behind a deletion": ('"perhaps"', "true or false"),
    "unknown operation": ('"destroy"', "operation", "merge, replace"),
    "unknown operation on a leaf": ('"destroy"', "operation", "merge, replace"),
    "unknown place": ('"somewhere"', "insert", "first, last"),
}

# Whole bodies of <rpc>.
RPCS = {
    "unknown operation": ("<fly/>", "operation-not-supported"),
    "unknown parameter": ("<get><altitude/></get>", "unknown-element"),
    "missing parameter": ("<get-config/>", "missing-element"),
    "parameter twice": ("<get><filter/><filter/></get>", "bad-element"),
    "unknown datastore": ("<get-config><source><attic/></source></get-config>", "unknown-element"),
    "bad value": ("<edit-config><target><running/></target><default-operation>mix"
                  "</default-operation><config/></edit-config>", "invalid-value"),
    "bad xpath": ('<get><filter type="xpath" select="/if:[["/></get>', "invalid-value"),
    "filter of no type": ('<get><filter type="smell"/></get>', "bad-attribute"),
    "two operations": ("<get/><get/>", None),
    "nobody's session": ("<kill-session><session-id>99999</session-id></kill-session>",
                         "invalid-value"),
    "schema of nobody": (f'<get-schema xmlns="{config.namespaces()["ietf-netconf-monitoring"]}">'
                         "<identifier>nonsense</identifier></get-schema>", "invalid-value"),
}

# Messages that are no <rpc>; the session goes on (RFC 6241 appendix A).
MESSAGES = {
    "not well-formed": (f'<rpc xmlns="{BASE}" message-id="1"><get></rpc>', "malformed-message"),
    "not XML": ("hello", "malformed-message"),
    "nothing": (" ", "malformed-message"),
    "wrong root": (f'<reply xmlns="{BASE}"/>', "malformed-message"),
    "no message-id": (f'<rpc xmlns="{BASE}"><get/></rpc>', "missing-attribute"),
    "entities": ('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
                 f'<rpc xmlns="{BASE}" message-id="1"><get>&b;</get></rpc>', "malformed-message"),
    "very deep": (f'<rpc xmlns="{BASE}" message-id="1">' + "<a>" * 5000 + "</a>" * 5000 + "</rpc>",
                  "malformed-message"),
}

LARGE = 100_000_000


def refused_edit(session, name):
    text, tag, path, app_tag = EDITS[name]
    with pytest.raises(RpcError) as refused:
        session.edit(text)
    error = refused.value
    assert tag is None or error.tag == tag, error
    assert path is None or (error.path or "").startswith(path), error.path
    assert app_tag is None or error.app_tag == app_tag, error.app_tag
    assert error.message
    for words in TOLD.get(name, ()):
        assert words in error.message
    if tag == "bad-attribute":
        assert error.info["bad-attribute"] == TOLD[name][1]


@pytest.fixture
def configured(daemon):
    """A session, and the assurance that nothing it did has changed the configuration."""
    def text():
        with daemon.local() as session:
            return [(node.tag, node.text) for node in session.get_config().iter()]

    before = text()
    with daemon.local() as session:
        yield session
    assert text() == before


@pytest.mark.parametrize("name", EDITS)
def test_edits(configured, name):
    refused_edit(configured, name)
    assert configured.interface("p1", "running").findtext("name") == "p1"


def test_rpcs(configured):
    for name, (text, tag) in RPCS.items():
        with pytest.raises(RpcError) as refused:
            configured.rpc(text)
        assert tag is None or refused.value.tag == tag, (name, refused.value)


def test_messages(configured):
    for name, (text, tag) in MESSAGES.items():
        configured.send(text)
        with pytest.raises(RpcError) as refused:
            configured.reply()
        assert refused.value.tag == tag, (name, refused.value)
        assert refused.value.type == "rpc", name
    configured.get('<interfaces xmlns="urn:nothing"/>')


def test_malformed_in_base_1_0_ends_the_session(daemon):
    with daemon.local(versions=("1.0",)) as session:
        session.send("not XML")
        session.wait_closed()


@pytest.mark.parametrize("data", [
    b"\n#0\n", b"\n#01\n", b"\n#4294967296\n", b"\n#-1\n", b"#5\nhello\n##\n", b"\n#5\nhello##\n",
    b"\n##\n", b"\n#99999999999999999999\n", b"\n#x\n",
])
def test_broken_frames_end_the_session(daemon, data):
    with daemon.local() as session:
        session.send_bytes(data)
        session.wait_closed()
    with daemon.local() as session:
        assert session.interface("br0") is not None


def test_no_hello(daemon):
    with daemon.local(hello=False) as session:
        session.send(f'<rpc xmlns="{BASE}" message-id="1"><get/></rpc>')
        assert b"<hello" in session.wait_closed()


def send_large(session):
    """Sends a message of LARGE bytes, unless the other side ends it before; what it said."""
    body = b"x" * (1 << 20)
    piece = b"\n#%d\n%s" % (len(body), body) if session.chunked else body
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(LARGE // len(piece)):
            session.send_bytes(piece)
    return session.wait_closed()


@pytest.mark.parametrize("versions", [("1.0",), ("1.1",)])
def test_large_message_is_cut_off(daemon, versions):
    with daemon.local(versions=versions) as session:
        assert b"too-big" in send_large(session)


def test_large_chunk_is_cut_off_by_its_size(daemon):
    with daemon.local() as session:
        session.send_bytes(b"\n#%d\n" % LARGE)
        assert b"too-big" in session.wait_closed()


# --- RESTCONF -------------------------------------------------------------------------------------

P1_URI = "data/ietf-interfaces:interfaces/interface=p1"


def one(**members):
    return {"ietf-interfaces:interface": [{"name": "p1", **members}]}


# method, path, body, status, error-tag; a body that is text is sent as it is
REQUESTS = {
    "out of range": ("PUT", P1_URI + "/ietf-ip:ipv4/mtu", {"ietf-ip:mtu": 20}, 400,
                     "invalid-value"),
    "unknown member": ("PATCH", P1_URI, one(nonsense=1), 400, "unknown-element"),
    "wrong type": ("PATCH", P1_URI, one(enabled="perhaps"), 400, "invalid-value"),
    "missing key": ("POST", "data/ietf-interfaces:interfaces",
                    {"ietf-interfaces:interface": [{"enabled": True}]}, 400, "missing-element"),
    "other key": ("PUT", P1_URI, {"ietf-interfaces:interface": [{"name": "p2"}]}, 400,
                  "invalid-value"),
    "leafref to nothing": ("PATCH", P1_URI, one(**{"infix-interfaces:bridge-port": {
        "bridge": "br7"}}), 409, "data-missing"),
    "must violated": ("PATCH", P1_URI, one(**{"infix-interfaces:bridge-port": {"bridge": "p2"}}),
                      500, "operation-failed"),
    "malformed JSON": ("PATCH", P1_URI, '{"ietf-interfaces:interface": [', 400,
                       "malformed-message"),
    "a member twice": ("PATCH", P1_URI, '{"ietf-interfaces:interface": [{"name": "p1", '
                       '"description": "a", "enabled": true, "description": "b"}]}', 400,
                       "malformed-message"),
    "a member twice, written differently": (
        "PATCH", P1_URI, '{"ietf-interfaces:interface": [{"name": "p1", "description": "a", '
        '"descriptio\\u006e": "b"}]}', 400, "bad-element"),
    "an entry twice": ("PATCH", "data/ietf-interfaces:interfaces", config.interfaces(
        {"name": "p1", "description": "a"}, {"name": "p1", "description": "b"}), 400,
        "bad-element"),
    "no JSON": ("PATCH", P1_URI, "hello", 400, "malformed-message"),
    "malformed XML": ("PATCH", P1_URI, f'<interface xmlns="{IF}"><name>p1</interface>', 400,
                      "malformed-message"),
    "no body": ("PATCH", P1_URI, "", 400, None),
    "nobody's node": ("PATCH", "data/ietf-interfaces:interfaces/interface=br0", {
        "ietf-interfaces:interface": [{"name": "br0", "infix-interfaces:bridge": {
            "stp": {"max-hops": 9}}}]}, 501, "operation-not-supported"),
    "exists": ("POST", "data/ietf-interfaces:interfaces", one(), 409, "resource-denied"),
    "does not exist": ("DELETE", "data/ietf-interfaces:interfaces/interface=p9", None, 404, None),
    "leaf does not exist": ("DELETE", P1_URI + "/description", None, 404, None),
    "leaf stands by default": ("DELETE", P1_URI + "/enabled", None, 404, None),
    "container does not exist": ("DELETE", P1_URI + "/ietf-ip:ipv4", None, 404, None),
    "delete what is mandatory": ("DELETE", P1_URI + "/type", None, 409, "data-missing"),
    "delete what others refer to": ("DELETE", "data/ietf-interfaces:interfaces/interface=br0", None,
                                    409, "data-missing"),
    "no such resource": ("GET", "data/ietf-interfaces:nonsense", None, 404, None),
    "no such module": ("GET", "data/nonsense:x", None, 404, None),
    "broken escape": ("GET", "data/ietf-interfaces:interfaces/interface=%zz", None, 400, None),
    "unknown query": ("GET", P1_URI + "?smell=1", None, 400, "invalid-value"),
    "bad depth": ("GET", P1_URI + "?depth=0", None, 400, "invalid-value"),
    "bad fields": ("GET", P1_URI + "?fields=a(b", None, 400, "invalid-value"),
    "no such RPC": ("POST", "operations/ietf-system:fly", None, 404, None),
}


def large(*entries):
    """More entries than a large edit is parsed with at once, and these."""
    fill = [{"name": f"p{number % 4 + 1}"} for number in range(4)]
    many = [{"name": f"none{number}", "type": "infix-if-type:bridge", "description": "x" * 60}
            for number in range(1500)]
    return [*fill, *many, *entries]


@pytest.mark.parametrize("twice", [
    {"interface": large({"name": "p1", "description": "again"})},
    {"interface": large({"name": "none7", "type": "infix-if-type:bridge"})},
], ids=["was there", "is new"])
def test_twice_in_a_large_edit(configured, daemon, twice):
    with pytest.raises(RpcError) as refused:
        configured.edit({"ietf-interfaces:interfaces": twice})
    name = twice["interface"][-1]["name"]
    assert refused.value.tag == "bad-element"
    assert refused.value.path == LIST + f"[if:name='{name}']"
    with daemon.restconf() as client:
        response = client.patch("data/ietf-interfaces:interfaces",
                                {"ietf-interfaces:interfaces": twice})
        assert response.status == 400
        assert response.error["error-tag"] == "bad-element"
        assert name in response.error["error-path"]


def test_a_container_twice_in_a_large_edit(configured):
    with pytest.raises(RpcError) as refused:
        configured.edit(config.to_xml(config.interfaces(*large())) + port(""))
    assert (refused.value.tag, refused.value.path) == ("bad-element", "/if:interfaces")


def refused_request(client, name):
    method, path, body, status, tag = REQUESTS[name]
    headers = {"Content-Type": XML if body.startswith("<") else JSON} if isinstance(body, str) else {}
    response = client.request(method, path, body, {"Accept": JSON, **headers})
    assert response.status == status, (name, response.status, response.body)
    assert tag is None or response.error["error-tag"] == tag, (name, response.body)
    return response


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(configured, daemon, name):
    with daemon.restconf() as client:
        refused_request(client, name)
        # the connection goes on
        assert client.get(P1_URI).status == 200


def test_path_of_a_wrong_value_in_xml(configured, daemon):
    """... leads to the leaf, however far above it the request begins."""
    mtu = f'<mtu xmlns="{IP}">20</mtu>'
    ipv4 = f'<ipv4 xmlns="{IP}"><mtu>20</mtu></ipv4>'
    with daemon.restconf() as client:
        for uri, body in (P1_URI + "/ietf-ip:ipv4/mtu", mtu), (P1_URI + "/ietf-ip:ipv4", ipv4), \
                (P1_URI, f'<interface xmlns="{IF}"><name>p1</name>{ipv4}</interface>'):
            response = client.request("PUT", uri, body, {"Content-Type": XML, "Accept": JSON})
            assert response.status == 400
            assert response.error["error-path"] == \
                "/ietf-interfaces:interfaces/interface[name='p1']/ietf-ip:ipv4/mtu", uri
            assert "68..65535" in response.error["error-message"]


def test_malformed_xml(configured, daemon):
    with daemon.restconf() as client:
        for body in "<interface", f'<interface xmlns="{IF}"><name>p1</interface>', "":
            response = client.patch(P1_URI, body, **{"Content-Type": XML, "Accept": XML})
            assert response.status == 400, body
            assert response.xml.tag == "{urn:ietf:params:xml:ns:yang:ietf-restconf}errors"


def raw(daemon, data, timeout=60):
    """What comes back on a TLS connection of its own until the daemon ends it."""
    with daemon.restconf() as client:
        client.connection.connect()
        stream = client.connection.sock
        stream.settimeout(timeout)
        reply = b""
        try:
            stream.sendall(data)
        except OSError:
            pass
        try:
            while piece := stream.recv(65536):
                reply += piece
        except ConnectionResetError:
            pass
        return reply


def head(daemon, *lines, request="PATCH /restconf/data HTTP/1.1"):
    token = daemon.restconf().headers["Authorization"]
    return "\r\n".join([request, "Host: x", f"Authorization: {token}", f"Content-Type: {JSON}",
                        *lines, "", ""]).encode()


def test_large_body_is_refused_by_its_length(daemon):
    reply = raw(daemon, head(daemon, f"Content-Length: {LARGE}"))
    assert reply.startswith(b"HTTP/1.1 413 ")


def test_large_body_in_chunks_is_cut_off(daemon):
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    reply = raw(daemon, head(daemon, "Transfer-Encoding: chunked") + piece * (LARGE // len(piece)))
    assert reply == b"" or reply.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("lines, status", [
    (["Content-Length: 1", "Transfer-Encoding: chunked"], 400),
    (["Content-Length: 1", "Content-Length: 2"], 400),
    (["Content-Length: +1"], 400),
    (["Transfer-Encoding: gzip"], 501),
    (["Transfer-Encoding : chunked"], 400),
    ([" folded"], 400),
    (["Long: " + "x" * 20000], 431),
    (["Host: y"], 400),
])
def test_what_could_be_smuggled(daemon, lines, status):
    assert raw(daemon, head(daemon, *lines)).startswith(b"HTTP/1.1 %d " % status)


def test_body_of_a_stranger_is_not_read(daemon):
    reply = raw(daemon, b"PATCH /restconf/data HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 401 ")


def test_not_tls(net, daemon):
    with net.connect("127.0.0.1", daemon.https_port) as stream:
        stream.sendall(b"GET /restconf HTTP/1.1\r\nHost: x\r\n\r\n")
        while stream.recv(4096):
            pass


# --- silence --------------------------------------------------------------------------------------

HALF = b"\n#200\n<rpc xmlns="


def silent(send, seconds):
    """Time until the other side ends what SEND has begun."""
    begin = time.monotonic()
    send()
    assert time.monotonic() - begin == pytest.approx(seconds, rel=0.2)


def test_half_a_head_and_then_silence(daemon):
    silent(lambda: raw(daemon, head(daemon)[:-2]), 10)


@pytest.mark.guest
@pytest.mark.time_travel
@pytest.mark.timeout(0)
def test_silence(net, daemon):
    """Whatever the peer owes us, it has a limited time for it, and nobody else notices."""
    def half_a_message(options):
        with daemon.local(**options) as session:
            session.stream.settimeout(100000)
            session.send_bytes(HALF if session.chunked else b"<rpc xmlns=")
            session.wait_closed()

    def no_hello():
        with daemon.local(hello=False) as session:
            session.stream.settimeout(100000)
            session.wait_closed()

    def nothing(port):
        with net.connect("127.0.0.1", port, timeout=100000) as stream:
            while stream.recv(4096):
                pass

    silent(lambda: half_a_message({}), 60)
    silent(lambda: half_a_message({"versions": ("1.0",)}), 60)
    silent(no_hello, 60)
    silent(lambda: nothing(daemon.ssh_port), 30)
    silent(lambda: nothing(daemon.https_port), 10)
    silent(lambda: raw(daemon, head(daemon, "Content-Length: 9") + b"half", timeout=100000), 60)
    silent(lambda: raw(daemon, head(daemon, request="GET /restconf HTTP/1.1"), timeout=100000), 60)
    with daemon.local() as session:
        assert session.interface("br0") is not None


@pytest.mark.guest
@pytest.mark.time_travel
@pytest.mark.timeout(0)
def test_whole_replies_unread(nc, daemon):
    """Who asks and does not read keeps the memory that its answers take for a minute, not for ever."""
    with daemon.local() as session:
        def ask():
            for _ in range(400):
                session.request("<get-config><source><running/></source></get-config>")
            daemon.wait_log("does not read its replies", timeout=100000)

        silent(ask, 60)
        assert nc.interface("br0") is not None


@pytest.mark.guest
@pytest.mark.time_travel
@pytest.mark.timeout(0)
def test_idle_sessions_end(daemon):
    with daemon.ssh() as session:
        session.stream.settimeout(100000)
        silent(session.wait_closed, 3600)


# --- memory ---------------------------------------------------------------------------------------


def large_body(daemon):
    assert raw(daemon, head(daemon, f"Content-Length: {LARGE}")).startswith(b"HTTP/1.1 413 ")


def half_request(daemon):
    with daemon.restconf() as client:
        client.connection.connect()
        client.connection.sock.sendall(head(daemon, "Content-Length: 100000") + b"x" * 50000)


def half_message(daemon):
    with daemon.local() as session:
        session.send_bytes(b"\n#100000\n" + b"x" * 50000)


def large_chunk(daemon):
    with daemon.local() as session:
        session.send_bytes(b"\n#%d\n" % LARGE)
        session.wait_closed()


def broken_frame(daemon):
    with daemon.local() as session:
        session.send_bytes(b"\n#0\n")
        session.wait_closed()


@pytest.fixture
def release(net, make_daemon):
    return make_daemon(net, config.switch(net.ports), build="release").start()


def stays(daemon, what, action, count=1000, warm=300):
    """Repeats ACTION; how many KiB the daemon has grown by once it is warm."""
    def settled():
        with daemon.local() as session:
            session.rpc('<get><filter type="subtree"/></get>')
        return daemon.rss_kib()

    for _ in range(warm):
        action()
    before = settled()
    for _ in range(count):
        action()
    # connections that were left are gone after a turn or two
    until(lambda: settled() - before <= 256, f"{what}: back to {before} KiB", timeout=5)


@pytest.mark.host
@pytest.mark.timeout(900)
class TestMemory:
    def test_netconf(self, release):
        with release.local() as session:
            def rpc(text):
                with pytest.raises(RpcError):
                    session.rpc(text)

            def message(text):
                session.send(text)
                with pytest.raises(RpcError):
                    session.reply()

            for name in EDITS:
                stays(release, name, lambda: refused_edit(session, name))
            for name, (text, _) in RPCS.items():
                stays(release, name, lambda: rpc(text))
            for name, (text, _) in MESSAGES.items():
                stays(release, name, lambda: message(text))

    def test_restconf(self, release):
        with release.restconf() as client:
            for name in REQUESTS:
                stays(release, name, lambda: refused_request(client, name))

    @pytest.mark.parametrize("action", [
        half_message, large_chunk, broken_frame, half_request, large_body])
    def test_connections(self, release, action):
        stays(release, action.__name__, lambda: action(release))

    def test_large_message(self, release):
        def send():
            with release.local(versions=("1.0",)) as session:
                send_large(session)

        stays(release, "large message", send, count=100, warm=20)
