"""Event streams over RESTCONF: RFC 8040 section 6, and subscriptions of RFC 8639 and 8641 by RFC 8650."""

import datetime
import re
import time
import urllib.parse

import pytest

from ashlar import config, netconf
from ashlar.network import until
from ashlar.restconf import JSON, XML
from ashlar.routes import insert

NN = "urn:ietf:params:xml:ns:netconf:notification:1.0"
NCN = "ietf-netconf-notifications"
SN = "ietf-subscribed-notifications"
YP = "ietf-yang-push"
SSE = "text/event-stream"
STREAM = "/restconf/streams/NETCONF/json"
MONITORED = "data/ietf-restconf-monitoring:restconf-state/streams"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def text_time(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def query(path, **parameters):
    return path + "?" + urllib.parse.urlencode(
        {name.replace("_", "-"): value for name, value in parameters.items()},
        quote_via=urllib.parse.quote)


@pytest.fixture
def rc(daemon):
    with daemon.restconf() as client:
        yield client


def change(events):
    """The next configuration change."""
    while True:
        when, name, content = events.json()
        if name == f"{NCN}:netconf-config-change":
            return when, content


# --- RFC 8040: the stream ---------------------------------------------------------------------------


def test_discovery(daemon, rc):
    """8040 6.2, 9.1: where the stream is, in which encodings, and that it can be filtered and replayed."""
    (stream,) = rc.get(MONITORED).json["ietf-restconf-monitoring:streams"]["stream"]
    assert stream["name"] == "NETCONF" and stream["replay-support"] is True
    assert stream["replay-log-creation-time"]
    assert {entry["encoding"]: entry["location"] for entry in stream["access"]} == {
        "xml": "/restconf/streams/NETCONF/xml", "json": "/restconf/streams/NETCONF/json"}
    location = rc.get(f"{MONITORED}/stream=NETCONF/access=json/location").json
    assert location == {"ietf-restconf-monitoring:location": STREAM}
    for encoding in "xml", "json":
        path = f"/restconf/streams/NETCONF/{encoding}"
        assert rc.request("OPTIONS", path).headers["Allow"] == "OPTIONS, GET, HEAD"
        head = rc.request("HEAD", path)
        assert head.status == 200 and head.headers["Content-Type"] == SSE
        assert rc.request("DELETE", path).status == 405
        assert rc.get(path, JSON).status == 406
    for path in "streams", "streams/NETCONF", "streams/other/xml", "streams/NETCONF/xml/x":
        assert rc.get(path).status == 404


def test_events_json(nc, daemon):
    """8040 6.4: events as they happen, in JSON."""
    with daemon.restconf().stream(STREAM) as events:
        assert events.status == 200 and events.headers["Content-Type"] == SSE
        before = now()
        nc.describe("x")
        when, content = change(events)
        assert abs(datetime.datetime.fromisoformat(when.replace("Z", "+00:00")) - before
                   ) < datetime.timedelta(minutes=1)
        assert content["changed-by"]["username"] == "root"
        (edit,) = content["edit"]
        assert edit["operation"] == "create" and "p1" in edit["target"]
        assert events.comments == 1  # that it has begun
        nc.describe("y")
        assert change(events)[1]["edit"][0]["operation"] == "replace"


def test_events_xml(nc, daemon):
    """8040 6.4: the same in XML."""
    with daemon.restconf().stream("/restconf/streams/NETCONF/xml") as events:
        nc.describe("x")
        node = events.xml()
        assert node.tag == f"{{{NN}}}notification" and node[0].tag == f"{{{NN}}}eventTime"
        assert node[1].tag.endswith("}netconf-config-change") and len(node) == 2


def test_same_connection(nc, daemon):
    """A stream that ends by its stop time leaves the connection to the next request."""
    nc.describe("x")
    client = daemon.restconf()
    start = now() - datetime.timedelta(hours=1)
    with client.stream(query(STREAM, start_time=text_time(start), stop_time=text_time(now()))
                       ) as events:
        names = []
        while (found := events.json()):
            names.append(found[1])
        assert names[-2:] == ["nc-notifications:replayComplete",
                              "nc-notifications:notificationComplete"]
        assert f"{NCN}:netconf-config-change" in names
        sock = client.connection.sock
        assert client.get("yang-library-version").status == 200
        assert client.connection.sock is sock


def test_http_1_0(nc, daemon):
    """Without chunks the connection is the stream's end."""
    nc.describe("x")
    client = daemon.restconf()
    client.connection._http_vsn, client.connection._http_vsn_str = 10, "HTTP/1.0"
    start = now() - datetime.timedelta(hours=1)
    with client.stream(query(STREAM, start_time=text_time(start), stop_time=text_time(now()))
                       ) as events:
        assert events.headers["Connection"] == "close"
        assert "Transfer-Encoding" not in events.headers
        names = []
        while (found := events.json()):
            names.append(found[1])
        assert names[-1] == "nc-notifications:notificationComplete"


def test_filter(nc, daemon):
    """8040 4.8.4: an expression, true of the event or not; names with and without their module."""
    for expression in (f"/{NCN}:netconf-config-change/{NCN}:edit[contains({NCN}:target, 'p2')]",
                       "/netconf-config-change/edit[contains(target, 'p2')]"):
        with daemon.restconf().stream(query(STREAM, filter=expression)) as events:
            nc.describe(str(len(expression)), "p1")
            nc.describe(str(len(expression)), "p2")
            _, name, content = events.json()
            assert name == f"{NCN}:netconf-config-change"
            assert "p2" in content["edit"][0]["target"]


def test_replay(nc, daemon):
    """8040 4.8.7: what the log holds since then, a mark, and what happens from now on."""
    start = now()
    for text in "a", "b", "c":
        nc.describe(text)
    with daemon.restconf().stream(query(STREAM, start_time=text_time(start))) as events:
        names = [events.json()[1] for _ in range(3)]
        assert names == [f"{NCN}:netconf-config-change"] * 3
        assert events.json()[1] == "nc-notifications:replayComplete"
        nc.describe("d")
        change(events)


def test_stop_to_come(nc, daemon):
    """8040 4.8.8: a stop time that is yet to come ends the stream when it has come."""
    start = now()
    nc.describe("x")
    stop = now() + datetime.timedelta(seconds=1)
    with daemon.restconf().stream(query(STREAM, start_time=text_time(start),
                                        stop_time=text_time(stop))) as events:
        names = []
        while (found := events.json()):
            names.append(found[1])
        assert now() >= stop
        assert names[0] == f"{NCN}:netconf-config-change"
        assert names[-1] == "nc-notifications:notificationComplete"


@pytest.mark.parametrize("parameters", [
    {"start_time": "yesterday"},
    {"stop_time": "2024-01-01T00:00:00Z"},
    {"start_time": "2999-01-01T00:00:00Z"},
    {"start_time": "2024-01-02T00:00:00Z", "stop_time": "2024-01-01T00:00:00Z"},
    {"filter": "/x["},
    {"depth": "1"},
])
def test_bad_query(rc, parameters):
    response = rc.get(query(STREAM, **parameters), SSE)
    assert response.status == 400 and response.error["error-tag"] == "invalid-value"


def test_parameters_elsewhere(rc):
    """8040 4.8.4, 4.8.7: of event streams alone."""
    for parameters in {"filter": "/a"}, {"start_time": "2024-01-01T00:00:00Z"}:
        assert rc.get(query("data/ietf-interfaces:interfaces", **parameters)).status == 400


def test_lines(rc, nc, daemon):
    """An event is put together from its lines; line ends within values stay."""
    selection = {f"{YP}:datastore-xpath-filter": "/ietf-netconf-acm:nacm"}

    def comment(text):
        nc.edit(f'<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list>'
                "<name>l</name><group>g</group><rule><name>r</name><action>permit</action>"
                f"<comment>{text}</comment></rule></rule-list></nacm>")

    with subscribe(rc, daemon, {**push(on_change={}), **selection}, XML) as events:
        assert events.text()
        for sent, text in (("one\n\ntwo\tthree\n", "one\n\ntwo\tthree\n"), ("a&#13;b&#13;\n", "a\rb\r\n")):
            comment(sent)
            (value,) = [leaf.text for leaf in events.xml().iter("{*}comment")]
            assert value == text
    with subscribe(rc, daemon, {**push(on_change={}), **selection}) as events:
        (entry,) = [entry for entry in update(events)["ietf-netconf-acm:nacm"]["rule-list"]
                    if entry["name"] == "l"]
        assert entry["rule"][0]["comment"] == "a\rb\r\n"


def nacm(*rules):
    return {"groups": {"group": [{"name": "watchers", "user-name": ["admin"]}]},
            "rule-list": [{"name": "l", "group": ["watchers"], "rule": list(rules)}]}


def test_access(net, make_daemon):
    """8341 3.4.6: each event is asked for; who may not read of the stream does not get it."""
    startup = config.switch(net.ports)
    startup["ietf-netconf-acm:nacm"] = nacm(
        {"name": "no-changes", "module-name": NCN, "notification-name": "netconf-config-change",
         "access-operations": "read", "action": "deny"})
    daemon = make_daemon(net, startup).start()
    with daemon.local() as root, daemon.restconf().stream(STREAM) as events:
        root.describe("x")
        with daemon.local():
            pass
        assert events.json()[1] == f"{NCN}:netconf-session-start"
        rule = {"ietf-netconf-acm:nacm": nacm(
            {"name": "no-streams", "module-name": "ietf-restconf-monitoring",
             "access-operations": "read", "action": "deny"})}
        root.edit(rule)
        with daemon.restconf() as client:
            assert client.get(STREAM, SSE).status == 404
        with daemon.restconf("admin", "wrong") as stranger:
            assert stranger.get(STREAM, SSE).status == 401


def little_room(net):
    """For what is sent: TCP would take megabytes for a peer that does not read, and that takes time."""
    net.run("sh", "-c", "echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_wmem")


def test_slow_reader(nc, net, daemon):
    """Who does not read costs its place in the log, and at last the connection."""
    little_room(net)
    with daemon.restconf(room=4096).stream(STREAM) as events:
        nc.flood(daemon, "event=stream-dropped")
        with pytest.raises(Exception):
            while events.text() is not None:
                pass
            raise EOFError


def test_many_streams(nc, daemon):
    """Each gets each event; those that leave are gone."""
    streams = [daemon.restconf().stream(STREAM) for _ in range(20)]
    for gone in streams[::2]:
        gone.close()
    nc.describe("x")
    for events in streams[1::2]:
        change(events)
        events.close()


@pytest.mark.guest
@pytest.mark.time_travel
def test_comments(daemon):
    """A stream without events says that it lives."""
    with daemon.restconf().stream(STREAM) as events:
        begun = time.monotonic()
        for _ in range(5):
            events.comment()
        assert 55 <= time.monotonic() - begun < 65


@pytest.mark.guest
@pytest.mark.time_travel
def test_password_changed(nc, daemon):
    """What proved who reads must go on to be so."""
    with daemon.restconf().stream(STREAM) as events:
        (user,) = config.switch({})["ietf-system:system"]["authentication"]["user"]
        nc.edit({"ietf-system:system": {"authentication": {"user": [
            {"name": user["name"], "password": "$0$another"}]}}})
        while events.text() is not None:
            pass


@pytest.mark.guest
@pytest.mark.time_travel
def test_long_answer_to_nobody(net, daemon):
    """Who reads nothing of it for a minute does not get the rest, and no child waits for him any more."""
    insert(net, 8000)
    path = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4"
    with daemon.local() as session, daemon.restconf() as client:
        before = daemon.children()
        begun = time.monotonic()
        session.request("<get/>")
        client.connection.request("GET", path, headers={**client.headers, "Accept": JSON})
        until(lambda: len(daemon.children()) == len(before) + 2, "two children")
        until(lambda: daemon.children() == before, "no children", timeout=200, pace=1)
        assert 59 <= time.monotonic() - begun < 70
        with pytest.raises((netconf.Closed, ConnectionError)):
            session.reply()
    with daemon.restconf() as client:
        assert client.get(f"{path}?fields=name").status == 200


# --- RFC 8650: subscriptions ------------------------------------------------------------------------


def push(datastore="ietf-datastores:running", **trigger):
    return {f"{YP}:datastore": datastore,
            **{f"{YP}:{name.replace('_', '-')}": value for name, value in trigger.items()}}


def call(client, name, parameters, module=SN):
    return client.post(f"operations/{module}:{name}", {f"{module}:input": parameters})


def established(client, parameters, encoding=None):
    """(number, uri)"""
    if encoding == XML:
        parameters = {**parameters, "encoding": f"{SN}:encode-xml"}
    response = call(client, "establish-subscription", parameters)
    assert response.status == 200, response.body
    output = response.json[f"{SN}:output"]
    uri = output["ietf-restconf-subscribed-notifications:uri"]
    assert uri == f"/restconf/subscriptions/{output['id']}"
    return output["id"], uri


def subscribe(client, daemon, parameters, encoding=None, room=None):
    number, uri = established(client, parameters, encoding)
    events = daemon.restconf(room=room).stream(uri)
    assert events.status == 200 and events.headers["Content-Type"] == SSE
    events.number = number
    return events


def edits(events):
    _, name, content = events.json()
    assert name == f"{YP}:push-change-update" and content["id"] == events.number
    patch = content["datastore-changes"]["yang-patch"]
    assert [edit["edit-id"] for edit in patch["edit"]] == [
        str(i + 1) for i in range(len(patch["edit"]))]
    return [(edit["operation"], edit["target"], edit.get("value")) for edit in patch["edit"]]


def update(events):
    _, name, content = events.json()
    assert name == f"{YP}:push-update" and content["id"] == events.number
    return content["datastore-contents"]


ONE = {f"{YP}:datastore-xpath-filter":
       "/ietf-interfaces:interfaces/ietf-interfaces:interface[ietf-interfaces:name='p1']"}
P1 = "/ietf-interfaces:interfaces/interface=p1"


def test_stream(rc, nc, daemon):
    """8650 3.4: what happens since it was established, once it is asked for."""
    number, uri = established(rc, {"stream": "NETCONF"})
    nc.describe("before")
    with daemon.restconf().stream(uri) as events:
        assert "before" not in change(events)[0]
        nc.describe("after")
        change(events)
        (entry,) = rc.get(f"data/{SN}:subscriptions").json[f"{SN}:subscriptions"]["subscription"]
        assert entry["id"] == number and entry["encoding"] == f"{SN}:encode-json"
        assert entry["ietf-restconf-subscribed-notifications:uri"] == uri
        (receiver,) = entry["receivers"]["receiver"]
        assert receiver["state"] == "active" and receiver["name"].startswith("127.0.0.1:")
        # 8650 3.4: one at a time
        second = rc.get(uri, SSE)
        assert second.status == 409 and second.error["error-tag"] == "in-use"
        assert rc.request("HEAD", uri, headers={"Accept": SSE}).status == 200
    until(lambda: rc.get(uri, SSE).status == 404, "the end of the subscription")


@pytest.mark.guest
@pytest.mark.time_travel
def test_never_asked_for(rc):
    """A subscription whose events nobody reads is gone after a minute."""
    begun = time.monotonic()
    established(rc, {"stream": "NETCONF"})
    until(lambda: rc.get(f"data/{SN}:subscriptions?fields=subscription/id").json[
        f"{SN}:subscriptions"] == {}, "the end of the subscription", timeout=200, pace=1)
    assert 59 <= time.monotonic() - begun < 70


def test_stream_filter(rc, nc, daemon):
    for selection in (
            {"stream-xpath-filter": f"/{NCN}:netconf-config-change/{NCN}:edit"
                                    f"[contains({NCN}:target, 'p2')]"},
            {"stream-xpath-filter": "/netconf-config-change/edit[contains(target, 'p2')]"},
            {"stream-subtree-filter": {f"{NCN}:netconf-config-change": {}}}):
        with subscribe(rc, daemon, {"stream": "NETCONF", **selection}) as events:
            with daemon.local():
                pass
            if "stream-xpath-filter" in selection:
                nc.describe(str(len(str(selection))), "p1")
            nc.describe(str(len(str(selection))), "p2")
            _, name, content = events.json()
            assert name == f"{NCN}:netconf-config-change"
            assert "p2" in content["edit"][0]["target"]


def test_replay_subscription(rc, nc, daemon):
    start = now()
    nc.describe("a")
    with subscribe(rc, daemon, {"stream": "NETCONF", "replay-start-time": text_time(start)}
                   ) as events:
        change(events)
        while (found := events.json())[1] != f"{SN}:replay-completed":
            pass
        assert found[2] == {"id": events.number}
    response = call(rc, "establish-subscription",
                    {"stream": "NETCONF", "replay-start-time": "2024-01-01T00:00:00Z"})
    assert response.json[f"{SN}:output"]["replay-start-time-revision"]


@pytest.mark.parametrize("encoding", [None, XML])
def test_on_change(rc, nc, daemon, encoding):
    """8641 over 8650: everything, and then what changes; in the encoding asked for."""
    nc.describe("x")
    with subscribe(rc, daemon, {**push(on_change={}), **ONE}, encoding) as events:
        if encoding == XML:
            assert events.xml()[1].find(".//{*}description").text == "x"
            nc.describe("y")
            node = events.xml()[1]
            assert node.find(".//{*}target").text == f"{P1}/description"
            assert node.find(".//{*}description").text == "y"
            return
        (entry,) = update(events)["ietf-interfaces:interfaces"]["interface"]
        assert entry["name"] == "p1" and entry["description"] == "x"
        nc.describe('a "quoted" \\ text')
        assert edits(events) == [("replace", f"{P1}/description",
                                  {"ietf-interfaces:description": 'a "quoted" \\ text'})]
        nc.edit(config.interfaces({"name": "p1", "@operation": "delete"}))
        assert edits(events) == [("delete", P1, None)]
        nc.edit(config.interfaces({**config.port("p1", "br0"), "description": "new"}))
        ((operation, target, value),) = edits(events)
        assert (operation, target) == ("create", P1)
        assert value["ietf-interfaces:interface"][0]["description"] == "new"


def test_begins_with_the_get(rc, nc, daemon):
    """What a datastore holds is told as it is when its client comes, without changes before that."""
    _, uri = established(rc, {**push(on_change={}), **ONE})
    nc.describe("x")
    nc.describe("y")
    with daemon.restconf().stream(uri) as events:
        _, name, content = events.json()
        assert name == f"{YP}:push-update"
        (entry,) = content["datastore-contents"]["ietf-interfaces:interfaces"]["interface"]
        assert entry["description"] == "y"


def test_user_ordered(rc, nc, daemon):
    """8072 in JSON: where an entry was put."""
    def rules(*names):
        return {"ietf-netconf-acm:nacm": {"rule-list": [
            {"name": name, "group": ["g"]} for name in names]}}

    selection = {f"{YP}:datastore-xpath-filter": "/ietf-netconf-acm:nacm"}
    nc.edit(rules("a"))
    with subscribe(rc, daemon, {**push(on_change={}), **selection}) as events:
        update(events)
        nc.edit(rules("b"))
        _, _, content = events.json()
        (edit,) = content["datastore-changes"]["yang-patch"]["edit"]
        assert edit["operation"] == "insert" and edit["where"] == "after"
        assert edit["point"] == "/ietf-netconf-acm:nacm/rule-list=a"
        assert edit["value"]["ietf-netconf-acm:rule-list"][0]["name"] == "b"


def test_routes(rc, net, daemon):
    """Entries without keys in JSON: what holds them is replaced."""
    net.ip("route add 198.18.0.0/15 via 192.0.2.77 proto 66")
    net.settle()
    selection = {f"{YP}:datastore-xpath-filter": "/ietf-routing:routing/ribs"}
    with subscribe(rc, daemon, {**push("ietf-datastores:operational", on_change={}), **selection}
                   ) as events:
        ribs = update(events)["ietf-routing:routing"]["ribs"]["rib"]
        (before,) = [rib["routes"]["route"] for rib in ribs if rib["name"] == "ipv4"]
        net.ip("route add 203.0.113.0/24 via 192.0.2.77 proto 66")
        ((operation, target, value),) = edits(events)
        assert (operation, target) == ("replace", "/ietf-routing:routing/ribs/rib=ipv4/routes")
        routes = value["ietf-routing:routes"]["route"]
        assert len(routes) == len(before) + 1 and all(route in routes for route in before)


def test_periodic(rc, nc, daemon):
    nc.describe("x")
    with subscribe(rc, daemon, {**push(periodic={"period": 10}), **ONE}) as events:
        for _ in range(3):
            (entry,) = update(events)["ietf-interfaces:interfaces"]["interface"]
            assert entry["description"] == "x"


def test_modify(rc, nc, daemon):
    """8650 3.4: told within the stream."""
    with subscribe(rc, daemon, {**push(periodic={"period": 360000}), **ONE}) as events:
        update(events)
        answer = call(rc, "modify-subscription", {"id": events.number, **push(
            periodic={"period": 10})})
        assert answer.status == 200 and answer.body == b""
        _, name, content = events.json()
        assert name == f"{SN}:subscription-modified" and content["id"] == events.number
        assert content[f"{YP}:periodic"] == {"period": 10}
        assert content["ietf-restconf-subscribed-notifications:uri"].endswith(str(events.number))
        update(events)
        update(events)


def test_delete(rc, daemon):
    """8639 2.4.4: no further word; the stream ends and the connection stays."""
    with subscribe(rc, daemon, {"stream": "NETCONF"}) as events:
        assert call(rc, "delete-subscription", {"id": events.number}).status == 200
        while (found := events.json()):
            assert not found[1].endswith("subscription-terminated")
        assert events.client.get("yang-library-version").status == 200
    gone = call(rc, "delete-subscription", {"id": events.number})
    assert gone.status == 404 and gone.error["error-app-tag"] == f"{SN}:no-such-subscription"


def test_kill(rc, nc, daemon):
    """8639 2.4.5: its client is told; here the order comes over NETCONF."""
    with subscribe(rc, daemon, {**push(on_change={}), **ONE}) as events:
        update(events)
        nc.ok(f'<kill-subscription xmlns="urn:ietf:params:xml:ns:yang:{SN}">'
              f"<id>{events.number}</id></kill-subscription>")
        _, name, content = events.json()
        assert (name, content) == (f"{SN}:subscription-terminated", {
            "id": events.number, "reason": f"{SN}:no-such-subscription"})
        assert events.json() is None


def test_resync(rc, nc, daemon):
    with subscribe(rc, daemon, {**push(on_change={"sync-on-start": False}), **ONE}) as events:
        assert call(rc, "resync-subscription", {"id": events.number}, YP).status == 200
        update(events)
        assert call(rc, "resync-subscription", {"id": events.number + 1}, YP).status == 404


def test_own(net, make_daemon):
    """8650 3.4: a subscription is its user's, and nobody else knows of it; NETCONF's are not RESTCONF's."""
    startup = config.switch(net.ports)
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("other"))
    daemon = make_daemon(net, startup).start()
    with daemon.restconf() as client, daemon.restconf("other") as other, daemon.local() as nc:
        number, uri = established(client, {"stream": "NETCONF"})
        assert other.get(uri, SSE).status == 404
        for name in "delete-subscription", "modify-subscription":
            assert call(other, name, {"id": number}).status == 404
        # 8341: kill-subscription is denied to all whom no rule allows it
        assert call(other, "kill-subscription", {"id": number}).status == 403
        reply = nc.rpc(f'<establish-subscription xmlns="urn:ietf:params:xml:ns:yang:{SN}">'
                       "<stream>NETCONF</stream></establish-subscription>")
        mine = reply.findtext("{*}id")
        assert client.get(f"/restconf/subscriptions/{mine}", SSE).status == 404
        assert call(client, "delete-subscription", {"id": int(mine)}).status == 404


@pytest.mark.parametrize("parameters, status, tag, identity", [
    ({"stream": "other"}, 400, "invalid-value", None),
    ({}, 400, "missing-element", None),
    ({"stream": "NETCONF", "stream-xpath-filter": "/x["}, 400, "invalid-value",
     f"{SN}:filter-unsupported"),
    (push("ietf-datastores:candidate", on_change={}), 400, "invalid-value",
     f"{YP}:datastore-not-subscribable"),
    (push(periodic={"period": 1}), 400, "invalid-value", f"{YP}:period-unsupported"),
    ({"stream": "NETCONF", "encoding": "encode-cbor"}, 400, "invalid-value", None),
])
def test_errors(rc, parameters, status, tag, identity):
    response = call(rc, "establish-subscription", parameters)
    assert response.status == status, response.body
    assert response.error["error-tag"] == tag
    assert response.error.get("error-app-tag") == identity


def test_xml_request(rc, nc, daemon):
    """8639 2.4.2: without another word events are encoded as the request was."""
    body = (f'<input xmlns="urn:ietf:params:xml:ns:yang:{SN}"><stream>NETCONF</stream>'
            f'<stream-subtree-filter><netconf-config-change '
            f'xmlns="urn:ietf:params:xml:ns:yang:{NCN}"/></stream-subtree-filter></input>')
    response = rc.post(f"operations/{SN}:establish-subscription", body,
                       **{"Content-Type": XML, "Accept": XML})
    assert response.status == 200, response.body
    uri = response.xml.findtext("{*}uri")
    assert re.fullmatch(r"/restconf/subscriptions/\d+", uri)
    with daemon.restconf().stream(uri) as events:
        nc.describe("x")
        assert events.xml()[1].tag.endswith("}netconf-config-change")


def test_slow_subscriber(rc, nc, net, daemon):
    """8641 3.11.1: suspended while its client does not read, and brought up to date when it does."""
    many = [config.veth(f"a{i}", f"b{i}") for i in range(100)] + [
        config.veth(f"b{i}", f"a{i}") for i in range(100)]
    nc.edit(config.interfaces(*many))
    little_room(net)
    with subscribe(rc, daemon, push(on_change={}), room=4096) as events:
        state = None
        for at in range(2000):
            nc.edit(config.interfaces(*({"name": f"a{i}", "description": f"{at} {'x' * 50}"}
                                        for i in range(100))))
            (entry,) = rc.get(f"data/{SN}:subscriptions").json[f"{SN}:subscriptions"][
                "subscription"]
            state = entry["receivers"]["receiver"][0]["state"]
            if state == "suspended":
                break
        assert state == "suspended"
        names, described = [], []
        # it may have been suspended before, and resumed by what the sockets between take
        while described != [f"{at} {'x' * 50}"] * 100:
            _, name, content = events.json()
            names.append(name)
            if name == f"{YP}:push-update":
                entries = content["datastore-contents"]["ietf-interfaces:interfaces"]["interface"]
                described = [text for entry in entries
                             if (text := entry.get("description", "")).endswith("x")]
        assert names[-2:] == [f"{SN}:subscription-resumed", f"{YP}:push-update"]
        assert f"{SN}:subscription-suspended" in names
