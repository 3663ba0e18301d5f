"""Fixtures: a network, a daemon in it, sessions with that."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from ashlar import config  # noqa: E402
from ashlar.daemon import Daemon  # noqa: E402
from ashlar.network import Net, run  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--covers", action="store_true", help="print what tests cover, and run none")


def covered(item):
    """(kind of interface, what) that a test shows, as its marks say."""
    for mark in item.iter_markers("covers"):
        kind = mark.kwargs.get("of") or item.callspec.params["kind"].name
        yield from ((kind, what) for what in mark.args)


def pytest_collection_modifyitems(config, items):
    """Markers say where a test can run; elsewhere it is not selected rather than skipped."""
    for item in items:
        for kind, what in covered(item):
            item.user_properties.append(("covers", f"{kind} {what}"))
            if config.option.covers:
                print(f"\ncovers {kind} {what} {item.path.stem}")
    if config.option.covers:
        items[:] = []
    here = "host" if "ASHLAR_GUEST" in os.environ else "guest"
    away = [item for item in items if item.get_closest_marker(here)]
    config.hook.pytest_deselected(items=away)
    items[:] = [item for item in items if item not in away]


@pytest.fixture
def make_net():
    """make_net(ports=4): as many networks as a test wants."""
    nets = []

    def make(ports=4):
        nets.append(Net(ports))
        return nets[-1]

    yield make
    for net in nets:
        net.close()


@pytest.fixture
def net(make_net):
    """A device with four ports p1 to p4, something plugged into each."""
    return make_net()


@pytest.fixture
def make_daemon(tmp_path):
    """make_daemon(net, startup=..., build=..., options=...): not yet started."""
    daemons = []

    def make(net, startup=None, **options):
        directory = tmp_path / f"d{len(daemons)}"
        daemons.append(Daemon(net, directory, startup, **options))
        return daemons[-1]

    yield make
    failures = []
    for daemon in daemons:
        try:
            daemon.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def daemon(net, make_daemon):
    """A daemon that serves: a bridge br0 with 192.0.2.1/24 over four ports, the user admin."""
    return make_daemon(net, config.switch(net.ports)).start()


@pytest.fixture
def nc(daemon):
    """A NETCONF session of root over the local socket."""
    with daemon.local() as session:
        yield session


@pytest.fixture
def session(daemon):
    """Another one."""
    with daemon.local() as session:
        yield session


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory):
    """A private key file; its public half is beside it."""
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    return path
