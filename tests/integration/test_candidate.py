"""The candidate (RFC 6241 section 8.3) and the confirmed commit (section 8.4)."""

import time

import pytest

from ashlar import config
from ashlar.netconf import RpcError, Session, SshStream
from ashlar.network import until

COMMIT = "<commit/>"
DISCARD = "<discard-changes/>"


def has_link(net, name):
    return any(link["ifname"] == name for link in net.ip_json("link"))


def described(nc, name="p1", source="running"):
    entry = nc.interface(name, source)
    return None if entry is None else entry.findtext("description")


def describe(nc, text, name="p1", target="candidate"):
    nc.edit(config.interfaces({"name": name, "description": text}), target)


def refused(tag, call, *arguments):
    with pytest.raises(RpcError) as error:
        call(*arguments)
    assert error.value.tag == tag, error.value
    return error.value


def confirmed(timeout=None, persist=None, persist_id=None):
    return ("<commit><confirmed/>"
            + (f"<confirm-timeout>{timeout}</confirm-timeout>" if timeout else "")
            + (f"<persist>{persist}</persist>" if persist else "")
            + (f"<persist-id>{persist_id}</persist-id>" if persist_id else "") + "</commit>")


def text_of(nc, source):
    """The datastore as bytes, to be compared."""
    from lxml import etree
    return etree.tostring(nc.get_config(source), method="c14n")


def test_capabilities(nc):
    assert {"urn:ietf:params:netconf:capability:candidate:1.0",
            "urn:ietf:params:netconf:capability:confirmed-commit:1.1"} <= set(nc.capabilities)


def test_edit_commit(nc, net):
    """8.3.4.1: running changes with the commit, not before; then both are the same."""
    before = text_of(nc, "running")
    assert text_of(nc, "candidate") == before
    describe(nc, "later")
    assert described(nc, source="candidate") == "later"
    assert described(nc) is None and "ifalias" not in net.link("p1")
    nc.ok(COMMIT)
    assert described(nc) == net.link("p1")["ifalias"] == "later"
    assert text_of(nc, "candidate") == text_of(nc, "running") != before


def test_discard(nc, net):
    """8.3.4.2."""
    before = text_of(nc, "running")
    describe(nc, "never")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")), "candidate")
    nc.edit(config.interfaces({"name": "p2", "@operation": "delete"}), "candidate")
    nc.ok(DISCARD)
    assert text_of(nc, "candidate") == text_of(nc, "running") == before
    nc.ok(COMMIT)
    assert text_of(nc, "running") == before
    describe(nc, "now")
    nc.ok(COMMIT)
    assert described(nc) == "now"


def test_follows_running(nc):
    """Not edited it is running; edited it keeps what it had, and the commit makes running that."""
    describe(nc, "first")
    nc.ok(COMMIT)
    describe(nc, "direct", target="running")
    assert described(nc, source="candidate") == "direct"
    describe(nc, "candidate's", "p2")
    assert described(nc, "p1", "candidate") == "direct"
    describe(nc, "meanwhile", "p3", "running")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    assert described(nc, "p3", "candidate") is None
    nc.ok(COMMIT)
    assert described(nc, "p2") == "candidate's"
    assert described(nc, "p3") is None and nc.interface("va", "running") is None
    assert text_of(nc, "candidate") == text_of(nc, "running")


def test_whole_entries(nc, net):
    """Interfaces made, replaced and removed in several edits and one commit."""
    nc.edit(config.interfaces(config.veth("va", "vb", **config.ipv4("198.51.100.1/24")),
                              config.veth("vb", "va")), "candidate")
    nc.edit(config.interfaces({"name": "va", "description": "made"}), "candidate")
    nc.edit(config.interfaces({**config.veth("vb", "va", description="new"),
                               "@operation": "replace"}), "candidate")
    assert not has_link(net, "va")
    nc.ok(COMMIT)
    assert net.link("va")["ifalias"] == "made" and net.link("vb")["ifalias"] == "new"
    assert text_of(nc, "candidate") == text_of(nc, "running")
    nc.edit(config.interfaces({"name": "va", "@operation": "delete"}), "candidate")
    nc.edit(config.interfaces({"name": "vb", "@operation": "delete"}), "candidate")
    nc.ok(COMMIT)
    assert not has_link(net, "va")
    assert text_of(nc, "candidate") == text_of(nc, "running")


def test_order_by_user(nc):
    """The order of entries is part of what is committed."""
    groups = {"ops": ["a"]}

    def rules(*names):
        return config.access(groups, [{"name": name, "group": ["ops"], "rule": []}
                                      for name in names])

    def names(source):
        found = [node.text for node in nc.get_config(source).iterfind("nacm/rule-list/name")]
        return [name for name in found if name in ("zero", "one", "two", "three", "four")]

    nc.edit(rules("one", "two", "three"))
    ns = config.namespaces()["ietf-netconf-acm"]
    nc.edit(f'<nacm xmlns="{ns}" xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
            '<rule-list yang:insert="first"><name>three</name></rule-list></nacm>', "candidate")
    nc.edit(f'<nacm xmlns="{ns}" xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
            "<rule-list yang:insert=\"before\" yang:key=\"[name='one']\"><name>zero</name>"
            "<group>ops</group></rule-list></nacm>", "candidate")
    assert names("candidate") == ["three", "zero", "one", "two"]
    assert names("running") == ["one", "two", "three"]
    nc.ok(COMMIT)
    assert names("running") == names("candidate") == ["three", "zero", "one", "two"]
    nc.edit(rules("four"))
    nc.edit(f'<nacm xmlns="{ns}" xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
            '<rule-list yang:insert="first"><name>four</name></rule-list></nacm>')
    assert names("candidate") == names("running")[:1] + ["three", "zero", "one", "two"]


def test_invalid_until_commit(nc):
    """RFC 7950 section 8.3.3: constraints of the candidate hold from validate and commit on."""
    one = config.interfaces(config.veth("va", "vb"))
    nc.edit(one, "candidate")
    error = refused("data-missing", nc.validate, "candidate")
    assert "vb" in error.message or "va" in (error.path or "")
    refused("data-missing", nc.ok, COMMIT)
    assert nc.interface("va", "running") is None
    nc.edit(config.interfaces(config.veth("vb", "va")), "candidate")
    nc.validate("candidate")
    nc.ok(COMMIT)
    assert nc.interface("va", "running") is not None


def a_bridge(name):
    return config.interface(name, "bridge",
                            infix_interfaces__bridge={"ieee-group-forward": ["lldp"]})


def turn_when_false(nc):
    bridge = a_bridge("br1")
    dummy = {"name": "br1", "type": "infix-if-type:dummy"}
    found = {}

    def has_bridge(source):
        entry = nc.interface("br1", source)
        return any(child.tag == "bridge" for child in entry)

    for target in "running", "candidate":
        nc.edit(config.interfaces(bridge), target)
        assert has_bridge(target)
        nc.edit(config.interfaces(dummy), target)
        assert not has_bridge(target)
        nc.ok(COMMIT)
        assert not has_bridge("running")
        found[target] = text_of(nc, "running")
        nc.edit(config.interfaces({"name": "br1", "@operation": "delete"}))
    assert found["candidate"] == found["running"]
    # Of what is in running already, and it does not come back with the condition.
    nc.edit(config.interfaces(bridge))
    nc.edit(config.interfaces(dummy), "candidate")
    assert has_bridge("running") and not has_bridge("candidate")
    nc.edit(config.interfaces({"name": "br1", "type": "infix-if-type:bridge"}), "candidate")
    assert not has_bridge("candidate")
    nc.ok(COMMIT)
    assert not has_bridge("running")
    assert text_of(nc, "candidate") == text_of(nc, "running")


def test_when_turned_false(net, make_daemon):
    """RFC 7950 section 8.2: what a when turns off goes with the edit, as it does in running."""
    # Without the kernel, which may know no dummy links.
    daemon = make_daemon(net, config.switch(net.ports), options=("--no-kernel",)).start()
    with daemon.local() as session:
        turn_when_false(session)


def test_when_false_from_the_start(nc):
    """RFC 7950 section 8.3.2: what an edit itself gives is refused, unless it is right by the commit."""
    wrong = {**a_bridge("br1"), "type": "infix-if-type:dummy"}
    nc.edit(config.interfaces(wrong), "candidate")
    refused("unknown-element", nc.ok, COMMIT)
    assert nc.interface("br1", "running") is None
    nc.edit(config.interfaces({"name": "br1", "type": "infix-if-type:bridge"}), "candidate")
    nc.ok(COMMIT)
    assert nc.interface("br1", "running").findtext("bridge/ieee-group-forward") == "lldp"


def test_test_option(nc):
    """7.2: test-then-set and test-only judge the candidate as it would be."""
    one = config.interfaces(config.veth("va", "vb"))
    for option in "test-then-set", "test-only":
        with pytest.raises(RpcError):
            nc.edit(one, "candidate", test_option=option)
        assert nc.interface("va", "candidate") is None
    nc.edit(config.interfaces({"name": "p1", "description": "x"}), "candidate",
            test_option="test-only")
    assert described(nc, source="candidate") is None
    nc.lock("candidate")  # nothing is left behind that would refuse it
    nc.unlock("candidate")
    nc.edit(config.interfaces({"name": "p1", "description": "x"}), "candidate",
            test_option="test-then-set")
    assert described(nc, source="candidate") == "x"


def test_failed_edit_leaves_candidate(nc):
    describe(nc, "kept")
    before = text_of(nc, "candidate")
    refused("data-missing", nc.edit, config.interfaces(
        {"name": "p2", "description": "lost"}, {"name": "nothing", "@operation": "delete"}),
        "candidate")
    assert text_of(nc, "candidate") == before


def test_copies(nc, daemon):
    """copy-config from and to the candidate."""
    describe(nc, "one")
    nc.copy("candidate", "startup")
    assert described(nc, source="startup") == "one" and described(nc) is None
    nc.copy("running", "candidate")
    assert described(nc, source="candidate") is None
    nc.copy("startup", "candidate")
    assert described(nc, source="candidate") == "one"
    nc.copy("candidate", "running")
    assert described(nc) == "one"
    nc.ok(DISCARD)
    assert text_of(nc, "candidate") == text_of(nc, "running")


def test_locks(nc, daemon):
    """7.5 and 8.3.5: a changed candidate cannot be locked; what its holder leaves is discarded."""
    with daemon.local() as other:
        describe(nc, "mine")
        assert refused("lock-denied", other.lock, "candidate").info["session-id"] == "0"
        nc.ok(DISCARD)
        other.lock("candidate")
        assert refused("in-use", describe, nc, "no").info["session-id"] == str(other.session_id)
        refused("in-use", nc.ok, COMMIT)
        refused("in-use", nc.ok, DISCARD)
        describe(other, "begun")
    until(lambda: described(nc, source="candidate") is None, "what it had begun is gone")
    nc.lock("candidate")
    assert described(nc, source="candidate") is None
    nc.unlock("candidate")
    with daemon.local() as other:
        other.lock("running")
        describe(nc, "waits")
        refused("in-use", nc.ok, COMMIT)


def test_defaults(nc):
    """8.3 with RFC 6243: a changed candidate has its defaults when asked for them."""
    describe(nc, "x")
    data = nc.data(
        "<get-config><source><candidate/></source>"
        '<with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">report-all'
        "</with-defaults></get-config>")
    entry = data.find("interfaces/interface[name='p1']")
    assert entry.findtext("enabled") == "true" and entry.findtext("description") == "x"
    assert nc.interface("p1", "candidate").find("enabled") is None


def test_confirm(nc, net):
    """8.4.1: confirmed in time by the same session."""
    describe(nc, "tried")
    nc.ok(confirmed(60))
    assert net.link("p1")["ifalias"] == "tried"
    describe(nc, "and more", "p2")
    nc.ok(COMMIT)
    assert described(nc) == "tried" and described(nc, "p2") == "and more"
    refused("operation-failed", nc.ok, "<cancel-commit/>")


def test_cancel(nc, net):
    """8.4.4.1: everything since the first confirmed commit goes back."""
    nc.edit(config.interfaces({"name": "p1", "description": "before"}))
    before = text_of(nc, "running")
    describe(nc, "tried")
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")), "candidate")
    nc.ok(confirmed(60))
    nc.edit(config.interfaces({"name": "p4", "@operation": "delete"}), "candidate")
    nc.ok(confirmed(60))
    describe(nc, "direct", "p3", "running")
    assert has_link(net, "va")
    nc.ok("<cancel-commit/>")
    assert text_of(nc, "running") == before == text_of(nc, "candidate")
    assert net.link("p1")["ifalias"] == "before" and not has_link(net, "va")


def test_session_end_goes_back(nc, daemon, net):
    """8.4.1: without persist the end of the session that committed takes it back."""
    with daemon.local() as other:
        describe(other, "gone")
        other.ok(confirmed(60))
        assert described(nc) == "gone"
        assert refused("in-use", nc.ok, COMMIT).info["session-id"] == str(other.session_id)
        assert refused("lock-denied", nc.lock).info["session-id"] == str(other.session_id)
    daemon.wait_log("event=commit .*protocol=internal")
    assert described(nc) is None and "ifalias" not in net.link("p1")


def test_persist(nc, daemon):
    """8.4.1: with persist any session that knows the id may confirm; nobody else."""
    with daemon.local() as other:
        describe(other, "kept")
        other.ok(confirmed(60, persist="token"))
    refused("in-use", nc.ok, COMMIT)
    refused("invalid-value", nc.ok, "<commit><persist-id>other</persist-id></commit>")
    refused("invalid-value", nc.ok, "<cancel-commit><persist-id>x</persist-id></cancel-commit>")
    nc.ok(confirmed(60, persist="token2", persist_id="token"))
    refused("invalid-value", nc.ok, "<commit><persist-id>token</persist-id></commit>")
    nc.ok("<commit><persist-id>token2</persist-id></commit>")
    assert described(nc) == "kept"
    refused("invalid-value", nc.ok, "<commit><persist-id>token2</persist-id></commit>")


def test_bad_parameters(nc):
    describe(nc, "x")
    refused("bad-element", nc.ok, "<commit><confirm-timeout>5</confirm-timeout></commit>")
    refused("invalid-value", nc.ok, confirmed("0"))
    refused("invalid-value", nc.ok, confirmed("soon"))
    assert described(nc) is None


def test_timeout(nc, daemon, net):
    """8.4.1: nobody confirms in time."""
    describe(nc, "tried")
    nc.ok(confirmed(1))
    assert net.link("p1")["ifalias"] == "tried"
    daemon.wait_log("event=confirm-timeout")
    daemon.wait_log("event=commit .*protocol=internal")
    assert described(nc) is None and "ifalias" not in net.link("p1")
    nc.ok(COMMIT)


def test_startup_waits(nc):
    """What may yet be taken back does not become what the device starts from."""
    describe(nc, "tried")
    nc.ok(confirmed(60))
    refused("in-use", nc.copy, "running", "startup")
    nc.ok(COMMIT)
    nc.copy("running", "startup")


@pytest.mark.parametrize("persist", [None, "token"])
def test_killed_daemon(daemon, net, persist):
    """A daemon that comes after a killed one still goes back, or waits for the persist-id."""
    with daemon.local() as session:
        before = text_of(session, "running")
        describe(session, "tried")
        session.edit(config.interfaces({"name": "p4", "@operation": "delete"}), "candidate")
        session.ok(confirmed(60, persist=persist))
        describe(session, "later", "p2", "running")
        daemon.kill()
    daemon.start()
    with daemon.local() as session:
        if persist:
            assert described(session) == "tried"
            session.ok(f"<cancel-commit><persist-id>{persist}</persist-id></cancel-commit>")
        else:
            daemon.wait_log("event=commit .*protocol=internal")
        assert text_of(session, "running") == before
        assert "ifalias" not in net.link("p1")


def test_timeout_across_kill(daemon, net):
    with daemon.local() as session:
        describe(session, "tried")
        session.ok(confirmed(1, persist="token"))
        daemon.kill()
    daemon.start()
    with daemon.local() as session:
        daemon.wait_log("event=commit .*protocol=internal")
        assert described(session) is None and "ifalias" not in net.link("p1")
        session.ok(COMMIT)


def test_reboot(daemon):
    """After a reboot the device is what startup says; nothing is pending."""
    with daemon.local() as session:
        describe(session, "tried")
        session.ok(confirmed(60, persist="token"))
    daemon.reboot()
    with daemon.local() as session:
        assert described(session) is None
        refused("invalid-value", session.ok, "<commit><persist-id>token</persist-id></commit>")
        session.ok(COMMIT)


@pytest.mark.guest
@pytest.mark.time_travel
@pytest.mark.timeout(0)
@pytest.mark.parametrize("timeout, least", [(None, 600), (7200, 7200)])
def test_long_timeout(nc, daemon, timeout, least):
    """8.4.5.1: ten minutes by default, or what confirm-timeout says."""
    describe(nc, "tried")
    begun = time.monotonic()
    nc.ok(confirmed(timeout))
    daemon.wait_log("event=commit .*protocol=internal", timeout=2 * least)
    assert least <= time.monotonic() - begun < least + 60
    assert described(nc) is None


def far_session(daemon, net):
    """A session from behind the first port."""
    net.far[1].ip("address replace 192.0.2.100/24 dev eth0")
    net.far[1].run("ping", "-c", "1", "-W", "60", "192.0.2.1")
    return Session(SshStream(net.far[1], daemon.ssh_port, daemon.directory, config.USER,
                             config.PASSWORD, None, "192.0.2.1"))


@pytest.mark.guest
@pytest.mark.time_travel
@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_killed", [False, True])
def test_way_cut_off(daemon, net, is_killed):
    """The commit takes away the address by which its client came; it is back when the time is up."""
    session = far_session(daemon, net)
    session.edit(config.interfaces({"name": "br0", "ietf-ip:ipv4": {"@operation": "delete"}}),
                 "candidate")
    session.request(confirmed(300, persist="cut"))  # whose reply has no way any more
    until(lambda: "192.0.2.1/24" not in net.addresses("br0"), "the way is cut off")
    if is_killed:
        daemon.kill()
        daemon.start()
        assert "192.0.2.1/24" not in net.addresses("br0")
    daemon.wait_log("event=commit .*protocol=internal", timeout=900)
    assert "192.0.2.1/24" in net.addresses("br0")
    with far_session(daemon, net) as again:
        again.ok(COMMIT)
    session.stream.process.kill()  # its connection waits for what TCP sends again
    session.close()
