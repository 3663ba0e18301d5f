"""RESTCONF: resources, methods, encodings, preconditions, query parameters, and HTTP beneath them."""

import base64
import json
import os
import re
import socket
import ssl
import time
from email.utils import formatdate, parsedate_to_datetime

import pytest

from ashlar import config
from ashlar.restconf import JSON, XML

IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
RC = "urn:ietf:params:xml:ns:yang:ietf-restconf"
INTERFACES = "data/ietf-interfaces:interfaces"
BR0 = f"{INTERFACES}/interface=br0"
P1 = f"{INTERFACES}/interface=p1"
NACM = "data/ietf-netconf-acm:nacm"


@pytest.fixture
def rc(daemon):
    with daemon.restconf() as client:
        yield client


def members(response):
    """The one member of a JSON reply."""
    (value,) = response.json.values()
    return value


def description(client, resource=BR0):
    response = client.get(f"{resource}/description")
    return members(response) if response.status == 200 else None


# --- what there is --------------------------------------------------------------------------------


def test_discovery(daemon, rc):
    with daemon.restconf(None, None) as stranger:
        found = stranger.request("GET", "/.well-known/host-meta")
        assert found.status == 200 and found.headers["Content-Type"] == "application/xrd+xml"
        (link,) = found.xml
        assert link.get("rel") == "restconf" and link.get("href") == "/restconf"
        refused = stranger.get("/restconf")
        assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert rc.get("/restconf").json == {"ietf-restconf:restconf": {
        "data": {}, "operations": {}, "yang-library-version": "2019-01-04"}}
    assert rc.get("/restconf", XML).xml.findtext(f"{{{RC}}}yang-library-version") == "2019-01-04"
    assert rc.get("yang-library-version").json == {
        "ietf-restconf:yang-library-version": "2019-01-04"}
    assert members(rc.get("/restconf?depth=1")) == {}
    assert members(rc.get("/restconf?fields=data")) == {"data": {}}
    capabilities = members(rc.get("data/ietf-restconf-monitoring:restconf-state/capabilities"))
    names = {uri.rsplit(":", 2)[1] for uri in capabilities["capability"]}
    assert names == {"comment", "defaults", "depth", "fields", "filter", "paging", "plan",
                     "replay", "with-defaults", "with-operational-defaults", "with-origin"}
    library = members(rc.get("data/ietf-yang-library:yang-library?depth=2"))
    assert library["content-id"]


def test_operations(rc):
    found = members(rc.get("operations"))
    assert all(value == [None] for value in found.values())
    assert len(rc.get("operations", XML).xml) == len(found)
    for name in found:
        assert rc.get(f"operations/{name}").status == 405
        options = rc.request("OPTIONS", f"operations/{name}")
        assert options.status == 200 and options.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("name", [
    "ietf-netconf:lock", "ietf-netconf:commit", "ietf-netconf:edit-config",
    "ietf-netconf-monitoring:get-schema", "ietf-netconf-nmda:get-data"])
def test_operations_of_netconf(rc, name):
    """RFC 8040 3.3.2, 3.6: what methods stand for is no operation resource."""
    assert name not in members(rc.get("operations"))
    for method in "OPTIONS", "GET", "POST":
        response = rc.request(method, f"operations/{name}")
        assert response.status == 404 and response.error["error-tag"] == "invalid-value"


@pytest.mark.parametrize("method, path", [
    ("PATCH", "data"), ("PUT", "data"), ("POST", "data"), ("PATCH", BR0), ("PUT", BR0),
    ("POST", BR0)])
@pytest.mark.parametrize("body", [
    "<a><b></a>", "<a>", "<a/><b", "<a b=c/>", "<a>&nope;</a>", "<a/>text",
    '<a xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><b></a>',
    '<interface xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><name>br0</name></interface>x',
    '<data xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><a></data>'])
def test_malformed_xml(rc, method, path, body):
    """RFC 8040 7.1: what is no XML is a malformed-message, whatever it is about."""
    response = rc.request(method, path, body.encode(), {"Content-Type": XML, "Accept": JSON})
    assert (response.status, response.error["error-tag"]) == (400, "malformed-message")


def test_error_info(rc):
    """RFC 6241 appendix A in RESTCONF's words."""
    response = rc.patch("data", {"ietf-restconf:data": {"nope:x": 1}})
    assert response.error["error-info"] == {"bad-element": "x", "bad-namespace": "nope"}


@pytest.mark.parametrize("path, allow", [
    ("/restconf", "OPTIONS, GET, HEAD"),
    ("data", "OPTIONS, GET, HEAD, POST, PUT, PATCH"),
    (BR0, "OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE"),
    (f"{BR0}/description", "OPTIONS, GET, HEAD, PUT, PATCH, DELETE"),
    (f"{BR0}/oper-status", "OPTIONS, GET, HEAD"),
    ("ds/ietf-datastores:operational", "OPTIONS, GET, HEAD"),
    ("ds/ietf-datastores:running", "OPTIONS, GET, HEAD, POST, PUT, PATCH"),
])
def test_options(rc, path, allow):
    response = rc.request("OPTIONS", path)
    assert response.status == 200 and response.headers["Allow"] == allow
    assert ("Accept-Patch" in response.headers) == ("PATCH" in allow)
    if "DELETE" not in allow:
        refused = rc.delete(path)
        assert refused.status == 405 and refused.headers["Allow"] == allow
        assert refused.error["error-tag"] == "operation-not-supported"


# --- reading --------------------------------------------------------------------------------------


def test_reading(rc):
    response = rc.get(BR0)
    (entry,) = members(response)
    assert entry["name"] == "br0" and entry["oper-status"] and "statistics" in entry
    assert response.headers["Cache-Control"] == "no-cache" and response.headers["ETag"]
    xml = rc.get(BR0, XML)
    assert xml.xml.tag == f"{{{IF}}}interface" and xml.headers["ETag"] != response.headers["ETag"]
    (entry,) = members(rc.get(f"{BR0}?content=config"))
    assert "oper-status" not in entry and entry["type"] == "infix-if-type:bridge"
    (entry,) = members(rc.get(f"{BR0}?content=nonconfig"))
    assert "oper-status" in entry and "type" not in entry
    (entry,) = members(rc.get(f"{BR0}?fields=type;statistics(in-octets)"))
    assert set(entry) == {"name", "type", "statistics"} and set(entry["statistics"]) == {"in-octets"}
    assert members(rc.get(f"{INTERFACES}?depth=1")) == {}
    assert {"name": "p1"} in members(rc.get(f"{INTERFACES}?fields=interface/name"))["interface"]
    assert members(rc.get("data?depth=1")) == {}
    whole = rc.get("data", XML).xml
    assert whole.tag == f"{{{RC}}}data" and whole.find(f"{{{IF}}}interfaces") is not None
    # a default in use is shown when it is asked for itself, else as the client says
    assert members(rc.get(f"{BR0}/enabled")) is True
    assert "enabled" not in members(rc.get(f"{BR0}?content=config"))[0]
    tagged = rc.get(f"{BR0}?content=config&with-defaults=report-all-tagged")
    assert members(tagged)[0]["@enabled"] == {"ietf-netconf-with-defaults:default": True}
    # only JSON can hold more than one instance
    assert len(members(rc.get(f"{INTERFACES}/interface"))) == 6
    assert rc.get(f"{INTERFACES}/interface", XML).status == 400
    assert rc.get(f"{INTERFACES}/interface=p9").error["error-tag"] == "invalid-value"
    body = rc.get(f"{BR0}?content=config")
    head = rc.request("HEAD", f"{BR0}?content=config", headers={"Accept": JSON})
    assert head.body == b"" and head.headers["Content-Length"] == str(len(body.body))
    assert head.headers["ETag"] == body.headers["ETag"]


def test_encodings(rc):
    assert rc.get(BR0, "text/html").status == 406
    assert rc.get(BR0, f"{JSON};q=0.1, {XML}").headers["Content-Type"] == XML
    assert rc.get(BR0, "*/*").headers["Content-Type"] == JSON
    assert rc.patch(BR0, "x", **{"Content-Type": "text/plain"}).status == 415
    assert rc.patch(BR0, "x").status == 415
    body = f'<i:description xmlns:i="{IF}">a &amp; b</i:description>'
    assert rc.put(f"{BR0}/description", body, **{"Content-Type": XML}).status == 201
    assert description(rc) == "a & b"
    # without Accept, errors come in the language of the request
    bad = rc.put(f"{BR0}/enabled", f'<enabled xmlns="{IF}">so so</enabled>', **{"Content-Type": XML})
    assert bad.status == 400 and bad.headers["Content-Type"] == XML
    (error,) = bad.xml
    path = error.find(f"{{{RC}}}error-path")
    assert path.text == "/if:interfaces/if:interface[if:name='br0']/if:enabled"
    assert path.nsmap["if"] == IF
    data = (f'<data xmlns="{RC}" xmlns:i="{IF}"><i:interfaces><i:interface><i:name>br0</i:name>'
            "<i:description>c</i:description></i:interface></i:interfaces></data>")
    assert rc.patch("data", data, **{"Content-Type": XML}).status == 204
    assert description(rc) == "c"


# --- writing --------------------------------------------------------------------------------------


def test_methods(net, rc):
    new = config.interface("br1", "bridge", description="one")
    made = rc.post(INTERFACES, {"ietf-interfaces:interface": [new]})
    assert made.status == 201 and made.body == b"" and made.headers["ETag"]
    path = f"{INTERFACES}/interface=br1"
    assert made.headers["Location"] == f"https://127.0.0.1/restconf/{path}"
    assert rc.post(INTERFACES, {"ietf-interfaces:interface": [new]}).status == 409
    assert net.link("br1")["ifalias"] == "one"
    assert rc.patch(path, {"ietf-interfaces:interface": [{"name": "br1", "enabled": False}]}
                    ).status == 204
    assert description(rc, path) == "one"
    assert rc.put(path, {"ietf-interfaces:interface": [config.interface("br1", "bridge")]}
                  ).status == 204
    assert description(rc, path) is None
    assert rc.patch(f"{path}/description", {"ietf-interfaces:description": "x"}).status == 404
    assert rc.put(f"{path}/description", {"ietf-interfaces:description": "x"}).status == 201
    assert rc.patch(f"{path}/description", {"ietf-interfaces:description": "y"}).status == 204
    assert rc.post(path, {"ietf-interfaces:description": "z"}).status == 409
    assert description(rc, path) == "y"
    # a key can be said, not changed
    assert rc.put(f"{path}/name", {"ietf-interfaces:name": "br1"}).status == 204
    assert rc.put(f"{path}/name", {"ietf-interfaces:name": "br2"}).status == 400
    assert rc.delete(f"{path}/name").status == 400
    # never more than one at once
    assert rc.delete(f"{INTERFACES}/interface").status == 400
    two = {"ietf-interfaces:interface": [config.interface(name, "bridge") for name in ("a", "b")]}
    assert rc.post(INTERFACES, two).status == 400
    # what does not exist is not made on the way
    absent = f"{INTERFACES}/interface=br9"
    for response in (rc.patch(absent, {"ietf-interfaces:interface": [{"name": "br9"}]}),
                     rc.put(f"{absent}/description", {"ietf-interfaces:description": "x"}),
                     rc.post(absent, {"ietf-interfaces:description": "x"}), rc.delete(absent)):
        assert response.status == 404 and response.error["error-tag"] == "invalid-value"
    assert rc.delete(path).status == 204 and net.link("br1") is None
    assert rc.delete(path).status == 404
    # operations are the method's to say
    hidden = {"ietf-interfaces:interface": [
        {"name": "br0", "@": {"ietf-netconf:operation": "remove"}}]}
    assert rc.patch(BR0, hidden).error["error-tag"] == "unknown-attribute"
    assert rc.get(BR0).status == 200


def test_whole_datastore(net, rc):
    config_now = members(rc.get("data?content=config"))
    for entry in config_now["ietf-interfaces:interfaces"]["interface"]:
        if entry["name"] == "br0":
            entry["description"] = "all of it"
    assert rc.put("data", {"ietf-restconf:data": config_now}).status == 204
    assert net.link("br0")["ifalias"] == "all of it"
    assert members(rc.get("data?content=config")) == config_now
    assert rc.put("data", config_now).status == 400
    assert rc.put("data", {"ietf-restconf:data": config_now, "x": 1}).status == 400


def test_large_patch(rc):
    """What is parsed in portions is one edit all the same."""
    def groups(count, **last):
        entries = [{"name": f"g{number}", "user-name": [f"user-{number}-{part}" for part in "abc"]}
                   for number in range(count)]
        entries[-1].update(last)
        return {"ietf-netconf-acm:nacm": {"groups": {"group": entries}}}

    def count():
        return len(members(rc.get(f"{NACM}/groups?fields=group/name"))["group"])

    before = rc.get("data").headers["ETag"]
    bad = groups(2000, nonsense=1)
    assert len(json.dumps(bad)) > 100000
    for path, body in (NACM, bad), ("data", {"ietf-restconf:data": bad}):
        refused = rc.patch(path, body)
        assert refused.status == 400 and refused.error["error-tag"] == "unknown-element"
    hidden = groups(2000, **{"@": {"ietf-netconf:operation": "delete"}})
    assert rc.patch(NACM, hidden).error["error-tag"] == "unknown-attribute"
    assert rc.patch(INTERFACES, groups(2000)).status == 400
    assert rc.get("data").headers["ETag"] == before and count() == 1
    assert rc.patch(NACM, groups(2000)).status == 204
    assert count() == 2001
    assert rc.patch("data", {"ietf-restconf:data": groups(3000)}).status == 204
    assert count() == 3001
    xml = "".join(f"<group><name>x{number}</name><user-name>someone</user-name></group>"
                  for number in range(1500))
    data = (f'<data xmlns="{RC}"><nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm">'
            f"<groups>{xml}</groups></nacm></data>")
    assert rc.patch("data", data, **{"Content-Type": XML}).status == 204
    assert count() == 4501


def test_where_edits_end_up(daemon, rc):
    def saved():
        data = json.loads(daemon.startup_file.read_text())
        (entry,) = [entry for entry in data["ietf-interfaces:interfaces"]["interface"]
                    if entry["name"] == "br0"]
        return entry.get("description")

    running = "ds/ietf-datastores:running/ietf-interfaces:interfaces/interface=br0/description"
    assert rc.put(running, {"ietf-interfaces:description": "running"}).status == 201
    # an edit of {+restconf}/data also saves, within a second or so
    assert rc.put(f"{P1}/description", {"ietf-interfaces:description": "p1"}).status == 201
    deadline = time.monotonic() + 20
    while saved() is None and time.monotonic() < deadline:
        startup = rc.get(running.replace("running", "startup", 1))
    assert saved() == "running"
    startup = rc.get(running.replace("running", "startup", 1))
    assert members(startup) == "running"
    assert rc.put(running, {"ietf-interfaces:description": "again"}).status == 204
    assert members(rc.get(running)) == "again" and saved() == "running"
    operational = rc.get("ds/ietf-datastores:operational/ietf-interfaces:interfaces/interface=br0")
    assert members(operational)[0]["oper-status"] and "ETag" not in operational.headers


def test_order(rc):
    def put(name, query, status, method=rc.put):
        path = f"{NACM}/rule-list={name}" if method == rc.put else NACM
        body = {"ietf-netconf-acm:rule-list": [{"name": name, "group": ["admin"]}]}
        response = method(f"{path}{query}", body)
        assert response.status == status, response.body

    def names():
        return [entry["name"] for entry in members(rc.get(f"{NACM}?fields=rule-list/name"))
                ["rule-list"]]

    def at(name):
        return f"%2Fietf-netconf-acm%3Anacm%2Frule-list%3D{name}"

    put("a", "?insert=first", 201)
    put("b", f"?insert=after&point={at('a')}", 201, rc.post)
    put("c", f"?insert=before&point={at('a')}", 201)
    assert names() == ["c", "a", "b", "admin"]
    put("c", "?insert=last", 204)
    assert names() == ["a", "b", "admin", "c"]
    put("d", f"?insert=after&point={at('nobody')}", 400)
    put("d", "?insert=after", 400)
    put("d", f"?point={at('a')}", 400)
    group = {"ietf-netconf-acm:group": [{"name": "x"}]}
    assert rc.post(f"{NACM}/groups?insert=first", group).status == 400
    assert names() == ["a", "b", "admin", "c"]


def test_preconditions(rc):
    body = {"ietf-interfaces:interface": [{"name": "br0", "description": "x"}]}
    first = rc.get(BR0).headers
    tag = first["ETag"]
    assert rc.get(BR0 + "?content=config", **{"If-None-Match": f'"x", {tag}'}).status == 304
    assert rc.get(BR0, **{"If-None-Match": tag}).status == 200  # with state, which has no tag
    assert rc.get(BR0, **{"If-None-Match": '"x"'}).status == 200
    assert rc.get(BR0, **{"If-Match": '"x"'}).status == 412
    changed = rc.patch(BR0, body, **{"If-Match": tag})
    assert changed.status == 204 and changed.headers["ETag"] != tag
    stale = rc.patch(BR0, body, **{"If-Match": tag})
    assert stale.status == 412 and stale.error["error-tag"] == "operation-failed"
    assert rc.patch(BR0, body, **{"If-Match": "*"}).status == 204
    assert rc.get(BR0, **{"If-None-Match": tag}).status == 200
    path = f"{BR0}/description"
    only_new = {"If-None-Match": "*"}
    assert rc.put(path, {"ietf-interfaces:description": "y"}, **only_new).status == 412
    assert rc.delete(path, **{"If-Match": tag}).status == 412
    assert rc.delete(path).status == 204
    assert rc.delete(path, **{"If-Match": "*"}).status in (404, 412)
    assert rc.put(path, {"ietf-interfaces:description": "y"}, **only_new).status == 201
    long_ago, later = "Sun, 06 Nov 1994 08:49:37 GMT", "Tue, 19 Jan 2038 03:14:07 GMT"
    assert rc.patch(BR0, body, **{"If-Unmodified-Since": long_ago}).status == 412
    assert rc.patch(BR0, body, **{"If-Unmodified-Since": later}).status == 204
    assert rc.get(BR0, **{"If-Modified-Since": long_ago}).status == 200
    assert rc.get(BR0 + "?content=config", **{"If-Modified-Since": later}).status == 304


def test_date_of_a_change_within_the_second(rc):
    """RFC 8040 section 3.4.1: a date must not stand for what came later in the same second."""
    for number in range(5):
        body = {"ietf-interfaces:interface": [{"name": "br0", "description": f"{number}"}]}
        seen = rc.get(BR0).headers
        assert parsedate_to_datetime(seen["Last-Modified"]) <= parsedate_to_datetime(seen["Date"])
        assert rc.patch(BR0, body).status == 204
        since = {"If-Unmodified-Since": seen["Last-Modified"]}
        assert rc.patch(BR0, body, **since).status == 412
        since = {"If-Modified-Since": seen["Last-Modified"]}
        assert rc.get(BR0 + "?content=config", **since).status == 200


def test_validators_do_not_follow_the_clock(daemon):
    """A tag or a date of before means nothing to a daemon whose clock has begun anew."""
    later = time.time() + 86400
    with daemon.restconf() as client:
        tags = {client.get(BR0).headers["ETag"]}
    daemon.stop()
    os.utime(daemon.startup_file, (later, later))
    daemon.start()
    with daemon.restconf() as client:
        first = client.get(BR0).headers
        tags.add(first["ETag"])
        assert parsedate_to_datetime(first["Last-Modified"]) <= \
            parsedate_to_datetime(first["Date"])
        for date in first["Date"], formatdate(later - 3600, usegmt=True):
            assert client.delete(BR0, **{"If-Unmodified-Since": date}).status == 412
            assert client.get(BR0 + "?content=config",
                              **{"If-Modified-Since": date}).status == 200
    assert len(tags) == 2
    for tag in tags:
        assert abs((int(tag.strip('"').split("-")[0], 16) >> 20) - time.time()) > 1 << 20


def test_locked(daemon, nc, rc):
    nc.rpc("<lock><target><running/></target></lock>")
    refused = rc.put(f"{BR0}/description", {"ietf-interfaces:description": "x"})
    assert refused.status == 409 and refused.error["error-tag"] in ("lock-denied", "in-use")
    nc.rpc("<unlock><target><running/></target></unlock>")
    assert rc.put(f"{BR0}/description", {"ietf-interfaces:description": "x"}).status == 201


# --- who asks -------------------------------------------------------------------------------------


def test_access(daemon, rc):
    guest = config.user("guest")
    assert rc.post("data/ietf-system:system/authentication",
                   {"ietf-system:user": [guest]}).status == 201
    with daemon.restconf("guest", config.PASSWORD) as client:
        assert client.get(BR0).status == 200
        refused = client.put(f"{BR0}/description", {"ietf-interfaces:description": "x"})
        assert refused.status == 403 and refused.error["error-tag"] == "access-denied"
        # default-deny: as if it were not there
        assert client.get(NACM).status == 404
        # a user who is gone is gone at once, also on a connection that was known
        assert rc.delete("data/ietf-system:system/authentication/user=guest").status == 204
        assert client.get(BR0).status == 401
    with daemon.restconf(config.USER, "wrong") as client:
        assert client.get(BR0).status == 401


# --- HTTP -----------------------------------------------------------------------------------------


class Raw:
    """A TLS connection on which bytes are sent and read as they are."""

    def __init__(self, daemon):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.stream = context.wrap_socket(daemon.net.connect("127.0.0.1", daemon.https_port))
        self.stream.settimeout(60)
        token = base64.b64encode(f"{config.USER}:{config.PASSWORD}".encode()).decode()
        self.lines = ["Host: x", f"Authorization: Basic {token}"]

    def request(self, line, *lines):
        return "\r\n".join([f"{line} HTTP/1.1", *self.lines, *lines, "", ""]).encode()

    def end(self):
        """Everything until the daemon ends it."""
        data = b""
        while piece := self.stream.recv(65536):
            data += piece
        return data

    def half_close(self):
        """We say no more, but listen."""
        socket.socket.shutdown(self.stream, socket.SHUT_WR)


@pytest.fixture
def raw(daemon):
    connection = Raw(daemon)
    yield connection
    connection.stream.close()


GET = f"GET /restconf/{BR0}/enabled"


def test_pipelining(raw):
    """Replies come in order, each to its request."""
    wanted = [f"{BR0}/name", f"{BR0}/enabled", f"{P1}/name", f"{P1}/enabled"] * 100
    raw.stream.sendall(b"".join(raw.request(f"GET /restconf/{path}") for path in wanted) +
                       raw.request(GET, "Connection: close"))
    bodies = re.findall(rb'\{"[^}]*\}\n', raw.end())
    values = ["br0", True, "p1", True] * 100 + [True]
    assert [next(iter(json.loads(body).values())) for body in bodies] == values


def test_bytes_as_they_come(raw):
    for byte in b"\r\n" + raw.request(GET, "Connection: close"):
        raw.stream.sendall(bytes([byte]))
    assert raw.end().endswith(b'{"ietf-interfaces:enabled":true}\n')


def test_bodies(raw):
    body = json.dumps({"ietf-interfaces:description": "in pieces"}).encode()
    put = f"PUT /restconf/{BR0}/description"
    raw.stream.sendall(raw.request(put, f"Content-Type: {JSON}", "Transfer-Encoding: chunked"))
    for byte in body:
        raw.stream.sendall(b"1;x=y\r\n" + bytes([byte]) + b"\r\n")
    raw.stream.sendall(b"0\r\nTrailer: x\r\n\r\n")
    raw.stream.sendall(raw.request(put, f"Content-Type: {JSON}", f"Content-Length: {len(body)}",
                                   "Expect: 100-continue", "Connection: close"))
    reply = b""
    while b"100 Continue\r\n\r\n" not in reply:
        reply += raw.stream.recv(65536)
    assert reply.startswith(b"HTTP/1.1 201 ")
    raw.stream.sendall(body)
    assert raw.end().startswith(b"HTTP/1.1 204 ")


def test_half_close(raw):
    """What was asked is answered to the last byte, also when nobody will ask any more."""
    raw.stream.sendall(raw.request(GET) + raw.request("GET /restconf/data"))
    raw.half_close()
    first, _, rest = raw.end().partition(b"\n{")
    replies = raw_replies(first + b"\n{" + rest)
    assert [status for status, _ in replies] == [200, 200]
    json.loads(replies[1][1])


def raw_replies(data):
    """(status, body) of each reply."""
    replies = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            body, data = unchunked(data)
        else:
            size = int(re.search(rb"Content-Length: (\d+)", head)[1])
            body, data = data[:size], data[size:]
        replies.append((int(head.split()[1]), body))
    return replies


def unchunked(data):
    """A body that comes in chunks, and what follows it."""
    body, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        at = end + 2 + size
        assert data[at:at + 2] == b"\r\n"
        body.append(data[end + 2:at])
        at += 2
        if not size:
            return b"".join(body), data[at:]


def test_strangers_get_little(daemon):
    raw = Raw(daemon)
    raw.lines = ["Host: x"]
    raw.stream.sendall(raw.request("GET /restconf") * 10)
    assert [status for status, _ in raw_replies(raw.end())] == [401] * 3


def test_many_connections(daemon):
    """One source cannot take them all, and what it has taken works."""
    connections = []
    with pytest.raises(OSError):
        for _ in range(100):
            raw = Raw(daemon)
            raw.stream.sendall(raw.request(GET))
            assert raw.stream.recv(4096).startswith(b"HTTP/1.1 200 ")
            connections.append(raw)
    assert len(connections) == 64
    for raw in connections:
        raw.stream.sendall(raw.request(GET, "Connection: close"))
    for raw in connections:
        assert raw.end().startswith(b"HTTP/1.1 200 ")
        raw.stream.close()


def test_large_reply_to_a_slow_reader(daemon, rc):
    entries = [config.interface(f"b{number}", "bridge", description="x" * 64)
               for number in range(300)]
    assert rc.patch(INTERFACES, config.interfaces(*entries)).status == 204
    raw = Raw(daemon)
    raw.stream.sendall(raw.request(f"GET /restconf/{INTERFACES}") * 10 +
                       raw.request(f"GET /restconf/{INTERFACES}", "Connection: close"))
    # others are served meanwhile
    assert rc.get(f"{BR0}/enabled").status == 200
    replies = raw_replies(raw.end())
    assert len(replies) == 11
    for status, body in replies:
        assert status == 200 and len(json.loads(body)["ietf-interfaces:interfaces"]["interface"]) > 300
    # a client that leaves in the middle leaves nothing behind: the sanitizer looks
    gone = Raw(daemon)
    gone.stream.sendall(gone.request(f"GET /restconf/{INTERFACES}") * 10)
    gone.stream.recv(1000)
    gone.stream.close()
    assert rc.get(f"{BR0}/enabled").status == 200
