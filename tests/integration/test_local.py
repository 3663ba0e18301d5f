"""The local socket: who may connect, and as whom (libnetconf2-netconf-server, transport unix)."""

import contextlib
import grp
import os
import pwd
import stat

import pytest

from ashlar import config, netconf
from ashlar.netconf import Closed, RpcError
from ashlar.serving import keystore, netconf_server, ssh_endpoint

UNIX = "libnetconf2-netconf-server:unix"


@pytest.fixture
def daemon(net, make_daemon):
    """With users that are accounts of this machine, too."""
    startup = config.switch(net.ports)
    startup["ietf-system:system"]["authentication"]["user"] += [config.user("daemon")]
    return make_daemon(net, startup).start()


def endpoint(name="local", mappings=None, **permissions):
    socket = {"hidden-path": [None]}
    if permissions:
        socket["socket-permissions"] = permissions
    if mappings:
        socket["client-authentication"] = {"user-mapping": [
            {"system-user": account, "netconf-user": users}
            for account, users in mappings.items()]}
    return {"name": name, UNIX: socket}


@contextlib.contextmanager
def account(name):
    """As that account, in whatever directory; connections keep who made them."""
    entry = pwd.getpwnam(name)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def connect(daemon, name, monkeypatch):
    monkeypatch.chdir(daemon.run_dir)
    with account(name):
        stream = netconf.local_stream("netconf.sock")
    return netconf.Session(stream)


def user_of(session, by):
    data = by.get('<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
                  "<sessions/></netconf-state>")
    return [entry.findtext("username") for entry in data.iter("session")
            if entry.findtext("session-id") == str(session.session_id)][0]


def test_permissions(daemon, nc, monkeypatch):
    """Mode, owner and group, from the commit on and after a restart; and back."""
    connect(daemon, "daemon", monkeypatch).close()
    bin_group, www = grp.getgrnam("bin").gr_gid, pwd.getpwnam("www-data").pw_uid

    def seen():
        found = daemon.socket_path.stat()
        return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid

    before = seen()
    with connect(daemon, "daemon", monkeypatch) as lasting:
        nc.edit(netconf_server(endpoint()))
        assert seen() == (0o660, 0, 0)
        with pytest.raises(PermissionError):
            connect(daemon, "daemon", monkeypatch)
        lasting.get_config()
        nc.edit(netconf_server(endpoint(mode="0640", owner="www-data", group="bin")))
        assert seen() == (0o640, www, bin_group)
        nc.edit(netconf_server(endpoint(mode="660", owner="root", group="daemon")))
        connect(daemon, "daemon", monkeypatch).close()
        for leaf in "owner", "group":
            with pytest.raises(RpcError, match="there is no") as caught:
                nc.edit(netconf_server(endpoint(mode="0666", **{leaf: "no-such-name"})))
            assert caught.value.path.endswith(leaf)
            assert seen()[0] == 0o660
    nc.copy("running", "startup")
    for again in daemon.restart, daemon.reboot:
        again()
        assert seen() == (0o660, 0, grp.getgrnam("daemon").gr_gid)
    with daemon.local() as session:
        session.edit({"ietf-netconf-server:netconf-server": {"listen": {"@operation": "delete"}}})
        assert seen() == before


def test_mapping(daemon, nc, monkeypatch):
    """Who an account is; without an entry, itself, if there is such a user."""
    with pytest.raises((Closed, ConnectionError)):
        connect(daemon, "www-data", monkeypatch)
    nc.edit(netconf_server(endpoint(mode="0666", mappings={
        "www-data": ["admin"], "bin": ["admin", "bin"], "sys": []})))
    for name, user in ("www-data", "admin"), ("bin", "bin"), ("daemon", "daemon"):
        with connect(daemon, name, monkeypatch) as session:
            assert user_of(session, nc) == user
    for name in "sys", "games":
        with pytest.raises((Closed, ConnectionError)):
            connect(daemon, name, monkeypatch)
    # The name is the one that access control knows.
    with connect(daemon, "www-data", monkeypatch) as session:
        session.edit(config.interfaces({"name": "p1", "description": "x"}))
    with connect(daemon, "bin", monkeypatch) as session:
        with pytest.raises(RpcError) as caught:
            session.edit(config.interfaces({"name": "p1", "description": "y"}))
        assert caught.value.tag == "access-denied"
    with pytest.raises(RpcError, match="choose") as caught:
        nc.edit(netconf_server(endpoint(mappings={"games": ["one", "two"]})))
    assert caught.value.path.endswith("client-authentication")


def test_root_is_let_in(daemon, nc):
    """RFC 8341 section 3.3.3: a recovery session stays one, whatever its name."""
    nc.edit(netconf_server(endpoint(mappings={"root": ["guest"]})))
    with daemon.local() as session:
        assert user_of(session, nc) == "guest"
        session.edit(config.interfaces({"name": "p1", "description": "x"}))


def test_there_is_one(daemon, nc):
    """Endpoints beside it go on; a second one there cannot be."""
    nc.edit(netconf_server(endpoint("a", mode="0600")))
    with pytest.raises(RpcError, match="one local socket") as caught:
        nc.edit(netconf_server(endpoint("b")))
    assert caught.value.path.endswith("np2:unix")
    nc.edit(netconf_server({"name": "a", "@operation": "delete"}, endpoint("b", mode="0640")))
    assert stat.S_IMODE(daemon.socket_path.stat().st_mode) == 0o640


def test_idle(daemon, nc):
    """idle-timeout is that of all sessions that are listened for."""
    nc.edit(netconf_server(endpoint(), **{"idle-timeout": 1}))
    with daemon.local() as session:
        session.wait_closed()
    nc.get_config()


def test_beside_others(daemon, nc):
    """With "listen" there are the places that it names: SSH only if one is."""
    nc.edit({**keystore({"name": "host", "public-key-format":
                         "infix-crypto-types:ssh-public-key-format"}),
             **netconf_server(endpoint(), ssh_endpoint("s", ("::", None)))})
    nc.edit(netconf_server({"name": "s", "@operation": "delete"}))
    with pytest.raises(OSError):
        daemon.net.connect("127.0.0.1", daemon.ssh_port)
