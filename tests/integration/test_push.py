"""Subscriptions to streams and datastores: RFC 8639, RFC 8640, RFC 8641."""

import contextlib
import datetime
import time

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError, strip_namespaces
from ashlar.network import until
from ashlar.push import (DS, IF, SN, TARGET, YP, call, edits, establish, event, on_change, one,
                         periodic, plain, subtree, update, xpath)

BASE_NS = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def text_time(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def remove(nc, *names):
    nc.edit(config.interfaces(*({"name": name, "@operation": "delete"} for name in names)))


def pair(nc, one, other):
    nc.edit(config.interfaces(config.veth(one, other), config.veth(other, one)))


def refused(tag, identity, call, *arguments):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert (error.value.tag, error.value.app_tag) == (tag, identity), error.value
    assert error.value.type == "application"
    return error.value


def quiet(session, nc):
    """Nothing was sent, though the server has had every occasion to: what NC asks is answered."""
    nc.describe(str(time.monotonic()), "p4")
    for _ in range(3):
        session.interface("p1", "running")
    assert not session.notifications, [etree.tostring(node) for node in session.notifications]


# --- RFC 8639: streams ------------------------------------------------------------------------------


def test_stream(nc, session):
    """8639 2.4.2: events of the stream after the reply; several subscriptions in one session."""
    first = establish(session, "<stream>NETCONF</stream>")
    second = establish(session, "<stream>NETCONF</stream>")
    assert first != second
    nc.describe("x")
    assert [event(session).tag for _ in range(2)] == ["netconf-config-change"] * 2


def test_stream_filters(nc, session):
    """8639 2.2: subtree and xpath filters pass whole events."""
    establish(session, f"""<stream>NETCONF</stream><stream-subtree-filter>
        <netconf-config-change xmlns="{BASE_NS}"><datastore>startup</datastore>
        </netconf-config-change></stream-subtree-filter>""")
    establish(session, f"""<stream>NETCONF</stream><stream-xpath-filter xmlns:n="{BASE_NS}"
        >/n:netconf-config-change[n:datastore = 'startup']</stream-xpath-filter>""")
    nc.describe("x")
    nc.copy("running", "startup")
    for _ in range(2):
        node = event(session)
        assert node.findtext("datastore") == "startup" and node.find("changed-by") is not None


def test_replay(nc, session):
    """8639 2.4.2.1, 2.7.?: logged events, replay-completed, then what happens."""
    start = now()
    nc.describe("x")
    number = establish(session, "<stream>NETCONF</stream>"
                       f"<replay-start-time>{text_time(start)}</replay-start-time>")
    assert event(session).tag == "netconf-config-change"
    node = event(session)
    assert node.tag == "replay-completed" and node.findtext("id") == str(number)
    nc.describe("y")
    assert event(session).tag == "netconf-config-change"


def test_replay_revision(nc, session):
    """8639 2.4.2.1: the reply says since when there is a log; a start must be past."""
    start = text_time(now() - datetime.timedelta(days=1))
    reply = session.rpc(f'<establish-subscription xmlns="{SN}"><stream>NETCONF</stream>'
                        f"<replay-start-time>{start}</replay-start-time></establish-subscription>")
    assert reply.findtext(f"{{{SN}}}replay-start-time-revision") > start
    later = text_time(now() + datetime.timedelta(days=1))
    with pytest.raises(RpcError) as error:
        establish(session, f"<stream>NETCONF</stream><replay-start-time>{later}"
                  "</replay-start-time>")
    assert error.value.tag == "invalid-value"


def test_stop(nc, session):
    """8639 2.4.1: stop-time ends it."""
    stop = now() + datetime.timedelta(milliseconds=300)
    number = establish(session, f"<stream>NETCONF</stream><stop-time>{text_time(stop)}</stop-time>")
    nc.describe("x")
    assert event(session).tag == "netconf-config-change"
    until(lambda: number not in subscriptions(nc), "the subscription to end")
    assert now() >= stop
    quiet(session, nc)


def subscriptions(nc):
    data = nc.get(f'<subscriptions xmlns="{SN}"/>')
    return {int(node.findtext("id")): node for node in data.iter("subscription")}


def test_delete(nc, session):
    """8639 2.4.4: after the reply nothing more is sent; only the own session may."""
    number = establish(session, "<stream>NETCONF</stream>")
    refused("invalid-value", "ietf-subscribed-notifications:no-such-subscription",
            call, nc, "delete-subscription", f"<id>{number}</id>")
    call(session, "delete-subscription", f"<id>{number}</id>")
    quiet(session, nc)
    refused("invalid-value", "ietf-subscribed-notifications:no-such-subscription",
            call, session, "delete-subscription", f"<id>{number}</id>")


def test_kill(nc, session):
    """8639 2.4.5, 2.7.3: its session is told why."""
    number = establish(session, "<stream>NETCONF</stream>")
    call(nc, "kill-subscription", f"<id>{number}</id>")
    node = event(session)
    assert node.tag == "subscription-terminated" and node.findtext("id") == str(number)
    assert node.findtext("reason") == "no-such-subscription"
    refused("invalid-value", "ietf-subscribed-notifications:no-such-subscription",
            call, nc, "kill-subscription", f"<id>{number}</id>")
    quiet(session, nc)


def test_kill_denied(net, make_daemon):
    """8639 4, nacm:default-deny-all: not for everybody."""
    startup = {**config.switch(net.ports), **config.access({"watchers": ["admin"]})}
    daemon = make_daemon(net, startup).start()
    with daemon.local() as root, daemon.ssh() as session:
        number = establish(root, "<stream>NETCONF</stream>")
        with pytest.raises(RpcError) as error:
            call(session, "kill-subscription", f"<id>{number}</id>")
        assert error.value.tag == "access-denied"


def test_modify_stream(nc, session):
    """8639 2.4.3: other terms for the events that follow."""
    number = establish(session, "<stream>NETCONF</stream>")
    call(session, "modify-subscription", f"""<id>{number}</id><stream-subtree-filter>
        <netconf-session-start xmlns="{BASE_NS}"/></stream-subtree-filter>""")
    quiet(session, nc)
    refused("invalid-value", "ietf-subscribed-notifications:no-such-subscription",
            call, nc, "modify-subscription", f"<id>{number}</id>")


def test_session_end(nc, daemon):
    """8640 5: they end with their session."""
    with daemon.local() as session:
        number = establish(session, "<stream>NETCONF</stream>")
        other = on_change(session, one("p1"))
        assert {number, other} <= set(subscriptions(nc))
    until(lambda: not subscriptions(nc), "the subscriptions to end")


@pytest.mark.parametrize("body, tag, identity", [
    ("<stream>NETCONF</stream><encoding>encode-json</encoding>", "invalid-value",
     "ietf-subscribed-notifications:encoding-unsupported"),
    ('<stream>NETCONF</stream><stream-xpath-filter>/a[</stream-xpath-filter>', "invalid-value",
     "ietf-subscribed-notifications:filter-unsupported"),
    ('<stream>NETCONF</stream><stream-filter-name>none</stream-filter-name>', "invalid-value",
     "ietf-subscribed-notifications:filter-unsupported"),
    ("<yp:datastore>ds:none</yp:datastore><yp:on-change/>", "invalid-value",
     "ietf-yang-push:datastore-not-subscribable"),
    ("<yp:datastore>ds:startup</yp:datastore><yp:on-change/>", "invalid-value",
     "ietf-yang-push:datastore-not-subscribable"),
    ("<yp:datastore>ds:running</yp:datastore><yp:periodic><yp:period>1</yp:period></yp:periodic>",
     "invalid-value", "ietf-yang-push:period-unsupported"),
    ("<yp:datastore>ds:operational</yp:datastore><yp:datastore-subtree-filter>"
     f'<interfaces xmlns="{IF}"><interface><statistics/></interface></interfaces>'
     "</yp:datastore-subtree-filter><yp:on-change/>", "operation-not-supported",
     "ietf-yang-push:on-change-unsupported"),
])
def test_errors(nc, body, tag, identity):
    """8640 7, 8639 2.4.6, 8641 A.1: identities as error-app-tag."""
    refused(tag, identity, establish, nc, body)


def test_hints(nc):
    """8641 3.2, 8640 7: what would do."""
    error = refused("invalid-value", "ietf-yang-push:period-unsupported", periodic, nc, 1)
    info = error.all[0]["error-info"][0]
    assert etree.QName(info).localname == "establish-subscription-datastore-error-info"
    assert strip_namespaces(info).findtext("period-hint") == "10"


def test_operational(nc, session):
    """8639 3.1, 3.2: streams and subscriptions as they are."""
    stream = nc.get(f'<streams xmlns="{SN}"/>').find(".//stream")
    assert stream.findtext("name") == "NETCONF" and stream.find("replay-support") is not None
    assert stream.findtext("replay-log-creation-time")
    number = on_change(session, one("p1"), dampening=7, excluded=["move"])
    update(session, number)
    node = subscriptions(nc)[number]
    assert node.findtext("datastore").endswith("running")
    assert node.find("datastore-subtree-filter/interfaces/interface/name").text == "p1"
    assert node.findtext("on-change/dampening-period") == "7"
    assert node.findtext("on-change/excluded-change") == "move"
    receiver = node.find("receivers/receiver")
    assert receiver.findtext("state") == "active"
    assert receiver.findtext("sent-event-records") == "1"
    number = periodic(session, 500, xpath("/if:interfaces"))
    node = subscriptions(nc)[number]
    assert node.findtext("periodic/period") == "500"
    assert node.findtext("datastore-xpath-filter") == "/if:interfaces"


def test_named_filters(nc, session):
    """8639 2.1, 2.7.2, 2.7.3: filters in configuration; their changes and their end are told."""
    def filters(inside, operation="merge"):
        nc.edit(f'<filters xmlns="{SN}" xmlns:nc="{config.NETCONF}">'
                f'<selection-filter xmlns="{YP}" nc:operation="{operation}">'
                f"<filter-id>f</filter-id>{inside}</selection-filter></filters>")

    def select(name):
        return (f'<datastore-subtree-filter><interfaces xmlns="{IF}"><interface><name>{name}</name>'
                "<description/></interface></interfaces></datastore-subtree-filter>")

    filters(select("p1"))
    number = on_change(session, "<yp:selection-filter-ref>f</yp:selection-filter-ref>")
    assert update(session, number).find(".//description") is None
    nc.describe("x")
    assert plain(edits(session, number)) == [("create", TARGET + "p1/description", "x")]
    nc.describe("x", "p2")
    filters(select("p2"), "replace")
    node = event(session)
    assert node.tag == "subscription-modified" and node.findtext("id") == str(number)
    assert node.findtext("selection-filter-ref") == "f"
    assert update(session, number).findtext(".//interface/name") == "p2"
    filters("", "delete")
    node = event(session)
    assert node.tag == "subscription-terminated"
    assert node.findtext("reason") == "filter-unavailable"


# --- RFC 8641: periodic -----------------------------------------------------------------------------


def test_periodic(nc, session):
    """8641 3.1, 3.7: everything selected, again and again."""
    nc.describe("x")
    number = periodic(session, 20, one("p1", "<description/>"))
    times = []
    for _ in range(3):
        message = session.notification()
        times.append(datetime.datetime.fromisoformat(message[0].text.replace("Z", "+00:00")))
        node = strip_namespaces(message[1])
        assert node.findtext("id") == str(number)
        assert node.findtext("datastore-contents/interfaces/interface/description") == "x"
    assert 0.3 < (times[2] - times[0]).total_seconds() < 2


def test_periodic_empty(session):
    """8641 3.9: what selects nothing is sent empty."""
    number = periodic(session, 20, one("none"))
    assert len(update(session, number)) == 0
    assert len(update(session, number)) == 0


def test_periodic_anchor(session):
    """8641 3.1: at multiples of the period from the anchor-time, which may be yet to come."""
    for offset in -12.3, 3600.2:
        anchor = now() + datetime.timedelta(seconds=offset)
        number = periodic(session, 50, one("none"), anchor=text_time(anchor))
        message = session.notification()
        when = datetime.datetime.fromisoformat(message[0].text.replace("Z", "+00:00"))
        late = (when - anchor).total_seconds() % 0.5
        assert late < 0.2, late
        call(session, "delete-subscription", f"<id>{number}</id>")
        session.notifications.clear()


def test_periodic_stores(nc, session):
    """8641 3.6: datastores whose changes nobody tells of can be sent all the same."""
    nc.describe("later", target="candidate")
    number = periodic(session, 1000, one("p1"), "candidate")
    assert update(session, number).findtext(".//description") == "later"
    number = periodic(session, 1000, one("p1", "<oper-status/>"), "operational")
    assert update(session, number).findtext(".//oper-status")


def test_modify_periodic(session):
    """8639 2.4.3, 8641 4.4.2: the period and the filter."""
    number = periodic(session, 100000, one("p1"))
    assert update(session, number).findtext(".//name") == "p1"
    call(session, "modify-subscription", f"<id>{number}</id><yp:datastore xmlns:ds='{DS}'>"
         f"ds:running</yp:datastore>{one('p2')}<yp:periodic><yp:period>20</yp:period>"
         "</yp:periodic>")
    for _ in range(2):
        assert update(session, number).findtext(".//name") == "p2"


# --- RFC 8641: on change ----------------------------------------------------------------------------


def test_sync_on_start(nc, session):
    """8641 3.1: first everything, unless that is not wanted."""
    nc.describe("x")
    number = on_change(session, one("p1", "<description/>"))
    assert update(session, number).findtext(".//description") == "x"
    other = on_change(session, one("p1", "<description/>"), sync="false")
    nc.describe("y")
    found = {}
    for _ in range(2):
        node = event(session)
        assert node.tag == "push-change-update"
        found[int(node.findtext("id"))] = node.findtext(".//description")
    assert found == {number: "y", other: "y"}


def test_leaf(nc, session):
    """8641 3.5.2, 3.7: create, replace and delete of a leaf; patch-id counts from 0."""
    number = on_change(session, one("p1", "<description/>"))
    update(session, number)
    target = TARGET + "p1/description"
    nc.describe("x")
    assert plain(edits(session, number, 0)) == [("create", target, "x")]
    nc.describe("y")
    assert plain(edits(session, number, 1)) == [("replace", target, "y")]
    nc.edit(f'<interfaces xmlns="{IF}" xmlns:nc="{config.NETCONF}"><interface><name>p1</name>'
            '<description nc:operation="delete"/></interface></interfaces>')
    assert plain(edits(session, number, 2)) == [("delete", target, None)]
    quiet(session, nc)


def test_entry(nc, session):
    """8641 3.5.2: entries come with all that is in them, and go."""
    number = on_change(session)
    update(session, number)
    pair(nc, "va", "vb")
    changes = edits(session, number)
    assert [(op, target) for op, target, _ in changes] == [
        ("create", TARGET + "va"), ("create", TARGET + "vb")]
    assert changes[0][2].findtext("interface/veth/peer") == "vb"
    remove(nc, "va", "vb")
    assert {(op, target) for op, target, _ in edits(session, number)} == {
        ("delete", TARGET + "va"), ("delete", TARGET + "vb")}


def test_unrelated(nc, session):
    """8641 3.3: other nodes' changes are not sent."""
    on_change(session, one("p1", "<description/>"), sync="false")
    on_change(session, xpath("/if:interfaces/if:interface[if:name='p2']/if:enabled"), sync="false")
    nc.describe("x", "p2")
    nc.edit(config.interfaces({"name": "p1", "enabled": False}))
    quiet(session, nc)


def test_xpath(nc, session):
    """8641 3.6: by an expression; one that compares other leaves than keys."""
    number = on_change(session, xpath(
        "/if:interfaces/if:interface[if:description='wanted']/if:enabled"))
    assert len(update(session, number)) == 0
    nc.edit(config.interfaces({"name": "p1", "enabled": False}))
    quiet(session, nc)
    nc.describe("wanted")
    changes = edits(session, number)
    assert changes[0][0] == "create" and changes[0][2].findtext(".//enabled") == "false"
    nc.edit(config.interfaces({"name": "p1", "enabled": True}))
    assert plain(edits(session, number)) == [("replace", TARGET + "p1/enabled", "true")]
    nc.describe("other")
    assert [op for op, _, _ in edits(session, number)] == ["delete"]


def test_general_xpath(nc, session):
    """8641 3.6: an expression that has to be evaluated as a whole."""
    number = on_change(session, xpath(
        "/if:interfaces/if:interface[starts-with(if:description, 'w')]/if:description"))
    assert len(update(session, number)) == 0
    nc.describe("wanted")
    changes = edits(session, number)
    assert changes[0][0] == "create" and changes[0][2].findtext(".//description") == "wanted"
    nc.describe("unwanted")
    assert [op for op, _, _ in edits(session, number)] == ["delete"]


def test_user_ordered(nc, session):
    """8641 3.5.2: insert and move of entries whose order counts."""
    def rules(*names, operation=""):
        inside = "".join(f"<rule{operation if i == len(names) - 1 else ''}><name>{name}</name>"
                         "<action>permit</action></rule>" for i, name in enumerate(names))
        nc.edit('<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" '
                'xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
                f"<rule-list><name>l</name>{inside}</rule-list></nacm>")

    rules("a", "b", "c")
    number = on_change(session, subtree(
        '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list/></nacm>'))
    update(session, number)
    base = "/ietf-netconf-acm:nacm/rule-list=l/rule="
    rules("d", operation=' yang:insert="after" yang:key="[name=\'a\']"')
    node = event(session).find(".//edit")
    assert node.findtext("operation") == "insert" and node.findtext("target") == base + "d"
    assert node.findtext("where") == "after" and node.findtext("point") == base + "a"
    rules("c", operation=' yang:insert="first"')
    found = [(edit.findtext("operation"), edit.findtext("target"), edit.findtext("where"))
             for edit in event(session).iter("edit")]
    assert ("move", base + "c", "first") in found


def test_order_of_what_replaces(nc, session):
    """8641 3.5.2: of a configuration that comes as a whole, in another order, only what has moved."""
    def rules(names, attributes=""):
        inside = "".join(f"<rule><name>{name}</name><action>permit</action></rule>"
                         for name in names)
        return ('<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" '
                f'xmlns:nc="{config.NETCONF}"><rule-list{attributes}><name>l</name>{inside}'
                "</rule-list></nacm>")

    nc.edit(rules("abcd"))
    number = on_change(session, subtree(
        '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list/></nacm>'))
    update(session, number)
    nc.edit(rules("dabc", ' nc:operation="replace"'))
    base = "/ietf-netconf-acm:nacm/rule-list=l/rule="
    assert [(edit.findtext("operation"), edit.findtext("target"), edit.findtext("where"))
            for edit in event(session).iter("edit")] == [("move", base + "d", "first")]


def test_excluded(nc, session):
    """8641 3.1, change-type: kinds of changes that are not wanted."""
    number = on_change(session, one("p1"), excluded=["replace", "create"])
    update(session, number)
    nc.describe("x")
    nc.describe("y")
    quiet(session, nc)
    nc.edit(f'<interfaces xmlns="{IF}" xmlns:nc="{config.NETCONF}"><interface><name>p1</name>'
            '<description nc:operation="delete"/></interface></interfaces>')
    assert [(op, target) for op, target, _ in edits(session, number)] == [
        ("delete", TARGET + "p1/description")]


def test_dampening(nc, session):
    """8641 3.3: one update at the end of the period, with the values of then."""
    nc.describe("a")
    number = on_change(session, one("p1"), dampening=60)
    update(session, number)
    begun = time.monotonic()
    for text in "bcd":
        nc.describe(text)
    assert plain(edits(session, number, 0)) == [("replace", TARGET + "p1/description", "d")]
    assert time.monotonic() - begun > 0.3
    quiet(session, nc)


def test_dampening_churn(nc, session):
    """8641 3.3, steps 4: what came back to its former value, or came and went, is sent all the same."""
    nc.describe("a")
    number = on_change(session, subtree(f'<interfaces xmlns="{IF}"/>'), dampening=100)
    update(session, number)
    nc.describe("b")
    nc.describe("a")
    pair(nc, "va", "vb")
    remove(nc, "va", "vb")
    assert {(op, target) for op, target, _ in edits(session, number, 0)} == {
        ("replace", TARGET + "p1/description"),
        ("delete", TARGET + "va"), ("delete", TARGET + "vb")}


def test_dampening_filtered(nc, session):
    """8641 3.9: what is not selected begins no dampening period."""
    nc.describe("a")
    number = on_change(session, one("p1"), dampening=40)
    update(session, number)
    nc.describe("b")
    edits(session, number)
    nc.describe("x", "p2")
    nc.describe("c")
    assert plain(edits(session, number)) == [("replace", TARGET + "p1/description", "c")]


def test_resync(nc, session):
    """8641 4.4.3, 3.7: everything again; patch-id begins anew."""
    number = on_change(session, one("p1"))
    update(session, number)
    for patch in 0, 1:
        nc.describe(str(patch))
        edits(session, number, patch)
    call(session, "resync-subscription", f"<id>{number}</id>", YP)
    assert update(session, number).findtext(".//description") == "1"
    nc.describe("x")
    edits(session, number, 0)
    other = periodic(session, 100000, one("none"))
    refused("invalid-value", "ietf-yang-push:no-such-subscription-resync",
            call, session, "resync-subscription", f"<id>{other}</id>", YP)
    refused("invalid-value", "ietf-yang-push:no-such-subscription-resync",
            call, nc, "resync-subscription", f"<id>{number}</id>", YP)


def test_modify_on_change(nc, session):
    """8639 2.4.3, 8641 4.4.2: other nodes from now on."""
    number = on_change(session, one("p1"))
    update(session, number)
    call(session, "modify-subscription", f"<id>{number}</id>{one('p2')}")
    assert update(session, number).findtext(".//name") == "p2"
    nc.describe("x")
    nc.describe("x", "p2")
    assert edits(session, number)[0][1] == TARGET + "p2/description"


def test_candidate_commit(nc, session):
    """8641 3.3: changes of running, whichever way they come."""
    number = on_change(session, one("p1"))
    update(session, number)
    nc.describe("x", target="candidate")
    quiet(session, nc)
    nc.ok("<commit/>")
    # The commit takes along what quiet() described at p4.
    assert plain(edits(session, number)) == [("create", TARGET + "p1/description", "x")]
    nc.ok("<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>")
    nc.ok("<cancel-commit/>")


def test_config_in_operational(nc, session):
    """8641 3.3: what is configured is in use."""
    number = on_change(session, one("p1", "<description/>"), "operational")
    update(session, number)
    nc.describe("x")
    assert plain(edits(session, number)) == [("create", TARGET + "p1/description", "x")]


# --- RFC 8641 3.9: access control -------------------------------------------------------------------


def rule(name, path, action):
    return {"name": name, "path": path, "access-operations": "read", "action": action}


def test_access(net, make_daemon):
    """8641 3.9: what may not be read is not sent; a right that is lost is a deletion."""
    path = "/ietf-interfaces:interfaces/interface"
    startup = {**config.switch(net.ports), **config.access(
        {"watchers": ["admin"]},
        [{"name": "first", "group": ["watchers"],
          "rule": [rule("no-descriptions", path + "/description", "deny")]}])}
    daemon = make_daemon(net, startup).start()
    with daemon.local() as root, daemon.ssh() as session:
        root.describe("secret")
        number = on_change(session, one("p1"))
        found = update(session, number)
        assert found.findtext(".//name") == "p1" and found.find(".//description") is None
        root.describe("more")
        root.edit(config.interfaces({"name": "p1", "enabled": False}))
        changes = edits(session, number, 0)
        assert [target for _, target, _ in changes] == [TARGET + "p1/enabled"]
        root.edit('<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm" '
                  f'xmlns:nc="{config.NETCONF}"><rule-list nc:operation="delete">'
                  "<name>first</name></rule-list></nacm>")
        assert plain(edits(session, number, 1)) == [
            ("create", TARGET + "p1/description", "more")]
        root.edit(f'''<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list>
            <name>second</name><group>watchers</group><rule><name>r</name>
            <path xmlns:if="{IF}">/if:interfaces/if:interface/if:enabled</path>
            <access-operations>read</access-operations><action>deny</action></rule>
            </rule-list></nacm>''')
        assert [(op, target) for op, target, _ in edits(session, number, 2)] == [
            ("delete", TARGET + "p1/enabled")]


# --- limits -------------------------------------------------------------------------------------------


def test_slow_reader(nc, daemon):
    """8639 2.4.1, 8641 3.11.1: suspended, told so, and brought up to date when it reads again."""
    many = [config.veth(f"a{i}", f"b{i}") for i in range(200)] + [
        config.veth(f"b{i}", f"a{i}") for i in range(200)]
    nc.edit(config.interfaces(*many))
    with daemon.local() as session:
        number = on_change(session, subtree(f'<interfaces xmlns="{IF}"/>'))
        for at in range(0, 2000):
            nc.edit(config.interfaces(*({"name": f"a{i}", "description": f"{at} {'x' * 50}"}
                                        for i in range(200))))
            state = subscriptions(nc)[number].findtext("receivers/receiver/state")
            if state == "suspended":
                break
        assert state == "suspended"
        tags = []
        while "subscription-resumed" not in tags:
            tags.append(event(session).tag)
        assert "subscription-suspended" in tags
        found = update(session, number)
        described = [node.text for node in found.iter("description") if node.text.endswith("x")]
        assert described == [f"{at} {'x' * 50}"] * 200


NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"


def comment(nc, size, *names):
    """Rules of SIZE bytes: what is kept of the configuration is four times its text."""
    rules = "".join(f"<rule><name>{name}</name><action>permit</action>"
                    f"<comment>{'x' * size}</comment></rule>" for name in names)
    nc.edit(f'<nacm xmlns="{NACM}"><rule-list><name>big</name>{rules}</rule-list></nacm>')


def test_ceiling(nc, daemon):
    """8639 2.4.6, 2.7.4, 2.7.5, 8641 3.11.1: what there is no room for is refused, or waits for it."""
    for at in range(20):
        comment(nc, 230000, f"r{at}")
    rules = subtree(f'<nacm xmlns="{NACM}"/>')
    with contextlib.ExitStack() as stack:
        told = [stack.enter_context(daemon.local()) for _ in range(3)]
        for session in told:
            update(session, on_change(session))
        refused("resource-denied", "ietf-subscribed-notifications:insufficient-resources",
                on_change, nc)
        waiting = stack.enter_context(daemon.local())
        number = on_change(waiting, rules)
        node = event(waiting)
        assert node.tag == "subscription-suspended"
        assert node.findtext("reason").endswith("insufficient-resources")
        refused("too-big", "ietf-yang-push:sync-too-big",
                call, waiting, "resync-subscription", f"<id>{number}</id>", YP)
        quiet(waiting, nc)
        update(nc, on_change(nc, one("p1")))  # a small one has room
        told[0].close()
        assert event(waiting).tag == "subscription-resumed"
        assert len(update(waiting, number).findall(".//comment")) == 20
        state = subscriptions(nc)[number].findtext("receivers/receiver/state")
        assert state == "active"
        comment(nc, 1, "r0")
        assert [change[:2] for change in edits(waiting, number)] == [
            ("replace", "/ietf-netconf-acm:nacm/rule-list=big/rule=r0/comment")]
        call(waiting, "resync-subscription", f"<id>{number}</id>", YP)
        assert len(update(waiting, number).findall(".//comment")) == 20


def test_ceiling_delete(nc, daemon):
    """8639 2.7.4, 2.7.5: the room of a subscription that is deleted is for one that waits in the same session."""
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(daemon.local()) for _ in range(2)]
        for at in range(20):
            comment(nc, 230000, f"r{at}")
        for session in others:
            update(session, on_change(session))
        session = stack.enter_context(daemon.local())
        selection = subtree(f'<nacm xmlns="{NACM}"/>')
        numbers = [on_change(session, selection) for _ in range(2)]
        assert len(update(session, numbers[0]).findall(".//comment")) == 20
        node = event(session)
        assert (node.tag, node.findtext("id")) == ("subscription-suspended", str(numbers[1]))
        call(session, "delete-subscription", f"<id>{numbers[0]}</id>")
        node = event(session)
        assert (node.tag, node.findtext("id")) == ("subscription-resumed", str(numbers[1]))
        assert len(update(session, numbers[1]).findall(".//comment")) == 20


def test_many(nc, session):
    """Thousands of subscriptions: an edit of what none is about is told to none, and is made as before."""
    for at in range(0, 2000, 100):
        for i in range(100):
            session.request(
                f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="{DS}">'
                f"<yp:datastore>ds:running</yp:datastore>{one(f'n{at + i}', '<description/>')}"
                "<yp:on-change><yp:sync-on-start>false</yp:sync-on-start></yp:on-change>"
                "</establish-subscription>")
        for i in range(100):
            session.reply()
    for i in range(100):
        nc.describe(str(i), "p4")
    assert session.rpc("<get/>") is not None  # the next message: no update came before it
