"""What <edit-config> does: its five operations, its options, and that it does all of it or nothing."""

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import RpcError

P1 = "/if:interfaces/if:interface[if:name='p1']"


def interface(name="p1", operation=None, **members):
    entry = {"name": name, **members}
    if operation:
        entry["@operation"] = operation
    return config.interfaces(entry)


def leaf(name, value, operation):
    return {name: value if value is not None else [None],
            f"@{name}": {"ietf-netconf:operation": operation}}


def described(nc, name="p1"):
    entry = nc.interface(name, "running")
    return None if entry is None else entry.findtext("description")


def refused(tag, nc, *arguments, **options):
    with pytest.raises(RpcError) as error:
        nc.edit(*arguments, **options)
    assert error.value.tag == tag
    return error.value


def test_operations_on_a_leaf(nc, net):
    nc.edit(interface(**leaf("description", "one", "create")))
    assert described(nc) == net.link("p1")["ifalias"] == "one"
    assert refused("data-exists", nc, interface(**leaf("description", "two", "create"))).path == \
        P1 + "/if:description"
    nc.edit(interface(**leaf("description", "two", "merge")))
    nc.edit(interface(**leaf("description", "three", "replace")))
    assert described(nc) == net.link("p1")["ifalias"] == "three"
    nc.edit(interface(**leaf("description", None, "delete")))
    assert described(nc) is None
    assert "ifalias" not in net.link("p1")
    assert refused("data-missing", nc, interface(**leaf("description", None, "delete"))).path == \
        P1 + "/if:description"
    nc.edit(interface(**leaf("description", None, "remove")))


def test_operations_on_an_entry(nc, net):
    pair = config.interfaces({**config.veth("va", "vb", description="a"), "@operation": "create"},
                             {**config.veth("vb", "va"), "@operation": "create"})
    nc.edit(pair)
    assert net.link("va")["ifalias"] == "a"
    refused("data-exists", nc, pair)
    # replace keeps what it is made of and nothing else
    nc.edit(config.interfaces({**config.veth("va", "vb", **config.ipv4("198.51.100.1/24")),
                               "@operation": "replace"}))
    assert "ifalias" not in net.link("va")
    assert net.addresses("va") == ["198.51.100.1/24"]
    both = config.interfaces({"name": "va", "@operation": "delete"},
                             {"name": "vb", "@operation": "delete"})
    nc.edit(both)
    assert net.link("va") is None and net.link("vb") is None
    refused("data-missing", nc, both)
    nc.edit(config.interfaces({"name": "va", "@operation": "remove"}))


def test_one_of_a_pair_cannot_go_alone(nc, net):
    nc.edit(config.interfaces(config.veth("va", "vb"), config.veth("vb", "va")))
    error = refused("data-missing", nc, config.interfaces({"name": "vb", "@operation": "delete"}))
    assert error.path.startswith("/if:interfaces/if:interface[if:name='va']/infix-if:veth")
    assert net.link("vb") is not None


def test_default_operation(nc, net):
    # none: only the way to what has an operation of its own
    nc.edit(interface(**leaf("description", "one", "merge")), default_operation="none")
    assert described(nc) == "one"
    refused("data-missing", nc, interface("p9", **leaf("description", "x", "merge")),
            default_operation="none")
    nc.edit(interface(description="two"), default_operation="none")
    assert described(nc) == "one"
    nc.edit(interface(description="two"), default_operation="merge")
    assert described(nc) == "two"
    # replace: what is not given is gone
    whole = config.switch(net.ports[:2])
    nc.edit(whole, default_operation="replace")
    assert described(nc) is None
    assert nc.interface("p3", "running") is None
    assert net.link("p3").get("master") is None
    assert net.link("p2")["master"] == "br0"


def test_options(nc, net):
    nc.edit(interface(description="tested"), test_option="test-only")
    assert described(nc) is None
    assert "ifalias" not in net.link("p1")
    refused("data-missing", nc, config.interfaces(config.port("p1", "br7")),
            test_option="test-only")
    for option in "test-then-set", "set":
        nc.edit(interface(description=option), test_option=option)
        assert net.link("p1")["ifalias"] == option
        refused("data-missing", nc, config.interfaces(config.port("p1", "br7")),
                test_option=option)


@pytest.mark.parametrize("option", ["rollback-on-error", "stop-on-error", "continue-on-error"])
def test_all_or_nothing(nc, net, option):
    before = net.dump()
    error = refused("data-exists", nc, config.interfaces(
        {"name": "p1", "description": "first"},
        {"name": "p2", "@operation": "create"},
        {"name": "p3", "description": "last"}), error_option=option)
    assert error.path == "/if:interfaces/if:interface[if:name='p2']"
    assert [described(nc, port) for port in net.ports] == [None] * 4
    assert net.dump() == before


def test_order_within_one_edit_does_not_matter(nc, net):
    """What is referred to may come after what refers to it."""
    nc.edit(config.interfaces(
        {**config.veth("va", "vb"), "infix-interfaces:bridge-port": {"bridge": "br9"}},
        config.veth("vb", "va"),
        {"name": "br9"}))
    assert net.link("va")["master"] == "br9"
    # and what is still referred to cannot go
    refused("data-missing", nc, interface("br9", "delete"))
    nc.edit(config.interfaces(*({"name": name, "@operation": "delete"}
                                for name in ("br9", "va", "vb"))))
    assert [net.link(name) for name in ("br9", "va", "vb")] == [None] * 3


def test_the_server_fills_in(nc):
    """The type of an interface follows from its name, as in Infix."""
    nc.edit(config.interfaces({"name": "br1"}, {"name": "veth0a"}, {"name": "veth0b"}))
    for name, kind in ("br1", "bridge"), ("veth0a", "veth"), ("veth0b", "veth"):
        entry = nc.interface(name, "running")
        assert entry.findtext("type").endswith(f":{kind}")
    assert nc.interface("veth0a", "running").findtext("veth/peer") == "veth0b"


def test_user_ordered_lists(nc):
    """insert of RFC 7950 section 7.8.6."""
    def lists():
        nacm = nc.get_config(subtree=f'<nacm xmlns="{config.namespaces()["ietf-netconf-acm"]}"/>')
        return [node.text for node in nacm.iterfind("nacm/rule-list/name")]

    def add(name, insert):
        acm = config.namespaces()["ietf-netconf-acm"]
        nc.edit(f'<nacm xmlns="{acm}" xmlns:y="urn:ietf:params:xml:ns:yang:1">'
                f"<rule-list {insert}><name>{name}</name><group>none</group></rule-list></nacm>")

    assert lists() == ["admin"]
    add("last", "")
    add("first", 'y:insert="first"')
    add("before", f'''y:insert="before" y:key="[n:name='last']"
                      xmlns:n="{config.namespaces()["ietf-netconf-acm"]}"''')
    add("after", f'''y:insert="after" y:key="[n:name='first']"
                     xmlns:n="{config.namespaces()["ietf-netconf-acm"]}"''')
    assert lists() == ["first", "after", "admin", "before", "last"]
    add("last", 'y:insert="first"')
    assert lists() == ["last", "first", "after", "admin", "before"]
    with pytest.raises(RpcError) as error:
        add("x", f'''y:insert="after" y:key="[n:name='nobody']"
                     xmlns:n="{config.namespaces()["ietf-netconf-acm"]}"''')
    assert error.value.app_tag == "missing-instance"


ACM = config.namespaces()["ietf-netconf-acm"]


def ordered(*names, attributes=""):
    """An nacm with these rule lists, in this order, each with rules and groups in the reverse one."""
    lists = "".join(
        f"<rule-list><name>{name}</name><group>g{name}</group>"
        + "".join(f"<rule><name>{rule}</name><action>permit</action></rule>" for rule in names[::-1])
        + "</rule-list>" for name in names)
    return f'<nacm xmlns="{ACM}" xmlns:nc="{config.NETCONF}"{attributes}>{lists}</nacm>'


def order_of(nc, source="running"):
    data = nc.get_config(source, subtree=f'<nacm xmlns="{ACM}"><rule-list/></nacm>')
    return [(entry.findtext("name"), [rule.text for rule in entry.iterfind("rule/name")])
            for entry in data.iterfind("nacm/rule-list")]


def put_all(nc, daemon, names):
    """The whole configuration again, with the order of @names: by copy-config of a <config>."""
    whole = nc.rpc("<get-config><source><running/></source></get-config>").find(f"{{{config.NETCONF}}}data")
    parts = "".join(etree.tostring(part, encoding="unicode") for part in whole
                    if part.tag != f"{{{ACM}}}nacm")
    nc.ok(f"<copy-config><target><running/></target><source><config>{parts}{ordered(*names)}</config>"
          "</source></copy-config>")


def put_replace(nc, daemon, names):
    nc.edit(ordered(*names, attributes=' nc:operation="replace"'))


def put_candidate(nc, daemon, names):
    nc.edit(ordered(*names, attributes=' nc:operation="replace"'), "candidate")
    assert [name for name, _ in order_of(nc, "candidate")] == list(names)
    nc.ok("<commit/>")


def put_anew(nc, daemon, names):
    """Away with all of it and made anew, both before the commit."""
    nc.edit(f'<nacm xmlns="{ACM}" xmlns:nc="{config.NETCONF}" nc:operation="remove"/>', "candidate")
    nc.edit(ordered(*names), "candidate")
    nc.ok("<commit/>")


def put_restconf(nc, daemon, names):
    lists = [{"name": name, "group": [f"g{name}"],
              "rule": [{"name": rule, "action": "permit"} for rule in names[::-1]]}
             for name in names]
    with daemon.restconf() as rc:
        assert rc.put("/restconf/data/ietf-netconf-acm:nacm", {"ietf-netconf-acm:nacm": {
            "enable-nacm": False,
            "groups": {"group": [{"name": "admin", "user-name": [config.USER]}]},
            "rule-list": lists}}).status == 204


@pytest.mark.parametrize("put", [put_all, put_replace, put_candidate, put_anew, put_restconf])
def test_order_of_what_replaces(daemon, nc, put):
    """RFC 7950 7.7.7, RFC 6241 7.3: what replaces a configuration has its order too: in running, in the
    journal, and back again when a confirmed commit is taken back."""
    def expected(names):
        return [(name, list(names[::-1])) for name in names]

    nc.edit(f'<nacm xmlns="{ACM}"><enable-nacm>false</enable-nacm></nacm>')
    for names in "abcde", "ecabd", "xdb":
        put(nc, daemon, names)
        assert order_of(nc) == expected(names)
    nc.edit(ordered(*"bdx", attributes=' nc:operation="replace"'), "candidate")
    nc.ok("<commit><confirmed/></commit>")
    assert order_of(nc) == expected("bdx")
    nc.ok("<cancel-commit/>")
    assert order_of(nc) == expected("xdb")
    daemon.kill()
    daemon.start()
    with daemon.local() as again:
        assert order_of(again) == expected("xdb")


def test_an_edit_of_nothing(nc, daemon):
    begin = len(daemon.log)
    nc.edit("")
    nc.edit(interface(enabled=True))
    nc.edit(interface(enabled=True))
    assert sum("event=commit" in line for line in daemon.log[begin:]) <= 1


def test_large_edit(net, make_daemon):
    """Thousands of entries in one edit; others are answered meanwhile."""
    daemon = make_daemon(net, config.switch(net.ports), options=["--no-kernel"]).start()
    entries = [config.interface(f"eth{number}", "ethernet", description=f"port {number}")
               for number in range(2000)]
    with daemon.local() as session, daemon.local() as other:
        asked = session.request("<edit-config><target><running/></target><config>"
                                f"{config.to_xml(config.interfaces(*entries))}"
                                "</config></edit-config>")
        assert other.interface("br0") is not None
        session.reply(asked)
        assert len(session.get_config().findall("interfaces/interface")) == 2006
        session.edit(config.interfaces(*({"name": entry["name"], "@operation": "delete"}
                                         for entry in entries)))
        assert len(session.get_config().findall("interfaces/interface")) == 6
