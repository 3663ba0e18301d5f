"""A client that is killed while much is its own."""

import os
import signal

from . import config
from .netconf import RpcError
from .network import until


def killed_holding(connect):
    """A session of connect() in a process of its own: it has both locks, has changed the candidate and begun
    a confirmed commit, and is killed with SIGKILL."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            session = connect()
            for datastore in "running", "candidate":
                session.lock(datastore)
            session.edit(config.interfaces({"name": "p1", "description": "confirmed"}), "candidate")
            session.ok("<commit><confirmed/><confirm-timeout>3600</confirm-timeout></commit>")
            session.edit(config.interfaces({"name": "p1", "description": "begun"}), "candidate")
            os.write(tell, b"1")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"1", "the client could not do what it was to"
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def nothing_is_left(session):
    """... of it: SESSION gets the locks, candidate is running, and running what it was before."""
    def locked():
        try:
            session.lock("running")
        except RpcError as error:
            assert error.tag == "lock-denied"
            return False
        return True

    until(locked, "the lock to go")
    session.lock("candidate")
    for source in "running", "candidate":
        assert session.interface("p1", source).find("description") is None
    session.edit(config.interfaces({"name": "p1", "description": "after"}), "candidate")
    session.ok("<commit/>")
    assert session.interface("p1", "running").findtext("description") == "after"
    for datastore in "candidate", "running":
        session.unlock(datastore)
