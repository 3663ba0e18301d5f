"""One requirement after the other: RFC 6241, 6242 and 6243, and what RFC 7950 says of edit-config.

What a test is of is in its first line. Candidate, confirmed commit, locks of parts, notifications and
what is plainly bad input have files of their own.
"""

import contextlib

import pytest
from lxml import etree

from ashlar import config
from ashlar.daemon import Daemon
from ashlar.netconf import BASE, END, Closed, RpcError
from ashlar.network import Net, until

NS = config.namespaces()
IF, IP, INFIX = NS["ietf-interfaces"], NS["ietf-ip"], NS["infix-interfaces"]
SYSTEM, NACM, TYPES = NS["ietf-system"], NS["ietf-netconf-acm"], NS["infix-if-type"]
WITH_DEFAULTS = NS["ietf-netconf-with-defaults"]
DEFAULT = "urn:ietf:params:xml:ns:netconf:default:1.0"
YANG = "urn:ietf:params:xml:ns:yang:1"
PORTS = 4
P1 = "/if:interfaces/if:interface[if:name='p1']"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One daemon for all: what a test has changed is put back after it."""
    net = Net(PORTS)
    try:
        daemon = Daemon(net, tmp_path_factory.mktemp("rfc"), config.switch(net.ports))
        try:
            yield daemon.start()
        finally:
            daemon.close()
    finally:
        net.close()


@pytest.fixture
def net(server):
    return server.net


@pytest.fixture
def daemon(server):
    yield server

    def put_back():
        # refused as long as a session that has ended holds its locks
        with contextlib.suppress(RpcError), server.local() as session:
            session.ok("<discard-changes/>")
            session.copy(config.switch(server.net.ports), "running")
            session.copy("running", "startup")
            return True

    until(put_back, "the configuration to be as it was")


def refused(nc, body, tag, kind="protocol", **info):
    """The error of an <rpc>: its tag, type and severity as appendix A has them, and its error-info."""
    with pytest.raises(RpcError) as caught:
        nc.rpc(body)
    error = caught.value
    assert (error.tag, error.type, error.severity) == (tag, kind, "error"), vars(error)
    for name, value in info.items():
        assert error.info.get(name.replace("_", "-")) == value, error.info
    return error


def edit_of(data, target="running", options=""):
    return (f"<edit-config><target><{target}/></target>{options}"
            f"<config>{config.to_xml(data) if isinstance(data, dict) else data}</config></edit-config>")


def p1(inside="", attributes=""):
    return (f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}" xmlns:yang="{YANG}"><interface{attributes}>'
            f"<name>p1</name>{inside}</interface></interfaces>")


def subtree(nc, text):
    return nc.get_config(subtree=text)


def interfaces_of(data):
    return {entry.findtext("name"): [part.tag for part in entry]
            for entry in data.iterfind("interfaces/interface")}


# --- RFC 6242, RFC 6241 section 8.1: framing and hello --------------------------------------------

def test_hello(daemon):
    """8.1: capabilities and a session-id of its own; 1.1 behind 1.0, both of the base."""
    with daemon.local() as one, daemon.local() as other:
        assert one.session_id != other.session_id and min(one.session_id, other.session_id) > 0
        for version in "1.0", "1.1":
            assert f"urn:ietf:params:netconf:base:{version}" in one.capabilities
        assert len(set(one.capabilities)) == len(one.capabilities)


def test_hello_of_a_client_has_no_session_id(daemon):
    """8.1: a server that gets one ends the session."""
    with daemon.local(hello=False) as session:
        session.send(f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.1'
                     "</capability></capabilities><session-id>4</session-id></hello>")
        assert session.wait_closed().count(END) == 1


def test_hello_is_sent_unasked(daemon):
    """8.1: both sides begin, neither waits for the other."""
    with daemon.local(hello=False) as session:
        session.read_hello(("1.0",))


def test_second_hello(nc):
    """8.1: a hello is no operation."""
    nc.send(f'<hello xmlns="{BASE}"><capabilities/></hello>')
    with pytest.raises(RpcError) as error:
        nc.reply()
    assert error.value.type == "rpc"


@pytest.mark.parametrize("sizes", [(1,), (7, 3), (4096,)], ids=str)
def test_chunks(nc, sizes):
    """RFC 6242 4.2: a message is what its chunks hold, wherever they cut it."""
    message = (f'<rpc xmlns="{BASE}" message-id="c"><get-config><source><running/></source>'
               "</get-config></rpc>").encode()
    data, at, count = b"", 0, 0
    while at < len(message):
        piece = message[at:at + sizes[count % len(sizes)]]
        data += b"\n#%d\n%s" % (len(piece), piece)
        at, count = at + len(piece), count + 1
    nc.send_bytes(data + b"\n##\n")
    assert nc.reply("c") is not None


def test_end_of_message_framing(daemon):
    """RFC 6242 4.1, 4.3: with a peer of 1.0 only, the marks stay; chunks are not understood."""
    with daemon.local(versions=("1.0",)) as session:
        assert not session.chunked
        session.ok("<validate><source><running/></source></validate>")


# --- section 4: the envelope ----------------------------------------------------------------------

def test_message_id_is_any_text(nc):
    """4.1: the sender's, up to 4095 characters, returned as it was."""
    for text in "a" * 4095, "101", "&lt;&amp;&#x9;", "é":
        nc.send(f'<rpc xmlns="{BASE}" message-id="{text}"><get-config><source><running/></source>'
                "</get-config></rpc>")
        reply = etree.fromstring(nc.receive())
        assert reply.get("message-id") == etree.fromstring(f'<a b="{text}"/>').get("b")


def test_missing_message_id(nc):
    """4.1, 4.3: missing-attribute of type rpc, with what is missing and where."""
    nc.send(f'<rpc xmlns="{BASE}" other="kept"><get/></rpc>')
    with pytest.raises(RpcError) as caught:
        nc.reply()
    error = caught.value
    assert (error.tag, error.type, error.severity) == ("missing-attribute", "rpc", "error")
    assert error.info == {"bad-attribute": "message-id", "bad-element": "rpc"}


def test_pipelining(nc):
    """4.5: requests need not wait for replies, which keep their order; a refused one is no end."""
    asked = [nc.request("<get-config><source><running/></source></get-config>"),
             nc.request("<fly/>"), nc.request("<get-config><source><running/></source></get-config>")]
    assert nc.reply(asked[0]) is not None
    with pytest.raises(RpcError):
        nc.reply(asked[1])
    assert nc.reply(asked[2]) is not None


# --- section 6: subtree filters -------------------------------------------------------------------

def test_no_filter(nc):
    """6.4.1: everything."""
    assert {node.tag for node in nc.get_config()} >= {"interfaces", "system", "nacm"}


def test_empty_filter(nc):
    """6.4.2: nothing, and <data> all the same."""
    for filter in '<filter type="subtree"/>', '<filter type="subtree"></filter>', "<filter/>":
        assert len(nc.data(f"<get-config><source><running/></source>{filter}</get-config>")) == 0
        assert len(nc.data(f"<get>{filter}</get>")) == 0


def test_namespace_selection(nc):
    """6.2.1: only elements of the namespace; of any where none is given."""
    assert [node.tag for node in subtree(nc, f'<system xmlns="{SYSTEM}"/>')] == ["system"]
    assert len(subtree(nc, f'<system xmlns="{IF}"/>')) == 0
    assert len(subtree(nc, '<system xmlns="urn:nowhere"/>')) == 0
    assert [node.tag for node in subtree(nc, '<system xmlns=""/>')] == ["system"]


def test_attribute_match(nc):
    """6.2.2, 6.4.8: nodes have such an attribute, in its namespace, or are not selected."""
    assert len(subtree(nc, f'<interfaces xmlns="{IF}"><interface xmlns:a="urn:a" a:b="c"/>'
                       "</interfaces>")) == 0


def test_containment(nc):
    """6.2.3: a node with children selects what they do and no more."""
    data = subtree(nc, f'<interfaces xmlns="{IF}"><interface><type/></interface></interfaces>')
    assert [node.tag for node in data] == ["interfaces"]
    assert all(parts == ["name", "type"] for parts in interfaces_of(data).values())


def test_selection(nc):
    """6.2.4, 6.4.3: an empty node selects all that is below it."""
    whole = nc.get_config().find("interfaces")
    data = subtree(nc, f'<interfaces xmlns="{IF}"/>')
    assert [node.tag for node in data] == ["interfaces"]
    assert etree.tostring(data[0], method="c14n") == etree.tostring(whole, method="c14n")
    blank = subtree(nc, f'<interfaces xmlns="{IF}">\n  \n</interfaces>')
    assert etree.tostring(blank[0], method="c14n") == etree.tostring(whole, method="c14n")


def test_content_match(nc):
    """6.2.5, 6.4.5: alone with siblings of its kind it selects the whole of what it matches."""
    data = subtree(nc, f'<interfaces xmlns="{IF}"><interface><name>br0</name></interface></interfaces>')
    assert set(interfaces_of(data)) == {"br0"}
    assert {"name", "type", "ipv4"} <= set(interfaces_of(data)["br0"])
    none = subtree(nc, f'<interfaces xmlns="{IF}"><interface><name>none</name></interface></interfaces>')
    assert interfaces_of(none) == {}


def test_content_match_of_other_leaves(nc):
    """6.2.5: not only keys match; all of them must; identities by value, not by prefix."""
    nc.edit(p1("<description>one</description>"))
    for inside, found in (
            ("<description>one</description>", {"p1"}),
            ("<description> one </description>", {"p1"}),
            ("<name>p2</name><description>one</description>", set()),
            ("<name>p1</name><description>two</description>", set()),
            (f'<type xmlns:other="{TYPES}">other:bridge</type>', {"br0"}),
            (f'<type xmlns:other="{IF}">other:bridge</type>', set())):
        data = subtree(nc, f'<interfaces xmlns="{IF}"><interface>{inside}</interface></interfaces>')
        assert set(interfaces_of(data)) == found, inside


def test_content_match_with_selection(nc):
    """6.2.5, 6.4.6: with selection siblings, those and the matched ones."""
    data = subtree(nc, f'<interfaces xmlns="{IF}"><interface><name>br0</name><type/></interface>'
                   "</interfaces>")
    assert interfaces_of(data) == {"br0": ["name", "type"]}
    nc.edit(p1("<description>one</description>"))
    data = subtree(nc, f'<interfaces xmlns="{IF}"><interface><description>one</description><type/>'
                   "</interface></interfaces>")
    (parts,) = interfaces_of(data).values()
    assert set(parts) >= {"description", "type"} and "bridge-port" not in parts


def test_several_subtrees(nc):
    """6.3, 6.4.7: filters beside each other add up; an entry is there once."""
    data = subtree(nc, f'<interfaces xmlns="{IF}"><interface><name>br0</name><type/></interface>'
                   '<interface><name>p1</name></interface><interface><name>br0</name><ipv4 '
                   f'xmlns="{IP}"/></interface></interfaces><system xmlns="{SYSTEM}"/>')
    assert {node.tag for node in data} == {"interfaces", "system"}
    found = interfaces_of(data)
    assert set(found) == {"br0", "p1"} and len(data.findall("interfaces/interface")) == 2
    assert set(found["br0"]) == {"name", "type", "ipv4"} and "bridge-port" in found["p1"]


def test_filter_of_what_is_not_there(nc):
    """6.3: what matches nothing gives nothing, and no error."""
    assert len(subtree(nc, f'<interfaces xmlns="{IF}"><nonsense/></interfaces>')) == 0
    assert len(subtree(nc, f'<interfaces xmlns="{IF}"><interface><description/></interface>'
                       "</interfaces>").findall("interfaces/interface/description")) == 0


def test_filter_of_state(nc):
    """7.7: get has state data too, get-config has none."""
    text = f'<interfaces xmlns="{IF}"><interface><name>p1</name><oper-status/></interface></interfaces>'
    assert interfaces_of(nc.get(text)) == {"p1": ["name", "oper-status"]}
    assert "oper-status" not in str(interfaces_of(subtree(nc, text)))


# --- section 7: operations ------------------------------------------------------------------------

def test_get_config_needs_a_source(nc):
    """7.1, appendix A: missing-element, with its name; unknown ones are unknown-element."""
    refused(nc, "<get-config/>", "missing-element", bad_element="source")
    refused(nc, "<get-config><source><attic/></source></get-config>", "unknown-element",
            bad_element="attic")
    refused(nc, '<get-config><source><a xmlns="urn:a"/></source></get-config>', "unknown-namespace",
            bad_element="a", bad_namespace="urn:a")


def test_edit_config_needs_a_target(nc):
    """7.2: target and config are mandatory."""
    refused(nc, "<edit-config><config/></edit-config>", "missing-element", bad_element="target")
    refused(nc, "<edit-config><target><running/></target></edit-config>", "missing-element")
    refused(nc, edit_of("", options="<error-option>perhaps</error-option>"), "invalid-value",
            bad_element="error-option")
    refused(nc, edit_of("", options="<test-option>perhaps</test-option>"), "invalid-value",
            bad_element="test-option")


def test_error_path_and_info(nc):
    """4.3, appendix A: application errors say which node."""
    error = refused(nc, edit_of(p1(attributes=' nc:operation="create"')), "data-exists", "application")
    assert error.path == P1
    error = refused(nc, edit_of(p1('<description nc:operation="delete"/>')), "data-missing",
                    "application")
    assert error.path == P1 + "/if:description"
    error = refused(nc, edit_of(p1("<nonsense/>")), "unknown-element", "application",
                    bad_element="nonsense")
    assert error.path == P1
    refused(nc, edit_of('<x xmlns="urn:x"/>'), "unknown-namespace", "application",
            bad_namespace="urn:x")
    refused(nc, edit_of(p1('<description nc:operation="fly">x</description>')), "bad-attribute",
            "application", bad_attribute="operation")


def test_operation_attribute_is_inherited(nc):
    """7.2: default-operation for what has no operation, one on an element for all below it."""
    nc.edit(p1("<description>a</description><enabled>false</enabled>"))
    nc.edit(p1("<description>b</description>", ' nc:operation="replace"').replace(
        "</interface>", f'<type xmlns:t="{TYPES}">t:ethernet</type></interface>'))
    assert nc.interface("p1", "running").findtext("enabled") is None
    assert nc.interface("p1", "running").findtext("description") == "b"
    refused(nc, edit_of(p1("<description>c</description>", ' nc:operation="create"')), "data-exists",
            "application")
    nc.edit(p1('<description nc:operation="merge">d</description>'), default_operation="none")
    assert nc.interface("p1", "running").findtext("description") == "d"


@pytest.mark.parametrize("datastore", ["running", "startup", "candidate"])
def test_copy_onto_itself(nc, datastore):
    """7.3: the same as source and target is an invalid-value."""
    refused(nc, f"<copy-config><target><{datastore}/></target><source><{datastore}/></source>"
            "</copy-config>", "invalid-value")


def test_copy_replaces_the_whole(nc, net):
    """7.3: what the source does not have is gone; an inline configuration is a source."""
    nc.edit(p1("<description>gone</description>"))
    whole = config.switch(net.ports[:2])
    nc.copy(whole, "running")
    assert nc.interface("p1", "running").findtext("description") is None
    assert nc.interface("p3", "running") is None
    nc.copy("running", "startup")
    nc.copy(config.switch(net.ports), "candidate")
    assert nc.interface("p3", "candidate") is not None
    nc.copy("startup", "candidate")
    assert nc.interface("p3", "candidate") is None


def test_delete_config(nc):
    """7.4: running cannot be deleted; startup can."""
    with pytest.raises(RpcError) as error:
        nc.delete("running")
    assert error.value.tag in ("unknown-element", "invalid-value", "operation-not-supported")
    nc.delete("startup")
    assert len(nc.get_config("startup")) == 0


@pytest.mark.parametrize("datastore", ["running", "startup", "candidate"])
def test_lock(daemon, nc, datastore):
    """7.5, 7.6: one holder; a second lock of its own is denied as well; only he unlocks."""
    lock, unlock = (f"<{word}><target><{datastore}/></target></{word}>" for word in ("lock", "unlock"))
    with daemon.local() as other:
        nc.ok(lock)
        for session in nc, other:
            refused(session, lock, "lock-denied", session_id=str(nc.session_id))
        with pytest.raises(RpcError):
            other.rpc(unlock)
        nc.ok(unlock)
        with pytest.raises(RpcError):
            nc.rpc(unlock)
        other.ok(lock)
        other.close_session()
    # 7.8: freed with the reply
    nc.ok(lock)


@pytest.mark.parametrize("datastore", ["running", "startup", "candidate"])
def test_what_a_lock_keeps_out(daemon, nc, datastore):
    """7.5: any change by others, whichever operation makes it; the reader is not kept out."""
    with daemon.local() as other:
        other.lock(datastore)
        source = "running" if datastore != "running" else "startup"
        refused(nc, f"<copy-config><target><{datastore}/></target><source><{source}/></source>"
                "</copy-config>", "in-use", "application")
        if datastore != "startup":
            refused(nc, edit_of(p1("<description>x</description>"), datastore), "in-use",
                    "application")
        assert nc.interface("p1", datastore) is not None or datastore == "startup"


def test_lock_of_an_edited_candidate(nc):
    """7.5, 8.3: changes in candidate that nobody has committed keep a lock out."""
    nc.edit(p1("<description>x</description>"), "candidate")
    with pytest.raises(RpcError) as error:
        nc.lock("candidate")
    assert error.value.tag in ("lock-denied", "in-use")
    nc.ok("<discard-changes/>")
    nc.lock("candidate")


def test_close_session(daemon, nc):
    """7.8: an answer, then the end; what came behind it is not done."""
    with daemon.local() as session:
        closing = session.request("<close-session/>")
        session.request(edit_of(p1("<description>too late</description>")))
        session.reply(closing)
        assert b"rpc-reply" not in session.wait_closed()
    assert nc.interface("p1", "running").findtext("description") is None


def test_kill_session(daemon, nc):
    """7.9: at once, its locks go; oneself is an invalid-value."""
    refused(nc, "<kill-session/>", "missing-element", bad_element="session-id")
    for value in str(nc.session_id), "0", "-1", "4294967296", "x", "":
        with pytest.raises(RpcError) as error:
            nc.rpc(f"<kill-session><session-id>{value}</session-id></kill-session>")
        assert error.value.tag == "invalid-value", value
    with daemon.local() as victim:
        victim.lock("candidate")
        nc.kill_session(victim.session_id)
        nc.lock("candidate")
        with pytest.raises((Closed, ConnectionResetError)):
            victim.message()


# --- section 8: capabilities ----------------------------------------------------------------------

def test_validate(nc):
    """8.6: each datastore and a configuration of the client's; nothing changes."""
    for source in "running", "candidate", "startup":
        nc.validate(source)
    nc.validate(config.switch([]))
    error = refused(nc, "<validate><source><config>" + p1("<enabled>maybe</enabled>") +
                    "</config></source></validate>", "invalid-value", "application")
    assert error.path == P1 + "/if:enabled"
    refused(nc, "<validate/>", "missing-element", bad_element="source")
    nc.edit(p1(f'<bridge-port xmlns="{INFIX}"><bridge>none</bridge></bridge-port>'), "candidate")
    refused(nc, "<validate><source><candidate/></source></validate>", "data-missing", "application")


def test_startup(nc):
    """8.7: apart from running until copied; edited only by a copy."""
    nc.edit(p1("<description>running's</description>"))
    assert nc.interface("p1", "startup").findtext("description") is None
    nc.copy("running", "startup")
    nc.edit(p1("<description>later</description>"))
    assert nc.interface("p1", "startup").findtext("description") == "running's"
    nc.copy("startup", "running")
    assert nc.interface("p1", "running").findtext("description") == "running's"


def test_xpath(nc):
    """8.9: select is mandatory; its prefixes are those of the element."""
    refused(nc, '<get><filter type="xpath"/></get>', "missing-attribute", bad_attribute="select",
            bad_element="filter")
    data = nc.data(f'<get-config xmlns:x="{IF}"><source><running/></source><filter type="xpath" '
                   "select=\"/x:interfaces/x:interface[x:name='br0' or x:name='p1']/x:type\"/>"
                   "</get-config>")
    assert interfaces_of(data) == {"br0": ["name", "type"], "p1": ["name", "type"]}
    with pytest.raises(RpcError) as error:
        nc.rpc('<get><filter type="xpath" select="/undeclared:x"/></get>')
    assert error.value.tag == "invalid-value"


@pytest.mark.parametrize("data, tag, info", [
    ("<nope xmlns='urn:x'/>", "unknown-namespace",
     {"bad_element": "nope", "bad_namespace": "urn:x"}),
    (f"<interfaces xmlns='{IF}' xmlns:x='urn:x'><interface><name>p1</name><x:nope/></interface>"
     "</interfaces>", "unknown-namespace", {"bad_element": "nope", "bad_namespace": "urn:x"}),
    (p1("<nope/>"), "unknown-element", {"bad_element": "nope"}),
    (p1("", " nc:operation='fly'"), "bad-attribute",
     {"bad_element": "interface", "bad_attribute": "operation"}),
    (p1("<description nope='x'>d</description>"), "unknown-attribute",
     {"bad_element": "description", "bad_attribute": "nope"}),
    (p1("<description yang:nope='x'>d</description>"), "unknown-attribute",
     {"bad_element": "description", "bad_attribute": "yang:nope"}),
    (f"<nacm xmlns='{NACM}' xmlns:y='{YANG}'><rule-list y:insert='before'><name>n</name>"
     "</rule-list></nacm>", "missing-attribute",
     {"bad_element": "rule-list", "bad_attribute": "key"}),
    (f"<nacm xmlns='{NACM}' xmlns:y='{YANG}'><rule-list y:insert='before' y:key=\"[name='x']\">"
     "<name>n</name></rule-list></nacm>", "bad-attribute",
     {"bad_element": "rule-list", "bad_attribute": "key"}),
    (f"<nacm xmlns='{NACM}' xmlns:y='{YANG}'><rule-list y:insert='around'><name>n</name>"
     "</rule-list></nacm>", "bad-attribute",
     {"bad_element": "rule-list", "bad_attribute": "insert"}),
])
def test_error_info(nc, data, tag, info):
    """Appendix A: error-info names the element, and the attribute or namespace."""
    refused(nc, edit_of(data), tag, "application", **info)


# --- RFC 6243 -------------------------------------------------------------------------------------

def defaults_of(nc, mode, operation="get-config"):
    source = "<source><running/></source>" if operation == "get-config" else ""
    data = nc.data(f'<{operation}>{source}<filter><interfaces xmlns="{IF}"/></filter>'
                   f'<with-defaults xmlns="{WITH_DEFAULTS}">{mode}</with-defaults></{operation}>')
    return {entry.findtext("name"): entry.find("enabled")
            for entry in data.iterfind("interfaces/interface")}


@pytest.mark.parametrize("operation", ["get-config", "get"])
def test_with_defaults(nc, operation):
    """RFC 6243 3.1-3.4: what each mode has of a leaf that is set, set to its default, or not set."""
    nc.edit(p1("<enabled>true</enabled>"))
    nc.edit(p1("<enabled>false</enabled>").replace("p1", "p2"))
    tag = f"{{{DEFAULT}}}default"
    for mode, expected in (
            ("trim", {"p1": None, "p2": "false", "p3": None}),
            ("explicit", {"p1": "true", "p2": "false", "p3": None}),
            ("report-all", {"p1": "true", "p2": "false", "p3": "true"}),
            ("report-all-tagged", {"p1": "true", "p2": "false", "p3": "true"})):
        found = defaults_of(nc, mode, operation)
        assert {name: None if found.get(name) is None else found[name].text
                for name in expected} == expected, mode
        tagged = {name for name in expected if found.get(name) is not None and found[name].get(tag)}
        assert tagged == ({"p3"} if mode == "report-all-tagged" else set()), mode


SUBTREE = (f'<filter><interfaces xmlns="{IF}"><interface><enabled>true</enabled></interface>'
           "</interfaces></filter>")
SIMPLE = """<filter type="xpath" select="/interfaces/interface[enabled='true']"/>"""
GENERAL = """<filter type="xpath" select="//interface[not(enabled='false') and enabled]"/>"""


@pytest.mark.parametrize("filter", [SUBTREE, SIMPLE, GENERAL], ids=["subtree", "xpath", "general"])
@pytest.mark.parametrize("operation", ["get-config", "get"])
def test_with_defaults_before_filter(nc, operation, filter):
    """RFC 6243 4.5.1: a filter is applied to what the mode reports, and to no other defaults."""
    nc.edit(p1("<enabled>true</enabled>"))
    nc.edit(p1("<enabled>false</enabled>").replace("p1", "p2"))
    source = "<source><running/></source>" if operation == "get-config" else ""

    def matches(mode):
        mode = mode and f'<with-defaults xmlns="{WITH_DEFAULTS}">{mode}</with-defaults>'
        data = nc.data(f"<{operation}>{source}{filter}{mode}</{operation}>")
        return {node.text for node in data.iterfind("interfaces/interface/name")} - {"lo", "br0"}

    assert matches("") == matches("explicit") == {"p1"}
    assert matches("trim") == set()
    assert matches("report-all") == matches("report-all-tagged") == {"p1", "p3", "p4"}


def test_with_defaults_on_copy(nc):
    """RFC 6243 4.5.3: not needed where no output is seen: refused or taken, and nothing is lost."""
    try:
        nc.ok(f'<copy-config><target><startup/></target><source><running/></source><with-defaults '
              f'xmlns="{WITH_DEFAULTS}">report-all</with-defaults></copy-config>')
    except RpcError as error:
        assert error.tag in ("unknown-element", "operation-not-supported", "unknown-namespace")
    nc.validate("startup")


# --- RFC 7950: what kinds of nodes do in an edit --------------------------------------------------

def test_presence(nc):
    """7.5.8: a presence container stands for itself, another only for what is in it."""
    nc.edit(p1(f'<ipv4 xmlns="{IP}"/>'))
    assert nc.interface("p1", "running").find("ipv4") is not None
    refused(nc, edit_of(p1(f'<ipv4 xmlns="{IP}" nc:operation="create"/>')), "data-exists",
            "application")
    nc.edit(p1(f'<ipv4 xmlns="{IP}" nc:operation="delete"/>'))
    assert nc.interface("p1", "running").find("ipv4") is None
    refused(nc, edit_of(p1(f'<ipv4 xmlns="{IP}" nc:operation="delete"/>')), "data-missing",
            "application")
    nc.edit(f'<system xmlns="{SYSTEM}"><clock/></system>')
    assert subtree(nc, f'<system xmlns="{SYSTEM}"/>').find("system/clock") is None


def test_choice(nc):
    """7.9: a node of one case takes away those of the others."""
    def bridge(inside):
        nc.edit(f'<interfaces xmlns="{IF}"><interface><name>br0</name><bridge xmlns="{INFIX}">{inside}'
                "</bridge></interface></interfaces>", "candidate")
        entry = nc.interface("br0", "candidate").find("bridge")
        return [part.tag for part in entry]

    assert "vlans" in bridge("<vlans/>")
    cases = bridge("<ieee-group-forward>lldp</ieee-group-forward>")
    assert "vlans" in cases and "ieee-group-forward" in cases


def test_when(nc):
    """8.3.2, 7.21.5: what a changed node makes impossible goes with it."""
    nc.edit(config.interfaces({"name": "br7", "type": "infix-if-type:bridge",
                               "infix-interfaces:bridge": {"vlans": {"vlan": []}}}), "candidate")
    assert nc.interface("br7", "candidate").find("bridge") is not None
    nc.edit(config.interfaces({"name": "br7", "type": "infix-if-type:other"}), "candidate")
    nc.ok("<discard-changes/>")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    # one type's container cannot be given to another
    with pytest.raises(RpcError) as error:
        nc.edit(p1(f'<veth xmlns="{INFIX}"><peer>va</peer></veth>'))
    assert error.value.tag in ("unknown-element", "operation-failed", "bad-element", "invalid-value")


def test_default_value(nc):
    """7.6.1: a leaf that stands by default can be created, and deleting it brings the default back."""
    nc.edit(p1('<enabled nc:operation="create">false</enabled>'))
    assert nc.interface("p1", "running").findtext("enabled") == "false"
    nc.edit(p1('<enabled nc:operation="delete"/>'))
    assert nc.interface("p1", "running").find("enabled") is None
    refused(nc, edit_of(p1('<enabled nc:operation="delete"/>')), "data-missing", "application")
    nc.edit(p1('<enabled nc:operation="remove"/>'))
    assert defaults_of(nc, "report-all")["p1"].text == "true"


def test_union(nc):
    """9.12: the first member type that takes the value; none that does is an invalid-value."""
    def rule(operations):
        return (f'<nacm xmlns="{NACM}"><rule-list><name>l</name><group>g</group><rule><name>r</name>'
                f"<access-operations>{operations}</access-operations><action>deny</action></rule>"
                "</rule-list></nacm>")

    for given, kept in ("*", "*"), ("read", "read"), ("  update create ", "create update"):
        nc.edit(rule(given))
        data = subtree(nc, f'<nacm xmlns="{NACM}"><rule-list><name>l</name></rule-list></nacm>')
        assert data.findtext("nacm/rule-list/rule/access-operations") == kept
    error = refused(nc, edit_of(rule("fly")), "invalid-value", "application")
    assert error.path.endswith("/nacm:rule[nacm:name='r']/nacm:access-operations")


def test_leafref(nc):
    """9.9, 15.5: what is referred to must be there, when the edit is done and not before."""
    error = refused(nc, edit_of(p1(f'<bridge-port xmlns="{INFIX}"><bridge>none</bridge>'
                                   "</bridge-port>")), "data-missing", "application")
    assert error.app_tag == "instance-required"
    assert error.path == P1 + "/infix-if:bridge-port/infix-if:bridge"


def test_when_goes_by_itself(nc):
    """7.21.5, 8.3.2: what stood there goes silently where a when turns false, and is an error where the same
    edit puts it."""
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    nc.edit(config.interfaces({"name": "va", "type": "infix-if-type:bridge"}), "candidate")
    nc.edit(config.interfaces({"name": "vb", "type": "infix-if-type:bridge"}), "candidate")
    nc.ok("<commit/>")
    for name in "va", "vb":
        assert nc.interface(name, "running").find("veth") is None
    error = refused(nc, edit_of(config.interfaces(
        {"name": "va", "type": "infix-if-type:bridge", "infix-interfaces:veth": {"peer": "vb"}})),
        "unknown-element", "application", bad_element="veth")
    assert error.path == "/if:interfaces/if:interface[if:name='va']/infix-if:veth"


def test_case_switch(nc):
    """7.9: a node of one case takes those of the others away; two cases in one request are an error."""
    lists = ("/sn:filters/sn:stream-filter[sn:name='f']", NS["ietf-subscribed-notifications"])

    def put(inside):
        nc.edit(stream_filter(inside))
        data = subtree(nc, f'<filters xmlns="{lists[1]}"/>')
        return [part.tag for part in data.find("filters/stream-filter")]

    assert put("<stream-xpath-filter>/a</stream-xpath-filter>") == ["name", "stream-xpath-filter"]
    assert put("<stream-subtree-filter><a/></stream-subtree-filter>") == [
        "name", "stream-subtree-filter"]
    refused(nc, edit_of(stream_filter(
        "<stream-xpath-filter>/a</stream-xpath-filter>"
        "<stream-subtree-filter><a/></stream-subtree-filter>")), "bad-element", "application")


def stream_filter(inside):
    return (f'<filters xmlns="{NS["ietf-subscribed-notifications"]}"><stream-filter><name>f</name>'
            f"{inside}</stream-filter></filters>")


def test_anydata(daemon, nc):
    """7.10: replaced as a whole, kept with its namespaces, over a restart and a boot too."""
    def content(session):
        reply = session.rpc('<get-config><source><running/></source><filter>'
                            f'<filters xmlns="{NS["ietf-subscribed-notifications"]}"/></filter>'
                            "</get-config>")
        (node,) = reply.iter("{*}stream-subtree-filter")
        return [(part.tag, (part.text or "").strip()) for part in node.iterdescendants()]

    name, ip = f"{{{IF}}}name", f"{{{IP}}}ipv4"
    nc.edit(stream_filter(f'<stream-subtree-filter><interfaces xmlns="{IF}"><interface><name>p1</name>'
                          "</interface><interface><name>p2</name></interface></interfaces>"
                          "</stream-subtree-filter>"))
    assert [text for tag, text in content(nc) if tag == name] == ["p1", "p2"]
    nc.edit(stream_filter(f'<stream-subtree-filter><interfaces xmlns="{IF}"><interface><name>p3</name>'
                          f'<ipv4 xmlns="{IP}"/></interface></interfaces></stream-subtree-filter>'))
    kept = [(f"{{{IF}}}interfaces", ""), (f"{{{IF}}}interface", ""), (name, "p3"), (ip, "")]
    assert content(nc) == kept
    nc.copy("running", "startup")
    for again in daemon.restart, daemon.reboot:
        again()
        with daemon.local() as session:
            assert content(session) == kept


def annotated(value, leaf="", entry=""):
    return (f'<interfaces xmlns="{IF}" xmlns:m="{NS["infix-meta"]}" xmlns:nc="{BASE}">'
            f"<interface{entry}><name>p1</name><description{leaf}>{value}</description></interface>"
            "</interfaces>")


def annotations(session, source="running"):
    """Of the entry p1, and of its description."""
    reply = session.rpc(f"<get-config><source><{source}/></source><filter>"
                        f'<interfaces xmlns="{IF}"><interface><name>p1</name></interface>'
                        "</interfaces></filter></get-config>")
    name = f'{{{NS["infix-meta"]}}}dirty'
    (entry,) = reply.iter(f"{{{IF}}}interface")
    return entry.get(name), entry.find(f"{{{IF}}}description").get(name)


def test_annotations(daemon, nc):
    """RFC 7952: kept beside what they are about: read back, changed, replaced, in the journal and in startup."""
    nc.edit(annotated("x", ' m:dirty="one"'))
    assert annotations(nc) == (None, "one")
    nc.edit(annotated("x", ' m:dirty="two"', ' m:dirty="entry"'))
    assert annotations(nc) == ("entry", "two")
    nc.edit(annotated("y"))
    assert annotations(nc) == ("entry", "two")
    daemon.kill()
    daemon.start()
    with daemon.local() as session:
        assert annotations(session) == ("entry", "two")
        session.edit(annotated("y", ' m:dirty="three"'), "candidate")
        assert annotations(session) == ("entry", "two")
        assert annotations(session, "candidate") == ("entry", "three")
        session.ok("<commit><confirmed/></commit>")
        assert annotations(session) == ("entry", "three")
        session.ok("<cancel-commit/>")
        assert annotations(session) == ("entry", "two")
        session.copy("running", "startup")
    daemon.reboot()
    with daemon.local() as session:
        assert annotations(session) == ("entry", "two")
        session.edit(annotated("y", ' nc:operation="replace"'))
        assert annotations(session) == ("entry", None)
    daemon.kill()
    daemon.start()
    with daemon.local() as session:
        assert annotations(session) == ("entry", None)


def test_startup_tells_the_same(nc):
    """RFC 7950 15: an edit of startup, which is validated whole, fails as one of running does."""
    for data in (
            p1(f'<bridge-port xmlns="{INFIX}"><bridge>none</bridge></bridge-port>'),
            p1(f'<bridge-port xmlns="{INFIX}"><bridge>p2</bridge></bridge-port>'),
            p1(f'<veth xmlns="{INFIX}"><peer>p2</peer></veth>'),
            f'<interfaces xmlns="{IF}"><interface><name>v9</name><type xmlns:t="{TYPES}">t:vlan</type>'
            f'<vlan xmlns="{INFIX}"><id>9</id></vlan></interface></interfaces>'):
        told = []
        for target in "running", "startup":
            with pytest.raises(RpcError) as caught:
                nc.rpc(edit_of(data, target) if target == "running" else whole_startup(nc, data))
            told.append((caught.value.tag, caught.value.app_tag))
        assert told[0] == told[1], data


def whole_startup(nc, data):
    """copy-config of running with DATA in it: what startup is to become is validated as a whole."""
    nc.edit(data, "candidate")
    inside = nc.rpc("<get-config><source><candidate/></source></get-config>").find(f"{{{BASE}}}data")
    nc.ok("<discard-changes/>")
    text = "".join(etree.tostring(part, encoding="unicode") for part in inside)
    return (f"<copy-config><target><startup/></target><source><config>{text}</config></source>"
            "</copy-config>")


def test_keys(nc):
    """7.8.5: keys first, all of them; they cannot change."""
    refused(nc, edit_of(f'<interfaces xmlns="{IF}"><interface><enabled>true</enabled></interface>'
                        "</interfaces>"), "missing-element", "application", bad_element="name")
    nc.edit(f'<interfaces xmlns="{IF}"><interface><description>x</description><name>p1</name>'
            "</interface></interfaces>")
    assert [part.tag for part in nc.interface("p1", "running")][0] == "name"


def test_mandatory(nc):
    """8.3.3: checked when all is done, with the path of what should be there."""
    error = refused(nc, edit_of(
        '<routing xmlns="%s"><control-plane-protocols><control-plane-protocol><name>x</name>'
        "</control-plane-protocol></control-plane-protocols></routing>" % NS["ietf-routing"]),
        "missing-element", "application", bad_element="type")
    assert error.path.startswith("/rt:routing/rt:control-plane-protocols")


def test_attributes_that_mean_nothing(nc):
    """RFC 7952: yang: and nc: attributes where they do not belong are ignored."""
    nc.edit(p1('<description yang:insert="first" yang:value="x">kept</description>'))
    assert nc.interface("p1", "running").findtext("description") == "kept"


def test_ncclient(daemon):
    """All operations as ncclient words them."""
    with daemon.ncclient() as manager:
        for datastore in "running", "candidate", "startup":
            with manager.locked(datastore):
                assert manager.get_config(datastore).data_xml
        manager.discard_changes()
        manager.edit_config(target="candidate", default_operation="merge", test_option="set",
                            config=f"<config>{p1('<description>one</description>')}</config>")
        manager.validate("candidate")
        manager.commit()
        manager.edit_config(target="candidate",
                            config=f"<config>{p1('<description>two</description>')}</config>")
        manager.commit(confirmed=True, timeout="60", persist="token")
        manager.cancel_commit(persist_id="token")
        assert "one" in manager.get_config("running", filter=("subtree", p1())).data_xml
        manager.discard_changes()
        manager.copy_config("candidate", "startup")
        manager.delete_config("startup")
        for mode in "report-all", "trim", "explicit", "report-all-tagged":
            assert manager.get(filter=("subtree", p1()), with_defaults=mode).data_xml
