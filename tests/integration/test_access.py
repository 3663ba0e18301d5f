"""Who may log in, and who may do what: RFC 8341 over both protocols, with real users."""

import pytest

from ashlar import config
from ashlar.netconf import RpcError
from ashlar.network import run
from ashlar.restconf import JSON

ACM = config.namespaces()["ietf-netconf-acm"]
IF = config.namespaces()["ietf-interfaces"]

EDIT = "create update delete"
OPERATOR = {"name": "operator", "group": ["operator"], "rule": [
    {"name": "no-nacm", "module-name": "ietf-netconf-acm", "access-operations": "*",
     "action": "deny"},
    {"name": "rest", "module-name": "*", "access-operations": "*", "action": "permit"}]}
GUEST = {"name": "guest", "group": ["guest"], "rule": [
    {"name": "read-only", "module-name": "*", "access-operations": f"{EDIT} exec",
     "rpc-name": "edit-config", "action": "deny"},
    {"name": "no-writing", "module-name": "*", "access-operations": EDIT, "action": "deny"}]}
PORT = {"name": "port", "group": ["port"], "rule": [
    {"name": "own", "path": "/ietf-interfaces:interfaces/interface[name='p1']/description",
     "access-operations": "*", "action": "permit"},
    {"name": "see", "path": "/ietf-interfaces:interfaces/interface[name='p2']",
     "access-operations": "read", "action": "deny"}]}
GROUPS = {"admin": ["admin"], "operator": ["operator"], "guest": ["guest"], "port": ["port"]}
USERS = [*GROUPS, "nobody"]


@pytest.fixture
def daemon(net, make_daemon):
    """A daemon with a user of each group, all with the same password, and one of none."""
    startup = {
        **config.switch(net.ports),
        **config.access(GROUPS, [OPERATOR, GUEST, PORT]),
        "ietf-system:system": {"authentication": {"user": [config.user(name) for name in USERS]}}}
    return make_daemon(net, startup).start()


def description(port, text="changed"):
    return config.interfaces({"name": port, "description": text})


def denied(action, *arguments, **options):
    with pytest.raises(RpcError) as refused:
        action(*arguments, **options)
    assert refused.value.tag == "access-denied"
    return refused.value


def sees_rules(session):
    return session.get_config(subtree=f'<nacm xmlns="{ACM}"/>').find("nacm") is not None


def names(session):
    data = session.get_config(subtree=f'<interfaces xmlns="{IF}"/>')
    return {node.text for node in data.iterfind("interfaces/interface/name")}


def test_admin(daemon):
    with daemon.ssh("admin") as session, daemon.ssh("nobody") as other:
        session.edit(description("p1"))
        assert sees_rules(session)
        session.kill_session(other.session_id)
        other.wait_closed()


def test_operator(daemon):
    with daemon.ssh("operator") as session:
        session.edit(description("p1"))
        assert not sees_rules(session)
        refused = denied(session.edit, {"ietf-netconf-acm:nacm": {"enable-nacm": False}})
        # of what may not be read not even the place is told
        assert refused.path is None


def test_guest(daemon):
    with daemon.ssh("guest") as session:
        assert names(session) == {"lo", "br0", "p1", "p2", "p3", "p4"}
        denied(session.edit, description("p1"))
        denied(session.copy, description("p1"), "running")
        # saving what is in force takes no more than the right to execute it (RFC 8341 section 3.2.6)
        session.copy("running", "startup")
        session.lock()
        session.unlock()


def test_user_of_one_port(daemon, net):
    with daemon.ssh("port") as session:
        session.edit(description("p1", "mine"))
        assert net.link("p1")["ifalias"] == "mine"
        for edit in (
                description("p3"),
                config.interfaces({"name": "p1", "enabled": False}),
                config.interfaces({"name": "p1", "@operation": "delete"}),
                config.interfaces({"name": "p9", "type": "infix-if-type:ethernet"}),
                # one part that is allowed carries none that is not
                config.interfaces({"name": "p1", "description": "mine too"},
                                  {"name": "p3", "description": "not mine"})):
            refused = denied(session.edit, edit)
            assert refused.path.startswith("/if:interfaces/if:interface[if:name='p")
        assert net.link("p1")["ifalias"] == "mine"
        # what may not be read is not there
        assert names(session) == {"lo", "br0", "p1", "p3", "p4"}
        assert session.interface("p2", "running") is None
        assert session.interface("p2") is None


def test_nobody(daemon):
    with daemon.ssh("nobody") as session, daemon.ssh("admin") as other:
        assert names(session) == {"lo", "br0", "p1", "p2", "p3", "p4"}
        assert not sees_rules(session)
        denied(session.edit, description("p1"))
        denied(session.kill_session, other.session_id)
        denied(session.delete, "startup")
        session.close_session()


def test_filters_reveal_nothing(daemon):
    """Nor do they of what is denied by a value or in an expression."""
    with daemon.ssh("port") as session:
        for xpath in ("/if:interfaces/if:interface[if:name='p2']",
                      "/if:interfaces/if:interface[if:enabled='true'][if:name='p2']",
                      "//if:interface[if:name='p2']/if:name"):
            data = session.get_config(xpath=xpath, prefixes={"if": "ietf-interfaces"})
            assert "p2" not in {node.text for node in data.iter()}, xpath
    with daemon.ssh("nobody") as session:
        data = session.get(xpath="/nacm:nacm/nacm:groups", prefixes={"nacm": "ietf-netconf-acm"})
        assert len(data) == 0


def test_rules_change_under_a_session(daemon, nc):
    with daemon.ssh("nobody") as session:
        denied(session.edit, description("p1"))
        nc.edit({"ietf-netconf-acm:nacm": {"groups": {"group": [
            {"name": "operator", "user-name": ["nobody"]}]}}})
        session.edit(description("p1"))
        nc.edit({"ietf-netconf-acm:nacm": {"groups": {"group": [
            {"name": "operator", "user-name": "nobody",
             "@user-name": {"ietf-netconf:operation": "delete"}}]}}})
        denied(session.edit, description("p1", "again"))
        nc.edit({"ietf-netconf-acm:nacm": {"write-default": "permit"}})
        session.edit(description("p1", "again"))
        nc.edit({"ietf-netconf-acm:nacm": {"write-default": "deny", "exec-default": "deny"}})
        denied(session.get)
        nc.edit({"ietf-netconf-acm:nacm": {"enable-nacm": False}})
        session.edit(description("p1", "and again"))
        assert sees_rules(session)


def test_rules_outlive_a_restart(daemon):
    with daemon.local() as session:
        session.edit({"ietf-netconf-acm:nacm": {"exec-default": "deny"}})
    daemon.kill()
    daemon.start()
    with daemon.ssh("nobody") as session:
        denied(session.get)


def test_denials_are_counted(daemon, nc):
    def counts():
        state = nc.get(f'<nacm xmlns="{ACM}"><denied-operations/><denied-data-writes/></nacm>')
        return tuple(int(state.findtext(f"nacm/{name}"))
                     for name in ("denied-operations", "denied-data-writes"))

    assert counts() == (0, 0)
    with daemon.ssh("nobody") as session:
        denied(session.edit, description("p1"))
        assert counts() == (0, 1)
        denied(session.kill_session, nc.session_id)
        assert counts() == (1, 1)


def test_the_local_socket_is_roots(daemon, nc):
    """Its way back in, should the rules lock everybody out."""
    nc.edit({"ietf-netconf-acm:nacm": {
        "read-default": "deny", "exec-default": "deny", "rule-list": [
            {"name": "admin", "group": ["admin"], "@operation": "delete"}]}})
    with daemon.ssh("admin") as session:
        denied(session.edit, description("p1"))
    nc.edit(description("p1"))
    assert sees_rules(nc)


# --- RESTCONF -------------------------------------------------------------------------------------

P1 = "data/ietf-interfaces:interfaces/interface=p1"
P2 = "data/ietf-interfaces:interfaces/interface=p2"


def patch(client, port="p1"):
    return client.patch(f"data/ietf-interfaces:interfaces/interface={port}", {
        "ietf-interfaces:interface": [{"name": port, "description": "changed"}]})


@pytest.mark.parametrize("user, expected", [
    ("admin", 204), ("operator", 204), ("guest", 403), ("port", 204), ("nobody", 403)])
def test_restconf_write(daemon, user, expected):
    with daemon.restconf(user) as client:
        response = patch(client)
        assert response.status == expected
        if expected == 403:
            assert response.error["error-tag"] == "access-denied"
            assert client.delete(P1).status == 403
            assert client.put(P1, {"ietf-interfaces:interface": [{"name": "p1"}]}).status == 403
        assert client.get(P1).status == 200


def test_restconf_read(daemon):
    with daemon.restconf("port") as client:
        assert client.get(P1).status == 200
        # as if it were not there
        assert client.get(P2).status == 404
        assert client.get("data/ietf-netconf-acm:nacm").status == 404
        shown = client.get("data/ietf-interfaces:interfaces").json["ietf-interfaces:interfaces"]
        assert "p2" not in {entry["name"] for entry in shown["interface"]}
        assert patch(client, "p2").status in (403, 404)
        assert patch(client, "p3").status == 403


def test_restconf_operations(daemon, nc):
    with daemon.restconf("nobody") as client:
        action = "data/infix-containers:containers/container=web/start"
        assert client.post(action).status in (403, 404)
        nc.edit({"ietf-netconf-acm:nacm": {"exec-default": "deny"}})
        assert client.post(action).status in (403, 404)


# --- logging in -----------------------------------------------------------------------------------


def refused_login(daemon, **options):
    """What ssh says when the daemon does not let somebody in."""
    session = None
    try:
        session = daemon.ssh(hello=False, **options)
        assert session.wait_closed() == b""
        return session.stream.complaint()
    finally:
        session.close()


def test_password(daemon):
    with daemon.ssh("nobody") as session:
        assert session.session_id > 0
    for options in ({"password": "wrong"}, {"password": ""}, {"user": "mallory"}):
        assert "Permission denied" in refused_login(daemon, **options)


def test_public_key(net, make_daemon, ssh_key, tmp_path):
    public = ssh_key.with_suffix(".pub").read_text()
    startup = config.switch(net.ports)
    startup["ietf-system:system"]["authentication"]["user"] = [
        config.user("admin", key=public),
        {key: value for key, value in config.user("keyonly", key=public).items()
         if key != "password"}]
    daemon = make_daemon(net, startup).start()
    for user in "admin", "keyonly":
        with daemon.ssh(user, key=ssh_key) as session:
            assert session.session_id > 0
    other = tmp_path / "other"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other))
    assert "Permission denied" in refused_login(daemon, key=other)
    assert "Permission denied" in refused_login(daemon, user="mallory", key=ssh_key)
    assert "Permission denied" in refused_login(daemon, user="keyonly", password="")
    with daemon.restconf("keyonly", "") as client:
        assert client.get(P1).status == 401


def test_users_change(daemon, nc):
    def user(name, **members):
        nc.edit({"ietf-system:system": {"authentication": {"user": [{"name": name, **members}]}}})

    user("nobody", password="$0$new password")
    kept = nc.get_config(subtree=f'<system xmlns="{config.namespaces()["ietf-system"]}"/>')
    assert all(node.text.startswith("$6$") or node.text.startswith("$y$")
               for node in kept.iter("password"))
    with daemon.ssh("nobody", "new password") as session:
        assert session.session_id > 0
    with daemon.restconf("nobody", "new password") as client:
        assert client.get(P1).status == 200
        user("nobody", password="$0$newer password")
        # a connection that goes on has to know it, too
        assert client.get(P1).status == 401
    assert "Permission denied" in refused_login(daemon, user="nobody", password="new password")
    user("nobody", **{"@operation": "delete"})
    assert "Permission denied" in refused_login(daemon, user="nobody", password="newer password")


def test_restconf_login(daemon):
    with daemon.restconf(user=None) as client:
        response = client.get(P1)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert response.error["error-tag"] == "access-denied"
        # discovery is for everybody
        assert client.get("/.well-known/host-meta", accept="application/xrd+xml").status == 200
    with daemon.restconf("admin", "wrong") as client:
        assert client.get(P1).status == 401
    with daemon.restconf("mallory") as client:
        assert client.get(P1).status == 401
    with daemon.restconf(user=None) as client:
        for value in "Basic", "Basic !", "Basic YWRtaW4=", "Bearer x":
            with daemon.restconf(user=None) as other:
                response = other.request("GET", P1, headers={
                    "Authorization": value, "Accept": JSON})
                assert response.status == 401, value


@pytest.mark.guest
@pytest.mark.time_travel
def test_guessing_is_held_back(daemon):
    """After many failures even the right password has to wait."""
    for _ in range(12):
        with daemon.restconf("admin", "wrong") as client:
            client.get(P1)
    with daemon.restconf("admin") as client:
        response = client.get(P1)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
