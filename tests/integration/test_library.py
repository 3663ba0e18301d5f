"""What the server says of its schema: RFC 8525, get-schema of RFC 6022."""

import re

import pytest
from lxml import etree

from ashlar import config, push
from ashlar.netconf import RpcError

NCM = config.namespaces()["ietf-netconf-monitoring"]
LIBRARY = config.namespaces()["ietf-yang-library"]


def get_schema(nc, name, version=None):
    given = f"<version>{version}</version>" if version is not None else ""
    reply = nc.rpc(f'<get-schema xmlns="{NCM}"><identifier>{name}</identifier>{given}'
                   "<format>yang</format></get-schema>")
    return reply.findtext(f"{{{NCM}}}data")


def library(nc, name="yang-library"):
    return nc.get(f'<{name} xmlns="{LIBRARY}"/>').find(name)


def test_modules(nc):
    """RFC 8525 section 3: implemented and imported modules, features, deviations, submodules."""
    sets = library(nc).findall("module-set")
    assert len(sets) == 1
    modules = {entry.findtext("name"): entry for entry in sets[0].findall("module")}
    imported = {entry.findtext("name") for entry in sets[0].findall("import-only-module")}
    assert {"ietf-interfaces", "ietf-netconf", "ietf-netconf-nmda", "infix-interfaces"} <= set(
        modules)
    assert {"ietf-inet-types", "ietf-yang-types"} <= imported | set(modules)
    assert {"candidate", "xpath", "writable-running"} <= {
        feature.text for feature in modules["ietf-netconf"].findall("feature")}
    assert {"origin", "with-defaults"} == {
        feature.text for feature in modules["ietf-netconf-nmda"].findall("feature")}
    deviations = [entry.text for entry in modules["ietf-interfaces"].findall("deviation")]
    assert any(name.startswith("infix") for name in deviations)
    submodules = [entry.findtext("name") for entry in sets[0].iter("submodule")]
    assert "infix-if-bridge" in submodules
    for entry in modules.values():
        assert entry.findtext("namespace")


def test_datastores(nc):
    """RFC 8525 section 3: every datastore with its schema, and that schema's module sets."""
    data = library(nc)
    schemas = {entry.findtext("name"): entry.findtext("module-set")
               for entry in data.findall("schema")}
    stores = {entry.findtext("name").split(":")[1]: entry.findtext("schema")
              for entry in data.findall("datastore")}
    assert set(stores) == {"running", "candidate", "startup", "intended", "operational",
                           "factory-default"}
    assert set(stores.values()) <= set(schemas)
    assert set(schemas.values()) == {entry.findtext("name")
                                     for entry in data.findall("module-set")}


def test_content_id(nc):
    """RFC 8525 section 3, RFC 8526 section 2: the same in library and hello."""
    content_id = library(nc).findtext("content-id")
    assert content_id
    assert (f"urn:ietf:params:netconf:capability:yang-library:1.1?revision=2019-01-04"
            f"&content-id={content_id}") in nc.capabilities


def test_modules_state(nc):
    """RFC 8525 appendix B: the deprecated form, for those who know no other."""
    data = library(nc, "modules-state")
    assert data.findtext("module-set-id") == library(nc).findtext("content-id")
    kinds = {entry.findtext("name"): entry.findtext("conformance-type")
             for entry in data.findall("module")}
    assert kinds["ietf-interfaces"] == "implement"
    assert kinds["ietf-inet-types"] in ("import", "implement")


def test_every_schema(nc):
    """RFC 6022 section 3.1: each module and submodule of the library can be had."""
    data = library(nc)
    wanted = [(entry.findtext("name"), entry.findtext("revision") or "")
              for kind in ("module", "import-only-module", "submodule")
              for entry in data.iter(kind)]
    assert len(wanted) > 60
    for name, revision in wanted:
        text = get_schema(nc, name, revision)
        assert re.search(rf"^\s*(sub)?module {name}\s*{{", text, re.M), name
        assert not revision or f"revision {revision}" in text.replace('"', ""), name
    shown = nc.get(f'<netconf-state xmlns="{NCM}"><schemas/></netconf-state>')
    listed = {(entry.findtext("identifier"), entry.findtext("version"))
              for entry in shown.iter("schema")}
    assert listed >= set(wanted)


def test_one_of_several(nc):
    """RFC 6022 section 3.1: what is not unique, and what is not there."""
    assert get_schema(nc, "ietf-interfaces").startswith("module ietf-interfaces")
    for arguments in ("nothing",), ("ietf-interfaces", "1999-01-01"), ("infix-if-bridge",
                                                                       "1999-01-01"):
        with pytest.raises(RpcError) as refused:
            get_schema(nc, *arguments)
        assert refused.value.tag == "invalid-value"


def test_update(make_daemon, net):
    """RFC 8525 section 3: yang-library-update when a daemon comes with another schema."""
    daemon = make_daemon(net, config.switch(net.ports)).start()
    with daemon.local() as nc:
        content_id = library(nc).findtext("content-id")
    kept = daemon.state_dir / "content-id"
    assert kept.read_text() == content_id
    daemon.restart()
    assert not any("event=schema-changed" in line for line in daemon.log)
    daemon.stop()
    kept.write_text("another")
    daemon.start()
    daemon.wait_log(f"event=schema-changed content-id={content_id}")
    with daemon.local() as nc:
        start = "2020-01-01T00:00:00Z"
        nc.ok('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
              f"<startTime>{start}</startTime></create-subscription>")
        while True:
            event = etree.fromstring(nc.receive())
            found = event.find(f"{{{LIBRARY}}}yang-library-update")
            if found is not None:
                break
        assert found.findtext(f"{{{LIBRARY}}}content-id") == content_id


def test_capabilities(nc):
    """RFC 9196: what subscriptions can ask for, by datastore and node."""
    data = nc.get('<system-capabilities xmlns="urn:ietf:params:xml:ns:yang:ietf-system-capabilities"'
                  "/>").find("system-capabilities")
    general = data.find("subscription-capabilities")
    assert general.findtext("periodic-notifications-supported") == "config-changes state-changes"
    assert int(general.findtext("minimum-update-period")) >= 1
    assert general.findtext("minimum-dampening-period") == "0"
    stores = {entry.findtext("datastore").split(":")[1]: entry
              for entry in data.findall("datastore-capabilities")}
    told = {name: [(node.findtext("node-selector"),
                    node.findtext("subscription-capabilities/on-change-supported") or "")
                   for node in entry.findall("per-node-capabilities")]
            for name, entry in stores.items()}
    assert told["running"] == [(None, "config-changes")]
    assert told["startup"] == [(None, "")]
    assert told["operational"][-1] == (None, "config-changes state-changes")
    silent = dict(told["operational"][:-1])
    assert any(path.endswith("statistics") for path in silent)
    assert set(silent.values()) == {""}
    # what is told is so
    prefixes = {"factory-default": 'xmlns:d="urn:ietf:params:xml:ns:yang:ietf-factory-default"'}
    assert set(told) == {"running", "candidate", "startup", "intended", "operational",
                         "factory-default"}
    for name, nodes in told.items():
        prefix = prefixes.get(name, 'xmlns:d="urn:ietf:params:xml:ns:yang:ietf-datastores"')
        request = (f'<establish-subscription xmlns="{push.SN}" xmlns:yp="{push.YP}" {prefix}>'
                   f"<yp:datastore>d:{name}</yp:datastore><yp:on-change/>"
                   "</establish-subscription>")
        if nodes[-1][1]:
            nc.rpc(request)
            continue
        with pytest.raises(RpcError) as refused:
            nc.rpc(request)
        assert refused.value.app_tag == "ietf-yang-push:datastore-not-subscribable"
    for leaf in data.iter("node-selector"):
        declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in leaf.nsmap.items()
                           if prefix)
        with pytest.raises(RpcError) as refused:
            push.on_change(nc, f"<yp:datastore-xpath-filter{declared}>{leaf.text}"
                               "</yp:datastore-xpath-filter>", "operational")
        assert refused.value.app_tag == "ietf-yang-push:on-change-unsupported", leaf.text
