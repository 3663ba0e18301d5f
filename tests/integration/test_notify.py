"""Notifications: subscriptions of RFC 5277, and what the base notifications of RFC 6470 tell."""

import datetime

import pytest

from ashlar import config
from ashlar.netconf import NOTIFICATION, Closed, RpcError, strip_namespaces

CAPABILITY = "urn:ietf:params:netconf:capability:"
BASE_NS = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
MANAGE_NS = "urn:ietf:params:xml:ns:netmod:notification"


def create(**parameters):
    """<create-subscription> with its parameters in the order of the model."""
    order = ["stream", "filter", "startTime", "stopTime"]
    assert set(parameters) <= set(order)
    inside = "".join(
        parameters[name] if parameters[name].startswith("<")
        else f"<{name}>{parameters[name]}</{name}>" for name in order if name in parameters)
    return f'<create-subscription xmlns="{NOTIFICATION}">{inside}</create-subscription>'


def time_of(message):
    text = message.findtext(f"{{{NOTIFICATION}}}eventTime")
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_time(when):
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def event(session):
    """What the next notification tells, without namespaces; its name is the tag."""
    message = session.notification()
    assert len(message) == 2 and message[0].tag == f"{{{NOTIFICATION}}}eventTime"
    return strip_namespaces(message[1])


def changes(node):
    return [(edit.findtext("operation"), edit.findtext("target")) for edit in node.iter("edit")]


def refused(tag, call, *arguments):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert error.value.tag == tag, error.value
    return error.value


@pytest.fixture
def subscribed(daemon):
    """A session that gets everything but what sessions begin and end."""
    with daemon.local() as session:
        session.ok(create(filter=f'''<filter type="xpath" xmlns:n="{BASE_NS}"
            select="not(/n:netconf-session-start) and not(/n:netconf-session-end)"/>'''))
        yield session


# --- RFC 5277 -----------------------------------------------------------------------------------


def test_capabilities(nc):
    """5277 3.1.1, 6.2.1."""
    assert {CAPABILITY + "notification:1.0", CAPABILITY + "interleave:1.0"} <= set(nc.capabilities)


def test_message(nc, subscribed):
    """5277 2.2.1, 4: the message, its time and content, and between replies the session goes on."""
    before = now()
    nc.describe("x")
    message = subscribed.notification()
    assert before <= time_of(message) <= now()
    assert message[1].tag == f"{{{BASE_NS}}}netconf-config-change"
    assert subscribed.interface("p1").findtext("description") == "x"


def test_interleaved(daemon):
    """5277 6: the subscribed session's own edits are answered and told."""
    with daemon.local() as session:
        session.ok(create())
        for text in "abc":
            session.describe(text)
        assert [event(session).tag for _ in range(3)] == ["netconf-config-change"] * 3


def test_stream(nc):
    """5277 2.1.1: the stream by its name; 3.2.5.1: what streams there are."""
    stream = nc.get(f'<netconf xmlns="{MANAGE_NS}"><streams/></netconf>').find(
        "netconf/streams/stream")
    assert stream.findtext("name") == "NETCONF" and stream.findtext("replaySupport") == "true"
    assert stream.findtext("description") and stream.findtext("replayLogCreationTime")
    refused("invalid-value", nc.ok, create(stream="none"))
    nc.ok(create(stream="NETCONF"))


def test_one(nc):
    """5277 2.1.1: a second one in the same session is refused, and the first goes on."""
    nc.ok(create())
    refused("in-use", nc.ok, create())
    nc.describe("x")
    assert event(nc).tag == "netconf-config-change"


def test_subtree_filter(nc, daemon):
    """5277 3.6: what a subtree filter selects nothing of is not sent."""
    with daemon.local() as session:
        session.ok(create(filter=f"""<filter><netconf-config-change xmlns="{BASE_NS}">
            <edit><operation>delete</operation></edit></netconf-config-change></filter>"""))
        nc.describe("x")
        nc.edit('<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces" '
                f'xmlns:nc="{config.NETCONF}"><interface><name>p1</name>'
                '<description nc:operation="delete"/></interface></interfaces>')
        assert [operation for operation, _ in changes(event(session))] == ["delete"]


def test_empty_filter(nc, daemon):
    """6241 6.4.2: an empty filter selects nothing."""
    with daemon.local() as session:
        session.ok(create(filter="<filter/>"))
        nc.describe("x")
        assert session.interface("p1").findtext("description") == "x"
        assert not session.notifications


@pytest.mark.parametrize("select, passes", [
    ("/n:netconf-config-change", True),
    ("n:netconf-config-change/n:datastore", True),
    ("/n:netconf-config-change[n:datastore = 'startup']", False),
    ("n:netconf-config-change/n:datastore = 'running'", True),
    ("count(//n:edit) > 1", False),
    ("/n:netconf-session-start | /n:netconf-config-change/n:edit", True),
])
def test_xpath_filter(nc, daemon, select, passes):
    """5277 3.6: the expression's value as a boolean decides."""
    with daemon.local() as session:
        quoted = select.replace(">", "&gt;")
        session.ok(create(filter=f'<filter type="xpath" xmlns:n="{BASE_NS}" select="{quoted}"/>'))
        nc.describe("x")
        # Replies follow what was to be sent before; notifications may come a turn later.
        nc.describe("y")
        with daemon.local() as last:
            last.close_session()
        session.interface("p1")
        assert session.interface("p1").findtext("description") == "y"
        told = [node[1].tag for node in session.notifications]
        assert (f"{{{BASE_NS}}}netconf-config-change" in told) == passes


@pytest.mark.parametrize("filter", [
    '<filter type="xpath" select="/none:of-ours"/>',
    '<filter type="xpath" select="/a[b"/>',
    '<filter type="xpath"/>',
    '<filter type="other"><a xmlns="urn:a"/></filter>',
])
def test_bad_filter(nc, filter):
    """5277 2.1.1: a filter of invalid syntax."""
    with pytest.raises(RpcError):
        nc.ok(create(filter=filter))
    nc.ok(create())


def test_bad_times(nc):
    """5277 2.1.1: the errors about startTime and stopTime."""
    hour = datetime.timedelta(hours=1)
    error = refused("missing-element", nc.ok, create(stopTime=text_time(now() + hour)))
    assert error.type == "protocol" and error.info["bad-element"] == "startTime"
    error = refused("bad-element", nc.ok, create(startTime=text_time(now() + hour)))
    assert error.type == "protocol" and error.info["bad-element"] == "startTime"
    error = refused("bad-element", nc.ok, create(startTime=text_time(now() - hour),
                                                 stopTime=text_time(now() - 2 * hour)))
    assert error.type == "protocol" and error.info["bad-element"] == "stopTime"
    refused("bad-element", nc.ok, create(startTime="yesterday"))
    refused("unknown-element", nc.ok, create(filter="<filters/>"))


def test_replay(nc, daemon):
    """5277 3.3.2: logged events since startTime, then replayComplete, then what happens."""
    nc.describe("before")
    start = now()
    nc.describe("a")
    nc.describe("b")
    with daemon.local() as session:
        session.ok(create(startTime=text_time(start), filter=f"""<filter>
            <netconf-config-change xmlns="{BASE_NS}"/></filter>"""))
        first, second = session.notification(), session.notification()
        assert start <= time_of(first) < time_of(second)
        complete = session.notification()
        assert complete[1].tag == f"{{{MANAGE_NS}}}replayComplete"
        nc.describe("c")
        assert event(session).tag == "netconf-config-change"


def test_replay_zone(nc, daemon):
    """5277 2.1.1: time zones are understood."""
    start = now()
    nc.describe("a")
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    with daemon.local() as session:
        session.ok(create(startTime=start.astimezone(zone).isoformat()))
        assert event(session).tag == "netconf-config-change"
        assert event(session).tag == "netconf-session-start"
        assert event(session).tag == "replayComplete"


def test_replay_past(nc, daemon):
    """5277 3.3.2: with a stopTime that is past only the log is sent; then notificationComplete."""
    start = now()
    nc.describe("a")
    stop = now()
    nc.describe("b")
    with daemon.local() as session:
        session.ok(create(startTime=text_time(start), stopTime=text_time(stop)))
        assert [event(session).tag for _ in range(3)] == [
            "netconf-config-change", "replayComplete", "notificationComplete"]
        session.ok(create())  # it is over: another may come


def test_stop(nc, daemon):
    """5277 2.1.1, 3.3.2: until stopTime."""
    with daemon.local() as session:
        stop = now() + datetime.timedelta(milliseconds=700)
        session.ok(create(startTime=text_time(now()), stopTime=text_time(stop)))
        assert event(session).tag == "replayComplete"
        nc.describe("a")
        assert event(session).tag == "netconf-config-change"
        message = session.notification()
        assert message[1].tag == f"{{{MANAGE_NS}}}notificationComplete"
        assert now() >= stop
        nc.describe("b")
        session.get("<a xmlns='urn:none'/>")
        assert not session.notifications


def test_log_bounded(nc, daemon):
    """5277 3.3.1: the log drops the oldest; replayLogAgedTime says so."""
    stream = f'<netconf xmlns="{MANAGE_NS}"><streams/></netconf>'
    assert nc.get(stream).findtext(".//replayLogAgedTime") is None
    start = now()
    for at in range(0, 4200, 50):
        for i in range(50):
            nc.request("<edit-config><target><running/></target><config>"
                       + nc.xml(config.interfaces({"name": "p1", "description": str(at + i)}))
                       + "</config></edit-config>")
        for i in range(50):
            nc.reply()
    assert nc.get(stream).findtext(".//replayLogAgedTime")
    with daemon.local() as session:
        session.ok(create(startTime=text_time(start)))
        count = 0
        while event(session).tag != "replayComplete":
            count += 1
        assert 500 < count <= 4096


def test_session_counters(nc, subscribed):
    """6022 2.1.5: out-notifications."""
    nc.describe("x")
    event(subscribed)
    sessions = nc.get('<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
                      "<sessions/></netconf-state>")
    counts = {int(node.findtext("session-id")): node.findtext("out-notifications")
              for node in sessions.iter("session")}
    assert counts[subscribed.session_id] == "1" and counts[nc.session_id] == "0"


def test_slow_reader(nc, daemon):
    """Who does not read costs nothing but the place in the log, and at last the session."""
    with daemon.local() as session:
        session.ok(create())
        nc.flood(daemon, "does not read its notifications")
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                session.message()


# --- access control -----------------------------------------------------------------------------


def test_access(net, make_daemon):
    """8341 3.4.6: notifications that are not permitted are not sent, and counted."""
    startup = config.switch(net.ports)
    startup["ietf-netconf-acm:nacm"] = {
        "groups": {"group": [{"name": "watchers", "user-name": ["admin"]}]},
        "rule-list": [{"name": "l", "group": ["watchers"], "rule": [
            {"name": "no-changes", "module-name": "ietf-netconf-notifications",
             "notification-name": "netconf-config-change", "access-operations": "read",
             "action": "deny"}]}]}
    daemon = make_daemon(net, startup).start()
    with daemon.local() as root, daemon.ssh() as session:
        session.ok(create())
        root.describe("x")
        with daemon.local():
            pass
        assert event(session).tag == "netconf-session-start"
        denied = root.get('<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm">'
                          "<denied-notifications/></nacm>")
        assert int(denied.findtext(".//denied-notifications")) == 1


# --- RFC 6470 -----------------------------------------------------------------------------------


def test_config_change(nc, subscribed):
    """6470 2.1: who changed what, the topmost nodes and what was done to them."""
    nc.edit(config.interfaces({"name": "p1", "description": "x"},
                              config.veth("va", "vb"), config.veth("vb", "va")))
    node = event(subscribed)
    assert node.findtext("changed-by/username") == "root"
    assert node.findtext("changed-by/session-id") == str(nc.session_id)
    assert node.findtext("datastore") == "running"
    entry = "/if:interfaces/if:interface[if:name='%s']"
    assert {("create", entry % "va"), ("create", entry % "vb"),
            ("create", entry % "p1" + "/if:description")} == set(changes(node))
    nc.describe("y")
    assert changes(event(subscribed)) == [("replace", entry % "p1" + "/if:description")]
    nc.edit(config.interfaces({"name": "va", "@operation": "delete"},
                              {"name": "vb", "@operation": "delete"}))
    assert {("delete", entry % "va"), ("delete", entry % "vb")} == set(changes(event(subscribed)))


def test_no_change(nc, subscribed):
    """6470 2.1: nothing is told of an edit that changes nothing, or fails."""
    nc.describe("x")
    event(subscribed)
    nc.describe("x")
    nc.edit(config.interfaces({"name": "p1", "description": "y"}), test_option="test-only")
    with pytest.raises(RpcError):
        nc.edit(config.interfaces({"name": "p1", "@operation": "create"}))
    nc.describe("z", "p2")
    assert "p2" in changes(event(subscribed))[0][1]


def test_large_change(nc, subscribed):
    """6470 2.1: of very many changes an ancestor is named instead."""
    nc.edit(config.interfaces(*(interface for i in range(300)
                                for interface in (config.veth(f"a{i}", f"b{i}"),
                                                  config.veth(f"b{i}", f"a{i}")))))
    assert changes(event(subscribed)) == [("merge", "/if:interfaces")]


def test_candidate_change(nc, subscribed):
    """6470 2.1: an edit of the candidate is told when it becomes running."""
    nc.describe("x", target="candidate")
    nc.ok("<commit/>")
    assert changes(event(subscribed))[0][0] == "create"


def test_startup_change(nc, subscribed):
    """6470 2.1: startup."""
    nc.copy("running", "startup")
    node = event(subscribed)
    assert node.findtext("datastore") == "startup" and not changes(node)


def test_sessions(daemon):
    """6470 2.1: sessions that begin and end, and how."""
    with daemon.local() as watcher:
        watcher.ok(create())
        with daemon.ssh() as session:
            node = event(watcher)
            assert node.tag == "netconf-session-start"
            assert node.findtext("username") == "admin"
            assert node.findtext("session-id") == str(session.session_id)
            assert node.findtext("source-host") == "127.0.0.1"
            session.close_session()
            node = event(watcher)
            assert node.tag == "netconf-session-end"
            assert node.findtext("session-id") == str(session.session_id)
            assert node.findtext("termination-reason") == "closed"
        with daemon.local() as session:
            event(watcher)
            watcher.kill_session(session.session_id)
            node = event(watcher)
            assert node.findtext("termination-reason") == "killed"
            assert node.findtext("killed-by") == str(watcher.session_id)
        with daemon.local():
            event(watcher)
        assert event(watcher).findtext("termination-reason") == "dropped"
        with daemon.local(hello=False) as session:
            event(watcher)
            session.read_hello(("1.0", "1.1"))
            session.chunked = False
            session.send("<no-hello/>")
            assert event(watcher).findtext("termination-reason") == "bad-hello"


def confirmed(timeout, **more):
    return (f"<commit><confirmed/><confirm-timeout>{timeout}</confirm-timeout>"
            + "".join(f"<{name.replace('_', '-')}>{value}</{name.replace('_', '-')}>"
                      for name, value in more.items()) + "</commit>")


def test_confirmed_commit(nc, daemon):
    """6470 2.1: start, extend, complete; cancel; timeout."""
    with daemon.local() as watcher:
        watcher.ok(create(filter=f"""<filter>
            <netconf-confirmed-commit xmlns="{BASE_NS}"/></filter>"""))

        def expect(what, timeout=None, session=nc):
            node = event(watcher)
            assert node.findtext("confirm-event") == what
            assert node.findtext("timeout") == timeout
            assert node.findtext("session-id") == (str(session.session_id) if session else None)

        nc.describe("x", target="candidate")
        nc.ok(confirmed(60))
        expect("start", "60")
        nc.ok(confirmed(90))
        expect("extend", "90")
        nc.ok("<commit/>")
        expect("complete")
        nc.describe("y", target="candidate")
        nc.ok(confirmed(60))
        expect("start", "60")
        nc.ok("<cancel-commit/>")
        expect("cancel")
        nc.describe("z", target="candidate")
        nc.ok(confirmed(1))
        expect("start", "1")
        expect("timeout", session=None)
        with daemon.local() as other:
            other.describe("w", target="candidate")
            other.ok(confirmed(60))
            expect("start", "60", other)
        expect("cancel", session=other)
