"""The support archive: what helps is in it, what is secret is not."""

import base64
import io
import json
import tarfile

import pytest

from ashlar import config
from ashlar.netconf import RpcError

COLLECT = '<collect xmlns="urn:ashlar:params:xml:ns:yang:ashlar-support"/>'


def collect(session):
    data = base64.b64decode(session.rpc(COLLECT).findtext("{*}archive"))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name.removeprefix("ashlar-support/"): archive.extractfile(member).read()
                for member in archive}


def test_t16_archive(net, make_daemon):
    startup = config.switch(net.ports)
    startup["ietf-keystore:keystore"] = {"symmetric-keys": {"symmetric-key": [{
        "name": "psk", "key-format": "ietf-crypto-types:octet-string-key-format",
        "cleartext-symmetric-key": base64.b64encode(b"topsecret-key-of-32-bytes-length").decode()}]}}
    daemon = make_daemon(net, startup).start()
    with daemon.local() as session:
        session.describe("worth knowing")
        session.copy("running", "startup")
        files = collect(session)
        running = json.loads(files["running.json"])
        names = [entry["name"] for entry in running["ietf-interfaces:interfaces"]["interface"]]
        assert "br0" in names
        assert b"worth knowing" in files["startup.json"]
        state = json.loads(files["operational.json"])
        assert state["ietf-system:system-state"]["clock"]["boot-datetime"]
        assert files["files/proc/version"].startswith(b"Linux")
        assert "kernel.log" in files
        (user,) = [user for user in running["ietf-system:system"]["authentication"]["user"]
                   if user["name"] == config.USER]
        assert user["password"] == "*** left out ***"
        hashes = session.get_config().findtext("system/authentication/user/password")
        hidden = [hashes.encode(), base64.b64encode(b"topsecret-key-of-32-bytes-length")]
        assert len(hashes) > 20 and hidden[1].decode() in daemon.startup_file.read_text()
        for name, content in files.items():
            for secret in hidden:
                assert secret not in content, name
        # one after the other
        assert set(collect(session)) == set(files)


def test_not_for_everybody(make_daemon, net):
    startup = {**config.switch(net.ports), **config.access({"some": ["some"]}, [])}
    startup["ietf-netconf-acm:nacm"]["exec-default"] = "permit"
    startup["ietf-system:system"]["authentication"]["user"].append(config.user("some"))
    daemon = make_daemon(net, startup).start()
    with daemon.ssh("some") as session:
        with pytest.raises(RpcError) as refused:
            session.ok(COLLECT)
        assert refused.value.tag == "access-denied"
