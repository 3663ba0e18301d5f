"""A container from an OCI archive: answers through a bridge port, outlives the daemon, comes back."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from ashlar import TOP, config
from ashlar.netconf import RpcError
from ashlar.network import differences, until
from ashlar.push import edits, on_change, plain, subtree, update
from ashlar.slots import Device

pytestmark = pytest.mark.kernel

NAMESPACE = "urn:ietf:params:xml:ns:yang:1"
ADDRESS = "192.0.2.10"


@pytest.fixture(scope="session")
def make_archive(tmp_path_factory):
    """make_archive("--text", "hello"): an archive with busybox and a page."""
    directory = tmp_path_factory.mktemp("oci")
    made = {}

    def make(*options, path=None):
        if path is None and options in made:
            return made[options]
        target = path or directory / f"{len(made)}.tar.gz"
        subprocess.run([TOP / "tests/lib/make-oci-archive", *options, target], check=True)
        if path is None:
            made[options] = target
        return target

    return make


def given(name, container=None):
    """The interfaces of a bridge port whose other end is for a container."""
    return config.interfaces(
        config.interface(f"{name}a", "veth", infix_interfaces__veth={"peer": f"{name}b"},
                         infix_interfaces__bridge_port={"bridge": "br0"}),
        config.interface(f"{name}b", "veth", infix_interfaces__veth={"peer": f"{name}a"},
                         infix_interfaces__container_network={}, **config.ipv4(f"{ADDRESS}/24")))


def container(image, name="web", **members):
    named = {key.replace("_", "-"): value for key, value in members.items()}
    return {"infix-containers:containers": {"container": [{
        "name": name, "image": f"oci-archive:{image}", **named}]}}


def networked(image, **members):
    network = {"interface": [{"name": "veth0b", "option": ["interface_name=eth0"]}]}
    return {**given("veth0"), **container(image, network=network, **members)}


def fetch(net, path="/"):
    """What the container's web server says to the host behind port 1; None when nobody answers."""
    try:
        with contextlib.closing(net.far[1].connect(ADDRESS, 80, timeout=5)) as stream:
            request = http.client.HTTPConnection(ADDRESS)
            request.sock = stream
            request.request("GET", path)
            return request.getresponse().read().decode()
    except (ConnectionError, TimeoutError, OSError):
        return None


def remove_groups(name):
    """The control groups of a daemon's containers; whether they are gone."""
    for top in "/sys/fs/cgroup", "/sys/fs/cgroup/unified":
        parent = pathlib.Path(top, name)
        for group in [*parent.glob("*/"), parent]:
            with contextlib.suppress(OSError):
                group.rmdir()
        if parent.exists():
            return False
    return True


def end_containers(daemon):
    """What outlives the daemon by design does not outlive the test."""
    for path in (daemon.run_dir / "containers").glob("*/instance.json"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
    until(lambda: remove_groups(daemon.cgroup), "nobody left in its control groups")


@pytest.fixture
def site(net, daemon):
    """A host with an address behind port 1, everything up."""
    net.far[1].ip("address add 192.0.2.100/24 dev eth0")
    net.wait(lambda: all(net.link(name)["operstate"] == "UP" for name in ["br0", *net.ports]),
             "all links up")
    yield net
    daemon.stop()
    end_containers(daemon)


def look(nc, name="web"):
    namespace = config.namespaces()["infix-containers"]
    data = nc.get(f'<containers xmlns="{namespace}"><container><name>{name}</name></container>'
                  "</containers>")
    return data.find("containers/container")


def status(nc, name="web"):
    entry = look(nc, name)
    return None if entry is None else entry.findtext("status")


def pid(nc, name="web"):
    found = re.match(r"running \(pid (\d+)\)", status(nc, name) or "")
    return int(found[1]) if found else None


def wait_status(nc, pattern, name="web"):
    return until(lambda: re.search(pattern, status(nc, name) or ""), f"status {pattern}")


def wait_running(nc, name="web", other_than=None):
    return until(lambda: (found := pid(nc, name)) and found != other_than and found, "running")


def act(nc, action, name="web"):
    namespace = config.namespaces()["infix-containers"]
    nc.ok(f'<action xmlns="{NAMESPACE}"><containers xmlns="{namespace}"><container>'
          f"<name>{name}</name><{action}/></container></containers></action>")


def wait_page(net, text):
    return until(lambda: fetch(net) == text, f"the page {text!r}")


def test_answers_outlives_and_comes_back(site, daemon, nc, make_archive):
    nc.edit(networked(make_archive("--text", "first")))
    first = wait_running(nc)
    wait_page(site, "first\n")
    entry = look(nc)
    assert entry.findtext("running") == "true"
    assert entry.findtext("cmdline") == "/bin/httpd -f -v -p 80 -h /www"
    assert re.fullmatch("[0-9a-f]{64}", entry.findtext("image-id"))
    assert nc.interface("veth0b").findtext("container-network/containers") == "web"

    daemon.kill()
    assert fetch(site) == "first\n"
    daemon.start()
    with daemon.local() as again:
        assert wait_running(again) == first
        assert fetch(site) == "first\n"

        os.kill(first, signal.SIGKILL)
        wait_status(again, "ended by signal 9; next try in 1 s")
        assert wait_running(again, other_than=first)
        wait_page(site, "first\n")


def test_changes_are_told(site, daemon, nc, make_archive):
    """8641 3.3: that it starts, ends and is started again; of it only the values that change."""
    target = "/infix-containers:containers/container=web"
    namespace = config.namespaces()["infix-containers"]
    # another one, of which nothing may be told
    nc.edit(container(make_archive(), name="other", restart_policy="never", command="/bin/true"))
    wait_status(nc, "exited|ended", name="other")
    with daemon.local() as session:
        number = on_change(session, subtree(
            f'<containers xmlns="{namespace}"/>'), "operational")
        assert [node.text for node in update(session, number).iter("name")] == ["other"]
        nc.edit(container(make_archive()))
        seen, told = [], {}

        def read_until(condition):
            """Reads on until what has been told by now is so."""
            while not condition():
                changes = plain(edits(session, number))
                for operation, where, value in changes:
                    assert where == target or where.startswith(target + "/"), where
                    seen.append((operation, where))
                    told[where.removeprefix(target)] = value if operation != "delete" else None

        # the first one creates the entry with what there is of it, what follows are its leaves
        read_until(lambda: told.get("/running") == "true" and "pid" in told.get("/status", ""))
        assert seen[0] == ("create", target)
        assert all(where.startswith(target + "/") for _, where in seen[1:]), seen
        process = wait_running(nc)
        assert told["/status"] == f"running (pid {process})"
        seen.clear()
        os.kill(process, signal.SIGKILL)
        read_until(lambda: told["/running"] == "false" and "signal 9" in told["/status"])
        assert {where for _, where in seen} <= {target + "/running", target + "/status",
                                                target + "/id"}, seen
        read_until(lambda: told["/running"] == "true" and "pid" in told["/status"])
        assert told["/status"] == f"running (pid {wait_running(nc, other_than=process)})"
        act(nc, "stop")
        read_until(lambda: told["/running"] == "false" and "pid" not in told["/status"])
        nc.edit({"infix-containers:containers": {"container": [
            {"name": "web", "@operation": "delete"}]}})
        read_until(lambda: seen[-1] == ("delete", target))


def test_leaves_nothing(site, daemon, nc, make_archive):
    before = site.dump()
    nc.edit(networked(make_archive(), volume=[{"name": "data", "target": "/data"}]))
    process = wait_running(nc)
    assert (daemon.state_dir / "containers/volumes/web/data").is_dir()
    nc.edit({"infix-containers:containers": {"@operation": "remove"},
             "ietf-interfaces:interfaces": {"interface": [
                 {"name": name, "@operation": "remove"} for name in ("veth0a", "veth0b")]}})
    assert look(nc) is None
    until(lambda: not pathlib.Path(f"/proc/{process}").exists(), "its end")

    def left():
        # unlike rglob(), walk() does not mind what goes while it looks
        paths = [os.path.join(where, name) for top in (daemon.state_dir, daemon.run_dir)
                 for where, dirs, files in os.walk(top) for name in (*dirs, *files)]
        return [path for path in paths
                if re.search("containers/[^/]*/.|crun/.|netns/.|log/containers/.", path)]

    until(lambda: not left(), "nothing left on disk")
    assert not differences(before, site.dump())


def test_undone_transaction_leaves_it_alone(site, nc, make_archive):
    nc.edit(config.interfaces({"name": "br0", **config.ipv6("2001:db8::1/64")}))
    nc.edit(networked(make_archive(), manual=True))
    act(nc, "start")
    process = wait_running(nc)
    refused_by_kernel = config.interfaces({"name": "br0", "ietf-ip:ipv4": {"mtu": 1200}})
    for change in (
            {"infix-containers:containers": {"container": [
                {"name": "web", "@operation": "remove"}]}},
            container(make_archive(), command="/bin/sleep 1000"),
            container(make_archive(), volume=[{"name": "data", "target": "/data"}])):
        with pytest.raises(RpcError, match="1280"):
            nc.edit({**refused_by_kernel, **change})
        assert pid(nc) == process
        wait_page(site, "hello from the container\n")
    assert pid(nc) == process


def test_boot_needs_no_archive(site, daemon, nc, make_archive, tmp_path):
    image = make_archive(path=tmp_path / "image.tar")
    nc.edit(networked(image, volume=[{"name": "data", "target": "/data"}]))
    wait_running(nc)
    kept = daemon.state_dir / "containers/volumes/web/data/kept"
    kept.write_text("kept")
    nc.copy("running", "startup")
    image.unlink()
    daemon.stop()
    end_containers(daemon)
    for name in "veth0a", "veth0b":
        subprocess.run(["ip", "-n", site.name, "link", "del", name], capture_output=True)
    shutil.rmtree(daemon.run_dir / "containers")
    daemon.reboot()
    with daemon.local() as again:
        wait_running(again)
        wait_page(site, "hello from the container\n")
    assert kept.read_text() == "kept"


def test_actions(site, nc, make_archive):
    nc.edit(container(make_archive(), command="/bin/sleep 1000", manual=True))
    wait_status(nc, "^stopped: to be started by hand$")
    act(nc, "start")
    first = wait_running(nc)
    act(nc, "restart")
    second = wait_running(nc, other_than=first)
    act(nc, "stop")
    wait_status(nc, "^stopped$")
    assert not pathlib.Path(f"/proc/{second}").exists()
    with pytest.raises(RpcError) as refused:
        nc.edit(container(make_archive(), enabled=False))
        act(nc, "start")
    assert "disabled" in refused.value.message


def test_actions_by_restconf(site, daemon, nc, make_archive):
    nc.edit(container(make_archive(), command="/bin/sleep 1000", manual=True))
    wait_status(nc, "^stopped: to be started by hand$")
    web = "data/infix-containers:containers/container=web"
    with daemon.restconf() as client:
        assert client.request("OPTIONS", f"{web}/start").headers["Allow"] == "OPTIONS, POST"
        started = client.post(f"{web}/start")
        assert started.status == 204 and started.body == b""
        first = wait_running(nc)
        assert client.post(f"{web}/restart").status == 204
        wait_running(nc, other_than=first)
        assert client.post(f"{web}/stop").status == 204
        wait_status(nc, "^stopped$")
        assert client.post(f"{web}/start", {"infix-containers:input": {}}).status == 400
        assert client.post(f"{web[:-3]}none/start").status == 404
        # a client that does not wait for the end of what it asked for
        client.connection.request("POST", f"/restconf/{web}/start", headers=client.headers)
    wait_running(nc)


def test_upgrade(site, nc, make_archive, tmp_path):
    image = make_archive("--text", "old", path=tmp_path / "image.tar")
    nc.edit(networked(image))
    first = wait_running(nc)
    wait_page(site, "old\n")
    make_archive("--text", "new", path=image)
    assert fetch(site) == "old\n"
    act(nc, "upgrade")
    wait_running(nc, other_than=first)
    wait_page(site, "new\n")


def test_n02_generations_keep_their_images(net, make_daemon, make_archive, tmp_path):
    """N2: back, and on again, containers are what they were, though their archive is another by now."""
    image = make_archive("--text", "old", path=tmp_path / "image.tar")
    daemon = make_daemon(net, config.switch(net.ports))
    device = Device(daemon)
    shutil.move(daemon.startup_file, device.generations / "1")
    daemon.options += ["--startup-dir", str(daemon.run_dir / "generation")]
    device.run(1)
    daemon.start()
    seen = {}

    def run_again(generation):
        daemon.stop()
        end_containers(daemon)
        shutil.rmtree(daemon.run_dir / "containers")
        device.run(generation)
        daemon.start()

    try:
        with daemon.local() as nc:
            nc.edit(container(image))
            wait_running(nc)
            seen[1] = look(nc).findtext("image-id")
            nc.copy("running", "startup")
        device.copy(1, 2)
        run_again(2)
        make_archive("--text", "new", path=image)
        with daemon.local() as nc:
            first = wait_running(nc)
            assert look(nc).findtext("image-id") == seen[1]
            act(nc, "upgrade")
            wait_running(nc, other_than=first)
            seen[2] = look(nc).findtext("image-id")
            assert seen[2] != seen[1]
            records = nc.get('<system-state xmlns="urn:ietf:params:xml:ns:yang:ietf-system"/>')
            digests = [entry.findtext("container/digest") for entry in records.iter("generation")]
            assert len(set(digests)) == 2
        image.unlink()
        for generation in 1, 2, 1:
            run_again(generation)
            with daemon.local() as nc:
                wait_running(nc)
                assert look(nc).findtext("image-id") == seen[generation]
    finally:
        daemon.stop()
        end_containers(daemon)


def test_machine_ends(net, make_daemon, make_archive, tmp_path, monkeypatch):
    """They come to their end before init is asked, by their own signal; and on, when init refuses."""
    program = tmp_path / "reboot"
    program.write_text("#!/bin/sh\necho not now\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    daemon = make_daemon(net, config.switch(net.ports), options=["--system"]).start()
    try:
        with daemon.local() as session:
            session.edit(container(make_archive(), command="/bin/sleep 1000"))
            first = wait_running(session)
            begin = len(daemon.log)
            session.ok(f'<system-restart xmlns="{config.namespaces()["ietf-system"]}"/>')
            daemon.wait_log("reboot: not now", begin)
            assert not pathlib.Path(f"/proc/{first}").exists()
            wait_running(session, other_than=first)
    finally:
        daemon.stop()
        end_containers(daemon)


def test_configuration_reaches_it(site, nc, make_archive):
    nc.edit(networked(
        make_archive("--user", "web"),
        hostname="www", env=[{"key": "COLOUR", "value": "blue green"}],
        volume=[{"name": "data", "target": "/data"}],
        mount=[{"name": "page", "target": "/www/page", "content": "aGVsbG8K"}],
        capabilities={"drop": ["setuid"]}))
    process = wait_running(nc)
    wait_page(site, "hello from the container\n")
    assert fetch(site, "/page") == "hello\n"
    proc = pathlib.Path(f"/proc/{process}")
    assert b"COLOUR=blue green" in (proc / "environ").read_bytes().split(b"\0")
    state = dict(re.findall(r"^(\w+):\s+(.*)$", (proc / "status").read_text(), re.M))
    assert state["Uid"].split()[0] == "100"
    assert state["NoNewPrivs"] == "1"
    assert not int(state["CapBnd"], 16) & 1 << 7
    mounts = {line.split()[4]: line.split()[5] for line in (proc / "mountinfo").open()}
    assert mounts["/"].split(",")[0] == "ro"
    assert mounts["/data"].split(",")[0] == "rw"
    assert mounts["/www/page"].split(",")[0] == "ro"

    nc.edit(container(make_archive("--user", "web"), mount=[
        {"name": "page", "target": "/www/page", "content": "aGVsbG8gYWdhaW4K"}]))
    wait_running(nc, other_than=process)
    until(lambda: fetch(site, "/page") == "hello again\n", "the new content")


def test_restart_policies(site, nc, make_archive):
    image = make_archive()
    for policy, command, expected in (
            ("never", "/bin/false", "^ended with status 1$"),
            ("retry", "/bin/true", "^ended with status 0$"),
            ("retry", "/bin/false", "^ended with status 1; next try in 2 s$"),
            ("always", "/bin/true", "^ended with status 0; next try in 2 s$")):
        nc.edit(container(image, command=command, restart_policy=policy))
        wait_status(nc, expected)


def test_failures_are_told(site, nc, make_archive, tmp_path):
    nc.edit(container(tmp_path / "absent.tar"))
    wait_status(nc, "absent.tar: No such file or directory; next try in 2 s$")
    nc.edit({**container(make_archive()), "infix-containers:containers": {"container": [{
        "name": "web", "image": f"oci-archive:{make_archive()}",
        "checksum": {"sha256": "0" * 64}}]}})
    wait_status(nc, f"the archive has checksum [0-9a-f]{{64}}, not {'0' * 64}")
    nc.edit({"infix-containers:containers": {"container": [{
        "name": "web", "checksum": {"sha256": [None], "@sha256": {
            "ietf-netconf:operation": "remove"}}, "command": "/bin/absent"}]}})
    wait_status(nc, "/bin/absent.*next try in")


@pytest.mark.parametrize("members, words", [
    ({"image": "docker://busybox"}, "oci-archive:"),
    ({"read-only": False}, "use volumes"),
    ({"network": {"publish": ["80:80"]}}, ""),
    ({"mount": [{"name": "aa", "source": "/etc", "target": "/proc/sys"}]}, "belongs to the system"),
    ({"volume": [{"name": "aa", "target": "/x"}, {"name": "bb", "target": "/x"}]}, "both"),
    ({"volume": [{"name": "aa", "target": "/x/../y"}]}, "no place"),
    ({"hostname": "%h"}, "host name"),
])
def test_refused(nc, make_archive, members, words):
    with pytest.raises(RpcError) as refused:
        nc.edit({"infix-containers:containers": {"container": [{
            "name": "web", "image": f"oci-archive:{make_archive()}", **members}]}})
    assert words in refused.value.message
    assert look(nc) is None


def test_interface_has_one_owner(site, nc, make_archive):
    nc.edit(networked(make_archive(), command="/bin/sleep 1000"))
    with pytest.raises(RpcError) as refused:
        nc.edit(container(make_archive(), name="other", network={
            "interface": [{"name": "veth0b"}]}))
    assert "given to container web" in refused.value.message
    # back to the device when the container leaves it
    wait_running(nc)
    assert site.link("veth0b") is None
    nc.edit({"infix-containers:containers": {"container": [
        {"name": "web", "@operation": "remove"}]}})
    site.wait(lambda: site.link("veth0b"), "veth0b back")


@pytest.mark.guest
def test_limits(site, nc, make_archive):
    nc.edit(container(make_archive(), command="/bin/sleep 1000",
                      resource_limit={"memory": 16384, "cpu": 500}))
    process = wait_running(nc)
    group = pathlib.Path(f"/proc/{process}/cgroup").read_text().strip().split("::")[1]
    group = pathlib.Path("/sys/fs/cgroup" + group)
    assert (group / "memory.max").read_text().strip() == str(16384 * 1024)
    assert (group / "cpu.max").read_text().split() == ["50000", "100000"]
    usage = look(nc).find("resource-usage")
    assert int(usage.findtext("memory")) < 16384
    assert int(usage.findtext("pids")) == 1
