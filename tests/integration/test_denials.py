"""RFC 8341: who may not read a node learns nothing of it, neither from errors nor from what is told."""

import pytest

from ashlar import config
from ashlar.netconf import NOTIFICATION, RpcError, strip_namespaces

ACM = config.namespaces()["ietf-netconf-acm"]
IF = config.namespaces()["ietf-interfaces"]
TYPES = config.namespaces()["infix-if-type"]
YANG = "urn:ietf:params:xml:ns:yang:1"
BASE = config.NETCONF
ENTRY = "/ietf-interfaces:interfaces/interface[name='%s']"
CONTAINER = "/infix-containers:containers/container[name='%s']"


def deny(name, path, operations="*"):
    return {"name": name, "path": path, "access-operations": operations, "action": "deny"}


ALL = {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}
# "some" may do all with everything but p2 and an interface that is not there
SOME = {"name": "some", "group": ["some"], "rule": [
    deny("there", ENTRY % "p2"), deny("not-there", ENTRY % "ghost"),
    deny("container", CONTAINER % "there"), deny("no-container", CONTAINER % "ghost"),
    deny("list", "/ietf-netconf-acm:nacm/rule-list[name='hidden']", "read"), ALL]}
# "blind" may write, and see no description
BLIND = {"name": "blind", "group": ["blind"], "rule": [
    deny("read", "/ietf-interfaces:interfaces/interface/description", "read"),
    deny("write", "/ietf-interfaces:interfaces/interface[name='p3']/description",
         "update delete"),
    deny("case", "/ietf-netconf-acm:nacm/rule-list/rule/rpc-name"), ALL]}
HIDDEN = {"name": "hidden", "group": ["none"], "rule": [
    {"name": "r", "rpc-name": "get", "action": "deny"}]}
USERS = ["some", "blind"]


@pytest.fixture
def daemon(net, make_daemon):
    startup = {
        **config.switch(net.ports),
        **config.access({name: [name] for name in USERS},
                        [SOME, BLIND, HIDDEN]),
        "ietf-system:system": {"authentication": {"user": [config.user(name) for name in USERS]}},
        "infix-containers:containers": {"container": [
            {"name": "there", "image": "oci-archive:/none.tar", "manual": True}]}}
    for entry in startup["ietf-interfaces:interfaces"]["interface"]:
        if entry["name"] in ("p2", "p3"):
            entry["description"] = "secret"
    return make_daemon(net, startup).start()


def entry(name, inside="", operation=None):
    attribute = f' nc:operation="{operation}"' if operation else ""
    return (f'<interfaces xmlns="{IF}" xmlns:nc="{BASE}"><interface{attribute}>'
            f"<name>{name}</name>{inside}</interface></interfaces>")


def described(text="", operation=None):
    attribute = f' nc:operation="{operation}"' if operation else ""
    return f"<description{attribute}>{text}</description>"


def outcome(call, *arguments, **options):
    """What the client is told, whatever name it used."""
    try:
        call(*arguments, **options)
    except RpcError as error:
        return error.tag, error.path, error.message
    return "ok"


KIND = f'<type xmlns:t="{TYPES}">t:ethernet</type>'
EDITS = {
    "merge": lambda name: entry(name, described("x")),
    "merge the same": lambda name: entry(name, described("secret")),
    "merge only the name": lambda name: entry(name),
    "merge type": lambda name: entry(name, KIND),
    "create": lambda name: entry(name, KIND, "create"),
    "create nothing more": lambda name: entry(name, operation="create"),
    "create a leaf": lambda name: entry(name, described("x", "create")),
    "replace": lambda name: entry(name, KIND, "replace"),
    "delete": lambda name: entry(name, operation="delete"),
    "remove": lambda name: entry(name, operation="remove"),
    "delete a leaf": lambda name: entry(name, described("", "delete")),
    "delete a value": lambda name: entry(name, described("secret", "delete")),
    "remove a leaf": lambda name: entry(name, described("", "remove")),
    "delete the key": lambda name: entry(name).replace("<name>", '<name nc:operation="delete">'),
    "none": lambda name: entry(name),
    "none with a leaf": lambda name: entry(name, described("secret")),
    "none with a leaf to merge": lambda name: entry(name, described("secret", "merge")),
}
# what comes without a right of its own, as far as it only names nodes
NONE = {"create a leaf", "delete a leaf", "delete a value", "remove a leaf", "none",
        "none with a leaf", "none with a leaf to merge"}


def edit_of(session, name, port, target="running"):
    return outcome(session.edit, EDITS[name](port), target,
                   default_operation="none" if name in NONE else None)


@pytest.mark.parametrize("target", ["running", "candidate"])
def test_edit(daemon, target):
    """3.2.5: whether a node is there is nothing that an error tells who may not read or change it."""
    with daemon.ssh("some") as session:
        for name in EDITS:
            there, absent = (edit_of(session, name, port, target) for port in ("p2", "ghost"))
            assert there == absent, name
            assert there[0] == "access-denied", name
            assert there[1] in (None, "/if:interfaces"), name
        # who may see and change the rest is told how it is
        assert edit_of(session, "create", "p1", target)[0] == "data-exists"
        assert edit_of(session, "delete", "p9", target)[0] == "data-missing"
        assert edit_of(session, "remove", "p9", target) == "ok"
        assert edit_of(session, "none", "p9", target)[0] == "data-missing"


def test_value(daemon):
    """Nor is what a leaf holds, by guessing."""
    with daemon.ssh("blind") as session:
        for edit in ("merge", "delete a value"):
            right, wrong = (
                outcome(session.edit, EDITS[edit]("p3").replace("secret", value),
                        default_operation="none" if edit in NONE else None)
                for value in ("secret", "guess"))
            assert right == wrong and right[0] == "access-denied", edit
        assert edit_of(session, "merge the same", "p3")[0] == "access-denied"
        # that it exists may be told to who may create it; not what it is
        exists = edit_of(session, "create a leaf", "p3")
        assert exists[0] == "data-exists" and "secret" not in str(exists)
        assert edit_of(session, "merge", "p1") == "ok"


def test_neighbour(daemon):
    """Nor an entry that another is to be placed beside."""
    def place(key):
        return session.edit(
            f'<nacm xmlns="{ACM}" xmlns:y="{YANG}"><rule-list y:insert="after" '
            f'y:key="[name=\'{key}\']"><name>new</name></rule-list></nacm>')

    with daemon.ssh("some") as session:
        hidden, absent = outcome(place, "hidden"), outcome(place, "absent")
        assert hidden[0] == absent[0] == "bad-attribute"
        assert str(hidden).replace("hidden", "absent") == str(absent)
        assert outcome(place, "blind") == "ok"


def test_other_case(daemon, nc):
    """3.2.5: what one case of a choice makes go needs no rights of its own."""
    with daemon.ssh("blind") as session:
        session.edit(f'<nacm xmlns="{ACM}"><rule-list><name>hidden</name><rule><name>r</name>'
                     "<path>/</path></rule></rule-list></nacm>")
    rule = nc.get_config(xpath="/nacm/rule-list[name='hidden']/rule").find("nacm/rule-list/rule")
    assert rule.find("path") is not None and rule.find("rpc-name") is None


def test_commit(daemon, nc):
    """3.2.8: of what a commit leaves as it is nothing needs to be permitted."""
    nc.edit(entry("p2", described("other")), "candidate")
    nc.edit(entry("p2", described("secret")), "candidate")
    with daemon.ssh("some") as session:
        session.edit(entry("p1", described("x")), "candidate")
        session.ok("<commit/>")
        session.copy("running", "startup")
        session.copy("startup", "running")
        nc.edit(entry("p2", described("other")), "candidate")
        assert outcome(session.ok, "<commit/>")[0] == "access-denied"


def test_action(daemon):
    """3.4.5: an action on what is denied is denied, be it there or not."""
    def stop(name):
        return session.rpc(
            f'<action xmlns="{YANG}"><containers xmlns="'
            f'{config.namespaces()["infix-containers"]}"><container><name>{name}</name><stop/>'
            "</container></containers></action>")

    with daemon.ssh("some") as session:
        assert outcome(stop, "there") == outcome(stop, "ghost")
        assert outcome(stop, "there")[0] == "access-denied"
        assert outcome(stop, "other")[0] == "data-missing"


# --- validation and locks -------------------------------------------------------------------------

def test_validation(daemon, nc):
    """3.2.5: an error does not name what is wrong where the user may not read."""
    nc.edit(config.interfaces({"name": "p2", "infix-interfaces:bridge-port": {"bridge": "nobody"}}),
            "candidate")
    told = outcome(nc.validate, "candidate")
    assert told[0] == "data-missing" and "p2" in told[1] and "nobody" in told[2]
    with daemon.ssh("some") as session:
        told = outcome(session.validate, "candidate")
        assert told[0] == "data-missing" and told[1] is None
        assert "p2" not in told[2] and "nobody" not in told[2]
        session.ok("<discard-changes/>")
        # what he may read is named as ever
        session.edit(config.interfaces(
            {"name": "p1", "infix-interfaces:bridge-port": {"bridge": "nobody"}}), "candidate")
        told = outcome(session.validate, "candidate")
        assert "p1" in told[1] and "nobody" in told[2]


def test_validation_of_an_edit(daemon, nc):
    """The same of an edit that breaks what the user does not see."""
    nc.edit(config.interfaces(
        config.interface("br1", "bridge"),
        {"name": "p2", "infix-interfaces:bridge-port": {"bridge": "br1"}}))
    with daemon.ssh("some") as session:
        told = outcome(session.edit, config.interfaces({"name": "br1", "@operation": "delete"}))
        assert told[0] == "data-missing" and told[1] is None and "p2" not in told[2]
    with daemon.restconf("some") as rc:
        response = rc.delete(f"{LIST}/interface=br1")
        assert response.status == 409 and b"p2" not in response.body
    assert "p2" in outcome(nc.edit, config.interfaces({"name": "br1", "@operation": "delete"}))[1]


LOCKS = "/netconf-state/datastores/datastore[name='running']/locks/partial-lock"


@pytest.mark.parametrize("xpath", [LOCKS, f"({LOCKS})[true()]"], ids=["simple", "general"])
def test_partial_lock(daemon, nc, xpath):
    """RFC 6022 2.1.3: of another's lock, what it locks is shown to who may read it."""
    ids = [nc.rpc('<partial-lock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0">'
                  f"<select>/interfaces/interface[name='{name}']</select></partial-lock>")
           .findtext("{*}lock-id") for name in ("p1", "p2")]

    def locks(session):
        data = session.get(xpath=xpath).find("netconf-state/datastores/datastore/locks")
        return {lock.findtext("lock-id"): [bool(lock.findtext("select")),
                                           bool(lock.findtext("locked-node"))]
                for lock in data.iter("partial-lock")}

    assert locks(nc) == {ids[0]: [True, True], ids[1]: [True, True]}
    with daemon.ssh("some") as session:
        assert locks(session) == {ids[0]: [True, True], ids[1]: [False, False]}
        refused = outcome(session.edit, entry("p1", described("x")))
        assert refused[0] == "in-use" and "p1" in refused[1]


# --- notifications --------------------------------------------------------------------------------

def subscribe(session, inside=""):
    session.ok(f'<create-subscription xmlns="{NOTIFICATION}">{inside}</create-subscription>')


def next_change(session):
    """The targets that the next netconf-config-change names."""
    while True:
        node = strip_namespaces(session.notification()[1])
        if node.tag == "netconf-config-change":
            return [edit.findtext("target").replace("/if:interfaces/if:interface", "")
                    for edit in node.iter("edit")]


def make_changes(nc):
    """Those of what "some" may not see, of both, and of what he may; and what he is told of them."""
    nc.edit(entry("p2", described("one")))
    nc.edit(config.interfaces({"name": "p1", "description": "x"},
                              {"name": "p2", "description": "two"}))
    nc.edit(entry("p2", described("", "delete")))
    nc.edit(entry("p3", described("three")))
    nc.edit(entry("p3", "<enabled>false</enabled>"))
    return [[], ["[if:name='p1']/if:description"], [], ["[if:name='p3']/if:description"],
            ["[if:name='p3']/if:enabled"]]


def test_config_change(daemon, nc):
    """RFC 6470 2.2 with 8341 3.4.6: what changed is named to who may read it, also in replay."""
    with daemon.ssh("some") as session, daemon.ssh("some") as again, daemon.local() as root:
        subscribe(session)
        subscribe(root)
        expected = make_changes(nc)
        assert [next_change(session) for _ in expected] == expected
        assert next_change(root) == ["[if:name='p2']/if:description"]
        assert len(next_change(root)) == 2
        subscribe(again, "<startTime>2020-01-01T00:00:00Z</startTime>")
        assert [next_change(again) for _ in expected] == expected


def test_config_change_of_rules(daemon, nc):
    """What a model denies to all is not named to who has no rule for it."""
    with daemon.ssh("some") as session:
        nc.edit(f'<nacm xmlns="{ACM}" xmlns:nc="{BASE}"><rule-list nc:operation="delete">'
                "<name>some</name></rule-list></nacm>")
        subscribe(session)
        nc.edit({"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "new"}]}}})
        nc.edit(entry("p1", described("x")))
        assert [next_change(session) for _ in "12"] == [[], ["[if:name='p1']/if:description"]]


def test_config_change_filtered(daemon, nc):
    """Nor does a filter tell by letting it pass."""
    text = ("<filter type='xpath' select=\"/*[local-name()='netconf-config-change']/edit["
            "contains(target, 'p2') or contains(target, 'p3')]\"/>")
    with daemon.ssh("some") as session, daemon.local() as root:
        for user in session, root:
            subscribe(user, text)
        make_changes(nc)
        assert next_change(root) == ["[if:name='p2']/if:description"]
        assert next_change(session) == ["[if:name='p3']/if:description"]


# --- RESTCONF -------------------------------------------------------------------------------------

LIST = "data/ietf-interfaces:interfaces"


def body(name, **members):
    return {"ietf-interfaces:interface": [{"name": name, "type": "infix-if-type:ethernet",
                                           **members}]}


REQUESTS = {
    "GET": lambda rc, name: rc.get(f"{LIST}/interface={name}"),
    "POST": lambda rc, name: rc.post(LIST, body(name)),
    "POST below": lambda rc, name: rc.post(
        f"{LIST}/interface={name}", {"ietf-interfaces:description": "x"}),
    "PUT": lambda rc, name: rc.put(f"{LIST}/interface={name}", body(name)),
    "PUT new": lambda rc, name: rc.put(f"{LIST}/interface={name}", body(name),
                                       **{"If-None-Match": "*"}),
    "PUT old": lambda rc, name: rc.put(f"{LIST}/interface={name}", body(name),
                                       **{"If-Match": "*"}),
    "PUT the key": lambda rc, name: rc.put(
        f"{LIST}/interface={name}/name", {"ietf-interfaces:name": name}),
    "PUT a leaf": lambda rc, name: rc.put(
        f"{LIST}/interface={name}/description", {"ietf-interfaces:description": "x"}),
    "PATCH": lambda rc, name: rc.patch(f"{LIST}/interface={name}", body(name)),
    "PATCH nothing": lambda rc, name: rc.patch(
        f"{LIST}/interface={name}", {"ietf-interfaces:interface": [{"name": name}]}),
    "PATCH a leaf": lambda rc, name: rc.patch(
        f"{LIST}/interface={name}/description", {"ietf-interfaces:description": "secret"}),
    "DELETE": lambda rc, name: rc.delete(f"{LIST}/interface={name}"),
    "DELETE a leaf": lambda rc, name: rc.delete(f"{LIST}/interface={name}/description"),
    "action": lambda rc, name: rc.post(
        "data/infix-containers:containers/container=%s/stop" % name.replace("p2", "there")),
}


@pytest.mark.parametrize("request_name", REQUESTS)
def test_restconf(daemon, request_name):
    """RFC 8040 with 8341 3.2.3: the same answer for what is there and what is not."""
    with daemon.restconf("some") as rc:
        there, absent = (REQUESTS[request_name](rc, name) for name in ("p2", "ghost"))
        assert there.status == absent.status == (404 if request_name == "GET" else 403)
        assert there.body.replace(b"p2", b"ghost") == absent.body


def test_restconf_of_what_is_seen(daemon):
    with daemon.restconf("some") as rc:
        expected = {"GET": 404, "POST below": 404, "PUT old": 412, "PUT the key": 404,
                    "PUT a leaf": 404, "PATCH": 404, "PATCH nothing": 404, "PATCH a leaf": 404,
                    "DELETE": 404, "DELETE a leaf": 404}
        assert {name: REQUESTS[name](rc, "p9").status for name in expected} == expected
        expected = {"GET": 200, "POST": 409, "PUT new": 412, "PUT the key": 204,
                    "PATCH a leaf": 404, "DELETE a leaf": 404}
        assert {name: REQUESTS[name](rc, "p4").status for name in expected} == expected
