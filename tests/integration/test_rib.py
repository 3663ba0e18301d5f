"""Routing tables with a great many routes of others: what is read of them, and what that costs."""

import contextlib
import http.client
import os
import signal
import ssl

import pytest

from ashlar import config, netconf
from ashlar.network import until
from ashlar.restconf import JSON
from ashlar.routes import insert, prefix

RT = config.namespaces()["ietf-routing"]
V4 = config.namespaces()["ietf-ipv4-unicast-routing"]
PAGING = "urn:ashlar:params:xml:ns:yang:ashlar-paging"
MANY = 8000
RIB = f'<routing xmlns="{RT}"><ribs><rib><name>ipv4</name>%s</rib></ribs></routing>'
PREFIXES = RIB % f'<routes><route><destination-prefix xmlns="{V4}"/></route></routes>'
ADDRESS = "ietf-ipv4-unicast-routing:destination-prefix"


@pytest.fixture
def many(net, daemon):
    insert(net, MANY)
    return net


def shown(reply):
    return [leaf.text for leaf in reply.iter("{*}destination-prefix")]


def one(nc, number):
    """The route to prefix(number), by a filter."""
    return shown(nc.get(RIB % f'<routes><route><destination-prefix xmlns="{V4}">{prefix(number)}'
                        "</destination-prefix></route></routes>"))


# --- what is answered -----------------------------------------------------------------------------


def test_one_of_many(nc, many):
    for number in (0, MANY // 2, MANY - 1):
        assert one(nc, number) == [prefix(number)]
    assert one(nc, MANY) == []
    # the same by an expression of the simple kind
    path = (f"/rt:routing/rt:ribs/rt:rib[rt:name='ipv4']/rt:routes/rt:route"
            f"[v4:destination-prefix='{prefix(7)}']")
    assert shown(nc.get(xpath=path, prefixes={"rt": "ietf-routing", "v4": "ietf-ipv4-unicast-routing"})) == [prefix(7)]
    # and by what several routes have in common, in the kernel's order
    assert shown(nc.get(RIB % "<routes><route><source-protocol>direct</source-protocol>"
                        "</route></routes>")) == ["192.0.2.0/24"]
    many.ip(f"route del {prefix(7)}")
    assert one(nc, 7) == []


CONDITIONS = {
    "rt:source-protocol='rt:direct'": ["192.0.2.0/24"],
    "rt:source-protocol='infix-routing:kernel' and rt:route-preference='7'": ["198.51.100.0/24"],
    "rt:next-hop/rt:outgoing-interface='veth9'": ["203.0.113.0/25"],
    "rt:next-hop/v4:next-hop-address='192.0.2.9'": ["198.51.100.0/24"],
    "rt:next-hop/v4:next-hop-address='192.0.2.10'": [],
    "rt:next-hop/rt:special-next-hop='prohibit'": ["203.0.113.128/25"],
    "rt:next-hop/rt:next-hop-list/rt:next-hop/rt:outgoing-interface='veth9'": ["198.51.100.64/26"],
    "rt:next-hop/rt:outgoing-interface='none'": [],
    "rt:route-preference='8'": [],
}


@pytest.fixture
def several(net, many):
    """Routes that are not like the many."""
    net.ip("link add veth9 type veth peer name veth10")
    net.ip("link set veth9 up")
    net.ip("link set veth10 up")
    net.ip("route add 198.51.100.0/24 via 192.0.2.9 metric 7")
    net.ip("route add 203.0.113.0/25 dev veth9")
    net.ip("route add prohibit 203.0.113.128/25")
    net.ip("route add 198.51.100.64/26 nexthop dev veth9 nexthop dev br0")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_condition(nc, several, condition):
    """Of many the few that fit, which are looked for without making the others."""
    path = f"/rt:routing/rt:ribs/rt:rib[rt:name='ipv4']/rt:routes/rt:route[{condition}]"
    prefixes = {"rt": "ietf-routing", "v4": "ietf-ipv4-unicast-routing",
                "infix-routing": "infix-routing"}
    assert shown(nc.get(xpath=path, prefixes=prefixes)) == CONDITIONS[condition]
    # the same where something else is selected of them, and among others
    leaf = f"{path}/v4:destination-prefix"
    assert shown(nc.get(xpath=leaf, prefixes=prefixes)) == CONDITIONS[condition]
    both = f"{leaf} | {path.partition('/rt:route[')[0]}/rt:route[rt:route-preference='7']"
    expected = {*CONDITIONS[condition], "198.51.100.0/24"}
    assert set(shown(nc.get(xpath=both, prefixes=prefixes))) == expected


def test_subtree_condition(nc, several):
    """RFC 6241 section 6.2.5: what a test leaves nothing of is not there."""
    hop = "<next-hop><outgoing-interface>veth9</outgoing-interface></next-hop>"
    (only,) = nc.get(RIB % f"<routes><route>{hop}</route></routes>").iter("route")
    assert only.findtext("next-hop/outgoing-interface") == "veth9"
    beside = shown(nc.get(
        RIB % f'<routes><route><destination-prefix xmlns="{V4}"/>{hop}</route></routes>'))
    assert len(beside) > MANY and "203.0.113.0/25" in beside


def test_all_of_many(nc, many):
    assert shown(nc.get(PREFIXES)) == [prefix(number) for number in range(MANY)] + ["192.0.2.0/24"]


def test_all_in_base_10(daemon, many):
    """A framing without chunks."""
    with daemon.local(versions=("1.0",)) as session:
        assert not session.chunked
        assert len(shown(session.get(PREFIXES))) == MANY + 1


def test_as_json(daemon, many):
    path = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4"
    with daemon.restconf() as client:
        reply = client.get(path)
        assert reply.status == 200 and "content-length" not in reply.headers
        routes = reply.json["ietf-routing:rib"][0]["routes"]["route"]
        assert [route[ADDRESS] for route in routes] == \
            [prefix(number) for number in range(MANY)] + ["192.0.2.0/24"]
        # without what is long there is a length, and what is not there is not found
        reply = client.get(f"{path}?fields=name")
        assert reply.json == {"ietf-routing:rib": [{"name": "ipv4"}]}
        assert "content-length" in reply.headers
        assert client.get("/restconf/data/ietf-routing:routing/ribs/rib=none").status == 404
        assert client.request("HEAD", path).status == 200
        reply = client.get(f"{path}?depth=2")
        assert set(reply.json["ietf-routing:rib"][0]) <= {"name", "address-family", "routes"}


def test_expressions(nc, many):
    """What libyang evaluates does not need them, or gets as many as there is room for."""
    names = nc.get(xpath="//if:interface[starts-with(if:name, 'p')][last()]/if:name", prefixes={
        "if": "ietf-interfaces"})
    assert [name.text for name in names.iter("name")] == ["p4"]


# --- page by page ----------------------------------------------------------------------------------


def page(session, filtered, limit=None, offset=None, operation="get", before=""):
    """<data> of a page."""
    asked = "".join(f'<{name} xmlns="{PAGING}">{value}</{name}>'
                    for name, value in (("limit", limit), ("offset", offset)) if value is not None)
    return session.data(f"<{operation}>{before}{session.filter(filtered, None, None)}{asked}</{operation}>")


def test_pages(nc, many):
    """All pages together are what is there without."""
    found = []
    while part := shown(page(nc, PREFIXES, 1500, len(found))):
        assert len(part) == min(1500, MANY + 1 - len(found))
        found += part
    assert found == [prefix(number) for number in range(MANY)] + ["192.0.2.0/24"]
    assert shown(page(nc, RIB % "<routes><route/></routes>", 2, MANY - 1)) == \
        [prefix(MANY - 1), "192.0.2.0/24"]
    assert shown(page(nc, PREFIXES, offset=MANY)) == ["192.0.2.0/24"]


def test_page_of_condition(nc, several):
    """What counts is what fits."""
    condition = RIB % f'<routes><route><destination-prefix xmlns="{V4}"/><route-preference>7' \
        "</route-preference></route></routes>"
    assert shown(page(nc, condition, 5)) == ["198.51.100.0/24"]
    assert shown(page(nc, condition, 5, 1)) == []


def test_page_as_json(daemon, many):
    path = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4/routes/route"
    with daemon.restconf() as client:
        reply = client.get(f"{path}?limit=3&offset=5000")
        assert [route[ADDRESS] for route in reply.json["ietf-routing:route"]] == \
            [prefix(number) for number in range(5000, 5003)]
        reply = client.get(f"{path}?offset={MANY - 1}&fields=ietf-ipv4-unicast-routing:destination-prefix")
        assert reply.json["ietf-routing:route"] == [{ADDRESS: prefix(MANY - 1)}, {ADDRESS: "192.0.2.0/24"}]
        reply = client.get(f"{path}?limit=3&offset={MANY + 1}")
        assert reply.status == 200 and reply.json == {}
        told = client.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities")
        assert "urn:ashlar:params:restconf:capability:paging:1.0" in \
            told.json["ietf-restconf-monitoring:capabilities"]["capability"]


def test_page_of_configuration(nc, daemon):
    ns = config.namespaces()["ietf-interfaces"]
    names = f'<interfaces xmlns="{ns}"><interface><name/></interface></interfaces>'
    source = "<source><running/></source>"
    everything = [name.text for name in nc.get_config(subtree=names).iter("name")]
    assert len(everything) > 3
    found = [page(nc, names, 1, number, "get-config", source).findtext("interfaces/interface/name")
             for number in range(len(everything))]
    assert found == everything
    with daemon.restconf() as client:
        reply = client.get("/restconf/ds/ietf-datastores:running/ietf-interfaces:interfaces/interface"
                           "?limit=2&offset=1&fields=name")
        assert [entry["name"] for entry in reply.json["ietf-interfaces:interface"]] == everything[1:3]


def test_no_page(nc, daemon):
    """A page is of one list, and its numbers are numbers."""
    for wrong in {"limit": "0"}, {"limit": "x"}, {"offset": "-1"}, {"limit": "4294967296"}:
        with pytest.raises(netconf.RpcError) as refused:
            page(nc, PREFIXES, **wrong)
        assert refused.value.tag == "invalid-value"
        assert refused.value.info["bad-element"] == list(wrong)[0]
    for wrong in RIB % "", f'<routing xmlns="{RT}"/>', RIB % "<routes/>":
        with pytest.raises(netconf.RpcError) as refused:
            page(nc, wrong, 1)
        assert refused.value.tag == "invalid-value"
    with daemon.restconf() as client:
        rib = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4"
        for wrong in f"{rib}?limit=1", f"{rib}/routes/route?limit=0", f"{rib}/routes/route?offset=x", \
                "/restconf/data?limit=1":
            assert client.get(wrong).status == 400
        assert client.delete(f"{rib}?limit=1").status == 400


# --- who else is served meanwhile -----------------------------------------------------------------


def begin(session, filtered=RIB % ""):
    """Asks, and reads so much of the answer that more of it is to come than has been sent."""
    number = session.request(f"<get>{session.filter(filtered, None, None)}</get>")
    while len(session.input) < 200_000:
        session.more()
    return number


def test_others_are_served(daemon, many):
    """An edit is made, and told, while a reader does not read."""
    with daemon.local() as reader, daemon.local() as editor:
        number = begin(reader)
        for text in ("one", "two"):
            editor.describe(text)
        assert editor.interface("p1").findtext("description") == "two"
        assert one(editor, 3) == [prefix(3)]
        assert len(shown(reader.reply(number))) == MANY + 1
        assert reader.interface("p1").findtext("description") == "two"


def test_events_wait(daemon, many):
    """A notification comes between messages, not within one."""
    with daemon.local() as reader, daemon.local() as editor:
        reader.ok(f'<create-subscription xmlns="{config.namespaces()["notifications"]}"/>')
        number = begin(reader)
        editor.describe("changed")
        editor.describe("again")
        assert len(shown(reader.reply(number))) == MANY + 1
        assert reader.notifications == []
        for _ in range(2):
            assert reader.notification().find("{*}netconf-config-change") is not None


def test_reader_goes(daemon, many):
    """What was read for it ends with it."""
    with daemon.local() as editor:
        before = daemon.children()
        reader = daemon.local()
        begin(reader)
        assert len(daemon.children()) == len(before) + 1
        reader.stream.close()
        until(lambda: daemon.children() == before, "no more children")
        # the same by another's order
        reader = daemon.local()
        begin(reader)
        editor.ok(f"<kill-session><session-id>{reader.session_id}</session-id></kill-session>")
        until(lambda: daemon.children() == before, "no more children")
        with pytest.raises((netconf.Closed, ConnectionError)):
            while True:
                reader.more()
        assert one(editor, 3) == [prefix(3)]


def test_broken_off(daemon, many):
    """What cannot be ended as it should is not ended at all."""
    with daemon.local() as editor:
        before = daemon.children()
        reader = daemon.local()
        begin(reader)
        (reading,) = set(daemon.children()) - set(before)
        os.kill(reading, signal.SIGKILL)
        with pytest.raises((netconf.Closed, ConnectionError)):
            reader.reply()
        with daemon.restconf() as client:
            client.connection.request("GET", "/restconf/data/ietf-routing:routing/ribs/rib=ipv4",
                                      headers={**client.headers, "Accept": JSON})
            response = client.connection.getresponse()
            assert response.status == 200 and response.read(100_000)
            (reading,) = set(daemon.children()) - set(before)
            os.kill(reading, signal.SIGKILL)
            with pytest.raises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
                response.read()
        assert one(editor, 3) == [prefix(3)]


PLACES, PLACES_USER = 16, 8  # src/datastore/read-room.h


def restconf_begin(stack, daemon, net):
    """The same by RESTCONF, where little is kept on the way."""
    net.run("sh", "-c", "echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_wmem")
    client = stack.enter_context(daemon.restconf(room=4096))
    client.connection.request("GET", "/restconf/data/ietf-routing:routing/ribs/rib=ipv4",
                              headers=client.headers)
    response = client.connection.getresponse()
    assert response.status == 200 and response.read(20_000)
    return response


@pytest.fixture
def quick(net, make_daemon):
    """One that is quick enough to fill all places before somebody's time is over."""
    daemon = make_daemon(net, config.switch(net.ports), build="release").start()
    insert(net, MANY)
    return daemon


@pytest.mark.host
def test_stalled_readers(net, quick):
    """Whose peers do not read count for little: others read meanwhile, however long their answers are."""
    daemon = quick
    with contextlib.ExitStack() as stack:
        before = len(daemon.children())
        readers = [stack.enter_context(daemon.local()) for _ in range(PLACES_USER - 2)]
        numbers = [begin(reader) for reader in readers]
        responses = [restconf_begin(stack, daemon, net) for _ in range(PLACES_USER - 2)]
        assert len(daemon.children()) - before == len(readers) + len(responses)
        everything = [prefix(number) for number in range(MANY)] + ["192.0.2.0/24"]
        third = stack.enter_context(daemon.local())
        assert shown(third.get(PREFIXES)) == everything
        with daemon.restconf() as client:
            path = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4/routes"
            routes = client.get(path).json["ietf-routing:routes"]["route"]
            assert [route[ADDRESS] for route in routes] == everything
        # they have waited for nothing, and nobody has had to go
        for reader, number in zip(readers, numbers):
            assert len(shown(reader.reply(number))) == MANY + 1
        for response in responses:
            assert b"192.0.2.0/24" in response.read()


@pytest.mark.host
def test_place_of_another(net, quick):
    """When there are as many as can be, the one that has read the least for longest has to go."""
    daemon = quick
    with contextlib.ExitStack() as stack:
        before = len(daemon.children())
        readers = [stack.enter_context(daemon.local()) for _ in range(PLACES_USER)]
        numbers = [begin(reader) for reader in readers]
        responses = [restconf_begin(stack, daemon, net) for _ in range(PLACES - PLACES_USER)]
        assert len(daemon.children()) - before == PLACES
        with daemon.local() as another:
            assert len(shown(another.get(PREFIXES))) == MANY + 1
        daemon.wait_log("event=reply-broken session=\\d+ user=\"root\" reason=\".*not being read")
        # root's, for root asked; of the others nobody lost anything
        with pytest.raises((netconf.Closed, ConnectionError)):
            readers[0].reply(numbers[0])
        with daemon.restconf() as client:
            path = "/restconf/data/ietf-routing:routing/ribs/rib=ipv4/routes"
            assert len(client.get(path).json["ietf-routing:routes"]["route"]) == MANY + 1
        daemon.wait_log("event=reply-broken user=\"admin\" .*reason=\".*not being read")
        with pytest.raises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
            responses[0].read()
        for reader, number in zip(readers[1:], numbers[1:]):
            assert len(shown(reader.reply(number))) == MANY + 1
        for response in responses[1:]:
            assert b"192.0.2.0/24" in response.read()


# --- what it costs --------------------------------------------------------------------------------


@pytest.mark.host
def test_memory(make_daemon, net):
    """Nothing of the routes is kept, neither when they come nor when they are read."""
    count = 100_000
    daemon = make_daemon(net, config.switch(net.ports), build="release").start()
    with daemon.local() as reader, daemon.local() as editor:
        editor.describe("before")
        assert len(shown(reader.get(PREFIXES))) == 1
        before = daemon.rss_kib()
        insert(net, count)
        editor.describe("after")
        assert daemon.rss_kib() - before < 1024
        number = begin(reader)
        highest, size = 0, 0
        while not reader.input.endswith(b"</rpc-reply>\n##\n"):
            size += len(reader.input) - 100
            reader.input = reader.input[-100:]
            reader.more()
            highest = max(highest, daemon.rss_kib())
        assert size > 20 << 20 and number
        assert highest - before < 4096
        assert "events were lost" not in "\n".join(daemon.log)
