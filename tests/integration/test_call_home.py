"""Call home: RFC 8071, configured by ietf-netconf-server."""

import datetime
import socket
import time

import pytest

from ashlar import DEADLINE, config, netconf
from ashlar.netconf import RpcError
from ashlar.network import run, until
from ashlar.pki import Maker, b64
from ashlar.serving import (OPENSSH, SSH, bags, host_keys, keystore, mappings, netconf_server,
                            tls_context, tls_endpoint, tls_key, tls_parameters)

NONE = {"ietf-netconf-server:netconf-server": {"call-home": {"@operation": "delete"}}}


class Site:
    """Keys of both sides."""

    def __init__(self, directory):
        self.make = Maker(directory)
        self.ca_key = self.make.ec()
        self.ca = self.make.certificate(self.ca_key, "/CN=ca", ca=True)
        self.key, self.client_key = self.make.ec(), self.make.ec()
        issuer = self.ca_key, self.ca[0]
        self.cert = self.make.certificate(self.key, "/CN=device", issuer)
        self.client = self.make.certificate(self.client_key, "/CN=admin", issuer)
        private, self.host_key = self.make.openssh()
        self.store = {
            **keystore(tls_key("device", self.key, c=self.cert[1]),
                       {"name": "host", "public-key-format": SSH, "private-key-format": OPENSSH,
                        "public-key": b64(self.host_key), "cleartext-private-key": b64(private)}),
            **bags(ca=[self.ca[1]])}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def nc(daemon, site):
    with daemon.local() as session:
        session.edit(site.store)
        yield session


def tcp(port, host="127.0.0.1", **options):
    return {"remote-address": host, "remote-port": port,
            **{name.replace("_", "-"): value for name, value in options.items()}}


def ssh_place(name, port, host="127.0.0.1", client=None, **options):
    parameters = host_keys("host")
    if client:
        parameters["client-authentication"] = client
    return {"name": name, "ssh": {"tcp-client-parameters": tcp(port, host, **options),
                                  "ssh-server-parameters": parameters}}


def tls_place(name, port, host="127.0.0.1", **options):
    return {"name": name, "tls": {
        "tcp-client-parameters": tcp(port, host, **options),
        "tls-server-parameters": tls_parameters(),
        "netconf-server-parameters": mappings((1, "common-name", None))}}


def call_home(*places, name="nms", periodic=None, **strategy):
    return {"ietf-netconf-server:netconf-server": {"call-home": {"netconf-client": [{
        "name": name, "endpoints": {"endpoint": list(places)},
        "connection-type": {"persistent": {}} if periodic is None else {"periodic": periodic},
        "reconnect-strategy": {name.replace("_", "-"): value
                               for name, value in strategy.items()}}]}}}


def accept(waiting, timeout=DEADLINE):
    waiting.settimeout(timeout)
    stream, _ = waiting.accept()
    stream.settimeout(DEADLINE)
    return stream


def none_comes(waiting, seconds):
    """Nobody calls for that long."""
    with pytest.raises(socket.timeout):
        accept(waiting, seconds)


def over_tls(stream, site):
    """RFC 8071 section 3: the one who was called is the client of TLS and of NETCONF."""
    context = tls_context(site.client[0], site.client_key)
    secure = context.wrap_socket(stream, server_hostname="device")
    assert secure.getpeercert(binary_form=True) == site.cert[1]
    secure.settimeout(DEADLINE)
    return netconf.Session(secure)


class SshChannel:
    """The subsystem over a connection that the server has made."""

    def __init__(self, stream, site, password=config.PASSWORD):
        import paramiko

        self.transport = paramiko.Transport(stream)
        self.transport.start_client(timeout=DEADLINE)
        assert self.transport.get_remote_server_key().asbytes() == site.host_key
        self.transport.auth_password(config.USER, password)
        self.channel = self.transport.open_session()
        self.channel.settimeout(DEADLINE)
        self.channel.invoke_subsystem("netconf")
        self.recv, self.sendall = self.channel.recv, self.channel.sendall

    def close(self):
        self.transport.close()


def over_ssh(stream, site):
    return netconf.Session(SshChannel(stream, site))


def test_ssh(daemon, nc, site):
    """Section 3.1: the server connects and is the SSH server all the same; the session does what any
    does."""
    with daemon.net.listen("127.0.0.1", 4334) as waiting:
        nc.edit(call_home(ssh_place("a", 4334)))
        with over_ssh(accept(waiting), site) as session:
            session.edit(config.interfaces({"name": "p1", "description": "called"}))
            assert session.interface("p1", "running").findtext("description") == "called"
            none_comes(waiting, 0.5)


def test_tls(daemon, nc, site):
    """Section 3.1, over TLS; the certificate tells the name (RFC 7589)."""
    with daemon.net.listen("127.0.0.1", 4335) as waiting:
        nc.edit(call_home(tls_place("a", 4335)))
        with over_tls(accept(waiting), site) as session:
            sessions = nc.get('<netconf-state xmlns="urn:ietf:params:xml:ns:yang:'
                              'ietf-netconf-monitoring"><sessions/></netconf-state>')
            mine = [entry for entry in sessions.iter("session")
                    if entry.findtext("session-id") == str(session.session_id)]
            assert mine[0].findtext("username") == "admin"
            assert mine[0].findtext("transport").endswith("netconf-tls")


def test_clients_of_an_endpoint(daemon, nc, site, tmp_path):
    """libnetconf2-netconf-server, endpoint-reference: who may log in where we listen may be called; what
    changes there holds from the next call."""
    other = Site(tmp_path)
    place = tls_place("a", 4335)
    place["tls"]["tls-server-parameters"]["client-authentication"][
        "libnetconf2-netconf-server:endpoint-reference"] = "there"
    place["tls"]["netconf-server-parameters"] = mappings((1, "san-dns-name", None))
    there = tls_endpoint("there", ("::", 6513), ca="other")
    context = tls_context(site.client[0], site.client_key)
    with daemon.net.listen("127.0.0.1", 4335) as waiting:
        nc.edit({**bags(other=[other.ca[1]]), **netconf_server(there)})
        nc.edit(call_home(place))
        with accept(waiting) as stream, context.wrap_socket(
                stream, server_hostname="device") as secure:
            with pytest.raises((OSError, netconf.Closed)):  # trusted here, but without a name
                netconf.Session(secure)
        nc.edit(bags(other=[site.ca[1]]))
        over_tls(accept(waiting), site).close()


@pytest.mark.parametrize("place, port", [(ssh_place, 4334), (tls_place, 4335)])
def test_default_ports(daemon, nc, site, place, port):
    """Section 6: 4334 for SSH, 4335 for TLS."""
    with daemon.net.listen("127.0.0.1", port) as waiting:
        entry = place("a", port)
        (kind,) = set(entry) - {"name"}
        del entry[kind]["tcp-client-parameters"]["remote-port"]
        nc.edit(call_home(entry))
        accept(waiting).close()


def test_persistent(daemon, nc, site):
    """Section 4.1, S6: a connection that is lost is made again, and after a boot it is there."""
    with daemon.net.listen("127.0.0.1", 4335) as waiting:
        nc.edit(call_home(tls_place("a", 4335)))
        for _ in range(2):
            over_tls(accept(waiting), site).close()
        session = over_tls(accept(waiting), site)
        nc.copy("running", "startup")
        daemon.reboot()
        session.close()
        over_tls(accept(waiting), site).close()


def test_withdrawn(daemon, nc, site):
    """A client that is configured no more is called no more; its session lives on."""
    with daemon.net.listen("127.0.0.1", 4335) as waiting:
        nc.edit(call_home(tls_place("a", 4335)))
        with over_tls(accept(waiting), site) as session:
            session.edit(NONE)
            session.get_config()
        none_comes(waiting, 2.5)
        nc.edit(call_home(tls_place("a", 4335)))
        over_tls(accept(waiting), site).close()


def test_several_places(daemon, nc, site):
    """reconnect-strategy: max-attempts at a place, then the next, round and round."""
    with daemon.net.listen("127.0.0.1", 1002) as second:
        nc.edit(call_home(tls_place("a", 1001), tls_place("b", 1002), max_attempts=2))
        session = over_tls(accept(second), site)
        calls = [line for line in daemon.log if "event=call-failed" in line]
        assert len(calls) in (0, 2)  # told only when the log is that detailed
        with daemon.net.listen("127.0.0.1", 1001) as first:
            session.close()
            # first-listed: it begins with the first again
            over_tls(accept(first), site).close()


def test_last_connected(daemon, nc, site):
    """start-with last-connected: the next call goes where the last one was."""
    with daemon.net.listen("127.0.0.1", 1002) as second:
        nc.edit(call_home(tls_place("a", 1001), tls_place("b", 1002), max_attempts=1,
                          start_with="last-connected"))
        session = over_tls(accept(second), site)
        with daemon.net.listen("127.0.0.1", 1001) as first:
            session.close()
            over_tls(accept(second), site).close()
            none_comes(first, 0.1)


def test_random(daemon, nc, site):
    """start-with random-selection: each place has its turn."""
    with daemon.net.listen("127.0.0.1", 1001) as first, \
            daemon.net.listen("127.0.0.1", 1002) as second:
        seen = set()
        nc.edit(call_home(tls_place("a", 1001), tls_place("b", 1002),
                          start_with="random-selection"))

        def turn():
            import select

            ready, _, _ = select.select([first, second], [], [], DEADLINE)
            over_tls(accept(ready[0]), site).close()
            seen.add(ready[0].getsockname()[1])
            return seen == {1001, 1002}

        until(turn, "both places to be called", timeout=60)


def test_max_wait(daemon, nc, site):
    """max-wait: a place that does not answer at all is given up."""
    # nobody takes what is for 192.0.2.99: it lies behind the bridge
    with daemon.net.listen("127.0.0.1", 1002) as second:
        begin = time.monotonic()
        nc.edit(call_home(tls_place("a", 1001, "192.0.2.99"), tls_place("b", 1002), max_wait=1,
                          max_attempts=1))
        over_tls(accept(second), site).close()
        assert 0.9 < time.monotonic() - begin < 10


def test_pauses_grow(daemon, nc, site):
    """Section 4.1, S6: attempts are not made without pause: they grow from one to the next."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(ssh_place("a", 1001), max_attempts=1))
        times = []
        for _ in range(4):
            accept(waiting).close()  # nobody logs in: a failure
            times.append(time.monotonic())
        pauses = [later - before for before, later in zip(times, times[1:])]
        assert 0.9 < pauses[0] < 2.5 and pauses[1] > 1.9 and pauses[2] > 3.9


def test_not_logged_in(daemon, nc, site):
    """A client that nobody logs in from: auth-timeout ends the connection, and it is called again."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(ssh_place("a", 1001, client={
            "libnetconf2-netconf-server:auth-timeout": 1})))
        with accept(waiting) as silent:
            again = accept(waiting)
            while silent.recv(1000):
                pass
            with over_ssh(again, site) as session:
                session.get_config()


def test_local_binding(daemon, nc, site):
    """RFC 9643 local-address, local-port."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(tls_place("a", 1001, local_address="127.0.0.5", local_port=2002)))
        stream = accept(waiting)
        assert stream.getpeername() == ("127.0.0.5", 2002)
        stream.close()
    with pytest.raises(RpcError, match="needs a local address"):
        nc.edit(call_home(tls_place("b", 1001, local_port=2002)))


def test_name(daemon, nc, site):
    """A name is resolved, without anybody waiting for it."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(tls_place("a", 1001, "localhost"), max_attempts=1))
        over_tls(accept(waiting), site).close()


def test_keepalives(daemon, nc, site):
    """Section 4.1, S7 (RFC 9643 keepalives): a client that is gone is noticed."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(tls_place("a", 1001, keepalives={
            "idle-time": 77, "max-probes": 3, "probe-interval": 5})))
        with over_tls(accept(waiting), site):
            until(lambda: watched(daemon.net, ":03E9", 60, 77), "the connection to be watched")


def watched(net, port, least, most):
    """Is the timer of the connection to PORT that of keepalive, and due in between?"""
    lines = run("ip", "netns", "exec", net.name, "cat", "/proc/net/tcp").splitlines()[1:]
    timers = [line.split()[5].split(":") for line in lines
              if line.split()[2].endswith(port) and line.split()[3] == "01"]
    return any(kind == "02" and least < int(ticks, 16) / 100 <= most for kind, ticks in timers)


def test_periodic(daemon, nc, site):
    """connection-type periodic: called at once, ended when idle, called again in the next period."""
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(tls_place("a", 1001), periodic={"period": 1, "idle-timeout": 1}))
        begin = time.monotonic()
        with over_tls(accept(waiting), site) as session:
            session.wait_closed()
        assert 0.9 < time.monotonic() - begin < 10
        none_comes(waiting, 3)


def test_anchor(daemon, nc, site):
    """anchor-time: periods are counted from it."""
    due = 60 - datetime.datetime.now(datetime.timezone.utc).second
    with daemon.net.listen("127.0.0.1", 1001) as waiting:
        nc.edit(call_home(tls_place("a", 1001), periodic={
            "period": 1, "anchor-time": "2026-01-01T00:00:00Z"}))
        begin = time.monotonic()
        accept(waiting, 90).close()
        assert abs(time.monotonic() - begin - due) < 5
