"""yangcli of Debian's package yuma123, as it is: what it makes of the device.

It knows standard modules of its own and asks with get-schema for those that the hello announces and
it does not have; then it parses what it is told by them.
"""

import pathlib
import re
import shutil
import subprocess

import pytest

from ashlar import config

pytestmark = pytest.mark.host

SCRIPT = """
mgrload module=ietf-interfaces
create-subscription stream=NETCONF
lock target=candidate
merge /interfaces/interface[name='p1']/description value="by yangcli"
sget-config source=candidate /interfaces/interface
validate source=candidate
commit
unlock target=candidate
xget-config source=running /interfaces/interface[name='p1']
replace /interfaces/interface[name='p2']/enabled value=false
commit
merge /interfaces/interface[name='p1']/description value=dropped
discard-changes
copy-config source=running target=startup
eventlog
close-session
quit
"""


def yangcli(daemon, directory, script, password=config.PASSWORD):
    """What it says, run with a script, and its exit status."""
    path = directory / "script"
    path.write_text(script)
    with subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{daemon.net.name}", "--", "yangcli", "--server=127.0.0.1",
             f"--ncport={daemon.ssh_port}", f"--user={config.USER}", f"--password={password}",
             "--autoload=true", "--batch-mode", "--log-level=debug", f"--run-script={path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=directory) as process:
        said, _ = process.communicate(timeout=120)
    # what it was told of schemas is in a directory named by the time and its process
    for left in pathlib.Path("~/.yuma/tmp").expanduser().glob(f"*{process.pid}"):
        shutil.rmtree(left)
    return said, process.returncode


def test_session(daemon, nc, tmp_path):
    """Connects, takes schemas from the device, subscribes, edits, commits, copies, looks."""
    said, status = yangcli(daemon, tmp_path, SCRIPT)
    assert status == 0, said[-3000:]
    assert "canceled" not in said, said[-3000:]
    assert "rpc-error" not in said, said[-3000:]
    for module in "iana-if-type", "iana-crypt-hash", "ietf-restconf-monitoring":
        assert f"Got autoload reply for '{module}'" in said
    assert "Protocol version set to: RFC 6241 (base:1.1)" in said
    # two commits changed running, one session began: what it was told while it worked
    assert len(re.findall(r"Incoming notification", said)) >= 2, said[-3000:]
    assert nc.interface("p1", "running").findtext("description") == "by yangcli"
    assert nc.interface("p2", "startup").findtext("enabled") == "false"


@pytest.mark.parametrize("command, tag", [
    ("merge /interfaces/interface[name='p1']/type value=other", "invalid-value"),
    ("create /interfaces/interface[name='p1']/enabled value=true\n"
     "create /interfaces/interface[name='p1']/enabled value=true", "data-exists"),
    ("get-schema identifier=nonsense format=yang", "invalid-value"),
])
def test_refusal(daemon, tmp_path, command, tag):
    """It understands why it was refused."""
    said, _ = yangcli(daemon, tmp_path, f"mgrload module=ietf-interfaces\n{command}\nquit\n")
    assert "rpc-error" in said and tag in said, said[-2000:]
